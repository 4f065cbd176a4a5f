/* SPDX-License-Identifier: BSD-3-Clause
 *
 * rdb_salvage - a new file made of what holds in a damaged one: its bytes are copied as they are,
 * but for the records that are left out, and closed with an end and a new checksum.
 *
 * After a damaged value, the next record is expected where the value's structure ends; that is
 * believed only if from there the whole rest has the structure of a file up to its very last byte.
 * Otherwise what follows cannot be found again: a byte that looks like a record proves nothing.
 *
 * Used from the functions of an rdb_sink while the file is read. One thread.
 */
#ifndef STET_PERSISTENCE_RDB_SALVAGE_H
#define STET_PERSISTENCE_RDB_SALVAGE_H

#include "persistence/rdb.h"
#include "persistence/rdb_out.h"

struct rdb_salvage {
    int from;
    int dirfd;
    const char *name;
    struct rdb_out out;
    uint64_t copied; /* of the old file; what was left out counts */
    bool rest_holds; /* the rest was looked at, and has the structure of a file */
    uint64_t left_out;
};

/* Begins `name` in the directory, which must not exist yet. The caller keeps `from` and `dirfd`
 * open, and `name` and `e` good until the end. */
int rdb_salvage_begin(struct rdb_salvage *s, int from, int dirfd, const char *name, struct err *e);

/* Where the record after a damaged value begins; false: it cannot be known. */
bool rdb_salvage_behind(struct rdb_salvage *s, const struct rdb_damage *d, int version,
                        uint64_t *next);

/* The bytes from..to are a record that is not to be in the new file. */
void rdb_salvage_leave_out(struct rdb_salvage *s, uint64_t from, uint64_t to);

/* Everything up to `upto` (where a record begins, or the end) holds. The new file is complete and
 * synced then, or gone. */
int rdb_salvage_end(struct rdb_salvage *s, uint64_t upto, int version, struct err *e);

#endif
