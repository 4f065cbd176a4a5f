/* SPDX-License-Identifier: BSD-3-Clause
 *
 * rdb_skip - passes over values by their structure alone: counts and lengths are believed as far as
 * the source goes, contents are not looked at. So the end of a value is found though it is damaged
 * inside, as long as the damage is not in a length.
 */
#include "persistence/rdb_types.h"

enum { SCORE_SPECIAL = 253 }; /* a score of old that is no number has no text */

bool rdb_skip_module(struct rdb_in *in) {
    uint64_t part, ignored;

    for (;;) {
        if (!rdb_in_len(in, &part)) return false;
        switch (part) {
        case RDB_PART_EOF: return true;
        case RDB_PART_INT:
        case RDB_PART_UINT:
            if (!rdb_in_len(in, &ignored)) return false;
            break;
        case RDB_PART_FLOAT:
        case RDB_PART_DOUBLE:
            if (!rdb_in_take(in, part == RDB_PART_FLOAT ? 4 : 8)) return false;
            break;
        case RDB_PART_STRING:
            if (!rdb_in_skip_string(in)) return false;
            break;
        default: return rdb_in_fail(in, "data of a module that cannot be told apart");
        }
    }
}

/* ---------------------------------------------------------------- elements */

static bool skip_lens(struct rdb_in *in, int n) {
    uint64_t ignored;

    for (; n > 0; n--)
        if (!rdb_in_len(in, &ignored)) return false;
    return true;
}

static bool skip_pair(struct rdb_in *in) {
    return rdb_in_skip_string(in) && rdb_in_skip_string(in);
}

static bool skip_text_score(struct rdb_in *in) {
    uint8_t n;

    if (!rdb_in_skip_string(in) || !rdb_in_byte(in, &n)) return false;
    return n >= SCORE_SPECIAL || rdb_in_skip(in, n);
}

static bool skip_score(struct rdb_in *in) {
    return rdb_in_skip_string(in) && rdb_in_skip(in, sizeof(double));
}

static bool skip_timed(struct rdb_in *in) {
    return skip_lens(in, 1) && skip_pair(in);
}

static bool skip_valkey_timed(struct rdb_in *in) {
    return skip_pair(in) && rdb_in_skip(in, 8);
}

static bool skip_node(struct rdb_in *in) {
    return skip_lens(in, 1) && rdb_in_skip_string(in);
}

static bool skip_many(struct rdb_in *in, uint64_t least, bool (*one)(struct rdb_in *in)) {
    uint64_t n;

    if (!rdb_in_count(in, least, &n)) return false;
    for (; n > 0; n--)
        if (!one(in)) return false;
    return true;
}

/* ---------------------------------------------------------------- streams */

static bool skip_pending(struct rdb_in *in) {
    return rdb_in_skip(in, 16 + 8) && skip_lens(in, 1);
}

static bool skip_owned(struct rdb_in *in) {
    return rdb_in_skip(in, 16);
}

static bool skip_group(struct rdb_in *in, unsigned type) {
    uint64_t n;

    if (!rdb_in_skip_string(in) || !skip_lens(in, type == RDB_STREAM ? 2 : 3)) return false;
    if (!skip_many(in, 16 + 8 + 1, skip_pending) || !rdb_in_count(in, 10, &n)) return false;
    for (; n > 0; n--) {
        if (!rdb_in_skip_string(in) || !rdb_in_skip(in, type == RDB_STREAM_3 ? 16 : 8) ||
            !skip_many(in, 16, skip_owned))
            return false;
    }
    return true;
}

static bool skip_stream(struct rdb_in *in, unsigned type) {
    uint64_t n;

    if (!skip_many(in, 2, skip_pair)) return false;
    /* Length, last id; first id, highest deleted id, entries added. */
    if (!skip_lens(in, type == RDB_STREAM ? 3 : 8) || !rdb_in_count(in, 5, &n)) return false;
    for (; n > 0; n--)
        if (!skip_group(in, type)) return false;
    return true;
}

/* ---------------------------------------------------------------- values */

bool rdb_skip_value(struct rdb_in *in, unsigned type) {
    switch (type) {
    case RDB_LIST:
    case RDB_SET:
    case RDB_LIST_QUICKLIST: return skip_many(in, 1, rdb_in_skip_string);
    case RDB_HASH: return skip_many(in, 2, skip_pair);
    case RDB_ZSET: return skip_many(in, 2, skip_text_score);
    case RDB_ZSET_2: return skip_many(in, 9, skip_score);
    case RDB_LIST_QUICKLIST_2: return skip_many(in, 2, skip_node);
    case RDB_HASH_TIMED:
        if (!rdb_in_skip(in, 8)) return false;
        return skip_many(in, 3, skip_timed);
    case RDB_HASH_TIMED_EARLY: return skip_many(in, 3, skip_timed);
    case RDB_HASH_TIMED_VALKEY: return skip_many(in, 10, skip_valkey_timed);
    case RDB_HASH_LISTPACK_TIMED: return rdb_in_skip(in, 8) && rdb_in_skip_string(in);
    case RDB_STREAM:
    case RDB_STREAM_2:
    case RDB_STREAM_3: return skip_stream(in, type);
    case RDB_MODULE_2: return skip_lens(in, 1) && rdb_skip_module(in);
    case RDB_MODULE: return rdb_in_fail(in, "a value of a module that does not say its length");
    default: return rdb_in_skip_string(in); /* one string */
    }
}

/* ---------------------------------------------------------------- the rest of a file */

/* Whatever stands where a key could. */
static bool skip_record(struct rdb_in *in, unsigned code, bool valkey) {
    unsigned type = rdb_type_read(code, valkey);

    switch (code) {
    case RDB_AUX: return skip_pair(in);
    case RDB_RESIZE: return skip_lens(in, 2);
    case RDB_SELECT:
    case RDB_IDLE: return skip_lens(in, 1);
    case RDB_SLOT_INFO: return skip_lens(in, 3);
    case RDB_EXPIRE_MS: return rdb_in_skip(in, 8);
    case RDB_EXPIRE_S: return rdb_in_skip(in, 4);
    case RDB_FREQ: return rdb_in_skip(in, 1);
    case RDB_FUNCTION: return rdb_in_skip_string(in);
    case RDB_MODULE_AUX: return skip_lens(in, 1) && rdb_skip_module(in);
    default: return rdb_reads_type(type) && rdb_in_skip_string(in) && rdb_skip_value(in, type);
    }
}

bool rdb_skip_rest(struct rdb_in *in, int version) {
    uint64_t n;
    uint8_t code;

    for (;;) {
        if (!rdb_in_byte(in, &code)) return false;
        if (code == RDB_EOF) break;
        if (!skip_record(in, code, version == RDB_VALKEY_VERSION)) return false;
    }
    n = version < RDB_SUM_SINCE ? 0 : RDB_SUM_BYTES;
    return rdb_in_left(in) == n || rdb_in_left(in) == n + RDB_MARK_BYTES; /* a stream's */
}
