/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/topk.h"

#include "storage/base/hash.h"
#include "storage/base/mem.h"

#include <endian.h>
#include <math.h>
#include <stdlib.h>

enum {
    FORMAT = 1,
    TRIAL_BITS = 17, /* 2^17 is more than TOPK_STEP_MAX */
    DRAWN = 8,       /* successes of one wear_down() that are drawn one by one */
};

static struct slice key_of(const void *item) {
    return topk_name(item);
}

static bool matches(const void *item, struct slice key) {
    return slice_eq(topk_name(item), key);
}

static const struct table_ops name_ops = {key_of, matches};

static uint64_t hash_of(struct slice name) {
    return hash_bytes(name.p, name.n);
}

struct topk *topk_new(uint32_t k, uint64_t width, uint32_t depth, double decay) {
    struct topk *t = mem_calloc(sizeof *t);

    t->k = k;
    t->width = width;
    t->depth = depth;
    t->decay = decay;
    t->buckets = mem_calloc(width * depth * sizeof *t->buckets);
    t->heap = mem_calloc(k * sizeof *t->heap);
    table_init(&t->names, &name_ops);
    t->powers[0] = 1;
    for (int i = 1; i < TOPK_POWERS; i++) t->powers[i] = t->powers[i - 1] * decay;
    return t;
}

void topk_free(struct topk *t) {
    for (uint32_t i = 0; i < t->n; i++) mem_free(t->heap[i]);
    table_release(&t->names, NULL, NULL);
    mem_free(t->heap);
    mem_free(t->buckets);
    mem_free(t);
}

/* ---------------------------------------------------------------- chance */

/* SplitMix64 (G. L. Steele Jr. and others, 2014), as a number above 0, up to 1. */
static double draw(struct topk *t) {
    uint64_t z = t->chance += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return (double)((z >> 11) + 1) * 0x1p-53;
}

/* decay^count. */
static double chance_of(const struct topk *t, uint32_t count) {
    double base = t->powers[TOPK_POWERS - 1], p = t->powers[count % (TOPK_POWERS - 1)];

    for (uint32_t n = count / (TOPK_POWERS - 1); n > 0 && p > 0; n >>= 1, base *= base)
        if (n & 1) p *= base;
    return p;
}

/* Trials with the chance p up to the first that succeeds; above 2^TRIAL_BITS if it takes longer.
 * One draw: v is uniform, and the first i trials fail with the chance (1 - p)^i. */
static uint32_t trials(double p, double v) {
    double fails[TRIAL_BITS + 1], all = 1;
    uint32_t n = 0;

    fails[0] = 1 - p;
    for (int i = 1; i <= TRIAL_BITS; i++) fails[i] = fails[i - 1] * fails[i - 1];
    for (int i = TRIAL_BITS; i >= 0; i--) {
        if (all * fails[i] < v) continue;
        all *= fails[i];
        n += 1u << i;
    }
    return n + 1;
}

/* ---------------------------------------------------------------- buckets */

static uint32_t print_of(struct xxh3_wide hash) {
    return (uint32_t)(hash.high >> 32);
}

static struct topk_bucket *bucket_of(const struct topk *t, struct xxh3_wide hash, uint32_t row) {
    uint64_t at = hash.low + row * (hash.high << 1 | 1);

    return t->buckets + row * t->width + (uint64_t)((__uint128_t)at * t->width >> 64);
}

static uint32_t sum_up(uint32_t a, uint32_t b) {
    return a < UINT32_MAX - b ? a + b : UINT32_MAX;
}

/* How many successes may be taken together: half of the trials that are left have so many, and the
 * chance changes by less than half meanwhile. 0: less than one. */
static uint32_t together(const struct topk *t, uint32_t count, uint32_t n, double p) {
    double most = (n + 1) / 2 * p;

    if (t->decay < 1 && most > 0.5 / (1 - t->decay)) most = 0.5 / (1 - t->decay);
    if (most < 1 && n * p >= 2) most = 1;
    return most < count ? (uint32_t)most : count;
}

/* Another one's bucket is taken from n times; what is left of n once it is free. After some draws
 * the trials of several successes are as many as expected, so that no n takes long. */
static uint32_t wear_down(struct topk *t, uint32_t *count, uint32_t n) {
    for (int drawn = 0; n > 0;) {
        double p = chance_of(t, *count);
        uint32_t taken = drawn < DRAWN ? 0 : together(t, *count, n, p), tries;

        if (taken) {
            tries = (uint32_t)ceil(taken / chance_of(t, *count - taken / 2));
        } else {
            tries = trials(p, draw(t));
            taken = 1;
            drawn++;
        }
        if (tries > n) return 0;
        n -= tries;
        *count -= taken;
        if (*count == 0) return n + 1; /* the one that freed it counts */
    }
    return 0;
}

/* The item's count in the row afterwards, 0 if the bucket is another one's. */
static uint32_t count_in_row(struct topk *t, struct xxh3_wide hash, uint32_t row, uint32_t n) {
    struct topk_bucket *b = bucket_of(t, hash, row);
    uint32_t print = print_of(hash), count = le32toh(b->count);

    if (count > 0 && le32toh(b->print) != print) {
        n = wear_down(t, &count, n);
        b->count = htole32(count);
        if (count > 0) return 0;
    }
    count = sum_up(count, n);
    b->print = htole32(print);
    b->count = htole32(count);
    return count;
}

static uint32_t most_in_rows(const struct topk *t, struct xxh3_wide hash) {
    uint32_t most = 0;

    for (uint32_t row = 0; row < t->depth; row++) {
        const struct topk_bucket *b = bucket_of(t, hash, row);

        if (le32toh(b->print) == print_of(hash) && le32toh(b->count) > most)
            most = le32toh(b->count);
    }
    return most;
}

/* ---------------------------------------------------------------- the heap */

static void put_at(struct topk *t, uint32_t at, struct topk_item *it) {
    t->heap[at] = it;
    it->at = at;
}

/* The item at `at` has become larger, or is new there. */
static void sift_down(struct topk *t, uint32_t at) {
    struct topk_item *it = t->heap[at];

    for (uint32_t child; (child = 2 * at + 1) < t->n; at = child) {
        if (child + 1 < t->n && t->heap[child + 1]->count < t->heap[child]->count) child++;
        if (it->count <= t->heap[child]->count) break;
        put_at(t, at, t->heap[child]);
    }
    put_at(t, at, it);
}

static void sift_up(struct topk *t, uint32_t at) {
    struct topk_item *it = t->heap[at];

    for (uint32_t above; at > 0; at = above) {
        above = (at - 1) / 2;
        if (t->heap[above]->count <= it->count) break;
        put_at(t, at, t->heap[above]);
    }
    put_at(t, at, it);
}

static struct topk_item *find_item(const struct topk *t, struct slice name) {
    return table_find(&t->names, name, hash_of(name));
}

static struct topk_item *item_new(struct topk *t, struct slice name, uint32_t count) {
    struct topk_item *it = mem_alloc(sizeof *it + name.n);

    it->count = count;
    it->name_n = name.n;
    if (name.n) memcpy(it->name, name.p, name.n);
    t->item_bytes += mem_usable(it);
    table_insert(&t->names, it, hash_of(name));
    return it;
}

/* The least one makes room for another. */
static struct topk_item *replace_least(struct topk *t, struct slice name, uint32_t count) {
    struct topk_item *out = t->heap[0];

    table_remove(&t->names, out, hash_of(topk_name(out)));
    t->item_bytes -= mem_usable(out);
    put_at(t, 0, item_new(t, name, count));
    sift_down(t, 0);
    return out;
}

static void count_item(struct topk *t, struct topk_item *it, uint32_t count) {
    if (count <= it->count) return;
    it->count = count;
    sift_down(t, it->at);
}

struct topk_item *topk_add(struct topk *t, struct slice item, uint32_t n) {
    struct xxh3_wide hash = xxh3_wide(item.p, item.n);
    struct topk_item *there;
    uint32_t most = 0;

    for (uint32_t row = 0; row < t->depth; row++) {
        uint32_t count = count_in_row(t, hash, row, n);

        if (count > most) most = count;
    }
    if (most == 0 || (t->n == t->k && most < t->heap[0]->count)) return NULL;
    there = find_item(t, item);
    if (there) {
        count_item(t, there, most);
    } else if (t->n == t->k) {
        return replace_least(t, item, most);
    } else {
        put_at(t, t->n++, item_new(t, item, most));
        sift_up(t, t->n - 1);
    }
    return NULL;
}

const struct topk_item *topk_find(const struct topk *t, struct slice item) {
    return find_item(t, item);
}

uint32_t topk_count(const struct topk *t, struct slice item) {
    const struct topk_item *there = find_item(t, item);

    return there ? there->count : most_in_rows(t, xxh3_wide(item.p, item.n));
}

static int by_count(const void *a, const void *b) {
    const struct topk_item *x = *(const struct topk_item *const *)a,
                           *y = *(const struct topk_item *const *)b;

    if (x->count != y->count) return x->count < y->count ? 1 : -1;
    return slice_cmp(topk_name(x), topk_name(y));
}

void topk_sorted(const struct topk *t, const struct topk_item **out) {
    for (uint32_t i = 0; i < t->n; i++) out[i] = t->heap[i];
    if (t->n > 1) qsort(out, t->n, sizeof(*out), by_count);
}

/* ---------------------------------------------------------------- as a sketch */

static void drop(void *s) {
    topk_free(s);
}

/* format | k | width | depth | decay | chance | items | an item: count, length, name. The order is
 * the heap's: which of two items with the same count has to leave depends on it. */
static void put_head(const void *s, struct bytes *out) {
    const struct topk *t = s;

    sketch_put(out, FORMAT);
    sketch_put(out, t->k);
    sketch_put(out, t->width);
    sketch_put(out, t->depth);
    sketch_put_double(out, t->decay);
    sketch_put(out, t->chance);
    sketch_put(out, t->n);
    for (uint32_t i = 0; i < t->n; i++) {
        sketch_put(out, t->heap[i]->count);
        sketch_put(out, t->heap[i]->name_n);
        bytes_append(out, t->heap[i]->name, t->heap[i]->name_n);
    }
}

static bool take_item(struct sketch_head *h, struct topk *t) {
    uint64_t count = sketch_take(h), n = sketch_take(h);
    struct slice name;

    if (h->bad || count == 0 || count > UINT32_MAX || n > h->left.n) return false;
    if (t->n > 0 && t->heap[(t->n - 1) / 2]->count > count) return false;
    name = slice_of(h->left.p, n);
    if (find_item(t, name)) return false;
    h->left.p += n;
    h->left.n -= n;
    put_at(t, t->n, item_new(t, name, (uint32_t)count));
    t->n++;
    return true;
}

static void *make(struct slice head, uint64_t limit) {
    struct sketch_head h = {.left = head};
    uint64_t format = sketch_take(&h), k = sketch_take(&h), width = sketch_take(&h),
             depth = sketch_take(&h);
    double decay = sketch_take_double(&h);
    uint64_t chance = sketch_take(&h), n = sketch_take(&h);
    struct topk *t;

    if (h.bad || format != FORMAT || k == 0 || k > TOPK_K_MAX || width == 0 ||
        width > TOPK_WIDTH_MAX || depth == 0 || depth > TOPK_DEPTH_MAX || n > k ||
        !(decay > 0 && decay <= 1) || width * depth * sizeof(struct topk_bucket) > limit)
        return NULL;
    t = topk_new((uint32_t)k, width, (uint32_t)depth, decay);
    t->chance = chance;
    while (n > 0 && take_item(&h, t)) n--;
    if (n == 0 && sketch_head_done(&h)) return t;
    topk_free(t);
    return NULL;
}

static uint64_t body(const void *s) {
    const struct topk *t = s;

    return t->width * t->depth * sizeof *t->buckets;
}

static struct slice at(const void *s, uint64_t offset) {
    return slice_of((const char *)((const struct topk *)s)->buckets + offset, body(s) - offset);
}

static size_t mem(const void *s) {
    const struct topk *t = s;

    return mem_good_size(sizeof *t) + mem_good_size(body(s)) +
           mem_good_size(t->k * sizeof *t->heap) + t->names.mem_bytes + t->item_bytes;
}

static size_t effort(const void *s) {
    return 3 + ((const struct topk *)s)->n;
}

const struct sketch_ops topk_sketch = {drop, put_head, make, body, at, mem, effort};
