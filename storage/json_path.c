/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/json_path.h"

#include "storage/base/mem.h"
#include "storage/base/num.h"

#define INDEX_MAX INT64_C(9007199254740991) /* RFC 9535, 2.1 */

/* ---------------------------------------------------------------- release */

static void segment_release(struct json_segment *s) {
    for (uint32_t i = 0; i < s->n; i++) {
        json_clear(&s->selectors[i].name);
        if (!s->selectors[i].filter) continue;
        json_expr_release(s->selectors[i].filter);
        mem_free(s->selectors[i].filter);
    }
    mem_free(s->selectors);
}

void json_query_release(struct json_query *q) {
    for (uint32_t i = 0; i < q->n; i++) segment_release(&q->segments[i]);
    mem_free(q->segments);
    *q = (struct json_query){0};
}

void json_path_free(struct json_path *p) {
    if (!p) return;
    json_query_release(&p->query);
    bytes_release(&p->text);
    mem_free(p);
}

/* ---------------------------------------------------------------- texts */

static void skip_blanks(struct json_compiling *c) {
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\n' || *c->p == '\r'))
        c->p++;
}

static bool next_is(const struct json_compiling *c, char what) {
    return c->p < c->end && *c->p == what;
}

static bool take(struct json_compiling *c, char what) {
    skip_blanks(c);
    if (!next_is(c, what)) return false;
    c->p++;
    return true;
}

/* What ends a name without quotes: what means something in a path or a filter. */
static bool is_name_char(char ch) {
    return (unsigned char)ch > ' ' && ch != 0x7f && !strchr(".[]()'\"*,?=<>!&|", ch);
}

/* Reads it as the text of a JSON string in double quotes. */
static bool take_json_string(struct slice quoted, struct bytes *out) {
    struct json_error e;
    struct json v;
    struct slice s;

    if (!json_parse(quoted, PACE_NONE, &v, &e)) return false;
    s = json_text(&v);
    bytes_append(out, s.p, s.n);
    json_clear(&v);
    return true;
}

bool json_path_take_text(struct json_compiling *c, struct bytes *out) {
    struct bytes quoted = {0};
    char quote = *c->p++;
    bool good;

    bytes_append_char(&quoted, '"');
    for (; c->p < c->end && *c->p != quote; c->p++) {
        if (*c->p == '\\' && c->p + 1 < c->end) {
            c->p++;
            if (*c->p != '\'') bytes_append_char(&quoted, '\\');
        } else if (*c->p == '"') {
            bytes_append_char(&quoted, '\\');
        }
        bytes_append_char(&quoted, *c->p);
    }
    bytes_append_char(&quoted, '"');
    good = c->p < c->end && take_json_string(bytes_slice(&quoted), out);
    if (good) c->p++;
    bytes_release(&quoted);
    return good;
}

/* ---------------------------------------------------------------- selectors */

void *json_path_room(void *list, uint32_t n, size_t each) {
    size_t size = mem_good_size((n + 1) * each);

    return n > 0 && mem_good_size(n * each) == size ? list : mem_realloc(list, size);
}

static struct json_selector *add_selector(struct json_segment *s) {
    s->selectors = json_path_room(s->selectors, s->n, sizeof *s->selectors);
    s->selectors[s->n] = (struct json_selector){.step = 1};
    return &s->selectors[s->n++];
}

static bool take_number(struct json_compiling *c, int64_t *out) {
    const char *from = c->p;

    if (next_is(c, '-')) c->p++;
    while (c->p < c->end && *c->p >= '0' && *c->p <= '9') c->p++;
    return num_parse_i64(from, (size_t)(c->p - from), out) && *out >= -INDEX_MAX &&
           *out <= INDEX_MAX;
}

static bool number_follows(const struct json_compiling *c) {
    return c->p < c->end && (*c->p == '-' || (*c->p >= '0' && *c->p <= '9'));
}

/* An index, or a slice [from:to:step]. */
static bool take_index(struct json_compiling *c, struct json_selector *s) {
    s->kind = JSON_BY_INDEX;
    s->has_from = number_follows(c);
    if (s->has_from && !take_number(c, &s->from)) return false;
    if (!take(c, ':')) return s->has_from;
    s->kind = JSON_BY_SLICE;
    skip_blanks(c);
    s->has_to = number_follows(c);
    if (s->has_to && !take_number(c, &s->to)) return false;
    if (!take(c, ':')) return true;
    skip_blanks(c);
    return !number_follows(c) || take_number(c, &s->step);
}

static bool take_filter(struct json_compiling *c, struct json_selector *s) {
    s->kind = JSON_BY_FILTER;
    s->filter = mem_calloc(sizeof *s->filter);
    return json_filter_compile(c, s->filter);
}

static bool take_quoted(struct json_compiling *c, struct json_selector *s) {
    struct bytes text = {0};
    bool good = json_path_take_text(c, &text) && text.n <= JSON_LEN_MAX;

    if (good) s->name = json_from_text(bytes_slice(&text));
    bytes_release(&text);
    return good;
}

static bool take_selector(struct json_compiling *c, struct json_selector *s) {
    if (take(c, '*')) {
        s->kind = JSON_BY_ANY;
        return true;
    }
    if (take(c, '?')) return take_filter(c, s);
    if (next_is(c, '\'') || next_is(c, '"')) return take_quoted(c, s);
    return take_index(c, s);
}

/* After "[". */
static bool take_bracket(struct json_compiling *c, struct json_segment *s) {
    do {
        if (!take_selector(c, add_selector(s))) return false;
    } while (take(c, ','));
    return take(c, ']');
}

static bool take_name(struct json_compiling *c, struct json_segment *s) {
    struct json_selector *sel = add_selector(s);
    const char *from = c->p;

    if (next_is(c, '*')) {
        c->p++;
        sel->kind = JSON_BY_ANY;
        return true;
    }
    while (c->p < c->end && is_name_char(*c->p)) c->p++;
    if (c->p == from) return false;
    sel->name = json_from_text(slice_of(from, (size_t)(c->p - from)));
    return true;
}

/* ---------------------------------------------------------------- queries */

static struct json_segment *add_segment(struct json_query *q) {
    q->segments = json_path_room(q->segments, q->n, sizeof *q->segments);
    q->segments[q->n] = (struct json_segment){0};
    return &q->segments[q->n++];
}

static bool take_segment(struct json_compiling *c, struct json_segment *s) {
    bool dot = next_is(c, '.');

    c->p += dot;
    if (dot && next_is(c, '.')) {
        s->descends = true;
        c->p++;
    }
    if (next_is(c, '[')) {
        c->p++;
        return take_bracket(c, s);
    }
    return dot && take_name(c, s);
}

static bool is_single(const struct json_segment *s) {
    return !s->descends && s->n == 1 && s->selectors[0].kind <= JSON_BY_INDEX;
}

bool json_query_compile(struct json_compiling *c, struct json_query *out) {
    out->single = true;
    while (next_is(c, '.') || next_is(c, '[')) {
        struct json_segment *s = add_segment(out);

        if (!take_segment(c, s)) return false;
        if (!is_single(s)) out->single = false;
        /* Two steps that each may lead to many values can lead to one value in two ways. */
        if (s->n > 1 || (s->descends && out->descends)) out->repeats = true;
        if (s->descends) out->descends = true;
    }
    return true;
}

/* ---------------------------------------------------------------- paths */

/* A path has the newer form if it begins with "$", and a "." or "[" or nothing follows. */
static bool is_legacy(struct slice text) {
    return text.n == 0 || text.p[0] != '$' || (text.n > 1 && text.p[1] != '.' && text.p[1] != '[');
}

static void write_text(struct json_path *p, struct slice text) {
    if (p->legacy) {
        bytes_append_char(&p->text, '$');
        if (slice_eq(text, SLICE("."))) return;
        if (text.n == 0 || (text.p[0] != '.' && text.p[0] != '[')) bytes_append_char(&p->text, '.');
    }
    bytes_append(&p->text, text.p, text.n);
}

struct json_path *json_path_compile(struct slice text, size_t *bad) {
    struct json_path *p;
    struct json_compiling c;

    *bad = JSON_PATH_TEXT_MAX;
    if (text.n > JSON_PATH_TEXT_MAX) return NULL;
    p = mem_calloc(sizeof *p);
    p->legacy = is_legacy(text);
    write_text(p, text);
    c = (struct json_compiling){.p = p->text.p + 1, .end = p->text.p + p->text.n};
    if (json_is_utf8(text) && json_query_compile(&c, &p->query)) {
        skip_blanks(&c);
        if (c.p == c.end) return p;
    }
    *bad = (size_t)(c.p - p->text.p);
    json_path_free(p);
    return NULL;
}

const struct json_selector *json_path_last(const struct json_path *p) {
    const struct json_segment *s;

    if (p->query.n == 0) return NULL;
    s = &p->query.segments[p->query.n - 1];
    return is_single(s) ? &s->selectors[0] : NULL;
}
