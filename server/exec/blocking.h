/* SPDX-License-Identifier: BSD-3-Clause
 *
 * blocking - clients that wait: for keys (BLPOP, XREAD BLOCK...) or for progress of the AOF
 * (WAITAOF).
 *
 * Waiting for keys. A handler that finds nothing to do calls block_on_keys(), which keeps a copy of
 * the command. Whatever changes one of the keys (key_changed, all_changed, expiry) makes it ready;
 * once the command that did so is over, its waiting clients try again, in the order of arrival: the
 * handler simply runs once more, with its own reply, effects and gate. If it calls block_on_keys()
 * again it goes on waiting in its old place. So there is no second implementation of any command
 * "for blocked clients", and the AOF gets what the handler always propagates.
 *
 * Where no client may wait (replay of the AOF, MULTI, scripts), block_on_keys() answers at once as
 * if the time were up.
 *
 * A client whose waiting is over is resumed before the loop waits, not in the middle of another
 * client's command.
 */
#ifndef STET_EXEC_BLOCKING_H
#define STET_EXEC_BLOCKING_H

#include "server/exec/call.h"
#include "storage/base/heap.h"

struct key_wait;

struct blocked {
    struct list link; /* in engine.blocked, the oldest first */
    struct session *s;
    struct heap_node deadline; /* monotonic microseconds; not in the heap: waits for ever */

    /* For clients that wait for progress: `ready` is called after each progress. NULL: waits for
     * keys. With `cmd` the command runs once more then (x->from == FROM_RETRY), and goes on waiting
     * if it sets x->waits. */
    bool (*ready)(const struct blocked *b);
    /* The answer when it is ready, or when the time is up. */
    void (*answer)(struct blocked *b, struct reply *r);
    bool runs_when_due; /* the command runs once more (x->from == FROM_RETRY) when the time is up */
    uint64_t end_us;    /* of one that does: when it is answered as if it did not; 0: never */
    uint64_t position;  /* for `ready` */
    int64_t args[2];
    void *job; /* the job it waits for, owned by its module (MIGRATE) */
    void (*job_free)(void *job);
    uint64_t need; /* position that even an answer of "nothing" waits for */

    /* For clients that wait for keys. */
    struct command_slot *cmd;
    struct slice *argv; /* own copy */
    int argc;
    int db;
    enum type_id type;
    bool any_change;
    void (*time_up)(struct reply *r);
    struct key_wait *waits;
    int nwaits;
};

/* ---------------------------------------------------------------- for handlers */

/* The timeout argument of blocking commands: seconds, with a fraction; 0: for ever. Gives the
 * monotonic time in microseconds at which it is over (0: never); false: an error was answered. */
bool arg_timeout(struct call *x, int i, uint64_t *deadline_us);

/* The same in whole milliseconds, as given (WAIT, CLIENT PAUSE). */
bool arg_timeout_ms(struct call *x, int i, int64_t *ms);

struct key_block {
    int first, last, step; /* the keys among argv; step 0 is 1 */
    enum type_id type;     /* a key of another type wakes no client */
    bool any_change;       /* a deletion of the key wakes the client too (XREADGROUP) */
    uint64_t deadline_us;
    uint64_t again_us;                /* when it is tried again whatever the keys do; 0: not. If one
                                       * call gives it, so does each that follows */
    void (*time_up)(struct reply *r); /* what is answered then: reply_null_array, reply_null... */
    void (*at_once)(struct reply *r); /* the same where nothing may wait; NULL: as time_up */
    const struct slice *argv;         /* to try with instead of x->argv, and of the same length
                                       * (XREAD's "$" made an id); NULL: x->argv */
};

/* The handler must not have replied yet. Changes made before go to the AOF (XREADGROUP makes its
 * consumer), and must not be made again when the command is tried again. Always returns 0, to be
 * returned by the handler: return block_on_keys(x, &(struct key_block){.first = 1, .last = x->argc
 * - 2, ...}); */
int block_on_keys(struct call *x, const struct key_block *what);

/* Waits for progress: `what` is copied; deadline_us 0: for ever. */
void block_on_progress(struct call *x, const struct blocked *what, uint64_t deadline_us);

/* ---------------------------------------------------------------- for the engine */

void blocking_init(struct engine *e);
void blocking_release(struct engine *e);

struct key_counts {
    size_t waited_on;       /* keys that blocked clients wait for */
    size_t waited_on_nokey; /* of these: a client is also to hear that the key is deleted */
    size_t watched;         /* keys under WATCH */
};

/* Walks over all keys that clients wait for or watch: for INFO. */
struct key_counts blocking_count_keys(const struct engine *e);

/* The session ends: it no longer waits. */
void blocked_forget(struct session *s);

/* Ends a client's waiting as if its time were up, or with an error if `error` is not NULL. */
void unblock(struct blocked *b, const char *error);

/* Whether that can be done: there is an answer for it. */
static inline bool can_unblock(const struct blocked *b) {
    return b->answer || b->time_up;
}

/* Lets clients try again whose keys became ready. To be called between commands. */
void blocking_serve(struct engine *e);

/* When the next waiting client's time is up (monotonic microseconds), 0: never. */
uint64_t blocked_next_deadline(const struct engine *e);

/* Answers clients whose time is up; returns how many there were. */
size_t blocked_check_time(struct engine *e, uint64_t now_us);

/* Calls `ready` of all clients that wait for progress. */
void blocked_check_progress(struct engine *e);

/* Resumes the input of clients that no longer wait. */
void blocked_resume(struct engine *e);

#endif
