/* SPDX-License-Identifier: BSD-3-Clause
 *
 * crash-client: the journalling client of the crash test (crash.py drives it).
 *
 *   crash-client load PORT JOURNAL CONNECTIONS    until the server is gone; prints what was done
 *   crash-client verify PORT JOURNAL              after the restart
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/crash/journal.h"

void journal_read(struct journal *j, const char *path, int conns) {
    FILE *f = fopen(path, "r");

    memset(j, 0, sizeof *j);
    j->conns = conns;
    for (int i = 0; i < CONNS_MAX; i++) model_init(&j->of[i].acked, i);
    if (!f) return;
    if (fread(j, sizeof *j, 1, f) != 1) {
        fprintf(stderr, "%s is no journal\n", path);
        exit(2);
    }
    fclose(f);
}

void journal_write(const struct journal *j, const char *path) {
    FILE *f = fopen(path, "w");

    if (!f || fwrite(j, sizeof *j, 1, f) != 1 || fclose(f) != 0) {
        perror(path);
        exit(2);
    }
}

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[1], "load") == 0)
        return crash_load(atoi(argv[2]), argv[3], atoi(argv[4]));
    if (argc == 4 && strcmp(argv[1], "verify") == 0) return crash_verify(atoi(argv[2]), argv[3]);
    fprintf(stderr, "usage: crash-client load PORT JOURNAL CONNECTIONS | verify PORT JOURNAL\n");
    return 2;
}
