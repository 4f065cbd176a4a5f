/* SPDX-License-Identifier: BSD-3-Clause
 *
 * link - a replica's connection to its master: from the name of a host to the stream.
 *
 *   OFF -> RESOLVE -> CONNECT -> HANDSHAKE -> RECEIVE -> LOAD -> STREAM
 *            ^                      |                              ^
 *           WAIT <-- all of them    +------------ +CONTINUE -------+
 *
 *   OFF        this server follows no master
 *   WAIT       until `retry_at_us`; there is no session
 *   RESOLVE    a thread looks the name up
 *   CONNECT    there is a session that is not open yet
 *   HANDSHAKE  link_handshake: PING, AUTH, REPLCONF, PSYNC and their answers
 *   RECEIVE    link_receive: the data set goes into a file; the old one is as it was
 *   LOAD       it replaces the data set; the session may end meanwhile
 *   STREAM     apply: role.link_up
 *
 * Main thread only.
 */
#ifndef STET_REPLICATION_LINK_H
#define STET_REPLICATION_LINK_H

#include "server/replication/apply.h"
#include "server/replication/history.h"
#include "server/replication/link_data.h"
#include "server/replication/notes.h"
#include "server/replication/resolve.h"
#include "storage/base/bytes.h"

#include <stdint.h>

struct replication;
struct session;

enum link_state {
    LINK_OFF,
    LINK_WAIT,
    LINK_RESOLVE,
    LINK_CONNECT,
    LINK_HANDSHAKE,
    LINK_RECEIVE,
    LINK_LOAD,
    LINK_STREAM,
    LINK_STATES
};

enum { LINK_ID_CHARS = 40 };

struct master_link {
    enum link_state state;
    char *host; /* NULL: OFF */
    int port;
    struct session *s;       /* NULL: none */
    struct resolve *resolve; /* RESOLVE */
    struct addresses to;
    size_t address;     /* the one in use */
    unsigned step;      /* HANDSHAKE: whose answer is next */
    bool asked_partial; /* PSYNC named a history */
    bool was_master;    /* this server had an id of its own, and may have no history of it */
    struct history_told told;

    struct link_data *data; /* RECEIVE, LOAD: the file, once its first line has come */
    struct link_data_head head;
    uint64_t received;
    char tail[LINK_DATA_MARK]; /* the last bytes, where a mark tells the end */
    bool whole;                /* all of it has come */
    bool plain;                /* asked for by SYNC: id and offset are not known */
    char id[LINK_ID_CHARS + 1];
    uint64_t offset; /* of the full sync */

    struct apply apply;
    bool has_synced;     /* with this master, since it was named */
    bool refused_empty;  /* the last full sync was to an empty data set, and refused */
    unsigned damaged;    /* what it sent did not hold, so many times in a row */
    uint64_t entered_us; /* the state; monotonic, as the next ones */
    uint64_t heard_us, retry_at_us, acked_us, alive_us;
    uint64_t down_since_us; /* 0: never was up */
    struct notes positions; /* of the AOF: for REPLCONF ACK ... FACK */
    uint64_t synced;        /* offset that is synced in the AOF */
    uint64_t owed;  /* the AOF's position of which the master is told once it is synced; 0: none */
    uint64_t asked; /* the position at the master's last question */
};

/* Follows this master from now on; NULL: none, the link is OFF. Not in LOAD. */
void link_follow(struct replication *r, const char *host, int port);

/* Every turn, and after progress of a thread. */
void link_step(struct replication *r);

void link_cron(struct replication *r);
void link_release(struct replication *r);

/* Tells the master how far this replica is. */
void link_send_ack(struct replication *r);

/* The same for a master that asked (GETACK). With the AOF on a second one follows as soon as what
 * is acknowledged now is synced, which is wanted at once. */
void link_answer_ack(struct replication *r);

/* The master's host name stands for this address, as it was looked up last. */
bool link_knows_address(const struct replication *r, const char *ip);

/* As ROLE shows it. */
const char *link_state_name(const struct replication *r);

/* The lines of INFO replication about the master, of a replica. */
void link_info(const struct replication *r, struct bytes *out);

#endif
