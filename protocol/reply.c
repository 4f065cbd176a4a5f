/* SPDX-License-Identifier: BSD-3-Clause */
#include "protocol/reply.h"

#include "storage/base/num.h"

enum { HEAD_MAX = NUM_I64_MAX + 3 };

void reply_raw(struct reply *r, const char *p, size_t n) {
    out_append(r->out, p, n);
}

/* <type><number>CRLF */
static void head(struct reply *r, char type, int64_t v) {
    char *p = out_room(r->out, HEAD_MAX), *q = p;

    *q++ = type;
    q += num_format_i64(q, v);
    *q++ = '\r';
    *q++ = '\n';
    out_advance(r->out, (size_t)(q - p));
}

void reply_ok(struct reply *r) {
    memcpy(out_room(r->out, 5), "+OK\r\n", 5);
    out_advance(r->out, 5);
}

void reply_simple(struct reply *r, const char *text) {
    size_t n = strlen(text);
    char *p = out_room(r->out, n + 3);

    p[0] = '+';
    memcpy(p + 1, text, n);
    memcpy(p + 1 + n, "\r\n", 2);
    out_advance(r->out, n + 3);
}

void reply_error_text(struct reply *r, const char *text, size_t n) {
    char *p = out_room(r->out, n + 3);

    p[0] = '-';
    for (size_t i = 0; i < n; i++) p[1 + i] = text[i] == '\r' || text[i] == '\n' ? ' ' : text[i];
    memcpy(p + 1 + n, "\r\n", 2);
    out_advance(r->out, n + 3);
}

void reply_int(struct reply *r, int64_t v) {
    head(r, ':', v);
}

void reply_bulk(struct reply *r, const void *data, size_t n) {
    if (n < OUT_SHARE_MIN / 2) {
        char *p = out_room(r->out, n + HEAD_MAX + 2), *q = p;

        *q++ = '$';
        q += num_format_u64(q, n);
        memcpy(q, "\r\n", 2);
        memcpy(q + 2, data, n);
        memcpy(q + 2 + n, "\r\n", 2);
        out_advance(r->out, (size_t)(q - p) + n + 4);
    } else {
        head(r, '$', (int64_t)n);
        out_append(r->out, data, n);
        out_append(r->out, "\r\n", 2);
    }
}

void reply_bulk_str(struct reply *r, const char *s) {
    reply_bulk(r, s, strlen(s));
}

void reply_bulk_int(struct reply *r, int64_t v) {
    char text[NUM_I64_MAX];

    reply_bulk(r, text, (size_t)num_format_i64(text, v));
}

void reply_double(struct reply *r, double v) {
    char text[NUM_DOUBLE_MAX];
    size_t n = (size_t)num_format_double(text, v);

    if (r->resp == 2) {
        reply_bulk(r, text, n);
        return;
    }
    out_append(r->out, ",", 1);
    out_append(r->out, text, n);
    out_append(r->out, "\r\n", 2);
}

void reply_bool(struct reply *r, bool v) {
    if (r->resp == 2)
        reply_int(r, v);
    else
        reply_raw(r, v ? "#t\r\n" : "#f\r\n", 4);
}

void reply_null(struct reply *r) {
    if (r->resp == 2)
        reply_raw(r, "$-1\r\n", 5);
    else
        reply_raw(r, "_\r\n", 3);
}

void reply_null_array(struct reply *r) {
    if (r->resp == 2)
        reply_raw(r, "*-1\r\n", 5);
    else
        reply_raw(r, "_\r\n", 3);
}

void reply_bignum(struct reply *r, const char *digits) {
    if (r->resp == 2) {
        reply_bulk_str(r, digits);
        return;
    }
    out_append(r->out, "(", 1);
    out_append(r->out, digits, strlen(digits));
    out_append(r->out, "\r\n", 2);
}

void reply_verbatim(struct reply *r, const char *format3, const void *p, size_t n) {
    if (r->resp == 2) {
        reply_bulk(r, p, n);
        return;
    }
    head(r, '=', (int64_t)n + 4);
    out_append(r->out, format3, 3);
    out_append(r->out, ":", 1);
    out_append(r->out, p, n);
    out_append(r->out, "\r\n", 2);
}

void reply_array(struct reply *r, size_t n) {
    head(r, '*', (int64_t)n);
}

void reply_map(struct reply *r, size_t pairs) {
    if (r->resp == 2)
        head(r, '*', (int64_t)pairs * 2);
    else
        head(r, '%', (int64_t)pairs);
}

void reply_set(struct reply *r, size_t n) {
    head(r, r->resp == 2 ? '*' : '~', (int64_t)n);
}

void reply_push(struct reply *r, size_t n) {
    head(r, r->resp == 2 ? '*' : '>', (int64_t)n);
}

void reply_attribute(struct reply *r, size_t pairs) {
    head(r, '|', (int64_t)pairs);
}
