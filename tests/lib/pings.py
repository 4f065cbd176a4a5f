# SPDX-License-Identifier: BSD-3-Clause
"""pings - an ordinary client beside what a test does: PING and GET all the time, and what it felt. A GET
may have to wait for the disk: after CONFIG SET appendfsync always every key counts as changed. So what the
loop is blamed for is of PING alone.

The client is a process of its own (this file, run as a program), so that the test's work is not
measured. How long a reply takes says little on a busy machine; the kernel says where that time went:

  worst_ms  the longest time from request to reply, whatever the reason
  busy_ms   the most CPU time that the event loop's thread used between a request and its reply:
            what it did for others meanwhile
  held_ms   the longest of those times without the loop's use of a CPU, without its waits for a CPU,
            and without this client's own: the loop slept, e.g. in a call on a file
  get_ms    the longest time of a GET
  own_ms    the longest oversleep of this client, without its waits for a CPU: pauses that the machine
            makes by itself
"""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from resp import Closed, Conn  # noqa: E402
from server import Failed  # noqa: E402

FIELDS = ("count", "p99_ms", "worst_ms", "worst_at", "busy_ms", "held_ms", "get_ms", "own_ms")
PAUSE = 0.002


class Pings:
    """with Pings(server) as p: ...; afterwards p.worst_ms and the others. Of the server's process as it
    is at the beginning; when that is killed, what was measured until then counts."""

    def __init__(self, server, password=""):
        self.words = [sys.executable, os.path.abspath(__file__), str(server.port), str(server.proc.pid), password or ""]

    def start(self):
        self.proc = subprocess.Popen(self.words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if not self.proc.stdout.readline():
            raise Failed("the client beside could not begin")
        return self

    def end(self):
        said = self.proc.communicate()[0].split()
        if len(said) != len(FIELDS):
            raise Failed("the client beside was not served")
        for name, value in zip(FIELDS, said):
            setattr(self, name, float(value))

    __enter__ = start

    def __exit__(self, *exc):
        self.end()


def loop_cpu_ms(server):
    """CPU time that the event loop's thread has used so far."""
    return _cpu(server.proc.pid)[0]


def _cpu(pid):
    """Milliseconds for which the main thread ran, and for which it waited for a CPU."""
    with open("/proc/%s/schedstat" % pid) as f:
        ran, waited, _ = f.read().split()
    return int(ran) / 1e6, int(waited) / 1e6


def _ping(conn, pid, most, times):
    ran, waited = _cpu(pid)
    mine = sum(_cpu("self"))
    at = time.monotonic()
    conn.ask("PING")  # an error is a reply too: BUSY, LOADING
    took = (time.monotonic() - at) * 1000
    mine = sum(_cpu("self")) - mine
    ran_now, waited_now = _cpu(pid)
    busy = ran_now - ran
    times.append(took)
    if took > most["worst_ms"]:
        most["worst_ms"], most["worst_at"] = took, time.time()
    most["busy_ms"] = max(most["busy_ms"], busy)
    most["held_ms"] = max(most["held_ms"], took - busy - (waited_now - waited) - mine)


def _measure(port, pid, password):
    conn, times, most = Conn(port, timeout=120), [], dict.fromkeys(FIELDS, 0)
    if password:
        conn.call("AUTH", password)
    conn.call("GET", "of:another:client")
    _cpu(pid)
    print("ready", flush=True)
    os.set_blocking(0, False)
    try:
        while _goes_on():
            _ping(conn, pid, most, times)
            at = time.monotonic()
            conn.ask("GET", "of:another:client")
            most["get_ms"] = max(most["get_ms"], (time.monotonic() - at) * 1000)
            at, mine = time.monotonic(), sum(_cpu("self"))
            time.sleep(PAUSE)
            over = (time.monotonic() - at - PAUSE) * 1000 - (sum(_cpu("self")) - mine)
            most["own_ms"] = max(most["own_ms"], over)
    except (Closed, OSError, ValueError):
        pass  # the server was killed
    times = sorted(times) or [0]
    most["count"], most["p99_ms"] = len(times), times[len(times) * 99 // 100]
    print(*(most[name] for name in FIELDS))


def _goes_on():
    """Until the other end of standard input is closed."""
    try:
        return os.read(0, 1) != b""
    except BlockingIOError:
        return True


if __name__ == "__main__":
    _measure(int(sys.argv[1]), sys.argv[2], sys.argv[3])
