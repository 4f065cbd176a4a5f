/* SPDX-License-Identifier: BSD-3-Clause
 *
 * json_array - arrays of JSON documents.
 */
#include "server/commands/commands.h"
#include "server/commands/json.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"

static void reply_count(struct call *x, const struct json *result) {
    if (result->kind == JSON_INTEGER)
        reply_int(&x->r, result->u.integer);
    else
        reply_null(&x->r);
}

static void reply_length(struct call *x, const struct json *v) {
    reply_int(&x->r, v->n);
}

static int cmd_json_arrlen(struct call *x) {
    static const struct json_reader how = {
        .fits = json_is_array, .reply = reply_length, .expected = "array"};

    return json_read(x, 2, &how);
}

/* ---------------------------------------------------------------- adding */

struct adding {
    struct json *values;
    uint32_t n;
    unsigned depth; /* of the deepest one */
    size_t bytes;   /* of all */
    bool append;
    int64_t at; /* where they are inserted; negative: from the end */
};

static int64_t place_of(int64_t at, uint32_t n) {
    return at < 0 ? at + n : at;
}

static bool check_adding(struct call *x, const struct json_found *f, const void *arg) {
    const struct adding *a = arg;
    int64_t at = a->append ? 0 : place_of(a->at, f->v->n);

    if (at < 0 || at > f->v->n) return reply_err(x, "ERR index out of bounds") == 0;
    if (f->depth + 1 + a->depth > JSON_DEPTH_MAX) return reply_err(x, ERR_JSON_DEPTH) == 0;
    return a->n <= JSON_LEN_MAX - f->v->n || reply_err(x, "ERR an array would be too long") == 0;
}

static bool add_values(struct json *v, const void *arg, struct json *result) {
    const struct adding *a = arg;
    uint32_t at = a->append ? v->n : (uint32_t)place_of(a->at, v->n);
    struct json *to = json_array_open(v, at, a->n);

    for (uint32_t i = 0; i < a->n; i++) to[i] = json_copy(&a->values[i], PACE_NONE);
    *result = json_from_integer(v->n);
    return true;
}

/* Values from argument i on. */
static bool parse_adding(struct call *x, int i, struct adding *a) {
    struct pace pace = call_pace(x);

    a->values = mem_calloc((size_t)(x->argc - i) * sizeof *a->values);
    for (; i < x->argc; i++) {
        unsigned depth;

        if (!json_arg_value(x, i, &a->values[a->n])) return false;
        a->bytes += sizeof *a->values + json_mem(&a->values[a->n], &pace);
        depth = json_depth(&a->values[a->n++], &pace);
        if (depth > a->depth) a->depth = depth;
    }
    return true;
}

static int add(struct call *x, int i, struct adding *a, const char *event) {
    struct json_change how = {.event = event,
                              .or_what = "not an array",
                              .fits = json_is_array,
                              .check = check_adding,
                              .change = add_values,
                              .reply = reply_count};
    int rc = -1;

    if (parse_adding(x, i, a)) {
        how.each = a->bytes;
        rc = json_change_each(x, 2, &how, a);
    }
    for (uint32_t k = 0; k < a->n; k++) json_clear(&a->values[k]);
    mem_free(a->values);
    return rc;
}

static int cmd_json_arrappend(struct call *x) {
    return add(x, 3, &(struct adding){.append = true}, "json.arrappend");
}

static int cmd_json_arrinsert(struct call *x) {
    struct adding a = {0};

    return arg_int(x, 3, &a.at) ? add(x, 4, &a, "json.arrinsert") : -1;
}

/* ---------------------------------------------------------------- removing */

/* The result is an array of what was popped, which may be a null. */
static bool pop_value(struct json *v, const void *arg, struct json *result) {
    int64_t at;

    if (v->n == 0) return false;
    *result = (struct json){.kind = JSON_ARRAY};
    at = place_of(*(const int64_t *)arg, v->n);
    if (at < 0) at = 0;
    if (at >= v->n) at = v->n - 1;
    *json_array_open(result, 0, 1) = json_array_take(v, (uint32_t)at);
    return true;
}

static void reply_popped(struct call *x, const struct json *result) {
    if (result->kind == JSON_NULL)
        reply_null(&x->r);
    else
        json_reply_text(x, json_child(result, 0));
}

static int cmd_json_arrpop(struct call *x) {
    static const struct json_change how = {.event = "json.arrpop",
                                           .or_what = "not an array",
                                           .fits = json_is_array,
                                           .change = pop_value,
                                           .reply = reply_popped};
    int64_t at = -1;

    if (x->argc > 4) return reply_err(x, ERR_SYNTAX);
    if (x->argc == 4 && !arg_int(x, 3, &at)) return -1;
    return json_change_each(x, 2, &how, &at);
}

struct trimming {
    int64_t start, stop; /* `stop` is kept too */
};

static bool trim(struct json *v, const void *arg, struct json *result) {
    const struct trimming *t = arg;
    int64_t n = v->n, start = place_of(t->start, v->n), stop = place_of(t->stop, v->n);

    if (start < 0) start = 0;
    if (stop >= n) stop = n - 1;
    if (start > stop) start = stop + 1;
    if (stop < 0 || start > stop)
        json_array_trim(v, 0, 0);
    else
        json_array_trim(v, (uint32_t)start, (uint32_t)(stop - start + 1));
    *result = json_from_integer(v->n);
    return v->n != n;
}

static int cmd_json_arrtrim(struct call *x) {
    static const struct json_change how = {.event = "json.arrtrim",
                                           .or_what = "not an array",
                                           .fits = json_is_array,
                                           .change = trim,
                                           .reply = reply_count};
    struct trimming t;

    if (!arg_int(x, 3, &t.start) || !arg_int(x, 4, &t.stop)) return -1;
    return json_change_each(x, 2, &how, &t);
}

/* ---------------------------------------------------------------- searching */

struct searching {
    struct json value;
    int64_t start, stop; /* `stop` is not looked at; 0: the end */
};

static int64_t clamp(int64_t v, int64_t n) {
    return v < 0 ? 0 : v > n ? n : v;
}

static int64_t search(struct call *x, const struct json *v, const struct searching *s) {
    struct pace pace = call_pace(x);
    int64_t n = v->n, start = clamp(place_of(s->start, v->n), n);
    int64_t stop = s->stop == 0 ? n : clamp(place_of(s->stop, v->n), n);

    for (int64_t i = start; i < stop; i++)
        if (json_equal(&v->u.items[i], &s->value, &pace)) return i;
    return -1;
}

static void reply_place(struct json_call *j, const struct json_found *f,
                        const struct searching *s) {
    if (f->v->kind == JSON_ARRAY)
        reply_int(&j->x->r, search(j->x, f->v, s));
    else
        reply_null(&j->x->r);
}

static int search_found(struct json_call *j, const struct searching *s) {
    if (!j->root) return reply_err(j->x, ERR_JSON_NO_KEY);
    if (!json_check_work(j)) return -1;
    if (j->path->legacy) {
        if (j->m.n == 0) return json_no_path(j, NULL);
        if (j->m.list[0].v->kind != JSON_ARRAY) return json_wrong_value(j, "array", j->m.list[0].v);
        reply_place(j, &j->m.list[0], s);
        return 0;
    }
    reply_array(&j->x->r, j->m.n);
    for (size_t i = 0; i < j->m.n; i++) reply_place(j, &j->m.list[i], s);
    return 0;
}

static int cmd_json_arrindex(struct call *x) {
    struct searching s = {.stop = 0};
    struct json_call j = {0};
    int rc = -1;

    if (x->argc > 6) return reply_err(x, ERR_SYNTAX);
    if (x->argc > 4 && !arg_int(x, 4, &s.start)) return -1;
    if (x->argc > 5 && !arg_int(x, 5, &s.stop)) return -1;
    if (json_arg_value(x, 3, &s.value) && json_begin(&j, x, 2)) rc = search_found(&j, &s);
    json_clear(&s.value);
    json_end(&j);
    return rc;
}

/* ---------------------------------------------------------------- rows */

#define W CMD_WRITE
#define R CMD_READONLY
#define O CMD_DENYOOM

/* clang-format off */
const struct command json_array_commands[] = {
    {"json.arrappend", -4, W | O, "json", {1, 1, 1}, cmd_json_arrappend, "1.0.0",
     "Appends values to arrays of a JSON document.",
     .grammar = "key@0 path value+",
     .key_specs = "RW insert"},
    {"json.arrindex", -4, R, "json", {1, 1, 1}, cmd_json_arrindex, "1.0.0",
     "Finds the first place of a value in arrays of a JSON document.",
     .grammar = "key@0 path value [range{start:int [stop:int]}]"},
    {"json.arrinsert", -5, W | O, "json", {1, 1, 1}, cmd_json_arrinsert, "1.0.0",
     "Inserts values into arrays of a JSON document.",
     .grammar = "key@0 path index:int value+",
     .key_specs = "RW insert"},
    {"json.arrlen", -2, R, "json", {1, 1, 1}, cmd_json_arrlen, "1.0.0",
     "Gives the lengths of arrays of a JSON document.",
     .grammar = "key@0 [path]",
     .key_specs = "RO"},
    {"json.arrpop", -2, W, "json", {1, 1, 1}, cmd_json_arrpop, "1.0.0",
     "Removes a value of arrays of a JSON document and gives it.",
     .grammar = "key@0 [place{path [index:int]}]",
     .key_specs = "RW access delete"},
    {"json.arrtrim", 5, W, "json", {1, 1, 1}, cmd_json_arrtrim, "1.0.0",
     "Keeps a range of arrays of a JSON document.",
     .grammar = "key@0 path start:int stop:int",
     .key_specs = "RW delete"},
    {0},
};
/* clang-format on */
