/* SPDX-License-Identifier: BSD-3-Clause
 *
 * set - what the set commands have in common.
 */
#ifndef STET_COMMANDS_SET_H
#define STET_COMMANDS_SET_H

#include "server/commands/parts.h"
#include "server/exec/rules.h"
#include "storage/set.h"

static inline struct set_rules set_rules(const struct call *x) {
    return rules_of_set(x->e->v, parts_now(x));
}

/* The set at argument i; false: another type, answered with an error. */
static inline bool set_for_reading(struct call *x, int i, struct ref *r) {
    *r = lookup_read(x, i);
    return check_type(x, r, TYPE_SET);
}

/* The set of `r`, for parts_open(), made ready for `n` members, of which `first` is one. */
void set_make_ready(struct call *x, struct ref *r, struct slice first, size_t n);

/* A due member that is going to be added again is removed first, and its SREM propagated: where the
 * AOF is read back, nothing is due, and SADD would find it with its time. Concerns those among the
 * n arguments from `first` on; true if there were any: what follows needs effects, too. */
bool set_drop_due(struct call *x, struct part_edit *h, int first, int n);

#endif
