# SPDX-License-Identifier: BSD-3-Clause
"""recipes - damaged directories that hold strings only, by the names in tests/data/damaged.

As Redis 7 writes them, without marks, so they are judged by Redis' rule (persistence/README.md). Every
recipe returns (files, commands, outcome): what stands in the directory, the commands that must
have been loaded, and either the number of bytes cut or why the start is refused.
"""
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from aof import manifest  # noqa: E402
from resp import encode  # noqa: E402

STEM = "appendonly.aof"
DIR = "appendonlydir/"
BASE, INCR, INCR3 = STEM + ".2.base.aof", STEM + ".2.incr.aof", STEM + ".3.incr.aof"
MANIFEST = STEM + ".manifest"
LINES = [(BASE, 2, "b"), (INCR, 2, "i")]
FAR = b"4102444800000"


def _w(text):
    return [x.encode() for x in text.split(" ")]


def base_commands():
    out = [_w("SELECT 0")]
    for i in range(60):
        out.append([b"SET", b"s:%d" % i, bytes((i + k) % 256 for k in range(i))])
    out += [[b"PEXPIREAT", b"s:%d" % i, FAR] for i in range(0, 60, 7)]
    out += [_w("SELECT 3"), _w("SET n 7"), [b"SET", b"", b"the empty key"]]
    return out


def incr_commands():
    """As a list of units: a command, or the commands of one MULTI..EXEC."""
    one = [[_w("SELECT 0")]]
    one += [[[b"SET", b"i:%d" % i, b"x" * (i * 3)]] for i in range(40)]
    one += [[_w("APPEND s:1 +more")], [_w("INCR n")], [_w("DEL s:2 s:3")]]
    one += [[_w("MULTI"), _w("SET t:a 1"), _w("INCR t:b"), _w("EXEC")]]
    one += [[_w("MULTI"), _w("SELECT 3"), _w("SET t:c 2"), _w("SELECT 0"), _w("EXEC")]]
    one += [[_w("SET u:%d v PXAT 4102444800123" % i)] for i in range(20)]
    one += [[_w("MULTI"), _w("SET m:1 1"), _w("SET m:2 2"), _w("SET m:3 3"), _w("EXEC")]]
    one += [[_w("INCR n")], [[b"SET", b"n:last", b"the last write"]]]
    return one


class Log:
    """The undamaged directory, and offsets into its increment."""

    def __init__(self):
        self.base, self.units = base_commands(), incr_commands()
        self.offsets, at = [], 0
        for unit in self.units:
            self.offsets.append(at)
            at += len(self.bytes(unit))
        self.incr = b"".join(self.bytes(u) for u in self.units)

    @staticmethod
    def bytes(commands):
        return b"".join(encode(w) for w in commands)

    def commands(self, units=None):
        return self.base + [w for u in self.units[:units] for w in u]

    def multi(self, n):
        """Index of the n-th unit that is a transaction."""
        return [i for i, u in enumerate(self.units) if len(u) > 1][n]


def _dir(base, incr, lines=None):
    files = {} if lines == "" else {DIR + MANIFEST: lines or manifest(LINES)}
    if base is not None:
        files[DIR + BASE] = base
    if incr is not None:
        files[DIR + INCR] = incr
    return files


def _tails(log):
    """The last command is cut: name -> bytes of it that are left."""
    last, n = log.bytes(log.units[-1]), len(log.units) - 1
    left = {"cut-star": last[:2], "cut-args": last[:last.index(b"$6")], "cut-bulk": last[:-5],
            "cut-crlf": last[:-1], "cut-crlf2": last[:-2],
            "huge-len": b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2147483000\r\nabc",
            "zeros-cut": last[:-9] + bytes(512)}
    for name, tail in left.items():
        yield name, log.incr[:log.offsets[n]] + tail, log.commands(n), len(tail)
    for name, tail in {"torn-ts": b"#TS:17", "torn-note": b"#sum:12ab len=4", "torn-hash": b"#",
                       "zeros": bytes(4096)}.items():
        yield name, log.incr + tail, log.commands(), len(tail)


def _transactions(log):
    n = log.multi(2)
    at, whole = log.offsets[n], log.commands(n)
    unit = [encode(w) for w in log.units[n]]
    for name, tail in {"cut-multi": b"".join(unit[:3]), "cut-multi-only": unit[0],
                       "cut-multi-mid": b"".join(unit[:3]) + unit[3][:9],
                       "cut-exec": b"".join(unit[:4]) + unit[4][:8]}.items():
        yield name, log.incr[:at] + tail, whole, len(tail)
    first = log.multi(0)
    end = log.offsets[first + 1]
    yield ("multi-in-middle", log.incr[:end - len(encode([b"EXEC"]))] + log.incr[end:], None,
           "data")


def _notes(log):
    n = 20
    at, whole = log.offsets[n], log.commands()
    in_multi = log.offsets[log.multi(0)] + len(encode([b"MULTI"]))
    for name, place, note in (
            ("note-tail", len(log.incr), b"#note\r\n"), ("note-lf", at, b"#note\n"),
            ("note-1023", at, b"#" + b"x" * 1020 + b"\r\n"),
            ("note-in-multi", in_multi, b"#note\r\n"), ("ts-future", at, b"#TS:12ab\r\n")):
        yield name, log.incr[:place] + note + log.incr[place:], whole, 0
    yield "note-many", b"".join(b"#note\r\n" + log.bytes(u) for u in log.units), whole, 0
    for size in (1024, 2000):
        note = b"#" + b"x" * (size - 3) + b"\r\n"
        yield "note-%d" % size, log.incr[:at] + note + log.incr[at:], None, "data"


def _middles(log):
    at, noise = log.offsets[30], random.Random(1).randbytes(64)

    def put(i, data):
        return log.incr[:i] + data + log.incr[i + len(data):]
    unit = log.bytes(log.units[30])
    longer = unit.replace(b"$4\r\ni:29", b"$5\r\ni:29")
    yield "zeros-middle", put(at, bytes(200)), None, "data"
    yield "garbage-middle", put(at + 3, b"\xff" * 20), None, "data"
    yield "garbage-tail", log.incr + b"this is no command\r\n", None, "data"
    yield "garbage-noise", log.incr + noise, None, "data"
    yield "bad-len", log.incr[:at] + longer + log.incr[at + len(unit):], None, "data"
    yield "neg-len", log.incr + b"*2\r\n$3\r\nGET\r\n$-1\r\n", None, "data"
    yield "zero-argc", log.incr + b"*0\r\n", None, "data"
    yield "inline-cmd", log.incr + b"SET inline 1\r\n", None, "data"
    for name, words in (("unknown-cmd", [b"NOSUCH", b"k"]), ("bad-args", [b"SET", b"k"])):
        yield name, log.incr[:at] + encode(words) + log.incr[at:], None, "data"
    failing = log.incr[:at] + encode([b"INCR", b"s:59"]) + log.incr[at:]
    yield "failing-cmd", failing, log.commands(), 0
    flipped = [list(u) for u in log.units]
    flipped[30] = [[b"SET", b"i:29", b"y" + b"x" * 86]]
    yield ("bit-flip", b"".join(log.bytes(u) for u in flipped),
           log.base + [w for u in flipped for w in u], 0)
    cut = log.offsets[31] - 7
    yield "cut-earlier", log.incr[:cut], log.commands(30), cut - at
    yield "cut-boundary", log.incr[:at], log.commands(30), 0


def _increments(log):
    """Damage in one increment; the base and the manifest are whole."""
    for part in (_tails, _transactions, _notes, _middles):
        yield from part(log)
    yield "intact", log.incr, log.commands(), 0
    yield "empty-incr", b"", log.base, 0
    yield "no-truncated", log.incr[:-9], None, "data"
    yield "torn-ts-no", log.incr + b"#TS:17", None, "data"


def _manifests():
    """name -> (manifest, is it readable)"""
    good = manifest(LINES)
    b, i = good.splitlines(True)
    extra = b"file other.aof seq %d type %s\n"
    return {
        "crlf-manifest": (good.replace(b"\n", b"\r\n"), True),
        "kv-manifest": (b[:-1] + b" color red\n" + i[:-1] + b" size 7\n", True),
        "comment-manifest": (b"# a comment\n" + good, True),
        "quoted-manifest": (good.replace(b"file ", b'file "').replace(b" seq", b'" seq'), True),
        "upper-manifest": (good.replace(b"file", b"FILE", 1).replace(b"seq", b"SEQ"), True),
        "order-manifest": (b"type b seq 2 file " + BASE.encode() + b"\ntype i seq 2 file "
                           + INCR.encode() + b"\n", True),
        "history-gone": (good + b"file appendonly.aof.1.incr.aof seq 1 type h\n", True),
        "empty-manifest": (b"", False), "zero-manifest": (bytes(len(good)), False),
        "cut-manifest": (good[:-12], False), "nonl-manifest": (good[:-1], False),
        "blank-manifest": (b + b"\n" + i, False),
        "odd-manifest": (b + i[:-1] + b" odd\n", False),
        "long-manifest": (b[:-1] + b" note " + b"x" * 1100 + b"\n" + i, False),
        "type-manifest": (good.replace(b"type i", b"type x"), False),
        "dup-manifest": (good + extra % (2, b"i"), False),
        "down-manifest": (good + extra % (1, b"i"), False),
        "gap-manifest": (good + extra % (9, b"i"), False),
        "two-bases": (good + extra % (3, b"b"), False),
        "path-manifest": (good.replace(INCR.encode(), b"../" + INCR.encode()), False),
        "garbage-manifest": (b"this is no manifest\n", False),
    }


def _layouts(log):
    """What else may stand in, or be missing from, the directory."""
    base, incr, whole = log.bytes(log.base), log.incr, log.commands()
    lines3 = manifest(LINES + [(INCR3, 3, "i")])
    boundary = log.offsets[len(log.units) // 2]
    in_multi = log.offsets[log.multi(0)] + 15

    def split(first, second):
        return {**_dir(base, first, lines3), DIR + INCR3: second}
    yield "no-incr", _dir(base, None), None, "manifest"
    yield "no-base", _dir(None, incr), None, "manifest"
    yield "no-base-listed", _dir(None, incr, manifest(LINES[1:])), whole[len(log.base):], 0
    yield "no-incr-listed", _dir(base, None, manifest(LINES[:1])), log.base, 0
    yield "no-manifest", _dir(base, incr, ""), None, "manifest"
    yield "base-cut", _dir(base[:len(base) * 2 // 3], incr), None, "data"
    yield "base-empty", _dir(b"", incr), None, "manifest"
    yield "base-and-incr-empty", _dir(b"", b""), [], 0
    yield "unlisted", {**_dir(base, incr), DIR + STEM + ".9.incr.aof": encode([b"FLUSHALL"])}, \
        whole, 0
    yield "split2", split(incr[:boundary], incr[boundary:]), whole, 0
    yield "split2-cut-first", split(incr[:boundary - 3], incr[boundary:]), None, "data"
    yield "split2-cut-last", split(incr[:boundary], incr[boundary:-9]), log.commands(-1), \
        len(log.bytes(log.units[-1])) - 9
    yield "split2-empty-last", split(incr[:-9], b""), log.commands(-1), \
        len(log.bytes(log.units[-1])) - 9
    yield "split2-multi-across", split(incr[:in_multi], incr[in_multi:]), None, "data"
    old = {DIR + STEM + ".1.incr.aof": encode([b"FLUSHALL"])}
    yield "history", {**_dir(base, incr, manifest(LINES[:1] + [(STEM + ".1.incr.aof", 1, "h")]
                                                  + LINES[1:])), **old}, whole, 0
    yield "temps", {**_dir(base, incr), DIR + "temp-rewriteaof-bg-4711.aof": b"half",
                    DIR + "temp-appendonly.aof.manifest": b"file half",
                    "temp-rewriteaof-4711.aof": b"half"}, whole, 0
    for name, (text, readable) in _manifests().items():
        files = _dir(base, incr, text or b"")
        files[DIR + MANIFEST] = text
        if "other.aof" in text.decode():
            # After a gap in the numbers only data makes a difference: something was lost.
            files[DIR + "other.aof"] = encode([b"SET", b"k", b"v"]) if "gap" in name else b""
        yield name, files, whole if readable else None, 0 if readable else "manifest"


def _singles(log):
    """Redis 6: one file, no directory."""
    data, whole, last = log.bytes(log.base) + log.incr, log.commands(), len(log.units) - 1
    named = {DIR + MANIFEST: manifest([(STEM, 1, "b")])}
    yield "single", {STEM: data}, whole, 0
    yield "single-beside", {**_dir(log.bytes(log.base), log.incr), STEM: encode([b"FLUSHALL"])}, \
        whole, 0
    yield "single-beside-base", {**named, STEM: data}, whole, 0
    yield "single-beside-empty", {STEM: data, DIR: b""}, whole, 0
    yield "single-cut-tail", {STEM: data[:-9]}, log.commands(last), \
        len(log.bytes(log.units[last])) - 9


def all_recipes():
    """(name, files, commands or None, bytes cut or "data" or "manifest")"""
    log = Log()
    for name, incr, commands, outcome in _increments(log):
        yield name, _dir(log.bytes(log.base), incr), commands, outcome
    yield from _layouts(log)
    yield from _singles(log)


def write(root, files):
    for name, data in files.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if not name.endswith("/"):
            with open(path, "wb") as f:
                f.write(data)
