/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/stream_node.h"

#include "storage/base/check.h"

/* What stands in an entry beside names and values: flags, ms, seq; and n, if names do. */
enum { OTHERS_SAME = 3, OTHERS = 4 };

static uint64_t number_at(const struct listpack *lp, uint32_t at) {
    return (uint64_t)lp_get(lp, at).v;
}

static uint32_t skip(const struct listpack *lp, uint32_t at, uint64_t n) {
    for (; n > 0; n--) at = lp_next(lp, at);
    return at;
}

/* ---------------------------------------------------------------- looking */

struct stream_node stream_node_open(const struct listpack *lp, struct stream_id master) {
    struct stream_node n = {.lp = lp, .master = master};
    uint32_t at = lp_first(lp);

    n.live = number_at(lp, at);
    at = lp_next(lp, at);
    n.deleted = number_at(lp, at);
    at = lp_next(lp, at);
    n.nnames = (uint32_t)number_at(lp, at);
    n.names = lp_next(lp, at);
    n.first = skip(lp, n.names, n.nnames + 1);
    return n;
}

struct stream_entry stream_node_entry(const struct stream_node *n, uint32_t at) {
    const struct listpack *lp = n->lp;
    struct stream_entry e = {.at = at, .nfields = n->nnames};
    uint64_t flags = number_at(lp, at);

    e.deleted = flags & STREAM_ENTRY_DELETED;
    e.same = flags & STREAM_ENTRY_SAME;
    at = lp_next(lp, at);
    e.id.ms = n->master.ms + number_at(lp, at);
    at = lp_next(lp, at);
    e.id.seq = n->master.seq + number_at(lp, at);
    e.data = lp_next(lp, at);
    if (e.same) return e;
    e.nfields = (uint32_t)number_at(lp, e.data);
    e.data = lp_next(lp, e.data);
    return e;
}

uint32_t stream_node_next(const struct stream_node *n, const struct stream_entry *e) {
    return skip(n->lp, e->data, (e->same ? 1 : 2) * (uint64_t)e->nfields + 1);
}

/* The beginning of the entry whose last element is at `at`. */
static uint32_t entry_before(const struct stream_node *n, uint32_t at) {
    for (uint64_t left = number_at(n->lp, at); left > 0; left--) at = lp_prev(n->lp, at);
    return at;
}

uint32_t stream_node_prev(const struct stream_node *n, const struct stream_entry *e) {
    return e->at == n->first ? 0 : entry_before(n, lp_prev(n->lp, e->at));
}

uint32_t stream_node_last(const struct stream_node *n) {
    return n->first ? entry_before(n, lp_last(n->lp)) : 0;
}

uint64_t stream_node_live(const struct listpack *lp) {
    return number_at(lp, lp_first(lp));
}

uint64_t stream_node_count(const struct listpack *lp) {
    uint32_t at = lp_first(lp);

    return number_at(lp, at) + number_at(lp, lp_next(lp, at));
}

/* ---------------------------------------------------------------- changing */

static void append_int(struct listpack **lp, uint64_t v) {
    lp_insert_int(lp, 0, (int64_t)v);
}

struct listpack *stream_node_new(const struct slice *argv, size_t nfields) {
    struct listpack *lp = lp_new();

    append_int(&lp, 0);
    append_int(&lp, 0);
    append_int(&lp, nfields);
    for (size_t i = 0; i < nfields; i++) lp_append(&lp, argv[2 * i]);
    append_int(&lp, 0);
    return lp;
}

static bool has_names(const struct listpack *lp, const struct slice *argv, size_t nfields) {
    uint32_t at = lp_next(lp, lp_next(lp, lp_first(lp)));

    if (number_at(lp, at) != nfields) return false;
    for (size_t i = 0; i < nfields; i++) {
        struct lp_key name = lp_key_of(argv[2 * i]);

        at = lp_next(lp, at);
        if (!lp_equal(lp, at, &name)) return false;
    }
    return true;
}

void stream_node_append(struct listpack **lp, struct stream_id master, struct stream_id id,
                        const struct slice *argv, size_t nfields) {
    bool same = has_names(*lp, argv, nfields);

    append_int(lp, same ? STREAM_ENTRY_SAME : 0);
    append_int(lp, id.ms - master.ms);
    append_int(lp, id.seq - master.seq);
    if (!same) append_int(lp, nfields);
    for (size_t i = 0; i < 2 * nfields; i++)
        if (!same || i % 2 == 1) lp_append(lp, argv[i]);
    append_int(lp, same ? nfields + OTHERS_SAME : 2 * nfields + OTHERS);
    lp_replace_int(lp, lp_first(*lp), (int64_t)stream_node_live(*lp) + 1);
}

uint32_t stream_node_delete(struct listpack **lp, uint32_t at) {
    uint64_t flags = number_at(*lp, at);
    size_t bytes = lp_bytes(*lp);
    uint32_t deleted;

    DCHECK(!(flags & STREAM_ENTRY_DELETED));
    lp_replace_int(lp, at, (int64_t)(flags | STREAM_ENTRY_DELETED));
    deleted = lp_next(*lp, lp_first(*lp));
    lp_replace_int(lp, deleted, (int64_t)number_at(*lp, deleted) + 1);
    lp_replace_int(lp, lp_first(*lp), (int64_t)stream_node_live(*lp) - 1);
    return (uint32_t)(at + lp_bytes(*lp) - bytes);
}

/* ---------------------------------------------------------------- from outside */

/* Goes from element to element as long as they are what is expected. */
struct walk {
    const struct listpack *lp;
    uint32_t at; /* 0: at the end, or something was wrong */
    bool bad;
};

static uint64_t take_number(struct walk *w) {
    struct lp_value v = {0};

    if (!w->at || w->bad) {
        w->bad = true;
        return 0;
    }
    v = lp_get(w->lp, w->at);
    if (v.p) w->bad = true;
    w->at = lp_next(w->lp, w->at);
    return (uint64_t)v.v;
}

static void take_elements(struct walk *w, uint64_t n) {
    for (; n > 0 && !w->bad; n--) {
        if (w->at)
            w->at = lp_next(w->lp, w->at);
        else
            w->bad = true;
    }
}

/* One entry; its id and whether it is a deleted one. */
static void take_entry(struct walk *w, uint64_t nnames, struct stream_id master,
                       struct stream_id *id, bool *deleted) {
    uint64_t flags = take_number(w), n = nnames, others = OTHERS_SAME;

    if (flags & ~(uint64_t)(STREAM_ENTRY_DELETED | STREAM_ENTRY_SAME)) w->bad = true;
    *deleted = flags & STREAM_ENTRY_DELETED;
    id->ms = take_number(w);
    if (__builtin_add_overflow(id->ms, master.ms, &id->ms)) w->bad = true;
    id->seq = master.seq + take_number(w);
    if (!(flags & STREAM_ENTRY_SAME)) {
        n = take_number(w);
        others = OTHERS;
        if (n == 0 || n > UINT32_MAX / 4) w->bad = true;
    }
    take_elements(w, others == OTHERS ? 2 * n : n);
    if (take_number(w) != others + (others == OTHERS ? 2 * n : n)) w->bad = true;
}

bool stream_node_check(const struct listpack *lp, struct stream_id master, struct stream_id *last) {
    struct walk w = {.lp = lp, .at = lp_first(lp)};
    uint64_t live = take_number(&w), deleted = take_number(&w), nnames = take_number(&w);
    uint64_t seen[2] = {0, 0};

    if (w.bad || nnames == 0 || nnames > UINT32_MAX / 4) return false;
    take_elements(&w, nnames);
    if (take_number(&w) != 0 || !w.at) return false;
    while (w.at && !w.bad) {
        bool first = seen[0] + seen[1] == 0, gone = false;
        struct stream_id id = {0};
        int c;

        take_entry(&w, nnames, master, &id, &gone);
        c = stream_id_cmp(id, first ? master : *last);
        if (first ? c < 0 : c <= 0) w.bad = true;
        *last = id;
        seen[gone]++;
    }
    return !w.bad && seen[0] == live && seen[1] == deleted;
}
