/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The sandbox, entered by a child of each test; tests/sandbox tries the rest in a real server.
 */
#include "server/sandbox/sandbox.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(sandbox);

enum { HELD = 0, WRONG = 99 };

/* What a child finds: HELD, or where it was wrong. */
static int in_child(int (*run)(void *arg), void *arg) {
    int status;
    pid_t pid = fork();

    if (pid == 0) _exit(run(arg));
    cr_assert(pid > 0 && waitpid(pid, &status, 0) == pid);
    cr_assert(WIFEXITED(status), "the child ended by signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

#define MUST(x)                                                                                    \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            fprintf(stderr, "line %d: %s (%s)\n", __LINE__, #x, strerror(errno));                  \
            return WRONG;                                                                          \
        }                                                                                          \
    } while (0)

#define FAILS(code, x) MUST((errno = 0, (x) < 0 && errno == (code)))

static bool has_seccomp(void) {
    return SANDBOX_IS_BUILT && access("/proc/sys/kernel/seccomp/actions_avail", F_OK) == 0;
}

static int enter_calls(bool unix_sockets) {
    struct sandbox_calls c = {.unix_sockets = unix_sockets};
    struct err e;

    return sandbox_no_new_privileges(&e) == 0 && sandbox_calls_enter(&c, &e) == 0;
}

static int no_programs(void *arg) {
    char *const argv[] = {"/bin/true", NULL};

    (void)arg;
    MUST(enter_calls(false));
    FAILS(EPERM, execv(argv[0], argv));
    FAILS(EPERM, syscall(SYS_ptrace, 0, 0, 0, 0));
    FAILS(EPERM, syscall(SYS_seccomp, 0, 1, NULL));
    FAILS(ENOSYS, syscall(100000)); /* one that no kernel has */
#ifdef __x86_64__
    FAILS(ENOSYS, syscall(0x40000000 | SYS_getpid)); /* the same by the other interface */
#endif
    return HELD;
}

Test(sandbox, no_program_is_started_and_nothing_traced) {
    if (has_seccomp()) cr_assert_eq(in_child(no_programs, NULL), HELD);
}

static void *execute(void *arg) {
    char *const argv[] = {"/bin/true", NULL};

    pthread_barrier_wait(arg);
    pthread_barrier_wait(arg);
    return execv(argv[0], argv) < 0 && errno == EPERM ? NULL : arg;
}

static int threads_that_run_already(void *arg) {
    pthread_barrier_t step;
    pthread_t id;
    void *got;

    (void)arg;
    pthread_barrier_init(&step, NULL, 2);
    MUST(pthread_create(&id, NULL, execute, &step) == 0);
    pthread_barrier_wait(&step);
    MUST(enter_calls(false));
    pthread_barrier_wait(&step);
    MUST(pthread_join(id, &got) == 0 && !got);
    MUST(pthread_create(&id, NULL, execute, &step) == 0); /* and threads can be made */
    pthread_barrier_wait(&step);
    pthread_barrier_wait(&step);
    MUST(pthread_join(id, &got) == 0 && !got);
    return HELD;
}

Test(sandbox, the_filter_holds_for_threads_that_run_already) {
    if (has_seccomp()) cr_assert_eq(in_child(threads_that_run_already, NULL), HELD);
}

static int sockets(void *unix_sockets) {
    MUST(enter_calls(unix_sockets != NULL));
    MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0);
    MUST(socket(AF_INET, SOCK_DGRAM, 0) >= 0);
    FAILS(EPERM, socket(AF_INET, SOCK_RAW, 1));
    FAILS(EPERM, socket(AF_INET, SOCK_STREAM, 132));
    FAILS(EPERM, socket(AF_NETLINK, SOCK_RAW, 0));
    FAILS(EPERM, socket(AF_VSOCK, SOCK_STREAM, 0));
    if (unix_sockets)
        MUST(socket(AF_UNIX, SOCK_DGRAM, 0) >= 0);
    else
        FAILS(EPERM, socket(AF_UNIX, SOCK_STREAM, 0));
    return HELD;
}

Test(sandbox, sockets_are_tcp_and_udp_and_unix_on_demand) {
    if (!has_seccomp()) return;
    cr_assert_eq(in_child(sockets, NULL), HELD);
    cr_assert_eq(in_child(sockets, ""), HELD);
}

/* ---------------------------------------------------------------- files */

static int files(void *arg) {
    char *dir = arg;
    struct err e;
    int rules;

    MUST(chdir(dir) == 0 && mkdir("data", 0755) == 0 && mkdir("data/sub", 0755) == 0);
    MUST(mkdir("read", 0755) == 0 && mkdir("log", 0755) == 0 && mkdir("pid", 0755) == 0);
    MUST(close(creat("read/x", 0644)) == 0 && close(creat("x", 0644)) == 0);
    MUST(close(creat("pid/new", 0644)) == 0 && close(creat("data/x", 0644)) == 0);
    MUST(sandbox_no_new_privileges(&e) == 0);
    rules = sandbox_files_begin(false, &e);
    MUST(rules >= 0);
    MUST(sandbox_files_allow(rules, "data", SANDBOX_DATA, &e) == 1);
    MUST(sandbox_files_allow(rules, "read", SANDBOX_READ, &e) == 1);
    MUST(sandbox_files_allow(rules, "log", SANDBOX_APPEND, &e) == 1);
    MUST(sandbox_files_allow(rules, "pid", SANDBOX_PUBLISH, &e) == 1);
    MUST(sandbox_files_allow(rules, "none", SANDBOX_DATA, &e) == 0);
    MUST(sandbox_files_enter(rules, &e) == 0);
    /* data */
    MUST(open("data/new", O_RDWR | O_CREAT | O_TRUNC, 0644) >= 0);
    MUST(link("data/new", "data/sub/linked") == 0 && rename("data/new", "data/sub/moved") == 0);
    MUST(mkdir("data/a", 0755) == 0 && rmdir("data/a") == 0 && unlink("data/sub/moved") == 0);
    FAILS(EACCES, symlink("x", "data/link"));
    FAILS(EACCES, mkfifo("data/fifo", 0644));
    /* elsewhere */
    FAILS(EACCES, open("x", O_RDONLY));
    FAILS(EACCES, open("made", O_WRONLY | O_CREAT, 0644));
    FAILS(EACCES, unlink("x"));
    FAILS(EXDEV, link("x", "data/stolen"));
    FAILS(EACCES, open("data/../x", O_RDONLY));
    MUST(sandbox_hides("x") && !sandbox_hides("read/x") && !sandbox_hides("none"));
    MUST(open("read/x", O_RDONLY) >= 0);
    FAILS(EACCES, open("read/x", O_WRONLY));
    FAILS(EACCES, unlink("read/x"));
    MUST(open("log/new", O_WRONLY | O_CREAT | O_APPEND, 0644) >= 0);
    FAILS(EACCES, open("log/new", O_RDONLY));
    FAILS(EACCES, unlink("log/new"));
    MUST(rename("pid/new", "pid/final") == 0);
    FAILS(EACCES, open("pid/final", O_WRONLY));
    MUST(unlink("pid/final") == 0);
    return HELD;
}

Test(sandbox, files_are_reached_by_the_rules_only) {
    char dir[] = "/tmp/stet-sandbox-XXXXXX", order[64];

    if (sandbox_files_abi() < 3) return;
    cr_assert(mkdtemp(dir));
    cr_expect_eq(in_child(files, dir), HELD);
    snprintf(order, sizeof order, "rm -r %s", dir);
    cr_assert_eq(system(order), 0);
}

/* ---------------------------------------------------------------- rights */

Test(sandbox, users_and_groups_are_found_or_named) {
    struct sandbox_user u;
    struct err e;

    cr_assert_eq(sandbox_find_user("no-such-user", NULL, &u, &e), -1);
    cr_assert_str_eq(e.text, "there is no user 'no-such-user'");
    cr_assert_eq(sandbox_find_user("root", "no-such-group", &u, &e), -1);
    cr_assert_str_eq(e.text, "there is no group 'no-such-group'");
    cr_assert_eq(sandbox_find_user("root", NULL, &u, &e), 0);
    cr_assert(u.uid == 0 && u.gid == 0);
}

static int without_capabilities(void *arg) {
    struct err e;

    (void)arg;
    MUST(sandbox_keep_capabilities(1ull << CAP_NET_BIND_SERVICE, &e) == 0);
    FAILS(EPERM, chroot("/"));
    FAILS(EPERM, setgid(1));
    MUST(open("/etc/shadow", O_RDONLY) < 0 || geteuid() == 0);
    return HELD;
}

static int another_user(void *arg) {
    struct sandbox_user u;
    struct err e;

    (void)arg;
    MUST(sandbox_find_user("nobody", NULL, &u, &e) == 0);
    MUST(sandbox_become(&u, &e) == 0);
    MUST(getuid() == u.uid && getegid() == u.gid);
    FAILS(EPERM, setuid(0));
    MUST(open("/proc/self/environ", O_RDONLY) >= 0); /* its own process is still its own */
    return HELD;
}

Test(sandbox, root_gives_up_its_rights) {
    if (geteuid() != 0) return;
    cr_assert_eq(in_child(without_capabilities, NULL), HELD);
    cr_assert_eq(in_child(another_user, NULL), HELD);
}
