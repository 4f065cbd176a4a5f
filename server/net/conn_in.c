/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conn_in - the input that a connection keeps: the beginning of a command, or commands that have to
 * wait.
 *
 * Where a long command is known to come, its buffer begins with room for the header of a blob
 * (`in_front` bytes before in.p). A command that stores a long argument takes the whole buffer over
 * as its value (session_take), so that 100 MB are not copied; what followed it in the buffer is
 * copied out before the next read.
 */
#include "server/net/conn.h"

#include "storage/base/mem.h"
#include "storage/blob.h"

enum {
    LARGE_MIN = 256 * 1024, /* a command of so many bytes gets room for a header */
    GROW_TO_NEED = 4, /* once a quarter of it has come, the buffer gets the size it will need */
};

/* The buffer grows as the bytes come, not as they are announced. */
static size_t next_cap(const struct conn *c, size_t least) {
    size_t cap = c->in.cap + c->in.cap / 2;

    if (c->in_front && c->need > cap && c->in.n >= c->need / GROW_TO_NEED) cap = c->need;
    return cap < least ? least : cap;
}

static void resize(struct conn *c, size_t cap) {
    char *base = c->in.p ? c->in.p - c->in_front : NULL;

    c->in.p = (char *)mem_realloc(base, c->in_front + cap) + c->in_front;
    c->in.cap = cap;
}

/* A long command is known to come: what is there of it moves after the room for a header. */
static void make_front(struct conn *c) {
    struct bytes was = c->in;

    c->in = (struct bytes){0};
    c->in_front = sizeof(struct blob);
    resize(c, was.n + NET_READ_BYTES);
    if (was.n) memcpy(c->in.p, was.p, was.n);
    c->in.n = was.n;
    mem_free(was.p);
}

char *conn_in_room(struct conn *c, size_t more) {
    if (c->in.cap - c->in.n >= more) return c->in.p + c->in.n;
    if (!c->in_front && c->need >= LARGE_MIN) make_front(c);
    resize(c, next_cap(c, c->in.n + more));
    return c->in.p + c->in.n;
}

void conn_in_shrink(struct conn *c) {
    resize(c, c->in.n ? c->in.n : 1);
}

void conn_in_release(struct conn *c) {
    if (c->in.p) mem_free(c->in.p - c->in_front);
    c->in = (struct bytes){0};
    c->in_front = 0;
}

bool conn_in_lend(const struct conn *c, struct session_large *large) {
    if (!c->in_front) return false;
    *large = (struct session_large){c->in.p - c->in_front, c->in_front + c->in.cap, false};
    return true;
}

/* The buffer belongs to a value now, and to whatever else refers to that. */
static void leave_to_value(struct conn *c, size_t used) {
    struct bytes was = c->in;
    struct blob *value = (struct blob *)(was.p - c->in_front);

    c->in = (struct bytes){0};
    c->in_front = 0;
    if (used < was.n) {
        memcpy(conn_in_room(c, was.n - used), was.p + used, was.n - used);
        c->in.n = was.n - used;
    }
    blob_unref(value);
}

void conn_in_used(struct conn *c, size_t used, const struct session_large *large) {
    if (large->taken) {
        leave_to_value(c, used);
        return;
    }
    bytes_consume(&c->in, used);
    if (c->in.n == 0) conn_in_release(c);
}
