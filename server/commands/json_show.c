/* SPDX-License-Identifier: BSD-3-Clause
 *
 * json_show - what is known of values of JSON documents: members of objects, values as RESP,
 * memory.
 */
#include "server/commands/commands.h"
#include "server/commands/json.h"
#include "server/exec/breathe.h"

/* ---------------------------------------------------------------- objects */

static void reply_length(struct call *x, const struct json *v) {
    reply_int(&x->r, v->n);
}

static void reply_names(struct call *x, const struct json *v) {
    reply_array(&x->r, v->n);
    for (uint32_t i = 0; i < v->n; i++) {
        struct slice name = json_text(&v->u.members[i].name);

        reply_bulk(&x->r, name.p, name.n);
        call_breathe(x);
    }
}

static int cmd_json_objlen(struct call *x) {
    static const struct json_reader how = {
        .fits = json_is_object, .reply = reply_length, .expected = "object", .path_null = true};

    return json_read(x, 2, &how);
}

static int cmd_json_objkeys(struct call *x) {
    static const struct json_reader how = {
        .fits = json_is_object, .reply = reply_names, .expected = "object", .path_null = true};

    return json_read(x, 2, &how);
}

/* ---------------------------------------------------------------- JSON.RESP */

static void reply_resp(struct call *x, const struct json *v);

static void reply_children(struct call *x, const struct json *v) {
    bool object = v->kind == JSON_OBJECT;

    reply_array(&x->r, 1 + (size_t)v->n * (object ? 2 : 1));
    reply_simple(&x->r, object ? "{" : "[");
    for (uint32_t i = 0; i < v->n; i++) {
        if (object) {
            struct slice name = json_text(&v->u.members[i].name);

            reply_bulk(&x->r, name.p, name.n);
        }
        reply_resp(x, json_child(v, i));
    }
}

static void reply_resp(struct call *x, const struct json *v) {
    char number[JSON_NUMBER_MAX];
    struct slice s;

    call_breathe(x);
    switch ((enum json_kind)v->kind) {
    case JSON_NULL: reply_null(&x->r); break;
    case JSON_BOOL: reply_simple(&x->r, v->u.integer ? "true" : "false"); break;
    case JSON_INTEGER: reply_int(&x->r, v->u.integer); break;
    case JSON_DOUBLE: reply_bulk(&x->r, number, json_number_text(number, v)); break;
    case JSON_STRING:
        s = json_text(v);
        reply_bulk(&x->r, s.p, s.n);
        break;
    default: reply_children(x, v);
    }
}

static int cmd_json_resp(struct call *x) {
    static const struct json_reader how = {
        .fits = json_is_any, .reply = reply_resp, .missing_is_null = true, .path_null = false};

    return json_read(x, 2, &how);
}

/* ---------------------------------------------------------------- JSON.DEBUG */

static void reply_memory(struct call *x, const struct json *v) {
    struct pace pace = call_pace(x);

    reply_int(&x->r, (int64_t)(sizeof *v + json_mem(v, &pace)));
}

/* A missing key takes no memory: 0, or nothing for each of no values. */
static int cmd_memory(struct call *x) {
    static const struct json_reader how = {.fits = json_is_any, .reply = reply_memory};
    struct json_call j = {.x = x, .path = json_arg_path(x, 3)};
    int rc = -1;

    if (j.path && json_lookup(&j, x, 2) && json_find(&j)) {
        rc = 0;
        if (j.root)
            rc = !json_check_work(&j) ? -1 : json_read_found(&j, &how);
        else if (j.path->legacy)
            reply_int(&x->r, 0);
        else
            reply_array(&x->r, 0);
    }
    json_end(&j);
    return rc;
}

static int cmd_help(struct call *x) {
    reply_array(&x->r, 2);
    reply_bulk_str(&x->r, "MEMORY <key> [path] - the memory that values take, in bytes");
    reply_bulk_str(&x->r, "HELP                - this text");
    return 0;
}

/* ---------------------------------------------------------------- rows */

#define R CMD_READONLY

/* clang-format off */
static const struct command debug_subcommands[] = {
    {"help", 2, CMD_LOADING | CMD_STALE, "json", {0, 0, 0}, cmd_help, "1.0.0",
     "Explains the subcommands."},
    {"memory", -3, R, "json", {2, 2, 1}, cmd_memory, "1.0.0",
     "Gives the memory that values of a JSON document take.",
     .grammar = "key@0 [path]",
     .key_specs = "RO"},
    {0},
};

const struct command json_show_commands[] = {
    {"json.debug", -2, 0, "json", {0, 0, 0}, NULL, "1.0.0",
     "The commands about the way JSON documents are kept.", .subcommands = debug_subcommands},
    {"json.objkeys", -2, R, "json", {1, 1, 1}, cmd_json_objkeys, "1.0.0",
     "Gives the names of members of objects of a JSON document.",
     .grammar = "key@0 [path]"},
    {"json.objlen", -2, R, "json", {1, 1, 1}, cmd_json_objlen, "1.0.0",
     "Counts the members of objects of a JSON document.",
     .grammar = "key@0 [path]",
     .key_specs = "RO"},
    {"json.resp", -2, R, "json", {1, 1, 1}, cmd_json_resp, "1.0.0",
     "Gives values of a JSON document in RESP.",
     .grammar = "key@0 [path]"},
    {0},
};
/* clang-format on */
