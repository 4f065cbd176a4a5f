/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/set.h"

#include "storage/base/hash.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"
#include "storage/base/varint.h"
#include "storage/ds/intset.h"
#include "storage/ds/table.h"

enum set_form { SET_INTSET, SET_LISTPACK, SET_TABLE };

static inline uint64_t hash_of(struct slice s) {
    return hash_bytes(s.p, s.n);
}

static inline struct lp_value int_value(int64_t v) {
    return (struct lp_value){.v = v};
}

/* ---------------------------------------------------------------- members of a table */

static inline struct slice member_of(const void *item) {
    struct slice s;
    uint64_t n;

    s.p = varint_get(item, &n);
    s.n = n;
    return s;
}

static inline struct lp_value value_of(const void *item) {
    struct slice s = member_of(item);

    return (struct lp_value){.p = s.p, .n = s.n};
}

static size_t item_bytes(size_t n) {
    return mem_good_size(varint_size(n) + n);
}

static bool matches(const void *item, struct slice key) {
    struct slice s = member_of(item);

    return s.n == key.n && memcmp(s.p, key.p, key.n) == 0;
}

static const struct table_ops member_ops = {member_of, matches};

static void table_add(struct table *t, struct slice member, uint64_t hash) {
    char *item = mem_alloc(item_bytes(member.n));

    memcpy(varint_put(item, member.n), member.p, member.n);
    table_insert(t, item, hash);
}

static struct table *table_new(size_t expected) {
    struct table *t = mem_alloc(sizeof *t);

    table_init(t, &member_ops);
    if (expected) table_reserve(t, expected);
    return t;
}

static void free_item(void *item, void *arg) {
    (void)arg;
    mem_free(item);
}

/* ---------------------------------------------------------------- forms */

static inline struct intset **intset_in(struct entry *e) {
    return (struct intset **)entry_word(e);
}

static inline struct listpack **listpack_in(struct entry *e) {
    return (struct listpack **)entry_word(e);
}

static struct entry *new_form(struct slice key, void *object, enum set_form form) {
    return entry_new_object(key, TYPE_SET, object, ENTRY_NO_EXPIRE,
                            (unsigned)form << ENTRY_FORM_SHIFT);
}

struct entry *set_new_empty(struct slice key) {
    return new_form(key, intset_new(), SET_INTSET);
}

struct entry *set_new(struct slice key, struct slice first, size_t expected,
                      const struct set_rules *rules) {
    int64_t ignored;

    if (expected <= rules->max_intset && num_parse_i64(first.p, first.n, &ignored))
        return set_new_empty(key);
    if (expected <= rules->max_listpack) return new_form(key, lp_new(), SET_LISTPACK);
    return new_form(key, table_new(0), SET_TABLE);
}

static void add_visited(struct lp_value member, void *arg) {
    char text[NUM_I64_MAX];
    struct slice s = lp_value_text(member, text);

    table_add(arg, s, hash_of(s));
}

static void append_visited(struct lp_value member, void *arg) {
    struct listpack **lp = arg;

    if (member.p)
        lp_append(lp, slice_of(member.p, member.n));
    else
        lp_insert_int(lp, 0, member.v);
}

static void release(struct entry *e) {
    switch ((enum set_form)entry_form(e)) {
    case SET_INTSET: intset_free(entry_object(e)); break;
    case SET_LISTPACK: lp_free(entry_object(e)); break;
    case SET_TABLE:
        table_release(entry_object(e), free_item, NULL);
        mem_free(entry_object(e));
        break;
    }
}

static void become_table(struct entry *e, size_t expected) {
    struct table *t = table_new(expected);

    set_each(e, add_visited, t);
    release(e);
    entry_set_object(e, t, SET_TABLE);
}

static void become_listpack(struct entry *e) {
    struct listpack *lp = lp_new();

    set_each(e, append_visited, &lp);
    release(e);
    entry_set_object(e, lp, SET_LISTPACK);
}

void set_expect(struct entry *e, size_t more, const struct set_rules *rules) {
    enum set_form form = entry_form(e);

    if ((form == SET_LISTPACK && more > rules->max_listpack) ||
        (form == SET_INTSET && more > rules->max_intset))
        become_table(e, set_len(e));
}

static bool fits_listpack(const struct entry *e, size_t n, const struct set_rules *rules) {
    return set_len(e) < rules->max_listpack && n <= rules->max_value &&
           n + LP_ENTRY_OVERHEAD_MAX < LP_BYTES_MAX;
}

static size_t text_length(int64_t v) {
    char text[NUM_I64_MAX];

    return (size_t)num_format_i64(text, v);
}

/* Whether the integers there are, and a text of n bytes, may be a listpack. */
static bool ints_fit_listpack(const struct entry *e, size_t n, const struct set_rules *rules) {
    const struct intset *s = entry_object(e);
    size_t len = intset_len(s);

    return fits_listpack(e, n, rules) &&
           (len == 0 || (text_length(intset_get(s, 0)) <= rules->max_value &&
                         text_length(intset_get(s, len - 1)) <= rules->max_value));
}

/* ---------------------------------------------------------------- one member */

size_t set_len(const struct entry *e) {
    switch ((enum set_form)entry_form(e)) {
    case SET_INTSET: return intset_len(entry_object(e));
    case SET_LISTPACK: return lp_count(entry_object(e));
    default: return ((struct table *)entry_object(e))->count;
    }
}

bool set_all_ints(const struct entry *e) {
    return entry_form(e) == SET_INTSET;
}

static bool add_to_table(struct table *t, struct slice member) {
    uint64_t hash = hash_of(member);

    if (table_find(t, member, hash)) return false;
    table_add(t, member, hash);
    return true;
}

static uint32_t find_packed(const struct entry *e, const struct lp_key *key) {
    uint32_t first = lp_first(entry_object(e));

    return first ? lp_find(entry_object(e), first, key, 0) : 0;
}

static bool add_packed(struct entry *e, struct slice member, const struct set_rules *rules) {
    struct lp_key key = lp_key_of(member);

    if (find_packed(e, &key)) return false;
    if (fits_listpack(e, member.n, rules) &&
        lp_bytes(entry_object(e)) + member.n + LP_ENTRY_OVERHEAD_MAX < LP_BYTES_MAX) {
        if (key.is_int)
            lp_insert_int(listpack_in(e), 0, key.v);
        else
            lp_append(listpack_in(e), member);
        return true;
    }
    become_table(e, set_len(e) + 1);
    return add_to_table(entry_object(e), member);
}

bool set_add(struct entry *e, struct slice member, const struct set_rules *rules) {
    int64_t v;

    if (entry_form(e) == SET_TABLE) return add_to_table(entry_object(e), member);
    if (entry_form(e) == SET_LISTPACK) return add_packed(e, member, rules);
    if (num_parse_i64(member.p, member.n, &v)) {
        if (!intset_add(intset_in(e), v)) return false;
        if (set_len(e) > rules->max_intset || set_len(e) >= INTSET_MAX) become_table(e, set_len(e));
        return true;
    }
    if (ints_fit_listpack(e, member.n, rules)) {
        become_listpack(e);
        lp_append(listpack_in(e), member);
        return true;
    }
    become_table(e, set_len(e) + 1);
    return add_to_table(entry_object(e), member);
}

bool set_remove(struct entry *e, struct slice member) {
    if (entry_form(e) == SET_TABLE) {
        uint64_t hash = hash_of(member);
        void *item = table_find(entry_object(e), member, hash);

        if (!item) return false;
        table_remove(entry_object(e), item, hash);
        mem_free(item);
        return true;
    }
    if (entry_form(e) == SET_LISTPACK) {
        struct lp_key key = lp_key_of(member);
        uint32_t at = find_packed(e, &key);

        if (at) lp_delete(listpack_in(e), at, 1);
        return at != 0;
    }
    int64_t v;

    return num_parse_i64(member.p, member.n, &v) && intset_remove(intset_in(e), v);
}

void set_probe_init(struct set_probe *p, struct lp_value v) {
    p->s = slice_of(v.p, v.n);
    p->v = v.v;
    p->kind = v.p ? PROBE_UNKNOWN : PROBE_INT;
    p->hashed = false;
}

static bool is_int(struct set_probe *p) {
    if (p->kind == PROBE_UNKNOWN)
        p->kind = num_parse_i64(p->s.p, p->s.n, &p->v) ? PROBE_INT : PROBE_TEXT;
    return p->kind == PROBE_INT;
}

static void write_out(struct set_probe *p) {
    if (!p->s.p) p->s = slice_of(p->text, (size_t)num_format_i64(p->text, p->v));
}

bool set_find(const struct entry *e, struct set_probe *p) {
    if (entry_form(e) == SET_INTSET) return is_int(p) && intset_has(entry_object(e), p->v);
    write_out(p);
    if (entry_form(e) == SET_LISTPACK) {
        struct lp_key key = {.is_int = is_int(p), .s = p->s, .v = p->v};

        return find_packed(e, &key) != 0;
    }
    if (!p->hashed) {
        p->hash = hash_of(p->s);
        p->hashed = true;
    }
    return table_find(entry_object(e), p->s, p->hash) != NULL;
}

bool set_has(const struct entry *e, struct slice member) {
    struct set_probe p;

    set_probe_init(&p, (struct lp_value){.p = member.p, .n = member.n});
    return set_find(e, &p);
}

/* ---------------------------------------------------------------- building */

/* Whether all are integers; then that is what they become. */
static bool to_ints(struct lp_value *v, size_t n) {
    for (size_t i = 0; i < n; i++) {
        int64_t number;

        if (!v[i].p) continue;
        if (!num_parse_i64(v[i].p, v[i].n, &number)) return false;
        v[i] = int_value(number);
    }
    return true;
}

static struct intset *build_intset(const struct lp_value *v, size_t n) {
    struct lp_value *ints = mem_dup(v, n * sizeof *v);
    struct intset *s = NULL;

    if (to_ints(ints, n)) {
        s = intset_new();
        for (size_t i = 0; i < n; i++) intset_add(&s, ints[i].v);
    }
    mem_free(ints);
    return s;
}

static struct listpack *build_listpack(const struct lp_value *v, size_t n, uint64_t max_value) {
    struct listpack *lp = lp_new();

    for (size_t i = 0; i < n; i++) {
        if ((v[i].p ? v[i].n : text_length(v[i].v)) > max_value ||
            lp_bytes(lp) + v[i].n + LP_ENTRY_OVERHEAD_MAX >= LP_BYTES_MAX) {
            lp_free(lp);
            return NULL;
        }
        append_visited(v[i], &lp);
    }
    return lp;
}

struct entry *set_build(struct slice key, const struct lp_value *v, size_t n,
                        const struct set_rules *rules) {
    struct intset *ints = n && n <= rules->max_intset ? build_intset(v, n) : NULL;
    struct listpack *lp = NULL;
    struct table *t;

    if (ints) return new_form(key, ints, SET_INTSET);
    if (n <= rules->max_listpack) lp = build_listpack(v, n, rules->max_value);
    if (lp) return new_form(key, lp, SET_LISTPACK);
    t = table_new(n);
    for (size_t i = 0; i < n; i++) add_visited(v[i], t);
    return new_form(key, t, SET_TABLE);
}

/* ---------------------------------------------------------------- walking */

struct walk {
    set_visit_fn visit;
    void *arg;
};

static void walk_visit(void *item, void *arg) {
    const struct walk *w = arg;

    w->visit(value_of(item), w->arg);
}

static void each_small(const struct entry *e, set_visit_fn visit, void *arg) {
    const void *object = entry_object(e);

    if (entry_form(e) == SET_INTSET)
        for (size_t i = 0, n = intset_len(object); i < n; i++)
            visit(int_value(intset_get(object, i)), arg);
    else
        for (uint32_t at = lp_first(object); at; at = lp_next(object, at))
            visit(lp_get(object, at), arg);
}

void set_each(const struct entry *e, set_visit_fn visit, void *arg) {
    struct walk w = {visit, arg};

    if (entry_form(e) == SET_TABLE)
        table_each(entry_object(e), walk_visit, &w);
    else
        each_small(e, visit, arg);
}

uint64_t set_scan(const struct entry *e, uint64_t cursor, set_visit_fn visit, void *arg) {
    struct walk w = {visit, arg};

    if (entry_form(e) == SET_TABLE) return table_scan(entry_object(e), cursor, walk_visit, &w);
    each_small(e, visit, arg);
    return 0;
}

/* ---------------------------------------------------------------- chance */

struct lp_value set_random(const struct entry *e) {
    const void *object = entry_object(e);

    switch ((enum set_form)entry_form(e)) {
    case SET_INTSET: return int_value(intset_get(object, rng_below(intset_len(object))));
    case SET_LISTPACK: return lp_get(object, lp_at(object, (int64_t)rng_below(lp_count(object))));
    default: return value_of(table_random(object));
    }
}

struct gather {
    struct lp_value *v;
    size_t n;
};

static void gather_visit(struct lp_value member, void *arg) {
    struct gather *g = arg;

    g->v[g->n++] = member;
}

void set_pick(const struct entry *e, size_t n, set_visit_fn visit, void *arg) {
    struct gather g = {0};

    if (n < 3 || entry_form(e) != SET_LISTPACK) {
        while (n-- > 0) visit(set_random(e), arg);
        return;
    }
    g.v = mem_alloc(set_len(e) * sizeof *g.v);
    set_each(e, gather_visit, &g);
    while (n-- > 0) visit(g.v[rng_below(g.n)], arg);
    mem_free(g.v);
}

/* Of those that pass by, lets through n at random. */
struct sieve {
    size_t left, wanted;
    set_visit_fn visit;
    void *arg;
};

static void sieve_visit(struct lp_value member, void *arg) {
    struct sieve *s = arg;

    if (rng_below(s->left--) >= s->wanted) return;
    s->wanted--;
    s->visit(member, s->arg);
}

void set_sample(const struct entry *e, size_t n, set_visit_fn visit, void *arg) {
    struct sieve s = {set_len(e), n, visit, arg};
    struct walk w = {visit, arg};

    if (n >= s.left)
        set_each(e, visit, arg);
    else if (entry_form(e) == SET_TABLE)
        table_sample(entry_object(e), n, walk_visit, &w);
    else
        each_small(e, sieve_visit, &s);
}

/* ---------------------------------------------------------------- as a type */

static void *copy(const struct entry *e) {
    struct table *t;

    if (entry_form(e) == SET_INTSET) return intset_copy(entry_object(e));
    if (entry_form(e) == SET_LISTPACK) return lp_copy(entry_object(e));
    t = table_new(set_len(e));
    set_each(e, add_visited, t);
    return t;
}

static const char *encoding(const struct entry *e) {
    static const char *const names[] = {"intset", "listpack", "hashtable"};

    return names[entry_form(e)];
}

static size_t effort(const struct entry *e) {
    return entry_form(e) == SET_TABLE ? set_len(e) : 1;
}

struct measure {
    size_t seen, bytes;
};

static void measure_visited(void *item, void *arg) {
    struct measure *m = arg;

    m->seen++;
    m->bytes += item_bytes(member_of(item).n);
}

static size_t mem(const struct entry *e, size_t samples) {
    const struct table *t = entry_object(e);
    struct measure m = {0};
    uint64_t cursor = 0;

    if (entry_form(e) == SET_INTSET) return intset_mem(entry_object(e));
    if (entry_form(e) == SET_LISTPACK) return lp_mem(entry_object(e));
    do {
        cursor = table_scan(t, cursor, measure_visited, &m);
    } while (cursor && (samples == 0 || m.seen < samples));
    if (m.seen) m.bytes = (size_t)((double)m.bytes / (double)m.seen * (double)t->count);
    return m.bytes + sizeof *t + t->mem_bytes;
}

const struct type_ops set_type_ops = {
    .name = "set",
    .release = release,
    .copy = copy,
    .encoding = encoding,
    .effort = effort,
    .mem = mem,
};
