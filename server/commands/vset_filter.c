/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/commands/vset_filter.h"

#include "server/commands/vset_value.h"
#include "storage/base/mem.h"

#include <math.h>
#include <stdlib.h>

enum op {
    OP_VALUE,
    OP_MEMBER,
    OP_OPEN, /* only while compiling */
    OP_CLOSE,
    OP_NOT,
    OP_POWER,
    OP_MUL,
    OP_DIV,
    OP_MOD,
    OP_ADD,
    OP_SUB,
    OP_GT,
    OP_GE,
    OP_LT,
    OP_LE,
    OP_EQ,
    OP_NE,
    OP_IN,
    OP_AND,
    OP_OR,
};

struct step {
    enum op op;
    struct value value; /* OP_MEMBER: its name is the text */
};

struct vset_filter {
    struct step *steps;
    size_t n, cap;
    struct value *stack; /* of a run */
    struct value_store store;
    size_t own_items; /* of `store`, that belong to the expression */
};

static const struct word {
    const char *text;
    enum op op;
    int strength;
} words[] = {
    {"(", OP_OPEN, 0},   {")", OP_CLOSE, 0}, {"!", OP_NOT, 6},  {"not", OP_NOT, 6},
    {"**", OP_POWER, 5}, {"*", OP_MUL, 4},   {"/", OP_DIV, 4},  {"%", OP_MOD, 4},
    {"+", OP_ADD, 3},    {"-", OP_SUB, 3},   {">", OP_GT, 2},   {">=", OP_GE, 2},
    {"<", OP_LT, 2},     {"<=", OP_LE, 2},   {"==", OP_EQ, 2},  {"!=", OP_NE, 2},
    {"in", OP_IN, 2},    {"and", OP_AND, 1}, {"&&", OP_AND, 1}, {"or", OP_OR, 0},
    {"||", OP_OR, 0},
};

/* ---------------------------------------------------------------- compiling */

struct compiler {
    struct vset_filter *f;
    const char *from, *p, *end;
    const struct word **waiting; /* operators whose right side is not complete */
    size_t nwaiting, cap;
    size_t height, highest;
    bool after_operand;
};

static bool is_digit(const struct compiler *c, const char *p) {
    return p < c->end && *p >= '0' && *p <= '9';
}

static bool is_alpha(char c) {
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static void skip_blanks(struct compiler *c) {
    while (c->p < c->end && (*c->p == ' ' || (*c->p >= '\t' && *c->p <= '\r'))) c->p++;
}

static struct step *add_step(struct compiler *c, enum op op) {
    struct vset_filter *f = c->f;

    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 16;
        f->steps = mem_realloc(f->steps, f->cap * sizeof *f->steps);
    }
    f->steps[f->n] = (struct step){.op = op};
    return &f->steps[f->n++];
}

static void add_operand(struct compiler *c, enum op op, struct value v) {
    add_step(c, op)->value = v;
    if (++c->height > c->highest) c->highest = c->height;
    c->after_operand = true;
}

/* False: the operator has too few operands. */
static bool add_operator(struct compiler *c, enum op op) {
    size_t need = op == OP_NOT ? 1 : 2;

    if (c->height < need) return false;
    c->height -= need - 1;
    add_step(c, op);
    return true;
}

static bool take_number(struct compiler *c, struct value *v) {
    char buf[256], *end;
    const char *from = c->p;
    size_t n;

    c->p++;
    while (is_digit(c, c->p) || (c->p < c->end && (*c->p == '.' || (*c->p | 0x20) == 'e'))) c->p++;
    n = (size_t)(c->p - from);
    if (n >= sizeof buf) return false;
    memcpy(buf, from, n);
    buf[n] = '\0';
    *v = (struct value){.kind = VALUE_NUMBER, .number = strtod(buf, &end)};
    return *end == '\0';
}

static bool take_text(struct compiler *c, struct value *v) {
    char quote = *c->p++;

    *v = (struct value){.kind = VALUE_TEXT, .text = {c->p, 0}};
    for (; c->p < c->end && *c->p != quote; c->p++)
        if (*c->p == '\\' && c->p + 1 < c->end) c->p++;
    if (c->p >= c->end) return false;
    v->text.n = (size_t)(c->p++ - v->text.p);
    return true;
}

static bool starts_number(const struct compiler *c) {
    return is_digit(c, c->p) || (c->p < c->end && *c->p == '-' && is_digit(c, c->p + 1));
}

static bool starts_text(const struct compiler *c) {
    return c->p < c->end && (*c->p == '"' || *c->p == '\'');
}

static bool take_list(struct compiler *c, struct value *v) {
    struct value_store *s = &c->f->store;
    struct value item;

    *v = (struct value){.kind = VALUE_LIST, .first = s->n};
    c->p++;
    skip_blanks(c);
    if (c->p < c->end && *c->p == ']') {
        c->p++;
        return true;
    }
    for (;;) {
        skip_blanks(c);
        if (!(starts_number(c) ? take_number(c, &item)
              : starts_text(c) ? take_text(c, &item)
                               : false))
            return false;
        value_store_add(s, item);
        v->n++;
        skip_blanks(c);
        if (c->p == c->end) return false;
        if (*c->p == ']') break;
        if (*c->p != ',') return false;
        c->p++;
    }
    c->p++;
    c->f->own_items = s->n;
    return true;
}

static void take_member(struct compiler *c) {
    struct value v = {.kind = VALUE_TEXT};

    v.text.p = ++c->p;
    while (c->p < c->end && (is_alpha(*c->p) || is_digit(c, c->p) || *c->p == '_' || *c->p == '-'))
        c->p++;
    v.text.n = (size_t)(c->p - v.text.p);
    add_operand(c, OP_MEMBER, v);
}

/* The longest operator that the letters, or signs, from here on begin with. NULL: there is none,
 * and they are passed over. */
static const struct word *take_word(struct compiler *c) {
    static const char signs[] = "+-*%/!()<>=|&";
    const struct word *best = NULL;
    size_t left = (size_t)(c->end - c->p), best_n = 0;

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i].text);

        if (n <= best_n || left < n || memcmp(c->p, words[i].text, n) != 0) continue;
        best = &words[i];
        best_n = n;
    }
    c->p += best_n;
    while (!best && c->p < c->end && *c->p && (is_alpha(*c->p) || strchr(signs, *c->p))) c->p++;
    return best;
}

static void wait_for(struct compiler *c, const struct word *w) {
    if (c->nwaiting == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 16;
        c->waiting = mem_realloc(c->waiting, c->cap * sizeof(*c->waiting));
    }
    c->waiting[c->nwaiting++] = w;
}

/* An error of structure stands for the whole expression. */
static bool bad_whole(struct compiler *c) {
    c->p = c->from;
    return false;
}

static bool close_group(struct compiler *c) {
    while (c->nwaiting > 0 && c->waiting[c->nwaiting - 1]->op != OP_OPEN)
        if (!add_operator(c, c->waiting[--c->nwaiting]->op)) return bad_whole(c);
    if (c->nwaiting == 0) return bad_whole(c);
    c->nwaiting--;
    c->after_operand = true;
    return true;
}

static bool put_operator(struct compiler *c, const struct word *w) {
    if (w->op == OP_CLOSE) return close_group(c);
    while (w->op != OP_OPEN && c->nwaiting > 0) {
        const struct word *top = c->waiting[c->nwaiting - 1];

        if (top->op == OP_OPEN || top->strength < w->strength ||
            (top->strength == w->strength && w->op == OP_POWER))
            break;
        if (!add_operator(c, top->op)) return bad_whole(c);
        c->nwaiting--;
    }
    wait_for(c, w);
    c->after_operand = false;
    return true;
}

static bool compile_token(struct compiler *c) {
    static const char signs[] = "+-*%/!()<>=|&";
    const struct word *w;
    struct value v;

    if (!c->after_operand ? starts_number(c) : is_digit(c, c->p)) {
        if (!take_number(c, &v)) return false;
        add_operand(c, OP_VALUE, v);
    } else if (starts_text(c)) {
        if (!take_text(c, &v)) return false;
        add_operand(c, OP_VALUE, v);
    } else if (*c->p == '[') {
        if (!take_list(c, &v)) return false;
        add_operand(c, OP_VALUE, v);
    } else if (*c->p == '.' && c->p + 1 < c->end &&
               (is_alpha(c->p[1]) || is_digit(c, c->p + 1) || c->p[1] == '_' || c->p[1] == '-')) {
        take_member(c);
    } else if (is_alpha(*c->p) || (*c->p && strchr(signs, *c->p))) {
        w = take_word(c);
        return w && put_operator(c, w);
    } else {
        return false;
    }
    return true;
}

static bool compile(struct compiler *c) {
    for (skip_blanks(c); c->p < c->end; skip_blanks(c))
        if (!compile_token(c)) return false;
    while (c->nwaiting > 0) {
        const struct word *w = c->waiting[--c->nwaiting];

        if (w->op == OP_OPEN || !add_operator(c, w->op)) return bad_whole(c);
    }
    return c->height == 1 || bad_whole(c);
}

struct vset_filter *vset_filter_compile(struct slice text, size_t *bad) {
    struct compiler c = {.from = text.p, .p = text.p, .end = text.p + text.n};
    bool good;

    c.f = mem_calloc(sizeof *c.f);
    good = compile(&c);
    *bad = c.p == c.end ? 0 : (size_t)(c.p - c.from);
    mem_free(c.waiting);
    if (!good) {
        vset_filter_free(c.f);
        return NULL;
    }
    c.f->stack = mem_alloc((c.highest + 1) * sizeof *c.f->stack);
    return c.f;
}

void vset_filter_free(struct vset_filter *f) {
    if (!f) return;
    value_store_release(&f->store);
    mem_free(f->steps);
    mem_free(f->stack);
    mem_free(f);
}

size_t vset_filter_cost(const struct vset_filter *f) {
    return f->n;
}

/* ---------------------------------------------------------------- running */

static bool is_in(const struct vset_filter *f, struct value v, struct value list) {
    if (list.kind != VALUE_LIST) return false;
    for (size_t i = 0; i < list.n; i++)
        if (value_equal(v, f->store.items[list.first + i])) return true;
    return false;
}

static double compute(const struct vset_filter *f, enum op op, struct value a, struct value b) {
    switch (op) {
    case OP_POWER: return pow(value_number(a), value_number(b));
    case OP_MUL: return value_number(a) * value_number(b);
    case OP_DIV: return value_number(a) / value_number(b);
    case OP_MOD: return fmod(value_number(a), value_number(b));
    case OP_ADD: return value_number(a) + value_number(b);
    case OP_SUB: return value_number(a) - value_number(b);
    case OP_GT: return value_number(a) > value_number(b);
    case OP_GE: return value_number(a) >= value_number(b);
    case OP_LT: return value_number(a) < value_number(b);
    case OP_LE: return value_number(a) <= value_number(b);
    case OP_EQ: return value_equal(a, b);
    case OP_NE: return !value_equal(a, b);
    case OP_IN: return is_in(f, a, b);
    case OP_AND: return value_is_true(a) && value_is_true(b);
    default: return value_is_true(a) || value_is_true(b);
    }
}

bool vset_filter_matches(struct vset_filter *f, struct slice attr, const struct pace *pace) {
    struct value *top = f->stack; /* the next free place */

    value_store_reset(&f->store, f->own_items);
    for (size_t i = 0; i < f->n; i++) {
        const struct step *s = &f->steps[i];

        if (s->op == OP_VALUE) {
            *top++ = s->value;
        } else if (s->op == OP_MEMBER) {
            pace_step(pace, 1 + attr.n / PACE_BYTES);
            *top = value_member(&f->store, attr, s->value.text);
            if (top++->kind == VALUE_NONE) return false;
        } else if (s->op == OP_NOT) {
            top[-1] = (struct value){.kind = VALUE_NUMBER, .number = !value_is_true(top[-1])};
        } else {
            double v = compute(f, s->op, top[-2], top[-1]);

            top--;
            top[-1] = (struct value){.kind = VALUE_NUMBER, .number = v};
        }
    }
    return value_is_true(f->stack[0]);
}
