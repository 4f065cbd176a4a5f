/* SPDX-License-Identifier: BSD-3-Clause
 *
 * backup_take - asks a server for a backup: a client of a few commands, in RESP2, over TCP, TLS or
 * a unix socket.
 */
#include "storage/base/bytes.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"
#include "tools/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { WORDS_MAX = 100000, LINE_MAX_BYTES = 4096, DEPTH_MAX = 4 };

struct connection {
    FILE *in; /* reads by take() */
    int fd;
    struct tls *tls; /* NULL: the bytes are as they are */
    struct tls_conn *secure;
};

/* The strings and numbers of a reply, in order, arrays flattened. */
struct words {
    char **v;
    size_t n;
};

static void words_release(struct words *w) {
    for (size_t i = 0; i < w->n; i++) mem_free(w->v[i]);
    mem_free(w->v);
    *w = (struct words){0};
}

static void add_word(struct words *w, const char *text, size_t n) {
    w->v = mem_realloc(w->v, (w->n + 1) * sizeof *w->v);
    w->v[w->n] = mem_alloc(n + 1);
    memcpy(w->v[w->n], text, n);
    w->v[w->n++][n] = '\0';
}

/* ---------------------------------------------------------------- connection */

static int connect_unix(const char *path, struct err *e) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof a.sun_path)
        return err_set(e, ENAMETOOLONG, "'%s' is too long", path);
    memcpy(a.sun_path, path, strlen(path));
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0) return fd;
    err_set(e, errno, "cannot connect to '%s': %s", path, strerror(errno));
    if (fd >= 0) close(fd);
    return -1;
}

static int connect_tcp(const char *host, const char *port, struct err *e) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int rc = getaddrinfo(host, port, &hints, &found), fd = -1;

    if (rc != 0) return err_set(e, EINVAL, "'%s', port '%s': %s", host, port, gai_strerror(rc));
    for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd < 0 || connect(fd, a->ai_addr, a->ai_addrlen) == 0) continue;
        err_set(e, errno, "cannot connect to %s, port %s: %s", host, port, strerror(errno));
        close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

/* ---------------------------------------------------------------- bytes */

static void await(const struct connection *c, enum tls_wait what) {
    struct pollfd p = {.fd = c->fd, .events = what == TLS_WAIT_READ ? POLLIN : POLLOUT};

    poll(&p, 1, -1);
}

/* As read(2), for the stream of replies. */
static ssize_t take(void *arg, char *p, size_t n) {
    struct connection *c = arg;
    ssize_t got;

    if (!c->secure) return read(c->fd, p, n);
    while ((got = tls_read(c->secure, p, n)) < 0 && errno == EAGAIN)
        await(c, c->secure->read_waits);
    return got;
}

static bool give(struct connection *c, const char *p, size_t n) {
    while (n > 0) {
        struct iovec iov = {(void *)p, n};
        ssize_t sent = c->secure ? tls_writev(c->secure, &iov, 1) : send(c->fd, p, n, MSG_NOSIGNAL);

        if (sent < 0 && errno == EAGAIN && c->secure)
            await(c, c->secure->write_waits);
        else if (sent < 0 && errno != EINTR)
            return false;
        if (sent > 0) p += sent, n -= (size_t)sent;
    }
    return true;
}

/* The descriptor does not block from now on: a session ticket of TLS 1.3 may follow a reply, and a
 * read must not wait for what comes after it. */
static int secure(struct connection *c, const struct tls_client *o, struct err *e) {
    char why[TLS_ERROR_CHARS] = "no memory";
    enum tls_state state = TLS_BROKEN;

    c->tls = tls_new_client(o, e);
    if (!c->tls) return -1;
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
    fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
    c->secure = tls_connect(c->tls, c->fd);
    while (c->secure && (state = tls_handshake(c->secure, why)) == TLS_HANDSHAKE)
        await(c, c->secure->read_waits);
    if (state == TLS_OPEN) return 0;
    return err_set(e, EPROTO, "no TLS connection with the server: %s", why);
}

/* ---------------------------------------------------------------- replies */

static int broken(struct err *e) {
    return err_set(e, EPROTO, "the server closed the connection, or sent what is no reply");
}

static int read_bulk(struct connection *c, int64_t n, struct words *w, struct err *e) {
    char *text;
    bool ok;

    if (n < 0) {
        add_word(w, "", 0);
        return 0;
    }
    if (n > 1 << 20) return broken(e);
    text = mem_alloc((size_t)n + 2);
    ok = fread(text, 1, (size_t)n + 2, c->in) == (size_t)n + 2;
    if (ok) add_word(w, text, (size_t)n);
    mem_free(text);
    return ok ? 0 : broken(e);
}

static int read_reply(struct connection *c, int depth, struct words *w, struct err *e) {
    char line[LINE_MAX_BYTES];
    size_t n;
    int64_t number = 0;

    if (depth > DEPTH_MAX || w->n > WORDS_MAX || !fgets(line, sizeof line, c->in)) return broken(e);
    n = strlen(line);
    if (n < 3 || line[n - 1] != '\n') return broken(e);
    line[n -= 2] = '\0';
    if (line[0] == '-') return err_set(e, EREMOTEIO, "the server answers: %.400s", line + 1);
    if (line[0] == '+' || line[0] == ':') {
        add_word(w, line + 1, n - 1);
        return 0;
    }
    if (!num_parse_i64(line + 1, n - 1, &number)) return broken(e);
    if (line[0] == '$') return read_bulk(c, number, w, e);
    if (line[0] != '*' || number > WORDS_MAX) return broken(e);
    for (int64_t i = 0; i < number; i++)
        if (read_reply(c, depth + 1, w, e) < 0) return -1;
    return 0;
}

static int ask(struct connection *c, const char *const *argv, size_t argc, struct words *w,
               struct err *e) {
    struct bytes b = {0};
    bool sent;

    bytes_printf(&b, "*%zu\r\n", argc);
    for (size_t i = 0; i < argc; i++) bytes_printf(&b, "$%zu\r\n%s\r\n", strlen(argv[i]), argv[i]);
    sent = give(c, b.p, b.n);
    bytes_release(&b);
    words_release(w);
    return sent ? read_reply(c, 0, w, e) : broken(e);
}

#define ASK(c, w, e, ...)                                                                          \
    ask(c, (const char *const[]){__VA_ARGS__},                                                     \
        sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), w, e)

static void leave(struct connection *c) {
    if (c->in) fclose(c->in);
    if (c->secure) tls_close(c->secure);
    tls_free(c->tls);
    if (c->fd >= 0) close(c->fd);
}

static int enter(struct connection *c, const struct backup_server *s, struct err *e) {
    struct words w = {0};
    int rc = 0;

    *c = (struct connection){.fd = s->socket ? connect_unix(s->socket, e)
                                             : connect_tcp(s->host, s->port, e)};
    if (c->fd < 0) return -1;
    if (s->use_tls && secure(c, &s->tls, e) < 0) return -1;
    c->in = fopencookie(c, "r", (cookie_io_functions_t){.read = take});
    if (s->password && s->user)
        rc = ASK(c, &w, e, "AUTH", s->user, s->password);
    else if (s->password)
        rc = ASK(c, &w, e, "AUTH", s->password);
    words_release(&w);
    return rc;
}

/* The value after a name. */
static const char *value_of(const struct words *w, size_t from, const char *name) {
    for (size_t i = from; i + 1 < w->n; i += 2)
        if (strcmp(w->v[i], name) == 0) return w->v[i + 1];
    return NULL;
}

/* ---------------------------------------------------------------- what is asked for */

int backup_take(const struct backup_server *s, char path[4096], struct err *e) {
    struct words w = {0};
    struct connection c;
    const char *found;
    bool is_open;
    int rc = enter(&c, s, e);

    if (rc == 0) rc = ASK(&c, &w, e, "BACKUP", "START");
    is_open = rc == 0;
    if (rc == 0) rc = ASK(&c, &w, e, "BACKUP", "SEAL");
    if (rc == 0) {
        is_open = false;
        found = value_of(&w, 0, "path");
        if (!found || found[0] != '/' || strlen(found) >= 4096 || !backup_is_plain(found))
            rc = broken(e);
    }
    if (rc == 0) snprintf(path, 4096, "%s", found);
    if (is_open) ASK(&c, &w, NULL, "BACKUP", "ABORT");
    words_release(&w);
    leave(&c);
    return rc;
}

static int newest_first(const void *a, const void *b) {
    return -strcmp(*(char *const *)a, *(char *const *)b);
}

int backup_thin(const struct backup_server *s, size_t keep, struct err *e) {
    struct words list = {0}, reply = {0};
    struct connection c;
    char **ids = NULL;
    size_t n = 0;
    int rc = enter(&c, s, e);

    if (rc == 0) rc = ASK(&c, &list, e, "BACKUP", "LIST");
    for (size_t i = 0; rc == 0 && i + 3 < list.n; i++) {
        if (strcmp(list.v[i], "id") != 0 || strcmp(list.v[i + 2], "state") != 0) continue;
        if (strcmp(list.v[i + 3], "sealed") != 0) continue;
        ids = mem_realloc(ids, (n + 1) * sizeof *ids);
        ids[n++] = list.v[i + 1];
    }
    if (n) qsort(ids, n, sizeof *ids, newest_first);
    for (size_t i = keep; rc == 0 && i < n; i++) {
        rc = ASK(&c, &reply, e, "BACKUP", "CLEANUP", ids[i]);
        if (rc == 0) printf("removed: %s\n", ids[i]);
    }
    mem_free(ids);
    words_release(&list);
    words_release(&reply);
    leave(&c);
    return rc;
}
