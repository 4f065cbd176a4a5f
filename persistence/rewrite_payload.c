/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A value as one RESTORE, where no other command makes it again: VADD would draw the graph of a
 * vector set anew and could not give back vectors that were projected; counters of sketches can be
 * set by nothing else. Servers without such types refuse it by its type.
 */
#include "persistence/aof_rewrite_types.h"
#include "persistence/rdb.h"
#include "protocol/encode.h"

void rewrite_payload(struct bytes *b, const struct entry *e) {
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
