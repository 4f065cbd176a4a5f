/* SPDX-License-Identifier: BSD-3-Clause
 *
 * pubsub - subscribing, publishing, and what PUBSUB tells of it.
 *
 * What SUBSCRIBE and its like answer are pushes, one for each name. So CLIENT REPLY does not
 * silence them.
 */
#include "server/exec/pubsub.h"
#include "server/exec/push.h"
#include "server/exec/slots.h"

#include "server/commands/commands.h"
#include "server/commands/support.h"
#include "storage/base/glob.h"

/* ---------------------------------------------------------------- subscribing */

struct kind_words {
    const char *subscribe, *unsubscribe;
};

static const struct kind_words words[PUBSUB_KINDS] = {
    [PUBSUB_CHANNEL] = {"subscribe", "unsubscribe"},
    [PUBSUB_PATTERN] = {"psubscribe", "punsubscribe"},
    [PUBSUB_SHARD] = {"ssubscribe", "sunsubscribe"},
};

/* Shard channels are counted apart from the others. */
static size_t count_of(const struct session *s, enum pubsub_kind kind) {
    if (kind == PUBSUB_SHARD) return pubsub_count(s, PUBSUB_SHARD);
    return pubsub_count(s, PUBSUB_CHANNEL) + pubsub_count(s, PUBSUB_PATTERN);
}

/* Where the confirmations go: to the pushes if replies are switched off. */
static struct reply confirmations(struct call *x) {
    bool silent = x->s->flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP);

    return silent ? push_begin(x->e, x->s) : x->r;
}

static void confirm(struct call *x, struct reply *r, enum pubsub_kind kind, const char *word,
                    const struct slice *name) {
    reply_push(r, 3);
    reply_bulk_str(r, word);
    if (name)
        reply_bulk(r, name->p, name->n);
    else
        reply_null(r);
    reply_int(r, (int64_t)count_of(x->s, kind));
}

static int subscribe(struct call *x, enum pubsub_kind kind) {
    struct reply r = confirmations(x);

    for (int i = 1; i < x->argc; i++) {
        pubsub_subscribe(x->s, kind, x->argv[i]);
        confirm(x, &r, kind, words[kind].subscribe, &x->argv[i]);
    }
    return 0;
}

static void unsubscribe_all(struct call *x, struct reply *r, enum pubsub_kind kind) {
    struct bytes copy = {0};
    struct slice name;
    size_t n = 0;

    for (; pubsub_first(x->s, kind, &name); n++) {
        bytes_clear(&copy);
        bytes_append(&copy, name.p, name.n);
        name = slice_of(copy.p ? copy.p : "", copy.n);
        pubsub_unsubscribe(x->s, kind, name);
        confirm(x, r, kind, words[kind].unsubscribe, &name);
    }
    if (n == 0) confirm(x, r, kind, words[kind].unsubscribe, NULL);
    bytes_release(&copy);
}

static int unsubscribe(struct call *x, enum pubsub_kind kind) {
    struct reply r = confirmations(x);

    if (x->argc == 1) unsubscribe_all(x, &r, kind);
    for (int i = 1; i < x->argc; i++) {
        pubsub_unsubscribe(x->s, kind, x->argv[i]);
        confirm(x, &r, kind, words[kind].unsubscribe, &x->argv[i]);
    }
    return 0;
}

static int cmd_subscribe(struct call *x) {
    return subscribe(x, PUBSUB_CHANNEL);
}

static int cmd_psubscribe(struct call *x) {
    return subscribe(x, PUBSUB_PATTERN);
}

static int cmd_ssubscribe(struct call *x) {
    if (!call_may_wait(x))
        return reply_err(x, "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
    return subscribe(x, PUBSUB_SHARD);
}

static int cmd_unsubscribe(struct call *x) {
    return unsubscribe(x, PUBSUB_CHANNEL);
}

static int cmd_punsubscribe(struct call *x) {
    return unsubscribe(x, PUBSUB_PATTERN);
}

static int cmd_sunsubscribe(struct call *x) {
    return unsubscribe(x, PUBSUB_SHARD);
}

/* ---------------------------------------------------------------- publishing */

static int cmd_publish(struct call *x) {
    propagate_message(x);
    reply_int(&x->r, (int64_t)pubsub_publish(x->e, PUBSUB_CHANNEL, x->argv[1], x->argv[2]));
    return 0;
}

static int cmd_spublish(struct call *x) {
    propagate_message(x);
    reply_int(&x->r, (int64_t)pubsub_publish(x->e, PUBSUB_SHARD, x->argv[1], x->argv[2]));
    return 0;
}

/* ---------------------------------------------------------------- PUBSUB */

struct listing {
    const struct call *x;
    enum pubsub_kind kind;
    struct reply *r; /* NULL: only to be counted */
    const struct slice *pattern;
    size_t n;
};

/* Shard channels of another node of this process. */
static bool is_elsewhere(const struct call *x, enum pubsub_kind kind, struct slice name) {
    return kind == PUBSUB_SHARD && cluster_hides(x, name);
}

static void list_topic(void *entry, void *arg) {
    struct slice name = topic_name(entry);
    struct listing *l = arg;

    if (l->pattern && !glob_match(*l->pattern, name, false)) return;
    if (is_elsewhere(l->x, l->kind, name)) return;
    l->n++;
    if (l->r) reply_bulk(l->r, name.p, name.n);
}

static int list_channels(struct call *x, enum pubsub_kind kind) {
    struct listing l = {.x = x, .kind = kind, .pattern = x->argc == 3 ? &x->argv[2] : NULL};

    if (x->argc > 3) return reply_subcommand_err(x);
    table_each(&x->e->pubsub->topics[kind], list_topic, &l);
    reply_array(&x->r, l.n);
    l.r = &x->r;
    table_each(&x->e->pubsub->topics[kind], list_topic, &l);
    return 0;
}

static int count_subscribers(struct call *x, enum pubsub_kind kind) {
    reply_array(&x->r, (size_t)(x->argc - 2) * 2);
    for (int i = 2; i < x->argc; i++) {
        reply_bulk(&x->r, x->argv[i].p, x->argv[i].n);
        reply_int(&x->r, is_elsewhere(x, kind, x->argv[i])
                             ? 0
                             : (int64_t)pubsub_subscribers(x->e->pubsub, kind, x->argv[i]));
    }
    return 0;
}

static int cmd_channels(struct call *x) {
    return list_channels(x, PUBSUB_CHANNEL);
}

static int cmd_shardchannels(struct call *x) {
    return list_channels(x, PUBSUB_SHARD);
}

static int cmd_numsub(struct call *x) {
    return count_subscribers(x, PUBSUB_CHANNEL);
}

static int cmd_shardnumsub(struct call *x) {
    return count_subscribers(x, PUBSUB_SHARD);
}

static int cmd_numpat(struct call *x) {
    reply_int(&x->r, (int64_t)x->e->pubsub->topics[PUBSUB_PATTERN].count);
    return 0;
}

static int cmd_help(struct call *x) {
    static const char *const lines[] = {
        "CHANNELS [<pattern>]",
        "    The channels that have subscribers, or those of them that match <pattern>.",
        "NUMPAT",
        "    How many patterns have subscribers.",
        "NUMSUB [<channel> ...]",
        "    Each of these channels, followed by the number of its subscribers.",
        "SHARDCHANNELS [<pattern>]",
        "    The shard channels that have subscribers, or those that match <pattern>.",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    Each of these shard channels, followed by the number of its subscribers.",
        NULL,
    };

    reply_help(x, lines);
    return 0;
}

/* ---------------------------------------------------------------- rows */

#define ANYTIME (CMD_LOADING | CMD_STALE)
#define P       (CMD_PUBSUB | ANYTIME)
#define S       (P | CMD_NOSCRIPT | CMD_IN_SUBSCRIBED)

/* clang-format off */
static const struct command pubsub_subcommands[] = {
    {"channels", -2, P, "pubsub", {0, 0, 0}, cmd_channels, "2.8.0",
     "Names the channels that have subscribers.",
     .grammar = "[pattern:pattern]"},
    {"help", 2, ANYTIME, "pubsub", {0, 0, 0}, cmd_help, "6.2.0", "Explains the subcommands."},
    {"numpat", 2, P, "pubsub", {0, 0, 0}, cmd_numpat, "2.8.0",
     "Counts the patterns that have subscribers."},
    {"numsub", -2, P, "pubsub", {0, 0, 0}, cmd_numsub, "2.8.0",
     "Counts the subscribers of channels.",
     .grammar = "[channel+]"},
    {"shardchannels", -2, P, "pubsub", {0, 0, 0}, cmd_shardchannels, "7.0.0",
     "Names the shard channels that have subscribers.",
     .grammar = "[pattern:pattern]"},
    {"shardnumsub", -2, P, "pubsub", {0, 0, 0}, cmd_shardnumsub, "7.0.0",
     "Counts the subscribers of shard channels.",
     .grammar = "[shardchannel+]"},
    {0},
};

const struct command pubsub_commands[] = {
    {"subscribe", -2, S, "pubsub", {0, 0, 0}, cmd_subscribe, "2.0.0",
     "Lets the connection hear what is published on channels.",
     .grammar = "channel+"},
    {"unsubscribe", -1, S, "pubsub", {0, 0, 0}, cmd_unsubscribe, "2.0.0",
     "Ends subscriptions to channels, or to all of them.",
     .grammar = "[channel+]"},
    {"psubscribe", -2, S, "pubsub", {0, 0, 0}, cmd_psubscribe, "2.0.0",
     "Lets the connection hear every channel whose name matches a pattern.",
     .grammar = "pattern:pattern+"},
    {"punsubscribe", -1, S, "pubsub", {0, 0, 0}, cmd_punsubscribe, "2.0.0",
     "Ends subscriptions to patterns, or to all of them.",
     .grammar = "[pattern:pattern+]"},
    {"ssubscribe", -2, S, "pubsub", {1, -1, 1}, cmd_ssubscribe, "7.0.0",
     "Lets the connection hear what is published on shard channels.",
     .grammar = "shardchannel+",
     .key_specs = "not_key"},
    {"sunsubscribe", -1, S, "pubsub", {1, -1, 1}, cmd_sunsubscribe, "7.0.0",
     "Ends subscriptions to shard channels, or to all of them.",
     .grammar = "[shardchannel+]",
     .key_specs = "not_key"},
    {"publish", 3, P | CMD_FAST | CMD_MAY_REPLICATE, "pubsub", {0, 0, 0}, cmd_publish, "2.0.0",
     "Sends a message to the subscribers of a channel.",
     .grammar = "channel message"},
    {"spublish", 3, P | CMD_FAST | CMD_MAY_REPLICATE, "pubsub", {1, 1, 1}, cmd_spublish, "7.0.0",
     "Sends a message to the subscribers of a shard channel.",
     .grammar = "shardchannel message",
     .key_specs = "not_key"},
    {"pubsub", -2, 0, "pubsub", {0, 0, 0}, NULL, "2.8.0",
     "The commands that tell of subscriptions.", .subcommands = pubsub_subcommands},
    {0},
};
/* clang-format on */
