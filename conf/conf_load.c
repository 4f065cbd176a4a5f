/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conf_load - the text of a configuration, line by line.
 *
 * File, standard input and options of the command line are one text by the time they come here;
 * an included file is a text of its own with its own line numbers. The first wrong line ends it.
 */
#include "conf/conf_impl.h"

#include "storage/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INCLUDE_DEPTH_MAX = 64 }; /* deeper than any file that does not include itself */

struct load {
    struct conf *c;
    struct err *e;
    int depth;
    const char *path;        /* of the text that is read; for conf_check_file(), _load_again() */
    const char *base;        /* conf_load_again(): relative names begin there */
    conf_checked_fn checked; /* NULL: the first wrong line ends the load */
    void *arg;
    size_t refused;
};

struct line {
    size_t number;
    struct slice text; /* trimmed */
};

static int load_text(struct load *l, struct slice text);

/* ---- reporting errors */

int conf_fail(struct conf *c, enum conf_err code, size_t line, const char *text, const char *reason,
              struct err *e) {
    char *t = text ? mem_strdup(text) : NULL, *r = mem_strdup(reason);

    mem_free(c->failed_text);
    mem_free(c->failed_reason);
    c->failed = code;
    c->failed_line = line;
    c->failed_text = t;
    c->failed_reason = r;
    if (!t) return err_set(e, code, "%s", r);
    return err_set(e, code, "line %zu '%s': %s", line, t, r);
}

/* The line itself may hold a password; its first word does not. */
static int fail_again(struct load *l, struct line at, const char *reason) {
    size_t n = 0;

    while (n < at.text.n && n < 64 && !strchr(" \t\"'=", at.text.p[n])) n++;
    return err_set(l->e, CONF_ERR_LINE, "'%s', line %zu (%.*s): %s", l->path, at.number, (int)n,
                   at.text.p, reason);
}

static int fail_line(struct load *l, struct line at, const char *reason) {
    struct bytes text = {0};

    if (l->base) return fail_again(l, at, reason);
    bytes_append(&text, at.text.p, at.text.n);
    conf_fail(l->c, CONF_ERR_LINE, at.number, bytes_cstr(&text), reason, l->e);
    bytes_release(&text);
    return -1;
}

void conf_report_error(const struct conf *c, FILE *out) {
    if (!c->failed) return;
    if (c->failed == CONF_ERR_OPEN) {
        fprintf(out, "%s\n", c->failed_reason);
        return;
    }
    fprintf(out, "\n*** FATAL CONFIG FILE ERROR (Redis %s) ***\n", CONF_REDIS_VERSION);
    if (c->failed_text)
        fprintf(out, "Reading the configuration file, at line %zu\n>>> '%s'\n", c->failed_line,
                c->failed_text);
    fprintf(out, "%s\n", c->failed_reason);
}

int conf_refuse_directive(struct conf *c, const struct conf_directive *d, const char *reason,
                          struct err *e) {
    return conf_fail(c, CONF_ERR_LINE, d->line, d->text, reason, e);
}

/* ---- files */

static int cannot_open(struct conf *c, const char *path, struct err *e) {
    struct bytes text = {0};

    bytes_printf(&text, "Fatal error, can't open config file '%s': %s", path, strerror(errno));
    conf_fail(c, CONF_ERR_OPEN, 0, NULL, bytes_cstr(&text), e);
    bytes_release(&text);
    return -1;
}

int conf_read_file(struct conf *c, const char *path, struct bytes *out, struct err *e) {
    bool std = strcmp(path, "-") == 0;
    int fd = std ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0) return cannot_open(c, path, e);
    do {
        n = read(fd, bytes_room(out, 4096), 4096);
        if (n > 0) out->n += (size_t)n;
    } while (n > 0 || (n < 0 && errno == EINTR));
    if (n < 0) cannot_open(c, path, e);
    if (!std) close(fd);
    return n < 0 ? -1 : 0;
}

/* Only conf_load_again() has a base: the working directory may be another one by then. */
static const char *from_base(const struct load *l, const char *path, struct bytes *room) {
    if (!l->base || path[0] == '/') return path;
    bytes_printf(room, "%s/%s", l->base, path);
    return bytes_cstr(room);
}

/* A pipe that the server was started with ("/dev/fd/63") is another descriptor of ours by now, and
 * reading it could wait for ever. */
static int expect_regular(const char *path, struct err *e) {
    struct stat st;

    if (stat(path, &st) < 0 || S_ISREG(st.st_mode)) return 0;
    return err_set(e, CONF_ERR_OPEN, "'%s' is no regular file, and cannot be read again", path);
}

static int include_one(struct load *l, const char *path) {
    struct bytes text = {0}, full = {0};
    const char *outer = l->path;
    int rc;

    l->path = path = from_base(l, path, &full);
    rc = l->base ? expect_regular(path, l->e) : 0;
    if (rc == 0) rc = conf_read_file(l->c, path, &text, l->e);
    if (rc == 0) rc = load_text(l, bytes_slice(&text));
    l->path = outer;
    bytes_release(&text);
    bytes_release(&full);
    return rc;
}

/* A pattern that matches nothing is no error; a plain name is tried as it is. */
static int include(struct load *l, struct line at, const char *pattern) {
    struct bytes full = {0};
    glob_t found;
    int rc = 0;

    if (l->depth >= INCLUDE_DEPTH_MAX) return fail_line(l, at, "include is nested too deeply");
    if (!strpbrk(pattern, "*?[")) return include_one(l, pattern);
    rc = glob(from_base(l, pattern, &full), 0, NULL, &found);
    bytes_release(&full);
    if (rc != 0) return 0;
    for (size_t i = 0; i < found.gl_pathc && rc == 0; i++) rc = include_one(l, found.gl_pathv[i]);
    globfree(&found);
    return rc;
}

/* ---- lines */

static void keep_directive(struct conf *c, const struct conf_argv *words, struct line at) {
    struct conf_directive *d;
    const char **argv = mem_alloc(words->n * sizeof *argv);
    struct bytes text = {0};

    c->directives = mem_realloc(c->directives, (c->directive_count + 1) * sizeof *c->directives);
    d = &c->directives[c->directive_count++];
    for (size_t i = 0; i < words->n; i++) argv[i] = mem_strdup(words->v[i].p);
    for (char *p = (char *)argv[0]; *p; p++)
        if (*p >= 'A' && *p <= 'Z') *p += 'a' - 'A';
    bytes_append(&text, at.text.p, at.text.n);
    *d = (struct conf_directive){words->n, argv, at.number, mem_strdup(bytes_cstr(&text))};
    bytes_release(&text);
}

/* Lines that are no parameters. `keep`: remembered for conf_directives(). */
static const struct directive {
    const char *name;
    size_t argc_min, argc_max;
    bool keep;
} directives[] = {
    {"include", 2, 2, false},
    {"rename-command", 3, 3, true},
    {"user", 2, SIZE_MAX, true},
    {"loadmodule", 2, SIZE_MAX, true},
    /* Parameters of old versions: accepted and ignored. */
    {"list-max-ziplist-entries", 2, 2, false},
    {"list-max-ziplist-value", 2, 2, false},
};

static int load_directive(struct load *l, const struct conf_argv *words, struct line at) {
    for (size_t i = 0; i < sizeof directives / sizeof *directives; i++) {
        const struct directive *d = &directives[i];

        if (!slice_is(words->v[0], d->name)) continue;
        if (words->n < d->argc_min || words->n > d->argc_max) break;
        if (d->keep) keep_directive(l->c, words, at);
        return slice_is(words->v[0], "include") ? include(l, at, words->v[1].p) : 0;
    }
    if (slice_is(words->v[0], "sentinel"))
        return fail_line(l, at, "sentinel directive while not in sentinel mode");
    return fail_line(l, at, "Bad directive or wrong number of arguments");
}

static bool is_directive(const struct conf_argv *words) {
    for (size_t i = 0; words->n && i < sizeof directives / sizeof *directives; i++)
        if (slice_is(words->v[0], directives[i].name)) return true;
    return false;
}

/* A parameter of several words may also come as one word with blanks. */
static int assign_row(struct load *l, const struct conf_row *r, const struct conf_argv *words,
                      struct line at) {
    struct conf_argv split = {0};
    struct err why;
    struct conf_assign a = {.row = r,
                            .v = &l->c->values,
                            .argv = words->v + 1,
                            .argc = words->n - 1,
                            .loading = true,
                            .again = l->c->seen[r - conf_rows],
                            .base = l->base,
                            .e = &why};
    int rc;

    if (!(r->flags & CONF_WORDS) && a.argc != 1)
        return fail_line(l, at, "wrong number of arguments");
    if ((r->flags & CONF_WORDS) && a.argc == 1 && a.argv[0].n) {
        conf_argv_split(&split, a.argv[0]);
        a.argv = split.v;
        a.argc = split.n;
    }
    rc = conf_assign(&a);
    conf_argv_release(&split);
    if (rc < 0) return fail_line(l, at, why.text);
    l->c->seen[r - conf_rows] = true;
    if (strcmp(r->name, "dir") != 0) return 0;
    if (l->base)
        l->base = l->c->values.dir.path;
    else if (chdir(l->c->values.dir.path) < 0)
        return fail_line(l, at, strerror(errno));
    return 0;
}

/* conf_check_file(): reports the line and goes on. */
static int report_line(struct load *l, struct line at, const struct conf_argv *words, int rc) {
    const struct conf_row *r = words->n ? conf_find(words->v[0], NULL) : NULL;
    struct conf_checked s = {.path = l->path,
                             .line = at.number,
                             .name = r          ? r->name
                                     : words->n ? words->v[0].p
                                                : "",
                             .is_known = r || rc == 0 || is_directive(words),
                             .error = rc < 0 ? l->c->failed_reason : NULL};

    l->refused += rc < 0;
    l->checked(l->arg, &s);
    return 0;
}

static int load_line(struct load *l, struct line at) {
    struct conf_argv words = {0};
    const struct conf_row *r;
    int rc = 0;

    if (!conf_argv_parse(&words, at.text)) {
        rc = fail_line(l, at, "Unbalanced quotes in configuration line");
    } else if (words.n) {
        r = conf_find(words.v[0], NULL);
        rc = r ? assign_row(l, r, &words, at) : load_directive(l, &words, at);
    }
    if (l->checked) rc = report_line(l, at, &words, rc);
    conf_argv_release(&words);
    return rc;
}

static int load_text(struct load *l, struct slice text) {
    struct line at = {0};
    int rc = 0;

    l->depth++;
    while (text.n && rc == 0) {
        const char *end = memchr(text.p, '\n', text.n);
        size_t n = end ? (size_t)(end - text.p) : text.n;

        at.number++;
        at.text = conf_trim(slice_of(text.p, n));
        if (at.text.n && at.text.p[0] != '#') rc = load_line(l, at);
        n += end != NULL;
        text = slice_of(text.p + n, text.n - n);
    }
    l->depth--;
    return rc;
}

/* Emulated nodes are nodes of a cluster, each with a listener of its own. */
static int check_cluster(struct conf *c, struct err *e) {
    struct conf_values *v = &c->values;
    int64_t nodes = v->cluster_emulate_nodes * (1 + v->cluster_emulate_replicas);

    if (nodes > CONF_CLUSTER_NODES_MAX)
        return conf_fail(c, CONF_ERR_LINE, 0, NULL,
                         "cluster-emulate-nodes and cluster-emulate-replicas make more than 64 "
                         "nodes",
                         e);
    if (nodes > 0) v->cluster_enabled = true;
    if (v->cluster_enabled && v->replicaof.host)
        return conf_fail(c, CONF_ERR_LINE, 0, NULL,
                         "replicaof directive not allowed in cluster mode", e);
    return 0;
}

/* Checks that need the whole configuration. */
static int check_whole(struct conf *c, struct err *e) {
    const struct conf_values *v = &c->values;
    int fd;

    if (v->logfile[0]) {
        fd = open(v->logfile, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0) {
            struct bytes why = {0};

            bytes_printf(&why, "Can't open the log file: %s", strerror(errno));
            conf_fail(c, CONF_ERR_LINE, 0, NULL, bytes_cstr(&why), e);
            bytes_release(&why);
            return -1;
        }
        close(fd);
    }
    return check_cluster(c, e);
}

int conf_load_text(struct conf *c, struct slice text, struct err *e) {
    struct load l = {.c = c, .e = e};

    if (load_text(&l, text) < 0) return -1;
    return check_whole(c, e);
}

int conf_load_again(struct conf *c, const struct conf *of, struct err *e) {
    static const char fatal[] = "Fatal error, ";
    struct load l = {.c = c, .e = e, .base = of->start_dir};
    size_t n = strlen(fatal);

    mem_free((char *)c->values.dir.path);
    c->values.dir.path = mem_strdup(of->start_dir);
    if (include_one(&l, of->path) < 0) {
        if (strncmp(e->text, fatal, n) == 0) memmove(e->text, e->text + n, strlen(e->text + n) + 1);
        return -1;
    }
    l.path = "command line";
    if (load_text(&l, bytes_slice(&of->options)) < 0) return -1;
    return check_cluster(c, e);
}

int conf_check_file(struct conf *c, const char *path, conf_checked_fn fn, void *arg,
                    struct err *e) {
    struct load l = {.c = c, .e = e, .checked = fn, .arg = arg};

    if (include_one(&l, path) < 0 || check_cluster(c, e) < 0) return -1;
    return l.refused ? -1 : 0;
}
