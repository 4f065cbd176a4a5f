/* SPDX-License-Identifier: BSD-3-Clause
 *
 * call - one command being executed: where it comes from, its arguments, its reply.
 *
 * A handler checks everything first, then changes the data set, then replies; it returns 0, or what
 * reply_err() returned. It looks keys up and reports changes through keys.h. A write command that
 * changed something is propagated as it was received, unless the handler called effect()
 * (propagate.h) to propagate other commands instead.
 *
 * call_init() and call_init_inner() are the only makers of a call.
 */
#ifndef STET_EXEC_CALL_H
#define STET_EXEC_CALL_H

#include "server/exec/engine.h"
#include "server/exec/session.h"
#include "storage/base/clock.h"
#include "storage/keyspace.h"

#include <stdio.h>

enum call_from {
    FROM_CLIENT, /* a client sent it */
    FROM_RETRY,  /* a blocked client's command is tried again */
    FROM_EXEC,   /* a command of a transaction */
    FROM_SCRIPT, /* a command of a script or function */
    FROM_LOG,    /* the AOF is being read back */
    FROM_MASTER, /* the replication stream */
};

struct call {
    struct engine *e;
    struct session *s; /* never NULL; the AOF that is read back has a session of its own */
    struct command_slot *cmd;
    const struct slice *argv;
    int argc;
    uint8_t from, root; /* enum call_from: of this call, and of the outermost one it is part of */
    struct slice raw;   /* the command as received, in RESP; empty if it was inline */
    struct db *db;
    struct reply r;
    uint64_t first_hash; /* of the first key, if has_first_hash */
    bool has_first_hash;
    bool rewritten; /* effects replace the command when it is propagated, even if there are none */
    bool all_changed; /* the change may concern any key: set it instead of reporting them all */
    bool waits;       /* the client is blocked now, and has no answer */
    uint64_t dirty_before;
    uint64_t need;    /* position that the reply waits for */
    uint64_t secrets; /* bit i: argument i is not shown; bit 63: nor any from 63 on */
    int64_t now_ms;
};

static inline void call_init(struct call *x, struct session *s, enum call_from from,
                             struct command_slot *cmd, int argc, const struct slice *argv) {
    struct engine *e = s->e;

    *x = (struct call){.e = e,
                       .s = s,
                       .cmd = cmd,
                       .argv = argv,
                       .argc = argc,
                       .from = (uint8_t)from,
                       .root = (uint8_t)from,
                       .db = &e->ks.dbs[s->db],
                       .r = {&s->out, s->resp},
                       .dirty_before = e->dirty,
                       .now_ms = clock_cached_ms()};
}

/* A call that is part of `outer`: the same client, the same moment, the same origin. */
static inline void call_init_inner(struct call *x, const struct call *outer, enum call_from from,
                                   struct command_slot *cmd, int argc, const struct slice *argv) {
    call_init(x, outer->s, from, cmd, argc, argv);
    x->root = outer->root;
    x->now_ms = outer->now_ms;
}

/* Part of a transaction or a script: what it did is propagated with the rest of that. */
static inline bool call_is_inner(const struct call *x) {
    return x->from == FROM_EXEC || x->from == FROM_SCRIPT;
}

/* A blocking command may block its client; else it answers at once, as if its time were up. */
static inline bool call_may_wait(const struct call *x) {
    return x->from == FROM_CLIENT || x->from == FROM_RETRY;
}

/* The command was carried out before, elsewhere: it is obeyed as it stands. Nothing expires by
 * itself, and no limit that has changed since is applied. */
static inline bool call_obeys(const struct call *x) {
    return x->root >= FROM_LOG;
}

/* What is due is there for this call all the same: the call obeys, or a client copies the data set
 * of another server, whose expiries arrive as commands (CLIENT IMPORT-SOURCE). */
static inline bool call_sees_due(const struct call *x) {
    return call_obeys(x) || (engine_is_importing(x->e) && x->s->flags & SESSION_IMPORTS);
}

/* A time that is over already is stored as it is, and deletes nothing. */
static inline bool call_keeps_due(const struct call *x) {
    return call_obeys(x) || engine_is_importing(x->e);
}

/* Whether what the call does is to be propagated, by its own effects or as received. What comes
 * from a master goes on as its bytes. */
static inline bool call_propagates(const struct call *x) {
    return !call_obeys(x) && propagate_wanted(&x->e->propagation);
}

/* ---------------------------------------------------------------- errors */

#define ERR_SYNTAX     "ERR syntax error"
#define ERR_WRONG_TYPE "WRONGTYPE Operation against a key holding the wrong kind of value"
#define ERR_NOT_INT    "ERR value is not an integer or out of range"
#define ERR_NOT_FLOAT  "ERR value is not a valid float"
#define ERR_NO_KEY     "ERR no such key"
#define ERR_RANGE      "ERR index out of range"
#define ERR_LOADING    "LOADING Redis is loading the dataset in memory"
#define ERR_TOO_LONG   "ERR string exceeds maximum allowed size (proto-max-bulk-len)"

/* Answers with an error ("CODE text") and counts it. Returns -1. */
int reply_err(struct call *x, const char *text);
__attribute__((format(printf, 2, 3))) int reply_errf(struct call *x, const char *fmt, ...);

/* "unknown subcommand or wrong number of arguments for 'x'. Try NAME HELP." */
int reply_subcommand_err(struct call *x);

/* "unknown subcommand 'x'. Try NAME HELP." */
int reply_unknown_subcommand(struct call *x);

/* The lines of a HELP subcommand: a heading is added, then each of `lines` (NULL-terminated). */
void reply_help(struct call *x, const char *const *lines);

/* ---------------------------------------------------------------- arguments */

/* Each answers with an error and returns false if the argument is not what is wanted. */
bool arg_int(struct call *x, int i, int64_t *out);
bool arg_int_range(struct call *x, int i, int64_t min, int64_t max, int64_t *out,
                   const char *error);

static inline bool arg_is(const struct call *x, int i, const char *word) {
    return slice_is(x->argv[i], word);
}

/* Argument i is a password or the like. */
static inline void arg_is_secret(struct call *x, int i) {
    x->secrets |= UINT64_C(1) << (i < 63 ? i : 63);
}

/* Argument i as it may be shown to others. */
static inline struct slice arg_shown(const struct call *x, int i) {
    bool secret = x->secrets && x->secrets >> (i < 63 ? i : 63) & 1;

    return secret ? SLICE("(redacted)") : x->argv[i];
}

/* A copy that holds its bytes itself, in one allocation. */
struct slice *args_copy(int argc, const struct slice *argv);

#endif
