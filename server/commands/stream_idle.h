/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stream_idle - what XREADGROUP with CLAIM takes over before it reads what is new: entries that
 * have been pending for long enough, whichever consumer had them. And how much one read may give.
 */
#ifndef STET_COMMANDS_STREAM_IDLE_H
#define STET_COMMANDS_STREAM_IDLE_H

#include "server/commands/streams.h"

/* What is left of MAXCOUNT and MAXSIZE; UINT64_MAX: no limit. */
struct read_budget {
    uint64_t entries;
    uint64_t
        bytes; /* of the reply, about; the entry that uses up the last of them is given whole */
};

static inline bool budget_is_over(const struct read_budget *b) {
    return b->entries == 0 || b->bytes == 0;
}

/* One entry is given: the one that the iterator has found. */
void budget_spend(struct read_budget *b, const struct stream_iter *it);

/* An entry that was taken over, and what was known of it before. */
struct idle_entry {
    struct stream_id id;
    int64_t idle_ms;
    uint64_t deliveries;
};

struct idle_list {
    struct idle_entry *v; /* mem_free */
    size_t n, cap;
};

/* Gives `c` entries of the group that are idle for min_idle_ms at least, in the order of their ids,
 * `most` of them and no more than the budget allows. Entries that the stream does not have any more
 * stay as they are. Propagates each as XCLAIM. The walk breathes. */
void stream_take_idle(struct call *x, const struct ref *r, struct stream_group *g,
                      struct stream_consumer *c, int64_t min_idle_ms, uint64_t most,
                      struct read_budget *b, struct idle_list *out);

/* In how many milliseconds something pending may be idle for so long; at least 10, so that a client
 * that waits costs little. */
int64_t stream_idle_in_ms(const struct stream_group *g, int64_t now_ms, int64_t min_idle_ms);

#endif
