/* SPDX-License-Identifier: BSD-3-Clause
 *
 * resp3 - the tests' own reader of RESP2 and RESP3, over memory or a blocking socket.
 *
 * Written apart from the server's protocol code on purpose: a mistake shared by writer and reader
 * would not show. Everything but streamed (unbounded) replies is known.
 *
 * A reply is compared as text, in the form resp_show() gives it:
 *   +OK  -ERR text  :5  $text  (nil)  _  #t  ,1.5  (123  =txt:text
 *   [a b]  ~[a b]  >[a b]  {k=v k=v}  |{k=v}reply          (a, b: replies)
 * Bytes outside of printable ASCII are shown as \xNN.
 */
#ifndef STET_TESTS_RESP3_H
#define STET_TESTS_RESP3_H

#include <stdbool.h>
#include <stddef.h>

struct resp {
    char type;         /* RESP's own first byte */
    bool null;         /* $-1, *-1 or _ */
    long long integer; /* of ':' and '#' */
    char *text;        /* of + - $ = , ( ; NUL-terminated */
    size_t len;        /* bytes of text */
    size_t count;      /* of items: a map of n pairs has 2n */
    struct resp **items;
    struct resp *attributes; /* the map of '|' in front of this reply, or NULL */
};

enum { RESP_MORE = 0, RESP_BAD = -1 };

/* Reads one reply from p. Returns the bytes it took and sets *out (the caller's; resp_free), or
 * RESP_MORE if the reply is not complete, or RESP_BAD if it cannot be one. */
long resp_parse(const char *p, size_t n, struct resp **out);
void resp_free(struct resp *r);

/* The text form; the caller frees it. NULL is shown as "(closed)". */
char *resp_show(const struct resp *r);

struct resp_conn {
    int fd;
    char *buf;
    size_t start, end, cap;
};

/* Connects to 127.0.0.1:port, or to the unix socket `path` if that is not NULL. -1 on failure. */
int resp_open(struct resp_conn *c, int port, const char *path);
void resp_close(struct resp_conn *c);

/* Sends bytes as they are; -1 if the server is gone. */
int resp_send(struct resp_conn *c, const void *p, size_t n);

/* Sends words, up to a NULL, as an array of bulk strings. */
int resp_send_words(struct resp_conn *c, ...) __attribute__((sentinel));

/* The next reply, or NULL when the server closed the connection, broke the protocol, or said
 * nothing for ten seconds (errno tells: 0, EPROTO, ETIMEDOUT). */
struct resp *resp_read(struct resp_conn *c);

/* The next reply as text; valid until the next call, whatever the connection. */
const char *resp_next(struct resp_conn *c);

/* Sends words, up to a NULL, and returns the reply as resp_next() does. */
const char *resp_ask(struct resp_conn *c, ...) __attribute__((sentinel));

/* Is there something to read (or an end) within ms milliseconds? */
bool resp_waits(struct resp_conn *c, int ms);

#endif
