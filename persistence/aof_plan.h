/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_plan - what a start with --recover-to would load and leave out. Nothing is changed.
 */
#ifndef STET_PERSISTENCE_AOF_PLAN_H
#define STET_PERSISTENCE_AOF_PLAN_H

#include "persistence/aof_load.h"

struct aof_plan_file {
    struct aof_file f;
    uint64_t bytes, commands; /* of a base that is an RDB `commands` is its keys */
    uint64_t loaded_bytes, loaded_commands;
};

struct aof_plan {
    struct aof_plan_file *files; /* in the order of loading */
    size_t n;
    bool base_is_rdb;
    int64_t last_loaded_ms;              /* 0: the files do not say */
    int64_t first_left_ms, last_left_ms; /* what is left out; 0: nothing, or it says no time */
};

/* `done` of `total` bytes are read. */
struct aof_plan_watch {
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    void *arg;
};

/* Decides as aof_load() does. The AOF has to have a manifest. -1: such a start would be refused,
 * `e` says why. To be released in any case. At start, or where no server uses the directory. */
int aof_plan_recovery(const struct aof_names *names, const struct aof_moment *to,
                      const struct aof_plan_watch *watch, struct aof_plan *plan, struct err *e);
void aof_plan_release(struct aof_plan *plan);

#endif
