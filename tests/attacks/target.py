# SPDX-License-Identifier: BSD-3-Clause
"""target - a server under attack: what it holds, and what its other clients feel.

Memory is the process' own (VmRSS, and VmHWM since the last look), not what it says of itself.
Latency is measured by a process of its own (this file, run with a port), so that the attacker's
work is not counted.
"""
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
from cases import check  # noqa: E402
from resp import Closed, Conn, ReplyError, encode  # noqa: E402
from server import Failed, Server, wait_for  # noqa: E402

MB = 1 << 20


class Target(Server):
    """`password`: what clients need; conn() gives connections that have it."""

    def __init__(self, *args, password=None, **kw):
        self.password = password
        more = ("--requirepass", password) if password else ()
        super().__init__("--appendonly", "no", *more, *args, **kw)

    def conn(self, **kw):
        c = super().conn(**{"timeout": 60, **kw})
        if self.password:
            c.call("AUTH", self.password)
        return c

    def stranger(self, **kw):
        return Conn(self.port, **{"timeout": 60, **kw})

    def _status(self, field):
        with open("/proc/%d/status" % self.proc.pid) as f:
            for line in f:
                if line.startswith(field + ":"):
                    return int(line.split()[1]) / 1024
        return 0

    def rss(self):
        """MB now."""
        return self._status("VmRSS")

    def peak(self):
        """MB at the most since forget_peak()."""
        return self._status("VmHWM")

    def forget_peak(self):
        with open("/proc/%d/clear_refs" % self.proc.pid, "w") as f:
            f.write("5")

    def __exit__(self, *exc):
        if exc[0] is None:
            if not self.running():
                raise Failed("it is gone:\n" + self.log()[-3000:])
            c = self.conn()
            check(c.call("PING") == b"PONG", "it does not answer any more")
            c.close()
        super().__exit__(*exc)


class Others:
    """An ordinary client beside the attack: with Others(s) as o: ...; then o.worst, o.p99 in ms."""

    def __init__(self, server, worst=1000):
        self.server, self.limit = server, worst

    def __enter__(self):
        words = [sys.executable, os.path.abspath(__file__), str(self.server.port)]
        self.proc = subprocess.Popen(words + [self.server.password or ""], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True)
        check(self.proc.stdout.readline(), "the other client could not begin")
        return self

    def __exit__(self, *exc):
        out = self.proc.communicate()[0].split()
        if exc[0] is None:
            check(len(out) == 3, "the other client was not served")
            self.count, self.p99, self.worst = int(out[0]), float(out[1]), float(out[2])
            check(self.worst < self.limit, "another client waited %.0f ms" % self.worst)

    def __str__(self):
        return "another client: p99 %.2f ms, worst %.1f ms of %d" % (self.p99, self.worst, self.count)


def refused(conn, *words):
    """The error that a command gets; fails if it gets none."""
    try:
        got = conn.call(*words)
    except ReplyError as e:
        return str(e)
    raise Failed("%r was accepted: %.100r" % (words, got))


def closed(conn, seconds=20):
    """Reads until the server closes; what came."""
    conn.sock.settimeout(seconds)
    got = bytearray(conn.buf[conn.pos:])
    try:
        while len(got) < 64 * MB:
            data = conn.sock.recv(1 << 20)
            if not data:
                return bytes(got)
            got += data
    except (ConnectionResetError, BrokenPipeError):
        return bytes(got)
    except TimeoutError:
        pass
    raise Failed("the connection stays open")


def pour(conn, data, total):
    """Sends data again and again, without reading, until `total` bytes went or it was cut off or
    nothing goes any more for a second. How much went, and whether it was cut off."""
    went = 0
    conn.sock.settimeout(1)
    try:
        while went < total:
            went += conn.sock.send(data)
    except TimeoutError:
        return went, False
    except OSError:
        return went, True
    return went, False


def _measure(port, password):
    conn, times = Conn(port, timeout=60), []
    if password:
        conn.call("AUTH", password)
    conn.call("GET", "of:another:client")
    print("ready", flush=True)
    os.set_blocking(0, False)
    while os.read(0, 1) if _has_input() else True:
        for words in (["PING"], ["GET", "of:another:client"]):
            at = time.monotonic()
            conn.ask(*words)  # while a script runs for long -BUSY is an answer too
            times.append((time.monotonic() - at) * 1000)
        time.sleep(0.002)
    times.sort()
    print(len(times), times[len(times) * 99 // 100], times[-1])


def _has_input():
    import select
    return bool(select.select([0], [], [], 0)[0])


__all__ = ["MB", "Closed", "Conn", "Failed", "Others", "ReplyError", "Target", "check", "closed",
           "encode", "pour", "refused", "wait_for"]

if __name__ == "__main__":
    _measure(int(sys.argv[1]), sys.argv[2])
