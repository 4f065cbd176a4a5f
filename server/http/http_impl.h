/* SPDX-License-Identifier: BSD-3-Clause
 *
 * http_impl - what the files of this folder share: the port, its connections, a request, an answer.
 *
 * A connection:
 *
 *   GREETING --keys agreed on--> READING
 *   READING --whole request--> ASKED --answer made--> WRITING --sent--> READING
 *      |  BODY --whole body--^  | ^                      |
 *      +---^ POST               | + piece by piece       +--sent, not kept alive--> (closed)
 *                               |        STREAMING <-----+ the answer has no end
 *                               +--> WAITING --its answer is there--> WRITING
 *                                       +--its turn has come--> ASKED
 *
 *   GREETING   the handshake of TLS; in `asked` while it can go on
 *   READING    input grows, up to HTTP_HEADER_MAX; nothing is left to send
 *   BODY       the head was taken from the input, which grows up to the length of the body
 *   ASKED      in `asked`, until http_serve() has made the whole answer; nothing is read or sent
 *   WAITING    in `waiting`: a command of it is carried out (`command` is set), or its password is
 *              looked at later (`turn_us`); nothing is read or sent
 *   WRITING    the answer is sent; nothing is read
 *   STREAMING  in `streams`; gets an event every second; what the peer sends is thrown away
 */
#ifndef STET_HTTP_HTTP_IMPL_H
#define STET_HTTP_HTTP_IMPL_H

#include "server/http/http.h"
#include "server/http/request.h"
#include "server/http/sample.h"
#include "storage/base/list.h"

enum {
    HTTP_CONNS_MAX = 64,   /* connections */
    HTTP_STREAMS_MAX = 16, /* of them without an end */
    HTTP_LISTENERS_MAX = 16,
    HTTP_STREAM_BYTES_MAX = 256 * 1024, /* unsent events of a stream; then it skips events */
    HTTP_REQUEST_S = 5,                 /* for a request as a whole, from its first byte */
    HTTP_IDLE_S = 120,                  /* between requests */
    HTTP_WRITE_S = 30,                  /* for an answer as a whole; a stream: without progress */
    HTTP_COMMAND_S = 60,                /* for a command that is to be carried out */
};

enum { HEALTH_REASON_MAX = 512 };

enum http_state {
    HTTP_GREETING,
    HTTP_READING,
    HTTP_BODY,
    HTTP_ASKED,
    HTTP_WAITING,
    HTTP_WRITING,
    HTTP_STREAMING,
    HTTP_STATES
};

struct event;
struct http_command;
struct scrape;
struct tls_conn;

struct http_conn {
    struct list link;  /* in conns, the one that has been READING longest first */
    struct list asked; /* in http.asked, .waiting or .streams, as `state` says */
    struct http *h;
    int fd;
    struct tls_conn *tls; /* NULL: the bytes are as they are */
    struct event *readable, *writable;
    enum http_state state;
    uint64_t deadline_ns; /* clock_real_ns */
    struct bytes in, out;
    size_t sent; /* of `out` */
    struct http_request request;
    struct scrape *scrape;        /* /metrics under way; NULL: none */
    struct http_command *command; /* that is carried out for it; NULL: none */
    uint64_t turn_us;             /* its password is looked at then (monotonic); 0: not known yet */
    bool closing;                 /* after what is in `out` */
    bool is_local;                /* it came by a loopback address */
};

struct http {
    struct event_base *base;
    struct engine *e;
    const struct conf_values *v;
    struct http_app app;
    struct {
        int fd;
        struct event *event;
    } listener[HTTP_LISTENERS_MAX];
    unsigned nlisteners, nconns, nstreams;
    bool only_loopback; /* all listeners */
    int port;
    int spare_fd;           /* to turn a peer away when descriptors run out */
    struct event *tick;     /* every second while there are connections */
    struct event *wake;     /* at the end of a rest */
    uint64_t rest_until_ns; /* clock_real_ns; no answer is made before */
    struct list conns, asked, waiting, streams;
    bool running;           /* a command that came by HTTP is being executed */
    bool events_due;        /* a second is over */
    struct event *sampling; /* 50 times a second while there are streams */
    bool sample_due;        /* a step of `sample` is to be made */
    struct sample sample;
    struct bytes parameters;       /* name, NUL, value, NUL...: as they were at the start */
    struct bytes changed;          /* those that differ, as JSON; made now and then */
    unsigned parameters_age;       /* events since the start */
    uint64_t refused;              /* connections that found no place */
    uint64_t scrapes, scraping_us; /* so many, and the loop's time for them */
    uint64_t longest_turn_ns;      /* that http_serve() took of a turn */
};

/* ---- carry.c: as read(2) and write(2), over TLS or not; -1 with EAGAIN: not now */
ssize_t http_conn_take(struct http_conn *c, void *p, size_t n);
ssize_t http_conn_give(struct http_conn *c, const void *p, size_t n);

/* Goes on with the handshake. 1: it is over; 0: not yet; -1: it failed. */
int http_conn_greet(struct http_conn *c);

/* True: the descriptor has to be readable before the next http_conn_give(). */
bool http_conn_gives_by_reading(const struct http_conn *c);

/* Input is there of which the descriptor does not tell. */
bool http_conn_has_more(const struct http_conn *c);

/* Says goodbye, and ends TLS. */
void http_conn_part(struct http_conn *c);

/* "ADDRESS:PORT" of the peer, or of this end. */
void http_conn_address(const struct http_conn *c, bool peer, char *out, size_t size);

/* The end of this host is a loopback address. */
bool http_came_by_loopback(int fd);

/* ---- conn.c */
void http_conn_new(struct http *h, int fd);
void http_conn_free(struct http_conn *c);

/* The handshake has come to a point where it may go on. The connection may be gone afterwards. */
void http_conn_go_on_greeting(struct http_conn *c);

/* What it waits for has not come yet; and has come. */
void http_conn_wait(struct http_conn *c);
void http_conn_ask_again(struct http_conn *c);

/* Makes room for another connection: ends the one that has waited longest for a request. False:
 * none does. */
bool http_conn_make_room(struct http *h);

/* The answer in `out` is whole: it is sent. */
void http_conn_send(struct http_conn *c);

/* The head of the answer in `out` is there, and no end: events follow. */
void http_conn_stream(struct http_conn *c);

/* Adds to a stream; a peer that is too slow misses it. */
void http_conn_event(struct http_conn *c, struct slice text);

/* Ends connections whose time is over. */
void http_conn_sweep(struct http *h);

/* ---- route.c */

/* Goes on with the answer to c->request. True: it is whole, or a stream has begun. */
bool http_route(struct http_conn *c);

/* Head and body of an answer. `type` NULL: plain text; a body without a pointer: the status in
 * words. */
void http_answer(struct http_conn *c, int status, const char *type, struct slice body);

/* The two parts of it: further fields may come between them. */
void http_head(struct http_conn *c, int status, const char *type);
void http_body(struct http_conn *c, struct slice body);

/* 200: the request may see everything; else the status of the refusal. */
int http_access(const struct http_conn *c);

/* The head of a POST was read. 0: its body may follow; else the status of the refusal. */
int http_admit_body(const struct http_conn *c);

/* ---- health.c */
bool health_live(struct http_conn *c);
bool health_ready(struct http_conn *c);

/* Why clients do not get what they ask for; false: they do. */
bool health_reason(const struct http *h, char text[HEALTH_REASON_MAX]);

#endif
