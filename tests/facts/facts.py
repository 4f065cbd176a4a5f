#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""facts - the tables of tests/data against a running server, row by row: every parameter with its
default, every field of INFO, every command and subcommand with all that COMMAND INFO and COMMAND
DOCS say of it. What is left out stands in a table here; everything else that is missing fails.

Each parameter is also set to a number of values on both servers, the other is
redis-server 7.0: what one takes and refuses, and in which words, so does and says the other.
"""
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
from cases import need, summary  # noqa: E402
from resp import ReplyError  # noqa: E402
from data import load  # noqa: E402
from server import Server  # noqa: E402


# Where the tables, of 7.4, differ from 7.2, which the transcripts were recorded from.
OF_7_4 = {"sinterstore": lambda row: row["key_specs"][0].update(flags=["RW", "update"])}

# What the recording machine and its command line decided.
OF_THE_RECORDING = {"port", "dir", "logfile", "save", "bind", "pidfile", "dbfilename", "daemonize",
                    "enable-debug-command", "enable-protected-configs", "enable-module-command",
                    "maxclients", "proc-title-template", "always-show-logo", "loglevel",
                    "protected-mode", "unixsocket", "appendonly", "tls-port", "locale-collate"}

# Sections whose lines depend on what was asked before.
BY_USE = {"Commandstats": "cmdstat_", "Latencystats": "latency_percentiles_usec_"}


def plain(value):
    return [plain(v) for v in value] if isinstance(value, list) else (
        {plain(k): plain(v) for k, v in value.items()} if isinstance(value, dict) else
        value.decode() if isinstance(value, bytes) else value)


def parameters(conn):
    got = plain(conn.call("CONFIG", "GET", "*"))
    for name, value in load("config.json").items():
        if name not in got:
            yield "parameter %s is missing" % name
        elif got[name] != value and name not in OF_THE_RECORDING:
            yield "parameter %s is '%s', should be '%s'" % (name, got[name], value)
        else:
            yield None


def info_fields(conn):
    conn.call("COMMAND", "DOCS", "get")
    conn.call("CONFIG", "GET", "port")
    sections = {}
    for line in conn.call("INFO", "everything").decode().split("\r\n"):
        if line.startswith("# "):
            here = sections.setdefault(line[2:], set())
        elif ":" in line:
            here.add(line.split(":")[0])
    for section, fields in load("info.json").items():
        if section not in sections:
            yield "INFO has no section %s" % section
            continue
        if section in BY_USE:
            fields = [BY_USE[section] + name for name in ("config|get", "command|docs")]
        for field in fields:
            yield None if field in sections[section] else "INFO %s lacks %s" % (section, field)


# ---- COMMAND INFO

ROW = ("arity", "flags", "first", "last", "step", "acl", "tips", "key_specs", "subcommands")


def in_order(specs):
    return [{**s, "flags": sorted(s["flags"])} for s in specs]


def same_row(name, want, row):
    """Yields what is wrong with a row (as COMMAND INFO gives it), and with its subcommands."""
    got = dict(zip(ROW, row[1:]))
    facts = {"arity": got["arity"], "flags": sorted(got["flags"]), "acl": sorted(got["acl"]),
             "keys": [got["first"], got["last"], got["step"]], "tips": sorted(got["tips"]),
             "key_specs": in_order(got["key_specs"])}
    should = {"arity": want["arity"], "flags": sorted(want["flags"]), "acl": sorted(want["acl"]),
              "keys": want["keys"], "tips": sorted(want["tips"]),
              "key_specs": in_order(want["key_specs"])}
    wrong = ["%s %s, should be %s" % (k, facts[k], should[k]) for k in should
             if facts[k] != should[k]]
    yield "COMMAND INFO %s: %s" % (name, "; ".join(wrong)) if wrong else None
    subs = {s[0].split("|")[1]: s for s in got["subcommands"]}
    for sub, row in want.get("subcommands", {}).items():
        if sub in subs:
            yield from same_row("%s|%s" % (name, sub), row, subs[sub])
        else:
            yield "COMMAND INFO %s has no %s" % (name, sub)


def command_rows(conn):
    rows = {row[0]: row for row in plain(conn.call("COMMAND"))}
    for name, want in load("commands.json").items():
        if name in OF_7_4:
            OF_7_4[name](want)
        if name in rows:
            yield from same_row(name, want, rows[name])
        else:
            yield "COMMAND lacks %s" % name


# ---- COMMAND DOCS

ARGUMENT = ("name", "type", "token", "key_spec_index", "display_text", "since",
            "deprecated_since")
DOCS = ("group", "since", "deprecated_since", "replaced_by")


def same_arguments(where, want, got):
    """Yields where two lists of arguments differ."""
    if len(want) != len(got):
        yield "%s: %d arguments, should be %d" % (where, len(got), len(want))
        return
    for w, g in zip(want, got):
        at = "%s %s" % (where, w["name"])
        for field in ARGUMENT:
            if w.get(field) != g.get(field):
                yield "%s: %s is %s, should be %s" % (at, field, g.get(field), w.get(field))
        if sorted(w.get("flags", [])) != sorted(g.get("flags", [])):
            yield "%s: flags %s, should be %s" % (at, g.get("flags"), w.get("flags"))
        yield from same_arguments(at, w.get("arguments", []), g.get("arguments", []))


def same_docs(name, want, got):
    wrong = ["%s is %s, should be %s" % (f, got.get(f), want.get(f)) for f in DOCS
             if got.get(f) != want.get(f)]
    if sorted(want.get("doc_flags", [])) != sorted(got.get("doc_flags", [])):
        wrong.append("doc_flags %s, should be %s" % (got.get("doc_flags"), want["doc_flags"]))
    if not got.get("summary"):
        wrong.append("no summary")
    wrong += same_arguments("arguments", want.get("arguments", []), got.get("arguments", []))
    yield "COMMAND DOCS %s: %s" % (name, "; ".join(wrong)) if wrong else None
    for sub, docs in want.get("subcommands", {}).items():
        full = "%s|%s" % (name, sub)
        if full in got.get("subcommands", {}):
            yield from same_docs(full, docs, got["subcommands"][full])
        else:
            yield "COMMAND DOCS %s has no %s" % (name, sub)


def command_docs(conn):
    docs = plain(conn.call("COMMAND", "DOCS"))
    for name, want in load("grammar.json").items():
        if name in docs:
            yield from same_docs(name, want, docs[name])
        else:
            yield "COMMAND DOCS lacks %s" % name


# ---- the values that parameters take

VALUES = ("", "abc", "0", "1", "-1", "5", "100", "2kb", "0x10", "1.5", "10%", "yes", "NO", "local",
          "1024", "99999999999", "99999999999999999999", "a b")

# They decide how the test itself is heard, or where files go; or their values are of the machine.
# TLS has its own suite; loglevel knows a word more since 7.2.
NOT_SET = {"loglevel", "tls-cluster", "tls-replication", "port", "tls-port", "bind", "unixsocket", "dir", "logfile", "dbfilename", "save",
           "maxclients", "maxmemory", "requirepass", "timeout", "daemonize", "aclfile",
           "proc-title-template", "maxmemory-clients", "syslog-enabled"}


def reply(conn, *words):
    try:
        return plain(conn.call(*words))
    except ReplyError as e:
        return str(e)


# Words of a list that only later servers have, as an error lists them.
LATER_WORDS = {"shutdown-on-sigint": ", safe, failover", "shutdown-on-sigterm": ", safe, failover",
               "maxmemory-policy": ", volatile-lrm, allkeys-lrm"}


def settings(conn, other):
    """Sets each parameter that both servers list."""
    for name in sorted(reply(conn, "CONFIG", "GET", "*")):
        if name in NOT_SET or not reply(other, "CONFIG", "GET", name):
            continue
        before = [reply(c, "CONFIG", "GET", name)[name] for c in (conn, other)]
        for value in (*VALUES, before[1]):
            got, want = [(reply(c, "CONFIG", "SET", name, value), reply(c, "CONFIG", "GET", name))
                         for c in (conn, other)]
            for c, old in zip((conn, other), before):
                reply(c, "CONFIG", "SET", name, old)
            if str(got[0]).replace(LATER_WORDS.get(name, "\n"), "") != want[0]:
                yield "CONFIG SET %s '%s': %s, should be %s" % (name, value, got[0], want[0])
            elif got[0] == "OK" and got[1] != want[1]:
                yield "CONFIG GET %s: %s, should be %s" % (name, got[1], want[1])
            else:
                yield None


def main():
    need("redis-server")
    passed = failed = 0

    def tell(results):
        nonlocal passed, failed
        for wrong in results:
            passed, failed = passed + (not wrong), failed + bool(wrong)
            if wrong:
                print("FAIL " + wrong)

    with Server() as s:
        conn = s.conn(proto=3)
        for compare in (parameters, info_fields, command_rows, command_docs):
            tell(compare(conn))
        with Server(program=shutil.which("redis-server")) as r:
            tell(settings(conn, r.conn(proto=3)))
        s.stop()
    return summary("facts", passed, failed)


if __name__ == "__main__":
    sys.exit(main())
