/* SPDX-License-Identifier: BSD-3-Clause
 *
 * landlock - which files can be reached. Open descriptors are not affected, and the permissions of
 * files hold as before.
 *
 * The numbers of the interface stand here, since the headers of a build are often older than the
 * kernel that it runs on.
 */
#include "server/sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446 };
enum { ASK_VERSION = 1, RULE_PATH = 1, LEAST_ABI = 2 };

enum {
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_REMOVE_DIR = 1 << 4,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_DIR = 1 << 7,
    FS_MAKE_REG = 1 << 8,
    FS_MAKE_SOCK = 1 << 9,
    FS_REFER = 1 << 13,     /* from version 2 on: link and rename between directories */
    FS_TRUNCATE = 1 << 14,  /* from version 3 on */
    FS_IOCTL_DEV = 1 << 15, /* from version 5 on */
};
enum { SCOPE_ABSTRACT_UNIX = 1 << 0, SCOPE_SIGNAL = 1 << 1 }; /* from version 6 on */

struct ruleset_attr {
    uint64_t fs, net, scoped;
};

struct path_attr {
    uint64_t allowed;
    int32_t fd;
} __attribute__((packed));

int sandbox_files_abi(void) {
    long abi = syscall(CREATE_RULESET, NULL, 0, ASK_VERSION);

    return abi > 0 ? (int)abi : 0;
}

/* All that can be restricted, so that nothing of it is left. */
static uint64_t all_rights(int abi) {
    uint64_t all = FS_REFER | (FS_REFER - 1);

    if (abi >= 3) all |= FS_TRUNCATE;
    if (abi >= 5) all |= FS_IOCTL_DEV;
    return all;
}

int sandbox_files_begin(bool abstract_sockets, struct err *e) {
    int abi = sandbox_files_abi();
    struct ruleset_attr a = {.fs = all_rights(abi)};
    size_t size = abi >= 6 ? sizeof a : sizeof a.fs;
    long fd;

    if (abi < LEAST_ABI)
        return err_set(e, ENOSYS,
                       abi ? "Landlock of this kernel is too old (version 1)"
                           : "this kernel has no Landlock");
    if (abi >= 6) a.scoped = SCOPE_SIGNAL | (abstract_sockets ? 0 : SCOPE_ABSTRACT_UNIX);
    fd = syscall(CREATE_RULESET, &a, size, 0);
    if (fd < 0) return err_set(e, errno, "cannot make rules of Landlock: %s", strerror(errno));
    return (int)fd;
}

static const struct {
    unsigned right;
    uint64_t fs;
} meanings[] = {
    {SANDBOX_READ, FS_READ_FILE | FS_READ_DIR},
    {SANDBOX_DATA, FS_READ_FILE | FS_READ_DIR | FS_WRITE_FILE | FS_TRUNCATE | FS_REMOVE_FILE |
                       FS_REMOVE_DIR | FS_MAKE_REG | FS_MAKE_DIR | FS_REFER},
    {SANDBOX_FILES,
     FS_READ_FILE | FS_READ_DIR | FS_WRITE_FILE | FS_TRUNCATE | FS_REMOVE_FILE | FS_MAKE_REG},
    {SANDBOX_APPEND, FS_WRITE_FILE | FS_MAKE_REG},
    {SANDBOX_REMOVE, FS_REMOVE_FILE},
    {SANDBOX_SOCKET, FS_MAKE_SOCK},
    {SANDBOX_PUBLISH, FS_REMOVE_FILE | FS_MAKE_REG},
};

int sandbox_files_allow(int rules, const char *path, unsigned rights, struct err *e) {
    struct path_attr a = {.fd = open(path, O_PATH | O_CLOEXEC)};
    struct stat st;
    int rc = 0;

    if (a.fd < 0) return 0;
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (rights & meanings[i].right) a.allowed |= meanings[i].fs;
    a.allowed &= all_rights(sandbox_files_abi());
    if (fstat(a.fd, &st) == 0 && !S_ISDIR(st.st_mode))
        a.allowed &= FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE;
    if (a.allowed) rc = syscall(ADD_RULE, rules, RULE_PATH, &a, 0) < 0 ? -1 : 1;
    if (rc < 0) err_set(e, errno, "cannot allow '%s': %s", path, strerror(errno));
    close(a.fd);
    return rc;
}

int sandbox_files_enter(int rules, struct err *e) {
    long rc = syscall(RESTRICT_SELF, rules, 0);
    int code = errno;

    close(rules);
    return rc == 0 ? 0 : err_set(e, code, "cannot enter Landlock: %s", strerror(code));
}

/* access(2) goes by permissions alone. */
bool sandbox_hides(const char *path) {
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), code = errno;

    if (fd >= 0) close(fd);
    return fd < 0 && code == EACCES && faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0;
}
