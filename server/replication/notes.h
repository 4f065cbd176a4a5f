/* SPDX-License-Identifier: BSD-3-Clause
 *
 * notes - which position of the AOF belongs to which offset of the stream. Both only rise; a pair
 * says that everything before the one is before the other. Questions rise too, so that what was
 * asked for is forgotten. All-zero is empty. Main thread only.
 */
#ifndef STET_REPLICATION_NOTES_H
#define STET_REPLICATION_NOTES_H

#include <stddef.h>
#include <stdint.h>

struct note {
    uint64_t offset, position;
    uint64_t at_us; /* monotonic: when it was made */
};

struct notes {
    struct note *v; /* a ring */
    size_t first, n, cap;
    struct note passed; /* the last one that was passed by a question */
};

void notes_release(struct notes *s);
void notes_clear(struct notes *s);
void notes_add(struct notes *s, uint64_t offset, uint64_t position, uint64_t now_us);

/* The highest offset that is certainly before the position, and the reverse. */
uint64_t notes_offset_at(struct notes *s, uint64_t position);
uint64_t notes_position_at(struct notes *s, uint64_t offset);

/* When the oldest one that no question has passed was made; 0: there is none. */
uint64_t notes_oldest_us(const struct notes *s);

#endif
