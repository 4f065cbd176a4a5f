#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""nodes - an emulated cluster over the wire: every node on its own port, redirections, replicas, moves of
slots, nodes that fail, restarts."""
import os
import re
import socket
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
from cases import Cases, ask, check, equal, need, run_words  # noqa: E402
from resp import Closed, Conn, encode  # noqa: E402
from tls import Certs, TlsConn, TlsServer, context  # noqa: E402
from server import NO_LEAKS, Failed, Server, free_port, wait_for  # noqa: E402

cases = Cases()
FOO, BAR = 12182, 5061  # of node 2 and of node 0, of three masters
READ_ONLY = "READONLY You can't write against a read only replica."


def cluster(masters=3, replicas=1, *more, **kw):
    return Server("--cluster-emulate-nodes", str(masters), "--cluster-emulate-replicas", str(replicas),
                  "--enable-test-commands", "yes", *more, **kw)


def conns(s):
    return [Conn(port) for port in s.ports]


def moved(s, slot, node, word="MOVED"):
    return "%s %d 127.0.0.1:%d" % (word, slot, s.ports[node])


def say(c, line):
    """The reply as text, also of an error."""
    got = ask(c, *line.split(" "))
    return got.decode() if isinstance(got, bytes) else got


def nodes_of(c):
    """{port: the words of its line} of CLUSTER NODES."""
    lines = [line.split(" ") for line in c.call("CLUSTER", "NODES").decode().splitlines()]
    return {int(re.search(r":(\d+)@", w[1])[1]): w for w in lines}


@cases.case
def topology():
    with cluster() as s:
        cs = conns(s)
        equal("ports", len(set(s.ports)), 6)
        ids = [c.call("CLUSTER", "MYID").decode() for c in cs]
        equal("ids", len(set(ids)), 6)
        for i, c in enumerate(cs):
            there = nodes_of(c)
            equal("nodes", sorted(there), sorted(s.ports))
            equal("myself", there[s.ports[i]][2], "myself,master" if i < 3 else "myself,slave")
            equal("masters", [there[s.ports[k]][3] for k in range(6)], ["-"] * 3 + ids[:3])
            equal("slots", [there[p][8:] for p in s.ports[:3]], [["0-5460"], ["5461-10922"], ["10923-16383"]])
            equal("ports of SLOTS", [[n[1] for n in r[2:]] for r in c.call("CLUSTER", "SLOTS")],
                  [[s.ports[k], s.ports[3 + k]] for k in range(3)])
            equal("tcp_port", b"tcp_port:%d\r\n" % s.ports[i] in c.call("INFO", "server"), True)
        role = cs[4].call("ROLE")
        equal("ROLE", role[:4], [b"slave", b"127.0.0.1", s.ports[1], b"connected"])
        equal("ROLE", cs[1].call("ROLE")[0], b"master")
        equal("INFO", b"role:slave\r\n" in cs[4].call("INFO", "replication"), True)
        equal("shard", cs[4].call("CLUSTER", "MYSHARDID"), cs[1].call("CLUSTER", "MYSHARDID"))
        equal("LINKS", len(cs[0].call("CLUSTER", "LINKS")), 10)


@cases.case
def fixed_ports():
    """`port N`: N, N+1, ..."""
    def start():
        with Server("--cluster-emulate-nodes", "3", start=False) as s:
            s.fixed_port = free_port() - 3
            try:
                s.start()
            except Failed:
                return False  # one of the ports was taken meanwhile
            equal("ports", [Conn(s.port + i).call("PING") for i in range(3)], [b"PONG"] * 3)
            equal("MOVED", say(Conn(s.port), "GET foo"), "MOVED %d 127.0.0.1:%d" % (FOO, s.port + 2))
            return True
    wait_for(start, "three free ports in a row")


@cases.case
def redirections():
    with cluster() as s:
        cs = conns(s)
        equal("owner", say(cs[2], "SET foo 1"), "OK")
        for i in (0, 1, 3, 4, 5):
            equal("others", say(cs[i], "GET foo"), moved(s, FOO, 2))
        equal("CROSSSLOT", say(cs[2], "MSET foo 1 bar 2"), "CROSSSLOT Keys in request don't hash to the same slot")
        equal("READONLY", say(cs[5], "READONLY"), "OK")
        equal("flags", b" flags=r " in cs[5].call("CLIENT", "INFO"), True)
        equal("replica", say(cs[5], "GET foo"), "1")
        equal("replica", say(cs[5], "SET foo 2"), moved(s, FOO, 2))
        equal("replica", say(cs[5], "FLUSHALL"), READ_ONLY)
        equal("replica", say(cs[5], "EVAL return(redis.call('get',KEYS[1])) 1 foo"), "1")
        check(say(cs[5], "EVAL return(redis.call('set',KEYS[1],1)) 1 foo").startswith(READ_ONLY), "a script that writes")
        equal("RESET", say(cs[5], "RESET"), "RESET")
        equal("after RESET", say(cs[5], "GET foo"), moved(s, FOO, 2))
        check("non local key" in say(cs[0], "EVAL return(redis.call('get','foo')) 0"), "a script's key elsewhere")
        for words in ("MULTI", "GET foo"):
            got = say(cs[0], words)
        equal("in MULTI", got, moved(s, FOO, 2))
        equal("EXEC", say(cs[0], "EXEC"), "EXECABORT Transaction discarded because of previous errors.")


@cases.case
def what_a_node_sees():
    with cluster() as s:
        cs = conns(s)
        keys = ["k%d" % i for i in range(300)]
        owner = {}
        for k in keys:
            slot = cs[0].call("CLUSTER", "KEYSLOT", k)
            owner[k] = 0 if slot <= 5460 else 1 if slot <= 10922 else 2
            cs[owner[k]].call("SET", k, 1, "EX", 1000)
        for i, c in enumerate(cs):
            own = sorted(k for k in keys if owner[k] == i % 3)
            equal("DBSIZE", c.call("DBSIZE"), len(own))
            equal("KEYS", sorted(k.decode() for k in c.call("KEYS", "*")), own)
            found, cursor = [], b"0"
            while True:
                cursor, some = c.call("SCAN", cursor)
                found += [k.decode() for k in some]
                if cursor == b"0":
                    break
            equal("SCAN", sorted(set(found)), own)
            check(c.call("RANDOMKEY").decode() in own, "RANDOMKEY")
            check(b"db0:keys=%d,expires=%d," % (len(own), len(own)) in c.call("INFO", "keyspace"), "INFO keyspace")
            slot = c.call("CLUSTER", "KEYSLOT", own[0])
            equal("COUNTKEYSINSLOT", c.call("CLUSTER", "COUNTKEYSINSLOT", slot) >= 1, True)
            check(own[0].encode() in c.call("CLUSTER", "GETKEYSINSLOT", slot, 10), "GETKEYSINSLOT")
            equal("others", cs[(i + 1) % 3].call("CLUSTER", "COUNTKEYSINSLOT", slot), 0)
        cs[1].call("FLUSHALL")
        equal("FLUSHALL", [c.call("DBSIZE") for c in cs], [sum(owner[k] == i % 3 for k in keys) if i % 3 != 1 else 0
                                                           for i in range(6)])
        cs[2].call("FLUSHDB", "ASYNC")
        equal("RANDOMKEY of none", cs[2].call("RANDOMKEY"), None)
        check(cs[0].call("DBSIZE") > 0, "the other's keys stay")


@cases.case
def moves_of_slots():
    with cluster() as s:
        cs = conns(s)
        cs[2].call("SET", "foo", 1)
        equal("MOVE", say(cs[0], "TEST CLUSTER MOVE %d %d" % (FOO, s.ports[0])), "OK")
        equal("at once", say(cs[2], "GET foo"), moved(s, FOO, 0))
        equal("there", say(cs[0], "GET foo"), "1")
        equal("slots", nodes_of(cs[1])[s.ports[0]][8:], ["0-5460", str(FOO)])
        id = cs[1].call("CLUSTER", "MYID").decode()
        equal("by id", say(cs[0], "TEST CLUSTER ASK %d %s" % (FOO, id)), "OK")
        equal("migrating", nodes_of(cs[0])[s.ports[0]][10:], ["[%d->-%s]" % (FOO, id)])
        equal("importing", nodes_of(cs[1])[s.ports[1]][9:], ["[%d-<-%s]" % (FOO, cs[0].call("CLUSTER", "MYID").decode())])
        equal("it is there", say(cs[0], "GET foo"), "1")
        equal("it is not", say(cs[0], "GET {foo}x"), moved(s, FOO, 1, "ASK"))
        equal("some are", say(cs[0], "MGET foo {foo}x"), "TRYAGAIN Multiple keys request during rehashing of slot")
        equal("without ASKING", say(cs[1], "SET {foo}x 1"), moved(s, FOO, 0))
        equal("ASKING", [say(cs[1], w) for w in ("ASKING", "SET {foo}x 1", "SET {foo}x 1")], ["OK", "OK", moved(s, FOO, 0)])
        equal("DBSIZE", [c.call("DBSIZE") for c in cs[:3]], [1, 1, 0])
        equal("STABLE", say(cs[0], "TEST CLUSTER STABLE %d" % FOO), "OK")
        equal("together", say(cs[0], "MGET foo {foo}x"), [b"1", b"1"])
        for line in ("MOVE x 1", "MOVE %d 1" % FOO, "MOVE 16384 %d" % s.port, "MOVE 1 %d" % s.ports[3],
                     "ASK %d %d" % (FOO, s.port), "FAILOVER %d" % s.port, "NOTHING 1"):
            check(say(cs[0], "TEST CLUSTER " + line).startswith("ERR "), line)


@cases.case
def clients_that_wait():
    with cluster() as s:
        cs = conns(s)
        sub = Conn(s.ports[2])
        sub.call("SSUBSCRIBE", "foo")
        waits = Conn(s.ports[2])
        waits.send(encode(["BLPOP", "foo", "0"]))
        wait_for(lambda: b"blocked_clients:1" in cs[0].call("INFO", "clients"), "blocked")
        equal("SPUBLISH", say(cs[2], "SPUBLISH foo x"), 1)
        equal("message", sub.read()[1][2], ["$", "x"])
        equal("elsewhere", say(cs[0], "SPUBLISH foo x"), moved(s, FOO, 2))
        equal("SSUBSCRIBE elsewhere", say(cs[0], "SSUBSCRIBE foo"), moved(s, FOO, 2))
        equal("SHARDCHANNELS", [c.call("PUBSUB", "SHARDCHANNELS") for c in cs], [[], [], [b"foo"]] * 2)
        equal("SHARDNUMSUB", [c.call("PUBSUB", "SHARDNUMSUB", "foo")[1] for c in cs], [0, 0, 1] * 2)
        cs[0].call("TEST", "CLUSTER", "MOVE", FOO, s.ports[1])
        equal("sunsubscribe", sub.read(), ["*", [["$", "sunsubscribe"], ["$", "foo"], [":", 0]]])
        equal("blocked", waits.read(), ["-", moved(s, FOO, 1)])
        classic = Conn(s.ports[4])
        classic.call("SUBSCRIBE", "news")
        equal("PUBLISH", say(cs[0], "PUBLISH news x"), 1)
        equal("classic channels are everywhere", classic.read()[1][2], ["$", "x"])


def refused(port):
    try:
        Conn(port)
    except OSError:
        return True
    return False


def answers(port, *words_and_reply):
    """Whether a node that may be ending just now, or starting, answers so."""
    try:
        return ask(Conn(port), *words_and_reply[:-1]) == words_and_reply[-1]
    except (OSError, Closed):
        return False


@cases.case
def nodes_that_fail():
    with cluster() as s:
        cs = conns(s)
        cs[2].call("SET", "foo", 1)
        equal("FAIL", say(cs[0], "TEST CLUSTER FAIL %d" % s.ports[2]), "OK")
        check(refused(s.ports[2]), "it does not listen")
        try:
            cs[2].call("PING")
            check(False, "its client is served")
        except Closed:
            pass
        equal("fail", nodes_of(cs[0])[s.ports[2]][2], "slave,fail")
        equal("its replica took over", say(cs[0], "GET foo"), moved(s, FOO, 5))
        equal("and serves", say(cs[5], "GET foo"), "1")
        equal("ROLE", cs[5].call("ROLE")[0], b"master")
        equal("FAIL again", say(cs[0], "TEST CLUSTER FAIL %d" % s.ports[5]), "OK")
        equal("no one is left", say(cs[0], "GET foo"), "CLUSTERDOWN The cluster is down")
        check(b"cluster_state:fail" in cs[0].call("CLUSTER", "INFO"), "state")
        equal("RECOVER", say(cs[0], "TEST CLUSTER RECOVER %d" % s.ports[5]), "OK")
        equal("again", say(Conn(s.ports[5]), "GET foo"), "1")
        equal("RECOVER", say(cs[0], "TEST CLUSTER RECOVER %d" % s.ports[2]), "OK")
        equal("a replica now", Conn(s.ports[2]).call("ROLE")[0], b"slave")
        equal("FAILOVER", say(cs[0], "TEST CLUSTER FAILOVER %d" % s.ports[2]), "OK")
        equal("back", say(cs[0], "GET foo"), moved(s, FOO, 2))
        equal("its own", say(cs[0], "TEST CLUSTER FAIL %d" % s.ports[0]), "OK")
        try:
            cs[0].call("PING")
            check(False, "it is served")
        except Closed:
            pass
        equal("RESET", say(cs[1], "TEST RESET"), "OK")
        equal("all there", [Conn(p).call("ROLE")[0] for p in s.ports], [b"master"] * 3 + [b"slave"] * 3)
        equal("empty", [Conn(p).call("DBSIZE") for p in s.ports], [0] * 6)


@cases.case
def failover_by_client():
    with cluster() as s:
        cs = conns(s)
        equal("of a master", say(cs[0], "CLUSTER FAILOVER"), "ERR You should send CLUSTER FAILOVER to a replica")
        equal("of a replica", say(cs[3], "CLUSTER FAILOVER"), "OK")
        equal("slots", nodes_of(cs[0])[s.ports[3]][8:], ["0-5460"])
        equal("MOVED", say(cs[0], "GET bar"), moved(s, BAR, 3))
        equal("REPLICATE", say(cs[0], "CLUSTER REPLICATE " + cs[1].call("CLUSTER", "MYID").decode()), "OK")
        equal("follows", cs[0].call("ROLE")[2], s.ports[1])
        check("no cluster bus" in say(cs[0], "CLUSTER MEET 127.0.0.1 1"), "MEET of another")
        equal("MEET of one of us", say(cs[0], "CLUSTER MEET 127.0.0.1 %d" % s.ports[2]), "OK")


@cases.case
def restarts():
    """The data of all nodes is in one AOF; the first node's port is in the port file's first line."""
    with cluster(3, 0, "--appendonly", "yes") as s:
        for c, key in zip(conns(s), ("bar", "c", "foo")):
            c.call("SET", key, 1)
        cs = conns(s)
        cs[1].call("FLUSHALL")
        s.stop()
        s.start()
        equal("keys", [c.call("DBSIZE") for c in conns(s)], [1, 0, 1])
        ports = s.ports
        Conn(ports[1]).call("TEST", "CRASH")
        wait_for(lambda: answers(ports[2], "GET", "foo", b"1"), "it is back")
        equal("the same ports", [Conn(p).call("DBSIZE") for p in ports], [1, 0, 1])
        equal("who is who", say(Conn(ports[0]), "GET foo"), moved(s, FOO, 2))


def refusal(s, *args):
    """What a start that is refused says."""
    s.env = NO_LEAKS
    try:
        s.start(*args)
    except Failed as e:
        return str(e)
    finally:
        s.env = None
    raise Failed("it started")


@cases.case
def node_id_survives():
    with Server("--cluster-enabled", "yes") as s:
        c = s.conn()
        before = c.call("CLUSTER", "MYID"), c.call("CLUSTER", "MYSHARDID")
        c.call("CLUSTER", "DELSLOTS", 7)
        c.call("CLUSTER", "BUMPEPOCH")
        equal("SAVECONFIG", say(c, "CLUSTER SAVECONFIG"), "OK")
        s.stop()
        s.start()
        c = s.conn()
        equal("ids", (c.call("CLUSTER", "MYID"), c.call("CLUSTER", "MYSHARDID")), before)
        equal("slots", nodes_of(c)[s.port][6:], ["1", "connected", "0-6", "8-16383"])
        s.stop()
        with open(os.path.join(s.dir, "nodes.conf"), "a") as f:
            f.write("x" * 40 + " 1.2.3.4:1@2 master - 0 0 1 connected 7\n")
        check("names other nodes" in refusal(s), "a file of two nodes")


@cases.case
def slots_are_adopted():
    """Keys in slots that nodes.conf does not have are the node's."""
    with Server("--cluster-enabled", "yes", "--appendonly", "yes") as s:
        c = s.conn()
        c.call("SET", "foo", 1)
        c.call("CLUSTER", "DELSLOTS", FOO, BAR)
        c.call("CLUSTER", "SAVECONFIG")
        s.stop()
        s.start()
        c = s.conn()
        equal("with a key", say(c, "CLUSTER COUNTKEYSINSLOT %d" % FOO), 1)
        equal("slots", nodes_of(c)[s.port][8:], ["0-%d" % (BAR - 1), "%d-16383" % (BAR + 1)])


@cases.case
def other_ports():
    """CONFIG SET port: the ports of all nodes move, or none does."""
    with cluster(2, 0) as s, socket.socket() as taken:
        c, before = s.conn(), s.ports
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        check("Unable to listen" in say(c, "CONFIG SET port %d" % (taken.getsockname()[1] - 1)), "one is taken")
        equal("all as before", [Conn(p).call("PING") for p in before], [b"PONG"] * 2)

        def change():
            port = free_port() - 1
            if say(c, "CONFIG SET port %d" % port) != "OK":
                return False
            equal("MOVED", say(Conn(port), "GET foo"), "MOVED %d 127.0.0.1:%d" % (FOO, port + 1))
            equal("the other", say(Conn(port + 1), "SET foo 1"), "OK")
            check(all(refused(p) for p in before if p not in (port, port + 1)), "the old ones are closed")
            return True
        wait_for(change, "two free ports in a row")


@cases.case
def over_tls():
    """A client over TLS is sent to the TLS ports."""
    need("openssl")
    with tempfile.TemporaryDirectory() as dir:
        certs = Certs(dir)
        pair, own = certs.pair("server"), certs.pair("client")

        def start():
            with TlsServer(certs, pair, "--cluster-emulate-nodes", "2", start=False) as s:
                try:
                    s.start()
                except Failed:
                    return False  # the second port was taken meanwhile
                c = TlsConn(s.tls_port, context(certs, own))
                equal("MOVED", say(c, "GET foo"), "MOVED %d 127.0.0.1:%d" % (FOO, s.tls_port + 1))
                equal("SLOTS", [r[2][1] for r in c.call("CLUSTER", "SLOTS")], [s.tls_port, s.tls_port + 1])
                equal("there", say(TlsConn(s.tls_port + 1, context(certs, own)), "SET foo 1"), "OK")
                equal("plain", say(s.conn(), "GET foo"), "MOVED %d 127.0.0.1:%d" % (FOO, s.ports[1]))
                return True
        wait_for(start, "two free ports in a row")


@cases.case
def other_databases():
    """Keys outside of database 0: a cluster does not start with them, and nothing is lost."""
    for aof in ("yes", "no"):
        with Server("--appendonly", aof) as s:
            c = s.conn()
            c.call("SELECT", 1)
            c.call("SET", "a", 1)
            c.call("SAVE")
            s.stop()
            check("You can't have keys in a DB different than DB 0 when in Cluster mode" in
                  refusal(s, "--appendonly", aof, "--cluster-enabled", "yes"), "keys of database 1")
            s.start("--appendonly", aof)
            c = s.conn()
            c.call("SELECT", 1)
            equal("the key", c.call("GET", "a"), b"1")


def scan_cluster(s, *options, at=None):
    """The keys that a client gets which follows the cursor of CLUSTERSCAN from node to node."""
    keys, cursor, node = [], "0", at or s.port
    while True:
        got = ask(Conn(node), "CLUSTERSCAN", cursor, *options)
        if isinstance(got, str):
            equal("redirected", got.split(" ")[0], "MOVED")
            node = int(got.rsplit(":", 1)[1])
            continue
        cursor, more = got[0].decode(), got[1]
        keys += more
        if cursor == "0":
            return keys


@cases.case
def told_to_clients():
    with Server("--cluster-enabled", "yes", "--cluster-announce-client-ipv4", "10.9.8.7",
                "--cluster-announce-client-port", "99", "--cluster-announce-ip", "10.1.1.1") as s:
        c = s.conn()
        equal("slots", c.call("CLUSTER", "SLOTS")[0][2][:2], [b"10.9.8.7", 99])
        check(c.call("CLUSTER", "NODES").split(b" ")[1].startswith(b"10.9.8.7:99@"), "NODES")
        c.call("CONFIG", "SET", "cluster-announce-client-ipv4", "", "cluster-announce-client-ipv6", "::2")
        equal("of IPv6 only", c.call("CLUSTER", "SLOTS")[0][2][:2], [b"10.1.1.1", 99])
        equal("no address", ask(c, "CONFIG", "SET", "cluster-announce-client-ipv4", "x"),
              "ERR CONFIG SET failed (possibly related to argument 'cluster-announce-client-ipv4') - Invalid IPv4 address")


@cases.case
def hotkeys():
    """Slots may be chosen, and a session ends by itself."""
    with Server("--cluster-enabled", "yes") as s:
        c = s.conn(proto=3)
        c.call("HOTKEYS", "START", "METRICS", 2, "CPU", "NET", "SLOTS", 2, FOO, FOO + 1, "DURATION", 1)
        for key in ("foo", "{foo}x", "bar"):
            c.call("SET", key, "v" * 100)
        c.call("GET", "foo")
        got = {k.decode(): v for k, v in c.call("HOTKEYS", "GET").items()}
        equal("slots", got["selected-slots"], [[FOO, FOO + 1]])
        equal("keys", got["by-net-bytes"][::2], [b"foo", b"{foo}x"])
        check(got["net-bytes-all-commands-selected-slots"] == sum(got["by-net-bytes"][1::2]), "bytes: %r" % got)
        check(got["net-bytes-all-commands-all-slots"] > sum(got["by-net-bytes"][1::2]), "bytes of all: %r" % got)
        wait_for(lambda: c.call("HOTKEYS", "GET")[b"tracking-active"] == 0, "the end of the session")
        equal("stopped", c.call("HOTKEYS", "STOP"), None)
        check(1000 <= c.call("HOTKEYS", "GET")[b"collection-duration-ms"] < 30000, "its duration")
        equal("a slot twice", ask(c, "HOTKEYS", "START", "METRICS", 1, "CPU", "SLOTS", 2, 1, 1),
              "ERR Slot 1 specified multiple times")


@cases.case
def flushslot():
    """A slot with more keys than one command of the AOF names; what other servers know is propagated."""
    with Server("--cluster-enabled", "yes", "--appendonly", "yes", "--aof-use-rdb-preamble", "no") as s:
        c = s.conn()
        for i in range(3000):
            c.send(encode(["SET", "{foo}%d" % i, "v"]))
        for i in range(3000):
            c.read()
        c.call("SET", "bar", "v")
        equal("reply", c.call("CLUSTER", "FLUSHSLOT", FOO, "SYNC"), b"OK")
        equal("left", c.call("KEYS", "*"), [b"bar"])
        log = b"".join(open(os.path.join(at, f), "rb").read() for at, _, files in os.walk(s.dir)
                       for f in files if ".incr." in f)
        check(b"FLUSHSLOT" not in log, "the AOF names FLUSHSLOT")
        equal("deletions", log.count(b"\r\nDEL\r\n"), 3)
        s.stop()
        s.start()
        equal("after a restart", s.conn().call("KEYS", "*"), [b"bar"])


@cases.case
def cluster_scan():
    with cluster() as s:
        cs = conns(s)
        for i in range(1000):
            node = [c for c in cs[:3] if ask(c, "SET", "k%d" % i, i) == b"OK"]
            equal("one node", len(node), 1)
        equal("all", sorted(scan_cluster(s, "COUNT", "50")), sorted(b"k%d" % i for i in range(1000)))
        equal("some", sorted(scan_cluster(s, "MATCH", "k99?", at=s.ports[2])),
              sorted(b"k%d" % i for i in range(990, 1000)))
        slot = cs[0].call("CLUSTER", "KEYSLOT", "k7")
        equal("a slot", b"k7" in scan_cluster(s, "SLOT", str(slot)), True)
        equal("only it", {cs[0].call("CLUSTER", "KEYSLOT", k) for k in scan_cluster(s, "SLOT", str(slot))}, {slot})
        equal("type", scan_cluster(s, "TYPE", "list"), [])
        # A slot of the range goes to another node when the walk has begun.
        home = next(c for c in cs[:3] if not isinstance(ask(c, "GET", "k7"), str))
        low = (0, 5461, 10923)[cs.index(home)]
        cursor, keys = home.call("CLUSTERSCAN", "0-{%s}-0" % tag_of(home, low), "COUNT", 1)
        to = cs[(cs.index(home) + 1) % 3]
        moved_keys = home.call("CLUSTER", "GETKEYSINSLOT", slot, 100)
        to.call("CLUSTER", "SETSLOT", slot, "IMPORTING", home.call("CLUSTER", "MYID"))
        home.call("CLUSTER", "SETSLOT", slot, "MIGRATING", to.call("CLUSTER", "MYID"))
        home.call("MIGRATE", "127.0.0.1", s.ports[cs.index(to)], "", 0, 1000, "KEYS", *moved_keys)
        for c in cs[:3]:
            c.call("CLUSTER", "SETSLOT", slot, "NODE", to.call("CLUSTER", "MYID"))
        node = s.ports[cs.index(home)]
        while cursor != b"0":
            got = ask(Conn(node), "CLUSTERSCAN", cursor)
            if isinstance(got, str):
                node = int(got.rsplit(":", 1)[1])
                continue
            cursor, more = got
            keys += more
        check(set(moved_keys) <= set(keys), "keys of the slot that moved: %r" % moved_keys)


def tag_of(c, slot):
    return next(str(i) for i in range(1000000) if c.call("CLUSTER", "KEYSLOT", str(i)) == slot)


@cases.case
def cluster_scan_arguments():
    """As Valkey 9.1 answers, but for the cursors themselves."""
    with Server("--cluster-enabled", "yes") as s:
        c = s.conn()
        for line, want in [("CLUSTERSCAN x", "Invalid cursor"), ("CLUSTERSCAN 1", "Invalid cursor"),
                           ("CLUSTERSCAN 0-{a}-b", "Invalid cursor"), ("CLUSTERSCAN 0-{a}--1", "Invalid cursor"),
                           ("CLUSTERSCAN 0-{a", "Invalid cursor"), ("CLUSTERSCAN -{", "Invalid cursor"),
                           ("CLUSTERSCAN 0 SLOT 16384", "Invalid or out of range slot"),
                           ("CLUSTERSCAN 0 SLOT 1 SLOT 2", "SLOT option can only be specified once"),
                           ("CLUSTERSCAN 0-{k1}-0 SLOT 5", "Cursor slot mismatch with SLOT argument"),
                           ("CLUSTERSCAN 0 TYPE nosuch", "unknown type name 'nosuch'"),
                           ("CLUSTERSCAN 0 COUNT 0", "syntax error"), ("CLUSTERSCAN 0 SLOT", "syntax error")]:
            equal(line, say(c, line), "ERR " + want)
        equal("begins", c.call("CLUSTERSCAN", "0"), [b"0-{06S}-0", []])
        equal("begins", c.call("CLUSTERSCAN", "0", "SLOT", "12706")[1], [])
        c.call("SET", "k1", "v")
        equal("another's cursor", c.call("CLUSTERSCAN", "0_VfE=-{k1}-99999", "SLOT", "12706"), [b"0", [b"k1"]])
        equal("odd tags", c.call("CLUSTERSCAN", b"x{b}-{a\0}-7")[1], [b"k1"])
    with Server() as s:
        equal("no cluster", say(s.conn(), "CLUSTERSCAN 0"), "ERR This instance has cluster support disabled")


@cases.case
def shutdown_safe():
    """A node that has slots stays, unless FORCE is given."""
    with Server("--cluster-enabled", "yes", "--shutdown-on-sigterm", "safe") as s:
        c = s.conn()
        equal("SAFE", say(c, "SHUTDOWN SAFE"), "ERR Errors trying to SHUTDOWN. Check logs.")
        equal("there", c.call("PING"), b"PONG")
        equal("CONFIG GET", c.call("CONFIG", "GET", "shutdown-on-sigterm")[1], b"safe")
        equal("FLUSHSLOTS", c.call("CLUSTER", "FLUSHSLOTS"), b"OK")
        try:
            c.call("SHUTDOWN", "SAFE")
        except Closed:
            pass
        s.wait_exit()
    with Server() as s:
        c = s.conn()
        equal("alone", say(c, "SHUTDOWN FAILOVER"), "ERR SHUTDOWN FAILOVER is only supported in cluster mode.")
        equal("with ABORT", say(c, "SHUTDOWN SAFE ABORT"), "ERR syntax error")


def cli(*words):
    p = subprocess.run(["redis-cli", *words], capture_output=True, text=True, timeout=60)
    return p.stdout + p.stderr


@cases.case
def redis_cli():
    need("redis-cli")
    with cluster() as s:
        at = "127.0.0.1:%d" % s.port
        equal("-c", cli("-c", "-p", str(s.ports[1]), "SET", "foo", "1"), "OK\n")
        equal("-c", cli("-c", "-p", str(s.ports[0]), "GET", "foo"), "1\n")
        got = cli("--cluster", "check", at)
        check("All nodes agree about slots" in got and "All 16384 slots covered" in got, got)
        check("1 keys in 3 masters" in cli("--cluster", "info", at), "info")
        c = Conn(s.ports[2])
        ids = [Conn(p).call("CLUSTER", "MYID").decode() for p in s.ports]
        for i in range(100):
            c.call("SET", "{foo}%d" % i, i)
        got = cli("--cluster", "reshard", at, "--cluster-from", ids[2], "--cluster-to", ids[0], "--cluster-slots", "1500",
                  "--cluster-yes")
        check("[ERR]" not in got, got)
        equal("resharded", [Conn(p).call("DBSIZE") for p in s.ports[:3]], [101, 0, 0])
        check("All nodes agree about slots" in cli("--cluster", "check", at), "after the reshard")
        got = cli("--cluster", "create", *["127.0.0.1:%d" % p for p in s.ports[:3]], "--cluster-yes")
        check("is not empty" in got or "ERR" in got, got)
    with Server("--cluster-enabled", "yes") as one, Server("--cluster-enabled", "yes") as two:
        at = "127.0.0.1:%d" % one.port
        check("All 16384 slots covered" in cli("--cluster", "check", at), "one node")
        got = cli("--cluster", "add-node", "127.0.0.1:%d" % two.port, at)
        check("no cluster bus" in got or "not empty" in got, got)


if __name__ == "__main__":
    sys.exit(run_words("cluster-nodes", cases))
