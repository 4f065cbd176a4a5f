/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Probabilistic types in snapshots: round trips, and payloads of which a byte is damaged.
 */
#include "log_help.h"

#include "persistence/rdb_types.h"
#include "storage/base/mem.h"
#include "storage/bloom.h"
#include "storage/countmin.h"
#include "storage/cuckoo.h"
#include "storage/tdigest.h"
#include "storage/topk.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const struct rdb_rules rules = {.skip_sum = true,
                                       .hash = {512, 64, PARTS_ALL},
                                       .set = {512, 128, 64, PARTS_ALL},
                                       .zset = {128, 64},
                                       .list = {-2, 0}};

TestSuite(rdb_sketch, .init = help_begin, .fini = help_end);

static struct entry *restore(struct slice payload) {
    struct entry *e;
    int version;

    rdb_restore(payload, SLICE("k"), ENTRY_NO_EXPIRE, &rules, &e, &version);
    return e;
}

static struct bytes dump_of(const struct entry *e) {
    struct bytes b = {0};

    rdb_dump(&b, e, false, PACE_NONE);
    return b;
}

static struct slice text_of(int i) {
    static char text[16];

    return slice_of(text, (size_t)sprintf(text, "x%d", i));
}

static void *sample_bloom(void) {
    struct bloom *b = bloom_new(&(struct bloom_shape){0.1, 4, 2});

    for (int i = 0; i < 25; i++) bloom_add(b, bloom_hash(text_of(i)), UINT64_MAX);
    return b;
}

static void *sample_cuckoo(void) {
    struct cuckoo *c = cuckoo_new(&(struct cuckoo_shape){8, 2, 10, 2});
    struct cuckoo_means means = {UINT64_MAX / 2, 1000};

    for (int i = 0; i < 25; i++) cuckoo_add(c, cuckoo_hash(text_of(i)), &means);
    cuckoo_delete(c, cuckoo_hash(text_of(0)));
    return c;
}

static void *sample_countmin(void) {
    struct countmin *c = countmin_new(5, 3);

    for (int i = 0; i < 25; i++) countmin_add(c, countmin_hash(text_of(i)), 3);
    return c;
}

static void *sample_topk(void) {
    struct topk *t = topk_new(4, 3, 2, 0.9);
    for (int i = 0; i < 25; i++) mem_free(topk_add(t, text_of(i), (uint32_t)i + 1));
    return t;
}

static void *sample_tdigest(void) {
    struct tdigest *t = tdigest_new(1);

    for (int i = 0; i < 19; i++) tdigest_add(t, i * 1.5, 1);
    return t;
}

static void use_countmin(void *s) {
    for (int i = 0; i < 50; i++) countmin_add(s, countmin_hash(text_of(i)), 1000000);
}

static void use_topk(void *s) {
    for (int i = 0; i < 50; i++) mem_free(topk_add(s, text_of(i), 100));
}

static void use_tdigest(void *s) {
    struct tdigest_view v;

    for (int i = 0; i < 50; i++) tdigest_add(s, i, 1);
    tdigest_look(s, &v);
    for (int i = 0; i < 50; i++) tdigest_below(&v, tdigest_at(&v, i));
    tdigest_view_release(&v);
}

static void use_bloom(void *s) {
    for (int i = 0; i < 50; i++) bloom_add(s, bloom_hash(text_of(i)), 1 << 20);
}

static void use_cuckoo(void *s) {
    for (int i = 0; i < 50; i++) {
        struct cuckoo_means means = {1 << 20, 1000};

        cuckoo_count(s, cuckoo_hash(text_of(i)));
        if (i % 3 == 0) cuckoo_delete(s, cuckoo_hash(text_of(i)));
        cuckoo_add(s, cuckoo_hash(text_of(i)), &means);
    }
}

static const struct sample {
    enum type_id type;
    void *(*make)(void);
    void (*use)(void *s);
} samples[] = {
    {TYPE_BLOOM, sample_bloom, use_bloom},          {TYPE_CUCKOO, sample_cuckoo, use_cuckoo},
    {TYPE_COUNTMIN, sample_countmin, use_countmin}, {TYPE_TOPK, sample_topk, use_topk},
    {TYPE_TDIGEST, sample_tdigest, use_tdigest},
};

enum { SAMPLES = sizeof samples / sizeof *samples };

static struct entry *entry_of(const struct sample *s) {
    return entry_new_object(SLICE("k"), s->type, s->make(), ENTRY_NO_EXPIRE, 0);
}

Test(rdb_sketch, every_type_comes_back_as_it_was) {
    for (int i = 0; i < SAMPLES; i++) {
        struct entry *e = entry_of(&samples[i]), *back;
        struct bytes first = dump_of(e), second;

        back = restore(bytes_slice(&first));
        cr_assert_not_null(back);
        cr_assert_eq(back->type, samples[i].type);
        second = dump_of(back);
        cr_assert(slice_eq(bytes_slice(&first), bytes_slice(&second)));
        bytes_release(&first);
        bytes_release(&second);
        entry_free(e);
        entry_free(back);
    }
}

/* What is accepted can be used, and told again. */
static void check_accepted(struct entry *e) {
    for (int i = 0; i < SAMPLES; i++) {
        struct bytes b;

        if (samples[i].type != e->type) continue;
        samples[i].use(entry_object(e));
        b = dump_of(e);
        bytes_release(&b);
    }
    entry_free(e);
}

static void check_damaged(struct bytes *b, size_t at, int flip) {
    struct entry *back;

    b->p[at] = (char)(b->p[at] ^ flip);
    back = restore(bytes_slice(b));
    b->p[at] = (char)(b->p[at] ^ flip);
    if (back) check_accepted(back);
}

Test(rdb_sketch, no_damaged_byte_does_harm) {
    for (int i = 0; i < SAMPLES; i++) {
        struct entry *e = entry_of(&samples[i]);
        struct bytes b = dump_of(e);

        for (size_t at = 0; at + RDB_FOOTER_BYTES < b.n; at++)
            for (int flip = 1; flip < 256; flip = flip * 2 + 1) check_damaged(&b, at, flip);
        for (size_t n = 0; n < b.n; n++) {
            struct entry *back = restore(slice_of(b.p, n));

            if (back) entry_free(back);
        }
        bytes_release(&b);
        entry_free(e);
    }
}

/* A head that promises more than the payload can hold must not be believed. */
Test(rdb_sketch, a_body_that_is_not_there_is_not_allocated) {
    struct entry *e = entry_new_object(
        SLICE("k"), TYPE_BLOOM, bloom_new(&(struct bloom_shape){0.01, 10, 2}), ENTRY_NO_EXPIRE, 0);
    struct bytes b = dump_of(e);
    const uint64_t bits = bloom_of(e)->layers[0].bits, mad = UINT64_C(1) << 50;
    char *at = memmem(b.p, b.n, &bits, sizeof bits);

    cr_assert_not_null(at);
    memcpy(at, &mad, sizeof mad);
    cr_assert_null(restore(bytes_slice(&b)));
    bytes_release(&b);
    entry_free(e);
}

/* Redis' module has lower versions of its encoding, whose contents are not known here. */
Test(rdb_sketch, other_encodings_are_refused) {
    for (int i = 0; i < SAMPLES; i++) {
        struct entry *e = entry_of(&samples[i]);
        struct bytes b = dump_of(e);

        b.p[9] = 4; /* the lowest byte of the id, after the type and 0x81 */
        cr_assert_null(restore(bytes_slice(&b)));
        bytes_release(&b);
        entry_free(e);
    }
}
