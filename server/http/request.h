/* SPDX-License-Identifier: BSD-3-Clause
 *
 * request - reads the head of an HTTP/1 request. It knows no sockets and keeps no pointers.
 *
 * Only what the answers need is understood: the method, the path, and a few fields. Only a POST may
 * have a body, and says how long it is. What RFC 9112 lets a server refuse is refused:
 * control characters, blanks before a colon, folded lines, a Host that is missing or there twice.
 */
#ifndef STET_HTTP_REQUEST_H
#define STET_HTTP_REQUEST_H

#include "storage/base/bytes.h"

enum {
    HTTP_HEADER_MAX = 8 * 1024,
    HTTP_BODY_MAX = 64 * 1024,
    HTTP_PATH_MAX = 128,
    HTTP_PASSWORD_MAX = 512,
};

struct http_request {
    bool is_head; /* HEAD: the answer has no body */
    bool is_post;
    bool foreign;             /* a browser says that a page of another origin has made it ask */
    int db;                   /* of `Stet-Admin: DB`; -1: there was no such field */
    size_t body;              /* bytes of it; only of a POST */
    bool keep_alive;          /* the connection stays open after the answer */
    bool openmetrics;         /* Accept prefers that form */
    bool by_name;             /* Host is a name of the network, neither an address nor localhost */
    char path[HTTP_PATH_MAX]; /* without the query */
    char password[HTTP_PASSWORD_MAX]; /* of Basic; the name does not count. "": none was sent */
};

/* 0: `in` holds no whole head yet. > 0: so many bytes were the head, and `r` is filled. < 0: minus
 * the status of the refusal, after which the connection is of no use. */
int http_request_read(struct http_request *r, struct slice in);

/* Compares without telling by its time where they differ. */
bool http_same_secret(const char *given, const char *wanted);

#endif
