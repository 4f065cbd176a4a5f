/* SPDX-License-Identifier: BSD-3-Clause */
#include "journal.h"

#include <stdlib.h>
#include <string.h>

void journal_init(struct journal *j) {
    struct model empty = {0};

    *j = (struct journal){.cap = 256};
    j->unit = malloc(j->cap * sizeof *j->unit);
    j->unit[0] = (struct unit){.print = model_print(&empty), .logged = true};
}

void journal_release(struct journal *j) {
    free(j->unit);
}

void journal_copy(struct journal *to, const struct journal *from) {
    *to = *from;
    to->unit = malloc(to->cap * sizeof *to->unit);
    memcpy(to->unit, from->unit, (from->n + 1) * sizeof *to->unit);
}

void journal_add(struct journal *j, struct unit u) {
    if (++j->n == j->cap) {
        j->cap *= 2;
        j->unit = realloc(j->unit, j->cap * sizeof *j->unit);
    }
    j->unit[j->n] = u;
}

static bool is_held(const struct journal *j, size_t i, uint64_t position) {
    if (i > j->n) return false;
    if (i <= j->covered) return true;
    return j->unit[i].logged && j->unit[i].position <= position;
}

void journal_progress(struct journal *j, uint64_t written, uint64_t synced) {
    size_t i;

    for (i = j->must_cut + 1; is_held(j, i, synced); i++) j->must_cut = i;
    for (i = j->must_kill + 1; i <= j->n; i++) {
        bool waits = j->unit[i].level == AOF_LEVEL_SYNCED;

        if (!is_held(j, i, waits ? synced : written)) break;
        j->must_kill = i;
    }
    if (j->must_kill < j->must_cut) j->must_kill = j->must_cut;
}

long journal_find(const struct journal *j, uint64_t print) {
    for (size_t i = j->n + 1; i-- > 0;)
        if (j->unit[i].print == print) return (long)i;
    return -1;
}

void journal_restart(struct journal *j, size_t n, uint64_t position, enum aof_level level) {
    j->n = n;
    for (size_t i = 0; i <= n; i++)
        j->unit[i] = (struct unit){
            .position = position, .print = j->unit[i].print, .level = level, .logged = true};
    j->must_kill = n;
    if (j->must_cut > n) j->must_cut = n;
    j->covered = 0;
}
