# SPDX-License-Identifier: BSD-3-Clause
"""beside - another client of stet alone, which reads all the time: whatever keys there are, in every
database, each with commands of every type, and asks how the server is. Slices are tiny, so it is also
served within the commands of the test: DEBUG SLICE.
"""
import os
import random
import select
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from resp import Closed, Conn  # noqa: E402

READS = [["GET"], ["STRLEN"], ["HGETALL"], ["SMEMBERS"], ["LRANGE", 0, -1], ["ZRANGE", 0, -1, "WITHSCORES"],
         ["XRANGE", "-", "+"], ["SORT_RO", "ALPHA"], ["TYPE"], ["TTL"], ["HKEYS"], ["SUNION"], ["BITCOUNT"],
         ["ZCARD"], ["EXISTS"], ["WATCH"], ["HRANDFIELD", 2], ["SRANDMEMBER", -3], ["LPOS", "x"],
         ["DUMP"], ["XINFO", "STREAM"], ["XPENDING", "g"], ["ZRANDMEMBER", 2]]
OTHERS = [["PING"], ["DBSIZE"], ["UNWATCH"], ["CLIENT", "ID"], ["KEYS", "*"], ["MULTI"], ["DISCARD"], ["TIME"],
          ["RANDOMKEY"], ["INFO", "memory"]]
SLICE_NS, STEPS = 1, 1
DEBUG = ("--enable-debug-command", "yes")


class Beside:
    """with Beside(server, seed): ...; a process of its own (this file, run as a program)."""

    def __init__(self, server, seed):
        self.words = [sys.executable, os.path.abspath(__file__), str(server.port), str(seed)]

    def __enter__(self):
        self.proc = subprocess.Popen(self.words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.proc.stdout.readline()
        return self

    def __exit__(self, *exc):
        self.count = int(self.proc.communicate()[0] or 0)


def batch(rng, keys):
    words = [["SELECT", rng.randrange(4)]]
    for _ in range(30):
        if keys and rng.random() < 0.85:
            read = rng.choice(READS)
            at = 2 if read[0] == "XINFO" else 1
            words.append(read[:at] + [rng.choice(keys)] + read[at:])
        else:
            words.append(rng.choice(OTHERS))
    return words + [["DISCARD"], ["SCAN", rng.randrange(1 << 16), "COUNT", 50]]


def main(port, seed):
    conn, rng, keys, count = Conn(port, timeout=120, proto=3), random.Random(seed), [], 0
    conn.call("DEBUG", "SLICE", SLICE_NS, STEPS)
    print("ready", flush=True)
    try:
        while not select.select([0], [], [], 0)[0]:
            got = conn.pipeline(batch(rng, keys))
            keys = got[-1][1] if isinstance(got[-1], list) and got[-1][1] else keys
            count += len(got)
    except (Closed, OSError, ValueError):
        pass  # the test tells of a server that is gone
    print(count)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
