/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cache - compiled scripts by their digest. Those that came with EVAL are forgotten again when
 * there are many of them, the one used longest ago first; those of SCRIPT LOAD stay.
 */
#include "server/scripting/interp.h"

#include "storage/base/mem.h"

enum { EVAL_KEPT = 500 };

static struct script **bucket_of(struct scripting *sc, const uint8_t sha[SHA1_BYTES]) {
    uint32_t h;

    memcpy(&h, sha, sizeof h);
    return &sc->buckets[h % SCRIPT_BUCKETS];
}

/* 1 more than what a digit stands for. */
static const uint8_t digits[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16};

static bool parse_hex(struct slice hex, uint8_t sha[SHA1_BYTES]) {
    const uint8_t *p = (const uint8_t *)hex.p;
    bool all = hex.n == SHA1_HEX;

    for (int i = 0; all && i < SHA1_BYTES; i++) {
        uint8_t high = digits[p[2 * i]], low = digits[p[2 * i + 1]];

        all = high && low;
        sha[i] = (uint8_t)((high - 1) << 4 | (low - 1));
    }
    return all;
}

struct script *script_find(struct scripting *sc, const uint8_t sha[SHA1_BYTES]) {
    struct script *s = *bucket_of(sc, sha);

    while (s && memcmp(s->sha, sha, SHA1_BYTES) != 0) s = s->next;
    if (s && s->evictable && sc->aged.prev != &s->aged) {
        list_remove(&s->aged);
        list_append(&sc->aged, &s->aged);
    }
    return s;
}

/* The one of last time is mostly the one of this time. */
struct script *script_find_hex(struct scripting *sc, struct slice hex) {
    uint8_t sha[SHA1_BYTES];
    struct script *s = sc->recent;

    if (s && hex.n == SHA1_HEX && memcmp(hex.p, s->hex, SHA1_HEX) == 0) return s;
    s = parse_hex(hex, sha) ? script_find(sc, sha) : NULL;
    if (s) sc->recent = s;
    return s;
}

/* ---------------------------------------------------------------- the first line */

unsigned script_flag(struct slice name) {
    static const struct {
        const char *name;
        unsigned flag;
    } flags[] = {{"no-writes", SCRIPT_NO_WRITES},
                 {"allow-oom", SCRIPT_ALLOW_OOM},
                 {"allow-stale", SCRIPT_ALLOW_STALE},
                 {"no-cluster", SCRIPT_NO_CLUSTER},
                 {"allow-cross-slot-keys", SCRIPT_CROSS_SLOT}};

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (slice_eq(name, slice_str(flags[i].name))) return flags[i].flag;
    return 0;
}

static struct slice cut_word(struct slice *text, char at) {
    const char *end = memchr(text->p, at, text->n);
    size_t n = end ? (size_t)(end - text->p) : text->n;
    struct slice word = slice_of(text->p, n);

    text->p += end ? n + 1 : n;
    text->n -= end ? n + 1 : n;
    return word;
}

static int parse_flags(struct call *x, struct slice list, unsigned *flags) {
    while (list.n) {
        struct slice word = cut_word(&list, ',');
        unsigned flag = script_flag(word);

        if (word.n == 0) continue;
        if (!flag)
            return reply_errf(x, "ERR Unexpected flag in script shebang: %.*s",
                              (int)(word.n > 128 ? 128 : word.n), word.p);
        *flags |= flag;
    }
    return 0;
}

/* "#!lua flags=a,b": what of the script follows it, from its line break on. -1: answered. */
static int parse_shebang(struct call *x, struct slice *body, unsigned *flags) {
    const char *end;
    struct slice line, word;

    *flags = SCRIPT_COMPAT;
    if (body->n < 2 || memcmp(body->p, "#!", 2) != 0) return 0;
    *flags = 0;
    end = memchr(body->p, '\n', body->n);
    if (!end) return reply_err(x, "ERR Invalid script shebang");
    line = slice_of(body->p, (size_t)(end - body->p));
    *body = slice_of(end, body->n - line.n);
    word = cut_word(&line, ' ');
    if (!slice_eq(word, SLICE("#!lua")))
        return reply_errf(x, "ERR Unexpected engine in script shebang: %.*s",
                          (int)(word.n > 128 ? 128 : word.n), word.p);
    while (line.n) {
        word = cut_word(&line, ' ');
        if (word.n == 0) continue;
        if (word.n < 6 || memcmp(word.p, "flags=", 6) != 0)
            return reply_errf(x, "ERR Unknown lua shebang option: %.*s",
                              (int)(word.n > 128 ? 128 : word.n), word.p);
        if (parse_flags(x, slice_of(word.p + 6, word.n - 6), flags) < 0) return -1;
    }
    return 0;
}

/* ---------------------------------------------------------------- adding, forgetting */

static void forget(struct scripting *sc, struct script *s) {
    struct script **at = bucket_of(sc, s->sha);

    while (*at != s) at = &(*at)->next;
    *at = s->next;
    if (sc->recent == s) sc->recent = NULL;
    if (s->evictable) {
        list_remove(&s->aged);
        sc->naged--;
    }
    luaL_unref(sc->L, LUA_REGISTRYINDEX, s->ref);
    sc->e->scripts.cached--;
    sc->e->scripts.cached_bytes -= mem_usable(s);
    mem_free(s);
}

static void enter(struct scripting *sc, struct script *s) {
    struct script **at = bucket_of(sc, s->sha);

    s->next = *at;
    *at = s;
    sc->e->scripts.cached++;
    sc->e->scripts.cached_bytes += mem_usable(s);
    if (!s->evictable) return;
    list_append(&sc->aged, &s->aged);
    sc->naged++;
    if (sc->naged <= EVAL_KEPT) return;
    forget(sc, list_entry(sc->aged.next, struct script, aged));
    sc->e->scripts.evicted++;
}

static unsigned flags_of(unsigned looked) {
    static const struct {
        unsigned found, flag;
    } same[] = {{BYTECODE_KEYS, SCRIPT_KEYS},
                {BYTECODE_ARGV, SCRIPT_ARGV},
                {BYTECODE_HOLDS_KEYS, SCRIPT_HOLDS_KEYS},
                {BYTECODE_HOLDS_ARGV, SCRIPT_HOLDS_ARGV}};
    unsigned flags = 0;

    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (looked & same[i].found) flags |= same[i].flag;
    if (looked & BYTECODE_SETS_GLOBAL) return flags;
    return flags | SCRIPT_DIRECT | (looked & BYTECODE_INDIRECT ? 0 : SCRIPT_PLAIN);
}

struct script *script_add(struct call *x, struct slice body, const uint8_t sha[SHA1_BYTES],
                          bool evictable) {
    struct scripting *sc = x->e->scripting;
    struct slice code = body;
    struct bytes why = {0};
    struct script *s;
    unsigned flags, looked;
    int ref;

    if (parse_shebang(x, &code, &flags) < 0) return NULL;
    ref = script_compile(sc, "@user_script", code, &looked, &why);
    if (ref == LUA_NOREF) {
        reply_errf(x, "ERR Error compiling script (new function): %s", bytes_cstr(&why));
        bytes_release(&why);
        return NULL;
    }
    flags |= flags_of(looked);
    s = mem_alloc(sizeof *s + body.n);
    *s = (struct script){.flags = flags, .ref = ref, .evictable = evictable, .n = body.n};
    memcpy(s->sha, sha, SHA1_BYTES);
    sha1_hex(sha, s->hex);
    memcpy(s->body, body.p, body.n);
    enter(sc, s);
    return s;
}

void script_keep(struct scripting *sc, struct script *s) {
    if (!s->evictable) return;
    list_remove(&s->aged);
    sc->naged--;
    s->evictable = false;
}

void script_flush(struct scripting *sc) {
    for (size_t i = 0; i < SCRIPT_BUCKETS; i++)
        while (sc->buckets[i]) forget(sc, sc->buckets[i]);
}
