/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Paths evaluated over documents.
 */
#include "storage/base/mem.h"
#include "storage/json_path.h"

static void push(struct json_matches *m, struct json_found f) {
    if (m->n == m->cap) {
        m->cap = m->cap ? m->cap + m->cap / 2 : 4;
        m->list = mem_realloc(m->list, m->cap * sizeof *m->list);
    }
    m->list[m->n++] = f;
}

void json_matches_release(struct json_matches *m) {
    mem_free(m->list);
    *m = (struct json_matches){0};
}

/* False once the evaluation has cost too much. */
bool json_finding_work(struct json_finding *f, uint64_t steps) {
    pace_step(f->pace, steps);
    if (f->failed || steps > JSON_PATH_WORK_MAX - *f->work) {
        f->failed = true;
        return false;
    }
    *f->work += steps;
    return true;
}

/* ---------------------------------------------------------------- selectors */

static struct json_found child_of(const struct json_found *from, uint32_t at) {
    return (struct json_found){json_child(from->v, at), from->v, at, from->depth + 1};
}

static int64_t place_of(int64_t index, uint32_t n) {
    return index < 0 ? index + n : index;
}

/* The child that a name or index means, -1: there is none. */
static int64_t child_at(const struct json_selector *s, const struct json *v) {
    int64_t at;

    if (s->kind == JSON_BY_NAME)
        return v->kind == JSON_OBJECT ? json_object_at(v, json_text(&s->name)) : -1;
    if (v->kind != JSON_ARRAY) return -1;
    at = place_of(s->from, v->n);
    return at >= 0 && at < v->n ? at : -1;
}

/* A long name takes long to compare. */
static uint64_t cost_of(const struct json_selector *s) {
    return 1 + json_text(&s->name).n / PACE_BYTES;
}

static int64_t clamp(int64_t v, int64_t min, int64_t max) {
    return v < min ? min : v > max ? max : v;
}

/* RFC 9535, 2.3.4.2.2 */
static void select_slice(struct json_finding *f, const struct json_selector *s,
                         const struct json_found *from, struct json_matches *out) {
    uint32_t n = from->v->n;
    int64_t low = s->step > 0 ? 0 : -1, high = s->step > 0 ? n : (int64_t)n - 1, at, to;

    if (from->v->kind != JSON_ARRAY || s->step == 0) return;
    at = s->has_from ? clamp(place_of(s->from, n), low, high) : s->step > 0 ? low : high;
    to = s->has_to ? clamp(place_of(s->to, n), low, high) : s->step > 0 ? high : low;
    for (; s->step > 0 ? at < to : at > to; at += s->step) {
        if (!json_finding_work(f, 1)) return;
        push(out, child_of(from, (uint32_t)at));
    }
}

static void select_all(struct json_finding *f, const struct json_expr *filter,
                       const struct json_found *from, struct json_matches *out) {
    for (uint32_t i = 0; i < json_count(from->v); i++) {
        if (!json_finding_work(f, 1)) return;
        if (!filter || json_filter_passes(f, filter, json_child(from->v, i)))
            push(out, child_of(from, i));
    }
}

static void select_by(struct json_finding *f, const struct json_selector *s,
                      const struct json_found *from, struct json_matches *out) {
    int64_t at;

    if (s->kind == JSON_BY_SLICE) {
        select_slice(f, s, from, out);
    } else if (s->kind >= JSON_BY_FILTER) {
        select_all(f, s->filter, from, out);
    } else if (json_finding_work(f, cost_of(s)) && (at = child_at(s, from->v)) >= 0) {
        push(out, child_of(from, (uint32_t)at));
    }
}

static void select_segment(struct json_finding *f, const struct json_segment *s, bool repeats,
                           const struct json_found *from, struct json_matches *out) {
    for (uint32_t i = 0; i < s->n && !f->failed; i++) {
        select_by(f, &s->selectors[i], from, out);
        if (repeats && out->n > JSON_PATH_REPEATS_MAX) f->failed = true;
    }
    if (!s->descends) return;
    for (uint32_t i = 0; i < json_count(from->v) && !f->failed; i++) {
        struct json_found child = child_of(from, i);

        if (json_finding_work(f, 1)) select_segment(f, s, repeats, &child, out);
    }
}

/* ---------------------------------------------------------------- queries */

static bool find_segments(struct json_finding *f, const struct json_query *q, uint32_t n,
                          struct json_found start, struct json_matches *out) {
    struct json_matches now = {0};

    push(out, start);
    for (uint32_t i = 0; i < n && out->n > 0 && !f->failed; i++) {
        struct json_matches was = now;

        now = *out;
        *out = was;
        out->n = 0;
        for (size_t k = 0; k < now.n && !f->failed; k++)
            select_segment(f, &q->segments[i], q->repeats, &now.list[k], out);
    }
    json_matches_release(&now);
    return !f->failed;
}

bool json_query_find(struct json_finding *f, const struct json_query *q, struct json_found start,
                     struct json_matches *out) {
    return find_segments(f, q, q->n, start, out);
}

struct json *json_query_single(struct json_finding *f, const struct json_query *q,
                               struct json *start) {
    for (uint32_t i = 0; i < q->n; i++) {
        const struct json_selector *s = &q->segments[i].selectors[0];
        int64_t at = json_finding_work(f, cost_of(s)) ? child_at(s, start) : -1;

        if (at < 0) return NULL;
        start = json_child(start, (uint32_t)at);
    }
    return start;
}

/* ---------------------------------------------------------------- paths */

static bool find_first_segments(const struct json_path *p, uint32_t n, struct json *root,
                                const struct pace *pace, uint64_t *work, struct json_matches *m) {
    struct json_finding f = {.root = root, .pace = pace, .work = work};

    return find_segments(&f, &p->query, n, (struct json_found){.v = root}, m);
}

bool json_path_find(const struct json_path *p, struct json *root, const struct pace *pace,
                    uint64_t *work, struct json_matches *m) {
    return find_first_segments(p, p->query.n, root, pace, work, m);
}

bool json_path_find_parents(const struct json_path *p, struct json *root, const struct pace *pace,
                            uint64_t *work, struct json_matches *m) {
    return find_first_segments(p, p->query.n - 1, root, pace, work, m);
}
