/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/net/io_threads.h"

#include "server/tls/tls.h"
#include "storage/base/check.h"
#include "storage/base/mem.h"
#include "storage/base/thread.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { BUFFERS_MAX = 128 /* of a thread, each made when it is first needed */ };

/* How soundly the main thread sleeps. */
enum rest { AWAKE, WANTS_READS, WANTS_ALL };

typedef _Atomic(struct async_op *) box; /* the newest first */

struct buffer {
    struct buffer *next;
};

struct io_threads;

struct io_thread {
    struct io_threads *all;
    pthread_t id;
    /* Shared. */
    box inbox;
    _Atomic(struct buffer *) returned;
    _Atomic bool sleeping, starving, stop;
    int wake_fd;
    /* The thread's own. */
    struct event_base *base;
    struct event *wake;
    struct async_op *done, *oldest_done; /* in this turn; the newest first */
    bool wakes;                          /* the main thread must know of them at once */
    struct async_queue starved;          /* reads that found no buffer */
    struct buffer *spare;
    unsigned nbuffers;
    /* The main thread's. */
    struct async_op *asked, *oldest_asked; /* in this turn; the newest first */
    size_t sockets;
    bool gave_back;
};

/* What a thread keeps for a socket. Only `thread` is of interest to the main thread. */
struct io_socket {
    struct io_thread *thread;
    struct event event;   /* edge-triggered, for reading and writing */
    bool begun, readable; /* the loop of the thread looks at it; there may be something to read */
    bool ended;           /* the peer sends no more: that is told once, maybe with the last bytes */
    bool reads, writes;   /* what the thread was asked for, and has not done yet */
    int sent;             /* of the write */
};

struct io_threads {
    struct async_backend b; /* first */
    struct loop *loop;
    box outbox;
    _Atomic int rest; /* enum rest, of the main thread */
    int wake_fd;
    struct event *event;
    unsigned n;
    struct io_thread thread[];
};

static struct io_threads *all_of(struct async_backend *b) {
    return (struct io_threads *)(void *)b;
}

/* ---------------------------------------------------------------- boxes */

static void put(box *b, struct async_op *newest, struct async_op *oldest) {
    struct async_op *top = atomic_load_explicit(b, memory_order_relaxed);

    do oldest->next = top;
    while (!atomic_compare_exchange_weak(b, &top, newest));
}

/* All that is in it, the oldest first. */
static struct async_op *empty(box *b) {
    struct async_op *op = atomic_exchange(b, NULL), *turned = NULL;

    while (op) {
        struct async_op *next = op->next;

        op->next = turned;
        turned = op;
        op = next;
    }
    return turned;
}

static void push(struct async_op **newest, struct async_op **oldest, struct async_op *op) {
    op->next = *newest;
    if (!*newest) *oldest = op;
    *newest = op;
}

static void ring_bell(int fd) {
    uint64_t one = 1;
    ssize_t rc = write(fd, &one, sizeof one);

    (void)rc; /* a counter that is full wakes too */
}

/* ---------------------------------------------------------------- a thread: what is done */

static void op_done(struct io_thread *t, struct async_op *op) {
    push(&t->done, &t->oldest_done, op);
    t->wakes |= op->what != ASYNC_WRITE || async_of(op)->sent < 0;
}

static void tell_main(struct io_thread *t) {
    struct io_threads *all = t->all;
    int rest;

    if (!t->done) return;
    put(&all->outbox, t->done, t->oldest_done);
    t->done = NULL;
    rest = atomic_load(&all->rest);
    if ((rest == WANTS_ALL || (rest == WANTS_READS && t->wakes)) &&
        atomic_exchange(&all->rest, AWAKE) != AWAKE)
        ring_bell(all->wake_fd);
    t->wakes = false;
}

/* ---------------------------------------------------------------- a thread: buffers */

static struct buffer *take_buffer(struct io_thread *t) {
    struct buffer *b;

    if (!t->spare) t->spare = atomic_exchange(&t->returned, NULL);
    b = t->spare;
    if (b) {
        t->spare = b->next;
    } else if (t->nbuffers < BUFFERS_MAX) {
        t->nbuffers++;
        b = mem_alloc(ASYNC_READ_BYTES);
    }
    return b;
}

static void keep_buffer(struct io_thread *t, struct buffer *b) {
    b->next = t->spare;
    t->spare = b;
}

/* ---------------------------------------------------------------- a thread: sockets */

static ssize_t receive(struct async *a, char *to, size_t room) {
    ssize_t got;

    do got = a->tls ? tls_read(a->tls, to, room) : recv(a->fd, to, room, 0);
    while (got < 0 && errno == EINTR);
    return got;
}

/* A short read has emptied the socket; the next bytes, or its end, are told of as an edge. */
static bool may_hold_more(const struct async *a, ssize_t got, size_t room) {
    const struct io_socket *k = a->private;

    return a->tls || k->ended || (size_t)got == room;
}

static void try_read(struct io_thread *t, struct async *a) {
    struct io_socket *k = a->private;
    struct buffer *own = NULL;
    size_t room;
    ssize_t got;

    if (!k->reads || !k->readable) return; /* unasked, the place is not this thread's to look at */
    room = a->room ? a->room : ASYNC_READ_BYTES;
    if (!a->room && !(own = take_buffer(t))) {
        atomic_store(&t->starving, true);
        k->reads = false;
        async_queue_add(&t->starved, &a->op[ASYNC_READ]);
        return;
    }
    a->data = own ? (char *)own : a->place;
    got = receive(a, a->data, room);
    if (got <= 0 && own) keep_buffer(t, own);
    if (got < 0 && errno == EAGAIN) {
        k->readable = false;
        return;
    }
    a->got = got < 0 ? -errno : (int)got;
    k->readable = got <= 0 || may_hold_more(a, got, room);
    k->reads = false;
    op_done(t, &a->op[ASYNC_READ]);
}

static ssize_t send_pieces(struct async *a) {
    struct async_write *w = a->write;

    if (a->tls) return tls_writev(a->tls, w->iov, (int)w->n);
    w->msg = (struct msghdr){.msg_iov = w->iov, .msg_iovlen = w->n};
    return sendmsg(a->fd, &w->msg, MSG_NOSIGNAL);
}

/* The first n bytes of the pieces are sent. */
static void advance(struct async_write *w, size_t n) {
    uint32_t i = 0;

    while (i < w->n && n >= w->iov[i].iov_len) n -= w->iov[i++].iov_len;
    memmove(w->iov, w->iov + i, (w->n - i) * sizeof *w->iov);
    w->n -= i;
    if (n == 0) return;
    w->iov[0].iov_base = (char *)w->iov[0].iov_base + n;
    w->iov[0].iov_len -= n;
}

static void end_write(struct io_thread *t, struct async *a, int result) {
    struct io_socket *k = a->private;

    a->sent = result;
    k->writes = false;
    op_done(t, &a->op[ASYNC_WRITE]);
}

static void try_write(struct io_thread *t, struct async *a) {
    struct io_socket *k = a->private;

    while (k->writes) {
        ssize_t sent = send_pieces(a);

        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) return;
        if (sent < 0) {
            end_write(t, a, -errno);
            return;
        }
        k->sent += (int)sent;
        advance(a->write, (size_t)sent);
        if (a->write->n == 0) end_write(t, a, k->sent);
    }
}

/* OpenSSL may have to read in order to write, and the reverse: so both are tried. */
static void on_socket(evutil_socket_t fd, short what, void *arg) {
    struct async *a = arg;
    struct io_socket *k = a->private;

    (void)fd;
    if (what & EV_CLOSED) k->ended = true;
    if (what & (EV_READ | EV_CLOSED)) k->readable = true;
    if (a->tls && what & EV_WRITE) k->readable = true;
    try_read(k->thread, a);
    try_write(k->thread, a);
}

/* ---------------------------------------------------------------- a thread: what is asked for */

static void begin_socket(struct io_thread *t, struct async *a) {
    struct io_socket *k = a->private;

    event_assign(&k->event, t->base, a->fd, EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST,
                 on_socket, a);
    event_add(&k->event, NULL);
    k->begun = k->readable = true;
}

static void obey_read(struct io_thread *t, struct async *a) {
    struct io_socket *k = a->private;

    if (!k->begun) begin_socket(t, a);
    k->reads = true;
    try_read(t, a);
}

static void obey_write(struct io_thread *t, struct async *a) {
    struct io_socket *k = a->private;

    if (!k->begun) begin_socket(t, a);
    k->writes = true;
    k->sent = 0;
    try_write(t, a);
}

static void obey_end(struct io_thread *t, struct async *a) {
    struct io_socket *k = a->private;

    if (k->begun) event_del(&k->event);
    async_queue_remove(&t->starved, &a->op[ASYNC_READ]);
    if (a->tls) tls_close(a->tls);
    close(a->fd);
    op_done(t, &a->op[ASYNC_END]);
}

static void obey(struct io_thread *t) {
    static void (*const by_what[ASYNC_WHATS])(struct io_thread *, struct async *) = {
        [ASYNC_READ] = obey_read, [ASYNC_WRITE] = obey_write, [ASYNC_END] = obey_end};

    for (struct async_op *op = empty(&t->inbox), *next; op; op = next) {
        next = op->next;
        by_what[op->what](t, async_of(op));
    }
}

/* Reads that found no buffer, once buffers have come back. */
static void feed_starved(struct io_thread *t) {
    struct async_queue again = t->starved;

    if (!again.first) return;
    atomic_store(&t->starving, false); /* before it is looked for buffers */
    t->starved = (struct async_queue){0};
    for (struct async_op *op; (op = async_queue_take(&again));) obey_read(t, async_of(op));
}

static bool may_sleep(struct io_thread *t) {
    atomic_store(&t->sleeping, true);
    return !atomic_load(&t->inbox) && !(t->starved.first && atomic_load(&t->returned));
}

static void on_bell(evutil_socket_t fd, short what, void *arg) {
    (void)fd, (void)what, (void)arg; /* edge-triggered: it has ended the wait */
}

static void *run(void *arg) {
    struct io_thread *t = arg;

    while (!atomic_load(&t->stop)) {
        obey(t);
        feed_starved(t);
        tell_main(t);
        event_base_loop(t->base, may_sleep(t) ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK);
        atomic_store(&t->sleeping, false);
        tell_main(t);
    }
    return NULL;
}

/* ---------------------------------------------------------------- the main thread */

static struct io_thread *least_used(struct io_threads *all) {
    struct io_thread *best = &all->thread[0];

    for (unsigned i = 1; i < all->n; i++)
        if (all->thread[i].sockets < best->sockets) best = &all->thread[i];
    return best;
}

static void begin(struct async_backend *b, struct async *a) {
    struct io_socket *k = mem_calloc(sizeof *k);

    k->thread = least_used(all_of(b));
    k->thread->sockets++;
    a->private = k;
}

static void ask(struct async_backend *b, struct async_op *op) {
    struct io_socket *k = async_of(op)->private;

    (void)b;
    push(&k->thread->asked, &k->thread->oldest_asked, op);
}

static void give_back(struct async_backend *b, struct async *a, char *data) {
    struct io_thread *t = ((struct io_socket *)a->private)->thread;
    struct buffer *buffer = (struct buffer *)(void *)data, *top = atomic_load(&t->returned);

    (void)b;
    do buffer->next = top;
    while (!atomic_compare_exchange_weak(&t->returned, &top, buffer));
    t->gave_back = true;
}

static void submit_to(struct io_thread *t) {
    bool wake = t->asked;

    if (t->asked) put(&t->inbox, t->asked, t->oldest_asked);
    t->asked = NULL;
    if (t->gave_back && atomic_load(&t->starving)) wake = true;
    t->gave_back = false;
    if (wake && atomic_exchange(&t->sleeping, false)) ring_bell(t->wake_fd);
}

static void submit(struct async_backend *b) {
    struct io_threads *all = all_of(b);

    for (unsigned i = 0; i < all->n; i++) submit_to(&all->thread[i]);
}

/* What was asked for before the end is not told of any more. */
static void drop(struct io_threads *all, struct async_op *op) {
    struct async *a = async_of(op);

    async_op_over(&all->b, op);
    if (op->what == ASYNC_READ && a->got > 0 && !a->room) give_back(&all->b, a, a->data);
}

static void end(struct io_threads *all, struct async *a) {
    struct io_socket *k = a->private;

    for (unsigned i = 0; i < ASYNC_WHATS; i++)
        if (a->op[i].asked) async_op_over(&all->b, &a->op[i]);
    k->thread->sockets--;
    mem_free(k);
    all->b.done(a, ASYNC_END);
}

static void take(struct io_threads *all, struct async_op *op) {
    struct async *a = async_of(op);

    if (op->what == ASYNC_END) {
        end(all, a);
    } else if (a->op[ASYNC_END].asked) {
        drop(all, op);
    } else {
        async_op_over(&all->b, op);
        all->b.done(a, (enum async_what)op->what);
    }
}

static void collect(struct async_backend *b) {
    struct io_threads *all = all_of(b);

    atomic_store(&all->rest, AWAKE);
    for (struct async_op *op = empty(&all->outbox), *next; op; op = next) {
        next = op->next;
        take(all, op);
    }
}

static void rest(struct async_backend *b) {
    struct io_threads *all = all_of(b);

    atomic_store(&all->rest, b->followed ? WANTS_ALL : WANTS_READS);
    if (atomic_load(&all->outbox)) loop_hurry(all->loop);
}

/* ---------------------------------------------------------------- beginning and end */

static void free_buffers(struct buffer *b) {
    while (b) {
        struct buffer *next = b->next;

        mem_free(b);
        b = next;
    }
}

static void close_thread(struct io_thread *t) {
    if (t->wake) event_free(t->wake);
    if (t->base) event_base_free(t->base);
    if (t->wake_fd >= 0) close(t->wake_fd);
    free_buffers(t->spare);
    free_buffers(atomic_load(&t->returned));
}

static int open_thread(struct io_thread *t, struct err *e) {
    struct event_config *cfg = event_config_new();

    event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
    t->base = event_base_new_with_config(cfg);
    event_config_free(cfg);
    t->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!t->base || t->wake_fd < 0) return err_set(e, errno, "%s", strerror(errno));
    t->wake = event_new(t->base, t->wake_fd, EV_READ | EV_PERSIST | EV_ET, on_bell, t);
    event_add(t->wake, NULL);
    return 0;
}

static int start_thread(struct io_threads *all, struct err *e) {
    struct io_thread *t = &all->thread[all->n];
    char name[16];
    int code;

    *t = (struct io_thread){.all = all, .wake_fd = -1};
    if (open_thread(t, e) < 0) {
        close_thread(t);
        return -1;
    }
    snprintf(name, sizeof name, "io_thd_%u", all->n + 1);
    code = thread_start(&t->id, name, run, t);
    if (code) {
        close_thread(t);
        return err_set(e, code, "%s", strerror(code));
    }
    all->n++;
    return 0;
}

/* All sockets have ended. */
static void io_threads_release(struct async_backend *b) {
    struct io_threads *all = all_of(b);

    for (unsigned i = 0; i < all->n; i++) {
        struct io_thread *t = &all->thread[i];

        atomic_store(&t->stop, true);
        ring_bell(t->wake_fd);
        pthread_join(t->id, NULL);
        close_thread(t);
    }
    async_free_spare(b);
    if (all->event) event_free(all->event);
    if (all->wake_fd >= 0) close(all->wake_fd);
    mem_free(all);
}

struct async_backend *io_threads_new(struct loop *loop, unsigned threads, struct err *e) {
    struct io_threads *all = mem_calloc(sizeof *all + threads * sizeof *all->thread);

    all->b = (struct async_backend){.name = "threads",
                                    .takes_tls = true,
                                    .misses_resets = true, /* libevent tells of it as of bytes */
                                    .begin = begin,
                                    .ask = ask,
                                    .give_back = give_back,
                                    .submit = submit,
                                    .collect = collect,
                                    .rest = rest,
                                    .release = io_threads_release};
    all->loop = loop;
    all->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (all->wake_fd < 0) err_set(e, errno, "%s", strerror(errno));
    while (all->wake_fd >= 0 && all->n < threads)
        if (start_thread(all, e) < 0) break;
    if (all->n < threads) {
        io_threads_release(&all->b);
        return NULL;
    }
    all->event = event_new(loop->base, all->wake_fd, EV_READ | EV_PERSIST | EV_ET, on_bell, all);
    event_add(all->event, NULL);
    return &all->b;
}
