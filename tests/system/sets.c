/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sets over the wire: every command once, what chance took is logged, and what is left after a
 * restart.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/ask.h"
#include "tests/kit/server.h"

TestSuite(sets, .fini = kit_end);

#define INCR_1 "appendonlydir/appendonly.aof.1.incr.aof"

Test(sets, every_command_does_its_work) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, ":3", "SADD s 3 1 2 1");
    EXPECT(c, ":3", "SCARD s");
    EXPECT(c, "[$1 $2 $3]", "SMEMBERS s");
    EXPECT(c, "$intset", "OBJECT ENCODING s");
    EXPECT(c, ":1", "SISMEMBER s 1");
    EXPECT(c, "[:1 :0]", "SMISMEMBER s 1 x");
    EXPECT(c, ":2", "SADD t 2 4");
    EXPECT(c, "[$2]", "SINTER s t");
    EXPECT(c, "[$1 $2 $3 $4]", "SUNION s t");
    EXPECT(c, "[$1 $3]", "SDIFF s t");
    EXPECT(c, ":1", "SINTERCARD 2 s t LIMIT 5");
    EXPECT(c, ":1", "SINTERSTORE d s t");
    EXPECT(c, ":4", "SUNIONSTORE d s t");
    EXPECT(c, ":2", "SDIFFSTORE d s t");
    EXPECT(c, ":1", "SMOVE s t 3");
    EXPECT(c, "[$2 $3 $4]", "SMEMBERS t");
    EXPECT(c, "[$0 [$1 $2]]", "SSCAN s 0");
    EXPECT(c, ":1", "SREM s 2 x");
    EXPECT(c, "$1", "SRANDMEMBER s");
    EXPECT(c, "[$1 $1]", "SRANDMEMBER s -2");
    EXPECT(c, "$1", "SPOP s");
    EXPECT(c, ":0", "EXISTS s");
    EXPECT(c, "(nil)", "SPOP s");
    EXPECT(c, "+OK", "SET str 1");
    EXPECT(c, "-WRONGTYPE Operation against a key holding the wrong kind of value", "SADD str x");
}

Test(sets, what_chance_took_is_logged) {
    struct server *s = server_run(ASK_AOF, "--appendfsync", "always", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, ":1", "SADD one x");
    EXPECT(c, "$x", "SPOP one");
    EXPECT(c, ":2", "SADD two a b");
    EXPECT_PREFIX(c, "[", "SPOP two 1");
    EXPECT_PREFIX(c, "[", "SPOP two 9");

    char *log = server_read_file(s, INCR_1);

    cr_assert(strcasestr(log, "SREM\r\n$3\r\none\r\n$1\r\nx\r\n"), "%s", log);
    cr_assert(strcasestr(log, "SREM\r\n$3\r\ntwo\r\n"), "%s", log);
    cr_assert(strcasestr(log, "DEL\r\n$3\r\ntwo\r\n"), "%s", log);
    cr_assert_not(strcasestr(log, "SPOP"), "%s", log);
}

Test(sets, are_there_after_a_restart) {
    STET_ONLY();
    struct server *s = server_run(ASK_AOF, NULL);
    redisContext *c = ask_open(s);

    for (int i = 0; i < 1000; i++) EXPECT(c, ":1", "SADD big member:%d", i);
    for (int i = 0; i < 300; i++) EXPECT(c, ":1", "SADD ints %d", i * 1001);
    EXPECT_PREFIX(c, "[", "SPOP big 301");
    EXPECT_PREFIX(c, "[", "SPOP ints 99");
    EXPECT(c, ":3", "SADD small a 1 -2");
    EXPECT(c, ":1", "SADD bytes %b", "\0\r\n", (size_t)3);
    EXPECT(c, ":1", "PEXPIREAT small 33177117420000");
    EXPECT(c, ":702", "SUNIONSTORE all big small");
    c = ask_through_restarts(s, c);
    EXPECT(c, ":699", "SCARD big");
    EXPECT(c, ":201", "SCARD ints");
    EXPECT(c, "$intset", "OBJECT ENCODING ints");
    EXPECT(c, "[$a $1 $-2]", "SMEMBERS small");
    EXPECT(c, ":3", "SINTERCARD 2 all small");
    EXPECT(c, ":1", "SISMEMBER bytes %b", "\0\r\n", (size_t)3);
}
