/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hash - fields of hashes: storing, asking, removing, counting up.
 */
#include "server/commands/hash.h"

#include "server/commands/commands.h"
#include "server/exec/breathe.h"

#include <math.h>

void hash_make(struct call *x, struct part_edit *h) {
    if (h->r.e) return;
    h->r.e = hash_new(h->r.key);
    db_add(h->r.db, h->r.e, h->r.hash);
    key_added(x, &h->r);
}

/* ---------------------------------------------------------------- storing */

static bool check_pairs(struct call *x) {
    if (x->argc % 2 == 0) return true;
    reply_errf(x, "ERR wrong number of arguments for '%s' command", x->cmd->name);
    return false;
}

/* How many of the fields are new; -1: answered with an error. */
static int64_t set_fields(struct call *x) {
    struct hash_rules rules = hash_rules(x);
    struct part_edit h;
    int64_t added = 0;

    if (!check_pairs(x) || !hash_open(x, &h)) return -1;
    hash_make(x, &h);
    for (int i = 2; i < x->argc; i += 2)
        added += hash_set(h.r.e, x->argv[i], x->argv[i + 1], false, &rules);
    hash_close(x, &h, (uint64_t)(x->argc - 2) / 2, "hset");
    return added;
}

static int cmd_hset(struct call *x) {
    int64_t added = set_fields(x);

    if (added < 0) return -1;
    reply_int(&x->r, added);
    return 0;
}

static int cmd_hmset(struct call *x) {
    if (set_fields(x) < 0) return -1;
    reply_ok(&x->r);
    return 0;
}

static int cmd_hsetnx(struct call *x) {
    struct hash_rules rules = hash_rules(x);
    struct hash_item item;
    struct part_edit h;

    if (!hash_open(x, &h)) return -1;
    if (h.r.e && hash_get(h.r.e, x->argv[2], rules.now_ms, &item)) {
        reply_int(&x->r, 0);
        return 0;
    }
    hash_make(x, &h);
    hash_set(h.r.e, x->argv[2], x->argv[3], false, &rules);
    hash_close(x, &h, 1, "hset");
    /* A due field may still be there when the AOF is read back. */
    if (h.due_before != ENTRY_NO_EXPIRE) EFFECT(x, SLICE("HSET"), h.r.key, x->argv[2], x->argv[3]);
    reply_int(&x->r, 1);
    return 0;
}

static int cmd_hdel(struct call *x) {
    struct part_list deleted = {0};
    struct part_edit h;
    int64_t n = 0;

    if (!hash_open(x, &h)) return -1;
    for (int i = 2; h.r.e && i < x->argc && hash_len(h.r.e) > 0; i++) {
        if (!hash_delete(h.r.e, x->argv[i], parts_now(x))) continue;
        n++;
        if (h.due_before != ENTRY_NO_EXPIRE) part_list_add(&deleted, x->argv[i]);
    }
    /* A due field that was named stays; it must do so when the AOF is read back. */
    parts_log_delete(x, &h, &deleted);
    part_list_release(&deleted);
    hash_close(x, &h, (uint64_t)n, "hdel");
    reply_int(&x->r, n);
    return 0;
}

/* ---------------------------------------------------------------- counting up */

/* Logged as what came out: a due field counts from zero, and is perhaps still there when the AOF
 * is read back. */
static void log_number(struct call *x, const struct part_edit *h, struct slice value,
                       int64_t expire_ms) {
    char text[NUM_I64_MAX];
    struct slice when = slice_of(text, (size_t)num_format_i64(text, expire_ms));

    EFFECT(x, SLICE("HSET"), h->r.key, x->argv[2], value);
    if (expire_ms)
        EFFECT(x, SLICE("HPEXPIREAT"), h->r.key, when, SLICE("FIELDS"), SLICE("1"), x->argv[2]);
}

static int cmd_hincrby(struct call *x) {
    struct hash_rules rules = hash_rules(x);
    struct hash_item item = {0};
    char text[NUM_I64_MAX];
    struct part_edit h;
    int64_t by, v = 0;

    if (!arg_int(x, 3, &by) || !hash_open(x, &h)) return -1;
    if (!h.r.e || !hash_get(h.r.e, x->argv[2], rules.now_ms, &item))
        item = (struct hash_item){0};
    else if (!item.value.p)
        v = item.value.v;
    else if (!num_parse_i64(item.value.p, item.value.n, &v))
        return reply_err(x, "ERR hash value is not an integer");
    if (__builtin_add_overflow(v, by, &v))
        return reply_err(x, "ERR increment or decrement would overflow");
    hash_make(x, &h);
    hash_set(h.r.e, x->argv[2], slice_of(text, (size_t)num_format_i64(text, v)), true, &rules);
    hash_close(x, &h, 1, "hincrby");
    if (h.due_before != ENTRY_NO_EXPIRE)
        log_number(x, &h, slice_of(text, (size_t)num_format_i64(text, v)), item.expire_ms);
    reply_int(&x->r, v);
    return 0;
}

static bool float_of(struct call *x, const struct hash_item *item, long double *v) {
    char text[NUM_I64_MAX];
    struct slice s = lp_value_text(item->value, text);

    if (num_parse_ldouble(s.p, s.n, v)) return true;
    reply_err(x, "ERR hash value is not a float");
    return false;
}

static int cmd_hincrbyfloat(struct call *x) {
    struct hash_rules rules = hash_rules(x);
    struct hash_item item = {0};
    char text[NUM_LDOUBLE_MAX];
    long double by, v = 0;
    struct part_edit h;
    struct slice sum;

    if (!num_parse_ldouble(x->argv[3].p, x->argv[3].n, &by)) return reply_err(x, ERR_NOT_FLOAT);
    if (isnan(by) || isinf(by)) return reply_err(x, "ERR value is NaN or Infinity");
    if (!hash_open(x, &h)) return -1;
    if (!h.r.e || !hash_get(h.r.e, x->argv[2], rules.now_ms, &item))
        item = (struct hash_item){0};
    else if (!float_of(x, &item, &v))
        return -1;
    v += by;
    if (isnan(v) || isinf(v)) return reply_err(x, "ERR increment would produce NaN or Infinity");
    sum = slice_of(text, (size_t)num_format_ldouble(text, v));
    hash_make(x, &h);
    hash_set(h.r.e, x->argv[2], sum, true, &rules);
    hash_close(x, &h, 1, "hincrbyfloat");
    log_number(x, &h, sum, item.expire_ms);
    reply_bulk(&x->r, sum.p, sum.n);
    return 0;
}

/* ---------------------------------------------------------------- asking */

static void reply_field(struct call *x, const struct ref *r, struct slice field) {
    struct hash_item item;

    if (r->e && hash_get(r->e, field, parts_now(x), &item))
        reply_value(&x->r, item.value);
    else
        reply_null(&x->r);
}

static int cmd_hget(struct call *x) {
    struct ref r;

    if (!hash_for_reading(x, &r)) return -1;
    reply_field(x, &r, x->argv[2]);
    return 0;
}

static int cmd_hmget(struct call *x) {
    struct ref r;

    if (!hash_for_reading(x, &r)) return -1;
    reply_array(&x->r, (size_t)x->argc - 2);
    for (int i = 2; i < x->argc; i++) {
        reply_field(x, &r, x->argv[i]);
        call_breathe(x);
    }
    return 0;
}

static int cmd_hexists(struct call *x) {
    struct hash_item item;
    struct ref r;

    if (!hash_for_reading(x, &r)) return -1;
    reply_int(&x->r, r.e && hash_get(r.e, x->argv[2], parts_now(x), &item));
    return 0;
}

static int cmd_hstrlen(struct call *x) {
    struct hash_item item;
    char text[NUM_I64_MAX];
    size_t n = 0;
    struct ref r;

    if (!hash_for_reading(x, &r)) return -1;
    if (r.e && hash_get(r.e, x->argv[2], parts_now(x), &item))
        n = lp_value_text(item.value, text).n;
    reply_int(&x->r, (int64_t)n);
    return 0;
}

static int cmd_hlen(struct call *x) {
    struct ref r;

    if (!hash_for_reading(x, &r)) return -1;
    reply_int(&x->r, r.e ? (int64_t)hash_len_at(r.e, parts_now(x)) : 0);
    return 0;
}

static void reply_both(const struct hash_item *item, void *call) {
    struct call *x = call;

    reply_value(&x->r, item->field);
    reply_value(&x->r, item->value);
    call_breathe(x);
}

static void reply_key(const struct hash_item *item, void *call) {
    struct call *x = call;

    reply_value(&x->r, item->field);
    call_breathe(x);
}

static void reply_val(const struct hash_item *item, void *call) {
    struct call *x = call;

    reply_value(&x->r, item->value);
    call_breathe(x);
}

static int reply_all(struct call *x, void (*head)(struct reply *r, size_t n), hash_visit_fn each) {
    struct ref r;

    if (!hash_for_reading(x, &r)) return -1;
    head(&x->r, r.e ? hash_len_at(r.e, parts_now(x)) : 0);
    if (r.e) hash_each(r.e, parts_now(x), each, x);
    return 0;
}

static int cmd_hgetall(struct call *x) {
    return reply_all(x, reply_map, reply_both);
}

static int cmd_hkeys(struct call *x) {
    return reply_all(x, reply_array, reply_key);
}

static int cmd_hvals(struct call *x) {
    return reply_all(x, reply_array, reply_val);
}

/* ---------------------------------------------------------------- rows */

#define W (CMD_WRITE | CMD_DENYOOM | CMD_FAST)
#define R CMD_READONLY
#define F CMD_FAST

/* clang-format off */
const struct command hash_commands[] = {
    {"hdel", -3, CMD_WRITE | F, "hash", {1, 1, 1}, cmd_hdel, "2.0.0",
     "Removes fields of a hash, and the hash with its last one.",
     .grammar = "key@0 field+",
     .key_specs = "RW delete"},
    {"hexists", 3, R | F, "hash", {1, 1, 1}, cmd_hexists, "2.0.0",
     "Tells whether a hash has a field.",
     .grammar = "key@0 field",
     .key_specs = "RO"},
    {"hget", 3, R | F, "hash", {1, 1, 1}, cmd_hget, "2.0.0", "Gives the value of a field.",
     .grammar = "key@0 field"},
    {"hgetall", 2, R, "hash", {1, 1, 1}, cmd_hgetall, "2.0.0",
     "Gives all fields of a hash with their values.",
     .grammar = "key@0",
     .tips = "nondeterministic_output_order"},
    {"hincrby", 4, W, "hash", {1, 1, 1}, cmd_hincrby, "2.0.0",
     "Adds a number to the integer in a field; a missing field is 0.",
     .grammar = "key@0 field increment:int",
     .key_specs = "RW access update"},
    {"hincrbyfloat", 4, W, "hash", {1, 1, 1}, cmd_hincrbyfloat, "2.6.0",
     "Adds a floating-point number to the number in a field; a missing field is 0.",
     .grammar = "key@0 field increment:double",
     .key_specs = "RW access update"},
    {"hkeys", 2, R, "hash", {1, 1, 1}, cmd_hkeys, "2.0.0", "Gives the fields of a hash.",
     .grammar = "key@0",
     .tips = "nondeterministic_output_order"},
    {"hlen", 2, R | F, "hash", {1, 1, 1}, cmd_hlen, "2.0.0", "Counts the fields of a hash.",
     .grammar = "key@0",
     .key_specs = "RO"},
    {"hmget", -3, R | F, "hash", {1, 1, 1}, cmd_hmget, "2.0.0",
     "Gives the values of several fields.",
     .grammar = "key@0 field+"},
    {"hmset", -4, W, "hash", {1, 1, 1}, cmd_hmset, "2.0.0", "Stores values in fields of a hash.",
     .grammar = "!4.0.0 `HSET` with multiple field-value pairs; key@0 data{field value}+",
     .key_specs = "RW update"},
    {"hset", -4, W, "hash", {1, 1, 1}, cmd_hset, "2.0.0",
     "Stores values in fields of a hash and counts the new ones.",
     .grammar = "key@0 data{field value}+",
     .key_specs = "RW update"},
    {"hsetnx", 4, W, "hash", {1, 1, 1}, cmd_hsetnx, "2.0.0",
     "Stores a value in a field, but only if the field does not exist.",
     .grammar = "key@0 field value",
     .key_specs = "RW insert"},
    {"hstrlen", 3, R | F, "hash", {1, 1, 1}, cmd_hstrlen, "3.2.0",
     "Gives the length of a field's value in bytes.",
     .grammar = "key@0 field",
     .key_specs = "RO"},
    {"hvals", 2, R, "hash", {1, 1, 1}, cmd_hvals, "2.0.0", "Gives the values of a hash.",
     .grammar = "key@0",
     .tips = "nondeterministic_output_order"},
    {0},
};
/* clang-format on */
