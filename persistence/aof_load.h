/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_load - brings the whole AOF back at start: manifest, base, increments in order, tail rule.
 *
 * Loading changes no file but for two things, both logged: the tail of the last increment may be
 * cut (what is cut is kept beside it), and an old single file moves into the directory. When the
 * AOF is refused, nothing has been touched. Consecutive files have to join: an increment begins at
 * the position at which the file before it ends.
 */
#ifndef STET_PERSISTENCE_AOF_LOAD_H
#define STET_PERSISTENCE_AOF_LOAD_H

#include "persistence/aof_history.h"
#include "persistence/aof_reader.h"

struct aof_names {
    const char *dir;      /* the working directory, where an old single file or an RDB would be */
    const char *dirname;  /* appenddirname */
    const char *filename; /* appendfilename */
    const char *dbfilename;
};

struct aof_load_options {
    struct aof_names names;
    bool load_truncated;     /* aof-load-truncated */
    struct aof_moment until; /* nothing later is loaded, and no file is changed; the AOF has to go
                              * on in new files then */
    int (*command)(void *arg, size_t argc, const struct slice *argv, struct err *e);
    /* A command that comes some commands later (aof_reader.h). May be NULL. */
    void (*soon)(void *arg, size_t argc, const struct slice *argv);
    /* `done` of `total` bytes of the AOF are read. May be NULL. */
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    /* Loads the RDB that `fd` begins with, and says where it ends. `log_follows`: nothing of it is
     * out of date. */
    int (*rdb)(void *arg, int fd, bool log_follows, uint64_t *end, struct err *e);
    void *arg;
};

/* A file that was read. */
struct aof_loaded_file {
    char name[AOF_NAME_MAX];
    uint64_t raw_size; /* as it stands */
    uint64_t size;     /* of its content: less the room at its end */
    uint64_t unproven; /* from this offset on no mark says that it is on the disk; size: all is */
    uint64_t end;      /* position of the AOF after it */

    /* The replication stream: whether it is in this file, and from where on. */
    bool in_stream;
    uint64_t stream_at;              /* offset of a batch, or 0: from the beginning on */
    uint64_t stream_first;           /* its offset before that */
    struct aof_epoch stream_epoch;   /* if stream_at is not 0 */
    struct aof_stream_point *points; /* later places where reading may begin */
    size_t npoints;
};

/* What the AOF looked like, for going on with it. */
struct aof_loaded {
    struct aof_manifest manifest;  /* empty: there was no log */
    bool imported;                 /* but a snapshot, which is loaded now */
    bool cut_short;                /* not all was loaded (`until`): go on in new files */
    struct aof_report last;        /* of the last increment */
    struct aof_loaded_file *files; /* base and increments, in order */
    size_t nfiles;
    uint64_t total_bytes, base_bytes;
    uint64_t next_position; /* above every position that was ever given out */
    uint64_t next_epoch;
    uint64_t cut_bytes; /* 0: nothing was cut */
    uint64_t commands;
    struct aof_stream_state stream;     /* that the data set belongs to; id "": none */
    struct aof_stream_base stream_base; /* its `bytes` are those of an RDB, or 0 */
    bool stream_left;                   /* there was one; it is not to be used: see aof_restore.c */
};

/* 0, or -1 with a text that names file, offset and what to do. The caller has locked the directory,
 * or knows that nothing of the AOF can be torn. */
int aof_load(int dirfd, const struct aof_load_options *o, struct aof_loaded *out, struct err *e);
void aof_loaded_release(struct aof_loaded *l);

/* -1 if a sequence number is missing in front of an increment that holds data: an increment was
 * lost. An empty one after a gap takes nothing with it; where both sides of the gap say their
 * positions those decide, as numbers are skipped by an attempt that failed. `name` is the
 * manifest's. */
int aof_manifest_check_gaps(int dirfd, const struct aof_manifest *m, const char *name,
                            struct err *e);

/* ".<stem>.creating" stands in the directory while an AOF's first files are made: until it goes,
 * what is there besides a manifest is the rest of a start that did not end. */
bool aof_creation_is_under_way(int dirfd, const char *stem);

/* Stands in a directory that is a finished backup, a line "stet-backup 1 <position> <unix ms>": its
 * files may share their bytes with others, so none is written, cut or repaired in place. */
#define AOF_SEAL ".sealed"

/* Stands in a directory made by --restore-from until its first start: the replication stream of the
 * backup is not this server's. */
#define AOF_RESTORED ".restored"

/* True if the file holds nothing, or one header line and nothing else. */
bool aof_is_header_only(int dirfd, const char *name);

/* The lock of an AOF: this byte of the directory's file AOF_LOCK. Two AOFs may share a directory
 * under two names. */
#define AOF_LOCK ".lock"
uint64_t aof_lock_byte(const char *filename);

/* A directory whose AOF_LOCK was deleted shows no server that uses it. -1: another process has an
 * increment of the AOF named `stem` open for writing. Looks only if there is no AOF_LOCK. */
int aof_check_unused(int dirfd, const char *stem, struct err *e);

/* The manifest of a directory whose log is about to be replaced rather than read (enabling at run
 * time): an empty one if there is no log. -1 if there are data files that no manifest names. */
int aof_manifest_adopt(int dirfd, const struct aof_names *n, struct aof_manifest *m, struct err *e);

/* "<appendfilename>.manifest"; `out` has room for AOF_NAME_MAX + 16. */
void aof_manifest_name(const char *filename, char *out);

/* Reads and parses; 1 if there is no manifest, 0 read, -1 refused. */
int aof_manifest_read(int dirfd, const char *name, struct aof_manifest *m, struct err *e);

#endif
