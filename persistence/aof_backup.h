/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_backup - copies of the AOF as it was at one moment, made of hard links while the server goes
 * on; and a start from one.
 *
 *   IDLE --start--> STARTING --> OPEN --seal--> ROTATING --> LINKING --> IDLE
 *                                OPEN --abort, or the time is over--> REMOVING --> IDLE
 *   IDLE --remove--> REMOVING --> IDLE
 *
 *   STARTING   a thread makes `<dir>/<id>.partial` and links what no longer grows: the base and all
 *              increments but the last, so that copying them elsewhere can begin
 *   OPEN       the server goes on, rewrites included
 *   ROTATING   the AOF goes to a new increment: what is in the old ones ends at this position
 *   LINKING    a thread links what is missing, removes what a rewrite has made useless, writes the
 *              manifest, and gives the directory its name `<dir>/<id>`
 *   A step that fails, or an AOF that is no longer on, leads back to OPEN or IDLE with the reason.
 *
 * A directory without `.partial` is whole and durable. It is an AOF like any other: Redis loads it
 * too. Files are copied where they cannot be linked (another file system). Main thread only, but
 * for what the header says of threads.
 */
#ifndef STET_PERSISTENCE_AOF_BACKUP_H
#define STET_PERSISTENCE_AOF_BACKUP_H

#include "persistence/aof_load.h"

enum aof_backup_phase {
    BACKUP_IDLE,
    BACKUP_STARTING,
    BACKUP_OPEN,
    BACKUP_ROTATING,
    BACKUP_LINKING,
    BACKUP_REMOVING,
    BACKUP_PHASES
};

enum { BACKUP_DIR_MAX = 2048, BACKUP_ID_MAX = 64 };

struct aof_backup {
    enum aof_backup_phase phase;
    bool waits; /* STARTING, LINKING, REMOVING: the thread is not there yet */
    char dir[BACKUP_DIR_MAX], id[BACKUP_ID_MAX];
    int64_t started_ms, ends_ms; /* wall clock; ends_ms 0: no deadline */
    uint64_t position;           /* of the switch: the backup ends there */
    bool failed;                 /* the last step; `why` says how */
    char why[512];
    /* the last one that was sealed */
    char last_id[BACKUP_ID_MAX];
    char last_dir[BACKUP_DIR_MAX];
    uint64_t last_position, last_bytes;
    int64_t last_ms;
};

extern const char *const aof_backup_phase_name[BACKUP_PHASES];

struct aof;

/* Each begins a step that continues in the background (aof_backup_busy); -1: not possible now. */
int aof_backup_start(struct aof *a, const char *dir, int64_t ttl_ms, struct err *e);
int aof_backup_seal(struct aof *a, struct err *e);
int aof_backup_abort(struct aof *a, struct err *e);

/* Removes a backup, sealed or not; "": all that were never sealed. */
int aof_backup_remove(struct aof *a, const char *dir, const char *id, struct err *e);

bool aof_backup_busy(const struct aof *a);
const struct aof_backup *aof_backup_state(const struct aof *a);

/* One backup of a directory. */
struct aof_backup_entry {
    char id[BACKUP_ID_MAX];
    bool sealed;
    int64_t when_ms;   /* sealed: when that was; else when it last changed */
    uint64_t position; /* sealed: where it ends */
    uint64_t bytes, files;
};

struct aof_backup_list {
    struct aof_backup_entry *entries; /* in no order */
    size_t n;
    bool failed; /* no thread could be started */
};

/* Reads a directory on a thread. Returns the number of the reading that shows what is there from
 * now on; it is over when aof_backup_is_listed(). One reading serves all that asked before it
 * began. */
uint64_t aof_backup_list(struct aof *a, const char *dir);
bool aof_backup_is_listed(const struct aof *a, uint64_t reading);

/* The same at start, before other threads: calls `see` for each backup. */
void aof_backup_survey(const char *dir, void (*see)(void *arg, const struct aof_backup_entry *b),
                       void *arg);

/* An earlier process has sealed it: from now on the last one, if there was no later one. */
void aof_backup_note_last(struct aof *a, const char *dir, const struct aof_backup_entry *b);

/* What AOF_SEAL says. -1: it is not there, or it is no seal. Any thread. */
struct aof_seal {
    uint64_t position;
    int64_t ms;
};
int aof_seal_read(int dirfd, struct aof_seal *seal, struct err *e);

/* What the last reading found: empty if there is no such directory. */
const struct aof_backup_list *aof_backup_listed(const struct aof *a);

/* At start, before the AOF is looked at: makes the AOF's directory from a backup. Every file is
 * read and checked first; refused where there are data files already. */
int aof_backup_restore(const char *from, const struct aof_names *to, struct err *e);

/* Reads and checks every file of the backup of the AOF named `stem`; `m` is its manifest, to be
 * released in any case. -1: damaged or incomplete, `e` says which file and where. `progress` may be
 * NULL; `done` bytes are read of all files. Any thread. */
int aof_backup_check(int dirfd, const char *stem, struct aof_manifest *m,
                     void (*progress)(void *arg, uint64_t done), void *arg, struct err *e);

/* Makes AOF_RESTORED (aof_load.h), durably. */
int aof_mark_restored(int dirfd, struct err *e);

#endif
