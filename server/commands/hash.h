/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hash - what the hash commands have in common.
 */
#ifndef STET_COMMANDS_HASH_H
#define STET_COMMANDS_HASH_H

#include "server/commands/support.h"
#include "server/exec/rules.h"
#include "storage/hash.h"

/* The time by which fields are due. While the AOF is read back none is: it says itself which ones
 * were removed; and so does the source of an import. */
static inline int64_t hash_now(const struct call *x) {
    return call_sees_due(x) ? HASH_ALL : x->now_ms;
}

static inline struct hash_rules hash_rules(const struct call *x) {
    return rules_of_hash(x->e->v, hash_now(x));
}

/* The hash at argument 1; false: another type, answered with an error. */
static inline bool hash_for_reading(struct call *x, struct ref *r) {
    *r = lookup_read(x, 1);
    return check_type(x, r, TYPE_HASH);
}

/* A hash that a command changes. */
struct hash_edit {
    struct ref r;       /* r.e is NULL: there is none (yet) */
    int64_t due_before; /* what its next due time was */
};

/* False: another type, answered with an error. */
bool hash_open(struct call *x, struct hash_edit *h);

/* Makes an empty hash if there is none. */
void hash_make(struct call *x, struct hash_edit *h);

/* Ends the change: an empty hash is deleted, the index of due times follows. `event` is told, and
 * `n` changes are counted; n 0: nothing changed. */
void hash_close(struct call *x, struct hash_edit *h, uint64_t n, const char *event);

#endif
