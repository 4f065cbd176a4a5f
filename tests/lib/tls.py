# SPDX-License-Identifier: BSD-3-Clause
"""tls - certificates made for one test, and clients and servers that use them."""
import os
import socket
import ssl
import subprocess

from resp import Conn
from server import Server, free_port


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


class Certs:
    """An authority, and pairs signed by it, as files in `dir`."""

    def __init__(self, dir, name="ca"):
        self.dir, self.name = dir, name
        self.ca = self.path(name + ".crt")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self.path(name + ".key"), "-out", self.ca, "-days", "2", "-subj",
                "/CN=" + name)

    def path(self, name):
        return os.path.join(self.dir, name)

    def pair(self, name, subject="localhost", rsa=False, names="DNS:localhost,IP:127.0.0.1"):
        """Certificate and key file of a new pair."""
        cert, key, request = (self.path(name + end) for end in (".crt", ".key", ".csr"))
        kind = ["rsa:2048"] if rsa else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        openssl("req", "-newkey", *kind, "-nodes", "-keyout", key, "-out", request, "-subj",
                "/CN=" + subject, "-addext", "subjectAltName=" + names)
        openssl("x509", "-req", "-copy_extensions", "copyall", "-in", request, "-CA", self.ca, "-CAkey",
                self.path(self.name + ".key"), "-CAcreateserial", "-out", cert, "-days", "2")
        return cert, key


    def revoked(self, name, *pairs, days=2, begins=None):
        """A list of the authority's revoked certificates, of these pairs, as a file."""
        base, conf = self.path(name), self.path(name + ".cnf")
        with open(conf, "w") as f:
            f.write("[ca]\ndefault_ca = own\n[own]\ndatabase = %s.index\ncertificate = %s\n"
                    "private_key = %s\ndefault_md = sha256\n"
                    % (base, self.ca, self.path(self.name + ".key")))
        open(base + ".index", "w").close()
        for cert, _ in pairs:
            openssl("ca", "-config", conf, "-revoke", cert)
        when = ["-crl_lastupdate", begins, "-crl_nextupdate", days] if begins else ["-crldays", str(days)]
        openssl("ca", "-config", conf, "-gencrl", *when, "-out", base)
        return base


def server_args(certs, pair, port, *more):
    return ["--tls-port", str(port), "--tls-cert-file", pair[0], "--tls-key-file", pair[1],
            "--tls-ca-cert-file", certs.ca, *more]


def context(certs, pair=None, version=None):
    """What a client goes by: this authority, this pair of its own, only this version."""
    c = ssl.create_default_context(cafile=certs.ca)
    c.check_hostname = False
    if pair:
        c.load_cert_chain(*pair)
    if version:
        c.minimum_version = c.maximum_version = version
    return c


def connect(port, ctx, timeout=20, session=None):
    """A socket whose handshake is done as far as the client can tell."""
    raw = socket.create_connection(("127.0.0.1", port), timeout)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return ctx.wrap_socket(raw, server_hostname="localhost", session=session)


class TlsConn(Conn):
    """resp.Conn over TLS."""

    def __init__(self, port, ctx, timeout=20, proto=2, session=None):
        self.sock = connect(port, ctx, timeout, session)
        self.buf, self.pos = b"", 0
        if proto == 3:
            self.call("HELLO", "3")


class TlsServer(Server):
    """A server with a TLS port beside the plain one."""

    def __init__(self, certs, pair, *args, **kw):
        self.tls_port = free_port()
        super().__init__(*server_args(certs, pair, self.tls_port), *args, **kw)

    def __exit__(self, *exc):
        """Stops it in peace, so that leaks show."""
        try:
            if exc[0] is None and self.running():
                assert self.stop() == 0, self.log()[-2000:]
        finally:
            super().__exit__(*exc)
