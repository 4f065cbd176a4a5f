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

/* As parts_open() and parts_close(), without the way through struct part_kind. */
static inline bool hash_open(struct call *x, struct part_edit *h) {
    h->r = lookup_write(x, 1);
    h->kind = &hash_parts;
    h->due_before = ENTRY_NO_EXPIRE;
    if (!h->r.e) return true;
    if (h->r.e->type != TYPE_HASH) return check_type(x, &h->r, TYPE_HASH);
    h->due_before = hash_next_due(h->r.e);
    return true;
}

static inline void hash_close(struct call *x, struct part_edit *h, uint64_t n, const char *event) {
    if (h->r.e) db_parts_changed(h->r.db, h->r.e, h->due_before);
    if (n > 0) parts_changed(x, h, n, hash_len(h->r.e) == 0, event);
}

/* Makes an empty hash if there is none. */
void hash_make(struct call *x, struct part_edit *h);

#endif
