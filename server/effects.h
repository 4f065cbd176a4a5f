/* SPDX-License-Identifier: BSD-3-Clause
 *
 * effects - which parameters of Redis do nothing in this server, or something else.
 *
 * The list is the one of redis-compat.conf ("no effect"); tests/facts/check_config.py compares
 * them.
 */
#ifndef STET_SERVER_EFFECTS_H
#define STET_SERVER_EFFECTS_H

#include "conf/conf.h"

/* Names in the log file, once, what the configuration asks for in vain. Values that ask for nothing
 * and default values are not named. */
void effects_warn(const struct conf *conf);

/* --check-config: prints what each setting of the file does here. 0: a start would accept the
 * file; 1: it would not. */
int effects_check_file(const char *path);

#endif
