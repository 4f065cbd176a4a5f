/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_survey - which append-only files stand in a directory, whatever their names.
 */
#ifndef STET_PERSISTENCE_AOF_SURVEY_H
#define STET_PERSISTENCE_AOF_SURVEY_H

#include <stdint.h>

/* Calls `see` for each manifest that can be read, with the appendfilename that it belongs to and
 * the bytes of the files in use. Nothing if there is no such directory. At start only: reads the
 * disk. */
void aof_survey(const char *path, void (*see)(void *arg, const char *filename, uint64_t bytes),
                void *arg);

#endif
