#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""rdb - loads every RDB file that a real server wrote (tests/data/servers) and compares the contents with
what that server said it held; then goes there and back with redis-server 7.0, by file and by
DUMP and RESTORE, over values of every type and encoding.

  rdb.py [--only redis-2.8.24]
"""
import argparse
import glob
import os
import random
import shutil
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import need, summary  # noqa: E402
from contents import canonical, differences, keys_of, recorded, snapshot  # noqa: E402
from resp import ReplyError  # noqa: E402
from data import load, unpacked  # noqa: E402
from server import Failed, Server  # noqa: E402

FILES = unpacked("servers")
REDIS = "/usr/bin/redis-server"
DEBUG = ["--enable-debug-command", "yes", "--dbfilename", "reload.rdb"]
NOT_READ = "module"  # files with values of modules are refused


def put_file(source, to):
    with open(source, "rb") as f, open(to, "wb") as out:
        shutil.copyfileobj(f, out)


# ---------------------------------------------------------------- what streams and hashes hide

def groups_of(conn, key):
    """Groups of a stream, with consumers and what is pending; [] without any."""
    out = []
    for flat in conn.call("XINFO", "GROUPS", key):
        g = dict(zip(flat[::2], flat[1::2]))
        pending = conn.call("XPENDING", key, g[b"name"], "-", "+", 100000)
        consumers = conn.call("XINFO", "CONSUMERS", key, g[b"name"])
        out.append((g[b"name"], g[b"last-delivered-id"], g[b"entries-read"],
                    sorted((p[0], p[1], p[3]) for p in pending),
                    sorted((c[1], c[3]) for c in consumers)))
    return sorted(out)


def details(conn):
    """{(db, key): more than snapshot() tells} of streams, hashes with times and so on."""
    out = {}
    for db, key in list(keys_of(conn)):
        conn.call("SELECT", db)
        if conn.call("TYPE", key) == b"stream":
            info = conn.call("XINFO", "STREAM", key)
            head = dict(zip(info[::2], info[1::2]))
            out[db, key] = [head.get(n) for n in (b"last-generated-id", b"max-deleted-entry-id",
                                                  b"entries-added")] + groups_of(conn, key)
    conn.call("SELECT", 0)
    return out


def told(value):
    """The details of a stream of content.json, as far as they can be compared."""
    return (value.get("last-id"), value.get("entries-added"), value.get("max-deleted-id"),
            sorted(g["name"] for g in value.get("groups", [])))


def stream_differences(conn, content, overlay):
    wrong, streams = [], {}
    for source in (content, overlay or {}):
        for db, keys in source.get("dbs", {}).items():
            for key, entry in keys.items():
                if entry and isinstance(entry.get("value"), dict) and "entries" in entry["value"]:
                    streams[int(db), key] = entry["value"]
    got = details(conn)
    for (db, key), value in streams.items():
        have = got.get((db, key.encode("latin-1")))
        if not have:
            wrong.append("%r: no stream" % ((db, key),))
            continue
        mine = (have[0].decode(), have[2], have[1].decode(),
                sorted(canonical(g[0]) for g in have[3:]))
        want = told(value)
        if any(w is not None and w != m for w, m in zip(want, mine)):
            wrong.append("%r: %r, should be %r" % ((db, key), mine, want))
    return wrong


def field_times(conn, content):
    """Times of fields that are others than content says."""
    wrong = []
    for db, keys in content["dbs"].items():
        conn.call("SELECT", db)
        for key, entry in keys.items():
            for field, at in entry.get("field_expire_ms") or []:
                got = conn.call("HPEXPIRETIME", key.encode("latin-1"), "FIELDS", 1,
                                field.encode("latin-1"))
                if got != [at]:
                    wrong.append("%r %r: %r, should be %r" % (key, field, got, at))
    conn.call("SELECT", 0)
    return wrong


def access_differences(conn, content):
    """Idle times and frequencies that are others than content says."""
    wrong = []
    for db, keys in content["dbs"].items():
        conn.call("SELECT", db)
        for key, entry in keys.items():
            for field, word, off in (("idle", "IDLETIME", 3), ("freq", "FREQ", 0)):
                if field not in entry:
                    continue
                got = conn.call("OBJECT", word, key.encode("latin-1"))
                if not entry[field] <= got <= entry[field] + off:
                    wrong.append("%r: %s is %r, should be %r" % (key, field, got, entry[field]))
    conn.call("SELECT", 0)
    return wrong


# ---------------------------------------------------------------- files of others

def one_file(path):
    version, name = os.path.basename(os.path.dirname(path)), os.path.basename(path)
    folder = os.path.dirname(path)
    part = name[len("dump"):-len(".rdb")]
    told = os.path.join(folder, "content%s.json" % ("" if part == "-raw" else part))
    content = load(told) if os.path.exists(told) else None  # of files without keys
    overlay = load(os.path.join(folder, "loaded.json"))["files"].get(name)
    policy = ["--maxmemory-policy", "allkeys" + part] if part in ("-lru", "-lfu") else []
    with Server(*DEBUG, *policy) as s:
        put_file(path, os.path.join(s.dir, "reload.rdb"))
        conn = s.conn()
        at = time.time() * 1000
        try:
            conn.call("DEBUG", "RELOAD", "NOSAVE")
        except ReplyError as e:
            if NOT_READ in name:
                return [] if NOT_READ in s.log() else ["refused, but not for its modules"]
            return ["%s: %s" % (e, s.log().strip().splitlines()[-1])]
        if NOT_READ in name:
            return ["a module's values were loaded"]
        wrong = access_differences(conn, content) if policy else []
        if policy:
            conn.call("DEBUG", "RELOAD")
            wrong += access_differences(conn, content)
        want = recorded(content or {"dbs": {}}, overlay)
        wrong += differences(want, snapshot(conn), at)
        if content:
            wrong += stream_differences(conn, content, overlay)
            if "7.4" in version:
                wrong += field_times(conn, content)
        digest = conn.call("DEBUG", "DIGEST")
        conn.call("DEBUG", "RELOAD")
        if conn.call("DEBUG", "DIGEST") != digest:
            wrong.append("another digest after it was saved and loaded again")
        return wrong


def all_files(only):
    return sorted(p for v in os.listdir(FILES) if only in (None, v)
                  for p in glob.glob(os.path.join(FILES, v, "dump*.rdb")))


# ---------------------------------------------------------------- there and back

def fill(conn, rng):
    """Values of every type and on both sides of every threshold."""
    sizes = [1, 2, 10, 127, 128, 129, 511, 512, 513, 1000]
    texts = [b"", b"1", b"-1", b"12345678901", b"x" * 20, b"x" * 21, b"ab" * 40, b"\x00\xff" * 30,
             bytes(rng.randrange(256) for _ in range(300)), b"long" * 5000]
    numbers = [0, 1, -1, 127, 128, -129, 32767, 32768, -32769, 2**31 - 1, 2**31, -2**31 - 1,
               2**63 - 1, -2**63]
    for i, text in enumerate(texts + [b"%d" % n for n in numbers]):
        conn.call("SET", "str:%d" % i, text)
    conn.call("SET", "str:due", "v", "PX", 100000000)
    conn.call("SET", "str:huge", b"q" * 300000)
    for n in sizes:
        words = [b"w:%d:%s" % (i, texts[i % 6]) for i in range(n)]
        ints = [b"%d" % (numbers[i % len(numbers)] // (i // len(numbers) + 1)) for i in range(n)]
        conn.call("RPUSH", "list:%d" % n, *words)
        conn.call("RPUSH", "list:int:%d" % n, *ints)
        conn.call("SADD", "set:%d" % n, *words)
        conn.call("SADD", "set:int:%d" % n, *ints)
        conn.call("HSET", "hash:%d" % n, *[x for w in words for x in (w, b"v" + w)])
        conn.call("HSET", "hash:int:%d" % n, *[x for w in set(ints) for x in (w, w)])
        scores = [b"%r" % (rng.choice((1.5, -2.25, 1e300, 3, 0, 1e-9)) * i) for i in range(n)]
        conn.call("ZADD", "zset:%d" % n, *[x for w, s in zip(words, scores) for x in (s, w)])
        conn.call("EXPIRE", "zset:%d" % n, 100000)
    conn.call("ZADD", "zset:inf", "inf", "a", "-inf", "b", "0", "c")
    conn.call("HSET", "hash:wide", "f", b"v" * 100)
    conn.call("RPUSH", "list:wide", *[b"e" * 5000] * 20)
    conn.call("PFADD", "hll", *range(100))
    fill_stream(conn, rng)
    for name in ("one", "two"):
        conn.call("FUNCTION", "LOAD", "#!lua name=%s\nredis.register_function('f_%s', function() "
                  "return '%s' end)" % (name, name, name * 300))
    conn.call("SELECT", 9)
    conn.call("SET", "other db", "v")
    conn.call("SELECT", 0)


def fill_stream(conn, rng):
    conn.call("XGROUP", "CREATE", "stream:empty", "g", "$", "MKSTREAM")
    for i in range(1, 500):
        words = ["a", i, "b", "x" * rng.randrange(30)] + (["c", 1] if rng.random() < .2 else [])
        conn.call("XADD", "stream", "%d-%d" % (i, rng.randrange(9)), *words)
    conn.call("XGROUP", "CREATE", "stream", "g", "0")
    conn.call("XGROUP", "CREATE", "stream", "h", "$", "ENTRIESREAD", 7)
    for who in ("alice", "bob", "carol"):
        conn.call("XREADGROUP", "GROUP", "g", who, "COUNT", 20, "STREAMS", "stream", ">")
    ids = [e[0] for e in conn.call("XRANGE", "stream", "-", "+")]
    conn.call("XDEL", "stream", *rng.sample(ids, 50))
    conn.call("XACK", "stream", "g", *ids[:10])
    conn.call("XGROUP", "CREATECONSUMER", "stream", "h", "nobody")


def libraries(conn):
    return sorted(conn.call("FUNCTION", "LIST", "WITHCODE"))


def compare(a, b):
    wrong = differences(snapshot(a), snapshot(b), 0, encodings=False)
    if libraries(a) != libraries(b) or b.call("FCALL", "f_two", 0) != b"two" * 300:
        wrong.append("libraries: %r" % libraries(b))
    da, db = details(a), details(b)
    wrong += ["%r: %r, should be %r" % (k, db.get(k), da[k]) for k in da if da[k] != db.get(k)]
    return wrong


def by_file(make, other, rng):
    """Contents of one go to the other by a file."""
    with make() as a, other() as b:
        fill(a.conn(), rng)
        a.conn().call("DEBUG", "RELOAD")
        shutil.copy(os.path.join(a.dir, "reload.rdb"), os.path.join(b.dir, "reload.rdb"))
        b.conn().call("DEBUG", "RELOAD", "NOSAVE")
        return compare(a.conn(), b.conn())


def by_dump(make, other, rng):
    with make() as a, other() as b:
        ca, cb = a.conn(), b.conn()
        fill(ca, rng)
        for db, key in list(keys_of(ca)):
            ca.call("SELECT", db)
            cb.call("SELECT", db)
            ttl = ca.call("PEXPIRETIME", key)
            cb.call("RESTORE", key, max(ttl, 0), ca.call("DUMP", key), "ABSTTL")
        cb.call("FUNCTION", "RESTORE", ca.call("FUNCTION", "DUMP"))
        return compare(ca, cb)


def redis():
    return Server("--enable-debug-command", "yes", "--dbfilename", "reload.rdb", program=REDIS)


def stet():
    return Server(*DEBUG)


def tight():
    """With other limits: what comes is converted."""
    return Server(*DEBUG, "--hash-max-listpack-entries", "8", "--zset-max-listpack-value", "4",
                  "--set-max-intset-entries", "8", "--set-max-listpack-entries", "4",
                  "--list-max-listpack-size", "4", "--list-compress-depth", "1")


def main():
    need("redis-server")
    a = argparse.ArgumentParser()
    a.add_argument("--only")
    a = a.parse_args()
    passed = failed = 0
    cases = [("%s/%s" % (os.path.basename(os.path.dirname(p)), os.path.basename(p)),
              lambda p=p: one_file(p)) for p in (all_files(a.only))]
    if not a.only:
        cases += [("%s from %s to %s" % (how.__name__, x.__name__, y.__name__),
                   lambda how=how, x=x, y=y: how(x, y, random.Random(7)))
                  for how in (by_file, by_dump)
                  for x, y in ((stet, redis), (redis, stet), (stet, tight), (tight, redis))]
    for name, case in cases:
        try:
            wrong = case()
        except (Failed, ReplyError) as e:
            wrong = [str(e)]
        failed, passed = failed + bool(wrong), passed + (not wrong)
        print("%-40s %s" % (name, "FAIL" if wrong else "ok"))
        for line in wrong[:8]:
            print("    " + line[:300])
    return summary("rdb", passed, failed)


if __name__ == "__main__":
    sys.exit(main())
