/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Keys: expiry lazy and active, SCAN's guarantee, generic commands over the wire.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/ask.h"
#include "tests/kit/server.h"

TestSuite(keyspace, .fini = kit_end);

/* Sends the command for i in from .. to-1 in one pipeline; the replies are not looked at. */
static void each(redisContext *c, int from, int to, const char *format) {
    redisReply *r;

    for (int i = from; i < to; i++) redisAppendCommand(c, format, i);
    for (int i = from; i < to; i++) {
        cr_assert_eq(redisGetReply(c, (void **)&r), REDIS_OK);
        freeReplyObject(r);
    }
}

Test(keyspace, an_expired_key_is_gone_at_once) {
    redisContext *c = ask_open(server_run("--enable-debug-command", "yes", NULL));

    EXPECT(c, "+OK", "DEBUG SET-ACTIVE-EXPIRE 0");
    EXPECT(c, "+OK", "SET k v PX 1");
    EXPECT(c, "+OK", "SET past v");
    EXPECT(c, ":1", "PEXPIREAT past 1");
    EXPECT(c, ":0", "EXISTS past");
    EXPECT(c, "+OK", "DEBUG SLEEP 0.01");
    EXPECT(c, "(nil)", "GET k");
    EXPECT(c, ":-2", "TTL k");
    EXPECT(c, ":0", "DBSIZE");
}

Test(keyspace, expired_keys_go_without_being_asked_for) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    each(c, 0, 20000, "SET k%d v PX 50");
    each(c, 0, 100, "SET stays%d v");
    ask_wait_info(c, "expired_keys", "20000");
    EXPECT(c, ":100", "DBSIZE");
    EXPECT(c, "$db0:keys=100,expires=0,avg_ttl=0", "ECHO db0:%s", ask_info(c, "db0"));
}

/* `source` sees what is due, `other` does not, and nothing goes. The replies are Valkey 9.1.2's. */
Test(keyspace, import_mode_removes_nothing_and_shows_all_to_the_source) {
    struct server *s = server_run(ASK_AOF, NULL);
    redisContext *source = ask_open(s), *other = ask_open(s);

    EXPECT(source, "-ERR Server is not in import mode", "CLIENT IMPORT-SOURCE ON");
    EXPECT(source, "+OK", "CLIENT IMPORT-SOURCE OFF");
    EXPECT(other, "+OK", "CONFIG SET import-mode yes");
    EXPECT(source, "+OK", "CLIENT IMPORT-SOURCE ON");
    EXPECT(source, "-ERR syntax error", "CLIENT IMPORT-SOURCE x");
    EXPECT(source, "+OK", "SET k v PXAT 1");
    EXPECT(other, "+OK", "SET l v");
    EXPECT(other, ":1", "PEXPIREAT l 1");
    EXPECT(source, "$v", "GET k");
    EXPECT(source, "$v", "GET l");
    EXPECT(other, "(nil)", "GET k");
    EXPECT(other, ":2", "DBSIZE");
    EXPECT(other, ":2", "DBSIZE");
    EXPECT(source, ":1", "HSET h f v");
    EXPECT(source, "[:1]", "HPEXPIREAT h 1 FIELDS 1 f");
    EXPECT(source, "$v", "HGET h f");
    EXPECT(other, "(nil)", "HGET h f");
    EXPECT(other, "+OK", "CONFIG SET maxmemory 1 maxmemory-policy allkeys-lru");
    EXPECT(other, "-OOM command not allowed when used memory > 'maxmemory'.", "SET x y");
    EXPECT(other, "+OK", "CONFIG SET maxmemory 0");
    EXPECT(other, ":1", "APPEND l w");
    EXPECT(source, "$w", "GET l");
    EXPECT(other, "+OK", "CONFIG SET import-mode no");
    ask_wait_info(other, "expired_keys", "2");
    EXPECT(source, "(nil)", "GET k");
    EXPECT(source, ":1", "DBSIZE");
}

Test(keyspace, expire_takes_its_conditions) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, "+OK", "SET k v");
    EXPECT(c, ":0", "EXPIRE k 100 XX");
    EXPECT(c, ":0", "EXPIRE k 100 GT");
    EXPECT(c, ":1", "EXPIRE k 100 LT");
    EXPECT(c, ":0", "EXPIRE k 100 NX");
    EXPECT(c, ":1", "EXPIRE k 200 GT");
    EXPECT(c, ":0", "PEXPIRE k 300000 LT");
    EXPECT(c, ":200", "TTL k");
    EXPECT(c, ":1", "EXPIREAT k 33177117420");
    EXPECT(c, ":33177117420", "EXPIRETIME k");
    EXPECT(c, ":1", "PERSIST k");
    EXPECT(c, ":0", "PERSIST k");
    EXPECT(c, ":1", "EXPIRE k -1");
    EXPECT(c, ":0", "EXISTS k");
}

Test(keyspace, a_rename_takes_the_expiry_along) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, "+OK", "SET a 1 EX 100");
    EXPECT(c, "+OK", "SET b 2");
    EXPECT(c, ":0", "RENAMENX a b");
    EXPECT(c, "+OK", "RENAME a b");
    EXPECT(c, ":100", "TTL b");
    EXPECT(c, ":1", "COPY b c");
    EXPECT(c, ":100", "TTL c");
    EXPECT(c, ":0", "COPY b c");
    EXPECT(c, ":1", "COPY b c DB 1 REPLACE");
    EXPECT(c, "-ERR no such key", "RENAME none x");
    EXPECT(c, ":2", "DEL b c none");
    EXPECT(c, "+none", "TYPE b");
}

/* Marks in seen[] what one SCAN call returned ("k<number>"); the next cursor goes to `cursor`. */
static void scan_once(redisContext *c, char *cursor, char *seen, int n) {
    redisReply *r = redisCommand(c, "SCAN %s COUNT 50", cursor);

    cr_assert(r && r->type == REDIS_REPLY_ARRAY && r->elements == 2);
    snprintf(cursor, 32, "%s", r->element[0]->str);
    for (size_t i = 0; i < r->element[1]->elements; i++) {
        const char *key = r->element[1]->element[i]->str;
        int number = key[0] == 'k' ? atoi(key + 1) : n;
        if (number < n) seen[number] = 1;
    }
    freeReplyObject(r);
}

static void all_seen(const char *seen, int n) {
    for (int i = 0; i < n; i++) cr_assert(seen[i], "k%d was not returned", i);
}

Test(keyspace, scan_returns_every_key_that_stays_while_the_table_grows) {
    enum { N = 3000 };
    redisContext *c = ask_open(server_run(NULL, NULL));
    static char seen[N];
    char cursor[32] = "0";
    int more = 0;

    each(c, 0, N, "SET k%d v");
    do {
        scan_once(c, cursor, seen, N);
        int to = more < 100000 ? more + 2000 : more;
        each(c, more, to, "SET x%d v");
        more = to;
    } while (strcmp(cursor, "0") != 0);
    all_seen(seen, N);
}

Test(keyspace, scan_returns_every_key_that_stays_while_the_table_shrinks) {
    enum { N = 1000, EXTRA = 100000 };
    redisContext *c = ask_open(server_run(NULL, NULL));
    static char seen[N];
    char cursor[32] = "0";
    int gone = 0;

    each(c, 0, N, "SET k%d v");
    each(c, 0, EXTRA, "SET x%d v");
    do {
        scan_once(c, cursor, seen, N);
        int to = gone + 2000 < EXTRA ? gone + 2000 : EXTRA;
        each(c, gone, to, "DEL x%d");
        gone = to;
    } while (strcmp(cursor, "0") != 0);
    all_seen(seen, N);
}

Test(keyspace, scan_filters_by_pattern_and_type) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, "+OK", "MSET apple 1 banana 2 avocado 3");
    EXPECT(c, "[$0 [$banana]]", "SCAN 0 MATCH b* COUNT 100");
    EXPECT(c, "[$0 []]", "SCAN 0 TYPE list COUNT 100");
    EXPECT(c, "[$0 [$banana]]", "SCAN 0 MATCH b* TYPE string COUNT 100");
    EXPECT(c, "-ERR invalid cursor", "SCAN x");
    EXPECT(c, "-ERR syntax error", "SCAN 0 COUNT 0");
    EXPECT(c, "[$banana]", "KEYS *nan*");
    EXPECT(c, "[]", "KEYS [^ab]*");
}

Test(keyspace, randomkey_finds_every_key) {
    redisContext *c = ask_open(server_run(NULL, NULL));
    bool seen[4] = {false};

    EXPECT(c, "(nil)", "RANDOMKEY");
    EXPECT(c, "+OK", "MSET 0 a 1 a 2 a 3 a");
    for (int i = 0; i < 500; i++) seen[atoi(ask(c, "RANDOMKEY") + 1)] = true;
    cr_assert(seen[0] && seen[1] && seen[2] && seen[3]);
}

Test(keyspace, flushes_work_in_every_form) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    for (int i = 0; i < 4; i++) {
        const char *how[] = {"FLUSHALL", "FLUSHALL ASYNC", "FLUSHDB SYNC", "FLUSHDB"};
        each(c, 0, 20000, "SET k%d v EX 100");
        EXPECT(c, "+OK", how[i]);
        EXPECT(c, ":0", "DBSIZE");
        EXPECT(c, "(nil)", "GET k1");
        cr_assert_str_eq(ask_info(c, "db0"), "");
    }
    ask_wait_info(c, "lazyfree_pending_objects", "0");
}

Test(keyspace, maxmemory_refuses_what_would_grow) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, "+OK", "SET k v");
    EXPECT(c, "+OK", "CONFIG SET maxmemory 1");
    EXPECT(c, "-OOM command not allowed when used memory > 'maxmemory'.", "SET k w");
    EXPECT(c, "$v", "GET k");
    EXPECT(c, ":1", "DEL k");
}

Test(keyspace, nothing_is_removed_by_expiry_while_clients_are_paused) {
    struct server *s = server_run("--enable-debug-command", "yes", NULL);
    redisContext *c = ask_open(s), *watching = ask_open(s);

    EXPECT(c, "+OK", "SET k v PX 20");
    EXPECT(watching, "+OK", "WATCH k");
    EXPECT(c, "+OK", "CLIENT PAUSE 100000 WRITE");
    EXPECT(c, "+OK", "DEBUG SLEEP 0.03");
    EXPECT(c, "(nil)", "GET k");
    EXPECT(c, ":0", "EXISTS k");
    EXPECT(c, "[]", "KEYS *");
    EXPECT(c, "$k", "RANDOMKEY");
    EXPECT(c, ":1", "DBSIZE");
    EXPECT(watching, "+OK", "MULTI");
    EXPECT(watching, "+QUEUED", "PING");
    EXPECT(watching, "(nil)", "EXEC");
    cr_assert_eq(ask_info_int(c, "expired_keys"), 0);
    EXPECT(c, "+OK", "CLIENT UNPAUSE");
    ask_wait_info(c, "expired_keys", "1");
    EXPECT(c, ":0", "DBSIZE");
}

Test(keyspace, a_transaction_that_pauses_writes_in_place_of_an_expired_key) {
    redisContext *c = ask_open(server_run("--enable-debug-command", "yes", NULL));

    EXPECT(c, "+OK", "DEBUG SET-ACTIVE-EXPIRE 0");
    EXPECT(c, "+OK", "SET k v PX 1");
    EXPECT(c, "+OK", "DEBUG SLEEP 0.01");
    EXPECT(c, "+OK", "MULTI");
    EXPECT(c, "+QUEUED", "CLIENT PAUSE 1 WRITE");
    EXPECT(c, "+QUEUED", "GET k");
    EXPECT(c, "+QUEUED", "INCR k");
    EXPECT(c, "[+OK (nil) :1]", "EXEC");
    EXPECT(c, ":1", "DBSIZE");
}
