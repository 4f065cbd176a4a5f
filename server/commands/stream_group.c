/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stream_group - consumer groups: XGROUP, and XACK.
 */
#include "server/commands/commands.h"
#include "server/commands/streams.h"
#include "storage/base/mem.h"

/* ---------------------------------------------------------------- what the subcommands share */

#define ERR_NEEDS_KEY                                                                              \
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to "   \
    "use the MKSTREAM option to create an empty stream automatically."

struct group_options {
    bool make;
    int64_t read;
};

/* Whatever follows the id of CREATE and SETID. */
static int parse_options(struct call *x, bool may_make, struct group_options *o) {
    *o = (struct group_options){.read = STREAM_READ_UNKNOWN};
    for (int i = 5; i < x->argc; i++) {
        if (may_make && arg_is(x, i, "mkstream")) {
            o->make = true;
        } else if (i + 1 < x->argc && arg_is(x, i, "entriesread")) {
            if (!arg_int(x, ++i, &o->read)) return -1;
            if (o->read < 0 && o->read != STREAM_READ_UNKNOWN)
                return reply_err(x, "ERR value for ENTRIESREAD must be positive or -1");
        } else {
            return reply_subcommand_err(x);
        }
    }
    return 0;
}

enum { CREATE_WORDS = 8, SETID_WORDS = 7 }; /* with all options; more: one was given again */

/* The id at argument 4, where "$" is the stream's last. */
static bool group_id(struct call *x, const struct stream *s, struct stream_id *id) {
    if (!slice_eq(x->argv[4], SLICE("$"))) return arg_stream_id(x, 4, 0, id);
    *id = s ? s->last_id : STREAM_ID_MIN;
    return true;
}

/* The stream at argument 2, which has to be there, and the group at 3, which is NULL if it is not
 * there and need not be. */
static bool find_for_change(struct call *x, struct ref *r, struct stream **s,
                            struct stream_group **g, bool need_group) {
    if (!find_stream(x, 2, true, r, s)) return false;
    if (!*s) {
        reply_err(x, ERR_NEEDS_KEY);
        return false;
    }
    *g = stream_group_find(*s, x->argv[3]);
    if (*g || !need_group) return true;
    reply_no_group(x, "NOGROUP No such consumer group '", x->argv[3], "' for key name '",
                   x->argv[2], "'");
    return false;
}

/* ---------------------------------------------------------------- groups */

static int cmd_create(struct call *x) {
    struct group_options o;
    struct stream_id id;
    struct stream *s;
    struct ref r;

    if (parse_options(x, true, &o) < 0 || !find_stream(x, 2, true, &r, &s)) return -1;
    if (!s && !o.make) return reply_err(x, ERR_NEEDS_KEY);
    if (x->argc > CREATE_WORDS) return reply_subcommand_err(x);
    if (!group_id(x, s, &id)) return -1;
    if (s && stream_group_find(s, x->argv[3]))
        return reply_err(x, "BUSYGROUP Consumer Group name already exists");
    stream_group_add(s ? s : make_stream(x, &r), x->argv[3], id, o.read);
    if (s)
        key_changed_inside(x, &r, EVENT_STREAM, "xgroup-create");
    else
        key_changed(x, &r, EVENT_STREAM, "xgroup-create");
    reply_ok(&x->r);
    return 0;
}

/* SETID takes the ends of all ids too. */
static bool setid_id(struct call *x, const struct stream *s, struct stream_id *id) {
    if (slice_eq(x->argv[4], SLICE("-")))
        *id = STREAM_ID_MIN;
    else if (slice_eq(x->argv[4], SLICE("+")))
        *id = STREAM_ID_MAX;
    else
        return group_id(x, s, id);
    return true;
}

static int cmd_setid(struct call *x) {
    struct group_options o;
    struct stream_group *g;
    struct stream_id id;
    struct stream *s;
    struct ref r;

    if (parse_options(x, false, &o) < 0 || !find_for_change(x, &r, &s, &g, true)) return -1;
    if (x->argc > SETID_WORDS) return reply_subcommand_err(x);
    if (!setid_id(x, s, &id)) return -1;
    g->last_id = id;
    g->entries_read = o.read;
    key_changed_inside(x, &r, EVENT_STREAM, "xgroup-setid");
    reply_ok(&x->r);
    return 0;
}

static int cmd_destroy(struct call *x) {
    struct stream_group *g;
    struct stream *s;
    struct ref r;

    if (!find_for_change(x, &r, &s, &g, false)) return -1;
    if (g) {
        stream_group_remove(s, g);
        key_changed_inside(x, &r, EVENT_STREAM, "xgroup-destroy");
    }
    reply_int(&x->r, g != NULL);
    return 0;
}

/* ---------------------------------------------------------------- consumers */

static int cmd_createconsumer(struct call *x) {
    struct stream_group *g;
    struct stream *s;
    struct ref r;
    bool is_new;

    if (!find_for_change(x, &r, &s, &g, true)) return -1;
    is_new = !stream_consumer_find(g, x->argv[4]);
    if (is_new) {
        stream_consumer_add(g, x->argv[4], x->now_ms);
        key_changed_inside(x, &r, EVENT_STREAM, "xgroup-createconsumer");
    }
    reply_int(&x->r, is_new);
    return 0;
}

static int cmd_delconsumer(struct call *x) {
    struct stream_consumer *c;
    struct stream_group *g;
    size_t pending = 0;
    struct stream *s;
    struct ref r;

    if (!find_for_change(x, &r, &s, &g, true)) return -1;
    if ((c = stream_consumer_find(g, x->argv[4]))) {
        pending = c->pending.count;
        stream_consumer_remove(g, c);
        key_changed_inside(x, &r, EVENT_STREAM, "xgroup-delconsumer");
    }
    reply_int(&x->r, (int64_t)pending);
    return 0;
}

static int cmd_help(struct call *x) {
    static const char *const lines[] = {
        "CREATE <key> <group> <id|$> [option ...]",
        "    Make a group that has read up to <id>, or all there is ($). Options are:",
        "    * MKSTREAM",
        "      Make an empty stream if the key is not there.",
        "    * ENTRIESREAD entries_read",
        "      How many entries the group has read, for its lag.",
        "CREATECONSUMER <key> <group> <consumer>",
        "    Make a consumer in a group.",
        "DELCONSUMER <key> <group> <consumer>",
        "    Remove a consumer with all that is pending for it.",
        "DESTROY <key> <group>",
        "    Remove a group.",
        "SETID <key> <group> <id|$> [ENTRIESREAD entries_read]",
        "    Say up to which id a group has read.",
        NULL,
    };

    reply_help(x, lines);
    return 0;
}

/* ---------------------------------------------------------------- XACK */

static int cmd_xack(struct call *x) {
    struct stream_group *g = NULL;
    int n = x->argc - 3;
    int64_t gone = 0;
    struct ordered_id *v;
    struct stream_id *ids;
    struct stream *s;
    struct ref r;

    if (!find_stream(x, 1, true, &r, &s)) return -1;
    if (s) g = stream_group_find(s, x->argv[2]);
    if (!g) {
        reply_int(&x->r, 0);
        return 0;
    }
    if (!(ids = arg_stream_ids(x, 3, n))) return -1;
    v = ids_in_order(ids, n);
    for (int i = 0; i < n; i++) gone += stream_pending_drop(g, v[i].id);
    mem_free(v);
    mem_free(ids);
    if (gone) {
        key_changed_quietly(x, &r);
        x->e->dirty += (uint64_t)gone - 1;
    }
    reply_int(&x->r, gone);
    return 0;
}

/* ---------------------------------------------------------------- rows */

#define W CMD_WRITE

/* clang-format off */
static const struct command xgroup_commands[] = {
    {"create", -5, W | CMD_DENYOOM, "stream", {2, 2, 1}, cmd_create, "5.0.0",
     "Makes a consumer group.",
     .grammar = "key@0 group id-selector(id|new-id=$) [MKSTREAM] "
                "[ENTRIESREAD=entriesread:int'entries-read']",
     .key_specs = "RW insert"},
    {"createconsumer", 5, W | CMD_DENYOOM, "stream", {2, 2, 1}, cmd_createconsumer, "6.2.0",
     "Makes a consumer in a group.",
     .grammar = "key@0 group consumer",
     .key_specs = "RW insert"},
    {"delconsumer", 5, W, "stream", {2, 2, 1}, cmd_delconsumer, "5.0.0",
     "Removes a consumer and its pending entries from a group.",
     .grammar = "key@0 group consumer",
     .key_specs = "RW delete"},
    {"destroy", 4, W, "stream", {2, 2, 1}, cmd_destroy, "5.0.0",
     "Removes a consumer group.",
     .grammar = "key@0 group",
     .key_specs = "RW delete"},
    {"help", 2, CMD_LOADING | CMD_STALE, "stream", {0, 0, 0}, cmd_help, "5.0.0",
     "Tells about the subcommands."},
    {"setid", -5, W, "stream", {2, 2, 1}, cmd_setid, "5.0.0",
     "Sets the id up to which a group has read.",
     .grammar = "key@0 group id-selector(id|new-id=$) "
                "[ENTRIESREAD=entriesread:int'entries-read']",
     .key_specs = "RW update"},
    {0},
};

const struct command stream_group_commands[] = {
    {"xack", -4, W | CMD_FAST, "stream", {1, 1, 1}, cmd_xack, "5.0.0",
     "Acknowledges pending entries of a group; tells how many there were.",
     .grammar = "key@0 group id+",
     .key_specs = "RW update"},
    {"xgroup", -2, 0, "stream", {0, 0, 0}, NULL, "5.0.0",
     "Holds the commands about consumer groups.",
     .subcommands = xgroup_commands},
    {0},
};
/* clang-format on */
