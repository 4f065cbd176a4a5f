/* SPDX-License-Identifier: BSD-3-Clause
 *
 * route - which answer belongs to which path, which need the password, and the head of every
 * answer.
 */
#include "conf/conf.h"
#include "server/exec/auth_delay.h"
#include "server/http/admin.h"
#include "server/http/events.h"
#include "server/http/metrics.h"
#include "server/http/page.h"
#include "storage/base/clock.h"

#define TEXT "text/plain; charset=utf-8"

enum {
    OPEN = 1 << 0,  /* also without the password */
    ADMIN = 1 << 1, /* there with `http-admin yes` only */
    POST = 1 << 2,
};

/* A row's function goes on with the answer; true: it is whole, or it will come by itself. */
static const struct route {
    const char *path;
    unsigned flags;
    bool (*answer)(struct http_conn *c);
} routes[] = {
    {"/healthz", OPEN, health_live},         {"/readyz", OPEN, health_ready},
    {"/metrics", 0, metrics_answer},         {"/", 0, page_answer_html},
    {"/page.css", 0, page_answer_css},       {"/page.js", 0, page_answer_js},
    {"/icon.svg", 0, page_answer_icon},      {"/events", 0, events_answer},
    {"/admin.js", ADMIN, page_answer_admin}, {"/command", ADMIN | POST, admin_answer},
};

/* NULL: there is none here. */
static const struct route *find(const struct http_conn *c) {
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        const struct route *r = &routes[i];

        if ((r->flags & ADMIN) && !c->h->v->http_admin) continue;
        if (strcmp(c->request.path, r->path) == 0) return r;
    }
    return NULL;
}

/* ---------------------------------------------------------------- heads */

static const char *reason(int status) {
    switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 431: return "Request Header Fields Too Large";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Service Unavailable";
    }
}

/* A refusal ends the connection; 404 and 503 are answers like others. */
static bool ends_connection(int status) {
    return status >= 400 && status != 404 && status != 503 && status != 504;
}

void http_head(struct http_conn *c, int status, const char *type) {
    if (ends_connection(status)) c->closing = true;
    bytes_printf(&c->out,
                 "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nCache-Control: no-store\r\n"
                 "X-Content-Type-Options: nosniff\r\nConnection: %s\r\n",
                 status, reason(status), type ? type : TEXT,
                 c->closing || !c->request.keep_alive ? "close" : "keep-alive");
    if (status == 401)
        bytes_append_str(&c->out, "WWW-Authenticate: Basic realm=\"stet\", charset=\"UTF-8\"\r\n");
    if (status == 405)
        bytes_printf(&c->out, "Allow: %s\r\n",
                     strcmp(c->request.path, "/command") == 0 ? "POST" : "GET, HEAD");
}

void http_body(struct http_conn *c, struct slice body) {
    bytes_printf(&c->out, "Content-Length: %zu\r\n\r\n", body.n);
    if (!c->request.is_head) bytes_append(&c->out, body.p, body.n);
}

void http_answer(struct http_conn *c, int status, const char *type, struct slice body) {
    struct bytes text = {0};

    if (!body.p) bytes_printf(&text, "%d %s\n", status, reason(status));
    http_head(c, status, type);
    http_body(c, body.p ? body : bytes_slice(&text));
    bytes_release(&text);
}

/* ---------------------------------------------------------------- routes */

/* Without a password, the loopback addresses are the protection. A page of another site can make a
 * browser on this host ask here, under a name that leads to 127.0.0.1 (DNS rebinding), and read the
 * answer; it cannot ask for an address. */
int http_access(const struct http_conn *c) {
    const char *wanted = c->h->v->http_password;

    if (wanted) return http_same_secret(c->request.password, wanted) ? 200 : 401;
    return c->is_local && c->request.by_name ? 403 : 200;
}

int http_admit_body(const struct http_conn *c) {
    const struct route *r = find(c);

    if (!r) return 404;
    if (!(r->flags & POST)) return 405;
    return c->request.db < 0 || c->request.foreign ? 403 : 0;
}

static void refuse(struct http_conn *c, int status) {
    static const char why[] = "Ask by address or as localhost, or set http-password: this port is "
                              "open to this host only.\n";

    http_answer(c, status, NULL, status == 403 ? slice_str(why) : (struct slice){0});
}

/* Passwords cannot be guessed faster here than with AUTH. False: this one is looked at later. */
static bool may_try(struct http_conn *c) {
    const struct engine *e = c->h->e;
    char peer[64];

    if (!c->h->v->http_password || !c->request.password[0]) return true;
    if (c->turn_us) return true;
    http_conn_address(c, true, peer, sizeof peer);
    c->turn_us = auth_delay_turn_from(e->auth_delay, peer, c->h->v->auth_delay_max);
    if (c->turn_us) return false;
    c->turn_us = clock_mono_us();
    return true;
}

static void note_failure(const struct http_conn *c) {
    char peer[64];

    if (!c->h->v->http_password || !c->request.password[0]) return;
    if (http_same_secret(c->request.password, c->h->v->http_password)) return;
    http_conn_address(c, true, peer, sizeof peer);
    auth_delay_failed_from(c->h->e->auth_delay, peer);
}

static bool answer(struct http_conn *c) {
    const struct route *r = find(c);
    int status;

    if (!r) {
        http_answer(c, 404, NULL, (struct slice){0});
        return true;
    }
    if (!may_try(c)) {
        http_conn_wait(c);
        return true;
    }
    note_failure(c);
    status = r->flags & OPEN ? 200 : http_access(c);
    if (status == 200 && (r->flags & POST) && !c->request.is_post) status = 405;
    if (status == 200) return r->answer(c);
    refuse(c, status);
    return true;
}

bool http_route(struct http_conn *c) {
    if (!answer(c)) return false;
    if (c->state == HTTP_ASKED) http_conn_send(c);
    return true;
}
