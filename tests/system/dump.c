/* SPDX-License-Identifier: BSD-3-Clause
 *
 * DUMP, RESTORE and DEBUG RELOAD over the wire, and what the log has of them.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/ask.h"
#include "tests/kit/server.h"

TestSuite(dump, .fini = kit_end);

/* What DUMP tells of a key; the caller's reply. */
static redisReply *dump(redisContext *c, const char *key) {
    redisReply *r = redisCommand(c, "DUMP %s", key);

    cr_assert_eq(r->type, REDIS_REPLY_STRING);
    return r;
}

#define BIN(r) (r)->str, (r)->len

Test(dump, a_value_comes_back_under_another_name_and_time) {
    redisContext *c = ask_open(server_run(NULL, NULL));
    redisReply *r;

    EXPECT(c, "(nil)", "DUMP none");
    EXPECT(c, ":3", "RPUSH l a 1 c");
    r = dump(c, "l");
    EXPECT(c, "+OK", "RESTORE m 0 %b", BIN(r));
    EXPECT(c, "[$a $1 $c]", "LRANGE m 0 -1");
    EXPECT(c, ":-1", "TTL m");
    EXPECT(c, "+OK", "RESTORE n 100000 %b", BIN(r));
    EXPECT(c, ":100", "TTL n");
    EXPECT(c, "+OK", "RESTORE n 4102444800123 %b REPLACE ABSTTL IDLETIME 50", BIN(r));
    EXPECT(c, ":4102444800123", "PEXPIRETIME n");
    EXPECT(c, ":50", "OBJECT IDLETIME n");
    EXPECT(c, "+OK", "RESTORE n 1000 %b REPLACE ABSTTL", BIN(r));
    EXPECT(c, ":0", "EXISTS n");
    freeReplyObject(r);
}

Test(dump, what_restore_refuses_changes_nothing) {
    redisContext *c = ask_open(server_run(NULL, NULL));
    redisReply *r;

    EXPECT(c, "+OK", "SET k v");
    r = dump(c, "k");
    EXPECT(c, "-BUSYKEY Target key name already exists.", "RESTORE k 0 %b", BIN(r));
    EXPECT(c, "-BUSYKEY Target key name already exists.", "RESTORE k -1 x");
    EXPECT(c, "-ERR Invalid TTL value, must be >= 0", "RESTORE n -1 %b", BIN(r));
    EXPECT(c, "-ERR value is not an integer or out of range", "RESTORE n x %b", BIN(r));
    EXPECT(c, "-ERR Invalid IDLETIME value, must be >= 0", "RESTORE n 0 %b IDLETIME -1", BIN(r));
    EXPECT(c, "-ERR Invalid FREQ value, must be >= 0 and <= 255", "RESTORE n 0 %b FREQ 256",
           BIN(r));
    EXPECT(c, "-ERR syntax error", "RESTORE n 0 %b IDLETIME 1 FREQ 1", BIN(r));
    EXPECT(c, "-ERR syntax error", "RESTORE n 0 %b NOW", BIN(r));
    EXPECT(c, "-ERR syntax error", "RESTORE n 0 %b FREQ", BIN(r));
    EXPECT(c, "-ERR DUMP payload version or checksum are wrong", "RESTORE k 0 %b REPLACE", r->str,
           r->len - 1);
    r->str[0] = 99; /* no such type; and the checksum does not match */
    EXPECT(c, "-ERR DUMP payload version or checksum are wrong", "RESTORE k 0 %b REPLACE", BIN(r));
    EXPECT(c, "-ERR Bad data format", "RESTORE k 0 %b REPLACE",
           "\x02\x00\x0a\x00\x3a\xce\x39\x00\x9b\x89\x39\xe8", (size_t)12); /* an empty set */
    EXPECT(c, "$v", "GET k");
    EXPECT(c, ":1", "DBSIZE");
    freeReplyObject(r);
}

Test(dump, restored_values_survive_restarts) {
    struct server *s = server_run(ASK_AOF, NULL);
    redisContext *c = ask_open(s);
    redisReply *r;

    EXPECT(c, ":2", "HSET h f 1 g 2");
    EXPECT(c, "[:1]", "HPEXPIREAT h 4102444800000 FIELDS 1 g");
    EXPECT(c, ":3", "SADD set a b c");
    r = dump(c, "h");
    EXPECT(c, "+OK", "RESTORE timed 100000000 %b", BIN(r));
    freeReplyObject(r);
    r = dump(c, "set");
    EXPECT(c, "+OK", "RESTORE h 0 %b REPLACE", BIN(r));
    freeReplyObject(r);
    c = ask_through_restarts(s, c);
    EXPECT(c, ":3", "SCARD h");
    EXPECT(c, "[$1 $2]", "HMGET timed f g");
    EXPECT(c, "[:-1 :4102444800000]", "HPEXPIRETIME timed FIELDS 2 f g");
}

Test(dump, a_reload_changes_nothing) {
    redisContext *c = ask_open(server_run("--enable-debug-command", "yes", NULL));
    redisReply *before, *after;

    EXPECT(c, "+OK", "SET k v PX 100000000");
    EXPECT(c, ":2", "ZADD z 1.5 a 2 b");
    EXPECT(c, "$1-1", "XADD x 1-1 f v");
    EXPECT(c, "+OK", "XGROUP CREATE x g 0");
    before = redisCommand(c, "DEBUG DIGEST");
    EXPECT(c, "+OK", "DEBUG RELOAD");
    after = redisCommand(c, "DEBUG DIGEST");
    cr_expect_str_eq(before->str, after->str);
    EXPECT(c, "+OK", "SET new 1");
    EXPECT(c, "+OK", "SET k w");
    EXPECT(c, "-ERR Error trying to load the RDB dump, check server logs.",
           "DEBUG RELOAD NOSAVE NOFLUSH");
    EXPECT(c, "+OK", "DEBUG RELOAD NOSAVE NOFLUSH MERGE");
    EXPECT(c, "$v", "GET k");
    EXPECT(c, "$1", "GET new");
    EXPECT(c, "-ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
           "DEBUG RELOAD X");
    freeReplyObject(before);
    freeReplyObject(after);
}

Test(dump, a_checksum_can_be_looked_over) {
    struct server *s = server_run("--enable-debug-command", "yes", "--appendonly", "yes", NULL);
    redisContext *c = ask_open(s);
    redisReply *r;

    EXPECT(c, "+OK", "SET k v");
    r = dump(c, "k");
    r->str[r->len - 1] ^= 1;
    EXPECT(c, "-ERR DUMP payload version or checksum are wrong", "RESTORE a 0 %b", BIN(r));
    EXPECT(c, "+OK", "DEBUG SET-SKIP-CHECKSUM-VALIDATION 1");
    EXPECT(c, "+OK", "RESTORE a 0 %b REPLACE", BIN(r));
    EXPECT(c, "+OK", "DEBUG SET-SKIP-CHECKSUM-VALIDATION 0");
    EXPECT(c, "-ERR DUMP payload version or checksum are wrong", "RESTORE b 0 %b", BIN(r));
    freeReplyObject(r);
    if (server_is_stet()) c = ask_through_restarts(s, c); /* Redis logs what it can't read again */
    EXPECT(c, "$v", "GET a");
}

/* However it came: what was accepted without its checksum is logged with one, and loads again. */
Test(dump, what_was_accepted_without_its_checksum_loads_again) {
    STET_ONLY();
    static const char *const sanitize[] = {"no", "yes", "clients"};
    struct server *s = server_run("--enable-debug-command", "yes", "--appendonly", "yes", NULL);
    redisContext *c = ask_open(s);
    redisReply *r;

    EXPECT(c, "+OK", "DEBUG SET-SKIP-CHECKSUM-VALIDATION 1");
    EXPECT(c, ":3", "RPUSH l a b c");
    r = dump(c, "l");
    memset(r->str + r->len - 8, 0x55, 8);
    for (size_t i = 0; i < 3; i++) {
        EXPECT(c, "+OK", "CONFIG SET sanitize-dump-payload %s", sanitize[i]);
        EXPECT(c, "+OK", "RESTORE plain%d 0 %b REPLACE ABSTTL", (int)i, BIN(r));
        EXPECT(c, "+OK", "MULTI");
        EXPECT(c, "+QUEUED", "RESTORE queued%d 99999999999999 %b REPLACE ABSTTL IDLETIME 5", (int)i,
               BIN(r));
        EXPECT(c, "[+OK]", "EXEC");
        EXPECT(c, "+OK", "EVAL %s 1 script%d %b",
               "return redis.call('RESTORE', KEYS[1], 100000, ARGV[1])", (int)i, BIN(r));
    }
    freeReplyObject(r);
    c = ask_through_restarts(s, c);
    for (int i = 0; i < 3; i++) {
        EXPECT(c, "[$a $b $c]", "LRANGE plain%d 0 -1", i);
        EXPECT(c, "[$a $b $c]", "LRANGE queued%d 0 -1", i);
        EXPECT(c, "[$a $b $c]", "LRANGE script%d 0 -1", i);
    }
}
