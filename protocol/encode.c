/* SPDX-License-Identifier: BSD-3-Clause */
#include "protocol/encode.h"

#include "storage/base/num.h"

enum { LINE_MAX_BYTES = NUM_I64_MAX + 3 };

/* <type><n>CRLF at p; returns its end. There is room for LINE_MAX_BYTES. */
static char *put_line(char *p, char type, size_t n) {
    *p++ = type;
    p += num_format_u64(p, n);
    *p++ = '\r';
    *p++ = '\n';
    return p;
}

void encode_head(struct bytes *b, size_t argc) {
    char *p = bytes_room(b, LINE_MAX_BYTES);

    b->n += (size_t)(put_line(p, '*', argc) - p);
}

void encode_arg(struct bytes *b, struct slice arg) {
    char *p = bytes_room(b, LINE_MAX_BYTES + arg.n + 2), *q = put_line(p, '$', arg.n);

    if (arg.n) memcpy(q, arg.p, arg.n);
    memcpy(q + arg.n, "\r\n", 2);
    b->n += (size_t)(q - p) + arg.n + 2;
}

void encode_command(struct bytes *b, size_t argc, const struct slice *argv) {
    encode_head(b, argc);
    for (size_t i = 0; i < argc; i++) encode_arg(b, argv[i]);
}
