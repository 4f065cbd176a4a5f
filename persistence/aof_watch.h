/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_watch - notices that the AOF's directory, a file of the AOF or its lock file was deleted,
 * moved or replaced under the running server; keeps the lock.
 *
 * What is written to a deleted file goes well and is lost, and a lock on a deleted file keeps no
 * other server out. So a thread looks twice a second whether the path still leads to the directory,
 * whether the manifest is in it, whether manifest, base and increments are still the same files,
 * and whether AOF_LOCK is still the file that this process has locked. A lock file that is gone is
 * made and locked again. If there is another one, another process has made it, and may have changed
 * the files: then the AOF is lost as if the directory were.
 *
 * The lock belongs to the process and ends when the process closes any descriptor of the file
 * (fcntl(2)). So the watch owns the one descriptor there is, and gives it up at its end only.
 */
#ifndef STET_PERSISTENCE_AOF_WATCH_H
#define STET_PERSISTENCE_AOF_WATCH_H

#include "persistence/aof_manifest.h"
#include "storage/base/err.h"

struct aof_watch;

/* `gone` is called from the thread, once per aof_watch_begin(): ENOENT if the directory or the
 * manifest is gone, ESTALE if a file was deleted or replaced (the log says which), EBUSY if another
 * process has, or has had, the lock. `stem` is copied. */
struct aof_watch *aof_watch_new(const char *stem, void (*gone)(void *arg, int code), void *arg);

/* Unlocks the directory. */
void aof_watch_free(struct aof_watch *w);

/* Takes over the descriptor of AOF_LOCK. Returns the one that it replaces, for closing, or -1. Not
 * while the directory is watched. */
int aof_watch_take_lock(struct aof_watch *w, int lock_fd);

/* From here on `dirfd` is what `path` (copied) has to lead to; it stays open until
 * aof_watch_end(). */
void aof_watch_begin(struct aof_watch *w, const char *path, int dirfd);

/* From here on manifest, base and increments have to be the files that they are at the next look.
 * aof_watch_hold(): no longer, as this process is about to change them. Main thread. */
void aof_watch_files(struct aof_watch *w, const struct aof_manifest *m);
void aof_watch_hold(struct aof_watch *w);

/* From here on the descriptor is not looked at. Never waits for the disk. */
void aof_watch_end(struct aof_watch *w);

enum aof_place {
    AOF_IN_PLACE,  /* the directory of the path is `dirfd`, and it is locked */
    AOF_ELSEWHERE, /* it is another one, or none, or another process has had it */
    AOF_TAKEN,     /* another process has the lock */
    AOF_UNKNOWN    /* it cannot be looked at */
};

/* Makes and locks the lock file again if it is gone. Waits for the disk: not for the main thread.
 * `e` says what is the matter unless it is in place. */
enum aof_place aof_watch_check(struct aof_watch *w, const char *path, int dirfd, struct err *e);

#endif
