/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_stream_internal - a reader's inside, shared by
 *
 *   aof_stream.c       the map and the reader's files (main thread)
 *   aof_stream_read.c  reading them (one thread at a time)
 */
#ifndef STET_PERSISTENCE_AOF_STREAM_INTERNAL_H
#define STET_PERSISTENCE_AOF_STREAM_INTERNAL_H

#include "persistence/aof_stream.h"

#include <pthread.h>
#include <stdatomic.h>

enum { PART_READ = -1, PART_OPENING = -2, PART_FAILED = -3 };

/* A file, as the reader sees it. */
struct stream_part {
    int fd; /* or one of the above */
    uint64_t position, size;
    bool closed;
};

struct aof_stream_reader {
    struct aof_stream_map *map; /* main thread; NULL: it knows nothing of this reader any more */
    struct aof_stream_reader *next;
    struct disposer *files; /* opens and closes them */

    pthread_mutex_t mu; /* over the next four */
    struct stream_part *parts;
    size_t nparts;
    bool gone;      /* the stream does not go on in the AOF */
    struct err why; /* a file could not be opened */
    _Atomic uint64_t written;

    /* the reading thread's */
    size_t part;
    uint64_t at; /* offset in the file of buf[done] */
    struct aof_epoch epoch;
    uint64_t offset; /* of the stream, up to `at` */
    uint64_t from;   /* the first byte that is wanted */
    struct bytes buf;
    size_t done;
    struct bytes ready; /* bytes of the stream that were read and not delivered */
    size_t given;
};

#endif
