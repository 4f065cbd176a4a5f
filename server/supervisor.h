/* SPDX-License-Identifier: BSD-3-Clause
 *
 * supervisor - what systemd is told, by its own library.
 *
 * The library is not linked: it brings five others with it, which is half of the time that a start
 * takes, and only a server that a supervisor started needs it. It is found at the start, before the
 * sandbox is entered; where it is not there, systemd is told nothing and the log says so.
 */
#ifndef STET_SERVER_SUPERVISOR_H
#define STET_SERVER_SUPERVISOR_H

#include "conf/conf.h"

/* Nothing unless `supervised` is systemd or auto, and the environment names a socket. */
void supervisor_find(const struct conf_values *v);

/* Lines of sd_notify(3). Any time; nothing if there is no supervisor. */
void supervisor_tell(const char *lines);

#endif
