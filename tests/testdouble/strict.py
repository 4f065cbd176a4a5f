#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""strict - TEST STRICT and TEST PROFILE: what production would not forgive, and what an older version lacks.

  strict.py [WORD...]   the cases with one of the words in their names
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from doubles import Cases, check, double, equal, run_words  # noqa: E402
from words import ask, call  # noqa: E402

CASES = Cases()
LARGE = 5000

REFUSED = """keys *|flushall|flushall sync|flushdb|monitor|debug sleep 0|save|bgsave|bgrewriteaof|shutdown|
config set maxmemory 0|config rewrite|config resetstat|acl setuser x|acl deluser x|acl load|acl save|
replicaof no one|slaveof no one|failover|migrate h 1 k 0 1|sync|psync ? -1|swapdb 0 1|module load x|
getset k v|setex k 1 v|psetex k 1 v|setnx k v|hmset h f v|rpoplpush l l|brpoplpush l l 0|substr k 0 1|
zrangebyscore z 0 1|zrevrange z 0 1|zrangebylex z - +|zrevrangebyscore z 1 0|zrevrangebylex z + -|
georadius g 0 0 1 m|georadiusbymember g m 1 m|
mget a b|mset a 1 b 2|del a b|sunion a b|sinterstore a b c|rename a b|lmove a b left right|zunion 2 a b|
eval return 2 a b|xread streams a b 0 0|bitop and a b c|copy a b|blpop a b 0"""

ALLOWED = """ping|get k|set k v|scan 0|flushall async|flushdb async|config get maxmemory|acl whoami|acl list|
mget {u}a {u}b|mset {u}a 1 {u}b 2|del k|lrange l 0 -1|hgetall h|smembers s|zrange z 0 -1|sort l|info|client list|
eval return 1 a|xread streams {u}x {u}y 0 0|module list|cluster slots|dbsize|lmove {u}l {u}l left right"""


def words(text):
    return [line.split() for line in text.replace("\n", "").split("|")]


def words_of(command):
    return ["eval", "return 1", *command[2:]] if command[0] == "eval" else command


@CASES.case
def it_refuses_with_a_reason():
    with double() as s:
        c = s.conn()
        equal("at first", call(c, "TEST", "STRICT"), "no")
        call(c, "TEST", "STRICT", "yes")
        equal("then", call(c, "TEST", "STRICT"), "yes")
        for command in words(REFUSED):
            got = ask(c, *words_of(command))
            check(isinstance(got, str) and "TEST STRICT" in got and len(got) > 40, "%s: %r" % (command, got))
        for command in words(ALLOWED):
            got = ask(c, *words_of(command))
            check("TEST STRICT" not in str(got), "%s: %r" % (command, got))
        check(ask(c, "MGET", "a", "b").startswith("CROSSSLOT "), "the code of a cluster")
        check("deprecated since Redis 6.2.0; use `SET` with the `!GET` argument" in ask(c, "GETSET", "k", "v"),
              "what replaces a deprecated command: %s" % ask(c, "GETSET", "k", "v"))
        call(c, "TEST", "STRICT", "no")
        equal("allowed again", call(c, "KEYS", "nothing*"), [])
        equal("a wrong word", ask(c, "TEST", "STRICT", "maybe"), "ERR syntax error")


@CASES.case
def it_refuses_replies_that_are_too_large():
    with double() as s:
        c = s.conn()
        some = [str(i) for i in range(LARGE + 1)]
        call(c, "RPUSH", "l", *some)
        call(c, "SADD", "s", *some)
        call(c, "HSET", "h", *[w for i in some for w in (i, "v")])
        call(c, "ZADD", "z", *[w for i in some for w in (i, "m" + i)])
        call(c, "TEST", "STRICT", "on")
        for command in words("lrange l 0 -1|lrange l 0 5000|smembers s|hgetall h|hkeys h|hvals h|zrange z 0 -1|sort l|"
                             "zrange z -inf +inf byscore|sort_ro s by nosort|del z|lrange l -99999 99999"):
            check("TEST STRICT" in str(ask(c, *command)), command)
        for command in words("lrange l 0 4999|lrange l 4999 -1|lrange l -10 -1|zrange z 0 99|sort l limit 0 10|"
                             "zrange z -inf +inf byscore limit 0 10|sscan s 0|lrange l x y|unlink z|lrange none 0 -1|"
                             "lrange l 9223372036854775807 -9223372036854775808"):
            check("TEST STRICT" not in str(ask(c, *command)), command)
        keys = ["{k}%d" % i for i in range(LARGE + 1)]
        check("more than 5000 keys" in ask(c, "MGET", *keys), "many keys")
        equal("not too many", len(call(c, "MGET", *keys[:LARGE])), LARGE)


@CASES.case
def transactions_and_scripts():
    with double() as s:
        c = s.conn()
        call(c, "TEST", "STRICT", "yes")
        call(c, "MULTI")
        check("TEST STRICT" in ask(c, "KEYS", "*"), "refused when it is queued")
        check(ask(c, "EXEC").startswith("EXECABORT"), "the transaction")
        equal("a script", call(c, "EVAL", "return redis.call('keys', '*')", "0"), [])


NEWER = """7.0|command docs|ERR Unknown subcommand or wrong number of arguments for 'docs'. Try COMMAND HELP.
7.0|function list|ERR unknown command `function`, with args beginning with: `list`, 
7.0|eval_ro|ERR unknown command `eval_ro`, with args beginning with: 
7.0|expire k 1000 nx|ERR wrong number of arguments for 'expire' command
7.0|bitcount k 0 1 bit|ERR syntax error
7.0|set k v nx get|ERR syntax error
7.0|config get maxmemory save|ERR Unknown subcommand or wrong number of arguments for 'get'. Try CONFIG HELP.
7.0|sintercard 1 k|ERR unknown command `sintercard`, with args beginning with: `1`, `k`, 
7.2|client no-touch on|ERR unknown subcommand 'no-touch'. Try CLIENT HELP.
7.2|waitaof 0 0 0|ERR unknown command 'waitaof', with args beginning with: '0' '0' '0' 
7.2|zrank z m withscore|ERR wrong number of arguments for 'zrank' command
7.4|hexpire h 1 fields 1 f|ERR unknown command 'hexpire', with args beginning with: 'h' '1' 'fields' '1' 'f' 
7.4|hscan h 0 novalues|ERR syntax error
8.0|hgetdel h fields 1 f|ERR unknown command 'hgetdel', with args beginning with: 'h' 'fields' '1' 'f' 
8.0|client capa x|ERR unknown subcommand 'capa'. Try CLIENT HELP.
9.0|shutdown safe|ERR syntax error
8.1|commandlog len slow|ERR unknown command 'commandlog', with args beginning with: 'len' 'slow' 
8.4|set k v ifne x|ERR syntax error
8.4|msetex 1 k v|ERR unknown command 'msetex', with args beginning with: '1' 'k' 'v' 
9.0|delifeq k v|ERR unknown command 'delifeq', with args beginning with: 'k' 'v' """

VALKEY = {"hscan h 0 novalues", "commandlog len slow", "client capa x"}


@CASES.case
def what_an_older_version_lacks_is_unknown():
    with double() as s:
        c = s.conn()
        call(c, "SET", "k", "v")
        equal("at first", call(c, "TEST", "PROFILE"), "none")
        for name, version in (("redis-6.2", 6.2), ("redis-7.0", 7.0), ("redis-7.2", 7.2), ("valkey-8", 7.2)):
            call(c, "TEST", "PROFILE", name)
            equal("it says so", call(c, "TEST", "PROFILE"), name)
            for line in NEWER.split("\n"):
                since, command, error = line.split("|")
                got = ask(c, *command.split())
                lacks = float(since) > version and not (name == "valkey-8" and command in VALKEY)
                if lacks and version >= 7:
                    equal("%s under %s" % (command, name), got, error)
                elif lacks and float(since) == 7.0:
                    equal("%s under %s" % (command, name), got, error)
                elif lacks:
                    check(str(got).startswith("ERR "), "%s under %s: %r" % (command, name, got))
                else:
                    check(not str(got).startswith("ERR unknown") and got != error,
                          "%s under %s: %r" % (command, name, got))
            equal("what it has", call(c, "GET", "k"), "v")
            equal("SET with options that are old", call(c, "SET", "k", "v", "KEEPTTL"), "OK")
        call(c, "TEST", "PROFILE", "none")
        equal("all there is", call(c, "HEXPIRE", "h", "1", "FIELDS", "1", "f"), [-2])
        check("Unknown profile" in ask(c, "TEST", "PROFILE", "redis-5"), "an unknown name")


# Options of commands that are as old as 6.2, which COMMAND DOCS says are newer. profile.c knows each of them.
NEWER_OPTIONS = {
    ("bitcount", "unit"), ("bitpos", "unit"), ("expire", "condition"), ("expireat", "condition"),
    ("pexpire", "condition"), ("pexpireat", "condition"), ("shutdown", "now"), ("shutdown", "force"),
    ("shutdown", "abort"), ("xsetid", "entries-added"), ("xsetid", "max-deleted-id"), ("client|kill", "maxage")}


@CASES.case
def the_options_that_are_newer_are_those_of_profile():
    def version(text):
        return tuple(map(int, text.split(".")[:2]))

    def options(name, arguments):
        for a in arguments:
            if "since" in a and version(a["since"]) > (6, 2):
                yield name, a["name"]
            yield from options(name, a.get("arguments", []))

    with double() as s:
        found = set()
        for name, doc in call(s.conn(proto=3), "COMMAND", "DOCS").items():
            for n, d in {name: doc, **doc.get("subcommands", {})}.items():
                if version(d["since"]) <= (6, 2):
                    found |= set(options(n, d.get("arguments", [])))
        equal("newer options", found, NEWER_OPTIONS)


@CASES.case
def a_newer_command_aborts_a_transaction():
    with double() as s:
        c = s.conn()
        call(c, "TEST", "PROFILE", "redis-7.0")
        call(c, "MULTI")
        check(ask(c, "WAITAOF", "0", "0", "0").startswith("ERR unknown command"), "unknown")
        check(ask(c, "EXEC").startswith("EXECABORT"), "aborted")
        call(c, "TEST", "RESET")
        equal("reset", (call(c, "TEST", "PROFILE"), call(c, "TEST", "STRICT")), ("none", "no"))


@CASES.case
def subcommands_of_an_unknown_kind():
    with double() as s:
        c = s.conn()
        call(c, "TEST", "PROFILE", "redis-6.2")
        call(c, "TEST", "STRICT", "yes")
        equal("unknown to all", ask(c, "NOSUCH", "a"), "ERR unknown command `NOSUCH`, with args beginning with: `a`, ")
        equal("no subcommand", ask(c, "CLIENT", "NOSUCH"),
              "ERR Unknown subcommand or wrong number of arguments for 'NOSUCH'. Try CLIENT HELP.")
        check("wrong number" in ask(c, "CLIENT"), "no word at all")
        check("wrong number" in ask(c, "LRANGE", "k"), "too few arguments")


sys.exit(run_words("strict", CASES))
