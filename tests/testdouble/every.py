#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""every - every command of the registry in many spaces at once: each space answers as a server that is alone.

A sequence holds every command and subcommand, with arguments made from COMMAND DOCS, in some order. All spaces run
it at the same time, each with a tag of its own in its keys and values; a server that has no other clients runs it too.
Replies and keyspace events must be equal but for the tag, and nothing that any client of a space reads may hold the
tag of another. Meanwhile clients of one more space and of the first one watch, wait, listen and monitor, and hear
nothing.

  every.py [--spaces N] [--seed S] [WORD...]   the cases with one of the words in their names
"""
import argparse
import os
import random
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from doubles import Cases, check, double, equal  # noqa: E402
from cases import run  # noqa: E402
from words import ask, call, text  # noqa: E402
from resp import encode  # noqa: E402

CASES = Cases()
ARGS = argparse.ArgumentParser()
ARGS.add_argument("--spaces", type=int, default=100)
ARGS.add_argument("--seed", type=int, default=1)
ARGS.add_argument("words", nargs="*")
ARGS = ARGS.parse_args()

TAG = re.compile(r"sp\d{4}")
CHUNK = 40  # commands that a client sends at once

# What is not run, and why.
LEFT_OUT = {
    **{c: "ends the process, or its connection" for c in ("shutdown", "quit", "reset", "debug", "client|kill")},
    **{c: "the connection is something else afterwards" for c in (
        "monitor", "sync", "psync", "hello", "auth", "client|reply", "subscribe", "psubscribe", "ssubscribe",
        "unsubscribe", "punsubscribe", "sunsubscribe", "asking")},
    **{c: "not there in a space: spaces.py" for c in (
        "save", "bgsave", "bgrewriteaof", "replicaof", "slaveof", "failover", "replconf")},
    **{c: "spaces have users and configuration in common" for c in (
        "acl|setuser", "acl|deluser", "acl|load", "acl|save", "acl|list", "acl|users", "acl|log", "config|set",
        "config|rewrite", "config|reload")},
    **{c: "connects to another server" for c in ("migrate",)},
}
# Replies that tell of time, memory or the process, or that are made of the tag (DIGEST): only the tags in them are looked at.
VARIES = {"randomkey", "scan", "zrandmember", "srandmember", "hrandfield", "acl|genpass", "time", "lolwut", "info", "lastsave", "role", "client|id", "client|info", "client|list", "client|getredir",
          "client|trackinginfo", "slowlog|get", "slowlog|len", "commandlog|get", "commandlog|len", "object|idletime",
          "object|freq", "latency|latest", "latency|histogram", "latency|history", "latency|graph", "latency|doctor", "doctor", "digest",
          "command", "command|docs", "command|list", "command|info", "command|count", "xadd", "ttl", "pttl", "httl", "hpttl",
          "hexpiretime", "hpexpiretime", "sttl", "spttl", "sexpiretime", "spexpiretime", "hello", "expiretime", "pexpiretime", "dump", "function|dump", "restore", "waitaof", "script|load", "config|get",
          "latency|reset", "slowlog|reset", "commandlog|reset"}


def is_left_out(name):
    return name in LEFT_OUT or name.split("|")[0] in ("memory", "module", "cluster", "test", "backup", "debug")


# ------------------------------------------------------------------ arguments

KINDS = {"string": "str", "bitmap": "bits", "list": "list", "set": "set", "sorted-set": "zset", "sorted_set": "zset",
         "hash": "hash", "stream": "stream", "geo": "geo", "hyperloglog": "hll", "generic": "str"}
WORDS = {"numkeys": "1", "count": "2", "cursor": "0", "timeout": "0.001", "index": "0", "start": "0", "stop": "-1",
         "min": "-inf", "max": "+inf", "score": "5", "longitude": "13.3", "latitude": "38.1", "radius": "200",
         "width": "400", "height": "400", "id": "*", "lexmin": "-", "numfields": "1", "nummembers": "1", "db": "1", "group": "grp",
         "consumer": "con", "seconds": "1000", "milliseconds": "100000", "unix-time-seconds": "4000000000",
         "unix-time-milliseconds": "4000000000000", "offset": "0", "bit": "1", "increment": "3", "weight": "1",
         "script": "return {KEYS[1], redis.call('get', KEYS[1])}", "sha1": "f" * 40, "function": "fun",
         "member": "m1", "field": "f1", "pattern": "*", "encoding": "u8", "mode": "2", "index1": "0", "index2": "1",
         "numlocal": "0", "numreplicas": "0", "channel": "TAG:ch", "shardchannel": "TAG:ch", "message": "TAG hello",
         "end": "-1", "rank": "1", "maxlen": "0", "threshold": "100", "library-name": "lib"}


def key_of(kind, n):
    """Without a tag where the tag's bits would change the reply."""
    return "%s%s%s" % ("" if kind == "bits" else "TAG:", kind, n if n else "")


class Maker:
    """Arguments of one command from its documentation; `much`: with all that is optional."""

    def __init__(self, kind, much):
        self.kind, self.much, self.keys = kind, much, 0

    def one(self, a):
        out = [] if "token" not in a else [a["token"]]
        kind = a["type"]
        if kind == "pure-token":
            return out
        if kind == "oneof":
            return out + self.of([a["arguments"][-1 if self.much else 0]])
        if kind == "block":
            return out + self.of(a["arguments"])
        if kind == "key":
            self.keys += 1
            return out + [key_of(self.kind, self.keys - 1)]
        name = a["name"]
        if name == "timeout" and kind == "integer":
            return out + ["1"]
        if name in WORDS:
            return out + [WORDS[name]]
        return out + ["1" if kind in ("integer", "double", "unix-time") else "TAG:" + name]

    def of(self, arguments):
        out = []
        for a in arguments:
            if "optional" in a.get("flags", []) and not self.much:
                continue
            out += self.one(a)
        return out


def commands(c):
    """[(name, words)]: every command, with the fewest arguments and with all of them."""
    out = []

    def add(name, words, doc, group):
        if is_left_out(name):
            return
        for much in (False, True):
            kind = "single" if name == "spop" else KINDS.get(group, "str")
            made = words + Maker(kind, much).of(doc.get("arguments", []))
            if (name, made) not in out:
                out.append((name, made))
    docs = call(c, "COMMAND", "DOCS")
    for name, doc in docs.items():
        if "subcommands" not in doc:
            add(name, [name], doc, doc["group"])
        for sub, inner in doc.get("subcommands", {}).items():
            add(sub, sub.split("|"), inner, inner["group"] if inner["group"] != "generic" else doc["group"])
    return out


# Done by every space before, so that there is something to find.
FIXTURE = [["SET", "TAG:str", "TAG value"], ["SET", "TAG:str1", "TAG other"], ["RPUSH", "TAG:list", "TAG", "m1", "m2"],
           ["SADD", "TAG:set", "TAG"], ["ZADD", "TAG:zset", "1", "m1", "2", "TAG"], ["HSET", "TAG:hash", "f1", "TAG"],
           ["XADD", "TAG:stream", "1-1", "f", "TAG"], ["XGROUP", "CREATE", "TAG:stream", "grp", "0"],
           ["GEOADD", "TAG:geo", "13.361389", "38.115556", "m1", "15.087269", "37.502669", "TAG"],
           ["PFADD", "TAG:hll", "TAG"], ["SETBIT", "bits", "7", "1"], ["SADD", "TAG:single", "TAG"], ["SET", "common:tag", "TAG"],
           ["SCRIPT", "LOAD", "return 'TAG'"],
           ["FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('fun', function() return 'TAG' end)"],
           ["CLIENT", "SETNAME", "TAG-worker"], ["SELECT", "1"], ["SET", "TAG:one", "TAG"], ["SELECT", "0"]]
RESTORED = [["SELECT", "0"]] + [w for w in FIXTURE if w[0] not in ("SCRIPT", "FUNCTION", "CLIENT")]


def sequence(c, seed):
    """[(name, words)]: every command, with the data there again now and then."""
    rng = random.Random(seed)
    all = commands(c)
    rng.shuffle(all)
    out = [("fixture", w) for w in FIXTURE]
    for i, command in enumerate(all):
        out.append(command)
        if i % 20 == 19:
            out += [("fixture", w) for w in [["DISCARD"], ["FLUSHALL"], *RESTORED]]
    return out + [("fixture", ["DISCARD"])]


# ------------------------------------------------------------------ running it

def with_tag(words, tag):
    return [w.replace("TAG", tag) for w in words]


def shown(node, tag):
    """A reply without the tag, hashes of what holds it, and ids made of the time."""
    return re.sub(r"\b1\d{12}-\d+\b", "ID", re.sub(r"\b[0-9a-f]{40}\b", "HASH", repr(node).replace(tag, "TAG")))


def unordered(text):
    return sorted(re.findall(r"'[^']*'", text))


class Worker:
    """A client that runs the sequence, another that hears all events, and a monitor."""

    def __init__(self, s, tag, name):
        self.tag = tag
        self.run, self.events, self.monitor = s.conn(proto=3), s.conn(proto=3), s.conn()
        for c in (self.run, self.events, self.monitor):
            equal("TEST SPACE", call(c, "TEST", "SPACE", name), "OK")
        self.events.ask("PSUBSCRIBE", "*")
        call(self.monitor, "MONITOR")

    def close(self):
        for c in (self.run, self.events, self.monitor):
            c.close()

    def send(self, commands):
        self.run.send(b"".join(encode(with_tag(w, self.tag)) for _, w in commands))

    def read(self, commands):
        """[reply as text] in which the tag is TAG."""
        out = []
        for _ in commands:
            node = self.run.read()
            while node[0] == ">":
                node = self.run.read()
            out.append(node)
        return [shown(n, self.tag) for n in out]

    def heard(self):
        """The events, up to a message that it sends to itself now."""
        self.run.send(encode(["PUBLISH", "the-end", self.tag]))
        out = []
        while True:
            node = self.events.read()
            if "the-end" in repr(node):
                break
            out.append(shown(node, self.tag))
        node = self.run.read()
        while node[0] == ">":
            node = self.run.read()
        return out

    def monitored(self):
        """What the monitor has shown, without time and client."""
        self.run.send(encode(["ECHO", "the-end"]))
        self.run.read()
        out = []
        while True:
            line = self.monitor.read()[1]
            if '"the-end"' in line:
                return out
            out.append(re.sub(r"^\S+ \[(\d+) [^]]*\]", r"\1", line).replace(self.tag, "TAG"))


def foreign(text):
    """The tag of another space in what a client has read; its own is TAG by then."""
    found = TAG.search(text)
    return found.group() if found else None


class Bystander:
    """Clients of a space in which nothing happens: they must hear nothing."""

    def __init__(self, s, name):
        self.c, self.watch, self.wait, self.hear, self.monitor, self.track = (s.conn(proto=3) for _ in range(6))
        self.all = (self.c, self.watch, self.wait, self.hear, self.monitor, self.track)
        for c in self.all:
            equal("TEST SPACE", call(c, "TEST", "SPACE", name), "OK")
        for w in FIXTURE:
            call(self.c, *with_tag(w, "sp0001"))
        call(self.c, "SET", "by", "stander")
        call(self.watch, "WATCH", "by", "bits", "sp0001:list", "none")
        self.wait.send(encode(["BLPOP", "none", "0"]))
        call(self.c, "TEST", "WAIT", "BLOCKED", "none")
        self.hear.ask("PSUBSCRIBE", "*")
        call(self.track, "CLIENT", "TRACKING", "ON", "BCAST")
        call(self.c, "SLOWLOG", "RESET")
        call(self.c, "CONFIG", "RESETSTAT")
        call(self.monitor, "MONITOR")
        self.before = self.state()
        call(self.c, "ECHO", "begin")
        while '"begin"' not in self.monitor.read()[1]:
            pass

    QUESTIONS = [["DBSIZE"], ["KEYS", "*"], ["SCAN", "0"], ["RANDOMKEY"], ["GET", "by"], ["PUBSUB", "CHANNELS"],
                 ["PUBSUB", "NUMPAT"], ["FUNCTION", "LIST"], ["PUBLISH", "x", "y"],
                 ["SCRIPT", "EXISTS", "f" * 40], ["CLIENT", "GETNAME"]]

    def state(self):
        got = [call(self.c, *q) for q in self.QUESTIONS if q[0] not in ("RANDOMKEY", "PUBLISH")]
        return [sorted(x) if isinstance(x, list) and all(isinstance(y, str) for y in x) else x for x in got]

    def check(self, name):
        what = "in '%s': " % name
        equal(what + "the monitor", self.monitor.unread(), b"")
        equal(what + "tracking", self.track.unread(), b"")
        equal(what + "messages", self.hear.unread(), b"")
        equal(what + "a client that waits", self.wait.unread(), b"")
        self.monitor.close()
        equal(what + "the state", self.state(), self.before)
        call(self.watch, "MULTI")
        call(self.watch, "PING")
        equal(what + "what was watched", call(self.watch, "EXEC"), ["PONG"])
        slow = repr(call(self.c, "SLOWLOG", "GET", "-1"))
        check(not re.search(r"sp1\d{3}", slow), what + "the slow log: %.300s" % slow)
        lines = [x for x in call(self.c, "CLIENT", "LIST").split("\n") if x]
        check(len(lines) in (5, 6), what + "clients: %r" % lines)
        stats = dict(x.split(":", 1) for x in call(self.c, "INFO", "everything").split("\r\n") if ":" in x)
        check(int(stats["total_commands_processed"]) < 80, what + "commands: %s" % stats["total_commands_processed"])
        equal(what + "expired", stats["expired_keys"], "0")
        equal(what + "commands that were not called here",
              [k for k in stats if k in ("cmdstat_zadd", "cmdstat_xadd", "cmdstat_flushall", "cmdstat_swapdb")], [])


def start():
    return double("--notify-keyspace-events", "KEA", "--slowlog-log-slower-than", "0", "--maxclients", "4000")


def alone(commands):
    """What a server answers that has no other clients: replies, events, monitor lines."""
    with start() as s:
        w = Worker(s, "sp0000", "")
        replies = []
        for i in range(0, len(commands), CHUNK):
            w.send(commands[i:i + CHUNK])
            replies += w.read(commands[i:i + CHUNK])
        return replies, w.heard(), w.monitored()


@CASES.case
def every_command_in_all_spaces_at_once():
    with start() as s:
        commands = sequence(s.conn(proto=3), ARGS.seed)
        names = {n for n, _ in commands}
        check(len(names) > 230, "too few commands: %d" % len(names))
        wanted, events, lines = alone(commands)
        failed = sum(w.startswith("['-'") for w in wanted)
        check(failed < len(wanted) / 2, "most commands fail: %d of %d" % (failed, len(wanted)))
        differ = {}
        tags = ["sp%04d" % (1000 + i) for i in range(ARGS.spaces)]
        workers = [Worker(s, tag, "space of " + tag) for tag in tags]
        # Connections begin in the first space, so that these come last.
        bystanders = {n: Bystander(s, n) for n in ("quiet", "")}
        for i in range(0, len(commands), CHUNK):
            part = commands[i:i + CHUNK]
            random.Random(i).shuffle(workers)
            for w in workers:
                w.send(part)
            for w in workers:
                for k, got in enumerate(w.read(part)):
                    name, words = part[k]
                    what = "%s: %s" % (w.tag, words)
                    check(not foreign(got), "%s: the reply tells of another space: %.300s" % (what, got))
                    if name not in VARIES and unordered(got) != unordered(wanted[i + k]):
                        differ.setdefault(name, "%s: %.200s, alone: %.200s" % (what, got, wanted[i + k]))
        check(not differ, "%d commands: %s" % (len(differ), "\n".join(differ.values())))
        for w in workers:
            equal(w.tag + ": events", w.heard(), events)
            equal(w.tag + ": the monitor", w.monitored(), lines)
        for name, b in bystanders.items():
            b.check(name)
        return "%d commands, %d spaces, %d replies each, %d of them errors, %d events" % (
            len(names), len(workers), len(wanted), failed, len(events))


words = ARGS.words
sys.exit(run("every", {n: c for n, c in CASES.items() if not words or any(w in n for w in words)}))
