/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_plan - two readings: aof_load() decides whether the recovery is possible, and a reading of
 * each file counts what is loaded of it and what is not.
 */
#include "persistence/aof_plan.h"

#include "persistence/rdb.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"

#include <errno.h>
#include <string.h>

/* ---------------------------------------------------------------- is it possible? */

static int ignore_command(void *arg, size_t argc, const struct slice *argv, struct err *e) {
    (void)arg;
    (void)argc;
    (void)argv;
    (void)e;
    return 0;
}

/* Every byte is read twice, see above. */
struct trying {
    const struct aof_plan_watch *watch;
    uint64_t total; /* bytes of one reading */
};

static void on_load_progress(void *arg, uint64_t done, uint64_t total) {
    struct trying *t = arg;

    t->total = total;
    t->watch->progress(t->watch->arg, done, 2 * total);
}

static int check_rdb(void *arg, int fd, bool log_follows, uint64_t *end, struct err *e) {
    struct rdb_report r;

    (void)arg;
    (void)log_follows;
    if (rdb_check(fd, false, &r, e) < 0) return -1;
    *end = r.at;
    return 0;
}

static int try_to_load(struct trying *t, int dirfd, const struct aof_names *names,
                       const struct aof_moment *to, struct err *e) {
    struct aof_load_options o = {.names = *names,
                                 .until = *to,
                                 .command = ignore_command,
                                 .rdb = check_rdb,
                                 .progress = on_load_progress,
                                 .arg = t};
    struct aof_loaded loaded;

    if (aof_load(dirfd, &o, &loaded, e) < 0) return -1;
    aof_loaded_release(&loaded);
    return 0;
}

/* ---------------------------------------------------------------- what of each file */

struct counting {
    struct aof_plan *plan;
    struct aof_plan_file *file;
    const struct aof_moment *to;
    const struct trying *tried;
    uint64_t before;  /* bytes of the files that were counted */
    bool has_stopped; /* in this file or an earlier one */
    uint64_t keys;
};

static int on_preamble(void *arg, int fd, uint64_t *end, struct err *e) {
    struct counting *c = arg;
    struct rdb_report r;

    if (rdb_check(fd, false, &r, e) < 0) return -1;
    c->keys = r.keys;
    *end = r.at;
    return 0;
}

static bool is_early_enough(const struct counting *c, const struct aof_report *r, uint64_t end,
                            int64_t ms) {
    if (c->file->f.type == AOF_BASE) return true;
    if (c->to->by_time) return ms <= c->to->ms;
    return !r->has_header || aof_position_at(&r->epoch, end) <= c->to->position;
}

/* Everything is wanted, so that what is left out is counted too. */
static bool on_unit(void *arg, const struct aof_report *r, uint64_t end, int64_t ms) {
    struct counting *c = arg;

    if (!c->has_stopped && is_early_enough(c, r, end, ms)) {
        if (ms) c->plan->last_loaded_ms = ms;
        return true;
    }
    if (!c->has_stopped) {
        c->file->loaded_bytes = r->good;
        c->file->loaded_commands = r->commands;
    }
    c->has_stopped = true;
    if (ms && !c->plan->first_left_ms) c->plan->first_left_ms = ms;
    if (ms) c->plan->last_left_ms = ms;
    return true;
}

static void on_progress(void *arg, uint64_t offset) {
    const struct counting *c = arg;
    const struct trying *t = c->tried;

    t->watch->progress(t->watch->arg, t->total + c->before + offset, 2 * t->total);
}

static int count_file(struct counting *c, int dirfd, struct err *e) {
    static const struct aof_reader_ops ops = {
        .preamble = on_preamble, .wanted = on_unit, .progress = on_progress};
    struct aof_plan_file *f = c->file;
    bool had_stopped = c->has_stopped;
    struct aof_report r;
    int fd = io_open_read(dirfd, f->f.name, e);

    if (fd < 0) return -1;
    aof_read_file(fd, &ops, c, &r);
    io_close(fd);
    if (r.has_preamble) c->plan->base_is_rdb = true;
    c->before += r.raw_size;
    f->bytes = r.size;
    f->commands = f->f.type == AOF_BASE && r.has_preamble ? c->keys : r.commands;
    if (had_stopped || c->has_stopped) return 0;
    f->loaded_bytes = f->bytes;
    f->loaded_commands = f->commands;
    return 0;
}

static int count_files(struct aof_plan *plan, const struct trying *tried, int dirfd,
                       const struct aof_manifest *list, const struct aof_moment *to,
                       struct err *e) {
    struct counting c = {.plan = plan, .to = to, .tried = tried};

    plan->files = mem_calloc((list->n + 1) * sizeof *plan->files);
    for (size_t i = 0; i < list->n; i++) {
        c.file = &plan->files[plan->n++];
        c.file->f = list->files[i];
        if (count_file(&c, dirfd, e) < 0) return -1;
    }
    return 0;
}

/* ---------------------------------------------------------------- both */

/* A start moves an old single file into the directory, or imports a snapshot. */
static int expect_plain(const struct aof_manifest *m, const struct aof_names *names, int found,
                        struct err *e) {
    const struct aof_file *base = found == 0 ? aof_manifest_base(m) : NULL;

    if (found == 0 && !(base && strcmp(base->name, names->filename) == 0)) return 0;
    return err_set(e, ENOENT,
                   "'%s' holds no manifest of an AOF with base and increments of its own: there "
                   "is no history to recover from",
                   names->dirname);
}

int aof_plan_recovery(const struct aof_names *names, const struct aof_moment *to,
                      const struct aof_plan_watch *watch, struct aof_plan *plan, struct err *e) {
    struct trying trying = {.watch = watch};
    struct aof_manifest m = {0}, list = {0};
    char name[AOF_NAME_MAX + 16];
    int dirfd = io_open_dir(names->dirname, false, e), rc;

    *plan = (struct aof_plan){0};
    if (dirfd < 0) return -1;
    aof_manifest_name(names->filename, name);
    rc = aof_manifest_read(dirfd, name, &m, e);
    if (rc >= 0) rc = expect_plain(&m, names, rc, e);
    if (rc == 0) rc = try_to_load(&trying, dirfd, names, to, e);
    if (rc == 0) rc = aof_history_select(dirfd, &m, to, &list, e);
    if (rc == 0) rc = count_files(plan, &trying, dirfd, &list, to, e);
    aof_manifest_release(&list);
    aof_manifest_release(&m);
    io_close(dirfd);
    return rc;
}

void aof_plan_release(struct aof_plan *plan) {
    mem_free(plan->files);
    *plan = (struct aof_plan){0};
}
