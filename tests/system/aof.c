/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The append-only file: what is there after a stop, a kill -9, a rewrite, a torn tail.
 * The long forms are tests/crash, tests/files, tests/interop and tests/faults.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/kit/ask.h"
#include "tests/kit/resp3.h"
#include "tests/kit/server.h"

#define AOF      "--appendonly", "yes", "--aof-use-rdb-preamble", "no"
#define NO_TCP   "--port", "0", "--unixsocket", "x.sock"
#define DIR_OF   "appendonlydir"
#define MANIFEST DIR_OF "/appendonly.aof.manifest"
#define BASE_1   DIR_OF "/appendonly.aof.1.base.aof"
#define INCR_1   DIR_OF "/appendonly.aof.1.incr.aof"
#define INCR_2   DIR_OF "/appendonly.aof.2.incr.aof"

TestSuite(aof, .fini = kit_end);

static void fill(redisContext *c) {
    EXPECT(c, "+OK", "SET a 1");
    EXPECT(c, "+OK", "SET b 2 PXAT 33177117420000");
    EXPECT(c, ":2", "APPEND a 2");
    EXPECT(c, ":13", "INCR a");
    EXPECT(c, "+OK", "SELECT 3");
    EXPECT(c, "+OK", "SET %b %b", "\r\n\0#", (size_t)4, "*3\r\n#{\r\n", (size_t)8);
    EXPECT(c, "+OK", "MSET x 1 y 2");
    EXPECT(c, ":1", "DEL y");
    EXPECT(c, "+OK", "SET gone 1");
    EXPECT(c, ":1", "PEXPIREAT gone 1");
    EXPECT(c, "+OK", "SELECT 0");
}

static void is_filled(redisContext *c) {
    EXPECT(c, ":2", "DBSIZE");
    EXPECT(c, "$13", "GET a");
    EXPECT(c, "$2", "GET b");
    EXPECT(c, ":33177117420000", "PEXPIRETIME b");
    EXPECT(c, "+OK", "SELECT 3");
    EXPECT(c, ":2", "DBSIZE");
    EXPECT(c, "$*3\\x0d\\x0a#{\\x0d\\x0a", "GET %b", "\r\n\0#", (size_t)4);
    EXPECT(c, "$1", "GET x");
    EXPECT(c, "+OK", "SELECT 0");
}

/* What is written now is there after a kill, beside what fill() made. Returns a new connection. */
static redisContext *goes_on(struct server *s, redisContext *c, const char *key) {
    EXPECT(c, "+OK", "SET %s 1", key);
    server_kill(s);
    server_start(s, AOF, NULL);
    c = ask_open(s);
    EXPECT(c, ":1", "DEL %s", key);
    is_filled(c);
    return c;
}

static void append_file(struct server *s, const char *name, const char *text) {
    FILE *f = fopen(server_path(s, name), "a");

    cr_assert(f, "no '%s'", name);
    fputs(text, f);
    fclose(f);
}

static void says(struct server *s, const char *part) {
    char *log = server_log(s);

    cr_assert(strstr(log, part), "no '%s' in:\n%s", part, log);
    free(log);
}

/* The name of a file in appendonlydir that contains `part`, or NULL; the caller frees it. */
static char *find(struct server *s, const char *part) {
    DIR *d = opendir(server_path(s, DIR_OF));
    char *found = NULL;

    cr_assert(d, "no " DIR_OF);
    for (struct dirent *e; !found && (e = readdir(d));)
        if (strstr(e->d_name, part)) found = strdup(e->d_name);
    closedir(d);
    return found;
}

static const char *policies[] = {"always", "everysec", "no"};

Test(aof, a_kill_loses_nothing_that_was_answered) {
    for (int i = 0; i < 3; i++) {
        struct server *s = server_run(AOF, "--appendfsync", policies[i], NULL);
        fill(ask_open(s));
        server_kill(s);
        server_start(s, AOF, NULL);
        is_filled(ask_open(s));
    }
}

Test(aof, a_clean_stop_loses_nothing) {
    struct server *s = server_run(AOF, NULL);

    fill(ask_open(s));
    server_stop(s);
    server_start(s, AOF, NULL);
    is_filled(ask_open(s));
    says(s, "DB loaded from append only file");
    says(s, "DB loaded from incr file appendonly.aof.1.incr.aof");
    cr_assert_eq(server_signal(s, SIGTERM), 0);
    server_start(s, AOF, NULL);
    is_filled(ask_open(s));
}

Test(aof, the_first_start_lays_out_redis_files) {
    struct server *s = server_run(AOF, NULL);

    cr_assert_str_eq(server_read_file(s, MANIFEST),
                     "file appendonly.aof.1.base.aof seq 1 type b\n"
                     "file appendonly.aof.1.incr.aof seq 1 type i\n");
    cr_assert(server_has_file(s, BASE_1));
    cr_assert(server_has_file(s, INCR_1));
    says(s, "Creating AOF base file appendonly.aof.1.base.aof on server start");
    says(s, "Creating AOF incr file appendonly.aof.1.incr.aof on server start");
}

Test(aof, names_follow_the_configuration) {
    struct server *s =
        server_run(AOF, "--appenddirname", "my dir", "--appendfilename", "my \"file", NULL);

    EXPECT(ask_open(s), "+OK", "SET k v");
    server_kill(s);
    cr_assert(server_has_file(s, "my dir/my \"file.1.incr.aof"));
    server_start(s, AOF, "--appenddirname", "my dir", "--appendfilename", "my \"file", NULL);
    EXPECT(ask_open(s), "$v", "GET k");
}

static long long recovery_begins(struct server *s) {
    return ask_info_int(ask_open(s), "aof_recovery_begins_ms");
}

/* Without history it is the last rewrite; with it, it stays; a restart finds it in the files. */
Test(aof, the_moment_that_recovery_reaches_back_to_is_told) {
    STET_ONLY();
    struct server *s = server_run(AOF, NULL);
    redisContext *c = ask_open(s);
    long long first = recovery_begins(s), second;
    char moment[32];

    cr_assert_gt(first, 0);
    EXPECT(c, "+OK", "SET k old");
    EXPECT_PREFIX(c, "+Background append only file rewriting", "BGREWRITEAOF");
    ask_wait_rewrite(c);
    second = recovery_begins(s);
    cr_expect_gt(second, first);
    EXPECT(c, "+OK", "CONFIG SET aof-history-keep 1h");
    EXPECT(c, "+OK", "SET k new");
    EXPECT_PREFIX(c, "+Background append only file rewriting", "BGREWRITEAOF");
    ask_wait_rewrite(c);
    cr_expect_eq(recovery_begins(s), second);
    server_kill(s);
    server_start(s, AOF, "--aof-history-keep", "1h", NULL);
    cr_expect_eq(recovery_begins(s), second);
    server_kill(s);
    snprintf(moment, sizeof moment, "%lld", second);
    server_start(s, AOF, "--recover-to", moment, NULL);
    EXPECT(ask_open(s), "$old", "GET k");
}

static bool history_is_gone(void *s) {
    return !server_has_file(s, INCR_1) && !server_has_file(s, BASE_1);
}

Test(aof, a_rewrite_keeps_the_data_and_removes_history) {
    struct server *s = server_run(AOF, NULL);
    redisContext *c = ask_open(s);

    fill(c);
    EXPECT(c, "+Background append only file rewriting started", "BGREWRITEAOF");
    ask_wait_rewrite(c);
    cr_assert_str_eq(server_read_file(s, MANIFEST),
                     "file appendonly.aof.2.base.aof seq 2 type b\n"
                     "file appendonly.aof.2.incr.aof seq 2 type i\n");
    server_wait_log(s, "Background AOF rewrite finished successfully");
    cr_assert(kit_wait(history_is_gone, s, 60)); /* it is removed in the background */
    goes_on(s, c, "after");
}

Test(aof, an_automatic_rewrite_starts_when_the_log_has_grown) {
    struct server *s = server_run(AOF, "--auto-aof-rewrite-min-size", "64kb", NULL);
    redisContext *c = ask_open(s);

    for (int i = 0; i < 200; i++) EXPECT(c, "+OK", "SET k %01000d", i);
    ask_wait_info_min(c, "aof_rewrites", 1);
    ask_wait_rewrite(c);
    EXPECT(c, ":1000", "STRLEN k");
}

Test(aof, writes_during_a_rewrite_are_kept) {
    struct server *s = server_run(AOF, NULL);
    redisContext *c = ask_open(s);

    for (int i = 0; i < 20; i++) {
        EXPECT_PREFIX(c, "+Background append only file rewriting", "BGREWRITEAOF");
        for (int n = 0; n < 50; n++) EXPECT(c, "+OK", "SET k%d-%d v", i, n);
        ask_wait_rewrite(c);
    }
    server_kill(s);
    server_start(s, AOF, NULL);
    EXPECT(ask_open(s), ":1000", "DBSIZE");
}

/* The pid of the only child of the server, 0 if there is none. */
static pid_t child_of(pid_t pid) {
    char path[64];
    int child = 0;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    FILE *f = fopen(path, "r");
    if (f) {
        if (fscanf(f, "%d", &child) != 1) child = 0;
        fclose(f);
    }
    return child;
}

static bool has_child(void *pid) {
    return child_of(*(pid_t *)pid) != 0;
}

static pid_t wait_child(struct server *s) {
    pid_t pid = server_pid(s);

    cr_assert(kit_wait(has_child, &pid, 60), "no child process");
    return child_of(pid);
}

Test(aof, a_killed_rewrite_is_reported_and_harms_nothing) {
    struct server *s = server_run(AOF, NULL);
    redisContext *c = ask_open(s);

    fill(c);
    EXPECT(c, "+OK", "CONFIG SET rdb-key-save-delay 10000000");
    EXPECT_PREFIX(c, "+Background", "BGREWRITEAOF");
    cr_assert_str_eq(ask_info(c, "aof_rewrite_in_progress"), "1");
    EXPECT_PREFIX(c, "-ERR Background append only file rewriting already in progress",
                  "BGREWRITEAOF");
    kill(wait_child(s), SIGKILL);
    ask_wait_info(c, "aof_last_bgrewrite_status", "err");
    EXPECT(c, "+OK", "CONFIG SET rdb-key-save-delay 0");
    EXPECT_PREFIX(c, "+Background", "BGREWRITEAOF");
    ask_wait_info(c, "aof_last_bgrewrite_status", "ok");
    ask_wait_rewrite(c);
    server_kill(s);
    server_start(s, AOF, NULL);
    is_filled(ask_open(s));
}

static bool is_no_more(void *pid) {
    return kill(*(pid_t *)pid, 0) != 0;
}

Test(aof, a_rewriting_child_dies_with_its_parent) {
    struct server *s = server_run(AOF, NULL);
    redisContext *c = ask_open(s);

    STET_ONLY(); /* Redis' child works on */
    fill(c);
    EXPECT(c, "+OK", "CONFIG SET rdb-key-save-delay 10000000");
    EXPECT_PREFIX(c, "+Background", "BGREWRITEAOF");
    pid_t child = wait_child(s);
    server_kill(s);
    cr_assert(kit_wait(is_no_more, &child, 5) || child_of(getpid()) == child);
    server_start(s, AOF, NULL);
    is_filled(ask_open(s));
    cr_assert_null(find(s, "temp-"), "temporary files go at the start");
}

Test(aof, appendonly_can_be_switched_at_run_time) {
    struct server *s = server_run("--aof-use-rdb-preamble", "no", NULL);
    redisContext *c = ask_open(s);

    fill(c);
    cr_assert_str_eq(ask_info(c, "aof_enabled"), "0");
    EXPECT(c, "+OK", "CONFIG SET appendonly yes");
    ask_wait_rewrite(c);
    c = goes_on(s, c, "late");
    EXPECT(c, "+OK", "CONFIG SET appendonly no");
    EXPECT(c, "+OK", "SET unlogged 1");
    EXPECT(c, "+OK", "CONFIG SET appendonly yes");
    ask_wait_rewrite(c);
    server_kill(s);
    server_start(s, AOF, NULL);
    EXPECT(ask_open(s), ":1", "DEL unlogged");
}

Test(aof, appendfsync_can_be_changed_at_run_time) {
    struct server *s = server_run(AOF, NULL);
    redisContext *c = ask_open(s);

    for (int i = 0; i < 30; i++) {
        EXPECT(c, "+OK", "CONFIG SET appendfsync %s", policies[i % 3]);
        EXPECT(c, "+OK", "SET k%d v", i);
    }
    server_kill(s);
    server_start(s, AOF, NULL);
    EXPECT(ask_open(s), ":30", "DBSIZE");
}

/* They come in one turn of the loop, so the batch of the first one is open when the policy changes.
 */
Test(aof, writes_beside_a_change_of_appendfsync_are_answered) {
    static const char weaker[] = "SET a 1\r\nCONFIG SET appendfsync no\r\nSET b 2\r\nGET a\r\n";
    static const char stronger[] = "CONFIG SET appendfsync always\r\n";
    static const char *const replies[] = {"+OK", "+OK", "+OK", "$1"};
    struct server *s = server_run(AOF, "--appendfsync", "always", NULL);
    struct resp_conn c;

    cr_assert(resp_open(&c, server_port(s), NULL) == 0);
    for (int i = 0; i < 10; i++) {
        cr_assert(resp_send(&c, weaker, sizeof weaker - 1) == 0);
        for (int k = 0; k < 4; k++) cr_assert_str_eq(resp_next(&c), replies[k]);
        cr_assert(resp_send(&c, stronger, sizeof stronger - 1) == 0);
        cr_assert_str_eq(resp_next(&c), "+OK");
    }
    resp_close(&c);
}

Test(aof, expiry_times_are_logged_as_absolute) {
    struct server *s = server_run(AOF, "--appendfsync", "always", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "+OK", "SET k v EX 100");
    EXPECT(c, "+OK", "SETEX l 100 v");
    EXPECT(c, ":1", "EXPIRE k 200");
    EXPECT(c, "$v", "GETEX l EX 300");
    char *log = server_read_file(s, INCR_1);
    cr_assert(strstr(log, "PXAT") && strstr(log, "PEXPIREAT"), "%s", log);
    cr_assert_not(strstr(log, "SETEX") || strstr(log, "\nEX\r") || strstr(log, "\nEXPIRE\r"));
}

Test(aof, an_expired_key_is_logged_as_deleted) {
    struct server *s = server_run(AOF, "--appendfsync", "always", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "+OK", "SET k v PX 1");
    ask_wait_info(c, "expired_keys", "1");
    EXPECT(c, "+OK", "SET other v");
    char *log = server_read_file(s, INCR_1);
    cr_assert(strcasestr(log, "\r\nDEL\r\n$1\r\nk\r\n"), "%s", log);
}

Test(aof, a_torn_tail_is_cut_and_the_next_write_survives) {
    const char *tails[] = {"*3\r\n$3\r\nSET\r\n$1\r\nk", "*", "*2\r\n$3\r\nGE", "#TS:17", "#"};

    for (int i = 0; i < 5; i++) {
        struct server *s = server_run(AOF, NULL);
        if (!server_is_stet() && i > 2) break; /* Redis cannot start a second time on these */
        fill(ask_open(s));
        server_kill(s);
        append_file(s, INCR_1, tails[i]);
        server_start(s, AOF, NULL);
        redisContext *c = ask_open(s);
        is_filled(c);
        goes_on(s, c, "next");
        if (server_is_stet()) {
            char *cut = find(s, ".cut-");
            cr_assert(cut, "the cut bytes are kept");
            char path[300];
            snprintf(path, sizeof path, DIR_OF "/%s", cut);
            cr_assert_str_eq(server_read_file(s, path), tails[i]);
        }
    }
}

Test(aof, without_aof_load_truncated_a_torn_tail_is_refused) {
    struct server *s = server_run(AOF, NULL);

    fill(ask_open(s));
    server_kill(s);
    append_file(s, INCR_1, "*3\r\n$3\r\nSET\r\n");
    char *before = server_read_file(s, INCR_1);
    server_launch(s, AOF, "--aof-load-truncated", "no", NO_TCP, NULL);
    cr_assert_eq(server_wait_exit(s), 1);
    says(s, "Unexpected end of file reading the append only file");
    cr_assert_str_eq(server_read_file(s, INCR_1), before);
}

Test(aof, damage_in_the_middle_is_refused_with_the_way_out) {
    struct server *s = server_run(AOF, NULL);

    fill(ask_open(s));
    server_stop(s); /* all is synced, and the log says so */
    char *log = server_read_file(s, INCR_1), *middle = strstr(log, "*3\r\n$6\r\nAPPEND");
    cr_assert(middle);
    FILE *f = fopen(server_path(s, INCR_1), "r+");
    fseek(f, middle - log, SEEK_SET);
    fputs("garbage", f);
    fclose(f);
    server_launch(s, AOF, NO_TCP, NULL);
    cr_assert_eq(server_wait_exit(s), 1);
    says(s, "Bad file format reading the append only file");
    if (!server_is_stet()) return;
    says(s, "appendonly.aof.1.incr.aof");
    says(s, "check-aof --fix");
}

Test(aof, a_transaction_is_replayed_whole_or_not_at_all) {
    const char *multi = "*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\nm\r\n$1\r\n1\r\n";
    struct server *s = server_run(AOF, "--appendfsync", "always", NULL);

    fill(ask_open(s));
    server_kill(s);
    append_file(s, INCR_1, "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n");
    append_file(s, INCR_1, multi);
    append_file(s, INCR_1, "*1\r\n$4\r\nEXEC\r\n");
    append_file(s, INCR_1, multi);
    append_file(s, INCR_1, "*3\r\n$3\r\nSET\r\n$4\r\nlost\r\n$1\r\n1\r\n");
    server_start(s, AOF, NULL);
    redisContext *c = ask_open(s);
    EXPECT(c, "(nil)", "GET lost");
    EXPECT(c, ":1", "DEL m");
    is_filled(c);
}

Test(aof, a_single_file_of_redis_6_is_taken_over) {
    struct server *s = server_new();

    server_write_file(s, "appendonly.aof",
                      "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n");
    server_start(s, AOF, NULL);
    redisContext *c = ask_open(s);
    EXPECT(c, "$v", "GET k");
    EXPECT(c, "+OK", "SET l w");
    cr_assert_not(server_has_file(s, "appendonly.aof"));
    server_kill(s);
    server_start(s, AOF, NULL);
    c = ask_open(s);
    EXPECT(c, "[$v $w]", "MGET k l");
    cr_assert(strstr(server_read_file(s, MANIFEST), "file appendonly.aof seq 1 type b\n"));
}

Test(aof, a_manifest_that_names_a_missing_file_is_refused) {
    struct server *s = server_run(AOF, NULL);

    server_stop(s);
    unlink(server_path(s, INCR_1));
    server_launch(s, AOF, NO_TCP, NULL);
    cr_assert_eq(server_wait_exit(s), 1);
    says(s, "appendonly.aof.1.incr.aof");
    cr_assert_not(server_has_file(s, INCR_1));
}

Test(aof, a_second_server_on_the_directory_is_refused) {
    STET_ONLY();
    struct server *a = server_run(AOF, NULL), *b = server_new();
    redisContext *c = ask_open(a);

    fill(c);
    server_launch(b, AOF, "--dir", server_dir(a), NO_TCP, NULL);
    cr_assert_eq(server_wait_exit(b), 1);
    says(b, DIR_OF);
    EXPECT(c, "+Background append only file rewriting started", "BGREWRITEAOF");
    ask_wait_rewrite(c); /* a forked child that ends does not give the lock away */
    server_launch(b, AOF, "--dir", server_dir(a), NO_TCP, NULL);
    cr_assert_eq(server_wait_exit(b), 1);
    is_filled(c);
    server_kill(a);
    server_start(b, AOF, "--dir", server_dir(a), NULL);
    is_filled(ask_open(b));
}

Test(aof, timestamps_are_written_when_asked_for) {
    struct server *s =
        server_run(AOF, "--aof-timestamp-enabled", "yes", "--appendfsync", "always", NULL);

    redisContext *c = ask_open(s);
    for (int i = 0; i < 3000 && !strstr(server_read_file(s, INCR_1), "#TS:"); i++) {
        EXPECT(c, "+OK", "SET k v"); /* Redis writes one a second, and counts the base's */
        usleep(1000);
    }
    cr_assert(strstr(server_read_file(s, INCR_1), "#TS:"));
    server_kill(s);
    server_start(s, AOF, NULL);
    EXPECT(ask_open(s), "$v", "GET k");
}

Test(aof, without_checksums_the_file_is_what_redis_writes) {
    STET_ONLY();
    struct server *s = server_run(AOF, "--aof-checksum", "no", "--appendfsync", "always", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "+OK", "SET k v");
    EXPECT(c, "(nil)", "GET none");
    EXPECT(c, ":1", "DEL k");
    cr_assert_str_eq(server_read_file(s, INCR_1),
                     "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"
                     "*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n");
    server_stop(s);
    server_start(s, AOF, NULL);
    EXPECT(ask_open(s), ":0", "DBSIZE");
}

Test(aof, waitaof_answers_when_the_write_is_synced) {
    STET_ONLY();
    struct server *s = server_run(AOF, NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "+OK", "SET k v");
    EXPECT(c, "[:1 :0]", "WAITAOF 1 0 5000");
    EXPECT(c, "[:1 :0]", "WAITAOF 0 0 0");
    EXPECT(c, "-ERR value is out of range, value must between 0 and 1", "WAITAOF 2 0 0");
    EXPECT(c, "+OK", "CONFIG SET appendonly no");
    EXPECT(c, "-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
           "WAITAOF 1 0 0");
}

Test(aof, waitaof_ends_with_an_error_when_the_aof_goes_off) {
    STET_ONLY();
    struct server *s = server_run(AOF, "--appendfsync", "no", NULL);
    redisContext *c = ask_open(s), *other = ask_open(s), *third = ask_open(s);

    ask_send(c, "WAITAOF 1 1 0");
    ask_send(third, "WAITAOF 0 1 100");
    ask_wait_info(other, "blocked_clients", "2");
    EXPECT(other, "+OK", "CONFIG SET appendonly no");
    EXPECT_NEXT(c, "-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
    EXPECT_NEXT(third, "[:0 :0]");
}

Test(aof, a_rewriting_child_that_is_killed_is_named_in_the_log) {
    STET_ONLY();
    struct server *s = server_run(AOF, NULL);
    redisContext *c = ask_open(s);

    fill(c);
    EXPECT(c, "+OK", "CONFIG SET rdb-key-save-delay 10000000");
    EXPECT_PREFIX(c, "+Background", "BGREWRITEAOF");
    wait_child(s);
    EXPECT(c, "+OK", "CONFIG SET appendonly no");
    server_wait_log(s, "Killing AOF child");
}

Test(aof, what_a_transaction_did_before_it_turned_the_aof_off_does_not_come_back) {
    STET_ONLY();
    struct server *s = server_run(AOF, NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "+OK", "MULTI");
    EXPECT(c, "+QUEUED", "SET a old");
    EXPECT(c, "+QUEUED", "CONFIG SET appendonly no");
    EXPECT(c, "[+OK +OK]", "EXEC");
    EXPECT(c, "+OK", "SET a new");
    EXPECT(c, "+OK", "CONFIG SET appendonly yes");
    ask_wait_info(c, "aof_state", "on");
    EXPECT(c, "+OK", "SET b 1");
    server_kill(s);
    server_start(s, AOF, NULL);
    EXPECT(ask_open(s), "$new", "GET a");
}

Test(aof, info_has_redis_fields) {
    const char *fields[] = {"loading",
                            "async_loading",
                            "rdb_changes_since_last_save",
                            "rdb_bgsave_in_progress",
                            "rdb_last_save_time",
                            "rdb_last_bgsave_status",
                            "aof_enabled",
                            "aof_rewrite_in_progress",
                            "aof_rewrite_scheduled",
                            "aof_last_rewrite_time_sec",
                            "aof_current_rewrite_time_sec",
                            "aof_last_bgrewrite_status",
                            "aof_rewrites",
                            "aof_last_write_status",
                            "aof_last_cow_size",
                            "aof_current_size",
                            "aof_base_size",
                            "aof_pending_rewrite",
                            "aof_buffer_length",
                            "aof_pending_bio_fsync",
                            "aof_delayed_fsync"};
    struct server *s = server_run(AOF, NULL);
    redisContext *c = ask_open(s);

    fill(c);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        cr_assert(*ask_info(c, fields[i]), "INFO has no field %s", fields[i]);
    cr_assert_str_eq(ask_info(c, "aof_last_write_status"), "ok");
    cr_assert_gt(ask_info_int(c, "aof_current_size"), 100);
    if (!server_is_stet()) return;
    ask_wait_info(c, "aof_unwritten_bytes", "0");
    ask_wait_info(c, "aof_unsynced_bytes", "0");
}

Test(aof, pipelined_writes_and_reads_come_back_in_order_under_always) {
    enum { N = 3000 };
    struct server *s = server_run(AOF, "--appendfsync", "always", NULL);
    redisContext *c = ask_open(s);

    for (int i = 0; i < N; i++) {
        redisAppendCommand(c, "INCR n");
        redisAppendCommand(c, "GET n");
        redisAppendCommand(c, "GET other");
    }
    for (int i = 1; i <= N; i++) {
        redisReply *r[3];
        for (int k = 0; k < 3; k++) cr_assert_eq(redisGetReply(c, (void **)&r[k]), REDIS_OK);
        cr_assert_eq(r[0]->integer, i);
        cr_assert_eq(atoi(r[1]->str), i);
        cr_assert_eq(r[2]->type, REDIS_REPLY_NIL);
        for (int k = 0; k < 3; k++) freeReplyObject(r[k]);
    }
    server_kill(s);
    server_start(s, AOF, NULL);
    EXPECT(ask_open(s), "$3000", "GET n");
}

Test(aof, a_reply_to_a_write_before_quit_is_a_promise) {
    struct server *s = server_run(AOF, "--appendfsync", "always", NULL);
    struct resp_conn c;

    for (int i = 0; i < 20; i++) {
        cr_assert(resp_open(&c, server_port(s), NULL) == 0);
        cr_assert(resp_send(&c, "INCR n\r\nQUIT\r\n", 14) == 0);
        cr_assert_eq(atoi(resp_next(&c) + 1), i + 1);
        cr_assert_str_eq(resp_next(&c), "+OK");
        cr_assert_str_eq(resp_next(&c), "(closed)");
        resp_close(&c);
        server_kill(s);
        server_start(s, AOF, "--appendfsync", "always", NULL);
    }
}

/* ---------------------------------------------------------------- always: which clients share a
 * sync */

enum { WRITERS = 12, ROUNDS = 40 };

/* Each writes again as soon as it has its answer. Returns the number of syncs that took. */
static long long write_in_turn(struct server *s, redisContext *info) {
    redisContext *w[WRITERS];
    struct pollfd p[WRITERS];
    int left[WRITERS], open = WRITERS;
    long long before = ask_info_int(info, "aof_syncs");

    for (int i = 0; i < WRITERS; i++) {
        w[i] = ask_open(s);
        left[i] = ROUNDS;
        ask_send(w[i], "INCR writer:%d", i);
        p[i] = (struct pollfd){.fd = w[i]->fd, .events = POLLIN};
    }
    while (open > 0) {
        cr_assert_gt(poll(p, WRITERS, 10000), 0);
        for (int i = 0; i < WRITERS; i++) {
            if (!(p[i].revents & POLLIN)) continue;
            ask_next(w[i]);
            if (--left[i] > 0)
                ask_send(w[i], "INCR writer:%d", i);
            else
                p[i].fd = -1, open--;
        }
    }
    return ask_info_int(info, "aof_syncs") - before;
}

Test(aof, under_always_clients_that_write_in_turn_share_syncs) {
    struct server *s;
    redisContext *c;
    char want[16];

    setenv("STET_IO_FAULT", "sync:delay=4", 1);
    s = server_run("--appendonly", "yes", "--appendfsync", "always", NULL);
    unsetenv("STET_IO_FAULT");
    c = ask_open(s);
    cr_assert_leq(write_in_turn(s, c), WRITERS * ROUNDS / 4);
    snprintf(want, sizeof want, "$%d", ROUNDS);
    EXPECT(c, want, "GET writer:0");
}

/* The AOF stays where it was opened: half of it in another directory would be no AOF. */
Test(aof, another_working_directory_leaves_it_where_it_is) {
    struct server *s = server_run("--appendonly", "yes", "--appendfsync", "always",
                                  "--enable-protected-configs", "yes", NULL);
    redisContext *c = ask_open(s);
    char order[600];

    EXPECT(c, "+OK", "SET a 1");
    snprintf(order, sizeof order, "%s/other", server_dir(s));
    cr_assert_eq(mkdir(order, 0755), 0);
    snprintf(order, sizeof order, "CONFIG SET dir %s/other appendfsync everysec", server_dir(s));
    EXPECT(c, "+OK", order);
    ask(c, "BGREWRITEAOF");
    ask_wait_info(c, "aof_rewrite_in_progress", "0");
    EXPECT(c, "+OK", "SET b 2");
    server_kill(s);
    server_start(s, "--appendonly", "yes", NULL);
    EXPECT(ask_open(s), "$1", "GET a");
    EXPECT(ask_open(s), "$2", "GET b");
}

Test(aof, no_stop_while_the_first_aof_is_written_unless_forced) {
    struct server *s = server_run("--save", "", "--enable-debug-command", "yes", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "+OK", "DEBUG POPULATE 1000");
    EXPECT(c, "+OK", "CONFIG SET rdb-key-save-delay 1000000");
    EXPECT(c, "+OK", "CONFIG SET appendonly yes");
    ask_wait_info(c, "aof_rewrite_in_progress", "1");
    server_notify(s, SIGTERM);
    server_wait_log(s, "Writing initial AOF, can't exit.");
    EXPECT(c, "+PONG", "PING");
    EXPECT(c, "-ERR Errors trying to SHUTDOWN. Check logs.", "SHUTDOWN");
    EXPECT(c, "(closed)", "SHUTDOWN FORCE");
    cr_assert_eq(server_wait_exit(s), 0);
}

Test(aof, a_rewrite_without_an_aof_makes_one_that_loads) {
    struct server *s = server_run("--save", "", "--enable-debug-command", "yes", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "+OK", "SET k v");
    EXPECT_PREFIX(c, "+Background append only file", "BGREWRITEAOF");
    ask_wait_rewrite(c);
    EXPECT(c, "+OK", "SET later v");
    EXPECT(c, "+OK", "DEBUG LOADAOF");
    EXPECT(c, "[$k]", "KEYS *");
    EXPECT(c, "+OK", "SET later v");
    EXPECT(c, "+OK", "CONFIG SET appendonly yes");
    ask_wait_rewrite(c);
    server_kill(s);
    server_start(s, "--appendonly", "yes", NULL);
    EXPECT(ask_open(s), ":2", "DBSIZE");
}
