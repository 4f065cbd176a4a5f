/* SPDX-License-Identifier: BSD-3-Clause
 *
 * set - members of sets: adding, asking, removing, moving, walking.
 */
#include "server/commands/set.h"

#include "server/commands/commands.h"
#include "server/commands/scan_options.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"

/* ---------------------------------------------------------------- adding and removing */

void set_make_ready(struct call *x, struct ref *r, struct slice first, size_t n,
                    const struct set_rules *rules) {
    if (r->e) {
        set_expect(r->e, n, rules);
        return;
    }
    r->e = set_new(r->key, first, n, rules);
    db_add(r->db, r->e, r->hash);
    key_added(x, r);
}

void set_note_due(struct call *x, const struct part_edit *h, int first, int n,
                  struct part_list *due) {
    if (h->due_before == ENTRY_NO_EXPIRE || h->due_before > parts_now(x)) return;
    for (int i = first; i < first + n; i++)
        if (!set_has(h->r.e, x->argv[i], parts_now(x)) && set_has(h->r.e, x->argv[i], PARTS_ALL))
            part_list_add(due, x->argv[i]);
}

/* Logs the command, and that those members which were due have no time now. */
static void log_renewed(struct call *x, const struct part_edit *h, struct part_list *due) {
    if (due->n == 0) return;
    effect(x, x->argc, x->argv);
    parts_log_persist(x, h, due);
    part_list_release(due);
}

static int cmd_sadd(struct call *x) {
    struct set_rules rules = set_rules(x);
    struct part_list due = {0};
    struct part_edit h;
    int64_t n = 0;

    if (!set_open(x, &h)) return -1;
    if (h.due_before != ENTRY_NO_EXPIRE) set_note_due(x, &h, 2, x->argc - 2, &due);
    set_make_ready(x, &h.r, x->argv[2], (size_t)x->argc - 2, &rules);
    for (int i = 2; i < x->argc; i++) n += set_add(h.r.e, x->argv[i], &rules);
    log_renewed(x, &h, &due);
    set_added(x, &h, (uint64_t)n);
    reply_int(&x->r, n);
    return 0;
}

static int cmd_srem(struct call *x) {
    struct part_list deleted = {0};
    struct part_edit h;
    int64_t n = 0;

    if (!set_open(x, &h)) return -1;
    for (int i = 2; h.r.e && i < x->argc; i++) {
        if (!set_remove(h.r.e, x->argv[i], parts_now(x))) continue;
        n++;
        if (h.due_before != ENTRY_NO_EXPIRE) part_list_add(&deleted, x->argv[i]);
    }
    /* A due member that was named stays; it must do so when the AOF is read back. */
    parts_log_delete(x, &h, &deleted);
    part_list_release(&deleted);
    set_close(x, &h, (uint64_t)n, "srem");
    reply_int(&x->r, n);
    return 0;
}

/* Of `from` the member was removed. */
static void add_moved(struct call *x, struct part_edit *from, struct part_edit *to) {
    struct set_rules rules = set_rules(x);
    struct slice member = x->argv[3];
    struct part_list due = {0};

    set_note_due(x, to, 3, 1, &due);
    log_renewed(x, to, &due);
    set_close(x, from, 1, "srem");
    set_make_ready(x, &to->r, member, 1, &rules);
    set_added(x, to, set_add(to->r.e, member, &rules));
}

static int cmd_smove(struct call *x) {
    struct part_edit from = {lookup_write(x, 1), &set_parts, ENTRY_NO_EXPIRE};
    struct part_edit to = {lookup_write(x, 2), &set_parts, ENTRY_NO_EXPIRE};
    struct slice member = x->argv[3];

    if (!from.r.e) {
        reply_int(&x->r, 0);
        return 0;
    }
    if (!check_type(x, &from.r, TYPE_SET) || !check_type(x, &to.r, TYPE_SET)) return -1;
    if (from.r.e == to.r.e) {
        reply_int(&x->r, set_has(from.r.e, member, parts_now(x)));
        return 0;
    }
    from.due_before = set_next_due(from.r.e);
    if (to.r.e) to.due_before = set_next_due(to.r.e);
    if (!set_remove(from.r.e, member, parts_now(x))) {
        reply_int(&x->r, 0);
        return 0;
    }
    add_moved(x, &from, &to);
    reply_int(&x->r, 1);
    return 0;
}

/* ---------------------------------------------------------------- asking */

static int cmd_sismember(struct call *x) {
    struct ref r;

    if (!set_for_reading(x, 1, &r)) return -1;
    reply_int(&x->r, r.e && set_has(r.e, x->argv[2], parts_now(x)));
    return 0;
}

static int cmd_smismember(struct call *x) {
    struct ref r;

    if (!set_for_reading(x, 1, &r)) return -1;
    reply_array(&x->r, (size_t)x->argc - 2);
    for (int i = 2; i < x->argc; i++) {
        reply_int(&x->r, r.e && set_has(r.e, x->argv[i], parts_now(x)));
        call_breathe(x);
    }
    return 0;
}

static int cmd_scard(struct call *x) {
    struct ref r;

    if (!set_for_reading(x, 1, &r)) return -1;
    reply_int(&x->r, r.e ? (int64_t)set_len_at(r.e, parts_now(x)) : 0);
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
    reply_set(&x->r, r.e ? set_len_at(r.e, parts_now(x)) : 0);
    if (r.e) set_each(r.e, parts_now(x), reply_visited, x);
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
    return set_scan(e, cursor, parts_now(w->x), scan_visit, w);
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
