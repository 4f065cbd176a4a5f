/* SPDX-License-Identifier: BSD-3-Clause
 *
 * rdb - a whole data set in Redis' snapshot format: writing one, reading one, and single values as
 * DUMP and RESTORE carry them.
 *
 * Written is the lowest version that can express the data: 10, which Redis 7.0 loads; 12 if a field
 * of a hash has a time to live. A vector set is written as the module of Redis 8 writes it, which
 * no older server loads, a JSON document as RedisJSON does. Read are versions 1 to 12, every type
 * but those of other modules; and Valkey's version 80, without its hashes whose fields have a time
 * to live.
 *
 * The writer allocates little, takes no lock and does not log: it may run in a forked child. The
 * reader trusts nothing: lengths are bounded by what is left of the input, every value is
 * checked in full before it is handed on, and what does not hold is reported with its offset.
 *
 * Not here: when to save, forking, which of several files is loaded. Each call belongs to one
 * thread; none keeps anything between calls.
 */
#ifndef STET_PERSISTENCE_RDB_H
#define STET_PERSISTENCE_RDB_H

#include "storage/base/err.h"
#include "storage/ds/quicklist.h"
#include "storage/hash.h"
#include "storage/keyspace.h"
#include "storage/set.h"
#include "storage/zset.h"

enum { RDB_VERSION_MAX = 12 }; /* the highest one that is read */

/* Where the replication stream stood when the data set was as the file has it: the aux fields
 * "repl-id", "repl-offset" and "repl-stream-db". */
struct rdb_stream {
    char id[41]; /* "": nothing is said */
    uint64_t offset;
    int db; /* -1: none is selected */
};

/* ---------------------------------------------------------------- writing */

struct rdb_save {
    const struct keyspace *ks; /* must not change meanwhile */
    bool compress;             /* rdbcompression */
    bool checksum;             /* rdbchecksum; without it the checksum is written as 0 */
    bool incremental_fsync;    /* rdb-save-incremental-fsync: every 4 MB */
    bool aof_base;             /* what the aux field of that name says */
    uint64_t aof_position;     /* of a base: in the AOF; the aux field "aof-position" */
    bool valkey;               /* as Valkey 9 reads it, if fields have times */
    bool lru, lfu;             /* write idle times, or frequencies (one of them at the most) */
    uint32_t lru_clock;        /* seconds, 24 bits; for idle times */
    uint16_t lfu_minutes;      /* the clock of LFU; for frequencies */
    uint32_t lfu_decay;        /* minutes after which a frequency falls by one; 0: it does not */
    int64_t key_delay_us;      /* pause after each key; below 0: 1 us after so many */
    struct rdb_stream stream;
    size_t used_memory; /* what the aux field of that name says */
    /* Called now and then, and once at the end. -1 (with `e` set) gives up. May be NULL. */
    int (*progress)(void *arg, uint64_t keys_done, struct err *e);
    void *arg;
};

/* What was written; may be NULL where it is asked for. */
struct rdb_saved {
    uint64_t keys, bytes;
    int version;
};

/* Writes a whole file to `fd` from where it stands; with incremental_fsync the bytes up to the last
 * few MB are on the disk then, the caller syncs the rest. 0, or -1: what is there is to be thrown
 * away. */
int rdb_write(const struct rdb_save *o, int fd, struct rdb_saved *out, struct err *e);

/* Writes `name` in the directory: `temp` is written, synced, renamed to `name`, and the directory
 * synced. On failure the old file is as it was and `temp` is gone. */
int rdb_publish(const struct rdb_save *o, int dirfd, const char *name, const char *temp,
                struct rdb_saved *out, struct err *e);

/* ---------------------------------------------------------------- reading */

/* In which form the values that are read are kept; and what is due. The limits of listpacks are
 * those of the parameters named so. */
struct rdb_rules {
    bool skip_sum;          /* of a payload of DUMP: it is not compared */
    struct pace pace;       /* of reading a payload of DUMP */
    struct hash_rules hash; /* now_ms means nothing */
    struct set_rules set;
    struct zset_rules zset;
    struct ql_limits list;
};

/* What stands beside a key. */
struct rdb_key {
    int db;
    int64_t expire_ms; /* or ENTRY_NO_EXPIRE; the entry has it too */
    int64_t idle_s;    /* -1: not said */
    int freq;          /* 0..255, -1: not said */
    uint64_t at;       /* offset in the file where it begins */
    uint8_t type;      /* as the file has it */
};

/* A value that does not hold. */
struct rdb_damage {
    const struct rdb_key *key;
    struct slice name;
    uint64_t content_at; /* where the value begins, after its key */
    const struct err *e;
};

/* Receives what is read. A function that returns -1 has set `e` and ends the reading. Any may be
 * NULL: then that part is dropped (and an entry is freed). */
struct rdb_sink {
    int (*aux)(void *arg, struct slice name, struct slice value, struct err *e);
    /* Databases come one after the other; `keys` and `expires` are what the file announces, and
     * plausible for its size. */
    int (*size)(void *arg, int db, uint64_t keys, uint64_t expires, struct err *e);
    /* A key and its value; takes the entry over. */
    int (*key)(void *arg, const struct rdb_key *k, struct entry *e, struct err *err);
    /* A library of functions. */
    int (*function)(void *arg, struct slice code, struct err *e);
    /* The keys that follow are in this database. */
    void (*select)(void *arg, int db);
    /* Data of a module that belongs to no key, passed over. */
    void (*module_aux)(void *arg, uint64_t id);
    /* A key whose value is a module's, passed over (`skip_modules`). */
    void (*passed)(void *arg, const struct rdb_key *k, struct slice key);
    /* A value does not hold: true if the reading is to go on at *next. */
    bool (*damaged)(void *arg, const struct rdb_damage *d, uint64_t *next);
    /* Now and then: `done` of `total` bytes of the file are read. */
    void (*progress)(void *arg, uint64_t done, uint64_t total);
};

struct rdb_read {
    struct rdb_rules rules;
    bool checksum;     /* rdbchecksum: compare it, if there is one */
    bool skip_modules; /* values of modules are passed over, not an error */
    int ndbs;          /* a higher number of a database is an error */
    uint64_t start;    /* where in the file it begins */
};

/* What was being read; the names that redis-check-rdb gives them are in tools/check_rdb.c. */
enum rdb_doing {
    RDB_DOING_START,
    RDB_DOING_TYPE,
    RDB_DOING_EXPIRE,
    RDB_DOING_KEY,
    RDB_DOING_VALUE,
    RDB_DOING_SUM,
    RDB_DOING_LENGTH,
    RDB_DOING_AUX,
    RDB_DOING_MODULE_AUX,
    RDB_DOING_FUNCTION
};

enum rdb_sum {
    RDB_SUM_NONE, /* the version has none, or it was not reached */
    RDB_SUM_OFF,  /* the file was written without one */
    RDB_SUM_GOOD,
    RDB_SUM_WRONG
};

/* What was read, as far as it was. */
struct rdb_report {
    int version;
    uint64_t at; /* how far the reading got (in the functions of a sink too): an offset in the file,
                  * after the checksum if all is well */
    uint64_t value_at; /* where the key that was read last began */
    uint64_t keys, skipped_functions, skipped_modules, empty_keys;
    int64_t created; /* aux ctime, unix seconds; 0: not said */
    struct rdb_stream stream;
    enum rdb_doing doing;
    int type; /* of the value that was under way, -1: none, 0 before the first */
    enum rdb_sum sum;
};

/* Reads one RDB from a file that can be read at any offset; what follows it is left alone
 * (`report.at` says where that begins: in an AOF with a preamble the commands). -1 and an error
 * that names the offset, and the key where there is one. */
int rdb_read(int fd, const struct rdb_read *o, const struct rdb_sink *sink, void *arg,
             struct rdb_report *out, struct err *e);

/* Reads everything as a server does and keeps nothing. `modules`: what modules have written is
 * passed over; otherwise it is an error. */
int rdb_check(int fd, bool modules, struct rdb_report *out, struct err *e);

/* The same, and calls `progress` now and then. */
int rdb_check_slowly(int fd, bool modules,
                     void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
                     struct rdb_report *out, struct err *e);

/* What the checksum says of an RDB that takes the first `size` bytes of a file, whatever its
 * version and contents are. */
enum rdb_sum rdb_check_sum(int fd, uint64_t size);

/* Whether a file begins at `start` as an RDB of Redis or of Valkey does. */
bool rdb_is_one(int fd, uint64_t start);

/* ---------------------------------------------------------------- straight into a keyspace */

struct rdb_load {
    struct rdb_read read; /* ndbs is the keyspace's */
    struct keyspace *ks;
    int64_t drop_due_ms; /* keys that are due at this time are dropped; 0: all are kept, as in the
                          * base of an AOF (its increments say what became of them) */
    bool merge;          /* keys that are there already are replaced; otherwise they are an error */
    bool lru, lfu;       /* which of idle time and frequency counts now */
    uint32_t lru_clock;
    uint16_t lfu_minutes; /* the clock of LFU */
    uint8_t lfu_first;    /* the frequency of keys of which none is said */
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    void *arg;
    const int64_t *key_delay_us; /* see key_delay.h; looked at after each key. May be NULL */
    /* Takes a library of functions; NULL: they are skipped. */
    int (*library)(void *arg, struct slice code, bool replace, struct err *e);
    void *library_arg;
};

struct rdb_loaded {
    struct rdb_report report;
    uint64_t keys, due; /* loaded; dropped because their time was over */
};

/* Adds what a file holds to the keyspace. On failure what was read so far is in there. */
int rdb_load(int fd, const struct rdb_load *o, struct rdb_loaded *out, struct err *e);

/* ---------------------------------------------------------------- single values */

/* Appends the value of an entry as DUMP tells it: type, value, version, checksum. */
void rdb_dump(struct bytes *out, const struct entry *e, bool compress, const struct pace *pace);

/* The lowest version that can express the value. */
int rdb_oldest_version(const struct entry *e);

enum rdb_restored { RDB_RESTORED, RDB_BAD_SUM, RDB_BAD_DATA, RDB_EMPTY };

/* Makes an entry of a payload of DUMP; everything is checked, whatever sanitize-dump-payload says.
 * RDB_BAD_SUM: not a payload, a version from the future or a checksum that does not match.
 * RDB_EMPTY: a value without elements, or of fields that are all due. */
enum rdb_restored rdb_restore(struct slice payload, struct slice key, int64_t expire_ms,
                              const struct rdb_rules *rules, struct entry **out, int *version);

/* ---------------------------------------------------------------- libraries of functions */

/* Appends the libraries as FUNCTION DUMP tells them. */
void rdb_dump_libraries(struct bytes *out, const struct library *first, bool compress);

/* Calls `each` for every library of such a payload until it returns -1. -1: it did, or the payload
 * is none; `e` has what a client is told. */
int rdb_restore_libraries(struct slice payload,
                          int (*each)(void *arg, struct slice code, struct err *e), void *arg,
                          struct err *e);

#endif
