/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/commands/repeats.h"

#include "storage/base/mem.h"

#include <stdint.h>

void repeats_init(struct repeats *r, size_t n) {
    size_t cap = 8;

    *r = (struct repeats){0};
    if (n < REPEATS_MIN) return;
    while (cap < n * 2) cap *= 2;
    r->seen = mem_calloc(cap * sizeof *r->seen);
    r->mask = cap - 1;
}

void repeats_release(struct repeats *r) {
    mem_free(r->seen);
}

bool repeats_has(struct repeats *r, const void *value) {
    size_t at;

    if (!r->seen || !value) return false;
    at = (size_t)((uintptr_t)value * UINT64_C(0x9e3779b97f4a7c15) >> 32) & r->mask;
    while (r->seen[at] && r->seen[at] != value) at = (at + 1) & r->mask;
    if (r->seen[at]) return true;
    r->seen[at] = value;
    return false;
}
