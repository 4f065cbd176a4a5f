/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/replication/failover.h"

#include "server/replication/rows.h"

bool failover_waits(const struct replication *r) {
    return r->failover.state != FAILOVER_NONE;
}

bool failover_asked(const struct call *x) {
    return x->argc > 3 && arg_is(x, 3, "failover");
}

int failover_take_over(struct call *x, struct slice id, int64_t from) {
    (void)id;
    (void)from;
    return reply_err(x, "ERR PSYNC FAILOVER can't be sent to a master.");
}

const struct command failover_commands[] = {{0}};
