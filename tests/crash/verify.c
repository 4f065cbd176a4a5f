/* SPDX-License-Identifier: BSD-3-Clause
 *
 * verify - after the restart: is each connection's data in the state after exactly k commands, with
 * acknowledged <= k <= sent? If so, the journal goes on from that k.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/crash/journal.h"
#include "tests/crash/model.h"
#include "tests/kit/resp3.h"

static struct resp_conn server;

static struct resp *ask(const char *command, const char *key) {
    resp_send_words(&server, command, key, NULL);
    struct resp *r = resp_read(&server);

    if (r) return r;
    fprintf(stderr, "the server does not answer\n");
    exit(1);
}

/* What the server holds in a slot, to be compared with any state of the model. */
struct found {
    struct resp *value;
    uint64_t expire;
};

static void fetch(struct found *f, int conn) {
    char key[32];

    for (int i = 0; i < SLOTS; i++) {
        model_key(key, conn, i);
        f[i].value = ask("GET", key);
        struct resp *r = ask("PEXPIRETIME", key);
        f[i].expire = r->integer > 0 ? (uint64_t)r->integer : 0;
        resp_free(r);
    }
}

static bool fits(const struct model *m, int i, const struct found *f) {
    static char value[VALUE_MAX + 64];
    const struct slot *s = &m->slots[i];
    const struct resp *r = f->value;

    if (s->n == 0) return r->null;
    if (r->null || r->type != '$' || s->expire != f->expire) return false;
    if (i == COUNTER) return strtoull(r->text, NULL, 10) == s->n;
    if (i == JOURNAL) return r->len == s->len && model_hash(0, r->text, r->len) == s->hash;
    size_t len = model_value(value, m->conn, i, s->n);
    return r->len == len && memcmp(r->text, value, len) == 0;
}

static int misfits(const struct model *m, const struct found *f, int *first) {
    int n = 0;

    for (int i = SLOTS - 1; i >= 0; i--) {
        if (fits(m, i, &f[i])) continue;
        *first = i;
        n++;
    }
    return n;
}

/* Leaves in *m the state that fits; false, with the nearest one told, if none does. */
static bool find_state(const struct entry *e, struct model *m, const struct found *f) {
    int best = SLOTS + 1, best_slot = 0, slot = 0;
    uint64_t best_k = 0;
    char key[32];

    for (*m = e->acked;; model_apply(m)) {
        int n = misfits(m, f, &slot);
        if (n == 0) return true;
        if (n < best) {
            best = n;
            best_k = m->k;
            best_slot = slot;
        }
        if (m->k >= e->sent) break;
    }
    model_key(key, m->conn, best_slot);
    char *shown = resp_show(f[best_slot].value);
    fprintf(stderr,
            "conn %d: acknowledged %" PRIu64 ", sent %" PRIu64
            ": no state fits; nearest is %" PRIu64 " with %d wrong keys, first '%s' = %.60s\n",
            m->conn, e->acked.k, e->sent, best_k, best, key, shown);
    free(shown);
    return false;
}

static int keys_of(const struct model *m) {
    int n = 0;

    for (int i = 0; i < SLOTS; i++) n += m->slots[i].n != 0;
    return n;
}

static int verify_one(struct journal *j, int conn, int *keys) {
    static struct found f[SLOTS];
    struct model m;
    char db[12];
    int wrong = 0;

    snprintf(db, sizeof db, "%d", model_db(conn));
    resp_free(ask("SELECT", db));
    fetch(f, conn);
    if (!find_state(&j->of[conn], &m, f)) {
        wrong = 1;
    } else {
        j->of[conn].acked = m;
        j->of[conn].sent = m.k;
        *keys += keys_of(&m);
    }
    if (m.slots[COUNTER].n < j->of[conn ^ 1].seen) {
        fprintf(stderr, "conn %d: counter %" PRIu64 ", but %" PRIu64 " was seen\n", conn,
                m.slots[COUNTER].n, j->of[conn ^ 1].seen);
        wrong = 1;
    }
    for (int i = 0; i < SLOTS; i++) resp_free(f[i].value);
    return wrong;
}

/* Keys in all databases. */
static int count_keys(void) {
    char db[12];
    int n = 0;

    for (int i = 0; i < DB_COUNT; i++) {
        snprintf(db, sizeof db, "%d", i);
        resp_free(ask("SELECT", db));
        struct resp *r = ask("DBSIZE", NULL);
        n += (int)r->integer;
        resp_free(r);
    }
    return n;
}

int crash_verify(int port, const char *path) {
    static struct journal j;
    int wrong = 0, keys = 0;

    journal_read(&j, path, 0);
    if (resp_open(&server, port, NULL) < 0) {
        fprintf(stderr, "cannot connect\n");
        return 1;
    }
    for (int i = 0; i < j.conns; i++) wrong += verify_one(&j, i, &keys);
    int held = count_keys();
    if (!wrong && held != keys) {
        fprintf(stderr, "%d keys, should be %d\n", held, keys);
        wrong = 1;
    }
    if (!wrong) journal_write(&j, path);
    return wrong != 0;
}
