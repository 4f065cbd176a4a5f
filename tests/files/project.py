# SPDX-License-Identifier: BSD-3-Clause
"""project - an append-only directory without the commands that a server does not know yet.

What is left is as the old server wrote it. Keys that a dropped command touched are "stale": later
commands on them are dropped too, and they are left out of the comparison.
"""
import glob
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "golden")]
from aof import parse  # noqa: E402
from resp import encode  # noqa: E402

STRUCTURE = {"select", "multi", "exec", "flushdb", "flushall", "swapdb"}


def unknown_commands(conn, files):
    """Names in the files that the server's COMMAND INFO does not know."""
    names = {words[0].lower() for f in files for _, words in parse(open(f, "rb").read())}
    names = sorted(names - {b"multi", b"exec"})
    rows = conn.call("COMMAND", "INFO", *names)
    return {n.decode() for n, row in zip(names, rows) if not row}


def data_files(root):
    """Base first, then increments, in order."""
    single = os.path.join(root, "appendonly.aof")
    found = sorted(glob.glob(os.path.join(root, "appendonlydir", "*.aof")))
    return [single] * os.path.exists(single) + found


class Projection:
    def __init__(self, table, unknown):
        self.table, self.unknown = table, unknown
        self.stale, self.scripts, self.dropped = set(), [], 0

    def is_stale(self, key):
        return key in self.stale or any(key in text for text in self.scripts)

    def keep(self, words):
        name = words[0].lower()
        if name in STRUCTURE:
            return True
        if name in self.unknown:
            self.stale.update(words[1:])
            if name.startswith("eval"):
                self.scripts.append("\n".join(words[1:]))
            return False
        keys = self.table.keys(words)
        if not any(self.is_stale(k) for k in keys):
            return True
        self.stale.update(keys)
        return False

    def apply(self, path):
        with open(path, "rb") as f:
            commands = parse(f.read())
        kept = [w for _, w in commands if self.keep([x.decode("latin-1") for x in w])]
        self.dropped += len(commands) - len(kept)
        with open(path, "wb") as f:
            f.write(b"".join(encode(w) for w in kept))
