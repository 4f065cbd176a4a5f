/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A vector set as one RESTORE: VADD would draw the graph anew, and could not give back vectors that
 * were projected. Servers without vector sets refuse it by its type.
 */
#include "persistence/aof_rewrite_types.h"
#include "persistence/rdb.h"
#include "protocol/encode.h"

void rewrite_vset(struct bytes *b, const struct entry *e) {
    struct bytes payload = {0};

    rdb_dump(&payload, e, true, PACE_NONE);
    encode_head(b, 4);
    encode_arg(b, SLICE("RESTORE"));
    encode_arg(b, entry_key(e));
    encode_arg(b, SLICE("0"));
    encode_arg(b, bytes_slice(&payload));
    bytes_release(&payload);
    rewrite_expire(b, e);
}
