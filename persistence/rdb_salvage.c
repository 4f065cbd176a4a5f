/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/rdb_salvage.h"

#include "persistence/rdb_types.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"

#include <errno.h>
#include <unistd.h>

enum { COPY_BYTES = 256 * 1024 };

int rdb_salvage_begin(struct rdb_salvage *s, int from, int dirfd, const char *name, struct err *e) {
    char head[RDB_FRAME_WORD];

    *s = (struct rdb_salvage){.from = from, .dirfd = dirfd, .name = name};
    /* What is written is a file, not a stream. */
    if (io_read_at(from, head, sizeof head, 0, NULL) == sizeof head &&
        memcmp(head, "$EOF:", sizeof head) == 0)
        s->copied = RDB_FRAME_BYTES;
    if (io_exists(dirfd, name)) return err_set(e, EEXIST, "'%s' is there already", name);
    s->out = (struct rdb_out){.fd = io_create(dirfd, name, e), .sum = true, .e = e};
    return s->out.fd < 0 ? -1 : 0;
}

bool rdb_salvage_behind(struct rdb_salvage *s, const struct rdb_damage *d, int version,
                        uint64_t *next) {
    struct rdb_in in;
    bool ok;

    if (rdb_in_file(&in, s->from, d->content_at, NULL) < 0) return false;
    ok = rdb_skip_value(&in, rdb_type_read(d->key->type, version == RDB_VALKEY_VERSION));
    *next = rdb_in_at(&in);
    /* Once the rest had the structure of a file, later records are a part of it. */
    if (ok && !s->rest_holds) ok = s->rest_holds = rdb_skip_rest(&in, version);
    rdb_in_release(&in);
    return ok;
}

static void copy(struct rdb_salvage *s, uint64_t to) {
    char *buf = mem_alloc(COPY_BYTES);

    while (s->copied < to && !s->out.failed) {
        uint64_t left = to - s->copied;
        ssize_t n = io_read_at(s->from, buf, left < COPY_BYTES ? (size_t)left : COPY_BYTES,
                               (off_t)s->copied, s->out.e);

        if (n <= 0) {
            if (n == 0) err_set(s->out.e, EIO, "the file became shorter while it was read");
            s->out.failed = true;
            break;
        }
        rdb_out_raw(&s->out, buf, (size_t)n);
        s->copied += (uint64_t)n;
    }
    mem_free(buf);
}

void rdb_salvage_leave_out(struct rdb_salvage *s, uint64_t from, uint64_t to) {
    copy(s, from);
    s->copied = to;
    s->left_out += to - from;
}

int rdb_salvage_end(struct rdb_salvage *s, uint64_t upto, int version, struct err *e) {
    int rc = -1;

    s->out.e = e;
    copy(s, upto);
    rdb_out_byte(&s->out, RDB_EOF);
    rdb_out_flush(&s->out);
    if (version >= RDB_SUM_SINCE) rdb_out_u64(&s->out, s->out.crc);
    rdb_out_flush(&s->out);
    if (!s->out.failed && io_sync(s->out.fd, e) == 0) rc = io_sync_dir(s->dirfd, e);
    io_close(s->out.fd);
    rdb_out_release(&s->out);
    if (rc < 0) io_unlink(s->dirfd, s->name, NULL);
    return rc;
}
