/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Room at the end of a file: always lines that Redis skips, and found again.
 */
#include "log_help.h"

#include "persistence/aof_room.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"

#include <criterion/criterion.h>
#include <sys/mman.h>
#include <unistd.h>

static int fd;

static void begin(void) {
    mem_thread_init();
    fd = memfd_create("room", MFD_CLOEXEC);
    cr_assert(fd >= 0);
}

static void finish(void) {
    close(fd);
}

TestSuite(room, .init = begin, .fini = finish);

/* Content up to offset `end` that ends as a batch does. */
static void put_content(uint64_t from, uint64_t end) {
    char text[2048];
    size_t n = (size_t)(end - from);

    cr_assert(n >= 2 && n <= sizeof text);
    memset(text, 'x', n);
    memcpy(text + n - 2, "\r\n", 2);
    cr_assert_eq(io_write_at(fd, text, n, (off_t)from, NULL, NULL), 0);
}

static void put_seam(uint64_t at) {
    char seam[AOF_ROOM_SEAM_MAX];
    size_t n = aof_room_seam(at, seam);

    cr_assert_eq(io_write_at(fd, seam, n, (off_t)at, NULL, NULL), 0);
}

/* Every line from `at` on is one of room, and short enough for Redis. */
static void is_all_lines(uint64_t at, uint64_t end) {
    static char buf[AOF_ROOM_MOST + 16];
    ssize_t n = io_read_at(fd, buf, sizeof buf, (off_t)at, NULL);
    const char *p = buf, *nl;

    cr_assert_eq(n, (ssize_t)(end - at));
    for (; p < buf + n; p = nl + 1) {
        nl = memchr(p, '\n', (size_t)(buf + n - p));
        cr_assert(nl && nl > p && nl[-1] == '\r');
        cr_assert(aof_room_is_line(slice_of(p, (size_t)(nl - 1 - p))));
        cr_assert_leq(nl + 1 - p, 1023);
    }
}

static void is_found_at(uint64_t start, uint64_t end) {
    uint64_t found;

    cr_assert_eq(aof_room_find(fd, end, &found), 0);
    cr_assert_eq(found, start, "at %llu, not %llu", (unsigned long long)found,
                 (unsigned long long)start);
}

Test(room, is_found_behind_content_that_ends_anywhere) {
    for (uint64_t at = 2; at <= 1100; at++) {
        uint64_t end;

        cr_assert_eq(ftruncate(fd, 0), 0);
        put_content(0, at);
        cr_assert_eq(aof_room_make(fd, at, at, &end, NULL), 0);
        cr_assert_leq(end - at, AOF_ROOM_MOST);
        is_all_lines(at, end);
        is_found_at(at, end);
    }
}

Test(room, stays_lines_while_content_grows_into_it) {
    uint64_t at = 100, end;

    put_content(0, at);
    cr_assert_eq(aof_room_make(fd, at, at, &end, NULL), 0);
    for (unsigned step = 2; aof_room_holds(end, at + step); step = step % 700 + 37) {
        put_content(at, at + step);
        at += step;
        put_seam(at);
        is_all_lines(at, end);
        is_found_at(at, end);
    }
    cr_assert_lt(end - at, 2 * AOF_ROOM_LINE + 700);
}

Test(room, is_not_seen_where_no_whole_line_ends_the_file) {
    uint64_t end;

    put_content(0, 700);
    is_found_at(700, 700);
    cr_assert_eq(aof_room_make(fd, 700, 700, &end, NULL), 0);
    is_found_at(end - 1, end - 1);
    is_found_at(end - 100, end - 100);
    is_found_at(0, 0);
}

Test(room, ends_where_other_lines_begin) {
    uint64_t end;

    put_content(0, 100);
    cr_assert_eq(io_write_at(fd, "#TS:1\r\n#=0 0 0\r\n", 16, 84, NULL, NULL), 0);
    cr_assert_eq(aof_room_make(fd, 100, 100, &end, NULL), 0);
    is_found_at(100, end);
    cr_assert_eq(io_write_at(fd, "x", 1, 2000, NULL, NULL), 0);
    is_found_at(2048, end);
}

Test(room, lines_are_told_from_marks) {
    cr_assert(aof_room_is_line(SLICE("#")));
    cr_assert(aof_room_is_line(SLICE("#___#___")));
    cr_assert_not(aof_room_is_line(SLICE("")));
    cr_assert_not(aof_room_is_line(SLICE("_#")));
    cr_assert_not(aof_room_is_line(SLICE("#{")));
    cr_assert_not(aof_room_is_line(SLICE("#TS:1")));
}
