/* SPDX-License-Identifier: BSD-3-Clause
 *
 * lp_code - how one text or integer is written in a listpack, without the length after it: what
 * listpack.c and pack.c have in common.
 *
 *   0vvvvvvv                  0 .. 127
 *   10llllll text             up to 63 bytes
 *   110vvvvv v8               -4096 .. 4095, the highest 5 bits first
 *   1110llll l8 text          up to 4095 bytes
 *   f0 llllllll x 4 text
 *   f1 f2 f3 f4               2, 3, 4, 8 bytes, little endian, two's complement
 *
 * A text that is the canonical form of a 64-bit integer is written as one, in the shortest way, so
 * equal elements have equal bytes.
 */
#ifndef STET_DS_LP_CODE_H
#define STET_DS_LP_CODE_H

#include "storage/ds/listpack.h"

enum {
    LP_UINT7_MAX = 0x7f,
    LP_STR6 = 0x80,
    LP_INT13 = 0xc0,
    LP_STR12 = 0xe0,
    LP_STR32 = 0xf0,
    LP_INT16 = 0xf1,
    LP_INT24 = 0xf2,
    LP_INT32 = 0xf3,
    LP_INT64 = 0xf4,
    LP_END = 0xff,
    LP_CODE_MAX = 9, /* bytes of an encoding, with its integer if it is one */
};

static inline uint32_t lp_read32(const uint8_t *p) {
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

static inline void lp_write32(uint8_t *p, uint32_t v) {
    memcpy(p, &v, sizeof v);
}

static inline int64_t lp_read_int(const uint8_t *p, int bytes) {
    uint64_t v = 0;

    for (int i = 0; i < bytes; i++) v |= (uint64_t)p[i] << (8 * i);
    return (int64_t)(v << (64 - 8 * bytes)) >> (64 - 8 * bytes);
}

static inline int lp_int_bytes(uint8_t kind) {
    return kind == LP_INT64 ? 8 : kind - LP_INT16 + 2;
}

/* Bytes of encoding and data of the element at p. */
static inline uint32_t lp_body_bytes(const uint8_t *p) {
    if (p[0] < LP_STR6) return 1;
    if (p[0] < LP_INT13) return 1 + (p[0] & 0x3f);
    if (p[0] < LP_STR12) return 2;
    if (p[0] < LP_STR32) return 2 + ((uint32_t)(p[0] & 0x0f) << 8 | p[1]);
    if (p[0] == LP_STR32) return 5 + lp_read32(p + 1);
    return 1 + (uint32_t)lp_int_bytes(p[0]);
}

/* The length that follows a body in a listpack: how many bytes it takes; writes it and returns the
 * address after it. */
enum { LP_BACK_MAX = 5 };
static inline uint32_t lp_back_bytes(uint32_t body) {
    return body <= 127 ? 1 : body < 1u << 14 ? 2 : body < 1u << 21 ? 3 : body < 1u << 28 ? 4 : 5;
}

static inline uint8_t *lp_put_back(uint8_t *p, uint32_t body) {
    uint32_t n = lp_back_bytes(body);

    for (uint32_t i = n; i-- > 0; body >>= 7) p[i] = (uint8_t)((body & 127) | (i ? 128 : 0));
    return p + n;
}

/* What goes in front of a text, or a whole integer. */
struct lp_code {
    uint8_t b[LP_CODE_MAX];
    uint32_t n;
    struct slice text; /* after it; empty for integers */
};

static inline void lp_code_wide(struct lp_code *c, uint8_t kind, int64_t v) {
    int n = lp_int_bytes(kind);

    c->b[0] = kind;
    for (int i = 0; i < n; i++) c->b[1 + i] = (uint8_t)((uint64_t)v >> (8 * i));
    c->n = 1 + (uint32_t)n;
}

static inline struct lp_code lp_code_int(int64_t v) {
    struct lp_code c = {.n = 1};

    if (v >= 0 && v <= LP_UINT7_MAX) {
        c.b[0] = (uint8_t)v;
    } else if (v >= -4096 && v <= 4095) {
        c.b[0] = (uint8_t)(LP_INT13 | ((v >> 8) & 0x1f));
        c.b[1] = (uint8_t)v;
        c.n = 2;
    } else if (v >= INT16_MIN && v <= INT16_MAX) {
        lp_code_wide(&c, LP_INT16, v);
    } else if (v >= -(1 << 23) && v < 1 << 23) {
        lp_code_wide(&c, LP_INT24, v);
    } else {
        lp_code_wide(&c, v >= INT32_MIN && v <= INT32_MAX ? LP_INT32 : LP_INT64, v);
    }
    return c;
}

static inline struct lp_code lp_code_text(struct slice s) {
    struct lp_code c = {.text = s, .n = 1};

    if (s.n < 64) {
        c.b[0] = (uint8_t)(LP_STR6 | s.n);
    } else if (s.n < 4096) {
        c.b[0] = (uint8_t)(LP_STR12 | s.n >> 8);
        c.b[1] = (uint8_t)s.n;
        c.n = 2;
    } else {
        c.b[0] = LP_STR32;
        lp_write32(c.b + 1, (uint32_t)s.n);
        c.n = 5;
    }
    return c;
}

static inline struct lp_code lp_code_of(struct slice s) {
    int64_t v;

    if (s.n < NUM_I64_MAX && num_parse_i64(s.p, s.n, &v)) return lp_code_int(v);
    return lp_code_text(s);
}

/* The element at p. */
static inline struct lp_value lp_read(const uint8_t *p) {
    if (p[0] < LP_STR6) return (struct lp_value){.v = p[0]};
    if (p[0] < LP_INT13) return (struct lp_value){.p = (const char *)p + 1, .n = p[0] & 0x3f};
    if (p[0] < LP_STR12) {
        int v = (p[0] & 0x1f) << 8 | p[1];

        return (struct lp_value){.v = v < 4096 ? v : v - 8192};
    }
    if (p[0] < LP_STR32)
        return (struct lp_value){.p = (const char *)p + 2, .n = (size_t)(p[0] & 0x0f) << 8 | p[1]};
    if (p[0] == LP_STR32) return (struct lp_value){.p = (const char *)p + 5, .n = lp_read32(p + 1)};
    return (struct lp_value){.v = lp_read_int(p + 1, lp_int_bytes(p[0]))};
}

/* Whether the element at p is written as it would be here: others may have a text for an integer,
 * or a longer form than is needed. */
static inline bool lp_is_shortest(const uint8_t *p) {
    struct lp_value v = lp_read(p);
    struct lp_code code = v.p ? lp_code_of((struct slice){v.p, v.n}) : lp_code_int(v.v);

    return code.b[0] == p[0] && code.n + code.text.n == lp_body_bytes(p);
}

#endif
