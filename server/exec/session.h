/* SPDX-License-Identifier: BSD-3-Clause
 *
 * session - one client as the commands see it. `ops` hides what carries its bytes (TCP, unix
 * socket, TLS, a test).
 *
 *   ACTIVE --> PARKED    a write command has to wait (AOF buffer full); it is not executed yet
 *   ACTIVE --> BLOCKED   a command waits for something to happen (WAITAOF)
 *   any    --> CLOSING   no more input is taken; what is in `out` is sent as its gates open
 *
 * A session may become CLOSING at any point of a command, of its own or of another session's: when
 * it is told something it may hold too much output. So that nothing changes under a loop, what it
 * waits for and is subscribed to ends later, in session_end_closing(); until then whatever walks
 * over sessions passes over those that are CLOSING.
 *
 * Output leaves in order, up to the first gate that is closed: see session_sendable().
 */
#ifndef STET_EXEC_SESSION_H
#define STET_EXEC_SESSION_H

#include "persistence/aof.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "storage/base/list.h"

enum session_state {
    SESSION_ACTIVE,
    SESSION_PARKED,
    SESSION_BLOCKED,
    SESSION_CLOSING,
    SESSION_STATES
};

enum session_flags {
    SESSION_AUTHENTICATED = 1 << 0,
    SESSION_NO_EVICT = 1 << 1,
    SESSION_NO_TOUCH = 1 << 2,
    SESSION_REPLY_OFF = 1 << 3,
    SESSION_REPLY_SKIP_NEXT = 1 << 4,
    SESSION_REPLY_SKIP = 1 << 5, /* this very command */
    SESSION_UNIX = 1 << 6,
    SESSION_LOCAL = 1 << 7,     /* from a loopback address or a unix socket */
    SESSION_MONITOR = 1 << 8,   /* it sees the commands of all clients */
    SESSION_GONE = 1 << 9,      /* output to it reaches no client any more */
    SESSION_REPLICA = 1 << 10,  /* it has asked for the replication stream */
    SESSION_MASTER = 1 << 11,   /* the link to this replica's master */
    SESSION_READONLY = 1 << 12, /* READONLY: a replica of a cluster may answer its reads */
    SESSION_ASKING = 1 << 13,   /* ASKING: for the next command */
    SESSION_TLS = 1 << 14,
    SESSION_REDIRECTABLE = 1 << 15, /* CLIENT CAPA redirect: see redirect.h */
    SESSION_IMPORTS = 1 << 16,      /* CLIENT IMPORT-SOURCE ON: see call_keeps_due() */
    SESSION_TRIES_AGAIN = 1 << 17,  /* what it waited for has come, and its command runs again */
    SESSION_HIDDEN = 1 << 18,       /* begun by this server, and no client (yet) */
};

struct session;
struct engine;
struct command_slot;

struct session_wire;
struct acl_user;
struct detoured;
struct fieldsets;
struct multi;
struct replica;
struct subscriber;
struct tracker;

struct session_ops {
    /* Output or a gate changed outside a command of this session's own: look at it soon. */
    void (*wake)(struct session *s);
    /* No longer PARKED or BLOCKED: go on with the input that is there. */
    void (*resume)(struct session *s);
    /* End it: at once, or when what is in `out` is sent (state CLOSING). */
    void (*close)(struct session *s, bool after_reply);
    /* For CLIENT LIST. */
    void (*describe)(const struct session *s, struct session_wire *out);
    /* Its small packets may be joined (TCP_NODELAY off). NULL: it has none. */
    void (*join_packets)(struct session *s);
    /* End it at once, so that the peer sees a reset connection. NULL: as close. */
    void (*reset)(struct session *s);
};

/* Takes the input of a session that is no client: a link to another server. Returns the bytes used
 * up; *need: how many must be there before another call makes sense, 0: more is there, for the next
 * turn. It may close the session. */
struct session_source {
    size_t (*input)(struct session *s, char *in, size_t n, size_t *need);
    /* A connection that was begun by this server is there now (TLS agreed on), or has failed or
     * ended: `why` is NULL or the reason. After closed() the session is the carrier's again. May be
     * NULL for a session that a client began. */
    void (*opened)(struct session *s);
    void (*closed)(struct session *s, const char *why);
};

/* What only the carrier knows. */
struct session_wire {
    char addr[64], laddr[64];
    int fd;
    size_t query_bytes, query_free, query_cap;
    const char *events; /* "r", "rw" */
};

/* From stream offset `from` on, output waits for `position` at `level`. */
struct session_gate {
    uint64_t from, position;
    enum aof_level level;
};

/* Input whose carrier keeps it in a buffer of its own, which begins with room for the header of a
 * blob and that nothing else uses. A command may take the buffer over, once: see session_take. */
struct session_large {
    char *base;
    size_t size;
    bool taken;
};

struct session {
    struct list link; /* in the engine's list */
    struct engine *e;
    const struct session_ops *ops;
    struct out out;
    uint64_t id;
    int db;
    uint8_t resp;
    uint8_t state;
    uint32_t flags;
    struct request_partial *partial;
    struct session_gate *gates;
    uint32_t ngates, gates_cap;
    const struct command_slot *last_cmd;
    struct acl_user *user;                        /* never NULL */
    int64_t created_ms, active_ms;                /* wall clock */
    uint64_t soft_limit_since_ms, gated_since_us; /* 0: not so */
    char *name, *lib_name, *lib_ver;              /* NULL: not set */
    struct blocked *blocked;                      /* what a BLOCKED session waits for */
    struct multi *multi;                          /* NULL: no transaction, nothing watched */
    struct list resuming;                         /* in the engine's list once it has its answer */
    struct list parked;                           /* in the engine's list while PARKED */
    struct list closing;                 /* in the engine's list: see session_end_closing */
    struct subscriber *subscriber;       /* NULL: subscribed to nothing */
    struct fieldsets *fieldsets;         /* NULL: none were prepared; see fieldset.h */
    struct tracker *tracker;             /* NULL: keeps no copies */
    struct replica *replica;             /* NULL: no other server is at its end */
    struct detoured *detoured;           /* what a detour keeps for it: see detour.h */
    uint64_t wrote;                      /* offset of the replication stream after its last write */
    const struct session_source *source; /* NULL: input is commands of a client */
    void *source_arg;                    /* the source's own */
    struct session_large *large;         /* while it is fed from such a buffer; else NULL */
    struct list told;                    /* in pushes.told: see push.h */
    uint64_t told_from;                  /* where what it was told begins in `out` */
    uint64_t commands, bytes_in, bytes_out;
    uint8_t node; /* of an emulated cluster: the one whose listener it came by */
};

/* A part of exec that keeps something for sessions. Any function may be NULL. */
struct session_part {
    void (*begin)(struct session *s); /* after connecting, and after RESET */
    void (*end)(struct session *s);   /* nothing points to the session any more; may come twice */
    void (*reset)(struct session *s);
    size_t (*memory)(const struct session *s); /* bytes held for it */
};

enum { SESSION_PARTS = 10 };
extern const struct session_part session_parts[SESSION_PARTS]; /* session_parts.c */

void session_init(struct session *s, struct engine *e, const struct session_ops *ops);
void session_release(struct session *s);

/* Its connection has ended: it counts as a client no more. */
void session_is_gone(struct session *s);

/* Whether it counts, is listed and can be killed as a client. */
void session_hide(struct session *s);
void session_show(struct session *s);

/* Between commands: it becomes a session of another engine, in database 0, ACTIVE. It waits for
 * nothing and is subscribed to nothing there; its user, name and protocol stay. Nothing that it has
 * to say may wait for a gate. */
void session_move(struct session *s, struct engine *to);

/* Back to how it was after connecting (RESET). */
void session_reset(struct session *s);

void session_enter(struct session *s, enum session_state to);

/* Between commands: sessions that are CLOSING wait for nothing and are subscribed to nothing from
 * now on. Within a command that takes long (PAUSE_BREATH) nothing is done. */
void session_end_closing(struct engine *e);

/* CLIENT REPLY OFF or SKIP: the reply from stream offset `from` on is not sent. */
void session_silence(struct session *s, uint64_t from);

/* Output from stream offset `from` on waits for `position`. */
void session_add_gate(struct session *s, uint64_t from, uint64_t position, enum aof_level level);

/* The same with the level of the policy, if `position` is not safe yet. This is the one test of
 * whether a reply or a push has to wait. */
void session_hold_unsafe(struct session *s, uint64_t from, uint64_t position);
static inline void session_hold(struct session *s, uint64_t from, uint64_t position) {
    if (position) session_hold_unsafe(s, from, position);
}

/* Output from stream offset `from` on is not sent, until session_hold_until() moves that offset
 * forward (it then holds what comes after it), or ends it: `from` is UINT64_MAX. One at a time. */
void session_hold_back(struct session *s, uint64_t from);
void session_hold_until(struct session *s, uint64_t from);

/* Everything that waits now waits for this position: its own were counted in other units. */
void session_gates_anew(struct session *s, uint64_t position);

/* How many bytes of `out` may be sent now. Forgets gates that are open. */
size_t session_sendable(struct session *s);

/* The long argument `value` as a blob without copying it: the buffer that it came in, to which the
 * carrier refers too until its input is used up. NULL: it is to be copied, because it is elsewhere
 * or would waste much of the buffer. */
struct blob *session_take(struct session *s, struct slice value);

/* To be called between commands: has the carrier look at output that has become much. */
enum { SESSION_MUCH_OUTPUT = 1024 * 1024 };
static inline void session_look_at_output(struct session *s) {
    if (__builtin_expect(s->out.mem_bytes > SESSION_MUCH_OUTPUT, 0)) s->ops->wake(s);
}

/* Bytes held for this client. */
size_t session_mem(const struct session *s);

#endif
