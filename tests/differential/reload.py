#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""reload - random data of every type, and every way in which it can come back: the digest is the
same on a replica, after DEBUG RELOAD, DEBUG LOADAOF, a kill -9 and restart from the log as it stands,
and a rewrite and restart, with the base as commands and as an RDB.

  reload.py --worlds 4 --seed 1
"""
import argparse
import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import need, summary  # noqa: E402
from contents import DBS  # noqa: E402
from differential import SETTINGS, known_commands  # noqa: E402
from generate import Generator  # noqa: E402
from resp import ReplyError, encode  # noqa: E402
from server import Server, wait_for  # noqa: E402

COMMANDS = 1500
SHORT = """
SADDEX D PX <1|3> MEMBERS 3 M M M
SADDEX D PX <1|3> MEMBERS 3 M M M
SADDEX D KEEPTTL MEMBERS 2 M M
SPEXPIRE D <1|2> MEMBERS 3 M M M
SPERSIST D MEMBERS 2 M M
SADD D M M
SADD D M M
SADD D M M
SREM D M M M
SMOVE D D M
SPOP D
EXPIRE D 100000
SUNIONSTORE <e0|e1> D D
SINTERSTORE <e0|e1> D D
SDIFFSTORE e0 D D
ZUNIONSTORE <f0|f1> 2 D D
ZINTERSTORE f0 2 f1 D
SORT D ALPHA STORE g0
COPY D D REPLACE
RENAME D D
SADDEX D MEMBERS 1 M
DEBUG SLEEP 0.005
DEBUG SLEEP 0.005
DEBUG SLEEP 0.005
DEBUG SLEEP 0.005
"""
HOLES = {"D": "<d0|d1|d2|d3>", "M": "<m1|m2|m3|5|6>"}
SHORT = [" ".join(HOLES.get(w, w) for w in line.split()) for line in SHORT.strip().split("\n")]


def waits(words):
    return words[0].lower().startswith(("blm", "blpop", "brpop", "bzm", "bzpop"))


def reads_history(words):
    """A consumer that reads what is pending for it: how often and when that was delivered is not
    propagated, as in Redis."""
    lower = [w.lower() for w in words]
    if lower[0] != "xreadgroup" or "streams" not in lower:
        return False
    at = lower.index("streams") + 1
    return any(w != ">" for w in words[at + (len(words) - at) // 2:])


def fill(conn, generator):
    """Adds random data. Members of sets are due within milliseconds, and stay while commands use the
    sets; they are gone when this returns."""
    batch = [w for w in (generator.command() for _ in range(COMMANDS))
             if not waits(w) and not reads_history(w)]
    for _ in range(COMMANDS // 4):
        batch.insert(generator.rng.randrange(len(batch)), generator.fill(generator.rng.choice(SHORT)))
    conn.call("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    conn.send(b"".join(encode(w) for w in batch))
    for _ in batch:
        conn.read()
    conn.call("DEBUG", "SET-ACTIVE-EXPIRE", 1)
    for db in range(DBS):
        conn.call("SELECT", db)
        conn.call("SADDEX", "last", "PX", 1, "MEMBERS", 1, "m")
        wait_for(lambda: conn.call("EXISTS", "last") == 0, "the expiry of the last member")
    conn.call("SELECT", 0)


def add_field_times(conn, rng):
    for i in range(5):
        key, field = "h%d" % i, "t%d" % rng.randrange(9)
        try:
            conn.call("HSET", key, field, "v", "other", "w")
            conn.call("HPEXPIREAT", key, 33177117420000 + i, "FIELDS", 1, field)
        except ReplyError:
            pass  # another type stands there


def digest(conn):
    return conn.call("DEBUG", "DIGEST")


def rewrite(conn):
    conn.call("BGREWRITEAOF")
    wait_for(lambda: conn.info()["aof_rewrite_in_progress"] == "0"
             and conn.info()["aof_rewrite_scheduled"] == "0", "the end of the rewrite")
    if conn.info()["aof_last_bgrewrite_status"] != "ok":
        raise AssertionError("the rewrite failed")


def caught_up(conn, copy):
    """The replica has all; it is there before the data, so it gets it as commands."""
    wait_for(lambda: copy.info()["slave_repl_offset"] == conn.info()["master_repl_offset"],
             "the replica")


def world(number, seed, preamble):
    """Bulks are short, so that filters cannot grow."""
    rng = random.Random("%d/%d" % (seed, number))
    args = ["--appendonly", "yes", "--enable-debug-command", "yes", "--aof-use-rdb-preamble",
            preamble, "--proto-max-bulk-len", rng.choice(["1mb", "512mb"]),
            "--repl-diskless-sync-delay", "0"]
    for name, values in SETTINGS.items():
        args += ["--" + name, rng.choice(values)]
    wrong = []
    with Server(*args) as s:
        conn = s.conn()
        generator = Generator("%d:%d" % (seed, number), known_commands(conn))
        with Server(*args, "--replicaof", "127.0.0.1 %d" % s.port) as r:
            copy = r.conn()
            wait_for(lambda: copy.info()["master_link_status"] == "up", "a replica")
            fill(conn, generator)
            add_field_times(conn, rng)
            caught_up(conn, copy)
            want = digest(conn)
            if digest(copy) != want:
                wrong.append("world %d, preamble %s: another digest on a replica" % (number, preamble))

        def check(what):
            if digest(conn) != want:
                wrong.append("world %d, preamble %s: another digest after %s" % (
                    number, preamble, what))
        conn.call("DEBUG", "RELOAD")
        check("DEBUG RELOAD")
        conn.call("DEBUG", "LOADAOF")
        check("DEBUG LOADAOF")
        s.kill()
        s.start()
        conn = s.conn()
        check("kill -9")
        rewrite(conn)
        conn.call("DEBUG", "LOADAOF")
        check("a rewrite and DEBUG LOADAOF")
        s.kill()
        s.start()
        conn = s.conn()
        check("a rewrite and kill -9")
        s.stop()
    return wrong


def main():
    need("redis-server")
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--worlds", type=int, default=4)
    p.add_argument("--seed", type=int, default=1)
    o = p.parse_args()
    passed = failed = 0
    for number in range(o.worlds):
        for preamble in ("no", "yes"):
            wrong = world(number, o.seed, preamble)
            for line in wrong:
                print(line)
            failed += bool(wrong)
            passed += not wrong
    return summary("reload", passed, failed)


if __name__ == "__main__":
    sys.exit(main())
