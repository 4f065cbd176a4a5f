/* SPDX-License-Identifier: BSD-3-Clause
 *
 * acl_log - what was refused lately (ACL LOG): the newest first, the like within a minute as one.
 */
#ifndef STET_EXEC_ACL_LOG_H
#define STET_EXEC_ACL_LOG_H

#include "server/exec/acl_check.h"

enum acl_scene { ACL_AT_TOP, ACL_IN_MULTI, ACL_IN_SCRIPT };

struct acl_entry {
    uint64_t id, count;
    enum acl_verdict reason;
    enum acl_scene scene;
    char *username;
    struct bytes object, client;
    int64_t created_ms, updated_ms;
};

struct acl_log {
    struct acl_entry *v; /* the newest last */
    size_t n, cap;
    uint64_t next_id;
};

struct acl_denial {
    enum acl_verdict reason;
    enum acl_scene scene;
    struct slice username, object;
    int64_t now_ms;
};

/* Notes it. `client` describes the client; its bytes are taken over. */
void acl_log_add(struct acl_log *l, const struct acl_denial *d, struct bytes *client, size_t max);

void acl_log_trim(struct acl_log *l, size_t max);

#endif
