/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/commands/json.h"

#include "conf/conf.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"

#include <stdlib.h>

/* ---------------------------------------------------------------- arguments */

struct json_path *json_arg_path(struct call *x, int i) {
    struct slice text = i < x->argc ? x->argv[i] : SLICE(".");
    size_t bad = 0;
    struct json_path *p = json_path_compile(text, &bad);

    if (!p) reply_errf(x, "ERR invalid JSON path: the error is at character %zu", bad);
    return p;
}

bool json_arg_value(struct call *x, int i, struct json *out) {
    struct pace pace = call_pace(x);
    struct json_error e;

    if (json_parse(x->argv[i], &pace, out, &e)) return true;
    reply_errf(x, "ERR invalid JSON at character %zu: %s", e.at, e.what);
    return false;
}

/* ---------------------------------------------------------------- finding */

bool json_lookup(struct json_call *j, struct call *x, int key) {
    j->x = x;
    j->r = x->cmd->row->flags & CMD_WRITE ? lookup_write(x, key) : lookup_read(x, key);
    if (!check_type(x, &j->r, TYPE_JSON)) return false;
    j->root = j->r.e ? json_of(j->r.e) : NULL;
    return true;
}

bool json_find(struct json_call *j) {
    struct pace pace = call_pace(j->x);

    if (!j->root || json_path_find(j->path, j->root, &pace, &j->work, &j->m)) return true;
    reply_err(j->x, ERR_JSON_WORK);
    return false;
}

bool json_check_work(struct json_call *j) {
    struct pace pace = call_pace(j->x);

    if (!j->path->query.repeats ||
        j->m.n * (1 + json_mem(j->root, &pace) / sizeof(struct json)) < JSON_PATH_WORK_MAX)
        return true;
    reply_err(j->x, ERR_JSON_WORK);
    return false;
}

bool json_begin(struct json_call *j, struct call *x, int i) {
    *j = (struct json_call){.x = x, .path = json_arg_path(x, i)};
    return j->path && json_lookup(j, x, 1) && json_find(j);
}

void json_end(struct json_call *j) {
    json_path_free(j->path);
    json_matches_release(&j->m);
}

/* ---------------------------------------------------------------- replies */

static const char *const kind_names[JSON_KINDS] = {"null",   "boolean", "integer", "number",
                                                   "string", "array",   "object"};

const char *json_kind_name(const struct json *v) {
    return kind_names[v->kind];
}

int json_no_path(const struct json_call *j, const char *or_what) {
    struct slice path = bytes_slice(&j->path->text);

    return reply_errf(j->x, "ERR Path '%.*s' does not exist%s%s", slice_shown(path), path.p,
                      or_what ? " or " : "", or_what ? or_what : "");
}

int json_wrong_value(const struct json_call *j, const char *expected, const struct json *found) {
    return reply_errf(j->x, "WRONGTYPE wrong type of path value - expected %s but found %s",
                      expected, json_kind_name(found));
}

void json_reply_text(struct call *x, const struct json *v) {
    static const struct json_format plain;
    struct pace pace = call_pace(x);
    struct bytes b = {0};

    json_print(&b, v, &plain, 0, &pace);
    reply_bulk(&x->r, b.p, b.n);
    bytes_release(&b);
}

bool json_may_grow(const struct call *x, size_t n, size_t each) {
    size_t sum;

    if (n <= 1 || call_obeys(x)) return true;
    return !__builtin_mul_overflow(n, each, &sum) && sum <= x->e->v->proto_max_bulk_len;
}

void json_discard(struct call *x, struct json v) {
    if (json_count(&v) == 0)
        json_clear(&v);
    else
        entry_discard(json_entry(SLICE(""), v, ENTRY_NO_EXPIRE), overwrites_lazily(x));
}

bool json_is_any(const struct json *v) {
    (void)v;
    return true;
}

bool json_is_array(const struct json *v) {
    return v->kind == JSON_ARRAY;
}

bool json_is_object(const struct json *v) {
    return v->kind == JSON_OBJECT;
}

bool json_is_string(const struct json *v) {
    return v->kind == JSON_STRING;
}

/* ---------------------------------------------------------------- readers */

static bool reply_fits(const struct call *x, uint64_t from) {
    return x->r.out->end - from <= x->e->v->proto_max_bulk_len;
}

int json_check_reply(struct call *x, uint64_t from) {
    if (reply_fits(x, from)) return 0;
    out_truncate(x->r.out, from);
    return reply_err(x, ERR_TOO_LONG);
}

static int read_legacy(struct json_call *j, const struct json_reader *how) {
    const struct json *v;

    if (!j->root || (j->m.n == 0 && how->path_null)) {
        reply_null(&j->x->r);
        return 0;
    }
    if (j->m.n == 0) return json_no_path(j, NULL);
    v = j->m.list[0].v;
    if (!how->fits(v)) return json_wrong_value(j, how->expected, v);
    how->reply(j->x, v);
    return 0;
}

static int read_all(struct json_call *j, const struct json_reader *how) {
    uint64_t from = j->x->r.out->end;

    if (!j->root && !how->missing_is_null) return reply_err(j->x, ERR_JSON_NO_KEY);
    if (!j->root) {
        reply_null(&j->x->r);
        return 0;
    }
    reply_array(&j->x->r, j->m.n);
    for (size_t i = 0; i < j->m.n && reply_fits(j->x, from); i++) {
        call_breathe(j->x);
        if (how->fits(j->m.list[i].v))
            how->reply(j->x, j->m.list[i].v);
        else
            reply_null(&j->x->r);
    }
    return json_check_reply(j->x, from);
}

int json_read_found(struct json_call *j, const struct json_reader *how) {
    return j->path->legacy ? read_legacy(j, how) : read_all(j, how);
}

int json_read(struct call *x, int i, const struct json_reader *how) {
    struct json_call j;
    int rc = -1;

    if (json_begin(&j, x, i)) rc = json_read_found(&j, how);
    json_end(&j);
    return rc;
}

/* ---------------------------------------------------------------- changes */

/* A match and its place in the list. */
struct turn {
    struct json *v;
    uint32_t depth;
    size_t at;
};

static int deepest_first(const void *a, const void *b) {
    const struct turn *x = a, *y = b;

    if (x->depth != y->depth) return x->depth > y->depth ? -1 : 1;
    if (x->v != y->v) return x->v < y->v ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static size_t fitting_turns(const struct json_call *j, const struct json_change *how,
                            struct turn *turns) {
    size_t n = 0;

    for (size_t i = 0; i < j->m.n; i++) {
        const struct json_found *f = &j->m.list[i];

        if (how->fits(f->v)) turns[n++] = (struct turn){f->v, f->depth, i};
    }
    if (n > 1 && (j->path->query.descends || j->path->query.repeats))
        qsort(turns, n, sizeof *turns, deepest_first);
    return n;
}

static bool check_turns(const struct json_call *j, const struct json_change *how, const void *arg,
                        const struct turn *turns, size_t n) {
    if (n == 0 && j->path->legacy) return json_no_path(j, how->or_what) == 0;
    if (!json_may_grow(j->x, n, how->each)) return reply_err(j->x, ERR_JSON_GROWTH) == 0;
    for (size_t i = 0; how->check && i < n; i++)
        if (!how->check(j->x, &j->m.list[turns[i].at], arg)) return false;
    return true;
}

int json_change_all(struct json_call *j, const struct json_change *how, const void *arg,
                    struct json **results) {
    struct turn *turns = mem_alloc((j->m.n + 1) * sizeof *turns);
    size_t n = fitting_turns(j, how, turns);
    bool changed = false;
    int rc = -1;

    *results = NULL;
    if (check_turns(j, how, arg, turns, n)) {
        rc = 0;
        *results = mem_calloc((j->m.n + 1) * sizeof(**results));
        for (size_t i = 0; i < n; i++) {
            struct json *to = &(*results)[turns[i].at];

            if (i == 0 || turns[i].v != turns[i - 1].v)
                changed |= how->change(turns[i].v, arg, to);
            else if (json_is_number(&(*results)[turns[i - 1].at]))
                *to = (*results)[turns[i - 1].at];
        }
    }
    mem_free(turns);
    if (changed) key_changed(j->x, &j->r, EVENT_MODULE, how->event);
    return rc;
}

void json_results_free(const struct json_call *j, struct json *results) {
    for (size_t i = 0; results && i < j->m.n; i++) json_clear(&results[i]);
    mem_free(results);
}

/* Of a legacy path the last result that there is. */
static size_t last_fitting(const struct json *results, size_t n) {
    while (n > 1 && results[n - 1].kind == JSON_NULL) n--;
    return n - 1;
}

int json_change_each(struct call *x, int i, const struct json_change *how, const void *arg) {
    struct json *results = NULL;
    struct json_call j;
    int rc = -1;

    if (json_begin(&j, x, i)) {
        if (!j.root)
            reply_err(x, ERR_JSON_NO_KEY);
        else
            rc = json_change_all(&j, how, arg, &results);
    }
    if (rc == 0 && j.path->legacy) {
        (how->reply_legacy ? how->reply_legacy
                           : how->reply)(x, &results[last_fitting(results, j.m.n)]);
    } else if (rc == 0) {
        reply_array(&x->r, j.m.n);
        for (size_t k = 0; k < j.m.n; k++) how->reply(x, &results[k]);
    }
    json_results_free(&j, results);
    json_end(&j);
    return rc;
}
