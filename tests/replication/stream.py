#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""stream - what a master sends to its replicas: the same commands to stet and to redis-server, a raw
replica at each, and the streams compared command by command.

  stream.py                       the cases of stream_cases.py, and a few random programs
  stream.py multi                 only the cases with this in their names
  stream.py --seconds 60 --seed 7 random programs for that long as well

A case that needs a newer server than redis-server 7.0 says which; it is left out if $STET_PEERS has
none. PING and GETACK are left out, times may differ by a few seconds. What differs on purpose stands
in DELIBERATE, with its reason.
"""
import argparse
import contextlib
import difflib
import os
import random
import re
import shlex
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "differential"),
                os.path.join(HERE, "..", "golden")]
import replay as golden  # noqa: E402
from cases import need, summary  # noqa: E402
from generate import Generator  # noqa: E402
from masters import programs  # noqa: E402
from resp import Closed, encode  # noqa: E402
from server import Failed, Server, wait_for, wait_info  # noqa: E402
from stream_cases import CASES, DELIBERATE, NOT_RANDOM, NOT_RECORDED  # noqa: E402

ARGS = ["--repl-diskless-sync-delay", "0", "--enable-debug-command", "local", "--repl-timeout", "3600",
        "--repl-ping-replica-period", "3600", "--proto-max-bulk-len", "64mb"]
NUMBER = re.compile(r"^[0-9]+([.][0-9]+)?(e[+]?[0-9]+)?$")
TIME = re.compile(r"^1[0-9]{12}(-[0-9]+)?$")


class Stream:
    """A raw replica, as test programs attach one: SYNC in a line, the payload, then the commands."""

    def __init__(self, server, how=b"SYNC\r\n"):
        self.server, self.control = server, server.conn()
        self.conn = server.conn()
        self.conn.send(how)
        size = 0
        while not size:
            line = self.conn._line().lstrip(b"\n")
            if line[:1] == b"$":
                size = int(line[1:])
        while len(self.conn.buf) - self.conn.pos < size:
            self.conn._more()
        self.conn.pos += size
        self.kept = []
        wait_info(self.control, "slave0", lambda v: "state=online" in v, "replication")
        self.commands()

    def seen(self):
        """What came until now; commands() gives it again."""
        self.kept = self.commands()
        return self.kept

    def commands(self):
        """All that came since the last call."""
        marker = "end-%d" % random.randrange(1 << 60)
        self.control.call("PUBLISH", "stream-test", marker)
        out, self.kept = self.kept, []
        while True:
            words = [w[1] for w in self.conn.read()[1]]
            if words == ["PUBLISH", "stream-test", marker]:
                break
            out.append(words)
        return [w for w in out if w[0].lower() not in ("ping", "replconf")]


class Side:
    """One server with its stream and its clients."""

    def __init__(self, stack, *args, program=None):
        more = {"program": program} if program else {}
        self.server = stack.enter_context(Server(*ARGS, *args, **more))
        self.conns, self.control = {}, self.server.conn()
        self.stream, self.waiting = Stream(self.server), {}

    def conn(self, name):
        if name not in self.conns:
            self.conns[name] = self.server.conn()
        return self.conns[name]

    def begin(self):
        for c in self.conns.values():
            c.close()
        self.conns, self.waiting = {}, {}
        for words in (["FLUSHALL"], ["FUNCTION", "FLUSH"], ["SCRIPT", "FLUSH"], ["DEBUG", "SET-ACTIVE-EXPIRE", "0"],
                      ["CONFIG", "SET", "maxmemory", "0"]):
            self.control.ask(*words)
        self.stream.commands()

    def step(self, name, words, blocks):
        c = self.conn(name)
        for old in self.waiting.pop(name, []):
            old.read()
        if not blocks:
            return c.ask(*words)
        n = int(self.control.info("clients")["blocked_clients"])
        c.send(encode(words))
        self.waiting.setdefault(name, []).append(c)
        wait_info(self.control, "blocked_clients", lambda v: int(v) > n, "clients", 10)
        return None

    def expired(self, n):
        """Waits until so many keys more have expired by themselves."""
        wait_info(self.control, "expired_keys", lambda v: int(v) >= self.expired_before + n, "stats")

    def note_expired(self):
        self.expired_before = int(self.control.info("stats")["expired_keys"])


# ------------------------------------------------------------------ comparison

def same_word(a, b):
    if a == b:
        return True
    if TIME.match(a) and TIME.match(b):
        (x, dash, _), (y, other, _) = a.partition("-"), b.partition("-")  # ids of one millisecond are counted
        return abs(int(x) - int(y)) < 5000 and dash == other
    # 7.2 writes doubles otherwise, and scores beyond 2^53 are rounded.
    return bool(NUMBER.match(a) and NUMBER.match(b)) and float(a) == float(b) > 2 ** 53


def same_command(a, b):
    return len(a) == len(b) and all(map(same_word, a, b))


def same_streams(a, b):
    return len(a) == len(b) and all(map(same_command, a, b))


def excused(commands, replies, a, b):
    a, b = ([tuple("NOW" if TIME.match(w) else w for w in c) for c in s] for s in (a, b))
    return any(test(commands, replies, a, b) for _, test in DELIBERATE)


def shown(a, b):
    """Where the streams differ: - the oracle's, + stet's."""
    def line(words):
        return " ".join("NOW" if TIME.match(w) else repr(w)[1:-1] or "''" for w in words)[:200]
    return "".join("\n        " + x for x in list(difflib.unified_diff(
        [line(c) for c in a], [line(c) for c in b], lineterm="", n=1))[2:60] if x[0] != "@")


def words_of(line):
    return [x.encode("latin-1").decode("unicode_escape") if re.search(r"\\[xn]", x) else x for x in shlex.split(line)]


def play(side, steps):
    """One line a step: `[client:] COMMAND`, `client! COMMAND` for one that blocks, `sleep MS`,
    `expire-by-itself N` and `field-expires` until so many keys, or a field, have expired by themselves."""
    side.begin()
    said = []
    side.note_expired()
    for line in steps:
        m = re.match(r"^(?:([a-z])([:!]) )?(.*)$", line, re.S)
        name, blocks, rest = m.group(1) or "a", m.group(2) == "!", m.group(3)
        if rest.startswith("sleep "):
            time.sleep(int(rest[6:]) / 1000)
        elif rest.startswith("expire-by-itself "):
            side.expired(int(rest.split()[1]))
        elif rest.startswith("field-expires "):
            wait_for(lambda: "HDEL" in [w[0] for w in side.stream.seen()[-1:]], "HDEL", 10)
        else:
            said.append(side.step(name, words_of(rest), blocks))
    return said


def case(name, sides):
    steps = [s.strip() for s in CASES[name].strip().split("\n")]
    got = []
    for side in sides:
        said = play(side, steps)
        got.append((side.stream.commands(), said))
    (a, said_a), (b, said_b) = got
    if same_streams(a, b):
        return None
    errors = ["%s: %s" % (s, r[1]) for s, r in zip(steps, said_b) if r and r[0] == "-"]
    errors += ["oracle: %s: %s" % (s, r[1]) for s, r in zip(steps, said_a) if r and r[0] == "-"]
    return "%s%s\n      %s" % (name, shown(a, b), "; ".join(errors))


# ------------------------------------------------------------------ recorded transcripts

def recorded(family, sides, report):
    """The cases of one client, without those that draw lots or are told raw bytes."""
    done = 0
    for c in golden.cases(family):
        steps = c["steps"]
        if c["conns"] > 1 or not all("cmd" in s and not s.get("many") for s in steps) or any(
                s["cmd"][:1] and str(s["cmd"][0]).lower() in NOT_RECORDED for s in steps):
            continue
        streams = []
        try:
            for side in sides:
                side.begin()
                replies = []
                for s in steps:
                    replies.append(side.conn("a").ask(*(golden.Replay.word(w, replies) for w in s["cmd"])))
                streams.append(side.stream.commands())
                for words in c.get("after", []):
                    side.control.ask(*words)
        except (Closed, TimeoutError, TypeError, IndexError) as e:
            report("%s: %s %s" % (c["id"], type(e).__name__, e))
            continue
        done += 1
        if not same_streams(*streams) and not excused([s["cmd"] for s in steps], None, *streams):
            report("%s%s" % (c["id"], shown(*streams)))
    return done


# ------------------------------------------------------------------ random programs

class Programs:
    """Random commands in groups: alone, in a transaction, in a script. Every group is compared."""

    def __init__(self, seed, sides, report):
        self.rng, self.sides, self.report = random.Random(seed), sides, report
        known = set.intersection(*({c.decode().lower() for c in s.control.call("COMMAND", "LIST")} for s in sides))
        self.g = Generator("stream%s" % seed, known - NOT_RANDOM)

    def command(self):
        while True:
            words = self.g.command()
            if words[0].lower() not in NOT_RANDOM and not any(w.upper() in ("BLOCK", "COUNT~") for w in words):
                return words

    def group(self):
        r, x = self.rng, self.rng.random()
        if x < 0.75:
            return [self.command()]
        some = [self.command() for _ in range(r.randrange(1, 5))]
        if x < 0.9:
            if r.random() < 0.2:
                some.insert(r.randrange(len(some) + 1), ["SELECT", str(r.randrange(3))])
            return [["MULTI"], *some, ["EXEC"], ["SELECT", "0"]]
        args, body = [], []
        for words in some:
            body.append("redis.pcall(%s)" % ",".join("ARGV[%d]" % (len(args) + i + 1) for i in range(len(words))))
            args += words
        return [["EVAL", " ".join(body), "0", *args]]

    def world(self, groups):
        for s in self.sides:
            s.begin()
        done = 0
        for i in range(groups):
            group = self.group()
            raw = b"".join(encode(w) for w in group)
            streams, replies = [], []
            for s in self.sides:
                s.conn("a").send(raw)
                replies.append([s.conn("a").read() for _ in group])
                streams.append(s.stream.commands())
            done += 1
            if same_streams(*streams):
                continue
            if not excused(group, replies, *streams):
                self.report("%s%s\n      %.300r\n      %.300r" % (
                    " ; ".join(" ".join(map(repr, w)) for w in group)[:1000], shown(*streams), *replies))
            for s in self.sides:
                s.begin()
        return done


def main():
    need("redis-server")
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("names", nargs="*")
    p.add_argument("--seconds", type=float, default=8, help="of random programs")
    p.add_argument("--recorded", action="store_true", help="the recorded transcripts as well")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--oracle", help="redis-7, redis-8 or valkey-9: all cases against this one")
    o = p.parse_args()
    here, failed, passed = programs(), [], 0

    def report(line):
        failed.append(line)
        print("FAIL", line, flush=True)

    with contextlib.ExitStack() as stack:
        stet, others = Side(stack), {}

        def oracle(name):
            if name in here and name not in others:
                others[name] = Side(stack, program=here[name])
            return others.get(name)
        for name in CASES:
            m = re.search(r"\[(redis-8|valkey-9)\]", name)
            side = oracle(o.oracle or (m.group(1) if m else "redis-7"))
            if not side or o.names and not any(w in name for w in o.names):
                continue
            try:
                line = case(name, (side, stet))
            except (Failed, Closed, TimeoutError) as e:
                line = "%s: %s %s" % (name, type(e).__name__, e)
                stet = Side(stack)
                others.clear()
            passed += not line
            if line:
                report(line)
        if o.recorded:
            for family in set(golden.FAMILIES.split(",")) - {"hash_field_expiry", "additions74"}:  # newer than 7.0
                before = len(failed)
                passed += recorded(family, (oracle(o.oracle or "redis-7"), stet), report) - (len(failed) - before)
        end, n = time.monotonic() + o.seconds, 0
        while time.monotonic() < end and len(failed) < 40:
            before = len(failed)
            passed += Programs("%d/%d" % (o.seed, n), (oracle(o.oracle or "redis-7"), stet), report).world(150)
            passed -= len(failed) - before
            n += 1
    return summary("stream", passed, len(failed))


if __name__ == "__main__":
    sys.exit(main())
