/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/http/events.h"

#include "conf/conf.h"
#include "persistence/aof_backup.h"
#include "server/exec/acl_user.h"
#include "server/exec/observe.h"
#include "server/exec/slowlog.h"
#include "server/http/admin.h"
#include "server/http/json.h"
#include "storage/base/clock.h"
#include "storage/base/mem.h"

#include <stdlib.h>

enum {
    COMMANDS_MAX = 60, /* those that took most time */
    SLOW_MAX = 12,
    SLOW_ARGS = 8,
    CLIENTS_MAX = 40,         /* those that hold most memory */
    CLIENTS_LOOKED_AT = 1000, /* of all, so that a turn stays short */
    DATABASES_MAX = 64,
    PARAMETERS_EVERY = 5, /* seconds */
};

/* ---------------------------------------------------------------- INFO */

static void info(struct http *h, struct bytes *out) {
    struct bytes text = {0};
    char *line, *rest;

    h->app.info(h->app.arg, "default", &text);
    bytes_append_char(&text, '\0');
    json_open(out, "info", '{');
    for (line = strtok_r(text.p, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) {
        char *colon = strchr(line, ':');

        if (!colon || line[0] == '#') continue;
        *colon = '\0';
        json_string(out, line, slice_str(colon + 1));
    }
    json_close(out, '}');
    bytes_release(&text);
}

/* ---------------------------------------------------------------- commands */

static int by_time(const void *a, const void *b) {
    const struct command_slot *x = *(const struct command_slot *const *)a;
    const struct command_slot *y = *(const struct command_slot *const *)b;

    return (x->ns < y->ns) - (x->ns > y->ns);
}

static void collect(const struct command_slot *c, const struct command_slot **v, size_t *n) {
    if (c->calls || c->rejected || c->failed) v[(*n)++] = c;
    for (unsigned i = 0; i < c->nsub; i++) collect(&c->sub[i], v, n);
}

static void command(const struct command_slot *c, struct bytes *out) {
    uint64_t total = 0;

    json_open(out, NULL, '{');
    json_string(out, "name", slice_str(c->name));
    json_int(out, "calls", (int64_t)c->calls);
    json_int(out, "usec", (int64_t)(c->ns / 1000));
    json_int(out, "rejected", (int64_t)c->rejected);
    json_int(out, "failed", (int64_t)c->failed);
    if (c->latency)
        for (int i = 0; i < OBSERVE_BUCKETS; i++) total += c->latency[i];
    if (total) {
        json_micro(out, "p50", observe_time_at(c->latency, total, 50));
        json_micro(out, "p99", observe_time_at(c->latency, total, 99));
    }
    json_close(out, '}');
}

static void commands(const struct engine *e, struct bytes *out) {
    const struct command_slot **v = mem_alloc(e->commands.last_id * sizeof *v + sizeof *v);
    size_t n = 0;

    for (unsigned i = 0; i < e->commands.n; i++) collect(&e->commands.slots[i], v, &n);
    qsort(v, n, sizeof *v, by_time);
    json_open(out, "commands", '[');
    for (size_t i = 0; i < n && i < COMMANDS_MAX; i++) command(v[i], out);
    json_close(out, ']');
    mem_free(v);
}

static void errors(const struct engine *e, struct bytes *out) {
    json_open(out, "errors", '[');
    for (size_t i = 0; i < e->nerrors; i++) {
        json_open(out, NULL, '{');
        json_string(out, "code", slice_str(e->errors[i].code));
        json_int(out, "count", (int64_t)e->errors[i].count);
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void slow_entry(const struct slow_entry *t, struct bytes *out) {
    json_open(out, NULL, '{');
    json_int(out, "id", (int64_t)t->id);
    json_int(out, "at", t->at_s);
    json_int(out, "usec", (int64_t)t->cost);
    json_string(out, "addr", slice_str(t->addr ? t->addr : ""));
    json_open(out, "argv", '[');
    for (int i = 0; i < t->argc && i < SLOW_ARGS; i++) json_string(out, NULL, t->argv[i]);
    json_close(out, ']');
    json_int(out, "argc", t->argc);
    json_close(out, '}');
}

static void slow(const struct engine *e, struct bytes *out) {
    const struct slowlog *l = &e->logs[LOG_SLOW];
    size_t n = 0;

    json_int(out, "slow_length", (int64_t)l->n);
    json_open(out, "slow", '[');
    for (struct list *it = l->entries.prev; it != &l->entries && n < SLOW_MAX; it = it->prev, n++)
        slow_entry(list_entry(it, struct slow_entry, link), out);
    json_close(out, ']');
}

/* ---------------------------------------------------------------- keys */

static void databases(const struct engine *e, struct bytes *out) {
    unsigned n = 0;

    json_open(out, "databases", '[');
    for (int i = 0; i < e->ks.ndbs && n < DATABASES_MAX; i++) {
        const struct db *db = &e->ks.dbs[i];

        if (db->keys.count == 0) continue;
        n++;
        json_open(out, NULL, '{');
        json_int(out, "db", i);
        json_int(out, "keys", (int64_t)db->keys.count);
        json_int(out, "expires", (int64_t)db->expires.count);
        json_int(out, "avg_ttl", expiry_avg_ttl(&db->expires, clock_cached_ms()));
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void sampled_types(const struct sample_pass *p, struct bytes *out) {
    json_open(out, "types", '[');
    for (int i = 0; i < TYPE_COUNT; i++) {
        if (p->type[i].keys == 0) continue;
        json_open(out, NULL, '{');
        json_string(out, "type", slice_str(type_ops_of((enum type_id)i)->name));
        json_int(out, "keys", (int64_t)p->type[i].keys);
        json_int(out, "bytes", (int64_t)p->type[i].bytes);
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void sampled(const struct sample *s, struct bytes *out) {
    const struct sample_pass *p = s->complete ? &s->last : &s->now;

    json_open(out, "keys", '{');
    json_int(out, "complete", s->complete);
    json_int(out, "seen", (int64_t)p->keys);
    sampled_types(p, out);
    json_open(out, "top", '[');
    for (unsigned i = 0; i < p->ntop; i++) {
        const struct sample_key *k = &p->top[i];

        json_open(out, NULL, '{');
        json_string(out, "key",
                    slice_of(k->key, k->key_len < SAMPLE_KEY_MAX ? k->key_len : SAMPLE_KEY_MAX));
        json_int(out, "cut", k->key_len > SAMPLE_KEY_MAX);
        json_int(out, "db", k->db);
        json_string(out, "type", slice_str(type_ops_of(k->type)->name));
        json_int(out, "bytes", (int64_t)k->bytes);
        json_close(out, '}');
    }
    json_close(out, ']');
    json_close(out, '}');
}

/* ---------------------------------------------------------------- clients */

struct client {
    const struct session *s;
    size_t bytes;
};

static int by_bytes(const void *a, const void *b) {
    const struct client *x = a, *y = b;

    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return (x->s->id > y->s->id) - (x->s->id < y->s->id);
}

static void client(const struct client *c, struct bytes *out) {
    const struct session *s = c->s;
    struct session_wire w;
    int64_t now_ms = clock_cached_ms();

    s->ops->describe(s, &w);
    json_open(out, NULL, '{');
    json_int(out, "id", (int64_t)s->id);
    json_string(out, "addr", slice_str(w.addr));
    json_string(out, "name", slice_str(s->name ? s->name : ""));
    json_string(out, "user", slice_str(s->user->name));
    json_string(out, "lib", slice_str(s->lib_name ? s->lib_name : ""));
    json_int(out, "age", (now_ms - s->created_ms) / 1000);
    json_int(out, "idle", (now_ms - s->active_ms) / 1000);
    json_string(out, "cmd", slice_str(s->last_cmd ? s->last_cmd->name : ""));
    json_int(out, "bytes", (int64_t)c->bytes);
    json_close(out, '}');
}

static void clients(const struct engine *e, struct bytes *out) {
    struct client *v = mem_alloc(CLIENTS_LOOKED_AT * sizeof *v);
    size_t n = 0;

    list_each (it, &e->sessions) {
        const struct session *s = list_entry(it, struct session, link);

        if (n == CLIENTS_LOOKED_AT) break;
        v[n++] = (struct client){s, session_mem(s)};
    }
    qsort(v, n, sizeof *v, by_bytes);
    json_open(out, "clients", '[');
    for (size_t i = 0; i < n && i < CLIENTS_MAX; i++) client(&v[i], out);
    json_close(out, ']');
    mem_free(v);
}

/* ---------------------------------------------------------------- parameters */

static void keep_value(void *arg, struct slice name, struct slice value) {
    struct bytes *out = arg;

    bytes_append(out, name.p, name.n);
    bytes_append_char(out, '\0');
    bytes_append(out, value.p, value.n);
    bytes_append_char(out, '\0');
}

static void read_parameters(const struct http *h, struct bytes *out) {
    struct slice all = SLICE("*");

    conf_get(h->e->conf, &all, 1, keep_value, out);
}

void events_note_parameters(struct http *h) {
    read_parameters(h, &h->parameters);
}

/* Both texts have the same names in the same order. */
static void compare_parameters(const char *before, const char *now, const char *end,
                               struct bytes *out) {
    while (now < end) {
        struct slice name = slice_str(now);
        const char *was = before + strlen(before) + 1, *is = now + name.n + 1;

        if (strcmp(was, is) != 0) {
            bool secret = conf_is_sensitive(name);

            json_open(out, NULL, '{');
            json_string(out, "name", name);
            json_string(out, "was", secret ? SLICE("(secret)") : slice_str(was));
            json_string(out, "is", secret ? SLICE("(secret)") : slice_str(is));
            json_close(out, '}');
        }
        before = was + strlen(was) + 1;
        now = is + strlen(is) + 1;
    }
}

static void changed_parameters(struct http *h, struct bytes *out) {
    struct bytes now = {0};

    if (h->parameters_age++ % PARAMETERS_EVERY == 0) {
        bytes_clear(&h->changed);
        json_open(&h->changed, NULL, '[');
        read_parameters(h, &now);
        compare_parameters(h->parameters.p, now.p, now.p + now.n, &h->changed);
        json_close(&h->changed, ']');
        bytes_release(&now);
    }
    bytes_append_str(out, ",\"changed\":");
    bytes_append(out, h->changed.p, h->changed.n);
}

/* ---------------------------------------------------------------- the whole */

static void backup(const struct engine *e, struct bytes *out) {
    const struct aof_backup *k = aof_backup_state(e->aof);

    json_open(out, "backup", '{');
    json_int(out, "open", k->phase != BACKUP_IDLE);
    json_string(out, "id", slice_str(k->last_id));
    json_int(out, "at_ms", k->last_ms);
    json_int(out, "bytes", (int64_t)k->last_bytes);
    json_string(out, "error", slice_str(k->failed ? k->why : ""));
    json_close(out, '}');
}

static void settings(const struct http *h, struct bytes *out) {
    static const char *const policies[] = {
        [AOF_LEVEL_NONE] = "none", [AOF_LEVEL_WRITTEN] = "written", [AOF_LEVEL_SYNCED] = "synced"};
    char why[HEALTH_REASON_MAX];

    json_int(out, "now_ms", clock_wall_ms());
    json_int(out, "real_ms", (int64_t)(clock_real_ns() / 1000000));
    json_string(out, "reason", health_reason(h, why) ? slice_str(why) : SLICE(""));
    json_string(out, "level", slice_str(policies[aof_current_level(h->e->aof)]));
    json_string(out, "fsync", h->v->appendfsync == CONF_FSYNC_NO ? SLICE("no") : SLICE(""));
    json_int(out, "save_points", (int64_t)h->v->save.n);
    json_int(out, "admin", h->v->http_admin && !admin_refusal(h));
}

static void write_event(struct http *h, struct bytes *out) {
    json_open(out, NULL, '{');
    settings(h, out);
    info(h, out);
    commands(h->e, out);
    errors(h->e, out);
    slow(h->e, out);
    databases(h->e, out);
    sampled(&h->sample, out);
    clients(h->e, out);
    changed_parameters(h, out);
    backup(h->e, out);
    json_close(out, '}');
}

void events_send(struct http *h) {
    struct bytes json = {0}, event = {0};

    if (h->nstreams == 0) return;
    write_event(h, &json);
    bytes_append_str(&event, "data: ");
    bytes_append(&event, json.p, json.n);
    bytes_append_str(&event, "\n\n");
    list_each (it, &h->streams)
        http_conn_event(list_entry(it, struct http_conn, asked), bytes_slice(&event));
    bytes_release(&json);
    bytes_release(&event);
}

bool events_answer(struct http_conn *c) {
    if (c->h->nstreams >= HTTP_STREAMS_MAX || c->request.is_head) {
        http_answer(c, 503, NULL, SLICE("Too many pages are open.\n"));
        return true;
    }
    http_head(c, 200, "text/event-stream");
    bytes_append_str(&c->out, "\r\nretry: 2000\n\n");
    http_conn_stream(c);
    c->h->events_due = true;
    return true;
}
