/* SPDX-License-Identifier: BSD-3-Clause
 *
 * wait - WAIT and WAITAOF: a client waits until its writes are where it wants them.
 */
#include "server/exec/blocking.h"
#include "server/replication/rows.h"

enum { ARG_LOCAL, ARG_REPLICAS }; /* of blocked.args */

/* The offset that a client's writes end at stands in blocked.need, see block(). */
static size_t count_at(const struct blocked *b) {
    return b->s->e->replication ? replicas_at(b->s->e->replication, b->s->wrote) : 0;
}

static size_t count_synced(const struct blocked *b) {
    return b->s->e->replication ? replicas_synced(b->s->e->replication, b->s->wrote) : 0;
}

static int refuse_on_replica(struct call *x, const char *name) {
    return reply_errf(x,
                      "ERR %s cannot be used with replica instances. Please also note that "
                      "%swrites to replicas are just local and are not propagated.",
                      name,
                      name[4] ? ""
                              : "since Redis 4.0 if a replica is configured to be writable "
                                "(which is not the default) ");
}

static int block(struct call *x, const struct blocked *b, int64_t timeout_ms) {
    struct replication *r = x->e->replication;

    if (r && b->args[ARG_REPLICAS] > 0) r->replicas.getack = true;
    block_on_progress(x, b, timeout_ms ? clock_mono_us() + (uint64_t)timeout_ms * 1000 : 0);
    return 0;
}

/* ---------------------------------------------------------------- WAIT */

static bool wait_ready(const struct blocked *b) {
    return count_at(b) >= (size_t)b->args[ARG_REPLICAS];
}

static void answer_wait(struct blocked *b, struct reply *r) {
    reply_int(r, (int64_t)count_at(b));
}

static int cmd_wait(struct call *x) {
    struct blocked b = {.s = x->s, .ready = wait_ready, .answer = answer_wait};
    int64_t timeout_ms;

    if (x->e->role.is_replica) return refuse_on_replica(x, "WAIT");
    if (!arg_int(x, 1, &b.args[ARG_REPLICAS]) || !arg_timeout_ms(x, 2, &timeout_ms)) return -1;
    if (b.args[ARG_REPLICAS] > 0 && !wait_ready(&b) && call_may_wait(x))
        return block(x, &b, timeout_ms);
    answer_wait(&b, &x->r);
    return 0;
}

/* ---------------------------------------------------------------- WAITAOF */

#define ERR_AOF_OFF "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."

/* The AOF went off: nothing more becomes durable. */
static bool is_hopeless(const struct blocked *b) {
    return b->args[ARG_LOCAL] > 0 && !aof_logs(aof_phase(b->s->e->aof));
}

static bool is_durable(const struct engine *e, uint64_t position) {
    return aof_phase(e->aof) == AOF_ON && aof_safe(e->aof, AOF_LEVEL_SYNCED) >= position;
}

static void answer_waitaof(struct blocked *b, struct reply *r) {
    if (is_hopeless(b)) {
        reply_error_text(r, ERR_AOF_OFF, sizeof ERR_AOF_OFF - 1);
        return;
    }
    reply_array(r, 2);
    reply_int(r, is_durable(b->s->e, b->position));
    reply_int(r, (int64_t)count_synced(b));
}

static bool waitaof_ready(const struct blocked *b) {
    if (is_hopeless(b)) return true;
    return count_synced(b) >= (size_t)b->args[ARG_REPLICAS] &&
           (b->args[ARG_LOCAL] == 0 || is_durable(b->s->e, b->position));
}

static int parse_waitaof(struct call *x, int64_t *args, int64_t *timeout_ms) {
    if (!arg_int(x, 1, &args[ARG_LOCAL])) return -1;
    if (args[ARG_LOCAL] < 0 || args[ARG_LOCAL] > 1)
        return reply_err(x, "ERR value is out of range, value must between 0 and 1");
    if (!arg_int(x, 2, &args[ARG_REPLICAS])) return -1;
    if (args[ARG_REPLICAS] < 0) return reply_err(x, "ERR value is out of range, must be positive");
    if (!arg_timeout_ms(x, 3, timeout_ms)) return -1;
    if (x->e->role.is_replica) return refuse_on_replica(x, "WAITAOF");
    if (args[ARG_LOCAL] && !aof_logs(aof_phase(x->e->aof))) return reply_err(x, ERR_AOF_OFF);
    return 0;
}

static int cmd_waitaof(struct call *x) {
    struct blocked b = {.s = x->s,
                        .ready = waitaof_ready,
                        .answer = answer_waitaof,
                        .position = aof_appended(x->e->aof)};
    int64_t timeout_ms;

    if (parse_waitaof(x, b.args, &timeout_ms) < 0) return -1;
    if (waitaof_ready(&b) || !call_may_wait(x)) {
        answer_waitaof(&b, &x->r);
        return 0;
    }
    if (b.args[ARG_LOCAL]) aof_want_sync(x->e->aof);
    return block(x, &b, timeout_ms);
}

/* ---------------------------------------------------------------- rows */

/* clang-format off */
const struct command wait_commands[] = {
    {"wait", 3, CMD_BLOCKING, "generic", {0, 0, 0}, cmd_wait, "3.0.0",
     "Waits until replicas have the writes of the connection.",
     .grammar = "numreplicas:int timeout:int",
     .tips = "request_policy:all_shards response_policy:agg_min"},
    {"waitaof", 4, CMD_BLOCKING, "generic", {0, 0, 0}, cmd_waitaof, "7.2.0",
     "Waits until the AOF is synced up to the last write of the connection.",
     .grammar = "numlocal:int numreplicas:int timeout:int",
     .tips = "request_policy:all_shards response_policy:agg_min"},
    {0},
};
/* clang-format on */
