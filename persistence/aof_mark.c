/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_mark.h"

#include "storage/base/crc.h"
#include "storage/base/hash.h"

static char *put_hex(char *p, uint64_t v) {
    int digits = v ? (67 - __builtin_clzl(v)) / 4 : 1;

    for (int i = digits - 1; i >= 0; i--) *p++ = "0123456789abcdef"[v >> (4 * i) & 15];
    return p;
}

static char *put_hex_fixed(char *p, uint64_t v, int digits) {
    for (int i = digits - 1; i >= 0; i--) *p++ = "0123456789abcdef"[v >> (4 * i) & 15];
    return p;
}

static uint32_t check_of(uint64_t id, uint64_t place, const char *line, size_t n) {
    uint64_t seed[2] = {id, place};

    return crc32c(crc32c(0, seed, sizeof seed), line, n);
}

/* Closes a line: blank, check, CRLF. */
static size_t finish(char *line, char *p, uint64_t id, uint64_t place) {
    uint32_t check = check_of(id, place, line, (size_t)(p - line));

    *p++ = ' ';
    p = put_hex_fixed(p, check, 8);
    *p++ = '\r';
    *p++ = '\n';
    return (size_t)(p - line);
}

size_t aof_mark_header(char *out, const struct aof_epoch *h, uint64_t previous_id) {
    char *p = out;

    memcpy(p, "#stet ", 6);
    p = put_hex(p + 6, h->version ? (uint64_t)h->version : 1);
    *p++ = ' ';
    p = put_hex_fixed(p, h->id, 16);
    *p++ = ' ';
    p = put_hex(p, h->position);
    *p++ = ' ';
    p = put_hex(p, h->epoch);
    *p++ = ' ';
    p = put_hex(p, (uint64_t)h->ms);
    return finish(out, p, previous_id, h->offset);
}

size_t aof_mark_trailer(char *out, const struct aof_epoch *h, uint64_t position,
                        const struct aof_trailer *t) {
    char *p = out;

    *p++ = '#';
    *p++ = '}';
    p = put_hex(p, t->length);
    *p++ = ' ';
    p = put_hex_fixed(p, t->crc, 16);
    *p++ = ' ';
    p = put_hex(p, t->unsynced);
    *p++ = ' ';
    p = put_hex(p, t->ms > h->ms ? (uint64_t)(t->ms - h->ms) : 0);
    return finish(out, p, h->id, position);
}

size_t aof_mark_synced(char *out, const struct aof_epoch *h, uint64_t position, uint64_t unsynced,
                       int64_t ms) {
    char *p = out;

    *p++ = '#';
    *p++ = '=';
    p = put_hex(p, unsynced);
    *p++ = ' ';
    p = put_hex(p, ms > h->ms ? (uint64_t)(ms - h->ms) : 0);
    return finish(out, p, h->id, position);
}

uint64_t aof_batch_seed(const struct aof_epoch *h, uint64_t position) {
    return hash_keyed(h->id, position, "batch", 5);
}

/* ---------------------------------------------------------------- reading */

/* A hexadecimal number of 1 to 16 lower-case digits, exactly `fixed` of them if not 0. */
static bool take_hex(struct slice *s, int fixed, uint64_t *out) {
    uint64_t v = 0;
    size_t n = 0;

    for (; n < s->n && n < 16; n++) {
        char c = s->p[n];
        int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

        if (d < 0) break;
        v = v << 4 | (uint64_t)d;
    }
    if (n == 0 || (fixed && n != (size_t)fixed)) return false;
    if (!fixed && n > 1 && s->p[0] == '0') return false;
    s->p += n;
    s->n -= n;
    *out = v;
    return true;
}

static bool take_blank(struct slice *s) {
    if (s->n == 0 || *s->p != ' ') return false;
    s->p++;
    s->n--;
    return true;
}

static bool take_word(struct slice *s, const char *word) {
    size_t n = strlen(word);

    if (s->n < n || memcmp(s->p, word, n) != 0) return false;
    s->p += n;
    s->n -= n;
    return true;
}

/* The blank and the check at the end of `line`, of which `rest` is left. */
static bool take_check(struct slice line, struct slice rest, uint64_t id, uint64_t place) {
    size_t body = line.n - rest.n;
    uint64_t check;

    if (!take_blank(&rest) || !take_hex(&rest, 8, &check) || rest.n) return false;
    return check == check_of(id, place, line.p, body);
}

bool aof_mark_parse_header(struct slice line, uint64_t offset, uint64_t previous_id,
                           struct aof_epoch *h) {
    struct slice s = line;
    struct aof_epoch got = {.offset = offset};
    uint64_t ms, version;

    if (!take_word(&s, "#stet ") || !take_hex(&s, 0, &version) || !take_blank(&s)) return false;
    if (version < 1 || version > AOF_VERSION_MAX) return false;
    got.version = (int)version;
    if (!take_hex(&s, 16, &got.id) || !take_blank(&s)) return false;
    if (!take_hex(&s, 0, &got.position) || !take_blank(&s)) return false;
    if (!take_hex(&s, 0, &got.epoch) || !take_blank(&s) || !take_hex(&s, 0, &ms)) return false;
    got.ms = (int64_t)ms;
    if (!take_check(line, s, previous_id, offset)) return false;
    *h = got;
    return true;
}

/* In every version a header begins with its number and ends with its check. */
bool aof_mark_is_newer(struct slice line, uint64_t offset, uint64_t previous_id) {
    struct slice s = line;
    uint64_t version;

    if (!take_word(&s, "#stet ") || !take_hex(&s, 0, &version) || !take_blank(&s)) return false;
    if (version <= AOF_VERSION_MAX || s.n < 9) return false;
    return take_check(line, slice_of(line.p + line.n - 9, 9), previous_id, offset);
}

bool aof_mark_parse_trailer(struct slice line, const struct aof_epoch *h, uint64_t position,
                            struct aof_trailer *t) {
    struct slice s = line;
    uint64_t ms;

    if (!take_word(&s, "#}") || !take_hex(&s, 0, &t->length) || !take_blank(&s)) return false;
    if (!take_hex(&s, 16, &t->crc) || !take_blank(&s)) return false;
    if (!take_hex(&s, 0, &t->unsynced) || !take_blank(&s) || !take_hex(&s, 0, &ms)) return false;
    t->ms = h->ms + (int64_t)ms;
    return take_check(line, s, h->id, position);
}

bool aof_mark_parse_synced(struct slice line, const struct aof_epoch *h, uint64_t position,
                           uint64_t *unsynced, int64_t *ms) {
    struct slice s = line;
    uint64_t delta;

    if (!take_word(&s, "#=") || !take_hex(&s, 0, unsynced) || !take_blank(&s)) return false;
    if (!take_hex(&s, 0, &delta)) return false;
    *ms = h->ms + (int64_t)delta;
    return take_check(line, s, h->id, position);
}

/* ---------------------------------------------------------------- parts of other lines */

char *aof_put_hex(char *p, uint64_t v) {
    return put_hex(p, v);
}

size_t aof_put_check(char *line, char *p, const struct aof_epoch *h, uint64_t position) {
    return finish(line, p, h->id, position);
}

bool aof_take_hex(struct slice *s, uint64_t *out) {
    return take_hex(s, 0, out);
}

bool aof_take_blank(struct slice *s) {
    return take_blank(s);
}

bool aof_take_check(struct slice line, struct slice rest, const struct aof_epoch *h,
                    uint64_t position) {
    return take_check(line, rest, h->id, position);
}
