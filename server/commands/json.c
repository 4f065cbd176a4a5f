/* SPDX-License-Identifier: BSD-3-Clause
 *
 * json - JSON documents as a whole: written, read, merged, deleted.
 *
 * JSON.SET, JSON.MSET and JSON.MERGE give a path a value. A path that finds nothing can make a
 * member of an object, if it is made of names and indexes only. Everything is propagated as
 * received, but for what JSON.MSET leaves out.
 */
#include "server/commands/json.h"

#include "conf/conf.h"
#include "server/commands/commands.h"
#include "server/exec/breathe.h"
#include "server/exec/propagate.h"
#include "storage/base/mem.h"

enum { MSET_WORK_MAX = 1 << 22 }; /* values that JSON.MSET may look at: half a second */

/* ---------------------------------------------------------------- giving a value */

enum giving_mode { GIVE_SET, GIVE_MERGE };

struct giving {
    struct json_call j;
    struct json value;
    unsigned depth; /* of the value */
    size_t targets; /* that still get it: the last one takes it over */
    enum giving_mode mode;
    bool only_new, only_old;          /* NX, XX */
    const struct json_selector *name; /* matches are objects that get this member; NULL: matches
                                         are replaced */
    const char *error;
};

static bool giving_fail(struct giving *g, const char *error) {
    g->error = error;
    return false;
}

/* Objects that can get the last name of the path as a new member. */
static bool find_homes(struct giving *g) {
    const struct json_selector *last = json_path_last(g->j.path);
    struct pace pace = call_pace(g->j.x);
    struct json_matches *m = &g->j.m;
    size_t kept = 0;

    if (!g->j.path->query.single) return giving_fail(g, "ERR wrong static path");
    json_matches_release(m);
    if (!json_path_find_parents(g->j.path, g->j.root, &pace, &g->j.work, m))
        return giving_fail(g, ERR_JSON_WORK);
    for (size_t i = 0; i < m->n; i++) {
        if (last->kind == JSON_BY_INDEX && m->list[i].v->kind == JSON_ARRAY)
            return giving_fail(g, "ERR array index out of range");
        if (last->kind == JSON_BY_NAME && m->list[i].v->kind == JSON_OBJECT)
            m->list[kept++] = m->list[i];
    }
    m->n = kept;
    g->name = last;
    return true;
}

static bool check_targets(struct giving *g) {
    struct pace pace = call_pace(g->j.x);

    if (g->j.m.n > 1 &&
        !json_may_grow(g->j.x, g->j.m.n, sizeof g->value + json_mem(&g->value, &pace)))
        return giving_fail(g, ERR_JSON_GROWTH);
    for (size_t i = 0; i < g->j.m.n; i++)
        if (g->j.m.list[i].depth + (g->name != NULL) + g->depth > JSON_DEPTH_MAX)
            return giving_fail(g, ERR_JSON_DEPTH);
    return true;
}

/* What the value is given to, as far as NX and XX allow. False: g->error. */
static bool find_targets(struct giving *g) {
    struct pace pace = call_pace(g->j.x);

    if (!g->j.root) {
        if (json_path_is_root(g->j.path)) return true;
        return g->only_old || giving_fail(g, "ERR new objects must be created at the root");
    }
    if (!json_path_find(g->j.path, g->j.root, &pace, &g->j.work, &g->j.m))
        return giving_fail(g, ERR_JSON_WORK);
    if (g->j.m.n > 0) {
        if (g->only_new) g->j.m.n = 0;
    } else if (!g->only_old && !find_homes(g)) {
        return false;
    }
    return check_targets(g);
}

/* RFC 7396. */
static void merge(struct json *to, const struct json *patch) {
    if (patch->kind != JSON_OBJECT) {
        struct json v = json_copy(patch, PACE_NONE);

        json_clear(to);
        *to = v;
        return;
    }
    if (to->kind != JSON_OBJECT) {
        json_clear(to);
        *to = (struct json){.kind = JSON_OBJECT};
    }
    for (uint32_t i = 0; i < patch->n; i++) {
        const struct json_member *m = &patch->u.members[i];
        struct slice name = json_text(&m->name);
        int64_t at = json_object_at(to, name);

        if (m->value.kind == JSON_NULL) {
            if (at >= 0) json_object_remove(to, (uint32_t)at);
            continue;
        }
        if (at < 0) json_object_set(to, name, (struct json){0});
        merge(json_object_find(to, name), &m->value);
    }
}

static void give(struct giving *g, struct json *to) {
    struct json v;

    if (g->mode == GIVE_MERGE) {
        merge(to, &g->value);
        return;
    }
    if (g->targets-- > 1) {
        v = json_copy(&g->value, PACE_NONE);
    } else {
        v = g->value;
        g->value = (struct json){0};
    }
    json_discard(g->j.x, *to);
    *to = v;
}

static void give_member(struct giving *g, struct json *object) {
    struct slice name = json_text(&g->name->name);

    if (g->mode == GIVE_MERGE && g->value.kind == JSON_NULL) return;
    json_object_set(object, name, (struct json){0});
    give(g, json_object_find(object, name));
}

static void make_document(struct giving *g) {
    struct json v = {0};

    give(g, &v);
    g->j.r.e = json_entry(g->j.r.key, v, ENTRY_NO_EXPIRE);
    db_add(g->j.r.db, g->j.r.e, g->j.r.hash);
    key_added(g->j.x, &g->j.r);
}

/* A null that is merged into a part of a document removes that part. */
static bool removes(const struct giving *g) {
    return g->mode == GIVE_MERGE && g->value.kind == JSON_NULL && !g->name &&
           !json_path_is_root(g->j.path);
}

/* ---------------------------------------------------------------- removing */

/* Removes what j found; how many values that are in no other removed one. */
static size_t remove_found(struct json_call *j) {
    size_t n = 0;

    for (size_t i = 0; i < j->m.n; i++) j->m.list[i].v->kind |= JSON_MARK;
    if (j->path->query.descends) return json_prune(j->root);
    for (size_t i = 0; i < j->m.n; i++)
        if (i == 0 || j->m.list[i].parent != j->m.list[i - 1].parent)
            n += json_sweep(j->m.list[i].parent);
    return n;
}

/* The usual case: one member goes without a look at the others. */
static size_t remove_one(struct call *x, const struct json_found *f) {
    struct json v = *f->v;

    *f->v = (struct json){0};
    if (f->parent->kind == JSON_OBJECT)
        json_object_remove(f->parent, f->at);
    else
        json_array_take(f->parent, f->at);
    json_discard(x, v);
    return 1;
}

static size_t remove_values(struct json_call *j) {
    if (j->m.n == 0) return 0;
    return j->m.n == 1 ? remove_one(j->x, &j->m.list[0]) : remove_found(j);
}

static int cmd_json_del(struct call *x) {
    struct json_call j;
    size_t n = 0;
    int rc = -1;

    if (json_begin(&j, x, 2)) {
        if (j.root && json_path_is_root(j.path)) {
            key_delete(x, &j.r, false);
            n = 1;
        } else if (j.root) {
            n = remove_values(&j);
        }
        if (n > 0) key_changed(x, &j.r, EVENT_MODULE, "json.del");
        reply_int(&x->r, (int64_t)n);
        rc = 0;
    }
    json_end(&j);
    return rc;
}

/* ---------------------------------------------------------------- writing */

static bool give_value(struct json *v, const void *giving, struct json *result) {
    (void)result;
    give((struct giving *)giving, v);
    return true;
}

/* Does what find_targets() found. False: nothing was changed. */
static bool give_all(struct giving *g, const char *event) {
    struct json_change how = {.event = event, .fits = json_is_any, .change = give_value};
    struct json_call *j = &g->j;
    struct json *results;

    g->targets = j->root ? j->m.n : 1;
    if (!j->root && g->only_old) return false;
    if (j->root && j->m.n == 0) return false;
    if (j->root && !g->name && !removes(g)) {
        json_change_all(j, &how, g, &results);
        json_results_free(j, results);
        return true;
    }
    if (!j->root)
        make_document(g);
    else if (removes(g))
        remove_values(j);
    else
        give_member(g, j->m.list[0].v);
    key_changed(j->x, &j->r, EVENT_MODULE, event);
    return true;
}

/* The path and the value at two arguments. */
static bool giving_begin(struct giving *g, struct call *x, int path) {
    struct pace pace = call_pace(x);

    *g = (struct giving){.j = {.x = x, .path = json_arg_path(x, path)}};
    if (!g->j.path || !json_arg_value(x, path + 1, &g->value)) return false;
    g->depth = json_depth(&g->value, &pace);
    return true;
}

static void giving_end(struct giving *g) {
    json_clear(&g->value);
    json_end(&g->j);
}

/* One document at argument 1. */
static int give_one(struct call *x, struct giving *g, const char *event) {
    if (!json_lookup(&g->j, x, 1)) return -1;
    if (!find_targets(g)) return reply_err(x, g->error);
    if (give_all(g, event))
        reply_ok(&x->r);
    else
        reply_null(&x->r);
    return 0;
}

static bool arg_condition(struct call *x, bool *only_new, bool *only_old) {
    *only_new = x->argc == 5 && arg_is(x, 4, "NX");
    *only_old = x->argc == 5 && arg_is(x, 4, "XX");
    if (x->argc == 4 || *only_new || *only_old) return true;
    reply_err(x, ERR_SYNTAX);
    return false;
}

static int cmd_json_set(struct call *x) {
    bool only_new, only_old;
    struct giving g;
    int rc = -1;

    if (!arg_condition(x, &only_new, &only_old)) return -1;
    if (giving_begin(&g, x, 2)) {
        g.only_new = only_new;
        g.only_old = only_old;
        rc = give_one(x, &g, "json.set");
    }
    giving_end(&g);
    return rc;
}

static int cmd_json_merge(struct call *x) {
    struct giving g;
    int rc = -1;

    if (giving_begin(&g, x, 2)) {
        g.mode = GIVE_MERGE;
        rc = give_one(x, &g, "json.merge");
    }
    giving_end(&g);
    return rc;
}

/* Whether each key, path and value can be taken as they stand now. Once the first one is stored, no
 * other client is served until the last one is. */
static bool check_givings(struct call *x, struct giving *g, int n) {
    uint64_t work = 0;

    for (int i = 0; i < n; i++) {
        if (!giving_begin(&g[i], x, 2 + 3 * i) || !json_lookup(&g[i].j, x, 1 + 3 * i)) return false;
        g[i].j.work = work;
        if (!find_targets(&g[i])) return reply_err(x, g[i].error) == 0;
        work = g[i].j.work;
        if (work > MSET_WORK_MAX && !call_obeys(x)) return reply_err(x, ERR_JSON_WORK) == 0;
        g[i].j.work = 0;
        json_matches_release(&g[i].j.m);
        g[i].name = NULL;
    }
    return true;
}

/* A key that comes again was changed by then: what its path finds is looked up anew, and what
 * cannot be done any more is left out. The log and replicas have no limit of memory: they get what
 * was done. */
static void give_each(struct call *x, struct giving *g, int n) {
    struct slice *done = mem_dup(x->argv, (size_t)x->argc * sizeof *done);
    bool changed = false;
    int argc = 1;

    for (int i = 0; i < n; i++) {
        if (!json_lookup(&g[i].j, x, 1 + 3 * i) || !find_targets(&g[i])) continue;
        changed |= give_all(&g[i], "json.mset");
        memcpy(&done[argc], &x->argv[1 + 3 * i], 3 * sizeof *done);
        argc += 3;
    }
    if (changed && argc < x->argc) effect(x, argc, done);
    mem_free(done);
}

static int cmd_json_mset(struct call *x) {
    int n = (x->argc - 1) / 3, rc = -1;
    struct giving *g;

    if ((x->argc - 1) % 3 != 0)
        return reply_err(x, "ERR wrong number of arguments for 'json.mset' command");
    g = mem_calloc((size_t)n * sizeof *g);
    if (check_givings(x, g, n)) {
        give_each(x, g, n);
        reply_ok(&x->r);
        rc = 0;
    }
    for (int i = 0; i < n; i++) giving_end(&g[i]);
    mem_free(g);
    return rc;
}

/* ---------------------------------------------------------------- reading */

struct getting {
    struct json_call j;
    struct json_format format;
    struct bytes out;
    struct pace pace;
    int first; /* path */
    bool legacy;
};

/* One value, or an array of what was found. */
static void put_found(struct getting *g, unsigned level) {
    struct json_matches *m = &g->j.m;

    if (g->legacy) {
        json_print(&g->out, m->list[0].v, &g->format, level, &g->pace);
        return;
    }
    bytes_append_char(&g->out, '[');
    for (size_t i = 0; i < m->n && !json_print_is_full(&g->out, &g->format); i++) {
        if (i > 0) bytes_append_char(&g->out, ',');
        json_print_break(&g->out, &g->format, level + 1);
        json_print(&g->out, m->list[i].v, &g->format, level + 1, &g->pace);
    }
    if (m->n > 0) json_print_break(&g->out, &g->format, level);
    bytes_append_char(&g->out, ']');
}

/* False, and an error: the path finds too much, or must find something and does not. */
static bool print_found(struct getting *g, unsigned level) {
    if (!json_find(&g->j)) return false;
    if (g->legacy && g->j.m.n == 0) return json_no_path(&g->j, NULL) == 0;
    put_found(g, level);
    return true;
}

/* The path at argument i; what it finds is not known yet. */
static bool next_path(struct getting *g, int i) {
    json_end(&g->j);
    g->j.path = json_arg_path(g->j.x, i);
    return g->j.path != NULL;
}

/* Several paths become an object, whose names are the paths as given. */
static bool print_paths(struct getting *g) {
    struct call *x = g->j.x;

    if (x->argc - g->first <= 1) return next_path(g, g->first) && print_found(g, 0);
    bytes_append_char(&g->out, '{');
    for (int i = g->first; i < x->argc; i++) {
        if (i > g->first) bytes_append_char(&g->out, ',');
        json_print_break(&g->out, &g->format, 1);
        json_print_string(&g->out, x->argv[i]);
        bytes_append_char(&g->out, ':');
        bytes_append(&g->out, g->format.space.p, g->format.space.n);
        if (!next_path(g, i) || !print_found(g, 1)) return false;
        if (json_print_is_full(&g->out, &g->format)) return true;
    }
    json_print_break(&g->out, &g->format, 0);
    bytes_append_char(&g->out, '}');
    return true;
}

/* Options and paths; paths are legacy ones together or not at all. */
static bool parse_getting(struct getting *g, struct call *x) {
    int i = 2;

    *g = (struct getting){.j = {.x = x}, .pace = call_pace(x), .legacy = true};
    g->format.limit = x->e->v->proto_max_bulk_len;
    for (; i < x->argc; i++) {
        struct slice *to = arg_is(x, i, "INDENT")    ? &g->format.indent
                           : arg_is(x, i, "NEWLINE") ? &g->format.newline
                           : arg_is(x, i, "SPACE")   ? &g->format.space
                                                     : NULL;

        if (!to && !arg_is(x, i, "NOESCAPE")) break;
        if (!to) continue;
        if (i + 1 == x->argc) return reply_err(x, ERR_SYNTAX) == 0;
        *to = x->argv[++i];
    }
    g->first = i;
    for (; i < x->argc; i++) {
        if (!next_path(g, i)) return false;
        g->legacy = g->legacy && g->j.path->legacy;
    }
    return true;
}

static int get(struct call *x, struct getting *g) {
    if (!json_lookup(&g->j, x, 1)) return -1;
    if (!g->j.root) {
        reply_null(&x->r);
        return 0;
    }
    if (!print_paths(g)) return -1;
    if (json_print_is_full(&g->out, &g->format)) return reply_err(x, ERR_TOO_LONG);
    reply_bulk(&x->r, g->out.p, g->out.n);
    return 0;
}

static int cmd_json_get(struct call *x) {
    struct getting g;
    int rc = -1;

    if (parse_getting(&g, x)) rc = get(x, &g);
    bytes_release(&g.out);
    json_end(&g.j);
    return rc;
}

/* A missing key, one of another type, a legacy path to nothing, too much work: null. */
static void mget_one(struct getting *g, int i) {
    struct call *x = g->j.x;
    struct ref r = lookup_read(x, i);

    json_matches_release(&g->j.m);
    bytes_clear(&g->out);
    if (!r.e || r.e->type != TYPE_JSON ||
        !json_path_find(g->j.path, json_of(r.e), &g->pace, &g->j.work, &g->j.m) ||
        (g->legacy && g->j.m.n == 0)) {
        reply_null(&x->r);
        return;
    }
    put_found(g, 0);
    reply_bulk(&x->r, g->out.p, g->out.n);
}

static int cmd_json_mget(struct call *x) {
    struct getting g = {.j = {.x = x, .path = json_arg_path(x, x->argc - 1)}};
    uint64_t from = x->r.out->end;
    int rc = -1;

    if (g.j.path) {
        g.pace = call_pace(x);
        g.legacy = g.j.path->legacy;
        g.format.limit = x->e->v->proto_max_bulk_len;
        reply_array(&x->r, (size_t)x->argc - 2);
        for (int i = 1; i < x->argc - 1 && x->r.out->end - from <= g.format.limit; i++)
            mget_one(&g, i);
        rc = json_check_reply(x, from);
    }
    bytes_release(&g.out);
    json_end(&g.j);
    return rc;
}

static void reply_kind(struct call *x, const struct json *v) {
    reply_bulk_str(&x->r, json_kind_name(v));
}

/* In RESP3 the reply stands in an array of its own. */
static int cmd_json_type(struct call *x) {
    static const struct json_reader how = {
        .fits = json_is_any, .reply = reply_kind, .missing_is_null = true, .path_null = true};
    struct json_call j;
    int rc = -1;

    if (json_begin(&j, x, 2)) {
        if (x->r.resp == 3) reply_array(&x->r, 1);
        rc = json_read_found(&j, &how);
    }
    json_end(&j);
    return rc;
}

/* ---------------------------------------------------------------- rows */

#define W CMD_WRITE
#define R CMD_READONLY
#define O CMD_DENYOOM

/* clang-format off */
const struct command json_commands[] = {
    {"json.del", -2, W, "json", {1, 1, 1}, cmd_json_del, "1.0.0",
     "Removes values of a JSON document, or the document.",
     .grammar = "key@0 [path]",
     .key_specs = "RW delete"},
    {"json.forget", -2, W, "json", {1, 1, 1}, cmd_json_del, "1.0.0",
     "Removes values of a JSON document, or the document.",
     .grammar = "key@0 [path]",
     .key_specs = "RW delete"},
    {"json.get", -2, R, "json", {1, 1, 1}, cmd_json_get, "1.0.0",
     "Gives values of a JSON document as a text.",
     .grammar = "key@0 [INDENT=indent] [NEWLINE=newline] [SPACE=space] [path+]"},
    {"json.merge", 4, W | O, "json", {1, 1, 1}, cmd_json_merge, "2.6.0",
     "Merges a JSON value into values of a JSON document.",
     .grammar = "key@0 path value",
     .key_specs = "RW access update"},
    {"json.mget", -3, R, "json", {1, -2, 1}, cmd_json_mget, "1.0.0",
     "Gives values of several JSON documents as texts.",
     .grammar = "key@0+ path",
     .tips = "request_policy:multi_shard"},
    {"json.mset", -4, W | O, "json", {1, -1, 3}, cmd_json_mset, "2.6.0",
     "Stores JSON values in several documents.",
     .grammar = "data{key@0 path value}+",
     .key_specs = "RW update"},
    {"json.set", -4, W | O, "json", {1, 1, 1}, cmd_json_set, "1.0.0",
     "Stores a JSON value in a document.",
     .grammar = "key@0 path value [condition(NX|XX)]",
     .key_specs = "RW update"},
    {"json.type", -2, R, "json", {1, 1, 1}, cmd_json_type, "1.0.0",
     "Names the types of values of a JSON document.",
     .grammar = "key@0 [path]"},
    {0},
};
/* clang-format on */
