/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stream_nack - XNACK: a consumer gives pending entries back, so that another one can claim them at
 * once. The form is that of Redis 8.8.
 *
 * An entry that was given back counts as delivered in 1970, and so is idle for longer than any
 * claim asks for; it stays with its consumer until then. SILENT takes the delivery back, FAIL lets
 * it count, FATAL sets the highest count there is. FORCE makes an entry pending that is not: for
 * the consumer with the empty name. What is logged is an XCLAIM, as for every pending entry.
 */
#include "server/commands/commands.h"
#include "server/commands/streams.h"
#include "storage/base/mem.h"

enum nack_mode { NACK_SILENT, NACK_FAIL, NACK_FATAL, NACK_MODES };

struct nack {
    struct ref r;
    struct stream *s;
    struct stream_group *g;
    enum nack_mode mode;
    int64_t retries; /* -1: as the mode says */
    bool force;
    int first, n; /* the ids among the arguments */
};

/* ---------------------------------------------------------------- arguments */

static bool parse_mode(struct call *x, struct nack *k) {
    static const char *const names[NACK_MODES] = {"silent", "fail", "fatal"};
    int mode = 0;

    while (mode < NACK_MODES && !arg_is(x, 3, names[mode])) mode++;
    k->mode = (enum nack_mode)mode;
    if (mode < NACK_MODES && arg_is(x, 4, "ids")) return true;
    reply_err(x, ERR_SYNTAX);
    return false;
}

static bool parse_options(struct call *x, int i, struct nack *k) {
    for (; i < x->argc; i++) {
        if (arg_is(x, i, "force")) {
            k->force = true;
        } else if (i + 1 < x->argc && arg_is(x, i, "retrycount")) {
            if (!arg_int_range(x, ++i, 0, INT64_MAX, &k->retries,
                               "ERR RETRYCOUNT must be a non-negative integer"))
                return false;
        } else {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
    }
    return true;
}

static bool parse(struct call *x, struct nack *k) {
    int64_t n;

    *k = (struct nack){.retries = -1, .first = 6};
    if (!parse_mode(x, k)) return false;
    if (!arg_int_range(x, 5, 1, INT32_MAX, &n, "ERR Number of IDs must be a positive integer"))
        return false;
    if (n > x->argc - k->first) {
        reply_err(x, "ERR The `numids` parameter must match the number of arguments");
        return false;
    }
    k->n = (int)n;
    return parse_options(x, k->first + k->n, k);
}

/* ---------------------------------------------------------------- giving back */

static uint64_t count_after(const struct nack *k, uint64_t deliveries) {
    if (k->retries >= 0) return (uint64_t)k->retries;
    if (k->mode == NACK_FATAL) return INT64_MAX;
    return k->mode == NACK_SILENT && deliveries > 0 ? deliveries - 1 : deliveries;
}

/* NULL: it is not pending. */
static struct stream_pending *find(struct call *x, struct nack *k, struct stream_id id) {
    struct stream_pending *p = stream_pending_find(k->g, id);
    bool is_new;

    if (p || !k->force) return p;
    p = stream_pending_give(k->g, id, need_consumer(x, &k->r, k->g, SLICE(""), &is_new));
    p->deliveries = 0;
    return p;
}

static bool give_back(struct call *x, struct nack *k, struct stream_cursor *c,
                      struct stream_id id) {
    struct stream_pending *p;

    if (!stream_cursor_find(c, k->s, id)) return false;
    p = find(x, k, id);
    if (!p) return false;
    p->deliveries = count_after(k, p->deliveries);
    stream_pending_delivered(k->g, p, 0);
    log_pending(x, &k->r, k->g, id, p);
    return true;
}

static int64_t give_all_back(struct call *x, struct nack *k, const struct stream_id *ids) {
    struct ordered_id *v = ids_in_order(ids, k->n);
    struct stream_cursor c = {0};
    int64_t n = 0;

    for (int i = 0; i < k->n; i++) n += give_back(x, k, &c, v[i].id);
    mem_free(v);
    return n;
}

static int cmd_xnack(struct call *x) {
    struct stream_id *ids;
    struct nack k;
    int64_t n;

    if (!parse(x, &k) || !(ids = arg_stream_ids(x, k.first, k.n))) return -1;
    if (!find_group(x, 1, &k.r, &k.s, &k.g)) {
        mem_free(ids);
        return -1;
    }
    n = give_all_back(x, &k, ids);
    mem_free(ids);
    if (n > 0) {
        key_changed_inside(x, &k.r, EVENT_STREAM, "xnack");
        x->e->dirty += (uint64_t)n - 1;
    }
    reply_int(&x->r, n);
    return 0;
}

/* ---------------------------------------------------------------- rows */

/* clang-format off */
const struct command stream_nack_commands[] = {
    {"xnack", -7, CMD_WRITE | CMD_FAST, "stream", {1, 1, 1}, cmd_xnack, "8.8.0",
     "Gives pending entries of a group back, so that they can be claimed at once.",
     .grammar = "key@0 group mode(SILENT|FAIL|FATAL) ids{IDS=numids:int id+} "
                "[RETRYCOUNT=count:int] [FORCE]",
     .key_specs = "RW update"},
    {0},
};
/* clang-format on */
