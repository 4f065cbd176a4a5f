/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conf - the text of a configuration, then CONFIG SET with words of the same text. What CONFIG GET
 * says of a value can be set again. Lines that would read other files, or change the directory or
 * the log file of the process, are left out.
 */
#include "tests/fuzz/kit/fuzz.h"

#include "conf/conf.h"
#include "protocol/request.h"
#include "storage/base/mem.h"

enum { WORDS_MAX = 16 };

static const char *const left_out[] = {"include", "dir", "logfile", "aclfile", "locale"};

/* The words of a line, as a configuration has them; `line` is changed. */
static bool is_left_out(char *line, size_t n) {
    struct request_args args = {0};
    bool found = false;

    if (request_split_line(line, n, &args) && args.n)
        for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
            found |= slice_is(args.v[0], left_out[i]);
    mem_free(args.v);
    return found;
}

static void keep_harmless(struct bytes *out, struct slice text) {
    while (text.n) {
        const char *nl = memchr(text.p, '\n', text.n);
        size_t n = nl ? (size_t)(nl - text.p) + 1 : text.n;
        char *copy = fuzz_copy(slice_of(text.p, n));

        if (!is_left_out(copy, n)) bytes_append(out, text.p, n);
        mem_free(copy);
        text.p += n;
        text.n -= n;
    }
}

static void keep_value(void *arg, struct slice name, struct slice value) {
    struct bytes *b = arg;

    (void)name;
    bytes_append(b, value.p, value.n);
}

/* CONFIG SET with two words; what is answered to GET then is accepted, and stays the same. */
static void set(struct conf *c, struct slice name, struct slice value) {
    struct bytes now = {0}, again = {0};
    struct slice pair[2] = {name, value};
    struct err e;

    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        if (slice_is(name, left_out[i])) return;
    if (memchr(name.p, '*', name.n) || memchr(name.p, '[', name.n) || memchr(name.p, '?', name.n) ||
        memchr(name.p, '\\', name.n))
        return;
    if (conf_set(c, pair, 1, true, &e) == 0) {
        conf_get(c, &name, 1, keep_value, &now);
        pair[1] = now.n ? bytes_slice(&now) : SLICE("");
        CHECK(conf_set(c, pair, 1, true, &e) == 0);
        conf_get(c, &name, 1, keep_value, &again);
        CHECK(slice_eq(bytes_slice(&now), bytes_slice(&again)));
    }
    bytes_release(&now);
    bytes_release(&again);
}

static void set_words(struct conf *c, struct slice text) {
    char *copy = fuzz_copy(text);
    struct request_args args = {0};

    if (request_split_line(copy, text.n, &args))
        for (size_t i = 0; i + 1 < args.n && i < WORDS_MAX; i += 2)
            set(c, args.v[i], args.v[i + 1]);
    mem_free(args.v);
    mem_free(copy);
}

FUZZ_TARGET(conf) {
    struct conf *c;
    struct bytes text = {0}, all = {0};
    struct slice everything = SLICE("*");
    struct err e;
    size_t n;

    fuzz_begin();
    if (size > 65536) return 0;
    keep_harmless(&text, slice_of(data, size));
    c = conf_new();
    if (conf_load_text(c, bytes_slice(&text), &e) == 0) {
        conf_get(c, &everything, 1, keep_value, &all);
        conf_directives(c, &n);
    }
    conf_free(c);
    c = conf_new();
    set_words(c, slice_of(data, size));
    conf_free(c);
    bytes_release(&text);
    bytes_release(&all);
    return 0;
}
