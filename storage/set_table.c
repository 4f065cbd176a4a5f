/* SPDX-License-Identifier: BSD-3-Clause
 *
 * set_table - large sets, and those with times: a table of members, one allocation each.
 *
 *   | length, varint | member |                   its address is even
 *   | time 8 | 0 | length, varint | member |      it begins at the length, at an odd address
 *
 * So a member without a time takes no room for one, a set that gets its first time changes none of
 * its members, and whether there is a time is known without a look at the member.
 */
#include "storage/base/check.h"
#include "storage/base/mem.h"
#include "storage/set_forms.h"

/* ---------------------------------------------------------------- members */

static inline size_t item_bytes(size_t n, bool timed) {
    return mem_good_size((timed ? SET_TIME_BYTES : 0) + varint_size(n) + n);
}

static inline void *item_new(struct slice member, int64_t expire_ms) {
    char *item = mem_alloc(item_bytes(member.n, expire_ms));

    if (expire_ms) {
        memcpy(item, &expire_ms, sizeof expire_ms);
        item += SET_TIME_BYTES;
    }
    memcpy(varint_put(item, member.n), member.p, member.n);
    return item;
}

static void item_free(void *item, void *arg) {
    (void)arg;
    mem_free(set_item_is_timed(item) ? (char *)item - SET_TIME_BYTES : item);
}

static bool matches(const void *item, struct slice key) {
    struct slice s = set_member_of(item);

    return s.n == key.n && bytes_same(s.p, key.p, key.n);
}

static const struct table_ops member_ops = {set_member_of, matches};

/* ---------------------------------------------------------------- the table */

static struct set_timed *timed_of(const struct entry *e) {
    return entry_form(e) == SET_TIMED ? entry_object(e) : NULL;
}

struct table *stable_new(size_t expected) {
    struct table *t = mem_alloc(sizeof *t);

    table_init(t, &member_ops);
    if (expected) table_reserve(t, expected);
    return t;
}

void stable_add(struct table *t, struct slice member, uint64_t hash) {
    table_insert(t, item_new(member, 0), hash);
}

/* Another time for a member, 0: none; `had` is in `due` no longer. */
static void change_time(struct set_timed *s, void *had, uint64_t hash, int64_t when_ms) {
    void *to = had;

    if (set_item_is_timed(had) && when_ms) {
        memcpy((char *)had - SET_TIME_BYTES, &when_ms, sizeof when_ms);
    } else {
        to = item_new(set_member_of(had), when_ms);
        table_replace(&s->t, had, to, hash);
        item_free(had, NULL);
    }
    if (when_ms) expiry_add(&s->due, to);
}

bool stable_put(struct entry *e, struct slice member, int64_t now_ms) {
    struct table *t = entry_object(e);
    uint64_t hash = set_hash(member);
    void *item = table_find(t, member, hash);

    if (!item) {
        stable_add(t, member, hash);
        return true;
    }
    if (!set_item_is_due(item, now_ms)) return false;
    expiry_remove(&timed_of(e)->due, item);
    change_time(timed_of(e), item, hash, 0);
    return true;
}

bool stable_remove(struct entry *e, struct slice member, int64_t now_ms) {
    uint64_t hash = set_hash(member);
    void *item = table_find(entry_object(e), member, hash);

    if (!item || set_item_is_due(item, now_ms)) return false;
    if (set_item_is_timed(item)) expiry_remove(&timed_of(e)->due, item);
    table_remove(entry_object(e), item, hash);
    item_free(item, NULL);
    return true;
}

/* ---------------------------------------------------------------- times */

void stable_allow_times(struct entry *e) {
    struct set_timed *s = mem_realloc(entry_object(e), sizeof *s);

    expiry_init(&s->due, set_item_time);
    entry_set_object(e, s, SET_TIMED);
}

void stable_set_expire(struct entry *e, struct slice member, int64_t when_ms) {
    uint64_t hash = set_hash(member);
    void *item = table_find(entry_object(e), member, hash);

    CHECK(item);
    if (set_item_is_timed(item)) expiry_remove(&timed_of(e)->due, item);
    change_time(timed_of(e), item, hash, when_ms);
}

struct taking {
    struct table *from;
    set_visit_fn visit;
    void *arg;
};

static void take_visited(void *due, void *arg) {
    const struct taking *t = arg;
    struct slice member = set_member_of(due);

    t->visit(set_value_of(due), t->arg);
    table_remove(t->from, due, set_hash(member));
    item_free(due, NULL);
}

size_t set_take_due(struct entry *e, int64_t now_ms, size_t max, set_visit_fn visit, void *arg) {
    struct taking t = {entry_object(e), visit, arg};

    if (!set_is_timed(e)) return 0;
    return expiry_each_due(&timed_of(e)->due, now_ms, max, take_visited, &t);
}

int64_t set_next_due(const struct entry *e) {
    const struct set_timed *s = timed_of(e);

    return s && s->due.count ? expiry_next(&s->due) : ENTRY_NO_EXPIRE;
}

size_t set_count_due(const struct entry *e, int64_t now_ms) {
    const struct set_timed *s = timed_of(e);

    return s ? expiry_count_due(&s->due, now_ms) : 0;
}

bool set_get_expire(const struct entry *e, struct slice member, int64_t now_ms,
                    int64_t *expire_ms) {
    void *item;

    *expire_ms = 0;
    if (!set_is_table(e)) return set_has(e, member, now_ms);
    item = table_find(entry_object(e), member, set_hash(member));
    if (!item || set_item_is_due(item, now_ms)) return false;
    *expire_ms = set_item_time(item);
    return true;
}

struct walk {
    set_time_visit_fn visit;
    void *arg;
};

static void walk_visit(void *item, void *arg) {
    const struct walk *w = arg;

    w->visit(set_value_of(item), set_item_time(item), w->arg);
}

void set_each_time(const struct entry *e, set_time_visit_fn visit, void *arg) {
    struct walk w = {visit, arg};

    if (set_is_timed(e)) table_each(entry_object(e), walk_visit, &w);
}

/* ---------------------------------------------------------------- as a type */

void stable_release(struct entry *e) {
    struct set_timed *s = timed_of(e);

    if (s) expiry_release(&s->due);
    table_release(entry_object(e), item_free, NULL);
    mem_free(entry_object(e));
}

struct copying {
    struct table *to;
    struct expiry *due; /* NULL: no member has a time */
    const struct pace *pace;
};

static void copy_visited(void *item, void *arg) {
    const struct copying *c = arg;
    struct slice member = set_member_of(item);
    void *to = item_new(member, set_item_time(item));

    table_insert(c->to, to, set_hash(member));
    if (set_item_is_timed(to)) expiry_add(c->due, to);
    pace_step(c->pace, 1);
}

void *stable_copy(const struct entry *e, const struct pace *pace) {
    struct table *t = stable_new(set_len(e));
    struct copying c = {t, NULL, pace};

    if (set_is_timed(e)) {
        struct set_timed *s = mem_realloc(t, sizeof *s);

        expiry_init(&s->due, set_item_time);
        c.to = &s->t;
        c.due = &s->due;
    }
    table_each(entry_object(e), copy_visited, &c);
    return c.to;
}

struct measure {
    size_t seen, bytes;
};

static void measure_visited(void *item, void *arg) {
    struct measure *m = arg;

    m->seen++;
    m->bytes += item_bytes(set_member_of(item).n, set_item_is_timed(item));
}

size_t stable_mem(const struct entry *e, size_t samples, const struct pace *pace) {
    const struct table *t = entry_object(e);
    const struct set_timed *s = timed_of(e);
    struct measure m = {0};
    uint64_t cursor = 0;

    do {
        cursor = table_scan(t, cursor, measure_visited, &m);
        pace_step(pace, 1);
    } while (cursor && (samples == 0 || m.seen < samples));
    if (m.seen) m.bytes = (size_t)((double)m.bytes / (double)m.seen * (double)t->count);
    return m.bytes + t->mem_bytes + (s ? sizeof *s + s->due.mem_bytes : sizeof *t);
}
