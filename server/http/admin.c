/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/http/admin.h"

#include "conf/conf.h"
#include "protocol/encode.h"
#include "server/exec/acl.h"
#include "server/exec/acl_user.h"
#include "server/exec/dispatch.h"
#include "storage/base/check.h"
#include "storage/base/clock.h"
#include "storage/base/mem.h"

#include <event2/event.h>
#include <stdio.h>

struct http_command {
    struct session s; /* first: a session is its command */
    struct http_conn *c;
    const struct command_slot *cmd; /* NULL: there is none of that name */
    struct bytes in;                /* the command as an array; empty once it was taken */
};

/* ---------------------------------------------------------------- the session's carrier */

static struct http_command *command_of(struct session *s) {
    return (struct http_command *)s;
}

/* There is a turn soon, and admin_run() looks at it. */
static void wake(struct session *s) {
    event_active(command_of(s)->c->h->wake, EV_TIMEOUT, 0);
}

static void close_session(struct session *s, bool after_reply) {
    (void)after_reply;
    if (s->state == SESSION_CLOSING) return;
    session_enter(s, SESSION_CLOSING);
    wake(s);
}

static void describe(const struct session *s, struct session_wire *out) {
    const struct http_command *k = (const struct http_command *)s;

    *out = (struct session_wire){.fd = k->c->fd, .query_bytes = k->in.n, .query_cap = k->in.cap};
    out->events = "r";
    http_conn_address(k->c, true, out->addr, sizeof out->addr);
    http_conn_address(k->c, false, out->laddr, sizeof out->laddr);
}

static const struct session_ops command_ops = {
    .wake = wake, .resume = wake, .close = close_session, .describe = describe};

/* ---------------------------------------------------------------- which user may */

const char *admin_refusal(const struct http *h) {
    const struct acl_user *u = acl_find(h->e, slice_str(h->v->http_admin_user));

    if (!h->v->http_password && !h->only_loopback)
        return "http-bind names an address that other machines reach, and http-password is not "
               "set";
    if (!u) return "there is no user of the name that http-admin-user has";
    if (!u->on) return "the user that http-admin-user names is off";
    if (!h->v->http_password && !u->no_password)
        return "the user that http-admin-user names has a password, and http-password is not set";
    return NULL;
}

/* ---------------------------------------------------------------- which commands */

/* More than one reply, or none; or it would concern commands that do not come. */
static bool is_impossible(const struct command_slot *cmd) {
    static const char *const names[] = {
        "subscribe",       "psubscribe",   "ssubscribe", "unsubscribe",
        "punsubscribe",    "sunsubscribe", "monitor",    "sync",
        "psync",           "replconf",     "multi",      "client|reply",
        "client|tracking", "watch",        "auth",       "hello",
        "reset",           "quit",
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(cmd->row->name, names[i]) == 0 || strcmp(cmd->name, names[i]) == 0) return true;
    return false;
}

/* The body as an array of arguments, so that an inline one is looked at once. False: it is not one
 * whole command. */
static bool read_body(struct http_command *k, char *p, size_t n) {
    const struct request_limits limits = {HTTP_BODY_MAX, HTTP_BODY_MAX, true};
    struct request_partial *partial = NULL;
    struct request_args args = {0};
    struct request req;
    size_t need;
    const char *error;
    bool unknown_sub, ok = false;

    if (request_parse(p, n, &limits, &partial, &args, &req, &need, &error) == REQUEST_READY)
        ok = req.bytes == n && req.argc > 0;
    if (ok) {
        const struct slice *argv = args.v + req.first;

        k->cmd = command_resolve(&k->s.e->commands, (int)req.argc, argv, &unknown_sub);
        encode_command(&k->in, req.argc, argv);
    }
    request_partial_free(&partial);
    mem_free(args.v);
    return ok;
}

/* ---------------------------------------------------------------- beginning and end */

static struct http_command *command_new(struct http_conn *c) {
    struct http_command *k = mem_calloc(sizeof *k);
    struct engine *e = c->h->e;

    session_init(&k->s, e, &command_ops);
    k->c = c;
    k->s.user = acl_find(e, slice_str(c->h->v->http_admin_user));
    k->s.name = mem_strdup("http-admin");
    k->s.flags |= SESSION_AUTHENTICATED;
    if (c->is_local) k->s.flags |= SESSION_LOCAL;
    if (c->tls) k->s.flags |= SESSION_TLS;
    k->s.db = c->request.db;
    return k;
}

void admin_forget(struct http_conn *c) {
    struct http_command *k = c->command;

    c->command = NULL;
    if (!k) return;
    session_release(&k->s);
    bytes_release(&k->in);
    mem_free(k);
}

static bool refuse(struct http_conn *c, int status, const char *why) {
    struct bytes text = {0};

    admin_forget(c);
    bytes_printf(&text, "%s.\n", why);
    http_answer(c, status, NULL, bytes_slice(&text));
    bytes_release(&text);
    return true;
}

bool admin_answer(struct http_conn *c) {
    const char *why = admin_refusal(c->h);
    bool whole;

    if (why) return refuse(c, 403, why);
    if (c->request.db >= c->h->e->ks.ndbs)
        return refuse(c, 400, "There is no database of that number");
    c->command = command_new(c);
    whole = read_body(c->command, c->in.p, c->request.body);
    bytes_consume(&c->in, c->request.body);
    if (!whole)
        return refuse(c, 400,
                      "The body is to be one command, as a client sends it: an array of "
                      "bulk strings, or a line with its end");
    http_conn_wait(c);
    return true;
}

/* ---------------------------------------------------------------- execution */

/* The reply, which is whole, becomes the answer. */
static void take_reply(struct http_command *k) {
    struct out *out = &k->s.out;
    size_t n = out_pending(out);
    struct bytes body = {0};
    struct iovec iov[64];

    if (n > ADMIN_REPLY_MAX) {
        bytes_printf(&body, "-ERR the reply has %zu bytes, and only %d are shown here\r\n", n,
                     ADMIN_REPLY_MAX);
        out_consume(out, n);
    }
    while (out_pending(out)) {
        int pieces = out_peek(out, iov, 64, ADMIN_REPLY_MAX);

        for (int i = 0; i < pieces; i++) {
            bytes_append(&body, iov[i].iov_base, iov[i].iov_len);
            out_consume(out, iov[i].iov_len);
        }
    }
    http_answer(k->c, 200, "application/x-resp", bytes_slice(&body));
    bytes_release(&body);
}

static void finish(struct http_command *k) {
    struct http_conn *c = k->c;

    take_reply(k);
    admin_forget(c);
    http_conn_send(c);
}

static void refuse_command(struct http_command *k, const char *why) {
    struct http_conn *c = k->c;
    struct bytes body = {0};

    bytes_printf(&body, "-ERR '%s' is not possible over HTTP: %s\r\n", k->cmd->name, why);
    http_answer(c, 200, "application/x-resp", bytes_slice(&body));
    bytes_release(&body);
    admin_forget(c);
    http_conn_send(c);
}

static void execute(struct http_command *k) {
    size_t need, used;

    if (k->cmd && is_impossible(k->cmd)) {
        refuse_command(k, "a request is one command with one reply");
        return;
    }
    k->c->h->running = true;
    used = engine_feed(k->s.e, &k->s, k->in.p, k->in.n, &need);
    k->c->h->running = false;
    if (used) bytes_clear(&k->in);
    if (k->s.state == SESSION_BLOCKED && k->cmd && (k->cmd->row->flags & CMD_BLOCKING))
        refuse_command(k, "it would wait");
}

static bool has_reply(struct http_command *k) {
    return k->in.n == 0 && session_sendable(&k->s) == out_pending(&k->s.out) &&
           (k->s.state == SESSION_CLOSING || k->s.state == SESSION_ACTIVE);
}

static void give_up(struct http_command *k, int status, const char *why) {
    struct http_conn *c = k->c;

    refuse(c, status, why);
    http_conn_send(c);
}

/* True: it took its part of the turn. */
static bool look_at(struct http_command *k) {
    if (k->in.n && k->s.state == SESSION_ACTIVE) {
        execute(k);
        return true;
    }
    if (has_reply(k) && out_pending(&k->s.out))
        finish(k);
    else if (k->s.state == SESSION_CLOSING && (k->in.n || has_reply(k)))
        give_up(k, 503, "The command was ended before it had a reply");
    else if (clock_real_ns() > k->c->deadline_ns)
        give_up(k, 504, "There was no reply in time; what the command began may go on");
    return false;
}

void admin_run(struct http *h) {
    if (h->running || h->e->busy) return;
    list_each_safe (it, next, &h->waiting) {
        struct http_conn *c = list_entry(it, struct http_conn, asked);

        if (!c->command || !look_at(c->command)) continue;
        event_active(h->wake, EV_TIMEOUT, 0); /* its reply is looked at in the next turn */
        return;
    }
}
