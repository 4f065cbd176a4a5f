/* SPDX-License-Identifier: BSD-3-Clause
 *
 * list - what the families of list commands share.
 */
#ifndef STET_COMMANDS_LIST_H
#define STET_COMMANDS_LIST_H

#include "server/commands/support.h"
#include "server/exec/rules.h"
#include "storage/listval.h"

static inline struct ql_limits list_limits(const struct call *x) {
    return rules_of_list(x->e->v);
}

/* LEFT or RIGHT; false: an error was answered. */
bool arg_list_end(struct call *x, int i, bool *front);

/* Makes an empty list if there is no entry; then pushes the n values. */
void list_push(struct call *x, struct ref *r, const struct slice *v, size_t n, bool front);

/* Takes n elements off one end, tells that, and deletes an empty list. */
void list_take(struct call *x, struct ref *r, size_t n, bool front);

/* Something was removed: tells `event`, and deletes an empty list. */
void list_removed(struct call *x, struct ref *r, const char *event);

/* The element at one end, in a form that outlives the list: `keep` is to be released. */
struct slice list_end_value(const struct entry *e, bool front, struct bytes *keep);

#endif
