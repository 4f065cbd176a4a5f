/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/secret.h"

#include "conf/conf.h"

/* Each hides what is secret in the command that begins at argument `from`. */

static void hide_rest(struct call *x, int from) {
    for (int i = from; i < x->argc; i++) arg_is_secret(x, i);
}

static void hide_auth(struct call *x, int from) {
    hide_rest(x, from + 1);
}

/* The user's name too: it is half of what AUTH takes. */
static void hide_user(struct call *x, int from) {
    hide_rest(x, from + 2);
}

/* So many arguments after each of the words. Where such a word is itself an argument of something,
 * more is hidden than has to be. */
static void hide_behind(struct call *x, int from, const char *word, int n) {
    for (int i = from; i < x->argc; i++) {
        if (!arg_is(x, i, word)) continue;
        for (int k = 1; k <= n && i + k < x->argc; k++) arg_is_secret(x, i + k);
    }
}

static void hide_hello(struct call *x, int from) {
    hide_behind(x, from + 1, "auth", 2);
}

static void hide_migrate(struct call *x, int from) {
    hide_behind(x, from + 6, "auth", 1);
    hide_behind(x, from + 6, "auth2", 2);
}

static void hide_parameters(struct call *x, int from) {
    for (int i = from + 2; i + 1 < x->argc; i += 2)
        if (conf_is_sensitive(x->argv[i])) arg_is_secret(x, i + 1);
}

static const struct {
    const char *parent, *name;
    void (*hide)(struct call *x, int from); /* NULL: */
    int command_at;                         /* another command begins there */
} table[] = {
    {NULL, "auth", hide_auth, 0},
    {NULL, "hello", hide_hello, 0},
    {NULL, "migrate", hide_migrate, 0},
    {"acl", "setuser", hide_user, 0},
    {"acl", "getuser", hide_user, 0},
    {"acl", "deluser", hide_user, 0},
    {"acl", "dryrun", NULL, 3},
    {"command", "getkeys", NULL, 2},
    {"config", "set", hide_parameters, 0},
    {"command", "getkeysandflags", NULL, 2},
};

static bool is_row(const struct command_slot *c, size_t i) {
    const char *parent = c->parent ? c->parent->row->name : NULL;

    if (!parent != !table[i].parent || strcmp(c->row->name, table[i].name) != 0) return false;
    return !parent || strcmp(parent, table[i].parent) == 0;
}

/* Where the command in it begins, or 0. */
static int hide_one(struct call *x, const struct command_slot *c, int from) {
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (!is_row(c, i)) continue;
        if (table[i].hide) table[i].hide(x, from);
        return table[i].command_at ? from + table[i].command_at : 0;
    }
    return 0;
}

void secret_hide(struct call *x) {
    const struct command_slot *c = x->cmd;
    int from = 0;

    while (c && (from = hide_one(x, c, from)) > 0 && from < x->argc) {
        bool unknown_sub;

        c = command_resolve(&x->e->commands, x->argc - from, x->argv + from, &unknown_sub);
    }
}
