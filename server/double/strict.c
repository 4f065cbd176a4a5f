/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/double/strict.h"

#include "server/exec/keys.h"
#include "server/exec/keyspec.h"
#include "server/exec/slots.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"
#include "storage/hash.h"
#include "storage/listval.h"
#include "storage/set.h"
#include "storage/zset.h"

#include <ctype.h>

enum { KEYS_MAX = 2 * STRICT_LARGE };

/* ---------------------------------------------------------------- predicates */

static bool has_word(const struct call *x, int from, const char *word) {
    for (int i = from; i < x->argc; i++)
        if (arg_is(x, i, word)) return true;
    return false;
}

static bool is_not_async(struct call *x) {
    return !has_word(x, 1, "async");
}

/* How many elements the collection at argument `i` has; 0: it is missing, or no collection. */
static size_t elements(struct call *x, int i) {
    static size_t (*const len[TYPE_COUNT])(const struct entry *) = {
        [TYPE_LIST] = listval_len,
        [TYPE_SET] = set_len,
        [TYPE_ZSET] = zset_count,
        [TYPE_HASH] = hash_len,
    };
    struct ref r = lookup_quiet(x, i);

    return r.e && len[r.e->type] ? len[r.e->type](r.e) : 0;
}

static bool is_large(struct call *x) {
    return elements(x, 1) > STRICT_LARGE;
}

static bool is_large_without_limit(struct call *x) {
    return !has_word(x, 2, "limit") && is_large(x);
}

/* ZRANGE by score or by member takes the range as something else; with LIMIT it is bounded. */
static bool is_by_index(const struct call *x) {
    return !has_word(x, 4, "byscore") && !has_word(x, 4, "bylex");
}

/* A range of indexes at arguments 2 and 3 that takes in more than STRICT_LARGE elements. */
static bool is_long_range(struct call *x) {
    int64_t first, last, n;

    if (!is_by_index(x)) return is_large_without_limit(x);
    if (!num_parse_i64(x->argv[2].p, x->argv[2].n, &first) ||
        !num_parse_i64(x->argv[3].p, x->argv[3].n, &last))
        return false;
    n = (int64_t)elements(x, 1);
    if (first < 0) first = first < -n ? 0 : first + n;
    if (last < 0) last = last < -n ? -1 : last + n;
    if (last >= n) last = n - 1;
    return last - first >= STRICT_LARGE;
}

static bool is_any_large(struct call *x) {
    for (int i = 1; i < x->argc; i++)
        if (elements(x, i) > STRICT_LARGE) return true;
    return false;
}

/* ---------------------------------------------------------------- the table */

#define MANAGED "managed Redis services forbid it: the operator's tools do this, not an application"
#define WHOLE   "it walks over every key and holds up all other clients meanwhile; use SCAN"
#define LARGE   "its reply has more than 5000 elements and holds up all other clients meanwhile; "

static const struct rule {
    const char *name;                /* a command, or "command|subcommand" */
    bool (*applies)(struct call *x); /* NULL: always */
    const char *why;
} rules[] = {
    {"keys", NULL, WHOLE},
    {"flushall", is_not_async, "it frees all data in one step; use FLUSHALL ASYNC, or TEST RESET"},
    {"flushdb", is_not_async, "it frees all data in one step; use FLUSHDB ASYNC, or TEST RESET"},
    {"monitor", NULL, "it slows every command down and shows all data; use TEST JOURNAL"},
    {"debug", NULL, MANAGED},
    {"save", NULL, "it stops the server until the whole data set is on disk; use BGSAVE"},
    {"bgsave", NULL, MANAGED},
    {"bgrewriteaof", NULL, MANAGED},
    {"shutdown", NULL, MANAGED},
    {"config|set", NULL, MANAGED},
    {"config|rewrite", NULL, MANAGED},
    {"config|resetstat", NULL, MANAGED},
    {"acl|setuser", NULL, MANAGED},
    {"acl|deluser", NULL, MANAGED},
    {"acl|load", NULL, MANAGED},
    {"acl|save", NULL, MANAGED},
    {"module|load", NULL, MANAGED},
    {"module|loadex", NULL, MANAGED},
    {"module|unload", NULL, MANAGED},
    {"replicaof", NULL, MANAGED},
    {"slaveof", NULL, MANAGED},
    {"failover", NULL, MANAGED},
    {"migrate", NULL, MANAGED},
    {"sync", NULL, MANAGED},
    {"psync", NULL, MANAGED},
    {"swapdb", NULL, "it exists in no cluster and changes what other clients see"},
    {"sort", is_large_without_limit, "it sorts more than 5000 elements in one step; add LIMIT"},
    {"sort_ro", is_large_without_limit, "it sorts more than 5000 elements in one step; add LIMIT"},
    {"smembers", is_large, LARGE "use SSCAN"},
    {"hgetall", is_large, LARGE "use HSCAN"},
    {"hkeys", is_large, LARGE "use HSCAN"},
    {"hvals", is_large, LARGE "use HSCAN"},
    {"lrange", is_long_range, LARGE "ask for a part of the list"},
    {"zrange", is_long_range, LARGE "ask for a part of the set, or use ZSCAN"},
    {"del", is_any_large,
     "it frees a collection of more than 5000 elements in one step; use UNLINK"},
};

static bool is_named(const struct command_slot *c, const char *name) {
    return strcmp(c->name, name) == 0 || (c->parent && strcmp(c->parent->name, name) == 0);
}

static const struct rule *find_rule(struct call *x) {
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (is_named(x->cmd, rules[i].name) && (!rules[i].applies || rules[i].applies(x)))
            return &rules[i];
    return NULL;
}

/* ---------------------------------------------------------------- deprecated commands */

/* Client libraries send these on their own. */
static bool is_sent_by_libraries(const struct command_slot *c) {
    return is_named(c, "quit") || is_named(c, "cluster|slots");
}

/* The grammar of a deprecated command begins "!2.6.12 `SET` with the `EX` argument;". */
static const char *deprecation(struct strict *s, const struct command_slot *c) {
    const char *g = c->row->grammar;
    int version, instead;

    if (!g || g[0] != '!' || !isdigit((unsigned char)g[1]) || is_sent_by_libraries(c)) return NULL;
    version = (int)strcspn(++g, " ;");
    instead = (int)strcspn(g + version, ";");
    snprintf(s->text, sizeof s->text,
             "ERR TEST STRICT refuses '%s': it is deprecated since Redis %.*s; use%.*s", c->name,
             version, g, instead, g + version);
    return s->text;
}

/* ---------------------------------------------------------------- many keys */

static bool crosses_slots(const struct call *x, const struct key_use *keys, int n) {
    unsigned first = n > 0 ? slot_of(x->argv[keys[0].at]) : 0;

    for (int i = 1; i < n; i++)
        if (slot_of(x->argv[keys[i].at]) != first) return true;
    return false;
}

static const char *keys_refusal(struct strict *s, struct call *x) {
    struct key_use *keys;
    bool crosses;
    int n;

    if (x->argc < 3) return NULL;
    keys = mem_alloc(KEYS_MAX * sizeof *keys);
    n = keyspec_keys(x->cmd->row, x->argc, x->argv, keys, KEYS_MAX);
    crosses = crosses_slots(x, keys, n < KEYS_MAX ? n : KEYS_MAX);
    mem_free(keys);
    if (crosses)
        return "CROSSSLOT Keys in request don't hash to the same slot (TEST STRICT: a cluster "
               "refuses this; give the keys a common {tag})";
    if (n <= STRICT_LARGE) return NULL;
    snprintf(s->text, sizeof s->text,
             "ERR TEST STRICT refuses '%s': it has more than %d keys and holds up all other "
             "clients meanwhile; send several commands",
             x->cmd->name, STRICT_LARGE);
    return s->text;
}

/* ---------------------------------------------------------------- the guard */

const char *strict_refusal(struct strict *s, struct call *x) {
    const struct rule *r = find_rule(x);
    const char *why;

    if (r) {
        snprintf(s->text, sizeof s->text, "ERR TEST STRICT refuses '%s': %s", x->cmd->name, r->why);
        return s->text;
    }
    why = deprecation(s, x->cmd);
    return why ? why : keys_refusal(s, x);
}

int strict_command(struct strict *s, struct call *x) {
    if (x->argc == 2) {
        reply_bulk_str(&x->r, s->on ? "yes" : "no");
        return 0;
    }
    if (x->argc != 3 ||
        !(arg_is(x, 2, "yes") || arg_is(x, 2, "no") || arg_is(x, 2, "on") || arg_is(x, 2, "off")))
        return reply_err(x, ERR_SYNTAX);
    s->on = arg_is(x, 2, "yes") || arg_is(x, 2, "on");
    reply_ok(&x->r);
    return 0;
}
