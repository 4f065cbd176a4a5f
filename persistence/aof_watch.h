/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_watch - notices that the AOF's directory was deleted or moved under the running server.
 *
 * What is written to a deleted file goes well and is lost. So a thread looks once a second whether
 * the path still leads to the directory, and whether the manifest is in it.
 */
#ifndef STET_PERSISTENCE_AOF_WATCH_H
#define STET_PERSISTENCE_AOF_WATCH_H

struct aof_watch;

/* `gone` is called from the thread, once per aof_watch_begin(). `manifest` is copied. */
struct aof_watch *aof_watch_new(const char *manifest, void (*gone)(void *arg), void *arg);
void aof_watch_free(struct aof_watch *w);

/* From here on `dirfd` is what `path` (copied) has to lead to; it stays open until
 * aof_watch_end(). */
void aof_watch_begin(struct aof_watch *w, const char *path, int dirfd);

/* From here on the descriptor is not looked at. Never waits for the disk. */
void aof_watch_end(struct aof_watch *w);

#endif
