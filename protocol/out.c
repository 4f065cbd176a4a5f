/* SPDX-License-Identifier: BSD-3-Clause */
#include "protocol/out.h"

#include "storage/base/check.h"
#include "storage/base/mem.h"

enum { POOL_MAX = 64 };

void out_init(struct out *o, struct out_pool *pool) {
    *o = (struct out){.pool = pool};
}

static void chunk_free(struct out *o, struct out_chunk *c) {
    if (c->drop) c->drop(c->owner);
    o->mem_bytes -= c->drop ? c->n : c->cap;
    if (c->cap == OUT_CHUNK - sizeof *c && o->pool->nspare < POOL_MAX) {
        c->next = o->pool->spare;
        o->pool->spare = c;
        o->pool->nspare++;
    } else {
        mem_free(c);
    }
}

void out_release(struct out *o) {
    while (o->first) {
        struct out_chunk *c = o->first;

        o->first = c->next;
        chunk_free(o, c);
    }
    o->last = NULL;
    o->head = o->end;
}

static struct out_chunk *take_spare(struct out_pool *p) {
    struct out_chunk *c = p->spare;

    p->spare = c->next;
    p->nspare--;
    if (p->nspare < p->unused) p->unused = p->nspare;
    return c;
}

void out_pool_release(struct out_pool *p) {
    while (p->spare) mem_free(take_spare(p));
}

void out_pool_trim(struct out_pool *p) {
    for (unsigned n = p->unused; n > 0; n--) mem_free(take_spare(p));
    p->unused = p->nspare;
}

static struct out_chunk *chunk_add(struct out *o, size_t cap) {
    struct out_chunk *c;

    if (cap == OUT_CHUNK - sizeof *c && o->pool->spare) {
        c = take_spare(o->pool);
    } else {
        c = mem_alloc(sizeof *c + cap);
    }
    *c = (struct out_chunk){.p = c->data, .cap = cap};
    if (o->last)
        o->last->next = c;
    else
        o->first = c;
    o->last = c;
    o->mem_bytes += cap;
    return c;
}

char *out_grow(struct out *o, size_t n) {
    size_t cap = OUT_CHUNK - sizeof(struct out_chunk);

    return chunk_add(o, n > cap ? n : cap)->data;
}

void out_append(struct out *o, const void *p, size_t n) {
    const char *from = p;

    if (n == 0) return;
    if (o->last && o->last->cap > o->last->n && o->last->cap - o->last->n < n) {
        size_t part = o->last->cap - o->last->n;

        memcpy(o->last->data + o->last->n, from, part);
        out_advance(o, part);
        from += part;
        n -= part;
    }
    memcpy(out_room(o, n), from, n);
    out_advance(o, n);
}

void out_share(struct out *o, const char *p, size_t n, void *owner, void (*drop)(void *owner)) {
    struct out_chunk *c = chunk_add(o, 0);

    c->p = p;
    c->n = n;
    c->owner = owner;
    c->drop = drop;
    o->mem_bytes += n;
    o->end += n;
}

static void drop_bytes(void *p) {
    mem_free(p);
}

void out_give(struct out *o, struct bytes *b) {
    if (b->n) out_share(o, b->p, b->n, b->p, drop_bytes);
    if (!b->n) bytes_release(b);
    *b = (struct bytes){0};
}

int out_peek(const struct out *o, struct iovec *iov, int max, size_t limit) {
    int n = 0;

    for (const struct out_chunk *c = o->first; c && n < max && limit > 0; c = c->next) {
        size_t len = c->n - c->sent;

        if (len == 0) continue;
        if (len > limit) len = limit;
        iov[n++] = (struct iovec){(void *)(c->p + c->sent), len};
        limit -= len;
    }
    return n;
}

void out_consume(struct out *o, size_t n) {
    o->head += n;
    while (o->first) {
        struct out_chunk *c = o->first;
        size_t part = c->n - c->sent < n ? c->n - c->sent : n;

        c->sent += part;
        n -= part;
        if (c->sent < c->n) break;
        if (c == o->last && o->head < o->end) break;
        o->first = c->next;
        if (c == o->last) o->last = NULL;
        chunk_free(o, c);
    }
    CHECK(n == 0);
}

void out_truncate(struct out *o, uint64_t to) {
    uint64_t at = o->head;
    struct out_chunk *c = o->first, *keep = NULL;

    CHECK(to >= o->head && to <= o->end);
    while (c && at < to) {
        size_t len = c->n - c->sent;

        if (at + len > to) {
            CHECK(!c->drop);
            c->n = c->sent + (size_t)(to - at);
            len = c->n - c->sent;
        }
        at += len;
        keep = c;
        c = c->next;
    }
    if (keep)
        keep->next = NULL;
    else
        o->first = NULL;
    o->last = keep;
    o->end = to;
    while (c) {
        struct out_chunk *next = c->next;

        chunk_free(o, c);
        c = next;
    }
}
