/* SPDX-License-Identifier: BSD-3-Clause
 *
 * list_pop - taking elements off lists and moving them to others, waiting for them if need be.
 *
 * Whatever a blocking command did is logged as its plain sister: BLPOP as LPOP, BLMOVE as LMOVE.
 */
#include "server/commands/commands.h"
#include "server/commands/list.h"
#include "server/exec/blocking.h"

/* ---------------------------------------------------------------- LPOP, RPOP */

/* n elements from one end on, in the order in which they are taken. */
static void reply_from_end(struct call *x, const struct entry *e, size_t n, bool front) {
    struct listval_iter it;

    listval_begin(&it, e, front ? 0 : listval_len(e) - 1, !front);
    for (; n > 0; n--, listval_next(&it)) reply_value(&x->r, listval_value(&it));
    listval_end(&it);
}

static int pop(struct call *x, bool front) {
    int64_t count = -1;
    struct ref r;
    size_t n;

    if (x->argc > 3) {
        return reply_errf(x, "ERR wrong number of arguments for '%s' command", x->cmd->name);
    }
    if (x->argc == 3 &&
        !arg_int_range(x, 2, 0, INT64_MAX, &count, "ERR value is out of range, must be positive"))
        return -1;
    r = lookup_write(x, 1);
    if (!r.e) {
        if (count < 0)
            reply_null(&x->r);
        else
            reply_null_array(&x->r);
        return 0;
    }
    if (!check_type(x, &r, TYPE_LIST)) return -1;
    n = listval_len(r.e);
    if (count >= 0 && (uint64_t)count < n) n = (size_t)count;
    if (count < 0)
        n = 1;
    else
        reply_array(&x->r, n);
    if (n == 0) return 0;
    reply_from_end(x, r.e, n, front);
    list_take(x, &r, n, front);
    return 0;
}

static int cmd_lpop(struct call *x) {
    return pop(x, true);
}

static int cmd_rpop(struct call *x) {
    return pop(x, false);
}

/* ---------------------------------------------------------------- the first list of several */

/* The first of the keys argv[first .. last] that is there; none: r.e is NULL. False: an error was
 * answered. */
static bool first_list(struct call *x, int first, int last, struct ref *r) {
    for (int i = first; i <= last; i++) {
        *r = lookup_write(x, i);
        if (r->e) return check_type(x, r, TYPE_LIST);
    }
    r->e = NULL;
    return true;
}

static void effect_pop(struct call *x, struct slice key, size_t n, bool front, bool counted) {
    char text[NUM_I64_MAX];
    struct slice name = front ? SLICE("LPOP") : SLICE("RPOP");

    if (counted)
        EFFECT(x, name, key, slice_of(text, (size_t)num_format_u64(text, n)));
    else
        EFFECT(x, name, key);
}

/* ---------------------------------------------------------------- BLPOP, BRPOP */

static int blocking_pop(struct call *x, bool front) {
    int last = x->argc - 2;
    uint64_t deadline_us;
    struct ref r;

    if (!arg_timeout(x, x->argc - 1, &deadline_us)) return -1;
    if (!first_list(x, 1, last, &r)) return -1;
    if (!r.e)
        return block_on_keys(x, &(struct key_block){.first = 1,
                                                    .last = last,
                                                    .type = TYPE_LIST,
                                                    .deadline_us = deadline_us,
                                                    .time_up = reply_null_array});
    reply_array(&x->r, 2);
    reply_bulk(&x->r, r.key.p, r.key.n);
    reply_from_end(x, r.e, 1, front);
    list_take(x, &r, 1, front);
    effect_pop(x, r.key, 1, front, false);
    return 0;
}

static int cmd_blpop(struct call *x) {
    return blocking_pop(x, true);
}

static int cmd_brpop(struct call *x) {
    return blocking_pop(x, false);
}

/* ---------------------------------------------------------------- LMPOP, BLMPOP */

struct mpop {
    int first, last; /* the keys */
    bool front;
    int64_t count;
};

/* From argument i on: numkeys key... LEFT|RIGHT [COUNT n] */
static bool parse_mpop(struct call *x, int i, struct mpop *o) {
    int64_t n;

    *o = (struct mpop){.first = i + 1, .count = -1};
    if (!arg_int_range(x, i, 1, INT64_MAX, &n, "ERR numkeys should be greater than 0"))
        return false;
    if (n >= x->argc - i - 1) {
        reply_err(x, ERR_SYNTAX);
        return false;
    }
    o->last = i + (int)n;
    if (!arg_list_end(x, o->last + 1, &o->front)) return false;
    for (i = o->last + 2; i < x->argc; i += 2) {
        if (o->count >= 0 || i + 1 >= x->argc || !arg_is(x, i, "count")) {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
        if (!arg_int_range(x, i + 1, 1, INT64_MAX, &o->count, "ERR count should be greater than 0"))
            return false;
    }
    if (o->count < 0) o->count = 1;
    return true;
}

static void pop_many(struct call *x, struct ref *r, const struct mpop *o) {
    size_t n = listval_len(r->e);

    if ((uint64_t)o->count < n) n = (size_t)o->count;
    reply_array(&x->r, 2);
    reply_bulk(&x->r, r->key.p, r->key.n);
    reply_array(&x->r, n);
    reply_from_end(x, r->e, n, o->front);
    list_take(x, r, n, o->front);
    effect_pop(x, r->key, n, o->front, true);
}

static int cmd_lmpop(struct call *x) {
    struct mpop o;
    struct ref r;

    if (!parse_mpop(x, 1, &o)) return -1;
    if (!first_list(x, o.first, o.last, &r)) return -1;
    if (r.e)
        pop_many(x, &r, &o);
    else
        reply_null_array(&x->r);
    return 0;
}

static int cmd_blmpop(struct call *x) {
    uint64_t deadline_us;
    struct mpop o;
    struct ref r;

    if (!parse_mpop(x, 2, &o)) return -1;
    if (!arg_timeout(x, 1, &deadline_us)) return -1;
    if (!first_list(x, o.first, o.last, &r)) return -1;
    if (!r.e)
        return block_on_keys(x, &(struct key_block){.first = o.first,
                                                    .last = o.last,
                                                    .type = TYPE_LIST,
                                                    .deadline_us = deadline_us,
                                                    .time_up = reply_null_array});
    pop_many(x, &r, &o);
    return 0;
}

/* ---------------------------------------------------------------- LMOVE and its relatives */

static void move_one(struct call *x, struct ref *from, struct ref *to, bool from_front,
                     bool to_front) {
    struct bytes keep = {0};
    struct slice s = list_end_value(from->e, from_front, &keep);

    reply_bulk(&x->r, s.p, s.n);
    if (slice_eq(from->key, to->key)) {
        /* Taken off first, so that a list of one never splits a node for it. */
        struct ql_limits lim = list_limits(x);

        listval_delete(from->e, &lim, from_front ? 0 : listval_len(from->e) - 1, 1);
        list_push(x, from, &s, 1, to_front);
        key_event(x, from, EVENT_LIST, to_front ? "lpush" : "rpush");
        key_changed(x, from, EVENT_LIST, from_front ? "lpop" : "rpop");
    } else {
        list_push(x, to, &s, 1, to_front);
        key_changed(x, to, EVENT_LIST, to_front ? "lpush" : "rpush");
        list_take(x, from, 1, from_front);
        x->e->dirty--; /* it counts as one change */
    }
    bytes_release(&keep);
}

/* Moves if there is something to move: 1; nothing: 0; -1: an error was answered. */
static int try_move(struct call *x, bool from_front, bool to_front) {
    struct ref from = lookup_write(x, 1), to;

    if (!from.e) return 0;
    if (!check_type(x, &from, TYPE_LIST)) return -1;
    to = slice_eq(x->argv[1], x->argv[2]) ? from : lookup_write(x, 2);
    if (!check_type(x, &to, TYPE_LIST)) return -1;
    move_one(x, &from, &to, from_front, to_front);
    return 1;
}

static int move(struct call *x, bool from_front, bool to_front) {
    int rc = try_move(x, from_front, to_front);

    if (rc == 0) reply_null(&x->r);
    return rc < 0 ? -1 : 0;
}

static int cmd_lmove(struct call *x) {
    bool from_front, to_front;

    if (!arg_list_end(x, 3, &from_front) || !arg_list_end(x, 4, &to_front)) return -1;
    return move(x, from_front, to_front);
}

static int cmd_rpoplpush(struct call *x) {
    return move(x, false, true);
}

/* A client that was blocked gives the words of the ends in small letters, as in Redis. */
static struct slice end_word(const struct call *x, int i, bool front) {
    if (x->from != FROM_RETRY) return x->argv[i];
    return front ? SLICE("left") : SLICE("right");
}

static int blocking_move(struct call *x, bool from_front, bool to_front) {
    uint64_t deadline_us;
    int rc;

    if (!arg_timeout(x, x->argc - 1, &deadline_us)) return -1;
    rc = try_move(x, from_front, to_front);
    if (rc < 0) return -1;
    if (rc == 0)
        return block_on_keys(x, &(struct key_block){.first = 1,
                                                    .last = 1,
                                                    .type = TYPE_LIST,
                                                    .deadline_us = deadline_us,
                                                    .time_up = reply_null_array,
                                                    .at_once = reply_null});
    if (x->argc == 4)
        EFFECT(x, SLICE("RPOPLPUSH"), x->argv[1], x->argv[2]);
    else
        EFFECT(x, SLICE("LMOVE"), x->argv[1], x->argv[2], end_word(x, 3, from_front),
               end_word(x, 4, to_front));
    return 0;
}

static int cmd_blmove(struct call *x) {
    bool from_front, to_front;

    if (!arg_list_end(x, 3, &from_front) || !arg_list_end(x, 4, &to_front)) return -1;
    return blocking_move(x, from_front, to_front);
}

static int cmd_brpoplpush(struct call *x) {
    return blocking_move(x, false, true);
}

/* ---------------------------------------------------------------- rows */

#define W (CMD_WRITE | CMD_DENYOOM)
#define B CMD_BLOCKING

/* clang-format off */
const struct command list_pop_commands[] = {
    {"lpop", -2, CMD_WRITE | CMD_FAST, "list", {1, 1, 1}, cmd_lpop, "1.0.0",
     "Takes elements off the front of a list.",
     .grammar = "key@0 [count:int^6.2.0]",
     .key_specs = "RW access delete"},
    {"rpop", -2, CMD_WRITE | CMD_FAST, "list", {1, 1, 1}, cmd_rpop, "1.0.0",
     "Takes elements off the end of a list.",
     .grammar = "key@0 [count:int^6.2.0]",
     .key_specs = "RW access delete"},
    {"blpop", -3, CMD_WRITE | B, "list", {1, -2, 1}, cmd_blpop, "2.0.0",
     "Takes an element off the front of the first list that has one, or waits for it.",
     .grammar = "key@0+ timeout:double",
     .key_specs = "RW access delete"},
    {"brpop", -3, CMD_WRITE | B, "list", {1, -2, 1}, cmd_brpop, "2.0.0",
     "Takes an element off the end of the first list that has one, or waits for it.",
     .grammar = "key@0+ timeout:double",
     .key_specs = "RW access delete"},
    {"lmpop", -4, CMD_WRITE | CMD_MOVABLE_KEYS, "list", {0, 0, 0}, cmd_lmpop, "7.0.0",
     "Takes elements off the first list that has some.",
     .grammar = "numkeys:int key@0+ where(LEFT|RIGHT) [COUNT=count:int]",
     .key_specs = "@1#0+1 RW access delete"},
    {"blmpop", -5, CMD_WRITE | B | CMD_MOVABLE_KEYS, "list", {0, 0, 0}, cmd_blmpop, "7.0.0",
     "Takes elements off the first list that has some, or waits for them.",
     .grammar = "timeout:double numkeys:int key@0+ where(LEFT|RIGHT) [COUNT=count:int]",
     .key_specs = "@2#0+1 RW access delete"},
    {"lmove", 5, W, "list", {1, 2, 1}, cmd_lmove, "6.2.0",
     "Moves an element from one end of a list to one end of a list.",
     .grammar = "source@0 destination@1 wherefrom(LEFT|RIGHT) whereto(LEFT|RIGHT)",
     .key_specs = "@1..0 RW access delete; @2..0 RW insert"},
    {"rpoplpush", 3, W, "list", {1, 2, 1}, cmd_rpoplpush, "1.2.0",
     "Moves the last element of a list to the front of a list.",
     .grammar = "!6.2.0 `LMOVE` with the `RIGHT` and `LEFT` arguments; source@0 destination@1",
     .key_specs = "@1..0 RW access delete; @2..0 RW insert"},
    {"blmove", 6, W | B, "list", {1, 2, 1}, cmd_blmove, "6.2.0",
     "Moves an element from one end of a list to one end of a list, or waits for it.",
     .grammar = "source@0 destination@1 wherefrom(LEFT|RIGHT) whereto(LEFT|RIGHT) timeout:double",
     .key_specs = "@1..0 RW access delete; @2..0 RW insert"},
    {"brpoplpush", 4, W | B, "list", {1, 2, 1}, cmd_brpoplpush, "2.2.0",
     "Moves the last element of a list to the front of a list, or waits for it.",
     .grammar = "!6.2.0 `BLMOVE` with the `RIGHT` and `LEFT` arguments; "
                "source@0 destination@1 timeout:double",
     .key_specs = "@1..0 RW access delete; @2..0 RW insert"},
    {0},
};
/* clang-format on */
