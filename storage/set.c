/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/set.h"

#include "storage/base/mem.h"
#include "storage/set_forms.h"

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
    return new_form(key, stable_new(0), SET_TABLE);
}

static void add_visited(struct lp_value member, void *arg) {
    char text[NUM_I64_MAX];
    struct slice s = lp_value_text(member, text);

    stable_add(arg, s, set_hash(s));
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
    case SET_TIMED: stable_release(e); break;
    }
}

static void become_table(struct entry *e, size_t expected) {
    struct table *t = stable_new(expected);

    set_each(e, PARTS_ALL, add_visited, t);
    release(e);
    entry_set_object(e, t, SET_TABLE);
}

static void become_pack(struct entry *e) {
    struct pack *p = pack_new();

    set_each(e, PARTS_ALL, append_visited, &p);
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

size_t set_len_at(const struct entry *e, int64_t now_ms) {
    return set_is_timed(e) ? set_len(e) - set_count_due(e, now_ms) : set_len(e);
}

bool set_all_ints(const struct entry *e) {
    return entry_form(e) == SET_INTSET;
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
    return stable_put(e, member, rules->now_ms);
}

bool set_add(struct entry *e, struct slice member, const struct set_rules *rules) {
    int64_t v;

    if (set_is_table(e)) return stable_put(e, member, rules->now_ms);
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
    return stable_put(e, member, rules->now_ms);
}

bool set_remove(struct entry *e, struct slice member, int64_t now_ms) {
    if (set_is_table(e)) return stable_remove(e, member, now_ms);
    if (entry_form(e) == SET_PACK) {
        struct lp_code code = lp_code_of(member);
        uint32_t at = pack_find(entry_object(e), &code, 0);

        if (at) pack_delete(pack_in(e), at, 1);
        return at != 0;
    }
    int64_t v;

    return num_parse_i64(member.p, member.n, &v) && intset_remove(intset_in(e), v);
}

void set_set_expire(struct entry *e, struct slice member, int64_t when_ms) {
    if (!set_is_timed(e)) {
        if (when_ms == 0) return;
        if (!set_is_table(e)) become_table(e, set_len(e));
        stable_allow_times(e);
    }
    stable_set_expire(e, member, when_ms);
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
    t = stable_new(n);
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

static void *copy(const struct entry *e, const struct pace *pace) {
    if (entry_form(e) == SET_INTSET) return intset_copy(entry_object(e));
    if (entry_form(e) == SET_PACK) return pack_copy(entry_object(e));
    return stable_copy(e, pace);
}

static const char *encoding(const struct entry *e) {
    static const char *const names[] = {"intset", "listpack", "hashtable", "hashtable"};

    return names[entry_form(e)];
}

static size_t effort(const struct entry *e) {
    return set_is_table(e) ? set_len(e) : 1;
}

static size_t mem(const struct entry *e, size_t samples, const struct pace *pace) {
    if (entry_form(e) == SET_INTSET) return intset_mem(entry_object(e));
    if (entry_form(e) == SET_PACK) return pack_mem(entry_object(e));
    return stable_mem(e, samples, pace);
}

const struct type_ops set_type_ops = {
    .name = "set",
    .release = release,
    .copy = copy,
    .encoding = encoding,
    .effort = effort,
    .mem = mem,
    .next_due = set_next_due,
};
