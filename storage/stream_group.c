/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/stream_group.h"

#include "storage/base/hash.h"
#include "storage/base/mem.h"

#include <stdlib.h>

static uint64_t hash_of(struct slice name) {
    return hash_bytes(name.p, name.n);
}

/* ---------------------------------------------------------------- pending entries */

struct stream_pending *stream_pending_find(const struct stream_group *g, struct stream_id id) {
    void **value = idtree_find(&g->pending, stream_key(id));

    return value ? *value : NULL;
}

struct stream_pending *stream_pending_give(struct stream_group *g, struct stream_id id,
                                           struct stream_consumer *c) {
    struct idtree_key key = stream_key(id);
    struct stream_pending *p;
    bool is_new;
    void **value = idtree_put(&g->pending, key, &is_new);

    if (is_new) {
        *value = p = mem_calloc(sizeof *p);
        p->deliveries = 1;
    } else {
        p = *value;
        if (p->owner == c) return p;
        idtree_remove(&p->owner->pending, key);
    }
    p->owner = c;
    *idtree_put(&c->pending, key, &is_new) = p;
    return p;
}

bool stream_pending_drop(struct stream_group *g, struct stream_id id) {
    struct stream_pending *p = idtree_remove(&g->pending, stream_key(id));

    if (!p) return false;
    idtree_remove(&p->owner->pending, stream_key(id));
    mem_free(p);
    return true;
}

/* ---------------------------------------------------------------- consumers */

static struct slice consumer_key(const void *c) {
    return stream_consumer_name(c);
}

static bool consumer_match(const void *c, struct slice name) {
    return slice_eq(stream_consumer_name(c), name);
}

static const struct table_ops consumer_ops = {consumer_key, consumer_match};

struct stream_consumer *stream_consumer_find(const struct stream_group *g, struct slice name) {
    return table_find(&g->consumers, name, hash_of(name));
}

struct stream_consumer *stream_consumer_add(struct stream_group *g, struct slice name,
                                            int64_t now_ms) {
    struct stream_consumer *c = mem_calloc(sizeof *c + name.n);

    c->seen_ms = now_ms;
    c->active_ms = -1;
    c->name_len = (uint32_t)name.n;
    memcpy(c->name, name.p, name.n);
    table_insert(&g->consumers, c, hash_of(name));
    return c;
}

static void free_consumer(void *consumer, void *arg) {
    struct stream_consumer *c = consumer;

    (void)arg;
    idtree_release(&c->pending, NULL);
    mem_free(c);
}

void stream_consumer_remove(struct stream_group *g, struct stream_consumer *c) {
    struct idtree_place p = idtree_first(&c->pending);

    for (; p.leaf; p = idtree_next(p)) mem_free(idtree_remove(&g->pending, idtree_at(p)->key));
    table_remove(&g->consumers, c, hash_of(stream_consumer_name(c)));
    free_consumer(c, NULL);
}

/* ---------------------------------------------------------------- groups */

static struct slice group_key(const void *g) {
    return stream_group_name(g);
}

static bool group_match(const void *g, struct slice name) {
    return slice_eq(stream_group_name(g), name);
}

static const struct table_ops group_ops = {group_key, group_match};

void stream_groups_init(struct stream *s) {
    table_init(&s->groups, &group_ops);
}

struct stream_group *stream_group_find(const struct stream *s, struct slice name) {
    if (s->groups.count == 0) return NULL;
    return table_find(&s->groups, name, hash_of(name));
}

struct stream_group *stream_group_add(struct stream *s, struct slice name, struct stream_id last_id,
                                      int64_t entries_read) {
    struct stream_group *g = mem_calloc(sizeof *g + name.n);

    g->last_id = last_id;
    g->entries_read = entries_read;
    table_init(&g->consumers, &consumer_ops);
    g->name_len = (uint32_t)name.n;
    memcpy(g->name, name.p, name.n);
    table_insert(&s->groups, g, hash_of(name));
    return g;
}

static void free_group(void *group, void *arg) {
    struct stream_group *g = group;

    (void)arg;
    table_release(&g->consumers, free_consumer, NULL);
    idtree_release(&g->pending, mem_free);
    mem_free(g);
}

void stream_group_remove(struct stream *s, struct stream_group *g) {
    table_remove(&s->groups, g, hash_of(stream_group_name(g)));
    free_group(g, NULL);
}

void stream_groups_release(struct stream *s) {
    table_release(&s->groups, free_group, NULL);
}

/* ---------------------------------------------------------------- how far a group has read */

/* Whether an entry may have been deleted from `from` on. */
static bool has_gaps_from(const struct stream *s, struct stream_id from) {
    if (s->length == 0 || stream_id_is_zero(s->max_deleted_id)) return false;
    if (stream_id_cmp(s->first_id, s->max_deleted_id) > 0) return false;
    return stream_id_cmp(from, s->max_deleted_id) <= 0;
}

int64_t stream_count_up_to(const struct stream *s, struct stream_id id) {
    int to_last = stream_id_cmp(id, s->last_id), to_first = stream_id_cmp(id, s->first_id);

    if (s->entries_added == 0) return 0;
    if (to_last == 0 || (s->length == 0 && to_last < 0)) return (int64_t)s->entries_added;
    if (to_last > 0) return STREAM_READ_UNKNOWN;
    if (!stream_id_is_zero(s->max_deleted_id) && stream_id_cmp(s->max_deleted_id, s->first_id) >= 0)
        return STREAM_READ_UNKNOWN;
    if (to_first > 0) return STREAM_READ_UNKNOWN;
    return (int64_t)(s->entries_added - s->length) + (to_first == 0);
}

void stream_group_advance(const struct stream *s, struct stream_group *g, struct stream_id id) {
    if (g->entries_read != STREAM_READ_UNKNOWN && !has_gaps_from(s, id))
        g->entries_read += g->entries_read < INT64_MAX;
    else if (s->entries_added)
        g->entries_read = stream_count_up_to(s, id);
    g->last_id = id;
}

bool stream_group_lag(const struct stream *s, const struct stream_group *g, int64_t *lag) {
    int64_t read = g->entries_read;

    *lag = 0;
    if (s->entries_added == 0) return true;
    if (read == STREAM_READ_UNKNOWN || has_gaps_from(s, g->last_id))
        read = stream_count_up_to(s, g->last_id);
    if (read == STREAM_READ_UNKNOWN) return false;
    *lag = (int64_t)s->entries_added - read;
    return true;
}

/* ---------------------------------------------------------------- all of them */

struct list_of {
    void **v;
    size_t n;
};

static void add_to_list(void *entry, void *arg) {
    struct list_of *l = arg;

    l->v[l->n++] = entry;
}

static void *sorted(const struct table *t, int (*cmp)(const void *a, const void *b)) {
    struct list_of l = {0};

    if (t->count == 0) return NULL;
    l.v = mem_alloc(t->count * sizeof *l.v);
    table_each(t, add_to_list, &l);
    qsort(l.v, l.n, sizeof *l.v, cmp);
    return l.v;
}

static int cmp_groups(const void *a, const void *b) {
    return slice_cmp(group_key(*(void *const *)a), group_key(*(void *const *)b));
}

static int cmp_consumers(const void *a, const void *b) {
    return slice_cmp(consumer_key(*(void *const *)a), consumer_key(*(void *const *)b));
}

struct stream_group **stream_groups_by_name(const struct stream *s) {
    return sorted(&s->groups, cmp_groups);
}

struct stream_consumer **stream_consumers_by_name(const struct stream_group *g) {
    return sorted(&g->consumers, cmp_consumers);
}

static void copy_consumer(void *consumer, void *arg) {
    const struct stream_consumer *from = consumer;
    struct stream_group *g = arg;
    struct stream_consumer *c = stream_consumer_add(g, stream_consumer_name(from), from->seen_ms);

    c->active_ms = from->active_ms;
}

struct copying {
    struct stream *to;
    const struct pace *pace;
};

static void copy_group(void *group, void *arg) {
    const struct stream_group *from = group;
    const struct copying *copying = arg;
    struct stream_group *g =
        stream_group_add(copying->to, stream_group_name(from), from->last_id, from->entries_read);

    table_each(&from->consumers, copy_consumer, g);
    for (struct idtree_place p = idtree_first(&from->pending); p.leaf; p = idtree_next(p)) {
        const struct stream_pending *old = idtree_at(p)->value;
        struct stream_consumer *c = stream_consumer_find(g, stream_consumer_name(old->owner));
        struct stream_pending *new = stream_pending_give(g, stream_id_of(idtree_at(p)->key), c);

        new->delivered_ms = old->delivered_ms;
        new->deliveries = old->deliveries;
        pace_step(copying->pace, 1);
    }
}

void stream_groups_copy(struct stream *to, const struct stream *from, const struct pace *pace) {
    table_each(&from->groups, copy_group, &(struct copying){to, pace});
}

/* ---------------------------------------------------------------- sizes */

static void add_consumer_mem(void *consumer, void *arg) {
    const struct stream_consumer *c = consumer;

    *(size_t *)arg += mem_good_size(sizeof *c + c->name_len) + c->pending.mem_bytes;
}

static void add_group_mem(void *group, void *arg) {
    const struct stream_group *g = group;
    size_t *bytes = arg;

    *bytes += mem_good_size(sizeof *g + g->name_len) + g->consumers.mem_bytes;
    *bytes +=
        g->pending.mem_bytes + g->pending.count * mem_good_size(sizeof(struct stream_pending));
    table_each(&g->consumers, add_consumer_mem, bytes);
}

size_t stream_groups_mem(const struct stream *s) {
    size_t bytes = s->groups.mem_bytes;

    table_each(&s->groups, add_group_mem, &bytes);
    return bytes;
}

static void add_group_effort(void *group, void *arg) {
    const struct stream_group *g = group;

    *(size_t *)arg += 1 + g->pending.count + g->consumers.count;
}

size_t stream_groups_effort(const struct stream *s) {
    size_t n = 0;

    table_each(&s->groups, add_group_effort, &n);
    return n;
}
