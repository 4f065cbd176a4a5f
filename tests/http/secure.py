#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""secure - the HTTP port over TLS (http-tls).

  secure.py [WORD...]   only the cases with one of the words in their names
"""
import os
import shutil
import socket
import ssl
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import Cases, check, equal, run_words  # noqa: E402
from server import Failed, Server, free_port, wait_for  # noqa: E402
from tls import Certs, connect, context  # noqa: E402
from web import Web  # noqa: E402

SCRATCH = tempfile.TemporaryDirectory(prefix="stet-secure-")
CERTS = Certs(SCRATCH.name)
PAIR = CERTS.pair("server")
OTHERS = Certs(SCRATCH.name, "stranger")
cases = Cases()
case = cases.case
GET = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Secure(Web):
    """Web over TLS."""
    def __init__(self, port, ctx=None):
        self.sock = connect(port, ctx or context(CERTS), 60)
        self.file = self.sock.makefile("rb")


def args(port, *more, pair=PAIR):
    return ["--http-port", str(port), "--http-tls", "yes", "--tls-cert-file", pair[0], "--tls-key-file", pair[1],
            "--tls-ca-cert-file", CERTS.ca, *more]


def fails(port, ctx):
    try:
        Secure(port, ctx).ask(GET)
    except (ssl.SSLError, OSError):
        return True
    return False


@case
def metrics_events_and_commands():
    port = free_port()
    with Server(*args(port, "--http-admin", "yes")) as s:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with Secure(port, context(CERTS, version=version)) as w:
                for _ in range(3):
                    status, _, body = w.ask(GET)
                    equal("status", status, 200)
                    check(body.startswith(b"# ") and len(body) > 10000, body[:50])
                w.send(GET * 3)
                for _ in range(3):
                    equal("pipelined", w.answer()[0], 200)
                for i in range(len(GET)):
                    w.send(GET[i:i + 1])
                equal("in pieces", w.answer()[0], 200)
                body = b"SET k " + b"x" * 60000 + b"\r\n"
                head = b"POST /command HTTP/1.1\r\nHost: a\r\nOrigin: https://a\r\nStet-Admin: 0\r\n"
                equal("by another name", w.ask(head + b"Content-Length: 6\r\n\r\nPING\r\n")[0], 403)
            with Secure(port) as w:
                head = b"POST /command HTTP/1.1\r\nHost: localhost\r\nOrigin: https://localhost\r\nStet-Admin: 0\r\n"
                equal("a command", w.ask(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)[2], b"+OK\r\n")
        equal("all of it", s.conn().call("STRLEN", "k"), 60000)
        with Secure(port) as w:
            w.send(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            equal("events", w.head()[0], 200)
            for _ in range(2):
                wait_for(lambda: w.file.readline().startswith(b"data: {"), "an event")
        equal("the client port is plain", s.conn().call("PING"), b"PONG")


@case
def what_is_no_tls_gets_nothing():
    port = free_port()
    with Server(*args(port)) as s:
        for text in (GET, b"\0" * 5000, b"\x16\x03\x01\x02\0\x01", os.urandom(300), b""):
            with socket.create_connection(("127.0.0.1", port)) as sock:
                sock.settimeout(12)
                sock.sendall(text)
                if text == b"":
                    sock.shutdown(socket.SHUT_WR)
                got = b"x"
                try:
                    while got:
                        got = sock.recv(4096)
                        check(b"HTTP" not in got, got)
                except ConnectionError:
                    pass
        check(fails(port, context(OTHERS)), "another authority is believed")
        with Secure(port) as w:
            equal("others are served", w.ask(GET)[0], 200)
        equal("a client", s.conn().call("PING"), b"PONG")


@case
def many_that_shake_no_hands_end():
    port = free_port()
    with Server(*args(port)) as s:
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
        with Secure(port) as w:
            equal("another one", w.ask(GET)[0], 200)
        for sock in idle:
            sock.settimeout(60)
            try:
                equal("closed", sock.recv(1), b"")
            except ConnectionError:
                pass
            sock.close()
        equal("a client", s.conn().call("PING"), b"PONG")


def subject(port):
    ctx = context(CERTS)
    with Secure(port, ctx) as w:
        return w.sock.getpeercert()["subject"][0][0][1]


@case
def a_new_certificate_is_taken():
    port = free_port()
    mine = [os.path.join(SCRATCH.name, "live." + end) for end in ("crt", "key")]
    for a, b in zip(PAIR, mine):
        shutil.copy(a, b)
    with Server(*args(port, pair=mine)) as s, Secure(port) as old:
        equal("before", subject(port), "localhost")
        for a, b in zip(CERTS.pair("fresh", "fresh"), mine):
            shutil.copy(a, b)
        equal("CONFIG SET", s.conn().call("CONFIG", "SET", "tls-cert-file", mine[0], "tls-key-file", mine[1]), b"OK")
        equal("after", subject(port), "fresh")
        equal("the old connection", old.ask(GET)[0], 200)


@case
def no_client_certificate_is_asked_for():
    port = free_port()
    with Server(*args(port, "--tls-auth-clients", "yes", "--http-password", "pw")):
        with Secure(port) as w:
            equal("status", w.ask(GET)[0], 401)


@case
def without_certificates_it_does_not_start():
    port = free_port()
    try:
        with Server("--http-port", str(port), "--http-tls", "yes"):
            check(False, "it starts")
    except Failed as e:
        check("No tls-cert-file configured!" in str(e), e)
    with Server("--http-tls", "yes") as s:
        equal("without http-port nothing is asked for", s.conn().call("PING"), b"PONG")


if __name__ == "__main__":
    sys.exit(run_words("http-tls", cases))
