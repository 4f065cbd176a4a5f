/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_room.h"

#include "storage/base/io.h"

#include <errno.h>
#include <string.h>

enum {
    PIECE = 16 * 1024
}; /* that much is written, or looked at, at once: a multiple of the line */

static bool is_fill(char c) {
    return c == '_' || c == '#';
}

size_t aof_room_seam(uint64_t at, char out[AOF_ROOM_SEAM_MAX]) {
    /* Two bytes before the line's end stands its CR: the next line is made part of this one. */
    memcpy(out, "#_", 2);
    return at % AOF_ROOM_LINE == AOF_ROOM_LINE - 2 ? 2 : 1;
}

/* The bytes of room from offset `at` on. */
static void fill(char *out, size_t n, uint64_t at) {
    memset(out, '_', n);
    for (size_t i = 0; i < n; i++) {
        switch ((at + i) % AOF_ROOM_LINE) {
        case 0: out[i] = '#'; break;
        case AOF_ROOM_LINE - 2: out[i] = '\r'; break;
        case AOF_ROOM_LINE - 1: out[i] = '\n'; break;
        default: i += AOF_ROOM_LINE - 3 - (at + i) % AOF_ROOM_LINE; break;
        }
    }
}

int aof_room_make(int fd, uint64_t from, uint64_t content, uint64_t *end, struct err *e) {
    uint64_t at = from, to = (content / AOF_ROOM_LINE + 1) * AOF_ROOM_LINE + AOF_ROOM_BYTES;
    char piece[PIECE], seam[AOF_ROOM_SEAM_MAX];

    while (at < to) {
        size_t n = to - at < sizeof piece ? (size_t)(to - at) : sizeof piece;

        fill(piece, n, at);
        if (at == from) memcpy(piece, seam, aof_room_seam(at, seam));
        if (io_write_at(fd, piece, n, (off_t)at, NULL, e) < 0) return -1;
        at += n;
    }
    *end = to;
    return 0;
}

bool aof_room_is_line(struct slice line) {
    if (line.n == 0 || line.p[0] != '#') return false;
    for (size_t i = 0; i < line.n; i++)
        if (!is_fill(line.p[i])) return false;
    return true;
}

/* The last line of a file that ends in room is a whole one. */
static int ends_in_room(int fd, uint64_t end, bool *yes) {
    char have[AOF_ROOM_LINE], whole[AOF_ROOM_LINE];

    *yes = false;
    if (end == 0 || end % AOF_ROOM_LINE) return 0;
    if (io_read_at(fd, have, sizeof have, (off_t)(end - sizeof have), NULL) != sizeof have)
        return -1;
    fill(whole, sizeof whole, end - sizeof whole);
    *yes = memcmp(have, whole, sizeof have) == 0;
    return 0;
}

/* Backwards, line by line: `*start` is where the first one known so far begins. */
int aof_room_find(int fd, uint64_t end, uint64_t *start) {
    char piece[PIECE];
    uint64_t at = end - 2; /* before the CRLF that ends the line under way */
    bool yes;
    char next = 0; /* the byte at `at` */

    *start = end;
    if (ends_in_room(fd, end, &yes) < 0) return -1;
    while (yes && at > 0) {
        uint64_t from = at < sizeof piece ? 0 : at - sizeof piece;
        size_t n = (size_t)(at - from);

        if (io_read_at(fd, piece, n, (off_t)from, NULL) != (ssize_t)n) return -1;
        for (; n > 0 && yes; n--, at--) {
            char c = piece[n - 1];

            if (next == '\n')
                yes = c == '\r'; /* a line of room ends so */
            else if (c == '\n' && next == '#')
                *start = at;
            else
                yes = is_fill(c);
            next = c;
        }
    }
    if (yes && next == '#') *start = 0;
    return 0;
}
