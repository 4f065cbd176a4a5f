/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_internal - struct aof, shared by aof.c (appending and states), aof_files.c (rewrites),
 * aof_jobs.c (their steps that wait for the disk), aof_backup.c and aof_start.c (start and stop).
 */
#ifndef STET_PERSISTENCE_AOF_INTERNAL_H
#define STET_PERSISTENCE_AOF_INTERNAL_H

#include "persistence/aof.h"
#include "persistence/aof_age.h"
#include "persistence/aof_backup.h"
#include "persistence/aof_watch.h"

#include <pthread.h>
#include <stdatomic.h>

enum { AOF_PATH_MAX = 4096 + AOF_NAME_MAX, AOF_KEPT_NAME_MAX = AOF_NAME_MAX + 64 };

/* For a backup the AOF only goes to a new increment; there is no child. */
enum rewrite_purpose {
    RW_FOR_SIZE,
    RW_FOR_ENABLE,
    RW_FOR_RECOVERY,
    RW_FOR_BACKUP,
    RW_FOR_STREAM,  /* as for a backup: marks of the replication stream need a file of version 2 */
    RW_FOR_REPLACE, /* the base is there already: aof_enable_with() */
    RW_WHILE_OFF, /* BGREWRITEAOF while the AOF is off: a base, and an increment that stays empty */
};

/* What a file begins with: its header, and a batch that says where the replication stream is (if
 * there is one). Each of the two is synced before anything is written after it. */
enum { AOF_HEAD_MAX = 1024 };
struct aof_head {
    char text[AOF_HEAD_MAX];
    size_t header, n; /* bytes: of the header alone; of all of it */
};

/* The replication stream as the AOF has it (aof_stream_log.c). */
struct aof_stream_log {
    bool on;       /* `active` or `open`: appending has to look at it */
    bool active;   /* aof_stream_begin() was called, and what is appended is counted */
    bool expected; /* it begins soon: a new file may hold its marks */
    bool open;     /* the file says that the stream goes on: what it gets is marked */
    struct aof_stream_state state;
    struct aof_stream_state loaded; /* that the start has found */
    struct aof_stream_map map;      /* where its bytes stand */
};

/* A step that waits for the disk, on a thread of its own; the main thread collects it. */
struct aof_job {
    pthread_t thread;
    atomic_bool done;
    int (*run)(struct aof_job *job);
    struct aof *a; /* only its constant parts may be looked at: dirfd (if it is open), hooks */
    bool active;
    bool tried, published; /* a manifest: it may be on the disk; it is */
    bool foreign;          /* `manifest` is that of an AOF which this process has not loaded */
    int rc;
    struct err err;
    /* in and out */
    struct aof_manifest manifest;
    enum rewrite_purpose purpose;
    char stem[AOF_NAME_MAX], dirname[AOF_NAME_MAX], path[AOF_PATH_MAX];
    char base_tmp[AOF_NAME_MAX];
    struct aof_manifest doubtful;
    char current[AOF_NAME_MAX];                  /* the increment that is written */
    char incr[AOF_NAME_MAX], base[AOF_NAME_MAX]; /* made by it */
    int fd;                                      /* of the new increment */
    struct aof_writer_files files;               /* PUBLISH: it, opened for the writer's threads */
    struct aof_head head; /* PUBLISH: of the increment, where the writer has not got it yet */
    int dirfd, lock_fd;   /* PREPARE opens the directory if the AOF was off at the start */
    struct aof_keep keep;
    struct aof_epoch epoch;     /* of the increment after a base that was there already; if ... */
    bool marks;                 /* ... it has one */
    int64_t recovery_begins_ms; /* PUBLISH: the earliest moment that the files lead to */
    uint64_t base_bytes;        /* of a backup: all of it */
    uint64_t rdb_bytes;         /* of a base that is an RDB: less what follows it */
    char backup_dir[BACKUP_DIR_MAX], backup_id[BACKUP_ID_MAX];
    uint64_t backup_position;
};

/* BACKUP LIST: one thread at a time reads the directory, beside whatever job is at work. */
struct aof_listing {
    pthread_t thread;
    atomic_bool done;
    bool active;
    struct aof *a;
    char dir[BACKUP_DIR_MAX], wanted_dir[BACKUP_DIR_MAX]; /* that is read; that is read next */
    uint64_t asked, begun, ended;                         /* numbers of readings */
    struct aof_backup_list found, shown;                  /* the thread's; the last one's */
};

struct aof {
    struct keyspace *ks;
    struct aof_options o; /* its names point to `names` below */
    char names[4][4096];
    struct aof_hooks h;
    enum aof_phase phase;
    bool logs;           /* see aof_wants_commands */
    uint64_t enabled_at; /* appended when an enabling ended; see aof_info.phase */
    struct aof_writer *w;
    int dirfd;               /* its lock is the watch's */
    char path[AOF_PATH_MAX]; /* of the directory, since it was opened: 'dir' may change */
    struct aof_manifest manifest;
    bool foreign;          /* it names an AOF that was not loaded, and is about to be replaced */
    bool opening;          /* the directory is wanted */
    struct err open_error; /* why it could not be had */
    /* Made, and perhaps named by a manifest whose publishing failed. */
    struct aof_manifest doubtful;
    struct disposer *disposer;
    struct aof_watch *watch;
    bool unwatched; /* the watch does not know the files of now */

    /* the batch under way */
    struct bytes buf;
    size_t body;             /* where its commands begin */
    uint64_t batch_position; /* of its first byte */
    uint64_t appended;
    int db;         /* that the AOF has selected, -1: none */
    int64_t ts_sec; /* of the last #TS line */
    bool checksum;  /* of the file that is written; options apply to the next one */
    struct aof_epoch epoch;
    uint64_t next_epoch;
    uint64_t payload_end; /* end of the last batch of commands */
    struct aof_age age;   /* of the batches that are not synced */
    uint64_t marked_end;  /* up to where a synced mark vouches */
    uint64_t quiet_at;    /* appended at the last cron: nothing came if it is the same now */

    struct aof_stream_log stream;

    /* aof_enable_with(): what is appended before there is an increment waits in `held`. */
    bool replacing;
    char replacement[AOF_NAME_MAX];
    unsigned temps; /* names given out */
    struct bytes held;
    uint64_t held_after; /* payload_end before it */

    /* the rewrite */
    enum aof_rewrite_phase rw;
    enum rewrite_purpose purpose;
    bool scheduled;
    struct child child;
    struct aof_job job;
    char base_tmp[AOF_NAME_MAX];
    char current[AOF_NAME_MAX];    /* the increment that the writer has, or gets by a switch */
    char epoch_file[AOF_NAME_MAX]; /* the increment that the epoch is in: the writer may not have it
                                    * yet; empty: it has no name yet */
    char incr[AOF_NAME_MAX]; /* made by PREPARE, and not published yet unless is_named_first() */
    int incr_fd;             /* of it, for the switch */
    struct aof_head head;    /* of it, where the writer gets it later */
    uint64_t fork_position;
    uint64_t head_end; /* of it: position; 0: it is durable before the writer gets it, or empty */
    uint64_t join_began_us;
    uint64_t rewrite_began_us, retry_at_us;
    uint64_t keys_at_fork;

    struct aof_backup backup;
    struct aof_listing listing;

    /* figures */
    struct aof_writer_state st;
    struct aof_info info;
    uint64_t incr_bytes_before; /* increments of the manifest but for the current one */
};

extern const char *const aof_phase_name[AOF_PHASES];

/* Takes over options; the strings are copied, as those of a configuration go with its next change.
 */
void aof_keep_options(struct aof *a, const struct aof_options *o);

void aof_enter(struct aof *a, enum aof_phase to, const char *why);

/* aof_jobs.c: on a thread */
int aof_run_open(struct aof_job *job);
int aof_run_prepare(struct aof_job *job);
int aof_run_publish(struct aof_job *job);

/* The manifest names the new increment before there is anything else: an empty last one is legal.
 */
bool aof_is_named_first(enum rewrite_purpose p);

/* aof_files.c */
void aof_open_step(struct aof *a); /* called from cron, and when opening is wanted */
bool aof_rewrite_begin(struct aof *a, enum rewrite_purpose purpose);
void aof_rewrite_step(struct aof *a); /* called from cron and on wake */
void aof_rewrite_fork(struct aof *a); /* at a hand-over, in RW_FORK */
void aof_rewrite_abort(struct aof *a, const char *why);

/* What an earlier run of the AOF named `stem` has left. */
void aof_remove_temps(int dirfd, const char *stem);

/* `m` becomes the manifest of the AOF named `stem`, durably. Any thread. */
int aof_publish_manifest(int dirfd, const char *stem, const struct aof_manifest *m, struct err *e);

/* Writes `m` as "<stem>.manifest.before-TIME", whose name goes to `name`: in the manifest's place
 * it brings back an AOF that gives way to another. Nothing removes its files. Any thread. */
int aof_keep_manifest(int dirfd, const char *stem, const struct aof_manifest *m,
                      char name[AOF_KEPT_NAME_MAX], struct err *e);

/* Around the making of an AOF where there was none. The end must not be forgotten: a manifest that
 * is lost later would be taken for one that never was. Any thread. */
int aof_creation_begins(int dirfd, const char *stem, struct err *e);
int aof_creation_ends(int dirfd, const char *stem, struct err *e);

bool aof_job_start(struct aof *a, int (*run)(struct aof_job *));
bool aof_job_collect(struct aof *a); /* true once: it has ended */
void aof_job_release(struct aof_job *job);

/* aof_replace.c */

/* At a hand-over, in RW_FORK: the increment is there. */
void aof_replace_go_on(struct aof *a);
/* The replacement is given up: the next base is one of what is in memory. */
void aof_replace_forget(struct aof *a);

/* Only the increment changes, without a new base. */
bool aof_only_rotates(enum rewrite_purpose p);

/* aof_stream_log.c */

void aof_put_select(struct bytes *b, int db);

static inline void aof_put_unit(struct bytes *b, const struct aof_unit *u) {
    if (__builtin_expect(u->ncommands > 1, 0)) {
        bytes_append_str(b, "*1\r\n$5\r\nMULTI\r\n");
        bytes_append(b, u->resp.p, u->resp.n);
        bytes_append_str(b, "*1\r\n$4\r\nEXEC\r\n");
    } else {
        bytes_append(b, u->resp.p, u->resp.n);
    }
}

static inline void aof_count_appended(struct aof *a) {
    a->appended = a->batch_position + a->buf.n;
}

/* aof_append while stream.on. */
void aof_append_in_stream(struct aof *a, const struct aof_unit *u);

/* The batch that a new file of the epoch under way begins with, if the stream is on; its length. */
size_t aof_stream_head(struct aof *a, char *out);

/* The stream that a start has found goes on in the AOF, as long as nothing else is appended. */
void aof_stream_take_loaded(struct aof *a, const struct aof_loaded *l);

/* The stream that the files say goes on does not: they say so now. */
void aof_stream_leave(struct aof *a);

/* A base is made of what is in memory now; it is the manifest's, and `rdb_bytes` long (0: it is no
 * RDB). */
void aof_stream_note_base(struct aof *a);
void aof_stream_take_base(struct aof *a, uint64_t rdb_bytes);

/* The AOF is off, or its data set is another one: there is no stream. */
void aof_stream_forget(struct aof *a);

/* It needs a file that may hold its marks. */
static inline bool aof_stream_wants_file(const struct aof *a) {
    return a->stream.active && !a->stream.open && a->o.checksum && a->phase == AOF_ON;
}

/* aof_backup.c */
void aof_backup_step(struct aof *a); /* called from cron and on wake */

/* The AOF has gone to a new increment; or it could not (`error`). */
void aof_backup_rotated(struct aof *a, const char *error);

/* aof_backup_list.c */

/* Removes a directory of files, and syncs `dirfd`. Any thread. */
int aof_backup_remove_dir(int dirfd, const char *name, struct err *e);

void aof_listing_step(struct aof *a); /* called from cron and on wake */
bool aof_listing_stop(struct aof *a); /* true: no thread reads any more */

struct aof_opened {
    int dirfd, lock_fd;
    bool made_lock;
};

/* Opens (makes) and locks the directory of an AOF. -1: nothing is open. Any thread. `is_ours`: this
 * process has files of the AOF open for writing. */
int aof_open_directory(const char *dirname, const char *stem, bool is_ours, struct aof_opened *out,
                       struct err *e);

/* The directory's path, absolute if that of the working directory is known. */
void aof_directory_path(const struct aof_names *n, char path[AOF_PATH_MAX]);

/* aof.c */

/* The file `name` begins here, with a new epoch: writes to `head` what it begins with, which counts
 * as appended. */
void aof_begin_epoch(struct aof *a, const char *name, struct aof_head *head);

/* The same for a file that the writer has, or gets before what is pushed now. */
void aof_begin_file(struct aof *a, const char *name);

/* Pushes a head that ends at position `end`. */
void aof_push_head(struct aof *a, const struct aof_head *head, uint64_t end);

/* Writes a head to a file that the writer has not got. */
int aof_write_head(int fd, const struct aof_head *head, struct err *e);

/* Nothing that is appended now goes to a file. */
bool aof_has_no_file_yet(const struct aof *a);

/* Begins a batch if there is none, and says the time if that is wanted. */
void aof_batch_open(struct aof *a);

/* Ends a batch that begins at `position` of the AOF and at `p`: appends its trailer to `n` bytes,
 * begin mark included. Returns the trailer's length. */
size_t aof_batch_end(const struct aof *a, uint64_t position, char *p, size_t n);
void aof_close_batch(struct aof *a);

/* How a base is to be written if it is to be an RDB; NULL: as commands. */
const struct rdb_save *aof_rdb_options(const struct aof *a, struct rdb_save *o);

#endif
