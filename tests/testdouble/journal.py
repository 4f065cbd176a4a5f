#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""journal - TEST JOURNAL: what clients sent, and how it was answered.

  journal.py [WORD...]   the cases with one of the words in their names
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from doubles import Cases, check, double, equal, run_words  # noqa: E402
from words import ask, call  # noqa: E402
from resp import encode  # noqa: E402

CASES = Cases()


def journal(c, *filter):
    return call(c, "TEST", "JOURNAL", "GET", *filter)


def commands(c, *filter):
    return [e["command"] for e in journal(c, *filter)]


@CASES.case
def what_was_sent_is_there_in_order():
    with double() as s:
        c = s.conn(proto=3)
        call(c, "SET", "before", "1")
        equal("start", call(c, "TEST", "JOURNAL", "START"), "OK")
        call(c, "CLIENT", "SETNAME", "worker")
        call(c, "SET", "k", "v")
        call(c, "SELECT", "3")
        call(c, "GET", "none")
        ask(c, "LPUSH")
        ask(c, "NOSUCH", "arg")
        call(c, "TEST", "JOURNAL", "STOP")
        call(c, "SET", "after", "1")
        got = journal(c)
        equal("commands", [e["command"] for e in got],
              [["CLIENT", "SETNAME", "worker"], ["SET", "k", "v"], ["SELECT", "3"], ["GET", "none"],
               ["LPUSH"], ["NOSUCH", "arg"]])
        equal("replies", [e["reply"] for e in got],
              ["status", "status", "status", "null", "ERR wrong number of arguments for 'lpush' command",
               "ERR unknown command 'NOSUCH', with args beginning with: 'arg' "])
        equal("databases", [e["db"] for e in got], [0, 0, 0, 3, 3, 3])
        equal("names", {e["name"] for e in got}, {"worker"})
        equal("clients", {e["client"] for e in got}, {call(c, "CLIENT", "ID")})
        check(all(e["us"] >= 0 for e in got), "durations")
        now = call(c, "TEST", "CLOCK", "GET")["unix-ms"]
        check(all(0 <= now - e["at"] < 600000 for e in got), "times")
        equal("clear", call(c, "TEST", "JOURNAL", "CLEAR"), "OK")
        equal("empty", journal(c), [])


@CASES.case
def kinds_of_replies_in_both_protocols():
    sent = [(["PING"], "status", "status"), (["STRLEN", "s"], "integer", "integer"), (["GET", "s"], "bulk", "bulk"),
            (["GET", "x"], "null", "null"), (["KEYS", "*"], "array", "array"),
            (["HGETALL", "h"], "array", "map"), (["SMEMBERS", "set"], "array", "set"),
            (["ZSCORE", "z", "a"], "bulk", "double"), (["INCR", "s"], "ERR value is not an integer or out of range",
             "ERR value is not an integer or out of range"),
            (["LPOP", "none", "1"], "null", "null"), (["SUBSCRIBE", "ch"], "array", "push")]
    for proto in (2, 3):
        with double() as s:
            c, other = s.conn(proto=proto), s.conn(proto=3)
            call(c, "SET", "s", "x")
            call(c, "HSET", "h", "f", "v")
            call(c, "SADD", "set", "a")
            call(c, "ZADD", "z", "1", "a")
            call(other, "TEST", "JOURNAL", "START")
            for words, _, _ in sent:
                ask(c, *words)
            equal("kinds in RESP%d" % proto, [e["reply"] for e in journal(other)],
                  [kinds[proto - 2] for _, *kinds in sent])


@CASES.case
def filters():
    with double() as s:
        a, b = s.conn(proto=3), s.conn(proto=3)
        call(a, "CLIENT", "SETNAME", "mailer-1")
        call(a, "TEST", "JOURNAL", "START")
        call(a, "SET", "user:1", "x")
        call(a, "MGET", "user:1", "order:7")
        call(b, "GET", "order:7")
        ask(b, "LPUSH", "user:1", "y")
        call(b, "CONFIG", "GET", "maxmemory")
        call(b, "get", "user:1")

        def count(*f):
            return call(a, "TEST", "JOURNAL", "COUNT", *f)
        equal("all", count(), 6)
        equal("a command in any case", count("COMMAND", "GET"), 2)
        equal("a pattern, of a subcommand too", count("COMMAND", "*GET"), 4)
        equal("a container", count("COMMAND", "config"), 1)
        equal("a subcommand", count("COMMAND", "config|get"), 1)
        equal("a key anywhere", count("KEY", "order:*"), 2)
        equal("no key", count("KEY", "maxmemory"), 0)
        equal("a client", count("CLIENT", "mailer-*"), 2)
        equal("unnamed clients", count("CLIENT", ""), 4)
        equal("an error", count("REPLY", "WRONGTYPE*"), 1)
        equal("two conditions", count("COMMAND", "get", "KEY", "user:*"), 1)
        equal("the newest", commands(a, "LIMIT", "2"), [["CONFIG", "GET", "maxmemory"], ["get", "user:1"]])
        equal("a wrong word", ask(a, "TEST", "JOURNAL", "GET", "WHO", "x"), "ERR syntax error")
        equal("no value", ask(a, "TEST", "JOURNAL", "GET", "KEY"), "ERR syntax error")
        equal("a wrong limit", ask(a, "TEST", "JOURNAL", "GET", "LIMIT", "-1"), "ERR LIMIT is not a count of entries")
        equal("a wrong subcommand", ask(a, "TEST", "JOURNAL", "LOOK"), "ERR syntax error")


@CASES.case
def a_blocked_command_is_completed_by_its_answer():
    with double() as s:
        c, other = s.conn(proto=3), s.conn(proto=3)
        call(other, "TEST", "JOURNAL", "START")
        c.send(encode(["BLPOP", "q", "0"]))
        call(other, "TEST", "WAIT", "BLOCKED", "q")
        equal("while it waits", [e["reply"] for e in journal(other, "COMMAND", "BLPOP")], ["none"])
        call(other, "RPUSH", "q", "job")
        equal("the answer", c.read()[0], "*")
        equal("afterwards", [e["reply"] for e in journal(other, "COMMAND", "BLPOP")], ["array"])
        c.send(encode(["BLPOP", "q", "0.01"]))
        c.read()
        equal("timed out", [e["reply"] for e in journal(other, "COMMAND", "BLPOP")], ["array", "null"])
        c.send(encode(["BLPOP", "q", "0"]))
        call(other, "TEST", "WAIT", "BLOCKED", "q")
        call(other, "CLIENT", "UNBLOCK", journal(other, "COMMAND", "BLPOP")[0]["client"], "ERROR")
        c.read()
        check(journal(other, "COMMAND", "BLPOP")[2]["reply"].startswith("UNBLOCKED"), "unblocked with an error")
        c.send(encode(["BLPOP", "q", "0"]))
        call(other, "TEST", "WAIT", "BLOCKED", "q")
        c.close()
        call(other, "TEST", "WAIT", "CLIENTS", "1")
        equal("a client that has gone", journal(other, "COMMAND", "BLPOP")[3]["reply"], "none")
        equal("the command of another client", call(other, "TEST", "JOURNAL", "COUNT", "COMMAND", "rpush"), 1)


@CASES.case
def transactions_scripts_and_pipelines():
    with double() as s:
        c = s.conn(proto=3)
        c.send(encode(["TEST", "JOURNAL", "START"]) + b"".join(
            encode(["SET", "k%d" % i, "v" * 3000]) for i in range(500)) + encode(["MULTI"]) +
            encode(["INCR", "n"]) + encode(["EXEC"]) + encode(["EVAL", "return redis.call('incr', KEYS[1])", "1", "n"]))
        for _ in range(505):
            c.read()
        got = journal(c)
        equal("so many", len(got), 504)
        equal("all of the pipeline", {e["reply"] for e in got[:500]}, {"status"})
        equal("a transaction", [(e["command"][0], e["reply"]) for e in got[500:]],
              [("MULTI", "status"), ("INCR", "status"), ("EXEC", "array"), ("EVAL", "integer")])


@CASES.case
def secrets_are_not_kept():
    with double() as s:
        c = s.conn(proto=3)
        call(c, "ACL", "SETUSER", "ada", "on", ">first", "+@all", "~*")
        call(c, "ACL", "SETUSER", "bob", "on", ">second", "-@all")
        call(c, "TEST", "JOURNAL", "START")
        ask(c, "AUTH", "ada", "topsecret")
        ask(c, "AUTH", "ada", "first")
        ask(c, "HELLO", "3", "AUTH", "ada", "first")
        ask(c, "CONFIG", "SET", "masterauth", "topsecret")
        ask(c, "ACL", "SETUSER", "eve", "on", ">topsecret")
        ask(c, "CONFIG", "SET", "masterauth")
        bob = s.conn(proto=3)
        ask(bob, "AUTH", "bob", "second")
        ask(bob, "ACL", "SETUSER", "eve", "on", ">topsecret")
        ask(bob, "MIGRATE", "h", "1", "k", "0", "10", "AUTH", "topsecret")
        text = repr(journal(c))
        for secret in ("topsecret", "first", "second"):
            check(secret not in text, "%s in %s" % (secret, text))
        check("(redacted)" in text, "it says so")
        equal("all are there", call(c, "TEST", "JOURNAL", "COUNT"), 10)


@CASES.case
def the_ring_is_bounded():
    with double() as s:
        c = s.conn(proto=3)
        call(c, "TEST", "JOURNAL", "START")
        for _ in range(101):
            c.send(encode(["PING"]) * 1000)
            for _ in range(1000):
                c.read()
        info = call(c, "TEST", "JOURNAL", "INFO")
        equal("entries", (info["entries"], info["dropped"]), (100000, 1000))
        call(c, "TEST", "JOURNAL", "CLEAR")
        for i in range(80):
            call(c, "MSET", *["%s%d" % ("x" * 30000, i) if n % 2 else "k%d" % n for n in range(100)])
        info = call(c, "TEST", "JOURNAL", "INFO")
        check(info["bytes"] <= 64 << 20 and info["dropped"] > 0, "bytes are bounded: %r" % info)
        call(c, "TEST", "JOURNAL", "CLEAR")
        call(c, "SET", "large", "x" * 200000)
        call(c, "SADD", "many", *map(str, range(60000)))
        large, many = journal(c)
        equal("a long argument is cut", len(large["command"][2]), 65536)
        check(many["command"][-1].endswith("more arguments)"), "many arguments are cut")
        check(call(c, "TEST", "JOURNAL", "INFO")["bytes"] < 3 << 20, "what two entries take")


@CASES.case
def faults_reset_and_a_stopped_journal():
    with double() as s:
        c = s.conn(proto=3)
        call(c, "SET", "k", "v")
        equal("stopped", call(c, "TEST", "JOURNAL", "COUNT"), 0)
        call(c, "TEST", "FAULT", "ADD", "COMMAND", "GET", "TIMES", "1", "ERROR", "OOPS made up")
        call(c, "TEST", "JOURNAL", "START")
        ask(c, "GET", "k")
        equal("what a fault answers is a reply", [e["reply"] for e in journal(c)], ["OOPS made up"])
        call(c, "TEST", "FAULT", "ADD", "COMMAND", "GET", "TIMES", "1", "DELAY", "20")
        equal("a delayed command", call(c, "GET", "k"), "v")
        equal("is there once", call(c, "TEST", "JOURNAL", "COUNT", "COMMAND", "get"), 2)
        call(c, "TEST", "RESET")
        equal("reset", call(c, "TEST", "JOURNAL", "INFO"), {"on": 0, "entries": 0, "bytes": 0, "dropped": 0})


@CASES.case
def an_error_of_a_fault_is_not_sent_to_a_silent_client():
    with double() as s:
        c = s.conn(proto=3)
        call(c, "TEST", "FAULT", "ADD", "COMMAND", "GET", "ERROR", "OOPS made up")
        c.send(encode(["CLIENT", "REPLY", "OFF"]) + encode(["GET", "k"]) + encode(["CLIENT", "REPLY", "ON"]))
        equal("the first reply", c.read(), ["+", "OK"])


sys.exit(run_words("journal", CASES))
