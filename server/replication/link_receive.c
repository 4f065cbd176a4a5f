/* SPDX-License-Identifier: BSD-3-Clause
 *
 * link_receive - the data set of a full sync: received into a file, then loaded.
 *
 * Nothing is changed before all of it is there and was read once. Where it cannot be loaded all the
 * same (a library of functions that does not compile), the old data set stays with its id and
 * offset if it was served meanwhile (repl-diskless-load swapdb) or can be read from the AOF again;
 * otherwise the data set is empty, and belongs to no history.
 */
#include "conf/conf.h"
#include "server/replication/link_private.h"
#include "storage/base/clock.h"
#include "storage/base/log.h"
#include "storage/base/num.h"

#include <errno.h>

/* Bytes of the data set itself. */
static uint64_t size_of(const struct master_link *l) {
    return l->head.open ? l->received - LINK_DATA_MARK : l->received;
}

/* ---------------------------------------------------------------- its first line */

/* With the AOF on the file may become its base. */
static struct link_data_where where_to(struct replication *r, char name[AOF_NAME_MAX]) {
    struct link_data_where w = {-1, name, keyspace_count(&r->e->ks) > 0};

    if (aof_phase(r->e->aof) != AOF_OFF) w.dirfd = aof_temp_name(r->e->aof, name);
    return w;
}

static void begin_data(struct replication *r) {
    struct master_link *l = &r->link;
    char name[AOF_NAME_MAX];
    struct link_data_where where = where_to(r, name);
    struct err e;

    if (l->head.open)
        log_notice("MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF to disk");
    else
        log_notice("MASTER <-> REPLICA sync: receiving %llu bytes from master to disk",
                   (unsigned long long)l->head.size);
    l->received = 0;
    l->whole = false;
    memset(l->tail, 0, sizeof l->tail);
    l->data = link_data_new(&where, r->e->ks.ndbs, r->app.wake, r->app.arg, &e);
    if (l->data) return;
    log_warning("Opening the temp file needed for MASTER <-> REPLICA synchronization: %s", e.text);
    link_lost(r);
}

static void take_head(struct replication *r, struct slice line) {
    int shown = line.n < 200 ? (int)line.n : 200;

    if (line.n == 0) return; /* the master says that it is alive */
    if (link_data_head(line, &r->link.head)) {
        begin_data(r);
        return;
    }
    if (line.p[0] == '-') {
        log_warning("MASTER aborted replication with an error: %.*s", shown - 1, line.p + 1);
        link_lost(r);
        return;
    }
    log_warning("Bad protocol from MASTER, the first byte is not '$' (we received '%.*s'), are "
                "you sure the host and port are right?",
                shown, line.p);
    link_broken(r);
}

/* ---------------------------------------------------------------- its bytes */

static void note_tail(struct master_link *l, const char *p, size_t n) {
    if (n >= LINK_DATA_MARK) {
        memcpy(l->tail, p + n - LINK_DATA_MARK, LINK_DATA_MARK);
        return;
    }
    memmove(l->tail, l->tail + n, LINK_DATA_MARK - n);
    memcpy(l->tail + LINK_DATA_MARK - n, p, n);
}

/* The master sends nothing after the mark until it has an ACK. */
static bool is_whole(const struct master_link *l) {
    if (!l->head.open) return l->received == l->head.size;
    return l->received >= LINK_DATA_MARK && memcmp(l->tail, l->head.mark, LINK_DATA_MARK) == 0;
}

static size_t take_data(struct replication *r, const char *in, size_t n) {
    struct master_link *l = &r->link;
    size_t room = link_data_room(l->data), part = n < room ? n : room;

    if (!l->head.open && part > l->head.size - l->received)
        part = (size_t)(l->head.size - l->received);
    if (part) {
        link_data_put(l->data, in, part);
        l->received += part;
        if (l->head.open) note_tail(l, in, part);
    }
    l->whole = is_whole(l);
    if (l->whole) link_data_end(l->data, size_of(l));
    /* Nothing is read until there is room again, or all is loaded. */
    if (l->whole || part < n) session_enter(l->s, SESSION_BLOCKED);
    return part;
}

size_t link_receive_input(struct replication *r, char *in, size_t n, size_t *need) {
    struct session *s = r->link.s;
    size_t used = 0;

    while (used < n && r->link.s == s && s->state == SESSION_ACTIVE) {
        struct slice line;
        size_t part;

        if (r->link.data) {
            used += take_data(r, in + used, n - used);
            continue;
        }
        part = link_take_line(r, in + used, n - used, &line, need);
        if (part == 0 || r->link.s != s) break;
        used += part;
        take_head(r, line);
    }
    return used;
}

void link_receive_forget(struct replication *r) {
    struct master_link *l = &r->link;

    link_data_drop(l->data);
    l->data = NULL;
}

/* ---------------------------------------------------------------- loading it */

/* A master that has come back without its data would take that of its replicas with it: this
 * replica refuses. One that was just named by the operator is followed; so is one that is empty in
 * the history that this replica knows. */
static bool refuse_empty(struct replication *r, const struct link_data_seen *k) {
    struct master_link *l = &r->link;

    bool known = !l->plain && strcmp(l->id, r->stream.id) == 0;

    l->refused_empty = l->has_synced && !known && !k->has_keys && keyspace_count(&r->e->ks) > 0 &&
                       !r->e->v->replica_accept_empty;
    if (l->refused_empty)
        log_warning("The master has lost its data set: a full sync to an empty one is refused, as "
                    "this replica holds %zu keys. To accept it, set 'replica-accept-empty yes' or "
                    "give REPLICAOF again; to keep the data, make this replica a master with "
                    "REPLICAOF NO ONE.",
                    keyspace_count(&r->e->ks));
    return l->refused_empty;
}

static void begin_stream(struct replication *r, const struct link_data_seen *k) {
    struct master_link *l = &r->link;
    char id[LINK_ID_CHARS + 1];

    replicas_drop_all(r);
    if (l->plain) repl_stream_deactivate(&r->stream); /* a new id: the master's is not known */
    memcpy(id, l->plain ? r->stream.id : l->id, sizeof id);
    notes_clear(&r->safe); /* they are about the offsets of the history before */
    repl_stream_adopt(&r->stream, id, l->plain ? 0 : l->offset, k->stream_db);
    /* What an older id had selected at this very offset is not known. */
    history_use(&l->told, &r->stream, l->plain ? 0 : l->offset);
    replication_tell_log(r);
    l->has_synced = true;
    notes_clear(&l->positions);
    l->owed = 0;
    l->synced = 0;
    log_notice("MASTER <-> REPLICA sync: Finished with success");
}

static void fail_load(struct replication *r, bool kept, const struct err *e) {
    log_warning("Failed trying to load the MASTER synchronization DB from disk: %s", e->text);
    if (!kept) {
        replicas_drop_all(r);
        replication_end_stream(r);
    }
    link_broken(r);
}

static void load(struct replication *r) {
    struct master_link *l = &r->link;
    struct replication_load what = {.fd = link_data_fd(l->data), .name = link_data_name(l->data)};
    struct link_data_seen k = *link_data_seen(l->data);
    struct err e;
    int rc;

    if (refuse_empty(r, &k)) {
        link_broken(r);
        return;
    }
    link_enter(r, LINK_LOAD);
    what.size = size_of(l);
    what.serve_old = r->e->v->repl_diskless_load == CONF_DISKLESS_SWAPDB;
    rc = r->app.load(r->app.arg, &what, &e);
    if (what.taken) link_data_give_away(l->data);
    link_receive_forget(r);
    if (rc < 0) {
        fail_load(r, what.kept, &e);
        return;
    }
    k.stream_db = what.stream_db;
    begin_stream(r, &k);
    if (l->s)
        link_stream(r);
    else
        link_lost(r); /* the master went meanwhile: it is asked for what follows */
}

void link_receive_step(struct replication *r) {
    struct master_link *l = &r->link;
    struct err e;

    if (!l->data) return;
    switch (link_data_state(l->data, &e)) {
    case LINK_DATA_FAILED:
        log_warning("The data set of the master could not be written, or does not hold. Failed "
                    "trying to load the MASTER synchronization DB from disk: %s",
                    e.text);
        link_broken(r);
        return;
    case LINK_DATA_WHOLE: load(r); return;
    case LINK_DATA_WRITING: break;
    }
    if (l->whole || l->s->state != SESSION_BLOCKED || link_data_room(l->data) == 0) return;
    l->heard_us = clock_mono_us();
    session_enter(l->s, SESSION_ACTIVE);
    l->s->ops->resume(l->s);
}

void link_stream(struct replication *r) {
    struct session *s = r->link.s;

    link_enter(r, LINK_STREAM);
    session_show(s);
    apply_begin(r, s);
    link_send_ack(r);
    if (s->state != SESSION_BLOCKED) return;
    session_enter(s, SESSION_ACTIVE);
    s->ops->resume(s);
}
