/* SPDX-License-Identifier: BSD-3-Clause
 *
 * reply - what commands say, in RESP2 or RESP3.
 *
 * Each function appends one element to the output. Aggregates are a head with a count, followed by
 * that many elements (twice as many for maps). In RESP2 a map is a flat array, a set or push an
 * array, a double a bulk string, a boolean an integer, null a null bulk string.
 */
#ifndef STET_PROTOCOL_REPLY_H
#define STET_PROTOCOL_REPLY_H

#include "protocol/out.h"

struct reply {
    struct out *out;
    int resp; /* 2 or 3 */
};

void reply_raw(struct reply *r, const char *p, size_t n); /* already encoded */
void reply_ok(struct reply *r);
void reply_simple(struct reply *r, const char *text);
void reply_error_text(struct reply *r, const char *text,
                      size_t n); /* without the '-'; CR, LF become blanks */
void reply_int(struct reply *r, int64_t v);
void reply_bulk(struct reply *r, const void *p, size_t n);
void reply_bulk_str(struct reply *r, const char *s);
void reply_bulk_int(struct reply *r, int64_t v);
void reply_double(struct reply *r, double v);
void reply_bool(struct reply *r, bool v);
void reply_null(struct reply *r);
void reply_null_array(struct reply *r);
void reply_bignum(struct reply *r, const char *digits);
void reply_verbatim(struct reply *r, const char *format3, const void *p, size_t n);
void reply_array(struct reply *r, size_t n);
void reply_map(struct reply *r, size_t pairs);
void reply_set(struct reply *r, size_t n);
void reply_push(struct reply *r, size_t n);
void reply_attribute(struct reply *r, size_t pairs); /* RESP3 only */

#endif
