/* SPDX-License-Identifier: BSD-3-Clause
 *
 * detour - what a command passes only in some servers: guards before it may run (the slots of a
 * cluster, modes of a test double), and a detour around the whole of it (faults, a journal).
 *
 * A server without them pays nothing: dispatch and admit() look at engine.odd, one byte, which also
 * says whether the server is busy or a replica. Main thread only. What is registered stays for the
 * life of the engine, and so must `arg`. The functions stand in engine.h.
 */
#ifndef STET_EXEC_DETOUR_H
#define STET_EXEC_DETOUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct call;
struct session;

/* Bits of engine.odd. */
enum engine_odd {
    ODD_BUSY = 1 << 0,    /* engine.busy */
    ODD_DETOUR = 1 << 1,  /* there is a detour, and it wants to be asked */
    ODD_REPLICA = 1 << 2, /* role.is_replica */
    ODD_GUARD = 1 << 3,   /* there is a guard */
    ODD_IMPORT = 1 << 4,  /* import-mode */
};

/* Asked by admit() for each command of a client, after its own checks; also for one that a
 * transaction only queues. What scripts call does not pass here. The text of an error ("CODE
 * text", good until the next call) refuses the command. */
struct guard {
    const char *(*refusal)(void *arg, struct call *x);
    void *arg;
    bool plain; /* EXEC is answered with the error as it is, not with EXECABORT */
};

enum { GUARDS_MAX = 4 };

enum detour_way {
    DETOUR_NONE,  /* the command runs */
    DETOUR_DONE,  /* it is dealt with: answered, or its client is closed */
    DETOUR_LATER, /* it is not executed now: the detour has made its session PARKED, and the command
                   * comes again once it is ACTIVE and was resumed */
};

/* Around each command that a client sends, admitted or not; not around its retries while it is
 * blocked, and not while the server is busy. Sessions that are PARKED may be resumed by others too:
 * the detour is asked again then. */
struct detour {
    /* x->cmd is NULL if it is unknown. A reply begins at *from, which is to be set anew if earlier
     * output is taken back. */
    enum detour_way (*before)(void *arg, struct call *x, uint64_t *from);
    /* The command has run or was refused; its reply begins at stream offset `from`, or is still to
     * come (x->waits). */
    void (*after)(void *arg, struct call *x, uint64_t from);
    /* The client that was blocked has its answer, from stream offset `from` on. May be NULL. */
    void (*answered)(void *arg, struct session *s, uint64_t from);
    /* The session ends: frees session.detoured. */
    void (*end)(void *arg, struct session *s);
    void *arg;
};

struct detours {
    struct detour detour;
    struct guard guards[GUARDS_MAX];
    unsigned nguards;
};

#endif
