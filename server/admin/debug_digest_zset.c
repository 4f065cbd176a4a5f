/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/admin/debug_digest.h"
#include "storage/zset.h"

/* Members' scores are all that counts: the order follows from them. */
struct digest digest_zset(const struct entry *e) {
    struct digest sum = {{0}};
    struct zset_iter it;

    zset_iter_init(&it, e, 0, false);
    while (zset_iter_next(&it)) {
        struct {
            struct digest member;
            double score;
        } rec;

        memset(&rec, 0, sizeof rec); /* padding is hashed too */
        rec.member = digest_of(it.member.p, it.member.n);
        rec.score = zset_iter_score(&it) + 0.0; /* a packed set knows no -0 */
        digest_xor(&sum, digest_of(&rec, sizeof rec));
    }
    return sum;
}
