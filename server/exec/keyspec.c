/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/keyspec.h"

#include "storage/base/check.h"
#include "storage/base/num.h"

#include <ctype.h>
#include <stdlib.h>

const char *const keyspec_flag_names[KEY_FLAGS] = {
    "RO",     "RW",     "OW",      "RM",         "access",         "update",
    "insert", "delete", "not_key", "incomplete", "variable_flags",
};

/* ---------------------------------------------------------------- the notation */

static int number(const char **p) {
    char *end;
    long v = strtol(*p, &end, 10);

    CHECK(end != *p);
    *p = end;
    return (int)v;
}

static void skip_blanks(const char **p) {
    while (**p == ' ') ++*p;
}

static void parse_begin(const char **p, struct keyspec *k) {
    const char *word = *p;

    if (**p == '?') {
        ++*p;
        k->begin = BEGIN_UNKNOWN;
        k->keyword = slice_of(*p, strspn(*p, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"));
        *p += k->keyword.n;
        return;
    }
    while (**p != '@') {
        CHECK(**p);
        ++*p;
    }
    k->keyword = slice_of(word, (size_t)(*p - word));
    k->begin = k->keyword.n ? BEGIN_KEYWORD : BEGIN_INDEX;
    ++*p;
    k->index = number(p);
}

static void parse_find(const char **p, struct keyspec *k) {
    k->step = 1;
    if (**p == '?') {
        ++*p;
        k->find = FIND_UNKNOWN;
    } else if (**p == '#') {
        ++*p;
        k->find = FIND_KEYNUM;
        k->count_at = number(p);
        CHECK(**p == '+');
        ++*p;
        k->first = number(p);
    } else {
        CHECK((*p)[0] == '.' && (*p)[1] == '.');
        *p += 2;
        k->find = FIND_RANGE;
        k->last = number(p);
    }
    if (**p == '/') {
        ++*p;
        k->step = number(p);
    }
    if (**p == '%') {
        ++*p;
        k->limit = number(p);
    }
}

static unsigned parse_flags(const char **p) {
    unsigned flags = 0;

    for (skip_blanks(p); isalpha((unsigned char)**p); skip_blanks(p)) {
        size_t n = strcspn(*p, " ;(");
        int i = 0;

        while (i < KEY_FLAGS && !slice_eq(slice_of(*p, n), slice_str(keyspec_flag_names[i]))) i++;
        CHECK(i < KEY_FLAGS);
        flags |= 1u << i;
        *p += n;
    }
    return flags;
}

static void from_row(const struct command *c, struct keyspec *k) {
    k->begin = BEGIN_INDEX;
    k->index = c->keys.first;
    k->find = FIND_RANGE;
    k->last = c->keys.last < 0 ? c->keys.last : c->keys.last - c->keys.first;
    k->step = c->keys.step;
}

static void parse_one(const char **p, const struct command *c, struct keyspec *k) {
    size_t word;

    *k = (struct keyspec){0};
    skip_blanks(p);
    word = strcspn(*p, " ;(");
    if (**p == '?' || memchr(*p, '@', word)) {
        parse_begin(p, k);
        parse_find(p, k);
    } else {
        from_row(c, k);
    }
    k->flags = parse_flags(p);
    if (**p == '(') {
        const char *end = strchr(*p, ')');

        CHECK(end);
        k->notes = slice_of(*p + 1, (size_t)(end - *p - 1));
        *p = end + 1;
    }
    skip_blanks(p);
    CHECK(**p == '\0' || **p == ';');
    if (**p == ';') ++*p;
}

int keyspec_parse(const struct command *c, struct keyspec out[KEYSPECS_MAX]) {
    const char *p = c->key_specs;
    int n = 0;

    if (!p && c->keys.first == 0) return 0;
    if (!p) p = "RO access";
    while (*p) {
        CHECK(n < KEYSPECS_MAX);
        parse_one(&p, c, &out[n++]);
    }
    return n;
}

/* ---------------------------------------------------------------- flags that arguments change */

static bool is_at(int argc, const struct slice *argv, int i, const char *word) {
    return i < argc && slice_is(argv[i], word);
}

/* SET only reads with GET, or to compare. */
static unsigned flags_of_set(int argc, const struct slice *argv) {
    static const char *const words[] = {"get", "ifeq", "ifne", "ifdeq", "ifdne"};

    for (int i = 3; i < argc; i++)
        for (size_t w = 0; w < sizeof words / sizeof *words; w++)
            if (slice_is(argv[i], words[w])) return KEY_RW | KEY_ACCESS | KEY_UPDATE;
    return KEY_OW | KEY_UPDATE;
}

/* DELEX tells of the value if there is a condition. */
static unsigned flags_of_delex(int argc, const struct slice *argv) {
    (void)argv;
    return KEY_RM | KEY_DELETE | (argc > 2 ? KEY_ACCESS : 0);
}

/* BITFIELD only writes with SET or INCRBY; what cannot be understood might. */
static unsigned flags_of_bitfield(int argc, const struct slice *argv) {
    for (int i = 2; i < argc;) {
        if (is_at(argc, argv, i, "get") && i + 2 < argc)
            i += 3;
        else if (is_at(argc, argv, i, "overflow") && i + 1 < argc)
            i += 2;
        else
            return KEY_RW | KEY_ACCESS | KEY_UPDATE;
    }
    return KEY_RO | KEY_ACCESS;
}

static unsigned flags_of(const struct command *c, const struct keyspec *k, int argc,
                         const struct slice *argv) {
    static const struct {
        const char *name;
        unsigned (*flags)(int argc, const struct slice *argv);
    } table[] = {{"set", flags_of_set}, {"bitfield", flags_of_bitfield}, {"delex", flags_of_delex}};

    if (!(k->flags & KEY_VARIABLE_FLAGS)) return k->flags;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(c->name, table[i].name) == 0) return table[i].flags(argc, argv);
    return k->flags;
}

/* ---------------------------------------------------------------- applying it */

static bool is_word(struct slice arg, struct slice word) {
    return arg.n == word.n && strncasecmp(arg.p, word.p, arg.n) == 0;
}

/* What no rule tells but we know: the argument of the last STORE of SORT, whose other options may
 * have an argument of that name. -1: there is none. */
static int behind_last(const struct keyspec *k, int argc, const struct slice *argv) {
    int found = -1;

    for (int i = 2; k->keyword.n && i < argc; i++) {
        if (is_at(argc, argv, i, "limit"))
            i += 2;
        else if (is_at(argc, argv, i, "by") || is_at(argc, argv, i, "get"))
            i++;
        else if (is_word(argv[i], k->keyword) && i + 1 < argc)
            found = ++i;
    }
    return found;
}

/* The argument where the search begins, -1 if there is none. */
static int begin_of(const struct keyspec *k, int argc, const struct slice *argv) {
    int from = k->index < 0 ? argc + k->index : k->index, step = k->index < 0 ? -1 : 1;

    if (k->begin == BEGIN_INDEX) return from < argc ? from : -1;
    if (k->begin == BEGIN_UNKNOWN) return -1;
    for (int i = from; i > 0 && i < argc; i += step)
        if (is_word(argv[i], k->keyword)) return i + 1 < argc ? i + 1 : -1;
    return -1;
}

/* first, last; false if the arguments make no sense. */
static bool range_of(const struct keyspec *k, int argc, const struct slice *argv, int begin,
                     int *first, int *last) {
    int64_t count;

    if (k->find == FIND_RANGE) {
        *first = begin;
        if (k->last >= 0)
            *last = begin + k->last;
        else
            *last = k->limit ? begin + (argc - begin) / k->limit + k->last : argc + k->last;
    } else {
        int at = begin + k->count_at;

        if (at >= argc || !num_parse_i64(argv[at].p, argv[at].n, &count)) return false;
        if (count < 1 || count > argc) return false;
        *first = begin + k->first;
        *last = *first + ((int)count - 1) * k->step;
    }
    return *first <= *last && *last < argc;
}

/* MIGRATE has one key, or those after KEYS; the words after AUTH and AUTH2 are not KEYS. */
static int keys_of_migrate(int argc, const struct slice *argv, struct key_use *out, int max) {
    int first = 3, last = 3, n = 0;

    for (int i = 6; i < argc; i++) {
        if (is_at(argc, argv, i, "auth")) {
            i++;
        } else if (is_at(argc, argv, i, "auth2")) {
            i += 2;
        } else if (is_at(argc, argv, i, "keys")) {
            first = i + 1;
            last = argv[3].n == 0 ? argc - 1 : i;
            break;
        }
    }
    for (; first <= last; first++, n++)
        if (n < max) out[n] = (struct key_use){first, KEY_RW | KEY_ACCESS | KEY_DELETE};
    return n;
}

/* XREAD and XREADGROUP look for STREAMS where an option could stand: a group or a consumer may be
 * called like that. -1: it is not there, and nothing is read. */
static int behind_streams(int argc, const struct slice *argv) {
    for (int i = 1; i + 1 < argc; i++) {
        if (is_at(argc, argv, i, "streams")) return i + 1;
        if (is_at(argc, argv, i, "group"))
            i += 2;
        else if (is_at(argc, argv, i, "count") || is_at(argc, argv, i, "block"))
            i++;
    }
    return -1;
}

static int keys_of_xread(int argc, const struct slice *argv, struct key_use *out, int max) {
    int first = behind_streams(argc, argv), n = 0;

    if (first < 0) return -1;
    for (; n < (argc - first) / 2; n++)
        if (n < max) out[n] = (struct key_use){first + n, KEY_RO | KEY_ACCESS};
    return n;
}

/* GEORADIUS and GEORADIUSBYMEMBER store to the last key of STORE and STOREDIST: each may be named
 * several times, and every one counts. */
static int keys_of_georadius(int options, int argc, const struct slice *argv, struct key_use *out,
                             int max) {
    static const char *const words[] = {"store", "storedist"};
    int n = 1;

    if (max > 0) out[0] = (struct key_use){1, KEY_RO | KEY_ACCESS};
    for (int w = 0; w < 2; w++)
        for (int i = options; i + 1 < argc; i++) {
            bool wanted = is_at(argc, argv, i, words[w]);

            if (!wanted && !is_at(argc, argv, i, words[!w])) continue;
            i++;
            if (!wanted) continue;
            if (n < max) out[n] = (struct key_use){i, KEY_OW | KEY_UPDATE};
            n++;
        }
    return n;
}

/* Commands whose arguments only they themselves understand. False: the specs say it all. */
static bool keys_by_name(const struct command *c, int argc, const struct slice *argv,
                         struct key_use *out, int max, int *n) {
    if (strcmp(c->name, "migrate") == 0)
        *n = keys_of_migrate(argc, argv, out, max);
    else if (strcmp(c->name, "xread") == 0 || strcmp(c->name, "xreadgroup") == 0)
        *n = keys_of_xread(argc, argv, out, max);
    else if (strcmp(c->name, "georadius") == 0)
        *n = keys_of_georadius(6, argc, argv, out, max);
    else if (strcmp(c->name, "georadiusbymember") == 0)
        *n = keys_of_georadius(5, argc, argv, out, max);
    else
        return false;
    return true;
}

int keyspec_keys(const struct command *c, int argc, const struct slice *argv, struct key_use *out,
                 int max) {
    struct keyspec specs[KEYSPECS_MAX];
    int nspecs, n = 0;

    if (keys_by_name(c, argc, argv, out, max, &n)) return n;
    nspecs = keyspec_parse(c, specs);
    for (int i = 0; i < nspecs; i++) {
        const struct keyspec *k = &specs[i];
        int begin = begin_of(k, argc, argv), first, last;

        if (k->find == FIND_UNKNOWN && (first = behind_last(k, argc, argv)) > 0) {
            if (n < max) out[n] = (struct key_use){first, k->flags};
            n++;
        }
        if (k->begin == BEGIN_INDEX && begin < 0) return -1;
        if (k->flags & KEY_NOT_KEY || begin < 0 || k->find == FIND_UNKNOWN) continue;
        if (!range_of(k, argc, argv, begin, &first, &last)) return -1;
        for (int at = first; at <= last; at += k->step, n++)
            if (n < max) out[n] = (struct key_use){at, flags_of(c, k, argc, argv)};
    }
    return n;
}
