/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stream_id - the ids of a stream's entries: a time in ms and a number within it, 64 bits each.
 */
#ifndef STET_STORAGE_STREAM_ID_H
#define STET_STORAGE_STREAM_ID_H

#include "storage/base/bytes.h"
#include "storage/ds/idtree.h"

#include <stdint.h>

struct stream_id {
    uint64_t ms, seq;
};

#define STREAM_ID_MIN ((struct stream_id){0, 0})
#define STREAM_ID_MAX ((struct stream_id){UINT64_MAX, UINT64_MAX})

enum { STREAM_ID_TEXT = 41 }; /* bytes of the longest text */

static inline struct idtree_key stream_key(struct stream_id id) {
    return (struct idtree_key){id.ms, id.seq};
}

static inline struct stream_id stream_id_of(struct idtree_key key) {
    return (struct stream_id){key.hi, key.lo};
}

static inline int stream_id_cmp(struct stream_id a, struct stream_id b) {
    return idtree_cmp(stream_key(a), stream_key(b));
}

static inline bool stream_id_is_zero(struct stream_id id) {
    return (id.ms | id.seq) == 0;
}

/* The id after, or before. False where there is none: *id is then the first, or the last, there
 * is. */
bool stream_id_inc(struct stream_id *id);
bool stream_id_dec(struct stream_id *id);

/* "ms-seq", or "ms" alone: then seq is `missing_seq`. Takes what Redis takes: beside plain digits
 * whatever strtoull reads to the end, and nothing after a NUL byte. *out is untouched on false. */
bool stream_id_parse(struct slice s, uint64_t missing_seq, struct stream_id *out);

/* Writes "ms-seq" without a NUL; returns its length. */
size_t stream_id_format(char out[STREAM_ID_TEXT], struct stream_id id);

#endif
