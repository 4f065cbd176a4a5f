/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/commands/support.h"

#include "conf/conf.h"
#include "server/exec/breathe.h"
#include "storage/base/num.h"

#include <limits.h>

/* ---------------------------------------------------------------- arguments */

bool arg_db(struct call *x, int i, const char *bad, int *id) {
    int64_t v;

    if (!num_parse_i64(x->argv[i].p, x->argv[i].n, &v)) {
        reply_err(x, bad ? bad : ERR_NOT_INT);
        return false;
    }
    if (v < INT_MIN || v > INT_MAX) {
        if (bad)
            reply_err(x, bad);
        else
            reply_errf(x, "ERR value is out of range, value must between %d and %d", INT_MIN,
                       INT_MAX);
        return false;
    }
    *id = (int)v;
    return true;
}

int reply_bad_expire(struct call *x) {
    return reply_errf(x, "ERR invalid expire time in '%s' command", x->cmd->name);
}

bool arg_int_between(struct call *x, int i, int64_t min, int64_t max, int64_t *out) {
    if (!arg_int(x, i, out)) return false;
    if (*out >= min && *out <= max) return true;
    reply_errf(x, "ERR value is out of range, value must between %lld and %lld", (long long)min,
               (long long)max);
    return false;
}

bool arg_deadline(struct call *x, int i, bool seconds, bool relative, int64_t *when_ms) {
    int64_t v;

    if (!arg_int(x, i, &v)) return false;
    if (v <= 0 || (seconds && __builtin_mul_overflow(v, 1000, &v)) ||
        (relative && __builtin_add_overflow(v, x->now_ms, &v))) {
        reply_bad_expire(x);
        return false;
    }
    *when_ms = v;
    return true;
}

bool check_length(struct call *x, uint64_t have, uint64_t more) {
    uint64_t sum;

    if (!__builtin_add_overflow(have, more, &sum) &&
        (sum <= x->e->v->proto_max_bulk_len || call_obeys(x)))
        return true;
    reply_err(x, ERR_TOO_LONG);
    return false;
}

bool arg_random_count(struct call *x, int i, int64_t *count) {
    if (!arg_int(x, i, count)) return false;
    if (*count >= -INT64_MAX) return true;
    reply_errf(x, "ERR value is out of range, value must between %lld and %lld",
               (long long)-INT64_MAX, (long long)INT64_MAX);
    return false;
}

/* ---------------------------------------------------------------- picks */

/* What the reply of this one command may be. */
static uint64_t reply_max(const struct call *x) {
    const struct conf_values *v = x->e->v;
    uint64_t hard = v->client_output_buffer_limit.of[CONF_CLASS_NORMAL].hard_bytes;

    if (x->from == FROM_SCRIPT || hard == 0 || hard > (uint64_t)v->proto_max_bulk_len)
        return (uint64_t)v->proto_max_bulk_len;
    return hard;
}

int reply_picks(struct call *x, uint64_t from, size_t n, void (*pick)(size_t n, void *arg),
                void *arg) {
    enum { SHORTEST = 6, PART_MAX = 65536, PART_BYTES = 1024 * 1024 };
    uint64_t max = reply_max(x);
    size_t part = 1;
    bool fits = n <= max / SHORTEST;

    while (fits && n > 0) {
        uint64_t at = x->r.out->end;

        if (part > n) part = n;
        pick(part, arg);
        call_breathe_by(x, part);
        n -= part;
        fits = x->r.out->end - from <= max;
        if (x->r.out->end - at > PART_BYTES)
            part = (part + 1) / 2;
        else if (part < PART_MAX)
            part *= 2;
    }
    if (fits) return 0;
    out_truncate(x->r.out, from);
    return reply_err(x, "ERR reply exceeds maximum allowed size (proto-max-bulk-len or "
                        "client-output-buffer-limit)");
}

/* ---------------------------------------------------------------- keys */

struct ref peek(struct call *x, int i) {
    struct ref r = lookup_quiet(x, i);

    if (r.e) {
        x->e->stats.hits++;
    } else {
        x->e->stats.misses++;
        key_event(x, &r, EVENT_MISS, "keymiss");
    }
    return r;
}

void fetch_keys(struct call *x, int i, int step) {
    uint64_t hash[AHEAD];
    int n = 0;

    for (; i < x->argc && n < AHEAD; i += step, n++) {
        hash[n] = hash_bytes(x->argv[i].p, x->argv[i].n);
        table_prefetch_bucket(&x->db->keys, hash[n]);
    }
    while (n-- > 0) table_prefetch_entry(&x->db->keys, hash[n]);
}

void store_entry(struct call *x, struct ref *r, struct entry *e) {
    bool is_new = !r->e;

    key_overwrites(x, r, e->type);
    if (!is_new) {
        entry_take_access(e, r->e);
        key_delete(x, r, x->e->v->lazyfree_lazy_server_del);
    }
    db_add(r->db, e, r->hash);
    r->e = e;
    if (is_new) key_added(x, r);
}

void log_stored(struct call *x, const struct ref *r) {
    struct pace pace = call_pace(x);
    struct bytes payload = {0};

    if (x->e->dirty == x->dirty_before) return;
    if (!r->e) {
        EFFECT(x, SLICE("DEL"), r->key);
        return;
    }
    rdb_dump(&payload, r->e, x->e->v->rdbcompression, &pace);
    EFFECT(x, SLICE("RESTORE"), r->key, SLICE("0"), bytes_slice(&payload), SLICE("REPLACE"));
    bytes_release(&payload);
}

void delete_overdue(struct call *x, struct ref *r) {
    bool lazy = x->e->v->lazyfree_lazy_expire;

    EFFECT(x, lazy ? SLICE("UNLINK") : SLICE("DEL"), r->key);
    key_delete(x, r, lazy);
    key_changed(x, r, EVENT_GENERIC, "del");
}

/* ---------------------------------------------------------------- strings */

static void drop_blob(void *blob) {
    blob_unref(blob);
}

void reply_part(struct call *x, const struct entry *e, struct slice part) {
    struct blob *b = entry_blob(e);
    char head[NUM_I64_MAX + 3], *p = head;

    if (!b || part.n < OUT_SHARE_MIN) {
        reply_bulk(&x->r, part.p, part.n);
        return;
    }
    *p++ = '$';
    p += num_format_u64(p, part.n);
    *p++ = '\r';
    *p++ = '\n';
    reply_raw(&x->r, head, (size_t)(p - head));
    blob_ref(b);
    out_share(x->r.out, part.p, part.n, b, drop_blob);
    reply_raw(&x->r, "\r\n", 2);
}

bool overwrites_lazily(const struct call *x) {
    return x->e->v->lazyfree_lazy_server_del;
}

void set_aside(struct call *x, struct ref *r, int64_t *expire_ms) {
    if (*expire_ms == DB_KEEP_EXPIRE) *expire_ms = entry_expire(r->e);
    key_delete(x, r, true);
}

void store_blob(struct call *x, struct ref *r, struct blob *value, int64_t expire_ms,
                unsigned flags) {
    bool is_new = !r->e, aside = r->e && !(r->e->flags & ENTRY_EMBEDDED) && overwrites_lazily(x);
    struct entry was;

    if (aside) {
        was = *r->e;
        set_aside(x, r, &expire_ms);
    }
    r->e = db_set_blob(r->db, r->key, r->hash, aside ? NULL : r->e, value, expire_ms, flags);
    if (is_new) key_added(x, r);
    if (aside) entry_take_access(r->e, &was);
}

bool take_string(struct call *x, struct ref *r, struct slice value, int64_t expire_ms,
                 unsigned flags) {
    struct blob *b = x->from == FROM_CLIENT ? session_take(x->s, value) : NULL;

    if (!b) return false;
    store_blob(x, r, b, expire_ms, flags);
    return true;
}
