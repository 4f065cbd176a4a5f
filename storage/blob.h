/* SPDX-License-Identifier: BSD-3-Clause
 *
 * blob - a counted, growable run of bytes for values too large to live inside their entry.
 *
 * The count lets a reply send a value straight from the keyspace: output holds a reference until
 * the bytes are on the wire, and a caller that wants to change a shared blob gets a copy first.
 * References are taken on the main thread; they may be dropped on the lazy-free thread too.
 */
#ifndef STET_STORAGE_BLOB_H
#define STET_STORAGE_BLOB_H

#include "storage/base/bytes.h"

#include <stdint.h>

struct blob {
    uint32_t refs;
    size_t n, cap;
    char *data; /* after the header, in the same allocation */
};

struct blob *blob_new(const void *p, size_t n); /* p may be NULL: not filled; refs is 1 */
/* Makes a blob of an allocation that holds `data`, n bytes, somewhere after the room for the
 * header. Takes the allocation over; refs is 1. */
struct blob *blob_wrap(void *allocation, char *data, size_t n);

void blob_ref(struct blob *b);
void blob_unref(struct blob *b);

/* A blob of length n (grown bytes are zero, spare room doubles) that only the caller refers to;
 * takes over the caller's reference to b. */
struct blob *blob_resize(struct blob *b, size_t n);

#endif
