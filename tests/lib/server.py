# SPDX-License-Identifier: BSD-3-Clause
"""server - starts, drives and stops one server process in a directory of its own.

The program is $STET_SERVER, else stet-server in $STET_BIN, else build/stet-server. Readiness and
everything else is awaited by condition with a deadline. Nothing is left running: the child dies
with this process.
"""
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from resp import Closed, Conn, ReplyError

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("STET_BIN", os.path.join(ROOT, "build"))
SERVER = os.environ.get("STET_SERVER", os.path.join(BIN, "stet-server"))
TOOLS = os.environ.get("STET_TOOLS", os.path.join(ROOT, "build", "release", "tests"))
CHECK_AOF = os.environ.get("STET_CHECK_AOF", os.path.join(BIN, "stet-check-aof"))
SANITIZER = re.compile(r"(Address|Thread|Leak|UndefinedBehavior)Sanitizer|runtime error:")
LEAKS = {"ASAN_OPTIONS": os.environ.get("STET_SERVER_ASAN_OPTIONS", "")}
NO_LEAKS = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")}  # for starts that are refused

_libc = ctypes.CDLL(None)


def die_with_parent():
    _libc.prctl(1, signal.SIGKILL)


class Failed(Exception):
    """The server did not do what the test relies on."""


def is_stet(program):
    return os.path.basename(program) not in ("redis-server", "valkey-server")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(condition, what, seconds=60, step=0.002):
    """Calls condition() until it is true; returns what it returned."""
    end = time.monotonic() + seconds
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() > end:
            raise Failed("waited %d s in vain: %s" % (seconds, what))
        time.sleep(step)


class Server:
    """A server in `dir` (a fresh one unless given). Use as a context manager."""

    def __init__(self, *args, program=SERVER, dir=None, env=None, start=True, seconds=60):
        self.program = os.path.abspath(program)
        self.own_dir = dir is None
        self.dir = dir or tempfile.mkdtemp(prefix="stet-test-")
        self.args, self.env, self.seconds = args, env, seconds
        self.log_path = os.path.join(self.dir, "server.log")
        self.proc = self.port = None
        self.ports = []  # of all emulated nodes of a cluster
        self.fixed_port = None  # that it gets from its next start on
        self.conf = []  # [a configuration file], which comes before the arguments
        if start:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if exc[0] is None:
            self.check_sanitizers()
        self.close(keep=exc[0] is not None and "STET_KEEP" in os.environ)

    def spawn(self, *args):
        """Starts the process without waiting until it serves."""
        self.args = args or self.args
        port_file = os.path.join(self.dir, "port")
        if os.path.exists(port_file):
            os.unlink(port_file)
        if self.fixed_port:
            self.port, net = self.fixed_port, ["--port", str(self.fixed_port)]
        elif is_stet(self.program):
            self.port, net = None, ["--port", "auto", "--port-file", port_file]
        else:
            self.port = free_port()
            net = ["--port", str(self.port)]
        self.log_from = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        with open(self.log_path, "ab") as log:
            self.proc = subprocess.Popen(
                [self.program, *self.conf, *net, "--save", "", *self.args], cwd=self.dir, stdout=log,
                stderr=log, stdin=subprocess.DEVNULL, preexec_fn=self.in_child,
                env={**os.environ, **LEAKS, **(self.env or {})})

    def in_child(self):
        """In the new process, before it becomes the server."""
        die_with_parent()

    def start(self, *args):
        self.spawn(*args)
        if not self.wait_ready():
            raise Failed("exit status %s:\n%s" % (self.proc.returncode, self.log()[-2000:]))
        return self

    def wait_ready(self):
        """True once it serves, False if it exited instead."""
        port_file = os.path.join(self.dir, "port")

        def state():
            if self.proc.poll() is not None:
                return "exited"
            if self.port is None and os.path.exists(port_file):
                text = open(port_file).read()
                self.ports = [int(line) for line in text.split()] if text.endswith("\n") else []
                self.port = self.ports[0] if self.ports else None
            return "ready" if self.port and self._answers() else None
        return wait_for(state, "server ready", self.seconds) == "ready"

    def _answers(self):
        try:
            c = self.conn(timeout=5)
        except OSError:
            return False
        try:
            return not c.ask("PING")[1].startswith("LOADING")
        except (Closed, TimeoutError):
            return False
        finally:
            c.close()

    def conn(self, **kw):
        return Conn(self.port, **kw)

    def freeze(self):
        """Stops the process, until SIGCONT. A signal takes a moment to have its effect."""
        self.proc.send_signal(signal.SIGSTOP)
        wait_for(self._stands, "a process that stands")

    def _stands(self):
        with open("/proc/%d/stat" % self.proc.pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] in "Tt"

    def log(self):
        """What this start has logged so far."""
        with open(self.log_path, "rb") as f:
            f.seek(self.log_from)
            return f.read().decode("latin-1")

    def whole_log(self):
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, "rb") as f:
            return f.read().decode("latin-1")

    def wait_log(self, phrase, seconds=60):
        wait_for(lambda: phrase in self.log(), "log phrase '%s'" % phrase, seconds)

    def wait_exit(self, seconds=60):
        """The exit status; negative for a signal."""
        try:
            return self.proc.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed("did not exit within %d s:\n%s" % (seconds, self.log()[-2000:]))

    def running(self):
        return self.proc is not None and self.proc.poll() is None

    def stop(self):
        """A clean stop."""
        if self.running():
            try:
                c = self.conn()
                c.ask("SHUTDOWN", "NOSAVE")
            except (Closed, OSError, ReplyError, TimeoutError):
                pass
        status = self.wait_exit()
        self.check_sanitizers()
        return status

    def terminate(self):
        self.proc.send_signal(signal.SIGTERM)
        return self.wait_exit()

    def kill(self):
        """kill -9."""
        if self.running():
            self.proc.kill()
        self.proc.wait()

    def check_sanitizers(self):
        log = self.whole_log()
        found = SANITIZER.search(log)
        if found:
            raise Failed("sanitizer report in the log:\n" + log[found.start():][:3000])

    def close(self, keep=False):
        if self.running():
            self.kill()
        if not self.own_dir:
            return
        if keep:
            print("kept", self.dir)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)


def wait_info(conn, field, predicate, section="persistence", seconds=60):
    """Polls INFO until predicate(value of field); returns the value."""
    def check():
        got = conn.info(section).get(field)
        return [got] if got is not None and predicate(got) else None
    return wait_for(check, "INFO field %s" % field, seconds)[0]


def rewrite_done(conn, seconds=60):
    """Waits until no rewrite runs or is scheduled; True if the last one was well."""
    def check():
        i = conn.info("persistence")
        return i if i["aof_rewrite_in_progress"] == i["aof_rewrite_scheduled"] == "0" else None
    return wait_for(check, "rewrite done", seconds)["aof_last_bgrewrite_status"] == "ok"
