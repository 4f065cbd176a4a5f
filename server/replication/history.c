/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/replication/history.h"

#include "storage/base/num.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

bool history_is_useful(const struct repl_stream *s) {
    return s->active && (s->data_end < s->offset || s->npasts > 0);
}

static char *put(char *out, const char *end, const char *id, uint64_t to) {
    return out + snprintf(out, (size_t)(end - out), ",%s:%llu", id, (unsigned long long)to);
}

void history_put(const struct repl_stream *s, char out[HISTORY_MAX]) {
    const char *end = out + HISTORY_MAX;
    char *p = out + snprintf(out, HISTORY_MAX, "%llu", (unsigned long long)s->data_end);

    p = put(p, end, s->id, s->offset);
    for (size_t i = 0; i < s->npasts; i++)
        if (s->data_db != STREAM_DB_UNKNOWN) p = put(p, end, s->past[i].id, s->past[i].end);
}

/* A number up to `stop` or the end of the text. NULL: it is none. */
static const char *take_number(const char *p, char stop, uint64_t *to) {
    size_t n = strcspn(p, (char[]){stop, '\0'});
    int64_t v;

    if (!num_parse_i64(p, n, &v) || v < 0) return NULL;
    *to = (uint64_t)v;
    return p + n;
}

bool history_find(const struct repl_stream *s, const char *said, struct history_match *m) {
    const char *p = take_number(said, ',', &m->at);
    bool found = false;

    while (s->active && p && *p == ',' && strlen(p) > STREAM_ID_CHARS + 2) {
        char id[STREAM_ID_CHARS + 1];
        uint64_t end, ours, theirs;

        snprintf(id, sizeof id, "%s", p + 1);
        p += 1 + STREAM_ID_CHARS;
        if (*p != ':') return false;
        p = take_number(p + 1, ',', &theirs);
        if (!p) return false;
        if (!repl_stream_knows(s, id, &ours)) continue;
        end = ours < theirs ? ours : theirs;
        if (found && end <= m->end) continue;
        memcpy(m->id, id, sizeof id);
        m->end = end;
        m->ours = ours;
        m->theirs = theirs;
        found = true;
    }
    return found;
}

/* ---------------------------------------------------------------- the master's */

void history_tell(const struct repl_stream *s, char out[HISTORY_MAX]) {
    const char *end = out + HISTORY_MAX;
    char *p = out + snprintf(out, HISTORY_MAX, "%s", s->id);

    for (size_t i = 0; i < s->npasts; i++) p = put(p, end, s->past[i].id, s->past[i].end);
}

static const char *take_id(const char *p, char id[STREAM_ID_CHARS + 1]) {
    for (int i = 0; i < STREAM_ID_CHARS; i++)
        if (!isdigit((unsigned char)p[i]) && (p[i] < 'a' || p[i] > 'f')) return NULL;
    memcpy(id, p, STREAM_ID_CHARS);
    id[STREAM_ID_CHARS] = '\0';
    return p + STREAM_ID_CHARS;
}

static bool hear(struct history_told *t, const char *p) {
    p = take_id(p, t->id);
    while (p && *p == ',' && t->n < STREAM_PASTS) {
        p = take_id(p + 1, t->past[t->n].id);
        if (!p || *p != ':') return false;
        p = take_number(p + 1, ',', &t->past[t->n].end);
        t->n++;
    }
    return p && *p == '\0';
}

void history_hear(struct history_told *t, struct slice text) {
    char copy[HISTORY_MAX];

    *t = (struct history_told){0};
    if (text.n >= sizeof copy) return;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    if (!hear(t, copy)) *t = (struct history_told){0};
}

void history_use(const struct history_told *t, struct repl_stream *s, uint64_t begin) {
    if (strcmp(t->id, s->id) != 0 || begin == 0) return;
    for (size_t i = 0; i < t->n; i++) {
        uint64_t end = t->past[i].end;

        repl_stream_hear_past(s, t->past[i].id, end == begin ? end - 1 : end);
    }
}
