#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""seen - what was answered or shown stands: all kinds of commands, every way of reading and sending.

A real server on the mounted simulated disk (disk_fuse.c), with epoll, io_uring or threads by seed.
Several clients write to the same few keys (strings, collections, SWAPDB, FLUSHALL, COPY, RENAME,
scripts, transactions, libraries of functions), others read in many ways, while the disk fails or is
slow, files are rewritten, and the policy changes. A life ends with kill -9, SIGTERM, SHUTDOWN or a
power cut. After each start the data set is that of the first n commands, for some n:
  - MONITOR says in which order they were executed; what it had not shown yet is tried in all orders;
  - n covers everything that was answered, if the process died; if the power was cut, everything that
    was answered under `always` or before CONFIG SET appendfsync always was;
  - each reply that a reader got is that of the data set after some number of commands, in the order
    of its replies, and the last of these numbers is not above n.
A second server, without files, is the model: it executes the commands in that order.

  seen.py [--seconds N] [--seed S] [--backend epoll|io_uring|threads]
Needs root, /dev/fuse and libfuse3.
"""
import argparse
import collections
import os
import random
import re
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import summary  # noqa: E402
from resp import Closed, Conn, encode  # noqa: E402
from server import Failed, Server  # noqa: E402
from twice import Disk  # noqa: E402

BACKENDS = {"io_uring": (), "epoll": ("--io-backend", "epoll"), "threads": ("--io-threads", "3")}
DBS, KEYS = 3, ("a", "b", "c", "d")
LIB = "#!lua name=%s\nredis.register_function{function_name='%s',callback=function() return '%s' end,flags={'no-writes'}}"
SCRIPT = ("redis.call('SET',KEYS[1],ARGV[1]) redis.call('APPEND',KEYS[2],ARGV[1]) return ARGV[1]",
          "redis.call('FLUSHDB') redis.call('SET',KEYS[1],ARGV[1]) return 1",
          "redis.call('DEL',KEYS[1]) return redis.error_reply('ERR meant')",
          "redis.call('FLUSHALL') return 1")


class Op:
    """What a client sends as one: a command, or a transaction. `got` are its replies."""

    def __init__(self, db, words, inner=()):
        self.db, self.words, self.inner = db, words, inner
        self.raw = b"".join(encode(w) for w in self.all())
        self.got, self.sent_at, self.got_at = [], None, None

    def all(self):
        return [("MULTI",), *self.inner, ("EXEC",)] if self.inner else [self.words]

    def name(self):
        return "exec" if self.inner else self.words[0].lower()

    def __repr__(self):
        return "db%d %r" % (self.db, self.all() if self.inner else self.words)


# ---------------------------------------------------------------- what is sent

def a_write(d, u):
    """One command that changes something, most of the time; `u` is a text that is used once."""
    k, k2, n = d.choice(KEYS), d.choice(KEYS), d.randrange(DBS)
    return d.choice((
        lambda: ("SET", k, u), lambda: ("SET", k, u), lambda: ("SET", k, u + "x" * d.choice((100, 9000, 70000))),
        lambda: ("SET", k, u, "PXAT", 4102444800000 + d.randrange(9)), lambda: ("SETNX", k, u),
        lambda: ("SET", k, u, "NX", "GET"), lambda: ("APPEND", k, u), lambda: ("GETSET", k, u), lambda: ("GETDEL", k),
        lambda: ("MSET", k, u, k2, u + "2"), lambda: ("DEL", k, k2), lambda: ("UNLINK", k),
        lambda: ("RENAME", k, k2), lambda: ("RENAMENX", k, k2), lambda: ("COPY", k, k2, "DB", n, "REPLACE"),
        lambda: ("COPY", k, k2), lambda: ("MOVE", k, n), lambda: ("PERSIST", k), lambda: ("EXPIREAT", k, 4102444800),
        lambda: ("LPUSH", "l" + k, u), lambda: ("RPOP", "l" + k), lambda: ("LMOVE", "l" + k, "l" + k2, "LEFT", "RIGHT"),
        lambda: ("HSET", "h" + k, "f%d" % n, u), lambda: ("HDEL", "h" + k, "f%d" % n), lambda: ("SADD", "s" + k, u),
        lambda: ("SMOVE", "s" + k, "s" + k2, u), lambda: ("SUNIONSTORE", "s" + k, "s" + k2, "s" + k),
        lambda: ("ZADD", "z" + k, n, u), lambda: ("ZPOPMIN", "z" + k), lambda: ("INCRBY", "n" + k, n),
        lambda: ("HINCRBY", "h" + k, "n", 1),
        lambda: ("SORT", "l" + k, "ALPHA", "STORE", "l" + k2), lambda: ("SWAPDB", n, d.randrange(DBS)),
        lambda: ("FLUSHDB",) if d.random() < 0.3 else ("SETRANGE", k, 3, u),
        lambda: ("FLUSHALL", d.choice(("SYNC", "ASYNC"))) if d.random() < 0.3 else ("SET", k, u),
        lambda: ("EVAL", d.choice(SCRIPT[:3]), 2, k, k2, u), lambda: ("EVAL", d.choice(SCRIPT), 2, k, k2, u),
        lambda: ("FUNCTION", "LOAD", "REPLACE", LIB % ("lib" + k, "f" + k, u)),
        lambda: ("FUNCTION", "DELETE", "lib" + k), lambda: ("FUNCTION", "FLUSH") if d.random() < 0.3 else ("SET", k, u),
        lambda: ("BITFIELD", "n" + k, "SET", "u8", n * 8, 65 + n),
    ))()


def a_read(d):
    k, k2 = d.choice(KEYS), d.choice(KEYS)
    return d.choice((
        ("GET", k), ("GET", k), ("MGET", k, k2), ("EXISTS", k, k2), ("TYPE", k), ("STRLEN", k), ("DBSIZE",), ("KEYS", "*"),
        ("SCAN", 0, "COUNT", 1000), ("LRANGE", "l" + k, 0, -1), ("LLEN", "l" + k), ("HGETALL", "h" + k), ("SMEMBERS", "s" + k),
        ("ZRANGE", "z" + k, 0, -1), ("PEXPIRETIME", k), ("GETRANGE", k, 0, 30), ("OBJECT", "ENCODING", k), ("DUMP", "l" + k),
        ("FUNCTION", "LIST", "WITHCODE"), ("FCALL_RO", "f" + k, 0), ("SUBSTR", k, 0, 20),
        ("EVAL", "return {redis.call('GET',KEYS[1]),redis.call('DBSIZE')}", 1, k), ("SINTER", "s" + k, "s" + k2),
        ("EVAL_RO", "return redis.call('KEYS','*')", 0), ("SORT_RO", "l" + k, "ALPHA"), ("LCS", k, k2), ("GET", "n" + k),
        ("TOUCH", k), ("STRLEN", "n" + k), ("DEBUG", "DIGEST")))


def told(node):
    """A reply without the order in which a table gives its elements."""
    if isinstance(node, list):
        if node and node[0] in ("*", "~") and len(node) > 1 and isinstance(node[1], list):
            return [node[0], sorted((told(x) for x in node[1]), key=repr)]
        return [told(x) for x in node]
    return node


# ---------------------------------------------------------------- clients

class Client(threading.Thread):
    """Sends by its own dice until it is told to stop; up to two unanswered."""

    def __init__(self, port, seed, make, tag=""):
        super().__init__(daemon=True)
        self.c, self.dice, self.make, self.tag = Conn(port, timeout=40), random.Random(seed), make, tag
        self.addr = "%s:%d" % self.c.sock.getsockname()
        self.ops, self.stop, self.db = [], False, 0

    def select(self):
        to = self.dice.randrange(DBS)
        self.c.send(encode(("SELECT", to)))
        if self.c.read() == ["+", "OK"]:
            self.db = to

    def op(self):
        d, n = self.dice, len(self.ops)
        if d.random() < 0.15:
            inner = tuple(self.make(d, "%s%d.%d" % (self.tag, n, i)) for i in range(d.randrange(1, 4)))
            return Op(self.db, None, inner)
        return Op(self.db, self.make(d, "%s%d" % (self.tag, n)))

    def run(self):
        try:
            while not self.stop:
                now = []
                if self.dice.random() < 0.1:
                    self.select()
                for _ in range(self.dice.choice((1, 1, 2))):
                    o = self.op()
                    self.ops.append(o)
                    now.append(o)
                    o.sent_at = time.monotonic()
                    self.c.send(o.raw)
                for o in now:
                    o.got = [self.c.read() for _ in o.all()]
                    o.got_at = time.monotonic()
                if self.dice.random() < 0.3:
                    time.sleep(self.dice.random() * 0.004)
        except (Closed, OSError, ValueError):
            pass


class Watch(threading.Thread):
    """MONITOR: lines in the order of execution."""
    LINE = re.compile(r'^\S+ \[\d+ (\S+)\] "([^"]*)"')

    def __init__(self, port):
        super().__init__(daemon=True)
        self.c, self.lines = Conn(port, timeout=40), []
        self.c.call("MONITOR")

    def run(self):
        try:
            while True:
                m = self.LINE.match(self.c.read()[1])
                if m:
                    self.lines.append((m.group(1), m.group(2).lower()))
        except (Closed, OSError, ValueError):
            pass


NOT_NOW = re.compile("MISCONF|LOADING|EXECABORT|OOM|READONLY")


def refused(o):
    """It was not executed, or a script of it was not when it began to write: the disk takes no writes."""
    last = o.got[-1] if o.got else [""]
    errors = [last] if last[0] == "-" else last[1] if o.inner and last[0] == "*" else []
    return any(e[0] == "-" and NOT_NOW.match(e[1]) for e in errors or [])


def runs_script(o):
    return any(w[0] == "EVAL" for w in o.inner or [o.words])


def is_aborted(o):
    return bool(o.got) and o.got[-1][0] == "-"


class Shown:
    """What MONITOR has shown of one client. Of a transaction that is given up it shows MULTI alone, or EXEC too; of
    a command that is refused nothing, unless it is a script that is refused when it begins to write."""

    def __init__(self, client):
        self.left, self.inside = collections.deque(client.ops), False

    def pass_over(self, wanted):
        while self.left and not wanted(self.left[0]) and (refused(self.left[0]) or not self.left[0].got):
            self.left.popleft()

    def take(self, name):
        """The command that this line is about; None: it is none that counts."""
        if name == "multi":
            self.pass_over(lambda o: o.inner)
            self.inside = bool(self.left) and not is_aborted(self.left[0])
            if not self.inside and self.left:
                self.left.popleft()
            return None
        if self.inside != (name == "exec"):
            return None
        self.inside = False
        self.pass_over(lambda o: o.name() == name and (runs_script(o) or not refused(o)))
        if not self.left or self.left[0].name() != name:
            raise Failed("MONITOR shows %s of a client that has sent %.900r" % (
                name, [(o, o.got) for o in list(self.left)[:3]]))
        o = self.left.popleft()
        return None if refused(o) else o


def in_order(lines, clients):
    """The writes that MONITOR has shown, in order, and what else each client has sent."""
    by_addr = {c.addr: Shown(c) for c in clients}
    order = [by_addr[addr].take(name) for addr, name in lines if addr in by_addr and name != "select"]
    return [o for o in order if o], [collections.deque(o for o in s.left if not refused(o)) for s in by_addr.values()]


# ---------------------------------------------------------------- the model

class Model:
    def __init__(self):
        self.s = Server("--appendonly", "no", "--enable-debug-command", "yes", "--save", "")
        self.c = self.s.conn()
        self.c.sock.settimeout(60)

    def run(self, o):
        self.c.send(encode(("SELECT", o.db)) + o.raw)
        return [self.c.read() for _ in range(1 + len(o.all()))][1:]

    def become(self, ops):
        self.c.call("FLUSHALL")
        self.c.call("FUNCTION", "FLUSH")
        for at in range(0, len(ops), 50):
            part = ops[at:at + 50]
            self.c.send(b"".join(encode(("SELECT", o.db)) + o.raw for o in part))
            for o in part:
                for _ in range(1 + len(o.all())):
                    self.c.read()

    def state(self):
        return state(self.c)


def state(c):
    return c.call("DEBUG", "DIGEST"), repr(told(c.ask("FUNCTION", "LIST", "WITHCODE")))


def contents(c):
    """{(db, key): its digest}, and the libraries."""
    out = {"functions": repr(told(c.ask("FUNCTION", "LIST", "WITHCODE")))}
    for db in range(DBS):
        c.call("SELECT", db)
        for k in c.call("KEYS", "*"):
            out[db, k] = (c.call("DEBUG", "DIGEST-VALUE", k), c.call("PEXPIRETIME", k), c.call("TYPE", k))
    return out


class World:
    def __init__(self, seed, model, backend=None):
        self.dice, self.model, self.backend = random.Random(seed), model, backend
        self.disk = Disk(seed)
        self.done = []                        # the commands that the data set consists of
        self.may, self.must = [], 0           # after these it may have others, the first of them it must have
        self.rest, self.readers = [], []
        self.story, self.last_story = [], []  # what was done in a life, for a report
        self.lives = self.cuts = self.ops = self.reads = 0
        self.policy = self.dice.choice(("always", "always", "everysec", "no"))

    # ------------------------------------------------------------ after a start

    def match(self, want):
        """The number of commands of `may` (and then of `rest`, in some order) that make this state."""
        m = self.model
        m.become(self.done + self.may[:self.must])
        if m.state() == want:
            return self.may[:self.must]
        for n in range(self.must, len(self.may)):
            m.run(self.may[n])
            if m.state() == want:
                return self.may[:n + 1]
        for tail in self.orders([list(q)[:3] for q in self.rest]):
            m.become(self.done + self.may + tail)
            if m.state() == want:
                return self.may + tail
        return None

    def unanswered_scripts(self, end):
        return sum(runs_script(o) and not o.got for o in self.may[:end])

    def without_scripts(self, first, want):
        """Scripts without an answer may have been refused when they began to write, from one of them on."""
        may, must, n, kept = self.may, self.must, 0, []
        for i, o in enumerate(may):
            if runs_script(o) and not o.got:
                n += 1
                if n > first:
                    self.must -= i < must
                    continue
            kept.append(o)
        self.may = kept
        got = self.match(want)
        self.may, self.must = may, must
        return got

    def orders(self, queues, most=400):
        todo, n = collections.deque([([], queues)]), 0
        while todo and n < most:
            tail, qs = todo.popleft()
            for i, q in enumerate(qs):
                if q:
                    longer = tail + [q[0]]
                    yield longer
                    n += 1
                    todo.append((longer, qs[:i] + [q[1:]] + qs[i + 1:]))

    def check(self, c):
        want = state(c)
        got = self.match(want)
        for at in range(self.unanswered_scripts(len(self.may)) - 1, -1, -1):
            if got is None:
                got = self.without_scripts(at, want)
        if got is None:
            m, older = self.model, None
            m.become(self.done)
            for n, o in enumerate([None] + self.may[:self.must]):
                if o:
                    m.run(o)
                if m.state() == want:
                    older = n
            raise Failed("the data set is that after %s commands; %d must be there, %d were shown\n%s"
                         % (older, self.must, len(self.may), self.differs(c)))
        self.check_replies(got)
        self.check_readers(got)
        self.done += got
        self.ops += len(got)

    def differs(self, c):
        """What differs from the nearest state."""
        m, best = self.model, None
        m.become(self.done)
        theirs = contents(c)
        for n in range(len(self.may) + 1):
            if n:
                m.run(self.may[n - 1])
            ours = contents(m.c)
            diff = sorted((k for k in set(ours) | set(theirs) if ours.get(k) != theirs.get(k)), key=repr)
            if best is None or len(diff) <= len(best[1]):
                best = n, diff, {k: (ours.get(k), theirs.get(k)) for k in diff}
        return "nearest: after %d of %r\n%.500r\nrest: %r" % (best[0], [(repr(o)[:90], o.got and repr(o.got)[:70]) for o in self.may[max(0, best[0] - 3):best[0] + 15]], best[2], self.rest)

    def check_replies(self, ops):
        self.model.become(self.done)
        for n, o in enumerate(ops):
            got = self.model.run(o)
            if o.got and told(got) != told(o.got):
                raise Failed("command %d, %r, was answered %.300r, the model says %.300r" % (n, o, o.got, got))

    def check_readers(self, ops):
        at = [0] * len(self.readers)
        self.model.become(self.done)
        for n in range(len(ops) + 1):
            if n:
                self.model.run(ops[n - 1])
            for i, r in enumerate(self.readers):
                while at[i] < len(r) and told(self.model.run(r[at[i]])) == told(r[at[i]].got):
                    at[i] += 1
                    self.reads += 1
        for i, r in enumerate(self.readers):
            if at[i] < len(r):
                raise Failed("reader %d was shown what no data set since shows: reply %d of %d, %r: %.300r"
                             % (i, at[i], len(r), r[at[i]], r[at[i]].got))

    # ------------------------------------------------------------ one life

    def server(self):
        name = self.backend or self.dice.choice(sorted(BACKENDS))
        args = ("--appendonly", "yes", "--appendfsync", self.policy, "--auto-aof-rewrite-percentage", "0",
                "--backup-dir", "backups", "--enable-debug-command", "yes", "--aof-use-rdb-preamble",
                self.dice.choice(("yes", "no")), *BACKENDS[name], "--dir", self.disk.path)
        s = Server(*args, dir=tempfile.mkdtemp(prefix="stet-seen-"))
        got = s.conn().info("server").get("io_backend")
        if got != name:
            raise Failed("io_backend is %s, should be %s" % (got, name))
        return s

    def disturb(self, c, clients):
        d = self.dice
        what = d.choice(("sync", "write", "rewrite", "rewrite", "backup", "policy", "policy", "slow", "slow", "slowwrite",
                         "syncdir", "kill", "pause", "nothing"))
        self.story.append(what)
        if what in ("sync", "syncdir"):
            self.disk.order("fail", "%s 5 %d" % (what, d.choice((1, 1, 3))))
        elif what == "write":
            self.disk.order("fail", "write 28 %d" % d.choice((1, 5)))
        elif what == "slow":
            self.disk.order("slow", "sync %d" % d.choice((5, 100)))
        elif what == "slowwrite":
            self.disk.order("slow", "write %d" % d.choice((5, 50)))
        elif what == "rewrite":
            c.ask("BGREWRITEAOF")
        elif what == "backup":
            c.ask("BACKUP", "START"), c.ask("BACKUP", "SEAL")
        elif what == "policy":
            self.set_policy(c, d.choice(("always", "everysec", "no")))
        elif what == "kill":
            c.ask("CLIENT", "KILL", "ADDR", d.choice(clients).addr)
        elif what == "pause":
            c.ask("CLIENT", "PAUSE", d.choice((20, 100)), d.choice(("WRITE", "ALL")))

    def set_policy(self, c, policy):
        if policy != "always" and self.policy == "always":
            self.until = time.monotonic()     # what was answered before is promised
        self.policy = policy
        if c.ask("CONFIG", "SET", "appendfsync", policy) == ["+", "OK"] and policy == "always":
            self.until = float("inf")

    def life(self):
        self.lives += 1
        self.last_story, self.story = self.story, []
        s = self.server()
        self.story.append((s.args[3], s.args[-4:]))
        try:
            c = s.conn(timeout=60)
            self.check(c)
            self.until = float("inf") if self.policy == "always" else 0
            watch = Watch(s.port)
            watch.start()
            writers = [Client(s.port, self.dice.random(), a_write, "%d%s" % (self.lives, w)) for w in "ABC"]
            readers = [Client(s.port, self.dice.random(), lambda d, u: a_read(d)) for _ in range(2)]
            for t in writers + readers:
                t.start()
            for _ in range(self.dice.randrange(5)):
                time.sleep(self.dice.choice((0.01, 0.03, 0.1)))
                self.disturb(c, writers + readers)
            time.sleep(self.dice.choice((0.01, 0.05)))
            self.end(s, c, watch, writers, readers)
        except (Closed, OSError) as e:
            raise Failed("%r\n%s" % (e, s.log()[-1500:]))
        finally:
            s.kill() if s.proc.poll() is None else None
            s.close()

    def die(self, s, c):
        how = self.dice.choice(("kill", "kill", "term", "shutdown", "cut", "cut", "cut"))
        self.story.append(how)
        if how == "term":
            s.proc.terminate()
        elif how == "shutdown":
            c.send(encode(("SHUTDOWN", *self.dice.choice(((), ("NOSAVE",), ("SAVE",), ("NOW",), ("FORCE",))))))
        if how in ("term", "shutdown"):
            try:
                s.proc.wait(self.dice.choice((0.02, 10)))
            except Exception:
                pass
        s.kill() if s.proc.poll() is None else None
        return how if how != "shutdown" and how != "term" else self.dice.choice(("kill", "cut"))

    def end(self, s, c, watch, writers, readers):
        how = self.die(s, c)
        for t in writers + readers:
            t.stop = True
        for t in [watch] + writers + readers:
            t.join(45)
        self.disk.order("slow", "sync 0"), self.disk.order("slow", "write 0")
        for op in ("sync", "write", "syncdir"):
            self.disk.order("fail", "%s 0 0" % op)
        self.may, self.rest = in_order(watch.lines, writers)
        until = float("inf") if how != "cut" else self.until
        answered = [i for i, o in enumerate(self.may) if o.got_at and o.got_at < until]
        self.must = max(answered) + 1 if answered else 0
        late = [o for q in self.rest for o in q if o.got_at and o.got_at < until]
        if late:
            self.must_also(late)
        self.readers = [[o for o in r.ops if o.got_at and o.got_at < until and not refused(o)] for r in readers]
        if how == "cut":
            self.cuts += 1
            self.disk.order("cut", "%d %d %d %d %d" % (
                self.dice.randrange(2), *(self.dice.choice((0, 10, 50, 90, 100)) for _ in range(3)),
                self.dice.choice((0, 0, 50))))

    def must_also(self, late):
        """Answered, and MONITOR's line was still on its way: the order is as their connections got the replies."""
        for o in sorted(late, key=lambda o: o.got_at):
            for q in self.rest:
                if q and q[0] is o:
                    self.may.append(q.popleft())
        self.must = len(self.may)

    def run(self, lives):
        for _ in range(lives):
            self.life()
        s = self.server()
        try:
            self.check(s.conn(timeout=60))
        finally:
            s.kill(), s.close()


def world(seed, model, backend):
    w = World(seed, model, backend)
    try:
        w.run(random.Random(seed + 1).randrange(2, 6))
    except Failed as e:
        return "seed %d, life %d: %s\n%r" % (seed, w.lives, e, (w.last_story, w.story)), w
    finally:
        w.disk.close()
    return None, w


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seconds", type=int, default=60)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--backend", choices=BACKENDS)
    a = p.parse_args()
    passed = failed = 0
    sums = collections.Counter()
    model, end = Model(), time.monotonic() + a.seconds
    while time.monotonic() < end:
        why, w = world(a.seed + passed + failed, model, a.backend)
        passed, failed = passed + (not why), failed + bool(why)
        for name in ("lives", "cuts", "ops", "reads"):
            sums[name] += getattr(w, name)
        if why:
            print("FAIL " + why, flush=True)
    model.s.close()
    print(", ".join("%d %s" % (n, name) for name, n in sums.items()))
    return summary("seen", passed, failed)


if __name__ == "__main__":
    sys.exit(main())
