# SPDX-License-Identifier: BSD-3-Clause
"""The ordinary use of Debian's python3-redis. Argument: the port. Silent if all is well.
$STET_TLS: over TLS, with the certificates of this directory."""
import os
import sys
import threading

import redis

PORT = int(sys.argv[1])
TLS = os.environ.get("STET_TLS")


def client(**kw):
    if TLS:
        kw.update(ssl=True, ssl_ca_certs=TLS + "/ca.crt", ssl_certfile=TLS + "/client.crt",
                  ssl_keyfile=TLS + "/client.key", ssl_check_hostname=True)
    return redis.Redis(port=PORT, **kw)


def strings(r):
    assert r.set("s", "1", ex=100) and r.incr("s") == 2 and r.ttl("s") > 90
    assert r.mget("s", "none") == [b"2", None]
    assert r.getset("s", "x") == b"2" and r.append("s", "y") == 2
    assert list(r.scan_iter("s*")) == [b"s"]


def lists(r):
    assert r.rpush("l", "a", "b", "c") == 3 and r.lrange("l", 0, -1) == [b"a", b"b", b"c"]
    assert r.lmove("l", "m", "LEFT", "RIGHT") == b"a" and r.lpos("l", "c") == 1
    assert r.blpop(["none", "l"], timeout=1) == (b"l", b"b")
    assert r.blpop("none", timeout=0.01) is None
    assert r.lmpop(2, "none", "l", direction="LEFT") == [b"l", [b"c"]]


def hashes(r):
    assert r.hset("h", mapping={"a": 1, "b": "x"}) == 2 and r.hgetall("h") == {b"a": b"1", b"b": b"x"}
    assert r.hincrby("h", "a", 5) == 6 and r.hincrbyfloat("h", "a", 0.5) == 6.5
    assert dict(r.hscan_iter("h"))[b"b"] == b"x"


def sets(r):
    assert r.sadd("S", 1, 2, "x") == 3 and r.smembers("S") == {b"1", b"2", b"x"}
    assert r.sinter("S", "S") == r.sunion("S", "none") and r.sismember("S", "x")
    assert r.smismember("S", ["1", "9"]) == [1, 0]
    assert len(list(r.sscan_iter("S"))) == 3


def zsets(r):
    assert r.zadd("z", {"a": 1, "b": 2.5, "c": "inf"}) == 3
    assert r.zrange("z", 0, -1, withscores=True) == [(b"a", 1.0), (b"b", 2.5), (b"c", float("inf"))]
    assert r.zrangebyscore("z", "(1", "+inf") == [b"b", b"c"] and r.zrank("z", "b") == 1
    assert r.zpopmin("z") == [(b"a", 1.0)] and r.zscore("z", "b") == 2.5
    assert r.zunionstore("u", {"z": 2}) == 2 and r.zscore("u", "b") == 5.0
    assert r.bzpopmax("z", 1) == (b"z", b"c", float("inf"))


def streams(r):
    first = r.xadd("x", {"f": "v"})
    assert r.xlen("x") == 1 and r.xrange("x") == [(first, {b"f": b"v"})]
    assert r.xgroup_create("x", "g", "0")
    assert r.xreadgroup("g", "c", {"x": ">"}) == [[b"x", [(first, {b"f": b"v"})]]]
    assert r.xpending("x", "g")["pending"] == 1 and r.xack("x", "g", first) == 1
    assert r.xinfo_stream("x")["length"] == 1 and r.xinfo_groups("x")[0]["name"] == b"g"
    assert r.xread({"x": "$"}, block=10) == []


def others(r):
    assert r.pfadd("p", "a", "b") and r.pfcount("p") == 2
    assert r.geoadd("g", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")) == 2
    assert abs(r.geodist("g", "Palermo", "Catania", "km") - 166.27) < 0.1
    assert r.geosearch("g", longitude=15, latitude=37, radius=100, unit="km") == [b"Catania"]
    assert r.rpush("sort", 3, 1, 2) == 3 and r.sort("sort") == [b"1", b"2", b"3"]
    assert r.info("server")["redis_version"].startswith("7.") and r.config_get("maxmemory")


def transactions(r):
    with r.pipeline() as p:
        p.watch("t")
        p.multi()
        p.set("t", 1)
        p.incr("t")
        assert p.execute() == [True, 2]
    with r.pipeline() as p:
        p.watch("t")
        r.set("t", "other")
        p.multi()
        p.get("t")
        try:
            p.execute()
            raise AssertionError("a watched key had changed")
        except redis.WatchError:
            pass
    lock_free = r.transaction(lambda p: (p.multi(), p.get("t")), "t")
    assert lock_free == [b"other"]


def waiting(r):
    got = []
    t = threading.Thread(target=lambda: got.append(
        client().blpop("queue", timeout=10)))
    t.start()
    while r.info("clients")["blocked_clients"] == 0:
        pass
    r.lpush("queue", "job")
    t.join()
    assert got == [(b"queue", b"job")]


def users(r):
    assert r.acl_setuser("app", enabled=True, passwords=["+secret"], keys=["app:*"],
                         categories=["+@read"], commands=["+set", "-config"])
    user = r.acl_getuser("app")
    assert user["enabled"] and user["categories"][-1] == "+@read", user
    app = client(username="app", password="secret")
    assert app.set("app:k", "v") and app.get("app:k") == b"v"
    for refused in (lambda: app.get("k"), lambda: app.delete("app:k")):
        try:
            refused()
            assert False
        except redis.exceptions.NoPermissionError:
            pass
    try:
        client(username="app", password="no").ping()
        assert False
    except redis.exceptions.ResponseError:
        pass
    assert [e["reason"] for e in r.acl_log()] == ["auth", "command", "key"]
    assert r.acl_deluser("app") == 1 and r.acl_users() == ["default"]


def main():
    r = client()
    r.flushall()
    for part in (strings, lists, hashes, sets, zsets, streams, others, transactions, waiting, users):
        part(r)


main()
