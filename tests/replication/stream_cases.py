# SPDX-License-Identifier: BSD-3-Clause
"""stream_cases - the cases of stream.py: {name: steps, one a line}. `b: COMMAND` is said by another
client, `b! COMMAND` blocks. [redis-8] or [valkey-9] in a name: the server that it is compared with."""
import re

CASES = {}


def _case(name, text):
    CASES[name] = text


# ------------------------------------------------------------------ one command

_case("set", """
SET k v
SET k v EX 100
SET k v PX 100000
SET k v EXAT 33177117420
SET k v PXAT 33177117420000
SET k w KEEPTTL
SET k w XX
SET k w NX
SET k2 w NX
SET k2 w GET
SET k2 w GET EX 100
SET k2 w EX 100 GET XX
SET k3 w get nx px 100000
set k w
SeT k w ex 100
SET k w PXAT 5
SET k w
SET k w EXAT 1
SET k w
SET k w EX 100 NX
SETNX k v
SETNX k9 v
SETEX k 100 v
PSETEX k 100000 v
GETSET k v
GETDEL k
GETDEL k
SET k v
GETEX k
GETEX k EX 100
GETEX k PX 100000
GETEX k EXAT 33177117420
GETEX k PXAT 33177117420000
GETEX k PERSIST
GETEX k PERSIST
GETEX k EXAT 1
GETEX k EX 100
""")
_case("strings", """
APPEND k v
SETRANGE k 2 v
SETRANGE k 2 ""
SETBIT k 7 1
SETBIT k 7 1
BITFIELD b SET u8 0 7
BITFIELD b SET u8 0 7
BITFIELD b GET u8 0
BITFIELD b INCRBY u8 0 0
BITFIELD b OVERFLOW FAIL INCRBY u8 0 255
BITFIELD b3 GET u8 0
BITOP AND d k b
BITOP AND d none none2
BITOP AND d none none2
INCR n
DECR n
INCRBY n 3
INCRBY n 0
DECRBY n 3
INCRBYFLOAT n 1.5
INCRBYFLOAT n 3e5
INCRBYFLOAT n 0
incrbyfloat n 0.1
INCRBYFLOAT n abc
MSET a 1 b 2
MSET a 1 a 2
MSETNX a 1 b 2
MSETNX c 1 e 2
mset a 1
""")
_case("keys", """
DEL k
SET k v
DEL k
SET a 1
SET b 2
UNLINK a b c
SET a 1
RENAME a b
RENAME b b
RENAMENX b b
SET a 1
RENAMENX b a
RENAMENX b c
COPY c d
COPY c d
COPY c d REPLACE
COPY c d DB 1
COPY c d DB 1 REPLACE
MOVE c 1
MOVE c 1
MOVE a 2
SELECT 1
MOVE d 0
SET x 1
SELECT 0
TOUCH a
SET a 1
SET b 1 EX 100
RENAME b a
EXPIRE a 50
COPY a z
MOVE a 5
DBSIZE
""")
_case("expire", """
SET k v
EXPIRE k 100
EXPIRE k 200 NX
EXPIRE k 200 XX
EXPIRE k 300 GT
EXPIRE k 100 LT
expire k 100
PEXPIRE k 100000
PEXPIRE k 200000 XX
EXPIREAT k 33177117420
EXPIREAT k 33177117420 GT
EXPIREAT k 33177117421 GT
PEXPIREAT k 33177117420000
pexpireat k 33177117430000
PEXPIREAT k 33177117440000 XX
PERSIST k
PERSIST k
EXPIRE k -1
SET k v
EXPIRE k 0
SET k v
PEXPIREAT k 1
SET k v
EXPIREAT k 1 NX
EXPIRE k 100
CONFIG SET lazyfree-lazy-expire yes
SET k v
EXPIRE k -1
CONFIG SET lazyfree-lazy-expire no
SET k v
EXPIRE k -1
""")
_case("flush and swap", """
FLUSHALL
FLUSHDB
SET k v
FLUSHDB
FLUSHDB
FLUSHDB ASYNC
FLUSHALL SYNC
FLUSHALL ASYNC
flushall
SWAPDB 0 1
SWAPDB 3 3
swapdb 1 0
SELECT 4
FLUSHDB
SET k v
SELECT 0
SET k v
""")
_case("lists", """
LPUSH l a b c d e f
RPUSH l a b
LPUSHX none a
LPUSHX l x
RPUSHX l x y
LPOP l
LPOP l 2
LPOP l 0
RPOP l
RPOP l 3
LINSERT l BEFORE b x
LINSERT l AFTER nope x
LINSERT l BEFORE x y
LSET l 0 x
LSET l 0 x
LREM l 0 nope
LREM l 0 x
LTRIM l 0 -1
LTRIM l 0 1
RPOPLPUSH l m
RPOPLPUSH none m
LMOVE l m LEFT RIGHT
LMOVE m m LEFT RIGHT
RPUSH l a b c d e
LMPOP 2 x l LEFT
LMPOP 1 l RIGHT COUNT 2
lmpop 1 l left count 10
RPUSH l a b c d e
BLPOP x l 0
BRPOP l 0
BRPOPLPUSH l m 0
BLMOVE l m LEFT LEFT 0
blmove m l right right 0
BLMPOP 0 1 l RIGHT
BLMPOP 0 2 x l LEFT COUNT 5
LPOP m 100
RPOP none
LMPOP 1 none LEFT
""")
_case("sets", """
SADD s a b c
SADD s a
SADD s a d
SREM s a x
SREM s x
SMOVE s t b
SMOVE s t b
SMOVE s s c
SMOVE s t nope
SADD one a
SPOP one
SADD one a
SPOP one 1
SADD one a b
SPOP one 5
SPOP one 5
SADD one a
SPOP one 0
SADD one b c d
SREM one a b c d
SINTERSTORE d s t
SADD u d z
SINTERSTORE d s u
SUNIONSTORE d s u
SDIFFSTORE d s u
SDIFFSTORE d none
SDIFFSTORE d none
SUNIONSTORE s s u
""")
_case("spop of many", """
SADD s 1 2 3 4 5 6 7 8 9 10
CONFIG SET set-max-intset-entries 512
SPOP s 10
SADD s 1 2 3
SPOP s 1000
SADD s a
SPOP s
EVAL "for i=1,3000 do redis.call('sadd',KEYS[1],i) end redis.call('del',KEYS[1])" 1 s
""")
_case("hashes", """
HSET h a 1 b 2
HSET h a 1
HMSET h a 1
HSETNX h a 1
HSETNX h c 1
HDEL h a x
HDEL h x
HINCRBY h a 2
HINCRBY h a 0
HINCRBYFLOAT h f 1.5
HINCRBYFLOAT h f 0.1
hincrbyfloat h f 0
HINCRBYFLOAT h f 10e5
HDEL h a b c f
""")
_case("sorted sets", """
ZADD z 1 a 2 b 3 c
ZADD z 1 a
ZADD z CH 2 a
ZADD z NX 9 a
ZADD z NX 9 n
ZADD z XX 9 n
ZADD z XX 8 n
ZADD z GT 0 a
ZADD z GT CH 10 a
ZADD z INCR 1.5 a
ZADD z NX INCR 1.5 a
zadd z incr 0 a
ZINCRBY z 1.5 a
ZINCRBY z 0 a
ZREM z a q
ZREM z q
ZPOPMIN z
ZADD z 1 a 2 b 3 c
ZPOPMAX z 2
ZPOPMAX z 0
ZADD z 1 a 2 b 3 c 4 d 5 e 6 f 7 g 8 h
BZPOPMIN z 0
BZPOPMAX x z 0
ZMPOP 1 z MIN
ZMPOP 2 x z MAX COUNT 2
BZMPOP 0 1 z MAX
bzmpop 0 1 z min count 2
ZREMRANGEBYRANK z 0 0
ZREMRANGEBYRANK z 5 9
ZADD z 1 a 1 b 1 c
ZREMRANGEBYSCORE z 5 5
ZREMRANGEBYSCORE z 2 2
ZREMRANGEBYLEX z [a [a
ZREMRANGEBYLEX z [x [x
ZADD y 2 b
ZUNIONSTORE d 2 z y
ZINTERSTORE d 2 z y WEIGHTS 1 2 AGGREGATE MAX
ZDIFFSTORE d 2 z y
ZDIFFSTORE d 1 none
ZDIFFSTORE d 1 none
ZRANGESTORE d z 0 0
ZRANGESTORE d z 7 9
ZRANGESTORE d z 7 9
""")
_case("geo, sort, hyperloglog", """
GEOADD g 13 38 a
GEOADD g 13 38 a
GEOADD g CH 13.5 38 a
GEORADIUS g 13 38 100 km STORE d
GEORADIUS g 13 38 100 km
GEORADIUSBYMEMBER g a 10 km STOREDIST d
GEORADIUSBYMEMBER g a 10 km
GEOSEARCHSTORE d g FROMMEMBER a BYRADIUS 1 km
GEOSEARCHSTORE d g FROMLONLAT 0 0 BYRADIUS 1 m
GEOSEARCHSTORE d g FROMLONLAT 0 0 BYRADIUS 1 m
RPUSH l 2 1
SORT l STORE d
SORT l
SORT none STORE d
SORT none STORE d
SORT l STORE x STORE y
PFADD p a
PFADD p a
PFADD p
PFADD q
PFADD q
PFCOUNT p
PFCOUNT p
PFADD p b c
PFCOUNT p
PFCOUNT p q
PFMERGE p q
PFMERGE r
PFMERGE r p
PFMERGE r p
PFDEBUG GETREG p
PFDEBUG ENCODING p
PFDEBUG TODENSE r
""")
_case("restore", r"""
RESTORE r 0 "\x00\xc0\x05\x0a\x00\x63\x2f\x5f\x66\x83\x2f\xb3\x51"
RESTORE r 100000 "\x00\xc0\x05\x0a\x00\x63\x2f\x5f\x66\x83\x2f\xb3\x51" REPLACE
RESTORE r 33177117420000 "\x00\xc0\x05\x0a\x00\x63\x2f\x5f\x66\x83\x2f\xb3\x51" REPLACE ABSTTL
RESTORE r 33177117420000 "\x00\xc0\x05\x0a\x00\x63\x2f\x5f\x66\x83\x2f\xb3\x51" ABSTTL REPLACE
RESTORE r2 100000 "\x00\xc0\x05\x0a\x00\x63\x2f\x5f\x66\x83\x2f\xb3\x51"
restore r2 0 "\x00\xc0\x05\x0a\x00\x63\x2f\x5f\x66\x83\x2f\xb3\x51" replace
RESTORE r3 0 "\x00\xc0\x05\x0a\x00\x63\x2f\x5f\x66\x83\x2f\xb3\x51" ABSTTL IDLETIME 3
RESTORE r4 0 "\x00\xc0\x05\x0a\x00\x63\x2f\x5f\x66\x83\x2f\xb3\x51" FREQ 3
RESTORE r5 100000 "\x00\xc0\x05\x0a\x00\x63\x2f\x5f\x66\x83\x2f\xb3\x51" FREQ 3 REPLACE
RESTORE r5 1000 "\x00\xc0\x05\x0a\x00\x63\x2f\x5f\x66\x83\x2f\xb3\x51" REPLACE ABSTTL
RESTORE r5 1000 "\x00\xc0\x05\x0a\x00\x63\x2f\x5f\x66\x83\x2f\xb3\x51" ABSTTL
RESTORE r5 1000 "\x00\xc0\x05\x0a\x00\x63\x2f\x5f\x66\x83\x2f\xb3\x51" REPLACE ABSTTL
RESTORE-ASKING r6 0 "\x00\xc0\x05\x0a\x00\x63\x2f\x5f\x66\x83\x2f\xb3\x51"
RESTORE-ASKING r7 100000 "\x00\xc0\x05\x0a\x00\x63\x2f\x5f\x66\x83\x2f\xb3\x51"
""")
_case("migrate to nothing", """
SET k v
MIGRATE 127.0.0.1 1 nokey 0 10
""")

# ------------------------------------------------------------------ streams

_case("xadd and xtrim", """
XADD x * a 1
XADD x 99999999999999-1 a 1
XADD x 99999999999999-* a 1
XADD y 5 a 1
XADD y 5-* a 1
XADD y NOMKSTREAM * a 1
XADD none NOMKSTREAM * a 1
xadd y nomkstream 6-1 a 1
DEL x
XADD x 1-1 a 1
XADD x 2-1 a 1
XADD x MAXLEN 1 3-1 a 1
XADD x MAXLEN = 1 4-1 a 1
XADD x MAXLEN ~ 1 5-1 a 1
XADD x MAXLEN ~ 1 LIMIT 10 6-1 a 1
XADD x MINID 1 7-1 a 1
XADD x maxlen ~ 100 * a 1
XADD x NOMKSTREAM MAXLEN ~ 100 * a 1
XADD x MAXLEN 100 NOMKSTREAM * a 1
XTRIM x MAXLEN 3
XTRIM x MAXLEN 3
XTRIM x MAXLEN = 2
XTRIM x MAXLEN ~ 1
XTRIM x MINID 99
XTRIM x MINID ~ 99999999999999
xtrim x maxlen ~ 0 limit 5
XDEL x 1-1
XADD x2 1-1 a 1
XDEL x2 1-1 7-7
XSETID x2 9-0
XSETID x2 9-0 ENTRIESADDED 5 MAXDELETEDID 3-0
""")
_case("xtrim about whole nodes", """
CONFIG SET stream-node-max-entries 3
XADD x 1 a 1
XADD x 2 a 1
XADD x 3 a 1
XADD x 4 a 1
XADD x 5 a 1
XADD x 6 a 1
XADD x 7 a 1
XADD x 8 a 1
XADD x MAXLEN ~ 7 9 a 1
XADD x MAXLEN ~ 5 10 a 1
XADD x MINID ~ 6 11 a 1
XTRIM x MAXLEN ~ 4
XTRIM x MAXLEN ~ 4
XTRIM x MINID ~ 10
XTRIM x MAXLEN ~ 1 LIMIT 0
XADD x MAXLEN ~ 1 LIMIT 0 * a 1
XTRIM x MAXLEN = 1
CONFIG SET stream-node-max-entries 100
""")
_case("xgroup", """
XGROUP CREATE x g $
XGROUP CREATE x g $ MKSTREAM
XGROUP CREATE x g $ MKSTREAM
XADD x 1-1 a 1
XADD x 2-1 a 1
XGROUP CREATE x g2 0
XGROUP CREATE x g3 $
XGROUP CREATE x g4 1-1 ENTRIESREAD 1
xgroup create x g5 $ mkstream
XGROUP SETID x g 0
XGROUP SETID x g $
XGROUP SETID x g 1 ENTRIESREAD 1
XGROUP CREATECONSUMER x g c
XGROUP CREATECONSUMER x g c
XGROUP DELCONSUMER x g c
XGROUP DELCONSUMER x g c
XGROUP DESTROY x g4
XGROUP DESTROY x g4
XGROUP DESTROY x g
""")
_case("xreadgroup", """
XADD x 1-1 a 1
XADD x 2-1 a 1
XADD x 3-1 a 1
XADD x 4-1 a 1
XGROUP CREATE x g 0
XREADGROUP GROUP g c COUNT 1 STREAMS x >
XREADGROUP GROUP g c COUNT 2 STREAMS x >
XREADGROUP GROUP g c STREAMS x 0
XREADGROUP GROUP g d NOACK STREAMS x >
XADD x 5-1 a 1
XREADGROUP GROUP g d NOACK STREAMS x >
XACK x g 1-1
XACK x g 1-1
XACK x g 2-1 9-9
XADD y 1-1 a 1
XADD x 6-1 a 1
XGROUP CREATE y g 0
XREADGROUP GROUP g c STREAMS x y > >
XGROUP CREATECONSUMER x g e
XREADGROUP GROUP g e STREAMS x 0
""")
_case("xreadgroup of several ids with gaps", """
XADD x 1-1 a 1
XADD x 2-1 a 1
XADD x 3-1 a 1
XDEL x 2-1
XGROUP CREATE x g 0
XREADGROUP GROUP g c STREAMS x >
XGROUP SETID x g 1-1
XREADGROUP GROUP g c STREAMS x >
""")
_case("xclaim", """
XADD x 1-1 a 1
XADD x 2-1 a 1
XADD x 3-1 a 1
XGROUP CREATE x g 0
XREADGROUP GROUP g c STREAMS x >
XCLAIM x g d 0 1-1
XCLAIM x g d 0 1-1 2-1
XCLAIM x g d 0 1-1 JUSTID
XCLAIM x g d 0 1-1 IDLE 5
XCLAIM x g d 0 1-1 TIME 1000
XCLAIM x g d 0 1-1 RETRYCOUNT 9
XCLAIM x g e 0 1-1 LASTID 2-0 FORCE
XCLAIM x g e 0 1-1 LASTID 9-9
XCLAIM x g e 100000000 1-1
XCLAIM x g e 0 7-7
XCLAIM x g e 0 7-7 FORCE
XACK x g 3-1
XCLAIM x g e 0 3-1 FORCE
XDEL x 3-1
XCLAIM x g c 0 3-1
""")
_case("xautoclaim", """
XADD x 1-1 a 1
XADD x 2-1 a 1
XADD x 3-1 a 1
XGROUP CREATE x g 0
XREADGROUP GROUP g c STREAMS x >
XAUTOCLAIM x g d 0 0 COUNT 1
XAUTOCLAIM x g d 0 0
XAUTOCLAIM x g d 0 0 JUSTID
XAUTOCLAIM x g d 10000000 0
XDEL x 2-1
XAUTOCLAIM x g c 0 0
XAUTOCLAIM x g c 0 0
XGROUP DELCONSUMER x g c
""")
_case("xreadgroup that blocks", """
XGROUP CREATE x g $ MKSTREAM
XGROUP CREATECONSUMER x g c
b! XREADGROUP GROUP g c BLOCK 0 STREAMS x >
XADD x 1-1 a 1
b! XREADGROUP GROUP g c BLOCK 0 NOACK STREAMS x >
MULTI
XADD x 2-1 a 1
XADD x 3-1 a 1
EXEC
b! XREADGROUP GROUP g c BLOCK 0 STREAMS x >
DEL x
""")
# ------------------------------------------------------------------ transactions

_case("multi", """
MULTI
EXEC
MULTI
GET a
EXEC
MULTI
SET a 1
EXEC
MULTI
SET a 1
GET a
SET b 2
EXEC
MULTI
GET a
INCRBYFLOAT f 1.5
EXPIRE a 100
EXEC
multi
set a 1
set b 1
exec
MULTI
SET a 1
INCR l
LPUSH a x
EXEC
MULTI
SET a 1
DISCARD
MULTI
SETNX a 1
EXEC
MULTI
SELECT 3
SET a 1
EXEC
SET b 2
MULTI
SET c 1
SELECT 0
SET d 1
SELECT 2
GET x
SELECT 5
EXEC
SET e 1
SELECT 0
SET e 1
MULTI
SELECT 1
SELECT 2
GET x
EXEC
SET e 1
MULTI
SET a 1
SELECT 1
EXEC
SET e 1
SELECT 0
WATCH a
SET a 2
MULTI
SET a 3
EXEC
WATCH a
MULTI
SET a 3
EXEC
SET a 4
""")
_case("multi and others", """
MULTI
PUBLISH a b
EXEC
MULTI
SPUBLISH a b
EXEC
MULTI
PUBLISH a b
SET a 1
EXEC
MULTI
SET a 1
PUBLISH a b
EXEC
MULTI
PUBLISH a b
PUBLISH a c
EXEC
MULTI
FLUSHALL
EXEC
MULTI
FLUSHDB
SET a 1
EXEC
MULTI
SET a 1
FLUSHALL
EXEC
MULTI
EVAL "return 1" 0
EXEC
MULTI
EVAL "redis.call('set','a',1)" 0
EXEC
MULTI
EVAL "redis.call('set','a',1) redis.call('set','b',1)" 0
EXEC
MULTI
EVAL "redis.call('set','a',1)" 0
EVAL "redis.call('set','a',1)" 0
EXEC
MULTI
SCRIPT LOAD "return 1"
EXEC
MULTI
SCRIPT FLUSH
SET a 1
EXEC
MULTI
CONFIG SET maxmemory 0
SET a 1
EXEC
MULTI
SADD s x
SPOP s
EXEC
MULTI
SADD s x y
SPOP s 9
EXEC
MULTI
XADD x * a 1
EXEC
MULTI
XGROUP CREATE x g 0
XREADGROUP GROUP g c STREAMS x >
EXEC
MULTI
RPUSH l a b c
BLPOP l 0
BLMOVE l m LEFT RIGHT 0
BRPOPLPUSH none m 0
EXEC
MULTI
SWAPDB 1 2
EXEC
MULTI
MOVE a 1
EXEC
MULTI
COPY b c DB 1
SORT l STORE d
EXEC
""")
_case("multi with keys whose time is over", """
SET a 1 PX 1
SET b 1 PX 1
sleep 20
MULTI
GET a
EXEC
MULTI
SET x 1
GET b
EXEC
SET a 1 PX 1
SET b 1 PX 1
sleep 20
MULTI
GET a
GET b
EXEC
SET a 1 PX 1
sleep 20
MULTI
SET a 2
SET c 2
EXEC
SET a 1 PX 1
sleep 20
MULTI
EXISTS a
SELECT 3
SET a 2
EXEC
SELECT 0
SET a 1 PX 1
sleep 20
MULTI
DEL a
EXEC
""")

# ------------------------------------------------------------------ expiry

_case("expiry by commands", """
SET a 1 PX 1
SET b 1 PX 1
SET c 1 PX 1
SET d 1 PX 1
SET e 1 PX 1
SET f 1 PX 1
SET g 1 PX 1
SET h 1 PX 1
SET i 1 PX 1
SET j 1 PX 1
SET k 1 PX 1
SET l 1 PX 1
SET m 1 PX 1
SET n 1 PX 1
SET o 1 PX 1
SET p 1 PX 1
SET q 1 PX 1
sleep 20
GET a
SET b 2
DEL c
UNLINK d
EXISTS e
TYPE f
TTL g
INCR h
LPUSH i x
SETNX j x
EXPIRE k 100
PERSIST l
RENAME m m2
COPY n n2
MOVE o 1
GETDEL p
""")
_case("expiry of several keys of a command", """
SET a 1 PX 1
SET b 1 PX 1
SET c 1 PX 1
sleep 20
MGET a b
MSET c 1 d 1
SET a 1 PX 1
SET b 1 PX 1
SET c 1 PX 1
sleep 20
DEL a b c
SET a 1 PX 1
SET b 1 PX 1
SET c 1
sleep 20
DEL a b c
SADD a 1
SADD b 1
PEXPIRE a 1
PEXPIRE b 1
SADD c 1
sleep 20
SUNIONSTORE d a b c
SADD a 1
PEXPIRE a 1
sleep 20
SUNIONSTORE a b c
SET a 1 PX 1
SET b 1
sleep 20
RENAME b a
SET a 1 PX 1
SET b 1
sleep 20
COPY b a
SET a 1 PX 1
SET b 1
sleep 20
COPY b a REPLACE
SET a 1 PX 1
sleep 20
SET a 2 XX
SET a 1 PX 1
sleep 20
SET a 2 KEEPTTL
SET a 1 PX 1
sleep 20
SET a 2 GET
SET a 1 PX 1
sleep 20
GETSET a 2
SET a 1 PX 1
sleep 20
APPEND a 2
SET a 1 PX 1
sleep 20
EVAL "redis.call('get','a')" 0
SET a 1 PX 1
sleep 20
EVAL "redis.call('get','a') redis.call('set','b',1)" 0
SET a 1 PX 1
sleep 20
EVAL "redis.call('set','a',1)" 0
SET a 1 PX 1
sleep 20
KEYS *
SET a 1 PX 1
sleep 20
SCAN 0
SET a 1 PX 1
sleep 20
FLUSHALL
SET a 1 PX 1
sleep 20
RANDOMKEY
SET a 1 PX 1
sleep 20
TOUCH a
SET a 1 PX 1
sleep 20
DUMP a
SET a 1 PX 1
sleep 20
OBJECT ENCODING a
SET a 1 PX 1
sleep 20
EXPIRE a 0
""")
_case("expiry by itself", """
DEBUG SET-ACTIVE-EXPIRE 1
CONFIG SET lazyfree-lazy-expire no
SET a 1 PX 1
expire-by-itself 1
SET b 1
CONFIG SET lazyfree-lazy-expire yes
SET a 1 PX 1
expire-by-itself 2
SET b 1
CONFIG SET lazyfree-lazy-expire no
SELECT 3
SET a 1 PX 1
expire-by-itself 3
SELECT 0
SET a 1
""")
_case("eviction", """
SET a 1
CONFIG SET maxmemory-policy allkeys-random
CONFIG SET lazyfree-lazy-eviction no
CONFIG SET maxmemory 1
SET b 1
CONFIG SET maxmemory 0
SET a 1
CONFIG SET lazyfree-lazy-eviction yes
CONFIG SET maxmemory 1
SET b 1
CONFIG SET maxmemory 0
SET a 1
CONFIG SET maxmemory 1
EVAL "redis.call('set','c',1)" 0
CONFIG SET maxmemory 0
SET a 1
CONFIG SET maxmemory 1
MULTI
SET c 1
EXEC
CONFIG SET maxmemory 0
CONFIG SET lazyfree-lazy-eviction no
CONFIG SET maxmemory-policy noeviction
""")
_case("lazy deletes [redis-8]", """
CONFIG SET lazyfree-lazy-user-del yes
SET a 1
DEL a
CONFIG SET lazyfree-lazy-user-flush yes
FLUSHALL
FLUSHDB
CONFIG SET lazyfree-lazy-user-del no
CONFIG SET lazyfree-lazy-user-flush no
CONFIG SET lazyfree-lazy-server-del yes
SET a 1
EXPIRE a 0
SET a 1 EX 100
GETEX a EXAT 1
SADD s a
SPOP s 1
SET a 1
GETDEL a
SADD s a b
SPOP s 2
SET a 1
SUNIONSTORE a none
CONFIG SET lazyfree-lazy-server-del no
CONFIG SET lazyfree-lazy-expire yes
SET a 1
EXPIRE a 0
SET a 1
GETEX a EXAT 1
SET a 1 PX 1
sleep 20
GET a
CONFIG SET lazyfree-lazy-expire no
""")

# ------------------------------------------------------------------ blocked clients

_case("blocked pops", """
b! BLPOP l 0
LPUSH l a
b! BLPOP l 0
LPUSH l a b c
DEL l
b! BRPOP x l 0
RPUSH l2 a
RPUSH l a
b! BLMOVE src dst LEFT RIGHT 0
RPUSH src a
b! BRPOPLPUSH src dst 0
RPUSH src a b
DEL src l dst
b! BLMPOP 0 1 l3 LEFT COUNT 2
RPUSH l3 a b c
b! BLMPOP 0 1 l4 RIGHT
RPUSH l4 a
b! BZPOPMIN z 0
ZADD z 1 a
DEL z
b! BZPOPMAX z 0
ZADD z 1 a 2 b
DEL z
b! BZMPOP 0 1 z2 MIN COUNT 2
ZADD z2 1 a 2 b 3 c
""")
_case("blocked pops served in transactions and scripts", """
b! BLPOP l 0
MULTI
LPUSH l a
EXEC
b! BLPOP l 0
MULTI
LPUSH l a
SET x 1
EXEC
b! BLPOP l 0
c! BLPOP l 0
MULTI
LPUSH l a
LPUSH l b
EXEC
b! BLPOP l 0
EVAL "redis.call('rpush','l','a')" 0
b! BLPOP l 0
EVAL "redis.call('rpush','l','a') redis.call('set','x','a')" 0
b! BLMOVE l m LEFT LEFT 0
MULTI
SELECT 1
SET x 1
SELECT 0
RPUSH l a
EXEC
DEL m
b! BLMOVE l m LEFT LEFT 0
c! BLPOP m 0
RPUSH l q
b: SELECT 4
b! BLPOP l 0
MULTI
SELECT 4
RPUSH l a
SELECT 0
SET x 1
EXEC
SET y 1
""")
_case("blocked pops served by other commands", """
b! BLPOP l 0
RPUSH k a
RENAME k l
b! BLPOP l 0
RPUSH k a
COPY k l
DEL k
RPUSH k 2 1
b! BLPOP l2 0
SORT k STORE l2
b: SELECT 1
b! BLPOP k 0
MOVE k 1
b: RPOP k
b! BLPOP k 0
RPUSH k a
SWAPDB 0 1
SET a 1
""")

# ------------------------------------------------------------------ scripts and functions

_case("scripts", r"""
EVAL "return 1" 0
EVAL "return redis.call('get','a')" 0
EVAL "return redis.call('set','a',1)" 0
EVAL "redis.call('set','a',1) return redis.call('set','b',1)" 0
EVAL "redis.call('SET','a',1) return redis.call('Incr','b')" 0
EVAL "redis.call('set','a',1) return redis.call('nope')" 0
EVAL "redis.call('set','a',1) redis.call('set','b',1) return redis.call('lpush','a','x')" 0
EVAL "redis.call('set','a',1) error('x')" 0
EVAL "redis.call('set','a',1) redis.pcall('lpush','a','x') redis.call('set','b',1)" 0
EVAL "redis.call('incrbyfloat','f','1.5')" 0
EVAL "redis.call('sadd','s','x') redis.call('spop','s')" 0
EVAL "redis.call('select',3) redis.call('set','s','x')" 0
EVAL "redis.call('set','s','x') redis.call('select',3) redis.call('set','s','x') redis.call('select',0) redis.call('set','q','x')" 0
SET z 1
EVAL "redis.call('publish','a','x')" 0
EVAL "redis.call('publish','a','x') redis.call('set','s','x')" 0
EVAL "redis.call('publish','a','x') redis.call('publish','s','x')" 0
EVAL "redis.call('spublish','a','x')" 0
EVAL "redis.set_repl(redis.REPL_NONE) redis.call('set','a','x')" 0
EVAL "redis.set_repl(redis.REPL_ALL) redis.call('set','a','x')" 0
EVAL "redis.set_repl(redis.REPL_AOF) redis.call('set','a','x')" 0
EVAL "redis.set_repl(redis.REPL_REPLICA) redis.call('set','a','x')" 0
EVAL "redis.set_repl(redis.REPL_NONE) redis.call('set','a','x') redis.set_repl(redis.REPL_ALL) redis.call('set','b','x')" 0
EVAL "redis.set_repl(redis.REPL_AOF) redis.call('set','a','x') redis.set_repl(redis.REPL_ALL) redis.call('set','b','x') redis.call('set','c','x')" 0
EVAL "redis.replicate_commands() redis.call('set','a','x')" 0
EVAL "redis.call('expire','a',100)" 0
EVAL "redis.call('xadd','x','*','a','1')" 0
EVAL "redis.call('pexpire','a',100000) redis.call('setex','b',100,1) redis.call('getex','b','ex',50)" 0
EVAL "redis.call('set','k',1.5) redis.call('set','j',3.0)" 0
EVAL "redis.call('del','none')" 0
EVAL "redis.call('pfadd','p','a') redis.call('pfcount','p')" 0
EVAL "#!lua flags=no-writes\nreturn redis.call('get','a')" 0
EVAL "#!lua\nreturn redis.call('set','a','1')" 0
EVAL_RO "return redis.call('get','a')" 0
SCRIPT LOAD "return redis.call('set',KEYS[1],1)"
EVALSHA 3dc8f2bb8a8c37a2a5ef8efdda0fc0a3a2d4dfab 1 a
EVALSHA d8f2fad9f8e86a53d2a6ebd960b33c4972cacc37 1 a
SCRIPT FLUSH
SCRIPT FLUSH ASYNC
SCRIPT EXISTS a
""")
_case("functions", r"""
FUNCTION LOAD "#!lua name=lib\nredis.register_function('one', function(k,a) return redis.call('set',k[1],a[1]) end)\nredis.register_function('two', function(k,a) redis.call('set',k[1],a[1]) return redis.call('set',k[1],a[1]) end)\nredis.register_function{function_name='none', callback=function() return 1 end, flags={'no-writes'}}"
FUNCTION LOAD REPLACE "#!lua name=lib\nredis.register_function('one', function(k,a) return redis.call('set',k[1],a[1]) end)\nredis.register_function('two', function(k,a) redis.call('set',k[1],a[1]) return redis.call('set',k[1],a[1]) end)\nredis.register_function{function_name='none', callback=function() return 1 end, flags={'no-writes'}}"
FUNCTION LOAD "#!lua name=lib\nreturn 1"
FCALL one 1 k v
FCALL two 1 k v
FCALL none 0
FCALL_RO none 0
FCALL_RO one 1 k v
MULTI
FCALL one 1 k v
EXEC
MULTI
FCALL two 1 k v
SET a 1
EXEC
FUNCTION DELETE lib
FUNCTION DELETE lib
FUNCTION RESTORE ${x}
FUNCTION RESTORE ${x} REPLACE
FUNCTION RESTORE ${x} FLUSH
FUNCTION FLUSH
FUNCTION FLUSH ASYNC
function flush sync
MULTI
FUNCTION FLUSH
SET a 1
EXEC
SELECT 3
FUNCTION FLUSH
SET a 1
""")

# ------------------------------------------------------------------ the rest

_case("messages", """
PUBLISH a b
publish a b
SPUBLISH a b
SELECT 3
PUBLISH a b
SET a 1
PUBLISH a b
SELECT 0
PUBLISH a b
SET a 1
""")
_case("select", """
SELECT 0
SET a 1
SELECT 1
GET a
SELECT 2
SET a 1
SELECT 2
SET a 1
b: SET a 1
SET a 1
SELECT 0
SET a 1
""")
_case("no change", """
SET a 1
CLIENT NO-EVICT on
CLIENT SETNAME x
CONFIG SET hz 20
CONFIG SET hz 10
DEBUG SET-ACTIVE-EXPIRE 1
DEBUG SLEEP 0
ACL SETUSER x on
ACL DELUSER x
SCRIPT LOAD "return 1"
SUBSCRIBE ch
UNSUBSCRIBE ch
SLOWLOG RESET
CONFIG RESETSTAT
DEBUG RELOAD
SET a 1
MEMORY PURGE
""")
# ------------------------------------------------------------------ newer than 7.0

_case("times of fields [redis-8]", """
DEBUG SET-ACTIVE-EXPIRE 1
HSET h a 1 b 2 c 3 d 4 e 5
HEXPIRE h 100 FIELDS 1 a
HPEXPIRE h 100000 FIELDS 2 a b
HEXPIREAT h 33177117420 FIELDS 1 a
HPEXPIREAT h 33177117420000 FIELDS 1 a
HPERSIST h FIELDS 1 a
HEXPIRE h 0 FIELDS 1 a
HPEXPIREAT h 1 FIELDS 1 d
HEXPIRE h 100 FIELDS 1 none
HEXPIRE none 100 FIELDS 1 none
HSET h a 1
HPEXPIRE h 1 FIELDS 1 a
field-expires h a
HGETDEL h FIELDS 1 b
HGETDEL h FIELDS 1 none
HGETEX h FIELDS 1 c
HGETEX h EX 100 FIELDS 1 c
HGETEX h PXAT 33177117420000 FIELDS 1 c
HGETEX h PERSIST FIELDS 1 c
HGETEX h PERSIST FIELDS 1 c
HGETEX h PXAT 1 FIELDS 1 c
""")
_case("delifeq [valkey-9]", """
SET k v
DELIFEQ k x
DELIFEQ k v
""")

# Chance, or what other tests are about.
NOT_RANDOM = {"debug", "config", "client", "wait", "dump", "spop"}


NOT_RECORDED = {"spop", "debug", "shutdown", "subscribe", "psubscribe", "ssubscribe", "monitor", "config", "quit",
                "sync", "psync", "acl", "replicaof", "slaveof", "failover", "client", "reset", "hello", "auth", "blpop", "brpop", "blmove",
                "blmpop", "bzpopmin", "bzpopmax", "bzmpop", "brpoplpush"}

BLOCKING = re.compile(r"\b(bl|br|bz)[a-z]*(pop|push|move)", re.I)


def _has(group, *names):
    return any(str(w).lower() in names for words in group for w in words)


def _without(stream, *heads):
    """Without the commands that begin so, and the transactions around what is left alone then."""
    kept = [c for c in stream if tuple(w.upper() for w in c[:len(heads)]) != heads]
    return [c for c in kept if c[0] not in ("MULTI", "EXEC")]


def _no_minid(words):
    i = words.index("=") if "=" in words else 0
    return (*words[:i], *words[i + 2:]) if i and words[i - 1].upper() == "MINID" else words


# (reason, does it explain this difference?): the commands, their replies, the oracle's stream, stet's.
DELIBERATE = [
    ("blocking commands do not block in scripts, where 7.0 refuses them", lambda group, replies, a, b:
     _has(group, "eval", "fcall") and any(BLOCKING.search(str(w)) for words in group for w in words)),
    ("7.2 knows more words, so 7.0 refuses the transaction", lambda group, replies, a, b:
     replies and "EXECABORT" in repr(replies[0]) and "EXECABORT" not in repr(replies[1])),
    ("a string that BITFIELD made longer stays so", lambda group, replies, a, b:
     _has(group, "bitfield") and _has(group, "fail")),
    ("a new consumer is propagated; which id comes first of entries that are not there", lambda group, replies, a, b:
     _has(group, "xautoclaim", "xreadgroup", "xclaim", "minid") and
     [_no_minid(c) for c in _without(b, "XGROUP", "CREATECONSUMER")] ==
     [_no_minid(c) for c in _without(a, "XGROUP", "CREATECONSUMER")]),
]
