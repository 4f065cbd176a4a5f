/* SPDX-License-Identifier: BSD-3-Clause
 *
 * metrics_stet - the metrics that only stet has: how many bytes wait for the disk, what is at risk
 * now, how long writes, syncs and gated replies took.
 */
#include "conf/conf.h"
#include "persistence/aof_backup.h"
#include "server/http/metrics.h"
#include "storage/base/clock.h"

static void seconds(struct scrape *s, const char *name, enum metric_type type, const char *help,
                    uint64_t us) {
    metric_family(&s->m, name, type, help);
    metric_name(&s->m, name, "");
    metric_us(&s->m, us);
}

static void gauge(struct scrape *s, const char *name, const char *help, uint64_t value) {
    metric_one(&s->m, name, M_GAUGE, help, (int64_t)value);
}

static void counter(struct scrape *s, const char *name, const char *help, uint64_t value) {
    metric_one(&s->m, name, M_COUNTER, help, (int64_t)value);
}

/* ---------------------------------------------------------------- the server */

static void identity(struct scrape *s) {
    metric_family(&s->m, "stet_build_info", M_GAUGE, "The version, in labels.");
    metric_name(&s->m, "stet_build_info", "");
    metric_label(&s->m, "git_sha", metrics_field(s, "redis_git_sha1"));
    metric_label(&s->m, "version", metrics_field(s, "stet_version"));
    metric_int(&s->m, 1);
}

void metrics_stet_server(struct scrape *s) {
    const struct engine *e = s->e;
    char why[HEALTH_REASON_MAX];

    identity(s);
    gauge(s, "stet_ready", "Whether /readyz answers 200.", !health_reason(s->h, why));
    if (e->loading && e->loading_total) {
        metric_family(&s->m, "stet_loading_ratio", M_GAUGE, "How much of the data set is loaded.");
        metric_name(&s->m, "stet_loading_ratio", "");
        metric_double(&s->m, (double)e->loading_done / (double)e->loading_total);
    }
    gauge(s, "stet_parked_clients", "Clients whose write waits for room, or for a pause to end.",
          e->nparked);
    gauge(s, "stet_unsafe_keys", "Changed keys whose replies wait: the change is not safe yet.",
          e->gate.older.n + e->gate.newer.n);
    counter(s, "stet_forks_total", "Children that were forked.", e->stats.forks);
    counter(s, "stet_loop_turns_total", "Turns of the event loop.", e->stats.loop_cycles);
    seconds(s, "stet_loop_cpu_seconds_total", M_COUNTER, "CPU time of the event loop's thread.",
            e->stats.loop_us);
    seconds(s, "stet_http_longest_turn_seconds", M_GAUGE,
            "The most that HTTP took of one turn of the event loop.", s->h->longest_turn_ns / 1000);
}

/* ---------------------------------------------------------------- the AOF */

static uint64_t distance(uint64_t far, uint64_t near) {
    return far > near ? far - near : 0;
}

static void policy(struct scrape *s, const struct aof_info *a) {
    static const char *const states[AOF_PHASES] = {"off", "enabling", "on", "recovering"};
    static const char *const levels[] = {"none", "written", "synced"};

    metric_family(&s->m, "stet_durability_info", M_GAUGE,
                  "The state of the AOF, and what a reply to a write waits for.");
    metric_name(&s->m, "stet_durability_info", "");
    metric_label(&s->m, "aof", slice_str(states[a->phase]));
    metric_label(&s->m, "replies_wait_for", slice_str(levels[aof_current_level(s->e->aof)]));
    metric_int(&s->m, 1);
}

/* Under `always` nothing is acknowledged that a power cut could take back. */
static void at_risk(struct scrape *s, const struct aof_info *a) {
    bool none = aof_current_level(s->e->aof) == AOF_LEVEL_SYNCED;

    if (a->phase != AOF_ON && a->phase != AOF_RECOVERING) return;
    gauge(s, "stet_at_risk_bytes", "Acknowledged bytes of the AOF that a power cut would take now.",
          none ? 0 : distance(a->written, a->synced));
    seconds(s, "stet_at_risk_seconds", M_GAUGE, "Age of the oldest of them.",
            none ? 0 : a->oldest_unsynced_ms * 1000);
}

static void positions(struct scrape *s, const struct aof_info *a) {
    gauge(s, "stet_aof_unwritten_bytes", "Appended and not accepted by the kernel yet.",
          distance(a->appended, a->written));
    gauge(s, "stet_aof_unsynced_bytes", "Appended and not on stable storage yet.",
          distance(a->appended, a->synced));
    seconds(s, "stet_aof_oldest_unsynced_seconds", M_GAUGE, "Age of the oldest of these.",
            a->oldest_unsynced_ms * 1000);
    gauge(s, "stet_aof_write_failing", "Whether a write to the AOF failed and is tried again.",
          a->writer.write_error != 0);
    gauge(s, "stet_aof_sync_failed", "Whether a sync failed, and the file is not trusted any more.",
          a->writer.sync_error != 0);
    counter(s, "stet_aof_fsyncs_total", "Syncs of the AOF.", a->writer.syncs);
    counter(s, "stet_aof_rewrites_total", "Rewrites that were begun.", a->rewrites);
    gauge(s, "stet_aof_rewrite_failures", "Rewrites that failed since the last one that did not.",
          a->consecutive_failures);
}

void metrics_stet_aof(struct scrape *s) {
    struct aof_info a;

    aof_get_info(s->e->aof, &a);
    policy(s, &a);
    at_risk(s, &a);
    positions(s, &a);
    metric_histogram(&s->m, "stet_aof_write_seconds", "Times of writes to the AOF.",
                     &a.writer.write_time);
    metric_histogram(&s->m, "stet_aof_fsync_seconds", "Times of syncs of the AOF.",
                     &a.writer.sync_time);
    metric_histogram(&s->m, "stet_reply_wait_seconds", "How long replies waited for the AOF.",
                     &s->e->gate_wait);
}

/* ---------------------------------------------------------------- backups */

void metrics_stet_backup(struct scrape *s) {
    const struct aof_backup *k = aof_backup_state(s->e->aof);
    int64_t age_ms = clock_wall_ms() - k->last_ms;
    struct aof_keep keep = {0};
    struct aof_info a;

    aof_get_info(s->e->aof, &a);
    conf_history_keep(s->e->v->aof_history_keep, &keep.bytes, &keep.ms);
    seconds(s, "stet_history_keep_seconds", M_GAUGE,
            "aof-history-keep as a time: how far back a recovery can go; 0: it is none.",
            (uint64_t)keep.ms * 1000);
    gauge(s, "stet_history_keep_bytes", "aof-history-keep as a size; 0: it is none.", keep.bytes);
    if (a.recovery_begins_ms)
        seconds(s, "stet_recovery_begins_timestamp_seconds", M_GAUGE,
                "The earliest moment that --recover-to reaches.",
                (uint64_t)a.recovery_begins_ms * 1000);
    gauge(s, "stet_backup_open", "Whether a backup is under way.", k->phase != BACKUP_IDLE);
    if (k->last_ms == 0) return;
    seconds(s, "stet_backup_last_timestamp_seconds", M_GAUGE,
            "When the last backup of this process was sealed.", (uint64_t)k->last_ms * 1000);
    seconds(s, "stet_backup_last_age_seconds", M_GAUGE, "How long ago that was.",
            age_ms > 0 ? (uint64_t)age_ms * 1000 : 0);
    gauge(s, "stet_backup_last_bytes", "How large it is.", k->last_bytes);
}
