/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stream_claim - pending entries that change hands, XCLAIM and XAUTOCLAIM, and a look at them,
 * XPENDING.
 *
 * A claim is logged as XCLAIM with the time and count that came of it. An entry that is no longer
 * pending because the stream does not have it any more is logged as XCLAIM for the consumer that
 * had it: that drops it again.
 */
#include "server/commands/commands.h"
#include "server/commands/streams.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"

#include <stdlib.h>

/* An entry that was claimed: the argument that named it, and where it stands; or one that was
 * dropped. */
struct claimed {
    struct stream_id id;
    struct idtree_place place;
    uint32_t at;
    int i;
};

struct claimed_list {
    struct claimed *v;
    size_t n, cap;
};

static void claimed_add(struct claimed_list *l, struct claimed entry) {
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 16;
        l->v = mem_realloc(l->v, l->cap * sizeof *l->v);
    }
    l->v[l->n++] = entry;
}

struct claim {
    struct ref r;
    struct stream *s;
    struct stream_group *g;
    struct stream_consumer *c;
    int64_t min_idle, time_ms;
    int64_t retries; /* -1: one more than before */
    bool force, just_id;
    bool is_new; /* the consumer */
    struct stream_cursor found;
    struct claimed_list given, dropped;
};

static bool arg_min_idle(struct call *x, int i, const char *error, int64_t *ms) {
    if (!arg_int_range(x, i, INT64_MIN, INT64_MAX, ms, error)) return false;
    if (*ms < 0) *ms = 0;
    return true;
}

static bool is_idle(const struct stream_pending *p, int64_t now_ms, int64_t min_idle) {
    return !min_idle || now_ms - p->delivered_ms >= min_idle;
}

/* Where the AOF is read back, "now" is when it happened. */
static void claim_begin(struct call *x, struct claim *k) {
    k->c = need_consumer(x, &k->r, k->g, x->argv[3], &k->is_new);
    if (call_obeys(x)) k->c->seen_ms = k->time_ms;
}

/* The entry that was found, argument i, is the consumer's now. */
static void give(struct call *x, struct claim *k, int i) {
    struct stream_id id = k->found.e.id;
    struct stream_pending *p = stream_pending_give(k->g, id, k->c);

    stream_pending_delivered(k->g, p, k->time_ms);
    if (k->retries >= 0)
        p->deliveries = (uint64_t)k->retries;
    else if (!k->just_id)
        stream_pending_count(p);
    k->c->active_ms = call_obeys(x) ? k->time_ms : x->now_ms;
    log_pending(x, &k->r, k->g, id, p);
    claimed_add(&k->given, (struct claimed){id, k->found.place, k->found.e.at, i});
    key_changed_quietly(x, &k->r);
}

/* It is pending but not in the stream any more. */
static void drop(struct call *x, struct claim *k, struct stream_id id,
                 const struct stream_pending *p) {
    log_pending(x, &k->r, k->g, id, p);
    stream_pending_drop(k->g, id);
    claimed_add(&k->dropped, (struct claimed){.id = id});
    key_changed_quietly(x, &k->r);
}

static void reply_given(struct call *x, const struct claim *k) {
    reply_array(&x->r, k->given.n);
    for (size_t i = 0; i < k->given.n; i++) {
        const struct claimed *c = &k->given.v[i];
        struct stream_iter it;

        if (k->just_id) {
            reply_stream_id(&x->r, c->id);
            continue;
        }
        stream_iter_set(&it, c->place, c->at);
        reply_entry(&x->r, &it);
    }
}

static void claim_end(struct call *x, struct claim *k) {
    if (k->is_new && !k->given.n) log_consumer(x, &k->r, k->g, k->c);
    mem_free(k->given.v);
    mem_free(k->dropped.v);
}

/* ---------------------------------------------------------------- XCLAIM */

struct claim_options {
    int last_id_arg; /* ids stand from argument 5 to this */
    int64_t time_ms; /* -1: now */
    struct stream_id group_id;
};

static bool arg_claim_int(struct call *x, int i, const char *option, int64_t *v) {
    if (num_parse_i64(x->argv[i].p, x->argv[i].n, v)) return true;
    reply_errf(x, "ERR Invalid %s option argument for XCLAIM", option);
    return false;
}

/* The option at argument *i; moves *i to its last word. */
static bool parse_claim_option(struct call *x, int *i, struct claim *k, struct claim_options *o) {
    bool more = *i + 1 < x->argc;
    struct slice word = x->argv[*i];
    int64_t ms;

    if (slice_is(word, "force")) {
        k->force = true;
    } else if (slice_is(word, "justid")) {
        k->just_id = true;
    } else if (more && slice_is(word, "idle")) {
        if (!arg_claim_int(x, ++*i, "IDLE", &ms)) return false;
        o->time_ms = (int64_t)((uint64_t)x->now_ms - (uint64_t)ms);
    } else if (more && slice_is(word, "time")) {
        return arg_claim_int(x, ++*i, "TIME", &o->time_ms);
    } else if (more && slice_is(word, "retrycount")) {
        return arg_claim_int(x, ++*i, "RETRYCOUNT", &k->retries);
    } else if (more && slice_is(word, "lastid")) {
        return arg_stream_id(x, ++*i, 0, &o->group_id);
    } else {
        int n = (int)strnlen(word.p, word.n > 900 ? 900 : word.n);

        reply_errf(x, "ERR Unrecognized XCLAIM option '%.*s'", n, word.p);
        return false;
    }
    return true;
}

static bool parse_claim(struct call *x, struct claim *k, struct claim_options *o) {
    struct stream_id id;
    int i = 5;

    *o = (struct claim_options){.time_ms = -1};
    k->retries = -1;
    if (!arg_min_idle(x, 4, "ERR Invalid min-idle-time argument for XCLAIM", &k->min_idle))
        return false;
    while (i < x->argc && stream_id_parse(x->argv[i], 0, &id)) i++;
    o->last_id_arg = i - 1;
    for (; i < x->argc; i++)
        if (!parse_claim_option(x, &i, k, o)) return false;
    k->time_ms = o->time_ms < 0 || o->time_ms > x->now_ms ? x->now_ms : o->time_ms;
    return true;
}

static void claim_one(struct call *x, struct claim *k, const struct ordered_id *v) {
    struct stream_pending *p = stream_pending_find(k->g, v->id);

    if (!p && !k->force) return;
    if (!stream_cursor_find(&k->found, k->s, v->id)) {
        if (p) drop(x, k, v->id, p);
        return;
    }
    if (!p || is_idle(p, x->now_ms, k->min_idle)) give(x, k, v->i);
}

static int cmp_arguments(const void *a, const void *b) {
    return ((const struct claimed *)a)->i - ((const struct claimed *)b)->i;
}

enum { FEW = 64 };

/* A few are claimed in the order of the arguments, as others see it. Many are claimed in the order
 * of their ids, so that each node is walked over once, and told in that of the arguments. */
static void claim_all(struct call *x, struct claim *k, const struct stream_id *ids, int n) {
    struct ordered_id *v;

    if (n <= FEW) {
        for (int i = 0; i < n; i++) claim_one(x, k, &(struct ordered_id){.id = ids[i], .i = i});
        return;
    }
    v = ids_in_order(ids, n);
    for (int i = 0; i < n; i++) claim_one(x, k, &v[i]);
    mem_free(v);
    if (k->given.n > 1) qsort(k->given.v, k->given.n, sizeof *k->given.v, cmp_arguments);
}

/* XREADGROUP is logged as XCLAIM of one new id, which is the group's last from then on: where this
 * is read, the group counts the entry as read. */
static bool is_read(const struct call *x, const struct claim *k, const struct claim_options *o) {
    struct stream_id id;

    return o->last_id_arg == 5 && k->force && k->retries == 1 &&
           stream_id_parse(x->argv[5], 0, &id) && stream_id_cmp(id, o->group_id) == 0;
}

static void move_group(const struct call *x, const struct claim *k, const struct claim_options *o) {
    if (call_obeys(x) && is_read(x, k, o))
        stream_group_advance(k->s, k->g, o->group_id);
    else
        k->g->last_id = o->group_id;
}

/* Where a client's own XCLAIM would be taken for XREADGROUP's. */
static bool counted_again(const struct claim *k, const struct claim_options *o) {
    const struct stream_pending *p = stream_pending_find(k->g, o->group_id);

    return p && p->deliveries == 1;
}

static int cmd_xclaim(struct call *x) {
    struct claim k = {0};
    struct claim_options o;
    struct stream_id *ids;
    bool moved;
    int n;

    if (!find_group(x, 1, &k.r, &k.s, &k.g) || !parse_claim(x, &k, &o)) return -1;
    moved = stream_id_cmp(o.group_id, k.g->last_id) > 0;
    if (moved) move_group(x, &k, &o);
    claim_begin(x, &k);
    if ((n = o.last_id_arg - 4) > 0) {
        ids = arg_stream_ids(x, 5, n);
        claim_all(x, &k, ids, n);
        mem_free(ids);
    }
    if (moved) {
        if (!k.given.n || counted_again(&k, &o)) log_group_position(x, &k.r, k.g);
        key_changed_quietly(x, &k.r);
    }
    reply_given(x, &k);
    claim_end(x, &k);
    return 0;
}

/* ---------------------------------------------------------------- XAUTOCLAIM */

enum { ATTEMPTS = 10 }; /* entries looked at for one that is wanted */

struct auto_options {
    struct stream_id start;
    int64_t count;
};

static bool parse_auto(struct call *x, struct claim *k, struct auto_options *o) {
    o->count = 100;
    k->retries = -1;
    if (!arg_min_idle(x, 4, "ERR Invalid min-idle-time argument for XAUTOCLAIM", &k->min_idle))
        return false;
    if (!arg_range_start(x, 5, &o->start)) return false;
    for (int i = 6; i < x->argc; i++) {
        if (i + 1 < x->argc && arg_is(x, i, "count")) {
            if (!arg_int_range(x, ++i, 1, INT64_MAX / (int64_t)sizeof(struct stream_id), &o->count,
                               "ERR COUNT must be > 0"))
                return false;
        } else if (arg_is(x, i, "justid")) {
            k->just_id = true;
        } else {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
    }
    return true;
}

/* Claims what has been idle for long enough; returns where to go on, 0-0 at the end. */
static struct stream_id claim_idle(struct call *x, struct claim *k, const struct auto_options *o) {
    struct idtree_place p = idtree_seek(&k->g->pending, stream_key(o->start));
    int64_t count = o->count;

    for (int64_t tries = count * ATTEMPTS; p.leaf && count > 0 && tries > 0; tries--) {
        struct stream_id id = stream_id_of(idtree_at(p)->key);

        if (!stream_cursor_find(&k->found, k->s, id)) {
            drop(x, k, id, idtree_at(p)->value);
            count--;
            p = idtree_seek(&k->g->pending, stream_key(id));
            continue;
        }
        if (is_idle(idtree_at(p)->value, x->now_ms, k->min_idle)) {
            give(x, k, (int)k->given.n);
            count--;
        }
        p = idtree_next(p);
    }
    return p.leaf ? stream_id_of(idtree_at(p)->key) : STREAM_ID_MIN;
}

static int cmd_xautoclaim(struct call *x) {
    struct claim k = {.time_ms = x->now_ms};
    struct auto_options o;
    struct stream_id next;

    if (!parse_auto(x, &k, &o) || !find_group(x, 1, &k.r, &k.s, &k.g)) return -1;
    claim_begin(x, &k);
    next = claim_idle(x, &k, &o);
    reply_array(&x->r, 3);
    reply_stream_id(&x->r, next);
    reply_given(x, &k);
    reply_array(&x->r, k.dropped.n);
    for (size_t i = 0; i < k.dropped.n; i++) reply_stream_id(&x->r, k.dropped.v[i].id);
    claim_end(x, &k);
    return 0;
}

/* ---------------------------------------------------------------- XPENDING */

struct pending_options {
    struct stream_id start, end;
    int64_t min_idle, count;
    int consumer_arg; /* 0: all consumers */
};

static bool parse_pending(struct call *x, struct pending_options *o) {
    int i = 3;

    *o = (struct pending_options){0};
    if (x->argc == 3) return true;
    if (x->argc < 6 || x->argc > 9) {
        reply_err(x, ERR_SYNTAX);
        return false;
    }
    if (arg_is(x, 3, "idle")) {
        if (!arg_int(x, 4, &o->min_idle)) return false;
        if (x->argc < 8) {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
        i = 5;
    }
    if (!arg_int(x, i + 2, &o->count)) return false;
    if (!arg_range_start(x, i, &o->start) || !arg_range_end(x, i + 1, &o->end)) return false;
    if (i + 3 < x->argc) o->consumer_arg = i + 3;
    return true;
}

static void reply_pending_consumers(struct call *x, const struct stream_group *g) {
    struct stream_consumer **v = stream_consumers_by_name(g);
    size_t n = 0;

    for (size_t i = 0; i < g->consumers.count; i++) n += v[i]->pending.count > 0;
    reply_array(&x->r, n);
    for (size_t i = 0; i < g->consumers.count; i++) {
        if (v[i]->pending.count == 0) continue;
        reply_array(&x->r, 2);
        reply_bulk(&x->r, v[i]->name, v[i]->name_len);
        reply_bulk_int(&x->r, (int64_t)v[i]->pending.count);
    }
    mem_free(v);
}

static void reply_pending_summary(struct call *x, const struct stream_group *g) {
    reply_array(&x->r, 4);
    reply_int(&x->r, (int64_t)g->pending.count);
    if (g->pending.count == 0) {
        reply_null(&x->r);
        reply_null(&x->r);
        reply_null_array(&x->r);
        return;
    }
    reply_stream_id(&x->r, stream_id_of(idtree_at(idtree_first(&g->pending))->key));
    reply_stream_id(&x->r, stream_id_of(idtree_at(idtree_last(&g->pending))->key));
    reply_pending_consumers(x, g);
}

/* Moves to the first from `p` on that is asked for; false: none. */
static bool next_asked_for(struct call *x, const struct pending_options *o,
                           struct idtree_place *p) {
    for (; p->leaf; *p = idtree_next(*p)) {
        call_breathe(x);
        if (idtree_cmp(idtree_at(*p)->key, stream_key(o->end)) > 0) return false;
        if (is_idle(idtree_at(*p)->value, x->now_ms, o->min_idle)) return true;
    }
    return false;
}

static void reply_pending_list(struct call *x, const struct pending_options *o,
                               const struct idtree *t) {
    struct idtree_place first = idtree_seek(t, stream_key(o->start)), p = first;
    int64_t n = 0;

    for (; n < o->count && next_asked_for(x, o, &p); n++) p = idtree_next(p);
    reply_array(&x->r, (size_t)n);
    for (p = first; n > 0 && next_asked_for(x, o, &p); n--, p = idtree_next(p)) {
        const struct stream_pending *e = idtree_at(p)->value;
        int64_t idle = x->now_ms - e->delivered_ms;

        reply_array(&x->r, 4);
        reply_stream_id(&x->r, stream_id_of(idtree_at(p)->key));
        reply_bulk(&x->r, e->owner->name, e->owner->name_len);
        reply_int(&x->r, idle > 0 ? idle : 0);
        reply_int(&x->r, (int64_t)e->deliveries);
    }
}

static int cmd_xpending(struct call *x) {
    struct stream_consumer *c;
    struct pending_options o;
    struct stream_group *g;
    struct stream *s;
    struct ref r;

    if (!parse_pending(x, &o) || !find_group(x, 1, &r, &s, &g)) return -1;
    if (x->argc == 3) {
        reply_pending_summary(x, g);
    } else if (!o.consumer_arg) {
        reply_pending_list(x, &o, &g->pending);
    } else if ((c = stream_consumer_find(g, x->argv[o.consumer_arg]))) {
        reply_pending_list(x, &o, &c->pending);
    } else {
        reply_array(&x->r, 0);
    }
    return 0;
}

/* ---------------------------------------------------------------- rows */

/* clang-format off */
const struct command stream_claim_commands[] = {
    {"xautoclaim", -6, CMD_WRITE | CMD_FAST, "stream", {1, 1, 1}, cmd_xautoclaim, "6.2.0",
     "Gives a consumer entries that have been pending for others for a given time.",
     .grammar = "key@0 group consumer min-idle-time start [COUNT=count:int] [JUSTID]",
     .key_specs = "RW delete",
     .tips = "nondeterministic_output"},
    {"xclaim", -6, CMD_WRITE | CMD_FAST, "stream", {1, 1, 1}, cmd_xclaim, "5.0.0",
     "Gives a consumer certain entries that are pending for others.",
     .grammar = "key@0 group consumer min-idle-time id+ [IDLE=ms:int] "
                "[TIME=unix-time-milliseconds:time] [RETRYCOUNT=count:int] [FORCE] [JUSTID] "
                "[LASTID=lastid]",
     .key_specs = "RW update",
     .tips = "nondeterministic_output"},
    {"xpending", -3, CMD_READONLY, "stream", {1, 1, 1}, cmd_xpending, "5.0.0",
     "Tells what is pending in a group: a summary, or the entries.",
     .grammar = "key@0 group [filters{[IDLE=min-idle-time:int^6.2.0] start end count:int "
                "[consumer]}]",
     .tips = "nondeterministic_output"},
    {0},
};
/* clang-format on */
