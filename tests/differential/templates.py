# SPDX-License-Identifier: BSD-3-Clause
"""templates - what the differential test says to both servers.

A template is the text of a command with holes; generate.py fills them.

  @s @l @h @S @z @y @x @p @g @?   a key that mostly holds a string, list, hash, set, sorted set, one
               with equal scores, stream, HyperLogLog, geo index; any key
  #z           a count of keys and so many keys (sometimes a wrong count)
  %v %m %n %f  a value, a member or field (of few), an integer, a float
  %r %c        an index or offset; a count
  %o %O        score bounds, lexical bounds (with or without brackets)
  %t %T %e     a time to live in s, in ms, a time in s (far away, or past)
  %i %G %C     a stream id, group, consumer
  %x %y %u     longitude, latitude, unit
  %p %b        a glob pattern, a bit offset
  <a|b>        one of these; [a|b] one of these or nothing; (a b)+ one to five times
"""

STRINGS = """
SET @s %v
SET @s %v [NX|XX] [GET] [EX %t|PX %T|EXAT %e|KEEPTTL]
GET @s
GETSET @s %v
GETDEL @s
GETEX @s [EX %t|PX %T|PERSIST|EXAT %e]
SETEX @s %t %v
PSETEX @s %T %v
SETNX @s %v
MSET (@s %v)+
MSETNX (@s %v)+
MGET (@s)+
APPEND @s %v
STRLEN @s
SETRANGE @s %b %v
GETRANGE @s %r %r
SUBSTR @s %r %r
INCR @s
DECR @s
INCRBY @s %n
DECRBY @s %n
INCRBYFLOAT @s %f
LCS @s @s [LEN|IDX] [MINMATCHLEN %c] [WITHMATCHLEN]
SETBIT @s %b <0|1|2>
GETBIT @s %b
BITCOUNT @s [%r %r|%r %r BIT|%r %r BYTE]
BITPOS @s <0|1> [%r|%r %r|%r %r BIT]
BITOP <AND|OR|XOR|NOT> @s (@s)+
BITFIELD @s [OVERFLOW WRAP|OVERFLOW SAT|OVERFLOW FAIL] <SET u8 %b %n|INCRBY i5 %b %n|GET u63 %b|SET i64 #1 %n>
BITFIELD_RO @s GET u8 %b
"""

LISTS = """
LPUSH @l (%v)+
RPUSH @l (%v)+
LPUSHX @l (%v)+
RPUSHX @l (%v)+
LPOP @l [%c]
RPOP @l [%c]
LLEN @l
LINDEX @l %r
LSET @l %r %v
LRANGE @l %r %r
LTRIM @l %r %r
LREM @l %n %v
LREM @l %r %m
RPUSH @l (%m)+
LINSERT @l <BEFORE|AFTER> %m %v
LPOS @l %m [RANK %r] [COUNT %c] [MAXLEN %c]
LMOVE @l @l <LEFT|RIGHT> <LEFT|RIGHT>
RPOPLPUSH @l @l
LMPOP #l <LEFT|RIGHT> [COUNT %c]
BLPOP (@l)+ 0.001
BRPOP (@l)+ 0.001
BLMOVE @l @l <LEFT|RIGHT> <LEFT|RIGHT> 0.001
BRPOPLPUSH @l @l 0.001
BLMPOP 0.001 #l <LEFT|RIGHT> [COUNT %c]
"""

HASHES = """
HSET @h (%m %v)+
HMSET @h (%m %v)+
HSETNX @h %m %v
HGET @h %m
HMGET @h (%m)+
HGETALL @h
HKEYS @h
HVALS @h
HLEN @h
HEXISTS @h %m
HSTRLEN @h %m
HDEL @h (%m)+
HINCRBY @h %m %n
HINCRBYFLOAT @h %m %f
HRANDFIELD @h [%c|%c WITHVALUES|-3]
HSCAN @h 0 [MATCH %p] [COUNT %c]
"""

SETS = """
SADD @S (%m)+
SADD @S (%n)+
SADD @S (%v)+
SREM @S (%m)+
SREM @S (%n)+
SCARD @S
SISMEMBER @S %m
SMISMEMBER @S (%m)+
SMEMBERS @S
SMOVE @S @S %m
SPOP @S [%c]
SRANDMEMBER @S [%c|-5]
SINTER (@S)+
SUNION (@S)+
SDIFF (@S)+
SINTERSTORE @S (@S)+
SUNIONSTORE @S (@S)+
SDIFFSTORE @S (@S)+
SINTERCARD #S [LIMIT %c]
SSCAN @S 0 [MATCH %p] [COUNT %c]
"""

ZSETS = """
ZADD @z [NX|XX] [GT|LT] [CH] [INCR] %f %m
ZADD @z [NX|XX] [GT|LT] [CH] (%f %m)+
ZADD @z (%f %m)+
ZADD @y (0 %m)+
ZINCRBY @z %f %m
ZREM @z (%m)+
ZCARD @z
ZSCORE @z %m
ZMSCORE @z (%m)+
ZRANK @z %m
ZREVRANK @z %m
ZCOUNT @z %o %o
ZLEXCOUNT @y %O %O
ZRANGE @z %r %r [REV] [WITHSCORES]
ZRANGE @z %o %o BYSCORE [REV] [LIMIT %r %r] [WITHSCORES]
ZRANGE @y %O %O BYLEX [REV] [LIMIT %r %r]
ZRANGESTORE @z @z %r %r [REV]
ZRANGESTORE @z @z %o %o BYSCORE [REV] [LIMIT %r %r]
ZREVRANGE @z %r %r [WITHSCORES]
ZRANGEBYSCORE @z %o %o [WITHSCORES] [LIMIT %r %r]
ZREVRANGEBYSCORE @z %o %o [WITHSCORES] [LIMIT %r %r]
ZRANGEBYLEX @y %O %O [LIMIT %r %r]
ZREVRANGEBYLEX @y %O %O [LIMIT %r %r]
ZREMRANGEBYRANK @z %r %r
ZREMRANGEBYSCORE @z %o %o
ZREMRANGEBYLEX @y %O %O
ZPOPMIN @z [%c]
ZPOPMAX @z [%c]
ZMPOP #z <MIN|MAX> [COUNT %c]
BZPOPMIN (@z)+ 0.001
BZPOPMAX (@z)+ 0.001
BZMPOP 0.001 #z <MIN|MAX> [COUNT %c]
ZRANDMEMBER @z [%c|-4|%c WITHSCORES]
ZUNION #z [AGGREGATE SUM|AGGREGATE MIN|AGGREGATE MAX] [WITHSCORES]
ZINTER #z [AGGREGATE SUM|AGGREGATE MIN|AGGREGATE MAX] [WITHSCORES]
ZDIFF #z [WITHSCORES]
ZUNIONSTORE @z 2 @z @z [WEIGHTS %f %f] [AGGREGATE SUM|AGGREGATE MIN|AGGREGATE MAX]
ZUNIONSTORE @z 2 @z @S
ZINTERSTORE @z 2 @z @z [WEIGHTS %f %f]
ZINTERSTORE @z #z
ZDIFFSTORE @z #z
ZINTERCARD #z [LIMIT %c]
ZSCAN @z 0 [MATCH %p] [COUNT %c]
GEOADD @g [NX|XX] [CH] (%x %y %m)+
GEOPOS @g (%m)+
GEODIST @g %m %m [%u]
GEOHASH @g (%m)+
GEOSEARCH @g <FROMMEMBER %m|FROMLONLAT %x %y> <BYRADIUS %f %u|BYBOX %f %f %u> [ASC|DESC] [WITHCOORD] [WITHDIST] [WITHHASH]
GEOSEARCHSTORE @g @g <FROMMEMBER %m|FROMLONLAT %x %y> <BYRADIUS %f %u|BYBOX %f %f %u> [STOREDIST]
GEORADIUS @g %x %y %f %u [WITHDIST] [ASC|DESC]
GEORADIUSBYMEMBER @g %m %f %u [WITHCOORD] [ASC|DESC]
"""

STREAMS = """
XADD @x [NOMKSTREAM] [MAXLEN %c|MAXLEN ~ %c|MINID %i|MINID ~ %i LIMIT %c] %i (%m %v)+
XADD @x %i (%m %v)+
XADD @x 5-* (%m %v)+
XLEN @x
XRANGE @x <-|%i> <+|%i> [COUNT %c]
XREVRANGE @x <+|%i> <-|%i> [COUNT %c]
XDEL @x (%i)+
XTRIM @x <MAXLEN %c|MAXLEN ~ %c|MINID %i|MAXLEN ~ %c LIMIT %c>
XSETID @x %i [ENTRIESADDED %c] [MAXDELETEDID %i]
XGROUP CREATE @x %G <$|0|%i> [MKSTREAM] [ENTRIESREAD %c]
XGROUP SETID @x %G <$|0|%i> [ENTRIESREAD %c]
XGROUP DESTROY @x %G
XGROUP CREATECONSUMER @x %G %C
XGROUP DELCONSUMER @x %G %C
XREADGROUP GROUP %G %C [COUNT %c] [NOACK] STREAMS @x <>|0|%i>
XREAD [COUNT %c] STREAMS @x <0|$|%i>
XACK @x %G (%i)+
XPENDING @x %G
XPENDING @x %G <-|%i> <+|%i> %c [%C]
XCLAIM @x %G %C 0 (%i)+ [RETRYCOUNT %c] [FORCE] [JUSTID]
XAUTOCLAIM @x %G %C 0 %i [COUNT %c] [JUSTID]
XINFO GROUPS @x
XINFO CONSUMERS @x %G
XINFO STREAM @x
"""

HYPERLOGLOG = """
PFADD @p (%m)+
PFADD @p (%v)+
PFCOUNT (@p)+
PFMERGE @p (@p)+
GET @p
"""

GENERIC = """
DEL (@?)+
UNLINK @?
EXISTS (@?)+
TYPE @?
TOUCH (@?)+
OBJECT ENCODING @?
RENAME @? @?
RENAMENX @? @?
COPY @? @? [REPLACE]
PERSIST @?
EXPIRE @? %t [NX|XX|GT|LT]
PEXPIRE @? %T [NX|XX|GT|LT]
EXPIREAT @? %e [NX|XX|GT|LT]
TTL @?
PTTL @?
EXPIRETIME @?
PEXPIRETIME @?
SORT <@l|@S|@z> [BY nosort|ALPHA|BY w*] [LIMIT %r %c] [GET #|GET w*] [ASC|DESC] [ALPHA]
SORT <@l|@S|@z> ALPHA STORE @l
SORT_RO @l [ALPHA] [DESC]
DBSIZE
DUMP @?
"""

# How often each family is picked.
FAMILIES = {"strings": (STRINGS, 4), "lists": (LISTS, 5), "hashes": (HASHES, 5), "sets": (SETS, 5),
            "zsets": (ZSETS, 6), "streams": (STREAMS, 5), "hyperloglog": (HYPERLOGLOG, 1),
            "generic": (GENERIC, 3)}
