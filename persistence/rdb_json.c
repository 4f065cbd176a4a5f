/* SPDX-License-Identifier: BSD-3-Clause
 *
 * JSON documents, as the value of the module "ReJSON-RL" with its encoding 3: the text of the
 * document, in one part of the kind STRING.
 *
 *   module id | text | end
 */
#include "persistence/rdb_types.h"
#include "storage/json.h"

enum rdb_type rdb_json_type(const struct entry *e) {
    (void)e;
    return RDB_MODULE_2;
}

void rdb_put_json(struct rdb_out *o, const struct entry *e) {
    static const struct json_format plain;
    struct bytes text = {0};

    json_print(&text, json_of(e), &plain, 0, &o->pace);
    rdb_out_len(o, RDB_JSON_MODULE);
    rdb_out_len(o, RDB_PART_STRING);
    rdb_out_string(o, bytes_slice(&text));
    rdb_out_len(o, RDB_PART_EOF);
    bytes_release(&text);
}

static bool take_document(struct rdb_in *in, struct json *v) {
    struct json_error e;
    uint64_t part;
    struct slice s;

    if (!rdb_in_len(in, &part)) return false;
    if (part != RDB_PART_STRING) return rdb_in_fail(in, "the text of a JSON document was expected");
    if (!rdb_in_string(in, &s)) return false;
    return json_parse(s, &in->pace, v, &e) ||
           rdb_in_fail(in, "a JSON document that is damaged at its byte %zu: %s", e.at, e.what);
}

struct entry *rdb_take_json(struct rdb_in *in, const struct rdb_want *w) {
    struct json v;
    uint64_t part;

    if (!take_document(in, &v)) return NULL;
    if (rdb_in_len(in, &part) &&
        (part == RDB_PART_EOF || rdb_in_fail(in, "a JSON document that has no end")))
        return json_entry(w->key, v, ENTRY_NO_EXPIRE);
    json_clear(&v);
    return NULL;
}
