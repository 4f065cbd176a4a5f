/* SPDX-License-Identifier: BSD-3-Clause
 *
 * probe - an intruder in a server, as an LD_PRELOAD library. Tests only.
 *
 * At SIGUSR2 it tries, from within the process, what an intruder would, and writes a line to
 * standard error for each: "probe NAME ERRNO", 0 for what worked, then "probe end 0".
 * $STET_PROBE_OUTSIDE is a directory that is not the server's. Each attempt is made by a child of
 * its own, so that one that works does no harm to the others.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char *outside, *home;

#define CALL(name, ...)                                                                            \
    static long try_##name(void) {                                                                 \
        return syscall(SYS_##name, __VA_ARGS__);                                                   \
    }

static char *const words[] = {"/bin/true", NULL};
static char page[8192] __attribute__((aligned(4096)));

/* With arguments by which the call works for root, or fails with another code than EPERM. */
CALL(execve, words[0], words, NULL)
CALL(execveat, AT_FDCWD, words[0], words, NULL, 0)
CALL(ptrace, PTRACE_TRACEME, 0, 0, 0)
CALL(process_vm_readv, getpid(), NULL, 0, NULL, 0, 0)
CALL(process_vm_writev, getpid(), NULL, 0, NULL, 0, 0)
CALL(mount, "none", "/nonexistent", "tmpfs", 0, NULL)
CALL(umount2, "/nonexistent", 0)
CALL(chroot, "/")
CALL(pivot_root, "/nonexistent", "/nonexistent")
CALL(bpf, 0, NULL, 0)
CALL(init_module, NULL, 0, "")
CALL(keyctl, 0, -3, 0)
CALL(add_key, NULL, NULL, NULL, 0, 0)
CALL(unshare, CLONE_NEWUTS)
CALL(setns, -1, 0)
CALL(perf_event_open, NULL, 0, -1, -1, 0)
CALL(userfaultfd, 0)
CALL(io_uring_setup, 1, NULL)
CALL(personality, 0xffffffff)
CALL(setuid, 0)
CALL(setresuid, -1, -1, -1)
CALL(setgroups, 0, NULL)
CALL(capset, NULL, NULL)
CALL(seccomp, 0, 1, NULL)
CALL(memfd_create, "x", 0)
CALL(socketpair, 0, 0, 0, NULL)
CALL(fchownat, AT_FDCWD, ".", -1, -1, 0)
CALL(symlinkat, "x", -1, "")
CALL(mknodat, -1, "", 0, 0)
CALL(reboot, 0, 0, 0, NULL)
CALL(pidfd_open, getpid(), 0)
CALL(open_by_handle_at, -1, NULL, 0)

#define SOCKET(name, domain, type, protocol)                                                       \
    static long try_##name(void) {                                                                 \
        return socket(domain, type, protocol);                                                     \
    }

SOCKET(socket_netlink, AF_NETLINK, SOCK_RAW, 0)
SOCKET(socket_packet, AF_PACKET, SOCK_RAW, 0)
SOCKET(socket_raw, AF_INET, SOCK_RAW, IPPROTO_ICMP)
SOCKET(socket_unix, AF_UNIX, SOCK_STREAM, 0)
SOCKET(socket_sctp, AF_INET, SOCK_STREAM, 132)
SOCKET(socket_tcp, AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
SOCKET(socket_tcp6, AF_INET6, SOCK_STREAM, IPPROTO_TCP)
SOCKET(socket_udp, AF_INET, SOCK_DGRAM, 0)

static long try_map_code(void) {
    void *p =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? -1 : 0;
}

static long try_make_code(void) {
    return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static long try_clone_namespace(void) {
    return syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
}

static long try_clone3(void) {
    return syscall(SYS_clone3, NULL, 0);
}

static long try_type_ahead(void) {
    return ioctl(0, TIOCSTI, "x");
}

static long try_dumpable(void) {
    return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long try_limits_of_others(void) {
    struct rlimit r;

    return prlimit(getppid(), RLIMIT_NOFILE, NULL, &r);
}

static long try_signal_others(void) {
    return kill(1, 0);
}

static long open_in(const char *dir, const char *name, int flags) {
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    return open(path, flags, 0644);
}

static long try_read_home(void) {
    return open_in(home, "secret", O_RDONLY);
}

static long try_list_home(void) {
    return open_in(home, ".", O_RDONLY | O_DIRECTORY);
}

static long try_write_outside(void) {
    return open_in(outside, "secret", O_WRONLY);
}

static long try_make_outside(void) {
    return open_in(outside, "made", O_WRONLY | O_CREAT);
}

static long try_truncate_outside(void) {
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/secret", outside);
    return truncate(path, 0);
}

static long try_unlink_outside(void) {
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/secret", outside);
    return unlink(path);
}

static long try_link_from_outside(void) {
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/secret", outside);
    return link(path, "stolen");
}

static long try_write_etc(void) {
    return open_in("/etc", "passwd", O_WRONLY);
}

static long try_write_proc(void) {
    return open_in("/proc/self", "oom_score_adj", O_WRONLY);
}

static long try_read_etc(void) {
    return open_in("/etc", "passwd", O_RDONLY);
}

static long try_make_inside(void) {
    return open_in(".", "inside", O_WRONLY | O_CREAT);
}

#define ROW(name)                                                                                  \
    { #name, try_##name }

static const struct {
    const char *name;
    long (*attempt)(void);
} attempts[] = {
    ROW(execve),
    ROW(execveat),
    ROW(ptrace),
    ROW(process_vm_readv),
    ROW(process_vm_writev),
    ROW(mount),
    ROW(umount2),
    ROW(chroot),
    ROW(pivot_root),
    ROW(bpf),
    ROW(init_module),
    ROW(keyctl),
    ROW(add_key),
    ROW(unshare),
    ROW(setns),
    ROW(perf_event_open),
    ROW(userfaultfd),
    ROW(io_uring_setup),
    ROW(personality),
    ROW(setuid),
    ROW(setresuid),
    ROW(setgroups),
    ROW(capset),
    ROW(seccomp),
    ROW(memfd_create),
    ROW(socketpair),
    ROW(fchownat),
    ROW(symlinkat),
    ROW(mknodat),
    ROW(reboot),
    ROW(pidfd_open),
    ROW(open_by_handle_at),
    ROW(socket_netlink),
    ROW(socket_packet),
    ROW(socket_raw),
    ROW(socket_unix),
    ROW(socket_sctp),
    ROW(socket_tcp),
    ROW(socket_tcp6),
    ROW(socket_udp),
    ROW(map_code),
    ROW(make_code),
    ROW(clone_namespace),
    ROW(clone3),
    ROW(type_ahead),
    ROW(dumpable),
    ROW(limits_of_others),
    ROW(signal_others),
    ROW(read_home),
    ROW(write_outside),
    ROW(make_outside),
    ROW(list_home),
    ROW(truncate_outside),
    ROW(link_from_outside),
    ROW(unlink_outside),
    ROW(write_etc),
    ROW(write_proc),
    ROW(read_etc),
    ROW(make_inside),
};

/* The status is the code; a program that was started ends with 0. */
static int attempt(int i) {
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        errno = 0;
        _exit(attempts[i].attempt() < 0 ? errno : 0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return 255;
    return WEXITSTATUS(status);
}

static void on_signal(int sig) {
    (void)sig;
    for (int i = 0; i < (int)(sizeof attempts / sizeof *attempts); i++)
        dprintf(2, "probe %s %d\n", attempts[i].name, attempt(i));
    dprintf(2, "probe end 0\n");
}

__attribute__((constructor)) static void start(void) {
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    if (!getenv("STET_PROBE_OUTSIDE")) return;
    outside = strdup(getenv("STET_PROBE_OUTSIDE")); /* the title will take its place */
    home = strdup(getenv("STET_PROBE_HOME"));
    sigaction(SIGUSR2, &sa, NULL);
}
