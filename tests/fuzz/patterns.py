#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""patterns - the same random patterns and subjects through find, match, gmatch and gsub of stet and of
redis-server; every result and every error text is compared.

  patterns.py [--rounds 20] [--seed 1]      a round: 200 scripts of 50 cases
"""
import argparse
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import need, summary  # noqa: E402
from server import SERVER, Failed, Server  # noqa: E402

ORACLE = os.environ.get("STET_ORACLE", "/usr/bin/redis-server")
BATCH, CASES = 200, 50
SCRIPT = r"""
local out = {}
local function put(...)
  local line = {}
  for i = 1, select('#', ...) do
    local v = select(i, ...)
    if type(v) == 'table' then v = 'table ' .. tostring(v.err) end
    line[i] = tostring(v)
  end
  out[#out + 1] = table.concat(line, '\1')
end
local function all(s, p)
  local t, n = {}, 0
  for a, b, c in string.gmatch(s, p) do
    n = n + 1
    t[n] = tostring(a) .. '\2' .. tostring(b) .. '\2' .. tostring(c)
    if n == 100 then break end
  end
  return table.concat(t, '\3')
end
local words = setmetatable({a = 'A', ab = 1, b = false, [1] = 'one', ['('] = {}}, {__index = function(_, k)
  if k == 'x' then return nil end
  if k == 'aa' then error('asked for aa') end
  return '<' .. tostring(k) .. '>' end})
local function call(...)
  if select('#', ...) == 2 then return nil end
  if (...) == 'ab' then return {} end
  if (...) == 'b' then return 5 end
  if (...) == 'c' then return false end
  return (string.gsub(tostring((...)), 'a', '%0%0'))
end
for i = 1, #ARGV, 5 do
  local s, p, r, at, most = ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4])
  put(pcall(string.find, s, p))
  put(pcall(string.find, s, p, at))
  put(pcall(string.find, s, p, at, true))
  put(pcall(string.match, s, p))
  put(pcall(string.match, s, p, at))
  put(pcall(all, s, p))
  put(pcall(string.gsub, s, p, r))
  put(pcall(string.gsub, s, p, r, most))
  put(pcall(string.gsub, s, p, words, most))
  put(pcall(string.gsub, s, p, call))
  put(pcall(string.gsub, s, p, at))
  put(s:upper(), s:lower(), s:reverse(), s:rep(at), s:rep(most / 7))
end
return out
"""
ODD = r"""
local out = {}
local function put(ok, ...)
  local line = {tostring(ok)}
  for i = 1, select('#', ...) do
    local v = select(i, ...)
    line[i + 1] = type(v) == 'function' and 'function' or type(v) == 'table' and tostring(v.err) or tostring(v)
  end
  out[#out + 1] = table.concat(line, '\1')
end
local values = {'a', 1, 12.5, {}, print, true, '', '%', -1, 2^31, -2^31, 1e10}
local n = 12
local function pick(i) local v = i % (n + 1) if v == 0 then return nil end return values[v] end
for i = 0, n do for j = 0, n do
  put(pcall(string.find, pick(i), pick(j)))
  put(pcall(string.find, 'aaa', 'a', pick(i), pick(j)))
  put(pcall(string.match, pick(i), pick(j), pick(j)))
  put(pcall(string.gmatch, pick(i), pick(j)))
  put(pcall(string.gsub, 'aaa', pick(i), pick(j)))
  put(pcall(string.gsub, 'aaa', 'a', pick(i), pick(j)))
  if not (type(pick(j)) == 'number' and pick(j) > 1e4) then put(pcall(string.rep, pick(i), pick(j))) end
  put(pcall(string.upper, pick(i))) put(pcall(string.lower, pick(i))) put(pcall(string.reverse, pick(i)))
  put(pcall(string.format, pick(i), pick(j))) put(pcall(string.format, '%q %s', pick(i), pick(j)))
end end
for i = 0, n do for j = 0, n do for k = 0, n do
  local t = {pick(j), pick(k), 7}
  put(pcall(table.concat, t, pick(i)))
  put(pcall(table.concat, pick(i), pick(j), pick(k)))
end
  put(pcall(table.concat, {1, 'b', 2.5, 'd'}, ', ', i - 2, j - 3))
  put(pcall(coroutine.create, pick(i))) put(pcall(coroutine.wrap, pick(i))) put(pcall(coroutine.resume, pick(i), pick(j)))
  put(pcall(table.foreach, pick(i), pick(j))) put(pcall(table.foreachi, pick(i), pick(j)))
  put(pcall(table.sort, {pick(i), pick(j), pick(i)})) put(pcall(table.sort, {3, 1, 2}, pick(i)))
end end
local co
co = coroutine.create(function(a, b)
  put(true, a, b, coroutine.status(co), coroutine.resume(co))
  put(true, coroutine.yield(1, 2, nil))
  local inner = coroutine.wrap(function() put(coroutine.resume(co)) put(true, coroutine.status(co)) error({err = 'inner'}) end)
  put(pcall(inner)) put(pcall(inner))
  error('the end')
end)
for i = 1, 4 do put(coroutine.resume(co, i, 'x')) put(true, coroutine.status(co)) end
local w = coroutine.wrap(function() error('text') end)
put(pcall(w)) put(pcall(w)) put(pcall(coroutine.wrap(function() error() end)))
put(coroutine.resume(coroutine.create(function(...) return select('#', ...), ... end), nil, nil))
local seen = {}
put(pcall(table.foreach, {10, 20, x = 1}, function(k, v) seen[#seen + 1] = tostring(k) .. '=' .. tostring(v) end))
put(pcall(table.foreachi, {10, 20, 30}, function(k, v) if k == 2 then return v end end))
put(true, table.concat(seen, ' '))
put(pcall(string.find)) put(pcall(string.gsub)) put(pcall(string.gsub, 'a', 'a')) put(pcall(string.match, 'a'))
put(pcall(string.gmatch)) put(pcall(string.rep, 'x')) put(pcall(string.rep))
put(pcall(function() return ('x'):find() end)) put(pcall(function() return ('x'):rep({}) end))
put(pcall(function() return ('x'):gsub('(', '') end)) put(pcall(function() return ('x'):gsub('x', '%2') end))
put(pcall(function() return string.rep('ab', 3) end)) put(pcall(function() return ('x'):rep(-1) end))
return out
"""
TEXT = ["a", "b", "c", "x", "aa", "ab", " ", "\0", "\n", "(", ")", "[", "]", "%", "-", "^", "$", ".", "0", "7", "A", "Z",
        "_", "\xff", "\x80", "\x7f", "abc", "(a(b)c)", "aXb", "{", "}"]
SINGLE = ["a", "b", "c", "x", ".", "%a", "%A", "%d", "%D", "%s", "%S", "%w", "%W", "%p", "%P", "%c", "%C", "%l", "%L",
          "%u", "%U", "%x", "%X", "%z", "%Z", "%.", "%%", "%-", "%(", "%)", "%[", "%]", "%$", "%^", "%g", "%G", "%k",
          "\xff", "]", "-", "^", "$", "*", "+", "?", "%\xff", "\x80", "%0", "{"]
MEMBER = ["a", "b", "a-c", "b-a", "-", "^", "]", "%a", "%]", "%-", "%%", "%d", "%S", "a-%", "%a-z", "a-", "-a", ".", "\x80-\xff", "$",
          "[", "%Z", "%z", "(", "_-b", "a-]", "%"]
OTHER = ["(", ")", "()", "%1", "%2", "%9", "%0", "%b()", "%bab", "%baa", "%b", "%b(", "%f[%a]", "%f[^a]", "%f", "%f[", "%fa", "$", "^",
         "\0", "[", "[^", "[]", "[^]", "[a", "%", "(a)", "(b*)", "(.-)", "((a)b)", "%f[%z]", "%f[]]", "[%", "[a-%%]", "[]-a]"]


class Maker:
    def __init__(self, rng):
        self.rng = rng

    def subject(self):
        return "".join(self.rng.choice(TEXT) for _ in range(self.rng.choice([0, 1, 2, 3, 5, 8, 13])))

    def item(self):
        r = self.rng
        kind = r.random()
        if kind < 0.5:
            one = r.choice(SINGLE)
        elif kind < 0.7:
            one = "[%s%s]" % (r.choice(["", "", "^"]), "".join(r.choice(MEMBER) for _ in range(r.randrange(1, 4))))
        else:
            return r.choice(OTHER)
        return one + r.choice(["", "", "", "*", "+", "?", "-"])

    def pattern(self):
        r = self.rng
        text = "".join(self.item() for _ in range(r.choice([0, 1, 1, 2, 2, 3, 4, 6])))
        kind = r.random()
        if kind < 0.3:
            text = "(" + text + ")"
        elif kind < 0.4:
            text = "()" + text + "()"
        elif kind < 0.42:
            text = "(a)" * r.choice([31, 32, 33]) + text
        elif kind < 0.44:
            text += "a?" * r.choice([10, 36, 37, 38, 39, 50])
        return r.choice(["", "", "", "^"]) + text + r.choice(["", "", "", "$"])

    def replacement(self):
        return "".join(self.rng.choice(["a", "x", "%0", "%1", "%2", "%%", "%", "%a", "%9", "\0", ""])
                       for _ in range(self.rng.randrange(4)))

    def case(self):
        return [x.encode("latin-1") for x in (self.subject(), self.pattern(), self.replacement(),
                str(self.rng.choice([-30, -3, -1, 0, 1, 2, 3, 7, 30])), str(self.rng.choice([-1, 0, 1, 2, 3, 1e3])))]


def differ(mine, theirs, cases):
    if mine == theirs:
        return None
    if mine[0] != "*" or theirs[0] != "*":
        return "%r is not %r" % (mine, theirs)
    for i, (a, b) in enumerate(zip(mine[1], theirs[1])):
        if a != b:
            return "case %r, line %d: %r is not %r" % (cases[i // 12 * 5:i // 12 * 5 + 5], i % 12, a, b)
    return "%d lines are not %d" % (len(mine[1]), len(theirs[1]))


def attempt(server, oracle, maker, rounds):
    mine, theirs = server.conn(), oracle.conn()
    wrong = differ(mine.ask("EVAL", ODD, "0"), theirs.ask("EVAL", ODD, "0"), [])
    for _ in range(rounds * BATCH):
        if wrong:
            break
        cases = [x for _ in range(CASES) for x in maker.case()]
        wrong = differ(mine.ask("EVAL", SCRIPT, "0", *cases), theirs.ask("EVAL", SCRIPT, "0", *cases), cases)
    return wrong


def main():
    need("redis-server")
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--rounds", type=int, default=20)
    p.add_argument("--seed", type=int, default=int(time.time()))
    a = p.parse_args()
    try:
        with Server(program=SERVER) as server, Server(program=ORACLE) as oracle:
            wrong = attempt(server, oracle, Maker(random.Random(a.seed)), a.rounds)
    except Failed as e:
        wrong = str(e)
    if wrong:
        print("seed %d: %s" % (a.seed, wrong))
    return summary("fuzz patterns", a.rounds - bool(wrong), bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
