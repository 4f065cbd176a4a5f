/* SPDX-License-Identifier: BSD-3-Clause
 *
 * set_random - members that chance picks: SRANDMEMBER, SPOP. What SPOP took is logged as SREM.
 */
#include "conf/conf.h"
#include "server/commands/commands.h"
#include "server/commands/set.h"
#include "server/exec/breathe.h"

static void reply_visited(struct lp_value member, void *call) {
    struct call *x = call;

    reply_value(&x->r, member);
    call_breathe(x);
}

/* ---------------------------------------------------------------- SRANDMEMBER */

struct picking {
    struct call *x;
    const struct entry *e;
};

static void pick_members(size_t n, void *arg) {
    const struct picking *p = arg;

    set_pick(p->e, parts_now(p->x), n, reply_visited, p->x);
}

static int random_members(struct call *x) {
    uint64_t from = x->r.out->end;
    int64_t count;
    struct ref r;
    size_t n, len;

    if (!arg_random_count(x, 2, &count) || !set_for_reading(x, 1, &r)) return -1;
    len = r.e ? set_len_at(r.e, parts_now(x)) : 0;
    n = (size_t)(count < 0 ? -count : count);
    if (len == 0 || (count > 0 && n > len)) n = len;
    reply_array(&x->r, n);
    if (n == 0) return 0;
    if (count < 0) return reply_picks(x, from, n, pick_members, &(struct picking){x, r.e});
    set_sample(r.e, parts_now(x), n, reply_visited, x);
    return 0;
}

static int cmd_srandmember(struct call *x) {
    struct lp_value member;
    struct ref r;

    if (x->argc == 3) return random_members(x);
    if (x->argc > 3) return reply_err(x, ERR_SYNTAX);
    if (!set_for_reading(x, 1, &r)) return -1;
    if (r.e && set_random(r.e, parts_now(x), &member))
        reply_value(&x->r, member);
    else
        reply_null(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- SPOP */

enum { LOG_BATCH = 1024 };

/* Copies texts one after the other, each with its length before it: the set moves its own texts
 * when members are removed. */
static void keep_visited(struct lp_value member, void *arg) {
    char text[NUM_I64_MAX];
    struct slice s = lp_value_text(member, text);

    bytes_append(arg, &s.n, sizeof s.n);
    bytes_append(arg, s.p, s.n);
}

static struct slice next_kept(const struct bytes *b, size_t *at) {
    struct slice s;

    memcpy(&s.n, b->p + *at, sizeof s.n);
    s.p = b->p + *at + sizeof s.n;
    *at += sizeof s.n + s.n;
    return s;
}

/* Of n members, which are all that is not due. */
static void pop_all(struct call *x, struct ref *r, size_t n) {
    bool lazy = x->e->v->lazyfree_lazy_server_del;

    reply_set(&x->r, n);
    set_each(r->e, parts_now(x), reply_visited, x);
    key_delete(x, r, lazy);
    key_changed(x, r, EVENT_SET, "spop");
    x->e->dirty += n - 1;
    key_event(x, r, EVENT_GENERIC, "del");
    EFFECT(x, lazy ? SLICE("UNLINK") : SLICE("DEL"), r->key);
}

/* Fewer than there are. */
static void pop_some(struct call *x, struct part_edit *h, size_t n) {
    struct slice argv[2 + LOG_BATCH] = {SLICE("SREM"), h->r.key};
    struct bytes kept = {0};
    int batch = 0;

    reply_set(&x->r, n);
    set_sample(h->r.e, parts_now(x), n, keep_visited, &kept);
    for (size_t at = 0; at < kept.n;) {
        struct slice member = next_kept(&kept, &at);

        reply_bulk(&x->r, member.p, member.n);
        set_remove(h->r.e, member, parts_now(x));
        argv[2 + batch++] = member;
        if (batch < LOG_BATCH && at < kept.n) continue;
        effect(x, 2 + batch, argv);
        batch = 0;
    }
    bytes_release(&kept);
    set_close(x, h, n, "spop");
}

static int pop_members(struct call *x) {
    struct part_edit h;
    int64_t count;
    size_t len;

    if (!arg_int_range(x, 2, 0, INT64_MAX, &count, "ERR value is out of range, must be positive"))
        return -1;
    if (!set_open(x, &h)) return -1;
    len = h.r.e ? set_len_at(h.r.e, parts_now(x)) : 0;
    if (len == 0 || count == 0)
        reply_set(&x->r, 0);
    else if ((uint64_t)count >= len)
        pop_all(x, &h.r, len);
    else
        pop_some(x, &h, (size_t)count);
    return 0;
}

static int cmd_spop(struct call *x) {
    char text[NUM_I64_MAX];
    struct slice member;
    struct part_edit h;
    struct lp_value v;

    if (x->argc == 3) return pop_members(x);
    if (x->argc > 3) return reply_err(x, ERR_SYNTAX);
    if (!set_open(x, &h)) return -1;
    if (!h.r.e || !set_random(h.r.e, parts_now(x), &v)) {
        reply_null(&x->r);
        return 0;
    }
    member = lp_value_text(v, text);
    reply_bulk(&x->r, member.p, member.n);
    EFFECT(x, SLICE("SREM"), h.r.key, member);
    set_remove(h.r.e, member, parts_now(x));
    set_close(x, &h, 1, "spop");
    return 0;
}

/* ---------------------------------------------------------------- rows */

/* clang-format off */
const struct command set_random_commands[] = {
    {"spop", -2, CMD_WRITE | CMD_FAST, "set", {1, 1, 1}, cmd_spop, "1.0.0",
     "Removes any members of a set and gives them.",
     .grammar = "key@0 [count:int^3.2.0]",
     .key_specs = "RW access delete",
     .tips = "nondeterministic_output"},
    {"srandmember", -2, CMD_READONLY, "set", {1, 1, 1}, cmd_srandmember, "1.0.0",
     "Gives any members of a set.",
     .grammar = "key@0 [count:int^2.6.0]",
     .tips = "nondeterministic_output"},
    {0},
};
/* clang-format on */
