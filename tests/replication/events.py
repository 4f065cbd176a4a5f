# SPDX-License-Identifier: BSD-3-Clause
"""events - what happens to a group of servers at random, and its undoing."""
import collections
import errno
import heapq
import os
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "faults")]
from disk import ALL  # noqa: E402
from journal import GONE, GROUP  # noqa: E402
from server import Failed  # noqa: E402


class Events:
    """`history` is [(time, old master, new master)] as most Sentinels tell it; `sample` is the last of these new
    masters and what it held then."""

    def __init__(self, group, network, rng, tell, strict, take_sample):
        self.take_sample, self.sample = take_sample, None
        self.made, self.next_ids = {}, 0  # {id: server}
        self.group, self.network, self.rng, self.tell, self.strict = group, network, rng, tell, strict
        self.count, self.kills, self.history = collections.Counter(), 0, []
        self.master, self.due, self.n = group.named(), [], 0
        self.down, self.stopped = set(), set()  # servers and Sentinels
        self.since = 0
        self.kinds = [(6, self.kill), (3, self.kill_two), (4, self.stop), (5, self.cut_master), (3, self.cut_replica),
                      (2, self.cut_sentinel), (4, self.restart), (3, self.rewrite), (2, self.failover),
                      (3, self.sentinel_failover), (2, self.policy), (2, self.full_disk)]

    # -------------------------------------------------------------- time

    def later(self, seconds, what):
        self.n += 1
        heapq.heappush(self.due, (time.monotonic() + seconds, self.n, what))

    def run(self, seconds):
        """Events for so long, then everything is healed."""
        self.since, self.sample = len(self.history), None
        self.began = time.monotonic()
        end, next_ = self.began + seconds, self.began
        while time.monotonic() < end:
            if time.monotonic() >= next_:
                self.one()
                next_ = time.monotonic() + self.rng.choice([0, 0.1, 0.5, 1.5, 3])
            self.undo(time.monotonic())
            self.look()
            time.sleep(0.02)
        self.undo(None)
        self.look()

    def undo(self, now):
        while self.due and (now is None or self.due[0][0] <= now):
            heapq.heappop(self.due)[2]()

    def switched(self):
        """The failovers since the last run began."""
        self.look()
        return self.history[self.since:]

    def look(self):
        for s in self.group.servers:
            if s not in self.down and not s.running():
                raise Failed("server %s has ended with %s:\n%s" % (s.name, s.proc.returncode, s.log()[-3000:]))
        self.note_ids()
        new = self.group.named()
        if new and new is not self.master:
            self.history.append((time.monotonic(), self.master, new))
            self.say("-> the master is server %s" % new.name)
            self.master, self.sample = new, None
            try:
                c = new.conn(timeout=1)
                self.sample = new, self.take_sample(c)
                c.close()
            except GONE:
                pass  # it is not there any more

    def note_ids(self):
        """Which server is the master that made an id."""
        if time.monotonic() < self.next_ids:
            return
        self.next_ids = time.monotonic() + 0.2
        for s in self.group.servers:
            if s not in self.down and s not in self.stopped:
                i = s.info(timeout=0.2)
                if i.get("role") == "master":
                    self.made.setdefault(i["master_replid"], s)

    def follows(self, server):
        """It took over the history of another master: its own ids end where that one says."""
        self.made = {name: s for name, s in self.made.items() if s is not server}

    def say(self, text):
        if self.tell:
            print("  %7.2f %s" % (time.monotonic() - self.began, text), flush=True)

    def one(self):
        kinds = [f for weight, f in self.kinds for _ in range(weight)]
        what = self.rng.choice(kinds)
        server = self.rng.choice(self.group.servers)
        if self.rng.random() < 0.4 and self.master:
            server = self.master
        if what(server) is not False:
            self.count[what.__name__] += 1
            self.say("%s, server %s" % (what.__name__, server.name))

    # -------------------------------------------------------------- processes

    def up(self, server):
        self.proc_signal(server, signal.SIGCONT)
        if server in self.down:
            if server.disk:
                server.disk.well()  # a start on a full disk may be refused
            server.start()
            self.down.discard(server)
            self.say("server %s runs" % server.name)

    def proc_signal(self, server, what):
        if server.running():
            server.proc.send_signal(what)
        if what == signal.SIGCONT:
            self.stopped.discard(server)

    def kill(self, server):
        if server in self.down:
            return False
        self.down.add(server)
        server.kill()
        self.kills += 1
        self.later(self.rng.choice([0, 0.1, 0.5, 2, 3]), lambda: self.up(server))

    def kill_two(self, server):
        others = [s for s in self.group.servers if s is not server and s not in self.down]
        if server in self.down or not others:
            return False
        self.kill(server)
        self.kill(self.rng.choice(others))

    REFUSED = "Errors trying to shut down"

    def restart(self, server):
        """SIGTERM: a master's stop waits for its replicas."""
        if server in self.down or server in self.stopped:
            return False
        self.down.add(server)
        refused = server.log().count(self.REFUSED)
        server.proc.send_signal(signal.SIGTERM)

        def start():
            nonlocal refused
            if server.running() and time.monotonic() < stop_by:
                time.sleep(0.02)
                if server.log().count(self.REFUSED) > refused:  # on a full disk, or during the first rewrite
                    refused += 1
                    server.proc.send_signal(signal.SIGTERM)
                self.later(0.1, start)
                return
            if server.running():
                raise Failed("server %s does not stop:\n%s" % (server.name, server.log()[-2000:]))
            self.up(server)
        stop_by = time.monotonic() + 30
        self.later(self.rng.choice([0.1, 0.5, 2]), start)

    def stop(self, server):
        if server in self.down:
            return False
        self.stopped.add(server)
        self.proc_signal(server, signal.SIGSTOP)
        self.later(self.rng.choice([0.3, 1, 2, 4]), lambda: self.proc_signal(server, signal.SIGCONT))

    # -------------------------------------------------------------- the network

    def cut(self, hosts, seconds):
        if not self.network.is_real:
            procs = [x for x in self.group.servers + self.group.sentinels if x.host in hosts and x not in self.down]
            for p in procs:
                p.proc.send_signal(signal.SIGSTOP)
            self.later(seconds, lambda: [p.proc.poll() is None and p.proc.send_signal(signal.SIGCONT) for p in procs])
            return None
        if self.network.cut & set(hosts):
            return False
        self.network.cut_off(hosts)
        self.later(seconds, lambda: self.network.join(hosts))
        return None

    def beside(self, server):
        return self.network.host("sentinel-%d" % server.index)

    def cut_master(self, _):
        if not self.master:
            return False
        return self.cut([self.master.host, self.beside(self.master)], self.rng.choice([0.3, 2, 4, 6]))

    def cut_replica(self, _):
        server = self.rng.choice([s for s in self.group.servers if s is not self.master])
        return self.cut([server.host] + ([self.beside(server)] if self.rng.random() < 0.5 else []),
                        self.rng.choice([0.3, 2, 5]))

    def cut_sentinel(self, server):
        return self.cut([self.beside(server)], self.rng.choice([1, 3]))

    # -------------------------------------------------------------- commands

    def rewrite(self, server):
        server.ask("BGREWRITEAOF")

    def failover(self, _):
        if not self.master or self.master in self.down or self.master in self.stopped:
            return False
        return self.master.ask("FAILOVER", "TIMEOUT", 2000) is not None

    def sentinel_failover(self, _):
        return self.rng.choice(self.group.sentinels).ask("SENTINEL", "FAILOVER", GROUP) is not None

    def policy(self, server):
        to = self.rng.choice(["always", "everysec"] if self.strict else ["always", "everysec", "no"])
        server.ask("CONFIG", "SET", "appendfsync", to)

    def full_disk(self, server):
        if not server.disk:
            return False
        server.disk.set(ALL, write=(0, errno.ENOSPC, -1, self.rng.choice([0, 1, 100])))
        self.later(self.rng.choice([0.2, 1, 3]), server.disk.well)
        return None
