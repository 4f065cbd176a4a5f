/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/admin/debug_digest.h"
#include "storage/listval.h"

struct digest digest_list(const struct entry *e) {
    struct digest d = {{0}};
    struct listval_iter it;

    for (listval_begin(&it, e, 0, false); listval_more(&it); listval_next(&it))
        digest_chain(&d, digest_of_value(listval_value(&it)));
    listval_end(&it);
    return d;
}
