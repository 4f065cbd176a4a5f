/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/progress.h"

#include "storage/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { QUIET_US = 1000000, BAR_EVERY_US = 100000, LINE_EVERY_US = 5000000, BAR_CELLS = 30 };

void progress_begin(struct progress *p, const char *what, uint64_t total) {
    *p = (struct progress){.what = what, .total = total, .began_us = clock_real_ns() / 1000};
    p->is_terminal = isatty(STDERR_FILENO);
}

static double share_of(const struct progress *p, uint64_t done) {
    if (!p->total || done >= p->total) return 1;
    return (double)done / (double)p->total;
}

static unsigned seconds_left(const struct progress *p, double share, uint64_t now_us) {
    double past_s = (double)(now_us - p->began_us) / 1e6;

    return share > 0 ? (unsigned)(past_s * (1 - share) / share + 0.5) : 0;
}

static void draw_bar(struct progress *p, uint64_t done, uint64_t now_us) {
    double share = share_of(p, done);
    char cells[BAR_CELLS + 1];

    for (int i = 0; i < BAR_CELLS; i++) cells[i] = i < (int)(share * BAR_CELLS) ? '#' : '.';
    cells[BAR_CELLS] = '\0';
    fprintf(stderr, "\r%s [%s] %3d %%, %u s left\033[K", p->what, cells, (int)(share * 100),
            seconds_left(p, share, now_us));
    fflush(stderr);
    p->has_bar = true;
}

static void print_line(const struct progress *p, uint64_t done, uint64_t now_us) {
    double share = share_of(p, done);

    fprintf(stderr, "%s: %llu of %llu bytes (%d %%), %u s left\n", p->what,
            (unsigned long long)done, (unsigned long long)p->total, (int)(share * 100),
            seconds_left(p, share, now_us));
}

void progress_at(struct progress *p, uint64_t done) {
    uint64_t now_us = clock_real_ns() / 1000;
    uint64_t every = p->is_terminal ? BAR_EVERY_US : LINE_EVERY_US;

    if (now_us - p->began_us < QUIET_US) return;
    if (p->shown_us && now_us - p->shown_us < every) return;
    p->shown_us = now_us;
    if (p->is_terminal)
        draw_bar(p, done, now_us);
    else
        print_line(p, done, now_us);
}

void progress_end(struct progress *p) {
    if (p->has_bar) fputs("\r\033[K", stderr);
    p->has_bar = false;
}
