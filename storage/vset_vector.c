/* SPDX-License-Identifier: BSD-3-Clause
 *
 * vset_vector - the forms of a vector: quantising it, giving it back, distances.
 */
#include "storage/base/mem.h"
#include "storage/vset.h"

#include <math.h>

enum { LANES = 4, Q8_MAX = 127, Q8_BLOCK = 1 << 16 };

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));

static lanes load(const float *p) {
    lanes v;

    memcpy(&v, p, sizeof v);
    return v;
}

static float dot_f32(const float *a, const float *b, size_t n) {
    lanes x = {0}, y = {0};
    float sum;
    size_t i = 0;

    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        x += load(a + i) * load(b + i);
        y += load(a + i + LANES) * load(b + i + LANES);
    }
    x += y;
    sum = x[0] + x[1] + x[2] + x[3];
    for (; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* Blocks keep the sum of products within 31 bits. */
static int64_t dot_q8(const int8_t *a, const int8_t *b, size_t n) {
    int64_t sum = 0;

    for (size_t from = 0; from < n; from += Q8_BLOCK) {
        size_t to = n - from < Q8_BLOCK ? n : from + Q8_BLOCK;
        int32_t part = 0;

        for (size_t i = from; i < to; i++) part += (int16_t)a[i] * (int16_t)b[i];
        sum += part;
    }
    return sum;
}

static uint64_t differing_bits(const uint64_t *a, const uint64_t *b, size_t words) {
    uint64_t n = 0;

    for (size_t i = 0; i < words; i++) {
        uint64_t x, y;

        memcpy(&x, a + i, sizeof x);
        memcpy(&y, b + i, sizeof y);
        n += (uint64_t)__builtin_popcountll(x ^ y);
    }
    return n;
}

static float distance_q8(const struct vset_point *a, const struct vset_point *b, size_t dim) {
    float dot;

    if (a->range == 0 || b->range == 0) return 1;
    dot = (float)dot_q8(a->data, b->data, dim) * (a->range / Q8_MAX * (b->range / Q8_MAX));
    return dot > 1 ? 0 : dot < -1 ? 2 : 1 - dot;
}

float vset_distance(const struct vset *s, const struct vset_point *a, const struct vset_point *b) {
    size_t dim = s->dim;

    switch ((enum vset_quant)s->quant) {
    case VSET_Q8: return distance_q8(a, b, dim);
    case VSET_BIN: return (float)differing_bits(a->data, b->data, (dim + 63) / 64) * 2 / (float)dim;
    default: return 1 - dot_f32(a->data, b->data, dim);
    }
}

/* ---------------------------------------------------------------- in and out */

float vset_projection_at(uint32_t row, uint32_t column, float scale) {
    return __builtin_parity(row & column) ? -scale : scale;
}

static void project(const struct vset *s, const float *v, float *out) {
    float scale = 1 / sqrtf((float)s->input_dim);

    for (uint32_t row = 0; row < s->dim; row++) {
        const float *given = s->projection ? s->projection + (size_t)row * s->input_dim : NULL;
        float sum = 0;

        for (uint32_t i = 0; i < s->input_dim; i++)
            sum += v[i] * (given ? given[i] : vset_projection_at(row, i, scale));
        out[row] = sum;
    }
}

static void pack_q8(const float *v, size_t n, struct vset_point *out) {
    int8_t *to = out->data;
    float range = 0, scale;

    for (size_t i = 0; i < n; i++)
        if (fabsf(v[i]) > range) range = fabsf(v[i]);
    out->range = range;
    scale = Q8_MAX / range;
    for (size_t i = 0; i < n; i++) {
        float q = range > 0 ? roundf(v[i] * scale) : 0;

        to[i] = (int8_t)(q > Q8_MAX ? Q8_MAX : q < -Q8_MAX ? -Q8_MAX : q == q ? q : 0);
    }
}

static void pack_bits(const float *v, size_t n, uint8_t *to) {
    for (size_t i = 0; i < n; i++)
        if (v[i] > 0) to[i / 8] |= (uint8_t)(1 << i % 8);
}

void vset_quantise_own(const struct vset *s, const float *v, struct vset_point *out) {
    float *unit = mem_alloc((size_t)s->dim * sizeof *unit);
    float sum = 0;

    for (uint32_t i = 0; i < s->dim; i++) sum += v[i] * v[i];
    out->l2 = sum == 0 ? 1 : sqrtf(sum);
    for (uint32_t i = 0; i < s->dim; i++) unit[i] = v[i] / out->l2;
    out->range = 0;
    if (s->quant == VSET_F32) {
        out->data = unit;
        return;
    }
    out->data = mem_calloc(vset_vector_bytes(s));
    if (s->quant == VSET_Q8)
        pack_q8(unit, s->dim, out);
    else
        pack_bits(unit, s->dim, out->data);
    mem_free(unit);
}

void vset_quantise(const struct vset *s, const float *v, struct vset_point *out) {
    float *own;

    if (!s->input_dim) {
        vset_quantise_own(s, v, out);
        return;
    }
    own = mem_alloc((size_t)s->dim * sizeof *own);
    project(s, v, own);
    vset_quantise_own(s, own, out);
    mem_free(own);
}

void vset_restore_vector(const struct vset *s, const struct vset_point *p, float *out) {
    const uint8_t *bits = p->data;
    const int8_t *q8 = p->data;

    for (uint32_t i = 0; i < s->dim; i++) {
        if (s->quant == VSET_Q8)
            out[i] = (float)q8[i] * p->range / Q8_MAX * p->l2;
        else if (s->quant == VSET_BIN)
            out[i] = bits[i / 8] >> i % 8 & 1 ? 1 : -1;
        else
            memcpy(&out[i], bits + i * sizeof *out, sizeof *out), out[i] *= p->l2;
    }
}
