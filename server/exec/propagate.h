/* SPDX-License-Identifier: BSD-3-Clause
 *
 * propagate - turns what a command did into the units that others see. This is the only way out.
 *
 * Others are sinks: the AOF (sink_aof.h), and the replication stream (server/replication). A unit
 * is one command or several that stay together (a transaction, a script, a command with effects): a
 * sink takes it as a whole. A command that changed something is propagated as it was received,
 * unless its handler called effect() to say which commands have the same effect wherever and
 * whenever they run again: absolute times, the removed members instead of "pop one". Commands know
 * nothing of the sinks.
 *
 *   handler --effect(), key_vanishes()--> the unit under way --propagate_call()--> every sink
 *
 * Main thread only. No function here can fail.
 */
#ifndef STET_EXEC_PROPAGATE_H
#define STET_EXEC_PROPAGATE_H

#include "storage/base/bytes.h"

#include <stdint.h>

struct call;

enum unit_kind {
    UNIT_DATA,   /* what a command changed */
    UNIT_LOCAL,  /* the same, but no part of the stream: on a replica, for a client of its own */
    UNIT_STREAM, /* bytes of the stream that change no data: PING, REPLCONF GETACK, PUBLISH */
    UNIT_MASTER, /* bytes of the stream as the master sent them: whole commands, or a transaction
                  * with its MULTI and EXEC, and the SELECT before it; `db` is what was selected
                  * before, ncommands means nothing */
};

/* One command or several, in canonical RESP. The first is for database `db`; there is a SELECT
 * among them wherever the database changes, and the last one is for `last_db`. A receiver puts
 * MULTI and EXEC around several commands, and before them a SELECT of `db` if it has another one
 * selected. */
struct unit {
    enum unit_kind kind;
    struct slice resp;
    size_t ncommands;
    int db, last_db;
    bool select; /* UNIT_DATA: there is a SELECT of `db` before it in the stream */
};

/* A receiver of units. Its functions are called on the main thread, in the order in which the
 * commands ran; they never fail and never wait. `wants` points to a flag that the sink's owner
 * keeps: while it is false, the sink is passed over. The flag may change at any time: a sink that
 * begins to want units takes a snapshot of the data set after that. */
struct sink {
    const bool *wants;
    void (*unit)(void *arg, const struct unit *u);
    void *arg;
};

enum { SINKS_MAX = 4 };

/* All-zero: no sink, and no unit under way. */
struct propagation {
    struct sink sinks[SINKS_MAX];
    unsigned nsinks;
    /* What the replication stream has selected (-1: nothing), its end, its id; NULL: no stream. */
    const int *stream_db;
    const uint64_t *stream_offset;
    const char *stream_id;
    bool local;        /* this server is a replica: units are UNIT_LOCAL */
    bool withhold;     /* a script keeps what it does from replicas: UNIT_LOCAL too */
    bool withheld;     /* that of the unit under way */
    struct bytes resp; /* the unit under way */
    size_t ncommands;
    int db, last_db;
};

void propagate_to(struct propagation *p, const struct sink *s);
void propagate_release(struct propagation *p);

/* Whether any sink wants what is done now. */
static inline bool propagate_wanted(const struct propagation *p) {
    for (unsigned i = 0; i < p->nsinks; i++)
        if (*p->sinks[i].wants) return true;
    return false;
}

/* Adds one command for this database to the unit under way; the caller appends exactly one command
 * to what is returned. Call it only where propagate_wanted(). */
struct bytes *propagate_begin(struct propagation *p, int db);

/* Ends the unit under way: gives it to the sinks that want it, and drops it if none does. */
void propagate_flush(struct propagation *p);

/* Gives the sinks bytes of the replication stream: UNIT_STREAM, or UNIT_MASTER with the databases
 * that were selected before and after them. Not while a unit is under way. */
void propagate_stream(struct propagation *p, enum unit_kind kind, struct slice resp, int db,
                      int last_db);

/* After the handler of `x`, if that changed something or left effects, and only where
 * propagate_wanted(): gives the sinks what the call did (a call inside another one: leaves it in
 * the unit under way), and sets the position that the call's reply waits for. */
void propagate_call(struct call *x);

/* Propagates this command for the call instead of the command as received. May be called several
 * times: all of it is one unit. */
void effect(struct call *x, int argc, const struct slice *argv);

/* Another word instead of argument `at`. */
struct word_edit {
    int at;
    struct slice word;
};

/* Propagates the command as received but for these words, and with `more` at its end unless that is
 * empty. */
void effect_edited(struct call *x, const struct word_edit *edits, int n, struct slice more);

/* EFFECT(x, SLICE("DEL"), key) */
#define EFFECT(x, ...)                                                                             \
    effect((x), (int)(sizeof((struct slice[]){__VA_ARGS__}) / sizeof(struct slice)),               \
           (struct slice[]){__VA_ARGS__})

/* The command changes no data but concerns the clients of replicas as well (PUBLISH): it goes into
 * the replication stream, if there is one. */
void propagate_message(struct call *x);

/* The call propagates nothing of its own, though it changed something. */
void effect_none(struct call *x);

#endif
