/* SPDX-License-Identifier: BSD-3-Clause
 *
 * CONFIG RELOAD and SIGHUP: the configuration file is read again.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/ask.h"
#include "tests/kit/resp3.h"
#include "tests/kit/server.h"

TestSuite(config_reload, .fini = kit_end);

#define NOTHING "[$changed [] $needs-restart []]"

static struct server *run_with(const char *text) {
    struct server *s = server_new();

    server_write_file(s, "c.conf", text);
    server_start(s, "c.conf", "--timeout", "9", NULL);
    return s;
}

Test(config_reload, what_differs_is_set_and_reported) {
    STET_ONLY();
    struct server *s = run_with("hz 20\ndatabases 16\nmaxmemory 100mb\n");
    redisContext *c = ask_open(s);

    EXPECT(c, NOTHING, "CONFIG RELOAD");
    server_write_file(s, "c.conf",
                      "hz 30\ndatabases 4\nrequirepass secret\ntimeout 5\nuser bob on\n");
    EXPECT(c,
           "[$changed [[$hz $20 $30] [$requirepass $(hidden) $(hidden)] "
           "[$maxmemory $104857600 $0]] "
           "$needs-restart [[$databases $16 $4] [$user $0 lines $1 line]]]",
           "CONFIG RELOAD");
    EXPECT(c, "[$hz $30]", "CONFIG GET hz");
    EXPECT(c, "[$timeout $9]", "CONFIG GET timeout"); /* the command line wins, as at the start */
    EXPECT_PREFIX(ask_open(s), "-NOAUTH", "PING");
    server_wait_log(s, "Reload: hz was '20' and is now '30'.");
    server_wait_log(s, "Reload: 'databases' is '16', the file says '4': this needs a restart.");
    char *log = server_log(s);
    cr_assert_not(strstr(log, "secret"), "%s", log);
    free(log);
}

Test(config_reload, the_reply_is_a_map_in_resp3) {
    STET_ONLY();
    struct server *s = run_with("hz 20\n");
    struct resp_conn c;

    cr_assert_eq(resp_open(&c, server_port(s), NULL), 0);
    resp_ask(&c, "HELLO", "3", NULL);
    cr_assert_str_eq(resp_ask(&c, "CONFIG", "RELOAD", NULL), "{$changed=[] $needs-restart=[]}");
    resp_close(&c);
}

Test(config_reload, a_parameter_set_at_run_time_goes_back_to_the_file) {
    STET_ONLY();
    struct server *s = run_with("hz 20\n");
    redisContext *c = ask_open(s);

    EXPECT(c, "+OK", "CONFIG SET hz 50 slowlog-max-len 7");
    EXPECT(c, "[$changed [[$hz $50 $20] [$slowlog-max-len $7 $128]] $needs-restart []]",
           "CONFIG RELOAD");
    EXPECT(c, "+OK", "CONFIG SET hz 50");
    EXPECT(c, "+OK", "CONFIG REWRITE");
    EXPECT(c, NOTHING, "CONFIG RELOAD");
}

Test(config_reload, a_wrong_file_changes_nothing_and_is_named_with_its_line) {
    STET_ONLY();
    struct server *s = run_with("hz 20\n");
    redisContext *c = ask_open(s);
    char want[400];

    server_write_file(s, "c.conf", "hz 30\ninclude more.conf\n");
    server_write_file(s, "more.conf", "# more\nmaxclients many secret\n");
    snprintf(want, sizeof want,
             "-ERR Nothing was reloaded: '%s/more.conf', line 2 (maxclients): wrong number of "
             "arguments",
             server_dir(s));
    EXPECT(c, want, "CONFIG RELOAD");
    server_write_file(s, "c.conf", "hz 30\nproto-max-bulk-len 1kb\n");
    EXPECT_PREFIX(c, "-ERR Nothing was reloaded: '", "CONFIG RELOAD");
    /* An applier that refuses takes back what was set. */
    server_write_file(s, "c.conf", "hz 30\nbind 203.0.113.7\n");
    EXPECT(c,
           "-ERR Nothing was reloaded: CONFIG RELOAD failed (possibly related to argument 'bind') "
           "- Failed to bind to specified addresses.",
           "CONFIG RELOAD");
    EXPECT(c, "[$hz $20]", "CONFIG GET hz");
    EXPECT(c, "+PONG", "PING");
}

Test(config_reload, names_are_relative_to_the_directory_of_the_start) {
    STET_ONLY();
    struct server *s = server_new();

    server_write_file(s, "sub.conf", "hz 21\n");
    server_write_file(s, "c.conf", "include s[u]b.conf\ndir appendonlydir\n");
    server_start(s, "--appendonly", "yes", NULL); /* makes a directory */
    server_stop(s);
    server_start(s, "c.conf", NULL);
    redisContext *c = ask_open(s);
    EXPECT(c, NOTHING, "CONFIG RELOAD");
    server_write_file(s, "sub.conf", "hz 22\n");
    EXPECT(c, "[$changed [[$hz $21 $22]] $needs-restart []]", "CONFIG RELOAD");
    server_write_file(s, "c.conf", "include sub.conf\n");
    EXPECT_PREFIX(c, "[$changed [] $needs-restart [[$dir $", "CONFIG RELOAD");
}

Test(config_reload, without_a_file_there_is_nothing_to_read) {
    STET_ONLY();
    struct server *s = server_run("--hz", "20", NULL), *t = server_new();

    EXPECT(ask_open(s),
           "-ERR Nothing was reloaded: the server was started without a configuration file",
           "CONFIG RELOAD");
    server_notify(s, SIGHUP);
    server_wait_log(s, "SIGHUP: nothing was reloaded: the server was started without a "
                       "configuration file");
    server_write_file(t, "c.conf", "hz 20\n");
    server_stdin(t, "timeout 5\n");
    server_start(t, "c.conf", "-", NULL);
    EXPECT(ask_open(t),
           "-ERR Nothing was reloaded: part of the configuration came from standard input, which "
           "cannot be read again",
           "CONFIG RELOAD");
}

static bool is_30(void *arg) {
    return strcmp(ask(arg, "CONFIG GET hz"), "[$hz $30]") == 0;
}

Test(config_reload, sighup_does_the_same) {
    STET_ONLY();
    struct server *s = run_with("hz 20\n");
    redisContext *c = ask_open(s);

    server_write_file(s, "c.conf", "hz 30\nappendonly yes\n");
    server_notify(s, SIGHUP);
    cr_assert(kit_wait(is_30, c, 10));
    server_wait_log(s, "SIGHUP: configuration reloaded");
    ask_wait_info(c, "aof_enabled", "1");
    server_write_file(s, "c.conf", "hz x\n");
    server_notify(s, SIGHUP);
    server_wait_log(s, "line 1 (hz): argument couldn't be parsed into an integer");
    EXPECT(c, "[$hz $30]", "CONFIG GET hz");
}

Test(config_reload, the_aof_can_be_switched_on_and_the_promise_changed) {
    STET_ONLY();
    struct server *s = run_with("appendonly no\n");
    redisContext *c = ask_open(s);

    server_write_file(s, "c.conf", "appendonly yes\nappendfsync always\n");
    EXPECT_PREFIX(c, "[$changed [[$appendonly $no $yes] [$appendfsync $everysec $always]]",
                  "CONFIG RELOAD");
    EXPECT(c, "+OK", "SET a 1");
    ask_wait_info(c, "aof_enabled", "1");
}

Test(config_reload, an_aof_that_cannot_be_opened_refuses_all) {
    STET_ONLY();
    struct server *s = run_with("appendonly no\nhz 20\n");
    redisContext *c = ask_open(s);

    server_write_file(s, "appendonlydir", "a file in the way");
    server_write_file(s, "c.conf", "appendonly yes\nhz 30\n");
    EXPECT_PREFIX(c, "-ERR Nothing was reloaded: appendonly: ", "CONFIG RELOAD");
    EXPECT(c, "[$hz $20]", "CONFIG GET hz");
    server_notify(s, SIGHUP);
    server_wait_log(s, "SIGHUP: nothing was reloaded: appendonly: ");
    EXPECT(c, "[$hz $20]", "CONFIG GET hz");
    cr_assert_eq(remove(server_path(s, "appendonlydir")), 0);
    server_notify(s, SIGHUP);
    cr_assert(kit_wait(is_30, c, 10));
    ask_wait_info(c, "aof_enabled", "1");
}
