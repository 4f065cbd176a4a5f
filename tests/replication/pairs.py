#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""pairs - every pairing of stet and the real servers that are here, as master and replica: a data set
and a stream of every kind of write, links that end, a replica of the replica, a hand-over in both
directions. Contents are compared where the offsets are equal. Newer servers come from $STET_PEERS.

  pairs.py               all
  pairs.py "stet valkey" only the pairings with this in their names
"""
import itertools
import os
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import check, equal, need, run_words  # noqa: E402
from contents import differences, snapshot  # noqa: E402
from masters import (Real, follow, link_up, programs, same, wait_for, wait_info,  # noqa: E402
                     write_some)
from server import SERVER, Server  # noqa: E402

PROGRAMS = {"stet": SERVER, **programs()}


def start(name, *args):
    args = ("--repl-backlog-size", "64mb", *args)
    return Server(*args) if name == "stet" else Real(PROGRAMS[name], *args)


class Writers:
    """Two clients that write all the time; they are at rest while contents are compared."""

    def __init__(self, server):
        self.server, self.on, self.failed = server, True, None
        self.threads = [threading.Thread(target=self._run, args=(i,), daemon=True) for i in range(2)]
        for t in self.threads:
            t.start()

    def _run(self, i):
        conn, round_ = self.server.conn(), 0
        try:
            while self.on:
                round_ += 1
                write_some(conn, 1000 * i + round_, 100)
        except Exception as e:
            self.failed = e

    def end(self):
        self.on = False
        for t in self.threads:
            t.join()
        if self.failed:
            raise self.failed


def during(server, what):
    writers = Writers(server)
    try:
        return what()
    finally:
        writers.end()


def pairing(master, replica, *args):
    with start(master, *args) as m, start(replica, *args) as s, start("stet") as below:
        mc = m.conn()
        write_some(mc, 1, 2000)
        sc = during(m, lambda: follow(s, m, 60))
        same(mc, sc)
        bc = during(m, lambda: follow(below, s, 60))
        same(mc, bc)
        for kind in ("MASTER", "REPLICA"):
            before = int(mc.info("stats")["sync_partial_ok"])
            during(m, lambda k=kind, b=before: (
                (sc if k == "MASTER" else mc).call("CLIENT", "KILL", "TYPE", k),
                wait_info(mc, "sync_partial_ok", lambda v: int(v) > b, "stats"), link_up(sc, 60)))
            same(mc, sc)
        link_up(bc, 60)
        same(sc, bc)
        equal("full syncs", mc.info("stats")["sync_full"], "1")
        hand_over(m, s)
        hand_over(s, m)
        link_up(bc, 60)
        same(s.conn(), bc)


def hand_over(old, new):
    """FAILOVER from one to the other: nothing is lost, and the old master goes on partially."""
    oc, nc = old.conn(), new.conn()
    write_some(oc, 7, 500)
    before = snapshot(oc)
    oc.call("FAILOVER", "TO", "127.0.0.1", new.port, "TIMEOUT", 20000)
    wait_for(lambda: nc.info("replication")["role"] == "master", "the new master", 60)
    link_up(oc, 60)
    check(int(nc.info("stats")["sync_partial_ok"]) >= 1, "the old master goes on with a partial sync")
    found = differences(before, snapshot(nc), 0, encodings=False)
    check(not found, "\n".join(found[:5]))
    write_some(nc, 8, 200)
    same(nc, oc)


def cases():
    out = {}
    for master, replica in itertools.product(PROGRAMS, PROGRAMS):
        if "stet" not in (master, replica):
            continue
        out["%s to %s" % (master, replica)] = lambda m=master, r=replica: pairing(m, r)
        if master == replica == "stet":
            out["stet to stet, with AOF"] = lambda: pairing("stet", "stet", "--appendonly", "yes")
            out["stet to stet, swapdb"] = lambda: pairing("stet", "stet", "--repl-diskless-load", "swapdb")
            out["stet to stet, by length"] = lambda: pairing("stet", "stet", "--repl-diskless-sync", "no")
    return out


if __name__ == "__main__":
    need("redis-server")
    missing = sorted({"redis-8", "valkey-9"} - set(PROGRAMS))
    if missing:
        print("left out, as they are not in $STET_PEERS: %s" % ", ".join(missing))
    sys.exit(run_words("pairs", cases(), before="ok   "))
