/* SPDX-License-Identifier: BSD-3-Clause
 *
 * num - numbers and their texts.
 *
 * The parsers accept exactly what Redis accepts for the same purpose and nothing else; all of them
 * return false without touching *out when the text is not such a number.
 */
#ifndef STET_BASE_NUM_H
#define STET_BASE_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    NUM_I64_MAX = 21,    /* "-9223372036854775808" and a NUL */
    NUM_DOUBLE_MAX = 32, /* room for num_format_double */
    NUM_LDOUBLE_MAX = 5120,
};

/* The canonical decimal form only: no blanks, no '+', no leading zeros, no "-0". */
bool num_parse_i64(const char *p, size_t n, int64_t *out);
bool num_parse_u64(const char *p, size_t n, uint64_t *out);

/* A double in any form strtod knows but for leading blanks; "inf" and "nan" words as Redis: inf
 * allowed, nan refused. */
bool num_parse_double(const char *p, size_t n, double *out);
bool num_parse_ldouble(const char *p, size_t n, long double *out);

/* 0 to 15; -1: no hexadecimal digit. */
static inline int num_hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') return (c | 0x20) - 'a' + 10;
    return -1;
}

/* A size with an optional unit: b, k, kb, m, mb, g, gb (k = 1000, kb = 1024), any case. */
bool num_parse_size(const char *p, size_t n, uint64_t *out);

/* Writes the decimal form without a NUL; returns its length. `out` has room for NUM_I64_MAX. */
int num_format_i64(char *out, int64_t v);
int num_format_u64(char *out, uint64_t v);

/* The fewest digits that read back the same, laid out as Redis 7.2 does: "0.1", "1e+300", "5e-7",
 * "inf", "-nan" never. NUL-terminated; returns the length. `out` has room for NUM_DOUBLE_MAX. */
int num_format_double(char *out, double v);

/* As INCRBYFLOAT prints: 17 decimals, no exponent, no trailing zeros. Room: NUM_LDOUBLE_MAX. */
int num_format_ldouble(char *out, long double v);

/* "1.50M" as INFO's *_human fields. Room: 32. */
void num_format_human(char *out, uint64_t bytes);

#endif
