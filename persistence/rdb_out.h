/* SPDX-License-Identifier: BSD-3-Clause
 *
 * rdb_out - where an RDB is written to: a file descriptor, or memory. Knows lengths, strings and
 * numbers as the format has them; types are in rdb_types.
 *
 * Nothing here returns an error: the first one is kept (`failed`, `e`), and what comes after it is
 * thrown away. All-zero with fd -1 is a sink in memory.
 */
#ifndef STET_PERSISTENCE_RDB_OUT_H
#define STET_PERSISTENCE_RDB_OUT_H

#include "storage/base/err.h"
#include "storage/base/pace.h"
#include "storage/ds/listpack.h"

#include <stdint.h>

struct rdb_out {
    struct bytes buf; /* what is not yet in the file; in memory all of it */
    int fd;           /* -1: memory */
    uint64_t written; /* bytes that went to the file */
    uint64_t synced;  /* of these */
    uint64_t crc;     /* of these, if `sum` */
    bool sum, compress, incremental_fsync;
    bool valkey; /* times of fields as Valkey has them */
    bool failed;
    struct err *e;
    struct pace pace;         /* of values */
    void (*wrote)(void *arg); /* after each piece that went to the file; may be NULL */
    void *arg;
};

void rdb_out_byte(struct rdb_out *o, uint8_t v);
void rdb_out_raw(struct rdb_out *o, const void *p, size_t n);
void rdb_out_u64(struct rdb_out *o, uint64_t v); /* 8 bytes, little endian */
void rdb_out_double(struct rdb_out *o, double v);
void rdb_out_len(struct rdb_out *o, uint64_t n);

/* A text: as an integer if it is a short one, compressed if that gains something. */
void rdb_out_string(struct rdb_out *o, struct slice s);
void rdb_out_int(struct rdb_out *o, int64_t v); /* the text of an integer */
void rdb_out_value(struct rdb_out *o, struct lp_value v);

static inline uint64_t rdb_out_size(const struct rdb_out *o) {
    return o->written + o->buf.n;
}

/* Everything so far goes to the file. */
void rdb_out_flush(struct rdb_out *o);

void rdb_out_release(struct rdb_out *o);

#endif
