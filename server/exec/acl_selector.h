/* SPDX-License-Identifier: BSD-3-Clause
 *
 * acl_selector - one set of rights: the commands, keys, channels and databases that belong
 * together.
 *
 * A user has a root selector and may have more; one of them must allow the whole command. Commands
 * are a bitmap over command_slot.id; beside it stand the rules in the order given, which is how
 * they are shown. No rule is half applied: a wrong one changes nothing.
 */
#ifndef STET_EXEC_ACL_SELECTOR_H
#define STET_EXEC_ACL_SELECTOR_H

#include "server/exec/acl_dbs.h"
#include "server/exec/command.h"

enum { ACL_COMMANDS_MAX = 1024 };

enum acl_access { ACL_READ = 1 << 0, ACL_WRITE = 1 << 1 };

/* A pattern of keys or channels; `access` means nothing for channels. */
struct acl_pattern {
    char *glob;
    unsigned access;
};

struct acl_patterns {
    struct acl_pattern *v;
    size_t n;
    bool all;
};

/* A first argument that makes a command allowed that is not otherwise (+select|0). */
struct acl_first_arg {
    unsigned id;
    char *word;
};

struct acl_selector {
    uint64_t commands[ACL_COMMANDS_MAX / 64];
    bool from_all; /* the rules begin with +@all */
    char **rules;  /* "+get", "-@write", in lower case */
    size_t nrules;
    struct acl_first_arg *first_args;
    size_t nfirst_args;
    struct acl_patterns keys, channels;
    struct acl_dbs dbs;
};

/* What rules are about, and how a selector begins. */
struct acl_terms {
    const struct command_registry *commands;
    bool all_channels; /* acl-pubsub-default allchannels */
};

/* Errors of rules, in Redis' words. */
#define ACL_ERR_UNKNOWN "Unknown command or category name in ACL"
#define ACL_ERR_SYNTAX  "Syntax error"

/* No commands, no keys; all databases; channels as the terms say. */
struct acl_selector *acl_selector_new(const struct acl_terms *terms);
struct acl_selector *acl_selector_copy(const struct acl_selector *from);
void acl_selector_free(struct acl_selector *s);

/* Applies one rule; NULL, or why not. */
const char *acl_selector_apply(struct acl_selector *s, const struct acl_terms *terms,
                               struct slice rule);

/* "+@all", "-@all +get -config|set" */
void acl_selector_commands(const struct acl_selector *s, struct bytes *out);

/* "~*", "%R~a ~b"; "&*", "&a &b" */
void acl_selector_keys(const struct acl_selector *s, struct bytes *out);
void acl_selector_channels(const struct acl_selector *s, struct bytes *out);
/* See acl_dbs_describe(). */
void acl_selector_dbs(const struct acl_selector *s, struct bytes *out);

/* All of them, as rules that lead to this selector. As it is shown, a pattern "*" for reading and
 * writing looks like allkeys, and the rules after it could not be read back: files have the form
 * ACL_WRITTEN. */
enum acl_form { ACL_SHOWN, ACL_WRITTEN };
void acl_selector_describe(const struct acl_selector *s, enum acl_form form, struct bytes *out);

/* Nothing is forbidden, whatever commands may come to exist. */
static inline bool acl_selector_is_total(const struct acl_selector *s) {
    return s->from_all && s->nrules == 0 && s->keys.all && s->channels.all && s->dbs.all;
}

static inline bool acl_selector_has(const struct acl_selector *s, unsigned id) {
    return s->commands[id / 64] >> id % 64 & 1;
}

/* Names and patterns stand in lines of words. */
bool acl_is_word(struct slice text);

/* "get", "config|set": by the names that rename-command cannot change. */
struct bytes acl_command_name(const struct command_slot *cmd);

/* The command or subcommand of that name, NULL: none. */
struct command_slot *acl_find_command(const struct command_registry *r, struct slice name);

#endif
