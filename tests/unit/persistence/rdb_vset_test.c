/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Vector sets in snapshots: a payload that Redis 8.0.6 wrote, round trips, and payloads of which a
 * byte is damaged.
 */
#include "log_help.h"

#include "persistence/rdb_types.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"
#include "storage/vset.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const struct rdb_rules rules = {.skip_sum = true,
                                       .hash = {512, 64, PARTS_ALL},
                                       .set = {512, 128, 64, PARTS_ALL},
                                       .zset = {128, 64},
                                       .list = {-2, 0}};

TestSuite(rdb_vset, .init = help_begin, .fini = help_end);

static struct entry *restore(struct slice payload) {
    struct entry *e;
    int version;

    rdb_restore(payload, SLICE("k"), ENTRY_NO_EXPIRE, &rules, &e, &version);
    return e;
}

static struct entry *sample(enum vset_quant quant, uint32_t input_dim, int n) {
    struct vset *s = vset_new(&(struct vset_shape){3, input_dim, VSET_M_MIN, quant});

    for (int i = 0; i < n; i++) {
        float v[4] = {(float)(i % 7) - 3, (float)(i % 5), (float)(i % 3) - 1, 1};
        struct vset_point p;
        char name[16];

        vset_quantise(s, v, &p);
        vset_set_attr(s, vset_add(s, slice_of(name, (size_t)sprintf(name, "e%d", i)), &p, 50),
                      i % 2 ? SLICE("{\"a\":1}") : SLICE(""));
        mem_free(p.data);
    }
    return entry_new_object(SLICE("k"), TYPE_VSET, s, ENTRY_NO_EXPIRE, 0);
}

static struct bytes dump_of(const struct entry *e) {
    struct bytes b = {0};

    rdb_dump(&b, e, false, PACE_NONE);
    return b;
}

/* VADD k VALUES 3 1 2 3 a; VADD k VALUES 3 -1 2 3 b SETATTR {}; VREM k b: DUMP of 8.0.6. */
Test(rdb_vset, a_payload_of_redis_is_read) {
    static const char payload[] =
        "\x07\x81\xbd\xe7\x2d\xa2\xbb\x1e\xb4\x00\x02\x03\x02\x01\x02\x50\x01\x02\x00\x05\x01"
        "a\x05\x03*U\x7f\x02\x06\x02\x01\x02\x80\x01\x00\x00\x00\x02\x00\x02\x20\x02\x00\x02\x81"
        "\x3f\x4d\x41\xb2\x40\x6f\x77\x51\x00\x0c\x00\0\0\0\0\0\0\0";
    struct entry *e = restore(slice_of(payload, sizeof payload));
    const struct vset *s;

    cr_assert_not_null(e);
    s = vset_of(e);
    cr_assert_eq(s->n, 1);
    cr_assert_eq(s->m, VSET_M);
    cr_assert_float_eq(s->all[0]->point.l2, 3.741657, 1e-5);
    cr_assert_float_eq(s->all[0]->point.range, 0.801784, 1e-5);
    entry_free(e);
}

Test(rdb_vset, every_form_comes_back_as_it_was) {
    for (int quant = 0; quant < VSET_QUANTS; quant++) {
        for (uint32_t input = 0; input <= 4; input += 4) {
            struct entry *e = sample((enum vset_quant)quant, input, 60), *back, *again;
            struct bytes first = dump_of(e), second, third;

            back = restore(bytes_slice(&first));
            cr_assert_not_null(back);
            second = dump_of(back);
            again = restore(bytes_slice(&second));
            third = dump_of(again);
            cr_assert_eq(first.n, second.n);
            cr_assert(slice_eq(bytes_slice(&second), bytes_slice(&third)));
            cr_assert_eq(vset_of(e)->attrs, vset_of(back)->attrs);
            cr_assert_eq(vset_of(e)->last_id, vset_of(back)->last_id);
            cr_assert_null(vset_of(back)->projection);
            bytes_release(&first);
            bytes_release(&second);
            bytes_release(&third);
            entry_free(e);
            entry_free(back);
            entry_free(again);
        }
    }
}

/* What is accepted can be used: searched, changed, told again. */
static void use(struct entry *e) {
    struct vset *s = vset_of(e);
    struct vset_near near[16];
    struct vset_search q = {.to = &s->all[0]->point, .ef = 8, .pace = PACE_NONE};
    struct bytes b = dump_of(e);

    vset_search(s, &q, near);
    bytes_release(&b);
    while (s->n > 1) vset_remove(s, s->all[0]);
    entry_free(e);
}

Test(rdb_vset, no_damaged_byte_does_harm) {
    for (int quant = 0; quant < VSET_QUANTS; quant++) {
        struct entry *e = sample((enum vset_quant)quant, quant == VSET_Q8 ? 4 : 0, 8);
        struct bytes b = dump_of(e);

        for (size_t at = 0; at + RDB_FOOTER_BYTES < b.n; at++) {
            for (unsigned flip = 1; flip < 256; flip = flip * 2 + 1) {
                struct entry *back;

                b.p[at] = (char)(b.p[at] ^ (int)flip);
                back = restore(bytes_slice(&b));
                b.p[at] = (char)(b.p[at] ^ (int)flip);
                if (back && back->type == TYPE_VSET)
                    use(back);
                else if (back)
                    entry_free(back);
            }
        }
        for (size_t n = 0; n < b.n; n++) {
            struct entry *back = restore(slice_of(b.p, n));

            if (back) entry_free(back);
        }
        bytes_release(&b);
        entry_free(e);
    }
}
