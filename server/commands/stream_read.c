/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stream_read - XREAD and XREADGROUP: what is new in several streams, waiting for it if need be.
 *
 * First every stream is looked at, and what a group gets is given to its consumer; then the reply
 * is written. What a consumer got is logged as XCLAIM with the time and count that it then has,
 * which says as well how far the group is; with NOACK that is logged as XGROUP SETID. What a
 * consumer reads once more is not logged, as in Redis.
 */
#include "server/commands/commands.h"
#include "server/commands/stream_idle.h"
#include "server/exec/blocking.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"

struct read_options {
    int group;   /* argument of the group's name, the consumer's is the next; 0: XREAD */
    int streams; /* argument of the first key; the first id is `n` further on */
    int n;
    uint64_t count; /* UINT64_MAX: no limit */
    bool no_ack, waits;
    uint64_t deadline_us; /* 0: none */
    int64_t claim_ms;     /* CLAIM; -1: not given */
    struct read_budget budget;
};

/* A pending entry of the consumer. */
struct own {
    struct stream_id id;
    bool is_there; /* in the stream */
};

/* One of the streams. */
struct source {
    struct ref r;
    struct stream *s; /* NULL: no such key */
    struct stream_group *g;
    struct stream_consumer *c;
    struct stream_id after;
    bool from_now; /* "$": if it has to wait, then for what is above `after` */
    bool is_new;   /* ">" */
    bool served;
    uint64_t n;            /* entries to be told */
    struct stream_iter it; /* at the first of them */
    struct own *own;       /* or these, where the consumer's own are read; mem_free */
    struct idle_list idle; /* told before the n entries; these, and they, with their figures then */
};

/* ---------------------------------------------------------------- options */

static bool arg_wait_ms(struct call *x, int i, uint64_t *deadline_us) {
    int64_t ms;

    if (!num_parse_i64(x->argv[i].p, x->argv[i].n, &ms)) {
        reply_err(x, "ERR timeout is not an integer or out of range");
        return false;
    }
    if (ms < 0) {
        reply_err(x, "ERR timeout is negative");
        return false;
    }
    if (ms > INT64_MAX - x->now_ms) {
        reply_err(x, "ERR timeout is out of range");
        return false;
    }
    if (ms > INT64_C(1000) * INT32_MAX) ms = INT64_C(1000) * INT32_MAX;
    *deadline_us = ms ? clock_mono_us() + (uint64_t)ms * 1000 : 0;
    return true;
}

static bool refuse(struct call *x, const char *error) {
    reply_err(x, error);
    return false;
}

static bool arg_budget(struct call *x, int i, const char *error, uint64_t *budget) {
    int64_t v;

    if (!arg_int_range(x, i, 1, INT64_MAX, &v, error)) return false;
    *budget = (uint64_t)v;
    return true;
}

/* CLAIM of Redis 8.4, MAXCOUNT and MAXSIZE of 8.10. */
static bool parse_later_option(struct call *x, int *i, bool grouped, struct read_options *o) {
    if (*i + 1 == x->argc) return refuse(x, ERR_SYNTAX);
    if (arg_is(x, *i, "maxcount"))
        return arg_budget(x, ++*i, "ERR MAXCOUNT must be > 0", &o->budget.entries);
    if (arg_is(x, *i, "maxsize"))
        return arg_budget(x, ++*i, "ERR MAXSIZE must be > 0", &o->budget.bytes);
    if (!arg_is(x, *i, "claim")) return refuse(x, ERR_SYNTAX);
    if (!grouped)
        return refuse(x, "ERR The CLAIM option is only supported by XREADGROUP. You called XREAD "
                         "instead.");
    return arg_int_range(x, ++*i, 0, INT64_MAX, &o->claim_ms,
                         "ERR min-idle-time must be a positive integer");
}

/* COUNT, BLOCK, GROUP or NOACK at argument *i; moves *i to its last word. */
static bool parse_option(struct call *x, int *i, bool grouped, struct read_options *o) {
    int more = x->argc - 1 - *i;
    int64_t count;

    if (more && arg_is(x, *i, "block")) {
        if (x->from == FROM_SCRIPT) {
            reply_errf(x, "ERR %.*s command is not allowed with BLOCK option from scripts",
                       (int)x->argv[0].n, x->argv[0].p);
            return false;
        }
        o->waits = true;
        return arg_wait_ms(x, ++*i, &o->deadline_us);
    }
    if (more && arg_is(x, *i, "count")) {
        if (!arg_int(x, ++*i, &count)) return false;
        o->count = count > 0 ? (uint64_t)count : UINT64_MAX;
        return true;
    }
    if (more >= 2 && arg_is(x, *i, "group")) {
        if (!grouped)
            return refuse(x, "ERR The GROUP option is only supported by XREADGROUP. You called "
                             "XREAD instead.");
        o->group = *i + 1;
        *i += 2;
        return true;
    }
    if (arg_is(x, *i, "noack")) {
        if (!grouped)
            return refuse(x, "ERR The NOACK option is only supported by XREADGROUP. You called "
                             "XREAD instead.");
        o->no_ack = true;
        return true;
    }
    return parse_later_option(x, i, grouped, o);
}

static bool parse_options(struct call *x, bool grouped, struct read_options *o) {
    *o = (struct read_options){
        .count = UINT64_MAX, .claim_ms = -1, .budget = {UINT64_MAX, UINT64_MAX}};
    for (int i = 1; i < x->argc && !o->streams; i++) {
        if (i + 1 < x->argc && arg_is(x, i, "streams"))
            o->streams = i + 1;
        else if (!parse_option(x, &i, grouped, o))
            return false;
    }
    if (!o->streams) return refuse(x, ERR_SYNTAX);
    if ((x->argc - o->streams) % 2) {
        reply_errf(x,
                   "ERR Unbalanced '%s' list of streams: for each stream key an ID or '%s' must be "
                   "specified.",
                   x->cmd->name, grouped ? ">" : "$");
        return false;
    }
    o->n = (x->argc - o->streams) / 2;
    if (grouped && !o->group) return refuse(x, "ERR Missing GROUP option for XREADGROUP");
    return true;
}

/* ---------------------------------------------------------------- the streams */

static bool refuse_in_group(struct call *x, char id) {
    reply_errf(x,
               "ERR The %c ID is meaningless in the context of XREADGROUP: you want to read the "
               "history of this consumer by specifying a proper ID, or use the > ID to get new "
               "messages. The %c ID would just return an empty result set.",
               id, id);
    return false;
}

/* "+": the last entry, if there is one. */
static void from_last(struct source *src) {
    struct stream_id top;

    src->from_now = true;
    if (!src->s || !stream_edge(src->s, true, &top)) return;
    stream_id_dec(&top);
    src->after = top;
}

static bool parse_id(struct call *x, int i, struct source *src) {
    struct slice id = x->argv[i];
    char c = id.n == 1 ? id.p[0] : '\0';

    if ((c == '$' || c == '+') && src->g) return refuse_in_group(x, c);
    if (c == '$' || c == '+') {
        src->from_now = true;
        if (src->s) src->after = src->s->last_id;
        if (c == '+') from_last(src);
        return true;
    }
    if (c == '>') {
        if (!src->g)
            return refuse(x, "ERR The > ID can be specified only when calling XREADGROUP using "
                             "the GROUP <group> <consumer> option.");
        src->is_new = true;
        return true;
    }
    if (!arg_stream_id(x, i, 0, &src->after)) return false;
    src->is_new = src->g && stream_id_cmp(src->after, STREAM_ID_MAX) == 0;
    return true;
}

static bool open_sources(struct call *x, const struct read_options *o, struct source *src) {
    for (int i = 0; i < o->n; i++, src++) {
        int key = o->streams + i;

        *src = (struct source){0};
        if (!find_stream(x, key, false, &src->r, &src->s)) return false;
        if (o->group && src->s) src->g = stream_group_find(src->s, x->argv[o->group]);
        if (o->group && !src->g) {
            reply_no_group(x, "NOGROUP No such key '", x->argv[key], "' or consumer group '",
                           x->argv[o->group], "' in XREADGROUP with GROUP option");
            return false;
        }
        if (!parse_id(x, key + o->n, src)) return false;
    }
    return true;
}

/* ---------------------------------------------------------------- what there is to tell */

/* Moves to the first entry above src->after; false if there is none. */
static bool find_newer(struct source *src) {
    struct stream_id from = src->after;

    if (!src->s || stream_id_cmp(src->s->last_id, from) <= 0 || !stream_id_inc(&from)) return false;
    stream_iter_init(&src->it, src->s, from, STREAM_ID_MAX, false);
    return stream_iter_next(&src->it);
}

static uint64_t most_of(const struct read_options *o, const struct read_budget *b) {
    return o->count < b->entries ? o->count : b->entries;
}

/* How many entries, from the one that was found on, the budget is enough for. */
static uint64_t count_affordable(struct call *x, struct stream_iter it, uint64_t most,
                                 struct read_budget *b) {
    uint64_t n = 0;

    if (b->bytes == UINT64_MAX) {
        n = 1 + stream_iter_left(it, most - 1);
        if (b->entries != UINT64_MAX) b->entries -= n;
        return n;
    }
    do {
        budget_spend(b, &it);
        call_breathe(x);
    } while (++n < most && !budget_is_over(b) && stream_iter_next(&it));
    return n;
}

static void look_at(struct call *x, const struct read_options *o, struct read_budget *b,
                    struct source *src) {
    src->served = find_newer(src);
    if (src->served) src->n = count_affordable(x, src->it, most_of(o, b), b);
}

/* The group reads what it has not read, for its consumer; before that what was pending for long. */
static void give_newer(struct call *x, const struct read_options *o, struct read_budget *b,
                       struct source *src) {
    uint64_t most = o->count;
    struct stream_iter it;

    if (o->claim_ms >= 0)
        stream_take_idle(x, &src->r, src->g, src->c, o->claim_ms, most, b, &src->idle);
    src->served = src->idle.n > 0;
    most -= src->idle.n;
    src->after = src->g->last_id;
    if (most == 0 || budget_is_over(b) || !find_newer(src)) return;
    src->served = true;
    it = src->it;
    do {
        stream_group_advance(src->s, src->g, it.e.id);
        if (!o->no_ack) {
            struct stream_pending *p = stream_pending_give(src->g, it.e.id, src->c);

            stream_pending_delivered(src->g, p, x->now_ms);
            p->deliveries = 1;
            src->c->active_ms = x->now_ms;
            log_pending(x, &src->r, src->g, it.e.id, p);
        }
        budget_spend(b, &it);
    } while (++src->n < most && !budget_is_over(b) && stream_iter_next(&it));
    if (o->no_ack) log_group_position(x, &src->r, src->g);
    key_changed_quietly(x, &src->r);
}

/* Others are served meanwhile: nothing of this source has changed yet. */
static void find_own(struct call *x, struct read_budget *b, struct source *src,
                     struct idtree_place p, uint64_t most) {
    struct stream_cursor c = {0};

    src->own = mem_alloc(most * sizeof *src->own);
    for (; p.leaf && src->n < most && !budget_is_over(b); p = idtree_next(p)) {
        struct stream_id id = stream_id_of(idtree_at(p)->key);
        struct stream_iter it;

        src->own[src->n++] = (struct own){id, stream_cursor_find(&c, src->s, id)};
        if (src->own[src->n - 1].is_there) {
            stream_cursor_iter(&c, &it);
            budget_spend(b, &it);
        }
        call_breathe(x);
    }
}

/* What is pending for the consumer above src->after is delivered once more, if it is still there.
 */
static void give_own(struct call *x, const struct read_options *o, struct read_budget *b,
                     struct source *src) {
    struct stream_id from = src->after;
    uint64_t most = src->c->pending.count;
    struct idtree_place p = {0};

    src->served = !budget_is_over(b);
    if (most > most_of(o, b)) most = most_of(o, b);
    if (most && stream_id_inc(&from)) p = idtree_seek(&src->c->pending, stream_key(from));
    if (!p.leaf) return;
    find_own(x, b, src, p, most);
    for (uint64_t i = 0; i < src->n; i++, p = idtree_next(p)) {
        struct stream_pending *e = idtree_at(p)->value;

        if (!src->own[i].is_there) continue;
        stream_pending_delivered(src->g, e, x->now_ms);
        stream_pending_count(e);
    }
}

/* Returns how many streams have something to tell. */
static size_t serve(struct call *x, const struct read_options *o, struct source *src) {
    struct read_budget b = o->budget;
    size_t served = 0;

    for (int i = 0; i < o->n; i++, src++) {
        bool is_new = false;

        if (src->g) src->c = need_consumer(x, &src->r, src->g, x->argv[o->group + 1], &is_new);
        if (is_new && o->no_ack) log_consumer(x, &src->r, src->g, src->c);
        if (!src->g && !budget_is_over(&b))
            look_at(x, o, &b, src);
        else if (src->g && src->is_new)
            give_newer(x, o, &b, src);
        else if (src->g)
            give_own(x, o, &b, src);
        if (is_new && !o->no_ack && !src->n && !src->idle.n)
            log_consumer(x, &src->r, src->g, src->c);
        served += src->served;
    }
    return served;
}

/* ---------------------------------------------------------------- the reply */

/* With CLAIM an entry has two figures more: for how long it was idle, how often it was given. */
static void reply_with_figures(struct call *x, struct stream_iter *it, int64_t idle_ms,
                               uint64_t deliveries) {
    reply_array(&x->r, 4);
    reply_entry_parts(&x->r, it);
    reply_int(&x->r, idle_ms);
    reply_int(&x->r, (int64_t)deliveries);
}

static void reply_idle(struct call *x, const struct source *src) {
    struct stream_cursor c = {0};

    for (size_t i = 0; i < src->idle.n; i++) {
        const struct idle_entry *e = &src->idle.v[i];
        struct stream_iter it;

        stream_cursor_find(&c, src->s, e->id);
        stream_cursor_iter(&c, &it);
        reply_with_figures(x, &it, e->idle_ms, e->deliveries);
    }
}

static void reply_newer(struct call *x, const struct read_options *o, struct source *src) {
    reply_array(&x->r, src->idle.n + src->n);
    reply_idle(x, src);
    for (uint64_t left = src->n; left > 0; left--) {
        if (o->claim_ms >= 0)
            reply_with_figures(x, &src->it, 0, 0);
        else
            reply_entry(&x->r, &src->it);
        call_breathe(x);
        if (left > 1) stream_iter_next(&src->it);
    }
}

/* [id, nil] for what is no longer there. */
static void reply_own(struct call *x, const struct source *src) {
    struct stream_cursor c = {0};
    struct reply *r = &x->r;

    reply_array(r, src->n);
    for (uint64_t i = 0; i < src->n; i++) {
        struct stream_id id = src->own[i].id;
        struct stream_iter it;

        call_breathe(x);
        if (src->own[i].is_there && stream_cursor_find(&c, src->s, id)) {
            stream_cursor_iter(&c, &it);
            reply_entry(r, &it);
        } else {
            reply_array(r, 2);
            reply_stream_id(r, id);
            reply_null_array(r);
        }
    }
}

static void reply_sources(struct call *x, const struct read_options *o, struct source *src,
                          size_t served) {
    if (x->r.resp == 2)
        reply_array(&x->r, served);
    else
        reply_map(&x->r, served);
    for (int i = 0; i < o->n; i++, src++) {
        if (!src->served) continue;
        if (x->r.resp == 2) reply_array(&x->r, 2);
        reply_bulk(&x->r, src->r.key.p, src->r.key.n);
        if (src->g && !src->is_new)
            reply_own(x, src);
        else
            reply_newer(x, o, src);
    }
}

/* ---------------------------------------------------------------- waiting */

/* When something pending may be idle for long enough; 0: CLAIM was not given. */
static uint64_t claim_again_us(const struct call *x, const struct read_options *o,
                               const struct source *src) {
    int64_t soonest_ms = INT32_MAX;

    if (o->claim_ms < 0) return 0;
    for (int i = 0; i < o->n; i++) {
        int64_t ms = stream_idle_in_ms(src[i].g, x->now_ms, o->claim_ms);

        if (ms < soonest_ms) soonest_ms = ms;
    }
    return clock_mono_us() + (uint64_t)soonest_ms * 1000;
}

/* What is "$" now must not be so later. */
static int wait_for_more(struct call *x, const struct read_options *o, const struct source *src) {
    struct slice *argv = mem_dup(x->argv, (size_t)x->argc * sizeof *argv);
    char(*text)[STREAM_ID_TEXT] = mem_alloc((size_t)o->n * sizeof *text);
    int rc;

    for (int i = 0; i < o->n; i++)
        if (src[i].from_now) argv[o->streams + o->n + i] = id_text(text[i], src[i].after);
    rc = block_on_keys(x, &(struct key_block){.first = o->streams,
                                              .last = o->streams + o->n - 1,
                                              .type = TYPE_STREAM,
                                              .any_change = o->group != 0,
                                              .deadline_us = o->deadline_us,
                                              .again_us = claim_again_us(x, o, src),
                                              .time_up = reply_null_array,
                                              .argv = argv});
    mem_free(text);
    mem_free(argv);
    return rc;
}

static int answer(struct call *x, const struct read_options *o, struct source *src) {
    size_t served;

    if (!open_sources(x, o, src)) return -1;
    served = serve(x, o, src);
    if (served)
        reply_sources(x, o, src, served);
    else if (o->waits)
        return wait_for_more(x, o, src);
    else
        reply_null_array(&x->r);
    return 0;
}

static int read_streams(struct call *x, bool grouped) {
    struct read_options o;
    struct source few[4], *src = few;
    int rc;

    if (!parse_options(x, grouped, &o)) return -1;
    if ((size_t)o.n > sizeof few / sizeof *few) src = mem_alloc((size_t)o.n * sizeof *src);
    memset(src, 0, (size_t)o.n * sizeof *src);
    rc = answer(x, &o, src);
    for (int i = 0; i < o.n; i++) {
        mem_free(src[i].own);
        mem_free(src[i].idle.v);
    }
    if (src != few) mem_free(src);
    return rc;
}

static int cmd_xread(struct call *x) {
    return read_streams(x, false);
}

static int cmd_xreadgroup(struct call *x) {
    return read_streams(x, true);
}

/* ---------------------------------------------------------------- rows */

/* clang-format off */
const struct command stream_read_commands[] = {
    {"xread", -4, CMD_BLOCKING | CMD_MOVABLE_KEYS | CMD_READONLY, "stream", {0, 0, 0}, cmd_xread,
     "5.0.0", "Gives the entries of several streams that are newer than given ids.",
     .grammar = "[COUNT=count:int] [BLOCK=milliseconds:int] STREAMS=streams{key@0+ id+}",
     .key_specs = "STREAMS@1..-1/1%2 RO access"},
    {"xreadgroup", -7, CMD_BLOCKING | CMD_MOVABLE_KEYS | CMD_WRITE, "stream", {0, 0, 0},
     cmd_xreadgroup, "5.0.0",
     "Gives a consumer the entries that its group has not read, or those pending for it.",
     .grammar = "GROUP=group-block{group consumer} [COUNT=count:int] [BLOCK=milliseconds:int] "
                "[NOACK] STREAMS=streams{key@0+ id+}",
     .key_specs = "STREAMS@4..-1/1%2 RO access"},
    {0},
};
/* clang-format on */
