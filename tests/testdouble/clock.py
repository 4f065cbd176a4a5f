#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""clock - TEST CLOCK: everything that has to do with time follows, and nothing waits for real time.

  clock.py [WORD...]: only the cases with one of the words in their names
"""
import signal
import sys

from doubles import Cases, Server, ask, check, double, encode, equal, error_of, heard_by, pairs, run_words, wait_for

CASES = Cases()
case = CASES.case
NOON = 1750000000000


def frozen(conn, at=NOON):
    conn.call("TEST", "CLOCK", "FREEZE", at)
    return conn


def advance(conn, ms):
    return pairs(conn.call("TEST", "CLOCK", "ADVANCE", ms))


def clock(conn):
    return pairs(conn.call("TEST", "CLOCK", "GET"))


@case
def a_frozen_clock_stands():
    with double() as s:
        c = frozen(s.conn())
        equal("TIME", c.call("TIME"), [b"1750000000", b"0"])
        c.call("SET", "k", 1, "PX", 5)
        for _ in range(300):
            c.call("PING")
        equal("PTTL", c.call("PTTL", "k"), 5)
        equal("pace", float(clock(c)[b"pace"]), 0)


@case
def a_pause_does_not_hold_test():
    with double() as s:
        c, other = frozen(s.conn()), s.conn()
        c.call("CLIENT", "PAUSE", 50)
        other.send(encode(["SET", "k", 1]))
        equal("nobody waits but it", advance(c, 49)[b"unix-ms"], NOON + 49)
        advance(c, 1)
        equal("SET", other.read(), ["+", "OK"])
        c.call("CLIENT", "PAUSE", 50)
        c.call("TEST", "RESET")
        equal("PING", c.call("PING"), b"PONG")


@case
def keys_and_fields_expire_in_their_order():
    with double("--notify-keyspace-events", "EA") as s:
        c, heard = frozen(s.conn()), s.conn()
        heard.call("PSUBSCRIBE", "__keyevent@*__:expired", "__keyevent@*__:hexpired",
                   "__keyevent@*__:sexpired")
        heard_by(heard), heard_by(heard)
        for at in (7, 3, 5, 900):
            c.call("SET", "k%d" % at, 1, "PX", at * 1000)
        c.call("HSET", "h", "f", 1, "g", 2)
        c.call("HPEXPIRE", "h", 4000, "FIELDS", 1, "f")
        c.call("SADD", "s", "a", "b")
        c.call("SPEXPIRE", "s", 6000, "MEMBERS", 1, "a")
        got = advance(c, 10000)
        equal("what happened", got, {b"expired": 3, b"fields": 2, b"timed-out": 0, b"unix-ms": NOON + 10000})
        equal("in this order", [heard_by(heard)[3] for _ in range(5)], [b"k3", b"h", b"k5", b"s", b"k7"])
        equal("the rest", (c.call("PTTL", "k900"), c.call("HGETALL", "h"), c.call("SMEMBERS", "s")), (890000, [b"g", b"2"], [b"b"]))


@case
def waiting_clients_time_out_in_their_order():
    with double() as s:
        c = frozen(s.conn())
        waiting = {}
        for seconds in (30, 10, 20):
            waiting[seconds] = s.conn()
            waiting[seconds].send(b"BLPOP q%d %d\r\n" % (seconds, seconds))
            c.call("TEST", "WAIT", "BLOCKED", "q%d" % seconds)
        equal("the first two", advance(c, 25000)[b"timed-out"], 2)
        equal("their answers", (heard_by(waiting[10]), heard_by(waiting[20])), (None, None))
        c.call("RPUSH", "q30", "v")
        equal("the third is served", heard_by(waiting[30]), [b"q30", b"v"])


@case
def one_that_waits_is_served_before_its_time_is_up():
    """The key that expires at 2 s makes room for XREADGROUP's answer at 2 s, not at 5."""
    with double() as s:
        c, w = frozen(s.conn()), s.conn()
        c.call("XADD", "x", 1, "f", "v")
        c.call("XGROUP", "CREATE", "x", "g", "$")
        c.call("PEXPIRE", "x", 2000)
        w.send(b"XREADGROUP GROUP g me BLOCK 5000 STREAMS x >\r\n")
        c.call("TEST", "WAIT", "BLOCKED", "x")
        got = advance(c, 5000)
        equal("expired, timed out", (got[b"expired"], got[b"timed-out"]), (1, 0))
        check("NOGROUP" in error_of(w), "the group is gone")


@case
def wait_and_waitaof_time_out():
    with double("--appendonly", "yes") as s:
        c, w, a = frozen(s.conn()), s.conn(), s.conn()
        w.send(b"SET k v\r\nWAIT 1 5000\r\n")
        heard_by(w)
        a.send(b"SET k v\r\nWAITAOF 0 1 6000\r\n")
        heard_by(a)
        c.call("TEST", "WAIT", "CLIENTS", 3)
        c.call("PING")
        got = sum(advance(c, 7000)[b"timed-out"] for _ in range(2))
        equal("answers", (heard_by(w), heard_by(a)), (0, [0, 0]))
        check(got >= 2, "both timed out: %d" % got)


@case
def everysec_follows():
    with double("--appendonly", "yes", "--appendfsync", "everysec") as s:
        c, w = frozen(s.conn()), s.conn()
        w.call("SET", "k", "v")
        w.send(b"WAITAOF 1 0 0\r\n")
        for _ in range(50):
            if advance(c, 500)[b"unix-ms"] > NOON + 3000:
                break
            c.call("PING")
        equal("synced", heard_by(w), [1, 0])


@case
def streams_objects_and_scripts_see_it():
    with double() as s:
        c = frozen(s.conn())
        equal("an id", c.call("XADD", "x", "*", "f", "v"), b"%d-0" % NOON)
        c.call("SET", "k", "v")
        advance(c, 90000)
        equal("idle", c.call("OBJECT", "IDLETIME", "k"), 90)
        equal("a script", c.call("EVAL", "return redis.call('TIME')", 0), [b"1750000090", b"0"])
        equal("the next id", c.call("XADD", "x", "*", "f", "v"), b"%d-0" % (NOON + 90000))
        c.call("XGROUP", "CREATE", "x", "g", 0)
        c.call("XREADGROUP", "GROUP", "g", "me", "STREAMS", "x", ">")
        advance(c, 60000)
        equal("pending for", c.call("XPENDING", "x", "g", "-", "+", 1)[0][2], 60000)


@case
def lfu_counters_decay():
    with double("--maxmemory-policy", "allkeys-lfu", "--lfu-decay-time", "1") as s:
        c = frozen(s.conn())
        c.call("SET", "k", "v")
        before = c.call("OBJECT", "FREQ", "k")
        advance(c, 4 * 60000)
        equal("decayed", c.call("OBJECT", "FREQ", "k"), before - 4)


@case
def pauses_end():
    with double() as s:
        c, w = frozen(s.conn()), s.conn()
        c.call("CLIENT", "PAUSE", 10000, "WRITE")
        w.send(b"SET k v\r\n")
        advance(c, 9999)
        equal("held", c.call("EXISTS", "k"), 0)
        advance(c, 1)
        equal("goes on", heard_by(w), b"OK")


@case
def the_cron_follows():
    """Idle clients are closed by it, save points are looked at."""
    with double("--timeout", "60") as s:
        c, idle = frozen(s.conn()), s.conn()
        idle.call("PING")
        wait_for(lambda: advance(c, 30000) and c.info("clients")["connected_clients"] == "1", "the idle client goes")


@case
def set_run_scale_and_real():
    with double() as s:
        c = s.conn()
        c.call("TEST", "CLOCK", "SET", NOON)
        at = clock(c)
        check(NOON <= at[b"unix-ms"] < NOON + 60000, "goes on from there")
        equal("pace", float(at[b"pace"]), 1)
        c.call("TEST", "CLOCK", "SCALE", 1000000)
        c.call("SET", "k", "v", "EX", 86400)
        while c.call("EXISTS", "k"):
            continue
        c.call("TEST", "CLOCK", "RUN")
        equal("pace", float(clock(c)[b"pace"]), 1)
        check(clock(c)[b"unix-ms"] >= NOON + 86400000, "a day later")
        c.call("TEST", "CLOCK", "REAL")
        check(clock(c)[b"unix-ms"] > NOON + 86400000, "the system's")


@case
def a_far_jump_is_no_wait():
    """Ten years, in which nothing but one key is due; then timers go on."""
    with double() as s:
        c = s.conn()
        c.call("SET", "k", 1, "EX", 86400 * 3650)
        equal("expired", advance(c, 86400 * 3651 * 1000)[b"expired"], 1)
        c.call("SET", "k", 1, "PX", 20)
        while c.call("EXISTS", "k"):
            continue


@case
def many_keys_expire_one_by_one():
    with double("--notify-keyspace-events", "Ex") as s:
        c, heard = frozen(s.conn()), s.conn()
        heard.call("SUBSCRIBE", "__keyevent@0__:expired")
        n = 3000
        for at in range(0, n, 500):
            c.pipeline([("SET", "k%d" % i, 1, "PX", 1 + (i * 7919) % n * 10) for i in range(at, at + 500)])
        equal("all", advance(c, n * 10)[b"expired"], n)
        got = [int(heard_by(heard)[2][1:]) for _ in range(n)]
        equal("in order", [(i * 7919) % n for i in got], list(range(n)))


@case
def a_stop_does_not_wait_for_a_clock_that_stands():
    """It waits for replicas, for shutdown-timeout."""
    with double("--shutdown-timeout", "1") as s, Server() as r:
        c, rc = frozen(s.conn()), r.conn()
        rc.call("REPLICAOF", "127.0.0.1", s.port)
        wait_for(lambda: rc.info("replication").get("master_link_status") == "up", "the link")
        r.freeze()
        c.call("SET", "k", 1)
        s.proc.send_signal(signal.SIGTERM)
        s.wait_exit()
        r.proc.send_signal(signal.SIGCONT)


@case
def a_full_sync_goes_on_while_the_clock_stands_or_jumps():
    """Whether the child that writes the snapshot has hung is a matter of real time."""
    with double("--repl-diskless-sync-delay", "0") as s, Server() as r:
        c, rc = frozen(s.conn()), r.conn()
        c.pipeline([("SET", "k%d" % i, "v" * 100) for i in range(20000)])
        for jump in (0, 3600000):
            rc.call("REPLICAOF", "127.0.0.1", s.port)
            wait_for(lambda: c.info("replication").get("slave0"), "the replica is known")
            c.call("TEST", "CLOCK", "ADVANCE", jump)
            wait_for(lambda: rc.info("replication").get("master_link_status") == "up", "the link")
            equal("keys", rc.call("DBSIZE"), 20000)
            rc.call("REPLICAOF", "NO", "ONE")
            c.call("SET", "k0", jump)
            wait_for(lambda: "slave0" not in c.info("replication"), "the replica is gone")
        check("killed" not in s.log() and "terminated by signal" not in s.log(), "a child was killed")


@case
def what_cannot_be_is_refused():
    with double() as s:
        c = s.conn()
        for words in (("SET",), ("SET", "x"), ("SET", -1), ("ADVANCE", -1), ("ADVANCE", 1 << 60), ("SCALE", 0),
                      ("SCALE", "nan"), ("SCALE", "1e9"), ("FREEZE", 1, 2), ("GET", 1), ("WHAT",), ("FREEZE", 1 << 62)):
            check(str(ask(c, "TEST", "CLOCK", *words)).startswith("ERR"), "%r is accepted" % (words,))
        c.call("MULTI")
        check("not allowed inside a transaction" in ask(c, "TEST", "CLOCK", "GET"), "within a transaction")
        c.call("DISCARD")


@case
def without_the_parameter_there_is_no_such_command():
    with Server() as s:
        c = s.conn()
        check(ask(c, "TEST", "CLOCK", "GET").startswith("ERR unknown command 'TEST'"), "it is unknown")
        check(ask(c, "CONFIG", "SET", "enable-test-commands", "yes").startswith("ERR"), "it cannot be set")
        equal("COMMAND INFO", c.call("COMMAND", "INFO", "test"), [None])


if __name__ == "__main__":
    sys.exit(run_words("clock", CASES))
