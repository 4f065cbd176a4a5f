#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""tls - the server over TLS: Python's ssl and redis-cli as clients, certificates made for the run.

  tls.py             all
  tls.py reload      only the tests with this in their names
"""
import os
import random
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
from cases import ask, need, run_words  # noqa: E402
from pings import Pings, loop_cpu_ms  # noqa: E402
from resp import Closed, ReplyError, encode  # noqa: E402
from server import SERVER, Server, free_port, is_stet, wait_for, wait_info  # noqa: E402
from tls import Certs, TlsConn, TlsServer, connect, context, server_args  # noqa: E402

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
UPDATE_FAILED = "Unable to update TLS configuration. Check server logs."
SCRATCH = tempfile.TemporaryDirectory(prefix="stet-tls-")
CERTS = Certs(SCRATCH.name)
PAIR, OWN = CERTS.pair("server"), CERTS.pair("client", "client")
REVOKED = CERTS.pair("revoked", "client")
OTHERS = Certs(SCRATCH.name, "stranger")
FOREIGN = OTHERS.pair("foreign", "client")
OTHER_KEY = CERTS.pair("other")[1]
NO_AUTH = ["--tls-auth-clients", "no"]


def fails(call, *kinds):
    try:
        call()
    except kinds or (ssl.SSLError, OSError, Closed):
        return True
    return False


def ping(port, ctx, **kw):
    c = TlsConn(port, ctx, **kw)
    try:
        return c.call("PING")
    finally:
        c.close()


def refused(port, ctx):
    return fails(lambda: ping(port, ctx))


# ------------------------------------------------------------------ bytes

def small_and_large_values_go_both_ways():
    with TlsServer(CERTS, PAIR, *NO_AUTH) as s:
        for version in (TLS12, TLS13):
            c = TlsConn(s.tls_port, context(CERTS, version=version))
            assert c.sock.version() == ("TLSv1.2" if version == TLS12 else "TLSv1.3")
            for n in (0, 1, 16383, 16384, 16385, 70000, 20 * 1024 * 1024):
                value = os.urandom(1) * (n // 2) + os.urandom(1) * (n - n // 2)
                assert c.call("SET", "k", value) == b"OK" and c.call("GET", "k") == value, n
            assert s.conn().call("STRLEN", "k") == 20 * 1024 * 1024
            c.close()


def a_pipeline_of_ten_thousand_commands():
    with TlsServer(CERTS, PAIR, *NO_AUTH) as s:
        c = TlsConn(s.tls_port, context(CERTS))
        many = [("INCR", "n") for _ in range(10000)]
        assert c.pipeline(many) == list(range(1, 10001))
        values = [("SET", "v%d" % i, b"x" * (i * 7 % 40000)) for i in range(300)]
        assert set(c.pipeline(values)) == {b"OK"}
        got = c.pipeline([("GET", "v%d" % i) for i in range(300)])
        assert [len(v) for v in got] == [i * 7 % 40000 for i in range(300)]


def a_request_may_come_byte_by_byte():
    with TlsServer(CERTS, PAIR, *NO_AUTH) as s:
        c = TlsConn(s.tls_port, context(CERTS))
        for b in encode(["SET", "k", "hello"]) + encode(["GET", "k"]):
            c.send(bytes([b]))
        assert c.read() == ["+", "OK"] and c.read() == ["$", "hello"]


def one_record_of_many_commands_is_read_to_its_end():
    """More in one burst than the server reads at once, and then silence."""
    with TlsServer(CERTS, PAIR, *NO_AUTH) as s:
        c = TlsConn(s.tls_port, context(CERTS))
        for n in (1, 63, 64, 65, 200, 1000):
            one = encode(["ECHO", "x" * 1000])
            c.send(one * n)
            for _ in range(n):
                assert c.read()[1] == "x" * 1000


def a_slow_reader_holds_up_nobody_and_gets_all():
    with TlsServer(CERTS, PAIR, *NO_AUTH) as s:
        plain = s.conn()
        plain.call("SET", "big", b"v" * 3000000)
        slow = TlsConn(s.tls_port, context(CERTS))
        for _ in range(10):
            slow.send(encode(["GET", "big"]) + encode(["INCR", "n"]))
        wait_for(lambda: plain.call("GET", "n") == b"10", "all executed")
        assert plain.call("PING") == b"PONG"  # while the slow one has not read
        for i in range(10):
            assert len(slow.read()[1]) == 3000000 and slow.read() == [":", i + 1]


def a_reader_that_stops_is_closed_by_the_output_limit():
    with TlsServer(CERTS, PAIR, *NO_AUTH, "--client-output-buffer-limit", "normal", "4mb", "0",
                   "0") as s:
        plain = s.conn()
        plain.call("SET", "big", b"v" * 1000000)
        stuck = TlsConn(s.tls_port, context(CERTS))
        fails(lambda: [stuck.send(encode(["GET", "big"])) for _ in range(100)])
        wait_info(plain, "connected_clients", lambda v: v == "1", "clients")


def a_parked_client_goes_on_with_what_was_decrypted():
    """CLIENT PAUSE stops reading in the middle of a burst, with decrypted bytes left over."""
    with TlsServer(CERTS, PAIR, *NO_AUTH) as s:
        plain = s.conn()
        c = TlsConn(s.tls_port, context(CERTS))
        assert plain.call("CLIENT", "PAUSE", "100000", "WRITE") == b"OK"
        c.send(b"".join(encode(["SET", "k%d" % i, "v" * 500]) for i in range(2000)))
        wait_info(plain, "blocked_clients", lambda v: v == "1", "clients")
        assert plain.call("CLIENT", "UNPAUSE") == b"OK"
        assert [c.read()[1] for _ in range(2000)] == ["OK"] * 2000


def a_goodbye_is_said():
    with TlsServer(CERTS, PAIR, *NO_AUTH) as s:
        c = TlsConn(s.tls_port, context(CERTS))
        c.send(encode(["QUIT"]))
        assert c.read() == ["+", "OK"]
        assert c.sock.recv(100) == b""  # not SSLEOFError: close_notify came
        c = TlsConn(s.tls_port, context(CERTS))
        assert c.call("PING") == b"PONG"
        s.terminate()
        assert c.sock.recv(100) == b""


# ------------------------------------------------------------------ what the server does besides

def pushes_come_over_tls():
    with TlsServer(CERTS, PAIR, *NO_AUTH) as s:
        c = TlsConn(s.tls_port, context(CERTS), proto=3)
        other = TlsConn(s.tls_port, context(CERTS))
        assert c.ask("SUBSCRIBE", "ch")[0] == ">"
        assert other.call("PUBLISH", "ch", "m" * 50000) == 1
        assert c.read() == [">", [["$", "message"], ["$", "ch"], ["$", "m" * 50000]]]
        c.call("CLIENT", "TRACKING", "ON")
        c.call("GET", "k")
        other.call("SET", "k", "v")
        assert c.read() == [">", [["$", "invalidate"], ["*", [["$", "k"]]]]]
        c.send(encode(["BLPOP", "l", "0"]))
        wait_info(other, "blocked_clients", lambda v: v == "1", "clients")
        other.call("RPUSH", "l", "x")
        assert c.read()[1][1] == ["$", "x"]


def a_gate_of_the_log_holds_output_back():
    with TlsServer(CERTS, PAIR, *NO_AUTH, "--appendonly", "yes", "--appendfsync", "always") as s:
        clients = [TlsConn(s.tls_port, context(CERTS)) for _ in range(8)]
        for r in range(50):
            for i, c in enumerate(clients):
                c.send(encode(["INCR", "n%d" % i]) + encode(["GET", "n%d" % i]))
            for c in clients:
                assert c.read() == [":", r + 1] and c.read() == ["$", str(r + 1)]
        s.kill()
        s.start(*s.args)
        assert s.conn().call("GET", "n0") == b"50"


def others_are_served_while_a_script_runs():
    """And commands that came after the script in the same burst is executed after it."""
    with TlsServer(CERTS, PAIR, *NO_AUTH, "--busy-reply-threshold", "20") as s:
        busy, other = TlsConn(s.tls_port, context(CERTS)), TlsConn(s.tls_port, context(CERTS))
        behind = b"".join(encode(["ECHO", "x" * 900]) for _ in range(200))
        busy.send(encode(["EVAL", "while true do end", "0"]) + behind)
        wait_for(lambda: other.ask("PING")[1].startswith("BUSY"), "busy")
        late = TlsConn(s.tls_port, context(CERTS))
        assert late.ask("PING")[1].startswith("BUSY")
        assert other.call("SCRIPT", "KILL") == b"OK"
        assert "Script killed by user" in busy.read()[1]
        for _ in range(200):
            assert busy.read() == ["$", "x" * 900]
        assert late.call("PING") == other.call("PING") == b"PONG"


def what_info_and_client_list_say():
    with TlsServer(CERTS, PAIR, *NO_AUTH) as s:
        c = TlsConn(s.tls_port, context(CERTS))
        text = c.call("INFO", "server").decode()
        assert "tcp_port:%d\r\n" % s.port in text
        if is_stet(SERVER):
            assert "listener0:name=tcp,bind=*,bind=-::*,port=%d\r\n" % s.port in text
            assert "listener2:name=tls,bind=*,bind=-::*,port=%d\r\n" % s.tls_port in text
        before = int(c.info("stats")["total_connections_received"])
        assert ping(s.tls_port, context(CERTS)) == b"PONG"
        socket.create_connection(("127.0.0.1", s.tls_port)).close()  # one that never became one
        s.wait_log("unexpected eof while reading")
        assert int(c.info("stats")["total_connections_received"]) == before + 1
        assert "laddr=127.0.0.1:%d" % s.tls_port in c.call("CLIENT", "INFO").decode()


def only_a_tls_port():
    with tempfile.TemporaryDirectory() as dir:
        port, file = free_port(), os.path.join(dir, "port")
        words = [SERVER, "--port", "0", "--save", "", *server_args(CERTS, PAIR, port, *NO_AUTH)]
        if is_stet(SERVER):
            words += ["--port-file", file]
        p = subprocess.Popen(words, cwd=dir, stdout=subprocess.DEVNULL)
        try:
            wait_for(lambda: not fails(lambda: ping(port, context(CERTS))), "served")
            c = TlsConn(port, context(CERTS))
            assert c.info("server")["tcp_port"] == str(port)
            if is_stet(SERVER):
                assert open(file).read() == "%d\n" % port
            fails(lambda: c.call("SHUTDOWN", "NOSAVE"))
            assert p.wait(20) == 0
        finally:
            p.kill()
            p.wait()


# ------------------------------------------------------------------ which clients are accepted

def client_certificates_in_the_three_modes():
    mine, none = context(CERTS, OWN), context(CERTS)
    foreign = context(CERTS, FOREIGN)
    with TlsServer(CERTS, PAIR) as s:
        plain = s.conn()
        assert ping(s.tls_port, mine) == b"PONG"
        assert refused(s.tls_port, none) and refused(s.tls_port, foreign)
        plain.call("CONFIG", "SET", "tls-auth-clients", "optional")
        assert ping(s.tls_port, mine) == ping(s.tls_port, none) == b"PONG"
        assert refused(s.tls_port, foreign)
        plain.call("CONFIG", "SET", "tls-auth-clients", "no")
        assert ping(s.tls_port, mine) == ping(s.tls_port, none) == b"PONG"
        assert ping(s.tls_port, foreign) == b"PONG"
        plain.call("CONFIG", "SET", "tls-auth-clients", "yes")
        assert refused(s.tls_port, none)
        s.wait_log("Error accepting a client connection: error:0A0000C7:SSL routines::peer did "
                   "not return a certificate")
        assert "certificate verify failed" in s.log()


def whoami(s, pair):
    c = TlsConn(s.tls_port, context(CERTS, pair))
    try:
        return c.call("ACL", "WHOAMI")
    finally:
        c.close()


def a_certificate_names_a_user():
    alice, off, stranger = (CERTS.pair(n, n) for n in ("alice", "off", "stranger"))
    with TlsServer(CERTS, PAIR, "--tls-auth-clients", "optional", "--tls-auth-clients-user", "CN") as s:
        plain = s.conn()
        plain.call("ACL", "SETUSER", "alice", "on", ">secret", "~a*", "+@all")
        plain.call("ACL", "SETUSER", "off", "off", "~*", "+@all")
        assert whoami(s, alice) == b"alice"
        assert [whoami(s, p) for p in (off, stranger, None)] == [b"default"] * 3
        plain.call("CONFIG", "SET", "requirepass", "x")
        assert whoami(s, alice) == b"alice", "no password is asked for"
        assert fails(lambda: whoami(s, stranger), ReplyError), "one that is not known has to log in"
        assert fails(lambda: whoami(s, off), ReplyError)
        c = TlsConn(s.tls_port, context(CERTS, alice))
        assert c.call("GET", "a") is None
        assert fails(lambda: c.call("GET", "b"), ReplyError), "it has the user's rights"
        assert c.call("AUTH", "x") == b"OK" and c.call("ACL", "WHOAMI") == b"default"
        assert c.call("RESET") == b"RESET" and fails(lambda: c.call("PING"), ReplyError)
        plain = s.conn()
        plain.call("AUTH", "x")
        plain.call("CONFIG", "SET", "tls-auth-clients-user", "off")
        assert fails(lambda: whoami(s, alice), ReplyError)
        plain.call("CONFIG", "SET", "requirepass", "")


def what_a_certificate_that_names_no_user_leaves():
    off, stranger = (CERTS.pair(n, n) for n in ("off", "stranger"))
    with TlsServer(CERTS, PAIR, "--tls-auth-clients-user", "CN") as s:
        plain = s.conn()
        plain.call("ACL", "SETUSER", "off", "off")
        for pair in (off, stranger, stranger):
            assert whoami(s, pair) == b"default"
        assert plain.info()["acl_access_denied_tls_cert"] == "3"
        log = [dict(zip(e[::2], e[1::2])) for e in plain.call("ACL", "LOG")]
        assert [(e[b"username"], e[b"count"], e[b"reason"], e[b"object"], e[b"context"]) for e in log] == [
            (b"stranger", 2, b"tls-cert", b"", b"toplevel"), (b"off", 1, b"tls-cert", b"", b"toplevel")]
        assert b"addr=127.0.0.1:" in log[0][b"client-info"]
        s.wait_log("TLS certificate names no user that may log in")


def a_uri_of_the_certificate_names_a_user():
    cert = CERTS.pair("uris", "alice", names="URI:urn:one,DNS:three,URI:urn:two")
    plain_cert = CERTS.pair("nouri", "urn:two")
    with TlsServer(CERTS, PAIR, "--tls-auth-clients-user", "URI") as s:
        plain = s.conn()
        for user in ("alice", "three", "urn:two"):
            plain.call("ACL", "SETUSER", user, "on", "nopass", "+@all")
        assert whoami(s, cert) == b"urn:two", "the first one that is a user"
        plain.call("ACL", "SETUSER", "urn:one", "on", "nopass", "+@all")
        assert whoami(s, cert) == b"urn:one"
        plain.call("ACL", "SETUSER", "urn:one", "off")
        assert whoami(s, cert) == b"urn:two"
        assert whoami(s, plain_cert) == b"default" and plain.call("ACL", "LOG") == []
        plain.call("ACL", "SETUSER", "urn:two", "off")
        assert whoami(s, cert) == b"default"
        assert plain.call("ACL", "LOG")[0][9] == b"urn:two"


def the_user_of_a_session_that_is_resumed():
    alice = CERTS.pair("alice", "alice")
    with TlsServer(CERTS, PAIR, "--tls-auth-clients-user", "CN") as s:
        s.conn().call("ACL", "SETUSER", "alice", "on", "nopass", "+@all")
        ctx = context(CERTS, alice, TLS12)
        c = TlsConn(s.tls_port, ctx)
        session = c.sock.session
        c.close()
        c = TlsConn(s.tls_port, ctx, session=session)
        assert c.sock.session_reused and c.call("ACL", "WHOAMI") == b"alice"


def an_authority_may_be_a_directory():
    with tempfile.TemporaryDirectory() as dir:
        hashed = subprocess.run(["openssl", "x509", "-hash", "-noout", "-in", CERTS.ca],
                                check=True, capture_output=True).stdout.decode().strip()
        os.symlink(CERTS.ca, os.path.join(dir, hashed + ".0"))
        with TlsServer(CERTS, PAIR, "--tls-ca-cert-file", "", "--tls-ca-cert-dir", dir) as s:
            assert ping(s.tls_port, context(CERTS, OWN)) == b"PONG"
            assert refused(s.tls_port, context(CERTS, FOREIGN))


def a_revoked_certificate_is_refused():
    good, bad = context(CERTS, OWN), context(CERTS, REVOKED)
    with TlsServer(CERTS, PAIR, "--tls-crl-file", CERTS.revoked("revoked.pem", REVOKED)) as s:
        for _ in range(2):
            assert ping(s.tls_port, good) == b"PONG" and refused(s.tls_port, bad)
        s.wait_log("certificate verify failed: certificate revoked")
        plain = s.conn()
        plain.call("CONFIG", "SET", "tls-crl-file", CERTS.revoked("none.pem"))
        assert ping(s.tls_port, bad) == b"PONG"
        plain.call("CONFIG", "SET", "tls-auth-clients", "optional")
        plain.call("CONFIG", "SET", "tls-crl-file", s.args[s.args.index("--tls-crl-file") + 1])
        assert refused(s.tls_port, bad) and ping(s.tls_port, context(CERTS)) == b"PONG"
        plain.call("CONFIG", "SET", "tls-crl-file", "")
        assert ping(s.tls_port, bad) == b"PONG"


def the_list_of_revoked_certificates_may_be_replaced():
    """The same name again has the file read again; a session from before is no way around it."""
    path, bad = CERTS.revoked("changing.pem"), context(CERTS, REVOKED)
    with TlsServer(CERTS, PAIR, "--tls-crl-file", path) as s:
        first = connect(s.tls_port, bad)
        first.sendall(encode(["PING"]))
        assert first.recv(7) == b"+PONG\r\n"
        os.replace(CERTS.revoked("newer.pem", REVOKED), path)
        assert ping(s.tls_port, bad) == b"PONG"
        s.conn().call("CONFIG", "SET", "tls-crl-file", path)
        assert refused(s.tls_port, bad)
        assert fails(lambda: TlsConn(s.tls_port, bad, session=first.session).call("PING"))


def a_list_must_be_of_the_authority_and_of_today():
    good = context(CERTS, OWN)
    old = CERTS.revoked("old.pem", begins="200101000000Z", days="200201000000Z")
    with TlsServer(CERTS, PAIR, "--tls-crl-file", old) as s:
        assert refused(s.tls_port, good)
        s.wait_log("CRL has expired")
        s.conn().call("CONFIG", "SET", "tls-crl-file", OTHERS.revoked("others.pem"))
        assert refused(s.tls_port, good)
        s.wait_log("unable to get certificate CRL")


def a_file_that_is_no_list_is_refused():
    with TlsServer(CERTS, PAIR, "--tls-crl-file", CERTS.revoked("whole.pem", REVOKED)) as s:
        plain = s.conn()
        for path in ("/nonexistent.pem", CERTS.ca, "/dev/null"):
            assert UPDATE_FAILED in ask(plain, "CONFIG", "SET", "tls-crl-file", path), path
            assert plain.call("CONFIG", "GET", "tls-crl-file")[1].decode().endswith("whole.pem")
        s.wait_log("Failed to load the list of revoked certificates: /nonexistent.pem: ")
        assert ping(s.tls_port, context(CERTS, OWN)) == b"PONG"
        assert refused(s.tls_port, context(CERTS, REVOKED))
        s.stop()
        s.spawn(*server_args(CERTS, PAIR, s.tls_port, "--tls-crl-file", CERTS.ca))
        assert not s.wait_ready()
        s.wait_log("Failed to configure TLS. Check logs for more info.")


def a_client_checks_the_server():
    with TlsServer(CERTS, PAIR, *NO_AUTH) as s:
        assert refused(s.tls_port, context(OTHERS))
        s.wait_log("alert unknown ca")


def protocols_and_ciphers():
    old, new = context(CERTS, version=TLS12), context(CERTS, version=TLS13)
    with TlsServer(CERTS, PAIR, *NO_AUTH) as s:
        plain = s.conn()
        assert ping(s.tls_port, old) == ping(s.tls_port, new) == b"PONG"
        plain.call("CONFIG", "SET", "tls-protocols", "tlsv1.3")
        assert refused(s.tls_port, old) and ping(s.tls_port, new) == b"PONG"
        plain.call("CONFIG", "SET", "tls-protocols", "TLSv1.2")
        assert refused(s.tls_port, new) and ping(s.tls_port, old) == b"PONG"
        plain.call("CONFIG", "SET", "tls-protocols", "")
        plain.call("CONFIG", "SET", "tls-ciphers", "ECDHE-ECDSA-CHACHA20-POLY1305",
                   "tls-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256")
        for ctx in (old, new):
            assert "CHACHA20" in connect(s.tls_port, ctx).cipher()[0]
        plain.call("CONFIG", "SET", "tls-ciphers", "", "tls-ciphersuites", "")
        preferred = context(CERTS, version=TLS12)
        preferred.set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384")
        assert "CHACHA20" in connect(s.tls_port, preferred).cipher()[0]
        plain.call("CONFIG", "SET", "tls-prefer-server-ciphers", "yes")
        assert "AES256" in connect(s.tls_port, preferred).cipher()[0]


def dh_parameters_are_used():
    file = os.path.join(SCRATCH.name, "dh.pem")
    with open(file, "wb") as f:
        f.write(subprocess.run(["openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt",
                                "group:ffdhe3072"], check=True, capture_output=True).stdout)

    def bits(port):
        out = subprocess.run(["openssl", "s_client", "-tls1_2", "-cipher",
                              "DHE-RSA-AES128-GCM-SHA256", "-connect", "127.0.0.1:%d" % port],
                             stdin=subprocess.DEVNULL, capture_output=True, timeout=20).stdout
        return int(out.split(b"Server Temp Key: DH, ")[1].split()[0])
    with TlsServer(CERTS, CERTS.pair("rsa", rsa=True), *NO_AUTH) as s:
        assert bits(s.tls_port) == 2048
        s.conn().call("CONFIG", "SET", "tls-dh-params-file", file)
        assert bits(s.tls_port) == 3072


def a_key_with_a_pass_phrase():
    file = os.path.join(SCRATCH.name, "locked.key")
    subprocess.run(["openssl", "pkey", "-in", PAIR[1], "-aes128", "-passout", "pass:secret", "-out",
                    file], check=True, capture_output=True)
    with TlsServer(CERTS, (PAIR[0], file), *NO_AUTH, "--tls-key-file-pass", "secret") as s:
        assert ping(s.tls_port, context(CERTS)) == b"PONG"


# ------------------------------------------------------------------ sessions

def resumed(port, ctx, session=None):
    """A connection over a session (None: a new one): whether it was resumed, and its own."""
    c = TlsConn(port, ctx, session=session)
    assert c.call("PING") == b"PONG"  # a ticket of TLS 1.3 comes with it
    got = c.sock.session_reused, c.sock.session
    c.close()
    return got


def sessions_are_resumed_unless_told_otherwise():
    with TlsServer(CERTS, PAIR) as s:
        for version in (TLS12, TLS13):
            ctx = context(CERTS, OWN, version)
            fresh, session = resumed(s.tls_port, ctx)
            assert not fresh and resumed(s.tls_port, ctx, session)[0], version
        if not is_stet(SERVER):  # it ends such handshakes with an internal error
            return
        s.conn().call("CONFIG", "SET", "tls-session-caching", "no")
        for version in (TLS12, TLS13):
            ctx = context(CERTS, OWN, version)
            session = resumed(s.tls_port, ctx)[1]
            assert not session or not resumed(s.tls_port, ctx, session)[0], version


def a_session_is_no_way_around_a_certificate():
    """Made while none was needed, it is worth nothing once one is."""
    with TlsServer(CERTS, PAIR, *NO_AUTH) as s:
        plain = s.conn()
        for version in (TLS12, TLS13):
            plain.call("CONFIG", "SET", "tls-auth-clients", "no")
            ctx = context(CERTS, version=version)
            session = resumed(s.tls_port, ctx)[1]
            plain.call("CONFIG", "SET", "tls-auth-clients", "yes")
            assert fails(lambda: resumed(s.tls_port, ctx, session)), version


# ------------------------------------------------------------------ settings at run time

def what_cannot_be_loaded_leaves_the_old_settings():
    with TlsServer(CERTS, PAIR, *NO_AUTH) as s:
        plain = s.conn()
        for name, value, logged in (
                ("tls-cert-file", "/none", "Failed to load certificate: /none: error:"),
                ("tls-cert-file", CERTS.ca, "Failed to load private key: "),
                ("tls-key-file", OTHER_KEY, "key values mismatch"),
                ("tls-cert-file", "", "No tls-cert-file configured!"),
                ("tls-key-file", "", "No tls-key-file configured!"),
                ("tls-ca-cert-file", "/none", "Failed to configure CA certificate(s) file/"),
                ("tls-protocols", "SSLv2", "Invalid tls-protocols specified."),
                ("tls-ciphers", "NONSENSE", "Failed to configure ciphers: NONSENSE"),
                ("tls-ciphersuites", "NONSENSE", "Failed to configure ciphersuites: NONSENSE"),
                ("tls-dh-params-file", "/none", "Failed to load /none: No such file"),
                ("tls-dh-params-file", CERTS.ca, ": failed to read DH params.")):
            was = plain.call("CONFIG", "GET", name)
            got = plain.ask("CONFIG", "SET", name, value)[1]
            assert got == ("ERR CONFIG SET failed (possibly related to argument '%s') - %s"
                           % (name, UPDATE_FAILED)), got
            assert plain.call("CONFIG", "GET", name) == was
            assert logged in s.log(), (logged, s.log()[-500:])
            assert ping(s.tls_port, context(CERTS)) == b"PONG"


def a_new_certificate_under_load():
    """Connections go on with what they began with, new ones see the new certificate."""
    pairs = [PAIR, CERTS.pair("second", "second")]
    with TlsServer(CERTS, PAIR, *NO_AUTH) as s:
        stop, done, wrong = threading.Event(), [0] * 4, []

        def load(i):
            try:
                c = TlsConn(s.tls_port, context(CERTS))
                while not stop.is_set():
                    if done[i] % 20 == 19:
                        c.close()
                        c = TlsConn(s.tls_port, context(CERTS))
                    value = b"%d" % i * 20000
                    assert c.call("SET", "k%d" % i, value) == b"OK"
                    assert c.call("GET", "k%d" % i) == value
                    done[i] += 1
            except Exception as e:  # told by the main thread
                wrong.append(repr(e))
        threads = [threading.Thread(target=load, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        old, plain = TlsConn(s.tls_port, context(CERTS)), s.conn()
        for round in range(40):
            cert, key = pairs[round % 2]
            plain.call("CONFIG", "SET", "tls-cert-file", cert, "tls-key-file", key)
            shown = connect(s.tls_port, context(CERTS)).getpeercert()["subject"][0][0][1]
            assert shown == ("second" if round % 2 else "localhost"), shown
            assert old.call("PING") == b"PONG"
        wait_for(lambda: wrong or min(done) > 20, "every client comes back several times", 120, 0.01)
        stop.set()
        for t in threads:
            t.join()
        assert not wrong, wrong


def the_same_file_name_is_read_again():
    with tempfile.TemporaryDirectory() as dir:
        names = os.path.join(dir, "c"), os.path.join(dir, "k")
        for source, name in zip(PAIR, names):
            os.symlink(source, name)
        with TlsServer(CERTS, names, *NO_AUTH) as s:
            new = CERTS.pair("third", "third")
            for source, name in zip(new, names):
                os.unlink(name)
                os.symlink(source, name)
            s.conn().call("CONFIG", "SET", "tls-cert-file", names[0])
            subject = connect(s.tls_port, context(CERTS)).getpeercert()["subject"]
            assert subject[0][0][1] == "third"


def tls_facts(c):
    """INFO tls: {field: text}."""
    return dict(line.split(":") for line in c.call("INFO", "tls").decode().splitlines() if ":" in line)


def renewed_certificates_are_read_by_themselves():
    with tempfile.TemporaryDirectory() as dir:
        names = os.path.join(dir, "c"), os.path.join(dir, "k")

        def put(pair):
            for source, name in zip(pair, names):
                shutil.copy(source, name)

        def subject():
            return connect(s.tls_port, context(CERTS)).getpeercert()["subject"][0][0][1]
        put(PAIR)
        with TlsServer(CERTS, names, *NO_AUTH) as s:
            c = s.conn()
            first = tls_facts(c)
            assert 86400 < int(first["tls_server_cert_expires_in_seconds"]) <= 172800
            assert int(first["tls_server_cert_serial"], 16) > 0 and int(first["tls_ca_cert_serial"], 16) > 0
            assert first["tls_client_cert_serial"] == "none"
            c.call("CONFIG", "SET", "tls-auto-reload-interval", "1")
            put(CERTS.pair("by-itself", "by-itself"))
            wait_for(lambda: subject() == "by-itself", "the new certificate")
            wait_for(lambda: tls_facts(c)["tls_server_cert_serial"] != first["tls_server_cert_serial"], "its number")
            with open(names[0], "w", encoding="utf-8") as f:
                f.write("no certificate")
            s.wait_log("Failed to load certificate")
            assert subject() == "by-itself"


def sighup_reads_renewed_certificates_or_changes_nothing():
    with tempfile.TemporaryDirectory() as dir:
        names = os.path.join(dir, "c"), os.path.join(dir, "k")

        def put(pair):
            for source, name in zip(pair, names):
                shutil.copy(source, name)

        def subject():
            return connect(s.tls_port, context(CERTS)).getpeercert()["subject"][0][0][1]
        put(PAIR)
        conf = os.path.join(dir, "stet.conf")
        with open(conf, "w", encoding="utf-8") as f:
            f.write("hz 20\n")
        with TlsServer(CERTS, names, *NO_AUTH, start=False) as s:
            s.conf = [conf]
            s.start()
            put(CERTS.pair("renewed", "renewed"))
            s.proc.send_signal(signal.SIGHUP)
            wait_for(lambda: subject() == "renewed", "the new certificate")
            with open(names[0], "w", encoding="utf-8") as f:
                f.write("no certificate")
            with open(conf, "w", encoding="utf-8") as f:
                f.write("hz 30\n")
            s.proc.send_signal(signal.SIGHUP)
            s.wait_log("SIGHUP: nothing was reloaded: CONFIG RELOAD failed (possibly related to argument 'tls-cert-file')")
            assert subject() == "renewed" and s.conn().call("CONFIG", "GET", "hz")[1] == b"20"
            put(CERTS.pair("again", "again"))
            assert s.conn().call("CONFIG", "RELOAD")[1] == [[b"hz", b"20", b"30"]]
            assert subject() == "again"


def the_port_is_opened_moved_and_closed():
    with Server() as s:
        plain = s.conn()
        first, second = free_port(), free_port()
        got = plain.ask("CONFIG", "SET", "tls-port", str(first))[1]
        assert got.endswith("'tls-port') - " + UPDATE_FAILED), got
        plain.call("CONFIG", "SET", "tls-cert-file", PAIR[0], "tls-key-file", PAIR[1],
                   "tls-auth-clients", "no", "tls-port", str(first))
        old = TlsConn(first, context(CERTS))
        plain.call("CONFIG", "SET", "tls-port", str(second))
        assert ping(second, context(CERTS)) == b"PONG" and refused(first, context(CERTS))
        got = plain.ask("CONFIG", "SET", "tls-port", str(s.port))[1]
        assert got.endswith("'tls-port') - Unable to listen on this port. Check server logs."), got
        assert ping(second, context(CERTS)) == b"PONG"
        got = plain.ask("CONFIG", "SET", "port", str(second))[1]
        assert got.endswith("'port') - Unable to listen on this port. Check server logs."), got
        assert s.conn().call("PING") == b"PONG"
        plain.call("CONFIG", "SET", "tls-port", "0")
        assert refused(second, context(CERTS)) and old.call("PING") == b"PONG"


def starts_that_are_refused():
    for extra, logged in (
            ([], "No tls-cert-file configured!"),
            (["--tls-cert-file", PAIR[0]], "No tls-key-file configured!"),
            (["--tls-cert-file", PAIR[0], "--tls-key-file", PAIR[1]],
             "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, "
             "tls-replication or tls-auth-clients are enabled!"),
            (["--tls-cert-file", PAIR[0], "--tls-key-file", OTHER_KEY, *NO_AUTH],
             "Failed to load private key: " + OTHER_KEY)):
        for what in (["--tls-port", str(free_port())], ["--tls-replication", "yes"]):
            if "Either" not in logged and "OTHER" not in logged and what[0] != "--tls-port":
                continue
            with tempfile.TemporaryDirectory() as dir:
                p = subprocess.run([SERVER, "--port", "0", "--save", "", *what, *extra], cwd=dir,
                                   capture_output=True, timeout=20)
            out = p.stdout.decode()
            assert p.returncode == 1 and logged in out, (logged, out)
            assert "Failed to configure TLS. Check logs for more info." in out


# ------------------------------------------------------------------ bad company

def plain_text_on_the_tls_port():
    with TlsServer(CERTS, PAIR, *NO_AUTH) as s:
        for raw in (b"PING\r\n", encode(["SET", "k", "v"]), b"\x16\x03\x01\xff\xff" + b"x" * 100,
                    os.urandom(4000), b"\x80" * 65536):
            with socket.create_connection(("127.0.0.1", s.tls_port)) as c:
                c.settimeout(20)
                c.sendall(raw)
                fails(lambda: [None for _ in iter(lambda: c.recv(4096), b"")])
        s.wait_log("Error accepting a client connection: error:0A00010B:SSL routines::wrong "
                   "version number")
        assert s.conn().call("DBSIZE") == 0 and ping(s.tls_port, context(CERTS)) == b"PONG"


def tls_on_the_plain_port():
    with TlsServer(CERTS, PAIR, *NO_AUTH) as s:
        assert refused(s.port, context(CERTS))
        assert s.conn().call("PING") == b"PONG"


def half_open_handshakes_end_by_themselves():
    """Silent ones, and those that send a byte now and then; others are served meanwhile."""
    hello = ssl_hello()
    with TlsServer(CERTS, PAIR, *NO_AUTH) as s:
        plain = s.conn()
        silent = [socket.create_connection(("127.0.0.1", s.tls_port)) for _ in range(20)]
        slow = [socket.create_connection(("127.0.0.1", s.tls_port)) for _ in range(20)]
        wait_info(plain, "connected_clients", lambda v: v == "41", "clients")
        assert ping(s.tls_port, context(CERTS)) == b"PONG"
        for at in range(60):
            if int(plain.info("clients")["connected_clients"]) == 1:
                break
            for c in slow:
                fails(lambda: c.sendall(hello[at:at + 1]))
            time.sleep(0.25)
        wait_info(plain, "connected_clients", lambda v: v == "1", "clients")
        s.wait_log("Error accepting a client connection: the TLS handshake took too long")
        for c in silent + slow:
            c.settimeout(5)
            assert fails(lambda: c.recv(1)) or True
            c.close()


def ssl_hello():
    """The first message of a handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context(CERTS).wrap_bio(incoming, outgoing, server_hostname="localhost")
    fails(client.do_handshake, ssl.SSLWantReadError)
    return outgoing.read()


def maxclients_counts_handshakes():
    with TlsServer(CERTS, PAIR, *NO_AUTH, "--maxclients", "5") as s:
        plain = s.conn()
        wait_info(plain, "connected_clients", lambda v: v == "1", "clients")
        held = [socket.create_connection(("127.0.0.1", s.tls_port)) for _ in range(4)]
        wait_info(plain, "connected_clients", lambda v: v == "5", "clients")
        assert refused(s.tls_port, context(CERTS))
        wait_info(plain, "rejected_connections", lambda v: int(v) >= 1, "stats")
        held.pop().close()
        wait_info(plain, "connected_clients", lambda v: v == "4", "clients")
        assert ping(s.tls_port, context(CERTS)) == b"PONG"
        wait_info(plain, "connected_clients", lambda v: v == "4", "clients")  # room for the last word


def clients_in_their_handshake_can_be_killed():
    with TlsServer(CERTS, PAIR, *NO_AUTH) as s:
        plain = s.conn()
        held = [socket.create_connection(("127.0.0.1", s.tls_port)) for _ in range(4)]
        wait_info(plain, "connected_clients", lambda v: v == "5", "clients")
        held[0].sendall(ssl_hello()[:50])
        assert plain.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") == 4
        wait_info(plain, "connected_clients", lambda v: v == "1", "clients")


def a_storm_of_handshakes_leaves_room_for_others():
    """While 300 handshakes are due, PING on a plain connection is answered between them."""
    with TlsServer(CERTS, CERTS.pair("rsa2", rsa=True), *NO_AUTH) as s:
        plain, hello = s.conn(), ssl_hello()
        held = [socket.create_connection(("127.0.0.1", s.tls_port)) for _ in range(300)]
        wait_info(plain, "connected_clients", lambda v: v == "301", "clients")
        with Pings(s) as p:
            used = loop_cpu_ms(s)
            for c in held:
                c.sendall(hello)
            wait_for(lambda: len(select_readable(held)) == len(held), "all are answered", 120, 0.01)
            used = loop_cpu_ms(s) - used
        assert p.busy_ms < used / 4, (p.busy_ms, used)
        print("300 handshakes in %.0f ms of CPU, at most %.1f ms of them between a PING and its reply" % (used, p.busy_ms))


def select_readable(socks):
    p = select.poll()
    for c in socks:
        p.register(c, select.POLLIN)
    return p.poll(0)


def connections_that_break_off_anywhere():
    """Cut in every phase: nothing leaks, nothing stays."""
    with TlsServer(CERTS, PAIR, *NO_AUTH) as s:
        plain, hello = s.conn(), ssl_hello()
        plain.call("SET", "big", b"v" * 2000000)
        for at in (0, 1, 5, 6, 100, len(hello)):
            with socket.create_connection(("127.0.0.1", s.tls_port)) as c:
                c.sendall(hello[:at])
        for request in (b"", b"GET big\r\n", b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100\r\nhalf"):
            c = connect(s.tls_port, context(CERTS))
            c.sendall(request) if request else None
            c.close()  # without a goodbye
            c = connect(s.tls_port, context(CERTS))
            c.sendall(request) if request else None
            fails(c.unwrap)
        wait_info(plain, "connected_clients", lambda v: v == "1", "clients")


def renegotiation_is_refused():
    with TlsServer(CERTS, PAIR, *NO_AUTH) as s:
        p = subprocess.run(["openssl", "s_client", "-tls1_2", "-connect",
                            "127.0.0.1:%d" % s.tls_port], input=b"R\nPING\n", capture_output=True,
                           timeout=20)
        assert b"no renegotiation" in p.stderr + p.stdout, (p.stdout + p.stderr)[-500:]
        assert ping(s.tls_port, context(CERTS)) == b"PONG"


def hellos_with_wrong_bytes():
    """The first message of a handshake, changed at random; the server goes on."""
    rng, hello = random.Random(5), ssl_hello()
    with TlsServer(CERTS, PAIR) as s:
        for _ in range(300):
            raw = bytearray(hello)
            for _ in range(rng.choice((1, 1, 2, 5, 20))):
                raw[rng.randrange(len(raw))] = rng.choice((0, 1, 255, rng.randrange(256)))
            with socket.create_connection(("127.0.0.1", s.tls_port)) as c:
                fails(lambda: c.sendall(raw[:rng.choice((len(raw), rng.randrange(len(raw))))]))
        wait_info(s.conn(), "connected_clients", lambda v: v == "1", "clients")
        assert ping(s.tls_port, context(CERTS, OWN)) == b"PONG"


def protected_mode_is_told_of_over_tls():
    address = own_address()
    with TlsServer(CERTS, PAIR, *NO_AUTH, "--protected-mode", "yes") as s:
        if not address:
            return  # this host can only be reached by the loopback
        raw = socket.create_connection((address, s.tls_port), 20)
        c = context(CERTS).wrap_socket(raw)
        said = b"".join(iter(lambda: c.recv(1000), b""))
        assert said.startswith(b"-DENIED Redis is running in protected mode"), said
        plain = s.conn()
        plain.call("CONFIG", "SET", "requirepass", "secret")
        c = context(CERTS).wrap_socket(socket.create_connection((address, s.tls_port), 20))
        c.sendall(b"AUTH secret\r\nPING\r\n")
        wait_for(lambda: c.recv(1000).endswith(b"+PONG\r\n"), "answered")
        plain.call("CONFIG", "SET", "requirepass", "")


def own_address():
    """An address of this host that is not the loopback's; None: it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as c:
        try:
            c.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            return None
        return c.getsockname()[0]


def keys_are_renewed_in_a_connection():
    """KeyUpdate of TLS 1.3, by the client alone ("k") and of both sides ("K")."""
    with TlsServer(CERTS, PAIR, *NO_AUTH) as s:
        p = subprocess.Popen(["openssl", "s_client", "-tls1_3", "-connect",
                              "127.0.0.1:%d" % s.tls_port], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        for word in (b"K\n", b"k\n", b"K\n"):
            p.stdin.write(word)  # a line is a command only if it is read alone
            assert b"KEYUPDATE" in iter(lambda: p.stderr.readline().strip(), b"")
            p.stdin.write(b"PING\r\n")
            assert b"+PONG\r\n" in iter(p.stdout.readline, b"")
        p.kill()
        p.communicate()


# ------------------------------------------------------------------ redis-cli, redis-benchmark

def tool(name, port, *words, stdin=None, pair=OWN):
    p = subprocess.run([name, "-p", str(port), "--tls", "--cacert", CERTS.ca, "--cert", pair[0],
                        "--key", pair[1], *words], input=stdin, capture_output=True, timeout=60)
    return p.returncode, (p.stdout + p.stderr).decode("latin-1")


def redis_cli_and_benchmark():
    with TlsServer(CERTS, PAIR) as s:
        assert tool("redis-cli", s.tls_port, "SET", "k", "v") == (0, "OK\n")
        assert tool("redis-cli", s.tls_port, "-3", "GET", "k") == (0, "v\n")
        data = b"".join(encode(["SET", "p%d" % i, "v"]) for i in range(20000))
        assert "errors: 0, replies: 20000" in tool("redis-cli", s.tls_port, "--pipe", stdin=data)[1]
        code, out = tool("redis-cli", s.tls_port, "PING", pair=FOREIGN)
        assert code != 0 or "rror" in out, out
        for more in ([], ["-P", "16"], ["-c", "1"]):
            code, out = tool("redis-benchmark", s.tls_port, "-n", "5000", "-q", "-t", "set,get",
                             *more)
            assert code == 0 and out.count("requests per second") == 2 and "rror" not in out, out


TESTS = {f.__name__: f for f in list(globals().values())
         if getattr(f, "__module__", "") == "__main__" and callable(f) and not isinstance(f, type)
         and f.__code__.co_argcount == 0 and f.__name__ not in ("ssl_hello", "own_address")}
# Redis resumes sessions made without a certificate, waits for ever for the end of a handshake, and
# does all that are due in one go. A certificate names a user with Valkey only.
ONLY_STET = {"a_certificate_names_a_user", "what_a_certificate_that_names_no_user_leaves",
             "a_uri_of_the_certificate_names_a_user", "the_user_of_a_session_that_is_resumed",
             "a_session_is_no_way_around_a_certificate", "half_open_handshakes_end_by_themselves",
             "a_storm_of_handshakes_leaves_room_for_others", "a_revoked_certificate_is_refused",
             "the_list_of_revoked_certificates_may_be_replaced", "a_file_that_is_no_list_is_refused",
             "a_list_must_be_of_the_authority_and_of_today", "renewed_certificates_are_read_by_themselves",
             "sighup_reads_renewed_certificates_or_changes_nothing"}

if __name__ == "__main__":
    need("openssl", "redis-cli", "redis-benchmark")
    left_out = () if is_stet(SERVER) else ONLY_STET
    sys.exit(run_words("tls", {n: t for n, t in TESTS.items() if n not in left_out}))
