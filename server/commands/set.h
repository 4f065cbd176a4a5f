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

/* As parts_open() and parts_close(), for the commands that most sets see, which have no times. */
static inline bool set_open(struct call *x, struct part_edit *h) {
    h->r = lookup_write(x, 1);
    h->kind = &set_parts;
    h->due_before = ENTRY_NO_EXPIRE;
    if (!h->r.e) return true;
    if (h->r.e->type != TYPE_SET) return check_type(x, &h->r, TYPE_SET);
    if (set_is_timed(h->r.e)) h->due_before = set_next_due(h->r.e);
    return true;
}

static inline void set_close(struct call *x, struct part_edit *h, uint64_t n, const char *event) {
    if (h->r.e && set_is_timed(h->r.e)) db_parts_changed(h->r.db, h->r.e, h->due_before);
    if (n > 0) parts_changed(x, h, n, set_len(h->r.e) == 0, event);
}

/* The same after n members were added. */
static inline void set_added(struct call *x, struct part_edit *h, uint64_t n) {
    if (set_is_timed(h->r.e)) db_parts_changed(h->r.db, h->r.e, h->due_before);
    if (n > 0) parts_changed(x, h, n, false, "sadd");
}

/* The set of `r` made ready for `n` members, of which `first` is one. */
void set_make_ready(struct call *x, struct ref *r, struct slice first, size_t n,
                    const struct set_rules *rules);

/* Due members that are going to be added again, among the n arguments from `first` on. Where the
 * AOF is read back nothing is due: SADD finds them with their times there, so a SPERSIST follows
 * it. (A SREM before it could empty the set, and the key would lose its own time.) */
void set_note_due(struct call *x, const struct part_edit *h, int first, int n,
                  struct part_list *due);

#endif
