/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_mark - the lines that give a batch of the AOF its identity. The format is defined in
 * persistence/README.md; this file writes and reads exactly that.
 */
#ifndef STET_PERSISTENCE_AOF_MARK_H
#define STET_PERSISTENCE_AOF_MARK_H

#include "storage/base/bytes.h"

#include <stdint.h>

enum { AOF_VERSION_MAX = 2 }; /* of the format */
enum { AOF_MARK_MAX = 128 };  /* longest line, CRLF included */

#define AOF_BEGIN_MARK SLICE("#{\r\n")

/* One epoch of one file: from its header line to the next one. */
struct aof_epoch {
    uint64_t id;
    uint64_t position; /* of the header's first byte */
    uint64_t offset;   /* of the header's first byte in its file */
    uint64_t epoch;
    int64_t ms;  /* when it began */
    int version; /* of the format: 2 if marks of the replication stream may follow; 0 means 1 */
};

struct aof_trailer {
    uint64_t length, crc, unsynced;
    int64_t ms;
};

static inline uint64_t aof_position_at(const struct aof_epoch *h, uint64_t offset) {
    return h->position + (offset - h->offset);
}

/* Each writes one line and returns its length. `out` has room for AOF_MARK_MAX. */
size_t aof_mark_header(char *out, const struct aof_epoch *h, uint64_t previous_id);
size_t aof_mark_trailer(char *out, const struct aof_epoch *h, uint64_t position,
                        const struct aof_trailer *t);
size_t aof_mark_synced(char *out, const struct aof_epoch *h, uint64_t position, uint64_t unsynced,
                       int64_t ms);

/* The checksum of a batch's commands; `position` is that of its begin mark. Chain: pass 0 first. */
uint64_t aof_batch_seed(const struct aof_epoch *h, uint64_t position);

/* Whether `line` is the header of a format that this program does not know yet; its check holds. */
bool aof_mark_is_newer(struct slice line, uint64_t offset, uint64_t previous_id);

/* Each reads one line without its CRLF; false if it is not such a line or its check fails. */
bool aof_mark_parse_header(struct slice line, uint64_t offset, uint64_t previous_id,
                           struct aof_epoch *h);
bool aof_mark_parse_trailer(struct slice line, const struct aof_epoch *h, uint64_t position,
                            struct aof_trailer *t);
bool aof_mark_parse_synced(struct slice line, const struct aof_epoch *h, uint64_t position,
                           uint64_t *unsynced, int64_t *ms);

/* For other marks (aof_stream_mark.h): the parts of a line. */
char *aof_put_hex(char *p, uint64_t v);
size_t aof_put_check(char *line, char *p, const struct aof_epoch *h, uint64_t position);
bool aof_take_hex(struct slice *s, uint64_t *out);
bool aof_take_blank(struct slice *s);
bool aof_take_check(struct slice line, struct slice rest, const struct aof_epoch *h,
                    uint64_t position);

#endif
