/* SPDX-License-Identifier: BSD-3-Clause
 *
 * functions - libraries of functions, and finding a function by its name.
 *
 * A library stands in the keyspace's list, where the writer of a snapshot finds its code; here it
 * has been compiled and has said which functions it has. It comes and goes as a whole. Names of
 * libraries are as they are written, those of functions are the same in any case.
 */
#ifndef STET_SCRIPTING_FUNCTIONS_H
#define STET_SCRIPTING_FUNCTIONS_H

#include "server/scripting/interp.h"

struct function {
    struct function *next;    /* in its bucket */
    struct function *sibling; /* in its library */
    struct function_library *library;
    int ref; /* in the registry */
    unsigned flags;
    struct slice description; /* p NULL: none */
    size_t n;
    char name[]; /* ends with 0 */
};

struct function_library {
    struct library base; /* first */
    struct slice name;   /* in the code's first line */
    struct function *functions;
    size_t n, bytes;
};

enum { FUNCTION_BUCKETS = 256 };

struct function_set {
    struct library **libraries; /* in order of name */
    struct function *buckets[FUNCTION_BUCKETS];
    size_t nlibraries, nfunctions, bytes;
};

void function_set_init(struct function_set *s, struct library **libraries);

struct function *function_find(const struct function_set *s, struct slice name);
struct function_library *function_find_library(const struct function_set *s, struct slice name);

/* The first function of a library that another one in the set has too; NULL: none. Libraries of
 * `spared` (which may be NULL) and the one of the same name count for nothing. */
const struct function *function_clash(const struct function_set *s,
                                      const struct function_library *l,
                                      const struct function_set *spared);

/* Takes it over. Nothing of it is in the set. */
void function_set_add(struct function_set *s, struct function_library *l);

/* Takes it out; it is the caller's. */
void function_set_remove(struct function_set *s, struct function_library *l);
void function_set_clear(struct scripting *sc, struct function_set *s);

/* ---------------------------------------------------------------- library.c */

enum { LIBRARY_LOAD_MS = 500 };

/* What a library's first line says. */
struct library_head {
    struct slice name; /* in the code */
    size_t body;       /* where the line ends */
};

/* -1: it says nothing, or nonsense; `why` has the text. */
int library_parse_head(struct slice code, struct library_head *head, struct bytes *why);

/* Runs the code, which registers functions. `timed`: for LIBRARY_LOAD_MS at the most. NULL: `why`
 * has the text. */
struct function_library *library_new(struct scripting *sc, struct slice code,
                                     const struct library_head *head, bool timed,
                                     struct bytes *why);
void library_free(struct scripting *sc, struct function_library *l);

/* Fills the fixed places of the stack that belong to libraries. */
void library_open(lua_State *L);

/* fcall.c */
void functions_start(struct scripting *sc);
void functions_stop(struct scripting *sc);

extern const struct command function_commands[];

#endif
