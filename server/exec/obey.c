/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/obey.h"

#include "server/exec/blocking.h"
#include "server/exec/push.h"
#include "server/exec/run.h"

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

/* What a master sends. */
static bool may_come(const struct command *row, bool *changes) {
    uint32_t changing = CMD_WRITE | CMD_RUNS_SCRIPT;

    *changes = row->flags & changing;
    return row->flags & (changing | CMD_MAY_REPLICATE) || strcmp(row->name, "select") == 0;
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

enum obeyed engine_obey(struct session *s, int argc, const struct slice *argv, struct slice raw,
                        bool *changes, struct bytes *error) {
    struct engine *e = s->e;
    bool unknown_sub;
    struct command_slot *cmd = command_resolve(&e->commands, argc, argv, &unknown_sub);
    struct out reply; /* is dropped */
    uint64_t clock_ns;
    struct call x;
    int rc;

    *changes = false;
    if (!cmd || unknown_sub) return refuse(e, error, "unknown command", argv[0]);
    if (!command_arity_ok(cmd->row, argc))
        return refuse(e, error, "wrong number of arguments for", argv[0]);
    if (!may_come(cmd->row, changes))
        return refuse(e, error, "no command of a replication stream:", argv[0]);
    call_init(&x, s, FROM_MASTER, cmd, argc, argv);
    x.raw = raw;
    out_init(&reply, &e->out_pool);
    x.r.out = &reply;
    clock_ns = clock_real_ns();
    rc = run_call(&x, &clock_ns);
    e->stats.commands++;
    s->commands++;
    s->last_cmd = cmd;
    if (rc < 0) take_error(&reply, error);
    out_release(&reply);
    return rc < 0 ? OBEYED_FAILED : OBEYED;
}
