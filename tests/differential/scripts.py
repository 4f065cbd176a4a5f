# SPDX-License-Identifier: BSD-3-Clause
"""scripts - random Lua scripts: calls, conversions of all types, errors, the libraries.

Scripts are made of statements that write to `r`, the list that is returned, so that every value on
the way is compared. Random commands come from generate.py. What depends on the order of a table, on
time, or on what 7.0 does otherwise than what we follow stays out.
"""
import re

# What scripts may not run, or what answers otherwise each time or in each version.
LEFT_OUT = {"multi", "exec", "discard", "watch", "unwatch", "subscribe", "eval", "evalsha", "dump",
            "spop", "srandmember", "hrandfield", "zrandmember", "randomkey", "sscan", "hscan",
            "zscan", "scan", "xinfo", "xpending", "xread", "xreadgroup", "xautoclaim", "xclaim",
            "sort", "sort_ro", "smembers", "sunion", "sinter", "sdiff", "hgetall", "hkeys", "hvals",
            "keys", "object", "ttl", "pttl", "expiretime", "pexpiretime", "lpos", "zrank",
            "zrevrank", "zmpop", "zrangebylex", "zrevrangebylex", "zlexcount", "zremrangebylex",
            "dbsize", "blpop", "brpop", "blmove", "blmpop", "bzpopmin", "bzpopmax", "bzmpop",
            "brpoplpush", "xsetid", "debug", "client", "config", "time", "wait", "xgroup",
            "smismember", "flushall", "flushdb", "swapdb", "xadd", "setrange", "setbit",
            "bitfield", "append", "copy", "move", "select", "restore", "zrangestore", "zrange"}
# Where newer oracles are not as 7.2 (judge.py), and numbers that each server gives out.
LATER = {"bitcount", "bitpos", "lrem", "lset", "getex", "vinfo", "vrandmember", "msetex", "zcount", "zrangebyscore",
         "zrevrangebyscore", "zremrangebyscore", "copy"}
DOUBLES = re.compile(r"^(z|geo|bz|incrbyfloat|hincrbyfloat)")

VALUES = ["nil", "true", "false", "0", "1", "-1", "3.7", "-3.2", "1e15", "2^53", "2^62", "0/0 > 1",
          "''", "'text'", "'a\\r\\nb'", "'\\0\\255'", "'3'", "' 7 '", "'0x10'", "{}", "{1, 2, 3}",
          "{1, nil, 3}", "{1, {2, {3}}}", "{ok = 'fine'}", "{err = 'ERR mine'}", "{err = 'x'}",
          "{err = 'MY code', extra = 1}", "{ok = 'a\\r\\nb'}", "{double = 3.5}", "{double = -1e15}",
          "{map = {a = 1}}", "{set = {a = true}}", "{big_number = '12345678901234567890'}",
          "{verbatim_string = {format = 'txt', string = 'hello'}}", "{map = {}}", "{set = {}}",
          "{double = '1'}", "{a = 1, b = 2}", "{[1] = 'x', y = 'z'}", "redis.status_reply('FINE')",
          "redis.error_reply('MY own')", "redis.error_reply('-MY own')", "redis.error_reply('one')",
          "redis.sha1hex('a')", "redis.REPL_ALL", "redis.LOG_WARNING", "KEYS", "ARGV", "KEYS[1]",
          "ARGV[1]", "#KEYS", "#ARGV", "ARGV[99]", "{KEYS[1], ARGV[1]}"]
NUMBERS = ["0", "1", "-1", "2", "7", "31", "32", "255", "256", "-256", "65535", "65536", "1e9",
           "2147483647", "-2147483648", "2147483648", "4294967295", "4294967296", "0.5", "-0.5",
           "1.999", "1e15", "-1e15", "9007199254740992", "127", "128", "-128", "-129", "32767",
           "-32769"]
WHOLE = [n for n in NUMBERS if "." not in n]  # 7.0 writes 17 digits of the others
JSON = ["[]", "{}", "[1,2,3]", "{\\\"a\\\":1}", "[1.5,-2e3,true,false,null]", "\\\"text\\\"", "12",
        "[[[[]]]]", "{\\\"a\\\":{\\\"b\\\":[1,{\\\"c\\\":null}]}}", "[1,", "{\\\"a\\\"}", "nul", "", " 1 ", "[1] x",
        "\\\"\\\\u00e9\\\\n\\\\\\\\\\\"", "[0.1,1e308,123456789012345678]", "{\\\"1\\\":1,\\\"2\\\":2}", "[,]", "01",
        "-", "[1 2]", "\\\"\\\\x\\\"", "1e999", "NaN", "\\\"a\\tb\\\""]
FORMATS = ["b", "B", "h", "H", "i", "I", "l", "L", "f", "d", ">h", "<I", ">I2", "<i3", ">i8", "bBhH",
           "!4bi", "<!2bhb", "xb", "I1", "z"]


class Scripts:
    def __init__(self, generator, newer=False):
        self.g, self.rng = generator, generator.rng
        self.left_out = LEFT_OUT | LATER if newer else LEFT_OUT

    # ------------------------------------------------------------ values

    def text(self, s):
        """A string as Lua has it."""
        return "'" + "".join(c if c.isalnum() or c in " -_.:" else "\\%03d" % ord(c) for c in s) + "'"

    def value(self, deep=2):
        r = self.rng
        if deep and r.random() < 0.2:
            return "{%s}" % ", ".join(self.value(deep - 1) for _ in range(r.randrange(4)))
        return r.choice(VALUES) if r.random() < 0.9 else self.text(self.g.value())

    def plain(self, deep=2):
        """What a codec takes and gives back in one way only: at most one key in a map."""
        r, x = self.rng, self.rng.random()
        if deep and x < 0.25:
            return "{%s}" % ", ".join(self.plain(deep - 1) for _ in range(r.randrange(1, 5)))
        if deep and x < 0.4:
            return "{%s = %s}" % (r.choice("abc"), self.plain(deep - 1))
        if x < 0.7:
            return r.choice(NUMBERS)
        if x < 0.8:
            return r.choice(["true", "false"])
        return self.text(self.g.value())

    def command(self):
        """Arguments of redis.call: (text, whether it may answer with a double)."""
        r = self.rng
        for _ in range(50):
            words = self.g.command()
            name = words[0].lower()
            if name not in self.left_out and len(words) < 12 and not DOUBLES.match(name):
                break
        else:
            words = ["GET", "s1"]
        words = [str(w) for w in words]
        if r.random() < 0.04:
            words = r.choice([["nosuch"], ["get"], ["set", "s1"], ["multi"], ["subscribe", "c"],
                              ["eval", "return 1", "0"], [""], ["get", "s1", "s2"]])
        args = [self.text(w) for w in words]
        if len(args) > 1 and r.random() < 0.1 and not self.g.must_stay(words):
            args[-1] = r.choice(WHOLE + ["true", "nil", "{}", "'x'"])
        return ", ".join(args)

    # ------------------------------------------------------------ statements: one value each

    def call(self):
        how = self.rng.choice(["call", "pcall", "pcall", "pcall"])
        return "redis.%s(%s)" % (how, self.command())

    def guarded(self):
        r = self.rng
        inner = r.choice([self.call, self.raised, self.json, self.conversion])()
        return r.choice([
            "{pcall(function() return %s end)}",
            "{pcall(function() return pcall(function() return %s end) end)}",
            "select('#', pcall(function() return %s end))",
            "type(select(2, pcall(function() return %s end)))",
            "(function() local ok, e = pcall(function() return %s end) "
            "return {ok, type(e) == 'table' and e.err or e} end)()",
        ]) % inner

    def raised(self):
        return self.rng.choice([
            "error('boom')", "error({err = 'MY error'})", "error({err = 'MY error'}, 2)",
            "nosuchglobal", "nosuch.field", "('x').y.z", "1 + {}", "#nil", "nil .. 'x'",
            "redis.call()", "redis.call('get', {})", "redis.nosuch()", "redis.error_reply()",
            "redis.status_reply(1)", "redis.sha1hex()", "redis.setresp(9)", "redis.log()",
            "tonumber('z') + 1", "setmetatable(_G, {})", "rawset(_G, 'a', 1)", "('x'):rep(-1)",
            "unpack({1, 2}, 1, 1e8)", "string.format('%d', 'x')", "assert(false, 'no')",
            "assert(nil)", "cjson.decode('[')",
            "cmsgpack.unpack('\\193')", "struct.unpack('>I4', 'ab')", "bit.band()",
            "bit.band('x')", "loadstring('x =')", "loadstring('return 1')()"])

    def json(self):
        r, x = self.rng, self.rng.random()
        if x < 0.4:
            return 'cjson.encode(cjson.decode("%s"))' % r.choice(JSON)
        if x < 0.7:
            return "cjson.encode(%s)" % self.plain()
        if x < 0.8:
            return 'cjson.decode("%s")' % r.choice(JSON)
        return "cjson.encode(cjson.decode(cjson.encode({%s})))" % self.plain()

    def msgpack(self):
        r, x = self.rng, self.rng.random()
        if x < 0.4:
            return "cjson.encode({cmsgpack.unpack(cmsgpack.pack(%s))})" % ", ".join(
                self.plain() for _ in range(r.randrange(1, 4)))
        if x < 0.7:
            return "cmsgpack.pack(%s)" % self.plain()
        raw = "".join("\\%03d" % r.randrange(256) for _ in range(r.randrange(1, 8)))
        return "{pcall(cmsgpack.unpack, '%s')}" % raw

    def struct(self):
        r = self.rng
        f = r.choice(FORMATS)
        return r.choice([
            "{pcall(struct.pack, '%s', %s, %s, %s, %s)}" % (f, *[r.choice(NUMBERS) for _ in range(4)]),
            "{pcall(struct.unpack, '%s', '%s')}" % (
                f, "".join("\\%03d" % r.randrange(256) for _ in range(r.randrange(12)))),
            "struct.size('%s')" % f.replace("z", "b")])

    def bits(self):
        r = self.rng
        a, b = r.choice(NUMBERS), r.choice(NUMBERS)
        return r.choice(["bit.band(%s, %s)", "bit.bor(%s, %s)", "bit.bxor(%s, %s)",
                         "bit.lshift(%s, %s)", "bit.rshift(%s, %s)", "bit.arshift(%s, %s)",
                         "bit.rol(%s, %s)", "bit.ror(%s, %s)", "bit.tobit(%s) + %s * 0",
                         "bit.bnot(%s) + %s * 0", "bit.bswap(%s) + %s * 0",
                         "bit.tohex(%s, %s %% 9)"]) % (a, b)

    def conversion(self):
        r = self.rng
        return r.choice([
            "tostring(%s)" % r.choice(NUMBERS), "tonumber(%s)" % r.choice(VALUES[4:19]),
            "type(%s)" % self.value(1), "%s" % self.value(),
            "string.format('%%s %%5.2f %%q', %s, %s, %s)" % (
                r.choice(NUMBERS), r.choice(NUMBERS), self.text(self.g.value())),
            "%s == %s" % (r.choice(NUMBERS), r.choice(NUMBERS)),
            "table.concat({%s, %s}, '-')" % (r.choice(NUMBERS), self.text(self.g.value())),
            "({('%s'):find('%s')})" % (r.choice(["abc", "a1b2", ""]), r.choice(["b", "%d", "(a)", "["])),
            "math.floor(%s)" % r.choice(NUMBERS), "#%s" % self.text(self.g.value()),
            "redis.sha1hex(%s)" % self.text(self.g.value())])

    # ------------------------------------------------------------ scripts

    def expression(self):
        return self.rng.choice([self.call] * 4 + [
            self.guarded, self.json, self.msgpack, self.struct, self.bits, self.conversion,
            self.guarded])()

    def body(self):
        r = self.rng
        lines = ["local r = {}"]
        if r.random() < 0.4:
            lines.append("redis.setresp(%d)" % r.choice([2, 3]))
        for _ in range(r.randrange(1, 6)):
            e = self.expression()
            x = r.random()
            if x < 0.8:
                lines.append("r[#r + 1] = %s" % e)
            elif x < 0.9:
                lines.append("for i = 1, %d do r[#r + 1] = %s end" % (r.randrange(3), e))
            else:
                lines.append("if %s then r[#r + 1] = %s end" % (e, self.expression()))
        lines.append("return %s" % (self.value() if r.random() < 0.3 else
                                    self.raised() if r.random() < 0.1 else "r"))
        return "\n".join(lines)

    def library(self):
        """A small library, and a call of each of its functions."""
        r = self.rng
        name, flags = "lib%d" % r.randrange(3), r.choice(["", "", ", flags = {'no-writes'}"])
        body = self.body().replace("KEYS", "keys").replace("ARGV", "args")
        code = ("#!lua name=%s\nlocal calls = 0\nredis.register_function{function_name = 'f_%s', "
                "callback = function(keys, args)\ncalls = calls + 1\n%s\nend%s}\n"
                "redis.register_function('n_%s', function(keys) return {calls, keys} end)" % (
                    name, name, body, flags, name))
        if r.random() < 0.1:
            code = code.replace(r.choice(["'f_", "callback", "name=", "keys, args", "register"]), "")
        return [["FUNCTION", "LOAD"] + ["REPLACE"] * (r.random() < 0.9) + [code],
                [r.choice(["FCALL", "FCALL", "FCALL_RO"]), "f_" + name] + self.arguments(),
                ["FCALL", "N_" + name, "1", "k"]]

    def arguments(self):
        r = self.rng
        keys = [self.g.key("s") for _ in range(r.randrange(3))]
        return [str(len(keys)), *keys, *[self.g.value() for _ in range(r.randrange(3))]]

    def commands(self):
        """A few commands that belong together."""
        r, x = self.rng, self.rng.random()
        if x < 0.2:
            return self.library()
        if x < 0.23:
            return [r.choice([["FUNCTION", "DELETE", "lib%d" % r.randrange(3)], ["FUNCTION", "STATS"],
                              ["FUNCTION", "FLUSH"], ["SCRIPT", "FLUSH"]])]
        body = self.body()
        if r.random() < 0.1:
            body = "#!lua flags=%s\n%s" % (r.choice(["no-writes", "allow-oom", "", "x"]), body)
        return [[r.choice(["EVAL", "EVAL", "EVAL", "EVAL_RO"]), body] + self.arguments()]
