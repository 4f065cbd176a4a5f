/* SPDX-License-Identifier: BSD-3-Clause
 *
 * info_persistence - INFO's persistence section: every field of Redis 7 with its meaning, then what
 * the acknowledgement contract makes worth knowing: how far the disk is behind.
 */
#include "server/admin/info.h"

#include "persistence/aof_backup.h"

#include "storage/base/clock.h"

typedef unsigned long long ull;

static void append_loading(const struct engine *e, struct bytes *out) {
    int64_t now_ms = clock_wall_ms(), past_ms = now_ms - e->loading_began_ms;
    double share = e->loading_total ? (double)e->loading_done / (double)e->loading_total : 0;
    double eta_s = share > 0 ? (double)past_ms / 1000 * (1 - share) / share : 1;

    bytes_printf(out,
                 "loading_start_time:%lld\r\nloading_total_bytes:%llu\r\nloading_rdb_used_mem:0\r\n"
                 "loading_loaded_bytes:%llu\r\nloading_loaded_perc:%.2f\r\n"
                 "loading_eta_seconds:%lld\r\n",
                 (long long)e->loading_began_ms / 1000, (ull)e->loading_total, (ull)e->loading_done,
                 share * 100, (long long)eta_s);
}

/* Of whichever child is at work. */
struct child_state {
    uint64_t keys, of_keys, cow_bytes;
};

static struct child_state child_state(const struct rdb_saver *s, const struct aof_info *a) {
    if (rdb_saver_running(s))
        return (struct child_state){s->child.progress.keys_done, s->keys_at_fork,
                                    s->child.progress.cow_bytes};
    return (struct child_state){a->current_keys, a->total_keys, a->current_cow_bytes};
}

static long long seconds_since(uint64_t us) {
    return (long long)((clock_real_ns() / 1000 - us) / 1000000);
}

static void append_snapshots(const struct engine *e, const struct aof_info *a, struct bytes *out) {
    const struct rdb_saver *s = &e->saver;
    struct child_state c = child_state(s, a);
    double share = c.of_keys ? (double)c.keys / (double)c.of_keys : 0;

    bytes_printf(out,
                 "loading:%d\r\nasync_loading:%d\r\ncurrent_cow_peak:%llu\r\n"
                 "current_cow_size:%llu\r\ncurrent_cow_size_age:0\r\ncurrent_fork_perc:%.2f\r\n"
                 "current_save_keys_processed:%llu\r\ncurrent_save_keys_total:%llu\r\n",
                 e->loading, e->async_loading, (ull)c.cow_bytes, (ull)c.cow_bytes, share * 100,
                 (ull)c.keys, (ull)c.of_keys);
    bytes_printf(out,
                 "rdb_changes_since_last_save:%llu\r\nrdb_bgsave_in_progress:%d\r\n"
                 "rdb_last_save_time:%lld\r\nrdb_last_bgsave_status:%s\r\n"
                 "rdb_last_bgsave_time_sec:%lld\r\nrdb_current_bgsave_time_sec:%lld\r\n"
                 "rdb_saves:%llu\r\nrdb_last_cow_size:%llu\r\n"
                 "rdb_last_load_keys_expired:%llu\r\nrdb_last_load_keys_loaded:%llu\r\n",
                 (ull)(e->dirty - s->saved_changes),
                 rdb_saver_running(s) || e->role.saving_for_replica, (long long)s->last_save_s,
                 s->last_ok ? "ok" : "err", (long long)s->last_took_s,
                 rdb_saver_running(s) ? seconds_since(s->child.started_us) : -1, (ull)s->saves,
                 (ull)s->last_cow_bytes, (ull)e->loaded_due, (ull)e->loaded_keys);
}

static void append_log(const struct aof_info *a, struct bytes *out) {
    bytes_printf(out,
                 "aof_enabled:%d\r\naof_rewrite_in_progress:%d\r\naof_rewrite_scheduled:%d\r\n"
                 "aof_last_rewrite_time_sec:%lld\r\naof_current_rewrite_time_sec:%lld\r\n"
                 "aof_last_bgrewrite_status:%s\r\naof_rewrites:%llu\r\n"
                 "aof_rewrites_consecutive_failures:%llu\r\naof_last_write_status:%s\r\n"
                 "aof_last_cow_size:%llu\r\nmodule_fork_in_progress:0\r\n"
                 "module_fork_last_cow_size:0\r\n",
                 a->enabled, a->rewrite_in_progress, a->rewrite_scheduled,
                 (long long)a->last_rewrite_sec, (long long)a->current_rewrite_sec,
                 a->last_rewrite_ok ? "ok" : "err", (ull)a->rewrites, (ull)a->consecutive_failures,
                 a->last_write_ok ? "ok" : "err", (ull)a->last_cow_bytes);
    if (!a->enabled) return;
    bytes_printf(out,
                 "aof_current_size:%llu\r\naof_base_size:%llu\r\naof_pending_rewrite:%d\r\n"
                 "aof_buffer_length:%llu\r\naof_pending_bio_fsync:%d\r\naof_delayed_fsync:%llu\r\n",
                 (ull)a->current_size, (ull)a->base_size, a->pending_rewrite, (ull)a->buffer_length,
                 a->writer.sync_started_us != 0, (ull)a->delayed_fsync);
    bytes_printf(out, "aof_recovery_begins_ms:%lld\r\n", (long long)a->recovery_begins_ms);
}

uint64_t info_percentile_us(const struct aof_histogram *h, double percent) {
    double rank = percent / 100 * (double)h->count;
    uint64_t below = 0;

    for (int i = 0; i < 32; i++) {
        below += h->bucket[i];
        if (h->bucket[i] && (double)below >= rank) {
            uint64_t bound = UINT64_C(1) << i;

            return bound < h->max_us ? bound : h->max_us;
        }
    }
    return h->max_us;
}

static void append_times(struct bytes *out, const char *name, const struct aof_histogram *h) {
    bytes_printf(out, "%s:count=%llu,avg=%llu,p50=%llu,p99=%llu,p99.9=%llu,max=%llu\r\n", name,
                 (ull)h->count, (ull)(h->count ? h->sum_us / h->count : 0),
                 (ull)info_percentile_us(h, 50), (ull)info_percentile_us(h, 99),
                 (ull)info_percentile_us(h, 99.9), (ull)h->max_us);
}

static uint64_t distance(uint64_t far, uint64_t near) {
    return far > near ? far - near : 0;
}

static void append_distance(const struct aof_info *a, const struct aof_histogram *gate_wait,
                            struct bytes *out) {
    static const char *const names[AOF_PHASES] = {"off", "enabling", "on", "recovering"};

    bytes_printf(out,
                 "aof_state:%s\r\naof_appended_position:%llu\r\naof_written_position:%llu\r\n"
                 "aof_synced_position:%llu\r\naof_unwritten_bytes:%llu\r\n"
                 "aof_unsynced_bytes:%llu\r\naof_oldest_unsynced_ms:%llu\r\naof_syncs:%llu\r\n",
                 names[a->phase], (ull)a->appended, (ull)a->written, (ull)a->synced,
                 (ull)distance(a->appended, a->written), (ull)distance(a->appended, a->synced),
                 (ull)a->oldest_unsynced_ms, (ull)a->writer.syncs);
    append_times(out, "aof_write_time_usec", &a->writer.write_time);
    append_times(out, "aof_sync_time_usec", &a->writer.sync_time);
    append_times(out, "aof_gate_wait_usec", gate_wait);
}

/* The last one may have been sealed by an earlier process. */
static void append_backup(struct engine *e, struct bytes *out) {
    const struct aof_backup *k = aof_backup_state(e->aof);
    int64_t age_ms = clock_cached_ms() - k->last_ms;

    bytes_printf(
        out,
        "backup_in_progress:%d\r\nbackup_last_status:%s\r\nbackup_last_id:%s\r\n"
        "backup_last_time:%lld\r\nbackup_last_age_sec:%lld\r\nbackup_last_size:%llu\r\n",
        k->phase != BACKUP_IDLE, k->failed ? "err" : "ok", k->last_id, (long long)k->last_ms / 1000,
        !k->last_ms ? -1 : (long long)(age_ms > 0 ? age_ms / 1000 : 0), (ull)k->last_bytes);
}

void info_persistence(struct engine *e, struct bytes *out) {
    struct aof_info a;

    aof_get_info(e->aof, &a);
    append_snapshots(e, &a, out);
    append_log(&a, out);
    if (e->loading || e->async_loading) append_loading(e, out);
    append_distance(&a, &e->gate_wait, out);
    append_backup(e, out);
}
