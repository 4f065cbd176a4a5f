/* SPDX-License-Identifier: BSD-3-Clause
 *
 * slot_migrate - CLUSTER MIGRATESLOTS, GETSLOTMIGRATIONS and CANCELSLOTMIGRATIONS.
 *
 * Nodes of one process share the data: the slots are given to the other node, and the migration has
 * succeeded before the reply. All groups of a command are examined before the first slot moves.
 * There is never a migration under way, so none can be cancelled.
 */
#include "server/cluster/change.h"
#include "server/cluster/migration.h"
#include "server/cluster/rows.h"
#include "storage/base/mem.h"

#include <string.h>

#define ERR_OVERLAP "ERR Slot ranges in migrations overlap"

/* "SLOTSRANGE first last ... NODE id": arguments [first, first + 2 * n) are the ranges. */
struct group {
    int first, n;
    unsigned to;
};

struct plan {
    struct group *groups;
    int n;
    bool has[SLOTS]; /* of all groups so far */
};

/* ---------------------------------------------------------------- arguments */

static void range_of(struct call *x, const struct group *g, int i, int64_t *first, int64_t *last) {
    num_parse_i64(x->argv[g->first + 2 * i].p, x->argv[g->first + 2 * i].n, first);
    num_parse_i64(x->argv[g->first + 2 * i + 1].p, x->argv[g->first + 2 * i + 1].n, last);
}

static bool check_order(struct call *x, const struct group *g) {
    int64_t first, last, a, b;

    range_of(x, g, g->n - 1, &first, &last);
    if (first > last) {
        reply_errf(x, "ERR Start slot number %d is greater than end slot number %d.", (int)first,
                   (int)last);
        return false;
    }
    for (int i = 0; i + 1 < g->n; i++) {
        range_of(x, g, i, &a, &b);
        if (first > b || last < a) continue;
        reply_errf(x, "ERR Slot range %d-%d overlaps with previous range %d-%d.", (int)first,
                   (int)last, (int)a, (int)b);
        return false;
    }
    return true;
}

/* The ranges of a group, up to NODE; *i is left there. */
static bool parse_ranges(struct call *x, int *i, struct group *g) {
    const char *why = ERR_SYNTAX;
    int64_t slot;

    if (!arg_is(x, *i, "slotsrange")) goto refuse;
    g->first = ++*i;
    for (; *i < x->argc && !arg_is(x, *i, "node"); *i += 2) {
        if (g->n > 0 && !num_parse_i64(x->argv[*i].p, x->argv[*i].n, &slot)) goto refuse;
        why = "ERR No end slot for final slot range";
        if (*i + 1 == x->argc) goto refuse;
        why = ERR_SYNTAX;
        if (!arg_int_range(x, *i, 0, SLOTS - 1, &slot, ERR_SLOT)) return false;
        if (!arg_int_range(x, *i + 1, 0, SLOTS - 1, &slot, ERR_SLOT)) return false;
        g->n++;
        if (!check_order(x, g)) return false;
    }
    if (g->n == 0)
        why = "ERR No slot ranges specified";
    else if (*i + 1 < x->argc)
        return true;
refuse:
    reply_err(x, why);
    return false;
}

/* The master that argument i names. */
static bool parse_target(struct call *x, int i, unsigned *to) {
    const struct cluster *c = cluster_of(x);
    struct slice id = x->argv[i];

    *to = node_find(c, id);
    if (id.n != NODE_ID_CHARS)
        reply_errf(x, "ERR Invalid node name: %.*s", (int)(id.n < 128 ? id.n : 128), id.p);
    else if (*to == NO_NODE)
        reply_errf(x, "ERR Unknown node name: %.*s", (int)id.n, id.p);
    else if (*to == x->s->node)
        reply_err(x, "ERR Target node can not be this node.");
    else if (!node_is_master(c, *to))
        reply_err(x, "ERR Target node is not a master.");
    else
        return true;
    return false;
}

/* Each slot of the group is this node's, and in no other group. */
static bool check_slots(struct call *x, struct plan *p, const struct group *g) {
    const struct cluster *c = cluster_of(x);
    int64_t first, last;
    unsigned owner = NO_NODE;

    for (int i = 0; i < g->n; i++) {
        range_of(x, g, i, &first, &last);
        for (int64_t slot = first; slot <= last; slot++) {
            unsigned of = c->slots.owner[slot];
            const char *why = NULL;

            if (of == NO_NODE) {
                reply_errf(x, "ERR Slot %d has no node served.", (int)slot);
                return false;
            }
            if (owner == NO_NODE) owner = of;
            if (of != owner) why = "ERR Requested slots span multiple shards";
            if (p->has[slot]) why = ERR_OVERLAP;
            p->has[slot] = true;
            if (!why) continue;
            reply_err(x, why);
            return false;
        }
    }
    if (owner == x->s->node) return true;
    reply_err(x, "ERR Slots are not served by this node.");
    return false;
}

static bool parse_plan(struct call *x, struct plan *p) {
    for (int i = 2; i < x->argc; i++) {
        struct group *g = &p->groups[p->n];

        if (!parse_ranges(x, &i, g) || !parse_target(x, ++i, &g->to) || !check_slots(x, p, g))
            return false;
        p->n++;
    }
    return true;
}

/* ---------------------------------------------------------------- the move */

static void carry_out(struct call *x, const struct group *g) {
    struct cluster *c = cluster_of(x);
    struct bytes ranges = {0};
    int64_t first, last;

    for (int i = 0; i < g->n; i++) {
        range_of(x, g, i, &first, &last);
        for (int64_t slot = first; slot <= last; slot++) slot_give(c, (unsigned)slot, g->to);
        bytes_printf(&ranges, first == last ? "%s%d" : "%s%d-%d", i ? " " : "", (int)first,
                     (int)last);
    }
    migration_note(c, x->s->node, g->to, slice_of(ranges.p, ranges.n));
    bytes_release(&ranges);
}

int slot_cmd_migrate(struct call *x) {
    struct cluster *c = cluster_of(x);
    struct plan *p = mem_calloc(sizeof *p);
    int rc = -1;

    p->groups = mem_calloc((size_t)x->argc * sizeof *p->groups);
    if (!parse_plan(x, p)) goto out;
    for (int i = 0; i < p->n; i++) {
        carry_out(x, &p->groups[i]);
        node_bump(c, p->groups[i].to);
    }
    change_done(c);
    reply_ok(&x->r);
    rc = 0;
out:
    mem_free(p->groups);
    mem_free(p);
    return rc;
}

int slot_cmd_cancel_migrations(struct call *x) {
    return reply_err(x, "ERR No migrations ongoing");
}

/* ---------------------------------------------------------------- the log */

static void reply_text(struct call *x, const char *name, const char *p, size_t n) {
    reply_bulk_str(&x->r, name);
    reply_bulk(&x->r, p, n);
}

static void reply_number(struct call *x, const char *name, int64_t v) {
    reply_bulk_str(&x->r, name);
    reply_int(&x->r, v);
}

static void reply_migration(struct call *x, const struct migration *m) {
    const struct cluster *c = cluster_of(x);
    bool out = m->from == x->s->node;

    reply_map(&x->r, 12);
    reply_text(x, "name", m->name, NODE_ID_CHARS);
    reply_text(x, "operation", out ? "EXPORT" : "IMPORT", 6);
    reply_text(x, "slot_ranges", m->ranges, m->n);
    reply_text(x, "target_node", c->nodes[m->to].id, NODE_ID_CHARS);
    reply_text(x, "source_node", c->nodes[m->from].id, NODE_ID_CHARS);
    reply_number(x, "create_time", m->at_s);
    reply_number(x, "last_update_time", m->at_s);
    reply_number(x, "last_ack_time", m->at_s);
    reply_text(x, "state", "success", 7);
    reply_text(x, "message", "", 0);
    reply_number(x, "cow_size", 0);
    reply_number(x, "remaining_repl_size", 0);
}

/* Those in which this node took part, the newest first. */
int slot_cmd_migrations(struct call *x) {
    const struct list *all = &cluster_of(x)->migrations;
    unsigned me = x->s->node, n = 0;

    list_each (it, all) {
        const struct migration *m = list_entry(it, struct migration, link);

        n += m->from == me || m->to == me;
    }
    reply_array(&x->r, n);
    for (const struct list *it = all->prev; it != all; it = it->prev) {
        const struct migration *m = list_entry(it, struct migration, link);

        if (m->from == me || m->to == me) reply_migration(x, m);
    }
    return 0;
}
