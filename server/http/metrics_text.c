/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/http/metrics_text.h"

#include "persistence/aof_writer.h"

#include <stdio.h>

static const char *const type_names[] = {
    [M_COUNTER] = "counter", [M_GAUGE] = "gauge",     [M_HISTOGRAM] = "histogram",
    [M_SUMMARY] = "summary", [M_UNKNOWN] = "unknown",
};

static bool ends_with(const char *name, size_t n, const char *suffix) {
    size_t k = strlen(suffix);

    return n > k && memcmp(name + n - k, suffix, k) == 0;
}

static void head_line(struct metrics *m, const char *what, struct slice name, const char *rest) {
    bytes_append_str(&m->text, what);
    bytes_append(&m->text, name.p, name.n);
    bytes_append_char(&m->text, ' ');
    bytes_append_str(&m->text, rest);
    bytes_append_char(&m->text, '\n');
}

/* In OpenMetrics the family of a counter is called as its samples, without "_total". */
void metric_family(struct metrics *m, const char *name, enum metric_type type, const char *help) {
    struct slice family = slice_str(name);
    const char *word = type_names[type];

    if (m->openmetrics && type == M_COUNTER) {
        if (ends_with(name, family.n, "_total"))
            family.n -= strlen("_total");
        else
            word = type_names[M_UNKNOWN];
    }
    if (!m->openmetrics && type == M_UNKNOWN) word = "untyped";
    head_line(m, "# HELP ", family, help);
    head_line(m, "# TYPE ", family, word);
}

void metric_name(struct metrics *m, const char *name, const char *suffix) {
    bytes_append_str(&m->text, name);
    bytes_append_str(&m->text, suffix);
    m->labelled = false;
}

static bool is_plain(unsigned char c) {
    return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

/* Names of commands and codes of errors may hold any byte; what is not ASCII is shown as \xNN, so
 * that different values stay different and the text is UTF-8. */
static void append_escaped(struct bytes *out, struct slice s) {
    size_t plain = 0;

    while (plain < s.n && is_plain((unsigned char)s.p[plain])) plain++;
    bytes_append(out, s.p, plain);
    for (size_t i = plain; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (is_plain(c))
            bytes_append_char(out, (char)c);
        else if (c == '"')
            bytes_append_str(out, "\\\"");
        else if (c == '\\')
            bytes_append_str(out, "\\\\");
        else
            bytes_printf(out, "\\\\x%02x", c);
    }
}

void metric_label(struct metrics *m, const char *label, struct slice value) {
    bytes_append_char(&m->text, m->labelled ? ',' : '{');
    bytes_append_str(&m->text, label);
    bytes_append_str(&m->text, "=\"");
    append_escaped(&m->text, value);
    bytes_append_char(&m->text, '"');
    m->labelled = true;
}

static void begin_value(struct metrics *m) {
    if (m->labelled) bytes_append_char(&m->text, '}');
    bytes_append_char(&m->text, ' ');
}

void metric_text(struct metrics *m, struct slice value) {
    begin_value(m);
    bytes_append(&m->text, value.p, value.n);
    bytes_append_char(&m->text, '\n');
}

void metric_int(struct metrics *m, int64_t value) {
    begin_value(m);
    bytes_append_int(&m->text, value);
    bytes_append_char(&m->text, '\n');
}

/* value / 10^digits */
static void decimal(struct metrics *m, uint64_t value, unsigned digits) {
    char fraction[8];
    uint64_t whole = value;

    for (unsigned i = digits; i > 0; i--, whole /= 10) fraction[i] = (char)('0' + whole % 10);
    fraction[0] = '.';
    begin_value(m);
    bytes_append_int(&m->text, (long long)whole);
    bytes_append(&m->text, fraction, digits + 1);
    bytes_append_char(&m->text, '\n');
}

void metric_us(struct metrics *m, uint64_t us) {
    decimal(m, us, 6);
}

void metric_milli(struct metrics *m, uint64_t thousandths) {
    decimal(m, thousandths, 3);
}

void metric_double(struct metrics *m, double value) {
    begin_value(m);
    bytes_printf(&m->text, "%.10g\n", value);
}

void metric_one(struct metrics *m, const char *name, enum metric_type type, const char *help,
                int64_t value) {
    metric_family(m, name, type, help);
    metric_name(m, name, "");
    metric_int(m, value);
}

void metric_bound(char text[METRIC_BOUND_MAX], const struct metrics *m, double le) {
    size_t n = (size_t)snprintf(text, METRIC_BOUND_MAX, "%.10g", le);

    if (m->openmetrics && !strpbrk(text, ".e")) snprintf(text + n, METRIC_BOUND_MAX - n, ".0");
}

void metric_histogram(struct metrics *m, const char *name, const char *help,
                      const struct aof_histogram *h) {
    uint64_t below = 0, bound = 1;

    metric_family(m, name, M_HISTOGRAM, help);
    for (int i = 0; i < 27; i++, bound *= 2) { /* the last one: 67 s */
        char le[METRIC_BOUND_MAX];

        below += h->bucket[i];
        metric_bound(le, m, (double)bound / 1e6);
        metric_name(m, name, "_bucket");
        metric_label(m, "le", slice_str(le));
        metric_int(m, (int64_t)below);
    }
    metric_name(m, name, "_bucket");
    metric_label(m, "le", SLICE("+Inf"));
    metric_int(m, (int64_t)h->count);
    metric_name(m, name, "_sum");
    metric_us(m, h->sum_us);
    metric_name(m, name, "_count");
    metric_int(m, (int64_t)h->count);
}

void metric_end(struct metrics *m) {
    if (m->openmetrics) bytes_append_str(&m->text, "# EOF\n");
}
