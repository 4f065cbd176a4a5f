#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""repairs - damage anywhere in an append-only directory of several files: the server starts with what
the first m commands made, for some m, or it refuses and names a command; that command leads to a
directory that starts. Nothing that a repair takes away is lost, and --salvage saves all that holds.

  repairs.py [--seed N] [--rounds N] [--only WORD] [--show]
"""
import argparse
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import need, summary  # noqa: E402
from contents import strings  # noqa: E402
from server import CHECK_AOF, NO_LEAKS, SERVER, Failed, Server, is_stet, rewrite_done  # noqa: E402

REDIS = "/usr/bin/redis-server"
FOLDER, STEM = "appendonlydir", "appendonly.aof"
MANIFEST = STEM + ".manifest"


def position(conn):
    return int(conn.info("persistence")["aof_appended_position"])


class Life:
    """A log of a base and several increments: keys 0, 1, 2... in order, each written once."""

    def __init__(self, rng, rdb="no", keep="0", policy="always", end="stop", rewrites=2):
        self.dir = tempfile.mkdtemp(prefix="stet-repairs-")
        self.args = ["--appendonly", "yes", "--aof-use-rdb-preamble", rdb, "--appendfsync", policy,
                     "--aof-history-keep", keep]
        self.values, self.rng, self.rdb = [], rng, rdb
        self.trust_base = True  # a damaged RDB has one checksum for all of it: salvaged keys may differ
        with Server(*self.args, dir=self.dir) as s:
            c = s.conn()
            for _ in range(rewrites):
                self.write(c, 15)
                c.call("BGREWRITEAOF")
                rewrite_done(c)
            self.in_base = len(self.values)
            for _ in range(2):
                self.write(c, 12)
                c.call("BACKUP", "START")
                c.call("BACKUP", "SEAL")
                c.call("BACKUP", "CLEANUP", c.call("BACKUP", "STATUS")[13])
            self.write(c, 12)
            self.end = position(c)
            s.stop() if end == "stop" else s.kill()
        self.folder = os.path.join(self.dir, FOLDER)
        self.names = sorted(n for n in os.listdir(self.folder) if n[0] != ".")
        with open(os.path.join(self.folder, MANIFEST)) as f:
            self.in_use = [line.split()[1] for line in f if not line.endswith("h\n")]

    def write(self, conn, n):
        for _ in range(n):
            value = self.rng.randbytes(self.rng.choice([0, 1, 10, 100, 700]))
            conn.call("SET", len(self.values), value)
            self.values.append(value)

    def copy(self):
        s = Server(*self.args, start=False, env=NO_LEAKS)
        shutil.copytree(self.folder, os.path.join(s.dir, FOLDER))
        return s

    def held(self, conn):
        """What a server holds as {number: value}; values are as they were written."""
        got = strings(conn)
        got.pop((0, b"probe"), None)
        if not self.trust_base:
            return set(got)
        for (db, key), (value, expire) in got.items():
            if not key.isdigit() or int(key) >= len(self.values):
                raise Failed("there is a key %r" % key)
            if db or expire != -1 or value != self.values[int(key)]:
                raise Failed("key %r of database %d is not what was written" % (key, db))
        return {int(key) for _, key in got}

    def prefix(self, conn):
        got = self.held(conn)
        if got != set(range(len(got))):
            lost = sorted(set(range(max(got) + 1)) - got)
            raise Failed("a hole: %d of %d keys are not there, the first is %d" % (
                len(lost), max(got) + 1, lost[0]))
        return len(got)


# ---------------------------------------------------------------- damage

def change(path, f):
    with open(path, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(f(data))


def put(data, at, piece):
    return data[:at] + piece + data[at + len(piece):]


def some_bytes(rng, data):
    """Bits, zeros, noise, a cut, bytes that are gone, bytes from elsewhere."""
    at = rng.randrange(len(data)) if data else 0
    n = rng.choice([1, 10, 100, 512])
    kind = rng.randrange(7)
    if kind == 0 and data:
        return put(data, at, bytes([data[at] ^ 1 << rng.randrange(8)]))
    if kind == 1:
        return put(data, at, bytes(min(n, len(data) - at)))
    if kind == 2:
        return put(data, at, rng.randbytes(min(n, len(data) - at)))
    if kind == 3:
        return data[:at]
    if kind == 4:
        return data[:at] + data[at + n:]
    if kind == 5:
        return data[:at] + data[rng.randrange(len(data) or 1):][:n] + data[at:]
    return data + rng.randbytes(n)


def drop_batches(rng, data):
    """Whole batches: nothing in what is left is damaged."""
    starts = [m.start() for m in re.finditer(rb"(?:(?<=\n)|^)#\{\r\n", data)]
    if not starts:
        return data
    i = rng.randrange(len(starts))
    k = rng.randrange(i, len(starts))
    ends = starts + [len(data)]
    return data[:starts[i]] + data[rng.choice([ends[k + 1], len(data)]):]


def first_sector(rng, data):
    n = min(512, len(data))
    return rng.choice([bytes(n), rng.randbytes(n), b"#" + b"_" * (n - 3) + b"\r\n"]) + data[n:]


class Damage:
    def __init__(self, life, folder, rng):
        self.life, self.folder, self.rng = life, folder, rng

    def path(self, name):
        return os.path.join(self.folder, name)

    def one(self, what):
        return self.rng.choice([n for n in self.life.in_use if what in n])

    def bytes_of_increment(self):
        change(self.path(self.one(".incr.")), lambda d: some_bytes(self.rng, d))

    def bytes_of_base(self):
        change(self.path(self.one(".base.")), lambda d: some_bytes(self.rng, d))

    def bytes_of_manifest(self):
        change(self.path(MANIFEST), lambda d: some_bytes(self.rng, d))

    def lines_of_manifest(self):
        def f(data):
            lines = data.splitlines(True)
            i = self.rng.randrange(len(lines))
            kind = self.rng.randrange(3)
            if kind == 0:
                del lines[i]
            elif kind == 1:
                lines.insert(self.rng.randrange(len(lines)), lines[i])
            else:
                self.rng.shuffle(lines)
            return b"".join(lines)
        change(self.path(MANIFEST), f)

    def no_manifest(self):
        os.unlink(self.path(MANIFEST))

    def called_history(self):
        """The manifest says that the last increment is not in use any more."""
        change(self.path(MANIFEST), lambda d: b" type h".join(d.rsplit(b" type i", 1)))

    def history_in_use(self):
        """The manifest names increments that are older than the base, if it keeps any."""
        change(self.path(MANIFEST), lambda d: re.sub(rb"(\.incr\..*) type h", rb"\1 type i", d))

    def no_increment(self):
        os.unlink(self.path(self.one(".incr.")))

    def no_base(self):
        os.unlink(self.path(self.one(".base.")))

    def batches(self):
        change(self.path(self.one(".incr.")), lambda d: drop_batches(self.rng, d))

    def sector(self):
        change(self.path(self.one(".incr.")), lambda d: first_sector(self.rng, d))

    def sector_of_base(self):
        change(self.path(self.one(".base.")), lambda d: first_sector(self.rng, d))

    def swapped(self):
        """The contents of two files of one kind, history too."""
        kind = self.rng.choice([".incr.", ".base."])
        names = [n for n in self.life.names if kind in n]
        if len(names) < 2:
            kind, names = ".incr.", [n for n in self.life.names if ".incr." in n]
        a, b = self.rng.sample(names, 2)
        os.rename(self.path(a), self.path("x"))
        os.rename(self.path(b), self.path(a))
        os.rename(self.path("x"), self.path(b))

    def copied(self):
        """One file has the contents of another."""
        a, b = self.rng.sample([n for n in self.life.names if ".incr." in n], 2)
        shutil.copyfile(self.path(a), self.path(b))

    def two(self):
        for _ in range(2):
            getattr(self, self.rng.choice(["bytes_of_increment", "batches", "bytes_of_manifest",
                                           "sector"]))()


KINDS = [k for k in vars(Damage) if k[0] != "_" and k not in ("path", "one")]


# ---------------------------------------------------------------- what has to come of it

def tool(dir, *args):
    done = subprocess.run([CHECK_AOF, *args], cwd=dir, capture_output=True, encoding="latin-1",
                          timeout=60)
    if done.returncode not in (0, 1):
        raise Failed("the tool ended with %d: %s" % (done.returncode, done.stderr[-300:]))
    return done.returncode, done.stdout


def goes_on(life, s, look):
    """A start, a write, and a second start that holds the same."""
    c = s.conn()
    n = look(c)
    c.call("SET", "probe", 1)
    s.kill()
    s.start(*life.args)
    c = s.conn()
    if look(c) != n or c.call("GET", "probe") != b"1":
        raise Failed("the second start holds other data")
    s.kill()
    return n


def salvaged(life, s, show):
    """The whole batches are all in the new log, which stet and Redis load."""
    status, said = tool(s.dir, "--salvage", "saved", os.path.join(FOLDER, MANIFEST))
    if show:
        print(said)
    if status:
        if "There are no files of an AOF" in said:
            return None
        raise Failed("--salvage: %s" % said[-400:])
    folder = os.path.join(s.dir, "saved")
    with Server(*life.args, "--restore-from", folder) as r:
        kept = goes_on(life, r, life.held)
    with Server("--appendonly", "yes", program=REDIS, start=False) as r:
        shutil.copytree(folder, os.path.join(r.dir, FOLDER))
        r.start()
        redis = life.held(r.conn())
    if redis != kept:
        raise Failed("Redis holds %d keys of a salvaged log, stet %d" % (len(redis), len(kept)))
    return kept


def repaired(life, s, kind, show):
    """Runs what the error names. Returns what the server that starts then holds."""
    named = re.search(r"run: stet-check-aof (--fix \S+)", s.log())
    if not named:
        raise Failed("no command is named: %s" % s.log()[-400:])
    status, said = tool(s.dir, "--yes", *shlex.split(named.group(1)))
    if show:
        print(s.log()[-500:], said, sep="\n")
    if status:
        if "--salvage" not in said:
            raise Failed("--fix: %s" % said[-600:])
        return "salvage"
    again, said = tool(s.dir, os.path.join(FOLDER, MANIFEST))
    if again:
        raise Failed("after --fix it is not valid: %s" % said[-400:])
    s.spawn()
    if not s.wait_ready():
        raise Failed("refused after --fix: %s\n%s" % (s.log()[-400:], said[-400:]))
    if kind in ("sector", "swapped") and position(s.conn()) < life.end:
        raise Failed("positions are given out again: %d, the log ended at %d" % (
            position(s.conn()), life.end))
    base_hurt = "base" in kind and life.rdb == "no"
    goes_on(life, s, life.held if base_hurt else life.prefix)
    return "fix"


def one_round(life, kind, seed, show):
    rng = random.Random(seed)
    with life.copy() as s:
        folder = os.path.join(s.dir, FOLDER)
        getattr(Damage(life, folder, rng), kind)()
        life.trust_base = life.rdb == "no" or "of_base" not in kind
        kept = salvaged(life, s, show)
        life.trust_base = True
        s.spawn()
        if s.wait_ready():
            n = goes_on(life, s, life.prefix)
            return "start" if n else "empty"
        came = repaired(life, s, kind, show)
        if kept is None and came == "salvage":
            raise Failed("neither --fix nor --salvage helps")
        return came


def crashed_repair(life, rng):
    """A crash before each call of --fix: what is left is repaired like anything else."""
    kind = rng.choice(["sector", "batches", "swapped", "no_increment", "no_manifest"])
    seed, n = rng.random(), 0
    while n < 400:
        n += 1 if n < 40 else rng.randrange(2, 6)
        with life.copy() as s:
            getattr(Damage(life, os.path.join(s.dir, FOLDER), random.Random(seed)), kind)()
            manifest = os.path.join(FOLDER, MANIFEST)
            done = subprocess.run([CHECK_AOF, "--fix", "--yes", manifest], cwd=s.dir, timeout=60,
                                  capture_output=True, env={**os.environ, "STET_IO_FAULT": "crash=%d" % n})
            s.spawn()
            if s.wait_ready():
                goes_on(life, s, life.prefix)
            else:
                came = repaired(life, s, "crash", False)
                if came != "fix":
                    raise Failed("%s, crash before call %d: only --salvage helps" % (kind, n))
            if done.returncode == 0:
                return
    raise Failed("more than %d calls" % n)


def padding(life, rng):
    """Every state that a power cut leaves padding in: some sectors of it are there, others hold
    zeros or noise; before it the log is whole."""
    for n in (512, 1024, 4096, 65536):
        with life.copy() as s:
            path = os.path.join(s.dir, FOLDER, life.in_use[-1])
            line = b"#" + b"_" * 509 + b"\r\n"

            def f(data):
                short = (-len(data)) % 512
                head = b"" if short == 0 else (b"#" * (short == 1) or b"#" + b"_" * (short - 1))
                if short > 2:
                    head = b"#" + b"_" * (short - 3) + b"\r\n"
                whole = head + b"".join(line for _ in range(n // 512))
                for i in range(0, len(whole), 512):
                    if rng.random() < .3:
                        whole = put(whole, i, rng.choice([bytes(512), rng.randbytes(512)])[:len(whole) - i])
                return data + whole
            change(path, f)
            s.spawn()
            if s.wait_ready():
                if life.prefix(s.conn()) != len(life.values):
                    raise Failed("%d bytes of padding: %d of %d" % (
                        n, life.prefix(s.conn()), len(life.values)))
                goes_on(life, s, life.prefix)
            else:
                repaired(life, s, "padding", False)


def started_twice(life, rng):
    """Of two servers on one directory one is refused, and what the other acknowledged stays."""
    with life.copy() as s:
        os.path.exists(os.path.join(s.dir, FOLDER, ".lock")) and os.unlink(
            os.path.join(s.dir, FOLDER, ".lock"))
        other = Server(*life.args, dir=s.dir, start=False)
        other.log_path += ".2"
        s.spawn()
        port_file = os.path.join(s.dir, "port")
        other_proc = subprocess.Popen([SERVER, "--port", "auto", "--save", "", *life.args], cwd=s.dir,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            if not s.wait_ready():
                # The other one was first: it holds the directory until it ends.
                if "another server is using" not in s.log():
                    raise Failed(s.log()[-300:])
                return
            if other_proc.wait(20) == 0:
                raise Failed("the second server did not fail")
            del port_file
            goes_on(life, s, life.prefix)
        finally:
            if other_proc.poll() is None:
                other_proc.kill()
            other_proc.wait()


def main():
    need("redis-server")
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    p.add_argument("--rounds", type=int, default=4, help="of each kind of damage and log")
    p.add_argument("--only", default="")
    p.add_argument("--show", action="store_true")
    a = p.parse_args()
    if not is_stet(SERVER):
        print("only stet writes marks")
        return summary("repairs", 0, 0)
    rng = random.Random(a.seed)
    lives = {"commands": Life(rng), "rdb": Life(rng, rdb="yes"), "history": Life(rng, keep="1gb"),
             "killed": Life(rng, policy="no", end="kill"), "young": Life(rng, rewrites=0)}
    passed = failed = 0
    outcomes = {}
    jobs = [(k, w, i) for i in range(a.rounds) for k in KINDS for w in lives]
    jobs += [(k, w, 0) for k in ("padding", "started_twice", "crashed_repair") for w in lives]
    for kind, which, i in jobs:
        if a.only and a.only not in kind + " " + which:
            continue
        seed = "%d %s %s %d" % (a.seed, kind, which, i)
        try:
            if kind in KINDS:
                came = one_round(lives[which], kind, seed, a.show)
            else:
                came = globals()[kind](lives[which], random.Random(seed)) or "start"
            outcomes[came] = outcomes.get(came, 0) + 1
            passed += 1
        except (Failed, OSError, ValueError, subprocess.TimeoutExpired) as e:
            failed += 1
            print("FAIL %s, log '%s', round %d (--seed %d): %s" % (kind, which, i, a.seed, e), flush=True)
    for life in lives.values():
        shutil.rmtree(life.dir)
    print("outcomes: %s" % ", ".join("%s %d" % x for x in sorted(outcomes.items())))
    return summary("repairs", passed, failed)


if __name__ == "__main__":
    sys.exit(main())
