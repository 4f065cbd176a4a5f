/* SPDX-License-Identifier: BSD-3-Clause */
#include "conf_help.h"
#include "conf/conf.h"

#include "storage/base/mem.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

enum { TEXT_MAX = 1 << 18, WORDS_MAX = 64 };

static char tmp_dir[64];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void remove_tmp(void) {
    nftw(tmp_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void help_in_tmp(void) {
    strcpy(tmp_dir, "/tmp/stet-conf-XXXXXX");
    cr_assert(mkdtemp(tmp_dir));
    cr_assert_eq(chdir(tmp_dir), 0);
    atexit(remove_tmp);
}

void help_write(const char *name, const char *text) {
    FILE *f = fopen(name, "w");

    cr_assert(f);
    fputs(text, f);
    fclose(f);
}

const char *help_read(const char *name) {
    static char text[TEXT_MAX];
    FILE *f = fopen(name, "r");
    size_t n;

    cr_assert(f, "'%s' can be read", name);
    n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    return text;
}

static int load_words(struct conf *c, const char *words, struct err *e) {
    char copy[1024], *argv[WORDS_MAX] = {"stet-server"}, *save = NULL;
    int argc = 1;

    snprintf(copy, sizeof copy, "%s", words);
    for (char *p = strtok_r(copy, " ", &save); p; p = strtok_r(NULL, " ", &save))
        argv[argc++] = strcmp(p, "_") == 0 ? "" : p;
    return conf_load_args(c, argc, argv, e);
}

struct conf *help_text(const char *text) {
    struct conf *c = conf_new();
    struct err e;

    cr_assert_eq(conf_load_text(c, slice_str(text), &e), 0, "loads: %s", text);
    return c;
}

struct conf *help_args(const char *words) {
    struct conf *c = conf_new();
    struct err e = {0};

    cr_assert_eq(load_words(c, words, &e), 0, "loads: %s", e.text);
    return c;
}

static const char *report(struct conf *c) {
    static char out[4096];
    char *text = NULL, *p;
    size_t n;
    FILE *f = open_memstream(&text, &n);

    conf_report_error(c, f);
    fclose(f);
    p = text;
    if (strncmp(p, "\n*** FATAL CONFIG FILE ERROR (Redis 7.2.4) ***\n", 47) == 0) p += 47;
    out[0] = '\0';
    for (char *save = NULL, *l = strtok_r(p, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
        if (strncmp(l, "Reading the configuration file, at ", 35) == 0) l += 35;
        if (out[0]) strcat(out, " | ");
        strcat(out, l);
    }
    free(text);
    conf_free(c);
    return out;
}

const char *help_text_error(const char *text) {
    struct conf *c = conf_new();

    conf_load_text(c, slice_str(text), NULL);
    return report(c);
}

const char *help_args_error(const char *words) {
    struct conf *c = conf_new();

    load_words(c, words, NULL);
    return report(c);
}

static void take_value(void *arg, struct slice name, struct slice value) {
    (void)name;
    snprintf(arg, 1024, "%.*s", (int)value.n, value.p);
}

const char *help_get(const struct conf *c, const char *name) {
    static char text[8][1024];
    static int turn;
    char *out = text[turn++ % 8];
    struct slice pattern = slice_str(name);

    strcpy(out, "\1");
    conf_get(c, &pattern, 1, take_value, out);
    return out[0] == '\1' ? NULL : out;
}

const char *help_set(struct conf *c, ...) {
    static struct err e;
    struct slice pairs[WORDS_MAX];
    size_t n = 0;
    va_list ap;

    va_start(ap, c);
    for (const char *p = va_arg(ap, const char *); p; p = va_arg(ap, const char *))
        pairs[n++] = slice_str(p);
    va_end(ap);
    return conf_set(c, pairs, n / 2, false, &e) < 0 ? e.text : "OK";
}
