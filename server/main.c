/* SPDX-License-Identifier: BSD-3-Clause
 *
 * main - the command line of stet-server: `stet-server [FILE] [--name value ...]`, as redis-server.
 */
#include "conf/conf.h"
#include "server/again.h"
#include "server/app.h"
#include "server/dry_run.h"
#include "server/effects.h"
#include "server/process.h"
#include "server/version.h"
#include "storage/base/io.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static void print_version(void) {
    printf("Redis server v=%s sha=%s:0 malloc=%s bits=64 build=stet-%s\n", CONF_REDIS_VERSION,
           stet_git_sha, mem_allocator_name(), stet_version);
}

static void print_usage(FILE *out) {
    fputs(
        "Usage: stet-server [FILE] [--name value ...] [-]\n"
        "       stet-server --check-config FILE\n"
        "       stet-server -v | --version\n"
        "       stet-server -h | --help\n"
        "\n"
        "FILE is a redis.conf; every parameter of it can also be given as an option, which wins.\n"
        "A last word of '-' reads configuration from standard input.\n"
        "\n"
        "Examples:\n"
        "  stet-server                                    (defaults, port 6379)\n"
        "  stet-server redis-compat.conf\n"
        "  stet-server --port 7777 --appendonly yes --appendfsync always\n"
        "  stet-server --port auto --port-file /tmp/port --save ''\n"
        "  stet-server --appendonly yes --restore-from backups/backup-1700000000000\n"
        "  stet-server --appendonly yes --recover-to 1700000000000   (ms, or position:N)\n"
        "  stet-server --appendonly yes --recover-to 1700000000000 --dry-run   (explains, changes "
        "nothing)\n"
        "  echo 'maxclients 100' | stet-server -\n",
        out);
}

static int apply_fault_spec(void) {
    const char *spec = getenv("STET_IO_FAULT");
    struct err e;

    if (!spec || io_fault_parse(spec, &e) == 0) return 0;
    fprintf(stderr, "STET_IO_FAULT: %s\n", e.text);
    return -1;
}

static int fail_configuration(struct conf *c) {
    conf_report_error(c, stderr);
    conf_free(c);
    return 1;
}

static int open_log(const struct conf_values *v) {
    struct log_options o = {.level = (enum log_level)v->loglevel,
                            .file = v->logfile,
                            .format = (enum log_format)v->log_format,
                            .time = (enum log_time)v->log_timestamp_format};
    struct err e;

    if (v->syslog_enabled) {
        o.syslog_ident = v->syslog_ident;
        o.syslog_facility = v->syslog_facility;
    }
    if (log_open(&o, &e) == 0) return 0;
    fprintf(stderr, "%s\n", e.text);
    return -1;
}

int main(int argc, char **argv) {
    static struct app app;
    struct conf *conf;
    struct err e;
    int status;

    mem_thread_init();
    if (argc == 2 && (!strcmp(argv[1], "-v") || !strcmp(argv[1], "--version"))) {
        print_version();
        return 0;
    }
    if (argc == 2 && (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help"))) {
        print_usage(stderr);
        return 1; /* as redis-server does */
    }
    if (argc == 3 && !strcmp(argv[1], "--check-config")) return effects_check_file(argv[2]);
    if (dry_run_is_wanted(argc, argv)) return apply_fault_spec() < 0 ? 1 : dry_run(argc, argv);
    process_init(argc, argv);
    again_note_start();
    conf = conf_new();
    if (conf_load_args(conf, argc, argv, &e) < 0) return fail_configuration(conf);
    if (again_begin(conf_values(conf)->enable_test_commands != CONF_ACCESS_NO) < 0 ||
        apply_fault_spec() < 0 || open_log(conf_values(conf)) < 0)
        return 1;
    if (process_set_collation(conf_values(conf)->locale_collate, &e) < 0 &&
        conf_values(conf)->locale_collate[0]) {
        log_warning("%s", e.text); /* only for a name of the configuration, not the environment's */
        return 1;
    }
    if (process_daemonize(conf_values(conf), &e) < 0) {
        log_warning("%s", e.text);
        return 1;
    }
    if (conf_values(conf)->crash_log_enabled) process_catch_crashes();
    process_exit_on_panic(conf_values(conf)->use_exit_on_panic);
    if (app_start(&app, conf, argc, argv) < 0) {
        process_abandon();
        return 1;
    }
    app_run(&app);
    status = app_finish(&app);
    return status;
}
