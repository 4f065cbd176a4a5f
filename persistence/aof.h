/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof - the main thread's side of the append-only file: appending, hand-over, and which files the
 * AOF is made of.
 *
 *            enable                published
 *   OFF ----------------> ENABLING ----------> ON <---------------- RECOVERING
 *    ^                       |                 |  ---------------->     |
 *    +-----------------------+-----------------+     a sync failed      |
 *    ^                          disable                                 |
 *    +------------------------------------------------------------------+
 *   aof_enable_with: from any phase to ENABLING
 *
 *   OFF         nothing is logged; gates are open.
 *   ENABLING    commands before the fork are in the base; from it on they go to a new increment
 *               that no manifest names yet; gates are open.
 *   ON          commands go to the last increment of the manifest; gates follow the policy.
 *   RECOVERING  the current increment is not trusted any more; writes are refused; gates stay
 * closed until a new base and increment are durable.
 *
 * A rewrite (by command, by growth, to enable, to recover) is its own small machine:
 *   IDLE -> PREPARE (a thread makes the new increment durable) -> FORK (at the next hand-over)
 *        -> CHILD (writes the base) -> JOIN (the writer makes the header of the new increment
 *           durable) -> PUBLISH (a thread makes the new manifest durable) -> IDLE
 *        -> JOIN (the base is there already: aof_enable_with) -> PUBLISH -> IDLE
 *   IDLE -> OPEN (a thread opens and locks the directory, if the AOF was off at the start) -> IDLE
 *   PREPARE, CHILD, PUBLISH -> ABORT (given up; what is under way at the disk ends when it does)
 *        -> IDLE
 *
 * Main thread only.
 */
#ifndef STET_PERSISTENCE_AOF_H
#define STET_PERSISTENCE_AOF_H

#include "persistence/aof_load.h"
#include "persistence/aof_stream.h"
#include "persistence/aof_writer.h"
#include "persistence/child.h"
#include "persistence/disposer.h"
#include "persistence/rdb.h"
#include "storage/keyspace.h"

enum aof_phase { AOF_OFF, AOF_ENABLING, AOF_ON, AOF_RECOVERING, AOF_PHASES };
enum aof_rewrite_phase {
    RW_IDLE,
    RW_OPEN,
    RW_PREPARE,
    RW_FORK,
    RW_CHILD,
    RW_JOIN,
    RW_PUBLISH,
    RW_ABORT,
    RW_PHASES
};

/* What a reply has to wait for. */
enum aof_level { AOF_LEVEL_NONE, AOF_LEVEL_WRITTEN, AOF_LEVEL_SYNCED };

struct aof_options {
    struct aof_names names; /* copied */
    enum aof_fsync policy;
    bool checksum, timestamps, load_truncated, rewrite_incremental_fsync, no_fsync_on_rewrite;
    struct aof_keep keep; /* aof-disable-auto-gc, aof-history-keep */
    int auto_percentage;
    uint64_t auto_min_size;
    bool rdb_preamble;         /* the base is an RDB; needs hooks.rdb */
    int64_t key_save_delay_us; /* for tests: see aof_rewrite.h */
};

/* Up-calls, handed down at start. */
struct aof_hooks {
    void (*wake)(void *arg);     /* from any thread: call aof_on_wake soon */
    void (*on_fork)(void *arg);  /* in the child, before it writes */
    bool (*may_fork)(void *arg); /* false: another child is running */
    /* How long something took: every "fork", and the longest "aof-write" and "aof-fsync" since the
     * last aof_cron(). */
    void (*latency)(void *arg, const char *event, uint64_t us);
    void (*rdb)(void *arg, struct rdb_save *o); /* how a base is to be written as an RDB */
    void *arg;
};

struct aof;

struct aof *aof_new(struct keyspace *ks, const struct aof_options *o, const struct aof_hooks *h);
void aof_set_options(struct aof *a, const struct aof_options *o);

/* A start with the AOF on: locks the directory, loads the files through l->command, opens the AOF
 * for appending. */
int aof_start(struct aof *a, const struct aof_load_options *l, struct err *e);

/* Flushes and syncs what is appended (if the AOF is on), writes the closing mark, stops the
 * threads, frees. False if not everything could be made durable within deadline_ms. */
bool aof_stop(struct aof *a, int deadline_ms);

/* Reads the AOF again as a start would (DEBUG LOADAOF); everything appended is written first. The
 * caller has emptied the keyspace. */
int aof_read_again(struct aof *a, const struct aof_load_options *l, struct err *e);

/* Whether that would not wait for the disk, if nothing was appended after `position`. */
bool aof_can_read_again(const struct aof *a, uint64_t position);

/* CONFIG SET appendonly. Enabling goes on in the background. */
void aof_enable(struct aof *a);

/* The data set has just been replaced by what the RDB file `temp_name` of the AOF's directory
 * holds: it becomes the base, without a child, and the AOF goes on in a new increment. In any
 * phase; until the two are published the AOF is ENABLING, and the old one stays whole. If that
 * fails, a child writes a base of what is in memory. There is no stream then: aof_stream_begin()
 * comes after this, in the same turn. The file is synced here, and removed in the end. */
void aof_enable_with(struct aof *a, const char *temp_name);

/* A name for such a file, which a start removes; never the same twice. Returns the directory's
 * descriptor, -1 if it is not open. */
int aof_temp_name(struct aof *a, char name[AOF_NAME_MAX]);

/* The directory of an AOF that was off at the start has to be opened before it is enabled, so that
 * the reason is known where it cannot be. It is opened on a thread; hooks.wake tells the end. */
bool aof_is_open(const struct aof *a);
void aof_open_begin(struct aof *a);
bool aof_is_opening(const struct aof *a);
const char *aof_open_error(const struct aof *a); /* of the last attempt, NULL: none */
void aof_disable(struct aof *a);

/* ---------------------------------------------------------------- appending */

static inline bool aof_logs(enum aof_phase p) {
    return p != AOF_OFF;
}

enum aof_phase aof_phase(const struct aof *a);

/* Whether commands are to be appended now: aof_logs(aof_phase(a)), kept where it can be read
 * without a call. Good as long as `a` lives; changes on the main thread only. */
const bool *aof_wants_commands(const struct aof *a);

/* One command or several in RESP; several stay together (MULTI..EXEC), and no mark or time stands
 * inside. The first is for `db`; with SELECTs among them the last is for `last_db`. */
struct aof_unit {
    struct slice resp;
    size_t ncommands;
    int db, last_db;
    bool select; /* there is a SELECT of `db` before it in the replication stream */
};

/* Appends it to the batch under way, with SELECT if need be. */
void aof_append(struct aof *a, const struct aof_unit *u);

/* ---------------------------------------------------------------- the replication stream
 *
 * While there is one (aof_stream_begin), the AOF holds its bytes, so that a restart knows which
 * stream this server is at, and how far, and a replica that was away for long can be given what it
 * missed: see persistence/README.md, "The replication stream". aof_append() appends bytes of the
 * stream then; what only the AOF needs (a SELECT at the beginning of a file) is marked as such. */

/* From now on: the stream is `s`. Also when its id changes, or its offset jumps. While the AOF is
 * off this does nothing, and when it goes off it forgets the stream: call it again after
 * aof_enable(). */
void aof_stream_begin(struct aof *a, const struct aof_stream *s);

/* The stream that has begun has these older ids, the oldest first: those that the AOF has seen
 * change, and those that a master told of. */
void aof_stream_tell_pasts(struct aof *a, const struct aof_stream_past *past, size_t n);

void aof_stream_end(struct aof *a);

/* What the start has found: the data set that was loaded is that of this stream; and its older ids,
 * the oldest first (`past` has room for AOF_STREAM_PASTS). False: it is of no stream. The AOF goes
 * on without one, until aof_stream_begin(): what is appended before that ends it. */
bool aof_stream_loaded(const struct aof *a, struct aof_stream *now, struct aof_stream_past *past,
                       size_t *n);

/* Whether a restart would find it. Not yet, for some milliseconds, if it has begun in a file that
 * cannot hold its marks; never with `aof-checksum no`. */
bool aof_stream_is_kept(const struct aof *a);

/* Whether the files hold the bytes from offset `from` on, of the history that is called `id`. */
bool aof_stream_covers(const struct aof *a, const char *id, uint64_t from);

/* Begins to read them back (aof_stream.h): `from` is the offset of the first byte. NULL: they are
 * not there. */
struct aof_stream_reader *aof_stream_open(struct aof *a, uint64_t from, struct err *e);

/* Where the base stands in the stream, if it is an RDB and the files hold the stream from there on:
 * a replica can be given the two instead of a snapshot. False: it cannot. */
bool aof_stream_base(const struct aof *a, struct aof_stream_base *out);

/* Opens that base for reading, on the disposer's thread (disposer_open). A rewrite that begins to
 * remove it meanwhile waits for that, and what is open stays readable. */
void aof_stream_open_base(struct aof *a, disposer_opened_fn *opened, void *arg);

/* As aof_append, for what is no part of the stream. */
void aof_append_local(struct aof *a, const struct aof_unit *u);

/* Bytes of the stream as a master sent them: whole commands, with the SELECT, MULTI and EXEC that
 * belong to them. `last_db` is selected after them. */
void aof_append_bytes(struct aof *a, struct slice resp, int last_db);

/* Bytes of the stream that are no change of the data set, and are not loaded again. */
void aof_append_note(struct aof *a, struct slice resp);

/* Called before the loop waits: hands the batch to the writer, and forks if a fork is due. */
void aof_hand_over(struct aof *a);

/* Whether the batch may stay open a little longer: its clients wait for a sync in any case, and few
 * large batches cost less than many small ones. Only under `always`, for a bounded time. */
bool aof_may_wait(const struct aof *a);

/* Bytes that were handed over are not synced yet; hooks.wake will report the end of the sync. */
bool aof_is_syncing(const struct aof *a);

/* Only hands the batch to the writer. May be called while a command is being executed. */
void aof_push_out(struct aof *a);

/* To be called after hooks.wake: collects the progress of the threads. */
void aof_on_wake(struct aof *a);

/* Ten times a second. */
void aof_cron(struct aof *a);

/* ---------------------------------------------------------------- positions */

/* End of the last command appended; marks after it do not count, because no reply waits for
 * them. */
uint64_t aof_appended(const struct aof *a);
uint64_t aof_safe(const struct aof *a, enum aof_level level);
enum aof_level aof_current_level(const struct aof *a);

/* Asks for everything appended so far to be synced soon (WAITAOF, CONFIG SET appendfsync). */
void aof_want_sync(struct aof *a);

/* No rewrite is under way, and no step of one: the last increment is the file that is written. */
bool aof_is_settled(const struct aof *a);

/* Of the file that is written: what a power cut would leave of it, and how many bytes it would
 * take. False: nothing is written, or !aof_is_settled(). */
struct aof_tail {
    char path[8192];
    uint64_t synced, unsynced;
};
bool aof_unsynced_tail(const struct aof *a, struct aof_tail *t);

/* Bytes that are appended but not written. */
uint64_t aof_backlog(const struct aof *a);

/* NULL, or why writes are refused now (the text after "MISCONF "). */
const char *aof_refusal(const struct aof *a);

/* Whether the child that writes the first base of an AOF just switched on is at work. */
bool aof_is_first_written(const struct aof *a);

/* ---------------------------------------------------------------- rewriting */

enum aof_bgrewrite { AOF_BGREWRITE_STARTED, AOF_BGREWRITE_SCHEDULED, AOF_BGREWRITE_BUSY };
enum aof_bgrewrite aof_bgrewrite(struct aof *a);

/* The rewrite's child, 0 if there is none. */
pid_t aof_child(const struct aof *a);
void aof_kill_child(struct aof *a);

struct aof_info {
    bool enabled, rewrite_in_progress, rewrite_scheduled;
    int64_t last_rewrite_sec, current_rewrite_sec; /* -1: none */
    bool last_rewrite_ok, last_write_ok;
    uint64_t rewrites, consecutive_failures;
    uint64_t current_size, base_size, buffer_length;
    bool pending_rewrite, delayed_fsync_running;
    uint64_t delayed_fsync;
    uint64_t last_cow_bytes, current_cow_bytes, current_keys, total_keys, last_fork_us;
    uint64_t appended, written, synced;
    uint64_t oldest_unsynced_ms;
    int64_t recovery_begins_ms; /* the earliest moment that --recover-to reaches; 0: not known */
    enum aof_phase phase;       /* ENABLING until all that was appended meanwhile is safe */
    struct aof_writer_state writer;
};

void aof_get_info(struct aof *a, struct aof_info *out);

#endif
