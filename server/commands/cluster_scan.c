/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cluster_scan - CLUSTERSCAN: walking over the keys of a whole cluster. The form is that of Valkey
 * 9.1; what stands in a cursor is each server's own.
 *
 *   WALK-{TAG}-STEP    the slot of TAG is where the cursor has come to, so that clients and nodes
 *                      find the node that goes on; STEP is the position in the table of keys
 *
 * The keys are not kept by slot. So one walk through the table gives the keys of a range of slots:
 * from the cursor's slot to the last one that follows it on the same node. WALK names this process
 * and the end of the range. A cursor of another process, or of Valkey, begins its slot anew. A slot
 * that comes meanwhile does not become part of a range that was begun, and one that goes ends it
 * there, so no key is missed unless it moves alone (MIGRATE, before its slot is the other node's).
 *
 * Not here: the redirection to the node of the slot, for which the cursor counts as a key.
 */
#include "server/commands/commands.h"
#include "server/commands/scan_options.h"
#include "server/commands/support.h"
#include "server/exec/breathe.h"
#include "server/exec/slots.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

enum { TAG_MAX = 8, CURSOR_MAX = 64, WALK_DIGITS = 8 };

struct place {
    bool begins; /* the cursor is 0 */
    unsigned slot, last;
    uint64_t step;
    char tag[TAG_MAX]; /* of `slot`; empty: it has to be made */
};

/* ---------------------------------------------------------------- cursors */

/* Three letters that name the slot: there are more of them than slots, and all slots have some. */
static void make_tag(unsigned slot, char tag[TAG_MAX]) {
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    enum { LETTERS = sizeof letters - 1 };

    for (unsigned i = 0; i < LETTERS * LETTERS * LETTERS; i++) {
        tag[0] = letters[i / (LETTERS * LETTERS)];
        tag[1] = letters[i / LETTERS % LETTERS];
        tag[2] = letters[i % LETTERS];
        if (slot_of(slice_of(tag, 3)) == slot) break;
    }
    tag[3] = '\0';
}

/* "WALK" of this process: 8 hexadecimal digits, a dot, the last slot. */
static bool is_own_walk(const struct call *x, struct slice walk, unsigned slot, unsigned *last) {
    char own[WALK_DIGITS + 2];
    int64_t n;

    snprintf(own, sizeof own, "%08x.", x->e->cluster->walk);
    if (walk.n <= WALK_DIGITS + 1 || memcmp(walk.p, own, WALK_DIGITS + 1) != 0) return false;
    if (!num_parse_i64(walk.p + WALK_DIGITS + 1, walk.n - WALK_DIGITS - 1, &n)) return false;
    *last = (unsigned)n;
    return n >= slot && n < SLOTS;
}

static bool bad_cursor(struct call *x) {
    reply_err(x, "ERR Invalid cursor");
    return false;
}

static bool parse_place(struct call *x, struct place *at) {
    struct slice s = x->argv[1];
    const char *end = s.p + s.n, *open = memchr(s.p, '-', s.n), *close;
    unsigned end_now;

    *at = (struct place){.begins = slice_eq(s, SLICE("0"))};
    if (at->begins) return true;
    if (!open || end - open < 2 || open[1] != '{') return bad_cursor(x);
    close = memchr(open, '}', (size_t)(end - open));
    if (!close || end - close < 3 || close[1] != '-') return bad_cursor(x);
    if (!num_parse_u64(close + 2, (size_t)(end - close - 2), &at->step)) return bad_cursor(x);
    at->slot = slot_of(s);
    end_now = x->e->cluster->range_end(x->e->cluster->arg, x->s, at->slot);
    if (close - open - 2 < TAG_MAX) memcpy(at->tag, open + 2, (size_t)(close - open - 2));
    if (slot_of(slice_str(at->tag)) != at->slot) at->tag[0] = '\0'; /* bytes that are no text */
    if (!is_own_walk(x, slice_of(s.p, (size_t)(open - s.p)), at->slot, &at->last)) {
        at->step = 0;
        at->last = end_now;
    }
    if (at->last > end_now) at->last = end_now;
    return true;
}

static void reply_place(struct call *x, struct place *at) {
    char text[CURSOR_MAX];
    int n;

    if (!at->tag[0]) make_tag(at->slot, at->tag);
    if (at->step)
        n = snprintf(text, sizeof text, "%08x.%u-{%s}-%llu", x->e->cluster->walk, at->last, at->tag,
                     (unsigned long long)at->step);
    else
        n = snprintf(text, sizeof text, "0-{%s}-0", at->tag);
    reply_bulk(&x->r, text, (size_t)n);
}

/* ---------------------------------------------------------------- the walk */

struct walk {
    struct call *x;
    const struct scan_options *o;
    const struct place *at;
    const struct entry **v;
    size_t n, cap, seen;
};

static bool is_wanted(const struct walk *w, const struct entry *e) {
    struct slice key = entry_key(e);
    unsigned slot = slot_of(key);

    if (slot < w->at->slot || slot > w->at->last || !scan_matches(w->o, key)) return false;
    if (e->flags & ENTRY_EXPIRES && entry_expire(e) <= w->x->now_ms && !call_sees_due(w->x))
        return false;
    if (w->o->type.p && !slice_is(w->o->type, type_ops_of(e->type)->name)) return false;
    return !cluster_hides(w->x, key);
}

static void visit(void *entry, void *arg) {
    struct walk *w = arg;

    w->seen++;
    if (!is_wanted(w, entry)) return;
    if (w->n == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 64;
        w->v = mem_realloc(w->v, w->cap * sizeof *w->v);
    }
    w->v[w->n++] = entry;
}

/* The end of a range: the next slot, or that of the whole walk. */
static bool is_over(struct place *at, int64_t only) {
    if (only >= 0 || at->last == SLOTS - 1) return true;
    *at = (struct place){.slot = at->last + 1};
    return false;
}

static void walk_on(struct call *x, const struct scan_options *o, struct place *at) {
    struct walk w = {.x = x, .o = o, .at = at};
    uint64_t steps = scan_steps(o), step = at->step;

    do {
        step = table_scan(&x->db->keys, step, visit, &w);
    } while (step && steps-- > 0 && w.seen < (uint64_t)o->count);
    reply_array(&x->r, 2);
    at->step = step;
    if (step == 0 && is_over(at, o->slot))
        reply_bulk_str(&x->r, "0");
    else
        reply_place(x, at);
    reply_array(&x->r, w.n);
    for (size_t i = 0; i < w.n; i++) {
        struct slice key = entry_key(w.v[i]);

        reply_bulk(&x->r, key.p, key.n);
        call_breathe(x);
    }
    mem_free(w.v);
}

static bool type_exists(struct call *x, struct slice name) {
    if (!name.p || type_by_name(name) != TYPE_COUNT) return true;
    reply_errf(x, "ERR unknown type name '%.*s'", slice_shown(name), name.p);
    return false;
}

static int cmd_clusterscan(struct call *x) {
    struct scan_options o = {0};
    struct place at;

    if (!x->e->cluster) return reply_err(x, "ERR This instance has cluster support disabled");
    if (!parse_place(x, &at) || !scan_parse_options(x, 2, SCAN_TYPE | SCAN_SLOT, &o)) return -1;
    if (!type_exists(x, o.type)) return -1;
    if (o.slot >= 0 && !at.begins && at.slot != (unsigned)o.slot)
        return reply_err(x, "ERR Cursor slot mismatch with SLOT argument");
    if (at.begins) {
        at.slot = o.slot >= 0 ? (unsigned)o.slot : 0;
        reply_array(&x->r, 2);
        reply_place(x, &at);
        reply_array(&x->r, 0);
        return 0;
    }
    if (o.slot >= 0) at.last = at.slot;
    walk_on(x, &o, &at);
    return 0;
}

/* ---------------------------------------------------------------- rows */

/* clang-format off */
const struct command cluster_scan_commands[] = {
    {"clusterscan", -2, CMD_READONLY | CMD_KEYSPACE_CAT | CMD_WHOLE_KEYSPACE, "cluster", {1, 1, 1},
     cmd_clusterscan, "9.1.0", "Walks over the keys of a cluster, some at a time.",
     .grammar = "cursor [MATCH=pattern:pattern] [COUNT=count:int] [TYPE=type] [SLOT=slot:int]",
     .key_specs = "not_key",
     .tips = "nondeterministic_output request_policy:special response_policy:special"},
    {0},
};
/* clang-format on */
