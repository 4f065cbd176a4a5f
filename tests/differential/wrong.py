#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""wrong - calls that are mostly wrong, to stet and to a real server; every error text compared.

  wrong.py --seconds 10 --seed 1
  STET_ORACLE=DIR/redis-server wrong.py --seed 7 --only xadd --show 50

A call is drawn from the grammar that the real server tells by COMMAND DOCS, and then spoiled: words
are left out, doubled, swapped and replaced by numbers at the edges, by no numbers and by keys of other
types. Two errors must have the same text; an error beside no error is a difference. What is right is
compared by differential.py.
"""
import argparse
import collections
import contextlib
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import need, summary  # noqa: E402
from judge import error, excuse, same, version  # noqa: E402
from resp import Closed, encode  # noqa: E402
from server import Failed, Server  # noqa: E402

ORACLE = os.environ.get("STET_ORACLE", "/usr/bin/redis-server")
DATA = [
    ["SET", "str", "hello"], ["SET", "int", "10"], ["HSET", "hash", "f", "1", "g", "x"], ["RPUSH", "list", "a", "b", "1"],
    ["SADD", "set", "a", "b", "1"], ["ZADD", "zset", "1", "a", "2", "b"], ["XADD", "stream", "1-1", "f", "v"],
    ["XADD", "stream", "2-0", "f", "w"], ["XGROUP", "CREATE", "stream", "grp", "0"],
    ["XREADGROUP", "GROUP", "grp", "con", "COUNT", "1", "STREAMS", "stream", ">"], ["PFADD", "hll", "a"],
    ["GEOADD", "geo", "13.361389", "38.115556", "Palermo", "15.087269", "37.502669", "Catania"],
]
KEYS = ["str", "int", "hash", "list", "set", "zset", "stream", "hll", "geo", "none", "none2"]
NUMBERS = ["0", "1", "2", "-1", "-2", "3", "10", "100", "1.5", "-1.5", "1e3", "nan", "inf", "-inf", "+5", " 1", "1 ", "01", "-0",
           "9223372036854775807", "-9223372036854775808", "9223372036854775808", "2147483648", "4294967296",
           "18446744073709551615", "1000000000000000", "9223372036854775", "65536", "16384", "16383", "abc", ""]
TEXTS = ["a", "f", "g", "x", "", "*", "grp", "con", "1-1", "0-0", "$", ">", "-", "+", "(1", "[a", "(a", "1-", "-1-1", "5-*", "default",
         "hello", "\xff\x00", "no such", "@all", "~*", "m", "km", "0", "1"]
# Not asked for: they end the server or the link, wait, or change what later calls are answered. CLIENT LIST
# has other filters in each server.
LEFT_OUT = set("""shutdown debug monitor sync psync replicaof slaveof failover reset quit migrate subscribe psubscribe
ssubscribe unsubscribe punsubscribe sunsubscribe bgsave bgrewriteaof save replconf hello auth multi exec watch
lolwut module module|load module|loadex client|reply client|pause client|kill client|tracking client|no-evict
client|caching config|set config|rewrite config|resetstat acl|load acl|save acl|deluser wait waitaof
latency|reset latency|doctor memory|doctor memory|malloc-stats script|kill function|kill function|restore
cluster|reset cluster|failover cluster|meet cluster|replicate cluster|forget cluster|addslots cluster|delslots
cluster|addslotsrange cluster|delslotsrange cluster|setslot cluster|flushslots cluster|saveconfig
cluster|bumpepoch cluster|set-config-epoch pfselftest pfdebug cluster|syncslots script|load readonly readwrite
asking info command command|count command|list command|docs function|dump client|list client|info
client|import-source client|capa script|debug""".split())


# Only whether it is an error is compared: these draw lots, or tell of the process.
ITS_OWN = set("""spop time client|id acl|genpass memory|stats latency|histogram command|info slowlog|get commandlog|get
memory|usage object|refcount acl|list acl|getuser acl|log acl|cat config|get scan
slowlog|len commandlog|len client|list client|info lastsave object|idletime""".split())
BLOCKING = "blpop brpop blmove brpoplpush blmpop bzpopmin bzpopmax bzmpop blmovem bzmove".split()


def text(x):
    return x.decode("latin-1") if isinstance(x, bytes) else x


def pairs(x):
    return {text(k): v for k, v in (x.items() if isinstance(x, dict) else zip(x[::2], x[1::2]))}


class Grammar:
    """What COMMAND DOCS tells: name -> arguments."""

    def __init__(self, conn):
        self.args = {}
        for name, doc in pairs(conn.call("COMMAND", "DOCS")).items():
            self.add(name.lower(), doc)

    def add(self, name, doc):
        doc = pairs(doc)
        if "subcommands" in doc:
            for sub, d in pairs(doc["subcommands"]).items():
                self.add(sub.lower(), d)
        self.args[name] = [pairs(a) for a in doc.get("arguments", [])]


class Calls:
    def __init__(self, seed, grammar, names):
        self.rng, self.grammar, self.names = random.Random(seed), grammar, names

    def word(self, kind):
        r = self.rng
        if kind == "key" or r.random() < 0.06:
            return r.choice(KEYS)
        if kind in ("integer", "double", "unix-time"):
            return r.choice(NUMBERS[:8]) if r.random() < 0.6 else r.choice(NUMBERS)
        return r.choice(TEXTS) if r.random() < 0.8 else r.choice(NUMBERS)

    def argument(self, a):
        flags = {text(f) for f in a.get("flags", ())}
        if "optional" in flags and self.rng.random() < 0.55:
            return []
        out, times = [], 1
        if "multiple" in flags:
            times = self.rng.choice([1, 1, 2, 3])
        for i in range(times):
            if "token" in a and (i == 0 or "multiple_token" in flags):
                out.append(text(a["token"]) if self.rng.random() < 0.8 else text(a["token"]).lower())
            out += self.value(a)
        return out

    def value(self, a):
        kind = text(a["type"])
        if kind == "pure-token":
            return []
        if kind in ("oneof", "block"):
            inner = [pairs(x) for x in a["arguments"]]
            return self.argument(self.rng.choice(inner)) if kind == "oneof" else sum(map(self.argument, inner), [])
        return [self.word(kind)]

    @staticmethod
    def brief(word):
        """In the place of a time that would be waited for."""
        try:
            return word if float(word) < 0 else "0.01" if "." in word else "1"
        except ValueError:
            return word

    def spoil(self, words):
        r = self.rng
        if not words:
            return [self.word(r.choice(["key", "integer", "string"])) for _ in range(r.choice([0, 1, 1, 2, 3]))]
        at = r.randrange(len(words))
        how = r.randrange(8)
        if how == 0:
            del words[at]
        elif how == 1:
            words.insert(at, words[r.randrange(len(words))])
        elif how == 2:
            words[at] = self.word("integer")
        elif how == 3:
            words[at] = self.word("string")
        elif how == 4:
            words[at] = self.word("key")
        elif how == 5:
            words.append(self.word(r.choice(["integer", "string", "key"])))
        elif how == 6:
            words = words[:at]
        elif how == 7:
            words += words[at:]
        return words

    def call(self):
        name = self.rng.choice(self.names)
        words = sum((self.argument(a) for a in self.grammar.args.get(name, [])), [])
        for _ in range(self.rng.choice([0, 1, 1, 2, 3])):
            words = self.spoil(words)
        first = name.split("|")
        if first[0] in BLOCKING or "BLOCK" in (w.upper() for w in words):
            words = [self.brief(w) for w in words]
        return first + words[:12]


def fresh(conns):
    raw = b"".join(encode(w) for w in [["FLUSHALL"], ["FUNCTION", "FLUSH"], ["SELECT", "0"]] + DATA)
    for c in conns:
        c.send(raw)
        for _ in range(len(DATA) + 3):
            c.read()


class Found:
    def __init__(self, show, replies, oracle):
        self.show, self.replies, self.oracle = show, replies, oracle
        self.count, self.excused = collections.Counter(), collections.Counter()
        self.before = []  # what was asked since the data were made anew

    def compare(self, words, want, got):
        """Whether both answered the same."""
        if want[0] == got[0] == "-":
            alike = want == got
        else:
            own = {words[0].lower(), "|".join(words[:2]).lower()} & ITS_OWN
            alike = "-" not in (want[0], got[0]) and (own or not self.replies or same(words, want, got))
        if alike:
            return words[0].lower() != "spop"  # the data differ from here on
        name = excuse(words, want, got, self.oracle)
        if name:
            self.excused[name] += 1
            return False
        shape = (words[0].lower(), *[error(x) or "-" for x in (want, got)])
        self.count[shape] += 1
        if self.count[shape] == 1 and len(self.count) <= self.show:
            print("%.300r\n    oracle %.300r\n    stet   %.300r" % (words, want, got))
            for earlier in self.before:
                if set(earlier[1:]) & set(words[1:]):
                    print("      after %.200r" % (earlier,))
            sys.stdout.flush()
        return False


def names_of(grammar, stet, only):
    known = set(Grammar(stet).args)
    names = [n for n in grammar.args if n in known and n not in LEFT_OUT and not n.endswith("|help") and n.split("|")[0] not in LEFT_OUT]
    if only:
        names = [n for n in names if n.split("|")[0] in only.split(",")]
    return names


def has_time(words):
    """A key may be over for one server a moment before it is for the other."""
    name = words[0].lower()
    return "expire" in name or name in ("setex", "psetex", "restore", "restore-asking") or \
        bool({"EX", "PX", "EXAT", "PXAT"} & {w.upper() for w in words})


def ask(conns, words, found):
    try:
        for c in conns:
            c.send(encode(words))
        return found.compare(words, *[c.read() for c in conns])
    except (Closed, TimeoutError) as e:
        raise Failed("%s to %.300r" % (type(e).__name__, words)) from e


def main():
    need("redis-server")
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--seconds", type=float, default=10)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--only", help="commands, with commas between them")
    p.add_argument("--show", type=int, default=20, help="differences printed")
    p.add_argument("--replies", action="store_true", help="also compare what is no error")
    p.add_argument("--proto", type=int, choices=[2, 3], default=2)
    o = p.parse_args()
    done = 0
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(s) for s in (Server(program=ORACLE), Server())]
        conns = [s.conn(proto=o.proto, timeout=10) for s in servers]
        grammar = Grammar(conns[0])
        found = Found(o.show, o.replies, version(conns[0]))
        calls = Calls(o.seed, grammar, names_of(grammar, conns[1], o.only))
        end = time.monotonic() + o.seconds
        while time.monotonic() < end:
            fresh(conns)
            found.before = []
            for _ in range(25):
                words = calls.call()
                done += 1
                if not ask(conns, words, found) or has_time(words):
                    break
                found.before.append(words)
    if found.excused:
        print("deliberate: %s" % ", ".join("%s %d" % x for x in sorted(found.excused.items())))
    return summary("wrong", done - sum(found.count.values()), len(found.count))


if __name__ == "__main__":
    sys.exit(main())
