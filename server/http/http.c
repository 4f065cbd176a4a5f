/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/http/http_impl.h"

#include "conf/conf.h"
#include "server/http/admin.h"
#include "server/http/events.h"
#include "storage/base/clock.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"
#include "storage/base/spare.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ACCEPTS_A_TURN = 8,
    BACKLOG = 128,
    SERVE_NS = 500 * 1000, /* of the loop's time in a turn */
    REST_TIMES = 4,        /* HTTP rests so many times as long as it took: a fifth of the time */
};

/* ---------------------------------------------------------------- accepting */

/* The connection that has waited longest for a request has to make room, so that peers that send
 * nothing do not keep others out. */
static void welcome(struct http *h, int fd) {
    int on = 1;

    if (h->nconns >= HTTP_CONNS_MAX && !http_conn_make_room(h)) {
        h->refused++;
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    http_conn_new(h, fd);
}

/* No descriptor is left, and no connection can make room. False: the listeners rest until the next
 * tick. */
static bool turn_away(struct http *h, int lfd) {
    h->refused++;
    if (spare_turn_away(&h->spare_fd, lfd)) return true;
    for (unsigned i = 0; i < h->nlisteners; i++) event_del(h->listener[i].event);
    return false;
}

static void on_accept(evutil_socket_t lfd, short what, void *arg) {
    struct http *h = arg;

    (void)what;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        int fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            welcome(h, fd);
            continue;
        }
        if (errno != EMFILE && errno != ENFILE) return;
        if (!http_conn_make_room(h) && !turn_away(h, lfd)) return;
    }
}

static void on_tick(evutil_socket_t fd, short what, void *arg) {
    struct http *h = arg;

    (void)fd;
    (void)what;
    http_conn_sweep(h);
    for (unsigned i = 0; i < h->nlisteners; i++) event_add(h->listener[i].event, NULL);
    h->events_due = true;
}

/* There is a turn, so http_serve() is called. */
static void on_wake(evutil_socket_t fd, short what, void *arg) {
    (void)fd;
    (void)what;
    (void)arg;
}

static void on_sampling(evutil_socket_t fd, short what, void *arg) {
    struct http *h = arg;

    (void)fd;
    (void)what;
    h->sample_due = true;
}

/* ---------------------------------------------------------------- listening */

static int open_listener(const struct sockaddr *a, socklen_t len) {
    int on = 1, code;
    int fd = socket(a->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->sa_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, a, len) == 0 && listen(fd, BACKLOG) == 0) return fd;
    code = errno;
    close(fd);
    errno = code;
    return -1;
}

/* As `bind`: * and ::* are all addresses, and one with a '-' before it may be missing. */
static int listen_at(struct http *h, const char *addr, struct err *e) {
    bool optional = addr[0] == '-';
    const char *host = addr + optional;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list = NULL;
    char service[8];
    int fd, rc, code;

    hints.ai_family = strchr(host, ':') ? AF_INET6 : strchr(host, '*') ? AF_INET : AF_UNSPEC;
    snprintf(service, sizeof service, "%d", (int)h->v->http_port);
    rc = getaddrinfo(strchr(host, '*') ? NULL : host, service, &hints, &list);
    if (rc != 0) {
        if (optional) return 0;
        return err_set(e, EADDRNOTAVAIL, "http-bind '%s': %s", host, gai_strerror(rc));
    }
    fd = open_listener(list->ai_addr, list->ai_addrlen);
    code = errno;
    freeaddrinfo(list);
    if (fd < 0 && (code == EAFNOSUPPORT || (optional && code == EADDRNOTAVAIL))) return 0;
    if (fd < 0)
        return err_set(e, code, "http-bind '%s', http-port %s: %s", host, service, strerror(code));
    h->only_loopback &= http_came_by_loopback(fd);
    h->listener[h->nlisteners].fd = fd;
    h->listener[h->nlisteners].event = event_new(h->base, fd, EV_READ | EV_PERSIST, on_accept, h);
    event_add(h->listener[h->nlisteners++].event, NULL);
    return 0;
}

static void warn_of_open_port(const struct http *h) {
    const char *why = h->v->http_admin ? admin_refusal(h) : NULL;

    if (why) log_warning("WARNING: http-admin is yes, but no command is carried out: %s", why);
    if (h->v->http_password) return;
    for (size_t i = 0; i < h->v->http_bind.n; i++) {
        const char *addr = h->v->http_bind.addr[i];

        if (addr[0] == '-') addr++;
        if (strncmp(addr, "127.", 4) == 0 || strcmp(addr, "::1") == 0) continue;
        log_warning("WARNING: the HTTP port listens on '%s' without a password: metrics and names "
                    "of keys can be read from other machines. Set http-password.",
                    addr);
    }
}

int http_listen(struct http *h, struct err *e) {
    if (h->v->http_port == 0) return 0;
    h->only_loopback = true;
    for (size_t i = 0; i < h->v->http_bind.n && h->nlisteners < HTTP_LISTENERS_MAX; i++)
        if (listen_at(h, h->v->http_bind.addr[i], e) < 0) return -1;
    if (h->nlisteners == 0)
        return err_set(e, EADDRNOTAVAIL, "http-port %d: no address of http-bind can be bound",
                       (int)h->v->http_port);
    h->port = (int)h->v->http_port;
    warn_of_open_port(h);
    events_note_parameters(h);
    return 0;
}

unsigned http_descriptors(const struct conf_values *v) {
    return v->http_port ? HTTP_CONNS_MAX + HTTP_LISTENERS_MAX + 1 : 0; /* and the spare one */
}

int http_port(const struct http *h) {
    return h->port;
}

void http_stop_listening(struct http *h) {
    for (unsigned i = 0; i < h->nlisteners; i++) {
        event_free(h->listener[i].event);
        close(h->listener[i].fd);
    }
    h->nlisteners = 0;
}

void http_in_child(const struct http *h) {
    for (unsigned i = 0; i < h->nlisteners; i++) close(h->listener[i].fd);
}

/* ---------------------------------------------------------------- serving */

static void serve_until(struct http *h, uint64_t end_ns) {
    while (!list_empty(&h->asked)) {
        struct http_conn *c = list_entry(h->asked.next, struct http_conn, asked);

        if (c->state == HTTP_GREETING) {
            http_conn_go_on_greeting(c);
        } else {
            while (!http_route(c))
                if (clock_real_ns() > end_ns) return;
        }
        if (clock_real_ns() > end_ns) return;
    }
}

/* Those that wait until their password may be looked at. */
static void look_at_turns(struct http *h) {
    list_each_safe (it, next, &h->waiting) {
        struct http_conn *c = list_entry(it, struct http_conn, asked);

        if (!c->command && clock_mono_us() >= c->turn_us) http_conn_ask_again(c);
    }
}

/* The loop is woken when the rest is over. */
static void rest(struct http *h, uint64_t now_ns) {
    struct timeval left = {0, (suseconds_t)((h->rest_until_ns - now_ns) / 1000 + 1)};

    if (left.tv_usec > 999999) left.tv_usec = 999999;
    event_add(h->wake, &left);
}

void http_serve(struct http *h) {
    uint64_t began_ns, now_ns;

    look_at_turns(h);
    if (h->nconns == 0 || (list_empty(&h->asked) && !h->events_due)) return;
    began_ns = clock_real_ns();
    if (h->events_due) events_send(h);
    h->events_due = false;
    if (began_ns >= h->rest_until_ns) serve_until(h, began_ns + SERVE_NS);
    now_ns = clock_real_ns();
    if (now_ns - began_ns > h->longest_turn_ns) h->longest_turn_ns = now_ns - began_ns;
    if (began_ns >= h->rest_until_ns) h->rest_until_ns = now_ns + REST_TIMES * (now_ns - began_ns);
    if (!list_empty(&h->asked)) rest(h, now_ns);
}

void http_between_commands(struct http *h) {
    admin_run(h);
    if (!h->sample_due || h->e->loading || h->e->async_loading) return;
    h->sample_due = false;
    sample_step(&h->sample, h->e);
}

/* ---------------------------------------------------------------- the object */

struct http *http_new(struct event_base *base, struct engine *e, const struct http_app *app) {
    struct http *h = mem_calloc(sizeof *h);

    h->base = base;
    h->e = e;
    h->v = e->v;
    h->app = *app;
    h->tick = event_new(base, -1, EV_PERSIST, on_tick, h);
    h->sampling = event_new(base, -1, EV_PERSIST, on_sampling, h);
    h->wake = event_new(base, -1, 0, on_wake, h);
    h->spare_fd = e->v->http_port ? spare_open() : -1;
    list_init(&h->conns);
    list_init(&h->asked);
    list_init(&h->waiting);
    list_init(&h->streams);
    return h;
}

void http_free(struct http *h) {
    if (!h) return;
    http_stop_listening(h);
    list_each_safe (it, next, &h->conns) http_conn_free(list_entry(it, struct http_conn, link));
    event_free(h->tick);
    event_free(h->sampling);
    event_free(h->wake);
    if (h->spare_fd >= 0) close(h->spare_fd);
    bytes_release(&h->parameters);
    bytes_release(&h->changed);
    mem_free(h);
}
