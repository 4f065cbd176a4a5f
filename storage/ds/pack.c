/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/ds/pack.h"

#include "storage/base/check.h"
#include "storage/base/hash.h"
#include "storage/base/mem.h"

enum {
    HEADER = 6,
    COUNT_UNKNOWN = 0xffff,
};

struct pack {
    uint8_t b[1]; /* pack_bytes() of them */
};

static inline uint32_t total(const struct pack *p) {
    return lp_read32(p->b);
}

static inline uint32_t stored_count(const struct pack *p) {
    return p->b[4] | (uint32_t)p->b[5] << 8;
}

static void store_count(struct pack *p, size_t n) {
    if (n > COUNT_UNKNOWN) n = COUNT_UNKNOWN;
    p->b[4] = (uint8_t)n;
    p->b[5] = (uint8_t)(n >> 8);
}

static void add_count(struct pack *p, long by) {
    uint32_t n = stored_count(p);

    if (n != COUNT_UNKNOWN) store_count(p, (size_t)((long)n + by));
}

struct pack *pack_new(void) {
    struct pack *p = mem_alloc(mem_good_size(HEADER));

    lp_write32(p->b, HEADER);
    store_count(p, 0);
    return p;
}

struct pack *pack_copy(const struct pack *p) {
    struct pack *to = mem_alloc(pack_mem(p));

    memcpy(to, p, total(p));
    return to;
}

void pack_free(struct pack *p) {
    mem_free(p);
}

static void append_value(struct pack **p, struct lp_value v) {
    struct lp_code code = v.p ? lp_code_of(slice_of(v.p, v.n)) : lp_code_int(v.v);

    pack_insert(p, 0, &code);
}

/* Makes the run n bytes long; bytes after the old or new end are undefined. */
static void resize(struct pack **p, size_t n) {
    size_t old = mem_good_size(total(*p)), now = mem_good_size(n);

    CHECK(n <= UINT32_MAX);
    if (old != now) *p = mem_realloc(*p, now);
    lp_write32((*p)->b, (uint32_t)n);
}

static struct pack *written_anew(const struct listpack *lp) {
    struct pack *p = pack_new();

    for (uint32_t at = lp_first(lp); at; at = lp_next(lp, at)) append_value(&p, lp_get(lp, at));
    return p;
}

struct pack *pack_from_listpack(const struct listpack *lp) {
    const uint8_t *from = (const uint8_t *)lp;
    struct pack *p = mem_alloc(mem_good_size(lp_bytes(lp)));
    uint8_t *to = p->b + HEADER;
    size_t n = 0;

    for (uint32_t at = lp_first(lp); at; at = lp_next(lp, at), n++) {
        uint32_t body = lp_body_bytes(from + at);

        if (!lp_is_shortest(from + at)) {
            mem_free(p);
            return written_anew(lp);
        }
        memcpy(to, from + at, body);
        to += body;
    }
    lp_write32(p->b, (uint32_t)lp_bytes(lp));
    store_count(p, n);
    resize(&p, (size_t)(to - p->b));
    return p;
}

void pack_append_listpack(const struct pack *p, struct bytes *out) {
    const uint8_t *q = p->b + HEADER, *end = p->b + total(p);
    size_t n = total(p) + 1;
    uint8_t *to, *begin;

    for (; q < end; q += lp_body_bytes(q)) n += lp_back_bytes(lp_body_bytes(q));
    CHECK(n <= UINT32_MAX);
    begin = to = (uint8_t *)bytes_room(out, n);
    lp_write32(to, (uint32_t)n);
    memcpy(to + 4, p->b + 4, 2);
    to += HEADER;
    for (q = p->b + HEADER; q < end;) {
        uint32_t body = lp_body_bytes(q);

        memcpy(to, q, body);
        to = lp_put_back(to + body, body);
        q += body;
    }
    *to++ = LP_END;
    CHECK((size_t)(to - begin) == n);
    out->n += n;
}

/* ---------------------------------------------------------------- elements that may be equal */

enum { COMPARE_MAX = 32 }; /* more of them are looked up in a table */

/* Elements have the same bytes if and only if they are equal. */
static bool same_element(const uint8_t *a, const uint8_t *b) {
    uint32_t n = lp_body_bytes(a);

    return n == lp_body_bytes(b) && bytes_same(a, b, n);
}

static bool unique_few(const struct pack *p, unsigned step) {
    for (uint32_t at = pack_first(p); at;) {
        uint32_t rest = at;

        for (unsigned i = 0; i < step && rest; i++) rest = pack_next(p, rest);
        for (uint32_t other = rest; other;) {
            if (same_element(p->b + at, p->b + other)) return false;
            for (unsigned i = 0; i < step && other; i++) other = pack_next(p, other);
        }
        at = rest;
    }
    return true;
}

static bool unique_many(const struct pack *p, unsigned step, size_t n) {
    size_t slots = 64;
    uint32_t *seen;
    bool unique = true;

    while (slots < 2 * n) slots *= 2;
    seen = mem_calloc(slots * sizeof *seen);
    for (uint32_t at = pack_first(p); at && unique;) {
        size_t i = hash_bytes(p->b + at, lp_body_bytes(p->b + at)) & (slots - 1);

        for (; seen[i] && unique; i = (i + 1) & (slots - 1))
            unique = !same_element(p->b + at, p->b + seen[i]);
        seen[i] = at;
        for (unsigned k = 0; k < step && at; k++) at = pack_next(p, at);
    }
    mem_free(seen);
    return unique;
}

bool pack_unique(const struct pack *p, unsigned step) {
    size_t n = pack_count(p) / step;

    return n <= COMPARE_MAX ? unique_few(p, step) : unique_many(p, step, n);
}

size_t pack_bytes(const struct pack *p) {
    return total(p);
}

size_t pack_mem(const struct pack *p) {
    return mem_good_size(total(p));
}

size_t pack_count(const struct pack *p) {
    size_t n = stored_count(p);

    if (n != COUNT_UNKNOWN) return n;
    n = 0;
    for (uint32_t at = pack_first(p); at; at = pack_next(p, at)) n++;
    return n;
}

/* ---------------------------------------------------------------- looking */

uint32_t pack_first(const struct pack *p) {
    return total(p) > HEADER ? HEADER : 0;
}

uint32_t pack_next(const struct pack *p, uint32_t at) {
    at += lp_body_bytes(p->b + at);
    return at < total(p) ? at : 0;
}

uint32_t pack_at(const struct pack *p, size_t index) {
    uint32_t at = pack_first(p);

    while (at && index-- > 0) at = pack_next(p, at);
    return at;
}

struct lp_value pack_get(const struct pack *p, uint32_t at) {
    return lp_read(p->b + at);
}

/* For elements whose first byte is the key's. The last byte comes first: names that are much alike
 * differ there. */
static inline bool equals(const uint8_t *q, const struct lp_code *key) {
    size_t n = key->text.n;

    if (key->n > 1 && memcmp(q + 1, key->b + 1, key->n - 1) != 0) return false;
    if (n == 0) return true;
    q += key->n;
    return q[n - 1] == (uint8_t)key->text.p[n - 1] && bytes_same(q, key->text.p, n - 1);
}

uint32_t pack_find(const struct pack *p, const struct lp_code *key, unsigned skip) {
    const uint8_t *q = p->b + HEADER, *end = p->b + total(p);
    struct lp_code k = *key;

    while (q < end) {
        if (*q == k.b[0] && equals(q, &k)) return (uint32_t)(q - p->b);
        for (unsigned i = 0; i <= skip; i++) q += lp_body_bytes(q);
    }
    return 0;
}

/* ---------------------------------------------------------------- changing */

/* Replaces `old` bytes at `at` by room for `new` ones. */
static void splice(struct pack **p, uint32_t at, uint32_t old, uint32_t new) {
    uint32_t n = total(*p);

    if (new > old) resize(p, (size_t)n + new - old);
    if (new != old) memmove((*p)->b + at + new, (*p)->b + at + old, n - at - old);
    if (new < old) resize(p, n - (old - new));
}

static uint32_t code_bytes(const struct lp_code *c) {
    return c->n + (uint32_t)c->text.n;
}

static void put(uint8_t *q, const struct lp_code *c) {
    memcpy(q, c->b, c->n);
    if (c->text.n) memcpy(q + c->n, c->text.p, c->text.n);
}

uint32_t pack_insert(struct pack **p, uint32_t at, const struct lp_code *what) {
    if (at == 0) at = total(*p);
    splice(p, at, 0, code_bytes(what));
    put((*p)->b + at, what);
    add_count(*p, 1);
    return at;
}

void pack_replace(struct pack **p, uint32_t at, const struct lp_code *what) {
    splice(p, at, lp_body_bytes((*p)->b + at), code_bytes(what));
    put((*p)->b + at, what);
}

void pack_delete(struct pack **p, uint32_t at, size_t n) {
    const uint8_t *q = (*p)->b + at;

    for (size_t i = 0; i < n; i++) q += lp_body_bytes(q);
    splice(p, at, (uint32_t)(q - ((*p)->b + at)), 0);
    add_count(*p, -(long)n);
}
