/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/admin/client_filter.h"

#include "server/admin/rows.h"
#include "server/exec/acl.h"
#include "storage/base/num.h"

static const char *const names[CLIENT_FILTERS] = {
    [BY_ID] = "id",           [BY_TYPE] = "type",
    [BY_ADDR] = "addr",       [BY_LADDR] = "laddr",
    [BY_USER] = "user",       [BY_FLAGS] = "flags",
    [BY_NAME] = "name",       [BY_LIB_NAME] = "lib-name",
    [BY_LIB_VER] = "lib-ver", [BY_DB] = "db",
    [BY_IP] = "ip",           [BY_IDLE] = "idle",
    [BY_MAXAGE] = "maxage",   [BY_SKIPME] = "skipme",
    [BY_CAPA] = "capa",
};

/* ---------------------------------------------------------------- reading */

/* The filter that a word names; CLIENT_FILTERS: none. */
static enum client_by filter_of(struct slice word, bool *negated) {
    int by = 0;

    *negated = word.n > 4 && strncasecmp(word.p, "not-", 4) == 0;
    if (*negated) word = slice_of(word.p + 4, word.n - 4);
    while (by < CLIENT_FILTERS && !slice_is(word, names[by])) by++;
    return *negated && by >= BY_NEGATABLE ? CLIENT_FILTERS : by;
}

bool client_filter_named(struct slice word) {
    bool negated;

    return filter_of(word, &negated) != CLIENT_FILTERS;
}

static bool parse_type(struct call *x, int i, int64_t *type) {
    static const char *const types[] = {"normal", "master", "replica", "pubsub", "slave"};

    for (int t = 0; t <= CLIENT_TYPES; t++) {
        if (!arg_is(x, i, types[t])) continue;
        *type = t == CLIENT_TYPES ? TYPE_REPLICA : t;
        return true;
    }
    reply_errf(x, "ERR Unknown client type '%.*s'", (int)x->argv[i].n, x->argv[i].p);
    return false;
}

/* One number and as many more as follow. */
static bool parse_ids(struct call *x, struct client_condition *c) {
    int64_t id;

    if (!arg_int_range(x, c->from, 1, INT64_MAX, &id, "ERR client-id should be greater than 0"))
        return false;
    for (; c->to < x->argc; c->to++)
        if (!num_parse_i64(x->argv[c->to].p, x->argv[c->to].n, &id) || id < 1) break;
    return true;
}

static bool parse_seconds(struct call *x, int i, const char *name, int64_t *out) {
    if (!num_parse_i64(x->argv[i].p, x->argv[i].n, out))
        reply_errf(x, "ERR %s is not an integer or out of range", name);
    else if (*out < 1)
        reply_errf(x, "ERR %s should be greater than 0", name);
    else
        return true;
    return false;
}

/* What an error calls the filter of flags or capabilities. */
static const char *filter_name(bool negated, const char *name) {
    return negated ? name : "provided";
}

static bool parse_flags(struct call *x, int i, bool negated) {
    static const char known[] = "AbBcdeIMNOPrRStTuUx";

    for (size_t k = 0; k < x->argv[i].n; k++) {
        char c = x->argv[i].p[k];

        if (c && strchr(known, c)) continue;
        reply_errf(x, "ERR Unknown flags found in the %s filter: %.*s",
                   filter_name(negated, "NOT-FLAGS"), slice_shown(x->argv[i]), x->argv[i].p);
        return false;
    }
    return true;
}

/* The letters of CLIENT LIST's field; there is one capability. */
static bool parse_capa(struct call *x, int i, bool negated) {
    for (size_t k = 0; k < x->argv[i].n; k++) {
        if (x->argv[i].p[k] == 'r') continue;
        reply_errf(x, "ERR Unknown capa found in the %s filter: %.*s",
                   filter_name(negated, "NOT-CAPA"), slice_shown(x->argv[i]), x->argv[i].p);
        return false;
    }
    return true;
}

static bool parse_user(struct call *x, int i, const struct acl_user **user) {
    struct slice name = x->argv[i];

    *user = acl_find(x->e, name);
    if (!*user) reply_errf(x, "ERR No such user '%.*s'", slice_shown(name), name.p);
    return *user;
}

static bool parse_skipme(struct call *x, int i, bool *skip) {
    *skip = arg_is(x, i, "yes");
    if (*skip || arg_is(x, i, "no")) return true;
    reply_err(x, ERR_SYNTAX);
    return false;
}

static bool parse_db(struct call *x, int i, bool negated, int64_t *db) {
    const char *name = negated ? "NOT-DB" : "DB";
    int last = x->e->ks.ndbs - 1;

    if (!num_parse_i64(x->argv[i].p, x->argv[i].n, db))
        reply_errf(x, "ERR %s is not an integer or out of range", name);
    else if (*db < 0 || *db > last)
        reply_errf(x, "ERR %s number should be between 0 and %d", name, last);
    else
        return true;
    return false;
}

static bool parse_value(struct call *x, enum client_by by, bool negated, struct client_filter *f,
                        struct client_condition *c) {
    switch (by) {
    case BY_ID: return parse_ids(x, c);
    case BY_TYPE: return parse_type(x, c->from, &c->number);
    case BY_USER: return parse_user(x, c->from, &c->user);
    case BY_FLAGS: return parse_flags(x, c->from, negated);
    case BY_CAPA: return parse_capa(x, c->from, negated);
    case BY_DB: return parse_db(x, c->from, negated, &c->number);
    case BY_IDLE:
    case BY_MAXAGE: return parse_seconds(x, c->from, names[by], &c->number);
    case BY_SKIPME: return parse_skipme(x, c->from, &f->skip_me);
    default: return true;
    }
}

bool client_filter_parse(struct call *x, int i, struct client_filter *f) {
    while (i < x->argc) {
        bool negated;
        enum client_by by = filter_of(x->argv[i], &negated);
        struct client_condition *c;

        if (by == CLIENT_FILTERS || i + 1 == x->argc) {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
        c = &f->when[negated][by];
        *c = (struct client_condition){.from = i + 1, .to = i + 2};
        if (!parse_value(x, by, negated, f, c)) return false;
        f->given[negated] |= 1u << by;
        i = c->to;
    }
    return true;
}

/* ---------------------------------------------------------------- choosing */

static bool has_id(const struct call *x, const struct client_condition *c, uint64_t id) {
    int64_t v;

    for (int i = c->from; i < c->to; i++)
        if (num_parse_i64(x->argv[i].p, x->argv[i].n, &v) && (uint64_t)v == id) return true;
    return false;
}

static enum client_type type_of(const struct session *s) {
    if (s->flags & SESSION_MASTER) return TYPE_MASTER;
    if (s->flags & SESSION_REPLICA) return TYPE_REPLICA;
    return s->subscriber ? TYPE_PUBSUB : TYPE_NORMAL;
}

static bool has_flags(const struct session *s, struct slice wanted) {
    struct bytes b = {0};
    bool all = true;

    client_flags(&b, s);
    for (size_t i = 0; i < wanted.n; i++) all = all && memchr(b.p, wanted.p[i], b.n);
    bytes_release(&b);
    return all;
}

/* Of "1.2.3.4:5", "[::1]:5" and "/a/socket:0" what stands before the last colon. */
static bool is_ip(struct slice ip, const char *addr) {
    const char *end = strrchr(addr, ':');
    size_t n = end ? (size_t)(end - addr) : strlen(addr);

    if (n > 1 && *addr == '[') addr++, n -= 2;
    return slice_eq(ip, slice_of(addr, n));
}

static bool is_text(struct slice wanted, const char *have) {
    return slice_eq(wanted, slice_str(have ? have : ""));
}

static bool holds(const struct call *x, enum client_by by, const struct client_condition *c,
                  const struct session *s) {
    struct slice value = x->argv[c->from];
    struct session_wire w;

    switch (by) {
    case BY_ID: return has_id(x, c, s->id);
    case BY_TYPE: return c->number == type_of(s);
    case BY_USER: return s->user == c->user;
    case BY_FLAGS: return has_flags(s, value);
    case BY_CAPA: return value.n == 0 || s->flags & SESSION_REDIRECTABLE;
    case BY_NAME: return is_text(value, s->name);
    case BY_LIB_NAME: return is_text(value, s->lib_name);
    case BY_LIB_VER: return is_text(value, s->lib_ver);
    case BY_DB: return s->db == c->number;
    case BY_IDLE: return (x->now_ms - s->active_ms) / 1000 >= c->number;
    case BY_MAXAGE: return (x->now_ms - s->created_ms) / 1000 >= c->number;
    case BY_SKIPME: return true;
    default: break;
    }
    s->ops->describe(s, &w);
    return by == BY_ADDR    ? is_text(value, w.addr)
           : by == BY_LADDR ? is_text(value, w.laddr)
                            : is_ip(value, w.addr);
}

bool client_filter_matches(const struct call *x, const struct client_filter *f,
                           const struct session *s) {
    if ((f->skip_me && s == x->s) || s->flags & SESSION_HIDDEN) return false;
    for (int negated = 0; negated < 2; negated++)
        for (unsigned rest = f->given[negated]; rest; rest &= rest - 1) {
            enum client_by by = (enum client_by)__builtin_ctz(rest);

            if (holds(x, by, &f->when[negated][by], s) == negated) return false;
        }
    return true;
}
