/* SPDX-License-Identifier: BSD-3-Clause
 *
 * progress - how far long work is, on standard error: a bar on a terminal, else a line now and
 * then.
 *
 * Nothing is printed in the first second. Standard output is never touched.
 */
#ifndef STET_BASE_PROGRESS_H
#define STET_BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *what; /* the work: "verify" */
    uint64_t total;   /* bytes; 0: not known */
    uint64_t began_us, shown_us;
    bool is_terminal, has_bar;
};

void progress_begin(struct progress *p, const char *what, uint64_t total);

/* So many bytes are done. May be called often: it looks at the clock and returns. */
void progress_at(struct progress *p, uint64_t done);

/* Removes the bar. */
void progress_end(struct progress *p);

#endif
