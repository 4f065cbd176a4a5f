/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conf_words - splits a line of a configuration file into words, with quotes and escapes, and a
 * value at its blanks. A quote may begin inside a word; its end must end the word.
 */
#include "conf/conf_impl.h"

#include "storage/base/mem.h"
#include "storage/base/num.h"

#include <ctype.h>

void conf_argv_add(struct conf_argv *a, struct slice word) {
    char *copy = mem_alloc(word.n + 1);

    if (word.n) memcpy(copy, word.p, word.n);
    copy[word.n] = '\0';
    if (a->n == a->cap) {
        a->cap = a->cap ? 2 * a->cap : 8;
        a->v = mem_realloc(a->v, a->cap * sizeof *a->v);
    }
    a->v[a->n++] = slice_of(copy, word.n);
}

void conf_argv_release(struct conf_argv *a) {
    for (size_t i = 0; i < a->n; i++) mem_free((char *)a->v[i].p);
    mem_free(a->v);
    *a = (struct conf_argv){0};
}

struct slice conf_trim(struct slice s) {
    static const char blanks[] = " \t\r\n";

    while (s.n && memchr(blanks, s.p[0], 4)) s.p++, s.n--;
    while (s.n && memchr(blanks, s.p[s.n - 1], 4)) s.n--;
    return s;
}

/* An escape in double quotes; s begins after the backslash. Returns how much of s it took. */
static size_t unescape(struct slice s, struct bytes *out) {
    static const char names[] = "nrtba", meanings[] = "\n\r\t\b\a";
    const char *at;

    if (s.n >= 3 && s.p[0] == 'x' && num_hex_digit(s.p[1]) >= 0 && num_hex_digit(s.p[2]) >= 0) {
        bytes_append_char(out, (char)(num_hex_digit(s.p[1]) * 16 + num_hex_digit(s.p[2])));
        return 3;
    }
    at = memchr(names, s.p[0], 5);
    bytes_append_char(out, at ? meanings[at - names] : s.p[0]);
    return 1;
}

/* The quoted part that begins after s.p[0], which is the quote. Returns the length with both
 * quotes, 0 if the second one is missing or is followed by anything but a blank. */
static size_t quoted(struct slice s, struct bytes *out) {
    char quote = s.p[0];
    size_t i = 1;

    while (i < s.n && s.p[i] != quote) {
        bool escape = s.p[i] == '\\' && i + 1 < s.n;

        if (escape && quote == '"') {
            i += 1 + unescape(slice_of(s.p + i + 1, s.n - i - 1), out);
        } else if (escape && s.p[i + 1] == '\'') {
            bytes_append_char(out, '\'');
            i += 2;
        } else {
            bytes_append_char(out, s.p[i++]);
        }
    }
    if (i >= s.n) return 0;
    i++;
    return i < s.n && !isspace((unsigned char)s.p[i]) ? 0 : i;
}

bool conf_argv_parse(struct conf_argv *a, struct slice line) {
    struct bytes word = {0};
    bool ok = true;
    size_t i = 0;

    while (ok) {
        while (i < line.n && isspace((unsigned char)line.p[i])) i++;
        if (i == line.n) break;
        bytes_clear(&word);
        while (ok && i < line.n && !isspace((unsigned char)line.p[i])) {
            if (line.p[i] == '"' || line.p[i] == '\'') {
                size_t n = quoted(slice_of(line.p + i, line.n - i), &word);

                ok = n > 0;
                i += n;
            } else {
                bytes_append_char(&word, line.p[i++]);
            }
        }
        if (ok) conf_argv_add(a, bytes_slice(&word));
    }
    bytes_release(&word);
    return ok;
}

void conf_argv_split(struct conf_argv *a, struct slice text) {
    const char *end = text.p + text.n;

    if (text.n == 0) return;
    for (;;) {
        const char *blank = memchr(text.p, ' ', (size_t)(end - text.p));

        conf_argv_add(a, slice_of(text.p, (size_t)((blank ? blank : end) - text.p)));
        if (!blank) break;
        text.p = blank + 1;
    }
}
