/* SPDX-License-Identifier: BSD-3-Clause
 *
 * http_impl - what the files of this folder share: the port, its connections, a request, an answer.
 *
 * A connection:
 *
 *   READING --whole request--> ASKED --answer made--> WRITING --sent--> READING
 *                               | ^                      |
 *                               +-+ piece by piece       +--sent, not kept alive--> (closed)
 *                                        STREAMING <-----+ the answer has no end
 *
 *   READING    input grows, up to HTTP_HEADER_MAX; nothing is left to send
 *   ASKED      in `asked`, until http_serve() has made the whole answer; nothing is read or sent
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
};

enum { HEALTH_REASON_MAX = 512 };

enum http_state { HTTP_READING, HTTP_ASKED, HTTP_WRITING, HTTP_STREAMING, HTTP_STATES };

struct event;
struct scrape;

struct http_conn {
    struct list link;  /* in conns, the one that has been READING longest first */
    struct list asked; /* in http.asked while ASKED, in http.streams while STREAMING */
    struct http *h;
    int fd;
    struct event *readable, *writable;
    enum http_state state;
    uint64_t deadline_ns; /* clock_real_ns */
    struct bytes in, out;
    size_t sent; /* of `out` */
    struct http_request request;
    struct scrape *scrape; /* /metrics under way; NULL: none */
    bool closing;          /* after what is in `out` */
    bool is_local;         /* it came by a loopback address */
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
    int port;
    int spare_fd;           /* to turn a peer away when descriptors run out */
    struct event *tick;     /* every second while there are connections */
    struct event *wake;     /* at the end of a rest */
    uint64_t rest_until_ns; /* clock_real_ns; no answer is made before */
    struct list conns, asked, streams;
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

/* ---- conn.c */
void http_conn_new(struct http *h, int fd);
void http_conn_free(struct http_conn *c);

/* Makes room for another connection: ends the one that has been READING longest. False: none is. */
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

/* ---- health.c */
bool health_live(struct http_conn *c);
bool health_ready(struct http_conn *c);

/* Why clients do not get what they ask for; false: they do. */
bool health_reason(const struct http *h, char text[HEALTH_REASON_MAX]);

#endif
