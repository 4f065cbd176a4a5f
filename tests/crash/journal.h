/* SPDX-License-Identifier: BSD-3-Clause
 *
 * journal - the file between the two halves of the crash test: a line per connection with how many
 * commands were acknowledged, how many were sent, and the highest counter that its neighbour saw.
 */
#ifndef STET_TESTS_CRASH_JOURNAL_H
#define STET_TESTS_CRASH_JOURNAL_H

#include <stdint.h>

enum { CONNS_MAX = 64 };

struct journal {
    int conns;
    struct entry {
        uint64_t acked, sent, seen;
    } of[CONNS_MAX];
};

/* A missing file is an empty journal for `conns` connections. */
void journal_read(struct journal *j, const char *path, int conns);
void journal_write(const struct journal *j, const char *path);

/* The two halves; each returns the exit status of the program. */
int crash_load(int port, const char *path, int conns);
int crash_verify(int port, const char *path);

#endif
