/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bytes, list, clock, err, check, mem, log.
 */
#include "storage/base/bytes.h"
#include "storage/base/check.h"
#include "storage/base/clock.h"
#include "storage/base/err.h"
#include "storage/base/list.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---------------------------------------------------------------- bytes */

Test(bytes, slices_compare_like_memcmp_shorter_first) {
    cr_expect(slice_cmp(SLICE("a"), SLICE("b")) < 0);
    cr_expect(slice_cmp(SLICE("b"), SLICE("a")) > 0);
    cr_expect(slice_cmp(SLICE("a"), SLICE("aa")) < 0);
    cr_expect(slice_cmp(SLICE("aa"), SLICE("a")) > 0);
    cr_expect(slice_cmp(SLICE("\xff"), SLICE("a")) > 0, "bytes have no sign");
    cr_expect_eq(slice_cmp((struct slice){0}, SLICE("")), 0);
    cr_expect(slice_eq((struct slice){0}, SLICE("")));
    cr_expect_not(slice_eq(SLICE("a"), SLICE("b")));
    cr_expect(slice_is(SLICE("GeT"), "get"));
    cr_expect_not(slice_is(SLICE("ge"), "get"));
    cr_expect_not(slice_is(SLICE("gets"), "get"));
}

Test(bytes, appending_keeps_what_was) {
    struct bytes b = {0};

    for (int i = 0; i < 100000; i++) bytes_append_char(&b, (char)i);
    bytes_append(&b, NULL, 0);
    cr_expect_eq(b.n, 100000);
    for (int i = 0; i < 100000; i++) cr_assert_eq(b.p[i], (char)i);
    bytes_consume(&b, 99999);
    cr_expect_eq(b.n, 1);
    cr_expect_eq(b.p[0], (char)99999);
    bytes_consume(&b, 1);
    cr_expect_eq(b.n, 0);
    bytes_release(&b);
    cr_expect_null(b.p);
}

Test(bytes, printf_grows_as_needed) {
    struct bytes b = {0};
    char *text = mem_alloc(5001);

    memset(text, 'x', 5000);
    text[5000] = '\0';
    bytes_printf(&b, "%d-%s-%d", 1, text, 2);
    cr_expect_eq(b.n, 5004);
    cr_expect_str_eq(bytes_cstr(&b) + 5000, "xx-2");
    bytes_clear(&b);
    bytes_append_int(&b, -42);
    bytes_append_str(&b, "!");
    cr_expect_str_eq(bytes_cstr(&b), "-42!");
    cr_expect_eq(b.n, 4, "the NUL does not count");
    bytes_release(&b);
    mem_free(text);
}

Test(bytes, quoting_escapes_as_redis_does) {
    struct bytes b = {0};

    bytes_append_quoted(&b, SLICE("a\"b\\c\n\r\t\a\b\x01\x7f\xff\0 z'"));
    cr_expect_str_eq(bytes_cstr(&b), "\"a\\\"b\\\\c\\n\\r\\t\\a\\b\\x01\\x7f\\xff\\x00 z'\"");
    bytes_release(&b);
}

Test(bytes, consuming_more_than_there_is_is_a_bug, .signal = SIGABRT) {
    struct bytes b = {0};

    bytes_append_str(&b, "abc");
    bytes_consume(&b, 4);
}

/* ---------------------------------------------------------------- list */

struct node {
    int id;
    struct list link;
};

static int ids_of(struct list *head) {
    int ids = 0;

    list_each (it, head) ids = ids * 10 + list_entry(it, struct node, link)->id;
    return ids;
}

Test(list, keeps_the_order_of_appending) {
    struct list head, other;
    struct node n[6] = {{.id = 1}, {.id = 2}, {.id = 3}, {.id = 4}, {.id = 5}, {.id = 6}};

    list_init(&head);
    list_init(&other);
    cr_expect(list_empty(&head));
    for (int i = 0; i < 4; i++) list_append(&head, &n[i].link);
    cr_expect_eq(ids_of(&head), 1234);
    list_remove(&n[1].link);
    list_remove(&n[1].link); /* twice is harmless */
    cr_expect_eq(ids_of(&head), 134);
    list_splice(&head, &other);
    cr_expect_eq(ids_of(&head), 134, "an empty list adds nothing");
    list_append(&other, &n[4].link);
    list_append(&other, &n[5].link);
    list_splice(&head, &other);
    cr_expect_eq(ids_of(&head), 13456);
    cr_expect(list_empty(&other));
    list_each_safe (it, next, &head) list_remove(it);
    cr_expect(list_empty(&head));
}

/* ---------------------------------------------------------------- clock */

/* Both clocks before and after, so that it matters not when the machine does something else. */
static void works_on(uint64_t for_ns) {
    uint64_t began = clock_real_ns(), last = clock_work_ns();

    while (clock_real_ns() - began < for_ns) {
        uint64_t before = clock_real_ns(), work = clock_work_ns(), after = clock_real_ns();
        uint64_t slack = 20000 + (after - began) / 100;

        cr_assert_geq(work, last, "it went back");
        cr_assert_geq(work + slack, before);
        cr_assert_leq(work, after + slack);
        last = work;
    }
}

Test(clock, work_time_follows_real_time) {
    for (int i = 0; i < 20; i++) {
        clock_refresh();
        works_on(3000000);
    }
    works_on(50000000); /* without a refresh */
}

Test(clock, an_old_wall_time_is_refreshed) {
    int64_t before, last = 0;

    clock_refresh();
    for (int i = 0; i < 100; i++) {
        uint64_t began = clock_real_ns();

        while (clock_real_ns() - began < 300000) continue;
        before = clock_wall_ms();
        clock_refresh_old();
        cr_assert_geq(clock_cached_ms(), before);
        cr_assert_geq(clock_cached_ms(), last);
        last = clock_cached_ms();
    }
    clock_set_virtual(77);
    clock_set_wall_ms(78);
    clock_refresh_old();
    cr_assert_eq(clock_cached_ms(), 78);
    clock_set_real();
}

Test(clock, a_virtual_one_moves_only_when_told) {
    uint64_t mono, real;

    clock_set_virtual(1000000);
    mono = clock_mono_us();
    real = clock_real_ns();
    cr_expect(clock_is_virtual());
    while (clock_real_ns() - real < 3000000) continue; /* real time goes on */
    cr_expect_eq(clock_wall_ms(), 1000000);
    cr_expect_eq(clock_mono_us(), mono);
    clock_advance_ms(2500);
    cr_expect_eq(clock_wall_us(), 1002500000);
    cr_expect_eq(clock_mono_us(), mono + 2500000);
    cr_expect_eq(clock_cached_ms(), 1002500, "advancing refreshes what commands see");
    clock_set_virtual(5);
    cr_expect_eq(clock_cached_ms(), 5);
    cr_expect_eq(clock_mono_us(), mono + 2500000, "the other clock never goes back");
    clock_set_real();
    cr_expect_not(clock_is_virtual());
    cr_expect_gt(clock_wall_ms(), INT64_C(1600000000000));
}

Test(clock, one_with_a_pace_goes_on_from_where_it_was) {
    uint64_t mono, real;
    int64_t wall;

    clock_set_virtual(1000000);
    mono = clock_mono_us();
    clock_set_pace(1000);
    real = clock_real_ns();
    while (clock_real_ns() - real < 3000000) continue;
    cr_expect_geq(clock_wall_ms(), 1000000 + 3000);
    cr_expect_geq(clock_mono_us(), mono + 3000000);
    clock_set_wall_ms(7);
    cr_expect_geq(clock_mono_us(), mono + 3000000, "only the wall clock was set");
    cr_expect_lt(clock_wall_ms(), 1000000);
    clock_set_pace(0);
    mono = clock_mono_us();
    wall = clock_wall_us();
    cr_expect_eq(clock_real_us_until(mono + 1), UINT64_MAX, "it stands");
    cr_expect_eq(clock_wall_us(), wall);
    clock_set_pace(0.5);
    cr_expect_leq(clock_real_us_until(mono + 1000000), 2000000);
    cr_expect_gt(clock_real_us_until(mono + 3600000000), 7000000000);
    clock_follow_system();
    cr_expect_geq(clock_mono_us(), mono, "monotonic time never goes back");
    cr_expect_gt(clock_wall_ms(), INT64_C(1600000000000));
    clock_set_real();
}

Test(clock, the_cached_time_stands_until_refreshed) {
    int64_t cached;
    uint64_t began = clock_real_ns();

    clock_refresh();
    cached = clock_cached_ms();
    while (clock_real_ns() - began < 5000000) continue;
    cr_expect_eq(clock_cached_ms(), cached);
    clock_refresh();
    cr_expect_gt(clock_cached_ms(), cached);
}

/* ---------------------------------------------------------------- err, check */

Test(err, set_keeps_code_and_says_what_failed) {
    struct err e;

    cr_expect_eq(err_set(&e, 2, "cannot open '%s'", "m"), -1);
    cr_expect_str_eq(e.text, "cannot open 'm'");
    cr_expect_eq(e.code, 2);
    cr_expect_eq(err_set(NULL, 2, "nobody asks"), -1);
}

Test(err, long_texts_are_cut) {
    struct err e;
    char text[2000];

    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    err_set(&e, 1, "%s", text);
    cr_expect_eq(strlen(e.text), sizeof e.text - 1);
}

Test(check, a_false_one_aborts, .signal = SIGABRT) {
    CHECK(1 + 1 == 3);
}

Test(check, a_true_one_is_nothing) {
    CHECK(1 + 1 == 2);
}

static void leave_with_7(const char *file, int line, const char *what) {
    _exit(strstr(file, "parts_test.c") && line > 0 && strcmp(what, "7 == 8") == 0 ? 7 : 1);
}

Test(check, the_dump_is_told_what_is_not_true, .exit_code = 7) {
    check_set_dump(leave_with_7);
    CHECK(7 == 8);
}

/* ---------------------------------------------------------------- mem */

Test(mem, good_sizes_are_what_the_allocator_gives) {
    mem_thread_init();
    for (size_t n = 1; n < 100000; n += n < 5000 ? 1 : 997) {
        size_t good = mem_good_size(n);
        void *p = mem_alloc(good);

        cr_assert_geq(good, n);
        cr_assert_eq(good % 8, 0);
        cr_assert_eq(mem_good_size(good), good, "%zu is one itself", good);
        if (strncmp(mem_allocator_name(), "jemalloc", 8) == 0)
            cr_assert_eq(mem_usable(p), good, "%zu for %zu", good, n);
        mem_free(p);
    }
}

static void *use_memory(void *arg) {
    mem_thread_init();
    *(void **)arg = mem_calloc(1 << 20);
    return NULL;
}

Test(mem, what_all_threads_use_is_counted) {
    size_t before, with;
    pthread_t id;
    void *p;

    mem_thread_init();
    before = mem_used();
    pthread_create(&id, NULL, use_memory, &p);
    pthread_join(id, NULL);
    with = mem_used();
    cr_expect_geq(with, before + (1 << 20));
    cr_expect_eq(((char *)p)[12345], 0);
    p = mem_realloc(p, 3 << 20);
    cr_expect_geq(mem_used(), before + (3 << 20));
    mem_free(p);
    cr_expect_lt(mem_used(), before + 100000);
    mem_free(NULL);
}

Test(mem, threads_that_ended_count_and_leave_room_for_others) {
    enum { THREADS = 300, BYTES = 1 << 20 };
    void *p[THREADS];
    size_t before;

    mem_thread_init();
    before = mem_used();
    for (int i = 0; i < THREADS; i++) {
        pthread_t id;

        cr_assert_eq(pthread_create(&id, NULL, use_memory, &p[i]), 0);
        pthread_join(id, NULL);
        if (i >= 3) mem_free(p[i - 3]);
        cr_assert_lt(mem_used(), before + 4 * BYTES + 100000);
    }
    cr_expect_geq(mem_used(), before + 3 * BYTES);
    for (int i = THREADS - 3; i < THREADS; i++) mem_free(p[i]);
    cr_expect_lt(mem_used(), before + 100000);
}

Test(mem, the_system_knows_our_size) {
    cr_expect_gt(mem_rss(), 1 << 20);
    cr_expect_eq(mem_usable(NULL), 0);
}

/* ---------------------------------------------------------------- log */

static void read_log(const char *name, char *text, size_t size) {
    FILE *f = fopen(name, "r");
    size_t n;

    cr_assert(f);
    n = fread(text, 1, size - 1, f);
    text[n] = '\0';
    fclose(f);
    remove(name);
}

Test(log, a_line_has_redis_form_and_what_is_below_the_level_is_left_out) {
    char name[] = "/tmp/stet-log-XXXXXX", text[4096], want[64];
    int fd = mkstemp(name);
    struct log_options o = {.level = LOG_AT_NOTICE, .file = name};

    close(fd);
    cr_assert_eq(log_open(&o, NULL), 0);
    setenv("TZ", "UTC", 1);
    clock_set_virtual(INT64_C(1000000000123));
    log_verbose("hidden");
    log_notice("number %d", 5);
    log_set_role('S');
    log_warning("loud");
    log_raw(LOG_AT_NOTICE, "as it is\n");
    log_set_level(LOG_AT_NOTHING);
    log_warning("silence");
    read_log(name, text, sizeof text);
    snprintf(want, sizeof want, "%d:M 09 Sep 2001 01:46:40.123 * number 5\n", (int)getpid());
    cr_expect_eq(strncmp(text, want, strlen(want)), 0, "%s", text);
    snprintf(want, sizeof want, "\n%d:S 09 Sep 2001 01:46:40.123 # loud\nas it is\n",
             (int)getpid());
    cr_expect_not_null(strstr(text, want), "%s", text);
    cr_expect_null(strstr(text, "hidden"));
    cr_expect_null(strstr(text, "silence"));
}

Test(log, what_a_message_repeats_begins_no_line) {
    char name[] = "/tmp/stet-log-XXXXXX", text[4096];
    int fd = mkstemp(name);
    struct log_options o = {.level = LOG_AT_NOTICE, .file = name};

    close(fd);
    cr_assert_eq(log_open(&o, NULL), 0);
    log_notice("it said '%s'", "a\r\n1:M forged\x1b[0m\x7f");
    read_log(name, text, sizeof text);
    cr_expect_not_null(strstr(text, "it said 'a??1:M forged?[0m?'\n"), "%s", text);
}

/* The one line that this message makes, without the beginning "pid=N " or "{"pid":N,". */
static const char *logged(enum log_format format, enum log_time time, const char *message) {
    static char text[4096];
    char name[] = "/tmp/stet-log-XXXXXX";
    int fd = mkstemp(name);
    struct log_options o = {.level = LOG_AT_NOTICE, .file = name, .format = format, .time = time};

    close(fd);
    setenv("TZ", "IST-5:30", 1);
    clock_set_virtual(INT64_C(1000000000123));
    cr_assert_eq(log_open(&o, NULL), 0);
    log_warning("%s", message);
    read_log(name, text, sizeof text);
    return text + strcspn(text, " ,") + 1;
}

Test(log, a_line_in_logfmt_quotes_its_message) {
    cr_expect_str_eq(logged(LOG_AS_LOGFMT, LOG_TIME_ISO, "a \"b\" \\ \n"),
                     "role=primary timestamp=\"2001-09-09T07:16:40.123+05:30\" level=warning "
                     "message=\"a \\\"b\\\" \\\\ ?\"\n");
    cr_expect_str_eq(logged(LOG_AS_LOGFMT, LOG_TIME_MS, "m"),
                     "role=primary timestamp=\"1000000000123\" level=warning message=\"m\"\n");
}

Test(log, a_line_of_json_is_valid_utf8) {
    const char *begin = "\"role\":\"primary\",\"timestamp\":\"09 Sep 2001 07:16:40.123\","
                        "\"level\":\"warning\",\"message\":\"";
    char want[200];

    snprintf(want, sizeof want, "%sgr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80\"}\n", begin);
    cr_expect_str_eq(
        logged(LOG_AS_JSON, LOG_TIME_TEXT, "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"),
        want);
    /* a continuation alone, a long form, half of a pair, beyond the last character, cut short */
    snprintf(want, sizeof want, "%s? ?? ??? ???? ?\"}\n", begin);
    cr_expect_str_eq(
        logged(LOG_AS_JSON, LOG_TIME_TEXT, "\x80 \xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80 \xc3"),
        want);
}

Test(log, a_long_message_leaves_a_whole_line) {
    char message[4000];
    const char *line;

    memset(message, '"', sizeof message - 1);
    message[sizeof message - 1] = '\0';
    line = logged(LOG_AS_JSON, LOG_TIME_MS, message);
    cr_expect_lt(strlen(line), 2048);
    cr_expect_str_eq(line + strlen(line) - 5, "\\\"\"}\n");
}

Test(log, a_line_too_long_is_cut_and_still_ends) {
    char name[] = "/tmp/stet-log-XXXXXX", text[16384], *long_text = mem_alloc(10001);
    int fd = mkstemp(name);
    struct log_options o = {.level = LOG_AT_NOTICE, .file = name};

    close(fd);
    memset(long_text, 'x', 10000);
    long_text[10000] = '\0';
    cr_assert_eq(log_open(&o, NULL), 0);
    log_notice("%s", long_text);
    log_notice("next");
    mem_free(long_text);
    read_log(name, text, sizeof text);
    cr_expect_lt(strchr(text, '\n') - text, 2048);
    cr_expect_gt(strchr(text, '\n') - text, 2000);
    cr_expect_not_null(strstr(text, "next\n"));
}

Test(log, a_file_that_cannot_be_opened_is_named) {
    struct log_options o = {.level = LOG_AT_NOTICE, .file = "/nowhere/log"};
    struct err e;

    cr_expect_eq(log_open(&o, &e), -1);
    cr_expect_str_eq(e.text, "Can't open the log file '/nowhere/log': No such file or directory");
    cr_expect_eq(e.code, ENOENT);
}
