/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hash_fields - HGETEX, HSETEX and HGETDEL, and what they share with the commands for times.
 */
#include "server/commands/hash_fields.h"

#include "server/commands/commands.h"
#include "storage/base/mem.h"

/* 2^46 - 1: what Redis has room for. */
#define TIME_MAX ((INT64_C(1) << 46) - 1)

/* ---------------------------------------------------------------- arguments */

bool parse_fields(struct call *x, int i, const char *bad_count, struct fields *f) {
    int64_t n;

    if (i + 1 >= x->argc || !arg_is(x, i, "fields")) {
        reply_err(x, "ERR Mandatory argument FIELDS is missing or not at the right position");
        return false;
    }
    if (!arg_int_range(x, i + 1, 1, INT64_MAX, &n,
                       bad_count ? bad_count : "ERR Number of fields must be a positive integer"))
        return false;
    if (n != x->argc - i - 2) {
        reply_err(x, "ERR The `numfields` parameter must match the number of arguments");
        return false;
    }
    *f = (struct fields){i + 2, (int)n};
    return true;
}

bool hash_arg_time(struct call *x, int i, bool seconds, bool relative, int64_t *when_ms) {
    int64_t v, base = relative ? x->now_ms : 0;

    if (!arg_int(x, i, &v)) return false;
    if (v < 0) {
        reply_err(x, "ERR invalid expire time, must be >= 0");
        return false;
    }
    if (seconds && v <= TIME_MAX / 1000) {
        v *= 1000;
        seconds = false;
    }
    if (seconds || v > TIME_MAX - base) {
        reply_bad_expire(x);
        return false;
    }
    *when_ms = v + base > 0 ? v + base : 1; /* 0 would be no time; both are long over */
    return true;
}

/* ---------------------------------------------------------------- the AOF */

void field_list_add(struct field_list *l, struct slice field) {
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 8;
        l->v = mem_realloc(l->v, l->cap * sizeof *l->v);
    }
    l->v[l->n++] = field;
}

void field_list_release(struct field_list *l) {
    mem_free(l->v);
}

enum { HEAD_MAX = 5 };

/* Propagates the command that consists of `head` and the fields. */
static void log_fields(struct call *x, const struct slice *head, int nhead,
                       const struct field_list *l) {
    struct slice *argv;

    if (l->n == 0) return;
    argv = mem_alloc((HEAD_MAX + l->n) * sizeof *argv);
    memcpy(argv, head, (size_t)nhead * sizeof *head);
    memcpy(argv + nhead, l->v, l->n * sizeof *argv);
    effect(x, nhead + (int)l->n, argv);
    mem_free(argv);
}

void hash_log_delete(struct call *x, const struct hash_edit *h, const struct field_list *l) {
    log_fields(x, (struct slice[]){SLICE("HDEL"), h->r.key}, 2, l);
}

void hash_log_persist(struct call *x, const struct hash_edit *h, const struct field_list *l) {
    char count[NUM_I64_MAX];
    struct slice n = slice_of(count, (size_t)num_format_u64(count, l->n));

    log_fields(x, (struct slice[]){SLICE("HPERSIST"), h->r.key, SLICE("FIELDS"), n}, 4, l);
}

void hash_log_time(struct call *x, const struct hash_edit *h, const struct field_list *l,
                   int64_t when_ms) {
    char count[NUM_I64_MAX], text[NUM_I64_MAX];
    struct slice n = slice_of(count, (size_t)num_format_u64(count, l->n));
    struct slice when = slice_of(text, (size_t)num_format_i64(text, when_ms));

    if (hash_is_over(x, when_ms))
        hash_log_delete(x, h, l);
    else
        log_fields(x, (struct slice[]){SLICE("HPEXPIREAT"), h->r.key, when, SLICE("FIELDS"), n}, 5,
                   l);
}

/* ---------------------------------------------------------------- options */

/* What HGETEX and HSETEX do with times. */
enum time_mode { TIME_NONE, TIME_SET, TIME_KEEP, TIME_PERSIST };

struct time_option {
    enum time_mode mode;
    int64_t when_ms; /* with TIME_SET */
};

/* Takes the option at argument *i, and what belongs to it. 1: it was one; 0: it is something else;
 * -1: answered with an error. `other`: the word that is there beside the four with a time. */
static int parse_time_option(struct call *x, int *i, const char *other, enum time_mode other_mode,
                             struct time_option *o) {
    bool ex = arg_is(x, *i, "ex"), exat = arg_is(x, *i, "exat");
    bool timed = ex || exat || arg_is(x, *i, "px") || arg_is(x, *i, "pxat");

    if (!timed && !arg_is(x, *i, other)) return 0;
    if (o->mode != TIME_NONE)
        return reply_errf(x, "ERR Only one of EX, PX, EXAT, PXAT or %s arguments can be specified",
                          other_mode == TIME_KEEP ? "KEEPTTL" : "PERSIST");
    o->mode = timed ? TIME_SET : other_mode;
    if (!timed) return 1;
    if (*i + 1 == x->argc) return reply_err(x, "ERR missing expire time");
    ++*i;
    return hash_arg_time(x, *i, ex || exat, ex || arg_is(x, *i - 1, "px"), &o->when_ms) ? 1 : -1;
}

/* ---------------------------------------------------------------- HGETEX, HGETDEL */

static void reply_item(struct call *x, bool found, const struct hash_item *item) {
    if (found)
        reply_value(&x->r, item->value);
    else
        reply_null(&x->r);
}

/* Does to a field that was just read what HGETEX is told to; true if that is a change. */
static bool touch_field(struct call *x, struct hash_edit *h, const struct time_option *o,
                        const struct hash_item *item, struct slice field) {
    if (o->mode == TIME_PERSIST && item->expire_ms) {
        hash_set_expire(h->r.e, field, 0);
        return true;
    }
    if (o->mode != TIME_SET) return false;
    if (hash_is_over(x, o->when_ms))
        hash_delete(h->r.e, field, hash_now(x));
    else
        hash_set_expire(h->r.e, field, o->when_ms);
    return true;
}

static int cmd_hgetex(struct call *x) {
    struct time_option o = {TIME_NONE, 0};
    struct field_list changed = {0};
    struct fields f;
    struct hash_edit h;
    int i = 2, is_option;

    if (!hash_open(x, &h)) return -1;
    is_option = parse_time_option(x, &i, "persist", TIME_PERSIST, &o);
    if (is_option < 0 || !parse_fields(x, i + is_option, NULL, &f)) return -1;
    if (h.r.e && o.mode == TIME_SET) hash_allow_times(h.r.e);
    reply_array(&x->r, (size_t)f.n);
    for (i = f.first; i < f.first + f.n; i++) {
        struct hash_item item;
        bool found = h.r.e && hash_get(h.r.e, x->argv[i], hash_now(x), &item);

        reply_item(x, found, &item);
        if (found && touch_field(x, &h, &o, &item, x->argv[i]))
            field_list_add(&changed, x->argv[i]);
    }
    if (o.mode == TIME_PERSIST)
        hash_log_persist(x, &h, &changed);
    else if (o.mode == TIME_SET)
        hash_log_time(x, &h, &changed, o.when_ms);
    hash_close(x, &h, changed.n,
               o.mode == TIME_PERSIST       ? "hpersist"
               : hash_is_over(x, o.when_ms) ? "hdel"
                                            : "hexpire");
    field_list_release(&changed);
    return 0;
}

static int cmd_hgetdel(struct call *x) {
    struct field_list deleted = {0};
    struct fields f;
    struct hash_edit h;

    if (!hash_open(x, &h) || !parse_fields(x, 2, NULL, &f)) return -1;
    reply_array(&x->r, (size_t)f.n);
    for (int i = f.first; i < f.first + f.n; i++) {
        struct hash_item item;
        bool found = h.r.e && hash_get(h.r.e, x->argv[i], hash_now(x), &item);

        reply_item(x, found, &item);
        if (!found) continue;
        hash_delete(h.r.e, x->argv[i], hash_now(x));
        field_list_add(&deleted, x->argv[i]);
    }
    hash_log_delete(x, &h, &deleted);
    hash_close(x, &h, deleted.n, "hdel");
    field_list_release(&deleted);
    return 0;
}

/* ---------------------------------------------------------------- HSETEX */

struct setex {
    struct time_option time;
    bool if_none, if_all;       /* FNX, FXX: of the fields */
    bool if_no_key, if_has_key; /* NX, XX, of Valkey 9.1 */
    int first, n;               /* field, value, ...: n pairs */
};

/* "FIELDS n field value ..." at argument *i; leaves the last of them there. */
static bool parse_pairs(struct call *x, int *i, struct setex *o) {
    int64_t n;

    if (o->n) {
        reply_err(x, "ERR FIELDS keyword specified multiple times");
        return false;
    }
    if (*i + 1 >= x->argc) {
        reply_errf(x, "ERR wrong number of arguments for '%s' command", x->cmd->name);
        return false;
    }
    if (!arg_int_range(x, *i + 1, 1, INT32_MAX, &n, "ERR invalid number of fields")) return false;
    if (n > (x->argc - *i - 2) / 2) {
        reply_errf(x, "ERR wrong number of arguments for '%s' command", x->cmd->name);
        return false;
    }
    o->first = *i + 2;
    o->n = (int)n;
    *i = o->first + 2 * o->n - 1;
    return true;
}

/* FNX or FXX once, and beside it NX or XX. 1: it was one; 0: something else; -1: an error. */
static int parse_condition(struct call *x, int i, struct setex *o) {
    if (arg_is(x, i, "fnx") || arg_is(x, i, "fxx")) {
        if (o->if_none || o->if_all)
            return reply_err(x, "ERR Only one of FXX or FNX arguments can be specified");
        o->if_none = arg_is(x, i, "fnx");
        o->if_all = !o->if_none;
        return 1;
    }
    if (!arg_is(x, i, "nx") && !arg_is(x, i, "xx")) return 0;
    if (arg_is(x, i, "nx") ? o->if_has_key : o->if_no_key) return reply_err(x, ERR_SYNTAX);
    o->if_no_key = arg_is(x, i, "nx");
    o->if_has_key = !o->if_no_key;
    return 1;
}

static bool parse_setex(struct call *x, struct setex *o) {
    *o = (struct setex){{TIME_NONE, 0}};
    for (int i = 2; i < x->argc; i++) {
        int is_option = parse_time_option(x, &i, "keepttl", TIME_KEEP, &o->time);

        if (is_option == 0) is_option = parse_condition(x, i, o);
        if (is_option < 0) return false;
        if (is_option) continue;
        if (arg_is(x, i, "fields")) {
            if (!parse_pairs(x, &i, o)) return false;
        } else {
            reply_errf(x, "ERR unknown argument: %.*s",
                       (int)(x->argv[i].n < 128 ? x->argv[i].n : 128), x->argv[i].p);
            return false;
        }
    }
    if (o->n) return true;
    reply_err(x, "ERR missing FIELDS argument");
    return false;
}

static bool may_set(struct call *x, const struct hash_edit *h, const struct setex *o) {
    struct hash_item item;

    if (h->r.e ? o->if_no_key : o->if_has_key) return false;
    if (!o->if_none && !o->if_all) return true;
    for (int i = 0; i < o->n; i++) {
        struct slice field = x->argv[o->first + 2 * i];
        bool found = h->r.e && hash_get(h->r.e, field, hash_now(x), &item);

        if (found != o->if_all) return false;
    }
    return true;
}

/* The time is over: what would be set is deleted instead. */
static void delete_pairs(struct call *x, struct hash_edit *h, const struct setex *o) {
    struct field_list deleted = {0};

    for (int i = 0; h->r.e && i < o->n; i++) {
        struct slice field = x->argv[o->first + 2 * i];

        if (hash_delete(h->r.e, field, hash_now(x))) field_list_add(&deleted, field);
    }
    hash_log_delete(x, h, &deleted);
    hash_close(x, h, deleted.n, "hdel");
    field_list_release(&deleted);
}

/* Logged as HSET, and HPEXPIREAT of those that have a time then. */
static void set_pairs(struct call *x, struct hash_edit *h, const struct setex *o) {
    struct slice head[2] = {SLICE("HSET"), h->r.key};
    struct field_list pairs = {(struct slice *)&x->argv[o->first], (size_t)o->n * 2, 0};
    struct hash_rules rules = hash_rules(x);
    struct field_list timed = {0};

    hash_make(x, h);
    log_fields(x, head, 2, &pairs);
    for (int i = o->first; i < o->first + 2 * o->n; i += 2) {
        struct slice field = x->argv[i];
        struct field_list kept = {&field, 1, 0};
        struct hash_item item;

        hash_set(h->r.e, field, x->argv[i + 1], o->time.mode == TIME_KEEP, &rules);
        if (o->time.mode == TIME_SET) {
            hash_set_expire(h->r.e, field, o->time.when_ms);
            field_list_add(&timed, field);
        } else if (o->time.mode == TIME_KEEP && hash_get(h->r.e, field, rules.now_ms, &item) &&
                   item.expire_ms) {
            hash_log_time(x, h, &kept, item.expire_ms);
        }
    }
    hash_log_time(x, h, &timed, o->time.when_ms);
    hash_close(x, h, (uint64_t)o->n, "hset");
    if (timed.n) key_event(x, &h->r, EVENT_HASH, "hexpire");
    field_list_release(&timed);
}

static int cmd_hsetex(struct call *x) {
    struct setex o;
    struct hash_edit h;

    if (!parse_setex(x, &o) || !hash_open(x, &h)) return -1;
    if (!may_set(x, &h, &o)) {
        reply_int(&x->r, 0);
        return 0;
    }
    if (o.time.mode == TIME_SET && hash_is_over(x, o.time.when_ms))
        delete_pairs(x, &h, &o);
    else
        set_pairs(x, &h, &o);
    reply_int(&x->r, 1);
    return 0;
}

/* ---------------------------------------------------------------- rows */

#define EXPIRATION                                                                                 \
    "EX=seconds:int|PX=milliseconds:int|EXAT=unix-time-seconds:time|"                              \
    "PXAT=unix-time-milliseconds:time"

/* clang-format off */
const struct command hash_fields_commands[] = {
    {"hgetdel", -5, CMD_WRITE | CMD_FAST, "hash", {1, 1, 1}, cmd_hgetdel, "8.0.0",
     "Gives the values of fields and removes these.",
     .grammar = "key@0 FIELDS=fields{numfields:int field+}",
     .key_specs = "RW access delete"},
    {"hgetex", -5, CMD_WRITE | CMD_FAST, "hash", {1, 1, 1}, cmd_hgetex, "8.0.0",
     "Gives the values of fields and sets or removes their time to live.",
     .grammar = "key@0 [expiration(" EXPIRATION "|PERSIST)] FIELDS=fields{numfields:int field+}",
     .key_specs = "RW access update"},
    {"hsetex", -6, CMD_WRITE | CMD_DENYOOM | CMD_FAST, "hash", {1, 1, 1}, cmd_hsetex, "8.0.0",
     "Stores values in fields of a hash together with their time to live.",
     .grammar = "key@0 [condition(FNX|FXX)] [expiration(" EXPIRATION "|KEEPTTL)] "
                "FIELDS=fields{numfields:int data{field value}+}",
     .key_specs = "RW update"},
    {0},
};
/* clang-format on */
