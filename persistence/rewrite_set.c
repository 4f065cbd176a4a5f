/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_rewrite_types.h"
#include "storage/set.h"

static void put_text(struct rewrite_batch *r, struct lp_value member) {
    if (member.p)
        rewrite_arg(r, slice_of(member.p, member.n));
    else
        rewrite_arg_int(r, member.v);
}

static void put_member(struct lp_value member, void *arg) {
    put_text(arg, member);
    rewrite_item_end(arg);
}

static void put_time(struct lp_value member, int64_t expire_ms, void *arg) {
    struct rewrite_batch *r = arg;

    if (expire_ms == 0) return;
    rewrite_arg_int(r, expire_ms);
    rewrite_arg(r, SLICE("MEMBERS"));
    rewrite_arg(r, SLICE("1"));
    put_text(r, member);
    r->nitems = REWRITE_ITEMS; /* a command for each member, because each has another time */
    rewrite_item_end(r);
}

/* Writes members that are due, too: only an SREM in the AOF removes one when it is read back. */
void rewrite_set(struct bytes *b, const struct entry *e) {
    struct rewrite_batch r = {.out = b, .head = {SLICE("SADD"), entry_key(e)}, .nhead = 2};
    struct rewrite_batch times = {
        .out = b, .head = {SLICE("SPEXPIREAT"), entry_key(e)}, .nhead = 2};

    set_each(e, PARTS_ALL, put_member, &r);
    rewrite_batch_end(&r);
    set_each_time(e, put_time, &times);
    rewrite_batch_end(&times);
    rewrite_expire(b, e);
}
