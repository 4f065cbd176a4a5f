/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What async.h promises, of each backend: the same tests for the kernel's ring and for threads. A
 * backend that this system does not have skips its tests.
 */
#include "server/net/async.h"
#include "server/net/io_threads.h"
#include "server/net/ring.h"
#include "storage/base/clock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MANY = 1100, AWAIT_MS = 20000 };

static struct loop loop;
static struct async_backend *b;

struct end {
    struct async *a;
    int peer, fd;
    unsigned done[ASYNC_WHATS];
};

static void note(struct async *a, enum async_what what) {
    ((struct end *)a->owner)->done[what]++;
}

static struct async_backend *make_ring(struct err *e) {
    return ring_new(&loop, e);
}

static struct async_backend *make_threads(struct err *e) {
    return io_threads_new(&loop, 2, e);
}

static void begin(struct async_backend *(*make)(struct err *e)) {
    struct err e;

    cr_assert_eq(loop_init(&loop), 0);
    b = make(&e);
    if (!b) cr_skip_test("%s", e.text);
    b->done = note;
}

static void begin_ring(void) {
    begin(make_ring);
}

static void begin_threads(void) {
    begin(make_threads);
}

static void finish(void) {
    if (b) b->release(b);
    loop_release(&loop);
}

static void turn(void) {
    async_submit(b);
    async_collect(b);
}

#define AWAIT(what)                                                                                \
    do {                                                                                           \
        uint64_t until = clock_real_ns() + AWAIT_MS * 1000000ull;                                  \
        while (!(what) && clock_real_ns() < until) turn();                                         \
        cr_assert(what);                                                                           \
    } while (0)

static void open_end(struct end *k) {
    int fds[2];

    *k = (struct end){0};
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    k->fd = fds[0];
    k->peer = fds[1];
    k->a = async_new(b, k->fd, k);
}

static void close_end(struct end *k) {
    if (!k->done[ASYNC_END]) async_ask(b, k->a, ASYNC_END);
    AWAIT(k->done[ASYNC_END]);
    async_free(k->a);
    close(k->peer);
}

static void ask_read(struct end *k) {
    k->done[ASYNC_READ] = 0;
    async_ask(b, k->a, ASYNC_READ);
}

static void ask_write(struct end *k, const char *p, size_t n) {
    struct async_write *w = async_begin_write(b, k->a);

    w->n = 1;
    w->iov[0] = (struct iovec){(void *)p, n};
    async_ask(b, k->a, ASYNC_WRITE);
}

static void expect_read(struct end *k, const char *text) {
    AWAIT(k->done[ASYNC_READ]);
    cr_assert_eq(k->a->got, (int)strlen(text));
    cr_expect_arr_eq(k->a->data, text, strlen(text));
    b->give_back(b, k->a, k->a->data);
}

/* ---------------------------------------------------------------- the tests */

static void a_read_brings_what_has_come_and_what_will(void) {
    struct end k;

    open_end(&k);
    cr_assert_eq(send(k.peer, "first", 5, 0), 5);
    ask_read(&k);
    expect_read(&k, "first");
    ask_read(&k);
    for (int i = 0; i < 100; i++) turn();
    cr_expect_eq(k.done[ASYNC_READ], 0, "there is nothing to read");
    cr_assert_eq(send(k.peer, "second", 6, 0), 6);
    expect_read(&k, "second");
    close_end(&k);
}

static void a_read_is_put_where_it_is_wanted(void) {
    char place[8] = "-------";
    struct end k;

    open_end(&k);
    k.a->place = place;
    k.a->room = 4;
    ask_read(&k);
    cr_assert_eq(send(k.peer, "abcdef", 6, 0), 6);
    AWAIT(k.done[ASYNC_READ]);
    cr_expect_eq(k.a->got, 4);
    cr_expect_str_eq(place, "abcd---");
    k.a->room = 0;
    ask_read(&k);
    expect_read(&k, "ef");
    close_end(&k);
}

/* More than a socket takes at once, in pieces of all sizes. */
static void a_write_arrives_whole_and_in_order(void) {
    enum { BYTES = 3000000 };
    static char out[BYTES], in[BYTES];
    size_t at = 0, got = 0;
    struct async_write *w;
    struct end k;

    for (size_t i = 0; i < BYTES; i++) out[i] = (char)(i * 31 >> 3);
    open_end(&k);
    w = async_begin_write(b, k.a);
    for (unsigned i = 0; i < ASYNC_IOV; i++) {
        size_t n = i + 1 < ASYNC_IOV ? (size_t)1 << (3 * i) : BYTES - at;

        w->iov[i] = (struct iovec){out + at, n};
        at += n;
    }
    w->n = ASYNC_IOV;
    async_ask(b, k.a, ASYNC_WRITE);
    cr_expect_eq(b->writes, 1);
    while (got < BYTES) {
        ssize_t n = recv(k.peer, in + got, BYTES - got, 0);

        if (n < 0) turn();
        cr_assert(n > 0 || errno == EAGAIN);
        if (n > 0) got += (size_t)n;
    }
    AWAIT(k.done[ASYNC_WRITE]);
    cr_expect_eq(k.a->sent, BYTES);
    cr_expect_eq(b->writes, 0);
    cr_expect(memcmp(in, out, BYTES) == 0);
    close_end(&k);
}

static void the_end_of_the_peer_is_a_read_of_nothing(void) {
    struct end k;

    open_end(&k);
    ask_read(&k);
    cr_assert_eq(send(k.peer, "last", 4, 0), 4);
    shutdown(k.peer, SHUT_WR);
    expect_read(&k, "last");
    ask_read(&k);
    AWAIT(k.done[ASYNC_READ]);
    cr_expect_eq(k.a->got, 0);
    close_end(&k);
}

/* Both come while no read is asked for, and are told of at once. */
static void the_end_is_noticed_that_comes_with_the_last_bytes(void) {
    struct end k;

    open_end(&k);
    ask_read(&k);
    cr_assert_eq(send(k.peer, "first", 5, 0), 5);
    expect_read(&k, "first");
    cr_assert_eq(send(k.peer, "last", 4, 0), 4);
    shutdown(k.peer, SHUT_WR);
    usleep(20000); /* a thread may see them now, or later: both have to go well */
    ask_read(&k);
    expect_read(&k, "last");
    ask_read(&k);
    AWAIT(k.done[ASYNC_READ]);
    cr_expect_eq(k.a->got, 0);
    close_end(&k);
}

static void a_write_to_nobody_is_an_error(void) {
    struct end k;

    open_end(&k);
    shutdown(k.peer, SHUT_RD);
    ask_write(&k, "x", 1);
    AWAIT(k.done[ASYNC_WRITE]);
    cr_expect_eq(k.a->sent, -EPIPE);
    close_end(&k);
}

static void the_end_takes_back_what_is_under_way(void) {
    static char much[4000000];
    struct end k;
    char c[4096];
    ssize_t n;

    open_end(&k);
    ask_read(&k);
    ask_write(&k, much, sizeof much);
    for (int i = 0; i < 100; i++) turn();
    async_follow(b, k.a);
    async_ask(b, k.a, ASYNC_END);
    AWAIT(k.done[ASYNC_END]);
    cr_expect_eq(k.done[ASYNC_READ] + k.done[ASYNC_WRITE], 0, "nobody is told of them any more");
    cr_expect_eq(b->writes + b->followed, 0);
    cr_expect_lt(fcntl(k.fd, F_GETFD), 0, "the descriptor is closed");
    while ((n = recv(k.peer, c, sizeof c, 0)) > 0) continue;
    cr_expect_eq(n, 0, "the peer sees the end");
    close_end(&k);
}

/* All read at once, and keep what they got; each is served once others give back. */
static void more_readers_than_buffers_all_get_theirs(void) {
    struct rlimit r;
    struct end *k = calloc(MANY, sizeof *k);
    unsigned served = 0;

    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
    if (r.rlim_cur < 2 * MANY + 100) cr_skip_test("not enough descriptors");
    for (unsigned i = 0; i < MANY; i++) {
        open_end(&k[i]);
        ask_read(&k[i]);
        cr_assert_eq(send(k[i].peer, "x", 1, 0), 1);
    }
    for (int i = 0; i < 100; i++) turn();
    while (served < MANY) {
        unsigned before = served;
        uint64_t until = clock_real_ns() + AWAIT_MS * 1000000ull;

        while (served == before && clock_real_ns() < until) {
            turn();
            for (unsigned i = 0; i < MANY; i++) {
                if (!k[i].done[ASYNC_READ]) continue;
                k[i].done[ASYNC_READ] = 0;
                cr_assert_eq(k[i].a->got, 1);
                b->give_back(b, k[i].a, k[i].a->data);
                served++;
            }
        }
        cr_assert_gt(served, before, "%u of %d", served, MANY);
    }
    for (unsigned i = 0; i < MANY; i++) close_end(&k[i]);
    free(k);
}

/* A loop that waits is woken by a read; by a write, if something follows it. */
static void what_is_done_ends_a_wait(void) {
    struct end k;

    open_end(&k);
    ask_read(&k);
    async_submit(b);
    async_collect(b);
    async_rest(b);
    cr_assert_eq(send(k.peer, "x", 1, 0), 1);
    event_base_loop(loop.base, loop.hurry ? EVLOOP_NONBLOCK : EVLOOP_ONCE);
    expect_read(&k, "x");
    ask_write(&k, "y", 1);
    async_follow(b, k.a);
    async_submit(b);
    loop.hurry = false;
    async_rest(b);
    event_base_loop(loop.base, loop.hurry ? EVLOOP_NONBLOCK : EVLOOP_ONCE);
    AWAIT(k.done[ASYNC_WRITE]);
    close_end(&k);
}

TestSuite(ring, .init = begin_ring, .fini = finish, .timeout = 60);
TestSuite(io_threads, .init = begin_threads, .fini = finish, .timeout = 60);

#define FOR_EACH_BACKEND(name)                                                                     \
    Test(ring, name) {                                                                             \
        name();                                                                                    \
    }                                                                                              \
    Test(io_threads, name) {                                                                       \
        name();                                                                                    \
    }

FOR_EACH_BACKEND(a_read_brings_what_has_come_and_what_will)
FOR_EACH_BACKEND(a_read_is_put_where_it_is_wanted)
FOR_EACH_BACKEND(a_write_arrives_whole_and_in_order)
FOR_EACH_BACKEND(the_end_of_the_peer_is_a_read_of_nothing)
FOR_EACH_BACKEND(the_end_is_noticed_that_comes_with_the_last_bytes)
FOR_EACH_BACKEND(a_write_to_nobody_is_an_error)
FOR_EACH_BACKEND(the_end_takes_back_what_is_under_way)
FOR_EACH_BACKEND(more_readers_than_buffers_all_get_theirs)
FOR_EACH_BACKEND(what_is_done_ends_a_wait)
