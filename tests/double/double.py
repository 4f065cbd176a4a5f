#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""double - the example projects beside this file: the tests of an application in six languages, with stet as its server.

  double.py           all of them
  double.py rspec     only those with this in their names

Each is copied into a temporary directory, and the package of its language is installed there (tests/packages/install.py).
No example sleeps: time is moved, and a blocked worker is waited for, by TEST commands.
"""
import os
import re
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "packages"), os.path.join(HERE, "..", "lib")]
import install  # noqa: E402
from cases import Cases, check, run_words  # noqa: E402
from install import NPM, PYTHON, RUBY, environment, run  # noqa: E402

CASES = Cases()
case = CASES.case
SLEEPS = re.compile(r"\bu?sleep\b|setTimeout|\btime\.After\b|waitForTimeout", re.I)


def project(dir, name):
    shutil.copytree(os.path.join(HERE, name), dir, dirs_exist_ok=True)
    return dir


def ran(said, pattern, least):
    """The runner's own count of tests that passed."""
    said = re.sub(r"\x1b\[[0-9;]*m", "", said)
    found = re.search(pattern, said)
    check(found and int(found[1]) >= least, "not %d tests passed:\n%s" % (least, said[-3000:]))
    return "%s tests" % found[1]


def with_npm(dir, *others):
    """node_modules with stet, and links to what tests/double/package.json names."""
    install.npm(dir)
    installed, here = os.path.join(NPM, "node_modules"), os.path.join(dir, "node_modules")
    check(os.path.isdir(installed), "no '%s'; tools/setup --clients installs it" % installed)
    for name in others:
        os.symlink(os.path.join(installed, name), os.path.join(here, name))


def temporary():
    return tempfile.TemporaryDirectory(prefix="stet-double-")


@case
def vitest():
    with temporary() as dir:
        project(dir, "vitest")
        with_npm(dir, "vitest", "ioredis")
        return ran(run("node", os.path.join(NPM, "node_modules", "vitest", "vitest.mjs"), "run", cwd=dir),
                   r"Tests +(\d+) passed \(\1\)", 10)


@case
def jest():
    with temporary() as dir:
        project(dir, "jest")
        shutil.copy(os.path.join(HERE, "vitest", "app.cjs"), dir)
        shutil.copy(os.path.join(dir, "package.json"), os.path.join(dir, "kept.json"))
        with_npm(dir, "ioredis")
        shutil.move(os.path.join(dir, "kept.json"), os.path.join(dir, "package.json"))
        return ran(run("node", os.path.join(NPM, "node_modules", "jest", "bin", "jest.js"), "--rootDir", dir, cwd=dir),
                   r"Tests: +(\d+) passed, \1 total", 2)


@case
def pytest():
    with temporary() as dir, temporary() as packages:
        project(dir, "pytest")
        install.wheel(packages)
        return ran(run(PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=dir, env=environment(PYTHONPATH=packages)),
                   r"^(?:.*\n)*(\d+) passed in", 10)


@case
def phpunit():
    with temporary() as dir:
        project(dir, "phpunit")
        install.composer(dir)
        return ran(run("phpunit", cwd=dir), r"OK \((\d+) tests", 8)


@case
def rspec():
    with temporary() as dir, temporary() as gems:
        project(dir, "rspec")
        install.gem(gems)
        path = gems + ":" + run(RUBY, "-e", "puts Gem.path.join(':')").strip()
        return ran(run("rspec", "app_spec.rb", cwd=dir, env=environment(GEM_PATH=path)), r"(\d+) examples, 0 failures", 8)


@case
def go():
    with temporary() as dir:
        project(dir, "go")
        install.go(dir)
        said = run("go", "test", "-v", "./...", cwd=dir, env=install.go_env(dir))
        return ran("%d passed" % said.count("--- PASS"), r"(\d+) passed", 8)


@case
def junit():
    with temporary() as dir:
        here = os.path.join(HERE, "junit")
        return ran(install.junit(dir, os.path.join(here, "App.java"), os.path.join(here, "AppTest.java")),
                   r"(\d+) tests successful", 8)


@case
def no_example_sleeps():
    n = 0
    for where, _, names in os.walk(HERE):
        for name in names:
            path = os.path.join(where, name)
            if path == os.path.abspath(__file__) or name == "package.json" or name.endswith(".pyc"):
                continue
            n += 1
            for i, line in enumerate(open(path), 1):
                check(not SLEEPS.search(re.sub(r"(#|//|/?\*).*", "", line)), "%s:%d sleeps: %s" % (path, i, line.strip()))
    check(n > 12, "only %d files" % n)


if __name__ == "__main__":
    sys.exit(run_words("double-projects", CASES, "held "))
