/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/ds/table.h"

#include "storage/base/check.h"
#include "storage/base/hash.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    BUCKETS_MAX = 128,
    DEPTH_MAX = 26, /* 2^26 segments, beyond 10^10 entries */
    OVERFLOW_STUCK = 255,
    TYPICAL_BYTES = 40, /* of an entry: half of those of this size lie in two lines of the cache */
};

#define ADDRESS_MASK ((UINT64_C(1) << 48) - 1)

static inline uint8_t tag_of(uint64_t hash) {
    uint8_t tag = (uint8_t)(hash >> 16);

    return tag ? tag : 1;
}

static inline uint64_t slot_of(const void *entry, uint64_t hash) {
    return (uint64_t)(uintptr_t)entry | hash << 48;
}

static inline void *entry_of(uint64_t slot) {
    return (void *)(uintptr_t)(slot & ADDRESS_MASK);
}

static inline unsigned home_of(const struct table_segment *s, uint64_t position) {
    return (unsigned)(((position & 0xffff) * s->nbuckets) >> 16);
}

static inline size_t dir_index(const struct table *t, uint64_t hash) {
    return (size_t)((hash >> 1) >> (63 - t->depth));
}

/* How many entries a segment of n buckets takes before it grows: nine slots of ten. */
static inline uint32_t capacity(unsigned n) {
    return n == 1 ? TABLE_SLOTS : n * TABLE_SLOTS * 29 / 32;
}

/* The next larger bucket count whose array is one of the allocator's size classes (mem_good_size).
 */
static unsigned next_size(unsigned n) {
    unsigned step = 1;

    while (n >= step * 8) step *= 2;
    return n + step;
}

static unsigned size_for(uint32_t count) {
    unsigned n = 1;

    while (capacity(n) < count && n < BUCKETS_MAX) n = next_size(n);
    return n;
}

/* A bit per slot of the bucket whose tag is `tag`. */
static inline unsigned tags_equal(const struct table_bucket *b, uint8_t tag) {
#ifdef __SSE2__
    __m128i tags = _mm_loadl_epi64((const __m128i *)b->tag);

    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(tags, _mm_set1_epi8((char)tag))) & 0x7f;
#else
    unsigned mask = 0;

    for (unsigned i = 0; i < TABLE_SLOTS; i++) mask |= (unsigned)(b->tag[i] == tag) << i;
    return mask;
#endif
}

static inline unsigned next_bucket(const struct table_segment *s, unsigned i) {
    return i + 1 == s->nbuckets ? 0 : i + 1;
}

void table_init(struct table *t, const struct table_ops *ops) {
    *t = (struct table){.ops = ops};
}

static struct table_segment *segment_new(struct table *t, unsigned nbuckets, unsigned depth) {
    struct table_segment *s = mem_calloc(sizeof *s);

    s->buckets = mem_calloc(nbuckets * sizeof *s->buckets);
    s->nbuckets = (uint16_t)nbuckets;
    s->depth = (uint16_t)depth;
    t->mem_bytes += sizeof *s + nbuckets * sizeof *s->buckets;
    return s;
}

static void segment_free(struct table *t, struct table_segment *s) {
    t->mem_bytes -= sizeof *s + s->nbuckets * sizeof *s->buckets;
    mem_free(s->buckets);
    mem_free(s);
}

static void dir_new(struct table *t, unsigned depth) {
    t->depth = depth;
    t->dir = mem_alloc(sizeof *t->dir << depth);
    t->mem_bytes += sizeof *t->dir << depth;
}

/* How many directory entries point to s. */
static inline size_t span_of(const struct table *t, const struct table_segment *s) {
    return (size_t)1 << (t->depth - s->depth);
}

void table_release(struct table *t, void (*free_entry)(void *entry, void *arg), void *arg) {
    if (!t->dir) return;
    if (free_entry) table_each(t, free_entry, arg);
    for (size_t i = 0, n = (size_t)1 << t->depth; i < n;) {
        struct table_segment *s = t->dir[i];

        i += span_of(t, s);
        segment_free(t, s);
    }
    mem_free(t->dir);
    table_init(t, t->ops);
}

void table_reserve(struct table *t, size_t n) {
    unsigned depth = 0;
    uint32_t each;

    CHECK(t->count == 0);
    table_release(t, NULL, NULL);
    while (depth < DEPTH_MAX && (n >> depth) > capacity(BUCKETS_MAX) * 4 / 5) depth++;
    each = (uint32_t)(n >> depth);
    dir_new(t, depth);
    for (size_t i = 0; i < (size_t)1 << depth; i++)
        t->dir[i] = segment_new(t, size_for(each + each / 12), depth);
}

/* ---------------------------------------------------------------- within a segment */

/* Puts a slot whose key is not there into a segment that has room. */
static void segment_put(struct table_segment *s, uint64_t slot, uint8_t tag) {
    unsigned i = home_of(s, slot >> 48);

    for (;; i = next_bucket(s, i)) {
        struct table_bucket *b = &s->buckets[i];
        unsigned free_slots = tags_equal(b, 0);

        if (free_slots) {
            unsigned k = (unsigned)__builtin_ctz(free_slots);

            b->slot[k] = slot;
            b->tag[k] = tag;
            s->count++;
            return;
        }
        if (b->overflow < OVERFLOW_STUCK) b->overflow++;
    }
}

static void segment_rebuild(struct table *t, struct table_segment *s, unsigned nbuckets) {
    struct table_bucket *old = s->buckets;
    unsigned n = s->nbuckets;

    s->buckets = mem_calloc(nbuckets * sizeof *s->buckets);
    s->nbuckets = (uint16_t)nbuckets;
    s->count = 0;
    for (unsigned i = 0; i < n; i++)
        for (unsigned k = 0; k < TABLE_SLOTS; k++)
            if (old[i].tag[k]) segment_put(s, old[i].slot[k], old[i].tag[k]);
    t->mem_bytes += ((size_t)nbuckets - n) * sizeof *old;
    mem_free(old);
}

/* The slot that holds `entry`, found by its address. */
/* NULL: it is not here. */
static struct table_bucket *segment_search(struct table_segment *s, const void *entry,
                                           uint64_t hash, unsigned *slot) {
    uint64_t want = slot_of(entry, hash);
    unsigned i = home_of(s, hash);

    for (unsigned left = s->nbuckets; left > 0; left--, i = next_bucket(s, i)) {
        struct table_bucket *b = &s->buckets[i];

        for (unsigned m = tags_equal(b, tag_of(hash)); m; m &= m - 1) {
            *slot = (unsigned)__builtin_ctz(m);
            if (b->slot[*slot] == want) return b;
        }
        if (!b->overflow) return NULL;
    }
    return NULL;
}

static struct table_bucket *segment_locate(struct table_segment *s, const void *entry,
                                           uint64_t hash, unsigned *slot) {
    struct table_bucket *b = segment_search(s, entry, hash, slot);

    CHECK(b);
    return b;
}

/* ---------------------------------------------------------------- the directory */

static void dir_point(struct table *t, size_t first, size_t n, struct table_segment *s) {
    for (size_t i = 0; i < n; i++) t->dir[first + i] = s;
}

static void dir_double(struct table *t) {
    struct table_segment **old = t->dir;
    size_t n = (size_t)1 << t->depth;

    CHECK(t->depth < DEPTH_MAX);
    t->mem_bytes -= sizeof *t->dir << t->depth;
    dir_new(t, t->depth + 1);
    for (size_t i = 0; i < n; i++) t->dir[2 * i] = t->dir[2 * i + 1] = old[i];
    mem_free(old);
}

/* Halves the directory while no segment needs its last bit. */
static void dir_shrink(struct table *t) {
    while (t->depth > 0) {
        size_t n = (size_t)1 << t->depth;

        for (size_t i = 0; i < n; i += span_of(t, t->dir[i]))
            if (t->dir[i]->depth == t->depth) return;
        for (size_t i = 0; i < n / 2; i++) t->dir[i] = t->dir[2 * i];
        t->mem_bytes -= sizeof *t->dir << t->depth;
        t->depth--;
        t->dir = mem_realloc(t->dir, sizeof *t->dir << t->depth);
        t->mem_bytes += sizeof *t->dir << t->depth;
    }
}

/* Calls put(hash of the entry) for all of a segment, the entries fetched a bucket ahead. */
static void segment_split(struct table *t, struct table_segment *s, size_t at) {
    unsigned n = size_for(s->count / 2 + s->count / 16), depth = s->depth + 1u;
    struct table_segment *half[2];
    size_t span;

    if (s->depth == t->depth) dir_double(t), at *= 2;
    half[0] = segment_new(t, n, depth);
    half[1] = segment_new(t, n, depth);
    for (unsigned i = 0; i < s->nbuckets; i++) {
        const struct table_bucket *b = &s->buckets[i], *ahead = b + (i + 1 < s->nbuckets);

        for (unsigned k = 0; k < TABLE_SLOTS; k++) __builtin_prefetch(entry_of(ahead->slot[k]));
        for (unsigned k = 0; k < TABLE_SLOTS; k++) {
            struct slice key;
            struct table_segment *to;

            if (!b->tag[k]) continue;
            key = t->ops->key(entry_of(b->slot[k]));
            to = half[hash_bytes(key.p, key.n) >> (64 - depth) & 1];
            if (to->count == capacity(to->nbuckets))
                segment_rebuild(t, to, next_size(to->nbuckets));
            segment_put(to, b->slot[k], b->tag[k]);
        }
    }
    span = span_of(t, s);
    at &= ~(span - 1);
    dir_point(t, at, span / 2, half[0]);
    dir_point(t, at + span / 2, span / 2, half[1]);
    segment_free(t, s);
}

/* One step of growth for the segment that `hash` leads to. */
static void grow(struct table *t, uint64_t hash) {
    size_t at = dir_index(t, hash);
    struct table_segment *s = t->dir[at];

    if (s->nbuckets < BUCKETS_MAX)
        segment_rebuild(t, s, next_size(s->nbuckets));
    else
        segment_split(t, s, at);
}

/* Two halves that together fill less than half a segment become one again. */
static bool merge_buddy(struct table *t, uint64_t hash) {
    size_t at = dir_index(t, hash), span;
    struct table_segment *s = t->dir[at], *buddy, *left, *right, *both;

    if (s->depth == 0) return false;
    span = span_of(t, s);
    at &= ~(span - 1);
    buddy = t->dir[at ^ span];
    if (buddy->depth != s->depth) return false;
    if (s->count + buddy->count > capacity(BUCKETS_MAX) / 2) return false;
    left = at & span ? buddy : s;
    right = at & span ? s : buddy;
    both = segment_new(t, size_for((left->count + right->count) * 9 / 8), s->depth - 1u);
    for (int side = 0; side < 2; side++) {
        const struct table_segment *from = side ? right : left;

        for (unsigned i = 0; i < from->nbuckets; i++)
            for (unsigned k = 0; k < TABLE_SLOTS; k++)
                if (from->buckets[i].tag[k])
                    segment_put(both, from->buckets[i].slot[k], from->buckets[i].tag[k]);
    }
    dir_point(t, at & ~span, 2 * span, both);
    segment_free(t, left);
    segment_free(t, right);
    dir_shrink(t);
    return true;
}

/* Called when a segment is less than a quarter full: makes it fit again. */
static void shrink(struct table *t, uint64_t hash) {
    struct table_segment *s = t->dir[dir_index(t, hash)];
    unsigned n = size_for(s->count * 9 / 8);

    if (s->depth > 0 && merge_buddy(t, hash)) return;
    if (n < s->nbuckets) segment_rebuild(t, s, n);
}

/* ---------------------------------------------------------------- what the header promises */

void *table_find(const struct table *t, struct slice key, uint64_t hash) {
    const struct table_segment *s;
    unsigned i;

    if (!t->dir) return NULL;
    s = t->dir[dir_index(t, hash)];
    i = home_of(s, hash);
    for (unsigned left = s->nbuckets; left > 0; left--, i = next_bucket(s, i)) {
        const struct table_bucket *b = &s->buckets[i];

        for (unsigned m = tags_equal(b, tag_of(hash)); m; m &= m - 1) {
            uint64_t slot = b->slot[__builtin_ctz(m)];
            void *entry = entry_of(slot);

            if (slot >> 48 == (hash & 0xffff) && t->ops->match(entry, key)) return entry;
        }
        if (!b->overflow) return NULL;
    }
    return NULL;
}

bool table_holds(const struct table *t, const void *entry, uint64_t hash) {
    unsigned slot;

    return t->dir && segment_search(t->dir[dir_index(t, hash)], entry, hash, &slot);
}

void table_insert(struct table *t, void *entry, uint64_t hash) {
    struct table_segment *s;

    DCHECK(((uintptr_t)entry & ~ADDRESS_MASK) == 0);
    if (!t->dir) {
        dir_new(t, 0);
        t->dir[0] = segment_new(t, 1, 0);
    }
    while (s = t->dir[dir_index(t, hash)], s->count >= capacity(s->nbuckets)) grow(t, hash);
    segment_put(s, slot_of(entry, hash), tag_of(hash));
    t->count++;
}

void table_replace(struct table *t, const void *old, void *entry, uint64_t hash) {
    unsigned k;
    struct table_bucket *b = segment_locate(t->dir[dir_index(t, hash)], old, hash, &k);

    b->slot[k] = slot_of(entry, hash);
}

void table_remove(struct table *t, const void *entry, uint64_t hash) {
    struct table_segment *s = t->dir[dir_index(t, hash)];
    unsigned k, i = home_of(s, hash);
    struct table_bucket *b = segment_locate(s, entry, hash, &k);

    b->slot[k] = 0;
    b->tag[k] = 0;
    for (; &s->buckets[i] != b; i = next_bucket(s, i))
        if (s->buckets[i].overflow < OVERFLOW_STUCK) s->buckets[i].overflow--;
    s->count--;
    t->count--;
    if (s->nbuckets > 1 && s->count * 4 < (uint32_t)s->nbuckets * TABLE_SLOTS)
        shrink(t, hash); /* s may be gone */
    else if (s->nbuckets == 1 && s->depth > 0 && s->count <= TABLE_SLOTS / 2)
        merge_buddy(t, hash);
}

void table_prefetch_bucket(const struct table *t, uint64_t hash) {
    const struct table_segment *s;

    if (!t->dir) return;
    s = t->dir[dir_index(t, hash)];
    __builtin_prefetch(&s->buckets[home_of(s, hash)]);
}

const void *table_prefetch_entry(const struct table *t, uint64_t hash) {
    const struct table_segment *s;
    const struct table_bucket *b;
    const void *first = NULL;

    if (!t->dir) return NULL;
    s = t->dir[dir_index(t, hash)];
    b = &s->buckets[home_of(s, hash)];
    for (unsigned m = tags_equal(b, tag_of(hash)); m; m &= m - 1) {
        const void *entry = entry_of(b->slot[__builtin_ctz(m)]);

        __builtin_prefetch(entry);
        __builtin_prefetch((const char *)entry + TYPICAL_BYTES - 1);
        if (!first) first = entry;
    }
    return first;
}

static void visit_home(const struct table_segment *s, unsigned home, table_visit_fn visit,
                       void *arg) {
    unsigned i = home;

    for (unsigned left = s->nbuckets; left > 0; left--, i = next_bucket(s, i)) {
        const struct table_bucket *b = &s->buckets[i];

        for (unsigned k = 0; k < TABLE_SLOTS; k++)
            if (b->tag[k] && home_of(s, b->slot[k] >> 48) == home) visit(entry_of(b->slot[k]), arg);
        if (!b->overflow) return;
    }
}

/* Cursor: depth (5 bits) | top 26 bits of the hash (26) | position (16). The depth tells whether
 * the segment was merged with its neighbour meanwhile: then it is visited from its beginning. */
uint64_t table_scan(const struct table *t, uint64_t cursor, table_visit_fn visit, void *arg) {
    uint64_t prefix = cursor >> 16 & ((1u << DEPTH_MAX) - 1), position = cursor & 0xffff;
    unsigned depth = (unsigned)(cursor >> 42 & 31), home;
    const struct table_segment *s;

    if (t->count == 0) return 0;
    s = t->dir[prefix >> (DEPTH_MAX - t->depth)];
    if (s->depth < depth) position = 0;
    home = home_of(s, position);
    visit_home(s, home, visit, arg);
    if (home + 1u < s->nbuckets) {
        position = (((uint64_t)(home + 1) << 16) + s->nbuckets - 1) / s->nbuckets;
    } else {
        prefix = ((prefix >> (DEPTH_MAX - s->depth)) + 1) << (DEPTH_MAX - s->depth);
        position = 0;
        if (prefix >> DEPTH_MAX) return 0;
    }
    return (uint64_t)s->depth << 42 | prefix << 16 | position;
}

void table_each(const struct table *t, table_visit_fn visit, void *arg) {
    if (!t->dir) return;
    for (size_t at = 0, n = (size_t)1 << t->depth; at < n;) {
        const struct table_segment *s = t->dir[at];

        at += span_of(t, s);
        for (unsigned i = 0; i < s->nbuckets; i++) {
            const struct table_bucket *b = &s->buckets[i];
            const struct table_bucket *ahead = b + (i + 2 < s->nbuckets ? 2 : 0);

            for (unsigned k = 0; k < TABLE_SLOTS; k++) __builtin_prefetch(entry_of(ahead->slot[k]));
            for (unsigned k = 0; k < TABLE_SLOTS; k++)
                if (b->tag[k]) visit(entry_of(b->slot[k]), arg);
        }
    }
}

size_t table_next(const struct table *t, struct table_iter *it, size_t max, void **entries,
                  uint64_t *hash, unsigned *depth) {
    size_t n = 0, end = t->dir ? (size_t)1 << t->depth : 0;

    while (n == 0 && it->at < end) {
        const struct table_segment *s = t->dir[it->at];
        uint64_t top = s->depth ? (uint64_t)it->at << (64 - t->depth) : 0;

        *depth = s->depth;
        for (; it->bucket < s->nbuckets && n + TABLE_SLOTS <= max; it->bucket++) {
            const struct table_bucket *b = &s->buckets[it->bucket];

            for (unsigned k = 0; k < TABLE_SLOTS; k++) {
                if (!b->tag[k]) continue;
                entries[n] = entry_of(b->slot[k]);
                __builtin_prefetch(entries[n]);
                hash[n++] = top | (uint64_t)b->tag[k] << 16 | b->slot[k] >> 48;
            }
        }
        if (it->bucket == s->nbuckets) {
            it->at += span_of(t, s);
            it->bucket = 0;
        }
    }
    return n;
}

void *table_random(const struct table *t) {
    if (t->count == 0) return NULL;
    for (;;) {
        const struct table_segment *s = t->dir[dir_index(t, rng_u64())];
        const struct table_bucket *b = &s->buckets[rng_below(s->nbuckets)];
        unsigned k = (unsigned)rng_below(TABLE_SLOTS);

        if (b->tag[k]) return entry_of(b->slot[k]);
    }
}

size_t table_sample_bucket(const struct table *t, void **out) {
    const struct table_segment *s = t->dir[dir_index(t, rng_u64())];
    const struct table_bucket *b = &s->buckets[rng_below(s->nbuckets)];
    size_t n = 0;

    for (unsigned k = 0; k < TABLE_SLOTS; k++) {
        if (!b->tag[k]) continue;
        out[n] = entry_of(b->slot[k]);
        __builtin_prefetch(out[n++]);
    }
    return n;
}

/* Of the entries that pass by, lets through n. */
struct sieve {
    size_t left, wanted;
    table_visit_fn visit;
    void *arg;
};

static void sieve_visit(void *entry, void *arg) {
    struct sieve *s = arg;

    if (rng_below(s->left--) >= s->wanted) return;
    s->wanted--;
    s->visit(entry, s->arg);
}

/* False if the address was among the 2^bits before. */
static bool note_address(uintptr_t *seen, unsigned bits, const void *entry) {
    uintptr_t address = (uintptr_t)entry;
    size_t mask = ((size_t)1 << bits) - 1;
    size_t i = address * UINT64_C(0x9e3779b97f4a7c15) >> (64 - bits);

    for (; seen[i]; i = (i + 1) & mask)
        if (seen[i] == address) return false;
    seen[i] = address;
    return true;
}

void table_sample(const struct table *t, size_t n, table_visit_fn visit, void *arg) {
    struct sieve s = {t->count, n, visit, arg};
    unsigned bits = 4;
    uintptr_t *seen;

    if (n > t->count / 3) {
        table_each(t, sieve_visit, &s);
        return;
    }
    while ((size_t)1 << bits < 2 * n) bits++;
    seen = mem_calloc(sizeof *seen << bits);
    while (n > 0) {
        void *entry = table_random(t);

        if (!note_address(seen, bits, entry)) continue;
        visit(entry, arg);
        n--;
    }
    mem_free(seen);
}
