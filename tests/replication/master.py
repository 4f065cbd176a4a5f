#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""master - stet as a master: of redis-server and valkey-server, of redis-cli, of itself, and of
scripted replicas that ask for what no replica should. Newer servers are taken from $STET_PEERS.

  master.py          all
  master.py log      only the tests with this in their names
"""
import os
import re
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time


HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import Cases, ask, check, equal, need, run_words  # noqa: E402
from contents import differences, snapshot  # noqa: E402
from masters import (Closed, Real, caught_up, encode, follow, link_up, offset, programs,  # noqa: E402
                     same, wait_for, wait_info, write_some)
from server import SERVER, Failed, Server, free_port, is_stet  # noqa: E402
from tls import Certs  # noqa: E402

REAL = programs()
REDIS = REAL.get("redis-7")
LOG = ("--appendonly", "yes", "--auto-aof-rewrite-percentage", "0")
CASES = Cases()
case = CASES.case


def stat(conn, field, section="stats"):
    return conn.info(section).get(field)


# ------------------------------------------------------------------ real replicas

def full_sync_and_stream(program, *args, replica_args=()):
    with Server(*args) as m, Real(program, *replica_args) as s:
        mc = m.conn()
        write_some(mc, 1, 3000)
        sc = follow(s, m)
        same(mc, sc)
        write_some(mc, 2, 5000)
        same(mc, sc)
        mc.call("FLUSHDB")
        mc.call("SWAPDB", 0, 1)
        mc.call("SELECT", 0)
        mc.call("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() return 1 end)")
        write_some(mc, 3, 1000)
        same(mc, sc)
        equal("functions", sc.call("FUNCTION", "LIST")[0][1], b"l")
        equal("full syncs", stat(mc, "sync_full"), "1")


for name, program in REAL.items():
    CASES["full_sync_and_stream_to_" + name] = lambda p=program: full_sync_and_stream(p)
    CASES["full_sync_by_length_to_" + name] = lambda p=program: full_sync_and_stream(
        p, "--repl-diskless-sync", "no")
    CASES["full_sync_with_aof_to_" + name] = lambda p=program: full_sync_and_stream(
        p, *LOG, replica_args=("--repl-diskless-load", "swapdb"))


@case
def a_master_that_is_killed_goes_on_where_it_was():
    """Kill -9 and a restart, again and again: no second full sync."""
    with Server(*LOG) as m, Real(REDIS) as s:
        m.fixed_port = m.port
        sc = follow(s, m)
        for i in range(4):
            write_some(m.conn(), i, 500)
            if i % 2:
                caught_up(m.conn(), sc)
            m.kill()
            m.start()
            wait_info(m.conn(), "sync_partial_ok", lambda v: v == "1", "stats")
            equal("full syncs since the start", stat(m.conn(), "sync_full"), "0")
            write_some(m.conn(), i + 50, 200)
            same(m.conn(), sc)


@case
def a_master_that_loads_its_rdb_goes_on_where_it_was():
    with Server() as m, Real(REDIS) as s:
        m.fixed_port = m.port
        sc = follow(s, m)
        write_some(m.conn(), 1, 500)
        caught_up(m.conn(), sc)
        m.conn().send(encode(["SHUTDOWN", "SAVE"]))
        m.wait_exit()
        m.start()
        wait_info(m.conn(), "sync_partial_ok", lambda v: v == "1", "stats")
        write_some(m.conn(), 2, 500)
        same(m.conn(), sc)


@case
def a_replica_that_has_seen_more_gets_a_full_sync():
    """What a master sent and does not know any more has another id: no two histories are mixed."""
    with Server(*LOG) as m, Real(REDIS) as s:
        m.fixed_port = m.port
        sc = follow(s, m)
        mc = m.conn()
        wait_info(mc, "repl_backlog_on_disk", lambda v: v == "1", "replication")
        mc.call("SET", "a", 1)
        caught_up(mc, sc)
        before = m.conn().call("CONFIG", "GET", "dir")[1].decode()
        m.kill()
        old = os.path.join(before, "appendonlydir")
        keep = tempfile.mkdtemp()
        subprocess.check_call(["cp", "-a", old, keep])
        m.start()
        mc = m.conn()
        wait_info(mc, "sync_partial_ok", lambda v: v == "1", "stats")
        mc.call("SET", "b", "lost")
        caught_up(mc, sc)
        m.kill()
        subprocess.check_call(["rm", "-rf", old])
        subprocess.check_call(["cp", "-a", os.path.join(keep, "appendonlydir"), old])
        subprocess.check_call(["rm", "-rf", keep])
        m.start()
        mc = m.conn()
        mc.call("SET", "b", "new, and longer than what it replaces")
        wait_info(mc, "sync_full", lambda v: v == "1", "stats")
        link_up(sc)
        same(mc, sc)


@case
def links_that_are_killed_go_on():
    with Server() as m, Real(REDIS) as s:
        mc, sc = m.conn(), follow(s, m)
        for i in range(5):
            write_some(mc, i, 200)
            equal("killed", mc.call("CLIENT", "KILL", "TYPE", "replica"), 1)
            write_some(mc, i + 50, 200)
            wait_info(mc, "sync_partial_ok", lambda v, i=i: int(v) > i, "stats")
        same(mc, sc)
        equal("full syncs", stat(mc, "sync_full"), "1")


@case
def one_child_serves_those_that_come_while_it_works():
    with Server("--rdb-key-save-delay", "300") as m:
        mc = m.conn()
        mc.call("DEBUG", "POPULATE", 5000) if False else mc.pipeline([("SET", "k%d" % i, i) for i in range(5000)])
        forks = int(stat(mc, "total_forks"))
        replicas = [Real(REDIS) for _ in range(3)]
        try:
            for s in replicas:
                s.conn().call("REPLICAOF", "127.0.0.1", m.port)
                wait_info(mc, "connected_slaves", lambda v, n=len([x for x in replicas]): int(v) >= 1, "replication")
            write_some(mc, 1, 500)
            for s in replicas:
                link_up(s.conn(), 60)
                same(mc, s.conn())
            equal("forks", int(stat(mc, "total_forks")) - forks, 1)
        finally:
            for s in replicas:
                s.close()


@case
def a_child_that_no_replica_wants_is_ended():
    with Server("--rdb-key-save-delay", "10000") as m, Real(REDIS) as s:
        mc = m.conn()
        mc.pipeline([("SET", "k%d" % i, i) for i in range(5000)])
        s.conn().call("REPLICAOF", "127.0.0.1", m.port)
        wait_info(mc, "rdb_bgsave_in_progress", lambda v: v == "1")
        s.kill()
        wait_info(mc, "rdb_bgsave_in_progress", lambda v: v == "0")
        equal("status", stat(mc, "rdb_last_bgsave_status", "persistence"), "ok")


@case
def redis_cli_as_a_replica():
    with Server() as m, tempfile.TemporaryDirectory() as d:
        mc = m.conn()
        write_some(mc, 1, 1000)
        mc.call("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() return 1 end)")
        for words, keys in ((["--rdb"], True), (["--functions-rdb"], False)):
            path = os.path.join(d, "dump.rdb")
            subprocess.run(["redis-cli", "-p", str(m.port), *words, path], check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, timeout=60)
            with Server(dir=d, program=REDIS) as s:
                equal("functions", s.conn().call("FUNCTION", "LIST")[0][1], b"l")
                if keys:
                    found = differences(snapshot(mc), snapshot(s.conn()), 0, encodings=False)
                    check(not found, found[:5])
                else:
                    equal("keys", s.conn().call("DBSIZE"), 0)
        cli = subprocess.Popen(["redis-cli", "-p", str(m.port), "--replica"], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
        wait_info(mc, "connected_slaves", lambda v: v == "1", "replication")
        wait_for(lambda: "state=online" in (stat(mc, "slave0", "replication") or ""), "an online replica")
        mc.call("SET", "seen", "by the replica")
        said = b""
        while b"by the replica" not in said:
            said += os.read(cli.stdout.fileno(), 4096)
        cli.kill()


# ------------------------------------------------------------------ waiting for replicas

@case
def wait_and_waitaof():
    with Server(*LOG) as m, Real(REDIS) as a, Real(REDIS) as b:
        mc = m.conn()
        for s in (a, b):
            follow(s, m)
        mc.call("SET", "k", 1)
        equal("both", mc.call("WAIT", 2, 5000), 2)
        b.freeze()
        mc.call("SET", "k", 2)
        equal("one of them", mc.call("WAIT", 2, 200), 1)
        equal("one is enough", mc.call("WAIT", 1, 5000), 1)
        equal("only on the own disk", mc.call("WAITAOF", 1, 0, 5000), [1, 0])
        equal("Redis 7.0 says nothing of its disk", mc.call("WAITAOF", 0, 1, 200)[1], 0)
        b.proc.send_signal(signal.SIGCONT)
        equal("both again", mc.call("WAIT", 2, 5000), 2)


def waitaof_of_replicas(program):
    with Server(*LOG) as m, Real(program, "--appendonly", "yes") as s:
        mc = m.conn()
        follow(s, m)
        wait_info(s.conn(), "aof_rewrite_in_progress", lambda v: v == "0")
        mc.call("SET", "k", 1)
        equal("on both disks", mc.call("WAITAOF", 1, 1, 10000), [1, 1])


for name, program in [(n, p) for n, p in REAL.items() if n != "redis-7"] + [("stet", SERVER)]:
    CASES["waitaof_of_" + name] = lambda p=program: waitaof_of_replicas(p)


def wait_for_the_disk(start_master):
    """A replica tells of its disk as soon as that is synced: no round of WAITAOF lasts until the next
    second's ACK."""
    with Server("--appendonly", "yes", "--appendfsync", "everysec") as s, start_master() as m:
        mc, sc = m.conn(), follow(s, m)
        wait_info(sc, "aof_rewrite_in_progress", lambda v: v == "0")
        took = []
        for i in range(8):
            mc.call("SET", "k", i)
            at = time.monotonic()
            check(mc.call("WAITAOF", 0, 1, 30000)[1] >= 1, "synced there")
            took.append(time.monotonic() - at)
        check(min(took[2:]) < 0.4, took)
        if not is_stet(m.program):
            return
        mc.call("CONFIG", "SET", "replica-ack-min", 1, "replica-ack-level", "synced")
        at = [time.monotonic()]
        for i in range(8):
            mc.call("SET", "k", i)
            at.append(time.monotonic())
        check(min(b - a for a, b in zip(at[2:], at[3:])) < 0.4, at)


@case
def a_replica_tells_when_its_disk_has_it():
    wait_for_the_disk(lambda: Server(*LOG))
    if "redis-8" in programs():
        wait_for_the_disk(lambda: Real(programs()["redis-8"]))


@case
def min_replicas_to_write():
    with Server("--min-replicas-to-write", "1", "--min-replicas-max-lag", "2") as m, Real(REDIS) as s:
        mc = m.conn()
        equal("alone", ask(mc, "SET", "a", 1), "NOREPLICAS Not enough good replicas to write.")
        equal("in a script", ask(mc, "EVAL", "return redis.call('set','a','1')", 0)[:10], "NOREPLICAS")
        mc.call("MULTI")
        check("NOREPLICAS" in ask(mc, "SET", "a", 1), "queued")
        check("EXECABORT" in ask(mc, "EXEC"), "executed")
        follow(s, m)
        wait_for(lambda: ask(mc, "SET", "a", 1) == b"OK", "a write beside a good replica")
        s.freeze()
        wait_for(lambda: "NOREPLICAS" in str(ask(mc, "SET", "a", 1)), "a replica that lags", 20)
        equal("reads", mc.call("GET", "a"), b"1")
        s.proc.send_signal(signal.SIGCONT)


class Later:
    """A command of a client of its own, whose reply may be long in coming."""

    def __init__(self, server, *words):
        self.conn, self.words, self.reply = server.conn(timeout=60), words, None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            self.reply = [ask(self.conn, *self.words)]
        except Closed:
            self.reply = [Closed]

    def is_there(self):
        return self.reply is not None

    def get(self, seconds=30):
        self.thread.join(seconds)
        check(self.reply is not None, "no reply to %s" % (self.words,))
        return self.reply[0]


def replies_wait(*args):
    with Server("--replica-ack-min", "1", *args) as m, Real(REDIS) as s:
        mc = m.conn()
        first = Later(m, "SET", "a", "1")
        equal("a client that wrote nothing", mc.call("PING"), b"PONG")
        check(not first.is_there(), "no replica has it")
        follow(s, m)
        equal("once a replica has it", first.get(), b"OK")
        s.freeze()
        sets = int(re.search("calls=([0-9]+)", mc.info("commandstats")["cmdstat_set"]).group(1))
        write = Later(m, "SET", "a", "2")
        wait_info(mc, "cmdstat_set", lambda v: "calls=%d," % (sets + 1) in v, "commandstats")
        read = Later(m, "GET", "a")
        equal("another key", mc.call("GET", "b"), None)
        check(not write.is_there() and not read.is_there(), "neither the write nor what reads it")
        s.proc.send_signal(signal.SIGCONT)
        equal("write", write.get(), b"OK")
        equal("read", read.get(), b"2")
        equal("on the replica", s.conn().call("GET", "a"), b"2")


CASES["replies_wait_for_a_replica"] = lambda: replies_wait()
CASES["replies_wait_for_a_replica_and_the_disk"] = lambda: replies_wait(*LOG, "--appendfsync", "always")


@case
def degrading_is_said():
    with Server("--replica-ack-min", "1", "--replica-ack-timeout", "200") as m, Real(REDIS) as s:
        mc = m.conn()
        follow(s, m)
        mc.call("SET", "a", 1)
        s.freeze()
        equal("after the time", mc.call("SET", "a", 2), b"OK")
        equal("state", stat(mc, "replica_ack_state", "replication"), "degraded")
        equal("counted", stat(mc, "replica_ack_degradations", "replication"), "1")
        check("DEGRADED" in m.log(), "logged")
        s.proc.send_signal(signal.SIGCONT)
        wait_info(mc, "replica_ack_state", lambda v: v == "waiting", "replication")


def no_reply_once_the_role_changes(*args):
    """What no replica has acknowledged may be gone once the server follows another one."""
    with Server("--replica-ack-min", "1", *args) as m, Real(REDIS) as s, Real(REDIS) as other:
        mc = m.conn()
        follow(s, m)
        equal("acknowledged", mc.call("SET", "a", "1"), b"OK")
        s.freeze()
        write = Later(m, "SET", "a", "2")
        wait_for(lambda: "cmd=set" in mc.call("CLIENT", "LIST").decode(), "the write is executed")
        read = Later(m, "GET", "a")
        wait_for(lambda: "cmd=get" in mc.call("CLIENT", "LIST").decode(), "the read is executed")
        idle = Later(m, "BLPOP", "none", 60)
        wait_for(lambda: "cmd=blpop" in mc.call("CLIENT", "LIST").decode(), "the client is blocked")
        mc.send(b"".join(encode(w) for w in (
            ["MULTI"], ["SET", "a", "3"], ["REPLICAOF", "127.0.0.1", other.port], ["EXEC"])))
        equal("write", write.get(), Closed)
        equal("read", read.get(), Closed)
        equal("a client that is blocked", str(idle.get())[:9], "UNBLOCKED")
        try:
            check(b"*2" not in [mc._line() for _ in range(4)], "EXEC is answered, with a write in it")
        except Closed:
            pass
        mc = m.conn()
        link_up(mc)
        equal("a replica's clients do not wait", mc.call("GET", "a"), None)


CASES["no_reply_once_the_role_changes"] = lambda: no_reply_once_the_role_changes()
CASES["no_reply_once_the_role_changes_with_aof"] = lambda: no_reply_once_the_role_changes(*LOG, "--appendfsync", "always")


@case
def replies_that_wait_for_a_master_that_was_a_replica_for_a_turn():
    """Nothing of the data set changes in that turn, so what waited goes on waiting."""
    with Server("--replica-ack-min", "1") as m, Server() as s:
        mc = m.conn()
        follow(s, m)
        s.freeze()
        write = Later(m, "SET", "a", "1")
        wait_for(lambda: "cmd=set" in mc.call("CLIENT", "LIST").decode(), "the write is executed")
        mc.pipeline([("MULTI",), ("REPLICAOF", "127.0.0.1", s.port), ("REPLICAOF", "NO", "ONE"), ("EXEC",)])
        check(not write.is_there(), "nothing was acknowledged")
        s.proc.send_signal(signal.SIGCONT)
        equal("write", write.get(), b"OK")
        same(mc, s.conn())


@case
def replies_that_wait_when_the_aof_goes_on_and_off():
    with Server("--replica-ack-min", "1") as m, Real(REDIS) as s:
        mc = m.conn()
        sc = follow(s, m)
        for i, on in enumerate(["yes", "no", "yes", "no"]):
            s.freeze()
            waits = Later(m, "SET", "a", i)
            wait_for(lambda i=i: stat(m.conn(), "instantaneous_ops_per_sec") is not None, "")
            ask(mc, "CONFIG", "SET", "appendonly", on)
            check(not waits.is_there(), "nothing was acknowledged")
            s.proc.send_signal(signal.SIGCONT)
            equal("reply", waits.get(), b"OK")
            mc.call("SET", "b", i)
            same(mc, sc)


@case
def a_stop_waits_for_replicas():
    with Server() as m, Real(REDIS) as s:
        mc, sc = m.conn(), follow(s, m)
        mc.call("SET", "a", 1)
        caught_up(mc, sc)
        s.freeze()
        mc.call("SET", "a", 2)
        stop = Later(m, "SHUTDOWN")
        m.wait_log("Waiting for replicas before shutting down.")
        write = Later(m, "SET", "a", 3)
        equal("abort", m.conn().call("SHUTDOWN", "ABORT"), b"OK")
        check("Errors trying to SHUTDOWN" in stop.get(), "the client of the stop is told")
        equal("the write goes on", write.get(), b"OK")
        m.proc.send_signal(signal.SIGTERM)
        wait_for(lambda: m.log().count("Waiting for replicas") == 2, "a stop that waits")
        s.proc.send_signal(signal.SIGCONT)
        equal("status", m.wait_exit(), 0)
        equal("the replica has it", sc.call("GET", "a"), b"3")


# ------------------------------------------------------------------ slow replicas

def fill(conn, megabytes, seed):
    rng = random.Random(seed)
    value = rng.randbytes(10000).hex()
    for _ in range(megabytes):
        conn.pipeline([("SET", "k%d" % rng.randrange(100), value) for _ in range(50)])


def used(conn):
    return int(stat(conn, "used_memory", "memory"))


@case
def a_slow_replica_is_served_from_the_log():
    with Server(*LOG) as m, Real(REDIS) as s:
        mc, sc = m.conn(), follow(s, m)
        fill(mc, 20, 1)
        caught_up(mc, sc)
        before = used(mc)
        s.freeze()
        fill(mc, 150, 2)
        more = used(mc) - before
        check(more < 64 << 20, "%d MB more" % (more >> 20))
        s.proc.send_signal(signal.SIGCONT)
        same(mc, sc)
        equal("full syncs, partial ones", (stat(mc, "sync_full"), stat(mc, "sync_partial_ok")), ("1", "0"))


@case
def one_that_comes_back_is_served_from_the_log():
    """Also past rewrites of the AOF that took place meanwhile, as long as history is kept."""
    with Server(*LOG, "--aof-history-keep", "1gb") as m, Real(REDIS, "--replica-serve-stale-data", "yes") as s:
        mc, sc = m.conn(), follow(s, m)
        fill(mc, 5, 1)
        caught_up(mc, sc)
        s.freeze()
        mc.call("CLIENT", "KILL", "TYPE", "replica")
        for i in range(3):
            fill(mc, 20, i + 2)
            mc.call("BGREWRITEAOF")
            wait_info(mc, "aof_rewrite_in_progress", lambda v: v == "0")
            wait_info(mc, "aof_rewrite_scheduled", lambda v: v == "0")
        s.proc.send_signal(signal.SIGCONT)
        wait_info(mc, "sync_partial_ok", lambda v: v == "1", "stats")
        same(mc, sc)
        equal("full syncs", stat(mc, "sync_full"), "1")


@case
def without_a_log_one_that_is_too_slow_is_cut_off():
    with Server("--client-output-buffer-limit", "replica 8mb 0 0") as m, Real(REDIS) as s:
        mc, sc = m.conn(), follow(s, m)
        caught_up(mc, sc)
        s.freeze()
        fill(mc, 60, 1)
        wait_info(mc, "connected_slaves", lambda v: v == "0", "replication")
        check(used(mc) < 64 << 20, "memory is given back")
        s.proc.send_signal(signal.SIGCONT)
        wait_info(mc, "sync_full", lambda v: v == "2", "stats")
        link_up(sc)
        same(mc, sc)


# ------------------------------------------------------------------ the stream's bytes

class Raw:
    """A replica that keeps the bytes of the stream."""

    def __init__(self, server, id="?", at=-1, capa=("eof", "psync2"), version=None):
        self.conn, self.file = server.conn(timeout=30), b""
        if version:
            self.conn.call("REPLCONF", "version", version)
        for c in capa:
            self.conn.call("REPLCONF", "capa", c)
        self.conn.send(encode(["PSYNC", id, str(at)]))
        words = self._line().split()
        self.word, self.bytes = words[0], b""
        if self.word == b"+FULLRESYNC":
            self.id, self.at = words[1].decode(), int(words[2])
            self._skip_file()
            self.ack()
        elif self.word == b"+CONTINUE":
            self.id, self.at = words[1].decode(), at - 1
        else:
            raise Failed("answer to PSYNC: %r" % words)

    def _line(self):
        while True:
            line = self.conn._line()
            if line:
                return line

    def _skip_file(self):
        head = self._line()
        if not head.startswith(b"$EOF:"):
            self.file = self._take(int(head[1:]))
            return
        mark, got = head[5:], b""
        while not got.endswith(mark):
            got += self._take(1)
        self.file = got

    def _take(self, n):
        while len(self.conn.buf) - self.conn.pos < n:
            self.conn._more()
        out = self.conn.buf[self.conn.pos:self.conn.pos + n]
        self.conn.pos += n
        return out

    def ack(self):
        self.conn.send(encode(["REPLCONF", "ACK", str(self.at)]))

    def read_until(self, offset):
        while self.at < offset:
            if self.conn.pos == len(self.conn.buf):
                self.conn._more()
            new = self._take(len(self.conn.buf) - self.conn.pos)
            self.bytes += new
            self.at += len(new)
            self.ack()
        return self


def all_kinds(mc, m, seed):
    rng = random.Random(seed)
    write_some(mc, seed, 300)
    for _ in range(10):
        mc.call("PUBLISH", "channel", rng.randbytes(rng.choice([0, 1, 100, 3000])))
        mc.call("SET", "k", rng.randbytes(200))
        mc.call("WAIT", 1, 1)  # asks with GETACK
        mc.call("SELECT", rng.randrange(4))
        mc.call("SPUBLISH", "shard", "\r\n#\0")
        mc.call("EVAL", "redis.call('set','a','1') redis.call('publish','c','m') return redis.call('incr','a')", 0)
    mc.call("SELECT", 0)


@case
def a_replica_of_valkey_9_is_sent_what_it_reads():
    """Times of fields have another form there. Others share one snapshot."""
    with Server() as m:
        mc = m.conn()
        mc.call("HSET", "h", "f", "v")
        for version, capa, plain, timed in (("9.1.2", ["eof", "psync2"], b"REDIS0010", b"VALKEY080"),
                                            ("8.0.1", ["eof", "psync2"], b"REDIS0010", b"REDIS0012"),
                                            ("9.1.2", ["eof", "psync2", "history"], b"REDIS0010", b"REDIS0012"),
                                            (None, ["eof", "psync2"], b"REDIS0010", b"REDIS0012")):
            mc.call("HPERSIST", "h", "FIELDS", 1, "f")
            equal("without times, %s" % version, Raw(m, capa=capa, version=version).file[:9], plain)
            mc.call("HEXPIRE", "h", 1000, "FIELDS", 1, "f")
            equal("with times, %s" % version, Raw(m, capa=capa, version=version).file[:9], timed)


@case
def the_log_gives_back_the_bytes_that_were_sent():
    """PING, GETACK and PUBLISH are counted bytes too; rewrites and restarts lie between."""
    with Server(*LOG, "--aof-history-keep", "1gb", "--repl-ping-replica-period", "1",
                "--repl-backlog-size", "16kb") as m:
        m.fixed_port = m.port
        sent = Raw(m)
        wait_info(m.conn(), "repl_backlog_on_disk", lambda v: v == "1", "replication")
        begin, parts = sent.at, b""
        for i in range(6):
            mc = m.conn()
            all_kinds(mc, m, i)
            if i % 2:
                mc.call("BGREWRITEAOF")
                wait_info(mc, "aof_rewrite_in_progress", lambda v: v == "0")
                wait_info(mc, "aof_rewrite_scheduled", lambda v: v == "0")
                all_kinds(mc, m, i + 100)
            seen = offset(mc)
            sent.read_until(seen)
            wait_for(lambda: offset(m.conn()) > seen, "a PING", 20)
            sent.read_until(offset(mc))
            parts += sent.bytes
            m.kill()
            m.start()
            sent = Raw(m, sent.id, sent.at + 1)
            equal("the restarted master goes on", sent.word, b"+CONTINUE")
        again = Raw(m, sent.id, begin + 1)
        equal("from the beginning", again.word, b"+CONTINUE")
        again.read_until(begin + len(parts))
        got = again.bytes[:len(parts)]
        at = next((i for i, (a, b) in enumerate(zip(got, parts)) if a != b), None)
        check(at is None and len(got) == len(parts),
              "differs at %s: %r, was %r" % (at, got[(at or 0):][:80], parts[(at or 0):][:80]))
        for word in (b"PING", b"GETACK", b"PUBLISH", b"SPUBLISH", b"MULTI"):
            check(word in parts, "%r was sent" % word)


# ------------------------------------------------------------------ what replicas should not ask

@case
def wild_offsets_and_ids():
    with Server(*LOG) as m:
        mc = m.conn()
        first = Raw(m)
        write_some(mc, 1, 200)
        first.read_until(offset(mc))
        for at in (0, -7, 2 ** 63 - 1, offset(mc) + 2, 10 ** 15):
            equal("offset %d" % at, Raw(m, first.id, at).word, b"+FULLRESYNC")
        for name in ("x" * 40, "", "0" * 39, "a" * 5000, "\r\n", "?"):
            equal("id %.10r" % name, Raw(m, name, 1).word, b"+FULLRESYNC")
        equal("a good one", Raw(m, first.id, first.at + 1).word, b"+CONTINUE")
        for words in (["PSYNC", first.id], ["PSYNC", first.id, "x"], ["REPLCONF", "ack"],
                      ["REPLCONF", "listening-port", "x"], ["REPLCONF", "ip-address", "1" * 500],
                      ["REPLCONF", "ip-address", "1.2.3.4\r\nrole:master"], ["REPLCONF", "nonsense", "1"], ["REPLCONF", "rdb-filter-only", "keys"],
                      ["PSYNC", first.id, "1", "FAILOVER"]):
            check(ask(m.conn(), *words).split()[0] == "ERR", words)
        equal("in a transaction", ask(mc, "MULTI"), b"OK")
        check("not allowed" in ask(mc, "PSYNC", first.id, 1), "PSYNC in MULTI")
        check("not allowed" in ask(m.conn(), "EVAL", "return redis.call('psync','?','-1')", 0), "in a script")


@case
def acknowledgements_of_the_future():
    with Server(*LOG) as m:
        mc, raw = m.conn(), Raw(m)
        raw.conn.send(encode(["REPLCONF", "ACK", str(2 ** 63 - 1), "FACK", str(2 ** 63 - 1)]))
        raw.conn.send(encode(["REPLCONF", "ACK", "-5"]) + encode(["REPLCONF", "ACK", "x"]))
        mc.call("SET", "a", 1)
        equal("it has nothing of this", mc.call("WAIT", 1, 100), 0)
        check(int(stat(mc, "slave0", "replication").split("offset=")[1].split(",")[0]) <= offset(mc), "bounded")


@case
def commands_of_a_replica():
    """A reply would stand in the stream: the replica is closed. What has no reply is ignored."""
    with Server("--repl-diskless-sync-delay", "0") as m:
        mc = m.conn()
        for words in (["SET", "a", "1"], ["GET", "a"], ["EVAL", "return 1", "0"], ["PING"], ["RESET"], ["MULTI"],
                      ["SUBSCRIBE", "c"], ["REPLCONF", "x", "y"], ["PSYNC", "?"], ["QUIT"]):
            raw = Raw(m)
            raw.conn.send(encode(words))
            wait_info(mc, "connected_slaves", lambda v: v == "0", "replication")
            check("+" not in raw.conn.unread().decode("latin-1"), "no reply")
            m.wait_log("Replica generated a reply to command '%s', disconnecting it" % words[0].lower())
        raw = Raw(m)
        for words in (["PSYNC", "?", "-1"], ["SYNC"], ["MONITOR"], ["REPLCONF", "ACK", "x"]):
            raw.conn.send(encode(words))
        equal("clients", mc.info("clients")["connected_clients"], "1")
        mc.call("SET", "b", 1)
        raw.read_until(offset(mc))
        check(raw.bytes.endswith(encode(["SET", "b", "1"])), raw.bytes)
        equal("keys", mc.call("KEYS", "*"), [b"b"])


@case
def replicas_that_never_read():
    """Memory is bounded, also with many of them."""
    with Server(*LOG) as m:
        mc = m.conn()
        fill(mc, 5, 1)
        conns = []
        for _ in range(20):
            c = m.conn()
            c.send(encode(["REPLCONF", "capa", "eof"]) + encode(["REPLCONF", "capa", "psync2"]))
            c.read(), c.read()
            c.send(encode(["PSYNC", "?", "-1"]))
            conns.append(c)
        wait_info(mc, "connected_slaves", lambda v: v == "20", "replication")
        before = used(mc)
        fill(mc, 60, 2)
        check(used(mc) - before < 64 << 20, "%d MB more" % ((used(mc) - before) >> 20))
        equal("the master serves", mc.call("PING"), b"PONG")


@case
def clients_that_leave_in_the_middle():
    with Server("--rdb-key-save-delay", "200") as m:
        mc = m.conn()
        mc.pipeline([("SET", "k%d" % i, i) for i in range(2000)])
        for i in range(30):
            c = m.conn()
            c.send((encode(["REPLCONF", "capa", "eof"]) + encode(["PSYNC", "?", "-1"]))[:20 + 3 * i])
            if i % 3 == 0:
                c.sock.settimeout(0.05)
                try:
                    c._more()
                except (TimeoutError, OSError, Closed):
                    pass
            c.close()
        wait_info(mc, "connected_slaves", lambda v: v == "0", "replication")
        wait_info(mc, "rdb_bgsave_in_progress", lambda v: v == "0")
        full_again = Raw(m)
        equal("it still serves", full_again.word, b"+FULLRESYNC")


@case
def circles_are_recognised():
    with Server() as a, Server() as b:
        ac, bc = a.conn(), b.conn()
        ac.call("SET", "kept", 1)
        ac.call("REPLICAOF", "127.0.0.1", a.port)
        a.wait_log("no server of such a circle is a master")
        ac.call("REPLICAOF", "127.0.0.1", b.port)
        bc.call("REPLICAOF", "127.0.0.1", a.port)
        b.wait_log("no server of such a circle is a master")
        equal("data", ac.call("GET", "kept"), b"1")
        ac.call("REPLICAOF", "NO", "ONE")
        link_up(bc)
        same(ac, bc)


@case
def over_tls_and_with_a_user():
    with tempfile.TemporaryDirectory(prefix="stet-tls-") as d:
        certs = Certs(d)
        pair, port = certs.pair("own"), free_port()
        tls = ["--tls-cert-file", pair[0], "--tls-key-file", pair[1], "--tls-ca-cert-file", certs.ca,
               "--tls-replication", "yes"]
        with Server(*tls, "--tls-port", str(port), *LOG) as m:
            mc = m.conn()
            mc.call("ACL", "SETUSER", "rep", "on", ">pass", "+psync", "+replconf", "+ping")
            write_some(mc, 1, 500)
            with Real(REDIS, *tls, "--masteruser", "rep", "--masterauth", "pass") as s:
                s.conn().call("REPLICAOF", "localhost", port)
                link_up(s.conn())
                write_some(mc, 2, 500)
                same(mc, s.conn())
                check("user=rep" in mc.call("CLIENT", "LIST", "TYPE", "REPLICA").decode(), "the user of the link")


if __name__ == "__main__":
    need("redis-server", "redis-cli")
    sys.exit(run_words("master", CASES, before="ok   "))
