/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/bytes.h"

#include "storage/base/check.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

enum { BYTES_CAP_MIN = 64 };

int slice_cmp(struct slice a, struct slice b) {
    size_t n = a.n < b.n ? a.n : b.n;
    int d = n ? memcmp(a.p, b.p, n) : 0;

    return d ? d : (a.n > b.n) - (a.n < b.n);
}

char *bytes_room(struct bytes *b, size_t more) {
    if (b->cap - b->n < more) {
        size_t cap = b->cap + b->cap / 2;

        CHECK(more <= SIZE_MAX / 2 - b->n);
        if (cap < b->n + more) cap = b->n + more;
        if (cap < BYTES_CAP_MIN) cap = BYTES_CAP_MIN;
        b->p = mem_realloc(b->p, cap);
        b->cap = cap;
    }
    return b->p + b->n;
}

void bytes_append(struct bytes *b, const void *p, size_t n) {
    if (n == 0) return;
    memcpy(bytes_room(b, n), p, n);
    b->n += n;
}

void bytes_append_str(struct bytes *b, const char *s) {
    bytes_append(b, s, strlen(s));
}

void bytes_append_char(struct bytes *b, char c) {
    *bytes_room(b, 1) = c;
    b->n++;
}

void bytes_append_int(struct bytes *b, long long v) {
    b->n += (size_t)num_format_i64(bytes_room(b, NUM_I64_MAX), v);
}

void bytes_printf(struct bytes *b, const char *fmt, ...) {
    va_list ap;
    char *p = bytes_room(b, 128);
    size_t have = b->cap - b->n;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(p, have, fmt, ap);
    va_end(ap);
    CHECK(n >= 0);
    if ((size_t)n >= have) {
        p = bytes_room(b, (size_t)n + 1);
        va_start(ap, fmt);
        vsnprintf(p, (size_t)n + 1, fmt, ap);
        va_end(ap);
    }
    b->n += (size_t)n;
}

static const char *escape_of(unsigned char c) {
    switch (c) {
    case '\\': return "\\\\";
    case '"': return "\\\"";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    case '\a': return "\\a";
    case '\b': return "\\b";
    default: return NULL;
    }
}

void bytes_append_quoted(struct bytes *b, struct slice s) {
    bytes_append_char(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        const char *e = escape_of(c);

        if (e)
            bytes_append_str(b, e);
        else if (c >= 0x20 && c < 0x7f)
            bytes_append_char(b, (char)c);
        else
            bytes_printf(b, "\\x%02x", c);
    }
    bytes_append_char(b, '"');
}

void bytes_consume(struct bytes *b, size_t n) {
    CHECK(n <= b->n);
    b->n -= n;
    if (n && b->n) memmove(b->p, b->p + n, b->n);
}

const char *bytes_cstr(struct bytes *b) {
    *bytes_room(b, 1) = '\0';
    return b->p;
}

void bytes_release(struct bytes *b) {
    mem_free(b->p);
    *b = (struct bytes){0};
}
