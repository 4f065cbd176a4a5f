#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""interop - stet and real Redis take turns on one append-only directory.

Contents are compared key by key (database, value, absolute expiry), and redis-check-aof has to
call every file valid. With STET_SERVER=redis-server it checks itself.
  interop.py [--seed N] [--rounds N]
"""
import argparse
import os
import random
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from cases import need, summary  # noqa: E402
from contents import strings  # noqa: E402
from resp import Closed, ReplyError  # noqa: E402
from server import CHECK_AOF, SERVER, Failed, Server, is_stet, rewrite_done  # noqa: E402

REDIS = os.environ.get("REDIS_SERVER", "/usr/bin/redis-server")
REDIS_CHECK = os.environ.get("REDIS_CHECK_AOF", "redis-check-aof")
AOF = ["--appendonly", "yes", "--aof-use-rdb-preamble", "no"]
MANIFEST = os.path.join("appendonlydir", "appendonly.aof.manifest")
FAR = 4102444800000


def key(rng):
    return rng.choice(["k%d", "#%d", "\r\n%d", "*3\r\n$3\r\n%d", ""]).replace(
        "%d", str(rng.randrange(200)))


def value(rng):
    return rng.choice([
        lambda: str(rng.randrange(-1000, 1000)),
        lambda: "x" * rng.randrange(2000),
        lambda: "#{\r\n*1\r\n$4\r\nPING\r\n#}1f 0123456789abcdef 0 0 01234567\r\n",
        lambda: "#stet 1 0123456789abcdef 0 1 0 01234567\r\n",
        lambda: bytes(rng.randrange(256) for _ in range(40)).decode("latin-1")])()


def command(rng):
    k, v, n = key(rng), value(rng), rng.randrange(100)
    return rng.choice([
        ["SET", k, v], ["SET", k, v], ["SET", k, v], ["SET", k, v, "PXAT", FAR + n],
        ["SET", k, v, "EX", 10 ** 8 + n], ["SETEX", k, 10 ** 8, v], ["PSETEX", k, 10 ** 11, v],
        ["SET", k, v, "KEEPTTL"], ["SET", k, v, "XX", "GET"], ["SETNX", k, v], ["GETSET", k, v],
        ["GETDEL", k], ["GETEX", k, "PXAT", FAR + n], ["GETEX", k, "PERSIST"], ["INCR", k],
        ["INCRBYFLOAT", k, "0.1"], ["DECRBY", k, n], ["APPEND", k, v], ["SETRANGE", k, n, v],
        ["MSET", k, v, key(rng), value(rng)], ["MSETNX", k, v, key(rng), v], ["SETBIT", k, n, 1],
        ["BITOP", "XOR", k, key(rng), key(rng)], ["BITFIELD", k, "SET", "u8", "#1", n],
        ["DEL", k, key(rng)], ["UNLINK", k], ["RENAME", k, key(rng)], ["RENAMENX", k, key(rng)],
        ["COPY", k, key(rng)], ["COPY", k, k, "DB", n % 16], ["MOVE", k, n % 16],
        ["EXPIRE", k, 10 ** 8], ["PEXPIREAT", k, FAR + n], ["PERSIST", k], ["EXPIRE", k, -1],
        ["SELECT", n % 16], ["SWAPDB", n % 16, 3], ["FLUSHDB"] if n == 0 else ["GET", k]])


def write(conn, rng, count, at_once=400):
    for done in range(0, count, at_once):
        for got in conn.pipeline([command(rng) for _ in range(min(at_once, count - done))]):
            if isinstance(got, ReplyError) and "MISCONF" in str(got):
                raise Failed(str(got))
    conn.call("SELECT", 0)


def valid(directory, tools):
    for tool in tools:
        done = subprocess.run([tool, os.path.join(directory, MANIFEST)], capture_output=True,
                              text=True, timeout=60)
        if done.returncode != 0 or "All AOF files and manifest are valid" not in done.stdout:
            raise Failed("%s: %s%s" % (tool, done.stdout[-600:], done.stderr))


TOOLS = [REDIS_CHECK] + [CHECK_AOF] * is_stet(SERVER)


class Turns:
    """One directory, servers one after the other."""

    def __init__(self, rng):
        self.rng = rng
        self.home = Server(*AOF, start=False)
        self.want = None

    def turn(self, program, *args, ops=400, at_once=400, rewrite=None, end="stop"):
        """Loads, compares, writes, maybe rewrites ("before" or "during"), ends."""
        s = Server(*AOF, *args, program=program, dir=self.home.dir)
        try:
            conn = s.conn()
            got = strings(conn)
            if self.want is not None and got != self.want:
                raise Failed("%s: %s" % (program, diff(self.want, got)))
            write(conn, self.rng, ops, at_once)
            if rewrite:
                # Redis' base of an empty data set is an empty file, which may mean lost data
                conn.call("SET", "anchor", "1")
                conn.call("BGREWRITEAOF")
                write(conn, self.rng, ops)
            if rewrite == "before":
                if not rewrite_done(conn):
                    raise Failed("the rewrite failed:\n" + s.log()[-800:])
                write(conn, self.rng, ops)
            self.want = strings(conn)
            s.stop() if end == "stop" else s.kill()
        finally:
            s.close()
        if end == "stop":
            valid(self.home.dir, TOOLS)

    def close(self):
        self.home.close()


def diff(want, got):
    """The first few keys that differ."""
    keys = [k for k in want.keys() | got.keys() if want.get(k) != got.get(k)]
    return "%d keys differ: " % len(keys) + "; ".join(
        "%r is %.60r, should be %.60r" % (k, got.get(k), want.get(k)) for k in sorted(keys)[:4])


def pair(first, second, *args, **how):
    def run(t):
        t.turn(first, *args, **how)
        t.turn(second)
        t.turn(first)
    return run


def ping_pong(rounds):
    def run(t):
        for _ in range(rounds):
            t.turn(t.rng.choice([SERVER, REDIS]), "--appendfsync",
                   t.rng.choice(["always", "everysec", "no"]), "--aof-timestamp-enabled",
                   t.rng.choice(["yes", "no"]), ops=t.rng.choice([1, 50, 400]),
                   rewrite=t.rng.choice([None, None, "before", "during"]),
                   end=t.rng.choice(["stop", "kill"]))
    return run


def in_room(t):
    """What is written command by command under `always` goes into room, which a crash leaves."""
    for program in (SERVER, REDIS, SERVER, SERVER, REDIS, SERVER):
        t.turn(program, "--appendfsync", "always", ops=60, at_once=1, end="kill")
        if program == SERVER and is_stet(SERVER):
            log = os.path.join(t.home.dir, "appendonlydir")
            newest = max((n for n in os.listdir(log) if ".incr." in n),
                         key=lambda name: int(name.split(".")[2]))
            with open(os.path.join(log, newest), "rb") as f:
                if not f.read().endswith(b"_" * 500 + b"\r\n"):
                    raise Failed("'%s' does not end in room" % newest)
        valid(t.home.dir, TOOLS)


def scenarios(rounds):
    no_sum = ["--aof-checksum", "no"] if is_stet(SERVER) else []
    return {
        "ours, clean stop": pair(SERVER, REDIS),
        "ours, kill -9": pair(SERVER, REDIS, end="kill"),
        "room, kill -9": in_room,
        "ours, always, kill -9": pair(SERVER, REDIS, "--appendfsync", "always", end="kill"),
        "ours, no, kill -9": pair(SERVER, REDIS, "--appendfsync", "no", end="kill"),
        "ours, rewritten": pair(SERVER, REDIS, rewrite="before"),
        "ours, rewritten, kill -9": pair(SERVER, REDIS, rewrite="before", end="kill"),
        "ours, killed during a rewrite": pair(SERVER, REDIS, rewrite="during", end="kill"),
        "ours, with timestamps": pair(SERVER, REDIS, "--aof-timestamp-enabled", "yes"),
        "ours, without checksums": pair(SERVER, REDIS, *no_sum),
        "ours, one write": pair(SERVER, REDIS, ops=1),
        "ours, empty": pair(SERVER, REDIS, ops=0),
        "theirs, clean stop": pair(REDIS, SERVER),
        "theirs, kill -9": pair(REDIS, SERVER, "--appendfsync", "always", end="kill"),
        "theirs, rewritten": pair(REDIS, SERVER, rewrite="before"),
        "theirs, with timestamps": pair(REDIS, SERVER, "--aof-timestamp-enabled", "yes"),
        "ping-pong": ping_pong(rounds),
    }


def main():
    need("redis-server", "redis-check-aof")
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    p.add_argument("--rounds", type=int, default=15)
    p.add_argument("--only", default="")
    a = p.parse_args()
    passed = failed = 0
    for name, run in scenarios(a.rounds).items():
        if a.only not in name:
            continue
        t = Turns(random.Random("%d %s" % (a.seed, name)))
        try:
            run(t)
            passed += 1
        except (Failed, Closed, ReplyError, OSError) as e:
            failed += 1
            print("FAIL %s (seed %d): %s" % (name, a.seed, e))
        finally:
            t.close()
    return summary("interop", passed, failed)


if __name__ == "__main__":
    sys.exit(main())
