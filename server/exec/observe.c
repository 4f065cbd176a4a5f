/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/observe.h"

#include "conf/conf.h"
#include "server/exec/hotkeys.h"
#include "server/exec/latency.h"
#include "server/exec/monitor.h"
#include "server/exec/slowlog.h"
#include "storage/base/mem.h"

#include <math.h>

/* The settings in nanoseconds; UINT64_MAX: nothing is slow. */
static uint64_t slow_ns(int64_t us) {
    return us < 0 || us > INT64_MAX / 1000 ? UINT64_MAX : (uint64_t)us * 1000;
}

static uint64_t latency_ns(const struct conf_values *v) {
    int64_t ms = v->latency_monitor_threshold;

    return ms == 0 || ms > INT64_MAX / 1000 ? UINT64_MAX : slow_ns(ms * 1000);
}

static void note_slow(struct call *x, uint64_t ns) {
    struct engine *e = x->e;
    uint32_t flags = x->cmd->row->flags;

    latency_note(e, flags & CMD_FAST ? "fast-command" : "command", ns / 1000);
    if (ns >= slow_ns(e->v->slowlog_log_slower_than) && !(flags & CMD_SKIP_SLOWLOG))
        slowlog_add(&e->logs[LOG_SLOW], x, ns / 1000, (size_t)e->v->slowlog_max_len);
}

/* What was received, or about that much of what stood in a transaction or in a line. */
static size_t request_bytes(const struct call *x) {
    size_t n = x->raw.n;

    if (n || x->from == FROM_SCRIPT) return n;
    for (int i = 0; i < x->argc; i++) n += x->argv[i].n;
    return n;
}

/* -1 as a limit is the largest number there is. */
static void note_large(struct call *x, size_t reply_bytes) {
    const struct conf_values *v = x->e->v;
    size_t request = request_bytes(x);

    if (__builtin_expect(request < (uint64_t)v->commandlog_request_larger_than &&
                             reply_bytes < (uint64_t)v->commandlog_reply_larger_than,
                         1))
        return;
    if (x->cmd->row->flags & CMD_SKIP_SLOWLOG) return;
    if (request >= (uint64_t)v->commandlog_request_larger_than)
        slowlog_add(&x->e->logs[LOG_LARGE_REQUEST], x, request,
                    (size_t)v->commandlog_large_request_max_len);
    if (reply_bytes >= (uint64_t)v->commandlog_reply_larger_than)
        slowlog_add(&x->e->logs[LOG_LARGE_REPLY], x, reply_bytes,
                    (size_t)v->commandlog_large_reply_max_len);
}

/* A command that waits is counted when it is over. */
static void count(const struct engine *e, struct command_slot *c, uint64_t ns, int rc) {
    c->calls++;
    c->ns += ns;
    if (rc < 0) c->failed++;
    if (!e->v->latency_tracking) return;
    if (!c->latency) c->latency = mem_calloc(OBSERVE_BUCKETS * sizeof *c->latency);
    c->latency[observe_bucket(ns)]++;
}

/* MONITOR and HOTKEYS: nearly never is there one, so one test has to do for both. */
static __attribute__((cold, noinline)) void tell_observers(struct call *x, uint64_t ns,
                                                           size_t reply_bytes) {
    if (x->e->nmonitors > 0) monitor_show_after(x);
    if (x->e->hotkeys && !x->waits) hotkeys_note(x, ns, request_bytes(x) + reply_bytes);
}

void observe(struct call *x, uint64_t ns, size_t reply_bytes, int rc) {
    struct engine *e = x->e;
    uint64_t least = slow_ns(e->v->slowlog_log_slower_than), other = latency_ns(e->v);

    if (__builtin_expect((e->nmonitors | (uintptr_t)e->hotkeys) != 0, 0))
        tell_observers(x, ns, reply_bytes);
    if (x->waits) return;
    count(e, x->cmd, ns, rc);
    note_large(x, reply_bytes);
    if (other < least) least = other;
    if (__builtin_expect(ns >= least, 0)) note_slow(x, ns);
}

double observe_time_at(const uint64_t *buckets, uint64_t total, double percent) {
    double rank = ceil(percent / 100 * (double)total), below = 0;

    if (rank < 1) rank = 1;
    for (int i = 0; i < OBSERVE_BUCKETS; i++) {
        below += (double)buckets[i];
        if (below >= rank) return observe_bucket_us(i);
    }
    return 0;
}
