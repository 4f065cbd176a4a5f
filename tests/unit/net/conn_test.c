/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A connection over a pair of sockets, on the engine of exec's tests: bytes in, replies out, what
 * waits for the AOF, and how a connection ends. The turns are driven by hand.
 */
#include "conf/conf.h"
#include "server/exec/turn.h"
#include "server/net/net.h"
#include "tests/unit/exec/exec_help.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef CONN_TEST_SUITE
#define CONN_TEST_SUITE        conn
#define CONN_TEST_LOGGED_SUITE conn_logged
#define CONN_TEST_BACKEND      CONF_IO_EPOLL
#endif
/* So that the names are expanded. */
#define SUITE(name, ...)  TestSuite(name, __VA_ARGS__)
#define CASE(suite, name) Test(suite, name)

static struct loop loop;
static struct net net;
static int peer; /* the client's end */

static void connect_client(void) {
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    net_accept(&net, fds[0], NET_UNIX, 0);
    net_flush(&net); /* the first read is asked for */
    peer = fds[1];
}

static void set_up(void) {
    cr_assert_eq(loop_init(&loop), 0);
    net_init(&net, &loop, &engine);
    net.maxclients = 100;
    ((struct conf_values *)net.v)->io_backend = CONN_TEST_BACKEND;
    net_choose_backend(&net);
    if (CONN_TEST_BACKEND == CONF_IO_URING && !net.async) cr_skip_test("no io_uring");
    connect_client();
}

static void begin(void) {
    exec_begin();
    set_up();
}

static void begin_logged(void) {
    exec_begin_logged();
    set_up();
}

static void end(void) {
    close(peer);
    net_close_all(&net, 0);
    net_release(&net);
    loop_release(&loop);
    exec_end();
}

static void turn(void) {
    loop_look(&loop);
    net_serve(&net);
    engine_before_wait(&engine);
    net_flush(&net);
}

static void tell(const char *bytes) {
    cr_assert_eq(send(peer, bytes, strlen(bytes), 0), (ssize_t)strlen(bytes));
    turn();
}

/* What has arrived at the client's end; "closed" if that is all. */
static const char *heard(void) {
    static char text[4096];
    ssize_t n = recv(peer, text, sizeof text - 1, 0);

    if (n == 0 || (n < 0 && errno == ECONNRESET)) return "closed";
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

SUITE(CONN_TEST_SUITE, .init = begin, .fini = end);
SUITE(CONN_TEST_LOGGED_SUITE, .init = begin_logged, .fini = end);

CASE(CONN_TEST_SUITE, a_command_is_answered_in_the_turn_in_which_it_comes) {
    tell("PING\r\n");
    cr_expect_str_eq(heard(), "+PONG\r\n");
    tell("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\nGET k\r\n");
    cr_expect_str_eq(heard(), "$-1\r\n+OK\r\n$1\r\nv\r\n");
}

CASE(CONN_TEST_SUITE, a_command_that_comes_in_pieces_waits_for_the_last) {
    const char *all = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\n";
    char piece[2] = "";

    for (const char *p = all; p[1]; p++) {
        piece[0] = *p;
        tell(piece);
        cr_expect_str_eq(heard(), "");
    }
    tell("\n");
    cr_expect_str_eq(heard(), "+OK\r\n");
}

/* As much as the socket takes at a time. */
static void tell_much(const struct bytes *b) {
    for (size_t at = 0; at < b->n; turn()) {
        ssize_t n = send(peer, b->p + at, b->n - at, 0);

        cr_assert(n > 0 || errno == EAGAIN);
        if (n > 0) at += (size_t)n;
    }
}

CASE(CONN_TEST_SUITE, a_command_of_many_short_arguments_is_read_in_large_pieces) {
    enum { ARGS = 200000 };
    struct bytes b = {0};
    uint64_t reads = engine.stats.reads;

    bytes_printf(&b, "*%d\r\n$3\r\nGET\r\n", ARGS + 1);
    for (int i = 0; i < ARGS; i++) bytes_append_str(&b, "$1\r\nx\r\n");
    tell_much(&b);
    while (!heard()[0]) turn();
    cr_expect_lt(engine.stats.reads - reads, b.n / 1024);
    bytes_release(&b);
}

CASE(CONN_TEST_SUITE, bytes_that_are_no_command_end_it_after_the_error) {
    tell("PING\r\n*1\r\n$x\r\n");
    cr_expect_str_eq(heard(), "+PONG\r\n-ERR Protocol error: invalid bulk length\r\n");
    turn();
    cr_expect_str_eq(heard(), "closed");
    turn();
    cr_expect_eq(engine.nsessions, 2, "only the two of the helper are left");
}

/* What comes while a long pipeline has only its slices of turns is read all the same. */
CASE(CONN_TEST_SUITE, input_that_comes_to_a_pipeline_that_is_held_up_is_not_forgotten) {
    enum { COUNT = 5000 };
    struct bytes b = {0};
    size_t got = 0;

    engine.slice_ns = 1;
    for (int i = 0; i < COUNT; i++) bytes_append_str(&b, "PING\r\n");
    tell_much(&b);
    tell("PING\r\n");
    for (int i = 0; i < 4 * COUNT && got < 7 * (COUNT + 1); i++) {
        got += strlen(heard());
        turn();
    }
    cr_expect_eq(got, 7 * (COUNT + 1));
    shutdown(peer, SHUT_WR);
    for (int i = 0; i < 4; i++) turn();
    cr_expect_str_eq(heard(), "closed");
    engine.slice_ns = 0;
    bytes_release(&b);
}

CASE(CONN_TEST_SUITE, a_client_that_goes_leaves_nothing) {
    cr_assert_eq(engine.nsessions, 3);
    tell("HOLD 0\r\n");
    cr_expect_eq(engine.nblocked, 1);
    shutdown(peer, SHUT_RDWR);
    turn();
    turn();
    cr_expect_eq(engine.nsessions, 2);
    cr_expect_eq(engine.nblocked, 0);
}

CASE(CONN_TEST_SUITE, too_many_clients_are_turned_away_with_an_error) {
    int first = peer;

    net.maxclients = (int64_t)engine.nsessions;
    connect_client();
    cr_expect_str_eq(heard(), "-ERR max number of clients reached\r\n");
    cr_expect_str_eq(heard(), "closed");
    close(peer);
    peer = first;
    tell("PING\r\n");
    cr_expect_str_eq(heard(), "+PONG\r\n");
}

/* More output than the socket takes leaves in order as the client reads. */
CASE(CONN_TEST_SUITE, output_that_does_not_fit_leaves_as_the_client_reads) {
    enum { COUNT = 3000, VALUE = 1000, REPLY = VALUE + 9 };
    static char value[VALUE + 1], got[REPLY + 1];
    static char line[VALUE + 32];
    size_t total = 0, want = (size_t)COUNT * REPLY;

    memset(value, 'x', VALUE);
    snprintf(line, sizeof line, "SET k %s\r\n", value);
    tell(line);
    cr_expect_str_eq(heard(), "+OK\r\n");
    for (int i = 0; i < COUNT; i++) tell("GET k\r\n");
    while (total < want) {
        ssize_t n = recv(peer, got, REPLY, 0);

        if (n < 0) turn();
        cr_assert(n > 0 || errno == EAGAIN);
        if (n > 0) total += (size_t)n;
    }
    tell("PING\r\n");
    cr_expect_str_eq(heard(), "+PONG\r\n");
}

/* ---------------------------------------------------------------- what waits for the AOF */

CASE(CONN_TEST_LOGGED_SUITE, a_reply_waits_until_the_write_is_synced) {
    exec_stop_writes();
    tell("SET k v\r\n");
    cr_expect_str_eq(heard(), "");
    tell("PING\r\n");
    cr_expect_str_eq(heard(), "", "what comes later waits for its turn");
    exec_go_on();
    turn();
    cr_expect_str_eq(heard(), "+OK\r\n+PONG\r\n");
}

CASE(CONN_TEST_LOGGED_SUITE, a_client_that_quits_while_its_reply_waits_still_gets_it) {
    exec_stop_writes();
    tell("SET k v\r\n*1\r\n$x\r\n");
    cr_expect_str_eq(heard(), "");
    exec_go_on();
    turn();
    turn();
    cr_expect_str_eq(heard(), "+OK\r\n-ERR Protocol error: invalid bulk length\r\n");
    cr_expect_str_eq(heard(), "closed");
}
