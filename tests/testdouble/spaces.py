#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""spaces - TEST SPACE: connections that live in servers of their own, and do not see one another.

  spaces.py [WORD...]   the cases with one of the words in their names
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from doubles import Cases, check, double, equal, run_words  # noqa: E402
from words import ask, call, text  # noqa: E402
from resp import Closed, encode, value  # noqa: E402
from server import wait_for  # noqa: E402

CASES = Cases()


def space(s, name, **kw):
    c = s.conn(**kw)
    equal("TEST SPACE", call(c, "TEST", "SPACE", name), "OK")
    return c


def fields(c, section):
    return {k: v for k, v in (x.split(":", 1) for x in call(c, "INFO", section).split("\r\n") if ":" in x)}


@CASES.case
def each_has_its_own_data_and_connections_come_and_go():
    with double() as s:
        a, b, first = space(s, "a"), space(s, "b"), s.conn()
        for c, name in ((a, "a"), (b, "b"), (first, "")):
            equal("the name", call(c, "TEST", "SPACE"), name)
            call(c, "SET", "k", "of " + name)
            call(c, "SELECT", "5")
            call(c, "SET", "five", name)
        for c, name in ((a, "a"), (b, "b"), (first, "")):
            equal("the value", call(c, "GET", "five"), name)
            equal("how many", call(c, "DBSIZE"), 1)
        equal("both", call(first, "TEST", "SPACES"), ["a", "b"])
        equal("back", call(a, "TEST", "SPACE", ""), "OK")
        equal("database 0", call(a, "GET", "k"), "of ")
        equal("a again", (call(a, "TEST", "SPACE", "a"), call(a, "GET", "k")), ("OK", "of a"))
        a.send(encode(["TEST", "SPACE", "b"]) + encode(["GET", "k"]) + encode(["TEST", "SPACE", ""]) + encode(["GET", "k"]))
        equal("in a pipeline", [text(value(a.read())) for _ in range(4)], ["OK", "of b", "OK", "of "])
        call(first, "FLUSHALL")
        equal("b is left alone", call(b, "DBSIZE"), 1)


@CASES.case
def a_space_that_is_dropped_goes_with_its_last_client():
    with double() as s:
        first, a = s.conn(), space(s, "a")
        call(a, "SET", "k", "v")
        equal("drop", call(first, "TEST", "SPACE", "a", "DROP"), "OK")
        equal("it is not listed", call(first, "TEST", "SPACES"), [])
        equal("its client goes on", call(a, "GET", "k"), "v")
        a.close()
        call(first, "TEST", "WAIT", "IDLE")
        wait_for(lambda: call(first, "PING") and ask(space(s, "a"), "DBSIZE") == 0, "a new space")
        check(ask(first, "TEST", "SPACE", "none", "DROP").startswith("ERR There is no space"), "unknown")
        a = space(s, "a")
        call(a, "SET", "k", "v")
        call(first, "TEST", "SPACE", "a", "DROP")
        equal("whoever names it keeps it", call(space(s, "a"), "GET", "k"), "v")


@CASES.case
def errors():
    with double() as s:
        c = s.conn()
        for words in (["a", "b"], ["a", "USER"], ["a", "DROP", "x"], ["a", "USER", "u", "x"]):
            equal("TEST SPACE %s" % words, ask(c, "TEST", "SPACE", *words), "ERR syntax error")
        check("too long" in ask(c, "TEST", "SPACE", "x" * 129), "a long name")
        check("zero byte" in ask(c, "TEST", "SPACE", "x\0y"), "a zero byte")
        call(c, "MULTI")
        check("inside a transaction" in ask(c, "TEST", "SPACE", "a"), "in a transaction")
        call(c, "DISCARD")
        check(ask(c, "EVAL", "return redis.call('test', 'space', 'a')", "0").startswith("ERR"), "in a script")
        a = space(s, "a")
        for words in ("save|bgsave|bgrewriteaof|replicaof no one|slaveof h 1|failover|sync|psync ? -1|replconf ack 1|"
                      "backup list|debug reload|debug loadaof|debug change-repl-id").split("|"):
            check("not available in a space" in ask(a, *words.split()), words)
        equal("role", call(a, "ROLE"), ["master", 0, []])
        equal("wait", call(a, "WAIT", "0", "10"), 0)
        equal("the role in the first one", call(c, "ROLE")[0], "master")
        check("ERR" in ask(a, "WAITAOF", "1", "0", "0"), "no AOF")


@CASES.case
def what_a_connection_leaves_behind_when_it_moves():
    with double() as s:
        c, other = s.conn(proto=3), s.conn()
        call(other, "CONFIG", "SET", "notify-keyspace-events", "KEA")
        c.call("SUBSCRIBE", "news")
        call(c, "CLIENT", "TRACKING", "ON", "BCAST")
        call(c, "WATCH", "k")
        call(c, "CLIENT", "SETNAME", "me")
        before = call(c, "CLIENT", "ID")
        call(c, "TEST", "SPACE", "a")
        equal("its number and name stay", (call(c, "CLIENT", "ID"), call(c, "CLIENT", "GETNAME")), (before, "me"))
        equal("no channel", call(other, "PUBSUB", "CHANNELS"), [])
        equal("no message", call(other, "PUBLISH", "news", "x"), 0)
        call(other, "SET", "k", "1")
        equal("nothing was heard", text(c.unread()), "")
        equal("clients of the first", fields(other, "clients")["connected_clients"], "1")
        equal("tracking", fields(other, "clients")["tracking_clients"], "0")
        equal("watching", fields(other, "clients")["watching_clients"], "0")
        monitor = s.conn()
        call(monitor, "MONITOR")
        monitor.send(encode(["TEST", "SPACE", "b"]))
        equal("a monitor can move", text(monitor.read()[1]), "OK")
        call(other, "GET", "k")
        equal("and sees nothing", text(monitor.unread()), "")


@CASES.case
def a_user_is_bound_to_a_space():
    with double() as s:
        c = s.conn()
        call(c, "ACL", "SETUSER", "ada", "on", ">pw", "+@all", "~*", "&*")
        equal("bind", call(c, "TEST", "SPACE", "hers", "USER", "ada"), "OK")
        ada = s.conn()
        ada.send(encode(["SET", "k", "first"]) + encode(["AUTH", "ada", "pw"]) + encode(["SET", "k", "hers"]) +
                 encode(["TEST", "SPACE"]) + encode(["GET", "k"]))
        equal("moved before the next command", [text(value(ada.read())) for _ in range(5)],
              ["OK", "OK", "OK", "hers", "hers"])
        equal("the first is left alone", call(c, "GET", "k"), "first")
        hello = s.conn()
        hello.call("HELLO", "3", "AUTH", "ada", "pw")
        equal("HELLO too", call(hello, "GET", "k"), "hers")
        equal("a wrong password", ask(s.conn(), "AUTH", "ada", "no")[:9], "WRONGPASS")
        call(hello, "TEST", "SPACE", "")
        equal("it may move on", call(hello, "GET", "k"), "first")
        call(hello, "AUTH", "ada", "pw")
        equal("and is moved again", call(hello, "GET", "k"), "hers")
        multi = s.conn()
        multi.send(encode(["MULTI"]) + encode(["AUTH", "ada", "pw"]) + encode(["EXEC"]) + encode(["GET", "k"]))
        equal("in a transaction", [text(value(multi.read())) for _ in range(4)][3], "hers")
        call(c, "TEST", "SPACE", "other", "USER", "ada")
        call(ada, "AUTH", "ada", "pw")
        equal("bound to another", call(ada, "TEST", "SPACE"), "other")
        call(c, "ACL", "DELUSER", "ada")
        for conn in (ada, hello, multi):
            try:
                ask(conn, "PING")
                check(False, "a client of a deleted user goes on")
            except Closed:
                pass
        call(c, "TEST", "SPACE", "other", "DROP")
        call(c, "ACL", "SETUSER", "ada", "on", ">pw", "+@all", "~*", "&*")
        ada = s.conn()
        call(ada, "AUTH", "ada", "pw")
        equal("the binding went with it", call(ada, "TEST", "SPACE"), "")


@CASES.case
def time_faults_and_fixtures():
    with double() as s:
        a, b, first = space(s, "a", proto=3), space(s, "b"), s.conn()
        for c in (a, b, first):
            call(c, "SET", "k", "v", "PX", "60000")
        waiting = space(s, "b")
        waiting.send(encode(["BLPOP", "none", "30"]))
        call(b, "TEST", "WAIT", "BLOCKED", "none")
        call(a, "TEST", "CLOCK", "FREEZE")
        got = call(a, "TEST", "CLOCK", "ADVANCE", "61000")
        equal("time goes on in all", (got["expired"], got["timed-out"]), (3, 1))
        equal("a client of another space", waiting.read(), ["*", None])
        call(a, "TEST", "CLOCK", "REAL")
        call(a, "TEST", "FAULT", "ADD", "COMMAND", "GET", "ERROR", "OOPS")
        equal("a fault in one", [ask(c, "GET", "k") for c in (a, b, first)], ["OOPS", None, None])
        call(b, "TEST", "MODE", "READONLY")
        check(ask(b, "SET", "k", "1").startswith("READONLY"), "a mode in one")
        equal("and not in others", call(first, "SET", "k", "1"), "OK")
        call(a, "TEST", "FAULT", "CLEAR")
        call(a, "TEST", "FAULT", "ADD", "COMMAND", "GET", "DELAY", "30")
        call(a, "GET", "k")
        call(a, "SET", "k", "fixture")
        equal("a fixture", call(a, "TEST", "SNAPSHOT", "f"), 1)
        call(a, "FLUSHALL")
        check("ERR" in str(ask(first, "TEST", "RESTORE", "f")), "is one space's")
        equal("and comes back", call(a, "TEST", "RESTORE", "f"), 1)
        call(a, "CONFIG", "SET", "maxmemory-samples", "7")
        call(a, "TEST", "RESET")
        equal("a reset leaves others alone", (call(a, "DBSIZE"), call(first, "DBSIZE")), (0, 1))
        equal("and what all have in common", call(a, "CONFIG", "GET", "maxmemory-samples")["maxmemory-samples"], "7")
        call(first, "TEST", "JOURNAL", "START")
        call(a, "PING")
        equal("journals", call(first, "TEST", "JOURNAL", "COUNT"), 0)


@CASES.case
def commands_about_clients_reach_those_of_the_space_only():
    with double() as s:
        a, b, first = space(s, "a"), space(s, "b", proto=3), s.conn()
        waits = space(s, "b")
        waits.send(encode(["BLPOP", "q", "0"]))
        call(b, "TEST", "WAIT", "BLOCKED", "q")
        ids = [call(c, "CLIENT", "ID") for c in (a, b, first)]
        check(len(set(ids)) == 3, "numbers are of the process: %r" % ids)
        equal("kill all but this one", call(a, "CLIENT", "KILL", "TYPE", "normal"), 0)
        equal("kill by number", call(a, "CLIENT", "KILL", "ID", ids[1]), 0)
        equal("unblock", [call(a, "CLIENT", "UNBLOCK", i) for i in range(1, 10)], [0] * 9)
        check("ERR" in ask(a, "CLIENT", "TRACKING", "ON", "REDIRECT", ids[1]), "redirection")
        equal("list", len(call(b, "CLIENT", "LIST").strip().split("\n")), 2)
        call(a, "CLIENT", "PAUSE", "100000", "ALL")
        equal("a pause holds one space", (call(b, "SET", "k", "1"), call(first, "PING")), ("OK", "PONG"))
        call(first, "LPUSH", "q", "x")
        equal("a list of another space", waits.unread(), b"")
        call(b, "LPUSH", "q", "y")
        equal("the one of its own", text(value(waits.read())), ["q", "y"])
        call(b, "CLIENT", "PAUSE", "100000", "WRITE")
        waits.send(encode(["SET", "k", "2"]))
        call(b, "CLIENT", "UNPAUSE")
        equal("after the pause", waits.read(), ["+", "OK"])


@CASES.case
def many_spaces_come_and_go():
    with double() as s:
        first = s.conn()
        used = []
        for _ in range(3):
            conns = [space(s, str(i)) for i in range(150)]
            for i, c in enumerate(conns):
                call(c, "SET", "k", str(i))
                call(c, "EVAL", "return redis.call('get', 'k')", "0")
            equal("listed", len(call(first, "TEST", "SPACES")), 150)
            used.append(int(fields(first, "memory")["used_memory"]))
            for i, c in enumerate(conns):
                call(first, "TEST", "SPACE", str(i), "DROP")
                c.close()
            call(first, "TEST", "WAIT", "CLIENTS", "1")
        check(used[2] < used[0] * 1.5, "memory grows: %r" % used)
        threads = os.listdir("/proc/%d/task" % s.proc.pid)
        check(len(threads) < 20, "threads: %d" % len(threads))
        return "%d KB a space" % ((used[0] - 1000000) // 150 // 1024)


@CASES.case
def configuration_is_common():
    with double() as s:
        a, b = space(s, "a"), space(s, "b", proto=3)
        call(a, "CONFIG", "SET", "notify-keyspace-events", "KEA")
        b.call("PSUBSCRIBE", "__key*")
        c = space(s, "b")
        call(c, "SET", "k", "v")
        equal("events in all spaces", text(value(b.read()))[2:], ["__keyspace@0__:k", "set"])
        call(c, "CONFIG", "SET", "requirepass", "pw")
        check(ask(s.conn(), "PING").startswith("NOAUTH"), "requirepass")


@CASES.case
def files_and_other_servers_hold_the_first_space_only():
    with double("--appendonly", "yes") as s:
        first, a = s.conn(), space(s, "a")
        call(first, "SET", "here", "1")
        call(a, "SET", "there", "1")
        call(a, "EVAL", "redis.call('set', 'there2', '1')", "0")
        call(a, "CONFIG", "SET", "appendonly", "no")
        call(a, "CONFIG", "SET", "appendonly", "yes")
        wait_for(lambda: fields(first, "persistence")["aof_rewrite_in_progress"] == "0", "the AOF")
        s.stop()
        s.start()
        c = s.conn()
        equal("what is left", call(c, "KEYS", "*"), ["here"])
        equal("no spaces", call(c, "TEST", "SPACES"), [])


@CASES.case
def a_script_that_runs_for_long_holds_up_other_spaces():
    with double("--busy-reply-threshold", "10") as s:
        a, killer, b = space(s, "a"), space(s, "a"), space(s, "b")
        a.send(encode(["EVAL", "while true do end", "0"]))
        wait_for(lambda: ask(killer, "PING").startswith("BUSY"), "the script is slow")
        b.send(encode(["PING"]))
        equal("killed", call(killer, "SCRIPT", "KILL"), "OK")
        equal("it ended", a.read()[0], "-")
        equal("another space has its answer", b.read(), ["+", "PONG"])
        equal("and goes on", call(a, "PING"), "PONG")
        a.send(encode(["EVAL", "while true do end", "0"]))
        wait_for(lambda: ask(killer, "PING").startswith("BUSY"), "the script is slow")
        equal("SIGTERM ends it", s.terminate(), 0)


@CASES.case
def limits_and_idle_clients_are_of_the_process():
    with double("--maxclients", "5") as s:
        conns = [space(s, str(i)) for i in range(4)]
        last = s.conn()
        call(last, "PING")
        check("max number of clients" in str(ask(s.conn(), "PING")), "maxclients")
        call(last, "CONFIG", "SET", "timeout", "1")

        def closed():
            call(last, "PING")
            try:
                conns[0].sock.settimeout(0.01)
                return conns[0].sock.recv(1) == b""
            except TimeoutError:
                return False
        wait_for(closed, "an idle client of a space is closed")
        call(last, "CONFIG", "SET", "timeout", "0")


sys.exit(run_words("spaces", CASES))
