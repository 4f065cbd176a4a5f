#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""recover - --recover-to over several files: every moment of a recorded life comes back, by time and
by position; the old files stay, the log goes on; aof-history-keep keeps what it says and no more; a
crash at every step leaves the old log or the new one. Redis loads the directory all along.

  recover.py [--only NAME]
"""
import atexit
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import ask, equal, need, run_only  # noqa: E402
from contents import strings  # noqa: E402
from server import BIN, SERVER, Failed, Server, rewrite_done  # noqa: E402

REDIS = "/usr/bin/redis-server"
LOG = ["--appendonly", "yes", "--appendfsync", "always"]


def fresh_dir():
    """Goes when the program ends."""
    dir = tempfile.mkdtemp(prefix="stet-recover-")
    atexit.register(shutil.rmtree, dir, ignore_errors=True)
    return dir


def position(conn):
    return int(conn.info("persistence")["aof_appended_position"])


class Life:
    """A server that lives through writes and rewrites; what it held at several moments."""

    def __init__(self, keep, moments=12, rdb="yes", steps=3):
        self.dir, self.moments = fresh_dir(), []
        self.args = [*LOG, "--aof-history-keep", keep, "--aof-use-rdb-preamble", rdb]
        rng = random.Random(7)
        with Server(*self.args, dir=self.dir) as s:
            c = s.conn()
            for i in range(moments):
                for _ in range(rng.randrange(1, 40)):
                    k = "k%d" % rng.randrange(30)
                    rng.choice((lambda: c.call("INCR", k), lambda: c.call("SET", k, rng.randrange(99)),
                                lambda: c.call("DEL", k)))()
                if i % 4 == 1:
                    c.call("MULTI"), c.call("SET", "m", i), c.call("INCR", "n"), c.call("EXEC")
                time.sleep(.03)
                self.moments.append((int(time.time() * 1000), position(c), strings(c)))
                time.sleep(.03)
                if i % steps == steps - 1:
                    c.call("BGREWRITEAOF")
                    rewrite_done(c)
            s.stop()

    def copy(self):
        to = fresh_dir()
        shutil.copytree(self.dir, to, dirs_exist_ok=True)
        return to

    @staticmethod
    def end_of(dir):
        """The position at which the AOF of a directory ends."""
        with Server(*LOG, "--aof-history-keep", "1gb", dir=dir) as s:
            end = position(s.conn())
            s.kill()
            return end

    def names(self, dir=None):
        return sorted(x for x in os.listdir(os.path.join(dir or self.dir, "appendonlydir"))
                      if x.endswith((".aof", ".rdb")))


def recovered(life, to, *args):
    return Server(*LOG, "--aof-history-keep", "1gb", "--recover-to", to, *args, dir=life.copy())


def every_moment(rdb):
    life = Life("1gb", rdb=rdb)
    for i, (ms, pos, want) in enumerate(life.moments):
        for to in (str(ms), "position:%d" % pos):
            with recovered(life, to) as s:
                c = s.conn()
                equal("moment %d, %s" % (i, to), strings(c), want)
                c.call("SET", "later", 1)
                before = life.names()
                equal("old files", [x for x in before if x not in life.names(s.dir)], [])
                equal("stop", s.stop(), 0)
                s.start(*LOG)
                equal("later", strings(s.conn()), {**want, (0, b"later"): (b"1", -1)})
                s.kill()
            if i % 5 == 0 and to.startswith("pos"):
                with Server("--appendonly", "yes", program=REDIS, dir=s.dir) as r:
                    equal("redis", r.conn().call("GET", "later"), b"1")
            shutil.rmtree(s.dir)
    with Server("--appendonly", "yes", program=REDIS, dir=life.dir) as r:
        equal("redis loads the history's directory", strings(r.conn()), life.moments[-1][2])
    # The way back: the old manifest in its place.
    ms, _, _ = life.moments[2]
    life2 = Life("1gb")
    with recovered(life2, str(life2.moments[2][0])) as s:
        s.stop()
        folder = os.path.join(s.dir, "appendonlydir")
        old = [x for x in os.listdir(folder) if ".before-" in x]
        equal("one old manifest", len(old), 1)
        back = re.search(r"then run: (mv \S+ \S+)", s.log())
        equal("the way back is told", bool(back), True)
        subprocess.run(back.group(1).split(), cwd=s.dir, check=True)
        s.start(*LOG)
        equal("back again", strings(s.conn()), life2.moments[-1][2])
        shutil.rmtree(s.dir)


def refusals():
    life = Life("1gb")
    with_little = Life("0")

    def refuses(why, life, to, *args):
        s = Server(*LOG, "--recover-to", to, *args, dir=life.copy(), start=False)
        before = life.names(s.dir)
        s.spawn()
        if s.wait_ready():
            s.close()
            raise Failed("started: %s" % why)
        if why not in s.log():
            raise Failed("%s: %s" % (why, s.log()[-500:]))
        equal("untouched", life.names(s.dir), before)
        s.close()
        shutil.rmtree(s.dir)
    refuses("give a unix time in milliseconds", life, "yesterday")
    refuses("give '1795967337000'", life, "1795967337")
    end = Life.end_of(life.dir)
    refuses("ends at position:%d" % end, life, "position:%d" % (end + 1))
    refuses("ends at", life, str(int(time.time() * 1000) + 60000))
    refuses("go back to", life, "1000000000000")
    refuses("go back to", with_little, str(with_little.moments[0][0]))
    refuses("needs 'appendonly yes'", life, "position:5", "--appendonly", "no")
    broken = life.copy()
    gone = [x for x in life.names() if x.endswith(".2.incr.aof")][0]
    os.unlink(os.path.join(broken, "appendonlydir", gone))
    life.dir, whole = broken, life.dir
    refuses("not all increments after the base", life, str(life.moments[0][0]))
    life.dir = whole
    # A second start with the same option does not take back what came after the first.
    with recovered(life, str(life.moments[4][0])) as s:
        s.conn().call("SET", "later", 1)
        s.stop()
        s.spawn()
        if s.wait_ready() or "go back to" not in s.log():
            raise Failed("recovered twice: %s" % s.log()[-300:])
        shutil.rmtree(s.dir)


def history():
    """Kept by bytes, by time, or not at all; and dropped when the setting says so."""
    equal("none", len(Life("0").names()), 2)
    equal("all", len(Life("1gb").names()) > 6, True)
    equal("by time", len(Life("1h").names()) > 6, True)
    life = Life("1gb")
    sizes = [os.path.getsize(os.path.join(life.dir, "appendonlydir", x)) for x in life.names()]
    few = Life(str(sum(sizes) // 2))
    kept = [os.path.getsize(os.path.join(few.dir, "appendonlydir", x)) for x in few.names()]
    if not 2 < len(kept) < len(sizes):
        raise Failed("%d files of %d stay" % (len(kept), len(sizes)))
    with Server(*LOG, dir=few.dir) as s:
        equal("contents", strings(s.conn()), few.moments[-1][2])
        equal("dropped at start", len(few.names()), 2)
        if "argument must be a size" not in ask(s.conn(), "CONFIG", "SET", "aof-history-keep", "x"):
            raise Failed("a bad value")
    short = Life("100ms")
    if len(short.names()) > 7:
        raise Failed("kept for 100 ms: %r" % short.names())


def of_redis():
    """A log that redis-server wrote, with its own annotations of time."""
    with Server("--appendonly", "yes", "--aof-timestamp-enabled", "yes", program=REDIS) as r:
        c, moments = r.conn(), []
        for i in range(3):
            c.call("SET", "k", i)
            moments.append((int(time.time() * 1000), strings(c)))
            time.sleep(2.1)
        r.kill()
        last = moments[-1][0] // 1000 * 1000
        for ms, want in moments:
            to = fresh_dir()
            shutil.copytree(r.dir, to, dirs_exist_ok=True)
            with Server(*LOG, "--recover-to", str(min(ms + 1000, last)), dir=to) as s:
                equal("at %d" % ms, strings(s.conn()), want)
            shutil.rmtree(to)


def crash_points():
    life = Life("1gb", moments=6)
    ms, _, want = life.moments[2]
    for n in range(1, 200):
        s = Server(*LOG, "--recover-to", str(ms), dir=life.copy(), env={"STET_IO_FAULT": "crash=%d" % n},
                   start=False)
        s.spawn()
        done = s.wait_ready()
        s.kill()
        s.env = {}
        s.start(*LOG)
        got = strings(s.conn())
        s.kill()
        shutil.rmtree(s.dir)
        if got not in (want, life.moments[-1][2]) or done and got != want:
            raise Failed("crash before call %d: %r" % (n, got))
        if done:
            print("recover: %d crash points" % (n - 1))
            return


def state_of(dir):
    """Every file with its bytes and its time."""
    found = {}
    for where, folders, files in os.walk(dir):
        for name in files:
            path = os.path.join(where, name)
            with open(path, "rb") as f:
                found[path] = (f.read(), os.stat(path).st_mtime_ns)
        found[where] = (sorted(folders), os.stat(where).st_mtime_ns)
    return found


def dry_run():
    """--dry-run says what a recovery loads, changes nothing, and refuses what a start refuses; stet-backup lists the
    same moments."""
    def run(dir, to, *args):
        done = subprocess.run([SERVER, *LOG, "--logfile", "log", "--dir", dir, "--recover-to", to, "--dry-run", *args],
                              capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    for rdb in ("yes", "no"):
        life = Life("1gb", rdb=rdb)
        before = state_of(life.dir)
        for i, (ms, pos, _) in enumerate(life.moments[1:-1:3]):
            for to in (str(ms), "position:%d" % pos):
                status, out, err = run(life.dir, to)
                equal("status of %s" % to, (status, err), (0, ""))
                left = int(re.search(r"leaves out (\d+) commands", out)[1])
                with recovered(life, to) as s:
                    found = re.findall(r"AOF '(\S+)': recovering up to offset (\d+)", s.whole_log())
                    s.kill()
                name, offset = found[0]
                if "%s: none of" % name not in out and "up to offset %s of" % offset not in out:
                    raise Failed("%s, offset %s: %s" % (name, offset, out))
                if not left or ".manifest.before-TIME" not in out:
                    raise Failed(out)
                shutil.rmtree(s.dir)
        for to, why in (("1700000000000", "go back to position"), (str(2 * 10**12), "ends at"), ("12", "too small"),
                        ("position:%d" % 10**15, "ends at")):
            status, out, err = run(life.dir, to)
            if status != 1 or why not in err or out:
                raise Failed("%s: %d, %s, %s" % (to, status, out, err))
        listed = subprocess.run([os.path.join(BIN, "stet-backup"), "list", "--json", os.path.join(life.dir, "appendonlydir")],
                                capture_output=True, text=True, check=True).stdout
        first, last = json.loads(listed)[0]["first_ms"], json.loads(listed)[0]["last_ms"]
        equal("window of %s" % listed, [run(life.dir, str(ms))[0] for ms in (first - 1, first, last, last + 1)], [1, 0, 0, 1])
        equal("untouched", state_of(life.dir), before)
    slow = subprocess.run([SERVER, *LOG, "--dir", life.dir, "--recover-to", str(life.moments[3][0]), "--dry-run"],
                          capture_output=True, text=True, env={**os.environ, "STET_IO_FAULT": "open:delay=45"}, check=True)
    if not re.search(r"^read: \d+ of \d+ bytes \(\d+ %\), \d+ s left$", slow.stderr, re.M) or " s left" in slow.stdout:
        raise Failed("no progress: %s" % slow.stderr)
    for args, why in ((["--appendonly", "no"], "needs 'appendonly yes'"), (["--restore-from", "x"], "stet-backup list")):
        if why not in run(life.dir, "position:1", *args)[2]:
            raise Failed("no error: %s" % args)
    empty = fresh_dir()
    if "No such file" not in run(empty, "position:1")[2] or os.listdir(empty):
        raise Failed("an empty directory")


CASES = {"dry run": dry_run, "every moment": lambda: every_moment("yes"), "every moment, bases of commands":
         lambda: every_moment("no"), "refusals": refusals, "history": history, "of redis": of_redis,
         "crash points": crash_points}


if __name__ == "__main__":
    need("redis-server")
    sys.exit(run_only("recover", CASES))
