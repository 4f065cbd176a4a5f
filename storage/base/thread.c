/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/thread.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

enum { NAME_BYTES = 16 };

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
