/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bytes - a run of bytes: `slice` refers to bytes that another object owns, `bytes` owns and grows
 * its own.
 *
 * A slice is valid as long as what it looks into. An all-zero struct bytes is an empty, usable
 * one. Growth is by half, at least; nothing here fails but for lack of memory.
 */
#ifndef STET_BASE_BYTES_H
#define STET_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct slice {
    const char *p;
    size_t n;
};

#define SLICE(literal) ((struct slice){"" literal, sizeof(literal) - 1})

static inline struct slice slice_of(const void *p, size_t n) {
    return (struct slice){p, n};
}

static inline struct slice slice_str(const char *s) {
    return (struct slice){s, strlen(s)};
}

/* Of fewer than eight bytes; none are the same, and need not be anywhere. */
static inline bool bytes_same_few(const char *p, const char *q, size_t n) {
    uint32_t a, b, c, d;

    if (n >= 4) {
        memcpy(&a, p, 4);
        memcpy(&b, q, 4);
        memcpy(&c, p + n - 4, 4);
        memcpy(&d, q + n - 4, 4);
        return !((a ^ b) | (c ^ d));
    }
    return n == 0 || (p[0] == q[0] && p[n / 2] == q[n / 2] && p[n - 1] == q[n - 1]);
}

static inline uint64_t bytes_load(const void *p) {
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

/* memcmp(a, b, n) == 0, without a call for the usual lengths of keys and members. */
static inline bool bytes_same(const void *a, const void *b, size_t n) {
    const char *p = a, *q = b;

    if (n - 8 > 24) return n < 8 ? bytes_same_few(p, q, n) : memcmp(p, q, n) == 0;
    if (n > 16 && ((bytes_load(p) ^ bytes_load(q)) | (bytes_load(p + 8) ^ bytes_load(q + 8))))
        return false;
    if (n > 16) p += n - 16, q += n - 16, n = 16;
    return !((bytes_load(p) ^ bytes_load(q)) | (bytes_load(p + n - 8) ^ bytes_load(q + n - 8)));
}

static inline bool slice_eq(struct slice a, struct slice b) {
    return a.n == b.n && bytes_same(a.p, b.p, a.n);
}

/* ASCII case does not count; `word` ends in NUL. */
static inline bool slice_is(struct slice a, const char *word) {
    return strlen(word) == a.n && strncasecmp(a.p, word, a.n) == 0;
}

/* Like memcmp, the shorter one first where one is the beginning of the other. */
int slice_cmp(struct slice a, struct slice b);

/* How much of it "%.*s" is to show: an int, however long it is. */
static inline int slice_shown(struct slice s) {
    return s.n < 1024 ? (int)s.n : 1024;
}

struct bytes {
    char *p;
    size_t n, cap;
};

/* Makes room for `more` bytes after the end and returns where they go; n stays. */
char *bytes_room(struct bytes *b, size_t more);

void bytes_append(struct bytes *b, const void *p, size_t n);
void bytes_append_str(struct bytes *b, const char *s);
void bytes_append_char(struct bytes *b, char c);
void bytes_append_int(struct bytes *b, long long v);
__attribute__((format(printf, 2, 3))) void bytes_printf(struct bytes *b, const char *fmt, ...);

/* Appends `s` in double quotes with C escapes, as Redis prints arguments (\x00, \n, \"). */
void bytes_append_quoted(struct bytes *b, struct slice s);

/* Drops the first n bytes. */
void bytes_consume(struct bytes *b, size_t n);

/* NUL-terminates without counting the NUL; returns the text. */
const char *bytes_cstr(struct bytes *b);

static inline struct slice bytes_slice(const struct bytes *b) {
    return (struct slice){b->p, b->n};
}

static inline void bytes_clear(struct bytes *b) {
    b->n = 0;
}

void bytes_release(struct bytes *b);

#endif
