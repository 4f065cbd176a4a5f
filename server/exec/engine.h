/* SPDX-License-Identifier: BSD-3-Clause
 *
 * engine - what executes commands: the keyspace, the registry, the log, the sessions. Built by
 * server/app.c, which owns the parts; carries no configuration of its own (`v` is conf's).
 */
#ifndef STET_EXEC_ENGINE_H
#define STET_EXEC_ENGINE_H

#include "conf/conf.h"
#include "persistence/rdb_saver.h"
#include "server/exec/acl.h"
#include "server/exec/audit.h"
#include "server/exec/auth_delay.h"
#include "server/exec/command.h"
#include "server/exec/effects.h"
#include "server/exec/evict.h"
#include "server/exec/gate.h"
#include "server/exec/interest.h"
#include "server/exec/latency.h"
#include "server/exec/pause.h"
#include "server/exec/pubsub.h"
#include "server/exec/push.h"
#include "server/exec/session.h"
#include "server/exec/slowlog.h"
#include "server/exec/tracking.h"
#include "server/exec/transfer.h"
#include "storage/base/heap.h"

struct call;
struct engine;

/* Counters of INFO stats; CONFIG RESETSTAT clears them. */
struct engine_stats {
    uint64_t commands, connections, rejected_connections;
    uint64_t net_in, net_out, reads, writes;
    uint64_t hits, misses, expired, expired_fields, expired_time_cap, evicted, evicted_clients;
    uint64_t error_replies, unexpected_errors;
    uint64_t query_limit_closes, output_limit_closes;
    uint64_t loop_cycles, loop_us, command_us;
    uint64_t auth_denied, command_denied, key_denied, channel_denied;
    uint64_t forks, last_fork_us;
    uint64_t expire_cycle_us;
    uint64_t peak_memory;
};

struct error_stat {
    char code[32];
    uint64_t count;
};

enum { ERROR_STATS_MAX = 128 };

/* Kinds of keyspace event; the values are conf's notify flags. */
enum event_class {
    EVENT_GENERIC = CONF_NOTIFY_GENERIC,
    EVENT_STRING = CONF_NOTIFY_STRING,
    EVENT_LIST = CONF_NOTIFY_LIST,
    EVENT_SET = CONF_NOTIFY_SET,
    EVENT_HASH = CONF_NOTIFY_HASH,
    EVENT_ZSET = CONF_NOTIFY_ZSET,
    EVENT_STREAM = CONF_NOTIFY_STREAM,
    EVENT_EXPIRED = CONF_NOTIFY_EXPIRED,
    EVENT_EVICTED = CONF_NOTIFY_EVICTED,
    EVENT_NEW = CONF_NOTIFY_NEW,
    EVENT_MISS = CONF_NOTIFY_KEY_MISS,
};

/* What INFO tells of scripts. */
struct script_figures {
    size_t lua_bytes, cached, cached_bytes, functions, libraries, function_bytes;
    uint64_t evicted;
};

/* What has been running for so long that clients no longer wait for it in silence. */
enum engine_busy { BUSY_NOT, BUSY_SCRIPT, BUSY_FUNCTION, BUSY_LOADING };

/* Libraries of functions that come with the data set. */
struct library_hooks {
    int (*load)(void *engine, struct slice code, bool replace, struct err *e);
    void (*clear)(struct engine *e);
};

/* Up-calls, set by server/app.c. Each may be NULL. */
struct engine_hooks {
    void (*event)(void *arg, enum event_class cls, const char *event, struct slice key, int db);
    void (*shutdown)(void *arg, unsigned flags, struct session *by);
    void (*serve_within)(void *arg); /* see engine_serve_within */
    void (*wake)(void *arg); /* from any thread: engine_on_log_progress is to be called soon */
    /* The line of CLIENT LIST for the call's client, without its line end. */
    void (*describe)(const struct call *x, struct bytes *out);
    void *arg;
};

struct engine {
    struct conf *conf;
    const struct conf_values *v;
    struct keyspace ks;
    struct command_registry commands;
    struct aof *aof;
    struct rdb_saver saver;
    struct gate gate;
    struct engine_hooks hooks;
    void *app; /* for admin handlers that must reach upward: see server/admin */

    struct list sessions;
    size_t nsessions;
    uint64_t next_client_id;
    struct out_pool out_pool;
    struct list parked;  /* sessions in state PARKED, in order of arrival */
    struct list closing; /* sessions in state CLOSING that may still wait or be subscribed */
    size_t nparked;
    struct pause pause;
    bool resume; /* a pause was ended: the parked ones are to go on */

    /* clients that wait: see blocking.h */
    struct list blocked;         /* struct blocked */
    struct list resuming;        /* sessions whose waiting is over */
    struct list ready;           /* waited-for keys that changed */
    struct heap block_deadlines; /* monotonic microseconds */
    size_t nblocked;
    bool serving; /* waiting clients are trying again */
    struct interests interests;
    struct links links; /* to other servers */

    struct scripting *scripting; /* see server/scripting */
    struct script_figures scripts;
    struct library_hooks libraries; /* what compiles those of ks.libraries; set there */

    struct acl acl;
    struct file_queue *files; /* CONFIG REWRITE, ACL SAVE */
    struct audit audit;
    struct auth_delay auth_delay;
    struct pubsub pubsub;
    struct pushes pushes;
    struct tracking tracking;

    struct evictions evictions;

    struct slowlog logs[COMMAND_LOGS];
    struct latency latency;
    struct session **monitors;
    size_t nmonitors;

    struct bytes gone_key; /* of an entry that was looked up by its own key, and had expired */

    /* effects of the command under way, to be logged */
    struct effects effects;
    struct request_args args, args_within; /* the second while the first is in use */

    bool batch_open; /* of the log: more clients may join it before it is handed over */
    enum engine_busy busy;
    struct engine_stats stats;
    struct aof_histogram gate_wait; /* how long replies waited for the log */
    struct error_stat errors[ERROR_STATS_MAX];
    size_t nerrors;
    uint64_t dirty;       /* changes since the last save */
    uint32_t lru_clock;   /* seconds, 24 bits */
    uint8_t lru_fine : 5; /* and 32nds */
    bool replaying;       /* the log is being read back */
    bool loading;
    bool active_expire; /* DEBUG SET-ACTIVE-EXPIRE */
    bool skip_sums;     /* DEBUG SET-SKIP-CHECKSUM-VALIDATION */
    uint64_t loading_done, loading_total;
    uint64_t loaded_keys, loaded_due; /* of the RDB that was read last: kept; their time was over */
    int64_t loading_began_ms;
    int64_t started_ms;
};

void engine_init(struct engine *e, struct conf *conf, struct aof *aof);
void engine_release(struct engine *e);

/* What CONFIG REWRITE and ACL SAVE have begun is written, within deadline_ms. No more is begun. */
void engine_finish_files(struct engine *e, int deadline_ms);

/* A session goes away: nothing of the engine points to it any more. */
void engine_forget_session(struct engine *e, struct session *s);

/* Executes the whole commands at in[0..n), as many as the session's state allows. Returns the
 * bytes used up. *need: how many bytes must be there before another call makes sense. */
size_t engine_feed(struct engine *e, struct session *s, char *in, size_t n, size_t *need);

/* One command of the log (aof_load's command function; arg is the struct engine). */
int engine_replay(void *engine, size_t argc, const struct slice *argv, struct err *err);
void engine_replay_begin(struct engine *e);
void engine_replay_end(struct engine *e);

/* Before the loop waits: hands the log over and lets go on who waited for room in it. */
void engine_before_wait(struct engine *e);

/* After progress of the log's threads: gates may have opened. */
void engine_on_log_progress(struct engine *e);

/* Deletes keys that are due for at most budget_us; true if some are left. */
bool engine_expire_some(struct engine *e, uint64_t budget_us);

/* From inside a command that takes long, at a point where the data set is whole: other clients are
 * read and answered, most of them that the server is busy (`why`). Nothing is executed that could
 * change the data set, or end the session whose command this is. */
void engine_serve_within(struct engine *e, enum engine_busy why);

/* The error that they get. */
const char *engine_busy_error(const struct engine *e);

/* Ends a pause; those who wait go on before the loop waits. */
void engine_unpause(struct engine *e);

/* When something happens by itself that nobody asks for (monotonic microseconds), 0: never. */
uint64_t engine_next_deadline(const struct engine *e);

void engine_reset_stats(struct engine *e);

/* Counts an error reply by its first word. */
void engine_count_error(struct engine *e, const char *text);

#endif
