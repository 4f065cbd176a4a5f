# SPDX-License-Identifier: BSD-3-Clause
"""known - which steps of a case can be asked of a server that does not know all commands yet.

A step with a command outside the list is not sent. What it would have written is unknown from
there on: its keys are "stale", and later steps that name a stale key are left out too, until a
plain SET or DEL (still sent, its reply not compared where it depends) or a flush makes them
certain again. Replies about the whole keyspace are left out while any key is stale.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from data import load  # noqa: E402

WHOLE = {"keys", "scan", "dbsize", "randomkey", "info", "swapdb"}
SCRIPTS = {"eval", "evalsha", "eval_ro", "evalsha_ro", "fcall", "fcall_ro"}
ENDS_MULTI = {"exec", "discard", "reset"}


def names(path):
    with open(path) as f:
        return {w.lower() for line in f for w in line.split("#")[0].split()}


class Table:
    """commands.json, and the list of names ("get", "client|id") that the server knows."""

    def __init__(self, names):
        self.all = load("commands.json")
        self.names = names

    def row(self, words):
        """(full name, row) of a real command, else (None, None)."""
        if not words or not all(isinstance(w, str) for w in words[:2]):
            return None, None
        name = words[0].lower()
        row = self.all.get(name)
        subs = row and row.get("subcommands")
        if subs and len(words) > 1 and words[1].lower() in subs:
            return name + "|" + words[1].lower(), subs[words[1].lower()]
        return (name, row) if row else (None, None)

    def outside(self, words):
        """A real command that is not in the list, or one asked about by COMMAND."""
        name, row = self.row(words)
        if not row:
            return False
        base = name.split("|")[0]
        if base == "command" and len(words) > 2:
            asked = words[2:]
            if name.startswith("command|getkeys"):
                return self.outside(asked)
            return any(self.outside([n, *s]) for n, *s in (
                w.split("|") for w in asked if isinstance(w, str)))
        if name == base and row.get("subcommands"):
            return not any(n == base or n.startswith(base + "|") for n in self.names)
        return name not in self.names

    def keys(self, words):
        _, row = self.row(words)
        if not row:
            return []
        first, last, step = row["keys"]
        if first == 0:
            return []
        last = last if last >= 0 else len(words) + last
        return [w for w in words[first:last + 1:step or 1] if isinstance(w, str)]

    def writes(self, words):
        _, row = self.row(words)
        return bool(row) and "write" in row["flags"]


class Filter:
    """Walks through the steps of one case; ask() says what to do with each."""

    def __init__(self, table):
        self.t, self.stale, self.all_stale = table, set(), False
        self.skipped, self.multi, self.silent = set(), set(), set()
        self.queueing, self.torn = set(), set()  # connections in MULTI; with a command left out

    def ask(self, n, step, want):
        """'send' (and compare), 'blind' (send, compare nothing) or 'skip'."""
        verdict = self._in_multi(step, self._verdict(step, want))
        if verdict == "skip":
            self.skipped.add(n)
            self.silent.add(step["conn"])
        else:
            self.silent.discard(step["conn"])
        return verdict

    def _in_multi(self, step, verdict):
        """Of a transaction with a command left out nothing is known but that it is over."""
        words, conn = step.get("cmd"), step["conn"]
        name = words[0].lower() if words and isinstance(words[0], str) else ""
        if name == "multi" and verdict == "send":
            self.queueing.add(conn)
        if conn not in self.queueing:
            return verdict
        if verdict == "skip":
            self.torn.add(conn)
        if name not in ENDS_MULTI:
            return verdict
        self.queueing.discard(conn)
        if conn not in self.torn:
            return verdict
        self.torn.discard(conn)
        return "blind"

    def _verdict(self, step, want):
        words, conn = step.get("cmd"), step["conn"]
        if words is None:
            return "skip" if "raw" not in step and conn in self.silent else "send"
        name = words[0].lower() if words and isinstance(words[0], str) else ""
        if any(isinstance(w, dict) and w["ref"] in self.skipped for w in words):
            return self._leave_out(words)
        if conn in self.multi:
            if name in ENDS_MULTI:
                self.multi.discard(conn)
            return "send" if name == "reset" else self._leave_out(words)
        if self.t.outside(words):
            if name == "multi" and want[0] == "+":
                self.multi.add(conn)
            if want and want[0] == "-":
                return "skip"
            if name in SCRIPTS:
                self.all_stale = True
            return self._leave_out(words)
        return self._known(name, words)

    def _known(self, name, words):
        if name == "flushall":
            self.stale.clear()
            self.all_stale = False
            return "send"
        keys = self.t.keys(words)
        if not self.all_stale and not self.stale & set(keys):
            return "skip" if name in WHOLE and self.stale else "send"
        if self.all_stale or not self.t.writes(words):
            return "skip"
        if name in ("del", "unlink") or (name in ("set", "mset") and self._plain(name, words)):
            self.stale -= set(keys)
            return "blind" if name in ("del", "unlink") else "send"
        return self._leave_out(words)

    @staticmethod
    def _plain(name, words):
        return name == "mset" and len(words) % 2 == 1 or len(words) == 3

    def _leave_out(self, words):
        if self.t.writes(words):
            self.stale.update(self.t.keys(words))
        return "skip"
