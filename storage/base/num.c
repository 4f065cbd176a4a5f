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

static const double powers_of_10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                      1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* What most numbers look like: [-]digits[.digits], few enough of them that both the digits and the
 * power of ten below them are exact as doubles; so their quotient is rounded once, as it must be
 * (W. D. Clinger, "How to Read Floating Point Numbers Accurately", 1990). */
static bool parse_plain(const char *p, size_t n, double *out) {
    const char *end = p + n, *point = NULL;
    bool negative = n > 0 && *p == '-';
    uint64_t digits = 0;
    double v;

    p += negative;
    if (end - p < 1 || end - p > 17 || *p == '.' || end[-1] == '.') return false;
    for (; p < end; p++) {
        unsigned d = (unsigned)(*p - '0');

        if (d <= 9)
            digits = digits * 10 + d;
        else if (*p == '.' && !point)
            point = p + 1;
        else
            return false;
    }
    if (digits > UINT64_C(1) << 53) return false;
    v = (double)digits;
    if (point) v /= powers_of_10[end - point];
    *out = negative ? -v : v;
    return true;
}

bool num_parse_double(const char *p, size_t n, double *out) {
    char buf[512], *end;
    double v;

    if (parse_plain(p, n, out)) return true;
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

/* ---------------------------------------------------------------- the fewest digits */

/* A decimal number: count digits, the first of which stands for 10^exp10. */
struct decimal {
    char digits[20];
    int count, exp10;
};

static char *put(char *o, const char *p, int n) {
    memcpy(o, p, (size_t)n);
    return o + n;
}

static char *put_zeros(char *o, int n) {
    memset(o, '0', (size_t)n);
    return o + n;
}

/* Lays the digits out as Redis 7.2 does, whose printer (fpconv) goes by `last`, the power of ten of
 * the last digit: 1.5e-6 is 0.0000015, but 1.26736058093e-6 stays. */
static int layout_double(char *out, const struct decimal *d, bool negative) {
    int count = d->count, last = d->exp10 - count + 1, before = d->exp10 + 1;
    int size = d->exp10 < 0 ? -d->exp10 : d->exp10;
    char *o = out;

    if (negative) *o++ = '-';
    if (last >= 0 && size < count + 7) {
        o = put_zeros(put(o, d->digits, count), last);
    } else if (last < 0 && (last > -7 || size < 4)) {
        if (before > 0) {
            o = put(o, d->digits, before);
            *o++ = '.';
            o = put(o, d->digits + before, count - before);
        } else {
            o = put_zeros(put(o, "0.", 2), -before);
            o = put(o, d->digits, count);
        }
    } else {
        *o++ = d->digits[0];
        if (count > 1) *o++ = '.';
        o = put(o, d->digits + 1, count - 1);
        *o++ = 'e';
        *o++ = d->exp10 < 0 ? '-' : '+';
        o += num_format_i64(o, size);
    }
    *o = '\0';
    return (int)(o - out);
}

/* For every double, by trying. */
static void shortest_by_trying(double v, struct decimal *d) {
    char text[40];
    int precision;

    /* What 15 digits can say, 15 digits find; below the normal range one may be enough. */
    for (precision = v < DBL_MIN ? 0 : 14; precision < 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, v);
        if (precision == 16 || strtod(text, NULL) == v) break;
    }
    d->exp10 = atoi(strchr(text, 'e') + 1);
    d->count = 0;
    for (const char *p = text; *p != 'e'; p++)
        if (isdigit((unsigned char)*p)) d->digits[d->count++] = *p;
    while (d->count > 1 && d->digits[d->count - 1] == '0') d->count--;
}

/* v = m / 2^s, scaled by a power of ten so that it has 17 digits before the point, which tell any
 * two doubles apart. All of it fits into 128 bits, nothing is rounded. */
struct scaled {
    unsigned __int128 v, ulp; /* times 2^s: the number, and what a change of m by one makes */
    uint64_t m;
    int s, by; /* 10^by */
};

static unsigned __int128 power_of_10(int k) {
    static const uint64_t powers[] = {1,
                                      10,
                                      100,
                                      1000,
                                      10000,
                                      100000,
                                      1000000,
                                      10000000,
                                      100000000,
                                      1000000000,
                                      10000000000,
                                      100000000000,
                                      1000000000000,
                                      10000000000000,
                                      100000000000000,
                                      1000000000000000,
                                      10000000000000000,
                                      100000000000000000};

    return k <= 17 ? powers[k] : (unsigned __int128)powers[17] * powers[k - 17];
}

/* For v from 1e-5 (10^22 is enough) to 2^53. */
static struct scaled scale(double v) {
    struct scaled x;
    int binary;

    x.m = (uint64_t)ldexp(frexp(v, &binary), 53);
    x.s = 53 - binary;
    x.by = 16 - ((binary - 1) * 1233 >> 12); /* log 2: the power of ten below v, or one less */
    if ((x.m * power_of_10(x.by)) >> x.s >= power_of_10(17)) x.by--;
    x.ulp = power_of_10(x.by);
    x.v = x.m * x.ulp;
    return x;
}

/* Whether the `digits` (17, the last ones may be zeros) read back as the number. */
static bool reads_back(const struct scaled *x, uint64_t digits) {
    unsigned __int128 c = (unsigned __int128)digits << x->s;
    bool below = c < x->v;
    unsigned __int128 off = below ? x->v - c : c - x->v;

    /* The gap below a power of two is half as wide. */
    if (below && x->m == UINT64_C(1) << 52) off *= 2;
    return off * 2 < x->ulp || (off * 2 == x->ulp && x->m % 2 == 0);
}

/* The number in units of 10^cut, rounded to the nearest, ties to the even one. */
static uint64_t round_to(const struct scaled *x, unsigned cut) {
    unsigned __int128 unit = (unsigned __int128)cut << x->s;
    uint64_t n = (uint64_t)(x->v >> x->s) / cut;
    unsigned __int128 rest = x->v - n * unit;

    return n + (rest * 2 > unit || (rest * 2 == unit && n % 2));
}

/* The same for what is neither an integer nor very small, in a tenth of the time. */
static bool shortest_exactly(double v, struct decimal *d) {
    static const unsigned cuts[] = {100, 10, 1}; /* 15, 16, 17 digits */
    uint64_t digits = 0;
    struct scaled x;

    if (!(v >= 1e-5 && v < 0x1p53)) return false;
    x = scale(v);
    for (int i = 0; i < 3; i++) {
        digits = round_to(&x, cuts[i]) * cuts[i];
        if (reads_back(&x, digits)) break;
    }
    d->count = num_format_u64(d->digits, digits);
    d->exp10 = d->count - 1 - x.by;
    while (d->count > 1 && d->digits[d->count - 1] == '0') d->count--;
    return true;
}

int num_format_double(char *out, double v) {
    struct decimal d;

    if (isnan(v)) return sprintf(out, "nan");
    if (isinf(v)) return sprintf(out, v > 0 ? "inf" : "-inf");
    if (v == 0) return sprintf(out, signbit(v) ? "-0" : "0");
    if (v >= -0x1p62 && v <= 0x1p62 && v == (double)(int64_t)v) {
        int n = num_format_i64(out, (int64_t)v);

        out[n] = '\0';
        return n;
    }
    if (!shortest_exactly(fabs(v), &d)) shortest_by_trying(fabs(v), &d);
    return layout_double(out, &d, v < 0);
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
