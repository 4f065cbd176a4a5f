#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""base - full syncs without a fork: the replica gets the base of the master's AOF, then the stream
that the increments hold.

  base.py            all
  base.py rewrite    only the tests with this in their names
"""
import glob
import os
import signal
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import Cases, check, equal, need, run_words  # noqa: E402
from masters import (Closed, Real, encode, follow, link_up, offset, programs,  # noqa: E402
                     same, wait_for, wait_info, write_some)
from server import Server  # noqa: E402

# Rewrites happen when a test wants them; little of the stream is in memory.
LOG = ("--appendonly", "yes", "--auto-aof-rewrite-percentage", "0", "--repl-backlog-size", "16kb",
       "--enable-debug-command", "local")
REPLICAS = {"stet": lambda *args: Server("--enable-debug-command", "local", *args)}
for name, program in programs().items():
    REPLICAS[name] = lambda *args, p=program: Real(p, *args)
CASES = Cases()
case = CASES.case


def with_each(f):
    """One test for every kind of replica."""
    for name, replica in REPLICAS.items():
        CASES["%s_%s" % (f.__name__, name)] = lambda r=replica: f(r)
    return f


def counts(conn):
    """Full syncs, those without a fork, forks."""
    stats = conn.info("stats")
    return tuple(int(stats[f]) for f in ("sync_full", "sync_full_without_fork", "total_forks"))


def rewrite(conn):
    n = int(conn.info("persistence")["aof_rewrites"])
    conn.call("BGREWRITEAOF")
    wait_info(conn, "aof_rewrites", lambda v: int(v) > n, "persistence")
    wait_info(conn, "aof_rewrite_in_progress", lambda v: v == "0", "persistence")


def begin_stream(master):
    """A master gets its stream with the first replica, and its base a place with the next
    rewrite."""
    raw = Raw(master)
    raw.close()
    c = master.conn()
    wait_info(c, "repl_backlog_on_disk", lambda v: v == "1", "replication")
    wait_info(c, "connected_slaves", lambda v: v == "0", "replication")
    rewrite(c)
    return c


def base_file(master):
    return glob.glob(os.path.join(master.dir, "appendonlydir", "*.base.rdb"))[0]


def last_increment(master):
    return sorted(glob.glob(os.path.join(master.dir, "appendonlydir", "*.incr.aof")))[-1]


def damage(path, at):
    """Writes over a few bytes in the middle of a file; a negative `at` counts from its end."""
    with open(path, "r+b") as f:
        f.seek(at, os.SEEK_END if at < 0 else os.SEEK_SET)
        f.write(b"damage" * 30)


class Raw:
    """A replica that reads as slowly as the test wants."""

    def __init__(self, master, capa=("eof", "psync2")):
        self.conn = master.conn(timeout=30)
        for c in capa:
            self.conn.call("REPLCONF", "capa", c)
        self.conn.send(encode(["PSYNC", "?", "-1"]))
        self.words = self.line().split()
        self.at = int(self.words[2])
        self.head = self.line()

    def line(self):
        while True:
            line = self.conn._line()
            if line:
                return line

    def take(self, n):
        while len(self.conn.buf) - self.conn.pos < n:
            self.conn._more()
        out = self.conn.buf[self.conn.pos:self.conn.pos + n]
        self.conn.pos += n
        return out

    def close(self):
        self.conn.close()


@with_each
def a_replica_gets_the_base_and_the_stream(replica):
    with Server(*LOG) as m, replica() as s:
        mc = begin_stream(m)
        mc.call("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() return 1 end)")
        write_some(mc, 1, 3000)
        mc.call("SELECT", 2)
        mc.call("SET", "in", "another database")
        rewrite(mc)
        mc.call("SET", "still", "there")
        mc.call("SELECT", 0)
        write_some(mc, 2, 2000)
        before = counts(mc)
        sc = follow(s, m)
        same(mc, sc)
        write_some(mc, 3, 1000)
        same(mc, sc)
        equal("functions", sc.call("FUNCTION", "LIST")[0][1], b"l")
        equal("one more, and no fork", counts(mc), (before[0] + 1, before[1] + 1, before[2]))
        check("without a fork" in m.log(), m.log())


@with_each
def it_goes_on_where_it_was_after_that(replica):
    """Ids and offsets are those of the history, wherever the base stood in it."""
    with Server(*LOG) as m, replica() as s:
        m.fixed_port = m.port
        begin_stream(m)
        for i in range(3):
            m.kill()
            m.start()  # another id for the same history
            write_some(m.conn(), i, 300)
        mc, sc = m.conn(), follow(s, m)
        same(mc, sc)
        equal("no fork", counts(mc), (1, 1, 0))
        m.kill()
        m.start()
        mc = m.conn()
        link_up(sc)
        write_some(mc, 7, 300)
        same(mc, sc)
        equal("it is not synced again", counts(mc), (0, 0, 0))


class Writer(threading.Thread):
    """Writes until it is told to end; a master that goes away is waited for."""

    def __init__(self, master):
        super().__init__(daemon=True)
        self.master, self.ended, self.n = master, threading.Event(), 0
        self.start()

    def run(self):
        while not self.ended.is_set():
            try:
                write_some(self.master.conn(timeout=10), self.n, 300)
                self.n += 1
            except (OSError, Closed, TimeoutError):
                self.ended.wait(0.05)

    def stop(self):
        self.ended.set()
        self.join()


def fill(conn, megabytes):
    value = os.urandom(5000).hex()
    for i in range(megabytes):
        conn.pipeline([("SET", "big%d" % (i * 100 + k), "%d%s" % (k, value)) for k in range(100)])


@with_each
def writes_and_rewrites_go_on_meanwhile(replica):
    """The files that a sync has begun with are removed while it reads them."""
    with Server(*LOG, "--rdbcompression", "no") as m, replica() as s:
        mc = m.conn()
        fill(mc, 60)
        mc = begin_stream(m)
        write_some(mc, 1, 2000)
        w = Writer(m)
        sc = s.conn()
        sc.call("REPLICAOF", "127.0.0.1", m.port)
        wait_for(lambda: counts(mc)[1] == 1, "a full sync without a fork")
        for _ in range(3):
            rewrite(mc)
        link_up(sc, 60)
        w.stop()
        same(mc, sc)
        equal("full syncs", counts(mc)[:2], (2, 1))  # the first began the stream


@case
def a_slow_replica_reads_files_that_rewrites_have_removed():
    with Server(*LOG, "--rdbcompression", "no") as m:
        mc = m.conn()
        fill(mc, 40)
        mc = begin_stream(m)
        write_some(mc, 1, 2000)
        with open(base_file(m), "rb") as f:
            want = f.read()
        raw = Raw(m)
        equal("its length is said", raw.head, b"$%d" % len(want))
        for i in range(3):
            write_some(mc, 10 + i, 2000)
            rewrite(mc)
        check(not os.path.exists(base_file(m)) or open(base_file(m), "rb").read(5) == b"REDIS", "a base")
        check(raw.take(len(want)) == want, "the base as it was")
        end = offset(mc)
        raw.take(end - raw.at)
        equal("full syncs, without a fork", counts(mc)[:2], (2, 1))


@with_each
def the_master_dies_meanwhile(replica):
    """A crash in the middle of the base, and of the stream after it; writes go on around it."""
    with Server(*LOG, "--rdbcompression", "no", "--repl-timeout", "5") as m, replica() as s:
        m.fixed_port = m.port
        fill(m.conn(), 60)
        begin_stream(m)
        w = Writer(m)
        sc = s.conn()
        sc.call("REPLICAOF", "127.0.0.1", m.port)
        for i in range(4):
            mc = m.conn()
            wait_for(lambda: int(mc.info("stats")["sync_full"]) + int(mc.info("stats")["sync_partial_ok"])
                     > 0, "the replica comes")
            m.kill()
            m.start()
        link_up(sc, 60)
        w.stop()
        mc = m.conn()
        same(mc, sc)
        equal("no snapshot since the start", counts(mc)[2], 0)


@case
def one_that_breaks_off_gets_a_snapshot_next():
    """Something may be wrong with the base; a rewrite makes another one."""
    with Server(*LOG, "--rdbcompression", "no") as m, Server() as s:
        mc = m.conn()
        fill(mc, 20)
        begin_stream(m)
        raw = Raw(m)
        raw.take(1000)
        raw.close()
        wait_info(mc, "connected_slaves", lambda v: v == "0", "replication")
        sc = follow(s, m)
        same(mc, sc)
        equal("a snapshot", counts(mc)[:2], (3, 1))
        rewrite(mc)
        forks = counts(mc)[2]
        sc.call("REPLICAOF", "NO", "ONE")
        sc.call("SET", "of its own", 1)
        sc = follow(s, m)
        same(mc, sc)
        equal("the base", counts(mc), (4, 2, forks))


@case
def a_damaged_base_is_not_sent_again_and_again():
    with Server(*LOG) as m, Server() as s:
        mc = m.conn()
        fill(mc, 5)
        begin_stream(m)
        damage(base_file(m), -2000)
        sc = follow(s, m, 60)
        same(mc, sc)
        equal("once, then a snapshot", counts(mc)[:2], (3, 1))


@case
def a_damaged_increment_is_not_sent_again_and_again():
    with Server(*LOG) as m, Server() as s:
        mc = begin_stream(m)
        write_some(mc, 1, 5000)
        damage(last_increment(m), 50000)
        sc = follow(s, m, 60)
        same(mc, sc)
        equal("once, then a snapshot", counts(mc)[:2], (3, 1))


@case
def what_a_partial_sync_cannot_read_is_not_asked_for_again():
    """A replica that comes back, and needs a part of the increments that is damaged."""
    with Server(*LOG) as m, Server() as s:
        mc, sc = m.conn(), follow(s, m)
        write_some(mc, 1, 500)
        same(mc, sc)
        s.freeze()
        mc.call("CLIENT", "KILL", "TYPE", "replica")
        write_some(mc, 2, 5000)
        damage(last_increment(m), os.path.getsize(last_increment(m)) // 2)
        s.proc.send_signal(signal.SIGCONT)
        same(mc, sc)
        equal("full syncs", counts(mc)[0], 2)


@case
def those_that_cannot_use_it_get_a_snapshot():
    """redis-cli --rdb wants the data of now, SYNC never says what it has, functions only."""
    with Server(*LOG) as m:
        mc = begin_stream(m)
        write_some(mc, 1, 500)
        mc.call("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() return 1 end)")
        with tempfile.TemporaryDirectory() as d:
            for arg in ("--rdb", "--functions-rdb"):
                subprocess.run(["redis-cli", "-p", str(m.port), arg, os.path.join(d, "f.rdb")], check=True,
                               capture_output=True)
        c = m.conn(timeout=30)
        c.send(encode(["SYNC"]))
        wait_for(lambda: counts(mc)[0] == 4, "SYNC")
        c._line()
        equal("none with the base", counts(mc)[1], 0)


@case
def without_a_place_there_is_a_snapshot():
    """A base of commands; one from before the stream; one that much of the stream follows."""
    with Server(*LOG, "--aof-use-rdb-preamble", "no") as m, Server() as s:
        mc = begin_stream(m)
        same(mc, follow(s, m))
        equal("a base of commands", counts(mc)[1], 0)
    with Server(*LOG) as m, Server() as s:
        mc = m.conn()
        write_some(mc, 1, 500)
        same(mc, follow(s, m))
        equal("before the stream", counts(mc)[1], 0)
    with Server(*LOG) as m, Server() as s:
        mc = begin_stream(m)
        value = "v" * 100000
        for _ in range(70):
            mc.pipeline([("SET", "k", value)] * 10)
        same(mc, follow(s, m, 60))
        equal("much follows", counts(mc)[1], 0)


@case
def a_replica_hands_on_what_it_was_sent():
    """The base of a replica is the file of its full sync, with a header of its own after it."""
    with Server(*LOG) as m, Server(*LOG) as middle, Server(*LOG) as last:
        middle.fixed_port = middle.port
        mc = begin_stream(m)
        mc.call("SELECT", 3)
        mc.call("SET", "in", 3)
        rewrite(mc)
        mc.call("SET", "still", "there")
        mc.call("SELECT", 0)
        cc = follow(middle, m)
        wait_info(cc, "aof_state", lambda v: v == "on", "persistence")
        lc = follow(last, middle)
        same(mc, lc)
        equal("of the middle: no fork", counts(cc), (1, 1, 0))
        wait_info(lc, "aof_state", lambda v: v == "on", "persistence")
        equal("of the last: no fork", counts(lc)[2], 0)
        middle.kill()
        middle.start(*LOG, "--replicaof", "127.0.0.1", str(m.port))
        link_up(lc)
        link_up(middle.conn())
        write_some(mc, 5, 500)
        same(mc, lc)


@case
def many_at_once():
    with Server(*LOG) as m, Server() as a, Server() as b, Server() as c:
        mc = begin_stream(m)
        write_some(mc, 1, 3000)
        forks = counts(mc)[2]
        conns = [x.conn() for x in (a, b, c)]
        for x in conns:
            x.call("REPLICAOF", "127.0.0.1", m.port)
        for x in conns:
            link_up(x)
            same(mc, x)
        equal("no fork", counts(mc)[1:], (3, forks))


if __name__ == "__main__":
    need("redis-server", "redis-cli")
    sys.exit(run_words("base", CASES, before="ok   "))
