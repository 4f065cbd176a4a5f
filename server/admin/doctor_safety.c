/* SPDX-License-Identifier: BSD-3-Clause */
#include "conf/conf.h"
#include "persistence/aof_backup.h"
#include "server/admin/doctor.h"
#include "storage/base/clock.h"

#include <string.h>

typedef unsigned long long ull;

static long long seconds_ago(int64_t unix_s) {
    int64_t past = clock_wall_ms() / 1000 - unix_s;

    return past > 0 ? past : 0;
}

/* ---------------------------------------------------------------- what is at risk */

static void tell_without_aof(const struct engine *e, struct bytes *out) {
    const struct rdb_saver *s = &e->saver;
    uint64_t changes = e->dirty - s->saved_changes;

    bytes_printf(out,
                 "The AOF is off. A crash now loses %llu changes: everything since the last "
                 "snapshot, %lld seconds ago.\n",
                 (ull)changes, seconds_ago(s->last_save_s));
    bytes_append_str(out, "- To lose one second at most: CONFIG SET appendonly yes, then CONFIG "
                          "REWRITE.\n");
    if (!s->last_ok)
        bytes_append_str(out, "- The last snapshot failed. The server log has the reason; writes "
                              "are refused while stop-writes-on-bgsave-error is yes.\n");
}

static void tell_distance(const struct engine *e, const struct aof_info *a, struct bytes *out) {
    ull unsynced = a->appended - a->synced, unwritten = a->appended - a->written;
    const char *policy = e->v->appendfsync == CONF_FSYNC_NO ? "no" : "everysec";

    if (e->v->appendfsync == CONF_FSYNC_ALWAYS) {
        bytes_printf(out,
                     "appendfsync is always: no acknowledged write can be lost, by a crash or a "
                     "power failure. %llu bytes are on their way, their replies wait.\n",
                     unsynced);
        return;
    }
    if (unsynced == 0) {
        bytes_printf(out,
                     "appendfsync is %s, and everything is synced: a power failure now loses "
                     "nothing.\n",
                     policy);
    } else {
        bytes_printf(
            out,
            "appendfsync is %s: a crash of the server loses no acknowledged write (%llu bytes "
            "are on their way, their replies wait). A power failure now loses %llu bytes, the "
            "oldest written %llu ms ago.\n",
            policy, unwritten, unsynced, (ull)a->oldest_unsynced_ms);
    }
    if (e->v->appendfsync == CONF_FSYNC_NO)
        bytes_append_str(out, "- The kernel decides when it writes, often 30 seconds later. To "
                              "lose a second at most: CONFIG SET appendfsync everysec.\n");
    else if (a->oldest_unsynced_ms > 2000)
        bytes_append_str(out, "- The oldest unsynced write is older than two seconds: the disk is "
                              "too slow for this load. DOCTOR LATENCY has the times of its "
                              "syncs.\n");
}

static void tell_trouble(const struct aof_info *a, struct bytes *out) {
    if (a->phase == AOF_ENABLING)
        bytes_append_str(out, "- The AOF is being switched on: the promise begins when its base is "
                              "on the disk (aof_state of INFO is 'on' then).\n");
    if (a->phase == AOF_RECOVERING)
        bytes_append_str(out, "- A sync has failed. Writes are refused until a new AOF is on the "
                              "disk; nothing acknowledged is lost unless the server ends before. "
                              "Do not restart it. Check the disk.\n");
    if (a->writer.write_error)
        bytes_printf(out,
                     "- The AOF cannot be written: %s. Writes are refused and go on by themselves "
                     "when that is over. Make room, or repair the disk; do not restart the "
                     "server.\n",
                     strerror(a->writer.write_error));
    if (!a->last_rewrite_ok)
        bytes_printf(
            out,
            "- The last rewrite failed (%llu in a row): the AOF grows, %llu bytes now. The "
            "server log has the reason.\n",
            (ull)a->consecutive_failures, (ull)a->current_size);
}

/* ---------------------------------------------------------------- ways back */

static void tell_backup(const struct engine *e, const struct aof_info *a, struct bytes *out) {
    const struct aof_backup *k = aof_backup_state(e->aof);

    if (!k->last_ms) {
        bytes_append_str(out, "- There is no backup. A mistake (FLUSHALL) or a lost disk cannot be "
                              "undone. Take one: stet-backup take; each day: "
                              "stet-backup.timer.\n");
    } else {
        bytes_printf(out, "The last backup is '%s', of %lld seconds ago, %llu bytes.\n", k->last_id,
                     seconds_ago(k->last_ms / 1000), (ull)k->last_bytes);
        if (clock_wall_ms() - k->last_ms > INT64_C(2) * 86400 * 1000)
            bytes_append_str(out, "- It is older than two days: stet-backup take.\n");
    }
    if (a->enabled && strcmp(e->v->aof_history_keep, "0") == 0)
        bytes_append_str(out, "- aof-history-keep is 0: --recover-to reaches back to the last "
                              "rewrite only. For a week: CONFIG SET aof-history-keep 7d.\n");
}

void doctor_safety(struct engine *e, struct bytes *out) {
    struct aof_info a;

    e = engine_first(e); /* which has the files */
    aof_get_info(e->aof, &a);
    if (a.phase == AOF_OFF) {
        tell_without_aof(e, out);
    } else {
        tell_distance(e, &a, out);
        tell_trouble(&a, out);
    }
    tell_backup(e, &a, out);
}
