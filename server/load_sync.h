/* SPDX-License-Identifier: BSD-3-Clause
 *
 * load_sync - the data set of a full sync replaces the present one.
 */
#ifndef STET_SERVER_LOAD_SYNC_H
#define STET_SERVER_LOAD_SYNC_H

#include "server/replication/replication.h"

/* replication_app.load; `app` is the struct app. */
int app_load_sync(void *app, struct replication_load *l, struct err *e);

#endif
