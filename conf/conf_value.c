/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conf_value - parsing and printing the plain kinds of values, and copies of all values.
 */
#include "conf/conf_impl.h"

#include "storage/base/check.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

bool conf_parse_size(struct slice s, uint64_t *out) {
    size_t digits = 0;
    uint64_t v = 0, factor = 1;
    struct slice unit;

    while (digits < s.n && isdigit((unsigned char)s.p[digits])) {
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.p[digits] - '0'), &v))
            factor = 0;
        digits++;
    }
    unit = slice_of(s.p + digits, s.n - digits);
    if (unit.n) {
        uint64_t f;
        char text[8];

        if (unit.n > 2) return false;
        text[0] = '1';
        memcpy(text + 1, unit.p, unit.n);
        if (!num_parse_size(text, unit.n + 1, &f)) return false;
        factor *= f;
    }
    if (!factor || __builtin_mul_overflow(v, factor, out)) *out = UINT64_MAX;
    return true;
}

void conf_format_size(uint64_t bytes, struct bytes *out) {
    static const struct {
        uint64_t factor;
        const char *unit;
    } units[] = {{1 << 30, "gb"}, {1 << 20, "mb"}, {1 << 10, "kb"}};

    for (size_t i = 0; i < sizeof units / sizeof *units && bytes; i++)
        if (bytes % units[i].factor == 0) {
            bytes_printf(out, "%llu%s", (unsigned long long)(bytes / units[i].factor),
                         units[i].unit);
            return;
        }
    bytes_printf(out, "%llu", (unsigned long long)bytes);
}

/* ---- setting */

static int set_bool(const struct conf_assign *a, bool *field) {
    if (slice_is(a->argv[0], "yes"))
        *field = true;
    else if (slice_is(a->argv[0], "no"))
        *field = false;
    else
        return err_set(a->e, CONF_ERR_VALUE, "argument must be 'yes' or 'no'");
    return 0;
}

static int out_of_range(const struct conf_assign *a) {
    const struct conf_row *r = a->row;

    if (r->flags & CONF_OCTAL)
        return err_set(a->e, CONF_ERR_VALUE, "argument must be between %llo and %llo inclusive",
                       (unsigned long long)r->min, (unsigned long long)r->max);
    return err_set(a->e, CONF_ERR_VALUE, "argument must be between %lld and %llu inclusive",
                   (long long)r->min, (unsigned long long)r->max);
}

static int set_percent_or_bytes(const struct conf_assign *a, int64_t *field) {
    struct slice s = a->argv[0];
    uint64_t bytes;
    int64_t percent;

    if (s.n > 1 && s.p[s.n - 1] == '%' && num_parse_i64(s.p, s.n - 1, &percent) && percent >= 0) {
        if (percent > 100)
            return err_set(a->e, CONF_ERR_VALUE,
                           "percentage argument must be less or equal to 100");
        *field = -percent;
        return 0;
    }
    if (!conf_parse_size(s, &bytes))
        return err_set(a->e, CONF_ERR_VALUE, "argument must be a memory or percent value");
    *field = bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
    return 0;
}

static int set_int(const struct conf_assign *a, int64_t *field) {
    const struct conf_row *r = a->row;
    struct slice s = a->argv[0];
    int64_t v;

    if (r->flags & CONF_PERCENT) return set_percent_or_bytes(a, field);
    if (r->flags & CONF_AUTO) {
        a->v->port_auto = a->loading && slice_is(s, "auto");
        if (a->v->port_auto) {
            *field = 0;
            return 0;
        }
    }
    if (r->flags & CONF_OCTAL) {
        char *end;

        errno = 0;
        v = strtoll(s.p, &end, 8);
        if (*end || errno)
            return err_set(a->e, CONF_ERR_VALUE, "argument couldn't be parsed as an octal number");
    } else if (!num_parse_i64(s.p, s.n, &v)) {
        return err_set(a->e, CONF_ERR_VALUE, "argument couldn't be parsed into an integer");
    }
    if (v < r->min || (v >= 0 && (uint64_t)v > r->max)) return out_of_range(a);
    *field = v;
    return 0;
}

static int set_size(const struct conf_assign *a, uint64_t *field) {
    uint64_t v;

    if (!conf_parse_size(a->argv[0], &v))
        return err_set(a->e, CONF_ERR_VALUE, "argument must be a memory value");
    if (v < (uint64_t)a->row->min || v > a->row->max) return out_of_range(a);
    *field = v;
    return 0;
}

static const struct conf_word *word_of(const struct conf_row *r, struct slice s) {
    for (const struct conf_word *w = r->words; w->name; w++)
        if (slice_is(s, w->name)) return w;
    return NULL;
}

static int set_words(const struct conf_assign *a, unsigned *bits) {
    unsigned v = 0;
    bool known = a->argc > 0;

    for (size_t i = 0; i < a->argc && known; i++) {
        const struct conf_word *w = word_of(a->row, a->argv[i]);

        if (w) v |= (unsigned)w->value;
        known = w != NULL;
    }
    if (!known) {
        struct bytes list = {0};

        for (const struct conf_word *w = a->row->words; w->name; w++)
            bytes_printf(&list, "%s%s", list.n ? ", " : "", w->name);
        err_set(a->e, CONF_ERR_VALUE, "argument(s) must be one of the following: %s",
                bytes_cstr(&list));
        bytes_release(&list);
        return -1;
    }
    *bits = v;
    return 0;
}

static int set_enum(const struct conf_assign *a, int *field) {
    unsigned v;

    if (set_words(a, &v) < 0) return -1;
    *field = (int)v;
    return 0;
}

static int set_string(const struct conf_assign *a, const char **field) {
    struct slice s = a->argv[0];
    char *old = (char *)*field;

    *field = s.n == 0 && (a->row->flags & CONF_EMPTY_NULL) ? NULL : mem_strdup(s.p);
    mem_free(old);
    return 0;
}

int conf_assign(const struct conf_assign *a) {
    void *field = conf_field(a->row, a->v);
    int rc = -1;

    CHECK((a->row->flags & CONF_WORDS) || a->argc == 1);
    switch (a->row->kind) {
    case KIND_BOOL: rc = set_bool(a, field); break;
    case KIND_INT: rc = set_int(a, field); break;
    case KIND_SIZE: rc = set_size(a, field); break;
    case KIND_ENUM: rc = set_enum(a, field); break;
    case KIND_BITS: rc = set_words(a, field); break;
    case KIND_STRING: rc = set_string(a, field); break;
    case KIND_SPECIAL: rc = a->row->ops->set(a, field); break;
    }
    return rc < 0 ? -1 : conf_check(a);
}

/* ---- printing */

static void format_int(const struct conf_row *r, int64_t v, struct bytes *out) {
    if (r->flags & CONF_OCTAL)
        bytes_printf(out, "%llo", (unsigned long long)v);
    else if ((r->flags & CONF_PERCENT) && v < 0)
        bytes_printf(out, "%lld%%", (long long)-v);
    else
        bytes_append_int(out, v);
}

static void format_enum(const struct conf_row *r, int v, struct bytes *out) {
    const struct conf_word *w = r->words;

    while (w->name && w->value != v) w++;
    CHECK(w->name);
    bytes_append_str(out, w->name);
}

static void format_bits(const struct conf_row *r, unsigned v, struct bytes *out) {
    size_t before = out->n;

    if (v == 0) {
        format_enum(r, 0, out);
        return;
    }
    for (const struct conf_word *w = r->words; w->name; w++)
        if (v & (unsigned)w->value) bytes_printf(out, "%s%s", out->n > before ? " " : "", w->name);
}

void conf_format(const struct conf_row *r, const struct conf_values *v, struct bytes *out) {
    const void *field = conf_field_const(r, v);

    switch (r->kind) {
    case KIND_BOOL: bytes_append_str(out, *(const bool *)field ? "yes" : "no"); break;
    case KIND_INT: format_int(r, *(const int64_t *)field, out); break;
    case KIND_SIZE: bytes_printf(out, "%llu", (unsigned long long)*(const uint64_t *)field); break;
    case KIND_ENUM: format_enum(r, *(const int *)field, out); break;
    case KIND_BITS: format_bits(r, *(const unsigned *)field, out); break;
    case KIND_STRING:
        if (*(const char *const *)field) bytes_append_str(out, *(const char *const *)field);
        break;
    case KIND_SPECIAL: r->ops->format(field, out); break;
    }
}

bool conf_same(const struct conf_row *r, const struct conf_values *a, const struct conf_values *b) {
    struct bytes ta = {0}, tb = {0};
    bool same;

    conf_format(r, a, &ta);
    conf_format(r, b, &tb);
    same = slice_eq(bytes_slice(&ta), bytes_slice(&tb));
    bytes_release(&ta);
    bytes_release(&tb);
    return same;
}

/* ---- all of them */

static void default_special(const struct conf_row *r, struct conf_values *v) {
    struct conf_argv words = {0};
    struct conf_assign a = {.row = r, .v = v, .loading = true};

    if (!r->def.text) return;
    conf_argv_split(&words, slice_str(r->def.text));
    a.argv = words.v;
    a.argc = words.n;
    CHECK(conf_assign(&a) == 0);
    conf_argv_release(&words);
}

void conf_values_default(struct conf_values *v) {
    memset(v, 0, sizeof *v);
    for (size_t i = 0; i < conf_row_count; i++) {
        const struct conf_row *r = &conf_rows[i];
        void *field = conf_field(r, v);

        switch (r->kind) {
        case KIND_BOOL: *(bool *)field = r->def.number != 0; break;
        case KIND_INT: *(int64_t *)field = r->def.number; break;
        case KIND_SIZE: *(uint64_t *)field = (uint64_t)r->def.number; break;
        case KIND_ENUM: *(int *)field = (int)r->def.number; break;
        case KIND_BITS: *(unsigned *)field = (unsigned)r->def.number; break;
        case KIND_STRING:
            *(const char **)field = r->def.text ? mem_strdup(r->def.text) : NULL;
            break;
        case KIND_SPECIAL: default_special(r, v); break;
        }
    }
}

void conf_values_copy(struct conf_values *dst, const struct conf_values *src) {
    *dst = *src;
    for (size_t i = 0; i < conf_row_count; i++) {
        const struct conf_row *r = &conf_rows[i];
        void *field = conf_field(r, dst);

        if (r->kind == KIND_STRING && *(char **)field)
            *(char **)field = mem_strdup(*(char **)field);
        else if (r->kind == KIND_SPECIAL && r->ops->own)
            r->ops->own(field);
    }
}

void conf_value_copy(const struct conf_row *r, struct conf_values *dst,
                     const struct conf_values *src) {
    char **field = conf_field(r, dst);

    if (r->kind == KIND_STRING)
        mem_free(*field);
    else if (r->kind == KIND_SPECIAL && r->ops->release)
        r->ops->release(field);
    memcpy(field, conf_field_const(r, src), r->size);
    if (r->kind == KIND_STRING && *field)
        *field = mem_strdup(*field);
    else if (r->kind == KIND_SPECIAL && r->ops->own)
        r->ops->own(field);
}

void conf_values_release(struct conf_values *v) {
    for (size_t i = 0; i < conf_row_count; i++) {
        const struct conf_row *r = &conf_rows[i];
        void *field = conf_field(r, v);

        if (r->kind == KIND_STRING)
            mem_free(*(char **)field);
        else if (r->kind == KIND_SPECIAL && r->ops->release)
            r->ops->release(field);
    }
    memset(v, 0, sizeof *v);
}
