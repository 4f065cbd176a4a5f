# SPDX-License-Identifier: BSD-3-Clause
"""known - the classes of defect that were published for Redis and Valkey since 2015, tried here. The
name of a case begins with the number; docs/security.md has the table, with those that other tests
cover and those that cannot apply.
"""
import os
import socket
import subprocess
import time

from target import MB, Others, ReplyError, Target, check, closed, encode, refused

HERE = os.path.dirname(os.path.abspath(__file__))
I64 = 9223372036854775807
HLL = b"HYLL\x01\0\0\0" + b"\0" * 8


def ev(c, script, *more):
    """What a script answers, or the error as text."""
    try:
        return c.call("EVAL", script, 0, *more)
    except ReplyError as e:
        return str(e)


def on_server(case):
    """The case gets a connection; the server is there afterwards (Target looks)."""
    def test():
        with Target("--enable-debug-command", "yes") as s:
            said = case(s, s.conn())
            check(s.conn().call("PING") == b"PONG", "it answers")
            return said
    return test


# ---------------------------------------------------------------- scripts

def bytecode(s, c):
    for how in ("loadstring", "load"):
        got = ev(c, "local f, e = %s('\\27Lua' .. string.rep('\\0', 200)) return tostring(f)" % how)
        check(got == b"nil" or isinstance(got, str), "%s takes bytecode: %r" % (how, got))


def struct_sizes(s, c):
    for f in ("i2147483648", ">I2147483648", "!2147483648i", "c4294967296", "i99999999999999999999", "!0i", "!3i"):
        for call in ("struct.pack('%s', '10')", "struct.unpack('%s', 'abc')", "struct.size('%s')"):
            got = ev(c, "return " + call % f)
            check(isinstance(got, str) or isinstance(got, int), "%s: %r" % (f, got))
    check(isinstance(ev(c, "return struct.unpack('I4c0', '\\255\\255\\255\\255x')"), str), "c0 beyond the end")


def msgpack_stack(s, c):
    for script in ("return cmsgpack.unpack(string.rep('\\145', 1000000))",
                   "local a = {} for i = 1, 7000 do a[i] = i end return #cmsgpack.pack(unpack(a))",
                   "return cmsgpack.unpack_limit('\\1\\2\\3', 2147483647, 0)"):
        ev(c, script)


def lua_stack(s, c):
    """Replies and arguments that need more of Lua's stack than there is."""
    for script in ("local t = {} for i = 1, 100000 do t = {t} end return t",
                   "return redis.call('rpush', 'l', unpack(KEYS))",
                   "local t = {} for i = 1, 7990 do t[i] = 'x' end return redis.call('rpush', 'l', unpack(t))",
                   "return {redis.pcall('lrange', 'l', 0, -1), select('#', unpack(redis.call('lrange', 'l', 0, -1)))}",
                   "redis.setresp(3) return redis.call('hgetall', 'none')"):
        try:
            ev(c, script)
        except RecursionError:  # it is nested deeper than this reader goes
            c = s.conn()


def debugger(s, c):
    """There is no debugger of scripts, so no protocol of it to read beyond the end of."""
    for mode in ("YES", "SYNC"):
        refused(c, "SCRIPT", "DEBUG", mode)


def other_users_code(s, c):
    """What a script changes is not seen by the next one: globals, libraries, metatables of types."""
    for script in ("redis.call = function() return 'mine' end", "string.len = nil",
                   "getmetatable('').__index = function() return 'mine' end",
                   "getmetatable('').x = 1", "_G.redis = {}", "rawset(_G, 'redis', {})", "setmetatable(_G, {})",
                   "local m = getmetatable(_G) if m then m.__index = nil end",
                   "local f = redis.call; if getfenv then getfenv(f).redis = nil end",
                   "if debug then debug.setmetatable(1, {__index = 1}) end", "table.insert = nil",
                   "cjson.encode = nil", "local p = newproxy and newproxy(true) return 1"):
        ev(c, script)
        got = ev(c, "return {redis.call('echo', 'a'), ('abc'):len(), string.len('ab'), type(cjson.encode), "
                    "type(table.insert), tostring((1 .. '').x)}")
        check(got == [b"a", 3, 2, b"function", b"function", b"nil"], "%s is seen: %r" % (script, got))


def host_is_out_of_reach(s, c):
    for name in ("package", "require", "io", "dofile", "loadfile", "debug", "module"):
        got = ev(c, "return type(rawget(_G, '%s'))" % name)
        check(got == b"nil", "%s: %r" % (name, got))
        ev(c, "return %s" % name)
    check(isinstance(ev(c, "return os.execute('true')"), str), "os.execute")


def tohex(s, c):
    for n in ("-2147483648", "2147483647", "-2^31", "2^53", "-9223372036854775808", "0/0"):
        got = ev(c, "return bit.tohex(65535, %s)" % n)
        check(isinstance(got, str) or len(got) <= 8, "%s: %r" % (n, got))


def garbage(s, c):
    """Collections in the middle of what uses the collected: parsers, finalizers, closures."""
    for script in ("return tostring(load(function() collectgarbage() collectgarbage() return nil end, "
                   "string.rep('n', 100) .. tostring({})))",
                   "local n = 0 return tostring(load(function() n = n + 1 collectgarbage() "
                   "return n < 200 and ('local v' .. n .. ' = ' .. n .. ' ') or nil end, 'a' .. tostring(n)))",
                   "local t = setmetatable({}, {__gc = function() redis.call('set', 'a', 1) end}) t = nil collectgarbage()",
                   "local c = coroutine.wrap(function() collectgarbage() coroutine.yield(1) end) c() c = nil collectgarbage()"):
        for _ in range(20):
            ev(c, script)


def unpack_ranges(s, c):
    for a, b in ((0, 2147483647), (1, 2147483647), (-2147483648, 2147483647), ("-1e9", "1e9"), (1, "1e8")):
        check(isinstance(ev(c, "return {unpack({1,2,3}, %s, %s)}" % (a, b)), str), "unpack %s %s" % (a, b))


def long_brackets(s, c):
    """Strings and comments of Lua that end in the middle of their brackets."""
    for text in ("[", "[=", "[==[", "--[", "--[=", "--[==[ x ]=", "[[ x ]", "[=[ x ]] ]=", "]]", "--[[" + "=" * 5000,
                 "[" + "=" * 100000, "[" + "=" * 100000 + "[", "x = [=" + "=" * 70000 + "[ y ]" + "=" * 70000):
        for script in (text, "return " + text, "return " + text + "\r", text + "\n\r\n"):
            got = ev(c, script)
            check(got is None or isinstance(got, (str, bytes)), "%.30r: %r" % (script, got))


def injected_replies(s, c):
    """An error or a status of a script is one line, whatever is in it."""
    for how in ("return redis.error_reply('a\\r\\n+OK\\r\\n$1\\r\\nb')", "return {err = 'a\\r\\n:1\\r\\n'}",
                "return redis.status_reply('a\\r\\n-ERR b\\r\\n')", "return {ok = 'a\\r\\n:1'}", "error('a\\r\\n:1\\r\\n')",
                "return redis.call('nothing\\r\\n+OK')"):
        ev(c, how)
        check(c.call("ECHO", "in step") == b"in step", "out of step after " + how)


# ---------------------------------------------------------------- values and numbers

def hll_runs(s, c):
    for runs in (b"\x7f\xff\xff", b"\x7f\xff" * 100, b"\x80" * 4096, b"\x7f\xff" + b"\x80" * 500, b"\xff" * 4097,
                 b"\x00", b"\x7f", b"", b"\x40\x00" * 8000, b"\x7f\xfe\x84\x84"):
        c.call("SET", "h", HLL + runs)
        for words in (["PFCOUNT", "h"], ["PFADD", "h", "a", "b", "c"], ["PFMERGE", "d", "h"], ["PFMERGE", "h", "d"],
                      ["PFDEBUG", "DECODE", "h"], ["PFDEBUG", "GETREG", "h"], ["PFDEBUG", "TODENSE", "h"]):
            c.ask(*words)
    c.call("DEL", "h")
    c.call("PFADD", "h", "a")
    c.call("SETRANGE", "h", 15, b"\x80" * 2000)
    c.ask("PFADD", "h", "b")
    c.call("SET", "h", b"HYLL\x00" + b"\0" * 11 + b"\xff" * 12288)
    check(c.call("PFCOUNT", "h") >= 0, "registers of 63")
    c.ask("PFMERGE", "x", "h")


def wrong_types(s, c):
    c.call("SET", "a", "123")
    check("WRONGTYPE" in refused(c, "XGROUP", "CREATE", "a", "b", "$"), "XGROUP")


def large_limits(s, c):
    """Parameters that let small forms grow without end."""
    for name in ("set-max-intset-entries", "hash-max-listpack-value", "hash-max-listpack-entries",
                 "zset-max-listpack-value", "zset-max-listpack-entries", "list-max-listpack-size",
                 "stream-node-max-bytes", "stream-node-max-entries", "proto-max-bulk-len", "set-max-listpack-value"):
        for v in ("9223372036854775807", "4294967295", "2147483647", "1073741824"):
            c.ask("CONFIG", "SET", name, v)
    long = "x" * (8 * MB)
    c.pipeline([["HSET", "h", "f", long, long, "v"], ["ZADD", "z", 1, long], ["RPUSH", "l", long, "a", long],
                ["XADD", "x", "*", "f", long], ["XADD", "x", "*", long, "v"], ["SADD", "s", *map(str, range(100000))],
                ["SADD", "s", long]])
    for words in (["HGET", "h", "f"], ["ZSCORE", "z", long], ["LRANGE", "l", 0, -1], ["XLEN", "x"], ["SCARD", "s"],
                  ["COPY", "s", "s2"], ["COPY", "h", "h2"], ["DEBUG", "RELOAD"]):
        c.call(*words)


def lcs_sizes(s, c):
    c.pipeline([["SETRANGE", "a", 50 * MB, "x"], ["SETRANGE", "b", 50 * MB, "x"]])
    for more in ([], ["LEN"], ["IDX"], ["IDX", "MINMATCHLEN", I64], ["IDX", "MINMATCHLEN", -I64]):
        refused(c, "LCS", "a", "b", *more)


def bit_offsets(s, c):
    for words in (["SETBIT", "k", 2**32, 1], ["SETBIT", "k", I64, 1], ["BITFIELD", "k", "SET", "u8", I64, 1],
                  ["BITFIELD", "k", "INCRBY", "i64", "#" + str(I64), 1], ["BITFIELD", "k", "SET", "u8", "#" + str(2**61), 1]):
        refused(c, *words)
    check(c.call("GETBIT", "k", 2**32 - 1) == 0 and c.call("EXISTS", "k") == 0, "nothing was made")


def offsets_and_limits(s, c):
    c.call("RPUSH", "l", "1", "2")
    for words in (["SETRANGE", "k", I64, "x"], ["SETRANGE", "k", I64 - 1, "xyz"], ["SETRANGE", "k", 2**32, "x"]):
        refused(c, *words)
    for name in ("SORT", "SORT_RO"):
        for a, b in ((I64, I64), (-I64, I64), (1, I64), (I64, 1), (-I64 - 1, -I64 - 1)):
            c.ask(name, "l", "LIMIT", a, b)


def counts_of_picks(s, c):
    c.pipeline([["HSET", "h", "a", 1], ["ZADD", "z", 1, "a"], ["SADD", "s", "a"]])
    for n in (-I64 - 1, -I64, -(I64 // 2) - 1):
        for words in (["HRANDFIELD", "h", n], ["HRANDFIELD", "h", n, "WITHVALUES"], ["ZRANDMEMBER", "z", n],
                      ["ZRANDMEMBER", "z", n, "WITHSCORES"], ["SRANDMEMBER", "s", n]):
            refused(c, *words)


def float_of_a_hash(s, c):
    c.call("HSET", "h", "f", "1")
    for v in ("nan", "inf", "-inf", "1e5000"):
        refused(c, "HINCRBYFLOAT", "h", "f", v)
        refused(c, "HINCRBYFLOAT", "h", "new", v)
    c.call("HINCRBYFLOAT", "h", "big", "1e4932")
    refused(c, "HINCRBYFLOAT", "h", "big", "1e4932")
    check(sorted(c.call("HGETALL", "h")[::2]) == [b"big", b"f"], "no field was made")
    c.call("HGET", "h", "big")


def twice_in_msetnx(s, c):
    check(c.call("MSETNX", "a", 1, "a", 2) == 1 and c.call("GET", "a") == b"2", "MSETNX")
    c.call("DEBUG", "RELOAD")


def claims_of_what_is_gone(s, c):
    c.pipeline([["XADD", "x", "%d-1" % i, "f", "v"] for i in range(1, 200)])
    c.call("XGROUP", "CREATE", "x", "g", "0")
    c.call("XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">")
    c.call("XDEL", "x", *["%d-1" % i for i in range(1, 150)])
    for count in (I64, I64 // 2, 2**60, 1, 100):
        c.ask("XAUTOCLAIM", "x", "g", "d", 0, 0, "COUNT", count)
    c.ask("XAUTOCLAIM", "x", "g", "d", 0, 0, "COUNT", I64, "JUSTID")
    many = ["%d-1" % i for i in range(20000)]
    for words in (["XACK", "x", "g"], ["XDEL", "x"], ["XCLAIM", "x", "g", "e", 0]):
        c.ask(*words, *many)


# ---------------------------------------------------------------- patterns, keys, rights

def patterns(s, c):
    c.pipeline([["SET", "a" * 1000 + str(i), "v"] for i in range(20)])
    with Others(s, 3000):
        for p in ("a*" * 60 + "b", "*?" * 200, "[" * 100000, "*" * 100000, "\\" * 100001, "?*" * 5000 + "[", "[a-"):
            for words in (["KEYS", p], ["SCAN", 0, "MATCH", p, "COUNT", 1000], ["COMMAND", "LIST", "FILTERBY", "PATTERN", p],
                          ["CONFIG", "GET", p], ["PUBSUB", "CHANNELS", p], ["SSCAN", "none", 0, "MATCH", p]):
                c.ask(*words)


def getkeys(s, c):
    for words in (["XADD", "k"], ["MIGRATE", "h", 1, "", 0, 1, "KEYS"], ["SORT", "a", "STORE"], ["EVAL", "x", I64, "k"],
                  ["EVAL", "x", 2147483647, "k"], ["ZUNIONSTORE", "d", 2**32 + 1, "a"], ["BLMPOP", 0, -1, "k", "LEFT"],
                  ["XREAD", "STREAMS"], ["XREADGROUP", "GROUP", "STREAMS", "c", "STREAMS", "a"], ["SINTERCARD", 0, "a"],
                  ["GEORADIUS", "a", 0, 0, 1, "m", "STORE"], ["SET"], ["MSET"] + ["k", "v"] * 300, ["EXEC"]):
        for how in ("GETKEYS", "GETKEYSANDFLAGS"):
            c.ask("COMMAND", how, *words)
        c.call("ACL", "SETUSER", "u", "on", "nopass", "+@all", "~x*", "%R~y*")
        c.ask("ACL", "DRYRUN", "u", *words)


def sort_ro_rights(s, c):
    c.pipeline([["SET", "secret", "v"], ["RPUSH", "mine", "secret"]])
    c.call("ACL", "SETUSER", "u", "on", "nopass", "+@all", "~mine")
    u = s.stranger()
    u.call("AUTH", "u", "x")
    for name in ("SORT", "SORT_RO"):
        for more in (["BY", "*"], ["GET", "*"], ["BY", "nosort", "GET", "*"], ["GET", "#", "GET", "sec*t"]):
            refused(u, name, "mine", *more)


def selectors(s, c):
    """Selectors and key permissions that are not well-formed are refused, and change nothing."""
    for rule in ("(", "()", "(%)", "(%R)", "(%RW)", "%", "%~", "%R", "%RW", "%X~a", "%RRRR~a", "(%~a)", "(+get", "(~a))",
                 "((~a))", "( %W ~a )", "(~a" + " %R" * 1000 + ")", "%R~", "(\x00)", "(" + "%" * 5000 + ")"):
        c.call("ACL", "SETUSER", "u", "reset")
        before = c.call("ACL", "LIST")
        try:
            c.call("ACL", "SETUSER", "u", rule)
        except ReplyError:
            check(c.call("ACL", "LIST") == before, "%.30r was half applied" % rule)
        c.call("ACL", "LIST")


# ---------------------------------------------------------------- connections

def limits_of_classes(s, c):
    for v in ("master 3735928559 3405691582 373529054", "normal 1", "normal a b c", "normal 1 2 3 pubsub",
              "slave 1 2 -3"):
        refused(c, "CONFIG", "SET", "client-output-buffer-limit", v)


def web_browsers():
    with Target() as s:
        for line in (b"POST / HTTP/1.1\r\n", b"Host: localhost:6379\r\n"):
            c = s.stranger()
            c.sock.sendall(line + b"SET stolen 1\r\n")
            closed(c)
        check(s.conn().call("EXISTS", "stolen") == 0, "nothing after it is executed")


def strangers_ask_for_much():
    """Before AUTH: announced arguments, output that is not read, errors without end."""
    with Target(password="pw") as s, Others(s, 3000):
        before = s.rss()
        for data in (b"*1048576\r\n", b"*11\r\n", b"*1\r\n$1048576\r\n", b"*2147483648\r\n", b"*1\r\n$2147483648\r\n"):
            c = s.stranger()
            c.sock.sendall(data)
            check(b"unauthenticated" in closed(c) or b"invalid" in data or data.startswith((b"*2147", b"*1\r\n$2147")), data)
        socks = [s.stranger() for _ in range(20)]
        for c in socks:
            c.sock.settimeout(0.2)
            try:
                for _ in range(400):
                    c.sock.sendall(b"GET k\r\n" * 1000)
            except (socket.timeout, OSError):
                pass
        check(s.rss() - before < 100, "%.0f MB more" % (s.rss() - before))


def arguments_resized(s, c):
    """Arguments of a size near that of the buffers, over and over, with the buffers made small between."""
    for n in (32 * 1024 - 1, 32 * 1024, 32 * 1024 + 1, 16 * 1024 - 3, 64 * 1024, 1 * MB + 1):
        data = encode(["SET", "k", "x" * n])
        for cut in (1, 10, len(data) // 2, len(data) - 3):
            c.sock.sendall(data[:cut])
            time.sleep(0.002)
            c.sock.sendall(data[cut:] + encode(["STRLEN", "k"]))
            check(c.read()[0] == "+" and c.read()[1] == n, "%d at %d" % (n, cut))


def long_paths():
    """The check tools, with names that fit no array."""
    where = os.environ.get("STET_BIN", os.path.join(HERE, "..", "..", "build"))
    for tool in ("stet-check-aof", "stet-check-rdb"):
        for path in ("x" * 300, "x" * 5000, "y/" * 3000, "z" * 100000, "/" * 70000 + "a.manifest"):
            got = subprocess.run([os.path.join(where, tool), path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 timeout=60)
            check(got.returncode == 1, "%s ends with %d" % (tool, got.returncode))


CASES = {
    "2015-4335, 2015-8080 and others: bytecode": on_server(bytecode),
    "2015-8080, 2018-11219, 2020-14147: struct": on_server(struct_sizes),
    "2016-8339: client-output-buffer-limit": on_server(limits_of_classes),
    "2016-10517: requests of web browsers": web_browsers,
    "2018-11218: cmsgpack": on_server(msgpack_stack),
    "2018-12453: XGROUP of another type": on_server(wrong_types),
    "2019-10192, 2019-10193, 2025-32023: HyperLogLog": on_server(hll_runs),
    "2021-29477, 2021-32625: LCS": on_server(lcs_sizes),
    "2021-29478, 2021-32627, 2021-32628, 2021-32687, 2021-41099: limits of small forms": on_server(large_limits),
    "2021-32626: Lua's stack": on_server(lua_stack),
    "2021-32672: the debugger of scripts": on_server(debugger),
    "2021-32675, 2025-21605, 2025-48367: before AUTH": strangers_ask_for_much,
    "2021-32761: offsets of bits": on_server(bit_offsets),
    "2022-0543: the host's libraries": on_server(host_is_out_of_reach),
    "2022-24735, 2025-46818: code of other users": on_server(other_users_code),
    "2022-31144, 2022-35951, 2025-62507: claims and lists of ids": on_server(claims_of_what_is_gone),
    "2022-35977: SETRANGE and SORT": on_server(offsets_and_limits),
    "2022-36021, 2024-31228: patterns": on_server(patterns),
    "2023-22458, 2023-25155: random picks": on_server(counts_of_picks),
    "2023-28425: MSETNX": on_server(twice_in_msetnx),
    "2023-28856: HINCRBYFLOAT": on_server(float_of_a_hash),
    "2023-36824: COMMAND GETKEYS": on_server(getkeys),
    "2023-41053: SORT_RO": on_server(sort_ro_rights),
    "2023-41056: buffers that change their size": on_server(arguments_resized),
    "2024-31227, 2024-51741: selectors": on_server(selectors),
    "2024-31449: bit.tohex": on_server(tohex),
    "2024-46981, 2025-49844: garbage": on_server(garbage),
    "2025-27151: paths of the check tools": long_paths,
    "2025-46817: unpack": on_server(unpack_ranges),
    "2025-46819: long brackets": on_server(long_brackets),
    "lines in replies of scripts": on_server(injected_replies),
}
