/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/thread.h"

#include <signal.h>
#include <stdio.h>

int thread_start(pthread_t *id, const char *name, void *(*run)(void *arg), void *arg) {
    sigset_t all, old;
    char cut[16];
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(id, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0 || !name) return rc;
    snprintf(cut, sizeof cut, "%s", name);
    pthread_setname_np(*id, cut);
    return 0;
}
