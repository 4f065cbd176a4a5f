/* SPDX-License-Identifier: BSD-3-Clause
 *
 * DEBUG LOADAOF and DEBUG RELOAD: the data set is read again, and is as before if it cannot be.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/kit/ask.h"
#include "tests/kit/server.h"

TestSuite(reload, .fini = kit_end);

#define INCR_1  "appendonlydir/appendonly.aof.1.incr.aof"
#define LIBRARY "#!lua name=lib\nredis.register_function('there', function() return 'there' end)"

static void fill(redisContext *c) {
    EXPECT(c, "$lib", "FUNCTION LOAD %s", LIBRARY);
    EXPECT(c, "+OK", "SET a 1");
    EXPECT(c, ":2", "RPUSH l x y");
    EXPECT(c, "+OK", "SELECT 3");
    EXPECT(c, ":1", "HSET h f v");
    EXPECT(c, "+OK", "SELECT 0");
}

static void is_filled(redisContext *c) {
    EXPECT(c, "$1", "GET a");
    EXPECT(c, "[$x $y]", "LRANGE l 0 -1");
    EXPECT(c, "$there", "FCALL there 0");
    EXPECT(c, "+OK", "SELECT 3");
    EXPECT(c, "$v", "HGET h f");
    EXPECT(c, "+OK", "SELECT 0");
}

static void damage(struct server *s, const char *name, long at) {
    FILE *f = fopen(server_path(s, name), "r+");

    cr_assert(f, "no '%s'", name);
    fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
    fputs("damaged", f);
    fclose(f);
}

Test(reload, a_log_that_cannot_be_read_changes_nothing) {
    struct server *s = server_run(ASK_AOF, "--aof-checksum", "no", NULL);
    redisContext *c = ask_open(s);

    STET_ONLY();
    fill(c);
    EXPECT(c, "+OK", "DEBUG LOADAOF");
    is_filled(c);
    damage(s, INCR_1, 0);
    EXPECT_PREFIX(c, "-ERR Error trying to load the AOF files", "DEBUG LOADAOF");
    is_filled(c);
    EXPECT(c, ":2", "DBSIZE");
    EXPECT(c, "+OK", "SET a 2");
}

Test(reload, a_snapshot_that_cannot_be_read_changes_nothing) {
    struct server *s = server_run("--enable-debug-command", "yes", NULL);
    redisContext *c = ask_open(s);

    STET_ONLY();
    fill(c);
    EXPECT(c, "+OK", "DEBUG RELOAD");
    is_filled(c);
    damage(s, "dump.rdb", -12);
    EXPECT_PREFIX(c, "-ERR Error trying to load the RDB dump", "DEBUG RELOAD NOSAVE");
    is_filled(c);
    EXPECT(c, ":2", "DBSIZE");
    EXPECT(c, "+OK", "DEBUG RELOAD");
    is_filled(c);
}

Test(reload, what_is_watched_counts_as_changed) {
    struct server *s = server_run(ASK_AOF, NULL);
    redisContext *c = ask_open(s);

    fill(c);
    EXPECT(c, "+OK", "WATCH a");
    EXPECT(c, "+OK", "DEBUG LOADAOF");
    EXPECT(c, "+OK", "MULTI");
    EXPECT(c, "+QUEUED", "SET a 2");
    EXPECT(c, "(nil)", "EXEC");
}

/* A key whose time is over goes with a DEL in the log, not silently. */
Test(reload, a_key_whose_time_is_over_is_logged_as_gone) {
    struct server *s = server_run(ASK_AOF, NULL);
    redisContext *c = ask_open(s);

    STET_ONLY();
    EXPECT(c, "+OK", "DEBUG SET-ACTIVE-EXPIRE 0");
    EXPECT(c, "+OK", "SET k v PX 1");
    usleep(3000); /* the key may not be asked for, or it goes */
    EXPECT(c, "+OK", "DEBUG RELOAD");
    EXPECT(c, ":1", "RPUSH k x");
    server_kill(s);
    server_start(s, ASK_AOF, NULL);
    EXPECT(ask_open(s), "[$x]", "LRANGE k 0 -1");
}

Test(reload, what_debug_replicate_logs_loads_again) {
    struct server *s = server_run(ASK_AOF, NULL);
    redisContext *c = ask_open(s);

    STET_ONLY();
    EXPECT(c, "+OK", "DEBUG REPLICATE AOF SET k v");
    EXPECT_PREFIX(c, "-ERR", "DEBUG REPLICATE AOF NOSUCH k");
    EXPECT_PREFIX(c, "-ERR", "DEBUG REPLICATE AOF SET k");
    EXPECT_PREFIX(c, "-ERR", "DEBUG REPLICATE AOF MULTI");
    EXPECT_PREFIX(c, "-ERR", "DEBUG REPLICATE AOF SELECT 1");
    EXPECT_PREFIX(c, "-ERR", "DEBUG REPLICATE AOF SHUTDOWN");
    EXPECT(c, "+OK", "SET l v");
    server_kill(s);
    server_start(s, ASK_AOF, NULL);
    EXPECT(ask_open(s), "[$v $v]", "MGET k l");
}

/* ---------------------------------------------------------------- meanwhile */

enum { VALUES = 40000, VALUE_BYTES = 2000 };

static void fill_much(redisContext *c) {
    static char value[VALUE_BYTES];

    memset(value, 'x', sizeof value);
    for (int i = 0; i < VALUES; i++) redisAppendCommand(c, "SET k%d %b", i, value, sizeof value);
    for (int i = 0; i < VALUES; i++) EXPECT_NEXT(c, "+OK");
}

/* Whatever is acknowledged while it loads is there afterwards. */
Test(reload, nothing_that_is_acknowledged_meanwhile_is_lost) {
    struct server *s = server_run(ASK_AOF, NULL);
    redisContext *loads = ask_open(s), *writes = ask_open(s), *sets = ask_open(s);
    int acknowledged = 0, refused = 0;
    char want[16];

    STET_ONLY();
    fill_much(loads);
    for (int round = 0; round < 3; round++) {
        ask_send(loads, "DEBUG LOADAOF");
        for (int i = 0; i < 200; i++) {
            const char *got = ask(writes, "INCR n");

            acknowledged += got[0] == ':';
            refused += strncmp(got, "-LOADING", 8) == 0;
            cr_assert(got[0] == ':' || got[0] == '-', "%s", got);
            ask(sets, "CONFIG SET dbfilename other%d.rdb", i);
            ask(sets, "CONFIG SET proc-title-template {title}-%d", i);
        }
        EXPECT_NEXT(loads, "+OK");
    }
    cr_assert_gt(refused, 0, "clients are answered meanwhile");
    snprintf(want, sizeof want, "$%d", acknowledged);
    EXPECT(writes, want, "GET n");
    loads = ask_through_restarts(s, loads);
    EXPECT(loads, want, "GET n");
}

/* Its command waits for the disk and then runs again, while others are served. */
Test(reload, a_client_goes_while_its_reload_serves_others) {
    struct server *s = server_run(ASK_AOF, NULL);
    redisContext *other = ask_open(s);

    STET_ONLY();
    fill_much(other);
    for (int i = 0; i < 4; i++) {
        redisContext *loads = ask_open(s);

        redisAppendCommand(loads, "SET k v");
        redisAppendCommand(loads, "DEBUG LOADAOF");
        for (int done = 0; !done;) cr_assert_eq(redisBufferWrite(loads, &done), REDIS_OK);
        while (strncmp(ask(other, "GET k"), "-LOADING", 8) != 0) continue;
        if (i % 2)
            redisFree(loads);
        else
            ask(other, "CLIENT KILL TYPE normal SKIPME yes");
        while (strncmp(ask(other, "GET k"), "-LOADING", 8) == 0) continue;
        EXPECT(other, "$v", "GET k");
    }
}

static bool takes_clients(void *s) {
    redisContext *c = redisConnectUnix(server_path(s, "x.sock"));
    bool ok = c && !c->err;

    redisFree(c);
    return ok;
}

/* Parameters of the log are taken, and held for when it is loaded. */
Test(reload, parameters_set_while_a_start_loads_hold_afterwards) {
    struct server *s = server_run(ASK_AOF, NULL);
    redisContext *c = ask_open(s);

    STET_ONLY();
    fill_much(c);
    server_kill(s);
    server_launch(s, "--port", "0", "--unixsocket", "x.sock", ASK_AOF, NULL);
    cr_assert(kit_wait(takes_clients, s, 60));
    c = redisConnectUnix(server_path(s, "x.sock"));
    EXPECT(c, "+OK", "CONFIG SET appendfsync always");
    cr_assert_str_eq(ask_info(c, "loading"), "1", "it is still loading");
    ask_wait_info(c, "loading", "0");
    EXPECT(c, "$on", "EVAL %s 0", "return 'on'");
    cr_assert_str_eq(ask_info(c, "aof_state"), "on");
    EXPECT(c, "[$appendfsync $always]", "CONFIG GET appendfsync");
    EXPECT(c, "+OK", "SET n 1");
    server_kill(s);
    redisFree(c);
    server_start(s, ASK_AOF, NULL);
    EXPECT(ask_open(s), "$1", "GET n");
}
