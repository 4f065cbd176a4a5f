/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conf_special - parameters whose value is a structure: lists and groups of words.
 *
 * Each type has a set (parses into a field that already holds a value), a format (CONFIG GET's
 * text, which set accepts) and, where it owns memory, own and release.
 */
#include "conf/conf_impl.h"

#include "storage/base/mem.h"
#include "storage/base/num.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

static bool no_words(const struct conf_assign *a) {
    return a->argc == 0 || (a->argc == 1 && a->argv[0].n == 0);
}

/* ---- bind */

static void bind_release(void *field) {
    struct conf_bind *b = field;

    for (size_t i = 0; i < b->n; i++) mem_free((char *)b->addr[i]);
    b->n = 0;
}

static void bind_own(void *field) {
    struct conf_bind *b = field;

    for (size_t i = 0; i < b->n; i++) b->addr[i] = mem_strdup(b->addr[i]);
}

/* One word without quotes: what CONFIG REWRITE writes is then read again as it was. */
static bool is_host(struct slice s) {
    for (size_t i = 0; i < s.n; i++)
        if (!isgraph((unsigned char)s.p[i]) || strchr("\"'", s.p[i])) return false;
    return s.n > 0;
}

static int bind_set(const struct conf_assign *a, void *field) {
    struct conf_bind *b = field;

    if (a->argc > CONF_BIND_MAX)
        return err_set(a->e, CONF_ERR_VALUE, "Too many bind addresses specified.");
    for (size_t i = 0; i < a->argc && !no_words(a); i++)
        if (!is_host(a->argv[i]))
            return err_set(a->e, CONF_ERR_VALUE, "Invalid bind address specified.");
    bind_release(b);
    if (no_words(a)) return 0;
    for (size_t i = 0; i < a->argc; i++) b->addr[i] = mem_strdup(a->argv[i].p);
    b->n = a->argc;
    return 0;
}

static void bind_format(const void *field, struct bytes *out) {
    const struct conf_bind *b = field;

    for (size_t i = 0; i < b->n; i++) bytes_printf(out, "%s%s", i ? " " : "", b->addr[i]);
}

const struct conf_ops conf_bind_ops = {bind_set, bind_format, bind_own, bind_release, NULL};

/* ---- secrets: of any bytes, NUL too */

static void secret_own(void *field) {
    struct conf_secret *s = field;

    if (s->p) s->p = mem_dup(s->p, s->n + 1);
}

static void secret_release(void *field) {
    struct conf_secret *s = field;

    if (s->p) explicit_bzero(s->p, s->n);
    mem_free(s->p);
    *s = (struct conf_secret){0};
}

static int secret_set(const struct conf_assign *a, void *field) {
    struct conf_secret *s = field;

    secret_release(s);
    if (a->argv[0].n == 0) return 0;
    s->p = mem_dup(a->argv[0].p, a->argv[0].n + 1); /* argv is NUL-terminated */
    s->n = a->argv[0].n;
    return 0;
}

static void secret_format(const void *field, struct bytes *out) {
    const struct conf_secret *s = field;

    bytes_append(out, s->p, s->n);
}

const struct conf_ops conf_secret_ops = {secret_set, secret_format, secret_own, secret_release,
                                         NULL};

/* ---- dir: checked and made absolute here; the code that commits the values changes the
 * directory */

static void dir_release(void *field) {
    mem_free((char *)((struct conf_dir *)field)->path);
}

static void dir_own(void *field) {
    struct conf_dir *d = field;

    if (d->path) d->path = mem_strdup(d->path);
}

static int dir_set(const struct conf_assign *a, void *field) {
    struct bytes inside = {0};
    char path[PATH_MAX], *found;

    if (a->base && a->argv[0].n && a->argv[0].p[0] != '/') bytes_printf(&inside, "%s/", a->base);
    /* realpath("file/.") fails where "file" is no directory, as chdir does. */
    bytes_printf(&inside, "%s%s", a->argv[0].p, a->argv[0].n ? "/." : "");
    found = realpath(bytes_cstr(&inside), path);
    bytes_release(&inside);
    if (!found) return err_set(a->e, CONF_ERR_VALUE, "%s", strerror(errno));
    dir_release(field);
    ((struct conf_dir *)field)->path = mem_strdup(path);
    return 0;
}

static void dir_format(const void *field, struct bytes *out) {
    const struct conf_dir *d = field;

    if (d->path) bytes_append_str(out, d->path);
}

const struct conf_ops conf_dir_ops = {dir_set, dir_format, dir_own, dir_release, NULL};

/* ---- save: in a file the lines add up, the first one replacing the default */

static void save_release(void *field) {
    struct conf_save *s = field;

    mem_free(s->points);
    *s = (struct conf_save){0};
}

static void save_own(void *field) {
    struct conf_save *s = field;

    if (s->n) s->points = mem_dup(s->points, s->n * sizeof *s->points);
}

static int save_set(const struct conf_assign *a, void *field) {
    struct conf_save *s = field, next = {0};

    if (no_words(a)) {
        save_release(s);
        return 0;
    }
    if (a->argc % 2) return err_set(a->e, CONF_ERR_VALUE, "Invalid save parameters");
    if (a->loading && a->again) {
        next = *s;
        save_own(&next);
    }
    next.points = mem_realloc(next.points, (next.n + a->argc / 2) * sizeof *next.points);
    for (size_t i = 0; i < a->argc; i += 2) {
        struct conf_save_point p;

        if (!num_parse_i64(a->argv[i].p, a->argv[i].n, &p.seconds) || p.seconds < 1 ||
            !num_parse_i64(a->argv[i + 1].p, a->argv[i + 1].n, &p.changes) || p.changes < 0) {
            save_release(&next);
            return err_set(a->e, CONF_ERR_VALUE, "Invalid save parameters");
        }
        next.points[next.n++] = p;
    }
    save_release(s);
    *s = next;
    return 0;
}

static void save_format(const void *field, struct bytes *out) {
    const struct conf_save *s = field;

    for (size_t i = 0; i < s->n; i++)
        bytes_printf(out, "%s%lld %lld", i ? " " : "", (long long)s->points[i].seconds,
                     (long long)s->points[i].changes);
}

static void save_lines(const struct conf_row *r, const void *field, const void *def,
                       conf_line_fn emit, void *ctx) {
    const struct conf_save *s = field, *d = def;
    bool differs =
        s->n != d->n || (s->n && memcmp(s->points, d->points, s->n * sizeof *s->points) != 0);
    struct bytes line = {0};

    for (size_t i = 0; i < s->n || i == 0; i++) {
        bytes_clear(&line);
        if (s->n == 0)
            bytes_printf(&line, "%s \"\"", r->name);
        else
            bytes_printf(&line, "%s %lld %lld", r->name, (long long)s->points[i].seconds,
                         (long long)s->points[i].changes);
        emit(ctx, bytes_slice(&line), differs);
    }
    bytes_release(&line);
}

const struct conf_ops conf_save_ops = {save_set, save_format, save_own, save_release, save_lines};

/* ---- client-output-buffer-limit: the classes that are not named keep what they have */

/* The names that CONFIG GET and files use; "replica" is understood too. */
static const char *const class_names[CONF_CLASSES] = {"normal", "slave", "pubsub"};

static int class_of(struct slice s) {
    if (slice_is(s, "replica")) return CONF_CLASS_REPLICA;
    for (int i = 0; i < CONF_CLASSES; i++)
        if (slice_is(s, class_names[i])) return i;
    return -1;
}

static int limits_set(const struct conf_assign *a, void *field) {
    struct conf_output_limits next = *(struct conf_output_limits *)field;

    if (a->argc % 4)
        return err_set(a->e, CONF_ERR_VALUE,
                       "Wrong number of arguments in buffer limit configuration.");
    for (size_t i = 0; i < a->argc; i += 4) {
        struct conf_output_limit l;
        int class = class_of(a->argv[i]);

        if (class < 0)
            return err_set(a->e, CONF_ERR_VALUE,
                           "Invalid client class specified in buffer limit configuration.");
        if (!conf_parse_size(a->argv[i + 1], &l.hard_bytes) ||
            !conf_parse_size(a->argv[i + 2], &l.soft_bytes) ||
            !num_parse_i64(a->argv[i + 3].p, a->argv[i + 3].n, &l.soft_seconds) ||
            l.soft_seconds < 0)
            return err_set(a->e, CONF_ERR_VALUE,
                           "Error in hard, soft or soft_seconds setting in buffer limit "
                           "configuration.");
        next.of[class] = l;
    }
    *(struct conf_output_limits *)field = next;
    return 0;
}

static void limits_format(const void *field, struct bytes *out) {
    const struct conf_output_limits *l = field;

    for (int i = 0; i < CONF_CLASSES; i++)
        bytes_printf(out, "%s%s %llu %llu %lld", i ? " " : "", class_names[i],
                     (unsigned long long)l->of[i].hard_bytes,
                     (unsigned long long)l->of[i].soft_bytes, (long long)l->of[i].soft_seconds);
}

static void limits_lines(const struct conf_row *r, const void *field, const void *def,
                         conf_line_fn emit, void *ctx) {
    struct bytes line = {0};

    for (int i = 0; i < CONF_CLASSES; i++) {
        const struct conf_output_limit *l = &((const struct conf_output_limits *)field)->of[i];
        const struct conf_output_limit *d = &((const struct conf_output_limits *)def)->of[i];

        bytes_clear(&line);
        bytes_printf(&line, "%s %s ", r->name,
                     i == CONF_CLASS_REPLICA ? "replica" : class_names[i]);
        conf_format_size(l->hard_bytes, &line);
        bytes_append_char(&line, ' ');
        conf_format_size(l->soft_bytes, &line);
        bytes_printf(&line, " %lld", (long long)l->soft_seconds);
        emit(ctx, bytes_slice(&line),
             l->hard_bytes != d->hard_bytes || l->soft_bytes != d->soft_bytes ||
                 l->soft_seconds != d->soft_seconds);
    }
    bytes_release(&line);
}

const struct conf_ops conf_output_limits_ops = {limits_set, limits_format, NULL, NULL,
                                                limits_lines};

/* ---- notify-keyspace-events */

enum {
    NOTIFY_ALL = CONF_NOTIFY_GENERIC | CONF_NOTIFY_STRING | CONF_NOTIFY_LIST | CONF_NOTIFY_SET |
                 CONF_NOTIFY_HASH | CONF_NOTIFY_ZSET | CONF_NOTIFY_EXPIRED | CONF_NOTIFY_EVICTED |
                 CONF_NOTIFY_STREAM | CONF_NOTIFY_MODULE
};

/* In the order in which CONFIG GET lists them; 'A' stands for the first ten. */
static const struct {
    char letter;
    unsigned flag;
} notify_letters[] = {
    {'g', CONF_NOTIFY_GENERIC},      {'$', CONF_NOTIFY_STRING},   {'l', CONF_NOTIFY_LIST},
    {'s', CONF_NOTIFY_SET},          {'h', CONF_NOTIFY_HASH},     {'z', CONF_NOTIFY_ZSET},
    {'x', CONF_NOTIFY_EXPIRED},      {'e', CONF_NOTIFY_EVICTED},  {'t', CONF_NOTIFY_STREAM},
    {'d', CONF_NOTIFY_MODULE},       {'n', CONF_NOTIFY_NEW},      {'o', CONF_NOTIFY_OVERWRITTEN},
    {'c', CONF_NOTIFY_TYPE_CHANGED}, {'K', CONF_NOTIFY_KEYSPACE}, {'E', CONF_NOTIFY_KEYEVENT},
    {'m', CONF_NOTIFY_KEY_MISS},
};
enum { NOTIFY_LETTERS = sizeof notify_letters / sizeof *notify_letters };

static int notify_set(const struct conf_assign *a, void *field) {
    unsigned flags = 0;

    for (size_t i = 0; i < a->argv[0].n; i++) {
        char letter = a->argv[0].p[i];
        unsigned flag = letter == 'A' ? NOTIFY_ALL : 0;

        for (int k = 0; k < NOTIFY_LETTERS && !flag; k++)
            if (notify_letters[k].letter == letter) flag = notify_letters[k].flag;
        if (!flag)
            return err_set(a->e, CONF_ERR_VALUE,
                           "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
        flags |= flag;
    }
    ((struct conf_notify *)field)->flags = flags;
    return 0;
}

static void notify_format(const void *field, struct bytes *out) {
    unsigned flags = ((const struct conf_notify *)field)->flags;
    bool all = (flags & NOTIFY_ALL) == NOTIFY_ALL;

    if (all) bytes_append_char(out, 'A');
    for (int k = 0; k < NOTIFY_LETTERS; k++)
        if ((flags & notify_letters[k].flag) && !(all && (NOTIFY_ALL & notify_letters[k].flag)))
            bytes_append_char(out, notify_letters[k].letter);
}

const struct conf_ops conf_notify_ops = {notify_set, notify_format, NULL, NULL, NULL};

/* ---- latency-tracking-info-percentiles */

static void percentiles_release(void *field) {
    struct conf_percentiles *l = field;

    mem_free(l->p);
    *l = (struct conf_percentiles){0};
}

static void percentiles_own(void *field) {
    struct conf_percentiles *l = field;

    if (l->n) l->p = mem_dup(l->p, l->n * sizeof *l->p);
}

static int percentiles_set(const struct conf_assign *a, void *field) {
    struct conf_percentiles next = {0};

    if (!no_words(a)) next.p = mem_alloc(a->argc * sizeof *next.p);
    for (size_t i = 0; next.p && i < a->argc; i++) {
        bool number = num_parse_double(a->argv[i].p, a->argv[i].n, &next.p[i]);

        if (number && next.p[i] >= 0 && next.p[i] <= 100) continue;
        mem_free(next.p);
        return number ? err_set(a->e, CONF_ERR_VALUE,
                                "%s parameters should sit between [0.0,100.0]", a->row->name)
                      : err_set(a->e, CONF_ERR_VALUE, "Invalid %s parameters", a->row->name);
    }
    if (next.p) next.n = a->argc;
    percentiles_release(field);
    *(struct conf_percentiles *)field = next;
    return 0;
}

static void percentiles_format(const void *field, struct bytes *out) {
    const struct conf_percentiles *l = field;

    for (size_t i = 0; i < l->n; i++) {
        char text[NUM_DOUBLE_MAX];

        num_format_double(text, l->p[i]);
        bytes_printf(out, "%s%s", i ? " " : "", text);
    }
}

const struct conf_ops conf_percentiles_ops = {percentiles_set, percentiles_format, percentiles_own,
                                              percentiles_release, NULL};

/* ---- oom-score-adj-values */

static int oom_values_set(const struct conf_assign *a, void *field) {
    struct conf_oom_values next;

    if (a->argc != 3) return err_set(a->e, CONF_ERR_VALUE, "wrong number of arguments");
    for (size_t i = 0; i < 3; i++) {
        char *end;
        long v = strtol(a->argv[i].p, &end, 10);

        if (!a->argv[i].n || *end || v < -2000 || v > 2000)
            return err_set(a->e, CONF_ERR_VALUE,
                           "Invalid %s, elements must be between -2000 and 2000.", a->row->name);
        next.adj[i] = (int)v;
    }
    *(struct conf_oom_values *)field = next;
    return 0;
}

static void oom_values_format(const void *field, struct bytes *out) {
    const struct conf_oom_values *v = field;

    bytes_printf(out, "%d %d %d", v->adj[0], v->adj[1], v->adj[2]);
}

const struct conf_ops conf_oom_values_ops = {oom_values_set, oom_values_format, NULL, NULL, NULL};

/* ---- replicaof */

static void replicaof_release(void *field) {
    mem_free((char *)((struct conf_replicaof *)field)->host);
}

static void replicaof_own(void *field) {
    struct conf_replicaof *m = field;

    if (m->host) m->host = mem_strdup(m->host);
}

static int replicaof_set(const struct conf_assign *a, void *field) {
    struct conf_replicaof next = {0};

    if (a->argc != 2) return err_set(a->e, CONF_ERR_VALUE, "wrong number of arguments");
    if (!slice_is(a->argv[0], "no") || !slice_is(a->argv[1], "one")) {
        char *end;
        long port = strtol(a->argv[1].p, &end, 10);

        if (*end || port < 0 || port > 65535)
            return err_set(a->e, CONF_ERR_VALUE, "Invalid master port");
        if (!is_host(a->argv[0])) return err_set(a->e, CONF_ERR_VALUE, "Invalid master host");
        next.host = mem_strdup(a->argv[0].p);
        next.port = (int)port;
    }
    replicaof_release(field);
    *(struct conf_replicaof *)field = next;
    return 0;
}

static void replicaof_format(const void *field, struct bytes *out) {
    const struct conf_replicaof *m = field;

    if (m->host) bytes_printf(out, "%s %d", m->host, m->port);
}

const struct conf_ops conf_replicaof_ops = {replicaof_set, replicaof_format, replicaof_own,
                                            replicaof_release, NULL};
