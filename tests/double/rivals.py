#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""rivals - what other test doubles and fault proxies offer, and its counterpart here: the rows of "Coming from another
double" in docs/testing.md. A case for each row; the first case checks that each row of the table names one of them.

  rivals.py           all cases
  rivals.py fault     only those with this in their names

A case whose TEST subcommand this server does not have says so in a line `skipped`, and is not counted.
"""
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
from cases import Cases, ask, check, equal, run_words  # noqa: E402
from resp import Closed, encode  # noqa: E402
from server import BIN, ROOT, Server, wait_for  # noqa: E402

CASES = Cases()


class Double(Server):
    """With time that stands still."""

    def __init__(self, *args):
        super().__init__("--enable-test-commands", "yes", *args)
        self.control = self.conn()
        self.test("CLOCK", "FREEZE")

    def test(self, *words):
        return self.control.call("TEST", *words)

    def fault(self, *words):
        return self.test("FAULT", "ADD", *words)

    def wait_hit(self, n=1):
        """Until faults have acted n times: the command that they wait for has come."""
        def hits():
            return sum(row[row.index(b"hits") + 1] for row in self.test("FAULT", "LIST"))
        wait_for(lambda: hits() >= n, "a fault acts")

    def advance(self, ms):
        return self.test("CLOCK", "ADVANCE", ms)


def case(f):
    """A case gets a server."""
    def with_server():
        with Double() as d:
            return f(d)
    CASES[f.__name__] = with_server
    return f


NEEDS = {}  # name of a case: the subcommand of TEST that is still being built


def case_of(subcommand):
    def wrap(f):
        NEEDS[f.__name__] = subcommand
        return case(f)
    return wrap


def leave_out():
    """Cases of subcommands that this server does not have."""
    with Double() as d:
        for name, subcommand in NEEDS.items():
            if "unknown subcommand" in str(ask(d.control, "TEST", subcommand)):
                print("skipped %s: this server has no TEST %s" % (name, subcommand))
                del CASES[name]


def read_part(c):
    """The bytes that have come, at least one; b"": closed."""
    try:
        return c.sock.recv(1 << 16)
    except ConnectionResetError:
        return b""


def has_nothing(c):
    return c.unread() in (None, b"") and not c.buf[c.pos:]


# ---------------------------------------------------------------- the table

def the_table_names_these_cases():
    text = open(os.path.join(ROOT, "docs", "testing.md"), encoding="utf-8").read()
    section = text.partition("## Coming from another double")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    named = []
    for row in rows:
        names = re.findall(r"`rivals\.py (\w+)`", row)
        check(names, "no case: %s" % row)
        named += names
    here = {*CASES, *NEEDS} - {"the_table_names_these_cases"}
    equal("cases in the table", sorted(set(named)), sorted(here))
    check(len(rows) >= 20, "%d rows" % len(rows))


CASES["the_table_names_these_cases"] = the_table_names_these_cases


# ---------------------------------------------------------------- miniredis

@case
def fast_forward(d):
    c = d.conn()
    c.call("SET", "k", "v", "PX", 5000)
    d.advance(4999)
    equal("before", c.call("GET", "k"), b"v")
    equal("expired", d.advance(1)[:2], [b"expired", 1])
    equal("after", c.call("GET", "k"), None)


@case
def set_time(d):
    d.test("CLOCK", "FREEZE", 1000000000123)
    equal("TIME", d.conn().call("TIME"), [b"1000000000", b"123000"])
    d.test("CLOCK", "SET", 2000000000000)
    equal("TIME", d.conn().call("TIME"), [b"2000000000", b"0"])


@case
def set_error(d):
    c = d.conn()
    d.fault("ERROR", "BOOM all of them")
    equal("GET", ask(c, "GET", "k"), "BOOM all of them")
    equal("removed", d.test("FAULT", "CLEAR"), 1)
    equal("GET", c.call("GET", "k"), None)


@case
def seed(d):
    c = d.conn()
    c.call("SADD", "s", *range(100))
    said = []
    for _ in range(2):
        d.test("SEED", 7)
        said.append([c.call("SRANDMEMBER", "s") for _ in range(20)])
    equal("the same members", said[0], said[1])
    check(len(set(said[0])) > 5, "they differ among themselves")


@case
def dump(d):
    c = d.conn()
    c.call("SET", "k", "v")
    c.call("RPUSH", "l", "a", "b")
    c.call("SAVE")
    said = subprocess.run([os.path.join(BIN, "stet-check-rdb"), "--json", os.path.join(d.dir, "dump.rdb")],
                          capture_output=True, text=True)
    told = json.loads(said.stdout)
    equal("keys", {(row["key"], row["type"]) for row in told["largest"]}, {("k", "string"), ("l", "list")})
    equal("databases", told["databases"], {"0": 2})


@case
def restart(d):
    """A double of its own: its data has to be on the disk."""
    with Double("--appendonly", "yes", "--appendfsync", "always") as d:
        d.conn().call("SET", "k", "v")
        d.test("CRASH", "SYNCED")
        equal("GET", d.conn().call("GET", "k"), b"v")


# ---------------------------------------------------------------- ioredis-mock, fakeredis, jedis-mock

@case
def set_up_data(d):
    c = d.conn()
    c.call("MSET", "user:1", "a", "user:2", "b")
    equal("keys", d.test("SNAPSHOT", "fixture"), 2)
    for _ in range(2):
        c.call("FLUSHALL")
        c.call("SET", "user:3", "c")
        equal("keys", d.test("RESTORE", "fixture"), 2)
        equal("data", [c.call("GET", "user:1"), c.call("GET", "user:3")], [b"a", None])


@case
def flush_between_tests(d):
    c = d.conn()
    c.call("SET", "k", "v")
    c.call("SCRIPT", "LOAD", "return 1")
    d.fault("ERROR", "BOOM")
    d.test("RESET")
    equal("DBSIZE", d.conn().call("DBSIZE"), 0)
    equal("faults", d.test("FAULT", "LIST"), [])


@case_of("PROFILE")
def version_profiles(d):
    d.test("PROFILE", "redis-6.2")
    c = d.conn()
    c.call("HSET", "h", "f", "v")
    check("ERR" in str(ask(c, "HPEXPIRE", "h", 1, "FIELDS", 1, "f")), "a command of 7.4 is known")
    equal("an older one", c.call("GET", "k"), None)


@case
def not_connected(d):
    d.fault("ACCEPT", "REFUSE")
    try:
        said = ask(d.conn(timeout=10), "PING")
    except (Closed, OSError):
        said = "closed"
    check(said == "closed", "answered: %r" % said)
    d.test("FAULT", "CLEAR")
    equal("PING", d.conn().call("PING"), b"PONG")


@case
def interceptor_answers_for_a_command(d):
    d.fault("COMMAND", "get", "KEY", "user:*", "TIMES", 1, "ERROR", "ERR intercepted")
    c = d.conn()
    equal("another key", c.call("GET", "k"), None)
    equal("this key", ask(c, "GET", "user:1"), "ERR intercepted")
    equal("once", c.call("GET", "user:1"), None)


@case_of("JOURNAL")
def interceptor_sees_commands(d):
    d.test("JOURNAL", "START")
    c = d.conn()
    c.call("SET", "user:1", "a")
    c.call("GET", "user:1")
    equal("count", d.test("JOURNAL", "COUNT", "COMMAND", "set"), 1)
    row = d.test("JOURNAL", "GET", "COMMAND", "get")[0]
    check(b"user:1" in row[row.index(b"command") + 1], "%r" % row)


# ---------------------------------------------------------------- Toxiproxy

def pending(d, *words):
    """A client that has sent a command which a fault keeps."""
    c = d.conn()
    c.send(encode(words))
    d.wait_hit()
    check(has_nothing(c), "it is answered")
    return c


@case
def toxic_latency(d):
    d.fault("COMMAND", "get", "DELAY", 5000, "JITTER", 1000)
    c = pending(d, "GET", "k")
    d.advance(4999)
    check(has_nothing(c), "it is answered too early")
    d.advance(1001)
    equal("reply", c.read(), ["$", None])


@case
def toxic_down(d):
    c = d.conn()
    d.fault("ACCEPT", "REFUSE")
    d.fault("CLOSE", "BEFORE")
    c.send(encode(["SET", "k", "v"]))
    equal("closed", read_part(c), b"")
    d.test("FAULT", "CLEAR")
    equal("not executed", d.conn().call("GET", "k"), None)


@case
def toxic_bandwidth(d):
    d.conn().call("SET", "k", "x" * 93)  # with its framing 100 bytes
    d.fault("COMMAND", "get", "RATE", 50)
    c = d.conn()
    c.send(encode(["GET", "k"]))
    d.wait_hit()
    d.advance(1000)
    got = read_part(c)
    check(0 < len(got) <= 60, "%d bytes in the first second" % len(got))
    d.advance(2000)
    while len(got) < 100:
        more = read_part(c)
        check(more, "closed")
        got += more
    equal("reply", got, b"$93\r\n" + b"x" * 93 + b"\r\n")


@case
def toxic_slow_close(d):
    d.fault("COMMAND", "quit", "DELAY", 5000)
    c = pending(d, "QUIT")
    d.advance(5000)
    equal("reply", c.read(), ["+", "OK"])
    equal("closed", read_part(c), b"")


@case
def toxic_timeout(d):
    d.fault("COMMAND", "get", "HANG")
    c = pending(d, "GET", "k")
    d.advance(3600 * 1000)
    check(has_nothing(c), "it is answered")


@case
def toxic_reset_peer(d):
    d.fault("COMMAND", "get", "RESET")
    c = d.conn()
    c.send(encode(["GET", "k"]))
    try:
        got = c.sock.recv(1)
        check(False, "closed in order: %r" % got)
    except ConnectionResetError:
        pass


@case
def toxic_slicer(d):
    d.conn().call("SET", "k", "x" * 93)
    d.fault("COMMAND", "get", "SLICE", 40, 1000)
    c = d.conn()
    c.send(encode(["GET", "k"]))
    d.wait_hit()
    sizes = [len(read_part(c))]
    for _ in range(2):
        d.advance(1000)
        sizes.append(len(read_part(c)))
    equal("pieces", sizes, [40, 40, 20])


@case
def toxic_limit_data(d):
    d.conn().call("SET", "k", "x" * 93)
    d.fault("COMMAND", "get", "HALF", 10)
    c = d.conn()
    c.send(encode(["GET", "k"]))
    got = b""
    while True:
        more = read_part(c)
        if not more:
            break
        got += more
    equal("what came before the end", got, b"$93\r\nxxxxx")


@case
def toxicity(d):
    d.test("SEED", 3)
    d.fault("COMMAND", "get", "PROBABILITY", "0.5", "ERROR", "BOOM")
    c = d.conn()
    failed = sum(ask(c, "GET", "k") == "BOOM" for _ in range(200))
    check(50 < failed < 150, "%d of 200" % failed)


@case
def executed_but_not_answered(d):
    """What no mock and no proxy has: a proxy does not know which bytes end a command."""
    c = d.conn()
    d.fault("COMMAND", "incr", "CLOSE", "AFTER")
    c.send(encode(["INCR", "n"]))
    equal("closed", read_part(c), b"")
    equal("executed", d.conn().call("GET", "n"), b"1")


@case
def no_sleep_until_a_client_is_blocked(d):
    c = d.conn()
    c.send(encode(["BLPOP", "q", "30"]))
    equal("blocked", d.test("WAIT", "BLOCKED", "q"), 1)
    d.advance(30000)
    equal("reply", c.read(), ["*", None])


if __name__ == "__main__":
    leave_out()
    sys.exit(run_words("double-rivals", CASES))
