#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""states - what a master and a replica say of themselves in every state of a link, beside redis-server
7.0: INFO replication, ROLE, the list of clients, and what commands are answered while a data set is loaded.

  states.py         all
  states.py load    only the tests with this in their names
"""
import os
import re
import signal
import socket
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import Cases, equal, need, run_words  # noqa: E402
from masters import FAST, Real, caught_up, follow, link_up, programs, wait_for, wait_info  # noqa: E402
from resp import encode  # noqa: E402
from server import Server  # noqa: E402

CASES = Cases()
case = CASES.case
# Differ on purpose, or by chance; amounts differ by what a server writes into its snapshot.
LEFT_OUT = {"repl_backlog_on_disk", "master_replid", "master_host", "master_last_io_seconds_ago", "master_sync_read_bytes",
            "master_sync_left_bytes", "master_sync_last_io_seconds_ago"}


def plain(key, value):
    if key == "master_replid2":
        return value == "0" * 40
    if key == "master_sync_total_bytes":
        return int(value) > 0 or value
    return re.sub(r"lag=\d+", "lag=", re.sub(r"port=\d+", "port=", value)) if key.startswith("slave0") else value


def state(c):
    """[(field, value)] in their order; then ROLE, and the flags of the clients."""
    fields = [(k, plain(k, v)) for k, v in c.info("replication").items() if k not in LEFT_OUT and not k.endswith("_port")]
    role = [x for x in c.call("ROLE") if x not in (b"127.0.0.1",)]
    role = [r if not isinstance(r, int) or r < 1024 else "port" for r in role]
    role = [[r[0]] + r[2:] if isinstance(r, list) else r for x in role for r in (x if isinstance(x, list) else [x])]
    flags = sorted(re.findall(r"flags=(\S+)", c.call("CLIENT", "LIST").decode()))
    stats = c.info("stats")
    return fields + [("ROLE", role), ("clients", flags), ("connected", c.info("clients")["connected_clients"])] + [
        (k, stats[k]) for k in ("sync_full", "sync_partial_ok", "sync_partial_err")]


def beside(scene):
    """The scene with Redis, then with stet: [(title, what is seen)], which has to be the same."""
    want = list(scene(lambda *a: Real(programs()["redis-7"], *a)))
    got = list(scene(lambda *a: Server(*FAST, *a)))
    for (title, a), (_, b) in zip(want, got):
        if isinstance(a, list):
            for x, y in zip(a, b):
                equal(title, y, x)
        equal(title, b, a)
    equal("states", len(got), len(want))


def silent():
    return socket.create_server(("127.0.0.1", 0))


def without_a_link(start):
    with silent() as nobody, start("--replicaof", "127.0.0.1", str(nobody.getsockname()[1])) as s:
        c = s.conn()
        nobody.accept()
        yield "from the configuration", state(c)
    with silent() as nobody, start() as s:
        c = s.conn()
        yield "a master", state(c)
        c.call("REPLICAOF", "127.0.0.1", nobody.getsockname()[1])
        link, _ = nobody.accept()
        yield "a master that is silent", state(c)
        yield "its link is no client", c.call("CLIENT", "KILL", "TYPE", "master")
        link.close()
        c.call("REPLICAOF", "127.0.0.1", 1)
        yield "a master that is not there", [x for x in state(c) if x[0] != "ROLE"]


@case
def links_that_are_not_up():
    beside(without_a_link)


def linked(start):
    with start() as m, start() as s:
        mc, sc = m.conn(), s.conn()
        mc.call("SET", "k", 1)
        follow(s, m)
        wait_info(mc, "slave0", lambda v: "state=online" in v, "replication")
        yield "replica", state(sc)
        yield "master", state(mc)
        mc.call("SET", "k", 2)
        caught_up(mc, sc)
        sc.call("CONFIG", "SET", "replica-priority", 0, "replica-announced", "no", "replica-read-only", "no")
        yield "replica, later", state(sc)
        mc.call("CONFIG", "SET", "min-replicas-to-write", 1)
        yield "master with min-replicas-to-write", [x for x in state(mc) if x[0] != "slave0" and x[0] != "ROLE"]
        sc.call("CLIENT", "KILL", "TYPE", "master")
        wait_info(mc, "sync_partial_ok", lambda v: v == "1", "stats")
        link_up(sc)
        yield "after a partial sync", state(sc)
        sc.call("REPLICAOF", "NO", "ONE")
        yield "promoted", state(sc)
        sc.call("CONFIG", "SET", "replica-announced", "yes")
        mc.call("REPLICAOF", "127.0.0.1", s.port)
        link_up(mc)
        wait_info(sc, "slave0", lambda v: "state=online" in v, "replication")
        yield "demoted", state(mc)


@case
def links_that_are_up():
    beside(linked)


def syncing(how):
    def scene(start):
        with start("--rdb-key-save-delay", "20000", "--repl-diskless-sync", how) as m, start() as s:
            mc, sc = m.conn(), s.conn()
            mc.pipeline([("SET", "k%d" % i, "x" * 5000) for i in range(1000)])
            sc.call("REPLICAOF", "127.0.0.1", m.port)
            wait_info(mc, "rdb_bgsave_in_progress", lambda v: v == "1", "persistence")
            wait_info(sc, "master_sync_in_progress", lambda v: v == "1", "replication")
            if how == "yes":
                wait_info(sc, "master_sync_total_bytes", lambda v: v == "0", "replication")
            yield "master", state(mc)
            yield "replica", state(sc)
    return scene


for how in ("yes", "no"):
    CASES["while_a_snapshot_is_written_diskless_%s" % how] = lambda h=how: beside(syncing(h))

def shutting_down(start):
    """The replica stands still, so a shutdown waits for it."""
    for first, second in ("SIGTERM", "SIGTERM"), ("SIGTERM", "SIGINT"), ("SIGINT", "SIGINT"), ("SIGINT", "SIGTERM"):
        with start("--shutdown-timeout", "60") as m, start() as s:
            mc = m.conn()
            follow(s, m)
            wait_info(mc, "slave0", lambda v: "state=online" in v, "replication")
            s.freeze()
            mc.call("SET", "k", 1)
            yield "before", "shutdown_in_milliseconds" in mc.info("server")
            m.proc.send_signal(getattr(signal, first))
            m.wait_log("Waiting for replicas before shutting down")
            yield "while it waits", 50000 < int(mc.info("server").get("shutdown_in_milliseconds", 0)) <= 60000
            yield "a script that only reads", mc.ask("EVAL_RO", "return 1", 0)
            yield "one in a transaction", mc.pipeline([("MULTI",), ("EVAL_RO", "return 1", 0), ("EXEC",)])
            writer = m.conn()
            writer.send(encode(("MULTI",)) + encode(("EVAL_RO", "return 1", 0)) + encode(("EVAL", "return 1", 0)) + encode(("EXEC",)))
            writer.send(encode(("PING",)))
            yield "queued", [writer.read() for _ in range(2)]
            m.proc.send_signal(getattr(signal, second))
            if second == "SIGINT":
                yield "it insists", m.wait_exit()
                continue
            wait_for(lambda: m.log().count("scheduling shutdown") == 2, "the second signal")
            yield "it goes on waiting", mc.call("GET", "k")
            yield "aborted", mc.ask("SHUTDOWN", "ABORT")
            yield "a write", mc.ask("SET", "k", 2)
            yield "what was held", [writer.read() for _ in range(3)]
            yield "after", "shutdown_in_milliseconds" in mc.info("server")


@case
def a_shutdown_that_waits_for_a_replica():
    beside(shutting_down)


TOLD = (("SET", "a", 1), ("GET", "a"), ("PING",), ("EVAL", "return 1", 0), ("MULTI",), ("SET", "a", 1), ("EXEC",),
        ("MULTI",), ("GET", "a"), ("EXEC",), ("PUBLISH", "a", "b"), ("BGSAVE",), ("REPLICAOF", "NO", "ONE"), ("WAIT", 0, 0),
        ("FLUSHALL",), ("ROLE",), ("SUBSCRIBE", "c"), ("GET", "a"))


def loading(start):
    with start() as m, start("--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024") as s:
        mc, sc = m.conn(), s.conn()
        mc.pipeline([("SET", "k%d" % i, os.urandom(1500)) for i in range(3000)])
        sc.call("REPLICAOF", "127.0.0.1", m.port)
        wait_info(sc, "loading", lambda v: v == "1", "persistence")
        yield "loading", [x for x in state(sc) if not x[0].endswith("repl_offset")]
        for stale in ("yes", "no"):
            for only in ("yes", "no"):
                sc.call("CONFIG", "SET", "replica-serve-stale-data", stale, "replica-read-only", only)
                c = s.conn()
                for words in TOLD:
                    said = c.ask(*words)
                    yield "stale %s, read-only %s: %s" % (stale, only, words), said[1] if words[0] != "ROLE" else said[1][3:]
        sc.call("CONFIG", "SET", "key-load-delay", 0)
        wait_for(lambda: sc.info("replication")["master_link_status"] == "up", "link")


@case
def while_a_data_set_is_loaded():
    beside(loading)


if __name__ == "__main__":
    need("redis-server")
    sys.exit(run_words("states", CASES, before="ok   "))
