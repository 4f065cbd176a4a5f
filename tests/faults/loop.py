#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""loop - the event loop never waits for the disk: every call on data files takes long (shim.c), and
PING goes on as on a disk that is well.

  loop.py [NAME...]
Two things are checked: no call on the files is made by the loop's thread (the shim tells), and while a
PING is due the loop sleeps for far less than the time of one call. SHUTDOWN and SAVE wait by their nature.
"""
import errno
import os
import shutil
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import ask, check, run_words  # noqa: E402
from disk import ALL, INCR, SHIM, TEMP, Sick  # noqa: E402
from pings import Pings  # noqa: E402
from resp import encode  # noqa: E402
from server import SERVER, Failed, Server, is_stet, rewrite_done, wait_for, wait_info  # noqa: E402

CALL_MS = 150
SLOW = (CALL_MS, 0, 0, 0)
LIMIT_MS = CALL_MS * 0.8


class TooSlow(Failed):
    pass


def twice(case):
    """A server that waits for the disk does so each time; a machine that pauses does not."""
    def test():
        try:
            return case()
        except TooSlow:
            return case()
    return test


def beside(s, action, **fault):
    """Runs action() while every call takes CALL_MS; says how long the loop slept with a PING due."""
    faults = {"sync": SLOW, "write": SLOW, "other": SLOW, **fault}
    since = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    with Pings(s) as sick:
        s.disk.set(**faults)
        action()
        by_loop = s.disk.by_loop(since)
        s.disk.well()
    check(not by_loop, "the loop itself called: %s" % ", ".join(by_loop))
    if sick.held_ms >= LIMIT_MS + sick.own_ms:
        raise TooSlow("the loop slept for %.1f ms with a PING due" % sick.held_ms)
    return ("the loop slept for at most %.1f ms with a PING due (the machine's own pauses: %.1f ms), worst PING %.1f ms"
            % (sick.held_ms, sick.own_ms, sick.worst_ms))


def phase(conn, wanted):
    wait_info(conn, "aof_state", lambda v: v == wanted, seconds=60)


def first_enabling():
    with Sick("--appendonly", "no") as s:
        conn = s.conn(timeout=60)
        conn.call("SET", "k", "v")

        def action():
            conn.call("CONFIG", "SET", "appendonly", "yes")
            phase(conn, "on")
            conn.call("SET", "k", "w")
        return beside(s, action)


def off_and_on():
    with Sick("--appendfsync", "always") as s:
        conn = s.conn(timeout=60)
        conn.call("SET", "k", "v")

        def action():
            conn.call("CONFIG", "SET", "appendonly", "no")
            conn.call("CONFIG", "SET", "appendonly", "yes")
            phase(conn, "on")
            conn.call("SET", "k", "w")
            conn.call("CONFIG", "SET", "appendonly", "no")
        return beside(s, action)


def rewrite(policy):
    def test():
        with Sick("--appendfsync", policy) as s:
            conn = s.conn(timeout=60)

            def action():
                conn.call("BGREWRITEAOF")
                conn.call("SET", "during", "x")
                check(rewrite_done(conn), "the rewrite failed")
                conn.call("SET", "after", "x")
            return beside(s, action)
    return test


def rewrite_fails():
    with Sick() as s:
        conn = s.conn(timeout=60)
        conn.call("SET", "k", "v" * 100)

        def action():
            conn.call("BGREWRITEAOF")
            check(not rewrite_done(conn), "the rewrite went well")
        return beside(s, action, match=TEMP, write=(CALL_MS, errno.ENOSPC, -1, 0))


def rewrite_is_aborted():
    """In each of its phases: while a job is at the disk, and while the child is."""
    said = []
    for pause in (0.1, 0.6, 1.1, 1.6, 2.1, 2.6, 3.1):
        with Sick() as s:
            conn = s.conn(timeout=60)
            conn.call("SET", "k", "v" * 100)

            def action():
                conn.call("BGREWRITEAOF")
                time.sleep(pause)  # not a wait for anything: the moment is what varies
                conn.call("CONFIG", "SET", "appendonly", "no")
                wait_info(conn, "aof_rewrite_in_progress", lambda v: v == "0", seconds=60)
            said.append(beside(s, action))
    return said[-1]


def sync_fails(policy):
    def test():
        with Sick("--appendfsync", policy) as s:
            conn, late = s.conn(timeout=60), s.conn(timeout=60)
            conn.call("SET", "before", "1")

            def action():
                late.send(encode(["SET", "late", "1"]))  # under `always` answered after the recovery
                phase(conn, "recovering")
                s.disk.set(ALL, sync=SLOW, write=SLOW, other=SLOW)
                phase(conn, "on")
                conn.call("SET", "after", "1")
            return beside(s, action, match=INCR, sync=(CALL_MS, errno.EIO, 1, 0))
    return test


def recovery_is_given_up():
    """appendonly no while the new base is being made."""
    with Sick("--appendfsync", "always") as s:
        conn, late = s.conn(timeout=60), s.conn(timeout=60)
        conn.call("SET", "before", "1")

        def action():
            late.send(encode(["SET", "late", "1"]))
            phase(conn, "recovering")
            conn.call("CONFIG", "SET", "appendonly", "no")
            wait_info(conn, "aof_rewrite_in_progress", lambda v: v == "0", seconds=60)
        return beside(s, action, match=INCR, sync=(CALL_MS, errno.EIO, 1, 0))


def directory_is_deleted():
    with Sick() as s:
        conn = s.conn(timeout=60)
        conn.call("SET", "before", "1")

        def action():
            shutil.rmtree(os.path.join(s.dir, "appendonlydir"))
            wait_for(lambda: "deleted or moved" in s.log(), "noticed")
            phase(conn, "on")
            conn.call("SET", "after", "1")
        return beside(s, action)


def backups():
    with Sick("--appendfsync", "always", "--backup-dir", "backups-of-appendonlydir") as s:
        conn = s.conn(timeout=60)
        conn.call("SET", "k", "v")

        def action():
            conn.call("BACKUP", "START")
            conn.call("SET", "during", "v")
            conn.call("BACKUP", "SEAL")
            conn.call("BACKUP", "LIST")
            conn.call("BACKUP", "START")
            conn.call("BACKUP", "ABORT")
            ask(conn, "BACKUP", "CLEANUP")
            conn.call("BACKUP", "LIST")
        return beside(s, action)


def the_child_that_saves_is_killed():
    with Sick("--rdb-key-save-delay", "100000") as s:
        conn = s.conn(timeout=60)
        conn.pipeline([["SET", "k%d" % i, "v"] for i in range(1000)])

        def action():
            conn.call("BGSAVE")
            child = wait_for(lambda: [n for n in os.listdir(s.dir) if n.startswith("temp-")], "the child")
            os.kill(int(child[0][5:-4]), signal.SIGKILL)
            wait_info(conn, "rdb_bgsave_in_progress", lambda v: v == "0")
            wait_for(lambda: not os.path.exists(os.path.join(s.dir, child[0])), "no temporary file")
        return beside(s, action, match=TEMP)


def large_batches_after_room():
    """Under always small groups make room in the file, larger ones cut it off again."""
    with Sick("--appendfsync", "always") as s:
        conn = s.conn(timeout=60)
        for i in range(40):
            conn.call("SET", "k", "small")

        def action():
            conn.call("SET", "k", "x" * 100000)
            conn.call("CONFIG", "SET", "appendfsync", "everysec")
            conn.call("SET", "k", "y" * 100000)
        return beside(s, action)


def files_of_the_operator():
    """CONFIG REWRITE and ACL SAVE: the client waits, the loop does not; two at once, in order, none is lost."""
    with Sick(start=False) as s:
        folder = os.path.join(s.dir, "slow-files")
        os.mkdir(folder)
        for name, text in ("c.conf", "# kept\naclfile slow-files/u.acl\n"), ("u.acl", "user default on nopass ~* &* +@all\n"):
            with open(os.path.join(folder, name), "w") as f:
                f.write(text)
            os.chmod(os.path.join(folder, name), 0o600)
        s.conf = ["slow-files/c.conf"]
        s.start()
        conns = [s.conn(timeout=60) for _ in range(4)]

        def action():
            for i, c in enumerate(conns):
                c.send(encode(["CONFIG", "SET", "timeout", str(1000 + i)]) + encode(["CONFIG", "REWRITE"]) +
                       encode(["ACL", "SETUSER", "u%d" % i]) + encode(["ACL", "SAVE"]))
            for c in conns:
                replies = [c.read() for _ in range(4)]
                check(replies == [["+", "OK"]] * 4, "replies: %r" % replies)
        said = beside(s, action, match=b"slow-files")
        left = sorted(os.listdir(folder))
        check(left == ["c.conf", "u.acl"], "files left: %s" % left)
        config, users = (open(os.path.join(folder, n)).read() for n in left)
        check("# kept" in config and "timeout 1003\n" in config, config)
        check(all("user u%d " % i in users for i in range(4)), users)
        check(all(os.stat(os.path.join(folder, n)).st_mode & 0o777 == 0o600 for n in left), "permissions")
        s.kill()
        s.start()
        check(len(s.conn().call("ACL", "USERS")) == 5, "the users after a restart")
        return said


def full_sync():
    """The file without a name that a child writes for a replica: made, and closed by its last reader."""
    with Sick("--appendonly", "no", "--repl-diskless-sync-delay", "0") as s:
        s.conn().call("SET", "k", "v" * 100000)

        def action():
            with Server("--appendonly", "no", "--replicaof", "127.0.0.1 %d" % s.port) as replica:
                wait_info(replica.conn(), "master_link_status", lambda v: v == "up", "replication")
                wait_for(lambda: replica.conn().call("EXISTS", "k") == 1, "the data set")
        return beside(s, action, match=b"temp-unnamed")


def follows(replica, master):
    """Both have the same place in the stream."""
    wait_for(lambda: offset_of(replica, "slave_repl_offset") == offset_of(master, "master_repl_offset"),
             "the replica has all")


def offset_of(s, field):
    return int(s.conn().info("replication")[field])


def full_sync_from_the_files():
    """Without a fork: the AOF's base and increments are opened. One replica more stops reading meanwhile, so that it
    is served from files that begin and go."""
    with Sick("--appendfsync", "always", "--aof-use-rdb-preamble", "yes", "--repl-diskless-sync-delay", "0",
              "--repl-backlog-size", "16kb", "--auto-aof-rewrite-percentage", "0") as s, \
            Server("--appendonly", "no", "--replicaof", "127.0.0.1 %d" % s.port) as first:
        conn = s.conn(timeout=60)
        wait_info(first.conn(), "master_link_status", lambda v: v == "up", "replication")
        conn.call("SET", "k", "v" * 100000)
        conn.call("BGREWRITEAOF")
        check(rewrite_done(conn), "the rewrite failed")
        with Server("--appendonly", "no", start=False) as second:

            def action():
                first.freeze()
                second.start("--appendonly", "no", "--replicaof", "127.0.0.1 %d" % s.port)
                wait_info(second.conn(), "master_link_status", lambda v: v == "up", "replication")
                conn.call("SET", "l", "w" * 12000000)
                conn.call("BGREWRITEAOF")
                check(rewrite_done(conn), "the rewrite failed")
                first.proc.send_signal(signal.SIGCONT)
                follows(first, s), follows(second, s)
            said = beside(s, action)
        check(int(conn.info("stats")["sync_full_without_fork"]) >= 1, "the full sync took a fork")
        return said


def log_is_read_again():
    """DEBUG LOADAOF waits until the AOF is written; on a full disk only its client waits."""
    with Sick("--appendfsync", "everysec", "--enable-debug-command", "yes") as s:
        conn, writes, reads = s.conn(timeout=10), s.conn(), s.conn()
        conn.call("SET", "k", "v")
        s.disk.set(write=(0, errno.ENOSPC, -1, 0))
        writes.send(encode(("SET", "held", "1")))
        reads.send(encode(("DEBUG", "LOADAOF")))
        with Pings(s) as sick:
            for _ in range(10):
                check(conn.ask("PING") == ["+", "PONG"], "PING")
            wait_info(conn, "aof_last_write_status", lambda v: v == "err")
            s.disk.well()
        check(writes.read() == ["+", "OK"], "the write is answered once it is written")
        got = reads.read()
        check(got == ["+", "OK"], "the AOF is read once it is written: %r" % got)
        check(conn.call("MGET", "k", "held") == [b"v", b"1"], "the data set")
        return "the loop slept for at most %.1f ms with a PING due" % sick.held_ms


TESTS = {
    "CONFIG REWRITE and ACL SAVE": files_of_the_operator,
    "the first CONFIG SET appendonly yes": first_enabling,
    "appendonly no and yes": off_and_on,
    "BGREWRITEAOF, always": rewrite("always"),
    "BGREWRITEAOF, everysec": rewrite("everysec"),
    "a rewrite that fails": rewrite_fails,
    "a rewrite that is aborted": rewrite_is_aborted,
    "a failed sync, always": sync_fails("always"),
    "a failed sync, everysec": sync_fails("everysec"),
    "a recovery that is given up": recovery_is_given_up,
    "the directory is deleted": directory_is_deleted,
    "backups": backups,
    "the child of BGSAVE is killed": the_child_that_saves_is_killed,
    "room and large batches": large_batches_after_room,
    "a full sync of a replica": full_sync,
    "a full sync from the files": full_sync_from_the_files,
    "DEBUG LOADAOF on a full disk": log_is_read_again,
}


def main():
    if not os.path.exists(SHIM):
        print("no %s (make builds it)" % SHIM)
        return 1
    return run_words("loop", {n: twice(c) for n, c in TESTS.items() if is_stet(SERVER)})


if __name__ == "__main__":
    sys.exit(main())
