# SPDX-License-Identifier: BSD-3-Clause
"""resp - a small RESP2/RESP3 client: one blocking socket, replies as nodes.

A node is [type byte, content] as the golden transcripts write it: ["+", "OK"], [":", 5],
["$", "text" or None], ["*", [...]], ["%", [[key, value], ...]], ["|", [[key, value], ...], reply]
and so on; text is latin-1, one character a byte. call() gives plain Python values instead.
"""
import socket


class Closed(Exception):
    """The server closed the connection."""


class ReplyError(Exception):
    """An error reply."""


def encode(words):
    out = [b"*%d\r\n" % len(words)]
    for w in words:
        if isinstance(w, int):
            w = b"%d" % w
        elif isinstance(w, str):
            w = w.encode("latin-1")
        out.append(b"$%d\r\n%s\r\n" % (len(w), w))
    return b"".join(out)


class Conn:
    def __init__(self, port=None, path=None, timeout=60, proto=2, source=None, host="127.0.0.1"):
        if path:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(timeout)
            self.sock.connect(path)
        else:
            self.sock = socket.create_connection((host, port), timeout,
                                                 (source, 0) if source else None)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = b""
        self.pos = 0
        if proto == 3:
            self.call("HELLO", "3")

    def close(self):
        self.sock.close()

    def send(self, raw):
        try:
            self.sock.sendall(raw)
        except (BrokenPipeError, ConnectionResetError) as e:
            raise Closed() from e

    def _more(self):
        try:
            data = self.sock.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed()
        self.buf = self.buf[self.pos:] + data
        self.pos = 0

    def _line(self):
        while True:
            end = self.buf.find(b"\r\n", self.pos)
            if end >= 0:
                line = self.buf[self.pos:end]
                self.pos = end + 2
                return line
            self._more()

    def _exactly(self, n):
        if len(self.buf) - self.pos < n + 2:
            self._rest_of(n + 2)
        data = self.buf[self.pos:self.pos + n]
        self.pos += n + 2
        return data

    def _rest_of(self, n):
        """All of a long text at once: adding to one piece by piece takes for ever."""
        pieces, have = [self.buf[self.pos:]], len(self.buf) - self.pos
        while have < n:
            self.buf, self.pos = b"", 0
            self._more()
            pieces.append(self.buf)
            have += len(self.buf)
        self.buf, self.pos = b"".join(pieces), 0

    def read(self):
        """The next message as a node. Raises Closed, TimeoutError or ValueError."""
        line = self._line()
        kind, rest = line[:1].decode("latin-1"), line[1:]
        if kind in "+-,(":
            return [kind, rest.decode("latin-1")]
        if kind == ":":
            return [kind, int(rest)]
        if kind == "_":
            return [kind]
        if kind == "#":
            return [kind, rest == b"t"]
        if kind not in "$=*~>%|":
            raise ValueError("not a reply: %r" % line)
        n = int(rest)
        if kind in "$=":
            if n < 0:
                return [kind, None]
            text = self._exactly(n).decode("latin-1")
            return [kind, text] if kind == "$" else [kind, text[:3], text[4:]]
        if kind in "*~>":
            return [kind, None if n < 0 else [self.read() for _ in range(n)]]
        pairs = [[self.read(), self.read()] for _ in range(n)]
        return [kind, pairs] if kind == "%" else [kind, pairs, self.read()]

    def unread(self):
        """Bytes that came and were not asked for (does not wait)."""
        self.sock.setblocking(False)
        try:
            self.buf += self.sock.recv(1 << 16)
        except (BlockingIOError, ConnectionResetError):
            pass
        finally:
            self.sock.settimeout(10)
        return self.buf[self.pos:]

    def ask(self, *words):
        """Sends a command, returns its reply as a node."""
        self.send(encode(words))
        return self.read()

    def call(self, *words):
        """Sends a command, returns its reply as bytes, int, list, dict, None; raises ReplyError."""
        return value(self.ask(*words))

    def pipeline(self, commands):
        """Sends all, returns the list of values (a ReplyError object where one failed)."""
        self.send(b"".join(encode(c) for c in commands))
        out = []
        for _ in commands:
            try:
                out.append(value(self.read()))
            except ReplyError as e:
                out.append(e)
        return out

    def info(self, section="everything"):
        lines = self.call("INFO", section).decode("latin-1").split("\r\n")
        return dict(x.split(":", 1) for x in lines if ":" in x and x[0] != "#")


def value(node):
    kind = node[0]
    if kind == "-":
        raise ReplyError(node[1])
    if kind in "+$" and node[1] is not None:
        return node[1].encode("latin-1")
    if kind == "=":
        return node[2].encode("latin-1")
    if kind in "*~>" and node[1] is not None:
        return [value(x) for x in node[1]]
    if kind == "%":
        return {value(k): value(v) for k, v in node[1]}
    if kind == "|":
        return value(node[2])
    return node[1] if len(node) > 1 else None
