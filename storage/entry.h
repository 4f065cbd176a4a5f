/* SPDX-License-Identifier: BSD-3-Clause
 *
 * entry - one key of the keyspace: header, expiry, key and value in one allocation where possible.
 *
 *   | header 8 | expiry 8, if EXPIRES | key length 16, if LONG_KEY | value word 8, if not EMBEDDED
 * | | key | value, if EMBEDDED |
 *
 * A 16-byte key with a 16-byte string takes 40 bytes, 48 with a time to live. The value word is the
 * address of a struct blob (strings) or of a type's own object. Numbers are kept as their text;
 * "int" is what OBJECT ENCODING says of a text that is one.
 *
 * An allocation always has mem_good_size(entry_size) bytes, so whether a new value fits in place
 * follows from the sizes alone.
 */
#ifndef STET_STORAGE_ENTRY_H
#define STET_STORAGE_ENTRY_H

#include "storage/blob.h"
#include "storage/type.h"

enum {
    ENTRY_EXPIRES = 0x08,  /* these two add their value to the header's size */
    ENTRY_LONG_KEY = 0x10, /* keys of 256 bytes and more */
    ENTRY_EMBEDDED = 0x01, /* a string whose bytes follow the key */
    ENTRY_NOT_INT = 0x02,  /* made by a command that never yields encoding "int" */
    ENTRY_RAW = 0x04,      /* grown in place (APPEND, SETRANGE...): encoding "raw" */
    ENTRY_FORM_SHIFT = 1,  /* for other types the same two bits say what the value word points to */
    ENTRY_FORM_MASK = 0x06,
};

enum { ENTRY_EMBED_MAX = 1024 }; /* longer values get a blob */

#define ENTRY_NO_EXPIRE INT64_C(-1)

struct entry {
    uint8_t type; /* enum type_id */
    uint8_t flags;
    uint8_t key_len;          /* of short keys */
    uint8_t access[3];        /* LRU clock in seconds, or LFU: minutes (16 bits) and counter */
    uint16_t val_len : 11;    /* of embedded values */
    uint16_t access_fine : 5; /* LRU: 32nds of a second */
    char data[];
};

/* Copies the access figures (LRU or LFU): `to` replaces `from` in the keyspace. */
static inline void entry_take_access(struct entry *to, const struct entry *from) {
    memcpy(to->access, from->access, sizeof to->access);
    to->access_fine = from->access_fine;
}

static inline size_t entry_head(const struct entry *e) {
    return sizeof *e + (e->flags & (ENTRY_EXPIRES | ENTRY_LONG_KEY));
}

static inline char *entry_key_at(const struct entry *e) {
    return (char *)e + entry_head(e) + (e->flags & ENTRY_EMBEDDED ? 0 : sizeof(void *));
}

static inline size_t entry_key_len(const struct entry *e) {
    size_t n;

    if (!(e->flags & ENTRY_LONG_KEY)) return e->key_len;
    memcpy(&n, e->data + (e->flags & ENTRY_EXPIRES), sizeof n);
    return n;
}

static inline struct slice entry_key(const struct entry *e) {
    return (struct slice){entry_key_at(e), entry_key_len(e)};
}

/* Unix time in ms, or ENTRY_NO_EXPIRE. */
static inline int64_t entry_expire(const struct entry *e) {
    int64_t when;

    if (!(e->flags & ENTRY_EXPIRES)) return ENTRY_NO_EXPIRE;
    memcpy(&when, e->data, sizeof when);
    return when;
}

/* The value word; only without EMBEDDED. */
static inline void **entry_word(const struct entry *e) {
    return (void **)((char *)e + entry_head(e));
}

/* Which of its type's up to four forms a value has (never a string), and the object itself. */
static inline unsigned entry_form(const struct entry *e) {
    return (e->flags & ENTRY_FORM_MASK) >> ENTRY_FORM_SHIFT;
}

static inline void *entry_object(const struct entry *e) {
    return *entry_word(e);
}

static inline void entry_set_object(struct entry *e, void *object, unsigned form) {
    *entry_word(e) = object;
    e->flags = (uint8_t)((e->flags & ~ENTRY_FORM_MASK) | form << ENTRY_FORM_SHIFT);
}

/* Fetches the beginning of a value that does not stand in its entry. */
static inline void entry_prefetch_value(const struct entry *e) {
    const char *value;

    if (e->flags & ENTRY_EMBEDDED) return;
    value = *entry_word(e);
    __builtin_prefetch(value);
    __builtin_prefetch(value + 64);
}

/* A string's bytes. Valid until the entry changes. */
static inline struct slice entry_string(const struct entry *e) {
    const struct blob *b;

    if (e->flags & ENTRY_EMBEDDED)
        return (struct slice){entry_key_at(e) + entry_key_len(e), e->val_len};
    b = *entry_word(e);
    return (struct slice){b->data, b->n};
}

/* The blob of a string, NULL if the string is embedded. */
static inline struct blob *entry_blob(const struct entry *e) {
    return e->flags & ENTRY_EMBEDDED ? NULL : *entry_word(e);
}

struct entry *entry_new_string(struct slice key, struct slice value, int64_t expire_ms,
                               unsigned flags);

/* An entry of any type around a value object; takes the object over. The form of a value that is
 * no string comes in `flags`, as form << ENTRY_FORM_SHIFT. */
struct entry *entry_new_object(struct slice key, enum type_id type, void *object, int64_t expire_ms,
                               unsigned flags);

/* A new entry with another key or expiry that takes over the value of `e`: what is left of `e` is
 * a shell, to be given to mem_free. */
struct entry *entry_rekey(const struct entry *e, struct slice key, int64_t expire_ms);

/* An independent copy under another key. */
struct entry *entry_copy(const struct entry *e, struct slice key, int64_t expire_ms,
                         const struct pace *pace);

/* Writes the new time over the old one; only with EXPIRES. */
void entry_put_expire(struct entry *e, int64_t when_ms);

/* Overwrites the string if the new one fits the same allocation; false if not. */
bool entry_overwrite(struct entry *e, struct slice value, unsigned flags);

/* Bytes of the allocation of the entry alone. */
size_t entry_size(const struct entry *e);

/* The entry and all that hangs on its value. */
void entry_free(struct entry *e);

/* The same, but the lazy-free thread does it if that takes long: without `lazy` only if it takes so
 * long that other clients would notice. No other thread may refer to the entry. */
void entry_discard(struct entry *e, bool lazy);

/* How many allocations the lazy-free thread frees in place of the caller. */
size_t entry_lazy_effort(bool lazy);

/* How many allocations the entry consists of, roughly. */
size_t entry_effort(const struct entry *e);

extern const struct type_ops string_type_ops;

#endif
