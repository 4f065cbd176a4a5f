/* SPDX-License-Identifier: BSD-3-Clause */
#include "check.h"

#include "persistence/rdb.h"
#include "server/exec/replay.h"
#include "server/exec/tracking.h"
#include "storage/base/hash.h"
#include "storage/base/mem.h"
#include "storage/stream.h"
#include "tests/kit/resp3.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static char why[300];

__attribute__((format(printf, 1, 2))) static const char *bad(const char *fmt, ...) {
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    return why;
}

/* ---------------------------------------------------------------- lists */

/* -1: not a whole list, or one of more than `most`. */
static int members(const struct list *head, int most) {
    int n = 0;

    for (const struct list *it = head->next; it != head; it = it->next)
        if (it->next->prev != it || it->prev->next != it || ++n > most) return -1;
    return head->next->prev == head ? n : -1;
}

static const char *check_list(const char *name, const struct list *head, size_t counted) {
    int n = members(head, CLIENTS_MAX);

    if (n < 0) return bad("the list '%s' is not whole", name);
    if (counted != SIZE_MAX && (size_t)n != counted)
        return bad("the list '%s' has %d members, %zu are counted", name, n, counted);
    return NULL;
}

static const char *check_parked(const struct engine *e) {
    list_each (it, &e->parked)
        if (list_entry(it, struct session, parked)->state != SESSION_PARKED)
            return bad("a session in the list 'parked' is not");
    if (e->nparked && e->pause.mode == PAUSE_NONE)
        return bad("a client stays parked without a pause");
    return NULL;
}

static const char *check_blocked(const struct engine *e) {
    list_each (it, &e->blocked) {
        struct blocked *b = list_entry(it, struct blocked, link);

        if (b->s->blocked != b) return bad("a waiting is not its session's");
        if (b->s->state != SESSION_BLOCKED) return bad("a session with a waiting is not BLOCKED");
    }
    return NULL;
}

const char *check_lists(struct world *w) {
    struct engine *e = &w->e;
    const char *no;

    if ((no = check_list("sessions", &e->sessions, e->nsessions)) ||
        (no = check_list("parked", &e->parked, e->nparked)) ||
        (no = check_list("blocked", &e->blocked, e->nblocked)) ||
        (no = check_list("resuming", &e->resuming, 0)) ||
        (no = check_list("closing", &e->closing, 0)) ||
        (no = check_list("ready keys", &e->interests.ready, 0)) || (no = check_parked(e)) ||
        (no = check_blocked(e)))
        return no;
    if (e->block_deadlines.n > e->nblocked) return bad("there are more deadlines than waitings");
    return e->propagation.ncommands ? bad("something is left to be propagated") : NULL;
}

const char *check_empty(struct world *w) {
    struct engine *e = &w->e;

    if (e->nsessions) return bad("%zu sessions are left", e->nsessions);
    if (e->nblocked) return bad("%zu waitings are left", e->nblocked);
    if (e->block_deadlines.n) return bad("deadlines are left");
    if (e->interests.n) return bad("%zu keys are still of interest", e->interests.n);
    if (e->tracking->ntrackers) return bad("trackers are left");
    return e->nparked ? bad("parked sessions are left") : NULL;
}

/* ---------------------------------------------------------------- waiting */

static bool is_due(const struct world *w, const struct entry *found) {
    (void)w;
    return found->flags & ENTRY_EXPIRES && entry_expire(found) <= clock_cached_ms();
}

static const char *check_wait(const struct world *w, const struct blocked *b) {
    for (int i = 1; i < b->argc; i++) {
        uint64_t hash = hash_bytes(b->argv[i].p, b->argv[i].n);
        const struct interest *k = interest_find(&w->e.interests, b->db, b->argv[i], hash);
        const struct entry *found = db_find(&w->e.ks.dbs[b->db], b->argv[i], hash);

        if (!k || list_empty(&k->waits) || !found || found->type != b->type || is_due(w, found))
            continue;
        return bad("client %llu waits for '%.*s', which is there", (unsigned long long)b->s->id,
                   (int)b->argv[i].n, b->argv[i].p);
    }
    return NULL;
}

/* A destination is an argument too, but whoever waits for it is looked at in its own turn; it must
 * not be counted for the one that moves. */
static bool moves(const struct blocked *b) {
    return slice_is(b->argv[0], "blmove") || slice_is(b->argv[0], "brpoplpush");
}

const char *check_waits(struct world *w) {
    const char *no;

    list_each (it, &w->e.blocked) {
        struct blocked *b = list_entry(it, struct blocked, link), only = *b;

        if (!b->argv || (b->type != TYPE_LIST && b->type != TYPE_ZSET)) continue;
        if (moves(b)) only.argc = 2;
        if ((no = check_wait(w, &only))) return no;
    }
    return NULL;
}

const char *check_progress(struct world *w) {
    list_each (it, &w->e.blocked) {
        const struct blocked *b = list_entry(it, struct blocked, link);

        if (b->ready)
            return bad("client %llu waits for the AOF, which is at rest",
                       (unsigned long long)b->s->id);
    }
    return NULL;
}

/* ---------------------------------------------------------------- replies */

static bool is_confirmation(const struct resp *r) {
    return r->count && r->items[0]->text && strstr(r->items[0]->text, "subscribe");
}

/* The next that is a reply to a command. NULL: there is none (`*broken`: these bytes are no reply).
 */
static struct resp *next_reply(const struct bytes *got, size_t *at, bool *broken) {
    for (;;) {
        struct resp *r = NULL;
        long took = *at < got->n ? resp_parse(got->p + *at, got->n - *at, &r) : RESP_MORE;

        if (took == RESP_BAD || (took == RESP_MORE && *at < got->n)) *broken = true;
        if (took <= 0) return NULL;
        *at += (size_t)took;
        if (r->type != '>' || is_confirmation(r)) return r;
        resp_free(r);
    }
}

static int count_replies(const struct bytes *got, bool *broken) {
    struct resp *r;
    size_t at = 0;
    int n = 0;

    *broken = false;
    for (; (r = next_reply(got, &at, broken)); n++) resp_free(r);
    return n;
}

/* How many commands are in the input. */
static int kept_commands(const struct client *c) {
    struct resp *r;
    size_t at = 0;
    int n = 0;

    for (; at < c->in.n; n++) {
        long took = resp_parse(c->in.p + at, c->in.n - at, &r);

        if (took <= 0) return -1;
        at += (size_t)took;
        resp_free(r);
    }
    return n;
}

static const char *check_client(const struct world *w, const struct program *p, int i) {
    const struct client *c = &w->client[i];
    bool broken, gone = !c->exists;
    int n = count_replies(&c->got, &broken), kept = kept_commands(c), most;

    most = program_replies(p, i, c->sent);
    if (broken) return bad("client %d was sent something that is no reply", i + 1);
    if (n > most) return bad("client %d has %d replies to %d commands", i + 1, n, c->sent);
    if (gone) return program_closes(p) ? NULL : bad("client %d was closed", i + 1);
    if (kept < 0) return bad("client %d keeps part of a command", i + 1);
    most = program_replies(p, i, c->sent - kept - (c->s.state == SESSION_BLOCKED));
    if (n != most)
        return bad("client %d has %d replies instead of %d, and %d commands to come", i + 1, n,
                   most, kept);
    if (kept && c->s.state == SESSION_ACTIVE)
        return bad("client %d has input and is not served", i + 1);
    return NULL;
}

const char *check_replies(struct world *w, const struct program *p) {
    const char *no;

    for (int i = 0; i < CLIENTS_MAX; i++)
        if (p->n[i] && (no = check_client(w, p, i))) return no;
    return NULL;
}

static uint64_t mix(uint64_t sum, uint64_t more) {
    sum = (sum ^ more) * UINT64_C(0x9e3779b97f4a7c15);
    return sum ^ sum >> 29;
}

uint64_t reply_sum(const struct world *w) {
    uint64_t sum = 1;
    bool broken;

    for (int i = 0; i < CLIENTS_MAX; i++) {
        const struct client *c = &w->client[i];
        struct resp *r;
        size_t at = 0;

        sum = mix(sum, (uint64_t)c->exists);
        while (c->exists && (r = next_reply(&c->got, &at, &broken))) {
            char *text = resp_show(r);

            sum = mix(sum, hash_bytes(text, strlen(text)));
            free(text);
            resp_free(r);
        }
    }
    return sum;
}

void show_replies(const struct world *w) {
    for (int i = 0; i < CLIENTS_MAX; i++) {
        const struct client *c = &w->client[i];
        struct resp *r;
        size_t at = 0;

        if (c->sent == 0) continue;
        printf("  %c%s:", 'A' + i, c->exists ? "" : " (closed)");
        while (at < c->got.n && resp_parse(c->got.p + at, c->got.n - at, &r) > 0) {
            char *text = resp_show(r);

            at += (size_t)resp_parse(c->got.p + at, c->got.n - at, &r);
            printf("  %s", text);
            free(text);
            resp_free(r);
        }
        printf("\n");
    }
}

/* ---------------------------------------------------------------- data */

struct summing {
    const struct world *w;
    uint64_t sum;
    int db;
};

/* What a consumer group remembers of times is not the same after a replay. */
static uint64_t value_sum(const struct entry *e) {
    struct bytes dump = {0};
    uint64_t sum;

    if (e->type == TYPE_STREAM) return stream_of(e)->length + 1;
    rdb_dump(&dump, e, true, PACE_NONE);
    sum = hash_bytes(dump.p, dump.n);
    bytes_release(&dump);
    return sum;
}

static void add_entry(void *entry, void *arg) {
    const struct entry *e = entry;
    struct summing *s = arg;
    struct slice key = entry_key(e);
    uint64_t one = mix((uint64_t)s->db + 7, hash_bytes(key.p, key.n));

    if (is_due(s->w, e)) return;
    one = mix(one, (uint64_t)entry_expire(e));
    s->sum += mix(one, value_sum(e));
}

uint64_t data_sum(const struct world *w) {
    struct summing s = {.w = w};

    for (s.db = 0; s.db < w->e.ks.ndbs; s.db++) table_each(&w->e.ks.dbs[s.db].keys, add_entry, &s);
    return s.sum;
}

/* ---------------------------------------------------------------- what was propagated */

static const char *replay_all(struct world *other, struct bytes *resp) {
    struct request_limits limits = {REQUEST_BULK_MAX, REQUEST_LOG_ARGS_MAX, true};
    struct request_partial *partial = NULL;
    struct request_args args = {0};
    struct request req;
    const char *error = NULL, *no = NULL;
    struct err e;
    size_t need;

    for (size_t at = 0; at < resp->n && !no; at += req.bytes) {
        args.n = 0;
        if (request_parse(resp->p + at, resp->n - at, &limits, &partial, &args, &req, &need,
                          &error) != REQUEST_READY)
            no = bad("what was propagated cannot be read");
        else if (engine_replay(&other->e, req.argc, args.v + req.first, &e) < 0)
            no = bad("what was propagated cannot be executed: %s", e.text);
    }
    request_partial_free(&partial);
    mem_free(args.v);
    return no;
}

const char *check_replay(struct world *w, struct world *other) {
    const char *no;

    engine_replay_begin(&other->e);
    no = replay_all(other, &w->propagated);
    engine_replay_end(&other->e);
    if (!no && data_sum(other) != data_sum(w))
        no = bad("what was propagated gives other data: %.*s",
                 (int)(w->propagated.n > 200 ? 200 : w->propagated.n), w->propagated.p);
    for (int i = 0; i < other->e.ks.ndbs; i++) db_clear(&other->e.ks.dbs[i], false);
    return no;
}
