/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hyperloglog - estimates of how many different elements were added, as strings with Redis' bytes.
 *
 *   | "HYLL" | encoding 1 | 0 0 0 | cardinality 8, little endian | registers ... |
 *
 * 16384 registers; each holds the longest run of zeros seen in the hashes that chose it, plus one.
 * The top bit of the cardinality says that it is out of date.
 *   dense:  6 bits a register, from the lowest bit of a byte on
 *   sparse: runs of equal registers: 00nnnnnn: n + 1 zeros; 01nnnnnn nnnnnnnn: n + 1 zeros;
 *           1vvvvvnn: n + 1 times v + 1
 *
 * Everything here looks at bytes that a client may have written: hll_is_one() looks at the header
 * only; the others say so when they meet runs that do not make up 16384 registers, and never look
 * beyond the end.
 */
#ifndef STET_DS_HYPERLOGLOG_H
#define STET_DS_HYPERLOGLOG_H

#include "storage/base/bytes.h"

#include <stdint.h>

enum {
    HLL_REGISTERS = 1 << 14,
    HLL_HEADER = 16,
    HLL_DENSE_BYTES = HLL_HEADER + HLL_REGISTERS * 6 / 8,
    HLL_EMPTY_BYTES = HLL_HEADER + 2, /* of an empty one, which is sparse */
    HLL_VALUE_MAX = 63,
};

/* Whether the header is one, and the length possible. */
bool hll_is_one(struct slice s);
bool hll_is_dense(struct slice s); /* of one that is */

void hll_make_empty(char out[HLL_EMPTY_BYTES]);

/* The register and the value that an element means. */
struct hll_mark {
    uint32_t reg;
    uint8_t value;
};
struct hll_mark hll_mark_of(struct slice element);

/* ---------------------------------------------------------------- adding */

enum hll_result {
    HLL_CORRUPT,
    HLL_SAME,  /* the register is that large already */
    HLL_EDIT,  /* sparse: see struct hll_edit */
    HLL_WRITE, /* dense: hll_write() will do */
    HLL_GROW,  /* sparse, and has to become dense first */
};

/* How a sparse one has to change: its bytes at `at`, `old` of them, become `now[0..n)`. */
struct hll_edit {
    uint32_t at, old, n;
    uint32_t merge_from; /* runs from here on may become one */
    uint8_t now[5];
};

/* What a mark means for `s`. A sparse one may have `sparse_max` bytes, header included. */
enum hll_result hll_look(struct slice s, struct hll_mark m, size_t sparse_max,
                         struct hll_edit *edit);

/* Makes the change in a sparse one of n bytes with room for what it grows by. Returns how many
 * bytes it has now: n + edit->n - edit->old at the most. */
size_t hll_apply(char *p, size_t n, const struct hll_edit *edit);

/* Sets a register of a dense one, or all of them. */
void hll_write(char *p, struct hll_mark m);
void hll_write_all(char *p, const uint8_t reg[HLL_REGISTERS]);

/* The same registers, dense; false if `s` is corrupt. The header's cardinality is taken along. */
bool hll_to_dense(struct slice s, char out[HLL_DENSE_BYTES]);

/* ---------------------------------------------------------------- counting */

/* The cardinality in the header, false if that is out of date. */
bool hll_cached(struct slice s, uint64_t *count);
void hll_put_cached(char *p, uint64_t count);
void hll_outdate(char *p);

/* Each false if `s` is corrupt. */
bool hll_count(struct slice s, uint64_t *count);
bool hll_merge(uint8_t max[HLL_REGISTERS], struct slice s); /* max[i] = max(max[i], s[i]) */
uint64_t hll_count_registers(const uint8_t reg[HLL_REGISTERS]);

/* The runs of a sparse one, in the words of PFDEBUG DECODE: "z:1 Z:100 v:5,1 ". */
void hll_describe(struct slice s, struct bytes *out);

#endif
