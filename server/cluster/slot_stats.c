/* SPDX-License-Identifier: BSD-3-Clause
 *
 * slot_stats - CLUSTER SLOT-STATS: how many keys the slots of a node have.
 *
 * One walk over all keys counts them for all slots. Processor time and bytes of the network are not
 * counted by slot, so `key-count` is the only metric, as where cluster-slot-stats-enabled is `no`.
 */
#include "server/cluster/rows.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"

#include <stdlib.h>

struct slot_count {
    unsigned slot;
    uint64_t keys;
};

struct stats {
    struct call *x;
    struct slot_count of[SLOTS];
};

static void count_key(void *entry, void *arg) {
    struct stats *s = arg;
    struct slice key = entry_key(entry);

    call_breathe(s->x);
    if (!cluster_hides(s->x, key)) s->of[slot_of(key)].keys++;
}

static struct stats *count_slots(struct call *x) {
    struct stats *s = mem_calloc(sizeof *s);

    s->x = x;
    for (unsigned i = 0; i < SLOTS; i++) s->of[i].slot = i;
    table_each(&x->e->ks.dbs[0].keys, count_key, s);
    return s;
}

/* A replica tells the slots of its master. */
static bool is_own(const struct call *x, unsigned slot) {
    const struct cluster *c = cluster_of(x);

    return c->slots.owner[slot] == node_shard(c, x->s->node);
}

/* The first n of `of` that are the node's own. */
static void reply_counts(struct call *x, const struct slot_count *of, unsigned n, unsigned max) {
    unsigned count = 0;

    for (unsigned i = 0; i < n && count < max; i++) count += is_own(x, of[i].slot);
    reply_array(&x->r, count);
    for (unsigned i = 0; count > 0; i++) {
        if (!is_own(x, of[i].slot)) continue;
        count--;
        reply_array(&x->r, 2);
        reply_int(&x->r, of[i].slot);
        reply_map(&x->r, 1);
        reply_bulk_str(&x->r, "key-count");
        reply_int(&x->r, (int64_t)of[i].keys);
    }
}

static int stats_of_range(struct call *x) {
    int64_t first, last;
    struct stats *s;

    if (!arg_int_range(x, 3, 0, SLOTS - 1, &first, ERR_SLOT)) return -1;
    if (!arg_int_range(x, 4, 0, SLOTS - 1, &last, ERR_SLOT)) return -1;
    if (first > last)
        return reply_errf(x, "ERR Start slot number %d is greater than end slot number %d",
                          (int)first, (int)last);
    s = count_slots(x);
    reply_counts(x, &s->of[first], (unsigned)(last - first) + 1, SLOTS);
    mem_free(s);
    return 0;
}

static int by_keys(const void *a, const void *b) {
    const struct slot_count *x = a, *y = b;

    if (x->keys != y->keys) return x->keys < y->keys ? -1 : 1;
    return x->slot < y->slot ? -1 : 1;
}

static int by_keys_down(const void *a, const void *b) {
    const struct slot_count *x = a, *y = b;

    return x->keys != y->keys ? -by_keys(a, b) : x->slot < y->slot ? -1 : 1;
}

struct order {
    int64_t limit;
    bool up, has_limit, has_order;
};

static bool parse_order(struct call *x, struct order *o) {
    *o = (struct order){.limit = SLOTS};
    for (int i = 4; i < x->argc; i++) {
        bool up = arg_is(x, i, "asc"), limit = arg_is(x, i, "limit");

        if (!(limit && i + 1 < x->argc) && !up && !arg_is(x, i, "desc")) {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
        if (limit ? o->has_limit : o->has_order) {
            reply_err(x, "ERR Multiple filters of the same type are disallowed.");
            return false;
        }
        o->has_limit |= limit;
        o->has_order |= !limit;
        if (!limit) o->up = up;
        if (limit && !arg_int_range(x, ++i, 1, SLOTS, &o->limit,
                                    "ERR Limit has to lie in between 1 and 16384 (maximum number "
                                    "of slots)."))
            return false;
    }
    return true;
}

static int stats_in_order(struct call *x) {
    struct stats *s;
    struct order o;

    if (!arg_is(x, 3, "key-count"))
        return reply_err(x, "ERR Unrecognized sort metric for ORDERBY.");
    if (!parse_order(x, &o)) return -1;
    s = count_slots(x);
    qsort(s->of, SLOTS, sizeof *s->of, o.up ? by_keys : by_keys_down);
    reply_counts(x, s->of, SLOTS, (unsigned)o.limit);
    mem_free(s);
    return 0;
}

int slot_cmd_stats(struct call *x) {
    if (arg_is(x, 2, "slotsrange") && x->argc == 5) return stats_of_range(x);
    if (arg_is(x, 2, "orderby")) return stats_in_order(x);
    return reply_subcommand_err(x);
}
