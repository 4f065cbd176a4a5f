/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/load_progress.h"

#include "server/supervisor.h"
#include "storage/base/log.h"

#include <stdio.h>

enum {
    TELL_EVERY_US = 1000 * 1000,
    LOG_EVERY_US = 10 * 1000 * 1000,
    /* What a start may take until the next message: one large value on a slow disk is long. */
    EXTEND_US = 120 * 1000 * 1000
};

static double mb(uint64_t bytes) {
    return (double)bytes / (1024 * 1024);
}

static void describe(char *out, size_t n, uint64_t done, uint64_t total, uint64_t passed_us) {
    double left_s = done ? (double)(total - done) / (double)done * (double)passed_us / 1e6 : 0;
    int len = snprintf(out, n, "Loading the data set: %u %% (%.1f of %.1f MB)",
                       (unsigned)((double)done / (double)total * 100), mb(done), mb(total));

    if (passed_us >= TELL_EVERY_US && len > 0 && (size_t)len < n)
        snprintf(out + len, n - (size_t)len, ", about %.0f s left", left_s);
}

void load_progress_tell(struct load_progress *p, uint64_t done, uint64_t total, uint64_t now_us) {
    char text[160], lines[256];

    if (total == 0 || p->started) return;
    if (done > total) done = total;
    if (!p->began_us) p->began_us = p->logged_us = now_us;
    if (p->told_us && now_us - p->told_us < TELL_EVERY_US) return;
    p->told_us = now_us;
    describe(text, sizeof text, done, total, now_us - p->began_us);
    snprintf(lines, sizeof lines, "STATUS=%s\nEXTEND_TIMEOUT_USEC=%d", text, EXTEND_US);
    supervisor_tell(lines);
    if (now_us - p->logged_us < LOG_EVERY_US) return;
    p->logged_us = now_us;
    log_notice("%s", text);
}
