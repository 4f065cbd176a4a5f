/* SPDX-License-Identifier: BSD-3-Clause
 *
 * backup - BACKUP: copies of the AOF made of hard links while the server goes on, see
 * persistence/aof_backup.h. What waits for the disk is done elsewhere; the client waits for it.
 */
#include "conf/conf.h"
#include "persistence/aof_backup.h"
#include "server/admin/rows.h"
#include "server/exec/blocking.h"

static bool is_ready(const struct blocked *b) {
    return !aof_backup_busy(b->s->e->aof);
}

/* CLIENT UNBLOCK asks for an answer before the end. */
#define STILL_AT_WORK "UNBLOCKED the step of the backup is still under way"

static bool refuse(const struct blocked *b, struct reply *r, const char *text) {
    engine_count_error(b->s->e, text);
    reply_error_text(r, text, strlen(text));
    return false;
}

/* The step that this client waited for went well, or the error is answered. */
static bool went_well(const struct blocked *b, struct reply *r) {
    const struct aof_backup *k = aof_backup_state(b->s->e->aof);
    char text[600];

    if (!is_ready(b)) return refuse(b, r, STILL_AT_WORK);
    if (!k->failed) return true;
    snprintf(text, sizeof text, "ERR BACKUP: %s", k->why);
    return refuse(b, r, text);
}

static int wait_for_step(struct call *x, int rc, const struct err *e,
                         void (*answer)(struct blocked *b, struct reply *r)) {
    struct blocked b = {.ready = is_ready, .answer = answer};

    if (rc < 0) return reply_errf(x, "ERR BACKUP: %s", e->text);
    block_on_progress(x, &b, 0);
    return 0;
}

/* ---------------------------------------------------------------- words of replies */

/* An absolute path: 'backup-dir' may be relative to 'dir'. */
static void put_path(struct reply *r, const struct engine *e, const char *name, const char *dir,
                     const char *id, const char *end) {
    struct bytes path = {0};

    if (dir[0] && dir[0] != '/') bytes_printf(&path, "%s/", e->v->dir.path);
    bytes_printf(&path, "%s%s%s%s", dir, id[0] ? "/" : "", id, id[0] ? end : "");
    reply_bulk_str(r, name);
    reply_bulk(r, path.p ? path.p : "", path.n);
    bytes_release(&path);
}

/* Seconds since then; -1: there was none. */
static int64_t age_s(int64_t ms) {
    int64_t age = clock_cached_ms() - ms;

    return !ms ? -1 : age > 0 ? age / 1000 : 0;
}

/* ---------------------------------------------------------------- START, SEAL, ABORT, CLEANUP */

static void answer_start(struct blocked *b, struct reply *r) {
    if (went_well(b, r)) reply_bulk_str(r, aof_backup_state(b->s->e->aof)->id);
}

static int cmd_backup_start(struct call *x) {
    const struct conf_values *v = x->e->v;
    struct err e;
    int rc = aof_backup_start(x->e->aof, v->backup_dir, v->backup_ttl * 1000, &e);

    return wait_for_step(x, rc, &e, answer_start);
}

static void put_text(struct reply *r, const char *name, const char *value) {
    reply_bulk_str(r, name);
    reply_bulk_str(r, value);
}

static void put_number(struct reply *r, const char *name, int64_t value) {
    reply_bulk_str(r, name);
    reply_int(r, value);
}

static void answer_seal(struct blocked *b, struct reply *r) {
    const struct aof_backup *k = aof_backup_state(b->s->e->aof);

    if (!went_well(b, r)) return;
    reply_map(r, 5);
    put_text(r, "id", k->last_id);
    put_path(r, b->s->e, "directory", k->dir, "", "");
    put_path(r, b->s->e, "path", k->dir, k->last_id, "");
    put_number(r, "position", (int64_t)k->last_position);
    put_number(r, "bytes", (int64_t)k->last_bytes);
}

static int cmd_backup_seal(struct call *x) {
    struct err e;
    int rc = aof_backup_seal(x->e->aof, &e);

    return wait_for_step(x, rc, &e, answer_seal);
}

static void answer_ok(struct blocked *b, struct reply *r) {
    if (went_well(b, r)) reply_ok(r);
}

static int cmd_backup_abort(struct call *x) {
    struct err e;
    int rc = aof_backup_abort(x->e->aof, &e);

    return wait_for_step(x, rc, &e, answer_ok);
}

static int cmd_backup_cleanup(struct call *x) {
    char id[BACKUP_ID_MAX];
    struct err e;
    int rc;

    if (x->argc > 3) return reply_subcommand_err(x);
    snprintf(id, sizeof id, "%.*s", x->argc > 2 ? (int)x->argv[2].n : 0,
             x->argc > 2 ? x->argv[2].p : "");
    rc = aof_backup_remove(x->e->aof, x->e->v->backup_dir, id, &e);
    return wait_for_step(x, rc, &e, answer_ok);
}

/* ---------------------------------------------------------------- STATUS, LIST */

static int cmd_backup_status(struct call *x) {
    const struct aof_backup *k = aof_backup_state(x->e->aof);
    struct reply *r = &x->r;
    bool open = k->phase != BACKUP_IDLE;

    reply_map(r, 13);
    put_text(r, "state", aof_backup_phase_name[k->phase]);
    put_text(r, "id", open ? k->id : "");
    put_path(r, x->e, "directory", k->dir, "", "");
    put_path(r, x->e, "path", open ? k->dir : "", open ? k->id : "", ".partial");
    put_number(r, "started", open ? k->started_ms : 0);
    put_number(r, "ends", open ? k->ends_ms : 0);
    put_text(r, "last-error", k->failed ? k->why : "");
    put_text(r, "last-id", k->last_id);
    put_number(r, "last-position", (int64_t)k->last_position);
    put_number(r, "last-sealed", k->last_ms);
    put_path(r, x->e, "last-path", k->last_dir, k->last_id, "");
    put_number(r, "last-bytes", (int64_t)k->last_bytes);
    put_number(r, "last-age", age_s(k->last_ms));
    return 0;
}

static bool is_listed(const struct blocked *b) {
    return aof_backup_is_listed(b->s->e->aof, b->position);
}

static void answer_list(struct blocked *b, struct reply *r) {
    const struct aof_backup_list *l = aof_backup_listed(b->s->e->aof);

    if (!is_listed(b) || l->failed) {
        refuse(b, r, l->failed ? "ERR BACKUP: no thread could be started" : STILL_AT_WORK);
        return;
    }
    reply_array(r, l->n);
    for (size_t i = 0; i < l->n; i++) {
        const struct aof_backup_entry *k = &l->entries[i];

        reply_map(r, 7);
        put_text(r, "id", k->id);
        put_text(r, "state", k->sealed ? "sealed" : "partial");
        put_number(r, "changed", k->when_ms);
        put_number(r, "files", (int64_t)k->files);
        put_number(r, "bytes", (int64_t)k->bytes);
        put_path(r, b->s->e, "path", b->s->e->v->backup_dir, k->id, k->sealed ? "" : ".partial");
        put_number(r, "age", age_s(k->when_ms));
    }
}

static int cmd_backup_list(struct call *x) {
    struct blocked b = {.ready = is_listed, .answer = answer_list};

    b.position = aof_backup_list(x->e->aof, x->e->v->backup_dir);
    block_on_progress(x, &b, 0);
    return 0;
}

static int cmd_backup_help(struct call *x) {
    static const char *const lines[] = {
        "START",
        "    Begin a backup: hard-links closed files into 'backup-dir'.",
        "SEAL",
        "    End it at this moment: it is complete, consistent and durable then.",
        "ABORT",
        "    Give it up.",
        "STATUS",
        "    What is under way, and path, size and age (seconds) of the last one.",
        "LIST",
        "    The backups of the directory, with path, size and age (seconds).",
        "CLEANUP [<id>]",
        "    Remove a backup, or all that were never sealed.",
        NULL,
    };

    reply_help(x, lines);
    return 0;
}

/* ---------------------------------------------------------------- rows */

#define STEP (CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_MULTI)

/* clang-format off */
static const struct command backup_subcommands[] = {
    {"start", 2, STEP, "server", {0, 0, 0}, cmd_backup_start, "8.10.0", "Begins a backup."},
    {"seal", 2, STEP, "server", {0, 0, 0}, cmd_backup_seal, "8.10.0", "Completes a backup."},
    {"abort", 2, STEP, "server", {0, 0, 0}, cmd_backup_abort, "8.10.0", "Gives up a backup."},
    {"cleanup", -2, STEP, "server", {0, 0, 0}, cmd_backup_cleanup, "8.10.0", "Removes backups.",
     .grammar = "[id]"},
    {"status", 2, CMD_ADMIN | CMD_NOSCRIPT, "server", {0, 0, 0}, cmd_backup_status, "8.10.0",
     "Returns the state of the backup."},
    {"list", 2, STEP, "server", {0, 0, 0}, cmd_backup_list, "8.10.0",
     "Lists the backups there are."},
    {"help", 2, CMD_HELP, "server", {0, 0, 0}, cmd_backup_help, "8.10.0",
     "Explains the subcommands."},
    {0},
};

const struct command backup_commands[] = {
    {"backup", -2, 0, "server", {0, 0, 0}, NULL, "8.10.0", "Copies of the append-only file.",
     .subcommands = backup_subcommands},
    {0},
};
/* clang-format on */
