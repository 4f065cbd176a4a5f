/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conf - the parameters: their values, the configuration file, the command line, and the engine of
 * CONFIG GET, SET and REWRITE. It knows neither RESP nor what a parameter does.
 *
 * Modules read `conf_values(c)->tcp_backlog`: one field a row of params.def, named like the
 * parameter with '_' for '-'. The pointer stays good as long as the conf; strings and lists in it
 * last until the next CONFIG SET of that conf, so a caller that needs one longer copies it.
 *
 * Main thread only.
 */
#ifndef STET_CONF_H
#define STET_CONF_H

#include "storage/base/bytes.h"
#include "storage/base/err.h"

#include <stdint.h>
#include <stdio.h>

/* The version of Redis whose messages these are; also what INFO and HELLO answer, unless
 * compat-version says another one. */
#define CONF_REDIS_VERSION "7.2.4"

/* ---- types of values */

enum conf_compat { CONF_COMPAT_7_2, CONF_COMPAT_8_0 };
enum conf_fsync { CONF_FSYNC_EVERYSEC, CONF_FSYNC_ALWAYS, CONF_FSYNC_NO };
enum conf_access { CONF_ACCESS_NO, CONF_ACCESS_YES, CONF_ACCESS_LOCAL };
enum conf_log_format { CONF_LOG_LEGACY, CONF_LOG_LOGFMT, CONF_LOG_JSON };
enum conf_log_time { CONF_TIME_LEGACY, CONF_TIME_ISO, CONF_TIME_MS };
enum conf_log {
    CONF_LOG_DEBUG,
    CONF_LOG_VERBOSE,
    CONF_LOG_NOTICE,
    CONF_LOG_WARNING,
    CONF_LOG_NONE
};
enum conf_supervised {
    CONF_SUPERVISED_NO,
    CONF_SUPERVISED_AUTO,
    CONF_SUPERVISED_SYSTEMD,
    CONF_SUPERVISED_UPSTART
};
enum conf_oom { CONF_OOM_NO, CONF_OOM_RELATIVE, CONF_OOM_ABSOLUTE };
enum conf_pubsub { CONF_PUBSUB_ALL, CONF_PUBSUB_RESET };
enum conf_save_behavior { CONF_SAVE_SYNC, CONF_SAVE_BEST_EFFORT };
enum conf_version_check { CONF_VERSION_STRICT, CONF_VERSION_RELAXED };
enum conf_sanitize { CONF_SANITIZE_NO, CONF_SANITIZE_YES, CONF_SANITIZE_CLIENTS };
enum conf_io_backend { CONF_IO_AUTO, CONF_IO_EPOLL, CONF_IO_URING };
enum conf_tls_user { CONF_TLS_USER_OFF, CONF_TLS_USER_CN, CONF_TLS_USER_URI };
enum conf_tls_auth { CONF_TLS_AUTH_NO, CONF_TLS_AUTH_YES, CONF_TLS_AUTH_OPTIONAL };
enum conf_ack { CONF_ACK_RECEIVED, CONF_ACK_SYNCED };
enum conf_diskless { CONF_DISKLESS_DISABLED, CONF_DISKLESS_EMPTY_DB, CONF_DISKLESS_SWAPDB };
enum { CONF_CLUSTER_NODES_MAX = 64 }; /* emulated, with their replicas */
enum conf_endpoint { CONF_ENDPOINT_IP, CONF_ENDPOINT_HOSTNAME, CONF_ENDPOINT_UNKNOWN };
enum conf_propagation {
    CONF_PROPAGATION_IGNORE,
    CONF_PROPAGATION_PANIC,
    CONF_PROPAGATION_PANIC_ON_REPLICAS
};

/* Which keys may be evicted, and by what. */
enum conf_evict {
    CONF_EVICT_NONE,
    CONF_EVICT_VOLATILE_LRU,
    CONF_EVICT_VOLATILE_RANDOM,
    CONF_EVICT_VOLATILE_TTL,
    CONF_EVICT_ALLKEYS_LRU,
    CONF_EVICT_ALLKEYS_RANDOM,
    CONF_EVICT_VOLATILE_LFU, /* from here on a use of a key is not just noted with its time */
    CONF_EVICT_ALLKEYS_LFU,
    CONF_EVICT_VOLATILE_LRM, /* and from here on the time is that of its last change */
    CONF_EVICT_ALLKEYS_LRM
};

/* shutdown-on-sigint, -sigterm; none of them: the default way. */
enum conf_shutdown {
    CONF_SHUTDOWN_SAVE = 1 << 0,
    CONF_SHUTDOWN_NOSAVE = 1 << 1,
    CONF_SHUTDOWN_NOW = 1 << 2,
    CONF_SHUTDOWN_FORCE = 1 << 3,
    CONF_SHUTDOWN_SAFE = 1 << 4,
    CONF_SHUTDOWN_FAILOVER = 1 << 5
};

enum { CONF_BIND_MAX = 16 };
struct conf_bind {
    const char *addr[CONF_BIND_MAX]; /* a leading '-': not being able to bind is no error */
    size_t n;
};

struct conf_dir {
    const char *path; /* absolute; also the working directory of the process */
};

struct conf_save_point {
    int64_t seconds, changes;
};
struct conf_save {
    struct conf_save_point *points;
    size_t n;
};

enum conf_class { CONF_CLASS_NORMAL, CONF_CLASS_REPLICA, CONF_CLASS_PUBSUB, CONF_CLASSES };
struct conf_output_limit {
    uint64_t hard_bytes, soft_bytes; /* 0: none */
    int64_t soft_seconds;
};
struct conf_output_limits {
    struct conf_output_limit of[CONF_CLASSES];
};

enum conf_notify_flag {
    CONF_NOTIFY_KEYSPACE = 1 << 0,      /* K */
    CONF_NOTIFY_KEYEVENT = 1 << 1,      /* E */
    CONF_NOTIFY_GENERIC = 1 << 2,       /* g */
    CONF_NOTIFY_STRING = 1 << 3,        /* $ */
    CONF_NOTIFY_LIST = 1 << 4,          /* l */
    CONF_NOTIFY_SET = 1 << 5,           /* s */
    CONF_NOTIFY_HASH = 1 << 6,          /* h */
    CONF_NOTIFY_ZSET = 1 << 7,          /* z */
    CONF_NOTIFY_EXPIRED = 1 << 8,       /* x */
    CONF_NOTIFY_EVICTED = 1 << 9,       /* e */
    CONF_NOTIFY_STREAM = 1 << 10,       /* t */
    CONF_NOTIFY_KEY_MISS = 1 << 11,     /* m; not in A */
    CONF_NOTIFY_MODULE = 1 << 12,       /* d */
    CONF_NOTIFY_NEW = 1 << 13,          /* n; not in A */
    CONF_NOTIFY_OVERWRITTEN = 1 << 14,  /* o; not in A */
    CONF_NOTIFY_TYPE_CHANGED = 1 << 15, /* c; not in A */
};
struct conf_notify {
    unsigned flags;
};

struct conf_percentiles {
    double *p;
    size_t n;
};

struct conf_oom_values {
    int adj[3]; /* master, replica, child */
};

struct conf_replicaof {
    const char *host; /* NULL: a master */
    int port;
};

/* A password, of any bytes. */
struct conf_secret {
    char *p; /* NULL: none; a NUL follows */
    size_t n;
};

/* ---- the values */

struct conf_values {
#define BOOL(field, name, alias, flags, def)           bool field;
#define INT(field, name, alias, flags, min, max, def)  int64_t field;
#define SIZE(field, name, alias, flags, min, max, def) uint64_t field;
#define ENUM(field, name, alias, flags, words, def)    int field;
#define BITS(field, name, alias, flags, words, def)    unsigned field;
#define STRING(field, name, alias, flags, def)         const char *field;
#define SPECIAL(type, field, name, alias, flags, def)  type field;
#include "conf/params.def"
#undef BOOL
#undef INT
#undef SIZE
#undef ENUM
#undef BITS
#undef STRING
#undef SPECIAL
    bool port_auto; /* `port auto`: take a free one; `port` is 0 until conf_set_bound_port() */
};
/* maxmemory_clients below 0 is a percentage of maxmemory: -5 means 5%. */

struct conf;

/* The version of Redis that this server says it is. */
const char *conf_redis_version(const struct conf_values *v);

/* All defaults. `dir` is the working directory. */
struct conf *conf_new(void);
void conf_free(struct conf *c);
const struct conf_values *conf_values(const struct conf *c);

/* ---- loading, once, at start */

enum conf_err {
    CONF_ERR_VALUE = 1, /* a value that is not possible */
    CONF_ERR_LINE,      /* a line of the configuration; conf_report_error() has the whole story */
    CONF_ERR_OPEN,      /* the file, or one that it includes, cannot be read */
    CONF_ERR_UNKNOWN,   /* CONFIG SET of something that does not exist */
    CONF_ERR_REFUSED,   /* CONFIG SET: immutable, protected, named twice */
    CONF_ERR_APPLY,     /* CONFIG SET: an applier refused */
    CONF_ERR_NO_FILE,   /* CONFIG REWRITE without a configuration file */
    CONF_ERR_REWRITE    /* CONFIG REWRITE: the disk failed */
};

/* The command line of a server: `[FILE] [--name value ...] [-]`, argv[0] being the program. The
 * file is read first, then standard input where the last word is "-", then the options, so that
 * these win. Options that are not parameters (--version, --help) are the caller's, before this.
 * `dir` changes the working directory at once: later relative names follow it.
 * After a failure the conf is good for conf_report_error() and conf_free() only. */
int conf_load_args(struct conf *c, int argc, char **argv, struct err *e);

/* The same for a text in the form of a configuration file. */
int conf_load_text(struct conf *c, struct slice text, struct err *e);

/* One setting of a file that is checked. */
struct conf_checked {
    const char *path;
    size_t line;
    const char *name; /* as the table spells it, or the first word of an unknown line */
    bool is_known;
    const char *error; /* why a start would refuse it, or NULL */
};
typedef void (*conf_checked_fn)(void *arg, const struct conf_checked *s);

/* Reads the file as conf_load_args() would, but goes on after a wrong line: `fn` gets every
 * setting, in the order of reading. Opens no log file. -1: a start would refuse the file, or cannot
 * read it; `e` has the last reason. */
int conf_check_file(struct conf *c, const char *path, conf_checked_fn fn, void *arg, struct err *e);

/* Whether a file or the command line gave the parameter a value other than the default. */
bool conf_is_changed(const struct conf *c, const char *name);

/* The value as CONFIG GET shows it, appended to `out`. The name must exist. */
void conf_show(const struct conf *c, const char *name, struct bytes *out);

/* Prints the failure in Redis' words. CONF_ERR_LINE: the "FATAL CONFIG FILE ERROR" block, meant for
 * standard error. CONF_ERR_OPEN: one line, which callers may prefer to log. */
void conf_report_error(const struct conf *c, FILE *out);

/* Absolute path of the configuration file, or NULL. */
const char *conf_path(const struct conf *c);

/* REPLICAOF: CONFIG GET and REWRITE give this master from now on; NULL: none. */
void conf_set_replicaof(struct conf *c, const char *host, int port);

/* Sets the port that the operating system gave for `port auto`. */
void conf_set_bound_port(struct conf *c, int port);

/* Lines that are no parameters, in the order of the file, for the modules that understand them:
 * user, rename-command, loadmodule. argv[0] is the name, in lower case. */
struct conf_directive {
    size_t argc;
    const char *const *argv;
    size_t line;
    const char *text; /* the line */
};
const struct conf_directive *conf_directives(const struct conf *c, size_t *count);

/* Makes `reason` the error of the load, as if the loader had found it in this line. */
int conf_refuse_directive(struct conf *c, const struct conf_directive *d, const char *reason,
                          struct err *e);

/* ---- CONFIG GET */

typedef void (*conf_get_fn)(void *arg, struct slice name, struct slice value);

/* Calls `fn` once for every name that a pattern matches, in the table's order, aliases as names
 * of their own. A pattern without wildcards also finds hidden parameters and is reported as it
 * was spelled. */
void conf_get(const struct conf *c, const struct slice *patterns, size_t n, conf_get_fn fn,
              void *arg);

/* ---- CONFIG SET */

/* Called when a value has changed, after all values of the command were changed: `v` is what
 * conf_values() gives. May refuse; it must then leave its module as it was. */
typedef int (*conf_apply_fn)(void *arg, const struct conf_values *v, struct err *e);

/* Several appliers may hang on one parameter and one applier on several; one command calls each
 * pair of fn and arg once. The name must exist. Loading does not call appliers. */
void conf_on_apply(struct conf *c, const char *name, conf_apply_fn fn, void *arg);

/* The same for all parameters of a group: see the rows in params.def. */
enum conf_group { CONF_GROUP_NONE, CONF_GROUP_AOF, CONF_GROUP_TLS };
void conf_on_apply_group(struct conf *c, enum conf_group group, conf_apply_fn fn, void *arg);

/* Sets npairs parameters (pairs[0] name, pairs[1] value, ...): all, or none and `e` says why in
 * Redis' words (without the ERR). When an applier refuses, the values go back and the appliers
 * that had run are called again. `local`: the client is on this machine, which may lift the
 * protection of protected parameters. */
int conf_set(struct conf *c, const struct slice *pairs, size_t npairs, bool local, struct err *e);

/* The value must not be shown in logs, MONITOR and so on. */
bool conf_is_sensitive(struct slice name);

/* A change of it is recorded in the server log: a secret, where files go, which clients may
 * connect, what is promised of the data. */
bool conf_is_audited(struct slice name);

/* The value of aof-history-keep: a size ("512mb") or a time ("90s", "30min", "12h", "7d"); the
 * other is 0 then. False: it is neither. */
bool conf_history_keep(const char *text, uint64_t *bytes, int64_t *ms);

/* CONFIG SET of it is to be refused while the data set is being loaded. */
bool conf_denied_while_loading(struct slice name);

/* ---- CONFIG RELOAD */

/* Reads file and command line again, as at the start, into a configuration of its own. NULL: there
 * is no file, or it is wrong; `e` names file and line. Nothing has changed yet. */
struct conf_reload;
struct conf_reload *conf_reload_read(const struct conf *c, struct err *e);
void conf_reload_free(struct conf_reload *r);

const struct conf_values *conf_reload_values(const struct conf_reload *r);

/* Sets every parameter that differs and that CONFIG SET may change: all or none, with its appliers.
 * Those of files (certificates) are called even if nothing differs. `local`: as for conf_set(). */
int conf_reload_apply(struct conf *c, struct conf_reload *r, bool local, struct err *e);

/* After conf_reload_apply(): what differed. Secrets are not shown. */
enum conf_reload_kind { CONF_RELOADED, CONF_NEEDS_RESTART };
struct conf_difference {
    enum conf_reload_kind kind;
    const char *name;
    const char *running, *file; /* before the reload */
};
const struct conf_difference *conf_reload_differences(const struct conf_reload *r, size_t *n);

/* ---- CONFIG REWRITE */

/* Emits the lines that stand for one directive now (without line ends). */
typedef void (*conf_emit_fn)(void *ctx, struct slice line);
typedef void (*conf_lines_fn)(void *arg, conf_emit_fn emit, void *ctx);

/* The owner of a directive (the ACL: "user") emits its present lines. Without an owner the lines of
 * the file stay. */
void conf_on_rewrite(struct conf *c, const char *directive, conf_lines_fn fn, void *arg);

/* Writes the present values into the configuration file: lines are replaced where they stand,
 * comments and unknown lines stay, what is new goes to the end. The file is replaced as a whole,
 * by rename, and synced. */
int conf_rewrite(struct conf *c, struct err *e);

/* The same with a line for every parameter, the defaults too (for tests). */
int conf_rewrite_all(struct conf *c, struct err *e);

/* The two steps of it. The first one takes the values of now (`all`: as conf_rewrite_all) and does
 * not touch the disk; NULL: there is no file. The second one may run on any thread, once, and frees
 * `r`. Rewrites of one configuration have to end in the order in which they began. */
struct conf_rewriting;
struct conf_rewriting *conf_rewrite_begin(struct conf *c, bool all, struct err *e);
int conf_rewrite_finish(struct conf_rewriting *r, struct err *e);

#endif
