/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/acl_check.h"

#include "server/exec/access.h"
#include "server/exec/keyspec.h"
#include "storage/base/glob.h"
#include "storage/base/mem.h"

/* What a command touches, found out at most once however many selectors there are. */
struct touched {
    const struct command_slot *cmd;
    int argc;
    const struct slice *argv;
    struct acl_place where;
    struct key_use few[16], *keys;
    int nkeys; /* -1: not looked at yet */
};

/* ---------------------------------------------------------------- keys */

/* Where STORE may come twice the last one counts, and the key spec names the first. */
static int more_stores(const struct touched *t, struct key_use *out) {
    const struct command *row = t->cmd->row;
    int n = 0;

    if (strcmp(row->group, "geo") != 0 || !(row->flags & CMD_MOVABLE_KEYS)) return 0;
    for (int i = 4; i + 1 < t->argc; i++) {
        if (!slice_is(t->argv[i], "store") && !slice_is(t->argv[i], "storedist")) continue;
        if (out) out[n] = (struct key_use){i + 1, KEY_OW | KEY_UPDATE};
        n++;
    }
    return n;
}

/* PFMERGE may have no sources: it writes its key, and the key specs make no sense of that. */
static int only_key(const struct touched *t, struct key_use *out) {
    const struct command *row = t->cmd->row;

    if (row->flags & CMD_MOVABLE_KEYS || row->keys.first != 1 || t->argc != 2) return 0;
    *out = (struct key_use){1, KEY_RW | KEY_ACCESS | KEY_UPDATE};
    return 1;
}

static void find_keys(struct touched *t) {
    int room = (int)(sizeof t->few / sizeof *t->few), more = more_stores(t, NULL);
    int n = keyspec_keys(t->cmd->row, t->argc, t->argv, t->few, room);

    t->keys = t->few;
    if (n < 0) n = only_key(t, t->few); /* 0: the arguments make no sense: it touches nothing */
    if (n + more > room) {
        t->keys = mem_alloc((size_t)(n + more) * sizeof *t->keys);
        keyspec_keys(t->cmd->row, t->argc, t->argv, t->keys, n);
    }
    t->nkeys = n + more_stores(t, t->keys + n);
}

static void touched_release(struct touched *t) {
    if (t->nkeys >= 0 && t->keys != t->few) mem_free(t->keys);
}

static unsigned access_of(unsigned key_flags) {
    unsigned access = key_flags & KEY_ACCESS ? ACL_READ : 0;

    return key_flags & (KEY_UPDATE | KEY_INSERT | KEY_DELETE) ? access | ACL_WRITE : access;
}

static bool allows_key(const struct acl_patterns *p, struct slice key, unsigned access) {
    for (size_t i = 0; i < p->n; i++)
        if ((p->v[i].access & access) == access && glob_match(slice_str(p->v[i].glob), key, false))
            return true;
    return false;
}

static bool check_keys(const struct acl_selector *s, struct touched *t, int *at) {
    if (s->keys.all) return true;
    if (t->nkeys < 0) find_keys(t);
    for (int i = 0; i < t->nkeys; i++) {
        *at = t->keys[i].at;
        if (!allows_key(&s->keys, t->argv[*at], access_of(t->keys[i].flags))) return false;
    }
    return true;
}

/* ---------------------------------------------------------------- channels */

bool acl_allows_channel(const struct acl_patterns *p, struct slice channel, bool is_pattern) {
    if (p->all) return true;
    for (size_t i = 0; i < p->n; i++) {
        struct slice glob = slice_str(p->v[i].glob);

        if (is_pattern ? slice_eq(glob, channel) : glob_match(glob, channel, false)) return true;
    }
    return false;
}

/* Commands whose arguments from the first on are channels. */
static bool has_channels(const struct command *row, bool *are_patterns, bool *only_one) {
    static const struct {
        const char *name;
        bool patterns, one;
    } table[] = {
        {"publish", false, true},     {"spublish", false, true},   {"subscribe", false, false},
        {"ssubscribe", false, false}, {"psubscribe", true, false},
    };

    if (!(row->flags & CMD_PUBSUB)) return false;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(row->name, table[i].name) != 0) continue;
        *are_patterns = table[i].patterns;
        *only_one = table[i].one;
        return true;
    }
    return false;
}

static bool check_channels(const struct acl_selector *s, const struct touched *t, int *at) {
    bool patterns, one;

    if (s->channels.all || !has_channels(t->cmd->row, &patterns, &one)) return true;
    for (*at = 1; *at < (one ? 2 : t->argc); ++*at)
        if (!acl_allows_channel(&s->channels, t->argv[*at], patterns)) return false;
    return true;
}

/* ---------------------------------------------------------------- all of it */

static bool check_command(const struct acl_selector *s, const struct touched *t) {
    const struct command_slot *cmd = t->cmd;

    if (cmd->row->flags & CMD_NO_AUTH || acl_selector_has(s, cmd->id)) return true;
    for (size_t i = 0; i < s->nfirst_args; i++)
        if (s->first_args[i].id == cmd->id && t->argc > 1 &&
            slice_is(t->argv[1], s->first_args[i].word))
            return true;
    return false;
}

static enum acl_verdict check_selector(const struct acl_selector *s, struct touched *t, int *at) {
    *at = 0;
    if (!acl_dbs_allow(&s->dbs, t->where, t->cmd, t->argc, t->argv, at)) return ACL_NO_DB;
    if (!check_command(s, t)) return ACL_NO_COMMAND;
    if (!check_keys(s, t, at)) return ACL_NO_KEY;
    if (!check_channels(s, t, at)) return ACL_NO_CHANNEL;
    return ACL_OK;
}

enum acl_verdict acl_check(const struct acl_user *u, struct acl_place where,
                           const struct command_slot *cmd, int argc, const struct slice *argv,
                           int *at) {
    struct touched t = {.cmd = cmd, .argc = argc, .argv = argv, .where = where, .nkeys = -1};
    enum acl_verdict worst = ACL_NO_COMMAND;
    int worst_at = 0;

    if (u->total) return ACL_OK;
    for (size_t i = 0; i < u->nselectors; i++) {
        int here;
        enum acl_verdict v = check_selector(u->selectors[i], &t, &here);

        if (v == ACL_OK) {
            worst = v;
            break;
        }
        if (v > worst || (v == worst && here > worst_at)) {
            worst = v;
            worst_at = here;
        }
    }
    touched_release(&t);
    if (at) *at = worst_at;
    return worst;
}

static bool reads_all_keys(const struct acl_selector *s) {
    if (s->keys.all) return true;
    for (size_t i = 0; i < s->keys.n; i++)
        if (s->keys.v[i].access & ACL_READ && strcmp(s->keys.v[i].glob, "*") == 0) return true;
    return false;
}

bool acl_reads_everything(const struct acl_user *u, struct acl_place where,
                          const struct command_slot *cmd, int argc, const struct slice *argv) {
    struct touched t = {.cmd = cmd, .argc = argc, .argv = argv, .where = where, .nkeys = -1};
    bool found = u->total;

    for (size_t i = 0; i < u->nselectors && !found; i++) {
        int at;

        found =
            reads_all_keys(u->selectors[i]) && check_selector(u->selectors[i], &t, &at) == ACL_OK;
    }
    touched_release(&t);
    return found;
}

void acl_refusal(enum acl_verdict why, const struct acl_user *u, const struct command_slot *cmd,
                 struct slice arg, bool full, struct bytes *out) {
    const char *kind = why == ACL_NO_KEY ? "key" : "channel";

    if (why == ACL_NO_COMMAND) {
        struct bytes name = acl_command_name(cmd);

        bytes_printf(out, "User %s has no permissions to run the '%s' command", u->name, name.p);
        bytes_release(&name);
    } else if (why == ACL_NO_DB && full) {
        bytes_printf(out, "User %s has no permissions to access database ", u->name);
        bytes_append(out, arg.p, arg.n);
    } else if (why == ACL_NO_DB) {
        bytes_append_str(out, "No permissions to access database");
    } else if (full) {
        bytes_printf(out, "User %s has no permissions to access the '", u->name);
        bytes_append(out, arg.p, arg.n);
        bytes_printf(out, "' %s", kind);
    } else {
        bytes_printf(out, "No permissions to access a %s", kind);
    }
    bytes_cstr(out);
}
