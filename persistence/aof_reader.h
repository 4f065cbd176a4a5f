/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_reader - reads one file of the AOF, unit by unit, and judges it.
 *
 * A unit is a batch between its marks, or (outside batches) one command or one MULTI..EXEC. Its
 * commands are delivered only when all of it has been read and checked, so nothing is half-applied.
 * The server's loader and stet-check-aof share this code: they agree on every input.
 *
 * Not here: the order of files, cutting (aof_load), what a command does.
 */
#ifndef STET_PERSISTENCE_AOF_READER_H
#define STET_PERSISTENCE_AOF_READER_H

#include "persistence/aof_stream_mark.h"
#include "storage/base/err.h"

#include <sys/types.h>

enum aof_verdict {
    AOF_WHOLE,      /* every byte was read and holds */
    AOF_TORN,       /* good up to `good`; the rest is an un-synced or cut-off tail */
    AOF_CORRUPT,    /* good up to `good`; what follows was damaged after it was safe */
    AOF_REFUSED,    /* a command was not accepted by `command` (its text in `why`) */
    AOF_FOREIGN,    /* undamaged, but of a format, or with contents, that are not read here */
    AOF_BAD_RDB,    /* begins with an RDB that does not hold: no cut can mend it */
    AOF_UNREADABLE, /* the system refused to read */
};

struct aof_report {
    enum aof_verdict verdict;
    uint64_t size;     /* of the file, less the room at its end */
    uint64_t raw_size; /* of the file, when it was opened */
    uint64_t good;     /* end of the last good unit */
    uint64_t at;       /* where the damage shows */
    uint64_t room;     /* bytes of room after `size` (aof_room.h) */
    bool room_inside;  /* there is some in front of what another server appended */
    char why[256];
    uint64_t units, commands, lines;
    bool has_data; /* there is more than header lines */
    bool has_preamble;
    bool has_header; /* `epoch` is that of the last header read */
    bool has_start;  /* the file begins with a header: `start` */
    struct aof_epoch start;
    uint64_t synced; /* offset up to which the file's own marks call it synced */
    bool unmarked;   /* content without marks follows the last mark */
    struct aof_epoch epoch;
    int64_t last_ms; /* latest time that a mark or #TS line gave, 0: none */
    bool stopped;    /* at `stopped_at`, because no more was wanted */
    uint64_t stopped_at;
    struct aof_stream_state stream; /* after what was delivered */
    bool stream_begins;             /* a stream begins in this file: see the next two */
    bool stream_local;              /* there are units that are no part of it, besides SELECTs */
    bool stream_at_head;            /* right after the header that the file begins with */
    uint64_t stream_at;             /* offset of the batch that it begins with */
    uint64_t stream_first;          /* its offset before that batch */
    struct aof_epoch stream_epoch;  /* of that batch */
};

enum { AOF_SOON = 12 };

struct aof_reader_ops {
    /* One command of a good unit; MULTI and EXEC are not passed on. -1 ends with AOF_REFUSED. NULL:
     * they are only read. */
    int (*command)(void *arg, size_t argc, const struct slice *argv, struct err *e);
    /* A command of the same unit that follows AOF_SOON commands later, so that what it needs can be
     * fetched from memory. May be NULL. */
    void (*soon)(void *arg, size_t argc, const struct slice *argv);
    /* Before the commands of a unit that carries a time. May be NULL. */
    void (*time)(void *arg, uint64_t offset, int64_t ms);
    /* Whether a unit that ends at offset `end` is still to be delivered, and its time (0: it
     * carries none). False: neither it nor what follows; that is only read. May be NULL. */
    bool (*wanted)(void *arg, const struct aof_report *r, uint64_t end, int64_t ms);
    /* Now and then, with the offset reached. May be NULL. */
    void (*progress)(void *arg, uint64_t offset);
    /* A batch of the replication stream where a reader may begin, now and then: one in
     * AOF_STREAM_INDEX_BYTES. May be NULL. */
    void (*place)(void *arg, const struct aof_stream_point *p);
    /* The file begins as an RDB does: reads that, and says in *end where the commands begin. -1
     * ends with AOF_FOREIGN or AOF_BAD_RDB; NULL with AOF_FOREIGN. */
    int (*preamble)(void *arg, int fd, uint64_t *end, struct err *e);
};

/* The header that the file begins with; false if it does not begin with one that holds. */
bool aof_read_header(int fd, struct aof_epoch *h);

/* The header that the file, of `size` bytes, ends with, and where it begins. */
bool aof_read_last_header(int fd, uint64_t size, struct aof_epoch *h, uint64_t *at);

/* `before`: the replication stream at the end of the file before this one; NULL: there was none. */
void aof_read_file_after(int fd, const struct aof_stream_state *before,
                         const struct aof_reader_ops *ops, void *arg, struct aof_report *out);
void aof_read_file(int fd, const struct aof_reader_ops *ops, void *arg, struct aof_report *out);

#endif
