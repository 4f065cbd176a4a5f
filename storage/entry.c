/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/entry.h"

#include "storage/base/check.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"
#include "storage/lazyfree.h"

enum {
    SHORT_KEY_MAX = 255,
    EMBSTR_MAX = 44, /* the longest string that Redis calls "embstr" */
};

size_t entry_size(const struct entry *e) {
    size_t n = (size_t)(entry_key_at(e) - (char *)e) + entry_key_len(e);

    return mem_good_size(n + (e->flags & ENTRY_EMBEDDED ? e->val_len : 0));
}

void entry_put_expire(struct entry *e, int64_t when_ms) {
    DCHECK(e->flags & ENTRY_EXPIRES);
    memcpy(e->data, &when_ms, sizeof when_ms);
}

/* Header, expiry and key; `body` bytes of room after the key. */
static struct entry *entry_begin(struct slice key, enum type_id type, int64_t expire_ms,
                                 unsigned flags, size_t body) {
    struct entry head = {.type = (uint8_t)type}, *e;
    size_t n;

    flags &= ENTRY_EMBEDDED | ENTRY_NOT_INT | ENTRY_RAW;
    if (expire_ms != ENTRY_NO_EXPIRE) flags |= ENTRY_EXPIRES;
    if (key.n > SHORT_KEY_MAX) flags |= ENTRY_LONG_KEY;
    head.flags = (uint8_t)flags;
    head.key_len = key.n > SHORT_KEY_MAX ? 0 : (uint8_t)key.n;
    n = entry_head(&head) + (flags & ENTRY_EMBEDDED ? 0 : sizeof(void *));
    e = mem_alloc(mem_good_size(n + key.n + body));
    *e = head;
    if (flags & ENTRY_EXPIRES) entry_put_expire(e, expire_ms);
    if (flags & ENTRY_LONG_KEY) memcpy(e->data + (flags & ENTRY_EXPIRES), &key.n, sizeof key.n);
    memcpy(entry_key_at(e), key.p, key.n);
    return e;
}

struct entry *entry_new_string(struct slice key, struct slice value, int64_t expire_ms,
                               unsigned flags) {
    struct entry *e;

    flags &= ~(unsigned)ENTRY_EMBEDDED;
    if (value.n > ENTRY_EMBED_MAX)
        return entry_new_object(key, TYPE_STRING, blob_new(value.p, value.n), expire_ms, flags);
    e = entry_begin(key, TYPE_STRING, expire_ms, flags | ENTRY_EMBEDDED, value.n);
    e->val_len = (uint16_t)value.n;
    if (value.n) memcpy(entry_key_at(e) + key.n, value.p, value.n);
    return e;
}

struct entry *entry_new_object(struct slice key, enum type_id type, void *object, int64_t expire_ms,
                               unsigned flags) {
    struct entry *e = entry_begin(key, type, expire_ms, flags & ~(unsigned)ENTRY_EMBEDDED, 0);

    *entry_word(e) = object;
    return e;
}

struct entry *entry_rekey(const struct entry *e, struct slice key, int64_t expire_ms) {
    struct entry *to;

    if (e->flags & ENTRY_EMBEDDED)
        to = entry_new_string(key, entry_string(e), expire_ms, e->flags);
    else
        to = entry_new_object(key, e->type, *entry_word(e), expire_ms, e->flags);
    entry_take_access(to, e);
    return to;
}

struct entry *entry_copy(const struct entry *e, struct slice key, int64_t expire_ms,
                         const struct pace *pace) {
    struct entry *to;

    if (e->flags & ENTRY_EMBEDDED)
        to = entry_new_string(key, entry_string(e), expire_ms, e->flags);
    else
        to = entry_new_object(key, e->type, type_ops_of(e->type)->copy(e, pace), expire_ms,
                              e->flags);
    entry_take_access(to, e);
    return to;
}

bool entry_overwrite(struct entry *e, struct slice value, unsigned flags) {
    size_t fixed;

    if (!(e->flags & ENTRY_EMBEDDED) || value.n > ENTRY_EMBED_MAX) return false;
    fixed = (size_t)(entry_key_at(e) - (char *)e) + entry_key_len(e);
    if (mem_good_size(fixed + value.n) != mem_good_size(fixed + e->val_len)) return false;
    memmove((char *)e + fixed, value.p, value.n);
    e->val_len = (uint16_t)value.n;
    e->flags = (uint8_t)((e->flags & ~(ENTRY_NOT_INT | ENTRY_RAW)) |
                         (flags & (ENTRY_NOT_INT | ENTRY_RAW)));
    return true;
}

void entry_free(struct entry *e) {
    if (!(e->flags & ENTRY_EMBEDDED)) type_ops_of(e->type)->release(e);
    mem_free(e);
}

size_t entry_effort(const struct entry *e) {
    return e->flags & ENTRY_EMBEDDED ? 1 : type_ops_of(e->type)->effort(e);
}

/* 65,536 allocations are freed in about 3 ms. */
size_t entry_lazy_effort(bool lazy) {
    enum { WORTH_A_THREAD = 64, FELT_BY_OTHERS = 65536 };

    return lazy ? WORTH_A_THREAD : FELT_BY_OTHERS;
}

static void free_job(void *entry) {
    entry_free(entry);
}

void entry_discard(struct entry *e, bool lazy) {
    if (!(e->flags & ENTRY_EMBEDDED) && entry_effort(e) > entry_lazy_effort(lazy))
        lazyfree_submit(free_job, e, 1);
    else
        entry_free(e);
}

/* ---------------------------------------------------------------- strings as a type */

static void string_release(struct entry *e) {
    if (!(e->flags & ENTRY_EMBEDDED)) blob_unref(*entry_word(e));
}

static void *string_copy(const struct entry *e, const struct pace *pace) {
    struct slice s = entry_string(e);

    (void)pace;
    return blob_new(s.p, s.n);
}

static const char *string_encoding(const struct entry *e) {
    struct slice s = entry_string(e);
    int64_t ignored;

    if (e->flags & ENTRY_RAW) return "raw";
    if (!(e->flags & ENTRY_NOT_INT) && num_parse_i64(s.p, s.n, &ignored)) return "int";
    return s.n <= EMBSTR_MAX ? "embstr" : "raw";
}

static size_t string_effort(const struct entry *e) {
    /* One allocation, but giving back megabytes costs page-table work. */
    return e->flags & ENTRY_EMBEDDED ? 1 : 1 + (entry_string(e).n >> 16);
}

static size_t string_mem(const struct entry *e, size_t samples, const struct pace *pace) {
    const struct blob *b = entry_blob(e);

    (void)samples;
    (void)pace;
    return b ? sizeof *b + b->cap : 0;
}

const struct type_ops string_type_ops = {
    .name = "string",
    .release = string_release,
    .copy = string_copy,
    .encoding = string_encoding,
    .effort = string_effort,
    .mem = string_mem,
};
