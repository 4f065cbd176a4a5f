/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/ds/listpack.h"

#include "storage/base/check.h"
#include "storage/base/mem.h"
#include "storage/ds/lp_code.h"

enum {
    HEADER = 6,
    END = LP_END,
    COUNT_UNKNOWN = 0xffff,
};

struct listpack {
    uint8_t b[1]; /* lp_bytes() of them */
};

/* ---------------------------------------------------------------- one element */

static inline uint32_t element_bytes(const uint8_t *p) {
    uint32_t body = lp_body_bytes(p);

    return body + lp_back_bytes(body);
}

/* The length of the body that ends where `end` begins, read backwards; *n: bytes it takes. */
static uint32_t get_back(const uint8_t *end, uint32_t *n) {
    uint32_t v = 0, i = 0;

    do {
        v |= (uint32_t)(end[-1 - (int)i] & 127) << (7 * i);
    } while (end[-1 - (int)i++] & 128 && i < LP_BACK_MAX);
    *n = i;
    return v;
}

static inline uint32_t code_bytes(const struct lp_code *c) {
    uint32_t body = c->n + (uint32_t)c->text.n;

    return body + lp_back_bytes(body);
}

static void put_code(uint8_t *p, const struct lp_code *c) {
    memcpy(p, c->b, c->n);
    if (c->text.n) memcpy(p + c->n, c->text.p, c->text.n);
    lp_put_back(p + c->n + c->text.n, c->n + (uint32_t)c->text.n);
}

/* ---------------------------------------------------------------- the whole */

static inline uint32_t total(const struct listpack *lp) {
    return lp_read32(lp->b);
}

static inline uint32_t stored_count(const struct listpack *lp) {
    return lp->b[4] | (uint32_t)lp->b[5] << 8;
}

static void store_count(struct listpack *lp, size_t n) {
    if (n > COUNT_UNKNOWN) n = COUNT_UNKNOWN;
    lp->b[4] = (uint8_t)n;
    lp->b[5] = (uint8_t)(n >> 8);
}

static void add_count(struct listpack *lp, long by) {
    uint32_t n = stored_count(lp);

    if (n != COUNT_UNKNOWN) store_count(lp, (size_t)((long)n + by));
}

/* Makes the run n bytes long; bytes after the old or new end are undefined. */
static void resize(struct listpack **lp, size_t n) {
    size_t old = mem_good_size(total(*lp)), now = mem_good_size(n);

    CHECK(n <= UINT32_MAX);
    if (old != now) *lp = mem_realloc(*lp, now);
    lp_write32((*lp)->b, (uint32_t)n);
}

/* Replaces `old` bytes at `at` by room for `new` ones. */
static void splice(struct listpack **lp, uint32_t at, uint32_t old, uint32_t new) {
    uint32_t n = total(*lp);

    if (new > old) resize(lp, (size_t)n + new - old);
    if (new != old) memmove((*lp)->b + at + new, (*lp)->b + at + old, n - at - old);
    if (new < old) resize(lp, n - (old - new));
}

struct listpack *lp_new(void) {
    struct listpack *lp = mem_alloc(mem_good_size(LP_EMPTY_BYTES));

    lp_write32(lp->b, LP_EMPTY_BYTES);
    store_count(lp, 0);
    lp->b[HEADER] = END;
    return lp;
}

struct listpack *lp_from_bytes(const void *p, size_t n) {
    struct listpack *lp = mem_alloc(mem_good_size(n));

    memcpy(lp, p, n);
    return lp;
}

struct listpack *lp_copy(const struct listpack *lp) {
    return lp_from_bytes(lp, total(lp));
}

void lp_free(struct listpack *lp) {
    mem_free(lp);
}

size_t lp_bytes(const struct listpack *lp) {
    return total(lp);
}

size_t lp_mem(const struct listpack *lp) {
    return mem_good_size(total(lp));
}

size_t lp_count(const struct listpack *lp) {
    size_t n = stored_count(lp);

    if (n != COUNT_UNKNOWN) return n;
    n = 0;
    for (uint32_t at = HEADER; lp->b[at] != END; at += element_bytes(lp->b + at)) n++;
    return n;
}

/* ---------------------------------------------------------------- looking */

uint32_t lp_first(const struct listpack *lp) {
    return lp->b[HEADER] == END ? 0 : HEADER;
}

uint32_t lp_next(const struct listpack *lp, uint32_t at) {
    at += element_bytes(lp->b + at);
    return lp->b[at] == END ? 0 : at;
}

uint32_t lp_prev(const struct listpack *lp, uint32_t at) {
    uint32_t n, body;

    if (at == HEADER) return 0;
    body = get_back(lp->b + at, &n);
    return at - n - body;
}

uint32_t lp_last(const struct listpack *lp) {
    return lp_prev(lp, total(lp) - 1);
}

static uint32_t from_front(const struct listpack *lp, int64_t index) {
    uint32_t at = HEADER;

    for (; index > 0 && lp->b[at] != END; index--) at += element_bytes(lp->b + at);
    return lp->b[at] == END ? 0 : at;
}

static uint32_t from_back(const struct listpack *lp, int64_t index) {
    uint32_t at = lp_last(lp);

    for (; index > 0 && at; index--) at = lp_prev(lp, at);
    return at;
}

uint32_t lp_at(const struct listpack *lp, int64_t index) {
    int64_t n = stored_count(lp);

    if (n == COUNT_UNKNOWN) return index < 0 ? from_back(lp, -1 - index) : from_front(lp, index);
    if (index < 0) index += n;
    if (index < 0 || index >= n) return 0;
    return index < n / 2 ? from_front(lp, index) : from_back(lp, n - 1 - index);
}

struct lp_value lp_get(const struct listpack *lp, uint32_t at) {
    return lp_read(lp->b + at);
}

struct lp_key lp_key_of(struct slice s) {
    struct lp_key k = {.s = s};

    k.is_int = s.n < NUM_I64_MAX && num_parse_i64(s.p, s.n, &k.v);
    return k;
}

bool lp_equal(const struct listpack *lp, uint32_t at, const struct lp_key *key) {
    struct lp_value v = lp_get(lp, at);

    if (!v.p) return key->is_int && v.v == key->v;
    return v.n == key->s.n && bytes_same(v.p, key->s.p, v.n);
}

uint32_t lp_find(const struct listpack *lp, uint32_t at, const struct lp_key *key, unsigned skip) {
    while (at && lp->b[at] != END) {
        if (lp_equal(lp, at, key)) return at;
        for (unsigned i = 0; i <= skip && lp->b[at] != END; i++) at += element_bytes(lp->b + at);
    }
    return 0;
}

/* ---------------------------------------------------------------- changing */

static uint32_t insert_code(struct listpack **lp, uint32_t at, const struct lp_code *c) {
    uint32_t n = code_bytes(c);

    if (!at) at = total(*lp) - 1;
    splice(lp, at, 0, n);
    put_code((*lp)->b + at, c);
    add_count(*lp, 1);
    return at;
}

uint32_t lp_insert(struct listpack **lp, uint32_t at, struct slice s) {
    struct lp_code c = lp_code_of(s);

    return insert_code(lp, at, &c);
}

uint32_t lp_insert_int(struct listpack **lp, uint32_t at, int64_t v) {
    struct lp_code c = lp_code_int(v);

    return insert_code(lp, at, &c);
}

static uint32_t replace_code(struct listpack **lp, uint32_t at, const struct lp_code *c) {
    splice(lp, at, element_bytes((*lp)->b + at), code_bytes(c));
    put_code((*lp)->b + at, c);
    return at;
}

uint32_t lp_replace(struct listpack **lp, uint32_t at, struct slice s) {
    struct lp_code c = lp_code_of(s);

    return replace_code(lp, at, &c);
}

uint32_t lp_replace_int(struct listpack **lp, uint32_t at, int64_t v) {
    struct lp_code c = lp_code_int(v);

    return replace_code(lp, at, &c);
}

uint32_t lp_delete(struct listpack **lp, uint32_t at, size_t n) {
    uint32_t end = at;
    long gone = 0;

    for (; n > 0 && (*lp)->b[end] != END; n--, gone++) end += element_bytes((*lp)->b + end);
    if (gone == 0) return 0;
    splice(lp, at, end - at, 0);
    if (stored_count(*lp) == COUNT_UNKNOWN && total(*lp) < 3 * COUNT_UNKNOWN)
        store_count(*lp, lp_count(*lp));
    else
        add_count(*lp, -gone);
    return (*lp)->b[at] == END ? 0 : at;
}

void lp_concat(struct listpack **to, const struct listpack *from) {
    uint32_t n = total(from) - HEADER - 1, at = total(*to) - 1;
    size_t count = lp_count(*to) + lp_count(from);

    splice(to, at, 0, n);
    memcpy((*to)->b + at, from->b + HEADER, n);
    store_count(*to, count);
}

size_t lp_element_bytes(struct slice s) {
    struct lp_code c = lp_code_of(s);

    return code_bytes(&c);
}

/* ---------------------------------------------------------------- bytes from outside */

/* The body length of the element that begins at p; 0 if its head does not fit in front of end, or
 * is none. */
static uint64_t checked_body(const uint8_t *p, const uint8_t *end) {
    size_t head = p[0] < LP_INT13 || p[0] > LP_STR32 ? 1 : p[0] < LP_STR32 ? 2 : 5;

    if (p[0] > LP_INT64 || (size_t)(end - p) < head) return 0;
    if (p[0] == LP_STR32) return 5 + (uint64_t)lp_read32(p + 1);
    return lp_body_bytes(p);
}

bool lp_check(const void *bytes, size_t n) {
    const uint8_t *b = bytes, *p = b + HEADER, *end = b + n - 1;
    size_t count = 0;

    if (n < LP_EMPTY_BYTES || n > UINT32_MAX || lp_read32(b) != n || *end != END) return false;
    for (; p < end; count++) {
        uint64_t body = checked_body(p, end), back;
        uint8_t want[LP_BACK_MAX];

        if (body == 0 || body > (uint64_t)(end - p)) return false;
        back = lp_back_bytes((uint32_t)body);
        if (body + back > (uint64_t)(end - p)) return false;
        lp_put_back(want, (uint32_t)body);
        if (back == 1 ? p[body] != want[0] : memcmp(p + body, want, back) != 0) return false;
        p += body + back;
    }
    return lp_read32(b) == n &&
           (stored_count(bytes) == COUNT_UNKNOWN || stored_count(bytes) == count);
}

bool lp_is_shortest_form(const struct listpack *lp) {
    for (const uint8_t *p = lp->b + HEADER; *p != END; p += element_bytes(p))
        if (!lp_is_shortest(p)) return false;
    return true;
}
