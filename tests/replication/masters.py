# SPDX-License-Identifier: BSD-3-Clause
"""masters - what a replica can be tested with: real servers, and one that is scripted.

Script is a master made of Python: it answers the handshake, then sends what the test says.
"""
import os
import random
import shutil
import socket
import struct
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
from contents import differences, snapshot  # noqa: E402
from resp import Closed, Conn, encode  # noqa: E402
from server import Failed, Server, wait_for, wait_info  # noqa: E402

PEERS = os.environ.get("STET_PEERS", os.path.join(HERE, "..", "..", "build", "peers"))
FAST = ["--repl-diskless-sync-delay", "0", "--enable-debug-command", "local"]


def programs():
    """{name: program} of the real servers that are here."""
    found = {"redis-7": shutil.which("redis-server"),
             "redis-8": os.path.join(PEERS, "redis-8", "redis-server"),
             "valkey-9": os.path.join(PEERS, "valkey-9", "valkey-server")}
    return {n: p for n, p in found.items() if p and os.path.exists(p)}


class Real(Server):
    """redis-server or valkey-server; these listen at a port that was free a moment ago."""

    def __init__(self, program, *args, **kw):
        super().__init__(*FAST, *args, program=program, **kw)


def link_up(conn, seconds=30):
    wait_info(conn, "master_link_status", lambda v: v == "up", "replication", seconds)


def follow(replica, master, seconds=30):
    c = replica.conn()
    c.call("REPLICAOF", "127.0.0.1", master.port)
    link_up(c, seconds)
    return c


def offset(conn):
    return int(conn.info("replication")["master_repl_offset"])


def caught_up(master, replica, seconds=30):
    """The replica has all that the master has said so far."""
    want = offset(master)
    wait_info(replica, "slave_repl_offset", lambda v: int(v) >= want, "replication", seconds)


def same(master, replica, seconds=60):
    """At the same offset, which stays, both hold the same."""
    caught_up(master, replica, seconds)
    found = differences(snapshot(master), snapshot(replica), 0, encodings=False)
    if found:
        raise Failed("\n".join(found[:5]))


# ------------------------------------------------------------------ generated writes

def random_write(rng, n):
    """One command of any type, deterministic or not."""
    def key(kind):
        return "%s:%d" % (kind, rng.randrange(n))

    def word():
        return "".join(rng.choice("abcdefgh\r\n\0") for _ in range(rng.randrange(1, 30)))
    return rng.choice([
        lambda: ("SET", key("s"), word()),
        lambda: ("SET", key("s"), word(), "EX", rng.randrange(1000, 9000)),
        lambda: ("APPEND", key("s"), word()),
        lambda: ("INCRBYFLOAT", key("f"), "%.3f" % rng.uniform(-5, 5)),
        lambda: ("INCR", key("n")),
        lambda: ("SETRANGE", key("s"), rng.randrange(100), word()),
        lambda: ("SETBIT", key("b"), rng.randrange(2000), rng.randrange(2)),
        lambda: ("PFADD", key("p"), word(), word()),
        lambda: ("RPUSH", key("l"), word(), word()),
        lambda: ("LPOP", key("l"), rng.randrange(1, 3)),
        lambda: ("LINSERT", key("l"), "BEFORE", word(), word()),
        lambda: ("SADD", key("e"), word(), word(), rng.randrange(50)),
        lambda: ("SPOP", key("e")),
        lambda: ("HSET", key("h"), word(), word(), word(), word()),
        lambda: ("HINCRBYFLOAT", key("h2"), "f", "1.5"),
        lambda: ("ZADD", key("z"), repr(rng.uniform(-9, 9)), word(), rng.randrange(9), word()),
        lambda: ("ZPOPMIN", key("z")),
        lambda: ("ZINCRBY", key("z"), 1, "m"),
        lambda: ("XADD", key("x"), "MAXLEN", "~", 50, "*", word(), word()),
        lambda: ("GEOADD", key("g"), repr(rng.uniform(-90, 90)), repr(rng.uniform(-80, 80)), word()),
        lambda: ("DEL", key(rng.choice("slehzx"))),
        lambda: ("EXPIRE", key(rng.choice("slehzx")), rng.randrange(1000, 5000)),
        lambda: ("PERSIST", key("s")),
        lambda: ("RENAMENX", key("s"), key("s")),
        lambda: ("COPY", key("h"), key("h"), "REPLACE"),
        lambda: ("SELECT", rng.randrange(3)),
        lambda: ("EVAL", "redis.call('incr',KEYS[1]) return redis.call('rpush',KEYS[2],ARGV[1])", 2,
                 key("n"), key("l"), word()),
        lambda: ("SMOVE", key("e"), key("e"), rng.randrange(50)),
    ])()


def write_some(conn, seed, count, keys=60):
    """Random writes, a part of them in transactions. Errors are part of it."""
    rng = random.Random(seed)
    out = []
    while count > 0:
        if rng.random() < 0.1:
            some = [random_write(rng, keys) for _ in range(rng.randrange(1, 6))]
            out += [("MULTI",), *some, ("EXEC",)]
            count -= len(some)
        else:
            out.append(random_write(rng, keys))
            count -= 1
    for at in range(0, len(out), 200):
        conn.pipeline(out[at:at + 200])
    conn.call("SELECT", 0)


# ------------------------------------------------------------------ a scripted master

EMPTY_RDB = bytes.fromhex("524544495330303130ff") + struct.pack("<Q", 0)


def rdb_of(pairs):
    """An RDB of strings."""
    out = [b"REDIS0010\xfe\x00"]
    for k, v in pairs:
        out.append(b"\x00" + bytes([len(k)]) + k + bytes([len(v)]) + v)
    return b"".join(out) + b"\xff" + struct.pack("<Q", 0)


class Script:
    """Accepts links; `serve(link)` runs on a thread for each. link.handshake() gives the words of
    PSYNC."""

    def __init__(self, serve):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.serve, self.links, self.stopped = serve, 0, False
        self.failed = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stopped = True
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        if exc[0] is None and self.failed:
            raise self.failed

    def _run(self):
        while not self.stopped:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.links += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            self.serve(Link(sock))
        except (Closed, OSError, TimeoutError):
            pass
        except Exception as e:  # for the test's own thread
            self.failed = e
        finally:
            sock.close()


class Link(Conn):
    def __init__(self, sock):
        sock.settimeout(30)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock, self.buf, self.pos = sock, b"", 0

    def words(self):
        """The next command, newlines before it left out."""
        while True:
            while self.pos < len(self.buf) and self.buf[self.pos:self.pos + 1] == b"\n":
                self.pos += 1
            if self.pos < len(self.buf):
                break
            self._more()
        return [x[1] for x in self.read()[1]]

    def handshake(self):
        while True:
            w = self.words()
            if w[0] == "PING":
                self.send(b"+PONG\r\n")
            elif w[0] == "PSYNC" or w[0] == "SYNC":
                return w
            else:
                self.send(b"+OK\r\n")

    def ack(self):
        """The next REPLCONF ACK: its offset."""
        while True:
            w = self.words()
            if w[:2] == ["REPLCONF", "ACK"]:
                return int(w[2])

    def full(self, rdb=EMPTY_RDB, offset=0, id="a" * 40):
        self.send(b"+FULLRESYNC %s %d\r\n" % (id.encode(), offset))
        self.send(b"$%d\r\n" % len(rdb) + rdb)

    def wait_closed(self):
        try:
            while True:
                self._more()
                self.buf, self.pos = b"", 0
        except Closed:
            return


__all__ = ["Closed", "EMPTY_RDB", "Failed", "Link", "Real", "Script", "caught_up", "encode", "follow",
           "link_up", "offset", "programs", "rdb_of", "same", "wait_for", "wait_info", "write_some"]
