/* SPDX-License-Identifier: BSD-3-Clause
 *
 * json - what the commands on JSON documents share: paths and values as arguments, what a path
 * finds, and changes of several values.
 *
 * A path that begins with `$` may find any number of values: the reply is an array with one element
 * a value. A legacy path means one value: the reply is about that, and a missing one is an error.
 * What a legacy path changes are all values that it finds; the reply is about the last one.
 */
#ifndef STET_COMMANDS_JSON_H
#define STET_COMMANDS_JSON_H

#include "server/commands/support.h"
#include "storage/json_path.h"

#define ERR_JSON_NO_KEY "ERR could not perform this operation on a key that doesn't exist"
#define ERR_JSON_DEPTH  "ERR a JSON document may have 128 levels at the most"
#define ERR_JSON_GROWTH "ERR the values would grow too much together (proto-max-bulk-len)"
#define ERR_JSON_WORK   "ERR the path takes too much work or finds too many values"

/* A document and the values that a path finds in it. */
struct json_call {
    struct call *x;
    struct ref r;
    struct json *root; /* NULL: the key is missing */
    struct json_path *path;
    struct json_matches m;
    uint64_t work; /* of all paths of the command */
};

/* Each of these answers with an error and returns false if it cannot do it. */

/* Argument i as a path; the caller's to free. Where it was not given: the legacy root. */
struct json_path *json_arg_path(struct call *x, int i);

/* Argument i as a value. */
bool json_arg_value(struct call *x, int i, struct json *out);

/* Looks up the document at argument `key`, for what the command's row says. */
bool json_lookup(struct json_call *j, struct call *x, int key);

/* The path at argument i, the document at argument 1, and what the path finds. json_end() is to be
 * called whatever the result is. */
bool json_begin(struct json_call *j, struct call *x, int i);
void json_end(struct json_call *j);

/* Finds what j->path leads to; without a document nothing. */
bool json_find(struct json_call *j);

/* Whether it can be afforded to go through all of each value that was found: one that was found
 * often costs often. */
bool json_check_work(struct json_call *j);

/* "Path 'x' does not exist", with " or `or`" if that is given. Returns -1. */
int json_no_path(const struct json_call *j, const char *or_what);

/* "wrong type of path value". Returns -1. */
int json_wrong_value(const struct json_call *j, const char *expected, const struct json *found);

/* Whether `n` values of a document may each grow by `each` bytes: together not by more than the
 * largest text that a client may send. One may. */
bool json_may_grow(const struct call *x, size_t n, size_t each);

/* Frees a value that was taken out of a document; on another thread if that takes long. */
void json_discard(struct call *x, struct json v);

/* "null", "boolean", "integer", "number", "string", "array", "object". */
const char *json_kind_name(const struct json *v);

/* The text of a value as a bulk. */
void json_reply_text(struct call *x, const struct json *v);

/* ---------------------------------------------------------------- readers */

/* A command that says something of each value. */
struct json_reader {
    bool (*fits)(const struct json *v);
    void (*reply)(struct call *x, const struct json *v);
    const char *expected; /* the kind that `fits` takes, for the error of a legacy path */
    bool missing_is_null; /* a missing key: null for any path, not an error for `$` */
    bool path_null;       /* a legacy path to nothing: null, not an error */
};

/* The reply about the values at the path in argument i. */
int json_read(struct call *x, int i, const struct json_reader *how);
int json_read_found(struct json_call *j, const struct json_reader *how);

/* 0; -1, and an error in place of what the reply has since `from`: that became too long. */
int json_check_reply(struct call *x, uint64_t from);

/* ---------------------------------------------------------------- changes */

/* A command that changes each value of a kind, by itself. */
struct json_change {
    const char *event;
    const char *or_what; /* what a value that does not fit is not: "not an array" */
    bool (*fits)(const struct json *v);
    size_t each; /* bytes by which a value grows */
    /* Whether the value can be changed; before any is. NULL: it can. */
    bool (*check)(struct call *x, const struct json_found *f, const void *arg);
    /* Changes the value and says what is to be replied of it, JSON_NULL: nil. False: it was not
     * changed. Values are changed from the deepest up, each one once. */
    bool (*change)(struct json *v, const void *arg, struct json *result);
    void (*reply)(struct call *x, const struct json *result);
    /* The same for a legacy path; NULL: the same function. */
    void (*reply_legacy)(struct call *x, const struct json *result);
};

/* Does it at the path in argument i. */
int json_change_each(struct call *x, int i, const struct json_change *how, const void *arg);

/* The results of it, for commands with a reply of their own: 0, and *results has one element a
 * match (the caller's to give to json_results_free). */
int json_change_all(struct json_call *j, const struct json_change *how, const void *arg,
                    struct json **results);
void json_results_free(const struct json_call *j, struct json *results);

bool json_is_any(const struct json *v);
bool json_is_array(const struct json *v);
bool json_is_object(const struct json *v);
bool json_is_string(const struct json *v);

#endif
