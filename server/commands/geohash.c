/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/commands/geohash.h"

#include <math.h>

#define EARTH_RADIUS  6372797.560856 /* metres; this and the next as Redis has them */
#define HALF_EQUATOR  20037726.37
#define RADIANS(deg)  ((deg) * (M_PI / 180.0))
#define DEGREES(rad)  ((rad) / (M_PI / 180.0))
#define TEXT_LAT_MAX  90.0
#define TEXT_ALPHABET "0123456789bcdefghjkmnpqrstuvwxyz"

/* ---------------------------------------------------------------- interleaving */

/* Spreads the bits of v out to the even ones. */
static uint64_t spread(uint32_t v) {
    static const uint64_t mask[] = {
        UINT64_C(0x0000ffff0000ffff), UINT64_C(0x00ff00ff00ff00ff), UINT64_C(0x0f0f0f0f0f0f0f0f),
        UINT64_C(0x3333333333333333), UINT64_C(0x5555555555555555),
    };
    uint64_t x = v;

    for (int i = 0; i < 5; i++) x = (x | x << (16 >> i)) & mask[i];
    return x;
}

static uint32_t gather(uint64_t x) {
    static const uint64_t mask[] = {
        UINT64_C(0x3333333333333333), UINT64_C(0x0f0f0f0f0f0f0f0f), UINT64_C(0x00ff00ff00ff00ff),
        UINT64_C(0x0000ffff0000ffff), UINT64_C(0x00000000ffffffff),
    };

    x &= UINT64_C(0x5555555555555555);
    for (int i = 0; i < 5; i++) x = (x | x >> (1 << i)) & mask[i];
    return (uint32_t)x;
}

static uint64_t interleave(uint32_t lat, uint32_t lon) {
    return spread(lat) | spread(lon) << 1;
}

/* ---------------------------------------------------------------- cells */

bool geo_valid(struct geo_point p) {
    return p.lon >= -GEO_LON_MAX && p.lon <= GEO_LON_MAX && p.lat >= -GEO_LAT_MAX &&
           p.lat <= GEO_LAT_MAX;
}

/* Where `v` lies between -max and max, in units of 2^-steps of that. */
static uint32_t scale(double v, double max, int steps) {
    return (uint32_t)((v + max) / (2 * max) * (double)(UINT64_C(1) << steps));
}

static double unscale(uint32_t units, double max, int steps) {
    return -max + (double)units / (double)(UINT64_C(1) << steps) * (2 * max);
}

struct geo_cell geo_cell_of(struct geo_point p, int steps) {
    return (struct geo_cell){
        interleave(scale(p.lat, GEO_LAT_MAX, steps), scale(p.lon, GEO_LON_MAX, steps)), steps};
}

struct geo_box geo_cell_box(struct geo_cell c) {
    uint32_t lat = gather(c.bits), lon = gather(c.bits >> 1);

    return (struct geo_box){
        {unscale(lon, GEO_LON_MAX, c.steps), unscale(lat, GEO_LAT_MAX, c.steps)},
        {unscale(lon + 1, GEO_LON_MAX, c.steps), unscale(lat + 1, GEO_LAT_MAX, c.steps)}};
}

struct geo_cell geo_cell_move(struct geo_cell c, int east, int north) {
    uint32_t lat = gather(c.bits), lon = gather(c.bits >> 1);
    uint32_t mask = (uint32_t)((UINT64_C(1) << c.steps) - 1);

    if (east) lon = (lon + (uint32_t)east) & mask;
    if (north) lat = (lat + (uint32_t)north) & mask;
    return (struct geo_cell){interleave(lat, lon), c.steps};
}

void geo_cell_scores(struct geo_cell c, double *min, double *max) {
    int shift = 2 * (GEO_STEPS - c.steps);

    *min = (double)(c.bits << shift);
    *max = (double)((c.bits + 1) << shift);
}

/* ---------------------------------------------------------------- places */

double geo_score(struct geo_point p) {
    return (double)geo_cell_of(p, GEO_STEPS).bits;
}

/* A score may be anything, not only what geo_score() gives: as Redis' conversion on x86. */
static uint64_t score_bits(double score) {
    if (score >= 0x1p64 || isnan(score)) return 0;
    if (score >= 0) return (uint64_t)score;
    return score >= -0x1p63 ? (uint64_t)(int64_t)score : UINT64_C(1) << 63;
}

static double clamp(double v, double max) {
    return v > max ? max : v < -max ? -max : v;
}

struct geo_point geo_place(double score) {
    struct geo_box b = geo_cell_box((struct geo_cell){score_bits(score), GEO_STEPS});

    return (struct geo_point){clamp((b.min.lon + b.max.lon) / 2, GEO_LON_MAX),
                              clamp((b.min.lat + b.max.lat) / 2, GEO_LAT_MAX)};
}

void geo_text(struct geo_point p, char out[GEO_TEXT]) {
    uint64_t bits =
        interleave(scale(p.lat, TEXT_LAT_MAX, GEO_STEPS), scale(p.lon, GEO_LON_MAX, GEO_STEPS));

    /* 52 bits are ten characters and two bits; the last character says nothing. */
    for (int i = 0; i < GEO_TEXT - 1; i++)
        out[i] = TEXT_ALPHABET[bits >> (2 * GEO_STEPS - 5 * (i + 1)) & 31];
    out[GEO_TEXT - 1] = TEXT_ALPHABET[0];
}

static double lat_distance(double a, double b) {
    return EARTH_RADIUS * fabs(RADIANS(b) - RADIANS(a));
}

/* The haversine formula. */
double geo_distance(struct geo_point a, struct geo_point b) {
    double v = sin((RADIANS(b.lon) - RADIANS(a.lon)) / 2), u, lat_a, lat_b;

    if (v == 0) return lat_distance(a.lat, b.lat);
    lat_a = RADIANS(a.lat);
    lat_b = RADIANS(b.lat);
    u = sin((lat_b - lat_a) / 2);
    return 2 * EARTH_RADIUS * asin(sqrt(u * u + cos(lat_a) * cos(lat_b) * v * v));
}

/* ---------------------------------------------------------------- areas */

static bool is_box(const struct geo_shape *s) {
    return s->radius < 0;
}

void geo_set_polygon(struct geo_shape *s, struct geo_point *corners, size_t n) {
    struct geo_box b = {corners[0], corners[0]};
    double x = 0, y = 0, z = 0;

    for (size_t i = 0; i < n; i++) {
        double lon = RADIANS(corners[i].lon), lat = RADIANS(corners[i].lat);

        x += cos(lat) * cos(lon);
        y += cos(lat) * sin(lon);
        z += sin(lat);
        b.min.lon = fmin(b.min.lon, corners[i].lon);
        b.min.lat = fmin(b.min.lat, corners[i].lat);
        b.max.lon = fmax(b.max.lon, corners[i].lon);
        b.max.lat = fmax(b.max.lat, corners[i].lat);
    }
    x /= (double)n;
    y /= (double)n;
    z /= (double)n;
    s->center = (struct geo_point){DEGREES(atan2(y, x)), DEGREES(atan2(z, sqrt(x * x + y * y)))};
    s->corners = corners;
    s->ncorners = n;
    s->around = b;
}

/* A line from the place to the east crosses the sides an odd number of times. */
static bool in_polygon(const struct geo_shape *s, struct geo_point p) {
    struct geo_point from = s->corners[s->ncorners - 1];
    bool in = false;

    for (size_t i = 0; i < s->ncorners; i++) {
        struct geo_point to = s->corners[i];

        if ((to.lat > p.lat) != (from.lat > p.lat) &&
            p.lon < (from.lon - to.lon) * (p.lat - to.lat) / (from.lat - to.lat) + to.lon)
            in = !in;
        from = to;
    }
    return in;
}

bool geo_within(const struct geo_shape *s, struct geo_point p, double *distance) {
    if (s->corners) {
        if (!in_polygon(s, p)) return false;
        *distance = geo_distance(s->center, p);
        return true;
    }
    if (is_box(s)) {
        struct geo_point side = {s->center.lon, p.lat};

        if (lat_distance(p.lat, s->center.lat) > s->height / 2) return false;
        if (geo_distance(p, side) > s->width / 2) return false;
        *distance = geo_distance(s->center, p);
        return true;
    }
    *distance = geo_distance(s->center, p);
    return !(*distance > s->radius);
}

/* What the shape lies in. Circles of latitude are shorter towards the poles, so its side towards
 * the pole decides how wide it is in degrees. */
static struct geo_box bounding_box(const struct geo_shape *s) {
    double height = is_box(s) ? s->height / 2 : s->radius;
    double width = is_box(s) ? s->width / 2 : s->radius;
    double lat = s->center.lat, lat_delta = DEGREES(height / EARTH_RADIUS);
    double polar = lat < 0 ? lat - lat_delta : lat + lat_delta;
    double lon_delta = DEGREES(width / EARTH_RADIUS / cos(RADIANS(polar)));

    if (s->corners) return s->around;
    return (struct geo_box){{s->center.lon - lon_delta, lat - lat_delta},
                            {s->center.lon + lon_delta, lat + lat_delta}};
}

/* The number of steps at which a cell and its neighbours hold a circle. */
static int steps_for(double radius, double lat) {
    int steps = -1;

    if (radius == 0) return GEO_STEPS;
    for (; radius < HALF_EQUATOR; radius *= 2) steps++;
    if (fabs(lat) > 66) steps--;
    if (fabs(lat) > 80) steps--;
    return steps < 1 ? 1 : steps > GEO_STEPS ? GEO_STEPS : steps;
}

/* Whether the neighbours of the cell reach as far as the box. */
static bool reaches(struct geo_cell c, const struct geo_box *b) {
    return geo_cell_box(geo_cell_move(c, 0, 1)).max.lat >= b->max.lat &&
           geo_cell_box(geo_cell_move(c, 0, -1)).min.lat <= b->min.lat &&
           geo_cell_box(geo_cell_move(c, 1, 0)).max.lon >= b->max.lon &&
           geo_cell_box(geo_cell_move(c, -1, 0)).min.lon <= b->min.lon;
}

static bool is_needed(int east, int north, const struct geo_box *cell, const struct geo_box *b) {
    if (north < 0 && cell->min.lat < b->min.lat) return false;
    if (north > 0 && cell->max.lat > b->max.lat) return false;
    if (east < 0 && cell->min.lon < b->min.lon) return false;
    return !(east > 0 && cell->max.lon > b->max.lon);
}

static bool in_box(const struct geo_box *b, struct geo_point p) {
    return p.lon >= b->min.lon && p.lon <= b->max.lon && p.lat >= b->min.lat && p.lat <= b->max.lat;
}

/* Where the middle cell lies. The center of a polygon can be anywhere if that one is large. */
static struct geo_point middle_of(const struct geo_shape *s) {
    const struct geo_box *b = &s->around;

    if (!s->corners || in_box(b, s->center)) return s->center;
    return (struct geo_point){(b->min.lon + b->max.lon) / 2, (b->min.lat + b->max.lat) / 2};
}

/* Of a circle around the middle in which the shape lies. */
static double radius_of(const struct geo_shape *s, struct geo_point middle) {
    const struct geo_box *b = &s->around;
    struct geo_point far[] = {b->min, b->max, {b->min.lon, b->max.lat}, {b->max.lon, b->min.lat}};
    double radius = 0;

    if (!s->corners && !is_box(s)) return s->radius;
    if (!s->corners) return sqrt(s->width / 2 * (s->width / 2) + s->height / 2 * (s->height / 2));
    for (int i = 0; i < 4; i++) radius = fmax(radius, geo_distance(middle, far[i]));
    return radius;
}

int geo_cover(const struct geo_shape *s, struct geo_cell out[GEO_CELLS]) {
    static const int8_t moves[GEO_CELLS][2] = {{0, 0}, {0, 1},  {0, -1}, {1, 0},  {-1, 0},
                                               {1, 1}, {-1, 1}, {1, -1}, {-1, -1}};
    struct geo_box box = bounding_box(s), cell;
    struct geo_point middle = middle_of(s);
    int steps = steps_for(radius_of(s, middle), middle.lat), n = 0;
    struct geo_cell c = geo_cell_of(middle, steps);

    if (steps > 1 && !reaches(c, &box)) c = geo_cell_of(middle, --steps);
    while (s->corners && steps > 1 && !reaches(c, &box)) c = geo_cell_of(middle, --steps);
    cell = geo_cell_box(c);
    for (int i = 0; i < GEO_CELLS; i++) {
        struct geo_cell at = geo_cell_move(c, moves[i][0], moves[i][1]);

        if (steps >= 2 && !is_needed(moves[i][0], moves[i][1], &cell, &box)) continue;
        /* Where cells are that large, a neighbour can be the one before. */
        if (n > 0 && out[n - 1].bits == at.bits) continue;
        out[n++] = at;
    }
    return n;
}
