# SPDX-License-Identifier: BSD-3-Clause
"""target - a server under attack: what it holds, and what its other clients feel.

Memory is the process' own (VmRSS, and VmHWM since the last look), not what it says of itself. What an
attack costs is CPU time: seconds on the clock depend on what else the machine does.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
from cases import check  # noqa: E402
from pings import Pings, loop_cpu_ms  # noqa: E402
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

    def cpu_s(self):
        """Seconds of CPU that the event loop has used so far."""
        return loop_cpu_ms(self) / 1000

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


class Others(Pings):
    """An ordinary client beside the attack: with Others(s) as o: ...

    The event loop may not compute for others, or sleep, for longer than `limit` ms while this client
    waits. How long the machine lets both wait for a CPU does not count."""

    def __init__(self, server, limit=1000):
        super().__init__(server, server.password)
        self.limit = limit

    def __exit__(self, *exc):
        self.end()
        if exc[0] is None:
            check(self.busy_ms < self.limit, "another client waited for %.0f ms of CPU" % self.busy_ms)
            check(self.held_ms < self.limit + self.own_ms, "the loop slept for %.0f ms" % self.held_ms)

    def __str__(self):
        return "another client: p99 %.2f ms, worst %.1f ms of %d, at most %.1f ms of CPU for others meanwhile" % (
            self.p99_ms, self.worst_ms, self.count, self.busy_ms)


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


__all__ = ["MB", "Closed", "Conn", "Failed", "Others", "ReplyError", "Target", "check", "closed",
           "encode", "pour", "refused", "wait_for"]
