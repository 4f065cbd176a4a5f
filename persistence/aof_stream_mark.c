/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_stream_mark.h"

#include "storage/base/check.h"

#include <limits.h>

enum {
    NOTE_LINE_MAX = 1023, /* the longest '#' line that Redis skips, CRLF included */
    ESCAPE_MAX = 4,       /* of one byte */
};

/* ---------------------------------------------------------------- the state */

static bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool is_id(const char *p) {
    for (int i = 0; i < AOF_STREAM_ID_CHARS; i++)
        if (!is_hex(p[i])) return false;
    return true;
}

bool aof_stream_id_is_valid(const char *id) {
    return is_id(id) && id[AOF_STREAM_ID_CHARS] == '\0';
}

void aof_stream_add_past(struct aof_stream_state *st, const char *id, uint64_t end) {
    size_t i = 0;

    while (i < st->npasts && strcmp(st->past[i].id, id) != 0) i++;
    if (i == AOF_STREAM_PASTS) i = 0; /* the oldest makes room */
    if (i < st->npasts) {
        st->npasts--;
        memmove(st->past + i, st->past + i + 1, (st->npasts - i) * sizeof *st->past);
    }
    memcpy(st->past[st->npasts].id, id, AOF_STREAM_ID_CHARS + 1);
    st->past[st->npasts++].end = end;
}

/* A past that was heard of may end later; but what follows now goes by the new id. */
static void end_pasts(struct aof_stream_state *st, uint64_t end) {
    for (size_t i = 0; i < st->npasts; i++)
        if (st->past[i].end > end) st->past[i].end = end;
}

bool aof_stream_goes_on(struct aof_stream_state *st, const struct aof_stream *s) {
    bool goes_on = st->now.id[0] && st->now.offset == s->offset;
    uint64_t data_end = goes_on ? st->now.data_end : s->offset;
    int data_db = goes_on ? st->now.data_db : s->db;

    if (!goes_on) {
        st->npasts = 0;
    } else if (strcmp(st->now.id, s->id) != 0) {
        end_pasts(st, s->offset);
        aof_stream_add_past(st, st->now.id, s->offset);
    }
    st->now = *s;
    st->now.data_end = data_end;
    st->now.data_db = data_db;
    return goes_on;
}

/* ---------------------------------------------------------------- writing */

static char *put_id(char *out, const char *mark, const char *id) {
    size_t n = strlen(mark);

    DCHECK(aof_stream_id_is_valid(id));
    memcpy(out, mark, n);
    memcpy(out + n, id, AOF_STREAM_ID_CHARS);
    out += n + AOF_STREAM_ID_CHARS;
    *out++ = ' ';
    return out;
}

size_t aof_stream_put_at(char *out, const struct aof_epoch *h, uint64_t position,
                         const struct aof_stream *s) {
    char *p = aof_put_hex(put_id(out, "#@", s->id), s->offset);

    *p++ = ' ';
    if (s->db < 0)
        *p++ = '-';
    else
        p = aof_put_hex(p, (uint64_t)s->db);
    return aof_put_check(out, p, h, position);
}

size_t aof_stream_put_past(char *out, const struct aof_epoch *h, uint64_t position,
                           const struct aof_stream_past *past) {
    return aof_put_check(out, aof_put_hex(put_id(out, "#@+", past->id), past->end), h, position);
}

size_t aof_stream_put_end(char *out, const struct aof_epoch *h, uint64_t position) {
    memcpy(out, "#@-", 3);
    return aof_put_check(out, out + 3, h, position);
}

static size_t escape(char *p, unsigned char c) {
    static const char digits[] = "0123456789abcdef";

    if (c >= 32 && c < 127 && c != '\\') {
        *p = (char)c;
        return 1;
    }
    *p++ = '\\';
    *p++ = c == '\\' ? '\\' : c == '\r' ? 'r' : c == '\n' ? 'n' : 'x';
    if (p[-1] != 'x') return 2;
    *p++ = digits[c >> 4];
    *p = digits[c & 15];
    return ESCAPE_MAX;
}

void aof_stream_put_note(struct bytes *b, struct slice data) {
    size_t i = 0;

    while (i < data.n) {
        char *line = bytes_room(b, NOTE_LINE_MAX);
        size_t n = 2;

        memcpy(line, "#>", 2);
        while (i < data.n && n + ESCAPE_MAX + 2 <= NOTE_LINE_MAX)
            n += escape(line + n, (unsigned char)data.p[i++]);
        memcpy(line + n, "\r\n", 2);
        b->n += n + 2;
    }
}

/* ---------------------------------------------------------------- reading */

static bool take_id(struct slice *s, char id[AOF_STREAM_ID_CHARS + 1]) {
    if (s->n < AOF_STREAM_ID_CHARS || !is_id(s->p)) return false;
    memcpy(id, s->p, AOF_STREAM_ID_CHARS);
    id[AOF_STREAM_ID_CHARS] = '\0';
    *s = slice_of(s->p + AOF_STREAM_ID_CHARS, s->n - AOF_STREAM_ID_CHARS);
    return aof_take_blank(s) && s->n > 0;
}

static bool take_db(struct slice *s, int *db) {
    uint64_t n;

    *db = -1;
    if (!aof_take_blank(s) || s->n == 0) return false;
    if (*s->p == '-') {
        *s = slice_of(s->p + 1, s->n - 1);
        return true;
    }
    if (!aof_take_hex(s, &n) || n > INT_MAX) return false;
    *db = (int)n;
    return true;
}

static enum aof_stream_line parse_place(struct slice line, const struct aof_epoch *h,
                                        uint64_t position, struct aof_stream *got) {
    char next = line.n > 2 ? line.p[2] : '\0';
    bool past = next == '+';
    struct slice s = slice_of(line.p + 2 + past, line.n - 2 - past);

    if (next == '-')
        return aof_take_check(line, slice_of(line.p + 3, line.n - 3), h, position) ? AOF_STREAM_END
                                                                                   : AOF_STREAM_BAD;
    if (!take_id(&s, got->id) || !aof_take_hex(&s, &got->offset)) return AOF_STREAM_BAD;
    if (!past && !take_db(&s, &got->db)) return AOF_STREAM_BAD;
    if (!aof_take_check(line, s, h, position)) return AOF_STREAM_BAD;
    return past ? AOF_STREAM_PAST : AOF_STREAM_AT;
}

enum aof_stream_line aof_stream_parse(struct slice line, const struct aof_epoch *h,
                                      uint64_t position, struct aof_stream *got) {
    if (line.n < 2 || h->version < 2) return AOF_STREAM_BAD;
    switch (line.p[1]) {
    case '@': return parse_place(line, h, position, got);
    case '-': return line.n == 2 ? AOF_STREAM_LOCAL : AOF_STREAM_BAD;
    case '>': return line.n > 2 ? AOF_STREAM_NOTE : AOF_STREAM_BAD;
    default: return AOF_STREAM_BAD;
    }
}

static int digit(char c) {
    return !is_hex(c) ? -1 : c <= '9' ? c - '0' : c - 'a' + 10;
}

/* One byte from the `n` characters at `p`; how many of them it took, 0: they are damaged. */
static size_t unescape(const char *p, size_t n, char *out) {
    int high, low;

    if (*p < 32 || *p >= 127) return 0;
    *out = *p;
    if (*p != '\\') return 1;
    if (n < 2) return 0;
    switch (p[1]) {
    case '\\': return 2;
    case 'r': *out = '\r'; return 2;
    case 'n': *out = '\n'; return 2;
    case 'x': break;
    default: return 0;
    }
    if (n < ESCAPE_MAX || (high = digit(p[2])) < 0 || (low = digit(p[3])) < 0) return 0;
    *out = (char)(high << 4 | low);
    return ESCAPE_MAX;
}

int aof_stream_read_note(struct slice line, struct bytes *out) {
    int got = 0;

    for (size_t at = 2; at < line.n; got++) {
        char c;
        size_t took = unescape(line.p + at, line.n - at, &c);

        if (took == 0) return -1;
        if (out) bytes_append_char(out, c);
        at += took;
    }
    return got;
}
