/* SPDX-License-Identifier: BSD-3-Clause
 *
 * debug_digest - what the fingerprints of values are made of; one function a type. Where order
 * means nothing, a value's digest must not depend on it, and never on the form it is kept in.
 */
#ifndef STET_ADMIN_DEBUG_DIGEST_H
#define STET_ADMIN_DEBUG_DIGEST_H

#include "storage/ds/listpack.h"
#include "storage/entry.h"

enum { DIGEST_BYTES = 20 };

struct digest {
    uint8_t b[DIGEST_BYTES];
};

struct digest digest_of(const void *p, size_t n);
struct digest digest_of_value(struct lp_value v); /* of its text */

/* For what comes in any order: begin with zeros. */
void digest_xor(struct digest *d, struct digest with);

/* For what comes in this order: begin with zeros. */
void digest_chain(struct digest *d, struct digest with);

struct digest digest_list(const struct entry *e);
struct digest digest_hash(const struct entry *e);
struct digest digest_json(const struct entry *e);
struct digest digest_set(const struct entry *e);
struct digest digest_sketch(const struct entry *e);
struct digest digest_stream(const struct entry *e);
struct digest digest_vset(const struct entry *e);
struct digest digest_zset(const struct entry *e);

#endif
