/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/stream.h"

#include "storage/base/check.h"
#include "storage/base/mem.h"
#include "storage/stream_group.h"
#include "storage/stream_idmp.h"

static void free_node(void *lp) {
    lp_free(lp);
}

struct stream *stream_new(void) {
    struct stream *s = mem_calloc(sizeof *s);

    stream_groups_init(s);
    return s;
}

void stream_free(struct stream *s) {
    stream_groups_release(s);
    stream_idmp_free(s->idmp);
    idtree_release(&s->nodes, free_node);
    mem_free(s);
}

/* ---------------------------------------------------------------- iterating */

static bool enter_node(struct stream_iter *it) {
    const struct idtree_slot *slot;

    if (!it->place.leaf) return false;
    slot = idtree_at(it->place);
    it->node = stream_node_open(slot->value, stream_id_of(slot->key));
    it->e.at = 0;
    return true;
}

void stream_iter_init(struct stream_iter *it, const struct stream *s, struct stream_id min,
                      struct stream_id max, bool backward) {
    *it = (struct stream_iter){.min = min, .max = max, .backward = backward};
    it->place = idtree_seek_back(&s->nodes, stream_key(backward ? max : min));
    if (!it->place.leaf && !backward) it->place = idtree_first(&s->nodes);
    enter_node(it);
}

/* Where the neighbour of the current entry begins, 0 if the node has no more. */
static uint32_t step_in_node(const struct stream_iter *it) {
    const struct stream_node *n = &it->node;

    if (it->backward) return it->e.at ? stream_node_prev(n, &it->e) : stream_node_last(n);
    return it->e.at ? stream_node_next(n, &it->e) : n->first;
}

static bool next_node(struct stream_iter *it) {
    it->place = it->backward ? idtree_prev(it->place) : idtree_next(it->place);
    return enter_node(it);
}

/* The next entry of all, deleted or not. */
static bool step(struct stream_iter *it) {
    while (it->place.leaf) {
        uint32_t at = step_in_node(it);

        if (at) {
            it->e = stream_node_entry(&it->node, at);
            return true;
        }
        next_node(it);
    }
    return false;
}

bool stream_iter_next(struct stream_iter *it) {
    while (step(it)) {
        int over =
            it->backward ? stream_id_cmp(it->min, it->e.id) : stream_id_cmp(it->e.id, it->max);
        int under =
            it->backward ? stream_id_cmp(it->e.id, it->max) : stream_id_cmp(it->min, it->e.id);

        if (over > 0) break;
        if (under > 0 || it->e.deleted) continue;
        it->name = it->node.names;
        it->data = it->e.data;
        return true;
    }
    it->place.leaf = NULL;
    return false;
}

/* Whether all of the node that the iterator stands in front of lies in its range. */
static bool takes_whole_node(const struct stream_iter *it) {
    struct idtree_place next;

    if (it->backward) return stream_id_cmp(it->node.master, it->min) >= 0;
    next = idtree_next(it->place);
    if (!next.leaf) return stream_id_cmp(it->max, STREAM_ID_MAX) == 0;
    return stream_id_cmp(stream_id_of(idtree_at(next)->key), it->max) <= 0;
}

uint64_t stream_iter_left(struct stream_iter it, uint64_t most) {
    uint64_t n = 0;

    while (n < most && stream_iter_next(&it)) {
        n++;
        if (step_in_node(&it)) continue;
        while (next_node(&it) && takes_whole_node(&it)) n += it.node.live;
    }
    return n < most ? n : most;
}

void stream_iter_set(struct stream_iter *it, struct idtree_place place, uint32_t at) {
    *it = (struct stream_iter){.place = place};
    enter_node(it);
    it->e = stream_node_entry(&it->node, at);
    it->name = it->node.names;
    it->data = it->e.data;
}

void stream_iter_field(struct stream_iter *it, struct lp_value *name, struct lp_value *value) {
    const struct listpack *lp = it->node.lp;
    uint32_t *from = it->e.same ? &it->name : &it->data;

    *name = lp_get(lp, *from);
    *from = lp_next(lp, *from);
    *value = lp_get(lp, it->data);
    it->data = lp_next(lp, it->data);
}

/* ---------------------------------------------------------------- looking */

bool stream_has(const struct stream *s, struct stream_id id) {
    struct stream_cursor c = {0};

    return stream_cursor_find(&c, s, id);
}

bool stream_edge(const struct stream *s, bool last, struct stream_id *id) {
    struct stream_iter it;

    stream_iter_init(&it, s, STREAM_ID_MIN, STREAM_ID_MAX, last);
    if (!stream_iter_next(&it)) return false;
    *id = it.e.id;
    return true;
}

/* ---------------------------------------------------------------- changing */

static bool is_full(const struct listpack *lp, size_t more, const struct stream_limits *limits) {
    uint64_t most = limits->node_bytes;

    if (most == 0 || most > STREAM_ENTRY_BYTES_MAX) most = STREAM_ENTRY_BYTES_MAX;
    if (lp_bytes(lp) + more >= most) return true;
    return limits->node_entries && stream_node_count(lp) >= limits->node_entries;
}

/* The node that an entry goes to: the last one, or a new one after it. */
static struct idtree_slot *node_for(struct stream *s, struct stream_id id, const struct slice *argv,
                                    size_t nfields, const struct stream_limits *limits) {
    struct idtree_place last = idtree_last(&s->nodes);
    size_t bytes = 0;
    bool is_new;

    for (size_t i = 0; i < 2 * nfields; i++) bytes += argv[i].n;
    if (last.leaf && !is_full(idtree_at(last)->value, bytes, limits)) return idtree_at(last);
    *idtree_put(&s->nodes, stream_key(id), &is_new) = stream_node_new(argv, nfields);
    return idtree_at(idtree_last(&s->nodes));
}

void stream_append(struct stream *s, struct stream_id id, const struct slice *argv, size_t nfields,
                   const struct stream_limits *limits) {
    struct idtree_slot *slot = node_for(s, id, argv, nfields, limits);
    struct listpack *lp = slot->value;

    DCHECK(stream_id_cmp(id, s->last_id) > 0);
    stream_node_append(&lp, stream_id_of(slot->key), id, argv, nfields);
    slot->value = lp;
    if (s->length++ == 0) s->first_id = id;
    s->last_id = id;
    if (s->entries_added < INT64_MAX) s->entries_added++; /* XSETID may have set it to anything */
}

static void find_first(struct stream *s) {
    if (s->length == 0 || !stream_edge(s, false, &s->first_id)) s->first_id = STREAM_ID_MIN;
}

static void drop_node(struct stream *s, struct idtree_key key) {
    lp_free(idtree_remove(&s->nodes, key));
}

bool stream_delete(struct stream *s, struct stream_id id) {
    struct stream_cursor c = {0};

    if (!stream_cursor_find(&c, s, id)) return false;
    stream_cursor_delete(&c, s);
    stream_cursor_end(&c, s);
    return true;
}

/* ---------------------------------------------------------------- many entries by their ids */

/* Enters the node that an entry with this id would stand in. */
static bool cursor_enter(struct stream_cursor *c, const struct stream *s, struct stream_id id) {
    const struct idtree_slot *slot;
    struct idtree_place next;

    c->place = idtree_seek_back(&s->nodes, stream_key(id));
    if (!c->place.leaf) return false;
    slot = idtree_at(c->place);
    next = idtree_next(c->place);
    c->end = next.leaf ? stream_id_of(idtree_at(next)->key) : STREAM_ID_MAX;
    c->node = stream_node_open(slot->value, stream_id_of(slot->key));
    c->e = stream_node_entry(&c->node, c->node.first);
    return true;
}

/* Whether the entry stands where the cursor is, or after that in the same node, if there is one. */
static bool lies_ahead(const struct stream_cursor *c, struct stream_id id) {
    return c->place.leaf && stream_id_cmp(c->e.id, id) <= 0 && stream_id_cmp(id, c->end) < 0;
}

bool stream_cursor_find(struct stream_cursor *c, const struct stream *s, struct stream_id id) {
    if (!lies_ahead(c, id) && !cursor_enter(c, s, id)) return false;
    while (stream_id_cmp(c->e.id, id) < 0) {
        uint32_t at = stream_node_next(&c->node, &c->e);
        struct stream_entry next;

        if (!at) return false;
        next = stream_node_entry(&c->node, at);
        if (stream_id_cmp(next.id, id) > 0) return false;
        c->e = next;
    }
    return stream_id_cmp(c->e.id, id) == 0 && !c->e.deleted;
}

void stream_cursor_iter(const struct stream_cursor *c, struct stream_iter *it) {
    *it = (struct stream_iter){.place = c->place, .node = c->node, .e = c->e};
    it->name = it->node.names;
    it->data = it->e.data;
}

/* The node is not opened again: walking over its names may take long. */
static void mark_deleted(struct stream_cursor *c, struct idtree_slot *slot) {
    struct listpack *lp = slot->value;
    uint32_t moved = stream_node_delete(&lp, c->e.at) - c->e.at;

    slot->value = lp;
    c->node.lp = lp;
    c->node.live--;
    c->node.deleted++;
    c->node.names += moved;
    c->node.first += moved;
    c->e.at += moved;
    c->e.data += moved;
    c->e.deleted = true;
}

void stream_cursor_delete(struct stream_cursor *c, struct stream *s) {
    struct idtree_slot *slot = idtree_at(c->place);
    struct stream_id id = c->e.id;

    if (c->node.live > 1) {
        mark_deleted(c, slot);
    } else {
        drop_node(s, slot->key);
        c->place.leaf = NULL;
    }
    s->length--;
    if (stream_id_cmp(id, s->max_deleted_id) > 0) s->max_deleted_id = id;
    if (stream_id_cmp(id, s->first_id) == 0) c->first_gone = true;
}

void stream_cursor_end(struct stream_cursor *c, struct stream *s) {
    if (c->first_gone) find_first(s);
    c->first_gone = false;
}

/* ---------------------------------------------------------------- trimming */

static bool goes_as_a_whole(const struct stream *s, const struct idtree_slot *slot,
                            const struct stream_trim *t) {
    struct stream_node n;

    if (t->by == STREAM_TRIM_MAXLEN) return s->length - stream_node_live(slot->value) >= t->maxlen;
    n = stream_node_open(slot->value, stream_id_of(slot->key));
    return stream_id_cmp(stream_node_entry(&n, stream_node_last(&n)).id, t->minid) < 0;
}

/* Deletes from the beginning of a node what has to go. */
static uint64_t trim_within(struct stream *s, struct idtree_slot *slot,
                            const struct stream_trim *t) {
    struct listpack *lp = slot->value;
    struct stream_node n = stream_node_open(lp, stream_id_of(slot->key));
    uint64_t gone = 0;

    for (uint32_t at = n.first; at;) {
        struct stream_entry e = stream_node_entry(&n, at);

        if (t->by == STREAM_TRIM_MAXLEN ? s->length <= t->maxlen
                                        : stream_id_cmp(e.id, t->minid) >= 0)
            break;
        if (!e.deleted) {
            at = stream_node_delete(&lp, at);
            n = stream_node_open(lp, n.master);
            e = stream_node_entry(&n, at);
            s->length--;
            gone++;
        }
        at = stream_node_next(&n, &e);
    }
    slot->value = lp;
    return gone;
}

uint64_t stream_trim(struct stream *s, const struct stream_trim *t) {
    struct idtree_place first;
    uint64_t gone = 0;

    if (t->by == STREAM_TRIM_NONE) return 0;
    while ((first = idtree_first(&s->nodes)).leaf) {
        struct idtree_slot *slot = idtree_at(first);
        uint64_t live = stream_node_live(slot->value);

        if (t->by == STREAM_TRIM_MAXLEN && s->length <= t->maxlen) break;
        if (t->limit && gone + live > t->limit) break;
        if (!goes_as_a_whole(s, slot, t)) {
            if (!t->approx) gone += trim_within(s, slot, t);
            break;
        }
        drop_node(s, slot->key);
        s->length -= live;
        gone += live;
    }
    if (gone) find_first(s);
    return gone;
}

/* ---------------------------------------------------------------- from outside */

bool stream_add_node(struct stream *s, struct stream_id master, struct listpack *lp) {
    struct stream_id last;
    bool is_new;

    if (!stream_node_check(lp, master, &last) ||
        (s->nodes.count && stream_id_cmp(master, s->last_id) <= 0)) {
        lp_free(lp);
        return false;
    }
    *idtree_put(&s->nodes, stream_key(master), &is_new) = lp;
    s->length += stream_node_live(lp);
    s->last_id = last; /* as long as there are nodes to come */
    return true;
}

bool stream_settle(struct stream *s) {
    struct idtree_place last = idtree_last(&s->nodes);
    struct stream_node n;

    find_first(s);
    if (stream_id_cmp(s->max_deleted_id, s->last_id) > 0) return false;
    if (!last.leaf) return true;
    n = stream_node_open(idtree_at(last)->value, stream_id_of(idtree_at(last)->key));
    return stream_id_cmp(stream_node_entry(&n, stream_node_last(&n)).id, s->last_id) <= 0;
}

/* ---------------------------------------------------------------- as a type */

static void stream_release(struct entry *e) {
    stream_free(stream_of(e));
}

static struct stream_idmp *copy_idmp(const struct stream_idmp *from) {
    struct stream_idmp *m = NULL;
    struct bytes b = {0};

    if (!from) return NULL;
    stream_idmp_encode(from, &b);
    m = stream_idmp_decode(bytes_slice(&b));
    bytes_release(&b);
    CHECK(m);
    return m;
}

static void *stream_copy(const struct entry *e, const struct pace *pace) {
    const struct stream *from = stream_of(e);
    struct stream *s = stream_new();
    struct table groups = s->groups;

    *s = *from;
    s->nodes = (struct idtree){0};
    s->groups = groups;
    s->idmp = copy_idmp(from->idmp);
    for (struct idtree_place p = idtree_first(&from->nodes); p.leaf; p = idtree_next(p)) {
        bool is_new;

        *idtree_put(&s->nodes, idtree_at(p)->key, &is_new) = lp_copy(idtree_at(p)->value);
        pace_step(pace, 1 + lp_bytes(idtree_at(p)->value) / PACE_BYTES);
    }
    stream_groups_copy(s, from, pace);
    return s;
}

static const char *stream_encoding(const struct entry *e) {
    (void)e;
    return "stream";
}

static size_t stream_effort(const struct entry *e) {
    const struct stream *s = stream_of(e);

    return 1 + s->nodes.count + stream_groups_effort(s) + (s->idmp ? s->idmp->iids : 0);
}

static size_t stream_mem(const struct entry *e, size_t samples, const struct pace *pace) {
    const struct stream *s = stream_of(e);
    size_t bytes = 0, n = 0;

    for (struct idtree_place p = idtree_first(&s->nodes); p.leaf && (!samples || n < samples);
         n++) {
        bytes += lp_mem(idtree_at(p)->value);
        pace_step(pace, 1);
        p = idtree_next(p);
    }
    if (n) bytes = (size_t)((double)bytes / (double)n * (double)s->nodes.count);
    return mem_good_size(sizeof *s) + s->nodes.mem_bytes + bytes + stream_groups_mem(s) +
           stream_idmp_mem(s->idmp);
}

const struct type_ops stream_type_ops = {
    .name = "stream",
    .release = stream_release,
    .copy = stream_copy,
    .encoding = stream_encoding,
    .effort = stream_effort,
    .mem = stream_mem,
};
