/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/admin/debug_digest.h"
#include "storage/set.h"

static void visit(struct lp_value member, void *sum) {
    digest_xor(sum, digest_of_value(member));
}

/* A time makes another digest of the member; without one it is that of any other set. */
static void visit_time(struct lp_value member, int64_t expire_ms, void *sum) {
    struct {
        struct digest member;
        int64_t expire_ms;
    } rec;

    if (expire_ms == 0) {
        visit(member, sum);
        return;
    }
    memset(&rec, 0, sizeof rec); /* padding is hashed too */
    rec.member = digest_of_value(member);
    rec.expire_ms = expire_ms;
    digest_xor(sum, digest_of(&rec, sizeof rec));
}

struct digest digest_set(const struct entry *e) {
    struct digest sum = {{0}};

    if (set_is_timed(e))
        set_each_time(e, visit_time, &sum);
    else
        set_each(e, PARTS_ALL, visit, &sum);
    return sum;
}
