#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""watch - which commands break a WATCH: the same random commands on stet and on redis-server.

One client watches every key that a command names, another runs the command, then the first one's
EXEC tells whether the key counts as changed. Tracking clients are told by the same call.
"""
import argparse
import collections
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import need, summary  # noqa: E402
from differential import ORACLE, known_commands  # noqa: E402
from generate import TYPES, Generator  # noqa: E402
from judge import RANDOM, version  # noqa: E402
from server import Server  # noqa: E402

WORLD = 400
DELIBERATE = {
    ("PFCOUNT", True): "there it writes the count that it keeps in the key, and that is a change",
    ("BITFIELD", False): "a string that an overflow that failed has made longer is a change here",
}
NEWER = {  # beside Redis 8 and Valkey 9
    ("VADD", True): "Redis 8: every command that opens a vector set for writing counts as a change",
    ("VREM", True): "as VADD",
    ("VSETATTR", True): "as VADD",
    ("COPY", False): "there a vector set cannot be copied",
    ("LSET", True): "there an index beyond 32 bits wraps around",
    ("LTRIM", False): "Valkey: no change if nothing goes",
    ("SET", False): "Valkey: no change where a missing key is set with a time that is over",
}


def is_key(word):
    return len(word) == 2 and word[0] in TYPES and word[1].isdigit()


def breaks(watcher, other, words, keys):
    watcher.ask("WATCH", *keys)
    other.ask(*words)
    watcher.ask("MULTI")
    return watcher.ask("EXEC")[1] is None


def main():
    need("redis-server")
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--seconds", type=float, default=10)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--show", type=int, default=10)
    o = p.parse_args()
    n, found, excused = 0, 0, collections.Counter()
    with Server(program=ORACLE) as oracle, Server() as stet:
        pairs = [(s.conn(), s.conn()) for s in (oracle, stet)]
        known = set.intersection(*map(known_commands, [s.conn() for s in (oracle, stet)]))
        deliberate = DELIBERATE if version(pairs[0][0]) == "redis 7" else {**DELIBERATE, **NEWER}
        generator, end, history = Generator("watch%d" % o.seed, known), time.monotonic() + o.seconds, []
        while time.monotonic() < end:
            words = generator.command()
            keys = [w for w in words[1:] if is_key(w)]
            if words[0].lower() in RANDOM or not keys:
                continue
            if n % WORLD == 0:
                for _, other in pairs:
                    other.call("FLUSHALL")
                history = []
            n += 1
            want, got = (breaks(*pair, words, keys) for pair in pairs)
            history.append(words)
            if want == got:
                continue
            if (words[0].upper(), want) in deliberate:
                excused[words[0].upper()] += 1
                continue
            found += 1
            if found <= o.show:
                print("%r: broken there %s, here %s\n    after %r" % (
                    words, want, got, [h for h in history[:-1] if set(keys) & set(h)][-3:]))
    print("deliberate: %s" % dict(excused))
    return summary("watch", n - found, found)


if __name__ == "__main__":
    sys.exit(main())
