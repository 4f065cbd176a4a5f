/* SPDX-License-Identifier: BSD-3-Clause
 *
 * out - bytes on their way to one client: a chain of chunks that are written or shared.
 *
 * Appending fills the last chunk; large values are not copied but referred to (struct blob).
 * `head` and `end` are stream offsets: everything in [head, end) waits to be sent. Chunks come from
 * a pool that keeps those that are needed again and again, so an idle client holds none.
 */
#ifndef STET_PROTOCOL_OUT_H
#define STET_PROTOCOL_OUT_H

#include "storage/base/bytes.h"

#include <stdint.h>
#include <sys/uio.h>

enum {
    OUT_CHUNK = 16 * 1024,     /* of a pooled chunk, header included */
    OUT_SHARE_MIN = 16 * 1024, /* values from this length on are referred to */
};

struct blob;

struct out_chunk {
    struct out_chunk *next;
    const char *p; /* what to send: own bytes, or the blob's */
    size_t n, cap; /* filled; room (0 for a shared one) */
    size_t sent;
    void *owner; /* of a shared chunk: handed to `drop` */
    void (*drop)(void *owner);
    char data[];
};

struct out_pool {
    struct out_chunk *spare;
    unsigned nspare;
    unsigned unused; /* the fewest spare ones since the last out_pool_trim() */
};

struct out {
    struct out_chunk *first, *last;
    struct out_pool *pool;
    uint64_t head, end;
    size_t mem_bytes; /* chunks and what they refer to */
};

void out_init(struct out *o, struct out_pool *pool);
void out_release(struct out *o);
void out_pool_release(struct out_pool *p);

/* Frees the spare chunks that were not needed since the last call. */
void out_pool_trim(struct out_pool *p);

static inline size_t out_pending(const struct out *o) {
    return (size_t)(o->end - o->head);
}

char *out_grow(struct out *o, size_t n);

/* Room for n bytes in one piece; out_advance() says how many were used. */
static inline char *out_room(struct out *o, size_t n) {
    struct out_chunk *c = o->last;

    if (__builtin_expect(c && c->cap - c->n >= n && c->cap, 1)) return c->data + c->n;
    return out_grow(o, n);
}

static inline void out_advance(struct out *o, size_t n) {
    o->last->n += n;
    o->end += n;
}

void out_append(struct out *o, const void *p, size_t n);

/* Refers to [p, p+n) until sent, then calls drop(owner). */
void out_share(struct out *o, const char *p, size_t n, void *owner, void (*drop)(void *owner));

/* The bytes move: *b is empty then, and freed once they are sent. */
void out_give(struct out *o, struct bytes *b);

/* Fills `iov` with the first bytes, `limit` at the most; returns how many entries. */
int out_peek(const struct out *o, struct iovec *iov, int max, size_t limit);

/* The first n bytes are gone. */
void out_consume(struct out *o, size_t n);

/* Takes back everything from stream offset `to` on; nothing of it was sent. Only bytes appended
 * since then may be cut. */
void out_truncate(struct out *o, uint64_t to);

#endif
