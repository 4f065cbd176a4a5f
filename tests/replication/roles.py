#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""roles - four servers of mixed kinds change their roles at random while clients write to each of them. In the
end each server runs, the four become a chain, and all hold the same as the first.

  roles.py [--seconds 60] [--seed N] [--kinds stet,threads,epoll,redis-7,redis-8,valkey-9] [--list]

A world is four servers, some seconds of actions, and the chain. World i of seed N is world 0 of seed N + i. The
threads of the system make the timing differ. --list prints the actions as they come. Newer servers come from
$STET_PEERS; what is not here is left out.
"""
import argparse
import os
import random
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import ask, check, summary  # noqa: E402
from contents import differences, snapshot  # noqa: E402
from masters import FAST, caught_up, link_up, programs, write_some  # noqa: E402
from resp import Closed, ReplyError, encode  # noqa: E402
from server import SERVER, Failed, Server, wait_for  # noqa: E402

KIT = os.path.join(HERE, "..", "kit")
PROGRAMS = {"stet": SERVER, "threads": os.path.join(KIT, "threaded"), "epoll": os.path.join(KIT, "polled"), **programs()}
# A server reads the snapshots of those with the same number or a lower one. Redis 8 and Valkey 9 read none of each other.
FORMAT = {"redis-7": 0, "stet": 1, "threads": 1, "epoll": 1, "redis-8": 2, "valkey-9": 2}
GONE = (Closed, OSError, TimeoutError, ReplyError)
WORLD_SECONDS = 5
BLOCKERS = 20
LIMITS = "replica 256mb 64mb 60"
SCRIPT = "for i=1,200 do redis.call('set','sc'..i,i) redis.call('rpush','scl',i) end redis.call('ltrim','scl',0,100)"


def options(rng):
    words = ["--repl-backlog-size", rng.choice(["16kb", "1mb", "64mb"]), "--repl-timeout", "10",
             "--repl-ping-replica-period", "1", "--repl-diskless-sync", rng.choice(["yes", "no"]),
             "--repl-diskless-load", rng.choice(["disabled", "on-empty-db", "swapdb"])]
    if rng.random() < 0.4:
        words += ["--appendonly", "yes", "--appendfsync", rng.choice(["always", "everysec"])]
    return words


class Writer(threading.Thread):
    """Writes to one server, whatever that is at the moment, until `on` is false."""

    def __init__(self, server, seed):
        super().__init__(daemon=True)
        self.server, self.rng, self.on, self.done = server, random.Random(seed), True, 0
        self.start()

    def run(self):
        while self.on:
            try:
                c = self.server.conn(timeout=20)
                while self.on:
                    write_some(c, self.rng.random(), 120)
                    self.done += 1
            except GONE:
                time.sleep(0.02)


# ------------------------------------------------------------------ actions: (world, connection, the other server)

def follow(w, c, other):
    ask(c, "REPLICAOF", "127.0.0.1", other.port)


def lead(w, c, other):
    ask(c, "REPLICAOF", "NO", "ONE")


def back_and_forth(w, c, other):
    to = ("REPLICAOF", "127.0.0.1", other.port)
    c.pipeline([to, ("REPLICAOF", "NO", "ONE"), to][:w.rng.randrange(1, 4)])


def in_a_transaction(w, c, other):
    last = w.rng.choice([("REPLICAOF", "NO", "ONE"), ("PING",)])
    c.pipeline([("MULTI",), ("SET", "mm", 1), ("REPLICAOF", "127.0.0.1", other.port), ("CONFIG", "SET", "hz", "10"),
                ("CLIENT", "KILL", "TYPE", "normal"), last, ("EXEC",)])


def kill_clients(w, c, other):
    ask(c, "CLIENT", "KILL", *w.rng.choice([("TYPE", "master"), ("TYPE", "replica"), ("TYPE", "normal", "SKIPME", "yes"),
                                            ("TYPE", "normal", "SKIPME", "no")]))


def hand_over(w, c, other):
    to = w.rng.choice([(), ("TO", "127.0.0.1", other.port), ("TO", "127.0.0.1", other.port, "FORCE")])
    ask(c, "FAILOVER", *to, "TIMEOUT", w.rng.choice([1, 50, 500, 3000]))


def abort(w, c, other):
    ask(c, "FAILOVER", "ABORT")


def sleep(w, c, other):
    ask(c, "DEBUG", "SLEEP", w.rng.choice(["0.1", "0.5", "1.5"]))


def pause(w, c, other):
    ask(c, "CLIENT", "PAUSE", w.rng.choice([100, 1000]), w.rng.choice(["ALL", "WRITE"]))


def configure(w, c, other):
    ask(c, "CONFIG", "SET", *w.rng.choice([
        ("client-output-buffer-limit", "replica 100k 50k 1"), ("client-output-buffer-limit", LIMITS),
        ("repl-diskless-load", w.rng.choice(["disabled", "on-empty-db", "swapdb"])),
        ("repl-diskless-sync", w.rng.choice(["yes", "no"]))]))


def block(w, c, other):
    waits = w.rng.choice([("BLPOP", "nokey", 0), ("XREAD", "BLOCK", 0, "STREAMS", "nost", "$"), ("BZPOPMIN", "noz", 0),
                          ("BLMOVE", "l:1", "l:2", "LEFT", "LEFT", 5), ("WAIT", 2, w.rng.choice([0, 500]))])
    b = w.server_of(c).conn(timeout=1)
    b.send(encode(("SET", "w", 1)) + encode(waits))
    w.blockers.append(b)
    if len(w.blockers) > BLOCKERS:
        w.blockers.pop(0).close()


def script(w, c, other):
    ask(c, "EVAL", SCRIPT, 0)


def look(w, c, other):
    for words in ("INFO",), ("CLIENT", "LIST"), ("ROLE",):
        ask(c, *words)


def files(w, c, other):
    ask(c, w.rng.choice(["BGREWRITEAOF", "BGSAVE"]))


def flush(w, c, other):
    ask(c, w.rng.choice(["FLUSHALL", "FLUSHDB"]), w.rng.choice(["ASYNC", "SYNC"]))


ACTIONS = [follow] * 6 + [lead] * 3 + [kill_clients] * 3 + [hand_over] * 2 + [
    back_and_forth, in_a_transaction, abort, sleep, pause, configure, block, script, look, files, flush]


class World:
    def __init__(self, seed, kinds, tell):
        self.rng, self.tell = random.Random(seed), tell
        self.kinds = [self.rng.choice(kinds) for _ in range(4)]
        if all(PROGRAMS[k] in programs().values() for k in self.kinds):
            self.kinds[0] = "stet"
        self.servers, self.blockers, self.conns, self.actions = [], [], {}, []
        for kind in self.kinds:
            self.servers.append(Server(*FAST, *options(self.rng), program=PROGRAMS[kind]))
        self.writers = [Writer(s, "%d %d" % (seed, i)) for i, s in enumerate(self.servers)]

    def server_of(self, conn):
        return self.conns[conn]

    def act(self):
        s, other = self.rng.sample(self.servers, 2)
        action = self.rng.choice(ACTIONS)
        self.actions.append((action.__name__, self.servers.index(s), self.servers.index(other)))
        if self.tell:
            print("  %s: server %d, other server %d" % self.actions[-1], flush=True)
        try:
            c = s.conn(timeout=30)
            self.conns = {c: s}
            action(self, c, other)
            c.close()
        except GONE:
            pass
        for i, s in enumerate(self.servers):
            check(s.running(), "server %d (%s) ended with %s after %s:\n%s" % (
                i, self.kinds[i], s.proc.returncode, self.actions[-12:], s.log()[-6000:]))

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.act()
            time.sleep(self.rng.choice([0, 0, 0.01, 0.1, 0.4]))
        self.calm()
        self.make_chain()

    def calm(self):
        for w in self.writers:
            w.on = False
        for w in self.writers:
            w.join(60)
            check(not w.is_alive(), "a writer of server %d waits for ever" % self.servers.index(w.server))
        self.ends = [s.conn(timeout=60) for s in self.servers]
        for c in self.ends:
            ask(c, "FAILOVER", "ABORT")
            ask(c, "CONFIG", "SET", "client-output-buffer-limit", LIMITS)
            ask(c, "CLIENT", "UNPAUSE")
            wait_for(lambda c=c: ask(c, "REPLICAOF", "NO", "ONE") == b"OK", "a master", 60, 0.1)
        for b in self.blockers:
            b.close()

    def chain(self):
        """[(server, its master)]: each reads the snapshots of its master."""
        order = sorted(range(4), key=lambda i: (FORMAT[self.kinds[i]], self.rng.random()))
        out, last = [], order[0]
        for i in order[1:]:
            strangers = {self.kinds[i], self.kinds[last]} == {"redis-8", "valkey-9"}
            if not strangers:
                out.append((i, last))
                last = i
            elif FORMAT[self.kinds[order[0]]] < 2:
                out.append((i, order[0]))
        return order[0], out

    def make_chain(self):
        first, links = self.chain()
        for i, master in links:
            wait_for(lambda: ask(self.ends[i], "REPLICAOF", "127.0.0.1", self.servers[master].port) == b"OK",
                     "a replica", 60, 0.1)
            link_up(self.ends[i], 60)
            write_some(self.ends[first], self.rng.random(), 200)
        for i, master in links:
            caught_up(self.ends[master], self.ends[i], 60)
        for i, master in links:
            self.compare(first, i)

    def compare(self, first, last):
        """Both hold the same. They are looked at again if not: a key may have expired between two looks."""
        def look():
            return differences(snapshot(self.ends[first]), snapshot(self.ends[last]), 0, encodings=False)
        found = look() and (time.sleep(1) or look())
        check(not found, "server %d of %s differs from server %d: %s" % (
            last, self.kinds, first, "\n".join((found or [])[:5])))

    def tell_all(self):
        """Why it failed is in the logs."""
        for i, s in enumerate(self.servers):
            if s.running():
                state = s.conn(timeout=5).info("replication")
                print("----- server %d: %s" % (i, {k: v for k, v in state.items() if k.startswith("master_") or "slave" in k}))
            print("----- log of server %d (%s, port %s)\n%s" % (i, self.kinds[i], s.port, s.log()[-3000:]))

    def end(self, failed):
        for w in self.writers:
            w.on = False
        if failed:
            self.tell_all()
        for s in self.servers:
            s.kill()
        try:
            if not failed:
                for s in self.servers:
                    s.check_sanitizers()
        finally:
            for s in self.servers:
                s.close(keep=failed and "STET_KEEP" in os.environ)


def run_world(seed, kinds, seconds, tell):
    """Whether it failed."""
    world, failed = None, True
    try:
        try:
            world = World(seed, kinds, tell)
            print("seed %d: %s" % (seed, ", ".join(world.kinds)), flush=True)
            world.run(seconds)
            failed = False
        finally:
            if world:
                world.end(failed)
                print("seed %d: %d actions, %s rounds of writes" % (
                    seed, len(world.actions), [w.done for w in world.writers]), flush=True)
    except (Failed, *GONE) as e:
        print("FAIL seed %d: %s: %.6000s\nlast actions: %s" % (
            seed, type(e).__name__, e, world and world.actions[-10:]), flush=True)
        return True
    return not world.actions


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--seconds", type=float, default=60)
    p.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    p.add_argument("--kinds", default=",".join(PROGRAMS))
    p.add_argument("--list", action="store_true")
    a = p.parse_args()
    kinds = [k for k in a.kinds.split(",") if k in PROGRAMS]
    if not kinds:
        p.error("--kinds: none of these is here")
    end, worlds, failed = time.monotonic() + a.seconds, 0, 0
    while worlds == 0 or time.monotonic() + WORLD_SECONDS < end:
        failed += run_world(a.seed + worlds, kinds, min(WORLD_SECONDS, a.seconds / 2), a.list)
        worlds += 1
    return summary("roles", worlds - failed, failed, " (seed %d)" % a.seed)


if __name__ == "__main__":
    sys.exit(main())
