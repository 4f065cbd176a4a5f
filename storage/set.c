/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/set.h"

#include "storage/base/mem.h"
#include "storage/set_forms.h"

/* ---------------------------------------------------------------- members of a table */

static size_t item_bytes(size_t n) {
    return mem_good_size(varint_size(n) + n);
}

static bool matches(const void *item, struct slice key) {
    struct slice s = set_member_of(item);

    return s.n == key.n && memcmp(s.p, key.p, key.n) == 0;
}

static const struct table_ops member_ops = {set_member_of, matches};

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

static inline struct pack **pack_in(struct entry *e) {
    return (struct pack **)entry_word(e);
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
    if (expected <= rules->max_listpack) return new_form(key, pack_new(), SET_PACK);
    return new_form(key, table_new(0), SET_TABLE);
}

static void add_visited(struct lp_value member, void *arg) {
    char text[NUM_I64_MAX];
    struct slice s = lp_value_text(member, text);

    table_add(arg, s, set_hash(s));
}

static void append_visited(struct lp_value member, void *arg) {
    struct lp_code code =
        member.p ? lp_code_of(slice_of(member.p, member.n)) : lp_code_int(member.v);

    pack_insert(arg, 0, &code);
}

static void release(struct entry *e) {
    switch ((enum set_form)entry_form(e)) {
    case SET_INTSET: intset_free(entry_object(e)); break;
    case SET_PACK: pack_free(entry_object(e)); break;
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

static void become_pack(struct entry *e) {
    struct pack *p = pack_new();

    set_each(e, append_visited, &p);
    release(e);
    entry_set_object(e, p, SET_PACK);
}

void set_expect(struct entry *e, size_t more, const struct set_rules *rules) {
    enum set_form form = entry_form(e);

    if ((form == SET_PACK && more > rules->max_listpack) ||
        (form == SET_INTSET && more > rules->max_intset))
        become_table(e, set_len(e) + more);
}

static bool fits_pack(const struct entry *e, size_t n, const struct set_rules *rules) {
    return set_len(e) < rules->max_listpack && n <= rules->max_value &&
           n + LP_ENTRY_OVERHEAD_MAX < LP_BYTES_MAX;
}

static size_t text_length(int64_t v) {
    char text[NUM_I64_MAX];

    return (size_t)num_format_i64(text, v);
}

/* Whether the integers there are, and a text of n bytes, may be a listpack. */
static bool ints_fit_pack(const struct entry *e, size_t n, const struct set_rules *rules) {
    const struct intset *s = entry_object(e);
    size_t len = intset_len(s);

    return fits_pack(e, n, rules) &&
           (len == 0 || (text_length(intset_get(s, 0)) <= rules->max_value &&
                         text_length(intset_get(s, len - 1)) <= rules->max_value));
}

/* ---------------------------------------------------------------- one member */

size_t set_len(const struct entry *e) {
    switch ((enum set_form)entry_form(e)) {
    case SET_INTSET: return intset_len(entry_object(e));
    case SET_PACK: return pack_count(entry_object(e));
    default: return ((struct table *)entry_object(e))->count;
    }
}

bool set_all_ints(const struct entry *e) {
    return entry_form(e) == SET_INTSET;
}

static bool add_to_table(struct table *t, struct slice member) {
    uint64_t hash = set_hash(member);

    if (table_find(t, member, hash)) return false;
    table_add(t, member, hash);
    return true;
}

static bool add_packed(struct entry *e, struct slice member, const struct set_rules *rules) {
    struct lp_code code = lp_code_of(member);

    if (pack_find(entry_object(e), &code, 0)) return false;
    if (fits_pack(e, member.n, rules) &&
        pack_bytes(entry_object(e)) + member.n + LP_ENTRY_OVERHEAD_MAX < LP_BYTES_MAX) {
        pack_insert(pack_in(e), 0, &code);
        return true;
    }
    become_table(e, set_len(e) + 1);
    return add_to_table(entry_object(e), member);
}

bool set_add(struct entry *e, struct slice member, const struct set_rules *rules) {
    int64_t v;

    if (entry_form(e) == SET_TABLE) return add_to_table(entry_object(e), member);
    if (entry_form(e) == SET_PACK) return add_packed(e, member, rules);
    if (num_parse_i64(member.p, member.n, &v)) {
        if (!intset_add(intset_in(e), v)) return false;
        if (set_len(e) > rules->max_intset || set_len(e) >= INTSET_MAX) become_table(e, set_len(e));
        return true;
    }
    if (ints_fit_pack(e, member.n, rules)) {
        become_pack(e);
        pack_append(pack_in(e), member);
        return true;
    }
    become_table(e, set_len(e) + 1);
    return add_to_table(entry_object(e), member);
}

bool set_remove(struct entry *e, struct slice member) {
    if (entry_form(e) == SET_TABLE) {
        uint64_t hash = set_hash(member);
        void *item = table_find(entry_object(e), member, hash);

        if (!item) return false;
        table_remove(entry_object(e), item, hash);
        mem_free(item);
        return true;
    }
    if (entry_form(e) == SET_PACK) {
        struct lp_code code = lp_code_of(member);
        uint32_t at = pack_find(entry_object(e), &code, 0);

        if (at) pack_delete(pack_in(e), at, 1);
        return at != 0;
    }
    int64_t v;

    return num_parse_i64(member.p, member.n, &v) && intset_remove(intset_in(e), v);
}

/* ---------------------------------------------------------------- building */

/* Whether all are integers; then that is what they become. */
static bool to_ints(struct lp_value *v, size_t n) {
    for (size_t i = 0; i < n; i++) {
        int64_t number;

        if (!v[i].p) continue;
        if (!num_parse_i64(v[i].p, v[i].n, &number)) return false;
        v[i] = set_int(number);
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

static struct pack *build_pack(const struct lp_value *v, size_t n, uint64_t max_value) {
    struct pack *p = pack_new();

    for (size_t i = 0; i < n; i++) {
        if ((v[i].p ? v[i].n : text_length(v[i].v)) > max_value ||
            pack_bytes(p) + v[i].n + LP_ENTRY_OVERHEAD_MAX >= LP_BYTES_MAX) {
            pack_free(p);
            return NULL;
        }
        append_visited(v[i], &p);
    }
    return p;
}

struct entry *set_build(struct slice key, const struct lp_value *v, size_t n,
                        const struct set_rules *rules, const struct pace *pace) {
    struct intset *ints = n && n <= rules->max_intset ? build_intset(v, n) : NULL;
    struct pack *p = NULL;
    struct table *t;

    if (ints) return new_form(key, ints, SET_INTSET);
    if (n <= rules->max_listpack) p = build_pack(v, n, rules->max_value);
    if (p) return new_form(key, p, SET_PACK);
    t = table_new(n);
    for (size_t i = 0; i < n; i++) {
        add_visited(v[i], t);
        pace_at(pace, i);
    }
    return new_form(key, t, SET_TABLE);
}

/* ---------------------------------------------------------------- as they are elsewhere */

const struct intset *set_intset(const struct entry *e) {
    return entry_form(e) == SET_INTSET ? entry_object(e) : NULL;
}

struct entry *set_from_intset(struct slice key, const void *p, size_t n,
                              const struct set_rules *rules) {
    struct entry *e;

    if (!intset_check(p, n)) return NULL;
    e = new_form(key, intset_from_bytes(p, n), SET_INTSET);
    if (set_len(e) > rules->max_intset || set_len(e) >= INTSET_MAX) become_table(e, set_len(e));
    return e;
}

struct entry *set_from_listpack(struct slice key, const struct listpack *lp,
                                const struct set_rules *rules) {
    struct pack *p = pack_from_listpack(lp);
    size_t n = pack_count(p);
    struct entry *e;

    if (n == 0 || !pack_unique(p, 1)) {
        pack_free(p);
        return NULL;
    }
    e = new_form(key, p, SET_PACK);
    if (n > rules->max_listpack || pack_bytes(p) >= LP_BYTES_MAX) become_table(e, n);
    return e;
}

/* ---------------------------------------------------------------- as a type */

struct copying {
    struct table *to;
    const struct pace *pace;
};

static void copy_visited(struct lp_value member, void *arg) {
    const struct copying *c = arg;

    add_visited(member, c->to);
    pace_step(c->pace, 1);
}

static void *copy(const struct entry *e, const struct pace *pace) {
    struct copying c = {.pace = pace};

    if (entry_form(e) == SET_INTSET) return intset_copy(entry_object(e));
    if (entry_form(e) == SET_PACK) return pack_copy(entry_object(e));
    c.to = table_new(set_len(e));
    set_each(e, copy_visited, &c);
    return c.to;
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
    m->bytes += item_bytes(set_member_of(item).n);
}

static size_t mem(const struct entry *e, size_t samples, const struct pace *pace) {
    const struct table *t = entry_object(e);
    struct measure m = {0};
    uint64_t cursor = 0;

    if (entry_form(e) == SET_INTSET) return intset_mem(entry_object(e));
    if (entry_form(e) == SET_PACK) return pack_mem(entry_object(e));
    do {
        cursor = table_scan(t, cursor, measure_visited, &m);
        pace_step(pace, 1);
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
