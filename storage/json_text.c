/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Texts of JSON values (RFC 8259): read, and printed.
 */
#include "storage/base/mem.h"
#include "storage/base/num.h"
#include "storage/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---------------------------------------------------------------- UTF-8 */

/* The length of the character at p, 0: it is none. */
static size_t utf8_len(const unsigned char *p, size_t left) {
    unsigned char c = *p;
    size_t n;

    if (c < 0x80) return 1;
    if (c < 0xc2 || c > 0xf4) return 0;
    n = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (n > left) return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) || (c == 0xf0 && p[1] < 0x90) ||
        (c == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

bool json_is_utf8(struct slice s) {
    size_t n;

    for (size_t i = 0; i < s.n; i += n)
        if ((n = utf8_len((const unsigned char *)s.p + i, s.n - i)) == 0) return false;
    return true;
}

static void put_utf8(struct bytes *b, uint32_t c) {
    if (c < 0x80) {
        bytes_append_char(b, (char)c);
        return;
    }
    if (c < 0x800) {
        bytes_append_char(b, (char)(0xc0 | c >> 6));
    } else {
        if (c < 0x10000) {
            bytes_append_char(b, (char)(0xe0 | c >> 12));
        } else {
            bytes_append_char(b, (char)(0xf0 | c >> 18));
            bytes_append_char(b, (char)(0x80 | (c >> 12 & 0x3f)));
        }
        bytes_append_char(b, (char)(0x80 | (c >> 6 & 0x3f)));
    }
    bytes_append_char(b, (char)(0x80 | (c & 0x3f)));
}

/* ---------------------------------------------------------------- reading */

struct reader {
    const char *from, *p, *end;
    const struct pace *pace;
    struct json_error *e;
    struct bytes text; /* of a string with escapes */
};

static bool fail(struct reader *r, const char *what) {
    r->e->at = (size_t)(r->p - r->from);
    r->e->what = what;
    return false;
}

/* The next character that is no blank, -1 at the end. */
static int peek(struct reader *r) {
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t'))
        r->p++;
    return r->p < r->end ? (unsigned char)*r->p : -1;
}

static bool take_hex4(struct reader *r, uint32_t *out) {
    *out = 0;
    for (int i = 0; i < 4; i++, r->p++) {
        int digit = r->p < r->end ? num_hex_digit(*r->p) : -1;

        if (digit < 0) return fail(r, "four hexadecimal digits are expected after \\u");
        *out = *out << 4 | (uint32_t)digit;
    }
    return true;
}

/* After "\u". A character beyond 16 bits comes as two. */
static bool take_unicode(struct reader *r) {
    uint32_t c, low;

    if (!take_hex4(r, &c)) return false;
    if (c >= 0xdc00 && c < 0xe000) return fail(r, "the second half of a character has no first");
    if (c >= 0xd800 && c < 0xdc00) {
        if (r->end - r->p < 2 || r->p[0] != '\\' || r->p[1] != 'u')
            return fail(r, "the first half of a character has no second");
        r->p += 2;
        if (!take_hex4(r, &low)) return false;
        if (low < 0xdc00 || low > 0xdfff)
            return fail(r, "the first half of a character has no second");
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    put_utf8(&r->text, c);
    return true;
}

static bool take_escape(struct reader *r) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *known;

    if (r->p == r->end) return fail(r, "the text ends within a string");
    if (*r->p == 'u') {
        r->p++;
        return take_unicode(r);
    }
    known = *r->p ? strchr(from, *r->p) : NULL;
    if (!known) return fail(r, "an escape that JSON does not have");
    bytes_append_char(&r->text, to[known - from]);
    r->p++;
    return true;
}

/* Passes over plain characters, up to a quote or a backslash. */
static bool pass_plain(struct reader *r) {
    while (r->p < r->end && *r->p != '"' && *r->p != '\\') {
        size_t n = utf8_len((const unsigned char *)r->p, (size_t)(r->end - r->p));

        if ((unsigned char)*r->p < 0x20) return fail(r, "a control character within a string");
        if (n == 0) return fail(r, "a string that is no UTF-8");
        r->p += n;
    }
    return r->p < r->end || fail(r, "the text ends within a string");
}

/* After the quote. The slice is good until the next string is read. */
static bool take_text(struct reader *r, struct slice *out) {
    const char *from = r->p;

    if (!pass_plain(r)) return false;
    if (*r->p == '"') {
        *out = slice_of(from, (size_t)(r->p++ - from));
    } else {
        bytes_clear(&r->text);
        bytes_append(&r->text, from, (size_t)(r->p - from));
        while (*r->p == '\\') {
            r->p++;
            if (!take_escape(r)) return false;
            from = r->p;
            if (!pass_plain(r)) return false;
            bytes_append(&r->text, from, (size_t)(r->p - from));
        }
        r->p++;
        *out = bytes_slice(&r->text);
    }
    pace_step(r->pace, out->n / PACE_BYTES);
    return out->n <= JSON_LEN_MAX || fail(r, "a string that is too long");
}

static size_t pass_digits(struct reader *r) {
    const char *from = r->p;

    while (r->p < r->end && *r->p >= '0' && *r->p <= '9') r->p++;
    return (size_t)(r->p - from);
}

/* Passes over a number by its grammar. `*whole`: it has neither fraction nor exponent. */
static bool pass_number(struct reader *r, bool *whole) {
    *whole = true;
    if (*r->p == '-') r->p++;
    if (r->p < r->end && *r->p == '0')
        r->p++;
    else if (!pass_digits(r))
        return fail(r, "a value is expected");
    if (r->p < r->end && *r->p == '.') {
        *whole = false;
        r->p++;
        if (!pass_digits(r)) return fail(r, "a digit is expected after the point");
    }
    if (r->p < r->end && (*r->p == 'e' || *r->p == 'E')) {
        *whole = false;
        r->p++;
        if (r->p < r->end && (*r->p == '+' || *r->p == '-')) r->p++;
        if (!pass_digits(r)) return fail(r, "a digit is expected in the exponent");
    }
    return true;
}

/* strtod() needs a NUL; a number may be as long as the text. */
static double number_of(struct slice s) {
    char few[64], *text = s.n < sizeof few ? few : mem_alloc(s.n + 1);
    double v;

    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    v = strtod(text, NULL);
    if (text != few) mem_free(text);
    return v;
}

static bool take_number(struct reader *r, struct json *out) {
    const char *from = r->p;
    struct slice s;
    bool whole;

    if (!pass_number(r, &whole)) return false;
    s = slice_of(from, (size_t)(r->p - from));
    *out = (struct json){.kind = JSON_INTEGER};
    if (whole && num_parse_i64(s.p, s.n, &out->u.integer)) return true;
    *out = json_from_double(number_of(s));
    return isfinite(out->u.number) || fail(r, "a number out of range");
}

static bool take_word(struct reader *r, const char *word, struct json v, struct json *out) {
    size_t n = strlen(word);

    if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
        return fail(r, "a value is expected");
    r->p += n;
    *out = v;
    return true;
}

static bool take_value(struct reader *r, struct json *out, int depth);

/* After an item or a member: whether another one follows; a failure is none. */
static bool take_comma(struct reader *r, char end, bool *good) {
    int c = peek(r);

    *good =
        c == ',' || c == end || fail(r, "a comma or the end of the array or object is expected");
    if (*good) r->p++;
    return *good && c == ',';
}

static bool take_array(struct reader *r, struct json *out, int depth) {
    bool good = true, more;

    *out = (struct json){.kind = JSON_ARRAY};
    r->p++;
    if (peek(r) == ']') {
        r->p++;
        return true;
    }
    do {
        struct json item = {0};

        if (out->n >= JSON_LEN_MAX) return fail(r, "an array that is too long");
        good = take_value(r, &item, depth + 1);
        more = good && take_comma(r, ']', &good);
        *json_array_open(out, out->n, 1) = item;
    } while (more);
    return good;
}

static bool take_member(struct reader *r, struct json *o, int depth) {
    struct json name, value = {0};
    struct slice text;
    bool good;

    if (peek(r) != '"') return fail(r, "a name in quotes is expected");
    r->p++;
    if (!take_text(r, &text)) return false;
    name = json_from_text(text);
    good = peek(r) == ':' || fail(r, "a colon is expected");
    if (good) r->p++;
    good = good && take_value(r, &value, depth + 1);
    if (good && o->n >= JSON_LEN_MAX) good = fail(r, "an object that is too large");
    if (good)
        json_object_set(o, json_text(&name), value);
    else
        json_clear(&value);
    json_clear(&name);
    return good;
}

static bool take_object(struct reader *r, struct json *out, int depth) {
    bool good;

    *out = (struct json){.kind = JSON_OBJECT};
    r->p++;
    if (peek(r) == '}') {
        r->p++;
        return true;
    }
    do good = take_member(r, out, depth);
    while (good && take_comma(r, '}', &good));
    return good;
}

/* `out` is to be cleared whatever the result is. */
static bool take_value(struct reader *r, struct json *out, int depth) {
    struct slice text;
    int c = peek(r);

    *out = (struct json){0};
    pace_step(r->pace, 1);
    if ((c == '[' || c == '{') && depth >= JSON_DEPTH_MAX)
        return fail(r, "arrays and objects lie too deep");
    switch (c) {
    case '{': return take_object(r, out, depth);
    case '[': return take_array(r, out, depth);
    case 't': return take_word(r, "true", json_from_bool(true), out);
    case 'f': return take_word(r, "false", json_from_bool(false), out);
    case 'n': return take_word(r, "null", (struct json){0}, out);
    case '"':
        r->p++;
        if (!take_text(r, &text)) return false;
        *out = json_from_text(text);
        return true;
    case -1: return fail(r, "the text ends where a value is expected");
    default: return take_number(r, out);
    }
}

bool json_parse(struct slice text, const struct pace *pace, struct json *out,
                struct json_error *e) {
    struct reader r = {.from = text.p, .p = text.p, .end = text.p + text.n, .pace = pace, .e = e};
    bool good = take_value(&r, out, 0);

    if (good && peek(&r) >= 0) good = fail(&r, "more text after the value");
    bytes_release(&r.text);
    if (!good) json_clear(out);
    return good;
}

/* ---------------------------------------------------------------- printing numbers */

struct digits {
    char text[24]; /* without a point, nor zeros at either end */
    int n, point;  /* the value is 0.text * 10^point */
};

/* Of "123.45", "1.5e-7" and the like, without a sign. */
static void split_number(const char *p, struct digits *d) {
    bool fraction = false;

    *d = (struct digits){.point = 0};
    for (; *p && *p != 'e'; p++) {
        if (*p == '.') {
            fraction = true;
            continue;
        }
        if (d->n == 0 && *p == '0') {
            d->point -= fraction;
            continue;
        }
        d->text[d->n++] = *p;
        d->point += !fraction;
    }
    if (*p == 'e') d->point += atoi(p + 1);
    while (d->n > 1 && d->text[d->n - 1] == '0') d->n--;
}

/* num_format_double() gives whole numbers with all their digits. */
static void shortest_digits(double v, struct digits *d) {
    char text[NUM_DOUBLE_MAX];

    if (v < 0x1p53 || v != floor(v)) {
        num_format_double(text, v);
    } else {
        for (int precision = 0; precision <= 16; precision++) {
            snprintf(text, sizeof text, "%.*e", precision, v);
            if (strtod(text, NULL) == v) break;
        }
    }
    split_number(text, d);
}

static int repeat_zero(char *out, int n) {
    memset(out, '0', (size_t)n);
    return n;
}

/* Up to 10^16 with a point, from 10^-5 on without an exponent. */
static int lay_out(char *out, const struct digits *d) {
    int n = 0, whole = d->point;

    if (whole > 0 && whole <= 16) {
        int given = d->n < whole ? d->n : whole;

        memcpy(out, d->text, (size_t)given);
        n = given + repeat_zero(out + given, whole - given);
        out[n++] = '.';
        if (d->n <= whole) return n + repeat_zero(out + n, 1);
        memcpy(out + n, d->text + whole, (size_t)(d->n - whole));
        return n + d->n - whole;
    }
    if (whole <= 0 && whole > -5) {
        n = sprintf(out, "0.");
        n += repeat_zero(out + n, -whole);
        memcpy(out + n, d->text, (size_t)d->n);
        return n + d->n;
    }
    out[n++] = d->text[0];
    if (d->n > 1) {
        out[n++] = '.';
        memcpy(out + n, d->text + 1, (size_t)(d->n - 1));
        n += d->n - 1;
    }
    return n + sprintf(out + n, "e%d", whole - 1);
}

size_t json_number_text(char out[static JSON_NUMBER_MAX], const struct json *v) {
    struct digits d;
    int n = 0;

    if (v->kind == JSON_INTEGER) return (size_t)num_format_i64(out, v->u.integer);
    if (signbit(v->u.number)) out[n++] = '-';
    if (v->u.number == 0) return (size_t)(n + sprintf(out + n, "0.0"));
    shortest_digits(fabs(v->u.number), &d);
    return (size_t)(n + lay_out(out + n, &d));
}

/* ---------------------------------------------------------------- printing */

void json_print_string(struct bytes *b, struct slice s) {
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    size_t plain = 0;

    bytes_append_char(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        const char *known;

        if (c >= 0x20 && c != '"' && c != '\\') continue;
        bytes_append(b, s.p + plain, i - plain);
        plain = i + 1;
        known = c ? strchr(from, c) : NULL;
        if (known) {
            bytes_append_char(b, '\\');
            bytes_append_char(b, to[known - from]);
        } else {
            bytes_printf(b, "\\u%04x", c);
        }
    }
    bytes_append(b, s.p + plain, s.n - plain);
    bytes_append_char(b, '"');
}

void json_print_break(struct bytes *b, const struct json_format *f, unsigned level) {
    if (json_print_is_full(b, f)) return;
    if (f->newline.n) bytes_append(b, f->newline.p, f->newline.n);
    for (; f->indent.n && level > 0 && !json_print_is_full(b, f); level--)
        bytes_append(b, f->indent.p, f->indent.n);
}

static void print_children(struct bytes *b, const struct json *v, const struct json_format *f,
                           unsigned level, const struct pace *pace) {
    bool object = v->kind == JSON_OBJECT;

    bytes_append_char(b, object ? '{' : '[');
    for (uint32_t i = 0; i < v->n && !json_print_is_full(b, f); i++) {
        if (i > 0) bytes_append_char(b, ',');
        json_print_break(b, f, level + 1);
        if (object) {
            json_print_string(b, json_text(&v->u.members[i].name));
            bytes_append_char(b, ':');
            bytes_append(b, f->space.p, f->space.n);
        }
        json_print(b, json_child(v, i), f, level + 1, pace);
    }
    if (v->n > 0) json_print_break(b, f, level);
    bytes_append_char(b, object ? '}' : ']');
}

void json_print(struct bytes *b, const struct json *v, const struct json_format *f, unsigned level,
                const struct pace *pace) {
    char number[JSON_NUMBER_MAX];

    pace_step(pace, 1);
    switch ((enum json_kind)v->kind) {
    case JSON_NULL: bytes_append_str(b, "null"); break;
    case JSON_BOOL: bytes_append_str(b, v->u.integer ? "true" : "false"); break;
    case JSON_STRING: json_print_string(b, json_text(v)); break;
    case JSON_ARRAY:
    case JSON_OBJECT: print_children(b, v, f, level, pace); break;
    default: bytes_append(b, number, json_number_text(number, v));
    }
}
