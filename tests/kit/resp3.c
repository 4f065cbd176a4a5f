/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/kit/resp3.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { RESP_WORDS_MAX = 256, RESP_TIMEOUT_MS = 60000 };

struct cursor {
    const char *p;
    size_t n, at;
};

static struct resp *parse_one(struct cursor *c, long *why);

static struct resp *fail(struct resp *r, long *why, long code) {
    *why = code;
    resp_free(r);
    return NULL;
}

/* The bytes up to CRLF; false if there is none yet. */
static bool take_line(struct cursor *c, const char **p, size_t *n) {
    const char *from = c->p + c->at;

    if (c->at == c->n) return false;
    const char *end = memmem(from, c->n - c->at, "\r\n", 2);
    if (!end) return false;
    *p = from;
    *n = (size_t)(end - from);
    c->at += *n + 2;
    return true;
}

static bool parse_number(const char *p, size_t n, long long *out) {
    char text[24], *end;

    if (n == 0 || n >= sizeof text) return false;
    memcpy(text, p, n);
    text[n] = 0;
    *out = strtoll(text, &end, 10);
    return *end == 0;
}

static void set_text(struct resp *r, const char *p, size_t n) {
    r->text = malloc(n + 1);
    memcpy(r->text, p, n);
    r->text[n] = 0;
    r->len = n;
}

static struct resp *parse_bulk(struct cursor *c, struct resp *r, long long len, long *why) {
    if (len < 0) {
        r->null = true;
        return len == -1 && r->type == '$' ? r : fail(r, why, RESP_BAD);
    }
    if (c->n - c->at < (size_t)len + 2) return fail(r, why, RESP_MORE);
    if (memcmp(c->p + c->at + len, "\r\n", 2) != 0) return fail(r, why, RESP_BAD);
    if (r->type == '=' && (len < 4 || c->p[c->at + 3] != ':')) return fail(r, why, RESP_BAD);
    set_text(r, c->p + c->at, (size_t)len);
    c->at += (size_t)len + 2;
    return r;
}

static struct resp *parse_items(struct cursor *c, struct resp *r, long long count, long *why) {
    if (count < 0) {
        r->null = true;
        return count == -1 && r->type == '*' ? r : fail(r, why, RESP_BAD);
    }
    if (r->type == '%' || r->type == '|') count *= 2;
    if ((size_t)count > c->n) return fail(r, why, RESP_MORE); /* each takes a byte, at least */
    r->items = calloc((size_t)count + 1, sizeof *r->items);
    for (; r->count < (size_t)count; r->count++) {
        struct resp *item = parse_one(c, why);
        if (!item) return fail(r, why, *why);
        r->items[r->count] = item;
    }
    if (r->type != '|') return r;
    struct resp *reply = parse_one(c, why);
    if (!reply) return fail(r, why, *why);
    reply->attributes = r;
    return reply;
}

static struct resp *parse_line(struct resp *r, const char *p, size_t n, long *why) {
    switch (r->type) {
    case ':':
        if (!parse_number(p, n, &r->integer)) return fail(r, why, RESP_BAD);
        return r;
    case '_': r->null = true; return n == 0 ? r : fail(r, why, RESP_BAD);
    case '#':
        if (n != 1 || (*p != 't' && *p != 'f')) return fail(r, why, RESP_BAD);
        r->integer = *p == 't';
        return r;
    default: set_text(r, p, n); return r;
    }
}

static struct resp *parse_one(struct cursor *c, long *why) {
    const char *line;
    size_t n;
    long long number;

    if (!take_line(c, &line, &n)) return fail(NULL, why, RESP_MORE);
    if (n == 0 || !strchr("+-:_#,($=*~>%|", line[0])) return fail(NULL, why, RESP_BAD);
    struct resp *r = calloc(1, sizeof *r);
    r->type = line[0];
    if (strchr("+-:_#,(", r->type)) return parse_line(r, line + 1, n - 1, why);
    if (!parse_number(line + 1, n - 1, &number)) return fail(r, why, RESP_BAD);
    if (r->type == '$' || r->type == '=') return parse_bulk(c, r, number, why);
    return parse_items(c, r, number, why);
}

long resp_parse(const char *p, size_t n, struct resp **out) {
    struct cursor c = {p, n, 0};
    long why = RESP_BAD;

    *out = parse_one(&c, &why);
    return *out ? (long)c.at : why;
}

void resp_free(struct resp *r) {
    if (!r) return;
    for (size_t i = 0; i < r->count; i++) resp_free(r->items[i]);
    resp_free(r->attributes);
    free(r->items);
    free(r->text);
    free(r);
}

static void show_text(FILE *f, const struct resp *r) {
    for (size_t i = 0; i < r->len; i++) {
        unsigned char b = (unsigned char)r->text[i];
        if (b < 32 || b > 126)
            fprintf(f, "\\x%02x", b);
        else
            fputc(b, f);
    }
}

static void show(FILE *f, const struct resp *r) {
    bool map = r->type == '%' || r->type == '|';

    if (r->attributes) show(f, r->attributes);
    if (r->null) {
        fputs(r->type == '_' ? "_" : "(nil)", f);
        return;
    }
    if (r->type != '*' && r->type != '%') fputc(r->type, f);
    if (strchr("*~>%|", r->type)) {
        fputc(map ? '{' : '[', f);
        for (size_t i = 0; i < r->count; i++) {
            if (i) fputc(map && i % 2 ? '=' : ' ', f);
            show(f, r->items[i]);
        }
        fputc(map ? '}' : ']', f);
    } else if (r->type == ':') {
        fprintf(f, "%lld", r->integer);
    } else if (r->type == '#') {
        fputc(r->integer ? 't' : 'f', f);
    } else {
        show_text(f, r);
    }
}

char *resp_show(const struct resp *r) {
    char *text = NULL;
    size_t n;

    if (!r) return strdup("(closed)");
    FILE *f = open_memstream(&text, &n);
    show(f, r);
    fclose(f);
    return text;
}

int resp_open(struct resp_conn *c, int port, const char *path) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int one = 1;

    memset(c, 0, sizeof *c);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (path) snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    c->fd = socket(path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (path ? connect(c->fd, (struct sockaddr *)&un, sizeof un)
             : connect(c->fd, (struct sockaddr *)&in, sizeof in)) {
        close(c->fd);
        c->fd = -1;
        return -1;
    }
    if (!path) setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return 0;
}

void resp_close(struct resp_conn *c) {
    if (c->fd >= 0) close(c->fd);
    free(c->buf);
    memset(c, 0, sizeof *c);
    c->fd = -1;
}

int resp_send(struct resp_conn *c, const void *p, size_t n) {
    for (size_t done = 0; done < n;) {
        ssize_t w = send(c->fd, (const char *)p + done, n - done, MSG_NOSIGNAL);
        if (w < 0 && errno != EINTR) return -1;
        if (w > 0) done += (size_t)w;
    }
    return 0;
}

static int send_words(struct resp_conn *c, va_list ap) {
    const char *words[RESP_WORDS_MAX];
    int n = 0, rc;
    char *out = NULL;
    size_t len;

    while (n < RESP_WORDS_MAX && (words[n] = va_arg(ap, const char *))) n++;
    FILE *f = open_memstream(&out, &len);
    fprintf(f, "*%d\r\n", n);
    for (int i = 0; i < n; i++) fprintf(f, "$%zu\r\n%s\r\n", strlen(words[i]), words[i]);
    fclose(f);
    rc = resp_send(c, out, len);
    free(out);
    return rc;
}

int resp_send_words(struct resp_conn *c, ...) {
    va_list ap;

    va_start(ap, c);
    int rc = send_words(c, ap);
    va_end(ap);
    return rc;
}

bool resp_waits(struct resp_conn *c, int ms) {
    struct pollfd p = {.fd = c->fd, .events = POLLIN};

    return c->end > c->start || poll(&p, 1, ms) > 0;
}

/* Reads more bytes; false at the end of the stream or of the patience. */
static bool fill(struct resp_conn *c) {
    if (c->start == c->end) c->start = c->end = 0;
    if (c->cap - c->end < 65536) {
        c->cap = c->cap * 2 + 65536;
        c->buf = realloc(c->buf, c->cap);
    }
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    if (poll(&p, 1, RESP_TIMEOUT_MS) <= 0) {
        errno = ETIMEDOUT;
        return false;
    }
    ssize_t n = read(c->fd, c->buf + c->end, c->cap - c->end);
    if (n <= 0) {
        errno = 0;
        return false;
    }
    c->end += (size_t)n;
    return true;
}

struct resp *resp_read(struct resp_conn *c) {
    struct resp *r;

    for (;;) {
        long used = c->buf ? resp_parse(c->buf + c->start, c->end - c->start, &r) : RESP_MORE;
        if (used > 0) {
            c->start += (size_t)used;
            return r;
        }
        if (used == RESP_BAD) {
            errno = EPROTO;
            return NULL;
        }
        if (!fill(c)) return NULL;
    }
}

const char *resp_next(struct resp_conn *c) {
    static char *text;
    struct resp *r = resp_read(c);

    free(text);
    if (r)
        text = resp_show(r);
    else
        text = strdup(errno == ETIMEDOUT ? "(silence)" : errno ? "(broken)" : "(closed)");
    resp_free(r);
    return text;
}

const char *resp_ask(struct resp_conn *c, ...) {
    va_list ap;

    va_start(ap, c);
    int rc = send_words(c, ap);
    va_end(ap);
    return rc < 0 ? "(closed)" : resp_next(c);
}
