#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""load - starts the server on every append-only directory without an RDB part that a real server
wrote (tests/data/servers, */aof-plain) and compares the contents with what that server said it held.

A server that does not know all the commands in there gets what is left without them (project.py).
  load.py [--only redis-2.8.24] [--no-encodings] [--strings]
"""
import argparse
import collections
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "golden")]
from aof import put  # noqa: E402
from cases import summary  # noqa: E402
from contents import differences, recorded, snapshot  # noqa: E402
from known import Table, names  # noqa: E402
from project import STRUCTURE, Projection, data_files, unknown_commands  # noqa: E402
from data import load, unpacked  # noqa: E402
from server import Failed, Server  # noqa: E402

FILES = unpacked("servers")


def expected(version):
    folder = os.path.join(FILES, version)
    content = load(os.path.join(folder, "aof-plain", "content.json"))
    loaded = load(os.path.join(folder, "loaded.json"))["files"].get("aof-plain")
    return recorded(content, loaded)


def one(version, probe, table, a):
    """(lines that say what is wrong, what was compared, commands left out)"""
    want = expected(version)
    with Server("--appendonly", "yes", start=False) as s:
        put(os.path.join(FILES, version, "aof-plain"), s.dir)
        files = data_files(s.dir)
        unknown = unknown_commands(probe, files)
        if a.strings:
            unknown |= set(table.all) - table.names - STRUCTURE
        p = Projection(table, unknown)
        for f in files if unknown else ():
            p.apply(f)
        at = time.time() * 1000
        s.start()
        with_types = {"string"} if unknown else None
        got = snapshot(s.conn(), with_types)
        s.stop()
    want = {k: v for k, v in want.items() if not p.is_stale(k[1])}
    got = {k: v for k, v in got.items() if not p.is_stale(k[1])}
    if unknown:
        want = {k: v for k, v in want.items() if v["type"] == "string"}
    kinds = collections.Counter(v["type"] for v in want.values())
    return differences(want, got, at, not a.no_encodings), kinds, p.dropped


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--only")
    a.add_argument("--no-encodings", action="store_true")
    a.add_argument("--strings", action="store_true", help="leave out all but golden/commands.txt")
    a = a.parse_args()
    versions = [v for v in sorted(os.listdir(FILES))
                if os.path.isdir(os.path.join(FILES, v, "aof-plain")) and a.only in (None, v)]
    failed = 0
    table = Table(names(os.path.join(HERE, "..", "golden", "commands.txt")))
    with Server() as probe:
        conn = probe.conn()
        for version in versions:
            try:
                wrong, kinds, dropped = one(version, conn, table, a)
            except Failed as e:
                wrong, kinds, dropped = [str(e)], {}, 0
            failed += bool(wrong)
            print("%-16s %s  keys: %s%s" % (
                version, "FAIL" if wrong else "ok",
                " ".join("%s %d" % x for x in sorted(kinds.items())),
                "  (%d commands left out)" % dropped if dropped else ""))
            for line in wrong[:8]:
                print("    " + line)
    return summary("load", len(versions) - failed, failed)


if __name__ == "__main__":
    sys.exit(main())
