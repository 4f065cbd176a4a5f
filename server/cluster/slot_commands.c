/* SPDX-License-Identifier: BSD-3-Clause
 *
 * slot_commands - CLUSTER ADDSLOTS, DELSLOTS and their relatives, SETSLOT, and the keys of a slot.
 */
#include "conf/conf.h"
#include "server/cluster/change.h"
#include "server/cluster/rows.h"
#include "server/exec/breathe.h"
#include "server/exec/keys.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

#include <string.h>

/* ---------------------------------------------------------------- taking and giving up */

struct wanted {
    bool has[SLOTS];
};

static bool want(struct call *x, struct wanted *w, int64_t slot, bool add) {
    unsigned owner = cluster_of(x)->slots.owner[slot];

    if (add && owner != NO_NODE)
        reply_errf(x, "ERR Slot %d is already busy", (int)slot);
    else if (!add && owner == NO_NODE)
        reply_errf(x, "ERR Slot %d is already unassigned", (int)slot);
    else if (w->has[slot])
        reply_errf(x, "ERR Slot %d specified multiple times", (int)slot);
    else
        return w->has[slot] = true;
    return false;
}

static bool collect(struct call *x, struct wanted *w, bool add) {
    int64_t slot;

    for (int i = 2; i < x->argc; i++)
        if (!arg_int_range(x, i, 0, SLOTS - 1, &slot, ERR_SLOT)) return false;
    for (int i = 2; i < x->argc; i++) {
        num_parse_i64(x->argv[i].p, x->argv[i].n, &slot);
        if (!want(x, w, slot, add)) return false;
    }
    return true;
}

static bool collect_ranges(struct call *x, struct wanted *w, bool add) {
    int64_t first, last;

    if (x->argc % 2) {
        reply_errf(x, "ERR wrong number of arguments for '%s' command", x->cmd->name);
        return false;
    }
    for (int i = 2; i < x->argc; i += 2) {
        if (!arg_int_range(x, i, 0, SLOTS - 1, &first, ERR_SLOT)) return false;
        if (!arg_int_range(x, i + 1, 0, SLOTS - 1, &last, ERR_SLOT)) return false;
        if (first > last) {
            reply_errf(x, "ERR start slot number %d is greater than end slot number %d", (int)first,
                       (int)last);
            return false;
        }
        for (int64_t slot = first; slot <= last; slot++)
            if (!want(x, w, slot, add)) return false;
    }
    return true;
}

/* A node gives up its own slots only: what it says of another node's would not last. */
static int carry_out(struct call *x, const struct wanted *w, bool add) {
    struct cluster *c = cluster_of(x);
    unsigned me = x->s->node;

    for (unsigned slot = 0; slot < SLOTS; slot++)
        if (w->has[slot] && (add || c->slots.owner[slot] == me))
            slot_give(c, slot, add ? me : NO_NODE);
    change_done(c);
    reply_ok(&x->r);
    return 0;
}

static int assign(struct call *x, bool ranges, bool add) {
    struct wanted *w = mem_calloc(sizeof *w);
    bool ok = ranges ? collect_ranges(x, w, add) : collect(x, w, add);
    int rc = -1;

    if (ok && add && !node_is_master(cluster_of(x), x->s->node))
        reply_err(x, "ERR A replica has no slots of its own");
    else if (ok)
        rc = carry_out(x, w, add);
    mem_free(w);
    return rc;
}

int slot_cmd_add(struct call *x) {
    return assign(x, false, true);
}

int slot_cmd_add_range(struct call *x) {
    return assign(x, true, true);
}

int slot_cmd_delete(struct call *x) {
    return assign(x, false, false);
}

int slot_cmd_delete_range(struct call *x) {
    return assign(x, true, false);
}

int slot_cmd_flush(struct call *x) {
    struct cluster *c = cluster_of(x);

    if (x->e->ks.dbs[0].keys.count > 0)
        return reply_err(x, "ERR DB must be empty to perform CLUSTER FLUSHSLOTS.");
    for (unsigned slot = 0; slot < SLOTS; slot++)
        if (c->slots.owner[slot] == x->s->node) slot_give(c, slot, NO_NODE);
    change_done(c);
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- the keys of a slot */

struct slot_walk {
    struct call *x;
    bool breathes; /* a command that only reads may let others be served */
    unsigned slot;
    size_t n, max;
    const struct entry **v; /* the first `max`; NULL: only to be counted */
};

static void visit(void *entry, void *arg) {
    struct slot_walk *w = arg;
    struct slice key = entry_key(entry);

    if (w->breathes) call_breathe(w->x);
    if (slot_of(key) != w->slot || cluster_hides(w->x, key)) return;
    if (w->v && w->n < w->max) w->v[w->n] = entry;
    w->n++;
}

static size_t count_keys(struct call *x, unsigned slot, bool breathes) {
    struct slot_walk w = {.x = x, .breathes = breathes, .slot = slot};

    table_each(&x->e->ks.dbs[0].keys, visit, &w);
    return w.n;
}

int slot_cmd_count_keys(struct call *x) {
    int64_t slot;

    if (!arg_int(x, 2, &slot)) return -1;
    if (slot < 0 || slot >= SLOTS) return reply_err(x, "ERR Invalid slot");
    reply_int(&x->r, (int64_t)count_keys(x, (unsigned)slot, true));
    return 0;
}

/* Up to `max` keys of the slot: w.v, which the caller frees, has w.max of them. */
static struct slot_walk find_keys(struct call *x, unsigned slot, uint64_t max) {
    struct slot_walk w = {.x = x, .breathes = true, .slot = slot};

    w.max = count_keys(x, slot, true);
    if (w.max > max) w.max = (size_t)max;
    w.v = mem_alloc((w.max + 1) * sizeof *w.v);
    table_each(&x->e->ks.dbs[0].keys, visit, &w);
    return w;
}

int slot_cmd_get_keys(struct call *x) {
    struct slot_walk w;
    int64_t slot, max;

    if (!arg_int(x, 2, &slot) || !arg_int(x, 3, &max)) return -1;
    if (slot < 0 || slot >= SLOTS || max < 0)
        return reply_err(x, "ERR Invalid slot or number of keys");
    w = find_keys(x, (unsigned)slot, (uint64_t)max);
    reply_array(&x->r, w.max);
    for (size_t i = 0; i < w.max; i++) {
        struct slice key = entry_key(w.v[i]);

        reply_bulk(&x->r, key.p, key.n);
    }
    mem_free(w.v);
    return 0;
}

enum { DELETE_BATCH = 1024 };

/* Deletes up to DELETE_BATCH keys, which is propagated as one command that all servers know. */
static void delete_keys(struct call *x, const struct entry **v, size_t n, bool lazy) {
    struct slice argv[1 + DELETE_BATCH] = {lazy ? SLICE("UNLINK") : SLICE("DEL")};
    int argc = 1;

    for (size_t i = 0; i < n; i++) {
        struct slice key = entry_key(v[i]);
        char *name = mem_dup(key.p, key.n + 1); /* of the entry, which is about to be freed */
        struct ref r = lookup(x, &x->e->ks.dbs[0], slice_of(name, key.n), false);

        argv[argc] = slice_of(name, key.n);
        if (!r.e) {
            mem_free(name);
            continue;
        }
        key_delete(x, &r, lazy);
        r.key = argv[argc++];
        key_changed(x, &r, EVENT_GENERIC, "del");
    }
    if (argc > 1) effect(x, argc, argv);
    for (int i = 1; i < argc; i++) mem_free((char *)argv[i].p);
}

int slot_cmd_flush_one(struct call *x) {
    bool lazy = x->e->v->lazyfree_lazy_user_flush;
    struct slot_walk w;
    int64_t slot;

    if (!arg_int_range(x, 2, 0, SLOTS - 1, &slot, ERR_SLOT)) return -1;
    if (x->argc > 4) return reply_subcommand_err(x);
    if (x->argc == 4 && !arg_is(x, 3, "async") && !arg_is(x, 3, "sync"))
        return reply_err(x, ERR_SYNTAX);
    if (!node_is_master(cluster_of(x), x->s->node))
        return reply_err(x, "READONLY You can't write against a read only replica.");
    if (x->argc == 4) lazy = arg_is(x, 3, "async");
    w = find_keys(x, (unsigned)slot, SIZE_MAX);
    for (size_t i = 0; i < w.max; i += DELETE_BATCH)
        delete_keys(x, w.v + i, w.max - i < DELETE_BATCH ? w.max - i : DELETE_BATCH, lazy);
    mem_free(w.v);
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- SETSLOT */

/* Argument 4 as the master that a slot comes from or goes to. */
static bool arg_peer(struct call *x, const char *unknown, unsigned *node) {
    const struct cluster *c = cluster_of(x);

    *node = node_find(c, x->argv[4]);
    if (*node == NO_NODE) {
        reply_errf(x, unknown, (int)x->argv[4].n, x->argv[4].p);
        return false;
    }
    if (node_is_master(c, *node)) return true;
    reply_err(x, "ERR Target node is not a master");
    return false;
}

#define UNKNOWN_PEER "ERR I don't know about node %.*s"

static int set_migrating(struct call *x, unsigned slot) {
    struct cluster *c = cluster_of(x);
    unsigned node;

    if (c->slots.owner[slot] != x->s->node)
        return reply_errf(x, "ERR I'm not the owner of hash slot %u", slot);
    if (!arg_peer(x, UNKNOWN_PEER, &node)) return -1;
    if (node == x->s->node) return reply_err(x, "ERR Target node is myself");
    slot_migrates(c, slot, node);
    reply_ok(&x->r);
    return 0;
}

static int set_importing(struct call *x, unsigned slot) {
    struct cluster *c = cluster_of(x);
    unsigned node;

    if (c->slots.owner[slot] == x->s->node)
        return reply_errf(x, "ERR I'm already the owner of hash slot %u", slot);
    if (!arg_peer(x, UNKNOWN_PEER, &node)) return -1;
    slot_imports(c, slot, x->s->node, node);
    reply_ok(&x->r);
    return 0;
}

static int set_stable(struct call *x, unsigned slot) {
    struct cluster *c = cluster_of(x);

    if (c->slots.owner[slot] == x->s->node) slot_migrates(c, slot, NO_NODE);
    slot_imports(c, slot, x->s->node, NO_NODE);
    reply_ok(&x->r);
    return 0;
}

static int set_node(struct call *x, unsigned slot) {
    struct cluster *c = cluster_of(x);
    bool was_importing = slot_is_importing(c, slot, x->s->node);
    unsigned node;

    if (!arg_peer(x, "ERR Unknown node %.*s", &node)) return -1;
    if (c->slots.owner[slot] == x->s->node && node != x->s->node && count_keys(x, slot, false) > 0)
        return reply_errf(
            x,
            "ERR Can't assign hashslot %u to a different node while I still hold keys "
            "for this hash slot.",
            slot);
    slot_give(c, slot, node);
    if (was_importing && node == x->s->node) node_bump(c, node);
    change_done(c);
    reply_ok(&x->r);
    return 0;
}

int slot_cmd_set(struct call *x) {
    int64_t slot;

    if (!node_is_master(cluster_of(x), x->s->node))
        return reply_err(x, "ERR Please use SETSLOT only with masters.");
    if (!arg_int_range(x, 2, 0, SLOTS - 1, &slot, ERR_SLOT)) return -1;
    if (arg_is(x, 3, "migrating") && x->argc == 5) return set_migrating(x, (unsigned)slot);
    if (arg_is(x, 3, "importing") && x->argc == 5) return set_importing(x, (unsigned)slot);
    if (arg_is(x, 3, "stable") && x->argc == 4) return set_stable(x, (unsigned)slot);
    if (arg_is(x, 3, "node") && x->argc == 5) return set_node(x, (unsigned)slot);
    return reply_err(x, "ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER "
                        "HELP");
}
