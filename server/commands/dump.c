/* SPDX-License-Identifier: BSD-3-Clause
 *
 * dump - DUMP and RESTORE: values as texts, in Redis' own form.
 *
 * RESTORE is logged with the time at which the key is due, not the time that is left; and where
 * the payload is of a version that Redis 7.0 does not know, as what DUMP would say now.
 */
#include "conf/conf.h"
#include "server/commands/commands.h"
#include "server/commands/support.h"
#include "server/exec/access.h"
#include "server/exec/breathe.h"
#include "server/exec/snapshot.h"
#include "storage/base/log.h"
#include "storage/base/num.h"

static int cmd_dump(struct call *x) {
    struct ref r = lookup_read(x, 1);
    struct pace pace = call_pace(x);
    struct bytes payload = {0};

    if (!r.e) {
        reply_null(&x->r);
        return 0;
    }
    rdb_dump(&payload, r.e, x->e->v->rdbcompression, &pace);
    reply_bulk(&x->r, payload.p, payload.n);
    bytes_release(&payload);
    return 0;
}

/* ---------------------------------------------------------------- RESTORE */

struct restore {
    bool replace, absolute;
    int64_t idle_s; /* -1: not given */
    int64_t freq;   /* -1: not given */
    int64_t when_ms;
};

static bool parse_options(struct call *x, struct restore *o) {
    *o = (struct restore){.idle_s = -1, .freq = -1};
    for (int i = 4; i < x->argc; i++) {
        bool more = i + 1 < x->argc;

        if (arg_is(x, i, "replace")) {
            o->replace = true;
        } else if (arg_is(x, i, "absttl")) {
            o->absolute = true;
        } else if (arg_is(x, i, "idletime") && more && o->freq == -1) {
            if (!arg_int(x, ++i, &o->idle_s)) return false;
            if (o->idle_s < 0) {
                reply_err(x, "ERR Invalid IDLETIME value, must be >= 0");
                return false;
            }
        } else if (arg_is(x, i, "freq") && more && o->idle_s == -1) {
            if (!arg_int(x, ++i, &o->freq)) return false;
            if (o->freq < 0 || o->freq > 255) {
                reply_err(x, "ERR Invalid FREQ value, must be >= 0 and <= 255");
                return false;
            }
        } else {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
    }
    return true;
}

static bool parse_when(struct call *x, struct restore *o) {
    int64_t ttl;

    if (!arg_int(x, 2, &ttl)) return false;
    if (ttl < 0) {
        reply_err(x, "ERR Invalid TTL value, must be >= 0");
        return false;
    }
    o->when_ms = ttl ? ttl : ENTRY_NO_EXPIRE;
    if (ttl && !o->absolute && __builtin_add_overflow(ttl, x->now_ms, &o->when_ms))
        o->when_ms = 0; /* as Redis, for which such a time is over */
    return true;
}

static bool read_payload(struct call *x, const struct restore *o, struct entry **e, int *version) {
    struct rdb_rules rules = snapshot_rules(x->e->v);

    rules.skip_sum = x->e->skip_sums;
    rules.pace = call_pace(x);
    switch (rdb_restore(x->argv[3], x->argv[1], o->when_ms, &rules, e, version)) {
    case RDB_RESTORED: return true;
    case RDB_BAD_SUM: reply_err(x, "ERR DUMP payload version or checksum are wrong"); return false;
    default:
        log_verbose("RESTORE: integrity check failed: the payload's checksum holds, but its value "
                    "is damaged");
        reply_err(x, "ERR Bad data format");
        return false;
    }
}

/* What is logged in place of a payload that older servers cannot read; empty: the payload itself.
 * To be made before anything is changed, as others are served meanwhile. */
static struct bytes logged_payload(struct call *x, const struct entry *e, int version) {
    struct pace pace = call_pace(x);
    struct bytes payload = {0};

    if (version > rdb_oldest_version(e) || x->e->skip_sums)
        rdb_dump(&payload, e, x->e->v->rdbcompression, &pace);
    return payload;
}

/* As received, but with an absolute time, and with `payload` if there is one. */
static void log_restore(struct call *x, const struct restore *o, const struct bytes *payload) {
    bool relative = o->when_ms != ENTRY_NO_EXPIRE && !o->absolute;
    struct word_edit edits[2];
    char when[NUM_I64_MAX];
    int n = 0;

    if (!relative && payload->n == 0) return;
    if (relative)
        edits[n++] =
            (struct word_edit){2, slice_of(when, (size_t)num_format_i64(when, o->when_ms))};
    if (payload->n) edits[n++] = (struct word_edit){3, bytes_slice(payload)};
    effect_edited(x, edits, n, relative ? SLICE("ABSTTL") : (struct slice){0});
}

static void store(struct call *x, struct ref *r, const struct restore *o, struct entry *e) {
    key_overwrites(x, r, e->type);
    if (r->e) key_delete(x, r, x->e->v->lazyfree_lazy_server_del);
    db_add(r->db, e, r->hash);
    r->e = e;
    key_added(x, r);
    access_set(x->e, e, o->idle_s, (int)o->freq);
}

static int cmd_restore(struct call *x) {
    struct bytes payload;
    struct restore o;
    struct entry *e;
    struct ref r;
    int version;

    if (!parse_options(x, &o)) return -1;
    r = lookup_write(x, 1);
    if (r.e && !o.replace && !call_obeys(x))
        return reply_err(x, "BUSYKEY Target key name already exists.");
    if (!parse_when(x, &o) || !read_payload(x, &o, &e, &version)) return -1;
    if (o.when_ms != ENTRY_NO_EXPIRE && o.when_ms <= x->now_ms && !call_keeps_due(x)) {
        entry_discard(e, x->e->v->lazyfree_lazy_expire);
        if (r.e) delete_overdue(x, &r);
    } else {
        payload = logged_payload(x, e, version);
        store(x, &r, &o, e);
        log_restore(x, &o, &payload);
        bytes_release(&payload);
        key_changed(x, &r, EVENT_GENERIC, "restore");
    }
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- rows */

#define RESTORE_GRAMMAR                                                                            \
    "key@0 ttl:int serialized-value [REPLACE^3.0.0] [ABSTTL^5.0.0] "                               \
    "[IDLETIME=seconds:int^5.0.0] [FREQ=frequency:int^5.0.0]"

/* clang-format off */
const struct command dump_commands[] = {
    {"dump", 2, CMD_READONLY | CMD_KEYSPACE_CAT, "generic", {1, 1, 1}, cmd_dump, "2.6.0",
     "Returns a value in the form that RESTORE accepts.",
     .grammar = "key@0",
     .key_specs = "RO access",
     .tips = "nondeterministic_output"},
    {"restore", -4, CMD_DENYOOM | CMD_WRITE | CMD_DANGEROUS | CMD_KEYSPACE_CAT, "generic",
     {1, 1, 1}, cmd_restore, "2.6.0", "Stores a value that DUMP returned.",
     .grammar = RESTORE_GRAMMAR,
     .key_specs = "OW update"},
    {"restore-asking", -4, CMD_ASKING | CMD_DENYOOM | CMD_WRITE | CMD_DANGEROUS | CMD_KEYSPACE_CAT,
     "server", {1, 1, 1}, cmd_restore, "3.0.0",
     "Stores a value that DUMP returned, while a slot of a cluster moves.",
     .grammar = "!syscmd; " RESTORE_GRAMMAR,
     .key_specs = "OW update"},
    {0},
};
/* clang-format on */
