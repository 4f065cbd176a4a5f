/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The replication stream in the AOF: what was sent can be read back from the files byte for byte,
 * and a start knows which stream it is at, and how far.
 */
#include "stream_help.h"

#include "persistence/aof_stream.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

TestSuite(stream, .init = live_begin, .fini = live_end, .timeout = 300);

Test(stream, a_log_without_one_is_as_it_was) {
    live_start();
    live_data(1, 1);
    live_local(2, 2);
    live_model.now.db = 2;
    live_settle();
    live_stop();
    cr_assert(memmem(live_increment(1).p, live_increment(1).n, "#stet 1 ", 8) ==
              live_increment(1).p);
    cr_assert_null(memmem(live_increment(1).p, live_increment(1).n, "#@", 2));
    cr_assert_null(memmem(live_increment(1).p, live_increment(1).n, "#-", 2));
    live_start();
    cr_assert(live_nothing_loaded());
}

Test(stream, a_start_knows_where_it_was) {
    live_start();
    live_stream_begins(ID_A, 1000, -1);
    live_data(1, 1);
    live_local(3, 2);
    live_data(1, 2);
    live_note(14);
    live_master(2, 2);
    live_restart();
    live_expect_loaded(&live_model);
    cr_assert(memmem(live_increment(2).p, live_increment(2).n, "#stet 2 ", 8) ==
              live_increment(2).p);
}

Test(stream, what_was_sent_is_read_back) {
    live_start();
    live_stream_begins(ID_A, 0, -1);
    for (int i = 0; i < 50; i++) {
        live_something();
        if (i % 3 == 0) live_turn();
    }
    live_settle();
    for (uint64_t from = 1; from <= live_model.now.offset + 1; from += 1 + rng_below(200))
        live_expect_read(from, 1 + rng_below(5000));
    live_expect_read(live_model.now.offset + 1, 100);
    cr_assert(aof_stream_covers(live_aof, ID_A, 1));
    cr_assert(aof_stream_covers(live_aof, ID_A, live_model.now.offset + 1));
    cr_assert_not(aof_stream_covers(live_aof, ID_A, 0));
    cr_assert_not(aof_stream_covers(live_aof, ID_A, live_model.now.offset + 2));
    cr_assert_not(aof_stream_covers(live_aof, ID_B, 1));
}

Test(stream, an_empty_increment_after_a_rewrite_keeps_it_and_its_older_ids) {
    live_start();
    live_stream_begins(ID_A, 0, -1);
    live_data(1, 1);
    live_stream_is(ID_B, live_model.now.offset, 1);
    live_data(1, 1);
    live_stream_is(ID_C, live_model.now.offset, 1);
    cr_assert_eq(live_model.npasts, 2);
    live_rewrite();
    live_restart();
    live_expect_loaded(&live_model);
    live_rewrite();
    live_restart();
    live_expect_loaded(&live_model);
}

Test(stream, history_that_is_kept_is_read_too) {
    live_options.keep.all = true;
    live_start();
    live_stream_begins(ID_A, 0, -1);
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 20; k++) live_something();
        live_rewrite();
    }
    live_settle();
    live_expect_read(1, 1000);
    for (int i = 0; i < 2; i++) {
        live_restart();
        live_stream_begins(i ? ID_A : ID_B, live_model.now.offset, live_model.now.db);
        live_data(1, 1);
        live_settle();
        cr_assert(aof_stream_covers(live_aof, live_model.now.id, 1));
        live_expect_read(1, 1000);
    }
}

static void send_megabytes(int n) {
    struct bytes b = {0}, value = {0};

    memset(bytes_room(&value, 1 << 20), 'v', 1 << 20);
    bytes_printf(&b, "*3\r\n$3\r\nSET\r\n$2\r\nk1\r\n$%d\r\n", 1 << 20);
    bytes_append(&b, value.p, 1 << 20);
    bytes_append_str(&b, "\r\n");
    for (int i = 0; i < n; i++) {
        aof_append_bytes(live_aof, bytes_slice(&b), 0);
        live_send(b.p, b.n);
        live_turn();
    }
    live_model.now.db = 0;
    bytes_release(&b);
    bytes_release(&value);
}

Test(stream, a_start_indexes_what_it_reads) {
    struct aof_loaded l;
    struct err e = {0};
    int dirfd;

    live_start();
    live_stream_begins(ID_A, 0, 0);
    send_megabytes(70);
    live_settle();
    live_stop();
    dirfd = open("adir", O_RDONLY | O_DIRECTORY);
    keyspace_init(&live_ks, LIVE_DBS);
    cr_assert_eq(aof_load(dirfd, &live_loading, &l, &e), 0, "%s", e.text);
    cr_assert_eq(l.nfiles, 3);
    cr_assert_eq(l.files[2].npoints, 4, "%zu points", l.files[2].npoints);
    aof_loaded_release(&l);
    keyspace_release(&live_ks);
    close(dirfd);
    live_start();
    live_stream_is(ID_A, live_model.now.offset, 0);
    send_megabytes(3);
    live_settle();
    for (int i = 0; i < 5; i++) live_expect_read(1 + (uint64_t)i * (17 << 20), 1 << 20);
    live_expect_read(live_model.now.offset - 1000, 100);
}

/* ---------------------------------------------------------------- the base */

static bool base_is_at(uint64_t offset) {
    struct aof_stream_base b;

    return aof_stream_base(live_aof, &b) && b.offset == offset && b.bytes > 0;
}

static bool base_has_no_place(void) {
    struct aof_stream_base b;

    return !aof_stream_base(live_aof, &b);
}

/* The stream goes on in what a start has found. */
static void restart_and_go_on(void) {
    live_restart();
    live_stream_is(live_model.now.id, live_model.now.offset, live_model.now.db);
}

Test(stream, a_base_has_its_place_in_it) {
    uint64_t at;

    live_options.rdb_preamble = true;
    live_start();
    live_data(1, 1);
    live_stream_begins(ID_A, 1000, -1);
    live_data(1, 1);
    cr_assert(base_has_no_place(), "it was made before the stream began");
    restart_and_go_on();
    cr_assert(base_has_no_place());
    for (int i = 0; i < 3; i++) {
        at = live_model.now.offset;
        live_rewrite();
        cr_assert(base_is_at(at));
        live_master(1, 2);
        live_note(20);
        live_data(2, 1);
        cr_assert(base_is_at(at));
        restart_and_go_on();
        cr_assert(base_is_at(at));
        live_stream_is(i ? ID_B : ID_C, live_model.now.offset, live_model.now.db);
        live_data(1, 1);
        live_settle();
        cr_assert(base_is_at(at), "an older id is the same history");
        live_expect_read(at + 1, 1000);
    }
}

Test(stream, the_base_of_another_stream_has_no_place) {
    uint64_t at;

    live_options.rdb_preamble = true;
    live_start();
    live_stream_begins(ID_A, 1000, -1);
    live_data(1, 1);
    at = live_model.now.offset;
    live_rewrite();
    live_data(1, 1);
    live_stream_is(ID_B, 5, 2);
    for (int i = 0; i < 40; i++) live_data(1, 3);
    cr_assert_gt(live_model.now.offset, at);
    cr_assert(base_has_no_place());
    restart_and_go_on();
    cr_assert(base_has_no_place());
    at = live_model.now.offset;
    live_rewrite();
    cr_assert(base_is_at(at));
    aof_disable(live_aof);
    cr_assert(base_has_no_place());
}

/* The base and the stream would lead to a data set without it. */
Test(stream, a_local_write_takes_the_base_its_place) {
    live_options.rdb_preamble = true;
    live_start();
    live_stream_begins(ID_A, 1000, -1);
    live_data(1, 1);
    live_rewrite();
    live_data(2, 1);
    cr_assert_not(base_has_no_place());
    live_local(1, 1);
    cr_assert(base_has_no_place());
    restart_and_go_on();
    cr_assert(base_has_no_place());
    live_rewrite();
    cr_assert(base_is_at(live_model.now.offset));
    restart_and_go_on();
    live_data(3, 1);
    cr_assert_not(base_has_no_place());
}

Test(stream, a_base_of_commands_has_no_place) {
    live_start();
    live_stream_begins(ID_A, 1000, -1);
    live_data(1, 1);
    live_rewrite();
    cr_assert(base_has_no_place());
    restart_and_go_on();
    cr_assert(base_has_no_place());
}

struct open_base {
    atomic_bool ended;
    int fd;
};

static void base_opened(void *arg, int fd, const struct err *e) {
    struct open_base *o = arg;

    (void)e;
    usleep(300000); /* the rewrite is at its removals before this ends */
    o->fd = fd;
    atomic_store(&o->ended, true);
}

Test(stream, a_base_that_is_being_opened_outlives_rewrites) {
    struct open_base base = {0};
    struct aof_stream_base b;
    char magic[5];

    live_options.rdb_preamble = true;
    live_start();
    live_stream_begins(ID_A, 1000, -1);
    live_data(1, 1);
    live_rewrite();
    cr_assert(aof_stream_base(live_aof, &b));
    live_rewrite();
    cr_assert(aof_stream_base(live_aof, &b));
    aof_bgrewrite(live_aof); /* none begins while files are being opened */
    aof_stream_open_base(live_aof, base_opened, &base);
    live_rewrite();
    cr_assert(atomic_load(&base.ended), "the rewrite has waited for it");
    cr_assert_eq(pread(base.fd, magic, 5, 0), 5);
    cr_assert_arr_eq(magic, "REDIS", 5);
    close(base.fd);
}

Test(stream, what_is_appended_before_it_begins_again_ends_it) {
    live_start();
    live_stream_begins(ID_A, 0, -1);
    live_data(1, 1);
    live_restart();
    live_local(1, 1);
    cr_assert_not(aof_stream_covers(live_aof, ID_A, 1));
    live_restart();
    cr_assert(live_nothing_loaded());
}

Test(stream, a_jump_makes_it_another_one) {
    live_start();
    live_stream_begins(ID_A, 0, -1);
    live_data(1, 1);
    live_stream_is(ID_B, 500, 2);
    live_data(1, 1);
    live_settle();
    cr_assert_not(aof_stream_covers(live_aof, ID_A, 1));
    cr_assert_not(aof_stream_covers(live_aof, ID_B, 500));
    live_expect_read(501, 100);
    live_restart();
    live_expect_loaded(&live_model);
    cr_assert_eq(live_model.npasts, 0);
    live_stream_begins(ID_B, live_model.now.offset, 1);
    live_expect_read(501, 100);
    aof_stream_end(live_aof);
    live_data(2, 1);
    live_restart();
    cr_assert(live_nothing_loaded());
}

Test(stream, a_file_without_checksums_keeps_none_but_the_data) {
    live_options.checksum = false;
    live_start();
    live_stream_is(ID_A, 0, -1);
    for (int i = 0; i < 20; i++) live_something();
    live_settle();
    cr_assert_not(aof_stream_is_kept(live_aof));
    cr_assert_not(aof_stream_covers(live_aof, ID_A, 1));
    live_restart();
    cr_assert(live_nothing_loaded());
}

Test(stream, what_is_in_files_without_checksums_ends_it) {
    live_start();
    live_stream_begins(ID_A, 0, -1);
    live_data(1, 1);
    live_stop();
    live_options.checksum = false;
    live_start();
    live_expect_loaded(&live_model);
    live_stream_is(ID_A, live_model.now.offset, 1);
    live_data(1, 1);
    live_restart();
    cr_assert(live_nothing_loaded());
}

Test(stream, a_reader_follows_into_later_files) {
    struct bytes got = {0};
    struct err e = {0};
    struct aof_stream_reader *r;

    live_start();
    live_stream_begins(ID_A, 0, -1);
    live_data(1, 1);
    live_settle();
    r = aof_stream_open(live_aof, 1, &e);
    cr_assert(r, "%s", e.text);
    for (int i = 0; i < 6; i++) {
        for (int k = 0; k < 20; k++) live_something();
        if (i == 3) live_stream_is(ID_B, live_model.now.offset, live_model.now.db);
        if (i % 2) live_rewrite();
        live_settle();
        if (i == 2) continue;
        while (live_read(r, &got, 1000, &e) == 1) continue;
        cr_assert_eq(got.n, live_sent.n, "%zu of %zu: %s", got.n, live_sent.n, e.text);
    }
    cr_assert(memcmp(got.p, live_sent.p, live_sent.n) == 0);
    live_stream_is(ID_C, 77, -1);
    cr_assert_eq(live_read(r, &got, 1000, &e), -1);
    aof_stream_close(r);
    bytes_release(&got);
}

/* ---------------------------------------------------------------- a lot of it, on a thread */

static void large(size_t bytes) {
    struct bytes b = {0};

    bytes_printf(&b, "*3\r\n$3\r\nSET\r\n$2\r\nk1\r\n$%zu\r\n", bytes);
    memset(bytes_room(&b, bytes), 'x', bytes);
    b.n += bytes;
    bytes_append_str(&b, "\r\n");
    aof_append_bytes(live_aof, bytes_slice(&b), 1);
    live_send(b.p, b.n);
    live_model.now.db = 1;
    bytes_release(&b);
}

struct following {
    struct aof_stream_reader *r;
    struct bytes got;
    size_t want; /* bytes; then the thread ends */
    struct err e;
    int rc;
};

static void *follow(void *arg) {
    struct following *f = arg;

    mem_thread_init();
    do {
        f->rc = aof_stream_read(f->r, &f->got, 1 << 20, &f->e);
        if (f->rc == 0) usleep(1000);
    } while (f->rc >= 0 && f->got.n < f->want);
    return NULL;
}

Test(stream, a_thread_reads_what_is_written_meanwhile) {
    enum { UNITS = 600, UNIT = 100000 };
    struct following f = {0};
    pthread_t thread;
    uint64_t near_end;

    live_start();
    live_stream_begins(ID_A, 0, 1);
    f.r = aof_stream_open(live_aof, 1, &f.e);
    cr_assert(f.r);
    f.want = UNITS * (UNIT + 32);
    cr_assert_eq(pthread_create(&thread, NULL, follow, &f), 0);
    for (int i = 0; i < UNITS; i++) {
        large(UNIT);
        live_turn();
        if (i == UNITS / 2) live_rewrite();
    }
    cr_assert_eq(live_sent.n, f.want);
    live_settle();
    pthread_join(thread, NULL);
    cr_assert_geq(f.rc, 0, "%s", f.e.text);
    cr_assert_eq(f.got.n, live_sent.n);
    cr_assert(memcmp(f.got.p, live_sent.p, live_sent.n) == 0);
    aof_stream_close(f.r);
    bytes_release(&f.got);
    near_end = live_model.now.offset - 1000; /* found by the index */
    live_expect_read(near_end, 1 << 20);
}

/* Random units, files, ids and restarts. */
Test(stream, random_histories_are_read_back_and_loaded) {
    static const char *const ids[] = {ID_D, ID_E};
    uint64_t first = 0;

    for (int round = 0; round < 12; round++) {
        rng_seed(100 + (uint64_t)round);
        if (!live_aof) live_start();
        live_stream_begins(round % 2 ? ID_A : ID_B, rng_below(3) ? 0 : 123456789012, -1);
        first = live_model.now.offset + 1;
        for (int step = 0; step < 120; step++) {
            live_something();
            switch (rng_below(25)) {
            case 24:
                live_stream_was(ids[rng_below(2)], live_model.now.offset + rng_below(3000));
                break;
            case 0: live_settle(); break;
            case 1:
                live_rewrite();
                first = live_model.now.offset + 1;
                break;
            case 2:
                live_stream_is(live_model.now.id[0] == 'a' ? ID_C : ID_A, live_model.now.offset,
                               live_model.now.db);
                break;
            case 3:
                live_restart();
                live_expect_loaded(&live_model);
                live_stream_is(rng_below(2) ? live_model.now.id : ID_B, live_model.now.offset,
                               live_model.now.db);
                break;
            default:
                if (rng_below(2)) live_turn();
                break;
            }
        }
        live_settle();
        for (uint64_t from = first; from <= live_model.now.offset + 1; from += 1 + rng_below(900)) {
            cr_assert(aof_stream_covers(live_aof, live_model.now.id, from), "round %d", round);
            live_expect_read(from, 1 + rng_below(3000));
        }
        live_restart();
        live_expect_loaded(&live_model);
    }
}

/* What a master says of its older ids is as good as what was seen of them. */
Test(stream, a_start_knows_older_ids_that_were_told) {
    live_start();
    live_stream_begins(ID_A, 1000, -1);
    live_stream_was(ID_D, 900);
    live_stream_was(ID_E, live_model.now.offset + 1000000);
    live_data(1, 3);
    live_restart();
    live_expect_loaded(&live_model);
    live_rewrite();
    live_restart();
    live_expect_loaded(&live_model);
}

Test(stream, an_older_id_that_was_told_ends_where_another_one_begins) {
    live_start();
    live_stream_begins(ID_A, 1000, -1);
    live_stream_was(ID_E, live_model.now.offset + 1000000);
    live_data(1, 1);
    live_stream_is(ID_B, live_model.now.offset, 1);
    cr_assert_eq(live_model.past[0].end, live_model.now.offset);
    live_data(1, 3);
    live_restart();
    live_expect_loaded(&live_model);
}

/* Ids are told again and again (each link to a master does): only what is new is written. */
Test(stream, what_was_told_already_is_not_written_again) {
    uint64_t before;

    live_start();
    live_stream_begins(ID_A, 1000, -1);
    live_stream_was(ID_E, 900);
    before = aof_appended(live_aof);
    for (int i = 0; i < 10; i++) live_stream_was(ID_E, 900);
    cr_expect_eq(aof_appended(live_aof), before);
}

/* Torn at every byte of its last batch, the log has the stream as it was before that batch. */
Test(stream, a_torn_tail_gives_the_offset_of_what_is_left) {
    struct aof_stream_state before;
    struct bytes file = {0};
    char name[] = "adir/log.2.incr.aof";
    size_t whole;

    live_start();
    live_stream_begins(ID_A, 10, -1);
    live_data(1, 1);
    live_local(2, 1);
    live_settle();
    live_turn();
    before = live_model;
    whole = help_read(name).n;
    live_data(2, 2);
    live_note(20);
    live_stream_is(ID_B, live_model.now.offset, 2);
    live_settle();
    aof_stop(live_aof, 0);
    live_aof = NULL;
    keyspace_release(&live_ks);
    bytes_append(&file, help_read(name).p, help_read(name).n);
    for (size_t at = whole; at < file.n; at++) {
        struct aof_stream now;
        struct aof_stream_past past[AOF_STREAM_PASTS];
        size_t n;

        cr_assert_eq(system("rm -rf copy; cp -r adir copy"), 0);
        help_write("copy/log.2.incr.aof", slice_of(file.p, at));
        live_options.names.dirname = live_loading.names.dirname = "copy";
        live_start();
        cr_assert(aof_stream_loaded(live_aof, &now, past, &n));
        if (strcmp(now.id, ID_B) == 0 || now.offset == live_model.now.offset)
            cr_assert_eq(now.offset, live_model.now.offset);
        else
            live_expect_loaded(&before);
        live_stop();
    }
    bytes_release(&file);
}
