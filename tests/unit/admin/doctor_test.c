/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin_help.h"
#include "persistence/aof_backup.h"
#include "server/exec/latency.h"
#include "server/exec/slowlog.h"
#include "storage/base/mem.h"

#include <criterion/criterion.h>
#include <sys/mman.h>

static struct help *h;

static void done(void) {
    help_free(h);
}

TestSuite(doctor, .fini = done);

static void has(const char *command, const char *want) {
    const char *got = help_ask(&h->a, command);

    cr_assert(strstr(got, want), "%s\nis not in:\n%s", want, got);
}

static void has_not(const char *command, const char *word) {
    const char *got = help_ask(&h->a, command);

    cr_assert_not(strstr(got, word), "%s\nis in:\n%s", word, got);
}

Test(doctor, answers_all_questions_or_one) {
    h = help_new(NULL);
    has("DOCTOR", "Is my data safe, and what would I lose now?\n");
    has("DOCTOR", "\nWhy is memory high?\n");
    has("DOCTOR", "\nWhat writes so much?\n");
    has("DOCTOR", "\nWhy was it slow?\n");
    has("DOCTOR writes", "What writes so much?\n");
    has_not("DOCTOR writes", "memory high");
    cr_assert_str_eq(help_ask(&h->a, "DOCTOR bogus"), "-ERR syntax error|");
    cr_assert_str_eq(help_ask(&h->a, "DOCTOR memory writes"), "-ERR syntax error|");
}

/* ---- safety */

Test(doctor, without_an_aof_the_changes_since_the_snapshot_are_at_risk) {
    h = help_new(NULL);
    h->e.dirty = h->e.saver.saved_changes + 7;
    has("DOCTOR SAFETY", "The AOF is off. A crash now loses 7 changes: ");
    has("DOCTOR SAFETY", "CONFIG SET appendonly yes");
    has("DOCTOR SAFETY", "There is no backup.");
    has_not("DOCTOR SAFETY", "The last snapshot failed");
    h->e.saver.last_ok = false;
    has("DOCTOR SAFETY", "The last snapshot failed.");
}

Test(doctor, each_policy_says_what_it_loses) {
    h = help_new("--appendonly yes");
    help_wait_synced(h, aof_appended(h->aof));
    has("DOCTOR SAFETY", "appendfsync is everysec, and everything is synced: a power failure now");
    has("DOCTOR SAFETY", "aof-history-keep is 0");
    help_ask(&h->a, "CONFIG SET appendfsync no aof-history-keep 7d");
    has("DOCTOR SAFETY", "CONFIG SET appendfsync everysec");
    has_not("DOCTOR SAFETY", "aof-history-keep is 0");
    help_ask(&h->a, "CONFIG SET appendfsync always");
    has("DOCTOR SAFETY", "appendfsync is always: no acknowledged write can be lost");
}

Test(doctor, a_backup_of_last_week_is_old) {
    struct aof_backup_entry week = {.id = "backup-1", .sealed = true, .bytes = 4711};

    h = help_new("--appendonly yes");
    week.when_ms = clock_wall_ms() - INT64_C(7) * 86400 * 1000;
    aof_backup_note_last(h->aof, "backups", &week);
    has("DOCTOR SAFETY", "The last backup is 'backup-1', of 604800 seconds ago, 4711 bytes.");
    has("DOCTOR SAFETY", "- It is older than two days");
}

/* ---- memory */

Test(doctor, memory_has_figures_and_nothing_remarkable) {
    h = help_new(NULL);
    has("MEMORY DOCTOR", "Memory in use is ");
    has("MEMORY DOCTOR", "; the process holds ");
#ifdef STET_JEMALLOC /* a sanitizer's process holds much more than is in use */
    has("MEMORY DOCTOR", "Nothing remarkable.");
#endif
}

Test(doctor, a_limit_that_is_near_is_named_with_the_policy) {
    h = help_new("--maxmemory 1");
    has("MEMORY DOCTOR", "of maxmemory ");
    has("MEMORY DOCTOR", "writes are refused (OOM), as maxmemory-policy is noeviction");
    help_ask(&h->a, "CONFIG SET maxmemory-policy allkeys-lru");
    h->e.stats.evicted = 12;
    has("MEMORY DOCTOR", "keys are evicted (12 so far)");
}

Test(doctor, a_peak_above_the_use_is_named) {
    h = help_new(NULL);
    h->e.stats.peak_memory = mem_used() + (UINT64_C(1) << 30);
    has("MEMORY DOCTOR", "There was more data once: ");
    has("MEMORY DOCTOR", "MEMORY PURGE");
}

Test(doctor, scripts_that_take_much_are_named) {
    h = help_new(NULL);
    h->e.scripts.cached = 5000;
    h->e.scripts.cached_bytes = 64 << 20;
    has("MEMORY DOCTOR", "5000 scripts take 64.00M");
    has("MEMORY DOCTOR", "SCRIPT FLUSH");
}

/* Pages that no allocation of the server's has. */
Test(doctor, what_the_process_holds_beyond_its_use_is_named) {
    size_t bytes = 256 << 20;
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    cr_assert_neq(p, MAP_FAILED);
    memset(p, 1, bytes);
    h = help_new(NULL);
    has("MEMORY DOCTOR", "- The process holds 2");
    has("MEMORY DOCTOR", " more than it uses.");
    munmap(p, bytes);
}

#ifdef STET_JEMALLOC
Test(doctor, holes_between_allocations_are_named) {
    enum { N = 600000 };
    void **p = mem_calloc(N * sizeof *p);

    h = help_new(NULL);
    for (int i = 0; i < N; i++) p[i] = mem_alloc(128);
    for (int i = 0; i < N; i++)
        if (i % 4) mem_free(p[i]);
    has("MEMORY DOCTOR", "- Fragmentation: ");
    for (int i = 0; i < N; i += 4) mem_free(p[i]);
    mem_free(p);
}
#endif

/* ---- writes */

Test(doctor, the_commands_that_write_most_come_first) {
    h = help_new(NULL);
    for (unsigned i = 0; i < h->e.commands.n; i++) {
        struct command_slot *c = &h->e.commands.slots[i];

        if (!(c->row->flags & CMD_WRITE)) continue;
        c->calls = 4;
        c->ns = 8000;
    }
    has("DOCTOR WRITES", "1. ");
    has("DOCTOR WRITES", " commands that write were called since the start or CONFIG RESETSTAT. ");
    has("DOCTOR WRITES", "4 calls (");
    has("DOCTOR WRITES", ", 2 us on average");
    has("DOCTOR WRITES", "The clients, of those connected now, that have sent most:\n1. ");
}

Test(doctor, clients_are_sorted_by_what_they_have_sent) {
    h = help_new(NULL);
    help_ask(&h->b, "CLIENT SETNAME importer");
    h->b.s.bytes_in = 5000;
    h->a.s.bytes_in = 10;
    has("DOCTOR WRITES",
        ", name 'importer', user \"default\": 5000 bytes, 1 commands, the last one");
}

/* ---- latency */

Test(doctor, a_command_that_is_slow_each_time_is_named) {
    struct command_slot *c;

    h = help_new(NULL);
    c = command_lookup(&h->e.commands, SLICE("save"));
    c->calls = 2;
    c->ns = UINT64_C(40000000);
    has("LATENCY DOCTOR", "Most time goes into save: 2 calls of 20000 us on average, ");
    has("LATENCY DOCTOR", "- A single save is slow: LATENCY HISTOGRAM save");
}

Test(doctor, latency_has_figures_without_a_monitor) {
    h = help_new("--slowlog-log-slower-than -1");
    has("LATENCY DOCTOR", "CONFIG SET latency-monitor-threshold 100");
    has("LATENCY DOCTOR", "The slow log is off.");
    help_ask(&h->a, "CONFIG SET slowlog-log-slower-than 10000 latency-monitor-threshold 3");
    has("LATENCY DOCTOR", "Nothing took longer than 3 ms (latency-monitor-threshold).");
    has("LATENCY DOCTOR", "No command took longer than 10000 us (slowlog-log-slower-than).");
    has("LATENCY DOCTOR", "Most time goes into ");
    h->e.stats.forks = 3;
    h->e.stats.last_fork_us = 250000;
    has("LATENCY DOCTOR", "The last of 3 forks took 250000 us.\n- All clients waited for it.");
}

Test(doctor, the_slowest_command_is_named_without_its_arguments) {
    h = help_new("--slowlog-log-slower-than 0 --enable-debug-command yes");
    help_ask(&h->a, "DEBUG SLEEP 0.02");
    has("LATENCY DOCTOR", "The slowest: DEBUG, 2");
    has_not("LATENCY DOCTOR", "SLEEP");
    has_not("LATENCY DOCTOR", "0.02");
}

Test(doctor, events_of_the_monitor_have_causes) {
    h = help_new("--latency-monitor-threshold 5");
    latency_note(&h->e, "command", 9000);
    latency_note(&h->e, "aof-write", 30000);
    latency_note(&h->e, "expire-cycle", 7000);
    has("LATENCY DOCTOR", "1. command: 1 latency spikes");
    has("LATENCY DOCTOR", "CONFIG SET slowlog-log-slower-than 5000");
    has("LATENCY DOCTOR", "- aof: the disk was slow.");
    has("LATENCY DOCTOR", "CONFIG SET lazyfree-lazy-expire yes");
}

Test(doctor, a_slow_disk_is_named_with_the_policy) {
    h = help_new("--appendonly yes --appendfsync always");
    has("LATENCY DOCTOR", "The AOF was synced ");
    h->e.nparked = 2;
    has("LATENCY DOCTOR", "2 clients wait because more than aof-buffer-limit");
    h->e.nparked = 0;
}
