# SPDX-License-Identifier: BSD-3-Clause
"""costs - small requests that would cost much: patterns, collisions, deep or endless input to the
libraries of scripts. Each is answered in its time, and the others are served.
"""
import random

from target import Failed, Others, ReplyError, Target, check, encode, wait_for
from resp import value  # target.py has set the path

SECONDS = 5  # of CPU for one request


def timed(s, c, *words):
    """The reply or error, and the seconds of CPU that it took."""
    at = s.cpu_s()
    try:
        got = c.call(*words)
    except ReplyError as e:
        got = e
    took = s.cpu_s() - at
    check(took < SECONDS, "%.100r took %.1f s of CPU" % (words, took))
    return got, took


# ---------------------------------------------------------------- patterns

def patterns_that_explode():
    """a*a*a*...b against aaaa...: backtracking once a star, never for each."""
    with Target() as s, Others(s, 2000) as o:
        c, worst = s.conn(), 0
        name = "a" * 1000
        c.pipeline([["SET", name, "v"], ["SADD", "set", name], ["HSET", "h", name, "v"],
                    ["ZADD", "z", "1", name], ["CONFIG", "RESETSTAT"]])
        stars = ["a*" * 100 + "b", "*a" * 300 + "*b", "*" * 5000 + "b", "[a-a]*" * 100 + "b", "?*" * 300 + "b",
                 "\\a*" * 100 + "b", "[" * 1000, "[^" * 500, "*[" * 500, "\\" * 999, "[a-" * 300, "*?" * 499 + "*??b"]
        listener = s.conn(proto=3)
        for p in stars:
            for words in (["KEYS", p], ["SCAN", "0", "MATCH", p, "COUNT", "100"], ["SSCAN", "set", "0", "MATCH", p],
                          ["HSCAN", "h", "0", "MATCH", p], ["ZSCAN", "z", "0", "MATCH", p], ["PUBSUB", "CHANNELS", p],
                          ["CONFIG", "GET", p], ["FUNCTION", "LIST", "LIBRARYNAME", p], ["COMMAND", "LIST", "FILTERBY",
                                                                                          "PATTERN", p],
                          ["PUBLISH", name, "x"], ["ACL", "SETUSER", "u", "on", "nopass", "resetkeys", "~" + p],
                          ["ACL", "DRYRUN", "u", "GET", name]):
                worst = max(worst, timed(s, c, *words)[1])
            worst = max(worst, timed(s, listener, "PSUBSCRIBE", p)[1])
    return "12 patterns, 13 places: worst %.0f ms; %s" % (worst * 1000, o)


# ---------------------------------------------------------------- hashing

def _djb(text):
    h = 5381
    for b in text:
        h = (h * 33 + b) & 0xffffffff
    return h


def colliding(n):
    """Texts that all have the same value under the unkeyed hashes of old (h * 33 + c, h * 31 + c)."""
    pairs = ["Aa", "BB"], ["Ab", "BA"]  # 33: 'Ab' and 'BA' collide; 31: 'Aa' and 'BB'
    for kind in pairs:
        for i in range(n):
            yield "".join(kind[i >> b & 1] for b in range(17))


def _order():
    with Target() as s:
        c = s.conn()
        c.pipeline([["SET", str(i), ""] for i in range(1000)])
        return c.call("SCAN", 0, "COUNT", 10)[1]


def keys_that_collide():
    """As fast as ordinary ones: 200,000 of them in the key space, a hash, a set and channels."""
    check(len({_djb(w.encode()) for w in list(colliding(4))[4:]}) == 1, "the texts do collide")
    with Target() as s:
        c, took = s.conn(), {}
        words = list(colliding(100000))
        rng = random.Random(3)
        plain = ["".join(rng.choice("ABab") for _ in range(34)) for _ in words]
        for name, keys in (("plain", plain), ("colliding", words)):
            at = s.cpu_s()
            for i in range(0, len(keys), 1000):
                part = keys[i:i + 1000]
                c.pipeline([["SET", k, ""] for k in part] + [["SADD", "set:" + name] + part,
                           ["HSET", "h:" + name] + [w for k in part for w in (k, "")],
                           ["ZADD", "z:" + name] + [w for k in part for w in ("0", k)]])
            took[name] = s.cpu_s() - at
        check(took["colliding"] < took["plain"] * 3, "%(colliding).1f s of CPU against %(plain).1f s" % took)
    check(_order() != _order(), "two starts have one seed")
    return "%(colliding).2f s for the colliding, %(plain).2f s for the others; another order at each start" % took


# ---------------------------------------------------------------- scripts

SCRIPTS = {
    "cjson, arrays deep": "return cjson.decode(string.rep('[', 100000))",
    "cjson, objects deep": "return cjson.decode(string.rep('{\"a\":', 100000))",
    "cjson, tables deep": "local t = {} for i = 1, 100000 do t = {t} end return cjson.encode(t)",
    "cjson, itself": "local t = {} t[1] = t return cjson.encode(t)",
    "cjson, sparse": "return #cjson.encode({[1] = 1, [2^31] = 2})",
    "cjson, sparse as asked": "cjson.encode_sparse_array(true, 0, 0) return #cjson.encode({[2^50] = 1})",
    "cjson, depth as asked": "cjson.decode_max_depth(2^31 - 1) return cjson.decode(string.rep('[', 1000000))",
    "cjson, encode depth as asked": "cjson.encode_max_depth(2^31-1) local t = {} for i = 1, 1000000 do t = {t} end "
                                    "return cjson.encode(t)",
    "cjson, precision": "cjson.encode_number_precision(400) return cjson.encode(1/3)",
    "cjson, \\u at the end": "return cjson.decode('\"\\\\ud800')",
    "cmsgpack, deep": "return cmsgpack.unpack(string.rep('\\145', 1000000))",
    "cmsgpack, maps deep": "return cmsgpack.unpack(string.rep('\\129\\1', 100000))",
    "cmsgpack, tables deep": "local t = {} for i = 1, 100000 do t = {t} end return #cmsgpack.pack(t)",
    "cmsgpack, itself": "local t = {} t[1] = t return #cmsgpack.pack(t)",
    "cmsgpack, long array": "return cmsgpack.unpack('\\221\\255\\255\\255\\255')",
    "cmsgpack, long map": "return cmsgpack.unpack('\\223\\255\\255\\255\\255')",
    "cmsgpack, long text": "return cmsgpack.unpack('\\219\\255\\255\\255\\255abc')",
    "cmsgpack, bin": "return cmsgpack.unpack('\\198\\255\\255\\255\\255abc')",
    "cmsgpack, offset": "return cmsgpack.unpack_limit('\\1\\2\\3', 2^31, -2^31)",
    "cmsgpack, limit": "return cmsgpack.unpack_limit('\\1\\2\\3', -1, 2^53)",
    "cmsgpack, unpack_one": "return cmsgpack.unpack_one('\\1\\2\\3', -1)",
    "cmsgpack, much": "return #cmsgpack.pack(unpack({1,2,3}, 1, 7000))",
    "struct, size": "return struct.pack('i2147483648', 1)",
    "struct, size 2": "return struct.unpack('i99999999999999999999', 'x')",
    "struct, align": "return struct.pack('!1073741824i', 1)",
    "struct, c": "return struct.unpack('c2147483647', 'x')",
    "struct, c0": "return struct.unpack('I4c0', '\\255\\255\\255\\255x')",
    "struct, c0 wide": "return struct.unpack('>I8c0', '\\255\\255\\255\\255\\255\\255\\255\\255x')",
    "struct, position": "return struct.unpack('I4', 'abcd', 2^31 + 1)",
    "struct, position -": "return struct.unpack('I4', 'abcd', -2^31)",
    "struct, position wraps": "return struct.unpack('I4', 'abcd', 2^32 - 3)",
    "struct, padding": "return #struct.pack(string.rep('x', 10000000), 1)",
    "struct, size of": "return struct.size('c2147483647c2147483647')",
    "bit, hex": "return bit.tohex(1, -2^31)",
    "bit, shifts": "return {bit.lshift(1, 2^31), bit.rshift(-1, -1), bit.rol(1, 2^53)}",
    "rep": "return #string.rep('x', 2^33)",
    "rep, negative": "return #string.rep('x', -2^31)",
    "rep of rep": "local s = string.rep('x', 2^20) return #string.rep(s, 2^14)",
    "doubling": "local s = 'x' for i = 1, 60 do s = s .. s end return #s",
    "format": "return string.format('%2147483647d', 1)",
    "format 99": "return #string.format('%99.99f', 1e308)",
    "format many": "return string.format(string.rep('%d', 300), 1)",
    "concat": "local s, t = string.rep('x', 2^24), {} for i = 1, 100 do t[i] = s end return #table.concat(t)",
    "concat range": "return table.concat({}, 'x', 1, 2^31)",
    "unpack": "return unpack({}, 1, 1e8)",
    "unpack wraps": "return unpack({}, 0, 2^31 - 1)",
    "unpack wraps 2": "return unpack({1,2,3}, -2, 2147483647)",
    "insert": "local t = {} table.insert(t, 2^31, 1) return #t",
    "pattern": "return string.find(string.rep('a', 30000), string.rep('a?', 4000) .. string.rep('a', 4000))",
    "pattern deep": "return string.find(string.rep('x', 600), '.-.-b')",
    "pattern captures": "return string.match('x', string.rep('()', 40))",
    "pattern balanced": "return string.match(string.rep('(', 100000), '%b()')",
    "pattern recursion": "return string.match(string.rep('a', 1000000), string.rep('(a', 5000))",
    "gsub": "return #string.gsub(string.rep('x', 2^20), 'x', string.rep('y', 2^9))",
    "parentheses": "return loadstring('return ' .. string.rep('(', 100000) .. '1')",
    "blocks": "return loadstring(string.rep('do ', 100000))",
    "recursion": "local function f() return 1 + f() end return f()",
    "recursion in pcall": "local function f() return pcall(f) end return f()",
    "pcall in C": "local f f = function() return pcall(function() error(f()) end) end return f()",
    "coroutines": "local function f() return coroutine.wrap(f)() end return f()",
    "gsub calls": "local function f() return (string.gsub('a', 'a', f)) end return f()",
    "sort": "local t = {} for i = 1, 1000 do t[i] = i end table.sort(t, function() return true end)",
    "error object": "error(setmetatable({}, {__tostring = function() error('x') end}))",
    "many returns": "local t = {} for i = 1, 100000 do t[i] = i end return t",
    "reply of one string": "local s, t = string.rep('x', 2^24), {} for i = 1, 10000 do t[i] = s end return t",
    "reply itself": "local t = {} t[1] = t return t",
    "reply deep": "local t = {} for i = 1, 100000 do t = {t} end return t",
    "reply map deep": "redis.setresp(3) local t = {} for i = 1, 100000 do t = {map = {a = t}} end return t",
    "call much": "local t = {} for i = 1, 1000000 do t[i] = 'x' end return redis.call('del', unpack(t, 1, 7999))",
    "sha": "return redis.sha1hex(string.rep('x', 2^26))",
    "log": "for i = 1, 10 do redis.log(3, string.rep('x', 2^20)) end",
    "dump": "return string.dump(function() end)",
    "bytecode": "return loadstring('\\27Lua' .. string.rep('\\0', 100))",
    "metatable of strings": "getmetatable('').__index = {} return 1",
    "globals": "setmetatable(_G, {}) return 1",
    "environment": "setfenv(0, {}) return 1",
    "getfenv": "getfenv(redis.call).x = 1 return 1",
    "redis": "redis.call = nil return 1",
    "rawset": "rawset(_G, 'x', 1) return 1",
    "rawset redis": "rawset(redis, 'call', nil) return 1",
    "files": "return {type(rawget(_G, 'io')), type(rawget(_G, 'require')), type(rawget(_G, 'dofile')), "
             "type(rawget(_G, 'loadfile')), type(rawget(_G, 'package')), type(rawget(_G, 'debug')), "
             "type((rawget(_G, 'os') or {}).execute), type((rawget(_G, 'os') or {}).getenv)}",
    "newproxy": "local p = newproxy and newproxy(true) if p then getmetatable(p).__gc = function() error('x') end end "
                "p = nil collectgarbage() return 1",
}
BLAMELESS = ("return {string.upper('a'), type(redis.call), tostring(rawget(_G, 'x')), type(cjson.encode), "
             "tostring(getmetatable(_G) ~= nil), ('x'):upper()}")


def scripts_that_cost():
    """Deep, endless and lying input to everything that scripts can call; nothing remains."""
    with Target("--busy-reply-threshold", "1000", "--maxmemory", "300mb") as s:
        c, before = s.conn(timeout=120), s.rss()
        good, worst, slow = c.call("EVAL", BLAMELESS, 0), 0, ""
        s.forget_peak()
        with Others(s, 20000) as o:  # no client is served within one call of Lua's own
            for name, script in SCRIPTS.items():
                at = s.cpu_s()
                c = s.conn(timeout=120)
                ended = _run(s, c, script)
                c.close()
                c = s.conn(timeout=120)
                took = s.cpu_s() - at
                if took > worst:
                    worst, slow = took, name
                check(s.running(), name + " ended the server:\n" + s.log()[-2000:])
                check(took < 20, "%s took %.1f s of CPU" % (name, took))
                if name == "files":
                    check(set(ended) == {b"nil"}, "a script reaches %r" % ended)
                check(c.call("EVAL", BLAMELESS, 0) == good, "%s leaves something behind" % name)
        peak = s.peak() - before
        check(peak < 2500, "%.0f MB at the most" % peak)
    return "%d scripts: worst %.1f s (%s), at the most %.0f MB more; %s" % (len(SCRIPTS), worst, slow, peak, o)


def _run(s, c, script):
    """The reply; what takes longer than 5 s is ended with SCRIPT KILL."""
    c.send(encode(["EVAL", script, "0"]))
    c.sock.settimeout(5)
    try:
        node = c.read()
    except RecursionError:  # it is nested deeper than this reader goes
        return None
    except TimeoutError:
        other = s.conn()
        try:
            other.ask("SCRIPT", "KILL")
        except TimeoutError as e:
            raise Failed("not to be ended: " + script) from e
        other.close()
        c.sock.settimeout(120)
        node = c.read()
    c.sock.settimeout(120)
    return [x[1].encode() if isinstance(x[1], str) else x[1] for x in node[1]] if node[0] == "*" else node


def scripts_that_only_read():
    """A script that has not written lets others read: one without an end, where none ever counts as slow. What changes
    data or scripts waits. Of one that has written nothing is seen before its end."""
    with Target("--busy-reply-threshold", "0") as s:
        c, d, other = s.conn(), s.conn(), s.conn()
        c.call("SET", "k", "1")
        c.send(encode(["EVAL", "while true do redis.call('GET', KEYS[1]) end", "1", "k"]))
        with Others(s, 300) as o:
            wait_for(lambda: other.ask("FUNCTION", "STATS") and other.call("GET", "k") == b"1", "a reply")
            d.send(b"".join(encode(w) for w in (["SET", "k", "2"], ["SCRIPT", "FLUSH"], ["SCRIPT", "LOAD", "return 5"],
                                                ["EVAL", "return 3", "0"], ["MULTI"], ["GET", "k"], ["EXEC"])))
            for _ in range(5):
                check(other.call("GET", "k") == b"1", "a write is executed within the script")
        other.call("SCRIPT", "KILL")
        check(c.read()[0] == "-", "the script is not ended")
        got = [d.read() for _ in range(7)]
        check([got[i] for i in (0, 3, 5)] == [["+", "OK"], [":", 3], ["+", "QUEUED"]] and value(got[6]) == [b"2"],
              "the others are answered %r" % got)
        for _ in range(5):
            c.send(encode(["EVAL", "redis.call('SET', 'k', 'half') for i = 1, 2e7 do end redis.call('SET', 'k', 'all')", "0"]))
            check(other.call("GET", "k") != b"half", "half of a script is seen")
            c.read()
    return str(o)


# ---------------------------------------------------------------- many words for little

def words_without_end():
    with Target() as s, Others(s, 3000) as o:
        c, worst = s.conn(), (0, "")
        before = s.rss()
        for rules in (["(" + "~k " * 1000 + ")"] * 20, ["(" * 10000], ["(+get (~x))"], ["(" + "x" * 100000],
                      ["~" + "*" * 100000], ["%" + "R" * 10000 + "~x"], ["+" + "|" * 10000], ["+a" * 10000],
                      ["+@" + "x" * 100000], ["-" * 100000], ["~k%d" % i for i in range(3000)],
                      ["&c%d" % i for i in range(3000)], [">" + "x" * 1000000] * 3, ["#" + "0" * 100000],
                      ["+client|kill|id"], ["+get|x"], ["(" + "+get|x " * 100 + ")"], ["\x00"], ["%"], ["("], [")"], [""]):
            worst = max(worst, (timed(s, c, "ACL", "SETUSER", "u", *rules)[1], "ACL SETUSER " + rules[0][:20]))
        for words in (["ACL", "GETUSER", "u"], ["ACL", "LIST"], ["ACL", "CAT", "x" * 100000],
                      ["ACL", "DRYRUN", "u"] + ["get"] * 100, ["ACL", "DELUSER"] + ["u"] * 10000,
                      ["CLIENT", "SETNAME", "x" * 1000000], ["CLIENT", "SETINFO", "lib-name", "x" * 1000000],
                      ["CLIENT", "TRACKING", "on", "BCAST"] + [w for i in range(100000) for w in ("PREFIX", "%06d" % i)],
                      ["CLIENT", "TRACKING", "on", "BCAST"] + [w for i in range(1000) for w in ("PREFIX", "p%06d" % i)],
                      ["CLIENT", "TRACKING", "on", "BCAST"] + [w for i in range(1000) for w in ("PREFIX", "q%06d" % i)],
                      ["CLIENT", "TRACKINGINFO"], ["CLIENT", "TRACKING", "off"],
                      ["CLIENT", "KILL", "ID", "1"] + ["SKIPME", "yes"] * 10000,
                      ["CLIENT", "LIST", "ID"] + [str(i) for i in range(100000)],
                      ["CLIENT", "NO-EVICT", "x" * 100000], ["COMMAND", "INFO"] + ["get"] * 10000,
                      ["COMMAND", "DOCS"] + ["set"] * 2000, ["COMMAND", "GETKEYS"] + ["SORT"] + ["STORE"] * 100000,
                      ["COMMAND", "GETKEYS", "MSET"] + ["k"] * 100000, ["CONFIG", "GET"] + ["*"] * 1000,
                      ["CONFIG", "SET"] + ["maxmemory", "0"] * 1000, ["INFO"] + ["all"] * 1000,
                      ["LATENCY", "HISTOGRAM"] + ["get"] * 10000, ["SORT", "l"] + ["GET", "#"] * 100000,
                      ["SINTER"] + ["none"] * 100000, ["ZUNION", "100000"] + ["none"] * 100000,
                      ["BITFIELD", "b"] + ["GET", "u1", "0"] * 100000, ["XREAD", "STREAMS"] + ["s"] * 50000 + ["0"] * 50000,
                      ["PFCOUNT"] + ["none"] * 100000, ["GEOHASH", "none"] + ["m"] * 100000,
                      ["LMPOP", "100000"] + ["none"] * 100000 + ["LEFT"], ["WATCH"] + ["k"] * 100000, ["UNWATCH"],
                      ["SCRIPT", "EXISTS"] + ["x"] * 100000, ["FUNCTION", "RESTORE", "x" * 1000000],
                      ["RESTORE", "r", "0", "\x0f" * 1000000], ["MEMORY", "USAGE", "none", "SAMPLES", "0"],
                      ["OBJECT", "HELP"], ["HELLO", "3"] + ["SETNAME", "x"] * 10000, ["RESET"],
                      ["LATENCY", "GRAPH", "x" * 10000], ["LOLWUT", "VERSION", "5", "1000", "1000", "1000"]):
            worst = max(worst, (timed(s, c, *words)[1], " ".join(words[:2])))
        grown = s.rss() - before
        check(grown < 300, "%.0f MB more" % grown)
    return "worst %.0f ms (%s), %.0f MB more; %s" % (worst[0] * 1000, worst[1], grown, o)


def _prefixes(s, clients):
    """Seconds of CPU for so many clients to name 1000 prefixes each, and for 2000 writes after that."""
    conns = [s.conn(proto=3) for _ in range(clients)]
    took = 0
    for i, c in enumerate(conns):
        words = ["CLIENT", "TRACKING", "on", "BCAST"] + [w for k in range(1000) for w in ("PREFIX", "%04d:%03d:" % (k, i))]
        took += timed(s, c, *words)[1]
    w, at = s.conn(), s.cpu_s()
    for _ in range(4):
        w.pipeline([["SET", "x%d" % i, "v"] for i in range(500)])
    took_writes = s.cpu_s() - at
    for c in conns:
        c.call("CLIENT", "TRACKING", "off")
        c.close()
    return took, took_writes


def prefixes_of_many_clients():
    """Five times the clients with prefixes take about five times as long (30 times, if each prefix were
    compared with all others), and a write does not care."""
    with Target() as s:
        few, many = min(_prefixes(s, 20) for _ in range(3)), min(_prefixes(s, 100) for _ in range(4))
        check(many[0] < 20 * few[0], "20 clients take %.0f ms, 100 take %.0f ms" % (few[0] * 1000, many[0] * 1000))
        check(many[1] < 10 * few[1], "2000 writes: %.0f ms, %.0f ms" % (few[1] * 1000, many[1] * 1000))
    return "100 x 1000 in %.0f ms, 2000 writes in %.0f ms" % (many[0] * 1000, many[1] * 1000)


def watchers_of_one_key():
    """A WATCH that names one key a million times takes as long as if no other client watched it."""
    with Target("--maxclients", "3000") as s, Others(s, 1000) as o:
        c, often = s.conn(), ["k", "l"] * 450000
        alone = min(timed(s, c, "WATCH", *often)[1] for _ in range(3))
        c.call("UNWATCH")
        conns = [s.conn() for _ in range(2000)]
        for other in conns:
            other.call("WATCH", "k")
        among = min(timed(s, c, "WATCH", *often)[1] for _ in range(3))
        check(among < 5 * alone, "alone %.0f ms, among 2000 watchers %.0f ms" % (alone * 1000, among * 1000))
        conns[0].call("SET", "l", "v")
        check(c.pipeline([["MULTI"], ["PING"], ["EXEC"]])[-1] is None, "the transaction is executed")
    return "alone %.0f ms, among 2000 watchers %.0f ms; %s" % (alone * 1000, among * 1000, o)


# ---------------------------------------------------------------- much at once

def pipelines_that_take_long():
    """Commands that take a millisecond each, 2,000 of them in one packet; inside of others' turns too."""
    with Target() as s:
        c = s.conn()
        c.call("SETRANGE", "big", 12 * 1024 * 1024 - 1, "x")
        with Others(s, 500) as o:
            at = s.cpu_s()
            for _ in range(2):
                check(c.pipeline([["BITCOUNT", "big"]] * 2000) == [4] * 2000, "the replies are wrong")
            took = s.cpu_s() - at
        check(took > 0.5, "it took %.2f s only" % took)
    return "%.1f s of CPU; %s" % (took, o)


def many_pipelines_that_take_long():
    """The same of 150 clients at once: together they hold the loop no longer than one."""
    with Target() as s:
        s.conn().call("SETRANGE", "big", 6 * 1024 * 1024 - 1, "x")
        with Others(s, 300) as o:
            conns, at = [s.conn() for _ in range(150)], s.cpu_s()
            for c in conns:
                c.send(encode(["BITCOUNT", "big"]) * 50)
            for c in conns:
                check([value(c.read()) for _ in range(50)] == [4] * 50, "the replies are wrong")
            took = s.cpu_s() - at
        check(took > 0.5, "it took %.2f s only" % took)
    return "%.1f s of CPU; %s" % (took, o)


def commands_that_take_long():
    """Reads, and writes that compute, over half a million elements: others are served from within, and
    writes go on when the long command is over."""
    n, own = 500000, 0
    with Target() as s:
        c, writer = s.conn(), s.conn()
        for i in range(0, n, 10000):
            words = ["m%d" % k for k in range(i, i + 10000)]
            c.pipeline([["SADD", "s"] + words, ["ZADD", "z"] + [w for m in words for w in (hash(m) % n, m)],
                        ["SADD", "ints"] + [w for w in range(i * 3, i * 3 + 30000, 3)]])
            if i < 60000:
                c.pipeline([["XADD", "x", i + k + 1, "f", "v"] for k in range(10000)])
        c.call("SETRANGE", "a", 9000, "x")
        c.call("XGROUP", "CREATE", "x", "g", 0)
        c.call("XREADGROUP", "GROUP", "g", "u", "STREAMS", "x", ">")
        for words in (["XREADGROUP", "GROUP", "g", "u", "STREAMS", "x", 0], ["SRANDMEMBER", "s", n // 4],
                      ["SORT", "s", "ALPHA"], ["SUNION", "s", "z2", "ints"], ["ZUNION", 2, "z", "s"], ["ZINTER", 2, "z", "s"],
                      ["ZDIFF", 2, "z", "z2"], ["LCS", "a", "a"], ["SUNIONSTORE", "d", "s", "ints"],
                      ["SORT", "s", "ALPHA", "STORE", "d"], ["ZUNIONSTORE", "d", 2, "z", "s"]):
            with Others(s, 120) as o:
                at = s.cpu_s()
                c.send(encode(words))
                writer.call("SET", "k", "v")
                c.read()
                own += s.cpu_s() - at
        check(own > 1, "they took %.2f s only" % own)
    return "11 commands, %.1f s of CPU; the last: %s" % (own, o)


FILL = """local n = tonumber(ARGV[2])
for i = tonumber(ARGV[1]), ARGV[1] + n - 1 do
    local m = 'member:' .. i
    redis.call('ZADD', 'z', i * 7919 % 1000003, m) redis.call('SADD', 's', m) redis.call('HSET', 'h', m, i)
    redis.call('RPUSH', 'l', m)
end"""


def values_that_take_long():
    """Copies, dumps and measurements of values of 1.2 million elements; others are served from within. What
    is replaced or deleted is freed by another thread."""
    n, own = 1200000, 0
    with Target() as s:
        c = s.conn()
        for i in range(0, n, 50000):
            c.call("EVAL", FILL, 0, i, 50000)
        for key in "zshl":
            payload = c.call("DUMP", key)
            for words in (["COPY", key, "d"], ["COPY", key, "d", "REPLACE"], ["DUMP", key], ["RESTORE", "r", 0, payload],
                          ["RESTORE", "r", 0, payload, "REPLACE"], ["MEMORY", "USAGE", key, "SAMPLES", 0],
                          ["SET", "d", "x"], ["DEL", "r"]):
                try:
                    with Others(s, 120) as o:
                        at = s.cpu_s()
                        c.call(*words)
                        own += s.cpu_s() - at
                except Failed as e:
                    raise Failed("%s %s: %s" % (words[0], key, e)) from e
        check(own > 1, "they took %.2f s only" % own)
    return "4 values, 8 commands each, %.1f s of CPU; the last: %s" % (own, o)


def values_named_often():
    """One request that names a value of 100,000 members, or of 16 MB, thousands of times."""
    with Target() as s, Others(s, 2000) as o:
        c, worst = s.conn(), (0, "")
        for i in range(0, 100000, 10000):
            words = ["m%d" % k for k in range(i, i + 10000)]
            c.pipeline([["SADD", "s"] + words, ["ZADD", "z"] + [w for m in words for w in ("1", m)]])
        c.call("SADD", "t", "m0", "m1")
        c.call("SETRANGE", "big", 16 * 1024 * 1024 - 1, "x")
        c.call("PFADD", "h", *("m%d" % k for k in range(10000)))
        s_often, z_often, n = ["s"] * 10000, ["z"] * 10000, "10000"
        for words in (["SUNION"] + s_often, ["SUNIONSTORE", "d"] + s_often, ["SINTER"] + s_often,
                      ["SINTERCARD", n] + s_often, ["SDIFF", "s"] + ["t"] * 1000000, ["SDIFFSTORE", "d", "t"] + s_often,
                      ["ZUNION", n] + z_often + ["AGGREGATE", "MAX"], ["ZINTERCARD", n] + z_often, ["ZDIFF", n] + z_often,
                      ["ZDIFF", "500000", "z"] + ["t"] * 499999, ["ZINTERSTORE", "d", n] + z_often + ["AGGREGATE", "MIN"],
                      ["BITOP", "AND", "d"] + ["big"] * 10000, ["BITOP", "XOR", "d"] + ["big"] * 10001,
                      ["PFCOUNT"] + ["h"] * 1000000, ["PFMERGE", "d"] + ["h"] * 1000000):
            worst = max(worst, (timed(s, c, *words)[1], words[0]))
    return "worst %.0f ms (%s); %s" % (worst[0] * 1000, worst[1], o)


def sketches_of_many_items():
    """The most that one command counts or adds, in sketches whose shapes make that expensive: it is refused, or
    done soon. Long steps of TOPK cost little more than short ones."""
    with Target() as s, Others(s, 2000) as o:
        c, worst = s.conn(), (0, "")
        for words in (["TOPK.RESERVE", "t", 1, 1, 64, 1], ["TOPK.RESERVE", "u", 1, 1, 64, "0.99999"],
                      ["TOPK.RESERVE", "w", 10, 1000, 64, "0.9"], ["CMS.INITBYDIM", "c", 30000, 4096],
                      ["BF.RESERVE", "b", "1e-19", 1, "EXPANSION", 1], ["BF.MADD", "b"] + list(range(100000)),
                      ["CF.RESERVE", "f", 510, "BUCKETSIZE", 255], ["CF.INSERT", "f", "ITEMS"] + ["x"] * 20000,
                      ["TDIGEST.CREATE", "d", "COMPRESSION", 1000], ["TDIGEST.ADD", "d"] + list(range(100000)),
                      ["TDIGEST.MERGE", "e", 100] + ["d"] * 100):
            check(c.ask(*words)[0] != "-", "%.60r is refused" % words)
        many = ["x%d" % i for i in range(500000)]
        often = [w for m in many for w in (m, 100000)]
        for words in (["TOPK.INCRBY", "t"] + often[:2000], ["TOPK.INCRBY", "u"] + often[:2000],
                      ["TOPK.INCRBY", "t"] + often, ["TOPK.ADD", "w"] + many, ["CMS.INCRBY", "c"] + often[:20000],
                      ["CMS.INCRBY", "c"] + often, ["BF.MADD", "b"] + [0] * 500000, ["CF.INSERT", "f", "ITEMS"] + many):
            worst = max(worst, (timed(s, c, *words)[1], words[0]))
        for key, command in ("t", "TOPK.INCRBY"), ("c", "CMS.INCRBY"):
            check(isinstance(timed(s, c, command, key, *often)[0], ReplyError), "%s of everything is done" % command)
        check(isinstance(timed(s, c, "TDIGEST.MERGE", "e", 500000, *["d"] * 500000)[0], ReplyError), "TDIGEST.MERGE is done")
    return "worst %.0f ms (%s); %s" % (worst[0] * 1000, worst[1], o)


def expressions_that_cost():
    """Regular expressions of JSON paths with many ways at once, or with classes of thousands of ranges: given up in
    time."""
    with Target() as s, Others(s, 1000) as o:
        c, worst = s.conn(), 0
        c.call("JSON.SET", "j", "$", "[%s]" % ",".join(['"%s"' % ("a" * 5000)] * 500))
        ranges = "".join("\\\\x{%x}" % (0x200 + 2 * i) for i in range(4000))
        for expression in ("[a-z]?" * 2000 + "b", "[^%s]{900}b" % ranges, "(?i)([^%s]?){900}b" % ranges):
            got, took = timed(s, c, "JSON.GET", "j", "$[?@ =~ '%s']" % expression)
            check(isinstance(got, ReplyError) or got == b"[]", "it matched: %.100r" % got)
            worst = max(worst, took)
    return "3 expressions, 500 texts: worst %.1f s; %s" % (worst, o)


def ids_in_a_long_node():
    """Commands that name all entries of a stream, in any order, where all stand in one node, as a client can RESTORE
    it: the node is walked over once, not for each id."""
    n, worst = 40000, (0, "")
    with Target("--stream-node-max-bytes", "0", "--stream-node-max-entries", "0") as s, Others(s, 2000) as o:
        c = s.conn()
        ids = [str(i) for i in range(1, n + 1)]
        for i in range(0, n, 10000):
            c.pipeline([["XADD", "x", k, "f", "v"] for k in ids[i:i + 10000]])
        c.call("XGROUP", "CREATE", "x", "g", 0)
        c.call("XREADGROUP", "GROUP", "g", "u", "COUNT", n, "STREAMS", "x", ">")
        random.Random(5).shuffle(ids)
        for words in (["XREADGROUP", "GROUP", "g", "u", "STREAMS", "x", 0], ["XCLAIM", "x", "g", "v", 0] + ids,
                      ["XREADGROUP", "GROUP", "g", "u", "CLAIM", 0, "STREAMS", "x", ">"],
                      ["XAUTOCLAIM", "x", "g", "v", 0, 0, "COUNT", n], ["XNACK", "x", "g", "FAIL", "IDS", n] + ids,
                      ["XDELEX", "x", "ACKED", "IDS", n] + ids, ["COPY", "x", "a"], ["XACKDEL", "a", "g", "IDS", n] + ids,
                      ["COPY", "x", "b"], ["XDELEX", "b", "DELREF", "IDS", n] + ids, ["XDEL", "x"] + ids):
            worst = max(worst, (timed(s, c, *words)[1], words[0]))
        check(c.call("XLEN", "a") == c.call("XLEN", "b") == c.call("XLEN", "x") == 0, "entries are left")
    return "worst %.0f ms (%s); %s" % (worst[0] * 1000, worst[1], o)


def documents_set_often():
    """One request that gives values to all items of a document again and again: no other client is served while
    it does, so it may look at fewer values than one that reads."""
    with Target() as s, Others(s, 2000) as o:
        c = s.conn()
        c.call("JSON.SET", "j", "$", "[%s]" % ",".join("1" * 500000))
        refused, took = timed(s, c, "JSON.MSET", *["j", "$[*]", "1"] * 500)
        check(isinstance(refused, ReplyError), "it is done")
        took = max(took, timed(s, c, "JSON.MSET", *["j", "$[*]", "1"] * 8)[1])
    return "worst %.0f ms; %s" % (took * 1000, o)


CASES = {
    "documents set often": documents_set_often,
    "watchers of one key": watchers_of_one_key,
    "ids in a long node": ids_in_a_long_node,
    "expressions that cost": expressions_that_cost,
    "sketches of many items": sketches_of_many_items,
    "commands that take long": commands_that_take_long,
    "values that take long": values_that_take_long,
    "values named often": values_named_often,
    "pipelines that take long": pipelines_that_take_long,
    "many pipelines that take long": many_pipelines_that_take_long,
    "prefixes of many clients": prefixes_of_many_clients,
    "patterns that explode": patterns_that_explode,
    "keys that collide": keys_that_collide,
    "scripts that cost": scripts_that_cost,
    "scripts that only read": scripts_that_only_read,
    "words without end": words_without_end,
}
