/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/commands/stream_remove.h"

#include "server/commands/commands.h"
#include "storage/base/mem.h"

/* ids of a stream, or of what is pending in one of its groups */
struct ids {
    struct stream_id *v;
    size_t n, cap;
};

struct removal {
    struct call *x;
    const struct ref *r;
    struct stream *s;
    enum stream_policy policy;
    struct stream_group **groups;
    size_t ngroups;
    struct ordered_id *v; /* what is asked for, with what became of it */
    int n;
    struct ids gone, *dropped; /* from the stream; from each group */
};

/* What becomes of an id. The commands answer with these, but for the first. */
enum { NOT_ASKED = 0, REMOVED = 1, MISSING = -1, NEEDED = 2 };

/* ---------------------------------------------------------------- lists of ids */

static void add_id(struct ids *l, struct stream_id id) {
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        l->v = mem_realloc(l->v, l->cap * sizeof *l->v);
    }
    l->v[l->n++] = id;
}

/* The command with its first words, and the ids. */
static void log_ids(struct call *x, const struct slice *words, int nwords, const struct ids *l) {
    char(*text)[STREAM_ID_TEXT];
    struct slice *argv;

    if (l->n == 0) return;
    text = mem_alloc(l->n * sizeof *text);
    argv = mem_alloc((l->n + (size_t)nwords) * sizeof *argv);
    memcpy(argv, words, (size_t)nwords * sizeof *argv);
    for (size_t i = 0; i < l->n; i++) argv[(size_t)nwords + i] = id_text(text[i], l->v[i]);
    effect(x, nwords + (int)l->n, argv);
    mem_free(argv);
    mem_free(text);
}

/* ---------------------------------------------------------------- removing */

bool arg_stream_policy(const struct call *x, int i, enum stream_policy *p) {
    static const char *const names[] = {"keepref", "delref", "acked"};

    for (int k = 0; k < 3; k++) {
        if (!arg_is(x, i, names[k])) continue;
        *p = (enum stream_policy)k;
        return true;
    }
    return false;
}

static void begin(struct removal *m, struct call *x, const struct ref *r, struct stream *s,
                  enum stream_policy p) {
    *m = (struct removal){.x = x, .r = r, .s = s, .policy = p};
    if (p == STREAM_KEEPREF || s->groups.count == 0) return;
    m->groups = stream_groups_by_name(s);
    m->ngroups = s->groups.count;
    m->dropped = mem_calloc(m->ngroups * sizeof *m->dropped);
}

static void ask_for(struct removal *m, const struct stream_id *ids, int n) {
    m->v = ids_in_order(ids, n);
    m->n = n;
    for (int i = 0; i < n; i++) m->v[i].what = REMOVED;
}

/* The first of those asked for that is not below. */
static int first_from(const struct removal *m, struct stream_id id) {
    int low = 0, high = m->n;

    while (low < high) {
        int mid = low + (high - low) / 2;

        if (stream_id_cmp(m->v[mid].id, id) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Which of those asked for are pending in a group goes to `hits`, which has room for all; returns
 * how many. The shorter of the two is looked up in the other. */
static int find_pending(const struct removal *m, const struct stream_group *g, int *hits) {
    int n = 0;

    if (g->pending.count > (size_t)m->n) {
        for (int i = 0; i < m->n; i++)
            if (stream_pending_find(g, m->v[i].id)) hits[n++] = i;
        return n;
    }
    for (struct idtree_place p = idtree_first(&g->pending); p.leaf; p = idtree_next(p)) {
        struct stream_id id = stream_id_of(idtree_at(p)->key);

        for (int i = first_from(m, id); i < m->n && stream_id_cmp(m->v[i].id, id) == 0; i++)
            hits[n++] = i;
    }
    return n;
}

static void need(struct removal *m, int i) {
    if (m->v[i].what == REMOVED) m->v[i].what = NEEDED;
}

/* What a group has not read yet, or has not acknowledged. */
static void find_needed(struct removal *m, int *hits) {
    struct stream_id read = STREAM_ID_MAX;

    for (size_t k = 0; k < m->ngroups; k++) {
        const struct stream_group *g = m->groups[k];

        for (int n = find_pending(m, g, hits); n > 0; n--) need(m, hits[n - 1]);
        if (stream_id_cmp(g->last_id, read) < 0) read = g->last_id;
    }
    for (int i = m->n; i > 0 && stream_id_cmp(m->v[i - 1].id, read) > 0; i--) need(m, i - 1);
}

static void drop_refs(struct removal *m, int *hits) {
    for (size_t k = 0; k < m->ngroups; k++) {
        int n = find_pending(m, m->groups[k], hits);

        for (int i = 0; i < n; i++) {
            const struct ordered_id *v = &m->v[hits[i]];

            if (v->what == REMOVED && stream_pending_drop(m->groups[k], v->id))
                add_id(&m->dropped[k], v->id);
        }
    }
}

static void delete_removed(struct removal *m) {
    struct stream_cursor c = {0};

    for (int i = 0; i < m->n; i++) {
        struct ordered_id *v = &m->v[i];

        if (v->what == NOT_ASKED) continue;
        if (!stream_cursor_find(&c, m->s, v->id)) {
            v->what = MISSING;
        } else if (v->what == REMOVED) {
            stream_cursor_delete(&c, m->s);
            add_id(&m->gone, v->id);
        }
    }
    stream_cursor_end(&c, m->s);
}

/* Those that are asked for, as the policy has it. */
static void remove_all(struct removal *m) {
    int *hits = m->ngroups ? mem_alloc((size_t)m->n * sizeof *hits) : NULL;

    if (m->policy == STREAM_ACKED) find_needed(m, hits);
    delete_removed(m);
    if (m->policy == STREAM_DELREF) drop_refs(m, hits);
    mem_free(hits);
}

static void log_dropped(const struct removal *m) {
    for (size_t i = 0; i < m->ngroups; i++) {
        struct slice words[] = {SLICE("XACK"), m->r->key, stream_group_name(m->groups[i])};

        log_ids(m->x, words, 3, &m->dropped[i]);
    }
}

static void end(struct removal *m) {
    for (size_t i = 0; i < m->ngroups; i++) mem_free(m->dropped[i].v);
    mem_free(m->dropped);
    mem_free(m->groups);
    mem_free(m->gone.v);
    mem_free(m->v);
}

static void log_removed(struct removal *m) {
    struct slice words[] = {SLICE("XDEL"), m->r->key};

    log_ids(m->x, words, 2, &m->gone);
    log_dropped(m);
}

/* ---------------------------------------------------------------- trimming */

/* The entries that would go. */
static void find_old(const struct stream *s, const struct stream_trim *t, struct ids *old) {
    struct stream_iter it;
    uint64_t most = UINT64_MAX;

    if (t->by == STREAM_TRIM_MAXLEN) most = s->length > t->maxlen ? s->length - t->maxlen : 0;
    if (t->limit && t->limit < most) most = t->limit;
    stream_iter_init(&it, s, STREAM_ID_MIN, STREAM_ID_MAX, false);
    while (old->n < most && stream_iter_next(&it)) {
        if (t->by == STREAM_TRIM_MINID && stream_id_cmp(it.e.id, t->minid) >= 0) return;
        add_id(old, it.e.id);
    }
}

static void log_length(const struct removal *m) {
    char text[NUM_I64_MAX];

    EFFECT(m->x, SLICE("XTRIM"), m->r->key, SLICE("MAXLEN"), SLICE("="),
           int_text(text, (int64_t)m->s->length));
}

static void trim_exactly(struct removal *m) {
    struct stream_trim t = {.by = STREAM_TRIM_MAXLEN, .maxlen = m->s->length - (uint64_t)m->n};
    int *hits = m->ngroups ? mem_alloc((size_t)m->n * sizeof *hits) : NULL;

    drop_refs(m, hits);
    mem_free(hits);
    stream_trim(m->s, &t);
    log_length(m);
    log_dropped(m);
}

static uint64_t trim_needless(struct removal *m) {
    remove_all(m);
    log_removed(m);
    return m->gone.n;
}

uint64_t stream_trim_by_policy(struct call *x, const struct ref *r, struct stream *s,
                               const struct stream_trim *t, enum stream_policy p) {
    struct ids old = {0};
    struct removal m;
    uint64_t gone;

    begin(&m, x, r, s, p);
    if (p == STREAM_KEEPREF) {
        gone = stream_trim(s, t);
        if (gone) log_length(&m);
    } else {
        if (t->by != STREAM_TRIM_NONE) find_old(s, t, &old);
        gone = old.n;
        if (old.n) ask_for(&m, old.v, (int)old.n);
        if (old.n && p == STREAM_ACKED)
            gone = trim_needless(&m);
        else if (old.n)
            trim_exactly(&m);
    }
    mem_free(old.v);
    end(&m);
    return gone;
}

/* ---------------------------------------------------------------- XDELEX, XACKDEL */

struct remove_options {
    enum stream_policy policy;
    struct stream_id *ids;
    int n;
};

/* [KEEPREF|DELREF|ACKED] IDS n id...; `ids` is the caller's to free. */
static bool parse(struct call *x, int i, struct remove_options *o) {
    int64_t n;

    *o = (struct remove_options){.policy = STREAM_KEEPREF};
    if (arg_stream_policy(x, i, &o->policy)) i++;
    if (i + 1 >= x->argc || !arg_is(x, i, "ids")) {
        reply_err(x, ERR_SYNTAX);
        return false;
    }
    if (!arg_int_range(x, i + 1, 1, INT32_MAX, &n, "ERR Number of IDs must be a positive integer"))
        return false;
    if (n != x->argc - i - 2) {
        reply_err(x, "ERR The `numids` parameter must match the number of arguments");
        return false;
    }
    o->n = (int)n;
    o->ids = arg_stream_ids(x, i + 2, o->n);
    return o->ids;
}

/* In the order of the arguments; `missing`: for what was asked for and is not there. */
static void reply_removed(struct removal *m, int missing) {
    int8_t *answers = mem_alloc((size_t)m->n);

    for (int i = 0; i < m->n; i++) {
        int what = m->v[i].what;

        if (what == MISSING) what = missing;
        answers[m->v[i].i] = (int8_t)(what == NOT_ASKED ? MISSING : what);
    }
    reply_array(&m->x->r, (size_t)m->n);
    for (int i = 0; i < m->n; i++) reply_int(&m->x->r, answers[i]);
    mem_free(answers);
}

static void reply_all_missing(struct call *x, const struct remove_options *o) {
    reply_array(&x->r, (size_t)o->n);
    for (int i = 0; i < o->n; i++) reply_int(&x->r, MISSING);
}

static int cmd_xdelex(struct call *x) {
    struct remove_options o;
    struct removal m;
    struct stream *s;
    struct ref r;

    if (!parse(x, 2, &o)) return -1;
    if (!find_stream(x, 1, true, &r, &s)) {
        mem_free(o.ids);
        return -1;
    }
    if (!s) {
        reply_all_missing(x, &o);
        mem_free(o.ids);
        return 0;
    }
    begin(&m, x, &r, s, o.policy);
    ask_for(&m, o.ids, o.n);
    remove_all(&m);
    reply_removed(&m, MISSING);
    if (m.gone.n) {
        key_changed(x, &r, EVENT_STREAM, "xdel");
        x->e->dirty += m.gone.n - 1;
        log_removed(&m);
    }
    end(&m);
    mem_free(o.ids);
    return 0;
}

/* Those that are not pending are not asked for. */
static void acknowledge(struct removal *m, struct stream_group *g, struct ids *acked) {
    for (int i = 0; i < m->n; i++) {
        if (stream_pending_drop(g, m->v[i].id))
            add_id(acked, m->v[i].id);
        else
            m->v[i].what = NOT_ASKED;
    }
}

/* Acknowledges in the group, then removes from the stream. */
static void acknowledge_and_remove(struct call *x, struct removal *m, struct stream_group *g,
                                   const struct remove_options *o) {
    struct slice words[] = {SLICE("XACK"), m->r->key, stream_group_name(g)};
    struct ids acked = {0};

    ask_for(m, o->ids, o->n);
    acknowledge(m, g, &acked);
    remove_all(m);
    reply_removed(m, REMOVED);
    if (acked.n) {
        if (m->gone.n)
            key_changed(x, m->r, EVENT_STREAM, "xdel");
        else
            key_changed_quietly(x, m->r);
        x->e->dirty += acked.n - 1;
        log_ids(x, words, 3, &acked);
        log_removed(m);
    }
    mem_free(acked.v);
}

static int cmd_xackdel(struct call *x) {
    struct stream_group *g = NULL;
    struct remove_options o;
    struct removal m;
    struct stream *s;
    struct ref r;

    if (!parse(x, 3, &o)) return -1;
    if (!find_stream(x, 1, true, &r, &s)) {
        mem_free(o.ids);
        return -1;
    }
    if (s) g = stream_group_find(s, x->argv[2]);
    if (!g) {
        reply_all_missing(x, &o);
    } else {
        begin(&m, x, &r, s, o.policy);
        acknowledge_and_remove(x, &m, g, &o);
        end(&m);
    }
    mem_free(o.ids);
    return 0;
}

/* ---------------------------------------------------------------- rows */

/* clang-format off */
const struct command stream_remove_commands[] = {
    {"xackdel", -6, CMD_WRITE | CMD_FAST, "stream", {1, 1, 1}, cmd_xackdel, "8.2.0",
     "Acknowledges pending entries of a group and deletes them from the stream.",
     .grammar = "key@0 group [condition(KEEPREF|DELREF|ACKED)] ids{IDS=numids:int id+}",
     .key_specs = "RW delete"},
    {"xdelex", -5, CMD_WRITE | CMD_FAST, "stream", {1, 1, 1}, cmd_xdelex, "8.2.0",
     "Deletes entries of a stream, and says what becomes of them where they are pending.",
     .grammar = "key@0 [condition(KEEPREF|DELREF|ACKED)] ids{IDS=numids:int id+}",
     .key_specs = "RW delete"},
    {0},
};
/* clang-format on */
