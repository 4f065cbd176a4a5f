/* SPDX-License-Identifier: BSD-3-Clause
 *
 * gate - which replies have to wait for the disk, or for replicas, and until which position of the
 * AOF. Where there is no AOF and replies wait for replicas, positions are offsets of the
 * replication stream.
 *
 * Remembers, as hashes, the keys that were changed since the last safe position. Two sets take
 * turns: `older` is dropped as a whole when its position is safe, then `newer` becomes the older
 * one. A lookup of a key in either raises the gate of the reply; any other key passes at once.
 * A key enters `newer` when it changes, which is before the change is appended; so `newer` has no
 * position before the command, transaction or script is over.
 * Main thread only.
 */
#ifndef STET_EXEC_GATE_H
#define STET_EXEC_GATE_H

#include "persistence/aof.h"

struct gate_set {
    uint32_t *v; /* open hash of the keys' upper 32 bits, 0 = free */
    uint32_t n, mask;
    bool all; /* holds every key: FLUSHALL, SWAPDB, a policy that became stronger */
};

struct gate {
    struct aof *aof;
    struct gate_set older, newer;
    uint64_t older_end; /* once this is safe, everything in `older` is */
    enum aof_level level;
    bool on;        /* replies may have to wait: for the AOF, or for replicas */
    bool active;    /* something is in the sets */
    uint64_t acked; /* enough replicas have everything up to here; UINT64_MAX: none is waited for */
    const uint64_t *offset; /* of the stream, while replies wait for replicas; else NULL */
    bool by_offset;         /* positions are offsets */
};

void gate_init(struct gate *g, struct aof *aof);
void gate_release(struct gate *g);

/* Takes the policy's level. If it became stronger, every key counts as changed until everything
 * appended so far is safe at that level, and a sync is asked for. May be called within a command.
 */
void gate_take_level(struct gate *g);

/* What positions are has changed: closed gates have to be set anew (gate_end()), once. */
bool gate_changes_units(struct gate *g);

/* Between commands only, because the changes of a command, transaction or script under way are not
 * appended yet: takes the level and drops what is safe. */
void gate_refresh(struct gate *g);

void gate_add(struct gate *g, uint64_t hash);
uint64_t gate_look(const struct gate *g, uint64_t hash);

/* Replies wait for replicas from now on (`offset`: the stream's), or no longer (NULL, UINT64_MAX).
 */
void gate_take_acked(struct gate *g, const uint64_t *offset, uint64_t acked);

/* Whether any reply waits for anything. */
static inline bool gate_is_on(const struct gate *g) {
    return g->on;
}

/* A key changed. */
static inline void gate_changed(struct gate *g, uint64_t hash) {
    if (gate_is_on(g)) gate_add(g, hash);
}

/* All keys changed (FLUSHALL, SWAPDB). */
void gate_all_changed(struct gate *g);

/* The position after everything that was appended so far. */
static inline uint64_t gate_end(const struct gate *g) {
    return __builtin_expect(g->by_offset, 0) ? *g->offset : aof_appended(g->aof);
}

/* The position up to which everything is safe at this level, and acknowledged. */
static inline uint64_t gate_safe(const struct gate *g, enum aof_level level) {
    uint64_t safe = aof_safe(g->aof, level);

    return __builtin_expect(safe > g->acked, 0) ? g->acked : safe;
}

/* Everything up to this position is safe at the level of the policy. */
static inline bool gate_is_safe(const struct gate *g, uint64_t position) {
    return position <= gate_safe(g, g->level);
}

/* The position that a look at this key has to wait for, 0 for none. */
static inline uint64_t gate_need(const struct gate *g, uint64_t hash) {
    return __builtin_expect(g->active, 0) ? gate_look(g, hash) : 0;
}

#endif
