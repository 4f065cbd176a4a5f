#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""disk - TEST CRASH and TEST DISK: durability as a test case.

  disk.py [WORD...]: only the cases with one of the words in their names
"""
import os
import shutil
import subprocess
import sys
import tempfile

from doubles import Cases, Closed, Server, ask, check, closed, double, equal, heard_by, run_words, wait_for
from resp import Conn
from server import SERVER

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
def the_answer_arrives_from_every_backend():
    for args in ((), ("--io-threads", "3"), ("--io-backend", "epoll")):
        with double(*args) as s:
            for _ in range(20):
                equal("%s" % (args,), s.conn().ask("TEST", "CRASH"), ["+", "OK"])


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


def children(pid):
    """The processes that have this parent."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % name) as f:
                stat = f.read().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it has ended
        if int(stat[1]) == pid:
            found.append(name)
    return found


@case
def children_die_with_it():
    for args, words in (((), ("BGSAVE",)), (("--appendonly", "yes"), ("BGSAVE",)), (("--appendonly", "yes"), ("BGREWRITEAOF",))):
        with double("--rdb-key-save-delay", "10000", *args) as s:
            c = s.conn()
            c.pipeline([("SET", "k%d" % i, i) for i in range(3000)])
            c.call(*words)
            wait_for(lambda: children(s.proc.pid), "a child")
            c = crash(s, c)
            equal("%s %s" % (args, words), children(s.proc.pid), [])


@case
def scripts_before_it_do_no_harm_after_it():
    with double() as s:
        c = s.conn()
        for _ in range(3):
            c.call("EVAL", "for i = 1, 100000 do local x = i end return 1", 0)
            c = crash(s, c)
            c.pipeline([("SET", "k%d" % i, i) for i in range(100000)])
            equal("keys", c.call("DBSIZE"), 100000)


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
def names_relative_to_where_it_was_started_hold():
    """The server is in `dir` by then, and its configuration and its `dir` are named from elsewhere."""
    root = tempfile.mkdtemp(prefix="stet-crash-")
    os.makedirs(os.path.join(root, "data"))
    with open(os.path.join(root, "my.conf"), "w") as f:
        f.write("port 0\nport auto\nport-file %s/port\nsave ''\ndir data\nappendonly yes\nenable-test-commands yes\n"
                % root)
    proc = subprocess.Popen([SERVER, "my.conf"], cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: os.path.exists(os.path.join(root, "port")), "the port file")
        with open(os.path.join(root, "port")) as f:
            port = int(f.read())
        for i in range(3):
            c = Conn(port)
            equal("before", ask(c, "GET", "k"), b"%d" % (i - 1) if i else None)
            c.call("SET", "k", i)
            c.call("WAITAOF", 1, 0, 0)
            equal("answer", c.call("TEST", "CRASH", "SYNCED"), b"OK")
            wait_for(lambda: proc.poll() is not None or answers(port), "the server")
            equal("it lives", proc.poll(), None)
    finally:
        proc.kill()
        proc.wait()
        shutil.rmtree(root)


def answers(port):
    try:
        return ask(Conn(port), "DBSIZE") == 1
    except (Closed, OSError):
        return False


@case
def a_crash_while_the_log_is_rewritten():
    with double("--appendonly", "yes", "--appendfsync", "always") as s:
        c = s.conn()
        for i in range(15):
            c.call("SET", "k", i)
            c.call("BGREWRITEAOF")
            c = crash(s, c, "SYNCED")
            equal("k", c.call("GET", "k"), b"%d" % i)


@case
def a_crash_ends_the_child_that_writes_files():
    """It would publish old data after the crash, and hold the connections open."""
    for command in ("BGREWRITEAOF", "BGSAVE"):
        with double("--appendonly", "yes", "--rdb-key-save-delay", "10000000") as s:
            c, other = s.conn(), s.conn()
            c.pipeline([("SET", "k%d" % i, i) for i in range(300)])
            children = "/proc/%d/task/%d/children" % (s.proc.pid, s.proc.pid)
            c.call(command)
            wait_for(lambda: open(children).read(), "the child")
            c = crash(s, c)
            check(closed(other, "PING"), "another connection is cut off")
            equal("children after " + command, open(children).read(), "")
            equal("keys", c.call("DBSIZE"), 300)


@case
def the_answer_comes_before_the_crash():
    """Also if threads or io_uring send it."""
    for backend in ((), ("--io-backend", "epoll"), ("--io-threads", "3")):
        with double(*backend) as s:
            c = s.conn()
            for _ in range(30):
                c = crash(s, c)


@case
def the_environment_cuts_no_file_of_another_server():
    """What a crash tells the process that follows is for test doubles only."""
    with Server(start=False) as s:
        path = os.path.join(s.dir, "precious")
        with open(path, "w") as f:
            f.write("x" * 100)
        s.env = {"STET_AGAIN_CUT": "10 " + path, "STET_AGAIN_LISTENERS": "0:99:0"}
        s.start()
        equal("size", os.path.getsize(path), 100)
    with double(start=False) as s:
        path = os.path.join(s.dir, "short")
        with open(path, "w") as f:
            f.write("x" * 5)
        s.env = {"STET_AGAIN_CUT": "10 " + path}
        s.start()
        equal("nothing is made longer", os.path.getsize(path), 5)


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
