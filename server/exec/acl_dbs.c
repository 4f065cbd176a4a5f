/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/acl_dbs.h"

#include "server/exec/acl_selector.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

#include <stdlib.h>
#include <string.h>

#define ERR_RANGE "The provided database ID is out of range"

void acl_dbs_set_all(struct acl_dbs *d, bool all) {
    mem_free(d->v);
    *d = (struct acl_dbs){.all = all};
}

void acl_dbs_copy(struct acl_dbs *to, const struct acl_dbs *from) {
    *to = *from;
    if (from->n) to->v = mem_dup(from->v, from->n * sizeof *from->v);
}

/* ---------------------------------------------------------------- rules */

static const char *parse_number(struct slice s, int *out) {
    bool digits = s.n > 0;
    int64_t v;

    for (size_t i = s.n > 1 && s.p[0] == '-'; i < s.n; i++)
        digits = digits && s.p[i] >= '0' && s.p[i] <= '9';
    if (!digits) return ACL_ERR_SYNTAX;
    while (s.n > 1 && s.p[0] == '0') s = slice_of(s.p + 1, s.n - 1);
    if (!num_parse_i64(s.p, s.n, &v) || v < 0 || v > INT32_MAX) return ERR_RANGE;
    *out = (int)v;
    return NULL;
}

static int by_number(const void *a, const void *b) {
    const int *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void in_order(struct acl_dbs *d) {
    size_t n = 0;

    qsort(d->v, d->n, sizeof *d->v, by_number);
    for (size_t i = 0; i < d->n; i++)
        if (n == 0 || d->v[n - 1] != d->v[i]) d->v[n++] = d->v[i];
    d->n = n;
}

const char *acl_dbs_set(struct acl_dbs *d, struct slice list) {
    struct acl_dbs to = {0};
    const char *why = NULL;

    for (bool more = true; more && !why;) {
        const char *comma = list.n ? memchr(list.p, ',', list.n) : NULL;
        struct slice word = {list.p, comma ? (size_t)(comma - list.p) : list.n};

        to.v = mem_realloc(to.v, (to.n + 1) * sizeof *to.v);
        why = parse_number(word, &to.v[to.n++]);
        more = comma;
        if (more) list = slice_of(comma + 1, list.n - word.n - 1);
    }
    if (why) {
        mem_free(to.v);
        return why;
    }
    in_order(&to);
    acl_dbs_set_all(d, false);
    *d = to;
    return NULL;
}

void acl_dbs_describe(const struct acl_dbs *d, struct bytes *out) {
    if (d->all) bytes_append_str(out, "alldbs");
    for (size_t i = 0; i < d->n; i++) bytes_printf(out, "%s%d", i ? "," : "db=", d->v[i]);
}

/* ---------------------------------------------------------------- the check */

static bool has(const struct acl_dbs *d, int db) {
    return d->n && bsearch(&db, d->v, d->n, sizeof *d->v, by_number);
}

static bool has_every(const struct acl_dbs *d, int ndbs) {
    for (int i = 0; i < ndbs; i++)
        if (!has(d, i)) return false;
    return true;
}

/* What is no number of a database is answered with an error later. */
static bool allows_arg(const struct acl_dbs *d, const struct slice *argv, int i, int *at) {
    int64_t v;

    if (!num_parse_i64(argv[i].p, argv[i].n, &v) || v < 0 || v > INT32_MAX || has(d, (int)v))
        return true;
    *at = i;
    return false;
}

static bool allows_copy(const struct acl_dbs *d, int argc, const struct slice *argv, int *at) {
    for (int i = 3; i + 1 < argc; i++)
        if (slice_is(argv[i], "db") && !allows_arg(d, argv, i + 1, at)) return false;
    return true;
}

/* The databases that the arguments name. */
static bool allows_named(const struct acl_dbs *d, const char *name, int argc,
                         const struct slice *argv, int *at) {
    if (strcmp(name, "select") == 0) return allows_arg(d, argv, 1, at);
    if (strcmp(name, "swapdb") == 0)
        return allows_arg(d, argv, 1, at) && allows_arg(d, argv, 2, at);
    if (strcmp(name, "move") == 0) return allows_arg(d, argv, 2, at);
    return strcmp(name, "copy") != 0 || allows_copy(d, argc, argv, at);
}

static bool names_only(const char *name) {
    return strcmp(name, "select") == 0 || strcmp(name, "swapdb") == 0;
}

bool acl_dbs_allow(const struct acl_dbs *d, struct acl_place where, const struct command_slot *cmd,
                   int argc, const struct slice *argv, int *at) {
    const struct command *row = cmd->row;
    bool on_keys = row->flags & (CMD_WRITE | CMD_READONLY | CMD_MOVABLE_KEYS) ||
                   (row->keys.first && !(row->flags & CMD_PUBSUB));

    *at = 0;
    if (d->all) return true;
    if (strcmp(row->name, "flushall") == 0) return has_every(d, where.ndbs);
    if (!cmd->parent && !allows_named(d, row->name, argc, argv, at)) return false;
    return !on_keys || names_only(row->name) || has(d, where.db);
}
