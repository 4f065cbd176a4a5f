/* SPDX-License-Identifier: BSD-3-Clause
 *
 * model - what one connection of the crash test does, command by command, and what that leaves.
 *
 * Connection c owns some keys and sends commands 1, 2, 3...; the n-th is a function of (c, n)
 * alone. A server runs the commands of one connection in order, so after a crash its keys must be
 * in the state after exactly k of them, for one k with acknowledged <= k <= sent: nothing that was
 * acknowledged is missing, nothing is half-applied. Two connections (c and c ^ 1) share a database
 * and read each other's counter: a value once seen may not be taken back either.
 */
#ifndef STET_TESTS_CRASH_MODEL_H
#define STET_TESTS_CRASH_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PLAIN = 150, /* keys that are set, deleted, given and rid of an expiry */
    PAIRS = 10,  /* pairs of keys that MSET sets together */
    SLOTS = PLAIN + 2 * PAIRS + 2,
    COUNTER = SLOTS - 2, /* INCR */
    JOURNAL = SLOTS - 1, /* APPEND, and SET back to nothing */
    VALUE_MAX = 20000,
};

/* What a slot holds. A counter: `n` is its value. Others: the value made by command n. */
struct slot {
    uint64_t n;         /* 0: the key does not exist */
    uint64_t expire;    /* ms, 0: none */
    uint64_t len, hash; /* JOURNAL only: of what was appended */
};

struct model {
    int conn;
    uint64_t k; /* commands applied */
    struct slot slots[SLOTS];
};

enum op {
    OP_SET,
    OP_SETPX,
    OP_DEL,
    OP_PERSIST,
    OP_MSET,
    OP_INCR,
    OP_APPEND,
    OP_RESET,
    OP_GET,
    OP_PEEK
};

struct step {
    enum op op;
    int slot;
};

enum { DB_COUNT = 15 }; /* database 15 is not the crash test's */

void model_init(struct model *m, int conn);
int model_db(int conn);

struct step model_step(int conn, uint64_t n);

/* Applies command k+1. */
void model_apply(struct model *m);

void model_key(char *out, int conn, int slot); /* room: 32 */

/* The bytes of the value that command n gives to a slot; returns the length (<= VALUE_MAX). */
size_t model_value(char *out, int conn, int slot, uint64_t n);

uint64_t model_expire(int conn, uint64_t n);
uint64_t model_hash(uint64_t hash, const void *p, size_t n); /* begin with 0 */

#endif
