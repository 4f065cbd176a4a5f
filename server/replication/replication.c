/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/replication/replication.h"

#include "conf/conf.h"
#include "protocol/encode.h"
#include "server/replication/rows.h"
#include "storage/base/clock.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"
#include "storage/base/rng.h"

/* ---------------------------------------------------------------- the sink */

static void append_select(struct repl_stream *s, int db) {
    struct bytes b = {0};
    char text[NUM_I64_MAX];
    struct slice argv[] = {SLICE("SELECT"), slice_of(text, (size_t)num_format_i64(text, db))};

    encode_command(&b, 2, argv);
    repl_stream_append(s, bytes_slice(&b));
    bytes_release(&b);
}

static void append_data(struct repl_stream *s, const struct unit *u) {
    if (u->select) append_select(s, u->db);
    if (u->ncommands > 1) repl_stream_append(s, SLICE("*1\r\n$5\r\nMULTI\r\n"));
    repl_stream_append(s, u->resp);
    if (u->ncommands > 1) repl_stream_append(s, SLICE("*1\r\n$4\r\nEXEC\r\n"));
    s->db = u->last_db;
    repl_stream_note_data(s);
}

static void on_unit(void *stream, const struct unit *u) {
    struct repl_stream *s = stream;

    switch (u->kind) {
    case UNIT_DATA: append_data(s, u); return;
    case UNIT_LOCAL: return;
    case UNIT_STREAM: repl_stream_append(s, u->resp); return;
    case UNIT_MASTER:
        repl_stream_append(s, u->resp);
        s->db = u->last_db; /* whether data changed, apply.c knows; a SELECT changes none */
        return;
    }
}

/* Propagation asks the stream which database it has selected, as long as there is one. */
static void connect_stream(struct replication *r) {
    r->e->propagation.stream_db = r->stream.active ? &r->stream.db : NULL;
    r->e->propagation.stream_offset = r->stream.active ? &r->stream.offset : NULL;
    r->e->propagation.stream_id = r->stream.active ? r->stream.id : NULL;
}

static void tell_pasts(const struct replication *r) {
    struct aof_stream_past past[STREAM_PASTS];
    size_t n = r->stream.npasts;

    for (size_t i = 0; i < n; i++) {
        const struct repl_past *p = &r->stream.past[n - 1 - i];

        memcpy(past[i].id, p->id, sizeof past[i].id);
        past[i].end = p->end;
    }
    aof_stream_tell_pasts(r->e->aof, past, n);
}

void replication_tell_log(struct replication *r) {
    struct aof_stream s = {.offset = r->stream.offset, .db = r->stream.db};

    connect_stream(r);
    if (!r->stream.active) {
        aof_stream_end(r->e->aof);
        return;
    }
    memcpy(s.id, r->stream.id, sizeof s.id);
    aof_stream_begin(r->e->aof, &s);
    tell_pasts(r);
}

void replication_begin_stream(struct replication *r) {
    if (r->stream.active) return;
    repl_stream_activate(&r->stream);
    replication_tell_log(r);
}

void replication_end_stream(struct replication *r) {
    notes_clear(&r->safe);
    repl_stream_deactivate(&r->stream);
    replication_tell_log(r);
}

/* ---------------------------------------------------------------- beginning and end */

void replication_register(struct command_registry *r) {
    command_registry_add(r, psync_commands);
    command_registry_add(r, wait_commands);
    command_registry_add(r, role_commands);
    command_registry_add(r, failover_commands);
}

struct replication *replication_new(struct engine *e, const struct replication_app *app) {
    struct replication *r = mem_calloc(sizeof *r);
    struct sink sink = {.wants = &r->stream.active, .unit = on_unit, .arg = &r->stream};

    r->e = e;
    r->app = *app;
    repl_stream_init(&r->stream);
    list_init(&r->replicas.all);
    list_init(&r->log_readers.all);
    propagate_to(&e->propagation, &sink);
    e->replication = r;
    e->hooks.replica_end = replica_end;
    return r;
}

void replication_resume(struct replication *r, const char *id, uint64_t offset, int db) {
    repl_stream_adopt(&r->stream, id, offset, db);
    log_notice("The data set is that of the replication stream %s at offset %llu", id,
               (unsigned long long)offset);
}

/* The AOF says where the stream was. */
static void resume_from_log(struct replication *r) {
    struct aof_stream_past past[AOF_STREAM_PASTS];
    struct aof_stream now;
    size_t n;

    if (!aof_stream_loaded(r->e->aof, &now, past, &n)) return;
    replication_resume(r, now.id, now.offset, now.db);
    r->stream.data_end = now.data_end;
    /* A new id begins with a SELECT; what the older ones had selected is not in every file. */
    r->stream.data_db = now.data_db < 0 && n > 0 ? STREAM_DB_UNKNOWN : now.data_db;
    while (n-- > 0) repl_stream_add_past(&r->stream, past[n].id, past[n].end);
}

void replication_begin_anew(struct replication *r) {
    char id[STREAM_ID_CHARS + 1] = "";

    if (!r->stream.active) return;
    replicas_drop_all(r);
    rng_hex(id, STREAM_ID_CHARS);
    repl_stream_adopt(&r->stream, id, r->stream.offset, -1);
    replication_tell_log(r);
}

void replication_start(struct replication *r) {
    resume_from_log(r);
    role_start(r);
    r->replicas.emptied_us = clock_mono_us();
    replication_tell_log(r);
    replicas_count_good(r);
    ack_configure(r);
}

void replication_stop(struct replication *r) {
    log_end(r);
    sync_release(r); /* it has jobs at the thread of files */
}

void replication_free(struct replication *r) {
    link_release(r);
    sync_release(r);
    notes_release(&r->safe);
    notes_release(&r->acks.notes);
    repl_stream_release(&r->stream);
    r->e->replication = NULL;
    mem_free(r);
}

/* ---------------------------------------------------------------- around the loop */

void replication_speak(struct replication *r) {
    static const char getack[] = "*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n";

    if (!r->replicas.getack && !ack_asks(r)) return;
    r->replicas.getack = false;
    r->acks.before_asked = r->stream.offset;
    if (r->replicas.n && !r->e->role.is_replica)
        propagate_stream(&r->e->propagation, UNIT_STREAM, slice_of(getack, sizeof getack - 1), -1,
                         -1);
    r->acks.asked = r->stream.offset;
    r->acks.asked_us = clock_mono_us();
}

void replication_before_wait(struct replication *r) {
    if (r->replicas.n) sync_step(r);
    ack_note(r);
    failover_step(r);
    link_step(r);
    replicas_feed(r);
}

bool replication_goes_on(struct replication *r) {
    return ack_asks(r) || replicas_are_behind(r);
}

void replication_cron(struct replication *r) {
    int64_t second = (int64_t)(clock_mono_us() / 1000000);

    sync_step(r);
    ack_cron(r);
    log_cron(r);
    if (r->failover.state == FAILOVER_WAIT_SYNC) r->replicas.getack = true;
    link_cron(r);
    if (second == r->replicas.last_second) return;
    r->replicas.last_second = second;
    replicas_cron(r);
}
