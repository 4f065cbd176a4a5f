/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What each command tells of: how many changes, and which events in which order.
 */
#include "engine_help.h"

#include <criterion/criterion.h>

TestSuite(change, .init = engine_begin, .fini = engine_end);

struct change {
    const char *before; /* sent first, parted by ';' */
    const char *command;
    unsigned changes;
    const char *events;
};

/* What DUMP tells of 5. */
#define FIVE "\"\\x00\\xc0\\x05\\x0a\\x00\\x63\\x2f\\x5f\\x66\\x83\\x2f\\xb3\\x51\""

/* clang-format off */
static const struct change changes[] = {
    {"", "SET k v", 1, "new:k set:k"},
    {"SET k v", "SET k v", 1, "set:k"},
    {"SET k v", "SET k w EX 10", 1, "set:k expire:k"},
    {"", "SET k v XX", 0, ""},
    {"SET k v", "SET k w NX", 0, ""},
    {"SET k v", "SET k w NX GET", 0, ""},
    {"SET k v", "SETNX k w", 0, ""},
    {"", "SETNX k w", 1, "new:k set:k"},
    {"", "SETEX k 10 v", 1, "new:k set:k expire:k"},
    {"SET k v", "PSETEX k 10 v", 1, "set:k expire:k"},
    {"SET k v", "GETSET k w", 1, "set:k"},
    {"SET k v", "GETDEL k", 1, "del:k"},
    {"", "GETDEL k", 0, "keymiss:k"},
    {"SET k v", "GETEX k", 0, ""},
    {"SET k v", "GETEX k EX 5", 1, "expire:k"},
    {"SET k v", "GETEX k EXAT 5", 1, "del:k"},
    {"SET k v", "GETEX k PERSIST", 0, ""},
    {"SET k v EX 5", "GETEX k PERSIST", 1, "persist:k"},
    {"SET a 1", "MSET a 2 b 3", 2, "set:a new:b set:b"},
    {"", "MSETNX a 2 b 3", 2, "new:a set:a new:b set:b"},
    {"SET b 1", "MSETNX a 2 b 3", 0, ""},
    {"SET a 1", "MGET a b", 0, "keymiss:b"},
    {"", "APPEND k v", 1, "new:k append:k"},
    {"SET k v", "APPEND k v", 1, "append:k"},
    {"SET k v", "SET k w IFEQ v", 1, "set:k"},
    {"SET k v", "SET k w IFEQ w GET", 0, ""},
    {"", "SET k w IFEQ v", 0, ""},
    {"", "SET k w IFNE v", 1, "new:k set:k"},
    {"SET k v", "SET k w IFNE v", 0, ""},
    {"SADD k v", "SET k w IFNE v", 0, ""},
    {"SET k v", "DELEX k", 1, "del:k"},
    {"SET k v", "DELEX k IFEQ v", 1, "del:k"},
    {"SET k v", "DELEX k IFNE v", 0, ""},
    {"", "DELEX k IFNE v", 0, ""},
    {"SET k v", "DELIFEQ k v", 1, "del:k"},
    {"SET k v", "DELIFEQ k w", 0, ""},
    {"SET a 1", "MSETEX 2 a 2 b 3", 2, "set:a new:b set:b"},
    {"SET a 1", "MSETEX 1 a 2 EX 10", 1, "set:a expire:a"},
    {"SET a 1", "MSETEX 2 a 2 b 3 NX", 0, ""},
    {"SET a 1", "MSETEX 2 a 2 b 3 XX", 0, ""},
    {"SET a 1 EX 9", "MSETEX 1 a 2 XX KEEPTTL", 1, "set:a"},
    {"", "SETRANGE k 3 v", 1, "new:k setrange:k"},
    {"SET k v", "SETRANGE k 3 ''", 0, ""},
    {"", "INCR k", 1, "new:k incrby:k"},
    {"SET k 5", "DECRBY k 2", 1, "incrby:k"},
    {"SET k v", "INCR k", 0, ""},
    {"", "INCRBYFLOAT k 1.5", 1, "new:k incrbyfloat:k"},
    {"", "SETBIT k 0 0", 1, "new:k setbit:k"},
    {"SETBIT k 0 0", "SETBIT k 7 0", 0, ""},
    {"SETBIT k 0 0", "SETBIT k 8 0", 1, "setbit:k"},
    {"SETBIT k 0 0", "BITFIELD k SET u4 0 0 INCRBY u4 4 0", 0, ""},
    {"SETBIT k 0 0", "BITFIELD k SET u4 0 1 INCRBY u4 4 1", 2, "setbit:k"},
    {"SET k v", "BITOP NOT d k", 1, "new:d set:d"},
    {"SET d v", "BITOP NOT d k", 1, "keymiss:k del:d"},
    {"SET a 1;SET b 2", "DEL a b c", 2, "del:a del:b"},
    {"SET a 1", "UNLINK a", 1, "del:a"},
    {"SET a 1", "RENAME a b", 1, "new:b rename_from:a rename_to:b"},
    {"SET a 1;SET b 1", "RENAME a b", 1, "new:b rename_from:a rename_to:b"},
    {"SET a 1", "RENAME a a", 0, ""},
    {"SET a 1;SET b 1", "RENAMENX a b", 0, ""},
    {"SET a 1", "DUMP a", 0, ""},
    {"", "MIGRATE localhost 1 k 0 10", 0, "keymiss:k"},
    {"", "RESTORE a 0 " FIVE, 1, "new:a restore:a"},
    {"SET a 1", "RESTORE a 0 " FIVE, 0, ""},
    {"SET a 1", "RESTORE a 0 " FIVE " REPLACE", 1, "new:a restore:a"},
    {"SET a 1", "RESTORE a 1 " FIVE " REPLACE ABSTTL", 1, "del:a"},
    {"", "RESTORE-ASKING a 1 " FIVE " ABSTTL", 0, ""},
    {"SET a 1", "MOVE a 1", 1, "new:a@1 move_from:a move_to:a@1"},
    {"SET a 1", "COPY a b", 1, "new:b copy_to:b"},
    {"SET a 1;SET b 1", "COPY a b REPLACE", 1, "new:b copy_to:b"},
    {"SET a 1;SET b 1", "COPY a b", 0, ""},
    {"SET a 1", "EXPIRE a 10", 1, "expire:a"},
    {"SET a 1", "EXPIRE a -1", 1, "del:a"},
    {"SET a 1 EX 10", "EXPIRE a 5 GT", 0, ""},
    {"SET a 1 EX 10", "PERSIST a", 1, "persist:a"},
    {"SET a 1", "PERSIST a", 0, ""},
    {"", "EXISTS a", 0, "keymiss:a"},
    {"", "TTL a", 0, "keymiss:a"},
    {"", "OBJECT ENCODING a", 0, ""},
    {"", "HSET h a 1 b 2", 2, "new:h hset:h"},
    {"HSET h a 1", "HSET h a 1", 1, "hset:h"},
    {"", "HMSET h a 1", 1, "new:h hset:h"},
    {"", "HSETNX h a 1", 1, "new:h hset:h"},
    {"HSET h a 1", "HSETNX h a 2", 0, ""},
    {"HSET h a 1 b 2 c 3", "HDEL h a b x", 2, "hdel:h"},
    {"HSET h a 1", "HDEL h a b", 1, "hdel:h del:h"},
    {"HSET h a 1", "HDEL h b", 0, ""},
    {"", "HINCRBY h a 1", 1, "new:h hincrby:h"},
    {"HSET h a x", "HINCRBY h a 1", 0, ""},
    {"HSET h a 1", "HINCRBYFLOAT h a 1", 1, "hincrbyfloat:h"},
    {"", "HGET h a", 0, "keymiss:h"},
    {"", "ZADD z 1 a 2 b", 2, "new:z zadd:z"},
    {"ZADD z 1 a", "ZADD z 1 a", 0, ""},
    {"ZADD z 1 a", "ZADD z 2 a 3 b", 2, "zadd:z"},
    {"ZADD z 1 a", "ZADD z NX 2 a", 0, ""},
    {"", "ZADD z XX 2 a", 0, ""},
    {"ZADD z 1 a", "ZADD z GT 0 a", 0, ""},
    {"ZADD z 1 a", "ZADD z INCR 1 a", 1, "zincr:z"},
    {"ZADD z 1 a", "ZINCRBY z 0 a", 0, ""},
    {"", "ZINCRBY z 2 a", 1, "new:z zincr:z"},
    {"ZADD z inf a", "ZINCRBY z -inf a", 0, ""},
    {"ZADD z 1 a 2 b", "ZREM z a c", 1, "zrem:z"},
    {"ZADD z 1 a 2 b", "ZREM z a b", 2, "zrem:z del:z"},
    {"ZADD z 1 a", "ZREM z c", 0, ""},
    {"ZADD z 1 a 2 b 3 c", "ZREMRANGEBYRANK z 0 1", 2, "zremrangebyrank:z"},
    {"ZADD z 1 a 2 b", "ZREMRANGEBYSCORE z 0 9", 2, "zremrangebyscore:z del:z"},
    {"ZADD z 0 a 0 b", "ZREMRANGEBYLEX z - [a", 1, "zremrangebylex:z"},
    {"ZADD z 1 a", "ZREMRANGEBYSCORE z 5 9", 0, ""},
    {"ZADD z 1 a", "ZCARD z", 0, ""},
    {"ZADD z 1 a", "ZCOUNT z 0 1", 0, ""},
    {"ZADD z 1 a", "ZLEXCOUNT z - +", 0, ""},
    {"ZADD z 1 a", "ZSCORE z a", 0, ""},
    {"ZADD z 1 a", "ZMSCORE z a", 0, ""},
    {"ZADD z 1 a", "ZRANK z a", 0, ""},
    {"ZADD z 1 a", "ZREVRANK z a", 0, ""},
    {"ZADD z 1 a", "ZRANGE z 0 -1", 0, ""},
    {"ZADD z 1 a", "ZREVRANGE z 0 -1", 0, ""},
    {"ZADD z 1 a", "ZRANGEBYSCORE z 0 1", 0, ""},
    {"ZADD z 1 a", "ZREVRANGEBYSCORE z 1 0", 0, ""},
    {"ZADD z 1 a", "ZRANGEBYLEX z - +", 0, ""},
    {"ZADD z 1 a", "ZREVRANGEBYLEX z + -", 0, ""},
    {"ZADD z 1 a", "ZSCAN z 0", 0, ""},
    {"ZADD z 1 a", "ZRANDMEMBER z", 0, ""},
    {"ZADD z 1 a 2 b", "ZRANGESTORE d z 0 0", 1, "new:d zrangestore:d"},
    {"ZADD d 1 a", "ZRANGESTORE d z 0 0", 1, "keymiss:z del:d"},
    {"ZADD z 1 a", "ZUNION 2 z y", 0, "keymiss:y"},
    {"ZADD z 1 a", "ZINTER 1 z", 0, ""},
    {"ZADD z 1 a", "ZDIFF 1 z", 0, ""},
    {"ZADD z 1 a", "ZINTERCARD 1 z", 0, ""},
    {"ZADD z 1 a 2 b", "ZUNIONSTORE d 1 z", 1, "new:d zunionstore:d"},
    {"ZADD z 1 a;SET d v", "ZINTERSTORE d 1 z", 1, "zinterstore:d"},
    {"ZADD z 1 a", "ZDIFFSTORE z 2 z z", 1, "del:z"},
    {"ZADD z 1 a 2 b", "ZPOPMIN z", 1, "zpopmin:z"},
    {"ZADD z 1 a 2 b", "ZPOPMAX z 5", 2, "zpopmax:z del:z"},
    {"ZADD z 1 a", "ZPOPMAX z 0", 0, ""},
    {"ZADD z 1 a 2 b", "ZMPOP 2 y z MIN COUNT 2", 2, "zpopmin:z del:z"},
    {"ZADD z 1 a 2 b", "BZMPOP 0 1 z MAX", 1, "zpopmax:z"},
    {"ZADD z 1 a", "BZPOPMIN y z 0", 1, "zpopmin:z del:z"},
    {"", "GEOADD g 1 2 a 3 4 b", 2, "new:g zadd:g"},
    {"GEOADD g 1 2 a", "GEOADD g 1 2 a", 0, ""},
    {"GEOADD g 1 2 a", "GEOPOS g a", 0, ""},
    {"GEOADD g 1 2 a", "GEODIST g a a", 0, ""},
    {"GEOADD g 1 2 a", "GEOHASH g a", 0, ""},
    {"GEOADD g 1 2 a", "GEOSEARCH g FROMMEMBER a BYRADIUS 1 m", 0, ""},
    {"GEOADD g 1 2 a", "GEORADIUS g 1 2 1 km", 0, ""},
    {"GEOADD g 1 2 a", "GEORADIUS_RO g 1 2 1 km", 0, ""},
    {"GEOADD g 1 2 a", "GEORADIUSBYMEMBER g a 1 km", 0, ""},
    {"GEOADD g 1 2 a", "GEORADIUSBYMEMBER_RO g a 1 km", 0, ""},
    {"GEOADD g 1 2 a 1 2 b", "GEORADIUS g 1 2 1 km STORE d", 2, "new:d georadiusstore:d"},
    {"GEOADD g 1 2 a", "GEORADIUS g 9 9 1 km STORE g", 1, "del:g"},
    {"GEOADD g 1 2 a 1 2 b", "GEOSEARCHSTORE d g FROMMEMBER a BYBOX 1 1 m", 2,
     "new:d geosearchstore:d"},
    {"ZADD z 1 a", "BZPOPMAX z 0", 1, "zpopmax:z del:z"},
    {"HSET h a 1 b 2", "HEXPIRE h 10 FIELDS 3 a b c", 2, "hexpire:h"},
    {"HSET h a 1 b 2", "HPEXPIRE h 0 FIELDS 2 a c", 1, "hdel:h"},
    {"HSET h a 1", "HEXPIREAT h 0 FIELDS 1 a", 1, "hdel:h del:h"},
    {"HSET h a 1", "HPEXPIREAT h 2000000000000 XX FIELDS 1 a", 0, ""},
    {"HSETEX h EX 10 FIELDS 1 a 1;HSET h b 2", "HPERSIST h FIELDS 2 a b", 1, "hpersist:h"},
    {"HSET h a 1", "HPERSIST h FIELDS 1 a", 0, ""},
    {"", "HSETEX h FIELDS 2 a 1 b 2", 2, "new:h hset:h"},
    {"", "HSETEX h EX 10 FIELDS 1 a 1", 1, "new:h hset:h hexpire:h"},
    {"HSET h a 1", "HSETEX h PXAT 1 FIELDS 2 a 1 b 2", 1, "hdel:h del:h"},
    {"HSET h a 1", "HSETEX h FNX FIELDS 2 a 1 b 2", 0, ""},
    {"HSET h a 1", "HGETEX h FIELDS 1 a", 0, ""},
    {"HSET h a 1", "HGETEX h EX 10 FIELDS 2 a b", 1, "hexpire:h"},
    {"HSETEX h EX 10 FIELDS 1 a 1", "HGETEX h PERSIST FIELDS 1 a", 1, "hpersist:h"},
    {"HSET h a 1", "HGETEX h PXAT 1 FIELDS 1 a", 1, "hdel:h del:h"},
    {"HSET h a 1 b 2", "HGETDEL h FIELDS 2 a c", 1, "hdel:h"},
    {"HSET h a 1 b 2", "HGETDEL h FIELDS 2 a b", 2, "hdel:h del:h"},
    {"", "SADD s a b a", 2, "new:s sadd:s"},
    {"SADD s a", "SADD s a", 0, ""},
    {"SADD s a b", "SREM s a c", 1, "srem:s"},
    {"SADD s a b", "SREM s a b", 2, "srem:s del:s"},
    {"SADD s a b", "SMOVE s t a", 2, "srem:s new:t sadd:t"},
    {"SADD s a;SADD t a", "SMOVE s t a", 1, "srem:s del:s"},
    {"SADD s a", "SMOVE s s a", 0, ""},
    {"SADD s a b", "SPOP s", 1, "spop:s"},
    {"SADD s a", "SPOP s", 1, "spop:s del:s"},
    {"SADD s a b c", "SPOP s 2", 2, "spop:s"},
    {"SADD s a b c", "SPOP s 5", 3, "spop:s del:s"},
    {"SADD s a b c", "SPOP s 0", 0, ""},
    {"SADD s a b", "SINTERSTORE d s s", 1, "new:d sinterstore:d"},
    {"SADD s a b;SET d x", "SUNIONSTORE d s", 1, "sunionstore:d"},
    {"SADD s a b;SET d x", "SDIFFSTORE d s s", 1, "del:d"},
    {"SADD s a b", "SDIFFSTORE s s t", 1, "keymiss:t sdiffstore:s"},
    {"", "SINTERSTORE d s", 0, "keymiss:s"},
    {"SET a 1;SET b 1", "FLUSHDB", 2, ""},
    {"SET a 1", "SWAPDB 0 1", 1, ""},
    {"", "RPUSH l a b c", 3, "new:l rpush:l"},
    {"RPUSH l a", "LPUSH l b", 1, "lpush:l"},
    {"", "LPUSHX l a", 0, ""},
    {"RPUSH l a b", "LPOP l", 1, "lpop:l"},
    {"RPUSH l a b", "RPOP l 2", 2, "rpop:l del:l"},
    {"RPUSH l a b", "LPOP l 0", 0, ""},
    {"RPUSH l a b", "BLPOP l 0", 1, "lpop:l"},
    {"RPUSH l a b", "LMPOP 1 l LEFT COUNT 5", 2, "lpop:l del:l"},
    {"RPUSH l a b", "LSET l 0 c", 1, "lset:l"},
    {"RPUSH l a b", "LINSERT l BEFORE b c", 1, "linsert:l"},
    {"RPUSH l a b", "LINSERT l BEFORE x c", 0, ""},
    {"RPUSH l a b a", "LREM l 0 a", 2, "lrem:l"},
    {"RPUSH l a a", "LREM l 0 a", 2, "lrem:l del:l"},
    {"RPUSH l a b c", "LTRIM l 1 1", 2, "ltrim:l"},
    {"RPUSH l a b c", "LTRIM l 0 -1", 0, "ltrim:l"},
    {"RPUSH l a b c", "LTRIM l 5 9", 3, "ltrim:l del:l"},
    {"RPUSH l 2 1", "SORT l STORE d", 2, "new:d sortstore:d"},
    {"SET d x", "SORT none STORE d", 1, "keymiss:none del:d"},
    {"RPUSH l a", "RPOPLPUSH l m", 1, "new:m lpush:m rpop:l del:l"},
    {"RPUSH l a b", "LMOVE l l LEFT RIGHT", 1, "rpush:l lpop:l"},
    {"", "PFADD h", 1, "new:h pfadd:h"},
    {"", "PFADD h a b", 3, "new:h pfadd:h"},
    {"PFADD h a", "PFADD h a", 0, ""},
    {"PFADD h a", "PFCOUNT h", 1, ""},
    {"PFADD h a;PFCOUNT h", "PFCOUNT h", 0, ""},
    {"PFADD h a", "PFCOUNT h h", 0, ""},
    {"PFADD h a", "PFMERGE d h", 1, "keymiss:d new:d pfadd:d"},
    {"PFADD h a", "PFDEBUG TODENSE h", 1, ""},
    {"", "XADD s 1-1 f v", 1, "new:s xadd:s"},
    {"XADD s 1-1 f v", "XADD s MAXLEN 1 2-1 f v", 1, "xadd:s xtrim:s"},
    {"XADD s 1-1 f v", "XADD s 1-1 f v", 0, ""},
    {"", "XADD s NOMKSTREAM 1-1 f v", 0, ""},
    {"XADD s 1-1 f v;XADD s 2-1 f v", "XTRIM s MAXLEN 0", 2, "xtrim:s"},
    {"XADD s 1-1 f v", "XTRIM s MAXLEN 1", 0, ""},
    {"XADD s 1-1 f v;XADD s 2-1 f v", "XDEL s 1-1 2-1 3-1", 2, "xdel:s"},
    {"XADD s 1-1 f v", "XDEL s 3-1", 0, ""},
    {"XADD s 1-1 f v", "XSETID s 9-9", 1, "xsetid:s"},
    {"XADD s 1-1 f v", "XRANGE s - +", 0, ""},
    {"XADD s 1-1 f v", "XREVRANGE s + -", 0, ""},
    {"XADD s 1-1 f v", "XREAD STREAMS s 0", 0, ""},
    {"", "XLEN s", 0, "keymiss:s"},
    {"", "XINFO STREAM s", 0, "keymiss:s"},
    {"", "XGROUP CREATE s g $ MKSTREAM", 1, "new:s xgroup-create:s"},
    {"XGROUP CREATE s g $ MKSTREAM", "XGROUP CREATE s g $", 0, ""},
    {"XGROUP CREATE s g $ MKSTREAM", "XGROUP SETID s g 1-1", 1, "xgroup-setid:s"},
    {"XGROUP CREATE s g $ MKSTREAM", "XGROUP CREATECONSUMER s g c", 1, "xgroup-createconsumer:s"},
    {"XGROUP CREATE s g $ MKSTREAM;XGROUP CREATECONSUMER s g c", "XGROUP CREATECONSUMER s g c", 0,
     ""},
    {"XGROUP CREATE s g $ MKSTREAM;XGROUP CREATECONSUMER s g c", "XGROUP DELCONSUMER s g c", 1,
     "xgroup-delconsumer:s"},
    {"XGROUP CREATE s g $ MKSTREAM", "XGROUP DESTROY s g", 1, "xgroup-destroy:s"},
    {"XGROUP CREATE s g $ MKSTREAM", "XGROUP DESTROY s h", 0, ""},
    {"XGROUP CREATE s g $ MKSTREAM", "XREADGROUP GROUP g c STREAMS s >", 1,
     "xgroup-createconsumer:s"},
    {"XGROUP CREATE s g $ MKSTREAM;XADD s 1-1 f v;XGROUP CREATECONSUMER s g c",
     "XREADGROUP GROUP g c STREAMS s >", 1, ""},
    {"XGROUP CREATE s g $ MKSTREAM;XGROUP CREATECONSUMER s g c", "XREADGROUP GROUP g c STREAMS s 0",
     0, ""},
    {"XGROUP CREATE s g $ MKSTREAM;XADD s 1-1 f v;XREADGROUP GROUP g c STREAMS s >",
     "XACK s g 1-1 2-2", 1, ""},
    {"XGROUP CREATE s g $ MKSTREAM", "XACK s g 1-1", 0, ""},
    {"XGROUP CREATE s g $ MKSTREAM;XADD s 1-1 f v;XREADGROUP GROUP g c STREAMS s >",
     "XCLAIM s g d 0 1-1", 2, "xgroup-createconsumer:s"},
    {"XGROUP CREATE s g $ MKSTREAM;XADD s 1-1 f v;XREADGROUP GROUP g c STREAMS s >",
     "XAUTOCLAIM s g c 0 0", 1, ""},
    {"XGROUP CREATE s g $ MKSTREAM", "XPENDING s g", 0, ""},
};
/* clang-format on */

static void say_all(const char *lines) {
    char text[256], *rest = text, *line;

    snprintf(text, sizeof text, "%s", lines);
    while ((line = strsep(&rest, ";"))) engine_say(line);
}

Test(change, is_counted_and_told_by_every_command) {
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        const struct change *c = &changes[i];
        uint64_t dirty;

        engine_say("FLUSHALL");
        say_all(c->before);
        engine_events();
        dirty = engine.dirty;
        engine_say(c->command);
        cr_expect_eq(engine.dirty - dirty, c->changes, "%s; %s: %lu changes", c->before, c->command,
                     (unsigned long)(engine.dirty - dirty));
        cr_expect_str_eq(engine_events(), c->events, "%s; %s", c->before, c->command);
    }
}

Test(change, an_expired_key_is_told_once_and_is_no_change) {
    uint64_t dirty;

    engine_say("SET k v PX 100");
    clock_advance_ms(99);
    clock_refresh();
    cr_expect_str_eq(engine_say("PTTL k"), ":1\r\n");
    clock_advance_ms(1);
    clock_refresh();
    engine_events();
    dirty = engine.dirty;
    cr_expect_str_eq(engine_say("GET k"), "$-1\r\n");
    cr_expect_str_eq(engine_events(), "expired:k keymiss:k");
    cr_expect_str_eq(engine_say("GET k"), "$-1\r\n");
    cr_expect_str_eq(engine_events(), "keymiss:k");
    cr_expect_eq(engine.dirty, dirty);
}
