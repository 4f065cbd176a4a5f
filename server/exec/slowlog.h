/* SPDX-License-Identifier: BSD-3-Clause
 *
 * slowlog - the commands that took longest, and those whose request or reply was large, as they
 * were received, without what is secret. Of each no more than a few KiB are kept.
 */
#ifndef STET_EXEC_SLOWLOG_H
#define STET_EXEC_SLOWLOG_H

#include "storage/base/bytes.h"
#include "storage/base/list.h"

#include <stdint.h>

struct call;

/* The logs that there are. */
enum command_log { LOG_SLOW, LOG_LARGE_REQUEST, LOG_LARGE_REPLY, COMMAND_LOGS };

struct slow_entry {
    struct list link; /* in slowlog.entries */
    uint64_t id;
    uint64_t cost; /* microseconds of LOG_SLOW, bytes of the others */
    int64_t at_s;
    char *addr, *name;  /* of the client */
    struct slice *argv; /* its own copy, shortened */
    int argc;
};

struct slowlog {
    struct list entries; /* the oldest first */
    size_t n;
    uint64_t next_id;
};

void slowlog_init(struct slowlog *l);

/* Notes a command and drops the oldest beyond `max`. */
void slowlog_add(struct slowlog *l, const struct call *x, uint64_t cost, size_t max);

/* Keeps the newest `max`. */
void slowlog_trim(struct slowlog *l, size_t max);

#endif
