#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""twice - a real server on a mounted simulated disk (disk_fuse.c): two events in a row.

A life is: start, acknowledged writes, by seed a fault of the disk, a rewrite, a change of policy, a
backup; then kill -9, SIGTERM or a power cut. Several lives follow each other on one disk. After each
start:
  - after a process death everything acknowledged is there, under any policy;
  - after a power cut everything acknowledged under `always`, and everything that WAITAOF confirmed;
  - what is there of one connection's writes is a prefix of them: no hole;
  - the start is not refused.
One writer makes key after key, so a hole shows as a missing number; a reader notes the highest number
that it was shown under `always`, which a cut may not take back.

  twice.py [--seconds N] [--seed S]      needs root, /dev/fuse and libfuse3
"""
import argparse
import errno
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
from cases import summary  # noqa: E402
from resp import Closed, Conn, ReplyError, encode  # noqa: E402
from server import Failed, Server, TOOLS, wait_for  # noqa: E402


class Disk:
    def __init__(self, seed):
        self.path = tempfile.mkdtemp(prefix="stet-fuse-")
        self.proc = subprocess.Popen([os.path.join(TOOLS, "disk_fuse"), self.path, str(seed)])
        wait_for(lambda: os.path.ismount(self.path), "the mount", 10)

    def order(self, name, text=""):
        os.setxattr(self.path, "user." + name, text.encode())

    def close(self):
        subprocess.run(["fusermount3", "-u", "-z", self.path], stderr=subprocess.DEVNULL)
        self.proc.wait(10)
        shutil.rmtree(self.path, ignore_errors=True)


class Writer(threading.Thread):
    """Writes k:<n> with a script of its own: every key once, in order, up to `most` unanswered."""

    def __init__(self, port, first, dice):
        super().__init__(daemon=True)
        self.c = Conn(port, timeout=20)
        self.first = self.acked = self.sent = first
        self.dice, self.stop, self.refused = dice, False, False

    def run(self):
        try:
            while not self.stop:
                n = self.dice.choice((1, 1, 2, 10))
                for _ in range(n):
                    size = self.dice.choice((3, 30, 300, 9000))
                    self.c.send(encode(("SET", "k:%d" % self.sent, "%d:" % self.sent + "x" * size)))
                    self.sent += 1
                for _ in range(n):
                    got = self.c.read()
                    if got != ["+", "OK"]:
                        self.refused = True
                        return
                    self.acked += 1
        except (Closed, OSError, ReplyError):
            pass


class Reader(threading.Thread):
    """Asks for the newest keys; what it was shown has to stand."""

    def __init__(self, port, writer):
        super().__init__(daemon=True)
        self.c, self.writer, self.shown, self.stop = Conn(port, timeout=20), writer, writer.first, False

    def run(self):
        try:
            while not self.stop:
                n = self.writer.sent
                if self.c.call("EXISTS", "k:%d" % (n - 1)) == 1:
                    self.shown = max(self.shown, n)
        except (Closed, OSError, ReplyError):
            pass


class World:
    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.disk = Disk(seed)
        self.next = 0            # number of the next key
        self.must = 0            # keys below this must be there
        self.lives, self.cuts = 0, 0
        self.policy = "always"

    def server(self):
        args = ("--appendonly", "yes", "--appendfsync", self.policy, "--auto-aof-rewrite-percentage",
                "0", "--backup-dir", "backups", "--aof-use-rdb-preamble",
                self.dice.choice(("yes", "no")), "--dir", self.disk.path)
        return Server(*args, dir=tempfile.mkdtemp(prefix="stet-twice-"))

    def check(self, s):
        c = s.conn()
        there = {int(k.split(b":")[1]) for k in c.call("KEYS", "k:*")}
        c.close()
        have = 0
        while have in there:
            have += 1
        if have < self.must:
            raise Failed("LOST: %d keys are there, %d were promised" % (have, self.must))
        if len(there) != have:
            raise Failed("a hole: key %d is missing, %d later ones are there"
                         % (have, len(there) - have))
        self.next = have

    def disturb(self, s, c):
        what = self.dice.choice(("sync", "sync", "write", "rewrite", "rewrite", "backup", "policy",
                                 "slow", "syncdir", "nothing"))
        try:
            if what in ("sync", "syncdir"):
                self.disk.order("fail", "%s %d %d" % (what, errno.EIO, self.dice.choice((1, 1, 3))))
            elif what == "write":
                self.disk.order("fail", "write %d %d" % (errno.ENOSPC, self.dice.choice((1, 5))))
            elif what == "slow":
                self.disk.order("slow", "sync %d" % self.dice.choice((5, 100)))
            elif what == "rewrite":
                c.call("BGREWRITEAOF")
            elif what == "backup":
                c.call("BACKUP", "START")
                c.call("BACKUP", "SEAL")
            elif what == "policy":
                self.policy = self.dice.choice(("always", "everysec", "no"))
                c.call("CONFIG", "SET", "appendfsync", self.policy)
        except ReplyError:
            pass
        return what

    def life(self):
        self.lives += 1
        s = self.server()
        try:
            self.check(s)
            c = s.conn(timeout=30)
            self.weak = self.policy != "always"
            w = Writer(s.port, self.next, self.dice)
            r = Reader(s.port, w)
            w.start(), r.start()
            for _ in range(self.dice.randrange(4)):
                time.sleep(self.dice.choice((0.01, 0.05, 0.2)))
                self.disturb(s, c)
                self.weak |= self.policy != "always"
            time.sleep(self.dice.choice((0.01, 0.1)))
            self.end(s, c, w, r)
        finally:
            s.kill() if s.proc.poll() is None else None
            s.close()

    def end(self, s, c, w, r):
        how = self.dice.choice(("kill", "kill", "term", "cut", "cut"))
        confirmed = self.must
        if how == "cut" and self.dice.random() < 0.3:
            acked = w.acked
            try:
                if c.call("WAITAOF", 1, 0, 2000)[0] == 1:
                    confirmed = acked
            except ReplyError:
                pass
        if how == "term":
            s.proc.terminate()
            try:
                s.proc.wait(15)
            except subprocess.TimeoutExpired:
                pass
        s.kill() if s.proc.poll() is None else None
        w.stop = r.stop = True
        w.join(10), r.join(10)
        if how != "cut":
            self.must = max(self.must, w.acked)
            self.disk.order("slow", "sync 0")
            for op in ("sync", "write", "syncdir"):
                self.disk.order("fail", "%s 0 0" % op)
            return
        self.cuts += 1
        # What a start has read is durable before it acknowledges anything.
        self.must = max(self.next, confirmed) if self.weak else max(self.must, w.acked, r.shown)
        self.disk.order("cut", "%d %d %d %d %d" % (
            self.dice.randrange(2), *(self.dice.choice((0, 10, 50, 90, 100)) for _ in range(3)),
            self.dice.choice((0, 0, 50))))

    def run(self, lives):
        for _ in range(lives):
            self.life()


def world(seed):
    w = World(seed)
    try:
        w.run(random.Random(seed + 1).randrange(3, 7))
    except Failed as e:
        return "seed %d, life %d: %s" % (seed, w.lives, e), w
    finally:
        w.disk.close()
    return None, w


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seconds", type=int, default=60)
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    if not os.access("/dev/fuse", os.W_OK):
        print("fuse: /dev/fuse cannot be used here")
        return 1
    passed = failed = lives = cuts = 0
    end = time.monotonic() + a.seconds
    while time.monotonic() < end:
        why, w = world(a.seed + passed + failed)
        lives, cuts = lives + w.lives, cuts + w.cuts
        passed, failed = passed + (not why), failed + bool(why)
        if why:
            print("FAIL " + why)
    print("%d lives, %d power cuts" % (lives, cuts))
    return summary("fuse", passed, failed)


if __name__ == "__main__":
    sys.exit(main())
