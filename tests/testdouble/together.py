#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""together - the subcommands of TEST at random, all kinds at once, while clients write, block, subscribe and run
scripts in several spaces. In the end the server runs, TEST RESET makes it an ordinary one, and a snapshot that is
restored is what it was.

  together.py [--seconds 60] [--seed N] [--list]

A world is one server and some seconds. World i of seed N is world 0 of seed N + i: with io_uring, threads and epoll
in turn. The threads of the system make the timing differ. --list prints what is sent.
"""
import argparse
import os
import random
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "replication")]
from cases import ask, check, summary  # noqa: E402
from contents import differences, snapshot  # noqa: E402
from masters import write_some  # noqa: E402
from resp import Closed, Conn, ReplyError  # noqa: E402
from server import SERVER, Failed, Server, wait_for  # noqa: E402

KIT = os.path.join(HERE, "..", "kit")
PROGRAMS = [SERVER, os.path.join(KIT, "threaded"), os.path.join(KIT, "polled")]
WORLD_SECONDS = 3
WORKERS = 4
GONE = (Closed, OSError, TimeoutError, ReplyError, ValueError, IndexError, TypeError)  # half a reply is no reply


class Worker(threading.Thread):
    """A client in a space of its own, or in none: writes, waits, transactions, scripts, subscriptions."""

    def __init__(self, server, seed):
        super().__init__(daemon=True)
        self.server, self.rng, self.on, self.done = server, random.Random(seed), True, 0
        self.space = self.rng.choice([None, None, "p", "q"])
        self.start()

    def run(self):
        while self.on:
            try:
                c = self.server.conn(timeout=3)
                if self.space:
                    ask(c, "TEST", "SPACE", self.space)
                c.call("CLIENT", "SETNAME", "w%d" % self.rng.randrange(3))
                while self.on:
                    self.rng.choice(WORK)(self.rng, c)
                    self.done += 1
            except GONE:
                time.sleep(0.005)


def waits(rng, c):
    c.ask(*rng.choice([("BLPOP", "nokey", rng.choice([0, 0.05, 1])), ("WAIT", 1, 20), ("BZPOPMIN", "nz", 0.1),
                       ("XREAD", "BLOCK", rng.choice([10, 1000]), "STREAMS", "nx", "$")]))


def subscribes(rng, c):
    c.pipeline([("SUBSCRIBE", "ch"), ("UNSUBSCRIBE", "ch")])
    c.close()


WORK = [lambda rng, c: write_some(c, rng.random(), 40)] * 10 + [
    waits, waits, subscribes,
    lambda rng, c: c.pipeline([("MULTI",), ("SET", "t", 1), ("INCR", "n:1"), ("PUBLISH", "ch", "x"), ("EXEC",)]),
    lambda rng, c: c.pipeline([("EVAL", "for i=1,30 do redis.call('set','e'..i,i) end return redis.call('time')", 0)] * 3),
    lambda rng, c: c.pipeline([("SET", "x%d" % i, "y" * rng.choice([10, 5000]), "PX", rng.choice([1, 50, 100000]))
                               for i in range(50)]),
    lambda rng, c: c.pipeline([("FLUSHALL",)] if rng.random() < 0.2 else
                              [("SCAN", 0), ("DBSIZE",), ("RANDOMKEY",), ("KEYS", "*")]),
    lambda rng, c: c.pipeline([("GET", "s:%d" % rng.randrange(60)) for _ in range(100)]),
]


# ------------------------------------------------------------------ what is sent: {first words: what may follow}

EFFECTS = [("ERROR", "BUSY x"), ("DELAY", 0), ("DELAY", 30), ("DELAY", 5, "JITTER", 10), ("HANG",), ("CLOSE", "BEFORE"),
           ("CLOSE", "AFTER"), ("RESET",), ("HALF", 0), ("HALF", 7), ("SLICE", 1, 0), ("SLICE", 100, 1), ("RATE", 100),
           ("RATE", 100000), ("DROP",)]
CONDITIONS = [("TIMES", 20), ("KEY", "s:*"), ("AFTER", 3), ("PROBABILITY", "0.1"), ("COMMAND", "get", "KEY", "s:1*"),
              *(("COMMAND", x) for x in ("get", "set", "exec", "blpop", "eval", "publish", "ping"))]
MODES = ["LOADING", "READONLY", "OOM", "MISCONF", "MASTERDOWN", "CLUSTERDOWN", "BUSY", "NOREPLICAS"] + ["NORMAL"] * 3


def a_fault(rng):
    """Of the workers only: the client that controls the world needs its answers."""
    condition = rng.choice(CONDITIONS)
    if "TIMES" not in condition:
        condition += rng.choice([(), ("TIMES", rng.choice([1, 5, 50]))])
    return ("TEST", "FAULT", "ADD", "CLIENT", "w*", *condition, *rng.choice(EFFECTS))


PLAIN = [tuple(line.split()) for line in """\
TEST CLOCK FREEZE
TEST CLOCK ADVANCE 0
TEST CLOCK ADVANCE 100
TEST CLOCK ADVANCE 1000000
TEST CLOCK RUN
TEST CLOCK REAL
TEST CLOCK SCALE 60
TEST CLOCK SCALE 0.5
TEST CLOCK SCALE 1000
TEST CLOCK GET
TEST CLOCK SET 1000000000000
TEST CLOCK SET 2000000000000
TEST FAULT CLEAR
TEST FAULT LIST
TEST FAULT ADD ACCEPT TIMES 2 REFUSE
TEST FAULT ADD ACCEPT TIMES 2 DELAY 20
TEST SNAPSHOT a
TEST SNAPSHOT b
TEST RESTORE a
TEST RESTORE b
TEST DROP a
TEST RESET
TEST SEED 7
TEST SPACE p DROP
TEST SPACE q DROP
TEST JOURNAL START
TEST JOURNAL STOP
TEST JOURNAL CLEAR
TEST JOURNAL GET
TEST JOURNAL COUNT COMMAND set
TEST STRICT yes
TEST STRICT no
TEST PROFILE redis-6.2
TEST PROFILE none
TEST CRASH SYNCED
TEST CRASH WRITTEN
TEST DISK FULL
TEST DISK EIO
TEST DISK TORN
TEST DISK NORMAL
TEST DISK NORMAL
TEST DISK SLOW 20
TEST WAIT IDLE
BGREWRITEAOF
BGSAVE
INFO
CLIENT LIST
CLIENT PAUSE 50
CLIENT KILL TYPE normal
CONFIG SET appendfsync always
CONFIG SET appendfsync everysec
CONFIG SET appendfsync no
CONFIG SET maxmemory 0
CONFIG SET maxmemory 3mb
SWAPDB 0 1
DEBUG RELOAD
DEBUG LOADAOF""".splitlines()]


def anything(rng, ports):
    kind = rng.random()
    if kind < 0.15:
        return a_fault(rng)
    if kind < 0.2:
        return ("TEST", "MODE", rng.choice(MODES))
    if kind < 0.23:
        return ("TEST", "CRASH", "BYTES", rng.randrange(5000))
    if kind < 0.28:
        node = rng.choice(ports)
        return ("TEST", "CLUSTER", *rng.choice([("MOVE", rng.randrange(16384), node), ("ASK", rng.randrange(16384), node),
                                               ("FAIL", node), ("RECOVER", node), ("FAILOVER", node)]))
    return rng.choice(PLAIN)


# ------------------------------------------------------------------ a world

class World:
    def __init__(self, seed, tell):
        self.rng, self.tell, self.sent = random.Random(seed), tell, []
        words = ["--enable-test-commands", "local", "--enable-debug-command", "local"]
        if self.rng.random() < 0.6:
            words += ["--appendonly", "yes", "--appendfsync", self.rng.choice(["always", "everysec"])]
        self.in_cluster = self.rng.random() < 0.25
        if self.in_cluster:
            words += ["--cluster-enabled", "yes", "--cluster-emulate-nodes", "3"]
        self.words = words
        self.server = Server(*words, program=PROGRAMS[seed % len(PROGRAMS)])
        self.workers = [Worker(self.server, "%d %d" % (seed, i)) for i in range(WORKERS)]
        self.conn = None

    def step(self):
        words = anything(self.rng, self.server.ports)
        self.sent.append(words)
        if self.tell:
            print("  " + " ".join(map(str, words)), flush=True)
        try:
            self.conn = self.conn or self.server.conn(timeout=1)
            ask(self.conn, *words)
        except (Closed, OSError):  # a crash; a time that is over: a pause under a clock that stands, TEST WAIT IDLE
            self.conn = None
        check(self.server.running(), "the server ended with %s after %s:\n%s" % (
            self.server.proc.returncode, self.sent[-10:], self.server.log()[-5000:]))

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.step()
            time.sleep(self.rng.choice([0, 0, 0.002, 0.02]))
        for w in self.workers:
            w.on = False
        for w in self.workers:
            w.join(20)
            check(not w.is_alive(), "a client waits for ever after %s" % self.sent[-15:])
        c = wait_for(self.ordinary, "an ordinary server after %s" % self.sent[-15:], 60, 0.05)
        wait_for(lambda: ask(c, "SET", "a", 1) == b"OK" or self.in_cluster, "a write", 60, 0.05)
        if not self.in_cluster:
            self.restore(c)

    def ordinary(self):
        """A connection, once all that was asked for has been taken back; None until then."""
        try:
            c = self.any_node()
            for words in ("MODE", "NORMAL"), ("DISK", "NORMAL"), ("FAULT", "CLEAR"), ("CLOCK", "REAL"), ("RESET",):
                ask(c, "TEST", *words)
            return c if c.ask("PING") == ["+", "PONG"] else None
        except (Closed, OSError):
            return None

    def any_node(self):
        """Of emulated nodes one that has not failed."""
        for port in self.server.ports[1:]:
            try:
                c = Conn(port, timeout=5)
                c.ask("PING")
                return c
            except (Closed, OSError):
                pass
        return self.server.conn(timeout=5)

    def restore(self, c):
        write_some(c, self.rng.random(), 300)
        before = snapshot(c)
        check(before, "there is something to restore")
        c.call("TEST", "SNAPSHOT", "last")
        write_some(c, self.rng.random(), 300)
        c.call("FLUSHALL")
        c.call("TEST", "RESTORE", "last")
        found = differences(before, snapshot(c), 0, encodings=False)
        check(not found, "what is restored differs: %s" % "\n".join(found[:5]))

    def end(self, failed):
        for w in self.workers:
            w.on = False
        self.server.kill()
        try:
            if not failed:
                self.server.check_sanitizers()
        finally:
            self.server.close(keep=failed and "STET_KEEP" in os.environ)


def run_world(seed, seconds, tell):
    """Whether it failed."""
    world, failed = None, True
    try:
        try:
            world = World(seed, tell)
            world.run(seconds)
            failed = False
        finally:
            if world:
                world.end(failed)
                print("seed %d: %d commands, %s rounds of clients%s%s" % (
                    seed, len(world.sent), [w.done for w in world.workers], ", AOF" if "--appendonly" in world.words else "",
                    ", emulated nodes" if world.in_cluster else ""), flush=True)
    except (Failed, *GONE) as e:
        print("FAIL seed %d: %s: %.6000s" % (seed, type(e).__name__, e), flush=True)
        return True
    return not world.sent or not any(w.done for w in world.workers)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--seconds", type=float, default=60)
    p.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    p.add_argument("--list", action="store_true")
    a = p.parse_args()
    end, worlds, failed = time.monotonic() + a.seconds, 0, 0
    while worlds == 0 or time.monotonic() + WORLD_SECONDS < end:
        failed += run_world(a.seed + worlds, min(WORLD_SECONDS, a.seconds / 3), a.list)
        worlds += 1
    return summary("together", worlds - failed, failed, " (seed %d)" % a.seed)


if __name__ == "__main__":
    sys.exit(main())
