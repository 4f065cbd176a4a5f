/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/blocking.h"

#include "storage/base/check.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

#include <math.h>

/* A key that somebody waits for; in engine.waiting of its database. */
struct waited_key {
    struct list waits; /* struct key_wait, the oldest first */
    struct list ready; /* in engine.ready while its waiters are to try again */
    uint64_t hash;
    int db;
    size_t n;
    char key[];
};

struct key_wait {
    struct list link; /* in waited_key.waits */
    struct waited_key *on;
    struct blocked *b;
};

static struct slice waited_name(const void *entry) {
    const struct waited_key *k = entry;

    return (struct slice){k->key, k->n};
}

static bool waited_match(const void *entry, struct slice key) {
    return slice_eq(waited_name(entry), key);
}

static const struct table_ops waited_ops = {waited_name, waited_match};

void blocking_init(struct engine *e, int ndbs) {
    list_init(&e->blocked);
    list_init(&e->resuming);
    list_init(&e->ready);
    e->waiting = mem_calloc((size_t)ndbs * sizeof *e->waiting);
    for (int i = 0; i < ndbs; i++) table_init(&e->waiting[i], &waited_ops);
}

void blocking_release(struct engine *e) {
    for (int i = 0; i < e->ks.ndbs; i++) table_release(&e->waiting[i], NULL, NULL);
    mem_free(e->waiting);
    heap_release(&e->block_deadlines);
}

/* ---------------------------------------------------------------- keys that are waited for */

/* A key named twice is waited for once. */
static void wait_for(struct engine *e, struct blocked *b, struct slice key) {
    uint64_t hash = hash_bytes(key.p, key.n);
    struct table *t = &e->waiting[b->db];
    struct waited_key *k = table_find(t, key, hash);
    struct key_wait *w;

    if (!k) {
        k = mem_alloc(sizeof *k + key.n);
        list_init(&k->waits);
        list_init(&k->ready);
        k->hash = hash;
        k->db = b->db;
        k->n = key.n;
        memcpy(k->key, key.p, key.n);
        table_insert(t, k, hash);
        e->nwaited++;
    } else if (list_entry(k->waits.prev, struct key_wait, link)->b == b) {
        return;
    }
    w = &b->waits[b->nwaits++];
    w->on = k;
    w->b = b;
    list_append(&k->waits, &w->link);
}

/* A key that is being served stays until that is over. */
static void drop_if_unwanted(struct engine *e, struct waited_key *k) {
    if (!list_empty(&k->waits) || e->serving == k) return;
    list_remove(&k->ready);
    table_remove(&e->waiting[k->db], k, k->hash);
    e->nwaited--;
    mem_free(k);
}

static void stop_waiting(struct engine *e, struct blocked *b) {
    while (b->nwaits > 0) {
        struct key_wait *w = &b->waits[--b->nwaits];

        list_remove(&w->link);
        drop_if_unwanted(e, w->on);
    }
}

static void make_ready(struct engine *e, struct waited_key *k) {
    if (list_empty(&k->ready)) list_append(&e->ready, &k->ready);
}

void blocking_key_touched(struct engine *e, const struct db *db, struct slice key, uint64_t hash) {
    struct waited_key *k;

    if (__builtin_expect(e->nwaited == 0, 1)) return;
    k = table_find(&e->waiting[db->id], key, hash);
    if (k) make_ready(e, k);
}

static void make_visited_ready(void *entry, void *arg) {
    make_ready(arg, entry);
}

void blocking_all_touched(struct engine *e) {
    if (e->nwaited == 0) return;
    for (int i = 0; i < e->ks.ndbs; i++) table_each(&e->waiting[i], make_visited_ready, e);
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

/* Arguments and their bytes in one allocation. */
static struct slice *copy_args(int argc, const struct slice *argv) {
    size_t bytes = (size_t)argc * sizeof *argv;
    struct slice *to;
    char *p;

    for (int i = 0; i < argc; i++) bytes += argv[i].n;
    to = mem_alloc(bytes);
    p = (char *)(to + argc);
    for (int i = 0; i < argc; i++) {
        to[i] = (struct slice){p, argv[i].n};
        memcpy(p, argv[i].p, argv[i].n);
        p += argv[i].n;
    }
    return to;
}

int block_on_keys(struct call *x, const struct key_block *what) {
    int step = what->step ? what->step : 1;
    struct blocked b = {.cmd = x->cmd,
                        .argc = x->argc,
                        .db = x->db->id,
                        .type = what->type,
                        .any_change = what->any_change,
                        .time_up = what->time_up};
    struct blocked *to;

    if (x->again) {
        x->waits = true;
        return 0;
    }
    if (x->may_not_wait) {
        (what->at_once ? what->at_once : what->time_up)(&x->r);
        return 0;
    }
    b.argv = copy_args(x->argc, what->argv ? what->argv : x->argv);
    b.waits = mem_calloc((size_t)((what->last - what->first) / step + 1) * sizeof *b.waits);
    to = begin(x, &b, what->deadline_us);
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
    mem_free(b->argv);
    mem_free(b->waits);
    mem_free(b);
}

/* The client has its answer. Its input is looked at later: see blocked_resume. */
static void end(struct engine *e, struct blocked *b) {
    struct session *s = b->s;

    drop(e, b);
    session_enter(s, SESSION_ACTIVE);
    list_append(&e->resuming, &s->resuming);
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
    if (b->cmd) b->cmd->calls++;
    if (b->need > aof_safe(e->aof, e->gate.level))
        session_add_gate(s, from, b->need, e->gate.level);
    end(e, b);
}

void blocked_forget(struct engine *e, struct session *s) {
    if (s->blocked) drop(e, s->blocked);
    list_remove(&s->resuming);
}

void blocked_resume(struct engine *e) {
    while (!list_empty(&e->resuming)) {
        struct session *s = list_entry(e->resuming.next, struct session, resuming);

        list_remove(&s->resuming);
        s->ops->resume(s);
    }
}

/* ---------------------------------------------------------------- trying again */

/* Whether a key in this state can be of use to who waits for it. */
static bool concerns(const struct engine *e, const struct waited_key *k, const struct blocked *b) {
    const struct entry *found;

    if (b->any_change) return true;
    found = db_find(&e->ks.dbs[k->db], waited_name(k), k->hash);
    return found && found->type == b->type;
}

static void serve_key(struct engine *e, struct waited_key *k) {
    e->serving = k;
    list_each_safe (it, next, &k->waits) {
        struct blocked *b = list_entry(it, struct key_wait, link)->b;

        if (concerns(e, k, b) && call_again(b)) end(e, b);
    }
    e->serving = NULL;
    drop_if_unwanted(e, k);
}

void blocking_serve(struct engine *e) {
    if (__builtin_expect(list_empty(&e->ready), 1) || e->serving) return;
    while (!list_empty(&e->ready)) {
        struct waited_key *k = list_entry(e->ready.next, struct waited_key, ready);

        list_remove(&k->ready);
        serve_key(e, k);
    }
}

/* ---------------------------------------------------------------- time and progress */

uint64_t blocked_next_deadline(const struct engine *e) {
    const struct heap_node *first = heap_first(&e->block_deadlines);

    return first ? first->due : 0;
}

void blocked_check_time(struct engine *e, uint64_t now_us) {
    struct heap_node *first;

    while ((first = heap_first(&e->block_deadlines)) && first->due <= now_us)
        unblock(heap_entry(first, struct blocked, deadline), NULL);
}

void blocked_check_progress(struct engine *e) {
    list_each_safe (it, next, &e->blocked) {
        struct blocked *b = list_entry(it, struct blocked, link);

        if (b->ready && b->ready(b)) unblock(b, NULL);
    }
}
