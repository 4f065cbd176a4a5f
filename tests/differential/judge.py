# SPDX-License-Identifier: BSD-3-Clause
"""judge - whether two servers' replies to one command mean the same.

What may differ is written down here and nowhere else: chance and order, texts of doubles, and
DELIBERATE: where the oracle (7.0.15) is not what we follow, each with its reason.
"""
import re

# Redis promises no order for these.
UNORDERED = {"smembers", "sunion", "sinter", "sdiff", "hgetall", "hkeys", "hvals", "keys"}
# These draw lots, or show the order of a table: only the shape is compared; what they changed is
# deleted afterwards.
RANDOM = {"dump", "vrandmember", "spop", "srandmember", "hrandfield", "zrandmember", "randomkey"}
SCANS = {"sscan", "hscan", "zscan"}
# Doubles in these are 17 digits in 7.0, the shortest that read back in 7.2.
DOUBLES = re.compile(r"^(z|geo|bz|v(sim|emb|links)$)")
DATED = re.compile(r"^1[0-9]{12}(-[0-9]+)?$")  # a time in milliseconds, or an id of a stream that begins with one
NUMBER = re.compile(r"^[-+]?(inf|nan|[0-9.]+(e[-+]?[0-9]+)?)$")


def version(conn):
    """"redis 7", "redis 8" or "valkey"."""
    info = conn.call("INFO", "server").decode("latin-1")
    major = info.split("redis_version:")[1].split(".")[0]
    return "valkey" if "server_name:valkey" in info else "redis " + major


def error(node):
    return node[1] if node[0] == "-" else None


def _both(pattern_a, pattern_b):
    a, b = re.compile(pattern_a), re.compile(pattern_b)
    return lambda words, x, y: error(x) and error(y) and a.search(x[1]) and b.search(y[1])


def _is(*names):
    return lambda words, x, y: words[0].lower() in names


def _encoding(words, x, y):
    return words[0].lower() == "object" and x[1] in (
        "quicklist", "hashtable", "skiplist") and y[1] in ("listpack", "quicklist", "hashtable")


def _set_order(words, x, y):
    """Ties of SORT come in the order of the set, which 7.0 keeps in a hash table."""
    return words[0].lower().startswith("sort") and x[0] == "*" and y[0] == "*" \
        and sorted(map(repr, x[1])) == sorted(map(repr, y[1])) and words[1][:1] != "l"


def _sort_part_of_set(words, x, y):
    return words[0].lower().startswith("sort") and "LIMIT" in words and x[0] == y[0] == "*" \
        and len(x[1]) == len(y[1]) and (words[1][:1] != "l" or "BY" in words)


# (name, reason, does it explain this difference?): x is what 7.0.15 says, y what stet says.
DELIBERATE = [
    ("by lex", "undefined where scores differ, which they do outside the keys y", lambda w, x, y:
     ("lex" in w[0].lower() or any(v.lower() == "bylex" for v in w))
     and not any(v[:1] == "y" for v in w[1:])),
    ("encoding", "7.2 keeps small sets and lists as listpacks; SORT leaves a sorted set as it is", _encoding),
    ("zrank withscore", "7.2 has WITHSCORE", lambda w, x, y: w[0].lower() in (
        "zrank", "zrevrank") and len(w) > 3 and error(x)),
    ("sort of a set", "the order of ties is that of the source's encoding", _set_order),
    ("sort of a set, a part", "the same, cut by LIMIT", _sort_part_of_set),
    ("dbsize", "keys that are due count until a command or the cycle has deleted them", lambda w, x, y:
     w[0].lower() == "dbsize" and abs(x[1] - y[1]) <= 3),
    ("unbalanced", "7.2 names the command",
     _both("Unbalanced", "Unbalanced")),
    ("xsetid", "7.2 checks max_deleted_entry_id first", lambda w, x, y: w[0].lower() == "xsetid"
     and error(y) and "max_deleted_entry_id" in error(y)),
    ("xreadgroup makes consumers", "7.2 makes the consumer even if there is nothing to read",
     lambda w, x, y: [v.lower() for v in w[:2]] in (["xinfo", "consumers"], ["xinfo", "groups"],
                                                   ["xgroup", "delconsumer"],
                                                   ["xgroup", "createconsumer"])
     and x[0] == y[0] and x[0] in "*:"),
    ("timeout", "7.2 says what is wrong", _both("timeout is negative", "timeout is out of range")),
    ("xread +", "7.4 knows +", lambda w, x, y: w[0].lower() == "xread" and "+" in w),
    ("lpos", "7.2 limits RANK", lambda w, x, y: w[0].lower() == "lpos"
     and error(y) and "value must between" in error(y)),
]


def shape(node):
    """What is left when chance is taken out."""
    if node[0] in "*~" and node[1] is not None:
        return [node[0], len(node[1])]
    return [node[0], node[1] is None] if len(node) > 1 and node[0] != "-" else node


def flat(node):
    """Maps as lists of pairs, so that order can be taken out."""
    return [[k, v] for k, v in node[1]] if node[0] == "%" else node[1]


def pairs(items):
    return [items[i:i + 2] for i in range(0, len(items), 2)]


def same_text(a, b):
    if a == b:
        return True
    if isinstance(a, str) and isinstance(b, str) and NUMBER.match(a) and NUMBER.match(b):
        return float(a) == float(b)
    return False


def same_node(a, b, doubles):
    if a == b:
        return True
    if a[0] != b[0] or len(a) != len(b):
        return False
    if a[0] in "$,+" and doubles:
        return same_text(a[1], b[1])
    if a[0] in "*~>" and a[1] is not None and b[1] is not None:
        return len(a[1]) == len(b[1]) and all(
            same_node(x, y, doubles) for x, y in zip(a[1], b[1]))
    if a[0] == "%":
        return len(a[1]) == len(b[1]) and all(
            same_node(p[0], q[0], doubles) and same_node(p[1], q[1], doubles)
            for p, q in zip(a[1], b[1]))
    return False


def same_set(name, a, b):
    if a[0] != b[0] or a[1] is None or b[1] is None or a[0] not in "*~%":
        return a == b
    x, y = flat(a), flat(b)
    if name == "hgetall" and a[0] == "*":
        x, y = pairs(x), pairs(y)
    return sorted(map(repr, x)) == sorted(map(repr, y))


def without(node, *fields):
    """A flat list or map of fields without some of them."""
    if node[0] == "%":
        return [node[0], [[without(k), without(v, *fields)] for k, v in node[1]
                          if k[-1] not in fields]]
    if node[0] == "*" and node[1]:
        items = [without(x, *fields) for x in node[1]]
        if len(items) % 2 == 0 and all(x[0] in "$+" for x in items[::2]):
            items = [x for p in pairs(items) if p[0][1] not in fields for x in p]
        return [node[0], items]
    return node


def same_stream(words, a, b):
    """Idle times go on, and 7.2 tells more of consumers."""
    name = words[0].lower()
    if name == "xpending" and a[0] == b[0] == "*" and len(words) > 3:
        return [[*p[1][:2], p[1][3]] for p in a[1]] == [[*p[1][:2], p[1][3]] for p in b[1]]
    if name == "xinfo":
        drop = ("idle", "inactive", "seen-time", "active-time", "radix-tree-keys",
                "radix-tree-nodes")
        return undated(without(a, *drop)) == undated(without(b, *drop))
    if name == "xadd" and a[0] == b[0] == "$":
        return all(DATED.match(str(n[1])) for n in (a, b))
    return False


def undated(node):
    """Without the times of deliveries."""
    if node[0] == ":" and DATED.match(str(node[1])):
        return [":", "now"]
    if node[0] == "*" and node[1]:
        return [node[0], [undated(x) for x in node[1]]]
    if node[0] == "%":
        return [node[0], [[k, undated(v)] for k, v in node[1]]]
    return node


def same_time(words, a, b):
    """What was told relative to "now" comes out a little different."""
    name = words[0].lower()
    return a[0] == b[0] == ":" and min(a[1], b[1]) >= 0 and name in (
        "ttl", "pttl", "expiretime", "pexpiretime") and \
        abs(a[1] - b[1]) <= (3000 if name.startswith("p") else 3)


def same(words, a, b):
    """a: the oracle's, b: ours."""
    name = words[0].lower()
    if a == b:
        return True
    if name == "vinfo":  # numbers given out by each server, levels drawn by lot; CAS is passed over in a count
        own = ("vset-uid", "hnsw-max-node-uid", "max-level", "attributes-count")
        return without(a, *own) == without(b, *own)
    if name in RANDOM:
        return shape(a) == shape(b)
    if name in UNORDERED and same_set(name, a, b):
        return True
    if name in SCANS and a[0] == b[0] == "*":
        x, y = (n[1][1] for n in (a, b))
        items = (lambda n: pairs(n[1])) if name != "sscan" else (lambda n: n[1])
        if (a[1][0], b[1][0]) != (["$", "0"], ["$", "0"]) or words[2] != "0":
            return True  # not all of it at once: the data set is compared anyway
        return len(x[1]) == len(y[1]) and all(
            any(same_node(["*", p], ["*", q], True) if name != "sscan" else p == q
                for q in items(y)) for p in items(x))
    if DOUBLES.match(name) and same_node(a, b, True):
        return True
    if name == "zmpop" and same_node(a, b, True):
        return True
    return same_stream(words, a, b) or same_time(words, a, b)


# For oracles that may be newer servers: x is what it says.
FIELD_TIMES = re.compile("^(h(p?expire(at|time)?|p?ttl|persist)|h(get|set)ex|hgetdel)$")
SCORE_RANGE = re.compile("^z(count|(rev)?range(byscore|store)?|remrangebyscore)$")


def _sub(name, sub):
    return lambda words, x, y: [v.lower() for v in words[:2]] == [name, sub]


ALWAYS = [
    ("keyslot", "Valkey answers it outside of a cluster too", _sub("cluster", "keyslot")),
]
# Redis 8 and Valkey 9 are no longer as 7.2 here, and 7.2 is followed.
LATER = [
    ("bits", "7.2 looks at the key before the range", _is("bitcount", "bitpos")),
    ("cursor", "7.2 takes -1 and nothing at all, and no blank before the number", lambda w, x, y:
     "scan" in w[0].lower() and "ERR invalid cursor" in (error(x), error(y))),
    ("unbalanced xread", "7.4 knows +", _both("Unbalanced", "Unbalanced")),
    ("score bounds", "7.2 takes blanks before the number, and hexadecimal digits", lambda w, x, y:
     SCORE_RANGE.match(w[0].lower()) and error(x) == "ERR min or max is not a float"),
    ("lrem", "7.2 takes the smallest number", lambda w, x, y: w[0].lower() == "lrem"
     and error(x) and "-9223372036854775807" in error(x)),
    ("lset", "an index beyond 32 bits wraps around there", lambda w, x, y: w[0].lower() == "lset"
     and error(y) == "ERR index out of range" and not error(x)),
    ("lag", "Redis 8.0 counts all entries where the group is before the first one", lambda w, x, y:
     w[0].lower() == "xinfo" and x[0] == y[0] and without(x, "lag") == without(y, "lag")),
    ("offset below 0", "7.2 finds nothing", lambda w, x, y: w[0].lower().startswith("z") and any(
        v[:1] == "-" and w[i].upper() == "LIMIT" for i, v in enumerate(w[1:]))),
    ("form after sort", "SORT leaves a sorted set as it is", lambda w, x, y:
     w[0].lower() == "object" and (x[1], y[1]) == ("skiplist", "listpack")),
    ("copy", "modules of Redis do not copy", lambda w, x, y: error(x) == "ERR not supported for this module key"),
    ("options after fields", "stet takes options after the fields too", lambda w, x, y:
     w[0].lower() == "hsetex" and error(x) == "ERR wrong number of arguments for 'hsetex' command"),
    ("valkey's options", "NX and XX of HSETEX are Valkey's", lambda w, x, y: w[0].lower() == "hsetex"
     and error(x) in ("ERR unknown argument: NX", "ERR unknown argument: XX")),
]
# What Redis and Valkey both have and answer differently: Redis is followed.
VALKEYS = [
    ("fields with times", "other texts, another order of checks", lambda w, x, y: FIELD_TIMES.match(w[0].lower())),
    ("msetex", "other texts than those of Redis 8.4", _is("msetex")),
    ("client unblock", "more words are passed over", _sub("client", "unblock")),
    ("unknown type", "it is refused, Redis finds nothing", lambda w, x, y: error(x) and "unknown type name" in error(x)),
    ("member does not exist", "another text", lambda w, x, y: error(x) and "does not exist" in error(x)
     and error(y) and "could not decode" in error(y)),
    ("no script", "another text", _both("NOSCRIPT", "NOSCRIPT")),
    ("getex", "the time is looked at before the key", _is("getex")),
]


# Chance, order, and what has no meaning: the same beside every oracle.
CHANCE = [d for d in DELIBERATE if d[0] in ("by lex", "sort of a set", "sort of a set, a part", "dbsize")]
SCRIPT_TEXTS = [(re.compile(pattern), text) for pattern, text in [
    (r"script: \S+, on ", "script: on "), ("ERR Lua redis lib command arguments", "ERR Command arguments"),
    ("calling Redis command", "calling command"), ("Unknown Redis command", "Unknown command"),
    ("server[.]log", "redis.log"), ("this redis lib call", "this call"),
    ("This Valkey command", "This Redis command")]]


def sorted_lcs(node):
    """What LCS IDX tells, as a table of Lua or a list made of one."""
    if node[:1] == ["%"]:
        return ["%", sorted(node[1])]
    if node[:1] == ["*"] and node[1] and ["$", "matches"] in node[1][::2]:
        return ["*", [x for p in sorted(pairs(node[1])) for x in p]]
    return node


def of_scripts(node):
    """As Valkey words what a script raises: it names no script, and has other texts."""
    if isinstance(node, list):
        return sorted_lcs([of_scripts(x) for x in node])
    if not isinstance(node, str):
        return node
    for pattern, text in SCRIPT_TEXTS:
        node = pattern.sub(text, node)
    return node


def excuse(words, a, b, oracle):
    """The name of the deliberate difference that this is, or None. `oracle`: "redis 7", "redis 8" or "valkey"."""
    known = DELIBERATE if oracle == "redis 7" else CHANCE + LATER + VALKEYS * (oracle == "valkey")
    for name, _, test in ALWAYS + known:
        try:
            if test(words, a, b):
                return name
        except (IndexError, TypeError):
            pass
    return None
