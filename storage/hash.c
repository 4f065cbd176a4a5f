/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/hash.h"

#include "storage/base/hash.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"
#include "storage/hash_forms.h"

static inline bool is_table(const struct entry *e) {
    return entry_form(e) == HASH_TABLE;
}

static inline struct hash_table *table_of(const struct entry *e) {
    return entry_object(e);
}

static inline uint64_t hash_of(struct slice field) {
    return hash_bytes(field.p, field.n);
}

/* ---------------------------------------------------------------- forms */

struct entry *hash_new(struct slice key) {
    return entry_new_object(key, TYPE_HASH, pack_new(), ENTRY_NO_EXPIRE,
                            HASH_PACKED << ENTRY_FORM_SHIFT);
}

static void become_table(struct entry *e) {
    struct hash_table *h = htable_new(packed_len(e) + 1);
    char field_text[NUM_I64_MAX], value_text[NUM_I64_MAX];

    for (uint32_t at = pack_first(entry_object(e)); at; at = packed_next(e, at)) {
        struct hash_item item = packed_read(e, at);
        struct slice field = lp_value_text(item.field, field_text);

        htable_add(h, field, hash_of(field), lp_value_text(item.value, value_text), item.expire_ms);
    }
    pack_free(entry_object(e));
    entry_set_object(e, h, HASH_TABLE);
}

struct entry *hash_new_for(struct slice key, size_t expected, const struct hash_rules *rules) {
    if (expected <= rules->max_entries) return hash_new(key);
    return entry_new_object(key, TYPE_HASH, htable_new(expected), ENTRY_NO_EXPIRE,
                            HASH_TABLE << ENTRY_FORM_SHIFT);
}

const struct pack *hash_pack(const struct entry *e) {
    return entry_form(e) == HASH_PACKED ? entry_object(e) : NULL;
}

struct entry *hash_from_listpack(struct slice key, const struct listpack *lp,
                                 const struct hash_rules *rules) {
    struct pack *p = pack_from_listpack(lp);
    size_t n = pack_count(p);
    struct entry *e;

    if (n == 0 || n % 2 || !pack_unique(p, 2)) {
        pack_free(p);
        return NULL;
    }
    e = entry_new_object(key, TYPE_HASH, p, ENTRY_NO_EXPIRE, HASH_PACKED << ENTRY_FORM_SHIFT);
    if (n / 2 > rules->max_entries || pack_bytes(p) >= LP_BYTES_MAX) become_table(e);
    return e;
}

void hash_allow_times(struct entry *e) {
    if (entry_form(e) == HASH_PACKED) packed_add_times(e);
}

/* Whether a packed hash stays one when a value is stored that adds `more` bytes. */
static bool stays_packed(const struct entry *e, struct slice field, struct slice value,
                         const struct hash_rules *rules) {
    return field.n <= rules->max_value && value.n <= rules->max_value &&
           pack_bytes(entry_object(e)) + field.n + value.n + 4 * LP_ENTRY_OVERHEAD_MAX <
               LP_BYTES_MAX;
}

/* ---------------------------------------------------------------- one field */

size_t hash_len(const struct entry *e) {
    return is_table(e) ? table_of(e)->t.count : packed_len(e);
}

bool hash_get(const struct entry *e, struct slice field, int64_t now_ms, struct hash_item *out) {
    if (is_table(e)) {
        void *item = htable_find(entry_object(e), field, hash_of(field));

        if (!item) return false;
        *out = htable_read(item);
    } else {
        uint32_t at = packed_find(e, field);

        if (!at) return false;
        *out = packed_read(e, at);
    }
    return !part_is_due(out->expire_ms, now_ms);
}

static bool table_set(struct hash_table *h, struct slice field, struct slice value, bool keep_time,
                      int64_t now_ms) {
    uint64_t hash = hash_of(field);
    void *item = htable_find(h, field, hash);
    int64_t when;
    bool is_new;

    if (!item) {
        htable_add(h, field, hash, value, 0);
        return true;
    }
    when = htable_expire_of(item);
    is_new = part_is_due(when, now_ms);
    htable_change(h, item, hash, value, keep_time && !is_new ? when : 0);
    return is_new;
}

bool hash_set(struct entry *e, struct slice field, struct slice value, bool keep_time,
              const struct hash_rules *rules) {
    bool is_new;

    if (!is_table(e) && !stays_packed(e, field, value, rules)) become_table(e);
    if (is_table(e)) return table_set(entry_object(e), field, value, keep_time, rules->now_ms);
    is_new = packed_set(e, field, value, keep_time, rules->now_ms);
    if (is_new && packed_len(e) > rules->max_entries) become_table(e);
    return is_new;
}

bool hash_delete(struct entry *e, struct slice field, int64_t now_ms) {
    if (is_table(e)) {
        uint64_t hash = hash_of(field);
        void *item = htable_find(entry_object(e), field, hash);

        if (!item || part_is_due(htable_expire_of(item), now_ms)) return false;
        htable_delete(entry_object(e), item, hash);
    } else {
        uint32_t at = packed_find(e, field);

        if (!at || part_is_due(packed_read(e, at).expire_ms, now_ms)) return false;
        packed_delete(e, at);
    }
    return true;
}

void hash_set_expire(struct entry *e, struct slice field, int64_t when_ms) {
    if (is_table(e)) {
        uint64_t hash = hash_of(field);
        void *item = htable_find(entry_object(e), field, hash);

        htable_set_expire(entry_object(e), item, hash, when_ms);
    } else {
        hash_allow_times(e);
        packed_set_expire(e, packed_find(e, field), when_ms);
    }
}

/* ---------------------------------------------------------------- times */

int64_t hash_next_due(const struct entry *e) {
    int64_t when = 0;

    if (is_table(e)) {
        const struct hash_table *h = table_of(e);

        if (h->due && h->due->count) when = expiry_next(h->due);
    } else if (hash_is_timed(e)) {
        uint32_t first = pack_first(entry_object(e));

        if (first) when = packed_read(e, first).expire_ms;
    }
    return when ? when : ENTRY_NO_EXPIRE;
}

static bool any_due(const struct entry *e, int64_t now_ms) {
    int64_t next = hash_next_due(e);

    return next != ENTRY_NO_EXPIRE && next <= now_ms;
}

size_t hash_len_at(const struct entry *e, int64_t now_ms) {
    size_t due = 0;

    if (!any_due(e, now_ms)) return hash_len(e);
    if (is_table(e)) return hash_len(e) - expiry_count_due(table_of(e)->due, now_ms);
    for (uint32_t at = pack_first(entry_object(e));
         at && part_is_due(packed_read(e, at).expire_ms, now_ms); at = packed_next(e, at))
        due++;
    return packed_len(e) - due;
}

struct taking {
    struct hash_table *from;
    hash_visit_fn visit;
    void *arg;
};

static void take_visited(void *due, void *arg) {
    const struct taking *t = arg;
    struct hash_item item = htable_read(due);

    t->visit(&item, t->arg);
    htable_delete_due(t->from, due, hash_of(slice_of(item.field.p, item.field.n)));
}

size_t hash_take_due(struct entry *e, int64_t now_ms, size_t max, hash_visit_fn visit, void *arg) {
    size_t taken = 0;

    if (!any_due(e, now_ms)) return 0;
    if (is_table(e)) {
        struct taking t = {entry_object(e), visit, arg};

        return expiry_each_due(t.from->due, now_ms, max, take_visited, &t);
    }
    for (; taken < max; taken++) {
        uint32_t first = pack_first(entry_object(e));
        struct hash_item item;

        if (!first) break;
        item = packed_read(e, first);
        if (!part_is_due(item.expire_ms, now_ms)) break;
        visit(&item, arg);
        packed_delete(e, first);
    }
    return taken;
}

/* ---------------------------------------------------------------- walking */

struct walk {
    int64_t now_ms;
    hash_visit_fn visit;
    void *arg;
};

static void walk_visit(void *item, void *arg) {
    struct walk *w = arg;
    struct hash_item read = htable_read(item);

    if (!part_is_due(read.expire_ms, w->now_ms)) w->visit(&read, w->arg);
}

static void each_packed(const struct entry *e, const struct walk *w) {
    for (uint32_t at = pack_first(entry_object(e)); at; at = packed_next(e, at)) {
        struct hash_item item = packed_read(e, at);

        if (!part_is_due(item.expire_ms, w->now_ms)) w->visit(&item, w->arg);
    }
}

void hash_each(const struct entry *e, int64_t now_ms, hash_visit_fn visit, void *arg) {
    struct walk w = {now_ms, visit, arg};

    if (is_table(e))
        table_each(&table_of(e)->t, walk_visit, &w);
    else
        each_packed(e, &w);
}

uint64_t hash_scan(const struct entry *e, uint64_t cursor, int64_t now_ms, hash_visit_fn visit,
                   void *arg) {
    struct walk w = {now_ms, visit, arg};

    if (is_table(e)) return table_scan(&table_of(e)->t, cursor, walk_visit, &w);
    each_packed(e, &w);
    return 0;
}

/* ---------------------------------------------------------------- chance */

/* Of those that pass by, lets through n at random; each set of n has the same chance. */
struct sieve {
    size_t left, wanted;
    hash_visit_fn visit;
    void *arg;
};

static void sieve_visit(const struct hash_item *item, void *arg) {
    struct sieve *s = arg;

    if (rng_below(s->left--) >= s->wanted) return;
    s->wanted--;
    s->visit(item, s->arg);
}

static void keep_item(const struct hash_item *item, void *arg) {
    *(struct hash_item *)arg = *item;
}

bool hash_random(const struct entry *e, int64_t now_ms, struct hash_item *out) {
    struct sieve s = {hash_len_at(e, now_ms), 1, keep_item, out};
    bool none_due = s.left == hash_len(e);

    if (s.left == 0) return false;
    if (none_due && is_table(e))
        *out = htable_read(table_random(&table_of(e)->t));
    else if (none_due)
        *out = packed_read(
            e, pack_at(entry_object(e), rng_below(s.left) * (hash_is_timed(e) ? 3 : 2)));
    else
        hash_each(e, now_ms, sieve_visit, &s);
    return true;
}

struct gather {
    struct hash_item *v;
    size_t n;
};

static void gather_visit(const struct hash_item *item, void *arg) {
    struct gather *g = arg;

    g->v[g->n++] = *item;
}

void hash_pick(const struct entry *e, int64_t now_ms, size_t n, hash_visit_fn visit, void *arg) {
    size_t len = hash_len_at(e, now_ms);
    struct gather g = {0};
    struct hash_item item;

    if (n > 2 && len > 0 && (!is_table(e) || len < hash_len(e))) {
        g.v = mem_alloc(len * sizeof *g.v);
        hash_each(e, now_ms, gather_visit, &g);
        while (n-- > 0) visit(&g.v[rng_below(len)], arg);
        mem_free(g.v);
        return;
    }
    while (n-- > 0 && hash_random(e, now_ms, &item)) visit(&item, arg);
}

void hash_sample(const struct entry *e, int64_t now_ms, size_t n, hash_visit_fn visit, void *arg) {
    struct sieve s = {hash_len_at(e, now_ms), n, visit, arg};
    struct walk w = {PARTS_ALL, visit, arg};

    if (n >= s.left)
        hash_each(e, now_ms, visit, arg);
    else if (is_table(e) && s.left == hash_len(e))
        table_sample(&table_of(e)->t, n, walk_visit, &w);
    else
        hash_each(e, now_ms, sieve_visit, &s);
}

/* ---------------------------------------------------------------- as a type */

static void release(struct entry *e) {
    if (is_table(e))
        htable_free(entry_object(e));
    else
        pack_free(entry_object(e));
}

static void *copy(const struct entry *e, const struct pace *pace) {
    if (is_table(e)) return htable_copy(entry_object(e), pace);
    return pack_copy(entry_object(e));
}

static const char *encoding(const struct entry *e) {
    static const char *const names[] = {"listpack", "listpackex", "hashtable"};

    return names[entry_form(e)];
}

static size_t effort(const struct entry *e) {
    return is_table(e) ? hash_len(e) : 1;
}

static size_t mem(const struct entry *e, size_t samples, const struct pace *pace) {
    return is_table(e) ? htable_mem(entry_object(e), samples, pace) : pack_mem(entry_object(e));
}

const struct type_ops hash_type_ops = {
    .name = "hash",
    .release = release,
    .copy = copy,
    .encoding = encoding,
    .effort = effort,
    .mem = mem,
    .next_due = hash_next_due,
};
