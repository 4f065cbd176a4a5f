/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/sketch.h"

#include "storage/base/check.h"
#include "storage/base/mem.h"
#include "storage/bloom.h"
#include "storage/countmin.h"
#include "storage/cuckoo.h"
#include "storage/tdigest.h"
#include "storage/topk.h"

#include <endian.h>

enum { COPY_BYTES = 64 * 1024 }; /* between looks at the clock */

static const struct sketch_ops *const sketches[TYPE_COUNT] = {
    [TYPE_BLOOM] = &bloom_sketch,       [TYPE_CUCKOO] = &cuckoo_sketch,
    [TYPE_COUNTMIN] = &countmin_sketch, [TYPE_TOPK] = &topk_sketch,
    [TYPE_TDIGEST] = &tdigest_sketch,
};

const struct sketch_ops *sketch_ops_of(enum type_id id) {
    CHECK(sketches[id]);
    return sketches[id];
}

void sketch_write(enum type_id id, void *s, uint64_t offset, struct slice data) {
    while (data.n > 0) {
        struct slice to = sketches[id]->at(s, offset);
        size_t n = data.n < to.n ? data.n : to.n;

        CHECK(n > 0);
        memcpy((char *)to.p, data.p, n);
        data.p += n;
        data.n -= n;
        offset += n;
    }
}

/* ---------------------------------------------------------------- numbers of a head */

void sketch_put(struct bytes *out, uint64_t v) {
    uint64_t le = htole64(v);

    bytes_append(out, &le, sizeof le);
}

void sketch_put_double(struct bytes *out, double v) {
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    sketch_put(out, bits);
}

uint64_t sketch_take(struct sketch_head *h) {
    uint64_t v;

    if (h->left.n < sizeof v) h->bad = true;
    if (h->bad) return 0;
    memcpy(&v, h->left.p, sizeof v);
    h->left.p += sizeof v;
    h->left.n -= sizeof v;
    return le64toh(v);
}

double sketch_take_double(struct sketch_head *h) {
    uint64_t bits = sketch_take(h);
    double v;

    memcpy(&v, &bits, sizeof v);
    return v;
}

/* ---------------------------------------------------------------- the types */

static void release(struct entry *e) {
    sketches[e->type]->drop(entry_object(e));
}

static void *copy(const struct entry *e, const struct pace *pace) {
    const struct sketch_ops *ops = sketches[e->type];
    const void *from = entry_object(e);
    struct bytes head = {0};
    uint64_t n = ops->body(from);
    void *to;

    ops->head(from, &head);
    to = ops->make(bytes_slice(&head), UINT64_MAX);
    CHECK(to);
    bytes_release(&head);
    for (uint64_t at = 0; at < n;) {
        struct slice piece = ops->at(from, at);

        if (piece.n > COPY_BYTES) piece.n = COPY_BYTES;
        sketch_write(e->type, to, at, piece);
        at += piece.n;
        pace_step(pace, 1 + piece.n / PACE_BYTES);
    }
    return to;
}

/* Redis says so of every module's value. */
static const char *encoding(const struct entry *e) {
    (void)e;
    return "raw";
}

/* Giving back memory in use costs about as much as freeing an allocation, for each 256 bytes. */
static size_t effort(const struct entry *e) {
    const struct sketch_ops *ops = sketches[e->type];

    return ops->effort(entry_object(e)) + (ops->body(entry_object(e)) >> 8);
}

static size_t mem(const struct entry *e, size_t samples, const struct pace *pace) {
    (void)samples;
    (void)pace;
    return sketches[e->type]->mem(entry_object(e));
}

/* The names are those of Redis' module. */
#define SKETCH_TYPE(type_name)                                                                     \
    {                                                                                              \
        .name = type_name, .release = release, .copy = copy, .encoding = encoding,                 \
        .effort = effort, .mem = mem,                                                              \
    }

const struct type_ops bloom_type_ops = SKETCH_TYPE("MBbloom--");
const struct type_ops cuckoo_type_ops = SKETCH_TYPE("MBbloomCF");
const struct type_ops countmin_type_ops = SKETCH_TYPE("CMSk-TYPE");
const struct type_ops topk_type_ops = SKETCH_TYPE("TopK-TYPE");
const struct type_ops tdigest_type_ops = SKETCH_TYPE("TDIS-TYPE");
