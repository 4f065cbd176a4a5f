/* SPDX-License-Identifier: BSD-3-Clause
 *
 * unloaded - warns at start of append-only files that this configuration does not load. A server
 * that starts empty beside data is the most common way to lose it.
 */
#ifndef STET_SERVER_UNLOADED_H
#define STET_SERVER_UNLOADED_H

#include "conf/conf.h"

void unloaded_warn(const struct conf_values *v);

/* The file (it may be NULL) was being written in place when the process ended: io_rewrite(). */
void unloaded_warn_of_cut_rewrite(const char *path);

#endif
