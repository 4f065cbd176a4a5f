/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/slots.h"

#include "server/exec/keyspec.h"
#include "storage/base/crc.h"
#include "storage/base/mem.h"

enum { KEYS_ON_STACK = 32 };

unsigned slot_of(struct slice key) {
    const char *open = key.n ? memchr(key.p, '{', key.n) : NULL, *close;

    if (open) {
        size_t rest = key.n - (size_t)(open + 1 - key.p);

        close = rest ? memchr(open + 1, '}', rest) : NULL;
        if (close && close > open + 1) key = slice_of(open + 1, (size_t)(close - open - 1));
    }
    return crc16(key.p, key.n) % SLOTS;
}

/* The row's own positions say it all unless the command has movable keys. */
static bool each_by_position(const struct command *row, int argc, const struct slice *argv,
                             bool (*see)(void *arg, struct slice key), void *arg) {
    int last = row->keys.last < 0 ? argc + row->keys.last : row->keys.last;

    for (int i = row->keys.first; i <= last && i < argc; i += row->keys.step)
        if (!see(arg, argv[i])) break;
    return true;
}

bool slots_each_key(const struct command *row, int argc, const struct slice *argv,
                    bool (*see)(void *arg, struct slice key), void *arg) {
    struct key_use few[KEYS_ON_STACK], *uses = few;
    int n;

    if (slots_are_channels(row)) return each_by_position(row, argc, argv, see, arg);
    if (!row->key_specs && row->keys.first <= 0) return true;
    if (!(row->flags & CMD_MOVABLE_KEYS) && row->keys.first > 0)
        return each_by_position(row, argc, argv, see, arg);
    n = keyspec_keys(row, argc, argv, few, KEYS_ON_STACK);
    if (n > KEYS_ON_STACK) {
        uses = mem_alloc((size_t)n * sizeof *uses);
        n = keyspec_keys(row, argc, argv, uses, n);
    }
    for (int i = 0; i < n; i++)
        if (!see(arg, argv[uses[i].at])) break;
    if (uses != few) mem_free(uses);
    return n >= 0;
}
