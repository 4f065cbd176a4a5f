/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/rdb_out.h"

#include "persistence/rdb_format.h"
#include "storage/base/crc.h"
#include "storage/base/io.h"
#include "storage/base/num.h"

#include <lzf.h>

enum {
    FLUSH_BYTES = 256 * 1024,
    PIECE_BYTES = 1 << 20,
    SYNC_BYTES = 4 << 20, /* so that the last sync does not stall the disk */
    COMPRESS_MIN = 21,    /* bytes; shorter ones gain nothing */
    COMPRESS_GAIN = 4,    /* bytes that it has to save */
    INT_TEXT_MAX = 11,    /* "-2147483648" */
    LZF_MAX = INT32_MAX,
};

/* ---------------------------------------------------------------- bytes */

static void write_piece(struct rdb_out *o, const void *p, size_t n) {
    if (o->sum) o->crc = crc64(o->crc, p, n);
    if (io_write_all(o->fd, p, n, NULL, o->e) < 0) {
        o->failed = true;
        return;
    }
    o->written += n;
    if (o->wrote) o->wrote(o->arg);
    if (!o->incremental_fsync || o->written - o->synced < SYNC_BYTES) return;
    if (io_sync(o->fd, o->e) < 0) o->failed = true;
    o->synced = o->written;
}

/* In pieces, so that progress shows on a slow disk. */
static void write_out(struct rdb_out *o, const char *p, size_t n) {
    while (n > 0 && !o->failed) {
        size_t piece = n < PIECE_BYTES ? n : PIECE_BYTES;

        write_piece(o, p, piece);
        p += piece;
        n -= piece;
    }
}

void rdb_out_flush(struct rdb_out *o) {
    if (o->fd < 0) return;
    write_out(o, o->buf.p, o->buf.n);
    o->buf.n = 0;
}

static inline void flush_if_full(struct rdb_out *o) {
    if (o->buf.n >= FLUSH_BYTES) rdb_out_flush(o);
}

void rdb_out_raw(struct rdb_out *o, const void *p, size_t n) {
    if (o->fd >= 0 && n >= FLUSH_BYTES) {
        rdb_out_flush(o);
        write_out(o, p, n);
        return;
    }
    bytes_append(&o->buf, p, n);
    flush_if_full(o);
}

void rdb_out_byte(struct rdb_out *o, uint8_t v) {
    bytes_append_char(&o->buf, (char)v);
}

void rdb_out_u64(struct rdb_out *o, uint64_t v) {
    bytes_append(&o->buf, &v, sizeof v);
}

void rdb_out_double(struct rdb_out *o, double v) {
    bytes_append(&o->buf, &v, sizeof v);
    flush_if_full(o);
}

void rdb_out_len(struct rdb_out *o, uint64_t n) {
    uint8_t b[9];
    size_t size = 1;

    if (n < 64) {
        b[0] = (uint8_t)n;
    } else if (n < 1 << 14) {
        b[0] = (uint8_t)(RDB_LEN_14 << 6 | n >> 8);
        b[1] = (uint8_t)n;
        size = 2;
    } else {
        size = n <= UINT32_MAX ? 5 : 9;
        b[0] = size == 5 ? RDB_LEN_32 : RDB_LEN_64;
        for (size_t i = size; i-- > 1; n >>= 8) b[i] = (uint8_t)n; /* big endian */
    }
    bytes_append(&o->buf, b, size);
}

/* ---------------------------------------------------------------- strings */

/* As an integer of up to 32 bits; false: it is larger. */
static bool put_small(struct rdb_out *o, int64_t v) {
    uint8_t b[5];
    size_t n = v == (int8_t)v ? 1 : v == (int16_t)v ? 2 : 4;

    if (v != (int32_t)v) return false;
    b[0] = (uint8_t)(RDB_LEN_CODED << 6 | (n == 1 ? RDB_INT8 : n == 2 ? RDB_INT16 : RDB_INT32));
    for (size_t i = 0; i < n; i++) b[1 + i] = (uint8_t)((uint64_t)v >> (8 * i));
    bytes_append(&o->buf, b, n + 1);
    flush_if_full(o);
    return true;
}

static bool put_compressed(struct rdb_out *o, struct slice s) {
    struct bytes packed = {0};
    unsigned got;

    if (s.n > LZF_MAX) return false;
    bytes_room(&packed, s.n);
    got = lzf_compress(s.p, (unsigned)s.n, packed.p, (unsigned)s.n - COMPRESS_GAIN);
    if (got) {
        rdb_out_byte(o, RDB_LEN_CODED << 6 | RDB_LZF);
        rdb_out_len(o, got);
        rdb_out_len(o, s.n);
        rdb_out_raw(o, packed.p, got);
    }
    bytes_release(&packed);
    return got != 0;
}

void rdb_out_string(struct rdb_out *o, struct slice s) {
    int64_t v;

    pace_step(&o->pace, 1 + s.n / PACE_BYTES);
    if (s.n <= INT_TEXT_MAX && num_parse_i64(s.p, s.n, &v) && put_small(o, v)) return;
    if (o->compress && s.n >= COMPRESS_MIN && put_compressed(o, s)) return;
    rdb_out_len(o, s.n);
    rdb_out_raw(o, s.p, s.n);
}

void rdb_out_int(struct rdb_out *o, int64_t v) {
    char text[NUM_I64_MAX];
    int n;

    if (put_small(o, v)) return;
    n = num_format_i64(text, v);
    rdb_out_len(o, (uint64_t)n);
    rdb_out_raw(o, text, (size_t)n);
}

void rdb_out_value(struct rdb_out *o, struct lp_value v) {
    if (v.p)
        rdb_out_string(o, slice_of(v.p, v.n));
    else
        rdb_out_int(o, v.v);
}

void rdb_out_release(struct rdb_out *o) {
    bytes_release(&o->buf);
}
