/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/admin/debug_digest.h"
#include "storage/sketch.h"

/* The head, then the pieces of the body: the same commands in the same order give the same. */
struct digest digest_sketch(const struct entry *e) {
    const struct sketch_ops *ops = sketch_ops_of(e->type);
    const void *s = entry_object(e);
    uint64_t n = ops->body(s);
    struct digest sum = {{0}};
    struct bytes head = {0};

    ops->head(s, &head);
    digest_chain(&sum, digest_of(head.p, head.n));
    bytes_release(&head);
    for (uint64_t at = 0; at < n;) {
        struct slice piece = ops->at(s, at);

        digest_chain(&sum, digest_of(piece.p, piece.n));
        at += piece.n;
    }
    return sum;
}
