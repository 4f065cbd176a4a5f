/* SPDX-License-Identifier: BSD-3-Clause
 *
 * json - JSON documents: a tree of values, its text, and the type that keys hold.
 *
 * A value takes 16 bytes. A text of up to 14 bytes stands in the value itself, a longer one in an
 * allocation of its own. The items of an array stand side by side in one allocation, and so do the
 * members of an object (32 bytes each: name and value), in the order in which they came. An object
 * of more than JSON_INDEX_MIN members has an index after its members, in the same allocation: an
 * open hash of positions. How many places an allocation has follows from the number in use, so it
 * is stored nowhere; an empty array or object has no allocation.
 *
 * An integer is one of 64 bits, exact; every other number is a double. 1 and 1.0 are equal, and
 * each is printed as it came.
 *
 * Invariants: at most JSON_DEPTH_MAX arrays and objects lie in each other (functions here recurse
 * that far); texts are valid UTF-8; the names of an object differ.
 * A change of an array or object invalidates the addresses of what it directly contains, no
 * others. Not here: paths (json_path.h), what commands do.
 */
#ifndef STET_STORAGE_JSON_H
#define STET_STORAGE_JSON_H

#include "storage/entry.h"

enum {
    JSON_DEPTH_MAX = 128,
    JSON_SHORT_MAX = 14,
    JSON_INDEX_MIN = 32,
    JSON_LEN_MAX = INT32_MAX, /* items, members, bytes of a text */
    JSON_NUMBER_MAX = 40,     /* room for json_number_text */
};

enum json_kind {
    JSON_NULL,
    JSON_BOOL,
    JSON_INTEGER,
    JSON_DOUBLE,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
    JSON_KINDS,
    JSON_MARK = 0x80, /* added to a kind, see json_prune */
};

struct json_member;

/* All-zero: null. It may be moved in memory, and is in one place at a time. */
struct json {
    uint8_t kind;
    uint8_t short_n; /* bytes of a short text; JSON_LONG: it is a long one */
    char text[2];    /* a short text begins here and goes on over the rest */
    uint32_t n;      /* items, members, bytes of a long text */
    union {
        int64_t integer; /* of a bool: 0 or 1 */
        double number;
        char *text;
        struct json *items;
        struct json_member *members;
    } u;
};

struct json_member {
    struct json name; /* a JSON_STRING */
    struct json value;
};

enum { JSON_LONG = 0xff };

static inline bool json_is_number(const struct json *v) {
    return v->kind == JSON_INTEGER || v->kind == JSON_DOUBLE;
}

static inline bool json_is_container(const struct json *v) {
    return v->kind >= JSON_ARRAY;
}

/* The bytes of a string; good until the value is changed or moved. */
static inline struct slice json_text(const struct json *v) {
    if (v->short_n == JSON_LONG) return slice_of(v->u.text, v->n);
    return slice_of((const char *)v + offsetof(struct json, text), v->short_n);
}

/* Items of an array, members of an object; 0 for anything else. */
static inline uint32_t json_count(const struct json *v) {
    return json_is_container(v) ? v->n : 0;
}

/* Child `at` of an array or object. */
static inline struct json *json_child(const struct json *v, uint32_t at) {
    return v->kind == JSON_ARRAY ? &v->u.items[at] : &v->u.members[at].value;
}

/* ---------------------------------------------------------------- values */

static inline struct json json_from_integer(int64_t v) {
    return (struct json){.kind = JSON_INTEGER, .u.integer = v};
}

static inline struct json json_from_double(double v) {
    return (struct json){.kind = JSON_DOUBLE, .u.number = v};
}

static inline struct json json_from_bool(bool v) {
    return (struct json){.kind = JSON_BOOL, .u.integer = v};
}

struct json json_from_text(struct slice text); /* copies it; valid UTF-8 */

/* Frees what the value has; it is null then. */
void json_clear(struct json *v);

struct json json_copy(const struct json *v, const struct pace *pace);

/* Numbers by their value, objects whatever the order of their members. */
bool json_equal(const struct json *a, const struct json *b, const struct pace *pace);

/* -1, 0, 1: two numbers, exactly. */
int json_number_cmp(const struct json *a, const struct json *b);

/* How many arrays and objects lie in each other: 0 for any other value. */
unsigned json_depth(const struct json *v, const struct pace *pace);

/* Bytes of the allocations below the value. */
size_t json_mem(const struct json *v, const struct pace *pace);

/* ---------------------------------------------------------------- arrays */

/* Puts `n` null items before item `at` (at <= n), to be filled by the caller. */
struct json *json_array_open(struct json *a, uint32_t at, uint32_t n);

/* Takes the item out: the caller's. */
struct json json_array_take(struct json *a, uint32_t at);

/* Keeps `n` items from `from` on. */
void json_array_trim(struct json *a, uint32_t from, uint32_t n);

/* ---------------------------------------------------------------- objects */

/* The position of the member, -1: there is none. */
int64_t json_object_at(const struct json *o, struct slice name);
struct json *json_object_find(const struct json *o, struct slice name);

/* Sets a member; takes the value over. A member that is there keeps its place. */
void json_object_set(struct json *o, struct slice name, struct json value);

/* Removes a member. In an object with an index the last one takes its place. */
void json_object_remove(struct json *o, uint32_t at);

/* ---------------------------------------------------------------- many at once */

/* Removes the children that are marked (JSON_MARK added to their kinds): how many. */
uint32_t json_sweep(struct json *v);

/* Does `fn` to the topmost marked values below v and takes the marks away, theirs and those below
 * them. How many they are. */
size_t json_each_marked(struct json *v, void (*fn)(struct json *v));

/* The same for removing them. */
size_t json_prune(struct json *v);

/* ---------------------------------------------------------------- texts (json_text.c) */

struct json_error {
    size_t at; /* where in the text */
    const char *what;
};

/* A text as a value. Of members with one name the last one stays. False: it is none, or lies too
 * deep. */
bool json_parse(struct slice text, const struct pace *pace, struct json *out, struct json_error *e);

/* Whether it is valid UTF-8. */
bool json_is_utf8(struct slice s);

/* All-zero: without blanks and without a limit. */
struct json_format {
    struct slice indent, newline, space;
    size_t limit; /* of the whole output in bytes, 0: none; printing ends soon after it */
};

/* Appends the text; `level` values stand around it. */
void json_print(struct bytes *b, const struct json *v, const struct json_format *f, unsigned level,
                const struct pace *pace);
void json_print_string(struct bytes *b, struct slice s);

/* What stands between the parts of an array or object that a caller prints itself. */
void json_print_break(struct bytes *b, const struct json_format *f, unsigned level);

static inline bool json_print_is_full(const struct bytes *b, const struct json_format *f) {
    return f->limit && b->n > f->limit;
}

/* The text of a number, and its length. A double has the fewest digits that read back, and a point
 * or an exponent. */
size_t json_number_text(char out[static JSON_NUMBER_MAX], const struct json *v);

/* ---------------------------------------------------------------- the type */

static inline struct json *json_of(const struct entry *e) {
    return entry_object(e);
}

/* An entry around a value, which it takes over. */
struct entry *json_entry(struct slice key, struct json v, int64_t expire_ms);

extern const struct type_ops json_type_ops;

#endif
