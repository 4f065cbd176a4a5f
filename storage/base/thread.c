/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/thread.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NAME_BYTES = 16, NICE_MAX = 19 };

/* A thread inherits the name of the one that starts it. (To name another thread is to open a file
 * below /proc, which the sandbox does not allow.) */
int thread_start(pthread_t *id, const char *name, void *(*run)(void *arg), void *arg) {
    char own[NAME_BYTES] = "", cut[NAME_BYTES];
    sigset_t all, old;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    snprintf(cut, sizeof cut, "%s", name ? name : "");
    prctl(PR_GET_NAME, own);
    if (name) prctl(PR_SET_NAME, cut);
    rc = pthread_create(id, NULL, run, arg);
    prctl(PR_SET_NAME, own);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

void thread_schedule(int policy, int nicer, uint64_t slice_ns) {
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime_ns, deadline_ns, period_ns;
    } attr = {.size = sizeof attr, .policy = (uint32_t)policy, .runtime_ns = slice_ns};

    attr.nice = getpriority(PRIO_PROCESS, 0) + nicer;
    if (attr.nice > NICE_MAX) attr.nice = NICE_MAX;
    syscall(SYS_sched_setattr, 0, &attr, 0);
}
