/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_rewrite_types.h"

#include "protocol/encode.h"
#include "storage/base/num.h"

void rewrite_arg(struct rewrite_batch *r, struct slice arg) {
    encode_arg(&r->args, arg);
    r->nargs++;
}

void rewrite_arg_int(struct rewrite_batch *r, int64_t v) {
    char text[NUM_I64_MAX];

    rewrite_arg(r, slice_of(text, (size_t)num_format_i64(text, v)));
}

static void put_command(struct rewrite_batch *r) {
    if (r->nargs == 0) return;
    bytes_append_char(r->out, '*');
    bytes_append_int(r->out, (long long)(r->nargs + (size_t)r->nhead));
    bytes_append(r->out, "\r\n", 2);
    for (int i = 0; i < r->nhead; i++) encode_arg(r->out, r->head[i]);
    bytes_append(r->out, r->args.p, r->args.n);
    bytes_clear(&r->args);
    r->nargs = r->nitems = 0;
}

void rewrite_item_end(struct rewrite_batch *r) {
    if (++r->nitems >= REWRITE_ITEMS || r->args.n >= REWRITE_BYTES) put_command(r);
}

void rewrite_batch_end(struct rewrite_batch *r) {
    put_command(r);
    bytes_release(&r->args);
}

void rewrite_expire(struct bytes *b, const struct entry *e) {
    struct rewrite_batch r = {.out = b, .head = {SLICE("PEXPIREAT"), entry_key(e)}, .nhead = 2};

    if (!(e->flags & ENTRY_EXPIRES)) return;
    rewrite_arg_int(&r, entry_expire(e));
    rewrite_batch_end(&r);
}
