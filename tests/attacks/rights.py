# SPDX-License-Identifier: BSD-3-Clause
"""rights - what a user without rights, or a client out of order, tries: ways around ACL rules beyond
those of tests/system/acl.c, and protocols changed in the middle.
"""
import time

from target import Closed, Conn, Others, Target, check, encode, refused, wait_for

SECRET = b"hidden-value"


def _user(s, c, rules):
    c.call("ACL", "SETUSER", "u", "reset", "on", ">pw", *rules)
    u = s.stranger()
    u.call("AUTH", "u", "pw")
    return u


def _said(u, words):
    """What the user is told, whole, as text."""
    try:
        return repr(u.ask(*words)).encode("latin-1", "replace")
    except Closed:
        return b""


def no_way_to_a_key():
    """A user of `mine:*` tries everything that takes a key, a pattern or a payload: nothing of the
    other keys is told, and none of them changes."""
    names = ["secret:s", "secret:l", "secret:h", "secret:z", "secret:x"]
    with Target() as s:
        c = s.conn()
        c.pipeline([["SET", "secret:s", SECRET], ["RPUSH", "secret:l", SECRET], ["HSET", "secret:h", "f", SECRET],
                    ["ZADD", "secret:z", 1, SECRET], ["XADD", "secret:x", "1-1", "f", SECRET],
                    ["RPUSH", "mine:ids", "secret:s", "s"], ["SET", "mine:s", "x"]])
        digest = _digests(c, names)
        u = _user(s, c, ["+@all", "-debug", "-flushall", "-flushdb", "-swapdb", "-acl", "-config", "-shutdown", "-client",
                         "-migrate", "-monitor", "-reset", "-hello", "-auth", "-save", "-bgsave", "-backup",
                         "-replicaof", "-slaveof", "-failover", "-module", "-quit", "~mine:*", "&mine:*"])
        tries, told = 0, set()
        rows = c.call("COMMAND")
        for row in rows:
            name = row[0].decode()
            for key in names:
                for words in _shapes(name, key):
                    said = _said(u, words)
                    tries += 1
                    if SECRET in said and name not in ("keys", "scan", "randomkey"):
                        told.add(b" ".join(str(w).encode() for w in words) + b" -> " + said[:80])
        for words in (["SORT", "mine:ids", "BY", "*"], ["SORT", "mine:ids", "BY", "nosort", "GET", "*"],
                      ["SORT", "mine:ids", "GET", "secret:*"], ["SORT_RO", "mine:ids", "GET", "*", "GET", "#"],
                      ["EVAL", "return redis.call('get','secret:s')", 0],
                      ["EVAL", "return redis.call('sort','mine:ids','by','nosort','get','*')", 0],
                      ["EVAL", "return redis.call('eval','x',1,'secret:s')", 0],
                      ["EVAL", "return redis.call('object','encoding','secret:s')", 0],
                      ["COMMAND", "GETKEYS", "GET", "secret:s"], ["MEMORY", "USAGE", "secret:s"],
                      ["LCS", "mine:s", "secret:s"], ["BITOP", "OR", "mine:o", "secret:s"],
                      ["SINTERCARD", 2, "mine:s", "secret:s"], ["LMPOP", 2, "mine:none", "secret:l", "LEFT"],
                      ["BLMPOP", "0.01", 2, "mine:none", "secret:l", "LEFT"], ["ZMPOP", 2, "mine:none", "secret:z", "MIN"],
                      ["XREAD", "STREAMS", "mine:s", "secret:x", 0, 0], ["SMOVE", "secret:l", "mine:l", SECRET],
                      ["RESTORE", "secret:s", 0, b"x", "REPLACE"], ["COPY", "secret:s", "mine:c", "DB", 1],
                      ["GEORADIUS", "mine:g", 0, 0, 1, "m", "STORE", "secret:z"], ["SUBSCRIBE", "__keyspace@0__:secret:s"],
                      ["PSUBSCRIBE", "*"], ["PSUBSCRIBE", "mine:?"], ["PUBSUB", "CHANNELS", "*"], ["SPUBLISH", "x", "y"],
                      ["LATENCY", "HISTOGRAM"], ["SLOWLOG", "GET", 100], ["INFO", "everything"], ["ACL", "LOG"]):
            said = _said(u, words)
            tries += 1
            if SECRET in said and words[0] != "SLOWLOG":
                told.add(repr(words).encode() + b" -> " + said[:80])
        check(not told, "the secret was told:\n" + b"\n".join(sorted(told)).decode())
        now = _digests(c, names)
        check(now == digest, "changed: %r" % [n for n, a, b in zip(names, digest, now) if a != b])
    return "%d commands in vain" % tries


def _shapes(name, key):
    """The command with the key in every place where it may be taken for one."""
    if name in ("subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe", "multi", "exec",
                "discard", "sync", "psync", "replconf", "select", "wait", "waitaof", "script", "function", "bgrewriteaof"):
        return []
    return [[name, key], [name, key, "x"], [name, "mine:s", key], [name, key, "0", "x"], [name, "mine:a", key, "mine:b"],
            [name, "1", key], [name, "2", "mine:s", key], [name, "2", "mine:s", key, "LEFT"], [name, "1", key, "MIN"],
            [name, "mine:d", "1", key], [name, "x", key, "0"], [name, "return redis.call('get', KEYS[1])", "1", key],
            [name, "STREAMS", key, "0"], [name, "0.01", "1", key, "LEFT"], [name, key, "0.01"], [name, "usage", key],
            [name, "encoding", key], [name, key, "f", "v"], [name, "OR", "mine:d", key], [name, "mine:s", "STORE", key],
            [name, key, "0", "-1"], [name, key, "1", "x", "y"], [name, key, "-", "+"]]


def _digests(c, names):
    return [c.call("DUMP", n) for n in names]


def nothing_before_auth():
    """Every command with a few arguments, before AUTH: NOAUTH, or what may be asked by strangers."""
    may = {"auth", "hello", "quit", "reset"}
    with Target(password="secret") as s:
        c, tries = s.conn(), 0
        before = c.call("DBSIZE")
        for row in c.call("COMMAND"):
            name = row[0].decode()
            for words in ([name], [name, "a"], [name, "a", "b"], [name, "a", "b", "c"], [name, "on", "b", "c", "d"]):
                if name in may:
                    continue
                u = s.stranger()
                node = u.ask(*words)
                u.close()
                tries += 1
                text = str(node[1])
                check(node[0] == "-" and ("NOAUTH" in text or "wrong number" in text or "unknown" in text),
                      "%r got %r" % (words, node))
        check(c.call("DBSIZE") == before, "something was written")
    return "%d commands refused" % tries


def _spared(s):
    """A connection; those before it may still be ending all there are."""
    while True:
        try:
            return s.conn(proto=3)
        except Closed:
            check(s.running(), "it is gone")


def _alone(s):
    try:
        return int(_spared(s).info("clients")["connected_clients"]) <= 2
    except Closed:
        return False


def out_of_order():
    """Protocols changed in the middle, clients that end themselves, transactions cut short."""
    with Target("--enable-debug-command", "yes") as s:
        c = s.conn()
        got = c.pipeline([["HELLO", 3], ["HGETALL", "none"], ["HELLO", 2], ["HGETALL", "none"], ["HELLO", 4],
                          ["HELLO", 3, "SETNAME", "a b"], ["PING"]])
        check(got[1] == {} and got[3] == [] and "NOPROTO" in str(got[4]) and got[6] == b"PONG", repr(got))
        c.pipeline([["HELLO", 3], ["SUBSCRIBE", "a"]])
        c.send(encode(["HELLO", 2]) + encode(["GET", "k"]) + encode(["PING"]) + encode(["HELLO", 3]) + encode(["GET", "k"]))
        c.close()
        for first in ([], ["MULTI"], ["SUBSCRIBE", "x"], ["MONITOR"], ["CLIENT", "TRACKING", "on"]):
            for last in (["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no"], ["CLIENT", "KILL", "TYPE", "pubsub",
                         "SKIPME", "no"], ["QUIT"], ["RESET"], ["CLIENT", "REPLY", "OFF"], ["CLIENT", "PAUSE", "1"],
                         ["EVAL", "return redis.call('client','kill','type','normal')", "0"], ["BLPOP", "none", "0"],
                         ["DEBUG", "SLEEP", "0"], ["AUTH", "x", "y"], ["SHUTDOWN", "ABORT"], ["FLUSHALL"], ["SELECT", "99"]):
                bad = _spared(s)
                words = (encode(first) if first else b"") + encode(last) * 3
                bad.send(words + encode(["EXEC"]) + encode(["GET", "k"]) * 50)
                bad.close()
        wait_for(lambda: _alone(s), "they are gone")
        a, b = s.conn(), s.conn()
        me = a.call("CLIENT", "ID")
        a.send(encode(["CLIENT", "KILL", "ID", me, "SKIPME", "no"]) + encode(["SET", "after", "1"]))
        check(a.read() == [":", 1], "its own end is told")
        try:
            a.read()
            check(False, "it goes on")
        except Closed:
            pass
        check(b.call("EXISTS", "after") == 0, "a command after its end was executed")
        d = s.conn(proto=3)  # blocked, and killed by another
        d.send(encode(["BLPOP", "q", "0"]) + encode(["SET", "behind", "1"]))
        b.call("CLIENT", "KILL", "ID", d and b.call("CLIENT", "LIST").split(b"id=")[-1].split(b" ")[0])
        check(b.call("RPUSH", "q", "x") == 1 and b.call("LLEN", "q") == 1, "a dead client was served")
        refused(b, "EVAL", "return redis.call('client','kill','id','1') and redis.call('subscribe','x')", 0)
    return "70 sequences"


def keys_as_the_command_parses_them():
    """Options whose arguments look like the word before the keys, and options given twice."""
    with Target() as s:
        c = s.conn()
        c.call("XADD", "secret:x", "1-1", "f", SECRET)
        for g in ("streams", "STREAMS"):
            c.call("XGROUP", "CREATE", "secret:x", g, "0")
            c.call("XGROUP", "CREATE", "mine:x", g, "0", "MKSTREAM")
        c.call("GEOADD", "mine:g", 13, 38, "a")
        u = _user(s, c, ["+@all", "~mine:*"])
        tries = [
            ["XREADGROUP", "GROUP", "streams", "mine:x", "STREAMS", "secret:x", ">"],
            ["XREADGROUP", "GROUP", "streams", "mine:x", "COUNT", "1", "STREAMS", "secret:x", ">"],
            ["XREADGROUP", "COUNT", "1", "GROUP", "STREAMS", "mine:x", "STREAMS", "secret:x", ">"],
            ["XREADGROUP", "GROUP", "mine:x", "streams", "STREAMS", "secret:x", ">"],
            ["XREADGROUP", "NOACK", "GROUP", "streams", "streams", "STREAMS", "secret:x", ">"],
            ["XREAD", "COUNT", "1", "STREAMS", "secret:x", "0"],
            ["GEORADIUS", "mine:g", 13, 38, 1, "km", "STORE", "mine:o", "STORE", "secret:s"],
            ["GEORADIUS", "mine:g", 13, 38, 1, "km", "STORE", "mine:o", "STOREDIST", "secret:s"],
            ["GEORADIUS", "mine:g", 13, 38, 1, "km", "STOREDIST", "mine:o", "STORE", "secret:s"],
            ["GEORADIUSBYMEMBER", "mine:g", "a", 1, "km", "STORE", "mine:o", "STORE", "secret:s"],
            ["SORT", "mine:g", "BY", "nosort", "STORE", "mine:o", "STORE", "secret:s"],
            ["PFMERGE", "secret:s"],
        ]
        for words in tries:
            said = _said(u, words)
            check(b"NOPERM" in said, "%r -> %r" % (words, said))
            check(SECRET not in said, "%r tells it" % words)
        check(c.call("EXISTS", "secret:s") == 0, "a key was written")
        got = _said(u, ["XREADGROUP", "GROUP", "streams", "streams", "STREAMS", "mine:x", ">"])
        check(b"NOPERM" not in got, "a key of its own: %r" % got)
        c.call("SET", "mine:s", SECRET)
        w = _user(s, c, ["+@all", "%W~mine:*"])
        for compared in (["IFEQ", SECRET], ["IFNE", "x"], ["IFDEQ", "0123456789abcdef"], ["IFDNE", "0123456789abcdef"]):
            said = _said(w, ["SET", "mine:s", "new"] + compared)
            check(b"NOPERM" in said, "%r tells what the value is not: %r" % (compared, said))
        got = c.call("COMMAND", "GETKEYS", "XREADGROUP", "GROUP", "streams", "c", "STREAMS", "k", ">")
        check(got == [b"k"], "GETKEYS says %r" % got)
    return "%d commands refused" % len(tries)


def passwords_of_any_bytes():
    """A NUL byte in requirepass is a byte like any other; what a file has of it comes back."""
    password = b"a\0b\r\n\xff"
    with Target() as s:
        c = s.conn()
        c.call("CONFIG", "SET", "requirepass", password)
        for wrong in (b"a", b"a\0", b"a\0b", password + b"\0"):
            u = s.stranger()
            check("WRONGPASS" in refused(u, "AUTH", wrong), "%r is taken" % wrong)
            u.close()
        u = s.stranger()
        check(u.call("AUTH", password) == b"OK", "it is not taken")
        check(u.call("CONFIG", "GET", "requirepass") == [b"requirepass", password], "it is not told back")
        u.call("CONFIG", "SET", "masterauth", password)
        check(u.call("CONFIG", "GET", "masterauth") == [b"masterauth", password], "masterauth is cut")
        u.call("CONFIG", "SET", "requirepass", "")
    return None


def secrets_are_not_shown():
    """MONITOR, SLOWLOG and COMMANDLOG show no password, whatever is around it and however it goes."""
    pw = b"hidden-value"
    filler = [w for i in range(40) for w in ("maxmemory-samples", "5")]
    lines = [
        ["AUTH", pw], ["AUTH", "default", pw], ["AUTH", pw, pw, pw],
        ["HELLO", "3", "AUTH", "default", pw], ["HELLO", "9", "AUTH", "default", pw], ["HELLO", "x", "AUTH", "default", pw],
        ["HELLO", "3", "SETNAME", "a b", "AUTH", "default", pw], ["HELLO", "3", "SETNAME", "AUTH", "AUTH", "default", pw],
        ["HELLO", "AUTH", "default", pw], ["HELLO", "3", "AUTH", pw],
        ["ACL", "DRYRUN", "default", "AUTH", pw], ["ACL", "DRYRUN", "default", "HELLO", "3", "AUTH", "default", pw],
        ["ACL", "DRYRUN", "nobody", "AUTH", pw], ["ACL", "DRYRUN", "default", "CONFIG", "SET", "requirepass", pw],
        ["ACL", "DRYRUN", "default", "ACL", "SETUSER", "x", ">" + pw.decode()],
        ["ACL", "DRYRUN", "default", "ACL", "DRYRUN", "default", "AUTH", pw],
        ["ACL", "DRYRUN", "default", "COMMAND", "GETKEYS", "AUTH", pw],
        ["COMMAND", "GETKEYS", "AUTH", pw], ["COMMAND", "GETKEYSANDFLAGS", "AUTH", pw],
        ["COMMAND", "GETKEYS", "MIGRATE", "h", "1", "k", "0", "1", "AUTH", pw],
        ["COMMAND", "GETKEYS", "MIGRATE", "h", "1", "k", "0", "1", "AUTH2", pw, pw],
        ["MIGRATE", "127.0.0.1", "1", "k", "0", "1", "AUTH", pw], ["MIGRATE", "127.0.0.1", "1", "k", "0", "1", "AUTH2", pw, pw],
        ["MIGRATE", "127.0.0.1", "1", "k", "x", "1", "COPY", "AUTH", pw], ["MIGRATE", "127.0.0.1", "1", "none", "0", "1", "AUTH", pw],
        ["CONFIG", "SET", "masteruser", pw], ["CONFIG", "SET", "masterauth", pw], ["CONFIG", "SET", "requirepass", pw, "nosuch", "1"],
        ["CONFIG", "SET", *filler, "masterauth", pw], ["CONFIG", "SET", "masterauth", pw, "x"],
        ["CONFIG", "SET", "tls-key-file-pass", pw],
        ["ACL", "SETUSER", "u", ">" + pw.decode()], ["ACL", "SETUSER", "u", "nonsense", ">" + pw.decode()],
    ]
    with Target() as s:
        c, m = s.conn(), s.conn()
        c.call("SET", "k", "v")
        c.call("CONFIG", "SET", "slowlog-log-slower-than", 0, "slowlog-max-len", 100000, "commandlog-request-larger-than", 0,
               "commandlog-large-request-max-len", 100000)
        m.call("MONITOR")
        for words in lines:
            c.ask(*words)
            c.ask("MULTI")
            c.ask(*words)
            c.ask("EXEC")
        c.ask("HELLO", 2)
        c.call("ECHO", "the end")
        for log in (["SLOWLOG", "GET", "-1"], ["COMMANDLOG", "GET", "-1", "large-request"]):
            for entry in c.call(*log):
                check(pw not in b" ".join(entry[3]), "%s shows %r" % (log[0], entry[3]))
        seen = b""
        while b"the end" not in seen:
            seen = m.read()[1].encode("latin-1")
            check(pw not in seen, "MONITOR shows %r" % seen)
    return "%d commands" % len(lines)


def guesses():
    """Wrong passwords from one address on several connections: they become slow, other addresses and
    clients that are in do not, and the right one is never refused."""
    with Target(password="right") as s:
        inside, begun = s.conn(), time.monotonic()
        with Others(s, 1000) as o:
            guessers = [s.stranger() for _ in range(4)]
            for c in guessers:
                c.sock.sendall(encode(["AUTH", "wrong"]) * 1000)
            wait_for(lambda: int(inside.info("stats")["acl_access_denied_auth"]) >= 20, "twenty guesses", 60)
            for _ in range(100):
                inside.call("PING")
            tried = int(inside.info("stats")["acl_access_denied_auth"])
            took = time.monotonic() - begun
            check(tried < 1000, "%d guesses in %.1f s" % (tried, took))
            other = Conn(s.port, timeout=60, source="127.0.0.2")
            check("WRONGPASS" in refused(other, "AUTH", "wrong"), "another address is answered")
            late = s.stranger()
            check(late.call("AUTH", "right") == b"OK", "the right one")
    return "%d guesses in %.1f s; %s" % (tried, took, o)


CASES = {
    "guesses": guesses,
    "keys as the command parses them": keys_as_the_command_parses_them,
    "passwords of any bytes": passwords_of_any_bytes,
    "secrets are not shown": secrets_are_not_shown,
    "no way to a key": no_way_to_a_key,
    "nothing before AUTH": nothing_before_auth,
    "out of order": out_of_order,
}
