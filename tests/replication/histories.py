#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""histories - servers of stet that have taken turns as masters: one that holds no data which the new
master does not have goes on with a partial sync, whatever else its stream said.

  histories.py [WORD...]: only the cases with one of the words in their names
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from base import rewrite  # noqa: E402
from cases import Cases, ask, check, equal, run_words  # noqa: E402
from masters import caught_up, encode, follow, link_up, offset, same, wait_for, wait_info, write_some  # noqa: E402
from server import Server  # noqa: E402

CASES = Cases()
case = CASES.case
LOG = ("--appendonly", "yes")


def full_syncs(*conns):
    return sum(int(c.info("stats")["sync_full"]) for c in conns)


def again(server):
    """kill -9 and a start at the same port."""
    server.fixed_port = server.port
    server.kill()
    server.start()
    return server.conn()


def of(port, host="127.0.0.1"):
    return ("REPLICAOF", host, port)


def say(conn, n=5):
    """What the stream gets, and no data."""
    for i in range(n):
        conn.call("PUBLISH", "c", "message %d" % i)


def pair(m, s):
    mc = m.conn()
    mc.call("SELECT", 3)  # so that the stream has selected another one than 0
    mc.call("SET", "three", 1)
    mc.call("SELECT", 0)
    write_some(mc, 1, 200)
    mc.call("SELECT", 2)
    mc.call("SET", "two", 1)
    mc.call("SELECT", 0)
    sc = follow(s, m)
    for c in (mc, sc):  # from when on a restart knows its stream
        if c.info("persistence")["aof_enabled"] == "1":
            wait_info(c, "repl_backlog_on_disk", lambda v: v == "1", "replication")
    mc.call("SELECT", 1)
    mc.call("SET", "last", 1)
    mc.call("SELECT", 0)
    same(mc, sc)
    return mc, sc


def old_master_follows(m, mc, s, sc, full=0):
    before = full_syncs(sc)
    mc.call(*of(s.port))
    link_up(mc)
    equal("full syncs", full_syncs(sc) - before, full)
    write_some(sc, 5, 300)
    same(sc, mc)


@case
def a_master_that_was_restarted_follows_its_replica():
    with Server(*LOG) as m, Server(*LOG) as s:
        mc, sc = pair(m, s)
        mc = again(m)
        sc.call("REPLICAOF", "NO", "ONE")
        write_some(sc, 2, 100)
        old_master_follows(m, mc, s, sc)


@case
def and_has_had_messages_meanwhile():
    with Server(*LOG) as m, Server(*LOG) as s:
        mc, sc = pair(m, s)
        mc = again(m)
        sc.call("REPLICAOF", "NO", "ONE")
        write_some(sc, 2, 100)
        say(mc)
        old_master_follows(m, mc, s, sc)


def isolated(*args):
    """Its replica is promoted without hearing of its last messages."""
    with Server(*args) as m, Server(*args) as s:
        mc, sc = pair(m, s)
        sc.call("REPLICAOF", "NO", "ONE")
        say(mc)
        write_some(sc, 2, 100)
        old_master_follows(m, mc, s, sc)


CASES["an isolated master had messages"] = lambda: isolated()
CASES["an isolated master had messages, with AOF"] = lambda: isolated(*LOG)


@case
def what_the_log_says_last_was_no_data():
    with Server(*LOG) as m, Server(*LOG) as s:
        mc, sc = pair(m, s)
        sc.call("REPLICAOF", "NO", "ONE")
        say(mc)
        write_some(sc, 2, 100)
        mc = again(m)
        old_master_follows(m, mc, s, sc)
        mc = again(m)
        link_up(mc) if mc.info("replication")["role"] == "slave" else old_master_follows(m, mc, s, sc)
        same(sc, mc)


@case
def a_replica_of_the_isolated_master_comes_along():
    with Server(*LOG) as m, Server(*LOG) as s, Server(*LOG) as third:
        mc, sc = pair(m, s)
        tc = follow(third, m)
        sc.call("REPLICAOF", "NO", "ONE")
        say(mc)
        caught_up(mc, tc)
        write_some(sc, 2, 100)
        before = full_syncs(sc)
        tc.call(*of(s.port))
        link_up(tc)
        equal("full syncs", full_syncs(sc) - before, 0)
        same(sc, tc)
        old_master_follows(m, mc, s, sc)


@case
def a_replica_stays_below_the_old_master():
    """Its own stream goes back to an earlier offset: its replica goes back with it."""
    with Server(*LOG) as m, Server(*LOG) as s, Server(*LOG) as third:
        mc, sc = pair(m, s)
        tc = follow(third, m)
        sc.call("REPLICAOF", "NO", "ONE")
        say(mc)
        caught_up(mc, tc)
        write_some(sc, 2, 100)
        before = full_syncs(mc)
        old_master_follows(m, mc, s, sc)
        link_up(tc)
        same(sc, tc)
        equal("full syncs of the replica's replica", full_syncs(mc) - before, 0)


@case
def one_that_lagged_is_promoted_later():
    """It learns from its master how far both share the history of the old one."""
    with Server(*LOG) as m, Server(*LOG) as s, Server(*LOG) as third:
        mc, sc = pair(m, s)
        tc = follow(third, m)
        wait_info(tc, "repl_backlog_on_disk", lambda v: v == "1", "replication")
        tc.call(*of(1))
        write_some(mc, 9, 100)
        same(mc, sc)
        sc.call("REPLICAOF", "NO", "ONE")
        follow(third, s)
        same(sc, tc)
        tc.call("REPLICAOF", "NO", "ONE")
        write_some(tc, 2, 100)
        old_master_follows(m, mc, third, tc)
        old_master_follows(s, sc, third, tc)


@case
def data_that_the_new_master_has_not_is_dropped():
    with Server(*LOG) as m, Server(*LOG) as s:
        mc, sc = pair(m, s)
        sc.call("REPLICAOF", "NO", "ONE")
        mc.call("SET", "mine", 1)
        say(mc)
        old_master_follows(m, mc, s, sc, full=1)
        equal("dropped", mc.call("GET", "mine"), None)


@case
def data_of_a_transaction_that_is_known_in_part_only():
    """A replica that could not log a unit whole has data of it all the same."""
    with Server(*LOG) as m, Server(*LOG) as s:
        mc, sc = pair(m, s)
        sc.call("REPLICAOF", "NO", "ONE")
        mc.pipeline([("MULTI",), ("PUBLISH", "c", 1), ("SET", "mine", 2), ("PUBLISH", "c", 2), ("EXEC",)])
        old_master_follows(m, mc, s, sc, full=1)
        equal("dropped", mc.call("GET", "mine"), None)


@case
def one_that_had_a_full_sync_was_restarted():
    """It was told the older ids of its master's history, and knows them after a kill too."""
    with Server(*LOG) as m, Server(*LOG) as s, Server(*LOG) as third:
        mc, sc = pair(m, s)
        rewrite(sc)
        write_some(mc, 9, 100)
        same(mc, sc)
        sc.call("REPLICAOF", "NO", "ONE")
        write_some(sc, 2, 100)
        tc = follow(third, s)
        equal("full syncs of the third, from the base", sc.info("stats")["sync_full_without_fork"], "1")
        same(sc, tc)
        wait_info(tc, "repl_backlog_on_disk", lambda v: v == "1", "replication")
        tc = again(third)
        tc.call("REPLICAOF", "NO", "ONE")
        write_some(tc, 3, 100)
        old_master_follows(m, mc, third, tc)


@case
def a_stream_that_went_back_was_restarted():
    """What it gave up said nothing to the data set; its older ids are still those of its history."""
    with Server(*LOG) as m, Server(*LOG) as s, Server(*LOG) as third:
        mc, sc = pair(m, s)
        tc = follow(third, m)
        sc.call("REPLICAOF", "NO", "ONE")
        say(tc)
        say(mc)
        caught_up(mc, tc)
        tc.call(*of(s.port))
        link_up(tc)
        wait_info(tc, "repl_backlog_on_disk", lambda v: v == "1", "replication")
        tc = again(third)
        tc.call("REPLICAOF", "NO", "ONE")
        write_some(tc, 3, 100)
        old_master_follows(m, mc, third, tc)


@case
def turns_without_end():
    """FAILOVER to and fro, restarts and messages between: no full sync but the first."""
    with Server(*LOG) as a, Server(*LOG) as b:
        pair(a, b)
        m, s = a, b
        for i in range(6):
            mc = again(m) if i % 2 else m.conn()
            link_up(s.conn())
            say(mc)
            s.conn().call("REPLICAOF", "NO", "ONE")
            write_some(s.conn(), i, 50)
            say(mc)
            old_master_follows(m, mc, s, s.conn())
            m, s = s, m
        check(offset(m.conn()) > 0, "a stream")
        wait_info(s.conn(), "master_link_status", lambda v: v == "up", "replication")
        wait_for(lambda: s.conn().call("DBSIZE") == m.conn().call("DBSIZE"), "the same")


@case
def a_target_is_asked_again_to_take_over():
    """The link may break after the target was promoted: asked again, it is no error, or there would be two masters."""
    with Server() as m, Server() as s:
        mc, sc = pair(m, s)
        id_, at = mc.info("replication")["master_replid"], offset(mc)
        for _ in range(2):
            c = s.conn()
            c.send(encode(["PSYNC", id_, at + 1, "FAILOVER"]))
            check(c._line().startswith(b"+CONTINUE"), "it goes on")
            c.close()
            equal("role", sc.info("replication")["role"], "master")
        c.close()
        equal("of another history", ask(s.conn(), "PSYNC", "0" * 40, at, "FAILOVER"),
              "ERR PSYNC FAILOVER can't be sent to a master.")


if __name__ == "__main__":
    sys.exit(run_words("histories", CASES, before="ok   "))
