/* SPDX-License-Identifier: BSD-3-Clause
 *
 * dry_run - `--recover-to MOMENT --dry-run`: prints what such a start would load and leave out,
 * what becomes of the files, and how to undo it. It opens no log file, no port and no lock, and
 * changes nothing.
 */
#ifndef STET_SERVER_DRY_RUN_H
#define STET_SERVER_DRY_RUN_H

#include <stdbool.h>

bool dry_run_is_wanted(int argc, char **argv);

/* The exit status: 0: such a start is possible. */
int dry_run(int argc, char **argv);

#endif
