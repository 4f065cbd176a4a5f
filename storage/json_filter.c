/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Filters of paths: compiled, and asked about an item.
 *
 *   or = and ("||" and)*   and = part ("&&" part)*   part = "!"* ( "(" or ")" | operand [op
 * operand] ) operand = "@" query | "$" query | string | number | true | false | null
 *
 * Values of different kinds are unequal and in no order; what is missing equals what is missing
 * (RFC 9535, 2.3.5.2.2).
 */
#include "storage/base/mem.h"
#include "storage/json_path.h"
#include "storage/regex.h"

/* ---------------------------------------------------------------- compiling */

static void skip_blanks(struct json_compiling *c) {
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\n' || *c->p == '\r'))
        c->p++;
}

static bool take_word(struct json_compiling *c, const char *word) {
    size_t n = strlen(word);

    skip_blanks(c);
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0) return false;
    c->p += n;
    return true;
}

static bool take_string(struct json_compiling *c, struct json *out) {
    struct bytes text = {0};
    bool good = json_path_take_text(c, &text) && text.n <= JSON_LEN_MAX;

    if (good) *out = json_from_text(bytes_slice(&text));
    bytes_release(&text);
    return good;
}

static bool take_number(struct json_compiling *c, struct json *out) {
    const char *from = c->p;
    struct json_error e;

    while (c->p < c->end && *c->p && strchr("+-.0123456789eE", *c->p)) c->p++;
    return json_parse(slice_of(from, (size_t)(c->p - from)), PACE_NONE, out, &e);
}

static bool take_operand(struct json_compiling *c, struct json_operand *o) {
    if (take_word(c, "@") || take_word(c, "$")) {
        o->is_query = true;
        o->query.of_item = c->p[-1] == '@';
        return json_query_compile(c, &o->query);
    }
    if (c->p < c->end && (*c->p == '\'' || *c->p == '"')) return take_string(c, &o->value);
    if (take_word(c, "true"))
        o->value = json_from_bool(true);
    else if (take_word(c, "false"))
        o->value = json_from_bool(false);
    else if (!take_word(c, "null"))
        return take_number(c, &o->value);
    return true;
}

static bool take_op(struct json_compiling *c, uint8_t *op) {
    static const char *const words[] = {"==", "!=", "<=", ">=", "<", ">", "=~"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!take_word(c, words[i])) continue;
        *op = (uint8_t)i;
        return true;
    }
    return false;
}

static bool take_comparison(struct json_compiling *c, struct json_expr *x) {
    x->kind = JSON_EXPR_TEST;
    if (!take_operand(c, &x->left)) return false;
    if (!take_op(c, &x->op)) return true;
    x->kind = JSON_EXPR_COMPARE;
    if (!take_operand(c, &x->right)) return false;
    if (x->op == JSON_REGEX && !x->right.is_query && x->right.value.kind == JSON_STRING)
        x->regex = regex_compile(json_text(&x->right.value));
    return true;
}

static bool take_or(struct json_compiling *c, struct json_expr *out);

static bool take_part(struct json_compiling *c, struct json_expr *x) {
    bool negated = false, good;

    while (take_word(c, "!")) negated = !negated;
    if (!take_word(c, "(")) {
        good = take_comparison(c, x);
    } else {
        good = ++c->depth <= JSON_FILTER_DEPTH_MAX && take_or(c, x) && take_word(c, ")");
        c->depth--;
    }
    x->negated ^= negated;
    return good;
}

static struct json_expr *add_part(struct json_expr *x) {
    x->parts = json_path_room(x->parts, x->n, sizeof *x->parts);
    x->parts[x->n] = (struct json_expr){0};
    return &x->parts[x->n++];
}

/* Parts with a word between them; one alone is the expression itself. */
static bool take_list(struct json_compiling *c, struct json_expr *out, enum json_expr_kind kind,
                      const char *word, bool (*take)(struct json_compiling *, struct json_expr *)) {
    struct json_expr first = {0};
    bool good = take(c, &first);

    if (!good || !take_word(c, word)) {
        *out = first;
        return good;
    }
    *out = (struct json_expr){.kind = (uint8_t)kind};
    *add_part(out) = first;
    do good = take(c, add_part(out));
    while (good && take_word(c, word));
    return good;
}

static bool take_and(struct json_compiling *c, struct json_expr *out) {
    return take_list(c, out, JSON_EXPR_AND, "&&", take_part);
}

static bool take_or(struct json_compiling *c, struct json_expr *out) {
    return take_list(c, out, JSON_EXPR_OR, "||", take_and);
}

bool json_filter_compile(struct json_compiling *c, struct json_expr *out) {
    bool good = ++c->depth <= JSON_FILTER_DEPTH_MAX && take_or(c, out);

    c->depth--;
    return good;
}

static void operand_release(struct json_operand *o) {
    json_query_release(&o->query);
    json_clear(&o->value);
}

void json_expr_release(struct json_expr *x) {
    for (uint32_t i = 0; i < x->n; i++) json_expr_release(&x->parts[i]);
    mem_free(x->parts);
    operand_release(&x->left);
    operand_release(&x->right);
    regex_free(x->regex);
}

/* ---------------------------------------------------------------- evaluation */

/* The value of an operand, NULL: nothing. */
static struct json *value_of(struct json_finding *f, const struct json_operand *o,
                             struct json *item) {
    struct json *start = o->query.of_item ? item : f->root, *v = NULL;
    struct json_matches m = {0};

    if (!o->is_query) return (struct json *)&o->value;
    if (o->query.single) return json_query_single(f, &o->query, start);
    if (json_query_find(f, &o->query, (struct json_found){.v = start}, &m) && m.n > 0)
        v = m.list[0].v;
    json_matches_release(&m);
    return v;
}

static void count_work(void *finding, size_t steps) {
    json_finding_work(finding, steps);
}

static bool are_equal(struct json_finding *f, const struct json *a, const struct json *b) {
    struct pace counted = {count_work, f};

    return a && b ? json_equal(a, b, &counted) : a == b;
}

static bool is_less(struct json_finding *f, const struct json *a, const struct json *b) {
    if (!a || !b) return false;
    if (json_is_number(a) && json_is_number(b)) return json_number_cmp(a, b) < 0;
    if (a->kind != JSON_STRING || b->kind != JSON_STRING) return false;
    json_finding_work(f, json_text(a).n / PACE_BYTES);
    return slice_cmp(json_text(a), json_text(b)) < 0;
}

enum { REGEX_INSTRUCTIONS = 4 }; /* that take as long as a look at a value */

static bool matches(struct json_finding *f, const struct regex *r, struct slice text) {
    uint64_t most = (JSON_PATH_WORK_MAX - *f->work) * REGEX_INSTRUCTIONS, left = most;
    bool found = !f->failed && regex_matches(r, text, &left, f->pace);

    *f->work += (most - left) / REGEX_INSTRUCTIONS;
    return json_finding_work(f, 1) && found;
}

static bool matches_regex(struct json_finding *f, const struct json_expr *x, const struct json *a,
                          const struct json *b) {
    struct regex *r;
    bool found;

    if (!a || !b || a->kind != JSON_STRING || b->kind != JSON_STRING) return false;
    if (x->regex) return matches(f, x->regex, json_text(a));
    if (!x->right.is_query || !json_finding_work(f, PACE_EVERY + json_text(b).n)) return false;
    r = regex_compile(json_text(b));
    found = r && matches(f, r, json_text(a));
    regex_free(r);
    return found;
}

static bool compare(struct json_finding *f, const struct json_expr *x, struct json *item) {
    const struct json *a = value_of(f, &x->left, item), *b = value_of(f, &x->right, item);

    switch ((enum json_compare)x->op) {
    case JSON_EQ: return are_equal(f, a, b);
    case JSON_NE: return !are_equal(f, a, b);
    case JSON_LT: return is_less(f, a, b);
    case JSON_GT: return is_less(f, b, a);
    case JSON_LE: return is_less(f, a, b) || are_equal(f, a, b);
    case JSON_GE: return is_less(f, b, a) || are_equal(f, a, b);
    default: return matches_regex(f, x, a, b);
    }
}

/* A query alone asks whether there is such a value, whatever it is. */
static bool test(struct json_finding *f, const struct json_operand *o, struct json *item) {
    const struct json *v = value_of(f, o, item);

    if (o->is_query) return v != NULL;
    return v->kind != JSON_NULL && (v->kind != JSON_BOOL || v->u.integer);
}

bool json_filter_passes(struct json_finding *f, const struct json_expr *x, struct json *item) {
    bool found = x->kind == JSON_EXPR_AND;

    if (!json_finding_work(f, 1)) return false;
    if (x->kind == JSON_EXPR_TEST) {
        found = test(f, &x->left, item);
    } else if (x->kind == JSON_EXPR_COMPARE) {
        found = compare(f, x, item);
    } else {
        for (uint32_t i = 0; i < x->n && found == (x->kind == JSON_EXPR_AND); i++)
            found = json_filter_passes(f, &x->parts[i], item);
    }
    return found != x->negated;
}
