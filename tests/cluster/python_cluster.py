# SPDX-License-Identifier: BSD-3-Clause
"""The cluster client of Debian's python3-redis. Arguments: the ports. Silent if all is well."""
import sys

import redis
from redis.cluster import ClusterNode, RedisCluster

PORTS = [int(p) for p in sys.argv[1:]]


def equal(what, got, want):
    if got != want:
        sys.exit("%s: %r, should be %r" % (what, got, want))


def write_and_read(r):
    for i in range(200):
        r.set("k%d" % i, i, ex=1000)
    equal("get", [int(r.get("k%d" % i)) for i in range(200)], list(range(200)))
    equal("dbsize", r.dbsize(target_nodes=RedisCluster.PRIMARIES), 200)
    equal("scan_iter", len(set(r.scan_iter("k*", count=50))), 200)
    equal("mset", r.mset({"{t}1": 1, "{t}2": 2}), True)
    equal("mget", r.mget("{t}1", "{t}2"), [b"1", b"2"])
    equal("mget over slots", r.mget_nonatomic("k1", "k2"), [b"1", b"2"])
    p = r.pipeline()
    for i in range(100):
        p.incr("k%d" % i)
    equal("pipeline", p.execute(), [i + 1 for i in range(100)])
    equal("lua", r.eval("return redis.call('incr', KEYS[1])", 1, "k0"), 2)
    try:
        r.mget("k1", "k2")
        sys.exit("keys of two slots are not refused")
    except redis.exceptions.RedisClusterException:
        pass


def changes(r, admin):
    """While a client works a slot moves, is on its way, and its master fails."""
    slot = r.keyslot("foo")
    r.set("foo", 0)
    there = [n.port for n in r.get_primaries()]
    for n, port in enumerate(there):
        admin.execute_command("TEST", "CLUSTER", "MOVE", slot, port)
        equal("after a move", r.incr("foo"), n + 1)
    owner = next(n for n in r.get_primaries() if r.get_node_from_key("foo") == n).port
    other = next(p for p in there if p != owner)
    admin.execute_command("TEST", "CLUSTER", "ASK", slot, other)
    equal("asked", r.incr("foo"), len(there) + 1)
    equal("asked for", r.set("{foo}new", 1), True)
    equal("asked for", r.get("{foo}new"), b"1")
    admin.execute_command("TEST", "CLUSTER", "MOVE", slot, other)
    equal("all there", r.mget("foo", "{foo}new"), [b"%d" % (len(there) + 1), b"1"])
    admin.execute_command("TEST", "CLUSTER", "FAIL", other)
    # Version 4.3 cannot ask for the nodes again after a lost connection (it copies a lock): a new client.
    r = RedisCluster(host="127.0.0.1", port=next(p for p in there if p != other))
    equal("after a failure", r.incr("foo"), len(there) + 2)


def main():
    for kw in ({"startup_nodes": [ClusterNode("127.0.0.1", p) for p in PORTS]},
               {"host": "127.0.0.1", "port": PORTS[-1], "read_from_replicas": True}):
        r = RedisCluster(**kw)
        equal("nodes", len(r.get_nodes()), len(PORTS))
        write_and_read(r)
        r.flushall(target_nodes=RedisCluster.PRIMARIES)
    if len(PORTS) > 1:
        changes(RedisCluster(host="127.0.0.1", port=PORTS[0]), redis.Redis(port=PORTS[0]))


main()
