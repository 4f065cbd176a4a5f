#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""files - loads mutated RDB files, with checksums out of the way: what is refused is named with its
offset, nothing ends the server, and what is loaded can be saved and loaded again.

  files.py [--rounds 2000] [--seed 1]
"""
import argparse
import os
import random
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import summary  # noqa: E402
from payloads import corpus, length, mutate, string  # noqa: E402
from resp import Closed, ReplyError  # noqa: E402
from server import Failed, Server  # noqa: E402

MODULE_AUX = b"\xf7\x81" + struct.pack(">Q", 12345) + b"\x02\x02\x05" + string(b"text") + \
    b"\x04" + struct.pack("<d", 1.5) + b"\x03\0\0\0\0\x01\x05\x00"


LIBRARY = b"#!lua name=x\nredis.register_function('f', function() return 1 end)"


def whole_file(rng):
    """One with every opcode and some values."""
    out = b"REDIS%04d" % rng.choice((1, 9, 10, 11, 12))
    out += b"\xfa" + string(b"redis-ver") + string(b"7.2.4") + b"\xfa" + string(b"ctime") + b"\xc2abcd"
    out += MODULE_AUX + b"\xf5" + string(LIBRARY) + b"\xfe\x00\xfb\x0a\x02"
    out += b"\xf4" + length(5) + length(10) + length(0)
    values = corpus()
    for i in range(rng.randrange(1, 12)):
        out += rng.choice((b"", b"", b"\xfc" + struct.pack("<Q", 4102444800000), b"\xf8\x3c", b"\xf9\x20",
                           b"\xfd" + struct.pack("<i", 2000000000)))
        kind, body = rng.choice(values)
        out += bytes([kind]) + string(b"key%d" % i) + body
        if rng.random() < .2:
            out += b"\xfe" + length(i) + b"\xfb\x01\x00"
    return out + b"\xff" + bytes(8)


def one(s, conn, rng):
    """1 if it was loaded, 0 if it was refused."""
    data = whole_file(rng)
    if rng.random() < .1:
        data = data[:rng.randrange(len(data))]
    elif rng.random() < .95:
        data = mutate(rng, data, [data])
    path = os.path.join(s.dir, "fuzz.rdb")
    with open(path, "wb") as f:
        f.write(data)
    try:
        conn.call("DEBUG", "RELOAD", "NOSAVE")
    except ReplyError:
        return 0
    before = conn.call("DEBUG", "DIGEST")
    conn.call("DEBUG", "RELOAD")
    if conn.call("DEBUG", "DIGEST") != before:
        raise Failed("another digest after DEBUG RELOAD")
    return 1


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--rounds", type=int, default=1000)
    a.add_argument("--seed", type=int, default=int(time.time()))
    a = a.parse_args()
    rng, loaded, failed = random.Random(a.seed), 0, 0
    try:
        with Server("--enable-debug-command", "yes", "--dbfilename", "fuzz.rdb",
                    "--rdbchecksum", "no") as s:
            conn = s.conn()
            conn.call("DEBUG", "SET-ACTIVE-EXPIRE", 0)  # fields that are due stay where they are
            for _ in range(a.rounds):
                loaded += one(s, conn, rng)
            if s.log().count("offset ") + loaded < a.rounds:
                raise Failed("a refusal without an offset: " + str([x for x in s.log().splitlines() if "DEBUG RELOAD:" in x and "offset " not in x][:3]))
            os.unlink(os.path.join(s.dir, "fuzz.rdb"))
            s.stop()
    except (Failed, Closed, ReplyError, OSError) as e:
        failed = 1
        print("%s: %s" % (type(e).__name__, str(e)[:3000]))
    print("seed %d: %d files, %d loaded" % (a.seed, a.rounds, loaded))
    return summary("fuzz", not failed, failed)


if __name__ == "__main__":
    sys.exit(main())
