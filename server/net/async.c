/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/net/async.h"

#include "storage/base/check.h"
#include "storage/base/mem.h"

struct async *async_new(struct async_backend *b, int fd, void *owner) {
    struct async *a = mem_alloc(sizeof *a);

    *a = (struct async){.fd = fd, .owner = owner};
    for (unsigned i = 0; i < ASYNC_WHATS; i++) a->op[i].what = (uint8_t)i;
    if (b->begin) b->begin(b, a);
    return a;
}

void async_free(struct async *a) {
    for (unsigned i = 0; i < ASYNC_WHATS; i++) CHECK(!a->op[i].asked);
    mem_free(a);
}

void async_queue_add(struct async_queue *q, struct async_op *op) {
    op->next = NULL;
    if (q->first)
        q->last->next = op;
    else
        q->first = op;
    q->last = op;
}

struct async_op *async_queue_take(struct async_queue *q) {
    struct async_op *op = q->first;

    if (op) q->first = op->next;
    return op;
}

bool async_queue_remove(struct async_queue *q, struct async_op *op) {
    struct async_op *before = NULL;

    for (struct async_op *it = q->first; it != op; it = it->next) {
        if (!it) return false;
        before = it;
    }
    if (before)
        before->next = op->next;
    else
        q->first = op->next;
    if (q->last == op) q->last = before;
    return true;
}

size_t async_write_bytes(const struct async *a) {
    size_t all = 0;

    for (uint32_t i = 0; i < a->write->n; i++) all += a->write->iov[i].iov_len;
    return all;
}

/* There are never more of them than writes were under way at one time. */
struct async_write *async_begin_write(struct async_backend *b, struct async *a) {
    a->write = b->spare;
    if (a->write)
        b->spare = a->write->next;
    else
        a->write = mem_alloc(sizeof *a->write);
    return a->write;
}

void async_free_spare(struct async_backend *b) {
    while (b->spare) {
        struct async_write *w = b->spare;

        b->spare = w->next;
        mem_free(w);
    }
}
