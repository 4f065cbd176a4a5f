/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_stream - reads the bytes of the replication stream back from the AOF's increments.
 *
 * The map (main thread) knows in which files the stream is, without a gap up to now, and some
 * places in them where reading may begin (one in 16 MB). A reader's files are opened by the
 * disposer when it begins, and every later one when the AOF goes to it. What removes files waits
 * for the disposer, so no file that is removed meanwhile is missing. Its reads happen on any one
 * thread at a time, and wait for the disk.
 *
 * A reader delivers bytes of whole batches whose checksums hold, up to the position that is known
 * to be written. A batch is in memory as a whole while it is read.
 */
#ifndef STET_PERSISTENCE_AOF_STREAM_H
#define STET_PERSISTENCE_AOF_STREAM_H

#include "persistence/aof_load.h"

struct aof_stream_reader;
struct disposer;

/* Appends the next bytes to `out`, about `max` at the most. 1: there are some, 0: the AOF is not
 * further yet, or the next file is not open yet, -1: a file is damaged or cannot be opened, or the
 * stream does not go on in the AOF. */
int aof_stream_read(struct aof_stream_reader *r, struct bytes *out, size_t max, struct err *e);

/* Its files are open, as far as they can be. */
bool aof_stream_is_open(struct aof_stream_reader *r);

/* Main thread; no thread reads any more. Before aof_stop(). NULL is fine. */
void aof_stream_close(struct aof_stream_reader *r);

/* ---------------------------------------------------------------- the map: main thread */

struct aof_stream_file {
    char name[AOF_NAME_MAX];
    uint64_t position; /* of its first byte, in the last epoch */
    uint64_t size;     /* of its content, if nothing is written to it any more */
    bool closed;
    struct aof_stream_point *points;
    size_t npoints;
};

struct aof_stream_map {
    struct disposer *disposer;
    int dirfd;
    struct aof_stream_base base, next_base; /* the manifest's; that of the rewrite under way */
    struct aof_stream_file *files;
    size_t nfiles;
    uint64_t indexed; /* offset of the last point */
    uint64_t written; /* position */
    struct aof_stream_reader *readers;
};

/* The stream does not go on: what there was is forgotten, and its readers learn it. */
void aof_stream_map_clear(struct aof_stream_map *m);

/* It goes on in a file that begins now, or within one. `offset`: its own, before that. */
void aof_stream_map_add(struct aof_stream_map *m, int dirfd, const char *name,
                        const struct aof_epoch *epoch, uint64_t offset);
void aof_stream_map_add_at(struct aof_stream_map *m, int dirfd, const char *name,
                           const struct aof_epoch *epoch, uint64_t at, uint64_t offset);
void aof_stream_map_add_loaded(struct aof_stream_map *m, int dirfd,
                               const struct aof_loaded_file *f);

/* Earlier files of the same stream that the manifest calls history: each ends where the one after
 * it begins. */
void aof_stream_map_add_history(struct aof_stream_map *m, const struct aof_manifest *manifest,
                                const struct aof_stream_state *st);

/* The last file is written to again. */
void aof_stream_map_go_on(struct aof_stream_map *m, const struct aof_epoch *epoch);

/* The file that there is has got its name. */
void aof_stream_map_name(struct aof_stream_map *m, const char *name);

/* Drops the files that the manifest does not name any more. */
void aof_stream_map_keep(struct aof_stream_map *m, const struct aof_manifest *manifest);

void aof_stream_map_written(struct aof_stream_map *m, uint64_t position);
void aof_stream_map_index(struct aof_stream_map *m, uint64_t offset, uint64_t position,
                          const struct aof_epoch *epoch);
bool aof_stream_map_has(const struct aof_stream_map *m, uint64_t from);
struct aof_stream_reader *aof_stream_map_open(struct aof_stream_map *m, uint64_t from,
                                              struct err *e);

/* A batch begins at `position`, before which the stream has `offset`. */
static inline void aof_stream_note_batch(struct aof_stream_map *m, uint64_t offset,
                                         uint64_t position, const struct aof_epoch *epoch) {
    if (__builtin_expect(m->nfiles > 0, 0) && offset - m->indexed >= AOF_STREAM_INDEX_BYTES)
        aof_stream_map_index(m, offset, position, epoch);
}

#endif
