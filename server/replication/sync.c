/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/replication/sync.h"

#include "conf/conf.h"
#include "persistence/rdb.h"
#include "server/exec/file_queue.h"
#include "server/exec/latency.h"
#include "server/exec/snapshot.h"
#include "server/replication/replication.h"
#include "storage/base/check.h"
#include "storage/base/clock.h"
#include "storage/base/io.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---------------------------------------------------------------- a snapshot */

/* On a thread. */
static void drop_here(struct snapshot *s) {
    if (atomic_fetch_sub(&s->refs, 1) > 1) return;
    io_close(s->fd);
    mem_free(s);
}

static int close_file(void *arg, struct err *e) {
    struct snapshot *s = arg;

    (void)e;
    io_close(s->fd);
    mem_free(s);
    return 0;
}

/* The close of a file without a name frees its blocks, which takes as long as an unlink. */
void snapshot_drop(struct replication *r, struct snapshot *s) {
    if (atomic_fetch_sub(&s->refs, 1) > 1) return;
    file_job_release(file_queue_add(r->e->files, close_file, s));
}

struct snapshot *snapshot_new(int fd, enum snapshot_content content, uint64_t offset) {
    struct snapshot *s = mem_calloc(sizeof *s);

    atomic_init(&s->refs, 1);
    s->fd = fd;
    atomic_init(&s->opened, fd >= 0);
    s->content = content;
    s->offset = offset;
    rng_hex(s->mark, SNAPSHOT_MARK_CHARS);
    return s;
}

void snapshot_opened(void *snapshot, int fd, const struct err *e) {
    struct snapshot *s = snapshot;

    s->fd = fd;
    if (fd < 0) s->why = *e;
    atomic_store(&s->opened, true);
    drop_here(s);
}

/* ---------------------------------------------------------------- the file of a child */

/* It has no name. Held by the job that makes it, and by syncs. */
struct sync_file {
    atomic_int refs;
    int fd; /* the job's until that has ended */
};

static void file_drop(struct sync_file *f) {
    if (atomic_fetch_sub(&f->refs, 1) > 1) return;
    io_close(f->fd);
    mem_free(f);
}

static int make_file(void *arg, struct err *e) {
    struct sync_file *f = arg;
    int dirfd = io_open_dir(".", false, e), rc;

    if (dirfd >= 0) f->fd = io_create_unnamed(dirfd, e);
    if (dirfd >= 0) io_close(dirfd);
    rc = f->fd < 0 ? -1 : 0;
    file_drop(f);
    return rc;
}

static int drop_file(void *arg, struct err *e) {
    (void)e;
    file_drop(arg);
    return 0;
}

/* False: a thread is making it. */
static bool file_is_made(struct replication *r) {
    struct syncs *y = &r->syncs;

    if (!y->making) {
        y->file = mem_calloc(sizeof *y->file);
        atomic_init(&y->file->refs, 2);
        y->file->fd = -1;
        y->making = file_queue_add(r->e->files, make_file, y->file);
    }
    return file_job_has_ended(y->making);
}

static void forget_file(struct replication *r) {
    struct syncs *y = &r->syncs;

    if (!y->making) return;
    file_job_release(y->making);
    y->making = NULL;
    file_job_release(file_queue_add(r->e->files, drop_file, y->file));
    y->file = NULL;
}

/* -1: it could not be made. */
static int take_file(struct replication *r, struct err *e) {
    const struct err *why = file_job_error(r->syncs.making);
    int fd = r->syncs.file->fd;

    r->syncs.file->fd = -1;
    if (why) *e = *why;
    forget_file(r);
    return fd;
}

/* ---------------------------------------------------------------- the child */

struct work {
    struct replication *r;
    const struct snapshot *snapshot;
    int report_fd;
    uint64_t reported_us;
};

static int report(void *arg, uint64_t keys_done, struct err *e) {
    struct work *w = arg;
    uint64_t now = clock_real_ns() / 1000;
    struct child_progress p = {.keys_done = keys_done};

    (void)e;
    if (now - w->reported_us < 1000000) return 0;
    w->reported_us = now;
    p.cow_bytes = child_private_dirty();
    child_report(w->report_fd, &p);
    return 0;
}

static bool has_data(enum snapshot_content c) {
    return c == SNAPSHOT_ALL || c == SNAPSHOT_VALKEY;
}

static int run_child(void *arg, int report_fd) {
    struct work *w = arg;
    struct engine *e = w->r->e;
    struct keyspace part = e->ks;
    struct rdb_save o = snapshot_save(e);
    struct err err;

    w->report_fd = report_fd;
    if (w->r->app.in_child) w->r->app.in_child(w->r->app.arg);
    if (!has_data(w->snapshot->content)) part.ndbs = 0;
    o.valkey = w->snapshot->content == SNAPSHOT_VALKEY;
    if (w->snapshot->content == SNAPSHOT_NOTHING) part.libraries = NULL;
    o.ks = &part;
    o.incremental_fsync = false;
    o.progress = report;
    o.arg = w;
    if (rdb_write(&o, w->snapshot->fd, NULL, &err) == 0) return 0;
    child_fail(report_fd, &err);
    return 1;
}

/* ---------------------------------------------------------------- the reading thread */

struct file_reader {
    struct snapshot *snapshot;
    off_t at;
    bool marks; /* the length was not said: the mark follows the last byte */
};

/* How much is to be read next: what follows the RDB of a base is not sent. */
static size_t wanted(const struct file_reader *f) {
    uint64_t bytes = f->snapshot->bytes, at = (uint64_t)f->at;

    return !bytes || bytes - at > READ_AHEAD_BYTES ? READ_AHEAD_BYTES : (size_t)(bytes - at);
}

/* SOME: the file can be read. */
static enum read_ahead_result is_there(const struct snapshot *s, struct err *e) {
    if (!atomic_load(&s->opened)) return READ_AHEAD_LATER;
    if (s->fd >= 0) return READ_AHEAD_SOME;
    *e = s->why;
    return READ_AHEAD_FAILED;
}

static enum read_ahead_result read_part(struct file_reader *f, struct bytes *out, struct err *e) {
    bool whole = atomic_load(&f->snapshot->whole);
    size_t want = wanted(f);
    ssize_t n = want ? io_read_at(f->snapshot->fd, bytes_room(out, want), want, f->at, e) : 0;

    if (n < 0) return READ_AHEAD_FAILED;
    out->n += (size_t)n;
    f->at += n;
    if (n > 0) return READ_AHEAD_SOME;
    if (want && f->snapshot->bytes) {
        err_set(e, EIO, "the AOF's base is shorter than it was");
        return READ_AHEAD_FAILED;
    }
    if (atomic_load(&f->snapshot->failed)) {
        err_set(e, EIO, "the snapshot failed");
        return READ_AHEAD_FAILED;
    }
    if (!whole) return READ_AHEAD_LATER;
    if (!f->marks) return READ_AHEAD_END;
    f->marks = false;
    bytes_append(out, f->snapshot->mark, SNAPSHOT_MARK_CHARS);
    return READ_AHEAD_SOME;
}

static enum read_ahead_result read_file(void *arg, struct bytes *out, struct err *e) {
    struct file_reader *f = arg;
    enum read_ahead_result rc = is_there(f->snapshot, e);

    return rc == READ_AHEAD_SOME ? read_part(f, out, e) : rc;
}

static void release_reader(void *arg) {
    struct file_reader *f = arg;

    drop_here(f->snapshot);
    mem_free(f);
}

static bool start_reader(struct replication *r, struct replica *p, bool marks, struct err *e) {
    struct file_reader *f = mem_calloc(sizeof *f);
    struct read_ahead_ops ops = {.read = read_file,
                                 .wake = r->app.wake,
                                 .release = release_reader,
                                 .arg = f,
                                 .wake_arg = r->app.arg};

    atomic_fetch_add(&p->snapshot->refs, 1);
    *f = (struct file_reader){p->snapshot, 0, marks};
    p->file = read_ahead_start("repl-sync", &ops, e);
    if (!p->file) release_reader(f);
    return p->file != NULL;
}

/* ---------------------------------------------------------------- sending */

static void fail(struct replica *p, const char *why) {
    log_warning("Full sync with a replica failed: %s", why);
    p->s->ops->close(p->s, false);
}

static bool sends_open_end(const struct replication *r, const struct replica *p) {
    if (p->snapshot->is_base) return false;
    return p->capa & REPLICA_CAPA_EOF && (r->e->v->repl_diskless_sync || p->snapshot->content);
}

static long long size_of(const struct snapshot *s) {
    struct err e;

    return s->bytes ? (long long)s->bytes : (long long)io_size(s->fd, &e);
}

/* Sends the head of the file once it can be said, and begins to read. */
static void begin_file(struct replication *r, struct replica *p) {
    bool open_end = sends_open_end(r, p);
    char head[80];
    struct err e;
    int n;

    if (!open_end && !atomic_load(&p->snapshot->whole)) return;
    if (open_end)
        n = snprintf(head, sizeof head, "$EOF:%s\r\n", p->snapshot->mark);
    else
        n = snprintf(head, sizeof head, "$%lld\r\n", size_of(p->snapshot));
    if (!start_reader(r, p, open_end, &e)) {
        fail(p, e.text);
        return;
    }
    p->open_end = open_end;
    out_append(&p->s->out, head, (size_t)n);
    p->s->ops->wake(p->s);
}

void sync_begin_sending(struct replication *r, struct replica *p, struct snapshot *s) {
    char line[STREAM_ID_CHARS + 40];
    int n = snprintf(line, sizeof line, "+FULLRESYNC %s %llu\r\n", r->stream.id,
                     (unsigned long long)s->offset);

    atomic_fetch_add(&s->refs, 1);
    p->snapshot = s;
    p->next = s->offset + 1;
    p->acked = 0;
    replica_enter(p, REPLICA_SENDING);
    if (!p->plain_sync) out_append(&p->s->out, line, (size_t)n);
    p->s->ops->wake(p->s);
    begin_file(r, p);
}

static void end_file(struct replication *r, struct replica *p) {
    char ip[64];
    int port;

    read_ahead_stop(p->file);
    p->file = NULL;
    snapshot_drop(r, p->snapshot);
    p->snapshot = NULL;
    if (p->rdb_only) {
        p->s->ops->close(p->s, true);
        return;
    }
    replica_address(p, ip, sizeof ip, &port);
    log_notice("Synchronization with replica %s:%d succeeded", ip, port);
    replica_enter(p, p->open_end && !p->has_all ? REPLICA_TAIL : REPLICA_ONLINE);
}

enum { OUTPUT_MAX = 512 * 1024 };

void sync_feed(struct replication *r, struct replica *p) {
    struct bytes chunk = {0};
    struct err e;

    if (p->s->state == SESSION_CLOSING) return;
    if (!p->file) begin_file(r, p);
    while (p->file && out_pending(&p->s->out) < OUTPUT_MAX) {
        switch (read_ahead_take(p->file, &chunk, &e)) {
        case READ_AHEAD_SOME:
            p->heard_us = clock_mono_us();
            out_give(&p->s->out, &chunk);
            p->s->ops->wake(p->s);
            break;
        case READ_AHEAD_LATER: return;
        case READ_AHEAD_END: end_file(r, p); return;
        case READ_AHEAD_FAILED: fail(p, e.text); return;
        }
    }
}

void sync_forget(struct replication *r, struct replica *p) {
    sync_base_forget(r, p);
    read_ahead_stop(p->file);
    p->file = NULL;
    if (p->snapshot) snapshot_drop(r, p->snapshot);
    p->snapshot = NULL;
}

/* ---------------------------------------------------------------- which child, and when */

static bool has_times(const struct keyspace *ks) {
    for (int i = 0; i < ks->ndbs; i++)
        if (ks->dbs[i].parts.count) return true;
    return false;
}

/* A replica of stet reads both forms, and is sent the one that others share. */
static enum snapshot_content content_of(const struct replication *r, const struct replica *p) {
    if (p->no_data) return SNAPSHOT_NOTHING;
    if (p->functions_only) return SNAPSHOT_FUNCTIONS;
    return p->is_valkey && !(p->capa & REPLICA_CAPA_HISTORY) && has_times(&r->e->ks)
               ? SNAPSHOT_VALKEY
               : SNAPSHOT_ALL;
}

static bool is_waiting(const struct replica *p) {
    return p->state == REPLICA_WAIT && p->s->state != SESSION_CLOSING;
}

static struct replica *first_waiting(const struct replication *r) {
    list_each (it, &r->replicas.all) {
        struct replica *p = list_entry(it, struct replica, link);

        if (is_waiting(p)) return p;
    }
    return NULL;
}

/* Every replica that waits for what this snapshot holds is sent it. */
static void serve_waiting(struct replication *r, struct snapshot *s) {
    list_each_safe (it, next, &r->replicas.all) {
        struct replica *p = list_entry(it, struct replica, link);

        if (is_waiting(p) && content_of(r, p) == s->content) sync_begin_sending(r, p, s);
    }
}

static void serve_by_base(struct replication *r) {
    list_each_safe (it, next, &r->replicas.all) {
        struct replica *p = list_entry(it, struct replica, link);

        if (is_waiting(p) && content_of(r, p) == SNAPSHOT_ALL) sync_by_base(r, p);
    }
}

static void refuse_waiting(struct replication *r) {
    list_each_safe (it, next, &r->replicas.all) {
        struct replica *p = list_entry(it, struct replica, link);

        if (!is_waiting(p)) continue;
        out_append(&p->s->out, "-BGSAVE failed, replication can't continue\r\n", 44);
        p->s->ops->close(p->s, true);
    }
}

/* Whether the snapshot is sent while it is written: Redis calls that a transfer to sockets. */
static bool any_open_end(const struct replication *r) {
    list_each (it, &r->replicas.all) {
        const struct replica *p = list_entry(it, struct replica, link);
        bool filtered = p->functions_only || p->no_data;

        if (p->state != REPLICA_WAIT || !(p->capa & REPLICA_CAPA_EOF)) continue;
        if (r->e->v->repl_diskless_sync || filtered) return true;
    }
    return false;
}

static const char *work_name(const struct syncs *y) {
    return y->to_disk ? "saving" : "RDB transfer";
}

static void start_child(struct replication *r, enum snapshot_content content) {
    struct syncs *y = &r->syncs;
    struct err e;
    int fd = take_file(r, &e);
    struct snapshot *s = fd < 0 ? NULL : snapshot_new(fd, content, r->stream.offset);
    struct work w = {.r = r};

    /* The first command after the snapshot selects its database. A replica passes on what its
     * master says, which selects it only when another one is meant. */
    if (!r->e->role.is_replica) r->stream.db = -1;
    w.snapshot = s;
    if (!s || child_start(&y->child, run_child, &w, &e) < 0) {
        log_warning("Can't save in background: %s", e.text);
        if (s) snapshot_drop(r, s);
        refuse_waiting(r);
        return;
    }
    latency_note(r->e, "fork", y->child.fork_us);
    r->e->stats.forks++;
    r->e->stats.last_fork_us = y->child.fork_us;
    y->to_disk = !any_open_end(r);
    log_notice("Starting BGSAVE for SYNC with target: %s",
               y->to_disk ? "disk" : "replicas sockets");
    log_notice("Background %s started by pid %d", work_name(y), (int)y->child.pid);
    y->at_work = s;
    r->e->role.saving_for_replica = true;
    y->keys_at_fork = keyspace_count(&r->e->ks);
    serve_waiting(r, s);
}

static size_t count_users(const struct replication *r, const struct snapshot *s) {
    size_t n = 0;

    list_each (it, &r->replicas.all) {
        const struct replica *p = list_entry(it, struct replica, link);

        n += p->snapshot == s && p->s->state != SESSION_CLOSING;
    }
    return n;
}

static void end_child(struct replication *r, int status) {
    struct syncs *y = &r->syncs;
    bool ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;

    if (ok && !y->to_disk)
        log_notice("Diskless rdb transfer, done reading from pipe, %zu replicas still up.",
                   count_users(r, y->at_work));
    if (ok)
        log_notice("Background %s terminated with success", work_name(y));
    else if (WIFSIGNALED(status))
        log_warning("Background transfer terminated by signal %d", WTERMSIG(status));
    else
        log_warning("Background transfer error: %s", y->child.error.text);
    atomic_store(ok ? &y->at_work->whole : &y->at_work->failed, true);
    if (!ok && has_data(y->at_work->content) && !y->given_up) r->e->saver.last_ok = false;
    y->given_up = false;
    snapshot_drop(r, y->at_work);
    y->at_work = NULL;
    r->e->role.saving_for_replica = false;
}

/* A child that no replica wants any more, or that has hung, is killed. */
static void watch_child(struct replication *r) {
    struct syncs *y = &r->syncs;
    int status;

    child_poll(&y->child);
    if (child_reap(&y->child, &status) == 1) {
        end_child(r, status);
    } else if (!y->given_up && count_users(r, y->at_work) == 0) {
        log_notice(y->to_disk ? "Killing the child of a full sync: no replica waits for it any more"
                              : "Diskless rdb transfer, last replica dropped, killing fork child.");
        y->given_up = true;
        child_kill(&y->child, SIGKILL);
    } else if (child_is_silent(&y->child)) {
        child_kill(&y->child, SIGKILL);
    }
}

void sync_step(struct replication *r) {
    struct syncs *y = &r->syncs;
    const struct replica *p;

    if (y->at_work) watch_child(r);
    p = first_waiting(r);
    if (!p) {
        forget_file(r);
        return;
    }
    if (y->at_work && !y->given_up) serve_waiting(r, y->at_work);
    serve_by_base(r);
    p = first_waiting(r);
    if (!p || y->at_work || !r->app.may_fork || !r->app.may_fork(r->app.arg)) return;
    if (!file_is_made(r)) return;
    start_child(r, content_of(r, p));
}

void sync_wanted(struct replication *r, struct replica *p) {
    replica_enter(p, REPLICA_WAIT);
    r->app.wake(r->app.arg); /* the child is forked between commands */
}

void sync_release(struct replication *r) {
    int status;

    forget_file(r);
    if (!r->syncs.at_work) return;
    child_kill(&r->syncs.child, SIGKILL);
    for (int i = 0; i < 1000 && child_reap(&r->syncs.child, &status) != 1; i++) usleep(1000);
    snapshot_drop(r, r->syncs.at_work);
    r->syncs.at_work = NULL;
}
