#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""soak - a long outage on a real server: a disk that fails, fills, hangs and heals at random
(tests/faults/shim.c) while clients write and read.

  soak.py [--seconds 60] [--seed N]
A round is some seconds of faults, the disk's recovery, and checks: service resumed by itself,
every acknowledged write is there, descriptors and threads are as many as at the beginning, the event
loop did not sleep while a PING was due. Many rounds end with kill -9, some of them on the sick disk.
Under every policy what was acknowledged survives that.
"""
import argparse
import errno
import os
import random
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "faults"), os.path.join(HERE, "..", "lib")]
from cases import ask, check, summary  # noqa: E402
from disk import ALL, INCR, TEMP, Sick  # noqa: E402
from pings import Pings  # noqa: E402
from resp import Closed, ReplyError  # noqa: E402
from server import Failed, wait_for  # noqa: E402

WRITERS, KEYS = 4, 8
LIMIT_MS = 200  # a call on the sick disk often takes longer
NONE = (0, 0, 0, 0)


class Writer(threading.Thread):
    """Sets its keys to rising numbers, and reads them: never less than what was acknowledged."""

    def __init__(self, server, name, rng):
        super().__init__(daemon=True)
        self.server, self.rng = server, rng
        self.keys = ["%s:%d" % (name, i) for i in range(KEYS)]
        self.acked = dict.fromkeys(self.keys, 0)
        self.sent = dict.fromkeys(self.keys, 0)  # the last that may have been executed
        self.on, self.done, self.refused, self.broken = True, 0, 0, None
        self.conn, self.n = None, 0

    def one(self):
        key = self.rng.choice(self.keys)
        if self.rng.random() < 0.3:
            least = self.acked[key]
            got = int(self.conn.call("GET", key) or 0)
            check(least <= got <= self.sent[key],
                  "%s read as %d, acknowledged %d, sent %d" % (key, got, least, self.sent[key]))
            return
        self.n += 1
        before, self.sent[key] = self.sent[key], self.n
        try:
            self.conn.call("SET", key, b"%d" % self.n)
        except ReplyError as e:
            check(str(e).startswith("MISCONF"), "a write got: %s" % e)
            self.sent[key] = before  # it was not executed
            self.refused += 1
            time.sleep(0.01)
            return
        self.acked[key] = self.n
        self.done += 1

    def run(self):
        while self.on and not self.broken:
            try:
                if not self.conn:
                    self.conn = self.server.conn(timeout=180)
                self.one()
            except (Closed, OSError, TypeError) as e:  # TypeError: no port while it starts
                if isinstance(e, TimeoutError):
                    self.broken = "a client got no reply for 180 s"
                self.conn = None
                time.sleep(0.02)
            except Failed as e:
                self.broken = str(e)

    def verify(self, conn):
        least = dict(self.acked)  # before the reading, as it goes on writing
        got = [int(v or 0) for v in conn.call("MGET", *self.keys)]
        for key, value in zip(self.keys, got):
            check(least[key] <= value <= self.n, "%s holds %d, acknowledged %d" % (key, value, least[key]))


def fault(rng):
    """(name, match, {sync, write, other})"""
    match = rng.choice([ALL, ALL, ALL, INCR, TEMP])
    code = rng.choice([errno.EIO, errno.ENOSPC])
    kind = rng.choice(["sync fails", "sync is slow", "full", "full in the middle", "write is slow", "names fail",
                       "names are slow", "hangs", "all at once"])
    few, slow = rng.choice([1, 1, 2, 5]), rng.choice([20, 100, 400, 1500])
    return kind, match, {
        "sync fails": {"sync": (rng.choice([0, 100]), errno.EIO, few, 0)},
        "sync is slow": {"sync": (slow, 0, 0, 0)},
        "full": {"write": (0, errno.ENOSPC, -1, 0)},
        "full in the middle": {"write": (0, code, -1, rng.choice([1, 7, 100]))},
        "write is slow": {"write": (slow, 0, 0, 0)},
        "names fail": {"other": (0, code, few, 0)},
        "names are slow": {"other": (min(slow, 400), 0, 0, 0)},
        "hangs": {"sync": (4000, 0, 0, 0), "write": (4000, 0, 0, 0)},
        "all at once": {"sync": (slow // 2, errno.EIO, few, 0), "write": (slow // 4, code, few, 3),
                        "other": (slow // 8, code, few, 0)},
    }[kind]


class Ask(threading.Thread):
    """One command of an administrator, which has to be answered once the disk is well."""

    def __init__(self, server, words):
        super().__init__(daemon=True)
        self.conn, self.words = server.conn(timeout=180), words
        self.start()

    def run(self):
        try:
            ask(self.conn, *self.words)
        except (Closed, OSError):
            pass  # the server was killed
        self.conn.close()


def some_words(rng):
    return rng.choice([["BGREWRITEAOF"], ["BGREWRITEAOF"], ["BACKUP", "START"], ["BACKUP", "SEAL"],
                       ["BACKUP", "ABORT"], ["BACKUP", "CLEANUP"], ["BACKUP", "LIST"],
                       ["CONFIG", "SET", "appendfsync", rng.choice(["always", "everysec", "no"])]])


def counts(pid):
    return len(os.listdir("/proc/%d/fd" % pid)), len(os.listdir("/proc/%d/task" % pid))


def open_files(pid):
    names = []
    for fd in os.listdir("/proc/%d/fd" % pid):
        try:
            names.append(os.readlink("/proc/%d/fd/%s" % (pid, fd)))
        except OSError:
            pass  # closed meanwhile
    return " ".join(sorted(names))


class Soak:
    def __init__(self, server, seed):
        self.s, self.rng = server, random.Random(seed)
        self.writers = [Writer(server, "w%d" % i, random.Random(seed + i + 1)) for i in range(WRITERS)]
        for w in self.writers:
            w.start()
        self.worst = self.held = self.own = self.get = self.rounds = self.kills = self.faults = 0
        self.most, self.asks, self.slow = None, [], []
        self.heal()
        self.settled()

    def served(self):
        return all(w.done > before for w, before in zip(self.writers, self.before))

    def heal(self):
        """The disk is well: every writer gets on by itself."""
        self.s.disk.well()
        self.before = [w.done for w in self.writers]
        try:
            wait_for(lambda: self.served() or self.complaint(), "", 120)
        except Failed:
            conn = self.s.conn()
            raise Failed("no service on a disk that is well: writes of each client %s, before %s\n%s\n%s" % (
                [w.done for w in self.writers], self.before, conn.call("INFO", "persistence").decode(),
                conn.call("CLIENT", "LIST").decode()))
        check(not self.complaint(), self.complaint())
        for a in self.asks:
            a.join(60)
            check(not a.is_alive(), "no reply to %s" % " ".join(a.words))
        self.asks = []

    def complaint(self):
        return next((w.broken for w in self.writers if w.broken), None)

    def settled(self):
        """As many descriptors and threads as after the first time; a thread more for what is closed
        or removed in the background."""
        if self.most is None:
            wait_for(lambda: counts(self.s.proc.pid)[0] > 0, "counts")
            fds, threads = counts(self.s.proc.pid)
            self.most = fds, threads + 2
            self.files = open_files(self.s.proc.pid)
            return
        try:
            wait_for(lambda: all(a <= b for a, b in zip(counts(self.s.proc.pid), self.most)), "", 60, 0.05)
        except Failed:
            raise Failed("descriptors and threads: %s, at the beginning %s: %s\n%s\n%s" % (
                counts(self.s.proc.pid), self.most, open_files(self.s.proc.pid), self.files,
                self.s.conn().call("CLIENT", "LIST").decode()))

    def round(self, seconds):
        self.since, end = time.clock_gettime_ns(time.CLOCK_MONOTONIC), time.monotonic() + seconds
        pings = Pings(self.s).start()
        while time.monotonic() < end:
            _, match, faults = fault(self.rng)
            self.s.disk.set(match, **faults)
            self.faults += 1
            if self.rng.random() < 0.4:
                self.asks.append(Ask(self.s, some_words(self.rng)))
            time.sleep(self.rng.uniform(0.1, 2.5))
        how = self.rng.random()
        if how < 0.3:
            self.kill(pings)  # on the sick disk
        self.heal()
        if how >= 0.3:
            self.note(pings)
        self.settled()
        if how > 0.7:
            self.kill(None)
        with_conn = self.s.conn(timeout=60)
        for w in self.writers:
            w.verify(with_conn)
        with_conn.close()
        self.rounds += 1

    def note(self, pings):
        pings.end()
        by_loop = self.s.disk.by_loop(self.since)
        check(not by_loop, "the loop itself called: %s" % ", ".join(by_loop))
        self.worst, self.held = max(self.worst, pings.worst_ms), max(self.held, pings.held_ms)
        self.own, self.get = max(self.own, pings.own_ms), max(self.get, pings.get_ms)
        if pings.held_ms >= pings.own_ms + LIMIT_MS:
            self.slow.append("round %d: the loop slept for %.1f ms with a PING due, the machine's own pauses %.1f ms"
                             % (self.rounds, pings.held_ms, pings.own_ms))

    def kill(self, pings):
        if pings:
            self.note(pings)
        self.s.kill()
        self.s.disk.well()
        self.s.start()
        self.kills += 1

    def end(self):
        for w in self.writers:
            w.on = False
        for w in self.writers:
            w.join()
        self.s.kill()
        self.s.start()
        conn = self.s.conn(timeout=60)
        for w in self.writers:
            w.verify(conn)
        self.kills += 1


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--seconds", type=float, default=60)
    p.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    a = p.parse_args()
    failed = 0
    with Sick("--appendfsync", "always", "--backup-dir", "backups-of-appendonlydir", "--backup-ttl", "0",
              "--auto-aof-rewrite-min-size", "200kb") as s:
        soak, end = Soak(s, a.seed), time.monotonic() + a.seconds
        try:
            while time.monotonic() < end:
                soak.round(min(8, a.seconds / 4))
            soak.end()
            print("".join("slow: %s\n" % x for x in soak.slow), end="")
            # The faults of a round come again in others; pauses of a busy machine do not.
            check(len(soak.slow) <= max(1, soak.rounds // 20), "%d slow rounds" % len(soak.slow))
        except Failed as e:
            failed = 1
            print("FAIL seed %d, round %d: %s\n%s" % (a.seed, soak.rounds, e, s.log()[-3000:]))
        done, refused = (sum(getattr(w, x) for w in soak.writers) for x in ("done", "refused"))
        print("worst PING %.1f ms (the loop slept %.1f, the machine's own pauses %.1f), worst GET %.1f; %d faults, %d kills, %d writes "
              "acknowledged, %d refused; descriptors and threads %s, at most %s"
              % (soak.worst, soak.held, soak.own, soak.get, soak.faults, soak.kills, done, refused,
                 s.running() and counts(s.proc.pid), soak.most))
    return summary("soak", soak.rounds, failed, " (seed %d)" % a.seed)


if __name__ == "__main__":
    sys.exit(main())
