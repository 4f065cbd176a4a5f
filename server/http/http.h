/* SPDX-License-Identifier: BSD-3-Clause
 *
 * http - the HTTP port: metrics, health, and a page to look at. It only reads, unless `http-admin`
 * has it carry out commands (admin.c).
 *
 * The listeners and connections hang on the event loop of the clients. What libevent calls reads
 * and writes bytes and notes which connections hold a whole request; http_serve() answers them,
 * once a turn, for SERVE_NS at the most, and then rests, so that HTTP has a fifth of the loop's
 * time at the most. An answer that takes longer is made in pieces, over several turns. No handler
 * waits for anything.
 *
 * Every input is hostile: README.md lists the limits. Deadlines are of real time, because a peer
 * that sends nothing does not follow the clock of a test. Main thread only.
 */
#ifndef STET_HTTP_HTTP_H
#define STET_HTTP_HTTP_H

#include "server/exec/engine.h"

struct event_base;
struct http;
struct tls;

/* What the answers need of the application. */
struct http_app {
    /* Appends the text of INFO's `section` (CRLF lines). */
    void (*info)(void *arg, const char *section, struct bytes *out);
    /* Appends the text of CLUSTER INFO (CRLF lines); nothing if this is no cluster. */
    void (*cluster_info)(void *arg, struct bytes *out);
    bool (*is_stopping)(void *arg);
    /* The settings of TLS as they are now; NULL: none. Asked for each connection of `http-tls`. */
    struct tls *(*tls)(void *arg);
    void *arg;
};

/* `e` is the first engine; `app` is copied. */
struct http *http_new(struct event_base *base, struct engine *e, const struct http_app *app);

/* Opens `http-port` on every address of `http-bind`; does nothing if the port is 0. -1: an address
 * cannot be bound. */
int http_listen(struct http *h, struct err *e);

/* What it listens on, 0: nowhere. */
int http_port(const struct http *h);

/* How many descriptors it may have open at once. */
unsigned http_descriptors(const struct conf_values *v);

/* Every turn, after the wait, and from within a long command. */
void http_serve(struct http *h);

/* The same, only between commands: commands that came by HTTP, and what looks at the keys
 * themselves. */
void http_between_commands(struct http *h);

/* No connection is accepted any more; those that are there stay. */
void http_stop_listening(struct http *h);

/* In a forked child: closes the listeners. */
void http_in_child(const struct http *h);

void http_free(struct http *h);

#endif
