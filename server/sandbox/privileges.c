/* SPDX-License-Identifier: BSD-3-Clause
 *
 * privileges - from root to an ordinary user, and without capabilities.
 */
#include "server/sandbox/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int sandbox_no_new_privileges(struct err *e) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) return 0;
    return err_set(e, errno, "cannot set no_new_privs: %s", strerror(errno));
}

int sandbox_keep_capabilities(uint64_t keep, struct err *e) {
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];

    if (syscall(SYS_capget, &head, data) < 0)
        return err_set(e, errno, "cannot read the capabilities: %s", strerror(errno));
    for (int i = 0; i < 2; i++) {
        uint32_t mask = (uint32_t)(keep >> (32 * i));

        data[i].effective &= mask;
        data[i].permitted &= mask;
        data[i].inheritable &= mask;
    }
    if (syscall(SYS_capset, &head, data) == 0) return 0;
    return err_set(e, errno, "cannot give up capabilities: %s", strerror(errno));
}

int sandbox_find_user(const char *name, const char *group, struct sandbox_user *u, struct err *e) {
    const struct passwd *pw = getpwnam(name);
    const struct group *gr = group ? getgrnam(group) : NULL;

    if (!pw) return err_set(e, ENOENT, "there is no user '%s'", name);
    if (group && !gr) return err_set(e, ENOENT, "there is no group '%s'", group);
    *u =
        (struct sandbox_user){.uid = pw->pw_uid, .gid = gr ? gr->gr_gid : pw->pw_gid, .name = name};
    return 0;
}

static int verify(const struct sandbox_user *u, struct err *e) {
    uid_t r, f, s;
    gid_t gr, gf, gs;

    if (getresuid(&r, &f, &s) < 0 || getresgid(&gr, &gf, &gs) < 0 || r != u->uid || f != u->uid ||
        s != u->uid || gr != u->gid || gf != u->gid || gs != u->gid)
        return err_set(e, EPERM, "the process is not '%s' although no call failed", u->name);
    if (u->uid != 0 && (setuid(0) == 0 || seteuid(0) == 0))
        return err_set(e, EPERM, "the process could become root again");
    return 0;
}

int sandbox_become(const struct sandbox_user *u, struct err *e) {
    int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);

    if (initgroups(u->name, u->gid) < 0 || setresgid(u->gid, u->gid, u->gid) < 0 ||
        setresuid(u->uid, u->uid, u->uid) < 0)
        return err_set(e, errno, "cannot become '%s': %s", u->name, strerror(errno));
    /* The kernel takes it away, and with it /proc/self from its own process. */
    if (dumpable == 1) prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    return verify(u, e);
}
