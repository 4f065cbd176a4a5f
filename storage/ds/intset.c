/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/ds/intset.h"

#include "storage/base/mem.h"

#include <string.h>

struct intset {
    uint32_t width;
    uint32_t n;
    char v[];
};

static unsigned width_for(int64_t v) {
    if (v == (int16_t)v) return 2;
    return v == (int32_t)v ? 4 : 8;
}

static size_t bytes_of(size_t n, unsigned width) {
    return sizeof(struct intset) + n * width;
}

static inline int64_t read_at(const char *p, unsigned width) {
    int64_t v8;
    int32_t v4;
    int16_t v2;

    if (width == 2) return memcpy(&v2, p, 2), v2;
    if (width == 4) return memcpy(&v4, p, 4), v4;
    return memcpy(&v8, p, 8), v8;
}

/* The low bytes of an integer are those of a narrower one: this is a little endian machine. */
static inline void write_at(char *p, unsigned width, int64_t v) {
    memcpy(p, &v, width);
}

struct intset *intset_new(void) {
    struct intset *s = mem_alloc(mem_good_size(sizeof *s));

    *s = (struct intset){.width = 2};
    return s;
}

struct intset *intset_from_bytes(const void *p, size_t n) {
    struct intset *s = mem_alloc(mem_good_size(n));

    memcpy(s, p, n);
    return s;
}

struct intset *intset_copy(const struct intset *s) {
    return intset_from_bytes(s, intset_bytes(s));
}

void intset_free(struct intset *s) {
    mem_free(s);
}

size_t intset_len(const struct intset *s) {
    return s->n;
}

size_t intset_bytes(const struct intset *s) {
    return bytes_of(s->n, s->width);
}

size_t intset_mem(const struct intset *s) {
    return mem_good_size(intset_bytes(s));
}

int64_t intset_get(const struct intset *s, size_t i) {
    return read_at(s->v + i * s->width, s->width);
}

/* How many are smaller than v. */
static size_t rank_of(const struct intset *s, int64_t v) {
    size_t lo = 0, hi = s->n;

    if (hi && intset_get(s, hi - 1) < v) return hi; /* rising values are the usual order */
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (intset_get(s, mid) < v)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

size_t intset_rank(const struct intset *s, int64_t v, size_t from) {
    size_t step = 1, lo = from, hi = from;

    while (hi < s->n && intset_get(s, hi) < v) {
        lo = hi + 1;
        hi += step;
        step *= 2;
    }
    if (hi > s->n) hi = s->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (intset_get(s, mid) < v)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool holds_at(const struct intset *s, size_t i, int64_t v) {
    return i < s->n && intset_get(s, i) == v;
}

bool intset_has(const struct intset *s, int64_t v) {
    return width_for(v) <= s->width && holds_at(s, rank_of(s, v), v);
}

/* Room for n integers of this width; what is there stays as it is. */
static void resize(struct intset **s, size_t n, unsigned width) {
    size_t had = intset_mem(*s), want = mem_good_size(bytes_of(n, width));

    if (want != had) *s = mem_realloc(*s, want);
}

/* Widens all, from the last one on. */
static void widen(struct intset *s, unsigned width) {
    for (size_t i = s->n; i-- > 0;) write_at(s->v + i * width, width, intset_get(s, i));
    s->width = width;
}

bool intset_add(struct intset **set, int64_t v) {
    struct intset *s = *set;
    unsigned width = width_for(v);
    size_t at = rank_of(s, v);

    if (holds_at(s, at, v)) return false;
    if (width < s->width) width = s->width;
    resize(set, s->n + 1u, width);
    s = *set;
    if (width > s->width) widen(s, width);
    memmove(s->v + (at + 1) * width, s->v + at * width, (s->n - at) * width);
    write_at(s->v + at * width, width, v);
    s->n++;
    return true;
}

bool intset_remove(struct intset **set, int64_t v) {
    struct intset *s = *set;
    size_t at = rank_of(s, v), had = intset_mem(s);

    if (!holds_at(s, at, v)) return false;
    memmove(s->v + at * s->width, s->v + (at + 1) * s->width, (s->n - at - 1) * s->width);
    s->n--;
    if (intset_mem(s) != had) *set = mem_realloc(s, intset_mem(s));
    return true;
}

bool intset_check(const void *p, size_t n) {
    struct intset head;
    const char *v = (const char *)p + sizeof head;
    unsigned w;

    if (n < sizeof head) return false;
    memcpy(&head, p, sizeof head);
    w = head.width;
    if (w != 2 && w != 4 && w != 8) return false;
    if (head.n == 0 || n != bytes_of(head.n, w)) return false;
    for (size_t i = 1; i < head.n; i++)
        if (read_at(v + (i - 1) * w, w) >= read_at(v + i * w, w)) return false;
    return true;
}
