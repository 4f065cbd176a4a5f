#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""fixture - TEST SNAPSHOT, RESTORE, DROP, RESET, SEED and WAIT: the same beginning for every test.

  fixture.py [WORD...]: only the cases with one of the words in their names
"""
import random
import sys

from doubles import Cases, Server, ask, check, double, equal, heard_by, pairs, run_words, wait_for

CASES = Cases()
case = CASES.case
KINDS = (("SET", "s", "v"), ("SET", "long", "x" * 5000), ("SET", "n", 12), ("RPUSH", "l", *range(300)),
         ("SADD", "i", 1, 2, 3), ("SADD", "st", *("m%d" % i for i in range(300))), ("HSET", "h", "f", "v"),
         ("HSET", "big", *(w for i in range(300) for w in ("f%d" % i, "v"))), ("ZADD", "z", 1, "a", 2, "b"),
         ("ZADD", "zz", *(w for i in range(300) for w in (i, "m%d" % i))), ("XADD", "x", "1-1", "f", "v"),
         ("XGROUP", "CREATE", "x", "g", 0), ("XREADGROUP", "GROUP", "g", "me", "STREAMS", "x", ">"),
         ("PFADD", "p", 1, 2, 3), ("SET", "ttl", 1, "EX", 10000), ("HPEXPIRE", "h", 1000000, "FIELDS", 1, "f"))


def fill(conn):
    for words in KINDS:
        conn.call(*words)


def digest(conn):
    return conn.call("DEBUG", "DIGEST")


@case
def every_type_comes_back_again_and_again():
    with double("--enable-debug-command", "yes") as s:
        c = s.conn()
        fill(c)
        c.call("SELECT", 3)
        c.call("SET", "three", 1)
        c.call("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 7 end)")
        want, n = digest(c), c.call("TEST", "SNAPSHOT", "base")
        equal("keys", n, 14)
        for i in range(5):
            c.call("FLUSHALL")
            c.call("FUNCTION", "FLUSH")
            c.call("SET", "other", i)
            equal("keys", c.call("TEST", "RESTORE", "base"), n)
            equal("digest", digest(c), want)
            equal("function", c.call("FCALL", "f", 0), 7)
            c.call("SELECT", 0)
            for words in (("APPEND", "long", "x"), ("RPUSH", "l", 1), ("SADD", "st", "x"), ("HSET", "big", "f0", 2),
                          ("ZADD", "zz", 9, "m0"), ("XADD", "x", "*", "f", "v"), ("XACK", "x", "g", "1-1"),
                          ("PFADD", "p", 77), ("DEL", "s"), ("INCR", "n")):
                c.call(*words)  # what was restored is no part of the snapshot


@case
def two_snapshots_at_once():
    with double("--enable-debug-command", "yes") as s:
        c = s.conn()
        c.call("TEST", "SNAPSHOT", "empty")
        fill(c)
        want = digest(c)
        c.call("TEST", "SNAPSHOT", "full")
        for _ in range(20):  # without a pause: the copies are still being made
            equal("empty", c.call("TEST", "RESTORE", "empty"), 0)
            equal("full", c.call("TEST", "RESTORE", "full"), 13)
        equal("digest", digest(c), want)
        c.call("SET", "a", 1)
        c.call("TEST", "SNAPSHOT", "full")
        equal("replaced", (c.call("TEST", "RESTORE", "empty"), c.call("TEST", "RESTORE", "full")), (0, 14))
        equal("dropped", (c.call("TEST", "DROP", "full"), c.call("TEST", "DROP", "full")), (1, 0))
        check("no such snapshot" in ask(c, "TEST", "RESTORE", "full"), "it is gone")


@case
def others_see_the_exchange():
    """WATCH fails, blocked clients are served, tracked keys are invalid."""
    with double() as s:
        c, w, b, t = s.conn(), s.conn(), s.conn(), s.conn(proto=3)
        c.call("RPUSH", "q", "v")
        c.call("TEST", "SNAPSHOT", "base")
        c.call("DEL", "q")
        w.call("WATCH", "q")
        w.call("MULTI")
        w.call("SET", "seen", 1)
        t.call("CLIENT", "TRACKING", "ON")
        t.call("GET", "k")
        b.send(b"BLPOP q 0\r\n")
        c.call("TEST", "WAIT", "BLOCKED", "q")
        c.call("TEST", "RESTORE", "base")
        equal("BLPOP", heard_by(b), [b"q", b"v"])
        equal("EXEC", w.call("EXEC"), None)
        equal("invalidated", heard_by(t), [b"invalidate", None])


@case
def a_restore_is_in_the_aof_and_in_replicas():
    with double("--appendonly", "yes", "--appendfsync", "always") as s, Server() as r:
        c, rc = s.conn(), r.conn()
        c.call("SET", "old", 1)
        c.call("TEST", "SNAPSHOT", "base")
        c.call("DEL", "old")
        rc.call("REPLICAOF", "127.0.0.1", s.port)
        wait_for(lambda: rc.info("replication").get("master_link_status") == "up", "the link")
        for i in range(3):
            c.call("SET", "new%d" % i, 1)
            c.call("TEST", "RESTORE", "base")
            c.call("SET", "after", i)
        wait_for(lambda: c.info("persistence")["aof_rewrite_in_progress"] == "0", "the new base")
        wait_for(lambda: rc.info("replication").get("master_link_status") == "up" and
                 rc.call("GET", "after") == b"2", "the replica")
        equal("replica", sorted(rc.call("KEYS", "*")), [b"after", b"old"])
        s.kill()
        s.start("--enable-test-commands", "yes", "--appendonly", "yes")
        equal("after a kill", sorted(s.conn().call("KEYS", "*")), [b"after", b"old"])


@case
def reset_is_as_after_the_start():
    with double("--maxmemory", "100mb", "--requirepass", "", "--enable-debug-command", "yes") as s:
        c, sub, user = s.conn(), s.conn(), s.conn()
        fill(c)
        sub.call("SUBSCRIBE", "ch")
        c.call("ACL", "SETUSER", "eve", "on", "nopass", "+@all", "~*")
        user.call("AUTH", "eve", "x")
        sha = c.call("SCRIPT", "LOAD", "return 1")
        c.call("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 7 end)")
        c.call("CONFIG", "SET", "maxmemory", 0, "notify-keyspace-events", "KEA", "hz", 100, "slave-priority", 7)
        c.call("TEST", "FAULT", "ADD", "COMMAND", "get", "ERROR", "ERR no")
        c.call("TEST", "MODE", "READONLY")
        c.call("TEST", "CLOCK", "FREEZE", 1000)
        c.call("DEBUG", "SET-ACTIVE-EXPIRE", 0)
        c.call("CLIENT", "PAUSE", 100000, "WRITE")
        c.call("TEST", "RESET")
        equal("data", c.call("DBSIZE"), 0)
        equal("scripts", c.call("SCRIPT", "EXISTS", sha), [0])
        equal("functions", c.call("FUNCTION", "LIST"), [])
        equal("channels", c.call("PUBSUB", "CHANNELS"), [])
        equal("users", c.call("ACL", "USERS"), [b"default"])
        got = pairs(c.call("CONFIG", "GET", "maxmemory", "notify-keyspace-events", "hz", "replica-priority"))
        equal("configuration", got, {b"maxmemory": b"104857600", b"notify-keyspace-events": b"", b"hz": b"10",
                                     b"replica-priority": b"100"})
        equal("faults, mode", (c.call("TEST", "FAULT", "LIST"), c.call("TEST", "MODE")), ([], b"NORMAL"))
        check(pairs(c.call("TEST", "CLOCK", "GET"))[b"unix-ms"] > 1700000000000, "the clock is real")
        equal("writes", c.call("SET", "k", 1, "PX", 1), b"OK")
        wait_for(lambda: c.call("DBSIZE") == 0, "expiry is active")
        check(int(c.info("stats")["total_commands_processed"]) < 100000, "statistics")
        sub.send(b"PING\r\n")
        equal("the subscriber lives", heard_by(sub), b"PONG")


@case
def reset_needs_no_names_of_commands():
    with double("--rename-command", "FLUSHALL", "", "--rename-command", "SCRIPT", "other") as s:
        c = s.conn()
        fill(c)
        sha = c.call("OTHER", "LOAD", "return 1")
        c.call("TEST", "RESET")
        equal("data", c.call("DBSIZE"), 0)
        equal("scripts", c.call("OTHER", "EXISTS", sha), [0])
    renamed = ("--rename-command", "FLUSHALL", "", "--appendonly", "yes", "--enable-test-commands", "yes")
    with double(*renamed) as s:
        c = s.conn()
        fill(c)
        c.call("TEST", "RESET")
        c.call("SET", "after", 1)
        s.kill()
        s.start(*renamed)
        equal("after a kill", s.conn().call("KEYS", "*"), [b"after"])


@case
def reset_is_in_the_aof():
    with double("--appendonly", "yes", "--appendfsync", "always") as s:
        c = s.conn()
        fill(c)
        c.call("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 7 end)")
        c.call("TEST", "RESET")
        c.call("SET", "after", 1)
        s.kill()
        s.start("--enable-test-commands", "yes", "--appendonly", "yes")
        c = s.conn()
        equal("after a kill", (c.call("KEYS", "*"), c.call("FUNCTION", "LIST")), ([b"after"], []))


@case
def many_keys_come_back_at_once():
    """The time is measured elsewhere (docs/test-double.md); here nothing may depend on it."""
    with double() as s:
        c = s.conn()
        for at in range(0, 200000, 2000):
            c.pipeline([("SET", "key:%d" % i, i) for i in range(at, at + 2000)])
        equal("keys", c.call("TEST", "SNAPSHOT", "base"), 200000)
        for i in range(3):
            c.call("TEST", "RESET")
            equal("none", c.call("DBSIZE"), 0)
            equal("keys", c.call("TEST", "RESTORE", "base"), 200000)
            equal("one of them", c.call("GET", "key:%d" % (i * 777)), b"%d" % (i * 777))


@case
def a_seed_repeats_what_is_random():
    runs = []
    for _ in range(2):
        with double("--maxmemory-policy", "allkeys-random") as s:
            c = s.conn()
            for _ in range(2):
                c.call("FLUSHALL")
                c.call("TEST", "SEED", 42)
                for i in range(300):
                    c.call("SET", "k%d" % i, "x" * 100)
                c.call("SADD", "s", *range(200))
                c.call("HSET", "h", *range(400))
                c.call("ZADD", "z", *range(400))
                got = [c.call("RANDOMKEY") for _ in range(20)]
                got += [c.call("SPOP", "s", 20), c.call("SRANDMEMBER", "s", 20), c.call("HRANDFIELD", "h", 20),
                        c.call("ZRANDMEMBER", "z", 20), c.call("SCAN", 0, "COUNT", 50),
                        c.call("EVAL", "return tostring(math.random())", 0)]
                runs.append(got)
    for got in runs[1:]:
        equal("the same again", got, runs[0])


@case
def waiting_for_clients():
    with double() as s:
        c, w = s.conn(), s.conn()
        c.send(b"TEST WAIT CLIENTS 4\r\n")
        w.call("PING")
        more = [s.conn() for _ in range(2)]
        equal("four", heard_by(c), 4)
        for m in more:
            m.send(b"BLPOP a b 0\r\n")
        equal("both wait", c.call("TEST", "WAIT", "BLOCKED", "b", 2), 2)
        c.call("SELECT", 1)
        equal("in another database", c.call("TEST", "WAIT", "BLOCKED", "b", 0), 0)


@case
def waiting_for_nothing_to_be_pending():
    with double("--appendonly", "yes") as s:
        c, w = s.conn(), s.conn()
        for at in range(0, 50000, 1000):
            w.pipeline([("SET", "k%d" % i, "v" * 50) for i in range(at, at + 1000)])
        w.call("FLUSHALL", "ASYNC")
        w.call("BGREWRITEAOF")
        w.send(b"BLPOP q 0\r\n")
        c.call("TEST", "WAIT", "BLOCKED", "q")
        equal("IDLE", c.call("TEST", "WAIT", "IDLE"), b"OK")
        i = c.info("everything")
        equal("nothing", (i["lazyfree_pending_objects"], i["aof_rewrite_in_progress"], i["aof_buffer_length"]),
              ("0", "0", "0"))


@case
def those_that_wait_may_go():
    with double() as s:
        c = s.conn()
        c.call("SET", "k", 1)
        c.call("TEST", "SNAPSHOT", "a")
        rng = random.Random(5)
        for _ in range(200):
            w = s.conn()
            w.send(rng.choice((b"TEST WAIT BLOCKED q\r\n", b"TEST WAIT CLIENTS 99\r\n", b"TEST WAIT IDLE\r\n",
                               b"TEST RESTORE a\r\n", b"TEST CLOCK ADVANCE 5\r\n")))
            w.close()
        wait_for(lambda: c.info("clients")["connected_clients"] == "1", "they are gone")


if __name__ == "__main__":
    sys.exit(run_words("fixture", CASES))
