/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/cluster/state.h"

#include "server/cluster/migration.h"

#include "conf/conf.h"
#include "storage/base/check.h"
#include "storage/base/hash.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"

/* ---------------------------------------------------------------- keys that have moved */

struct moved_key {
    size_t n;
    char text[];
};

static struct slice moved_key_name(const void *entry) {
    const struct moved_key *k = entry;

    return slice_of(k->text, k->n);
}

static bool moved_key_is(const void *entry, struct slice key) {
    return slice_eq(moved_key_name(entry), key);
}

static const struct table_ops moved_ops = {moved_key_name, moved_key_is};

static void moved_key_free(void *entry, void *arg) {
    (void)arg;
    mem_free(entry);
}

bool key_has_moved(const struct cluster *c, struct slice key) {
    return c->moved.count > 0 && table_find(&c->moved, key, hash_bytes(key.p, key.n));
}

void key_moves(struct cluster *c, struct slice key) {
    uint64_t hash = hash_bytes(key.p, key.n);
    struct moved_key *k;

    if (c->slots.to[slot_of(key)] == NO_NODE || table_find(&c->moved, key, hash)) return;
    k = mem_alloc(sizeof *k + key.n);
    k->n = key.n;
    memcpy(k->text, key.p, key.n);
    table_insert(&c->moved, k, hash);
}

struct of_slot {
    unsigned slot;
    struct moved_key **v;
    size_t n;
};

static void collect_of_slot(void *entry, void *arg) {
    struct of_slot *o = arg;

    if (slot_of(moved_key_name(entry)) == o->slot) o->v[o->n++] = entry;
}

static void forget_moved(struct cluster *c, unsigned slot) {
    struct of_slot o = {.slot = slot};

    if (c->moved.count == 0) return;
    o.v = mem_alloc(c->moved.count * sizeof *o.v);
    table_each(&c->moved, collect_of_slot, &o);
    for (size_t i = 0; i < o.n; i++) {
        table_remove(&c->moved, o.v[i], hash_bytes(o.v[i]->text, o.v[i]->n));
        mem_free(o.v[i]);
    }
    mem_free(o.v);
}

unsigned key_home(const struct cluster *c, unsigned slot, struct slice key) {
    if (c->slots.to[slot] != NO_NODE && key_has_moved(c, key)) return c->slots.to[slot];
    return c->slots.owner[slot];
}

/* ---------------------------------------------------------------- slots */

void slot_imports(struct cluster *c, unsigned slot, unsigned node, unsigned from) {
    struct node *n = &c->nodes[node];

    if (!n->from && from == NO_NODE) return;
    if (!n->from) {
        n->from = mem_alloc(SLOTS);
        memset(n->from, NO_NODE, SLOTS);
    }
    n->from[slot] = (uint8_t)from;
}

bool slot_is_importing(const struct cluster *c, unsigned slot, unsigned node) {
    return c->nodes[node].from && c->nodes[node].from[slot] != NO_NODE;
}

void slot_migrates(struct cluster *c, unsigned slot, unsigned to) {
    uint8_t *now = &c->slots.to[slot];

    if (*now != to) forget_moved(c, slot);
    c->slots.nmoving += (to != NO_NODE) - (*now != NO_NODE);
    *now = (uint8_t)to;
}

void slot_stays(struct cluster *c, unsigned slot) {
    slot_migrates(c, slot, NO_NODE);
    for (unsigned i = 0; i < c->n; i++) slot_imports(c, slot, i, NO_NODE);
}

void slot_give(struct cluster *c, unsigned slot, unsigned node) {
    uint8_t *owner = &c->slots.owner[slot];

    CHECK(node == NO_NODE || node_is_master(c, node));
    slot_stays(c, slot);
    if (*owner != NO_NODE) c->nodes[*owner].nslots--;
    if (node != NO_NODE) c->nodes[node].nslots++;
    c->slots.nowned += (node != NO_NODE) - (*owner != NO_NODE);
    *owner = (uint8_t)node;
}

/* ---------------------------------------------------------------- nodes */

/* The parts begin where redis-cli --cluster create has them begin: rounded to the next slot. */
static void share_slots(struct cluster *c) {
    unsigned slot = 0, n = c->masters;

    for (unsigned i = 0; i < n; i++) {
        unsigned last = ((i + 1) * 2 * SLOTS - n) / (2 * n);

        for (; slot < SLOTS && (slot <= last || i + 1 == n); slot++) slot_give(c, slot, i);
    }
}

void state_share(struct cluster *c) {
    for (unsigned i = 0; i < c->n; i++) c->nodes[i].master = NO_NODE;
    share_slots(c);
    for (unsigned i = 0; i < c->n; i++) {
        if (i >= c->masters)
            node_follow(c, i, i % c->masters);
        else if (c->masters > 1)
            node_bump(c, i);
    }
}

void state_layout(struct cluster *c, unsigned masters, unsigned replicas) {
    c->masters = masters;
    c->n = masters * (1 + replicas);
    c->nodes = mem_calloc(c->n * sizeof *c->nodes);
    table_init(&c->moved, &moved_ops);
    list_init(&c->migrations);
    memset(c->slots.owner, NO_NODE, SLOTS);
    memset(c->slots.to, NO_NODE, SLOTS);
    for (unsigned i = 0; i < c->n; i++) {
        rng_hex(c->nodes[i].id, NODE_ID_CHARS);
        rng_hex(c->nodes[i].shard, NODE_ID_CHARS);
    }
    state_share(c);
}

void state_release(struct cluster *c) {
    table_release(&c->moved, moved_key_free, NULL);
    migrations_clear(c);
    for (unsigned i = 0; i < c->n; i++) mem_free(c->nodes[i].from);
    mem_free(c->nodes);
}

unsigned node_find(const struct cluster *c, struct slice id) {
    for (unsigned i = 0; i < c->n; i++)
        if (id.n == NODE_ID_CHARS && memcmp(c->nodes[i].id, id.p, id.n) == 0) return i;
    return NO_NODE;
}

unsigned node_heir(const struct cluster *c, unsigned node) {
    for (unsigned i = 0; i < c->n; i++)
        if (c->nodes[i].master == node && !c->nodes[i].failed) return i;
    return NO_NODE;
}

void node_bump(struct cluster *c, unsigned node) {
    c->nodes[node].epoch = ++c->epoch;
}

void node_follow(struct cluster *c, unsigned node, unsigned master) {
    struct node *n = &c->nodes[node];

    CHECK(node != master && node_is_master(c, master) && n->nslots == 0);
    n->master = (uint8_t)master;
    memcpy(n->shard, c->nodes[master].shard, sizeof n->shard);
}

void node_take_over(struct cluster *c, unsigned node) {
    unsigned old = c->nodes[node].master;

    CHECK(old != NO_NODE);
    c->nodes[node].master = NO_NODE;
    for (unsigned slot = 0; slot < SLOTS; slot++)
        if (c->slots.owner[slot] == old) slot_give(c, slot, node);
    for (unsigned i = 0; i < c->n; i++)
        if (i == old || c->nodes[i].master == old) node_follow(c, i, node);
    node_bump(c, node);
}

/* ---------------------------------------------------------------- health */

/* The cluster is down if a slot is not served (cluster-require-full-coverage), and if the masters
 * that answer are no majority of those with slots. */
struct cluster_health state_health(const struct cluster *c) {
    struct cluster_health h = {.ok = c->slots.nowned};
    unsigned reachable = 0;

    for (unsigned i = 0; i < c->n; i++) {
        const struct node *n = &c->nodes[i];

        if (n->nslots == 0) continue;
        h.size++;
        reachable += !n->failed;
        if (n->failed) h.failed += n->nslots;
    }
    h.ok -= h.failed;
    h.up =
        reachable >= h.size / 2 + 1 && (h.ok == SLOTS || !c->e->v->cluster_require_full_coverage);
    return h;
}
