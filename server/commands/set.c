/* SPDX-License-Identifier: BSD-3-Clause
 *
 * set - members of sets: adding, asking, removing, moving, walking.
 */
#include "server/commands/set.h"

#include "server/commands/commands.h"
#include "server/commands/scan_options.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"

void set_close(struct call *x, struct ref *r, uint64_t n, const char *event) {
    if (n == 0) return;
    key_changed(x, r, EVENT_SET, event);
    x->e->dirty += n - 1;
    if (set_len(r->e) > 0) return;
    key_delete(x, r, false);
    key_event(x, r, EVENT_GENERIC, "del");
}

/* ---------------------------------------------------------------- adding and removing */

/* The set of r made ready for `n` members, of which `first` is one. */
static void make_ready(struct call *x, struct ref *r, struct slice first, size_t n) {
    struct set_rules rules = set_rules(x);

    if (r->e) {
        set_expect(r->e, n, &rules);
        return;
    }
    r->e = set_new(r->key, first, n, &rules);
    db_add(r->db, r->e, r->hash);
    key_added(x, r);
}

static int cmd_sadd(struct call *x) {
    struct set_rules rules = set_rules(x);
    struct ref r = lookup_write(x, 1);
    int64_t n = 0;

    if (!check_type(x, &r, TYPE_SET)) return -1;
    make_ready(x, &r, x->argv[2], (size_t)x->argc - 2);
    for (int i = 2; i < x->argc; i++) n += set_add(r.e, x->argv[i], &rules);
    set_close(x, &r, (uint64_t)n, "sadd");
    reply_int(&x->r, n);
    return 0;
}

static int cmd_srem(struct call *x) {
    struct ref r = lookup_write(x, 1);
    int64_t n = 0;

    if (!check_type(x, &r, TYPE_SET)) return -1;
    for (int i = 2; r.e && i < x->argc; i++) n += set_remove(r.e, x->argv[i]);
    set_close(x, &r, (uint64_t)n, "srem");
    reply_int(&x->r, n);
    return 0;
}

static int cmd_smove(struct call *x) {
    struct set_rules rules = set_rules(x);
    struct ref from = lookup_write(x, 1), to = lookup_write(x, 2);
    struct slice member = x->argv[3];

    if (!from.e) {
        reply_int(&x->r, 0);
        return 0;
    }
    if (!check_type(x, &from, TYPE_SET) || !check_type(x, &to, TYPE_SET)) return -1;
    if (from.e == to.e) {
        reply_int(&x->r, set_has(from.e, member));
        return 0;
    }
    if (!set_remove(from.e, member)) {
        reply_int(&x->r, 0);
        return 0;
    }
    set_close(x, &from, 1, "srem");
    make_ready(x, &to, member, 1);
    set_close(x, &to, set_add(to.e, member, &rules), "sadd");
    reply_int(&x->r, 1);
    return 0;
}

/* ---------------------------------------------------------------- asking */

static int cmd_sismember(struct call *x) {
    struct ref r;

    if (!set_for_reading(x, 1, &r)) return -1;
    reply_int(&x->r, r.e && set_has(r.e, x->argv[2]));
    return 0;
}

static int cmd_smismember(struct call *x) {
    struct ref r;

    if (!set_for_reading(x, 1, &r)) return -1;
    reply_array(&x->r, (size_t)x->argc - 2);
    for (int i = 2; i < x->argc; i++) reply_int(&x->r, r.e && set_has(r.e, x->argv[i]));
    return 0;
}

static int cmd_scard(struct call *x) {
    struct ref r;

    if (!set_for_reading(x, 1, &r)) return -1;
    reply_int(&x->r, r.e ? (int64_t)set_len(r.e) : 0);
    return 0;
}

static void reply_visited(struct lp_value member, void *call) {
    struct call *x = call;

    reply_value(&x->r, member);
    call_breathe(x);
}

static int cmd_smembers(struct call *x) {
    struct ref r;

    if (!set_for_reading(x, 1, &r)) return -1;
    reply_set(&x->r, r.e ? set_len(r.e) : 0);
    if (r.e) set_each(r.e, reply_visited, x);
    return 0;
}

/* ---------------------------------------------------------------- SSCAN */

static void scan_visit(struct lp_value member, void *arg) {
    struct scan_walk *w = arg;
    char buf[NUM_I64_MAX];
    struct slice text = lp_value_text(member, buf);

    if (scan_item(w, text)) scan_found(w, text);
}

static uint64_t scan_step(const struct entry *e, uint64_t cursor, struct scan_walk *w) {
    return set_scan(e, cursor, scan_visit, w);
}

static int cmd_sscan(struct call *x) {
    return scan_value(x, TYPE_SET, 0, scan_step);
}

/* ---------------------------------------------------------------- rows */

#define W CMD_WRITE
#define R CMD_READONLY
#define F CMD_FAST

/* clang-format off */
const struct command set_commands[] = {
    {"sadd", -3, W | CMD_DENYOOM | F, "set", {1, 1, 1}, cmd_sadd, "1.0.0",
     "Adds members to a set and counts the new ones.",
     .grammar = "key@0 member+",
     .key_specs = "RW insert"},
    {"scard", 2, R | F, "set", {1, 1, 1}, cmd_scard, "1.0.0", "Counts the members of a set.",
     .grammar = "key@0",
     .key_specs = "RO"},
    {"sismember", 3, R | F, "set", {1, 1, 1}, cmd_sismember, "1.0.0",
     "Tells whether a value is a member of a set.",
     .grammar = "key@0 member",
     .key_specs = "RO"},
    {"smembers", 2, R, "set", {1, 1, 1}, cmd_smembers, "1.0.0", "Gives all members of a set.",
     .grammar = "key@0",
     .tips = "nondeterministic_output_order"},
    {"smismember", -3, R | F, "set", {1, 1, 1}, cmd_smismember, "6.2.0",
     "Tells which of several values are members of a set.",
     .grammar = "key@0 member+"},
    {"smove", 4, W | F, "set", {1, 2, 1}, cmd_smove, "1.0.0",
     "Takes a member out of a set and adds it to another one.",
     .grammar = "source@0 destination@1 member",
     .key_specs = "@1..0 RW access delete; @2..0 RW insert"},
    {"srem", -3, W | F, "set", {1, 1, 1}, cmd_srem, "1.0.0",
     "Removes members of a set, and the set with its last one.",
     .grammar = "key@0 member+",
     .key_specs = "RW delete"},
    {"sscan", -3, R, "set", {1, 1, 1}, cmd_sscan, "2.8.0",
     "Walks over the members of a set, some at a time.",
     .grammar = "key@0 cursor:int [MATCH=pattern:pattern] [COUNT=count:int]",
     .tips = "nondeterministic_output"},
    {0},
};
/* clang-format on */
