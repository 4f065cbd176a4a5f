/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/replication/stream.h"

#include "storage/base/check.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"

#include <stdio.h>
#include <string.h>

struct block {
    struct list link;
    uint64_t from; /* offset of its first byte */
    size_t n;
    char data[STREAM_BLOCK];
};

static struct block *block_at(struct list *link) {
    return list_entry(link, struct block, link);
}

static void set_id(char to[STREAM_ID_CHARS + 1], const char *id) {
    snprintf(to, STREAM_ID_CHARS + 1, "%s", id);
}

void repl_stream_init(struct repl_stream *s) {
    *s = (struct repl_stream){.db = -1, .data_db = -1, .first = 1, .keep = STREAM_BLOCK};
    list_init(&s->blocks);
    rng_hex(s->id, STREAM_ID_CHARS);
}

/* ---------------------------------------------------------------- bytes in memory */

static void drop_block(struct repl_stream *s, struct block *b) {
    if (s->asked == b) s->asked = NULL;
    list_remove(&b->link);
    mem_free(b);
}

static void drop_first_block(struct repl_stream *s) {
    struct block *b = block_at(s->blocks.next);

    s->first = b->from + b->n;
    drop_block(s, b);
}

static void drop_blocks(struct repl_stream *s) {
    while (!list_empty(&s->blocks)) drop_first_block(s);
    s->first = s->offset + 1;
}

void repl_stream_release(struct repl_stream *s) {
    drop_blocks(s);
}

static struct block *last_block(struct repl_stream *s) {
    struct block *b = list_empty(&s->blocks) ? NULL : block_at(s->blocks.prev);

    if (b && b->n < STREAM_BLOCK) return b;
    b = mem_alloc(sizeof *b);
    b->from = s->offset + 1;
    b->n = 0;
    list_init(&b->link);
    list_append(&s->blocks, &b->link);
    return b;
}

void repl_stream_append(struct repl_stream *s, struct slice bytes) {
    while (bytes.n > 0) {
        struct block *b = last_block(s);
        size_t room = STREAM_BLOCK - b->n, part = bytes.n < room ? bytes.n : room;

        memcpy(b->data + b->n, bytes.p, part);
        b->n += part;
        s->offset += part;
        bytes.p += part;
        bytes.n -= part;
    }
}

void repl_stream_note_data(struct repl_stream *s) {
    s->data_end = s->offset;
    s->data_db = s->db;
}

/* What comes after `end` need not be what it would have been. */
static void end_pasts(struct repl_stream *s, uint64_t end) {
    for (size_t i = 0; i < s->npasts; i++)
        if (s->past[i].end > end) s->past[i].end = end;
}

void repl_stream_rewind(struct repl_stream *s) {
    uint64_t end = s->data_end;

    while (!list_empty(&s->blocks) && block_at(s->blocks.prev)->from > end)
        drop_block(s, block_at(s->blocks.prev));
    if (!list_empty(&s->blocks)) {
        struct block *b = block_at(s->blocks.prev);

        if (b->from + b->n - 1 > end) b->n = (size_t)(end + 1 - b->from);
    }
    if (s->first > end + 1) s->first = end + 1;
    end_pasts(s, end);
    s->offset = end;
    s->db = s->data_db < 0 ? -1 : s->data_db;
}

void repl_stream_trim(struct repl_stream *s, uint64_t needed) {
    while (!list_empty(&s->blocks)) {
        const struct block *b = block_at(s->blocks.next);
        uint64_t end = b->from + b->n;

        if (end > needed || s->offset + 1 - end < s->keep) return;
        drop_first_block(s);
    }
}

static uint64_t distance(uint64_t a, uint64_t b) {
    return a > b ? a - b : b - a;
}

/* What is asked for is mostly near the end, the beginning, or what was asked for before. */
static struct block *block_of(struct repl_stream *s, uint64_t offset) {
    struct block *b = block_at(s->blocks.prev), *other[] = {block_at(s->blocks.next), s->asked};

    for (int i = 0; i < 2; i++)
        if (other[i] && distance(other[i]->from, offset) < distance(b->from, offset)) b = other[i];
    while (b->from > offset) b = block_at(b->link.prev);
    while (offset - b->from >= b->n) b = block_at(b->link.next);
    s->asked = b;
    return b;
}

int repl_stream_peek(struct repl_stream *s, uint64_t from, struct iovec *iov, int max,
                     size_t limit) {
    struct block *b;
    int n = 0;

    if (from > s->offset) return 0;
    DCHECK(from >= s->first);
    for (b = block_of(s, from); n < max && limit > 0; b = block_at(b->link.next)) {
        size_t skip = (size_t)(from - b->from), part = b->n - skip;

        if (part > limit) part = limit;
        iov[n++] = (struct iovec){b->data + skip, part};
        from += part;
        limit -= part;
        if (b->link.next == &s->blocks) break;
    }
    return n;
}

/* ---------------------------------------------------------------- identity */

void repl_stream_activate(struct repl_stream *s) {
    s->active = true;
    s->db = -1;
    s->first = s->offset + 1;
    repl_stream_note_data(s);
}

void repl_stream_deactivate(struct repl_stream *s) {
    drop_blocks(s);
    s->active = false;
    s->db = -1;
    s->npasts = 0;
    rng_hex(s->id, STREAM_ID_CHARS);
    repl_stream_note_data(s);
}

/* The newest comes first; the oldest one has to go. */
static void insert_past(struct repl_stream *s, size_t at, const char *id, uint64_t end) {
    if (at >= STREAM_PASTS) return;
    if (s->npasts < STREAM_PASTS) s->npasts++;
    memmove(s->past + at + 1, s->past + at, (s->npasts - at - 1) * sizeof *s->past);
    set_id(s->past[at].id, id);
    s->past[at].end = end;
}

void repl_stream_continue_as(struct repl_stream *s, const char *id) {
    if (strcmp(s->id, id) == 0) return;
    end_pasts(s, s->offset);
    insert_past(s, 0, s->id, s->offset);
    set_id(s->id, id);
}

void repl_stream_rename(struct repl_stream *s) {
    char id[STREAM_ID_CHARS + 1] = "";

    rng_hex(id, STREAM_ID_CHARS);
    repl_stream_continue_as(s, id);
    s->db = -1;
}

void repl_stream_add_past(struct repl_stream *s, const char *id, uint64_t end) {
    insert_past(s, s->npasts, id, end);
}

void repl_stream_hear_past(struct repl_stream *s, const char *id, uint64_t end) {
    if (strcmp(s->id, id) == 0) return;
    for (size_t i = 0; i < s->npasts; i++) {
        if (strcmp(s->past[i].id, id) != 0) continue;
        if (s->past[i].end < end) s->past[i].end = end;
        return;
    }
    insert_past(s, s->npasts, id, end);
}

void repl_stream_adopt(struct repl_stream *s, const char *id, uint64_t offset, int db) {
    drop_blocks(s);
    set_id(s->id, id);
    s->npasts = 0;
    s->offset = offset;
    s->first = offset + 1;
    s->db = db;
    s->active = true;
    repl_stream_note_data(s);
}

bool repl_stream_knows(const struct repl_stream *s, const char *id, uint64_t *end) {
    *end = s->offset;
    if (strcmp(id, s->id) == 0) return true;
    for (size_t i = 0; i < s->npasts; i++) {
        *end = s->past[i].end < s->offset ? s->past[i].end : s->offset;
        if (strcmp(id, s->past[i].id) == 0) return true;
    }
    return false;
}

bool repl_stream_is_of(const struct repl_stream *s, const char *id, uint64_t from) {
    uint64_t end;

    return repl_stream_knows(s, id, &end) && from <= end + 1;
}
