# SPDX-License-Identifier: BSD-3-Clause
"""journal - clients that find their master by Sentinel, and what they were told.

Every key is a list with one writer, which appends rising numbers: what a server holds in the end is
therefore exactly what has survived. Each number is sent once. The keys are new in every round.
"""
import random
import threading
import time

from resp import Closed, Conn, ReplyError, encode, value

GROUP = b"group"
KEYS = 4
PATIENCE_S = 1.5  # for a reply; a client whose reply does not come connects anew
GONE = (Closed, OSError, ValueError)


class Client(threading.Thread):
    """On a host of its own choice; asks the Sentinels, and then the server whether it is a master."""

    def __init__(self, group, host, name, rng):
        super().__init__(daemon=True, name=name)
        self.group, self.host, self.rng = group, host, rng
        self.on, self.running, self.resting = True, threading.Event(), threading.Event()
        self.conn = self.server = None
        self.broken = None

    def run(self):
        self.host.enter()
        while self.on:
            if not self.running.is_set():
                self.drop()
                self.resting.set()
                self.running.wait(0.2)
                continue
            try:
                if not self.conn:
                    self.find()
                self.one()
            except ReplyError as e:
                self.drop()
                self.refused(str(e))
                time.sleep(0.05)
            except GONE:
                self.drop()
                time.sleep(0.02)
            except Exception as e:
                self.broken = "%s: %s: %s" % (self.name, type(e).__name__, e)
                self.on = False
        self.drop()
        self.resting.set()

    def drop(self):
        if self.conn:
            self.conn.close()
        self.conn = self.server = None

    def refused(self, why):
        pass

    def find(self):
        sentinels = self.group.sentinels[:]
        self.rng.shuffle(sentinels)
        for s in sentinels:
            try:
                c = Conn(s.port, host=s.host.ip, timeout=0.3)
                ip, port = c.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", GROUP)
                c.close()
                break
            except (TypeError, ReplyError, *GONE):
                continue
        else:
            raise Closed()
        self.server = self.group.at(ip.decode(), int(port))
        self.conn = Conn(int(port), host=ip.decode(), timeout=PATIENCE_S)
        if self.conn.call("ROLE")[0] != b"master":
            raise Closed()

    def rest(self):
        self.running.clear()
        self.resting.clear()

    def go(self):
        self.running.set()


class Writer(Client):
    """`acked` is {key: {number: (time, server)}}; `sent` {key: [number]}; `gaps` the longest times
    without an acknowledgement."""

    def __init__(self, *args):
        super().__init__(*args)
        self.n, self.errors, self.done = 0, {}, 0
        self.new_round(0)

    def new_round(self, n):
        self.keys = ["%s:%d:%d" % (self.name, n, i) for i in range(KEYS)]
        self.acked = {k: {} for k in self.keys}
        self.sent = {k: [] for k in self.keys}

    def refused(self, why):
        word = why.split(" ", 1)[0]
        self.errors[word] = self.errors.get(word, 0) + 1

    def one(self):
        some = self.rng.choice([1, 1, 1, 4, 20])  # a pipeline
        key = self.rng.choice(self.keys)
        batch = []
        for _ in range(some):
            self.n += 1
            batch.append(self.n)
            self.sent[key].append(self.n)
        how = self.rng.randrange(3)
        if how == 0:
            commands = [["MULTI"]] + [["RPUSH", key, i] for i in batch] + [["INCR", "n:" + self.name], ["EXEC"]]
        elif how == 1:
            commands = [["EVAL", "for i = 1, #ARGV do redis.call('rpush', KEYS[1], ARGV[i]) end return #ARGV",
                         1, key] + batch]
        else:
            commands = [["RPUSH", key, i] for i in batch]
        replies = self.pipeline(commands)
        if how < 2 and len(replies) == len(commands) and not isinstance(replies[-1], Exception):
            self.note(key, batch)  # all or none; EXEC's reply comes last
        for i, r in zip(batch, replies if how == 2 else []):
            if not isinstance(r, Exception):
                self.note(key, [i])
        if len(replies) < len(commands):
            raise Closed()
        for r in replies:
            if isinstance(r, Exception):
                raise r

    def pipeline(self, commands):
        """The replies that have come."""
        out = []
        self.conn.send(b"".join(encode(c) for c in commands))
        try:
            for _ in commands:
                try:
                    out.append(value(self.conn.read()))
                except ReplyError as e:
                    out.append(e)
        except GONE:
            pass
        return out

    def note(self, key, numbers):
        now = time.monotonic()
        for i in numbers:
            self.acked[key][i] = (now, self.server)
        self.done += len(numbers)
        self.group.note_ack(now)


class Reader(Client):
    """Reads the last number of any writer's keys from the master; `seen` is {key: {number: ...}}."""

    def __init__(self, group, host, name, rng, writers):
        super().__init__(group, host, name, rng)
        self.writers, self.done = writers, 0
        self.new_round(0)

    def new_round(self, n):
        self.seen = {}

    def one(self):
        key = self.rng.choice(self.rng.choice(self.writers).keys)
        got = self.conn.call("LINDEX", key, -1)
        self.done += 1
        if got is not None:
            self.seen.setdefault(key, {}).setdefault(int(got), (time.monotonic(), self.server))
        time.sleep(0.002)


class Journal:
    """All clients of a group."""

    def __init__(self, group, hosts, seed):
        rng = random.Random(seed)

        def child():
            return random.Random(rng.random())
        self.group = group
        self.writers = [Writer(group, h, "w%d" % i, child()) for i, h in enumerate(hosts)]
        self.readers = [Reader(group, h, "r%d" % i, child(), self.writers) for i, h in enumerate(hosts)]
        self.clients = self.writers + self.readers
        self.round = 0
        for c in self.clients:
            c.start()

    def new_round(self):
        self.round += 1
        for c in self.clients:
            c.new_round(self.round)

    def go(self):
        for c in self.clients:
            c.go()

    def rest(self):
        """Every client has ended what it was doing, and is not connected."""
        for c in self.clients:
            c.rest()
        for c in self.clients:
            if not c.resting.wait(60):
                raise AssertionError("%s does not rest" % c.name)

    def broken(self):
        return next((c.broken for c in self.clients if c.broken), None)

    def end(self):
        for c in self.clients:
            c.on = False
            c.running.set()

    def sample(self, conn):
        """{key: (length, last number)} of what a server holds now."""
        keys = [k for w in self.writers for k in w.keys]
        got = conn.pipeline([c for k in keys for c in (("LLEN", k), ("LINDEX", k, -1))])
        return {k: (got[2 * i], got[2 * i + 1]) for i, k in enumerate(keys) if got[2 * i]}

    def verify_sample(self, conn, sample):
        """The lists only grow: what was there at a time is where it was."""
        for key, (n, last) in sample.items():
            got = conn.call("LINDEX", key, n - 1)
            if got != last:
                raise AssertionError("%s: number %d was %s on the promoted server, and is %s now" % (key, n, last, got))

    def verify(self, conn):
        """What was acknowledged and is not there, and what was read and is not there, both as
        [(key, number, time, server)]; and the keys."""
        lost, stale, keys = [], [], []
        for w in self.writers:
            for key in w.keys:
                held = [int(x) for x in conn.call("LRANGE", key, 0, -1)]
                have, keys = set(held), keys + [key]
                if len(held) != len(have) or not have <= set(w.sent[key]):
                    raise AssertionError("%s holds a number twice, or one that was not sent: %s" % (key, held))
                lost += [(key, i, *w.acked[key][i]) for i in w.acked[key] if i not in have]
                seen = {}
                for r in self.readers:
                    seen.update(r.seen.get(key, {}))
                stale += [(key, i, *seen[i]) for i in seen if i not in have]
        return lost, stale, keys
