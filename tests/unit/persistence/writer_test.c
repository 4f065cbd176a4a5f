/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The writer's threads: order, positions, policies, a disk that fails.
 */
#include "log_help.h"

#include "persistence/aof_room.h"
#include "persistence/aof_writer.h"
#include "persistence/disposer.h"
#include "storage/base/clock.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static struct aof_writer *w;
static struct disposer *closing;
static atomic_uint wakes;
static uint64_t end; /* of what was pushed */

static void count_wake(void *arg) {
    (void)arg;
    atomic_fetch_add(&wakes, 1);
}

static int open_file(const char *name) {
    int fd = open(name, O_WRONLY | O_CREAT | O_APPEND | O_TRUNC, 0644);

    cr_assert(fd >= 0);
    return fd;
}

static void begin(void) {
    help_begin();
    closing = disposer_new();
    w = aof_writer_new(count_wake, NULL, closing);
    aof_writer_set_policy(w, AOF_FSYNC_NO);
    aof_writer_restart(w, open_file("one"), 0, 0, true);
    end = 0;
}

static void finish(void) {
    if (w) aof_writer_free(w, true);
    w = NULL;
    disposer_free(closing, 10000);
    help_end();
}

TestSuite(writer, .init = begin, .fini = finish);

static void push_as(const char *text, bool payload) {
    struct bytes b = {0};

    bytes_append_str(&b, text);
    end += b.n;
    aof_writer_push(w, &b, end, payload);
    cr_assert_eq(b.n, 0, "the batch was taken over");
    bytes_release(&b);
}

static void push(const char *text) {
    push_as(text, true);
}

static bool is_written(void *arg) {
    return aof_writer_written(w) >= *(uint64_t *)arg;
}

static bool is_synced(void *arg) {
    return aof_writer_synced(w) >= *(uint64_t *)arg;
}

static struct aof_writer_state state(void) {
    struct aof_writer_state st;

    aof_writer_get_state(w, &st);
    return st;
}

static bool write_fails(void *arg) {
    (void)arg;
    return state().write_error != 0;
}

static bool sync_fails(void *arg) {
    (void)arg;
    return state().sync_error != 0;
}

static bool is_synced_once(void *arg) {
    return state().syncs >= *(unsigned *)arg;
}

#define WAIT_WRITTEN() cr_assert(help_wait(is_written, &end))
#define WAIT_SYNCED()  cr_assert(help_wait(is_synced, &end))

static unsigned threads_of_this_process(void) {
    DIR *d = opendir("/proc/self/task");
    unsigned n = 0;

    cr_assert(d);
    for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

Test(writer, without_a_file_there_are_no_threads) {
    struct aof_writer *other = aof_writer_new(count_wake, NULL, closing);
    unsigned before = threads_of_this_process();

    aof_writer_set_policy(other, AOF_FSYNC_ALWAYS);
    cr_assert_eq(threads_of_this_process(), before);
    aof_writer_restart(other, open_file("two"), 0, 0, true);
    cr_assert_eq(threads_of_this_process(), before + AOF_WRITER_THREADS);
    aof_writer_free(other, true);
    cr_assert_eq(threads_of_this_process(), before);
}

/* The sanitizer needs room of its own for each thread, and ends the process where there is none. */
#ifndef __SANITIZE_ADDRESS__
Test(writer, a_thread_that_cannot_be_started_counts_as_a_failed_sync) {
    struct aof_writer *other = aof_writer_new(count_wake, NULL, closing);
    struct rlimit was, none;
    struct aof_writer_state st;
    struct bytes b = {0};

    cr_assert_eq(getrlimit(RLIMIT_AS, &was), 0);
    none = (struct rlimit){1 << 20, was.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_AS, &none), 0);
    aof_writer_restart(other, open_file("two"), 0, 0, true);
    cr_assert_eq(setrlimit(RLIMIT_AS, &was), 0);
    aof_writer_get_state(other, &st);
    cr_assert_eq(st.sync_error, EAGAIN);

    aof_writer_restart(other, open_file("three"), 0, 0, true);
    bytes_append_str(&b, "text");
    aof_writer_push(other, &b, 4, AOF_BATCH_DATA);
    cr_assert(aof_writer_wait_synced(other, 4, 10000));
    cr_assert(slice_is(help_read("three"), "text"));
    bytes_release(&b);
    aof_writer_free(other, true);
}
#endif

Test(writer, batches_stand_in_the_file_in_their_order) {
    struct bytes want = {0};
    char text[32];

    for (int i = 0; i < 5000; i++) {
        snprintf(text, sizeof text, "batch %d\n", i);
        bytes_append_str(&want, text);
        push(text);
    }
    WAIT_WRITTEN();
    cr_assert_eq(aof_writer_written(w), end);
    cr_assert(slice_eq(help_read("one"), bytes_slice(&want)));
    cr_assert_eq(state().file_bytes, end);
    cr_assert_gt(atomic_load(&wakes), 0u);
    bytes_release(&want);
}

Test(writer, large_batches_come_through_beside_small_ones) {
    struct bytes want = {0};

    for (size_t i = 0; i < 40; i++) {
        struct bytes b = {0};
        size_t n = i % 5 ? 10 : 300000;

        memset(bytes_room(&b, n), 'a' + (int)(i % 26), n);
        b.n = n;
        bytes_append(&want, b.p, n);
        end += n;
        aof_writer_push(w, &b, end, true);
        bytes_release(&b);
    }
    WAIT_WRITTEN();
    cr_assert(slice_eq(help_read("one"), bytes_slice(&want)));
    bytes_release(&want);
}

Test(writer, policy_no_syncs_only_when_asked) {
    push("abc");
    WAIT_WRITTEN();
    cr_assert_eq(state().syncs, 0);
    cr_assert_eq(aof_writer_synced(w), 0);
    aof_writer_want_sync(w, end);
    WAIT_SYNCED();
}

/* Replies wait for the sync of what was written under `always`, whatever comes after it. */
Test(writer, what_always_has_written_is_synced_when_the_policy_changes) {
    aof_writer_set_policy(w, AOF_FSYNC_ALWAYS);
    io_fault_set(IO_WRITE, (struct io_fault){.delay_ms = 50});
    push("abc");
    aof_writer_set_policy(w, AOF_FSYNC_NO);
    WAIT_SYNCED();
}

Test(writer, policy_always_syncs_whatever_was_written) {
    aof_writer_set_policy(w, AOF_FSYNC_ALWAYS);
    for (int i = 0; i < 20; i++) {
        push("abc");
        WAIT_SYNCED();
        cr_assert_geq(aof_writer_written(w), aof_writer_synced(w));
    }
}

Test(writer, policy_always_joins_what_came_during_one_sync) {
    aof_writer_set_policy(w, AOF_FSYNC_ALWAYS);
    io_fault_set(IO_SYNC, (struct io_fault){.delay_ms = 30});
    for (int i = 0; i < 1000; i++) push("abc");
    WAIT_SYNCED();
    cr_assert_lt(state().syncs, 20, "%d syncs for 1000 batches", (int)state().syncs);
}

Test(writer, policy_everysec_syncs_by_itself) {
    aof_writer_set_policy(w, AOF_FSYNC_EVERYSEC);
    push("abc");
    WAIT_SYNCED();
}

Test(writer, policy_everysec_syncs_about_once_a_second) {
    uint64_t until;

    aof_writer_set_policy(w, AOF_FSYNC_EVERYSEC);
    push("abc");
    WAIT_SYNCED();
    until = clock_real_ns() + 500000000;
    while (clock_real_ns() < until) {
        push("abc");
        WAIT_WRITTEN();
    }
    cr_assert_leq(state().syncs, 2);
}

Test(writer, a_policy_change_concerns_what_is_behind_it) {
    push("abc");
    WAIT_WRITTEN();
    cr_assert_eq(state().syncs, 0);
    aof_writer_set_policy(w, AOF_FSYNC_ALWAYS);
    push("def");
    WAIT_SYNCED();
    cr_assert_gt(state().syncs, 0);
}

Test(writer, marks_that_say_nothing_new_need_no_sync) {
    aof_writer_set_policy(w, AOF_FSYNC_ALWAYS);
    push("abc");
    WAIT_SYNCED();
    push_as("mark", false);
    push_as("mark", false);
    WAIT_WRITTEN();
    cr_assert_eq(state().syncs, 1);
}

Test(writer, a_write_goes_on_while_a_sync_hangs) {
    unsigned before = 0;

    aof_writer_set_policy(w, AOF_FSYNC_EVERYSEC);
    io_fault_set(IO_SYNC, (struct io_fault){.delay_ms = 300});
    push("abc");
    while (state().sync_started_us == 0 && state().syncs == 0) WAIT_WRITTEN();
    before = (unsigned)state().syncs;
    push("def");
    WAIT_WRITTEN();
    cr_assert_eq(state().syncs, before, "the write did not wait for the sync");
    before = 1;
    cr_assert(help_wait(is_synced_once, &before));
}

/* ---------------------------------------------------------------- files */

Test(writer, a_switch_divides_the_files_exactly_and_syncs_the_old_one) {
    uint64_t at;

    push("for one;");
    push("for one too;");
    at = end;
    aof_writer_switch(w, open_file("two"), true);
    push("for two;");
    WAIT_WRITTEN();
    cr_assert(slice_eq(help_read("one"), SLICE("for one;for one too;")));
    cr_assert(slice_eq(help_read("two"), SLICE("for two;")));
    cr_assert_geq(aof_writer_synced(w), at, "nothing is in a new file before the old one is safe");
    cr_assert_eq(state().file_bytes, 8);
}

Test(writer, no_byte_enters_a_new_file_whose_predecessor_cannot_be_synced) {
    push("for one;");
    WAIT_WRITTEN();
    io_fault_set(IO_SYNC, (struct io_fault){.code = EIO, .count = -1});
    aof_writer_switch(w, open_file("two"), true);
    push("for two;");
    cr_assert(help_wait(sync_fails, NULL));
    aof_writer_free(w, false);
    w = NULL;
    cr_assert(slice_eq(help_read("two"), SLICE("")));
}

Test(writer, freeing_writes_what_is_queued_unless_abandoned) {
    io_fault_set(IO_WRITE, (struct io_fault){.delay_ms = 20});
    for (int i = 0; i < 5; i++) push("abc;");
    aof_writer_free(w, false);
    w = NULL;
    cr_assert_eq(help_read("one").n, 20);
}

/* ---------------------------------------------------------------- room */

enum { MANY = 100 };

/* One after the other, so that each is a group. */
static void push_each(struct bytes *all, unsigned n) {
    while (n-- > 0) {
        push("#{ a batch }\r\n");
        bytes_append_str(all, "#{ a batch }\r\n");
        WAIT_SYNCED();
    }
}

static size_t room_in(const char *name) {
    struct slice got = help_read(name);
    uint64_t start;
    int fd = open(name, O_RDONLY);

    cr_assert_eq(aof_room_find(fd, got.n, &start), 0);
    close(fd);
    return got.n - (size_t)start;
}

static bool begins_with(const char *name, const struct bytes *want) {
    struct slice got = help_read(name);

    return got.n >= want->n && memcmp(got.p, want->p, want->n) == 0;
}

Test(writer, small_groups_under_always_go_into_room_which_a_closed_file_has_not) {
    struct bytes all = {0};

    aof_writer_set_policy(w, AOF_FSYNC_ALWAYS);
    push_each(&all, MANY);
    cr_assert_gt(room_in("one"), 1000u);
    cr_assert_eq(help_read("one").n - room_in("one"), all.n);
    cr_assert(begins_with("one", &all));
    cr_assert_eq(state().file_bytes, all.n, "room is not counted");
    aof_writer_free(w, false);
    w = NULL;
    cr_assert(slice_eq(help_read("one"), bytes_slice(&all)));
    bytes_release(&all);
}

Test(writer, room_is_made_again_when_it_is_used_up) {
    struct bytes all = {0}, one = {0};

    aof_writer_set_policy(w, AOF_FSYNC_ALWAYS);
    memset(bytes_room(&one, 7001), 'x', 7001);
    one.n = 7001;
    memcpy(one.p + one.n - 2, "\r\n", 2);
    for (unsigned i = 0; i < 3 * AOF_ROOM_BYTES / 7001; i++) {
        struct bytes b = {0};

        bytes_append(&b, one.p, one.n);
        bytes_append(&all, one.p, one.n);
        end += one.n;
        aof_writer_push(w, &b, end, true);
        WAIT_SYNCED();
        cr_assert(begins_with("one", &all));
        cr_assert_eq(help_read("one").n - room_in("one"), all.n);
        bytes_release(&b);
    }
    cr_assert_gt(room_in("one"), 0u);
    bytes_release(&all);
    bytes_release(&one);
}

Test(writer, a_large_group_and_another_policy_leave_the_room) {
    struct bytes all = {0}, large = {0};

    aof_writer_set_policy(w, AOF_FSYNC_ALWAYS);
    push_each(&all, MANY);
    memset(bytes_room(&large, 20000), 'y', 20000);
    large.n = 20000;
    bytes_append(&all, large.p, large.n);
    end += large.n;
    aof_writer_push(w, &large, end, true);
    WAIT_SYNCED();
    cr_assert(slice_eq(help_read("one"), bytes_slice(&all)));
    push_each(&all, MANY);
    cr_assert_gt(room_in("one"), 1000u, "small ones make some again");
    aof_writer_set_policy(w, AOF_FSYNC_NO);
    push("#{ a batch }\r\n");
    bytes_append_str(&all, "#{ a batch }\r\n");
    WAIT_WRITTEN();
    cr_assert(slice_eq(help_read("one"), bytes_slice(&all)));
    bytes_release(&all);
    bytes_release(&large);
}

Test(writer, a_file_that_is_left_behind_has_no_room) {
    struct bytes all = {0}, none = {0};

    aof_writer_set_policy(w, AOF_FSYNC_ALWAYS);
    push_each(&all, MANY);
    aof_writer_switch(w, open_file("two"), false);
    push_each(&none, MANY);
    cr_assert(slice_eq(help_read("one"), bytes_slice(&all)));
    cr_assert(slice_eq(help_read("two"), bytes_slice(&none)), "none is made where it may not be");
    bytes_release(&all);
    bytes_release(&none);
}

Test(writer, without_space_for_room_batches_are_appended) {
    struct bytes all = {0};

    aof_writer_set_policy(w, AOF_FSYNC_ALWAYS);
    push_each(&all, 10);
    io_fault_set(IO_WRITE, (struct io_fault){.code = ENOSPC, .count = -1, .short_bytes = 3});
    push("#{ a batch }\r\n");
    cr_assert(help_wait(write_fails, NULL));
    io_fault_reset();
    bytes_append_str(&all, "#{ a batch }\r\n");
    WAIT_SYNCED();
    push_each(&all, MANY);
    io_fault_set(IO_WRITE, (struct io_fault){.code = ENOSPC, .count = 1, .short_bytes = 3});
    push_each(&all, MANY);
    cr_assert(begins_with("one", &all));
    cr_assert_eq(help_read("one").n - room_in("one"), all.n);
    bytes_release(&all);
}

/* The disk took all of it, said no, and cannot cut. */
Test(writer, a_group_in_room_that_got_through_in_spite_of_an_error_stands_there_once) {
    struct bytes all = {0};

    aof_writer_set_policy(w, AOF_FSYNC_ALWAYS);
    push_each(&all, MANY);
    for (int part = 12; part < 18; part++) {
        io_fault_set(IO_TRUNCATE, (struct io_fault){.code = EIO, .count = -1});
        io_fault_set(IO_WRITE, (struct io_fault){.code = EIO, .count = 1, .short_bytes = part});
        push_each(&all, 1);
        cr_assert(begins_with("one", &all));
        cr_assert_eq(help_read("one").n - room_in("one"), all.n);
        io_fault_reset();
        push_each(&all, 1);
    }
    bytes_release(&all);
}

/* ---------------------------------------------------------------- failures */

Test(writer, a_write_that_fails_is_tried_until_it_works) {
    push("before;");
    WAIT_WRITTEN();
    io_fault_set(IO_WRITE, (struct io_fault){.code = ENOSPC, .count = 2});
    push("through;");
    push("behind;");
    cr_assert(help_wait(write_fails, NULL));
    cr_assert_eq(state().write_error, ENOSPC);
    cr_assert_eq(aof_writer_written(w), 7);
    WAIT_WRITTEN();
    cr_assert_eq(state().write_error, 0);
    cr_assert(slice_eq(help_read("one"), SLICE("before;through;behind;")));
}

Test(writer, what_got_through_of_a_failed_write_is_cut_off) {
    struct aof_writer_state st;
    int write_error, sync_error;

    push("before;");
    WAIT_WRITTEN();
    io_fault_set(IO_WRITE, (struct io_fault){.code = ENOSPC, .count = -1, .short_bytes = 3});
    push("through;");
    cr_assert(help_wait(write_fails, NULL));
    aof_writer_poll(w, &write_error, &sync_error);
    cr_assert_eq(write_error, ENOSPC);
    cr_assert_eq(sync_error, 0);
    cr_assert(slice_eq(help_read("one"), SLICE("before;")));
    io_fault_reset();
    WAIT_WRITTEN();
    cr_assert(slice_eq(help_read("one"), SLICE("before;through;")));
    st = state();
    cr_assert_eq(st.file_bytes, end);
    cr_assert_geq(st.write_time.count, 3);
}

/* If even cutting fails, the rest follows what is there: no byte stands twice. */
Test(writer, a_half_written_batch_that_cannot_be_cut_is_completed) {
    push("before;");
    WAIT_WRITTEN();
    io_fault_set(IO_TRUNCATE, (struct io_fault){.code = EIO, .count = -1});
    io_fault_set(IO_WRITE, (struct io_fault){.code = ENOSPC, .count = 1, .short_bytes = 3});
    push("through;");
    WAIT_WRITTEN();
    cr_assert(slice_eq(help_read("one"), SLICE("before;through;")));
}

Test(writer, a_sync_that_fails_is_final_until_a_restart) {
    push("abc;");
    WAIT_WRITTEN();
    io_fault_set(IO_SYNC, (struct io_fault){.code = EIO, .count = 1});
    aof_writer_want_sync(w, end);
    cr_assert(help_wait(sync_fails, NULL));
    cr_assert_eq(state().sync_error, EIO);
    io_fault_reset();
    push("lost;");
    aof_writer_want_sync(w, end);
    cr_assert_not(aof_writer_wait_synced(w, end, 300), "it is not tried again");
    cr_assert_eq(aof_writer_synced(w), 0);
    cr_assert(slice_eq(help_read("one"), SLICE("abc;")), "nothing is written to it any more");
    aof_writer_restart(w, open_file("two"), 0, end, true);
    cr_assert_eq(state().sync_error, 0);
    cr_assert_eq(aof_writer_synced(w), end, "what is before the restart is safe elsewhere");
    push("new;");
    cr_assert(aof_writer_wait_synced(w, end, 20000));
    cr_assert(slice_eq(help_read("two"), SLICE("new;")));
}

/* ---------------------------------------------------------------- always: several at once */

enum { LONG_MS = 300 };

static bool is_syncing(void *arg) {
    (void)arg;
    return state().sync_started_us != 0;
}

/* `first` is being synced, which takes long; `second` came later. */
static void push_two(void) {
    push("first;");
    cr_assert(help_wait(is_syncing, NULL));
    push("second;");
}

static bool is_synced_twice(void *arg) {
    (void)arg;
    return state().syncs >= 2;
}

/* What is read first may be older than what is read after it. */
Test(writer, under_always_a_sync_does_not_wait_for_another) {
    uint64_t synced;

    aof_writer_set_policy(w, AOF_FSYNC_ALWAYS);
    io_fault_set(IO_SYNC, (struct io_fault){.delay_ms = LONG_MS, .count = 2});
    push_two();
    WAIT_WRITTEN();
    synced = aof_writer_synced(w);
    if (state().syncs == 0) cr_assert_eq(synced, 0, "it is written while the first sync goes on");
    WAIT_SYNCED();
}

Test(writer, syncs_count_in_the_order_in_which_they_began) {
    uint64_t synced;

    aof_writer_set_policy(w, AOF_FSYNC_ALWAYS);
    io_fault_set(IO_SYNC, (struct io_fault){.delay_ms = LONG_MS, .count = 1});
    push_two();
    cr_assert(help_wait(is_synced_once, &(unsigned){1}));
    /* Either may be the slow one; the second alone counts for nothing. */
    synced = aof_writer_synced(w);
    if (state().syncs == 1) cr_assert_lt(synced, end);
    WAIT_SYNCED();
}

Test(writer, nothing_counts_behind_a_sync_that_failed) {
    aof_writer_set_policy(w, AOF_FSYNC_ALWAYS);
    io_fault_set(IO_SYNC, (struct io_fault){.delay_ms = LONG_MS, .code = EIO, .count = 1});
    push_two();
    cr_assert(help_wait(is_synced_twice, NULL));
    cr_assert_eq(state().sync_error, EIO);
    cr_assert_lt(aof_writer_synced(w), end);
}

static bool none_is_open(void *ending) {
    char path[64], target[256];
    size_t n = strlen(ending);

    for (int fd = 3; fd < 100; fd++) {
        ssize_t got;

        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        got = readlink(path, target, sizeof target);
        if (got >= (ssize_t)n && memcmp(target + got - n, ending, n) == 0) return false;
    }
    return true;
}

/* The disposer's thread closes it. */
Test(writer, a_file_that_was_replaced_is_let_go) {
    aof_writer_set_policy(w, AOF_FSYNC_ALWAYS);
    push("first;");
    WAIT_SYNCED();
    aof_writer_switch(w, open_file("two"), true);
    push("second;");
    WAIT_SYNCED();
    cr_assert(help_wait(none_is_open, "/one"));
}

Test(writer, a_restart_drops_what_its_base_holds_and_keeps_the_rest) {
    uint64_t position;

    push("abc;");
    WAIT_WRITTEN();
    io_fault_set(IO_SYNC, (struct io_fault){.code = EIO, .count = 1});
    aof_writer_want_sync(w, end);
    cr_assert(help_wait(sync_fails, NULL));
    push("in the base;");
    push("this one too;");
    position = end;
    push("kept;");
    push("and kept;");
    aof_writer_restart(w, open_file("two"), 0, position, true);
    cr_assert(aof_writer_wait_synced(w, end, 20000));
    cr_assert(slice_eq(help_read("two"), SLICE("kept;and kept;")));
}

Test(writer, a_failed_sync_is_announced) {
    unsigned before;

    push("abc;");
    WAIT_WRITTEN();
    state();
    before = atomic_load(&wakes);
    io_fault_set(IO_SYNC, (struct io_fault){.code = EIO, .count = 1});
    aof_writer_want_sync(w, end);
    cr_assert(help_wait(sync_fails, NULL));
    cr_assert_gt(atomic_load(&wakes), before);
}

Test(writer, a_hold_keeps_everysec_from_syncing) {
    aof_writer_hold_sync(w, true);
    aof_writer_set_policy(w, AOF_FSYNC_EVERYSEC);
    push("abc");
    WAIT_WRITTEN();
    cr_assert_not(aof_writer_synced(w) == end);
    aof_writer_want_sync(w, end);
    WAIT_SYNCED();
    push("def");
    WAIT_WRITTEN();
    aof_writer_hold_sync(w, false);
    WAIT_SYNCED();
}
