/* SPDX-License-Identifier: BSD-3-Clause
 *
 * unloaded - warns at start of append-only files that this configuration does not load, and of
 * backups that are not complete. A server that starts empty beside data is the most common way to
 * lose it.
 */
#ifndef STET_SERVER_UNLOADED_H
#define STET_SERVER_UNLOADED_H

#include "conf/conf.h"

struct aof;

void unloaded_warn(const struct conf_values *v);

/* The file (it may be NULL) was being written in place when the process ended: io_rewrite(). */
void unloaded_warn_of_cut_rewrite(const char *path);

/* Names the backups that were never sealed, and tells the AOF which one is the newest. */
void unloaded_look_at_backups(const struct conf_values *v, struct aof *a);

#endif
