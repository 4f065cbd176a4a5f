/* SPDX-License-Identifier: BSD-3-Clause
 *
 * rdb_types - how values stand in an RDB: a codec for each type of ours for writing, one for each
 * type byte for reading.
 *
 * What a reader returns is a value like any other: everything in it has been checked. NULL: the
 * source failed, or what it held was not right; `in->empty` if there was just nothing in it.
 */
#ifndef STET_PERSISTENCE_RDB_TYPES_H
#define STET_PERSISTENCE_RDB_TYPES_H

#include "persistence/rdb.h"
#include "persistence/rdb_format.h"
#include "persistence/rdb_in.h"
#include "persistence/rdb_out.h"

/* The type byte, and the value without it. */
enum rdb_type rdb_type_of(const struct entry *e);
void rdb_put_value(struct rdb_out *o, const struct entry *e);

/* What a file says of a value in an aux field called NOTE_NAME before its key (storage/note.h).
 * DUMP does not have it. */
bool rdb_note_of(const struct entry *e, struct bytes *note);

/* False: it does not hold, or is none of this type. */
bool rdb_take_note(struct entry *e, struct slice note);

/* The value that follows, of the type that the byte says, as an entry. `key` must not point into
 * the source. */
struct entry *rdb_take_value(struct rdb_in *in, unsigned type, struct slice key, int64_t expire_ms,
                             const struct rdb_rules *rules);

/* The same for a module's value whose id was read. */
struct entry *rdb_take_module(struct rdb_in *in, uint64_t id, struct slice key, int64_t expire_ms,
                              const struct rdb_rules *rules);

/* Whether such a type byte can stand before a key. */
bool rdb_reads_type(unsigned type);

/* The type that a code of a file or payload stands for; one that is not read where it is unknown.
 * Valkey gave codes other meanings after it had parted from Redis. */
unsigned rdb_type_read(unsigned code, bool valkey);

/* The code that is written for a type; the reverse. */
uint8_t rdb_type_code(enum rdb_type type, bool valkey);

/* rdb_skip.c: passes over what follows without looking at more than lengths. */
bool rdb_skip_value(struct rdb_in *in, unsigned type);
bool rdb_skip_module(struct rdb_in *in);

/* From the beginning of a record on: whether the rest of the file has the structure of one, up to
 * the end and the checksum (which is not compared) and no further. */
bool rdb_skip_rest(struct rdb_in *in, int version);

/* Fails with `empty` set; returns NULL. */
struct entry *rdb_in_empty(struct rdb_in *in);

/* ---------------------------------------------------------------- parts of it */

/* What a reader of one type gets. */
struct rdb_want {
    unsigned type;
    struct slice key;
    int64_t expire_ms;
    const struct rdb_rules *rules;
};

/* A string that is a listpack, checked; NULL: failed. The caller's. */
struct listpack *rdb_take_listpack(struct rdb_in *in);

/* rdb_dump.c */
void rdb_put_libraries(struct rdb_out *o, const struct library *first);

void rdb_put_pack(struct rdb_out *o, const struct pack *p);

/* rdb_pairs.c */
enum rdb_type rdb_hash_type(const struct entry *e);
void rdb_put_hash(struct rdb_out *o, const struct entry *e);
struct entry *rdb_take_hash(struct rdb_in *in, const struct rdb_want *w);
struct entry *rdb_take_hash_packed(struct rdb_in *in, const struct rdb_want *w);
struct entry *rdb_take_hash_timed(struct rdb_in *in, const struct rdb_want *w);
struct entry *rdb_take_hash_timed_valkey(struct rdb_in *in, const struct rdb_want *w);
struct entry *rdb_take_hash_packed_timed(struct rdb_in *in, const struct rdb_want *w);
enum rdb_type rdb_zset_type(const struct entry *e);
void rdb_put_zset(struct rdb_out *o, const struct entry *e);
struct entry *rdb_take_zset(struct rdb_in *in, const struct rdb_want *w);
struct entry *rdb_take_zset_packed(struct rdb_in *in, const struct rdb_want *w);

/* rdb_set.c */
enum rdb_type rdb_set_type(const struct entry *e);
void rdb_put_set(struct rdb_out *o, const struct entry *e);
struct entry *rdb_take_set(struct rdb_in *in, const struct rdb_want *w);
struct entry *rdb_take_intset(struct rdb_in *in, const struct rdb_want *w);
struct entry *rdb_take_set_packed(struct rdb_in *in, const struct rdb_want *w);
struct entry *rdb_take_set_timed(struct rdb_in *in, const struct rdb_want *w);

/* rdb_stream.c */
enum rdb_type rdb_stream_type(const struct entry *e);
void rdb_put_stream(struct rdb_out *o, const struct entry *e);
struct entry *rdb_take_stream(struct rdb_in *in, const struct rdb_want *w);
bool rdb_note_stream(const struct entry *e, struct bytes *note);
bool rdb_take_stream_note(struct entry *e, struct slice note);

/* rdb_vset.c */
enum rdb_type rdb_vset_type(const struct entry *e);
void rdb_put_vset(struct rdb_out *o, const struct entry *e);
struct entry *rdb_take_vset(struct rdb_in *in, const struct rdb_want *w);

/* rdb_json.c */
enum rdb_type rdb_json_type(const struct entry *e);
void rdb_put_json(struct rdb_out *o, const struct entry *e);
struct entry *rdb_take_json(struct rdb_in *in, const struct rdb_want *w);

/* rdb_sketch.c; `id` is a module's, rdb_is_sketch() must have been asked. */
enum rdb_type rdb_sketch_type(const struct entry *e);
void rdb_put_sketch(struct rdb_out *o, const struct entry *e);
bool rdb_is_sketch(uint64_t id);
struct entry *rdb_take_sketch(struct rdb_in *in, uint64_t id, const struct rdb_want *w);

/* Values of the module `id` are known here. */
bool rdb_knows_module(uint64_t id);

/* rdb_old.c: a layout of old as a listpack with the same elements; NULL: it is none. */
struct listpack *rdb_from_ziplist(struct slice s);
struct listpack *rdb_from_zipmap(struct slice s);

#endif
