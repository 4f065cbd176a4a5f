/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_rewrite_types.h"
#include "storage/set.h"

static void put_member(struct lp_value member, void *arg) {
    struct rewrite_batch *r = arg;

    if (member.p)
        rewrite_arg(r, slice_of(member.p, member.n));
    else
        rewrite_arg_int(r, member.v);
    rewrite_item_end(r);
}

void rewrite_set(struct bytes *b, const struct entry *e) {
    struct rewrite_batch r = {.out = b, .head = {SLICE("SADD"), entry_key(e)}, .nhead = 2};

    set_each(e, put_member, &r);
    rewrite_batch_end(&r);
    rewrite_expire(b, e);
}
