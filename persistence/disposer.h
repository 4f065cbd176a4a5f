/* SPDX-License-Identifier: BSD-3-Clause
 *
 * disposer - closes, removes and opens files on a thread of its own.
 *
 * close(2) and unlink(2) of a large file can take seconds, so can open(2) on a busy disk, and a
 * disk that hangs never ends them; the event loop waits for none. Entries are carried out in order.
 * A file that cannot be removed stays: the next start removes temporary files.
 */
#ifndef STET_PERSISTENCE_DISPOSER_H
#define STET_PERSISTENCE_DISPOSER_H

#include "storage/base/err.h"

#include <stdbool.h>

struct disposer;

struct disposer *disposer_new(void);

/* Waits until everything is carried out, deadline_ms at the most; then frees it. */
void disposer_free(struct disposer *d, int deadline_ms);

/* Something is not carried out yet. */
bool disposer_is_busy(struct disposer *d);

/* Main thread. `fd` below 0: nothing. */
void disposer_close(struct disposer *d, int fd);

/* Opens a file for reading: `opened` is called on the thread, with -1 and the reason if it cannot
 * be opened. `dirfd` stays open until then. */
typedef void disposer_opened_fn(void *arg, int fd, const struct err *e);
void disposer_open(struct disposer *d, int dirfd, const char *name, disposer_opened_fn *opened,
                   void *arg);

/* Calls run(arg) on the thread. */
void disposer_run(struct disposer *d, void (*run)(void *arg), void *arg);

/* Not on the main thread: waits until everything that was added before is carried out. */
void disposer_wait(struct disposer *d);

/* `dirfd` stays open until then; AT_FDCWD is the working directory. An empty name: nothing. */
void disposer_unlink(struct disposer *d, int dirfd, const char *name);

#endif
