/* SPDX-License-Identifier: BSD-3-Clause */
#include "feed.h"

#include "given.h"
#include "protocol/encode.h"
#include "storage/base/num.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the stream was, and the data set then. */
struct place {
    uint64_t id, offset, print;
};

static struct {
    struct place *place;
    size_t n, cap;
    uint64_t ids;    /* given out */
    uint64_t *older; /* by id: that of the same history before it, 0: none */
    size_t older_cap;
} seen;

void feed_reset(void) {
    seen.n = 0;
    seen.ids = 0;
    given_reset();
}

static uint64_t number_of(const struct aof_stream *s) {
    return strtoull(s->id, NULL, 16);
}

static void note_place(const struct feed *s, uint64_t print) {
    if (!s->on) return;
    if (seen.n == seen.cap) {
        seen.cap = seen.cap ? seen.cap * 2 : 1024;
        seen.place = realloc(seen.place, seen.cap * sizeof *seen.place);
    }
    seen.place[seen.n++] = (struct place){number_of(&s->now), s->now.offset, print};
}

static bool was_there(const struct aof_stream *s, uint64_t print) {
    for (size_t i = seen.n; i-- > 0;) {
        const struct place *p = &seen.place[i];

        if (p->id == number_of(s) && p->offset == s->offset && p->print == print) return true;
    }
    return false;
}

static bool is_of_history(const struct feed *s, uint64_t id) {
    uint64_t at = number_of(&s->now);

    while (at && at != id) at = seen.older[at];
    return at == id;
}

bool feed_was_at(const struct feed *s, uint64_t offset, uint64_t print) {
    for (size_t i = seen.n; i-- > 0;) {
        const struct place *p = &seen.place[i];

        if (p->offset == offset && p->print == print && is_of_history(s, p->id)) return true;
    }
    return false;
}

/* `older`: the id of the same history, 0: another history begins. */
static void new_id(struct feed *s, uint64_t older) {
    if (seen.ids + 2 > seen.older_cap) {
        seen.older_cap = seen.older_cap ? seen.older_cap * 2 : 64;
        seen.older = realloc(seen.older, seen.older_cap * sizeof *seen.older);
    }
    seen.older[seen.ids + 1] = older;
    snprintf(s->now.id, sizeof s->now.id, "%040llx", (unsigned long long)++seen.ids);
}

static void begin_another(struct feed *s) {
    s->on = true;
    new_id(s, 0);
    s->now.offset = dice_below(&s->dice, 3) ? dice_below(&s->dice, 100000) : 0;
    s->now.db = -1;
}

void feed_tell(struct feed *s, struct aof *a) {
    if (s->on) aof_stream_begin(a, &s->now);
}

bool feed_start(struct feed *s, struct aof *a, uint64_t seed, uint64_t print) {
    struct aof_stream_past past[AOF_STREAM_PASTS];
    struct aof_stream found = {0};
    size_t n;
    bool there = aof_stream_loaded(a, &found, past, &n);

    *s = (struct feed){.dice = dice_new(seed, 77)};
    if (there && !was_there(&found, print)) return false;
    if (dice_one_in(&s->dice, 3)) return true; /* a server without a stream */
    if (there && !dice_one_in(&s->dice, 6)) {
        s->on = true;
        s->now = found;
        if (!dice_one_in(&s->dice, 4)) new_id(s, number_of(&s->now));
    } else {
        begin_another(s);
    }
    note_place(s, print);
    feed_tell(s, a);
    return true;
}

/* ---------------------------------------------------------------- appending */

static void note(struct feed *s, struct aof *a, bool logs) {
    static const uint32_t most[] = {20, 20, 400, 5000};
    char data[5000];
    size_t n = 1 + dice_below(&s->dice, most[dice_below(&s->dice, 4)]);

    for (size_t i = 0; i < n; i++) data[i] = (char)dice_below(&s->dice, 256);
    if (logs) aof_append_note(a, slice_of(data, n));
    given_sent(s->now.offset, slice_of(data, n));
    s->now.offset += n;
}

/* The unit as a stream has it. */
static void put_unit(const struct aof_unit *u, bool select, struct bytes *out) {
    char text[NUM_I64_MAX];
    struct slice argv[] = {SLICE("SELECT"), slice_of(text, (size_t)num_format_i64(text, u->db))};

    if (select) encode_command(out, 2, argv);
    if (u->ncommands > 1) bytes_append_str(out, "*1\r\n$5\r\nMULTI\r\n");
    bytes_append(out, u->resp.p, u->resp.n);
    if (u->ncommands > 1) bytes_append_str(out, "*1\r\n$4\r\nEXEC\r\n");
}

void feed_append(struct feed *s, struct aof *a, const struct aof_unit *unit, uint64_t print) {
    struct aof_unit u = *unit;
    struct bytes all = {0};
    bool logs = aof_logs(aof_phase(a)), master;

    if (!s->on) {
        if (logs) aof_append(a, &u);
        return;
    }
    if (dice_one_in(&s->dice, 6)) {
        if (logs) aof_append_local(a, &u);
        note_place(s, print);
        return;
    }
    master = dice_one_in(&s->dice, 3);
    u.select = u.db != s->now.db;
    put_unit(&u, u.select, &all);
    if (logs && master) aof_append_bytes(a, bytes_slice(&all), u.last_db);
    if (logs && !master) aof_append(a, &u);
    given_sent(s->now.offset, bytes_slice(&all));
    s->now.offset += all.n;
    s->now.db = u.last_db;
    bytes_release(&all);
    note_place(s, print);
    if (!dice_one_in(&s->dice, 4)) return;
    note(s, a, logs);
    note_place(s, print);
}

/* ---------------------------------------------------------------- changes */

void feed_change(struct feed *s, struct aof *a, uint64_t print) {
    switch (dice_below(&s->dice, 6)) {
    case 0:
        if (s->on) aof_stream_end(a);
        s->on = false;
        return;
    case 1: begin_another(s); break;
    default:
        if (!s->on) return;
        new_id(s, number_of(&s->now));
        break;
    }
    note_place(s, print);
    feed_tell(s, a);
}

void feed_replaced(struct feed *s, struct aof *a, uint64_t print) {
    begin_another(s);
    note_place(s, print);
    feed_tell(s, a);
}
