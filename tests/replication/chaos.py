#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""chaos - three servers, three genuine Sentinels and clients with a journal (journal.py), each on a
host of its own (network.py), while servers are killed, stopped and cut off at random.

  chaos.py [--seconds 60] [--seed N] [--mode MODE] [--list]
A round is some seconds of events, the healing of everything, and the checks: all three servers hold
the same at the same offset; what was acknowledged or read is there, or is counted where the mode does
not promise it; a server that comes back goes on with a partial sync, unless it holds what the new
history does not; descriptors, threads, memory and children are as few as before.
Modes: all (replies wait for both replicas' disks: nothing may be lost), one (for one of them), none, mixed (none, beside
redis-server). --list prints the events as they come. A full sync is allowed, and printed, where
  ahead: the server holds data that the new history does not have
  lack of backlog: the AOF was rewritten, and the process started, since
  of a server that has just had one: it knows its new history only from there on
"""
import argparse
import collections
import os
import random
import re
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import check, need, summary  # noqa: E402
from contents import differences, snapshot  # noqa: E402
from events import Events  # noqa: E402
from group import Group  # noqa: E402
from journal import GONE, Journal  # noqa: E402
from masters import programs, write_some  # noqa: E402
from network import Network  # noqa: E402
from resp import Closed, ReplyError  # noqa: E402
from server import SANITIZER, SERVER, Failed, is_stet, wait_for  # noqa: E402

HOSTS = ["server-%d" % i for i in range(3)] + ["sentinel-%d" % i for i in range(3)] + ["client"]
REDIS = programs().get("redis-7")
STRICT = ["replica-ack-min 2", "replica-ack-level synced", "appendfsync always"]
# name: (programs, lines of the configuration, whether nothing at all may be lost)
MODES = {
    "all": ([SERVER] * 3, STRICT, True),
    "one": ([SERVER] * 3, ["replica-ack-min 1"], False),
    "none": ([SERVER] * 3, [], False),
    "mixed": ([SERVER, SERVER, REDIS], [], False),
}
FULL = re.compile(r"Full resync from master: ([0-9a-f]{40}):")
AHEAD = re.compile(r"of the history '(\w+)' the replica has the bytes up to (\d+), this server up to (\d+)")
ANOTHER = re.compile(r"Full resync from master|The replication stream goes back|Master replication ID changed")
REFUSED = re.compile(r"Partial resynchronization not accepted.*|Unable to partial resync.*|"
                     r"Full resync requested by replica.*")


def counts(pid):
    with open("/proc/%d/statm" % pid) as f:
        rss = int(f.read().split()[1]) * 4096
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        children = len(f.read().split())
    return {"descriptors": len(os.listdir("/proc/%d/fd" % pid)),
            "threads": len(os.listdir("/proc/%d/task" % pid)), "children": children, "mb": rss >> 20}


class Chaos:
    def __init__(self, network, mode, seed, tell):
        self.mode, self.seed, self.rng = mode, seed, random.Random(seed)
        programs_, lines, self.strict = MODES[mode]
        self.network, self.tell = network, tell
        self.group = Group(network, programs_, lines)
        self.journal = None
        self.sum = collections.Counter()
        self.syncs = collections.Counter()
        self.first = {}  # {pid: counts}
        self.longest = 0.0

    def begin(self):
        self.group.settle(60)
        hosts = self.network.hosts[:3] + [self.network.host("client")]
        self.journal = Journal(self.group, hosts, self.seed)
        self.events = Events(self.group, self.network, self.rng, self.tell, self.strict, self.journal.sample)
        self.look_at_logs(judge=False)
        for s in self.group.servers:
            self.first[s.proc.pid] = counts(s.proc.pid)

    def round(self, seconds):
        self.journal.new_round()
        self.group.last_ack = time.monotonic()
        self.group.longest = 0.0
        self.journal.go()
        self.events.run(seconds)
        master = self.group.settle(90)
        self.quiet(master)
        self.longest = max(self.longest, self.group.longest)
        self.compare(master)
        self.verify(master)
        self.look_at_logs()
        self.settled()
        self.sum["rounds"] += 1

    def quiet(self, master):
        """No client writes, and everything is in order at one offset."""
        done = sum(w.done for w in self.journal.writers)
        wait_for(lambda: self.journal.broken() or sum(w.done for w in self.journal.writers) > done,
                 "a write is acknowledged once all is healed", 60, 0.02)
        self.journal.rest()
        check(not self.journal.broken(), self.journal.broken())
        seed = self.rng.randrange(1 << 30)
        self.on_master(master, lambda c: write_some(c, seed, 300))

    def on_master(self, master, work):
        """work(connection). A failover that the Sentinels had begun before may come in between, and they
        disconnect clients: then it is done again on the one that is the master now."""
        for _ in range(5):
            c = None
            try:
                c = master.conn(timeout=60)
                return work(c)
            except (Closed, ReplyError, OSError) as e:
                last = e
                master = self.group.settle(90)
            finally:
                if c:
                    c.close()
        raise Failed("five times in a row: %s" % last)

    def same_offset(self):
        infos = [s.info(timeout=10) for s in self.group.servers]
        return len({(i.get("master_replid"), i.get("master_repl_offset")) for i in infos}) == 1 and \
            "master_replid" in infos[0]

    def snapshots(self):
        """Of each server; None: a connection ended, as that of a server whose part is changed."""
        held = []
        for s in self.group.servers:
            try:
                c = s.conn(timeout=60)
                held.append(snapshot(c))
                c.close()
            except (Closed, OSError):
                return None
        return held

    def compare(self, master):
        found = ["no connection lasted"]
        for _ in range(20):
            wait_for(self.same_offset, "one id and offset: %s" % [
                (s.info().get("master_replid"), s.info().get("master_repl_offset")) for s in self.group.servers], 60, 0.01)
            held = self.snapshots()
            if held is None:
                continue
            found = [x for h in held[1:] for x in differences(held[0], h, 0, encodings=False)]
            if not found:
                return
        raise Failed("contents differ: %s" % "\n".join(found[:5]))

    def verify(self, master):
        lost, stale, keys = self.on_master(master, self.journal.verify)
        if self.events.sample and self.events.sample[0] is master:
            self.on_master(master, lambda c: self.journal.verify_sample(c, self.events.sample[1]))
        self.on_master(master, lambda c: [c.call("UNLINK", key) for key in keys])
        switched = self.events.switched()
        for key, number, at, server in lost:
            if self.strict or (server is master and not any(old is server for _, old, _ in switched)):
                raise Failed("round %d: %s: %d, acknowledged by server %s %.2f s ago, is lost (%d in all); failovers: %s"
                             % (self.journal.round, key, number, server.name, time.monotonic() - at, len(lost),
                                [("%.2f s ago" % (time.monotonic() - t), o and o.name, n.name) for t, o, n in switched]))
        if stale and self.strict:
            key, number, at, server = stale[0]
            raise Failed("%s: %d was read on server %s %.2f s ago, and is gone (%d in all)"
                         % (key, number, server.name, time.monotonic() - at, len(stale)))
        self.sum["lost"] += len(lost)
        self.sum["stale"] += len(stale)
        if lost:
            ats = [x[2] for x in lost]
            print("  %s: lost %d acknowledged writes, of %.1f s, on server %s; %d reads of what is gone"
                  % (self.mode, len(lost), max(ats) - min(ats), ",".join(sorted({x[3].name for x in lost})), len(stale)))

    def look_at_logs(self, judge=True):
        """Every full sync, with its reason: what its master said when it was asked."""
        said, fulls = [], []
        for s in self.group.servers:
            for line in s.new_log():
                if SANITIZER.search(line) or "ASSERT" in line or "crashed by signal" in line:
                    raise Failed("server %s: %s" % (s.name, line))
                if REFUSED.search(line):
                    said.append((s, REFUSED.search(line).group(0), s in fulls))
                if FULL.search(line):
                    fulls.append(s)
                if ANOTHER.search(line):
                    self.events.follows(s)
                self.sum["partial"] += "Successful partial resynchronization" in line
        self.sum["full"] += len(fulls) if judge else 0
        bad = []
        for s, why, synced in said if judge else []:
            a = AHEAD.search(why)
            kind = "ahead" if a else "lack of backlog" if "lack" in why else \
                "asked for" if "requested" in why else \
                "of a server that has just had one" if "and 'none'" in why else "unknown history"
            if a and int(a.group(2)) > int(a.group(3)) and not synced and self.events.made.get(a.group(1)) is s:
                kind = "a master lost what it had sent"
            if not is_stet(s.program) or "mixed" == self.mode:
                kind = "beside Redis: " + kind
            self.syncs[kind] += 1
            print("  %s: full sync from server %s (%s): %s" % (self.mode, s.name, kind, why))
            if kind in ("unknown history", "asked for", "a master lost what it had sent"):
                bad.append(why)
        self.sum["needless"] += len(bad)

    def settled(self):
        for s in self.group.servers:
            check(s.running(), "server %s has ended with %s:\n%s" % (s.name, s.proc.returncode, s.log()[-3000:]))
            pid = s.proc.pid
            before = self.first.get(pid)
            if not before:
                self.first[pid] = counts(pid)
                continue
            most = {"descriptors": before["descriptors"] + 8, "threads": before["threads"] + 3, "children": 0,
                    "mb": 4 * before["mb"] + 128}
            try:
                wait_for(lambda: all(v <= most[k] for k, v in counts(pid).items()), "", 30, 0.05)
            except Failed:
                raise Failed("server %s holds %s, at first %s" % (s.name, counts(pid), before))

    def end(self, keep):
        if self.journal:
            self.sum["acknowledged"] = sum(w.done for w in self.journal.writers)
            self.sum["reads"] = sum(r.done for r in self.journal.readers)
            self.journal.end()
        self.group.close(keep)

    def figures(self):
        e = self.events
        return ("%-5s %d rounds, %d events (%s), %d kills, %d failovers; %d writes acknowledged, %d reads; lost %d, read and "
                "gone %d; syncs: %d partial, %d full (%s); longest time without an acknowledgement %.1f s" % (
                    self.mode, self.sum["rounds"], sum(e.count.values()),
                    ", ".join("%s %d" % x for x in sorted(e.count.items())), e.kills, len(e.history),
                    self.sum["acknowledged"], self.sum["reads"], self.sum["lost"], self.sum["stale"],
                    self.sum["partial"], self.sum["full"],
                    ", ".join("%s %d" % x for x in sorted(self.syncs.items())) or "none", self.longest))


def run_mode(network, mode, seed, seconds, tell, keep):
    """(rounds, failed)"""
    end, chaos = time.monotonic() + seconds, None
    try:
        chaos = Chaos(network, mode, seed, tell)
        chaos.begin()
        while chaos.sum["rounds"] == 0 or time.monotonic() < end:
            chaos.round(min(8, max(4, seconds / 4)))
        check(not chaos.sum["needless"], "%d full syncs that were not needed" % chaos.sum["needless"])
        failed = 0
    except (Failed, AssertionError, *GONE) as e:
        failed = 1
        print("FAIL %s, seed %d, round %d: %s: %s" % (mode, seed, chaos and chaos.sum["rounds"] or 0, type(e).__name__, e))
    finally:
        if chaos:
            chaos.end(keep and failed)
    if chaos and chaos.journal:
        print(chaos.figures(), flush=True)
    return chaos.sum["rounds"] if chaos else 0, failed


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--seconds", type=float, default=60)
    p.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    p.add_argument("--mode", choices=MODES, action="append")
    p.add_argument("--list", action="store_true")
    a = p.parse_args()
    need("redis-server", "redis-sentinel")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    network = Network(HOSTS)
    if not network.is_real:
        print("no network namespaces here (%s): a host that would be cut off is stopped instead" % network.why)
    modes, rounds, failed = a.mode or list(MODES), 0, 0
    for i, mode in enumerate(modes):
        r, f = run_mode(network, mode, a.seed + i, a.seconds / len(modes), a.list, "STET_KEEP" in os.environ)
        rounds, failed = rounds + r, failed + f
    return summary("chaos", rounds, failed, " (seed %d)" % a.seed)


if __name__ == "__main__":
    sys.exit(main())
