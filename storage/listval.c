/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/listval.h"

#include "storage/base/check.h"
#include "storage/base/mem.h"

enum form { FORM_LISTPACK, FORM_QUICKLIST };

static inline bool is_quick(const struct entry *e) {
    return entry_form(e) == FORM_QUICKLIST;
}

void *listval_new(void) {
    return lp_new();
}

size_t listval_len(const struct entry *e) {
    if (is_quick(e)) return ((struct quicklist *)entry_object(e))->count;
    return lp_count(entry_object(e));
}

/* ---------------------------------------------------------------- forms */

static void to_quick(struct entry *e, const struct ql_limits *lim) {
    struct listpack *lp = entry_object(e);
    struct quicklist *q = mem_calloc(sizeof *q);

    if (lp_first(lp))
        ql_append_node(q, lim, lp);
    else
        lp_free(lp);
    entry_set_object(e, q, FORM_QUICKLIST);
}

/* The one node of a quicklist that has no more, NULL if it has, or if it is compressed. */
static struct listpack *only_node(const struct entry *e) {
    const struct quicklist *q = entry_object(e);

    if (!is_quick(e) || q->n != 1 || q->v[q->first].packed) return NULL;
    return q->v[q->first].p;
}

static void to_listpack(struct entry *e, struct listpack *lp) {
    struct quicklist *q = entry_object(e);

    mem_free(q->v);
    mem_free(q);
    entry_set_object(e, lp, FORM_LISTPACK);
}

static void shrink(struct entry *e, const struct ql_limits *lim) {
    struct listpack *lp = only_node(e);

    if (lp && ql_is_half(lim, lp_bytes(lp), listval_len(e))) to_listpack(e, lp);
}

/* Makes a quicklist of a listpack that would outgrow one node. */
static void grow(struct entry *e, const struct ql_limits *lim, size_t bytes, size_t count) {
    struct listpack *lp = entry_object(e);

    if (is_quick(e)) return;
    if (ql_exceeds(lim, lp_bytes(lp) + bytes, lp_count(lp) + count)) to_quick(e, lim);
}

/* ---------------------------------------------------------------- changing */

/* The address of the value word, as that of a listpack. */
static struct listpack **packed(struct entry *e) {
    return (struct listpack **)entry_word(e);
}

static void push_packed(struct listpack **lp, const struct slice *v, size_t n, bool front) {
    for (size_t i = 0; i < n; i++) lp_insert(lp, front ? lp_first(*lp) : 0, v[i]);
}

void listval_push(struct entry *e, const struct ql_limits *lim, const struct slice *v, size_t n,
                  bool front) {
    size_t bytes = 0;
    struct quicklist *q;

    for (size_t i = 0; i < n; i++) bytes += v[i].n;
    grow(e, lim, bytes, n);
    if (!is_quick(e)) {
        push_packed(packed(e), v, n, front);
        return;
    }
    q = entry_object(e);
    for (size_t i = 0; i < n; i++) ql_insert(q, lim, front ? 0 : q->count, v[i]);
}

void listval_insert(struct entry *e, const struct ql_limits *lim, size_t index, struct slice s) {
    grow(e, lim, s.n, 1);
    if (is_quick(e))
        ql_insert(entry_object(e), lim, index, s);
    else
        lp_insert(packed(e), lp_at(*packed(e), (int64_t)index), s);
}

void listval_set(struct entry *e, const struct ql_limits *lim, size_t index, struct slice s) {
    grow(e, lim, s.n, 1);
    if (is_quick(e))
        ql_replace(entry_object(e), lim, index, s);
    else
        lp_replace(packed(e), lp_at(*packed(e), (int64_t)index), s);
    shrink(e, lim);
}

void listval_delete(struct entry *e, const struct ql_limits *lim, size_t index, size_t n) {
    if (is_quick(e))
        ql_delete(entry_object(e), lim, index, n);
    else
        lp_delete(packed(e), lp_at(*packed(e), (int64_t)index), n);
    shrink(e, lim);
}

size_t listval_delete_equal(struct entry *e, const struct ql_limits *lim, struct slice s,
                            size_t most, bool from_back) {
    struct lp_key key = lp_key_of(s);
    struct ql_node node;
    size_t n;

    if (is_quick(e)) {
        n = ql_delete_equal(entry_object(e), lim, &key, most, from_back);
    } else {
        node = (struct ql_node){.p = entry_object(e)};
        n = ql_node_delete_equal(&node, &key, most, from_back);
        entry_set_object(e, node.p, FORM_LISTPACK);
    }
    shrink(e, lim);
    return n;
}

/* ---------------------------------------------------------------- whole nodes */

size_t listval_nodes(const struct entry *e) {
    return is_quick(e) ? ((struct quicklist *)entry_object(e))->n : 1;
}

void listval_each_node(const struct entry *e, listval_node_fn visit, void *arg) {
    const struct quicklist *q = entry_object(e);

    if (!is_quick(e)) {
        visit(entry_object(e), arg);
        return;
    }
    for (uint32_t i = 0; i < q->n; i++) {
        struct listpack *scratch = NULL;

        visit(ql_node_listpack(&q->v[q->first + i], &scratch), arg);
        lp_free(scratch);
    }
}

struct entry *listval_new_nodes(struct slice key) {
    return entry_new_object(key, TYPE_LIST, mem_calloc(sizeof(struct quicklist)), ENTRY_NO_EXPIRE,
                            FORM_QUICKLIST << ENTRY_FORM_SHIFT);
}

void listval_add_node(struct entry *e, const struct ql_limits *lim, struct listpack *lp) {
    ql_append_node(entry_object(e), lim, lp);
}

void listval_settle(struct entry *e, const struct ql_limits *lim) {
    struct listpack *lp = only_node(e);

    if (lp && !ql_exceeds(lim, lp_bytes(lp), listval_len(e))) to_listpack(e, lp);
}

/* ---------------------------------------------------------------- walking */

void listval_begin(struct listval_iter *it, const struct entry *e, size_t index, bool back) {
    const struct quicklist *q = &it->view;

    if (is_quick(e)) {
        q = entry_object(e);
    } else {
        it->node = (struct ql_node){.p = entry_object(e), .count = (uint32_t)listval_len(e)};
        it->view = (struct quicklist){.v = &it->node, .n = 1, .cap = 1, .count = it->node.count};
    }
    ql_iter_begin(&it->at, q, index, back);
}

/* ---------------------------------------------------------------- lists as a type */

static void list_release(struct entry *e) {
    if (is_quick(e)) ql_release(entry_object(e));
    mem_free(entry_object(e));
}

static void *list_copy(const struct entry *e, const struct pace *pace) {
    struct quicklist *q;

    if (!is_quick(e)) return lp_copy(entry_object(e));
    q = mem_alloc(sizeof *q);
    ql_copy(q, entry_object(e), pace);
    return q;
}

static const char *list_encoding(const struct entry *e) {
    return is_quick(e) ? "quicklist" : "listpack";
}

static size_t list_effort(const struct entry *e) {
    return is_quick(e) ? ((struct quicklist *)entry_object(e))->n + 2 : 1;
}

static size_t list_mem(const struct entry *e, size_t samples, const struct pace *pace) {
    (void)samples;
    (void)pace; /* a node holds thousands of elements: there are few */
    if (is_quick(e)) return sizeof(struct quicklist) + ql_mem(entry_object(e));
    return lp_mem(entry_object(e));
}

const struct type_ops list_type_ops = {
    .name = "list",
    .release = list_release,
    .copy = list_copy,
    .encoding = list_encoding,
    .effort = list_effort,
    .mem = list_mem,
};
