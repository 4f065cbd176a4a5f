/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stet-check-aof ($STET_CHECK_AOF; beside a redis-server it is redis-check-aof).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/kit/ask.h"
#include "tests/kit/server.h"

#define AOF      "--appendonly", "yes", "--aof-use-rdb-preamble", "no"
#define MANIFEST "appendonlydir/appendonly.aof.manifest"
#define BASE     "appendonlydir/appendonly.aof.2.base.rdb"
#define INCR     "appendonlydir/appendonly.aof.1.incr.aof"

TestSuite(check_aof, .fini = kit_end);

static char said[65536];

/* Runs the tool on `file` of the server's directory; returns its exit status, output in said[]. */
static int check(struct server *s, const char *options, const char *file, const char *input) {
    const char *tool = getenv("STET_CHECK_AOF"), *bin = getenv("STET_BIN");
    char command[2048], from_bin[1024];

    snprintf(from_bin, sizeof from_bin, "%s/stet-check-aof", bin ? bin : "build");
    if (!tool) tool = server_is_stet() ? from_bin : "redis-check-aof";
    snprintf(command, sizeof command, "echo '%s' | %s %s '%s' 2>&1", input, tool, options,
             server_path(s, file));
    FILE *f = popen(command, "r");
    size_t n = fread(said, 1, sizeof said - 1, f);
    said[n] = 0;
    return WEXITSTATUS(pclose(f));
}

static void says(const char *part) {
    cr_assert(strstr(said, part), "no '%s' in:\n%s", part, said);
}

static struct server *stopped_server(void) {
    struct server *s = server_run(AOF, NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "+OK", "SET a 1");
    EXPECT(c, "+OK", "SET b 2");
    server_stop(s);
    return s;
}

static void tear(struct server *s) {
    FILE *f = fopen(server_path(s, INCR), "a");

    fputs("*3\r\n$3\r\nSET\r\n$1\r\nc", f);
    fclose(f);
}

Test(check_aof, a_good_directory_is_valid) {
    struct server *s = stopped_server();

    cr_assert_eq(check(s, "", MANIFEST, ""), 0, "%s", said);
    says("BASE AOF appendonly.aof.1.base.aof is ");
    says("INCR AOF appendonly.aof.1.incr.aof is valid");
    says("All AOF files and manifest are valid");
}

Test(check_aof, a_torn_tail_is_not_valid_and_left_alone) {
    struct server *s = stopped_server();

    tear(s);
    char *before = server_read_file(s, INCR);
    cr_assert_eq(check(s, "", MANIFEST, ""), 1, "%s", said);
    says("appendonly.aof.1.incr.aof is not valid. Use the --fix option to try fixing it.");
    cr_assert_str_eq(server_read_file(s, INCR), before);
}

Test(check_aof, fix_asks_first) {
    struct server *s = stopped_server();

    tear(s);
    char *before = server_read_file(s, INCR);
    cr_assert_eq(check(s, "--fix", MANIFEST, "n"), 1, "%s", said);
    cr_assert_str_eq(server_read_file(s, INCR), before);
    cr_assert_eq(check(s, "--fix", MANIFEST, "y"), 0, "%s", said);
    says("Continue? [y/N]: Successfully truncated AOF appendonly.aof.1.incr.aof");
    cr_assert_eq(check(s, "", MANIFEST, ""), 0, "%s", said);
    server_start(s, AOF, NULL);
    EXPECT(ask_open(s), "[$1 $2 (nil)]", "MGET a b c");
}

Test(check_aof, yes_needs_no_answer) {
    STET_ONLY();
    struct server *s = stopped_server();

    tear(s);
    cr_assert_eq(check(s, "--fix --yes", MANIFEST, ""), 0, "%s", said);
    cr_assert_eq(check(s, "", MANIFEST, ""), 0, "%s", said);
}

Test(check_aof, json_is_one_object) {
    STET_ONLY();
    struct server *s = stopped_server();

    cr_assert_eq(check(s, "--json", MANIFEST, ""), 0, "%s", said);
    cr_assert_eq(said[0], '{', "%s", said);
    says("appendonly.aof.1.incr.aof");
}

Test(check_aof, a_single_file_can_be_checked) {
    struct server *s = stopped_server();

    cr_assert_eq(check(s, "", INCR, ""), 0, "%s", said);
    says("is valid");
}

Test(check_aof, wrong_use_is_told) {
    struct server *s = stopped_server();

    cr_assert_eq(check(s, "--nosuch", MANIFEST, ""), 1, "%s", said);
    cr_assert_eq(check(s, "", "none.manifest", ""), 1, "%s", said);
}

Test(check_aof, truncate_to_timestamp_cuts_what_came_later) {
    struct server *s = server_run(AOF, "--aof-timestamp-enabled", "yes", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "+OK", "SET early 1");
    long long now = atoll(strstr(ask(c, "TIME"), "$") + 1);
    while (atoll(strstr(ask(c, "TIME"), "$") + 1) < now + 2) {
    }
    EXPECT(c, "+OK", "SET late 1");
    server_stop(s);
    char option[64];
    snprintf(option, sizeof option, "--truncate-to-timestamp %lld", now + 1);
    cr_assert_eq(check(s, option, MANIFEST, "y"), 0, "%s", said);
    says("Successfully truncated AOF appendonly.aof.1.incr.aof to timestamp");
    server_start(s, AOF, NULL);
    EXPECT(ask_open(s), "[$1 (nil)]", "MGET early late");
}

Test(check_aof, a_manifest_with_a_path_in_it_is_refused) {
    struct server *s = stopped_server();

    server_write_file(s, MANIFEST, "file ../x.base.aof seq 1 type b\n");
    cr_assert_eq(check(s, "", MANIFEST, ""), 1, "%s", said);
}

/* ---------------------------------------------------------------- several files */

static const char *const files[] = {"appendonlydir/appendonly.aof.1.incr.aof",
                                    "appendonlydir/appendonly.aof.2.incr.aof",
                                    "appendonlydir/appendonly.aof.3.incr.aof"};

/* Keys a1..a20 in the first increment, b1..b20 in the second, c1..c20 in the third. */
static struct server *three_increments(const char *rdb) {
    struct server *s = server_run("--appendonly", "yes", "--appendfsync", "always",
                                  "--aof-use-rdb-preamble", rdb, "--backup-dir", "backups", NULL);
    redisContext *c = ask_open(s);
    static const char *const letters[] = {"a", "b", "c"};

    for (int file = 0; file < 3; file++) {
        for (int i = 1; i <= 20; i++) EXPECT(c, "+OK", "SET %s%d value", letters[file], i);
        if (file == 2) break;
        ask(c, "BACKUP START");
        ask(c, "BACKUP SEAL");
    }
    server_stop(s);
    return s;
}

/* Overwrites a few bytes in the middle of a file, in a new file of that name. */
static void harm(struct server *s, const char *file, long at) {
    char path[1024], other[1100];
    FILE *from, *to;
    int ch;

    snprintf(path, sizeof path, "%s", server_path(s, file));
    snprintf(other, sizeof other, "%s.x", path);
    from = fopen(path, "r");
    to = fopen(other, "w");
    for (long i = 0; (ch = getc(from)) != EOF; i++) putc(i >= at && i < at + 4 ? '!' : ch, to);
    fclose(from);
    fclose(to);
    rename(other, path);
}

static bool exists(struct server *s, const char *pattern) {
    char command[1200];

    snprintf(command, sizeof command, "ls %s >/dev/null 2>&1", server_path(s, pattern));
    return system(command) == 0;
}

Test(check_aof, fix_cuts_any_file_and_keeps_what_it_takes_away) {
    STET_ONLY();
    struct server *s = three_increments("no");

    harm(s, files[1], 700);
    cr_assert_eq(check(s, "--fix --yes", MANIFEST, ""), 0, "%s", said);
    says("whole batches with");
    says("This will take 1 increments with");
    says("--salvage OUT");
    cr_expect(exists(s, "appendonlydir/appendonly.aof.2.incr.aof.cut-*"));
    cr_expect(exists(s, "appendonlydir/appendonly.aof.3.incr.aof.cut-*"));
    server_start(s, AOF, NULL);
    EXPECT(ask_open(s), ":1", "EXISTS a20");
    EXPECT(ask_open(s), ":1", "EXISTS b1");
    EXPECT(ask_open(s), ":0", "EXISTS c1");
}

Test(check_aof, a_second_fix_keeps_what_the_first_kept) {
    STET_ONLY();
    struct server *s = three_increments("no");
    char name[] = "appendonlydir/appendonly.aof.3.incr.aof.cut-*";

    for (int i = 0; i < 2; i++) {
        FILE *f = fopen(server_path(s, files[2]), "a");

        fputs("*3\r\n$3\r\nSET\r\n", f);
        fclose(f);
        cr_assert_eq(check(s, "--fix --yes", MANIFEST, ""), 0, "%s", said);
    }
    char command[1200];
    snprintf(command, sizeof command, "test $(ls %s | wc -l) = 2", server_path(s, name));
    cr_expect_eq(system(command), 0);
}

Test(check_aof, fix_does_not_write_to_a_file_with_another_name) {
    STET_ONLY();
    struct server *s = three_increments("no");
    char command[2400], from[1024];

    harm(s, files[2], 700);
    snprintf(from, sizeof from, "%s", server_path(s, files[2]));
    snprintf(command, sizeof command, "ln %s %s && cp %s %s", from, server_path(s, "linked"), from,
             server_path(s, "copy"));
    cr_assert_eq(system(command), 0);
    cr_assert_eq(check(s, "--fix --yes", MANIFEST, ""), 0, "%s", said);
    snprintf(from, sizeof from, "%s", server_path(s, "linked"));
    snprintf(command, sizeof command, "cmp %s %s", from, server_path(s, "copy"));
    cr_expect_eq(system(command), 0);
}

Test(check_aof, a_damaged_rdb_base_is_named_with_what_saves_it) {
    STET_ONLY();
    struct server *s = three_increments("yes");

    EXPECT((server_start(s, "--appendonly", "yes", NULL), ask_open(s)),
           "+Background append only file rewriting started", "BGREWRITEAOF");
    ask_wait_info(ask_open(s), "aof_rewrite_in_progress", "0");
    server_stop(s);
    harm(s, "appendonlydir/appendonly.aof.2.base.rdb", 200);
    cr_assert_eq(check(s, "--fix --yes", MANIFEST, ""), 1, "%s", said);
    says("stet-check-rdb --salvage");
    says("stet-check-aof --salvage OUT");
}

/* The first base of an AOF: it holds a header and a few lines only. */
static const char first_base[] = "appendonlydir/appendonly.aof.1.base.aof";

Test(check_aof, a_base_that_is_cut_to_nothing_gets_a_header) {
    STET_ONLY();
    struct server *s = three_increments("no");

    harm(s, first_base, 0);
    cr_assert_eq(check(s, "--fix --yes", MANIFEST, ""), 0, "%s", said);
    cr_assert_eq(check(s, "", MANIFEST, ""), 0, "%s", said);
    server_start(s, AOF, NULL);
    EXPECT(ask_open(s), ":3", "EXISTS a1 b1 c20");
}

Test(check_aof, an_empty_base_is_not_valid_where_the_server_refuses_it) {
    STET_ONLY();
    struct server *s = three_increments("no");

    server_write_file(s, first_base, "");
    cr_assert_eq(check(s, "", MANIFEST, ""), 1, "%s", said);
    cr_assert_eq(check(s, "--fix --yes", MANIFEST, ""), 1, "%s", said);
    says("is empty (0 bytes)");
    says("stet-check-aof --salvage OUT");
}

Test(check_aof, salvage_saves_whole_batches_after_the_damage) {
    STET_ONLY();
    struct server *s = three_increments("no");
    char option[1100];

    harm(s, files[1], 700);
    snprintf(option, sizeof option, "--salvage %s", server_path(s, "saved"));
    cr_assert_eq(check(s, option, MANIFEST, ""), 0, "%s", said);
    says("--restore-from");
    cr_assert_eq(check(s, option, MANIFEST, ""), 1, "%s", said);
    says("is not empty");
    struct server *r = server_new();
    server_start(r, AOF, "--restore-from", server_path(s, "saved"), NULL);
    redisContext *c = ask_open(r);
    EXPECT(c, ":3", "EXISTS a1 b1 c20");
    EXPECT(c, ":59", "DBSIZE");
}

/* The SELECT that a batch relied on is lost: with several databases nothing says which it is for.
 */
Test(check_aof, salvage_leaves_out_batches_of_an_unknown_database) {
    STET_ONLY();
    struct server *s = server_run(AOF, NULL), *r = server_new();
    redisContext *c = ask_open(s);
    char option[1100], *data, *lost;
    FILE *f;

    EXPECT(c, "+OK", "SELECT 5");
    EXPECT(c, "+OK", "SET w 1");
    EXPECT(c, "+OK", "SELECT 0");
    EXPECT(c, "+OK", "SET a 1");
    EXPECT(c, "+OK", "SELECT 5");
    EXPECT(c, "+OK", "SET lost 1");
    EXPECT(c, "+OK", "SET y 1");
    server_stop(s);
    data = server_read_file(s, INCR);
    lost = strstr(data, "lost");
    cr_assert(lost);
    f = fopen(server_path(s, INCR), "r+");
    cr_assert_eq(fseek(f, lost - data, SEEK_SET), 0);
    fputs("LOST", f);
    fclose(f);
    snprintf(option, sizeof option, "--salvage %s", server_path(s, "saved"));
    cr_assert_eq(check(s, option, MANIFEST, ""), 0, "%s", said);
    says("2 batches with 4 commands are written");
    says("1 whole batches with 1 commands are left out");
    server_start(r, AOF, "--restore-from", server_path(s, "saved"), NULL);
    c = ask_open(r);
    EXPECT(c, ":1", "DBSIZE");
    EXPECT(c, "+OK", "SELECT 5");
    EXPECT(c, ":1", "EXISTS w");
}

/* After SEAL the last increment holds a header, and after a stop a mark: the last command is in a
 * file that is not the last one. */
Test(check_aof, truncate_to_timestamp_after_a_backup_and_a_stop) {
    STET_ONLY();
    struct server *s = server_run(AOF, "--appendfsync", "always", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "+OK", "SET early 1");
    long long now = atoll(strstr(ask(c, "TIME"), "$") + 1);
    while (atoll(strstr(ask(c, "TIME"), "$") + 1) < now + 2) {
    }
    EXPECT(c, "+OK", "SET late 1");
    ask(c, "BACKUP START");
    ask(c, "BACKUP SEAL");
    server_stop(s);
    char option[64];
    snprintf(option, sizeof option, "--truncate-to-timestamp %lld", now + 1);
    cr_assert_eq(check(s, option, MANIFEST, ""), 0, "%s", said);
    says("Successfully truncated AOF appendonly.aof.1.incr.aof to timestamp");
    cr_assert_eq(check(s, "", MANIFEST, ""), 0, "%s", said);
    server_start(s, AOF, NULL);
    EXPECT(ask_open(s), "[$1 (nil)]", "MGET early late");
}

Test(check_aof, a_server_at_work_is_left_alone) {
    STET_ONLY();
    struct server *s = server_run(AOF, NULL);

    cr_assert_eq(check(s, "--fix --yes", MANIFEST, ""), 1, "%s", said);
    says("a server is using its directory");
    cr_assert_eq(check(s, "", MANIFEST, ""), 0, "%s", said);
}

static void put_file(struct server *s, const char *name, const void *p, size_t n) {
    FILE *f = fopen(server_path(s, name), "w");

    cr_assert(f && fwrite(p, 1, n, f) == n && fclose(f) == 0, "%s", name);
}

static const char two_files[] = "file appendonly.aof.2.base.rdb seq 2 type b\n"
                                "file appendonly.aof.2.incr.aof seq 2 type i\n";

static struct server *with_base(const void *base, size_t n, const char *manifest) {
    static const char more[] = "*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$1\r\ny\r\n";
    struct server *s = server_new();

    cr_assert_eq(mkdir(server_path(s, "appendonlydir"), 0755), 0);
    put_file(s, MANIFEST, manifest, strlen(manifest));
    put_file(s, BASE, base, n);
    put_file(s, "appendonlydir/appendonly.aof.2.incr.aof", more, sizeof more - 1);
    return s;
}

/* Valkey 9 writes other first bytes than Redis. */
Test(check_aof, a_base_of_valkey_is_loaded_and_checked) {
    static const char base[] = "VALKEY080\xfe\x00\x00\x01k\x01v\x16\x01h\x01\x01"
                               "f\x01w\x00\x38\xd3\x60\xba\x01\x00\x00\xff\0\0\0\0\0\0\0";
    struct server *s = with_base(base, sizeof base, two_files);
    redisContext *c;

    cr_assert_eq(check(s, "", MANIFEST, ""), 0, "%s", said);
    server_start(s, AOF, NULL);
    c = ask_open(s);
    EXPECT(c, "$v", "GET k");
    EXPECT(c, "$y", "GET x");
    EXPECT(c, "[:1900000000]", "HEXPIRETIME h FIELDS 1 f");
}

static void is_untouched(struct server *s, const void *base, size_t n) {
    char now[256];
    FILE *f = fopen(server_path(s, BASE), "r");

    cr_assert_not_null(f);
    cr_expect_eq(fread(now, 1, sizeof now, f), n);
    cr_expect_eq(memcmp(now, base, n), 0);
    fclose(f);
}

/* What was written by a newer server, or with more databases, is no damage. */
static const struct {
    const char *what, *bytes;
    size_t n;
} foreign[] = {
#define BYTES(b) b, sizeof(b) - 1
    {"version 13", BYTES("REDIS0013\xfe\x00\x00\x01k\x01v\xff"
                         "\x55\xc9\x8a\x96\x62\x43\x10\xef")},
    {"version 13, no checksum", BYTES("REDIS0013\xfe\x00\x00\x01k\x01v\xff\0\0\0\0\0\0\0\0")},
    {"type 61", BYTES("REDIS0012\xfe\x00\x3d\x01k\x01v\xff"
                      "\x89\x5d\x29\x9f\x9c\x15\xee\xd3")},
    {"database 20", BYTES("REDIS0012\xfe\x14\x00\x01k\x01v\xff"
                          "\x08\x85\xaf\x56\xe1\x3b\xd5\x80")},
};

static void start_is_refused(struct server *s, const char *part, const char *no_part) {
    char *log;

    server_launch(s, "--port", "0", "--unixsocket", "s.sock", AOF, NULL);
    cr_expect_eq(server_wait_exit(s), 1);
    log = server_log(s);
    cr_expect(strstr(log, part), "no '%s' in:\n%s", part, log);
    cr_expect(!no_part || !strstr(log, no_part), "'%s' in:\n%s", no_part, log);
    free(log);
}

static void is_left_alone(size_t i) {
    const char *base = foreign[i].bytes;
    struct server *s = with_base(base, foreign[i].n, two_files);
    bool is_read = strncmp(foreign[i].what, "database", 8) == 0; /* the tool has no limit */

    cr_expect_eq(check(s, "--fix --yes", MANIFEST, ""), !is_read, "%s: %s", foreign[i].what, said);
    if (!is_read) says("It is not damaged");
    cr_expect_null(strstr(said, "salvage"), "%s: %s", foreign[i].what, said);
    is_untouched(s, base, foreign[i].n);
    start_is_refused(s, "The file is not damaged", "--fix");
    is_untouched(s, base, foreign[i].n);
}

Test(check_aof, a_base_that_is_not_read_here_is_no_damage) {
    STET_ONLY();
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) is_left_alone(i);
}

/* The base stays the one of the manifest that is made anew, although an older one can be read. */
Test(check_aof, a_manifest_made_anew_has_the_base_that_is_not_read_here) {
    static const char older[] = "REDIS0012\xfe\x00\x00\x01k\x01v\xff\0\0\0\0\0\0\0";

    STET_ONLY();
    struct server *s = with_base(foreign[0].bytes, foreign[0].n, "file nothing\n");

    put_file(s, "appendonlydir/appendonly.aof.1.base.rdb", older, sizeof older);
    cr_expect_eq(check(s, "--fix --yes", MANIFEST, ""), 1, "%s", said);
    says("appendonly.aof.2.base.rdb, number 2");
    says("It is not damaged");
    is_untouched(s, foreign[0].bytes, foreign[0].n);
}

/* The checksum tells a damaged type from an unknown one. */
Test(check_aof, a_base_whose_checksum_fails_is_damaged) {
    static const char base[] = "REDIS0012\xfe\x00\x3d\x01k\x01v\xff\1\2\3\4\5\6\7\1";

    STET_ONLY();
    struct server *s = with_base(base, sizeof base - 1, two_files);

    cr_expect_eq(check(s, "--fix --yes", MANIFEST, ""), 1, "%s", said);
    says("stet-check-aof --salvage");
    is_untouched(s, base, sizeof base - 1);
    start_is_refused(s, "stet-check-aof --fix", NULL);
}

/* Zeros where the checksum stood say nothing of the header. */
Test(check_aof, a_base_with_zeros_in_its_header_is_damaged) {
    static const char base[64] = "REDIS00";

    STET_ONLY();
    struct server *s = with_base(base, sizeof base, two_files);

    cr_expect_eq(check(s, "--fix --yes", MANIFEST, ""), 1, "%s", said);
    says("stet-check-aof --salvage");
    start_is_refused(s, "stet-check-aof --fix", "not damaged");
}

/* The start that was to make the AOF was killed: its files are no AOF yet. */
Test(check_aof, fix_leaves_a_first_start_that_did_not_end_to_the_next_one) {
    STET_ONLY();
    struct server *s = server_new();

    cr_assert_eq(mkdir(server_path(s, "appendonlydir"), 0755), 0);
    server_write_file(s, "appendonlydir/.appendonly.aof.creating", "");
    server_write_file(s, "appendonlydir/appendonly.aof.1.base.rdb", "");
    cr_expect_eq(check(s, "--fix --yes", MANIFEST, ""), 0, "%s", said);
    says("There is nothing to repair");
    server_start(s, AOF, NULL);
    EXPECT(ask_open(s), "+OK", "SET k v");
}
