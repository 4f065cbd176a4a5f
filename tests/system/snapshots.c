/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Snapshots over the wire: when they are saved, and how a start treats the file.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/ask.h"
#include "tests/kit/server.h"

TestSuite(snapshots, .fini = kit_end);

Test(snapshots, a_stop_while_one_is_loaded_leaves_it_as_it_was) {
    struct server *s = server_run("--enable-debug-command", "yes", NULL);
    redisContext *c = ask_open(s);
    char *digest;

    EXPECT(c, "+OK", "DEBUG POPULATE 1000000");
    digest = strdup(ask(c, "DEBUG DIGEST"));
    EXPECT(c, "+OK", "SAVE");
    server_kill(s);
    server_launch(s, "--port", "auto", "--save", "1 1", NULL);
    server_wait_log(s, "Server initialized");
    server_signal(s, SIGTERM);
    server_start(s, "--enable-debug-command", "yes", NULL);
    cr_assert_str_eq(ask(ask_open(s), "DEBUG DIGEST"), digest);
    free(digest);
}

Test(snapshots, a_stop_saves_where_save_points_are) {
    struct server *s = server_run("--save", "3600 1", NULL);

    EXPECT(ask_open(s), "+OK", "SET k v");
    cr_assert_eq(server_signal(s, SIGTERM), 0);
    server_start(s, NULL);
    EXPECT(ask_open(s), "$v", "GET k");
}

Test(snapshots, one_that_is_written_or_waits_is_cancelled) {
    struct server *s = server_run("--save", "", NULL);
    redisContext *c = ask_open(s);
    const char *none = "-ERR Background saving is currently not in progress or scheduled";

    EXPECT(c, none, "BGSAVE CANCEL");
    EXPECT(c, "+OK", "SET k v");
    EXPECT(c, "+OK", "CONFIG SET rdb-key-save-delay 10000000");
    EXPECT(c, "+Background saving started", "BGSAVE");
    EXPECT(c, "+Background saving cancelled", "BGSAVE CANCEL");
    ask_wait_info(c, "rdb_bgsave_in_progress", "0");
    cr_assert_str_eq(ask_info(c, "rdb_last_bgsave_status"), "ok");
    EXPECT(c, none, "BGSAVE CANCEL");
    EXPECT(c, "+OK", "MULTI");
    EXPECT(c, "+QUEUED", "BGSAVE SCHEDULE");
    EXPECT(c, "+QUEUED", "BGSAVE CANCEL");
    EXPECT(c, "[+Background saving scheduled +Scheduled background saving cancelled]", "EXEC");
    EXPECT(c, none, "BGSAVE CANCEL");
}

/* They came out as the low 24 bits of the unix time: weeks. */
Test(snapshots, what_is_loaded_has_not_been_idle_for_days) {
    struct server *s = server_run("--maxmemory-policy", "allkeys-lru", NULL);

    EXPECT(ask_open(s), "+OK", "SET k v");
    EXPECT(ask_open(s), "+OK", "SAVE");
    server_kill(s);
    server_start(s, NULL);
    cr_assert_lt(atol(ask(ask_open(s), "OBJECT IDLETIME k") + 1), 86400);
    server_kill(s);
    server_start(s, "--maxmemory-policy", "allkeys-lru", NULL);
    cr_assert_lt(atol(ask(ask_open(s), "OBJECT IDLETIME k") + 1), 86400);
    server_kill(s);
    server_start(s, "--appendonly", "yes", NULL);
    cr_assert_lt(atol(ask(ask_open(s), "OBJECT IDLETIME k") + 1), 86400);
}

/* The base of such a log is larger than all that was ever appended to it. */
Test(snapshots, what_is_written_after_an_import_outlives_restarts) {
    struct server *s = server_run("--enable-debug-command", "yes", NULL);
    char key[32];

    EXPECT(ask_open(s), "+OK", "DEBUG POPULATE 1000");
    EXPECT(ask_open(s), "+OK", "SAVE");
    for (int life = 0; life < 5; life++) {
        redisContext *c;

        server_kill(s);
        server_start(s, "--appendonly", "yes", "--appendfsync", "always", NULL);
        c = ask_open(s);
        for (int i = 1; i < life; i++) {
            snprintf(key, sizeof key, "GET life:%d", i);
            cr_assert_str_eq(ask(c, key), "$there", "%s in life %d", key, life);
        }
        if (life == 0) continue; /* nothing is written in the first */
        snprintf(key, sizeof key, "SET life:%d there", life);
        EXPECT(c, "+OK", key);
        cr_assert_null(strstr(server_log(s), "cut off"));
    }
}

Test(snapshots, flushall_replaces_the_file_if_there_are_save_points) {
    struct server *s = server_run("--save", "3600 1000", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "+OK", "SET k v");
    EXPECT(c, "+OK", "SAVE");
    EXPECT(c, "+OK", "SET k2 v");
    EXPECT(c, "+OK", "FLUSHALL");
    cr_assert_eq(ask_info_int(c, "rdb_changes_since_last_save"), 0);
    server_kill(s);
    server_start(s, "--save", "3600 1000", NULL);
    c = ask_open(s);
    EXPECT(c, ":0", "DBSIZE");
    EXPECT(c, "+OK", "CONFIG SET save %s", "");
    EXPECT(c, "+OK", "SET k v");
    EXPECT(c, "+OK", "FLUSHALL");
    cr_assert_eq(ask_info_int(c, "rdb_changes_since_last_save"), 2);
}
