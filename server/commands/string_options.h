/* SPDX-License-Identifier: BSD-3-Clause
 *
 * string_options - the options of SET, GETEX, MSETEX, DELEX and INCREX: conditions and times.
 */
#ifndef STET_COMMANDS_STRING_OPTIONS_H
#define STET_COMMANDS_STRING_OPTIONS_H

#include "server/commands/support.h"

enum {
    OPT_NX = 1 << 0,
    OPT_XX = 1 << 1,
    OPT_GET = 1 << 2,
    OPT_KEEPTTL = 1 << 3,
    OPT_PERSIST = 1 << 4,
    OPT_EX = 1 << 5,
    OPT_PX = 1 << 6,
    OPT_EXAT = 1 << 7,
    OPT_PXAT = 1 << 8,
    OPT_IFEQ = 1 << 9,
    OPT_IFNE = 1 << 10,
    OPT_IFDEQ = 1 << 11,
    OPT_IFDNE = 1 << 12,
    OPT_BYINT = 1 << 13,
    OPT_BYFLOAT = 1 << 14,
    OPT_LBOUND = 1 << 15,
    OPT_UBOUND = 1 << 16,
    OPT_SATURATE = 1 << 17,
    OPT_ENX = 1 << 18, /* the time is for keys that have none */
    OPT_BY = OPT_BYINT | OPT_BYFLOAT,
    OPT_DIGEST = OPT_IFDEQ | OPT_IFDNE, /* the string's digest is compared, not the string */
    OPT_COMPARE = OPT_IFEQ | OPT_IFNE | OPT_DIGEST,
    OPT_TIME = OPT_EX | OPT_PX | OPT_EXAT | OPT_PXAT,
    OPT_OF_MSETEX = OPT_NX | OPT_XX | OPT_KEEPTTL | OPT_TIME,
    OPT_OF_SET = OPT_OF_MSETEX | OPT_GET | OPT_COMPARE,
    OPT_OF_GETEX = OPT_PERSIST | OPT_TIME,
    OPT_OF_INCREX = OPT_OF_GETEX | OPT_ENX | OPT_LBOUND | OPT_UBOUND | OPT_SATURATE | OPT_BY,
    OPT_WITH_ARG = OPT_TIME | OPT_COMPARE | OPT_LBOUND | OPT_UBOUND | OPT_BY,
};

struct string_options {
    unsigned set;
    int time_arg;    /* with one of OPT_TIME */
    int compare_arg; /* with one of OPT_COMPARE */
    int by_arg;      /* with one of OPT_BY */
    int lower_arg, upper_arg;
    uint64_t digest; /* with one of OPT_DIGEST */
};

/* Reads the options from argument `i` on, of which those in `allowed` are known. False: answered
 * with an error. */
bool string_options(struct call *x, int i, unsigned allowed, struct string_options *o);

/* The time that the options give; untouched if they give none. */
bool string_options_time(struct call *x, const struct string_options *o, int64_t *when_ms);

#endif
