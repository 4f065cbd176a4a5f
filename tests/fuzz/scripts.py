#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""scripts - sends random scripts: calls of every function that scripts have, with arguments that do
not suit them; libraries of functions, mutated or through mutated payloads; and for cmsgpack, cjson and
struct what they wrote themselves, mutated. Each gets an answer, nothing ends the server, and nothing of
them remains; what one of these libraries accepts of such input it can write and read again.

  scripts.py [--rounds 20] [--seed 1]      a round: 500 scripts, 500 inputs
"""
import argparse
import json
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import summary  # noqa: E402
from payloads import mutate, seal  # noqa: E402
from resp import Closed  # noqa: E402
from server import SERVER, Failed, Server  # noqa: E402

BATCH = 500
VALUES = """1 -1 0 1e10 1e308 -1e308 0/0 1/0 2^31 2^53 -2^63 nil true false '' 'x' '\\0\\255' {} {1,2,3}
{a=1} {1,nil,3} ARGV[1] KEYS redis string cjson.null string.rep('a',1000) _G '%d%s' {map={a=1}}
{double=1.5} {err='x'} {ok='y'} {set={a=true}} {big_number='1'} {verbatim_string={format='txt',string='s'}}
{verbatim_string=1} '(a*(.)%w(%s*))' (function()return(1)end) coroutine.create(function()end)""".split()
LIBRARIES = {
    "cjson": "encode decode encode_sparse_array encode_max_depth decode_max_depth new "
             "encode_number_precision encode_invalid_numbers decode_invalid_numbers",
    "cmsgpack": "pack unpack unpack_one unpack_limit",
    "struct": "pack unpack size",
    "bit": "tobit bnot band bor bxor lshift rshift arshift rol ror bswap tohex",
    "string": "byte char dump find format gmatch gsub len lower match rep reverse sub upper",
    "table": "concat insert maxn remove sort getn foreach",
    "math": "abs floor random randomseed fmod max",
    "redis": "error_reply status_reply sha1hex log setresp set_repl acl_check_cmd",
    "coroutine": "create resume running status wrap yield",
}
FUNCTIONS = [lib + "." + f for lib, names in LIBRARIES.items() for f in names.split()] + (
    "tostring tonumber type pairs ipairs next select unpack rawget rawset rawequal setmetatable "
    "getmetatable pcall xpcall error assert load loadstring gcinfo").split()
COMMANDS = ["'set','k',ARGV[1]", "'get','k'", "'hset','h','f','v'", "'hgetall','h'", "'zadd','z',1.5,'m'",
            "'zrange','z',0,-1,'withscores'", "'lrange','l',0,-1", "'rpush','l',1,2", "'sadd','s','a'",
            "'smembers','s'", "'del','k'", "'xadd','x','*','a','b'", "'xrange','x','-','+'", "'keys','*'",
            "'xinfo','stream','x'", "'select',1", "'command','count'", "'blpop','q',0", "'flushall'"]
LETTERS = b'{}[]",:tnI<>!bBhHlLsxcid0123456789u\\'
UNCHANGED = ("return {string.upper('a'), type(redis.call), tostring(rawget(_G, 'x')), "
             "tostring(string.x), cjson.encode({1})}")


# Each input to each library; what is accepted is written and read again.
AS_USUAL = """cjson.encode_max_depth(1000) cjson.decode_max_depth(1000) cjson.encode_sparse_array(false, 2, 10)
cjson.encode_invalid_numbers(false) cjson.decode_invalid_numbers(true) cjson.encode_number_precision(14)
"""
READ = AS_USUAL + """local read = 0
local function again(write, back, ok, ...)
  if not ok or select('#', ...) == 0 then return end
  read = read + 1
  local written, text = pcall(write, ...)
  if not written then return end
  local good, value = pcall(back, text)
  if not good and not tostring(value):find('nest') and not tostring(value):find('bytes') then
    error('it does not read what it wrote: ' .. tostring(value)) end
end
for _, text in ipairs(ARGV) do
  again(cmsgpack.pack, cmsgpack.unpack, pcall(cmsgpack.unpack, text))
  pcall(cmsgpack.unpack_one, text, #text % 7)
  pcall(cmsgpack.unpack_limit, text, #text % 5, #text % 3)
  again(cjson.encode, cjson.decode, pcall(cjson.decode, text))
  pcall(struct.unpack, text:sub(1, 12), text)
  pcall(struct.unpack, KEYS[1], text, #text % 9)
  pcall(struct.size, text)
  pcall(struct.pack, text, 1, text, 2, text, 3)
end
return read"""
WRITE = AS_USUAL + """local v = cjson.decode(ARGV[1])
return {cmsgpack.pack(v), cmsgpack.pack(v, v, 1.5, -1, 'x', nil, true), cjson.encode(v), ARGV[1],
  struct.pack('>I2i8c0s!4fxxd', 5, -7, 'abcde', 'zero', 1.5, 2.5), '>I2Bc0', '<!8dibH', 'I1c0l'}"""


class Maker:
    def __init__(self, rng):
        self.rng = rng

    def text(self):
        codes = [self.rng.choice([0, 255, self.rng.randrange(256), self.rng.choice(LETTERS)])
                 for _ in range(self.rng.randrange(12))]
        return "'%s'" % "".join("\\%d" % c for c in codes)

    def value(self, depth=0):
        kind, more = self.rng.random(), lambda n: [self.value(depth + 1) for _ in range(n)]
        if depth > 3 or kind < 0.25:
            return self.rng.choice(VALUES)
        if kind < 0.35:
            return self.text()
        if kind < 0.45:
            return "redis.%s(%s)" % (self.rng.choice(["call", "pcall"]), self.rng.choice(COMMANDS))
        if kind < 0.5:
            return "{%s}" % ",".join(more(self.rng.randrange(4)))
        if kind < 0.55:
            return "(%s)%s(%s)" % (*more(1), self.rng.choice(["..", "+", "==", "<", "^"]), *more(1))
        return "%s(%s)" % (self.rng.choice(FUNCTIONS), ",".join(more(self.rng.randrange(4))))

    def script(self):
        parts = ["redis.setresp(3)"] if self.rng.random() < 0.2 else []
        for _ in range(self.rng.randrange(4)):
            parts.append("pcall(function() return %s end)" % self.value())
        return " ".join(parts + ["return " + self.value()])


    def json(self, depth=0):
        kind = self.rng.randrange(8 if depth < 5 else 6)
        if kind == 6:
            return [self.json(depth + 1) for _ in range(self.rng.randrange(20))]
        if kind == 7:
            return {str(self.json(9)): self.json(depth + 1) for _ in range(self.rng.randrange(20))}
        return self.rng.choice([0, -1, 2**31, -2**33, 1e300, 0.1, True, None, "", "x" * self.rng.choice([1, 31, 32, 256, 70000]),
                                "\u00e9\u20ac\U0001f600\n\"", 127, 128, -32, -33, 65536])

    def library(self):
        name = self.rng.choice("abc")
        code = ("#!lua name=l%s\nlocal kept = {}\nredis.register_function('f%s', function(KEYS, ARGV) "
                "kept[#kept + 1] = ARGV[1] %s end)\nredis.register_function{function_name = 'g%s', "
                "flags = {'no-writes'}, callback = function() return kept end}" % (
                    name, name, self.script(), name)).encode("latin-1")
        if self.rng.random() < 0.3:
            code = mutate(self.rng, code, [code, b"redis.register_function('a', redis.log)\n"])
        return [["FUNCTION", "LOAD", "REPLACE", code], ["FCALL", "f" + name, "1", "k", "v"],
                ["FCALL_RO", "g" + name, "0"]]

    def payload(self, dump):
        body = mutate(self.rng, dump[:-10] or b"\xf5\x01x", [dump, b"\xf5\xf6#!lua name=x\n"])
        return [["FUNCTION", "RESTORE", seal(body, 10), self.rng.choice(["FLUSH", "REPLACE", "APPEND"])],
                ["FUNCTION", "LIST", "WITHCODE"]]


def libraries(conn, maker):
    """Libraries come, mutated or not, and go through mutated payloads."""
    for words in maker.library():
        conn.ask(*words)
    for words in maker.payload(conn.call("FUNCTION", "DUMP")):
        conn.ask(*words)


def inputs(conn, maker):
    """50 of them; false if a library does not read what it wrote."""
    rng, text = maker.rng, json.dumps([maker.json()])
    good = [x[1].encode("latin-1") for x in conn.ask("EVAL", WRITE, "0", text)[1] if x[1]]
    bad = [mutate(rng, rng.choice(good), good)[:100000] for _ in range(50)]
    return conn.ask("EVAL", READ, "1", rng.choice(["i4", ">I8c0", "s", "!8d", "<Bc0s"]), *bad)[0] == ":"


def attempt(server, maker, rounds):
    conns = [server.conn(proto=2), server.conn(proto=3)]
    for n in range(rounds * BATCH):
        script = maker.script()
        try:
            conns[n % 2].ask("EVAL", script, "1", "k", "v")
            if n % 10 == 0:
                libraries(conns[n // 10 % 2], maker)
            if n % 50 == 0 and not inputs(conns[n // 50 % 2], maker):
                return "a library does not read what it wrote"
        except (Closed, TimeoutError, OSError) as e:
            return "%s: %s" % (type(e).__name__, script)
        if n % BATCH == BATCH - 1:
            left = conns[0].ask("EVAL", UNCHANGED, "0")
            if left != ["*", [["$", "A"], ["$", "function"], ["$", "nil"], ["$", "nil"], ["$", "[1]"]]]:
                return "something was left behind: %r" % (left,)
    return None


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--rounds", type=int, default=20)
    p.add_argument("--seed", type=int, default=int(time.time()))
    a = p.parse_args()
    try:
        with Server(program=SERVER) as server:
            wrong = attempt(server, Maker(random.Random(a.seed)), a.rounds)
            if not wrong:
                server.stop()
    except Failed as e:
        wrong = str(e)
    if wrong:
        print("seed %d: %s" % (a.seed, wrong))
    return summary("fuzz scripts", a.rounds - bool(wrong), bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
