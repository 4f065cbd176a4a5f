/* SPDX-License-Identifier: BSD-3-Clause
 *
 * save_file - commands that write a file of the operator's: the client waits for the job's end.
 */
#ifndef STET_EXEC_SAVE_FILE_H
#define STET_EXEC_SAVE_FILE_H

#include "server/exec/call.h"

/* `run` (which frees `arg`) is carried out by engine.files, after all that were added before. Then
 * the client gets OK, or an error: `error`, or with NULL the job's own. Where a command may not
 * wait (MULTI, scripts) the event loop does: transactions are not divided. To be returned by the
 * handler. */
int save_file(struct call *x, int (*run)(void *arg, struct err *e), void *arg, const char *error);

#endif
