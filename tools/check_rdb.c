/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stet-check-rdb - says whether a snapshot is whole, what is in it, and saves what is readable of
 * one that is not.
 *
 * It reads with the server's own rdb_read, so both agree on every input; words and exit codes are
 * redis-check-rdb's, but for the details of what is wrong with a value. Stricter than that tool in
 * two things, as the server is: every value is examined in full, and a key may not come twice.
 * Reads only; --salvage writes a new file.
 */
#include "persistence/rdb_format.h"
#include "persistence/rdb_salvage.h"
#include "storage/base/clock.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"
#include "storage/base/progress.h"
#include "tools/key_set.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LARGEST = 10 }; /* keys that are shown */

struct options {
    bool json;
    const char *salvage, *path;
};

struct large {
    char *key; /* as JSON */
    int db;
    unsigned type;
    uint64_t bytes;
};

/* A record that is not to be read: a damaged value, or a key that was there before. */
struct damage {
    char *key; /* as JSON, NULL: none was read */
    char *text;
    uint64_t at, bytes; /* bytes 0: up to the end */
    int db;
};

struct check {
    const struct options *o;
    int fd;
    int64_t now_ms;
    struct rdb_report report;
    uint64_t expires, expired, functions;
    uint64_t of_type[RDB_TYPES];
    uint64_t *db_keys; /* by number of the database */
    int ndbs;
    struct bytes aux; /* members of a JSON object */
    struct bytes key; /* the damaged one, as it is */
    struct key_set seen;
    struct large largest[LARGEST];
    int nlargest;
    struct damage *damaged;
    size_t ndamaged;
    struct rdb_salvage salvage;
    struct progress progress;
};

const char *argp_program_version = "stet-check-rdb " STET_VERSION;

/* ---------------------------------------------------------------- names */

static const struct {
    const char *redis, *type, *encoding;
} types[RDB_TYPES] = {
    [RDB_STRING] = {"string", "string", "raw"},
    [RDB_LIST] = {"list-linked", "list", "linkedlist"},
    [RDB_SET] = {"set-hashtable", "set", "hashtable"},
    [RDB_ZSET] = {"zset-v1", "zset", "skiplist"},
    [RDB_HASH] = {"hash-hashtable", "hash", "hashtable"},
    [RDB_ZSET_2] = {"zset-v2", "zset", "skiplist"},
    [RDB_MODULE] = {"module-value", "module", "module"},
    [RDB_MODULE_2] = {"module-value", "module", "module"},
    [RDB_HASH_ZIPMAP] = {"hash-zipmap", "hash", "zipmap"},
    [RDB_LIST_ZIPLIST] = {"list-ziplist", "list", "ziplist"},
    [RDB_SET_INTSET] = {"set-intset", "set", "intset"},
    [RDB_ZSET_ZIPLIST] = {"zset-ziplist", "zset", "ziplist"},
    [RDB_HASH_ZIPLIST] = {"hash-ziplist", "hash", "ziplist"},
    [RDB_LIST_QUICKLIST] = {"quicklist", "list", "quicklist of ziplists"},
    [RDB_STREAM] = {"stream", "stream", "stream"},
    [RDB_HASH_LISTPACK] = {"hash-listpack", "hash", "listpack"},
    [RDB_ZSET_LISTPACK] = {"zset-listpack", "zset", "listpack"},
    [RDB_LIST_QUICKLIST_2] = {"quicklist-v2", "list", "quicklist"},
    [RDB_STREAM_2] = {"stream-v2", "stream", "stream v2"},
    [RDB_SET_LISTPACK] = {"set-listpack", "set", "listpack"},
    [RDB_STREAM_3] = {"stream-v3", "stream", "stream v3"},
    [RDB_HASH_TIMED_EARLY] = {"hash-hashtable-md-pre-release", "hash", "hashtable with times"},
    [RDB_HASH_LISTPACK_TIMED_EARLY] = {"hash-listpack-md-pre-release", "hash",
                                       "listpack with times"},
    [RDB_HASH_TIMED] = {"hash-hashtable-md", "hash", "hashtable with times"},
    [RDB_HASH_LISTPACK_TIMED] = {"hash-listpack-md", "hash", "listpack with times"},
};

static const char *const doing[] = {
    [RDB_DOING_START] = "start",
    [RDB_DOING_TYPE] = "read-type",
    [RDB_DOING_EXPIRE] = "read-expire",
    [RDB_DOING_KEY] = "read-key",
    [RDB_DOING_VALUE] = "read-object-value",
    [RDB_DOING_SUM] = "check-sum",
    [RDB_DOING_LENGTH] = "read-len",
    [RDB_DOING_AUX] = "read-aux",
    [RDB_DOING_MODULE_AUX] = "read-module-aux",
    [RDB_DOING_FUNCTION] = "read-functions",
};

static const char *const sums[] = {[RDB_SUM_NONE] = "none",
                                   [RDB_SUM_OFF] = "disabled",
                                   [RDB_SUM_GOOD] = "ok",
                                   [RDB_SUM_WRONG] = "wrong"};

static void module_name(uint64_t id, char name[10]) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    id >>= 10; /* its version */
    for (int i = 8; i >= 0; i--, id >>= 6) name[i] = letters[id & 63];
    name[9] = '\0';
}

/* ---------------------------------------------------------------- output */

__attribute__((format(printf, 2, 3))) static void info(const struct check *c, const char *fmt,
                                                       ...) {
    va_list ap;

    if (c->o->json) return;
    printf("[offset %llu] ", (unsigned long long)c->report.at);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

/* Bytes that are no ASCII stand as the characters of the same number: nothing is lost. */
static void append_json(struct bytes *b, struct slice s) {
    bytes_append_char(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char ch = (unsigned char)s.p[i];

        if (ch == '"' || ch == '\\')
            bytes_printf(b, "\\%c", ch);
        else if (ch < 0x20 || ch >= 0x7f)
            bytes_printf(b, "\\u%04x", ch);
        else
            bytes_append_char(b, (char)ch);
    }
    bytes_append_char(b, '"');
}

static char *as_json(struct slice s) {
    struct bytes b = {0};
    char *text;

    append_json(&b, s);
    text = mem_strdup(bytes_cstr(&b));
    bytes_release(&b);
    return text;
}

/* The text of an error without its place, which is printed in front of it. */
static const char *reason(const struct err *e) {
    const char *at = strstr(e->text, "offset "), *last = at;

    for (; at; at = strstr(at + 1, "offset ")) last = at;
    if (last) last = strstr(last, ": ");
    return last ? last + 2 : e->text;
}

/* ---------------------------------------------------------------- what is read */

static int on_aux(void *arg, struct slice name, struct slice value, struct err *e) {
    struct check *c = arg;

    (void)e;
    info(c, "AUX FIELD %.*s = '%.*s'", (int)name.n, name.p, (int)value.n, value.p);
    if (c->aux.n) bytes_append_str(&c->aux, ", ");
    append_json(&c->aux, name);
    bytes_append_str(&c->aux, ": ");
    append_json(&c->aux, value);
    return 0;
}

static void on_select(void *arg, int db) {
    info(arg, "Selecting DB ID %d", db);
}

static void on_module_aux(void *arg, uint64_t id) {
    char name[10];

    module_name(id, name);
    info(arg, "MODULE AUX for: %s", name);
}

static int on_function(void *arg, struct slice code, struct err *e) {
    struct check *c = arg;

    (void)code;
    (void)e;
    c->functions++;
    return 0;
}

static void note_large(struct check *c, const struct rdb_key *k, struct slice key, uint64_t bytes) {
    int i;

    if (c->nlargest == LARGEST && bytes <= c->largest[LARGEST - 1].bytes) return;
    if (c->nlargest == LARGEST) mem_free(c->largest[--c->nlargest].key);
    for (i = c->nlargest++; i > 0 && c->largest[i - 1].bytes < bytes; i--)
        c->largest[i] = c->largest[i - 1];
    c->largest[i] = (struct large){as_json(key), k->db, k->type, bytes};
}

static void count_db(struct check *c, int db) {
    if (db >= c->ndbs) {
        int n = db + 16;

        if (n < 0 || n > 1 << 20) return; /* too many to count one by one */
        c->db_keys = mem_realloc(c->db_keys, (size_t)n * sizeof *c->db_keys);
        memset(c->db_keys + c->ndbs, 0, (size_t)(n - c->ndbs) * sizeof *c->db_keys);
        c->ndbs = n;
    }
    c->db_keys[db]++;
}

static void count_key(struct check *c, const struct rdb_key *k, struct slice key) {
    c->of_type[k->type]++;
    count_db(c, k->db);
    if (k->expire_ms != ENTRY_NO_EXPIRE) c->expires++;
    if (k->expire_ms != ENTRY_NO_EXPIRE && k->expire_ms < c->now_ms) c->expired++;
    if (c->o->json) note_large(c, k, key, c->report.at - k->at);
}

static void note_damage(struct check *c, const struct rdb_key *k, struct slice key,
                        const char *text) {
    struct damage *d;

    c->damaged = mem_realloc(c->damaged, (c->ndamaged + 1) * sizeof *d);
    d = &c->damaged[c->ndamaged++];
    *d = (struct damage){as_json(key), mem_strdup(text), k->at, 0, k->db};
    if (!c->o->salvage || c->o->json) return;
    printf("[offset %llu] Key %s of database %d is left out: %s\n", (unsigned long long)k->at,
           d->key, k->db, text);
}

static int on_key(void *arg, const struct rdb_key *k, struct entry *entry, struct err *e) {
    struct check *c = arg;
    struct slice key = entry_key(entry);
    int rc = 0;

    if (!key_set_has(&c->seen, k->db, key)) {
        count_key(c, k, key);
    } else if (c->o->salvage) {
        note_damage(c, k, key, "the key is there already");
        c->damaged[c->ndamaged - 1].bytes = c->report.at - k->at;
        rdb_salvage_leave_out(&c->salvage, k->at, c->report.at);
        c->report.keys--;
    } else {
        note_damage(c, k, key, "the key is there already");
        rc = err_set(e, EEXIST, "Duplicated key found in RDB file");
    }
    entry_free(entry);
    return rc;
}

static void on_passed(void *arg, const struct rdb_key *k, struct slice key) {
    count_key(arg, k, key);
}

static bool on_damaged(void *arg, const struct rdb_damage *d, uint64_t *next) {
    struct check *c = arg;

    note_damage(c, d->key, d->name, reason(d->e));
    bytes_clear(&c->key);
    bytes_append(&c->key, d->name.p, d->name.n);
    if (!c->o->salvage || !rdb_salvage_behind(&c->salvage, d, c->report.version, next))
        return false;
    c->damaged[c->ndamaged - 1].bytes = *next - d->key->at;
    rdb_salvage_leave_out(&c->salvage, d->key->at, *next);
    return true;
}

/* ---------------------------------------------------------------- reports */

/* In the words of redis-check-rdb where it has some. */
static void say_error(const struct check *c, const struct err *e) {
    const struct rdb_report *r = &c->report;

    puts("--- RDB ERROR DETECTED ---");
    if (e->code == ENODATA)
        info(c, "Unexpected EOF reading RDB file");
    else if (e->code == EBADMSG)
        info(c, "RDB CRC error");
    else if (e->code == EPROTO)
        info(c, "Wrong signature trying to load DB from file");
    else if (e->code == EPROTONOSUPPORT)
        info(c, "Can't handle RDB format version %d", r->version);
    else if (e->code == ENOTSUP)
        info(c, "Invalid object type: %s", strrchr(e->text, ' ') + 1);
    else if (e->code == EEXIST)
        info(c, "%s", e->text);
    else
        info(c, "Internal error in RDB reading offset %llu -> %s", (unsigned long long)r->at,
             reason(e));
    printf("[additional info] While doing: %s\n", doing[r->doing]);
    if (r->doing == RDB_DOING_VALUE)
        printf("[additional info] Reading key '%.*s'\n", (int)c->key.n, c->key.p);
    if (r->type >= 0)
        printf("[additional info] Reading type %d (%s)\n", r->type,
               types[r->type].redis ? types[r->type].redis : "unknown");
}

static void say_end(const struct check *c, const struct err *e) {
    uint64_t keys = c->report.keys;

    if (e) {
        say_error(c, e);
    } else {
        if (c->report.sum == RDB_SUM_GOOD) info(c, "Checksum OK");
        if (c->report.sum == RDB_SUM_OFF)
            info(c, "RDB file was saved with checksum disabled: no check performed.");
        info(c, "\\o/ RDB looks OK! \\o/");
    }
    if (e && c->report.doing == RDB_DOING_VALUE) keys++; /* that counts one whose name was read */
    printf("[info] %llu keys read\n", (unsigned long long)keys);
    printf("[info] %llu expires\n", (unsigned long long)c->expires);
    printf("[info] %llu already expired\n", (unsigned long long)c->expired);
}

static void json_types(const struct check *c) {
    static const char *const names[] = {"string", "list",   "set",   "zset",
                                        "hash",   "stream", "module"};
    const char *comma = "";

    printf(",\n \"types\": {");
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        const char *inner = "";
        uint64_t keys = 0;

        for (int t = 0; t < RDB_TYPES; t++)
            if (types[t].type && strcmp(types[t].type, names[n]) == 0) keys += c->of_type[t];
        if (keys == 0) continue;
        printf("%s\"%s\": {\"keys\": %llu, \"encodings\": {", comma, names[n],
               (unsigned long long)keys);
        for (int t = 0; t < RDB_TYPES; t++) {
            if (!types[t].type || strcmp(types[t].type, names[n]) != 0 || !c->of_type[t]) continue;
            printf("%s\"%s\": %llu", inner, types[t].redis, (unsigned long long)c->of_type[t]);
            inner = ", ";
        }
        printf("}}");
        comma = ", ";
    }
    printf("}");
}

static void json_lists(const struct check *c) {
    const char *comma = "";

    printf(",\n \"databases\": {");
    for (int i = 0; i < c->ndbs; i++) {
        if (!c->db_keys[i]) continue;
        printf("%s\"%d\": %llu", comma, i, (unsigned long long)c->db_keys[i]);
        comma = ", ";
    }
    printf("},\n \"largest\": [");
    for (int i = 0; i < c->nlargest; i++) {
        const struct large *l = &c->largest[i];

        printf("%s\n  {\"key\": %s, \"db\": %d, \"type\": \"%s\", \"encoding\": \"%s\", \"bytes\": "
               "%llu}",
               i ? "," : "", l->key, l->db, types[l->type].type, types[l->type].redis,
               (unsigned long long)l->bytes);
    }
    printf("],\n \"damaged\": [");
    for (size_t i = 0; i < c->ndamaged; i++) {
        const struct damage *d = &c->damaged[i];
        char *text;

        printf("%s\n  {\"key\": %s, \"db\": %d, \"offset\": %llu, ", i ? "," : "", d->key, d->db,
               (unsigned long long)d->at);
        if (d->bytes) printf("\"bytes\": %llu, ", (unsigned long long)d->bytes);
        text = as_json(slice_str(d->text));
        printf("\"why\": %s}", text);
        mem_free(text);
    }
    printf("]");
}

static void json_report(const struct check *c, const struct err *e) {
    const struct rdb_report *r = &c->report;
    char *path = as_json(slice_str(c->o->path)), *text = e ? as_json(slice_str(reason(e))) : NULL;

    printf("{\"file\": %s, \"valid\": %s, \"version\": %d, \"checksum\": \"%s\", \"bytes\": %llu",
           path, e || c->ndamaged ? "false" : "true", r->version, sums[r->sum],
           (unsigned long long)r->at);
    if (e)
        printf(",\n \"error\": {\"offset\": %llu, \"doing\": \"%s\", \"why\": %s}",
               (unsigned long long)r->at, doing[r->doing], text);
    printf(",\n \"keys\": %llu, \"expires\": %llu, \"expired\": %llu, \"empty_keys\": %llu, "
           "\"functions\": %llu, \"modules\": %llu",
           (unsigned long long)r->keys, (unsigned long long)c->expires,
           (unsigned long long)c->expired, (unsigned long long)r->empty_keys,
           (unsigned long long)c->functions, (unsigned long long)r->skipped_modules);
    json_types(c);
    json_lists(c);
    printf(",\n \"aux\": {%s}}\n", c->aux.n ? bytes_cstr(&((struct check *)c)->aux) : "");
    mem_free(path);
    mem_free(text);
}

/* ---------------------------------------------------------------- the whole */

static void on_progress(void *arg, uint64_t done, uint64_t total) {
    struct check *c = arg;

    (void)total;
    progress_at(&c->progress, done);
}

static const struct rdb_sink sink = {.aux = on_aux,
                                     .progress = on_progress,
                                     .key = on_key,
                                     .function = on_function,
                                     .select = on_select,
                                     .module_aux = on_module_aux,
                                     .passed = on_passed,
                                     .damaged = on_damaged};

/* What of the file was good: up to its end, or to the record that could not be read. */
static int end_salvage(struct check *c, bool failed) {
    const struct rdb_report *r = &c->report;
    uint64_t end = r->value_at;
    struct err e;

    if (failed && r->doing == RDB_DOING_START) {
        close(c->salvage.out.fd);
        io_unlink(c->salvage.dirfd, c->salvage.name, NULL);
        fprintf(stderr, "%s: nothing of it can be read, nothing was written\n", c->o->path);
        return -1;
    }
    if (end < c->salvage.copied) end = c->salvage.copied;
    if (rdb_salvage_end(&c->salvage, end, r->version, &e) < 0) {
        fprintf(stderr, "%s\n", e.text);
        return -1;
    }
    if (c->o->json) return 0;
    printf("[salvage] %llu keys written to %s\n", (unsigned long long)r->keys, c->o->salvage);
    if (r->sum == RDB_SUM_WRONG)
        puts("[salvage] The checksum did not hold: any of them may have changed");
    if (failed)
        printf("[salvage] Nothing after offset %llu could be read\n", (unsigned long long)end);
    return 0;
}

static void release(struct check *c) {
    for (int i = 0; i < c->nlargest; i++) mem_free(c->largest[i].key);
    for (size_t i = 0; i < c->ndamaged; i++) {
        mem_free(c->damaged[i].key);
        mem_free(c->damaged[i].text);
    }
    mem_free(c->damaged);
    key_set_release(&c->seen);
    mem_free(c->db_keys);
    bytes_release(&c->aux);
    bytes_release(&c->key);
}

static int read_file(struct check *c) {
    /* Values are examined and forgotten; that they stay packed saves time. */
    struct rdb_read o = {.rules = {.hash = {512, 64, PARTS_ALL},
                                   .set = {512, 128, 64, PARTS_ALL},
                                   .zset = {128, 64},
                                   .list = {.fill = -2}},
                         .checksum = !c->o->salvage,
                         .skip_modules = true,
                         .ndbs = INT_MAX};
    struct err e;
    bool failed = rdb_read(c->fd, &o, &sink, c, &c->report, &e) < 0;
    int rc = failed || c->ndamaged || c->report.sum == RDB_SUM_WRONG;

    progress_end(&c->progress);

    if (c->o->json)
        json_report(c, failed ? &e : NULL);
    else
        say_end(c, failed ? &e : NULL);
    if (c->o->salvage && end_salvage(c, failed) < 0) rc = 1;
    return rc;
}

static int run(const struct options *o) {
    struct check c = {.o = o, .fd = -1, .now_ms = clock_wall_ms(), .salvage = {.dirfd = -1}};
    char *out = mem_strdup(o->salvage ? o->salvage : ""), *out_dir = mem_strdup(out);
    struct err e = {0};
    struct io_stat st;
    int rc = 1;

    info(&c, "Checking RDB file %s", o->path);
    progress_begin(&c.progress, "check", io_stat(AT_FDCWD, o->path, &st) == 0 ? st.size : 0);
    c.fd = io_open_read(AT_FDCWD, o->path, &e);
    if (c.fd < 0) goto out;
    if (o->salvage) {
        c.salvage.dirfd = io_open_dir(dirname(out_dir), false, &e);
        if (c.salvage.dirfd < 0 ||
            rdb_salvage_begin(&c.salvage, c.fd, c.salvage.dirfd, basename(out), &e) < 0)
            goto out;
    }
    rc = read_file(&c);
out:
    if (e.code) fprintf(stderr, "%s\n", e.text);
    if (c.fd >= 0) close(c.fd);
    release(&c);
    mem_free(out);
    mem_free(out_dir);
    return rc;
}

/* ---------------------------------------------------------------- the command line */

enum { KEY_JSON = 1000, KEY_SALVAGE };

static const struct argp_option argp_options[] = {
    {"json", KEY_JSON, NULL, 0, "Print what was found as JSON", 0},
    {"salvage", KEY_SALVAGE, "OUT", 0, "Write what is readable into the new file OUT", 0},
    {0}};

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct options *o = state->input;

    switch (key) {
    case KEY_JSON: o->json = true; break;
    case KEY_SALVAGE: o->salvage = arg; break;
    case ARGP_KEY_ARG:
        if (o->path) argp_usage(state);
        o->path = arg;
        break;
    case ARGP_KEY_NO_ARGS: argp_usage(state); break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

int main(int argc, char **argv) {
    static const struct argp argp = {
        argp_options, parse_option, "FILE.rdb", "Checks the snapshots of stet and Redis.",
        NULL,         NULL,         NULL};
    struct options o = {0};
    const char *faults = getenv("STET_IO_FAULT");
    struct err e;

    mem_thread_init();
    if (faults && io_fault_parse(faults, &e) < 0) {
        fprintf(stderr, "STET_IO_FAULT: %s\n", e.text);
        return 1;
    }
    argp_err_exit_status = 1;
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    return run(&o);
}
