/* SPDX-License-Identifier: BSD-3-Clause
 *
 * acl_check - whether a user may run a command with these arguments.
 *
 * A selector allows a command if it is for the databases, has the command, may do with every key
 * what the command does with it (the flags of its key specs; a key that is neither read nor written
 * must be known in some way), and may use every channel. One selector has to allow all of it. The
 * selector that came furthest decides which refusal is reported.
 */
#ifndef STET_EXEC_ACL_CHECK_H
#define STET_EXEC_ACL_CHECK_H

#include "server/exec/acl_user.h"

/* In the order in which one outweighs the other. */
enum acl_verdict {
    ACL_OK,
    ACL_NO_COMMAND,
    ACL_NO_DB,
    ACL_NO_KEY,
    ACL_NO_AUTH,
    ACL_NO_CHANNEL,
    ACL_NO_CERT
};

/* *at (may be NULL): the argument that was refused. */
enum acl_verdict acl_check(const struct acl_user *u, struct acl_place where,
                           const struct command_slot *cmd, int argc, const struct slice *argv,
                           int *at);

/* The command is allowed by a selector that may read every key: it names keys by patterns (SORT BY,
 * GET). */
bool acl_reads_everything(const struct acl_user *u, struct acl_place where,
                          const struct command_slot *cmd, int argc, const struct slice *argv);

/* What is answered, without the code. `full`: with the key or channel, for DRYRUN. */
void acl_refusal(enum acl_verdict why, const struct acl_user *u, const struct command_slot *cmd,
                 struct slice arg, bool full, struct bytes *out);

/* One of the patterns allows the channel; a pattern that is subscribed to must be among them as it
 * is. */
bool acl_allows_channel(const struct acl_patterns *p, struct slice channel, bool is_pattern);

#endif
