/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stet-check-aof - says whether an append-only file is whole, repairs it, and saves what holds.
 *
 * Takes a manifest, an old single file, or one file of an AOF. Reads only, unless --fix or
 * --truncate-to-timestamp is given; then it refuses while a server has the directory locked. It
 * reads with the server's own aof_reader, so both agree on every input; words and exit codes are
 * redis-check-aof's.
 */
#include "tools/check_aof.h"

#include "storage/base/io.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

#include <argp.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *argp_program_version = "stet-check-aof " STET_VERSION;

/* ---------------------------------------------------------------- output */

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
    static const char *const verdicts[] = {"valid",   "truncated",  "corrupt",   "refused",
                                           "unknown", "unreadable", "unreadable"};

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

bool check_confirmed(const struct check *c) {
    char answer[8];

    if (c->o->yes) return true;
    SAYF(c, "Continue? [y/N]: ");
    if (fgets(answer, sizeof answer, stdin) && strncasecmp(answer, "y", 1) == 0) return true;
    SAYF(c, "Aborting...\n");
    return false;
}

static void begin_file(const struct check *c, const struct part *p, const char *type) {
    bool first_incr = p->f.type == AOF_INCR;

    for (size_t i = 0; i < c->nparts; i++) first_incr &= c->parts[i].f.type != AOF_INCR;
    if (strcmp(type, "base") == 0)
        SAYF(c, "Start to check BASE AOF (%s format).\n",
             strstr(p->f.name, ".base.rdb") ? "RDB" : "RESP");
    if (first_incr && strcmp(type, "incr") == 0) SAYF(c, "Start to check INCR files.\n");
}

void check_tell(struct check *c, const struct part *p, const char *type) {
    const struct aof_report *r = &p->r;
    const char *name = p->f.name;

    begin_file(c, p, type);
    json_file(c, name, type, r);
    if (!p->there) {
        SAYF(c, "Cannot open file %s: %s\n", name, strerror(ENOENT));
        return;
    }
    if (r->verdict > AOF_REFUSED) {
        SAYF(c, "AOF %s %s\n", name, r->why);
        return;
    }
    c->lines += r->lines;
    if (r->verdict != AOF_WHOLE) SAYF(c, "0x%16llx: %s\n", (unsigned long long)r->at, r->why);
    SAYF(c, "AOF analyzed: filename=%s, size=%llu, ok_up_to=%llu, ok_up_to_line=%llu, diff=%llu\n",
         name, (unsigned long long)r->size, (unsigned long long)r->good,
         (unsigned long long)c->lines, (unsigned long long)(r->size - r->good));
    if (r->verdict == AOF_WHOLE && c->is_manifest)
        SAYF(c, "%s AOF %s is valid\n", p->f.type == AOF_BASE ? "BASE" : "INCR", name);
}

/* ---------------------------------------------------------------- an AOF */

static const char *name_of(const struct check *c, const struct problem *p) {
    return p->kind == PROBLEM_MANIFEST ? c->name : c->parts[p->at].f.name;
}

/* A manifest made of such files would name a base that is not finished. */
static bool first_start_did_not_end(const struct check *c) {
    return !io_exists(c->dirfd, c->name) && aof_creation_is_under_way(c->dirfd, c->stem);
}

static int check_manifest(struct check *c) {
    struct problem p;
    int rc = 0;

    SAYF(c, "Start checking Multi Part AOF\n");
    if (first_start_did_not_end(c)) {
        SAYF(c,
             "There is no manifest yet: the start that was to make the AOF did not end. There is "
             "nothing to repair, start the server again\n");
        return 0;
    }
    check_log(c, &p);
    if (p.kind != PROBLEM_NONE && !c->o->fix) {
        SAYF(c, "%s\n", p.text);
        if (p.kind != PROBLEM_UNREADABLE)
            SAYF(c, "AOF %s is not valid. Use the --fix option to try fixing it.\n",
                 name_of(c, &p));
        rc = 1;
    } else if (p.kind != PROBLEM_NONE) {
        rc = check_fix(c, &p);
    } else if (c->o->has_timestamp) {
        rc = check_truncate(c);
    }
    check_log_release(c);
    if (rc == 0) SAYF(c, "All AOF files and manifest are valid\n");
    return rc;
}

/* ---------------------------------------------------------------- a file alone */

static int truncate_single(struct check *c, const struct part *p) {
    long long ts = (long long)c->o->timestamp_given;
    const char *name = p->f.name;

    if (p->late_at < 0) {
        SAYF(c, "Truncate nothing in AOF %s to timestamp %lld\n", name, ts);
        return 0;
    }
    if (p->late_at == 0) {
        SAYF(c, "AOF %s has nothing before timestamp %lld, aborting...\n", name, ts);
        return 1;
    }
    return check_cut_single(c, p, (uint64_t)p->late_at);
}

static int check_single(struct check *c) {
    struct aof_file f = {.seq = 1, .type = AOF_BASE};
    struct part p;

    SAYF(c, "Start checking Old-Style AOF\n");
    snprintf(f.name, sizeof f.name, "%s", c->name);
    check_look(c, &f, &p);
    check_tell(c, &p, "single");
    if (p.r.verdict == AOF_WHOLE && c->o->has_timestamp) return truncate_single(c, &p);
    if (p.r.verdict == AOF_WHOLE) {
        SAYF(c, "AOF %s is valid\n", c->name);
        return 0;
    }
    if (p.r.verdict > AOF_REFUSED) return 1; /* no cut can mend it */
    if (!c->o->fix) {
        SAYF(c, "AOF %s is not valid. Use the --fix option to try fixing it.\n", c->name);
        return 1;
    }
    return check_cut_single(c, &p, p.r.good);
}

/* ---------------------------------------------------------------- the run */

static bool looks_like_manifest(int dirfd, const char *name) {
    char head[5] = "";
    int fd = io_open_read(dirfd, name, NULL);
    size_t n = strlen(name);

    if (fd < 0) return false;
    if (io_read_at(fd, head, 4, 0, NULL) < 0) head[0] = '\0';
    close(fd);
    return strcmp(head, "file") == 0 || (n > 9 && strcmp(name + n - 9, ".manifest") == 0);
}

/* appendfilename: what stands before ".manifest", or before ".<n>.incr.aof" and the like. */
static void find_stem(struct check *c) {
    static const char *const ends[] = {".manifest", ".incr.", ".base."};
    char *end = NULL;

    snprintf(c->stem, sizeof c->stem, "%s", c->name);
    for (size_t i = 0; i < 3 && !end; i++) end = strstr(c->stem, ends[i]);
    if (!end) return;
    *end = '\0';
    if (c->is_manifest) return;
    end = strrchr(c->stem, '.');
    if (end) *end = '\0';
}

/* The lock of the server; where there is no log of several files only one that is there. */
static int take_lock(const struct check *c) {
    struct err e;

    if (!c->o->fix && !c->o->has_timestamp) return 0;
    if (!c->is_manifest && !io_exists(c->dirfd, ".lock")) return 0;
    if (aof_check_unused(c->dirfd, c->stem, &e) == 0 &&
        io_lock(c->dirfd, AOF_LOCK, aof_lock_byte(c->stem), NULL, &e) >= 0)
        return 0;
    if (e.code == EWOULDBLOCK)
        printf("Cannot change %s: a server is using its directory\n", c->o->path);
    else
        printf("Cannot change %s: %s\n", c->o->path, e.text);
    return -1;
}

static bool is_manifest(int dirfd, const char *name) {
    size_t n = strlen(name);

    return (n > 9 && strcmp(name + n - 9, ".manifest") == 0) || looks_like_manifest(dirfd, name);
}

static int check_path(struct check *c) {
    const struct options *o = c->o;
    struct err e;
    int rc;

    c->dirfd = io_open_dir(c->dir, false, &e);
    c->is_manifest = c->dirfd >= 0 && is_manifest(c->dirfd, c->name);
    if (c->dirfd < 0 ||
        (access(o->path, R_OK) < 0 && !(c->is_manifest && (o->fix || o->salvage)))) {
        printf("Cannot open file %s: %s\n", o->path, strerror(errno));
        return 1;
    }
    find_stem(c);
    if (take_lock(c) < 0) return 1;
    if (o->salvage && !c->is_manifest) {
        printf("--salvage needs the manifest of the AOF\n");
        return 1;
    }
    if (o->salvage) return check_salvage(c);
    if (o->json) printf("{\"files\": [");
    rc = c->is_manifest ? check_manifest(c) : check_single(c);
    if (o->json) printf("\n], \"valid\": %s}\n", rc ? "false" : "true");
    return rc;
}

static int run(const struct options *o) {
    char *dir_copy = mem_strdup(o->path), *name_copy = mem_strdup(o->path);
    struct check c = {.o = o, .dirfd = -1, .first_json = true};
    int rc;

    c.dir = dirname(dir_copy);
    c.name = basename(name_copy);
    rc = check_path(&c);
    mem_free(dir_copy);
    mem_free(name_copy);
    return rc;
}

/* ---------------------------------------------------------------- the command line */

enum { KEY_FIX = 1000, KEY_TIMESTAMP, KEY_JSON, KEY_SALVAGE };

static const struct argp_option argp_options[] = {
    {"fix", KEY_FIX, NULL, 0,
     "Take out of the AOF what does not hold or does not join (asks first, and keeps it)", 0},
    {"salvage", KEY_SALVAGE, "OUT", 0,
     "Write everything that holds, also after damage, as a new AOF into the new directory OUT", 0},
    {"truncate-to-timestamp", KEY_TIMESTAMP, "N", 0,
     "Cut the AOF before the first command later than N (unix time in s or ms)", 0},
    {"json", KEY_JSON, NULL, 0, "Print what was found as JSON", 0},
    {"yes", 'y', NULL, 0, "Do not ask", 0},
    {0}};

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct options *o = state->input;

    switch (key) {
    case KEY_FIX: o->fix = true; break;
    case KEY_JSON: o->json = true; break;
    case KEY_SALVAGE: o->salvage = arg; break;
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
