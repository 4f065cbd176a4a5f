#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""secure - replication over TLS: chains of three with each way of reading and sending, links that end in the
handshake, new certificates meanwhile, and FAILOVER under load.

  secure.py           all
  secure.py chain     only the tests with this in their names
"""
import os
import shutil
import socket
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import Cases, ask, check, equal, need, run_words  # noqa: E402
from masters import FAST, link_up, same, wait_for, wait_info, write_some  # noqa: E402
from pairs import Writers  # noqa: E402
from resp import Closed, ReplyError  # noqa: E402
from server import SERVER, Server, free_port  # noqa: E402
from tls import Certs, TlsServer  # noqa: E402

CASES = Cases()
case = CASES.case
REDIS = shutil.which("redis-server")
KIT = os.path.join(HERE, "..", "kit")
KINDS = {"stet": SERVER, "threads": os.path.join(KIT, "threaded"), "epoll": os.path.join(KIT, "polled"), "redis": REDIS}
DIR = tempfile.mkdtemp(prefix="stet-tls-")
CERTS = Certs(DIR)
PAIR, OTHER = CERTS.pair("own"), CERTS.pair("other")


def secure(program=SERVER, *args, **kw):
    return TlsServer(CERTS, PAIR, "--tls-replication", "yes", "--repl-backlog-size", "256mb", *FAST, *args, program=program, **kw)


def follow(replica, master, seconds=60):
    c = replica.conn()
    c.call("REPLICAOF", "127.0.0.1", master.tls_port)
    link_up(c, seconds)
    return c


def partials(c):
    return int(c.info("stats")["sync_partial_ok"])


def chain_of(kinds, *args):
    """Full syncs, then links that end at each place, while clients write."""
    with secure(KINDS[kinds[0]], *args) as a, secure(KINDS[kinds[1]], *args) as b, secure(KINDS[kinds[2]], *args) as c:
        ac = a.conn()
        write_some(ac, 1, 2000)
        ac.call("SET", "big", os.urandom(3000000))
        w = Writers(a)
        bc = follow(b, a)
        cc = follow(c, b)
        for end, kind in (bc, "MASTER"), (ac, "REPLICA"), (cc, "MASTER"), (bc, "REPLICA"):
            before = partials(ac) + partials(bc)
            end.call("CLIENT", "KILL", "TYPE", kind)
            wait_for(lambda: partials(ac) + partials(bc) > before, "a partial sync after %s" % kind)
            link_up(bc, 60)
            link_up(cc, 60)
        w.end()
        same(ac, bc)
        same(bc, cc)
        equal("full syncs", (ac.info("stats")["sync_full"], bc.info("stats")["sync_full"]), ("1", "1"))


CHAINS = [("stet", "threads", "epoll"), ("threads", "epoll", "stet"), ("epoll", "stet", "threads"),
          ("redis", "threads", "redis"), ("threads", "redis", "epoll"), ("threads", "threads", "threads")]
for kinds in CHAINS:
    for how in (["--repl-diskless-load", "swapdb"], ["--repl-diskless-sync", "no", "--appendonly", "yes"]):
        CASES["a chain of %s %s" % (", ".join(kinds), how[-1])] = lambda k=kinds, h=how: chain_of(k, *h)


class Relay:
    """Passes bytes on; `cut` ends a connection after so many of them in both directions together."""

    def __init__(self, port):
        self.to, self.cut, self.links, self.ended = port, None, 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            self.links += 1
            far = socket.create_connection(("127.0.0.1", self.to))
            left = [self.cut if self.cut is not None else 1 << 60]
            for x, y in (near, far), (far, near):
                threading.Thread(target=self.pump, args=(x, y, left), daemon=True).start()

    def pump(self, x, y, left):
        try:
            while True:
                data = x.recv(min(4096, max(1, left[0])))
                left[0] -= len(data)
                if not data or left[0] < 0:
                    break
                y.sendall(data)
                if left[0] == 0:
                    break
        except OSError:
            pass
        for s in x, y:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.ended += 1

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def broken_in_the_handshake(kind):
    """After so many bytes of it. Then the link comes up."""
    with secure(KINDS[kind]) as m, secure(KINDS[kind]) as s:
        mc, sc = m.conn(), s.conn()
        write_some(mc, 1, 300)
        relay = Relay(m.tls_port)
        for cut in (0, 1, 5, 100, 300, 700, 1500, 1700, 2000, 2200, 2500, 3000, 4000):
            relay.cut = cut
            seen = relay.links
            sc.call("REPLICAOF", "127.0.0.1", relay.port)
            wait_for(lambda: relay.links > seen, "a connection")
            wait_info(sc, "master_link_status", lambda v: v == "down", "replication")
            wait_for(lambda: relay.ended == 2 * relay.links, "its end")
            sc.call("REPLICAOF", "NO", "ONE")
        relay.cut = 1500
        sc.call("REPLICAOF", "127.0.0.1", relay.port)
        seen = relay.links
        wait_for(lambda: relay.links > seen + 1, "it is tried again")
        relay.cut = None
        link_up(sc)
        same(mc, sc)
        relay.close()
        wait_info(mc, "connected_slaves", lambda v: v == "1", "replication")
        for c in mc, sc:
            lines = c.call("CLIENT", "LIST").decode().splitlines()
            check(len(lines) < 5, "sessions of ended links: %s" % lines)


for kind in "stet", "threads", "epoll":
    CASES["a link that breaks in the handshake, %s" % kind] = lambda k=kind: broken_in_the_handshake(k)


def silent_in_the_handshake(kind):
    """A master that accepts and says nothing; then one that is no TLS."""
    with socket.create_server(("127.0.0.1", 0)) as nobody, secure(KINDS[kind]) as m, \
            secure(KINDS[kind], "--repl-timeout", "2") as s:
        sc = s.conn()
        sc.call("REPLICAOF", "127.0.0.1", nobody.getsockname()[1])
        nobody.accept()
        s.wait_log("Timeout connecting to the MASTER")
        sc.call("REPLICAOF", "127.0.0.1", m.port)  # its plain port
        s.wait_log("Error condition on socket for SYNC")
        sc.call("REPLICAOF", "127.0.0.1", m.tls_port)
        link_up(sc)


for kind in "stet", "threads", "epoll":
    CASES["a silent master and a plain one, %s" % kind] = lambda k=kind: silent_in_the_handshake(k)


def new_certificates(kind):
    """The link stays; a new one uses the new files; a wrong authority is refused, and the old one comes back."""
    stranger = Certs(tempfile.mkdtemp(dir=DIR), "stranger")
    with secure(KINDS[kind]) as m, secure(KINDS[kind]) as s:
        mc, sc = m.conn(), s.conn()
        follow(s, m)
        w = Writers(m)
        for i in range(6):
            pair = (PAIR, OTHER)[i % 2]
            for c in mc, sc:
                c.call("CONFIG", "SET", "tls-cert-file", pair[0], "tls-key-file", pair[1])
            if i % 3 == 0:
                before = partials(mc)
                sc.call("CLIENT", "KILL", "TYPE", "master")
                wait_for(lambda: partials(mc) > before, "a partial sync")
        link_up(sc)
        sc.call("CONFIG", "SET", "tls-ca-cert-file", stranger.ca)
        check(sc.info("replication")["master_link_status"] == "up", "the link stays")
        sc.call("CLIENT", "KILL", "TYPE", "master")
        s.wait_log("Error condition on socket for SYNC")
        sc.call("CONFIG", "SET", "tls-ca-cert-file", CERTS.ca)
        link_up(sc)
        w.end()
        same(mc, sc)
        equal("full syncs", mc.info("stats")["sync_full"], "1")


for kind in "stet", "threads", "epoll":
    CASES["new certificates, %s" % kind] = lambda k=kind: new_certificates(k)


def handed_over(kinds, rounds=12):
    """FAILOVER to and fro while clients write to both: an acknowledged counter never goes back."""
    names = [KINDS[k] for k in kinds]
    with secure(names[0]) as a, secure(names[1]) as b:
        follow(b, a)
        on, counts, failed = [True], [0, 0], []

        def count(i):
            at = 0
            while on[0]:
                for s in a, b:
                    try:
                        c = s.conn(timeout=20)
                        while on[0]:
                            got = c.call("INCR", "counter:%d" % i)
                            if got <= at:
                                failed.append("counter %d: %d after %d" % (i, got, at))
                            at = counts[i] = got
                    except (ReplyError, Closed, OSError):
                        pass
        threads = [threading.Thread(target=count, args=(i,), daemon=True) for i in range(2)]
        for t in threads:
            t.start()
        now, then = a, b
        for i in range(rounds):
            oc, nc = now.conn(), then.conn()
            wait_info(oc, "slave0", lambda v: "state=online" in v, "replication")
            words = ("FAILOVER", "TO", "127.0.0.1", then.tls_port, "TIMEOUT", "20000") if i % 2 else ("FAILOVER",)
            if i % 3 == 2:  # aborted at once: either it was done, or nothing was
                oc.pipeline([words, ("FAILOVER", "ABORT")])
            else:
                equal(" ".join(map(str, words)), ask(oc, *words), b"OK")
            wait_for(lambda: oc.info("replication")["master_failover_state"] == "no-failover", "its end")
            if i % 3 == 2 and oc.info("replication")["role"] == "master":
                link_up(nc, 60)
                continue
            link_up(oc, 60)
            now, then = then, now
        on[0] = False
        for t in threads:
            t.join(30)
        check(not failed, "; ".join(failed[:5]))
        nc, oc = now.conn(), then.conn()
        equal("counters", [int(nc.call("GET", "counter:%d" % i)) >= counts[i] for i in range(2)], [True, True])
        check(min(counts) > 10, "clients that count: %s" % counts)
        same(nc, oc)
        equal("full syncs", sum(int(c.info("stats")["sync_full"]) for c in (nc, oc)), 1)
        return "counted %s" % counts


for kinds in ("threads", "threads"), ("stet", "epoll"), ("threads", "redis"):
    CASES["handed over, %s" % ", ".join(kinds)] = lambda k=kinds: handed_over(k)


if __name__ == "__main__":
    need("redis-server", "openssl")
    try:
        status = run_words("secure", CASES, before="ok   ")
    finally:
        shutil.rmtree(DIR, ignore_errors=True)
    sys.exit(status)
