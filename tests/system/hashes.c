/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Hashes over the wire: every command once, fields that are over, what is logged, and what is left
 * after a restart.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/ask.h"
#include "tests/kit/server.h"

TestSuite(hashes, .fini = kit_end);

#define INCR_1 "appendonlydir/appendonly.aof.1.incr.aof"

Test(hashes, every_command_does_its_work) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, ":3", "HSET h a 1 b 2 c 3");
    EXPECT(c, "+OK", "HMSET h a 10 d 4");
    EXPECT(c, "$10", "HGET h a");
    EXPECT(c, "[$10 (nil) $4]", "HMGET h a x d");
    EXPECT(c, "[$a $10 $b $2 $c $3 $d $4]", "HGETALL h");
    EXPECT(c, "[$a $b $c $d]", "HKEYS h");
    EXPECT(c, "[$10 $2 $3 $4]", "HVALS h");
    EXPECT(c, ":4", "HLEN h");
    EXPECT(c, ":1", "HEXISTS h a");
    EXPECT(c, ":2", "HSTRLEN h a");
    EXPECT(c, ":0", "HSETNX h a 5");
    EXPECT(c, ":1", "HSETNX h e 5");
    EXPECT(c, ":15", "HINCRBY h a 5");
    EXPECT(c, "$2.5", "HINCRBYFLOAT h b 0.5");
    EXPECT(c, ":3", "HDEL h c d e x");
    EXPECT(c, "[$0 [$a $15 $b $2.5]]", "HSCAN h 0");
    EXPECT(c, ":1", "HDEL h b");
    EXPECT(c, "$a", "HRANDFIELD h");
    EXPECT(c, "[$a $15 $a $15]", "HRANDFIELD h -2 WITHVALUES");
    EXPECT(c, "$listpack", "OBJECT ENCODING h");
    EXPECT(c, ":1", "HDEL h a");
    EXPECT(c, ":0", "EXISTS h");
    EXPECT(c, "+OK", "SET s 1");
    EXPECT(c, "-WRONGTYPE Operation against a key holding the wrong kind of value", "HSET s a 1");
}

Test(hashes, fields_have_times_to_live) {
    STET_ONLY();
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, ":3", "HSET h a 1 b 2 c 3");
    EXPECT(c, "[:1 :-2]", "HEXPIRE h 100 FIELDS 2 a x");
    EXPECT(c, "[:100 :-1 :-2]", "HTTL h FIELDS 3 a b x");
    EXPECT(c, "[:0 :1]", "HPEXPIRE h 200000 NX FIELDS 2 a b");
    EXPECT(c, "[:1]", "HEXPIREAT h 33177117420 FIELDS 1 a");
    EXPECT(c, "[:33177117420000]", "HPEXPIRETIME h FIELDS 1 a");
    EXPECT(c, "[:1]", "HPEXPIREAT h 33177117420001 GT FIELDS 1 a");
    EXPECT(c, "[:33177117421]", "HEXPIRETIME h FIELDS 1 a");
    EXPECT(c, "[:1 :-1]", "HPERSIST h FIELDS 2 a c");
    EXPECT(c, "$listpackex", "OBJECT ENCODING h");
    EXPECT(c, ":1", "HSETEX h EX 100 FIELDS 1 d 4");
    EXPECT(c, "[$4]", "HGETEX h PERSIST FIELDS 1 d");
    EXPECT(c, "[$4]", "HGETDEL h FIELDS 1 d");
    EXPECT(c, "[:2]", "HPEXPIRE h 0 FIELDS 1 c");
    EXPECT(c, "[:1 :1]", "HPEXPIRE h 1 FIELDS 2 a b");
    ask_wait_info(c, "expired_subkeys", "2");
    EXPECT(c, ":0", "EXISTS h");
}

static void expect_logged(const char *log, const char *text) {
    cr_assert(strcasestr(log, text), "'%s' in %s", text, log);
}

Test(hashes, what_depends_on_now_is_logged_as_its_result) {
    STET_ONLY();
    struct server *s = server_run(ASK_AOF, "--appendfsync", "always", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, ":1", "HSET h n 1");
    EXPECT(c, "$1.5", "HINCRBYFLOAT h n 0.5");
    EXPECT(c, ":1", "HSETEX h EX 1000 FIELDS 1 x 1");
    EXPECT(c, "[:1]", "HEXPIRE h 2000 FIELDS 1 n");
    EXPECT(c, "[$1]", "HGETDEL h FIELDS 1 x");
    EXPECT(c, ":1", "HSETEX h PX 1 FIELDS 1 gone 1");
    ask_wait_info(c, "expired_subkeys", "1");
    EXPECT(c, "+OK", "SET last 1");

    char *log = server_read_file(s, INCR_1);

    expect_logged(log, "HSET\r\n$1\r\nh\r\n$1\r\nn\r\n$3\r\n1.5\r\n");
    expect_logged(log, "HPEXPIREAT\r\n$1\r\nh\r\n");
    expect_logged(log, "HDEL\r\n$1\r\nh\r\n$1\r\nx\r\n");
    expect_logged(log, "HDEL\r\n$1\r\nh\r\n$4\r\ngone\r\n");
    cr_assert_not(strstr(log, "HSETEX") || strstr(log, "\nHEXPIRE\r") || strstr(log, "HGETDEL"));
}

Test(hashes, are_there_after_a_restart) {
    STET_ONLY();
    struct server *s = server_run(ASK_AOF, NULL);
    redisContext *c = ask_open(s);
    char text[2001] = {0};

    memset(text, 'v', 2000);
    for (int i = 0; i < 700; i++) {
        EXPECT(c, ":1", "HSET big f%d %d", i, i);
        if (i % 3 == 0) EXPECT(c, "[:1]", "HPEXPIREAT big 33177117420%03d FIELDS 1 f%d", i, i);
    }
    EXPECT(c, ":1", "HSET big long %s", text);
    EXPECT(c, ":1", "HSET big bytes %b", "\0\r\n", (size_t)3);
    EXPECT(c, "$hashtable", "OBJECT ENCODING big");
    EXPECT(c, ":3", "HSET small a 1 b -2 c three");
    EXPECT(c, ":1", "HSETEX small EX 5000 FIELDS 2 b 5 d 6");
    EXPECT(c, ":1", "HSETEX small KEEPTTL FIELDS 1 b 7");
    EXPECT(c, ":4", "HINCRBY small a 3");
    EXPECT(c, ":10", "HINCRBY small b 3");
    EXPECT(c, ":1", "PEXPIREAT small 33177117420000");
    EXPECT(c, ":1", "COPY small copy");
    EXPECT(c, "+OK", "RENAME copy renamed");
    EXPECT(c, ":1", "MOVE renamed 1");
    c = ask_through_restarts(s, c);
    EXPECT(c, ":702", "HLEN big");
    EXPECT(c, "[:33177117420300 :-1]", "HPEXPIRETIME big FIELDS 2 f300 f301");
    EXPECT(c, "[$4 $10 $three $6]", "HMGET small a b c d");
    EXPECT(c, "+OK", "SELECT 1");
    EXPECT(c, "[$4 $10 $three $6]", "HMGET renamed a b c d");
}

static bool one_is_left(void *c) {
    return strcmp(ask(c, "HLEN h"), ":1") == 0;
}

/* What a command does to a hash whose due fields are still there comes out the same when the log
 * is read back. */
Test(hashes, due_fields_do_not_lead_the_log_astray) {
    STET_ONLY();
    struct server *s = server_run(ASK_AOF, "--enable-debug-command", "yes", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "+OK", "DEBUG SET-ACTIVE-EXPIRE 0");
    EXPECT(c, ":4", "HSET h a 1 b 2 n 5 live 1");
    EXPECT(c, "[:1 :1 :1]", "HPEXPIRE h 1 FIELDS 3 a b n");
    cr_assert(kit_wait(one_is_left, c, 60));
    EXPECT(c, ":1", "HDEL h a live");
    EXPECT(c, ":1", "PEXPIREAT h 33177117420000");
    EXPECT(c, ":1", "HSETNX h b 7");
    EXPECT(c, ":1", "HINCRBY h n 1");
    EXPECT(c, ":2", "HLEN h");
    server_kill(s);
    server_start(s, ASK_AOF, NULL);
    c = ask_open(s);
    EXPECT(c, "[$7 $1]", "HMGET h b n");
    EXPECT(c, ":2", "HLEN h");
    EXPECT(c, ":33177117420000", "PEXPIRETIME h");
}

Test(hashes, with_fields_named_before_are_there_after_a_restart) {
    struct server *s = server_run(ASK_AOF, NULL);
    redisContext *c = ask_open(s), *other = ask_open(s);

    EXPECT(c, "+OK", "HIMPORT PREPARE set a b");
    EXPECT(c, ":1", "HSET h x 1");
    EXPECT(c, "+OK", "HIMPORT SET h set 1 2");
    EXPECT(c, "+OK", "HIMPORT SET i set 3 4");
    EXPECT(other, "-ERR no such fieldset", "HIMPORT SET j set 3 4");
    EXPECT(c, "+RESET", "RESET");
    EXPECT(c, "-ERR no such fieldset", "HIMPORT SET j set 3 4");
    c = ask_through_restarts(s, c);
    EXPECT(c, "[$1 $2 (nil)]", "HMGET h a b x");
    EXPECT(c, "[$3 $4]", "HMGET i a b");
}
