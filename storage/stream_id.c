/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/stream_id.h"

#include "storage/base/num.h"

#include <errno.h>
#include <stdlib.h>

enum { TEXT_MAX = 127 };

bool stream_id_inc(struct stream_id *id) {
    if (++id->seq == 0) id->ms++;
    return !stream_id_is_zero(*id);
}

bool stream_id_dec(struct stream_id *id) {
    bool first = stream_id_is_zero(*id);

    if (id->seq-- == 0) id->ms--;
    return !first;
}

static bool parse_part(const char *p, size_t n, uint64_t *out) {
    char text[TEXT_MAX + 1], *end;
    int64_t negative;

    if (num_parse_u64(p, n, out)) return true;
    if (n == 0 || num_parse_i64(p, n, &negative)) return false;
    memcpy(text, p, n);
    text[n] = '\0';
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

bool stream_id_parse(struct slice s, uint64_t missing_seq, struct stream_id *out) {
    size_t n = strnlen(s.p, s.n);
    const char *dash = memchr(s.p, '-', n);
    struct stream_id id = {0, missing_seq};

    if (s.n > TEXT_MAX) return false;
    if (!parse_part(s.p, dash ? (size_t)(dash - s.p) : n, &id.ms)) return false;
    if (dash && !parse_part(dash + 1, n - (size_t)(dash + 1 - s.p), &id.seq)) return false;
    *out = id;
    return true;
}

size_t stream_id_format(char out[STREAM_ID_TEXT], struct stream_id id) {
    size_t n = (size_t)num_format_u64(out, id.ms);

    out[n++] = '-';
    return n + (size_t)num_format_u64(out + n, id.seq);
}
