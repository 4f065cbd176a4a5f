/* SPDX-License-Identifier: BSD-3-Clause
 *
 * load - the data set of the files: at a start (AOF or snapshot, --restore-from, --recover-to) and
 * when a command reads the AOF again. What failed is in the server log. Main thread; meanwhile the
 * loop is polled, so that clients get LOADING.
 *
 * Not here: the data set of a full sync (load_sync).
 */
#ifndef STET_SERVER_LOAD_H
#define STET_SERVER_LOAD_H

#include "server/app.h"

/* At a start: 0, or -1 and the start is refused. */
int load_data(struct app *a);

/* Replays the AOF (DEBUG LOADAOF); after a failure the data set is the one before. */
int app_reload_log(struct app *a, struct err *e);

/* While a data set is loaded (rdb_load.progress): others are served now and then. */
void app_on_load_progress(void *arg, uint64_t done, uint64_t total);

/* AOF parameters that were set while data was loaded take effect now. */
void app_take_aof_options(struct app *a);

#endif
