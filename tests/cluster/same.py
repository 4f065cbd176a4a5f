#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""same - a cluster of one node beside redis-server in cluster mode: the same commands, the same replies,
in RESP2 and RESP3. What differs on purpose stands in docs/differences.md and is left out or named here."""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
from cases import Cases, check, equal, need, run_words  # noqa: E402
from resp import Conn  # noqa: E402
from server import Server, free_port, wait_for  # noqa: E402

REDIS = "/usr/bin/redis-server"
cases = Cases()


def low_port():
    """A port that leaves room for the one of the bus, 10,000 above it."""
    return wait_for(lambda: (lambda port: port if port <= 55535 else None)(free_port()), "a low port")


class Pair:
    """Both servers, each with all slots and its cluster in the state ok."""

    def __init__(self, *args, slots=True):
        self.args, self.slots = args, slots

    def __enter__(self):
        words = ["--cluster-enabled", "yes", *self.args]
        self.stet = Server(*words)
        self.redis = Server(*words, program=REDIS, start=False)
        self.redis.fixed_port = low_port()
        self.redis.start()
        if self.slots:
            with_slots(self.redis)
        return self

    def __exit__(self, *exc):
        self.stet.__exit__(*exc)
        self.redis.__exit__(*exc)


def with_slots(server):
    c = server.conn()
    c.call("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    wait_state(c, b"ok")


def wait_state(c, state):
    wait_for(lambda: b"cluster_state:" + state in c.call("CLUSTER", "INFO"), "state of the cluster")


def plain(node, port, id):
    """A reply without what each server has for itself: its port, its id, its address."""
    text = repr(node).replace(id, "ID").replace(str(port + 10000), "BUS").replace(str(port), "PORT")
    text = re.sub(r"127\.0\.0\.1:PORT", ":PORT", text)
    return text.replace("['$', '127.0.0.1']", "['$', '']")


def compare(pair, commands, proto=2):
    ends = []
    for s in (pair.redis, pair.stet):
        c = Conn(s.port, proto=proto)
        ends.append((c, s.port, c.call("CLUSTER", "MYID").decode()))
    different = []
    for words in commands:
        words = words.split(" ") if isinstance(words, str) else words
        got = [plain(c.ask(*[id if w == "MYSELF" else w for w in words]), port, id) for c, port, id in ends]
        if got[1] != got[0]:
            different.append("%s (RESP%d): %s\n    redis: %s" % (" ".join(map(str, words)), proto, got[1], got[0]))
    check(not different, "\n".join(different))


NOBODY = "0" * 40
TELL = ["CLUSTER INFO", "CLUSTER NODES", "CLUSTER SLOTS", "CLUSTER SHARDS", "CLUSTER MYID", "CLUSTER LINKS",
        "CLUSTER REPLICAS MYSELF", "CLUSTER SLAVES MYSELF", "CLUSTER COUNT-FAILURE-REPORTS MYSELF",
        "CLUSTER REPLICAS x", "CLUSTER COUNT-FAILURE-REPORTS x", "CLUSTER SLAVES " + NOBODY]
KEYS = ["CLUSTER KEYSLOT a", "CLUSTER KEYSLOT {a}b", "CLUSTER KEYSLOT {}b", "CLUSTER KEYSLOT {a", "CLUSTER KEYSLOT ",
        "CLUSTER KEYSLOT {{a}}b", "CLUSTER KEYSLOT a{b}{c}", "MSET {k}1 a {k}2 b {k}3 c", "CLUSTER COUNTKEYSINSLOT 7629",
        "CLUSTER KEYSLOT k", "CLUSTER COUNTKEYSINSLOT 0", "CLUSTER COUNTKEYSINSLOT -1", "CLUSTER COUNTKEYSINSLOT 16384",
        "CLUSTER COUNTKEYSINSLOT x", "CLUSTER GETKEYSINSLOT 7629 0", "CLUSTER GETKEYSINSLOT 0 10",
        "CLUSTER GETKEYSINSLOT 0 -1", "CLUSTER GETKEYSINSLOT 16384 1", "CLUSTER GETKEYSINSLOT x 1",
        "CLUSTER GETKEYSINSLOT 0 x", "DBSIZE", "SCAN 0 MATCH {k}1", "KEYS nothing", "FLUSHALL"]
SLOTS = ["CLUSTER ADDSLOTS 1", "CLUSTER ADDSLOTS 16384", "CLUSTER ADDSLOTS x", "CLUSTER ADDSLOTSRANGE 1",
         "CLUSTER ADDSLOTSRANGE 1 0", "CLUSTER ADDSLOTSRANGE 1 2 3", "CLUSTER ADDSLOTSRANGE 1 16384",
         "CLUSTER DELSLOTS 1 1", "CLUSTER DELSLOTS 1 x", "CLUSTER DELSLOTS 1", "CLUSTER DELSLOTS 1",
         "CLUSTER DELSLOTSRANGE 2 3 5 5", "CLUSTER DELSLOTSRANGE 1 2", "CLUSTER NODES", "CLUSTER SLOTS",
         "CLUSTER SHARDS", "CLUSTER ADDSLOTS 1 2 2", "CLUSTER ADDSLOTS 1 2 3", "CLUSTER ADDSLOTSRANGE 5 5",
         "CLUSTER NODES", "CLUSTER SETSLOT 1 STABLE", "CLUSTER SETSLOT 16384 STABLE", "CLUSTER SETSLOT x STABLE",
         "CLUSTER SETSLOT 1 FOO", "CLUSTER SETSLOT 1 FOO BAR", "CLUSTER SETSLOT 1 MIGRATING x",
         "CLUSTER SETSLOT 1 IMPORTING x", "CLUSTER SETSLOT 1 NODE x", "CLUSTER SETSLOT 1 NODE MYSELF",
         "CLUSTER SETSLOT 1 IMPORTING MYSELF", "CLUSTER SETSLOT 1 STABLE x"]
NODES = ["CLUSTER MEET x 1", "CLUSTER MEET 127.0.0.1 x", "CLUSTER MEET 127.0.0.1 1 x", "CLUSTER MEET 127.0.0.1 0",
         "CLUSTER MEET 127.0.0.1", "CLUSTER FORGET x", "CLUSTER FORGET MYSELF", "CLUSTER REPLICATE x",
         "CLUSTER REPLICATE MYSELF", "CLUSTER FAILOVER", "CLUSTER FAILOVER FORCE", "CLUSTER FAILOVER TAKEOVER",
         "CLUSTER FAILOVER FOO", "CLUSTER FAILOVER FORCE x", "CLUSTER RESET HARD x", "CLUSTER MEET 127.0.0.1 1 2 3", "CLUSTER SET-CONFIG-EPOCH x",
         "CLUSTER SET-CONFIG-EPOCH -1", "CLUSTER SAVECONFIG", "CLUSTER BUMPEPOCH", "CLUSTER BUMPEPOCH",
         "CLUSTER SET-CONFIG-EPOCH 5", "CLUSTER INFO", "CLUSTER FOO", "CLUSTER INFO x", "CLUSTER", "CLUSTER RESET FOO",
         "SET a 1", "CLUSTER RESET", "CLUSTER FLUSHSLOTS", "DEL a", "REPLICAOF 127.0.0.1 1", "SLAVEOF NO ONE", "FAILOVER",
         "ROLE", "READONLY", "READWRITE", "ASKING"]
CROSS = ["MSET a 1 b 2", "MSET {a}1 1 {a}2 2", "MGET a b", "DEL a b", "RENAME a b", "SUNION a b", "SUNIONSTORE {a}d a b",
         "SINTERCARD 2 a b", "ZUNION 2 a b", "ZUNIONSTORE a 2 {a}1 b", "LMPOP 2 a b LEFT", "BLMPOP 0 2 a b LEFT",
         "XREAD STREAMS a b 0 0", "BITOP AND a b", "PFMERGE a b", "SORT a STORE b", "GEORADIUS a 1 1 1 km STORE b",
         "GEORADIUS a 1 1 1 km STORE {a}b", "COPY a b", "LCS a b", "OBJECT ENCODING a", "WATCH a b", "UNWATCH",
         "BLPOP a b 0", "SMOVE a b c", "TOUCH a b", "EXISTS a b", "UNLINK a b", "MSETNX a 1 b 2", "PFCOUNT a b",
         "MIGRATE 127.0.0.1 1 a 0 10", "MIGRATE 127.0.0.1 1 {} 0 10 KEYS a b", "SELECT 1", "SELECT 0", "SELECT x",
         "SELECT 99", "SWAPDB 0 1", "SWAPDB x 1", "MOVE a 1", "MOVE a 0", "SORT {l}a BY x_*", "SORT {l}a GET y_*",
         "SORT {l}a GET #", "SORT {l}a BY nosort", "SORT_RO {l}a BY x_*", "COPY {a}1 {a}9 DB 1", "COPY {a}1 {a}9 DB 0",
         "EVAL x 2 a b", "EVAL x -1 a", "EVAL x x a", "EVAL x 5 a", "FCALL f 2 a b", "EVALSHA %s 2 a b" % ("0" * 40),
         "SPUBLISH a b", "PUBLISH a b", "PUBSUB SHARDNUMSUB a b", "PUBSUB SHARDCHANNELS"]
MULTI = ["MULTI", "SET a 1", "SET b 2", "EXEC", "GET a", "EXEC", "MULTI", "MGET a b", "SET a 1", "EXEC", "MULTI", "SET {a}1 1",
         "SET {a}2 2", "EXEC", "MULTI", "PING", "EXEC", "MULTI", "EVAL", "EXEC", "MULTI", "SET a 1", "DISCARD"]
SCRIPTS = [
    ("EVAL", "return redis.call('get','a')", 0),
    ("EVAL", "redis.call('set','a',1) return redis.call('get','b')", 0),
    ("EVAL", "return redis.call('get','b')", 1, "a"),
    ("EVAL", "return redis.call('mget','a','b')", 0),
    ("EVAL", "return redis.pcall('mget','a','b')", 1, "a"),
    ("EVAL", "#!lua\nreturn redis.call('get','b')", 1, "a"),
    ("EVAL", "#!lua\nreturn redis.call('get','b')", 0),
    ("EVAL", "#!lua\nredis.call('set','a',1) return redis.call('get','b')", 0),
    ("EVAL", "#!lua flags=allow-cross-slot-keys\nredis.call('set','a',1) return redis.call('get','b')", 1, "c"),
    ("EVAL", "#!lua flags=allow-cross-slot-keys\nreturn redis.call('mget','a','b')", 0),
    ("EVAL", "#!lua flags=no-cluster\nreturn 1", 0),
    ("EVAL", "return redis.call('select',1)", 0),
    ("EVAL", "return redis.call('cluster','keyslot','a')", 0),
    ("EVAL", "return 1", 2, "a", "b"),
    ("FUNCTION", "LOAD", "#!lua name=l\n"
     "redis.register_function{function_name='f',callback=function(k) return redis.call('get','b') end}\n"
     "redis.register_function{function_name='g',callback=function(k) return 1 end,flags={'no-cluster'}}\n"
     "redis.register_function{function_name='h',callback=function(k) return redis.call('get','b') end,"
     "flags={'allow-cross-slot-keys'}}"),
    ("FCALL", "f", 0), ("FCALL", "f", 1, "a"), ("FCALL", "g", 0), ("FCALL", "h", 1, "a"), ("FCALL", "f", 2, "a", "b"),
]


@cases.case
def replies():
    for proto in (2, 3):
        with Pair() as p:
            for commands in (TELL, KEYS, CROSS, MULTI, SCRIPTS, SLOTS, NODES):
                compare(p, commands, proto)


@cases.case
def without_slots():
    """Nothing is served: the words, and what still works."""
    with Pair(slots=False) as p:
        p.stet.conn().call("CLUSTER", "FLUSHSLOTS")
        compare(p, ["CLUSTER SLOTS", "CLUSTER SHARDS", "CLUSTER NODES", "GET a", "SET a 1", "MGET a b", "EVAL x 1 a",
                    "EVAL x 1 a", "SPUBLISH a b", "SSUBSCRIBE a", "PING", "KEYS *", "DBSIZE", "MULTI", "GET a", "EXEC",
                    ("EVAL", "return redis.call('get','a')", 0), "PUBLISH a b", "SCAN 0"])


@cases.case
def with_holes():
    """Some slots are not served: the cluster is down, with each of the parameters that soften this."""
    words = ["GET a", "SET a 1", "MGET {a}1 {a}2", "SET {06S} 1", "GET {06S}", "EVAL x 1 a", "SPUBLISH a b", "SPUBLISH {06S} b",
             ("EVAL", "return redis.call('get','a')", 0), ("EVAL", "return redis.call('set','a',1)", 0),
             "MULTI", "GET a", "SET a 1", "EXEC", "CLUSTER SLOTS", "CLUSTER NODES"]
    for setting in ((), ("cluster-allow-reads-when-down", "yes"), ("cluster-allow-pubsubshard-when-down", "no"),
                    ("cluster-require-full-coverage", "no")):
        with Pair() as p:
            for s in (p.redis, p.stet):
                c = s.conn()
                if setting:
                    c.call("CONFIG", "SET", *setting)
                c.call("CLUSTER", "DELSLOTSRANGE", 0, 9)
                wait_state(c, b"ok" if "coverage" in "".join(setting) else b"fail")
            compare(p, words)


@cases.case
def names():
    """What a node calls itself, and which form clients are told."""
    for kind in ("ip", "hostname", "unknown-endpoint"):
        for args in ((), ("--cluster-announce-hostname", "host.example"),
                     ("--cluster-announce-ip", "10.1.2.3", "--cluster-announce-port", "99", "--cluster-announce-bus-port",
                      "98", "--cluster-announce-hostname", "h")):
            for proto in (2, 3):
                with Pair("--cluster-preferred-endpoint-type", kind, *args) as p:
                    compare(p, ["CLUSTER NODES", "CLUSTER SLOTS", "CLUSTER SHARDS"], proto)


@cases.case
def info_and_hello():
    with Pair() as p:
        for s in (p.redis, p.stet):
            c = s.conn()
            equal("cluster_enabled", b"cluster_enabled:1" in c.call("INFO", "cluster"), True)
            equal("redis_mode", b"redis_mode:cluster" in c.call("INFO", "server"), True)
            equal("hello", dict(zip(*[iter(c.call("HELLO"))] * 2))[b"mode"], b"cluster")


if __name__ == "__main__":
    need("redis-server")
    sys.exit(run_words("cluster-same", cases))
