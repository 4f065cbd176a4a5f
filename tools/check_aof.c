/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stet-check-aof - says whether an append-only log is whole, and cuts what is not.
 *
 * Takes a manifest, an old single file, or one file of a log. Reads only, unless --fix or
 * --truncate-to-timestamp is given; then it refuses while a server has the directory locked. It
 * reads with the server's own aof_reader, so both agree on every input; words and exit codes are
 * redis-check-aof's.
 */
#include "persistence/aof_load.h"
#include "persistence/rdb.h"
#include "storage/base/clock.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"
#include "storage/base/rng.h"

#include <argp.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct options {
    bool fix, yes, json, has_timestamp;
    int64_t timestamp_ms;
    int64_t timestamp_given;
    const char *path;
};

struct check {
    const struct options *o;
    int dirfd;
    uint64_t lines;  /* over all files, as redis-check-aof counts */
    int64_t late_at; /* offset of the first unit behind the timestamp, -1: none */
    bool first_json;
    bool has_data; /* an increment holds commands */
    bool is_rdb;   /* the file under way is a base that is an RDB */
};

const char *argp_program_version = "stet-check-aof " STET_VERSION;

/* ---------------------------------------------------------------- output */

static void say(const struct check *c, const char *text) {
    if (!c->o->json) puts(text);
}

#define SAYF(c, ...)                                                                               \
    do {                                                                                           \
        if (!(c)->o->json) {                                                                       \
            printf(__VA_ARGS__);                                                                   \
            fflush(stdout);                                                                        \
        }                                                                                          \
    } while (0)

static void json_string(const char *s) {
    struct bytes b = {0};

    for (; *s; s++) {
        unsigned char ch = (unsigned char)*s;

        if (ch == '"' || ch == '\\')
            bytes_printf(&b, "\\%c", ch);
        else if (ch < 0x20)
            bytes_printf(&b, "\\u%04x", ch);
        else
            bytes_append_char(&b, *s);
    }
    printf("\"%s\"", b.n ? bytes_cstr(&b) : "");
    bytes_release(&b);
}

static void json_file(struct check *c, const char *name, const char *type,
                      const struct aof_report *r) {
    static const char *const verdicts[] = {"valid", "truncated", "corrupt", "refused",
                                           "unreadable"};

    if (!c->o->json) return;
    printf("%s\n  {\"file\": ", c->first_json ? "" : ",");
    c->first_json = false;
    json_string(name);
    printf(", \"type\": \"%s\", \"verdict\": \"%s\", \"size\": %llu, \"ok_up_to\": %llu, "
           "\"commands\": %llu, \"checksummed\": %s",
           type, verdicts[r->verdict], (unsigned long long)r->size, (unsigned long long)r->good,
           (unsigned long long)r->commands, r->has_header ? "true" : "false");
    if (r->verdict != AOF_WHOLE) {
        printf(", \"damage_at\": %llu, \"why\": ", (unsigned long long)r->at);
        json_string(r->why);
    }
    printf("}");
}

/* ---------------------------------------------------------------- one file */

static int on_command(void *arg, size_t argc, const struct slice *argv, struct err *e) {
    (void)arg;
    (void)argc;
    (void)argv;
    (void)e;
    return 0;
}

static void on_time(void *arg, uint64_t offset, int64_t ms) {
    struct check *c = arg;

    if (c->o->has_timestamp && c->late_at < 0 && ms > c->o->timestamp_ms)
        c->late_at = (int64_t)offset;
}

/* Everything in it is looked at as a server would, and forgotten. */
static int on_preamble(void *arg, int fd, uint64_t *end, struct err *e) {
    struct check *c = arg;
    struct rdb_read o = {.rules = {.hash = {.now_ms = HASH_ALL}, .list = {.fill = -2}},
                         .checksum = true,
                         .ndbs = INT_MAX};
    struct rdb_report r;

    if (!c->is_rdb) {
        say(c, "The AOF appears to start with an RDB preamble.");
        say(c, "Checking the RDB preamble to start:");
    }
    if (rdb_read(fd, &o, &(struct rdb_sink){0}, NULL, &r, e) < 0) {
        SAYF(c, "%s\n", e->text);
        say(c, "RDB preamble of AOF file is not sane, aborting.");
        return -1;
    }
    SAYF(c, "[info] %llu keys read\n", (unsigned long long)r.keys);
    if (!c->is_rdb) say(c, "RDB preamble is OK, proceeding with AOF tail...");
    *end = r.at;
    return 0;
}

static const struct aof_reader_ops ops = {
    .command = on_command, .time = on_time, .preamble = on_preamble};

static bool confirmed(const struct check *c) {
    char answer[8];

    if (c->o->yes) return true;
    SAYF(c, "Continue? [y/N]: ");
    if (fgets(answer, sizeof answer, stdin) && strncasecmp(answer, "y", 1) == 0) return true;
    say(c, "Aborting...");
    return false;
}

/* Behind a cut in a file of stet a new epoch begins: no position is used twice. */
static int begin_epoch(int fd, uint64_t at, const struct aof_report *r, struct err *e) {
    struct aof_epoch h = {.position = aof_position_at(&r->epoch, r->size),
                          .offset = at,
                          .epoch = r->epoch.epoch + 1,
                          .ms = clock_wall_ms()};
    char line[AOF_MARK_MAX];

    rng_system(&h.id, sizeof h.id);
    return io_write_all(fd, line, aof_mark_header(line, &h, r->epoch.id), NULL, e);
}

static int cut(struct check *c, const char *name, uint64_t at, const struct aof_report *r) {
    struct err e;
    int fd = io_open_append(c->dirfd, name, &e);

    if (fd < 0 || io_truncate(fd, (off_t)at, &e) < 0 ||
        (r->has_header && at > r->epoch.offset && begin_epoch(fd, at, r, &e) < 0) ||
        io_sync(fd, &e) < 0) {
        SAYF(c, "Failed to truncate AOF %s: %s\n", name, e.text);
        if (fd >= 0) close(fd);
        return 1;
    }
    close(fd);
    return 0;
}

static int cut_to_timestamp(struct check *c, const char *name, bool last,
                            const struct aof_report *r) {
    long long ts = (long long)c->o->timestamp_given;

    if (c->late_at < 0) {
        if (last) SAYF(c, "Truncate nothing in AOF %s to timestamp %lld\n", name, ts);
        return 0;
    }
    if (!last) {
        SAYF(c, "Failed to truncate AOF %s to timestamp %lld because it is not the last file\n",
             name, ts);
        return 1;
    }
    if (c->late_at == 0) {
        SAYF(c, "AOF %s has nothing before timestamp %lld, aborting...\n", name, ts);
        return 1;
    }
    if (cut(c, name, (uint64_t)c->late_at, r)) return 1;
    SAYF(c, "Successfully truncated AOF %s to timestamp %lld\n", name, ts);
    return -1; /* done, and no more to say of it */
}

static int fix(struct check *c, const char *name, bool last, const struct aof_report *r) {
    if (!c->o->fix) {
        SAYF(c, "AOF %s is not valid. Use the --fix option to try fixing it.\n", name);
        return 1;
    }
    if (!last) {
        SAYF(c, "Failed to truncate AOF %s because it is not the last file\n", name);
        return 1;
    }
    SAYF(c, "This will shrink the AOF %s from %llu bytes, with %llu bytes, to %llu bytes\n", name,
         (unsigned long long)r->size, (unsigned long long)(r->size - r->good),
         (unsigned long long)r->good);
    if (!confirmed(c)) return 1;
    if (cut(c, name, r->good, r)) return 1;
    SAYF(c, "Successfully truncated AOF %s\n", name);
    return -1;
}

/* 0 valid, 1 not, -1 cut and now valid. */
static int check_file(struct check *c, const char *name, const char *type, bool last) {
    struct aof_report r;
    struct err e;
    int fd = io_open_read(c->dirfd, name, &e);

    if (fd < 0) {
        SAYF(c, "Cannot open file %s: %s\n", name, strerror(e.code));
        return 1;
    }
    c->late_at = -1;
    aof_read_file(fd, &ops, c, &r);
    close(fd);
    json_file(c, name, type, &r);
    if (r.verdict == AOF_UNREADABLE) {
        SAYF(c, "AOF %s %s\n", name, r.why);
        return 1;
    }
    if (c->o->has_timestamp && r.verdict == AOF_WHOLE) {
        int rc = cut_to_timestamp(c, name, last, &r);

        if (rc) return rc;
        if (last) return 0;
    }
    c->lines += r.lines;
    if (strcmp(type, "incr") == 0) c->has_data |= r.has_data;
    if (r.verdict != AOF_WHOLE) SAYF(c, "0x%16llx: %s\n", (unsigned long long)r.at, r.why);
    SAYF(c, "AOF analyzed: filename=%s, size=%llu, ok_up_to=%llu, ok_up_to_line=%llu, diff=%llu\n",
         name, (unsigned long long)r.size, (unsigned long long)r.good, (unsigned long long)c->lines,
         (unsigned long long)(r.size - r.good));
    return r.verdict == AOF_WHOLE ? 0 : fix(c, name, last, &r);
}

/* ---------------------------------------------------------------- a log */

/* Increments that hold nothing but their header do not count: a switch was under way. */
static bool is_last(const struct check *c, const struct aof_manifest *m, size_t i) {
    for (size_t k = i + 1; k < m->n; k++)
        if (m->files[k].type == AOF_INCR && !aof_is_header_only(c->dirfd, m->files[k].name))
            return false;
    return m->files[i].type == AOF_INCR || i + 1 == m->n;
}

/* As the server sees it: see aof_load.c. */
static bool base_was_lost(const struct check *c, const struct aof_file *base) {
    int fd = base ? io_open_read(c->dirfd, base->name, NULL) : -1;
    bool empty = fd >= 0 && io_size(fd, NULL) == 0;

    if (fd >= 0) close(fd);
    if (!empty || !c->has_data || base->seq == 1) return false;
    SAYF(c, "BASE AOF %s is empty (0 bytes) while increments hold data: its contents were lost\n",
         base->name);
    return true;
}

static int check_manifest(struct check *c, const char *name) {
    struct aof_manifest m;
    struct err e;
    bool said_incr = false;
    int rc = 0;

    say(c, "Start checking Multi Part AOF");
    if (aof_manifest_read(c->dirfd, name, &m, &e) != 0) {
        SAYF(c, "%s\n", e.text);
        return 1;
    }
    if (aof_manifest_check_gaps(c->dirfd, &m, name, &e) < 0) {
        SAYF(c, "%s\n", e.text);
        rc = 1;
    }
    for (size_t i = 0; i < m.n && rc != 1; i++) {
        const struct aof_file *f = &m.files[i];

        if (f->type == AOF_HISTORY) continue;
        c->is_rdb = f->type == AOF_BASE && strstr(f->name, ".base.rdb");
        if (f->type == AOF_BASE)
            say(c, c->is_rdb ? "Start to check BASE AOF (RDB format)."
                             : "Start to check BASE AOF (RESP format).");
        if (f->type == AOF_INCR && !said_incr) say(c, "Start to check INCR files.");
        said_incr |= f->type == AOF_INCR;
        rc = check_file(c, f->name, f->type == AOF_BASE ? "base" : "incr", is_last(c, &m, i));
        if (rc == 0)
            SAYF(c, "%s AOF %s is valid\n", f->type == AOF_BASE ? "BASE" : "INCR", f->name);
    }
    if (rc != 1 && base_was_lost(c, aof_manifest_base(&m))) rc = 1;
    aof_manifest_release(&m);
    if (rc != 1) say(c, "All AOF files and manifest are valid");
    return rc == 1;
}

static bool looks_like_manifest(int dirfd, const char *name) {
    char head[5] = "";
    int fd = io_open_read(dirfd, name, NULL);
    size_t n = strlen(name);

    if (fd < 0) return false;
    if (io_read_at(fd, head, 4, 0, NULL) < 0) head[0] = '\0';
    close(fd);
    return strcmp(head, "file") == 0 || (n > 9 && strcmp(name + n - 9, ".manifest") == 0);
}

static int run(const struct options *o) {
    struct check c = {.o = o, .dirfd = -1, .lines = 0, .first_json = true};
    char *dir_copy = mem_strdup(o->path), *name_copy = mem_strdup(o->path);
    const char *name = basename(name_copy);
    struct err e;
    int rc;

    c.dirfd = io_open_dir(dirname(dir_copy), false, &e);
    if (c.dirfd < 0 || access(o->path, R_OK) < 0) {
        printf("Cannot open file %s: %s\n", o->path, strerror(errno));
        return 1;
    }
    if ((o->fix || o->has_timestamp) && io_exists(c.dirfd, ".lock") &&
        io_lock(c.dirfd, ".lock", 0, NULL, &e) < 0) {
        printf("Cannot change %s: a server is using its directory\n", o->path);
        return 1;
    }
    if (o->json) printf("{\"files\": [");
    if (looks_like_manifest(c.dirfd, name)) {
        rc = check_manifest(&c, name);
    } else {
        say(&c, "Start checking Old-Style AOF");
        rc = check_file(&c, name, "single", true);
        if (rc == 0) SAYF(&c, "AOF %s is valid\n", name);
        rc = rc == 1;
    }
    if (o->json) printf("\n], \"valid\": %s}\n", rc ? "false" : "true");
    mem_free(dir_copy);
    mem_free(name_copy);
    return rc;
}

/* ---------------------------------------------------------------- the command line */

enum { KEY_FIX = 1000, KEY_TIMESTAMP, KEY_JSON };

static const struct argp_option argp_options[] = {
    {"fix", KEY_FIX, NULL, 0, "Cut the last file back to where it is good (asks first)", 0},
    {"truncate-to-timestamp", KEY_TIMESTAMP, "N", 0,
     "Cut the last file before the first command later than N (unix time in s or ms)", 0},
    {"json", KEY_JSON, NULL, 0, "Print what was found as JSON", 0},
    {"yes", 'y', NULL, 0, "Do not ask", 0},
    {0}};

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct options *o = state->input;

    switch (key) {
    case KEY_FIX: o->fix = true; break;
    case KEY_JSON: o->json = true; break;
    case 'y': o->yes = true; break;
    case KEY_TIMESTAMP:
        if (!num_parse_i64(arg, strlen(arg), &o->timestamp_given) || o->timestamp_given < 0) {
            puts("Invalid timestamp, aborting...");
            exit(1);
        }
        /* Seconds until the year 5138, milliseconds since 1973. */
        o->timestamp_ms = o->timestamp_given < 100000000000 ? o->timestamp_given * 1000 + 999
                                                            : o->timestamp_given;
        o->has_timestamp = true;
        break;
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
    static const struct argp argp = {argp_options,
                                     parse_option,
                                     "FILE.manifest | FILE.aof",
                                     "Checks the append-only files of stet and Redis.",
                                     NULL,
                                     NULL,
                                     NULL};
    struct options o = {0};

    mem_thread_init();
    argp_err_exit_status = 1;
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    return run(&o);
}
