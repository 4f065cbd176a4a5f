# SPDX-License-Identifier: BSD-3-Clause
"""server - one stet-server, on a free port and in a temporary directory."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

from .resp import Connection

HOST = "127.0.0.1"
START_SECONDS, STOP_SECONDS = 60, 10
DEFAULTS = {"bind": HOST, "port": "auto", "save": "", "appendonly": "no", "enable-test-commands": "local",
            "exit-with-parent": "yes"}


class StartError(Exception):
    """The server did not start; the text has what it said."""


def binary():
    """The path of stet-server: $STET_BINARY, else the one in this package."""
    given = os.environ.get("STET_BINARY")
    own = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs", "bin", "stet-server")
    if given or os.path.exists(own):
        return given or own
    raise StartError("stet: this package has no program for %s. Set STET_BINARY to the path of a stet-server."
                     % sys.platform)


def _command_line(dir, params):
    """{name: value, name: [word, word], name: None (leaves a default out)}; _ in a name is -"""
    all = {**DEFAULTS, "dir": dir, "port-file": os.path.join(dir, "port"), "logfile": os.path.join(dir, "server.log"),
           **{name.replace("_", "-"): value for name, value in params.items()}}
    words = []
    for name, value in all.items():
        if value is not None:
            words += ["--" + name, *map(str, value if isinstance(value, (list, tuple)) else [value])]
    return words


def _text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except FileNotFoundError:
        return ""


class Server:
    """A server that runs. start() makes one that stop() ends, connect() one that is not ours to end."""

    def __init__(self, host, port, process=None, dir=None):
        self.host, self.port, self.dir = host, port, dir
        self.url = "redis://%s:%d" % (host, port)
        self._process, self._connection = process, None
        self.pid = process.pid if process else None

    def call(self, *words):
        """Sends any command; an error reply raises ReplyError."""
        if self._connection is None:
            self._connection = Connection(self.host, self.port)
        try:
            return self._connection.call(*words)
        except OSError:
            self.disconnect()
            raise

    def test(self, *words):
        """Sends a TEST command: test("CLOCK", "ADVANCE", 1000)."""
        return self.call("TEST", *words)

    def reset(self):
        """Sends TEST RESET: as after the start."""
        self.call("TEST", "RESET")

    def log(self):
        return _text(os.path.join(self.dir, "server.log"))

    def disconnect(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def stop(self):
        self.disconnect()
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()


def _wait_ready(process, dir):
    """The port, once the server has written it: then it serves."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        port = _text(os.path.join(dir, "port"))
        if port.endswith("\n"):
            return int(port)
        if process.poll() is not None:
            raise StartError("stet: the server has ended with %d:\n%s%s" % (
                process.returncode, _text(os.path.join(dir, "said")), _text(os.path.join(dir, "server.log"))))
        time.sleep(0.001)
    raise StartError("stet: the server did not serve within %d s" % START_SECONDS)


def start(**params):
    """Starts a server with these parameters of the configuration: start(maxmemory="10mb")."""
    program = binary()
    dir = tempfile.mkdtemp(prefix="stet-")
    process = None
    try:
        with open(os.path.join(dir, "said"), "wb") as said:
            process = subprocess.Popen([program, *_command_line(dir, params)], cwd=dir, stdin=subprocess.DEVNULL,
                                       stdout=said, stderr=said)
        return Server(HOST, _wait_ready(process, dir), process, dir)
    except BaseException:
        if process:
            process.kill()
            process.wait()
        shutil.rmtree(dir, ignore_errors=True)
        raise


def connect(host=HOST, port=None):
    """A server that is already there."""
    return Server(host, int(port or os.environ["REDIS_PORT"]))
