/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hyperloglog - PFADD, PFCOUNT, PFMERGE: strings that estimate how many different elements there
 * are. Their bytes are Redis'; what they mean is storage/ds/hyperloglog's matter.
 */
#include "storage/ds/hyperloglog.h"
#include "conf/conf.h"
#include "server/commands/commands.h"
#include "server/commands/repeats.h"
#include "server/commands/support.h"
#include "server/exec/breathe.h"
#include "storage/base/num.h"
#include "storage/base/rng.h"

#include <math.h>

#define ERR_NOT_HLL "WRONGTYPE Key is not a valid HyperLogLog string value."
#define ERR_CORRUPT "INVALIDOBJ Corrupted HLL object detected"

/* False, and an error, if there is something that is no hyperloglog. */
static bool check_hll(struct call *x, const struct ref *r) {
    if (!check_type(x, r, TYPE_STRING)) return false;
    if (!r->e || hll_is_one(entry_string(r->e))) return true;
    reply_err(x, ERR_NOT_HLL);
    return false;
}

enum { MERGE_STEPS = 64 }; /* of call_breathe(), for one merge */

/* ---------------------------------------------------------------- writing */

static void store(struct call *x, struct ref *r, const char *p, size_t n) {
    store_string(x, r, slice_of(p, n), r->e ? DB_KEEP_EXPIRE : ENTRY_NO_EXPIRE, ENTRY_RAW);
}

static void make_empty(struct call *x, struct ref *r) {
    char empty[HLL_EMPTY_BYTES];

    hll_make_empty(empty);
    store(x, r, empty, sizeof empty);
}

/* The bytes of r's string, to be changed in place. */
static char *writable(struct ref *r) {
    char *p;

    r->e = db_resize_string(r->db, r->e, r->hash, entry_string(r->e).n, &p);
    return p;
}

/* What was used as a hyperloglog once has encoding "raw", as in Redis. */
static void make_raw(struct ref *r) {
    if (r->e && !(r->e->flags & ENTRY_RAW)) writable(r);
}

/* Small strings stay in their entries, whose allocations grow by steps of a quarter. */
static void edit_sparse(struct call *x, struct ref *r, const struct hll_edit *edit) {
    size_t n = entry_string(r->e).n, room = n + edit->n - edit->old, now;
    char small[ENTRY_EMBED_MAX], *p = small;

    if (r->e->flags & ENTRY_EMBEDDED && room <= sizeof small) {
        memcpy(small, entry_string(r->e).p, n);
        now = hll_apply(small, n, edit);
        store(x, r, small, now);
        return;
    }
    r->e = db_resize_string(r->db, r->e, r->hash, room > n ? room : n, &p);
    now = hll_apply(p, n, edit);
    r->e = db_resize_string(r->db, r->e, r->hash, now, &p);
}

static bool make_dense(struct call *x, struct ref *r) {
    char dense[HLL_DENSE_BYTES];

    if (!hll_to_dense(entry_string(r->e), dense)) return false;
    store(x, r, dense, sizeof dense);
    return true;
}

static enum hll_result mark(struct call *x, struct ref *r, struct hll_mark m) {
    struct hll_edit edit;
    enum hll_result what =
        hll_look(entry_string(r->e), m, (size_t)x->e->v->hll_sparse_max_bytes, &edit);

    if (what == HLL_EDIT) {
        edit_sparse(x, r, &edit);
    } else if (what == HLL_WRITE) {
        hll_write(writable(r), m);
    } else if (what == HLL_GROW) {
        if (!make_dense(x, r)) return HLL_CORRUPT;
        hll_write(writable(r), m);
    }
    return what;
}

/* ---------------------------------------------------------------- PFADD */

static int cmd_pfadd(struct call *x) {
    struct ref r = lookup_write(x, 1);
    uint64_t changes = 0;
    bool corrupt = false;

    if (!check_hll(x, &r)) return -1;
    make_raw(&r);
    if (!r.e) {
        make_empty(x, &r);
        changes++;
    }
    for (int i = 2; i < x->argc && !corrupt; i++) {
        enum hll_result what = mark(x, &r, hll_mark_of(x->argv[i]));

        corrupt = what == HLL_CORRUPT;
        changes += what != HLL_SAME && !corrupt;
    }
    if (changes) {
        hll_outdate(writable(&r));
        key_changed(x, &r, EVENT_STRING, "pfadd");
        x->e->dirty += changes - 1;
    }
    if (corrupt) return reply_err(x, ERR_CORRUPT);
    reply_int(&x->r, changes > 0);
    return 0;
}

/* ---------------------------------------------------------------- PFCOUNT */

/* The registers of all that arguments `from` and on name, the largest of each. False: answered with
 * an error. *any_dense: one of them is. */
static bool merge_args(struct call *x, int from, uint8_t max[HLL_REGISTERS], bool *any_dense) {
    struct repeats repeats;
    bool ok = true;

    memset(max, 0, HLL_REGISTERS);
    repeats_init(&repeats, (size_t)(x->argc - from));
    for (int i = from; i < x->argc && ok; i++) {
        struct ref r = lookup_read(x, i);

        ok = check_hll(x, &r);
        if (!ok || !r.e || repeats_has(&repeats, r.e)) continue;
        if (hll_is_dense(entry_string(r.e))) *any_dense = true;
        call_breathe_by(x, MERGE_STEPS);
        ok = hll_merge(max, entry_string(r.e));
        if (!ok) reply_err(x, ERR_CORRUPT);
    }
    repeats_release(&repeats);
    return ok;
}

/* A count that had to be made is kept in the string, which is a change of its bytes. */
static int count_one(struct call *x) {
    struct ref r = lookup_read(x, 1);
    uint64_t n = 0;

    if (!check_hll(x, &r)) return -1;
    make_raw(&r);
    if (r.e && !hll_cached(entry_string(r.e), &n)) {
        if (!hll_count(entry_string(r.e), &n)) return reply_err(x, ERR_CORRUPT);
        hll_put_cached(writable(&r), n);
        key_changed_quietly(x, &r);
    }
    reply_int(&x->r, (int64_t)n);
    return 0;
}

static int cmd_pfcount(struct call *x) {
    uint8_t max[HLL_REGISTERS];
    bool any_dense = false;

    if (x->argc == 2) return count_one(x);
    if (!merge_args(x, 1, max, &any_dense)) return -1;
    reply_int(&x->r, (int64_t)hll_count_registers(max));
    return 0;
}

/* ---------------------------------------------------------------- PFMERGE */

/* One after the other, as Redis: what runs come of it depends on the order. */
static void mark_all(struct call *x, struct ref *r, const uint8_t reg[HLL_REGISTERS]) {
    for (uint32_t i = 0; i < HLL_REGISTERS; i++)
        if (reg[i]) mark(x, r, (struct hll_mark){i, reg[i]});
}

static int cmd_pfmerge(struct call *x) {
    uint8_t max[HLL_REGISTERS];
    bool any_dense = false;
    struct ref r;

    if (!merge_args(x, 1, max, &any_dense)) return -1;
    r = lookup_write(x, 1);
    if (!r.e) make_empty(x, &r);
    if (any_dense) make_dense(x, &r); /* it was read just now: it is not corrupt */
    if (any_dense)
        hll_write_all(writable(&r), max);
    else
        mark_all(x, &r, max);
    hll_outdate(writable(&r));
    key_changed(x, &r, EVENT_STRING, "pfadd");
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- PFDEBUG */

/* False: answered with an error. */
static bool dense_for_debug(struct call *x, struct ref *r, bool *changed) {
    *changed = !hll_is_dense(entry_string(r->e));
    if (!*changed) return true;
    if (!make_dense(x, r)) {
        reply_err(x, ERR_CORRUPT);
        return false;
    }
    key_changed_quietly(x, r);
    return true;
}

static int debug_registers(struct call *x, struct ref *r) {
    uint8_t reg[HLL_REGISTERS] = {0};
    bool changed;

    if (!dense_for_debug(x, r, &changed)) return -1;
    hll_merge(reg, entry_string(r->e));
    reply_array(&x->r, HLL_REGISTERS);
    for (int i = 0; i < HLL_REGISTERS; i++) reply_int(&x->r, reg[i]);
    return 0;
}

static int debug_decode(struct call *x, const struct ref *r) {
    struct bytes text = {0};

    if (hll_is_dense(entry_string(r->e))) return reply_err(x, "ERR HLL encoding is not sparse");
    hll_describe(entry_string(r->e), &text);
    while (text.n && text.p[text.n - 1] == ' ') text.n--;
    reply_bulk(&x->r, text.p, text.n);
    bytes_release(&text);
    return 0;
}

static int cmd_pfdebug(struct call *x) {
    struct ref r = lookup_write(x, 2);
    bool changed;

    if (!r.e) return reply_err(x, "ERR The specified key does not exist");
    if (!check_hll(x, &r)) return -1;
    make_raw(&r);
    if (arg_is(x, 1, "getreg")) return debug_registers(x, &r);
    if (arg_is(x, 1, "decode")) return debug_decode(x, &r);
    if (arg_is(x, 1, "encoding")) {
        reply_simple(&x->r, hll_is_dense(entry_string(r.e)) ? "dense" : "sparse");
        return 0;
    }
    if (!arg_is(x, 1, "todense"))
        return reply_errf(x, "ERR Unknown PFDEBUG subcommand '%.*s'",
                          (int)strnlen(x->argv[1].p, x->argv[1].n > 900 ? 900 : x->argv[1].n),
                          x->argv[1].p);
    if (!dense_for_debug(x, &r, &changed)) return -1;
    reply_int(&x->r, changed);
    return 0;
}

/* ---------------------------------------------------------------- PFSELFTEST */

enum { SELFTEST_ELEMENTS = 200000 };

/* Registers keep what is written to them, and leave their neighbours alone. */
static bool registers_work(char *dense, uint8_t *want) {
    uint8_t got[HLL_REGISTERS];

    for (int i = 0; i < 4 * HLL_REGISTERS; i++) {
        struct hll_mark m = {(uint32_t)rng_below(HLL_REGISTERS),
                             (uint8_t)rng_below(HLL_VALUE_MAX + 1)};

        hll_write(dense, m);
        want[m.reg] = m.value;
    }
    memset(got, 0, sizeof got);
    hll_merge(got, slice_of(dense, HLL_DENSE_BYTES));
    return memcmp(got, want, sizeof got) == 0;
}

/* Five times the standard error of 1.04 / sqrt(registers) is allowed. */
static bool is_close(uint64_t got, uint64_t want) {
    return fabs((double)got - (double)want) <= ceil((double)want * 5 * 1.04 / sqrt(HLL_REGISTERS));
}

static bool estimates_work(char *dense) {
    uint64_t seed = rng_u64(), n, checkpoint = 1;
    struct slice s = slice_of(dense, HLL_DENSE_BYTES);

    for (uint64_t i = 1; i <= SELFTEST_ELEMENTS; i++) {
        uint64_t element = seed ^ i;
        struct hll_mark m = hll_mark_of(slice_of(&element, sizeof element));
        struct hll_edit unused;

        if (hll_look(s, m, 0, &unused) == HLL_WRITE) hll_write(dense, m);
        if (i != checkpoint) continue;
        if (!hll_count(s, &n) || !is_close(n, i)) return false;
        checkpoint *= 10;
    }
    return true;
}

static int cmd_pfselftest(struct call *x) {
    char empty[HLL_EMPTY_BYTES], dense[HLL_DENSE_BYTES];
    uint8_t want[HLL_REGISTERS] = {0};

    hll_make_empty(empty);
    if (!hll_to_dense(slice_of(empty, sizeof empty), dense) || !registers_work(dense, want))
        return reply_err(x, "TESTFAILED Registers do not keep what is written to them");
    hll_to_dense(slice_of(empty, sizeof empty), dense);
    if (!estimates_work(dense)) return reply_err(x, "TESTFAILED Too large an error");
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- rows */

#define W (CMD_WRITE | CMD_DENYOOM)

/* clang-format off */
const struct command hyperloglog_commands[] = {
    {"pfadd", -2, W | CMD_FAST, "hyperloglog", {1, 1, 1}, cmd_pfadd, "2.8.9",
     "Adds elements to the estimate of a HyperLogLog.",
     .grammar = "key@0 [element+]",
     .key_specs = "RW insert"},
    {"pfcount", -2, CMD_READONLY | CMD_MAY_REPLICATE, "hyperloglog", {1, -1, 1}, cmd_pfcount, "2.8.9",
     "Estimates how many different elements HyperLogLogs have seen together.",
     .grammar = "key@0+",
     .key_specs = "RW access (RW because it may change the internal representation of the key, "
                  "and propagate to replicas)"},
    {"pfdebug", 3, W | CMD_ADMIN, "hyperloglog", {2, 2, 1}, cmd_pfdebug, "2.8.9",
     "Shows the inside of a HyperLogLog.",
     .grammar = "!syscmd; subcommand key@0",
     .key_specs = "RW access"},
    {"pfmerge", -2, W, "hyperloglog", {1, -1, 1}, cmd_pfmerge, "2.8.9",
     "Merges several HyperLogLogs into one.",
     .grammar = "destkey@0 [sourcekey@1+]",
     .key_specs = "@1..0 RW access insert; @2..-1 RO access"},
    {"pfselftest", 1, CMD_ADMIN, "hyperloglog", {0, 0, 0}, cmd_pfselftest, "2.8.9",
     "Tests the registers and the estimates.",
     .grammar = "!syscmd; "},
    {0},
};
/* clang-format on */
