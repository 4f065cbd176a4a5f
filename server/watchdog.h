/* SPDX-License-Identifier: BSD-3-Clause
 *
 * watchdog - a timer that the main thread restarts again and again (watchdog-period). If it
 * expires, the main thread hangs, and its stack is written to the server log.
 *
 * The timer's signal is sent to the thread that made it, so the stack is that thread's. Children do
 * not inherit it. Main thread only.
 */
#ifndef STET_SERVER_WATCHDOG_H
#define STET_SERVER_WATCHDOG_H

#include <stdint.h>

/* Expires after `period_ms` without watchdog_wind(); 0: never. */
void watchdog_set(int64_t period_ms);

/* The main thread is alive. */
void watchdog_wind(void);

#endif
