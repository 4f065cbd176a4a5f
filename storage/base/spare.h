/* SPDX-License-Identifier: BSD-3-Clause
 *
 * spare - a descriptor that is kept back for the moment at which no other is left: given up, it
 * lets one connection be accepted and closed. So the peer learns of it, and what is pending does
 * not keep the loop busy.
 */
#ifndef STET_BASE_SPARE_H
#define STET_BASE_SPARE_H

#include <stdbool.h>

int spare_open(void); /* -1: there is none */

/* False: not even that helped, since the system has none left, or the limit was lowered. The caller
 * stops listening for a while. */
bool spare_turn_away(int *spare, int listener);

#endif
