/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A connection that the server begins: its source is told that it is open, or why it is not, and
 * takes its input. The turns are driven by hand.
 */
#include "server/exec/turn.h"
#include "server/net/net.h"
#include "tests/unit/exec/exec_help.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static struct loop loop;
static struct net net;
static int listener, port;
static unsigned opens, ends;
static char reason[128], got[64];
static size_t ngot;
static bool full; /* the source has no room */

static void opened(struct session *s) {
    (void)s;
    opens++;
}

static void ended(struct session *s, const char *why) {
    (void)s;
    ends++;
    snprintf(reason, sizeof reason, "%s", why ? why : "");
}

static size_t input(struct session *s, char *in, size_t n, size_t *need) {
    *need = 1;
    if (full) {
        session_enter(s, SESSION_BLOCKED);
        return 0;
    }
    memcpy(got + ngot, in, n);
    ngot += n;
    return n;
}

static const struct session_source source = {input, opened, ended};

static void begin(void) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;

    exec_begin();
    cr_assert_eq(loop_init(&loop), 0);
    net_init(&net, &loop, &engine);
    net.maxclients = (int64_t)engine.nsessions + 1;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&a, sizeof a), 0);
    cr_assert_eq(listen(listener, 1), 0);
    getsockname(listener, (struct sockaddr *)&a, &n);
    port = ntohs(a.sin_port);
}

static void end(void) {
    close(listener);
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

#define AWAIT(condition)                                                                           \
    for (int i = 0; i < 5000 && !(condition); i++) {                                               \
        usleep(1000);                                                                              \
        turn();                                                                                    \
    }                                                                                              \
    cr_assert(condition)

TestSuite(out, .init = begin, .fini = end);

static struct session *open_link(int *fd) {
    struct err e;
    struct session *s = net_connect(&net, "127.0.0.1", port, &source, NULL, &e);

    cr_assert_not_null(s);
    cr_expect_eq(opens, 0);
    AWAIT(opens == 1);
    *fd = accept(listener, NULL, NULL);
    cr_assert_geq(*fd, 0);
    return s;
}

Test(out, it_is_open_and_bytes_go_both_ways) {
    char back[8] = "";
    int fd;
    struct session *s = open_link(&fd);

    cr_expect(s->flags & SESSION_MASTER);
    out_append(&s->out, "hello", 5);
    s->ops->wake(s);
    turn();
    cr_expect_eq(recv(fd, back, sizeof back, 0), 5);
    cr_expect_str_eq(back, "hello");
    cr_expect_eq(write(fd, "world", 5), 5);
    AWAIT(ngot == 5);
    cr_expect_eq(memcmp(got, "world", 5), 0);
    close(fd);
    AWAIT(ends == 1);
    cr_expect_str_eq(reason, "");
}

Test(out, a_source_without_room_is_not_read) {
    int fd;
    struct session *s = open_link(&fd);

    full = true;
    cr_expect_eq(write(fd, "1", 1), 1);
    AWAIT(s->state == SESSION_BLOCKED);
    cr_expect_eq(write(fd, "2", 1), 1);
    for (int i = 0; i < 5; i++) turn();
    cr_expect_eq(engine.stats.net_in, 1);
    full = false;
    session_enter(s, SESSION_ACTIVE);
    s->ops->resume(s);
    AWAIT(ngot == 2);
    cr_expect_eq(memcmp(got, "12", 2), 0);
    close(fd);
}

Test(out, a_refused_connection_is_told_with_its_reason) {
    struct err e = {0};
    struct session *s;

    close(listener);
    s = net_connect(&net, "127.0.0.1", port, &source, NULL, &e);
    if (s) {
        AWAIT(ends == 1);
        cr_expect_str_eq(reason, "Connection refused");
    } else {
        cr_expect_str_eq(e.text, "Connection refused");
    }
    cr_expect_eq(opens, 0);
    listener = socket(AF_INET, SOCK_STREAM, 0);
}

Test(out, a_name_is_no_address) {
    struct err e;

    cr_expect_null(net_connect(&net, "localhost", port, &source, NULL, &e));
    cr_expect_eq(strncmp(e.text, "'localhost' port ", 17), 0);
}

Test(out, it_is_no_client_for_maxclients) {
    int fd, fds[2];

    open_link(&fd);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    net_accept(&net, fds[0], NET_UNIX, 0);
    cr_expect_eq(engine.stats.rejected_connections, 0);
    close(fds[1]);
    close(fd);
}
