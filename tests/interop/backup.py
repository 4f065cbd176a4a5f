#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""backup - BACKUP under load, with rewrites in between, and at every crash point; what was sealed is
whole, loads in redis-server and by --restore-from, and holds what was there when it was sealed.

  backup.py [--only NAME]
"""
import atexit
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from aof import fingerprint  # noqa: E402
from cases import ask, equal, need, run_only  # noqa: E402
from resp import Closed, ReplyError  # noqa: E402
from server import CHECK_AOF, SERVER, Failed, Server, is_stet, rewrite_done, wait_for  # noqa: E402

REDIS = "/usr/bin/redis-server"
LOG = ["--appendonly", "yes", "--enable-debug-command", "yes"]


def fields(flat):
    return {k.decode(): v if isinstance(v, int) else v.decode() for k, v in zip(flat[::2], flat[1::2])}


def state(conn):
    return fields(conn.call("BACKUP", "STATUS"))


def info(conn, field):
    found = [line for line in conn.call("INFO", "persistence").decode().split("\r\n") if line.startswith(field + ":")]
    return found[0].partition(":")[2] if found else None


def restored(from_dir, program=SERVER, *args):
    """A server that was started from a backup."""
    if is_stet(program):
        return Server(*LOG, "--restore-from", from_dir, *args, program=program)
    dir = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, dir, ignore_errors=True)
    shutil.copytree(from_dir, os.path.join(dir, "appendonlydir"))
    return Server(*LOG, *args, program=program, dir=dir)


class Writer:
    """Counts up as fast as it is answered."""

    def __init__(self, server):
        self.conn, self.n, self.stop = server.conn(), 0, threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stop.is_set():
            self.n = self.conn.call("INCR", "n")

    def goes_on(self):
        """Waits until it has written for a while from now."""
        n = self.n
        wait_for(lambda: self.n > n + 500, "writes")

    def end(self):
        self.stop.set()
        self.thread.join()


def under_load():
    with Server(*LOG) as s:
        c = s.conn()
        c.call("DEBUG", "POPULATE", 20000, "key", 100)
        c.call("BGREWRITEAOF")
        rewrite_done(c)
        w = Writer(s)
        sealed = []
        for rewrite in (False, True, False):
            id = c.call("BACKUP", "START").decode()
            equal("state", state(c)["state"], "open")
            w.goes_on()
            if rewrite:
                c.call("BGREWRITEAOF")
                rewrite_done(c)
            low = w.n
            told = fields(c.call("BACKUP", "SEAL"))
            sealed.append((os.path.join(s.dir, told["directory"], id), low, w.n + 1))
            equal("state", state(c)["state"], "idle")
        w.goes_on()
        w.end()
        equal("list", len(c.call("BACKUP", "LIST")), 3)
        for path, low, high in sealed:
            before = {f: os.path.getsize(os.path.join(path, f)) for f in os.listdir(path)}
            for program in (SERVER, REDIS):
                with restored(path, program) as r:
                    d = r.conn()
                    n = int(d.call("GET", "n"))
                    if not low <= n <= high:
                        raise Failed("%d is not in %d..%d" % (n, low, high))
                    equal("keys", d.call("DBSIZE"), 20001)
                    d.call("SET", "later", 1)
                    if not is_stet(program):
                        shutil.rmtree(r.dir)
            equal("untouched", {f: os.path.getsize(os.path.join(path, f)) for f in os.listdir(path)},
                  before)
        last = os.path.basename(sealed[-1][0])
        equal("cleanup", c.call("BACKUP", "CLEANUP", last), b"OK")
        equal("list", len(c.call("BACKUP", "LIST")), 2)
        s.stop()
        s.start()
        equal("goes on", int(s.conn().call("GET", "n")), w.n)


def paths():
    """Replies have absolute paths, sizes and ages; a start names what was never sealed."""
    with Server(*LOG) as s:
        c = s.conn()
        c.call("SET", "a", "1")
        equal("no age", state(c)["last-age"], -1)
        equal("no last", info(c, "backup_last_age_sec"), "-1")
        id = c.call("BACKUP", "START").decode()
        equal("path", state(c)["path"], os.path.join(s.dir, "backups", id + ".partial"))
        told = fields(c.call("BACKUP", "SEAL"))
        path = os.path.join(s.dir, "backups", id)
        equal("sealed", (told["directory"], told["path"]), (os.path.join(s.dir, "backups"), path))
        now = state(c)
        equal("last", (now["path"], now["last-path"], now["last-bytes"]), ("", path, told["bytes"]))
        listed = fields(c.call("BACKUP", "LIST")[0])
        equal("listed", (listed["path"], listed["state"]), (path, "sealed"))
        if not 0 <= listed["age"] < 60 or not 0 <= now["last-age"] < 60:
            raise Failed("ages: %r, %r" % (listed, now))
        left = c.call("BACKUP", "START").decode()
        s.kill()
        s.start()
        c = s.conn()
        s.wait_log("'%s.partial' (" % os.path.join(s.dir, "backups", left))
        s.wait_log("was never sealed and is of no use. To remove it: BACKUP CLEANUP " + left)
        equal("after a restart", (info(c, "backup_last_id"), state(c)["last-path"]), (id, path))
        equal("removed", c.call("BACKUP", "CLEANUP", left), b"OK")


def errors():
    with Server("--appendonly", "no") as s:
        if "not on" not in ask(s.conn(), "BACKUP", "START"):
            raise Failed("a backup without a log")
    with Server(*LOG, "--backup-ttl", "1") as s:
        c, d = s.conn(), s.conn()
        for word in ("SEAL", "ABORT"):
            if "no backup was started" not in ask(c, "BACKUP", word):
                raise Failed("%s: %r" % (word, ask(c, "BACKUP", word)))
        c.call("BACKUP", "START")
        if "seal it or abort it" not in ask(d, "BACKUP", "START"):
            raise Failed("two at once")
        equal("abort", c.call("BACKUP", "ABORT"), b"OK")
        equal("list", c.call("BACKUP", "LIST"), [])
        c.call("BACKUP", "START")
        equal("partial", len(c.call("BACKUP", "LIST")), 1)
        wait_for(lambda: state(c)["state"] == "idle", "the time to be over", 60)
        equal("list", c.call("BACKUP", "LIST"), [])
        if "was not sealed in time" not in s.log():
            raise Failed("nothing is said of it")
        for id in ("..", "backup-/../x", "nothing"):
            if "is no backup" not in ask(c, "BACKUP", "CLEANUP", id):
                raise Failed("CLEANUP %s: %r" % (id, ask(c, "BACKUP", "CLEANUP", id)))
        c.call("BACKUP", "START")
        s.kill()
        s.start()
        c = s.conn()
        equal("left over", len(c.call("BACKUP", "LIST")), 1)
        equal("cleanup", c.call("BACKUP", "CLEANUP"), b"OK")
        equal("list", c.call("BACKUP", "LIST"), [])
        s.stop()


def listing():
    """BACKUP LIST of a large directory: other clients are served while it is read."""
    with Server(*LOG) as s:
        for i in range(3000):
            os.makedirs(os.path.join(s.dir, "backups", "backup-%d" % i))
        c, d = s.conn(), s.conn()
        d.call("PING")
        c.send(b"BACKUP LIST\r\n")
        pings = 0
        while not select.select([c.sock], [], [], 0)[0]:
            d.call("PING")
            pings += 1
        equal("backups", len(c.read()[1]), 3000)
        if pings < 5:
            raise Failed("%d PINGs were answered during BACKUP LIST" % pings)
        equal("cleanup", c.call("BACKUP", "CLEANUP", "backup-7"), b"OK")
        equal("list after it", len(c.call("BACKUP", "LIST")), 2999)
        with Server("--appendonly", "no", "--backup-dir", os.path.join(s.dir, "backups")) as off:
            equal("list without a log", len(off.conn().call("BACKUP", "LIST")), 2999)
        s.stop()


def refused():
    """A start that would lose something, or that has nothing whole to begin with."""
    with Server(*LOG) as s:
        c = s.conn()
        for i in range(100):
            c.call("SET", "k%d" % i, "x" * 100)
        c.call("BACKUP", "START")
        told = fields(c.call("BACKUP", "SEAL"))
        path = os.path.join(s.dir, told["directory"], told["id"])
        s.stop()

        def refuses(why, from_dir, *args, dir=None):
            r = Server(*LOG, "--restore-from", from_dir, *args, dir=dir, start=False)
            r.spawn()
            if r.wait_ready():
                r.close()
                raise Failed("%s: started" % why)
            if why not in r.log():
                raise Failed("%s: %s" % (why, r.log()[-400:]))
            r.close()
        with open(os.path.join(path, ".sealed")) as f:
            equal("the seal", f.read().split()[:3], ["stet-backup", "1", str(told["position"])])
        refuses("there is data already", path, dir=s.dir)
        refuses("cannot open", path + "x")
        refuses("there is no 'appendonly.aof.manifest'", s.dir)
        refuses("needs 'appendonly yes'", path, "--appendonly", "no")
        last = [f for f in os.listdir(path) if "incr" in f][-1]
        with open(os.path.join(path, last), "r+b") as f:
            f.seek(2000)
            f.write(b"!!!!")
        refuses("is damaged", path)


def left_overs():
    """A restore where a start that did not end, or a removal by hand, has left files that are no data;
    but not where another server has the directory."""
    with Server(*LOG) as s:
        c = s.conn()
        c.call("SET", "k", 1)
        c.call("BACKUP", "START")
        told = fields(c.call("BACKUP", "SEAL"))
        path = os.path.join(s.dir, told["directory"], told["id"])
        for names in ((".lock",), (".creating", ".lock", "temp-appendonly.aof.manifest"), ()):
            r = Server(*LOG, "--restore-from", path, start=False)
            os.mkdir(os.path.join(r.dir, "appendonlydir"))
            for name in names:
                open(os.path.join(r.dir, "appendonlydir", name), "w").close()
            with r:
                r.start()
                equal("contents", r.conn().call("GET", "k"), b"1")
        with Server(*LOG) as other:
            folder = os.path.join(other.dir, "appendonlydir")
            for name in os.listdir(folder):
                if name != ".lock":
                    os.unlink(os.path.join(folder, name))
            r = Server(*LOG, "--restore-from", path, dir=other.dir, start=False)
            r.spawn()
            if r.wait_ready() or "lock" not in r.log():
                raise Failed("restored under a running server: %s" % r.log()[-300:])
            other.kill()


class Side:
    """One of two directories that share bytes: the log that goes on, and its backup in place."""

    def __init__(self, dir, dirname):
        self.dir, self.dirname = dir, dirname
        self.folder = os.path.join(dir, dirname)

    def hashes(self):
        return {n: x for n, x in fingerprint(self.folder).items() if not n.startswith(".lock")}

    def inodes(self):
        return {n: os.stat(os.path.join(self.folder, n)).st_ino for n in os.listdir(self.folder)}

    def server(self):
        return Server(*LOG, "--appendfsync", "always", "--appenddirname", self.dirname, dir=self.dir)

    def tool(self, *args):
        done = subprocess.run([CHECK_AOF, "--yes", *args, "appendonly.aof.manifest"], cwd=self.folder,
                              capture_output=True, text=True)
        if done.returncode:
            raise Failed("%s: %s" % (args, done.stdout[-300:]))
        return done.stdout

    # What is done to one of them.

    def serve(self):
        """Starts, writes, dies, and writes again."""
        with self.server() as s:
            for i in range(20):
                s.conn().call("SET", "later%d" % i, self.dirname)
            s.kill()
            s.start()
            s.conn().call("SET", "again", self.dirname)
            s.stop()

    def rewrite(self):
        with self.server() as s:
            c = s.conn()
            c.call("SET", "rewritten", self.dirname)
            c.call("BGREWRITEAOF")
            rewrite_done(c)
            c.call("SET", "after it", self.dirname)
            s.kill()

    def truncate(self):
        """To the second of the first write: what came in later seconds goes."""
        self.tool("--truncate-to-timestamp", str(self.until))

    def damage(self, what):
        """To a copy of the last increment with data, which takes its name: the test harms one side only."""
        names = sorted(n for n in os.listdir(self.folder) if n.endswith(".incr.aof"))
        sizes = [n for n in names if os.path.getsize(os.path.join(self.folder, n)) > 1000]
        path = os.path.join(self.folder, (sizes or names)[0])
        with open(path, "rb") as f:
            data = f.read()
        with open(path + ".x", "wb") as f:
            f.write(what(data))
        os.rename(path + ".x", path)

    def repair(self):
        self.damage(lambda d: d[:len(d) // 2] + b"!!!!" + d[len(d) // 2 + 4:])
        self.tool("--fix")

    def torn_start(self):
        """A start that cuts a torn tail."""
        self.damage(lambda d: d + b"*3\r\n$3\r\nSET\r\n")
        self.tool("--fix")
        with self.server() as s:
            s.conn().call("SET", "after a cut", 1)
            s.kill()

    def sync_again(self):
        """A start after a death, which writes again what no mark calls synced."""
        with self.server() as s:
            s.kill()


ACTIONS = ["serve", "rewrite", "truncate", "repair", "torn_start", "sync_again"]


def pair(rewrite_between=False, unsynced=False, timed=False):
    """A log that goes on in a second increment, stopped; and its backup, files shared."""
    dir = tempfile.mkdtemp(prefix="stet-backup-")
    atexit.register(shutil.rmtree, dir, ignore_errors=True)
    with Server(*LOG, "--appendfsync", "no" if unsynced else "always", dir=dir) as s:
        c = s.conn()
        for i in range(100):
            c.call("SET", "k%d" % i, "x" * 100)
        until = int(time.time())
        if timed:
            wait_for(lambda: int(time.time()) > until, "the next second")
        c.call("SET", "late", 1)
        c.call("BACKUP", "START")
        if rewrite_between:
            c.call("BGREWRITEAOF")
            rewrite_done(c)
        told = fields(c.call("BACKUP", "SEAL"))
        for i in range(20):
            c.call("SET", "after%d" % i, "y" * 100)
        s.kill() if unsynced else s.stop()
    live = Side(dir, "appendonlydir")
    backup = Side(os.path.join(dir, told["directory"]), told["id"])
    live.until = backup.until = until
    shared = set(live.inodes().values()) & set(backup.inodes().values())
    if not shared and not rewrite_between:
        print("backup: this file system shares bytes in another way than by hard links")
    return live, backup


def independence():
    """Whatever is done to a log or to its backup, not a byte of the other changes: each action, each
    side first, then the same on the other one."""
    n = 0
    for action in ACTIONS:
        for swap in (False, True):
            for rewrite in (False, True):
                if rewrite and action == "truncate":
                    continue  # the base is later than the moment
                sides = pair(rewrite, action == "sync_again", action == "truncate")
                one, other = sides[::-1] if swap else sides
                for a, b in ((one, other), (other, one)):
                    before = b.hashes()
                    if rewrite and action == "repair" and a is sides[1]:
                        continue  # that one holds a base only
                    getattr(a, action)()
                    equal("%s of %s, the other side" % (action, a.dirname), b.hashes(), before)
                    n += 1
    return "%d actions" % n


def live_meanwhile():
    """The same with a server at work on the original: what it acknowledges stays."""
    for action in ACTIONS:
        live, backup = pair(timed=action == "truncate")
        with live.server() as s:
            w = Writer(s)
            w.goes_on()
            getattr(backup, action)()
            w.goes_on()
            w.end()
            s.kill()
            s.start()
            c = s.conn()
            equal("%s: the counter" % action, int(c.call("GET", "n")), w.n)
            equal("%s: keys" % action, c.call("DBSIZE"), 122)
            s.kill()


def sealed_in_place():
    """A sealed directory whose files have one name only: they may share bytes all the same (a copy by
    the file system), so a start gives its increments files of their own, and the seal goes."""
    live, backup = pair()
    shutil.move(backup.folder, backup.folder + "x")
    shutil.copytree(backup.folder + "x", backup.folder)
    before = backup.inodes()
    held = [os.open(os.path.join(backup.folder, n), os.O_RDONLY) for n in before if ".incr." in n]
    with backup.server() as s:
        s.conn().call("SET", "later", 1)
        s.kill()
    after = backup.inodes()
    equal("the seal", ".sealed" in after, False)
    for n in before:
        if ".incr." in n:
            equal("a file of its own: %s" % n, after.get(n) != before[n], True)
    for fd in held:
        os.close(fd)


def crash_while_leaving_the_seal():
    """A crash before each call of a start in place: the live log keeps its bytes."""
    for n in range(1, 60):
        if n % 3 and n > 12:
            continue
        live, backup = pair()
        before = live.hashes()
        s = Server(*LOG, "--appenddirname", backup.dirname, dir=backup.dir, start=False,
                   env={"STET_IO_FAULT": "crash=%d" % n})
        s.spawn()
        ready = s.wait_ready()
        s.kill()
        equal("crash %d" % n, live.hashes(), before)
        backup.serve()
        equal("after crash %d" % n, live.hashes(), before)
        if ready:
            return "%d calls" % n


def restored_shares():
    """--restore-from: a base may be shared, increments are not; and nothing done to the restored log
    reaches the backup."""
    live, backup = pair(timed=True)
    before = backup.hashes()
    for action in ACTIONS:
        with restored(backup.folder) as r:
            for n, inode in Side(r.dir, "appendonlydir").inodes().items():
                if ".incr." in n and inode == backup.inodes().get(n):
                    raise Failed("%s is shared" % n)
            r.stop()
            side = Side(r.dir, "appendonlydir")
            side.until = backup.until
            getattr(side, action)()
        equal(action, backup.hashes(), before)


def crash_points():
    """A crash before each call of START and SEAL: the log is whole, and so is what looks sealed."""
    n = 0
    while True:
        n += 1
        with Server(*LOG, "--appendfsync", "always") as s:
            c = s.conn()
            c.call("SET", "before", 1)
            c.close()
            s.stop()
            s.env = {"STET_IO_FAULT": "crash=%d" % n}
            s.spawn()
            done = False
            if s.wait_ready():
                try:
                    c = s.conn()
                    c.call("BACKUP", "START")
                    c.call("SET", "between", 1)
                    c.call("BACKUP", "SEAL")
                    c.call("SET", "after", 1)
                    done = True
                except (Closed, OSError, ReplyError):
                    pass
            s.kill()
            s.env = {}
            s.start()
            c = s.conn()
            equal("before", c.call("GET", "before"), b"1")
            for b in map(fields, c.call("BACKUP", "LIST")):
                if b["state"] != "sealed":
                    continue
                with restored(os.path.join(s.dir, "backups", b["id"])) as r:
                    equal("call %d" % n, sorted(r.conn().call("KEYS", "*")), [b"before", b"between"])
            if done:
                print("backup: %d crash points" % (n - 1))
                return


CASES = {"under load": under_load, "paths": paths, "errors": errors, "refused": refused, "listing": listing, "left overs": left_overs, "independence": independence,
         "live meanwhile": live_meanwhile, "sealed in place": sealed_in_place,
         "crash in place": crash_while_leaving_the_seal, "restored": restored_shares, "crash points": crash_points}


if __name__ == "__main__":
    need("redis-server")
    sys.exit(run_only("backup", CASES))
