/* SPDX-License-Identifier: BSD-3-Clause
 *
 * list_move - LMOVEM and BLMOVEM: several elements from one end of a list to one end of a list. The
 * form is that of Redis 8.10.
 *
 * OBO pushes each element as it is taken, which reverses them where both ends are the same. BULK
 * keeps the order that they had. The reply has them in the order in which they stand in the
 * destination.
 *
 * What is logged is a pop and a push, which every version of Redis knows.
 */
#include "server/commands/commands.h"
#include "server/commands/list.h"
#include "server/exec/blocking.h"
#include "storage/base/mem.h"

struct move {
    bool from_front, to_front;
    bool exactly, bulk;
    int64_t count;
};

/* Elements outside of any list, from the head of the destination on. */
struct block {
    struct bytes text;
    struct slice *v;
    size_t n;
};

/* ---------------------------------------------------------------- arguments */

/* source destination LEFT|RIGHT LEFT|RIGHT, and from argument `i` on [COUNT|EXACTLY n OBO|BULK] */
static bool parse_move(struct call *x, int i, struct move *m) {
    *m = (struct move){.count = 1};
    if (!arg_list_end(x, 3, &m->from_front) || !arg_list_end(x, 4, &m->to_front)) return false;
    if (i == x->argc) return true;
    if (x->argc != i + 3) goto bad;
    m->exactly = arg_is(x, i, "exactly");
    m->bulk = arg_is(x, i + 2, "bulk");
    if (!m->exactly && !arg_is(x, i, "count")) goto bad;
    if (!m->bulk && !arg_is(x, i + 2, "obo")) goto bad;
    return arg_int_range(x, i + 1, 1, INT64_MAX, &m->count, "ERR count should be greater than 0");
bad:
    reply_err(x, ERR_SYNTAX);
    return false;
}

/* ---------------------------------------------------------------- moving */

static void take_copies(struct block *b, const struct entry *e, const struct move *m, size_t n) {
    size_t first = m->from_front ? 0 : listval_len(e) - n, at = 0;
    bool reversed = !m->bulk && m->from_front == m->to_front;
    struct listval_iter it;

    *b = (struct block){.v = mem_calloc(n * sizeof *b->v), .n = n};
    bytes_room(&b->text, 1); /* not NULL for empty elements */
    listval_begin(&it, e, reversed ? first + n - 1 : first, reversed);
    for (size_t i = 0; i < n; i++, listval_next(&it)) {
        char text[NUM_I64_MAX];
        struct slice s = lp_value_text(listval_value(&it), text);

        bytes_append(&b->text, s.p, s.n);
        b->v[i].n = s.n;
    }
    listval_end(&it);
    for (size_t i = 0; i < n; at += b->v[i++].n) b->v[i].p = b->text.p + at;
}

static void release(struct block *b) {
    bytes_release(&b->text);
    mem_free(b->v);
}

/* A push to the front takes the elements from the last one on. */
static void reverse(struct slice *v, size_t n) {
    for (size_t i = 0; i < n / 2; i++) {
        struct slice s = v[i];

        v[i] = v[n - 1 - i];
        v[n - 1 - i] = s;
    }
}

static void log_push(struct call *x, struct slice key, struct slice *v, size_t n, bool front) {
    struct slice *argv = mem_alloc((n + 2) * sizeof *argv);

    argv[0] = front ? SLICE("LPUSH") : SLICE("RPUSH");
    argv[1] = key;
    memcpy(argv + 2, v, n * sizeof *v);
    effect(x, (int)n + 2, argv);
    mem_free(argv);
}

static void log_pop(struct call *x, struct slice key, size_t n, bool front) {
    char text[NUM_I64_MAX];

    EFFECT(x, front ? SLICE("LPOP") : SLICE("RPOP"), key,
           slice_of(text, (size_t)num_format_u64(text, n)));
}

/* A list may never be empty between the two commands: it would lose its time to live. So elements
 * that are all of their own list are pushed to its end first, in their order. */
static void move_within(struct call *x, struct ref *r, const struct move *m, struct block *b) {
    struct ql_limits lim = list_limits(x);
    bool all = b->n == listval_len(r->e), to_front = m->to_front && !all;

    listval_delete(r->e, &lim, m->from_front ? 0 : listval_len(r->e) - b->n, b->n);
    if (to_front) reverse(b->v, b->n);
    list_push(x, r, b->v, b->n, to_front);
    x->e->dirty += b->n - 1;
    key_event(x, r, EVENT_LIST, m->to_front ? "lpush" : "rpush");
    key_changed(x, r, EVENT_LIST, m->from_front ? "lpop" : "rpop");
    if (!all) log_pop(x, r->key, b->n, m->from_front);
    log_push(x, r->key, b->v, b->n, to_front);
    if (all) log_pop(x, r->key, b->n, true);
}

static void move_between(struct call *x, struct ref *from, struct ref *to, const struct move *m,
                         struct block *b) {
    if (m->to_front) reverse(b->v, b->n);
    list_push(x, to, b->v, b->n, m->to_front);
    key_changed(x, to, EVENT_LIST, m->to_front ? "lpush" : "rpush");
    log_push(x, to->key, b->v, b->n, m->to_front);
    log_pop(x, from->key, b->n, m->from_front);
    list_take(x, from, b->n, m->from_front);
    x->e->dirty--; /* as many changes as elements */
}

static void carry_out(struct call *x, struct ref *from, struct ref *to, const struct move *m) {
    size_t n = listval_len(from->e);
    struct block b;

    if ((uint64_t)m->count < n) n = (size_t)m->count;
    take_copies(&b, from->e, m, n);
    reply_array(&x->r, n);
    for (size_t i = 0; i < n; i++) reply_bulk(&x->r, b.v[i].p, b.v[i].n);
    if (slice_eq(from->key, to->key))
        move_within(x, from, m, &b);
    else
        move_between(x, from, to, m, &b);
    release(&b);
}

/* 1: moved; 0: there is too little to move; -1: an error was answered. */
static int try_move(struct call *x, const struct move *m) {
    struct ref from = lookup_write(x, 1), to;

    if (!from.e) return 0;
    if (!check_type(x, &from, TYPE_LIST)) return -1;
    to = slice_eq(x->argv[1], x->argv[2]) ? from : lookup_write(x, 2);
    if (!check_type(x, &to, TYPE_LIST)) return -1;
    if (m->exactly && (uint64_t)m->count > listval_len(from.e)) return 0;
    carry_out(x, &from, &to, m);
    return 1;
}

static int cmd_lmovem(struct call *x) {
    struct move m;
    int rc;

    if (!parse_move(x, 5, &m)) return -1;
    rc = try_move(x, &m);
    if (rc == 0) reply_null_array(&x->r);
    return rc < 0 ? -1 : 0;
}

static int cmd_blmovem(struct call *x) {
    struct key_block wait = {.first = 1, .last = 1, .type = TYPE_LIST, .time_up = reply_null_array};
    struct move m;
    int rc;

    if (!parse_move(x, 6, &m) || !arg_timeout(x, 5, &wait.deadline_us)) return -1;
    rc = try_move(x, &m);
    if (rc == 0) return block_on_keys(x, &wait);
    return rc < 0 ? -1 : 0;
}

/* ---------------------------------------------------------------- rows */

#define W       (CMD_WRITE | CMD_DENYOOM)
#define OPTIONS "[options{amount(COUNT=count:int|EXACTLY=exactly:int) order(OBO|BULK)}]"

/* clang-format off */
const struct command list_move_commands[] = {
    {"lmovem", -5, W, "list", {1, 2, 1}, cmd_lmovem, "8.10.0",
     "Moves elements from one end of a list to one end of a list.",
     .grammar = "source@0 destination@1 wherefrom(LEFT|RIGHT) whereto(LEFT|RIGHT) " OPTIONS,
     .key_specs = "@1..0 RW access delete; @2..0 RW insert"},
    {"blmovem", -6, W | CMD_BLOCKING, "list", {1, 2, 1}, cmd_blmovem, "8.10.0",
     "Moves elements from one end of a list to one end of a list, or waits for them.",
     .grammar = "source@0 destination@1 wherefrom(LEFT|RIGHT) whereto(LEFT|RIGHT) timeout:double "
                OPTIONS,
     .key_specs = "@1..0 RW access delete; @2..0 RW insert"},
    {0},
};
/* clang-format on */
