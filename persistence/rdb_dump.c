/* SPDX-License-Identifier: BSD-3-Clause
 *
 * rdb_dump - one value as DUMP and RESTORE carry it: type, value, version 2, checksum 8.
 */
#include "persistence/rdb_types.h"
#include "storage/base/crc.h"

void rdb_dump(struct bytes *out, const struct entry *e, bool compress) {
    struct rdb_out o = {.fd = -1, .compress = compress};
    int version = rdb_oldest_version(e);

    rdb_out_byte(&o, (uint8_t)rdb_type_of(e));
    rdb_put_value(&o, e);
    rdb_out_byte(&o, (uint8_t)version);
    rdb_out_byte(&o, (uint8_t)(version >> 8));
    rdb_out_u64(&o, crc64(0, o.buf.p, o.buf.n));
    bytes_append(out, o.buf.p, o.buf.n);
    rdb_out_release(&o);
}

/* The version of a payload whose checksum holds; 0: it is none. */
static int payload_version(struct slice payload) {
    const uint8_t *end = (const uint8_t *)payload.p + payload.n;
    uint64_t sum;
    int version;

    if (payload.n < RDB_FOOTER_BYTES) return 0;
    version = end[-RDB_FOOTER_BYTES] | end[1 - RDB_FOOTER_BYTES] << 8;
    memcpy(&sum, end - sizeof sum, sizeof sum);
    if (version > RDB_VERSION_MAX) return 0;
    if (sum != crc64(0, payload.p, payload.n - sizeof sum)) return 0;
    return version ? version : 1;
}

enum rdb_restored rdb_restore(struct slice payload, struct slice key, int64_t expire_ms,
                              const struct rdb_rules *rules, struct entry **out, int *version) {
    struct rdb_in in;
    struct entry *e = NULL;
    uint8_t type;
    bool empty;

    *out = NULL;
    *version = payload_version(payload);
    if (*version == 0) return RDB_BAD_SUM;
    rdb_in_memory(&in, slice_of(payload.p, payload.n - RDB_FOOTER_BYTES), NULL);
    if (rdb_in_byte(&in, &type)) e = rdb_take_value(&in, type, key, expire_ms, rules);
    if (e && rdb_in_left(&in) > 0) {
        entry_free(e);
        e = NULL;
    }
    empty = in.empty;
    rdb_in_release(&in);
    *out = e;
    return e ? RDB_RESTORED : empty ? RDB_EMPTY : RDB_BAD_DATA;
}
