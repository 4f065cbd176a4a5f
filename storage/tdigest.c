/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/tdigest.h"

#include "storage/base/check.h"
#include "storage/base/mem.h"

#include <math.h>
#include <stdlib.h>

enum { FORMAT = 1 };

struct tdigest *tdigest_new(uint32_t compression) {
    struct tdigest *t = mem_calloc(sizeof *t);

    t->compression = compression;
    t->cap = tdigest_capacity(compression);
    t->nodes = mem_calloc(t->cap * sizeof *t->nodes);
    return t;
}

void tdigest_free(struct tdigest *t) {
    mem_free(t->nodes);
    mem_free(t);
}

void tdigest_clear(struct tdigest *t) {
    t->merged = t->added = 0;
    t->weight = t->merged_weight = t->compressions = 0;
    t->min = t->max = 0;
}

/* ---------------------------------------------------------------- merging */

/* Nodes that compare equal are alike in all, so every sort gives the same order. */
static int by_mean(const void *a, const void *b) {
    const struct tdigest_node *x = a, *y = b;

    if (x->mean != y->mean) return x->mean < y->mean ? -1 : 1;
    return (x->weight > y->weight) - (x->weight < y->weight);
}

/* How many of `all` numbers a node may stand for that begins after `before` of them and has
 * `weight`: the narrower of what its two ends allow. */
static double room(const struct tdigest *t, double before, double weight, double span) {
    double all = (double)t->weight, q = before / all, p = (before + weight) / all;
    double left = q * (1 - q), right = p * (1 - p);

    return all * span * sqrt(left < right ? left : right) / t->compression;
}

static void join(struct tdigest_node *to, const struct tdigest_node *n) {
    double share = (double)n->weight / (double)(to->weight + n->weight);
    double step = (n->mean - to->mean) * share;

    to->mean = isfinite(step) ? to->mean + step : to->mean * (1 - share) + n->mean * share;
    if (to->mean > n->mean) to->mean = n->mean; /* rounding must not undo the order */
    to->weight += n->weight;
}

static void merge_neighbours(struct tdigest *t, double span) {
    uint32_t n = t->merged + t->added, last = 0;
    uint64_t before = 0;

    for (uint32_t i = 1; i < n; i++) {
        struct tdigest_node *to = &t->nodes[last];
        double both = (double)(to->weight + t->nodes[i].weight);

        if (both <= room(t, (double)before, both, span)) {
            join(to, &t->nodes[i]);
            continue;
        }
        before += to->weight;
        t->nodes[++last] = t->nodes[i];
    }
    t->merged = last + 1;
    t->added = 0;
}

static void compress(struct tdigest *t) {
    qsort(t->nodes, t->merged + t->added, sizeof *t->nodes, by_mean);
    /* the first pass leaves about `compression` nodes; the loop is for digests from outside */
    for (double span = 2 * M_PI; t->merged + t->added > t->cap / 2; span *= 2)
        merge_neighbours(t, span);
    t->merged_weight = t->weight;
    t->compressions += t->compressions < INT64_MAX;
}

bool tdigest_add(struct tdigest *t, double v, uint64_t weight) {
    if (weight > TDIGEST_WEIGHT_MAX - t->weight) return false;
    if (t->weight == 0 || v < t->min) t->min = v;
    if (t->weight == 0 || v > t->max) t->max = v;
    t->nodes[t->merged + t->added++] = (struct tdigest_node){v, weight};
    t->weight += weight;
    if (t->merged + t->added == t->cap) compress(t);
    return true;
}

bool tdigest_add_all(struct tdigest *t, const struct tdigest *from) {
    for (uint32_t i = 0; i < from->merged + from->added; i++)
        if (!tdigest_add(t, from->nodes[i].mean, from->nodes[i].weight)) return false;
    if (from->weight == 0) return true;
    if (from->min < t->min) t->min = from->min;
    if (from->max > t->max) t->max = from->max;
    return true;
}

/* ---------------------------------------------------------------- estimates */

void tdigest_look(const struct tdigest *t, struct tdigest_view *v) {
    uint64_t sum = 0;

    *v = (struct tdigest_view){.t = t, .n = t->merged + t->added};
    if (v->n == 0) return;
    v->nodes = mem_dup(t->nodes, v->n * sizeof *v->nodes);
    v->before = mem_alloc(v->n * sizeof *v->before);
    if (t->added > 0) qsort(v->nodes, v->n, sizeof *v->nodes, by_mean);
    for (uint32_t i = 0; i < v->n; i++) {
        v->before[i] = sum;
        sum += v->nodes[i].weight;
    }
}

void tdigest_view_release(struct tdigest_view *v) {
    mem_free(v->nodes);
    mem_free(v->before);
}

/* A place in the order of all numbers, and the number there. */
struct point {
    double place, x;
};

/* Where the straight line that leads to node i ends, and where the one that leads away from it
 * begins: a node of weight 1 has its place for itself. */
static struct point line_to(const struct tdigest_view *v, uint32_t i) {
    const struct tdigest_node *n = &v->nodes[i];
    double before = (double)v->before[i];

    return (struct point){n->weight == 1 ? before : before + (double)n->weight / 2, n->mean};
}

static struct point line_from(const struct tdigest_view *v, uint32_t i) {
    const struct tdigest_node *n = &v->nodes[i];
    double before = (double)v->before[i];

    return (struct point){n->weight == 1 ? before + 1 : before + (double)n->weight / 2, n->mean};
}

/* The line that leads to node i; v->n: to the end of all. */
static void line_before(const struct tdigest_view *v, uint32_t i, struct point *from,
                        struct point *to) {
    *from = i > 0 ? line_from(v, i - 1) : (struct point){0, v->t->min};
    *to = i < v->n ? line_to(v, i) : (struct point){(double)v->t->weight, v->t->max};
}

static double between(double at, double from, double to, double low, double high) {
    double part = to > from ? (at - from) / (to - from) : 0;
    double step = (high - low) * part;

    return isfinite(step) ? low + step : low * (1 - part) + high * part;
}

/* The last node that begins at `place` or before it. */
static uint32_t node_at(const struct tdigest_view *v, double place) {
    uint32_t low = 0, high = v->n;

    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;

        if ((double)v->before[mid] <= place)
            low = mid;
        else
            high = mid;
    }
    return low;
}

double tdigest_at(const struct tdigest_view *v, double place) {
    struct point from, to;
    uint32_t i;

    if (place >= (double)v->t->weight) return v->t->max;
    i = node_at(v, place);
    if (v->nodes[i].weight == 1) return v->nodes[i].mean;
    if (place >= line_from(v, i).place) i++;
    line_before(v, i, &from, &to);
    return between(place, from.place, to.place, from.x, to.x);
}

/* The first node whose mean is not below x, or above it. */
static uint32_t first_node(const struct tdigest_view *v, double x, bool above) {
    uint32_t low = 0, high = v->n;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (v->nodes[mid].mean < x || (above && v->nodes[mid].mean == x))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

double tdigest_below(const struct tdigest_view *v, double x) {
    uint32_t first = first_node(v, x, false), end = first_node(v, x, true);
    double all = (double)v->t->weight;
    struct point from, to;

    if (x < v->t->min) return 0;
    if (x > v->t->max) return all;
    if (first < end) { /* nodes at x: half of them */
        double below = (double)v->before[first], after = end < v->n ? (double)v->before[end] : all;

        return below + (after - below) / 2;
    }
    line_before(v, first, &from, &to);
    return between(x, from.x, to.x, from.place, to.place);
}

double tdigest_mean(const struct tdigest_view *v, double from, double to) {
    double mean = 0, weight = 0;

    for (uint32_t i = 0; i < v->n; i++) {
        double begin = (double)v->before[i], end = begin + (double)v->nodes[i].weight;
        double part = (end < to ? end : to) - (begin > from ? begin : from);

        if (part <= 0) continue;
        weight += part;
        mean += (v->nodes[i].mean - mean) * (part / weight);
    }
    return weight > 0 ? mean : NAN;
}

/* ---------------------------------------------------------------- as a sketch */

static void drop(void *s) {
    tdigest_free(s);
}

/* format | compression | min | max | compressions | merged nodes | others | a node: mean, weight */
static void put_head(const void *s, struct bytes *out) {
    const struct tdigest *t = s;

    sketch_put(out, FORMAT);
    sketch_put(out, t->compression);
    sketch_put_double(out, t->min);
    sketch_put_double(out, t->max);
    sketch_put(out, t->compressions);
    sketch_put(out, t->merged);
    sketch_put(out, t->added);
    for (uint32_t i = 0; i < t->merged + t->added; i++) {
        sketch_put_double(out, t->nodes[i].mean);
        sketch_put(out, t->nodes[i].weight);
    }
}

static bool take_node(struct sketch_head *h, struct tdigest *t, bool merged, double min,
                      double max) {
    double mean = sketch_take_double(h);
    uint64_t weight = sketch_take(h);

    if (h->bad || !(mean >= min && mean <= max) || weight == 0 ||
        weight > TDIGEST_WEIGHT_MAX - t->weight)
        return false;
    if (merged && t->merged > 0 && mean < t->nodes[t->merged - 1].mean) return false;
    t->nodes[t->merged + t->added] = (struct tdigest_node){mean, weight};
    t->weight += weight;
    if (merged) t->merged_weight += weight;
    t->merged += merged;
    t->added += !merged;
    return true;
}

static bool take_nodes(struct sketch_head *h, struct tdigest *t, uint64_t merged, uint64_t added) {
    for (; merged > 0; merged--)
        if (!take_node(h, t, true, t->min, t->max)) return false;
    for (; added > 0; added--)
        if (!take_node(h, t, false, t->min, t->max)) return false;
    return sketch_head_done(h);
}

static void *make(struct slice head, uint64_t limit) {
    struct sketch_head h = {.left = head};
    uint64_t format = sketch_take(&h), compression = sketch_take(&h);
    double min = sketch_take_double(&h), max = sketch_take_double(&h);
    uint64_t compressions = sketch_take(&h), merged = sketch_take(&h), added = sketch_take(&h);
    struct tdigest *t;

    (void)limit; /* there is no body, and compressions have a limit */
    if (h.bad || format != FORMAT || compression == 0 || compression > TDIGEST_COMPRESSION_MAX ||
        !isfinite(min) || !isfinite(max) || compressions > INT64_MAX)
        return NULL;
    t = tdigest_new((uint32_t)compression);
    t->min = min;
    t->max = max;
    t->compressions = compressions;
    if (merged < t->cap && added < t->cap - merged && take_nodes(&h, t, merged, added)) return t;
    tdigest_free(t);
    return NULL;
}

static uint64_t body(const void *s) {
    (void)s;
    return 0;
}

static struct slice at(const void *s, uint64_t offset) {
    (void)s;
    (void)offset;
    CHECK(!"a body");
}

static size_t mem(const void *s) {
    const struct tdigest *t = s;

    return mem_good_size(sizeof *t) + mem_good_size(t->cap * sizeof *t->nodes);
}

static size_t effort(const void *s) {
    (void)s;
    return 2;
}

const struct sketch_ops tdigest_sketch = {drop, put_head, make, body, at, mem, effort};
