/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conf_reload - CONFIG RELOAD: the file is read again, and what differs is set or reported.
 *
 * The file is loaded into a second conf, as at the start: the options of the command line win. Each
 * row is then compared with the running value, so a parameter that CONFIG SET has changed goes back
 * to what the file says. Rows that CONFIG SET may not change, and lines that are no parameters, are
 * reported only.
 */
#include "conf/conf_impl.h"

#include "storage/base/mem.h"

struct conf_reload {
    struct conf *fresh;
    struct conf_difference *differences;
    size_t n;
};

static int refuse(const struct conf *c, struct err *e) {
    if (!c->path)
        return err_set(e, CONF_ERR_NO_FILE, "the server was started without a configuration file");
    if (c->has_stdin)
        return err_set(e, CONF_ERR_NO_FILE,
                       "part of the configuration came from standard input, which cannot be read "
                       "again");
    return 0;
}

struct conf_reload *conf_reload_read(const struct conf *c, struct err *e) {
    struct conf_reload *r;

    if (refuse(c, e) < 0) return NULL;
    r = mem_calloc(sizeof *r);
    r->fresh = conf_new();
    if (conf_load_again(r->fresh, c, e) == 0) return r;
    conf_reload_free(r);
    return NULL;
}

void conf_reload_free(struct conf_reload *r) {
    for (size_t i = 0; i < r->n; i++) {
        mem_free((char *)r->differences[i].running);
        mem_free((char *)r->differences[i].file);
    }
    mem_free(r->differences);
    conf_free(r->fresh);
    mem_free(r);
}

const struct conf_values *conf_reload_values(const struct conf_reload *r) {
    return conf_values(r->fresh);
}

const struct conf_difference *conf_reload_differences(const struct conf_reload *r, size_t *n) {
    *n = r->n;
    return r->differences;
}

/* ---- parameters */

static struct conf_difference *add(struct conf_reload *r, enum conf_reload_kind kind,
                                   const char *name) {
    r->differences = mem_realloc(r->differences, (r->n + 1) * sizeof *r->differences);
    r->differences[r->n] = (struct conf_difference){.kind = kind, .name = name};
    return &r->differences[r->n++];
}

static char *shown(const struct conf_row *row, const struct conf_values *v) {
    struct bytes text = {0};
    char *copy;

    if (row->flags & CONF_SENSITIVE)
        bytes_append_str(&text, "(hidden)");
    else if (row->flags & CONF_AUTO && v->port_auto)
        bytes_append_str(&text, "auto");
    else
        conf_format(row, v, &text);
    copy = mem_strdup(bytes_cstr(&text));
    bytes_release(&text);
    return copy;
}

/* With `port auto` the running value is the port that the operating system gave. */
static bool differs(const struct conf_row *row, const struct conf_values *running,
                    const struct conf_values *file) {
    if (row->flags & CONF_AUTO && running->port_auto != file->port_auto) return true;
    if (row->flags & CONF_AUTO && file->port_auto) return false;
    return !conf_same(row, running, file);
}

static bool is_given(const struct conf_row *row, const struct conf_values *v) {
    const char *const *text = conf_field_const(row, v);

    return row->kind == KIND_STRING && *text && **text;
}

static void compare_row(struct conf_reload *r, const struct conf *c, const struct conf_row *row,
                        bool may_set) {
    struct conf_difference *d;

    if (!differs(row, &c->values, &r->fresh->values)) return;
    d = add(r, may_set ? CONF_RELOADED : CONF_NEEDS_RESTART, row->name);
    d->running = shown(row, &c->values);
    d->file = shown(row, &r->fresh->values);
}

/* ---- lines that are no parameters */

struct lines {
    const struct conf *c;
    const char *directive;
    size_t next; /* in c->directives */
    bool same;
};

static const struct conf_directive *next_line(struct lines *l) {
    while (l->next < l->c->directive_count) {
        const struct conf_directive *d = &l->c->directives[l->next++];

        if (strcmp(d->argv[0], l->directive) == 0) return d;
    }
    return NULL;
}

static size_t count_lines(const struct conf *c, const char *directive) {
    struct lines l = {.c = c, .directive = directive};
    size_t n = 0;

    while (next_line(&l)) n++;
    return n;
}

static void compare_line(void *ctx, struct slice line) {
    struct lines *l = ctx;
    const struct conf_directive *d = next_line(l);

    if (!d || !slice_eq(line, slice_str(d->text))) l->same = false;
}

static bool same_lines(const struct conf *a, const struct conf *b, const char *directive) {
    struct lines in_a = {.c = a, .directive = directive},
                 in_b = {.c = b, .directive = directive, .same = true};
    const struct conf_directive *d;

    while ((d = next_line(&in_a))) compare_line(&in_b, slice_str(d->text));
    return in_b.same && !next_line(&in_b);
}

/* What CONFIG REWRITE would write now: a rewritten file differs from the start's, not from it. */
static bool same_as_now(const struct conf *c, const struct conf *fresh, const char *directive) {
    struct lines l = {.c = fresh, .directive = directive, .same = true};

    for (size_t i = 0; i < c->owner_count; i++) {
        if (strcmp(c->owners[i].directive, directive) != 0) continue;
        c->owners[i].fn(c->owners[i].arg, compare_line, &l);
        return l.same && !next_line(&l);
    }
    return false;
}

static char *line_count(const struct conf *c, const char *directive) {
    struct bytes text = {0};
    size_t n = count_lines(c, directive);
    char *copy;

    bytes_printf(&text, "%zu line%s", n, n == 1 ? "" : "s");
    copy = mem_strdup(bytes_cstr(&text));
    bytes_release(&text);
    return copy;
}

static void compare_directives(struct conf_reload *r, const struct conf *c) {
    static const char *const names[] = {"user", "rename-command", "loadmodule"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct conf_difference *d;

        if (same_lines(c, r->fresh, names[i]) || same_as_now(c, r->fresh, names[i])) continue;
        d = add(r, CONF_NEEDS_RESTART, names[i]);
        d->running = line_count(c, names[i]);
        d->file = line_count(r->fresh, names[i]);
    }
}

int conf_reload_apply(struct conf *c, struct conf_reload *r, bool local, struct err *e) {
    const struct conf_row **rows = mem_alloc(conf_row_count * sizeof *rows);
    size_t n = 0;
    int rc;

    for (size_t i = 0; i < conf_row_count; i++) {
        const struct conf_row *row = &conf_rows[i];
        bool may_set = conf_may_set(c, row, local);
        bool reads_file = row->flags & CONF_RELOAD && is_given(row, &r->fresh->values);

        compare_row(r, c, row, may_set);
        if (may_set && (reads_file || differs(row, &c->values, &r->fresh->values))) rows[n++] = row;
    }
    compare_directives(r, c);
    rc = conf_set_rows(c, rows, n, &r->fresh->values, e);
    mem_free(rows);
    return rc;
}
