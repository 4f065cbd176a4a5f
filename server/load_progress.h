/* SPDX-License-Identifier: BSD-3-Clause
 *
 * load_progress - says how far a start has loaded the data: to systemd with the first piece and
 * then once a second (STATUS, and time until the next message), to the log file every ten seconds.
 * Times are of clock_real_ns(): a test does not stop it.
 *
 * Not here: INFO's loading_... fields, which the engine keeps.
 */
#ifndef STET_SERVER_LOAD_PROGRESS_H
#define STET_SERVER_LOAD_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct load_progress {
    uint64_t began_us, told_us, logged_us; /* 0: not yet */
    bool started; /* later loads (a full sync) are no start: nothing is told */
};

/* `done` of `total` bytes were loaded by `now_us` (clock_real_ns() / 1000). */
void load_progress_tell(struct load_progress *p, uint64_t done, uint64_t total, uint64_t now_us);

#endif
