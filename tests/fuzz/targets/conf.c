/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conf - the text of a configuration, by itself and as a file that another one includes; its words
 * as a command line, and for CONFIG SET. What CONFIG GET says of a value can be set again; a
 * configuration that is rewritten loads again and says the same. Lines that would read other files,
 * or change the directory or the log file of the process, are left out.
 */
#include "tests/fuzz/kit/fuzz.h"

#include "conf/conf.h"
#include "protocol/request.h"
#include "storage/base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WORDS_MAX = 512 };

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

/* Refuses a third of all values. */
static int on_apply(void *arg, const struct conf_values *v, struct err *e) {
    (void)arg;
    return v->hz % 3 ? 0 : err_set(e, 1, "not this one");
}

/* Two parameters with one command; a name that stands twice is refused. */
static void set_two(struct conf *c, const struct slice words[4]) {
    struct err e;
    bool twice = slice_eq(words[0], words[2]);

    for (int k = 0; k < 4; k += 2)
        for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
            if (slice_is(words[k], left_out[i])) return;
    CHECK(conf_set(c, words, 2, false, &e) < 0 || !twice);
}

static void set_words(struct conf *c, struct slice text) {
    char *copy = fuzz_copy(text);
    struct request_args args = {0};

    if (request_split_line(copy, text.n, &args))
        for (size_t i = 0; i + 1 < args.n && i < WORDS_MAX; i += 2)
            set(c, args.v[i], args.v[i + 1]);
    conf_on_apply(c, "timeout", on_apply, NULL);
    conf_on_apply(c, "hz", on_apply, NULL);
    for (size_t i = 0; i + 3 < args.n && i < WORDS_MAX; i += 4) {
        set_two(c, args.v + i);
        conf_is_sensitive(args.v[i]);
        conf_denied_while_loading(args.v[i]);
    }
    mem_free(args.v);
    mem_free(copy);
}

/* ---------------------------------------------------------------- files */

static char folder[64], main_path[96], part_path[96];

static void remove_folder(void) {
    unlink(main_path);
    unlink(part_path);
    rmdir(folder);
}

static void make_folder(void) {
    if (folder[0]) return;
    snprintf(folder, sizeof folder, "/dev/shm/stet-fuzz-XXXXXX");
    CHECK(mkdtemp(folder));
    snprintf(main_path, sizeof main_path, "%s/main.conf", folder);
    snprintf(part_path, sizeof part_path, "%s/part.conf", folder);
    atexit(remove_folder);
}

static void write_file(const char *path, struct slice text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    CHECK(fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n);
    close(fd);
}

static int load_args(struct conf *c, int argc, char **argv) {
    FILE *report;
    struct err e;
    int rc = conf_load_args(c, argc, argv, &e);

    if (rc < 0) {
        report = fopen("/dev/null", "w");
        CHECK(report);
        conf_report_error(c, report);
        fclose(report);
    }
    return rc;
}

static void keep_pair(void *arg, struct slice name, struct slice value) {
    struct bytes *b = arg;

    bytes_append_quoted(b, name);
    bytes_append_quoted(b, value);
}

static void check_rewritten(struct conf *c, bool all) {
    char *argv[] = {"stet", main_path, NULL};
    struct bytes before = {0}, after = {0};
    struct slice everything = SLICE("*");
    struct conf *again = conf_new();
    struct err e;

    fuzz_on_disk(true);
    CHECK((all ? conf_rewrite_all(c, &e) : conf_rewrite(c, &e)) == 0);
    fuzz_on_disk(false);
    CHECK(load_args(again, 2, argv) == 0);
    conf_get(c, &everything, 1, keep_pair, &before);
    conf_get(again, &everything, 1, keep_pair, &after);
    CHECK(slice_eq(bytes_slice(&before), bytes_slice(&after)));
    conf_free(again);
    bytes_release(&before);
    bytes_release(&after);
}

static void check_files(struct slice text, uint8_t how) {
    char *argv[] = {"stet", main_path, NULL};
    struct bytes with = {0};
    struct conf *c = conf_new();

    make_folder();
    write_file(part_path, text);
    if (how & 1) bytes_printf(&with, "include %s/%s\n", folder, how & 2 ? "pa*.conf" : "part.conf");
    if (!(how & 1)) bytes_append(&with, text.p, text.n);
    if (how & 16 && !(how & 32)) bytes_printf(&with, "\ninclude %s/none.conf\n", folder);
    write_file(main_path, bytes_slice(&with));
    /* Lines that add up (save) are written besides those of an included file, which stay. */
    if (load_args(c, 2, argv) == 0 && !(how & 1)) check_rewritten(c, how & 4);
    conf_free(c);
    bytes_release(&with);
}

static char *word_copy(struct slice s) {
    char *copy = mem_alloc(s.n + 1);

    if (s.n) memcpy(copy, s.p, s.n);
    copy[s.n] = '\0';
    return copy;
}

/* The first word begins with "--": another one would be a file, "-" standard input. */
static void check_command_line(struct slice text) {
    char *copy = fuzz_copy(text), *argv[WORDS_MAX + 2] = {"stet"};
    struct request_args args = {0};
    struct conf *c = conf_new();
    int argc = 1;

    if (request_split_line(copy, text.n, &args) && args.n && args.v[0].n > 1 &&
        strncmp(args.v[0].p, "--", 2) == 0)
        for (size_t i = 0; i < args.n && argc <= WORDS_MAX; i++)
            if (!slice_is(args.v[i], "-")) argv[argc++] = word_copy(args.v[i]);
    load_args(c, argc, argv);
    while (argc > 1) mem_free(argv[--argc]);
    conf_free(c);
    mem_free(args.v);
    mem_free(copy);
}

/* Words of the command line are joined to lines, so that no part of one may be such a name. */
static bool is_harmless(struct slice text) {
    struct bytes copy = {0};
    bool harmless = true;

    bytes_append(&copy, text.p, text.n);
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        harmless &= !strcasestr(bytes_cstr(&copy), left_out[i]);
    harmless &= strlen(bytes_cstr(&copy)) == copy.n;
    bytes_release(&copy);
    return harmless;
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
        const struct conf_directive *d = conf_directives(c, &n);

        conf_get(c, &everything, 1, keep_value, &all);
        if (n) conf_refuse_directive(c, &d[n - 1], "refused", &e);
    }
    conf_free(c);
    c = conf_new();
    set_words(c, slice_of(data, size));
    conf_free(c);
    check_files(bytes_slice(&text), size ? data[size - 1] : 0);
    if (is_harmless(slice_of(data, size))) check_command_line(slice_of(data, size));
    bytes_release(&text);
    bytes_release(&all);
    return 0;
}
