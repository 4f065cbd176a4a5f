/* SPDX-License-Identifier: BSD-3-Clause
 *
 * transfer - commands for another server (MIGRATE), sent and answered on a thread of their own, so
 * that the event loop does not wait for the other server.
 *
 * One transfer is one batch of commands that are answered with one line each. It can be used for
 * another batch when it is done. Connections that went well are kept for a while and used again, as
 * Redis does: at most LINKS_MAX, for LINK_IDLE_US after their last use.
 *
 * Main thread only, but for what the thread does; the two share the struct under its mutex, and
 * transfer_drop() may be called at any time: a transfer under way then ends by itself.
 */
#ifndef STET_EXEC_TRANSFER_H
#define STET_EXEC_TRANSFER_H

#include "storage/base/bytes.h"
#include "storage/base/list.h"

#include <stdint.h>

struct transfer;

/* Connections that no transfer uses at the moment. */
struct links {
    struct list all; /* the oldest first */
    size_t n;
};

struct transfer_to {
    struct slice host, port, user, password; /* password.p NULL: no AUTH; user.p NULL: without */
    int64_t db;
    int timeout_ms;          /* of each single wait for the other side */
    void (*wake)(void *arg); /* from the thread: it is done */
    void *arg;
};

void links_init(struct links *l);
void links_release(struct links *l);

/* Now and then: closes those that were not used for long. */
void links_cron(struct links *l, uint64_t now_us);

/* Nothing is sent yet. Everything is copied. */
struct transfer *transfer_new(struct links *l, const struct transfer_to *to);

/* Sends n commands and reads n answers; `commands` is emptied. False: no thread could be had. */
bool transfer_start(struct transfer *t, struct bytes *commands, size_t n);

bool transfer_done(struct transfer *t);

/* Once it is done. The error that ended it (with its code), NULL: every command has its answer. */
const char *transfer_error(const struct transfer *t);

/* How many commands were answered, and what command i got: an error without '-', or NULL if it went
 * well. An error of AUTH or SELECT counts as every command's. */
size_t transfer_answered(const struct transfer *t);
const char *transfer_refusal(const struct transfer *t, size_t i);

/* It is not used any more, whether it is done or not. */
void transfer_drop(struct transfer *t);

#endif
