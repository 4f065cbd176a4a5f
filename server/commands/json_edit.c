/* SPDX-License-Identifier: BSD-3-Clause
 *
 * json_edit - numbers, strings and booleans of JSON documents changed in place; JSON.CLEAR.
 *
 * A sum or product of integers that 64 bits cannot hold becomes a double. Nothing is changed if
 * one of the results would not be finite.
 */
#include "server/commands/commands.h"
#include "server/commands/json.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"

#include <math.h>

/* ---------------------------------------------------------------- numbers */

struct operation {
    struct json by;
    bool multiply;
};

static struct json result_of(const struct json *v, const struct operation *op) {
    int64_t whole;
    double a = v->kind == JSON_INTEGER ? (double)v->u.integer : v->u.number;
    double b = op->by.kind == JSON_INTEGER ? (double)op->by.u.integer : op->by.u.number;

    if (v->kind == JSON_INTEGER && op->by.kind == JSON_INTEGER &&
        !(op->multiply ? __builtin_mul_overflow(v->u.integer, op->by.u.integer, &whole)
                       : __builtin_add_overflow(v->u.integer, op->by.u.integer, &whole)))
        return json_from_integer(whole);
    return json_from_double(op->multiply ? a * b : a + b);
}

static bool check_number(struct call *x, const struct json_found *f, const void *arg) {
    struct json v = result_of(f->v, arg);

    if (v.kind == JSON_INTEGER || isfinite(v.u.number)) return true;
    reply_err(x, "ERR result is not a number");
    return false;
}

static bool change_number(struct json *v, const void *arg, struct json *result) {
    *result = *v = result_of(v, arg);
    return true;
}

static void reply_number(struct call *x, const struct json *v) {
    if (v->kind == JSON_INTEGER)
        reply_int(&x->r, v->u.integer);
    else if (v->kind == JSON_DOUBLE)
        reply_double(&x->r, v->u.number);
    else
        reply_null(&x->r);
}

/* RESP2 gets a text: the last number of a legacy path, or an array. */
static void reply_number_text(struct json_call *j, const struct json *results) {
    static const struct json_format plain;
    struct bytes b = {0};

    if (j->path->legacy) {
        size_t n = j->m.n;

        while (n > 1 && results[n - 1].kind == JSON_NULL) n--;
        json_print(&b, &results[n - 1], &plain, 0, PACE_NONE);
    } else {
        bytes_append_char(&b, '[');
        for (size_t i = 0; i < j->m.n; i++) {
            if (i > 0) bytes_append_char(&b, ',');
            json_print(&b, &results[i], &plain, 0, PACE_NONE);
        }
        bytes_append_char(&b, ']');
    }
    reply_bulk(&j->x->r, b.p, b.n);
    bytes_release(&b);
}

static void reply_numbers(struct json_call *j, const struct json *results) {
    if (j->x->r.resp == 2) {
        reply_number_text(j, results);
        return;
    }
    reply_array(&j->x->r, j->m.n);
    for (size_t i = 0; i < j->m.n; i++) reply_number(j->x, &results[i]);
}

static bool arg_number(struct call *x, int i, struct json *out) {
    if (!json_arg_value(x, i, out)) return false;
    if (json_is_number(out)) return true;
    json_clear(out);
    reply_err(x, "ERR the value must be a number");
    return false;
}

static int change_numbers(struct call *x, bool multiply) {
    const struct json_change how = {.event = multiply ? "json.nummultby" : "json.numincrby",
                                    .or_what = "does not contain a number",
                                    .fits = json_is_number,
                                    .check = check_number,
                                    .change = change_number};
    struct operation op = {.multiply = multiply};
    struct json *results = NULL;
    struct json_call j = {0};
    int rc = -1;

    if (arg_number(x, 3, &op.by) && json_begin(&j, x, 2))
        rc = j.root ? json_change_all(&j, &how, &op, &results) : reply_err(x, ERR_JSON_NO_KEY);
    if (rc == 0) reply_numbers(&j, results);
    json_results_free(&j, results);
    json_end(&j);
    return rc;
}

static int cmd_json_numincrby(struct call *x) {
    return change_numbers(x, false);
}

static int cmd_json_nummultby(struct call *x) {
    return change_numbers(x, true);
}

/* ---------------------------------------------------------------- strings */

static void reply_string_length(struct call *x, const struct json *v) {
    reply_int(&x->r, (int64_t)json_text(v).n);
}

static int cmd_json_strlen(struct call *x) {
    static const struct json_reader how = {
        .fits = json_is_string, .reply = reply_string_length, .expected = "string"};

    return json_read(x, 2, &how);
}

static bool check_appending(struct call *x, const struct json_found *f, const void *arg) {
    return check_length(x, json_text(f->v).n, json_text(arg).n) &&
           (json_text(f->v).n + json_text(arg).n <= JSON_LEN_MAX ||
            reply_err(x, ERR_TOO_LONG) == 0);
}

static bool append_text(struct json *v, const void *arg, struct json *result) {
    struct slice more = json_text(arg), text = json_text(v);
    struct bytes b = {0};

    *result = json_from_integer((int64_t)(text.n + more.n));
    if (more.n == 0) return false;
    bytes_append(&b, text.p, text.n);
    bytes_append(&b, more.p, more.n);
    json_clear(v);
    *v = json_from_text(bytes_slice(&b));
    bytes_release(&b);
    return true;
}

static int cmd_json_strappend(struct call *x) {
    struct json_change how = {.event = "json.strappend",
                              .or_what = "not a string",
                              .fits = json_is_string,
                              .check = check_appending,
                              .change = append_text,
                              .reply = reply_number};
    int at = x->argc - 1, rc = -1; /* the path may be left out */
    struct json text = {0};

    if (x->argc > 4) return reply_err(x, ERR_SYNTAX);
    if (!json_arg_value(x, at, &text)) return -1;
    if (text.kind != JSON_STRING) {
        reply_errf(x, "WRONGTYPE wrong type of path value - expected string but found %s",
                   json_kind_name(&text));
    } else {
        how.each = json_text(&text).n;
        rc = json_change_each(x, at == 2 ? x->argc : 2, &how, &text);
    }
    json_clear(&text);
    return rc;
}

/* ---------------------------------------------------------------- booleans */

static bool is_bool(const struct json *v) {
    return v->kind == JSON_BOOL;
}

static bool toggle(struct json *v, const void *arg, struct json *result) {
    (void)arg;
    v->u.integer = !v->u.integer;
    *result = json_from_integer(v->u.integer);
    return true;
}

static void reply_word(struct call *x, const struct json *result) {
    reply_bulk_str(&x->r, result->u.integer ? "true" : "false");
}

static int cmd_json_toggle(struct call *x) {
    static const struct json_change how = {.event = "json.toggle",
                                           .or_what = "not a bool",
                                           .fits = is_bool,
                                           .change = toggle,
                                           .reply = reply_number,
                                           .reply_legacy = reply_word};

    return json_change_each(x, 2, &how, NULL);
}

/* ---------------------------------------------------------------- JSON.CLEAR */

/* What is empty or 0 already does not count. */
static bool can_be_cleared(const struct json *v) {
    if (v->kind == JSON_DOUBLE) return v->u.number != 0;
    return json_count(v) > 0 || (v->kind == JSON_INTEGER && v->u.integer != 0);
}

static void clear_value(struct json *v) {
    uint8_t kind = json_is_number(v) ? JSON_INTEGER : v->kind;

    json_clear(v);
    v->kind = kind;
}

/* Values within a cleared one are gone, and do not count. */
static size_t clear_found(struct json_call *j) {
    size_t n = 0;

    for (size_t i = 0; i < j->m.n; i++) {
        struct json *v = j->m.list[i].v;

        if (v->kind & JSON_MARK || !can_be_cleared(v)) continue;
        n++;
        if (j->path->query.descends)
            v->kind |= JSON_MARK;
        else
            clear_value(v);
    }
    return n > 0 && j->path->query.descends ? json_each_marked(j->root, clear_value) : n;
}

static int cmd_json_clear(struct call *x) {
    struct json_call j;
    int rc = -1;

    if (json_begin(&j, x, 2)) {
        if (!j.root) {
            reply_err(x, ERR_JSON_NO_KEY);
        } else {
            size_t n = clear_found(&j);

            if (n > 0) key_changed(x, &j.r, EVENT_MODULE, "json.clear");
            reply_int(&x->r, (int64_t)n);
            rc = 0;
        }
    }
    json_end(&j);
    return rc;
}

/* ---------------------------------------------------------------- rows */

#define W CMD_WRITE
#define R CMD_READONLY
#define O CMD_DENYOOM

/* clang-format off */
const struct command json_edit_commands[] = {
    {"json.clear", -2, W, "json", {1, 1, 1}, cmd_json_clear, "2.0.0",
     "Empties arrays and objects of a JSON document, and makes its numbers 0.",
     .grammar = "key@0 [path]",
     .key_specs = "RW update"},
    {"json.numincrby", 4, W | O, "json", {1, 1, 1}, cmd_json_numincrby, "1.0.0",
     "Adds to numbers of a JSON document.",
     .grammar = "key@0 path value:double",
     .key_specs = "RW access update"},
    {"json.nummultby", 4, W | O, "json", {1, 1, 1}, cmd_json_nummultby, "1.0.0",
     "Multiplies numbers of a JSON document.",
     .grammar = "key@0 path value:double",
     .key_specs = "RW access update"},
    {"json.strappend", -3, W | O, "json", {1, 1, 1}, cmd_json_strappend, "1.0.0",
     "Appends to strings of a JSON document.",
     .grammar = "key@0 [path] value",
     .key_specs = "RW insert"},
    {"json.strlen", -2, R, "json", {1, 1, 1}, cmd_json_strlen, "1.0.0",
     "Gives the lengths of strings of a JSON document.",
     .grammar = "key@0 [path]",
     .key_specs = "RO"},
    {"json.toggle", 3, W, "json", {1, 1, 1}, cmd_json_toggle, "2.0.0",
     "Turns booleans of a JSON document around.",
     .grammar = "key@0 path",
     .key_specs = "RW access update"},
    {0},
};
/* clang-format on */
