/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/double/space.h"

#include "conf/conf.h"
#include "server/exec/acl.h"
#include "server/exec/acl_user.h"
#include "server/exec/blocking.h"
#include "storage/base/mem.h"

struct space {
    struct list link; /* in spaces.all */
    struct engine *e;
    bool dropped; /* goes once no client is in it */
    char name[];
};

/* Clients that authenticate as the user move to the space. */
struct binding {
    struct list link; /* in spaces.bindings */
    struct engine *to;
    char user[];
};

/* What a client that has sent TEST SPACE waits for. */
struct wish {
    struct engine *to;
};

/* ---------------------------------------------------------------- the spaces */

void spaces_init(struct spaces *all, struct engine *first, const struct space_app *app) {
    *all = (struct spaces){.first = first, .app = *app};
    list_init(&all->all);
    list_init(&all->bindings);
    list_init(&all->moves);
}

static struct space *find(const struct spaces *all, struct slice name) {
    list_each (it, &all->all) {
        struct space *p = list_entry(it, struct space, link);

        if (slice_eq(slice_str(p->name), name)) return p;
    }
    return NULL;
}

static struct space *space_of(const struct spaces *all, const struct engine *e) {
    list_each (it, &all->all) {
        struct space *p = list_entry(it, struct space, link);

        if (p->e == e) return p;
    }
    return NULL;
}

static struct space *make(struct spaces *all, struct slice name) {
    struct space *p = mem_calloc(sizeof *p + name.n + 1);

    memcpy(p->name, name.p, name.n);
    p->e = all->app.make(all->app.arg);
    list_append(&all->all, &p->link);
    all->n++;
    return p;
}

static void unbind(struct binding *b) {
    list_remove(&b->link);
    mem_free(b);
}

static void unbind_all_of(struct spaces *all, const struct engine *e) {
    list_each_safe (it, next, &all->bindings) {
        struct binding *b = list_entry(it, struct binding, link);

        if (b->to == e) unbind(b);
    }
}

/* Some client that is to move waits for this engine. */
static bool is_wished_for(const struct spaces *all, const struct engine *e) {
    list_each (it, &all->moves) {
        const struct session *s = list_entry(it, struct session, resuming);
        const struct wish *w = s->blocked ? s->blocked->job : NULL;

        if (w && w->to == e) return true;
    }
    return false;
}

static void free_space(struct spaces *all, struct space *p) {
    unbind_all_of(all, p->e);
    all->app.release(all->app.arg, p->e);
    list_remove(&p->link);
    all->n--;
    mem_free(p);
}

static void free_dropped(struct spaces *all) {
    list_each_safe (it, next, &all->all) {
        struct space *p = list_entry(it, struct space, link);

        if (p->dropped && list_empty(&p->e->sessions) && !is_wished_for(all, p->e))
            free_space(all, p);
    }
}

void spaces_release(struct spaces *all) {
    while (!list_empty(&all->all)) free_space(all, list_entry(all->all.next, struct space, link));
    while (spaces_bind(all)) unbind(list_entry(all->bindings.next, struct binding, link));
}

/* ---------------------------------------------------------------- users */

static struct binding *binding_of(const struct spaces *all, const struct session *s) {
    list_each (it, &all->bindings) {
        struct binding *b = list_entry(it, struct binding, link);

        if (strcmp(b->user, s->user->name) == 0) return b;
    }
    return NULL;
}

static void bind(struct spaces *all, struct engine *to, struct slice user) {
    struct binding *b;

    list_each (it, &all->bindings) {
        b = list_entry(it, struct binding, link);
        if (!slice_eq(slice_str(b->user), user)) continue;
        b->to = to;
        return;
    }
    b = mem_calloc(sizeof *b + user.n + 1);
    b->to = to;
    memcpy(b->user, user.p, user.n);
    list_append(&all->bindings, &b->link);
}

void spaces_authenticated(struct spaces *all, struct session *s) {
    const struct binding *b = binding_of(all, s);

    if (!b || b->to == s->e || s->source) return;
    list_remove(&s->resuming);
    list_append(&all->moves, &s->resuming);
    all->app.hurry(all->app.arg);
}

static bool is_to_move(const struct spaces *all, const struct session *s) {
    list_each (it, &all->moves)
        if (list_entry(it, struct session, resuming) == s) return true;
    return false;
}

bool spaces_hold(struct spaces *all, struct session *s) {
    if (list_empty(&all->moves) || !is_to_move(all, s)) return false;
    session_enter(s, SESSION_PARKED);
    all->app.hurry(all->app.arg);
    return true;
}

/* ---------------------------------------------------------------- moving */

/* Where the session is to go; the user may have been bound to another space since. */
static struct engine *goal_of(const struct spaces *all, const struct session *s) {
    const struct wish *w = s->blocked ? s->blocked->job : NULL;
    const struct binding *b = w ? NULL : binding_of(all, s);

    return w ? w->to : b ? b->to : s->e;
}

/* The first one all of whose output may be sent: none of it waits for a gate. */
static struct session *next_to_move(const struct spaces *all) {
    list_each (it, &all->moves) {
        struct session *s = list_entry(it, struct session, resuming);

        if (s->state == SESSION_CLOSING) continue;
        session_sendable(s); /* forgets the gates that are open */
        if (s->ngates == 0) return s;
    }
    return NULL;
}

static void move(struct spaces *all, struct session *s) {
    bool answers = s->state == SESSION_BLOCKED;
    struct engine *to = goal_of(all, s);
    struct reply r = {&s->out, s->resp};
    uint64_t from = s->out.end;

    list_remove(&s->resuming);
    if (s->state == SESSION_PARKED) session_enter(s, SESSION_ACTIVE);
    if (to != s->e) {
        all->app.moves(all->app.arg, s);
        session_move(s, to);
    }
    if (answers) reply_ok(&r);
    if (answers) session_silence(s, from);
    s->ops->wake(s);
    if (s->state == SESSION_ACTIVE) s->ops->resume(s);
}

void spaces_before_wait(struct spaces *all) {
    struct session *s;

    while ((s = next_to_move(all))) move(all, s);
    if (all->n) free_dropped(all);
}

/* ---------------------------------------------------------------- the commands */

static bool never(const struct blocked *b) {
    (void)b;
    return false;
}

static int go(struct spaces *all, struct call *x, struct engine *to) {
    struct blocked b = {.ready = never, .job_free = mem_free};

    if (to == x->e) {
        reply_ok(&x->r);
        return 0;
    }
    if (x->from != FROM_CLIENT) return reply_err(x, "ERR TEST SPACE is a client's own command");
    b.job = mem_dup(&(struct wish){to}, sizeof(struct wish));
    block_on_progress(x, &b, 0);
    list_remove(&x->s->resuming);
    list_append(&all->moves, &x->s->resuming);
    all->app.hurry(all->app.arg);
    return 0;
}

static int drop(struct spaces *all, struct call *x) {
    struct space *p = find(all, x->argv[2]);

    if (!p || p->dropped) return reply_err(x, "ERR There is no space of this name");
    p->dropped = true;
    unbind_all_of(all, p->e);
    all->app.hurry(all->app.arg);
    reply_ok(&x->r);
    return 0;
}

/* NULL: an error was answered. */
static struct engine *named(struct spaces *all, struct call *x) {
    struct slice name = x->argv[2];
    struct space *p = find(all, name);

    if (name.n == 0) return all->first;
    if (p) {
        p->dropped = false;
        return p->e;
    }
    if (name.n > SPACE_NAME_MAX || memchr(name.p, '\0', name.n)) {
        reply_err(x, "ERR The name of a space is too long or has a zero byte");
        return NULL;
    }
    if (all->n >= SPACES_MAX) {
        reply_err(x, "ERR There are too many spaces; drop some with TEST SPACE name DROP");
        return NULL;
    }
    return make(all, name)->e;
}

static int bind_user(struct spaces *all, struct call *x) {
    struct engine *to;

    if (memchr(x->argv[4].p, '\0', x->argv[4].n)) return reply_err(x, ERR_SYNTAX);
    to = named(all, x);
    if (!to) return -1;
    bind(all, to, x->argv[4]);
    reply_ok(&x->r);
    return 0;
}

int space_command(struct spaces *all, struct call *x) {
    const struct space *here = space_of(all, x->e);
    struct engine *to;

    if (x->argc == 2) {
        reply_bulk_str(&x->r, here ? here->name : "");
        return 0;
    }
    if (x->e->v->cluster_enabled)
        return reply_err(x, "ERR TEST SPACE is not available in cluster mode");
    if (x->argc == 5 && arg_is(x, 3, "user")) return bind_user(all, x);
    if (x->argc == 4 && arg_is(x, 3, "drop")) return drop(all, x);
    if (x->argc != 3) return reply_err(x, ERR_SYNTAX);
    to = named(all, x);
    return to ? go(all, x, to) : -1;
}

int spaces_command(struct spaces *all, struct call *x) {
    size_t n = 0;

    list_each (it, &all->all) n += !list_entry(it, struct space, link)->dropped;
    reply_array(&x->r, n);
    list_each (it, &all->all) {
        const struct space *p = list_entry(it, struct space, link);

        if (!p->dropped) reply_bulk_str(&x->r, p->name);
    }
    return 0;
}
