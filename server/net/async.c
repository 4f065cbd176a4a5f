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

    for (uint32_t i = 0; i < a->niov; i++) all += a->iov[i].iov_len;
    return all;
}
