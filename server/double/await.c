/* SPDX-License-Identifier: BSD-3-Clause
 *
 * await - TEST WAIT: answers once something is so. It is looked at in each turn of the loop.
 */
#include "server/double/impl.h"
#include "server/exec/interest.h"
#include "storage/base/hash.h"
#include "storage/base/mem.h"

/* The key of WAIT BLOCKED, with its bytes. */
struct awaited_key {
    int db;
    size_t n;
    char bytes[];
};

static size_t count_blocked(const struct engine *e, const struct awaited_key *key) {
    struct slice name = {(char *)key->bytes, key->n};
    const struct interest *k =
        interest_find(&e->interests, key->db, name, hash_bytes(name.p, name.n));
    size_t n = 0;

    if (!k) return 0;
    list_each (it, &k->waits) n++;
    return n;
}

static bool is_blocked(const struct blocked *b) {
    return count_blocked(b->s->e, errand_job(b)) >= (size_t)b->args[0];
}

static void answer_blocked(struct blocked *b, struct reply *r) {
    reply_int(r, (int64_t)count_blocked(b->s->e, errand_job(b)));
}

static int wait_blocked(struct call *x) {
    struct slice name = x->argv[3];
    struct awaited_key *key;
    int64_t n = 1;

    if (x->argc == 5 && !arg_int_range(x, 4, 0, INT32_MAX, &n, ERR_NOT_INT)) return -1;
    key = mem_alloc(sizeof *key + name.n + 1);
    key->db = x->db->id;
    key->n = name.n;
    memcpy(key->bytes, name.p, name.n);
    errand(x, &(struct errand){.is_so = is_blocked, .job = key}, answer_blocked, n, 0);
    return 0;
}

static bool are_connected(const struct blocked *b) {
    return engine_clients(b->s->e) >= (size_t)b->args[0];
}

static void answer_clients(struct blocked *b, struct reply *r) {
    reply_int(r, (int64_t)engine_clients(b->s->e));
}

static int wait_clients(struct call *x) {
    int64_t n;

    if (!arg_int_range(x, 3, 0, INT32_MAX, &n, ERR_NOT_INT)) return -1;
    errand(x, &(struct errand){.is_so = are_connected}, answer_clients, n, 0);
    return 0;
}

static bool is_idle(const struct blocked *b) {
    const struct test_double *d = b->s->e->test_double;
    bool idle = fixtures_are_idle(d) && list_empty(&d->troubled);

    if (idle && d->app.is_idle) idle = d->app.is_idle(d->app.arg, b->s);
    if (!idle && d->app.hurry) d->app.hurry(d->app.arg);
    return idle;
}

int test_wait(struct call *x) {
    if (arg_is(x, 2, "blocked") && (x->argc == 4 || x->argc == 5)) return wait_blocked(x);
    if (arg_is(x, 2, "clients") && x->argc == 4) return wait_clients(x);
    if (!arg_is(x, 2, "idle") || x->argc != 3) return reply_err(x, ERR_SYNTAX);
    errand(x, &(struct errand){.is_so = is_idle}, answer_ok, 0, 0);
    return 0;
}
