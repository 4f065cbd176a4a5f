/* SPDX-License-Identifier: BSD-3-Clause
 *
 * journal - the file between the two halves of the crash test: for each connection the state after
 * what was acknowledged, how many commands were sent, and the highest counter that its neighbour
 * saw. The structure as it is: both halves are one program.
 */
#ifndef STET_TESTS_CRASH_JOURNAL_H
#define STET_TESTS_CRASH_JOURNAL_H

#include "tests/crash/model.h"

enum { CONNS_MAX = 64 };

struct journal {
    int conns;
    struct entry {
        struct model acked;
        uint64_t sent, seen;
    } of[CONNS_MAX];
};

/* A missing file is an empty journal for `conns` connections. */
void journal_read(struct journal *j, const char *path, int conns);
void journal_write(const struct journal *j, const char *path);

/* The two halves; each returns the exit status of the program. crash_load() prints "ready" once it
 * is connected, and at the end how many commands were acknowledged. */
int crash_load(int port, const char *path, int conns);
int crash_verify(int port, const char *path);

#endif
