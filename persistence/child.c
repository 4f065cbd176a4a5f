/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/child.h"

#include "storage/base/clock.h"
#include "storage/base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STEP_BACK = 5 /* of niceness: a third of the weight */ };

enum message_kind { MSG_PROGRESS = 1, MSG_ERROR = 2 };

struct message {
    int kind;
    struct child_progress progress;
    int code;
    char text[256]; /* with the rest below PIPE_BUF: arrives whole */
};

static void become_child(pid_t parent) {
    struct sigaction dfl = {.sa_handler = SIG_DFL};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1); /* it died before the line above */
    sigaction(SIGTERM, &dfl, NULL);
    sigaction(SIGINT, &dfl, NULL);
    sigaction(SIGUSR1, &dfl, NULL);
    sigaction(SIGCHLD, &dfl, NULL);
}

/* A child computes for as long as it is let. Where it shares a core with the event loop, the loop
 * is to run as soon as it has something to do; while the loop is busy too, the child still gets a
 * quarter of the core. */
static void step_back(void) {
    thread_schedule(SCHED_BATCH, STEP_BACK, 0);
}

int child_start(struct child *c, int (*run)(void *arg, int report_fd), void *arg, struct err *e) {
    int fds[2];
    uint64_t began = clock_real_ns() / 1000;
    pid_t parent = getpid(), pid;

    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
        return err_set(e, errno, "pipe: %s", strerror(errno));
    pid = fork();
    if (pid < 0) {
        int code = errno;

        close(fds[0]);
        close(fds[1]);
        return err_set(e, code, "fork: %s", strerror(code));
    }
    if (pid == 0) {
        close(fds[0]);
        become_child(parent);
        step_back();
        _exit(run(arg, fds[1]));
    }
    close(fds[1]);
    *c = (struct child){.pid = pid, .pipe = fds[0], .started_us = began};
    c->heard_us = clock_real_ns() / 1000;
    c->fork_us = c->heard_us - began;
    return 0;
}

void child_poll(struct child *c) {
    struct message m;

    while (c->pid && read(c->pipe, &m, sizeof m) == (ssize_t)sizeof m) {
        c->heard_us = clock_real_ns() / 1000;
        if (m.kind == MSG_PROGRESS) c->progress = m.progress;
        if (m.kind == MSG_ERROR) err_set(&c->error, m.code, "%.*s", 255, m.text);
    }
}

int child_reap(struct child *c, int *status) {
    pid_t got;

    if (!c->pid) return 0;
    got = waitpid(c->pid, status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR)) return 0;
    if (got < 0) *status = 255 << 8; /* another call collected it: count it as failed */
    child_poll(c);
    close(c->pipe);
    c->pid = 0;
    return 1;
}

void child_kill(struct child *c, int sig) {
    if (c->pid) kill(c->pid, sig);
}

bool child_is_silent(const struct child *c) {
    return clock_real_ns() / 1000 - c->heard_us > CHILD_SILENCE_S * 1000000ull;
}

void child_report(int fd, const struct child_progress *p) {
    struct message m = {.kind = MSG_PROGRESS, .progress = *p};

    if (write(fd, &m, sizeof m) < 0) return; /* a full pipe: the parent is busy, and will live */
}

void child_fail(int fd, const struct err *e) {
    struct message m = {.kind = MSG_ERROR, .code = e->code};

    snprintf(m.text, sizeof m.text, "%.255s", e->text);
    if (write(fd, &m, sizeof m) < 0) return;
}

uint64_t child_private_dirty(void) {
    char line[256];
    unsigned long kb, sum = 0;
    FILE *f = fopen("/proc/self/smaps_rollup", "re");

    if (!f) return 0;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "Private_Dirty: %lu kB", &kb) == 1) sum += kb;
    fclose(f);
    return (uint64_t)sum * 1024;
}
