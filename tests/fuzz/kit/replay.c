/* SPDX-License-Identifier: BSD-3-Clause
 *
 * replay - feeds every file of the corpora to its target, without a fuzzer:
 *
 *   fuzz-replay CORPORA [TARGET [FILE...]]
 *
 * CORPORA/TARGET holds the inputs of each target. The name of an input is printed before it is
 * fed, so that a crash names it. Every target also gets the empty input.
 */
#include "fuzz.h"

#include "storage/base/mem.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

/* FUZZ_TARGETS is X(name) for every file in tests/fuzz/targets/. */
#define X(name) int fuzz_##name(const uint8_t *data, size_t size);
FUZZ_TARGETS
#undef X

static const struct target {
    const char *name;
    int (*feed)(const uint8_t *data, size_t size);
} targets[] = {
#define X(name) {#name, fuzz_##name},
    FUZZ_TARGETS
#undef X
};

static unsigned passed, failed;

static void fail(const char *what, const char *name) {
    printf("FAIL %s %s\n", name, what);
    failed++;
}

static void feed(const struct target *t, const char *name, struct bytes *input) {
    char *copy = fuzz_copy(bytes_slice(input));

    printf("%s %s\n", t->name, name);
    fflush(stdout);
    t->feed((const uint8_t *)copy, input->n);
    passed++;
    mem_free(copy);
}

static void feed_file(const struct target *t, const char *path) {
    FILE *f = fopen(path, "r");
    struct bytes b = {0};
    size_t got;

    if (!f) {
        fail("cannot be read", path);
        return;
    }
    while ((got = fread(bytes_room(&b, 65536), 1, 65536, f)) > 0) b.n += got;
    fclose(f);
    feed(t, path, &b);
    bytes_release(&b);
}

static void feed_corpus(const struct target *t, const char *corpora) {
    struct bytes none = {0};
    struct dirent **names;
    char path[4096];
    int n;

    snprintf(path, sizeof path, "%s/%s", corpora, t->name);
    n = scandir(path, &names, NULL, alphasort);
    if (n < 0) {
        fail("has no corpus", t->name);
        return;
    }
    feed(t, "(nothing)", &none);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s/%s", corpora, t->name, names[i]->d_name);
        if (names[i]->d_name[0] != '.') feed_file(t, path);
        free(names[i]);
    }
    free(names);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "fuzz-replay CORPORA [TARGET [FILE...]]\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        if (argc > 2 && strcmp(argv[2], targets[i].name) != 0) continue;
        for (int f = 3; f < argc; f++) feed_file(&targets[i], argv[f]);
        if (argc <= 3) feed_corpus(&targets[i], argv[1]);
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed > 0 || passed == 0;
}
