/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/watchdog.h"

#include "server/process.h"
#include "storage/base/log.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static timer_t timer;
static int64_t period; /* ms, 0: off */

static void on_alarm(int sig) {
    int was = errno;

    (void)sig;
    process_write("\n--- WATCHDOG TIMER EXPIRED ---\n");
    process_write_stack();
    process_write("--------\n\n");
    errno = was;
}

static int make_timer(void) {
    static bool made;
    struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};

    if (made) return 0;
    ev.sigev_notify_thread_id = gettid();
    if (sigaction(SIGALRM, &sa, NULL) < 0 || timer_create(CLOCK_MONOTONIC, &ev, &timer) < 0)
        return -1;
    made = true;
    return 0;
}

static void wind(int64_t ms) {
    struct itimerspec in = {.it_value = {ms / 1000, ms % 1000 * 1000000}};

    timer_settime(timer, 0, &in, NULL);
}

void watchdog_set(int64_t period_ms) {
    if (period_ms == 0 && period == 0) return;
    if (make_timer() < 0) {
        log_warning("Cannot start the watchdog: %s", strerror(errno));
        return;
    }
    period = period_ms;
    wind(period);
}

void watchdog_wind(void) {
    if (period) wind(period);
}
