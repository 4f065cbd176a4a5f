/* SPDX-License-Identifier: BSD-3-Clause
 *
 * geo_search - the places within a circle, a box or a polygon: GEOSEARCH, and the older GEORADIUS.
 *
 * At most nine cells of the geohash hold all of them, and each cell is a range of scores; what is
 * found there is measured.
 */
#include "server/commands/commands.h"
#include "server/commands/geo.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"
#include "storage/base/sort.h"

#include <stdlib.h>

/* What a command's name says. */
enum kind {
    SEARCH = 1 << 0,    /* GEOSEARCH, GEOSEARCHSTORE */
    BY_MEMBER = 1 << 1, /* GEORADIUSBYMEMBER; otherwise GEORADIUS */
    STORING = 1 << 2,   /* GEOSEARCHSTORE */
    READ_ONLY = 1 << 3, /* no STORE */
};

enum { WITH_DIST = 1 << 0, WITH_HASH = 1 << 1, WITH_COORD = 1 << 2 };

enum order { UNSORTED, ASCENDING, DESCENDING };

struct found {
    struct slice member; /* p is NULL: its bytes are in `text` */
    char text[NUM_I64_MAX];
    double distance, score;
    struct geo_point place;
};

struct search {
    struct call *x;
    unsigned kind;
    struct ref source;
    struct geo_shape shape;
    double unit;                   /* metres */
    bool has_center, has_location; /* the center given by a member; by coordinates */
    bool has_radius, has_box, has_polygon;
    unsigned with;
    enum order order;
    int64_t count; /* 0: all */
    bool any;
    struct geo_point *corners;
    int store_at; /* argument; 0: to the client */
    bool store_distance;

    struct found *found;
    void **answer; /* the first n are what is answered, in this order */
    size_t n, cap;
};

/* ---------------------------------------------------------------- arguments */

static bool refuse(struct call *x, const char *text) {
    reply_err(x, text);
    return false;
}

static bool arg_length(struct call *x, int i, const char *error, double *v) {
    return num_parse_double(x->argv[i].p, x->argv[i].n, v) || refuse(x, error);
}

static bool parse_circle(struct call *x, int i, struct search *s) {
    double radius;

    if (!arg_length(x, i, "ERR need numeric radius", &radius)) return false;
    if (radius < 0) return refuse(x, "ERR radius cannot be negative");
    if (!geo_arg_unit(x, i + 1, &s->unit)) return false;
    s->shape.radius = radius * s->unit;
    return true;
}

static bool parse_box(struct call *x, int i, struct search *s) {
    double width, height;

    if (!arg_length(x, i, "ERR need numeric width", &width) ||
        !arg_length(x, i + 1, "ERR need numeric height", &height))
        return false;
    if (width < 0 || height < 0) return refuse(x, "ERR height or width cannot be negative");
    if (!geo_arg_unit(x, i + 2, &s->unit)) return false;
    s->shape.radius = -1;
    s->shape.width = width * s->unit;
    s->shape.height = height * s->unit;
    return true;
}

/* Returns how many arguments the corners and their number are; -1: answered with an error. */
static int parse_polygon(struct call *x, int i, struct search *s) {
    int64_t n;

    if (!arg_int_range(x, i, INT32_MIN, INT32_MAX, &n, "ERR invalid number of vertices")) return -1;
    if (n < 3 || n > (x->argc - i - 1) / 2) {
        reply_err(x, "ERR GEOSEARCH BYPOLYGON must have at least 3 vertices");
        return -1;
    }
    s->corners = mem_alloc((size_t)n * sizeof *s->corners);
    for (int k = 0; k < n; k++)
        if (!geo_arg_point(x, i + 1 + 2 * k, &s->corners[k])) return -1;
    geo_set_polygon(&s->shape, s->corners, (size_t)n);
    return 1 + 2 * (int)n;
}

/* Without the key there is nothing to look for, but the other arguments are checked. */
static bool parse_member(struct call *x, int i, struct search *s) {
    struct zset_hit hit;

    if (!s->source.e) return true;
    if (!zset_find(s->source.e, x->argv[i], &hit))
        return refuse(x, "ERR could not decode requested zset member");
    s->shape.center = geo_place(hit.score);
    return true;
}

static int parse_store_option(struct call *x, int i, struct search *s) {
    if (!(s->kind & STORING) || !arg_is(x, i, "storedist")) return 0;
    s->store_distance = true;
    return 1;
}

/* The option at argument i that only GEOSEARCH has. Returns how many arguments it takes, 0 if
 * there is no such option, -1 if an error was answered. */
static int parse_search_option(struct call *x, int i, struct search *s) {
    bool centered = s->has_location || s->has_center, shaped = s->has_radius || s->has_box;
    int more = x->argc - i - 1, took;

    if (more >= 1 && !centered && !shaped && !s->has_polygon && arg_is(x, i, "bypolygon")) {
        s->has_polygon = true;
        took = parse_polygon(x, i + 1, s);
        return took < 0 ? -1 : 1 + took;
    }
    if (s->has_polygon) return parse_store_option(x, i, s);
    if (more >= 1 && !s->has_location && arg_is(x, i, "frommember")) {
        s->has_center = true;
        return parse_member(x, i + 1, s) ? 2 : -1;
    }
    if (more >= 2 && !s->has_center && arg_is(x, i, "fromlonlat")) {
        s->has_location = true;
        return geo_arg_point(x, i + 1, &s->shape.center) ? 3 : -1;
    }
    if (more >= 2 && !s->has_box && arg_is(x, i, "byradius")) {
        s->has_radius = true;
        return parse_circle(x, i + 1, s) ? 3 : -1;
    }
    if (more >= 3 && !s->has_radius && arg_is(x, i, "bybox")) {
        s->has_box = true;
        return parse_box(x, i + 1, s) ? 4 : -1;
    }
    return parse_store_option(x, i, s);
}

/* The same for options that only GEORADIUS has. */
static int parse_radius_option(struct call *x, int i, struct search *s) {
    bool distance = arg_is(x, i, "storedist");

    if (s->kind & READ_ONLY || i + 1 == x->argc || !(distance || arg_is(x, i, "store"))) return 0;
    s->store_at = i + 1;
    s->store_distance = distance;
    return 2;
}

static int parse_count(struct call *x, int i, struct search *s) {
    if (!arg_int(x, i, &s->count)) return -1;
    return s->count > 0 || refuse(x, "ERR COUNT must be > 0") ? 2 : -1;
}

/* The same for options that all have. */
static int parse_option(struct call *x, int i, struct search *s) {
    if (arg_is(x, i, "withdist"))
        s->with |= WITH_DIST;
    else if (arg_is(x, i, "withhash"))
        s->with |= WITH_HASH;
    else if (arg_is(x, i, "withcoord"))
        s->with |= WITH_COORD;
    else if (arg_is(x, i, "any"))
        s->any = true;
    else if (arg_is(x, i, "asc"))
        s->order = ASCENDING;
    else if (arg_is(x, i, "desc"))
        s->order = DESCENDING;
    else if (i + 1 < x->argc && arg_is(x, i, "count"))
        return parse_count(x, i + 1, s);
    else
        return s->kind & SEARCH ? parse_search_option(x, i, s) : parse_radius_option(x, i, s);
    return 1;
}

/* What cannot be said of one option alone. */
static bool check_options(struct call *x, const struct search *s) {
    struct slice name = x->argv[0];

    if (s->store_at && s->with) {
        reply_errf(x, "ERR %s is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
                   s->kind & SEARCH ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS");
        return false;
    }
    if (s->kind & SEARCH && !s->has_polygon && !s->has_center && !s->has_location) {
        reply_errf(x, "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for %.*s",
                   (int)name.n, name.p);
        return false;
    }
    if (s->kind & SEARCH && !s->has_polygon && !s->has_radius && !s->has_box) {
        reply_errf(x, "ERR exactly one of BYRADIUS and BYBOX can be specified for %.*s",
                   (int)name.n, name.p);
        return false;
    }
    if (s->any && !s->count) return refuse(x, "ERR the ANY argument requires COUNT argument");
    return true;
}

/* GEORADIUS' and GEORADIUSBYMEMBER's first arguments; returns where the options begin, -1 after an
 * error. Without the key the member's radius is not looked at. */
static int parse_center(struct call *x, struct search *s) {
    if (s->kind & STORING) s->store_at = 1;
    if (s->kind & SEARCH) return s->kind & STORING ? 3 : 2;
    if (s->kind & BY_MEMBER) {
        if (!s->source.e) return 5;
        return parse_member(x, 2, s) && parse_circle(x, 3, s) ? 5 : -1;
    }
    return geo_arg_point(x, 2, &s->shape.center) && parse_circle(x, 4, s) ? 6 : -1;
}

static bool parse(struct call *x, struct search *s) {
    int i, took;

    if (!zset_for_reading(x, s->kind & STORING ? 2 : 1, &s->source)) return false;
    i = parse_center(x, s);
    if (i < 0) return false;
    for (; i < x->argc; i += took) {
        took = parse_option(x, i, s);
        if (took == 0) return refuse(x, ERR_SYNTAX);
        if (took < 0) return false;
    }
    return check_options(x, s);
}

/* ---------------------------------------------------------------- searching */

static struct found *found_room(struct search *s) {
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 16;
        s->found = mem_realloc(s->found, s->cap * sizeof *s->found);
    }
    return &s->found[s->n];
}

static bool enough(const struct search *s) {
    return s->any && s->n >= (uint64_t)s->count;
}

static void search_cell(struct search *s, struct geo_cell c) {
    struct zset_scores range = {.below_max = true};
    struct zset_span span;
    struct zset_iter it;

    geo_cell_scores(c, &range.min, &range.max);
    span = zset_span_of_scores(s->source.e, &range);
    zset_iter_init(&it, s->source.e, span.from, false);
    for (; span.from < span.to && !enough(s) && zset_iter_next(&it); span.from++) {
        struct found *f = found_room(s);

        call_breathe_by(s->x, 1 + s->shape.ncorners / 16);
        f->score = zset_iter_score(&it);
        f->place = geo_place(f->score);
        if (!geo_within(&s->shape, f->place, &f->distance)) continue;
        f->member = it.member;
        s->n++;
        if (it.member.p != it.text) continue;
        memcpy(f->text, it.text, it.member.n);
        f->member.p = NULL;
    }
}

static struct slice found_member(const struct found *f) {
    return f->member.p ? f->member : slice_of(f->text, f->member.n);
}

static int by_distance(const void *a, const void *b) {
    const struct found *x = a, *y = b;

    return (x->distance > y->distance) - (x->distance < y->distance);
}

static int by_distance_down(const void *a, const void *b) {
    return by_distance(b, a);
}

/* For qsort_r(): places at the same distance stay in the order of finding. */
static int all_by_distance(const void *a, const void *b, void *call) {
    const struct found *x = *(void *const *)a, *y = *(void *const *)b;
    int c = by_distance(x, y);

    call_breathe(call);

    return c ? c : x < y ? -1 : 1;
}

static int all_by_distance_down(const void *a, const void *b, void *call) {
    const struct found *x = *(void *const *)a, *y = *(void *const *)b;
    int c = by_distance(y, x);

    call_breathe(call);

    return c ? c : x < y ? -1 : 1;
}

static void sort_found(struct search *s, size_t wanted) {
    bool up = s->order == ASCENDING;

    if (wanted == s->n)
        qsort_r(s->answer, s->n, sizeof *s->answer, up ? all_by_distance : all_by_distance_down,
                s->x);
    else
        sort_part(s->answer, s->n, up ? by_distance : by_distance_down, 0, wanted - 1);
}

/* Makes s->answer out of what is found: so many, in the order that is asked for. */
static void search(struct search *s) {
    struct geo_cell cells[GEO_CELLS];
    int n = s->source.e ? geo_cover(&s->shape, cells) : 0;
    size_t wanted;

    for (int i = 0; i < n && !enough(s); i++) search_cell(s, cells[i]);
    if (s->n == 0) return;
    s->answer = mem_alloc(s->n * sizeof *s->answer);
    for (size_t i = 0; i < s->n; i++) s->answer[i] = &s->found[i];
    if (s->count && !s->any && s->order == UNSORTED) s->order = ASCENDING; /* the nearest */
    wanted = s->count && (uint64_t)s->count < s->n ? (size_t)s->count : s->n;
    if (s->order != UNSORTED) sort_found(s, wanted);
    s->n = wanted;
}

/* ---------------------------------------------------------------- answering */

static void reply_found(struct call *x, const struct search *s) {
    reply_array(&x->r, s->n);
    for (size_t i = 0; i < s->n; i++) {
        const struct found *f = s->answer[i];
        struct slice member = found_member(f);

        if (s->with) reply_array(&x->r, 1 + (size_t)__builtin_popcount(s->with));
        reply_bulk(&x->r, member.p, member.n);
        if (s->with & WITH_DIST) geo_reply_distance(x, f->distance / s->unit);
        if (s->with & WITH_HASH) reply_int(&x->r, (int64_t)f->score);
        if (s->with & WITH_COORD) geo_reply_point(x, f->place);
        call_breathe(x);
    }
}

static void store_found(struct call *x, const struct search *s) {
    struct zset_build b;

    zset_build_init(&b, s->n);
    b.pace = call_pace(x);
    for (size_t i = 0; i < s->n; i++) {
        const struct found *f = s->answer[i];

        zset_build_add(&b, found_member(f), s->store_distance ? f->distance / s->unit : f->score);
    }
    zset_store_built(x, s->store_at, &b, s->kind & SEARCH ? "geosearchstore" : "georadiusstore");
    if (s->n > 0) x->e->dirty += s->n - 1;
}

static int search_and_answer(struct call *x, unsigned kind) {
    struct search s = {.x = x, .kind = kind, .unit = 1};

    bool ok = parse(x, &s);

    if (ok) {
        search(&s);
        if (s.store_at)
            store_found(x, &s);
        else
            reply_found(x, &s);
    }
    mem_free(s.found);
    mem_free(s.answer);
    mem_free(s.corners);
    return ok ? 0 : -1;
}

static int cmd_geosearch(struct call *x) {
    return search_and_answer(x, SEARCH);
}

static int cmd_geosearchstore(struct call *x) {
    return search_and_answer(x, SEARCH | STORING);
}

static int cmd_georadius(struct call *x) {
    return search_and_answer(x, 0);
}

static int cmd_georadius_ro(struct call *x) {
    return search_and_answer(x, READ_ONLY);
}

static int cmd_georadiusbymember(struct call *x) {
    return search_and_answer(x, BY_MEMBER);
}

static int cmd_georadiusbymember_ro(struct call *x) {
    return search_and_answer(x, BY_MEMBER | READ_ONLY);
}

/* ---------------------------------------------------------------- rows */

#define W     (CMD_WRITE | CMD_DENYOOM)
#define R     CMD_READONLY
#define UNIT  "unit(M|KM|FT|MI)"
#define ORDER "[order(ASC|DESC)]"
#define WITH  "[WITHCOORD] [WITHDIST] [WITHHASH]"
#define STORE "[store(STORE=storekey@1'key'|STOREDIST=storedistkey@2'key')]"
#define SHAPE                                                                                      \
    "from(FROMMEMBER=member|FROMLONLAT=fromlonlat{longitude:double latitude:double}) "             \
    "by(circle{BYRADIUS=radius:double " UNIT "}|"                                                  \
    "box{BYBOX=width:double height:double " UNIT "}) " ORDER                                       \
    " [count-block{COUNT=count:int [ANY]}]"

/* clang-format off */
const struct command geo_search_commands[] = {
    {"georadius", -6, W | CMD_MOVABLE_KEYS, "geo", {1, 1, 1}, cmd_georadius, "3.2.0",
     "Gives or stores the places within a circle.",
     .grammar = "!6.2.0 `GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument; key@0 "
                "longitude:double latitude:double radius:double " UNIT " " WITH
                " [count-block{COUNT=count:int [ANY^6.2.0]}] " ORDER " " STORE,
     .key_specs = "@1..0 RO access; STORE@6..0 OW update; STOREDIST@6..0 OW update"},
    {"georadius_ro", -6, R, "geo", {1, 1, 1}, cmd_georadius_ro, "3.2.10",
     "Gives the places within a circle.",
     .grammar = "!6.2.0 `GEOSEARCH` with the `BYRADIUS` argument; key@0 longitude:double "
                "latitude:double radius:double " UNIT " " WITH
                " [count-block{COUNT=count:int [ANY^6.2.0]}] " ORDER},
    {"georadiusbymember", -5, W | CMD_MOVABLE_KEYS, "geo", {1, 1, 1}, cmd_georadiusbymember,
     "3.2.0", "Gives or stores the places within a circle around one of them.",
     .grammar = "!6.2.0 `GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` "
                "arguments; key@0 member radius:double " UNIT " " WITH
                " [count-block{COUNT=count:int [ANY]}] " ORDER " " STORE,
     .key_specs = "@1..0 RO access; STORE@5..0 OW update; STOREDIST@5..0 OW update"},
    {"georadiusbymember_ro", -5, R, "geo", {1, 1, 1}, cmd_georadiusbymember_ro, "3.2.10",
     "Gives the places within a circle around one of them.",
     .grammar = "!6.2.0 `GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments; key@0 member "
                "radius:double " UNIT " " WITH " [count-block{COUNT=count:int [ANY]}] " ORDER},
    {"geosearch", -7, R, "geo", {1, 1, 1}, cmd_geosearch, "6.2.0",
     "Gives the places within a circle, a box or a polygon.",
     .grammar = "key@0 " SHAPE " " WITH},
    {"geosearchstore", -8, W, "geo", {1, 2, 1}, cmd_geosearchstore, "6.2.0",
     "Stores the places within a circle, a box or a polygon.",
     .grammar = "destination@0 source@1 " SHAPE " [STOREDIST]",
     .key_specs = "@1..0 OW update; @2..0 RO access"},
    {0},
};
/* clang-format on */
