/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The child that writes a base: its progress is bytes, so that one large value on a slow disk is
 * not taken for silence.
 */
#include "log_help.h"

#include "persistence/aof_rewrite.h"
#include "storage/base/hash.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

enum { VALUE_BYTES = 64 << 20, WRITE_MS = 300 };

static struct keyspace ks;
static struct aof_rewrite rw;
static struct rdb_save save = {.ks = &ks, .checksum = true};

static void begin(void) {
    char *value = mem_calloc(VALUE_BYTES);
    struct entry *e =
        entry_new_string(SLICE("large"), slice_of(value, VALUE_BYTES), ENTRY_NO_EXPIRE, 0);

    help_begin();
    keyspace_init(&ks, 1);
    db_add(&ks.dbs[0], e, hash_bytes("large", 5));
    mem_free(value);
    rw = (struct aof_rewrite){.ks = &ks, .file = "temp-base", .checksum = true};
    rw.dirfd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void end(void) {
    close(rw.dirfd);
    keyspace_release(&ks);
    help_end();
}

TestSuite(rewrite, .init = begin, .fini = end);

static int run(void *arg, int report_fd) {
    struct err e;

    (void)arg;
    io_fault_set(IO_WRITE, (struct io_fault){.delay_ms = WRITE_MS});
    return aof_rewrite_write(&rw, report_fd, &e);
}

struct heard {
    struct child child;
    uint64_t last_us;
    int times;
};

/* Two reports after the first one, all before the only key is written. */
static bool reported_within_the_key(void *arg) {
    struct heard *h = arg;

    child_poll(&h->child);
    if (h->child.progress.keys_done > 0) return true;
    if (h->child.heard_us != h->last_us) h->times++;
    h->last_us = h->child.heard_us;
    return h->times >= 3;
}

static bool has_ended(void *arg) {
    int status;

    return child_reap(arg, &status);
}

static void check_reports(void) {
    struct heard h = {0};

    cr_assert_eq(child_start(&h.child, run, NULL, NULL), 0);
    h.last_us = h.child.heard_us;
    cr_expect(help_wait(reported_within_the_key, &h));
    cr_expect_eq(h.child.progress.keys_done, 0);
    cr_expect_geq(h.times, 3);
    child_kill(&h.child, SIGKILL);
    cr_assert(help_wait(has_ended, &h.child));
}

Test(rewrite, commands_report_progress_within_one_large_value) {
    check_reports();
}

Test(rewrite, an_rdb_reports_progress_within_one_large_value) {
    rw.rdb = &save;
    check_reports();
}
