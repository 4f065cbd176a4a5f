# SPDX-License-Identifier: BSD-3-Clause
"""resp - a connection that sends commands and gets RESP2 replies: what the TEST commands need."""
import socket


class ReplyError(Exception):
    """The server answered with an error."""


class Connection:
    """One caller at a time. Strings are returned as str (surrogateescape keeps other bytes)."""

    def __init__(self, host, port, timeout=60):
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def call(self, *words):
        out = [b"*%d\r\n" % len(words)]
        for word in words:
            data = word if isinstance(word, bytes) else str(word).encode("utf-8", "surrogateescape")
            out.append(b"$%d\r\n%s\r\n" % (len(data), data))
        self.socket.sendall(b"".join(out))
        reply = self._read()
        if isinstance(reply, ReplyError):
            raise reply
        return reply

    def _exactly(self, n):
        data = self.file.read(n)
        if len(data) < n:
            raise ConnectionError("stet: the server has closed the connection")
        return data

    def _read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("stet: the server has closed the connection")
        kind, text = line[:1], line[1:-2].decode("utf-8", "surrogateescape")
        if kind == b"+":
            return text
        if kind == b"-":
            return ReplyError(text)
        if kind == b":":
            return int(text)
        if kind == b"$":
            return None if text == "-1" else self._exactly(int(text) + 2)[:-2].decode("utf-8", "surrogateescape")
        if kind == b"*":
            return None if text == "-1" else [self._read() for _ in range(int(text))]
        raise ConnectionError("stet: not a RESP2 reply: %r" % line)

    def close(self):
        self.file.close()
        self.socket.close()
