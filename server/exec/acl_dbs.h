/* SPDX-License-Identifier: BSD-3-Clause
 *
 * acl_dbs - the databases that a set of rights is for, as Valkey 9.1 has them: alldbs, resetdbs,
 * db=0,3.
 *
 * A command on keys, or on a database as a whole, needs the one that is selected. SELECT, SWAPDB,
 * MOVE and COPY also need those that they name, FLUSHALL all there are. Other commands need none.
 */
#ifndef STET_EXEC_ACL_DBS_H
#define STET_EXEC_ACL_DBS_H

#include "server/exec/command.h"
#include "storage/base/bytes.h"

struct acl_dbs {
    bool all;
    int *v; /* in ascending order, each once */
    size_t n;
};

/* Where a command would run. */
struct acl_place {
    int db, ndbs;
};

void acl_dbs_set_all(struct acl_dbs *d, bool all);
void acl_dbs_copy(struct acl_dbs *to, const struct acl_dbs *from);

/* "0,3" in place of what was there; NULL, or why not. */
const char *acl_dbs_set(struct acl_dbs *d, struct slice list);

/* "alldbs", "db=0,3", or nothing. */
void acl_dbs_describe(const struct acl_dbs *d, struct bytes *out);

/* *at: the argument that names the database that is refused; 0: it is the selected one, or all. */
bool acl_dbs_allow(const struct acl_dbs *d, struct acl_place where, const struct command_slot *cmd,
                   int argc, const struct slice *argv, int *at);

#endif
