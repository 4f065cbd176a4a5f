#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""real - emulated nodes beside a real cluster of redis-server (three masters, three replicas): the same
commands to the same nodes get the same replies."""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
from cases import Cases, check, need, run_words  # noqa: E402
from nodes import BAR, FOO, cluster, nodes_of  # noqa: E402
from resp import Conn  # noqa: E402
from same import REDIS, low_port  # noqa: E402
from server import Server, wait_for  # noqa: E402

cases = Cases()


class Real:
    """Master i is node i, its replica node 3 + i."""

    def __enter__(self):
        self.servers = []
        for _ in range(6):
            s = Server("--cluster-enabled", "yes", "--cluster-node-timeout", "15000", program=REDIS, start=False)
            s.fixed_port = low_port()
            self.servers.append(s.start())
        ports = [s.port for s in self.servers]
        p = subprocess.run(["redis-cli", "--cluster", "create", *["127.0.0.1:%d" % n for n in ports],
                            "--cluster-replicas", "1", "--cluster-yes"], capture_output=True, text=True, timeout=60)
        check("All 16384 slots covered" in p.stdout, p.stdout + p.stderr)
        for s in self.servers:
            wait_for(lambda c=s.conn(): self.is_whole(c), "every node knows all roles")
        there = nodes_of(self.servers[0].conn())
        replica_of = {w[3]: port for port, w in there.items() if "slave" in w[2]}
        self.ports = ports[:3] + [replica_of[there[port][0]] for port in ports[:3]]
        for port in self.ports[3:]:
            wait_for(lambda c=Conn(port): c.call("ROLE")[3] == b"connected", "replicas are in sync")
        return self

    @staticmethod
    def is_whole(c):
        there = nodes_of(c)
        return sum("slave" in w[2] for w in there.values()) == 3 and b"cluster_state:ok" in c.call("CLUSTER", "INFO")

    def __exit__(self, *exc):
        for s in self.servers:
            s.close()


def names_of(ports):
    """What the replies of this cluster call its nodes: {text: a name that both clusters share}."""
    names = {}
    for i, port in enumerate(ports):
        names[Conn(port).call("CLUSTER", "MYID").decode()] = "ID%d" % i
        names["127.0.0.1:%d" % port] = "ADDR%d" % i
        names["[':', %d]" % port] = "PORT%d" % i
    return names


def plain(node, names):
    return re.sub("|".join(map(re.escape, names)), lambda m: names[m[0]], repr(node))


# (node, command); "ID2" is the id of node 2
MOVES = [
    (2, "SET foo 1"), (0, "GET foo"), (1, "SET foo 1"), (5, "GET foo"), (5, "READONLY"), (5, "SET foo 1"), (5, "GET bar"),
    (5, "READWRITE"), (5, "GET foo"), (5, "FLUSHALL"), (5, "SPUBLISH foo x"), (0, "SPUBLISH foo x"), (0, "SSUBSCRIBE foo"),
    (0, "MGET foo bar"), (2, "MGET foo bar"), (0, "MULTI"), (0, "GET foo"), (0, "EXEC"), (0, "WATCH foo"),
    (0, "EVAL return(1) 1 foo"), (0, "EVAL return(redis.call('get','foo')) 0"), (0, "PUBLISH foo x"),
    (0, "CLUSTER SETSLOT %d MIGRATING ID1" % FOO), (0, "CLUSTER SETSLOT %d IMPORTING ID0" % BAR),
    (0, "CLUSTER SETSLOT %d IMPORTING ID5" % FOO), (3, "CLUSTER SETSLOT %d STABLE" % FOO),
    (0, "CLUSTER SETSLOT %d IMPORTING ID2" % FOO), (2, "CLUSTER SETSLOT %d MIGRATING ID0" % FOO),
    (2, "GET foo"), (2, "GET {foo}x"), (2, "SET {foo}x 1"), (2, "MGET foo {foo}x"), (2, "MGET {foo}x {foo}y"),
    (0, "GET {foo}x"), (0, "ASKING"), (0, "GET {foo}x"), (0, "GET {foo}x"), (0, "ASKING"), (0, "SET {foo}x 1"),
    (2, "GET {foo}x"), (2, "MGET foo {foo}x"), (0, "ASKING"), (0, "MGET {foo}x {foo}y"), (0, "ASKING"),
    (0, "MGET {foo}x {foo}x"), (1, "GET {foo}x"), (1, "ASKING"), (1, "GET {foo}x"), (5, "GET foo"),
    (0, "ASKING"), (0, "MULTI"), (0, "SET {foo}m 1"), (0, "GET {foo}m"), (0, "EXEC"), (0, "GET {foo}m"),
    (0, "MULTI"), (0, "SET {foo}m 1"), (0, "EXEC"), (2, "MULTI"), (2, "GET {foo}m"), (2, "EXEC"),
    (2, "MULTI"), (2, "GET foo"), (2, "EXEC"), (2, "EXISTS foo"), (2, "DBSIZE"), (0, "DBSIZE"),
    (2, "CLUSTER COUNTKEYSINSLOT %d" % FOO), (0, "CLUSTER COUNTKEYSINSLOT %d" % FOO),
    (2, "CLUSTER GETKEYSINSLOT %d 10" % FOO), (2, "SSUBSCRIBE {foo}c"), (2, "SUNSUBSCRIBE {foo}c"),
    (2, "CLUSTER SETSLOT %d NODE ID0" % FOO), (2, "DEL foo"), (2, "CLUSTER SETSLOT %d NODE ID5" % FOO),
    (0, "CLUSTER SETSLOT %d NODE ID0" % FOO), (2, "CLUSTER SETSLOT %d NODE ID0" % FOO),
    (0, "GET {foo}x"), (2, "GET {foo}x"), (0, "CLUSTER REPLICATE ID4"), (0, "CLUSTER REPLICATE ID1"),
    (0, "CLUSTER FORGET ID0"), (0, "CLUSTER REPLICAS ID3"), (0, "CLUSTER SET-CONFIG-EPOCH 9"), (0, "CLUSTER FAILOVER"),
    (2, "CLUSTER FLUSHSLOTS x"), (0, "CLUSTER FLUSHSLOTS"), (0, "CLUSTER ADDSLOTS 0"), (0, "CLUSTER COUNT-FAILURE-REPORTS ID1"),
    (3, "CLUSTER ADDSLOTS 1"),
]


@cases.case
def replies():
    with Real() as real, cluster() as s:
        ends = [({i: Conn(port) for i, port in enumerate(ports)}, names_of(ports)) for ports in (real.ports, s.ports)]
        different = []
        for node, line in MOVES:
            got = []
            for conns, names in ends:
                ids = {name: id for id, name in names.items()}
                got.append(plain(conns[node].ask(*[ids.get(w, w) for w in line.split(" ")]), names))
            if got[0] != got[1]:
                different.append("%s to node %d: %s\n    redis: %s" % (line, node, got[1], got[0]))
        check(not different, "\n".join(different))


@cases.case
def topology():
    with Real() as real, cluster() as s:
        def told(ports):
            names, out = names_of(ports), []
            for port in ports:
                c = Conn(port)
                out.append(plain(c.ask("CLUSTER", "SLOTS"), names))
                out.append(plain(c.ask("CLUSTER", "MYID"), names))
                lines = nodes_of(c)
                out.append([(i, lines[p][2], names.get(lines[p][3], "-"), lines[p][7:]) for i, p in enumerate(ports)])
                out.append(len(c.call("CLUSTER", "LINKS")))
                role = c.call("ROLE")
                out.append((role[0], len(role)))
            return out
        wait_for(lambda: told(real.ports) == told(s.ports) or None, "\n%s\n%s" % (told(real.ports), told(s.ports)), 20)


if __name__ == "__main__":
    need("redis-server", "redis-cli")
    sys.exit(run_words("cluster-real", cases))
