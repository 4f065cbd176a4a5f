/* SPDX-License-Identifier: BSD-3-Clause
 *
 * set_algebra - intersections, unions and differences.
 *
 * Results are gathered as pointers into the sets they come from: nothing is copied, and a member is
 * found to be new by looking into the other sets. Only where many sets are given is a set of the
 * result made on the way. What is stored gets the form and the order it has in Redis.
 */
#include "conf/conf.h"
#include "server/commands/commands.h"
#include "server/commands/repeats.h"
#include "server/commands/set.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"

#include <stdlib.h>

enum { LOOK_SETS = 4 }; /* up to so many, looking into all others is cheaper than making a set */

struct sources {
    struct call *x;
    struct entry **v; /* NULL: no such key */
    size_t n, missing;
};

struct members {
    struct call *x;
    struct lp_value *v;
    size_t n, cap;
    bool counted; /* only `n` is wanted */
    size_t limit; /* more than so many are not looked for; 0: all */
};

static bool has_enough(const struct members *m) {
    return m->limit && m->n >= m->limit;
}

/* The sets at arguments [first, first + n). False: one is of another type, answered. */
static bool open_sources(struct call *x, int first, size_t n, struct sources *s) {
    *s = (struct sources){x, mem_alloc(n * sizeof *s->v), n, 0};
    for (size_t i = 0; i < n; i++) {
        struct ref r;

        if (!set_for_reading(x, first + (int)i, &r)) {
            mem_free(s->v);
            return false;
        }
        s->v[i] = r.e;
        s->missing += r.e == NULL;
    }
    return true;
}

/* Each set once, from source `from` on. */
static void drop_repeats(struct sources *s, size_t from) {
    struct repeats r;
    size_t n = from;

    repeats_init(&r, s->n);
    for (size_t i = from; i < s->n; i++)
        if (!repeats_has(&r, s->v[i])) s->v[n++] = s->v[i];
    s->n = n;
    repeats_release(&r);
}

static void add_member(struct members *m, struct lp_value v) {
    if (m->counted) {
        m->n++;
        return;
    }
    if (m->n == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 64;
        m->v = mem_realloc(m->v, m->cap * sizeof *m->v);
    }
    m->v[m->n++] = v;
}

static void gather_visit(struct lp_value member, void *arg) {
    struct members *m = arg;

    add_member(m, member);
    call_breathe(m->x);
}

static int reply_members(struct call *x, struct members *m) {
    reply_set(&x->r, m->n);
    for (size_t i = 0; i < m->n; i++) {
        reply_value(&x->r, m->v[i]);
        call_breathe(x);
    }
    mem_free(m->v);
    return 0;
}

static int reply_count(struct call *x, size_t n, size_t limit) {
    reply_int(&x->r, (int64_t)(limit && n > limit ? limit : n));
    return 0;
}

/* Whether one of them has members that are due: what is made of it is propagated as it is then, as
 * nothing is due where that is read back. */
static bool any_due(const struct sources *s) {
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i] && set_any_due(s->v[i], parts_now(s->x))) return true;
    return false;
}

/* Puts the set in place of whatever the destination holds; NULL or an empty one: nothing. Replies
 * with its size. `told`: the result is propagated, not the command. */
static int store_result(struct call *x, struct entry *e, bool told, const char *event) {
    bool lazy = x->e->v->lazyfree_lazy_server_del;
    size_t n = e ? set_len(e) : 0;
    struct ref to = lookup_write(x, 1);

    if (n > 0) {
        store_entry(x, &to, e);
        key_changed(x, &to, EVENT_SET, event);
    } else {
        if (e) entry_discard(e, lazy);
        if (to.e) {
            key_delete(x, &to, lazy);
            key_changed(x, &to, EVENT_GENERIC, "del");
        }
    }
    if (told) log_stored(x, &to);
    reply_int(&x->r, (int64_t)n);
    return 0;
}

/* ---------------------------------------------------------------- intersections */

struct sized {
    struct entry *e;
    size_t len, place;
};

static int smaller_first(const void *a, const void *b) {
    const struct sized *x = a, *y = b;

    if (x->len != y->len) return x->len < y->len ? -1 : 1;
    return x->place < y->place ? -1 : 1;
}

/* From the smallest to the largest, or backwards; the first `keep` stay where they are. */
static void sort_by_size(struct sources *s, size_t keep, bool descending) {
    size_t n = s->n - keep;
    struct sized *all = mem_alloc((n + 1) * sizeof *all);

    for (size_t i = 0; i < n; i++) {
        struct entry *e = s->v[keep + i];

        all[i] = (struct sized){e, e ? set_len(e) : 0, i};
    }
    qsort(all, n, sizeof *all, smaller_first);
    for (size_t i = 0; i < n; i++) s->v[keep + (descending ? n - 1 - i : i)] = all[i].e;
    mem_free(all);
}

/* Sets of which is asked whether they have the members of another one. */
struct finders {
    struct set_finder *v;
    size_t n;
};

static struct finders make_finders(const struct call *x, struct entry *const *sets, size_t n,
                                   const struct entry *asks) {
    struct finders f = {mem_alloc((n + 1) * sizeof *f.v), 0};

    for (size_t i = 0; i < n; i++)
        if (sets[i] && sets[i] != asks)
            set_finder_init(&f.v[f.n++], sets[i], set_len(asks), parts_now(x));
    return f;
}

static void free_finders(struct finders *f) {
    while (f->n > 0) set_finder_release(&f->v[--f->n]);
    mem_free(f->v);
}

/* Whether all of them have the member, or any of them. */
static bool found_in(const struct finders *f, struct set_probe *p, bool all) {
    for (size_t i = 0; i < f->n; i++)
        if (set_finder_has(&f->v[i], p) != all) return !all;
    return all;
}

/* How many members all sets have, up to `limit` (0: none); with `out`, which ones. */
static size_t intersect(struct sources *s, size_t limit, struct members *out) {
    struct set_iter it = {.now_ms = parts_now(s->x)};
    struct set_batch batch;
    struct set_probe probe;
    struct finders f;
    size_t n = 0;

    if (s->missing) return 0;
    drop_repeats(s, 0);
    sort_by_size(s, 0, false);
    it.e = s->v[0];
    f = make_finders(s->x, s->v + 1, s->n - 1, it.e);
    while ((limit == 0 || n < limit) && set_next(&it, &batch)) {
        for (size_t i = 0; i < batch.n; i++) {
            set_probe_next(&probe, &batch, i);
            if (!found_in(&f, &probe, true)) continue;
            n++;
            if (out) add_member(out, batch.v[i]);
        }
        call_breathe_by(s->x, batch.n * s->n);
    }
    free_finders(&f);
    return limit && n > limit ? limit : n;
}

static int cmd_sinter(struct call *x) {
    struct members m = {.x = x};
    struct sources s;

    if (!open_sources(x, 1, (size_t)x->argc - 1, &s)) return -1;
    intersect(&s, 0, &m);
    mem_free(s.v);
    return reply_members(x, &m);
}

static int cmd_sinterstore(struct call *x) {
    struct set_rules rules = set_rules(x);
    struct pace pace = call_pace(x);
    struct entry *result = NULL;
    struct members m = {.x = x};
    struct sources s;
    bool told;

    if (!open_sources(x, 2, (size_t)x->argc - 2, &s)) return -1;
    told = any_due(&s);
    if (intersect(&s, 0, &m)) result = set_build(x->argv[1], m.v, m.n, &rules, &pace);
    mem_free(s.v);
    mem_free(m.v);
    return store_result(x, result, told, "sinterstore");
}

/* numkeys key... [LIMIT n], and [APPROX] where it is known: the answer is exact all the same. */
static bool open_counted(struct call *x, bool may_guess, struct sources *s, size_t *limit) {
    int64_t nkeys, most = 0;

    if (!arg_int_range(x, 1, 1, INT64_MAX, &nkeys, "ERR numkeys should be greater than 0"))
        return false;
    if (nkeys > x->argc - 2) {
        reply_err(x, "ERR Number of keys can't be greater than number of args");
        return false;
    }
    for (int i = 2 + (int)nkeys; i < x->argc; i++) {
        if (may_guess && arg_is(x, i, "approx")) continue;
        if (!arg_is(x, i, "limit") || ++i == x->argc) {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
        if (!arg_int_range(x, i, 0, INT64_MAX, &most, "ERR LIMIT can't be negative")) return false;
    }
    *limit = (size_t)most;
    return open_sources(x, 2, (size_t)nkeys, s);
}

static int cmd_sintercard(struct call *x) {
    struct sources s;
    size_t limit, n;

    if (!open_counted(x, false, &s, &limit)) return -1;
    n = intersect(&s, limit, NULL);
    mem_free(s.v);
    return reply_count(x, n, 0);
}

/* ---------------------------------------------------------------- unions and differences */

struct addition {
    struct call *x;
    struct entry *to;
    struct set_rules rules;
    bool remove;
};

static void add_visit(struct lp_value member, void *arg) {
    struct addition *a = arg;
    char text[NUM_I64_MAX];

    call_breathe(a->x);
    if (a->remove)
        set_remove(a->to, lp_value_text(member, text), PARTS_ALL);
    else
        set_add(a->to, lp_value_text(member, text), &a->rules);
}

/* The members of `e` that none of the sets [0, n) has. */
static void gather_rest(const struct entry *e, struct entry *const *sets, size_t n,
                        struct members *out) {
    struct set_iter it = {.e = e, .now_ms = parts_now(out->x)};
    struct set_batch batch;
    struct set_probe probe;
    struct finders f = make_finders(out->x, sets, n, e);

    while (!has_enough(out) && set_next(&it, &batch)) {
        for (size_t i = 0; i < batch.n; i++) {
            set_probe_next(&probe, &batch, i);
            if (!found_in(&f, &probe, false)) add_member(out, batch.v[i]);
        }
        call_breathe_by(out->x, batch.n * (n + 1));
    }
    free_finders(&f);
}

static int by_number(const void *a, const void *b, void *call) {
    const struct lp_value *x = a, *y = b;

    call_breathe(call);
    return x->v < y->v ? -1 : x->v > y->v;
}

/* In order if all are integers, as they are in a set of integers. */
static void gather_union(const struct sources *s, struct members *out) {
    bool all_ints = !out->counted;

    for (size_t i = 0; i < s->n; i++) {
        bool again = false;

        if (!s->v[i]) continue;
        for (size_t k = 0; k < i; k++) again = again || s->v[k] == s->v[i];
        if (again) continue;
        all_ints = all_ints && set_all_ints(s->v[i]);
        gather_rest(s->v[i], s->v, i, out);
    }
    if (all_ints && out->n) qsort_r(out->v, out->n, sizeof *out->v, by_number, s->x);
}

/* A set of these members for the destination: in the form, and the order if it is small, that it
 * gets by adding one after the other. */
static struct entry *make_from(struct call *x, struct members *m) {
    struct pace pace = call_pace(x);
    struct addition a = {x, NULL, set_rules(x), false};

    if (m->n > a.rules.max_intset && m->n > a.rules.max_listpack) {
        a.to = set_build(x->argv[1], m->v, m->n, &a.rules, &pace);
    } else {
        a.to = set_new_empty(x->argv[1]);
        for (size_t i = 0; i < m->n; i++) add_visit(m->v[i], &a);
    }
    mem_free(m->v);
    return a.to;
}

/* Of many sets: by adding all of them. */
static struct entry *make_union(struct call *x, struct sources *s) {
    struct addition a = {x, set_new_empty(x->argv[1]), set_rules(x), false};
    size_t largest = 0;

    drop_repeats(s, 0);
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i] && set_len(s->v[i]) > largest) largest = set_len(s->v[i]);
    if (largest > a.rules.max_listpack) set_expect(a.to, largest, &a.rules);
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i]) set_each(s->v[i], parts_now(x), add_visit, &a);
    return a.to;
}

/* Replies with the members of a set that was made on the way. */
static int reply_made(struct call *x, struct entry *made) {
    struct members m = {.x = x};

    set_each(made, PARTS_ALL, gather_visit, &m);
    reply_members(x, &m);
    entry_discard(made, false);
    return 0;
}

static int cmd_sunion(struct call *x) {
    struct members m = {.x = x};
    struct entry *made;
    struct sources s;

    if (!open_sources(x, 1, (size_t)x->argc - 1, &s)) return -1;
    if (s.n - s.missing > LOOK_SETS) {
        made = make_union(x, &s);
        mem_free(s.v);
        return reply_made(x, made);
    }
    gather_union(&s, &m);
    mem_free(s.v);
    return reply_members(x, &m);
}

static int cmd_sunionstore(struct call *x) {
    struct members m = {.x = x};
    struct entry *made;
    struct sources s;
    bool told;

    if (!open_sources(x, 2, (size_t)x->argc - 2, &s)) return -1;
    told = any_due(&s);
    if (s.n - s.missing > LOOK_SETS) {
        made = make_union(x, &s);
    } else {
        gather_union(&s, &m);
        made = make_from(x, &m);
    }
    mem_free(s.v);
    return store_result(x, made, told, "sunionstore");
}

static int cmd_sunioncard(struct call *x) {
    struct members m = {.x = x, .counted = true};
    struct sources s;

    if (!open_counted(x, true, &s, &m.limit)) return -1;
    if (s.n - s.missing > LOOK_SETS) {
        struct entry *made = make_union(x, &s);

        m.n = set_len(made);
        entry_discard(made, false);
    } else {
        gather_union(&s, &m);
    }
    mem_free(s.v);
    return reply_count(x, m.n, m.limit);
}

/* Whether to look for each member of the first set in all the others, or to take the others'
 * members out of a copy of the first. As Redis decides, since it shows in the form of what is
 * stored. */
static bool better_look(const struct sources *s) {
    size_t look = 0, take = 0;

    for (size_t i = 0; i < s->n; i++) {
        if (!s->v[i]) continue;
        look += set_len(s->v[0]);
        take += set_len(s->v[i]);
    }
    return look / 2 <= take;
}

static void look_for_difference(struct sources *s, struct members *out) {
    if (!s->v[0]) return;
    for (size_t i = 1; i < s->n; i++)
        if (s->v[i] == s->v[0]) return;
    drop_repeats(s, 1);
    sort_by_size(s, 1, true);
    gather_rest(s->v[0], s->v + 1, s->n - 1, out);
}

static struct entry *make_difference(struct call *x, struct sources *s) {
    struct addition a = {x, NULL, set_rules(x), false};
    struct members m = {.x = x};

    if (!s->v[0] || better_look(s)) {
        look_for_difference(s, &m);
        return make_from(x, &m);
    }
    a.to = set_new_empty(x->argv[1]);
    set_each(s->v[0], parts_now(x), add_visit, &a);
    a.remove = true;
    drop_repeats(s, 1);
    for (size_t i = 1; i < s->n && set_len(a.to) > 0; i++)
        if (s->v[i]) set_each(s->v[i], parts_now(x), add_visit, &a);
    return a.to;
}

static int cmd_sdiff(struct call *x) {
    struct members m = {.x = x};
    struct entry *made;
    struct sources s;

    if (!open_sources(x, 1, (size_t)x->argc - 1, &s)) return -1;
    if (s.v[0] && !better_look(&s)) {
        made = make_difference(x, &s);
        mem_free(s.v);
        return reply_made(x, made);
    }
    look_for_difference(&s, &m);
    mem_free(s.v);
    return reply_members(x, &m);
}

static int cmd_sdiffcard(struct call *x) {
    struct members m = {.x = x, .counted = true};
    struct sources s;

    if (!open_counted(x, false, &s, &m.limit)) return -1;
    look_for_difference(&s, &m);
    mem_free(s.v);
    return reply_count(x, m.n, m.limit);
}

static int cmd_sdiffstore(struct call *x) {
    struct entry *made;
    struct sources s;
    bool told;

    if (!open_sources(x, 2, (size_t)x->argc - 2, &s)) return -1;
    told = any_due(&s);
    made = make_difference(x, &s);
    mem_free(s.v);
    return store_result(x, made, told, "sdiffstore");
}

/* ---------------------------------------------------------------- rows */

#define W (CMD_WRITE | CMD_DENYOOM)
#define R CMD_READONLY

/* clang-format off */
const struct command set_algebra_commands[] = {
    {"sdiff", -2, R, "set", {1, -1, 1}, cmd_sdiff, "1.0.0",
     "Gives the members of a set that other sets do not have.",
     .grammar = "key@0+",
     .tips = "nondeterministic_output_order"},
    {"sdiffcard", -3, R | CMD_MOVABLE_KEYS, "set", {0, 0, 0}, cmd_sdiffcard, "8.10.0",
     "Counts the members of a set that other sets do not have.",
     .grammar = "numkeys:int key@0+ [LIMIT=limit:int]",
     .key_specs = "@1#0+1 RO access"},
    {"sdiffstore", -3, W, "set", {1, -1, 1}, cmd_sdiffstore, "1.0.0",
     "Stores the members of a set that other sets do not have.",
     .grammar = "destination@0 key@1+",
     .key_specs = "@1..0 OW update; @2..-1 RO access"},
    {"sinter", -2, R, "set", {1, -1, 1}, cmd_sinter, "1.0.0",
     "Gives the members that all sets have.",
     .grammar = "key@0+",
     .tips = "nondeterministic_output_order"},
    {"sintercard", -3, R | CMD_MOVABLE_KEYS, "set", {0, 0, 0}, cmd_sintercard, "7.0.0",
     "Counts the members that all sets have.",
     .grammar = "numkeys:int key@0+ [LIMIT=limit:int]",
     .key_specs = "@1#0+1 RO access"},
    {"sinterstore", -3, W, "set", {1, -1, 1}, cmd_sinterstore, "1.0.0",
     "Stores the members that all sets have.",
     .grammar = "destination@0 key@1+",
     .key_specs = "@1..0 RW update; @2..-1 RO access"},
    {"sunion", -2, R, "set", {1, -1, 1}, cmd_sunion, "1.0.0",
     "Gives the members that at least one of the sets has.",
     .grammar = "key@0+",
     .tips = "nondeterministic_output_order"},
    {"sunioncard", -3, R | CMD_MOVABLE_KEYS, "set", {0, 0, 0}, cmd_sunioncard, "8.10.0",
     "Counts the members that at least one of the sets has.",
     .grammar = "numkeys:int key@0+ [APPROX] [LIMIT=limit:int]",
     .key_specs = "@1#0+1 RO access"},
    {"sunionstore", -3, W, "set", {1, -1, 1}, cmd_sunionstore, "1.0.0",
     "Stores the members that at least one of the sets has.",
     .grammar = "destination@0 key@1+",
     .key_specs = "@1..0 OW update; @2..-1 RO access"},
    {0},
};
/* clang-format on */
