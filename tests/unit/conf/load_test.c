/* SPDX-License-Identifier: BSD-3-Clause */
#include "conf/conf.h"
#include "conf_help.h"

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

Test(conf_load, comments_blank_lines_and_indentation_do_not_matter) {
    struct conf *c = help_text("# port 1\n\n   \t\n  port \t 7000  \n\t# end\n");

    cr_assert_eq(conf_values(c)->port, 7000);
    conf_free(c);
}

Test(conf_load, lines_may_end_in_cr_lf) {
    struct conf *c = help_text("port 7000\r\nappendonly yes\r\n");

    cr_assert_eq(conf_values(c)->port, 7000);
    cr_assert(conf_values(c)->appendonly);
    conf_free(c);
}

Test(conf_load, names_and_yes_no_ignore_case) {
    struct conf *c = help_text("PORT 7000\nAppendOnly YES\nappendfsync ALWAYS\n");

    cr_assert_eq(conf_values(c)->port, 7000);
    cr_assert(conf_values(c)->appendonly);
    cr_assert_eq(conf_values(c)->appendfsync, CONF_FSYNC_ALWAYS);
    conf_free(c);
}

Test(conf_load, double_quotes_know_escapes_and_single_quotes_only_their_own) {
    struct conf *c =
        help_text("requirepass \"a \\\"b\\\" \\x41\\n\\t\\q\"\nmasteruser 'it\\'s \\n'\n");

    cr_assert_str_eq(conf_values(c)->requirepass.p, "a \"b\" A\n\tq");
    cr_assert_str_eq(conf_values(c)->masteruser, "it's \\n");
    conf_free(c);
}

Test(conf_load, empty_quotes_of_both_kinds_are_an_empty_value) {
    struct conf *c = help_text("logfile ''\nsyslog-ident \"\"\nsave ''\nrequirepass ''\n");

    cr_assert_str_eq(conf_values(c)->logfile, "");
    cr_assert_str_eq(conf_values(c)->syslog_ident, "");
    cr_assert_null(conf_values(c)->requirepass.p);
    cr_assert_eq(conf_values(c)->save.n, 0);
    conf_free(c);
}

Test(conf_load, sizes_have_units) {
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {{"0", 0},
                 {"5", 5},
                 {"5b", 5},
                 {"1k", 1000},
                 {"1kb", 1024},
                 {"1m", 1000000},
                 {"1MB", 1048576},
                 {"2g", 2000000000},
                 {"2Gb", 2ull << 30},
                 {"", 0},
                 {"mb", 0},
                 {"99999999999999999999", UINT64_MAX},
                 {"99999999999gb", UINT64_MAX}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[64];
        struct conf *c;

        snprintf(line, sizeof line, "maxmemory \"%s\"", cases[i].text);
        c = help_text(line);
        cr_expect_eq(conf_values(c)->maxmemory, cases[i].bytes, "%s", line);
        conf_free(c);
    }
}

Test(conf_load, a_later_line_wins) {
    struct conf *c = help_text("port 1\nport 2\nrequirepass a\nrequirepass b\n");

    cr_assert_eq(conf_values(c)->port, 2);
    cr_assert_str_eq(conf_values(c)->requirepass.p, "b");
    conf_free(c);
}

Test(conf_load, save_lines_add_up_and_the_first_replaces_the_default) {
    struct conf *c = help_text("save 900 1\nsave 300 10 60 100\n");

    cr_assert_str_eq(help_get(c, "save"), "900 1 300 10 60 100");
    conf_free(c);
    c = help_text("save 900 1\nsave \"\"\nsave \"1 2\"\n");
    cr_assert_str_eq(help_get(c, "save"), "1 2");
    conf_free(c);
    c = help_text("");
    cr_assert_str_eq(help_get(c, "save"), "3600 1 300 100 60 10000");
    conf_free(c);
}

Test(conf_load, old_names_still_work) {
    struct conf *c =
        help_text("slaveof 10.0.0.1 6380\nslave-priority 5\nhash-max-ziplist-entries 7\n"
                  "lua-time-limit 9\nmin-slaves-to-write 2\nbio_cpulist 0-1\n"
                  "list-max-ziplist-entries 512\nlist-max-ziplist-value 64\n");
    const struct conf_values *v = conf_values(c);

    cr_assert_str_eq(v->replicaof.host, "10.0.0.1");
    cr_assert_eq(v->replicaof.port, 6380);
    cr_assert_eq(v->replica_priority, 5);
    cr_assert_eq(v->hash_max_listpack_entries, 7);
    cr_assert_eq(v->busy_reply_threshold, 9);
    cr_assert_eq(v->min_replicas_to_write, 2);
    cr_assert_str_eq(v->bio_cpulist, "0-1");
    conf_free(c);
}

Test(conf_load, values_of_several_words_are_parsed) {
    struct conf *c = help_text("bind 127.0.0.1 -::1\nclient-output-buffer-limit replica 1mb 1kb 5\n"
                               "shutdown-on-sigint nosave now\noom-score-adj-values -5 6 +7\n"
                               "latency-tracking-info-percentiles 50 99.5\n"
                               "notify-keyspace-events KEg$\nmaxmemory-clients 5%\n"
                               "unixsocketperm 770\n");
    const struct conf_values *v = conf_values(c);

    cr_assert_eq(v->bind.n, 2);
    cr_assert_str_eq(v->bind.addr[1], "-::1");
    cr_assert_eq(v->client_output_buffer_limit.of[CONF_CLASS_REPLICA].hard_bytes, 1 << 20);
    cr_assert_eq(v->client_output_buffer_limit.of[CONF_CLASS_PUBSUB].soft_seconds, 60);
    cr_assert_eq(v->shutdown_on_sigint, CONF_SHUTDOWN_NOSAVE | CONF_SHUTDOWN_NOW);
    cr_assert_eq(v->oom_score_adj_values.adj[0], -5);
    cr_assert_eq(v->oom_score_adj_values.adj[2], 7);
    cr_assert_eq(v->latency_tracking_info_percentiles.n, 2);
    cr_assert_eq(v->notify_keyspace_events.flags, CONF_NOTIFY_KEYSPACE | CONF_NOTIFY_KEYEVENT |
                                                      CONF_NOTIFY_GENERIC | CONF_NOTIFY_STRING);
    cr_assert_eq(v->maxmemory_clients, -5);
    cr_assert_eq(v->unixsocketperm, 0770);
    conf_free(c);
}

Test(conf_load, user_rename_command_and_loadmodule_are_kept_in_order) {
    struct conf *c = help_text("user a on\nport 1\nRename-Command GET \"\"\nuser b off nopass\n"
                               "loadmodule /x.so 1 2\n");
    size_t n;
    const struct conf_directive *d = conf_directives(c, &n);

    cr_assert_eq(n, 4);
    cr_assert_str_eq(d[0].argv[1], "a");
    cr_assert_str_eq(d[1].argv[0], "rename-command");
    cr_assert_str_eq(d[1].argv[2], "");
    cr_assert_eq(d[2].argc, 4);
    cr_assert_eq(d[2].line, 4);
    cr_assert_str_eq(d[3].text, "loadmodule /x.so 1 2");
    conf_free(c);
}

Test(conf_load, who_understands_a_directive_can_refuse_it_with_its_line) {
    struct conf *c = help_text("port 1\nrename-command NOPE X\n");
    size_t n;
    const struct conf_directive *d = conf_directives(c, &n);
    char *text = NULL;
    size_t len;
    FILE *f;
    struct err e;

    cr_assert_eq(conf_refuse_directive(c, d, "No such command in rename-command", &e), -1);
    f = open_memstream(&text, &len);
    conf_report_error(c, f);
    fclose(f);
    cr_assert_str_eq(text, "\n*** FATAL CONFIG FILE ERROR (Redis 7.2.4) ***\n"
                           "Reading the configuration file, at line 2\n"
                           ">>> 'rename-command NOPE X'\nNo such command in rename-command\n");
    free(text);
    conf_free(c);
}

Test(conf_load, port_auto_is_shown_as_the_port_that_was_taken) {
    struct conf *c = help_text("port auto\n");

    cr_assert(conf_values(c)->port_auto);
    cr_assert_eq(conf_values(c)->port, 0);
    conf_set_bound_port(c, 40123);
    cr_assert_str_eq(help_get(c, "port"), "40123");
    cr_assert_str_eq(help_set(c, "port", "40123", NULL), "OK");
    conf_free(c);
    c = help_text("port auto\nport 7000\n");
    cr_assert_not(conf_values(c)->port_auto);
    conf_free(c);
}

Test(conf_load, dir_becomes_the_working_directory_and_is_shown_absolute) {
    char cwd[256];
    struct conf *c;

    help_in_tmp();
    cr_assert(getcwd(cwd, sizeof cwd));
    cr_assert_eq(mkdir("sub", 0755), 0);
    help_write("sub/more.conf", "timeout 9\n");
    c = help_text("dir ./sub\ninclude more.conf\n");
    strcat(cwd, "/sub");
    cr_assert_str_eq(help_get(c, "dir"), cwd);
    cr_assert_eq(conf_values(c)->timeout, 9);
    cr_assert_eq(access("more.conf", R_OK), 0);
    conf_free(c);
}

/* ---- include */

Test(conf_include, takes_a_file_or_a_pattern) {
    struct conf *c;

    help_in_tmp();
    help_write("10.conf", "timeout 1\nhz 20\n");
    help_write("20.conf", "timeout 2\n");
    help_write("plain", "maxclients 77\n");
    c = help_text("include plain\ninclude ?0.conf\ninclude none*.conf\ninclude none[\n");
    cr_assert_eq(conf_values(c)->maxclients, 77);
    cr_assert_eq(conf_values(c)->timeout, 2);
    cr_assert_eq(conf_values(c)->hz, 20);
    conf_free(c);
}

Test(conf_include, a_missing_file_is_named) {
    help_in_tmp();
    cr_assert_str_eq(
        help_text_error("include nosuch.conf\n"),
        "Fatal error, can't open config file 'nosuch.conf': No such file or directory");
}

Test(conf_include, errors_carry_the_line_of_the_included_file) {
    help_in_tmp();
    help_write("inc", "\nport 1\nprot 2\n");
    cr_assert_str_eq(help_text_error("port 1\n\n\n\n\ninclude inc\n"),
                     "line 3 | >>> 'prot 2' | Bad directive or wrong number of arguments");
}

Test(conf_include, a_file_that_includes_itself_is_an_error) {
    help_in_tmp();
    help_write("loop", "include loop\n");
    cr_assert_str_eq(help_text_error("include loop\n"),
                     "line 1 | >>> 'include loop' | include is nested too deeply");
}

/* ---- errors */

static const char *const bad_lines[][2] = {
    {"prot 1", "Bad directive or wrong number of arguments"},
    {"rename-command a", "Bad directive or wrong number of arguments"},
    {"user", "Bad directive or wrong number of arguments"},
    {"include a b", "Bad directive or wrong number of arguments"},
    {"port", "wrong number of arguments"},
    {"port 1 2", "wrong number of arguments"},
    {"save \"900 1", "Unbalanced quotes in configuration line"},
    {"port \"1\"2", "Unbalanced quotes in configuration line"},
    {"port x", "argument couldn't be parsed into an integer"},
    {"port 007", "argument couldn't be parsed into an integer"},
    {"port 65536", "argument must be between 0 and 65535 inclusive"},
    {"databases 0", "argument must be between 1 and 2147483647 inclusive"},
    {"maxmemory 12q", "argument must be a memory value"},
    {"maxmemory -1", "argument must be a memory value"},
    {"maxmemory 1.5gb", "argument must be a memory value"},
    {"proto-max-bulk-len 5", "argument must be between 1048576 and 9223372036854775807 inclusive"},
    {"maxmemory-clients x", "argument must be a memory or percent value"},
    {"maxmemory-clients 101%", "percentage argument must be less or equal to 100"},
    {"appendonly maybe", "argument must be 'yes' or 'no'"},
    {"appendfsync x", "argument(s) must be one of the following: everysec, always, no"},
    {"shutdown-on-sigterm x",
     "argument(s) must be one of the following: default, save, nosave, now, force, "
     "safe, failover"},
    {"shutdown-on-sigterm save nosave",
     "shutdown options SAVE and NOSAVE can't be used simultaneously"},
    {"unixsocketperm 999", "argument couldn't be parsed as an octal number"},
    {"unixsocketperm 1000", "argument must be between 0 and 777 inclusive"},
    {"appendfilename a/b", "appendfilename can't be a path, just a filename"},
    {"appendfilename \"\"", "appendfilename can't be empty"},
    {"appenddirname a/b", "appenddirname can't be a path, just a dirname"},
    {"dbfilename a/b", "dbfilename can't be a path, just a filename"},
    {"dir /nosuch", "No such file or directory"},
    {"dir /etc/passwd", "Not a directory"},
    {"save 900", "Invalid save parameters"},
    {"save 0 1", "Invalid save parameters"},
    {"client-output-buffer-limit normal 1 2",
     "Wrong number of arguments in buffer limit configuration."},
    {"client-output-buffer-limit foo 1 2 3",
     "Invalid client class specified in buffer limit configuration."},
    {"client-output-buffer-limit pubsub 1 2 x",
     "Error in hard, soft or soft_seconds setting in buffer limit configuration."},
    {"bind 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", "Too many bind addresses specified."},
    {"notify-keyspace-events Q", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."},
    {"latency-tracking-info-percentiles 101",
     "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"},
    {"latency-tracking-info-percentiles x", "Invalid latency-tracking-info-percentiles parameters"},
    {"oom-score-adj-values 1 2", "wrong number of arguments"},
    {"oom-score-adj-values 1 2 2001",
     "Invalid oom-score-adj-values, elements must be between -2000 and 2000."},
    {"replicaof a", "wrong number of arguments"},
    {"replicaof a 65536", "Invalid master port"},
    {"bind a \"b c\"", "Invalid bind address specified."},
    {"replicaof \"\" 1", "Invalid master host"},
    {"replicaof \"a b\" 1", "Invalid master host"},
    {"proc-title-template \"{x}\"", "template format is invalid or contains unknown variables"},
    {"cluster-announce-hostname a_b",
     "Hostnames may only contain alphanumeric characters, hyphens or dots"},
    {"sentinel monitor", "sentinel directive while not in sentinel mode"},
    {"aof-buffer-limit 1kb", "argument must be between 1048576 and 9223372036854775807 inclusive"},
};

Test(conf_errors, say_what_is_wrong_with_a_line) {
    for (size_t i = 0; i < sizeof bad_lines / sizeof *bad_lines; i++) {
        char text[256], want[512];

        snprintf(text, sizeof text, "# one\n\n  %s \nport x\n", bad_lines[i][0]);
        snprintf(want, sizeof want, "line 3 | >>> '%s' | %s", bad_lines[i][0], bad_lines[i][1]);
        cr_expect_str_eq(help_text_error(text), want);
    }
}

Test(conf_errors, a_log_file_that_cannot_be_opened_is_reported_without_a_line) {
    cr_assert_str_eq(help_text_error("logfile /nosuch/x\n"),
                     "Can't open the log file: No such file or directory");
}

Test(conf_errors, a_replica_cannot_be_a_cluster_node) {
    cr_assert_str_eq(help_text_error("cluster-enabled yes\nreplicaof a 1\n"),
                     "replicaof directive not allowed in cluster mode");
}
