/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/http/json.h"

static void comma(struct bytes *out) {
    if (out->n && !strchr("{[:", out->p[out->n - 1])) bytes_append_char(out, ',');
}

static void append_text(struct bytes *out, struct slice s) {
    bytes_append_char(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c == '"' || c == '\\')
            bytes_append(out, (char[]){'\\', (char)c}, 2);
        else if (c < ' ' || c >= 0x7f)
            bytes_printf(out, "\\\\x%02x", c);
        else
            bytes_append_char(out, (char)c);
    }
    bytes_append_char(out, '"');
}

static void begin(struct bytes *out, const char *name) {
    comma(out);
    if (!name) return;
    append_text(out, slice_str(name));
    bytes_append_char(out, ':');
}

void json_open(struct bytes *out, const char *name, char bracket) {
    begin(out, name);
    bytes_append_char(out, bracket);
}

void json_close(struct bytes *out, char bracket) {
    bytes_append_char(out, bracket);
}

void json_string(struct bytes *out, const char *name, struct slice value) {
    begin(out, name);
    append_text(out, value);
}

void json_int(struct bytes *out, const char *name, int64_t value) {
    begin(out, name);
    bytes_append_int(out, value);
}

void json_micro(struct bytes *out, const char *name, double value) {
    begin(out, name);
    bytes_printf(out, "%.2f", value);
}
