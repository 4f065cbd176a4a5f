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

Test(sets, times_of_members_that_depend_on_now_are_logged_as_their_result) {
    STET_ONLY();
    struct server *s = server_run(ASK_AOF, "--appendfsync", "always", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, ":3", "SADD s a b c");
    EXPECT(c, "[:1 :1]", "SEXPIRE s 1000 MEMBERS 2 a b");
    EXPECT(c, "[:1]", "SPERSIST s MEMBERS 1 b");
    EXPECT(c, ":1", "SADDEX s PX 1 MEMBERS 1 gone");
    ask_wait_info(c, "expired_subkeys", "1");
    EXPECT(c, "+OK", "SET last 1");

    char *log = server_read_file(s, INCR_1);

    cr_assert(strstr(log, "SPEXPIREAT\r\n$1\r\ns\r\n"), "%s", log);
    cr_assert(strstr(log, "SPERSIST\r\n$1\r\ns\r\n"), "%s", log);
    cr_assert(strstr(log, "SREM\r\n$1\r\ns\r\n$4\r\ngone\r\n"), "%s", log);
    cr_assert_not(strstr(log, "SADDEX") || strstr(log, "\nSEXPIRE\r"));
}

Test(sets, times_of_members_are_there_after_a_restart) {
    STET_ONLY();
    struct server *s = server_run(ASK_AOF, NULL);
    redisContext *c = ask_open(s);

    for (int i = 0; i < 700; i++) {
        EXPECT(c, ":1", "SADD big m%d", i);
        if (i % 3 == 0) EXPECT(c, "[:1]", "SPEXPIREAT big 33177117420%03d MEMBERS 1 m%d", i, i);
    }
    EXPECT(c, ":3", "SADD small 1 2 3");
    EXPECT(c, ":1", "SADDEX small PXAT 33177117420000 MEMBERS 2 2 4");
    EXPECT(c, ":0", "SADD small 2");
    EXPECT(c, ":1", "PEXPIREAT small 33177117420000");
    EXPECT(c, ":1", "COPY small copy");
    EXPECT(c, "+OK", "RENAME copy renamed");
    EXPECT(c, ":1", "MOVE renamed 1");
    c = ask_through_restarts(s, c);
    EXPECT(c, ":700", "SCARD big");
    EXPECT(c, "[:33177117420300 :-1]", "SPEXPIRETIME big MEMBERS 2 m300 m301");
    EXPECT(c, "[:-1 :33177117420000 :-1 :33177117420000]", "SPEXPIRETIME small MEMBERS 4 1 2 3 4");
    EXPECT(c, "$hashtable", "OBJECT ENCODING small");
    EXPECT(c, "+OK", "SELECT 1");
    EXPECT(c, "[:-1 :33177117420000]", "SPEXPIRETIME renamed MEMBERS 2 1 4");
}

static bool one_is_left(void *c) {
    return strcmp(ask(c, "SCARD s"), ":1") == 0;
}

static bool none_is_left(void *c) {
    return strcmp(ask(c, "SCARD only"), ":0") == 0;
}

/* What a command makes of sets whose due members are still there comes out the same when the log is
 * read back. */
Test(sets, due_members_do_not_lead_the_log_astray) {
    STET_ONLY();
    struct server *s = server_run(ASK_AOF, "--enable-debug-command", "yes", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "+OK", "DEBUG SET-ACTIVE-EXPIRE 0");
    EXPECT(c, ":4", "SADD s a b d live");
    EXPECT(c, "[:1 :1 :1]", "SPEXPIRE s 1 MEMBERS 3 a b d");
    cr_assert(kit_wait(one_is_left, c, 60));
    EXPECT(c, ":1", "SUNIONSTORE union s");
    EXPECT(c, ":1", "ZUNIONSTORE zunion 1 s");
    EXPECT(c, ":1", "SORT s ALPHA STORE sorted");
    EXPECT(c, ":1", "SREM s a live");
    EXPECT(c, ":1", "PEXPIREAT s 33177117420000");
    EXPECT(c, ":1", "SADD s b");
    EXPECT(c, ":1", "SADDEX s KEEPTTL MEMBERS 1 d");
    EXPECT(c, "[$b $d]", "SMEMBERS s");
    server_kill(s);
    server_start(s, ASK_AOF, NULL);
    c = ask_open(s);
    EXPECT(c, "[$b $d]", "SMEMBERS s");
    EXPECT(c, "[:-1 :-1]", "STTL s MEMBERS 2 b d");
    EXPECT(c, ":33177117420000", "PEXPIRETIME s");
    EXPECT(c, "[$live]", "SMEMBERS union");
    EXPECT(c, "[$live]", "ZRANGE zunion 0 -1");
    EXPECT(c, "[$live]", "LRANGE sorted 0 -1");
}

Test(sets, a_key_of_due_members_keeps_its_time_when_one_is_added_again) {
    STET_ONLY();
    struct server *s = server_run(ASK_AOF, "--enable-debug-command", "yes", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "+OK", "DEBUG SET-ACTIVE-EXPIRE 0");
    EXPECT(c, ":1", "SADDEX only PX 1 MEMBERS 1 a");
    EXPECT(c, ":1", "PEXPIREAT only 33177117420000");
    cr_assert(kit_wait(none_is_left, c, 60));
    EXPECT(c, ":1", "SADD only a");
    EXPECT(c, ":33177117420000", "PEXPIRETIME only");
    server_kill(s);
    server_start(s, ASK_AOF, NULL);
    c = ask_open(s);
    EXPECT(c, "[$a]", "SMEMBERS only");
    EXPECT(c, "[:-1]", "STTL only MEMBERS 1 a");
    EXPECT(c, ":33177117420000", "PEXPIRETIME only");
}

Test(sets, times_of_members_go_through_dump_and_debug_reload) {
    STET_ONLY();
    redisContext *c = ask_open(server_run("--enable-debug-command", "yes", NULL));
    redisReply *before, *after, *payload;

    EXPECT(c, ":1", "SADDEX s PXAT 33177117420000 MEMBERS 2 a b");
    EXPECT(c, ":1", "SADD s c");
    before = redisCommand(c, "DEBUG DIGEST");
    EXPECT(c, "+OK", "DEBUG RELOAD");
    after = redisCommand(c, "DEBUG DIGEST");
    cr_expect_str_eq(before->str, after->str);
    payload = redisCommand(c, "DUMP s");
    EXPECT(c, "+OK", "RESTORE t 0 %b", payload->str, payload->len);
    EXPECT(c, "[:33177117420000 :33177117420000 :-1]", "SPEXPIRETIME t MEMBERS 3 a b c");
    freeReplyObject(before);
    freeReplyObject(after);
    freeReplyObject(payload);
}
