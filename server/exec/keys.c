/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/keys.h"

#include "protocol/encode.h"
#include "server/exec/access.h"
#include "server/exec/expire.h"
#include "server/exec/tracking.h"

/* ---------------------------------------------------------------- notifying */

static bool is_over(const struct entry *entry, int64_t now_ms) {
    return entry->flags & ENTRY_EXPIRES && entry_expire(entry) <= now_ms;
}

void key_touched(struct engine *e, const struct db *db, struct slice key, uint64_t hash) {
    struct interest *k = interest_find(&e->interests, db->id, key, hash);

    tracking_changed(e, key, hash);
    if (k) interest_touched(&e->interests, k);
}

/* A database was emptied or exchanged: a WATCH breaks if another entry stands at its key now. For
 * clients an entry whose time is over is none. */
static void visit_touched(void *interest, void *engine) {
    struct interest *k = interest;
    struct engine *e = engine;
    const struct entry *found = db_find(&e->ks.dbs[k->db], interest_key(k), k->hash);

    if (found && is_over(found, clock_cached_ms())) found = NULL;
    k->touched++;
    interest_wakes(&e->interests, k);
    list_each (it, &k->watches) {
        struct watch *w = list_entry(it, struct watch, of_key);

        if (w->seen != found) *w->broken = true;
    }
}

void all_touched(struct engine *e) {
    interests_each(&e->interests, visit_touched, e);
}

void key_vanishes(struct engine *e, const struct ref *r, enum event_class cls, const char *event,
                  bool lazy) {
    struct interest *k = interest_find(&e->interests, r->db->id, r->key, r->hash);
    struct propagation *p = &e->propagation;

    if (propagate_wanted(p)) {
        struct slice argv[] = {lazy ? SLICE("UNLINK") : SLICE("DEL"), r->key};
        bool withhold = p->withhold; /* that is about what a script does itself */

        p->withhold = false;
        encode_command(propagate_begin(p, r->db->id), 2, argv);
        p->withhold = withhold;
    }
    notify_event(e, cls, event, r->key, r->db->id);
    tracking_changed(e, r->key, r->hash);
    if (k) interest_vanished(&e->interests, k);
}

/* ---------------------------------------------------------------- looking up */

/* While clients are paused, on a replica and in import-mode nothing is removed because of its time.
 * A command that writes (in the transaction that began the pause; on a writable replica) needs its
 * place all the same. */
static bool may_remove(const struct call *x) {
    return expire_removes(x->e) || x->cmd->row->flags & CMD_WRITE;
}

static struct ref find(struct call *x, struct db *db, struct slice key, uint64_t hash) {
    struct ref r = {key, hash, db_find(db, key, hash), db};
    uint64_t need = gate_need(&x->e->gate, hash);

    if (need > x->need) x->need = need;
    if (r.e && is_over(r.e, x->now_ms) && !call_sees_due(x)) {
        if (may_remove(x))
            expire_now(x->e, &r);
        else
            r.e = NULL;
    }
    if (__builtin_expect(x->s->tracker != NULL, 0)) tracking_read(x, r.key, hash);
    return r;
}

static inline void note_access(struct call *x, struct entry *e) {
    if (!(x->s->flags & SESSION_NO_TOUCH)) access_note(x->e, e);
}

static inline uint64_t hash_of_arg(struct call *x, int i) {
    if (x->has_first_hash && i == x->cmd->row->keys.first) return x->first_hash;
    return hash_bytes(x->argv[i].p, x->argv[i].n);
}

struct ref lookup_read(struct call *x, int i) {
    struct ref r = find(x, x->db, x->argv[i], hash_of_arg(x, i));

    if (r.e) {
        x->e->stats.hits++;
        note_access(x, r.e);
    } else {
        x->e->stats.misses++;
        notify_event(x->e, EVENT_MISS, "keymiss", r.key, r.db->id);
    }
    return r;
}

struct ref lookup_write(struct call *x, int i) {
    struct ref r = find(x, x->db, x->argv[i], hash_of_arg(x, i));

    if (r.e) note_access(x, r.e);
    return r;
}

struct ref lookup(struct call *x, struct db *db, struct slice key, bool count) {
    struct ref r = find(x, db, key, hash_bytes(key.p, key.n));

    if (r.e) note_access(x, r.e);
    if (count) r.e ? x->e->stats.hits++ : x->e->stats.misses++;
    return r;
}

struct ref lookup_quiet(struct call *x, int i) {
    return find(x, x->db, x->argv[i], hash_of_arg(x, i));
}

bool check_type(struct call *x, const struct ref *r, enum type_id type) {
    if (!r->e || r->e->type == type) return true;
    reply_err(x, ERR_WRONG_TYPE);
    return false;
}

/* ---------------------------------------------------------------- reporting */

void key_changed(struct call *x, const struct ref *r, enum event_class cls, const char *event) {
    struct engine *e = x->e;

    e->dirty++;
    gate_changed(&e->gate, r->hash);
    if (__builtin_expect(access_is_lrm(e->v), 0)) access_note_change(e, r->db, r->key, r->hash);
    key_touched(e, r->db, r->key, r->hash);
    notify_event(e, cls, event, r->key, r->db->id);
}

void key_changed_quietly(struct call *x, const struct ref *r) {
    struct interest *k = interest_find(&x->e->interests, r->db->id, r->key, r->hash);

    if (k) k->touched++;
    if (access_is_lrm(x->e->v)) access_note_change(x->e, r->db, r->key, r->hash);
    x->e->dirty++;
    gate_changed(&x->e->gate, r->hash);
}

void key_changed_inside(struct call *x, const struct ref *r, enum event_class cls,
                        const char *event) {
    struct interest *k = interest_find(&x->e->interests, r->db->id, r->key, r->hash);

    key_changed_quietly(x, r);
    if (k) interest_wakes(&x->e->interests, k);
    key_event(x, r, cls, event);
}

void key_event(struct call *x, const struct ref *r, enum event_class cls, const char *event) {
    struct engine *e = x->e;

    notify_event(e, cls, event, r->key, r->db->id);
}

void key_tell_overwritten(struct call *x, const struct ref *r, enum type_id type) {
    bool other_type = r->e->type != type;

    key_event(x, r, EVENT_OVERWRITTEN, "overwritten");
    if (other_type) key_event(x, r, EVENT_TYPE_CHANGED, "type_changed");
}

void key_added(struct call *x, const struct ref *r) {
    access_begin(x->e, r->e);
    key_event(x, r, EVENT_NEW, "new");
}

void key_delete(struct call *x, struct ref *r, bool lazy) {
    (void)x;
    db_delete(r->db, r->e, r->hash, lazy);
    r->e = NULL;
}
