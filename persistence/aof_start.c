/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_start - from a directory to a log that goes on, and back to rest. Runs before the server
 * listens and after it has stopped serving, so here waiting for the disk is in order.
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

struct aof *aof_new(struct keyspace *ks, const struct aof_options *o, const struct aof_hooks *h) {
    struct aof *a = mem_calloc(sizeof *a);

    a->ks = ks;
    aof_keep_options(a, o);
    a->h = *h;
    a->dirfd = a->lock_fd = a->incr_fd = -1;
    a->db = -1;
    a->next_epoch = 1;
    a->info.last_rewrite_sec = -1;
    a->info.last_rewrite_ok = true;
    a->w = aof_writer_new(h->wake, h->arg);
    aof_writer_set_policy(a->w, o->policy);
    return a;
}

static int lock_directory(void *arg, struct err *e) {
    struct aof *a = arg;

    if (a->lock_fd >= 0) return 0;
    a->lock_fd = io_lock(a->dirfd, ".lock", 0, NULL, e);
    if (a->lock_fd >= 0) return 0;
    if (e->code == EWOULDBLOCK)
        return err_set(e, EWOULDBLOCK, "another server is using the append only directory '%s'",
                       a->o.names.dirname);
    return -1;
}

static int publish(struct aof *a, struct err *e) {
    return aof_publish_manifest(a->dirfd, a->o.names.filename, &a->manifest, e);
}

static int make_increment(struct aof *a, struct err *e) {
    const struct aof_file *f = aof_manifest_add_incr(&a->manifest, a->o.names.filename);
    int fd = io_create(a->dirfd, f->name, e);

    if (fd < 0) return -1;
    if (io_sync(fd, e) < 0 || io_sync_dir(a->dirfd, e) < 0) {
        io_close(fd);
        return -1;
    }
    log_notice("Creating AOF incr file %s on server start", f->name);
    return fd;
}

const struct rdb_save *aof_rdb_options(const struct aof *a, struct rdb_save *o) {
    if (!a->o.rdb_preamble || !a->h.rdb) return NULL;
    a->h.rdb(a->h.arg, o);
    return o;
}

/* A directory without a log: a base of what is in memory (nothing, unless a snapshot was imported),
 * an empty increment, the manifest. `anew`: a manifest names the files of another log meanwhile. */
static int create_log(struct aof *a, bool anew, struct err *e) {
    struct rdb_save rdb;
    struct aof_rewrite rw = {.ks = a->ks,
                             .dirfd = a->dirfd,
                             .checksum = a->o.checksum,
                             .position = a->appended,
                             .rdb = aof_rdb_options(a, &rdb)};
    const struct aof_file *base =
        aof_manifest_set_base(&a->manifest, a->o.names.filename, rw.rdb ? "rdb" : "aof");
    int fd;

    rw.file = base->name;
    if (!anew && aof_creation_begins(a->dirfd, e) < 0) return -1;
    log_notice("Creating AOF base file %s on server start", base->name);
    if (aof_rewrite_write(&rw, -1, e) < 0) return -1;
    fd = make_increment(a, e);
    if (fd < 0) return -1;
    if (publish(a, e) < 0 || aof_creation_ends(a->dirfd, e) < 0) {
        io_close(fd);
        return -1;
    }
    aof_writer_restart(a->w, fd, 0, a->appended, a->o.checksum);
    aof_begin_file(a, 0, 0);
    return 0;
}

/* The log was loaded up to some moment: it goes on in files of its own. What was there stays, and
 * so does its manifest, under another name: in its place it brings everything back. */
static int leave_past(struct aof *a, struct aof_loaded *l, struct err *e) {
    char name[AOF_NAME_MAX + 64];
    struct bytes text = {0};
    int rc;

    snprintf(name, sizeof name, "%s.manifest.before-%lld", a->o.names.filename,
             (long long)clock_wall_ms());
    aof_manifest_format(&l->manifest, &text);
    rc = io_replace(a->dirfd, name, bytes_slice(&text), e);
    bytes_release(&text);
    a->manifest.base_seq = l->manifest.base_seq;
    a->manifest.incr_seq = l->manifest.incr_seq;
    a->next_epoch = l->next_epoch;
    a->appended = a->payload_end = l->next_position;
    if (rc == 0) rc = create_log(a, true, e);
    if (rc == 0)
        log_warning("The log goes on in new files from position %llu. The old ones are kept, and "
                    "their manifest as '%s'. The way back, which gives up what is written from "
                    "now on: stop the server, then run: mv %s/%s %s/%s.manifest",
                    (unsigned long long)a->appended, name, a->o.names.dirname, name,
                    a->o.names.dirname, a->o.names.filename);
    return rc;
}

/* True if what was read ends as we would have ended it, so that the file simply goes on. */
static bool goes_on(const struct aof *a, const struct aof_loaded *l) {
    const struct aof_report *r = &l->last;

    if (!a->o.checksum) return !r->has_header && !l->cut_bytes;
    return r->has_header && !r->unmarked && !l->cut_bytes &&
           aof_position_at(&r->epoch, r->size) == a->appended;
}

/* What a crash left between the publishing of a manifest and the removal of what it replaced. */
static int drop_history(struct aof *a, struct err *e) {
    return aof_history_prune(a->dirfd, &a->manifest, &a->o.keep) ? publish(a, e) : 0;
}

/* An empty base that was accepted gets contents, so that it can be told from one that was lost. */
static int fill_empty_base(struct aof *a, struct err *e) {
    const struct aof_file *base = aof_manifest_base(&a->manifest);
    struct keyspace none = {0};
    struct aof_rewrite rw = {.ks = &none, .dirfd = a->dirfd, .checksum = a->o.checksum};

    if (!base || a->info.base_size > 0) return 0;
    rw.file = "temp-rewriteaof-base";
    if (aof_rewrite_write(&rw, -1, e) < 0) return -1;
    if (io_rename(a->dirfd, rw.file, base->name, e) < 0) return -1;
    return io_sync_dir(a->dirfd, e);
}

/* Appends to a new increment. */
static int open_new(struct aof *a, struct err *e) {
    int fd = make_increment(a, e);

    if (fd < 0 || publish(a, e) < 0) return -1;
    aof_writer_restart(a->w, fd, 0, a->appended, a->o.checksum);
    aof_begin_file(a, 0, 0);
    return 0;
}

/* An empty increment behind a gap was accepted: with data in it, it would not be the next time. */
static int leave_strays(struct aof *a, bool *left, struct err *e) {
    char name[AOF_NAME_MAX];

    *left = false;
    while (aof_manifest_drop_stray(&a->manifest, name)) {
        *left = true;
        if (publish(a, e) < 0 || io_unlink(a->dirfd, name, e) < 0) return -1;
    }
    return 0;
}

static int open_log(struct aof *a, struct aof_loaded *l, struct err *e) {
    const struct aof_file *f;
    bool left_some;
    uint64_t size = l->last.size;
    int fd;

    a->manifest = l->manifest;
    l->manifest = (struct aof_manifest){0};
    a->next_epoch = l->next_epoch;
    a->appended = l->next_position + l->cut_bytes;
    a->payload_end = a->appended;
    a->info.base_size = l->base_bytes;
    a->incr_bytes_before = l->total_bytes - l->base_bytes;
    if (drop_history(a, e) < 0 || fill_empty_base(a, e) < 0) return -1;
    if (leave_strays(a, &left_some, e) < 0) return -1;
    f = aof_manifest_last_incr(&a->manifest);
    /* Room inside a file shows that it was not closed, unless the file ends in room. */
    if (!f || left_some || l->last.room_inside) return open_new(a, e);
    fd = io_open_append(a->dirfd, f->name, e);
    if (fd < 0) return -1;
    /* Room stands there after a crash. What was read back may still be in the page cache only; from
     * here on it counts as safe. */
    if ((io_size(fd, e) != (int64_t)size && io_truncate(fd, (off_t)size, e) < 0) ||
        io_sync(fd, e) < 0) {
        io_close(fd);
        return -1;
    }
    a->incr_bytes_before = a->incr_bytes_before > size ? a->incr_bytes_before - size : 0;
    aof_writer_restart(a->w, fd, size, a->appended, a->o.checksum);
    if (goes_on(a, l)) {
        a->checksum = a->o.checksum;
        a->epoch = l->last.epoch;
    } else {
        aof_begin_file(a, size, l->last.has_header ? l->last.epoch.id : 0);
    }
    return 0;
}

/* A log that is refused is not touched, not even by a lock file: it is made only when the log is
 * about to be changed, or was found good. One that is there is taken at once. */
int aof_start(struct aof *a, const struct aof_load_options *options, struct err *e) {
    struct aof_load_options l = *options;
    struct aof_loaded loaded = {0};
    int rc = -1;

    l.lock = lock_directory;
    l.lock_arg = a;
    a->dirfd = io_open_dir(a->o.names.dirname, true, e);
    if (a->dirfd < 0) return -1;
    if (io_exists(a->dirfd, ".lock") && lock_directory(a, e) < 0) return -1;
    if (aof_load(a->dirfd, &l, &loaded, e) < 0) return -1;
    if (lock_directory(a, e) < 0) return -1;
    aof_remove_temps(a->dirfd);
    if (loaded.manifest.n == 0)
        rc = create_log(a, false, e);
    else if (loaded.cut_short)
        rc = leave_past(a, &loaded, e);
    else
        rc = aof_creation_ends(a->dirfd, e) < 0 ? -1 : open_log(a, &loaded, e);
    aof_loaded_release(&loaded);
    if (rc < 0) return -1;
    aof_enter(a, AOF_ON, "start");
    return 0;
}

int aof_read_again(struct aof *a, const struct aof_load_options *l, struct err *e) {
    struct aof_loaded loaded;
    int rc;

    if (a->phase != AOF_ON) return err_set(e, EINVAL, "the append only file is not on");
    aof_close_batch(a);
    if (!aof_writer_wait_synced(a->w, a->appended, READ_AGAIN_MS))
        return err_set(e, EIO, "the append only file can't be written");
    rc = aof_load(a->dirfd, l, &loaded, e);
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
    aof_writer_push(a->w, &mark, a->appended, false);
    bytes_release(&mark);
    return aof_writer_wait_synced(a->w, a->appended, deadline_ms);
}

bool aof_stop(struct aof *a, int deadline_ms) {
    bool ok = true;

    if (a->rw != RW_IDLE) aof_rewrite_abort(a, "the server stops");
    while (a->job.active && !aof_job_collect(a)) usleep(1000); /* a step of a backup */
    aof_manifest_release(&a->job.manifest);
    aof_listing_stop(a);
    if (a->phase == AOF_ON) ok = settle(a, deadline_ms);
    if (a->phase == AOF_RECOVERING) ok = false;
    aof_writer_free(a->w, !ok);
    aof_manifest_release(&a->manifest);
    bytes_release(&a->buf);
    io_close(a->lock_fd);
    io_close(a->dirfd);
    mem_free(a);
    return ok;
}
