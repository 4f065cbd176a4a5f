/* SPDX-License-Identifier: BSD-3-Clause
 *
 * impl - what the files of this folder share. No other file includes it.
 */
#ifndef STET_DOUBLE_IMPL_H
#define STET_DOUBLE_IMPL_H

#include "server/double/double.h"
#include "server/double/journal.h"
#include "server/double/profile.h"
#include "server/double/space.h"
#include "server/double/strict.h"
#include "server/exec/blocking.h"
#include "server/exec/call.h"
#include "storage/base/heap.h"

/* ---------------------------------------------------------------- faults: fault.c, effect.c */

enum effect_kind {
    EFFECT_ERROR,
    EFFECT_DELAY,
    EFFECT_HANG,
    EFFECT_CLOSE_BEFORE,
    EFFECT_RESET,
    /* These come after the command has run, and concern its reply. */
    EFFECT_CLOSE_AFTER,
    EFFECT_HALF,
    EFFECT_SLICE,
    EFFECT_RATE,
    EFFECT_DROP,
    EFFECT_REFUSE, /* of a connection */
};

struct effect {
    enum effect_kind kind;
    int64_t n, ms; /* DELAY: ms, and n more at most; HALF: n bytes; SLICE: n bytes every ms; RATE: n
                    * bytes a second */
};

struct fault {
    struct list link;
    char *name, *command, *key, *client; /* the last three NULL: any */
    bool at_accept;
    uint64_t after, times; /* passes by so many first; hits at most so often, 0: without end */
    double probability;
    struct effect effect;
    char *text;  /* of the error */
    char *shown; /* as it was given, from after NAME on */
    uint64_t seen, hits;
};

/* What a fault has done to a session that is not over yet. */
enum trouble_state {
    TROUBLE_NONE,
    TROUBLE_DELAYED, /* PARKED until `due` */
    TROUBLE_PASSED,  /* the command that was delayed runs next */
    TROUBLE_ARMED,   /* the effect is for the reply of the command that runs */
    TROUBLE_AWAITS,  /* the same, and the command has blocked; output is held from `from` on */
    TROUBLE_PACED,   /* output is held from `from` on, and sent in parts up to `end` */
};

struct detoured {
    struct list link; /* in test_double.troubled */
    struct session *s;
    struct heap_node due; /* monotonic microseconds; in test_double.dues */
    enum trouble_state state;
    struct effect effect;
    bool held;                /* output is held back */
    uint64_t from, end, need; /* offsets of its output; a position of the AOF */
};

bool faults_are_there(const struct test_double *d);

/* The fault that acts on this command (`x`) or connection (`s`), NULL: none does. Counts. */
const struct fault *fault_for(struct test_double *d, struct call *x);
const struct fault *fault_for_connection(struct test_double *d, const struct session *s);
void faults_clear(struct test_double *d);

enum detour_way effect_before(struct test_double *d, struct call *x, uint64_t *from);
void effect_after(struct test_double *d, struct call *x, uint64_t from);
void effect_end(struct test_double *d, struct session *s);
void effect_delay(struct test_double *d, struct session *s, const struct effect *how);

/* Sends what is due, lets those go on whose delay is over. When something is due next, 0: never. */
void effects_on_time(struct test_double *d, uint64_t now_us);
uint64_t effects_next(const struct test_double *d);

/* ---------------------------------------------------------------- the clock: clock.c */

struct advanced {
    uint64_t expired, fields, timed_out;
};

/* ---------------------------------------------------------------- fixtures: fixture.c, reset.c */

struct fixture;
struct start;

void fixtures_free(struct test_double *d);
bool fixtures_are_idle(const struct test_double *d);

/* What RESET goes back to: the configuration and the users of now. */
struct start *start_note(const struct engine *e);
void start_free(struct start *s);

/* ---------------------------------------------------------------- modes: mode.c */

const char *mode_refusal(const struct test_double *d, struct call *x);
void mode_end(struct test_double *d);

/* ---------------------------------------------------------------- the disk: disk.c */

/* TEST CRASH was answered: ends the process. */
void crash_if_asked(struct test_double *d);

/* ---------------------------------------------------------------- all together */

struct test_double {
    struct engine *e;
    struct double_app app;
    struct list faults; /* struct fault, in the order in which they were added */
    uint64_t nfaults_named;
    struct list troubled; /* struct detoured */
    struct heap dues;
    int mode;
    struct fixture *fixtures;
    struct journal journal;
    struct strict strict;
    struct profile profile;
    struct start *start;
    bool crashes; /* in the next turn */
    enum double_crash crash;
    uint64_t crash_bytes;
};

/* The commands of this folder are in this group, and are left alone by everything here. */
extern const char double_group[];

static inline bool is_test_command(const struct call *x) {
    return x->cmd && x->cmd->row->group == double_group;
}

/* Whether the detour is to be asked. */
void double_look(struct test_double *d);

/* What a client waits for, between commands: until `is_so` (NULL: at once), and until `run` (NULL:
 * nothing) is done, which may do what no command may. `job` is for these; freed with mem_free. */
struct errand {
    bool (*is_so)(const struct blocked *b);
    void (*run)(struct test_double *d, struct blocked *b);
    void *job;
    bool done;
};

/* The client of `x` waits; then `answer` answers it. `a` and `b` become blocked.args. */
void errand(struct call *x, const struct errand *what,
            void (*answer)(struct blocked *b, struct reply *r), int64_t a, int64_t b);

void answer_ok(struct blocked *b, struct reply *r);

/* The job of the errand that it waits for. */
void *errand_job(const struct blocked *b);

/* The handlers; argv[1] is the subcommand. */
int test_clock(struct call *x);
int test_fault(struct call *x);
int test_mode(struct call *x);
int test_snapshot(struct call *x);
int test_restore(struct call *x);
int test_drop(struct call *x);
int test_reset(struct call *x);
int test_seed(struct call *x);
int test_wait(struct call *x);
int test_crash(struct call *x);
int test_disk(struct call *x);
int test_cluster(struct call *x);
int test_journal(struct call *x);
int test_strict(struct call *x);
int test_profile(struct call *x);
int test_space(struct call *x);
int test_spaces(struct call *x);

#endif
