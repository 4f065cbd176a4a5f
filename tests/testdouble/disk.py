#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""disk - TEST CRASH and TEST DISK: durability as a test case.

  disk.py [WORD...]: only the cases with one of the words in their names
"""
import sys

from doubles import Cases, ask, check, closed, double, equal, heard_by, run_words, wait_for

CASES = Cases()
case = CASES.case


def crash(server, conn, *how):
    """The same port and the same process serve again."""
    pid = server.proc.pid
    equal("answer", conn.call("TEST", "CRASH", *how), b"OK")
    check(closed(conn, "PING"), "the connection is cut off")
    c = server.conn()
    wait_for(lambda: not str(ask(c, "GET", "k")).startswith("LOADING"), "it is loaded")
    equal("pid", int(c.info("server")["process_id"]), pid)
    return c


@case
def without_a_log_everything_is_forgotten():
    with double() as s:
        c = s.conn()
        c.call("SET", "k", 1)
        c.call("CONFIG", "SET", "maxmemory", 12345678)
        for _ in range(5):
            c = crash(s, c)
            equal("keys", c.call("DBSIZE"), 0)
            equal("configuration", c.call("CONFIG", "GET", "maxmemory"), [b"maxmemory", b"0"])
            c.call("SET", "k", 1)


@case
def what_is_acknowledged_stands():
    for policy in ("always", "everysec"):
        for how in ((), ("WRITTEN",), ("SYNCED",), ("BYTES", 3)):
            with double("--appendonly", "yes", "--appendfsync", policy) as s:
                c = s.conn()
                for i in range(20):
                    c.call("SET", "k", i)
                if policy == "everysec":
                    c.call("WAITAOF", 1, 0, 0)
                c = crash(s, c, *how)
                equal("%s %s" % (policy, how), c.call("GET", "k"), b"19")
                c.call("SET", "k", "again")
                equal("and again", crash(s, c).call("GET", "k"), b"again")


@case
def a_power_cut_takes_what_was_not_synced():
    with double("--appendonly", "yes", "--appendfsync", "everysec") as s:
        c = s.conn()
        c.call("TEST", "CLOCK", "FREEZE")  # so that no second passes
        c.call("SET", "k", "kept")
        c.call("CONFIG", "SET", "appendfsync", "always")
        c.call("SET", "k", "kept")
        c.call("CONFIG", "SET", "appendfsync", "no")
        c.call("SET", "k", "lost")
        wait_for(lambda: c.info("persistence")["aof_buffer_length"] == "0", "it is written")
        c = crash(s, c, "SYNCED")
        equal("k", c.call("GET", "k"), b"kept")


@case
def a_kill_takes_nothing_that_was_written():
    with double("--appendonly", "yes", "--appendfsync", "no") as s:
        c = s.conn()
        for i in range(100):
            c.call("SET", "k", i)
        wait_for(lambda: c.info("persistence")["aof_buffer_length"] == "0", "it is written")
        equal("k", crash(s, c).call("GET", "k"), b"99")


@case
def other_clients_are_cut_off_too():
    with double("--unixsocket", "s.sock") as s:
        c, w, b = s.conn(), s.conn(), s.conn()
        w.call("PING")
        b.send(b"BLPOP q 0\r\n")
        c.call("TEST", "WAIT", "BLOCKED", "q")
        crash(s, c)
        check(closed(w, "PING"), "a client")
        try:
            heard_by(b)
            check(False, "a blocked client")
        except Exception:
            pass


@case
def a_full_disk_refuses_writes_until_there_is_room():
    with double("--appendonly", "yes", "--appendfsync", "always") as s:
        c, w = s.conn(), s.conn()
        c.call("SET", "k", 1)
        c.call("TEST", "DISK", "FULL")
        w.send(b"SET k 2\r\n")
        wait_for(lambda: c.info("persistence")["aof_last_write_status"] == "err", "the server knows")
        check(ask(c, "SET", "other", 1).startswith("MISCONF"), "writes are refused")
        c.call("TEST", "DISK", "NORMAL")
        wait_for(lambda: ask(c, "SET", "after", 1) == b"OK", "writes go on")
        equal("the one that waited", heard_by(w), b"OK")
        equal("after a cut", crash(s, c, "SYNCED").call("MGET", "k", "after"), [b"2", b"1"])


@case
def a_broken_and_a_torn_disk():
    for state in ("EIO", "TORN"):
        with double("--appendonly", "yes", "--appendfsync", "always") as s:
            c, w = s.conn(), s.conn()
            c.call("SET", "k", 1)
            c.call("TEST", "DISK", state)
            w.send(b"SET k 2\r\n")
            wait_for(lambda: c.info("persistence")["aof_last_write_status"] == "err", "the server knows")
            check(ask(c, "SET", "other", 1).startswith("MISCONF"), "writes are refused")
            if state == "TORN":
                c = crash(s, c)  # within the torn write
                equal("k", c.call("GET", "k"), b"1")
                continue
            c.call("TEST", "DISK", "NORMAL")
            wait_for(lambda: ask(c, "SET", "after", 1) == b"OK", "writes go on")
            equal("after a cut", crash(s, c, "SYNCED").call("MGET", "k", "after"), [b"2", b"1"])


@case
def a_slow_disk_delays_replies_and_nothing_else():
    with double("--appendonly", "yes", "--appendfsync", "always") as s:
        c, w = s.conn(), s.conn()
        c.call("SET", "other", 1)
        c.call("TEST", "DISK", "SLOW", 400)
        w.send(b"SET k 1\r\n")
        equal("reads go on", c.call("GET", "other"), b"1")
        equal("then", heard_by(w), b"OK")
        c.call("TEST", "RESET")


@case
def what_cannot_be_is_refused():
    with double() as s:
        c = s.conn()
        for words in (("CRASH", "NOW"), ("CRASH", "BYTES"), ("CRASH", "BYTES", "x"), ("CRASH", "BYTES", -1),
                      ("DISK", "SLOW"), ("DISK", "SLOW", "x"), ("DISK", "WHAT"), ("DISK", "FULL", 1)):
            check(str(ask(c, "TEST", *words)).startswith("ERR"), "%r is accepted" % (words,))
        equal("it serves", c.call("PING"), b"PONG")


if __name__ == "__main__":
    sys.exit(run_words("disk", CASES))
