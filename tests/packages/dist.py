#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""dist - the source tarball of `make dist`: the same bytes whenever and by whomever it is made, everything that git
has, and a tree that builds without git."""
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
from cases import Cases, check, equal, run_words  # noqa: E402
from server import ROOT, Failed, Server  # noqa: E402

CASES = Cases()
DIST = os.path.join(ROOT, "tools", "dist")


def run(*words, **more):
    p = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1800, check=False, **more)
    if p.returncode:
        raise Failed("%s: status %d:\n%s" % (" ".join(words), p.returncode, p.stdout[-2000:]))
    return p.stdout


def made_in(dir, **environment):
    run(DIST, dir, env={**os.environ, **environment})
    return os.path.join(dir, *os.listdir(dir))


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def version():
    return run("git", "show", "HEAD:VERSION", cwd=ROOT).strip()


@CASES.case
def same_bytes():
    """Two runs, with other time zones, languages and umasks."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        first = made_in(one, TZ="UTC", LC_ALL="C")
        before = os.umask(0o077)
        try:
            second = made_in(two, TZ="Asia/Tokyo", LC_ALL="C.UTF-8")
        finally:
            os.umask(before)
        equal("name", os.path.basename(first), "stet-%s.tar.gz" % version())
        equal("digest", digest(second), digest(first))


@CASES.case
def contents():
    """All files of the commit below one directory, owned by root, with the commit's time; nothing else."""
    with tempfile.TemporaryDirectory() as dir, tarfile.open(made_in(dir)) as t:
        top = "stet-%s/" % version()
        names = {m.name for m in t if not m.isdir()}
        of_git = set(run("git", "ls-tree", "-r", "--name-only", "-z", "HEAD", cwd=ROOT).split("\0")) - {""}
        equal("files", names, {top + n for n in of_git | {".revision"}})
        stamp = int(run("git", "log", "-1", "--format=%ct", cwd=ROOT))
        for m in t:
            equal(m.name, (m.uid, m.gid, m.mtime, m.mode & 0o022), (0, 0, stamp, 0))


@CASES.case
def builds():
    """`make` in the unpacked tree, inside another repository; the server knows its own commit."""
    with tempfile.TemporaryDirectory() as dir:
        sha = run("git", "rev-parse", "HEAD", cwd=ROOT)[:8]
        with tarfile.open(made_in(dir)) as t:
            t.extractall(dir)
        run("git", "init", "-q", dir)
        tree = os.path.join(dir, "stet-" + version())
        check(not os.path.exists(os.path.join(tree, ".git")), "the tarball has a .git")
        environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
        run("make", "-j2", "FLAVOUR=dev", "all", cwd=tree, env=environment)
        with Server(program=os.path.join(tree, "build", "dev", "stet-server")) as s:
            info = s.conn().call("INFO", "server").decode()
            check("redis_git_sha1:%s\r\n" % sha in info, info)


if __name__ == "__main__":
    sys.exit(run_words("dist", CASES))
