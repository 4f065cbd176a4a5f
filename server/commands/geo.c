/* SPDX-License-Identifier: BSD-3-Clause
 *
 * geo - places: storing them as members of a sorted set whose score is the geohash, asking for them
 * and for distances. Searching is in geo_search.c.
 */
#include "server/commands/geo.h"

#include "protocol/encode.h"
#include "server/commands/commands.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"

/* ---------------------------------------------------------------- arguments and replies */

bool geo_arg_point(struct call *x, int i, struct geo_point *p) {
    if (!arg_score(x, i, &p->lon) || !arg_score(x, i + 1, &p->lat)) return false;
    if (geo_valid(*p)) return true;
    reply_errf(x, "ERR invalid longitude,latitude pair %f,%f", p->lon, p->lat);
    return false;
}

bool geo_arg_unit(struct call *x, int i, double *metres) {
    static const struct {
        const char *name;
        double metres;
    } units[] = {{"m", 1}, {"km", 1000}, {"ft", 0.3048}, {"mi", 1609.34}};

    for (size_t k = 0; k < sizeof units / sizeof *units; k++) {
        if (!arg_is(x, i, units[k].name)) continue;
        *metres = units[k].metres;
        return true;
    }
    reply_err(x, "ERR unsupported unit provided. please use M, KM, FT, MI");
    return false;
}

void geo_reply_distance(struct call *x, double distance) {
    char text[400];

    reply_bulk(&x->r, text, (size_t)snprintf(text, sizeof text, "%.4f", distance));
}

static void reply_coordinate(struct call *x, double v) {
    char text[NUM_LDOUBLE_MAX];
    size_t n = (size_t)num_format_ldouble(text, v);

    if (x->r.resp == 2) {
        reply_bulk(&x->r, text, n);
        return;
    }
    reply_raw(&x->r, ",", 1);
    reply_raw(&x->r, text, n);
    reply_raw(&x->r, "\r\n", 2);
}

void geo_reply_point(struct call *x, struct geo_point p) {
    reply_array(&x->r, 2);
    reply_coordinate(x, p.lon);
    reply_coordinate(x, p.lat);
}

/* ---------------------------------------------------------------- GEOADD */

/* As Redis, which adds places by ZADD. */
static void log_places(struct call *x, int first, const struct zset_pair *pairs, size_t n) {
    size_t head = (size_t)first, argc = head + 2 * n;
    struct bytes *b;

    x->rewritten = true;
    if (!call_propagates(x)) return;
    b = propagate_begin(&x->e->propagation, x->db->id);
    encode_head(b, argc);
    encode_arg(b, SLICE("zadd"));
    for (size_t i = 1; i < head; i++) encode_arg(b, x->argv[i]);
    for (size_t i = 0; i < n; i++) {
        char text[NUM_I64_MAX];

        encode_arg(b, slice_of(text, (size_t)num_format_i64(text, (int64_t)pairs[i].score)));
        encode_arg(b, pairs[i].member);
    }
}

static int cmd_geoadd(struct call *x) {
    struct zset_pair few[ZSET_FEW], *pairs;
    unsigned options = 0;
    int first = 2, n, rc = -1;

    for (; first < x->argc; first++) {
        if (arg_is(x, first, "nx"))
            options |= ZADD_NX;
        else if (arg_is(x, first, "xx"))
            options |= ZADD_XX;
        else if (arg_is(x, first, "ch"))
            options |= ZADD_CH;
        else
            break;
    }
    n = (x->argc - first) / 3;
    if (n == 0 || (x->argc - first) % 3 || (options & ZADD_NX && options & ZADD_XX))
        return reply_err(x, ERR_SYNTAX);
    pairs = zset_pairs_room(few, (size_t)n);
    for (int i = 0; i < n; i++) {
        struct geo_point p;

        if (!geo_arg_point(x, first + 3 * i, &p)) goto out;
        pairs[i] = (struct zset_pair){geo_score(p), x->argv[first + 3 * i + 2]};
    }
    rc = zset_add_pairs(x, options, pairs, (size_t)n);
    if (x->e->dirty != x->dirty_before) log_places(x, first, pairs, (size_t)n);
out:
    if (pairs != few) mem_free(pairs);
    return rc;
}

/* ---------------------------------------------------------------- asking */

/* Where member `i` of the arguments is; false: it is not there. */
static bool find(struct call *x, const struct ref *r, int i, struct geo_point *p) {
    struct zset_hit hit;

    if (!r->e || !zset_find(r->e, x->argv[i], &hit)) return false;
    *p = geo_place(hit.score);
    return true;
}

static int cmd_geodist(struct call *x) {
    struct geo_point a, b;
    double unit = 1;
    struct ref r;

    if (x->argc > 5) return reply_err(x, ERR_SYNTAX);
    if (x->argc == 5 && !geo_arg_unit(x, 4, &unit)) return -1;
    if (!zset_for_reading(x, 1, &r)) return -1;
    if (find(x, &r, 2, &a) && find(x, &r, 3, &b))
        geo_reply_distance(x, geo_distance(a, b) / unit);
    else
        reply_null(&x->r);
    return 0;
}

static int cmd_geohash(struct call *x) {
    struct geo_point p;
    struct ref r;

    if (!zset_for_reading(x, 1, &r)) return -1;
    reply_array(&x->r, (size_t)x->argc - 2);
    for (int i = 2; i < x->argc; i++) {
        char text[GEO_TEXT];

        call_breathe(x);
        if (!find(x, &r, i, &p)) {
            reply_null(&x->r);
            continue;
        }
        geo_text(p, text);
        reply_bulk(&x->r, text, GEO_TEXT);
    }
    return 0;
}

static int cmd_geopos(struct call *x) {
    struct geo_point p;
    struct ref r;

    if (!zset_for_reading(x, 1, &r)) return -1;
    reply_array(&x->r, (size_t)x->argc - 2);
    for (int i = 2; i < x->argc; i++) {
        call_breathe(x);
        if (find(x, &r, i, &p))
            geo_reply_point(x, p);
        else
            reply_null_array(&x->r);
    }
    return 0;
}

/* ---------------------------------------------------------------- rows */

#define R CMD_READONLY

/* clang-format off */
const struct command geo_commands[] = {
    {"geoadd", -5, CMD_WRITE | CMD_DENYOOM, "geo", {1, 1, 1}, cmd_geoadd, "3.2.0",
     "Adds places to a sorted set, or moves them.",
     .grammar = "key@0 [condition(NX|XX)^6.2.0] [change=CH^6.2.0] "
                "data{longitude:double latitude:double member}+",
     .key_specs = "RW update"},
    {"geodist", -4, R, "geo", {1, 1, 1}, cmd_geodist, "3.2.0",
     "Gives the distance between two places.",
     .grammar = "key@0 member1 member2 [unit(M|KM|FT|MI)]"},
    {"geohash", -2, R, "geo", {1, 1, 1}, cmd_geohash, "3.2.0",
     "Gives the geohashes of places as text.",
     .grammar = "key@0 [member+]"},
    {"geopos", -2, R, "geo", {1, 1, 1}, cmd_geopos, "3.2.0",
     "Gives the longitudes and latitudes of places.",
     .grammar = "key@0 [member+]"},
    {0},
};
/* clang-format on */
