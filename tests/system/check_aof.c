/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stet-check-aof ($STET_CHECK_AOF; beside a redis-server it is redis-check-aof).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/kit/ask.h"
#include "tests/kit/server.h"

#define AOF      "--appendonly", "yes", "--aof-use-rdb-preamble", "no"
#define MANIFEST "appendonlydir/appendonly.aof.manifest"
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
