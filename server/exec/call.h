/* SPDX-License-Identifier: BSD-3-Clause
 *
 * call - one command being executed: what a handler gets, and what it may do.
 *
 * A handler checks everything first, then changes the data set, then replies; it returns 0, or what
 * reply_err() returned. Keys are looked up through lookup_read / lookup_write only: they expire
 * what is due and raise the reply's gate. Every change is told once with key_changed(). A write
 * command that changed something is logged as it was received, unless the handler called effect()
 * to say in which form it is to be logged instead.
 */
#ifndef STET_EXEC_CALL_H
#define STET_EXEC_CALL_H

#include "server/exec/engine.h"
#include "storage/base/clock.h"
#include "storage/base/hash.h"
#include "storage/keyspace.h"

#include <stdio.h>

struct call {
    struct engine *e;
    struct session *s; /* never NULL; the replayed log has a session of its own */
    struct command_slot *cmd;
    const struct slice *argv;
    int argc;
    struct slice raw; /* the command as received, in RESP; empty if it was inline */
    struct db *db;
    struct reply r;
    uint64_t first_hash; /* of the first key, if has_first_hash */
    bool has_first_hash;
    bool rewritten;    /* effects replace the command in the log, even if there are none */
    bool all_changed;  /* the change may concern any key: set it instead of naming them all */
    bool may_not_wait; /* blocking commands answer at once, as if their time were up */
    bool again;        /* it waited, and tries once more */
    bool waits;        /* its client waits now, and has no answer */
    bool inner;        /* part of a transaction: its effects are logged with the others' */
    bool scripted;     /* a script's: its reply is the script's */
    uint64_t dirty_before;
    uint64_t need;    /* position that the reply waits for */
    uint64_t secrets; /* bit i: argument i is not shown; bit 63: nor any from 63 on */
    int64_t now_ms;
};

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

/* ---------------------------------------------------------------- keys */

/* A key, its hash, and its entry if there is one. A look-up by the key of an entry whose time is
 * over gives a copy of the key, which is good until the next such look-up. */
struct ref {
    struct slice key;
    uint64_t hash;
    struct entry *e;
    struct db *db;
};

/* Argument i as a key, for reading: counts hits and misses, notes the access. */
struct ref lookup_read(struct call *x, int i);
struct ref lookup_write(struct call *x, int i);

/* Any key in any database; `count` as lookup_read does. */
struct ref lookup(struct call *x, struct db *db, struct slice key, bool count);

/* The same without noting an access (OBJECT, TYPE, TTL...). */
struct ref lookup_quiet(struct call *x, int i);

/* False and an error reply if the key holds another type. A missing key is fine. */
bool check_type(struct call *x, const struct ref *r, enum type_id type);

/* The key of r has changed (or is gone): tells the gates, the watchers, the subscribers. */
void key_changed(struct call *x, const struct ref *r, enum event_class cls, const char *event);

/* The same for a change of which nobody is told and for which nobody waits (XACK, XCLAIM). */
void key_changed_quietly(struct call *x, const struct ref *r);

/* The same for a change of what is not read as the key's contents (groups of a stream): waiting
 * clients and subscribers are told, WATCH and tracking are not. */
void key_changed_inside(struct call *x, const struct ref *r, enum event_class cls,
                        const char *event);

/* The same for who has an eye on the key, without counting a change; and for all keys at once. */
void key_touched(struct engine *e, const struct db *db, struct slice key, uint64_t hash);
void all_touched(struct engine *e);

/* The entry of r is new: notes its first access and tells the subscribers. The change itself is
 * told with key_changed, after this. */
void key_added(struct call *x, const struct ref *r);

/* Tells the subscribers of something that is not a change of its own (SET's "expire"). */
void key_event(struct call *x, const struct ref *r, enum event_class cls, const char *event);

/* Removes the key; `lazy`: large values are freed on another thread. Does not call key_changed. */
void key_delete(struct call *x, struct ref *r, bool lazy);

/* The server itself removes the key, whoever looks: its removal is logged, as an effect beside
 * whatever the command under way is logged as, and told. The caller deletes it after this. */
void key_vanishes(struct engine *e, const struct ref *r, enum event_class cls, const char *event,
                  bool lazy);

/* ---------------------------------------------------------------- the log */

/* Adds one command to what is logged for this call, instead of the command as received. */
void effect(struct call *x, int argc, const struct slice *argv);

/* EFFECT(x, SLICE("DEL"), key) */
#define EFFECT(x, ...)                                                                             \
    effect((x), (int)(sizeof((struct slice[]){__VA_ARGS__}) / sizeof(struct slice)),               \
           (struct slice[]){__VA_ARGS__})

/* Nothing is to be logged for this call, though it changed something. */
static inline void effect_none(struct call *x) {
    x->rewritten = true;
}

/* ---------------------------------------------------------------- commands in commands */

/* Runs a command as part of `outer`, for the same session. What it is logged as is logged when the
 * outer one is over, and the outer one's reply waits for what this one's would. */
int call_inner(struct call *outer, struct command_slot *cmd, int argc, const struct slice *argv);

/* The same for a script: what it answers goes to `to`. */
int call_scripted(struct call *outer, struct command_slot *cmd, int argc, const struct slice *argv,
                  struct reply to);

/* Whether commands with these flags have to be refused now (the log, memory): fills `text` with the
 * error if so. */
enum { CALL_REFUSAL_MAX = 512 };
bool call_refusal(const struct engine *e, uint32_t flags, char text[CALL_REFUSAL_MAX]);

/* A copy that holds its bytes itself, in one allocation. */
struct slice *args_copy(int argc, const struct slice *argv);

/* ---------------------------------------------------------------- blocking */

struct blocked;

/* Runs the command that `b` keeps once more, for its session: true if it was answered, false if it
 * goes on waiting. (What waits, and for what: see blocking.h.) */
bool call_again(struct blocked *b);

#endif
