/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin_help.h"
#include "server/exec/blocking.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* ---------------------------------------------------------------- INFO */

Test(info, sections_come_once_and_in_order) {
    struct help *h = help_new(NULL);
    const char *text = help_ask(&h->a, "info keyspace cpu CPU nosuch");

    cr_expect_eq(strncmp(strchr(text, '|'), "|# CPU|used_cpu_sys:", 20), 0);
    cr_expect(strstr(text, "||# Keyspace||") || strstr(text, "||# Keyspace|"));
    cr_expect_null(strstr(text, "# Server"));
    cr_expect_str_eq(help_ask(&h->a, "info nosuch"), "$0||");
    cr_expect_null(strstr(help_ask(&h->a, "info"), "# Commandstats"));
    cr_expect(strstr(help_ask(&h->a, "info all"), "# Commandstats"));
    help_free(h);
}

Test(info, counts_commands_errors_and_keys) {
    struct help *h = help_new(NULL);
    const char *text;

    help_ask(&h->a, "set k v");
    help_ask(&h->a, "set k v ex 100");
    help_ask(&h->a, "incr k");
    help_ask(&h->a, "get");
    text = help_ask(&h->a, "info commandstats errorstats keyspace latencystats");
    cr_expect(strstr(text, "|cmdstat_set:calls=2,usec="));
    cr_expect(strstr(text, ",rejected_calls=1,failed_calls=0|"));
    cr_expect(strstr(text, ",rejected_calls=0,failed_calls=1|"));
    cr_expect(strstr(text, "|errorstat_ERR:count=2|"));
    cr_expect(strstr(text, "|db0:keys=1,expires=1,avg_ttl="));
    cr_expect(strstr(text, "|latency_percentiles_usec_set:p50="));
    cr_expect(strstr(text, ",p99.9="));
    help_ask(&h->a, "config resetstat");
    cr_expect_null(strstr(help_ask(&h->a, "info commandstats errorstats"), "cmdstat_set"));
    help_free(h);
}

Test(info, shows_how_far_the_disk_is_behind) {
    struct help *h = help_new("--appendonly yes");
    const char *text;

    help_ask(&h->a, "set k v");
    text = help_ask(&h->b, "info persistence");
    cr_expect(strstr(text, "|aof_enabled:1|"));
    cr_expect(strstr(text, "|aof_state:on|"));
    cr_expect_null(strstr(text, "|aof_unwritten_bytes:0|"));
    help_wait_synced(h, 0);
    help_free(h);
}

/* ---------------------------------------------------------------- CONFIG */

Test(config, set_takes_all_or_nothing) {
    struct help *h = help_new(NULL);

    cr_expect_eq(help_ask(&h->a, "config set timeout 5 hz x")[0], '-');
    cr_expect_str_eq(help_ask(&h->a, "config get timeout"), "*2|$7|timeout|$1|0|");
    cr_expect_str_eq(help_ask(&h->a, "config set timeout 5 hz"), "-ERR syntax error|");
    cr_expect_str_eq(help_ask(&h->a, "config rewrite"),
                     "-ERR The server is running without a config file|");
    help_free(h);
}

/* Nothing is handed over between these commands, so nothing can be synced yet. */
Test(config, a_stronger_policy_is_answered_when_all_that_was_appended_meets_it) {
    struct help *h = help_new("--appendonly yes --appendfsync everysec");
    uint64_t position;

    help_ask(&h->a, "set k v");
    position = aof_appended(h->aof);
    cr_expect_str_eq(help_ask(&h->b, "config set appendfsync always"), "(gated)");
    cr_expect_eq(help_sendable(&h->b), 0);
    help_wait_synced(h, position);
    cr_expect_eq(help_sendable(&h->b), strlen("+OK\r\n"));
    help_free(h);
}

Test(config, a_weaker_policy_is_answered_at_once) {
    struct help *h = help_new("--appendonly yes --appendfsync always");

    help_ask(&h->a, "set k v");
    cr_expect_str_eq(help_ask(&h->b, "config set appendfsync everysec"), "+OK|");
    help_free(h);
}

/* ---------------------------------------------------------------- WAITAOF, SHUTDOWN */

Test(waitaof, answers_when_the_log_is_synced) {
    struct help *h = help_new("--appendonly yes --appendfsync everysec");
    uint64_t position;

    help_ask(&h->a, "set k v");
    position = aof_appended(h->aof);
    cr_expect_str_eq(help_ask(&h->b, "waitaof 1 0 0"), "");
    cr_expect_eq(h->b.s.state, SESSION_BLOCKED);
    help_wait_synced(h, position);
    cr_expect_eq(h->b.s.state, SESSION_ACTIVE);
    cr_expect_eq(h->b.resumed, 1);
    cr_expect_eq(help_sendable(&h->b), strlen("*2\r\n:1\r\n:0\r\n"));
    help_free(h);
}

Test(waitaof, gives_up_at_its_deadline) {
    struct help *h = help_new("--appendonly yes --appendfsync everysec");

    help_ask(&h->a, "set k v");
    cr_expect_str_eq(help_ask(&h->b, "waitaof 1 0 10"), "");
    blocked_check_time(&h->e, clock_mono_us() + 20 * 1000);
    cr_expect_eq(h->b.s.state, SESSION_ACTIVE);
    cr_expect_eq(help_sendable(&h->b), strlen("*2\r\n:0\r\n:0\r\n"));
    help_free(h);
}

Test(waitaof, wrong_arguments_and_no_log) {
    struct help *h = help_new(NULL);

    cr_expect_str_eq(help_ask(&h->a, "waitaof 0 0 0"), "*2|:0|:0|");
    cr_expect_str_eq(help_ask(&h->a, "waitaof 2 0 0"),
                     "-ERR value is out of range, value must between 0 and 1|");
    cr_expect_str_eq(help_ask(&h->a, "waitaof 0 0 -1"), "-ERR timeout is negative|");
    cr_expect_str_eq(help_ask(&h->a, "waitaof 0 0 9223372036854775807"),
                     "-ERR timeout is out of range|");
    cr_expect_str_eq(
        help_ask(&h->a, "waitaof 1 0 0"),
        "-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.|");
    help_free(h);
}

static unsigned shutdown_flags;

static bool note_shutdown(void *arg, unsigned flags, struct session *by) {
    (void)by;
    shutdown_flags = flags;
    return *(bool *)arg;
}

Test(shutdown, words_become_flags_and_a_refusal_an_error) {
    struct help *h = help_new(NULL);
    bool possible = false;

    h->app.shutdown = note_shutdown;
    h->app.arg = &possible;
    cr_expect_str_eq(help_ask(&h->a, "shutdown save nosave"), "-ERR syntax error|");
    cr_expect_str_eq(help_ask(&h->a, "shutdown abort now"), "-ERR syntax error|");
    cr_expect_str_eq(help_ask(&h->a, "shutdown abort"), "-ERR No shutdown in progress.|");
    cr_expect_str_eq(help_ask(&h->a, "shutdown nosave now force"),
                     "-ERR Errors trying to SHUTDOWN. Check logs.|");
    cr_expect_eq(shutdown_flags, ADMIN_SHUTDOWN_NOSAVE | ADMIN_SHUTDOWN_NOW | ADMIN_SHUTDOWN_FORCE);
    possible = true;
    cr_expect_str_eq(help_ask(&h->a, "shutdown"), "");
    cr_expect_eq(shutdown_flags, 0);
    help_free(h);
}

/* ---------------------------------------------------------------- DEBUG */

Test(debug, is_closed_unless_opened) {
    struct help *h = help_new("--enable-debug-command local");

    cr_expect_eq(strncmp(help_ask(&h->a, "debug digest"), "-ERR DEBUG command not allowed.", 31),
                 0);
    h->a.s.flags |= SESSION_LOCAL;
    cr_expect_str_eq(help_ask(&h->a, "debug digest"), "+0000000000000000000000000000000000000000|");
    help_free(h);
}

Test(debug, digest_does_not_depend_on_order_but_on_everything_else) {
    struct help *h = help_new("--enable-debug-command yes");
    char first[64];

    help_ask(&h->a, "set a 1");
    help_ask(&h->a, "set b 2 pxat 4102444800000");
    snprintf(first, sizeof first, "%s", help_ask(&h->a, "debug digest"));
    help_ask(&h->a, "flushall");
    help_ask(&h->a, "set b 2 pxat 4102444800000");
    help_ask(&h->a, "set a 1");
    cr_expect_str_eq(help_ask(&h->a, "debug digest"), first);
    help_ask(&h->a, "pexpireat b 4102444800001");
    cr_expect_str_neq(help_ask(&h->a, "debug digest"), first);
    help_ask(&h->a, "pexpireat b 4102444800000");
    help_ask(&h->a, "move a 1");
    cr_expect_str_neq(help_ask(&h->a, "debug digest"), first);
    help_free(h);
}

Test(debug, populate_leaves_what_is_there) {
    struct help *h = help_new("--enable-debug-command yes");

    help_ask(&h->a, "set p:1 mine");
    cr_expect_str_eq(help_ask(&h->a, "debug populate 3 p 4"), "+OK|");
    cr_expect_str_eq(help_ask(&h->a, "dbsize"), ":3|");
    cr_expect_str_eq(help_ask(&h->a, "get p:1"), "$4|mine|");
    cr_expect_str_eq(help_ask(&h->a, "get p:2"), "$4|valu|");
    help_free(h);
}

/* As replaying does: keys change. */
static int load_something(void *arg, struct err *e) {
    struct engine *engine = arg;

    (void)e;
    engine->dirty += 5;
    return 0;
}

Test(debug, loadaof_is_not_logged_as_a_change) {
    struct help *h = help_new("--enable-debug-command yes --appendonly yes");
    uint64_t before = aof_appended(h->aof);

    h->app.load_log = load_something;
    h->app.arg = &h->e;
    cr_expect_str_eq(help_ask(&h->a, "debug loadaof"), "+OK|");
    cr_expect_eq(aof_appended(h->aof), before);
    help_free(h);
}

Test(debug, unknown_and_wrong_count_are_one_error) {
    struct help *h = help_new("--enable-debug-command yes");

    cr_expect_str_eq(help_ask(&h->a, "debug sleep"),
                     "-ERR unknown subcommand or wrong number of arguments for 'sleep'. Try DEBUG "
                     "HELP.|");
    help_free(h);
}
