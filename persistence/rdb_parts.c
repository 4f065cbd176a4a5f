/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/rdb_parts.h"

void rdb_put_number(struct rdb_out *o, uint64_t v) {
    rdb_out_len(o, RDB_PART_UINT);
    rdb_out_len(o, v);
}

void rdb_put_text(struct rdb_out *o, struct slice s) {
    rdb_out_len(o, RDB_PART_STRING);
    rdb_out_string(o, s);
}

void rdb_put_end(struct rdb_out *o) {
    rdb_out_len(o, RDB_PART_EOF);
}

static bool take_kind(struct rdb_in *in, uint64_t kind, const char *what) {
    uint64_t part;

    if (!rdb_in_len(in, &part)) return false;
    return part == kind || rdb_in_fail(in, "%s of a module's value was expected", what);
}

bool rdb_take_number(struct rdb_in *in, uint64_t *v) {
    return take_kind(in, RDB_PART_UINT, "a number") && rdb_in_len(in, v);
}

bool rdb_take_text(struct rdb_in *in, struct slice *s) {
    return take_kind(in, RDB_PART_STRING, "a text") && rdb_in_string(in, s);
}

bool rdb_take_end(struct rdb_in *in) {
    return take_kind(in, RDB_PART_EOF, "the end");
}
