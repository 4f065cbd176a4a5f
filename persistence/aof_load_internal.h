/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_load_internal - the inside of a load, shared by
 *
 *   aof_load.c   which files there are, reading them in order
 *   aof_judge.c  whether a file joins the one before, what damage means, cuts, evidence
 */
#ifndef STET_PERSISTENCE_AOF_LOAD_INTERNAL_H
#define STET_PERSISTENCE_AOF_LOAD_INTERNAL_H

#include "persistence/aof_load.h"

/* The end of what was read so far, in positions of the AOF. */
struct aof_chain {
    bool known;   /* `end` is; files of other servers do not say it */
    bool ours;    /* a header was read, or a base that says its position */
    uint64_t end; /* where the next increment has to begin */
    uint64_t epoch, id;
    const char *name; /* of the file that ends there */
};

struct load {
    int dirfd;
    const struct aof_load_options *o;
    struct aof_loaded *out;
    uint64_t done, total;     /* bytes */
    struct aof_manifest list; /* what is read: the files in use, or those that lead to `until` */
    struct aof_chain chain;
    uint64_t rdb_end; /* of the file that is read; 0: it does not begin with an RDB */
    bool stopped;     /* `until` was reached */
    bool in_base;     /* all of it is wanted: it was chosen for that */
    int64_t last_ms;  /* latest time that was read; 0: none */
};

/* The base is an old single file: base and increment in one. */
bool aof_is_single_file(const struct load *l, const struct aof_file *f);

/* Before a file is read: it has to begin where the one before it ends. -1: it does not. */
int aof_check_join(struct load *l, const struct aof_file *f, int fd, struct err *e);

/* 0: the file holds up to r->size (which was cut to that if need be), -1: the start is refused. */
int aof_judge_file(struct load *l, size_t i, struct aof_report *r, struct err *e);

/* Keeps what the file says of positions, and what of it is known to be durable. */
void aof_note_file(struct load *l, size_t i, const struct aof_report *r);

#endif
