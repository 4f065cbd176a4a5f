/* SPDX-License-Identifier: BSD-3-Clause
 *
 * disposer - closes and removes files on a thread of its own.
 *
 * close(2) and unlink(2) of a large file can take seconds, and a disk that hangs never ends them;
 * the event loop waits for neither. Entries are carried out in order. A file that cannot be removed
 * stays: the next start removes temporary files.
 */
#ifndef STET_PERSISTENCE_DISPOSER_H
#define STET_PERSISTENCE_DISPOSER_H

#include <stdbool.h>

struct disposer;

struct disposer *disposer_new(void);

/* Waits until everything is carried out, deadline_ms at the most; then frees it. */
void disposer_free(struct disposer *d, int deadline_ms);

/* Something is not carried out yet. */
bool disposer_is_busy(struct disposer *d);

/* Main thread. `fd` below 0: nothing. */
void disposer_close(struct disposer *d, int fd);

/* `dirfd` stays open until then; AT_FDCWD is the working directory. An empty name: nothing. */
void disposer_unlink(struct disposer *d, int dirfd, const char *name);

#endif
