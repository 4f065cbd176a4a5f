#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""admin - commands over the HTTP port (http-admin): what they answer, and who cannot send them.

  admin.py [WORD...]   only the cases with one of the words in their names
"""
import os
import random
import socket
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import Cases, check, equal, run_words  # noqa: E402
from resp import ReplyError, encode  # noqa: E402
from server import Server, free_port, wait_for  # noqa: E402
from web import Web, get, post, serve  # noqa: E402

cases = Cases()
case = cases.case
ON = ("--http-admin", "yes")


def run(port, *args, **kw):
    """The reply to a command, as bytes."""
    status, _, body = post(port, encode(args), **kw)
    equal("status of %r" % (args,), status, 200)
    return body


def raw(port, head, body=b"", length=None):
    """The status of a POST to /command with these fields."""
    head += b"Content-Length: %d\r\n" % (len(body) if length is None else length)
    with Web(port) as w:
        return w.ask(b"POST /command HTTP/1.1\r\n" + head + b"\r\n" + body)[0]


@case
def with_no_it_is_not_there():
    with serve() as (s, port):
        equal("POST", post(port, b"PING\r\n")[0], 404)
        for path in ("/command", "/admin.js"):
            equal(path, get(port, path)[0], 404)
        check(b'"admin":0' in first_event(port), "the page offers it")
        equal("POST elsewhere", post(port, b"x", path="/metrics")[0], 405)
        try:
            s.conn().call("CONFIG", "SET", "http-admin", "yes")
            check(False, "it can be set at run time")
        except ReplyError as e:
            check("immutable" in str(e), e)


def first_event(port):
    with Web(port) as w:
        w.send(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        w.head()
        for line in w.file:
            if line.startswith(b"data: "):
                return line
    return b""


@case
def a_command_is_answered():
    with serve(*ON) as (s, port):
        equal("PING", run(port, "PING"), b"+PONG\r\n")
        equal("SET", run(port, "SET", "k", "v\r\n\0"), b"+OK\r\n")
        equal("it is there", s.conn().call("GET", "k"), b"v\r\n\0")
        equal("a line", post(port, b'set "a b" \'x\'\r\n')[2], b"+OK\r\n")
        equal("GET", run(port, "GET", "a b"), b"$1\r\nx\r\n")
        equal("an error", run(port, "GET"), b"-ERR wrong number of arguments for 'get' command\r\n")
        equal("a database", run(port, "DBSIZE", db=3), b":0\r\n")
        equal("none of that number", post(port, b"PING\r\n", db=99999)[0], 400)
        equal("a type", post(port, b"PING\r\n")[1]["content-type"], "application/x-resp")
        check(b'"admin":1' in first_event(port), "the page does not offer it")
        equal("the script", get(port, "/admin.js")[0], 200)
        equal("GET /command", get(port, "/command")[0], 405)
        with Web(port) as w:
            one = b"POST /command HTTP/1.1\r\nHost: localhost\r\nStet-Admin: 0\r\nContent-Length: 6\r\n\r\nPING\r\n"
            w.send(one * 3)
            for _ in range(3):
                equal("pipelined", w.answer()[::2], (200, b"+PONG\r\n"))
        wait_for(lambda: s.conn().call("CLIENT", "LIST").count(b"http-admin") == 0, "the sessions end")


@case
def it_is_seen_as_a_client_is():
    with serve(*ON, "--slowlog-log-slower-than", "0") as (s, port):
        monitor = s.conn()
        monitor.call("MONITOR")
        run(port, "SET", "seen", "1")
        line = monitor.read()
        check(b'"SET" "seen" "1"' in (line if isinstance(line, bytes) else str(line).encode()), line)
        c = s.conn()
        slow = str(c.call("SLOWLOG", "GET", "5"))
        check("seen" in slow and "http-admin" in slow, slow)
        check(b"name=http-admin" in run(port, "CLIENT", "LIST"), "it does not list itself")
        check(b"calls=1" in c.call("INFO", "commandstats").split(b"cmdstat_set:")[1].split(b"\r\n")[0], "not counted")


@case
def what_waits_or_goes_on_is_refused():
    with serve(*ON) as (s, port):
        for args in (("BLPOP", "k", "0"), ("XREAD", "BLOCK", "0", "STREAMS", "x", "$"), ("WAIT", "1", "0"),
                     ("SUBSCRIBE", "c"), ("PSUBSCRIBE", "c"), ("SSUBSCRIBE", "c"), ("UNSUBSCRIBE", "a", "b"), ("MONITOR",), ("SYNC",), ("MULTI",),
                     ("PSYNC", "?", "-1"), ("CLIENT", "REPLY", "OFF"), ("CLIENT", "TRACKING", "ON"), ("QUIT",),
                     ("WATCH", "k"), ("HELLO", "3"), ("AUTH", "x"), ("RESET",), ("REPLCONF", "ack", "0")):
            body = run(port, *args)
            check(body.startswith(b"-ERR '") and b"is not possible over HTTP" in body, (args, body))
        s.conn().call("RPUSH", "k", "1")
        equal("BLPOP that need not wait", run(port, "BLPOP", "k", "0"), b"*2\r\n$1\r\nk\r\n$1\r\n1\r\n")
        equal("blocked", s.conn().info("clients")["blocked_clients"], "0")


@case
def a_long_reply_is_not_shown():
    with serve(*ON) as (s, port):
        s.conn().call("SET", "k", b"x" * (3 << 20))
        body = run(port, "GET", "k")
        check(body.startswith(b"-ERR the reply has 31457"), body[:100])
        s.conn().call("SET", "k", b"x" * 1000000)
        equal("one that is shown", len(run(port, "GET", "k")), 1000000 + 12)


@case
def it_waits_as_a_client_does():
    with serve(*ON, "--appendonly", "yes", "--appendfsync", "always") as (s, port):
        for i in range(20):
            equal("SET", run(port, "SET", "k%d" % i, "v"), b"+OK\r\n")
        c = s.conn()
        c.call("CLIENT", "PAUSE", "100000", "WRITE")
        got = []
        t = threading.Thread(target=lambda: got.append(post(port, encode(("SET", "late", "v")))))
        t.start()
        wait_for(lambda: b"name=http-admin" in c.call("CLIENT", "LIST"), "it is parked")
        equal("not yet", (got, c.call("EXISTS", "late")), ([], 0))
        equal("a read", run(port, "GET", "k0"), b"$1\r\nv\r\n")
        c.call("CLIENT", "UNPAUSE")
        t.join()
        equal("then", got[0][2], b"+OK\r\n")
        check(run(port, "BACKUP", "START").startswith(b"$"), "BACKUP START")
        check(b"path" in run(port, "BACKUP", "SEAL"), "BACKUP SEAL")
        equal("BGREWRITEAOF", run(port, "BGREWRITEAOF")[:1], b"+")
        equal("ACL SAVE has an error", run(port, "ACL", "SAVE")[:1], b"-")


@case
def a_session_that_is_killed_is_answered():
    with serve(*ON) as (s, port):
        c = s.conn()
        c.call("CLIENT", "PAUSE", "100000", "WRITE")
        got = []
        t = threading.Thread(target=lambda: got.append(post(port, encode(("SET", "k", "v")))[0]))
        t.start()
        wait_for(lambda: b"name=http-admin" in c.call("CLIENT", "LIST"), "it is parked")
        line = [x for x in c.call("CLIENT", "LIST").split(b"\n") if b"name=http-admin" in x][0]
        equal("CLIENT KILL", c.call("CLIENT", "KILL", "ID", line.split()[0][3:]), 1)
        t.join()
        c.call("CLIENT", "UNPAUSE")
        equal("status", got, [503])
        equal("it was not executed", c.call("EXISTS", "k"), 0)
        check(run(port, "CLIENT", "KILL", "SKIPME", "no", "TYPE", "normal").startswith(b":"), "a session ends itself")


@case
def rights_are_those_of_the_user():
    with serve(*ON, "--http-admin-user", "ops", "--http-password", "pw") as (s, port):
        pw, c = {"password": "pw"}, s.conn()
        equal("no such user", post(port, b"PING\r\n", **pw)[0], 403)
        c.call("ACL", "SETUSER", "ops", "on", ">x", "~a*", "+get", "+set")
        equal("allowed", run(port, "SET", "a1", "v", **pw), b"+OK\r\n")
        check(run(port, "SET", "b1", "v", **pw).startswith(b"-NOPERM"), "another key")
        check(run(port, "CONFIG", "GET", "*", **pw).startswith(b"-NOPERM"), "another command")
        c.call("ACL", "SETUSER", "ops", "off")
        equal("off", post(port, b"PING\r\n", **pw)[0], 403)
        c.call("ACL", "DELUSER", "ops")
        equal("gone", post(port, b"PING\r\n", **pw)[::2],
              (403, b"there is no user of the name that http-admin-user has.\n"))


@case
def without_a_password_only_where_it_gives_no_more_than_the_port():
    with serve(*ON, "--requirepass", "secret") as (s, port):
        equal("the user has a password", post(port, b"PING\r\n")[0], 403)
        check("http-admin is yes, but no command is carried out" in s.log(), "no warning")
        check(b'"admin":0' in first_event(port), "the page offers it")
        c = s.conn()
        c.call("AUTH", "secret")
        c.call("CONFIG", "SET", "http-password", "pw")
        equal("the port has one too", post(port, b"PING\r\n", password="pw")[0], 200)


@case
def an_address_for_all_needs_a_password():
    with serve(*ON, "--http-bind", "0.0.0.0") as (s, port):
        equal("none", post(port, b"PING\r\n")[0], 403)
        check("other machines reach" in s.log(), "no warning")
        s.conn().call("CONFIG", "SET", "http-password", "pw")
        equal("one", post(port, b"PING\r\n", password="pw")[0], 200)
        equal("a wrong one", post(port, b"PING\r\n", password="px")[0], 401)
        equal("none given", post(port, b"PING\r\n")[0], 401)


@case
def another_page_cannot_ask():
    with serve(*ON) as (s, port):
        host = b"Host: localhost:%d\r\n" % port
        own, good = b"Stet-Admin: 0\r\n", b"Origin: http://localhost:%d\r\n" % port
        cmd = b"SET hacked 1\r\n"
        equal("its own page", raw(port, host + own + good + b"Sec-Fetch-Site: same-origin\r\n", cmd), 200)
        equal("curl", raw(port, host + own, cmd), 200)
        s.conn().call("DEL", "hacked")
        for what, fields in (
                ("no field", host + good), ("another origin", host + own + b"Origin: http://evil.example\r\n"),
                ("another port", host + own + b"Origin: http://localhost:1\r\n"),
                ("none", host + own + b"Origin: null\r\n"), ("empty", host + own + b"Origin: \r\n"),
                ("a file", host + own + b"Origin: file://localhost:%d\r\n" % port),
                ("a longer name", host + own + b"Origin: http://localhost:%d.evil.example\r\n" % port),
                ("cross-site", host + own + b"Sec-Fetch-Site: cross-site\r\n"),
                ("same-site", host + own + good + b"Sec-Fetch-Site: same-site\r\n"),
                ("a name that was bound anew", b"Host: evil.example\r\n" + own + b"Origin: http://evil.example\r\n")):
            equal(what, raw(port, fields, cmd), 403)
        equal("two fields", raw(port, host + own + own, cmd), 400)
        equal("no number", raw(port, host + b"Stet-Admin: x\r\n", cmd), 400)
        equal("a negative one", raw(port, host + b"Stet-Admin: -1\r\n", cmd), 400)
        with Web(port) as w:
            equal("a browser's question", w.ask(b"OPTIONS /command HTTP/1.1\r\n" + host + b"\r\n")[0], 405)
        with Web(port) as w:
            equal("GET", w.ask(b"GET /command HTTP/1.1\r\n" + host + own + b"\r\n")[0], 405)
        equal("nothing was done", s.conn().call("EXISTS", "hacked"), 0)


@case
def bodies_are_bounded():
    with serve(*ON) as (s, port):
        head = b"Host: localhost\r\nStet-Admin: 0\r\n"
        equal("too long", raw(port, head, b"", 64 * 1024 + 1), 413)
        equal("giant", raw(port, head, b"", 9999999999), 413)
        equal("more digits", raw(port, head, b"", 10 ** 30), 400)
        equal("chunks", raw(port, head + b"Transfer-Encoding: chunked\r\n", b"PING\r\n"), 413)
        equal("two lengths", raw(port, head + b"Content-Length: 6\r\n", b"PING\r\n"), 400)
        for length in (b"-1", b"+6", b"0x6", b"6, 6", b"6 6", b""):
            with Web(port) as w:
                status = w.ask(b"POST /command HTTP/1.1\r\n" + head + b"Content-Length: " + length + b"\r\n\r\nPING\r\n")[0]
                equal("%r" % length, status, 400)
        with Web(port) as w:
            equal("no length", w.ask(b"POST /command HTTP/1.1\r\n" + head + b"\r\nPING\r\n")[0], 411)
        value = b"x" * (64 * 1024 - 40)
        equal("the longest", raw(port, head, encode(("SET", "k", value))), 200)
        equal("all of it", s.conn().call("STRLEN", "k"), len(value))


@case
def what_is_no_command_is_refused():
    with serve(*ON) as (s, port):
        for body in (b"", b"\r\n", b"PING", b"{}", b'["PING"]', b"PING\r\nPING\r\n", b"*1\r\n", b"*1\r\n$4\r\nPIN",
                     b"*1\r\n$4\r\nPING\r\nx", b"*-1\r\n", b"*0\r\n", b"*1\r\n$-1\r\n", b"*99999999\r\n$1\r\nx\r\n",
                     b"*1\r\n:1\r\n", b'SET "k\r\n', b"\0" * 1000, b"*1\r\n$999999999999\r\nx\r\n", os.urandom(1000)):
            status = post(port, body)[0]
            check(status == 400 or (status == 200 and b"\n" in body), "%r: %d" % (body[:30], status))
        equal("it is alive", s.conn().call("PING"), b"PONG")
        equal("commands", s.conn().call("DBSIZE"), 0)


@case
def a_slow_body_ends():
    with serve(*ON) as (s, port):
        slow = []
        for _ in range(70):
            sock = socket.create_connection(("127.0.0.1", port))
            sock.sendall(b"POST /command HTTP/1.1\r\nHost: localhost\r\nStet-Admin: 0\r\nContent-Length: 60000\r\n\r\nSET")
            slow.append(sock)
        equal("others are served", run(port, "PING"), b"+PONG\r\n")
        closed = 0
        for sock in slow:
            sock.settimeout(60)
            try:
                closed += sock.recv(1) == b""
            except ConnectionError:
                closed += 1
            sock.close()
        equal("closed", closed, 70)


@case
def peers_that_go_leave_nothing():
    with serve(*ON) as (s, port):
        c = s.conn()
        for i in range(200):
            sock = socket.create_connection(("127.0.0.1", port))
            body = b"DEBUG SLEEP 0\r\n" if i % 2 else b"KEYS *\r\n"
            sock.sendall(b"POST /command HTTP/1.1\r\nHost: localhost\r\nStet-Admin: 0\r\nContent-Length: %d\r\n\r\n%s" %
                         (len(body), body[:len(body) - i % 3]))
            sock.close()
        wait_for(lambda: b"http-admin" not in c.call("CLIENT", "LIST"), "the sessions end")
        equal("it is alive", run(port, "PING"), b"+PONG\r\n")


@case
def a_wrong_password_is_delayed():
    with serve(*ON, "--http-password", "pw", "--auth-delay-max", "700") as (_, port):
        for _ in range(20):
            equal("a wrong one", get(port, "/readyz", password="x")[0] and post(port, b"PING\r\n", password="x")[0], 401)
        began = time.monotonic()
        equal("another one", post(port, b"PING\r\n", password="x")[0], 401)
        took = time.monotonic() - began
        check(took > 0.2, "the delay is %.3f s" % took)
        began = time.monotonic()
        equal("without one", get(port, "/healthz")[0], 200)
        check(time.monotonic() - began < took, "others wait too")
        equal("the right one", post(port, b"PING\r\n", password="pw")[0], 200)


@case
def a_long_command_serves_others_and_ends():
    with serve(*ON, "--enable-debug-command", "yes") as (s, port):
        c = s.conn()
        c.call("DEBUG", "POPULATE", "300000")
        got = []
        t = threading.Thread(target=lambda: got.append(run(port, "EVAL", "local n = 0 while n < 3e7 do n = n + 1 end return 7", "0")))
        t.start()
        for _ in range(5):
            equal("healthz meanwhile", get(port, "/healthz")[0], 200)
        t.join()
        equal("the script", got, [b":7\r\n"])
        t = threading.Thread(target=lambda: got.append(run(port, "DEBUG", "RELOAD")))
        t.start()
        equal("another one while it loads", get(port, "/healthz")[0], 200)
        equal("is answered", run(port, "DBSIZE"), b":300000\r\n")
        t.join()
        equal("DEBUG RELOAD", got[1], b"+OK\r\n")


RANDOM = (("PING",), ("KEYS", "*"), ("CLIENT", "KILL", "TYPE", "normal"), ("BLPOP", "x", "0"), ("MONITOR",), ("BGREWRITEAOF",),
          ("BACKUP", "START"), ("BACKUP", "SEAL"), ("CLIENT", "PAUSE", "20", "WRITE"), ("DEBUG", "RELOAD"), ("SORT", "big", "ALPHA"),
          ("EVAL", "for i = 1, 1000000 do end", "0"), ("DEBUG", "SLICE", "1", "1"), ("SET", "k", "v"), ("CLIENT", "KILL", "SKIPME", "no"))


def random_request(r):
    body = bytearray(encode(r.choice(RANDOM)))
    if r.random() < 0.2:
        body[r.randrange(len(body))] = r.randrange(256)
    text = b"POST /command HTTP/1.1\r\nHost: localhost\r\nStet-Admin: %d\r\nContent-Length: %d\r\n\r\n" % (
        r.randrange(17), len(body)) + body
    if r.random() < 0.2:
        text = text[:r.randrange(len(text))] + r.randbytes(r.randrange(30))
    return text * r.choice((1, 1, 1, 3))


def torment(port, seed, until):
    r = random.Random(seed)
    while time.monotonic() < until:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as sock:
                sock.settimeout(r.choice((0.01, 0.5)))
                sock.sendall(random_request(r))
                sock.recv(65536)
        except OSError:
            pass


@case
def random_requests_of_many_peers_end_nothing():
    with serve(*ON, "--enable-debug-command", "yes", "--appendonly", "yes", "--appendfsync", "always") as (s, port):
        s.conn().call("RPUSH", "big", *map(str, range(10000)))
        until = time.monotonic() + 3
        peers = [threading.Thread(target=torment, args=(port, seed, until)) for seed in range(8)]
        for t in peers:
            t.start()
        for t in peers:
            t.join()
        equal("it is alive", get(port, "/healthz")[0], 200)
        wait_for(lambda: b"http-admin" not in s.conn().call("CLIENT", "LIST"), "the sessions end")
        equal("a clean stop", s.stop(), 0)


@case
def a_shutdown_ends_the_server():
    port = free_port()
    with Server("--http-port", str(port), *ON) as s:
        try:
            post(port, b"SHUTDOWN NOSAVE\r\n")
        except (ConnectionError, OSError):
            pass
        wait_for(lambda: not s.running(), "it stops")


if __name__ == "__main__":
    sys.exit(run_words("http-admin", cases))
