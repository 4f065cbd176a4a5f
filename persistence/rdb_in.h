/* SPDX-License-Identifier: BSD-3-Clause
 *
 * rdb_in - what an RDB is read from: a file that can be read at any offset, or memory.
 *
 * Every function that takes something returns false (NULL) when it is not there or not right; the
 * first error stays in `e`, with the offset, and everything after it fails too. No length is
 * believed: what is allocated is bounded by what is left of the source.
 *
 * What a slice or pointer that comes from here looks at is good until the next call.
 */
#ifndef STET_PERSISTENCE_RDB_IN_H
#define STET_PERSISTENCE_RDB_IN_H

#include "storage/base/bytes.h"
#include "storage/base/err.h"
#include "storage/base/num.h"
#include "storage/base/pace.h"

#include <stdint.h>

struct rdb_in {
    const uint8_t *p, *end; /* what is at hand and not used up yet */
    uint64_t end_at;        /* where `end` is in the source */
    uint64_t size;          /* where the source ends */
    int fd;                 /* -1: memory */
    uint8_t *buf;
    size_t cap;
    const uint8_t *summed; /* how far `crc` has come */
    uint64_t crc;
    struct bytes unpacked; /* a string that was compressed */
    char text[NUM_I64_MAX];
    struct pace pace; /* of values */
    struct err *e;
    bool failed;
    bool empty; /* a value without elements: that is the error */
};

/* `e` is filled by the first error. */
void rdb_in_memory(struct rdb_in *in, struct slice s, struct err *e);
int rdb_in_file(struct rdb_in *in, int fd, uint64_t start, struct err *e);
void rdb_in_release(struct rdb_in *in);

static inline uint64_t rdb_in_at(const struct rdb_in *in) {
    return in->end_at - (uint64_t)(in->end - in->p);
}

static inline uint64_t rdb_in_left(const struct rdb_in *in) {
    return in->size - rdb_in_at(in);
}

/* Keeps the first error, with the offset; returns false. */
__attribute__((format(printf, 2, 3))) bool rdb_in_fail(struct rdb_in *in, const char *fmt, ...);

/* The same with another code than EINVAL: ENODATA where the source ends too soon, EPROTONOSUPPORT
 * for a version that is not known, ENOTSUP for a type, EPROTO for no RDB at all, EBADMSG for the
 * checksum. */
__attribute__((format(printf, 3, 4))) bool rdb_in_fault(struct rdb_in *in, int code,
                                                        const char *fmt, ...);

/* Goes on at another offset, whatever failed before; files only. The checksum means nothing from
 * then on. */
bool rdb_in_seek(struct rdb_in *in, uint64_t at);

/* n bytes side by side. */
const uint8_t *rdb_in_take(struct rdb_in *in, size_t n);

bool rdb_in_byte(struct rdb_in *in, uint8_t *v);
bool rdb_in_u64(struct rdb_in *in, uint64_t *v); /* 8 bytes, little endian */
bool rdb_in_double(struct rdb_in *in, double *v);
bool rdb_in_len(struct rdb_in *in, uint64_t *n);

/* A count of elements that take `least` bytes each; fails if so many do not fit into what is
 * left. */
bool rdb_in_count(struct rdb_in *in, uint64_t least, uint64_t *n);

bool rdb_in_string(struct rdb_in *in, struct slice *s);

/* Passes over n bytes, or a string, without looking at them. */
bool rdb_in_skip(struct rdb_in *in, uint64_t n);
bool rdb_in_skip_string(struct rdb_in *in);

/* The checksum of everything before what comes next; and: it begins here. */
uint64_t rdb_in_sum(struct rdb_in *in);
void rdb_in_sum_anew(struct rdb_in *in);

#endif
