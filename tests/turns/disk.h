/* SPDX-License-Identifier: BSD-3-Clause
 *
 * disk - the AOF of a world: files in a directory of its own, with the threads and children that
 * write them. Their progress is told to the engine at scripted moments only; what they have written
 * by then depends on the machine, so every check holds for any progress.
 *
 * Not here: failures of the disk (tests/sim).
 */
#ifndef TEST_TURNS_DISK_H
#define TEST_TURNS_DISK_H

#include "world.h"

/* The configuration of a world with an AOF: where it is, and whether it is on at the start. */
struct conf *disk_conf(struct disk *l, enum program_log how);

struct disk *disk_new(void);
struct aof *disk_open(struct disk *l, struct world *w);

/* After engine_init(): CONFIG SET takes effect, and the AOF is begun if it is on at the start. */
void disk_start(struct world *w);
void disk_free(struct disk *l);

/* The threads and children finish what they have to do, and the engine is told. NULL, or why not.
 */
const char *disk_settle(struct world *w);

/* After disk_settle(): loads the files into `other`, which is empty then and in the end. If the AOF
 * is on, they hold the data. NULL, or what is wrong. */
const char *disk_check(struct world *w, struct world *other);

#endif
