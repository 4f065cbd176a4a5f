/* SPDX-License-Identifier: BSD-3-Clause
 *
 * keyspec - where in a command's arguments the keys are, and what happens to them.
 *
 * The notation of a row's `key_specs`; several, separated by ';':
 *
 *   [where] flag ... [(notes)]
 *
 *   where  begin and find, without a blank between them. Without `where` the keys are those that
 *          the row's `keys` gives as first, last and step.
 *   begin  @2          from argument 2 on
 *          STREAMS@1   after the word STREAMS, looked for from argument 1 on (-2: from the end)
 *          ?           it takes more than a rule to say; ?STORE the same, but we know: after
 *                      SORT's last STORE
 *   find   ..0         up to the beginning plus this; below 0 it counts from the end of argv
 *          ..-1/2      the same, every second argument; ..-1/1%2 only the first half of these
 *          #0+1        so many as argument begin+0 says, the first of them at begin+1
 *          ?           it takes more than a rule to say
 *   flag   RO RW OW RM (read, read and write, overwrite, remove), access update insert delete
 *          (of the value), not_key incomplete variable_flags
 *
 *   "RW access update"
 *   "@1..0 RO access; @2..0 OW update"
 *   "@2#0+1 RO access"
 *
 * A row with keys but without `key_specs` means "RO access".
 */
#ifndef STET_EXEC_KEYSPEC_H
#define STET_EXEC_KEYSPEC_H

#include "server/exec/command.h"

enum keyspec_begin { BEGIN_INDEX, BEGIN_KEYWORD, BEGIN_UNKNOWN };
enum keyspec_find { FIND_RANGE, FIND_KEYNUM, FIND_UNKNOWN };

enum keyspec_flags {
    KEY_RO = 1 << 0,
    KEY_RW = 1 << 1,
    KEY_OW = 1 << 2,
    KEY_RM = 1 << 3,
    KEY_ACCESS = 1 << 4,
    KEY_UPDATE = 1 << 5,
    KEY_INSERT = 1 << 6,
    KEY_DELETE = 1 << 7,
    KEY_NOT_KEY = 1 << 8,
    KEY_INCOMPLETE = 1 << 9,
    KEY_VARIABLE_FLAGS = 1 << 10,
    KEY_FLAGS = 11 /* how many there are */
};

extern const char *const keyspec_flag_names[KEY_FLAGS];

struct keyspec {
    enum keyspec_begin begin;
    int index;            /* of BEGIN_INDEX; where to look from for BEGIN_KEYWORD */
    struct slice keyword; /* of BEGIN_KEYWORD */
    enum keyspec_find find;
    int last, limit;     /* of FIND_RANGE */
    int count_at, first; /* of FIND_KEYNUM, counted from the beginning */
    int step;
    unsigned flags;
    struct slice notes; /* n is 0 without */
};

enum { KEYSPECS_MAX = 4 };

/* Fills `out` from the row; returns how many. A malformed notation is our bug. */
int keyspec_parse(const struct command *c, struct keyspec out[KEYSPECS_MAX]);

struct key_use {
    int at; /* index in argv */
    unsigned flags;
};

/* The keys among argv, in the order of the specs. Returns how many; -1 if the arguments make no
 * sense (a count of keys that is none). Counts beyond `max` are not stored. */
int keyspec_keys(const struct command *c, int argc, const struct slice *argv, struct key_use *out,
                 int max);

#endif
