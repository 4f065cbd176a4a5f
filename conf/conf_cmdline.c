/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conf_cmdline - the command line as lines of a configuration.
 *
 * Each `--name` begins a line and the words after it are its values, quoted. The word directly
 * after a name is a value even if it begins with "--"; after one value such a word is the next
 * name. `--save` is the exception: followed by an option or by nothing it means the empty value. A
 * word like "--maxmemory 700mb", with a blank inside, is name and value at once.
 */
#include "conf/conf_impl.h"

#include "storage/base/mem.h"

#include <limits.h>
#include <unistd.h>

static bool is_option(const char *word) {
    return word[0] == '-' && word[1] == '-';
}

/* Appends the line's beginning; returns whether the next word is a value whatever it looks like. */
static bool append_name(struct bytes *text, const char *word, const char *next) {
    struct conf_argv parts = {0};
    bool alone = conf_argv_parse(&parts, slice_str(word + 2)) && parts.n <= 1;

    conf_argv_release(&parts);
    if (text->n) bytes_append_char(text, '\n');
    bytes_printf(text, "%s ", word + 2);
    if (!alone) return false;
    if (strcasecmp(word, "--save") == 0 && (!next || is_option(next))) {
        bytes_append_str(text, "\"\"");
        return false;
    }
    return true;
}

static void append_options(struct bytes *text, int argc, char **argv) {
    bool value_next = false;

    for (int i = 0; i < argc; i++) {
        if (!value_next && is_option(argv[i])) {
            value_next = append_name(text, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
        } else {
            bytes_append_quoted(text, slice_str(argv[i]));
            bytes_append_char(text, ' ');
            value_next = false;
        }
    }
}

/* Not realpath: a name that does not exist must show in the message, and links stay links. */
static char *absolute(const char *path) {
    struct bytes text = {0};
    char cwd[PATH_MAX], *out;

    if (path[0] == '/') return mem_strdup(path);
    bytes_printf(&text, "%s/%s", getcwd(cwd, sizeof cwd) ? cwd : ".", path);
    out = mem_strdup(bytes_cstr(&text));
    bytes_release(&text);
    return out;
}

int conf_load_args(struct conf *c, int argc, char **argv, struct err *e) {
    struct bytes text = {0};
    int first = 1, rc = -1;

    if (argc > first && argv[first][0] != '-') {
        if (argv[first][0]) c->path = absolute(argv[first]);
        first++;
    }
    if (argc > first && strcmp(argv[argc - 1], "-") == 0) {
        c->has_stdin = true;
        argc--;
    } else if (argc > first && strcmp(argv[first], "-") == 0) {
        c->has_stdin = true;
        first++;
    }
    append_options(&c->options, argc - first, argv + first);

    if (c->path && conf_read_file(c, c->path, &text, e) < 0) goto out;
    if (c->has_stdin && conf_read_file(c, "-", &text, e) < 0) goto out;
    if (c->options.n) {
        bytes_append_char(&text, '\n');
        bytes_append(&text, c->options.p, c->options.n);
    }
    rc = conf_load_text(c, bytes_slice(&text), e);
out:
    bytes_release(&text);
    return rc;
}
