/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_room - room (in the documents: padding) at the end of the current file, written before it is
 * needed.
 *
 * An append makes the file longer, so its sync waits for the file system's journal besides the
 * data. What overwrites bytes that are on the disk already waits for the data alone: on ext4 that
 * takes 0.6 of the time and of the CPU time. So under `always` batches go into room that was
 * written before, many batches' worth at once.
 *
 * Room is text that Redis skips and no batch contains: lines "#____...", AOF_ROOM_LINE bytes each
 * with CRLF, at offsets that are multiples of that. After a batch, the rest of a line becomes a
 * line again by the seam, a '#' (the first byte of the next batch takes its place). The last whole
 * line is never used up: by it the reader knows room at the end of a file, which is no content. A
 * file that is closed has none.
 */
#ifndef STET_PERSISTENCE_AOF_ROOM_H
#define STET_PERSISTENCE_AOF_ROOM_H

#include "storage/base/bytes.h"
#include "storage/base/err.h"

#include <stdint.h>

enum {
    AOF_ROOM_LINE = 512, /* a sector: what a power cut leaves is whole lines */
    AOF_ROOM_BYTES = 256 * 1024,
    AOF_ROOM_SEAM_MAX = 2,
    AOF_ROOM_MOST = AOF_ROOM_BYTES + 2 * AOF_ROOM_LINE, /* after content that ends anywhere */
};

/* What has to follow content that ends at offset `at`; its length is returned. */
size_t aof_room_seam(uint64_t at, char out[AOF_ROOM_SEAM_MAX]);

/* Whether content may end at `at`, seam included, if the room ends at `end`. */
static inline bool aof_room_holds(uint64_t end, uint64_t at) {
    return at + AOF_ROOM_SEAM_MAX + AOF_ROOM_LINE <= end;
}

/* Writes room from offset `from` to AOF_ROOM_BYTES after `content`; *end is where it ends. */
int aof_room_make(int fd, uint64_t from, uint64_t content, uint64_t *end, struct err *e);

/* Where the room begins that ends at offset `end`: `end`, if there is none. -1: cannot be read. */
int aof_room_find(int fd, uint64_t end, uint64_t *start);

/* Whether `line` (without its CRLF) is one of room. */
bool aof_room_is_line(struct slice line);

#endif
