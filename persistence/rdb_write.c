/* SPDX-License-Identifier: BSD-3-Clause
 *
 * rdb_write - a whole data set as a file.
 */
#include "persistence/key_delay.h"
#include "persistence/rdb_types.h"
#include "storage/base/clock.h"
#include "storage/base/io.h"
#include "storage/base/num.h"
#include "storage/note.h"

#include <stdio.h>

enum { REPORT_KEYS = 1024 };

struct save {
    const struct rdb_save *o;
    struct rdb_out out;
    uint64_t keys;
    struct err *e;
};

static void put_header(struct save *s, int version) {
    char text[RDB_HEADER_BYTES + 1];

    snprintf(text, sizeof text, s->out.valkey ? "VALKEY%03d" : "REDIS%04d", version);
    rdb_out_raw(&s->out, text, RDB_HEADER_BYTES);
}

/* ---------------------------------------------------------------- what is said of the file */

static void put_aux(struct save *s, const char *name, struct slice value) {
    rdb_out_byte(&s->out, RDB_AUX);
    rdb_out_string(&s->out, slice_str(name));
    rdb_out_string(&s->out, value);
}

static void put_aux_int(struct save *s, const char *name, int64_t v) {
    char text[NUM_I64_MAX];

    put_aux(s, name, slice_of(text, (size_t)num_format_i64(text, v)));
}

static void put_aux_fields(struct save *s) {
    put_aux(s, "redis-ver", SLICE("7.2.4"));
    put_aux_int(s, "redis-bits", sizeof(void *) * 8);
    put_aux_int(s, "ctime", clock_wall_ms() / 1000);
    put_aux_int(s, "used-mem", (int64_t)s->o->used_memory);
    if (s->o->stream.id[0]) {
        put_aux_int(s, "repl-stream-db", s->o->stream.db);
        put_aux(s, "repl-id", slice_str(s->o->stream.id));
        put_aux_int(s, "repl-offset", (int64_t)s->o->stream.offset);
    }
    put_aux_int(s, "aof-base", s->o->aof_base);
    if (s->o->aof_base) put_aux_int(s, "aof-position", (int64_t)s->o->aof_position);
}

/* ---------------------------------------------------------------- keys */

static uint32_t access_of(const struct entry *e) {
    return (uint32_t)e->access[0] | (uint32_t)e->access[1] << 8 | (uint32_t)e->access[2] << 16;
}

static uint8_t frequency_of(const struct save *s, const struct entry *e) {
    uint16_t since = (uint16_t)(s->o->lfu_minutes - (access_of(e) & 0xffff));
    uint32_t fallen = s->o->lfu_decay ? since / s->o->lfu_decay : 0;

    return e->access[2] > fallen ? (uint8_t)(e->access[2] - fallen) : 0;
}

static void put_note(struct save *s, const struct entry *e) {
    struct bytes note = {0};

    if (rdb_note_of(e, &note)) put_aux(s, NOTE_NAME, bytes_slice(&note));
    bytes_release(&note);
}

static void put_key(struct save *s, const struct entry *e) {
    struct rdb_out *o = &s->out;
    int64_t when = entry_expire(e);

    put_note(s, e);
    if (when != ENTRY_NO_EXPIRE) {
        rdb_out_byte(o, RDB_EXPIRE_MS);
        rdb_out_u64(o, (uint64_t)when);
    }
    if (s->o->lru) {
        rdb_out_byte(o, RDB_IDLE);
        rdb_out_len(o, (s->o->lru_clock - access_of(e)) & 0xffffff);
    }
    if (s->o->lfu) {
        rdb_out_byte(o, RDB_FREQ);
        rdb_out_byte(o, frequency_of(s, e));
    }
    rdb_out_byte(o, rdb_type_code(rdb_type_of(e), o->valkey));
    rdb_out_string(o, entry_key(e));
    rdb_put_value(o, e);
}

static void visit(void *entry, void *arg) {
    struct save *s = arg;

    if (s->out.failed) return;
    put_key(s, entry);
    s->keys++;
    key_delay(s->o->key_delay_us, s->keys);
    if (!s->o->progress || (s->keys % REPORT_KEYS && s->o->key_delay_us <= 0)) return;
    if (s->o->progress(s->o->arg, s->keys, s->e) < 0) s->out.failed = true;
}

/* One large value is progress too. */
static void on_wrote(void *arg) {
    struct save *s = arg;

    if (s->o->progress && s->o->progress(s->o->arg, s->keys, s->e) < 0) s->out.failed = true;
}

static void put_db(struct save *s, const struct db *db) {
    rdb_out_byte(&s->out, RDB_SELECT);
    rdb_out_len(&s->out, (uint64_t)db->id);
    rdb_out_byte(&s->out, RDB_RESIZE);
    rdb_out_len(&s->out, db->keys.count);
    rdb_out_len(&s->out, db->expires.count);
    table_each(&db->keys, visit, s);
}

static void put_end(struct save *s) {
    uint64_t sum;

    rdb_out_byte(&s->out, RDB_EOF);
    rdb_out_flush(&s->out);
    sum = s->out.sum ? s->out.crc : 0;
    rdb_out_u64(&s->out, sum);
    rdb_out_flush(&s->out);
}

/* ---------------------------------------------------------------- files */

static int lowest_version(const struct keyspace *ks) {
    for (int i = 0; i < ks->ndbs; i++)
        if (ks->dbs[i].parts.count) return RDB_TIMED_VERSION;
    return RDB_PLAIN_VERSION;
}

int rdb_write(const struct rdb_save *o, int fd, struct rdb_saved *saved, struct err *e) {
    struct save s = {.o = o, .e = e};
    int version = lowest_version(o->ks);
    bool valkey = o->valkey && version == RDB_TIMED_VERSION;

    if (valkey) version = RDB_VALKEY_VERSION;
    s.out = (struct rdb_out){.fd = fd,
                             .valkey = valkey,
                             .sum = o->checksum,
                             .compress = o->compress,
                             .incremental_fsync = o->incremental_fsync,
                             .e = e,
                             .wrote = on_wrote,
                             .arg = &s};
    put_header(&s, version);
    put_aux_fields(&s);
    rdb_put_libraries(&s.out, o->ks->libraries);
    for (int i = 0; i < o->ks->ndbs; i++)
        if (o->ks->dbs[i].keys.count) put_db(&s, &o->ks->dbs[i]);
    put_end(&s);
    if (!s.out.failed && o->progress && o->progress(o->arg, s.keys, e) < 0) s.out.failed = true;
    if (saved) *saved = (struct rdb_saved){s.keys, s.out.written, version};
    rdb_out_release(&s.out);
    return s.out.failed ? -1 : 0;
}

int rdb_publish(const struct rdb_save *o, int dirfd, const char *name, const char *temp,
                struct rdb_saved *saved, struct err *e) {
    int fd = io_create(dirfd, temp, e), rc = -1;

    if (fd < 0) return -1;
    if (rdb_write(o, fd, saved, e) == 0 && io_sync(fd, e) == 0) rc = 0;
    io_close(fd);
    if (rc == 0) rc = io_rename(dirfd, temp, name, e);
    if (rc < 0)
        io_unlink(dirfd, temp, NULL);
    else
        rc = io_sync_dir(dirfd, e);
    return rc;
}
