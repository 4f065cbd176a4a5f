#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""differential - the same random commands to stet and to redis-server; every reply compared.

  differential.py --seconds 10 --seed 1          or: make differential SECONDS=600 SEED=7
  differential.py --seed 7 --world 12 --show 5   only the world that found something

A world is a few hundred commands on an empty data set with its own settings (thresholds of the
encodings), in RESP2 or RESP3, every third one of scripts; at its end, and now and then, the whole data sets are compared. A
world depends on the seed and its number only, so it can be run again alone.
"""
import argparse
import collections
import contextlib
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from beside import DEBUG, Beside  # noqa: E402
from cases import need, summary  # noqa: E402
from contents import differences, snapshot  # noqa: E402
from generate import Generator  # noqa: E402
from judge import NUMBER, RANDOM, excuse, of_scripts, same, version  # noqa: E402
from resp import Closed, encode  # noqa: E402
from scripts import Scripts  # noqa: E402
from server import Failed, Server  # noqa: E402

ORACLE = os.environ.get("STET_ORACLE", "/usr/bin/redis-server")
COMMANDS, BATCH, COMPARE_EVERY = 600, 20, 200
SETTINGS = {  # the first of each is the default
    "hash-max-listpack-entries": ["128", "4", "0"],
    "hash-max-listpack-value": ["64", "8"],
    "set-max-intset-entries": ["512", "3", "0"],
    "zset-max-listpack-entries": ["128", "4", "0"],
    "zset-max-listpack-value": ["64", "8"],
    "list-max-listpack-size": ["-2", "3", "-1"],
    "list-compress-depth": ["0", "1"],
    "stream-node-max-entries": ["100", "3"],
    "hll-sparse-max-bytes": ["3000", "100"],
}


class World:
    """Both servers, empty, with settings drawn for this world."""

    def __init__(self, number, seed, servers, known, report):
        self.rng = random.Random("%d/%d" % (seed, number))
        self.number, self.report = number, report
        self.generator = Generator("%d:%d" % (seed, number), known)
        self.scripts = None
        self.proto = self.rng.choice([2, 3])
        self.conns = [s.conn(proto=self.proto) for s in servers]
        self.readers = [s.conn() for s in servers]
        self.oracle = version(self.readers[0])
        if number % 3 == 2 and "fcall" in known:
            self.scripts = Scripts(self.generator, self.oracle != "redis 7")
        settings = {k: self.rng.choice(v) for k, v in SETTINGS.items()}
        for c in self.readers:
            c.call("FLUSHALL")
            c.call("FUNCTION", "FLUSH")
            for k, v in settings.items():
                c.call("CONFIG", "SET", k, v)
        self.history = []

    def run(self, commands, every):
        at = 0
        while at < commands:
            batch = []
            while len(batch) < BATCH:
                batch += self.next()
            self.batch(batch)
            at += len(batch)
            if at % every < BATCH:
                self.compare()
        self.compare()
        for c in self.conns + self.readers:
            c.close()
        return at

    def next(self):
        if self.scripts:
            return self.scripts.commands()
        words = self.generator.command()
        if words[0].lower() == "spop" and len(words) > 1:
            return [words, ["DEL", words[1]]]
        return [words]

    def batch(self, batch):
        raw = b"".join(encode(w) for w in batch)
        differed = set()
        for c in self.conns:
            c.send(raw)
        for words in batch:
            self.history.append(words)
            try:
                replies = [c.read() for c in self.conns]
            except (Closed, TimeoutError) as e:
                raise Failed("%s to %.200r" % (type(e).__name__, words)) from e
            if self.oracle == "valkey" and self.scripts:
                replies = [of_scripts(r) for r in replies]
            if not same(words, *replies) and not differed & set(words[1:]):
                self.differ(words, replies)
                differed.update(words[1:])
        for c in self.readers:  # what differs once would differ for ever
            if differed and self.scripts:
                c.call("FLUSHALL")
            else:
                for key in differed:
                    c.call("DEL", key)

    def differ(self, words, replies):
        name = excuse(words, *replies, self.oracle)
        if name:
            self.report.excused[name] += 1
        else:
            self.report.difference(self, words, replies)

    def sorted_a_zset(self):
        return any(w[0].lower().startswith("sort") for w in self.history)

    def compare(self):
        want, got = (snapshot(c) for c in self.readers)
        for where, entry in got.items():
            at, other = entry.get("expire_ms"), want.get(where, {}).get("expire_ms")
            if at and other and abs(at - other) < 3000:  # what began "now"
                entry["expire_ms"] = other
        for data in (want, got):
            for entry in data.values():
                if entry["type"] in ("list", "set") or entry["type"] == "hash" and self.oracle == "valkey":
                    entry.pop("encoding", None)  # of 7.2, not of 7.0; Valkey counts a field that HMSET names twice
                elif entry["type"] == "zset" and self.sorted_a_zset():
                    entry.pop("encoding", None)  # SORT makes a skiplist of it, with us it does not
                elif entry["type"] == "vectorset":
                    entry["value"] = as_numbers(entry["value"])
                elif entry.get("encoding") in ("embstr", "raw") + ("int",) * (self.oracle == "valkey"):
                    entry["encoding"] = "text"  # numbers that scripts store stay texts with Valkey
        for line in differences(want, got, 0):
            self.report.data(self, line)
        if want.keys() != got.keys() or differences(want, got, 0):
            for c in self.readers:
                c.call("FLUSHALL")


def as_numbers(node):
    """Two texts of one double are equal."""
    if isinstance(node, list):
        return [as_numbers(x) for x in node]
    return float(node) if isinstance(node, str) and NUMBER.match(node) else node


class Report:
    def __init__(self, show):
        self.show, self.n, self.excused = show, 0, collections.Counter()

    def line(self, text):
        self.n += 1
        if self.n <= self.show:
            print(text)
            sys.stdout.flush()

    @staticmethod
    def short(x, n=160):
        text = repr(x)
        return text if len(text) <= n else text[:n] + "... (%d)" % len(text)

    def before(self, world, keys):
        commands = [w for w in world.history[:-1] if keys & set(w[1:])][-6:]
        return "".join("\n      after %s" % self.short(w, 120) for w in commands)

    def difference(self, world, words, replies):
        self.line("world %d RESP%d: %s\n    oracle %s\n    stet   %s%s" % (
            world.number, world.proto, self.short(words), self.short(replies[0]),
            self.short(replies[1]), self.before(world, set(words[1:]))))

    def data(self, world, line):
        keys = {w for words in world.history for w in words[1:] if "%r)" % w in line}
        self.line("world %d, data: %s%s" % (world.number, line, self.before(world, keys)))


def ended(server):
    """Whether its process is gone, or about to write down why."""
    try:
        server.conn(timeout=5).call("PING")
    except (OSError, Closed):
        return True
    return False


def known_commands(conn):
    return {c.decode().lower() for c in conn.call("COMMAND", "LIST")}


def main():
    need("redis-server")
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--seconds", type=float, default=10)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--worlds", type=int, default=1 << 30, help="at the most")
    p.add_argument("--world", type=int, help="only this one")
    p.add_argument("--commands", type=int, default=COMMANDS, help="of one world")
    p.add_argument("--every", type=int, default=COMPARE_EVERY,
                   help="commands between two looks at the whole data set")
    p.add_argument("--show", type=int, default=20, help="differences printed")
    p.add_argument("--beside", action="store_true", help="tiny slices, and another client that reads: beside.py")
    o = p.parse_args()
    report, done, number = Report(o.show), 0, o.world or 0
    end = time.monotonic() + o.seconds
    with contextlib.ExitStack() as stack:
        oracle, stet = [stack.enter_context(s) for s in (Server(program=ORACLE), Server(*DEBUG * o.beside))]
        if o.beside:
            stack.enter_context(Beside(stet, o.seed))
        control = [s.conn() for s in (oracle, stet)]
        known = set.intersection(*map(known_commands, control))
        while time.monotonic() < end and number < o.worlds:
            try:
                done += World(number, o.seed, (oracle, stet), known, report).run(o.commands, o.every)
            except (Failed, Closed, OSError, ValueError) as e:
                if stet.proc.poll() is None and ended(oracle):
                    report.excused["the oracle has crashed"] += 1
                    oracle = stack.enter_context(Server(program=ORACLE))
                else:
                    report.line("world %d: %s %s" % (number, type(e).__name__, e))
                    if stet.proc.poll() is not None:
                        print(stet.log()[-3000:])
                        break
            number += 1
            if o.world is not None:
                break
    for name, n in sorted(report.excused.items()):
        print("  deliberate: %-28s %d" % (name, n))
    return summary("differential", done - report.n, report.n)


if __name__ == "__main__":
    sys.exit(main())
