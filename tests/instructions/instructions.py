#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""instructions - how many instructions a command costs, counted by callgrind: the same on an idle and on a busy
machine. More than the tolerance above what is recorded fails, and so does far less: then it is to be recorded.

  instructions.py              compares with recorded.json
  instructions.py --record     writes it; the commit that contains it says why
  instructions.py --show       prints every command

The server is a test double whose clock stands, so that no timer runs meanwhile and its hash function is always the
same. The figures hold for one compiler and one C library: with others, as the record names them, nothing is compared.
"""
import argparse
import json
import os
import platform
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
from cases import need, summary  # noqa: E402
from resp import encode  # noqa: E402
from server import SERVER, Failed, Server  # noqa: E402

RECORD = os.path.join(HERE, "recorded.json")
TOLERANCE, BATCH, BATCHES, KEYS = 0.02, 100, 20, 1000
UNSTEADY = {"EVALSHA": 0.06,  # when Lua collects garbage is not always the same
            "PING": 0.04,     # the turns of the loop, whose number depends on how busy the machine is, are much of it
            "MSET of 10": 0.06,         # how many keys share a bucket differs
            "SET of 1000 bytes": 0.04}  # without io_uring it is read in other pieces
VALUE = "v" * 16

# Name: what is said before it, and command number i.
COMMANDS = {
    "PING": ([], lambda i: ["PING"]),
    "SET": ([], lambda i: ["SET", "s%d" % (i % KEYS), VALUE]),
    "SET of 1000 bytes": ([], lambda i: ["SET", "b%d" % (i % 100), "v" * 1000]),
    "SET EX": ([], lambda i: ["SET", "e%d" % (i % KEYS), VALUE, "EX", "1000"]),
    "GET": ([], lambda i: ["GET", "s%d" % (i % KEYS)]),
    "GET of nothing": ([], lambda i: ["GET", "n%d" % i]),
    "INCR": ([], lambda i: ["INCR", "c%d" % (i % KEYS)]),
    "APPEND": ([], lambda i: ["APPEND", "a%d" % (i % KEYS), "x"]),
    "MSET of 10": ([], lambda i: ["MSET"] + [w for k in range(10) for w in ("m%d" % ((i * 10 + k) % KEYS), VALUE)]),
    "MGET of 10": ([], lambda i: ["MGET"] + ["m%d" % ((i * 10 + k) % KEYS) for k in range(10)]),
    "EXISTS": ([], lambda i: ["EXISTS", "s%d" % (i % KEYS)]),
    "EXPIRE": ([["SET", "t%d" % i, VALUE] for i in range(KEYS)], lambda i: ["EXPIRE", "t%d" % (i % KEYS), "1000"]),
    "TTL": ([], lambda i: ["TTL", "t%d" % (i % KEYS)]),
    "DEL": ([["SET", "d%d" % i, VALUE] for i in range(3 * BATCH * BATCHES)], lambda i: ["DEL", "d%d" % i]),
    "HSET": ([], lambda i: ["HSET", "h%d" % (i % 100), "f%d" % (i % 10), VALUE]),
    "HGET": ([], lambda i: ["HGET", "h%d" % (i % 100), "f%d" % (i % 10)]),
    "HGETALL of 10": ([], lambda i: ["HGETALL", "h%d" % (i % 100)]),
    "HINCRBY": ([], lambda i: ["HINCRBY", "hc", "f%d" % (i % 10), "1"]),
    "LPUSH": ([], lambda i: ["LPUSH", "l", VALUE]),
    "LPOP": ([], lambda i: ["LPOP", "l"]),
    "LRANGE of 100": ([["RPUSH", "r"] + [VALUE] * 100], lambda i: ["LRANGE", "r", "0", "-1"]),
    "SADD": ([], lambda i: ["SADD", "st", "m%d" % i]),
    "SISMEMBER": ([], lambda i: ["SISMEMBER", "st", "m%d" % i]),
    "SINTER of 2 x 100": ([["SADD", k] + ["m%d" % i for i in range(100)] for k in ("i1", "i2")],
                          lambda i: ["SINTER", "i1", "i2"]),
    "ZADD": ([], lambda i: ["ZADD", "z", str(i * 7919 % 10007), "m%d" % i]),
    "ZSCORE": ([], lambda i: ["ZSCORE", "z", "m%d" % i]),
    "ZRANGEBYSCORE of 10": ([], lambda i: ["ZRANGEBYSCORE", "z", str(i), "+inf", "LIMIT", "0", "10"]),
    "XADD": ([], lambda i: ["XADD", "x", "%d-1" % (i + 1), "f", VALUE]),
    "XRANGE of 10": ([], lambda i: ["XRANGE", "x", str(i), "+", "COUNT", "10"]),
    "SETBIT": ([], lambda i: ["SETBIT", "bits", str(i % 8000), "1"]),
    "PFADD": ([], lambda i: ["PFADD", "hll", "m%d" % i]),
    "PUBLISH to nobody": ([], lambda i: ["PUBLISH", "channel", VALUE]),
    "EVALSHA": ([["SCRIPT", "LOAD", "return redis.call('GET', KEYS[1])"]],
                lambda i: ["EVALSHA", "d3c21d0c2b9ca22f82737626a27bcaf5d288f99f", "1", "s%d" % (i % KEYS)]),
    "MULTI GET EXEC": ([], lambda i: [["MULTI"], ["GET", "s%d" % (i % KEYS)], ["EXEC"]][i % 3]),
}


class Counted:
    """A server under callgrind."""

    def __init__(self):
        self.s = Server("--enable-test-commands", "yes", start=False, seconds=120)
        os.chmod(self._wrapper(), 0o755)
        self.s.program = self._wrapper()
        self.s.start()
        self.conn = self.s.conn()
        self.conn.call("TEST", "CLOCK", "FREEZE", 1700000000000)

    def _wrapper(self):
        path = os.path.join(self.s.dir, "server.sh")
        if not os.path.exists(path):
            with open(path, "w") as f:
                f.write("#!/bin/sh\nexec valgrind --tool=callgrind --instr-atstart=no -q "
                        "--callgrind-out-file=/dev/null '%s' \"$@\"\n" % SERVER)
        return path

    def _control(self, word):
        return subprocess.run(["callgrind_control", word, str(self.s.proc.pid)], check=True, capture_output=True,
                              text=True, timeout=60).stdout

    def begin(self):
        self._control("--instr=on")

    def total(self):
        """All instructions of the main thread so far."""
        return int(re.search(r"^ *Th 1 +([0-9,]+)", self._control("-e"), re.M).group(1).replace(",", ""))

    def say(self, commands):
        for at in range(0, len(commands), BATCH):
            part = commands[at:at + BATCH]
            self.conn.send(b"".join(encode(c) for c in part))
            for _ in part:
                self.conn.read()


def measure():
    c, per = Counted(), {}
    try:
        c.begin()
        n = BATCH * BATCHES - BATCH * BATCHES % 3  # whole transactions
        for before, make in COMMANDS.values():
            c.say(before)
            c.say([make(i) for i in range(n)])
        from_ = c.total()
        for name, (_, make) in COMMANDS.items():
            c.say([make(n + i) for i in range(n)])
            to = c.total()
            per[name] = round((to - from_) / n, 1)
            from_ = to
    finally:
        c.s.close()
    return per


def least(times, enough=lambda got: False):
    """The least of several runs: on a busy machine a batch may come in two pieces, which costs another turn."""
    got = measure()
    for _ in range(times - 1):
        if enough(got):
            break
        again = measure()
        got = {name: min(n, again[name]) for name, n in got.items()}
    return got


def off(name, n, record):
    """How far from what is recorded, in parts of it; None: within the tolerance."""
    before = record.get(name)
    if not before:
        return 0
    part = n / before - 1
    return None if abs(part) <= UNSTEADY.get(name, TOLERANCE) else part


def tools():
    """What the figures depend on beside the source."""
    comment = subprocess.run(["readelf", "-p", ".comment", SERVER], capture_output=True, text=True).stdout
    compiler = re.search(r"GCC: \(([^)]*)\)|clang version (\S+)", comment)
    valgrind = subprocess.run(["valgrind", "--version"], capture_output=True, text=True).stdout.strip()
    return "%s, glibc %s, %s" % (compiler.group(1) or compiler.group(2) if compiler else "?",
                                 platform.libc_ver()[1], valgrind)


def show(got):
    for name, n in got.items():
        print("%-22s %10.1f" % (name, n))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--record", action="store_true")
    p.add_argument("--show", action="store_true")
    a = p.parse_args()
    need("valgrind", "callgrind_control", "readelf")
    if a.record:
        got = least(3)
        show(got)
        with open(RECORD, "w") as f:
            json.dump({"tools": tools(), "instructions": got}, f, indent=1)
            f.write("\n")
        return summary("instructions", len(got), 0)
    with open(RECORD) as f:
        record = json.load(f)
    here = tools() if os.environ.get("STET_FLAVOUR", "release") == "release" else "another flavour"
    if record["tools"] != here:
        print("held nothing: the record is of %s, this is %s" % (record["tools"], here))
        return summary("instructions", 1, 0)
    record = record["instructions"]
    got = least(4, lambda so_far: all(off(name, n, record) is None for name, n in so_far.items()))
    if a.show:
        show(got)
    wrong = {name: off(name, n, record) for name, n in got.items() if off(name, n, record) is not None}
    for name, part in wrong.items():
        print("FAIL %s: %.1f instructions, recorded are %s (%+.1f %%); if that is wanted, --record it and say why" % (
            name, got[name], record.get(name), part * 100))
    return summary("instructions", len(got) - len(wrong), len(wrong))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as e:
        sys.exit("FAIL %s\ninstructions: 0 passed, 1 failed" % e)
