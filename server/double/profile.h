/* SPDX-License-Identifier: BSD-3-Clause
 *
 * profile - the server passes for an older version: what that version lacks is unknown.
 *
 * Commands and subcommands have the version that they came with in their rows; the options that
 * came later stand in profile.c. The errors are those of the version. What a version did otherwise
 * (replies, INFO, COMMAND) is not changed, and neither is what scripts call.
 */
#ifndef STET_DOUBLE_PROFILE_H
#define STET_DOUBLE_PROFILE_H

#include "server/exec/call.h"

struct profile_version;

struct profile {
    const struct profile_version *version; /* NULL: all there is */
};

/* True: the command is newer than the profile, and was answered. To be asked while there is a
 * version, before the command is admitted. */
bool profile_refuses(const struct profile *p, struct call *x);

/* TEST PROFILE [name]: without a name, which it is. */
int profile_command(struct profile *p, struct call *x);

#endif
