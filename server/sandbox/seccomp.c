/* SPDX-License-Identifier: BSD-3-Clause
 *
 * seccomp - which system calls the process has.
 *
 * A list of what is allowed: what the server, its threads and children, the C library (resolver,
 * threads, time zones, loading of libraries), jemalloc, libevent, OpenSSL and the message to the
 * service manager need. A call with arguments that matter has a check of its own. The rest fails;
 * nothing is killed, since a newer C library may try a call that no list of today has.
 *
 * Speed: from Linux 5.11 on the kernel finds out once which calls are allowed whatever their
 * arguments, and does not run the filter for them: a call costs 45 ns more (120 ns before, measured
 * with read(2) on a bad descriptor). For older kernels the hottest calls stand first.
 */
#include "server/sandbox/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

#ifndef ARCH

int sandbox_calls_enter(const struct sandbox_calls *allow, struct err *e) {
    (void)allow;
    return err_set(e, ENOSYS, "there is no list of system calls for this processor");
}

#else

/* ---------------------------------------------------------------- the lists */

/* clang-format off */
static const int allowed[] = {
    /* of every turn of the loop and of the threads that write */
#ifdef SYS_epoll_wait
    SYS_epoll_wait,
#endif
    SYS_epoll_pwait, SYS_read, SYS_write, SYS_writev, SYS_futex, SYS_recvfrom, SYS_sendto,
    SYS_clock_gettime, SYS_fdatasync, SYS_pwrite64, SYS_epoll_ctl, SYS_accept4, SYS_close,
    SYS_madvise, SYS_munmap, SYS_setsockopt,
    SYS_io_uring_enter, /* of the ring that was made before: see server/net/ring.h */
    /* memory */
    SYS_brk, SYS_mremap, SYS_msync, SYS_mincore, SYS_membarrier,
    /* files */
    SYS_openat, SYS_close_range, SYS_pread64, SYS_readv, SYS_preadv, SYS_pwritev,
    SYS_lseek, SYS_fsync, SYS_sync_file_range, SYS_fallocate, SYS_ftruncate,
    SYS_renameat2, SYS_unlinkat, SYS_linkat, SYS_mkdirat, SYS_readlinkat, SYS_fstat,
    SYS_newfstatat, SYS_statx, SYS_faccessat, SYS_faccessat2, SYS_getdents64, SYS_getcwd,
    SYS_chdir, SYS_fchdir, SYS_fcntl, SYS_flock, SYS_dup, SYS_dup3, SYS_pipe2, SYS_fadvise64,
    SYS_copy_file_range, SYS_sendfile, SYS_umask, SYS_fchmod, SYS_fchmodat, SYS_utimensat,
    SYS_statfs, SYS_fstatfs,
    /* waiting */
    SYS_ppoll, SYS_pselect6, SYS_epoll_create1, SYS_eventfd2, SYS_timerfd_create,
    SYS_timerfd_settime, SYS_timerfd_gettime, SYS_nanosleep, SYS_clock_nanosleep,
    /* signals and timers */
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigpending,
    SYS_rt_sigtimedwait, SYS_rt_sigsuspend, SYS_sigaltstack, SYS_restart_syscall, SYS_kill,
    SYS_tgkill, SYS_tkill, SYS_timer_create, SYS_timer_settime, SYS_timer_gettime,
    SYS_timer_getoverrun, SYS_timer_delete, SYS_setitimer, SYS_getitimer, SYS_clock_getres,
    SYS_gettimeofday, SYS_times,
    /* threads and children */
    SYS_wait4, SYS_waitid, SYS_exit, SYS_exit_group, SYS_getpid, SYS_getppid, SYS_gettid,
    SYS_getpgid, SYS_getsid, SYS_set_tid_address, SYS_set_robust_list, SYS_get_robust_list,
    SYS_rseq, SYS_getrusage, SYS_sched_yield, SYS_sched_getaffinity, SYS_sched_setaffinity,
    SYS_sched_setattr, SYS_sched_getattr, SYS_sched_getscheduler, SYS_sched_getparam,
    SYS_sched_get_priority_min, SYS_sched_get_priority_max, SYS_getpriority, SYS_getcpu,
    SYS_uname, SYS_sysinfo, SYS_getrandom, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid,
    SYS_getresuid, SYS_getresgid, SYS_getgroups, SYS_capget,
    /* the network; connect is for MIGRATE, the resolver, syslog and the service manager */
    SYS_bind, SYS_connect, SYS_listen, SYS_accept, SYS_getsockname, SYS_getpeername,
    SYS_getsockopt, SYS_shutdown, SYS_sendmsg, SYS_recvmsg, SYS_sendmmsg, SYS_recvmmsg,
#ifdef __x86_64__ /* older forms, which the C library or others may call */
    SYS_open, SYS_creat, SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_rename, SYS_unlink,
    SYS_rmdir, SYS_mkdir, SYS_link, SYS_chmod, SYS_getdents, SYS_dup2, SYS_pipe, SYS_poll,
    SYS_select, SYS_epoll_create, SYS_eventfd, SYS_alarm, SYS_pause, SYS_time, SYS_getpgrp,
    SYS_getrlimit, SYS_setrlimit, SYS_fork, SYS_arch_prctl,
#endif
    SYS_renameat, SYS_truncate,
};

/* Calls that an attacker would use fail with EPERM, which shows in a trace. Calls in neither list
 * fail with ENOSYS. */
static const int refused[] = {
    SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_mount,
    SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_move_mount, SYS_open_tree, SYS_fsopen,
    SYS_fsconfig, SYS_fsmount, SYS_fspick, SYS_bpf, SYS_kexec_load, SYS_init_module,
    SYS_finit_module, SYS_delete_module, SYS_add_key, SYS_request_key, SYS_keyctl, SYS_unshare,
    SYS_setns, SYS_perf_event_open, SYS_userfaultfd, SYS_io_uring_setup,
    SYS_io_uring_register, SYS_personality, SYS_setuid, SYS_setgid, SYS_setreuid, SYS_setregid,
    SYS_setresuid, SYS_setresgid, SYS_setfsuid, SYS_setfsgid, SYS_setgroups, SYS_capset,
    SYS_setpriority, SYS_socketpair, SYS_seccomp, SYS_memfd_create, SYS_mknodat, SYS_symlinkat,
    SYS_fchownat, SYS_fchown, SYS_reboot, SYS_swapon, SYS_swapoff, SYS_acct, SYS_quotactl,
    SYS_sethostname, SYS_setdomainname, SYS_settimeofday, SYS_clock_settime, SYS_adjtimex,
    SYS_clock_adjtime, SYS_syslog, SYS_vhangup, SYS_open_by_handle_at, SYS_name_to_handle_at,
    SYS_fanotify_init, SYS_kcmp, SYS_pidfd_send_signal, SYS_pidfd_open, SYS_move_pages,
    SYS_migrate_pages, SYS_mbind, SYS_set_mempolicy, SYS_pkey_mprotect, SYS_remap_file_pages,
#ifdef SYS_pidfd_getfd
    SYS_pidfd_getfd,
#endif
#ifdef SYS_kexec_file_load
    SYS_kexec_file_load,
#endif
#ifdef __x86_64__
    SYS_iopl, SYS_ioperm, SYS_modify_ldt, SYS_mknod, SYS_symlink, SYS_chown, SYS_lchown,
    SYS_vfork, SYS_uselib,
#endif
};

static const uint32_t ioctls[] = {FIONREAD, FIONBIO, FIOCLEX, FICLONE, TCGETS};

/* PR_SET_VMA gives a piece of memory a name. */
static const uint32_t prctls[] = {PR_SET_NAME, PR_GET_NAME, PR_SET_PDEATHSIG, PR_SET_THP_DISABLE,
    PR_GET_THP_DISABLE, PR_GET_DUMPABLE, PR_GET_SECCOMP, PR_GET_NO_NEW_PRIVS, PR_CAPBSET_READ,
    0x53564d41 /* PR_SET_VMA */};
/* clang-format on */

enum {
    NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                 CLONE_NEWPID | CLONE_NEWNET | CLONE_PTRACE,
    TYPE_OF_SOCKET = 0xf, /* without SOCK_NONBLOCK and SOCK_CLOEXEC */
    STEPS_MAX = 1024,
};

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---------------------------------------------------------------- the program */

struct program {
    struct sock_filter step[STEPS_MAX];
    unsigned short n;
    bool full;
};

/* A jump is the number of instructions that it skips. */
static void put(struct program *p, unsigned code, unsigned yes, unsigned no, uint32_t k) {
    if (p->n == STEPS_MAX) {
        p->full = true;
        return;
    }
    p->step[p->n++] =
        (struct sock_filter){(unsigned short)code, (unsigned char)yes, (unsigned char)no, k};
}

static void load(struct program *p, size_t at) {
    put(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)at);
}

/* The low half of an argument; of what is checked here the kernel looks at no more. */
static void load_arg(struct program *p, int i) {
    load(p, offsetof(struct seccomp_data, args) + 8 * (size_t)i);
}

static void allow(struct program *p) {
    put(p, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
}

static void fail(struct program *p, int code) {
    put(p, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | (uint32_t)code);
}

static void allow_if(struct program *p, uint32_t k) {
    put(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, k);
    allow(p);
}

/* The instructions up to end_call() are for this call only, and end in a verdict. */
static unsigned begin_call(struct program *p, int nr) {
    put(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, (uint32_t)nr);
    return p->n - 1u;
}

static void end_call(struct program *p, unsigned begun, int code) {
    fail(p, code);
    p->step[begun].jf = (unsigned char)(p->n - begun - 1);
}

static void allow_values(struct program *p, int nr, int arg, const uint32_t *values, size_t n) {
    unsigned begun = begin_call(p, nr);

    load_arg(p, arg);
    for (size_t i = 0; i < n; i++) allow_if(p, values[i]);
    end_call(p, begun, EPERM);
}

/* Allowed without any of these bits. */
static void allow_without(struct program *p, int nr, int arg, uint32_t bits) {
    unsigned begun = begin_call(p, nr);

    load_arg(p, arg);
    put(p, BPF_JMP | BPF_JSET | BPF_K, 1, 0, bits);
    allow(p);
    end_call(p, begun, EPERM);
}

/* Memory is written to or executed, never both. */
static void allow_mmap(struct program *p) {
    unsigned begun = begin_call(p, SYS_mmap);

    load_arg(p, 2);
    put(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, PROT_WRITE | PROT_EXEC);
    put(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, PROT_WRITE | PROT_EXEC);
    allow(p);
    end_call(p, begun, EPERM);
}

/* TCP and the resolver's UDP; nothing that goes around them (raw, packet, netlink, vsock ...). */
static void allow_sockets(struct program *p, const struct sandbox_calls *c) {
    static const uint32_t protocols[] = {0, IPPROTO_TCP, IPPROTO_UDP};
    unsigned begun = begin_call(p, SYS_socket);

    load_arg(p, 0);
    if (c->unix_sockets) allow_if(p, AF_UNIX);
    put(p, BPF_JMP | BPF_JEQ | BPF_K, 2, 0, AF_INET);
    put(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AF_INET6);
    fail(p, EPERM);
    load_arg(p, 1);
    put(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, TYPE_OF_SOCKET);
    put(p, BPF_JMP | BPF_JEQ | BPF_K, 2, 0, SOCK_STREAM);
    put(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, SOCK_DGRAM);
    fail(p, EPERM);
    load_arg(p, 2);
    for (size_t i = 0; i < COUNT(protocols); i++) allow_if(p, protocols[i]);
    if (c->multipath) allow_if(p, IPPROTO_MPTCP);
    end_call(p, begun, EPERM);
}

static void refuse(struct program *p, int nr, int code) {
    put(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (uint32_t)nr);
    fail(p, code);
}

static void build(struct program *p, const struct sandbox_calls *c) {
    static const uint32_t self = 0;

    load(p, offsetof(struct seccomp_data, arch));
    put(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, ARCH);
    fail(p, ENOSYS);
    load(p, offsetof(struct seccomp_data, nr));
    /* First what is asked each time, whatever the kernel: see the head of this file. */
    allow_mmap(p);
    allow_without(p, SYS_mprotect, 2, PROT_EXEC);
    for (size_t i = 0; i < COUNT(allowed); i++) allow_if(p, (uint32_t)allowed[i]);
    allow_without(p, SYS_clone, 0, NAMESPACES);
    allow_values(p, SYS_ioctl, 1, ioctls, COUNT(ioctls));
    allow_values(p, SYS_prctl, 0, prctls, COUNT(prctls));
    allow_values(p, SYS_prlimit64, 0, &self, 1); /* of other processes: no */
    allow_sockets(p, c);
    for (size_t i = 0; i < COUNT(refused); i++) refuse(p, refused[i], EPERM);
    /* clone3 has its flags in memory, where no filter sees them: the C library takes clone. */
    fail(p, ENOSYS);
}

/* ---------------------------------------------------------------- to the kernel */

#ifndef SECCOMP_FILTER_FLAG_TSYNC
#define SECCOMP_FILTER_FLAG_TSYNC (1UL << 0)
#endif
#ifndef SECCOMP_FILTER_FLAG_SPEC_ALLOW
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW (1UL << 2)
#endif

/* For all threads. Without the second flag older kernels switch speculation off for a process with
 * a filter, which costs everything else speed; what it guards against is code of others within the
 * process, and scripts cannot measure time that finely. */
static long install(const struct program *p) {
    struct sock_fprog prog = {p->n, (struct sock_filter *)p->step};
    unsigned long flags = SECCOMP_FILTER_FLAG_TSYNC;
    long rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags | SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                      &prog);

    if (rc < 0 && errno == EINVAL) rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
    return rc;
}

int sandbox_calls_enter(const struct sandbox_calls *c, struct err *e) {
    struct program p = {.n = 0};
    long rc;

    build(&p, c);
    if (p.full) return err_set(e, ENOMEM, "the filter of system calls is too long");
    rc = install(&p);
    if (rc == 0) return 0;
    if (rc > 0) return err_set(e, EBUSY, "thread %ld does not take the filter", rc);
    return err_set(e, errno, "cannot filter system calls: %s", strerror(errno));
}

#endif
