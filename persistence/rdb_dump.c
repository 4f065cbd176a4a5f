/* SPDX-License-Identifier: BSD-3-Clause
 *
 * rdb_dump - one value as DUMP and RESTORE carry it: type, value, version 2, checksum 8; and the
 * libraries of functions, of which a payload holds any number.
 */
#include "persistence/rdb_types.h"
#include "storage/base/crc.h"

#include <errno.h>

enum { SUM_PIECE = 64 * 1024 };

static uint64_t sum_of(struct slice s, const struct pace *pace) {
    uint64_t sum = 0;

    for (size_t at = 0; at < s.n; at += SUM_PIECE) {
        size_t n = s.n - at < SUM_PIECE ? s.n - at : SUM_PIECE;

        sum = crc64(sum, s.p + at, n);
        pace_step(pace, n / PACE_BYTES);
    }
    return sum;
}

static void put_footer(struct rdb_out *o, int version) {
    rdb_out_byte(o, (uint8_t)version);
    rdb_out_byte(o, (uint8_t)(version >> 8));
    rdb_out_u64(o, sum_of(bytes_slice(&o->buf), &o->pace));
}

void rdb_dump(struct bytes *out, const struct entry *e, bool compress, const struct pace *pace) {
    struct rdb_out o = {.fd = -1, .compress = compress, .pace = *pace};

    rdb_out_byte(&o, (uint8_t)rdb_type_of(e));
    rdb_put_value(&o, e);
    put_footer(&o, rdb_oldest_version(e));
    bytes_append(out, o.buf.p, o.buf.n);
    rdb_out_release(&o);
}

/* The version of a payload whose checksum holds; 0: it is none. */
static int payload_version(struct slice payload, bool skip_sum, const struct pace *pace) {
    const uint8_t *end = (const uint8_t *)payload.p + payload.n;
    uint64_t sum;
    int version;

    if (payload.n < RDB_FOOTER_BYTES) return 0;
    version = end[-RDB_FOOTER_BYTES] | end[1 - RDB_FOOTER_BYTES] << 8;
    memcpy(&sum, end - sizeof sum, sizeof sum);
    if (version > RDB_VERSION_MAX && version != RDB_VALKEY_VERSION) return 0;
    if (!skip_sum && sum != sum_of(slice_of(payload.p, payload.n - sizeof sum), pace)) return 0;
    return version ? version : 1;
}

enum rdb_restored rdb_restore(struct slice payload, struct slice key, int64_t expire_ms,
                              const struct rdb_rules *rules, struct entry **out, int *version) {
    struct rdb_in in;
    struct entry *e = NULL;
    uint8_t code;
    bool empty;

    *out = NULL;
    *version = payload_version(payload, rules->skip_sum, &rules->pace);
    if (*version == 0) return RDB_BAD_SUM;
    rdb_in_memory(&in, slice_of(payload.p, payload.n - RDB_FOOTER_BYTES), NULL);
    in.pace = rules->pace;
    if (rdb_in_byte(&in, &code))
        e = rdb_take_value(&in, rdb_type_read(code, *version == RDB_VALKEY_VERSION), key, expire_ms,
                           rules);
    if (e && rdb_in_left(&in) > 0) {
        entry_discard(e, false);
        e = NULL;
    }
    empty = in.empty;
    rdb_in_release(&in);
    *out = e;
    return e ? RDB_RESTORED : empty ? RDB_EMPTY : RDB_BAD_DATA;
}

/* ---------------------------------------------------------------- libraries */

void rdb_put_libraries(struct rdb_out *o, const struct library *l) {
    for (; l; l = l->next) {
        rdb_out_byte(o, RDB_FUNCTION);
        rdb_out_string(o, l->code);
    }
}

void rdb_dump_libraries(struct bytes *out, const struct library *first, bool compress) {
    struct rdb_out o = {.fd = -1, .compress = compress};

    rdb_put_libraries(&o, first);
    put_footer(&o, RDB_PLAIN_VERSION);
    bytes_append(out, o.buf.p, o.buf.n);
    rdb_out_release(&o);
}

static int take_library(struct rdb_in *in, int (*each)(void *arg, struct slice code, struct err *e),
                        void *arg, struct err *e) {
    struct slice code;
    uint8_t type;

    if (!rdb_in_byte(in, &type)) return err_set(e, EINVAL, "can not read data type");
    if (type == RDB_FUNCTION_EARLY)
        return err_set(e, EINVAL, "Pre-GA function format not supported");
    if (type != RDB_FUNCTION) return err_set(e, EINVAL, "given type is not a function");
    if (!rdb_in_string(in, &code)) return err_set(e, EINVAL, "Failed loading library code");
    return each(arg, code, e);
}

int rdb_restore_libraries(struct slice payload,
                          int (*each)(void *arg, struct slice code, struct err *e), void *arg,
                          struct err *e) {
    struct rdb_in in;
    int rc = 0;

    if (payload_version(payload, false, PACE_NONE) == 0)
        return err_set(e, EINVAL, "DUMP payload version or checksum are wrong");
    rdb_in_memory(&in, slice_of(payload.p, payload.n - RDB_FOOTER_BYTES), NULL);
    while (rc == 0 && rdb_in_left(&in) > 0) rc = take_library(&in, each, arg, e);
    rdb_in_release(&in);
    return rc;
}
