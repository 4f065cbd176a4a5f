/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/blocking.h"

#include "server/exec/dispatch.h"
#include "storage/base/check.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

#include <math.h>

struct key_wait {
    struct list link; /* in interest.waits */
    struct interest *on;
    struct blocked *b;
};

void blocking_init(struct engine *e) {
    list_init(&e->blocked);
    list_init(&e->resuming);
}

void blocking_release(struct engine *e) {
    heap_release(&e->block_deadlines);
}

/* ---------------------------------------------------------------- keys that are waited for */

/* A key named twice is waited for once. */
static void wait_for(struct engine *e, struct blocked *b, struct slice key) {
    struct interest *k = interest_get(&e->interests, b->db, key);
    struct key_wait *w;

    if (!list_empty(&k->waits) && list_entry(k->waits.prev, struct key_wait, link)->b == b) return;
    w = &b->waits[b->nwaits++];
    w->on = k;
    w->b = b;
    list_append(&k->waits, &w->link);
}

static void stop_waiting(struct engine *e, struct blocked *b) {
    while (b->nwaits > 0) {
        struct key_wait *w = &b->waits[--b->nwaits];

        list_remove(&w->link);
        interest_drop(&e->interests, w->on);
    }
}

static void count_key(void *interest, void *counts) {
    struct interest *k = interest;
    struct key_counts *c = counts;

    c->watched += !list_empty(&k->watches);
    c->waited_on += !list_empty(&k->waits);
    list_each (it, &k->waits) {
        if (!list_entry(it, struct key_wait, link)->b->any_change) continue;
        c->waited_on_nokey++;
        break;
    }
}

struct key_counts blocking_count_keys(const struct engine *e) {
    struct key_counts c = {0};

    interests_each(&e->interests, count_key, &c);
    return c;
}

/* ---------------------------------------------------------------- beginning to wait */

bool arg_timeout(struct call *x, int i, uint64_t *deadline_us) {
    uint64_t now = clock_mono_us();
    long double seconds;

    if (!num_parse_ldouble(x->argv[i].p, x->argv[i].n, &seconds)) {
        reply_err(x, "ERR timeout is not a float or out of range");
        return false;
    }
    if (seconds < 0) {
        reply_err(x, "ERR timeout is negative");
        return false;
    }
    if (isnan((double)seconds) || seconds > (INT64_MAX - (int64_t)x->now_ms) / 1000.0L) {
        reply_err(x, "ERR timeout is out of range");
        return false;
    }
    *deadline_us = seconds == 0          ? 0
                   : seconds > INT32_MAX ? now + (uint64_t)INT32_MAX * 1000000
                                         : now + (uint64_t)ceill(seconds * 1000) * 1000;
    return true;
}

bool arg_timeout_ms(struct call *x, int i, int64_t *ms) {
    if (!arg_int_range(x, i, INT64_MIN, INT64_MAX, ms,
                       "ERR timeout is not an integer or out of range"))
        return false;
    if (*ms < 0)
        reply_err(x, "ERR timeout is negative");
    else if (*ms > INT64_MAX / 1000 - (int64_t)clock_mono_us())
        reply_err(x, "ERR timeout is out of range");
    else
        return true;
    return false;
}

/* Links the waiting and its client. */
static struct blocked *begin(struct call *x, const struct blocked *what, uint64_t deadline_us) {
    struct blocked *b = mem_dup(what, sizeof *what);

    b->s = x->s;
    b->need = x->need;
    b->deadline = (struct heap_node){0};
    list_append(&x->e->blocked, &b->link);
    x->e->nblocked++;
    if (deadline_us) heap_set(&x->e->block_deadlines, &b->deadline, deadline_us);
    x->s->blocked = b;
    x->waits = true;
    session_enter(x->s, SESSION_BLOCKED);
    return b;
}

void block_on_progress(struct call *x, const struct blocked *what, uint64_t deadline_us) {
    begin(x, what, deadline_us);
}

/* The earlier of two times of which 0 is never. */
static uint64_t earlier(uint64_t a, uint64_t b) {
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static int wait_on(struct call *x, const struct key_block *what) {
    struct blocked *b = x->s->blocked;

    if (b->runs_when_due)
        heap_set(&x->e->block_deadlines, &b->deadline, earlier(what->again_us, b->end_us));
    x->waits = true;
    return 0;
}

int block_on_keys(struct call *x, const struct key_block *what) {
    int step = what->step ? what->step : 1;
    struct blocked b = {.cmd = x->cmd,
                        .argc = x->argc,
                        .db = x->db->id,
                        .type = what->type,
                        .any_change = what->any_change,
                        .runs_when_due = what->again_us != 0,
                        .end_us = what->again_us ? what->deadline_us : 0,
                        .time_up = what->time_up};
    struct blocked *to;

    if (x->from == FROM_RETRY) return wait_on(x, what);
    if (!call_may_wait(x)) {
        (what->at_once ? what->at_once : what->time_up)(&x->r);
        return 0;
    }
    b.argv = args_copy(x->argc, what->argv ? what->argv : x->argv);
    b.waits = mem_calloc((size_t)((what->last - what->first) / step + 1) * sizeof *b.waits);
    to = begin(x, &b, earlier(what->again_us, what->deadline_us));
    for (int i = what->first; i <= what->last; i += step) wait_for(x->e, to, to->argv[i]);
    return 0;
}

/* ---------------------------------------------------------------- the end of waiting */

static void drop(struct engine *e, struct blocked *b) {
    stop_waiting(e, b);
    heap_remove(&e->block_deadlines, &b->deadline);
    list_remove(&b->link);
    e->nblocked--;
    b->s->blocked = NULL;
    if (b->job) b->job_free(b->job);
    mem_free(b->argv);
    mem_free(b->waits);
    mem_free(b);
}

static void tell_detour(struct engine *e, struct session *s, uint64_t from) {
    const struct detour *d = &e->detours.detour;

    if (d->answered) d->answered(d->arg, s, from);
}

/* The client has its answer, from stream offset `from` on. Its input is looked at later: see
 * blocked_resume. It may be in that list already, as it can be served, wait again and be served in
 * one turn. */
static void end(struct engine *e, struct blocked *b, uint64_t from) {
    struct session *s = b->s;

    if (__builtin_expect(e->odd & ODD_DETOUR, 0)) tell_detour(e, s, from);
    drop(e, b);
    if (s->state == SESSION_CLOSING) return;
    session_enter(s, SESSION_ACTIVE);
    if (list_empty(&s->resuming)) list_append(&e->resuming, &s->resuming);
    s->ops->wake(s);
}

void unblock(struct blocked *b, const char *error) {
    struct engine *e = b->s->e;
    struct session *s = b->s;
    struct reply r = {&s->out, s->resp};
    uint64_t from = s->out.end;

    if (error) {
        engine_count_error(e, error);
        reply_error_text(&r, error, strlen(error));
    } else if (b->answer) {
        b->answer(b, &r);
    } else {
        b->time_up(&r);
    }
    session_silence(s, from);
    if (b->cmd) b->cmd->calls++;
    if (b->cmd && error) b->cmd->failed++;
    session_hold(s, from, b->need);
    end(e, b, from);
}

void blocked_forget(struct session *s) {
    if (s->blocked) drop(s->e, s->blocked);
    list_remove(&s->resuming);
}

void blocked_resume(struct engine *e) {
    while (!list_empty(&e->resuming)) {
        struct session *s = list_entry(e->resuming.next, struct session, resuming);

        list_remove(&s->resuming);
        if (s->state == SESSION_ACTIVE) s->ops->resume(s);
    }
}

/* ---------------------------------------------------------------- trying again */

/* Whether a key in this state can be of use to the client that waits for it. */
static bool concerns(const struct engine *e, const struct interest *k, const struct blocked *b) {
    const struct entry *found;

    if (b->s->state != SESSION_BLOCKED) return false;
    if (b->any_change) return true;
    found = db_find(&e->ks.dbs[k->db], interest_key(k), k->hash);
    return found && found->type == b->type;
}

static void try_again(struct engine *e, struct blocked *b) {
    uint64_t from = b->s->out.end;

    if (call_again(b)) end(e, b, from);
}

static void serve_key(struct engine *e, struct interest *k) {
    k->pinned = e->serving = true;
    list_each_safe (it, next, &k->waits) {
        struct blocked *b = list_entry(it, struct key_wait, link)->b;

        if (concerns(e, k, b)) try_again(e, b);
    }
    k->pinned = e->serving = false;
    interest_drop(&e->interests, k);
}

void blocking_serve(struct engine *e) {
    if (__builtin_expect(list_empty(&e->interests.ready), 1) || e->serving) return;
    if (e->pause.mode == PAUSE_BREATH) return; /* once the long command is over */
    while (!list_empty(&e->interests.ready)) {
        struct interest *k = list_entry(e->interests.ready.next, struct interest, ready);

        list_remove(&k->ready);
        serve_key(e, k);
    }
}

/* ---------------------------------------------------------------- time and progress */

uint64_t blocked_next_deadline(const struct engine *e) {
    const struct heap_node *first = heap_first(&e->block_deadlines);

    return first ? first->due : 0;
}

size_t blocked_check_time(struct engine *e, uint64_t now_us) {
    struct heap_node *first;
    size_t n = 0;

    session_end_closing(e);
    while ((first = heap_first(&e->block_deadlines)) && first->due <= now_us) {
        struct blocked *b = heap_entry(first, struct blocked, deadline);

        n++;
        if (!b->runs_when_due || (b->end_us && b->end_us <= now_us)) {
            unblock(b, NULL);
            continue;
        }
        heap_remove(&e->block_deadlines, &b->deadline);
        if (b->s->state == SESSION_BLOCKED) try_again(e, b);
    }
    return n;
}

/* Answers those that are ready, up to the first whose command runs again: it may end the waiting of
 * others. NULL: all were looked at. */
static struct blocked *answer_ready(struct engine *e) {
    list_each_safe (it, next, &e->blocked) {
        struct blocked *b = list_entry(it, struct blocked, link);

        if (b->s->state != SESSION_BLOCKED || !b->ready || !b->ready(b)) continue;
        if (b->cmd) return b;
        unblock(b, NULL);
    }
    return NULL;
}

void blocked_check_progress(struct engine *e) {
    struct blocked *b;

    while ((b = answer_ready(e))) try_again(e, b);
}
