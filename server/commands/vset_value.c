/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/commands/vset_value.h"

#include "storage/base/mem.h"

#include <stdlib.h>

enum { NUMBER_TEXT_MAX = 256 };

void value_store_reset(struct value_store *s, size_t keep) {
    for (size_t i = 0; i < s->ntexts; i++) mem_free(s->texts[i]);
    s->ntexts = 0;
    s->n = keep;
}

void value_store_release(struct value_store *s) {
    value_store_reset(s, 0);
    mem_free(s->texts);
    mem_free(s->items);
}

void value_store_add(struct value_store *s, struct value v) {
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 16;
        s->items = mem_realloc(s->items, s->cap * sizeof *s->items);
    }
    s->items[s->n++] = v;
}

static char *new_text(struct value_store *s, size_t n) {
    if (s->ntexts == s->cap_texts) {
        s->cap_texts = s->cap_texts ? s->cap_texts * 2 : 16;
        s->texts = mem_realloc(s->texts, s->cap_texts * sizeof *s->texts);
    }
    return s->texts[s->ntexts++] = mem_alloc(n + 1);
}

/* ---------------------------------------------------------------- what values mean */

static double number_of_text(struct slice s) {
    char buf[NUMBER_TEXT_MAX], *end;
    double v;

    if (s.n == 0 || s.n >= sizeof buf) return 0;
    memcpy(buf, s.p, s.n);
    buf[s.n] = '\0';
    v = strtod(buf, &end);
    return *end ? 0 : v;
}

double value_number(struct value v) {
    if (v.kind == VALUE_NUMBER) return v.number;
    return v.kind == VALUE_TEXT ? number_of_text(v.text) : 0;
}

bool value_is_true(struct value v) {
    if (v.kind == VALUE_NUMBER) return v.number != 0;
    if (v.kind == VALUE_TEXT) return v.text.n > 0;
    return v.kind == VALUE_LIST;
}

bool value_equal(struct value a, struct value b) {
    if (a.kind == VALUE_TEXT && b.kind == VALUE_TEXT) return slice_eq(a.text, b.text);
    return value_number(a) == value_number(b);
}

/* ---------------------------------------------------------------- JSON */

struct json {
    const char *p, *end;
    struct value_store *store;
};

static int peek_char(struct json *j) {
    while (j->p < j->end && (*j->p == ' ' || (*j->p >= '\t' && *j->p <= '\r'))) j->p++;
    return j->p < j->end ? (unsigned char)*j->p : -1;
}

static bool take_char(struct json *j, int c) {
    if (peek_char(j) != c) return false;
    j->p++;
    return true;
}

/* The bytes between the quotes, as they stand. */
static bool take_raw(struct json *j, struct slice *s, bool *escaped) {
    *escaped = false;
    if (!take_char(j, '"')) return false;
    s->p = j->p;
    for (; j->p < j->end && *j->p != '"'; j->p++) {
        if (*j->p != '\\') continue;
        *escaped = true;
        if (++j->p == j->end) return false;
    }
    if (j->p == j->end) return false;
    s->n = (size_t)(j->p++ - s->p);
    return true;
}

static struct slice unescaped(struct json *j, struct slice raw) {
    static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";
    char *out = new_text(j->store, raw.n), *at = out;

    for (size_t i = 0; i < raw.n; i++) {
        const char *known = NULL;

        if (raw.p[i] == '\\' && i + 1 < raw.n && raw.p[++i]) known = strchr(from, raw.p[i]);
        *at++ = known ? to[known - from] : raw.p[i];
    }
    return slice_of(out, (size_t)(at - out));
}

static bool is_number_char(char c) {
    return (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.' || c == 'e' || c == 'E';
}

static bool take_number(struct json *j, double *v) {
    const char *from = j->p;
    char buf[NUMBER_TEXT_MAX], *end;
    size_t n;

    while (j->p < j->end && is_number_char(*j->p)) j->p++;
    n = (size_t)(j->p - from);
    if (n == 0 || n >= sizeof buf) return false;
    memcpy(buf, from, n);
    buf[n] = '\0';
    *v = strtod(buf, &end);
    return *end == '\0';
}

static bool take_word(struct json *j, const char *word) {
    size_t n = strlen(word);

    if ((size_t)(j->end - j->p) < n || memcmp(j->p, word, n) != 0) return false;
    j->p += n;
    return true;
}

static bool take_value(struct json *j, struct value *v, int depth);

/* The items of a list stand side by side, so those of inner lists come before them. */
static bool take_list(struct json *j, struct value *v, int depth) {
    struct value_store outer = {0};
    struct value item;
    bool good = true;

    j->p++;
    if (!take_char(j, ']')) {
        do {
            good = take_value(j, &item, depth + 1);
            if (good) value_store_add(&outer, item);
        } while (good && take_char(j, ','));
        good = good && take_char(j, ']');
    }
    *v = (struct value){.kind = VALUE_LIST, .first = j->store->n, .n = outer.n};
    for (size_t i = 0; good && i < outer.n; i++) value_store_add(j->store, outer.items[i]);
    value_store_release(&outer);
    return good;
}

static bool take_value(struct json *j, struct value *v, int depth) {
    bool escaped;
    int c = peek_char(j);

    *v = (struct value){.kind = VALUE_NUMBER};
    if (depth > FILTER_DEPTH) return false;
    if (c == '"') {
        v->kind = VALUE_TEXT;
        if (!take_raw(j, &v->text, &escaped)) return false;
        if (escaped) v->text = unescaped(j, v->text);
        return true;
    }
    if (c == '[') return take_list(j, v, depth);
    if (take_word(j, "true")) {
        v->number = 1;
        return true;
    }
    if (take_word(j, "false")) return true;
    if (take_word(j, "null")) {
        v->kind = VALUE_NONE;
        return true;
    }
    if ((c >= '0' && c <= '9') || c == '+' || c == '-') return take_number(j, &v->number);
    return false;
}

/* Passes over a list or an object by its brackets alone. */
static bool skip_brackets(struct json *j) {
    struct slice ignored;
    size_t depth = 0;
    bool escaped;

    while (peek_char(j) >= 0) {
        char c = *j->p;

        if (c == '"') {
            if (!take_raw(j, &ignored, &escaped)) return false;
            continue;
        }
        j->p++;
        if (c == '[' || c == '{') depth++;
        if ((c == ']' || c == '}') && --depth == 0) return true;
    }
    return false;
}

static bool skip_value(struct json *j) {
    struct slice text;
    double number;
    bool escaped;
    int c = peek_char(j);

    if (c == '"') return take_raw(j, &text, &escaped);
    if (c == '[' || c == '{') return skip_brackets(j);
    if (take_word(j, "true") || take_word(j, "false") || take_word(j, "null")) return true;
    return take_number(j, &number);
}

struct value value_member(struct value_store *s, struct slice json, struct slice name) {
    struct json j = {json.p, json.p + json.n, s};
    struct value v, none = {VALUE_NONE};
    struct slice key;
    bool escaped;

    if (json.n == 0 || !take_char(&j, '{')) return none;
    do {
        if (!take_raw(&j, &key, &escaped) || !take_char(&j, ':')) return none;
        if (slice_eq(key, name)) return take_value(&j, &v, 0) ? v : none;
    } while (skip_value(&j) && take_char(&j, ','));
    return none;
}
