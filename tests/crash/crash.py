#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""crash - kill -9 under load, again and again, on one directory per policy.

  crash.py [--rounds N] [--policies always,everysec,no] [--seed S] [--conns N]

Each round: start, verify what the journal promises, load from several pipelined connections while
rewrites and CONFIG SETs go on, kill -9 at a random moment. Every few rounds real Redis must make
the same of a copy, and after a clean stop both check tools must call the directory valid.
The client is crash-client (model.h says what it promises); --keep keeps a directory that failed.
"""
import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from cases import need, summary  # noqa: E402
from resp import Closed, ReplyError  # noqa: E402
from server import CHECK_AOF, SERVER, TOOLS, Failed, Server, is_stet  # noqa: E402

REDIS, REDIS_CHECK = "/usr/bin/redis-server", "redis-check-aof"
MANIFEST = os.path.join("appendonlydir", "appendonly.aof.manifest")


class Lost(Exception):
    """The server broke its promise."""


def client(program, *words):
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise Lost("%s: %s" % (words[0], done.stderr.strip()))
    return done.stdout.strip()


def disturb(conn, rng, policy):
    """One of the things that go on beside the load."""
    words = rng.choice([
        ["BGREWRITEAOF"], ["BGREWRITEAOF"],
        ["CONFIG", "SET", "appendfsync", rng.choice(["always", "everysec", "no"])],
        ["CONFIG", "SET", "appendfsync", policy],
        ["CONFIG", "SET", "auto-aof-rewrite-percentage", rng.choice(["0", "20", "100"])],
        ["CONFIG", "SET", "auto-aof-rewrite-min-size", rng.choice(["64kb", "1mb", "64mb"])],
        ["CONFIG", "SET", "no-appendfsync-on-rewrite", rng.choice(["yes", "no"])],
        ["CONFIG", "SET", "aof-timestamp-enabled", rng.choice(["yes", "no"])]])
    try:
        conn.call(*words)
    except ReplyError as e:
        if "already in progress" not in str(e) and "can't be" not in str(e):
            raise Lost("%s: %s" % (" ".join(words), e))


def one_round(server, program, journal, policy, rng, conns):
    """Load, disturb, kill -9; returns the number of acknowledged commands."""
    load = subprocess.Popen([program, "load", str(server.port), journal, str(conns)],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    conn = server.conn()
    load.stdout.readline()  # it is connected
    end = time.monotonic() + rng.uniform(0.05, 0.6)
    try:
        while time.monotonic() < end:
            disturb(conn, rng, policy)
            time.sleep(rng.uniform(0, 0.05))
    except Closed:
        raise Lost("the server ended by itself:\n" + server.log()[-1500:])
    finally:
        server.kill()
        out, err = load.communicate(timeout=60)
    if load.returncode != 0:
        raise Lost("load: " + err.strip())
    return int(out.split()[-1])


def redis_agrees(program, directory, journal):
    """Real Redis starts on a copy and holds what the journal promises."""
    copy = tempfile.mkdtemp(prefix="stet-copy-")
    try:
        shutil.copytree(os.path.join(directory, "appendonlydir"),
                        os.path.join(copy, "appendonlydir"))
        shutil.copy(journal, copy)
        with Server("--appendonly", "yes", program=REDIS, dir=copy) as s:
            client(program, "verify", s.port, os.path.join(copy, os.path.basename(journal)))
    except (Lost, Failed) as e:
        raise Lost("redis-server on a copy: %s" % e)
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def checked(directory):
    """After a clean stop both check tools call the directory valid."""
    for tool in [CHECK_AOF] * is_stet(SERVER) + [REDIS_CHECK]:
        done = subprocess.run([tool, os.path.join(directory, MANIFEST)], capture_output=True,
                              text=True, timeout=60)
        if done.returncode != 0:
            raise Lost("%s: %s" % (tool, done.stdout[-500:]))


def campaign(policy, a, rng):
    """All rounds of one policy; returns (rounds done, commands acknowledged)."""
    args = ["--appendonly", "yes", "--aof-use-rdb-preamble", "no", "--appendfsync", policy]
    done = commands = 0
    keep = False
    server = Server(*args, start=False)
    journal = os.path.join(server.dir, "journal")
    try:
        for done in range(a.rounds):
            server.start()
            if done:
                client(a.client, "verify", server.port, journal)
            if done % 5 == 4:
                server.stop()
                checked(server.dir)
                server.start()
                client(a.client, "verify", server.port, journal)
            commands += one_round(server, a.client, journal, policy, rng, a.conns)
            if done % 5 == 1:
                redis_agrees(a.client, server.dir, journal)
        server.start()
        client(a.client, "verify", server.port, journal)
        server.stop()
        server.check_sanitizers()
        return a.rounds, commands
    except (Lost, Failed) as e:
        keep = a.keep
        print("FAIL policy %s, round %d (seed %d): %s" % (policy, done, a.seed, e))
        return done, commands
    finally:
        server.close(keep)


def main():
    need("redis-server", "redis-check-aof")
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--policies", default="always,everysec,no")
    p.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    p.add_argument("--conns", type=int, default=16)
    p.add_argument("--client", default=os.path.join(TOOLS, "crash-client"))
    p.add_argument("--keep", action="store_true")
    a = p.parse_args()
    rng = random.Random(a.seed)
    passed = failed = 0
    for policy in a.policies.split(","):
        start = time.monotonic()
        done, commands = campaign(policy, a, rng)
        passed, failed = passed + done, failed + (done < a.rounds)
        print("%-8s %3d of %d kills survived, %d commands acknowledged, %.0f s" % (
            policy, done, a.rounds, commands, time.monotonic() - start))
    return summary("crash", passed, failed)


if __name__ == "__main__":
    sys.exit(main())
