/* SPDX-License-Identifier: BSD-3-Clause
 *
 * geohash - places on earth as numbers that sort: longitude and latitude cut in halves again and
 * again, the outcomes interleaved, latitude in the even bits.
 *
 * A cell is what `steps` cuts in both directions leave. A place is a cell of GEO_STEPS steps, so
 * its number has 52 bits and is exact as a score; all places within a larger cell have neighbouring
 * numbers. Latitudes end at GEO_LAT_MAX, where the Web Mercator map is square.
 */
#ifndef STET_COMMANDS_GEOHASH_H
#define STET_COMMANDS_GEOHASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GEO_STEPS = 26 };

#define GEO_LON_MAX 180.0
#define GEO_LAT_MAX 85.05112878

struct geo_point {
    double lon, lat; /* degrees */
};

struct geo_cell {
    uint64_t bits;
    int steps;
};

struct geo_box {
    struct geo_point min, max;
};

/* Whether there is a number for the place. */
bool geo_valid(struct geo_point p);

struct geo_cell geo_cell_of(struct geo_point p, int steps);
struct geo_box geo_cell_box(struct geo_cell c);

/* The cell that lies so many cells to the east and to the north; there is no edge. */
struct geo_cell geo_cell_move(struct geo_cell c, int east, int north);

/* The scores of the places within a cell: from *min on, below *max. */
void geo_cell_scores(struct geo_cell c, double *min, double *max);

double geo_score(struct geo_point p);
struct geo_point geo_place(double score); /* the middle of its cell; of any score */

/* The geohash that the rest of the world uses, latitudes up to 90: 11 characters, no NUL. */
enum { GEO_TEXT = 11 };
void geo_text(struct geo_point p, char out[GEO_TEXT]);

/* Metres on a sphere. */
double geo_distance(struct geo_point a, struct geo_point b);

/* ---------------------------------------------------------------- areas */

/* A circle, or a box if radius < 0; metres. Or a polygon, whose sides are straight on a map with
 * longitude and latitude as coordinates; it does not go over the 180th meridian. */
struct geo_shape {
    struct geo_point center;
    double radius, width, height;
    struct geo_point *corners; /* NULL: no polygon */
    size_t ncorners;
    struct geo_box around; /* of a polygon */
};

/* Makes the shape a polygon; the center is the mean of its corners as directions
 * from the middle of the earth. They stay the caller's. */
void geo_set_polygon(struct geo_shape *s, struct geo_point *corners, size_t n);

/* Whether the place is within; *distance from the center, if it is. */
bool geo_within(const struct geo_shape *s, struct geo_point p, double *distance);

/* The cells, at most 9, that have all places of the shape; returns how many. They come in the order
 * that Redis searches in: middle, north, south, east, west, then the corners in the same way. */
enum { GEO_CELLS = 9 };
int geo_cover(const struct geo_shape *s, struct geo_cell out[GEO_CELLS]);

#endif
