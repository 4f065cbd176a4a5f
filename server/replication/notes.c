/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/replication/notes.h"

#include "storage/base/mem.h"

static struct note *at(const struct notes *s, size_t i) {
    return &s->v[(s->first + i) % s->cap];
}

void notes_release(struct notes *s) {
    mem_free(s->v);
    *s = (struct notes){0};
}

void notes_clear(struct notes *s) {
    s->first = s->n = 0;
    s->passed = (struct note){0};
}

static void grow(struct notes *s) {
    size_t cap = s->cap ? s->cap * 2 : 64;
    struct note *v = mem_alloc(cap * sizeof *v);

    for (size_t i = 0; i < s->n; i++) v[i] = *at(s, i);
    mem_free(s->v);
    s->v = v;
    s->cap = cap;
    s->first = 0;
}

enum { NOTES_MAX = 1 << 16 }; /* then the last one moves: it says less, and what it says is true */

void notes_add(struct notes *s, uint64_t offset, uint64_t position, uint64_t now_us) {
    struct note *last = s->n ? at(s, s->n - 1) : &s->passed;

    if (last->offset == offset && last->position == position) return;
    if (s->n && last->position == position) {
        last->offset = offset;
        return;
    }
    if (s->n == NOTES_MAX) {
        last->offset = offset;
        last->position = position;
        return;
    }
    if (s->n == s->cap) grow(s);
    s->n++;
    *at(s, s->n - 1) = (struct note){offset, position, now_us};
}

static void pass_first(struct notes *s) {
    s->passed = *at(s, 0);
    s->first = (s->first + 1) % s->cap;
    s->n--;
}

uint64_t notes_offset_at(struct notes *s, uint64_t position) {
    while (s->n && at(s, 0)->position <= position) pass_first(s);
    return s->passed.offset;
}

uint64_t notes_position_at(struct notes *s, uint64_t offset) {
    while (s->n && at(s, 0)->offset <= offset) pass_first(s);
    return s->passed.position;
}

uint64_t notes_oldest_us(const struct notes *s) {
    return s->n ? at(s, 0)->at_us : 0;
}
