#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""acl - the same random users on stet and on redis-server: what they are shown as, what they may
do, and what is noted of what they may not.

  acl.py --rounds 200 --seed 1

A round makes users by random rules, asks with ACL DRYRUN for every command that both servers know
(in random order of a few each round) and for calls with keys and channels, runs commands as such a
user (alone, in MULTI, in scripts), and compares the replies, ACL GETUSER and ACL LOG. 7.0.15 shows
command rules in another form than 7.2, so these are compared by what they mean: each server's
description is given to the other one, and must lead to the same rights there.
"""
import argparse
import os
import random
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import need, summary  # noqa: E402
from judge import version  # noqa: E402
from resp import Closed, encode  # noqa: E402
from server import Server  # noqa: E402

ORACLE = os.environ.get("STET_ORACLE", "/usr/bin/redis-server")
# Commands whose categories changed between 7.0 and 7.2 are found by asking both, and left out.
CALLS = [  # K: a key, C: a channel, P: a pattern of channels
    "get K", "set K v", "set K v get", "getdel K", "getex K", "mget K K", "mset K 1 K 2", "del K K",
    "exists K", "type K", "ttl K", "expire K 100", "touch K", "copy K K",
    "rename K K", "append K x", "strlen K", "incr K", "setrange K 0 x", "bitfield K get u8 0",
    "bitfield K set u8 0 1", "bitfield_ro K get u8 0", "bitop not K K", "bitcount K", "lcs K K",
    "lpush K a", "lpop K", "lrange K 0 -1", "lmove K K left left", "lmpop 2 K K left", "llen K",
    "sadd K a", "smove K K a", "sinter K K", "sinterstore K K K", "sunionstore K K", "smembers K",
    "scard K", "zadd K 1 a", "zunion 2 K K", "zunionstore K 2 K K", "zrangestore K K 0 -1",
    "zrange K 0 -1", "zcard K", "zmpop 1 K min", "hset K f v", "hget K f", "hlen K", "hgetall K",
    "xadd K * f v", "xread streams K K 0 0", "xlen K", "xrange K - +", "pfadd K a", "pfcount K",
    "pfmerge K K", "geoadd K 0 0 a", "georadius K 0 0 1 km", "georadius K 0 0 1 km store K",
    "geosearchstore K K fromlonlat 0 0 byradius 1 km", "sort K", "sort K store K", "sort K by nosort",
    "sort K by w_*", "sort K get #", "sort_ro K get w_*", "dump K", "persist K", "watch K", "unwatch",
    "memory usage K", "publish C m", "spublish C m", "subscribe C C", "psubscribe P", "ssubscribe C",
    "pubsub channels", "ping", "echo x", "dbsize", "keys x", "scan 0", "randomkey", "select 0",
    "config get maxclients", "config resetstat", "client id", "client getname", "client list",
    "acl whoami", "acl list", "info", "time", "command count", "latency reset", "slowlog len",
    "debug sleep 0", "lastsave", "save", "flushdb", "multi", "exec", "discard", "blpop K 0.001",
]
KEYS = ["a", "ab", "b1", "r1", "w1", "rw1", "x", "w_1"]
CHANNELS, PATTERNS = ["news", "n1", "other"], ["news*", "n*", "*", "news"]
KEY_RULES = ["~a*", "~b?", "%R~r*", "%W~w*", "%RW~rw*", "%R~a", "%W~ab", "~*", "~[ab]*", "%R~*",
             "%W~*", "allkeys", "resetkeys", "%rw~w_*"]
CHANNEL_RULES = ["&news*", "&n?", "&*", "&news", "allchannels", "resetchannels"]
USER_RULES = ["on", "off", "nopass", "resetpass", ">p", ">q", "<p", "reset", "clearselectors",
              "sanitize-payload", "skip-sanitize-payload",
              "#" + "ab" * 32, "!" + "ab" * 32, "#zz", "nosuch", "", "~a b", "+", "-", "(", "()",
              "+nosuch", "+config|nosuch", "+config|get|x", "-config|get", "+get|", "%X~a", "&a b"]
FIRST_ARGS = ["+select|0", "+SELECT|1", "+echo|x", "+ping|a", "+memory|usage", "+debug|sleep"]


def canon(text):
    """7.0's words as 7.2's, the name of the user left out."""
    text = re.sub(r"(This user|this user|User \S*) has no permissions", "USER has no permissions",
                  text)
    text = text.replace("USER has no permissions to access one of the keys used as arguments",
                        "No permissions to access a key")
    text = text.replace("USER has no permissions to access one of the channels used as arguments",
                        "No permissions to access a channel")
    for old, new in (("The user executing the script can't run this command or subcommand",
                      "ACL failure"),
                     ("The user executing the script can't access at least one of the keys "
                      "mentioned in the command arguments", "ACL failure"),
                     ("The user executing the script can't publish to the channel mentioned in "
                      "the command", "ACL failure")):
        text = text.replace(old, new)
    return re.sub(r"ACL failure in script: .*", "ACL failure", text)


def plain(node):
    kind, value = node[0], node[1] if len(node) > 1 else None
    if isinstance(value, list):
        return [kind] + [plain(v) for v in value]
    return [kind, canon(value) if isinstance(value, str) else value]


class Gone(Exception):
    """A server has ended."""


class Pair:
    """A connection to each server."""

    def __init__(self, servers):
        self.conns = [s.conn() for s in servers]

    def ask(self, *words):
        """Both replies."""
        out = []
        for c in self.conns:
            c.send(encode(words))
        for c, name in zip(self.conns, ("stet", "oracle")):
            try:
                out.append(c.read())
            except Closed:
                raise Gone("%s is gone after %r" % (name, words)) from None
        return out

    def ask_all(self, calls):
        raw = b"".join(encode(w) for w in calls)
        for c in self.conns:
            c.send(raw)
        return list(zip(*[[c.read() for _ in calls] for c in self.conns]))

    def close(self):
        for c in self.conns:
            c.close()


class Run:
    def __init__(self, servers, seed):
        self.servers, self.seed = servers, seed
        self.admin = Pair(servers)
        # Valkey does not tell of the second one.
        valkey = version(self.admin.conns[0]) == "valkey" or version(self.admin.conns[1]) == "valkey"
        self.unseen = [["$", "sanitize-payload"]] + [["$", "skip-sanitize-payload"]] * valkey
        self.asked = self.failed = 0
        self.commands, self.categories = self.shared_commands()

    def differ(self, what, ours, theirs, trail):
        self.failed += 1
        if self.failed > 12:
            return
        print("DIFFER %s\n  stet   %r\n  oracle %r" % (what, ours, theirs))
        for line in trail:
            print("    " + " ".join(repr(w) if not w or " " in w else w for w in line))

    def same(self, what, pair, trail=()):
        self.asked += 1
        if plain(pair[0]) != plain(pair[1]):
            self.differ(what, plain(pair[0]), plain(pair[1]), trail)

    def shared_commands(self):
        """Commands of both servers with equal categories and a number of arguments that fits."""
        cats = [v[1] for v in self.admin.ask("ACL", "CAT")[1][1]]
        of = [{}, {}]
        for cat in cats:
            for i, reply in enumerate(self.admin.ask("ACL", "CAT", cat)):
                for n in reply[1]:
                    of[i].setdefault(n[1], set()).add(cat)
        names = [n for n in sorted(of[0]) if of[1].get(n) == of[0][n]]
        other = [n for n in sorted(of[0]) if n in of[1] and of[1][n] != of[0][n]]
        self.both = {n for n in of[0] if n in of[1]}
        print("%d commands of both; other categories: %s" % (len(names), " ".join(other) or "none"))
        return names, cats

    # ------------------------------------------------------------ rules

    def command_rule(self, rng):
        r = rng.random()
        if r < 0.3:
            return rng.choice("+-") + "@" + rng.choice(self.categories + ["all"])
        if r < 0.4:
            return rng.choice(["allcommands", "nocommands", "+@ALL", "-@all"])
        if r < 0.45:
            return rng.choice(FIRST_ARGS)
        name = rng.choice(self.commands)
        return rng.choice("+-") + (name.upper() if rng.random() < 0.1 else name)

    def rule(self, rng):
        r = rng.random()
        if r < 0.5:
            return self.command_rule(rng)
        if r < 0.72:
            return rng.choice(KEY_RULES)
        if r < 0.84:
            return rng.choice(CHANNEL_RULES)
        if r < 0.92:
            inner = [rng.choice([self.command_rule(rng), rng.choice(KEY_RULES),
                                 rng.choice(CHANNEL_RULES)]) for _ in range(rng.randint(1, 4))]
            return "(" + " ".join(inner) + ")"
        return rng.choice(USER_RULES)

    def make_user(self, rng, name, trail):
        for _ in range(rng.randint(1, 4)):
            words = ["ACL", "SETUSER", name]
            for _ in range(rng.randint(1, 5)):
                rule = self.rule(rng)
                words += rule.split(" ") if rule[:1] == "(" and rng.random() < 0.5 else [rule]
            trail.append(words)
            self.same("ACL SETUSER", self.admin.ask(*words), trail)

    # ------------------------------------------------------------ what is compared

    def call(self, rng, text):
        pick = {"K": KEYS, "C": CHANNELS, "P": PATTERNS}
        return [rng.choice(pick[w]) if w in pick else w for w in text.split()]

    def compare_shown(self, name, trail):
        shown = []
        for reply in self.admin.ask("ACL", "GETUSER", name):
            got = dict(zip([n[1] for n in reply[1][::2]], [plain(n) for n in reply[1][1::2]]))
            got["flags"] = [f for f in got["flags"] if f not in self.unseen]
            got.pop("commands")
            got["selectors"] = [dict(zip([n[1] for n in s[1::2]], s[2::2]))
                                for s in got["selectors"][1:]]
            for s in got["selectors"]:
                s.pop("commands")
            for s in [got, *got["selectors"]]:  # Valkey tells of them where nothing is limited, too
                if s.get("databases") == ["$", "alldbs"]:
                    s.pop("databases")
            shown.append(got)
        self.asked += 1
        if shown[0] != shown[1]:
            self.differ("ACL GETUSER", shown[0], shown[1], trail)

    def descriptions(self, name):
        out = []
        for reply in self.admin.ask("ACL", "LIST"):
            out += [n[1] for n in reply[1] if n[1].startswith("user %s " % name)]
        return out

    def understood(self, rules):
        """Without the commands that only one of the servers has."""
        return [r for r in rules if r[:1] not in "+-" or not r[1:2].isalpha() or
                r.strip("+-()").split("|")[0] in self.both]

    def compare_rights(self, rng, name, trail):
        """Of each command, and of calls with keys and channels; then by the other's description."""
        calls = [self.call(rng, t) for t in rng.sample(CALLS, 40)]
        for c in rng.sample(self.commands, 60):
            calls.append(c.split("|") + ["1"] * 3)
        asked = [["ACL", "DRYRUN", name] + c for c in calls]
        first = self.admin.ask_all(asked)
        for words, pair in zip(asked, first):
            if b"wrong number" in repr(pair).encode():
                continue
            self.same(" ".join(words), pair, trail)
        for i, text in enumerate(self.descriptions(name)):
            copy = "copy%d" % i
            self.admin.ask("ACL", "DELUSER", copy)
            words = ["ACL", "SETUSER", copy] + self.understood(text.split(" ")[2:])
            made = self.admin.ask(*words)
            self.same("ACL SETUSER of a description", made, trail + [words])
            if made[1][0] == "-":  # "~* ~x": neither server can read what both show
                continue
            again = self.admin.ask_all([["ACL", "DRYRUN", copy] + w[3:] for w in asked])
            for words2, old, new in zip(asked, first, again):
                if plain(old[0]) != plain(new[0]):
                    self.differ("by its description: " + " ".join(words2), plain(new[0]),
                                plain(old[0]), trail + [words])

    def compare_use(self, rng, name, trail):
        self.admin.ask("ACL", "SETUSER", name, "on", "nopass", "+auth", "+client|id")
        self.admin.ask("ACL", "LOG", "RESET")
        user = Pair(self.servers)
        self.same("AUTH", user.ask("AUTH", name, "x"), trail)
        unsafe = ("subscribe", "psubscribe", "ssubscribe", "multi", "exec", "discard", "info",
                  "time", "client", "lastsave", "save", "dump", "memory", "xadd", "config",
                  "acl", "command", "latency", "slowlog", "scan", "randomkey", "debug")
        for _ in range(25):
            words = self.call(rng, rng.choice(CALLS))
            if words[0] in unsafe:
                continue
            r = rng.random()
            if r < 0.2 and words[0] not in ("watch", "unwatch", "select", "blpop"):
                wrapped = ["EVAL", "return redis.pcall(unpack(ARGV))", "0"] + words
                pair = user.ask(*wrapped)
                if "script" not in repr(pair):
                    self.same("in a script: " + " ".join(words), pair, trail)
            elif r < 0.4 and words[0] != "watch":
                for w in (["MULTI"], words, ["EXEC"]):
                    self.same("in MULTI: " + " ".join(words), user.ask(*w), trail)
                user.ask("DISCARD")
            else:
                self.same("as the user: " + " ".join(words), user.ask(*words), trail)
        user.close()
        self.compare_log(trail)

    def compare_sessions(self, rng, name, trail):
        """Whose connections end when channels are taken away, or the user is deleted."""
        self.admin.ask("ACL", "SETUSER", name, "on", "nopass", "+subscribe", "+psubscribe", "+auth",
                       "+ssubscribe", "+ping")
        users = [Pair(self.servers) for _ in range(4)]
        for u in users:
            self.same("AUTH", u.ask("AUTH", name, "x"), trail)
            self.same("PING", u.ask("PING"), trail)
            kind = rng.choice(["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "PING"])
            names = PATTERNS if kind == "PSUBSCRIBE" else CHANNELS
            words = [kind] + ([rng.choice(names)] if kind != "PING" else [])
            trail.append(words)
            self.same(" ".join(words), u.ask(*words), trail)
        words = ["ACL", "SETUSER", name, "resetchannels", "clearselectors"]
        words += rng.sample(["&news*", "&n*", "&news", "&n1", "&other", "&*", "(&n*)"], 3)
        if rng.random() < 0.2:
            words = ["ACL", "DELUSER", name]
        trail.append(words)
        self.same(" ".join(words), self.admin.ask(*words), trail)
        for u in users:
            self.asked += 1
            open_ = [self.is_open(c) for c in u.conns]
            if open_[0] != open_[1]:
                self.differ("open afterwards", open_[0], open_[1], trail)
            u.close()

    @staticmethod
    def is_open(c):
        try:
            c.send(encode(["PING"]))
            c.read()
            return True
        except Closed:
            return False

    def compare_log(self, trail):
        logs = []
        for reply in self.admin.ask("ACL", "LOG", "100"):
            entries = []
            for e in reply[1]:
                d = dict(zip([n[1] for n in e[1][::2]], [n[1] for n in e[1][1::2]]))
                entries.append([d[k] for k in ("count", "reason", "context", "object", "username")])
            logs.append(entries)
        self.asked += 1
        if logs[0] != logs[1]:
            self.differ("ACL LOG", logs[0], logs[1], trail)

    def round(self, number):
        rng = random.Random("%d/%d" % (self.seed, number))
        trail = []
        for p in ("FLUSHALL",), ("ACL", "DELUSER", "u"):
            self.admin.ask(*p)
        self.trail = trail
        self.make_user(rng, "u", trail)
        if self.admin.ask("ACL", "GETUSER", "u")[0][1] is None:
            return
        self.compare_shown("u", trail)
        self.compare_rights(rng, "u", trail)
        self.compare_use(rng, "u", trail)
        self.compare_sessions(rng, "u", trail)


def main():
    need("redis-server")
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--rounds", type=int, default=150)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--round", type=int, help="only this one")
    o = p.parse_args()
    args = ("--save", "", "--acllog-max-len", "128")
    with Server(*args) as ours, Server(*args, program=ORACLE) as theirs:
        run = Run((ours, theirs), o.seed)
        for n in [o.round] if o.round is not None else range(o.rounds):
            try:
                run.round(n)
            except Gone as e:
                print("round %d: %s" % (n, e))
                for line in run.trail:
                    print("    " + " ".join(line))
                return 1
    return summary("acl", run.asked - run.failed, run.failed)


if __name__ == "__main__":
    sys.exit(main())
