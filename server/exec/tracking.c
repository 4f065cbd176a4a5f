/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/tracking.h"

#include "conf/conf.h"
#include "server/exec/call.h"
#include "server/exec/push.h"
#include "storage/base/mem.h"

#include <stdlib.h>

struct tracked_key {
    uint64_t hash;
    struct tracker **readers; /* sorted by address */
    uint32_t nreaders, cap;
    size_t n;
    char name[];
};

struct tracked_prefix {
    struct list members;  /* struct tracked_member */
    struct list turn;     /* in tracking.changed */
    struct table changed; /* struct changed_key, of this turn */
    struct scored *text;  /* in tracking.prefixes */
};

/* The item of the tree, and what it is of. */
struct prefix_text {
    struct tracked_prefix *of;
    struct scored text; /* last: its bytes follow */
};

struct tracked_member {
    struct list of_prefix;
    struct tracked_prefix *prefix;
    struct tracker *t;
};

struct changed_key {
    uint64_t by; /* the session that changed it, 0: none */
    size_t n;
    char name[];
};

static struct slice key_of(const void *entry) {
    const struct tracked_key *k = entry;

    return slice_of(k->name, k->n);
}

static struct slice changed_name(const void *entry) {
    const struct changed_key *k = entry;

    return slice_of(k->name, k->n);
}

static bool is_key(const void *entry, struct slice name) {
    return slice_eq(key_of(entry), name);
}

static bool is_changed(const void *entry, struct slice name) {
    return slice_eq(changed_name(entry), name);
}

static const struct table_ops key_ops = {key_of, is_key};
static const struct table_ops changed_ops = {changed_name, is_changed};

static struct slice prefix_text(const struct tracked_prefix *p) {
    return scored_member(p->text);
}

static void free_changed(void *entry, void *arg) {
    (void)arg;
    mem_free(entry);
}

/* ---------------------------------------------------------------- messages */

static const char channel[] = "__redis__:invalidate";

/* True if the array of keys (or null) is to follow in *r. */
static bool begin_message(struct engine *e, struct tracker *t, struct reply *r) {
    struct session *to = t->redirect_id ? t->redirect : t->s;

    if (!to) {
        t->options |= TRACKING_BROKEN;
        if (t->s->resp == 2) return false;
        *r = push_begin(e, t->s);
        reply_push(r, 2);
        reply_bulk_str(r, "tracking-redir-broken");
        reply_int(r, (int64_t)t->redirect_id);
        return false;
    }
    if (to == e->pushes->running && !t->redirect_id) {
        *r = push_begin_copies(e);
        reply_push(r, 2);
        reply_bulk_str(r, "invalidate");
        return true;
    }
    if (to->resp == 2 && !(t->redirect_id && to->subscriber)) return false;
    *r = push_begin(e, to);
    if (to->resp == 2) {
        reply_array(r, 3);
        reply_bulk_str(r, "message");
        reply_bulk(r, channel, sizeof channel - 1);
    } else {
        reply_push(r, 2);
        reply_bulk_str(r, "invalidate");
    }
    return true;
}

/* Whether the session is not to hear of what it did itself. */
static bool is_own(const struct tracker *t, uint64_t by) {
    return t->options & TRACKING_NOLOOP && t->s->id == by;
}

static uint64_t running_id(const struct engine *e) {
    return e->pushes->running ? e->pushes->running->id : 0;
}

/* ---------------------------------------------------------------- remembered keys */

static void tracker_unref(struct tracker *t) {
    if (--t->refs == 0) mem_free(t);
}

/* Where the reader is, or has to go. */
static uint32_t reader_at(const struct tracked_key *k, const struct tracker *t) {
    uint32_t low = 0, high = k->nreaders;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if ((uintptr_t)k->readers[middle] < (uintptr_t)t)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void add_reader(struct tracking *all, struct tracked_key *k, struct tracker *t) {
    uint32_t at = reader_at(k, t);

    if (at < k->nreaders && k->readers[at] == t) return;
    if (k->nreaders == k->cap) {
        k->cap = k->cap ? k->cap * 2 : 1;
        k->readers = mem_realloc(k->readers, k->cap * sizeof *k->readers);
    }
    memmove(k->readers + at + 1, k->readers + at, (k->nreaders - at) * sizeof *k->readers);
    k->readers[at] = t;
    k->nreaders++;
    t->refs++;
    all->nitems++;
}

static void free_key(struct tracking *all, struct tracked_key *k) {
    for (uint32_t i = 0; i < k->nreaders; i++) tracker_unref(k->readers[i]);
    all->nitems -= k->nreaders;
    mem_free(k->readers);
    mem_free(k);
}

/* Tells the readers of a key and forgets it. */
static void invalidate(struct engine *e, struct tracked_key *k, uint64_t by) {
    for (uint32_t i = 0; i < k->nreaders; i++) {
        struct tracker *t = k->readers[i];
        struct reply r;

        if (!t->s || t->options & TRACKING_BCAST || is_own(t, by)) continue;
        if (!begin_message(e, t, &r)) continue;
        reply_array(&r, 1);
        reply_bulk(&r, k->name, k->n);
    }
    table_remove(&e->tracking->keys, k, k->hash);
    free_key(e->tracking, k);
}

static struct tracked_key *key_get(struct engine *e, struct slice name, uint64_t hash) {
    struct tracked_key *k = table_find(&e->tracking->keys, name, hash);
    uint64_t max = (uint64_t)e->v->tracking_table_max_keys;

    if (k) return k;
    while (max && e->tracking->keys.count >= max)
        invalidate(e, table_random(&e->tracking->keys), 0);
    k = mem_alloc(sizeof *k + name.n);
    *k = (struct tracked_key){.hash = hash, .n = name.n};
    memcpy(k->name, name.p, name.n);
    table_insert(&e->tracking->keys, k, hash);
    return k;
}

void tracking_read(struct call *x, struct slice key, uint64_t hash) {
    struct tracker *t = x->s->tracker;
    bool said = t->options & TRACKING_CACHING;

    if (!(x->cmd->row->flags & CMD_READONLY) || x->cmd->row->flags & CMD_WHOLE_KEYSPACE) return;
    if (t->options & TRACKING_BCAST) return;
    if (t->options & TRACKING_OPTIN ? !said : t->options & TRACKING_OPTOUT && said) return;
    add_reader(x->e->tracking, key_get(x->e, key, hash), t);
}

void tracking_after(struct call *x) {
    const struct command_slot *parent = x->cmd ? x->cmd->parent : NULL;

    if (parent && strcmp(parent->row->name, "client") == 0) return;
    x->s->tracker->options &= ~(unsigned)TRACKING_CACHING;
}

/* ---------------------------------------------------------------- prefixes */

static struct tracked_prefix *prefix_of_item(struct scored *item) {
    return ((struct prefix_text *)((char *)item - offsetof(struct prefix_text, text)))->of;
}

/* The last prefix that does not sort after this text; NULL: there is none. */
static struct tracked_prefix *prefix_up_to(const struct tracking *all, struct slice text) {
    struct score_bound b = {.kind = BOUND_MEMBER, .behind = true, .member = text};
    size_t rank = scoretree_rank(&all->prefixes, &b);

    if (rank == 0) return NULL;
    return prefix_of_item(scoretree_item(scoretree_at(&all->prefixes, rank - 1)));
}

static struct scored *text_new(struct tracked_prefix *of, struct slice text) {
    struct prefix_text *t = mem_alloc(sizeof *t + varint_size(text.n) + text.n);
    char *to = varint_put(t->text.data, text.n);

    t->of = of;
    t->text.score = 0;
    if (text.n) memcpy(to, text.p, text.n);
    return &t->text;
}

static struct tracked_prefix *prefix_get(struct tracking *all, struct slice text) {
    struct tracked_prefix *p = prefix_up_to(all, text);

    if (p && slice_eq(prefix_text(p), text)) return p;
    p = mem_alloc(sizeof *p);
    list_init(&p->members);
    list_init(&p->turn);
    table_init(&p->changed, &changed_ops);
    p->text = text_new(p, text);
    scoretree_insert(&all->prefixes, p->text);
    return p;
}

static void prefix_free(struct tracking *all, struct tracked_prefix *p) {
    scoretree_remove(&all->prefixes, p->text);
    list_remove(&p->turn);
    table_release(&p->changed, free_changed, NULL);
    mem_free((char *)p->text - offsetof(struct prefix_text, text));
    mem_free(p);
}

/* Where the tracker has the prefix, or would have it. */
static size_t prefix_place(const struct tracker *t, struct slice text) {
    size_t low = 0, high = t->nprefixes;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (slice_cmp(prefix_text(t->prefixes[middle]->prefix), text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void add_prefix(struct session *s, struct slice text) {
    struct tracker *t = s->tracker;
    size_t at = prefix_place(t, text);
    struct tracked_member *m;

    if (at < t->nprefixes && slice_eq(prefix_text(t->prefixes[at]->prefix), text)) return;
    if (t->nprefixes == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 4;
        t->prefixes = mem_realloc(t->prefixes, t->cap * sizeof *t->prefixes);
    }
    m = mem_alloc(sizeof *m);
    *m = (struct tracked_member){.prefix = prefix_get(s->e->tracking, text), .t = t};
    list_append(&m->prefix->members, &m->of_prefix);
    memmove(t->prefixes + at + 1, t->prefixes + at, (t->nprefixes - at) * sizeof *t->prefixes);
    t->prefixes[at] = m;
    t->nprefixes++;
}

static void drop_prefixes(struct tracking *all, struct tracker *t) {
    for (size_t i = 0; i < t->nprefixes; i++) {
        struct tracked_member *m = t->prefixes[i];

        list_remove(&m->of_prefix);
        if (list_empty(&m->prefix->members)) prefix_free(all, m->prefix);
        mem_free(m);
    }
    mem_free(t->prefixes);
    t->prefixes = NULL;
    t->nprefixes = t->cap = 0;
}

size_t tracking_prefixes(const struct session *s) {
    return s->tracker ? s->tracker->nprefixes : 0;
}

struct slice tracking_prefix(const struct session *s, size_t i) {
    return prefix_text(s->tracker->prefixes[i]->prefix);
}

static void note_changed(struct tracking *all, struct tracked_prefix *p, struct slice key,
                         uint64_t hash, uint64_t by) {
    struct changed_key *k;

    if (table_find(&p->changed, key, hash)) return;
    if (list_empty(&p->turn)) list_append(&all->changed, &p->turn);
    k = mem_alloc(sizeof *k + key.n);
    k->by = by;
    k->n = key.n;
    memcpy(k->name, key.p, key.n);
    table_insert(&p->changed, k, hash);
}

static size_t common_bytes(struct slice a, struct slice b) {
    size_t n = a.n < b.n ? a.n : b.n, i = 0;

    while (i < n && a.p[i] == b.p[i]) i++;
    return i;
}

/* For every prefix of the key, the longest first. What sorts between a prefix and the key begins
 * with that prefix too, so what is found and does not fit says how much of the key may still fit.
 */
static void note_prefixes(struct engine *e, struct slice key, uint64_t hash) {
    struct slice left = key;
    struct tracked_prefix *p;

    while ((p = prefix_up_to(e->tracking, left))) {
        struct slice text = prefix_text(p);

        left.n = common_bytes(text, left);
        if (left.n < text.n) continue;
        note_changed(e->tracking, p, key, hash, running_id(e));
        if (left.n-- == 0) return;
    }
}

/* ---------------------------------------------------------------- broadcasting */

struct batch {
    const struct changed_key **v;
    size_t n;
};

static void collect(void *entry, void *arg) {
    struct batch *b = arg;

    b->v[b->n++] = entry;
}

static int by_name(const void *a, const void *b) {
    return slice_cmp(changed_name(*(const struct changed_key *const *)a),
                     changed_name(*(const struct changed_key *const *)b));
}

static void tell_member(struct engine *e, struct tracker *t, const struct batch *b) {
    size_t n = 0;
    struct reply r;

    for (size_t i = 0; i < b->n; i++) n += !is_own(t, b->v[i]->by);
    if (n == 0 || !begin_message(e, t, &r)) return;
    reply_array(&r, n);
    for (size_t i = 0; i < b->n; i++)
        if (!is_own(t, b->v[i]->by)) reply_bulk(&r, b->v[i]->name, b->v[i]->n);
}

static void broadcast(struct engine *e, struct tracked_prefix *p) {
    struct batch b = {mem_alloc(p->changed.count * sizeof *b.v), 0};

    table_each(&p->changed, collect, &b);
    qsort(b.v, b.n, sizeof *b.v, by_name);
    list_each (it, &p->members)
        tell_member(e, list_entry(it, struct tracked_member, of_prefix)->t, &b);
    mem_free(b.v);
    table_release(&p->changed, free_changed, NULL);
}

static int by_text(const void *a, const void *b) {
    return slice_cmp(prefix_text(*(struct tracked_prefix *const *)a),
                     prefix_text(*(struct tracked_prefix *const *)b));
}

/* In the order of the prefixes. What is told concerns nothing that is appended later. */
void tracking_broadcast(struct engine *e) {
    struct list *changed = &e->tracking->changed;
    struct tracked_prefix **v;
    size_t n = 0;

    if (__builtin_expect(list_empty(changed), 1)) return;
    list_each (it, changed) n++;
    v = mem_alloc(n * sizeof *v);
    for (n = 0; !list_empty(changed); n++) {
        v[n] = list_entry(changed->next, struct tracked_prefix, turn);
        list_remove(&v[n]->turn);
    }
    qsort(v, n, sizeof *v, by_text);
    for (size_t i = 0; i < n; i++) broadcast(e, v[i]);
    mem_free(v);
    push_settle(e, gate_end(&e->gate));
}

/* ---------------------------------------------------------------- changes */

void tracking_changed(struct engine *e, struct slice key, uint64_t hash) {
    struct tracked_key *k;

    if (__builtin_expect(e->tracking->ntrackers == 0 && e->tracking->keys.count == 0, 1)) return;
    if (e->tracking->prefixes.count) note_prefixes(e, key, hash);
    k = table_find(&e->tracking->keys, key, hash);
    if (k) invalidate(e, k, running_id(e));
}

static void forget_key(void *key, void *all) {
    free_key(all, key);
}

void tracking_all_changed(struct engine *e) {
    list_each (it, &e->tracking->trackers) {
        struct reply r;

        if (begin_message(e, list_entry(it, struct tracker, link), &r)) reply_null(&r);
    }
    table_release(&e->tracking->keys, forget_key, e->tracking);
}

/* ---------------------------------------------------------------- sessions */

void tracking_init(struct engine *e) {
    list_init(&e->tracking->trackers);
    list_init(&e->tracking->changed);
    table_init(&e->tracking->keys, &key_ops);
}

void tracking_release(struct engine *e) {
    table_release(&e->tracking->keys, forget_key, e->tracking);
    scoretree_release(&e->tracking->prefixes);
}

static struct tracker *tracker_new(struct session *s) {
    struct tracker *t = mem_calloc(sizeof *t);

    t->s = s;
    t->refs = 1;
    list_append(&s->e->tracking->trackers, &t->link);
    s->e->tracking->ntrackers++;
    return t;
}

void tracking_begin(struct session *s, unsigned options, struct session *redirect,
                    const struct slice *prefixes, size_t n) {
    if (!s->tracker) s->tracker = tracker_new(s);
    s->tracker->options = options;
    s->tracker->redirect = redirect;
    s->tracker->redirect_id = redirect ? redirect->id : 0;
    if (!(options & TRACKING_BCAST)) return;
    if (n == 0) add_prefix(s, SLICE(""));
    for (size_t i = 0; i < n; i++) add_prefix(s, prefixes[i]);
}

void tracking_end(struct session *s) {
    struct tracker *t = s->tracker;

    if (!t) return;
    drop_prefixes(s->e->tracking, t);
    list_remove(&t->link);
    s->e->tracking->ntrackers--;
    t->s = NULL;
    s->tracker = NULL;
    tracker_unref(t);
}

void tracking_forget(struct session *s) {
    tracking_end(s);
    list_each (it, &s->e->tracking->trackers) {
        struct tracker *t = list_entry(it, struct tracker, link);

        if (t->redirect == s) t->redirect = NULL;
    }
}
