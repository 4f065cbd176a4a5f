/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Two old layouts, which are only read.
 *
 *   ziplist (up to Redis 6.2):
 *   | bytes 4 | offset of the last entry 4 | entries 2 (65535: not said) | entry ... | 0xff |
 *   entry: | bytes of the one before: 1, or 0xfe and 4 | 00llllll text, 01llllll l8 text, 0x80 l32
 * text (lengths big endian), or an integer: c0 2 bytes, d0 4, e0 8, f0 3, fe 1, f1..fd: 0..12 |
 *
 *   zipmap (up to Redis 2.4):
 *   | pairs 1 (254: not said) | length key | length free 1 value, free bytes | ... | 0xff |
 *   length: 1 byte up to 253, or 0xfe and 4
 */
#include "persistence/rdb_types.h"
#include "storage/ds/lp_code.h"

enum {
    ZIPLIST_HEAD = 10,
    ZIP_END = 0xff,
    ZIP_WIDE = 0xfe, /* a length of 4 bytes follows */
    ZIP_UNSAID = 0xffff,
    ZIPMAP_UNSAID = 254,
};

struct cursor {
    const uint8_t *p, *end;
};

/* The bytes at hand, which are used up; NULL: there are not so many. */
static const uint8_t *take(struct cursor *c, uint64_t n) {
    const uint8_t *p = c->p;

    if (n > (uint64_t)(c->end - c->p)) return NULL;
    c->p += n;
    return p;
}

static bool take_wide(struct cursor *c, uint32_t *n) {
    const uint8_t *p = take(c, 1);

    if (!p || *p == ZIP_END) return false;
    *n = *p;
    if (*p < ZIP_WIDE) return true;
    p = take(c, 4);
    if (p) *n = lp_read32(p);
    return p;
}

/* ---------------------------------------------------------------- ziplist */

static bool append_text(struct cursor *c, struct listpack **lp, uint64_t n) {
    const uint8_t *p = take(c, n);

    if (!p) return false;
    lp_append(lp, slice_of(p, n));
    return true;
}

static bool append_number(struct cursor *c, struct listpack **lp, int bytes) {
    const uint8_t *p = take(c, (uint64_t)bytes);

    if (!p) return false;
    lp_insert_int(lp, 0, lp_read_int(p, bytes));
    return true;
}

/* Encoding and data of an entry. */
static bool append_entry(struct cursor *c, struct listpack **lp) {
    const uint8_t *p = take(c, 1);
    unsigned head;

    if (!p) return false;
    head = *p;
    switch (head >> 6) {
    case 0: return append_text(c, lp, head);
    case 1: p = take(c, 1); return p && append_text(c, lp, (head & 0x3f) << 8 | *p);
    case 2:
        p = head == 0x80 ? take(c, 4) : NULL;
        return p &&
               append_text(c, lp, (uint64_t)p[0] << 24 | (uint64_t)p[1] << 16 | p[2] << 8 | p[3]);
    }
    switch (head) {
    case 0xc0: return append_number(c, lp, 2);
    case 0xd0: return append_number(c, lp, 4);
    case 0xe0: return append_number(c, lp, 8);
    case 0xf0: return append_number(c, lp, 3);
    case 0xfe: return append_number(c, lp, 1);
    }
    if (head < 0xf1 || head > 0xfd) return false;
    lp_insert_int(lp, 0, (int64_t)head - 0xf1);
    return true;
}

struct listpack *rdb_from_ziplist(struct slice s) {
    const uint8_t *b = (const uint8_t *)s.p;
    struct cursor c = {b + ZIPLIST_HEAD, b + s.n - 1};
    struct listpack *lp;
    uint32_t before = 0, n = 0, said;
    bool ok = true;

    if (s.n < ZIPLIST_HEAD + 1 || lp_read32(b) != s.n || *c.end != ZIP_END) return NULL;
    if (s.n >= LP_BYTES_MAX / 2) return NULL;
    lp = lp_new();
    for (; ok && c.p < c.end; n++) {
        const uint8_t *begin = c.p;
        uint32_t length;

        ok = take_wide(&c, &length) && length == before && append_entry(&c, &lp);
        before = (uint32_t)(c.p - begin);
    }
    said = b[8] | (uint32_t)b[9] << 8;
    if (ok && (said == ZIP_UNSAID || said == n)) return lp;
    lp_free(lp);
    return NULL;
}

/* ---------------------------------------------------------------- zipmap */

static bool append_pair(struct cursor *c, struct listpack **lp) {
    const uint8_t *spare;
    uint32_t n;

    if (!take_wide(c, &n) || !append_text(c, lp, n) || !take_wide(c, &n)) return false;
    spare = take(c, 1);
    return spare && append_text(c, lp, n) && take(c, *spare);
}

struct listpack *rdb_from_zipmap(struct slice s) {
    const uint8_t *b = (const uint8_t *)s.p;
    struct cursor c = {b + 1, b + s.n - 1};
    struct listpack *lp;
    uint32_t n = 0;
    bool ok = true;

    if (s.n < 2 || *c.end != ZIP_END || s.n >= LP_BYTES_MAX / 2) return NULL;
    lp = lp_new();
    for (; ok && c.p < c.end; n++) ok = append_pair(&c, &lp);
    if (ok && (b[0] >= ZIPMAP_UNSAID || b[0] == n)) return lp;
    lp_free(lp);
    return NULL;
}
