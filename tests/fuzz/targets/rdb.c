/* SPDX-License-Identifier: BSD-3-Clause
 *
 * rdb - a whole snapshot, as the server loads it and as stet-check-rdb salvages it. What loads is
 * written and loads again with as many keys; what is salvaged has no damage left.
 */
#include "tests/fuzz/kit/fuzz.h"

#include "persistence/rdb.h"
#include "persistence/rdb_salvage.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"

#define RULES                                                                                      \
    {                                                                                              \
        .hash = {512, 64, PARTS_ALL}, .set = {512, 128, 64, PARTS_ALL}, .zset = {128, 64},         \
        .list = {                                                                                  \
            -2,                                                                                    \
            0                                                                                      \
        }                                                                                          \
    }

static int take_library(void *arg, struct slice code, bool replace, struct err *e) {
    (void)arg, (void)replace;
    return code.n && code.p[0] == '-' ? err_set(e, 1, "not this one") : 0;
}

static void on_progress(void *arg, uint64_t done, uint64_t total) {
    (void)arg;
    CHECK(done <= total);
}

static int load(int fd, struct keyspace *ks, bool merge, struct rdb_loaded *out) {
    struct rdb_load o = {.read = {.rules = RULES, .ndbs = ks->ndbs},
                         .ks = ks,
                         .merge = merge,
                         .lru = !merge,
                         .lfu = merge,
                         .library = take_library,
                         .progress = on_progress,
                         .drop_due_ms = merge ? INT64_C(1700000000000) : 0};
    struct err e;

    return rdb_load(fd, &o, out, &e);
}

/* Gives up after so many calls. */
static int on_written(void *arg, uint64_t keys, struct err *e) {
    int *left = arg;

    (void)keys;
    return (*left)-- > 0 ? 0 : err_set(e, 1, "given up");
}

/* Under a temporary name first; what was given up leaves nothing. */
static void check_publish(const struct rdb_save *how, int calls) {
    struct rdb_save save = *how;
    struct rdb_saved saved;
    struct err e;
    int left = calls, rc;

    save.progress = on_written;
    save.arg = &left;
    save.key_delay_us = calls & 1 ? 1 : -3;
    save.incremental_fsync = true;
    rc = rdb_publish(&save, -1, "published", "temp", &saved, &e);
    CHECK(!io_exists(-1, "temp") && io_exists(-1, "published") == (rc == 0));
}

static void check_round(struct keyspace *ks, uint8_t how) {
    struct rdb_save save = {.ks = ks,
                            .compress = how & 1,
                            .checksum = how & 2,
                            .lru = how & 4,
                            .lfu = !(how & 4) && how & 8};
    int fd = fuzz_file("again", SLICE(""));
    struct keyspace back = {0};
    struct rdb_loaded got;
    struct rdb_saved saved;
    struct err e;

    CHECK(rdb_write(&save, fd, &saved, &e) == 0);
    CHECK(saved.keys == keyspace_count(ks));
    keyspace_init(&back, ks->ndbs);
    CHECK(load(fd, &back, false, &got) == 0);
    CHECK(keyspace_count(&back) == keyspace_count(ks));
    keyspace_release(&back);
    if (how & 64) check_publish(&save, how >> 5);
}

/* ---------------------------------------------------------------- salvage */

struct salvaging {
    struct rdb_salvage s;
    struct rdb_report report;
};

static bool on_damaged(void *arg, const struct rdb_damage *d, uint64_t *next) {
    struct salvaging *s = arg;

    if (!rdb_salvage_behind(&s->s, d, s->report.version, next)) return false;
    rdb_salvage_leave_out(&s->s, d->key->at, *next);
    return true;
}

static const struct rdb_sink salvage_sink = {.damaged = on_damaged};
static const struct rdb_read read_all = {.rules = RULES, .skip_modules = true, .ndbs = 1 << 20};

static void check_salvaged(int dirfd) {
    static const struct rdb_sink none;
    struct rdb_report r;
    struct err e;
    int fd = io_open_read(dirfd, "salvaged", &e);

    CHECK(fd >= 0);
    CHECK(rdb_read(fd, &read_all, &none, NULL, &r, &e) == 0);
    io_close(fd);
}

static void salvage(int fd) {
    struct salvaging s = {0};
    struct err e;
    bool failed;
    uint64_t end;

    CHECK(rdb_salvage_begin(&s.s, fd, -1, "salvaged", &e) == 0);
    failed = rdb_read(fd, &read_all, &salvage_sink, &s, &s.report, &e) < 0;
    if (failed && s.report.doing == RDB_DOING_START) {
        io_close(s.s.out.fd);
        rdb_out_release(&s.s.out);
        return;
    }
    end = s.report.value_at > s.s.copied ? s.report.value_at : s.s.copied;
    CHECK(rdb_salvage_end(&s.s, end, s.report.version, &e) == 0);
    check_salvaged(-1);
}

FUZZ_TARGET(rdb) {
    struct choices c = choices_of(data, size);
    uint8_t how = choose(&c);
    struct keyspace ks = {0};
    struct rdb_loaded got;
    int fd;

    fuzz_begin();
    fd = fuzz_file("dump", slice_of(c.p, choices_left(&c)));
    keyspace_init(&ks, 16);
    if (load(fd, &ks, how & 16, &got) == 0) check_round(&ks, how);
    keyspace_release(&ks);
    if (how & 32) salvage(fd);
    return 0;
}
