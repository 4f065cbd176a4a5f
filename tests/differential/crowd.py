#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""crowd - several clients at once on stet and on redis-server: what each of them hears, compared.

  crowd.py --seconds 10 --seed 1             crowd.py --seed 7 --world 12    only that world
  crowd.py --seed 7 --world 12 --shrink      the fewest steps after which the two still differ

STET_ORACLE names another oracle than redis-server: newer ones serve waiting clients as 7.2 does.
Where 7.0 serves another client than 7.2 does, the world ends, and is counted as deliberate.

Transactions and WATCH across connections, blocking commands and what wakes them, CLIENT UNBLOCK and
KILL, channels, keyspace events, tracking. A step is one command of one client. After it both
servers are asked something on a connection of its own, twice: what the step has caused to be said
to anybody has then been sent, and everything that came is read without waiting.
"""
import argparse
import collections
import os
import random
import re
import select
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import need, summary  # noqa: E402
from judge import version  # noqa: E402
from resp import Closed, encode  # noqa: E402
from server import Failed, Server  # noqa: E402

ORACLE = os.environ.get("STET_ORACLE", "/usr/bin/redis-server")
CLIENTS, STEPS = 5, 150
SERVED = {kind + n for kind in "lzs" for n in "012"}  # keys that clients wait for
NOT_QUEUED = "not allowed inside a transaction"
CLOSED, HALF = "(closed)", "(half a message)"
EVENTS = ["", "KEA", "KEA", "Kg$lshzxetdn", "Elg", "Kx$", "KEn"]
SCRIPT = "redis.call('SET', KEYS[1], 'v') redis.call('RPUSH', KEYS[2], 'a', 'b') return 1"

# %k a string's key, %l list's, %z sorted set's, %s stream's, %c channel, %p pattern, %v value,
# %i the id of some client, %n small number; a weight in front.
COMMANDS = """
4 GET %k
4 SET %k %v
2 SET %k %v PX 100000
1 GETDEL %k
1 GETEX %k PERSIST
2 INCR num
1 APPEND %k %v
1 MGET %k %k num
2 MSET %k %v %k %v
3 DEL %k
2 DEL %l
1 UNLINK %z %s
1 EXPIRE %k 1000
1 PERSIST %k
1 RENAME %k %k
1 RENAME %l %l
1 COPY %k %k REPLACE
1 MOVE %k 1
1 SELECT %n
1 SWAPDB 0 1
1 FLUSHDB
1 FLUSHALL
4 LPUSH %l %v
4 RPUSH %l %v %v
1 LPUSHX %l %v
2 LPOP %l
1 RPOP %l %n
1 LTRIM %l 0 1
1 LMOVE %l %l LEFT RIGHT
1 SORT %l ALPHA STORE %l
3 ZADD %z %n %v
1 ZADD %z XX GT CH 3 %v
1 ZREM %z %v
1 ZPOPMIN %z
1 ZUNIONSTORE %z 2 %z %z
3 XADD %s * f %v
1 XTRIM %s MAXLEN 1
1 XGROUP CREATE %s g $ MKSTREAM
1 XGROUP DESTROY %s g
1 HSET h%n f %v
1 HDEL h%n f
1 SADD set%n %v
1 SMOVE set0 set1 %v
6 MULTI
7 EXEC
1 DISCARD
4 WATCH %k %l
1 WATCH %z
1 UNWATCH
1 MULTI extra
1 NOSUCH a
1 SET %k
1 GET %l
3 BLPOP %l %l 0
2 BRPOP %l 0
2 BLMOVE %l %l LEFT RIGHT 0
1 BRPOPLPUSH %l %l 0
2 BLMPOP 0 2 %l %l LEFT COUNT 2
2 BZPOPMIN %z %z 0
1 BZPOPMAX %z 0
1 BZMPOP 0 1 %z MIN COUNT 2
2 XREAD BLOCK 0 STREAMS %s $
1 XREAD COUNT 1 BLOCK 0 STREAMS s0 s1 $ $
1 XREADGROUP GROUP g c BLOCK 0 STREAMS %s >
1 BLPOP %l abc
1 BLPOP %l -1
1 BLPOP %k 0
3 CLIENT UNBLOCK %i
1 CLIENT UNBLOCK %i ERROR
1 CLIENT UNBLOCK %i TIMEOUT
1 CLIENT KILL ID %i
1 CLIENT KILL TYPE pubsub SKIPME yes
1 CLIENT SETNAME %v
1 CLIENT GETNAME
1 CLIENT NO-EVICT on
1 CLIENT REPLY SKIP
3 SUBSCRIBE %c
2 SUBSCRIBE %c %c
2 PSUBSCRIBE %p
1 SSUBSCRIBE %c
2 UNSUBSCRIBE %c
1 UNSUBSCRIBE
1 PUNSUBSCRIBE %p
1 PUNSUBSCRIBE
1 SUNSUBSCRIBE
2 PSUBSCRIBE __key*__:*
4 PUBLISH %c %v
1 SPUBLISH %c %v
1 PUBSUB NUMSUB %c %c
1 PUBSUB NUMPAT
1 PUBSUB SHARDNUMSUB %c
1 PING
1 PING %v
2 RESET
1 HELLO 3
1 HELLO 2
1 HELLO 3 SETNAME %v
3 CLIENT TRACKING ON
1 CLIENT TRACKING ON BCAST
1 CLIENT TRACKING ON BCAST PREFIX k PREFIX l
1 CLIENT TRACKING ON BCAST PREFIX k PREFIX k1
1 CLIENT TRACKING ON NOLOOP
1 CLIENT TRACKING ON OPTIN
1 CLIENT TRACKING ON OPTOUT
1 CLIENT TRACKING ON OPTIN OPTOUT
1 CLIENT TRACKING ON REDIRECT %i
2 CLIENT TRACKING OFF
1 CLIENT CACHING YES
1 CLIENT CACHING NO
1 CLIENT GETREDIR
1 CLIENT TRACKINGINFO
2 EVAL %script 2 %k %l
1 QUIT
"""
TABLE = [(int(w), words.split()) for w, words in
         (line.split(None, 1) for line in COMMANDS.strip().split("\n"))]


HOLE = re.compile(r"%[a-z]+")


class Client:
    """The same client on both servers: [oracle's connection, ours]."""

    def __init__(self, servers, proto):
        self.conns = [s.conn() for s in servers]
        self.ids = [c.call("CLIENT", "ID") for c in self.conns]
        self.gone = False
        if proto == 3:
            for c in self.conns:
                c.call("HELLO", "3")

    def close(self):
        for c in self.conns:
            c.close()


def arrived(conn):
    """Every message that is there, without waiting; CLOSED at the end of a connection. Of an EXEC within which
    CLIENT REPLY SKIP ran, a part is missing for ever: HALF."""
    out = []
    conn.sock.settimeout(0.5)
    while True:
        if len(conn.buf) > conn.pos:
            try:
                out.append(conn.read())
            except TimeoutError:
                return out + [HALF]
        elif select.select([conn.sock], [], [], 0)[0]:
            try:
                conn._more()
            except Closed:
                return out + [CLOSED]
        else:
            return out


class World:
    def __init__(self, number, seed, servers, report):
        self.rng = random.Random("%d/%d" % (seed, number))
        self.number, self.servers, self.report = number, servers, report
        self.control = [s.conn() for s in servers]
        self.oracle = version(self.control[0])
        events = self.rng.choice(EVENTS)
        for c in self.control:
            c.call("FLUSHALL")
            c.call("CONFIG", "SET", "notify-keyspace-events", events)
        self.clients = [self.new_client() for _ in range(CLIENTS)]
        self.former = []  # the ids of clients that are gone: [oracle's, ours]
        self.history = []
        self.unanswered = [[] for _ in range(CLIENTS)]

    def new_client(self):
        return Client(self.servers, self.rng.choice([2, 2, 3]))

    def words(self):
        r = self.rng
        swaps = self.number % 3 == 0  # SWAPDB tells trackers more here than there: not both at once
        template = None
        while not template or template[:2] == ["CLIENT", "TRACKING"] and swaps or \
                template[0] == "SWAPDB" and not swaps or \
                template[0] == "LTRIM" and self.oracle == "valkey":  # there no change if nothing goes
            template = r.choices(TABLE, [w for w, _ in TABLE])[0][1]
        fill = {"%k": lambda: "k%d" % r.randrange(3), "%l": lambda: "l%d" % r.randrange(3),
                "%z": lambda: "z%d" % r.randrange(2), "%s": lambda: "s%d" % r.randrange(2),
                "%c": lambda: r.choice(["news", "chat", "n"]), "%n": lambda: str(r.randrange(3)),
                "%p": lambda: r.choice(["n*", "*", "ch?t", "x"]),
                "%v": lambda: "v%d" % r.randrange(4), "%i": lambda: ("id", r.randrange(CLIENTS)),
                "%script": lambda: SCRIPT}
        out = []
        for w in template:
            hole = HOLE.search(w)
            out.append(w if not hole else fill[w]() if w == hole.group()
                       else w.replace(hole.group(), fill[hole.group()]()))
        return out

    def step(self):
        who = self.rng.randrange(CLIENTS)
        words = self.words()
        if words[0] == "XADD":
            words[2] = "%d-1" % (len(self.history) + 1)
        self.say(who, words)

    def say(self, who, words):
        self.history.append((who, words))
        self.unanswered[who].append(words)
        for side in (0, 1):
            sent = [w if isinstance(w, str) else str(self.clients[w[1]].ids[side]) for w in words]
            try:
                self.clients[who].conns[side].send(encode(sent))
            except Closed:
                pass
        for c in self.control + self.control:
            c.call("PING")
        self.compare()

    def compare(self):
        heard = [self.both(i) for i in range(CLIENTS)]
        differ = [i for i, (want, got) in enumerate(heard) if not same(want, got, self.oracle)]
        excuse = next(filter(None, (self.excuse(i, *heard[i]) for i in differ)), None)
        if excuse:
            self.report.excused[excuse] += 1
            raise Failed("")
        for i in differ:
            self.report.difference(self, i, *heard[i])
            raise Failed("")  # what differs once goes on differing
        for i, (want, got) in enumerate(heard):
            if [m for m in got if m[0] != ">"]:
                self.unanswered[i] = []
            if CLOSED in got or HALF in want:
                self.clients[i].close()
                self.former.append(self.clients[i].ids)
                self.clients[i] = self.new_client()

    def both(self, i):
        """What client i hears there and here. FLUSHALL is answered a little later by Redis 8."""
        heard = [[], []]
        for patience in (0, 0.02, 0.2):
            time.sleep(patience)
            for side in (0, 1):
                if CLOSED not in heard[side]:
                    heard[side] += self.heard(self.clients[i], side)
            want, got = heard
            if self.tracked_before(i):
                want = [m for m in flatten(want) if not is_invalidation(m) or m in flatten(got)]
            if got == [CLOSED] and want == [] and self.quits_silently(i):
                want = got
            if same(want, got, self.oracle):
                break
        return want, got

    def excuse(self, i, want, got):
        """7.0 serves a client that waits for several keys by the one that was filled first, 7.2 by its own first one.
        Valkey refuses more commands within MULTI, and the transaction is lost by it. Newer oracles empty a database on
        a thread, and what the client sent behind that waits."""
        if self.oracle == "redis 7" and any(len(set(map(str, w)) & SERVED) > 1 for w in self.unanswered[i]):
            return "served by the key that was filled first"
        if self.oracle == "valkey" and any(m[0] == "-" and NOT_QUEUED in m[1] for m in want):
            return "not within MULTI"
        if self.oracle != "redis 7" and any(
                w[0] in ("FLUSHALL", "FLUSHDB") for own in self.unanswered for w in own[:-1]):
            return "commands behind FLUSHALL run later"
        return None

    def quits_silently(self, i):
        """There a client that QUITs where its reply is left out stays connected, and is never served again."""
        own = [w for who, w in self.history if who == i]
        return self.history[-1] == (i, ["QUIT"]) and any(w[:2] == ["CLIENT", "REPLY"] for w in own)

    def tracked_before(self, i):
        """There a client that begins to track anew still hears of what it read before."""
        return any(who == i and (w[:3] == ["CLIENT", "TRACKING", "OFF"] or w == ["RESET"])
                   for who, w in self.history)

    def heard(self, client, side):
        """With ids of clients as their numbers: they differ between the servers."""
        names = {ids[side]: "former client %d" % i for i, ids in enumerate(self.former)}
        names.update({c.ids[side]: "client %d" % i for i, c in enumerate(self.clients)})

        def plain(node):
            if isinstance(node, list):
                if len(node) == 2 and node[0] == ":" and node[1] in names and node[1] > 5:
                    return [":", names[node[1]]]
                return [plain(x) for x in node]
            return node
        return [plain(x) for x in arrived(client.conns[side])]

    def close(self):
        for c in self.clients:
            c.close()
        for c in self.control:
            c.close()


def without_version(node):
    """HELLO tells a version, what comes with it, and an id that differs."""
    if node == ["$", "valkey"]:
        return ["$", "redis"]
    if isinstance(node, list):
        if node[:1] == ["%"] and any(k == ["$", "server"] for k, _ in node[1]):
            return ["HELLO", [[k, without_version(v)] for k, v in node[1]
                              if k not in (["$", "version"], ["$", "id"], ["$", "modules"])]]
        if node[:1] == ["*"] and node[1] and node[1][:1] == [["$", "server"]]:
            return ["HELLO", node[1][4:6] + node[1][8:12]]
        return [without_version(x) for x in node]
    return node


def split(messages):
    """Invalidations come in no fixed order among themselves, and neither do the channels that one
    UNSUBSCRIBE leaves. In RESP3 a client hears what it tells itself behind its reply since 7.2."""
    told = sorted(repr(m) for m in messages if is_invalidation(m))
    pushed = [m for m in messages if isinstance(m, list) and m[0] == ">" and
              not is_invalidation(m) and not is_unsubscription(m)]
    messages = [m for m in messages if m not in pushed]
    left = sorted(repr(m[1][1]) for m in messages if is_unsubscription(m))
    return told, left, pushed, [m if not is_unsubscription(m) else [m[1][0], m[1][2:]]
                        for m in messages if not is_invalidation(m)]


def is_unsubscription(m):
    return isinstance(m, list) and len(m) > 1 and isinstance(m[1], list) and len(m[1]) == 3 and \
        m[1][0][0] == "$" and str(m[1][0][1]).endswith("unsubscribe")


def is_invalidation(m):
    return isinstance(m, list) and len(m) > 1 and isinstance(m[1], list) and m[1] and \
        (m[1][0] == ["$", "invalidate"] or m[1][1:2] == [["$", "__redis__:invalidate"]])


def same(want, got, oracle):
    if oracle == "redis 7":
        want, got = without_consumers(want), without_consumers(got)
    if want == got or oracle == "redis 7" and is_torn(want):
        return True
    want, got = without_version(want), without_version(got)
    if want == got:
        return True
    return split(flatten(in_order(want))) == split(flatten(in_order(got)))


def in_order(messages):
    """The patterns that a message matches come in the order of a hash table there; what an EXEC
    unsubscribes from, too. A stream that goes while XREADGROUP waits: 7.2 says NOGROUP."""
    out = []
    for m in messages:
        if isinstance(m, list) and m[0] == "*" and isinstance(m[1], list) and \
                any(is_unsubscription(x) for x in m[1]):
            m = ["*", sorted(map(repr, split(m[1])))]
        if is_pmessage(m) and out and is_pmessage(out[-1]) and out[-1][1][2:] == m[1][2:]:
            at = len(out)
            while at and is_pmessage(out[at - 1]) and out[at - 1][1][2:] == m[1][2:] and \
                    repr(out[at - 1]) > repr(m):
                at -= 1
            out.insert(at, m)
            continue
        if isinstance(m, list) and m[0] == "-" and m[1].startswith(("NOGROUP", "UNBLOCKED the")):
            m = ["-", "the stream is gone"]
        out.append(m)
    return out


def without_consumers(messages):
    """7.0 makes no consumer for an XREADGROUP that finds nothing, so no event tells of it."""
    return [m for m in messages if not (is_pmessage(m) and "xgroup-createconsumer" in repr(m))]


def is_pmessage(m):
    return isinstance(m, list) and len(m) > 1 and isinstance(m[1], list) and len(m[1]) == 4 and \
        m[1][0] == ["$", "pmessage"]


def is_torn(messages):
    """7.0 writes what a client tells itself into the middle of its reply: of EXEC, or of a command that waited."""
    return any(isinstance(m, list) and m[0] == "*" and isinstance(m[1], list) and
               any(is_told(x) for x in m[1]) for m in messages)


def is_told(node):
    """Whether a message of a channel is in what should be a reply."""
    if not isinstance(node, list) or not node:
        return False
    return is_pmessage(node) or is_message(node) or is_invalidation(node) or any(is_told(x) for x in node)


def is_message(m):
    return isinstance(m, list) and len(m) > 1 and isinstance(m[1], list) and len(m[1]) == 3 and \
        m[1][0] in (["$", "message"], ["$", "smessage"])


def flatten(messages):
    """One message per invalidated key: how many go into one depends on the loop's turns."""
    out = []
    for m in messages:
        if isinstance(m, list) and len(m) > 1 and isinstance(m[1], list) and \
                m[1][-1:] in ([["$", None]], [["_"]]) and "invalidate" in repr(m):
            m = [m[0], m[1][:-1] + [["_"]]]  # there its form follows another client's protocol
        if is_invalidation(m) and len(m[1]) > 1 and m[1][1][0] == "*" and m[1][1][1]:
            out += [[m[0], [m[1][0], ["*", [key]]]] for key in m[1][1][1]]
        else:
            out.append(m)
    return out


class Report:
    def __init__(self, show):
        self.show, self.n, self.excused = show, 0, collections.Counter()

    def difference(self, world, who, want, got):
        self.n += 1
        if self.n > self.show:
            return
        print("world %d step %d, client %d hears\n    oracle %r\n    stet   %r" % (
            world.number, len(world.history), who, want, got))
        for at, words in world.history[-12:]:
            print("      after %d: %s" % (at, " ".join(map(str, words))[:100]))
        sys.stdout.flush()


def repeat(world, history):
    """Says the same in a new world; whether something differs."""
    try:
        for who, words in history:
            world.say(who, words)
    except (Failed, TimeoutError):
        pass
    world.close()
    return world.report.n > 0


def shrink(history, differs):
    """Leaves out pieces, ever smaller ones, as long as something still differs."""
    size = max(1, len(history) // 2)
    while size:
        at = 0
        while at < len(history):
            fewer = history[:at] + history[at + size:]
            if differs(fewer):
                history = fewer
            else:
                at += size
        size //= 2
    return history


def tell_shrunk(servers, number, seed, history):
    def world(show=0):
        return World(number, seed, servers, Report(show))
    repeat(world(1), shrink(history, lambda fewer: repeat(world(), fewer)))


def main():
    need("redis-server")
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--seconds", type=float, default=10)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--worlds", type=int, default=1 << 30)
    p.add_argument("--world", type=int, help="only this one")
    p.add_argument("--show", type=int, default=10)
    p.add_argument("--shrink", action="store_true")
    o = p.parse_args()
    report, steps, number = Report(o.show), 0, o.world or 0
    end = time.monotonic() + o.seconds
    with Server(program=ORACLE) as oracle, Server() as stet:
        for s in (oracle, stet):  # an id of a client is no small number
            for _ in range(10):
                s.conn().close()
        while time.monotonic() < end and number < o.worlds:
            world = World(number, o.seed, (oracle, stet), report)
            try:
                for _ in range(STEPS):
                    world.step()
            except Failed:
                pass
            steps += len(world.history)
            world.close()
            if o.shrink and report.n:
                tell_shrunk((oracle, stet), number, o.seed, world.history)
                break
            number += 1
            if o.world is not None:
                break
    for name, n in sorted(report.excused.items()):
        print("  deliberate: %s %d" % (name, n))
    return summary("crowd", steps - report.n, report.n)


if __name__ == "__main__":
    sys.exit(main())
