/* SPDX-License-Identifier: BSD-3-Clause
 *
 * CONFIG over the wire, and configuration files.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/ask.h"
#include "tests/kit/server.h"

TestSuite(config, .fini = kit_end);

Test(config, get_takes_several_patterns) {
    redisContext *c = ask_open(server_run("--hz", "20", NULL));

    EXPECT(c, "[$hz $20]", "CONFIG GET hz");
    EXPECT(c, "[$hz $20]", "CONFIG GET H[yz] hz");
    EXPECT(c, "[]", "CONFIG GET nosuch");
    redisReply *r = redisCommand(c, "CONFIG GET hz databases maxmemory-*");
    cr_assert_geq(r->elements, 12);
    r = redisCommand(c, "CONFIG GET *");
    cr_assert_geq(r->elements, 2 * 190);
}

Test(config, set_is_all_or_nothing) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, "+OK", "CONFIG SET hz 30 maxmemory 100mb");
    EXPECT(c, "[$hz $30]", "CONFIG GET hz");
    EXPECT_PREFIX(c, "-ERR CONFIG SET failed (possibly related to argument 'timeout')",
                  "CONFIG SET hz 40 timeout abc");
    EXPECT(c, "[$hz $30]", "CONFIG GET hz");
    EXPECT_PREFIX(c, "-ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'",
                  "CONFIG SET hz 50 nosuch 1");
    EXPECT(c, "[$hz $30]", "CONFIG GET hz");
    EXPECT_PREFIX(c, "-ERR CONFIG SET failed (possibly related to argument 'hz') - duplicate",
                  "CONFIG SET hz 1 hz 2");
    EXPECT(c, "[$maxmemory $104857600]", "CONFIG GET maxmemory");
}

Test(config, immutable_parameters_say_so) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT_PREFIX(c,
                  "-ERR CONFIG SET failed (possibly related to argument 'databases') - can't set "
                  "immutable config",
                  "CONFIG SET databases 4");
}

Test(config, rewrite_keeps_comments_and_order) {
    struct server *s = server_new();

    server_write_file(s, "c.conf",
                      "# my server\nhz 10\n\n# memory\nmaxmemory 1mb\n"
                      "appendonly no\n# the end\n");
    server_start(s, "c.conf", NULL);
    redisContext *c = ask_open(s);
    EXPECT(c, "+OK", "CONFIG SET maxmemory 64mb hz 25 timeout 77");
    EXPECT(c, "+OK", "CONFIG REWRITE");
    char *text = server_read_file(s, "c.conf");
    const char *mine = strstr(text, "# my server\nhz 25\n\n# memory\nmaxmemory 64mb\n");
    cr_assert(mine, "%s", text);
    cr_assert(strstr(mine, "# the end\n"), "%s", text);
    cr_assert(strstr(mine, "timeout 77\n"), "%s", text);
    cr_assert_not(strstr(text, "proto-max-bulk-len"), "defaults stay away:\n%s", text);
    server_stop(s);
    server_start(s, "c.conf", NULL);
    EXPECT(ask_open(s), "[$timeout $77]", "CONFIG GET timeout");
}

Test(config, rewrite_in_a_transaction_is_done_within_it) {
    struct server *s = server_new();

    server_write_file(s, "c.conf", "hz 10\n");
    server_start(s, "c.conf", NULL);
    redisContext *c = ask_open(s);
    EXPECT(c, "+OK", "MULTI");
    EXPECT(c, "+QUEUED", "CONFIG SET timeout 5");
    EXPECT(c, "+QUEUED", "CONFIG REWRITE");
    EXPECT(c, "+QUEUED", "CONFIG SET timeout 6");
    EXPECT(c, "[+OK +OK +OK]", "EXEC");
    char *text = server_read_file(s, "c.conf");
    cr_assert(strstr(text, "timeout 5\n"), "%s", text);
}

/* CLIENT UNBLOCK may come before the end: then OK would not be true. */
Test(config, a_client_that_is_unblocked_is_not_told_that_it_is_done) {
    STET_ONLY();
    struct server *s = server_new();

    server_write_file(s, "c.conf", "hz 10\n");
    setenv("STET_IO_FAULT", "mkdir:delay=300;rename:delay=1000", 1);
    server_start(s, "c.conf", "--appendonly", "yes", "--backup-dir", "b", NULL);
    unsetenv("STET_IO_FAULT");
    redisContext *c = ask_open(s), *waits = ask_open(s);
    static const char *const commands[] = {"CONFIG REWRITE", "BACKUP START"};

    for (size_t i = 0; i < 2; i++) {
        redisReply *r = redisCommand(waits, "CLIENT ID"), *said;
        long long id = r->integer;

        freeReplyObject(r);
        redisAppendCommand(waits, commands[i]);
        int done = 0;
        while (!done) cr_assert_eq(redisBufferWrite(waits, &done), REDIS_OK);
        ask_wait_info(c, "blocked_clients", "1");
        said = redisCommand(c, "CLIENT UNBLOCK %lld", id);
        cr_assert_eq(said->integer, 1);
        freeReplyObject(said);
        cr_assert_eq(redisGetReply(waits, (void **)&said), REDIS_OK);
        cr_assert_eq(said->type, REDIS_REPLY_ERROR, "%s: %s", commands[i], said->str);
        cr_assert_eq(strncmp(said->str, "UNBLOCKED ", 10), 0, "%s", said->str);
        freeReplyObject(said);
    }
}

static bool is_kept_beside(void *arg) {
    return server_has_file(arg, "c.conf.before-rewrite");
}

/* rename(2) fails as on a mount point; the process is killed while it writes in place. */
Test(config, a_rewrite_in_place_that_a_kill_ends_is_told_at_the_next_start) {
    STET_ONLY();
    struct server *s = server_new();
    redisContext *c;
    int done = 0;

    server_write_file(s, "c.conf", "# mine\ntimeout 1\n");
    setenv("STET_IO_FAULT", "rename:code=16,count=1;truncate:delay=60000", 1);
    server_start(s, "c.conf", "--save", "", NULL);
    unsetenv("STET_IO_FAULT");
    c = ask_open(s);
    EXPECT(c, "+OK", "CONFIG SET timeout 2");
    redisAppendCommand(c, "CONFIG REWRITE");
    while (!done) cr_assert_eq(redisBufferWrite(c, &done), REDIS_OK);
    cr_assert(kit_wait(is_kept_beside, s, 20));
    server_kill(s);
    cr_assert_str_eq(server_read_file(s, "c.conf.before-rewrite"), "# mine\ntimeout 1\n");
    server_start(s, "c.conf", "--save", "", NULL);
    server_wait_log(s, "contents of before are in");
    EXPECT(ask_open(s), "+OK", "CONFIG REWRITE");
}

Test(config, rewrite_without_a_file_is_an_error) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, "-ERR The server is running without a config file", "CONFIG REWRITE");
}

Test(config, resetstat_clears_the_counters) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, "(nil)", "GET none");
    EXPECT(c, "+OK", "CONFIG RESETSTAT");
    cr_assert_str_eq(ask_info(c, "keyspace_misses"), "0");
    cr_assert_str_eq(ask_info(c, "cmdstat_get"), "");
    cr_assert_leq(ask_info_int(c, "total_commands_processed"), 6);
}

Test(config, a_file_of_redis_loads) {
    struct server *s = server_new();

    server_write_file(s, "more-1.conf", "timeout 11\n");
    server_write_file(s, "more-2.conf", "tcp-keepalive 99\n");
    server_write_file(s, "redis.conf",
                      "# comment\n\n  maxmemory   100mb  \nsave 900 1 300 10\n"
                      "client-output-buffer-limit slave 256mb 64mb 60\n"
                      "proc-title-template \"{title} {listen-addr}\"\n"
                      "logfile ''\nrequirepass \"a b\\x41\"\nslave-read-only no\n"
                      "hash-max-ziplist-entries 77\noom-score-adj-values 0 1 2\n"
                      "include more-*.conf\nHZ 10\nhz 15\nappendfsync ALWAYS\n"
                      "maxmemory-policy allkeys-lru\nbind 127.0.0.1 -::1\n");
    server_start(s, "redis.conf", NULL);
    redisContext *c = ask_open(s);
    EXPECT(c, "+OK", "AUTH %s", "a bA");
    EXPECT(c, "[$maxmemory $104857600]", "CONFIG GET maxmemory");
    EXPECT(c, "[$replica-read-only $no]", "CONFIG GET replica-read-only");
    EXPECT(c, "[$hash-max-listpack-entries $77]", "CONFIG GET hash-max-listpack-entries");
    EXPECT(c, "[$oom-score-adj-values $0 1 2]", "CONFIG GET oom-score-adj-values");
    EXPECT(c, "[$timeout $11]", "CONFIG GET timeout");
    EXPECT(c, "[$tcp-keepalive $99]", "CONFIG GET tcp-keepalive");
    EXPECT(c, "[$hz $15]", "CONFIG GET hz");
    EXPECT(c, "[$appendfsync $always]", "CONFIG GET appendfsync");
    EXPECT(c, "[$bind $127.0.0.1 -::1]", "CONFIG GET bind");
}

Test(config, hidden_parameters_are_there_and_not_listed) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, "+OK", "CONFIG SET rdb-key-save-delay 0");
    EXPECT(c, "[$rdb-key-save-delay $0]", "CONFIG GET rdb-key-save-delay");
    redisReply *r = redisCommand(c, "CONFIG GET *");
    for (size_t i = 0; i < r->elements; i += 2)
        cr_assert_str_neq(r->element[i]->str, "rdb-key-save-delay");
}

Test(config, what_get_gives_set_takes) {
    redisContext *c = ask_open(server_run(NULL, NULL));
    redisReply *all = redisCommand(c, "CONFIG GET *");

    for (size_t i = 0; i < all->elements; i += 2) {
        const char *name = all->element[i]->str, *value = all->element[i + 1]->str;
        if (strcmp(name, "port") == 0 || strcmp(name, "bind") == 0) continue;
        const char *said = ask(c, "CONFIG SET %s %s", name, value);
        cr_assert(strcmp(said, "+OK") == 0 || strstr(said, "immutable") ||
                      strstr(said, "protected config"),
                  "CONFIG SET %s '%s': %s", name, value, said);
    }
    EXPECT(c, "+PONG", "PING");
}

static int oom_score(struct server *s) {
    char path[64];
    FILE *f;
    int score = -1;

    snprintf(path, sizeof path, "/proc/%d/oom_score_adj", (int)server_pid(s));
    f = fopen(path, "r");
    cr_assert(f && fscanf(f, "%d", &score) == 1);
    fclose(f);
    return score;
}

Test(config, the_oom_score_is_given_back) {
    struct server *s = server_run(NULL, NULL);
    redisContext *c = ask_open(s);
    int before = oom_score(s);

    EXPECT(c, "+OK", "CONFIG SET oom-score-adj absolute oom-score-adj-values %s", "500 600 700");
    cr_assert_eq(oom_score(s), 500);
    EXPECT(c, "+OK", "CONFIG SET oom-score-adj no");
    cr_assert_eq(oom_score(s), before);
}

Test(config, a_limit_below_what_is_used_is_warned_of) {
    struct server *s = server_run(NULL, NULL);

    EXPECT(ask_open(s), "+OK", "CONFIG SET maxmemory 1024");
    server_wait_log(s, "WARNING: the new maxmemory value set via CONFIG SET (1024) is smaller");
}
