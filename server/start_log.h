/* SPDX-License-Identifier: BSD-3-Clause
 *
 * start_log - what a start says at its end: where the server listens, when a write is acknowledged,
 * how much was loaded; and a warning if that is more than maxmemory.
 */
#ifndef STET_SERVER_START_LOG_H
#define STET_SERVER_START_LOG_H

struct app;

void start_log_tell(const struct app *a);

#endif
