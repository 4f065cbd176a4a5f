/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/commands/geohash.h"

#include "storage/base/mem.h"
#include "storage/base/rng.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static double between(double a, double b) {
    return a + (b - a) * ((double)(rng_u64() >> 11) / 0x1p53);
}

static struct geo_point any_point(void) {
    return (struct geo_point){between(-180, 180), between(-85, 85)};
}

static void begin(void) {
    mem_thread_init();
    rng_seed(9);
}

TestSuite(geohash, .init = begin);

Test(geohash, is_what_everybody_computes) {
    struct geo_point palermo = {13.361389, 38.115556}, catania = {15.087269, 37.502669};
    char text[GEO_TEXT];

    cr_expect_eq(geo_score(palermo), 3479099956230698.0);
    cr_expect_eq(geo_score(catania), 3479447370796909.0);
    geo_text(geo_place(geo_score(palermo)), text);
    cr_expect_eq(memcmp(text, "sqc8b49rny0", GEO_TEXT), 0);
    cr_expect_float_eq(geo_distance(geo_place(geo_score(palermo)), geo_place(geo_score(catania))),
                       166274.1516, 0.0001);
}

Test(geohash, of_a_place_leads_back_to_it) {
    for (int i = 0; i < 10000; i++) {
        struct geo_point p = any_point(), q = geo_place(geo_score(p));

        cr_assert_lt(geo_distance(p, q), 0.6);
        cr_assert_eq(geo_score(q), geo_score(p));
    }
}

Test(geohash, ends_where_the_map_ends) {
    cr_expect(geo_valid((struct geo_point){180, GEO_LAT_MAX}));
    cr_expect(geo_valid((struct geo_point){-180, -GEO_LAT_MAX}));
    cr_expect_not(geo_valid((struct geo_point){180.0001, 0}));
    cr_expect_not(geo_valid((struct geo_point){0, 85.06}));
    cr_expect_not(geo_valid((struct geo_point){NAN, 0}));
    /* Any score is a place. */
    cr_expect_eq(geo_place(INFINITY).lon, geo_place(0).lon);
    cr_expect(geo_valid(geo_place(-1)) && geo_valid(geo_place(-INFINITY)));
    cr_expect(geo_valid(geo_place(1e300)) && geo_valid(geo_place(0x1p63)));
}

Test(geohash, cells_have_neighbours_on_all_sides) {
    for (int i = 0; i < 1000; i++) {
        struct geo_cell c = geo_cell_of(any_point(), 1 + (int)rng_below(GEO_STEPS));
        struct geo_cell east = geo_cell_move(c, 1, 0), north = geo_cell_move(c, 0, 1);

        cr_assert_eq(geo_cell_move(east, -1, 0).bits, c.bits);
        cr_assert_eq(geo_cell_move(geo_cell_move(north, 1, 0), -1, -1).bits, c.bits);
        if (geo_cell_box(c).max.lon < 180)
            cr_assert_float_eq(geo_cell_box(east).min.lon, geo_cell_box(c).max.lon, 1e-9);
    }
}

/* Whether one of the cells has the place. */
static bool covered(const struct geo_cell *cells, int n, struct geo_point p) {
    double score = geo_score(p), min, max;

    for (int i = 0; i < n; i++) {
        geo_cell_scores(cells[i], &min, &max);
        if (score >= min && score < max) return true;
    }
    return false;
}

Test(geohash, cells_hold_all_of_a_shape) {
    for (int i = 0; i < 3000; i++) {
        struct geo_shape s = {.center = {between(-150, 150), between(-60, 60)}};
        double size = pow(10, between(0, 6));
        struct geo_cell cells[GEO_CELLS];
        int n;

        s.radius = i % 2 ? size : -1;
        s.width = size;
        s.height = size / 3;
        n = geo_cover(&s, cells);
        for (int k = 0; k < 100; k++) {
            double reach = size / 50000;
            struct geo_point p = {s.center.lon + between(-reach, reach),
                                  s.center.lat + between(-reach, reach)};
            double distance;

            if (geo_valid(p) && geo_within(&s, p, &distance))
                cr_assert(covered(cells, n, p), "%f %f of %f", p.lon, p.lat, size);
        }
    }
}

Test(geohash, a_polygon_has_what_a_line_to_the_east_says) {
    struct geo_point l[] = {{0, 0}, {2, 0}, {2, 1}, {1, 1}, {1, 2}, {0, 2}};
    static const struct {
        double lon, lat;
        bool in;
    } rows[] = {{0.5, 0.5, true},  {1.5, 0.5, true},   {0.5, 1.5, true},
                {1.5, 1.5, false}, {-0.1, 1, false},   {2.1, 0.5, false},
                {0.5, 2.1, false}, {0.5, -0.1, false}, {1, 0.999, true}};
    struct geo_shape s = {0};
    double distance;

    geo_set_polygon(&s, l, sizeof l / sizeof *l);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_eq(geo_within(&s, (struct geo_point){rows[i].lon, rows[i].lat}, &distance),
                     rows[i].in, "row %zu", i);
    geo_within(&s, (struct geo_point){0.5, 0.5}, &distance);
    cr_expect_float_eq(distance, geo_distance(s.center, (struct geo_point){0.5, 0.5}), 1e-6);
}

Test(geohash, a_polygon_lies_within_its_cells) {
    for (int i = 0; i < 3000; i++) {
        struct geo_point corners[8], at = any_point();
        struct geo_shape s = {0};
        struct geo_cell cells[GEO_CELLS];
        double size = pow(10, between(-5, 2.2));
        size_t n = 3 + rng_below(6);
        int ncells;

        for (size_t k = 0; k < n; k++) {
            double lon = at.lon + between(-size, size), lat = at.lat + between(-size, size);

            corners[k].lon = fmax(-GEO_LON_MAX, fmin(GEO_LON_MAX - 1e-9, lon));
            corners[k].lat = fmax(-GEO_LAT_MAX, fmin(GEO_LAT_MAX - 1e-9, lat));
        }
        geo_set_polygon(&s, corners, n);
        ncells = geo_cover(&s, cells);
        cr_assert(ncells > 0 && ncells <= GEO_CELLS);
        for (int k = 0; k < 30; k++) {
            struct geo_point p = {between(s.around.min.lon, s.around.max.lon),
                                  between(s.around.min.lat, s.around.max.lat)};
            double distance;

            if (geo_within(&s, p, &distance))
                cr_assert(covered(cells, ncells, p), "%f %f of %f", p.lon, p.lat, size);
        }
    }
}
