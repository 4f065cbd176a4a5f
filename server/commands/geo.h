/* SPDX-License-Identifier: BSD-3-Clause
 *
 * geo - what the commands of places have in common.
 */
#ifndef STET_COMMANDS_GEO_H
#define STET_COMMANDS_GEO_H

#include "server/commands/geohash.h"
#include "server/commands/zset.h"

/* Arguments i and i + 1 as longitude and latitude; false: answered with an error. */
bool geo_arg_point(struct call *x, int i, struct geo_point *p);

/* A unit of length, in metres; false: answered with an error. */
bool geo_arg_unit(struct call *x, int i, double *metres);

void geo_reply_distance(struct call *x, double distance);
void geo_reply_point(struct call *x, struct geo_point p);

#endif
