/* SPDX-License-Identifier: BSD-3-Clause
 *
 * command - the COMMAND command: what commands there are, and what their rows say.
 */
#include "server/admin/docs.h"
#include "server/admin/rows.h"
#include "server/exec/breathe.h"
#include "server/exec/category.h"
#include "server/exec/keyspec.h"
#include "server/exec/secret.h"
#include "storage/base/glob.h"
#include "storage/base/mem.h"

static bool is_listed(const struct command_slot *s) {
    return s->name[0] && !(s->row->flags & CMD_INTERNAL);
}

static unsigned count_listed(const struct command_registry *r) {
    unsigned n = 0;

    for (unsigned i = 0; i < r->n; i++) n += is_listed(&r->slots[i]);
    return n;
}

/* "get", "config|get"; NULL if there is no such command. */
static const struct command_slot *slot_named(const struct command_registry *r, struct slice name) {
    const char *bar = memchr(name.p, '|', name.n);
    struct slice top = {name.p, bar ? (size_t)(bar - name.p) : name.n};
    const struct command_slot *s = command_lookup(r, top);

    if (!s || !is_listed(s)) return NULL;
    if (!bar) return s;
    for (unsigned i = 0; i < s->nsub; i++)
        if (slice_is(slice_of(bar + 1, name.n - top.n - 1), s->sub[i].row->name)) return &s->sub[i];
    return NULL;
}

/* ---------------------------------------------------------------- INFO */

static void put_flags(struct reply *r, const struct command *c) {
    static const struct {
        uint32_t flag;
        const char *name;
    } names[] = {
        {CMD_WRITE, "write"},
        {CMD_READONLY, "readonly"},
        {CMD_DENYOOM, "denyoom"},
        {CMD_ADMIN, "admin"},
        {CMD_PUBSUB, "pubsub"},
        {CMD_NOSCRIPT, "noscript"},
        {CMD_BLOCKING, "blocking"},
        {CMD_LOADING, "loading"},
        {CMD_STALE, "stale"},
        {CMD_SKIP_MONITOR, "skip_monitor"},
        {CMD_SKIP_SLOWLOG, "skip_slowlog"},
        {CMD_ASKING, "asking"},
        {CMD_FAST, "fast"},
        {CMD_NO_AUTH, "no_auth"},
        {CMD_NO_MANDATORY_KEYS, "no_mandatory_keys"},
        {CMD_NO_ASYNC_LOADING, "no_async_loading"},
        {CMD_NO_MULTI, "no_multi"},
        {CMD_MOVABLE_KEYS, "movablekeys"},
        {CMD_ALLOW_BUSY, "allow_busy"},
    };
    size_t n = 0, all = sizeof names / sizeof *names;

    for (size_t i = 0; i < all; i++) n += (c->flags & names[i].flag) != 0;
    reply_set(r, n);
    for (size_t i = 0; i < all; i++)
        if (c->flags & names[i].flag) reply_simple(r, names[i].name);
}

static void put_categories(struct reply *r, uint32_t cats) {
    reply_set(r, (size_t)__builtin_popcount(cats));
    for (int i = 0; i < CATEGORIES; i++) {
        char name[32];

        if (!(cats & 1u << i)) continue;
        snprintf(name, sizeof name, "@%s", category_names[i]);
        reply_simple(r, name);
    }
}

/* Tips are words with blanks between them. */
static void put_tips(struct reply *r, const char *tips) {
    size_t n = 0;

    for (const char *p = tips; p && *p; p += strspn(p, " ")) {
        n++;
        p += strcspn(p, " ");
    }
    reply_set(r, n);
    for (const char *p = tips; p && *p; p += strspn(p, " ")) {
        size_t len = strcspn(p, " ");

        reply_bulk(r, p, len);
        p += len;
    }
}

static void put_key_flags(struct reply *r, unsigned flags) {
    reply_set(r, (size_t)__builtin_popcount(flags));
    for (int i = 0; i < KEY_FLAGS; i++)
        if (flags & 1u << i) reply_simple(r, keyspec_flag_names[i]);
}

static void put_named_int(struct reply *r, const char *name, int v) {
    reply_bulk_str(r, name);
    reply_int(r, v);
}

/* The head of begin_search and find_keys: a map of "type" and "spec". */
static void put_rule(struct reply *r, const char *name, const char *type, size_t nfields) {
    reply_bulk_str(r, name);
    reply_map(r, 2);
    reply_bulk_str(r, "type");
    reply_bulk_str(r, type);
    reply_bulk_str(r, "spec");
    reply_map(r, nfields);
}

static void put_begin(struct reply *r, const struct keyspec *k) {
    if (k->begin == BEGIN_INDEX) {
        put_rule(r, "begin_search", "index", 1);
        put_named_int(r, "index", k->index);
    } else if (k->begin == BEGIN_KEYWORD) {
        put_rule(r, "begin_search", "keyword", 2);
        reply_bulk_str(r, "keyword");
        reply_bulk(r, k->keyword.p, k->keyword.n);
        put_named_int(r, "startfrom", k->index);
    } else {
        put_rule(r, "begin_search", "unknown", 0);
    }
}

static void put_find(struct reply *r, const struct keyspec *k) {
    if (k->find == FIND_RANGE) {
        put_rule(r, "find_keys", "range", 3);
        put_named_int(r, "lastkey", k->last);
        put_named_int(r, "keystep", k->step);
        put_named_int(r, "limit", k->limit);
    } else if (k->find == FIND_KEYNUM) {
        put_rule(r, "find_keys", "keynum", 3);
        put_named_int(r, "keynumidx", k->count_at);
        put_named_int(r, "firstkey", k->first);
        put_named_int(r, "keystep", k->step);
    } else {
        put_rule(r, "find_keys", "unknown", 0);
    }
}

static void put_key_specs(struct reply *r, const struct command *c) {
    struct keyspec specs[KEYSPECS_MAX];
    int n = keyspec_parse(c, specs);

    reply_set(r, (size_t)n);
    for (int i = 0; i < n; i++) {
        const struct keyspec *k = &specs[i];

        reply_map(r, 3u + (k->notes.n > 0));
        if (k->notes.n) {
            reply_bulk_str(r, "notes");
            reply_bulk(r, k->notes.p, k->notes.n);
        }
        reply_bulk_str(r, "flags");
        put_key_flags(r, k->flags);
        put_begin(r, k);
        put_find(r, k);
    }
}

static void put_info(struct reply *r, const struct command_slot *s) {
    const struct command *c = s->row;

    reply_array(r, 10);
    reply_bulk_str(r, s->name);
    reply_int(r, c->arity);
    put_flags(r, c);
    reply_int(r, c->keys.first);
    reply_int(r, c->keys.last);
    reply_int(r, c->keys.step);
    put_categories(r, command_categories(s));
    put_tips(r, c->tips);
    put_key_specs(r, c);
    if (s->nsub == 0) {
        reply_set(r, 0);
        return;
    }
    reply_array(r, s->nsub);
    for (unsigned i = 0; i < s->nsub; i++) put_info(r, &s->sub[i]);
}

static int info_of_all(struct call *x) {
    const struct command_registry *c = &x->e->commands;

    reply_array(&x->r, count_listed(c));
    for (unsigned i = 0; i < c->n; i++)
        if (is_listed(&c->slots[i])) put_info(&x->r, &c->slots[i]);
    return 0;
}

enum { FACTS_STEPS = 16 }; /* what the facts about one command count for in call_breathe_by() */

static int cmd_command_info(struct call *x) {
    if (x->argc == 2) return info_of_all(x);
    reply_array(&x->r, (size_t)x->argc - 2);
    for (int i = 2; i < x->argc; i++) {
        const struct command_slot *s = slot_named(&x->e->commands, x->argv[i]);

        if (s)
            put_info(&x->r, s);
        else
            reply_null(&x->r);
        call_breathe_by(x, FACTS_STEPS);
    }
    return 0;
}

static int cmd_command(struct call *x) {
    return info_of_all(x);
}

static int cmd_command_count(struct call *x) {
    reply_int(&x->r, count_listed(&x->e->commands));
    return 0;
}

/* ---------------------------------------------------------------- DOCS */

static int cmd_command_docs(struct call *x) {
    const struct command_registry *c = &x->e->commands;
    size_t n = 0;

    if (x->argc == 2) {
        reply_map(&x->r, count_listed(c));
        for (unsigned i = 0; i < c->n; i++)
            if (is_listed(&c->slots[i])) doc_reply(&x->r, &c->slots[i]);
        return 0;
    }
    for (int i = 2; i < x->argc; i++) n += slot_named(c, x->argv[i]) != NULL;
    reply_map(&x->r, n);
    for (int i = 2; i < x->argc; i++) {
        const struct command_slot *s = slot_named(c, x->argv[i]);

        if (s) doc_reply(&x->r, s);
        call_breathe_by(x, FACTS_STEPS);
    }
    return 0;
}

/* ---------------------------------------------------------------- LIST */

enum filter_by { FILTER_NONE, FILTER_MODULE, FILTER_ACLCAT, FILTER_PATTERN };

struct filter {
    enum filter_by by;
    uint32_t cats;
    struct slice pattern;
};

static bool passes(const struct filter *f, const struct command_slot *s) {
    switch (f->by) {
    case FILTER_NONE: return true;
    case FILTER_ACLCAT: return command_categories(s) & f->cats;
    case FILTER_PATTERN: return glob_match(f->pattern, slice_str(s->name), true);
    default: return false; /* no command comes from a module */
    }
}

/* Names that pass, subcommands too; written to r unless that is NULL. */
static size_t list_names(const struct command_registry *c, const struct filter *f,
                         struct reply *r) {
    size_t n = 0;

    for (unsigned i = 0; i < c->n; i++) {
        const struct command_slot *s = &c->slots[i];

        if (!is_listed(s)) continue;
        for (unsigned k = 0; k <= s->nsub; k++) {
            const struct command_slot *t = k ? &s->sub[k - 1] : s;

            if (!passes(f, t)) continue;
            n++;
            if (r) reply_bulk_str(r, t->name);
        }
    }
    return n;
}

static int cmd_command_list(struct call *x) {
    struct filter f = {FILTER_NONE, 0, {"", 0}};

    if (x->argc != 2) {
        if (x->argc != 5 || !arg_is(x, 2, "filterby")) return reply_err(x, ERR_SYNTAX);
        f.pattern = x->argv[4];
        if (arg_is(x, 3, "module")) {
            f.by = FILTER_MODULE;
        } else if (arg_is(x, 3, "aclcat")) {
            enum category cat = category_by_name(x->argv[4]);

            f.by = FILTER_ACLCAT;
            if (cat != CATEGORIES) f.cats = 1u << cat;
        } else if (arg_is(x, 3, "pattern")) {
            f.by = FILTER_PATTERN;
        } else {
            return reply_err(x, ERR_SYNTAX);
        }
    }
    reply_array(&x->r, list_names(&x->e->commands, &f, NULL));
    list_names(&x->e->commands, &f, &x->r);
    return 0;
}

/* ---------------------------------------------------------------- GETKEYS */

static bool has_keys(const struct command *c) {
    struct keyspec specs[KEYSPECS_MAX];
    int n = keyspec_parse(c, specs);

    for (int i = 0; i < n; i++)
        if (!(specs[i].flags & KEY_NOT_KEY)) return true;
    return false;
}

/* The command that the arguments from 2 on make, NULL with an error answered. */
static const struct command *inner_command(struct call *x) {
    bool unknown_sub;
    const struct command_slot *s =
        command_resolve(&x->e->commands, x->argc - 2, x->argv + 2, &unknown_sub);
    const char *wrong = NULL;

    if (!s || unknown_sub || !is_listed(s))
        wrong = "ERR Invalid command specified";
    else if (!has_keys(s->row))
        wrong = "ERR The command has no key arguments";
    else if (!command_arity_ok(s->row, x->argc - 2))
        wrong = "ERR Invalid number of arguments specified for command";
    if (!wrong) return s->row;
    reply_err(x, wrong);
    return NULL;
}

static int get_keys(struct call *x, bool with_flags) {
    const struct command *c;
    struct key_use *keys;
    int n;

    secret_hide(x);
    c = inner_command(x);
    if (!c) return -1;
    keys = mem_alloc((size_t)x->argc * KEYSPECS_MAX * sizeof *keys);
    n = keyspec_keys(c, x->argc - 2, x->argv + 2, keys, x->argc * KEYSPECS_MAX);
    if (n <= 0 && !(c->flags & CMD_NO_MANDATORY_KEYS)) {
        mem_free(keys);
        return reply_err(x, "ERR Invalid arguments specified for command");
    }
    reply_array(&x->r, n > 0 ? (size_t)n : 0);
    for (int i = 0; i < n; i++) {
        struct slice key = x->argv[2 + keys[i].at];

        if (with_flags) reply_array(&x->r, 2);
        reply_bulk(&x->r, key.p, key.n);
        if (with_flags) put_key_flags(&x->r, keys[i].flags);
    }
    mem_free(keys);
    return 0;
}

static int cmd_command_getkeys(struct call *x) {
    return get_keys(x, false);
}

static int cmd_command_getkeysandflags(struct call *x) {
    return get_keys(x, true);
}

/* ---------------------------------------------------------------- HELP and rows */

static int cmd_command_help(struct call *x) {
    static const char *const lines[] = {
        "(no subcommand)",
        "    The facts about every command, as INFO gives them.",
        "COUNT",
        "    How many commands there are.",
        "DOCS [<command> ...]",
        "    What commands are for, and their arguments.",
        "GETKEYS <command> <argument> ...",
        "    Which arguments of this whole command are keys.",
        "GETKEYSANDFLAGS <command> <argument> ...",
        "    The same, and what would be done to each of them.",
        "INFO [<command> ...]",
        "    Arity, flags, keys, ACL categories and tips of commands.",
        "LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]",
        "    The names of all commands, or of some.",
        NULL,
    };

    reply_help(x, lines);
    return 0;
}

#define ANYWHERE (CMD_LOADING | CMD_STALE)

/* clang-format off */
static const struct command command_subcommands[] = {
    {"count", 2, ANYWHERE, "server", {0, 0, 0}, cmd_command_count, "2.8.13",
     "Counts the commands."},
    {"docs", -2, ANYWHERE, "server", {0, 0, 0}, cmd_command_docs, "7.0.0",
     "Tells what commands are for and which arguments they take.",
     .grammar = "[command-name+]",
     .tips = "nondeterministic_output_order"},
    {"getkeys", -3, ANYWHERE, "server", {0, 0, 0}, cmd_command_getkeys, "2.8.13",
     "Picks the keys out of a whole command.",
     .grammar = "command [arg+]"},
    {"getkeysandflags", -3, ANYWHERE, "server", {0, 0, 0}, cmd_command_getkeysandflags, "7.0.0",
     "Picks the keys out of a whole command and tells how each is used.",
     .grammar = "command [arg+]"},
    {"help", 2, ANYWHERE, "server", {0, 0, 0}, cmd_command_help, "5.0.0",
     "Explains the subcommands."},
    {"info", -2, ANYWHERE, "server", {0, 0, 0}, cmd_command_info, "2.8.13",
     "Returns the facts about some commands or all.",
     .grammar = "[command-name+]",
     .tips = "nondeterministic_output_order"},
    {"list", -2, ANYWHERE, "server", {0, 0, 0}, cmd_command_list, "7.0.0",
     "Lists the names of commands.",
     .grammar = "[FILTERBY=filterby(MODULE=module-name|ACLCAT=category|"
                "PATTERN=pattern:pattern)]",
     .tips = "nondeterministic_output_order"},
    {0},
};

const struct command command_commands[] = {
    {"command", -1, ANYWHERE, "server", {0, 0, 0}, cmd_command, "2.8.13",
     "Returns the facts about all commands.",
     .tips = "nondeterministic_output_order",
     .subcommands = command_subcommands},
    {0},
};
/* clang-format on */
