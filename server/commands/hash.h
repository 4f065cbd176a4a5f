/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hash - what the hash commands have in common.
 */
#ifndef STET_COMMANDS_HASH_H
#define STET_COMMANDS_HASH_H

#include "server/commands/parts.h"
#include "server/exec/rules.h"
#include "storage/hash.h"

static inline struct hash_rules hash_rules(const struct call *x) {
    return rules_of_hash(x->e->v, parts_now(x));
}

/* The hash at argument 1; false: another type, answered with an error. */
static inline bool hash_for_reading(struct call *x, struct ref *r) {
    *r = lookup_read(x, 1);
    return check_type(x, r, TYPE_HASH);
}

/* Makes an empty hash if there is none. */
void hash_make(struct call *x, struct part_edit *h);

#endif
