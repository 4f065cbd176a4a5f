/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/ds/hyperloglog.h"

#include <math.h>

enum {
    REGISTER_BITS = 14, /* of a hash, that choose the register */
    RANK_BITS = 64 - REGISTER_BITS,
    DENSE = 0,
    SPARSE = 1,
    ENCODING_AT = 4,
    CARD_AT = 8,
    OUTDATED = 0x80, /* in the last byte of the cardinality */
    ZERO_MAX = 64,   /* registers in one run of each kind */
    VALUE_MAX = 32,  /* the largest value that a run can have */
    VALUE_RUN_MAX = 4,
    MERGE_RUNS = 5, /* looked at after a change */
};

/* ---------------------------------------------------------------- hash */

/* MurmurHash64A (Austin Appleby, public domain) with Redis' seed. */
static uint64_t hash_element(const char *p, size_t n) {
    const uint64_t m = UINT64_C(0xc6a4a7935bd1e995);
    uint64_t h = UINT64_C(0xadc83b19) ^ (n * m), k;

    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&k, p, 8);
        k *= m;
        k ^= k >> 47;
        h = (h ^ k * m) * m;
    }
    if (n) {
        k = 0;
        memcpy(&k, p, n);
        h = (h ^ k) * m;
    }
    h = (h ^ h >> 47) * m;
    return h ^ h >> 47;
}

struct hll_mark hll_mark_of(struct slice element) {
    uint64_t h = hash_element(element.p, element.n);
    uint64_t rank = h >> REGISTER_BITS | UINT64_C(1) << RANK_BITS;

    return (struct hll_mark){h & (HLL_REGISTERS - 1), (uint8_t)(1 + __builtin_ctzll(rank))};
}

/* ---------------------------------------------------------------- header */

bool hll_is_one(struct slice s) {
    if (s.n < HLL_HEADER || memcmp(s.p, "HYLL", 4) != 0) return false;
    return s.p[ENCODING_AT] == SPARSE || (s.p[ENCODING_AT] == DENSE && s.n == HLL_DENSE_BYTES);
}

bool hll_is_dense(struct slice s) {
    return s.p[ENCODING_AT] == DENSE;
}

bool hll_cached(struct slice s, uint64_t *count) {
    if (s.p[CARD_AT + 7] & OUTDATED) return false;
    memcpy(count, s.p + CARD_AT, sizeof *count);
    return true;
}

void hll_put_cached(char *p, uint64_t count) {
    memcpy(p + CARD_AT, &count, sizeof count);
}

void hll_outdate(char *p) {
    p[CARD_AT + 7] |= (char)OUTDATED;
}

/* ---------------------------------------------------------------- runs of a sparse one */

struct run {
    uint32_t at, bytes;
    uint32_t first, n; /* registers */
    uint8_t value;
};

/* A run that begins at the byte `at` and the register `first`; false at the end of the bytes. It
 * may lead beyond the last register. */
static bool read_run(struct slice s, uint32_t at, uint32_t first, struct run *r) {
    uint8_t b = at < s.n ? (uint8_t)s.p[at] : 0;
    struct run to = {.at = at, .first = first, .bytes = (b & 0xc0) == 0x40 ? 2 : 1};

    if (at + to.bytes > s.n) return false;
    if (b & 0x80) {
        to.value = (b >> 2 & 31) + 1;
        to.n = (b & 3) + 1;
    } else if (b & 0x40) {
        to.n = ((uint32_t)(b & 63) << 8 | (uint8_t)s.p[at + 1]) + 1;
    } else {
        to.n = b + 1u;
    }
    *r = to;
    return true;
}

/* For runs from the beginning: while (next_run(s, &r)). Begin with {.at = HLL_HEADER}. */
static bool next_run(struct slice s, struct run *r) {
    return read_run(s, r->at + r->bytes, r->first + r->n, r);
}

static bool fits(const struct run *r) {
    return r->first + r->n <= HLL_REGISTERS;
}

/* Whether a walk that has ended has come to the end of all. */
static bool is_complete(const struct run *r, struct slice s) {
    return r->first + r->n == HLL_REGISTERS && r->at + r->bytes == s.n;
}

static uint8_t value_run(uint8_t value, uint32_t n) {
    return (uint8_t)(0x80 | (value - 1) << 2 | (n - 1));
}

/* Appends n registers of one value to an edit. */
static void put_run(struct hll_edit *e, uint8_t value, uint32_t n) {
    if (n == 0) return;
    if (value) {
        e->now[e->n++] = value_run(value, n);
    } else if (n <= ZERO_MAX) {
        e->now[e->n++] = (uint8_t)(n - 1);
    } else {
        e->now[e->n++] = (uint8_t)(0x40 | (n - 1) >> 8);
        e->now[e->n++] = (uint8_t)(n - 1);
    }
}

/* ---------------------------------------------------------------- adding */

static uint8_t dense_get(const uint8_t *reg, uint32_t i) {
    const uint8_t *p = reg + i / 4 * 3;

    switch (i % 4) {
    case 0: return p[0] & 63;
    case 1: return (uint8_t)(p[0] >> 6 | p[1] << 2) & 63;
    case 2: return (uint8_t)(p[1] >> 4 | p[2] << 4) & 63;
    default: return p[2] >> 2;
    }
}

void hll_write(char *p, struct hll_mark m) {
    uint8_t *at = (uint8_t *)p + HLL_HEADER + m.reg / 4 * 3;
    uint32_t shift = m.reg % 4 * 6, word = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16;

    word = (word & ~(63u << shift)) | (uint32_t)m.value << shift;
    at[0] = (uint8_t)word;
    at[1] = (uint8_t)(word >> 8);
    at[2] = (uint8_t)(word >> 16);
}

void hll_write_all(char *p, const uint8_t reg[HLL_REGISTERS]) {
    uint8_t *at = (uint8_t *)p + HLL_HEADER;

    for (int i = 0; i < HLL_REGISTERS; i += 4, at += 3) {
        at[0] = (uint8_t)(reg[i] | reg[i + 1] << 6);
        at[1] = (uint8_t)(reg[i + 1] >> 2 | reg[i + 2] << 4);
        at[2] = (uint8_t)(reg[i + 2] >> 4 | reg[i + 3] << 2);
    }
}

static enum hll_result look_at_sparse(struct slice s, struct hll_mark m, size_t sparse_max,
                                      struct hll_edit *edit) {
    struct run r = {.at = HLL_HEADER};
    uint32_t before = HLL_HEADER;

    if (m.value > VALUE_MAX) return HLL_GROW;
    for (;;) {
        if (!next_run(s, &r)) return HLL_CORRUPT;
        if (m.reg < r.first + r.n) break;
        before = r.at;
    }
    if (r.value >= m.value) return HLL_SAME;
    *edit = (struct hll_edit){.at = r.at, .old = r.bytes, .merge_from = before};
    put_run(edit, r.value, m.reg - r.first);
    put_run(edit, m.value, 1);
    put_run(edit, r.value, r.first + r.n - 1 - m.reg);
    if (edit->n > edit->old && s.n + edit->n - edit->old > sparse_max) return HLL_GROW;
    return HLL_EDIT;
}

enum hll_result hll_look(struct slice s, struct hll_mark m, size_t sparse_max,
                         struct hll_edit *edit) {
    if (!hll_is_dense(s)) return look_at_sparse(s, m, sparse_max, edit);
    return dense_get((const uint8_t *)s.p + HLL_HEADER, m.reg) >= m.value ? HLL_SAME : HLL_WRITE;
}

/* Joins neighbouring runs of one value where they fit into one, among a few from `at` on. Returns
 * how many bytes are left. */
static size_t merge_runs(uint8_t *p, size_t n, size_t at) {
    for (int i = 0; i < MERGE_RUNS && at < n; i++) {
        uint8_t here = p[at], next = at + 1 < n ? p[at + 1] : 0;
        uint32_t sum = (here & 3u) + (next & 3u) + 2;

        if (!(here & 0x80)) {
            at += here & 0x40 ? 2 : 1;
        } else if (next & 0x80 && here >> 2 == next >> 2 && sum <= VALUE_RUN_MAX) {
            p[at + 1] = value_run((here >> 2 & 31) + 1, sum);
            memmove(p + at, p + at + 1, n - at - 1);
            n--;
        } else {
            at++;
        }
    }
    return n;
}

size_t hll_apply(char *p, size_t n, const struct hll_edit *edit) {
    size_t end = edit->at + edit->old, now = n + edit->n - edit->old;

    memmove(p + edit->at + edit->n, p + end, n - end);
    memcpy(p + edit->at, edit->now, edit->n);
    return merge_runs((uint8_t *)p, now, edit->merge_from);
}

void hll_make_empty(char out[HLL_EMPTY_BYTES]) {
    static const char header[HLL_HEADER] = {'H', 'Y', 'L', 'L', SPARSE};

    memcpy(out, header, sizeof header);
    out[HLL_HEADER] = 0x40 | (HLL_REGISTERS - 1) >> 8;
    out[HLL_HEADER + 1] = (char)((HLL_REGISTERS - 1) & 255);
}

bool hll_to_dense(struct slice s, char out[HLL_DENSE_BYTES]) {
    struct run r = {.at = HLL_HEADER};

    if (hll_is_dense(s)) {
        memcpy(out, s.p, HLL_DENSE_BYTES);
        return true;
    }
    memset(out, 0, HLL_DENSE_BYTES);
    memcpy(out, s.p, HLL_HEADER);
    out[ENCODING_AT] = DENSE;
    while (next_run(s, &r) && fits(&r))
        for (uint32_t i = 0; r.value && i < r.n; i++)
            hll_write(out, (struct hll_mark){r.first + i, r.value});
    return is_complete(&r, s);
}

/* ---------------------------------------------------------------- counting */

/* How many registers have each value. Four of them at a time, so that counting one does not wait
 * for the one before. */
static void dense_histogram(const uint8_t *p, uint32_t count[HLL_VALUE_MAX + 1]) {
    uint32_t part[4][HLL_VALUE_MAX + 1] = {{0}};

    for (int i = 0; i < HLL_REGISTERS / 4; i++, p += 3) {
        uint32_t word = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;

        part[0][word & 63]++;
        part[1][word >> 6 & 63]++;
        part[2][word >> 12 & 63]++;
        part[3][word >> 18]++;
    }
    for (int v = 0; v <= HLL_VALUE_MAX; v++)
        count[v] = part[0][v] + part[1][v] + part[2][v] + part[3][v];
}

static bool sparse_histogram(struct slice s, uint32_t count[HLL_VALUE_MAX + 1]) {
    struct run r = {.at = HLL_HEADER};

    memset(count, 0, (HLL_VALUE_MAX + 1) * sizeof *count);
    while (next_run(s, &r) && fits(&r)) count[r.value] += r.n;
    return is_complete(&r, s);
}

/* The estimator of Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches"
 * (arXiv:1702.01284), algorithm 6, in the order of operations that Redis has: the results are the
 * same to the last digit. */
static double sigma(double x) {
    double y = 1, z = x, before;

    if (x == 1) return INFINITY;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (before != z);
    return z;
}

static double tau(double x) {
    double y = 1, z = 1 - x, before;

    if (x == 0 || x == 1) return 0;
    do {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        z -= pow(1 - x, 2) * y;
    } while (before != z);
    return z / 3;
}

static uint64_t estimate(const uint32_t count[HLL_VALUE_MAX + 1]) {
    const double alpha = 0.721347520444481703680; /* 1 / (2 ln 2) */
    double m = HLL_REGISTERS, z = m * tau((m - count[RANK_BITS + 1]) / m);

    for (int v = RANK_BITS; v >= 1; v--) {
        z += count[v];
        z *= 0.5;
    }
    z += m * sigma(count[0] / m);
    return (uint64_t)llroundl(alpha * m * m / z);
}

bool hll_count(struct slice s, uint64_t *n) {
    uint32_t count[HLL_VALUE_MAX + 1];

    if (hll_is_dense(s))
        dense_histogram((const uint8_t *)s.p + HLL_HEADER, count);
    else if (!sparse_histogram(s, count))
        return false;
    *n = estimate(count);
    return true;
}

uint64_t hll_count_registers(const uint8_t reg[HLL_REGISTERS]) {
    uint32_t part[4][HLL_VALUE_MAX + 1] = {{0}}, count[HLL_VALUE_MAX + 1];

    for (int i = 0; i < HLL_REGISTERS; i += 4)
        for (int k = 0; k < 4; k++) part[k][reg[i + k] & HLL_VALUE_MAX]++;
    for (int v = 0; v <= HLL_VALUE_MAX; v++)
        count[v] = part[0][v] + part[1][v] + part[2][v] + part[3][v];
    return estimate(count);
}

static void merge_dense(uint8_t max[HLL_REGISTERS], const uint8_t *p) {
    for (int i = 0; i < HLL_REGISTERS; i += 4, p += 3) {
        uint32_t word = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;

        for (int k = 0; k < 4; k++, word >>= 6) {
            uint8_t v = word & 63;

            max[i + k] = max[i + k] > v ? max[i + k] : v;
        }
    }
}

bool hll_merge(uint8_t max[HLL_REGISTERS], struct slice s) {
    struct run r = {.at = HLL_HEADER};

    if (hll_is_dense(s)) {
        merge_dense(max, (const uint8_t *)s.p + HLL_HEADER);
        return true;
    }
    while (next_run(s, &r) && fits(&r))
        for (uint32_t i = r.first; i < r.first + r.n; i++)
            if (max[i] < r.value) max[i] = r.value;
    return is_complete(&r, s);
}

void hll_describe(struct slice s, struct bytes *out) {
    struct run r = {.at = HLL_HEADER};

    while (next_run(s, &r)) {
        if (r.value)
            bytes_printf(out, "v:%u,%u ", r.value, r.n);
        else
            bytes_printf(out, "%c:%u ", r.bytes == 2 ? 'Z' : 'z', r.n);
    }
}
