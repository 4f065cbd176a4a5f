/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_rewrite.h"

#include "persistence/aof_mark.h"
#include "persistence/aof_rewrite_types.h"
#include "persistence/key_delay.h"
#include "protocol/encode.h"
#include "storage/base/check.h"
#include "storage/base/clock.h"
#include "storage/base/crc.h"
#include "storage/base/io.h"
#include "storage/base/num.h"
#include "storage/base/rng.h"

#include <errno.h>

enum {
    BATCH_BYTES = 256 * 1024,
    PIECE_BYTES = 1 << 20,
    SYNC_BYTES = 4 << 20, /* incremental fsync: so that the last one does not stall the disk */
    REPORT_KEYS = 1024,
};

struct base {
    const struct aof_rewrite *rw;
    int fd, report_fd;
    struct bytes buf;
    size_t body; /* where the commands of the batch begin in buf */
    struct aof_epoch epoch;
    uint64_t offset, synced; /* bytes of the file */
    struct child_progress progress;
    uint64_t reported_us;
    struct err *e;
    bool failed;
};

/* ---------------------------------------------------------------- commands of each type */

static void rewrite_string(struct bytes *b, const struct entry *e) {
    int64_t when = entry_expire(e);
    char text[NUM_I64_MAX];

    bytes_append_str(b, when == ENTRY_NO_EXPIRE ? "*3\r\n$3\r\nSET\r\n" : "*5\r\n$3\r\nSET\r\n");
    encode_arg(b, entry_key(e));
    encode_arg(b, entry_string(e));
    if (when == ENTRY_NO_EXPIRE) return;
    bytes_append_str(b, "$4\r\nPXAT\r\n");
    encode_arg(b, slice_of(text, (size_t)num_format_i64(text, when)));
}

/* Appends the commands that make the entry, its time to live included. */
static void (*const rewriters[TYPE_COUNT])(struct bytes *b, const struct entry *e) = {
    [TYPE_STRING] = rewrite_string, [TYPE_LIST] = rewrite_list,
    [TYPE_ZSET] = rewrite_zset,     [TYPE_HASH] = rewrite_hash,
    [TYPE_SET] = rewrite_set,       [TYPE_STREAM] = rewrite_stream,
    [TYPE_VSET] = rewrite_payload,  [TYPE_BLOOM] = rewrite_bloom,
    [TYPE_CUCKOO] = rewrite_cuckoo, [TYPE_COUNTMIN] = rewrite_payload,
    [TYPE_TOPK] = rewrite_payload,  [TYPE_TDIGEST] = rewrite_payload,
    [TYPE_JSON] = rewrite_json,
};

TYPE_TABLE_IS_COMPLETE(rewriters)

/* ---------------------------------------------------------------- batches */

static void batch_begin(struct base *w) {
    w->buf.n = 0;
    if (w->rw->checksum) bytes_append(&w->buf, AOF_BEGIN_MARK.p, AOF_BEGIN_MARK.n);
    w->body = w->buf.n;
}

static void report(struct base *w) {
    uint64_t now = clock_real_ns() / 1000;

    if (w->report_fd < 0 || now - w->reported_us < 1000000) return;
    w->reported_us = now;
    w->progress.cow_bytes = child_private_dirty();
    child_report(w->report_fd, &w->progress);
}

/* Writes in pieces, so that progress is reported on a slow disk, and within one large value. */
static int put_out(struct base *w) {
    for (size_t at = 0, n; at < w->buf.n; at += n) {
        n = w->buf.n - at < PIECE_BYTES ? w->buf.n - at : PIECE_BYTES;
        if (io_write_all(w->fd, w->buf.p + at, n, NULL, w->e) < 0) return -1;
        w->offset += n;
        report(w);
        if (!w->rw->incremental_fsync || w->offset - w->synced < SYNC_BYTES) continue;
        if (io_sync(w->fd, w->e) < 0) return -1;
        w->synced = w->offset;
    }
    return 0;
}

static int batch_end(struct base *w) {
    struct aof_trailer t = {.length = w->buf.n - w->body, .ms = clock_wall_ms()};
    uint64_t position;

    if (t.length == 0) return 0;
    if (w->rw->checksum) {
        position = aof_position_at(&w->epoch, w->offset);
        t.crc = crc64(aof_batch_seed(&w->epoch, position), w->buf.p + w->body, t.length);
        position += w->buf.n;
        t.unsynced = w->offset + w->buf.n - w->synced;
        w->buf.n += aof_mark_trailer(bytes_room(&w->buf, AOF_MARK_MAX), &w->epoch, position, &t);
    }
    if (put_out(w) < 0) return -1;
    batch_begin(w);
    return 0;
}

static int write_header(struct base *w) {
    if (!w->rw->checksum) return 0;
    rng_system(&w->epoch.id, sizeof w->epoch.id);
    w->epoch.epoch = 1;
    w->epoch.position = w->rw->position;
    w->epoch.ms = clock_wall_ms();
    w->buf.n = aof_mark_header(bytes_room(&w->buf, AOF_MARK_MAX), &w->epoch, 0);
    return put_out(w);
}

static void visit(void *entry, void *arg) {
    struct base *w = arg;
    const struct entry *e = entry;

    if (w->failed) return;
    CHECK(rewriters[e->type]);
    rewriters[e->type](&w->buf, e);
    if (w->buf.n >= BATCH_BYTES && batch_end(w) < 0) w->failed = true;
    w->progress.keys_done++;
    key_delay(w->rw->key_delay_us, w->progress.keys_done);
    if (w->progress.keys_done % REPORT_KEYS == 0 || w->rw->key_delay_us > 0) report(w);
}

static void write_libraries(struct base *w) {
    for (const struct library *l = w->rw->ks->libraries; l; l = l->next) {
        bytes_append_str(&w->buf, "*3\r\n$8\r\nFUNCTION\r\n$4\r\nLOAD\r\n");
        encode_arg(&w->buf, l->code);
    }
}

static int write_all(struct base *w) {
    char text[NUM_I64_MAX];

    if (write_header(w) < 0) return -1;
    batch_begin(w);
    write_libraries(w);
    for (int i = 0; i < w->rw->ks->ndbs; i++) {
        const struct db *db = &w->rw->ks->dbs[i];

        if (db->keys.count == 0) continue;
        bytes_append_str(&w->buf, "*2\r\n$6\r\nSELECT\r\n");
        encode_arg(&w->buf, slice_of(text, (size_t)num_format_i64(text, i)));
        table_each(&db->keys, visit, w);
        if (w->failed) return -1;
    }
    if (w->progress.keys_done == 0 && !w->rw->checksum)
        bytes_append_str(&w->buf, "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"); /* never 0 bytes */
    if (batch_end(w) < 0) return -1;
    return io_sync(w->fd, w->e);
}

static int on_rdb_progress(void *arg, uint64_t keys_done, struct err *e) {
    struct base *w = arg;

    (void)e;
    w->progress.keys_done = keys_done;
    report(w);
    return 0;
}

static int write_rdb(struct base *w) {
    struct rdb_save o = *w->rw->rdb;

    o.ks = w->rw->ks;
    o.aof_base = true;
    o.aof_position = w->rw->position;
    o.incremental_fsync = w->rw->incremental_fsync;
    o.key_delay_us = w->rw->key_delay_us;
    o.progress = on_rdb_progress;
    o.arg = w;
    if (rdb_write(&o, w->fd, NULL, w->e) < 0) return -1;
    return io_sync(w->fd, w->e);
}

int aof_rewrite_write(const struct aof_rewrite *rw, int report_fd, struct err *e) {
    struct base w = {.rw = rw, .report_fd = report_fd, .e = e};
    int rc;

    w.fd = io_create(rw->dirfd, rw->file, e);
    if (w.fd < 0) return -1;
    rc = rw->rdb ? write_rdb(&w) : write_all(&w);
    io_close(w.fd);
    if (rc < 0) io_unlink(rw->dirfd, rw->file, NULL);
    if (rc == 0 && report_fd >= 0) {
        w.reported_us = 0;
        report(&w);
    }
    bytes_release(&w.buf);
    return rc;
}
