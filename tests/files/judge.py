# SPDX-License-Identifier: BSD-3-Clause
"""judge - starts a server on one damaged directory and compares what happens with what should."""
import glob
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from aof import fingerprint  # noqa: E402
from resp import Closed  # noqa: E402
from server import NO_LEAKS, Failed  # noqa: E402

PROBE = b"written:after:the:damage"


def cut_bytes(root):
    """The sizes of what a loader kept aside, together."""
    names = glob.glob(os.path.join(glob.escape(root), "**", "*.cut-*"), recursive=True)
    return sum(os.path.getsize(n) for n in names)


def log_tail(server):
    return " | ".join(server.log().strip().splitlines()[-3:])[-300:]


def refusal(server, why, expect_repair):
    """What is wrong with how the server refuses; why: "data", "manifest" or "rdb".

    expect_repair: False (no message is looked for), "offset", or "check-aof" as well.
    """
    before = fingerprint(server.dir)
    server.env = NO_LEAKS
    server.spawn()
    if server.wait_ready():
        server.kill()
        return ["starts, should be refused"]
    wrong, log = [], server.log()
    if server.proc.returncode != 1:
        wrong.append("exit status %s, should be 1" % server.proc.returncode)
    after = fingerprint(server.dir)
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            wrong.append("'%s' was %s" % (name, "changed" if name in before else "created"))
    if expect_repair:
        if "appendonly" not in log:
            wrong.append("the message names no file: " + log_tail(server))
        if why == "data" and "offset" not in log:
            wrong.append("the message tells no offset: " + log_tail(server))
        if expect_repair == "check-aof" and why == "data" and "check-aof" not in log:
            wrong.append("the message tells no repair command: " + log_tail(server))
    return wrong


def start(server, view, want):
    """Starts it; ([what is wrong], connection or None). view(conn) gives the contents."""
    server.spawn()
    if not server.wait_ready():
        return ["refused, should start: " + log_tail(server)], None
    conn = server.conn()
    got = view(conn)
    if want is None or got == want:
        return [], conn
    missing, extra = want.keys() - got.keys(), got.keys() - want.keys()
    changed = [k for k in want.keys() & got.keys() if want[k] != got[k]]
    return ["%d keys missing %.60r, %d too many %.60r, %d different %.60r" % (
        len(missing), sorted(missing)[:2], len(extra), sorted(extra)[:2], len(changed),
        changed[:2])], conn


def service(server, view, want, cut, keys=None):
    """What is wrong with how it starts; a write after the start must survive a kill -9."""
    wrong, conn = start(server, view, want)
    if not conn:
        return wrong
    if keys is not None and sum(1 for _ in view(conn)) != keys:
        wrong.append("%d keys, should be %d" % (len(view(conn)), keys))
    if cut is not None and cut_bytes(server.dir) != cut:
        wrong.append("%d bytes kept aside, should be %d" % (cut_bytes(server.dir), cut))
    try:
        held = view(conn)
        conn.call("SET", PROBE, "1")
        server.kill()
        again, conn = start(server, view, None)
        if not conn:
            return wrong + ["second start: " + again[0]]
        now = view(conn)
        if now.pop((0, PROBE), None) is None and now.pop((0, PROBE.decode()), None) is None:
            wrong.append("the write after the start is lost")
        if now != held:
            wrong.append("the second start has other contents")
    except (Closed, Failed) as e:
        wrong.append("then: %s" % e)
    return wrong
