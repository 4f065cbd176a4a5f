/* SPDX-License-Identifier: BSD-3-Clause
 *
 * support - what several families of commands need.
 */
#ifndef STET_COMMANDS_SUPPORT_H
#define STET_COMMANDS_SUPPORT_H

#include "server/exec/keys.h"
#include "storage/ds/listpack.h"

/* ---------------------------------------------------------------- arguments */

/* An index of a database. `bad`: what to say of something that is no int, NULL: the usual. */
bool arg_db(struct call *x, int i, const char *bad, int *id);

/* A cluster has database 0 only. What comes from the AOF is obeyed: the start looks at the whole.
 */
static inline bool in_cluster(const struct call *x) {
    return x->e->cluster && !call_obeys(x);
}

/* An integer of a range that the error names. */
bool arg_int_between(struct call *x, int i, int64_t min, int64_t max, int64_t *out);

/* A time to live or a time that must lie after 1970, as the time in ms that it means. */
bool arg_deadline(struct call *x, int i, bool seconds, bool relative, int64_t *when_ms);

/* "invalid expire time in 'x' command" */
int reply_bad_expire(struct call *x);

/* False, and an error, if a string of `have` + `more` bytes would be too long. */
bool check_length(struct call *x, uint64_t have, uint64_t more);

/* The count of HRANDFIELD and its like: negative ones mean that elements may come twice. */
bool arg_random_count(struct call *x, int i, int64_t *count);

/* ---------------------------------------------------------------- replies */

/* An element of a collection, as a bulk. */
static inline void reply_value(struct reply *r, struct lp_value v) {
    if (v.p)
        reply_bulk(r, v.p, v.n);
    else
        reply_bulk_int(r, v.v);
}

/* `n` answers made by pick(n, arg), as many as the client likes to have, whatever there is. If they
 * become more than a client may hold, they and what the reply has since `from` are taken back for
 * an error. */
int reply_picks(struct call *x, uint64_t from, size_t n, void (*pick)(size_t n, void *arg),
                void *arg);

/* False, and an error, if `s` is too long for an element of a listpack. */
enum { ELEMENT_HEADROOM = 1024 };
static inline bool check_element(struct call *x, struct slice s) {
    if (__builtin_expect(s.n < UINT32_MAX - ELEMENT_HEADROOM, 1)) return true;
    reply_err(x, ERR_TOO_LONG);
    return false;
}

/* ---------------------------------------------------------------- keys */

/* Argument i as a key that is only asked about: counts hits and misses, but is no access. */
struct ref peek(struct call *x, int i);

/* For loops over keys that begin at argument 1 and stand `step` apart, before argument i is looked
 * up: fetches the places of the next keys from memory, many at a time. */
enum { AHEAD = 16 };
void fetch_keys(struct call *x, int i, int step);
static inline void fetch_ahead(struct call *x, int i, int step) {
    if (i + step < x->argc && (i - 1) / step % AHEAD == 0) fetch_keys(x, i, step);
}

/* Stores an entry of r's key, which it takes over, in place of whatever stood there, and tells of a
 * new key; key_changed is still to be called. */
void store_entry(struct call *x, struct ref *r, struct entry *e);

/* If the command changed something: propagates what stands at the key now instead of the command as
 * received: RESTORE, or DEL if there is nothing. For commands that store what they made of values
 * with parts that are due. */
void log_stored(struct call *x, const struct ref *r);

/* Does what happens to a key that got a time in the past: deletes it, logs and tells that. */
void delete_overdue(struct call *x, struct ref *r);

/* ---------------------------------------------------------------- strings */

/* A string as a bulk; `part` is all or some of its bytes. Long ones are not copied. */
void reply_part(struct call *x, const struct entry *e, struct slice part);

static inline void reply_string(struct call *x, const struct entry *e) {
    struct slice s = entry_string(e);

    if (__builtin_expect(s.n < OUT_SHARE_MIN, 1))
        reply_bulk(&x->r, s.p, s.n);
    else
        reply_part(x, e, s);
}

/* lazyfree-lazy-server-del: a value that is overwritten is freed on another thread. */
bool overwrites_lazily(const struct call *x);

/* Takes out what is going to be overwritten, for the lazy-free thread to free. */
void set_aside(struct call *x, struct ref *r, int64_t *expire_ms);

/* Stores a blob, which it takes over, as store_string does. */
void store_blob(struct call *x, struct ref *r, struct blob *value, int64_t expire_ms,
                unsigned flags);

/* The same if the argument's bytes need not be copied; false if they do. */
enum { TAKE_MIN = 128 * 1024 };
bool take_string(struct call *x, struct ref *r, struct slice value, int64_t expire_ms,
                 unsigned flags);

/* Stores a string under r's key, whatever stood there. As db_set_string, and tells of a new key;
 * key_changed is still to be called. */
static inline void store_string(struct call *x, struct ref *r, struct slice value,
                                int64_t expire_ms, unsigned flags) {
    if (__builtin_expect(value.n >= TAKE_MIN, 0) && take_string(x, r, value, expire_ms, flags))
        return;
    if (__builtin_expect(!r->e, 0)) {
        r->e = db_set_string(r->db, r->key, r->hash, NULL, value, expire_ms, flags);
        key_added(x, r);
        return;
    }
    if (!(r->e->flags & ENTRY_EMBEDDED) && overwrites_lazily(x)) {
        struct entry was = *r->e; /* its header: the entry goes */

        set_aside(x, r, &expire_ms);
        r->e = db_set_string(r->db, r->key, r->hash, NULL, value, expire_ms, flags);
        entry_take_access(r->e, &was);
        return;
    }
    r->e = db_set_string(r->db, r->key, r->hash, r->e, value, expire_ms, flags);
}

#endif
