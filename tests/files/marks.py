#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""marks - damage to files with checksums: whatever happens to the bytes, the server holds what the
first m commands made, for some m, or refuses; values are never altered and synced data never
silently dropped (persistence/README.md).

  marks.py [--seed N] [--samples N]
"""
import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from aof import fingerprint  # noqa: E402
from cases import summary  # noqa: E402
from contents import strings  # noqa: E402
from judge import cut_bytes, log_tail  # noqa: E402
from server import CHECK_AOF, NO_LEAKS, SERVER, Failed, Server, is_stet  # noqa: E402

ARGS = ["--appendonly", "yes", "--aof-use-rdb-preamble", "no"]
INCR = os.path.join("appendonlydir", "appendonly.aof.1.incr.aof")
MANIFEST = os.path.join("appendonlydir", "appendonly.aof.manifest")


class Log:
    """A directory written by the server: keys 0, 1, 2... in order, in batches of many sizes."""

    def __init__(self, policy, end, rng):
        self.dir = tempfile.mkdtemp(prefix="stet-marks-")
        self.values = []
        with Server(*ARGS, "--appendfsync", policy, dir=self.dir) as s:
            conn = s.conn()
            for size in [1] * 30 + [5] * 10 + [50] * 2:
                self.write(conn, [self.value(rng) for _ in range(size)])
            with open(os.path.join(self.dir, INCR), "rb") as f:
                copied = f.read()
            self.write(conn, [copied])  # a value that holds marks must not pass for marks
            for size in [1] * 10:
                self.write(conn, [self.value(rng) for _ in range(size)])
            s.stop() if end == "stop" else s.kill()
        with open(os.path.join(self.dir, INCR), "rb") as f:
            self.data = f.read()
        self.copied_at = self.data.index(copied, 1)  # the file itself is at 0, unless padding followed it

    @staticmethod
    def value(rng):
        return rng.randbytes(rng.choice([0, 1, 10, 100, 700]))

    def write(self, conn, values):
        first = len(self.values)
        conn.pipeline([["SET", first + i, v] for i, v in enumerate(values)])
        self.values += values

    def damaged(self, data):
        """A server, not started, on a copy of the directory with this increment."""
        s = Server(*ARGS, start=False)
        shutil.copytree(os.path.join(self.dir, "appendonlydir"),
                        os.path.join(s.dir, "appendonlydir"))
        with open(os.path.join(s.dir, INCR), "wb") as f:
            f.write(data)
        return s

    def held(self, conn):
        """How many of the commands the contents are the work of."""
        got = strings(conn)
        got.pop((0, b"probe"), None)
        want = {(0, b"%d" % i): (v, -1) for i, v in enumerate(self.values[:len(got)])}
        if got != want:
            raise Failed("the contents are those after no number of commands")
        return len(got)


def starts(log, data, at_least=0, cut=None):
    """Must start, with a whole number of commands; a write after that must stay."""
    with log.damaged(data) as s:
        s.spawn()
        if not s.wait_ready():
            raise Failed("refused: " + log_tail(s))
        conn = s.conn()
        n = log.held(conn)
        if n < at_least:
            raise Failed("%d commands, %d were synced" % (n, at_least))
        if cut is not None and bool(cut_bytes(s.dir)) != cut:
            raise Failed("%d bytes are kept aside" % cut_bytes(s.dir))
        conn.call("SET", "probe", "1")
        s.kill()
        s.start()
        conn = s.conn()
        if log.held(conn) != n or conn.call("GET", "probe") != b"1":
            raise Failed("the second start holds other data")
        return n


def refused(log, data):
    """Must refuse, change nothing, and be repairable to a whole number of commands."""
    with log.damaged(data) as s:
        before = fingerprint(s.dir)
        s.env = NO_LEAKS
        s.spawn()
        if s.wait_ready():
            raise Failed("starts with %d commands" % log.held(s.conn()))
        if s.proc.returncode != 1 or fingerprint(s.dir) != before:
            raise Failed("exit status %s, or files changed" % s.proc.returncode)
        for part in ("appendonly.aof.1.incr.aof", "offset", "check-aof"):
            if part not in s.log():
                raise Failed("no '%s' in the message: %s" % (part, log_tail(s)))
        fix = subprocess.run([CHECK_AOF, "--fix", "--yes", os.path.join(s.dir, MANIFEST)],
                             capture_output=True, text=True, timeout=60)
        if fix.returncode != 0:
            raise Failed("--fix: %s" % fix.stdout[-300:])
        s.env = None
        s.start()
        log.held(s.conn())


def either(log, data):
    try:
        starts(log, data)
    except Failed as e:
        if not str(e).startswith("refused"):
            raise
        refused(log, data)


def put(data, at, piece):
    return data[:at] + piece + data[at + len(piece):]


def cases(a, rng, logs):
    """(name, log, function, data)"""
    killed, stopped, always = logs
    tail = len(killed.data) - 300
    for at in sorted(rng.sample(range(200, tail), a.samples)) + list(range(tail, tail + 300, 11)):
        yield "cut at %d" % at, killed, starts, killed.data[:at]
    for _ in range(a.samples // 2):
        at = rng.randrange(killed.copied_at, len(killed.data))
        yield "cut at %d, in the copied log" % at, killed, starts, killed.data[:at]
        at = rng.randrange(200, tail)
        yield "unsynced zeros at %d" % at, killed, starts, put(killed.data, at, bytes(400))
        yield "unsynced noise at %d" % at, killed, starts, put(killed.data, at, rng.randbytes(99))
        yield "unsynced cut and zeros at %d" % at, killed, starts, killed.data[:at] + bytes(4096)
        for log in (stopped, always):
            at = rng.randrange(200, len(log.data) - 400)
            yield "synced zeros at %d" % at, log, refused, put(log.data, at, bytes(300))
            bad = bytes([log.data[at] ^ 1 << rng.randrange(8)])
            yield "synced bit at %d" % at, log, refused, put(log.data, at, bad)
    for at in range(0, 200, 17):
        bad = bytes([killed.data[at] ^ 1 << rng.randrange(8)])
        yield "bit in the first bytes, %d" % at, killed, either, put(killed.data, at, bad)
    whole = len(stopped.values)
    yield "nothing", stopped, lambda l, d: starts(l, d, whole, False), stopped.data
    yield "nothing, killed", always, lambda l, d: starts(l, d, whole), always.data


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    p.add_argument("--samples", type=int, default=30)
    a = p.parse_args()
    if not is_stet(SERVER):
        print("only stet writes marks")
        return summary("marks", 0, 0)
    rng = random.Random(a.seed)
    passed = failed = 0
    try:
        logs = Log("no", "kill", rng), Log("everysec", "stop", rng), Log("always", "kill", rng)
    except Failed as e:
        print("FAIL writing the logs: %s\nmarks: 0 passed, 1 failed" % e)
        return 1
    for name, log, judge, data in cases(a, rng, logs):
        try:
            judge(log, data)
            passed += 1
        except (Failed, OSError) as e:
            failed += 1
            print("FAIL %s (seed %d): %s" % (name, a.seed, e))
    for log in logs:
        shutil.rmtree(log.dir)
    return summary("marks", passed, failed)


if __name__ == "__main__":
    sys.exit(main())
