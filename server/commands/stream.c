/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stream - streams as logs: adding, trimming, deleting, ranges.
 *
 * XADD is logged with the id that it gave. "~" trims whole nodes, which other servers cut
 * elsewhere: it is logged as "=" and what was left, the length or the first id.
 */
#include "conf/conf.h"
#include "server/commands/commands.h"
#include "server/commands/stream_idempotent.h"
#include "server/commands/stream_remove.h"
#include "storage/base/mem.h"

enum {
    TRIM_NODES = 100, /* that "~" trims at once, unless LIMIT says otherwise */
    TRIM_LIMIT = 10000,
    TRIM_LIMIT_MAX = 1000000,
};

/* ---------------------------------------------------------------- trimming options */

struct trim_options {
    struct stream_trim trim;
    int64_t limit;
    bool limit_given;
    int arg; /* of the threshold */
    enum stream_policy policy;
    bool has_policy;
};

/* MAXLEN or MINID at argument *i; moves *i to its last word. False: answered with an error. */
static bool parse_threshold(struct call *x, int *i, enum stream_trim_by by,
                            struct trim_options *o) {
    struct stream_trim *t = &o->trim;
    int64_t maxlen;

    if (t->by != STREAM_TRIM_NONE) {
        reply_err(x, "ERR syntax error, MAXLEN and MINID options at the same time are not "
                     "compatible");
        return false;
    }
    t->by = by;
    t->approx = *i + 2 < x->argc && arg_is(x, *i + 1, "~");
    if (t->approx || (*i + 2 < x->argc && arg_is(x, *i + 1, "="))) ++*i;
    o->arg = ++*i;
    if (by == STREAM_TRIM_MINID) return arg_stream_id(x, *i, 0, &t->minid);
    if (!arg_int(x, *i, &maxlen)) return false;
    if (maxlen < 0) {
        reply_err(x, "ERR The MAXLEN argument must be >= 0.");
        return false;
    }
    t->maxlen = (uint64_t)maxlen;
    return true;
}

static bool parse_limit(struct call *x, int i, struct trim_options *o) {
    if (!arg_int(x, i, &o->limit)) return false;
    if (o->limit < 0) {
        reply_err(x, "ERR The LIMIT argument must be >= 0.");
        return false;
    }
    o->limit_given = true;
    return true;
}

/* A trimming option at argument *i, if there is one: *is_one; moves *i to its last word. */
static bool parse_trim_option(struct call *x, int *i, struct trim_options *o, bool *is_one) {
    bool more = *i + 1 < x->argc;

    *is_one = true;
    if (more && arg_is(x, *i, "maxlen")) return parse_threshold(x, i, STREAM_TRIM_MAXLEN, o);
    if (more && arg_is(x, *i, "minid")) return parse_threshold(x, i, STREAM_TRIM_MINID, o);
    if (more && arg_is(x, *i, "limit")) return parse_limit(x, ++*i, o);
    if (!o->has_policy && arg_stream_policy(x, *i, &o->policy)) return o->has_policy = true;
    *is_one = false;
    return true;
}

/* When all options are read: what LIMIT means. */
static bool settle_limit(struct call *x, struct trim_options *o) {
    struct stream_trim *t = &o->trim;
    int64_t entries = x->e->v->stream_node_max_entries;

    if (o->limit && t->by == STREAM_TRIM_NONE) {
        reply_err(x, "ERR syntax error, LIMIT cannot be used without specifying a trimming "
                     "strategy");
        return false;
    }
    if (call_obeys(x)) return true;
    if (o->limit_given && !t->approx) {
        reply_err(x, "ERR syntax error, LIMIT cannot be used without the special ~ option");
        return false;
    }
    if (o->limit_given || !t->approx) {
        t->limit = (uint64_t)o->limit;
    } else if (entries <= 0) {
        t->limit = TRIM_LIMIT;
    } else {
        t->limit =
            entries < TRIM_LIMIT_MAX / TRIM_NODES ? (uint64_t)entries * TRIM_NODES : TRIM_LIMIT_MAX;
    }
    return true;
}

/* ---------------------------------------------------------------- XADD */

struct add_options {
    struct trim_options o;
    bool keep_absent;
    struct stream_id id;
    bool auto_ms, auto_seq;
    int id_arg;
    struct add_origin origin;
};

/* An id, or "ms-*". */
static bool parse_new_id(struct call *x, int i, struct add_options *a) {
    struct slice s = x->argv[i];

    if (s.n > 2 && s.p[s.n - 1] == '*' && s.p[s.n - 2] == '-') {
        a->auto_seq = true;
        s.n -= 2;
        if (!memchr(s.p, '-', s.n) && stream_id_parse(s, 0, &a->id)) return true;
    } else if (stream_id_parse(s, 0, &a->id)) {
        return true;
    }
    reply_err(x, ERR_STREAM_ID);
    return false;
}

static bool parse_add(struct call *x, struct add_options *a) {
    int i = 2;

    for (; i < x->argc; i++) {
        bool is_one;

        if (x->argv[i].n == 1 && x->argv[i].p[0] == '*') {
            a->auto_ms = true;
            break;
        }
        if (!parse_trim_option(x, &i, &a->o, &is_one)) return false;
        if (is_one) continue;
        if (arg_is(x, i, "nomkstream")) {
            a->keep_absent = true;
            continue;
        }
        if (!arg_add_origin(x, &i, &a->origin, &is_one)) return false;
        if (is_one) continue;
        if (!parse_new_id(x, i, a)) return false;
        break;
    }
    if (!settle_limit(x, &a->o)) return false;
    a->id_arg = i;
    if (x->argc - i >= 3 && (x->argc - i) % 2 == 1) return true;
    reply_errf(x, "ERR wrong number of arguments for '%s' command", x->cmd->name);
    return false;
}

/* The id that the entry gets; false: there is none that is above the last. */
static bool settle_id(const struct call *x, const struct stream *s, struct add_options *a) {
    if (a->auto_ms) {
        a->id = (struct stream_id){(uint64_t)x->now_ms, 0};
        if (stream_id_cmp(a->id, s->last_id) > 0) return true;
        a->id = s->last_id;
        return stream_id_inc(&a->id);
    }
    if (a->auto_seq && a->id.ms == s->last_id.ms) {
        if (s->last_id.seq == UINT64_MAX) return false;
        a->id.seq = s->last_id.seq + 1;
    }
    return stream_id_cmp(a->id, s->last_id) > 0;
}

static int check_add(struct call *x, const struct stream *s, struct add_options *a) {
    size_t bytes = 0;

    if (s && stream_id_cmp(s->last_id, STREAM_ID_MAX) == 0)
        return reply_err(x, "ERR The stream has exhausted the last possible ID, unable to add "
                            "more items");
    if (!settle_id(x, s ? s : &(struct stream){0}, a))
        return reply_err(x, "ERR The ID specified in XADD is equal or smaller than the target "
                            "stream top item");
    for (int i = a->id_arg + 1; i < x->argc; i++) bytes += x->argv[i].n;
    if (bytes > STREAM_ENTRY_BYTES_MAX)
        return reply_err(x, "ERR Elements are too large to be stored");
    return 0;
}

/* What "~" left, in the place of what it was told; returns the number of edits. */
static int edit_trim(struct word_edit edits[2], const struct trim_options *o,
                     const struct stream *s, char text[STREAM_ID_TEXT]) {
    struct stream_id first = STREAM_ID_MAX;

    if (!o->trim.approx) return 0;
    edits[0] = (struct word_edit){o->arg - 1, SLICE("=")};
    edits[1].at = o->arg;
    if (o->trim.by == STREAM_TRIM_MAXLEN) {
        edits[1].word = slice_of(text, (size_t)num_format_u64(text, s->length));
    } else {
        stream_edge(s, false, &first);
        edits[1].word = id_text(text, first);
    }
    return 2;
}

static void log_add(struct call *x, const struct add_options *a, struct slice id,
                    const struct stream *s) {
    struct word_edit edits[3] = {{a->id_arg, id}};
    bool made = a->auto_ms || a->auto_seq;
    char text[STREAM_ID_TEXT];
    int n;

    n = made + edit_trim(edits + made, &a->o, s, text);
    if (n) effect_edited(x, edits, n, (struct slice){0});
}

/* Without the options: the rest is logged as what was trimmed. */
static void log_bare_add(struct call *x, const struct add_options *a, struct slice id) {
    int nfields = x->argc - a->id_arg - 1;
    struct slice *argv = mem_alloc((size_t)(nfields + 3) * sizeof *argv);

    argv[0] = SLICE("XADD");
    argv[1] = x->argv[1];
    argv[2] = id;
    memcpy(argv + 3, x->argv + a->id_arg + 1, (size_t)nfields * sizeof *argv);
    effect(x, nfields + 3, argv);
    mem_free(argv);
}

/* Trims as the options of an XADD say, whose entry is there, and logs all of it. */
static uint64_t trim_after_add(struct call *x, const struct add_options *a, const struct ref *r,
                               struct stream *s) {
    char text[STREAM_ID_TEXT];
    struct slice id = id_text(text, a->id);
    uint64_t gone;

    if (a->o.has_policy || a->origin.producer.p) {
        log_bare_add(x, a, id);
        if (a->origin.producer.p) add_origin_remember(x, r, s, &a->origin, a->id);
        return stream_trim_by_policy(x, r, s, &a->o.trim, a->o.policy);
    }
    gone = stream_trim(s, &a->o.trim);
    log_add(x, a, id, s);
    return gone;
}

static struct stream_limits limits_of(const struct call *x) {
    return (struct stream_limits){(uint64_t)x->e->v->stream_node_max_bytes,
                                  (uint64_t)x->e->v->stream_node_max_entries};
}

static int cmd_xadd(struct call *x) {
    struct add_options a = {0};
    struct stream_limits limits = limits_of(x);
    uint8_t digest[SHA1_BYTES]; /* of the contents, for IDMPAUTO */
    struct stream *s;
    struct ref r;
    uint64_t gone;

    if (!parse_add(x, &a)) return -1;
    if (!a.auto_ms && !a.auto_seq && stream_id_is_zero(a.id))
        return reply_err(x, "ERR The ID specified in XADD must be greater than 0-0");
    if (!find_stream(x, 1, true, &r, &s)) return -1;
    if (!s && a.keep_absent) {
        reply_null(&x->r);
        return 0;
    }
    if (a.origin.by_content) add_origin_settle(x, a.id_arg + 1, &a.origin, digest);
    if (a.origin.producer.p && s && add_origin_is_known(x, s, &a.origin, &a.id)) {
        reply_stream_id(&x->r, a.id);
        return 0;
    }
    if (check_add(x, s, &a) < 0) return -1;
    if (!s) s = make_stream(x, &r);
    stream_append(s, a.id, x->argv + a.id_arg + 1, (size_t)(x->argc - a.id_arg) / 2, &limits);
    gone = trim_after_add(x, &a, &r, s);
    key_changed(x, &r, EVENT_STREAM, "xadd");
    if (gone) key_event(x, &r, EVENT_STREAM, "xtrim");
    reply_stream_id(&x->r, a.id);
    return 0;
}

/* ---------------------------------------------------------------- what takes entries away */

static int cmd_xtrim(struct call *x) {
    struct trim_options o = {0};
    struct word_edit edits[2];
    char text[STREAM_ID_TEXT];
    struct stream *s;
    struct ref r;
    uint64_t gone = 0;
    int n;

    for (int i = 2; i < x->argc; i++) {
        bool is_one;

        if (!parse_trim_option(x, &i, &o, &is_one)) return -1;
        if (!is_one) return reply_err(x, ERR_SYNTAX);
    }
    if (o.trim.by == STREAM_TRIM_NONE && !o.limit)
        return reply_err(x, "ERR syntax error, XTRIM must be called with a trimming strategy");
    if (!settle_limit(x, &o)) return -1;
    if (!find_stream(x, 1, true, &r, &s)) return -1;
    if (s && o.has_policy)
        gone = stream_trim_by_policy(x, &r, s, &o.trim, o.policy);
    else if (s)
        gone = stream_trim(s, &o.trim);
    if (gone) {
        key_changed(x, &r, EVENT_STREAM, "xtrim");
        x->e->dirty += gone - 1;
        n = o.has_policy ? 0 : edit_trim(edits, &o, s, text);
        if (n) effect_edited(x, edits, n, (struct slice){0});
    }
    reply_int(&x->r, (int64_t)gone);
    return 0;
}

static int64_t delete_all(struct stream *s, const struct stream_id *ids, int n) {
    struct ordered_id *v = ids_in_order(ids, n);
    struct stream_cursor c = {0};
    int64_t gone = 0;

    for (int i = 0; i < n; i++) {
        if (!stream_cursor_find(&c, s, v[i].id)) continue;
        stream_cursor_delete(&c, s);
        gone++;
    }
    stream_cursor_end(&c, s);
    mem_free(v);
    return gone;
}

static int cmd_xdel(struct call *x) {
    int n = x->argc - 2;
    int64_t gone;
    struct stream_id *ids;
    struct stream *s;
    struct ref r;

    if (!find_stream(x, 1, true, &r, &s)) return -1;
    if (!s) {
        reply_int(&x->r, 0);
        return 0;
    }
    if (!(ids = arg_stream_ids(x, 2, n))) return -1;
    gone = delete_all(s, ids, n);
    mem_free(ids);
    if (gone) {
        key_changed(x, &r, EVENT_STREAM, "xdel");
        x->e->dirty += (uint64_t)gone - 1;
    }
    reply_int(&x->r, gone);
    return 0;
}

/* ---------------------------------------------------------------- XSETID */

struct setid_options {
    struct stream_id id, max_deleted;
    int64_t added; /* -1: not given */
};

static bool parse_setid(struct call *x, struct setid_options *o) {
    *o = (struct setid_options){.added = -1};
    if (!arg_stream_id(x, 2, 0, &o->id)) return false;
    for (int i = 3; i < x->argc; i += 2) {
        if (i + 1 < x->argc && arg_is(x, i, "entriesadded")) {
            if (!arg_int(x, i + 1, &o->added)) return false;
            if (o->added < 0) {
                reply_err(x, "ERR entries_added must be positive");
                return false;
            }
        } else if (i + 1 < x->argc && arg_is(x, i, "maxdeletedid")) {
            if (!arg_stream_id(x, i + 1, 0, &o->max_deleted)) return false;
            if (stream_id_cmp(o->id, o->max_deleted) < 0) {
                reply_err(x, "ERR The ID specified in XSETID is smaller than the provided "
                             "max_deleted_entry_id");
                return false;
            }
        } else {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
    }
    return true;
}

static int check_setid(struct call *x, const struct stream *s, const struct setid_options *o) {
    struct stream_id top;

    if (stream_id_cmp(o->id, s->max_deleted_id) < 0)
        return reply_err(x, "ERR The ID specified in XSETID is smaller than current "
                            "max_deleted_entry_id");
    if (!stream_edge(s, true, &top)) return 0;
    if (stream_id_cmp(o->id, top) < 0)
        return reply_err(x, "ERR The ID specified in XSETID is smaller than the target stream "
                            "top item");
    if (o->added != -1 && (uint64_t)o->added < s->length)
        return reply_err(x, "ERR The entries_added specified in XSETID is smaller than the "
                            "target stream length");
    return 0;
}

static int cmd_xsetid(struct call *x) {
    struct setid_options o;
    struct stream *s;
    struct ref r;

    if (!parse_setid(x, &o) || !find_stream(x, 1, true, &r, &s)) return -1;
    if (!s) return reply_err(x, ERR_NO_KEY);
    if (check_setid(x, s, &o) < 0) return -1;
    s->last_id = o.id;
    if (o.added != -1) s->entries_added = (uint64_t)o.added;
    if (!stream_id_is_zero(o.max_deleted)) s->max_deleted_id = o.max_deleted;
    key_changed_inside(x, &r, EVENT_STREAM, "xsetid");
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- looking */

static int cmd_xlen(struct call *x) {
    struct stream *s;
    struct ref r;

    if (!find_stream(x, 1, false, &r, &s)) return -1;
    reply_int(&x->r, s ? (int64_t)s->length : 0);
    return 0;
}

static int range(struct call *x, bool backward) {
    int64_t count = -1;
    struct stream_id min, max;
    struct stream_iter it;
    struct stream *s;
    struct ref r;

    if (!arg_range_start(x, backward ? 3 : 2, &min) || !arg_range_end(x, backward ? 2 : 3, &max))
        return -1;
    for (int i = 4; i < x->argc; i += 2) {
        if (i + 1 == x->argc || !arg_is(x, i, "count")) return reply_err(x, ERR_SYNTAX);
        if (!arg_int(x, i + 1, &count)) return -1;
        if (count < 0) count = 0;
    }
    if (!find_stream(x, 1, false, &r, &s)) return -1;
    if (!s) {
        reply_array(&x->r, 0);
    } else if (count == 0) {
        reply_null_array(&x->r);
    } else {
        stream_iter_init(&it, s, min, max, backward);
        reply_entries(x, &it, count < 0 ? UINT64_MAX : (uint64_t)count);
    }
    return 0;
}

static int cmd_xrange(struct call *x) {
    return range(x, false);
}

static int cmd_xrevrange(struct call *x) {
    return range(x, true);
}

/* ---------------------------------------------------------------- rows */

#define W CMD_WRITE
#define R CMD_READONLY
#define F CMD_FAST

/* clang-format off */
const struct command stream_commands[] = {
    {"xadd", -5, W | CMD_DENYOOM | F, "stream", {1, 1, 1}, cmd_xadd, "5.0.0",
     "Appends an entry to a stream, which is made if it is not there.",
     .grammar = "key@0 [NOMKSTREAM^6.2.0] "
                "[trim{strategy(MAXLEN|MINID^6.2.0) [operator(equal==|approximately=~)] threshold "
                "[LIMIT=count:int^6.2.0]}] id-selector(auto-id=*|id) data{field value}+",
     .key_specs = "RW update (UPDATE instead of INSERT because of the optional trimming feature)",
     .tips = "nondeterministic_output"},
    {"xdel", -3, W | F, "stream", {1, 1, 1}, cmd_xdel, "5.0.0",
     "Deletes entries of a stream by their ids; tells how many there were.",
     .grammar = "key@0 id+",
     .key_specs = "RW delete"},
    {"xlen", 2, R | F, "stream", {1, 1, 1}, cmd_xlen, "5.0.0",
     "Gives how many entries a stream has.",
     .grammar = "key@0",
     .key_specs = "RO"},
    {"xrange", -4, R, "stream", {1, 1, 1}, cmd_xrange, "5.0.0",
     "Gives the entries of a stream between two ids, the oldest first.",
     .grammar = "key@0 start end [COUNT=count:int]"},
    {"xrevrange", -4, R, "stream", {1, 1, 1}, cmd_xrevrange, "5.0.0",
     "Gives the entries of a stream between two ids, the youngest first.",
     .grammar = "key@0 end start [COUNT=count:int]"},
    {"xsetid", -3, W | CMD_DENYOOM | F, "stream", {1, 1, 1}, cmd_xsetid, "5.0.0",
     "Sets the last id of a stream; meant for replication and the AOF.",
     .grammar = "key@0 last-id [ENTRIESADDED=entries-added:int^7.0.0] "
                "[MAXDELETEDID=max-deleted-id^7.0.0]",
     .key_specs = "RW update"},
    {"xtrim", -4, W, "stream", {1, 1, 1}, cmd_xtrim, "5.0.0",
     "Takes entries from the beginning of a stream until it is short or young enough.",
     .grammar = "key@0 trim{strategy(MAXLEN|MINID^6.2.0) [operator(equal==|approximately=~)] "
                "threshold [LIMIT=count:int^6.2.0]}",
     .key_specs = "RW delete",
     .tips = "nondeterministic_output"},
    {0},
};
/* clang-format on */
