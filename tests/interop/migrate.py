#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""migrate - MIGRATE between stet and redis-server in both directions, and from stet to stet: values
of every type arrive, replies and errors are Redis', other clients are served meanwhile, and no write
to a key on the move is lost.

  migrate.py [--only NAME]
"""
import os
import signal
import socket
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import ask, equal, need, run_only  # noqa: E402
from contents import snapshot  # noqa: E402
from pings import Pings  # noqa: E402
from resp import encode  # noqa: E402
from server import SERVER, Failed, Server, wait_for, wait_info  # noqa: E402

REDIS = "/usr/bin/redis-server"


def contents(conn):
    """Times that are left are moved, so a time may be off by some milliseconds."""
    return {key: (v["type"], v["value"], v["expire_ms"] is None) for key, v in snapshot(conn).items()}


def fill(conn):
    conn.call("SET", "str", "x" * 300)
    conn.call("SET", "int", 12345)
    conn.call("SET", "timed", "v", "PX", 3600000)
    for i in range(3):
        conn.call("RPUSH", "list", "a%d" % i, i)
    for i in range(600):
        conn.call("RPUSH", "biglist", "element-%d" % i * 5)
        conn.call("SADD", "bigset", "member-%d" % i)
        conn.call("ZADD", "bigzset", str(i * 1.5), "m%d" % i)
        conn.call("HSET", "bighash", "f%d" % i, i)
    conn.call("SADD", "ints", 1, 2, 300)
    conn.call("SADD", "set", "a", "b")
    conn.call("ZADD", "zset", 1, "a", "2.5", "b")
    conn.call("HSET", "hash", "f", "v", "g", 1)
    conn.call("XADD", "stream", "1-1", "f", "v")
    conn.call("XGROUP", "CREATE", "stream", "g", 0)
    conn.call("XREADGROUP", "GROUP", "g", "c", "STREAMS", "stream", ">")
    conn.call("SET", b"bin\x00\r\n\xff", b"\x00\r\n\xff")
    return sorted(conn.call("KEYS", "*"))


def there_and_back(a_program, b_program):
    with Server(program=a_program) as a, Server(program=b_program) as b:
        ca, cb, pa, pb = a.conn(), b.conn(), a.port, b.port
        keys = fill(ca)
        before = contents(ca)
        equal("move", ca.call("MIGRATE", "127.0.0.1", pb, "", 0, 5000, "KEYS", *keys), b"OK")
        equal("left", ca.call("DBSIZE"), 0)
        after = contents(cb)
        equal("contents", after, before)
        equal("copy", cb.call("MIGRATE", "127.0.0.1", pa, "str", 3, 5000, "COPY"), b"OK")
        equal("copied", cb.call("EXISTS", "str"), 1)
        equal("back", cb.call("MIGRATE", "127.0.0.1", pa, "", 0, 5000, "REPLACE", "KEYS", *keys), b"OK")
        equal("contents", contents(ca)[3, "str"], before[0, "str"])
        ca.call("SELECT", 3)
        ca.call("FLUSHDB")
        ca.call("SELECT", 0)
        equal("contents", contents(ca), before)
        ttl = ca.call("PTTL", "timed")
        if not 3500000 < ttl <= 3600000:
            raise Failed("PTTL is %d" % ttl)


def replies():
    """Line for line what redis-server says."""
    with Server() as a, Server(program=REDIS) as b, Server(program=REDIS) as t:
        ca, cb, ct, pt = a.conn(), b.conn(), t.conn(), t.port
        for setup in (("SET", "a", 1), ("SET", "b", 2), ("SET", "c", 3)):
            ca.call(*setup), cb.call(*setup)
        ct.call("SET", "b", "there")
        here = "127.0.0.1"
        for args in ((here, pt, "none", 0, 100), (here, pt, "a", 0, 100, "FOO"), (here, pt, "a", "x", 100),
                     (here, pt, "a", 0, "x"), (here, "x", "a", 0, 100), (here, 1, "a", 0, 100),
                     (here, pt, "a", 99, 100), (here, pt, "a", 0, 100, "AUTH"),
                     (here, pt, "a", 0, 100, "AUTH2", "u"), (here, pt, "a", 0, 100, "AUTH", "x"),
                     (here, pt, "a", 0, 100, "KEYS", "a"), ("no.invalid", pt, "a", 0, 100),
                     (here, pt, "none", "x", "x", "FOO"), (here, pt, "", 0, 100, "KEYS"),
                     (here, pt, "b", 0, 100), (here, pt, "", 0, 100), (here, pt),
                     (here, pt, "", 0, 100, "KEYS", "a", "b", "none", "c")):
            said = []
            for c in (ca, cb):
                ct.call("DEL", "a", "c")
                said.append(ask(c, "MIGRATE", *args))
            equal(str(args), *said)
            equal("left", sorted(ca.call("KEYS", "*")), sorted(cb.call("KEYS", "*")))
        equal("cached", *(c.info("stats")["migrate_cached_sockets"] for c in (ca, cb)))
        ct.call("CONFIG", "SET", "requirepass", "secret")
        for args in ((), ("AUTH", "no"), ("AUTH", "secret"), ("AUTH2", "default", "secret")):
            ca.call("SET", "k", 1), cb.call("SET", "k", 1)
            line = ("MIGRATE", here, pt, "k", 0, 100, "REPLACE", *args)
            equal(str(args), ask(ca, *line), ask(cb, *line))


def a_closed_link_is_replaced():
    with Server() as a, Server(program=REDIS) as t:
        c, d = a.conn(), t.conn()
        for i in range(2):
            c.call("SET", "k%d" % i, i)
            equal("move", ask(c, "MIGRATE", "127.0.0.1", t.port, "k%d" % i, 0, 1000), b"OK")
            d.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        equal("there", d.call("DBSIZE"), 2)


def others_are_served():
    """While the other side is silent; and the time-out ends it."""
    with Server() as a, socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        c = a.conn()
        c.call("SET", "k", 1)
        with Pings(a) as p:
            c.send(encode(["MIGRATE", "127.0.0.1", silent.getsockname()[1], "k", 0, 1500]))
            said = c.read()
        if p.held_ms > 300 + p.own_ms:
            raise Failed("the loop slept for %.0f ms" % p.held_ms)
        equal("silent", said, ["-", "IOERR error or timeout reading to target instance"])
        equal("kept", c.call("GET", "k"), b"1")


def no_write_is_lost():
    """Counters that are incremented while they move: the sum of both sides is what was acknowledged
    (a client counts on where the key went)."""
    with Server("--appendonly", "yes") as a, Server() as b:
        ca, stop, counts, pb = a.conn(), threading.Event(), {}, b.port
        keys = ["k%d" % i for i in range(20)]
        for k in keys:
            ca.call("HSET", k, *[x for i in range(300) for x in ("f%d" % i, "v" * 50)])

        def write(conn):
            while not stop.is_set():
                for k in keys:
                    got = ask(conn, "HINCRBY", k, "n", 1)
                    counts.setdefault(k, []).append(got)

        def all_are_written(times):
            n = len(counts.get(keys[-1], []))
            wait_for(lambda: len(counts.get(keys[-1], [])) > n + times, "writes")

        w = threading.Thread(target=write, args=(a.conn(),))
        w.start()
        all_are_written(50)
        said = ask(ca, "MIGRATE", "127.0.0.1", pb, "", 0, 5000, "KEYS", *keys)
        all_are_written(2)
        stop.set()
        w.join()
        cb = b.conn()
        for k in keys:
            here, there = ca.call("HGET", k, "n"), cb.call("HGET", k, "n")
            # Values rise by one; where a 1 stands again, the key had gone. All before is there.
            told = counts[k]
            again = [i for i, v in enumerate(told) if v == 1][1:]
            moved = told[again[0] - 1] if again else None
            if moved is not None and int(there) != moved:
                raise Failed("%s: %r there, %r was told" % (k, there, moved))
            if int(here or 0) != (told[-1] if again or here else 0):
                raise Failed("%s: %r here, %r was told (%s)" % (k, here, told[-1], said))
        before = {k: ca.call("HGETALL", k) for k in keys}
        a.kill()
        a.start()
        c = a.conn()
        equal("log", {k: c.call("HGETALL", k) for k in keys}, before)


def deleted_meanwhile():
    """A key that is deleted while it moves is not left on the other side; and a client that goes
    away leaves its keys."""
    with Server() as a, Server() as b:
        ca, cb, d, pb = a.conn(), b.conn(), a.conn(), b.port
        b.freeze()
        ca.call("SET", "k", 1)
        ca.send(encode(["MIGRATE", "127.0.0.1", pb, "k", 0, 5000]))
        wait_info(d, "blocked_clients", lambda v: v == "1", "clients")
        equal("unblock", d.call("CLIENT", "UNBLOCK", waiting_id(d)), 0)
        d.call("DEL", "k")
        b.proc.send_signal(signal.SIGCONT)
        equal("move", ca.read(), ["+", "OK"])
        equal("gone", cb.call("EXISTS", "k"), 0)
        d.call("SET", "j", 1)
        b.freeze()
        ca.send(encode(["MIGRATE", "127.0.0.1", pb, "j", 0, 5000]))
        wait_info(d, "blocked_clients", lambda v: v == "1", "clients")
        ca.close()
        wait_info(d, "connected_clients", lambda v: v == "1", "clients")
        b.proc.send_signal(signal.SIGCONT)
        wait_for(lambda: cb.call("EXISTS", "j"), "the key that was under way")
        wait_info(cb, "connected_clients", lambda v: v == "1", "clients")  # its link is closed
        equal("kept", d.call("GET", "j"), b"1")
        equal("in MULTI", [ask(d, "MULTI"), ask(d, "MIGRATE", "127.0.0.1", pb, "j", 0, 100)], [b"OK", b"QUEUED"])
        if "MIGRATE waits" not in str(ask(d, "EXEC")):
            raise Failed("MIGRATE in a transaction")


def taken_twice():
    """A key that is named twice, or that two MIGRATEs take at once: what moved is not deleted there."""
    with Server() as a, Server() as b:
        ca, cb, d, pb = a.conn(), b.conn(), a.conn(), b.port
        for words in (("k", "k"), ("i", "k", "j", "k", "k")):
            for k in words:
                ca.call("SET", k, k)
            equal("move", ask(ca, "MIGRATE", "127.0.0.1", pb, "", 0, 5000, "REPLACE", "KEYS", *words), b"OK")
            equal("here", ca.call("KEYS", "*"), [])
            equal("there", cb.call("MGET", *words), [k.encode() for k in words])
        for last in ((), ("SET", "k", 2)):
            ca.call("SET", "k", 1)
            b.freeze()
            for c in (ca, d):
                c.send(encode(["MIGRATE", "127.0.0.1", pb, "k", 0, 5000, "REPLACE"]))
            c = a.conn()
            wait_info(c, "blocked_clients", lambda v: v == "2", "clients")
            if last:
                c.call(*last)
            b.proc.send_signal(signal.SIGCONT)
            equal("moves", [ca.read(), d.read()], [["+", "OK"]] * 2)
            equal("here, there", [c.call("GET", "k"), cb.call("GET", "k")], [None, b"2" if last else b"1"])
            c.close()


def waiting_id(d):
    for line in d.call("CLIENT", "LIST").decode().splitlines():
        if "cmd=migrate" in line:
            return line.split()[0][3:]
    raise Failed("no client waits")


CASES = {
    "stet to redis": lambda: there_and_back(SERVER, REDIS),
    "redis to stet": lambda: there_and_back(REDIS, SERVER),
    "stet to stet": lambda: there_and_back(SERVER, SERVER),
    "replies": replies,
    "closed link": a_closed_link_is_replaced,
    "others": others_are_served,
    "writes": no_write_is_lost,
    "deleted": deleted_meanwhile,
    "twice": taken_twice,
}


if __name__ == "__main__":
    need("redis-server")
    sys.exit(run_only("migrate", CASES))
