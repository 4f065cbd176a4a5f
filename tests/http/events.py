#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""events - /events, from which the page lives: what it says equals what commands answer; and its limits.

  events.py [WORD...]   only the cases with one of the words in their names
"""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import Cases, check, equal, run_words  # noqa: E402
from server import wait_for  # noqa: E402
from web import Web, get, serve  # noqa: E402

cases = Cases()
case = cases.case
ASK = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Events(Web):
    def __init__(self, port):
        super().__init__(port)
        self.send(ASK)
        status, head = self.head()
        equal("stream", (status, head["content-type"]), (200, "text/event-stream"))

    def next(self):
        for line in iter(self.file.readline, b""):
            if line.startswith(b"data: "):
                return json.loads(line[6:])
        raise ConnectionError("closed")

    def wait(self, condition, what):
        return wait_for(lambda: [e for e in [self.next()] if condition(e)], what)[0]


@case
def says_what_info_says():
    with serve("--appendonly", "yes", "--slowlog-log-slower-than", "0") as (s, http), Events(http) as events:
        c = s.conn()
        c.call("CLIENT", "SETNAME", "someone")
        c.call("SET", "k", 'a "quoted" \\ \x01 value')
        c.ask("LPUSH", "k", "x")
        c.call("EXPIRE", "k", "1000")
        c.call("CONFIG", "SET", "hz", "17")
        c.call("CONFIG", "SET", "requirepass", "geheim")
        info = c.info("default")
        e = events.wait(lambda e: int(e["info"]["total_commands_processed"]) > int(info["total_commands_processed"]) and
                        any(p["name"] == "hz" for p in e["changed"]), "an event after the last command")
        for name in ("redis_version", "run_id", "tcp_port", "aof_enabled", "connected_clients", "keyspace_misses", "role"):
            equal(name, e["info"][name], info[name])
        equal("fields", set(e["info"]) ^ set(info), set())
        equal("SET", [x["calls"] for x in e["commands"] if x["name"] == "set"], [1])
        equal("errors", e["errors"], [{"code": "WRONGTYPE", "count": 1}])
        equal("databases", [(d["db"], d["keys"], d["expires"]) for d in e["databases"]], [(0, 1, 1)])
        equal("changed", sorted((p["name"], p["was"], p["is"]) for p in e["changed"]),
              [("hz", "10", "17"), ("requirepass", "(secret)", "(secret)")])
        equal("client", [x["name"] for x in e["clients"]], ["someone"])
        slow = [x["argv"] for x in e["slow"]]
        check(["SET", "k", 'a "quoted" \\ \\x01 value'] in slow, slow)
        check("geheim" not in json.dumps(e), "a password is shown")


@case
def the_largest_keys():
    with serve("--databases", "20") as (s, http):
        c = s.conn()
        for i in range(3000):
            c.call("SET", "small:%d" % i, "x")
        c.call("RPUSH", "list", *["x" * 50] * 2000)
        c.call("SELECT", "19")
        c.call("SET", b"\xff<b>", "x" * 300000)
        with Events(http) as events:
            keys = events.wait(lambda e: e["keys"]["complete"], "a pass over all keys")["keys"]
        equal("keys", keys["seen"], 3002)
        equal("largest", [(k["key"], k["db"], k["type"]) for k in keys["top"][:2]],
              [("\\xff<b>", 19, "string"), ("list", 0, "list")])
        equal("bytes of the largest", keys["top"][0]["bytes"], c.call("MEMORY", "USAGE", b"\xff<b>"))
        equal("types", {t["type"]: t["keys"] for t in keys["types"]}, {"string": 3001, "list": 1})
        equal("misses", c.info("stats")["keyspace_misses"], "0")


@case
def streams_are_limited():
    with serve() as (_, http):
        open_ones = [Events(http) for _ in range(16)]
        equal("one more", get(http, "/events")[0], 503)
        equal("metrics meanwhile", get(http, "/metrics")[0], 200)
        for e in open_ones:
            e.next()
            e.__exit__()
        wait_for(lambda: events_open(http), "room for another")


def events_open(http):
    with Web(http) as w:
        w.send(ASK)
        return w.head()[0] == 200


@case
def needs_the_password():
    with serve("--http-password", "x") as (_, http):
        for path in ("/", "/events", "/page.js", "/page.css", "/icon.svg"):
            equal(path, get(http, path)[0], 401)
        equal("with it", get(http, "/", password="x")[0], 200)


@case
def files_of_the_page():
    with serve() as (_, http):
        for path, kind in (("/", "text/html"), ("/page.js", "text/javascript"), ("/page.css", "text/css"),
                           ("/icon.svg", "image/svg+xml")):
            status, head, body = get(http, path)
            equal(path, (status, head["content-type"].split(";")[0]), (200, kind))
            check("default-src 'none'" in head["content-security-policy"], head)
            name = "index.html" if path == "/" else path[1:]
            with open(os.path.join(HERE, "..", "..", "server", "http", "page", name), "rb") as f:
                equal("contents of " + name, body, f.read())


if __name__ == "__main__":
    sys.exit(run_words("http-events", cases))
