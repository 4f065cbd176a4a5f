#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""directory - the AOF's directory is deleted, moved away, brought back, left aside or shared.

  directory.py [NAME...]
"""
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
from aof import fingerprint  # noqa: E402
from cases import ask, check, equal, run_words  # noqa: E402
from resp import ReplyError  # noqa: E402
from server import SERVER, Server, is_stet, rewrite_done, wait_for, wait_info  # noqa: E402

FOLDER = "appendonlydir"


class Log(Server):
    """A server with the AOF on in DIR/data; its own log and port file are elsewhere."""

    def __init__(self, *args, policy="always", **kw):
        super().__init__("--appendonly", "yes", "--appendfsync", policy, "--dir", "data", *args, start=False, **kw)
        self.data = os.path.join(self.dir, "data")
        self.folder = os.path.join(self.data, FOLDER)
        os.mkdir(self.data)
        self.start()

    def files(self):
        return sorted(n for n in os.listdir(self.folder) if ".aof." in n and "manifest" not in n)


def accepted(conn, *words):
    """True, or False if the write is refused."""
    try:
        return conn.call(*words) == b"OK"
    except ReplyError as e:
        check(str(e).startswith("MISCONF"), "a write got: %s" % e)
        return False


def refused(conn):
    wait_for(lambda: ask(conn, "DEL", "none") != 0, "writes are refused")


def served(conn):
    wait_for(lambda: accepted(conn, "SET", "after", "1"), "writes are accepted", 60)


def holds(s, *keys):
    equal("after kill -9", sorted(s.conn().call("KEYS", "*")), sorted(k.encode() for k in keys))


def noticed(s):
    s.wait_log("was deleted or moved")


def folder_deleted(policy):
    """It can be made anew at once: what was acknowledged before is in the new files too."""
    def test():
        with Log(policy=policy) as s:
            conn = s.conn(timeout=60)
            conn.call("SET", "before", "1")
            shutil.rmtree(s.folder)
            noticed(s)
            served(conn)
            check(os.path.exists(s.folder), "no new directory")
            s.kill()
            s.start()
            holds(s, "before", "after")
    return test


def folder_moved_away():
    """New files are made; the directory that was moved is not written to any more."""
    with Log() as s:
        conn, aside = s.conn(timeout=60), os.path.join(s.dir, "aside")
        conn.call("SET", "before", "1")
        os.rename(s.folder, aside)
        noticed(s)
        served(conn)
        kept = fingerprint(aside)
        conn.call("SET", "later", "1")
        equal("the directory that was moved", fingerprint(aside), kept)
        s.kill()
        s.start()
        holds(s, "before", "after", "later")
        s.kill()
        shutil.rmtree(s.folder)
        os.rename(aside, s.folder)
        s.start()
        check(b"before" in s.conn().call("KEYS", "*"), "what was moved does not load")


def files_deleted():
    """The directory stays, what is in it goes."""
    with Log() as s:
        conn = s.conn(timeout=60)
        conn.call("SET", "before", "1")
        for name in os.listdir(s.folder):
            os.unlink(os.path.join(s.folder, name))
        noticed(s)
        served(conn)
        s.kill()
        s.start()
        holds(s, "before", "after")


def one_file_is_replaced():
    """The directory stays; a file of the AOF is deleted, or another one takes its place."""
    def last(s, part):
        return os.path.join(s.folder, [n for n in sorted(os.listdir(s.folder)) if part in n and "before" not in n][-1])

    def by_a_copy(path):
        shutil.copy(path, path + ".copy")
        os.rename(path + ".copy", path)

    with Log() as s:
        conn, n = s.conn(timeout=60), 0
        for part in ".incr.", ".base.", "manifest":
            for do in (by_a_copy,) if part == "manifest" else (os.unlink, by_a_copy):
                accepted(conn, "SET", "before:%d" % n, "1")
                check(rewrites(conn), "a rewrite fails")
                time.sleep(0.3)  # the files of now have been seen
                do(last(s, part))
                wait_for(lambda: s.log().count("deleted or replaced") > n, "%s of %s is noticed" % (do.__name__, part))
                served(conn)
                n += 1
        s.kill()
        s.start()
        holds(s, "after", *("before:%d" % i for i in range(n)))


def all_deleted_and_made_again():
    """Without a working directory writes are refused; reads go on. When it is back, so is service."""
    with Log() as s:
        conn = s.conn(timeout=60)
        conn.call("SET", "before", "1")
        shutil.rmtree(s.data)
        refused(conn)
        equal("a read", conn.call("GET", "before"), b"1")
        wait_info(conn, "aof_last_bgrewrite_status", lambda v: v == "err")
        check(not accepted(conn, "SET", "refused", "1"), "a write is accepted without a directory")
        os.mkdir(s.data)
        served(conn)
        s.kill()
        s.start()
        holds(s, "before", "after")


def all_moved_and_brought_back():
    with Log() as s:
        conn, aside = s.conn(timeout=60), os.path.join(s.dir, "aside")
        conn.call("SET", "before", "1")
        os.rename(s.data, aside)
        refused(conn)
        os.rename(aside, s.data)
        served(conn)
        s.kill()
        s.start()
        holds(s, "before", "after")


def kept_aside():
    """appendonly no beside a log: a warning. CONFIG SET appendonly yes: the log stays, under a name
    that brings it back."""
    with Log() as s:
        s.conn().call("SET", "old", "1")
        s.kill()
        s.start("--appendonly", "no", "--dir", "data")
        s.wait_log("holds the append only file 'appendonly.aof'")
        check("start with: --appendonly yes" in s.log(), "no advice")
        conn = s.conn(timeout=60)
        equal("the data set", conn.call("DBSIZE"), 0)
        conn.call("SET", "new", "1")
        conn.call("CONFIG", "SET", "appendonly", "yes")
        wait_info(conn, "aof_state", lambda v: v == "on")
        before = [n for n in os.listdir(s.folder) if ".manifest.before-" in n]
        equal("manifests kept aside", len(before), 1)
        s.kill()
        s.start("--appendonly", "yes", "--dir", "data")
        holds(s, "new")
        check(s.conn().call("BGREWRITEAOF"), "a rewrite begins")
        wait_info(s.conn(), "aof_rewrite_in_progress", lambda v: v == "0")
        s.kill()
        os.rename(os.path.join(s.folder, before[0]), os.path.join(s.folder, "appendonly.aof.manifest"))
        s.start()
        holds(s, "old")


def two_names():
    """Two servers, one directory, two names of the log."""
    with Log() as a, Server("--appendonly", "yes", "--appendfsync", "always", "--dir", a.data,
                            "--appendfilename", "other.aof") as b:
        check("also holds the append only file 'appendonly.aof'" in b.log(),
              "no warning of the other log")
        check("is not loaded" not in a.log(), "a warning without another log")
        a.conn().call("SET", "of a", "1")
        b.conn().call("SET", "of b", "1")
        for s in (a, b):
            conn = s.conn(timeout=60)
            conn.call("BGREWRITEAOF")
            wait_info(conn, "aof_rewrite_in_progress", lambda v: v == "0")
        a.kill()
        a.start()
        b.kill()
        b.start()
        check("is not loaded" not in b.log(), "a warning although there is a log to load")
        holds(a, "of a")
        holds(b, "of b")


def one_name():
    """The second server is refused and changes nothing; then the first dies and it gets in."""
    with Log() as a, Server("--appendonly", "yes", "--dir", a.data, start=False) as b:
        a.conn().call("SET", "k", "1")
        before = fingerprint(a.folder)
        b.spawn()
        check(not b.wait_ready(), "two servers serve one log")
        check("another server is using" in b.log(), b.log()[-300:])
        equal("the directory", fingerprint(a.folder), before)
        a.kill()
        b.start()
        holds(b, "k")


def lock_deleted():
    """It is made and locked again; a second server is refused before that and after it."""
    with Log() as a, Server("--appendonly", "yes", "--dir", a.data, start=False) as b:
        conn, lock = a.conn(timeout=60), os.path.join(a.folder, ".lock")
        conn.call("SET", "before", "1")
        kept = a.files()
        for moment in "at once", "later":
            if moment == "at once":
                os.unlink(lock)
            else:
                wait_for(lambda: os.path.exists(lock), "the lock file is made again")
            b.spawn()
            check(not b.wait_ready(), "two servers serve one log, started %s" % moment)
            check("another server is using" in b.log(), b.log()[-300:])
        a.wait_log("made and locked again")
        equal("the AOF's files", a.files(), kept)
        os.rename(lock, lock + "-aside")
        wait_for(lambda: os.path.exists(lock), "the lock file is made again after a move")
        served(conn)
        check(rewrites(conn), "a rewrite fails")
        b.spawn()
        check(not b.wait_ready(), "two servers serve one log after a rewrite")
        check("Writes are refused" not in a.log(), "writes were refused")
        a.kill()
        b.start()
        holds(b, "before", "after")


def rewrites(conn):
    conn.call("BGREWRITEAOF")
    return rewrite_done(conn)


class Holder:
    """Another process that has made the lock file anew and locked it."""

    CODE = "import fcntl,sys; f=open(sys.argv[1],'w'); fcntl.lockf(f,fcntl.LOCK_EX); print('locked',flush=True); sys.stdin.read()"

    def __init__(self, path):
        os.unlink(path)
        self.process = subprocess.Popen([sys.executable, "-c", self.CODE, path], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        equal("the other process", self.process.stdout.readline(), b"locked\n")

    def end(self):
        self.process.communicate(b"")


def lock_taken():
    """Another process has it: writes are refused until that has ended; what it has left is kept."""
    with Log() as s:
        conn, lock = s.conn(timeout=60), os.path.join(s.folder, ".lock")
        conn.call("SET", "before", "1")
        old = s.files()
        other = Holder(lock)
        try:
            s.wait_log("another process has locked the new one")
            refused(conn)
            equal("a read", conn.call("GET", "before"), b"1")
            wait_info(conn, "aof_last_bgrewrite_status", lambda v: v == "err")
            check(not accepted(conn, "SET", "refused", "1"), "a write is accepted without the lock")
        finally:
            other.end()
        served(conn)
        kept = [n for n in os.listdir(s.folder) if ".manifest.before-" in n]
        equal("manifests kept aside", len(kept), 1)
        equal("files that are gone", [n for n in old if n not in s.files()], [])
        s.kill()
        s.start()
        holds(s, "before", "after")


def mounted_configuration():
    """A file that is a mount point, as in a container, is written in place."""
    with Server(start=False) as s:
        real, path = os.path.join(s.dir, "real.conf"), os.path.join(s.dir, "c.conf")
        for name in real, path:
            with open(name, "w") as f:
                f.write("# kept\n")
        if subprocess.run(["mount", "--bind", real, path], stderr=subprocess.DEVNULL).returncode:
            return "not tried: no right to mount"
        try:
            s.conf = ["c.conf"]
            s.start()
            conn = s.conn()
            for timeout in "1001", "77":
                conn.call("CONFIG", "SET", "timeout", timeout)
                equal("CONFIG REWRITE", ask(conn, "CONFIG", "REWRITE"), b"OK")
                with open(real) as f:
                    text = f.read()
                check("# kept\n" in text and "timeout %s\n" % timeout in text, text)
            left = [n for n in os.listdir(s.dir) if ".conf." in n]
            equal("files left", left, [])
        finally:
            s.kill()
            subprocess.run(["umount", path], check=True)
    return None


TESTS = {
    "the configuration is a mount point": mounted_configuration,
    "the lock file is deleted": lock_deleted,
    "the lock file is taken by another process": lock_taken,
    "the folder is deleted, always": folder_deleted("always"),
    "the folder is deleted, everysec": folder_deleted("everysec"),
    "the folder is moved away": folder_moved_away,
    "the files are deleted": files_deleted,
    "one file is deleted or replaced": one_file_is_replaced,
    "the working directory is deleted and made again": all_deleted_and_made_again,
    "the working directory is moved and brought back": all_moved_and_brought_back,
    "a log is kept aside": kept_aside,
    "two servers under two names": two_names,
    "two servers under one name": one_name,
}


def main():
    return run_words("directory", TESTS if is_stet(SERVER) else {})


if __name__ == "__main__":
    sys.exit(main())
