/* SPDX-License-Identifier: BSD-3-Clause
 *
 * journal - what was written in which order, and how much of it may not be lost any more.
 *
 * A unit is a command or a group that stays together. After every start the data set must be that
 * of the first n units, for some n: so there is no hole and no partial group. n may not be below
 * `must_kill` (acknowledged, whatever the policy) after process deaths, nor below `must_cut`
 * (acknowledged under `always`, or told to be synced) after a power cut.
 */
#ifndef SIM_JOURNAL_H
#define SIM_JOURNAL_H

#include "model.h"
#include "persistence/aof.h"

struct unit {
    uint64_t position; /* of its end in the log */
    uint64_t print;    /* of the data set after it */
    enum aof_level level;
    bool logged; /* false: it was executed while no file was written */
};

struct journal {
    struct unit *unit; /* [0]: the empty data set */
    size_t n, cap;     /* the last one is unit[n] */
    size_t must_kill, must_cut;
    size_t covered; /* these are in a base, or are about to be */
};

void journal_init(struct journal *j);
void journal_release(struct journal *j);
void journal_copy(struct journal *to, const struct journal *from);
void journal_add(struct journal *j, struct unit u);

/* What the writer has told by now. */
void journal_progress(struct journal *j, uint64_t written, uint64_t synced);

/* The largest number of units, up to all, that gives this state; -1: none does. */
long journal_find(const struct journal *j, uint64_t print);

/* A start has shown the first n units, which end at `position`: the rest never happened. */
void journal_restart(struct journal *j, size_t n, uint64_t position, enum aof_level level);

#endif
