/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/multi.h"

#include "server/exec/acl.h"
#include "server/exec/admit.h"
#include "server/exec/keys.h"
#include "server/exec/run.h"
#include "storage/base/mem.h"

struct own_watch {
    struct list of_session; /* in multi.watches */
    struct watch watch;
};

enum { WATCH_SLOT_BYTES = 16 }; /* about, in the table of watched keys */

static struct multi *multi_of(struct session *s) {
    if (s->multi) return s->multi;
    s->multi = mem_calloc(sizeof *s->multi);
    list_init(&s->multi->watches);
    return s->multi;
}

/* ---------------------------------------------------------------- watching */

/* A key may have thousands of clients that watch it, and be named a million times: the client's own
 * watch is looked for once, and then stands in front. */
static bool is_watched(struct interest *k, const struct multi *m) {
    list_each (it, &k->watches) {
        if (list_entry(it, struct watch, of_key)->broken != &m->broken) continue;
        list_remove(it);
        list_append(k->watches.next, it); /* in front of the first */
        return true;
    }
    return false;
}

void multi_watch(struct call *x, const struct ref *r) {
    struct interest *k = interest_get(&x->e->interests, r->db->id, r->key);
    struct multi *m = multi_of(x->s);
    struct own_watch *w;

    if (is_watched(k, m)) return;
    w = mem_alloc(sizeof *w);
    *w = (struct own_watch){.watch = {.on = k, .seen = r->e, .broken = &m->broken}};
    list_append(k->watches.next, &w->watch.of_key);
    list_append(&m->watches, &w->of_session);
    m->watched_bytes += sizeof *w + sizeof *k + WATCH_SLOT_BYTES + r->key.n;
}

static void unwatch_all(struct session *s) {
    struct multi *m = s->multi;

    if (!m) return;
    list_each_safe (it, next, &m->watches) {
        struct own_watch *w = list_entry(it, struct own_watch, of_session);

        list_remove(&w->watch.of_key);
        interest_drop(&s->e->interests, w->watch.on);
        mem_free(w);
    }
    list_init(&m->watches);
    m->watched_bytes = 0;
    m->broken = false;
}

/* A watched key that expired meanwhile has changed, even if no command has looked it up since.
 * While clients are paused the look-up hides the key and does not remove it. */
static void expire_watched(struct call *x) {
    list_each (it, &x->s->multi->watches) {
        const struct watch *w = &list_entry(it, struct own_watch, of_session)->watch;
        struct db *db = &x->e->ks.dbs[w->on->db];

        if (!lookup(x, db, interest_key(w->on), false).e && w->seen) *w->broken = true;
    }
}

/* ---------------------------------------------------------------- queueing */

void multi_queue(struct call *x) {
    struct multi *m = x->s->multi;
    struct queued *q;

    if (m->n == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 4;
        m->v = mem_realloc(m->v, (size_t)m->cap * sizeof *m->v);
    }
    q = &m->v[m->n++];
    *q = (struct queued){x->cmd, args_copy(x->argc, x->argv), x->argc};
    m->bytes += mem_usable(q->argv);
    m->flags |= x->cmd->row->flags;
    reply_simple(&x->r, "QUEUED");
}

void multi_fail(struct session *s) {
    if (multi_is_open(s)) s->multi->state = MULTI_FAILED;
}

static void free_queue(struct multi *m) {
    for (int i = 0; i < m->n; i++) mem_free(m->v[i].argv);
    mem_free(m->v);
}

void multi_reset(struct session *s) {
    if (!s->multi) return;
    unwatch_all(s);
    free_queue(s->multi);
    mem_free(s->multi);
    s->multi = NULL;
}

size_t multi_mem(const struct session *s) {
    if (!s->multi) return 0;
    return sizeof *s->multi + (size_t)s->multi->cap * sizeof *s->multi->v + s->multi->bytes +
           s->multi->watched_bytes;
}

/* ---------------------------------------------------------------- commands */

static int cmd_multi(struct call *x) {
    if (multi_is_open(x->s)) return reply_err(x, "ERR MULTI calls can not be nested");
    multi_of(x->s)->state = MULTI_QUEUEING;
    reply_ok(&x->r);
    return 0;
}

static int cmd_discard(struct call *x) {
    if (!multi_is_open(x->s)) return reply_err(x, "ERR DISCARD without MULTI");
    multi_reset(x->s);
    reply_ok(&x->r);
    return 0;
}

static int cmd_unwatch(struct call *x) {
    unwatch_all(x->s);
    reply_ok(&x->r);
    return 0;
}

/* The rules may have changed since it was queued, even by what stands before it. */
static bool may_still_run(struct call *x, const struct queued *q) {
    enum acl_verdict v;

    if (__builtin_expect(x->s->user->total, 1)) return true;
    v = acl_judge(x, q->cmd, q->argc, q->argv, ACL_IN_MULTI, NULL);
    if (v == ACL_OK) return true;
    reply_errf(x,
               "NOPERM ACLs rules changed between the moment the transaction was accumulated and "
               "the EXEC call. This command is no longer allowed for the following reason: %s",
               v == ACL_NO_COMMAND ? "no permission to execute the command or subcommand"
               : v == ACL_NO_DB    ? "no permission to access the database"
               : v == ACL_NO_KEY   ? "no permission to touch the specified keys"
                                   : "no permission to access one of the channels used as "
                                     "arguments to the command");
    return false;
}

/* Runs what was queued. The queue is the caller's by now: a command of it may end the session. */
static void run_queue(struct call *x, struct multi *m) {
    reply_array(&x->r, (size_t)m->n);
    effect_none(x);
    for (int i = 0; i < m->n; i++) {
        uint64_t from = x->s->out.end;

        if (may_still_run(x, &m->v[i])) call_inner(x, m->v[i].cmd, m->v[i].argc, m->v[i].argv);
        session_look_at_output(x->s);
        if (x->s->flags & SESSION_GONE) out_truncate(&x->s->out, from);
    }
}

/* What was queued before the data set began to be loaded, or the link to the master was lost. */
static const char *refusal_of_one(const struct engine *e, const struct multi *m) {
    const char *why = NULL;

    if (!e->loading && !e->role.is_replica) return NULL;
    for (int i = 0; i < m->n && !why; i++) why = data_refusal(e, m->v[i].cmd->row->flags);
    return why;
}

static int cmd_exec(struct call *x) {
    char why[CALL_REFUSAL_MAX];
    struct multi *m = x->s->multi;
    int rc = 0;

    if (!multi_is_open(x->s)) return reply_err(x, "ERR EXEC without MULTI");
    expire_watched(x);
    if (m->state == MULTI_FAILED) {
        rc = reply_err(x, "EXECABORT Transaction discarded because of previous errors.");
    } else if (m->broken) {
        reply_null_array(&x->r);
    } else if (refusal_of_one(x->e, m)) {
        return multi_abort(x, refusal_of_one(x->e, m));
    } else if (call_refusal(x->e, m->flags, why)) {
        return multi_abort(x, why);
    } else {
        unwatch_all(x->s);
        x->s->multi = NULL;
        run_queue(x, m);
        free_queue(m);
        mem_free(m);
        return 0;
    }
    multi_reset(x->s);
    return rc;
}

bool multi_is_exec(const struct command_slot *cmd) {
    return cmd->row->fn == cmd_exec;
}

int multi_abort(struct call *x, const char *error) {
    const char *text = strncmp(error, "ERR ", 4) == 0 ? error + 4 : error;

    multi_reset(x->s);
    return reply_errf(x, "EXECABORT Transaction discarded because of: %s", text);
}

/* ---------------------------------------------------------------- rows */

#define T (CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_IN_MULTI)
#define F (CMD_FAST | CMD_ALLOW_BUSY)

/* clang-format off */
const struct command multi_commands[] = {
    {"multi", 1, T | F, "transactions", {0, 0, 0}, cmd_multi, "1.2.0", "Begins a transaction."},
    {"exec", 1, T | CMD_SKIP_SLOWLOG, "transactions", {0, 0, 0}, cmd_exec, "1.2.0",
     "Executes the commands of a transaction."},
    {"discard", 1, T | F, "transactions", {0, 0, 0}, cmd_discard, "2.0.0",
     "Drops a transaction."},
    {"unwatch", 1, (T | F) & ~CMD_IN_MULTI, "transactions", {0, 0, 0}, cmd_unwatch, "2.2.0",
     "Forgets the keys that are watched."},
    {0},
};
/* clang-format on */
