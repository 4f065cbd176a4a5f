/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_start - start and stop: from a directory to a running AOF, and back. Runs before the server
 * serves clients and after it has stopped, so it may wait for the disk.
 */
#include "persistence/aof_internal.h"

#include "persistence/aof_rewrite.h"
#include "storage/base/clock.h"
#include "storage/base/io.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum { READ_AGAIN_MS = 60000 };

void aof_directory_path(const struct aof_names *n, char path[AOF_PATH_MAX]) {
    bool absolute = n->dir && n->dir[0] == '/';

    snprintf(path, AOF_PATH_MAX, "%s%s%s", absolute ? n->dir : "", absolute ? "/" : "", n->dirname);
}

static void on_gone(void *arg, int code) {
    struct aof *a = arg;

    aof_writer_fail(a->w, code);
}

struct aof *aof_new(struct keyspace *ks, const struct aof_options *o, const struct aof_hooks *h) {
    struct aof *a = mem_calloc(sizeof *a);

    a->ks = ks;
    aof_keep_options(a, o);
    a->h = *h;
    a->dirfd = a->incr_fd = -1;
    a->db = -1;
    a->next_epoch = 1;
    a->info.last_rewrite_sec = -1;
    a->info.last_rewrite_ok = true;
    a->disposer = disposer_new();
    a->stream.map.disposer = a->disposer;
    a->watch = aof_watch_new(a->o.names.filename, on_gone, a);
    a->w = aof_writer_new(h->wake, h->arg, a->disposer);
    aof_writer_set_policy(a->w, o->policy);
    return a;
}

static int publish(struct aof *a, struct err *e) {
    return aof_publish_manifest(a->dirfd, a->o.names.filename, &a->manifest, e);
}

/* Makes an increment with its header, so that it is known to join the file before it. The AOF goes
 * on there once the manifest is published. */
static int make_increment(struct aof *a, size_t *header_bytes, struct err *e) {
    const struct aof_file *f = aof_manifest_add_incr(&a->manifest, a->o.names.filename);
    int fd = io_create(a->dirfd, f->name, e);
    struct aof_head head;

    if (fd < 0) return -1;
    aof_begin_epoch(a, f->name, &head);
    *header_bytes = head.n;
    if (aof_write_head(fd, &head, e) < 0 || io_sync(fd, e) < 0 || io_sync_dir(a->dirfd, e) < 0) {
        io_close(fd);
        return -1;
    }
    memcpy(a->current, f->name, sizeof a->current);
    log_notice("Creating AOF incr file %s on server start", f->name);
    return fd;
}

const struct rdb_save *aof_rdb_options(const struct aof *a, struct rdb_save *o) {
    if (!a->o.rdb_preamble || !a->h.rdb) return NULL;
    a->h.rdb(a->h.arg, o);
    return o;
}

/* A directory without an AOF: a base of what is in memory (nothing, unless a snapshot was
 * imported), an empty increment, the manifest. `anew`: a manifest names the files of another log
 * meanwhile. */
static int create_log(struct aof *a, bool anew, struct err *e) {
    struct rdb_save rdb;
    struct aof_rewrite rw = {.ks = a->ks,
                             .dirfd = a->dirfd,
                             .checksum = a->o.checksum,
                             .position = a->appended,
                             .rdb = aof_rdb_options(a, &rdb)};
    const struct aof_file *base =
        aof_manifest_set_base(&a->manifest, a->o.names.filename, rw.rdb ? "rdb" : "aof");
    size_t n;
    int fd;

    rw.file = base->name;
    if (!anew && aof_creation_begins(a->dirfd, a->o.names.filename, e) < 0) return -1;
    log_notice("Creating AOF base file %s on server start", base->name);
    if (aof_rewrite_write(&rw, -1, e) < 0) return -1;
    fd = make_increment(a, &n, e);
    if (fd < 0) return -1;
    if (publish(a, e) < 0 || aof_creation_ends(a->dirfd, a->o.names.filename, e) < 0) {
        io_close(fd);
        return -1;
    }
    aof_writer_restart(a->w, fd, n, a->appended, a->o.checksum);
    return 0;
}

/* The AOF was loaded up to some moment: it goes on in files of its own. The old files stay, and
 * their manifest under another name; renamed back, it restores everything. */
static int leave_past(struct aof *a, struct aof_loaded *l, struct err *e) {
    char name[AOF_KEPT_NAME_MAX];
    int rc = aof_keep_manifest(a->dirfd, a->o.names.filename, &l->manifest, name, e);

    a->manifest.base_seq = l->manifest.base_seq;
    a->manifest.incr_seq = l->manifest.incr_seq;
    a->next_epoch = l->next_epoch;
    a->appended = a->payload_end = l->next_position;
    if (rc == 0) rc = create_log(a, true, e);
    if (rc == 0)
        log_warning("The AOF goes on in new files from position %llu. The old ones are kept, and "
                    "their manifest as '%s'. The way back, which gives up what is written from "
                    "now on: stop the server, then run: mv %s/%s %s/%s.manifest",
                    (unsigned long long)a->appended, name, a->o.names.dirname, name,
                    a->o.names.dirname, a->o.names.filename);
    return rc;
}

/* True if the AOF may go on in its last increment: one of ours, with the one header at its
 * beginning, which ends where we would have ended it and has no other name. */
static bool goes_on(const struct aof *a, const struct aof_loaded *l, const struct aof_file *f) {
    const struct aof_report *r = &l->last;
    struct io_stat st;

    if (io_stat(a->dirfd, f->name, &st) < 0 || st.links > 1) return false;
    if (r->size == 0) return true;
    if (!a->o.checksum) return !r->has_header && !l->cut_bytes;
    return r->has_start && r->epoch.offset == 0 && !r->unmarked && !l->cut_bytes &&
           aof_position_at(&r->epoch, r->size) == a->appended;
}

/* Removes files that a crash has left after a manifest was published and before the replaced files
 * were removed. */
static int drop_history(struct aof *a, struct err *e) {
    return aof_history_prune(a->dirfd, &a->manifest, &a->o.keep) ? publish(a, e) : 0;
}

/* An empty base that was accepted gets contents, so that it can be told from one that was lost. */
static int fill_empty_base(struct aof *a, struct err *e) {
    const struct aof_file *base = aof_manifest_base(&a->manifest);
    struct keyspace none = {0};
    char temp[AOF_NAME_MAX];
    struct aof_rewrite rw = {.ks = &none, .dirfd = a->dirfd, .checksum = a->o.checksum};

    if (!base || a->info.base_size > 0) return 0;
    snprintf(temp, sizeof temp, "temp-%.200s.base", a->o.names.filename);
    rw.file = temp;
    if (aof_rewrite_write(&rw, -1, e) < 0) return -1;
    if (io_rename(a->dirfd, rw.file, base->name, e) < 0) return -1;
    return io_sync_dir(a->dirfd, e);
}

/* Appends to a new increment. */
static int open_new(struct aof *a, struct err *e) {
    size_t n;
    int fd = make_increment(a, &n, e);

    if (fd < 0) return -1;
    if (publish(a, e) < 0) {
        io_close(fd);
        return -1;
    }
    aof_writer_restart(a->w, fd, n, a->appended, a->o.checksum);
    return 0;
}

/* An empty increment after a gap was accepted: with data in it, it would not be the next time, if
 * the one before it does not say its position. */
static int leave_strays(struct aof *a, const struct aof_loaded *l, bool *left, struct err *e) {
    const struct aof_file *last;
    size_t n = l->nfiles;
    char name[AOF_NAME_MAX];

    *left = false;
    while ((last = aof_manifest_last_incr(&a->manifest)) != NULL &&
           aof_is_header_only(a->dirfd, last->name) &&
           aof_manifest_drop_stray(&a->manifest, name)) {
        a->appended = a->payload_end = l->files[--n - 1].end;
        *left = true;
        if (publish(a, e) < 0 || io_unlink(a->dirfd, name, e) < 0) return -1;
    }
    return 0;
}

/* ---------------------------------------------------------------- durability of what was read */

static int err_changed(const char *name, struct err *e) {
    return err_set(e, EBUSY, "'%s' has changed while it was read: is another server using it?",
                   name);
}

static int rewrite_tail(struct aof *a, const struct aof_loaded_file *f, struct err *e) {
    int fd, rc = -1;

    if (io_own(a->dirfd, f->name, e) < 0) return -1;
    fd = io_open_write(a->dirfd, f->name, e);
    if (fd < 0) return -1;
    if (io_size(fd, e) != (int64_t)f->raw_size) {
        err_changed(f->name, e);
        goto out;
    }
    /* Room stands there after a crash. */
    if (f->raw_size != f->size && io_truncate(fd, (off_t)f->size, e) < 0) goto out;
    if (f->unproven < f->size)
        log_notice(
            "AOF '%s': nothing says that the %llu bytes from offset %llu on are on the disk. "
            "They are written again",
            f->name, (unsigned long long)(f->size - f->unproven), (unsigned long long)f->unproven);
    if (io_write_again(fd, f->unproven, f->size, e) == 0) rc = io_sync(fd, e);
out:
    io_close(fd);
    return rc;
}

/* Reading bytes back proves nothing: after a failed sync the kernel serves pages that were never
 * written, and calls them clean. What no mark vouches for is written again and synced, before
 * anything is acknowledged after it. */
static int make_durable(struct aof *a, const struct aof_loaded_file *f, struct err *e) {
    int fd, rc;

    if (f->raw_size != f->size || f->unproven < f->size) return rewrite_tail(a, f, e);
    fd = io_open_read(a->dirfd, f->name, e);
    if (fd < 0) return -1;
    rc = io_sync(fd, e);
    io_close(fd);
    return rc;
}

/* A backup that is served in place: another directory may share its files, even if the file system
 * does not show it. A base is never written to. */
static int leave_seal(struct aof *a, const struct aof_loaded *l, struct err *e) {
    if (!io_exists(a->dirfd, AOF_SEAL)) return 0;
    log_notice(
        "The append only directory '%s' is a sealed backup: its files are copied before they "
        "are written to",
        a->o.names.dirname);
    for (size_t i = 0; i < a->manifest.n; i++) {
        const struct aof_file *f = &a->manifest.files[i];

        if (f->type == AOF_INCR && io_renew(a->dirfd, f->name, e) < 0) return -1;
    }
    if (l->stream_left && aof_mark_restored(a->dirfd, e) < 0) return -1;
    if (io_unlink(a->dirfd, AOF_SEAL, e) < 0) return -1;
    return io_sync_dir(a->dirfd, e);
}

static int settle_files(struct aof *a, const struct aof_loaded *l, struct err *e) {
    if (leave_seal(a, l, e) < 0) return -1;
    for (size_t i = 0; i < l->nfiles; i++)
        if (make_durable(a, &l->files[i], e) < 0) return -1;
    return 0;
}

/* ---------------------------------------------------------------- going on */

static uint64_t incr_bytes(const struct aof_loaded *l) {
    uint64_t sum = 0;

    for (size_t i = 0; i < l->nfiles; i++) sum += l->files[i].size;
    return sum - l->base_bytes;
}

static int go_on(struct aof *a, const struct aof_loaded *l, const struct aof_file *f,
                 struct err *e) {
    uint64_t size = l->last.size;
    int fd = io_open_append(a->dirfd, f->name, e);

    if (fd < 0) return -1;
    if (io_size(fd, e) != (int64_t)size) {
        io_close(fd);
        return err_changed(f->name, e);
    }
    a->incr_bytes_before -= size;
    memcpy(a->current, f->name, sizeof a->current);
    aof_writer_restart(a->w, fd, size, a->appended, a->o.checksum);
    if (size == 0) {
        aof_begin_file(a, a->current);
    } else {
        a->checksum = a->o.checksum;
        a->epoch = l->last.epoch;
        memcpy(a->epoch_file, f->name, sizeof a->epoch_file);
        aof_stream_map_go_on(&a->stream.map, &a->epoch);
    }
    return 0;
}

static int open_log(struct aof *a, struct aof_loaded *l, struct err *e) {
    const struct aof_file *f;
    bool left_some;

    a->manifest = l->manifest;
    l->manifest = (struct aof_manifest){0};
    a->next_epoch = l->next_epoch;
    a->appended = a->payload_end = l->next_position;
    a->info.base_size = l->base_bytes;
    a->incr_bytes_before = incr_bytes(l);
    aof_stream_take_loaded(a, l);
    if (settle_files(a, l, e) < 0) return -1;
    if (drop_history(a, e) < 0 || fill_empty_base(a, e) < 0) return -1;
    if (leave_strays(a, l, &left_some, e) < 0) return -1;
    f = aof_manifest_last_incr(&a->manifest);
    aof_stream_map_keep(&a->stream.map, &a->manifest);
    aof_stream_map_add_history(&a->stream.map, &a->manifest, &a->stream.state);
    return f && !left_some && goes_on(a, l, f) ? go_on(a, l, f, e) : open_new(a, e);
}

/* Continues the loaded AOF. Everything here is durable before the first reply: the directory too,
 * and the one that holds it. */
static int begin(struct aof *a, struct aof_loaded *l, struct err *e) {
    if (io_sync_dir(a->dirfd, e) < 0 || io_sync_parent(a->path, e) < 0) return -1;
    aof_remove_temps(a->dirfd, a->o.names.filename);
    if (l->manifest.n == 0) return create_log(a, false, e);
    if (l->cut_short) return leave_past(a, l, e);
    if (aof_creation_ends(a->dirfd, a->o.names.filename, e) < 0) return -1;
    return open_log(a, l, e);
}

/* The files of a backup say where the replication stream was; they say now that it is over. */
static int leave_restored(struct aof *a, const struct aof_loaded *l, struct err *e) {
    if (l->stream_left && !l->cut_short) {
        if (!a->checksum) return 0; /* they cannot: the next start asks again */
        aof_stream_leave(a);
        aof_close_batch(a);
        if (!aof_writer_wait_synced(a->w, a->appended, READ_AGAIN_MS))
            return err_set(e, EIO, "the append only file cannot be written");
    }
    if (!io_exists(a->dirfd, AOF_RESTORED)) return 0;
    if (io_unlink(a->dirfd, AOF_RESTORED, e) < 0) return -1;
    return io_sync_dir(a->dirfd, e);
}

/* The lock comes first: another server may be writing what is read here. Where the start is refused
 * the directory is left as it was found. */
int aof_start(struct aof *a, const struct aof_load_options *options, struct err *e) {
    struct aof_loaded loaded = {0};
    struct aof_opened opened;
    int rc;

    aof_directory_path(&a->o.names, a->path);
    if (aof_open_directory(a->path, a->o.names.filename, false, &opened, e) < 0) return -1;
    a->dirfd = opened.dirfd;
    aof_watch_take_lock(a->watch, opened.lock_fd);
    if (aof_load(a->dirfd, options, &loaded, e) < 0) {
        if (opened.made_lock) io_unlink(a->dirfd, AOF_LOCK, NULL);
        return -1;
    }
    rc = begin(a, &loaded, e);
    if (rc == 0) rc = leave_restored(a, &loaded, e);
    aof_loaded_release(&loaded);
    if (rc < 0) return -1;
    a->info.recovery_begins_ms = aof_history_begins(a->dirfd, &a->manifest);
    aof_enter(a, AOF_ON, "start");
    return 0;
}

static bool job_is_at_work(const struct aof *a) {
    return a->job.active && !atomic_load(&a->job.done);
}

/* A thread that publishes the files of a rewrite removes the old ones. It is only waited for; what
 * follows it is the main thread's, so nothing changes until the files are read. */
static bool wait_for_job(const struct aof *a) {
    uint64_t until = clock_real_ns() + READ_AGAIN_MS * UINT64_C(1000000);

    while (job_is_at_work(a)) {
        if (clock_real_ns() > until) return false;
        usleep(1000);
    }
    return true;
}

/* A file can be read once it is written. A disk that refuses to write is not waited for. */
static bool wait_until_written(const struct aof *a) {
    uint64_t until = clock_real_ns() + READ_AGAIN_MS * UINT64_C(1000000);
    int write_error, sync_error;

    while (aof_writer_written(a->w) < a->appended) {
        aof_writer_poll(a->w, &write_error, &sync_error);
        if (write_error || clock_real_ns() > until) return false;
        usleep(1000);
    }
    return true;
}

bool aof_can_read_again(const struct aof *a, uint64_t position) {
    return !job_is_at_work(a) && (a->phase != AOF_ON || aof_writer_written(a->w) >= position);
}

int aof_read_again(struct aof *a, const struct aof_load_options *l, struct err *e) {
    struct aof_load_options whole = *l;
    struct aof_loaded loaded;
    int rc;

    whole.load_truncated = false; /* the writer has the file open: nothing of it is cut */
    if ((a->phase != AOF_ON && a->phase != AOF_OFF) || a->dirfd < 0)
        return err_set(e, EINVAL, "the append only file is not on, and no rewrite has made one");
    if (a->phase == AOF_ON) aof_close_batch(a);
    if (a->phase == AOF_ON && !wait_until_written(a))
        return err_set(e, EIO, "the append only file cannot be written");
    if (!wait_for_job(a))
        return err_set(e, EBUSY, "a rewrite of the append only file does not end");
    rc = aof_load(a->dirfd, &whole, &loaded, e);
    if (rc == 0) aof_loaded_release(&loaded);
    return rc;
}

/* ---------------------------------------------------------------- stop */

static bool settle(struct aof *a, int deadline_ms) {
    char line[AOF_MARK_MAX];
    struct bytes mark = {0};

    aof_close_batch(a);
    log_notice("Calling fsync() on the AOF file.");
    if (!aof_writer_wait_synced(a->w, a->appended, deadline_ms)) return false;
    if (!a->checksum) return true;
    bytes_append(&mark, line, aof_mark_synced(line, &a->epoch, a->appended, 0, clock_wall_ms()));
    a->appended += mark.n;
    aof_writer_push(a->w, &mark, a->appended, AOF_BATCH_MARK);
    bytes_release(&mark);
    return aof_writer_wait_synced(a->w, a->appended, deadline_ms);
}

/* Waits for the end of a rewrite or of a step of a backup. */
static bool end_work(struct aof *a, int deadline_ms) {
    uint64_t until = clock_real_ns() + (uint64_t)deadline_ms * 1000000;

    aof_rewrite_abort(a, "the server stops");
    while (a->rw != RW_IDLE || a->job.active) {
        if (a->rw != RW_IDLE)
            aof_rewrite_step(a);
        else if (aof_job_collect(a))
            aof_job_release(&a->job);
        if (clock_real_ns() > until) return false;
        usleep(1000);
    }
    while (!aof_listing_stop(a)) {
        if (clock_real_ns() > until) return false;
        usleep(1000);
    }
    return true;
}

bool aof_stop(struct aof *a, int deadline_ms) {
    bool ok = true, ended;

    aof_watch_end(a->watch);
    ended = end_work(a, deadline_ms);

    if (a->phase == AOF_ON) ok = settle(a, deadline_ms);
    if (a->phase == AOF_RECOVERING) ok = false;
    if (!ended) return false; /* a hanging thread uses the struct until the exit */
    aof_writer_free(a->w, !ok);
    disposer_free(a->disposer, deadline_ms);
    aof_watch_free(a->watch); /* the lock goes last */
    aof_manifest_release(&a->manifest);
    aof_manifest_release(&a->doubtful);
    aof_stream_map_clear(&a->stream.map);
    bytes_release(&a->held);
    bytes_release(&a->buf);
    io_close(a->dirfd);
    mem_free(a);
    return ok;
}
