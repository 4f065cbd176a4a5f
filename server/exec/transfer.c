/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/transfer.h"

#include "storage/base/clock.h"
#include "storage/base/mem.h"
#include "storage/base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    LINKS_MAX = 64,
    LINK_IDLE_US = 10 * 1000000,
    CHUNK = 64 * 1024,
    LINE_MAX_BYTES = 8192, /* of an answer */
};

#define ERR_CONNECT "IOERR error or timeout connecting to the client"
#define ERR_WRITE   "IOERR error or timeout writing to target instance"
#define ERR_READ    "IOERR error or timeout reading to target instance" /* sic */

struct link {
    struct list of_all;
    char *name; /* "host:port" */
    int fd;
    int64_t db; /* that it has selected, -1: not known */
    uint64_t used_us;
};

struct transfer {
    struct links *links; /* main thread only */
    char *host, *port, *name;
    int64_t db;
    int timeout_ms;
    void (*wake)(void *arg);
    void *arg;
    struct bytes auth; /* the command, empty: none */

    pthread_mutex_t mu;
    bool running, dropped; /* under mu */

    /* of the thread while it runs */
    struct link *link;
    bool reused; /* the link was used before: it may have been closed meanwhile */
    struct bytes commands;
    size_t n;
    struct bytes in; /* answers not looked at yet */
    size_t in_used;
    char **refusals; /* NULL: went well */
    size_t answered;
    const char *error;
};

/* ---------------------------------------------------------------- links */

void links_init(struct links *l) {
    list_init(&l->all);
    l->n = 0;
}

static void link_free(struct link *k) {
    if (!k) return;
    close(k->fd);
    mem_free(k->name);
    mem_free(k);
}

static struct link *take_oldest(struct links *l) {
    struct link *k = list_entry(l->all.next, struct link, of_all);

    list_remove(&k->of_all);
    l->n--;
    return k;
}

void links_release(struct links *l) {
    while (l->n) link_free(take_oldest(l));
}

void links_cron(struct links *l, uint64_t now_us) {
    while (l->n && list_entry(l->all.next, struct link, of_all)->used_us + LINK_IDLE_US <= now_us)
        link_free(take_oldest(l));
}

static struct link *link_find(struct links *l, const char *name) {
    list_each (it, &l->all) {
        struct link *k = list_entry(it, struct link, of_all);

        if (strcmp(k->name, name) != 0) continue;
        list_remove(&k->of_all);
        l->n--;
        return k;
    }
    return NULL;
}

static void link_keep(struct links *l, struct link *k) {
    if (l->n >= LINKS_MAX) link_free(take_oldest(l));
    k->used_us = clock_mono_us();
    list_append(&l->all, &k->of_all);
    l->n++;
}

/* ---------------------------------------------------------------- the other side */

/* False: nothing happened in time. */
static bool wait_for(const struct transfer *t, int fd, short what) {
    struct pollfd p = {.fd = fd, .events = what};
    int rc;

    do {
        rc = poll(&p, 1, t->timeout_ms);
    } while (rc < 0 && errno == EINTR);
    return rc > 0;
}

static int connect_to(const struct transfer *t, const struct addrinfo *to) {
    int fd = socket(to->ai_family, to->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0) return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, to->ai_addr, to->ai_addrlen) < 0 &&
        (errno != EINPROGRESS || !wait_for(t, fd, POLLOUT))) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool open_link(struct transfer *t) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int fd = -1;

    if (getaddrinfo(t->host, t->port, &hints, &found) != 0) {
        /* A port that is none is found out by the first write, as in Redis. */
        if (getaddrinfo(t->host, NULL, &hints, &found) != 0) return false;
        freeaddrinfo(found);
        t->error = ERR_WRITE;
        return false;
    }
    for (struct addrinfo *a = found; a && fd < 0; a = a->ai_next) fd = connect_to(t, a);
    freeaddrinfo(found);
    if (fd < 0) return false;
    t->link = mem_calloc(sizeof *t->link);
    list_init(&t->link->of_all);
    t->link->name = mem_strdup(t->name);
    t->link->fd = fd;
    t->link->db = -1;
    return true;
}

static bool send_all(const struct transfer *t, struct slice s) {
    while (s.n > 0) {
        ssize_t n = send(t->link->fd, s.p, s.n, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno != EAGAIN || !wait_for(t, t->link->fd, POLLOUT))) return false;
        if (n < 0) continue;
        s.p += n;
        s.n -= (size_t)n;
    }
    return true;
}

static bool receive_more(struct transfer *t) {
    for (;;) {
        ssize_t n = recv(t->link->fd, bytes_room(&t->in, CHUNK), CHUNK, 0);

        if (n > 0) {
            t->in.n += (size_t)n;
            return true;
        }
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = ECONNRESET;
        if (n == 0 || errno != EAGAIN) return false;
        if (!wait_for(t, t->link->fd, POLLIN)) {
            errno = ETIMEDOUT;
            return false;
        }
    }
}

/* The next line, without its end; valid until the next call. */
static bool take_line(struct transfer *t, struct slice *line) {
    bytes_consume(&t->in, t->in_used);
    t->in_used = 0;
    for (;;) {
        const char *end = t->in.n ? memchr(t->in.p, '\n', t->in.n) : NULL;

        if (end) {
            t->in_used = (size_t)(end - t->in.p) + 1;
            *line = slice_of(t->in.p, t->in_used - 1);
            if (line->n && line->p[line->n - 1] == '\r') line->n--;
            return true;
        }
        if (t->in.n > LINE_MAX_BYTES || !receive_more(t)) return false;
    }
}

/* ---------------------------------------------------------------- a batch */

static void append_argument(struct bytes *b, struct slice s) {
    bytes_printf(b, "$%zu\r\n", s.n);
    bytes_append(b, s.p, s.n);
    bytes_append_str(b, "\r\n");
}

static void append_select(struct bytes *b, int64_t db) {
    char text[32];
    int n = snprintf(text, sizeof text, "%lld", (long long)db);

    bytes_append_str(b, "*2\r\n$6\r\nSELECT\r\n");
    append_argument(b, slice_of(text, (size_t)n));
}

/* Keeps an error; false if the line is none. */
static bool note_error(char **to, struct slice line) {
    if (line.n == 0 || line.p[0] != '-') return false;
    if (*to) return true;
    *to = mem_alloc(line.n);
    memcpy(*to, line.p + 1, line.n - 1);
    (*to)[line.n - 1] = '\0';
    return true;
}

static bool read_answers(struct transfer *t, int before) {
    struct slice line;
    char *first = NULL;
    bool ok = true;

    for (int i = 0; ok && i < before; i++) {
        ok = take_line(t, &line);
        if (ok) note_error(&first, line);
    }
    if (ok && !first) t->link->db = t->db;
    while (ok && t->answered < t->n) {
        char **to = &t->refusals[t->answered];

        ok = take_line(t, &line);
        if (!ok) break;
        if (first) *to = mem_strdup(first);
        note_error(to, line);
        if (*to) t->link->db = -1; /* as Redis: say it again next time */
        t->answered++;
    }
    mem_free(first);
    return ok;
}

/* NULL, or the error. *again: it might go well on a new connection. */
static const char *exchange(struct transfer *t, bool *again) {
    struct bytes head = {0};
    int before = (t->auth.n > 0) + (t->link->db != t->db);
    const char *error = NULL;
    bool sent;

    bytes_append(&head, t->auth.p, t->auth.n);
    if (t->link->db != t->db) append_select(&head, t->db);
    errno = 0;
    sent = send_all(t, bytes_slice(&head)) && send_all(t, bytes_slice(&t->commands));
    bytes_release(&head);
    if (!sent)
        error = ERR_WRITE;
    else if (!read_answers(t, before))
        error = ERR_READ;
    *again = error && t->reused && t->answered == 0 && errno != ETIMEDOUT;
    return error;
}

static void send_batch(struct transfer *t) {
    bool again = false;

    t->reused = t->link != NULL;
    do {
        bool opened = t->link || open_link(t);

        if (!opened && !t->error) t->error = ERR_CONNECT;
        if (!opened) return;
        t->error = exchange(t, &again);
        if (t->error) {
            link_free(t->link);
            t->link = NULL;
            bytes_clear(&t->in);
            t->in_used = 0;
        }
        t->reused = false;
        if (again) t->error = NULL;
    } while (again);
}

static void release(struct transfer *t);

static void *run(void *arg) {
    struct transfer *t = arg;
    bool dropped;

    mem_thread_init();
    send_batch(t);
    pthread_mutex_lock(&t->mu);
    t->running = false;
    dropped = t->dropped;
    if (!dropped && t->wake) t->wake(t->arg);
    pthread_mutex_unlock(&t->mu);
    if (dropped) release(t);
    return NULL;
}

/* ---------------------------------------------------------------- the main thread's side */

static char *copy_of(struct slice s) {
    char *p = mem_alloc(s.n + 1);

    memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p;
}

static void forget_answers(struct transfer *t) {
    for (size_t i = 0; i < t->n; i++) mem_free(t->refusals[i]);
    mem_free(t->refusals);
    t->refusals = NULL;
    t->n = t->answered = 0;
    t->error = NULL;
}

static void release(struct transfer *t) {
    forget_answers(t);
    link_free(t->link);
    bytes_release(&t->auth);
    bytes_release(&t->commands);
    bytes_release(&t->in);
    mem_free(t->host);
    mem_free(t->port);
    mem_free(t->name);
    pthread_mutex_destroy(&t->mu);
    mem_free(t);
}

struct transfer *transfer_new(struct links *l, const struct transfer_to *to) {
    struct transfer *t = mem_calloc(sizeof *t);
    struct bytes name = {0};

    t->links = l;
    t->host = copy_of(to->host);
    t->port = copy_of(to->port);
    t->db = to->db;
    t->timeout_ms = to->timeout_ms;
    t->wake = to->wake;
    t->arg = to->arg;
    bytes_printf(&name, "%s:%s", t->host, t->port);
    t->name = mem_strdup(bytes_cstr(&name));
    bytes_release(&name);
    if (to->password.p) {
        bytes_printf(&t->auth, "*%d\r\n$4\r\nAUTH\r\n", to->user.p ? 3 : 2);
        if (to->user.p) append_argument(&t->auth, to->user);
        append_argument(&t->auth, to->password);
    }
    pthread_mutex_init(&t->mu, NULL);
    return t;
}

bool transfer_start(struct transfer *t, struct bytes *commands, size_t n) {
    pthread_t thread;
    int rc;

    forget_answers(t);
    bytes_release(&t->commands);
    t->commands = *commands;
    *commands = (struct bytes){0};
    t->n = n;
    t->refusals = mem_calloc((n ? n : 1) * sizeof *t->refusals);
    if (!t->link) t->link = link_find(t->links, t->name);
    t->running = true;
    rc = thread_start(&thread, "transfer", run, t);
    if (rc == 0)
        pthread_detach(thread);
    else
        t->running = false;
    return rc == 0;
}

bool transfer_done(struct transfer *t) {
    bool running;

    pthread_mutex_lock(&t->mu);
    running = t->running;
    pthread_mutex_unlock(&t->mu);
    return !running;
}

const char *transfer_error(const struct transfer *t) {
    return t->error;
}

size_t transfer_answered(const struct transfer *t) {
    return t->answered;
}

const char *transfer_refusal(const struct transfer *t, size_t i) {
    return t->refusals[i];
}

void transfer_drop(struct transfer *t) {
    bool running;

    pthread_mutex_lock(&t->mu);
    running = t->running;
    t->dropped = true;
    pthread_mutex_unlock(&t->mu);
    if (running) return; /* the thread frees it */
    if (t->link) link_keep(t->links, t->link);
    t->link = NULL;
    release(t);
}
