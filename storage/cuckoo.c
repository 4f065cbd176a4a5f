/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/cuckoo.h"

#include "storage/base/check.h"
#include "storage/base/mem.h"
#include "storage/base/xxh3.h"

enum { FORMAT = 1, FINGERPRINTS = 255 };

#define MOST_BUCKETS (UINT64_C(1) << 48)

/* An odd number that spreads a fingerprint over the bits of a bucket's number: 2^64 divided by the
 * golden ratio. */
#define SPREAD UINT64_C(0x9e3779b97f4a7c15)

/* ---------------------------------------------------------------- shapes */

static uint64_t power_above(uint64_t n) {
    uint64_t p = 1;

    while (p < n) p *= 2;
    return p;
}

/* 0: more than there can be. */
static uint64_t first_buckets(const struct cuckoo_shape *shape) {
    uint64_t n = power_above(shape->capacity / shape->bucket_size);

    return n <= MOST_BUCKETS ? n : 0;
}

uint64_t cuckoo_first_bytes(const struct cuckoo_shape *shape) {
    uint64_t n = first_buckets(shape);

    return n ? n * shape->bucket_size : UINT64_MAX;
}

static void add_layer(struct cuckoo *c, uint64_t buckets) {
    c->layers[c->n++] = (struct cuckoo_layer){buckets, mem_calloc(buckets * c->bucket_size)};
}

struct cuckoo *cuckoo_new(const struct cuckoo_shape *shape) {
    struct cuckoo *c = mem_calloc(sizeof *c);

    c->bucket_size = shape->bucket_size;
    c->max_moves = shape->max_moves;
    c->expansion = shape->expansion ? (uint32_t)power_above(shape->expansion) : 0;
    add_layer(c, first_buckets(shape));
    return c;
}

void cuckoo_free(struct cuckoo *c) {
    for (unsigned i = 0; i < c->n; i++) mem_free(c->layers[i].data);
    mem_free(c);
}

uint64_t cuckoo_buckets(const struct cuckoo *c) {
    uint64_t sum = 0;

    for (unsigned i = 0; i < c->n; i++) sum += c->layers[i].buckets;
    return sum;
}

uint64_t cuckoo_bytes(const struct cuckoo *c) {
    return cuckoo_buckets(c) * c->bucket_size;
}

static bool grow(struct cuckoo *c, uint64_t limit) {
    uint64_t buckets = c->layers[0].buckets;

    if (!c->expansion || c->n == CUCKOO_LAYERS_MAX) return false;
    for (unsigned i = 0; i < c->n && buckets <= MOST_BUCKETS; i++) buckets *= c->expansion;
    if (buckets > MOST_BUCKETS || cuckoo_bytes(c) + buckets * c->bucket_size > limit) return false;
    add_layer(c, buckets);
    return true;
}

/* ---------------------------------------------------------------- buckets */

uint64_t cuckoo_hash(struct slice item) {
    return xxh3(item.p, item.n, NULL);
}

/* The highest bits, which numbers of buckets do not reach. */
static uint8_t fingerprint(uint64_t hash) {
    return (uint8_t)((hash >> 48) % FINGERPRINTS + 1);
}

static uint64_t other_bucket(const struct cuckoo_layer *l, uint64_t bucket, uint8_t print) {
    return (bucket ^ print * SPREAD) & (l->buckets - 1);
}

static uint8_t *find_in(const struct cuckoo *c, const struct cuckoo_layer *l, uint64_t bucket,
                        uint8_t print) {
    return memchr(l->data + bucket * c->bucket_size, print, c->bucket_size);
}

/* A place of layer `l` that holds `print` (0: a free one), in one of the two buckets of an item. */
static uint8_t *find(const struct cuckoo *c, const struct cuckoo_layer *l, uint64_t hash,
                     uint8_t print) {
    uint64_t bucket = hash & (l->buckets - 1);
    uint8_t *place = find_in(c, l, bucket, print);

    if (place) return place;
    return find_in(c, l, other_bucket(l, bucket, fingerprint(hash)), print);
}

static uint64_t count_in(const struct cuckoo *c, const struct cuckoo_layer *l, uint64_t bucket,
                         uint8_t print) {
    const uint8_t *at = l->data + bucket * c->bucket_size;
    uint64_t n = 0;

    for (uint32_t i = 0; i < c->bucket_size; i++) n += at[i] == print;
    return n;
}

uint64_t cuckoo_count(const struct cuckoo *c, uint64_t hash) {
    uint8_t print = fingerprint(hash);
    uint64_t n = 0;

    for (unsigned i = 0; i < c->n; i++) {
        const struct cuckoo_layer *l = &c->layers[i];
        uint64_t one = hash & (l->buckets - 1), other = other_bucket(l, one, print);

        n += count_in(c, l, one, print);
        if (other != one) n += count_in(c, l, other, print);
    }
    return n;
}

bool cuckoo_has(const struct cuckoo *c, uint64_t hash) {
    for (unsigned i = c->n; i-- > 0;)
        if (find(c, &c->layers[i], hash, fingerprint(hash))) return true;
    return false;
}

bool cuckoo_delete(struct cuckoo *c, uint64_t hash) {
    for (unsigned i = c->n; i-- > 0;) {
        uint8_t *place = find(c, &c->layers[i], hash, fingerprint(hash));

        if (!place) continue;
        *place = 0;
        if (c->items > 0) c->items--;
        c->deleted += c->deleted < INT64_MAX; /* what RESTORE brings may be as large as that */
        return true;
    }
    return false;
}

/* ---------------------------------------------------------------- adding */

/* A fingerprint in hand, and the bucket that it goes to. */
struct moving {
    uint64_t bucket;
    uint8_t print;
};

static void swap(const struct cuckoo *c, const struct cuckoo_layer *l, struct moving *m,
                 uint64_t move) {
    uint8_t *place = l->data + m->bucket * c->bucket_size + move % c->bucket_size, was = *place;

    *place = m->print;
    m->print = was;
}

/* Move i puts the fingerprint in hand in place i of its bucket, and takes the one that stood there
 * to its other bucket. So the last move can be taken back from what is in hand. */
static bool make_room(const struct cuckoo *c, const struct cuckoo_layer *l, uint64_t hash,
                      struct cuckoo_means *means) {
    struct moving m = {hash & (l->buckets - 1), fingerprint(hash)};
    uint64_t most = means->moves < c->max_moves ? means->moves : c->max_moves, i = 0;

    for (; i < most; i++) {
        uint8_t *place;

        swap(c, l, &m, i);
        m.bucket = other_bucket(l, m.bucket, m.print);
        place = find_in(c, l, m.bucket, 0);
        if (!place) continue;
        *place = m.print;
        means->moves -= i + 1;
        return true;
    }
    while (i-- > 0) {
        m.bucket = other_bucket(l, m.bucket, m.print);
        swap(c, l, &m, i);
    }
    means->moves -= most;
    return false;
}

bool cuckoo_add(struct cuckoo *c, uint64_t hash, struct cuckoo_means *means) {
    uint8_t *place = NULL;

    for (unsigned i = c->n; !place && i-- > 0;) place = find(c, &c->layers[i], hash, 0);
    if (!place && !make_room(c, &c->layers[c->n - 1], hash, means)) {
        if (!grow(c, means->limit)) {
            means->moves = 0;
            return false;
        }
        place = find(c, &c->layers[c->n - 1], hash, 0);
    }
    if (place) *place = fingerprint(hash); /* otherwise a move has put it somewhere */
    c->items += c->items < INT64_MAX;
    return true;
}

/* ---------------------------------------------------------------- as a sketch */

static void drop(void *s) {
    cuckoo_free(s);
}

/* format | bucket size | moves | expansion | items | deleted | layers | buckets of each */
static void put_head(const void *s, struct bytes *out) {
    const struct cuckoo *c = s;

    sketch_put(out, FORMAT);
    sketch_put(out, c->bucket_size);
    sketch_put(out, c->max_moves);
    sketch_put(out, c->expansion);
    sketch_put(out, c->items);
    sketch_put(out, c->deleted);
    sketch_put(out, c->n);
    for (unsigned i = 0; i < c->n; i++) sketch_put(out, c->layers[i].buckets);
}

static bool is_power(uint64_t n) {
    return n != 0 && (n & (n - 1)) == 0;
}

static bool take_layers(struct sketch_head *h, struct cuckoo *c, uint64_t n, uint64_t left) {
    for (; n > 0; n--) {
        uint64_t buckets = sketch_take(h);

        if (h->bad || !is_power(buckets) || buckets > left / c->bucket_size ||
            buckets > MOST_BUCKETS)
            return false;
        left -= buckets * c->bucket_size;
        add_layer(c, buckets);
    }
    return sketch_head_done(h);
}

static void *make(struct slice head, uint64_t limit) {
    struct sketch_head h = {.left = head};
    uint64_t format = sketch_take(&h), size = sketch_take(&h), moves = sketch_take(&h),
             expansion = sketch_take(&h), items = sketch_take(&h), deleted = sketch_take(&h),
             n = sketch_take(&h);
    struct cuckoo *c;

    if (h.bad || format != FORMAT || size == 0 || size > CUCKOO_BUCKET_MAX || moves == 0 ||
        moves > CUCKOO_MOVES_MAX || expansion > CUCKOO_EXPANSION_MAX ||
        (expansion && !is_power(expansion)) || items > INT64_MAX || deleted > INT64_MAX || n == 0 ||
        n > CUCKOO_LAYERS_MAX)
        return NULL;
    c = mem_calloc(sizeof *c);
    c->bucket_size = (uint32_t)size;
    c->max_moves = (uint32_t)moves;
    c->expansion = (uint32_t)expansion;
    c->items = items;
    c->deleted = deleted;
    if (take_layers(&h, c, n, limit)) return c;
    cuckoo_free(c);
    return NULL;
}

static uint64_t body(const void *s) {
    return cuckoo_bytes(s);
}

static struct slice at(const void *s, uint64_t offset) {
    const struct cuckoo *c = s;
    unsigned i = 0;

    for (; offset >= c->layers[i].buckets * c->bucket_size; i++) {
        offset -= c->layers[i].buckets * c->bucket_size;
        CHECK(i + 1 < c->n);
    }
    return slice_of(c->layers[i].data + offset, c->layers[i].buckets * c->bucket_size - offset);
}

static size_t mem(const void *s) {
    const struct cuckoo *c = s;
    size_t sum = mem_good_size(sizeof *c);

    for (unsigned i = 0; i < c->n; i++) sum += mem_good_size(c->layers[i].buckets * c->bucket_size);
    return sum;
}

static size_t effort(const void *s) {
    return 1 + ((const struct cuckoo *)s)->n;
}

const struct sketch_ops cuckoo_sketch = {drop, put_head, make, body, at, mem, effort};
