/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/acl_file.h"

#include "conf/conf.h"
#include "server/exec/engine.h"
#include "storage/base/io.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NOT_CHANGED                                                                                \
    "WARNING: ACL errors detected, no change to the previously active ACL rules was performed"

#define NO_NAME SLICE("\"\"")

/* ---------------------------------------------------------------- one line */

struct words {
    struct slice *v;
    size_t n;
};

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void split(struct slice line, struct words *w) {
    w->n = 0;
    for (size_t i = 0; i < line.n;) {
        size_t from = i;

        while (i < line.n && !is_blank(line.p[i])) i++;
        if (i > from) {
            w->v = mem_realloc(w->v, (w->n + 1) * sizeof *w->v);
            w->v[w->n++] = slice_of(line.p + from, i - from);
        }
        while (i < line.n && is_blank(line.p[i])) i++;
    }
}

struct reading {
    const char *name;
    size_t line;
    const struct acl_terms *terms;
    struct acl_user *u;
    struct bytes *errors;
    bool is_wrong; /* something other than an unknown command was said of this line */
};

/* Rules may hold secrets; those that name commands do not, and are repeated. */
static bool apply_rule(void *arg, struct slice rule) {
    struct reading *r = arg;
    const char *why = acl_user_apply(r->u, r->terms, rule);

    if (!why) return true;
    if (strcmp(why, ACL_ERR_UNKNOWN) == 0) {
        bytes_printf(r->errors, "%s:%zu: Error in applying operation '%.*s': %s. ", r->name,
                     r->line, slice_shown(rule), rule.p, why);
    } else if (!r->is_wrong) {
        bytes_printf(r->errors, "%s:%zu: %s. ", r->name, r->line, why);
        r->is_wrong = true;
    }
    return true;
}

static void read_user(struct reading *r, const struct words *w, struct acl_users *out) {
    struct slice name = slice_eq(w->v[1], NO_NAME) ? SLICE("") : w->v[1];
    struct slice open;

    r->u = acl_user_new(name, r->terms);
    if (acl_rules_each(w->v + 2, w->n - 2, apply_rule, r, &open) < 0)
        bytes_printf(r->errors, "%s:%zu: Unmatched parenthesis in selector definition.", r->name,
                     r->line);
    if (acl_users_add(out, r->u) == 0) return;
    bytes_printf(r->errors, "WARNING: Duplicate user '%s' found on line %zu. ", r->u->name,
                 r->line);
    acl_user_free(r->u);
}

static void read_line(struct reading *r, struct slice line, struct words *w,
                      struct acl_users *out) {
    split(line, w);
    r->is_wrong = false;
    if (w->n == 0 || line.p[0] == '#') return;
    if (w->n < 2 || !slice_eq(w->v[0], SLICE("user")))
        bytes_printf(r->errors, "%s:%zu should start with user keyword followed by the username. ",
                     r->name, r->line);
    else if (!acl_is_word(w->v[1]))
        bytes_printf(r->errors, "%s:%zu: username '%.*s' contains invalid characters. ", r->name,
                     r->line, (int)w->v[1].n, w->v[1].p);
    else
        read_user(r, w, out);
}

/* ---------------------------------------------------------------- the whole */

int acl_file_parse(struct slice text, const char *name, const struct acl_terms *terms,
                   struct acl_users *out, struct bytes *errors) {
    struct reading r = {.name = name, .terms = terms, .errors = errors};
    struct words w = {0};
    size_t before = errors->n;

    while (text.n) {
        const char *end = memchr(text.p, '\n', text.n);
        size_t n = end ? (size_t)(end - text.p) : text.n;
        struct slice line = {text.p, n};

        while (line.n && is_blank(line.p[0])) line = slice_of(line.p + 1, line.n - 1);
        r.line++;
        read_line(&r, line, &w, out);
        n += end != NULL;
        text = slice_of(text.p + n, text.n - n);
    }
    mem_free(w.v);
    if (errors->n == before) return 0;
    acl_users_release(out);
    return -1;
}

void acl_file_text(const struct acl_users *all, struct bytes *out) {
    for (size_t i = 0; i < all->n; i++) {
        acl_user_describe(all->v[i], ACL_WRITTEN, out);
        bytes_append_char(out, '\n');
    }
}

/* ---------------------------------------------------------------- the file */

static bool has_file(const struct engine *e) {
    return e->v->aclfile && e->v->aclfile[0];
}

int acl_load(struct engine *e, struct bytes *why) {
    struct bytes text = {0};
    struct acl_users all = {0};
    struct err err;
    int rc = -1;

    if (io_read_file(e->v->aclfile, &text, &err) < 0) {
        bytes_printf(why, "Error loading ACLs, opening file '%s': %s", e->v->aclfile,
                     err.code ? strerror(err.code) : err.text);
    } else if (acl_file_parse(bytes_slice(&text), e->v->aclfile, &e->acl->terms, &all, why) < 0) {
        bytes_append_str(why, NOT_CHANGED);
    } else {
        acl_replace_users(e, &all);
        rc = 0;
    }
    bytes_cstr(why);
    bytes_release(&text);
    return rc;
}

struct saving {
    struct bytes path, text;
};

/* A relative path is meant from the directory of now: CONFIG SET dir may come before the end. */
void *acl_save_begin(const struct engine *e) {
    struct saving *s = mem_calloc(sizeof *s);

    if (e->v->aclfile[0] != '/') bytes_printf(&s->path, "%s/", e->v->dir.path);
    bytes_append_str(&s->path, e->v->aclfile);
    bytes_cstr(&s->path);
    acl_file_text(&e->acl->users, &s->text);
    return s;
}

int acl_save_finish(void *arg, struct err *e) {
    struct saving *s = arg;
    int rc = io_rewrite(s->path.p, bytes_slice(&s->text), e);

    if (rc < 0) log_warning("Saving the ACL file '%s' failed: %s", s->path.p, e->text);
    bytes_release(&s->path);
    bytes_release(&s->text);
    mem_free(s);
    return rc;
}

/* ---------------------------------------------------------------- the configuration */

struct line_rules {
    struct engine *e;
    struct acl_user *u;
    const char *why;
    struct bytes rule;
};

static bool apply_line_rule(void *arg, struct slice rule) {
    struct line_rules *l = arg;

    l->why = acl_user_apply(l->u, &l->e->acl->terms, rule);
    if (l->why) bytes_append(&l->rule, rule.p, rule.n);
    return !l->why;
}

static int refuse_line(struct engine *e, const struct conf_directive *d, const char *what,
                       const char *why) {
    struct bytes text = {0};
    struct err err;

    bytes_printf(&text, "Error in user declaration '%s': %s", what, why);
    conf_refuse_directive(e->conf, d, bytes_cstr(&text), &err);
    conf_report_error(e->conf, stderr);
    bytes_release(&text);
    return -1;
}

/* The default user is there already, and begins anew. */
static struct acl_user *user_of_line(struct engine *e, struct slice name) {
    struct acl_user *u = acl_find(e, name);

    if (u) {
        acl_user_apply(u, &e->acl->terms, SLICE("reset"));
        return u;
    }
    u = acl_user_new(name, &e->acl->terms);
    acl_users_add(&e->acl->users, u);
    return u;
}

static bool is_said_before(const struct conf_directive *all, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(all[i].argv[0], "user") == 0 && strcmp(all[i].argv[1], name) == 0) return true;
    return false;
}

static int take_line(struct engine *e, const struct conf_directive *d) {
    struct line_rules l = {.e = e};
    struct words w = {mem_alloc(d->argc * sizeof *w.v), d->argc - 2};
    struct slice open = {"", 0};
    int rc = 0;

    for (size_t i = 0; i < w.n; i++) w.v[i] = slice_str(d->argv[i + 2]);
    l.u = user_of_line(e, slice_str(d->argv[1]));
    if (acl_rules_each(w.v, w.n, apply_line_rule, &l, &open) < 0) {
        rc = refuse_line(e, d, open.p, "Unmatched parenthesis in acl selector");
    } else if (l.why && strcmp(l.why, ACL_ERR_UNKNOWN) == 0) {
        log_warning("Error loading ACL rule '%s' for the user named '%s': %s", bytes_cstr(&l.rule),
                    d->argv[1], l.why);
        log_warning("Critical error while loading ACLs. Exiting.");
        rc = -1;
    } else if (l.why) {
        rc = refuse_line(e, d, bytes_cstr(&l.rule), l.why);
    }
    bytes_release(&l.rule);
    mem_free(w.v);
    return rc;
}

static int take_lines(struct engine *e, size_t *lines) {
    size_t n;
    const struct conf_directive *d = conf_directives(e->conf, &n);

    *lines = 0;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(d[i].argv[0], "user") != 0) continue;
        if (!acl_is_word(slice_str(d[i].argv[1])))
            return refuse_line(e, &d[i], d[i].argv[1],
                               "Usernames can't contain spaces or null characters");
        if (is_said_before(d, i, d[i].argv[1]))
            return refuse_line(e, &d[i], d[i].argv[1],
                               "Duplicate user found. A user can only be defined once in config "
                               "files");
        if (take_line(e, &d[i]) < 0) return -1;
        ++*lines;
    }
    return 0;
}

/* The words of a line of users as words of the configuration, where quotes mean something. */
static void append_words(struct slice line, struct bytes *out) {
    struct words w = {0};

    split(line, &w);
    for (size_t i = 0; i < w.n; i++) {
        bool plain = slice_eq(w.v[i], NO_NAME);

        if (!plain) plain = !memchr(w.v[i].p, '"', w.v[i].n) && !memchr(w.v[i].p, '\'', w.v[i].n);
        if (i) bytes_append_char(out, ' ');
        if (plain)
            bytes_append(out, w.v[i].p, w.v[i].n);
        else
            bytes_append_quoted(out, w.v[i]);
    }
    mem_free(w.v);
}

static void emit_lines(void *arg, conf_emit_fn emit, void *ctx) {
    const struct engine *e = arg;

    for (size_t i = 0; i < e->acl->users.n && !has_file(e); i++) {
        struct bytes text = {0}, line = {0};

        acl_user_describe(e->acl->users.v[i], ACL_WRITTEN, &text);
        append_words(bytes_slice(&text), &line);
        emit(ctx, bytes_slice(&line));
        bytes_release(&text);
        bytes_release(&line);
    }
}

int acl_start(struct engine *e) {
    struct bytes why = {0};
    size_t lines;
    int rc = 0;

    conf_on_rewrite(e->conf, "user", emit_lines, e);
    if (take_lines(e, &lines) < 0) return -1;
    if (!has_file(e)) return 0;
    if (lines) {
        log_warning("Configuring Redis with users defined in redis.conf and at the same setting an "
                    "ACL file path is invalid. This setup is very likely to lead to configuration "
                    "errors and security holes, please define either an ACL file or declare users "
                    "directly in your redis.conf, but not both.");
        return -1;
    }
    if (e->v->requirepass.n)
        log_warning("requirepass is ignored: the default user's password is what '%s' says",
                    e->v->aclfile);
    rc = acl_load(e, &why);
    if (rc < 0) log_warning("Aborting Redis startup because of ACL errors: %s", why.p);
    bytes_release(&why);
    return rc;
}
