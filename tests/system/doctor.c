/* SPDX-License-Identifier: BSD-3-Clause
 *
 * DOCTOR over the wire: what needs a disk, a backup or clients' buffers.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/ask.h"
#include "tests/kit/resp3.h"
#include "tests/kit/server.h"

TestSuite(doctor, .fini = kit_end);

static void has(redisContext *c, const char *command, const char *want) {
    const char *got = ask(c, command);

    cr_assert(strstr(got, want), "%s\nis not in:\n%s", want, got);
}

Test(doctor, a_slow_disk_is_a_cause) {
    STET_ONLY();
    struct server *s = server_new();

    setenv("STET_IO_FAULT", "sync:delay=80", 1);
    server_start(s, "--appendonly", "yes", "--appendfsync", "always", NULL);
    unsetenv("STET_IO_FAULT");
    redisContext *c = ask_open(s);
    EXPECT(c, "+OK", "SET a 1");
    has(c, "LATENCY DOCTOR", "The disk is slow, and every write waits for its sync.");
    EXPECT(c, "+OK", "CONFIG SET appendfsync everysec");
    has(c, "LATENCY DOCTOR", "The disk is slow. No reply waits for a sync, but a power failure");
    EXPECT(c, "+OK", "CONFIG SET appendfsync no");
    EXPECT(c, "+OK", "SET a 2");
    has(c, "DOCTOR SAFETY", "appendfsync is no: a crash of the server loses no acknowledged write");
    has(c, "DOCTOR SAFETY", "A power failure now loses ");
}

Test(doctor, a_disk_that_refuses_is_named_with_its_error) {
    STET_ONLY();
    struct server *s = server_run("--appendonly", "yes", "--enable-test-commands", "yes", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "+OK", "TEST DISK FULL");
    ask_send(ask_open(s), "SET a 1");
    ask_wait_info(c, "aof_last_write_status", "err");
    has(c, "DOCTOR SAFETY", "- The AOF cannot be written: No space left on device.");
    EXPECT(c, "+OK", "TEST DISK NORMAL");
    ask_wait_info(c, "aof_last_write_status", "ok");
}

Test(doctor, the_last_backup_has_an_age) {
    STET_ONLY();
    struct server *s = server_run("--appendonly", "yes", NULL);
    redisContext *c = ask_open(s);

    has(c, "DOCTOR SAFETY", "There is no backup.");
    EXPECT_PREFIX(c, "$backup-", "BACKUP START");
    EXPECT_PREFIX(c, "[$id $backup-", "BACKUP SEAL");
    has(c, "DOCTOR SAFETY", "The last backup is 'backup-");
    has(c, "DOCTOR SAFETY", " seconds ago, ");
}

Test(doctor, a_client_with_much_buffered_is_named) {
    STET_ONLY();
    struct server *s = server_run(NULL, NULL);
    redisContext *c = ask_open(s);
    static const char head[] = "*2\r\n$3\r\nGET\r\n$20000000\r\n";
    static char part[12 << 20];
    struct resp_conn big;

    memset(part, 'x', sizeof part);
    cr_assert_eq(resp_open(&big, server_port(s), NULL), 0);
    cr_assert_str_eq(resp_ask(&big, "PING", NULL), "+PONG");
    resp_send(&big, head, strlen(head));
    cr_assert_eq(resp_send(&big, part, sizeof part), 0);
    ask_wait_info_min(c, "client_recent_max_input_buffer", 11 << 20);
    has(c, "MEMORY DOCTOR", " in buffers, one of them ");
    has(c, "MEMORY DOCTOR", "client-output-buffer-limit and maxmemory-clients limit all.");
    resp_close(&big);
}

Test(doctor, states_of_the_aof_are_explained) {
    STET_ONLY();
    struct server *s = server_new();

    setenv("STET_IO_FAULT", "rename:delay=1500", 1);
    server_start(s, NULL);
    unsetenv("STET_IO_FAULT");
    redisContext *c = ask_open(s);
    EXPECT(c, "+OK", "CONFIG SET appendonly yes");
    has(c, "DOCTOR SAFETY", "- The AOF is being switched on: ");
    ask_wait_info(c, "aof_state", "on");
}

Test(doctor, a_rewrite_that_failed_is_named) {
    STET_ONLY();
    struct server *s = server_run("--appendonly", "yes", "--enable-test-commands", "yes", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "+OK", "TEST DISK FULL");
    EXPECT_PREFIX(c, "+Background", "BGREWRITEAOF");
    ask_wait_info(c, "aof_last_bgrewrite_status", "err");
    has(c, "DOCTOR SAFETY", "- The last rewrite failed (1 in a row): the AOF grows, ");
    EXPECT(c, "+OK", "TEST DISK NORMAL");
}

Test(doctor, a_disk_that_does_not_keep_up_is_seen_in_both_answers) {
    STET_ONLY();
    struct server *s = server_run("--appendonly", "yes", "--enable-test-commands", "yes", NULL);
    redisContext *c = ask_open(s), *d = ask_open(s);
    char *value = malloc(20 << 20);

    memset(value, 'x', 20 << 20);
    EXPECT(c, "+OK", "SET a 1");
    EXPECT(c, "+OK", "TEST DISK SLOW 2500");
    ask_send(d, "SET a %b", value, (size_t)(20 << 20));
    ask_wait_info_min(c, "aof_buffer_length", 17 << 20);
    has(c, "DOCTOR MEMORY", " wait to be written to the AOF: the disk is too slow.");
    ask_wait_info_min(c, "aof_oldest_unsynced_ms", 2001);
    has(c, "DOCTOR SAFETY", "- The oldest unsynced write is older than two seconds");
    EXPECT(c, "+OK", "TEST DISK NORMAL");
    free(value);
}
