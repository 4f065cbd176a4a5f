/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/replication/resolve.h"

#include "storage/base/mem.h"
#include "storage/base/thread.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct resolve {
    char *host;
    void (*wake)(void *arg);
    void *arg;
    pthread_mutex_t mu;
    bool done, dropped; /* under mu */
    struct addresses found;
    int rc; /* of getaddrinfo */
};

static int look_up(const char *host, int flags, struct addresses *out) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags}, *list = NULL;
    int rc = getaddrinfo(host, NULL, &hints, &list);

    out->n = 0;
    if (rc != 0) return rc;
    for (struct addrinfo *a = list; a && out->n < RESOLVE_MAX; a = a->ai_next)
        if (getnameinfo(a->ai_addr, a->ai_addrlen, out->ip[out->n], RESOLVE_IP_CHARS, NULL, 0,
                        NI_NUMERICHOST) == 0)
            out->n++;
    freeaddrinfo(list);
    return 0;
}

bool resolve_at_once(const char *host, struct addresses *out) {
    return look_up(host, AI_NUMERICHOST, out) == 0 && out->n > 0;
}

static void release(struct resolve *r) {
    pthread_mutex_destroy(&r->mu);
    mem_free(r->host);
    mem_free(r);
}

static void *run(void *arg) {
    struct resolve *r = arg;
    struct addresses found;
    bool dropped;
    int rc;

    mem_thread_init();
    rc = look_up(r->host, 0, &found);
    pthread_mutex_lock(&r->mu);
    r->found = found;
    r->rc = rc;
    r->done = true;
    dropped = r->dropped;
    if (!dropped) r->wake(r->arg);
    pthread_mutex_unlock(&r->mu);
    if (dropped) release(r);
    return NULL;
}

struct resolve *resolve_start(const char *host, void (*wake)(void *arg), void *arg) {
    struct resolve *r = mem_calloc(sizeof *r);
    pthread_t thread;

    r->host = mem_strdup(host);
    r->wake = wake;
    r->arg = arg;
    pthread_mutex_init(&r->mu, NULL);
    if (thread_start(&thread, "resolve", run, r) != 0) {
        release(r);
        return NULL;
    }
    pthread_detach(thread);
    return r;
}

bool resolve_take(struct resolve *r, struct addresses *out, struct err *e) {
    bool done;

    pthread_mutex_lock(&r->mu);
    done = r->done;
    pthread_mutex_unlock(&r->mu);
    if (!done) return false;
    *out = r->found;
    if (out->n == 0)
        err_set(e, EHOSTUNREACH, "%s", r->rc ? gai_strerror(r->rc) : "the name has no address");
    return true;
}

void resolve_drop(struct resolve *r) {
    bool done;

    if (!r) return;
    pthread_mutex_lock(&r->mu);
    done = r->done;
    r->dropped = true;
    pthread_mutex_unlock(&r->mu);
    if (done) release(r);
}
