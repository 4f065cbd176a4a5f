/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/regex.h"

#include "storage/base/mem.h"
#include "storage/base/num.h"

#include <stdlib.h>

enum op { OP_CHAR, OP_ANY, OP_CLASS, OP_SPLIT, OP_JUMP, OP_ASSERT, OP_MATCH };

enum { REPEAT_MAX = 1000, CHAR_MAX_CODE = 0x10ffff, NO_CHAR = -1, PACE_INSTRUCTIONS = 8 };

/* Jumps are relative, so a part of a program can be moved and repeated. */
struct instruction {
    uint8_t op;
    bool fold;    /* CHAR, CLASS: case does not count */
    int32_t a, b; /* CHAR: code; ANY: 1, line ends too; CLASS: first range, ranges; SPLIT, JUMP:
                     where to go on; ASSERT: its letter */
    bool negated; /* CLASS */
};

struct range {
    int32_t from, to;
};

struct regex {
    struct instruction *code;
    struct range *ranges;
    uint32_t n, cap, nranges;
};

struct compiling {
    struct regex *r;
    const char *p, *end;
    bool fold, dot_all, failed;
    int depth;
};

/* ---------------------------------------------------------------- characters */

/* Takes a character of valid UTF-8. */
static int32_t next_char(const char **p, const char *end) {
    const unsigned char *s = (const unsigned char *)*p;
    int more = *s < 0xc0 ? 0 : *s < 0xe0 ? 1 : *s < 0xf0 ? 2 : 3;
    int32_t c = *s < 0x80 ? *s : more ? *s & (0x3f >> more) : 0xfffd;

    if (more > end - *p - 1) more = (int)(end - *p - 1);
    for (int i = 1; i <= more; i++) c = c << 6 | (s[i] & 0x3f);
    *p += 1 + more;
    return c;
}

static int32_t lower(int32_t c) {
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

static int32_t upper(int32_t c) {
    return c >= 'a' && c <= 'z' ? c & ~0x20 : c;
}

static bool is_word(int32_t c) {
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || c == '_';
}

/* ---------------------------------------------------------------- the program grows */

static bool fail(struct compiling *c) {
    c->failed = true;
    return false;
}

static void emit(struct compiling *c, struct instruction i) {
    struct regex *r = c->r;

    if (r->n >= REGEX_MAX) {
        fail(c);
        return;
    }
    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 32;
        r->code = mem_realloc(r->code, r->cap * sizeof *r->code);
    }
    r->code[r->n++] = i;
}

/* Puts an instruction before those from `at` on. */
static void insert(struct compiling *c, uint32_t at, struct instruction i) {
    struct regex *r = c->r;

    emit(c, i);
    if (c->failed) return;
    memmove(r->code + at + 1, r->code + at, (r->n - 1 - at) * sizeof *r->code);
    r->code[at] = i;
}

static void add_range(struct compiling *c, int32_t from, int32_t to) {
    struct regex *r = c->r;

    if (from > to || r->nranges >= REGEX_RANGE_MAX) {
        fail(c);
        return;
    }
    r->ranges = mem_realloc(r->ranges, (r->nranges + 1) * sizeof *r->ranges);
    r->ranges[r->nranges++] = (struct range){from, to};
}

static void copy_part(struct compiling *c, uint32_t from, uint32_t n) {
    for (uint32_t i = 0; i < n && !c->failed; i++) emit(c, c->r->code[from + i]);
}

static void split(struct compiling *c, int32_t a, int32_t b) {
    emit(c, (struct instruction){.op = OP_SPLIT, .a = a, .b = b});
}

/* ---------------------------------------------------------------- atoms */

/* The ranges of \d, \w, \s; of what they leave out with the capital letter. */
static bool add_named(struct compiling *c, char name) {
    static const struct {
        char name;
        int n;
        struct range in[4], out[5];
        int nout;
    } classes[] = {
        {'d', 1, {{'0', '9'}}, {{0, '0' - 1}, {'9' + 1, CHAR_MAX_CODE}}, 2},
        {'w',
         4,
         {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}},
         {{0, '0' - 1},
          {'9' + 1, 'A' - 1},
          {'Z' + 1, '_' - 1},
          {'`', '`'},
          {'z' + 1, CHAR_MAX_CODE}},
         5},
        {'s',
         2,
         {{'\t', '\r'}, {' ', ' '}},
         {{0, '\t' - 1}, {'\r' + 1, ' ' - 1}, {' ' + 1, CHAR_MAX_CODE}},
         3},
    };

    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        bool out = name == (classes[i].name & ~0x20);

        if (name != classes[i].name && !out) continue;
        for (int k = 0; k < (out ? classes[i].nout : classes[i].n); k++)
            add_range(c, out ? classes[i].out[k].from : classes[i].in[k].from,
                      out ? classes[i].out[k].to : classes[i].in[k].to);
        return true;
    }
    return false;
}

/* After "\x": two digits, or any number of them in braces. */
static int32_t take_code(struct compiling *c) {
    bool braces = c->p < c->end && *c->p == '{';
    int32_t code = 0;
    int n = 0;

    c->p += braces;
    for (; c->p < c->end && n < (braces ? 6 : 2) && num_hex_digit(*c->p) >= 0; n++)
        code = code << 4 | num_hex_digit(*c->p++);
    if (n == 0 || (!braces && n != 2) || code > CHAR_MAX_CODE) fail(c);
    if (braces && (c->p == c->end || *c->p++ != '}')) fail(c);
    return code;
}

/* After a backslash: a character. Letters and digits without a meaning are refused. */
static int32_t take_escaped(struct compiling *c) {
    static const char from[] = "nrtfv", to[] = "\n\r\t\f\v";
    const char *known;
    int32_t code;

    if (c->p == c->end) return fail(c);
    code = next_char(&c->p, c->end);
    if (code == 'x') return take_code(c);
    known = code && code < 0x80 ? strchr(from, code) : NULL;
    if (known) return to[known - from];
    if (is_word(code) && code != '_') fail(c);
    return code;
}

static void put_char(struct compiling *c, int32_t code) {
    emit(c,
         (struct instruction){.op = OP_CHAR, .fold = c->fold, .a = c->fold ? lower(code) : code});
}

static int cmp_ranges(const void *a, const void *b) {
    const struct range *x = a, *y = b;

    return (x->from > y->from) - (x->from < y->from);
}

/* Puts the ranges from `first` on in order, and joins those that overlap: they are searched. */
static void settle_ranges(struct regex *r, uint32_t first) {
    uint32_t n = first;

    if (r->nranges == first) return;
    qsort(r->ranges + first, r->nranges - first, sizeof *r->ranges, cmp_ranges);
    for (uint32_t i = first + 1; i < r->nranges; i++) {
        const struct range *next = &r->ranges[i];

        if (next->from > r->ranges[n].to)
            r->ranges[++n] = *next;
        else if (next->to > r->ranges[n].to)
            r->ranges[n].to = next->to;
    }
    r->nranges = n + 1;
}

static void put_class(struct compiling *c, uint32_t first, bool negated) {
    settle_ranges(c->r, first);
    emit(c, (struct instruction){.op = OP_CLASS,
                                 .fold = c->fold,
                                 .a = (int32_t)first,
                                 .b = (int32_t)(c->r->nranges - first),
                                 .negated = negated});
}

/* One part of a class: a character, a range, \d and the like. */
static void take_class_part(struct compiling *c) {
    int32_t from, to;

    if (*c->p == '\\' && c->p + 1 < c->end && add_named(c, c->p[1])) {
        c->p += 2;
        return;
    }
    from = next_char(&c->p, c->end);
    if (from == '\\') from = take_escaped(c);
    to = from;
    if (c->end - c->p >= 2 && c->p[0] == '-' && c->p[1] != ']') {
        c->p++;
        to = next_char(&c->p, c->end);
        if (to == '\\') to = take_escaped(c);
    }
    add_range(c, from, to);
}

/* After "[". */
static void take_class(struct compiling *c) {
    uint32_t first = c->r->nranges;
    bool negated = c->p < c->end && *c->p == '^', any = false;

    c->p += negated;
    while (c->p < c->end && (*c->p != ']' || !any) && !c->failed) {
        take_class_part(c);
        any = true;
    }
    if (c->p == c->end) {
        fail(c);
        return;
    }
    c->p++;
    put_class(c, first, negated);
}

static void take_alternatives(struct compiling *c);

/* After "(?": flags, then ":" or ")". True: a group follows. */
static bool take_flags(struct compiling *c) {
    bool on = true;

    for (; c->p < c->end && *c->p != ':' && *c->p != ')'; c->p++) {
        if (*c->p == '-')
            on = false;
        else if (*c->p == 'i')
            c->fold = on;
        else if (*c->p == 's')
            c->dot_all = on;
        else if (*c->p != 'u')
            return fail(c);
    }
    if (c->p == c->end) return fail(c);
    return *c->p++ == ':';
}

/* After "(". Flags end with the group that they stand in. */
static void take_group(struct compiling *c) {
    bool fold = c->fold, dot_all = c->dot_all;

    if (c->p < c->end && *c->p == '?') {
        c->p++;
        if (!take_flags(c)) return;
    }
    if (++c->depth > REGEX_DEPTH_MAX) {
        fail(c);
        return;
    }
    take_alternatives(c);
    c->depth--;
    if (c->p == c->end || *c->p != ')')
        fail(c);
    else
        c->p++;
    c->fold = fold;
    c->dot_all = dot_all;
}

static void put_assertion(struct compiling *c, int32_t letter) {
    emit(c, (struct instruction){.op = OP_ASSERT, .a = letter});
}

static void take_backslash(struct compiling *c) {
    uint32_t first = c->r->nranges;

    if (c->p < c->end && add_named(c, *c->p)) {
        c->p++;
        put_class(c, first, false);
    } else if (c->p < c->end && *c->p && strchr("bBAz", *c->p)) {
        put_assertion(c, *c->p++);
    } else {
        put_char(c, take_escaped(c));
    }
}

static void take_atom(struct compiling *c) {
    int32_t code = next_char(&c->p, c->end);

    switch (code) {
    case '(': take_group(c); break;
    case '[': take_class(c); break;
    case '\\': take_backslash(c); break;
    case '^': put_assertion(c, 'A'); break;
    case '$': put_assertion(c, 'z'); break;
    case '.': emit(c, (struct instruction){.op = OP_ANY, .a = c->dot_all}); break;
    case '*':
    case '+':
    case '?': fail(c); break;
    default: put_char(c, code);
    }
}

/* ---------------------------------------------------------------- repetition */

static bool take_count(struct compiling *c, int *n) {
    const char *from = c->p;

    for (*n = 0; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++) {
        *n = *n * 10 + (*c->p - '0');
        if (*n > REPEAT_MAX) return fail(c);
    }
    return c->p > from;
}

/* After "{": false, and an error, if it is no repetition. max -1: without end. */
static bool take_counts(struct compiling *c, int *min, int *max) {
    if (!take_count(c, min)) return fail(c);
    *max = *min;
    if (c->p < c->end && *c->p == ',') {
        c->p++;
        if (!take_count(c, max)) *max = -1;
    }
    if (c->failed || c->p == c->end || *c->p++ != '}' || (*max >= 0 && *max < *min)) return fail(c);
    return true;
}

/* The part from `at` on becomes one that comes min to max times. */
static void repeat(struct compiling *c, uint32_t at, int min, int max) {
    uint32_t n = c->r->n - at;

    if (n == 0) return;
    for (int i = 1; i < min && !c->failed; i++) copy_part(c, at, n);
    if (max < 0 && min > 0) {
        split(c, -(int32_t)n, 1);
    } else if (max < 0) {
        insert(c, at, (struct instruction){.op = OP_SPLIT, .a = 1, .b = (int32_t)n + 2});
        emit(c, (struct instruction){.op = OP_JUMP, .a = -(int32_t)n - 1});
    } else if (max == 0) {
        c->r->n = at;
    } else {
        if (min == 0)
            insert(c, at++, (struct instruction){.op = OP_SPLIT, .a = 1, .b = (int32_t)n + 1});
        for (int i = min ? min : 1; i < max && !c->failed; i++) {
            split(c, 1, (int32_t)n + 1);
            copy_part(c, at, n);
        }
    }
}

static void take_repeated(struct compiling *c) {
    uint32_t at = c->r->n;
    int min = 0, max = -1;

    take_atom(c);
    if (c->failed || c->p == c->end || !strchr("*+?{", *c->p) || !*c->p) return;
    switch (*c->p++) {
    case '+': min = 1; break;
    case '?': max = 1; break;
    case '{':
        if (!take_counts(c, &min, &max)) return;
        break;
    default: break;
    }
    if (c->p < c->end && *c->p == '?') c->p++;
    repeat(c, at, min, max);
}

/* The end of each alternative jumps to what follows the last one; until that is known, a jump holds
 * how far back the one before it is. */
static void land(struct compiling *c, uint32_t last) {
    while (last && !c->failed) {
        struct instruction *jump = &c->r->code[last];
        uint32_t before = jump->a ? last - (uint32_t)jump->a : 0;

        jump->a = (int32_t)(c->r->n - last);
        last = before;
    }
}

static void take_alternatives(struct compiling *c) {
    uint32_t at = c->r->n, last = 0; /* a jump is never the first instruction */

    while (!c->failed && c->p < c->end && *c->p != ')') {
        int32_t n = (int32_t)(c->r->n - at);

        if (*c->p != '|') {
            take_repeated(c);
            continue;
        }
        c->p++;
        insert(c, at, (struct instruction){.op = OP_SPLIT, .a = 1, .b = n + 2});
        at = c->r->n;
        emit(c, (struct instruction){.op = OP_JUMP, .a = last ? (int32_t)(at - last) : 0});
        last = at++;
    }
    land(c, last);
}

struct regex *regex_compile(struct slice pattern) {
    struct compiling c = {.r = mem_calloc(sizeof *c.r), .p = pattern.p};

    c.end = c.p + pattern.n;
    take_alternatives(&c);
    if (c.p < c.end) fail(&c); /* a ")" of no group */
    emit(&c, (struct instruction){.op = OP_MATCH});
    if (!c.failed) return c.r;
    regex_free(c.r);
    return NULL;
}

void regex_free(struct regex *r) {
    if (!r) return;
    mem_free(r->code);
    mem_free(r->ranges);
    mem_free(r);
}

/* ---------------------------------------------------------------- matching */

struct ways {
    uint32_t *at, n; /* instructions that wait for the next character */
};

struct matching {
    const struct regex *r;
    uint32_t *seen, *todo; /* seen[i]: the step that came to instruction i last */
    uint32_t step;
    uint64_t followed;     /* instructions, those that take characters several times */
    int32_t before, after; /* the characters around, NO_CHAR at the ends */
};

static bool holds(const struct matching *m, int32_t letter) {
    bool edge = is_word(m->before) != is_word(m->after);

    if (letter == 'A') return m->before == NO_CHAR;
    if (letter == 'z') return m->after == NO_CHAR;
    return edge == (letter == 'b');
}

/* Follows what needs no character. True: the end of the program. */
static bool follow(struct matching *m, struct ways *to, uint32_t start) {
    uint32_t ntodo = 0;

    m->todo[ntodo++] = start;
    while (ntodo > 0) {
        uint32_t at = m->todo[--ntodo];
        const struct instruction *i = &m->r->code[at];

        m->followed++;
        if (m->seen[at] == m->step) continue;
        m->seen[at] = m->step;
        switch ((enum op)i->op) {
        case OP_MATCH: return true;
        case OP_JUMP: m->todo[ntodo++] = at + (uint32_t)i->a; break;
        case OP_SPLIT:
            m->todo[ntodo++] = at + (uint32_t)i->b;
            m->todo[ntodo++] = at + (uint32_t)i->a;
            break;
        case OP_ASSERT:
            if (holds(m, i->a)) m->todo[ntodo++] = at + 1;
            break;
        default: to->at[to->n++] = at;
        }
    }
    return false;
}

static bool in_ranges(const struct regex *r, const struct instruction *i, int32_t code) {
    const struct range *ranges = r->ranges + i->a;
    int32_t low = 0, high = i->b;

    while (low < high) {
        int32_t mid = low + (high - low) / 2;

        if (code > ranges[mid].to)
            low = mid + 1;
        else
            high = mid;
    }
    return low < i->b && code >= ranges[low].from;
}

static bool takes(const struct regex *r, const struct instruction *i, int32_t code) {
    if (i->op == OP_ANY) return i->a || code != '\n';
    if (i->op == OP_CHAR) return i->a == (i->fold ? lower(code) : code);
    if (in_ranges(r, i, code)) return !i->negated;
    if (i->fold && (in_ranges(r, i, lower(code)) || in_ranges(r, i, upper(code))))
        return !i->negated;
    return i->negated;
}

/* At one character: follows all ways that wait there, and one that begins. */
static bool follow_all(struct matching *m, struct ways *now, const struct ways *from) {
    m->step++;
    now->n = 0;
    for (uint32_t i = 0; i < from->n; i++)
        if (follow(m, now, from->at[i])) return true;
    return follow(m, now, 0); /* a match may begin at every character */
}

/* A class is searched, with (?i) up to three times. */
static uint64_t cost_of(const struct instruction *i) {
    uint64_t steps = 1;

    if (i->op == OP_CLASS)
        for (int32_t n = i->b; n > 0; n /= 2) steps += i->fold ? 3 : 1;
    return steps;
}

/* Those that take the character. */
static void take_char(struct matching *m, const struct ways *now, struct ways *next) {
    next->n = 0;
    for (uint32_t k = 0; k < now->n; k++) {
        const struct instruction *i = &m->r->code[now->at[k]];

        m->followed += cost_of(i);
        if (takes(m->r, i, m->after)) next->at[next->n++] = now->at[k] + 1;
    }
}

static bool run(struct matching *m, struct slice text, struct ways *now, struct ways *next,
                uint64_t most, const struct pace *pace) {
    const char *p = text.p, *end = p + text.n;

    m->after = p < end ? next_char(&p, end) : NO_CHAR;
    while (m->followed < most) {
        uint64_t before = m->followed;

        if (follow_all(m, now, next)) return true;
        if (m->after == NO_CHAR) return false;
        take_char(m, now, next);
        m->before = m->after;
        m->after = p < end ? next_char(&p, end) : NO_CHAR;
        pace_step(pace, 1 + (m->followed - before) / PACE_INSTRUCTIONS);
    }
    return false;
}

bool regex_matches(const struct regex *r, struct slice text, uint64_t *most,
                   const struct pace *pace) {
    uint32_t *room = mem_alloc((size_t)r->n * 5 * sizeof *room);
    struct matching m = {.r = r,
                         .seen = room,
                         .todo = room + r->n,
                         .followed = r->n / 4, /* to clear that takes time too */
                         .before = NO_CHAR};
    struct ways now = {room + 3 * (size_t)r->n, 0}, next = {room + 4 * (size_t)r->n, 0};
    bool found;

    memset(m.seen, 0, (size_t)r->n * sizeof *m.seen);
    found = run(&m, text, &now, &next, *most, pace);
    *most -= m.followed < *most ? m.followed : *most;
    mem_free(room);
    return found;
}
