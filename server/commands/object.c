/* SPDX-License-Identifier: BSD-3-Clause
 *
 * object - what OBJECT tells of the way a value is kept.
 */
#include "conf/conf.h"
#include "server/commands/commands.h"
#include "server/commands/support.h"
#include "server/exec/access.h"
#include "storage/base/num.h"

#include <limits.h>

enum { SHARED_INTEGERS = 10000 }; /* Redis has one object for each of 0..9999 */

#define SWITCHING                                                                                  \
    " Please note that when switching between policies at runtime LRU and LFU data will take "     \
    "some time to adjust."

/* The key of OBJECT; NULL: answered with null. */
static struct entry *find_object(struct call *x) {
    struct ref r = lookup_quiet(x, 2);

    if (r.e) {
        x->e->stats.hits++;
    } else {
        x->e->stats.misses++;
        reply_null(&x->r);
    }
    return r.e;
}

static int cmd_encoding(struct call *x) {
    struct entry *e = find_object(x);

    if (e) reply_bulk_str(&x->r, type_ops_of(e->type)->encoding(e));
    return 0;
}

static int cmd_freq(struct call *x) {
    struct entry *e = find_object(x);

    if (!e) return 0;
    if (!access_is_lfu(x->e->v))
        return reply_err(x, "ERR An LFU maxmemory policy is not selected, access frequency not "
                            "tracked." SWITCHING);
    reply_int(&x->r, access_frequency(x->e, e));
    return 0;
}

static int cmd_idletime(struct call *x) {
    struct entry *e = find_object(x);

    if (!e) return 0;
    if (access_is_lfu(x->e->v))
        return reply_err(x, "ERR An LFU maxmemory policy is selected, idle time not "
                            "tracked." SWITCHING);
    reply_int(&x->r, access_idle_s(x->e, e));
    return 0;
}

/* No value here has more than one owner; small integers answer as those of Redis, which shares them
 * unless eviction wants to know each key's age. */
static int cmd_refcount(struct call *x) {
    struct entry *e = find_object(x);
    int64_t v;

    if (!e) return 0;
    if (e->type == TYPE_STRING && !(e->flags & (ENTRY_RAW | ENTRY_NOT_INT)) &&
        num_parse_i64(entry_string(e).p, entry_string(e).n, &v) && v >= 0 && v < SHARED_INTEGERS &&
        !(x->e->v->maxmemory && (access_is_lru(x->e->v) || access_is_lfu(x->e->v))))
        reply_int(&x->r, INT_MAX);
    else
        reply_int(&x->r, 1);
    return 0;
}

static int cmd_help(struct call *x) {
    static const char *const lines[] = {
        "ENCODING <key>",
        "    Name the form in which the value of <key> is kept.",
        "FREQ <key>",
        "    Tell how often <key> is used; needs an LFU maxmemory policy.",
        "IDLETIME <key>",
        "    Tell for how many seconds <key> has not been used.",
        "REFCOUNT <key>",
        "    Tell how many owners the value of <key> has.",
        NULL,
    };

    reply_help(x, lines);
    return 0;
}

/* ---------------------------------------------------------------- rows */

#define R    (CMD_READONLY | CMD_KEYSPACE_CAT)
#define HELP (CMD_LOADING | CMD_STALE | CMD_KEYSPACE_CAT)

/* clang-format off */
static const struct command object_subcommands[] = {
    {"encoding", 3, R, "generic", {2, 2, 1}, cmd_encoding, "2.2.3",
     "Names the form in which a value is kept.",
     .grammar = "key@0",
     .key_specs = "RO",
     .tips = "nondeterministic_output"},
    {"freq", 3, R, "generic", {2, 2, 1}, cmd_freq, "4.0.0", "Tells how often a key is used.",
     .grammar = "key@0",
     .key_specs = "RO",
     .tips = "nondeterministic_output"},
    {"help", 2, HELP, "generic", {0, 0, 0}, cmd_help, "6.2.0", "Explains the subcommands."},
    {"idletime", 3, R, "generic", {2, 2, 1}, cmd_idletime, "2.2.3",
     "Tells for how long a key has not been used.",
     .grammar = "key@0",
     .key_specs = "RO",
     .tips = "nondeterministic_output"},
    {"refcount", 3, R, "generic", {2, 2, 1}, cmd_refcount, "2.2.3",
     "Tells how many owners a value has.",
     .grammar = "key@0",
     .key_specs = "RO",
     .tips = "nondeterministic_output"},
    {0},
};

const struct command object_commands[] = {
    {"object", -2, 0, "generic", {0, 0, 0}, NULL, "2.2.3",
     "The commands about the way values are kept.", .subcommands = object_subcommands},
    {0},
};
/* clang-format on */
