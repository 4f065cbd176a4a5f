#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""restore - feeds RESTORE mutated payloads with a right checksum, runs random commands on what was
accepted, and saves and loads it again: nothing may end the server, and no value may change by that.

  restore.py [--rounds 400] [--seed 1] [--type 19]      a round: 100 payloads of each kind
"""
import argparse
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import summary  # noqa: E402
from payloads import corpus, mutate, seal  # noqa: E402
from resp import Closed, ReplyError  # noqa: E402
from server import Failed, Server  # noqa: E402

BATCH = 100
COMMANDS = {
    b"string": ["GET %", "STRLEN %", "APPEND % tail", "GETRANGE % 1 3", "INCR %", "SETRANGE % 5 x",
                "PFCOUNT %", "PFADD % a", "BITCOUNT %"],
    b"list": ["LRANGE % 0 -1", "LPUSH % a 1", "RPUSH % b", "LPOP % 2", "RPOP %", "LINDEX % 1",
              "LINDEX % -2", "LSET % 0 new", "LREM % 0 alpha", "LREM % -1 12", "LTRIM % 1 -2",
              "LINSERT % BEFORE beta z", "LPOS % 7", "LLEN %", "LMOVE % % LEFT RIGHT", "SORT % ALPHA"],
    b"set": ["SMEMBERS %", "SADD % new 5 alpha", "SREM % 12 alpha 3", "SPOP %", "SRANDMEMBER % -5",
             "SISMEMBER % beta", "SSCAN % 0", "SUNION % %", "SCARD %", "SMOVE % % 7", "SINTERCARD 1 %",
             "SPEXPIRE % 100000 MEMBERS 2 5 beta", "SPEXPIRETIME % MEMBERS 2 a m1", "SPERSIST % MEMBERS 1 5",
             "SADDEX % PX 1 MEMBERS 2 m2 new", "SUNIONSTORE % % %"],
    b"zset": ["ZRANGE % 0 -1 WITHSCORES", "ZADD % 5 new 1 a", "ZREM % b", "ZINCRBY % 3 c", "ZPOPMIN %",
              "ZPOPMAX %", "ZRANGEBYSCORE % -inf +inf", "ZRANK % e", "ZREVRANGE % 0 -1", "ZCOUNT % 1 9",
              "ZRANGEBYLEX % - +", "ZREMRANGEBYRANK % 0 0", "ZRANDMEMBER % 3", "ZSCAN % 0",
              "ZUNION 2 % % WITHSCORES", "GEOPOS % a"],
    b"hash": ["HGETALL %", "HSET % new v f1 w", "HDEL % f1", "HGET % f2", "HINCRBY % f1 1", "HLEN %",
              "HRANDFIELD % -3 WITHVALUES", "HSCAN % 0", "HPEXPIRE % 100000 FIELDS 2 f1 f2",
              "HPEXPIRETIME % FIELDS 1 f1", "HPERSIST % FIELDS 1 f2", "HSTRLEN % f3", "HKEYS %"],
    b"stream": ["XRANGE % - +", "XREVRANGE % + -", "XADD % * f v", "XADD % * a 1 b 2", "XDEL % 100-1",
                "XLEN %", "XINFO STREAM %", "XINFO STREAM % FULL", "XINFO GROUPS %", "XTRIM % MAXLEN 2",
                "XTRIM % MINID 150", "XINFO CONSUMERS % group", "XPENDING % group - + 10",
                "XREADGROUP GROUP group alice COUNT 2 STREAMS % >",
                "XREADGROUP GROUP group bob STREAMS % 0", "XACK % group 100-1 200-1",
                "XCLAIM % group carol 0 102-1", "XAUTOCLAIM % group dave 0 0", "XSETID % 9999999999999-1",
                "XSETID % 9999999999999-2 ENTRIESADDED 9223372036854775807 MAXDELETEDID 0-1",
                "XGROUP SETID % group 0 ENTRIESREAD 9223372036854775807", "XREADGROUP GROUP group alice COUNT 1 STREAMS % >",
                "XGROUP DELCONSUMER % group alice", "XGROUP DESTROY % empty", "XGROUP CREATE % h $",
                "XREAD COUNT 3 STREAMS % 0"],
    b"vectorset": ["VCARD %", "VINFO %", "VRANDMEMBER % 3", "VRANGE % - + 2", "VSIM % ELE a", "VSIM % ELE b TRUTH FILTER .a", "VREM % a",
                   "VADD % VALUES 3 1 2 3 new", "VADD % VALUES 3 1 2 3 a", "VEMB % b RAW", "VLINKS % c WITHSCORES",
                   "VSETATTR % b {}", "VGETATTR % a"],
    b"MBbloom--": ["BF.ADD % new", "BF.MADD % a b c d e f", "BF.EXISTS % a", "BF.MEXISTS % a b new", "BF.INFO %", "BF.CARD %",
                   "BF.INSERT % ITEMS x y z", "BF.SCANDUMP % 0", "BF.SCANDUMP % 1", "BF.SCANDUMP % 9", "BF.LOADCHUNK % 2 a"],
    b"MBbloomCF": ["CF.ADD % new", "CF.INSERT % ITEMS a b c d e f a a a", "CF.ADDNX % new", "CF.COUNT % a", "CF.DEL % a",
                   "CF.DEL % new", "CF.MEXISTS % a b", "CF.INFO %", "CF.SCANDUMP % 0", "CF.SCANDUMP % 1", "CF.LOADCHUNK % 2 a"],
    b"CMSk-TYPE": ["CMS.INFO %", "CMS.QUERY % a b c", "CMS.INCRBY % a 1 b 4000000000", "CMS.MERGE % 1 %",
                   "CMS.MERGE % 2 % % WEIGHTS 1 -1"],
    b"TopK-TYPE": ["TOPK.INFO %", "TOPK.ADD % a b c d e f g", "TOPK.INCRBY % a 1 b 100000 c 5", "TOPK.QUERY % a b new",
                   "TOPK.COUNT % a b new", "TOPK.LIST %", "TOPK.LIST % WITHCOUNT"],
    b"TDIS-TYPE": ["TDIGEST.INFO %", "TDIGEST.ADD % 1 2 3 4 5 6 7 8 9 1e300 -1e300", "TDIGEST.QUANTILE % 0 0.2 0.5 0.9 1",
                   "TDIGEST.CDF % 1 2 3 inf", "TDIGEST.RANK % 1 5", "TDIGEST.REVRANK % 1 5", "TDIGEST.BYRANK % 0 3 100",
                   "TDIGEST.MERGE % 2 % % COMPRESSION 5", "TDIGEST.TRIMMED_MEAN % 0.1 0.9", "TDIGEST.RESET %"],
    b"ReJSON-RL": ["JSON.GET %", "JSON.GET % $..* $..a", "JSON.TYPE % $..*", "JSON.NUMINCRBY % $..* 1", "JSON.DEL % $..a",
                   "JSON.SET % $.new [1]", "JSON.ARRAPPEND % $..* 1", "JSON.ARRPOP % $..*", "JSON.CLEAR % $.*",
                   "JSON.GET % $..[?(@.a)]", "JSON.RESP %", "JSON.MERGE % $ {}", "JSON.DEBUG MEMORY %"],
    b"any": ["DUMP %", "TYPE %", "OBJECT ENCODING %", "COPY % copy REPLACE", "PEXPIRE % 100000",
             "DEBUG DIGEST-VALUE %", "MEMORY USAGE %", "DEBUG OBJECT %", "PERSIST %"],
}


def words(text, key):
    return [key if w == "%" else w for w in text.split()]


class Run:
    def __init__(self, server, rng):
        self.s, self.rng, self.conn = server, rng, server.conn()
        self.conn.call("DEBUG", "SET-ACTIVE-EXPIRE", 0)  # fields that are due stay where they are
        self.tried = self.accepted = 0
        self.recent = []

    def ask(self, commands):
        self.recent = commands
        return self.conn.pipeline(commands)

    def batch(self, bodies):
        payloads = [seal(b, self.rng.choice((9, 10, 11, 12, 12))) for b in bodies]
        keys = ["k%d" % i for i in range(len(payloads))]
        got = self.ask([("RESTORE", k, 0, p, "REPLACE") for k, p in zip(keys, payloads)])
        self.tried += len(got)
        good = [k for k, g in zip(keys, got) if g == b"OK"]
        self.accepted += len(good)
        kinds = self.ask([("TYPE", k) for k in good]) if good else []
        commands = []
        for key, kind in zip(good, kinds):
            choice = COMMANDS[kind] * 3 + COMMANDS[b"any"] if kind in COMMANDS else COMMANDS[b"any"]
            commands += [words(c, key) for c in self.rng.sample(choice, 8)]
        if commands:
            self.ask(commands)

    def goes_round(self):
        """Saved and loaded again, and by DUMP and RESTORE, it is the same."""
        before = self.conn.call("DEBUG", "DIGEST")
        self.recent = [("DEBUG", "RELOAD")]
        self.conn.call("DEBUG", "RELOAD")
        if self.conn.call("DEBUG", "DIGEST") != before:
            raise Failed("another digest after DEBUG RELOAD")
        keys = self.conn.call("KEYS", "*")
        dumps = self.ask([("DUMP", k) for k in keys])
        got = self.ask([("RESTORE", k, 0, d, "REPLACE") for k, d in zip(keys, dumps)])
        for k, d, g in zip(keys, dumps, got):
            if g != b"OK":
                raise Failed("what DUMP told of %r is refused: %r %s" % (k, g, d.hex()))
        self.conn.call("FLUSHALL")


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--rounds", type=int, default=20)
    a.add_argument("--seed", type=int, default=int(time.time()))
    a.add_argument("--type", type=int)
    a = a.parse_args()
    rng = random.Random(a.seed)
    whole = [bytes([t]) + b for t, b in corpus()]
    kinds = [b for b in whole if a.type in (None, b[0])]
    args = ["--enable-debug-command", "yes", "--dbfilename", "fuzz.rdb", "--loglevel", "warning"]
    if rng.random() < .5:
        args += ["--list-max-listpack-size", "3", "--hash-max-listpack-entries", "4",
                 "--zset-max-listpack-entries", "3", "--stream-node-max-entries", "3",
                 "--list-compress-depth", "1"]
    run, failed = None, 0
    try:
        with Server(*args) as s:
            run = Run(s, rng)
            run.batch(whole)
            if run.accepted != len(whole):
                raise Failed("%d of %d untouched payloads are refused" % (
                    len(whole) - run.accepted, len(whole)))
            for n in range(a.rounds):
                for body in kinds:
                    run.batch([mutate(rng, body, whole) for _ in range(BATCH)])
                run.goes_round()
            s.stop()
    except (Failed, Closed, ReplyError, OSError) as e:
        failed = 1
        print("%s: %s" % (type(e).__name__, str(e)[:3000]))
        with open("/tmp/restore-fuzz.txt", "w") as f:
            for c in run.recent if run else []:
                f.write(repr(c) + "\n")
        print("the last commands stand in /tmp/restore-fuzz.txt")
    print("seed %d: %d payloads tried, %d accepted" % (a.seed, run.tried if run else 0,
                                                      run.accepted if run else 0))
    return summary("fuzz", not failed, failed)


if __name__ == "__main__":
    sys.exit(main())
