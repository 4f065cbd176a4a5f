#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""port - the HTTP port as such: health, the password, and peers that do not behave.

  port.py [WORD...]   only the cases with one of the words in their names
"""
import os
import re
import resource
import socket
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import Cases, check, equal, run_words  # noqa: E402
from resp import Closed  # noqa: E402
from server import Server, free_port, wait_for  # noqa: E402
from web import Web, get, serve  # noqa: E402

cases = Cases()
case = cases.case
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def used_memory(s):
    return int(s.conn().info("memory")["used_memory"])


def ended(sock):
    """The peer has closed or reset the connection."""
    try:
        while sock.recv(65536):
            pass
    except ConnectionError:
        pass
    return True


@case
def off_by_default():
    with Server() as s:
        equal("http-port", s.conn().call("CONFIG", "GET", "http-port")[1], b"0")
        check("http" not in s.log().split("Configured to listen on:")[1].split("\n")[0], "it listens")


@case
def health_and_readiness():
    with serve() as (s, port):
        equal("healthz", get(port, "/healthz")[::2], (200, b"ok\n"))
        equal("readyz", get(port, "/readyz")[::2], (200, b"ready\n"))
        equal("another path", get(port, "/nothing")[0], 404)
        check("http 127.0.0.1 port %d" % port in s.log(), "the log does not say where it listens")


@case
def not_ready_has_a_reason():
    with serve("--save", "3600 1", "--dbfilename", "x.rdb", "--sandbox", "no") as (s, port):
        c = s.conn()
        os.mkdir(os.path.join(s.dir, "x.rdb"))
        c.call("SET", "k", "v")
        c.call("BGSAVE")
        wait_for(lambda: b"rdb_last_bgsave_status:err" in c.call("INFO", "persistence"), "a save that fails")
        status, _, text = get(port, "/readyz")
        equal("status", status, 503)
        check(text.startswith(b"MISCONF "), text)
        equal("it is alive", get(port, "/healthz")[0], 200)
        os.rmdir(os.path.join(s.dir, "x.rdb"))
        c.call("BGSAVE")
        wait_for(lambda: get(port, "/readyz")[0] == 200, "ready again")


@case
def a_replica_without_its_master_is_not_ready():
    with serve("--replicaof", "127.0.0.1 %d" % free_port()) as (_, port):
        equal("readyz", get(port, "/readyz")[::2], (503, b"The link to the master is down.\n"))


@case
def while_it_loads():
    with Server("--appendonly", "yes", "--enable-debug-command", "yes") as first:
        first.conn().call("DEBUG", "POPULATE", "1000000")
        first.kill()
        port = free_port()
        with Server("--appendonly", "yes", "--http-port", str(port), dir=first.dir, start=False) as again:
            again.spawn()
            seen = {}
            while 200 not in seen:
                status, _, text = get(port, "/readyz", may_fail=True)
                seen[status] = text
                check(again.running(), again.log())
            check(seen.get(503, b"").startswith(b"LOADING "), "never not ready: %r" % seen)


@case
def the_password():
    with serve("--http-password", "geheim") as (s, port):
        c = s.conn()
        status, head, _ = get(port, "/metrics")
        equal("without one", status, 401)
        check("basic" in head["www-authenticate"].lower(), head)
        equal("a wrong one", get(port, "/metrics", password="gehein")[0], 401)
        equal("the right one", get(port, "/metrics", password="geheim")[0], 200)
        equal("health needs none", get(port, "/healthz")[0], 200)
        c.call("CONFIG", "SET", "http-password", "anders")
        equal("the old one", get(port, "/metrics", password="geheim")[0], 401)
        equal("the new one", get(port, "/metrics", password="anders")[0], 200)
        check("geheim" not in s.log() and "anders" not in s.log(), "the log shows the password")


@case
def another_site_cannot_ask_by_its_own_name():
    """DNS rebinding: a name that leads to 127.0.0.1 is refused where the loopback is all the protection."""
    def by(host, path="/metrics", *more):
        with Web(port) as w:
            return w.ask(b"GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (path.encode(), host, b"".join(more)))[0]
    with serve() as (s, port):
        for path in ("/metrics", "/", "/events"):
            equal(path, by(b"evil.example:80", path), 403)
        for host in (b"127.0.0.1:%d" % port, b"localhost", b"LOCALHOST:1", b"[::1]:%d" % port):
            equal(host, by(host), 200)
        equal("health", by(b"evil.example", "/healthz"), 200)
        s.conn().call("CONFIG", "SET", "http-password", "x")
        equal("with the password", by(b"redis.internal", "/metrics", b"Authorization: Basic OjphOng=\r\n"), 401)
        equal("with the right one", by(b"redis.internal", "/metrics", b"Authorization: Basic YTp4\r\n"), 200)


@case
def a_connection_serves_many_requests():
    with serve() as (_, port), Web(port) as w:
        for _ in range(3):
            equal("status", w.ask(GET)[0], 200)
        w.send(GET * 3)  # three at once are answered in order
        for _ in range(3):
            equal("pipelined", w.answer()[0], 200)
        head = w.ask(GET.replace(b"GET", b"HEAD"), has_body=False)
        equal("HEAD", (head[0], head[1]["content-length"]), (200, "3"))
        equal("after HEAD", w.ask(GET)[0], 200)
        for i in range(len(GET)):
            w.send(GET[i:i + 1])  # byte by byte
        equal("in pieces", w.answer()[0], 200)


@case
def what_is_no_request_is_refused_and_closed():
    with serve() as (_, port):
        for text, status in ((b"\0" * 9000, 431), (b"A" * 9000, 431), (b"GET / HTTP/1.1\r\n\r\n", 400),
                             (b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nabcd", 405),
                             (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"x: y\r\n" * 100 + b"\r\n", 431),
                             (b"*1\r\n$4\r\nPING\r\n\r\n", 400), (b"\x16\x03\x01\x02\0\x01\r\n\r\n", 400)):
            with Web(port) as w:
                equal("%r" % text[:20], w.ask(text)[0], status)
                check(ended(w.sock), "it stays open")
        equal("others are served", get(port, "/healthz")[0], 200)


@case
def many_connections_cost_bounded_memory():
    with serve() as (s, port):
        before = used_memory(s)
        held = []
        for i in range(400):
            sock = socket.create_connection(("127.0.0.1", port))
            sock.sendall(b"GET /healthz HTTP/1.1\r\nx: " + b"y" * 8000)
            held.append(sock)
            if i % 50 == 0:
                equal("another one meanwhile", get(port, "/healthz")[0], 200)
        equal("in the end", get(port, "/healthz")[0], 200)
        equal("a client", s.conn().call("PING"), b"PONG")
        check(used_memory(s) - before < 4 << 20, "they hold %d bytes" % (used_memory(s) - before))
        for sock in held:
            sock.close()


@case
def peers_that_do_not_read_cost_bounded_memory():
    with serve() as (s, port):
        before = used_memory(s)
        slow = []
        for _ in range(8):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            sock.connect(("127.0.0.1", port))
            sock.setblocking(False)
            many = GET.replace(b"/healthz", b"/metrics") * 100
            try:
                while sock.send(many) == len(many):
                    pass
            except BlockingIOError:
                pass
            slow.append(sock)
        equal("others are served", get(port, "/healthz")[0], 200)
        check(used_memory(s) - before < 8 << 20, "they hold %d bytes" % (used_memory(s) - before))


@case
def a_slow_request_is_ended():
    with serve() as (_, port):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.settimeout(0.5)

        def dripped():
            try:
                sock.sendall(b"G")
                return sock.recv(1) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True
        wait_for(dripped, "the end of a request that takes for ever")


@case
def no_descriptor_is_left():
    """A connection is turned away, instead of waiting while the loop spins."""
    with serve() as (s, port):
        c = s.conn()
        c.call("PING")
        open_ones = set(map(int, os.listdir("/proc/%d/fd" % s.proc.pid)))
        soft, hard = resource.prlimit(s.proc.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(s.proc.pid, resource.RLIMIT_NOFILE, (max(open_ones) + 1, hard))
        taken = []
        try:
            while True:  # the free numbers below
                taken.append(s.conn())
                taken[-1].call("PING")
        except (Closed, OSError):
            pass
        with Web(port) as w:
            w.sock.settimeout(20)
            check(ended(w.sock), "it waits")
        equal("a client", c.call("PING"), b"PONG")
        resource.prlimit(s.proc.pid, resource.RLIMIT_NOFILE, (soft, hard))
        wait_for(lambda: get(port, "/healthz", may_fail=True)[0] == 200, "it serves again")


class FewFiles(Server):
    def in_child(self):
        super().in_child()
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))


@case
def its_connections_do_not_take_the_descriptors_of_the_aof():
    """What is kept back beside clients is more by what HTTP may open."""
    def clients_served(*args):
        with FewFiles(*args) as s:
            return int(re.search(r"at most (\d+) clients", s.log()).group(1))
    equal("clients less", clients_served() - clients_served("--http-port", str(free_port())), 64 + 16 + 1)


@case
def many_scrapes_leave_the_loop_to_clients():
    with serve() as (s, port):
        c = s.conn()
        for i in range(200):  # so that a scrape is worth something
            c.ask("EVAL", "return redis.error_reply('E%d x')" % i, "0")
        took = re.compile(rb"^redis_exporter_scrape_duration_seconds_sum (\S+)", re.M)
        want = GET.replace(b"/healthz", b"/metrics")
        floods = [Web(port) for _ in range(8)]
        first, began = None, time.monotonic()
        while time.monotonic() < began + 1:
            for w in floods:
                w.send(want)
            for w in floods:
                spent = float(took.search(w.answer()[2]).group(1))
                first = (spent, time.monotonic()) if first is None else first
        share = (spent - first[0]) / (time.monotonic() - first[1])
        check(share < 0.3, "scrapes took %.0f %% of the loop" % (share * 100))
        return "%.0f %% of the loop" % (share * 100)


@case
def a_stop_ends_connections():
    with serve("--appendonly", "yes") as (s, port):
        idle, half, stream = Web(port), Web(port), Web(port)
        equal("idle", idle.ask(GET)[0], 200)
        half.send(GET[:20])
        stream.send(GET.replace(b"/healthz", b"/events"))
        equal("stream", stream.head()[0], 200)
        equal("exit status", s.stop(), 0)
        for w in (idle, half, stream):
            check(ended(w.sock), "a connection stays")


@case
def a_port_that_is_taken_refuses_the_start():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        with Server("--http-port", str(s.getsockname()[1]), start=False) as server:
            server.spawn()
            server.proc.wait(60)
            equal("exit status", server.proc.returncode, 1)
            check("http-bind '127.0.0.1'" in server.log(), server.log())


if __name__ == "__main__":
    sys.exit(run_words("http-port", cases))
