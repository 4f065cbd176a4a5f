/* SPDX-License-Identifier: BSD-3-Clause
 *
 * keyspace - whole databases, and the few commands without keys that every client has.
 */
#include "conf/conf.h"
#include "server/commands/commands.h"
#include "server/commands/node_keys.h"
#include "server/commands/stream_idempotent.h"
#include "server/commands/support.h"
#include "storage/base/num.h"

/* ---------------------------------------------------------------- databases */

static int cmd_dbsize(struct call *x) {
    reply_int(&x->r, (int64_t)(cluster_hides_some(x->e) ? node_count(x) : x->db->keys.count));
    return 0;
}

/* ASYNC, SYNC, or what the configuration says. */
static bool parse_flush(struct call *x, bool *lazy) {
    *lazy = x->e->v->lazyfree_lazy_user_flush;
    if (x->argc == 1) return true;
    if (x->argc == 2 && (arg_is(x, 1, "async") || arg_is(x, 1, "sync"))) {
        *lazy = arg_is(x, 1, "async");
        return true;
    }
    reply_err(x, ERR_SYNTAX);
    return false;
}

static int flush(struct call *x, int first, int last) {
    bool lazy;

    if (!parse_flush(x, &lazy)) return -1;
    if (cluster_hides_some(x->e) && !call_obeys(x)) {
        node_flush(x, lazy);
        reply_ok(&x->r);
        return 0;
    }
    for (int i = first; i <= last; i++) x->e->dirty += db_clear(&x->e->ks.dbs[i], lazy);
    x->all_changed = true;
    effect(x, x->argc, x->argv); /* also where there was nothing: replicas may differ */
    reply_ok(&x->r);
    return 0;
}

static int cmd_flushdb(struct call *x) {
    return flush(x, x->db->id, x->db->id);
}

/* Without an AOF the old RDB file would bring everything back after a crash: with save points it is
 * replaced at once. In a transaction or script this is left to the save points, as the file would
 * hold the half of it; a child that is at work is not waited for. An engine without files (unit
 * tests) has no saver. */
static void save_flushed(struct call *x) {
    struct rdb_saver *s = &x->e->saver;
    struct err err;

    if (x->e->v->save.n == 0 || call_obeys(x) || call_is_inner(x)) return;
    if (!s->h.options || s->phase != RDB_SAVER_IDLE || aof_phase(x->e->aof) != AOF_OFF) return;
    (void)rdb_saver_save(s, x->e->dirty, &err); /* it logs what fails, and the counter stays */
}

static int cmd_flushall(struct call *x) {
    if (flush(x, 0, x->e->ks.ndbs - 1) < 0) return -1;
    save_flushed(x);
    return 0;
}

static bool is_db(const struct call *x, int id) {
    return id >= 0 && id < x->e->ks.ndbs;
}

static int cmd_select(struct call *x) {
    int id;

    if (!arg_db(x, 1, NULL, &id)) return -1;
    if (id != 0 && in_cluster(x)) return reply_err(x, "ERR SELECT is not allowed in cluster mode");
    if (!is_db(x, id)) return reply_err(x, "ERR DB index is out of range");
    x->s->db = id;
    reply_ok(&x->r);
    return 0;
}

static int cmd_swapdb(struct call *x) {
    int a, b;

    if (in_cluster(x)) return reply_err(x, "ERR SWAPDB is not allowed in cluster mode");
    if (!arg_db(x, 1, "ERR invalid first DB index", &a)) return -1;
    if (!arg_db(x, 2, "ERR invalid second DB index", &b)) return -1;
    if (!is_db(x, a) || !is_db(x, b)) return reply_err(x, "ERR DB index is out of range");
    keyspace_swap(&x->e->ks, a, b);
    x->e->dirty++;
    x->all_changed = true;
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- without keys */

static int cmd_echo(struct call *x) {
    if (call_obeys(x)) stream_obey_note(x, x->argv[1]);
    reply_bulk(&x->r, x->argv[1].p, x->argv[1].n);
    return 0;
}

/* What a subscriber takes for a message. */
static int pong_as_message(struct call *x) {
    reply_array(&x->r, 2);
    reply_bulk_str(&x->r, "pong");
    if (x->argc == 1)
        reply_bulk_str(&x->r, "");
    else
        reply_bulk(&x->r, x->argv[1].p, x->argv[1].n);
    return 0;
}

static int cmd_ping(struct call *x) {
    if (x->argc > 2) return reply_err(x, "ERR wrong number of arguments for 'ping' command");
    if (x->s->subscriber && x->s->resp == 2) return pong_as_message(x);
    if (x->argc == 1) {
        reply_simple(&x->r, "PONG");
        return 0;
    }
    return cmd_echo(x);
}

static int cmd_time(struct call *x) {
    int64_t us = clock_wall_us();

    reply_array(&x->r, 2);
    reply_bulk_int(&x->r, us / 1000000);
    reply_bulk_int(&x->r, us % 1000000);
    return 0;
}

/* ---------------------------------------------------------------- rows */

#define F       CMD_FAST
#define K       CMD_KEYSPACE_CAT
#define D       CMD_DANGEROUS
#define ANYTIME (CMD_LOADING | CMD_STALE)

/* clang-format off */
const struct command keyspace_commands[] = {
    {"dbsize", 1, CMD_READONLY | F | K | CMD_WHOLE_KEYSPACE, "server", {0, 0, 0}, cmd_dbsize,
     "1.0.0", "Counts the keys of the database.",
     .tips = "request_policy:all_shards response_policy:agg_sum"},
    {"echo", 2, F | ANYTIME, "connection", {0, 0, 0}, cmd_echo, "1.0.0", "Gives back its argument.",
     .grammar = "message"},
    {"flushall", -1, CMD_WRITE | K | D, "server", {0, 0, 0}, cmd_flushall, "1.0.0",
     "Deletes all keys of all databases.",
     .grammar = "[flush-type(ASYNC^4.0.0|SYNC^6.2.0)]",
     .tips = "request_policy:all_shards response_policy:all_succeeded"},
    {"flushdb", -1, CMD_WRITE | K | D, "server", {0, 0, 0}, cmd_flushdb, "1.0.0",
     "Deletes all keys of the database.",
     .grammar = "[flush-type(ASYNC^4.0.0|SYNC^6.2.0)]",
     .tips = "request_policy:all_shards response_policy:all_succeeded"},
    {"ping", -1, F | CMD_IN_SUBSCRIBED, "connection", {0, 0, 0}, cmd_ping, "1.0.0",
     "Answers PONG, or with its argument.",
     .grammar = "[message]",
     .tips = "request_policy:all_shards response_policy:all_succeeded"},
    {"select", 2, F | ANYTIME, "connection", {0, 0, 0}, cmd_select, "1.0.0",
     "Chooses the database of the connection.",
     .grammar = "index:int"},
    {"swapdb", 3, CMD_WRITE | F | K | D, "server", {0, 0, 0}, cmd_swapdb, "4.0.0",
     "Exchanges the contents of two databases.",
     .grammar = "index1:int index2:int"},
    {"time", 1, F | ANYTIME, "server", {0, 0, 0}, cmd_time, "2.6.0",
     "Tells the server's Unix time in seconds and microseconds.",
     .tips = "nondeterministic_output"},
    {0},
};
/* clang-format on */
