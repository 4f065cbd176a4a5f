#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""documents - random JSON commands, in tiny slices: what JSON.GET says must be JSON, and the data must be the same after
a reload by RDB, after one by AOF, and on a replica.

  documents.py [--rounds 20] [--seed 1]      a round: 4000 commands
"""
import argparse
import json
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import summary  # noqa: E402
from resp import Closed, ReplyError  # noqa: E402
from server import Failed, Server, wait_info  # noqa: E402

BATCH, BATCHES = 100, 40
KEYS = ("k1", "k2", "k3", "k4")
SEGMENTS = (".a", ".b", ".c", ".d", "[0]", "[1]", "[-1]", ".*", "[*]", "..a", "..*", "..[0]", "['a',\"b\"]", "[0,0,2]",
            "[1:]", "[::-1]", "[::2]", "[?(@.a)]", "[?(@>1)]", "[?(@.b=='x'||!@.a)]", "[?@=~\"te.t\"]", "[?@.a==@.b]",
            "[?@..a>3]", ".new", "['a long member name 7']")
LEAVES = (None, True, False, 5, -7, 2.5, 2 ** 53, 2 ** 63 - 1, 1e300, "", "x", "a text that is long enough",
          "\u00e9\0\n\U0001f600")


class Maker:
    def __init__(self, rng):
        self.rng = rng

    def value(self, depth=0):
        kind = self.rng.random()
        if depth < 4 and kind < .25:
            return [self.value(depth + 1) for _ in range(self.rng.randrange(6))]
        if depth < 4 and kind < .55:
            return {self.name(): self.value(depth + 1) for _ in range(self.rng.choice((1, 3, 5, 50 if depth < 2 else 3)))}
        return self.rng.choice(LEAVES)

    def name(self):
        if self.rng.random() < .7:
            return self.rng.choice("abcdefgh")
        return "a long member name %d" % self.rng.randrange(60)

    def text(self, depth=2):
        return json.dumps(self.value(depth), ensure_ascii=self.rng.random() < .5).encode()

    def path(self):
        segments = "".join(self.rng.choice(SEGMENTS) for _ in range(self.rng.choice((0, 1, 1, 1, 2, 2, 3))))
        return ("$" if self.rng.random() < .8 else "") + segments or "."

    def command(self):
        key, path, n, m = self.rng.choice(KEYS), self.path(), self.rng.randrange(-4, 6), self.rng.randrange(-4, 6)
        return self.rng.choice((
            ("JSON.SET", key, path, self.text()), ("JSON.SET", key, "$", self.text(0)),
            ("JSON.SET", key, path, self.text(), self.rng.choice(("NX", "XX"))), ("JSON.GET", key, path),
            ("JSON.GET", key, "INDENT", " ", "NEWLINE", "\n", path, self.path()), ("JSON.MGET", key, "k1", path),
            ("JSON.MSET", key, path, self.text(), "k2", self.path(), self.text(), key, self.path(), self.text()),
            ("JSON.MERGE", key, path, self.text()), ("JSON.DEL", key, path), ("JSON.TYPE", key, path),
            ("JSON.NUMINCRBY", key, path, self.rng.choice(("1", "-2.5", "9223372036854775807", "1e308"))),
            ("JSON.NUMMULTBY", key, path, self.rng.choice(("2", "0", "-1.5"))), ("JSON.TOGGLE", key, path),
            ("JSON.STRAPPEND", key, path, '"more text"'), ("JSON.STRLEN", key, path), ("JSON.CLEAR", key, path),
            ("JSON.ARRAPPEND", key, path, self.text(), self.text()), ("JSON.ARRINSERT", key, path, n, self.text()),
            ("JSON.ARRPOP", key, path, n), ("JSON.ARRTRIM", key, path, n, m), ("JSON.ARRLEN", key, path),
            ("JSON.ARRINDEX", key, path, self.text(), n), ("JSON.OBJKEYS", key, path), ("JSON.OBJLEN", key, path),
            ("JSON.RESP", key, path), ("JSON.DEBUG", "MEMORY", key, path), ("MEMORY", "USAGE", key),
            ("COPY", key, "k4", "REPLACE"), ("DUMP", key)))


def check_texts(commands, replies):
    for c, reply in zip(commands, replies):
        if c[0] == "JSON.GET" and isinstance(reply, bytes):
            json.loads(reply)


def round_of(make, conn, replica):
    changed = 0
    for _ in range(BATCHES):
        commands = [make.command() for _ in range(BATCH)]
        replies = conn.pipeline(commands)
        changed += sum(not isinstance(r, ReplyError) for r in replies)
        check_texts(commands, replies)
    digest = conn.call("DEBUG", "DIGEST")
    for how in "RELOAD", "LOADAOF":
        conn.call("DEBUG", how)
        if conn.call("DEBUG", "DIGEST") != digest:
            raise Failed("another digest after DEBUG %s" % how)
    conn.call("SET", "mark", "x")
    conn.call("DEL", "mark")
    if conn.call("WAIT", 1, 30000) != 1:
        raise Failed("the replica does not follow")
    if replica.call("DEBUG", "DIGEST") != digest:
        raise Failed("another digest on the replica")
    return changed


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--rounds", type=int, default=20)
    a.add_argument("--seed", type=int, default=int(time.time()))
    a = a.parse_args()
    make, done, failed = Maker(random.Random(a.seed)), 0, 0
    args = ["--enable-debug-command", "yes", "--loglevel", "warning", "--save", ""]
    try:
        with Server("--appendonly", "yes", *args) as s, Server(*args) as r:
            conn, replica = s.conn(), r.conn()
            replica.call("REPLICAOF", "127.0.0.1", s.port)
            wait_info(replica, "master_link_status", lambda v: v == "up", "replication")
            conn.call("DEBUG", "SLICE", 1, 1)
            for _ in range(a.rounds):
                done += round_of(make, conn, replica)
            r.stop()
            s.stop()
    except (Failed, Closed, ReplyError, OSError, ValueError) as e:
        failed = 1
        print("%s: %s" % (type(e).__name__, str(e)[:3000]))
    print("seed %d: %d commands were no error" % (a.seed, done))
    return summary("documents", not failed, failed)


if __name__ == "__main__":
    sys.exit(main())
