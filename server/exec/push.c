/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/push.h"

#include "server/exec/engine.h"
#include "server/exec/session.h"

void push_init(struct engine *e) {
    list_init(&e->pushes->told);
    out_init(&e->pushes->copies, &e->out_pool);
    out_init(&e->pushes->own, &e->out_pool);
    out_init(&e->pushes->nowhere, &e->out_pool);
    out_init(&e->pushes->held, &e->out_pool);
}

void push_release(struct engine *e) {
    out_release(&e->pushes->copies);
    out_release(&e->pushes->own);
    out_release(&e->pushes->nowhere);
    out_release(&e->pushes->held);
}

struct reply push_begin(struct engine *e, struct session *s) {
    if (s->state == SESSION_CLOSING) {
        out_release(&e->pushes->nowhere);
        return (struct reply){&e->pushes->nowhere, s->resp};
    }
    if (s == e->pushes->running) return (struct reply){&e->pushes->own, s->resp};
    if (list_empty(&s->told)) {
        list_append(&e->pushes->told, &s->told);
        s->told_from = s->out.end;
    }
    return (struct reply){s == e->pushes->held_for ? &e->pushes->held : &s->out, s->resp};
}

struct reply push_begin_copies(struct engine *e) {
    return (struct reply){&e->pushes->copies, 3};
}

static void need_held(struct pushes *p, uint64_t need) {
    if (need > p->held_need) p->held_need = need;
}

static void tell(struct session *s, uint64_t from, uint64_t need) {
    session_hold(s, from, need);
    s->ops->wake(s);
}

static void move(struct out *to, struct out *from, bool keep) {
    struct iovec iov;

    while (out_peek(from, &iov, 1, SIZE_MAX) > 0) {
        if (keep) out_append(to, iov.iov_base, iov.iov_len);
        out_consume(from, iov.iov_len);
    }
}

/* Appends pushes to a session after the reply to its command. */
static void append_to(struct session *s, struct out *pushed, uint64_t need) {
    uint64_t from = s->out.end;

    move(&s->out, pushed, s->state != SESSION_CLOSING);
    tell(s, from, need);
}

/* Which of the session's copies are stale, if its protocol has a place for that. */
static void append_copies(struct session *s, uint64_t need) {
    if (s->resp == 3)
        append_to(s, &s->e->pushes->copies, need);
    else
        out_release(&s->e->pushes->copies);
}

/* The command that had others served is over, and its reply is written. */
static void release_held(struct engine *e) {
    struct pushes *p = e->pushes;
    struct session *s = p->held_for;
    uint64_t need = p->held_need;

    e->breath.away_ns = 0;
    p->held_for = NULL;
    p->held_need = 0;
    list_remove(&s->told);
    if (out_pending(&p->held) > 0) append_to(s, &p->held, need);
}

void push_settle(struct engine *e, uint64_t need) {
    struct pushes *p = e->pushes;
    struct session *running = p->running;

    if (running && running == p->held_for) release_held(e);
    p->running = NULL;
    if (out_pending(&p->copies) > 0) append_copies(running, need);
    if (out_pending(&p->own) > 0) append_to(running, &p->own, need);
    while (!list_empty(&p->told)) {
        struct session *s = list_entry(p->told.next, struct session, told);

        list_remove(&s->told);
        if (s == p->held_for)
            need_held(p, need);
        else
            tell(s, s->told_from, need);
    }
}

void push_hold(struct engine *e, struct session *s, uint64_t need) {
    struct pushes *p = e->pushes;

    p->held_for = s;
    if (out_pending(&p->own) + out_pending(&p->copies) > 0) need_held(p, need);
    move(&p->held, &p->copies, s->resp == 3);
    move(&p->held, &p->own, true);
    p->running = NULL;
    push_settle(e, need);
}

void push_keep(struct engine *e, struct session *s) {
    push_run(e->pushes, s);
    if (list_empty(&s->told)) list_append(&e->pushes->told, &s->told);
    s->told_from = s->out.end;
}

void push_forget(struct session *s) {
    struct engine *e = s->e;

    list_remove(&s->told);
    if (e->pushes->held_for == s) {
        out_release(&e->pushes->held);
        e->pushes->held_for = NULL;
    }
    if (e->pushes->running == s) {
        out_release(&e->pushes->copies);
        out_release(&e->pushes->own);
        e->pushes->running = NULL;
    }
}
