/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sketch - what the commands on probabilistic types share.
 *
 * Every change goes into the AOF as received, without the items that a filter had no room for: the
 * same commands make the same sketch anywhere. As with Redis' module there are no keyspace events
 * but "new".
 */
#ifndef STET_COMMANDS_SKETCH_H
#define STET_COMMANDS_SKETCH_H

#include "server/commands/support.h"
#include "storage/sketch.h"

#define ERR_NOT_FOUND   "ERR not found"
#define ERR_ITEM_EXISTS "ERR item exists"
#define ERR_ARGUMENT    "ERR unknown argument received"

/* The value at argument 1, as the caller's type; *s is NULL if the key is missing. False, with an
 * error: another type. */
bool find_sketch(struct call *x, enum type_id type, struct ref *r, void *s);

/* The same for a command that needs one: a missing key is an error too. */
bool need_sketch(struct call *x, enum type_id type, const char *missing, struct ref *r, void *s);

/* Makes the key of r hold the sketch, which it takes over, in place of one that is there; its time
 * to live stays. */
void put_sketch(struct call *x, struct ref *r, enum type_id type, void *s);
void sketch_changed(struct call *x, const struct ref *r);

/* Bytes that one sketch may have: proto-max-bulk-len, as for strings. */
uint64_t sketch_limit(const struct call *x);

/* A command that changes a sketch cannot let others be served within, so its work is limited: to
 * items * cost, a cost of 1 being a look at one place of memory. False, with an error: it is more
 * than that. What is obeyed is never too much. */
bool sketch_affords(struct call *x, int items, uint64_t cost);

/* A pair of a reply of INFO. */
static inline void info_field(struct call *x, const char *name, uint64_t v) {
    reply_simple(&x->r, name);
    reply_int(&x->r, (int64_t)v);
}

/* The argument after the key that is this word (ITEMS: options stand before it, items after it).
 * x->argc: there is none. */
int find_word(const struct call *x, const char *word);

/* What SCANDUMP and LOADCHUNK of the type do. */
int sketch_scandump(struct call *x, enum type_id type);
int sketch_loadchunk(struct call *x, enum type_id type);

#endif
