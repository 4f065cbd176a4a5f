/* SPDX-License-Identifier: BSD-3-Clause
 *
 * engine - what the parts of exec share: the keyspace, the command registry, the AOF, the sessions,
 * the figures. Built by server/app.c; carries no configuration of its own (`v` is conf's).
 *
 * The parts that keep state of their own (acl, pubsub, tracking...) are named here and defined in
 * their own headers; turn.c holds them. So this header needs none of theirs.
 */
#ifndef STET_EXEC_ENGINE_H
#define STET_EXEC_ENGINE_H

#include "persistence/rdb_saver.h"
#include "protocol/out.h"
#include "protocol/request.h"
#include "server/exec/command.h"
#include "server/exec/detour.h"
#include "server/exec/gate.h"
#include "server/exec/interest.h"
#include "server/exec/pause.h"
#include "server/exec/propagate.h"
#include "server/exec/role.h"
#include "server/exec/transfer.h"
#include "storage/base/heap.h"

struct acl;
struct audit;
struct auth_delay;
struct cluster_seam;
struct conf;
struct conf_values;
struct engine_parts;
struct evictions;
struct file_queue;
struct latency;
struct pubsub;
struct pushes;
struct session;
struct slowlog;
struct tracking;

struct call;
struct engine;

/* Counters of INFO stats; CONFIG RESETSTAT clears them. */
struct engine_stats {
    uint64_t commands, connections, rejected_connections;
    uint64_t net_in, net_out, reads, writes;
    uint64_t repl_in, repl_out;                        /* a part of net_in, net_out */
    uint64_t full_syncs_without_fork;                  /* of full_syncs, with the AOF's base */
    uint64_t full_syncs, partial_syncs, refused_syncs; /* as a master; the last: then became full */
    uint64_t hits, misses, expired, expired_fields, expired_time_cap, evicted, evicted_clients;
    uint64_t error_replies, unexpected_errors;
    uint64_t query_limit_closes, output_limit_closes;
    uint64_t loop_cycles, loop_us;
    uint64_t auth_denied, command_denied, db_denied, key_denied, channel_denied, cert_denied;
    uint64_t forks, last_fork_us;
    uint64_t expire_cycle_us;
    uint64_t peak_memory;
};

struct error_stat {
    char code[32];
    uint64_t count;
};

enum { ERROR_STATS_MAX = 128 };

/* The figures of scripts for INFO. */
struct script_figures {
    size_t lua_bytes, cached, cached_bytes, functions, libraries, function_bytes;
    uint64_t evicted;
};

/* What runs for so long that other clients get an error instead of waiting. */
enum engine_busy { BUSY_NOT, BUSY_SCRIPT, BUSY_FUNCTION, BUSY_LOADING };

/* Libraries of functions that come with the data set. */
struct library_hooks {
    int (*load)(void *engine, struct slice code, bool replace, struct err *e);
    void (*clear)(struct engine *e);
};

/* Up-calls, set by server/app.c. Each may be NULL. */
struct engine_hooks {
    void (*shutdown)(void *arg, unsigned flags, struct session *by);
    void (*serve_within)(void *arg, struct engine *e); /* see engine_serve_within */
    void (*wake)(void *arg); /* from any thread: engine_on_log_progress is to be called soon */
    /* The line of CLIENT LIST for the call's client, without its line end. */
    void (*describe)(const struct call *x, struct bytes *out);
    /* A session with `replica` ends. */
    void (*replica_end)(struct session *s);
    /* A client has become a user by its password; its command is not over. */
    void (*authenticated)(struct session *s);
    /* math.random() of scripts begins anew with this seed. */
    void (*seed_scripts)(struct engine *e, uint64_t seed);
    void *arg;
};

/* The command that has looked at the clock last because it may take long (breathe.h). */
struct engine_breath {
    uint32_t steps, limit;     /* since the clock was looked at, and when it is looked at again */
    uint64_t session, command; /* whose it is, and how many that session had before */
    uint64_t at_ns;            /* when others are served next */
    uint64_t away_ns;          /* for how long they were served; 0 once the command is over */
};

struct engine {
    struct list kin; /* ring of all engines of the process: see engine_each */
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
    size_t nsessions, nuncounted; /* of these: SESSION_GONE or SESSION_HIDDEN */
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
    struct heap block_deadlines; /* monotonic microseconds */
    size_t nblocked;
    bool serving; /* waiting clients are trying again */
    struct interests interests;
    struct links links; /* to other servers */

    struct scripting *scripting;     /* see server/scripting */
    struct replication *replication; /* see server/replication; NULL: none */
    struct cluster_seam *cluster;    /* see slots.h; NULL: this server is in no cluster */
    struct test_double *test_double; /* see server/double; NULL: it is none */
    struct script_figures scripts;
    struct library_hooks libraries; /* what compiles those of ks.libraries; set there */

    /* parts of exec with a header of their own */
    struct engine_parts *parts; /* holds them: see turn.c */
    struct acl *acl;
    struct audit *audit;
    struct auth_delay *auth_delay;
    struct evictions *evictions;
    struct file_queue *files; /* CONFIG REWRITE, ACL SAVE */
    struct latency *latency;
    struct pubsub *pubsub;
    struct pushes *pushes;
    struct slowlog *logs;    /* COMMAND_LOGS of them */
    struct hotkeys *hotkeys; /* NULL: HOTKEYS collects nothing */
    struct tracking *tracking;
    struct session **monitors;
    size_t nmonitors;

    struct bytes gone_key; /* of an entry that was looked up by its own key, and had expired */

    struct role role;
    struct detours detours;
    struct propagation propagation;
    struct request_args args, args_within; /* the second while the first is in use */

    uint8_t odd;     /* enum engine_odd: what most servers are not, most of the time */
    bool batch_open; /* of the AOF: more clients may join it before it is handed over */
    enum engine_busy busy;
    uint64_t slice_ns; /* how long one client may hold the loop while others wait; 0: no limit */
    struct engine_breath breath;
    uint64_t turn_began_ns; /* real time: when the first client was fed; 0: none was yet */
    struct engine_stats stats;
    struct aof_histogram gate_wait; /* how long replies waited for the AOF */
    struct error_stat errors[ERROR_STATS_MAX];
    size_t nerrors;
    unsigned events;      /* enum event_class of notify-keyspace-events: see notify.h */
    uint64_t dirty;       /* changes since the last save */
    uint64_t vset_uids;   /* numbers that VINFO gave to vector sets */
    uint32_t lru_clock;   /* seconds, 24 bits */
    uint8_t lru_fine : 5; /* and 32nds */
    bool loading;
    bool async_loading;   /* another data set is loaded while this one is served */
    bool active_expire;   /* DEBUG SET-ACTIVE-EXPIRE */
    bool scripts_may_all; /* DEBUG SET-DISABLE-DENY-SCRIPTS */
    bool skip_sums;       /* DEBUG SET-SKIP-CHECKSUM-VALIDATION */
    uint64_t loading_done, loading_total;
    uint64_t loaded_keys, loaded_due; /* of the RDB that was read last: kept; their time was over */
    int64_t loading_began_ms;
    int64_t started_ms;
};

/* Sessions whose connection is there, those of replicas and of a master among them. */
static inline size_t engine_clients(const struct engine *e) {
    return e->nsessions - e->nuncounted;
}

/* All engines of the process, `e` first. A process has more than one where a test double has
 * spaces; they have the configuration, the users and the file queue in common, and the first one
 * has all that concerns files and replicas. */
#define engine_each(it, e)                                                                         \
    for (struct engine *it = (e), *it##_first = NULL; it != it##_first;                            \
         it##_first = (e), it = list_entry(it->kin.next, struct engine, kin))

/* Whether it has the users of another engine. */
bool engine_is_guest(const struct engine *e);

/* The one that is no guest. */
struct engine *engine_first(struct engine *e);

void guard_add(struct engine *e, const struct guard *g);

/* The one detour of an engine. detour_want() says whether it is asked; at first it is not. */
void detour_set(struct engine *e, const struct detour *d);
void detour_want(struct engine *e, bool wanted);

/* The only ways to set `busy` and role.is_replica. */
void engine_set_busy(struct engine *e, enum engine_busy why);
void engine_set_replica(struct engine *e, bool is_replica);

/* import-mode: nothing is removed because of its time or for want of memory. */
void engine_set_importing(struct engine *e, bool on);
static inline bool engine_is_importing(const struct engine *e) {
    return __builtin_expect(e->odd & ODD_IMPORT, 0);
}

/* The error that clients get while the server is busy. */
const char *engine_busy_error(const struct engine *e);

void engine_reset_stats(struct engine *e);

/* Counts an error reply by its first word. */
void engine_count_error(struct engine *e, const char *text);

#endif
