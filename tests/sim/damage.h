/* SPDX-License-Identifier: BSD-3-Clause
 *
 * damage - what an operator, a copy or another program does to a directory between two lives:
 * batches cut off an increment that is not the last, the base of an older generation, the lock file
 * removed.
 */
#ifndef SIM_DAMAGE_H
#define SIM_DAMAGE_H

#include "dice.h"

/* Remembers the base that is there now. */
void damage_watch(void);
void damage_reset(void);

/* Cuts whole batches off an increment that another one with data follows, or puts an older base in
 * the place of the present one. False: there is nothing to damage so. */
bool damage_generations(struct dice *d, bool trace);

void damage_remove_lock(void);

#endif
