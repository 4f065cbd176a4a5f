/* SPDX-License-Identifier: BSD-3-Clause
 *
 * check_aof - what the parts of stet-check-aof share.
 *
 *   check_aof.c          command line, locks, what is printed of each file
 *   check_aof_look.c     reads an AOF and finds the first thing that is wrong with it
 *   check_aof_scan.c     finds whole batches, also after damage
 *   check_aof_fix.c      --fix, --truncate-to-timestamp
 *   check_aof_cut.c      how a file is cut, and what is kept of it
 *   check_aof_salvage.c  --salvage
 *
 * No file is changed in place, and nothing is thrown away: a file that is cut gets a new one in its
 * place, and what was taken away stays beside it as `<file>.cut-<epoch>-<position>`.
 */
#ifndef STET_TOOLS_CHECK_AOF_H
#define STET_TOOLS_CHECK_AOF_H

#include "persistence/aof_load.h"
#include "storage/base/progress.h"

struct options {
    bool fix, yes, json, has_timestamp;
    int64_t timestamp_ms;
    int64_t timestamp_given;
    const char *salvage; /* the directory to make, NULL: none */
    const char *path;
};

/* One file as it was read. */
struct part {
    struct aof_file f;
    bool there;
    bool known;        /* `position`: of the first byte; of a base: where it was made */
    uint64_t position; /* of the AOF */
    bool header_only;  /* it holds no commands, and nothing that was cut off */
    int64_t late_at;   /* offset of the first commands later than the timestamp, -1: none */
    struct aof_report r;
};

struct check {
    const struct options *o;
    const char *dir;  /* of the AOF */
    const char *name; /* of the manifest, or of the only file */
    char stem[AOF_NAME_MAX];
    int dirfd;
    bool quiet; /* a repair looks at its work: only what is wrong is told */
    bool is_manifest;
    bool first_json;
    uint64_t lines; /* over all files, as redis-check-aof counts */

    /* the file under way */
    struct progress progress;
    bool is_rdb;
    uint64_t timed_at; /* offset of the last unit that carried a time */
    int64_t timed_ms;
    int64_t late_at;

    /* the AOF */
    struct aof_manifest m;
    struct part *parts; /* one for each file of `m` */
    size_t nparts;
};

/* What is wrong with an AOF. `at` is an index of parts. */
enum problem_kind {
    PROBLEM_NONE,
    PROBLEM_MANIFEST,  /* there is none, or it cannot be read */
    PROBLEM_BASE,      /* the base is lost, or it is an RDB that cannot be read */
    PROBLEM_BASE_CUT,  /* a base of commands that holds up to some offset only */
    PROBLEM_EARLY,     /* the first increments are older than the base; the one at `at` joins it */
    PROBLEM_DROP,      /* the increment at `at` does not join what is before it, or is lost */
    PROBLEM_CUT,       /* the increment at `at` holds up to some offset only */
    PROBLEM_RETIRED,   /* the file at `at` is called history, but goes on where the AOF ends */
    PROBLEM_UNREADABLE /* a file cannot be read, but nothing shows that it is damaged: no repair */
};

struct problem {
    enum problem_kind kind;
    size_t at;
    char text[600];
};

#define SAYF(c, ...)                                                                               \
    do {                                                                                           \
        if (!(c)->o->json) {                                                                       \
            printf(__VA_ARGS__);                                                                   \
            fflush(stdout);                                                                        \
        }                                                                                          \
    } while (0)

/* ---------------------------------------------------------------- check_aof.c */

/* Prints what was found in a file. */
void check_tell(struct check *c, const struct part *p, const char *type);

bool check_confirmed(const struct check *c);

/* ---------------------------------------------------------------- check_aof_look.c */

/* Reads one file. */
void check_look(struct check *c, const struct aof_file *f, struct part *out);

/* Reads the AOF that the manifest names, and says what is wrong with it first. */
void check_log(struct check *c, struct problem *out);
void check_log_release(struct check *c);

/* A manifest made of the files of the directory alone: the newest base that is whole, and the
 * increments that go on from it. Empty if there are no files. */
void check_rebuild(struct check *c, struct aof_manifest *out);

/* The file of the directory that is a whole base made at `position`; false: none. */
bool check_find_base(struct check *c, uint64_t position, struct aof_file *out);

/* Whether the files of `m` make up an AOF without a fault, and say so by their positions. `scratch`
 * is a check without parts; its manifest is not kept. */
bool check_is_proven(struct check *scratch, const struct aof_manifest *m);

static inline bool check_part_ends(const struct part *p, uint64_t *end) {
    if (p->r.has_header) *end = aof_position_at(&p->r.epoch, p->r.size);
    return p->r.has_header;
}

/* ---------------------------------------------------------------- check_aof_scan.c */

/* Commands that belong together: a batch, or what stands outside batches. */
struct unit {
    uint64_t body, length; /* of its commands in the file */
    uint64_t offset, end;  /* of all of it */
    uint64_t position;     /* of a batch; else 0 */
    int64_t ms;            /* 0: it carries no time */
    uint64_t commands;
    bool marked;
    bool after_gap;       /* something that does not hold stands before it */
    bool selects_first;   /* its database does not depend on what is before it */
    int64_t selects_last; /* the database that it leaves selected, -1: it selects none */
};

/* Shows every batch from offset `from` on whose checksum holds. `epoch` is the one that `from` lies
 * in (NULL: `from` is 0), and becomes the last one found; `has_epoch`: whether there is one. */
void check_scan(int fd, uint64_t from, struct aof_epoch *epoch, bool *has_epoch,
                void (*see)(void *arg, const struct unit *u), void *arg);

/* Takes the '#' lines out of a unit's `n` bytes, but for times; what is left of them. */
size_t check_drop_marks(char *p, size_t n);

/* Fills in what the commands of a unit do. */
void check_unit_commands(int fd, struct unit *u, bool (*one_db)(void *arg, int64_t db), void *arg);

/* ---------------------------------------------------------------- check_aof_fix.c */

/* Each returns the exit status. */
int check_fix(struct check *c, struct problem *first);
int check_truncate(struct check *c);

/* Cuts a file that no manifest is known of. */
int check_cut_single(struct check *c, const struct part *p, uint64_t at);

/* ---------------------------------------------------------------- check_aof_salvage.c */

int check_salvage(struct check *c);

#endif
