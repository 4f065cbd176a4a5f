/* SPDX-License-Identifier: BSD-3-Clause
 *
 * double - the server as a test double: the command TEST, and what it needs of the application.
 * README.md says what its subcommands do.
 *
 * Only built where enable-test-commands is not `no`. One for each engine; the clock, the seed and
 * the disk belong to the process. Main thread only.
 */
#ifndef STET_DOUBLE_DOUBLE_H
#define STET_DOUBLE_DOUBLE_H

#include "server/exec/engine.h"

struct spaces;
struct test_double;

enum double_crash {
    CRASH_WRITTEN, /* as after kill -9: what was written stands */
    CRASH_SYNCED,  /* as after a power cut: only what was synced stands */
    CRASH_BYTES,   /* the same, and some bytes of what was written after it */
};

/* What the application does for it. Each may be NULL. */
struct double_app {
    /* A turn is to come at this monotonic time, even if nothing else happens; 0: no longer. */
    void (*set_timer)(void *arg, struct engine *e, uint64_t due_us);
    void (*clock_changed)(void *arg);
    void (*hurry)(void *arg);
    /* It is known what a power cut would leave. */
    bool (*is_settled)(void *arg);
    /* It begins anew in the next turn: connections are accepted by the next process from now on. */
    void (*crash_is_near)(void *arg);
    /* The process begins anew. Returns only if it cannot. */
    int (*crash)(void *arg, enum double_crash how, uint64_t bytes, struct err *e);
    /* The data set was replaced by another one: the AOF and the replicas need it as a whole. */
    void (*replaced)(void *arg);
    /* No client but `but` has input, output or a command under way, and no work is left in the
     * background. */
    bool (*is_idle)(void *arg, const struct session *but);
    void *arg;
    struct spaces *spaces; /* of the process; NULL: there can be none */
};

/* Before double_new(); the registry is sealed afterwards. */
void double_register(struct command_registry *r);

/* The engine gets its `test_double`. */
struct test_double *double_new(struct engine *e, const struct double_app *app);

/* The configuration and the users of now are what RESET goes back to. */
void double_started(struct test_double *d);
void double_free(struct test_double *d);

/* A turn's step before the loop waits, between commands. */
void double_before_wait(struct test_double *d);

/* A client has connected: false: it is to be refused. */
bool double_accepts(struct test_double *d, struct session *s);

/* engine_hooks.authenticated */
void double_authenticated(struct session *s);

#endif
