/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stream_info - XINFO.
 */
#include "server/commands/commands.h"
#include "server/commands/streams.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"
#include "storage/stream_idmp.h"

enum { FULL_COUNT = 10 }; /* entries and pending entries that FULL shows unless told otherwise */

/* ---------------------------------------------------------------- parts */

static void reply_field(struct reply *r, const char *name) {
    reply_bulk_str(r, name);
}

static void reply_int_field(struct reply *r, const char *name, uint64_t v) {
    reply_field(r, name);
    reply_int(r, (int64_t)v);
}

static void reply_id_field(struct reply *r, const char *name, struct stream_id id) {
    reply_field(r, name);
    reply_stream_id(r, id);
}

static void reply_progress(struct reply *r, const struct stream *s, const struct stream_group *g) {
    int64_t lag;

    reply_field(r, "entries-read");
    if (g->entries_read == STREAM_READ_UNKNOWN)
        reply_null(r);
    else
        reply_int(r, g->entries_read);
    reply_field(r, "lag");
    if (stream_group_lag(s, g, &lag))
        reply_int(r, lag);
    else
        reply_null(r);
}

/* What STREAM and STREAM FULL have in common. */
static void reply_stream_head(struct reply *r, const struct stream *s) {
    reply_int_field(r, "length", s->length);
    reply_int_field(r, "radix-tree-keys", s->nodes.count);
    reply_int_field(r, "radix-tree-nodes", s->nodes.count + 1); /* as Redis for up to one */
    reply_id_field(r, "last-generated-id", s->last_id);
    reply_id_field(r, "max-deleted-entry-id", s->max_deleted_id);
    reply_int_field(r, "entries-added", s->entries_added);
    reply_id_field(r, "recorded-first-entry-id", s->first_id);
}

/* Only of a stream that remembers its producers: programs that know Redis 7 count the fields. */
static size_t producer_fields(const struct stream *s) {
    return s->idmp ? 6 : 0;
}

static void reply_producers(struct reply *r, const struct stream *s) {
    const struct stream_idmp *m = s->idmp;

    if (!m) return;
    reply_int_field(r, "idmp-duration", (uint64_t)m->duration_s);
    reply_int_field(r, "idmp-maxsize", (uint64_t)m->maxsize);
    reply_int_field(r, "pids-tracked", m->producers.count);
    reply_int_field(r, "iids-tracked", m->iids);
    reply_int_field(r, "iids-added", m->added);
    reply_int_field(r, "iids-duplicates", m->duplicates);
}

static void reply_edge(struct reply *r, const struct stream *s, const char *name, bool last) {
    struct stream_iter it;

    reply_field(r, name);
    stream_iter_init(&it, s, STREAM_ID_MIN, STREAM_ID_MAX, last);
    if (stream_iter_next(&it))
        reply_entry(r, &it);
    else
        reply_null(r);
}

/* ---------------------------------------------------------------- STREAM FULL */

/* [id, consumer, time, deliveries]; of a single consumer without its name. */
static void reply_pending(struct call *x, const struct idtree *t, uint64_t most, bool names) {
    uint64_t n = t->count < most ? t->count : most;
    struct reply *r = &x->r;
    struct idtree_place p = idtree_first(t);

    reply_array(r, n);
    for (; n > 0; n--, p = idtree_next(p)) {
        const struct stream_pending *e = idtree_at(p)->value;

        reply_array(r, names ? 4 : 3);
        reply_stream_id(r, stream_id_of(idtree_at(p)->key));
        if (names) reply_bulk(r, e->owner->name, e->owner->name_len);
        reply_int(r, e->delivered_ms);
        reply_int(r, (int64_t)e->deliveries);
        call_breathe(x);
    }
}

static void reply_full_consumer(struct call *x, const struct stream_consumer *c, uint64_t most) {
    struct reply *r = &x->r;

    reply_map(r, 5);
    reply_field(r, "name");
    reply_bulk(r, c->name, c->name_len);
    reply_int_field(r, "seen-time", (uint64_t)c->seen_ms);
    reply_int_field(r, "active-time", (uint64_t)c->active_ms);
    reply_int_field(r, "pel-count", c->pending.count);
    reply_field(r, "pending");
    reply_pending(x, &c->pending, most, false);
    call_breathe(x);
}

static void reply_full_group(struct call *x, const struct stream *s, const struct stream_group *g,
                             uint64_t most) {
    struct stream_consumer **v = stream_consumers_by_name(g);
    struct reply *r = &x->r;

    reply_map(r, 7);
    reply_field(r, "name");
    reply_bulk(r, g->name, g->name_len);
    reply_id_field(r, "last-delivered-id", g->last_id);
    reply_progress(r, s, g);
    reply_int_field(r, "pel-count", g->pending.count);
    reply_field(r, "pending");
    reply_pending(x, &g->pending, most, true);
    reply_field(r, "consumers");
    reply_array(r, g->consumers.count);
    for (size_t i = 0; i < g->consumers.count; i++) reply_full_consumer(x, v[i], most);
    mem_free(v);
}

static void reply_full(struct call *x, const struct stream *s, uint64_t most) {
    struct stream_group **v = stream_groups_by_name(s);
    struct reply *r = &x->r;
    struct stream_iter it;

    reply_map(r, 9 + producer_fields(s));
    reply_stream_head(r, s);
    reply_producers(r, s);
    reply_field(r, "entries");
    stream_iter_init(&it, s, STREAM_ID_MIN, STREAM_ID_MAX, false);
    reply_entries(x, &it, most);
    reply_field(r, "groups");
    reply_array(r, s->groups.count);
    for (size_t i = 0; i < s->groups.count; i++) reply_full_group(x, s, v[i], most);
    mem_free(v);
}

/* ---------------------------------------------------------------- the subcommands */

static bool find_known_stream(struct call *x, struct stream **s) {
    struct ref r;

    if (!find_stream(x, 2, false, &r, s)) return false;
    if (*s) return true;
    reply_err(x, ERR_NO_KEY);
    return false;
}

static int cmd_stream(struct call *x) {
    int64_t count = FULL_COUNT;
    struct stream *s;

    if (!find_known_stream(x, &s)) return -1;
    if (x->argc == 3) {
        reply_map(&x->r, 10 + producer_fields(s));
        reply_stream_head(&x->r, s);
        reply_producers(&x->r, s);
        reply_int_field(&x->r, "groups", s->groups.count);
        reply_edge(&x->r, s, "first-entry", false);
        reply_edge(&x->r, s, "last-entry", true);
        return 0;
    }
    if (!arg_is(x, 3, "full") || x->argc == 5 || x->argc > 6) return reply_subcommand_err(x);
    if (x->argc == 6) {
        if (!arg_is(x, 4, "count")) return reply_subcommand_err(x);
        if (!arg_int(x, 5, &count)) return -1;
        if (count < 0) count = FULL_COUNT;
    }
    reply_full(x, s, count ? (uint64_t)count : UINT64_MAX);
    return 0;
}

static int cmd_groups(struct call *x) {
    struct stream_group **v;
    struct stream *s;

    if (!find_known_stream(x, &s)) return -1;
    v = stream_groups_by_name(s);
    reply_array(&x->r, s->groups.count);
    for (size_t i = 0; i < s->groups.count; i++) {
        reply_map(&x->r, 6);
        reply_field(&x->r, "name");
        reply_bulk(&x->r, v[i]->name, v[i]->name_len);
        reply_int_field(&x->r, "consumers", v[i]->consumers.count);
        reply_int_field(&x->r, "pending", v[i]->pending.count);
        reply_id_field(&x->r, "last-delivered-id", v[i]->last_id);
        reply_progress(&x->r, s, v[i]);
    }
    mem_free(v);
    return 0;
}

static int64_t since(const struct call *x, int64_t ms) {
    return x->now_ms > ms ? x->now_ms - ms : 0;
}

static int cmd_consumers(struct call *x) {
    struct stream_consumer **v;
    struct stream_group *g;
    struct stream *s;

    if (!find_known_stream(x, &s)) return -1;
    if (!(g = stream_group_find(s, x->argv[3])))
        return reply_no_group(x, "NOGROUP No such consumer group '", x->argv[3], "' for key name '",
                              x->argv[2], "'");
    v = stream_consumers_by_name(g);
    reply_array(&x->r, g->consumers.count);
    for (size_t i = 0; i < g->consumers.count; i++) {
        reply_map(&x->r, 4);
        reply_field(&x->r, "name");
        reply_bulk(&x->r, v[i]->name, v[i]->name_len);
        reply_int_field(&x->r, "pending", v[i]->pending.count);
        reply_int_field(&x->r, "idle", (uint64_t)since(x, v[i]->seen_ms));
        reply_field(&x->r, "inactive");
        reply_int(&x->r, v[i]->active_ms < 0 ? -1 : since(x, v[i]->active_ms));
    }
    mem_free(v);
    return 0;
}

static int cmd_help(struct call *x) {
    static const char *const lines[] = {
        "CONSUMERS <key> <groupname>",
        "    Tell about the consumers of a group.",
        "GROUPS <key>",
        "    Tell about the groups of a stream.",
        "STREAM <key> [FULL [COUNT <count>]]",
        "    Tell about a stream; with FULL also its entries, groups and what is pending.",
        NULL,
    };

    reply_help(x, lines);
    return 0;
}

/* ---------------------------------------------------------------- rows */

/* clang-format off */
static const struct command xinfo_commands[] = {
    {"consumers", 4, CMD_READONLY, "stream", {2, 2, 1}, cmd_consumers, "5.0.0",
     "Tells about the consumers of a group.",
     .grammar = "key@0 group",
     .tips = "nondeterministic_output"},
    {"groups", 3, CMD_READONLY, "stream", {2, 2, 1}, cmd_groups, "5.0.0",
     "Tells about the groups of a stream.",
     .grammar = "key@0"},
    {"help", 2, CMD_LOADING | CMD_STALE, "stream", {0, 0, 0}, cmd_help, "5.0.0",
     "Tells about the subcommands."},
    {"stream", -3, CMD_READONLY, "stream", {2, 2, 1}, cmd_stream, "5.0.0",
     "Tells about a stream.",
     .grammar = "key@0 [full-block{FULL [COUNT=count:int]}]"},
    {0},
};

const struct command stream_info_commands[] = {
    {"xinfo", -2, 0, "stream", {0, 0, 0}, NULL, "5.0.0",
     "Holds the commands that tell about streams.",
     .subcommands = xinfo_commands},
    {0},
};
/* clang-format on */
