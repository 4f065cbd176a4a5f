/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cuckoo - cuckoo filters: whether and about how often something was added, and taking it out.
 *
 * B. Fan and others, "Cuckoo Filter: Practically Better Than Bloom", 2014. An item is a fingerprint
 * of one byte, 1 to 255, in one of two buckets; each bucket follows from the other and the
 * fingerprint. 0 is a free place. If both buckets are full, fingerprints are moved to their other
 * buckets, `max_moves` of them at the most. If that makes no room, the moves are taken back and
 * the filter gets another layer, with the buckets of the first layer times `expansion` to the
 * power of the layer's number. The newest layer is filled first.
 *
 * Which fingerprint is moved follows from the number of the move, so every process moves the same.
 * Not here: texts of errors.
 */
#ifndef STET_STORAGE_CUCKOO_H
#define STET_STORAGE_CUCKOO_H

#include "storage/sketch.h"

enum {
    CUCKOO_LAYERS_MAX = 32,
    CUCKOO_BUCKET_MAX = 255,
    CUCKOO_MOVES_MAX = 65535,
    CUCKOO_EXPANSION_MAX = 32768,
};

struct cuckoo_layer {
    uint64_t buckets; /* a power of two */
    uint8_t *data;    /* bucket_size bytes each */
};

struct cuckoo {
    struct cuckoo_layer layers[CUCKOO_LAYERS_MAX];
    unsigned n;
    uint32_t bucket_size, max_moves;
    uint32_t expansion; /* a power of two; 0: the filter does not scale */
    uint64_t items, deleted;
};

struct cuckoo_shape {
    uint64_t capacity; /* up to 2^62 */
    uint32_t bucket_size, max_moves;
    uint32_t expansion; /* is rounded up to a power of two */
};

static inline struct cuckoo *cuckoo_of(const struct entry *e) {
    return entry_object(e);
}

/* Bytes of the first layer of a new filter; UINT64_MAX: more than there can be. */
uint64_t cuckoo_first_bytes(const struct cuckoo_shape *shape);
struct cuckoo *cuckoo_new(const struct cuckoo_shape *shape);
void cuckoo_free(struct cuckoo *c);

uint64_t cuckoo_bytes(const struct cuckoo *c);
uint64_t cuckoo_buckets(const struct cuckoo *c); /* of all layers */

uint64_t cuckoo_hash(struct slice item);

/* How often the item's fingerprint is in its buckets: at least as often as it was added. */
uint64_t cuckoo_count(const struct cuckoo *c, uint64_t hash);
bool cuckoo_has(const struct cuckoo *c, uint64_t hash);

/* What one command may spend. */
struct cuckoo_means {
    uint64_t limit; /* bytes that the filter may have */
    uint64_t moves; /* that are left; 0 after an item that found no place */
};

/* False, and nothing is changed: the filter is full. */
bool cuckoo_add(struct cuckoo *c, uint64_t hash, struct cuckoo_means *means);

/* Takes one out; false: there is none. */
bool cuckoo_delete(struct cuckoo *c, uint64_t hash);

extern const struct sketch_ops cuckoo_sketch;

#endif
