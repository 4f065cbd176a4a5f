/* SPDX-License-Identifier: BSD-3-Clause
 *
 * crash-client: the journalling client of the crash test (crash.py drives it).
 *
 *   crash-client load PORT JOURNAL CONNECTIONS    until the server is gone; prints what was done
 *   crash-client verify PORT JOURNAL              after the restart
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/crash/journal.h"

void journal_read(struct journal *j, const char *path, int conns) {
    FILE *f = fopen(path, "r");

    memset(j, 0, sizeof *j);
    j->conns = conns;
    if (!f) return;
    for (j->conns = 0; j->conns < CONNS_MAX; j->conns++) {
        struct entry *e = &j->of[j->conns];
        if (fscanf(f, "%" SCNu64 " %" SCNu64 " %" SCNu64, &e->acked, &e->sent, &e->seen) != 3)
            break;
    }
    fclose(f);
}

void journal_write(const struct journal *j, const char *path) {
    FILE *f = fopen(path, "w");

    if (!f) {
        perror(path);
        exit(2);
    }
    for (int i = 0; i < j->conns; i++)
        fprintf(f, "%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", j->of[i].acked, j->of[i].sent,
                j->of[i].seen);
    fclose(f);
}

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[1], "load") == 0)
        return crash_load(atoi(argv[2]), argv[3], atoi(argv[4]));
    if (argc == 4 && strcmp(argv[1], "verify") == 0) return crash_verify(atoi(argv[2]), argv[3]);
    fprintf(stderr, "usage: crash-client load PORT JOURNAL CONNECTIONS | verify PORT JOURNAL\n");
    return 2;
}
