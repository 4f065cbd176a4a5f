/* SPDX-License-Identifier: BSD-3-Clause
 *
 * json_path - two inputs apart by a NUL: a path, and the document that it is applied to. Each value
 * that is found is the child that it is said to be; removing them all leaves a sound document.
 */
#include "tests/fuzz/kit/fuzz.h"

#include "storage/base/mem.h"
#include "storage/json_path.h"

static void check_found(const struct json_path *p, struct json *root,
                        const struct json_matches *m) {
    CHECK(m->n <= 1 || !p->query.single);
    for (size_t i = 0; i < m->n; i++) {
        const struct json_found *f = &m->list[i];

        CHECK(f->depth <= JSON_DEPTH_MAX);
        CHECK(f->parent ? json_child(f->parent, f->at) == f->v : f->v == root && f->depth == 0);
    }
}

static void remove_found(const struct json_path *p, struct json *root, struct json_matches *m) {
    size_t n = 0, want = 0;

    for (size_t i = 0; i < m->n; i++) {
        want += !(m->list[i].v->kind & JSON_MARK);
        m->list[i].v->kind |= JSON_MARK;
    }
    n = json_prune(root);
    CHECK(p->query.descends ? n <= want && !n == !want : n == want);
}

static void apply(const struct json_path *p, struct json *root) {
    struct json_matches m = {0};
    struct bytes text = {0};
    struct json_error e;
    struct json back;
    uint64_t work = 0;

    if (json_path_find(p, root, PACE_NONE, &work, &m)) {
        check_found(p, root, &m);
        if (!json_path_is_root(p)) remove_found(p, root, &m);
        json_print(&text, root, &(struct json_format){.limit = 0}, 0, PACE_NONE);
        CHECK(json_parse(bytes_slice(&text), PACE_NONE, &back, &e));
        CHECK(json_equal(root, &back, PACE_NONE));
        json_clear(&back);
    }
    CHECK(work <= JSON_PATH_WORK_MAX);
    json_matches_release(&m);
    bytes_release(&text);
}

FUZZ_TARGET(json_path) {
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    size_t n = nul ? (size_t)(nul - data) : size, bad;
    char *text, *doc;
    struct json_path *p;
    struct json_error e;
    struct json v;

    fuzz_begin();
    if (size > 2048) return 0; /* nested filters take the product of both */
    text = fuzz_copy(slice_of(data, n));
    doc = fuzz_copy(slice_of(data + n, nul ? size - n : 0));
    p = json_path_compile(slice_of(text, n), &bad);
    if (p && nul && json_parse(slice_of(doc + 1, size - n - 1), PACE_NONE, &v, &e)) {
        apply(p, &v);
        json_clear(&v);
    }
    json_path_free(p);
    mem_free(text);
    mem_free(doc);
    return 0;
}
