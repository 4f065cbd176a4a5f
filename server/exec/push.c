/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/push.h"

#include "server/exec/engine.h"
#include "server/exec/session.h"

void push_init(struct engine *e) {
    list_init(&e->pushes->told);
    out_init(&e->pushes->own, &e->out_pool);
    out_init(&e->pushes->nowhere, &e->out_pool);
}

void push_release(struct engine *e) {
    out_release(&e->pushes->own);
    out_release(&e->pushes->nowhere);
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
    return (struct reply){&s->out, s->resp};
}

static void tell(struct session *s, uint64_t from, uint64_t need) {
    session_hold(s, from, need);
    s->ops->wake(s);
}

/* Appends the pushes to the running session after its reply. */
static void append_own(struct engine *e, struct session *s, uint64_t need) {
    uint64_t from = s->out.end;
    struct iovec iov;

    while (out_peek(&e->pushes->own, &iov, 1, SIZE_MAX) > 0) {
        if (s->state != SESSION_CLOSING) out_append(&s->out, iov.iov_base, iov.iov_len);
        out_consume(&e->pushes->own, iov.iov_len);
    }
    tell(s, from, need);
}

void push_settle(struct engine *e, uint64_t need) {
    struct pushes *p = e->pushes;
    struct session *running = p->running;

    p->running = NULL;
    if (out_pending(&p->own) > 0) append_own(e, running, need);
    while (!list_empty(&p->told)) {
        struct session *s = list_entry(p->told.next, struct session, told);

        list_remove(&s->told);
        tell(s, s->told_from, need);
    }
}

void push_forget(struct session *s) {
    struct engine *e = s->e;

    list_remove(&s->told);
    if (e->pushes->running == s) {
        out_release(&e->pushes->own);
        e->pushes->running = NULL;
    }
}
