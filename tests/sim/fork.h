/* SPDX-License-Identifier: BSD-3-Clause
 *
 * fork - the children of a simulated process, in place of persistence/child: each is one more task
 * that works on a snapshot of the data set. By seed a fork fails, and a child dies at some call,
 * or hangs there until it is killed.
 */
#ifndef SIM_FORK_H
#define SIM_FORK_H

#include "disk.h"

/* `take_snapshot` is called at every fork. `faults`: children may fail. */
void fork_reset(uint64_t seed, bool faults, void (*take_snapshot)(int process));

/* What happens to the current task's next call if it is a child; FATE_NONE if it is not. */
struct disk_verdict fork_judge(void);

/* From here on children neither fail to start, nor die, nor hang. */
void fork_heal(void);

/* With their parents' end. */
void fork_end_all(void);

#endif
