#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""edges - what clients may set to the edge of what there is, loads again: counters, times, depths, numbers, names.

Each group of commands of edges.txt is sent, and some are refused; then the data set is reloaded from a snapshot, from
the AOF in both forms, and by a restart after a kill, and has the same digest: one client must not make the data of all
unloadable.

  edges.py
"""
import ast
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
from cases import ask, summary  # noqa: E402
from resp import ReplyError  # noqa: E402
from server import Server, rewrite_done  # noqa: E402


def read_groups(path):
    """A line without an indent begins a group; the others are a command each, as a list of Python's."""
    groups = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            if line.startswith(" "):
                groups[name].append(ast.literal_eval(line.strip()))
            elif line.strip():
                name = line.strip()
                groups[name] = []
    return groups


def why_not_same(conn, s, send):
    digest = conn.call("DEBUG", "DIGEST")
    conn.call("DEBUG", "RELOAD")
    if conn.call("DEBUG", "DIGEST") != digest:
        return "another digest after DEBUG RELOAD"
    conn.call("BGREWRITEAOF")
    rewrite_done(conn)
    conn.call("DEBUG", "LOADAOF")
    if conn.call("DEBUG", "DIGEST") != digest:
        return "another digest after DEBUG LOADAOF"
    send(conn)
    digest = conn.call("DEBUG", "DIGEST")
    s.kill()
    s.start()
    return None if s.conn().call("DEBUG", "DIGEST") == digest else "another digest after a restart"


def comes_back(name, commands, preamble):
    def send(conn):
        for words in commands:
            ask(conn, *words)
    with Server("--appendonly", "yes", "--enable-debug-command", "yes", "--aof-use-rdb-preamble", preamble) as s:
        conn = s.conn()
        send(conn)
        try:
            wrong = why_not_same(conn, s, send)
        except (ReplyError, OSError) as e:
            wrong = "%s\n%s" % (e, s.log()[-1000:])
    if wrong:
        print("FAIL %s, aof-use-rdb-preamble %s: %s" % (name, preamble, wrong))
    return not wrong


def main():
    groups = read_groups(os.path.join(HERE, "edges.txt"))
    good = [comes_back(name, commands, preamble) for preamble in ("yes", "no") for name, commands in groups.items()]
    return summary("edges", sum(good), len(good) - sum(good))


if __name__ == "__main__":
    sys.exit(main())
