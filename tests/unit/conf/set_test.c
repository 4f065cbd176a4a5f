/* SPDX-License-Identifier: BSD-3-Clause */
#include "conf/conf.h"
#include "conf_help.h"

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

#define FAILED(name, why) "CONFIG SET failed (possibly related to argument '" name "') - " why

struct seen {
    int calls;
    int64_t timeout;
    const char *refuse; /* the next call fails with this */
};

static int watch(void *arg, const struct conf_values *v, struct err *e) {
    struct seen *s = arg;

    s->calls++;
    s->timeout = v->timeout;
    if (s->refuse) {
        err_set(e, 1, "%s", s->refuse);
        s->refuse = NULL;
        return -1;
    }
    return 0;
}

/* ---- GET */

struct found {
    char text[1 << 15];
    int count;
};

static void collect(void *arg, struct slice name, struct slice value) {
    struct found *f = arg;
    size_t n = strlen(f->text);

    snprintf(f->text + n, sizeof f->text - n, "%.*s=%.*s;", (int)name.n, name.p, (int)value.n,
             value.p);
    f->count++;
}

static const char *get(const struct conf *c, const char *a, const char *b) {
    static struct found f;
    struct slice patterns[2] = {slice_str(a), slice_str(b ? b : "")};

    f = (struct found){0};
    conf_get(c, patterns, b ? 2 : 1, collect, &f);
    return f.text;
}

Test(conf_get, patterns_ignore_case_and_report_the_table_name) {
    struct conf *c = conf_new();

    cr_assert_str_eq(get(c, "APPENDF*", NULL),
                     "appendfilename=appendonly.aof;appendfsync=everysec;");
    cr_assert_str_eq(get(c, "po?t", NULL), "port=6379;");
    cr_assert_str_eq(get(c, "nosuch*", NULL), "");
    conf_free(c);
}

Test(conf_get, an_exact_name_is_reported_as_it_was_spelled) {
    struct conf *c = conf_new();

    cr_assert_str_eq(get(c, "MaxMemory", NULL), "MaxMemory=0;");
    conf_free(c);
}

Test(conf_get, a_parameter_is_listed_once_however_many_patterns_match) {
    struct conf *c = conf_new();

    cr_assert_str_eq(get(c, "maxclients", "maxcl*"), "maxclients=10000;");
    conf_free(c);
}

Test(conf_get, both_names_of_a_parameter_are_listed) {
    struct conf *c = conf_new();

    cr_assert_str_eq(get(c, "*-priority", NULL), "replica-priority=100;slave-priority=100;");
    cr_assert_str_eq(get(c, "zset-max-ziplist-*", NULL),
                     "zset-max-ziplist-entries=128;zset-max-ziplist-value=64;");
    conf_free(c);
}

Test(conf_get, hidden_parameters_answer_to_their_exact_name_only) {
    static const char *const hidden[] = {
        "rdb-key-save-delay", "key-load-delay",
        "watchdog-period",    "loading-process-events-interval-bytes",
        "use-exit-on-panic",  "aof-disable-auto-gc"};
    struct conf *c = conf_new();

    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
        char pattern[64];

        snprintf(pattern, sizeof pattern, "%s*", hidden[i]);
        cr_expect_not_null(help_get(c, hidden[i]));
        cr_expect_str_eq(get(c, pattern, NULL), "");
        cr_expect_null(strstr(get(c, "*", NULL), hidden[i]));
    }
    conf_free(c);
}

/* ---- SET: what it accepts */

static void set_back(void *arg, struct slice name, struct slice value) {
    struct conf *other = arg;
    struct slice pair[2] = {name, value};
    struct err e = {0};

    if (conf_set(other, pair, 1, true, &e) == 0) return;
    cr_expect(strstr(e.text, "can't set immutable config"), "%.*s '%.*s': %s", (int)name.n, name.p,
              (int)value.n, value.p, e.text);
}

Test(conf_set, accepts_every_default_as_get_shows_it) {
    struct conf *c = help_text("enable-protected-configs yes\n"), *fresh = conf_new();
    struct slice all = SLICE("*");

    conf_get(fresh, &all, 1, set_back, c);
    conf_get(fresh, &all, 1, set_back, c);
    cr_assert_str_eq(help_get(c, "save"), "3600 1 300 100 60 10000");
    conf_free(fresh);
    conf_free(c);
}

Test(conf_set, accepts_unusual_values_as_get_shows_them) {
    struct conf *a =
        help_text("bind \"\"\nsave ''\nmaxmemory-clients 7%\nmaxmemory 18446744073709551615\n"
                  "notify-keyspace-events AKEmn\nshutdown-on-sigint now force\n"
                  "latency-tracking-info-percentiles 0.1 99.999 100\n"
                  "client-output-buffer-limit normal 1gb 1kb 1\noom-score-adj yes\n"
                  "oom-score-adj-values -10 0 10\nrequirepass \"a b\"\n"
                  "list-max-listpack-size -5\nslowlog-log-slower-than -1\n");
    struct conf *b = help_text("enable-protected-configs yes\n");
    struct slice all = SLICE("*");
    static char want[1 << 15];

    conf_get(a, &all, 1, set_back, b);
    strcpy(want, get(a, "[b-z]*", NULL));
    want[strstr(want, "enable-protected") - want] = '\0';
    cr_assert_eq(strncmp(want, get(b, "[b-z]*", NULL), strlen(want)), 0);
    cr_assert_str_eq(help_get(b, "notify-keyspace-events"), "AnKEm");
    cr_assert_str_eq(help_get(b, "latency-tracking-info-percentiles"), "0.1 99.999 100");
    conf_free(a);
    conf_free(b);
}

Test(conf_set, sets_several_at_once_and_through_aliases) {
    struct conf *c = conf_new();

    cr_assert_str_eq(help_set(c, "maxmemory", "2mb", "MAXMEMORY-POLICY", "allkeys-lru",
                              "zset-max-ziplist-entries", "100", NULL),
                     "OK");
    cr_assert_str_eq(help_get(c, "maxmemory"), "2097152");
    cr_assert_eq(conf_values(c)->maxmemory_policy, CONF_EVICT_ALLKEYS_LRU);
    cr_assert_str_eq(help_get(c, "zset-max-listpack-entries"), "100");
    conf_free(c);
}

Test(conf_set, hz_is_brought_into_its_range) {
    struct conf *c = conf_new();

    cr_assert_str_eq(help_set(c, "hz", "501", NULL), "OK");
    cr_assert_eq(conf_values(c)->hz, 500);
    cr_assert_str_eq(help_set(c, "hz", "0", NULL), "OK");
    cr_assert_eq(conf_values(c)->hz, 1);
    conf_free(c);
}

Test(conf_set, buffer_limits_of_other_classes_stay) {
    struct conf *c = conf_new();

    cr_assert_str_eq(help_set(c, "client-output-buffer-limit", "pubsub 10mb 5mb 60", NULL), "OK");
    cr_assert_str_eq(help_set(c, "client-output-buffer-limit", "slave 1 2 3", NULL), "OK");
    cr_assert_str_eq(help_set(c, "client-output-buffer-limit", "", NULL), "OK");
    cr_assert_str_eq(help_get(c, "client-output-buffer-limit"),
                     "normal 0 0 0 slave 1 2 3 pubsub 10485760 5242880 60");
    conf_free(c);
}

Test(conf_set, save_replaces_all_points) {
    struct conf *c = conf_new();

    cr_assert_str_eq(help_set(c, "save", "900 1", NULL), "OK");
    cr_assert_str_eq(help_set(c, "save", "300 10 60 5", NULL), "OK");
    cr_assert_str_eq(help_get(c, "save"), "300 10 60 5");
    conf_free(c);
}

/* ---- SET: what it refuses */

Test(conf_set, refuses_with_the_words_of_redis) {
    struct conf *c = conf_new();

    cr_expect_str_eq(help_set(c, "NoSuch", "1", NULL),
                     "Unknown option or number of arguments for CONFIG SET - 'NoSuch'");
    cr_expect_str_eq(help_set(c, "user", "x", NULL),
                     "Unknown option or number of arguments for CONFIG SET - 'user'");
    cr_expect_str_eq(help_set(c, "DATABASES", "4", NULL),
                     FAILED("DATABASES", "can't set immutable config"));
    cr_expect_str_eq(help_set(c, "dbfilename", "x", NULL),
                     FAILED("dbfilename", "can't set protected config"));
    cr_expect_str_eq(help_set(c, "MAXMEMORY", "1", "maxmemory", "2", NULL),
                     FAILED("maxmemory", "duplicate parameter"));
    cr_expect_str_eq(help_set(c, "PORT", "a", NULL),
                     FAILED("port", "argument couldn't be parsed into an integer"));
    cr_expect_str_eq(help_set(c, "SLAVE-priority", "a", NULL),
                     FAILED("slave-priority", "argument couldn't be parsed into an integer"));
    cr_expect_str_eq(help_set(c, "port", "auto", NULL),
                     FAILED("port", "argument couldn't be parsed into an integer"));
    conf_free(c);
}

Test(conf_set, the_first_wrong_name_decides_before_any_value_is_looked_at) {
    struct conf *c = conf_new();

    cr_expect_str_eq(help_set(c, "nosuch", "1", "databases", "2", NULL),
                     "Unknown option or number of arguments for CONFIG SET - 'nosuch'");
    cr_expect_str_eq(help_set(c, "maxmemory", "x", "databases", "2", "nosuch", "1", NULL),
                     FAILED("databases", "can't set immutable config"));
    conf_free(c);
}

Test(conf_set, both_names_of_one_parameter_are_no_duplicate_and_the_later_wins) {
    struct conf *c = conf_new();

    cr_assert_str_eq(help_set(c, "replica-priority", "5", "slave-priority", "6", NULL), "OK");
    cr_assert_eq(conf_values(c)->replica_priority, 6);
    conf_free(c);
}

Test(conf_set, protected_parameters_follow_enable_protected_configs) {
    struct slice pair[2] = {SLICE("dbfilename"), SLICE("x.rdb")};
    struct conf *c = help_text("enable-protected-configs local\n");

    cr_assert_eq(conf_set(c, pair, 1, false, NULL), -1);
    cr_assert_eq(conf_set(c, pair, 1, true, NULL), 0);
    conf_free(c);
    c = help_text("enable-protected-configs yes\n");
    cr_assert_eq(conf_set(c, pair, 1, false, NULL), 0);
    conf_free(c);
}

Test(conf_set, active_defragmentation_is_refused_at_run_time_and_tolerated_in_files) {
    struct conf *c = help_text("activedefrag yes\n");

    cr_assert_str_eq(help_get(c, "activedefrag"), "yes");
    conf_free(c);
    c = conf_new();
    cr_assert(strstr(help_set(c, "activedefrag", "yes", NULL), "cannot be enabled"));
    cr_assert_str_eq(help_set(c, "activedefrag", "no", NULL), "OK");
    conf_free(c);
}

Test(conf_set, passwords_are_known_to_be_sensitive) {
    cr_assert(conf_is_sensitive(SLICE("RequirePass")));
    cr_assert(conf_is_sensitive(SLICE("masterauth")));
    cr_assert_not(conf_is_sensitive(SLICE("port")));
    cr_assert_not(conf_is_sensitive(SLICE("nosuch")));
}

/* ---- all or nothing */

Test(conf_set, nothing_changes_when_one_value_is_wrong) {
    struct conf *c = conf_new();
    struct seen s = {0};

    conf_on_apply(c, "timeout", watch, &s);
    cr_assert_str_eq(help_set(c, "timeout", "5", "requirepass", "x", "hz", "abc", NULL),
                     FAILED("hz", "argument couldn't be parsed into an integer"));
    cr_assert_eq(conf_values(c)->timeout, 0);
    cr_assert_null(conf_values(c)->requirepass.p);
    cr_assert_eq(s.calls, 0);
    conf_free(c);
}

Test(conf_set, an_applier_runs_once_a_command_and_sees_all_values) {
    struct conf *c = conf_new();
    struct seen s = {0};

    conf_on_apply(c, "timeout", watch, &s);
    conf_on_apply(c, "hz", watch, &s);
    cr_assert_str_eq(help_set(c, "hz", "20", "timeout", "5", NULL), "OK");
    cr_assert_eq(s.calls, 1);
    cr_assert_eq(s.timeout, 5);
    conf_free(c);
}

Test(conf_set, an_applier_does_not_run_for_a_value_that_stays) {
    struct conf *c = conf_new();
    struct seen s = {0};

    conf_on_apply(c, "bind", watch, &s);
    cr_assert_str_eq(help_set(c, "bind", "* -::*", NULL), "OK");
    cr_assert_eq(s.calls, 0);
    conf_free(c);
}

Test(conf_set, an_applier_runs_for_the_same_tls_file_name_because_the_file_may_be_new) {
    struct conf *c = help_text("tls-cert-file x\n");
    struct seen s = {0};

    conf_on_apply(c, "tls-cert-file", watch, &s);
    cr_assert_str_eq(help_set(c, "tls-cert-file", "x", NULL), "OK");
    cr_assert_eq(s.calls, 1);
    conf_free(c);
}

Test(conf_set, a_refusing_applier_takes_everything_back) {
    struct conf *c = help_text("requirepass old\n");
    struct seen first = {0}, second = {.refuse = "Unable to listen"}, third = {0};

    conf_on_apply(c, "timeout", watch, &first);
    conf_on_apply(c, "port", watch, &second);
    conf_on_apply(c, "hz", watch, &third);
    cr_assert_str_eq(
        help_set(c, "timeout", "5", "requirepass", "new", "port", "7", "hz", "20", NULL),
        FAILED("port", "Unable to listen"));
    cr_assert_eq(conf_values(c)->timeout, 0);
    cr_assert_eq(conf_values(c)->port, 6379);
    cr_assert_eq(conf_values(c)->hz, 10);
    cr_assert_str_eq(conf_values(c)->requirepass.p, "old");
    cr_assert_eq(first.calls, 2, "called again with the old values");
    cr_assert_eq(first.timeout, 0);
    cr_assert_eq(second.calls, 1);
    cr_assert_eq(third.calls, 0);
    conf_free(c);
}

Test(conf_set, dir_changes_the_working_directory_and_a_rollback_changes_it_back) {
    struct conf *c;
    struct seen s = {.refuse = "no"};
    char before[256], after[256];

    help_in_tmp();
    cr_assert_eq(mkdir("sub", 0755), 0);
    c = help_text("enable-protected-configs yes\n");
    conf_on_apply(c, "timeout", watch, &s);
    cr_assert(getcwd(before, sizeof before));
    cr_assert_str_eq(help_set(c, "dir", "sub", "timeout", "3", NULL), FAILED("timeout", "no"));
    cr_assert_str_eq(getcwd(after, sizeof after), before);
    cr_assert_str_eq(help_get(c, "dir"), before);
    cr_assert_str_eq(help_set(c, "dir", "sub", NULL), "OK");
    cr_assert_str_eq(getcwd(after, sizeof after), help_get(c, "dir"));
    cr_assert_str_eq(help_set(c, "dir", "/nosuch", NULL),
                     FAILED("dir", "No such file or directory"));
    conf_free(c);
}
