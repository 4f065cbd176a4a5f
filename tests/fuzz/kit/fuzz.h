/* SPDX-License-Identifier: BSD-3-Clause
 *
 * fuzz - what the fuzz targets share: the entry point, the input as a source of choices, and files
 * in memory.
 *
 * A target is one file in tests/fuzz/targets/. It is built twice: by clang for libFuzzer, one
 * program a target, and by the ordinary compiler into one program that replays the corpora. A
 * finding is a CHECK that fails, or a report of a sanitizer.
 */
#ifndef TEST_FUZZ_H
#define TEST_FUZZ_H

#include "storage/base/bytes.h"
#include "storage/base/check.h"

#include <stdint.h>

#ifdef STET_LIBFUZZER
#define FUZZ_ENTRY(name) LLVMFuzzerTestOneInput
#else
#define FUZZ_ENTRY(name) fuzz_##name
#endif

/* Begins the function of a target, which gets `data` and `size` and returns 0. */
#define FUZZ_TARGET(name)                                                                          \
    int FUZZ_ENTRY(name)(const uint8_t *data, size_t size);                                        \
    int FUZZ_ENTRY(name)(const uint8_t *data, size_t size)

/* Sets the process up, the first time; later calls only empty the files. */
void fuzz_begin(void);

/* ---------------------------------------------------------------- choices */

/* The rest of the input. Past its end every choice is 0. */
struct choices {
    const uint8_t *p, *end;
};

static inline struct choices choices_of(const uint8_t *data, size_t size) {
    return (struct choices){data, data + size};
}
static inline size_t choices_left(const struct choices *c) {
    return (size_t)(c->end - c->p);
}
uint8_t choose(struct choices *c);
uint16_t choose_16(struct choices *c);

/* The next n bytes, fewer if there are no more. */
struct slice choose_bytes(struct choices *c, size_t n);

/* A copy without further bytes after it, so that a sanitizer sees reads beyond the end. For
 * mem_free(). */
char *fuzz_copy(struct slice s);

/* The sum of all bytes: the same for the same elements in any order. */
uint64_t fuzz_sum(struct slice s);

/* ---------------------------------------------------------------- files */

/* A file of the backend of io that holds these bytes; open for reading and writing. */
int fuzz_file(const char *name, struct slice content);

/* The path of a file on the disk that holds these bytes, for what does not go through io. There is
 * one; it is removed at the end. */
const char *fuzz_disk_file(struct slice content);

/* Until it is called again: io works on the disk, not in memory. */
void fuzz_on_disk(bool on);

/* The bytes of a file; valid until it changes. */
struct slice fuzz_file_bytes(int fd);

#endif
