/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/obey.h"

#include "server/exec/blocking.h"
#include "server/exec/push.h"
#include "server/exec/run.h"
#include "storage/base/hash.h"

enum { SHOWN = 128 /* bytes of a name that an error repeats */ };

void engine_obey_begin(struct engine *e, struct session *s) {
    push_run(e->pushes, s);
}

void engine_obey_end(struct engine *e) {
    push_ran(e, e->pushes, gate_end(&e->gate));
    blocking_serve(e);
    if (!list_empty(&e->closing)) session_end_closing(e);
}

static enum obeyed refuse(struct engine *e, struct bytes *error, const char *why,
                          struct slice name) {
    bytes_clear(error);
    bytes_printf(error, "ERR %s '%.*s'", why, (int)(name.n < SHOWN ? name.n : SHOWN), name.p);
    engine_count_error(e, "ERR");
    return OBEYED_NOT;
}

/* What a master sends; ECHO has the notes of one like this server (storage/note.h). */
static bool may_come(const struct command *row, bool *changes) {
    uint32_t changing = CMD_WRITE | CMD_RUNS_SCRIPT;

    *changes = row->flags & changing;
    return row->flags & (changing | CMD_MAY_REPLICATE) || strcmp(row->name, "select") == 0 ||
           strcmp(row->name, "echo") == 0;
}

/* The error that the handler has written, without '-' and line end. */
static void take_error(const struct out *reply, struct bytes *error) {
    struct iovec iov[4];
    int n = out_peek(reply, iov, 4, 512);

    bytes_clear(error);
    for (int i = 0; i < n; i++) bytes_append(error, iov[i].iov_base, iov[i].iov_len);
    while (error->n && (error->p[error->n - 1] == '\n' || error->p[error->n - 1] == '\r'))
        error->n--;
    if (error->n && error->p[0] == '-') bytes_consume(error, 1);
}

void engine_obey_prepare(struct session *s, struct order *o) {
    int first;

    o->cmd = command_resolve_logged(&s->e->commands, o->argc, o->argv, &o->unknown_sub);
    first = o->cmd ? o->cmd->row->keys.first : 0;
    o->has_hash = first > 0 && first < o->argc;
    if (!o->has_hash) return;
    o->hash = hash_bytes(o->argv[first].p, o->argv[first].n);
    table_prefetch_bucket(&s->e->ks.dbs[s->db].keys, o->hash);
}

void engine_obey_prefetch(struct session *s, const struct order *o) {
    if (o->has_hash) table_prefetch_entry(&s->e->ks.dbs[s->db].keys, o->hash);
}

enum obeyed engine_obey(struct session *s, const struct order *o, bool *changes,
                        struct bytes *error, uint64_t *clock_ns) {
    struct engine *e = s->e;
    struct command_slot *cmd = o->cmd;
    struct out reply; /* is dropped */
    struct call x;
    int rc;

    *changes = false;
    if (!cmd || o->unknown_sub) return refuse(e, error, "unknown command", o->argv[0]);
    if (!command_arity_ok(cmd->row, o->argc))
        return refuse(e, error, "wrong number of arguments for", o->argv[0]);
    if (!may_come(cmd->row, changes))
        return refuse(e, error, "no command of a replication stream:", o->argv[0]);
    call_init(&x, s, FROM_MASTER, cmd, o->argc, o->argv);
    x.raw = o->raw;
    x.first_hash = o->hash;
    x.has_first_hash = o->has_hash;
    out_init(&reply, &e->out_pool);
    x.r.out = &reply;
    rc = run_call(&x, clock_ns);
    e->stats.commands++;
    s->commands++;
    s->last_cmd = cmd;
    if (rc < 0) take_error(&reply, error);
    out_release(&reply);
    return rc < 0 ? OBEYED_FAILED : OBEYED;
}
