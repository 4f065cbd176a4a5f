/* SPDX-License-Identifier: BSD-3-Clause */
#include "server_help.h"

#include "storage/base/clock.h"
#include "storage/base/hash.h"
#include "storage/base/io.h"
#include "storage/base/num.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

struct keyspace ks;
struct aof *aof;
int selected; /* of the log being read */
struct aof_options options = {.names = {".", "adir", "log", "dump.rdb"},
                              .policy = AOF_FSYNC_NO,
                              .checksum = true,
                              .load_truncated = true,
                              .rewrite_incremental_fsync = true};

static void no_wake(void *arg) {
    (void)arg;
}

bool others_child; /* a snapshot's is at work */

static bool may_fork(void *arg) {
    (void)arg;
    return aof_child(aof) == 0 && !others_child;
}

const struct aof_hooks hooks = {.wake = no_wake, .may_fork = may_fork};

void store(int db, struct slice key, struct slice value) {
    uint64_t hash = hash_bytes(key.p, key.n);
    struct db *d = &ks.dbs[db];

    db_set_string(d, key, hash, db_find(d, key, hash), value, ENTRY_NO_EXPIRE, 0);
}

int replay(void *arg, size_t argc, const struct slice *argv, struct err *e) {
    int64_t n;

    (void)arg;
    if (slice_is(argv[0], "select") && argc == 2 && num_parse_i64(argv[1].p, argv[1].n, &n))
        selected = (int)n;
    else if (slice_is(argv[0], "set") && argc >= 3)
        store(selected, argv[1], argv[2]);
    else
        return err_set(e, EINVAL, "what is '%.*s'?", (int)argv[0].n, argv[0].p);
    return 0;
}

const struct aof_load_options loading = {
    .names = {".", "adir", "log", "dump.rdb"}, .load_truncated = true, .command = replay};

int try_start(struct err *e) {
    keyspace_init(&ks, 4);
    selected = 0;
    aof = aof_new(&ks, &options, &hooks);
    return aof_start(aof, &loading, e);
}

void start(void) {
    struct err e = {0};

    cr_assert_eq(try_start(&e), 0, "%s", e.text);
    cr_assert_eq(aof_phase(aof), AOF_ON);
}

void stop(void) {
    bool ok = aof_stop(aof, 20000);

    aof = NULL;
    keyspace_release(&ks);
    cr_assert(ok, "everything became durable");
}

/* The end of a process that had no time to clean up. */
void crash(void) {
    aof_stop(aof, 0);
    aof = NULL;
    keyspace_release(&ks);
}

void server_begin(void) {
    help_begin();
    clock_refresh();
}

void server_end(void) {
    io_fault_reset();
    if (aof) crash();
    help_end();
}

void append(int db, const struct bytes *resp, size_t ncommands) {
    struct aof_unit u = {bytes_slice(resp), ncommands, db, db, false};

    aof_append(aof, &u);
}

void set_in(int db, const char *key, const char *value) {
    struct bytes b = {0};
    char words[200];

    snprintf(words, sizeof words, "SET %s %s", key, value);
    put_command(&b, words);
    store(db, slice_str(key), slice_str(value));
    append(db, &b, 1);
    bytes_release(&b);
}

void set(const char *key, const char *value) {
    set_in(0, key, value);
}

const char *get_in(int db, const char *key) {
    static char text[200];
    uint64_t hash = hash_bytes(key, strlen(key));
    struct entry *e = db_find(&ks.dbs[db], slice_str(key), hash);
    struct slice s;

    if (!e) return "-";
    s = entry_string(e);
    snprintf(text, sizeof text, "%.*s", (int)s.n, s.p);
    return text;
}

struct aof_info info(void) {
    struct aof_info i;

    aof_get_info(aof, &i);
    return i;
}

/* One turn of a loop. */
void turn(void) {
    aof_on_wake(aof);
    aof_cron(aof);
    aof_hand_over(aof);
}

bool is_written(void *arg) {
    (void)arg;
    turn();
    return aof_safe(aof, AOF_LEVEL_WRITTEN) >= aof_appended(aof);
}

bool is_synced(void *arg) {
    (void)arg;
    turn();
    return aof_safe(aof, AOF_LEVEL_SYNCED) >= aof_appended(aof);
}

bool has_no_backlog(void *arg) {
    (void)arg;
    return aof_backlog(aof) == 0;
}

bool is_idle(void *arg) {
    (void)arg;
    turn();
    return !info().rewrite_in_progress;
}

bool is_quiet(void *arg) {
    return is_idle(arg) && !info().rewrite_scheduled;
}

bool in_phase(void *arg) {
    turn();
    return aof_phase(aof) == *(enum aof_phase *)arg;
}

void wait_phase(enum aof_phase phase) {
    cr_assert(help_wait(in_phase, &phase), "phase %d", phase);
}

void rewrite(void) {
    cr_assert_eq(aof_bgrewrite(aof), AOF_BGREWRITE_STARTED);
    cr_assert(help_wait(is_idle, NULL));
    cr_assert(info().last_rewrite_ok);
}

bool refuses(void *arg) {
    (void)arg;
    turn();
    return aof_refusal(aof) != NULL;
}

bool accepts(void *arg) {
    return !refuses(arg);
}

bool manifest_is(const char *text) {
    return slice_eq(help_read("adir/log.manifest"), slice_str(text));
}
