/* SPDX-License-Identifier: BSD-3-Clause
 *
 * set - what the set commands have in common.
 */
#ifndef STET_COMMANDS_SET_H
#define STET_COMMANDS_SET_H

#include "server/commands/support.h"
#include "server/exec/rules.h"
#include "storage/set.h"

static inline struct set_rules set_rules(const struct call *x) {
    return rules_of_set(x->e->v);
}

/* The set at argument i; false: another type, answered with an error. */
static inline bool set_for_reading(struct call *x, int i, struct ref *r) {
    *r = lookup_read(x, i);
    return check_type(x, r, TYPE_SET);
}

/* Ends a change of n members (0: nothing changed): tells `event`, deletes a set that is empty. */
void set_close(struct call *x, struct ref *r, uint64_t n, const char *event);

#endif
