/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_rewrite_types.h"
#include "storage/zset.h"

void rewrite_zset(struct bytes *b, const struct entry *e) {
    struct rewrite_batch r = {.out = b, .head = {SLICE("ZADD"), entry_key(e)}, .nhead = 2};
    struct zset_iter it;

    zset_iter_init(&it, e, 0, false);
    while (zset_iter_next(&it)) {
        char score[NUM_DOUBLE_MAX];

        rewrite_arg(&r, slice_of(score, (size_t)num_format_double(score, zset_iter_score(&it))));
        rewrite_arg(&r, it.member);
        rewrite_item_end(&r);
    }
    rewrite_batch_end(&r);
    rewrite_expire(b, e);
}
