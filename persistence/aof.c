/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_internal.h"

#include "storage/base/check.h"
#include "storage/base/clock.h"
#include "storage/base/crc.h"
#include "storage/base/io.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"
#include "storage/base/rng.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

const char *const aof_phase_name[AOF_PHASES] = {"off", "enabling", "on", "recovering"};

static const unsigned phase_next[AOF_PHASES] = {
    [AOF_OFF] = 1u << AOF_ENABLING | 1u << AOF_ON,
    [AOF_ENABLING] = 1u << AOF_ON | 1u << AOF_OFF,
    [AOF_ON] = 1u << AOF_OFF | 1u << AOF_RECOVERING | 1u << AOF_ENABLING,
    [AOF_RECOVERING] = 1u << AOF_ON | 1u << AOF_OFF | 1u << AOF_ENABLING,
};

void aof_enter(struct aof *a, enum aof_phase to, const char *why) {
    CHECK(phase_next[a->phase] & (1u << to));
    log_verbose("append only file: %s -> %s (%s)", aof_phase_name[a->phase], aof_phase_name[to],
                why);
    if (a->phase == AOF_ENABLING && to == AOF_ON) a->enabled_at = aof_appended(a);
    a->phase = to;
    a->logs = aof_logs(to);
    if (to == AOF_ON)
        aof_watch_begin(a->watch, a->path, a->dirfd);
    else
        aof_watch_end(a->watch);
    a->unwatched = true;
}

/* While a job is under way the files change. */
static void watch_files(struct aof *a) {
    if (!a->unwatched || a->job.active || a->phase != AOF_ON) return;
    aof_watch_files(a->watch, &a->manifest);
    a->unwatched = false;
}

enum aof_phase aof_phase(const struct aof *a) {
    return a->phase;
}

const bool *aof_wants_commands(const struct aof *a) {
    return &a->logs;
}

void aof_keep_options(struct aof *a, const struct aof_options *o) {
    const char **to[] = {&a->o.names.dir, &a->o.names.dirname, &a->o.names.filename,
                         &a->o.names.dbfilename};

    a->o = *o;
    for (size_t i = 0; i < sizeof to / sizeof *to; i++) {
        snprintf(a->names[i], sizeof a->names[i], "%s", *to[i] ? *to[i] : "");
        *to[i] = a->names[i];
    }
}

/* Replies may wait for the sync of what was appended under `always`, also where that is not handed
 * over yet and the writer knows the new policy before it. */
static void change_policy(struct aof *a, enum aof_fsync policy) {
    if (a->o.policy == AOF_FSYNC_ALWAYS) aof_want_sync(a);
    aof_writer_set_policy(a->w, policy);
}

void aof_set_options(struct aof *a, const struct aof_options *o) {
    if (a->o.policy != o->policy) change_policy(a, o->policy);
    aof_keep_options(a, o);
}

/* ---------------------------------------------------------------- appending */

static void batch_begin(struct aof *a) {
    a->batch_position = a->appended;
    if (a->checksum) bytes_append(&a->buf, AOF_BEGIN_MARK.p, AOF_BEGIN_MARK.n);
    a->body = a->buf.n;
    aof_stream_note_batch(&a->stream.map, a->stream.state.now.offset, a->appended, &a->epoch);
}

void aof_batch_open(struct aof *a) {
    if (a->buf.n == 0) batch_begin(a);
    if (a->o.timestamps && clock_cached_ms() / 1000 != a->ts_sec) {
        a->ts_sec = clock_cached_ms() / 1000;
        bytes_printf(&a->buf, "#TS:%lld\r\n", (long long)a->ts_sec);
    }
}

/* Appends what commands for database `db` need before them: the time, SELECT. */
static void prepare_append(struct aof *a, int db) {
    aof_batch_open(a);
    if (db != a->db) {
        aof_put_select(&a->buf, db);
        a->db = db;
    }
}

enum { LARGE_UNIT = 256 * 1024 };

void aof_append(struct aof *a, const struct aof_unit *u) {
    if (__builtin_expect(a->stream.on, 0)) {
        aof_append_in_stream(a, u);
        return;
    }
    if (a->buf.n == 0 || u->db != a->db || a->o.timestamps) prepare_append(a, u->db);
    /* With room for the trailer, which would have the whole batch copied. */
    if (__builtin_expect(u->resp.n >= LARGE_UNIT, 0)) bytes_room(&a->buf, u->resp.n + AOF_MARK_MAX);
    aof_put_unit(&a->buf, u);
    a->db = u->last_db;
    aof_count_appended(a);
}

/* While the AOF is being enabled, there is no file before the fork, because earlier commands go to
 * the base. The fork of a rewrite that began while the AOF was off does not count. What follows a
 * base that is there already is held, then written. */
bool aof_has_no_file_yet(const struct aof *a) {
    bool made = a->rw == RW_JOIN || a->rw == RW_PUBLISH;
    bool forked = a->purpose == RW_FOR_ENABLE && (a->rw == RW_CHILD || made);
    bool replaced = a->purpose == RW_FOR_REPLACE && made;

    return a->phase == AOF_ENABLING && !forked && !replaced && !a->replacing;
}

size_t aof_batch_end(const struct aof *a, uint64_t position, char *p, size_t n) {
    uint64_t at = position + n;
    size_t mark = AOF_BEGIN_MARK.n;
    struct aof_trailer t = {.length = n - mark, .ms = clock_cached_ms()};

    t.crc = crc64(aof_batch_seed(&a->epoch, position), p + mark, t.length);
    t.unsynced = at - aof_writer_synced(a->w);
    if (aof_writer_synced(a->w) < a->epoch.position) t.unsynced = at - a->epoch.position;
    return aof_mark_trailer(p + n, &a->epoch, at, &t);
}

/* Seals the batch with its trailer and gives it to the writer. */
void aof_close_batch(struct aof *a) {
    if (a->buf.n == 0) return;
    if (aof_has_no_file_yet(a)) {
        a->appended = a->batch_position;
        a->db = -1;
        a->stream.open = false;
        bytes_clear(&a->buf);
        return;
    }
    if (a->checksum) {
        bytes_room(&a->buf, AOF_MARK_MAX);
        a->buf.n += aof_batch_end(a, a->batch_position, a->buf.p, a->buf.n);
        aof_count_appended(a);
    }
    a->payload_end = a->appended;
    aof_age_add(&a->age, a->appended, aof_writer_synced(a->w), clock_real_ns() / 1000);
    if (a->replacing) {
        bytes_append(&a->held, a->buf.p, a->buf.n);
        bytes_clear(&a->buf);
        return;
    }
    aof_writer_push(a->w, &a->buf, a->appended, AOF_BATCH_DATA);
}

/* A line of its own between batches. */
static void push_mark(struct aof *a, const char *line, size_t n) {
    struct bytes b = {0};

    CHECK(a->buf.n == 0);
    bytes_append(&b, line, n);
    a->appended += n;
    aof_writer_push(a->w, &b, a->appended, AOF_BATCH_MARK);
    bytes_release(&b);
}

void aof_begin_epoch(struct aof *a, const char *name, struct aof_head *head) {
    bool goes_on = a->stream.open && (a->phase == AOF_ON || a->phase == AOF_OFF); /* OFF: start */
    uint64_t before = a->stream.state.now.offset;

    CHECK(a->buf.n == 0);
    snprintf(a->epoch_file, sizeof a->epoch_file, "%s", name);
    a->checksum = a->o.checksum;
    a->db = -1;
    a->ts_sec = 0;
    a->epoch = (struct aof_epoch){.position = a->appended,
                                  .epoch = a->next_epoch,
                                  .ms = clock_wall_ms(),
                                  .version = a->stream.on || a->stream.expected ? 2 : 1};
    rng_system(&a->epoch.id, sizeof a->epoch.id);
    head->n = head->header = a->checksum ? aof_mark_header(head->text, &a->epoch, 0) : 0;
    a->appended += head->n;
    if (a->checksum && a->stream.on) head->n += aof_stream_head(a, head->text + head->n);
    a->stream.open = a->checksum && a->stream.on;
    if (!goes_on) aof_stream_map_clear(&a->stream.map);
    if (a->stream.open) aof_stream_map_add(&a->stream.map, a->dirfd, name, &a->epoch, before);
}

void aof_push_head(struct aof *a, const struct aof_head *head, uint64_t end) {
    struct bytes b = {0};

    for (size_t at = 0, n = head->header; at < head->n; at = n, n = head->n) {
        bytes_append(&b, head->text + at, n - at);
        aof_writer_push(a->w, &b, end - (head->n - n), AOF_BATCH_HEADER);
        bytes_clear(&b);
    }
    bytes_release(&b);
}

void aof_begin_file(struct aof *a, const char *name) {
    struct aof_head head;

    aof_begin_epoch(a, name, &head);
    aof_push_head(a, &head, a->appended);
}

int aof_write_head(int fd, const struct aof_head *head, struct err *e) {
    for (size_t at = 0, n = head->header; at < head->n; at = n, n = head->n)
        if (io_write_all(fd, head->text + at, n - at, NULL, e) < 0 || io_sync(fd, e) < 0) return -1;
    return 0;
}

void aof_push_out(struct aof *a) {
    if (a->buf.n) aof_close_batch(a);
}

enum { OPEN_MAX = 64 * 1024 };

bool aof_may_wait(const struct aof *a) {
    return a->phase == AOF_ON && a->o.policy == AOF_FSYNC_ALWAYS && a->rw != RW_FORK &&
           !a->st.sync_error && !a->st.write_error && a->buf.n < OPEN_MAX;
}

bool aof_is_syncing(const struct aof *a) {
    return aof_writer_synced(a->w) < a->payload_end;
}

void aof_hand_over(struct aof *a) {
    aof_push_out(a);
    if (a->rw == RW_FORK) aof_rewrite_fork(a);
}

/* ---------------------------------------------------------------- positions */

uint64_t aof_appended(const struct aof *a) {
    return a->buf.n ? a->appended : a->payload_end;
}

enum aof_level aof_current_level(const struct aof *a) {
    if (a->phase == AOF_OFF || a->phase == AOF_ENABLING) return AOF_LEVEL_NONE;
    return a->o.policy == AOF_FSYNC_ALWAYS ? AOF_LEVEL_SYNCED : AOF_LEVEL_WRITTEN;
}

uint64_t aof_safe(const struct aof *a, enum aof_level level) {
    if (level == AOF_LEVEL_NONE) return UINT64_MAX;
    return level == AOF_LEVEL_SYNCED ? aof_writer_synced(a->w) : aof_writer_written(a->w);
}

uint64_t aof_backlog(const struct aof *a) {
    return a->phase == AOF_OFF ? 0 : a->appended - aof_writer_written(a->w);
}

bool aof_is_settled(const struct aof *a) {
    return a->rw == RW_IDLE && !a->job.active && !aof_writer_is_switching(a->w);
}

bool aof_unsynced_tail(const struct aof *a, struct aof_tail *t) {
    const struct aof_file *f = aof_manifest_last_incr(&a->manifest);
    struct aof_writer_state st;

    if (a->phase == AOF_OFF || !f || !aof_is_settled(a)) return false;
    aof_writer_get_state(a->w, &st);
    snprintf(t->path, sizeof t->path, "%s/%s", a->path, f->name);
    t->unsynced = st.written - st.synced;
    if (t->unsynced > st.file_bytes) t->unsynced = st.file_bytes;
    t->synced = st.file_bytes - t->unsynced;
    return true;
}

void aof_want_sync(struct aof *a) {
    aof_writer_want_sync(a->w, a->appended);
}

bool aof_is_first_written(const struct aof *a) {
    return a->phase == AOF_ENABLING && a->rw != RW_IDLE;
}

const char *aof_refusal(const struct aof *a) {
    static char text[160]; /* main thread only */

    if (__builtin_expect(a->phase <= AOF_ENABLING, 0)) return NULL;
    if (__builtin_expect(a->phase == AOF_ON && !a->st.write_error, 1)) return NULL;
    snprintf(text, sizeof text, "Errors writing to the AOF file: %s",
             strerror(a->phase == AOF_RECOVERING ? a->st.sync_error : a->st.write_error));
    return text;
}

/* ---------------------------------------------------------------- progress and cron */

static void note_write_error(struct aof *a, int before) {
    if (a->st.write_error && !before)
        log_warning("Error writing to the AOF file: %s. Writes are refused until it works again",
                    strerror(a->st.write_error));
    else if (!a->st.write_error && before)
        log_warning("AOF write error looks solved. The server can write again.");
}

/* While the AOF is off, or not yet on, no promise depends on the file: the writer drops it. */
static void leave_failed_file(struct aof *a) {
    log_warning("fsync of the AOF failed while it was %s: %s", aof_phase_name[a->phase],
                strerror(a->st.sync_error));
    aof_rewrite_abort(a, "a sync failed");
    /* The writer without a file calls all that was appended written. */
    aof_stream_map_clear(&a->stream.map);
    /* What is held for a new file is not written. */
    aof_writer_restart(a->w, -1, 0, a->replacing ? a->fork_position - 1 : a->appended, false);
    a->st.sync_error = a->st.write_error = 0;
}

static void note_lost_file(const struct aof *a) {
    const char *why = strerror(a->st.sync_error);

    if (a->st.sync_error == ENOENT)
        log_warning("The append only directory was deleted or moved (%s). Writes are refused until "
                    "it can be made anew",
                    why);
    else if (a->st.sync_error == ESTALE)
        log_warning("A file of the AOF was deleted or replaced (%s). Writes are refused until new "
                    "files are made of what is in memory",
                    why);
    else if (a->st.sync_error == EBUSY)
        log_warning("The lock file '%s/%s' was deleted or replaced, and another process has locked "
                    "the new one (%s). Writes are refused. Stop the other server: this one then "
                    "makes new files of what it has in memory, and keeps the other one's files",
                    a->path, AOF_LOCK, why);
    else
        log_warning("fsync of the AOF failed: %s. The file is not trusted any more; writes are "
                    "refused until a new base and increment are durable",
                    why);
}

void aof_on_wake(struct aof *a) {
    int before = a->st.write_error;

    aof_writer_poll(a->w, &a->st.write_error, &a->st.sync_error);
    if (a->st.write_error != before) note_write_error(a, before);
    if (a->st.sync_error && a->phase <= AOF_ENABLING) leave_failed_file(a);
    if (a->st.sync_error && a->phase == AOF_ON) {
        note_lost_file(a);
        a->retry_at_us = 0; /* earlier failures of rewrites may have delayed it by an hour */
        aof_enter(a, AOF_RECOVERING, "a sync failed");
        if (a->rw != RW_IDLE && a->purpose != RW_FOR_RECOVERY)
            aof_rewrite_abort(a, "a sync failed");
    }
    aof_rewrite_step(a);
    aof_backup_step(a);
    watch_files(a);
    if (a->stream.map.nfiles) aof_stream_map_written(&a->stream.map, aof_writer_written(a->w));
}

/* Writes a synced mark while the AOF is idle, so that damage before it can be told from a torn
 * tail. */
static void mark_when_idle(struct aof *a) {
    char line[AOF_MARK_MAX];

    if (a->appended != a->quiet_at) {
        a->quiet_at = a->appended;
        return;
    }
    if (!a->checksum || a->phase != AOF_ON || a->buf.n || a->marked_end >= a->payload_end) return;
    if (aof_writer_synced(a->w) < a->payload_end) return;
    push_mark(a, line,
              aof_mark_synced(line, &a->epoch, a->appended, a->appended - aof_writer_synced(a->w),
                              clock_wall_ms()));
    a->marked_end = a->payload_end;
    a->quiet_at = a->appended;
}

static uint64_t current_size(const struct aof *a) {
    return a->info.base_size + a->incr_bytes_before + a->st.file_bytes;
}

static bool grown_enough(const struct aof *a) {
    uint64_t size = current_size(a), base = a->info.base_size ? a->info.base_size : 1;

    if (a->phase != AOF_ON || a->o.auto_percentage == 0 || size <= a->o.auto_min_size) return false;
    return size * 100 / base >= 100 + (uint64_t)a->o.auto_percentage;
}

static enum rewrite_purpose size_purpose(const struct aof *a) {
    return a->phase == AOF_OFF ? RW_WHILE_OFF : RW_FOR_SIZE;
}

static void start_what_is_due(struct aof *a) {
    uint64_t now = clock_real_ns() / 1000;

    if (a->rw != RW_IDLE || now < a->retry_at_us) return;
    if (a->phase == AOF_RECOVERING) {
        aof_rewrite_begin(a, RW_FOR_RECOVERY);
    } else if (a->phase == AOF_ENABLING) {
        aof_rewrite_begin(a, a->replacing ? RW_FOR_REPLACE : RW_FOR_ENABLE);
    } else if (aof_stream_wants_file(a)) {
        aof_rewrite_begin(a, RW_FOR_STREAM);
    } else if (!a->h.may_fork(a->h.arg)) {
        return;
    } else if (a->scheduled) {
        a->scheduled = !aof_rewrite_begin(a, size_purpose(a));
    } else if (grown_enough(a)) {
        log_notice("Starting automatic rewriting of AOF on %llu%% growth",
                   (unsigned long long)(current_size(a) * 100 /
                                            (a->info.base_size ? a->info.base_size : 1) -
                                        100));
        aof_rewrite_begin(a, RW_FOR_SIZE);
    }
}

static void report_times(struct aof *a) {
    uint64_t write_us, sync_us;

    if (!a->h.latency) return;
    aof_writer_take_slowest(a->w, &write_us, &sync_us);
    a->h.latency(a->h.arg, "aof-write", write_us);
    a->h.latency(a->h.arg, "aof-fsync", sync_us);
}

void aof_cron(struct aof *a) {
    aof_on_wake(a);
    report_times(a);
    aof_writer_get_state(a->w, &a->st);
    mark_when_idle(a);
    aof_open_step(a);
    start_what_is_due(a);
}

enum aof_bgrewrite aof_bgrewrite(struct aof *a) {
    if (a->rw != RW_IDLE && a->purpose == RW_FOR_STREAM) {
        a->scheduled = true;
        return AOF_BGREWRITE_SCHEDULED;
    }
    if (a->rw != RW_IDLE && a->rw != RW_ABORT) return AOF_BGREWRITE_BUSY;
    if (a->phase == AOF_ENABLING || a->phase == AOF_RECOVERING) { /* each is a rewrite itself */
        a->retry_at_us = 0;
        return AOF_BGREWRITE_SCHEDULED;
    }
    if (!a->h.may_fork(a->h.arg)) {
        a->scheduled = true;
        return AOF_BGREWRITE_SCHEDULED;
    }
    a->retry_at_us = 0;
    if (!aof_rewrite_begin(a, size_purpose(a))) a->scheduled = true;
    return a->scheduled ? AOF_BGREWRITE_SCHEDULED : AOF_BGREWRITE_STARTED;
}

pid_t aof_child(const struct aof *a) {
    return a->child.pid;
}

void aof_kill_child(struct aof *a) {
    child_kill(&a->child, SIGKILL);
}

bool aof_is_open(const struct aof *a) {
    return a->dirfd >= 0;
}

void aof_open_begin(struct aof *a) {
    a->opening = true;
    a->open_error = (struct err){0};
    aof_open_step(a);
}

bool aof_is_opening(const struct aof *a) {
    return a->opening;
}

const char *aof_open_error(const struct aof *a) {
    return a->open_error.code ? a->open_error.text : NULL;
}

void aof_enable(struct aof *a) {
    if (a->phase != AOF_OFF) return;
    aof_enter(a, AOF_ENABLING, "appendonly yes");
    a->retry_at_us = 0;
    aof_writer_set_policy(a->w, a->o.policy);
    start_what_is_due(a);
}

void aof_disable(struct aof *a) {
    if (a->phase == AOF_OFF) return;
    if (a->rw != RW_IDLE) aof_rewrite_abort(a, "appendonly no");
    aof_replace_forget(a);
    aof_close_batch(a);
    if (a->phase == AOF_RECOVERING) {
        aof_writer_restart(a->w, -1, 0, a->appended, false); /* its queue is dropped */
        a->st.sync_error = a->st.write_error = 0;
    } else {
        aof_writer_want_sync(a->w, a->appended);
        aof_writer_switch(a->w, -1, false);
    }
    aof_enter(a, AOF_OFF, "appendonly no");
    aof_stream_forget(a);
    a->scheduled = false;
}

/* These phases end with a rewrite, which waits for another child's end or for a file to be removed.
 */
static bool must_begin_a_rewrite(const struct aof *a) {
    return (a->phase == AOF_ENABLING || a->phase == AOF_RECOVERING) &&
           (a->rw == RW_IDLE || a->rw == RW_ABORT);
}

/* What clients wrote during an enabling was acknowledged at once. The promise holds once the policy
 * holds for all of that. */
static enum aof_phase told_phase(const struct aof *a) {
    bool holds = a->phase != AOF_ON || aof_safe(a, aof_current_level(a)) >= a->enabled_at;

    return holds ? a->phase : AOF_ENABLING;
}

void aof_get_info(struct aof *a, struct aof_info *out) {
    uint64_t now = clock_real_ns() / 1000;

    aof_writer_get_state(a->w, &a->st);
    child_poll(&a->child);
    *out = a->info;
    out->phase = told_phase(a);
    out->enabled = a->phase != AOF_OFF;
    out->rewrite_in_progress = a->rw != RW_IDLE && !aof_only_rotates(a->purpose);
    out->rewrite_scheduled = a->scheduled || must_begin_a_rewrite(a);
    out->current_rewrite_sec =
        a->rw == RW_IDLE ? -1 : (int64_t)((now - a->rewrite_began_us) / 1000000);
    out->last_write_ok = !a->st.write_error && a->phase != AOF_RECOVERING;
    out->current_size = current_size(a);
    out->buffer_length = aof_backlog(a);
    out->current_cow_bytes = a->child.pid ? a->child.progress.cow_bytes : 0;
    out->current_keys = a->child.pid ? a->child.progress.keys_done : 0;
    out->total_keys = a->child.pid ? a->keys_at_fork : 0;
    /* Marks after the last command hold no data: they do not count as lag. */
    out->appended = aof_appended(a);
    out->written = a->st.written < out->appended ? a->st.written : out->appended;
    out->synced = a->st.synced < out->appended ? a->st.synced : out->appended;
    out->oldest_unsynced_ms = aof_age_us(&a->age, a->st.synced, now) / 1000;
    out->writer = a->st;
}
