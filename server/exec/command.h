/* SPDX-License-Identifier: BSD-3-Clause
 *
 * command - a command is a row: everything that dispatch, COMMAND, ACL, key extraction,
 * replication and documentation want to know of it stands there once.
 *
 * A row table ends with an all-zero row. Names are lower case; a row with subcommands has no
 * handler of its own, and the subcommand rows carry only their own word ("get" of CONFIG GET).
 */
#ifndef STET_EXEC_COMMAND_H
#define STET_EXEC_COMMAND_H

#include "storage/base/bytes.h"

#include <stdint.h>

struct call;

enum command_flags {
    CMD_WRITE = 1 << 0,
    CMD_READONLY = 1 << 1,
    CMD_DENYOOM = 1 << 2,
    CMD_ADMIN = 1 << 3,
    CMD_PUBSUB = 1 << 4,
    CMD_NOSCRIPT = 1 << 5,
    CMD_BLOCKING = 1 << 6,
    CMD_LOADING = 1 << 7, /* allowed while the data set is being loaded */
    CMD_STALE = 1 << 8,
    CMD_SKIP_MONITOR = 1 << 9,
    CMD_SKIP_SLOWLOG = 1 << 10,
    CMD_ASKING = 1 << 11,
    CMD_FAST = 1 << 12,
    CMD_NO_AUTH = 1 << 13, /* allowed before AUTH */
    CMD_MAY_REPLICATE = 1 << 14,
    CMD_NO_MANDATORY_KEYS = 1 << 15,
    CMD_NO_ASYNC_LOADING = 1 << 16,
    CMD_NO_MULTI = 1 << 17,
    CMD_ALLOW_BUSY = 1 << 18,
    CMD_MOVABLE_KEYS = 1 << 19,
    CMD_DANGEROUS = 1 << 20, /* ACL category @dangerous without being @admin */
    CMD_WHOLE_KEYSPACE =
        1 << 21, /* reads what no key names: its reply waits for all that is appended */
    CMD_KEYSPACE_CAT = 1 << 22,  /* ACL category @keyspace beside that of the group */
    CMD_IN_MULTI = 1 << 24,      /* is executed at once inside a transaction, not queued */
    CMD_IN_SUBSCRIBED = 1 << 25, /* a RESP2 client that has subscribed to something may use it */
    CMD_RUNS_SCRIPT = 1 << 26,   /* may write, though it is no write command itself */
    CMD_IN_PAUSE = 1 << 27,      /* no pause of clients holds it */
    CMD_SCRIPT_WRITES = 1 << 28, /* CMD_RUNS_SCRIPT without READONLY: the script may write */
    CMD_INTERNAL = 1 << 23,      /* answers, but is not listed (security traps) */
};

/* Positions in argv as COMMAND INFO gives them: last may count from the end (-1). All zero: no
 * keys, or `key_specs` tells. */
struct command_keys {
    int first, last, step;
};

struct command {
    const char *name;
    int arity; /* exact count with the name; negative: at least that many */
    uint32_t flags;
    const char *group; /* of the documentation: "string", "generic", ... */
    struct command_keys keys;
    int (*fn)(struct call *x); /* 0, or -1 if the reply is an error */
    const char *since, *summary;
    const char *grammar;   /* arguments, in the notation of admin/docs; NULL: none */
    const char *key_specs; /* where `keys` and flags do not say it all; notation of admin/docs */
    const char *tips;      /* separated by blanks; NULL: none */
    const struct command *subcommands;
};

/* A row as it stands in the registry, with its figures. */
struct command_slot {
    const struct command *row;
    const struct command_slot *parent; /* of a subcommand */
    char name[48];                     /* "config|get", "get" */
    struct command_slot *sub;          /* the subcommands' slots */
    unsigned nsub;
    unsigned id; /* from 1; the ACL's */
    uint64_t calls, ns, rejected, failed;
    uint64_t *latency; /* histogram of its times (observe.h), NULL until its first call */
};

/* A place of the index: the first and the last bytes of a name, with the bit set that tells small
 * letters from capital ones. They say all of a name of up to 16 letters. */
struct command_place {
    uint64_t head, tail;
    uint16_t slot; /* one more than its number; 0: the place is free */
    uint16_t len;
    bool is_proof; /* these are all of the name */
};

struct command_registry {
    struct command_slot *slots; /* in the order of registration */
    unsigned n, cap;
    unsigned last_id;
    struct command_place *index; /* open hash of names; rebuilt by command_registry_seal */
    unsigned mask;
};

void command_registry_add(struct command_registry *r, const struct command *rows);

/* rename-command: 0, or -1 if `from` is unknown or `to` exists; an empty `to` removes. */
int command_registry_rename(struct command_registry *r, const char *from, const char *to);

void command_registry_seal(struct command_registry *r);
void command_registry_release(struct command_registry *r);

/* The slot called `name` in any case, NULL if there is none. */
struct command_slot *command_lookup(const struct command_registry *r, struct slice name);

/* The slot that argv means: a subcommand's where the command has such, else the command's. NULL:
 * unknown command; *unknown_sub: the command is there, its subcommand is not. */
struct command_slot *command_resolve(const struct command_registry *r, int argc,
                                     const struct slice *argv, bool *unknown_sub);

/* The same for what this server or another one has logged: where no command is called like that,
 * the one whose row is (rename-command: what a server logs by itself has the names of the rows). */
struct command_slot *command_resolve_logged(const struct command_registry *r, int argc,
                                            const struct slice *argv, bool *unknown_sub);

static inline bool command_arity_ok(const struct command *c, int argc) {
    return c->arity > 0 ? argc == c->arity : argc >= -c->arity;
}

#endif
