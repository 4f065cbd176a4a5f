/* SPDX-License-Identifier: BSD-3-Clause
 *
 * rdb_format - the numbers of Redis' snapshot format.
 *
 *   REDIS0010 | opcode or (expiry, idle time...) type key value | ... | EOF | checksum 8
 *
 * A length: two highest bits 00: 6 bits follow; 01: 14 bits; 10: 0x80 and 32 bits, 0x81 and 64
 * bits, big endian; 11: no length, but a string in one of the RDB_INT8... forms. Everything else
 * that has several bytes is little endian.
 */
#ifndef STET_PERSISTENCE_RDB_FORMAT_H
#define STET_PERSISTENCE_RDB_FORMAT_H

#include <stdint.h>

enum {
    RDB_HEADER_BYTES = 9, /* "REDIS", four digits */
    RDB_SUM_BYTES = 8,
    RDB_FRAME_WORD = 5, /* "$EOF:", a mark, CR LF; before the header of a stream */
    RDB_MARK_BYTES = 40,
    RDB_FRAME_BYTES = RDB_FRAME_WORD + RDB_MARK_BYTES + 2,
    RDB_SUM_SINCE = 5,     /* the version */
    RDB_FOOTER_BYTES = 10, /* of DUMP: version, checksum */
    RDB_PLAIN_VERSION = 10,
    RDB_TIMED_VERSION = 12,  /* with fields or members that have a time to live */
    RDB_VALKEY_VERSION = 80, /* Valkey 9; its types after RDB_STREAM_3 are other ones than Redis' */
};

enum { RDB_LEN_6, RDB_LEN_14, RDB_LEN_WIDE, RDB_LEN_CODED, RDB_LEN_32 = 0x80, RDB_LEN_64 = 0x81 };
enum { RDB_INT8, RDB_INT16, RDB_INT32, RDB_LZF };

enum rdb_type {
    RDB_STRING,
    RDB_LIST,
    RDB_SET,
    RDB_ZSET,
    RDB_HASH,
    RDB_ZSET_2,
    RDB_MODULE,
    RDB_MODULE_2,
    RDB_HASH_ZIPMAP = 9,
    RDB_LIST_ZIPLIST,
    RDB_SET_INTSET,
    RDB_ZSET_ZIPLIST,
    RDB_HASH_ZIPLIST,
    RDB_LIST_QUICKLIST,
    RDB_STREAM,
    RDB_HASH_LISTPACK,
    RDB_ZSET_LISTPACK,
    RDB_LIST_QUICKLIST_2,
    RDB_STREAM_2,
    RDB_SET_LISTPACK,
    RDB_STREAM_3,
    RDB_HASH_TIMED_EARLY, /* times as they are; only in previews of 7.4 */
    RDB_HASH_LISTPACK_TIMED_EARLY,
    RDB_HASH_TIMED, /* times as the distance from the first one */
    RDB_HASH_LISTPACK_TIMED,
    RDB_TYPES,
    /* Not in files: what Valkey 9 writes as 22, see rdb_type_read(). After each field and its value
     * stands its time, 8 bytes, -1 for none. */
    RDB_HASH_TIMED_VALKEY = RDB_TYPES,
    RDB_READ_TYPES
};

enum rdb_opcode {
    RDB_SLOT_INFO = 244,
    RDB_FUNCTION = 245,
    RDB_FUNCTION_EARLY = 246,
    RDB_MODULE_AUX = 247,
    RDB_IDLE = 248,
    RDB_FREQ = 249,
    RDB_AUX = 250,
    RDB_RESIZE = 251,
    RDB_EXPIRE_MS = 252,
    RDB_EXPIRE_S = 253,
    RDB_SELECT = 254,
    RDB_EOF = 255,
};

/* Redis keeps times of fields in 48 bits; those of members have the same room. */
#define RDB_PART_TIME_MAX ((INT64_C(1) << 48) - 1)

enum { RDB_NODE_PLAIN = 1, RDB_NODE_PACKED = 2 }; /* of a RDB_LIST_QUICKLIST_2 */

/* The id of the module "vectorset" of Redis 8: nine letters of 6 bits and a version of 10. */
#define RDB_VSET_MODULE UINT64_C(0xbde72da2bb1eb400)
/* The same of "ReJSON-RL" with version 3. */
#define RDB_JSON_MODULE UINT64_C(0x45e25238df912c03)
/* The same of "stet-sets" with version 1: no module of Redis. Sets with members that have a time to
 * live (rdb_set.c). */
#define RDB_SET_MODULE UINT64_C(0xb2d7adfac7adb001)

/* "MBbloom--", "MBbloomCF", "CMSk-TYPE", "TopK-TYPE" and "TDIS-TYPE" with the version 1000: the
 * contents are our own (rdb_sketch.c). */
#define RDB_BLOOM_MODULE    UINT64_C(0x3016e5a289befbe8)
#define RDB_CUCKOO_MODULE   UINT64_C(0x3016e5a2898217e8)
#define RDB_COUNTMIN_MODULE UINT64_C(0x08c4a4f9360f13e8)
#define RDB_TOPK_MODULE     UINT64_C(0x4e8a4af9360f13e8)
#define RDB_TDIGEST_MODULE  UINT64_C(0x4c3212f9360f13e8)

/* What stands in the data of a module. */
enum {
    RDB_PART_EOF,
    RDB_PART_INT,
    RDB_PART_UINT,
    RDB_PART_FLOAT,
    RDB_PART_DOUBLE,
    RDB_PART_STRING
};

#endif
