/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/double/profile.h"

#include "server/exec/multi.h"

#include <ctype.h>
#include <stdlib.h>

#define V(major, minor) ((major)*100 + (minor))

static const struct profile_version {
    const char *name;
    int version;
    bool is_valkey; /* it also has what Valkey added until then */
} versions[] = {
    {"redis-6.2", V(6, 2), false},
    {"redis-7.0", V(7, 0), false},
    {"redis-7.2", V(7, 2), false},
    {"valkey-8", V(7, 2), true}, /* 8.1 */
};

/* "7.0.0" as V(7, 0); all versions in the rows have this form. */
static int version_of(const char *text) {
    char *end;
    long major = strtol(text, &end, 10);

    return V((int)major, (int)strtol(*end == '.' ? end + 1 : end, NULL, 10));
}

/* ---------------------------------------------------------------- what is newer */

/* Commands newer than 7.2 that Valkey 8.1 has too. */
static const char *const valkey_commands[] = {
    "client|capa",     "client|import-source", "commandlog",      "commandlog|get",
    "commandlog|help", "commandlog|len",       "commandlog|reset"};

static bool is_valkeys(const struct command_slot *c) {
    for (size_t i = 0; i < sizeof valkey_commands / sizeof *valkey_commands; i++)
        if (strcmp(c->name, valkey_commands[i]) == 0) return true;
    return false;
}

static bool lacks_command(const struct profile_version *v, const struct command_slot *c) {
    return version_of(c->row->since) > v->version && !(v->is_valkey && is_valkeys(c));
}

enum option_error { OPTION_SYNTAX, OPTION_ARITY, OPTION_SUBCOMMAND };

/* Options newer than 6.2, the oldest version here. */
static const struct option {
    const char *command;
    const char *word; /* NULL: */
    int argc;         /* more arguments than these, the name among them */
    int since;
    bool in_valkey; /* Valkey 8.1 has it, though it is newer than 7.2 */
    enum option_error error;
    const char *with; /* only together with this word */
} options[] = {
    {"expire", NULL, 3, V(7, 0), false, OPTION_ARITY, NULL},
    {"expireat", NULL, 3, V(7, 0), false, OPTION_ARITY, NULL},
    {"pexpire", NULL, 3, V(7, 0), false, OPTION_ARITY, NULL},
    {"pexpireat", NULL, 3, V(7, 0), false, OPTION_ARITY, NULL},
    {"bitcount", NULL, 4, V(7, 0), false, OPTION_SYNTAX, NULL},
    {"bitpos", NULL, 5, V(7, 0), false, OPTION_SYNTAX, NULL},
    {"set", "get", 0, V(7, 0), false, OPTION_SYNTAX, "nx"},
    {"set", "ifeq", 0, V(8, 4), true, OPTION_SYNTAX, NULL},
    {"set", "ifne", 0, V(8, 4), false, OPTION_SYNTAX, NULL},
    {"xsetid", NULL, 3, V(7, 0), false, OPTION_ARITY, NULL},
    {"xgroup|create", "entriesread", 0, V(7, 0), false, OPTION_SUBCOMMAND, NULL},
    {"xgroup|setid", "entriesread", 0, V(7, 0), false, OPTION_SUBCOMMAND, NULL},
    {"config|get", NULL, 3, V(7, 0), false, OPTION_SUBCOMMAND, NULL},
    {"config|set", NULL, 4, V(7, 0), false, OPTION_SUBCOMMAND, NULL},
    {"shutdown", "now", 0, V(7, 0), false, OPTION_SYNTAX, NULL},
    {"shutdown", "force", 0, V(7, 0), false, OPTION_SYNTAX, NULL},
    {"shutdown", "abort", 0, V(7, 0), false, OPTION_SYNTAX, NULL},
    {"shutdown", "safe", 0, V(9, 0), false, OPTION_SYNTAX, NULL},
    {"shutdown", "failover", 0, V(9, 0), false, OPTION_SYNTAX, NULL},
    {"zrank", NULL, 3, V(7, 2), false, OPTION_ARITY, NULL},
    {"zrevrank", NULL, 3, V(7, 2), false, OPTION_ARITY, NULL},
    {"hscan", "novalues", 0, V(7, 4), true, OPTION_SYNTAX, NULL},
    {"client|kill", "maxage", 0, V(7, 4), true, OPTION_SYNTAX, NULL},
};

/* Where options may begin: after a key and a value, or after a subcommand. */
static bool has_word(const struct call *x, int from, const char *word) {
    for (int i = from; i < x->argc; i++)
        if (arg_is(x, i, word)) return true;
    return false;
}

static int first_option(const struct option *o) {
    return strcmp(o->command, "set") == 0 ? 3 : strcmp(o->command, "shutdown") == 0 ? 1 : 2;
}

static bool is_used(const struct option *o, const struct call *x) {
    int from = first_option(o);

    if (strcmp(x->cmd->name, o->command) != 0) return false;
    if (!o->word) return x->argc > o->argc;
    return has_word(x, from, o->word) && (!o->with || has_word(x, from, o->with));
}

static const struct option *newer_option(const struct profile_version *v, const struct call *x) {
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        const struct option *o = &options[i];

        if (o->since > v->version && !(v->is_valkey && o->in_valkey) && is_used(o, x)) return o;
    }
    return NULL;
}

/* ---------------------------------------------------------------- how a version says so */

enum { QUOTED_MAX = 128 }; /* bytes of a name, and of all arguments together */

/* Until 6.2 the quotes were back-quotes, with commas between the arguments. */
static void refuse_command(const struct profile_version *v, struct call *x) {
    const char *const open = v->version < V(7, 0) ? "`" : "'";
    const char *const shut = v->version < V(7, 0) ? "`, " : "' ";
    struct bytes text = {0}, args = {0};

    for (int i = 1; i < x->argc && args.n < QUOTED_MAX; i++) {
        size_t left = QUOTED_MAX - args.n, n = x->argv[i].n;

        bytes_append_str(&args, open);
        bytes_append(&args, x->argv[i].p, n < left ? n : left);
        bytes_append_str(&args, shut);
    }
    bytes_printf(&text, "ERR unknown command %s", open);
    bytes_append(&text, x->argv[0].p, x->argv[0].n < QUOTED_MAX ? x->argv[0].n : QUOTED_MAX);
    bytes_printf(&text, "%c, with args beginning with: ", *open);
    bytes_append(&text, args.p, args.n);
    reply_err(x, bytes_cstr(&text));
    bytes_release(&args);
    bytes_release(&text);
}

static void refuse_subcommand(const struct profile_version *v, struct call *x) {
    const char *parent = x->cmd->parent ? x->cmd->parent->name : x->cmd->name;
    size_t n = x->argv[1].n < QUOTED_MAX ? x->argv[1].n : QUOTED_MAX;
    char name[48];
    int i = 0;

    for (; parent[i]; i++) name[i] = (char)toupper((unsigned char)parent[i]);
    name[i] = '\0';
    reply_errf(x,
               v->version < V(7, 0) ? "ERR Unknown subcommand or wrong number of arguments for "
                                      "'%.*s'. Try %s HELP."
                                    : "ERR unknown subcommand '%.*s'. Try %s HELP.",
               (int)n, x->argv[1].p, name);
}

static void refuse_option(const struct profile_version *v, const struct option *o, struct call *x) {
    switch (o->error) {
    case OPTION_SYNTAX: reply_err(x, ERR_SYNTAX); break;
    case OPTION_SUBCOMMAND: refuse_subcommand(v, x); break;
    case OPTION_ARITY:
        reply_errf(x, "ERR wrong number of arguments for '%s' command", x->cmd->name);
        break;
    }
}

/* What no version has; until 6.2 that was said in other words. */
static bool answer_unknown(const struct profile_version *v, struct call *x) {
    if (v->version >= V(7, 0)) return false;
    if (!x->cmd)
        refuse_command(v, x);
    else if (x->cmd->nsub && x->argc > 1)
        refuse_subcommand(v, x);
    else
        return false;
    return true;
}

static bool answer_newer(const struct profile_version *v, struct call *x) {
    const struct command_slot *parent = x->cmd ? x->cmd->parent : NULL;
    const struct option *o;

    if (answer_unknown(v, x)) return true;
    if (!x->cmd) return false;
    if (lacks_command(v, parent ? parent : x->cmd)) {
        refuse_command(v, x);
        return true;
    }
    if (parent && lacks_command(v, x->cmd)) {
        refuse_subcommand(v, x);
        return true;
    }
    o = newer_option(v, x);
    if (o) refuse_option(v, o, x);
    return o;
}

bool profile_refuses(const struct profile *p, struct call *x) {
    if (!answer_newer(p->version, x)) return false;
    multi_fail(x->s);
    return true;
}

/* ---------------------------------------------------------------- TEST PROFILE */

static const struct profile_version *find(struct slice name) {
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++)
        if (slice_is(name, versions[i].name)) return &versions[i];
    return NULL;
}

int profile_command(struct profile *p, struct call *x) {
    const struct profile_version *v;

    if (x->argc == 2) {
        reply_bulk_str(&x->r, p->version ? p->version->name : "none");
        return 0;
    }
    v = find(x->argv[2]);
    if (!v && !arg_is(x, 2, "none"))
        return reply_err(x, "ERR Unknown profile. It is one of redis-6.2, redis-7.0, redis-7.2, "
                            "valkey-8 and none.");
    p->version = v;
    reply_ok(&x->r);
    return 0;
}
