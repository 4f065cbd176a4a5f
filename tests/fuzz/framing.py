#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""framing - what was acknowledged loads again, whatever bytes it came as.

  framing.py [--rounds 3] [--streams 400] [--seed 1]

A round sends byte streams to a server with the append-only file on: commands in every legal form,
and the same with framing that was mutated; whole and in pieces. Then kill -9, and a start that
forgives nothing (aof-load-truncated no) has to find the same contents.
"""
import argparse
import os
import random
import socket
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
from cases import summary  # noqa: E402
from contents import differences, snapshot  # noqa: E402
from resp import Closed, ReplyError, encode  # noqa: E402
from server import Failed, Server  # noqa: E402

COMMANDS = [
    "SET s V", "SET s V KEEPTTL", "SETRANGE s 3 V", "APPEND s V", "INCR n", "INCRBYFLOAT n 1.5", "GETSET s V",
    "MSET s V t V", "MSETNX u V w V", "SETEX s 1000 V", "GETEX s PERSIST", "BITFIELD b SET u8 0 200",
    "SETBIT b 9 1", "RPUSH l V V", "LPUSH l V", "LPOP l", "LINSERT l BEFORE V V", "LMOVE l m LEFT RIGHT",
    "LTRIM l 0 20", "SADD e V 1 2", "SPOP e 2", "SREM e V", "SMOVE e f V", "SUNIONSTORE g e f", "ZADD z 1 V 2 V",
    "ZINCRBY z 1.5 V", "ZPOPMIN z", "ZREMRANGEBYRANK z 0 0", "GEOADD o 13 38 V", "HSET h V V", "HINCRBY h c 1",
    "HDEL h V", "XADD x * V V", "XADD x MAXLEN 5 * V V", "XTRIM x MAXLEN 3", "PFADD p V", "DEL s", "UNLINK l",
    "RENAME s t", "COPY t s REPLACE", "EXPIRE s 1000", "PERSIST s", "SELECT 0", "SELECT 3", "MOVE t 5",
    "SWAPDB 0 3", "SORT l ALPHA STORE r", "RPOPLPUSH l m", "BLPOP l 0.001", "XGROUP CREATE x q $ MKSTREAM",
    "XREADGROUP GROUP q c STREAMS x >", "MULTI", "EXEC", "DISCARD", "WATCH s",
    "EVAL SCRIPT 1 s V", "PUBLISH c V", "GET s", "PING", "nosuch V",
]
SCRIPT = b"redis.call('SET', KEYS[1], ARGV[1]) redis.call('RPUSH', 'l', ARGV[1], 'x') return 1"
VALUES = [b"", b"v", b"\r\n", b"$3\r\nabc\r\n", b"*1\r\n$4\r\nPING\r\n", b"#x\r\n", b"\0", b"12", b"long" * 40]


def command(rng):
    out = []
    for w in rng.choice(COMMANDS).split():
        if w == "V":
            w = rng.choice(VALUES) if rng.random() < .8 else rng.randbytes(rng.randrange(300))
        out.append(SCRIPT if w == "SCRIPT" else w)
    return out


def inline(words):
    quoted = b" ".join(b'"' + b"".join(b"\\x%02x" % c for c in w) + b'"' if isinstance(w, bytes) else w.encode()
                       for w in words)
    return quoted + b"\r\n"


def swap_end(rng, raw):
    """One CRLF becomes something else."""
    ends = [i for i in range(len(raw) - 1) if raw[i:i + 2] == b"\r\n"]
    if not ends:
        return raw
    at = rng.choice(ends)
    other = rng.choice([b"\n\r", b"\r\r", b"\n\n", b"ZZ", b"\rZ", b"Z\n", b"\r", b"\n", b"", b"\r\n\r\n", b" \r\n"])
    return raw[:at] + other + raw[at + 2:]


def change_length(rng, raw):
    """One length is written otherwise, or is another."""
    heads = [i for i in range(len(raw)) if raw[i:i + 1] in b"*$" and raw[i + 1:i + 2].isdigit()]
    if not heads:
        return raw
    at = rng.choice(heads) + 1
    end = at
    while raw[end:end + 1].isdigit():
        end += 1
    n = int(raw[at:end])
    other = rng.choice([b"0%d" % n, b"+%d" % n, b" %d" % n, b"%d " % n, b"-%d" % n, b"%d.0" % n, b"%d" % (n + 1),
                        b"%d" % max(n - 1, 0), b"", b"0", b"-0", b"-1", b"0x%x" % n, b"%d" % (n + 2 ** 64),
                        b"%d" % (n + 2 ** 32), b"%020d" % n, b"1048577"])
    return raw[:at] + other + raw[end:]


def change_byte(rng, raw):
    at = rng.randrange(len(raw))
    new = rng.choice([bytes([rng.randrange(256)]), b"", b"\r", b"\n", b"*", b"$", raw[at:at + 1] * 2])
    return raw[:at] + new + raw[at + 1:]


def stream(rng):
    """Some commands; two of three have framing that is not as it should be."""
    out = []
    for _ in range(rng.randrange(1, 12)):
        words = command(rng)
        out.append(inline(words) if rng.random() < .1 else encode(words))
    if rng.random() < .66:
        at = rng.randrange(len(out))
        for _ in range(rng.choice((1, 1, 1, 2, 5))):
            if out[at]:
                out[at] = rng.choice((swap_end, change_length, change_byte))(rng, out[at])
    return b"".join(out)


def feed(port, rng, raw):
    """Sends it and waits until the server has dealt with all of it."""
    with socket.create_connection(("127.0.0.1", port), 20) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while raw:
                n = len(raw) if rng.random() < .5 else rng.randrange(1, len(raw) + 1)
                s.sendall(raw[:n])
                raw = raw[n:]
            s.shutdown(socket.SHUT_WR)
            while s.recv(1 << 16):
                pass
        except TimeoutError as e:
            raise Failed("the server does not close the connection: %r" % raw) from e
        except OSError:
            pass  # the server closed it


def contents(s):
    conn = s.conn()
    digest = conn.call("DEBUG", "DIGEST")
    return digest, snapshot(conn)


def renamed(rng):
    """What the server logs by itself (expiry: DEL, HDEL; effects: SET, ZADD) loads under any names."""
    names = rng.sample(("del", "hdel", "set", "zadd", "pexpireat", "srem"), rng.randrange(3))
    return [w for name in names for w in ("--rename-command", name, rng.choice(("", "other-" + name)))]


def one_round(rng, streams):
    """A failing round says what was sent."""
    sent = []
    with Server("--appendonly", "yes", "--appendfsync", rng.choice(("always", "everysec", "no")),
                "--aof-checksum", rng.choice(("yes", "no")), "--enable-debug-command", "yes",
                "--aof-load-truncated", "no", *renamed(rng)) as s:
        for n in range(streams):
            sent.append(stream(rng))
            feed(s.port, rng, sent[-1])
            if n == streams // 2 and rng.random() < .3:
                s.conn().call("BGREWRITEAOF")
        want = contents(s)
        s.kill()
        try:
            s.start()
        except Failed as e:
            keep(sent)
            raise Failed("the start is refused: %s" % e)
        got = contents(s)
        if got[0] != want[0]:
            keep(sent)
            raise Failed("\n".join(differences(want[1], got[1], 0)) or "the digests differ")
        return len(want[1])


def keep(sent):
    with open("/tmp/framing-fuzz.txt", "w") as f:
        f.writelines("%r\n" % raw for raw in sent)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--rounds", type=int, default=20)
    a.add_argument("--streams", type=int, default=400)
    a.add_argument("--seed", type=int, default=int(time.time()))
    a = a.parse_args()
    passed = failed = keys = 0
    for n in range(a.rounds):
        try:
            keys += one_round(random.Random("%d:%d" % (a.seed, n)), a.streams)
            passed += 1
        except (Failed, Closed, ReplyError, OSError) as e:
            failed += 1
            print("seed %d round %d: %.3000s (what was sent: /tmp/framing-fuzz.txt)" % (a.seed, n, e))
    print("seed %d: %d streams, %d keys came back" % (a.seed, a.rounds * a.streams, keys))
    return summary("framing", passed, failed)


if __name__ == "__main__":
    sys.exit(main())
