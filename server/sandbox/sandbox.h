/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sandbox - what the process gives up for good, so that a defect in it does not become one of the
 * machine: files outside of its own (Landlock), system calls that it has no use for (seccomp),
 * capabilities, and the rights of root.
 *
 * The order matters. Landlock and capabilities belong to a thread and are inherited by threads and
 * children that begin later, so sandbox_files_enter() and sandbox_keep_capabilities() come before
 * the first thread. The filter of system calls is given to all threads at once; it comes last, as
 * it also refuses what the others need.
 *
 * Nothing here knows the configuration: server/contain.c says which paths are whose. Main thread
 * only, at the start. What the kernel cannot do is an error that the caller reports; the process
 * then has the rights that it had.
 */
#ifndef STET_SERVER_SANDBOX_H
#define STET_SERVER_SANDBOX_H

#include "storage/base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A build with sanitizers: they start programs (the symbolizer), trace the process (the leak
 * checker) and write files of their own. */
#if defined(STET_DCHECK)
#define SANDBOX_IS_BUILT 0
#else
#define SANDBOX_IS_BUILT 1
#endif

/* No program started from here on gains rights by set-user-id bits. Needed by what follows. */
int sandbox_no_new_privileges(struct err *e);

/* ---- files (landlock.c) */

enum sandbox_right {
    SANDBOX_READ = 1 << 0,    /* files and the names in directories */
    SANDBOX_DATA = 1 << 1,    /* all that is done with data files and directories below it */
    SANDBOX_FILES = 1 << 2,   /* files are read, made, replaced and removed; no directories */
    SANDBOX_APPEND = 1 << 3,  /* files are made and written to */
    SANDBOX_REMOVE = 1 << 4,  /* files are removed */
    SANDBOX_SOCKET = 1 << 5,  /* sockets are made */
    SANDBOX_PUBLISH = 1 << 6, /* files get their names and lose them; none is written to */
};

/* The version of the kernel's interface; 0: there is none. Below 2 files cannot be linked or moved
 * from one directory to another, so 2 is the least that can be used. */
int sandbox_files_abi(void);

/* A set of rules in which nothing is allowed yet: a descriptor, or -1. `abstract_sockets`: those of
 * other processes may be connected to. */
int sandbox_files_begin(bool abstract_sockets, struct err *e);

/* Allows it for a file, or for everything below a directory. A path that does not exist is no
 * error and allows nothing: 0. 1: allowed. -1: `e` names the path. */
int sandbox_files_allow(int rules, const char *path, unsigned rights, struct err *e);

/* From now on the rules hold for this thread and all that it starts. Closes `rules`. */
int sandbox_files_enter(int rules, struct err *e);

/* The file may be read by its permissions, and only the sandbox refuses it. */
bool sandbox_hides(const char *path);

/* ---- system calls (seccomp.c) */

struct sandbox_calls {
    bool unix_sockets; /* may be made: for syslog and the service manager */
    bool multipath;    /* Multipath TCP too */
};

/* From now on every thread, and every child, has only the calls of the list in seccomp.c. Those
 * that are known to be dangerous fail with EPERM, unknown ones with ENOSYS: a newer C library falls
 * back to older calls then. */
int sandbox_calls_enter(const struct sandbox_calls *allow, struct err *e);

/* ---- rights (privileges.c) */

/* Gives up the capabilities of the thread, those in `keep` (1 << CAP_...) apart. */
int sandbox_keep_capabilities(uint64_t keep, struct err *e);

struct sandbox_user {
    uid_t uid;
    gid_t gid;
    const char *name;
};

/* `group` may be NULL: the user's own. The name is not copied. */
int sandbox_find_user(const char *name, const char *group, struct sandbox_user *u, struct err *e);

/* All threads become the user, with the groups that it is in, and cannot go back. Whether the
 * process may dump core stays as it was. */
int sandbox_become(const struct sandbox_user *u, struct err *e);

#endif
