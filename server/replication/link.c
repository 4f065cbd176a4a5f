/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/replication/link.h"

#include "server/replication/replication.h"

void link_follow(struct replication *r, const char *host, int port) {
    (void)r, (void)host, (void)port;
}

void link_cron(struct replication *r) {
    (void)r;
}

void link_release(struct replication *r) {
    (void)r;
}

void link_info(const struct replication *r, struct bytes *out) {
    (void)r, (void)out;
}
