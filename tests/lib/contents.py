# SPDX-License-Identifier: BSD-3-Clause
"""contents - what a server holds, in a canonical form that does not depend on its order.

snapshot() is {(db, key): {"type", "value", "expire_ms", "encoding"}} with the values in the form of
tests/data/servers; strings() is the short one for tests that only make strings.
"""
import hashlib
import json

from resp import ReplyError

DBS = 16
SKETCHES = "MBbloom--", "MBbloomCF", "CMSk-TYPE", "TopK-TYPE", "TDIS-TYPE"


def keys_of(conn):
    """Every (db, key), by SCAN."""
    for db in range(DBS):
        conn.call("SELECT", db)
        cursor = b"0"
        while True:
            cursor, keys = conn.call("SCAN", cursor, "COUNT", 1000)
            for key in set(keys):
                yield db, key
            if cursor == b"0":
                break


def strings(conn):
    """{(db, key): (value, expire_ms or -1)}"""
    out, wanted = {}, list(keys_of(conn))
    for db in sorted({db for db, _ in wanted}):
        conn.call("SELECT", db)
        mine = [k for d, k in wanted if d == db]
        for at in range(0, len(mine), 500):
            some = mine[at:at + 500]
            got = conn.pipeline([c for k in some for c in (("GET", k), ("PEXPIRETIME", k))])
            for i, k in enumerate(some):
                if got[2 * i + 1] != -2:
                    out[db, k] = (got[2 * i], got[2 * i + 1])
    conn.call("SELECT", 0)
    return out


def canonical(data):
    """Text as latin-1; a long one as its length and checksum."""
    if len(data) <= 256:
        return data.decode("latin-1")
    return {"len": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _score(text):
    return repr(float(text) + 0.0)


def _stream(conn, key):
    entries = conn.call("XRANGE", key, "-", "+")
    return [[i.decode(), [canonical(w) for w in words]] for i, words in entries]


def _vectors(conn, key):
    """Elements with their vectors as they are kept, and their attributes; the graph may differ."""
    names = conn.call("VRANDMEMBER", key, conn.call("VCARD", key))
    return sorted(([canonical(n), [canonical(x) for x in conn.call("VEMB", key, n, "RAW")],
                    canonical(conn.call("VGETATTR", key, n) or b"")] for n in names), key=repr)


def _value(conn, kind, key):
    if kind == "string":
        return canonical(conn.call("GET", key))
    if kind == "list":
        return [canonical(x) for x in conn.call("LRANGE", key, 0, -1)]
    if kind == "set":
        return sorted((canonical(x) for x in conn.call("SMEMBERS", key)), key=repr)
    if kind == "hash":
        flat = conn.call("HGETALL", key)
        return sorted(([canonical(flat[i]), canonical(flat[i + 1])]
                       for i in range(0, len(flat), 2)), key=repr)
    if kind == "zset":
        flat = conn.call("ZRANGE", key, 0, -1, "WITHSCORES")
        return sorted(([canonical(flat[i]), _score(flat[i + 1])]
                       for i in range(0, len(flat), 2)), key=repr)
    if kind == "stream":
        return _stream(conn, key)
    if kind == "ReJSON-RL":
        return json.loads(conn.call("JSON.GET", key))
    if kind == "vectorset":
        return _vectors(conn, key)
    if kind in SKETCHES:
        return canonical(conn.call("DUMP", key))
    raise ValueError("type %s" % kind)


def snapshot(conn, types=None):
    """Everything, or only keys of the given types."""
    out, db_now = {}, None
    for db, key in list(keys_of(conn)):
        if db != db_now:
            conn.call("SELECT", db)
            db_now = db
        try:
            kind, at = conn.call("TYPE", key).decode(), conn.call("PEXPIRETIME", key)
            if kind == "none" or types and kind not in types:
                continue
            out[db, key.decode("latin-1")] = {
                "type": kind, "value": _value(conn, kind, key),
                "encoding": conn.call("OBJECT", "ENCODING", key).decode(),
                "expire_ms": None if at == -1 else at}
        except ReplyError as e:
            out[db, key.decode("latin-1")] = {"type": "error", "value": str(e)}
    conn.call("SELECT", 0)
    return out


def recorded(content, overlay=None):
    """A content.json (and loaded.json's part) in the form of snapshot()."""
    out = {}
    for source in (content, overlay or {}):
        for db, keys in source.get("dbs", {}).items():
            for key, entry in keys.items():
                if entry is None:
                    out.pop((int(db), key), None)
                else:
                    out.setdefault((int(db), key), {}).update(entry)
    for entry in out.values():
        value = entry.get("value")
        if entry.get("type") in ("set", "hash", "zset"):
            if entry["type"] == "zset":
                value = [[m, _score(s)] for m, s in value]
            entry["value"] = sorted(value, key=repr)
        elif entry.get("type") == "stream":
            entry["value"] = value["entries"]
    return out


def differences(want, got, loaded_at_ms, encodings=True):
    """Lines that say how got differs from want."""
    out = []
    for where in sorted(want.keys() | got.keys(), key=repr):
        w, g = want.get(where), got.get(where)
        if not w or not g:
            out.append("%r: %s" % (where, "is missing" if w else "should not be there"))
            continue
        out += ["%r: %s is %.80r, should be %.80r" % (where, field, g.get(field), w.get(field))
                for field in ("type", "value", "encoding", "expire_ms")
                if not _same(field, w, g, loaded_at_ms, encodings)]
    return out


def _same(field, w, g, loaded_at_ms, encodings):
    if field == "encoding" and (not encodings or w.get(field) is None):
        return True
    if field == "expire_ms":
        about, off = w.get("expire_ms_about"), 2000  # what servers before 7 told with TTL
        if w.get("expire_from_load_ms"):
            about, off = loaded_at_ms + w["expire_from_load_ms"], 60000
        if about:
            return g.get(field) is not None and abs(g[field] - about) < off
    return w.get(field) == g.get(field)
