# SPDX-License-Identifier: BSD-3-Clause
"""Scenarios of bench.py beyond the simplest commands: collections large and small, scripts, fan-out, growth.

A scenario takes the Bench; its doc string is its title in the report.
"""
import socket
import threading

CPU = ("cpu ns/op",)
MILLION, MIDDLE = 1000000, 100000

# What is in the data set: name, number of commands, template, value size.
FILLED = (
    ("SET key:%k %v", MILLION, 16), ("HSET big:hash f:%k %v", MILLION, 16), ("ZADD big:zset %r m:%k", MILLION, 8),
    ("SADD big:set m:%k", MILLION, 8), ("RPUSH big:list %v", MILLION, 8), ("XADD big:stream * f %v", MILLION, 8),
    ("HSET hash:%k f0 %v f1 %v f2 %v f3 %v f4 %v f5 %v f6 %v f7 %v f8 %v f9 %v", MIDDLE, 8),
    ("RPUSH list:%k %v %v %v %v %v %v %v %v %v %v", MIDDLE, 8),
    ("SADD set:%k m0 m1 m2 m3 m4 m5 m6 m7 m8 m9", MIDDLE, 8),
    ("ZADD zset:%k 0 m0 1 m1 2 m2 3 m3 4 m4 5 m5 6 m6 7 m7 8 m8 9 m9", MIDDLE, 8),
    ("SADD part:a %r", 100, 8), ("SADD part:b %r", 100, 8), ("GEOADD places 0.%r 50.%r p:%k", 10000, 8),
)
SCRIPT = "return(redis.call('GET',KEYS[1]))"

# Case, template, key space. {sha} is the script's.
WIDER = (
    ("HGET of 10", "HGET hash:%k f%f", MIDDLE), ("HGETALL of 10", "HGETALL hash:%k", MIDDLE),
    ("HGET of 1M", "HGET big:hash f:%k", MILLION), ("HSET of 1M", "HSET big:hash f:%k %v", MILLION),
    ("LINDEX of 10", "LINDEX list:%k 5", MIDDLE), ("LRANGE of 10", "LRANGE list:%k 0 -1", MIDDLE),
    ("LINDEX of 1M", "LINDEX big:list %r", 1), ("LPUSH to 1M", "LPUSH big:list %v", 1), ("LPOP of 1M", "LPOP big:list", 1),
    ("SISMEMBER of 10", "SISMEMBER set:%k m%f", MIDDLE), ("SISMEMBER of 1M", "SISMEMBER big:set m:%k", MILLION),
    ("SADD to 1M", "SADD big:set n:%k", MILLION), ("SINTER of 2 x 100", "SINTER part:a part:b", 1),
    ("ZSCORE of 10", "ZSCORE zset:%k m%f", MIDDLE), ("ZADD to 1M", "ZADD big:zset %r m:%k", MILLION),
    ("ZSCORE of 1M", "ZSCORE big:zset m:%k", MILLION), ("ZRANK of 1M", "ZRANK big:zset m:%k", MILLION),
    ("ZRANGEBYSCORE, 10 of 1M", "ZRANGEBYSCORE big:zset %r +inf LIMIT 0 10", 1),
    ("XADD to 1M", "XADD big:stream * f %v", 1), ("XRANGE, 10 of 1M", "XRANGE big:stream - + COUNT 10", 1),
    ("APPEND", "APPEND text:%k x", MIDDLE), ("SETBIT", "SETBIT bits:%k %r 1", 100), ("EXPIRE", "EXPIRE key:%k 100000", MILLION),
    ("PFADD", "PFADD hll:%k %r", 100), ("GEOSEARCH", "GEOSEARCH places FROMLONLAT 0.5 50.5 BYRADIUS 5 km COUNT 10", 1),
    ("EVALSHA with a GET", "EVALSHA {sha} 1 key:%k", MILLION),
)


def scn_wider(b):
    """more commands, on collections of 10 and of a million elements, P=16, 20 clients"""
    up = b.start_all()
    small = 20 if b.opt.quick else 1
    for s in up:
        for template, n, size in FILLED:
            s.load(max(100, n // small), template, "-d", size)
        sha = s.conn.cmd("SCRIPT", "LOAD", SCRIPT)
    for case, template, space in WIDER:
        for r, s in b.rounds(up):
            b.measure("wider", case, s, "-C", template.format(sha=sha), "-k", max(1, space // small), "-c", 20, "-P", 16,
                      "-x", r + 1, metrics=CPU)
    for s in up:
        s.stop()


class Subscribers:
    """Connections that take what is published and do nothing with it."""

    def __init__(self, port, n):
        self.held = []
        for _ in range(n):
            s = socket.create_connection(("127.0.0.1", port))
            s.sendall(b"SUBSCRIBE news\r\n")
            s.recv(200)
            self.held.append(s)
            threading.Thread(target=self.drain, args=(s,), daemon=True).start()

    @staticmethod
    def drain(s):
        try:
            while s.recv(1 << 18):
                pass
        except OSError:
            pass

    def close(self):
        for s in self.held:
            s.shutdown(socket.SHUT_RDWR)
            s.close()


def scn_fanout(b):
    """PUBLISH of 64 bytes, 1,000 a second: CPU for one message, whatever the number of subscribers"""
    up = b.start_all()
    for n in (1, 10) if b.opt.quick else (1, 10, 100):
        for r, s in b.rounds(up):
            listening = Subscribers(s.port, n)
            b.measure("fanout", f"{n} subscribers", s, "-C", "PUBLISH news %v", "-d", 64, "-c", 4, "-R", 1000, metrics=CPU)
            listening.close()
    for s in up:
        s.stop()


def per_key(b):
    for n in (100000, MILLION) if b.opt.quick else (MILLION, 10 * MILLION):
        for spec in b.real:
            s = b.start(spec)
            empty = s.rss()
            s.load(n, "SET key:%k %v", depth=100)
            b.rec("growth", "RSS B/key", f"{n:,} keys", s, (s.rss() - empty) / n)
            for r in range(b.opt.rounds):
                for verb in ("GET key:%k", "SET key:%k %v"):
                    b.measure("growth", f"{verb.split()[0]}, {n:,} keys", s, "-C", verb, "-k", n, "-c", 20, "-P", 100,
                              "-x", r + 1, metrics=CPU)
            s.stop()


def per_element(b):
    for n in (1000, MIDDLE) if b.opt.quick else (1000, MIDDLE, 10 * MILLION):
        for spec in b.real:
            s = b.start(spec)
            empty = s.rss()
            s.load(n, "RPUSH list %v", "-d", 8)
            if n >= MIDDLE:
                b.rec("growth", "RSS B/element", f"a list of {n:,}", s, (s.rss() - empty) / n)
            for r in range(b.opt.rounds):
                for verb in ("LPUSH", "RPUSH"):
                    b.measure("growth", f"{verb} to {n:,}", s, "-C", f"{verb} list %v", "-d", 8, "-c", 20, "-P", 16, metrics=CPU)
            s.stop()


def per_command(b, cases, label, **settings):
    up = b.start_all("--appendonly", "no", *settings.get("args", ()))
    for s in up:
        s.load(MIDDLE, "SET key:%k %v")
    for case in cases:
        for r, s in b.rounds(up):
            conns, depth = settings["shape"](case)
            b.measure("growth", f"GET, {label} {case:,}", s, "-C", "GET key:%k", "-k", MIDDLE, "-c", conns, "-P", depth,
                      "-x", r + 1, metrics=CPU)
    for s in up:
        s.stop()


def scn_growth(b):
    """the same work at growing sizes: keys, lists, pipelines, connections"""
    per_key(b)
    per_element(b)
    per_command(b, (1, 10, 100, 1000, 10000), "pipelines of", shape=lambda n: (4, n))
    per_command(b, (1, 100, 1000) if b.opt.quick else (1, 100, 1000, 10000), "connections:", shape=lambda n: (n, 1),
                args=("--maxclients", 10100))
