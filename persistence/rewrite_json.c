/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A JSON document as one JSON.SET of its root.
 */
#include "persistence/aof_rewrite_types.h"
#include "protocol/encode.h"
#include "storage/json.h"

void rewrite_json(struct bytes *b, const struct entry *e) {
    static const struct json_format plain;
    struct bytes text = {0};

    json_print(&text, json_of(e), &plain, 0, PACE_NONE);
    encode_head(b, 4);
    encode_arg(b, SLICE("JSON.SET"));
    encode_arg(b, entry_key(e));
    encode_arg(b, SLICE("$"));
    encode_arg(b, bytes_slice(&text));
    bytes_release(&text);
    rewrite_expire(b, e);
}
