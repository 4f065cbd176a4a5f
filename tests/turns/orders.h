/* SPDX-License-Identifier: BSD-3-Clause
 *
 * orders - every way in which the bytes of a program's clients can fall into turns of the loop.
 *
 * An order is a sequence of turns. In one turn the loop reads from a client once at the most, so a
 * turn is a sequence of different actors, each with how many of its commands arrive at once. The
 * clock comes first in its turn: timers run before clients are read. So each order is made once.
 */
#ifndef TEST_TURNS_ORDERS_H
#define TEST_TURNS_ORDERS_H

#include "program.h"

enum { BLOCKS_MAX = ACTORS * STEPS_MAX };

struct order {
    int n;
    struct block {
        uint8_t actor, count;
        bool begins_turn;
    } block[BLOCKS_MAX];
};

typedef bool (*order_fn)(const struct order *o, void *arg); /* false: no more */

/* Each order in turn. `serial`: only those with one command a turn. False: `visit` ended it. */
bool orders_each(const struct program *p, bool serial, order_fn visit, void *arg);

/* How many there are; counts up to `most` + 1. */
uint64_t orders_count(const struct program *p, uint64_t most);

/* "A2 B1 | T1 | B1", and back; false: that is no order of the program. */
void order_show(const struct order *o, char *text, size_t size);
bool order_read(const struct program *p, const char *text, struct order *o);

#endif
