/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/scripting/pattern.h"

enum item_kind {
    ITEM_CHAR,
    ITEM_ANY,
    ITEM_SET, /* these three may have a suffix */
    ITEM_OPEN,
    ITEM_POSITION,
    ITEM_CLOSE,
    ITEM_AGAIN, /* %1 */
    ITEM_BALANCED,
    ITEM_FRONTIER,
    ITEM_LAST, /* $ */
    ITEM_END,
    ITEM_WRONG
};

enum wrong {
    WRONG_ESCAPE,
    WRONG_SET,
    WRONG_BALANCED,
    WRONG_FRONTIER,
    WRONG_CLOSE,
    WRONG_INDEX,
    WRONG_MANY
};

static const char *const wrong_texts[] = {
    [WRONG_ESCAPE] = "malformed pattern (ends with '%')",
    [WRONG_SET] = "malformed pattern (missing ']')",
    [WRONG_BALANCED] = "unbalanced pattern",
    [WRONG_FRONTIER] = "missing '[' after '%f' in pattern",
    [WRONG_CLOSE] = "invalid pattern capture",
    [WRONG_INDEX] = "invalid capture index",
    [WRONG_MANY] = "too many captures",
};

/* ---------------------------------------------------------------- sets of characters */

static void class_range(uint64_t set[4], unsigned from, unsigned to) {
    for (unsigned i = from / 64; i <= to / 64; i++) {
        unsigned low = i == from / 64 ? from % 64 : 0, high = i == to / 64 ? to % 64 : 63;

        set[i] |= ~0ull >> (63 - high + low) << low;
    }
}

static bool in_class(const uint64_t *set, char ch) {
    unsigned c = (unsigned char)ch;

    return set[c / 64] >> c % 64 & 1;
}

/* Pairs of first and last character of the class; NULL: the letter is no class. */
static const char *class_ranges(char lower, size_t *n) {
    switch (lower) {
    case 'a': *n = 4; return "AZaz";
    case 'c': *n = 4; return "\0\x1f\x7f\x7f";
    case 'd': *n = 2; return "09";
    case 'l': *n = 2; return "az";
    case 'p': *n = 8; return "!/:@[`{~";
    case 's': *n = 4; return "\t\r  ";
    case 'u': *n = 2; return "AZ";
    case 'w': *n = 6; return "09AZaz";
    case 'x': *n = 6; return "09AFaf";
    case 'z': *n = 2; return "\0";
    default: return NULL;
    }
}

/* What an escaped character stands for: a class, all but a class (in upper case), or itself. */
static void class_escaped(uint64_t set[4], char ch) {
    bool upper = ch >= 'A' && ch <= 'Z';
    uint64_t class[4] = {0};
    size_t n;
    const char *r = class_ranges(upper ? (char)(ch + 'a' - 'A') : ch, &n);

    if (!r) {
        class_range(set, (unsigned char)ch, (unsigned char)ch);
        return;
    }
    for (size_t i = 0; i < n; i += 2)
        class_range(class, (unsigned char)r[i], (unsigned char)r[i + 1]);
    for (int i = 0; i < 4; i++) set[i] |= upper ? ~class[i] : class[i];
}

/* The bracket that ends the set which begins at p; NULL: none. The first character of a set is a
 * member, whatever it is. */
static const char *bracket_end(const char *p) {
    p += p[1] == '^' ? 2 : 1;
    do {
        if (*p == '\0') return NULL;
        if (*p++ == '%' && *p != '\0') p++;
    } while (*p != ']');
    return p;
}

/* `end`: its bracket. An escape after a range may take the bracket for its character, as in Lua. */
static void bracket_fill(uint64_t set[4], const char *p, const char *end) {
    bool but = p[1] == '^';

    memset(set, 0, 4 * sizeof *set);
    for (p += but ? 2 : 1; p < end; p++) {
        if (*p == '%') {
            class_escaped(set, *++p);
        } else if (p[1] == '-' && p + 2 < end) {
            if ((unsigned char)p[0] <= (unsigned char)p[2])
                class_range(set, (unsigned char)p[0], (unsigned char)p[2]);
            p += 2;
        } else {
            class_range(set, (unsigned char)*p, (unsigned char)*p);
        }
    }
    for (int i = 0; but && i < 4; i++) set[i] = ~set[i];
}

/* ---------------------------------------------------------------- compiling */

struct compiler {
    const char *p; /* the rest of the pattern */
    union pattern_slot *slots;
    uint32_t n; /* slots in use */
    int opened;
    bool open[PATTERN_CAPTURES];
    bool done;
};

static struct pattern_item *add(struct compiler *c, enum item_kind kind) {
    struct pattern_item *it = &c->slots[c->n++].item;

    it->kind = (uint8_t)kind;
    it->suffix = 0;
    it->a = 0;
    it->next = c->n;
    return it;
}

static void add_wrong(struct compiler *c, enum wrong why) {
    add(c, ITEM_WRONG)->a = (uint8_t)why;
    c->done = true;
}

static uint64_t *add_set(struct compiler *c, struct pattern_item *it) {
    it->next = ++c->n;
    return c->slots[c->n - 1].set;
}

static void add_suffix(struct compiler *c, struct pattern_item *it) {
    if (*c->p == '*' || *c->p == '+' || *c->p == '?' || *c->p == '-') it->suffix = (uint8_t)*c->p++;
}

static void compile_bracket(struct compiler *c, enum item_kind kind) {
    const char *end = bracket_end(c->p);
    struct pattern_item *it;

    if (!end) {
        add_wrong(c, WRONG_SET);
        return;
    }
    it = add(c, kind);
    bracket_fill(add_set(c, it), c->p, end);
    c->p = end + 1;
    if (kind == ITEM_SET) add_suffix(c, it);
}

static void compile_open(struct compiler *c) {
    bool position = c->p[1] == ')';

    if (c->opened == PATTERN_CAPTURES) {
        add_wrong(c, WRONG_MANY);
        return;
    }
    add(c, position ? ITEM_POSITION : ITEM_OPEN)->a = (uint8_t)c->opened;
    c->open[c->opened++] = !position;
    c->p += position ? 2 : 1;
}

static void compile_close(struct compiler *c) {
    int i = c->opened - 1;

    while (i >= 0 && !c->open[i]) i--;
    if (i < 0) {
        add_wrong(c, WRONG_CLOSE);
        return;
    }
    add(c, ITEM_CLOSE)->a = (uint8_t)i;
    c->open[i] = false;
    c->p++;
}

static void compile_again(struct compiler *c) {
    int i = c->p[1] - '1';

    if (i < 0 || i >= c->opened || c->open[i]) {
        add_wrong(c, WRONG_INDEX);
        return;
    }
    add(c, ITEM_AGAIN)->a = (uint8_t)i;
    c->p += 2;
}

static void compile_balanced(struct compiler *c) {
    struct pattern_item *it;

    if (c->p[2] == '\0' || c->p[3] == '\0') {
        add_wrong(c, WRONG_BALANCED);
        return;
    }
    it = add(c, ITEM_BALANCED);
    it->a = (uint8_t)c->p[2];
    it->b = (uint8_t)c->p[3];
    c->p += 4;
}

static void compile_escape(struct compiler *c) {
    char ch = c->p[1];
    struct pattern_item *it;

    if (ch == '\0') {
        add_wrong(c, WRONG_ESCAPE);
    } else if (ch == 'b') {
        compile_balanced(c);
    } else if (ch == 'f') {
        c->p += 2;
        if (*c->p == '[')
            compile_bracket(c, ITEM_FRONTIER);
        else
            add_wrong(c, WRONG_FRONTIER);
    } else if (ch >= '0' && ch <= '9') {
        compile_again(c);
    } else {
        uint64_t *set;

        it = add(c, ITEM_SET);
        set = add_set(c, it);
        memset(set, 0, 4 * sizeof *set);
        class_escaped(set, ch);
        c->p += 2;
        add_suffix(c, it);
    }
}

static void compile_item(struct compiler *c) {
    struct pattern_item *it;

    switch (*c->p) {
    case '(': compile_open(c); return;
    case ')': compile_close(c); return;
    case '%': compile_escape(c); return;
    case '[': compile_bracket(c, ITEM_SET); return;
    case '$':
        if (c->p[1] != '\0') break;
        add(c, ITEM_LAST);
        c->p++;
        return;
    default: break;
    }
    it = add(c, *c->p == '.' ? ITEM_ANY : ITEM_CHAR);
    it->a = (uint8_t)*c->p++;
    add_suffix(c, it);
}

void pattern_begin(struct matcher *m, lua_State *L, struct slice subject) {
    m->L = L;
    m->sc = scripting_of(L);
    m->subject = subject.p;
    m->end = subject.p + subject.n;
}

size_t pattern_slots(lua_State *L, const char *pattern) {
    size_t n = strlen(pattern);

    if (n > PATTERN_MAX) luaL_error(L, "pattern too complex");
    pattern_spend(scripting_of(L), L, n);
    return n + 3; /* slot 0, `$` and the end */
}

int pattern_compile(union pattern_slot *slots, const char *pattern) {
    struct compiler c = {.p = pattern, .slots = slots, .n = 1};

    while (*c.p && !c.done) compile_item(&c);
    if (!c.done) add(&c, ITEM_END);
    return c.opened;
}

void pattern_prepare(struct matcher *m, const char *pattern) {
    size_t n = pattern_slots(m->L, pattern);

    m->slots = n <= PATTERN_SLOTS ? m->own : lua_newuserdata(m->L, n * sizeof *m->slots);
    m->ncaptures = pattern_compile(m->slots, pattern);
}

/* ---------------------------------------------------------------- matching */

void pattern_spend(struct scripting *sc, lua_State *L, size_t steps) {
    sc->steps += steps;
    if (__builtin_expect(sc->steps < PATTERN_STEPS, 1)) return;
    sc->steps = 0;
    script_look(L);
}

static void spend(struct matcher *m, size_t steps) {
    pattern_spend(m->sc, m->L, steps);
}

static const uint64_t *set_of(const struct pattern_item *it) {
    return ((const union pattern_slot *)it)[1].set;
}

static bool takes(const struct pattern_item *it, char ch) {
    if (it->kind == ITEM_CHAR) return (char)it->a == ch;
    return it->kind == ITEM_ANY || in_class(set_of(it), ch);
}

/* How far the item reaches from `s` on. */
static const char *reach(struct matcher *m, const struct pattern_item *it, const char *s) {
    const char *from = s;

    if (it->kind == ITEM_ANY) {
        s = m->end;
    } else if (it->kind == ITEM_CHAR) {
        while (s < m->end && *s == (char)it->a) s++;
    } else {
        const uint64_t *set = set_of(it);

        while (s < m->end && in_class(set, *s)) s++;
    }
    spend(m, it->kind == ITEM_ANY ? 1 : (size_t)(s - from));
    return s;
}

/* A repeated item: as it likes it best at first. */
static const char *repeat(struct matcher *m, struct pattern_item *it, const char *s) {
    it->least = it->now = s;
    if (it->suffix == '?')
        it->now += s < m->end && takes(it, *s);
    else if (it->suffix != '-')
        it->now = reach(m, it, s);
    if (it->suffix == '+' && it->now == s) return NULL;
    if (it->suffix == '+') it->least++;
    if (it->suffix == '-' || it->now > it->least) {
        it->earlier = m->choice;
        m->choice = (uint32_t)((union pattern_slot *)it - m->slots);
    }
    return it->now;
}

/* The next place of the last item that has one; NULL: all have been tried. */
static const char *go_back(struct matcher *m, struct pattern_item **at) {
    while (m->choice) {
        struct pattern_item *it = &m->slots[m->choice].item;

        spend(m, 1);
        *at = &m->slots[it->next].item;
        if (it->suffix == '-') {
            if (it->now < m->end && takes(it, *it->now)) return ++it->now;
            m->choice = it->earlier;
        } else {
            if (--it->now == it->least) m->choice = it->earlier;
            return it->now;
        }
    }
    return NULL;
}

static const char *balanced(struct matcher *m, const struct pattern_item *it, const char *s) {
    size_t depth = 1;
    const char *from = s;

    if (s == m->end || *s != (char)it->a) return NULL;
    while (++s < m->end) {
        if (*s == (char)it->b) {
            if (--depth == 0) break;
        } else if (*s == (char)it->a) {
            depth++;
        }
    }
    spend(m, (size_t)(s - from));
    return s < m->end ? s + 1 : NULL;
}

/* Lua reads a zero before the subject and after it. */
static bool at_frontier(const struct matcher *m, const struct pattern_item *it, const char *s) {
    char before = s > m->subject ? s[-1] : '\0', after = s < m->end ? *s : '\0';

    return !in_class(set_of(it), before) && in_class(set_of(it), after);
}

static const char *again(struct matcher *m, const struct pattern_capture *c, const char *s) {
    if (c->n == CAPTURE_POSITION || m->end - s < c->n) return NULL;
    spend(m, (size_t)c->n / 8);
    return memcmp(c->p, s, (size_t)c->n) == 0 ? s + c->n : NULL;
}

/* An item that is no single character. */
static const char *special(struct matcher *m, const struct pattern_item *it, const char *s) {
    struct pattern_capture *c = &m->captures[it->a % PATTERN_CAPTURES];

    switch (it->kind) {
    case ITEM_OPEN: *c = (struct pattern_capture){s, CAPTURE_OPEN}; return s;
    case ITEM_POSITION: *c = (struct pattern_capture){s, CAPTURE_POSITION}; return s;
    case ITEM_CLOSE: c->n = s - c->p; return s;
    case ITEM_AGAIN: return again(m, c, s);
    case ITEM_BALANCED: return balanced(m, it, s);
    case ITEM_FRONTIER: return at_frontier(m, it, s) ? s : NULL;
    case ITEM_LAST: return s == m->end ? s : NULL;
    default: luaL_error(m->L, "%s", wrong_texts[it->a]); return NULL;
    }
}

const char *pattern_match(struct matcher *m, const char *s) {
    struct pattern_item *it = &m->slots[1].item;

    m->choice = 0;
    for (;;) {
        struct pattern_item *next = &m->slots[it->next].item;

        if (it->kind == ITEM_END) return s;
        spend(m, 1);
        if (it->kind > ITEM_SET)
            s = special(m, it, s);
        else if (it->suffix)
            s = repeat(m, it, s);
        else
            s = s < m->end && takes(it, *s) ? s + 1 : NULL;
        it = next;
        if (!s && !(s = go_back(m, &it))) return NULL;
    }
}
