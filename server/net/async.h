/* SPDX-License-Identifier: BSD-3-Clause
 *
 * async - sockets that the loop does not read and write itself: a backend does, which is the kernel
 * (ring.h) or threads (io_threads.h).
 *
 * The main thread asks for a read, a write or the end of a socket. In a later turn async_collect()
 * tells what became of it, by done(). So a backend is one table of functions, and a connection does
 * not know which one it has.
 *
 * Rules:
 *   - Of a socket one read, one write and the end may be asked for at a time.
 *   - What a write refers to (iov, and the bytes) stays as it is until it is done; so does the
 *     place that a read was given.
 *   - After the end was asked for nothing else may be. The end is done when the read and the write
 *     are; these are not told of any more. Then the descriptor is closed, and the struct is the
 *     caller's again.
 *   - A read that was given no place brings its bytes in a buffer of the backend's, which is to be
 *     given back before the end is asked for.
 *   - Errors are results: -errno in `got` or `sent`.
 *
 * Main thread only; what a backend does on other threads is its own business.
 */
#ifndef STET_NET_ASYNC_H
#define STET_NET_ASYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum async_what { ASYNC_READ, ASYNC_WRITE, ASYNC_END, ASYNC_WHATS };

enum {
    ASYNC_IOV = 8,                /* pieces of a write */
    ASYNC_READ_BYTES = 64 * 1024, /* that a read without a place brings at most */
};

struct tls_conn;

/* One of the things that were asked for; the rest of it stands in the struct async. */
struct async_op {
    struct async_op *next; /* the backend's */
    uint8_t what;          /* enum async_what */
    bool asked;            /* and not done */
};

/* What a write needs while it is under way. */
struct async_write {
    struct async_write *next; /* while it is spare */
    uint32_t n;
    struct iovec iov[ASYNC_IOV];
    struct msghdr msg; /* the backend's */
};

struct async {
    struct async_op op[ASYNC_WHATS];
    int fd;
    void *owner;          /* the caller's */
    struct tls_conn *tls; /* only for backends that know it; NULL: the bytes are as they are */
    /* A read: to `place` if `room` is not 0. Then `got` bytes are at `data`; 0: the peer has ended
     * the connection. */
    char *place, *data;
    size_t room;
    int got;
    /* A write of all that async_begin_write() was given; then `sent` is the number of bytes. */
    int sent;
    bool followed;
    struct async_write *write; /* NULL: none is under way */
    void *private;             /* the backend's */
};

/* Things asked for, in their order. */
struct async_queue {
    struct async_op *first, *last;
};

struct async_backend {
    const char *name;
    bool takes_tls;
    bool misses_resets; /* one that comes together with the last bytes: look at idle connections */
    size_t writes;      /* asked for, and not done */
    size_t followed;    /* of these: see async_follow() */
    struct async_write *spare;
    void (*begin)(struct async_backend *b, struct async *a);
    void (*ask)(struct async_backend *b, struct async_op *op);
    void (*give_back)(struct async_backend *b, struct async *a, char *data);
    void (*submit)(struct async_backend *b);
    void (*collect)(struct async_backend *b);
    void (*rest)(struct async_backend *b);
    void (*release)(struct async_backend *b);
    /* The caller's: called from collect() for each thing that is done. It may ask for others. */
    void (*done)(struct async *a, enum async_what what);
};

static inline struct async *async_of(struct async_op *op) {
    return (struct async *)(void *)(op - op->what);
}

void async_queue_add(struct async_queue *q, struct async_op *op);
struct async_op *async_queue_take(struct async_queue *q);            /* NULL: it is empty */
bool async_queue_remove(struct async_queue *q, struct async_op *op); /* false: it is not in it */

/* What is to be written is put into the result; then the write is asked for. */
struct async_write *async_begin_write(struct async_backend *b, struct async *a);

/* The bytes of a write. */
size_t async_write_bytes(const struct async *a);

/* For a backend's end. */
void async_free_spare(struct async_backend *b);

/* For a connected socket, whose descriptor is the backend's to close from now on. */
struct async *async_new(struct async_backend *b, int fd, void *owner);
void async_free(struct async *a); /* once its end is done */

static inline bool async_is_asked(const struct async *a, enum async_what what) {
    return a->op[what].asked;
}

/* There is more to be done when the write that is under way is done: it has to end a wait of the
 * loop's. */
static inline void async_follow(struct async_backend *b, struct async *a) {
    b->followed += !a->followed;
    a->followed = true;
}

/* For backends: it is not under way any more. */
static inline void async_op_over(struct async_backend *b, struct async_op *op) {
    struct async *a = async_of(op);

    op->asked = false;
    if (op->what != ASYNC_WRITE) return;
    a->write->next = b->spare;
    b->spare = a->write;
    a->write = NULL;
    b->writes--;
    b->followed -= a->followed;
    a->followed = false;
}

static inline void async_ask(struct async_backend *b, struct async *a, enum async_what what) {
    a->op[what].asked = true;
    b->writes += what == ASYNC_WRITE;
    b->ask(b, &a->op[what]);
}

/* What was asked for is under way now. At the end of a turn, and as often within it as one likes.
 */
static inline void async_submit(struct async_backend *b) {
    if (b) b->submit(b);
}

/* The last step before the loop waits: from now on until collect() what is done ends the wait. */
static inline void async_rest(struct async_backend *b) {
    if (b) b->rest(b);
}

static inline void async_collect(struct async_backend *b) {
    if (b) b->collect(b);
}

#endif
