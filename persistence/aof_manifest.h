/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_manifest - which files make up the append-only file, in which order.
 *
 * The text is Redis 7's, byte for byte: a line `file NAME seq N type b|h|i` a file, history first
 * after the base. Reading is strict: a malformed line, a path, a second base, increments that do
 * not count up, an empty manifest are refused with file and line.
 * Not here: whether the files exist and none is missing between them (aof_load), and when they
 * change (aof).
 */
#ifndef STET_PERSISTENCE_AOF_MANIFEST_H
#define STET_PERSISTENCE_AOF_MANIFEST_H

#include "storage/base/bytes.h"
#include "storage/base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum aof_file_type { AOF_BASE = 'b', AOF_INCR = 'i', AOF_HISTORY = 'h' };

enum { AOF_NAME_MAX = 256 };

struct aof_file {
    char name[AOF_NAME_MAX];
    int64_t seq;
    enum aof_file_type type;
    int line; /* of the manifest that was read; 0: added since */
};

struct aof_manifest {
    struct aof_file *files; /* base first if there is one, then history, then increments */
    size_t n, cap;
    int64_t base_seq, incr_seq; /* highest in use, 0: none */
};

void aof_manifest_release(struct aof_manifest *m);
void aof_manifest_copy(struct aof_manifest *to, const struct aof_manifest *from);

/* `text` is the whole file, `name` is for messages. */
int aof_manifest_parse(struct aof_manifest *m, const char *name, struct slice text, struct err *e);
void aof_manifest_format(const struct aof_manifest *m, struct bytes *out);

/* NULL if there is none. The last increment is the one that is appended to. */
const struct aof_file *aof_manifest_base(const struct aof_manifest *m);
const struct aof_file *aof_manifest_last_incr(const struct aof_manifest *m);

/* Adds the next increment / makes a base current, named after `stem` (appendfilename). A base that
 * was current becomes history. */
struct aof_file *aof_manifest_add_incr(struct aof_manifest *m, const char *stem);
struct aof_file *aof_manifest_set_base(struct aof_manifest *m, const char *stem,
                                       const char *suffix);

/* Adds a file at the end. */
void aof_manifest_add(struct aof_manifest *m, enum aof_file_type type, int64_t seq,
                      const char *name);
bool aof_manifest_names(const struct aof_manifest *m, const char *name);

/* Turns every increment but the last `keep` into history. */
void aof_manifest_retire_incrs(struct aof_manifest *m, size_t keep);
void aof_manifest_drop_history(struct aof_manifest *m);

/* Takes out the last increment if its number does not follow the one before it, and keeps its name
 * in `name`; false: it does. */
bool aof_manifest_drop_stray(struct aof_manifest *m, char name[AOF_NAME_MAX]);

#endif
