/* SPDX-License-Identifier: BSD-3-Clause
 *
 * string - whole strings: SET and GET with all their relatives, and the ones for several keys.
 *
 * SET and GET without options are the hottest code there is: they come first in their handlers and
 * take nothing but the lookup, the entry and the reply.
 */
#include "conf/conf.h"
#include "server/commands/commands.h"
#include "server/commands/string_options.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"
#include "storage/base/xxh3.h"

#include <stdio.h>

/* ---------------------------------------------------------------- SET */

/* Stores with a time; logged as SET key value PXAT ms. */
static void set_until(struct call *x, struct ref *r, struct slice value, int64_t when_ms) {
    char text[NUM_I64_MAX];

    key_overwrites(x, r, TYPE_STRING);
    store_string(x, r, value, when_ms, 0);
    key_changed(x, r, EVENT_STRING, "set");
    key_event(x, r, EVENT_GENERIC, "expire");
    EFFECT(x, SLICE("SET"), r->key, value, SLICE("PXAT"),
           slice_of(text, (size_t)num_format_i64(text, when_ms)));
}

static uint64_t digest_of(struct call *x, const struct entry *e) {
    struct pace pace = call_pace(x);
    struct slice s = entry_string(e);

    return xxh3(s.p, s.n, &pace);
}

/* Whether the key is as NX, XX, IFEQ and their like want it: a string, if it is to be compared. A
 * key that is missing is different from every value. */
static bool condition_holds(struct call *x, const struct string_options *o, const struct ref *r) {
    bool same;

    if (o->set & OPT_NX) return !r->e;
    if (o->set & OPT_XX) return r->e;
    if (!(o->set & OPT_COMPARE)) return true;
    if (o->set & OPT_DIGEST)
        same = r->e && digest_of(x, r->e) == o->digest;
    else
        same = r->e && slice_eq(entry_string(r->e), x->argv[o->compare_arg]);
    return same == !!(o->set & (OPT_IFEQ | OPT_IFDEQ));
}

/* SET key value with options that decided whether it is done, or what is answered, is logged
 * without them. */
static void log_plain_set(struct call *x, const struct string_options *o) {
    struct slice *argv = mem_dup(x->argv, (size_t)x->argc * sizeof *argv);
    int argc = 3;

    for (int i = 3; i < x->argc; i++) {
        if (arg_is(x, i, "get")) continue;
        if (o->set & OPT_COMPARE && i + 1 == o->compare_arg)
            i++;
        else
            argv[argc++] = x->argv[i];
    }
    effect(x, argc, argv);
    mem_free(argv);
}

static int set_with_options(struct call *x) {
    struct string_options o;
    int64_t when_ms = ENTRY_NO_EXPIRE;
    struct ref r;

    if (!string_options(x, 3, OPT_OF_SET, &o) || !string_options_time(x, &o, &when_ms)) return -1;
    if (o.set & OPT_GET) {
        r = lookup_read(x, 1);
        if (!check_type(x, &r, TYPE_STRING)) return -1;
        if (r.e)
            reply_string(x, r.e);
        else
            reply_null(&x->r);
    } else {
        r = lookup_write(x, 1);
        if (o.set & OPT_COMPARE && !check_type(x, &r, TYPE_STRING)) return -1;
    }
    if (!condition_holds(x, &o, &r)) {
        if (!(o.set & OPT_GET)) reply_null(&x->r);
        return 0;
    }
    if (o.set & OPT_TIME) {
        set_until(x, &r, x->argv[2], when_ms);
    } else {
        key_overwrites(x, &r, TYPE_STRING);
        store_string(x, &r, x->argv[2], o.set & OPT_KEEPTTL ? DB_KEEP_EXPIRE : ENTRY_NO_EXPIRE, 0);
        key_changed(x, &r, EVENT_STRING, "set");
        if (o.set & (OPT_GET | OPT_COMPARE)) log_plain_set(x, &o);
    }
    if (!(o.set & OPT_GET)) reply_ok(&x->r);
    return 0;
}

static int cmd_set(struct call *x) {
    struct ref r;

    if (__builtin_expect(x->argc > 3, 0)) return set_with_options(x);
    r = lookup_write(x, 1);
    key_overwrites(x, &r, TYPE_STRING);
    store_string(x, &r, x->argv[2], ENTRY_NO_EXPIRE, 0);
    key_changed(x, &r, EVENT_STRING, "set");
    reply_ok(&x->r);
    return 0;
}

static int set_with_ttl(struct call *x, bool seconds) {
    int64_t when_ms;
    struct ref r;

    if (!arg_deadline(x, 2, seconds, true, &when_ms)) return -1;
    r = lookup_write(x, 1);
    set_until(x, &r, x->argv[3], when_ms);
    reply_ok(&x->r);
    return 0;
}

static int cmd_setex(struct call *x) {
    return set_with_ttl(x, true);
}

static int cmd_psetex(struct call *x) {
    return set_with_ttl(x, false);
}

static int cmd_setnx(struct call *x) {
    struct ref r = lookup_write(x, 1);
    bool absent = !r.e;

    if (absent) {
        store_string(x, &r, x->argv[2], ENTRY_NO_EXPIRE, 0);
        key_changed(x, &r, EVENT_STRING, "set");
    }
    reply_int(&x->r, absent);
    return 0;
}

/* ---------------------------------------------------------------- GET */

static int cmd_get(struct call *x) {
    struct ref r = lookup_read(x, 1);

    if (!check_type(x, &r, TYPE_STRING)) return -1;
    if (r.e)
        reply_string(x, r.e);
    else
        reply_null(&x->r);
    return 0;
}

/* GET as the first half of a command that changes the key afterwards. */
static bool get_first(struct call *x, struct ref *r) {
    *r = lookup_read(x, 1);
    if (!check_type(x, r, TYPE_STRING)) return false;
    if (r->e)
        reply_string(x, r->e);
    else
        reply_null(&x->r);
    return true;
}

static int cmd_getset(struct call *x) {
    struct ref r;

    if (!get_first(x, &r)) return -1;
    key_overwrites(x, &r, TYPE_STRING);
    store_string(x, &r, x->argv[2], ENTRY_NO_EXPIRE, 0);
    key_changed(x, &r, EVENT_STRING, "set");
    EFFECT(x, SLICE("SET"), r.key, x->argv[2]);
    return 0;
}

static int cmd_getdel(struct call *x) {
    struct ref r;

    if (!get_first(x, &r)) return -1;
    if (!r.e) return 0;
    key_delete(x, &r, false);
    key_changed(x, &r, EVENT_GENERIC, "del");
    EFFECT(x, SLICE("DEL"), r.key);
    return 0;
}

static int cmd_getex(struct call *x) {
    struct string_options o;
    int64_t when_ms = ENTRY_NO_EXPIRE;
    struct ref r;

    if (!string_options(x, 2, OPT_OF_GETEX, &o)) return -1;
    r = lookup_read(x, 1);
    if (!r.e) {
        reply_null(&x->r);
        return 0;
    }
    if (!check_type(x, &r, TYPE_STRING) || !string_options_time(x, &o, &when_ms)) return -1;
    reply_string(x, r.e);
    if (o.set & (OPT_EXAT | OPT_PXAT) && when_ms <= x->now_ms && !call_keeps_due(x)) {
        delete_overdue(x, &r);
    } else if (o.set & OPT_TIME) {
        char text[NUM_I64_MAX];

        r.e = db_set_expire(r.db, r.e, r.hash, when_ms);
        key_changed(x, &r, EVENT_GENERIC, "expire");
        EFFECT(x, SLICE("PEXPIREAT"), r.key, slice_of(text, (size_t)num_format_i64(text, when_ms)));
    } else if (o.set & OPT_PERSIST && r.e->flags & ENTRY_EXPIRES) {
        r.e = db_set_expire(r.db, r.e, r.hash, ENTRY_NO_EXPIRE);
        key_changed(x, &r, EVENT_GENERIC, "persist");
        EFFECT(x, SLICE("PERSIST"), r.key);
    }
    return 0;
}

/* ---------------------------------------------------------------- several keys */

static int cmd_mget(struct call *x) {
    reply_array(&x->r, (size_t)x->argc - 1);
    for (int i = 1; i < x->argc; i++) {
        struct ref r;

        call_breathe(x);
        fetch_ahead(x, i, 1);
        r = lookup_read(x, i);
        if (r.e && r.e->type == TYPE_STRING)
            reply_string(x, r.e);
        else
            reply_null(&x->r);
    }
    return 0;
}

static bool check_pairs(struct call *x) {
    if (x->argc % 2 == 1) return true;
    reply_errf(x, "ERR wrong number of arguments for '%s' command", x->cmd->name);
    return false;
}

/* The test stands before the loop, which is the faster for it. */
static void set_pairs(struct call *x) {
    bool tells = key_tells_overwritten(x->e);

    for (int i = 1; i < x->argc; i += 2) {
        struct ref r;

        fetch_ahead(x, i, 2);
        r = lookup_write(x, i);
        if (tells) key_overwrites(x, &r, TYPE_STRING);
        store_string(x, &r, x->argv[i + 1], ENTRY_NO_EXPIRE, 0);
        key_changed(x, &r, EVENT_STRING, "set");
    }
}

static int cmd_mset(struct call *x) {
    if (!check_pairs(x)) return -1;
    set_pairs(x);
    reply_ok(&x->r);
    return 0;
}

static int cmd_msetnx(struct call *x) {
    if (!check_pairs(x)) return -1;
    for (int i = 1; i < x->argc; i += 2) {
        fetch_ahead(x, i, 2);
        if (lookup_write(x, i).e) {
            reply_int(&x->r, 0);
            return 0;
        }
    }
    set_pairs(x);
    reply_int(&x->r, 1);
    return 0;
}

/* Where the pairs of MSETEX end; 0: answered with an error. */
static int msetex_end(struct call *x) {
    int64_t n;

    if (!arg_int_range(x, 1, 1, INT32_MAX, &n, "ERR invalid numkeys value")) return 0;
    if (n <= (x->argc - 2) / 2) return 2 + 2 * (int)n;
    reply_err(x, "ERR wrong number of key-value pairs");
    return 0;
}

/* Logged as an MSET if nothing but values is set, else as one SET a key. */
static void msetex_pairs(struct call *x, int end, const struct string_options *o, int64_t when_ms) {
    int64_t expire_ms = o->set & OPT_KEEPTTL ? DB_KEEP_EXPIRE : ENTRY_NO_EXPIRE;

    for (int i = 2; i < end; i += 2) {
        struct ref r = lookup_write(x, i);

        if (o->set & OPT_TIME) {
            set_until(x, &r, x->argv[i + 1], when_ms);
            continue;
        }
        key_overwrites(x, &r, TYPE_STRING);
        store_string(x, &r, x->argv[i + 1], expire_ms, 0);
        key_changed(x, &r, EVENT_STRING, "set");
        if (o->set & OPT_KEEPTTL) EFFECT(x, SLICE("SET"), r.key, x->argv[i + 1], SLICE("KEEPTTL"));
    }
    if (!(o->set & (OPT_TIME | OPT_KEEPTTL))) {
        struct slice *argv = mem_alloc((size_t)(end - 1) * sizeof *argv);

        argv[0] = SLICE("MSET");
        memcpy(argv + 1, x->argv + 2, (size_t)(end - 2) * sizeof *argv);
        effect(x, end - 1, argv);
        mem_free(argv);
    }
}

static int cmd_msetex(struct call *x) {
    int64_t when_ms = ENTRY_NO_EXPIRE;
    struct string_options o;
    int end = msetex_end(x);
    bool holds = true;

    if (!end || !string_options(x, end, OPT_OF_MSETEX, &o) || !string_options_time(x, &o, &when_ms))
        return -1;
    for (int i = 2; i < end && holds && o.set & (OPT_NX | OPT_XX); i += 2) {
        struct ref r = lookup_write(x, i);

        holds = condition_holds(x, &o, &r);
    }
    if (holds) msetex_pairs(x, end, &o, when_ms);
    reply_int(&x->r, holds);
    return 0;
}

/* ---------------------------------------------------------------- DIGEST, DELEX, DELIFEQ */

static int cmd_digest(struct call *x) {
    struct ref r = lookup_read(x, 1);
    char hex[XXH3_HEX + 1];

    if (!check_type(x, &r, TYPE_STRING)) return -1;
    if (!r.e) {
        reply_null(&x->r);
        return 0;
    }
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)digest_of(x, r.e));
    reply_bulk(&x->r, hex, XXH3_HEX);
    return 0;
}

/* Deletes the key if it is there and as the options say. */
static int delete_if(struct call *x, const struct string_options *o) {
    struct ref r = lookup_write(x, 1);
    bool doit;

    if (o->set & OPT_COMPARE && !check_type(x, &r, TYPE_STRING)) return -1;
    doit = r.e && condition_holds(x, o, &r);
    if (doit) {
        key_delete(x, &r, x->e->v->lazyfree_lazy_user_del);
        key_changed(x, &r, EVENT_GENERIC, "del");
        EFFECT(x, SLICE("DEL"), r.key);
    }
    reply_int(&x->r, doit);
    return 0;
}

static int cmd_delex(struct call *x) {
    struct string_options o;

    if (x->argc != 2 && x->argc != 4)
        return reply_errf(x, "ERR wrong number of arguments for '%s' command", x->cmd->name);
    return string_options(x, 2, OPT_COMPARE, &o) ? delete_if(x, &o) : -1;
}

static int cmd_delifeq(struct call *x) {
    return delete_if(x, &(struct string_options){.set = OPT_IFEQ, .compare_arg = 2});
}

/* ---------------------------------------------------------------- rows */

#define W (CMD_WRITE | CMD_DENYOOM)
#define R CMD_READONLY
#define F CMD_FAST

/* clang-format off */
const struct command string_commands[] = {
    {"delex", -2, CMD_WRITE | F, "string", {1, 1, 1}, cmd_delex, "8.4.0",
     "Deletes a key, optionally only if its value or the value's digest is a given one, or is not.",
     .grammar = "key@0 [condition(IFEQ=value|IFNE=value|IFDEQ=digest|IFDNE=digest)]",
     .key_specs = "RM access delete variable_flags (without access if there is no condition)"},
    {"delifeq", 3, CMD_WRITE | F, "string", {1, 1, 1}, cmd_delifeq, "9.0.0",
     "Deletes a key if it holds a certain string.",
     .grammar = "key@0 value",
     .key_specs = "RM access delete"},
    {"digest", 2, R, "string", {1, 1, 1}, cmd_digest, "8.4.0",
     "Gives the XXH3 digest of a string, as 16 hexadecimal digits.",
     .grammar = "key@0"},
    {"get", 2, R | F, "string", {1, 1, 1}, cmd_get, "1.0.0", "Gives the string stored at a key.",
     .grammar = "key@0"},
    {"getdel", 2, CMD_WRITE | F, "string", {1, 1, 1}, cmd_getdel, "6.2.0",
     "Gives the string stored at a key and deletes the key.",
     .grammar = "key@0",
     .key_specs = "RW access delete"},
    {"getex", -2, CMD_WRITE | F, "string", {1, 1, 1}, cmd_getex, "6.2.0",
     "Gives the string stored at a key and sets or removes its time to live.",
     .grammar = "key@0 [expiration(EX=seconds:int|PX=milliseconds:int|"
                "EXAT=unix-time-seconds:time|PXAT=unix-time-milliseconds:time|PERSIST)]",
     .key_specs = "RW access update (RW and UPDATE because it changes the TTL)"},
    {"getset", 3, W | F, "string", {1, 1, 1}, cmd_getset, "1.0.0",
     "Stores a string and returns the old one.",
     .grammar = "!6.2.0 `SET` with the `!GET` argument; key@0 value",
     .key_specs = "RW access update"},
    {"mget", -2, R | F, "string", {1, -1, 1}, cmd_mget, "1.0.0",
     "Gives the strings stored at several keys.",
     .grammar = "key@0+",
     .tips = "request_policy:multi_shard"},
    {"mset", -3, W, "string", {1, -1, 2}, cmd_mset, "1.0.1", "Stores strings at several keys.",
     .grammar = "data{key@0 value}+",
     .key_specs = "OW update",
     .tips = "request_policy:multi_shard response_policy:all_succeeded"},
    {"msetex", -4, W | CMD_MOVABLE_KEYS, "string", {0, 0, 0}, cmd_msetex, "8.4.0",
     "Stores strings at several keys, all with the same condition and time to live.",
     .grammar = "numkeys:int data{key@0 value}+ [condition(NX|XX)] "
                "[expiration(EX=seconds:int|PX=milliseconds:int|EXAT=unix-time-seconds:time|"
                "PXAT=unix-time-milliseconds:time|KEEPTTL)]",
     .key_specs = "@1#0+1/2 OW update",
     .tips = "request_policy:multi_shard response_policy:all_succeeded"},
    {"msetnx", -3, W, "string", {1, -1, 2}, cmd_msetnx, "1.0.1",
     "Stores strings at several keys, but only if none of the keys exists.",
     .grammar = "data{key@0 value}+",
     .key_specs = "OW insert"},
    {"psetex", 4, W, "string", {1, 1, 1}, cmd_psetex, "2.6.0",
     "Stores a string with a time to live in milliseconds.",
     .grammar = "!2.6.12 `SET` with the `PX` argument; key@0 milliseconds:int value",
     .key_specs = "OW update"},
    {"set", -3, W, "string", {1, 1, 1}, cmd_set, "1.0.0",
     "Stores a string at a key, in place of a value of any type.",
     .grammar = "key@0 value [condition(NX|XX)^2.6.12] [GET^6.2.0] "
                "[expiration(EX=seconds:int^2.6.12|PX=milliseconds:int^2.6.12|"
                "EXAT=unix-time-seconds:time^6.2.0|PXAT=unix-time-milliseconds:time^6.2.0|"
                "KEEPTTL^6.0.0)]",
     .key_specs = "RW access update variable_flags (RW and ACCESS due to the optional `GET` "
                  "argument)"},
    {"setex", 4, W, "string", {1, 1, 1}, cmd_setex, "2.0.0",
     "Stores a string with a time to live in seconds.",
     .grammar = "!2.6.12 `SET` with the `EX` argument; key@0 seconds:int value",
     .key_specs = "OW update"},
    {"setnx", 3, W | F, "string", {1, 1, 1}, cmd_setnx, "1.0.0",
     "Stores a string, but only if the key does not exist.",
     .grammar = "!2.6.12 `SET` with the `NX` argument; key@0 value",
     .key_specs = "OW insert"},
    {0},
};
/* clang-format on */
