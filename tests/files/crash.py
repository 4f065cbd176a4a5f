#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""crash - damaged append-only directories: is each started or refused as persistence/README.md says?

  crash.py              the directories of recipes.py (strings only), then tests/data/damaged
  crash.py NAME...      only these
  crash.py --rdb        also those with functions, though the server knows none
A recorded directory that holds commands the server does not know yet is left out,
unless its manifest alone decides. Expected outcomes of those: expected_crash.json.
"""
import argparse
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from aof import Model, put  # noqa: E402
from cases import summary  # noqa: E402
from contents import snapshot, strings  # noqa: E402
from judge import refusal, service  # noqa: E402
from project import data_files, unknown_commands  # noqa: E402
from recipes import all_recipes, write  # noqa: E402
from data import load, unpacked  # noqa: E402
from server import CHECK_AOF, SERVER, Failed, Server, is_stet  # noqa: E402

DAMAGED = unpacked("damaged")
ARGS = ["--appendonly", "yes", "--aof-use-rdb-preamble", "no"]
NO_CUT = ["--aof-load-truncated", "no"]
BLIND = {"unknown-cmd", "bad-args"}  # what a check tool, which knows no commands, cannot see


def args_of(name):
    return ARGS + (NO_CUT if name in ("no-truncated", "torn-ts-no") else [])


def repair(name):
    """What the message of a refusal has to tell."""
    return is_stet(SERVER) and ("offset" if name in BLIND else "check-aof")


def check_tool(root, name, outcome):
    """Server and check tool must agree: valid if and only if it starts without a cut."""
    path = os.path.join(root, "appendonlydir", "appendonly.aof.manifest")
    if not os.path.exists(path) or name.startswith("single") or name in BLIND:
        return []
    done = subprocess.run([CHECK_AOF, path], capture_output=True, timeout=60)
    valid = done.returncode == 0
    if valid == (outcome == 0):
        return []
    return ["the check tool calls it %svalid: %.200s" % ("" if valid else "not ", done.stdout)]


def guarded(judge, *args):
    """What judge() says is wrong, a server that does not behave included."""
    try:
        return judge(*args)
    except Failed as e:
        return [str(e)[:1500]]


def recipe(name, files, commands, outcome):
    with Server(*args_of(name), start=False) as s:
        write(s.dir, files)
        wrong = check_tool(s.dir, name, outcome) if is_stet(SERVER) else []
        if isinstance(outcome, str):
            return wrong + refusal(s, outcome, repair(name))
        want = Model().run(commands).contents()
        return wrong + service(s, strings, want, outcome if is_stet(SERVER) else None)


def recorded(name, expect):
    with Server(*args_of(name), start=False) as s:
        put(os.path.join(DAMAGED, name), s.dir)
        if "refused" in expect:
            return refusal(s, expect["refused"], repair(name))
        cut = expect.get("cut", 0) if is_stet(SERVER) else None
        return service(s, snapshot, None, cut, expect["starts"])


def can_run(name, expect, probe, rdb):
    """Does the server know everything the directory holds?"""
    if "needs" in expect:
        return rdb
    if expect.get("refused") == "manifest" or name == "single-beside-base":
        return True
    with Server(start=False) as s:
        put(os.path.join(DAMAGED, "intact"), s.dir)
        return not unknown_commands(probe, data_files(s.dir))


def tell(failed, where, name, wrong):
    if wrong:
        print("FAIL %s %s" % (where, name))
        for line in wrong:
            print("    " + line)
    return failed + bool(wrong)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("names", nargs="*")
    p.add_argument("--rdb", action="store_true")
    a = p.parse_args()
    ran = failed = left_out = 0
    for name, files, commands, outcome in all_recipes():
        if not a.names or name in a.names:
            ran += 1
            failed = tell(failed, "strings", name, guarded(recipe, name, files, commands, outcome))
    table = load(HERE, "expected_crash.json")
    with Server() as probe:
        conn = probe.conn()
        has_functions = b"function" in conn.call("COMMAND", "LIST")  # their commands have some
        for name, expect in table.items():
            if a.names and name not in a.names:
                continue
            if not can_run(name, expect, conn, a.rdb or has_functions):
                left_out += 1
                continue
            ran += 1
            failed = tell(failed, "recorded", name, guarded(recorded, name, expect))
    return summary("damage", ran - failed, failed, ", %d left out" % left_out)


if __name__ == "__main__":
    sys.exit(main())
