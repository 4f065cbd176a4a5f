/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A filter as the LOADCHUNK commands that make it anew: its head, then pieces of its body.
 */
#include "persistence/aof_rewrite_types.h"
#include "protocol/encode.h"
#include "storage/base/num.h"
#include "storage/sketch.h"

enum { CHUNK_BYTES = 1 << 20 };

static void put_chunk(struct bytes *b, const struct entry *e, struct slice command, uint64_t end,
                      struct slice data) {
    char text[NUM_I64_MAX];

    encode_head(b, 4);
    encode_arg(b, command);
    encode_arg(b, entry_key(e));
    encode_arg(b, slice_of(text, (size_t)num_format_u64(text, end + 1)));
    encode_arg(b, data);
}

static void put_chunks(struct bytes *b, const struct entry *e, struct slice command) {
    const struct sketch_ops *ops = sketch_ops_of(e->type);
    const void *s = entry_object(e);
    uint64_t n = ops->body(s), at = 0;
    struct bytes head = {0};

    ops->head(s, &head);
    put_chunk(b, e, command, 0, bytes_slice(&head));
    bytes_release(&head);
    while (at < n) {
        struct slice piece = ops->at(s, at);

        if (piece.n > CHUNK_BYTES) piece.n = CHUNK_BYTES;
        at += piece.n;
        put_chunk(b, e, command, at, piece);
    }
    rewrite_expire(b, e);
}

void rewrite_bloom(struct bytes *b, const struct entry *e) {
    put_chunks(b, e, SLICE("BF.LOADCHUNK"));
}

void rewrite_cuckoo(struct bytes *b, const struct entry *e) {
    put_chunks(b, e, SLICE("CF.LOADCHUNK"));
}
