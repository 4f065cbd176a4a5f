# SPDX-License-Identifier: BSD-3-Clause
"""lengths - numbers that do not fit: every command that takes a count, an offset, an index, a size
or a time gets the numbers at the edges; the server stays small and answers each.
"""
import random

from target import MB, Closed, Others, Target, check, refused

I64 = 9223372036854775807
EDGES = [0, 1, -1, 2, 127, 255, 65535, 2**31 - 1, 2**31, -2**31, -2**31 - 1, 2**32 - 1, 2**32, 2**32 + 1,
         4294967296 * 8 - 1, 4294967296 * 8, 2**52, 2**53, 2**62, I64 // 1000, I64 // 1000 + 1, I64 - 1, I64,
         -I64, -I64 - 1, I64 + 1, -I64 - 2, 2**64 - 1, 2**64, 10**30, -10**30]
WORDS = ["nan", "-nan", "inf", "-inf", "+inf", "1e400", "-1e400", "1e-400", "0x10", "1.5", "", " 1", "1 ", "+1",
         "(nan", "[", "(", "-0", "1e3", "\x00", "9" * 300, "5e-324", "1-1", "$", "*", "+", "-", "0-0",
         "18446744073709551615-18446744073709551615", "18446744073709551616-0"]

# N: a number of above. Keys: str, list, hash, set, zset, zbig, stream (with group g), geo, none.
COMMANDS = """
SETRANGE str N x|SETRANGE none N ''|GETRANGE str N N|SUBSTR str N N|SETBIT str N 1|GETBIT str N
BITCOUNT str N N|BITCOUNT str N N BIT|BITPOS str 1 N N|BITPOS str 0 N N BIT
BITFIELD str GET u8 N|BITFIELD str SET i64 N N|BITFIELD str INCRBY u63 #N N|BITFIELD str GET uN 0
BITFIELD str GET iN #1|BITFIELD str OVERFLOW FAIL INCRBY i5 N N|BITFIELD_RO str GET u64 N
LRANGE list N N|LINDEX list N|LSET list N x|LTRIM list2 N N|LREM list N zz|LPOS list a RANK N
LPOS list a COUNT N|LPOS list a MAXLEN N|LPOS list a RANK N COUNT N MAXLEN N|LPOP none N|RPOP none N
LMPOP N none LEFT|LMPOP 1 none LEFT COUNT N|BLMPOP 0.01 N none LEFT|BLMPOP 0.01 1 none LEFT COUNT N
SRANDMEMBER set N|HRANDFIELD hash N|HRANDFIELD hash N WITHVALUES|ZRANDMEMBER zset N
ZRANDMEMBER zset N WITHSCORES|ZRANDMEMBER zbig N|SRANDMEMBER sbig N|HRANDFIELD hbig N WITHVALUES
SPOP none N|SINTERCARD N set set|SINTERCARD 2 set set LIMIT N|ZINTERCARD N zset zset
ZINTERCARD 2 zset zset LIMIT N|ZUNION N zset zset|ZUNIONSTORE d N zset zset|ZINTER N zset|ZDIFF N zset
ZUNIONSTORE d 1 zset WEIGHTS N|ZRANGE zset N N|ZREVRANGE zset N N WITHSCORES|ZRANGE zset N N BYSCORE
ZRANGE zset 0 9 BYSCORE LIMIT N N|ZRANGEBYSCORE zset N N LIMIT N N|ZREVRANGEBYSCORE zset N N
ZRANGEBYLEX zset N N LIMIT N N|ZLEXCOUNT zset N N|ZCOUNT zset N N|ZREMRANGEBYRANK z2 N N
ZREMRANGEBYSCORE z2 N N|ZREMRANGEBYLEX z2 N N|ZRANGESTORE d zset N N|ZRANGESTORE d zset 0 9 BYSCORE LIMIT N N
ZADD z2 N m|ZADD z2 INCR N m|ZINCRBY z2 N m|ZADD z2 GT N m|ZPOPMIN none N|ZPOPMAX none N|ZMPOP N none MIN
ZMPOP 1 none MIN COUNT N|BZMPOP 0.01 N none MIN|ZSCAN zset N COUNT N
SCAN N|SCAN 0 COUNT N|SSCAN set N COUNT N|HSCAN hash N COUNT N|SORT list LIMIT N N ALPHA|SORT_RO list LIMIT N N ALPHA
INCRBY num N|DECRBY num N|INCRBYFLOAT num N|HINCRBY hash n N|HINCRBYFLOAT hash n N|SET num 0
EXPIRE t N|PEXPIRE t N|EXPIREAT t N|PEXPIREAT t N|EXPIRE t N GT|SET t v EX N|SET t v PX N|SET t v EXAT N
SET t v PXAT N|SETEX t N v|PSETEX t N v|GETEX t EX N|GETEX t PX N|GETEX t EXAT N|HEXPIRE hash N FIELDS 1 f
HPEXPIRE hash N FIELDS N f|HEXPIREAT hash N FIELDS 1 f|HTTL hash FIELDS N f|HPERSIST hash FIELDS N f
SEXPIRE set N MEMBERS 1 a|SPEXPIRE set N MEMBERS N a|SEXPIREAT set N MEMBERS 1 a|STTL set MEMBERS N a|SPERSIST set MEMBERS N a
SADDEX set EX N MEMBERS 1 a|SADDEX set PXAT N MEMBERS N a
RESTORE r N xx|RESTORE r 0 xx IDLETIME N|RESTORE r 0 xx FREQ N|OBJECT FREQ N|COPY str c DB N|MOVE str N
SELECT N|SWAPDB N 0|CLIENT PAUSE N|CLIENT UNPAUSE|CLIENT KILL ID N|CLIENT UNBLOCK N|CLIENT KILL MAXAGE N
CLIENT TRACKING on REDIRECT N|CLIENT LIST ID N|HELLO N|SLOWLOG GET N|LATENCY HISTOGRAM N|ACL GENPASS N
ACL LOG N|MEMORY USAGE zbig SAMPLES N|WAIT N 1|WAITAOF N 0 1|WAITAOF 0 N 1|DEBUG SLEEP -1|LOLWUT VERSION 5 N N N
LOLWUT VERSION 6 N N|LOLWUT VERSION N|COMMAND GETKEYS EVAL x N|COMMAND GETKEYS ZUNIONSTORE d N a
COMMAND GETKEYS LMPOP N k LEFT|COMMAND GETKEYS XREAD STREAMS N|COMMAND GETKEYSANDFLAGS EVAL x N a b
COMMAND GETKEYS MEMORY USAGE|COMMAND GETKEYS MIGRATE h p '' 0 N KEYS|COMMAND GETKEYS SORT a BY STORE STORE
EVAL 'return 1' N|EVAL 'return #KEYS' N a b|EVALSHA x N|FCALL f N|FCALL f N k
BLPOP none N0.01|XADD xs N f v|XADD xs N-N f v|XADD xs N-* f v|XADD xs MAXLEN N * f v
XADD xs MAXLEN ~ N LIMIT N * f v|XADD xs MINID N * f v|XADD xs MAXLEN = N LIMIT N * f v|XTRIM xs MAXLEN N
XTRIM xs MINID N|XTRIM xs MAXLEN ~ N LIMIT N|XRANGE stream N N|XRANGE stream (N (N COUNT N|XREVRANGE stream N N
XREAD COUNT N STREAMS stream N|XREAD COUNT N STREAMS stream 0|XREADGROUP GROUP g c COUNT N STREAMS stream N
XGROUP CREATE xs gN N MKSTREAM|XGROUP CREATE stream gg N ENTRIESREAD N|XGROUP SETID stream g N|XSETID xs N
XSETID xs N ENTRIESADDED N MAXDELETEDID N|XCLAIM stream g c N 0-1|XCLAIM stream g c 0 N IDLE N
XCLAIM stream g c 0 1-1 TIME N|XCLAIM stream g c 0 1-1 RETRYCOUNT N FORCE|XAUTOCLAIM stream g c N 0
XAUTOCLAIM stream g c 0 N COUNT N|XAUTOCLAIM stream g c 0 0 COUNT N JUSTID|XPENDING stream g IDLE N - + N
XPENDING stream g N N N|XINFO STREAM stream FULL COUNT N|XDEL stream N|XACK stream g N
GEOADD geo2 N N m|GEOSEARCH geo FROMLONLAT N N BYRADIUS N km|GEOSEARCH geo FROMMEMBER p BYBOX N N m COUNT N
GEOSEARCH geo FROMMEMBER p BYRADIUS N m COUNT N ANY|GEORADIUS geo 0 0 N km COUNT N|GEORADIUS geo N N 1 m
GEODIST geo p q m|PFADD hll N|PFDEBUG N hll|LCS str str MINMATCHLEN N IDX|GETRANGE none N N
CONFIG SET proto-max-bulk-len N|CONFIG SET proto-max-bulk-len 512mb|CONFIG SET hash-max-listpack-entries N
CONFIG SET hash-max-listpack-entries 128|CONFIG SET list-max-listpack-size N|CONFIG SET slowlog-max-len N
CONFIG SET slowlog-max-len 128|CONFIG SET zset-max-listpack-value N|DEBUG JMAP|MSETEX N a b
CONFIG SET tracking-table-max-keys N|CONFIG SET stream-node-max-entries N|CONFIG SET stream-node-max-bytes N
SETRANGE none 536870911 x|SETRANGE none 536870912 x|APPEND none x|SETBIT none 4294967295 1|DEL none|DEL c r d
""".strip().replace("\n", "|").split("|")


def fill(c):
    c.pipeline([["SET", "str", "hello world"], ["RPUSH", "list"] + list("abcabc"), ["RPUSH", "list2", "a"],
                ["HSET", "hash", "f", "v", "n", "1"], ["SADD", "set", "a", "b", "1"],
                ["ZADD", "zset", "1", "a", "2", "b"], ["XADD", "stream", "1-1", "f", "v"],
                ["XADD", "stream", "2-1", "f", "v"], ["XGROUP", "CREATE", "stream", "g", "0"],
                ["XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "stream", ">"],
                ["GEOADD", "geo", "13.4", "38.1", "p", "15.1", "37.5", "q"], ["PFADD", "hll", "a"],
                ["SADD", "sbig"] + ["m%d" % i for i in range(1000)],
                ["HSET", "hbig"] + ["m%d" % i for i in range(2000)],
                ["ZADD", "zbig"] + [w for i in range(1000) for w in (str(i), "m%d" % i)]])


def variants(command, rng):
    """The command with each edge at each N, and with random ones at all."""
    words, n = command.replace("''", "\x01").split(" "), command.count("N0.01") or command.count("N")
    words = ["" if w == "\x01" else w.strip("'") for w in words]
    places = [i for i, w in enumerate(words) if i > 0 and
              (w in ("N", "#N", "(N", "gN", "uN", "iN", "N-N", "N-*", "N0.01"))]
    if not places:
        return [words]
    out = []
    for i in places:
        for v in EDGES + WORDS:
            w = [x.replace("N", "1") if j in places and j != i else x for j, x in enumerate(words)]
            w[i] = words[i].replace("N0.01", "N").replace("N", str(v))
            out.append(w)
    if len(places) > 1:
        for _ in range(60):
            w = list(words)
            for i in places:
                w[i] = words[i].replace("N0.01", "1").replace("N", str(rng.choice(EDGES + WORDS)))
            out.append(w)
    return out


# These would wait, or delay all clients, as asked.
def waits(words):
    if words[:2] == ["CLIENT", "PAUSE"]:
        return words[2].isdigit() and 0 < int(words[2]) <= I64
    return words[0] in ("BLPOP", "WAIT", "WAITAOF") and words[-1] != "1"


def edges():
    rng, asked, worst, slowest = random.Random(11), 0, 0, None
    with Target("--enable-debug-command", "yes", "--maxmemory", "2gb") as s:
        c = s.conn(timeout=30)
        fill(c)
        before = s.rss()
        s.forget_peak()
        for command in COMMANDS:
            for words in variants(command, rng):
                if waits(words):
                    continue
                try:
                    c.send(__import__("target").encode([w.encode("latin-1") for w in words]))
                    c.read()
                except (Closed, TimeoutError) as e:
                    check(s.running() and not isinstance(e, TimeoutError), "%r: %r" % (words, e))
                    c = s.conn(timeout=30)
                asked += 1
                if words[0] in ("SELECT", "HELLO", "SWAPDB"):
                    c.pipeline([["RESET"], ["FLUSHDB"]])
                    fill(c)
            peak = s.peak()
            if peak > worst:
                worst, slowest = peak, command
            c.pipeline([["CONFIG", "SET", "proto-max-bulk-len", "512mb"], ["DEL", "none", "d", "c"],
                        ["CLIENT", "UNPAUSE"], ["CLIENT", "TRACKING", "off"]])
            if command.startswith(("SETRANGE", "SETBIT", "BITFIELD")):
                c.pipeline([["DEL", "str", "none"], ["SET", "str", "hello world"]])
                s.forget_peak()
        check(worst - before < 1600, "%.0f MB at the most, by %s" % (worst - before, slowest))
    return "%d commands answered; at the most %.0f MB more, by %s" % (asked, worst - before, slowest)


# ---------------------------------------------------------------- random picks

def picks_without_end():
    """Negative counts of the commands that repeat themselves: refused before memory is filled."""
    with Target() as s, Others(s, 3000) as o:
        c = s.conn()
        fill(c)
        c.call("SADD", "wide", *["x" * 10000 + str(i) for i in range(10)])
        before = s.rss()
        s.forget_peak()
        for key in (["SRANDMEMBER", "set"], ["SRANDMEMBER", "sbig"], ["SRANDMEMBER", "wide"],
                    ["HRANDFIELD", "hash"], ["HRANDFIELD", "hbig"], ["ZRANDMEMBER", "zset"],
                    ["ZRANDMEMBER", "zbig"]):
            for n in (-I64, -2**62, -2**40, -2**32, -10**9):
                refused(c, *key, n)
        for key in (["HRANDFIELD", "hash"], ["HRANDFIELD", "hbig"]):
            refused(c, *key, -10**9, "WITHVALUES")
        for key in (["ZRANDMEMBER", "zset"], ["ZRANDMEMBER", "zbig"]):
            refused(c, *key, -10**9, "WITHSCORES")
        refused(c, "EVAL", "return redis.call('srandmember','wide',-1000000)", 0)
        early = s.peak() - before
        check(early < 1400, "%.0f MB at the most" % early)
        check(len(c.call("SRANDMEMBER", "set", -300000)) == 300000, "an ordinary one is served")
        refused(c, "SRANDMEMBER", "wide", -1000000)
        c.call("CONFIG", "SET", "client-output-buffer-limit", "normal 16mb 0 0")
        s.forget_peak()
        at = s.rss()
        refused(c, "SRANDMEMBER", "wide", -100000)
        limited = s.peak() - at
        check(limited < 60, "with a limit of 16 MB: %.0f MB" % limited)
    return "at the most %.0f MB more, %.0f with a limit of 16; %s" % (early, limited, o)


def texts_of_100_mb():
    """LCS, BITOP, APPEND, DUMP and scripts on texts of 100 MB."""
    with Target("--maxmemory", "1500mb") as s:
        c = s.conn()
        for key in "ab":
            c.call("SETRANGE", key, 100 * MB - 1, "x")
        before = s.rss()
        s.forget_peak()
        with Others(s, 3000) as o:
            for words in (["LCS", "a", "b"], ["LCS", "a", "b", "LEN"], ["LCS", "a", "b", "IDX"]):
                check("LCS" in refused(c, *words), "LCS")
            refused(c, "SETRANGE", "a", 536870912, "x")
            refused(c, "SETRANGE", "a", 2**63 - 1, "x")
            refused(c, "EVAL", "local s = string.rep('x', 200*1024*1024); return s .. s .. s .. s .. s .. s", 0)
            refused(c, "EVAL", "return string.rep('x', 2^40)", 0)
            refused(c, "EVAL", "return string.rep('xxxxxxxxxx', 2^31)", 0)
            check(c.call("GETRANGE", "a", 2**62, 2**63 - 1) == b"", "after the end")
            check(len(c.call("GETRANGE", "a", -1, 2**63 - 1)) == 1, "the last")
        peak = s.peak() - before
    return "at the most %.0f MB more; %s" % (peak, o)


CASES = {
    "edges of numbers": edges,
    "picks without end": picks_without_end,
    "texts of 100 MB": texts_of_100_mb,
}
