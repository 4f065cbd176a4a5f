/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_rewrite_types - the commands that make a value anew, one function a type; and how many items
 * become several commands of bounded size.
 *
 * A function appends its commands to `b`: without MULTI, for the selected database, the key's time
 * to live included (rewrite_expire).
 */
#ifndef STET_PERSISTENCE_AOF_REWRITE_TYPES_H
#define STET_PERSISTENCE_AOF_REWRITE_TYPES_H

#include "storage/entry.h"

/* ---------------------------------------------------------------- commands of bounded size */

enum { REWRITE_ITEMS = 64, REWRITE_BYTES = 64 * 1024 };

/* One command with many items: "HSET key field value field value ...". */
struct rewrite_batch {
    struct bytes *out;
    struct slice head[4]; /* the command's first words, the key among them */
    int nhead;
    struct bytes args; /* of the command under way, encoded */
    size_t nargs, nitems;
};

/* One argument of an item. */
void rewrite_arg(struct rewrite_batch *r, struct slice arg);
void rewrite_arg_int(struct rewrite_batch *r, int64_t v);

/* An item is complete: the command is, too, if it has enough of them. */
void rewrite_item_end(struct rewrite_batch *r);

/* Completes the last command and releases what the batch holds. */
void rewrite_batch_end(struct rewrite_batch *r);

/* PEXPIREAT, if the key has a time to live. */
void rewrite_expire(struct bytes *b, const struct entry *e);

/* ---------------------------------------------------------------- the types */

void rewrite_list(struct bytes *b, const struct entry *e);
void rewrite_hash(struct bytes *b, const struct entry *e);
void rewrite_json(struct bytes *b, const struct entry *e);
void rewrite_set(struct bytes *b, const struct entry *e);
void rewrite_stream(struct bytes *b, const struct entry *e);
void rewrite_bloom(struct bytes *b, const struct entry *e);
void rewrite_cuckoo(struct bytes *b, const struct entry *e);
void rewrite_payload(struct bytes *b, const struct entry *e);
void rewrite_zset(struct bytes *b, const struct entry *e);

#endif
