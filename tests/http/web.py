# SPDX-License-Identifier: BSD-3-Clause
"""web - a small HTTP client that shows what it got, and a server with an HTTP port."""
import base64
import contextlib
import socket

from server import Server, free_port


class Web:
    """One connection."""
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.file = self.sock.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.file.close()
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def head(self):
        """(status, {field: value}), names in lower case"""
        line = self.file.readline()
        if not line:
            raise ConnectionError("closed")
        status, fields = int(line.split()[1]), {}
        for line in iter(self.file.readline, b"\r\n"):
            name, _, value = line.decode().partition(":")
            fields[name.lower()] = value.strip()
        return status, fields

    def answer(self, has_body=True):
        """(status, {field: value}, body)"""
        status, fields = self.head()
        n = int(fields["content-length"]) if has_body else 0
        return status, fields, self.file.read(n)

    def ask(self, data, has_body=True):
        self.send(data)
        return self.answer(has_body)


def get(port, path, accept="*/*", password=None, may_fail=False):
    text = "GET %s HTTP/1.1\r\nHost: localhost:%d\r\nAccept: %s\r\nConnection: close\r\n" % (path, port, accept)
    if password is not None:
        text += "Authorization: Basic %s\r\n" % base64.b64encode(b"any:" + password.encode()).decode()
    try:
        with Web(port) as w:
            return w.ask(text.encode() + b"\r\n")
    except OSError:
        if may_fail:
            return 0, {}, b""
        raise


def post(port, body, db=0, password=None, path="/command"):
    """What the page sends."""
    text = "POST %s HTTP/1.1\r\nHost: localhost:%d\r\nOrigin: http://localhost:%d\r\nStet-Admin: %d\r\n" % (
        path, port, port, db)
    text += "Sec-Fetch-Site: same-origin\r\nConnection: close\r\nContent-Length: %d\r\n" % len(body)
    if password is not None:
        text += "Authorization: Basic %s\r\n" % base64.b64encode(b"any:" + password.encode()).decode()
    with Web(port) as w:
        return w.ask(text.encode() + b"\r\n" + body)


@contextlib.contextmanager
def serve(*args):
    """(the server, its HTTP port)"""
    port = free_port()
    with Server("--http-port", str(port), *args) as s:
        yield s, port
