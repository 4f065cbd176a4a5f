/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/admin/debug_digest.h"
#include "storage/set.h"

static void visit(struct lp_value member, void *sum) {
    digest_xor(sum, digest_of_value(member));
}

struct digest digest_set(const struct entry *e) {
    struct digest sum = {{0}};

    set_each(e, visit, &sum);
    return sum;
}
