#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""zipf - how well an eviction policy guesses: hit rates of the same trace, here and in redis-server.

  zipf.py [--policy allkeys-lru] [--requests 400000] [--keys 200000] [--skew 1.0] [--share 0.2]

A cache client: GET, and SET where there was nothing. Keys are drawn from a Zipf distribution whose
ranks are shifted now and then, so that what was popular goes out of use. Each server gets as much
memory as `share` of all keys needs in it, so that their overheads do not count.
"""
import argparse
import bisect
import itertools
import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from resp import encode  # noqa: E402
from server import Server  # noqa: E402

ORACLE = os.environ.get("STET_ORACLE", "/usr/bin/redis-server")
VALUE, BATCH = b"x" * 100, 64


def trace(o):
    """Numbers of keys, one a request."""
    rng = random.Random(o.seed)
    sums = list(itertools.accumulate(1 / (i + 1) ** o.skew for i in range(o.keys)))
    for i in range(o.requests):
        rank = bisect.bisect_left(sums, rng.random() * sums[-1])
        shift = i // (o.requests // 4 + 1) * o.keys // 8
        yield (rank * 7919 + shift) % o.keys


def used(c):
    return int(dict(line.split(b":", 1) for line in c.call("INFO", "memory").split(b"\r\n")
                    if b":" in line)[b"used_memory"])


def fill(c, n):
    c.send(b"".join(encode(["SET", "key:%d" % i, VALUE]) for i in range(n)))
    for _ in range(n):
        c.read()


def limit(c, o):
    """The memory that this share of the keys takes."""
    empty, n = used(c), 20000
    fill(c, n)
    each = (used(c) - empty) / n
    c.call("FLUSHALL")
    return int(used(c) + each * o.keys * o.share)


def hit_rate(server, o):
    c = server.conn()
    c.call("CONFIG", "SET", "maxmemory-policy", o.policy)
    c.call("CONFIG", "SET", "maxmemory", limit(c, o))
    hits, numbers = 0, trace(o)
    while True:
        batch = ["key:%d" % k for k in itertools.islice(numbers, BATCH)]
        if not batch:
            break
        c.send(b"".join(encode(["GET", k]) for k in batch))
        missing = [k for k in batch if c.read()[1] is None]
        hits += len(batch) - len(missing)
        c.send(b"".join(encode(["SET", k, VALUE] + (["EX", "100000"] if "volatile" in o.policy
                                                    else [])) for k in missing))
        for _ in missing:
            c.read()
    left = c.call("DBSIZE")
    c.close()
    return hits / o.requests, left


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--policy", default="allkeys-lru")
    p.add_argument("--requests", type=int, default=400000)
    p.add_argument("--keys", type=int, default=200000)
    p.add_argument("--skew", type=float, default=1.0)
    p.add_argument("--share", type=float, default=0.2)
    p.add_argument("--seed", type=int, default=1)
    o = p.parse_args()
    for name, program in (("redis-server", ORACLE), ("stet", None)):
        with (Server(program=program) if program else Server()) as s:
            rate, left = hit_rate(s, o)
            print("%-13s %s: hit rate %.2f %%, %d keys at the end" % (name, o.policy, 100 * rate, left))


if __name__ == "__main__":
    main()
