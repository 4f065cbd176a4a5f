/* SPDX-License-Identifier: BSD-3-Clause
 *
 * rdb_saver - the RDB file of the data set: saved at once (SAVE) or by a forked child (BGSAVE).
 *
 *   IDLE --start--> CHILD --it ends, well or not--> IDLE
 *   IDLE --another child is running--> SCHEDULED --it is over--> CHILD
 *
 * A save is published as a whole or not at all: the old file stays as it was until then. The caller
 * counts changes and passes the number since it began to count; this module remembers how many of
 * them are saved. The file stands in the working directory (`dir`). Main thread only.
 */
#ifndef STET_PERSISTENCE_RDB_SAVER_H
#define STET_PERSISTENCE_RDB_SAVER_H

#include "persistence/child.h"
#include "persistence/disposer.h"
#include "persistence/rdb.h"

enum rdb_saver_phase { RDB_SAVER_IDLE, RDB_SAVER_SCHEDULED, RDB_SAVER_CHILD, RDB_SAVER_PHASES };

struct rdb_saver_hooks {
    void (*options)(void *arg, struct rdb_save *o, const char **file); /* as they are now */
    void (*on_fork)(void *arg);                                        /* in the child */
    bool (*may_fork)(void *arg); /* false: another child is running */
    void (*latency)(void *arg, const char *event, uint64_t us);
    void *arg;
};

struct rdb_saver {
    const struct keyspace *ks;
    struct rdb_saver_hooks h;
    enum rdb_saver_phase phase;
    struct child child;
    uint64_t changes_at_fork, saved_changes; /* by the caller's count */
    int64_t last_save_s, last_try_s;         /* unix time; the last that went well; the last one */
    bool last_ok;
    int64_t last_took_s; /* -1: there was none */
    uint64_t saves, last_cow_bytes, keys_at_fork;
    struct disposer *disposer; /* made when it is needed */
};

void rdb_saver_init(struct rdb_saver *s, const struct keyspace *ks,
                    const struct rdb_saver_hooks *h);
void rdb_saver_release(struct rdb_saver *s); /* no child is running */

/* Removes what saves that did not end have left in the working directory: the names say whose they
 * were, and processes that are still there keep theirs. */
void rdb_saver_remove_temps(void);

/* Writes the file now. 0, or -1 with the reason. */
int rdb_saver_save(struct rdb_saver *s, uint64_t changes, struct err *e);

/* Forks a child that writes it. -1: fork failed; the server log has the reason. */
int rdb_saver_start(struct rdb_saver *s, uint64_t changes);

/* As soon as no other child is running. */
void rdb_saver_schedule(struct rdb_saver *s);

/* Whenever a child may have ended, and now and then. */
void rdb_saver_poll(struct rdb_saver *s, uint64_t changes);

/* BGSAVE CANCEL: ends the child that is at work, or forgets what is scheduled; returns the phase
 * that it was in. The child is gone, and its file removed, at a later rdb_saver_poll(). */
enum rdb_saver_phase rdb_saver_abort(struct rdb_saver *s);

/* Ends a child that is at work, and forgets what is scheduled. Waits for the child's end, some
 * seconds at the most: before an exit only. */
void rdb_saver_cancel(struct rdb_saver *s);

static inline bool rdb_saver_running(const struct rdb_saver *s) {
    return s->phase == RDB_SAVER_CHILD;
}

#endif
