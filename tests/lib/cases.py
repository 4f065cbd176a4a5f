# SPDX-License-Identifier: BSD-3-Clause
"""cases - the named tests of a program: what they check with, and the loop that runs and counts them."""
import argparse
import shutil
import sys
import time
import traceback

from resp import ReplyError
from server import SERVER, Failed, is_stet


PACKAGES = {"redis-server": "redis-server", "redis-cli": "redis-tools", "redis-benchmark": "redis-tools",
            "redis-sentinel": "redis-sentinel",
            "redis-check-aof": "redis-tools", "redis-check-rdb": "redis-tools", "openssl": "openssl",
            "prometheus-redis-exporter": "prometheus-redis-exporter", "spin": "spin", "node": "nodejs"}


def need(*programs):
    """Ends the suite, as one that failed, if a program that it runs is not installed."""
    missing = [p for p in programs if not shutil.which(p)]
    for p in missing:
        print("FAIL missing: %s (Debian: %s; tools/setup --test installs it)" % (p, PACKAGES[p]))
    if missing:
        sys.exit(1)


def check(ok, what):
    if not ok:
        raise Failed(what)


def equal(what, got, want):
    if got != want:
        raise Failed("%s: %r, should be %r" % (what, got, want))


def ask(conn, *args):
    """The reply, the text of an error too."""
    try:
        return conn.call(*args)
    except ReplyError as e:
        return str(e)


def summary(suite, passed, failed, more=""):
    """Prints the line that tests/run reads; returns the exit status. A suite that ran nothing has failed."""
    if passed + failed == 0:
        print("FAIL %s: no case ran" % suite)
    print("%s: %d passed, %d failed%s" % (suite, passed, failed, more))
    return 0 if passed and not failed else 1


class Cases(dict):
    """{name: function}: `case` marks the functions of a file that are cases, in their order."""
    def case(self, f):
        self[f.__name__] = f
        return f


def run(suite, cases, before=""):
    """Runs {name: function} and prints the counts; `before` stands before the names of those that
    passed and had something to say. Returns the exit status."""
    passed = failed = 0
    for name, case in cases.items():
        at = time.monotonic()
        try:
            said = case()
            passed += 1
            if said:
                print("%s%s: %s (%.1f s)" % (before, name, said, time.monotonic() - at), flush=True)
        except Exception as e:
            failed += 1
            where = "".join(traceback.format_tb(e.__traceback__)[1:])
            print("FAIL %s: %s: %.2000s\n%s" % (name, type(e).__name__, e, where), flush=True)
    return summary(suite, passed, failed)


def run_words(suite, cases, before=""):
    """run(), for `PROGRAM [WORD...]`: only the cases with one of the words in their names."""
    words = sys.argv[1:]
    return run(suite, {n: c for n, c in cases.items() if not words or any(w in n for w in words)}, before)


def run_only(suite, cases):
    """run(), for `PROGRAM [--only NAME]` and what only stet has."""
    a = argparse.ArgumentParser()
    a.add_argument("--only", choices=cases)
    only = a.parse_args().only
    return run(suite, {n: c for n, c in cases.items() if is_stet(SERVER) and only in (None, n)})
