#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""facts - the tables of compat/ against a running server: parameters and their defaults, INFO's
fields, the rows and the grammar of the commands in golden/commands.txt.
"""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "golden")]
from known import Table, names  # noqa: E402
from server import COMPAT, Server  # noqa: E402

# What the recording machine and its command line decided.
OF_THE_RECORDING = {"port", "dir", "logfile", "save", "bind", "pidfile", "dbfilename", "daemonize",
                    "enable-debug-command", "enable-protected-configs", "enable-module-command",
                    "maxclients", "proc-title-template", "always-show-logo", "loglevel",
                    "protected-mode", "unixsocket", "appendonly", "tls-port", "locale-collate"}
NOT_WANTED = {"Commandstats", "Latencystats", "Errorstats", "Keyspace", "Modules"}


def parameters(conn):
    with open(os.path.join(COMPAT, "config.json")) as f:
        want = json.load(f)
    flat = conn.call("CONFIG", "GET", "*")
    got = {flat[i].decode(): flat[i + 1].decode() for i in range(0, len(flat), 2)}
    for name, value in want.items():
        if name not in got:
            yield "parameter %s is missing" % name
        elif got[name] != value and name not in OF_THE_RECORDING:
            yield "parameter %s is '%s', should be '%s'" % (name, got[name], value)
        else:
            yield None


def info_fields(conn):
    with open(os.path.join(COMPAT, "info.json")) as f:
        want = json.load(f)
    text = conn.call("INFO", "everything").decode()
    sections = {}
    for line in text.split("\r\n"):
        if line.startswith("# "):
            here = sections.setdefault(line[2:], set())
        elif ":" in line:
            here.add(line.split(":")[0])
    for section in want.keys() - NOT_WANTED:
        for field in want[section]:
            if field in sections.get(section, ()):
                yield None
            else:
                yield "INFO %s lacks %s" % (section, field)


def row_facts(row):
    return {"arity": row[1], "flags": sorted(x.decode() for x in row[2]), "keys": row[3:6],
            "acl": sorted(x.decode() for x in row[6])}


def command_rows(conn):
    table = Table(COMPAT, names(os.path.join(HERE, "..", "golden", "commands.txt")))
    for name in sorted(table.names):
        _, want = table.row(name.split("|"))
        row = conn.call("COMMAND", "INFO", name)[0]
        if not row:
            yield "COMMAND INFO %s says nothing" % name
            continue
        got = row_facts(row)
        wrong = ["%s %s, should be %s" % (k, got[k], want[k]) for k in got
                 if got[k] != (sorted(want[k]) if k in ("flags", "acl") else want[k])]
        yield "COMMAND INFO %s: %s" % (name, "; ".join(wrong)) if wrong else None


def plain(value):
    """COMMAND DOCS as Python values: flat field lists become dicts."""
    if isinstance(value, list):
        keys = value[::2]
        fields = (b"name", b"group", b"arguments", b"summary", b"since")
        if value and len(value) % 2 == 0 and keys[0] in fields and all(
                isinstance(k, bytes) for k in keys):
            return {k.decode(): plain(v) for k, v in zip(keys, value[1::2])}
        return [plain(v) for v in value]
    return value.decode() if isinstance(value, bytes) else value


def same_arguments(want, got):
    if len(want or []) != len(got or []):
        return False
    for w, g in zip(want or [], got or []):
        for field in ("name", "type", "token", "key_spec_index"):
            if w.get(field) != g.get(field):
                return False
        if not same_arguments(w.get("arguments"), g.get("arguments")):
            return False
    return True


def command_docs(conn):
    with open(os.path.join(COMPAT, "grammar.json")) as f:
        want = json.load(f)
    listed = names(os.path.join(HERE, "..", "golden", "commands.txt"))
    for name in sorted(n for n in listed if "|" not in n and n in want):
        docs = conn.call("COMMAND", "DOCS", name)
        got = plain(docs[1]) if docs else {}
        if not got.get("summary"):
            yield "COMMAND DOCS %s has no summary" % name
        elif got.get("group") != want[name].get("group") or got.get("since") != want[name]["since"]:
            yield "COMMAND DOCS %s: group or since" % name
        elif not same_arguments(want[name].get("arguments"), got.get("arguments")):
            yield "COMMAND DOCS %s: arguments" % name
        else:
            yield None


def main():
    if not os.path.exists(os.path.join(COMPAT, "config.json")):
        print("skipped: no tables in %s (set STET_COMPAT)\nfacts: 0 passed, 0 failed" % COMPAT)
        return 0
    passed = failed = 0
    with Server() as s:
        conn = s.conn()
        for table in (parameters, info_fields, command_rows, command_docs):
            for wrong in table(conn):
                passed, failed = passed + (not wrong), failed + bool(wrong)
                if wrong:
                    print("FAIL " + wrong)
        s.stop()
    print("facts: %d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
