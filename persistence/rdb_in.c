/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/rdb_in.h"

#include "persistence/rdb_format.h"
#include "storage/base/crc.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"

#include <errno.h>
#include <lzf.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    CHUNK = 512 * 1024,
    KEEP_UNPACKED = 1 << 20, /* a larger buffer is not kept */
    LZF_RATIO = 88,          /* 3 compressed bytes become 264 at the most */
    LZF_SLACK = 264,
};

/* ---------------------------------------------------------------- the source */

void rdb_in_memory(struct rdb_in *in, struct slice s, struct err *e) {
    *in = (struct rdb_in){.p = (const uint8_t *)s.p, .end_at = s.n, .size = s.n, .fd = -1, .e = e};
    in->end = in->p + s.n;
    in->summed = in->p;
}

int rdb_in_file(struct rdb_in *in, int fd, uint64_t start, struct err *e) {
    int64_t size = io_size(fd, e);

    if (size < 0) return -1;
    if (start > (uint64_t)size) start = (uint64_t)size;
    *in = (struct rdb_in){.end_at = start, .size = (uint64_t)size, .fd = fd, .e = e, .cap = CHUNK};
    in->buf = mem_alloc(in->cap);
    in->p = in->end = in->summed = in->buf;
    return 0;
}

void rdb_in_release(struct rdb_in *in) {
    mem_free(in->buf);
    bytes_release(&in->unpacked);
}

__attribute__((format(printf, 3, 0))) static bool fault(struct rdb_in *in, int code,
                                                        const char *fmt, va_list ap) {
    char text[256];

    if (in->failed) return false;
    vsnprintf(text, sizeof text, fmt, ap);
    err_set(in->e, code, "offset %llu: %s", (unsigned long long)rdb_in_at(in), text);
    in->failed = true;
    return false;
}

bool rdb_in_fail(struct rdb_in *in, const char *fmt, ...) {
    va_list ap;

    va_start(ap, fmt);
    fault(in, EINVAL, fmt, ap);
    va_end(ap);
    return false;
}

bool rdb_in_fault(struct rdb_in *in, int code, const char *fmt, ...) {
    va_list ap;

    va_start(ap, fmt);
    fault(in, code, fmt, ap);
    va_end(ap);
    return false;
}

bool rdb_in_seek(struct rdb_in *in, uint64_t at) {
    if (at > in->size || in->fd < 0) return false;
    in->p = in->end = in->summed = in->buf;
    in->end_at = at;
    in->failed = in->empty = false;
    return true;
}

uint64_t rdb_in_sum(struct rdb_in *in) {
    in->crc = crc64(in->crc, in->summed, (size_t)(in->p - in->summed));
    in->summed = in->p;
    return in->crc;
}

void rdb_in_sum_anew(struct rdb_in *in) {
    in->crc = 0;
    in->summed = in->p;
}

/* Reads on until n bytes are at hand. */
static bool refill(struct rdb_in *in, size_t n) {
    size_t have = (size_t)(in->end - in->p);

    rdb_in_sum(in);
    if (n > in->cap) {
        size_t cap = n + CHUNK;
        uint8_t *buf = mem_alloc(cap);

        memcpy(buf, in->p, have);
        mem_free(in->buf);
        in->buf = buf;
        in->cap = cap;
    } else {
        memmove(in->buf, in->p, have);
    }
    while (have < n) {
        uint64_t left = in->size - in->end_at;
        size_t room = in->cap - have;
        ssize_t got = io_read_at(in->fd, in->buf + have, left < room ? (size_t)left : room,
                                 (off_t)in->end_at, in->e);

        if (got <= 0) {
            if (got == 0) err_set(in->e, EIO, "the file became shorter while it was read");
            in->failed = true;
            break;
        }
        have += (size_t)got;
        in->end_at += (uint64_t)got;
    }
    in->p = in->summed = in->buf;
    in->end = in->buf + have;
    return !in->failed;
}

static bool need(struct rdb_in *in, uint64_t n) {
    if (in->failed) return false;
    if (n <= (uint64_t)(in->end - in->p)) return true;
    if (n > rdb_in_left(in))
        return rdb_in_fault(in, ENODATA, "%llu bytes should follow, but there are %llu",
                            (unsigned long long)n, (unsigned long long)rdb_in_left(in));
    return refill(in, (size_t)n);
}

const uint8_t *rdb_in_take(struct rdb_in *in, size_t n) {
    const uint8_t *p;

    if (!need(in, n)) return NULL;
    p = in->p;
    in->p += n;
    return p;
}

/* ---------------------------------------------------------------- numbers */

bool rdb_in_byte(struct rdb_in *in, uint8_t *v) {
    const uint8_t *p = rdb_in_take(in, 1);

    if (p) *v = *p;
    return p;
}

bool rdb_in_u64(struct rdb_in *in, uint64_t *v) {
    const uint8_t *p = rdb_in_take(in, sizeof *v);

    if (p) memcpy(v, p, sizeof *v);
    return p;
}

bool rdb_in_double(struct rdb_in *in, double *v) {
    const uint8_t *p = rdb_in_take(in, sizeof *v);

    if (p) memcpy(v, p, sizeof *v);
    return p;
}

static uint64_t big_endian(const uint8_t *p, int n) {
    uint64_t v = 0;

    for (int i = 0; i < n; i++) v = v << 8 | p[i];
    return v;
}

/* A length, or (`coded`) the form of a string. */
static bool take_len(struct rdb_in *in, uint64_t *n, bool *coded) {
    const uint8_t *p;
    uint8_t head;

    if (!rdb_in_byte(in, &head)) return false;
    *coded = head >> 6 == RDB_LEN_CODED;
    *n = head & 0x3f;
    if (head >> 6 == RDB_LEN_14) {
        uint8_t low;

        if (!rdb_in_byte(in, &low)) return false;
        *n = *n << 8 | low;
    } else if (head >> 6 == RDB_LEN_WIDE) {
        int width = head == RDB_LEN_32 ? 4 : head == RDB_LEN_64 ? 8 : 0;

        if (!width) return rdb_in_fail(in, "a length that begins with 0x%02x", head);
        p = rdb_in_take(in, (size_t)width);
        if (!p) return false;
        *n = big_endian(p, width);
    }
    return true;
}

bool rdb_in_len(struct rdb_in *in, uint64_t *n) {
    bool coded;

    if (!take_len(in, n, &coded)) return false;
    return !coded || rdb_in_fail(in, "a length was expected, not a string");
}

bool rdb_in_count(struct rdb_in *in, uint64_t least, uint64_t *n) {
    if (!rdb_in_len(in, n)) return false;
    if (*n <= rdb_in_left(in) / least) return true;
    return rdb_in_fault(in, ENODATA, "%llu elements cannot be in what is left",
                        (unsigned long long)*n);
}

/* ---------------------------------------------------------------- strings */

static bool take_int(struct rdb_in *in, uint64_t form, struct slice *s) {
    size_t n = form == RDB_INT8 ? 1 : form == RDB_INT16 ? 2 : 4;
    const uint8_t *p = rdb_in_take(in, n);
    uint32_t v = 0;
    int64_t number;

    if (!p) return false;
    memcpy(&v, p, n);
    number = n == 1 ? (int8_t)v : n == 2 ? (int16_t)v : (int32_t)v;
    *s = slice_of(in->text, (size_t)num_format_i64(in->text, number));
    return true;
}

static bool take_compressed(struct rdb_in *in, struct slice *s) {
    uint64_t packed, n;
    const uint8_t *p;

    if (!rdb_in_len(in, &packed) || !rdb_in_len(in, &n)) return false;
    if (packed == 0) return rdb_in_fail(in, "a compressed string of 0 bytes");
    if (n == 0 || n > UINT32_MAX || n > packed * LZF_RATIO + LZF_SLACK)
        return rdb_in_fail(in, "%llu compressed bytes cannot become %llu",
                           (unsigned long long)packed, (unsigned long long)n);
    p = rdb_in_take(in, packed);
    if (!p) return false;
    in->unpacked.n = 0;
    bytes_room(&in->unpacked, n);
    if (lzf_decompress(p, (unsigned)packed, in->unpacked.p, (unsigned)n) != n)
        return rdb_in_fail(in, "a compressed string that cannot be unpacked");
    *s = slice_of(in->unpacked.p, n);
    return true;
}

bool rdb_in_string(struct rdb_in *in, struct slice *s) {
    uint64_t n;
    bool coded;

    if (in->unpacked.cap > KEEP_UNPACKED) bytes_release(&in->unpacked);
    pace_step(&in->pace, 1);
    if (!take_len(in, &n, &coded)) return false;
    if (coded && n <= RDB_INT32) return take_int(in, n, s);
    if (coded && n == RDB_LZF) return take_compressed(in, s);
    if (coded) return rdb_in_fail(in, "a string of the unknown form %llu", (unsigned long long)n);
    if (!need(in, n)) return false;
    *s = slice_of(in->p, n);
    in->p += n;
    return true;
}

bool rdb_in_skip(struct rdb_in *in, uint64_t n) {
    if (!in->failed && n > rdb_in_left(in)) return need(in, n);
    for (; n > CHUNK / 2; n -= CHUNK / 2)
        if (!rdb_in_take(in, CHUNK / 2)) return false;
    return rdb_in_take(in, (size_t)n);
}

bool rdb_in_skip_string(struct rdb_in *in) {
    uint64_t n, unpacked;
    bool coded;

    if (!take_len(in, &n, &coded)) return false;
    if (!coded) return rdb_in_skip(in, n);
    if (n <= RDB_INT32) return rdb_in_skip(in, n == RDB_INT8 ? 1 : n == RDB_INT16 ? 2 : 4);
    if (n != RDB_LZF) return rdb_in_fail(in, "a string of an unknown form");
    return rdb_in_len(in, &n) && rdb_in_len(in, &unpacked) && rdb_in_skip(in, n);
}
