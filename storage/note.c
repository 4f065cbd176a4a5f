/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/note.h"

#include "storage/base/num.h"

#include <string.h>

static void put(struct bytes *out, struct slice word) {
    bytes_printf(out, "%zu:", word.n);
    bytes_append(out, word.p, word.n);
}

void note_build(struct bytes *out, const struct slice *words, int n) {
    put(out, SLICE(NOTE_NAME));
    for (int i = 0; i < n; i++) put(out, words[i]);
}

static bool take(struct slice *in, struct slice *word) {
    const char *colon = in->n ? memchr(in->p, ':', in->n) : NULL;
    uint64_t n;
    size_t left;

    if (!colon || !num_parse_u64(in->p, (size_t)(colon - in->p), &n)) return false;
    left = in->n - (size_t)(colon + 1 - in->p);
    if (n > left) return false;
    *word = slice_of(colon + 1, (size_t)n);
    *in = slice_of(colon + 1 + n, left - (size_t)n);
    return true;
}

int note_words(struct slice text, struct slice words[NOTE_WORDS]) {
    struct slice name;
    int n = 0;

    if (!take(&text, &name) || !slice_eq(name, SLICE(NOTE_NAME))) return 0;
    for (; text.n > 0; n++)
        if (n == NOTE_WORDS || !take(&text, &words[n])) return 0;
    return n;
}
