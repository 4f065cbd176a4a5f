/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/blob.h"

#include "storage/base/check.h"
#include "storage/base/mem.h"

enum { SPARE_MAX = 1 << 20 }; /* growth doubles up to this, then adds this much */

static struct blob *blob_alloc(size_t n, size_t room) {
    size_t size = mem_good_size(sizeof(struct blob) + room);
    struct blob *b = mem_alloc(size);

    b->refs = 1;
    b->n = n;
    b->cap = size - sizeof *b;
    b->data = (char *)(b + 1);
    return b;
}

struct blob *blob_wrap(void *allocation, char *data, size_t n) {
    struct blob *b = allocation;

    DCHECK(data >= (char *)(b + 1));
    *b = (struct blob){.refs = 1, .n = n, .cap = n, .data = data};
    return b;
}

struct blob *blob_new(const void *p, size_t n) {
    struct blob *b = blob_alloc(n, n);

    if (p && n) memcpy(b->data, p, n);
    return b;
}

void blob_ref(struct blob *b) {
    __atomic_fetch_add(&b->refs, 1, __ATOMIC_RELAXED);
}

void blob_unref(struct blob *b) {
    if (__atomic_sub_fetch(&b->refs, 1, __ATOMIC_ACQ_REL) == 0) mem_free(b);
}

struct blob *blob_resize(struct blob *b, size_t n) {
    size_t keep = b->n < n ? b->n : n;
    bool wrapped = b->data != (char *)(b + 1);
    bool shared = __atomic_load_n(&b->refs, __ATOMIC_ACQUIRE) > 1;

    if (shared || n > b->cap) {
        size_t room = n < SPARE_MAX ? n * 2 : n + SPARE_MAX;
        struct blob *bigger;

        if (!shared && !wrapped) {
            room = mem_good_size(sizeof *b + room);
            b = mem_realloc(b, room);
            b->cap = room - sizeof *b;
            b->data = (char *)(b + 1);
        } else {
            bigger = blob_alloc(keep, n > b->n ? room : n);
            memcpy(bigger->data, b->data, keep);
            blob_unref(b);
            b = bigger;
        }
    }
    if (n > keep) memset(b->data + keep, 0, n - keep);
    b->n = n;
    return b;
}
