/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/double/double.h"

#include "conf/conf.h"
#include "server/double/impl.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"

const char double_group[] = "test";

/* ---------------------------------------------------------------- the command */

static int cmd_test(struct call *x) {
    return reply_subcommand_err(x);
}

static int cmd_help(struct call *x) {
    static const char *const lines[] = {
        "CLOCK GET | FREEZE [unix-ms] | SET unix-ms | ADVANCE ms | SCALE factor | RUN | REAL",
        "    Moves the time that the server goes by.",
        "CLUSTER MOVE slot node | ASK slot node | STABLE slot | FAIL node | RECOVER node | "
        "FAILOVER node",
        "    Changes an emulated cluster; a node is its id or its port.",
        "FAULT ADD [NAME name] [COMMAND name] [KEY pattern] [CLIENT pattern] [AFTER n] [TIMES n] "
        "[PROBABILITY p] effect",
        "    Makes commands fail: ERROR text, DELAY ms [JITTER ms], HANG, CLOSE BEFORE|AFTER, "
        "RESET, HALF n, SLICE bytes ms, RATE bytes-per-second, DROP.",
        "FAULT ADD [NAME name] ACCEPT [AFTER n] [TIMES n] [PROBABILITY p] REFUSE | DELAY ms",
        "    Makes connections fail.",
        "FAULT LIST | REMOVE name | CLEAR",
        "    The faults that were added.",
        "MODE [LOADING|READONLY|OOM|MISCONF|MASTERDOWN|CLUSTERDOWN|BUSY|NOREPLICAS|NORMAL]",
        "    Refuses commands as a server in this state does.",
        "SNAPSHOT name | RESTORE name | DROP name",
        "    Keeps the data set, and brings it back.",
        "RESET",
        "    As after the start, but for connections and snapshots.",
        "SEED n",
        "    What is random repeats.",
        "WAIT BLOCKED key [n] | CLIENTS n | IDLE",
        "    Answers once this is so.",
        "CRASH [WRITTEN|SYNCED|BYTES n]",
        "    Forgets what a kill or a power cut would, and starts again.",
        "DISK FULL|SLOW ms|EIO|TORN|NORMAL",
        "    What writing to files does.",
        "JOURNAL START | STOP | CLEAR | INFO | GET [filter] | COUNT [filter]",
        "    What clients sent. A filter: [COMMAND pattern] [KEY pattern] [CLIENT pattern] [REPLY "
        "pattern] [LIMIT n].",
        "SPACE [name [USER username | DROP]]",
        "    This connection lives in a server of its own, or all of a user do; \"\" is the first.",
        "SPACES",
        "    The names that there are.",
        "STRICT [yes|no]",
        "    Refuses what production would not forgive.",
        "PROFILE [redis-6.2|redis-7.0|redis-7.2|valkey-8|none]",
        "    What is newer is unknown.",
        NULL,
    };

    reply_help(x, lines);
    return 0;
}

int test_seed(struct call *x) {
    int64_t seed;

    if (!arg_int(x, 2, &seed)) return -1;
    rng_seed((uint64_t)seed);
    if (x->e->hooks.seed_scripts) x->e->hooks.seed_scripts(x->e, (uint64_t)seed);
    reply_ok(&x->r);
    return 0;
}

int test_journal(struct call *x) {
    struct test_double *d = x->e->test_double;
    int rc = journal_command(&d->journal, x);

    double_look(d);
    return rc;
}

int test_strict(struct call *x) {
    return strict_command(&x->e->test_double->strict, x);
}

int test_profile(struct call *x) {
    struct test_double *d = x->e->test_double;
    int rc = profile_command(&d->profile, x);

    double_look(d);
    return rc;
}

static bool is_bound(const struct test_double *d) {
    return d->app.spaces && spaces_bind(d->app.spaces);
}

/* With users bound to spaces, their clients are looked at in all of them. */
static int look_at_all(struct call *x, int rc) {
    engine_each (e, x->e)
        if (e->test_double) double_look(e->test_double);
    return rc;
}

#define ERR_NO_SPACES "ERR this server has no spaces"

int test_space(struct call *x) {
    struct spaces *all = x->e->test_double->app.spaces;

    return all ? look_at_all(x, space_command(all, x)) : reply_err(x, ERR_NO_SPACES);
}

int test_spaces(struct call *x) {
    struct spaces *all = x->e->test_double->app.spaces;

    return all ? spaces_command(all, x) : reply_err(x, ERR_NO_SPACES);
}

void double_authenticated(struct session *s) {
    const struct test_double *d = s->e->test_double;

    if (is_bound(d)) spaces_authenticated(d->app.spaces, s);
}

#define T                                                                                          \
    (CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_MULTI | CMD_LOADING | CMD_STALE | CMD_SKIP_MONITOR |        \
     CMD_SKIP_SLOWLOG | CMD_IN_PAUSE)

/* clang-format off */
static const struct command test_subcommands[] = {
    {"clock", -3, T, double_group, {0, 0, 0}, test_clock, "7.2.0",
     "Moves the time that the server goes by.", .grammar = "arg+"},
    {"cluster", -4, T, double_group, {0, 0, 0}, test_cluster, "7.2.0",
     "Moves slots of an emulated cluster, lets nodes fail.", .grammar = "arg+"},
    {"crash", -2, T, double_group, {0, 0, 0}, test_crash, "7.2.0",
     "Forgets what a kill or a power cut would, and starts again.", .grammar = "[arg+]"},
    {"disk", -3, T, double_group, {0, 0, 0}, test_disk, "7.2.0",
     "Sets what writing to files does.", .grammar = "arg+"},
    {"drop", 3, T, double_group, {0, 0, 0}, test_drop, "7.2.0",
     "Forgets a snapshot.", .grammar = "name"},
    {"fault", -3, T, double_group, {0, 0, 0}, test_fault, "7.2.0",
     "Makes commands or connections fail.", .grammar = "arg+"},
    {"help", 2, CMD_LOADING | CMD_STALE, double_group, {0, 0, 0}, cmd_help, "7.2.0",
     "Lists the subcommands."},
    {"journal", -3, T, double_group, {0, 0, 0}, test_journal, "7.2.0",
     "Tells what clients sent.", .grammar = "arg+"},
    {"mode", -2, T, double_group, {0, 0, 0}, test_mode, "7.2.0",
     "Refuses commands as a server in some state does.", .grammar = "[mode]"},
    {"profile", -2, T, double_group, {0, 0, 0}, test_profile, "7.2.0",
     "Passes for an older version.", .grammar = "[name]"},
    {"reset", 2, T, double_group, {0, 0, 0}, test_reset, "7.2.0",
     "Everything is as after the start."},
    {"restore", 3, T, double_group, {0, 0, 0}, test_restore, "7.2.0",
     "Brings the data set of a snapshot back.", .grammar = "name"},
    {"seed", 3, T, double_group, {0, 0, 0}, test_seed, "7.2.0",
     "Makes what is random repeat.", .grammar = "seed:int"},
    {"snapshot", 3, T, double_group, {0, 0, 0}, test_snapshot, "7.2.0",
     "Keeps the data set under a name.", .grammar = "name"},
    {"space", -2, T, double_group, {0, 0, 0}, test_space, "7.2.0",
     "Gives connections a server of their own.", .grammar = "[name] [arg+]"},
    {"spaces", 2, T, double_group, {0, 0, 0}, test_spaces, "7.2.0",
     "Lists the spaces."},
    {"strict", -2, T, double_group, {0, 0, 0}, test_strict, "7.2.0",
     "Refuses what production would not forgive.", .grammar = "[strict(YES|NO)]"},
    {"wait", -3, T, double_group, {0, 0, 0}, test_wait, "7.2.0",
     "Answers once something is so.", .grammar = "arg+"},
    {0},
};

static const struct command test_commands[] = {
    {"test", -2, 0, double_group, {0, 0, 0}, cmd_test, "7.2.0",
     "Makes the server a test double.", .subcommands = test_subcommands},
    {0},
};
/* clang-format on */

void double_register(struct command_registry *r) {
    command_registry_add(r, test_commands);
}

/* ---------------------------------------------------------------- guard and detour */

static const char *refusal_of_others(struct test_double *d, struct call *x) {
    const char *why = mode_refusal(d, x);

    return why || !d->strict.on ? why : strict_refusal(&d->strict, x);
}

static const char *refusal(void *arg, struct call *x) {
    if (!is_test_command(x)) return refusal_of_others(arg, x);
    if (x->e->v->enable_test_commands == CONF_ACCESS_YES || x->s->flags & SESSION_LOCAL)
        return NULL;
    return "ERR TEST command not allowed. If the enable-test-commands option is set to \"local\", "
           "you can run it from a local connection only.";
}

static bool has_to_move(struct test_double *d, struct session *s) {
    return is_bound(d) && spaces_hold(d->app.spaces, s);
}

static enum detour_way before(void *arg, struct call *x, uint64_t *from) {
    struct test_double *d = arg;
    enum detour_way way;

    if (has_to_move(d, x->s)) return DETOUR_LATER;
    if (is_test_command(x)) return DETOUR_NONE;
    way = effect_before(d, x, from);
    if (way == DETOUR_LATER) return way;
    if (d->journal.on) journal_before(&d->journal);
    if (way == DETOUR_NONE && d->profile.version && profile_refuses(&d->profile, x))
        return DETOUR_DONE;
    return way;
}

/* The journal comes first: it sees the reply before an effect cuts it. */
static void after(void *arg, struct call *x, uint64_t from) {
    struct test_double *d = arg;

    if (is_test_command(x)) return;
    if (d->journal.on) journal_after(&d->journal, x, from);
    effect_after(d, x, from);
}

static void answered(void *arg, struct session *s, uint64_t from) {
    struct test_double *d = arg;

    journal_answered(&d->journal, s, from);
}

static void end(void *arg, struct session *s) {
    effect_end(arg, s);
}

void double_look(struct test_double *d) {
    uint64_t next = effects_next(d);

    detour_want(d->e, faults_are_there(d) || !list_empty(&d->troubled) || d->journal.on ||
                          d->profile.version || is_bound(d));
    if (d->app.set_timer) d->app.set_timer(d->app.arg, d->e, next);
}

struct test_double *double_new(struct engine *e, const struct double_app *app) {
    struct test_double *d = mem_calloc(sizeof *d);

    d->e = e;
    d->app = *app;
    list_init(&d->faults);
    list_init(&d->troubled);
    journal_init(&d->journal);
    e->test_double = d;
    guard_add(e, &(struct guard){refusal, d});
    detour_set(e, &(struct detour){before, after, answered, end, d});
    return d;
}

void double_started(struct test_double *d) {
    d->start = start_note(d->e);
}

void double_free(struct test_double *d) {
    if (!d) return;
    faults_clear(d);
    fixtures_free(d);
    journal_clear(&d->journal);
    start_free(d->start);
    heap_release(&d->dues);
    mem_free(d);
}

/* ---------------------------------------------------------------- clients that wait */

static void free_errand(void *job) {
    struct errand *r = job;

    mem_free(r->job);
    mem_free(r);
}

/* Blocked clients are asked by others too (blocked_check_progress). */
static bool is_done(const struct blocked *b) {
    const struct errand *r = b->job;

    return r->done;
}

void errand(struct call *x, const struct errand *what,
            void (*answer)(struct blocked *b, struct reply *r), int64_t a, int64_t b) {
    struct errand *r = mem_dup(what, sizeof *what);
    struct blocked waits = {
        .ready = is_done, .answer = answer, .args = {a, b}, .job = r, .job_free = free_errand};

    block_on_progress(x, &waits, 0);
    if (x->e->test_double->app.hurry) x->e->test_double->app.hurry(x->e->test_double->app.arg);
}

void answer_ok(struct blocked *b, struct reply *r) {
    (void)b;
    reply_ok(r);
}

void *errand_job(const struct blocked *b) {
    const struct errand *r = b->job;

    return r->job;
}

/* The first one that can be answered; an errand may change which others are there. */
static struct blocked *next_errand(struct test_double *d) {
    list_each (it, &d->e->blocked) {
        struct blocked *b = list_entry(it, struct blocked, link);
        struct errand *r;

        if (b->ready != is_done || b->s->state != SESSION_BLOCKED) continue;
        r = b->job;
        if (!r->is_so || r->is_so(b)) return b;
    }
    return NULL;
}

static void run_errands(struct test_double *d) {
    struct blocked *b;

    while ((b = next_errand(d))) {
        struct errand *r = b->job;

        if (r->run) r->run(d, b);
        r->done = true;
        unblock(b, NULL);
    }
}

void double_before_wait(struct test_double *d) {
    crash_if_asked(d);
    if (d->e->nblocked) run_errands(d);
    effects_on_time(d, clock_mono_us());
    double_look(d);
}

bool double_accepts(struct test_double *d, struct session *s) {
    const struct fault *f = fault_for_connection(d, s);

    if (!f) return true;
    if (f->effect.kind == EFFECT_REFUSE) return false;
    effect_delay(d, s, &f->effect);
    double_look(d);
    return true;
}
