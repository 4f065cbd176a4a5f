/* SPDX-License-Identifier: BSD-3-Clause
 *
 * check_aof_cut - new files in place of old ones: cut, closed with the header of a new epoch, and
 * with what was taken away kept beside.
 */
#ifndef STET_TOOLS_CHECK_AOF_CUT_H
#define STET_TOOLS_CHECK_AOF_CUT_H

#include "tools/check_aof.h"

/* Prints what failed; -1. */
int check_failed(const struct check *c, const char *what, const char *name, const struct err *e);

/* Whole batches. */
struct counted {
    uint64_t units, commands;
    int fd; /* that is read */
};

/* Those from `at` on; `epoch` is the last one of the file then. */
struct counted check_count_after(struct check *c, const struct part *p, uint64_t at,
                                 struct aof_epoch *epoch, bool *has_epoch);

/* What comes after everything that the files say. */
struct next {
    bool ours; /* there are headers at all */
    uint64_t position, epoch;
};

struct next check_what_comes_next(struct check *c);
void check_note_part(struct check *c, const struct part *p, struct next *n); /* adds one file */

/* The headers that follow `at` in a file that is cut there. One that is cut to nothing says first
 * where it joins the file before it (`joins_at`; NULL: nothing says it). Returns their length. */
size_t check_put_headers(struct check *c, const struct part *p, uint64_t at,
                         const struct next *next, const uint64_t *joins_at,
                         char out[2 * AOF_MARK_MAX]);

/* The header of a base without commands, made at `position`. Returns its length. */
size_t check_put_base_header(const struct next *next, uint64_t position, char out[AOF_MARK_MAX]);

/* Gives the name a new file: the first `at` bytes of the old one, and the lines. Durable. */
int check_put_in_place(struct check *c, const char *name, uint64_t at, const char *lines, size_t n,
                       struct err *e);

/* Cuts a file at `at`, keeps the rest, and says `done`. */
int check_cut_part(struct check *c, const struct part *p, uint64_t at, const char *lines, size_t n,
                   const char *done);

/* The whole file gets another name. */
int check_move_aside(struct check *c, const struct part *p, struct err *e);

/* Makes c->m the manifest. */
int check_publish(struct check *c, struct err *e);

#endif
