#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""examples - the transcripts of docs/test-double.md: each block is sent to a fresh server, and the replies are compared.

A block with a TEST subcommand that this server does not have says so in a line `skipped`, and is not counted.
"""
import os
import re
import shlex
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
from cases import ask, equal, run_words  # noqa: E402
from server import ROOT, Server  # noqa: E402
from resp import ReplyError  # noqa: E402


def blocks():
    """(the section, its number in it, [(command, reply)])"""
    text = open(os.path.join(ROOT, "docs", "test-double.md"), encoding="utf-8").read()
    for section in text.split("\n## ")[1:]:
        name = section.splitlines()[0]
        for i, block in enumerate(re.findall(r"^```text\n(.*?)^```$", section, re.M | re.S)):
            pairs = [part.split("\n", 1) for part in ("\n" + block).split("\n> ")[1:]]
            yield "%s %d" % (name, i + 1), [(command, reply.rstrip("\n")) for command, reply in pairs]


def shown(value, indent=""):
    """As redis-cli shows it without quotes."""
    if isinstance(value, ReplyError):
        return "(error) %s" % value
    if isinstance(value, list):
        rows = ["%d) %s" % (i, shown(v, indent + "   ")) for i, v in enumerate(value, 1)]
        return ("\n" + indent).join(rows) or "(empty array)"
    if value is None:
        return "(nil)"
    return "(integer) %d" % value if isinstance(value, int) else value.decode()


def reply(conn, command):
    try:
        return conn.call(*shlex.split(command))
    except ReplyError as e:
        return e


def missing(pairs):
    """A subcommand that this server does not have."""
    with Server("--enable-test-commands", "yes") as s:
        for command, _ in pairs:
            words = shlex.split(command)
            if words[0] == "TEST" and "unknown subcommand" in str(ask(s.conn(), "TEST", words[1])):
                return words[1]
    return None


def replies(pairs):
    with Server("--enable-test-commands", "yes") as s:
        c = s.conn()
        for command, want in pairs:
            equal(command, shown(reply(c, command)), want)


def main():
    cases = {}
    for name, pairs in blocks():
        lacks = missing(pairs)
        if lacks:
            print("skipped %s: this server has no TEST %s" % (name, lacks))
        else:
            cases[name] = lambda pairs=pairs: replies(pairs)
    return run_words("double-examples", cases)


if __name__ == "__main__":
    sys.exit(main())
