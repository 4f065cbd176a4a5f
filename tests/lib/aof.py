# SPDX-License-Identifier: BSD-3-Clause
"""aof - append-only directories as tests see them: copy, fingerprint, parse, a tiny model.

The parser knows exactly what Redis 7 writes, without mercy; it is for files known to be good.
"""
import hashlib
import os
import shutil


def put(source, target):
    """Copies a directory of recorded files, so that a server can change them."""
    shutil.copytree(source, target, dirs_exist_ok=True)


def fingerprint(root, ignore=("server.log", "port")):
    """{relative path: (size, sha256)} of all files but those the test itself makes."""
    found = {}
    for folder, _, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)
            rel = os.path.relpath(path, root)
            if rel not in ignore:
                with open(path, "rb") as f:
                    data = f.read()
                found[rel] = (len(data), hashlib.sha256(data).hexdigest())
    return found


def parse(data):
    """[(offset, words)] of the commands; annotation lines are left out."""
    out, i = [], 0
    while i < len(data):
        end = data.index(b"\n", i)
        if data[i:i + 1] == b"#":
            i = end + 1
            continue
        assert data[i:i + 1] == b"*", "no command at %d" % i
        start, count, i, words = i, int(data[i + 1:end]), end + 1, []
        for _ in range(count):
            end = data.index(b"\n", i)
            n = int(data[i + 1:end])
            words.append(data[end + 1:end + 1 + n])
            i = end + 1 + n + 2
        out.append((start, words))
    return out


def manifest(lines):
    """The manifest's text from [(name, seq, type)]."""
    return "".join("file %s seq %d type %s\n" % line for line in lines).encode()


class Model:
    """What a few string commands do, so that expected contents need no server."""

    def __init__(self):
        self.dbs, self.db = {}, 0

    def run(self, commands):
        queue = None
        for words in commands:
            name = words[0].upper()
            if name == b"MULTI":
                queue = []
            elif name == b"EXEC":
                for w in queue:
                    self.one(w)
                queue = None
            elif queue is not None:
                queue.append(words)
            else:
                self.one(words)
        return self

    def one(self, words):
        name, args = words[0].upper(), words[1:]
        keys = self.dbs.setdefault(self.db, {})
        if name == b"SELECT":
            self.db = int(args[0])
        elif name == b"SET":
            keys[args[0]] = [args[1], int(args[3]) if len(args) > 2 else -1]
        elif name == b"MSET":
            for i in range(0, len(args), 2):
                keys[args[i]] = [args[i + 1], -1]
        elif name == b"APPEND":
            keys.setdefault(args[0], [b"", -1])[0] += args[1]
        elif name == b"INCR":
            entry = keys.setdefault(args[0], [b"0", -1])
            entry[0] = b"%d" % (int(entry[0]) + 1)
        elif name == b"PEXPIREAT":
            keys[args[0]][1] = int(args[1])
        elif name == b"DEL":
            for k in args:
                keys.pop(k, None)
        else:
            raise ValueError("the model does not know %r" % name)

    def contents(self):
        """In the form of contents.strings()."""
        return {(db, k): tuple(v) for db, keys in self.dbs.items() for k, v in keys.items()}
