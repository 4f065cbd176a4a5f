/* SPDX-License-Identifier: BSD-3-Clause
 *
 * unsupported - settings of Redis that a user relies on and that this server cannot carry out
 * (modules) refuse the start, unless `ignore-unsupported yes`. Those that do no harm: effects.h.
 */
#ifndef STET_SERVER_UNSUPPORTED_H
#define STET_SERVER_UNSUPPORTED_H

#include "conf/conf.h"

/* -1: the start is refused, and the log says for which setting. */
int unsupported_refuse(const struct conf *conf);

#endif
