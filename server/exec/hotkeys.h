/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hotkeys - which keys take the most time, or the most bytes of the network: HOTKEYS.
 *
 * A metric has a board of HOTKEYS_KEPT keys. A key that is not on a full board takes the place of
 * the least one, and begins with that one's value (A. Metwally and others, "Efficient Computation
 * of Frequent and Top-k Elements in Data Streams", 2005). So a value is never too small, and what
 * has more than 1/HOTKEYS_KEPT of the total is on the board.
 *
 * The cost of a command is shared equally by its keys. A script counts for the keys that it
 * declares, a transaction by its commands. Commands of the AOF and of a master are not counted.
 *
 *   none --hotkeys_start--> ACTIVE --hotkeys_stop, the duration is over--> STOPPED
 *   STOPPED --hotkeys_start--> ACTIVE (from zero);  STOPPED --hotkeys_free--> none
 *
 * engine.hotkeys is NULL in the state none: a command pays for one test then. Main thread only.
 */
#ifndef STET_EXEC_HOTKEYS_H
#define STET_EXEC_HOTKEYS_H

#include "storage/base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

struct call;
struct engine;

enum {
    HOTKEYS_KEPT = 1024,
    HOTKEYS_NAME_MAX = 4096, /* a longer key is not on a board */
    HOTKEYS_COUNT_MAX = 64,
};

enum hotkeys_metric { HOTKEYS_CPU, HOTKEYS_NET, HOTKEYS_METRICS };

struct hotkeys_options {
    unsigned metrics; /* 1 << HOTKEYS_CPU ... */
    uint64_t sample;  /* one of so many commands is counted for its keys; 1: each */
    uint32_t count;
    int64_t duration_s; /* 0: until hotkeys_stop() */
    bool *slots;        /* SLOTS of them, which belong to the session then; NULL: all */
};

/* What commands took: [HOTKEYS_CPU] nanoseconds, [HOTKEYS_NET] bytes. */
struct hotkeys_totals {
    uint64_t all[HOTKEYS_METRICS];
    uint64_t selected[HOTKEYS_METRICS]; /* of commands with a key of the chosen slots */
    uint64_t sampled[HOTKEYS_METRICS];  /* those of them that were counted for their keys */
};

struct hotkeys_key {
    uint64_t value;
    uint32_t at; /* its place in the heap */
    size_t name_n;
    char name[];
};

struct hotkeys;

/* None is active. */
void hotkeys_start(struct engine *e, const struct hotkeys_options *o);
void hotkeys_stop(struct engine *e);
void hotkeys_free(struct engine *e); /* in every state */

bool hotkeys_is_active(const struct engine *e);

/* Ends the session if its duration is over. */
void hotkeys_tick(struct engine *e);

/* The command took so long, and so many bytes came and went. There is a session. */
void hotkeys_note(const struct call *x, uint64_t ns, uint64_t bytes);

/* What has been collected, of a session that there is. */
struct hotkeys_report {
    const struct hotkeys_options *options;
    const struct hotkeys_totals *totals;
    int64_t started_ms, lasted_ms;
    uint64_t user_ms, system_ms, net_bytes; /* of the whole process */
};

struct hotkeys_report hotkeys_report(const struct engine *e);

/* The keys with the largest values, largest first. Returns how many, up to options.count. */
unsigned hotkeys_top(const struct engine *e, enum hotkeys_metric m,
                     const struct hotkeys_key *out[HOTKEYS_COUNT_MAX]);

#endif
