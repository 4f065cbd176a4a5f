#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""faults - what clients see while the disk is slow, full or broken (disk.py, shim.c).

  faults.py [NAME...]
Times are CLOCK_MONOTONIC, in the server's shim and here alike. Latency limits are generous, for
busy machines; the figures are printed.
"""
import errno
import os
import select
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import ask, check, need, run_words  # noqa: E402
from contents import strings  # noqa: E402
from disk import ALL, INCR, SHIM, TEMP, Sick  # noqa: E402
from pings import Pings  # noqa: E402
from resp import ReplyError, encode  # noqa: E402
from server import (CHECK_AOF, SERVER, TOOLS, is_stet, rewrite_done, wait_for,  # noqa: E402
                    wait_info)

LIMIT_MS = 50
STET = is_stet(SERVER)
CLIENT = os.path.join(TOOLS, "crash-client")


def now_ns():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def silent(conn, ms=0):
    """Nothing to read on this connection for ms milliseconds?"""
    return not conn.unread() and not select.select([conn.sock], [], [], ms / 1000)[0]


def load(server, conns):
    """The crash client, writing until the server is gone."""
    journal = os.path.join(server.dir, "journal")
    client = subprocess.Popen([CLIENT, "load", str(server.port), journal, str(conns)],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    client.stdout.readline()  # it is connected
    return client


def verified(server):
    """Kills and restarts the server on a well disk; what the load's journal promises is there."""
    server.kill()
    server.disk.well()
    server.start()
    journal = os.path.join(server.dir, "journal")
    done = subprocess.run([CLIENT, "verify", str(server.port), journal], capture_output=True,
                          text=True)
    check(done.returncode == 0, done.stderr)


def slow(policy, **fault):
    def test():
        with Sick("--appendfsync", policy) as s:
            conn = s.conn()
            conn.call("SELECT", 15)  # the load does not write there
            conn.call("MSET", "untouched:1", "a", "untouched:2", "b")
            if STET:
                wait_info(conn, "aof_unsynced_bytes", lambda v: v == "0")
            s.disk.set(ALL, **fault)
            writer = load(s, 4)
            try:
                with Pings(s) as p:
                    time.sleep(4.5)  # as long as the fault is looked at
            finally:
                s.kill()
                out, err = writer.communicate()
            check(writer.returncode == 0, err)
            verified(s)
            check(p.held_ms < LIMIT_MS + p.own_ms or not STET, "the loop slept for %.1f ms" % p.held_ms)
            return ("the loop slept for at most %.2f ms with a PING due (the machine's own pauses: %.2f ms), worst "
                    "%.2f ms, %s commands meanwhile" % (p.held_ms, p.own_ms, p.worst_ms, out.split()[-1]))
    return test


def replies_wait_for_their_sync():
    """Under always: between the request and its reply a whole sync has begun and ended."""
    with Sick("--appendfsync", "always") as s:
        conn, spans = s.conn(), []
        s.disk.set(ALL, sync=(30, 0, 0, 0))
        for i in range(20):
            begin = now_ns()
            conn.call("SET", "k%d" % i, "v")
            spans.append((begin, now_ns()))
        syncs = [x for x in s.disk.noted("sync") if x[2] == 0]
        for n, (begin, end) in enumerate(spans):
            check(any(b >= begin and e <= end for b, e, _, _ in syncs),
                  "reply %d left before a sync had ended" % n)


def reads_show_only_what_is_synced():
    """Another connection sees the new value only once it is synced; other keys at once."""
    with Sick("--appendfsync", "always") as s:
        a, b, other = s.conn(), s.conn(), s.conn()
        a.call("MSET", "k", "old", "untouched:1", "x")
        s.disk.set(ALL, sync=(1500, 0, 0, 0))
        begin = now_ns()
        a.send(encode(["SET", "k", "new"]))
        b.send(encode(["GET", "k"]))
        served = 0
        while silent(b) and now_ns() - begin < 5e9:
            other.call("GET", "untouched:1")
            served += 1
        seen_at, value = now_ns(), b.read()[1]
        if value == "new":  # "old" would be right too, had it come first
            check(any(x[0] >= begin and x[1] <= seen_at and x[2] == 0
                      for x in s.disk.noted("sync")), "the new value was shown before its sync")
            check(served > 2, "only %d reads of another key meanwhile" % served)
        return "%d reads of another key meanwhile" % served


def a_stronger_policy_is_answered_when_it_holds():
    with Sick("--appendfsync", "no") as s:
        conn = s.conn()
        s.disk.set(INCR, sync=(300, 0, 0, 0))
        begin = now_ns()
        conn.call("SET", "k", "v")
        conn.call("CONFIG", "SET", "appendfsync", "always")
        end = now_ns()
        check(any(x[0] >= begin and x[1] <= end and x[2] == 0 for x in s.disk.noted("sync")),
              "CONFIG SET was answered before what is appended was synced")


def manifest(s):
    with open(os.path.join(s.dir, "appendonlydir", "appendonly.aof.manifest")) as f:
        return f.read()


def sync_fails_once(policy):
    """One EIO: writes are refused, then a new base and increment, then service."""
    def test():
        with Sick("--appendfsync", policy) as s:
            conn, late = s.conn(timeout=30), s.conn(timeout=30)
            conn.call("SET", "before", "1")
            old = manifest(s)
            s.disk.set(INCR, sync=(0, errno.EIO, 1, 0))
            late.send(encode(["SET", "late", "1"]))
            wait_for(lambda: any(x[2] for x in s.disk.noted("sync")), "the failing sync")
            failed_at = [x for x in s.disk.noted("sync") if x[2]][0][1]

            def served():
                try:
                    return conn.call("SET", "after", "1") == b"OK"
                except ReplyError as e:
                    check(str(e).startswith("MISCONF"), "a write got: %s" % e)
                    return False
            wait_for(served, "service again")
            check(manifest(s) != old, "a write was answered while the old files are in use")
            check(late.read() == ["+", "OK"], "the write under the failed sync got no OK")
            check(rewrite_done(conn), "the rewrite failed")
            check(s.disk.noted("sync")[-1][1] > failed_at, "nothing was synced since")
            s.kill()
            s.start()
            held = {k[1] for k in strings(s.conn())}
            check(held == {b"before", b"late", b"after"}, "after kill -9: %s" % held)
    return test


def disk_full(policy, short):
    """ENOSPC until told otherwise: the first write waits, others get MISCONF; then all is well."""
    def test():
        with Sick("--appendfsync", policy) as s:
            conn, waits = s.conn(timeout=30), s.conn(timeout=30)
            conn.call("SET", "before", "1")
            wait_info(conn, "aof_unwritten_bytes", lambda v: v == "0")
            s.disk.set(ALL, write=(0, errno.ENOSPC, -1, short))
            waits.send(encode(["SET", "waits", "x" * 300]))

            def refused():
                try:
                    conn.call("CONFIG", "GET", "hz")
                    conn.call("DEL", "none")  # a write command; changes nothing
                    return False
                except ReplyError as e:
                    return str(e).startswith("MISCONF")
            wait_for(refused, "MISCONF")
            check(conn.info("persistence")["aof_last_write_status"] == "err", "INFO says ok")
            check(conn.call("GET", "before") == b"1", "reads go on")
            check(silent(waits, 50), "the unwritten write was answered")
            s.disk.well()
            check(waits.read() == ["+", "OK"], "the write that waited got no OK")
            wait_for(lambda: not refused(), "service again")
            conn.call("SET", "after", "1")
            check(conn.info("persistence")["aof_last_write_status"] == "ok", "INFO says err")
            s.kill()
            path = os.path.join(s.dir, "appendonlydir", "appendonly.aof.manifest")
            for tool in (CHECK_AOF, "redis-check-aof"):
                done = subprocess.run([tool, path], capture_output=True, text=True)
                check(done.returncode == 0, "%s: %s" % (tool, done.stdout[-300:]))
            s.start()
            held = {k[1] for k in strings(s.conn())}
            check(held == {b"before", b"waits", b"after"}, "after kill -9: %s" % held)
    return test


def a_full_disk_and_a_kill():
    """What was never written was never answered."""
    with Sick("--appendfsync", "everysec") as s:
        waits = s.conn(timeout=30)
        s.conn().call("SET", "before", "1")
        s.disk.set(ALL, write=(0, errno.ENOSPC, -1, 7))
        waits.send(encode(["SET", "waits", "1"]))
        wait_info(s.conn(), "aof_last_write_status", lambda v: v == "err")
        check(silent(waits), "the unwritten write was answered")
        s.kill()
        s.disk.well()
        s.start()
        check({k[1] for k in strings(s.conn())} == {b"before"}, "something half-written is there")


def a_failing_rewrite_piles_nothing_up():
    with Sick("--auto-aof-rewrite-min-size", "1kb", "--auto-aof-rewrite-percentage", "1") as s:
        conn = s.conn()
        s.disk.set(TEMP, write=(0, errno.ENOSPC, -1, 0))
        for i in range(300):
            conn.call("SET", "k%d" % i, "x" * 100)
            time.sleep(0.01)
        wait_info(conn, "aof_last_bgrewrite_status", lambda v: v == "err")
        incrs = manifest(s).count(".incr.aof")
        check(incrs <= 3, "%d increments" % incrs)
        s.disk.well()
        try:
            conn.call("BGREWRITEAOF")
        except ReplyError as e:  # the server tries again by itself, perhaps just now
            check("in progress" in str(e), "BGREWRITEAOF: %s" % e)
        wait_info(conn, "aof_last_bgrewrite_status", lambda v: v == "ok")
        s.kill()
        s.start()
        check(len(strings(s.conn())) == 300, "keys are missing")
        return "%d increments after 3 s of failing rewrites" % incrs


def failed_recoveries_leave_nothing_open():
    """Each attempt at a new base fails; the server has as many files open after five as after one."""
    with Sick("--appendfsync", "always") as s:
        conn, late = s.conn(timeout=60), s.conn(timeout=60)
        conn.call("SET", "before", "1")
        s.disk.set(INCR, sync=(0, errno.EIO, 1, 0))
        late.send(encode(["SET", "late", "1"]))
        wait_info(conn, "aof_state", lambda v: v == "recovering")
        check(b"- A sync has failed. Writes are refused until a new AOF is on the disk" in conn.call("DOCTOR", "SAFETY"),
              "DOCTOR does not say it")
        s.disk.set(TEMP, write=(0, errno.ENOSPC, -1, 0))

        def fails_again(n):
            def check_one():
                ask(conn, "BGREWRITEAOF")  # no waiting for the next attempt
                i = conn.info("persistence")
                return int(i["aof_rewrites_consecutive_failures"]) >= n and i["aof_rewrite_in_progress"] == "0"
            wait_for(check_one, "failure %d" % n, 60, 0.05)
            return len(os.listdir("/proc/%d/fd" % s.proc.pid))

        first = fails_again(1)
        last = fails_again(6)
        check(last <= first, "%d descriptors after one failure, %d after six" % (first, last))
        s.disk.well()
        conn.call("BGREWRITEAOF")
        check(late.read() == ["+", "OK"], "the write under the failed sync got no OK")
        s.kill()
        s.start()
        held = {k[1] for k in strings(s.conn())}
        check(held == {b"before", b"late"}, "after kill -9: %s" % held)


def kills_on_a_slow_disk(policy):
    """The crash client on a disk that is slow at both ends."""
    def test():
        done = 0
        with Sick("--appendfsync", policy) as s:
            for pause in (0.1, 0.4, 0.7):
                s.disk.set(ALL, sync=(40, 0, 0, 0), write=(3, 0, 0, 0))
                writer = load(s, 16)
                time.sleep(pause)
                s.kill()
                out, err = writer.communicate()
                check(writer.returncode == 0, err)
                verified(s)
                done += int(out.split()[-1])
        return "%d commands acknowledged over 3 kills" % done
    return test


TESTS = {
    "fsync takes 2 s, everysec": slow("everysec", sync=(2000, 0, 0, 0)),
    "fsync takes 2 s, always": slow("always", sync=(2000, 0, 0, 0)),
    "write takes 2 s, everysec": slow("everysec", write=(2000, 0, 0, 0)),
    "write takes 2 s, always": slow("always", write=(2000, 0, 0, 0)),
    "always: replies wait for their sync": replies_wait_for_their_sync,
    "kills on a slow disk, always": kills_on_a_slow_disk("always"),
}
STET_TESTS = {
    "always: reads show only what is synced": reads_show_only_what_is_synced,
    "a stronger policy is answered when it holds": a_stronger_policy_is_answered_when_it_holds,
    "fsync fails once, always": sync_fails_once("always"),
    "fsync fails once, everysec": sync_fails_once("everysec"),
    "disk full, everysec": disk_full("everysec", 0),
    "disk full in the middle of a batch, everysec": disk_full("everysec", 11),
    "disk full, always": disk_full("always", 0),
    "disk full in the middle of a batch, no": disk_full("no", 100),
    "a full disk and a kill -9": a_full_disk_and_a_kill,
    "a failing rewrite piles nothing up": a_failing_rewrite_piles_nothing_up,
    "failed recoveries leave nothing open": failed_recoveries_leave_nothing_open,
    "kills on a slow disk, everysec": kills_on_a_slow_disk("everysec"),
    "kills on a slow disk, no": kills_on_a_slow_disk("no"),
}


def main():
    need("redis-check-aof")
    if not os.path.exists(SHIM):
        print("no %s (make builds it)" % SHIM)
        return 1
    return run_words("faults", {**TESTS, **(STET_TESTS if STET else {})})


if __name__ == "__main__":
    sys.exit(main())
