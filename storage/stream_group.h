/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stream_group - consumer groups: how far a group has read, and which entries were delivered to
 * which consumer and are not acknowledged yet ("pending").
 *
 * A pending entry stands in two trees, its group's and its consumer's. It may outlive the stream's
 * entry: deleting that does not look for it.
 *
 * Addresses of groups, consumers and pending entries are good until they are removed.
 */
#ifndef STET_STORAGE_STREAM_GROUP_H
#define STET_STORAGE_STREAM_GROUP_H

#include "storage/stream.h"

#define STREAM_READ_UNKNOWN INT64_C(-1)

struct stream_group {
    struct stream_id last_id;
    int64_t entries_read;   /* of all the stream ever had, or STREAM_READ_UNKNOWN */
    struct idtree pending;  /* struct stream_pending */
    int64_t oldest_ms;      /* nothing pending was delivered before this; 0: not known */
    struct table consumers; /* struct stream_consumer */
    uint32_t name_len;
    char name[];
};

struct stream_consumer {
    int64_t seen_ms;
    int64_t active_ms;     /* when it last got something; -1: never */
    struct idtree pending; /* its part of the group's */
    uint32_t name_len;
    char name[];
};

struct stream_pending {
    int64_t delivered_ms;
    uint64_t deliveries; /* at most INT64_MAX */
    struct stream_consumer *owner;
};

/* ---------------------------------------------------------------- groups */

struct stream_group *stream_group_find(const struct stream *s, struct slice name);

/* The name is not there yet. */
struct stream_group *stream_group_add(struct stream *s, struct slice name, struct stream_id last_id,
                                      int64_t entries_read);
void stream_group_remove(struct stream *s, struct stream_group *g);

static inline struct slice stream_group_name(const struct stream_group *g) {
    return slice_of(g->name, g->name_len);
}

/* The group has now read up to `id`, which is above its last_id and stands in the stream. */
void stream_group_advance(const struct stream *s, struct stream_group *g, struct stream_id id);

/* How many entries there ever were up to `id`, STREAM_READ_UNKNOWN where the edges of the stream do
 * not tell. */
int64_t stream_count_up_to(const struct stream *s, struct stream_id id);

/* How many entries it has not read yet, false where deleted ones make that uncertain. Below 0 after
 * an entries_read that a client made up. */
bool stream_group_lag(const struct stream *s, const struct stream_group *g, int64_t *lag);

/* All groups, or consumers, by name: an array of `groups.count` (`consumers.count`), to be given
 * to mem_free; NULL if there are none. */
struct stream_group **stream_groups_by_name(const struct stream *s);
struct stream_consumer **stream_consumers_by_name(const struct stream_group *g);

/* ---------------------------------------------------------------- consumers */

struct stream_consumer *stream_consumer_find(const struct stream_group *g, struct slice name);
struct stream_consumer *stream_consumer_add(struct stream_group *g, struct slice name,
                                            int64_t now_ms);

/* Its pending entries are dropped. */
void stream_consumer_remove(struct stream_group *g, struct stream_consumer *c);

static inline struct slice stream_consumer_name(const struct stream_consumer *c) {
    return slice_of(c->name, c->name_len);
}

/* ---------------------------------------------------------------- pending entries */

struct stream_pending *stream_pending_find(const struct stream_group *g, struct stream_id id);

/* Makes an entry pending for `c`, whichever consumer had it before. Returns it; deliveries is 1 if
 * it is new.
 */
struct stream_pending *stream_pending_give(struct stream_group *g, struct stream_id id,
                                           struct stream_consumer *c);
/* It was delivered at this time. The only way to set that, but for a group that is being built. */
static inline void stream_pending_delivered(struct stream_group *g, struct stream_pending *p,
                                            int64_t ms) {
    p->delivered_ms = ms;
    if (ms < g->oldest_ms) g->oldest_ms = ms > 0 ? ms : 0;
}

/* It was delivered once more. XNACK FATAL and RETRYCOUNT may have set the most there is. */
static inline void stream_pending_count(struct stream_pending *p) {
    if (p->deliveries < INT64_MAX) p->deliveries++;
}

bool stream_pending_drop(struct stream_group *g, struct stream_id id);

/* ---------------------------------------------------------------- for stream.c */

void stream_groups_init(struct stream *s);
void stream_groups_release(struct stream *s);
void stream_groups_copy(struct stream *to, const struct stream *from, const struct pace *pace);
size_t stream_groups_effort(const struct stream *s);
size_t stream_groups_mem(const struct stream *s);

#endif
