/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/num.h"

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool num_parse_u64(const char *p, size_t n, uint64_t *out) {
    uint64_t v = 0;

    if (n == 0 || n > 20 || (p[0] == '0' && n > 1)) return false;
    for (size_t i = 0; i < n; i++) {
        unsigned d = (unsigned)(p[i] - '0');

        if (d > 9) return false;
        if (v > (UINT64_MAX - d) / 10) return false;
        v = v * 10 + d;
    }
    *out = v;
    return true;
}

bool num_parse_i64(const char *p, size_t n, int64_t *out) {
    bool negative = n > 1 && p[0] == '-';
    uint64_t v;

    if (!num_parse_u64(p + negative, n - negative, &v)) return false;
    if (negative) {
        if (v == 0 || v > (uint64_t)INT64_MAX + 1) return false;
        *out = (int64_t)(0 - v);
        return true;
    }
    if (v > INT64_MAX) return false;
    *out = (int64_t)v;
    return true;
}

/* Copies into a NUL-terminated buffer; false where strtod would skip blanks or see a NUL. */
static bool number_text(const char *p, size_t n, char *buf, size_t size) {
    if (n == 0 || n >= size || isspace((unsigned char)p[0]) || memchr(p, '\0', n)) return false;
    memcpy(buf, p, n);
    buf[n] = '\0';
    return true;
}

bool num_parse_double(const char *p, size_t n, double *out) {
    char buf[512], *end;
    double v;

    if (!number_text(p, n, buf, sizeof buf)) return false;
    errno = 0;
    v = strtod(buf, &end);
    if (*end || isnan(v)) return false;
    if (errno == ERANGE && (v == HUGE_VAL || v == -HUGE_VAL || fpclassify(v) == FP_ZERO))
        return false;
    *out = v;
    return true;
}

bool num_parse_ldouble(const char *p, size_t n, long double *out) {
    char buf[NUM_LDOUBLE_MAX], *end;
    long double v;

    if (!number_text(p, n, buf, sizeof buf)) return false;
    errno = 0;
    v = strtold(buf, &end);
    if (*end || isnan(v)) return false;
    if (errno == ERANGE && (v == HUGE_VALL || v == -HUGE_VALL || fpclassify(v) == FP_ZERO))
        return false;
    *out = v;
    return true;
}

bool num_parse_size(const char *p, size_t n, uint64_t *out) {
    static const struct {
        const char *unit;
        uint64_t factor;
    } units[] = {{"", 1},        {"b", 1},        {"k", 1000},       {"kb", 1024},
                 {"m", 1000000}, {"mb", 1 << 20}, {"g", 1000000000}, {"gb", 1 << 30}};
    size_t digits = 0;
    uint64_t v;

    while (digits < n && isdigit((unsigned char)p[digits])) digits++;
    while (digits > 1 && p[0] == '0') p++, n--, digits--;
    if (!num_parse_u64(p, digits, &v)) return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strlen(units[i].unit) != n - digits) continue;
        if (strncasecmp(units[i].unit, p + digits, n - digits) != 0) continue;
        return !__builtin_mul_overflow(v, units[i].factor, out);
    }
    return false;
}

int num_format_u64(char *out, uint64_t v) {
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    char tmp[NUM_I64_MAX];
    int at = sizeof tmp;

    while (v >= 100) {
        at -= 2;
        memcpy(tmp + at, pairs + 2 * (v % 100), 2);
        v /= 100;
    }
    if (v >= 10) {
        at -= 2;
        memcpy(tmp + at, pairs + 2 * v, 2);
    } else {
        tmp[--at] = (char)('0' + v);
    }
    memcpy(out, tmp + at, sizeof tmp - (size_t)at);
    return (int)sizeof tmp - at;
}

int num_format_i64(char *out, int64_t v) {
    if (v >= 0) return num_format_u64(out, (uint64_t)v);
    out[0] = '-';
    return 1 + num_format_u64(out + 1, 0 - (uint64_t)v);
}

/* Lays `count` digits out as Redis 7.2 does, whose printer (fpconv) goes by `last`, the power of
 * ten of the last digit: 1.5e-6 is 0.0000015, but 1.26736058093e-6 stays. */
static int layout_double(char *out, const char *digits, int count, int exp10, bool negative) {
    int last = exp10 - count + 1, size = exp10 < 0 ? -exp10 : exp10, before = exp10 + 1;
    char *o = out;

    if (negative) *o++ = '-';
    if (last >= 0 && size < count + 7) {
        o += sprintf(o, "%.*s", count, digits);
        while (last-- > 0) *o++ = '0';
    } else if (last < 0 && (last > -7 || size < 4)) {
        if (before > 0) {
            o += sprintf(o, "%.*s.%.*s", before, digits, count - before, digits + before);
        } else {
            *o++ = '0';
            *o++ = '.';
            while (before++ < 0) *o++ = '0';
            o += sprintf(o, "%.*s", count, digits);
        }
    } else {
        *o++ = digits[0];
        if (count > 1) o += sprintf(o, ".%.*s", count - 1, digits + 1);
        o += sprintf(o, "e%c%d", exp10 < 0 ? '-' : '+', size);
    }
    *o = '\0';
    return (int)(o - out);
}

int num_format_double(char *out, double v) {
    char text[40], digits[20];
    int count = 0, precision, exp10;

    if (isnan(v)) return sprintf(out, "nan");
    if (isinf(v)) return sprintf(out, v > 0 ? "inf" : "-inf");
    if (v == 0) return sprintf(out, signbit(v) ? "-0" : "0");
    if (v >= -0x1p62 && v <= 0x1p62 && v == (double)(int64_t)v) {
        int n = num_format_i64(out, (int64_t)v);

        out[n] = '\0';
        return n;
    }
    /* What 15 digits can say, 15 digits find; below the normal range one may be enough. */
    for (precision = fabs(v) < DBL_MIN ? 0 : 14; precision < 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, v);
        if (precision == 16 || strtod(text, NULL) == v) break;
    }
    exp10 = atoi(strchr(text, 'e') + 1);
    for (const char *p = text; *p != 'e'; p++)
        if (isdigit((unsigned char)*p)) digits[count++] = *p;
    while (count > 1 && digits[count - 1] == '0') count--;
    return layout_double(out, digits, count, exp10, v < 0);
}

int num_format_ldouble(char *out, long double v) {
    int n;

    if (isinf(v)) return sprintf(out, v > 0 ? "inf" : "-inf");
    n = snprintf(out, NUM_LDOUBLE_MAX, "%.17Lf", v);
    if (memchr(out, '.', (size_t)n)) {
        while (out[n - 1] == '0') n--;
        if (out[n - 1] == '.') n--;
    }
    if (n == 2 && memcmp(out, "-0", 2) == 0) {
        out[0] = '0';
        n = 1;
    }
    out[n] = '\0';
    return n;
}

void num_format_human(char *out, uint64_t bytes) {
    static const char units[] = "BKMGTP";
    double v = (double)bytes;
    int u = 0;

    if (bytes < 1024) {
        sprintf(out, "%luB", (unsigned long)bytes);
        return;
    }
    while (v >= 1024 && u < 5) v /= 1024, u++;
    sprintf(out, "%.2f%c", v, units[u]);
}
