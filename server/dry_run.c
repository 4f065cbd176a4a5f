/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/dry_run.h"

#include "conf/conf.h"
#include "persistence/aof_plan.h"
#include "server/app.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"
#include "storage/base/progress.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char option[] = "--dry-run";

typedef unsigned long long ull;

bool dry_run_is_wanted(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], option) == 0) return true;
    return false;
}

/* ---------------------------------------------------------------- what is printed */

static void print_time(const char *before, int64_t ms) {
    time_t s = (time_t)(ms / 1000);
    char text[40] = "?";
    struct tm tm;

    if (gmtime_r(&s, &tm)) strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &tm);
    printf("%s%s (%lld)", before, text, (long long)ms);
}

static void print_file(const struct aof_plan *p, const struct aof_plan_file *f) {
    const char *unit = f->f.type == AOF_BASE && p->base_is_rdb ? "keys" : "commands";

    printf("  %s: ", f->f.name);
    if (f->loaded_bytes == f->bytes)
        printf("%llu bytes, %llu %s\n", (ull)f->bytes, (ull)f->commands, unit);
    else if (f->loaded_commands == 0)
        printf("none of %llu bytes, %llu %s\n", (ull)f->bytes, (ull)f->commands, unit);
    else
        printf("%llu of %llu %s, up to offset %llu of %llu\n", (ull)f->loaded_commands,
               (ull)f->commands, unit, (ull)f->loaded_bytes, (ull)f->bytes);
}

static void print_left(const struct aof_plan *p) {
    uint64_t commands = 0, bytes = 0;

    for (size_t i = 0; i < p->n; i++) {
        commands += p->files[i].commands - p->files[i].loaded_commands;
        bytes += p->files[i].bytes - p->files[i].loaded_bytes;
    }
    if (p->last_loaded_ms) print_time("The last one that it loads is of ", p->last_loaded_ms);
    if (p->last_loaded_ms) puts(".");
    printf("It leaves out %llu commands (%llu bytes)", (ull)commands, (ull)bytes);
    if (p->first_left_ms) print_time(", from ", p->first_left_ms);
    if (p->last_left_ms) print_time(" to ", p->last_left_ms);
    puts(".");
}

static void print_plan(const struct conf_values *v, const struct aof_plan *p) {
    printf("Dry run of --recover-to %s: it is possible. Nothing was changed.\n\n"
           "A start would load from '%s/%s', in this order:\n",
           v->recover_to, v->dir.path, v->appenddirname);
    for (size_t i = 0; i < p->n; i++) print_file(p, &p->files[i]);
    print_left(p);
    printf("\nIt would go on in new files. The old ones stay as they are, and their manifest is "
           "kept as\n  %s/%s.manifest.before-TIME\n",
           v->appenddirname, v->appendfilename);
    printf("To undo it: stop the server, then run in '%s':\n"
           "  mv %s/%s.manifest.before-TIME %s/%s.manifest\n"
           "That gives up what was written since. The server log has the command with the name.\n"
           "\nStop a server that uses the directory first. Use --recover-to for one start only.\n",
           v->dir.path, v->appenddirname, v->appendfilename, v->appenddirname, v->appendfilename);
}

/* ---------------------------------------------------------------- the run */

static int fail(const char *text) {
    fprintf(stderr, "Dry run: %s\n", text);
    return 1;
}

static void on_progress(void *arg, uint64_t done, uint64_t total) {
    struct progress *p = arg;

    p->total = total;
    progress_at(p, done);
}

static int plan(const struct conf_values *v) {
    struct aof_options o = app_aof_options(v);
    struct progress progress;
    struct aof_plan_watch watch = {on_progress, &progress};
    struct aof_moment to;
    struct aof_plan p;
    struct err e;
    int rc;

    if (!v->recover_to) return fail("it explains --recover-to, which is not there");
    if (v->restore_from)
        return fail("leave --restore-from out; 'stet-backup list' says which moments a backup "
                    "restores");
    if (!v->appendonly)
        return fail("'recover-to' is about the append-only file: it needs 'appendonly yes'");
    if (aof_moment_parse(v->recover_to, &to, &e) < 0) return fail(e.text);
    progress_begin(&progress, "read", 0);
    rc = aof_plan_recovery(&o.names, &to, &watch, &p, &e);
    progress_end(&progress);
    if (rc == 0) print_plan(v, &p);
    aof_plan_release(&p);
    if (rc == 0) return 0;
    fprintf(stderr, "Dry run: a start with --recover-to %s would be refused: %s\n", v->recover_to,
            e.text);
    return 1;
}

/* The last options win: no log file is made. */
int dry_run(int argc, char **argv) {
    static char no_log[] = "--logfile", none[] = "";
    char **args = mem_calloc((size_t)(argc + 3) * sizeof *args);
    struct log_options quiet = {.level = LOG_AT_NOTHING, .file = ""};
    struct conf *conf = conf_new();
    int n = 0, rc = 1;
    struct err e;

    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], option) != 0) args[n++] = argv[i];
    args[n++] = no_log;
    args[n++] = none;
    if (conf_load_args(conf, n, args, &e) < 0)
        conf_report_error(conf, stderr);
    else if (log_open(&quiet, &e) == 0)
        rc = plan(conf_values(conf));
    conf_free(conf);
    mem_free(args);
    return rc;
}
