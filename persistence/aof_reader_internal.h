/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_reader_internal - the inside of reading one file, shared by
 *
 *   aof_reader.c   units: from bytes to commands
 *   aof_verdict.c  where the content ends, and what damage means
 */
#ifndef STET_PERSISTENCE_AOF_READER_INTERNAL_H
#define STET_PERSISTENCE_AOF_READER_INTERNAL_H

#include "persistence/aof_reader.h"
#include "protocol/request.h"

/* A run of the file in memory. `unit` is where the unit under way begins; what lies before it may
 * go when more is read. */
struct window {
    int fd;
    char *buf;
    size_t n, cap;
    size_t unit, at; /* offsets in buf */
    uint64_t base;   /* offset in the file of buf[0] */
    uint64_t end;    /* where the file's content ends: its size less room and trailing zeros */
};

struct parsed {
    size_t first, argc; /* in args */
};

enum outcome { OUT_UNIT, OUT_END, OUT_SHORT, OUT_BAD, OUT_STOP, OUT_NEWER };

/* Whether the commands that are read are the replication stream's. */
enum local { LOCAL_NO, LOCAL_NEXT, LOCAL_IN_MULTI };

struct reader {
    struct window w;
    struct request_args args;
    struct parsed *cmds;
    size_t ncmds, cmds_cap;
    int64_t unit_ms;
    uint64_t unit_lines;
    uint64_t unit_synced; /* offset that a mark of the unit calls synced; 0: none does */
    bool unit_marked;
    bool in_room; /* since `before_room` there were room and other '#' lines only */
    uint64_t before_room;
    struct aof_stream_state stream; /* at `at`; the report has it as of the last unit */
    bool stream_moved;              /* by more than bytes, since the last unit */
    bool run_begins;                /* ... to where it had not been: */
    uint64_t run_first;             /* after this offset */
    uint64_t indexed;               /* offset of the last place that was told */
    bool in_stream;                 /* the unit is a batch that may hold bytes of the stream */
    enum local local;
    bool failed; /* the system refused to read: nothing may be concluded from what is missing */
    const struct aof_reader_ops *ops;
    void *arg;
    struct aof_report *r;
};

/* The units ended like this. */
enum aof_verdict aof_reader_judge(struct reader *rd, enum outcome rc);

/* Sets the window's end and the report's sizes. -1: the file cannot be read. */
int aof_reader_find_end(struct reader *rd, uint64_t size);

#endif
