/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_rewrite_types.h"
#include "storage/listval.h"

void rewrite_list(struct bytes *b, const struct entry *e) {
    struct rewrite_batch batch = {.out = b, .head = {SLICE("RPUSH"), entry_key(e)}, .nhead = 2};
    struct listval_iter it;
    char text[NUM_I64_MAX];

    for (listval_begin(&it, e, 0, false); listval_more(&it); listval_next(&it)) {
        rewrite_arg(&batch, lp_value_text(listval_value(&it), text));
        rewrite_item_end(&batch);
    }
    listval_end(&it);
    rewrite_batch_end(&batch);
    rewrite_expire(b, e);
}
