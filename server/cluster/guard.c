/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/cluster/guard.h"

#include "conf/conf.h"
#include "server/cluster/tell.h"
#include "server/exec/keys.h"
#include "server/exec/multi.h"

#define DOWN        "CLUSTERDOWN The cluster is down"
#define DOWN_WRITES "CLUSTERDOWN The cluster is down and only accepts read commands"
#define UNSERVED    "CLUSTERDOWN Hash slot not served"
#define CROSSSLOT   "CROSSSLOT Keys in request don't hash to the same slot"
#define TRYAGAIN    "TRYAGAIN Multiple keys request during rehashing of slot"
#define READ_ONLY   "READONLY You can't write against a read only replica."

/* One command, or all that a transaction has queued, on its way through the guard. */
struct route {
    struct cluster *c;
    const struct session *s;
    unsigned me;
    int slot;               /* of the keys so far; -1: no key yet */
    struct slice first;     /* its first key */
    bool crosses, several;  /* slots, keys */
    bool in_channels, keys; /* the command at hand names channels; some named keys */
    bool writes, asking;
    unsigned here,
        elsewhere; /* keys of a slot that moves: those that this node has, and the others */
};

enum verdict {
    V_SERVE,
    V_CROSSSLOT,
    V_UNSERVED,
    V_DOWN,
    V_DOWN_WRITES,
    V_TRYAGAIN,
    V_ASK,
    V_MOVED,
};

/* ---------------------------------------------------------------- the keys */

/* Whether this node takes part in a move of the slot: then it matters which keys are here. */
static bool slot_moves_here(const struct route *r) {
    const struct cluster *c = r->c;

    if (c->slots.owner[r->slot] == r->me) return c->slots.to[r->slot] != NO_NODE;
    return slot_is_importing(c, (unsigned)r->slot, r->me);
}

static bool is_here(const struct route *r, struct slice key) {
    struct db *db = &r->c->e->ks.dbs[0];
    const struct entry *e = db_find(db, key, hash_bytes(key.p, key.n));

    if (!e || (e->flags & ENTRY_EXPIRES && entry_expire(e) <= clock_cached_ms())) return false;
    return r->c->slots.owner[r->slot] == r->me ? !key_has_moved(r->c, key)
                                               : key_has_moved(r->c, key);
}

static bool see_key(void *arg, struct slice key) {
    struct route *r = arg;
    int slot = (int)slot_of(key);

    if (r->slot >= 0 && slot != r->slot) {
        r->crosses = true;
        return false;
    }
    if (r->slot < 0) r->first = key;
    r->several |= !slice_eq(key, r->first);
    r->slot = slot;
    r->keys |= !r->in_channels;
    if (r->in_channels || r->c->slots.nmoving == 0 || !slot_moves_here(r)) return true;
    if (is_here(r, key))
        r->here++;
    else
        r->elsewhere++;
    return true;
}

static void see_command(struct route *r, const struct command *row, int argc,
                        const struct slice *argv) {
    if (r->crosses) return;
    r->in_channels = slots_are_channels(row);
    r->writes |= (row->flags & CMD_WRITE) != 0;
    slots_each_key(row, argc, argv, see_key, r);
}

static void see_queue(struct route *r, const struct multi *m) {
    for (int i = 0; m && i < m->n; i++)
        see_command(r, m->v[i].cmd->row, m->v[i].argc, m->v[i].argv);
}

/* ---------------------------------------------------------------- the verdict */

static bool state_refuses(const struct route *r, enum verdict *v) {
    const struct conf_values *conf = r->c->e->v;

    if (state_health(r->c).up) return false;
    if (!r->keys && conf->cluster_allow_pubsubshard_when_down) return false;
    if (!r->keys || !conf->cluster_allow_reads_when_down) {
        *v = V_DOWN;
        return true;
    }
    *v = V_DOWN_WRITES;
    return r->writes;
}

/* A slot that moves away: what is not here any more is at the other node, unless a command needs
 * both. MIGRATE is what moves it. */
static enum verdict judge_migrating(const struct route *r, bool is_migrate) {
    if (is_migrate || r->elsewhere == 0) return V_SERVE;
    return r->here > 0 ? V_TRYAGAIN : V_ASK;
}

static bool replica_may_serve(const struct route *r, unsigned owner) {
    if (node_is_master(r->c, r->me) || r->c->nodes[r->me].master != owner) return false;
    return !r->keys || (r->s->flags & SESSION_READONLY && !r->writes);
}

static enum verdict judge(const struct route *r, bool is_migrate) {
    const struct slots *slots = &r->c->slots;
    enum verdict v;
    unsigned owner;

    if (r->slot < 0) return V_SERVE;
    owner = slots->owner[r->slot];
    if (owner == NO_NODE) return V_UNSERVED;
    if (r->crosses) return V_CROSSSLOT;
    if (state_refuses(r, &v)) return v;
    if (owner == r->me)
        return slots->to[r->slot] == NO_NODE ? V_SERVE : judge_migrating(r, is_migrate);
    if (slot_is_importing(r->c, (unsigned)r->slot, r->me)) {
        if (is_migrate) return V_SERVE;
        if (r->asking) return r->several && r->elsewhere ? V_TRYAGAIN : V_SERVE;
    }
    return replica_may_serve(r, owner) ? V_SERVE : V_MOVED;
}

static const char *redirect(const struct route *r, const char *word, unsigned node) {
    char host[TELL_HOST_CHARS];

    tell_endpoint(r->c, r->s, host);
    snprintf(r->c->why, sizeof r->c->why, "%s %d %s:%d", word, r->slot, host,
             tell_port(r->c, node, r->s->flags & SESSION_TLS));
    return r->c->why;
}

static const char *words(const struct route *r, enum verdict v) {
    switch (v) {
    case V_SERVE: return NULL;
    case V_CROSSSLOT: return CROSSSLOT;
    case V_UNSERVED: return UNSERVED;
    case V_DOWN: return DOWN;
    case V_DOWN_WRITES: return DOWN_WRITES;
    case V_TRYAGAIN: return TRYAGAIN;
    case V_ASK: return redirect(r, "ASK", r->c->slots.to[r->slot]);
    case V_MOVED: return redirect(r, "MOVED", r->c->slots.owner[r->slot]);
    }
    return NULL;
}

/* ---------------------------------------------------------------- commands of clients */

/* ASKING holds for the next command, or for the whole of a transaction. */
static bool take_asking(struct call *x) {
    bool asked = x->s->flags & SESSION_ASKING;
    const char *name = x->cmd->row->name;

    if (!asked || strcmp(name, "asking") == 0 || strcmp(name, "multi") == 0) return asked;
    if (multi_queues(x)) return true;
    x->s->flags &= (uint32_t)~SESSION_ASKING;
    return true;
}

static bool note_moved(void *arg, struct slice key) {
    key_moves(arg, key);
    return true;
}

/* What an importing node writes is there from now on. */
static void note_written(const struct route *r, struct call *x) {
    const struct multi *m = multi_is_exec(x->cmd) ? x->s->multi : NULL;

    if (r->slot < 0 || !r->keys || !slot_is_importing(r->c, (unsigned)r->slot, r->me)) return;
    if (r->c->slots.owner[r->slot] == r->me || multi_queues(x)) return;
    if (!m && x->cmd->row->flags & (CMD_WRITE | CMD_RUNS_SCRIPT))
        slots_each_key(x->cmd->row, x->argc, x->argv, note_moved, r->c);
    for (int i = 0; m && i < m->n; i++)
        if (m->v[i].cmd->row->flags & (CMD_WRITE | CMD_RUNS_SCRIPT))
            slots_each_key(m->v[i].cmd->row, m->v[i].argc, m->v[i].argv, note_moved, r->c);
}

const char *guard_refusal(void *cluster, struct call *x) {
    struct cluster *c = cluster;
    struct route r = {.c = c, .s = x->s, .me = x->s->node, .slot = -1};
    enum verdict v;

    r.asking = take_asking(x) || x->cmd->row->flags & CMD_ASKING;
    c->asking = r.asking;
    if (multi_is_exec(x->cmd))
        see_queue(&r, x->s->multi);
    else
        see_command(&r, x->cmd->row, x->argc, x->argv);
    if (r.slot < 0)
        return x->cmd->row->flags & CMD_WRITE && !node_is_master(c, r.me) ? READ_ONLY : NULL;
    v = judge(&r, strcmp(x->cmd->row->name, "migrate") == 0);
    if (v == V_SERVE && c->slots.nmoving) note_written(&r, x);
    return words(&r, v);
}

const char *guard_waiting_refusal(struct cluster *c, const struct session *s,
                                  const struct command *row, int argc, const struct slice *argv) {
    struct route r = {.c = c, .s = s, .me = s->node, .slot = -1};

    see_command(&r, row, argc, argv);
    return words(&r, judge(&r, false));
}

/* ---------------------------------------------------------------- commands of scripts */

static const char *script_words(enum verdict v) {
    switch (v) {
    case V_SERVE: return NULL;
    case V_DOWN: return "Script attempted to execute a command while the cluster is down";
    case V_DOWN_WRITES:
        return "Script attempted to execute a write command while the cluster is down and readonly";
    default: return "Script attempted to access a non local key in a cluster node";
    }
}

const char *guard_script_refusal(void *cluster, const struct call *outer, const struct command *row,
                                 int argc, const struct slice *argv, int *slot, bool across) {
    struct cluster *c = cluster;
    struct route r = {.c = c, .s = outer->s, .me = outer->s->node, .slot = -1};
    const char *why;

    r.asking = c->asking;
    see_command(&r, row, argc, argv);
    if (r.writes && !node_is_master(c, r.me)) return "-" READ_ONLY;
    if (r.slot < 0) return NULL;
    why = script_words(judge(&r, false));
    if (why) return why;
    if (!across && *slot >= 0 && *slot != r.slot)
        return "Script attempted to access keys that do not hash to the same slot";
    *slot = r.slot;
    return NULL;
}
