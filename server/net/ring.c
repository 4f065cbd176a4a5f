/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/net/ring.h"

#include "storage/base/mem.h"

#if !__has_include(<liburing.h>)

#include <errno.h>

struct async_backend *ring_new(struct loop *loop, struct err *e) {
    (void)loop;
    err_set(e, ENOSYS, "this build has no liburing");
    return NULL;
}

#else

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    ENTRIES = 256,       /* handed over at once; when they are used up they are submitted */
    ENTRIES_EACH = 2,    /* that one thing takes at most: an end cancels a read and a write */
    DONE_ENTRIES = 1024, /* the kernel keeps what is more in its own memory */
    BUFFERS_FIRST = 16,  /* they are few at first, as memory that was used once stays in use */
    BUFFERS_MAX = 256,   /* a power of two */
    GROUP = 1,
};

/* Of Linux 6.12, and not in all versions of liburing: a read takes only as much of a buffer as it
 * brings, and the next read goes on after it. */
enum { IN_PIECES = 2 };                   /* IOU_PBUF_RING_INC */
static const uint32_t not_full = 1u << 4; /* IORING_CQE_F_BUF_MORE */

struct ring {
    struct async_backend b; /* first */
    struct io_uring uring;
    struct loop *loop;
    int wake_fd; /* the kernel writes to it when there is something to collect; an eventfd */
    struct event *event;             /* on it */
    struct io_uring_buf_ring *spare; /* the buffers that the kernel may use, as it reads them */
    char *buffers;
    struct buffer {
        uint32_t filled, lent; /* bytes from its beginning; reads whose bytes are in use */
        bool full;             /* the kernel puts nothing more in it */
    } buffer[BUFFERS_MAX];
    unsigned nbuffers;          /* that were made so far */
    unsigned returned;          /* in `spare`, and the kernel does not know yet */
    struct async_queue starved; /* reads that found no buffer */
    struct async_queue late;    /* asked for while the kernel took nothing more */
    struct async_queue ended;   /* ends for which nothing is under way any more */
};

static struct ring *ring_of(struct async_backend *b) {
    return (struct ring *)(void *)b;
}

/* ---------------------------------------------------------------- buffers */

static char *buffer_at(const struct ring *r, uint32_t id) {
    return r->buffers + (size_t)id * ASYNC_READ_BYTES;
}

static void return_buffer(struct ring *r, uint32_t id) {
    r->buffer[id] = (struct buffer){0};
    io_uring_buf_ring_add(r->spare, buffer_at(r, id), ASYNC_READ_BYTES, (unsigned short)id,
                          io_uring_buf_ring_mask(BUFFERS_MAX), (int)r->returned++);
}

static void make_buffers(struct ring *r, unsigned n) {
    for (; n > 0 && r->nbuffers < BUFFERS_MAX; n--) return_buffer(r, r->nbuffers++);
}

static void unlend(struct ring *r, uint32_t id) {
    r->buffer[id].lent--;
    if (r->buffer[id].full && r->buffer[id].lent == 0) return_buffer(r, id);
}

static void give_back(struct async_backend *b, struct async *a, char *data) {
    struct ring *r = ring_of(b);

    (void)a;
    unlend(r, (uint32_t)((size_t)(data - r->buffers) / ASYNC_READ_BYTES));
}

/* Where the bytes of a read are that used a buffer. */
static char *lend(struct ring *r, const struct io_uring_cqe *cqe) {
    uint32_t id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
    struct buffer *p = &r->buffer[id];
    char *data = buffer_at(r, id) + p->filled;

    if (cqe->res > 0) p->filled += (uint32_t)cqe->res;
    p->full = !(cqe->flags & not_full);
    p->lent++;
    return data;
}

/* ---------------------------------------------------------------- asking */

/* There are entries for whatever one thing needs. The kernel may take none while it lacks memory,
 * or while what is done has not been collected. */
static bool has_entries(struct ring *r) {
    if (io_uring_sq_space_left(&r->uring) < ENTRIES_EACH) io_uring_submit(&r->uring);
    return io_uring_sq_space_left(&r->uring) >= ENTRIES_EACH;
}

static void ask_read(struct ring *r, struct async_op *op) {
    struct async *a = async_of(op);
    struct io_uring_sqe *sqe = io_uring_get_sqe(&r->uring);

    if (a->room) {
        io_uring_prep_recv(sqe, a->fd, a->place, a->room, 0);
    } else {
        io_uring_prep_recv(sqe, a->fd, NULL, ASYNC_READ_BYTES, 0);
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = GROUP;
    }
    /* After a reply there is nothing to read yet, as a rule: this saves a vain try. */
    sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    io_uring_sqe_set_data(sqe, op);
}

/* With MSG_WAITALL the kernel goes on until all is sent. */
static void ask_write(struct ring *r, struct async_op *op) {
    struct async *a = async_of(op);
    struct io_uring_sqe *sqe = io_uring_get_sqe(&r->uring);
    struct async_write *w = a->write;
    int flags = MSG_NOSIGNAL | MSG_WAITALL;

    if (w->n == 1) {
        io_uring_prep_send(sqe, a->fd, w->iov[0].iov_base, w->iov[0].iov_len, flags);
    } else {
        w->msg = (struct msghdr){.msg_iov = w->iov, .msg_iovlen = w->n};
        io_uring_prep_sendmsg(sqe, a->fd, &w->msg, (unsigned)flags);
    }
    io_uring_sqe_set_data(sqe, op);
}

static void cancel(struct ring *r, struct async_op *op) {
    struct io_uring_sqe *sqe;

    if (!op->asked) return;
    sqe = io_uring_get_sqe(&r->uring);
    io_uring_prep_cancel(sqe, op, 0);
    io_uring_sqe_set_data(sqe, NULL);
}

static void end_if_idle(struct ring *r, struct async *a) {
    struct async_op *end = &a->op[ASYNC_END];

    if (!end->asked || a->op[ASYNC_READ].asked || a->op[ASYNC_WRITE].asked) return;
    async_queue_remove(&r->late, end); /* there is nothing left to be cancelled */
    close(a->fd);
    async_queue_add(&r->ended, end);
}

/* A socket from which the kernel reads does not end by closing its descriptor, so what is under
 * way is cancelled first. */
static void ask_end(struct ring *r, struct async_op *op) {
    struct async *a = async_of(op);
    struct async_op *read = &a->op[ASYNC_READ];

    if (read->asked && async_queue_remove(&r->starved, read)) async_op_over(&r->b, read);
    cancel(r, read);
    cancel(r, &a->op[ASYNC_WRITE]);
    end_if_idle(r, a);
}

static void hand_over(struct ring *r, struct async_op *op) {
    static void (*const by_what[ASYNC_WHATS])(struct ring *, struct async_op *) = {
        [ASYNC_READ] = ask_read, [ASYNC_WRITE] = ask_write, [ASYNC_END] = ask_end};

    by_what[op->what](r, op);
}

static void ask(struct async_backend *b, struct async_op *op) {
    struct ring *r = ring_of(b);

    if (!r->late.first && has_entries(r))
        hand_over(r, op);
    else
        async_queue_add(&r->late, op);
}

static void ask_late(struct ring *r) {
    while (r->late.first && has_entries(r)) hand_over(r, async_queue_take(&r->late));
}

/* Of a descriptor that does not block the kernel would not wait, but say EAGAIN. */
static void begin(struct async_backend *b, struct async *a) {
    (void)b;
    fcntl(a->fd, F_SETFL, 0);
}

/* ---------------------------------------------------------------- what is done */

/* The owner gives a buffer back only if it is told of the read, and the read brought bytes. */
static void note_read(struct ring *r, struct async *a, const struct io_uring_cqe *cqe) {
    bool buffered = cqe->flags & IORING_CQE_F_BUFFER;

    a->got = cqe->res;
    a->data = buffered ? lend(r, cqe) : a->place;
    if (buffered && (cqe->res <= 0 || a->op[ASYNC_END].asked))
        unlend(r, cqe->flags >> IORING_CQE_BUFFER_SHIFT);
}

static bool is_starved(const struct async_op *op, const struct io_uring_cqe *cqe) {
    return op->what == ASYNC_READ && cqe->res == -ENOBUFS && !async_of((void *)op)->room;
}

static void take(struct ring *r, const struct io_uring_cqe *cqe) {
    struct async_op *op = io_uring_cqe_get_data(cqe);
    struct async *a;

    if (!op) return; /* of a cancel; what it cancelled is told of too */
    a = async_of(op);
    if (is_starved(op, cqe) && !a->op[ASYNC_END].asked) {
        async_queue_add(&r->starved, op);
        return;
    }
    async_op_over(&r->b, op);
    if (op->what == ASYNC_READ)
        note_read(r, a, cqe);
    else
        a->sent = cqe->res;
    if (a->op[ASYNC_END].asked)
        end_if_idle(r, a);
    else
        r->b.done(a, (enum async_what)op->what);
}

static void end_some(struct ring *r) {
    for (struct async_op *op; (op = async_queue_take(&r->ended));) {
        async_op_over(&r->b, op);
        r->b.done(async_of(op), ASYNC_END);
    }
}

/* While the thread is awake, it looks by itself. */
static void wake_me(struct ring *r, bool on) {
    io_uring_cq_eventfd_toggle(&r->uring, on);
    if (on) atomic_thread_fence(memory_order_seq_cst); /* before looking for what came earlier */
}

/* The kernel's part of the work is done when the thread enters it, not whenever it likes. */
static bool kernel_has_work(struct ring *r) {
    unsigned flags = __atomic_load_n(r->uring.sq.kflags, __ATOMIC_RELAXED);

    return flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

static void collect(struct async_backend *b) {
    struct ring *r = ring_of(b);
    struct io_uring_cqe *cqe;

    wake_me(r, false);
    if (kernel_has_work(r)) io_uring_get_events(&r->uring);
    for (unsigned left = io_uring_cq_ready(&r->uring); left > 0; left--) {
        struct io_uring_cqe copy;

        if (io_uring_peek_cqe(&r->uring, &cqe) < 0) break;
        copy = *cqe;
        io_uring_cqe_seen(&r->uring, cqe); /* first, as done() may ask for more */
        take(r, &copy);
    }
    end_some(r);
}

/* ---------------------------------------------------------------- submitting */

/* As many as there are buffers; the others would only fail again. */
static void feed_starved(struct ring *r) {
    unsigned left;

    if (!r->starved.first) return;
    make_buffers(r, r->nbuffers);
    left = r->returned;
    for (; left > 0 && r->starved.first && has_entries(r); left--)
        ask_read(r, async_queue_take(&r->starved));
}

static void submit(struct async_backend *b) {
    struct ring *r = ring_of(b);

    ask_late(r);
    feed_starved(r);
    if (r->returned) io_uring_buf_ring_advance(r->spare, (int)r->returned);
    r->returned = 0;
    if (io_uring_sq_ready(&r->uring) || kernel_has_work(r))
        io_uring_submit_and_get_events(&r->uring);
}

static void rest(struct async_backend *b) {
    struct ring *r = ring_of(b);

    wake_me(r, true);
    if (io_uring_cq_ready(&r->uring) || kernel_has_work(r) || r->ended.first || r->late.first)
        loop_hurry(r->loop);
}

/* ---------------------------------------------------------------- beginning and end */

/* It has ended the wait; collect() does the rest. Edge-triggered, so it need not be read back. */
static void on_event(evutil_socket_t fd, short what, void *arg) {
    (void)fd, (void)what, (void)arg;
}

#define TABLE_BYTES  (BUFFERS_MAX * sizeof(struct io_uring_buf))
#define BUFFER_BYTES ((size_t)BUFFERS_MAX * ASYNC_READ_BYTES)

static int register_buffers(struct ring *r) {
    struct io_uring_buf_reg reg = {.ring_entries = BUFFERS_MAX, .bgid = GROUP};
    int rc;
    void *all = mmap(NULL, TABLE_BYTES + BUFFER_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (all == MAP_FAILED) return -errno;
    /* The kernel holds these pages: a child would get a copy at once. */
    madvise(all, TABLE_BYTES, MADV_DONTFORK);
    r->spare = all;
    r->buffers = (char *)all + TABLE_BYTES;
    reg.ring_addr = (uintptr_t)all;
    reg.pad = IN_PIECES; /* later versions of liburing call the field `flags` */
    rc = io_uring_register_buf_ring(&r->uring, &reg, 0);
    if (rc != -EINVAL) return rc;
    reg.pad = 0;
    return io_uring_register_buf_ring(&r->uring, &reg, 0);
}

static int restrict_to_what_is_used(struct ring *r) {
    static const uint8_t used[] = {IORING_OP_RECV, IORING_OP_SEND, IORING_OP_SENDMSG,
                                   IORING_OP_ASYNC_CANCEL};
    struct io_uring_restriction rule[sizeof used + 1] = {0};

    for (unsigned i = 0; i < sizeof used; i++) {
        rule[i].opcode = IORING_RESTRICTION_SQE_OP;
        rule[i].sqe_op = used[i];
    }
    rule[sizeof used].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
    rule[sizeof used].sqe_flags = IOSQE_BUFFER_SELECT;
    return io_uring_register_restrictions(&r->uring, rule, sizeof used + 1);
}

static void close_ring(struct ring *r) {
    io_uring_queue_exit(&r->uring);
    if (r->wake_fd >= 0) close(r->wake_fd);
    if (r->spare) munmap(r->spare, TABLE_BYTES + BUFFER_BYTES);
}

static int open_ring(struct ring *r) {
    struct io_uring_params p = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                         IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED |
                                         IORING_SETUP_CQSIZE,
                                .cq_entries = DONE_ENTRIES};
    int rc = io_uring_queue_init_params(ENTRIES, &r->uring, &p);

    if (rc < 0) return rc;
    r->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    rc = r->wake_fd < 0 ? -errno : io_uring_register_eventfd(&r->uring, r->wake_fd);
    if (rc == 0) rc = register_buffers(r);
    if (rc == 0) rc = restrict_to_what_is_used(r);
    if (rc == 0) rc = io_uring_enable_rings(&r->uring);
    if (rc < 0) close_ring(r);
    return rc;
}

static void ring_release(struct async_backend *b) {
    struct ring *r = ring_of(b);

    event_free(r->event);
    close_ring(r);
    async_free_spare(b);
    mem_free(r);
}

struct async_backend *ring_new(struct loop *loop, struct err *e) {
    struct ring *r = mem_alloc(sizeof *r);
    int rc;

    *r = (struct ring){.b = {.name = "io_uring",
                             .begin = begin,
                             .ask = ask,
                             .give_back = give_back,
                             .submit = submit,
                             .collect = collect,
                             .rest = rest,
                             .release = ring_release},
                       .loop = loop,
                       .wake_fd = -1};
    rc = open_ring(r);
    if (rc < 0) {
        err_set(e, -rc, "%s", strerror(-rc));
        mem_free(r);
        return NULL;
    }
    make_buffers(r, BUFFERS_FIRST);
    submit(&r->b);
    r->event = event_new(loop->base, r->wake_fd, EV_READ | EV_PERSIST | EV_ET, on_event, r);
    event_add(r->event, NULL);
    return &r->b;
}

#endif
