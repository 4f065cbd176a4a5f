/* SPDX-License-Identifier: BSD-3-Clause */
#include "conf/conf.h"
#include "server/admin/doctor.h"
#include "server/admin/info.h"
#include "server/exec/latency.h"
#include "server/exec/session.h"
#include "server/exec/slowlog.h"

#include <math.h>
#include <time.h>

typedef unsigned long long ull;

enum {
    SLOW_SYNC_US = 50 * 1000,
    SLOW_FORK_US = 100 * 1000,
    SLOW_COMMAND_US = 5 * 1000 /* on average */
};

static void append_time(struct bytes *out, int64_t unix_s) {
    char text[40] = "?";
    time_t s = (time_t)unix_s;
    struct tm tm;

    if (gmtime_r(&s, &tm)) strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &tm);
    bytes_append_str(out, text);
}

/* ---------------------------------------------------------------- commands */

static const struct slow_entry *slowest(const struct slowlog *l) {
    const struct slow_entry *found = NULL;

    list_each (it, &l->entries) {
        const struct slow_entry *t = list_entry(it, struct slow_entry, link);

        if (!found || t->cost > found->cost) found = t;
    }
    return found;
}

static void tell_slow_log(const struct engine *e, struct bytes *out) {
    const struct slowlog *l = &e->logs[LOG_SLOW];
    int64_t limit_us = e->v->slowlog_log_slower_than;
    const struct slow_entry *t = slowest(l);

    if (limit_us < 0) {
        bytes_append_str(out, "- The slow log is off. CONFIG SET slowlog-log-slower-than 10000.\n");
        return;
    }
    if (!t) {
        bytes_printf(out, "No command took longer than %lld us (slowlog-log-slower-than).\n",
                     (long long)limit_us);
        return;
    }
    bytes_printf(out, "%zu commands took longer than %lld us. The slowest: %.*s, %llu us, at ",
                 l->n, (long long)limit_us, (int)(t->argc ? t->argv[0].n : 0),
                 t->argc ? t->argv[0].p : "", (ull)t->cost);
    append_time(out, t->at_s);
    bytes_printf(out, ", of client %s.\n", t->addr);
    bytes_append_str(out, "- While such a command runs, writes of all others wait. SLOWLOG GET "
                          "shows them. Walk large values with SCAN and its relatives, delete them "
                          "with UNLINK.\n");
}

static const struct command_slot *most_costly(const struct command_slot *slots, unsigned n,
                                              const struct command_slot *found) {
    for (unsigned i = 0; i < n; i++) {
        const struct command_slot *c = &slots[i];

        if (c->calls && (!found || c->ns > found->ns)) found = c;
        found = most_costly(c->sub, c->nsub, found);
    }
    return found;
}

static uint64_t total_ns(const struct command_slot *slots, unsigned n) {
    uint64_t sum = 0;

    for (unsigned i = 0; i < n; i++) sum += slots[i].ns + total_ns(slots[i].sub, slots[i].nsub);
    return sum;
}

static void tell_costly(const struct engine *e, struct bytes *out) {
    const struct command_registry *all = &e->commands;
    const struct command_slot *c = most_costly(all->slots, all->n, NULL);
    uint64_t total = total_ns(all->slots, all->n), mean_us;

    if (!c || !total) return;
    mean_us = c->ns / c->calls / 1000;
    bytes_printf(out,
                 "Most time goes into %s: %llu calls of %llu us on average, %.0f %% of the time of "
                 "all commands.\n",
                 c->name, (ull)c->calls, (ull)mean_us, (double)c->ns * 100 / (double)total);
    if (mean_us > SLOW_COMMAND_US)
        bytes_printf(out, "- A single %s is slow: LATENCY HISTOGRAM %s, and look at its sizes.\n",
                     c->name, c->name);
}

/* ---------------------------------------------------------------- disk and fork */

static void tell_disk(const struct engine *e, struct bytes *out) {
    struct aof_info a;
    uint64_t p99;

    aof_get_info(engine_first((struct engine *)e)->aof, &a);
    if (a.phase == AOF_OFF) return;
    p99 = info_percentile_us(&a.writer.sync_time, 99);
    bytes_printf(out,
                 "The AOF was synced %llu times: 99 %% within %llu us, the slowest %llu us. "
                 "Replies waited for the AOF %llu us on average, %llu us at most.\n",
                 (ull)a.writer.sync_time.count, (ull)p99, (ull)a.writer.sync_time.max_us,
                 (ull)(e->gate_wait.count ? e->gate_wait.sum_us / e->gate_wait.count : 0),
                 (ull)e->gate_wait.max_us);
    if (p99 > SLOW_SYNC_US && e->v->appendfsync == CONF_FSYNC_ALWAYS)
        bytes_append_str(out, "- The disk is slow, and every write waits for its sync. Use a disk "
                              "with a write cache that survives a power failure, or accept to "
                              "lose a second: CONFIG SET appendfsync everysec.\n");
    else if (p99 > SLOW_SYNC_US)
        bytes_append_str(out, "- The disk is slow. No reply waits for a sync, but a power failure "
                              "loses more (DOCTOR SAFETY). Look for other programs that use "
                              "it.\n");
    if (e->nparked)
        bytes_printf(out,
                     "- %zu clients wait because more than aof-buffer-limit (%llu bytes) is to be "
                     "written.\n",
                     e->nparked, (ull)e->v->aof_buffer_limit);
}

static void tell_fork(const struct engine *e, struct bytes *out) {
    if (!e->stats.forks) return;
    bytes_printf(out, "The last of %llu forks took %llu us.\n", (ull)e->stats.forks,
                 (ull)e->stats.last_fork_us);
    if (e->stats.last_fork_us > SLOW_FORK_US)
        bytes_append_str(out, "- All clients waited for it. It takes the longer the more memory "
                              "there is. Let rewrites begin less often: "
                              "auto-aof-rewrite-percentage, and 'save' for snapshots. Switch "
                              "transparent huge pages off (disable-thp).\n");
}

/* ---------------------------------------------------------------- events */

static void diagnose(struct bytes *out, const struct latency_event *t, size_t number) {
    int64_t first = latency_at(t, 0).at_s, last = latency_at(t, t->n - 1).at_s;
    double sum = 0, mean, deviation = 0;

    for (unsigned i = 0; i < t->n; i++) sum += latency_at(t, i).ms;
    mean = sum / t->n;
    for (unsigned i = 0; i < t->n; i++) deviation += fabs(latency_at(t, i).ms - mean);
    bytes_printf(out,
                 "%zu. %s: %u latency spikes (average %.0fms, mean deviation %.0fms, period %.2f "
                 "sec). Worst all time event %ums. The last one was at ",
                 number, t->name, t->n, mean, deviation / t->n,
                 t->n > 1 ? (double)(last - first) / (t->n - 1) : 1.0, t->max_ms);
    append_time(out, last);
    bytes_append_str(out, ".\n");
}

static void advise(const struct engine *e, const struct latency_event *t, struct bytes *out) {
    int64_t slower_us = e->v->slowlog_log_slower_than;

    if (strstr(t->name, "command") && slower_us > e->v->latency_monitor_threshold * 1000)
        bytes_printf(out,
                     "- The slow log leaves out what is noted here. CONFIG SET "
                     "slowlog-log-slower-than %lld.\n",
                     (long long)e->v->latency_monitor_threshold * 1000);
    if (strncmp(t->name, "aof", 3) == 0)
        bytes_append_str(out, "- aof: the disk was slow. Clients that waited for it waited so "
                              "long, all others did not.\n");
    if (strcmp(t->name, "expire-cycle") == 0)
        bytes_append_str(out, "- expire-cycle: many keys, or very large ones, expire at the same "
                              "moment. Spread their times, or CONFIG SET lazyfree-lazy-expire "
                              "yes.\n");
}

static void tell_events(const struct engine *e, struct bytes *out) {
    const struct latency *l = e->latency;
    int64_t threshold_ms = e->v->latency_monitor_threshold;

    if (threshold_ms == 0 && l->n == 0) {
        bytes_append_str(out, "- Delays are not noted with their times. To have them: CONFIG SET "
                              "latency-monitor-threshold 100 (milliseconds).\n");
        return;
    }
    if (l->n == 0) {
        bytes_printf(out, "Nothing took longer than %lld ms (latency-monitor-threshold).\n",
                     (long long)threshold_ms);
        return;
    }
    bytes_append_str(out, "What took longer than latency-monitor-threshold:\n");
    for (size_t i = 0; i < l->n; i++) diagnose(out, l->events[i], i + 1);
    for (size_t i = 0; i < l->n; i++) advise(e, l->events[i], out);
}

void doctor_latency(struct engine *e, struct bytes *out) {
    tell_events(e, out);
    tell_slow_log(e, out);
    tell_costly(e, out);
    tell_disk(e, out);
    tell_fork(e, out);
}
