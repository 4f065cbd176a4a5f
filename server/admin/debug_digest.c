/* SPDX-License-Identifier: BSD-3-Clause
 *
 * debug_digest - a fingerprint of the data: 160 bits, the same whatever the order of keys, the
 * process or the way the data came in; a different time to live makes a different digest.
 *
 * Each key gives a hash of its record (database, name, type, expiry, digest of the value); these
 * are combined by exclusive or, so an empty keyspace has the digest zero. The algorithm is stet's
 * own: digests of Redis differ.
 */
#include "server/admin/debug_digest.h"

#include "server/admin/debug.h"
#include "server/exec/breathe.h"
#include "server/exec/keys.h"

#include "storage/base/check.h"

enum { DIGEST_HEX = 2 * DIGEST_BYTES };

/* Keys of its own: the process' hash key differs from start to start. */
struct digest digest_of(const void *p, size_t n) {
    struct digest d;
    uint64_t h[3];

    for (uint64_t i = 0; i < 3; i++)
        h[i] = hash_keyed(UINT64_C(0x5374657420646967) + i, UINT64_C(0x6573742076312e30), p, n);
    memcpy(d.b, h, sizeof d.b);
    return d;
}

struct digest digest_of_value(struct lp_value v) {
    char text[NUM_I64_MAX];
    struct slice s = lp_value_text(v, text);

    return digest_of(s.p, s.n);
}

void digest_xor(struct digest *d, struct digest with) {
    for (int i = 0; i < DIGEST_BYTES; i++) d->b[i] ^= with.b[i];
}

void digest_chain(struct digest *d, struct digest with) {
    struct digest both[2] = {*d, with};

    *d = digest_of(both, sizeof both);
}

static void digest_reply(struct reply *r, const struct digest *d) {
    char text[DIGEST_HEX + 1];

    for (int i = 0; i < DIGEST_BYTES; i++) snprintf(text + 2 * i, 3, "%02x", d->b[i]);
    reply_simple(r, text);
}

/* ---------------------------------------------------------------- values and keys */

static struct digest digest_string(const struct entry *e) {
    struct slice s = entry_string(e);

    return digest_of(s.p, s.n);
}

/* One row a type; where order means nothing, the row must not depend on it. */
static struct digest (*const value_digests[TYPE_COUNT])(const struct entry *e) = {
    [TYPE_STRING] = digest_string,   [TYPE_LIST] = digest_list,    [TYPE_ZSET] = digest_zset,
    [TYPE_HASH] = digest_hash,       [TYPE_SET] = digest_set,      [TYPE_STREAM] = digest_stream,
    [TYPE_VSET] = digest_vset,       [TYPE_BLOOM] = digest_sketch, [TYPE_CUCKOO] = digest_sketch,
    [TYPE_COUNTMIN] = digest_sketch, [TYPE_TOPK] = digest_sketch,  [TYPE_TDIGEST] = digest_sketch,
    [TYPE_JSON] = digest_json,
};

TYPE_TABLE_IS_COMPLETE(value_digests)

struct record {
    int64_t db, type, expire_ms;
    struct digest key, value;
};

static struct digest digest_record(const struct entry *e, int db, struct slice key) {
    struct record rec;

    CHECK(value_digests[e->type]);
    memset(&rec, 0, sizeof rec); /* padding is hashed too */
    rec.db = db;
    rec.type = e->type;
    rec.expire_ms = entry_expire(e);
    rec.key = digest_of(key.p, key.n);
    rec.value = value_digests[e->type](e);
    return digest_of(&rec, sizeof rec);
}

struct walk {
    struct call *x;
    struct digest sum;
    int db;
};

static void visit(void *entry, void *arg) {
    const struct entry *e = entry;
    struct walk *w = arg;

    call_breathe(w->x);
    digest_xor(&w->sum, digest_record(e, w->db, entry_key(e)));
}

int debug_digest(struct call *x) {
    struct walk w = {.x = x};

    for (w.db = 0; w.db < x->e->ks.ndbs; w.db++) table_each(&x->e->ks.dbs[w.db].keys, visit, &w);
    x->need = aof_appended(x->e->aof);
    digest_reply(&x->r, &w.sum);
    return 0;
}

/* Of values, whatever their keys are called and wherever they stand. */
int debug_digest_value(struct call *x) {
    reply_array(&x->r, (size_t)x->argc - 2);
    for (int i = 2; i < x->argc; i++) {
        struct ref ref = lookup_quiet(x, i);
        struct digest d = {{0}};

        if (ref.e) d = digest_record(ref.e, 0, (struct slice){"", 0});
        digest_reply(&x->r, &d);
    }
    return 0;
}
