/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/acl.h"

#include "conf/conf.h"
#include "server/exec/audit.h"
#include "server/exec/auth_delay.h"
#include "server/exec/call.h"
#include "server/exec/pubsub.h"
#include "server/exec/push.h"
#include "storage/base/check.h"
#include "storage/base/mem.h"

#define STANDARD SLICE("default")

/* ---------------------------------------------------------------- a list of users */

/* Where the name stands, or would. */
static size_t place_of(const struct acl_users *all, struct slice name, bool *found) {
    size_t lo = 0, hi = all->n;

    *found = false;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = slice_cmp(slice_str(all->v[mid]->name), name);

        if (c == 0) *found = true;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct acl_user *acl_users_find(const struct acl_users *all, struct slice name) {
    bool found;
    size_t at = place_of(all, name, &found);

    return found ? all->v[at] : NULL;
}

int acl_users_add(struct acl_users *all, struct acl_user *u) {
    bool found;
    size_t at = place_of(all, slice_str(u->name), &found);

    if (found) return -1;
    all->v = mem_realloc(all->v, (all->n + 1) * sizeof *all->v);
    memmove(all->v + at + 1, all->v + at, (all->n - at) * sizeof *all->v);
    all->v[at] = u;
    all->n++;
    return 0;
}

static struct acl_user *take_out(struct acl_users *all, struct slice name) {
    bool found;
    size_t at = place_of(all, name, &found);
    struct acl_user *u;

    if (!found) return NULL;
    u = all->v[at];
    all->n--;
    memmove(all->v + at, all->v + at + 1, (all->n - at) * sizeof *all->v);
    return u;
}

void acl_users_release(struct acl_users *all) {
    for (size_t i = 0; i < all->n; i++) acl_user_free(all->v[i]);
    mem_free(all->v);
    *all = (struct acl_users){0};
}

/* ---------------------------------------------------------------- begin and end */

static void apply_ours(struct acl_user *u, const struct acl_terms *terms, const char *rule) {
    CHECK(acl_user_apply(u, terms, slice_str(rule)) == NULL);
}

static struct acl_user *new_with_all(struct slice name, const struct acl_terms *terms) {
    static const char *const rules[] = {"on", "nopass", "+@all", "~*", "&*"};
    struct acl_user *u = acl_user_new(name, terms);

    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) apply_ours(u, terms, rules[i]);
    return u;
}

struct acl_user *acl_user_new_standard(const struct acl_terms *terms) {
    return new_with_all(STANDARD, terms);
}

static void update_terms(struct engine *e) {
    e->acl->terms.all_channels = e->v->acl_pubsub_default == CONF_PUBSUB_ALL;
}

static int apply_conf(void *engine, const struct conf_values *v, struct err *err) {
    struct engine *e = engine;

    (void)err;
    update_terms(e);
    acl_log_trim(&e->acl->log, (size_t)v->acllog_max_len);
    return 0;
}

static int apply_password(void *engine, const struct conf_values *v, struct err *err) {
    (void)err;
    acl_set_standard_password(engine, slice_of(v->requirepass.p, v->requirepass.n));
    return 0;
}

void acl_init(struct engine *e) {
    struct acl *a = e->acl;

    CHECK(e->commands.last_id < ACL_COMMANDS_MAX);
    a->terms.commands = &e->commands;
    update_terms(e);
    a->standard = acl_user_new_standard(&a->terms);
    acl_users_add(&a->users, a->standard);
    a->everybody = new_with_all(SLICE("(superuser)"), &a->terms);
    a->nobody = acl_user_new(SLICE("(nobody)"), &a->terms);
    acl_set_standard_password(e, slice_of(e->v->requirepass.p, e->v->requirepass.n));
    conf_on_apply(e->conf, "requirepass", apply_password, e);
    conf_on_apply(e->conf, "acl-pubsub-default", apply_conf, e);
    conf_on_apply(e->conf, "acllog-max-len", apply_conf, e);
}

void acl_release(struct engine *e) {
    acl_users_release(&e->acl->users);
    acl_user_free(e->acl->everybody);
    acl_user_free(e->acl->nobody);
    acl_log_trim(&e->acl->log, 0);
    auth_delay_release(e->auth_delay);
}

struct acl_user *acl_find(const struct engine *e, struct slice name) {
    return acl_users_find(&e->acl->users, name);
}

bool acl_asks_for_password(const struct engine *e) {
    return !e->acl->standard->no_password || !e->acl->standard->on;
}

void acl_set_standard_password(struct engine *e, struct slice password) {
    struct acl_user *u = e->acl->standard;

    apply_ours(u, &e->acl->terms, "resetpass");
    if (password.n) {
        struct bytes rule = {0};

        bytes_append_char(&rule, '>');
        bytes_append(&rule, password.p, password.n);
        CHECK(acl_user_apply(u, &e->acl->terms, bytes_slice(&rule)) == NULL);
        explicit_bzero(rule.p, rule.n);
        bytes_release(&rule);
    } else {
        apply_ours(u, &e->acl->terms, "nopass");
    }
}

/* ---------------------------------------------------------------- sessions of a changed user
 */

/* The session that runs the command gets its reply first. */
static void close_session(struct session *s) {
    s->ops->close(s, s->e->pushes->running == s);
}

/* The channels that one of the user's selectors allows. */
static bool allows_channel(const struct acl_user *u, struct slice channel, bool is_pattern) {
    for (size_t i = 0; i < u->nselectors; i++)
        if (acl_allows_channel(&u->selectors[i]->channels, channel, is_pattern)) return true;
    return false;
}

static bool still_allowed(void *user, enum pubsub_kind kind, struct slice name) {
    return allows_channel(user, name, kind == PUBSUB_PATTERN);
}

/* Disconnects sessions that have subscribed to channels which their user may no longer use. */
static void close_subscribers_of(struct engine *e, struct acl_user *u) {
    list_each_safe (it, next, &e->sessions) {
        struct session *s = list_entry(it, struct session, link);

        if (s->user != u || s->state == SESSION_CLOSING || !s->subscriber) continue;
        if (!pubsub_all(s, still_allowed, u)) close_session(s);
    }
}

static void close_subscribers(struct engine *e, struct acl_user *u) {
    engine_each (one, e) close_subscribers_of(one, u);
}

static void close_sessions_of(struct engine *e, const struct acl_user *u) {
    list_each_safe (it, next, &e->sessions) {
        struct session *s = list_entry(it, struct session, link);

        if (s->user != u) continue;
        s->user = e->acl->nobody;
        s->flags &= (uint32_t)~SESSION_AUTHENTICATED;
        if (s->state != SESSION_CLOSING) close_session(s);
    }
}

/* Nothing points to the user any more. */
static void close_sessions(struct engine *e, const struct acl_user *u) {
    engine_each (one, e) close_sessions_of(one, u);
}

/* ---------------------------------------------------------------- changing users */

struct setting {
    struct acl_user *u;
    const struct acl_terms *terms;
    struct bytes *why;
    bool failed;
};

static bool set_one(void *arg, struct slice rule) {
    struct setting *s = arg;
    const char *why = acl_user_apply(s->u, s->terms, rule);

    if (!why) return true;
    bytes_append_str(s->why, "Error in ACL SETUSER modifier '");
    bytes_append(s->why, rule.p, strnlen(rule.p, rule.n)); /* an error has no NUL */
    bytes_printf(s->why, "': %s", why);
    s->failed = true;
    return false;
}

int acl_set_user(struct engine *e, struct slice name, const struct slice *rules, size_t n,
                 struct bytes *why) {
    const struct acl_terms *terms = &e->acl->terms;
    struct acl_user *old = acl_find(e, name);
    struct setting s = {old ? acl_user_copy(old) : acl_user_new(name, terms), terms, why, false};
    struct slice open;

    if (acl_rules_each(rules, n, set_one, &s, &open) < 0) {
        bytes_append_str(why, "Unmatched parenthesis in acl selector starting at '");
        bytes_append(why, open.p, open.n);
        bytes_append_str(why, "'.");
        s.failed = true;
    }
    if (s.failed) {
        acl_user_free(s.u);
        return -1;
    }
    if (old) {
        acl_user_become(old, s.u);
        close_subscribers(e, old);
    } else {
        acl_users_add(&e->acl->users, s.u);
    }
    return 0;
}

bool acl_delete_user(struct engine *e, struct slice name) {
    struct acl_user *u = take_out(&e->acl->users, name);

    CHECK(u != e->acl->standard);
    if (!u) return false;
    close_sessions(e, u);
    acl_user_free(u);
    return true;
}

void acl_replace_users(struct engine *e, struct acl_users *all) {
    struct acl *a = e->acl;
    struct acl_user *standard = take_out(all, STANDARD);
    struct acl_users old = a->users;

    if (!standard) standard = acl_user_new_standard(&a->terms);
    take_out(&old, STANDARD);
    acl_user_become(a->standard, standard);
    a->users = *all;
    *all = (struct acl_users){0};
    acl_users_add(&a->users, a->standard);
    close_subscribers(e, a->standard);
    for (size_t i = 0; i < old.n; i++) close_sessions(e, old.v[i]);
    acl_users_release(&old);
}

/* ---------------------------------------------------------------- sessions */

void acl_begin_session(struct session *s) {
    s->user = s->e->acl->standard;
    if (acl_asks_for_password(s->e))
        s->flags &= (uint32_t)~SESSION_AUTHENTICATED;
    else
        s->flags |= SESSION_AUTHENTICATED;
}

bool acl_is_served(const struct session *s) {
    if (s->flags & SESSION_AUTHENTICATED) return true;
    return s->user == s->e->acl->standard && !acl_asks_for_password(s->e);
}

static void note(struct call *x, const struct acl_denial *d) {
    struct engine *e = x->e;
    struct bytes client = {0};

    if (e->hooks.describe) e->hooks.describe(x, &client);
    acl_log_add(&e->acl->log, d, &client, (size_t)e->v->acllog_max_len);
    bytes_release(&client);
}

/* An unknown name takes as long as a known one. */
static bool knows(struct engine *e, const struct acl_user *u, struct slice password) {
    bool right = acl_user_knows(u ? u : e->acl->nobody, password);

    return u && u->on && right;
}

static void become(struct session *s, struct acl_user *u) {
    s->user = u;
    s->flags |= SESSION_AUTHENTICATED;
    if (s->e->hooks.authenticated) s->e->hooks.authenticated(s);
}

bool acl_take_named(struct session *s, const struct slice *names, size_t n) {
    struct acl_denial d = {
        .reason = ACL_NO_CERT, .scene = ACL_AT_TOP, .object = SLICE(""), .now_ms = clock_wall_ms()};
    struct call x;

    for (size_t i = 0; i < n; i++) {
        struct acl_user *u = acl_find(s->e, names[i]);

        if (!u || !u->on) continue;
        become(s, u);
        return true;
    }
    if (n == 0) return false;
    d.username = names[n - 1];
    call_init(&x, s, FROM_CLIENT, NULL, 0, NULL);
    s->e->stats.cert_denied++;
    audit(&x, "TLS certificate names no user that may log in:", d.username);
    note(&x, &d);
    return false;
}

bool acl_authenticate(struct call *x, struct slice name, struct slice password) {
    struct acl_user *u = acl_find(x->e, name);
    struct acl_denial d;

    if (knows(x->e, u, password)) {
        become(x->s, u);
        return true;
    }
    d = (struct acl_denial){ACL_NO_AUTH, call_is_inner(x) ? ACL_IN_MULTI : ACL_AT_TOP, name,
                            x->argv[0], clock_wall_ms()};
    x->e->stats.auth_denied++;
    auth_delay_failed(x->e->auth_delay, x->s);
    audit(x, "AUTH failed for user", name.p ? name : SLICE(""));
    note(x, &d);
    return false;
}

/* ---------------------------------------------------------------- the check of one call */

static void note_refusal(struct call *x, const struct command_slot *cmd, enum acl_verdict why,
                         enum acl_scene scene, struct slice arg) {
    struct engine_stats *stats = &x->e->stats;
    struct bytes name = acl_command_name(cmd);
    struct acl_denial d = {why, scene, slice_str(x->s->user->name), arg, clock_wall_ms()};

    if (why == ACL_NO_COMMAND) d.object = bytes_slice(&name);
    if (why == ACL_NO_COMMAND) stats->command_denied++;
    if (why == ACL_NO_DB) stats->db_denied++;
    if (why == ACL_NO_KEY) stats->key_denied++;
    if (why == ACL_NO_CHANNEL) stats->channel_denied++;
    note(x, &d);
    bytes_release(&name);
}

struct acl_place acl_place_of(const struct call *x) {
    return (struct acl_place){x->db->id, x->e->ks.ndbs};
}

enum acl_verdict acl_judge(struct call *x, const struct command_slot *cmd, int argc,
                           const struct slice *argv, enum acl_scene scene, struct bytes *out) {
    int at;
    enum acl_verdict v = acl_check(x->s->user, acl_place_of(x), cmd, argc, argv, &at);

    if (v == ACL_OK) return v;
    note_refusal(x, cmd, v, scene, argv[at]);
    if (out) acl_refusal(v, x->s->user, cmd, argv[at], false, out);
    return v;
}
