/* SPDX-License-Identifier: BSD-3-Clause
 *
 * generic - commands that take a key whatever its type: deleting, asking, renaming, moving,
 * copying.
 */
#include "conf/conf.h"
#include "server/commands/commands.h"
#include "server/commands/support.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"

/* ---------------------------------------------------------------- deleting and asking */

static int delete_keys(struct call *x, bool lazy) {
    int64_t n = 0;

    for (int i = 1; i < x->argc; i++) {
        struct ref r;

        fetch_ahead(x, i, 1);
        r = lookup_write(x, i);
        if (!r.e) continue;
        key_delete(x, &r, lazy);
        key_changed(x, &r, EVENT_GENERIC, "del");
        n++;
    }
    reply_int(&x->r, n);
    return 0;
}

static int cmd_del(struct call *x) {
    return delete_keys(x, x->e->v->lazyfree_lazy_user_del);
}

static int cmd_unlink(struct call *x) {
    return delete_keys(x, true);
}

static int cmd_exists(struct call *x) {
    int64_t n = 0;

    for (int i = 1; i < x->argc; i++) {
        fetch_ahead(x, i, 1);
        n += peek(x, i).e != NULL;
        call_breathe(x);
    }
    reply_int(&x->r, n);
    return 0;
}

static int cmd_touch(struct call *x) {
    int64_t n = 0;

    for (int i = 1; i < x->argc; i++) {
        fetch_ahead(x, i, 1);
        n += lookup_read(x, i).e != NULL;
        call_breathe(x);
    }
    reply_int(&x->r, n);
    return 0;
}

static int cmd_type(struct call *x) {
    struct ref r = peek(x, 1);

    reply_simple(&x->r, r.e ? type_ops_of(r.e->type)->name : "none");
    return 0;
}

/* ---------------------------------------------------------------- renaming */

/* Puts the value of `from` under `to`'s key, in place of what stands there. */
static void rename_entry(struct call *x, struct ref *from, struct ref *to) {
    struct entry *shell = from->e;
    struct entry *e = entry_rekey(shell, to->key, entry_expire(shell));

    db_detach(from->db, shell, from->hash);
    mem_free(shell);
    from->e = NULL;
    key_overwrites(x, to, e->type);
    if (to->e) key_delete(x, to, x->e->v->lazyfree_lazy_server_del);
    db_add(to->db, e, to->hash);
    to->e = e;
    key_added(x, to);
}

/* Two keys change, but it counts as one change. */
static void tell_rename(struct call *x, const struct ref *from, const struct ref *to) {
    uint64_t dirty = x->e->dirty;

    key_changed(x, from, EVENT_GENERIC, "rename_from");
    key_changed(x, to, EVENT_GENERIC, "rename_to");
    x->e->dirty = dirty + 1;
}

static int rename_key(struct call *x, bool only_if_absent) {
    struct ref from = lookup_write(x, 1), to;

    if (!from.e) return reply_err(x, ERR_NO_KEY);
    if (slice_eq(x->argv[1], x->argv[2])) {
        if (only_if_absent)
            reply_int(&x->r, 0);
        else
            reply_ok(&x->r);
        return 0;
    }
    to = lookup_write(x, 2);
    if (to.e && only_if_absent) {
        reply_int(&x->r, 0);
        return 0;
    }
    rename_entry(x, &from, &to);
    tell_rename(x, &from, &to);
    if (only_if_absent)
        reply_int(&x->r, 1);
    else
        reply_ok(&x->r);
    return 0;
}

static int cmd_rename(struct call *x) {
    return rename_key(x, false);
}

static int cmd_renamenx(struct call *x) {
    return rename_key(x, true);
}

/* ---------------------------------------------------------------- other databases */

static bool arg_existing_db(struct call *x, int i, struct db **db) {
    int id;

    if (!arg_db(x, i, NULL, &id)) return false;
    if (id < 0 || id >= x->e->ks.ndbs) {
        reply_err(x, "ERR DB index is out of range");
        return false;
    }
    *db = &x->e->ks.dbs[id];
    return true;
}

static int cmd_move(struct call *x) {
    struct ref from, to;
    struct db *db;
    uint64_t dirty;

    if (in_cluster(x)) return reply_err(x, "ERR MOVE is not allowed in cluster mode");
    if (!arg_existing_db(x, 2, &db)) return -1;
    if (db == x->db) return reply_err(x, "ERR source and destination objects are the same");
    from = lookup_write(x, 1);
    if (!from.e) {
        reply_int(&x->r, 0);
        return 0;
    }
    to = lookup(x, db, x->argv[1], false);
    if (to.e) {
        reply_int(&x->r, 0);
        return 0;
    }
    to.e = from.e;
    from.e = NULL;
    db_detach(from.db, to.e, from.hash);
    db_add(to.db, to.e, to.hash);
    key_added(x, &to);
    dirty = x->e->dirty;
    key_changed(x, &from, EVENT_GENERIC, "move_from");
    key_changed(x, &to, EVENT_GENERIC, "move_to");
    x->e->dirty = dirty + 1;
    reply_int(&x->r, 1);
    return 0;
}

/* COPY's options; false: answered with an error. */
static bool parse_copy(struct call *x, struct db **db, bool *replace) {
    for (int i = 3; i < x->argc; i++) {
        if (arg_is(x, i, "replace")) {
            *replace = true;
        } else if (arg_is(x, i, "db") && i + 1 < x->argc) {
            if (!arg_existing_db(x, ++i, db)) return false;
        } else {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
    }
    return true;
}

static int cmd_copy(struct call *x) {
    struct db *db = x->db;
    bool replace = false;
    struct pace pace = call_pace(x);
    struct ref from, to;
    struct entry *e;

    if (!parse_copy(x, &db, &replace)) return -1;
    if (db != x->db && in_cluster(x))
        return reply_err(x, "ERR Copying to another database is not allowed in cluster mode");
    if (db == x->db && slice_eq(x->argv[1], x->argv[2]))
        return reply_err(x, "ERR source and destination objects are the same");
    from = lookup_read(x, 1);
    if (!from.e) {
        reply_int(&x->r, 0);
        return 0;
    }
    to = lookup(x, db, x->argv[2], false);
    if (to.e && !replace) {
        reply_int(&x->r, 0);
        return 0;
    }
    e = entry_copy(from.e, to.key, entry_expire(from.e), &pace);
    key_overwrites(x, &to, e->type);
    if (to.e) key_delete(x, &to, x->e->v->lazyfree_lazy_server_del);
    db_add(to.db, e, to.hash);
    to.e = e;
    key_added(x, &to);
    key_changed(x, &to, EVENT_GENERIC, "copy_to");
    reply_int(&x->r, 1);
    return 0;
}

/* ---------------------------------------------------------------- rows */

#define W (CMD_WRITE | CMD_KEYSPACE_CAT)
#define R (CMD_READONLY | CMD_KEYSPACE_CAT)
#define F CMD_FAST

/* clang-format off */
const struct command generic_commands[] = {
    {"copy", -3, W | CMD_DENYOOM, "generic", {1, 2, 1}, cmd_copy, "6.2.0",
     "Copies a key's value and time to live to another key, or to another database.",
     .grammar = "source@0 destination@1 [DB=destination-db:int] [REPLACE]",
     .key_specs = "@1..0 RO access; @2..0 OW update"},
    {"del", -2, W, "generic", {1, -1, 1}, cmd_del, "1.0.0", "Deletes keys.",
     .grammar = "key@0+",
     .key_specs = "RM delete",
     .tips = "request_policy:multi_shard response_policy:agg_sum"},
    {"exists", -2, R | F, "generic", {1, -1, 1}, cmd_exists, "1.0.0",
     "Counts how many of the given keys exist.",
     .grammar = "key@0+",
     .key_specs = "RO",
     .tips = "request_policy:multi_shard response_policy:agg_sum"},
    {"move", 3, W | F, "generic", {1, 1, 1}, cmd_move, "1.0.0",
     "Takes a key to another database.",
     .grammar = "key@0 db:int",
     .key_specs = "RW access update"},
    {"rename", 3, W, "generic", {1, 2, 1}, cmd_rename, "1.0.0",
     "Gives a key another name, in place of a key that has it.",
     .grammar = "key@0 newkey@1",
     .key_specs = "@1..0 RW access delete; @2..0 OW update"},
    {"renamenx", 3, W | F, "generic", {1, 2, 1}, cmd_renamenx, "1.0.0",
     "Gives a key another name, but only if no key has it.",
     .grammar = "key@0 newkey@1",
     .key_specs = "@1..0 RW access delete; @2..0 OW insert"},
    {"touch", -2, R | F, "generic", {1, -1, 1}, cmd_touch, "3.2.1",
     "Counts the given keys that exist and notes them as just used.",
     .grammar = "key@0+",
     .key_specs = "RO",
     .tips = "request_policy:multi_shard response_policy:agg_sum"},
    {"type", 2, R | F, "generic", {1, 1, 1}, cmd_type, "1.0.0",
     "Names the type of the value stored at a key.",
     .grammar = "key@0",
     .key_specs = "RO"},
    {"unlink", -2, W | F, "generic", {1, -1, 1}, cmd_unlink, "4.0.0",
     "Deletes keys; large values are freed in the background.",
     .grammar = "key@0+",
     .key_specs = "RM delete",
     .tips = "request_policy:multi_shard response_policy:agg_sum"},
    {0},
};
/* clang-format on */
