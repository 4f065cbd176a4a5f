/* SPDX-License-Identifier: BSD-3-Clause
 *
 * connection - AUTH, HELLO, RESET, QUIT: what a client says about itself before it says anything
 * else.
 */
#include "conf/conf.h"
#include "server/admin/rows.h"
#include "server/exec/acl.h"
#include "server/exec/auth_delay.h"
#include "server/exec/blocking.h"
#include "server/exec/secret.h"
#include "server/exec/slots.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

#define ERR_WRONGPASS "WRONGPASS invalid username-password pair or user is disabled."
#define ERR_NO_PASSWORD_SET                                                                        \
    "ERR AUTH <password> called without any password configured for the default user. Are you "    \
    "sure your configuration is correct?"
#define ERR_HELLO_NOAUTH                                                                           \
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "      \
    "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the "     \
    "RESP protocol version at the same time"

/* After many failures of its address an attempt waits, and runs again then. Where nothing may wait
 * (MULTI) it fails without a look at the password. True: it waits, or the error was answered. */
static bool awaits_turn(struct call *x) {
    struct blocked b = {.cmd = x->cmd, .argc = x->argc, .db = x->db->id, .runs_when_due = true};
    uint64_t due_us;

    if (x->from == FROM_RETRY) return false;
    due_us = auth_delay_turn(x->e->auth_delay, x->s, x->e->v->auth_delay_max);
    if (due_us == 0) return false;
    if (!call_may_wait(x)) {
        reply_err(x, ERR_WRONGPASS);
        return true;
    }
    b.argv = args_copy(x->argc, x->argv);
    block_on_progress(x, &b, due_us);
    return true;
}

/* 0, or -1 with the error answered. */
static int authenticate(struct call *x, struct slice user, struct slice password) {
    return acl_authenticate(x, user, password) ? 0 : reply_err(x, ERR_WRONGPASS);
}

static int cmd_auth(struct call *x) {
    int rc;

    secret_hide(x);
    if (x->argc > 3) return reply_err(x, ERR_SYNTAX);
    if (awaits_turn(x)) return x->waits ? 0 : -1;
    if (x->argc == 3) {
        rc = authenticate(x, x->argv[1], x->argv[2]);
    } else {
        if (x->e->acl->standard->no_password) return reply_err(x, ERR_NO_PASSWORD_SET);
        rc = authenticate(x, SLICE("default"), x->argv[1]);
    }
    if (rc == 0) reply_ok(&x->r);
    return rc;
}

bool is_plain_name(struct slice text) {
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] < '!' || text.p[i] > '~') return false;
    return true;
}

void client_rename(struct session *s, struct slice name) {
    mem_free(s->name);
    s->name = NULL;
    if (name.n == 0) return;
    s->name = mem_alloc(name.n + 1);
    memcpy(s->name, name.p, name.n);
    s->name[name.n] = '\0';
}

struct hello {
    int64_t proto; /* 0: as it is */
    bool has_auth, has_name;
    struct slice user, password, name;
};

static int parse_hello(struct call *x, struct hello *h) {
    int i = 2;

    if (x->argc < 2) return 0;
    if (!arg_int_range(x, 1, INT64_MIN, INT64_MAX, &h->proto,
                       "ERR Protocol version is not an integer or out of range"))
        return -1;
    if (h->proto < 2 || h->proto > 3) return reply_err(x, "NOPROTO unsupported protocol version");
    while (i < x->argc) {
        if (arg_is(x, i, "auth") && i + 2 < x->argc) {
            h->has_auth = true;
            h->user = x->argv[i + 1];
            h->password = x->argv[i + 2];
            i += 3;
        } else if (arg_is(x, i, "setname") && i + 1 < x->argc) {
            h->has_name = true;
            h->name = x->argv[i + 1];
            if (!is_plain_name(h->name)) return reply_err(x, ERR_CLIENT_NAME);
            i += 2;
        } else {
            return reply_errf(x, "ERR Syntax error in HELLO option '%.*s'", (int)x->argv[i].n,
                              x->argv[i].p);
        }
    }
    return 0;
}

static const char *role_of(const struct call *x) {
    struct cluster_node_facts node = {0};

    if (x->e->cluster) x->e->cluster->facts(x->e->cluster->arg, x->s, &node);
    return node.is_replica || x->e->role.is_replica ? "replica" : "master";
}

static int cmd_hello(struct call *x) {
    const char *zone = x->e->v->availability_zone;
    struct hello h = {0};

    secret_hide(x);
    if (parse_hello(x, &h) < 0) return -1;
    if (h.has_auth && awaits_turn(x)) return x->waits ? 0 : -1;
    if (h.has_auth && authenticate(x, h.user, h.password) < 0) return -1;
    if (!acl_is_served(x->s)) return reply_err(x, ERR_HELLO_NOAUTH);
    if (h.has_name) client_rename(x->s, h.name);
    if (h.proto) {
        x->s->resp = (uint8_t)h.proto;
        x->r.resp = (int)h.proto;
    }
    reply_map(&x->r, 7 + (zone[0] != '\0'));
    reply_bulk_str(&x->r, "server");
    reply_bulk_str(&x->r, "redis");
    reply_bulk_str(&x->r, "version");
    reply_bulk_str(&x->r, conf_redis_version(x->e->v));
    reply_bulk_str(&x->r, "proto");
    reply_int(&x->r, x->s->resp);
    reply_bulk_str(&x->r, "id");
    reply_int(&x->r, (int64_t)x->s->id);
    reply_bulk_str(&x->r, "mode");
    reply_bulk_str(&x->r, x->e->cluster ? "cluster" : "standalone");
    reply_bulk_str(&x->r, "role");
    reply_bulk_str(&x->r, role_of(x));
    reply_bulk_str(&x->r, "modules");
    reply_array(&x->r, 0);
    if (zone[0]) {
        reply_bulk_str(&x->r, "availability_zone");
        reply_bulk_str(&x->r, zone);
    }
    return 0;
}

static int cmd_reset(struct call *x) {
    session_reset(x->s);
    x->r.resp = x->s->resp;
    reply_simple(&x->r, "RESET");
    return 0;
}

static int cmd_quit(struct call *x) {
    reply_ok(&x->r);
    x->s->ops->close(x->s, true);
    return 0;
}

#define ANY_CLIENT (CMD_ANYTIME | CMD_NO_AUTH | CMD_ALLOW_BUSY | CMD_FAST)

/* clang-format off */
const struct command connection_commands[] = {
    /* name  arity flags       group         keys       handler */
    {"auth", -2, ANY_CLIENT, "connection", {0, 0, 0}, cmd_auth, "1.0.0", "Logs a connection in.",
     .grammar = "[username^6.0.0] password"},
    {"hello", -1, ANY_CLIENT, "connection", {0, 0, 0}, cmd_hello, "6.0.0",
     "Chooses the protocol version; may also authenticate and name the connection.",
     .grammar = "[arguments{protover:int [AUTH=auth{username password}] [SETNAME=clientname]}]"},
    {"reset", 1, ANY_CLIENT | CMD_IN_MULTI | CMD_IN_SUBSCRIBED, "connection", {0, 0, 0}, cmd_reset, "6.2.0",
     "Resets a connection to its state after connecting."},
    {"quit", -1, ANY_CLIENT | CMD_IN_MULTI | CMD_IN_SUBSCRIBED, "connection", {0, 0, 0}, cmd_quit, "1.0.0",
     "Ends a connection from the server's side.",
     .grammar = "!7.2.0 just closing the connection;"},
    {0},
};
/* clang-format on */
