#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""container - packages/Containerfile without a container engine: its steps are carried out in a root of debootstrap
(debroot.py), and the image is run as an engine would run it: the entry point is the first process of a namespace, as
the image's user, in its directory.

  container.py [WORD...]   only the cases with one of the words in their names

Needs root, and the tarball of `make packages`. The roots have no network: redis-tools is in them already.
"""
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import Cases, check, equal, run_words  # noqa: E402
from debroot import DebRoot, enter_namespaces, make_base  # noqa: E402
from resp import Conn  # noqa: E402
from server import ROOT, Failed, wait_for  # noqa: E402

CASES = Cases()
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def steps():
    """[(instruction, its words)] of the file."""
    with open(os.path.join(ROOT, "packages", "Containerfile"), encoding="utf-8") as f:
        lines = [line for line in f.read().replace("\\\n", " ").split("\n") if line.strip() and not line.startswith("#")]
    return [line.split(None, 1) for line in lines]


class Image:
    """What is left of the steps."""

    def __init__(self, root):
        self.root, self.user, self.dir, self.entry, self.words, self.ports = root, "root", "/", [], [], []
        for name, rest in steps():
            getattr(self, "step_" + name.lower())(rest)

    def step_arg(self, rest):
        equal("the base", rest, "BASE=debian:bookworm-slim")

    def step_from(self, rest):
        equal("FROM", rest, "${BASE}")

    def step_run(self, rest):
        if self.user != "root":
            raise Failed("a step as %s: %s" % (self.user, rest))
        self.root.do("cd / && " + rest)

    def step_add(self, rest):
        what, to = rest.split()
        found = glob.glob(os.path.join(ROOT, what))
        equal("files of " + what, len(found), 1)
        os.makedirs(self.root.path(to.strip("/")), exist_ok=True)
        with tarfile.open(found[0]) as tar:  # ADD unpacks
            tar.extractall(self.root.path(to.strip("/")))

    def step_user(self, rest):
        self.user = rest

    def step_workdir(self, rest):
        check(os.path.isdir(self.root.path(rest.strip("/"))), "WORKDIR would be made, by root: " + rest)
        self.dir = rest

    def step_expose(self, rest):
        self.ports.append(int(rest))

    def step_entrypoint(self, rest):
        self.entry = json.loads(rest)

    def step_cmd(self, rest):
        self.words = json.loads(rest)


class Container:
    """A run of the image, with `words` instead of its own."""

    def __init__(self, image, *words):
        user = ["--userspec", image.user]
        self.said = open(image.root.path("root", "said"), "w+", encoding="utf-8")
        self.proc = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child", "chroot", *user, image.root.dir, "/bin/sh", "-c",
             'cd "$0" && exec "$@"', image.dir, *image.entry, *(words or image.words)],
            stdin=subprocess.DEVNULL, stdout=self.said, stderr=subprocess.STDOUT, env={"PATH": PATH})
        self.first = None

    def ready(self, port=6379):
        wait_for(lambda: answers(port) or self.proc.poll() is not None, "the container answers")
        if self.proc.poll() is not None:
            raise Failed("it ended: " + self.log())
        with open("/proc/%d/task/%d/children" % (self.proc.pid, self.proc.pid), encoding="utf-8") as f:
            self.first = int(f.read().split()[0])
        return Conn(port)

    def log(self):
        self.said.seek(0)
        return self.said.read()

    def stop(self):
        """As `docker stop`."""
        os.kill(self.first, signal.SIGTERM)
        return self.proc.wait(timeout=30)

    def wait(self):
        return self.proc.wait(timeout=30), self.log()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.proc.kill()
        self.proc.wait()
        self.said.close()


def answers(port):
    try:
        return Conn(port).call("PING") == b"PONG"
    except OSError:
        return False


BUILT = {}


def image():
    """Built once."""
    if not BUILT:
        BUILT["root"] = DebRoot().__enter__()
        BUILT["image"] = Image(BUILT["root"])
    return BUILT["image"]


@CASES.case
def the_steps_can_be_carried_out():
    i = image()
    equal("user", i.user, "stet")
    equal("ports", i.ports, [6379])
    for name in ("stet-server", "redis-server", "stet-check-aof", "stet-check-rdb", "stet-backup", "redis-cli"):
        i.root.do("command -v " + name)
    equal("owner of the data", i.root.do("stat -c %U /data").strip(), "stet")
    check("not found" not in i.root.do("ldd /usr/local/bin/stet-server"), "a library is missing")


@CASES.case
def the_image_runs_as_its_user_and_stops():
    with Container(image()) as c:
        conn = c.ready()
        equal("SET", conn.call("SET", "k", "v"), b"OK")
        with open("/proc/%d/status" % c.first, encoding="utf-8") as f:
            status = f.read()
        check(re.search(r"^NSpid:.*\b1$", status, re.M), "the server is not the first process: " + status)
        uid = image().root.do("id -u stet").strip()
        equal("user", re.search(r"^Uid:\s+(\d+)", status, re.M)[1], uid)
        check("PONG" in image().root.do("redis-cli ping"), "the health check")
        equal("SIGTERM", c.stop(), 0)


@CASES.case
def data_outlives_the_container():
    words = ("--protected-mode", "no", "--appendonly", "yes")
    with Container(image(), *words) as c:
        equal("SET", c.ready().call("SET", "k", "v"), b"OK")
        equal("SIGTERM", c.stop(), 0)
    with Container(image(), *words) as c:
        equal("GET", c.ready().call("GET", "k"), b"v")
        equal("its place", os.path.isdir(image().root.path("data", "appendonlydir")), True)
        os.kill(c.first, signal.SIGKILL)
        c.proc.wait()
    with Container(image(), *words) as c:
        equal("after a kill", c.ready().call("GET", "k"), b"v")


@CASES.case
def other_programs_run():
    with Container(image(), "redis-cli", "--version") as c:
        status, said = c.wait()
        check(status == 0 and "redis-cli" in said, said)
    with Container(image(), "stet-server", "--version") as c:
        status, said = c.wait()
        check(status == 0 and "v=" in said, said)


if __name__ == "__main__":
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        print("skipped: container: needs root and debootstrap")
        sys.exit(0)
    if not os.environ.get("STET_IN_NAMESPACES"):
        make_base()
    enter_namespaces()
    try:
        status = run_words("container", CASES)
    finally:
        if BUILT:
            BUILT["root"].__exit__(None, None, None)
    sys.exit(status)
