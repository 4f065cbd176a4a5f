#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""fault - TEST FAULT and TEST MODE: each effect as a client sees it, which commands it fits, and what
was executed.

  fault.py [WORD...]: only the cases with one of the words in their names
"""
import socket
import struct
import sys
import time

from doubles import (Cases, Closed, ask, check, closed, double, equal, error_of, heard_by, pairs, run_words, wait_for)

CASES = Cases()
case = CASES.case


def fault(conn, *words):
    return conn.call("TEST", "FAULT", "ADD", *words)


def faults(conn):
    return {f[b"name"]: f for f in map(pairs, conn.call("TEST", "FAULT", "LIST"))}


@case
def an_error_instead_of_the_command():
    with double() as s:
        c = s.conn()
        name = fault(c, "COMMAND", "set", "TIMES", 2, "ERROR", "TRYAGAIN Multiple keys request during rehashing of slot")
        for _ in range(2):
            equal("error", ask(c, "SET", "k", 1), "TRYAGAIN Multiple keys request during rehashing of slot")
        equal("nothing was executed", c.call("EXISTS", "k"), 0)
        equal("the third", c.call("SET", "k", 1), b"OK")
        got = faults(c)[name]
        equal("seen, hits", (got[b"seen"], got[b"hits"]), (3, 2))
        equal("errorstats", "errorstat_TRYAGAIN" in c.info("errorstats"), True)


@case
def closed_before_it_is_executed():
    with double() as s:
        c = s.conn()
        fault(c, "COMMAND", "incr", "CLOSE", "BEFORE")
        check(closed(s.conn(), "INCR", "n"), "closed")
        equal("n", c.call("GET", "n"), None)


@case
def closed_after_it_is_executed():
    """What no mock has: the command has run, and its client does not know."""
    with double() as s:
        c, w = s.conn(), s.conn()
        fault(c, "COMMAND", "incr", "TIMES", 1, "CLOSE", "AFTER")
        w.send(b"PING\r\nINCR n\r\nPING\r\n")
        equal("what came before is answered", heard_by(w), b"PONG")
        try:
            w.read()
            check(False, "and nothing else")
        except Closed:
            pass
        equal("n", c.call("GET", "n"), b"1")
        equal("once only", s.conn().call("INCR", "n"), 2)


@case
def dropped_and_half_replies():
    with double() as s:
        c, w = s.conn(), s.conn()
        c.call("SET", "k", "0123456789")
        fault(c, "NAME", "d", "COMMAND", "get", "TIMES", 1, "DROP")
        w.send(b"GET k\r\nECHO next\r\n")
        equal("the next reply", heard_by(w), b"next")
        fault(c, "NAME", "d", "COMMAND", "get", "HALF", 7)
        sock = w.sock
        w.send(b"GET k\r\n")
        got = b""
        while True:
            part = sock.recv(100)
            if not part:
                break
            got += part
        equal("half of it", got, b"$10\r\n01")


@case
def a_reset_connection():
    with double() as s:
        c, w = s.conn(), s.conn()
        fault(c, "COMMAND", "get", "RESET")
        w.send(b"GET k\r\n")
        try:
            w.sock.recv(10)
            check(False, "no reset")
        except ConnectionResetError:
            pass


@case
def a_hang_is_no_end():
    with double() as s:
        c, w = s.conn(), s.conn()
        fault(c, "COMMAND", "get", "TIMES", 1, "HANG")
        w.send(b"GET k\r\nGET k\r\n")
        wait_for(lambda: c.info("clients")["blocked_clients"] == "1", "it hangs")
        c.call("TEST", "CLOCK", "ADVANCE", 100000)
        w.sock.settimeout(0.05)
        try:
            check(w.sock.recv(10) is None, "an answer")
        except socket.timeout:
            pass
        w.close()
        wait_for(lambda: c.info("clients")["blocked_clients"] == "0", "it is gone")


@case
def a_delay_follows_the_clock():
    with double() as s:
        c, w = s.conn(), s.conn()
        c.call("TEST", "CLOCK", "FREEZE")
        fault(c, "COMMAND", "incr", "DELAY", 5000)
        w.send(b"INCR n\r\nECHO after\r\n")
        wait_for(lambda: any(f[b"hits"] for f in faults(c).values()), "it has come")
        c.call("TEST", "CLOCK", "ADVANCE", 4999)
        equal("not executed", c.call("GET", "n"), None)
        c.call("TEST", "CLOCK", "ADVANCE", 1)
        equal("executed, in order", (heard_by(w), heard_by(w)), (1, b"after"))


@case
def many_delayed_clients_with_aof():
    """Parked sessions are resumed when the AOF makes progress: too early for a delay."""
    with double("--appendonly", "yes", "--appendfsync", "always") as s:
        c = s.conn()
        c.call("TEST", "CLOCK", "FREEZE")
        fault(c, "COMMAND", "incr", "DELAY", 50, "JITTER", 50)
        clients = [s.conn() for _ in range(20)]
        for w in clients:
            w.send(b"INCR n\r\n" * 3)
        for i in range(200):
            c.call("SET", "k", i)
        equal("none yet", c.call("GET", "n"), None)
        for _ in range(6):
            c.call("TEST", "CLOCK", "ADVANCE", 100)
            c.call("PING")
        got = sorted(heard_by(w) for w in clients for _ in range(3))
        equal("each once", got, list(range(1, 61)))


@case
def slices_and_rates():
    for words in (("SLICE", 3, 20), ("RATE", 100)):
        with double() as s:
            c, w = s.conn(), s.conn()
            c.call("TEST", "CLOCK", "FREEZE")
            c.call("SET", "k", "x" * 50)
            fault(c, "COMMAND", "get", *words)
            w.send(b"GET k\r\nECHO after\r\n")
            wait_for(lambda: any(f[b"hits"] for f in faults(c).values()), "it has come")
            w.sock.setblocking(False)
            got, steps = b"", 0
            while len(got) < 57 and steps < 3000:
                steps += 1
                c.call("TEST", "CLOCK", "ADVANCE", 10)
                try:
                    got += w.sock.recv(1000)
                except BlockingIOError:
                    pass
            w.sock.setblocking(True)
            equal("the reply", got[:57], b"$50\r\n" + b"x" * 50 + b"\r\n")
            check(steps > 30, "in parts: %d" % steps)
            equal("the next", got[57:] + (b"" if len(got) > 57 else w.sock.recv(100)), b"$5\r\nafter\r\n")


@case
def replies_of_commands_that_block():
    for how in (("CLOSE", "AFTER"), ("DROP",), ("HALF", 4)):
        with double() as s:
            c, w = s.conn(), s.conn()
            fault(c, "COMMAND", "blpop", "TIMES", 1, *how)
            w.send(b"BLPOP q 0\r\nECHO after\r\n")
            c.call("TEST", "WAIT", "BLOCKED", "q")
            c.call("RPUSH", "q", "job")
            equal("the element is gone", c.call("LLEN", "q"), 0)
            w.sock.settimeout(30)
            got = b""
            while not got.endswith(b"after\r\n"):
                part = w.sock.recv(100)
                if not part:
                    break
                got += part
            equal("reply of %s" % how[0], got, {"CLOSE": b"", "DROP": b"$5\r\nafter\r\n", "HALF": b"*2\r\n"}[how[0]])


@case
def a_paced_reply_waits_for_the_disk():
    with double("--appendonly", "yes", "--appendfsync", "always") as s:
        c, w = s.conn(), s.conn()
        fault(c, "COMMAND", "set", "SLICE", 1, 1)
        c.call("TEST", "DISK", "SLOW", 300)
        at = time.monotonic()
        w.send(b"SET k v\r\n")
        equal("reply", heard_by(w), b"OK")
        check(time.monotonic() - at > 0.25, "before the sync")
        c.call("TEST", "DISK", "NORMAL")


@case
def which_commands_it_fits():
    with double() as s:
        c, named = s.conn(), s.conn()
        named.call("CLIENT", "SETNAME", "worker-7")
        fault(c, "NAME", "key", "KEY", "user:*", "ERROR", "ERR key")
        fault(c, "NAME", "client", "CLIENT", "worker-*", "ERROR", "ERR client")
        fault(c, "NAME", "sub", "COMMAND", "config|get", "ERROR", "ERR sub")
        fault(c, "NAME", "parent", "COMMAND", "xinfo", "ERROR", "ERR parent")
        fault(c, "NAME", "unknown", "COMMAND", "nosuch", "ERROR", "ERR unknown")
        for words, want in ((("GET", "user:1"), "ERR key"), (("MSET", "a", 1, "user:1", 1), "ERR key"),
                            (("EVAL", "return 1", 1, "user:1"), "ERR key"), (("GET", "a"), None),
                            (("CONFIG", "GET", "port"), "ERR sub"), (("CONFIG", "RESETSTAT"), b"OK"),
                            (("XINFO", "STREAM", "x"), "ERR parent"), (("NOSUCH",), "ERR unknown"),
                            (("GET",), "ERR wrong number of arguments for 'get' command")):
            equal("%r" % (words,), ask(c, *words), want)
        equal("of the client", ask(named, "PING"), "ERR client")
        equal("CLEAR", c.call("TEST", "FAULT", "CLEAR"), 5)
        equal("none", (ask(named, "PING"), c.call("TEST", "FAULT", "LIST")), (b"PONG", []))


@case
def after_times_and_probability():
    with double() as s:
        c = s.conn()
        fault(c, "COMMAND", "get", "AFTER", 3, "TIMES", 2, "ERROR", "ERR no")
        equal("answers", [ask(c, "GET", "k") for _ in range(7)], [None] * 3 + ["ERR no"] * 2 + [None] * 2)
        c.call("TEST", "FAULT", "CLEAR")
        runs = []
        for _ in range(2):
            c.call("TEST", "SEED", 7)
            fault(c, "NAME", "p", "COMMAND", "get", "PROBABILITY", "0.5", "ERROR", "ERR no")
            runs.append([ask(c, "GET", "k") for _ in range(200)])
        equal("the seed repeats it", runs[0], runs[1])
        check(50 < runs[0].count("ERR no") < 150, "about half")


@case
def in_transactions():
    with double() as s:
        c, w = s.conn(), s.conn()
        fault(c, "NAME", "q", "COMMAND", "incr", "ERROR", "ERR no")
        w.call("MULTI")
        equal("queued", ask(w, "INCR", "n"), "ERR no")
        check(ask(w, "EXEC").startswith("EXECABORT"), "the transaction is aborted")
        c.call("TEST", "FAULT", "CLEAR")
        fault(c, "COMMAND", "exec", "CLOSE", "AFTER")
        w.call("MULTI")
        w.call("INCR", "n")
        check(closed(w, "EXEC"), "closed")
        equal("executed", c.call("GET", "n"), b"1")


@case
def connections():
    with double() as s:
        c = s.conn()
        fault(c, "NAME", "a", "ACCEPT", "TIMES", 2, "REFUSE")
        for _ in range(2):
            check(refused(s.port), "refused")
        equal("the third", s.conn().call("PING"), b"PONG")
        c.call("TEST", "CLOCK", "FREEZE")
        fault(c, "NAME", "a", "ACCEPT", "TIMES", 1, "DELAY", 1000)
        w = s.conn()
        w.send(b"SET late 1\r\n")
        for _ in range(50):
            c.call("PING")
        equal("not yet", c.call("EXISTS", "late"), 0)
        c.call("TEST", "CLOCK", "ADVANCE", 1000)
        equal("then", heard_by(w), b"OK")


def refused(port):
    with socket.create_connection(("127.0.0.1", port)) as k:
        k.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
        try:
            k.sendall(b"PING\r\n")
            return k.recv(10) == b""
        except OSError:
            return True


@case
def modes():
    want = {
        "LOADING": (("GET", "k"), "LOADING Redis is loading the dataset in memory", ("INFO",)),
        "READONLY": (("SET", "k", 1), "READONLY You can't write against a read only replica.", ("GET", "k")),
        "OOM": (("SET", "k", 1), "OOM command not allowed when used memory > 'maxmemory'.", ("DEL", "k")),
        "MISCONF": (("SET", "k", 1), "MISCONF Redis is configured to save RDB snapshots", ("GET", "k")),
        "MASTERDOWN": (("GET", "k"), "MASTERDOWN Link with MASTER is down", ("INFO",)),
        "CLUSTERDOWN": (("GET", "k"), "CLUSTERDOWN The cluster is down", ("PING",)),
        "BUSY": (("GET", "k"), "BUSY Redis is busy running a script.", ("SCRIPT", "FLUSH")),
        "NOREPLICAS": (("SET", "k", 1), "NOREPLICAS Not enough good replicas to write.", ("GET", "k")),
    }
    with double() as s:
        c = s.conn()
        for mode, (words, text, fine) in want.items():
            c.call("TEST", "MODE", mode)
            equal("MODE", c.call("TEST", "MODE"), mode.encode())
            check(str(ask(c, *words)).startswith(text), "%s: %r" % (mode, ask(c, *words)))
            if mode != "BUSY":
                check(not str(ask(c, *fine)).startswith(text[:6]), "%s allows %r: %r" % (mode, fine, ask(c, *fine)))
        c.call("TEST", "MODE", "normal")
        c.call("MULTI")
        c.call("SET", "k", 1)
        s.conn().call("TEST", "MODE", "READONLY")
        check(str(ask(c, "EXEC")).startswith("EXECABORT"), "EXEC of writes")
        c.call("TEST", "MODE", "NORMAL")
        equal("normal again", c.call("SET", "k", 1), b"OK")
        check(ask(c, "TEST", "MODE", "WHAT").startswith("ERR"), "an unknown one")


@case
def what_cannot_be_is_refused():
    with double() as s:
        c = s.conn()
        for words in (("DELAY",), ("DELAY", "x"), ("ERROR",), ("ERROR", "a\r\n-b"), ("COMMAND", "get"), ("RATE", 0),
                      ("SLICE", 1), ("SLICE", 1, 0), ("CLOSE",), ("CLOSE", "NOW"), ("REFUSE",), ("ACCEPT", "HANG"),
                      ("ACCEPT", "KEY", "k", "REFUSE"), ("TIMES", 0, "HANG"), ("PROBABILITY", 2, "HANG"),
                      ("PROBABILITY", "nan", "HANG"), ("HANG", "HANG"), ("NAME",)):
            check(str(ask(c, "TEST", "FAULT", "ADD", *words)).startswith("ERR"), "%r is accepted" % (words,))
        equal("none was added", c.call("TEST", "FAULT", "LIST"), [])
        equal("REMOVE", c.call("TEST", "FAULT", "REMOVE", "x"), 0)


@case
def clients_that_go_meanwhile():
    """Whatever a fault has done to it, a client may go at any time, and the server stays."""
    with double("--appendonly", "yes") as s:
        c = s.conn()
        c.call("SET", "k", "x" * 100)
        for how in (("DELAY", 20), ("HANG",), ("SLICE", 1, 1), ("RATE", 50), ("CLOSE", "AFTER"), ("DROP",), ("HALF", 9)):
            fault(c, "NAME", "f", "CLIENT", "x", *how)
            for command in (b"GET k\r\n", b"BLPOP q 0\r\n", b"SET k v\r\nGET k\r\n", b"MULTI\r\nGET k\r\nEXEC\r\n"):
                for kill in (True, False):
                    w = s.conn()
                    w.call("CLIENT", "SETNAME", "x")
                    number = [l for l in c.call("CLIENT", "LIST").decode().splitlines() if " name=x " in l][-1]
                    w.send(command)
                    if kill:
                        c.call("CLIENT", "KILL", "ID", int(number.split("=")[1].split()[0]))
                    w.close()
                    c.call("RPUSH", "q", 1)
                    c.call("DEL", "q")
        c.call("TEST", "FAULT", "CLEAR")
        wait_for(lambda: c.info("clients")["connected_clients"] == "1", "they are gone")
        equal("it serves", c.call("SET", "k", 1), b"OK")


if __name__ == "__main__":
    sys.exit(run_words("fault", CASES))
