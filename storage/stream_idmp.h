/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stream_idmp - what a stream remembers of its producers, so that an entry that is added twice is
 * added once: for each producer the ids that it gave its entries ("iids"), and the entries' own.
 *
 * Each producer has a table of its iids, and a list of them in the order in which they came. An iid
 * is forgotten after `duration_s`, or when its producer has given `maxsize` later ones. A producer
 * without iids is forgotten. Each addition looks at two other producers as well, so those that gave
 * nothing more go too.
 *
 * A stream whose producers never gave an iid, and whose limits were never set, has none of this
 * (struct stream.idmp is NULL).
 */
#ifndef STET_STORAGE_STREAM_IDMP_H
#define STET_STORAGE_STREAM_IDMP_H

#include "storage/stream.h"

enum {
    IDMP_NAME_MAX = 1024, /* bytes of a producer's name, and of an iid */
    IDMP_DURATION_MAX_S = 300,
    IDMP_MAXSIZE_MAX = 1000000
};

struct stream_idmp {
    int64_t duration_s, maxsize;
    struct table producers;
    uint64_t cursor; /* of the walk over the producers */
    uint64_t iids;   /* remembered now, of all producers */
    uint64_t added, duplicates;
};

/* The stream's; made with these limits if it has none. */
struct stream_idmp *stream_idmp_need(struct stream *s, int64_t duration_s, int64_t maxsize);
void stream_idmp_free(struct stream_idmp *m);

/* Whether the producer gave this iid before, and to which entry. */
bool stream_idmp_find(const struct stream_idmp *m, struct slice producer, struct slice iid,
                      int64_t now_ms, struct stream_id *id);

/* The producer gave an iid, which is not remembered or too old. Names are of IDMP_NAME_MAX at the
 * most. */
void stream_idmp_add(struct stream_idmp *m, struct slice producer, struct slice iid,
                     struct stream_id id, int64_t added_ms, int64_t now_ms);

/* What is remembered and not too old, in no order. */
typedef void (*stream_idmp_fn)(void *arg, struct slice producer, struct slice iid,
                               struct stream_id id, int64_t added_ms);
void stream_idmp_each(const struct stream_idmp *m, int64_t now_ms, stream_idmp_fn visit, void *arg);

/* All of it as bytes, and back. The bytes may come from anywhere: NULL if they are not right. */
void stream_idmp_encode(const struct stream_idmp *m, struct bytes *out);
struct stream_idmp *stream_idmp_decode(struct slice bytes);

size_t stream_idmp_mem(const struct stream_idmp *m);

#endif
