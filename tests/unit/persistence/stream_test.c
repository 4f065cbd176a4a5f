/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The replication stream in the AOF: what was sent can be read back from the files byte for byte,
 * and a start knows which stream it is at, and how far.
 */
#include "log_help.h"

#include "persistence/aof.h"
#include "persistence/aof_stream.h"
#include "storage/base/clock.h"
#include "storage/base/hash.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"
#include "storage/base/rng.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DBS = 4 };

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ID_C "0123456789abcdef0123456789abcdef01234567"

static struct keyspace ks;
static struct aof *aof;
static int selected;
static struct aof_options options;

/* The stream as it was sent. */
static struct aof_stream_state model;
static struct bytes sent;
static uint64_t sent_from; /* offset before its first byte */

/* ---------------------------------------------------------------- a very small server */

static void no_wake(void *arg) {
    (void)arg;
}

static bool may_fork(void *arg) {
    (void)arg;
    return aof_child(aof) == 0;
}

static const struct aof_hooks hooks = {.wake = no_wake, .may_fork = may_fork};

static void store(int db, struct slice key, struct slice value) {
    uint64_t hash = hash_bytes(key.p, key.n);
    struct db *d = &ks.dbs[db];

    db_set_string(d, key, hash, db_find(d, key, hash), value, ENTRY_NO_EXPIRE, 0);
}

static int replay(void *arg, size_t argc, const struct slice *argv, struct err *e) {
    int64_t n;

    (void)arg;
    if (slice_is(argv[0], "select") && argc == 2 && num_parse_i64(argv[1].p, argv[1].n, &n))
        selected = (int)n;
    else if (slice_is(argv[0], "set") && argc == 3)
        store(selected, argv[1], argv[2]);
    else
        return err_set(e, EINVAL, "what is '%.*s'?", (int)argv[0].n, argv[0].p);
    return 0;
}

static int load_rdb(void *arg, int fd, bool log_follows, uint64_t *end, struct err *e) {
    struct rdb_load o = {.read = {.rules = {.list = {.fill = -2}}, .checksum = true, .ndbs = DBS},
                         .ks = &ks};
    struct rdb_loaded got;

    (void)arg;
    (void)log_follows;
    if (rdb_load(fd, &o, &got, e) < 0) return -1;
    *end = got.report.at;
    return 0;
}

static struct aof_load_options loading;

static int try_start(struct err *e) {
    keyspace_init(&ks, DBS);
    selected = 0;
    aof = aof_new(&ks, &options, &hooks);
    return aof_start(aof, &loading, e);
}

static void start(void) {
    struct err e = {0};

    cr_assert_eq(try_start(&e), 0, "%s", e.text);
}

static void stop(void) {
    bool ok = aof_stop(aof, 20000);

    aof = NULL;
    keyspace_release(&ks);
    cr_assert(ok, "everything became durable");
}

static char tool[4200]; /* stet-check-aof, "" if it is not built */

static void begin(void) {
    const char *bin = getenv("STET_BIN");
    char cwd[2048];

    cr_assert(getcwd(cwd, sizeof cwd));
    snprintf(tool, sizeof tool, "%s%s%s/stet-check-aof", bin && bin[0] == '/' ? "" : cwd,
             bin && bin[0] == '/' ? "" : "/", bin ? bin : "build");
    if (access(tool, X_OK) != 0) tool[0] = '\0';
    help_begin();
    clock_refresh();
    rng_seed(4711);
    options = (struct aof_options){.names = {".", "adir", "log", "dump.rdb"},
                                   .policy = AOF_FSYNC_NO,
                                   .checksum = true,
                                   .load_truncated = true};
    loading = (struct aof_load_options){
        .names = options.names, .load_truncated = true, .command = replay, .rdb = load_rdb};
}

static void end(void) {
    if (aof) {
        aof_stop(aof, 0);
        keyspace_release(&ks);
    }
    bytes_release(&sent);
    help_end();
}

TestSuite(stream, .init = begin, .fini = end, .timeout = 300);

static void turn(void) {
    aof_on_wake(aof);
    aof_cron(aof);
    aof_hand_over(aof);
}

static bool all_written(void *arg) {
    (void)arg;
    turn();
    return aof_safe(aof, AOF_LEVEL_WRITTEN) >= aof_appended(aof);
}

static bool is_kept(void *arg) {
    (void)arg;
    turn();
    return aof_stream_is_kept(aof);
}

static bool is_quiet(void *arg) {
    struct aof_info i;

    (void)arg;
    turn();
    aof_get_info(aof, &i);
    return !i.rewrite_in_progress && !i.rewrite_scheduled;
}

static void settle(void) {
    cr_assert(help_wait(all_written, NULL));
    turn(); /* readers learn it */
}

static void rewrite(void) {
    aof_bgrewrite(aof);
    cr_assert(help_wait(is_quiet, NULL));
}

/* ---------------------------------------------------------------- the stream */

static void send(const void *p, size_t n) {
    bytes_append(&sent, p, n);
    model.now.offset += n;
}

static void stream_is(const char *id, uint64_t offset, int db) {
    struct aof_stream s = {.offset = offset, .db = db};

    snprintf(s.id, sizeof s.id, "%s", id);
    if (!aof_stream_goes_on(&model, &s)) {
        bytes_clear(&sent);
        sent_from = offset;
    }
    aof_stream_begin(aof, &s);
}

/* The same, once a restart would know it. */
static void stream_begins(const char *id, uint64_t offset, int db) {
    stream_is(id, offset, db);
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
        store(db, slice_str(key), slice_str(value));
    }
}

static void put_wrapped(struct bytes *b, const struct bytes *body, int n) {
    if (n > 1) bytes_append_str(b, "*1\r\n$5\r\nMULTI\r\n");
    bytes_append(b, body->p, body->n);
    if (n > 1) bytes_append_str(b, "*1\r\n$4\r\nEXEC\r\n");
}

static void data(int db, int n) {
    struct bytes body = {0}, all = {0};
    struct aof_unit u = {.ncommands = (size_t)n, .db = db, .last_db = db};

    put_sets(&body, db, n);
    u.resp = bytes_slice(&body);
    u.select = model.now.db != db;
    if (u.select) put_select(&all, db);
    put_wrapped(&all, &body, n);
    aof_append(aof, &u);
    send(all.p, all.n);
    model.now.db = db;
    bytes_release(&body);
    bytes_release(&all);
}

static void local(int db, int n) {
    struct bytes body = {0};
    struct aof_unit u = {.ncommands = (size_t)n, .db = db, .last_db = db};

    put_sets(&body, db, n);
    u.resp = bytes_slice(&body);
    aof_append_local(aof, &u);
    bytes_release(&body);
}

/* What a master sends: maybe a SELECT, then one command or a transaction. */
static void master(int db, int n) {
    struct bytes body = {0}, all = {0};

    put_sets(&body, db, n);
    if (model.now.db != db || rng_below(4) == 0) put_select(&all, db);
    put_wrapped(&all, &body, n);
    aof_append_bytes(aof, bytes_slice(&all), db);
    send(all.p, all.n);
    model.now.db = db;
    bytes_release(&body);
    bytes_release(&all);
}

static void note(size_t n) {
    struct bytes b = {0};

    for (size_t i = 0; i < n; i++) bytes_append_char(&b, (char)rng_below(256));
    aof_append_note(aof, bytes_slice(&b));
    send(b.p, b.n);
    bytes_release(&b);
}

static void something(void) {
    static const size_t notes[] = {0, 1, 14, 300, 4096};
    int db = (int)rng_below(DBS), n = 1 + (int)rng_below(3);

    switch (rng_below(4)) {
    case 0: data(db, n); break;
    case 1: local(db, n); break;
    case 2: master(db, n); break;
    default: note(notes[rng_below(5)]); break;
    }
}

/* ---------------------------------------------------------------- what there is */

static void expect_loaded(const struct aof_stream_state *want) {
    struct aof_stream now;
    struct aof_stream_past past[AOF_STREAM_PASTS];
    size_t n;

    cr_assert(aof_stream_loaded(aof, &now, past, &n));
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

static bool nothing_loaded(void) {
    struct aof_stream now;
    struct aof_stream_past past[AOF_STREAM_PASTS];
    size_t n;

    return !aof_stream_loaded(aof, &now, past, &n);
}

/* Everything in memory, as text. */
static void show_data(struct bytes *out) {
    for (int db = 0; db < DBS; db++)
        for (int k = 0; k < 9; k++) {
            char key[8];
            struct entry *e;

            snprintf(key, sizeof key, "k%d", k);
            e = db_find(&ks.dbs[db], slice_str(key), hash_bytes(key, strlen(key)));
            bytes_printf(out, "%d %s ", db, key);
            if (e) bytes_append(out, entry_string(e).p, entry_string(e).n);
            bytes_append_char(out, '\n');
        }
}

/* Stops, starts, and expects the same data. */
static void restart(void) {
    struct bytes before = {0}, after = {0};

    show_data(&before);
    stop();
    start();
    show_data(&after);
    cr_assert_str_eq(bytes_cstr(&before), bytes_cstr(&after));
    bytes_release(&before);
    bytes_release(&after);
}

/* What a reader gives from byte `from` on is what was sent. */
static void expect_read(uint64_t from, size_t max) {
    struct bytes got = {0};
    struct err e = {0};
    struct aof_stream_reader *r = aof_stream_open(aof, from, &e);
    struct slice want = {sent.p + (from - 1 - sent_from), sent.n - (from - 1 - sent_from)};
    int rc;

    cr_assert(r, "%s", e.text);
    while ((rc = aof_stream_read(r, &got, max, &e)) == 1) continue;
    cr_assert_eq(rc, 0, "%s", e.text);
    cr_assert_eq(got.n, want.n, "%zu bytes, not %zu", got.n, want.n);
    if (want.n) cr_assert(memcmp(got.p, want.p, want.n) == 0);
    aof_stream_close(r);
    bytes_release(&got);
}

static struct slice increment(int n) {
    char name[64];

    snprintf(name, sizeof name, "adir/log.%d.incr.aof", n);
    return help_read(name);
}

/* ---------------------------------------------------------------- tests */

Test(stream, a_log_without_one_is_as_it_was) {
    start();
    data(1, 1);
    local(2, 2);
    model.now.db = 2;
    settle();
    stop();
    cr_assert(memmem(increment(1).p, increment(1).n, "#stet 1 ", 8) == increment(1).p);
    cr_assert_null(memmem(increment(1).p, increment(1).n, "#@", 2));
    cr_assert_null(memmem(increment(1).p, increment(1).n, "#-", 2));
    start();
    cr_assert(nothing_loaded());
}

Test(stream, a_start_knows_where_it_was) {
    start();
    stream_begins(ID_A, 1000, -1);
    data(1, 1);
    local(3, 2);
    data(1, 2);
    note(14);
    master(2, 2);
    restart();
    expect_loaded(&model);
    cr_assert(memmem(increment(2).p, increment(2).n, "#stet 2 ", 8) == increment(2).p);
}

Test(stream, what_was_sent_is_read_back) {
    start();
    stream_begins(ID_A, 0, -1);
    for (int i = 0; i < 50; i++) {
        something();
        if (i % 3 == 0) turn();
    }
    settle();
    for (uint64_t from = 1; from <= model.now.offset + 1; from += 1 + rng_below(200))
        expect_read(from, 1 + rng_below(5000));
    expect_read(model.now.offset + 1, 100);
    cr_assert(aof_stream_covers(aof, ID_A, 1));
    cr_assert(aof_stream_covers(aof, ID_A, model.now.offset + 1));
    cr_assert_not(aof_stream_covers(aof, ID_A, 0));
    cr_assert_not(aof_stream_covers(aof, ID_A, model.now.offset + 2));
    cr_assert_not(aof_stream_covers(aof, ID_B, 1));
}

Test(stream, an_empty_increment_after_a_rewrite_keeps_it_and_its_older_ids) {
    start();
    stream_begins(ID_A, 0, -1);
    data(1, 1);
    stream_is(ID_B, model.now.offset, 1);
    data(1, 1);
    stream_is(ID_C, model.now.offset, 1);
    cr_assert_eq(model.npasts, 2);
    rewrite();
    restart();
    expect_loaded(&model);
    rewrite();
    restart();
    expect_loaded(&model);
}

Test(stream, what_is_appended_before_it_begins_again_ends_it) {
    start();
    stream_begins(ID_A, 0, -1);
    data(1, 1);
    restart();
    local(1, 1);
    cr_assert_not(aof_stream_covers(aof, ID_A, 1));
    restart();
    cr_assert(nothing_loaded());
}

Test(stream, a_jump_makes_it_another_one) {
    start();
    stream_begins(ID_A, 0, -1);
    data(1, 1);
    stream_is(ID_B, 500, 2);
    data(1, 1);
    settle();
    cr_assert_not(aof_stream_covers(aof, ID_A, 1));
    cr_assert_not(aof_stream_covers(aof, ID_B, 500));
    expect_read(501, 100);
    restart();
    expect_loaded(&model);
    cr_assert_eq(model.npasts, 0);
    stream_begins(ID_B, model.now.offset, 1);
    expect_read(501, 100);
    aof_stream_end(aof);
    data(2, 1);
    restart();
    cr_assert(nothing_loaded());
}

Test(stream, a_file_without_checksums_keeps_none_but_the_data) {
    options.checksum = false;
    start();
    stream_is(ID_A, 0, -1);
    for (int i = 0; i < 20; i++) something();
    settle();
    cr_assert_not(aof_stream_is_kept(aof));
    cr_assert_not(aof_stream_covers(aof, ID_A, 1));
    restart();
    cr_assert(nothing_loaded());
}

Test(stream, what_is_in_files_without_checksums_ends_it) {
    start();
    stream_begins(ID_A, 0, -1);
    data(1, 1);
    stop();
    options.checksum = false;
    start();
    expect_loaded(&model);
    stream_is(ID_A, model.now.offset, 1);
    data(1, 1);
    restart();
    cr_assert(nothing_loaded());
}

Test(stream, a_reader_follows_into_later_files) {
    struct bytes got = {0};
    struct err e = {0};
    struct aof_stream_reader *r;

    start();
    stream_begins(ID_A, 0, -1);
    data(1, 1);
    settle();
    r = aof_stream_open(aof, 1, &e);
    cr_assert(r, "%s", e.text);
    for (int i = 0; i < 6; i++) {
        for (int k = 0; k < 20; k++) something();
        if (i == 3) stream_is(ID_B, model.now.offset, model.now.db);
        if (i % 2) rewrite();
        settle();
        if (i == 2) continue;
        while (aof_stream_read(r, &got, 1000, &e) == 1) continue;
        cr_assert_eq(got.n, sent.n, "%zu of %zu: %s", got.n, sent.n, e.text);
    }
    cr_assert(memcmp(got.p, sent.p, sent.n) == 0);
    stream_is(ID_C, 77, -1);
    cr_assert_eq(aof_stream_read(r, &got, 1000, &e), -1);
    aof_stream_close(r);
    bytes_release(&got);
}

/* Random units, files, ids and restarts. */
Test(stream, random_histories_are_read_back_and_loaded) {
    uint64_t first = 0;

    for (int round = 0; round < 12; round++) {
        rng_seed(100 + (uint64_t)round);
        if (!aof) start();
        stream_begins(round % 2 ? ID_A : ID_B, rng_below(3) ? 0 : 123456789012, -1);
        first = model.now.offset + 1;
        for (int step = 0; step < 120; step++) {
            something();
            switch (rng_below(24)) {
            case 0: settle(); break;
            case 1:
                rewrite();
                first = model.now.offset + 1;
                break;
            case 2:
                stream_is(model.now.id[0] == 'a' ? ID_C : ID_A, model.now.offset, model.now.db);
                break;
            case 3:
                restart();
                expect_loaded(&model);
                stream_is(rng_below(2) ? model.now.id : ID_B, model.now.offset, model.now.db);
                break;
            default:
                if (rng_below(2)) turn();
                break;
            }
        }
        settle();
        for (uint64_t from = first; from <= model.now.offset + 1; from += 1 + rng_below(900)) {
            cr_assert(aof_stream_covers(aof, model.now.id, from), "round %d", round);
            expect_read(from, 1 + rng_below(3000));
        }
        restart();
        expect_loaded(&model);
    }
}

/* ---------------------------------------------------------------- another data set */

/* Replaces the data set by one with some keys, and gives the AOF its file. */
static void replace(bool says_position) {
    struct rdb_save o = {.ks = &ks,
                         .checksum = true,
                         .aof_base = says_position,
                         .aof_position = says_position ? 99 : 0};
    char name[AOF_NAME_MAX], path[AOF_NAME_MAX + 8];
    struct err e = {0};
    FILE *f;

    cr_assert_geq(aof_temp_name(aof, name), 0);
    keyspace_release(&ks);
    keyspace_init(&ks, DBS);
    for (int i = 0; i < 3; i++) store(i, SLICE("k1"), SLICE("full sync"));
    snprintf(path, sizeof path, "adir/%s", name);
    f = fopen(path, "w");
    cr_assert(f);
    cr_assert_eq(rdb_write(&o, fileno(f), NULL, &e), 0, "%s", e.text);
    fclose(f);
    aof_enable_with(aof, name);
    cr_assert_eq(aof_phase(aof), AOF_ENABLING);
}

static bool is_on(void *arg) {
    (void)arg;
    turn();
    return aof_phase(aof) == AOF_ON;
}

static bool temp_is_left(void) {
    return system("ls adir | grep -q temp-") == 0;
}

static void becomes_on(void) {
    cr_assert(help_wait(is_on, NULL));
    cr_assert(help_wait(all_written, NULL));
    turn();
}

Test(stream, a_full_sync_becomes_the_base_with_what_follows) {
    for (int round = 0; round < 6; round++) {
        if (!aof) start();
        if (round != 1) stream_begins(ID_A, model.now.offset + 5, -1);
        if (round != 1) data(1, 1);
        if (round == 2) aof_disable(aof);
        if (round == 3) aof_bgrewrite(aof); /* which is given up */
        replace(false);
        if (round == 4) { /* another one at once */
            data(1, 1);
            replace(false);
        }
        stream_is(ID_B, 7777, -1);
        for (int i = 0; i < 30; i++) something();
        if (round == 5) turn();
        for (int i = 0; i < 30; i++) something();
        becomes_on();
        cr_assert(aof_stream_is_kept(aof));
        for (int i = 0; i < 30; i++) something();
        settle();
        expect_read(7778, 1000);
        cr_assert(aof_stream_covers(aof, ID_B, 7778));
        cr_assert_not(aof_stream_covers(aof, ID_B, 7777));
        restart();
        expect_loaded(&model);
        cr_assert_not(temp_is_left());
        if (round % 2) rewrite();
    }
}

Test(stream, a_full_sync_that_cannot_be_the_base_is_written_by_a_child) {
    start();
    stream_begins(ID_A, 0, -1);
    data(1, 1);
    replace(true);
    stream_is(ID_B, 7777, -1);
    for (int i = 0; i < 30; i++) something();
    becomes_on();
    data(1, 1);
    settle();
    restart();
    expect_loaded(&model);
    cr_assert_not(temp_is_left());
}

Test(stream, a_crash_before_a_full_sync_is_published_leaves_the_old_log) {
    struct aof_stream_state before;
    struct bytes was = {0}, is = {0};

    start();
    stream_begins(ID_A, 0, -1);
    data(1, 1);
    settle();
    before = model;
    show_data(&was);
    replace(false);
    stream_is(ID_B, 7777, -1);
    for (int i = 0; i < 30; i++) something();
    aof_stop(aof, 20000);
    keyspace_release(&ks);
    start();
    show_data(&is);
    cr_assert_str_eq(bytes_cstr(&was), bytes_cstr(&is));
    expect_loaded(&before);
    cr_assert_not(temp_is_left());
    bytes_release(&was);
    bytes_release(&is);
}

/* Torn at every byte of its last batch, the log has the stream as it was before that batch. */
Test(stream, a_torn_tail_gives_the_offset_of_what_is_left) {
    struct aof_stream_state before;
    struct bytes file = {0};
    char name[] = "adir/log.2.incr.aof";
    size_t whole;

    start();
    stream_begins(ID_A, 10, -1);
    data(1, 1);
    local(2, 1);
    settle();
    turn();
    before = model;
    whole = help_read(name).n;
    data(2, 2);
    note(20);
    stream_is(ID_B, model.now.offset, 2);
    settle();
    aof_stop(aof, 0);
    aof = NULL;
    keyspace_release(&ks);
    bytes_append(&file, help_read(name).p, help_read(name).n);
    for (size_t at = whole; at < file.n; at++) {
        struct aof_stream now;
        struct aof_stream_past past[AOF_STREAM_PASTS];
        size_t n;

        cr_assert_eq(system("rm -rf copy; cp -r adir copy"), 0);
        help_write("copy/log.2.incr.aof", slice_of(file.p, at));
        options.names.dirname = loading.names.dirname = "copy";
        start();
        cr_assert(aof_stream_loaded(aof, &now, past, &n));
        if (strcmp(now.id, ID_B) == 0 || now.offset == model.now.offset)
            cr_assert_eq(now.offset, model.now.offset);
        else
            expect_loaded(&before);
        stop();
    }
    bytes_release(&file);
}

/* ---------------------------------------------------------------- other programs */

/* A log with every kind of mark; the server has stopped. */
static void make_log(void) {
    start();
    stream_begins(ID_A, 0, -1);
    for (int i = 0; i < 200; i++) {
        something();
        if (i % 7 == 0) turn();
        if (i == 90) stream_is(ID_B, model.now.offset, model.now.db);
        if (i == 100) rewrite();
    }
    settle();
}

static int run(const char *fmt, const char *arg) {
    char command[8192];
    int n = snprintf(command, sizeof command, fmt, arg);

    snprintf(command + n, sizeof command - (size_t)n, " >out.txt 2>&1");
    return system(command);
}

Test(stream, redis_loads_it) {
    struct bytes want = {0};

    if (run("command -v redis-server redis-check-aof%s", "") != 0) return;
    make_log();
    show_data(&want);
    stop();
    help_write("want", bytes_slice(&want));
    cr_assert_eq(run("redis-check-aof adir/log.manifest%s", ""), 0, "%.*s",
                 (int)help_read("out.txt").n, help_read("out.txt").p);
    help_write("look", SLICE("redis-server --port 0 --unixsocket s.sock --appendonly yes "
                             "--appenddirname adir --appendfilename log --save '' >log.txt 2>&1 &\n"
                             "for i in $(seq 200); do\n"
                             "  redis-cli -s s.sock ping 2>&1 | grep -q PONG && break\n"
                             "  sleep 0.05\n"
                             "done\n"
                             "for db in 0 1 2 3; do for k in 0 1 2 3 4 5 6 7 8; do\n"
                             "  echo \"$db k$k $(redis-cli -s s.sock -n $db get k$k)\"\n"
                             "done; done >got\n"
                             "redis-cli -s s.sock shutdown nosave\n"
                             "wait\n"
                             "cat log.txt; diff want got\n"));
    cr_assert_eq(run("sh look%s", ""), 0, "%.*s", (int)help_read("out.txt").n,
                 help_read("out.txt").p);
    bytes_release(&want);
}

Test(stream, the_check_tool_knows_its_marks) {
    struct bytes was = {0}, is = {0};

    if (!tool[0]) return;
    make_log();
    show_data(&was);
    stop();
    cr_assert_eq(run("%s adir/log.manifest", tool), 0, "%.*s", (int)help_read("out.txt").n,
                 help_read("out.txt").p);
    cr_assert_eq(run("%s --salvage saved adir/log.manifest", tool), 0, "%.*s",
                 (int)help_read("out.txt").n, help_read("out.txt").p);
    options.names.dirname = loading.names.dirname = "saved";
    start();
    show_data(&is);
    cr_assert_str_eq(bytes_cstr(&is), bytes_cstr(&was));
    cr_assert(nothing_loaded());
    bytes_release(&was);
    bytes_release(&is);
}

/* What --fix cuts, it cuts from the stream too. */
Test(stream, a_repaired_log_has_the_stream_of_what_is_left) {
    struct aof_stream_state before;
    size_t whole;
    struct bytes file = {0};

    if (!tool[0]) return;
    start();
    stream_begins(ID_A, 0, -1);
    data(1, 1);
    settle();
    before = model;
    whole = help_read("adir/log.2.incr.aof").n;
    data(2, 1);
    settle();
    stop();
    bytes_append(&file, help_read("adir/log.2.incr.aof").p, help_read("adir/log.2.incr.aof").n);
    file.p[whole + 20] ^= 1;
    help_write("adir/log.2.incr.aof", bytes_slice(&file));
    cr_assert_eq(run("%s --fix --yes adir/log.manifest", tool), 0, "%.*s",
                 (int)help_read("out.txt").n, help_read("out.txt").p);
    start();
    expect_loaded(&before);
    model = before;
    sent.n = before.now.offset;
    stream_begins(ID_B, model.now.offset, model.now.db);
    data(3, 2);
    settle();
    expect_read(1, 1000);
    restart();
    expect_loaded(&model);
    bytes_release(&file);
}

Test(stream, a_format_that_is_not_known_is_refused_and_not_cut) {
    struct aof_epoch h = {.id = 7, .epoch = 2, .ms = 1, .version = 3};
    struct bytes file = {0};
    struct err e = {0};

    start();
    data(1, 1);
    settle();
    stop();
    file.n = aof_mark_header(bytes_room(&file, AOF_MARK_MAX), &h, 0);
    bytes_append_str(&file, "#{\r\nwhatever it is\r\n");
    help_write("adir/log.1.incr.aof", bytes_slice(&file));
    cr_assert_eq(try_start(&e), -1);
    cr_assert(strstr(e.text, "is of a format that this version does not know"), "%s", e.text);
    cr_assert(slice_eq(help_read("adir/log.1.incr.aof"), bytes_slice(&file)));
    if (tool[0]) {
        cr_assert_neq(run("%s --fix --yes adir/log.manifest", tool), 0);
        cr_assert(slice_eq(help_read("adir/log.1.incr.aof"), bytes_slice(&file)));
    }
    bytes_release(&file);
}
