/* SPDX-License-Identifier: BSD-3-Clause
 *
 * scan_options - what SCAN, HSCAN, SSCAN and ZSCAN have in common: their arguments and the frame of
 * their reply.
 *
 * The order of the checks: cursor; then, where there is a key, that it exists and has the right
 * type; then the options.
 */
#ifndef STET_COMMANDS_SCAN_OPTIONS_H
#define STET_COMMANDS_SCAN_OPTIONS_H

#include "server/exec/call.h"
#include "storage/base/glob.h"

enum { /* options beyond MATCH and COUNT */
       SCAN_TYPE = 1 << 0,
       SCAN_NOVALUES = 1 << 1,
       SCAN_SLOT = 1 << 2,
       SCAN_NOSCORES = 1 << 3, /* Valkey's */
};

struct scan_options {
    uint64_t cursor;
    int64_t count;        /* 1 at least */
    struct slice pattern; /* p is NULL: everything matches */
    struct slice type;    /* p is NULL: any */
    int64_t slot;         /* -1: any */
    bool novalues;        /* NOVALUES or NOSCORES */
};

/* Argument i as a cursor. False: answered with an error. */
bool scan_parse_cursor(struct call *x, int i, uint64_t *cursor);

/* The options from argument i on; all of *o but the cursor is set. `allowed`: which of the enum
 * above. False: answered with an error. */
bool scan_parse_options(struct call *x, int i, unsigned allowed, struct scan_options *o);

static inline bool scan_matches(const struct scan_options *o, struct slice text) {
    return !o->pattern.p || glob_match(o->pattern, text, false);
}

/* How many steps through a table one call may take, so that an almost empty one does not delay
 * other clients. */
static inline uint64_t scan_steps(const struct scan_options *o) {
    return o->count < INT64_MAX / 10 ? (uint64_t)o->count * 10 : INT64_MAX;
}

/* One call of HSCAN, SSCAN or ZSCAN: argument 1 is the key, 2 the cursor. */
struct scan_walk {
    struct call *x;
    struct scan_options o;
    struct bytes found; /* elements as they are replied; their number must be known first */
    size_t n, seen;     /* elements in `found`; items that came by */
};

/* Visits some items of a value with scan_item(); the type's own way of doing it. */
typedef uint64_t (*scan_step_fn)(const struct entry *e, uint64_t cursor, struct scan_walk *w);

/* Parses, looks up, walks and answers. */
int scan_value(struct call *x, enum type_id type, unsigned allowed, scan_step_fn step);

/* An item came by. True if it is wanted: scan_found() follows for each of its elements. */
bool scan_item(struct scan_walk *w, struct slice name);
void scan_found(struct scan_walk *w, struct slice element);

/* The next cursor and the head of an array, which n elements are to follow. */
void scan_reply(struct call *x, uint64_t cursor, size_t n);

#endif
