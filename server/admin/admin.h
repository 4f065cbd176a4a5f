/* SPDX-License-Identifier: BSD-3-Clause
 *
 * admin - the commands about the server itself: connections and clients, CONFIG, INFO, COMMAND,
 * DEBUG, SHUTDOWN, BGREWRITEAOF.
 *
 * What such a command needs of the application stands in struct admin_app, which server/app.c
 * fills and hangs on engine->app before the first command. Strings in it stay the application's.
 * Everything else comes from the engine. Main thread only.
 */
#ifndef STET_ADMIN_ADMIN_H
#define STET_ADMIN_ADMIN_H

#include "server/exec/engine.h"

/* Flags of admin_app.shutdown; the values are conf's (checked in server.c), so that
 * shutdown-on-sigterm can be handed on as it is. */
enum admin_shutdown_flags {
    ADMIN_SHUTDOWN_SAVE = 1 << 0,
    ADMIN_SHUTDOWN_NOSAVE = 1 << 1,
    ADMIN_SHUTDOWN_NOW = 1 << 2,
    ADMIN_SHUTDOWN_FORCE = 1 << 3,
    ADMIN_SHUTDOWN_SAFE = 1 << 4,     /* not if a cluster would lack this node's slots */
    ADMIN_SHUTDOWN_FAILOVER = 1 << 5, /* no effect: no other process has a replica's copy */
};

/* Rates of the last 1.6 seconds, for INFO's instantaneous_* fields. */
enum admin_rate {
    ADMIN_RATE_COMMANDS,
    ADMIN_RATE_NET_IN,
    ADMIN_RATE_NET_OUT,
    ADMIN_RATE_CYCLES,
    ADMIN_RATE_LOOP_US,
    ADMIN_RATES
};

enum { ADMIN_SAMPLES = 16 };

struct admin_rates {
    uint64_t at_us, last[ADMIN_RATES];
    uint64_t per_second[ADMIN_SAMPLES][ADMIN_RATES];
    unsigned next;
    uint64_t cpu_us; /* the loop's thread, when it was last read */
};

struct admin_app {
    int tcp_port;                   /* 0: no TCP port */
    bool io_threads;                /* threads read and write for clients */
    const char *io_backend;         /* "epoll", "io_uring", "threads" */
    const char *run_id;             /* 40 hexadecimal digits */
    const char *git_sha;            /* 8 digits; NULL: unknown */
    const char *executable;         /* absolute path */
    const char *process_supervised; /* "no", "systemd", "upstart" */
    const char *listeners;          /* "listener0:name=tcp,bind=*,port=6379\r\n..."; NULL: none */
    char replid[41];                /* master_replid; DEBUG CHANGE-REPL-ID writes it */
    const uint64_t *stop_until_us;  /* a shutdown waits for replicas until then; 0: none waits */
    size_t startup_memory;          /* mem_used() before the data set is loaded */

    /* SHUTDOWN: begins to go down, and ends the process once every reply with an open gate is out.
     * The client gets no reply. False: not possible; the server log has the reason. */
    bool (*shutdown)(void *arg, unsigned flags, struct session *by);
    /* SHUTDOWN ABORT: false if none is under way. */
    bool (*shutdown_abort)(void *arg);
    /* A shutdown is under way; NULL: none ever takes time. */
    bool (*is_stopping)(void *arg);
    /* DEBUG LOADAOF: writes out what is appended, empties the keyspace, reads the AOF again. */
    int (*load_log)(void *arg, struct err *e);
    /* The lines of INFO replication; NULL: of a server without replication. */
    void (*replication_info)(void *arg, struct bytes *out);
    /* The lines of INFO tls; NULL: of a server without TLS. */
    void (*tls_info)(void *arg, struct bytes *out);
    /* DEBUG CHANGE-REPL-ID; may be NULL. */
    void (*change_replid)(void *arg);
    /* DEBUG PAUSE-CRON. */
    void (*pause_cron)(void *arg, bool paused);
    void *arg;

    struct admin_rates rates; /* admin's own; all zero at the start */
};

void admin_register(struct command_registry *r);

/* Adds to stats.loop_us the CPU time that the loop's thread (the caller) has used since the last
 * call: waiting is not a part of it. */
void admin_note_loop(struct engine *e);

/* What all commands have taken; one within EXEC or a script counts in both. */
uint64_t admin_command_us(const struct engine *e);

/* Ten times a second: takes the samples of the rates and of the memory peak. */
void admin_cron(struct engine *e);

/* engine_hooks.describe. */
void admin_describe(const struct call *x, struct bytes *out);

/* The text of INFO (CRLF lines) for crash reports and the server log; `sections` may be
 * "everything". */
void admin_info(struct engine *e, const struct slice *sections, size_t n, struct bytes *out);

#endif
