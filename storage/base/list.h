/* SPDX-License-Identifier: BSD-3-Clause
 *
 * list - intrusive doubly linked list. A struct list is head or link; an unlinked link points to
 * itself, so list_remove() twice is harmless. A link that is all zero counts as unlinked; one that
 * stands in a list must be removed before it is appended to another.
 */
#ifndef STET_BASE_LIST_H
#define STET_BASE_LIST_H

#include "storage/base/check.h"

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev, *next;
};

#define list_entry(link, type, member) ((type *)((char *)(link)-offsetof(type, member)))
#define list_each(it, head)            for (struct list *it = (head)->next; it != (head); it = it->next)
#define list_each_safe(it, nx, head)                                                               \
    for (struct list *it = (head)->next, *nx = it->next; it != (head); it = nx, nx = it->next)

static inline void list_init(struct list *l) {
    l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l) {
    return l->next == l;
}

static inline void list_remove(struct list *l) {
    l->prev->next = l->next;
    l->next->prev = l->prev;
    list_init(l);
}

static inline void list_append(struct list *head, struct list *l) {
    DCHECK(!l->next || l->next == l);
    l->prev = head->prev;
    l->next = head;
    head->prev->next = l;
    head->prev = l;
}

/* Moves all of `from` to the end of `to`. */
static inline void list_splice(struct list *to, struct list *from) {
    if (list_empty(from)) return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#endif
