#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""replay - sends the golden transcripts to a server and prints every reply that differs.

  replay.py --families strings,bits --proto 3 --case strings-h001 --verbose
  STET_SERVER=/usr/bin/redis-server replay.py --all

How a case is replayed stands in the transcripts' own README. Only commands of commands.txt are
asked for (known.py says how), with --all every command.
"""
import argparse
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import summary  # noqa: E402
from compare import same  # noqa: E402
from known import Filter, Table, names  # noqa: E402
from resp import Closed, encode  # noqa: E402
from data import unpacked  # noqa: E402
from server import SERVER, Server  # noqa: E402

FAMILIES = ("strings,bits,generic,connection,config,command,protocol,arity,lists,hashes,sets,zsets,"
            "streams,hyperloglog,geo,sort,hash_field_expiry,additions74,transactions,blocking,"
            "pubsub,keyspace_notifications,scripting,acl")
# Times relative to now of two commands must fall into one millisecond: these are tried again.
HASTY = {"hash_field_expiry-h003": 10}
# Others that sleep expect that what expires is gone soon after; they are tried again, too.
SLEEPY = 4
# Cases that go on with what a command did that is not there yet (SYNC).
LATER = {"scripting-h004"}
CLEAN = ["FLUSHALL"], ["FUNCTION", "FLUSH"], ["SCRIPT", "FLUSH"]


# Redis 7.0.15, Redis 8.0 and Valkey 9.1 have neither of them in scripts; the recorded server does.
DIFFERENT = [["EVAL", "return type(newproxy)"], ["EVAL", "return type(getfenv)"]]


# Subcommands that the recorded server does not have, in what COMMAND INFO says of their containers.
OWN = {"config|reload"}


def is_own(node):
    row = node[1] if isinstance(node, list) and node[0] == "*" else None
    return bool(row) and isinstance(row, list) and row[0][0] == "$" and row[0][1] in OWN


def without_later_words(reply):
    """An error that lists the values of a parameter, without those of later versions."""
    if reply[0] != "-":
        return reply
    return ["-", reply[1].replace(", safe, failover", "").replace(", volatile-lrm, allkeys-lrm", "")]


def without_own(node):
    if not isinstance(node, list) or len(node) != 2 or not isinstance(node[1], list):
        return node
    return [node[0], [without_own(x) for x in node[1] if not is_own(x)]]


class Everything:
    """The filter that leaves nothing out."""

    def ask(self, n, step, want):
        return "send"


class Replay:
    def __init__(self, server, proto, table, show, verbose):
        self.server, self.proto, self.table = server, proto, table
        self.show, self.verbose = show, verbose
        self.control = server.conn()
        self.same = self.differ = self.left_out = 0

    def case(self, case):
        sleeps = any("sleep" in step for step in case["steps"])
        for left in reversed(range(HASTY.get(case["id"], SLEEPY if sleeps else 1))):
            before = self.same, self.left_out
            wrong = self.attempt(case)
            if not wrong or not left:
                break
            self.same, self.left_out = before
        for n, step, want, got in wrong:
            self.report(case, n, step, want, got)

    def attempt(self, case):
        """What came otherwise: (number of the step, step, wanted, got)."""
        wrong = []
        for words in CLEAN:
            self.control.ask(*words)
        conns = [self.server.conn(proto=self.proto) for _ in range(case["conns"])]
        keep = Filter(self.table) if self.table else Everything()
        replies = []
        for n, step in enumerate(case["steps"]):
            try:
                if not self.step(conns, keep, replies, n, step):
                    wrong.append((n, step, self.want(step), replies[n]))
            except (Closed, TimeoutError, ValueError, OSError) as e:
                wrong.append((n, step, self.want(step), "%s %s" % (type(e).__name__, e)))
                break
        for c in conns:
            if c.unread():
                wrong.append((len(case["steps"]) - 1, {}, None, ["unread", c.unread()]))
            c.close()
        for words in case.get("after", []):
            self.control.ask(*words)
        return wrong

    def want(self, step):
        return step["resp%d" % self.proto]

    def step(self, conns, keep, replies, n, step):
        replies.append(None)
        if "sleep" in step:
            time.sleep(step["sleep"] / 1000)
            return True
        want, conn = self.want(step), conns[step["conn"]]
        verdict = keep.ask(n, step, want)
        if verdict == "send" and step.get("cmd", [])[:2] in DIFFERENT:
            verdict = "blind"
        if verdict == "skip":
            self.left_out += 1
            return True
        many = step.get("many")
        got = self.exchange(conn, step, replies, len(want) if many else 1)
        if step.get("cmd", [])[:2] == ["COMMAND", "INFO"]:
            got = [without_own(g) for g in got]
        if step.get("cmd", [])[:2] == ["CONFIG", "SET"]:
            got = [without_later_words(g) for g in got]
        replies[n] = got if many else got[0]
        if verdict == "blind":
            self.left_out += 1
            return True
        if many and not want:
            time.sleep(0.015)
        equal = all(same(w, g, step.get("cmp")) for w, g in zip(want if many else [want], got))
        self.same += equal
        return equal

    def exchange(self, conn, step, replies, count):
        try:
            if "raw" in step:
                conn.send(step["raw"].encode("latin-1"))
            elif "cmd" in step:
                conn.send(encode([self.word(w, replies) for w in step["cmd"]]))
        except Closed:
            pass
        got = []
        for _ in range(count):
            try:
                got.append(conn.read())
            except Closed:
                got.append(["eof"])
        return got

    @staticmethod
    def word(w, replies):
        return w if isinstance(w, str) else str(replies[w["ref"]][1])

    def report(self, case, n, step, want, got):
        self.differ += 1
        if self.differ > self.show:
            return
        limit = None if self.verbose else 300
        asked = step.get("cmd", step.get("raw", "(read)"))
        print("%s step %d RESP%d: %s\n    want %s\n    got  %s" % (
            case["id"], n, self.proto, json.dumps(asked)[:limit], json.dumps(want)[:limit],
            str(json.dumps(got, default=repr))[:limit]))


def cases(family):
    with open(os.path.join(unpacked("golden"), family + ".jsonl"), encoding="utf-8") as f:
        for line in f:
            yield json.loads(line)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--families", default=FAMILIES)
    p.add_argument("--proto", type=int, choices=(2, 3))
    p.add_argument("--case", help="only this case")
    p.add_argument("--commands", default=os.path.join(HERE, "commands.txt"))
    p.add_argument("--all", action="store_true", help="the server knows every command")
    p.add_argument("--show", type=int, default=20, help="differences printed per family")
    p.add_argument("--verbose", action="store_true", help="whole requests and replies")
    a = p.parse_args()
    table = None if a.all else Table(names(a.commands))
    passed = failed = left_out = 0
    with Server("--enable-debug-command", "yes", program=SERVER) as server:
        for family in a.families.split(","):
            for proto in (2, 3) if not a.proto else (a.proto,):
                r = Replay(server, proto, table, a.show, a.verbose)
                for case in cases(family):
                    if case["id"] in LATER and not (a.all or a.case):
                        r.left_out += len(case["steps"])
                    elif a.case in (None, case["id"]) and proto in case.get("protos", (2, 3)):
                        r.case(case)
                passed, failed = passed + r.same, failed + r.differ
                left_out += r.left_out
                print("%-12s RESP%d: %5d same, %3d differ, %5d left out" % (
                    family, proto, r.same, r.differ, r.left_out))
        server.stop()
    return summary("golden", passed, failed, ", %d left out" % left_out)


if __name__ == "__main__":
    sys.exit(main())
