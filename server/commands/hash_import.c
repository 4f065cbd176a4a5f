/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hash_import - HIMPORT: hashes whose fields were named before, so that only their values are sent.
 * The form is that of Redis 8.10.
 *
 * A hash that is stored so replaces one that is there, with its time to live. It is logged as a DEL
 * and an HSET.
 */
#include "server/commands/commands.h"
#include "server/commands/hash.h"
#include "server/exec/fieldset.h"
#include "storage/base/mem.h"

/* ---------------------------------------------------------------- PREPARE, DISCARD */

static bool names_field_twice(struct call *x) {
    struct hash_rules rules = hash_rules(x);
    struct entry *e = hash_new(x->argv[2]);
    bool twice = false;

    for (int i = 3; i < x->argc && !twice; i++)
        twice = !hash_set(e, x->argv[i], SLICE(""), false, &rules);
    entry_free(e);
    return twice;
}

static int cmd_prepare(struct call *x) {
    if (names_field_twice(x)) return reply_err(x, "ERR a field is named twice");
    if (!fieldset_keep(x->s, x->argc - 2, x->argv + 2))
        return reply_errf(x, "ERR a connection has at most %d fieldsets, of %d bytes together",
                          FIELDSETS_MAX, FIELDSETS_BYTES_MAX);
    reply_ok(&x->r);
    return 0;
}

static int cmd_discard(struct call *x) {
    reply_int(&x->r, fieldset_drop(x->s, x->argv[2]));
    return 0;
}

static int cmd_discardall(struct call *x) {
    reply_int(&x->r, fieldset_drop_all(x->s));
    return 0;
}

/* ---------------------------------------------------------------- SET */

static void log_hash(struct call *x, const struct ref *r, const struct fieldset *set,
                     bool replaces) {
    int n = set->n - 1;
    struct slice *argv = mem_alloc((2 + 2 * (size_t)n) * sizeof *argv);

    if (replaces) EFFECT(x, SLICE("DEL"), r->key);
    argv[0] = SLICE("HSET");
    argv[1] = r->key;
    for (int i = 0; i < n; i++) {
        argv[2 + 2 * i] = set->v[1 + i];
        argv[3 + 2 * i] = x->argv[4 + i];
    }
    effect(x, 2 + 2 * n, argv);
    mem_free(argv);
}

static int cmd_set(struct call *x) {
    const struct fieldset *set = fieldset_find(x->s, x->argv[3]);
    struct hash_rules rules = hash_rules(x);
    struct entry *e;
    struct ref r;
    bool replaces;

    if (!set) return reply_err(x, "ERR no such fieldset");
    if (x->argc - 4 != set->n - 1)
        return reply_errf(x, "ERR the fieldset has %d fields, but there are %d values", set->n - 1,
                          x->argc - 4);
    r = lookup_write(x, 2);
    if (!check_type(x, &r, TYPE_HASH)) return -1;
    replaces = r.e;
    e = hash_new(r.key);
    for (int i = 1; i < set->n; i++) hash_set(e, set->v[i], x->argv[3 + i], false, &rules);
    store_entry(x, &r, e);
    log_hash(x, &r, set, replaces);
    key_changed(x, &r, EVENT_HASH, "hset");
    reply_ok(&x->r);
    return 0;
}

static int cmd_help(struct call *x) {
    static const char *const lines[] = {
        "DISCARD <fieldset>",
        "    Forget a list of fields; says whether there was one.",
        "DISCARDALL",
        "    Forget all lists of this connection; says how many there were.",
        "PREPARE <fieldset> <field> [<field> ...]",
        "    Name the fields of the hashes to come, for this connection.",
        "SET <key> <fieldset> <value> [<value> ...]",
        "    Store a hash with these fields, in place of one that is there.",
        NULL,
    };

    reply_help(x, lines);
    return 0;
}

/* ---------------------------------------------------------------- rows */

/* clang-format off */
static const struct command subcommands[] = {
    {"discard", 3, CMD_FAST, "hash", {0, 0, 0}, cmd_discard, "8.10.0",
     "Forgets a list of fields.",
     .grammar = "fieldset",
     .tips = "request_policy:all_shards response_policy:agg_max"},
    {"discardall", 2, CMD_FAST, "hash", {0, 0, 0}, cmd_discardall, "8.10.0",
     "Forgets all lists of fields of the connection.",
     .tips = "request_policy:all_shards response_policy:agg_max"},
    {"help", 2, CMD_LOADING | CMD_STALE, "hash", {0, 0, 0}, cmd_help, "8.10.0",
     "Explains the subcommands."},
    {"prepare", -4, CMD_DENYOOM, "hash", {0, 0, 0}, cmd_prepare, "8.10.0",
     "Names the fields of the hashes that HIMPORT SET stores.",
     .grammar = "fieldset field+",
     .tips = "request_policy:all_shards response_policy:all_succeeded"},
    {"set", -5, CMD_WRITE | CMD_DENYOOM, "hash", {2, 2, 1}, cmd_set, "8.10.0",
     "Stores a hash with the fields that were named before.",
     .grammar = "key@0 fieldset value+",
     .key_specs = "OW update"},
    {0},
};

const struct command hash_import_commands[] = {
    {"himport", -2, 0, "hash", {0, 0, 0}, NULL, "8.10.0",
     "Holds the commands that store hashes with fields that were named before.",
     .subcommands = subcommands},
    {0},
};
/* clang-format on */
