/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conf_set - CONFIG GET and CONFIG SET.
 *
 * SET in three steps: find the rows and refuse what may not be set; parse everything into a copy
 * of the values; exchange the copy with the live values and call the appliers. Only the third
 * step can be seen from outside, and it is undone when an applier refuses.
 */
#include "conf/conf_impl.h"

#include "storage/base/check.h"
#include "storage/base/glob.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

/* ---- GET */

struct get {
    const struct conf *c;
    const struct slice *patterns;
    size_t n;
    conf_get_fn fn;
    void *arg;
};

static bool is_glob(struct slice s) {
    for (size_t i = 0; i < s.n; i++)
        if (strchr("*?[\\", s.p[i]) && s.p[i]) return true;
    return false;
}

/* The name to report: the spelling of the first exact pattern, or the table's; NULL p: no match. */
static struct slice get_matches(const struct get *g, const struct conf_row *r, const char *name) {
    bool found = false;

    for (size_t i = 0; i < g->n; i++) {
        if (slice_is(g->patterns[i], name)) return g->patterns[i];
        if ((r->flags & CONF_HIDDEN) || !is_glob(g->patterns[i])) continue;
        if (glob_match(g->patterns[i], slice_str(name), true)) found = true;
    }
    return found ? slice_str(name) : (struct slice){0};
}

static void get_name(const struct get *g, const struct conf_row *r, const char *name) {
    struct slice shown = get_matches(g, r, name);
    struct bytes value = {0};

    if (!shown.p) return;
    conf_format(r, &g->c->values, &value);
    g->fn(g->arg, shown, value.p ? bytes_slice(&value) : SLICE(""));
    bytes_release(&value);
}

void conf_get(const struct conf *c, const struct slice *patterns, size_t n, conf_get_fn fn,
              void *arg) {
    struct get g = {c, patterns, n, fn, arg};

    for (size_t i = 0; i < conf_row_count; i++) {
        get_name(&g, &conf_rows[i], conf_rows[i].name);
        if (conf_rows[i].alias) get_name(&g, &conf_rows[i], conf_rows[i].alias);
    }
}

/* ---- SET */

struct setting {
    const struct conf_row *row;
    const char *name; /* the row's name or alias, as in the table */
    struct slice given, value;
    bool changed;
};

struct set {
    struct conf *c;
    struct setting *s;
    size_t n;
    const char *command;
    struct conf_values other; /* the new values, after the exchange the old ones */
    struct err *e;
};

static int fail_set(struct set *t, int code, struct slice name, const char *why) {
    return err_set(t->e, code, "%s failed (possibly related to argument '%.*s') - %s", t->command,
                   (int)(name.n < 128 ? name.n : 128), name.p, why);
}

static bool may_set_protected(const struct conf *c, bool local) {
    int access = c->values.enable_protected_configs;

    return access == CONF_ACCESS_YES || (access == CONF_ACCESS_LOCAL && local);
}

/* The first wrong pair decides the error, whatever is wrong with it. */
static int find_rows(struct set *t, const struct slice *pairs, bool local) {
    for (size_t i = 0; i < t->n; i++) {
        struct setting *s = &t->s[i];

        s->given = pairs[2 * i];
        s->value = pairs[2 * i + 1];
        s->row = conf_find(s->given, &s->name);
        if (!s->row)
            return err_set(t->e, CONF_ERR_UNKNOWN,
                           "Unknown option or number of arguments for CONFIG SET - '%.*s'",
                           (int)(s->given.n < 128 ? s->given.n : 128), s->given.p);
        if (s->row->flags & CONF_IMMUTABLE)
            return fail_set(t, CONF_ERR_REFUSED, s->given, "can't set immutable config");
        if ((s->row->flags & CONF_PROTECTED) && !may_set_protected(t->c, local))
            return fail_set(t, CONF_ERR_REFUSED, s->given, "can't set protected config");
        for (size_t k = 0; k < i; k++)
            if (t->s[k].name == s->name)
                return fail_set(t, CONF_ERR_REFUSED, slice_str(s->name), "duplicate parameter");
    }
    return 0;
}

static int parse_one(struct set *t, struct setting *s) {
    struct conf_argv words = {0};
    struct err why;
    struct conf_assign a = {.row = s->row, .v = &t->other, .e = &why};
    int rc;

    if (s->row->flags & CONF_WORDS)
        conf_argv_split(&words, s->value);
    else
        conf_argv_add(&words, s->value);
    a.argv = words.v;
    a.argc = words.n;
    rc = conf_assign(&a);
    conf_argv_release(&words);
    return rc < 0 ? fail_set(t, CONF_ERR_VALUE, slice_str(s->name), why.text) : 0;
}

static void exchange(struct set *t) {
    struct conf_values v = t->c->values;

    t->c->values = t->other;
    t->other = v;
}

static bool is_due(const struct conf_applier *const *due, size_t n, const struct conf_applier *a) {
    for (size_t i = 0; i < n; i++)
        if (due[i]->fn == a->fn && due[i]->arg == a->arg) return true;
    return false;
}

/* Collects what has to be called, in the order of the command; the caller frees. */
static const struct conf_applier **due_appliers(const struct set *t, size_t *count) {
    const struct conf_applier **due = mem_alloc((t->c->applier_count + 1) * sizeof *due);
    size_t n = 0;

    for (size_t i = 0; i < t->n; i++) {
        if (!t->s[i].changed) continue;
        for (size_t k = 0; k < t->c->applier_count; k++) {
            const struct conf_applier *a = &t->c->appliers[k];

            if (a->row == t->s[i].row && !is_due((const struct conf_applier *const *)due, n, a))
                due[n++] = a;
        }
    }
    *count = n;
    return due;
}

/* The name to report for an applier that has refused: the one that it is registered for. */
static const char *name_of(const struct set *t, const struct conf_applier *a) {
    for (size_t i = 0; i < t->n; i++)
        if (t->s[i].row == a->row) return t->s[i].name;
    return a->row->name;
}

static int apply(struct set *t) {
    size_t n, i;
    const struct conf_applier **due = due_appliers(t, &n);
    struct err why = {0};
    int rc = 0;

    exchange(t);
    for (i = 0; i < n && rc == 0; i++) rc = due[i]->fn(due[i]->arg, &t->c->values, &why);
    if (rc < 0) {
        fail_set(t, CONF_ERR_APPLY, slice_str(name_of(t, due[--i])), why.text);
        exchange(t);
        while (i-- > 0)
            if (due[i]->fn(due[i]->arg, &t->c->values, &why) < 0)
                log_warning("cannot take back '%s': %s", name_of(t, due[i]), why.text);
    }
    mem_free(due);
    return rc;
}

int conf_set(struct conf *c, const struct slice *pairs, size_t npairs, bool local, struct err *e) {
    struct set t = {.c = c, .n = npairs, .command = "CONFIG SET", .e = e};
    int rc;

    t.s = mem_calloc((npairs + 1) * sizeof *t.s);
    conf_values_copy(&t.other, &c->values);
    rc = find_rows(&t, pairs, local);
    for (size_t i = 0; i < npairs && rc == 0; i++) rc = parse_one(&t, &t.s[i]);
    for (size_t i = 0; i < npairs && rc == 0; i++)
        t.s[i].changed =
            (t.s[i].row->flags & CONF_RELOAD) || !conf_same(t.s[i].row, &c->values, &t.other);
    if (rc == 0) rc = apply(&t);
    conf_values_release(&t.other);
    mem_free(t.s);
    return rc;
}

bool conf_may_set(const struct conf *c, const struct conf_row *r, bool local) {
    if (r->flags & CONF_IMMUTABLE) return false;
    return !(r->flags & CONF_PROTECTED) || may_set_protected(c, local);
}

int conf_set_rows(struct conf *c, const struct conf_row *const *rows, size_t n,
                  const struct conf_values *from, struct err *e) {
    struct set t = {.c = c, .n = n, .command = "CONFIG RELOAD", .e = e};
    int rc;

    t.s = mem_calloc((n + 1) * sizeof *t.s);
    conf_values_copy(&t.other, &c->values);
    for (size_t i = 0; i < n; i++) {
        t.s[i] = (struct setting){.row = rows[i], .name = rows[i]->name, .changed = true};
        conf_value_copy(rows[i], &t.other, from);
        if (strcmp(rows[i]->name, "port") == 0) t.other.port_auto = from->port_auto;
    }
    rc = apply(&t);
    conf_values_release(&t.other);
    mem_free(t.s);
    return rc;
}
