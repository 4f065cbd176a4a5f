#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""guide - the commands of docs/replication.md for moving from Redis to stet and back, carried out as
they stand there (other ports), while a client writes: nothing that was acknowledged is missing."""
import os
import re
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import check, equal, need, run_words  # noqa: E402
from masters import Closed, Real, programs  # noqa: E402
from resp import Conn, ReplyError  # noqa: E402
from server import SERVER, Server, free_port  # noqa: E402

PAGE = os.path.join(HERE, "..", "..", "docs", "replication.md")


def blocks():
    """The shell commands of the page, by heading."""
    out = {}
    for part in open(PAGE).read().split("\n## ")[1:]:
        out[part.split("\n")[0]] = re.findall(r"```sh\n(.*?)```", part, re.S)
    return out


class Writer:
    """Counts up on whichever of the two takes writes."""

    def __init__(self, ports):
        self.ports, self.on, self.done = ports, True, 0
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        conns, at = {}, 0
        while self.on:
            port = self.ports[at % 2]
            try:
                if port not in conns:
                    conns[port] = Conn(port, timeout=20)
                conns[port].call("SET", "count", self.done + 1)
                self.done += 1
            except (OSError, Closed):
                conns.pop(port, None)
                at += 1
            except ReplyError:
                at += 1

    def end(self):
        self.on = False
        self.thread.join()


def shell(text, dir, ports):
    for old, new in ports.items():
        text = text.replace(old, str(new))
    text = text.replace("stet-server", "%s --dir %s --logfile %s/stet.log" % (SERVER, dir, dir))
    done = subprocess.run(["bash", "-euc", text], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=100)
    check(done.returncode == 0, done.stdout)
    return done.stdout


def to_stet_and_back():
    with Real(programs()["redis-7"]) as old, Server(start=False) as new:
        port = free_port()
        ports = {"6379": old.port, "6380": port}
        c = old.conn()
        c.pipeline([("SET", "k%d" % i, i) for i in range(1000)])
        page = blocks()
        writer = Writer([old.port, port])
        try:
            shell(page["Moving to stet without downtime"][0], new.dir, ports)
            there = Conn(port)
            shell(page["Moving back"][0], new.dir, ports)
        finally:
            writer.end()
        check(writer.done > 0, "the client wrote")
        equal("what was acknowledged last", int(old.conn().call("GET", "count")), writer.done)
        equal("keys", old.conn().call("DBSIZE"), 1002)
        equal("moved back", there.call("GET", "back"), b"yes")
        shell(page["Moving to stet without downtime"][1], new.dir, ports)
        equal("a master by itself", there.call("ROLE")[0], b"master")
        there.send(b"SHUTDOWN NOSAVE NOW\r\n")


if __name__ == "__main__":
    need("redis-server", "redis-cli")
    sys.exit(run_words("guide", {"to stet and back": to_stet_and_back}))
