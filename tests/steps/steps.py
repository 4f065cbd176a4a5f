#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""steps - a crash before every single call on data files, then a start on what is left.

For n = 1, 2, ... a server is started that SIGKILLs itself before its n-th io call
(STET_IO_FAULT=crash=n): while it creates its log, appends, rewrites, switches and publishes. What
was acknowledged until then must be there after a plain restart, with every later write.
Rows of the table "Publishing" in persistence/README.md.
"""
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cases import summary  # noqa: E402
from resp import Closed, Conn, ReplyError  # noqa: E402
from server import Failed, Server, wait_for  # noqa: E402

POLICY = ("--appendonly", "yes", "--appendfsync", "always")


def drive(server, acked, tag):
    """Writes, two rewrites with writes beside them; notes what was acknowledged. True: no crash."""
    def put(c, i):
        c.call("SET", "%s:%d" % (tag, i), i)
        acked["%s:%d" % (tag, i)] = str(i)

    try:
        c = Conn(server.port, timeout=60)
        n = 0
        for _ in range(2):
            put(c, n)
            n += 1
            c.call("BGREWRITEAOF")

            def done():
                nonlocal n
                put(c, n)
                n += 1
                info = c.call("INFO", "persistence")
                return b"aof_rewrite_in_progress:0" in info
            wait_for(done, "rewrite done", 15, 0.001)
        put(c, n)
        c.close()
        return True
    except (Closed, OSError, ReplyError):
        return False


def rooms(server, acked, tag):
    """Small writes, which go into room; a large one, which leaves it; small ones again."""
    try:
        c = Conn(server.port, timeout=60)
        for i, size in enumerate([1] * 20 + [20000] + [1] * 34 + [20000]):
            c.call("SET", "%s:%d" % (tag, i), "x" * size)
            acked["%s:%d" % (tag, i)] = "x" * size
        c.close()
        return True
    except (Closed, OSError, ReplyError):
        return False


def enable(server, acked, tag):
    """The log is switched on while the server runs; what is acknowledged after that counts."""
    try:
        c = Conn(server.port, timeout=60)
        c.call("SET", "%s:before" % tag, 1)
        c.call("CONFIG", "SET", "appendonly", "yes")
        wait_for(lambda: b"aof_state:on" in c.call("INFO", "persistence"), "on", 15, 0.001)
        acked["%s:before" % tag] = "1"
        c.call("SET", "%s:after" % tag, 2)
        acked["%s:after" % tag] = "2"
        c.close()
        return True
    except (Closed, OSError, ReplyError):
        return False


def snapshots(server, acked, tag):
    """SAVE and BGSAVE, and BGSAVE with SAVE's file in its place; what they saved counts."""
    try:
        c = Conn(server.port, timeout=60)
        for i, how in enumerate(("SAVE", "BGSAVE", "SAVE", "BGSAVE")):
            c.call("SET", "%s:%d" % (tag, i), i)
            c.call(how)
            if how == "BGSAVE":
                wait_for(lambda: b"rdb_bgsave_in_progress:0" in c.call("INFO", "persistence"),
                         "BGSAVE", 15, 0.001)
                if b"rdb_last_bgsave_status:ok" not in c.call("INFO", "persistence"):
                    continue  # the child ended before its call: then nothing is promised
            acked.update({"%s:%d" % (tag, k): str(k) for k in range(i + 1)})
        c.close()
        return True
    except (Closed, OSError, ReplyError):
        return False


def synced(server, acked, tag):
    """A replica, whose AOF goes to the file of a full sync. True: the end of it is on the disk."""
    with Server("--appendonly", "no") as master:
        try:
            mc, c = Conn(master.port, timeout=60), Conn(server.port, timeout=60)

            def put(first, last):
                for i in range(first, last):
                    mc.call("SET", "%s:%d" % (tag, i), i)

            def lives():
                return c.call("PING") is None
            put(0, 20)
            c.call("REPLICAOF", "127.0.0.1", master.port)
            put(20, 25)
            wait_for(lambda: b"master_link_status:up" in c.call("INFO", "replication"), "link", 30)
            put(25, 28)
            wait_for(lambda: b"aof_state:on" in c.call("INFO", "persistence"), "on", 30)
            put(28, 30)
            wait_for(lambda: mc.call("WAITAOF", 0, 1, 50)[1] == 1 or lives(), "synced", 30)
            mc.close()
            c.close()
            return True
        except (Closed, OSError, ReplyError):
            return False


def judge_synced(n, got, old, ended):
    """The data set is the old one, or the master's as of a moment after the sync began."""
    new = [k for k in got if k.startswith("n%d:" % n)]
    wanted = {"n%d:%d" % (n, i): str(i) for i in range(len(new))}
    if not new and not ended and got == old:
        return
    if got != wanted or len(new) < (30 if ended else 20):
        raise Failed("crash before call %d: %d keys of the master, and %d others; %d were there before" %
                     (n, len(new), len(got) - len(new), len(old)))


def imported(server, acked, tag):
    """Served once the snapshot beside it was imported: nothing is left to be done but writes."""
    return drive(server, acked, tag)


def contents(server):
    c = Conn(server.port, timeout=60)
    got = {k.decode(): c.call("GET", k).decode() for k in c.call("KEYS", "*")}
    c.close()
    return got


def with_snapshot(dir, acked):
    """A snapshot beside which there is no log yet."""
    with Server("--appendonly", "no", dir=dir) as s:
        c = Conn(s.port, timeout=60)
        for i in range(50):
            c.call("SET", "old:%d" % i, i)
            acked["old:%d" % i] = str(i)
        c.call("SAVE")
        c.close()
        s.stop()


def crash_at(n, dir, acked, work):
    """One life that ends before its n-th call, one that looks at what is left. True: n was reached."""
    off = ("--appendonly", "no", *POLICY[2:])
    policy = POLICY if work in (drive, rooms, imported, synced) else off
    if work is imported and not acked:
        with_snapshot(dir, acked)
    s = Server(*policy, dir=dir, env={"STET_IO_FAULT": "crash=%d" % n}, start=False)
    s.spawn()
    ended = work(s, acked, "n%d" % n) if s.wait_ready() else False
    crashed = not ended and wait_for(lambda: s.proc.poll() is not None, "end", 60)
    s.kill() if s.proc.poll() is None else None
    s = Server(*(off if work is snapshots else POLICY), dir=dir)
    got = contents(s)
    if work is synced:
        judge_synced(n, got, acked, ended)
        acked.clear()
        acked.update(got)
    lost = {k: v for k, v in acked.items() if got.get(k) != v}
    if lost:
        raise Failed("crash before call %d lost %s; has %d keys" % (n, sorted(lost)[:5], len(got)))
    strange = [k for k in got if k not in acked and not k.startswith("n%d:" % n)]
    if strange:
        raise Failed("crash before call %d: unknown keys %s" % (n, strange[:5]))
    acked.update(got)
    s.kill()
    left = [f for f in os.listdir(dir) if f.startswith("temp-")]
    if work is not snapshots:
        left += [f for f in os.listdir(os.path.join(dir, "appendonlydir"))
                 if f.startswith("temp-rewriteaof")]
    if left:
        raise Failed("temporary files remain: %s" % left)
    return bool(crashed)


def run(fresh, calls, work):
    """Crashes at these calls; with a fresh directory each time, or one that lives through all."""
    acked, dir, reached = {}, None, 0
    for n in calls:
        if fresh or not dir:
            if dir:
                shutil.rmtree(dir, ignore_errors=True)
            dir, acked = tempfile.mkdtemp(prefix="stet-steps-"), {}
        if not crash_at(n, dir, acked, work):
            break
        reached += 1
    shutil.rmtree(dir, ignore_errors=True)
    return reached


def main():
    failed, passed = 0, 0
    most = int(sys.argv[1]) if len(sys.argv) > 1 else 70
    each = range(1, most + 1)
    for fresh, work, what, calls in (
            (True, drive, "fresh log", each), (False, drive, "same log", each),
            (False, rooms, "room at the log's end", range(1, 4 * most, 3)),
            (True, enable, "log enabled", each), (True, snapshots, "snapshots", each),
            (False, snapshots, "snapshots over snapshots", each),
            (True, imported, "snapshot imported", each), (True, synced, "full sync", each),
            (False, synced, "full sync over full sync", each)):
        try:
            n = run(fresh, calls, work)
            print("steps: %d crash points, %s: nothing lost" % (n, what))
            passed += 1
        except Failed as e:
            print("steps: %s" % e)
            failed += 1
    return summary("steps", passed, failed)


if __name__ == "__main__":
    sys.exit(main())
