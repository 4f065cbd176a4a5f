/* SPDX-License-Identifier: BSD-3-Clause */
#include "log_help.h"

#include "persistence/aof_history.h"
#include "persistence/aof_mark.h"
#include "storage/base/io.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

TestSuite(history, .init = help_begin, .fini = help_end);

static struct aof_manifest m, got;
static struct err err;
static int dir;

/* A file that says where it stands, and 100 bytes more or less. */
static void put(const char *name, int64_t seq, enum aof_file_type type, uint64_t position,
                int64_t ms) {
    struct aof_epoch h = {.id = 7, .position = position, .epoch = 1, .ms = ms};
    char line[AOF_MARK_MAX];
    size_t n = aof_mark_header(line, &h, 0);
    int fd;

    if (!m.files) {
        m.files = calloc(16, sizeof *m.files);
        m.cap = 16;
        dir = io_open_dir(".", false, NULL);
    }
    fd = io_create(dir, name, NULL);
    cr_assert_eq(write(fd, line, n), n);
    close(fd);
    m.files[m.n] = (struct aof_file){.seq = seq, .type = type};
    snprintf(m.files[m.n++].name, AOF_NAME_MAX, "%s", name);
}

static void three_generations(void) {
    put("a.3.base.aof", 3, AOF_BASE, 300, 3000);
    put("a.2.base.aof", 2, AOF_HISTORY, 200, 2000);
    put("a.1.base.aof", 1, AOF_HISTORY, 0, 1000);
    put("a.1.incr.aof", 1, AOF_HISTORY, 0, 1000);
    put("a.2.incr.aof", 2, AOF_HISTORY, 150, 1500); /* a backup was made */
    put("a.3.incr.aof", 3, AOF_HISTORY, 200, 2000);
    put("a.4.incr.aof", 4, AOF_INCR, 300, 3000);
}

static void leads_to(const char *moment, int base, int nincrs) {
    struct aof_moment to;

    cr_assert_eq(aof_moment_parse(moment, &to, &err), 0);
    cr_assert_eq(aof_history_select(dir, &m, &to, &got, &err), 0, "%s: %s", moment, err.text);
    cr_expect_eq(got.files[0].seq, base, "%s", moment);
    cr_expect_eq(got.n, (size_t)nincrs + 1, "%s: %zu files", moment, got.n);
    aof_manifest_release(&got);
}

Test(history, a_moment_is_a_time_or_a_position) {
    struct aof_moment to;

    cr_assert_eq(aof_moment_parse("1700000000000", &to, &err), 0);
    cr_expect(to.by_time && to.ms == 1700000000000);
    cr_assert_eq(aof_moment_parse("position:99999999999", &to, &err), 0);
    cr_expect(!to.by_time && to.position == 99999999999);
    cr_assert_eq(aof_moment_parse("position:1700000000000", &to, &err), 0);
    cr_expect(!to.by_time);
    cr_expect_eq(aof_moment_parse("-1", &to, &err), -1);
    cr_expect_eq(aof_moment_parse("", &to, &err), -1);
    cr_expect_eq(aof_moment_parse("noon", &to, &err), -1);
}

Test(history, seconds_are_refused_with_a_hint) {
    struct aof_moment to;

    cr_expect_eq(aof_moment_parse("1795967337", &to, &err), -1);
    cr_expect(strstr(err.text, "1795967337000"), "%s", err.text);
    cr_expect(strstr(err.text, "position:1795967337"), "%s", err.text);
    cr_expect_eq(aof_moment_parse("99999999999", &to, &err), -1);
    cr_expect_eq(aof_moment_parse("0", &to, &err), -1);
}

Test(history, the_last_base_before_a_moment_leads_to_it) {
    three_generations();
    leads_to("position:0", 1, 4);
    leads_to("position:199", 1, 4);
    leads_to("position:200", 2, 2);
    leads_to("position:299", 2, 2);
    leads_to("position:5000", 3, 1);
}

Test(history, an_increment_that_is_gone_leads_nowhere) {
    struct aof_moment to;

    three_generations();
    unlink("a.2.incr.aof");
    cr_assert_eq(aof_moment_parse("position:10", &to, &err), 0);
    cr_expect_eq(aof_history_select(dir, &m, &to, &got, &err), -1);
    cr_expect(strstr(err.text, "not all increments after the base"), "%s", err.text);
    leads_to("position:250", 2, 2);
}

Test(history, what_is_kept_is_kept_by_generations) {
    struct aof_keep keep = {.bytes = 150}; /* one generation, not two */

    three_generations();
    cr_expect(aof_history_prune(dir, &m, &keep));
    cr_expect_eq(m.n, 4);
    cr_expect_not(io_exists(dir, "a.1.base.aof"));
    cr_expect_not(io_exists(dir, "a.2.incr.aof"));
    cr_expect(io_exists(dir, "a.2.base.aof"));
    cr_expect(io_exists(dir, "a.3.incr.aof"));
    cr_expect_not(aof_history_prune(dir, &m, &keep));
    keep.bytes = 0;
    cr_expect(aof_history_prune(dir, &m, &keep));
    cr_expect_eq(m.n, 2);
}

Test(history, a_time_keeps_the_base_that_leads_so_far_back) {
    struct aof_keep keep = {.ms = 1000 * 86400 * 365L};

    three_generations(); /* of 1970: the last one leads back for a year */
    cr_expect(aof_history_prune(dir, &m, &keep));
    cr_expect_eq(m.n, 2);
}

Test(history, files_without_positions_are_not_kept) {
    struct aof_keep keep = {.bytes = 1 << 20};
    int fd;

    three_generations();
    fd = io_create(dir, "a.2.base.aof", NULL);
    close(fd);
    cr_expect(aof_history_prune(dir, &m, &keep));
    cr_expect_not(io_exists(dir, "a.2.base.aof"));
    cr_expect(io_exists(dir, "a.1.base.aof"));
}
