/* SPDX-License-Identifier: BSD-3-Clause
 *
 * log_help - files of the log made by hand, and a directory to work in.
 */
#ifndef TEST_LOG_HELP_H
#define TEST_LOG_HELP_H

#include "persistence/aof_mark.h"
#include "persistence/aof_reader.h"
#include "storage/base/bytes.h"

/* A directory of its own as working directory, removed at the end; nothing is logged. */
void help_begin(void);
void help_end(void);

void help_write(const char *name, struct slice data);
struct slice help_read(const char *name); /* valid until the next call */
bool help_exists(const char *name);

/* Waits until `holds(arg)`, 20 s at the most; false if it never did. */
bool help_wait(bool (*holds)(void *arg), void *arg);

/* "SET a b" in RESP form, words parted by blanks. */
void put_command(struct bytes *b, const char *words);

/* A file under construction. */
struct made {
    struct bytes b;
    struct aof_epoch epoch;
    uint64_t base;            /* position of the file's first byte */
    int version;              /* of the next header */
    struct aof_stream stream; /* that the next "#@" names */
    size_t unit[64];          /* where units end */
    unsigned nunits;
};

void made_header(struct made *m, uint64_t id, uint64_t epoch);

/* A batch of commands parted by ';'; lines that begin with '#' are marks. `unsynced`: bytes before
 * its trailer; UINT64_MAX: all. */
void made_batch(struct made *m, const char *commands, uint64_t unsynced);
void made_synced(struct made *m, uint64_t unsynced);

/* Commands without marks; each one is a unit unless `together`. */
void made_plain(struct made *m, const char *commands, bool together);
void made_release(struct made *m);

/* Where the last unit that ends at or before `at` ends, and how many there are. */
size_t made_good(const struct made *m, size_t at, unsigned *units);

/* Reads bytes as a file; the commands as "SET a b;SET c d;", valid until the next call. */
const char *read_bytes(struct slice bytes, struct aof_report *r);

#endif
