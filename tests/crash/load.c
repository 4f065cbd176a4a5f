/* SPDX-License-Identifier: BSD-3-Clause
 *
 * load - sends each connection's commands, pipelined, until the server is gone; checks every reply
 * against the model and writes down what was sent and what was acknowledged.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/crash/journal.h"
#include "tests/crash/model.h"
#include "tests/kit/resp3.h"

enum { IN_MAX = 1 << 16, OUT_MAX = 1 << 18 };

struct load {
    int fd, depth; /* depth: commands that may be unanswered */
    bool selected; /* SELECT was answered */
    struct model acked;
    uint64_t sent, seen;
    char *in, *out;
    size_t in_n, out_n, out_at;
};

static int failures;

static void add_words(struct load *l, int count, const char *const *words, const size_t *lens) {
    char *p = l->out + l->out_n;

    p += sprintf(p, "*%d\r\n", count);
    for (int i = 0; i < count; i++) {
        p += sprintf(p, "$%zu\r\n", lens[i]);
        memcpy(p, words[i], lens[i]);
        p += lens[i];
        *p++ = '\r';
        *p++ = '\n';
    }
    l->out_n = (size_t)(p - l->out);
}

/* Appends command n of the connection to the output. */
static void add_command(struct load *l, uint64_t n) {
    static char value[VALUE_MAX + 64];
    static const char *names[] = {"SET",  "SET",    "DEL", "PERSIST", "MSET",
                                  "INCR", "APPEND", "SET", "GET",     "GET"};
    int conn = l->acked.conn, count = 2;
    struct step st = model_step(conn, n);
    char key[32], other[32], at[24];
    const char *w[5] = {names[st.op], key, value, other, value};

    model_key(key, st.op == OP_PEEK ? conn ^ 1 : conn, st.slot);
    size_t len = model_value(value, conn, st.slot, n);
    size_t lens[5] = {strlen(names[st.op]), strlen(key), len, 0, len};
    if (st.op == OP_SET || st.op == OP_APPEND) count = 3;
    if (st.op == OP_RESET) {
        count = 3;
        lens[2] = 0;
    }
    if (st.op == OP_SETPX || st.op == OP_MSET) {
        count = 5;
        if (st.op == OP_MSET)
            model_key(other, conn, st.slot + 1);
        else
            strcpy(other, "PXAT");
        lens[3] = strlen(other);
    }
    if (st.op == OP_SETPX) {
        lens[4] = (size_t)sprintf(at, "%llu", (unsigned long long)model_expire(conn, n));
        w[4] = at;
    }
    add_words(l, count, w, lens);
}

static void wrong(struct load *l, const struct resp *r, const char *want) {
    char *shown = resp_show(r);

    fprintf(stderr, "conn %d command %llu: want %s, got %.100s\n", l->acked.conn,
            (unsigned long long)l->acked.k, want, shown);
    free(shown);
    failures++;
}

static void check_get(struct load *l, const struct resp *r, int slot) {
    static char value[VALUE_MAX + 64];
    uint64_t n = l->acked.slots[slot].n;
    size_t len = n ? model_value(value, l->acked.conn, slot, n) : 0;

    if (n == 0 ? !r->null : r->type != '$' || r->len != len || memcmp(r->text, value, len) != 0)
        wrong(l, r, n ? "the value set before" : "nil");
}

/* Checks the reply to the next unanswered command. */
static void check_reply(struct load *l, const struct resp *r) {
    if (!l->selected) {
        l->selected = true;
        if (r->type != '+') wrong(l, r, "+OK to SELECT");
        return;
    }
    struct step st = model_step(l->acked.conn, l->acked.k + 1);
    struct slot before = l->acked.slots[st.slot];
    model_apply(&l->acked);
    struct slot *now = &l->acked.slots[st.slot];
    switch (st.op) {
    case OP_SET:
    case OP_SETPX:
    case OP_MSET:
    case OP_RESET:
        if (r->type != '+') wrong(l, r, "+OK");
        break;
    case OP_DEL:
        if (r->type != ':' || r->integer != (before.n != 0)) wrong(l, r, before.n ? ":1" : ":0");
        break;
    case OP_PERSIST:
        if (r->type != ':' || r->integer != (before.expire != 0)) wrong(l, r, "PERSIST's count");
        break;
    case OP_INCR:
        if (r->type != ':' || (uint64_t)r->integer != now->n) wrong(l, r, "the next number");
        break;
    case OP_APPEND:
        if (r->type != ':' || (uint64_t)r->integer != now->len) wrong(l, r, "the new length");
        break;
    case OP_GET: check_get(l, r, st.slot); break;
    case OP_PEEK:
        if (r->type != '$') wrong(l, r, "a counter");
        if (!r->null && strtoull(r->text, NULL, 10) > l->seen)
            l->seen = strtoull(r->text, NULL, 10);
        break;
    }
}

/* Reads what is there; false when the server is gone. */
static bool receive(struct load *l) {
    ssize_t n = recv(l->fd, l->in + l->in_n, IN_MAX - l->in_n, 0);
    size_t at = 0;
    struct resp *r;

    if (n <= 0) return n < 0 && (errno == EAGAIN || errno == EINTR);
    l->in_n += (size_t)n;
    for (long used; (used = resp_parse(l->in + at, l->in_n - at, &r)) > 0; at += (size_t)used) {
        check_reply(l, r);
        resp_free(r);
    }
    memmove(l->in, l->in + at, l->in_n - at);
    l->in_n -= at;
    return true;
}

static void send_some(struct load *l) {
    if (l->out_at == l->out_n) l->out_at = l->out_n = 0;
    while (l->sent - l->acked.k < (uint64_t)l->depth && l->out_n < OUT_MAX - 3 * VALUE_MAX)
        add_command(l, ++l->sent);
    ssize_t n = send(l->fd, l->out + l->out_at, l->out_n - l->out_at, MSG_NOSIGNAL);
    if (n > 0) l->out_at += (size_t)n;
    if (l->out_at > OUT_MAX / 2) {
        memmove(l->out, l->out + l->out_at, l->out_n - l->out_at);
        l->out_n -= l->out_at;
        l->out_at = 0;
    }
}

static bool open_load(struct load *l, int port, int conn, const struct entry *e) {
    static const int depths[] = {1, 4, 16, 100};
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1;

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    l->acked = e->acked;
    l->sent = e->acked.k;
    l->seen = e->seen;
    l->depth = depths[conn % 4];
    l->in = malloc(IN_MAX);
    l->out = malloc(OUT_MAX);
    l->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(l->fd, (struct sockaddr *)&a, sizeof a) != 0) return false;
    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(l->fd, F_SETFL, O_NONBLOCK);
    l->out_n = (size_t)sprintf(l->out, "SELECT %d\r\n", model_db(conn));
    return true;
}

/* Until all connections are closed. */
static void run(struct load *all, int conns) {
    struct pollfd p[CONNS_MAX];
    int alive = conns;

    for (int i = 0; i < conns; i++) p[i].fd = all[i].fd;
    while (alive > 0) {
        for (int i = 0; i < conns; i++) {
            if (p[i].fd < 0) continue;
            send_some(&all[i]);
            p[i].events = POLLIN | (all[i].out_at < all[i].out_n ? POLLOUT : 0);
        }
        if (poll(p, (nfds_t)conns, 20000) <= 0) {
            fprintf(stderr, "no reply for 20 s\n");
            failures++;
            return;
        }
        for (int i = 0; i < conns; i++) {
            if (p[i].fd < 0 || !(p[i].revents & (POLLIN | POLLERR | POLLHUP))) continue;
            if (receive(&all[i])) continue;
            p[i].fd = -1;
            alive--;
        }
    }
}

int crash_load(int port, const char *path, int conns) {
    static struct load all[CONNS_MAX];
    static struct journal j;
    uint64_t done = 0;

    journal_read(&j, path, conns);
    for (int i = 0; i < conns; i++) {
        if (open_load(&all[i], port, i, &j.of[i])) continue;
        fprintf(stderr, "cannot connect\n");
        return 1;
    }
    printf("ready\n");
    fflush(stdout);
    run(all, conns);
    for (int i = 0; i < conns; i++) {
        done += all[i].acked.k - j.of[i].acked.k;
        j.of[i] = (struct entry){all[i].acked, all[i].sent, all[i].seen};
    }
    journal_write(&j, path);
    printf("%llu\n", (unsigned long long)done);
    return failures != 0;
}
