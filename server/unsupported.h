/* SPDX-License-Identifier: BSD-3-Clause
 *
 * unsupported - settings of Redis that this server accepts and cannot carry out. Those that a user
 * relies on for protection (a replica, a cluster, a module) refuse the start, unless
 * `ignore-unsupported yes`; the others are named in the log, once.
 */
#ifndef STET_SERVER_UNSUPPORTED_H
#define STET_SERVER_UNSUPPORTED_H

#include "conf/conf.h"

/* -1: the start is refused, and the log says for which setting. */
int unsupported_refuse(const struct conf *conf);

void unsupported_warn(const struct conf_values *v);

#endif
