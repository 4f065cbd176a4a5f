/* SPDX-License-Identifier: BSD-3-Clause
 *
 * migrate - MIGRATE: keys go to another server, and are deleted here once that has them.
 *
 * The values are serialised at once, as DUMP does it. A thread (exec/transfer) sends them and waits
 * for the other server; this server goes on, and the client waits. Then the command runs once more
 * and looks at each key that was sent:
 *   - it has not changed since: it is deleted, and DEL goes to the AOF;
 *   - it was changed: it is sent again, in place of what was sent before;
 *   - it was deleted: it is deleted there, too;
 *   - another MIGRATE has moved it, or this one, as it names the key twice: nothing is done, as the
 *     DEL might take away the only copy.
 * So no write that was acknowledged here is lost. A key that is still written after ROUNDS_MAX
 * rounds stays here, and an error says so. With COPY nothing is deleted or sent again.
 *
 * If the client goes away, nothing is deleted: then keys may be on both sides, as after a timeout.
 */
#include "conf/conf.h"
#include "protocol/encode.h"
#include "server/commands/commands.h"
#include "server/commands/support.h"
#include "server/exec/blocking.h"
#include "server/exec/secret.h"
#include "server/exec/slots.h"
#include "server/exec/transfer.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

enum { ROUNDS_MAX = 16, DEFAULT_TIMEOUT_MS = 1000, DELETED_AT_ONCE = 64 };

struct moving {
    struct interest *on;  /* knows whether the key was changed */
    uint64_t seen, moved; /* its counts when the value was sent, or when it was first sent */
    bool sent;            /* in the batch under way */
};

/* One MIGRATE that waits. */
struct migration {
    struct engine *e;
    struct transfer *transfer;
    bool copy;
    int rounds;
    char *refusal; /* the first error of the other server, or the one of ours */
    struct moving *keys;
    size_t n;
};

struct options {
    bool copy, replace;
    struct transfer_to to;
    int first, last; /* the keys among the arguments */
};

/* ---------------------------------------------------------------- arguments */

static bool parse_word(struct call *x, struct options *o, int *i) {
    int left = x->argc - 1 - *i;

    if (arg_is(x, *i, "copy")) {
        o->copy = true;
    } else if (arg_is(x, *i, "replace")) {
        o->replace = true;
    } else if (arg_is(x, *i, "auth") && left >= 1) {
        o->to.password = x->argv[++*i];
    } else if (arg_is(x, *i, "auth2") && left >= 2) {
        o->to.user = x->argv[++*i];
        o->to.password = x->argv[++*i];
    } else if (arg_is(x, *i, "keys") && x->argv[3].n == 0) {
        o->first = *i + 1;
        o->last = *i = x->argc - 1;
    } else if (arg_is(x, *i, "keys")) {
        reply_err(x, "ERR When using MIGRATE KEYS option, the key argument must be set to the "
                     "empty string");
        return false;
    } else {
        reply_err(x, ERR_SYNTAX);
        return false;
    }
    return true;
}

static bool parse(struct call *x, struct options *o) {
    int64_t timeout;

    *o = (struct options){.first = 3, .last = 3};
    for (int i = 6; i < x->argc; i++)
        if (!parse_word(x, o, &i)) return false;
    if (!arg_int(x, 5, &timeout) || !arg_int(x, 4, &o->to.db)) return false;
    if (timeout <= 0) timeout = DEFAULT_TIMEOUT_MS;
    o->to.timeout_ms = timeout < INT32_MAX ? (int)timeout : INT32_MAX;
    o->to.host = x->argv[1];
    o->to.port = x->argv[2];
    o->to.wake = x->e->hooks.wake;
    o->to.arg = x->e->hooks.arg;
    return true;
}

/* ---------------------------------------------------------------- the batch */

static void append_restore(struct call *x, struct bytes *out, const struct ref *r, bool replace) {
    char ttl_text[NUM_I64_MAX];
    int64_t at = entry_expire(r->e), ttl = 0;
    struct bytes payload = {0};
    struct slice argv[5] = {SLICE("RESTORE"), r->key};
    int argc = 4;

    if (at != ENTRY_NO_EXPIRE) ttl = at > x->now_ms ? at - x->now_ms : 1;
    rdb_dump(&payload, r->e, x->e->v->rdbcompression, PACE_NONE);
    argv[2] = slice_of(ttl_text, (size_t)num_format_i64(ttl_text, ttl));
    argv[3] = bytes_slice(&payload);
    if (replace) argv[argc++] = SLICE("REPLACE");
    encode_command(out, argc, argv);
    bytes_release(&payload);
}

static void watch(struct call *x, struct moving *m, struct slice key) {
    m->on = interest_get(&x->e->interests, x->db->id, key);
    m->on->holds++;
    m->seen = m->on->touched;
    m->moved = m->on->moved;
    m->sent = true;
}

static void migration_free(void *arg) {
    struct migration *g = arg;

    for (size_t i = 0; i < g->n; i++) {
        g->keys[i].on->holds--;
        interest_drop(&g->e->interests, g->keys[i].on);
    }
    transfer_drop(g->transfer);
    mem_free(g->refusal);
    mem_free(g->keys);
    mem_free(g);
}

static bool is_done(const struct blocked *b) {
    return transfer_done(((struct migration *)b->job)->transfer);
}

static int begin(struct call *x, const struct options *o) {
    struct migration *g = mem_calloc(sizeof *g);
    struct blocked b = {.cmd = x->cmd, .argc = x->argc, .db = x->db->id, .ready = is_done};
    struct bytes commands = {0};

    g->e = x->e;
    g->copy = o->copy;
    g->transfer = transfer_new(&x->e->links, &o->to);
    g->keys = mem_alloc((size_t)(o->last - o->first + 1) * sizeof *g->keys);
    for (int i = o->first; i <= o->last; i++) {
        struct ref r = lookup_read(x, i);

        if (!r.e) continue;
        append_restore(x, &commands, &r, o->replace);
        watch(x, &g->keys[g->n++], r.key);
    }
    if (g->n > 0 && transfer_start(g->transfer, &commands, g->n)) {
        b.argv = args_copy(x->argc, x->argv);
        b.job = g;
        b.job_free = migration_free;
        block_on_progress(x, &b, 0);
        return 0;
    }
    if (g->n == 0)
        reply_simple(&x->r, "NOKEY");
    else
        reply_err(x, "ERR no thread could be started for the transfer");
    bytes_release(&commands);
    migration_free(g);
    return 0;
}

/* ---------------------------------------------------------------- after a batch */

/* Deletes keys in as few commands as there may be in the AOF. */
static void log_deleted(struct call *x, const struct slice *keys, int n) {
    struct slice argv[1 + DELETED_AT_ONCE] = {SLICE("DEL")};

    if (n == 0) return;
    memcpy(argv + 1, keys, (size_t)n * sizeof *keys);
    effect(x, n + 1, argv);
}

static void delete_here(struct call *x, struct moving *m, struct ref *r) {
    m->on->moved++;
    key_delete(x, r, x->e->v->lazyfree_lazy_server_del);
    key_changed(x, r, EVENT_GENERIC, "del");
}

static void refuse(struct migration *g, const char *prefix, const char *text) {
    struct bytes b = {0};

    if (g->refusal) return;
    bytes_printf(&b, "%s%s", prefix, text);
    g->refusal = mem_strdup(bytes_cstr(&b));
    bytes_release(&b);
}

/* What becomes of a key that the other server has. Adds to `commands` what is still to be sent. */
static bool settle(struct call *x, struct migration *g, struct moving *m, struct ref *r,
                   struct bytes *commands) {
    struct slice del[] = {SLICE("DEL"), r->key};

    if (m->on->moved != m->moved) return false;
    if (m->on->touched == m->seen) return r->e != NULL;
    if (g->rounds >= ROUNDS_MAX) {
        refuse(g, "TRYAGAIN ", "a key was written to all the time, it stays here");
        return false;
    }
    if (r->e)
        append_restore(x, commands, r, true);
    else
        encode_command(commands, 2, del);
    m->seen = m->on->touched;
    m->sent = true;
    return false;
}

/* Looks at every key of the batch; returns how many commands are still to be sent. */
static size_t settle_all(struct call *x, struct migration *g, struct bytes *commands) {
    size_t answered = transfer_answered(g->transfer), again = 0, at = 0;
    struct slice deleted[DELETED_AT_ONCE];
    int n = 0;

    for (size_t i = 0; i < g->n && at < answered; i++) {
        struct moving *m = &g->keys[i];
        const char *refusal;
        struct ref r;

        if (!m->sent) continue;
        m->sent = false;
        refusal = transfer_refusal(g->transfer, at++);
        if (refusal) refuse(g, "ERR Target instance replied with error: ", refusal);
        if (refusal || g->copy) continue;
        r = lookup(x, x->db, interest_key(m->on), false);
        if (settle(x, g, m, &r, commands)) {
            delete_here(x, m, &r);
            deleted[n++] = r.key;
        }
        again += m->sent;
        if (n == DELETED_AT_ONCE) {
            log_deleted(x, deleted, n);
            n = 0;
        }
    }
    log_deleted(x, deleted, n);
    return again;
}

static int go_on(struct call *x) {
    struct migration *g = x->s->blocked->job;
    const char *error = transfer_error(g->transfer);
    struct bytes commands = {0};
    size_t again;

    effect_none(x);
    g->rounds++;
    again = settle_all(x, g, &commands);
    if (again && !error && transfer_start(g->transfer, &commands, again)) {
        x->waits = true;
        return 0;
    }
    if (again && !error) refuse(g, "ERR ", "no thread could be started for the transfer");
    bytes_release(&commands);
    if (error) return reply_err(x, error);
    if (g->refusal) return reply_err(x, g->refusal);
    reply_ok(&x->r);
    return 0;
}

/* The other server is a node of this process: the keys are its own from now on, where they are. */
static int hand_over(struct call *x, const struct options *o) {
    const struct cluster_seam *c = x->e->cluster;
    int n = 0;

    for (int i = o->first; i <= o->last; i++) {
        if (!lookup_quiet(x, i).e || cluster_hides(x, x->argv[i])) continue;
        n++;
        if (!o->copy) c->moved(c->arg, x->argv[i]);
    }
    if (n)
        reply_ok(&x->r);
    else
        reply_simple(&x->r, "NOKEY");
    return 0;
}

static bool is_own_node(const struct call *x, const struct options *o) {
    const struct cluster_seam *c = x->e->cluster;

    return c && c->is_node && c->is_node(c->arg, o->to.host, o->to.port);
}

static int cmd_migrate(struct call *x) {
    struct options o;

    secret_hide(x);
    if (x->from == FROM_RETRY) return go_on(x);
    if (!parse(x, &o)) return -1;
    if (is_own_node(x, &o)) return hand_over(x, &o);
    if (!call_may_wait(x))
        return reply_err(x, "ERR MIGRATE waits for another server, which nothing in a transaction "
                            "or script may");
    return begin(x, &o);
}

/* ---------------------------------------------------------------- rows */

#define MIGRATE_GRAMMAR                                                                            \
    "host port:int key-selector(key@0|empty-string=) destination-db:int timeout:int [COPY^3.0.0] " \
    "[REPLACE^3.0.0] [authentication(AUTH=auth^4.0.7'password'|AUTH2=auth2{username "              \
    "password}^6.0.0)] [KEYS=keys@1+^3.0.6'key']"

/* clang-format off */
const struct command migrate_commands[] = {
    {"migrate", -6, CMD_MOVABLE_KEYS | CMD_WRITE | CMD_DANGEROUS | CMD_KEYSPACE_CAT, "generic",
     {3, 3, 1}, cmd_migrate, "2.6.0", "Moves keys to another server.",
     .grammar = MIGRATE_GRAMMAR,
     .key_specs = "@3..0 RW access delete; KEYS@-2..-1 RW access delete incomplete",
     .tips = "nondeterministic_output"},
    {0},
};
/* clang-format on */
