/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/call.h"

#include "protocol/encode.h"
#include "server/exec/access.h"
#include "server/exec/blocking.h"
#include "server/exec/field_expiry.h"
#include "server/exec/multi.h"
#include "storage/base/check.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

#include <ctype.h>
#include <stdarg.h>

/* ---------------------------------------------------------------- errors */

int reply_err(struct call *x, const char *text) {
    engine_count_error(x->e, text);
    reply_error_text(&x->r, text, strlen(text));
    return -1;
}

int reply_errf(struct call *x, const char *fmt, ...) {
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return reply_err(x, text);
}

static void upper_name(const struct call *x, char *out, size_t size) {
    size_t n = 0;

    for (const char *p = x->cmd->parent ? x->cmd->parent->name : x->cmd->name; *p && n + 1 < size;)
        out[n++] = (char)toupper((unsigned char)*p++);
    out[n] = '\0';
}

int reply_subcommand_err(struct call *x) {
    char name[40];
    struct slice sub = x->argv[x->argc > 1];

    upper_name(x, name, sizeof name);
    return reply_errf(
        x, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.",
        (int)(sub.n > 128 ? 128 : sub.n), sub.p, name);
}

int reply_unknown_subcommand(struct call *x) {
    char name[40];
    struct slice sub = x->argv[1];

    upper_name(x, name, sizeof name);
    return reply_errf(x, "ERR unknown subcommand '%.*s'. Try %s HELP.",
                      (int)(sub.n > 128 ? 128 : sub.n), sub.p, name);
}

void reply_help(struct call *x, const char *const *lines) {
    char name[40], head[128];
    size_t n = 0;

    while (lines[n]) n++;
    upper_name(x, name, sizeof name);
    snprintf(head, sizeof head,
             "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", name);
    reply_array(&x->r, n + 3);
    reply_simple(&x->r, head);
    for (size_t i = 0; i < n; i++) reply_simple(&x->r, lines[i]);
    reply_simple(&x->r, "HELP");
    reply_simple(&x->r, "    Print this help.");
}

/* ---------------------------------------------------------------- arguments */

bool arg_int(struct call *x, int i, int64_t *out) {
    if (num_parse_i64(x->argv[i].p, x->argv[i].n, out)) return true;
    reply_err(x, ERR_NOT_INT);
    return false;
}

bool arg_int_range(struct call *x, int i, int64_t min, int64_t max, int64_t *out,
                   const char *error) {
    int64_t v;

    if (!num_parse_i64(x->argv[i].p, x->argv[i].n, &v) || v < min || v > max) {
        reply_err(x, error ? error : ERR_NOT_INT);
        return false;
    }
    *out = v;
    return true;
}

struct slice *args_copy(int argc, const struct slice *argv) {
    size_t bytes = (size_t)argc * sizeof *argv;
    struct slice *to;
    char *p;

    for (int i = 0; i < argc; i++) bytes += argv[i].n;
    to = mem_alloc(bytes);
    p = (char *)(to + argc);
    for (int i = 0; i < argc; i++) {
        to[i] = (struct slice){p, argv[i].n};
        memcpy(p, argv[i].p, argv[i].n);
        p += argv[i].n;
    }
    return to;
}

/* ---------------------------------------------------------------- keys */

void key_touched(struct engine *e, const struct db *db, struct slice key, uint64_t hash) {
    struct interest *k = interest_find(&e->interests, db->id, key, hash);

    tracking_changed(e, key, hash);
    if (!k) return;
    k->touched++;
    blocking_touched(e, k);
    multi_touched(k);
}

static void visit_touched(void *interest, void *e) {
    ((struct interest *)interest)->touched++;
    blocking_touched(e, interest);
}

void all_touched(struct engine *e) {
    interests_each(&e->interests, visit_touched, e);
    multi_all_touched(e);
}

void key_vanishes(struct engine *e, const struct ref *r, enum event_class cls, const char *event,
                  bool lazy) {
    if (aof_logs(aof_phase(e->aof))) {
        struct slice argv[] = {lazy ? SLICE("UNLINK") : SLICE("DEL"), r->key};

        encode_command(effects_begin(e, r->db->id), 2, argv);
    }
    if (e->hooks.event) e->hooks.event(e->hooks.arg, cls, event, r->key, r->db->id);
    key_touched(e, r->db, r->key, r->hash);
}

/* An entry past its time is gone. */
static void tell_expired(struct engine *e, const struct ref *r) {
    key_vanishes(e, r, EVENT_EXPIRED, "expired", e->v->lazyfree_lazy_expire);
    e->stats.expired++;
}

static void expire_now(struct engine *e, struct ref *r) {
    tell_expired(e, r);
    if (r->key.p == entry_key_at(r->e)) { /* the key must outlive its entry */
        bytes_clear(&e->gone_key);
        bytes_append(&e->gone_key, r->key.p, r->key.n);
        r->key = bytes_slice(&e->gone_key);
    }
    db_delete(r->db, r->e, r->hash, e->v->lazyfree_lazy_expire);
    r->e = NULL;
}

static struct ref find(struct call *x, struct db *db, struct slice key, uint64_t hash) {
    struct ref r = {key, hash, db_find(db, key, hash), db};
    uint64_t need = gate_need(&x->e->gate, hash);

    if (need > x->need) x->need = need;
    if (r.e && (r.e->flags & ENTRY_EXPIRES) && entry_expire(r.e) <= x->now_ms && !x->e->replaying)
        expire_now(x->e, &r);
    if (__builtin_expect(x->s->tracker != NULL, 0)) tracking_read(x, r.key, hash);
    return r;
}

static inline void note_access(struct call *x, struct entry *e) {
    if (!(x->s->flags & SESSION_NO_TOUCH)) access_note(x->e, e);
}

static inline uint64_t hash_of_arg(struct call *x, int i) {
    if (x->has_first_hash && i == x->cmd->row->keys.first) return x->first_hash;
    return hash_bytes(x->argv[i].p, x->argv[i].n);
}

struct ref lookup_read(struct call *x, int i) {
    struct ref r = find(x, x->db, x->argv[i], hash_of_arg(x, i));

    if (r.e) {
        x->e->stats.hits++;
        note_access(x, r.e);
    } else {
        x->e->stats.misses++;
        if (x->e->hooks.event)
            x->e->hooks.event(x->e->hooks.arg, EVENT_MISS, "keymiss", r.key, r.db->id);
    }
    return r;
}

struct ref lookup_write(struct call *x, int i) {
    struct ref r = find(x, x->db, x->argv[i], hash_of_arg(x, i));

    if (r.e) note_access(x, r.e);
    return r;
}

struct ref lookup(struct call *x, struct db *db, struct slice key, bool count) {
    struct ref r = find(x, db, key, hash_bytes(key.p, key.n));

    if (r.e) note_access(x, r.e);
    if (count) r.e ? x->e->stats.hits++ : x->e->stats.misses++;
    return r;
}

struct ref lookup_quiet(struct call *x, int i) {
    return find(x, x->db, x->argv[i], hash_of_arg(x, i));
}

bool check_type(struct call *x, const struct ref *r, enum type_id type) {
    if (!r->e || r->e->type == type) return true;
    reply_err(x, ERR_WRONG_TYPE);
    return false;
}

void key_changed(struct call *x, const struct ref *r, enum event_class cls, const char *event) {
    struct engine *e = x->e;

    e->dirty++;
    gate_changed(&e->gate, r->hash);
    key_touched(e, r->db, r->key, r->hash);
    if (e->hooks.event) e->hooks.event(e->hooks.arg, cls, event, r->key, r->db->id);
}

void key_changed_quietly(struct call *x, const struct ref *r) {
    struct interest *k = interest_find(&x->e->interests, r->db->id, r->key, r->hash);

    if (k) k->touched++;
    x->e->dirty++;
    gate_changed(&x->e->gate, r->hash);
}

void key_changed_inside(struct call *x, const struct ref *r, enum event_class cls,
                        const char *event) {
    struct interest *k = interest_find(&x->e->interests, r->db->id, r->key, r->hash);

    key_changed_quietly(x, r);
    if (k) blocking_touched(x->e, k);
    key_event(x, r, cls, event);
}

void key_event(struct call *x, const struct ref *r, enum event_class cls, const char *event) {
    struct engine *e = x->e;

    if (e->hooks.event) e->hooks.event(e->hooks.arg, cls, event, r->key, r->db->id);
}

void key_added(struct call *x, const struct ref *r) {
    access_begin(x->e, r->e);
    key_event(x, r, EVENT_NEW, "new");
}

void key_delete(struct call *x, struct ref *r, bool lazy) {
    (void)x;
    db_delete(r->db, r->e, r->hash, lazy);
    r->e = NULL;
}

/* ---------------------------------------------------------------- the log */

void effect(struct call *x, int argc, const struct slice *argv) {
    x->rewritten = true;
    if (x->e->replaying || !aof_logs(aof_phase(x->e->aof))) return;
    encode_command(effects_begin(x->e, x->db->id), (size_t)argc, argv);
}

/* ---------------------------------------------------------------- active expiry */

enum { EXPIRE_BATCH = 256 }; /* a leaf of the index */

static void expire_batch(struct engine *e, struct db *db, void **due, size_t n) {
    uint64_t hashes[EXPIRE_BATCH];

    for (size_t i = 0; i < n; i++) {
        struct slice key = entry_key(due[i]);

        hashes[i] = hash_bytes(key.p, key.n);
        table_prefetch_bucket(&db->keys, hashes[i]);
    }
    for (size_t i = 0; i < n; i++) {
        struct ref r = {entry_key(due[i]), hashes[i], due[i], db};

        tell_expired(e, &r);
        effects_flush(e);
        db_delete_due(db, due[i], hashes[i], e->v->lazyfree_lazy_expire);
    }
}

bool engine_expire_some(struct engine *e, uint64_t budget_us) {
    void *due[EXPIRE_BATCH];
    uint64_t began = clock_real_ns(), end = began + budget_us * 1000, took_us;
    bool more = false;

    if (!e->active_expire || e->loading || e->pause.mode != PAUSE_NONE) return false;
    for (int i = 0; i < e->ks.ndbs && !more; i++) {
        struct db *db = &e->ks.dbs[i];
        size_t n;

        while ((n = expiry_take_due(&db->expires, clock_cached_ms(), due, EXPIRE_BATCH)) > 0) {
            expire_batch(e, db, due, n);
            more = clock_real_ns() >= end;
            if (more) break;
        }
        if (!more) more = expire_fields(e, db, end);
    }
    push_settle(e, 0); /* what expires was known to */
    e->stats.expired_time_cap += more;
    took_us = (clock_real_ns() - began) / 1000;
    e->stats.expire_cycle_us += took_us;
    latency_note(e, "expire-cycle", took_us);
    return more;
}
