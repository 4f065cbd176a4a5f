/* SPDX-License-Identifier: BSD-3-Clause
 *
 * pattern - the patterns of Lua 5.1, as its manual describes them (5.4.1).
 *
 * A pattern is compiled into items, one for each single character, class or set with its suffix,
 * each capture bracket, %b, %f and %1. A pattern has no alternatives, so its items are passed in
 * their order. What a later item has set is set again before it is read, and a way back needs only
 * the place of an item in the subject: each repeated item keeps its own, and the list of those that
 * have other places to try is the whole stack. The matcher does not call itself.
 *
 * What is wrong with a pattern becomes an item too: it is an error when the matcher gets there, as
 * in Lua. Steps are counted over all calls of a script; every PATTERN_STEPS of them the script is
 * looked at, as it is between instructions: it may be ended then, or other clients be served.
 */
#ifndef STET_SCRIPTING_PATTERN_H
#define STET_SCRIPTING_PATTERN_H

#include "server/scripting/interp.h"

enum {
    PATTERN_STEPS = 200000, /* about a millisecond */
    PATTERN_MAX = 1024 * 1024,
    PATTERN_CAPTURES = 32,
    PATTERN_SLOTS = 40 /* in the matcher itself; longer patterns have theirs in Lua's memory */
};

struct pattern_item {
    uint8_t kind, suffix;
    uint8_t a, b;     /* the character; delimiters of %b; number of the capture, or of the error */
    uint32_t next;    /* slot of the item after it */
    uint32_t earlier; /* the repeated item before it that has other places to try; 0: none */
    const char *least, *now; /* of a repeated item: where it may end at the least; ends now */
};

/* An item of a class or set is followed by the set of its characters. */
union pattern_slot {
    struct pattern_item item;
    uint64_t set[4];
};

struct pattern_capture {
    const char *p;
    ptrdiff_t n; /* or one of the two */
};

enum { CAPTURE_OPEN = -1, CAPTURE_POSITION = -2 };

struct matcher {
    lua_State *L;
    struct scripting *sc;
    const char *subject, *end;
    union pattern_slot *slots; /* slot 0 is not used */
    uint32_t choice;           /* the last item that has other places to try */
    int ncaptures;
    struct pattern_capture captures[PATTERN_CAPTURES];
    union pattern_slot own[PATTERN_SLOTS];
};

/* What is matched, before anything else. */
void pattern_begin(struct matcher *m, lua_State *L, struct slice subject);

/* Compiles the pattern, up to its first zero byte. May push one value, which has to stay. */
void pattern_prepare(struct matcher *m, const char *pattern);

/* The same by hand: the slots that it needs at the most, and how many captures it has. */
size_t pattern_slots(lua_State *L, const char *pattern);
int pattern_compile(union pattern_slot *slots, const char *pattern);

/* Where a match that begins at `s` ends; NULL: there is none. May raise an error. */
const char *pattern_match(struct matcher *m, const char *s);

/* Counts so many steps. */
void pattern_spend(struct scripting *sc, lua_State *L, size_t steps);

#endif
