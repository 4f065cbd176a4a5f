/* SPDX-License-Identifier: BSD-3-Clause
 *
 * acl - the ACL command: users and their rights, and what was refused (server/exec/acl*).
 */
#include "conf/conf.h"
#include "server/admin/rows.h"
#include "server/exec/acl_file.h"
#include "server/exec/audit.h"
#include "server/exec/category.h"
#include "server/exec/save_file.h"
#include "server/exec/secret.h"
#include "storage/base/log.h"
#include "storage/base/rng.h"

#define ERR_NO_ACL_FILE                                                                            \
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users " \
    "via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis "      \
    "configuration file set) in order to store users in the Redis configuration."

/* ---------------------------------------------------------------- users */

static int cmd_acl_setuser(struct call *x) {
    struct bytes why = {0};
    int rc;

    secret_hide(x);
    if (!acl_is_word(x->argv[2]))
        return reply_err(x, "ERR Usernames can't contain spaces or null characters");
    bytes_append_str(&why, "ERR ");
    rc = acl_set_user(x->e, x->argv[2], x->argv + 3, (size_t)x->argc - 3, &why);
    if (rc < 0)
        reply_err(x, bytes_cstr(&why));
    else
        reply_ok(&x->r);
    if (rc == 0) audit(x, "ACL SETUSER changed user", x->argv[2]);
    bytes_release(&why);
    return rc;
}

static int cmd_acl_deluser(struct call *x) {
    int64_t deleted = 0;

    secret_hide(x);
    for (int i = 2; i < x->argc; i++)
        if (slice_eq(x->argv[i], SLICE("default")))
            return reply_err(x, "ERR The 'default' user cannot be removed");
    for (int i = 2; i < x->argc; i++) {
        if (!acl_find(x->e, x->argv[i])) continue;
        audit(x, "ACL DELUSER deleted user", x->argv[i]);
        deleted += acl_delete_user(x->e, x->argv[i]);
    }
    reply_int(&x->r, deleted);
    return 0;
}

static void reply_text(struct reply *r, const struct acl_selector *s,
                       void (*text)(const struct acl_selector *s, struct bytes *out)) {
    struct bytes b = {0};

    text(s, &b);
    reply_bulk(r, b.n ? b.p : "", b.n);
    bytes_release(&b);
}

/* Commands, keys, channels; databases where they are limited, since Redis has no such field. */
enum { SELECTOR_FIELDS = 3 };

static size_t fields_of(const struct acl_selector *s) {
    return SELECTOR_FIELDS + !s->dbs.all;
}

static void reply_selector(struct reply *r, const struct acl_selector *s) {
    reply_bulk_str(r, "commands");
    reply_text(r, s, acl_selector_commands);
    reply_bulk_str(r, "keys");
    reply_text(r, s, acl_selector_keys);
    reply_bulk_str(r, "channels");
    reply_text(r, s, acl_selector_channels);
    if (s->dbs.all) return;
    reply_bulk_str(r, "databases");
    reply_text(r, s, acl_selector_dbs);
}

static int cmd_acl_getuser(struct call *x) {
    const struct acl_user *u = acl_find(x->e, x->argv[2]);
    const char *flags[ACL_FLAGS_MAX];
    int nflags;

    secret_hide(x);
    if (!u) {
        reply_null(&x->r);
        return 0;
    }
    nflags = acl_user_flags(u, flags);
    reply_map(&x->r, 3 + fields_of(u->selectors[0]));
    reply_bulk_str(&x->r, "flags");
    reply_set(&x->r, (size_t)nflags);
    for (int i = 0; i < nflags; i++) reply_bulk_str(&x->r, flags[i]);
    reply_bulk_str(&x->r, "passwords");
    reply_array(&x->r, u->npasswords);
    for (size_t i = 0; i < u->npasswords; i++) reply_bulk_str(&x->r, u->passwords[i]);
    reply_selector(&x->r, u->selectors[0]);
    reply_bulk_str(&x->r, "selectors");
    reply_array(&x->r, u->nselectors - 1);
    for (size_t i = 1; i < u->nselectors; i++) {
        reply_map(&x->r, fields_of(u->selectors[i]));
        reply_selector(&x->r, u->selectors[i]);
    }
    return 0;
}

static int cmd_acl_list(struct call *x) {
    const struct acl_users *all = &x->e->acl->users;

    reply_array(&x->r, all->n);
    for (size_t i = 0; i < all->n; i++) {
        struct bytes line = {0};

        acl_user_describe(all->v[i], ACL_SHOWN, &line);
        reply_bulk(&x->r, line.p, line.n);
        bytes_release(&line);
    }
    return 0;
}

static int cmd_acl_users(struct call *x) {
    const struct acl_users *all = &x->e->acl->users;

    reply_array(&x->r, all->n);
    for (size_t i = 0; i < all->n; i++) reply_bulk_str(&x->r, all->v[i]->name);
    return 0;
}

static int cmd_acl_whoami(struct call *x) {
    reply_bulk_str(&x->r, x->s->user->name);
    return 0;
}

/* ---------------------------------------------------------------- the file */

static int cmd_acl_load(struct call *x) {
    struct bytes why = {0};
    int rc;

    if (!x->e->v->aclfile[0]) return reply_err(x, ERR_NO_ACL_FILE);
    bytes_append_str(&why, "ERR ");
    rc = acl_load(x->e, &why);
    if (rc == 0) audit(x, "ACL LOAD read the users from", slice_str(x->e->v->aclfile));
    if (rc < 0)
        reply_err(x, bytes_cstr(&why));
    else
        reply_ok(&x->r);
    bytes_release(&why);
    return rc;
}

static int cmd_acl_save(struct call *x) {
    if (!x->e->v->aclfile[0]) return reply_err(x, ERR_NO_ACL_FILE);
    return save_file(x, acl_save_finish, acl_save_begin(x->e),
                     "ERR There was an error trying to save the ACLs. Please check the server logs "
                     "for more information");
}

/* ---------------------------------------------------------------- what there is */

static int reply_categories(struct call *x) {
    reply_array(&x->r, CATEGORIES);
    for (int i = 0; i < CATEGORIES; i++) reply_bulk_str(&x->r, category_names[i]);
    return 0;
}

/* Counts the commands of the category; with `r`, names them. */
static size_t each_of_category(const struct command_slot *s, unsigned n, uint32_t bit,
                               struct reply *r) {
    size_t found = 0;

    for (unsigned i = 0; i < n; i++) {
        if (s[i].row->flags & CMD_INTERNAL) continue;
        found += each_of_category(s[i].sub, s[i].nsub, bit, r);
        if (!(command_categories(&s[i]) & bit)) continue;
        found++;
        if (r) {
            struct bytes name = acl_command_name(&s[i]);

            reply_bulk(r, name.p, name.n);
            bytes_release(&name);
        }
    }
    return found;
}

static int cmd_acl_cat(struct call *x) {
    const struct command_registry *all = &x->e->commands;
    enum category cat;

    if (x->argc > 3) return reply_subcommand_err(x);
    if (x->argc == 2) return reply_categories(x);
    cat = category_by_name(x->argv[2]);
    if (cat == CATEGORIES)
        return reply_errf(x, "ERR Unknown category '%.*s'", (int)x->argv[2].n, x->argv[2].p);
    reply_array(&x->r, each_of_category(all->slots, all->n, 1u << cat, NULL));
    each_of_category(all->slots, all->n, 1u << cat, &x->r);
    return 0;
}

static int cmd_acl_genpass(struct call *x) {
    static const char error[] =
        "ERR ACL GENPASS argument must be the number of bits for the output "
        "password, a positive number up to 4096";
    static const char digits[] = "0123456789abcdef";
    uint8_t random[512];
    char text[1024];
    int64_t bits = 256;
    size_t n;

    if (x->argc > 3) return reply_subcommand_err(x);
    if (x->argc == 3 && !arg_int(x, 2, &bits)) return -1;
    if (bits <= 0 || bits > 4096) return reply_err(x, error);
    n = (size_t)(bits + 3) / 4;
    rng_system(random, (n + 1) / 2);
    for (size_t i = 0; i < n; i++) text[i] = digits[random[i / 2] >> (i % 2 ? 0 : 4) & 15];
    reply_bulk(&x->r, text, n);
    return 0;
}

static int cmd_acl_dryrun(struct call *x) {
    const struct acl_user *u = acl_find(x->e, x->argv[2]);
    const struct slice *argv = x->argv + 3;
    int argc = x->argc - 3, at;
    const struct command_slot *cmd;
    struct bytes text = {0};
    bool unknown_sub;
    enum acl_verdict v;

    secret_hide(x);
    if (!u) return reply_errf(x, "ERR User '%.*s' not found", (int)x->argv[2].n, x->argv[2].p);
    cmd = command_resolve(&x->e->commands, argc, argv, &unknown_sub);
    if (!cmd || unknown_sub)
        return reply_errf(x, "ERR Command '%.*s' not found", (int)argv[0].n, argv[0].p);
    if (!command_arity_ok(cmd->row, argc))
        return reply_errf(x, "ERR wrong number of arguments for '%s' command", cmd->name);
    v = acl_check(u, acl_place_of(x), cmd, argc, argv, &at);
    if (v == ACL_OK) {
        reply_ok(&x->r);
        return 0;
    }
    acl_refusal(v, u, cmd, argv[at], true, &text);
    reply_bulk(&x->r, text.p, text.n);
    bytes_release(&text);
    return 0;
}

/* ---------------------------------------------------------------- LOG */

static void reply_pair(struct reply *r, const char *name, const char *value) {
    reply_bulk_str(r, name);
    reply_bulk_str(r, value);
}

static void reply_entry(struct reply *r, const struct acl_entry *e, int64_t now_ms) {
    static const char *const reasons[] = {"",     "command", "database", "key",
                                          "auth", "channel", "tls-cert"};
    static const char *const scenes[] = {"toplevel", "multi", "lua"};

    reply_map(r, 10);
    reply_bulk_str(r, "count");
    reply_int(r, (int64_t)e->count);
    reply_pair(r, "reason", reasons[e->reason]);
    reply_pair(r, "context", scenes[e->scene]);
    reply_bulk_str(r, "object");
    reply_bulk(r, e->object.n ? e->object.p : "", e->object.n);
    reply_pair(r, "username", e->username);
    reply_bulk_str(r, "age-seconds");
    reply_double(r, (double)(now_ms - e->updated_ms) / 1000);
    reply_bulk_str(r, "client-info");
    reply_bulk(r, e->client.n ? e->client.p : "", e->client.n);
    reply_bulk_str(r, "entry-id");
    reply_int(r, (int64_t)e->id);
    reply_bulk_str(r, "timestamp-created");
    reply_int(r, e->created_ms);
    reply_bulk_str(r, "timestamp-last-updated");
    reply_int(r, e->updated_ms);
}

static int cmd_acl_log(struct call *x) {
    struct acl_log *l = &x->e->acl->log;
    int64_t count = 10, now_ms = clock_wall_ms();

    if (x->argc > 3) return reply_subcommand_err(x);
    if (x->argc == 3 && arg_is(x, 2, "reset")) {
        acl_log_trim(l, 0);
        reply_ok(&x->r);
        return 0;
    }
    if (x->argc == 3 && !arg_int(x, 2, &count)) return -1;
    if (count < 0) count = 0;
    if ((uint64_t)count > l->n) count = (int64_t)l->n;
    reply_array(&x->r, (size_t)count);
    for (int64_t i = 0; i < count; i++) reply_entry(&x->r, &l->v[l->n - 1 - (size_t)i], now_ms);
    return 0;
}

static int cmd_acl_help(struct call *x) {
    static const char *const lines[] = {
        "CAT [<category>]",
        "    The categories of commands, or the commands of one of them.",
        "DELUSER <username> [<username> ...]",
        "    Delete users and close their connections; how many that were.",
        "DRYRUN <username> <command> [<arg> ...]",
        "    Say whether the user might run this, without running it.",
        "GENPASS [<bits>]",
        "    A random password of 256 bits, or as many as given, in hex digits.",
        "GETUSER <username>",
        "    A user's flags, password hashes, rules and selectors.",
        "LIST",
        "    All users in the form of an ACL file.",
        "LOAD",
        "    Make the users what the ACL file says; if it has an error, nothing changes.",
        "LOG [<count> | RESET]",
        "    What was refused lately, the newest first; or forget it.",
        "SAVE",
        "    Write the users into the ACL file.",
        "SETUSER <username> <rule> [<rule> ...]",
        "    Make a user, or change one: all of the rules, or none if one is wrong.",
        "USERS",
        "    The names of all users.",
        "WHOAMI",
        "    The user of this connection.",
        NULL,
    };

    reply_help(x, lines);
    return 0;
}

/* clang-format off */
static const struct command acl_subcommands[] = {
    {"cat", -2, CMD_ANYTIME, "server", {0, 0, 0}, cmd_acl_cat, "6.0.0",
     "Lists the categories, or the commands of one.",
     .grammar = "[category]"},
    {"deluser", -3, CMD_OPERATOR, "server", {0, 0, 0}, cmd_acl_deluser, "6.0.0",
     "Deletes users and closes their connections.",
     .grammar = "username+",
     .tips = "request_policy:all_nodes response_policy:all_succeeded"},
    {"dryrun", -4, CMD_OPERATOR, "server", {0, 0, 0}, cmd_acl_dryrun, "7.0.0",
     "Tells whether a user may run a command, without running it.",
     .grammar = "username command [arg+]"},
    {"genpass", -2, CMD_ANYTIME, "server", {0, 0, 0}, cmd_acl_genpass, "6.0.0",
     "Generates a password.",
     .grammar = "[bits:int]"},
    {"getuser", 3, CMD_OPERATOR, "server", {0, 0, 0}, cmd_acl_getuser, "6.0.0",
     "Describes a user.",
     .grammar = "username"},
    {"help", 2, CMD_HELP, "server", {0, 0, 0}, cmd_acl_help, "6.0.0",
     "Explains the subcommands."},
    {"list", 2, CMD_OPERATOR, "server", {0, 0, 0}, cmd_acl_list, "6.0.0",
     "Lists the users in the form of an ACL file."},
    {"load", 2, CMD_OPERATOR, "server", {0, 0, 0}, cmd_acl_load, "6.0.0",
     "Reads the users from the ACL file."},
    {"log", -2, CMD_OPERATOR, "server", {0, 0, 0}, cmd_acl_log, "6.0.0",
     "Lists the commands and keys that were refused last.",
     .grammar = "[operation(count:int|RESET)]"},
    {"save", 2, CMD_OPERATOR, "server", {0, 0, 0}, cmd_acl_save, "6.0.0",
     "Writes the users into the ACL file.",
     .tips = "request_policy:all_nodes response_policy:all_succeeded"},
    {"setuser", -3, CMD_OPERATOR, "server", {0, 0, 0}, cmd_acl_setuser, "6.0.0",
     "Makes or changes a user.",
     .grammar = "username [rule+]",
     .tips = "request_policy:all_nodes response_policy:all_succeeded"},
    {"users", 2, CMD_OPERATOR, "server", {0, 0, 0}, cmd_acl_users, "6.0.0",
     "Lists the names of the users."},
    {"whoami", 2, CMD_ANYTIME, "server", {0, 0, 0}, cmd_acl_whoami, "6.0.0",
     "Returns the name of the connection's user."},
    {0},
};

const struct command acl_commands[] = {
    {"acl", -2, 0, "server", {0, 0, 0}, NULL, "6.0.0", "The commands about users and their rights.",
     .subcommands = acl_subcommands},
    {0},
};
/* clang-format on */
