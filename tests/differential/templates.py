# SPDX-License-Identifier: BSD-3-Clause
"""templates - what the differential test says to both servers.

A template is the text of a command with holes; generate.py fills them.

  @s @l @h @S @z @y @x @p @g @?   a key that mostly holds a string, list, hash, set, sorted set, one
               with equal scores, stream, HyperLogLog, geo index; any key
  @B @K @C @H @D @V   ... Bloom filter, cuckoo filter, count-min sketch, TOPK, t-digest, vector set
  @J           ... JSON document
  #z           a count of keys and so many keys (sometimes a wrong count)
  %v %m %n %f  a value, a member or field (of few), an integer, a float
  %r %c        an index or offset; a count
  %o %O        score bounds, lexical bounds (with or without brackets)
  %t %T %e     a time to live in s, in ms, a time in s (far away, or past)
  %i %G %C     a stream id, group, consumer
  %x %y %u     longitude, latitude, unit
  %p %b        a glob pattern, a bit offset
  %j %P        a JSON value, a path in a document
  %q %k        a share between 0 and 1, a size
  <a|b>        one of these; [a|b] one of these or nothing; (a b)+ one to five times
  {name} ...   only where the server knows the command `name` as well: its options are as new
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
LMOVEM @l @l <LEFT|RIGHT> <LEFT|RIGHT> [COUNT %k OBO|COUNT %k BULK|EXACTLY %k OBO|EXACTLY %k BULK]
BLMOVEM @l @l <LEFT|RIGHT> <LEFT|RIGHT> 0.001 [COUNT %k OBO|EXACTLY %k BULK]
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
HIMPORT PREPARE %G (%m)+
HIMPORT PREPARE g1 a b
HIMPORT SET @h %G (%v)+
HIMPORT SET @h g1 %v %v
HIMPORT DISCARD %G
HIMPORT DISCARDALL
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
SEXPIRE @S %t [NX|XX|GT|LT] MEMBERS 2 %m %m
SPEXPIRE @S %T [NX|XX|GT|LT] MEMBERS 1 %n
SEXPIREAT @S %e MEMBERS 3 %m %n %m
SPEXPIREAT @S 33177117420123 [NX|XX|GT|LT] MEMBERS %c %m %m
STTL @S MEMBERS 2 %m %n
SPEXPIRETIME @S MEMBERS 1 %m
SPERSIST @S MEMBERS 2 %m %m
SADDEX @S [MNX|MXX] [EX %t|EXAT %e|PX %T|KEEPTTL] MEMBERS 2 %m %n
SADDEX @S EXAT 33177117420 MEMBERS <1 %m|2 %m %m|3 %m %n %v>
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
ZMOVE @z @z <MIN|MAX|BYSCORE %o %o> [COUNT %k]
ZMOVE @y @y <MIN|MAX> [COUNT %k]
BZMOVE @z @z <MIN|MAX> 0.001 [COUNT %k]
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
{xcfgset} XADD @x [NOMKSTREAM] <IDMP p %m|IDMP %C %m|IDMPAUTO %C> [MAXLEN %c] <*|%i> (%m %v)+
XCFGSET @x [IDMP-DURATION 200] [IDMP-MAXSIZE %k]
{xnack} XREADGROUP GROUP %G %C [COUNT %c] [MAXCOUNT %k] [MAXSIZE %k] [CLAIM 0] [NOACK] STREAMS @x >
{xnack} XREADGROUP GROUP %G %C [MAXCOUNT %k] [MAXSIZE %k] [CLAIM 0] STREAMS @x @x <>|0> <>|%i>
{xnack} XREAD [COUNT %c] [MAXCOUNT %k] [MAXSIZE %k] STREAMS @x @x <0|%i> 0
XNACK @x %G <SILENT|FAIL|FATAL> IDS 1 %i [RETRYCOUNT %c] [FORCE]
XNACK @x %G <SILENT|FAIL|FATAL> IDS 2 %i %i [FORCE]
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

BLOOM = """
BF.RESERVE @B %q %k [EXPANSION %k|NONSCALING]
BF.ADD @B %m
{bf.add} DEL @B
{cf.add} DEL @K
BF.MADD @B (%m)+
BF.INSERT @B [CAPACITY %k] [ERROR %q] [EXPANSION %k|NONSCALING] ITEMS (%m)+
BF.INSERT @B CAPACITY 8 ERROR 1e-9 EXPANSION 32768 ITEMS (%m)+
BF.INSERT @B CAPACITY 8 ERROR 1e-9 EXPANSION 32768 ITEMS (%m)+
BF.INSERT @B [NOCREATE] ITEMS (%v)+
BF.EXISTS @B %m
BF.MEXISTS @B (%m)+
BF.CARD @B
BF.INFO @B [CAPACITY|SIZE|FILTERS|ITEMS|EXPANSION]
BF.SCANDUMP @B %c
BF.LOADCHUNK @B %c %v
CF.RESERVE @K %k [BUCKETSIZE %k] [MAXITERATIONS %k] [EXPANSION %k]
CF.RESERVE @K 128 BUCKETSIZE 64 EXPANSION 32768
CF.ADD @K %m
CF.ADDNX @K %m
CF.INSERT @K [CAPACITY %k] [NOCREATE] ITEMS (%m)+
CF.INSERTNX @K [CAPACITY %k] [NOCREATE] ITEMS (%m)+
CF.DEL @K %m
CF.EXISTS @K %m
CF.MEXISTS @K (%m)+
CF.COUNT @K %m
CF.INFO @K
CF.SCANDUMP @K %c
CF.LOADCHUNK @K %c %v
"""

SKETCHES = """
CMS.INITBYDIM @C %k %k
{cms.query} DEL @C
{topk.add} DEL @H
{tdigest.add} DEL @D
CMS.INITBYDIM @C 5 2
CMS.INITBYPROB @C %q %q
CMS.INCRBY @C (%m %n)+
CMS.INCRBY @C (%m %c)+
CMS.QUERY @C (%m)+
CMS.MERGE @C #C
CMS.MERGE @C 2 @C @C WEIGHTS %c %c
CMS.INFO @C
TOPK.RESERVE @H %k [%k %k %q]
TOPK.ADD @H (%m)+
TOPK.ADD @H (%v)+
TOPK.INCRBY @H (%m %k)+
TOPK.INCRBY @H (%m 100000)+
TOPK.QUERY @H (%m)+
TOPK.COUNT @H (%m)+
TOPK.LIST @H [WITHCOUNT]
TOPK.INFO @H
TDIGEST.CREATE @D [COMPRESSION %k]
TDIGEST.ADD @D (%f)+
TDIGEST.ADD @D (%n)+
TDIGEST.MERGE @D #D [COMPRESSION %k] [OVERRIDE]
TDIGEST.MERGE @D 2 @D @D
TDIGEST.RESET @D
TDIGEST.QUANTILE @D (%q)+
TDIGEST.CDF @D (%f)+
TDIGEST.RANK @D (%f)+
TDIGEST.REVRANK @D (%f)+
TDIGEST.BYRANK @D (%c)+
TDIGEST.BYREVRANK @D (%c)+
TDIGEST.TRIMMED_MEAN @D %q %q
TDIGEST.MIN @D
TDIGEST.MAX @D
TDIGEST.INFO @D
"""

JSON = """
JSON.SET @J $ %j
{json.set} DEL (@J)+
JSON.SET @J %P %j [NX|XX]
JSON.SET @J %P %j
JSON.MSET (@J %P %j)+
JSON.MSET (@J $ %j)+ (@J %P %j)+
JSON.MERGE @J %P %j
JSON.DEL @J [%P]
JSON.FORGET @J %P
JSON.GET @J [INDENT %v] [NEWLINE %v] [%P] [%P]
JSON.MGET @J @J %P
JSON.TYPE @J [%P]
JSON.NUMINCRBY @J %P %n
JSON.NUMINCRBY @J %P %f
JSON.NUMMULTBY @J %P %f
JSON.STRAPPEND @J %P "b"
JSON.STRAPPEND @J %P %j
JSON.STRLEN @J [%P]
JSON.TOGGLE @J %P
JSON.CLEAR @J [%P]
JSON.ARRAPPEND @J %P (%j)+
JSON.ARRINDEX @J %P %j [%r|%r %r]
JSON.ARRINSERT @J %P %r (%j)+
JSON.ARRLEN @J [%P]
JSON.ARRPOP @J [%P|%P %r]
JSON.ARRTRIM @J %P %r %r
JSON.OBJKEYS @J [%P]
JSON.OBJLEN @J [%P]
JSON.RESP @J [%P]
"""

VECTORS = """
VADD @V VALUES 3 %x %y %x %m [CAS] [NOQUANT|Q8|BIN] [SETATTR %v] [M 4]
VADD @V REDUCE 2 VALUES 3 %x %y %x %m [NOQUANT|Q8|BIN]
VADD @V VALUES 3 %f %f %f %m
VREM @V %m
{vadd} DEL @V
VSETATTR @V %m <{"a":1}|%v>
VGETATTR @V %m
VCARD @V
VDIM @V
VEMB @V %m [RAW]
VINFO @V
VISMEMBER @V %m
VLINKS @V %m
VRANDMEMBER @V [%c|-3]
VSIM @V ELE %m [WITHSCORES] [COUNT %k] [TRUTH]
VSIM @V VALUES 3 %x %y %x [COUNT %k] [FILTER .a==1]
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
            "bloom": (BLOOM, 3), "sketches": (SKETCHES, 4), "vectors": (VECTORS, 2), "json": (JSON, 4),
            "generic": (GENERIC, 3)}
