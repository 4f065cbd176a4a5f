/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/hotkeys.h"

#include "server/exec/call.h"
#include "server/exec/slots.h"
#include "storage/base/hash.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"
#include "storage/ds/table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* heap[i]->value <= heap[2i+1]->value and heap[2i+2]->value; `names` has the same keys. */
struct board {
    struct table names;
    struct hotkeys_key *heap[HOTKEYS_KEPT];
    uint32_t n;
};

/* What the process has used since its start. */
struct usage {
    uint64_t at_us, user_ms, system_ms, net_bytes;
};

struct hotkeys {
    bool active;
    struct hotkeys_options o;
    struct hotkeys_totals totals;
    int64_t started_ms;
    struct usage from, to;                 /* `to`: of a session that was stopped */
    struct board *boards[HOTKEYS_METRICS]; /* NULL: not asked for */
};

/* ---------------------------------------------------------------- boards */

static struct slice name_of(const void *key) {
    const struct hotkeys_key *k = key;

    return slice_of(k->name, k->name_n);
}

static bool matches(const void *key, struct slice name) {
    return slice_eq(name_of(key), name);
}

static const struct table_ops name_ops = {name_of, matches};

static void put(struct board *b, uint32_t at, struct hotkeys_key *k) {
    b->heap[at] = k;
    k->at = at;
}

static void sink(struct board *b, struct hotkeys_key *k) {
    uint32_t at = k->at, child;

    for (; (child = 2 * at + 1) < b->n; at = child) {
        if (child + 1 < b->n && b->heap[child + 1]->value < b->heap[child]->value) child++;
        if (b->heap[child]->value >= k->value) break;
        put(b, at, b->heap[child]);
    }
    put(b, at, k);
}

static void rise(struct board *b, struct hotkeys_key *k) {
    uint32_t at = k->at;

    for (; at > 0 && b->heap[(at - 1) / 2]->value > k->value; at = (at - 1) / 2)
        put(b, at, b->heap[(at - 1) / 2]);
    put(b, at, k);
}

static struct hotkeys_key *new_key(struct slice name, uint64_t value) {
    struct hotkeys_key *k = mem_alloc(sizeof *k + name.n + 1);

    *k = (struct hotkeys_key){.value = value, .name_n = name.n};
    memcpy(k->name, name.p, name.n);
    return k;
}

/* The least key leaves the board; its value is what the newcomer begins with. */
static uint64_t drop_least(struct board *b) {
    struct hotkeys_key *least = b->heap[0];
    uint64_t value = least->value;

    table_remove(&b->names, least, hash_bytes(least->name, least->name_n));
    mem_free(least);
    return value;
}

static void board_add(struct board *b, struct slice name, uint64_t value) {
    uint64_t hash = hash_bytes(name.p, name.n);
    struct hotkeys_key *k = table_find(&b->names, name, hash);

    if (value == 0) return;
    if (k) {
        k->value += value;
        sink(b, k);
        return;
    }
    if (b->n < HOTKEYS_KEPT) {
        k = new_key(name, value);
        k->at = b->n++;
        rise(b, k);
    } else {
        k = new_key(name, value + drop_least(b));
        sink(b, k);
    }
    table_insert(&b->names, k, hash);
}

static struct board *board_new(void) {
    struct board *b = mem_calloc(sizeof *b);

    table_init(&b->names, &name_ops);
    return b;
}

static void board_free(struct board *b) {
    if (!b) return;
    for (uint32_t i = 0; i < b->n; i++) mem_free(b->heap[i]);
    table_release(&b->names, NULL, NULL);
    mem_free(b);
}

/* ---------------------------------------------------------------- sessions */

static uint64_t ms_of(struct timeval t) {
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_usec / 1000;
}

static struct usage measure(const struct engine *e) {
    struct usage now = {.at_us = clock_mono_us(), .net_bytes = e->stats.net_in + e->stats.net_out};
    struct rusage u;

    if (getrusage(RUSAGE_SELF, &u) == 0) {
        now.user_ms = ms_of(u.ru_utime);
        now.system_ms = ms_of(u.ru_stime);
    }
    return now;
}

void hotkeys_start(struct engine *e, const struct hotkeys_options *o) {
    struct hotkeys *h;

    hotkeys_free(e);
    h = e->hotkeys = mem_calloc(sizeof *h);
    h->active = true;
    h->o = *o;
    h->started_ms = clock_wall_ms();
    h->from = measure(e);
    for (int m = 0; m < HOTKEYS_METRICS; m++)
        if (o->metrics & 1u << m) h->boards[m] = board_new();
}

void hotkeys_stop(struct engine *e) {
    struct hotkeys *h = e->hotkeys;

    if (!h || !h->active) return;
    h->active = false;
    h->to = measure(e);
}

void hotkeys_free(struct engine *e) {
    struct hotkeys *h = e->hotkeys;

    if (!h) return;
    for (int m = 0; m < HOTKEYS_METRICS; m++) board_free(h->boards[m]);
    mem_free(h->o.slots);
    mem_free(h);
    e->hotkeys = NULL;
}

bool hotkeys_is_active(const struct engine *e) {
    return e->hotkeys && e->hotkeys->active;
}

void hotkeys_tick(struct engine *e) {
    struct hotkeys *h = e->hotkeys;

    if (!h || !h->active || h->o.duration_s == 0) return;
    if ((clock_mono_us() - h->from.at_us) / 1000000 >= (uint64_t)h->o.duration_s) hotkeys_stop(e);
}

/* ---------------------------------------------------------------- commands */

enum { KEYS_SEEN = 64 }; /* of one command */

static bool is_selected(const struct hotkeys *h, struct slice key) {
    return !h->o.slots || h->o.slots[slot_of(key)];
}

struct found {
    const struct hotkeys *h;
    struct slice keys[KEYS_SEEN];
    unsigned n;
};

static bool note_key(void *arg, struct slice key) {
    struct found *f = arg;

    if (is_selected(f->h, key)) f->keys[f->n++] = key;
    return f->n < KEYS_SEEN;
}

static void add(uint64_t to[HOTKEYS_METRICS], const uint64_t cost[HOTKEYS_METRICS]) {
    for (int m = 0; m < HOTKEYS_METRICS; m++) to[m] += cost[m];
}

void hotkeys_note(const struct call *x, uint64_t ns, uint64_t bytes) {
    const uint64_t cost[HOTKEYS_METRICS] = {[HOTKEYS_CPU] = ns, [HOTKEYS_NET] = bytes};
    struct hotkeys *h = x->e->hotkeys;
    struct found f = {.h = h};

    if (!h->active || x->root == FROM_LOG || x->root == FROM_MASTER) return;
    if (!call_is_inner(x)) add(h->totals.all, cost);
    if (x->from == FROM_SCRIPT) return;
    if (slots_are_channels(x->cmd->row)) return;
    slots_each_key(x->cmd->row, x->argc, x->argv, note_key, &f);
    if (f.n == 0) return;
    add(h->totals.selected, cost);
    if (h->o.sample > 1 && rng_u64() % h->o.sample != 0) return;
    add(h->totals.sampled, cost);
    for (unsigned i = 0; i < f.n; i++)
        for (int m = 0; m < HOTKEYS_METRICS; m++)
            if (h->boards[m] && f.keys[i].n <= HOTKEYS_NAME_MAX)
                board_add(h->boards[m], f.keys[i], cost[m] / f.n);
}

/* ---------------------------------------------------------------- reports */

struct hotkeys_report hotkeys_report(const struct engine *e) {
    const struct hotkeys *h = e->hotkeys;
    struct usage to = h->active ? measure(e) : h->to;

    return (struct hotkeys_report){
        .options = &h->o,
        .totals = &h->totals,
        .started_ms = h->started_ms,
        .lasted_ms = (int64_t)(to.at_us - h->from.at_us) / 1000,
        .user_ms = to.user_ms - h->from.user_ms,
        .system_ms = to.system_ms - h->from.system_ms,
        /* After CONFIG RESETSTAT the counters start again. */
        .net_bytes = to.net_bytes - (to.net_bytes >= h->from.net_bytes ? h->from.net_bytes : 0),
    };
}

static int by_value(const void *a, const void *b) {
    const struct hotkeys_key *x = *(const struct hotkeys_key *const *)a;
    const struct hotkeys_key *y = *(const struct hotkeys_key *const *)b;

    if (x->value != y->value) return x->value > y->value ? -1 : 1;
    return slice_cmp(name_of(x), name_of(y));
}

unsigned hotkeys_top(const struct engine *e, enum hotkeys_metric m,
                     const struct hotkeys_key *out[HOTKEYS_COUNT_MAX]) {
    const struct board *b = e->hotkeys->boards[m];
    const struct hotkeys_key *all[HOTKEYS_KEPT];
    uint32_t n = e->hotkeys->o.count;

    if (!b) return 0;
    if (b->n) memcpy(all, b->heap, b->n * sizeof *all);
    qsort(all, b->n, sizeof *all, by_value);
    if (n > b->n) n = b->n;
    memcpy(out, all, n * sizeof *out);
    return n;
}
