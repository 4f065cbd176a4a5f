/* SPDX-License-Identifier: BSD-3-Clause */
#include "stream_help.h"

#include "persistence/aof_stream.h"
#include "storage/base/clock.h"
#include "storage/base/hash.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"
#include "storage/base/rng.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DBS = LIVE_DBS };

struct keyspace live_ks;
struct aof *live_aof;
static int selected;
struct aof_options live_options;

/* The stream as it was sent. */
struct aof_stream_state live_model;
struct bytes live_sent;
uint64_t live_sent_from; /* offset before its first byte */

/* ---------------------------------------------------------------- a very small server */

static void no_wake(void *arg) {
    (void)arg;
}

static bool may_fork(void *arg) {
    (void)arg;
    return aof_child(live_aof) == 0;
}

static void rdb_options(void *arg, struct rdb_save *o) {
    (void)arg;
    *o = (struct rdb_save){.checksum = true};
}

static const struct aof_hooks hooks = {.wake = no_wake, .may_fork = may_fork, .rdb = rdb_options};

void live_store(int db, struct slice key, struct slice value) {
    uint64_t hash = hash_bytes(key.p, key.n);
    struct db *d = &live_ks.dbs[db];

    db_set_string(d, key, hash, db_find(d, key, hash), value, ENTRY_NO_EXPIRE, 0);
}

static int replay(void *arg, size_t argc, const struct slice *argv, struct err *e) {
    int64_t n;

    (void)arg;
    if (slice_is(argv[0], "select") && argc == 2 && num_parse_i64(argv[1].p, argv[1].n, &n))
        selected = (int)n;
    else if (slice_is(argv[0], "set") && argc == 3)
        live_store(selected, argv[1], argv[2]);
    else
        return err_set(e, EINVAL, "what is '%.*s'?", (int)argv[0].n, argv[0].p);
    return 0;
}

static int load_rdb(void *arg, int fd, bool log_follows, uint64_t *end, struct err *e) {
    struct rdb_load o = {.read = {.rules = {.list = {.fill = -2}}, .checksum = true, .ndbs = DBS},
                         .ks = &live_ks};
    struct rdb_loaded got;

    (void)arg;
    (void)log_follows;
    if (rdb_load(fd, &o, &got, e) < 0) return -1;
    *end = got.report.at;
    return 0;
}

struct aof_load_options live_loading;

int live_try_start(struct err *e) {
    keyspace_init(&live_ks, DBS);
    selected = 0;
    live_aof = aof_new(&live_ks, &live_options, &hooks);
    return aof_start(live_aof, &live_loading, e);
}

void live_start(void) {
    struct err e = {0};

    cr_assert_eq(live_try_start(&e), 0, "%s", e.text);
}

void live_stop(void) {
    bool ok = aof_stop(live_aof, 20000);

    live_aof = NULL;
    keyspace_release(&live_ks);
    cr_assert(ok, "everything became durable");
}

char live_tool[4200]; /* stet-check-aof, "" if it is not built */

void live_begin(void) {
    const char *bin = getenv("STET_BIN");
    char cwd[2048];

    cr_assert(getcwd(cwd, sizeof cwd));
    snprintf(live_tool, sizeof live_tool, "%s%s%s/stet-check-aof", bin && bin[0] == '/' ? "" : cwd,
             bin && bin[0] == '/' ? "" : "/", bin ? bin : "build");
    if (access(live_tool, X_OK) != 0) live_tool[0] = '\0';
    help_begin();
    clock_refresh();
    rng_seed(4711);
    live_options = (struct aof_options){.names = {".", "adir", "log", "dump.rdb"},
                                        .policy = AOF_FSYNC_NO,
                                        .checksum = true,
                                        .load_truncated = true};
    live_loading = (struct aof_load_options){
        .names = live_options.names, .load_truncated = true, .command = replay, .rdb = load_rdb};
}

void live_end(void) {
    if (live_aof) {
        aof_stop(live_aof, 0);
        keyspace_release(&live_ks);
    }
    bytes_release(&live_sent);
    help_end();
}

void live_turn(void) {
    aof_on_wake(live_aof);
    aof_cron(live_aof);
    aof_hand_over(live_aof);
}

bool live_all_written(void *arg) {
    (void)arg;
    live_turn();
    return aof_safe(live_aof, AOF_LEVEL_WRITTEN) >= aof_appended(live_aof);
}

static bool is_kept(void *arg) {
    (void)arg;
    live_turn();
    return aof_stream_is_kept(live_aof);
}

static bool is_quiet(void *arg) {
    struct aof_info i;

    (void)arg;
    live_turn();
    aof_get_info(live_aof, &i);
    return !i.rewrite_in_progress && !i.rewrite_scheduled;
}

void live_settle(void) {
    cr_assert(help_wait(live_all_written, NULL));
    live_turn(); /* readers learn it */
}

void live_rewrite(void) {
    aof_bgrewrite(live_aof);
    cr_assert(help_wait(is_quiet, NULL));
}

/* ---------------------------------------------------------------- the stream */

void live_send(const void *p, size_t n) {
    bytes_append(&live_sent, p, n);
    live_model.now.offset += n;
}

void live_stream_is(const char *id, uint64_t offset, int db) {
    struct aof_stream s = {.offset = offset, .db = db};

    snprintf(s.id, sizeof s.id, "%s", id);
    if (!aof_stream_goes_on(&live_model, &s)) {
        bytes_clear(&live_sent);
        live_sent_from = offset;
    }
    aof_stream_begin(live_aof, &s);
}

/* A master tells of an older id, `end` may lie ahead. */
void live_stream_was(const char *id, uint64_t end) {
    struct aof_stream_past past = {.end = end};

    snprintf(past.id, sizeof past.id, "%s", id);
    aof_stream_add_past(&live_model, id, end);
    aof_stream_tell_pasts(live_aof, &past, 1);
}

/* The same, once a restart would know it. */
void live_stream_begins(const char *id, uint64_t offset, int db) {
    live_stream_is(id, offset, db);
    cr_assert(help_wait(is_kept, NULL));
}

static void put_select(struct bytes *b, int db) {
    char words[32];

    snprintf(words, sizeof words, "SELECT %d", db);
    put_command(b, words);
}

static void put_sets(struct bytes *b, int db, int n) {
    for (int i = 0; i < n; i++) {
        char words[64], key[16], value[24];

        snprintf(key, sizeof key, "k%d", (int)rng_below(9));
        snprintf(value, sizeof value, "v%d", (int)rng_below(1000000));
        snprintf(words, sizeof words, "SET %s %s", key, value);
        put_command(b, words);
        live_store(db, slice_str(key), slice_str(value));
    }
}

static void put_wrapped(struct bytes *b, const struct bytes *body, int n) {
    if (n > 1) bytes_append_str(b, "*1\r\n$5\r\nMULTI\r\n");
    bytes_append(b, body->p, body->n);
    if (n > 1) bytes_append_str(b, "*1\r\n$4\r\nEXEC\r\n");
}

void live_data(int db, int n) {
    struct bytes body = {0}, all = {0};
    struct aof_unit u = {.ncommands = (size_t)n, .db = db, .last_db = db};

    put_sets(&body, db, n);
    u.resp = bytes_slice(&body);
    u.select = live_model.now.db != db;
    if (u.select) put_select(&all, db);
    put_wrapped(&all, &body, n);
    aof_append(live_aof, &u);
    live_send(all.p, all.n);
    live_model.now.db = db;
    bytes_release(&body);
    bytes_release(&all);
}

void live_local(int db, int n) {
    struct bytes body = {0};
    struct aof_unit u = {.ncommands = (size_t)n, .db = db, .last_db = db};

    put_sets(&body, db, n);
    u.resp = bytes_slice(&body);
    aof_append_local(live_aof, &u);
    bytes_release(&body);
}

/* What a master sends: maybe a SELECT, then one command or a transaction. */
void live_master(int db, int n) {
    struct bytes body = {0}, all = {0};

    put_sets(&body, db, n);
    if (live_model.now.db != db || rng_below(4) == 0) put_select(&all, db);
    put_wrapped(&all, &body, n);
    aof_append_bytes(live_aof, bytes_slice(&all), db);
    live_send(all.p, all.n);
    live_model.now.db = db;
    bytes_release(&body);
    bytes_release(&all);
}

void live_note(size_t n) {
    struct bytes b = {0};

    for (size_t i = 0; i < n; i++) bytes_append_char(&b, (char)rng_below(256));
    aof_append_note(live_aof, bytes_slice(&b));
    live_send(b.p, b.n);
    bytes_release(&b);
}

void live_something(void) {
    static const size_t notes[] = {0, 1, 14, 300, 4096};
    int db = (int)rng_below(DBS), n = 1 + (int)rng_below(3);

    switch (rng_below(4)) {
    case 0: live_data(db, n); break;
    case 1: live_local(db, n); break;
    case 2: live_master(db, n); break;
    default: live_note(notes[rng_below(5)]); break;
    }
}

/* ---------------------------------------------------------------- what there is */

void live_expect_loaded(const struct aof_stream_state *want) {
    struct aof_stream now;
    struct aof_stream_past past[AOF_STREAM_PASTS];
    size_t n;

    cr_assert(aof_stream_loaded(live_aof, &now, past, &n));
    cr_assert_str_eq(now.id, want->now.id);
    cr_assert_eq(now.offset, want->now.offset, "%llu, not %llu", (unsigned long long)now.offset,
                 (unsigned long long)want->now.offset);
    cr_assert_eq(now.db, want->now.db);
    cr_assert_eq(n, want->npasts, "%zu ids, not %zu", n, want->npasts);
    for (size_t i = 0; i < n; i++) {
        cr_assert_str_eq(past[i].id, want->past[i].id);
        cr_assert_eq(past[i].end, want->past[i].end);
    }
}

bool live_nothing_loaded(void) {
    struct aof_stream now;
    struct aof_stream_past past[AOF_STREAM_PASTS];
    size_t n;

    return !aof_stream_loaded(live_aof, &now, past, &n);
}

/* Everything in memory, as text. */
void live_show_data(struct bytes *out) {
    for (int db = 0; db < DBS; db++)
        for (int k = 0; k < 9; k++) {
            char key[8];
            struct entry *e;

            snprintf(key, sizeof key, "k%d", k);
            e = db_find(&live_ks.dbs[db], slice_str(key), hash_bytes(key, strlen(key)));
            bytes_printf(out, "%d %s ", db, key);
            if (e) bytes_append(out, entry_string(e).p, entry_string(e).n);
            bytes_append_char(out, '\n');
        }
}

/* Stops, starts, and expects the same data. */
void live_restart(void) {
    struct bytes before = {0}, after = {0};

    live_show_data(&before);
    live_stop();
    live_start();
    live_show_data(&after);
    cr_assert_str_eq(bytes_cstr(&before), bytes_cstr(&after));
    bytes_release(&before);
    bytes_release(&after);
}

static bool is_open(void *r) {
    return aof_stream_is_open(r);
}

int live_read(struct aof_stream_reader *r, struct bytes *out, size_t max, struct err *e) {
    cr_assert(help_wait(is_open, r));
    return aof_stream_read(r, out, max, e);
}

/* What a reader gives from byte `from` on is what was sent. */
void live_expect_read(uint64_t from, size_t max) {
    struct bytes got = {0};
    struct err e = {0};
    struct aof_stream_reader *r = aof_stream_open(live_aof, from, &e);
    struct slice want = {live_sent.p + (from - 1 - live_sent_from),
                         live_sent.n - (from - 1 - live_sent_from)};
    int rc;

    cr_assert(r, "%s", e.text);
    while ((rc = live_read(r, &got, max, &e)) == 1) continue;
    cr_assert_eq(rc, 0, "%s", e.text);
    cr_assert_eq(got.n, want.n, "%zu bytes, not %zu", got.n, want.n);
    if (want.n) cr_assert(memcmp(got.p, want.p, want.n) == 0);
    aof_stream_close(r);
    bytes_release(&got);
}

struct slice live_increment(int n) {
    char name[64];

    snprintf(name, sizeof name, "adir/log.%d.incr.aof", n);
    return help_read(name);
}

static bool is_on(void *arg) {
    (void)arg;
    live_turn();
    return aof_phase(live_aof) == AOF_ON;
}

void live_becomes_on(void) {
    cr_assert(help_wait(is_on, NULL));
    cr_assert(help_wait(live_all_written, NULL));
    live_turn();
}
