/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/signals.h"

#include "storage/base/log.h"

#include <signal.h>
#include <unistd.h>

static void on_stop_signal(evutil_socket_t sig, short what, void *arg) {
    struct app *a = arg;

    bool is_under_way = a->stopping || a->stop_signal || a->stop_until_us;

    (void)what;
    if (is_under_way && sig == SIGINT) {
        log_warning("You insist... exiting now.");
        _exit(1);
    }
    log_warning("Received %s scheduling shutdown...", sig == SIGINT ? "SIGINT" : "SIGTERM");
    if (!is_under_way) a->stop_signal = sig;
}

void signals_obey(struct app *a) {
    unsigned how = a->stop_signal == SIGINT ? a->v->shutdown_on_sigint : a->v->shutdown_on_sigterm;

    a->stop_signal = 0;
    app_shutdown(a, how);
}

static void on_child_signal(evutil_socket_t sig, short what, void *arg) {
    struct app *a = arg;

    (void)sig;
    (void)what;
    loop_wake(&a->loop); /* for the AOF's child: its end may change what replies wait for */
    rdb_saver_poll(&a->engine.saver, a->engine.dirty);
}

static void on_reload_signal(evutil_socket_t sig, short what, void *arg) {
    struct app *a = arg;

    (void)sig;
    (void)what;
    a->reload = ADMIN_RELOAD_WANTED;
}

void signals_watch(struct app *a) {
    a->signals[0] = evsignal_new(a->loop.base, SIGTERM, on_stop_signal, a);
    a->signals[1] = evsignal_new(a->loop.base, SIGINT, on_stop_signal, a);
    a->signals[2] = evsignal_new(a->loop.base, SIGCHLD, on_child_signal, a);
    a->signals[3] = evsignal_new(a->loop.base, SIGHUP, on_reload_signal, a);
    for (int i = 0; i < 4; i++) event_add(a->signals[i], NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* A process whose parent has ended gets another one. Neither PR_SET_PDEATHSIG, which is about the
 * thread that called fork(), nor the loop's own timers, which follow the clock of a test, can tell.
 * A parent that ends before app_start() is not noticed. */
static void look_at_parent(evutil_socket_t fd, short what, void *arg) {
    struct app *a = arg;

    (void)fd;
    (void)what;
    if (getppid() == a->parent || a->stopping || a->stop_signal) return;
    log_warning("The parent process has ended (exit-with-parent), scheduling shutdown...");
    a->stop_signal = SIGTERM; /* once more after the next look, if the shutdown is refused */
}

void signals_watch_parent(struct app *a) {
    const struct timeval every = {0, 100000};

    if (!a->v->exit_with_parent) return;
    a->parent_watch = event_new(a->loop.base, -1, EV_PERSIST, look_at_parent, a);
    event_add(a->parent_watch, &every);
}

void signals_release(struct app *a) {
    for (int i = 0; i < 4; i++) event_free(a->signals[i]);
    if (a->parent_watch) event_free(a->parent_watch);
}
