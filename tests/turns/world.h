/* SPDX-License-Identifier: BSD-3-Clause
 *
 * world - an engine with the commands of the server, up to four clients, a clock that is moved by
 * hand and a loop whose turns are scripted. No network; an AOF only if the program has one
 * (disk.h). A client keeps its input and is closed as server/net does it. A sink records what is
 * propagated.
 */
#ifndef TEST_TURNS_WORLD_H
#define TEST_TURNS_WORLD_H

#include "orders.h"
#include "server/exec/blocking.h"

struct client {
    struct session s; /* first: a session is its client */
    bool exists, feeding, brittle;
    int sent;         /* commands that were sent to it */
    struct bytes in;  /* not executed yet */
    struct bytes got; /* what it was answered and told */
};

struct disk;

struct world {
    struct engine e;
    struct conf *conf;
    struct disk *disk; /* NULL: there is no AOF */
    struct client client[CLIENTS_MAX];
    struct bytes propagated; /* in RESP, each unit after the SELECT it is for */
    bool recording;
    int64_t expired_ms; /* when keys were looked through last */
    int clock_steps;    /* that were taken */
    /* the turn under way; no order: nothing arrives in it */
    const struct program *program;
    const struct order *order;
    int at; /* the block that comes next */
};

/* Once, and once again for the end. The engine stays for many orders, but is made anew for each one
 * with an AOF. */
void world_begin(struct world *w, enum program_log how);
void world_end(struct world *w);

/* The clients of a program connect; the data set is empty and time begins anew. */
void world_enter(struct world *w, const struct program *p);
void world_leave(struct world *w);

/* One turn: the blocks from `first` on, up to the next that begins one. Returns that one. */
int world_turn(struct world *w, const struct program *p, const struct order *o, int first);

/* The disk does all that is asked of it. NULL, or why it does not; nothing without an AOF. */
const char *world_settle(struct world *w);

/* Turns in which nothing arrives, after `ms` milliseconds. */
void world_wait(struct world *w, int64_t ms);

#endif
