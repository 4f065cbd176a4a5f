#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""check_rdb - stet-check-rdb on the files of real servers and on damaged ones: line for line and in
its exit code what redis-check-rdb says (where that knows the version), its verdict the server's,
and what it salvages loads.

  check_rdb.py [--rounds 150] [--seed 1]
"""
import argparse
import glob
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import need, summary  # noqa: E402
from resp import ReplyError  # noqa: E402
from data import unpacked  # noqa: E402
from server import BIN, SANITIZER, SERVER, Failed, Server, is_stet  # noqa: E402

FILES = unpacked("servers")
TOOL = os.environ.get("STET_CHECK_RDB", os.path.join(BIN, "stet-check-rdb"))
REDIS_TOOL = "redis-check-rdb"
ERROR = "--- RDB ERROR DETECTED ---"
DEBUG = ["--enable-debug-command", "yes", "--dbfilename", "reload.rdb"]


def run(tool, path, *options):
    p = subprocess.run([tool, *options, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       timeout=120)
    text = p.stdout.decode("latin-1")
    if p.returncode not in (0, 1) or SANITIZER.search(p.stderr.decode("latin-1")):
        raise Failed("%s ended with %d: %s" % (tool, p.returncode, p.stderr.decode("latin-1")[-800:]))
    return p.returncode, text, p.stderr.decode("latin-1")


def plain(text):
    """What both tools have to say alike. What is wrong inside a value each says in its own words,
    and may find a few bytes sooner or later."""
    lines = [x for x in text.split("\n") if "# Terminating server" not in x]
    lines = [re.sub(r"^\[offset \d+\] Internal error in RDB reading .*", "[value] damaged", x)
             for x in lines]
    return [re.sub(r"\((unknown|stream-v2)\)", "(stream-v2)", x) for x in lines]


def data_of(path):
    with open(path, "rb") as f:
        return f.read()


def compare(path):
    """Problems, and whether the file is whole."""
    mine, other = run(TOOL, path), run(REDIS_TOOL, path)
    a, b = plain(mine[1]), plain(other[1])
    if mine[0] == other[0] and a == b:
        return [], mine[0]
    for x, y in zip(a + [""], b + [""]):
        if x != y:
            return ["%r, redis-check-rdb says %r (exit %d, %d)" % (x, y, mine[0], other[0])], mine[0]
    return ["exit %d, redis-check-rdb's %d" % (mine[0], other[0])], mine[0]


# ---------------------------------------------------------------- files as they are

def whole_files(dir):
    wrong, count = [], 0
    for path in sorted(glob.glob(os.path.join(FILES, "*", "dump*.rdb"))):
        count += 1
        data, to = data_of(path), os.path.join(dir, "whole.rdb")
        with open(to, "wb") as f:
            f.write(data)
        if int(data[5:9]) <= 10:
            wrong += ["%s: %s" % (path, w) for w in compare(to)[0]]
        code, text, _ = run(TOOL, to, "--json")
        told = json.loads(text)
        if code or not told["valid"] or told["version"] != int(data[5:9]):
            wrong.append("%s: %s" % (path, text[:300]))
        if sum(t["keys"] for t in told["types"].values()) != told["keys"]:
            wrong.append("%s: types do not add up" % path)
        out = os.path.join(dir, "copy.rdb")
        run(TOOL, to, "--salvage", out)
        again = json.loads(run(TOOL, out, "--json")[1])
        for field in ("keys", "types", "databases", "functions", "expires"):
            if again[field] != told[field]:
                wrong.append("%s: salvaged %s: %r" % (path, field, again[field]))
        os.unlink(out)
    return wrong, count


# ---------------------------------------------------------------- damaged ones

def damage(rng, data):
    kind = rng.randrange(4)
    if kind == 0:
        return data[:rng.randrange(len(data))]
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 4))):
        at = rng.randrange(len(out))
        if kind == 1:
            out[at] = rng.randrange(256)
        elif kind == 2:
            out[at] ^= 1 << rng.randrange(8)
        else:
            out[at:at + rng.randrange(9)] = bytes(rng.randrange(256) for _ in range(rng.randrange(9)))
    return bytes(out)


def same_up_to_the_value(mine, other):
    """Of values redis-check-rdb examines less (but for ziplists, of which what is not needed for
    reading does not count here): then it goes on, with the same lines up to there."""
    a, b = plain(mine[1]), plain(other[1])
    if a == b:
        return True
    for x, y in ((a, b), (b, a) if re.search("ziplist|zipmap", other[1], re.I) else (a, b)):
        cut = x.index(ERROR) if ERROR in x else len(x)
        if ERROR in x and x[:cut] == y[:cut] and mine[0] == 1:
            return True
    return False


def load(conn, dir, path):
    shutil.copy(path, os.path.join(dir, "reload.rdb"))
    try:
        conn.call("DEBUG", "RELOAD", "NOSAVE")
        return True
    except ReplyError:
        return False


def damaged_files(dir, rounds, rng):
    wrong, exact, salvaged, whole = [], 0, 0, 0
    sources = [data_of(os.path.join(FILES, "redis-%s" % v, "dump-repl.rdb"))
               for v in ("2.8.24", "3.2.13", "4.0.14", "6.2.16", "7.0.15")]
    path, out = os.path.join(dir, "bad.rdb"), os.path.join(dir, "out.rdb")
    with Server(*DEBUG) as s:
        conn = s.conn()
        for i in range(rounds):
            with open(path, "wb") as f:
                f.write(damage(rng, rng.choice(sources)))
            mine, other = run(TOOL, path), run(REDIS_TOOL, path)
            exact += mine[0] == other[0] and plain(mine[1]) == plain(other[1])
            whole += mine[0] == 0
            told = json.loads(run(TOOL, path, "--json")[1])
            # An empty value is an error there; here, as for both servers, a key that is left out.
            if not told["empty_keys"] and not same_up_to_the_value(mine, other):
                wrong.append("round %d: %s\nredis-check-rdb: %s" % (i, mine[1][-500:], other[1][-500:]))
            if is_stet(SERVER) and load(conn, s.dir, path) != (mine[0] == 0):
                wrong.append("round %d: the server does not agree with: %s" % (i, mine[1][-400:]))
            if told["valid"] != (mine[0] == 0):
                wrong.append("round %d: --json says %r" % (i, told["valid"]))
            _, text, _ = run(TOOL, path, "--salvage", out)
            if os.path.exists(out):
                salvaged += 1
                keys = int(re.search(r"(\d+) keys written", text).group(1))
                good = load(conn, s.dir, out) or re.search("library of functions|\\('databases'\\)",
                                                           s.log().splitlines()[-1])
                if run(TOOL, out)[0] or not good:
                    wrong.append("round %d: what was salvaged does not load: %s" % (i, text[-600:]))
                elif keys < told["keys"] - (0 if told["valid"] else 1):
                    wrong.append("round %d: %d keys salvaged of %d" % (i, keys, told["keys"]))
                os.unlink(out)
    print("%d damaged files: %d still whole, %d line for line as redis-check-rdb, %d salvaged"
          % (rounds, whole, exact, salvaged))
    return wrong


def goes_on_behind_damage(dir):
    """A value whose inside is damaged costs that key, and no other."""
    data = data_of(os.path.join(FILES, "redis-7.0.15", "dump-repl.rdb"))
    path, out = os.path.join(dir, "one.rdb"), os.path.join(dir, "out.rdb")
    bad = bytearray(data)
    bad[7637] ^= 0x40  # inside the listpack of 'geo'
    with open(path, "wb") as f:
        f.write(bad)
    all_keys = json.loads(run(TOOL, path, "--json")[1])
    code, text, _ = run(TOOL, path, "--salvage", out)
    told = json.loads(run(TOOL, out, "--json")[1])
    if code != 1 or told["keys"] != 189 or not told["valid"] or '"geo"' not in text:
        return ["%d, %s, %r of %r" % (code, text, told["keys"], all_keys["keys"])]
    os.unlink(out)
    return []


def main():
    need("redis-server", "redis-check-rdb")
    a = argparse.ArgumentParser()
    a.add_argument("--rounds", type=int, default=150)
    a.add_argument("--seed", type=int, default=1)
    a = a.parse_args()
    failed = passed = 0
    dir = tempfile.mkdtemp()
    try:
        wrong, count = whole_files(dir)
        for name, w in (("whole files", wrong),
                        ("damaged files", damaged_files(dir, a.rounds, random.Random(a.seed))),
                        ("goes on", goes_on_behind_damage(dir))):
            passed, failed = passed + (not w), failed + bool(w)
            for line in w[:5]:
                print("%s: %s" % (name, line))
        print("%d whole files" % count)
    finally:
        shutil.rmtree(dir)
    return summary("check rdb", passed, failed)


if __name__ == "__main__":
    sys.exit(main())
