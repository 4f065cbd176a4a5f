/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/commands/node_keys.h"

#include "server/exec/breathe.h"
#include "server/exec/keys.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"

struct walk {
    struct call *x;
    size_t n;
    struct entry *picked;
};

static void count(void *entry, void *arg) {
    struct walk *w = arg;

    call_breathe(w->x);
    w->n += !cluster_hides(w->x, entry_key(entry));
}

size_t node_count(struct call *x) {
    struct walk w = {.x = x};

    table_each(&x->db->keys, count, &w);
    return w.n;
}

/* Each key that is seen replaces the one before with the probability 1 / (keys so far). */
static void pick(void *entry, void *arg) {
    struct walk *w = arg;

    if (cluster_hides(w->x, entry_key(entry))) return;
    if (rng_below(++w->n) == 0) w->picked = entry;
}

struct entry *node_random(struct call *x) {
    struct walk w = {.x = x};

    table_each(&x->db->keys, pick, &w);
    return w.picked;
}

/* ---------------------------------------------------------------- deleting */

enum { DELETED_AT_ONCE = 64 };

/* Copies of the keys, as each goes with its entry. */
struct names {
    struct call *x;
    struct bytes text;
    size_t *ends, n, cap;
};

static void note(void *entry, void *arg) {
    struct names *k = arg;
    struct slice key = entry_key(entry);

    if (cluster_hides(k->x, key)) return;
    if (k->n == k->cap) {
        k->cap = k->cap ? k->cap * 2 : 64;
        k->ends = mem_realloc(k->ends, k->cap * sizeof *k->ends);
    }
    bytes_append(&k->text, key.p, key.n);
    k->ends[k->n++] = k->text.n;
}

static void delete_one(struct call *x, struct slice key, bool lazy) {
    struct ref r = {.key = key, .hash = hash_bytes(key.p, key.n), .db = x->db};

    r.e = db_find(x->db, key, r.hash);
    key_delete(x, &r, lazy);
    key_changed_quietly(x, &r);
    key_touched(x->e, x->db, key, r.hash);
}

void node_flush(struct call *x, bool lazy) {
    struct slice del[1 + DELETED_AT_ONCE] = {SLICE("DEL")};
    struct names k = {.x = x};
    size_t from = 0;
    int argc = 1;

    effect_none(x);
    table_each(&x->db->keys, note, &k);
    for (size_t i = 0; i < k.n; i++) {
        struct slice key = slice_of(k.text.p ? k.text.p + from : "", k.ends[i] - from);

        delete_one(x, key, lazy);
        del[argc++] = key;
        from = k.ends[i];
        if (argc <= DELETED_AT_ONCE && i + 1 < k.n) continue;
        effect(x, argc, del);
        argc = 1;
    }
    mem_free(k.ends);
    bytes_release(&k.text);
}
