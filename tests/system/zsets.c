/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sorted sets and places over the wire: a thread through every command, waiting, and restarts. What
 * each argument does is the golden transcripts' matter.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/ask.h"
#include "tests/kit/server.h"

TestSuite(zsets, .fini = kit_end);

Test(zsets, every_command_does_its_work) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, ":3", "ZADD z 1 a 2 b 3 c");
    EXPECT(c, ":1", "ZADD z CH GT 1 c 2.5 b");
    EXPECT(c, "$3.5", "ZADD z INCR 0.5 c");
    EXPECT(c, "(nil)", "ZADD z NX INCR 0.5 c");
    EXPECT(c, "$-inf", "ZINCRBY z -inf a");
    EXPECT(c, "-ERR resulting score is not a number (NaN)", "ZINCRBY z inf a");
    EXPECT(c, ":3", "ZCARD z");
    EXPECT(c, ":2", "ZCOUNT z (-inf +inf");
    EXPECT(c, "[$-inf (nil)]", "ZMSCORE z a x");
    EXPECT(c, "$2.5", "ZSCORE z b");
    EXPECT(c, "[:1 $2.5]", "ZRANK z b WITHSCORE");
    EXPECT(c, ":0", "ZREVRANK z c");
    EXPECT(c, "[$b $2.5 $c $3.5]", "ZRANGE z 1 -1 WITHSCORES");
    EXPECT(c, "[$c $b]", "ZRANGE z +inf (-inf BYSCORE REV LIMIT 0 2");
    EXPECT(c, "[$c $b $a]", "ZREVRANGE z 0 -1");
    EXPECT(c, "[$b]", "ZRANGEBYSCORE z 0 9 LIMIT 0 1");
    EXPECT(c, "[$c]", "ZREVRANGEBYSCORE z 9 (2.5");
    EXPECT(c, ":2", "ZRANGESTORE y z 1 2");
    EXPECT(c, ":4", "ZADD l 0 a 0 b 0 c 0 d");
    EXPECT(c, "[$b $c]", "ZRANGEBYLEX l (a [c");
    EXPECT(c, "[$d]", "ZREVRANGEBYLEX l + - LIMIT 0 1");
    EXPECT(c, ":3", "ZLEXCOUNT l [b +");
    EXPECT(c, ":1", "ZREMRANGEBYLEX l [d +");
    EXPECT(c, ":1", "ZREMRANGEBYRANK l 0 0");
    EXPECT(c, ":2", "ZREMRANGEBYSCORE l 0 0");
    EXPECT(c, ":0", "EXISTS l");
    EXPECT(c, "[$0 [$a $-inf]]", "ZSCAN z 0 MATCH a");
    EXPECT(c, "[$c $b $a]", "ZRANDMEMBER z 5");
    EXPECT(c, "[$a $-inf]", "ZPOPMIN z");
    EXPECT(c, "[$c $3.5 $b $2.5]", "ZPOPMAX z 9");
    EXPECT(c, "[$y [[$b $2.5]]]", "ZMPOP 2 z y MIN");
    EXPECT(c, "[$y $c $3.5]", "BZPOPMAX z y 0");
    EXPECT(c, ":0", "DBSIZE");
}

Test(zsets, are_combined_with_each_other_and_with_sets) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, ":2", "ZADD z 1 a 2 b");
    EXPECT(c, ":2", "SADD s b c");
    EXPECT(c, "[$a $1 $c $1 $b $3]", "ZUNION 2 z s WITHSCORES");
    EXPECT(c, "[$b $2]", "ZINTER 2 z s AGGREGATE MAX WITHSCORES");
    EXPECT(c, "[$a]", "ZDIFF 2 z s");
    EXPECT(c, ":1", "ZINTERCARD 2 z s LIMIT 5");
    EXPECT(c, ":3", "ZUNIONSTORE d 2 z s WEIGHTS 10 1");
    EXPECT(c, "[$c $1 $a $10 $b $21]", "ZRANGE d 0 -1 WITHSCORES");
    EXPECT(c, ":1", "ZINTERSTORE d 2 z s");
    EXPECT(c, ":0", "ZDIFFSTORE d 1 none");
    EXPECT(c, ":0", "EXISTS d");
    EXPECT(c, "-WRONGTYPE Operation against a key holding the wrong kind of value", "ZCARD s");
}

Test(zsets, places_are_found) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, ":2", "GEOADD g 13.361389 38.115556 p 15.087269 37.502669 c");
    EXPECT(c, "$166.2742", "GEODIST g p c km");
    EXPECT(c, "[$sqc8b49rny0 (nil)]", "GEOHASH g p x");
    EXPECT(c, "[[$13.36138933897018433 $38.11555639549629859]]", "GEOPOS g p");
    EXPECT(c, "[[$c $56.4413] [$p $190.4424]]", "GEORADIUS g 15 37 200 km WITHDIST ASC");
    EXPECT(c, "[$c]", "GEORADIUS_RO g 15 37 100 km");
    EXPECT(c, "[$p]", "GEORADIUSBYMEMBER g p 1 m");
    EXPECT(c, "[$c $p]", "GEORADIUSBYMEMBER_RO g c 300 km ASC");
    EXPECT(c, "[$c]", "GEOSEARCH g FROMMEMBER p BYBOX 400 400 km DESC COUNT 1");
    EXPECT(c, ":2", "GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST");
    EXPECT(c, "[[$p $24437.4086]]", "GEOSEARCH g BYPOLYGON 3 13 38 14 38 13 39 WITHDIST");
    EXPECT(c, "-ERR GEOSEARCH BYPOLYGON must have at least 3 vertices",
           "GEOSEARCH g BYPOLYGON 3 13 38 14 38");
    EXPECT(c, "-ERR syntax error", "GEOSEARCH g FROMMEMBER p BYPOLYGON 3 13 38 14 38 13 39");
    EXPECT(c, "[$c $p]", "ZRANGE d 0 -1");
    EXPECT(c, "-ERR could not decode requested zset member",
           "GEOSEARCH g FROMMEMBER x BYRADIUS 1 m");
}

Test(zsets, who_waits_is_served_by_whoever_adds) {
    struct server *s = server_run(NULL, NULL);
    redisContext *c = ask_open(s), *first = ask_open(s), *second = ask_open(s);

    redisAppendCommand(first, "BZPOPMIN y z 0");
    ask_send(first, "BZPOPMAX z 0.01");
    ask_wait_info(c, "blocked_clients", "1");
    ask_send(second, "BZMPOP 0 1 z MAX COUNT 5");
    ask_wait_info(c, "blocked_clients", "2");
    EXPECT(c, ":3", "ZADD z 1 a 2 b 3 c");
    EXPECT_NEXT(first, "[$z $a $1]");
    EXPECT_NEXT(second, "[$z [[$c $3] [$b $2]]]");
    EXPECT_NEXT(first, "(nil)");
    EXPECT(c, ":0", "EXISTS z");
}

Test(zsets, are_there_after_a_restart) {
    struct server *s = server_run(ASK_AOF, NULL);
    redisContext *c = ask_open(s), *waits = ask_open(s);

    EXPECT(c, ":6", "ZADD small 1 a -inf b inf c 0.1 d 1e300 e 5e-324 f");
    EXPECT(c, "$0.30000000000000004", "ZINCRBY small 0.2 d");
    for (int i = 0; i < 1000; i++) {
        redisReply *r = redisCommand(c, "ZADD big %d.%d member:%d", i % 50, i % 7, i);

        cr_assert_eq(r->integer, 1);
        freeReplyObject(r);
    }
    EXPECT(c, "$skiplist", "OBJECT ENCODING big");
    EXPECT(c, ":1000", "ZUNIONSTORE copy 1 big WEIGHTS 0.1");
    EXPECT(c, ":1", "PEXPIREAT copy 33177117420000");
    EXPECT(c, ":20", "ZREMRANGEBYRANK big 100 119");
    EXPECT(c, ":5", "ZRANGESTORE part big 0 4");
    EXPECT(c, "[$part [[$member:0 $0]]]", "ZMPOP 1 part MIN");
    EXPECT(c, ":2", "GEOADD g 13.361389 38.115556 p 15.087269 37.502669 c");
    EXPECT(c, ":1", "GEOSEARCHSTORE near g FROMLONLAT 15 37 BYRADIUS 100 km STOREDIST");
    ask_send(waits, "BZPOPMIN jobs 0");
    ask_wait_info(c, "blocked_clients", "1");
    EXPECT(c, ":2", "ZADD jobs 1 x 2 y");
    EXPECT_NEXT(waits, "[$jobs $x $1]");
    c = ask_through_restarts(s, c);
    EXPECT(c, "[$b $-inf $f $5e-324 $d $0.30000000000000004 $a $1 $e $1e+300 $c $inf]",
           "ZRANGE small 0 -1 WITHSCORES");
    EXPECT(c, "$skiplist", "OBJECT ENCODING big");
    EXPECT(c, ":980", "ZCARD big");
    EXPECT(c, ":33177117420000", "PEXPIRETIME copy");
    EXPECT(c, ":4", "ZCARD part");
    EXPECT(c, "[$c]", "ZRANGE near 0 -1");
    EXPECT(c, "[$y]", "ZRANGE jobs 0 -1");
}

Test(zsets, zincrby_reads_the_words_of_zadd) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, "-ERR syntax error", "ZINCRBY z nx m");
    EXPECT(c, "-ERR syntax error", "ZINCRBY z INCR m");
    EXPECT(c, "-ERR value is not a valid float", "ZINCRBY z word m");
    EXPECT(c, ":0", "EXISTS z");
}

Test(zsets, members_that_moved_are_there_after_a_restart) {
    struct server *s = server_run(ASK_AOF, NULL);
    redisContext *c = ask_open(s), *waits = ask_open(s);

    EXPECT(c, ":3", "ZADD z 1.5 a 2 b 3 c");
    EXPECT(c, "[$c $3 $b $2]", "ZMOVE z y MAX COUNT 2");
    ask_send(waits, "BZMOVE jobs y MIN 0 COUNT 5");
    ask_wait_info(c, "blocked_clients", "1");
    EXPECT(c, ":2", "ZADD jobs 9 x 7 c");
    EXPECT_NEXT(waits, "[$c $7 $x $9]");
    EXPECT(waits, "(nil)", "BZMOVE jobs y MIN 0.01");
    c = ask_through_restarts(s, c);
    EXPECT(c, "[$b $2 $c $7 $x $9]", "ZRANGE y 0 -1 WITHSCORES");
    EXPECT(c, "[$a $1.5]", "ZRANGE z 0 -1 WITHSCORES");
    EXPECT(c, ":0", "EXISTS jobs");
}
