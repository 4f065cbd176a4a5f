/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/cluster/file.h"

#include "conf/conf.h"
#include "server/cluster/tell.h"
#include "server/exec/file_queue.h"
#include "server/exec/save_file.h"
#include "storage/base/io.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

#include <errno.h>

/* ---------------------------------------------------------------- words */

/* The first word of *text, up to `end`, which is taken off; empty if there is none. */
static struct slice take(struct slice *text, char end) {
    const char *p = text->n ? memchr(text->p, end, text->n) : NULL;
    struct slice word = slice_of(text->p, p ? (size_t)(p - text->p) : text->n);
    size_t used = word.n + (p != NULL);

    *text = slice_of(text->p + used, text->n - used);
    return word;
}

static bool begins_with(struct slice s, const char *with, struct slice *rest) {
    size_t n = strlen(with);

    if (s.n < n || memcmp(s.p, with, n) != 0) return false;
    *rest = slice_of(s.p + n, s.n - n);
    return true;
}

static bool take_id(struct slice word, char id[NODE_ID_CHARS + 1]) {
    if (word.n != NODE_ID_CHARS) return false;
    for (size_t i = 0; i < word.n; i++)
        if (!strchr("0123456789abcdef", word.p[i]) || !word.p[i]) return false;
    memcpy(id, word.p, word.n);
    id[NODE_ID_CHARS] = '\0';
    return true;
}

static bool take_number(struct slice word, int64_t max, int64_t *out) {
    return num_parse_i64(word.p, word.n, out) && *out >= 0 && *out <= max;
}

/* ---------------------------------------------------------------- reading */

struct saved {
    char id[NODE_ID_CHARS + 1], shard[NODE_ID_CHARS + 1];
    int64_t epoch, current;
    bool has_node;
    uint8_t own[SLOTS];
};

/* After the address: the host name, then words with a name. The rest is what this start says anew.
 */
static bool parse_address(struct slice word, struct saved *s) {
    struct slice value;

    while (word.n) {
        struct slice part = take(&word, ',');

        if (begins_with(part, "shard-id=", &value) && !take_id(value, s->shard)) return false;
    }
    return true;
}

/* "5", "7-12"; "[5->-id]" and "[5-<-id]" were moves to and from nodes that are not here. */
static bool parse_range(struct slice word, struct saved *s) {
    int64_t first, last;
    struct slice low;

    if (word.n && word.p[0] == '[') return true;
    low = take(&word, '-');
    if (!take_number(low, SLOTS - 1, &first)) return false;
    last = first;
    if (word.n && !take_number(word, SLOTS - 1, &last)) return false;
    for (int64_t slot = first; slot <= last; slot++) s->own[slot] = 1;
    return first <= last;
}

static bool has_flag(struct slice flags, const char *name) {
    while (flags.n)
        if (slice_is(take(&flags, ','), name)) return true;
    return false;
}

static int refuse_others(struct err *e) {
    return err_set(e, EINVAL,
                   "it names other nodes, and this server cannot be part of a cluster with other "
                   "servers. Move the file away to start as a cluster of one node");
}

static int parse_node(struct slice line, struct saved *s, struct err *e) {
    struct slice id = take(&line, ' '), address = take(&line, ' '), flags = take(&line, ' ');

    if (s->has_node || !has_flag(flags, "myself") || has_flag(flags, "slave"))
        return refuse_others(e);
    s->has_node = true;
    take(&line, ' '); /* master, ping, pong */
    take(&line, ' ');
    take(&line, ' ');
    if (!take_id(id, s->id) || !parse_address(address, s) ||
        !take_number(take(&line, ' '), INT64_MAX, &s->epoch))
        return err_set(e, EINVAL, "its line of this node is damaged");
    take(&line, ' '); /* connected */
    while (line.n)
        if (!parse_range(take(&line, ' '), s)) return err_set(e, EINVAL, "its slots are damaged");
    return 0;
}

static int parse_vars(struct slice line, struct saved *s, struct err *e) {
    while (line.n) {
        struct slice name = take(&line, ' '), value = take(&line, ' ');
        int64_t vote;

        if (slice_is(name, "currentEpoch") && take_number(value, INT64_MAX, &s->current)) continue;
        if (slice_is(name, "lastVoteEpoch") && take_number(value, INT64_MAX, &vote)) continue;
        return err_set(e, EINVAL, "its line 'vars' is damaged");
    }
    return 0;
}

static void take_over_saved(struct cluster *c, const struct saved *s) {
    memcpy(c->nodes[0].id, s->id, sizeof s->id);
    if (s->shard[0]) memcpy(c->nodes[0].shard, s->shard, sizeof s->shard);
    c->nodes[0].epoch = (uint64_t)s->epoch;
    c->epoch = (uint64_t)(s->current > s->epoch ? s->current : s->epoch);
    for (unsigned slot = 0; slot < SLOTS; slot++) slot_give(c, slot, s->own[slot] ? 0 : NO_NODE);
}

int file_parse(struct cluster *c, struct slice text, struct err *e) {
    struct saved *s = mem_calloc(sizeof *s);
    struct slice rest;
    int rc = 0;

    while (text.n && rc == 0) {
        struct slice line = take(&text, '\n');

        if (line.n && line.p[line.n - 1] == '\r') line.n--;
        if (line.n == 0) continue;
        rc = begins_with(line, "vars ", &rest) ? parse_vars(rest, s, e) : parse_node(line, s, e);
    }
    if (rc == 0 && !s->has_node) rc = err_set(e, EINVAL, "it names no node");
    if (rc == 0) take_over_saved(c, s);
    mem_free(s);
    return rc;
}

int file_load(struct cluster *c, struct err *e) {
    const char *path = c->e->v->cluster_config_file;
    struct bytes text = {0};
    struct err why;
    int rc = 0;

    if (io_read_file(path, &text, &why) < 0) {
        if (why.code != ENOENT)
            rc = err_set(e, why.code, "Cannot read the cluster configuration file '%s': %s", path,
                         why.text);
    } else if (text.n && file_parse(c, slice_of(text.p, text.n), &why) < 0) {
        rc = err_set(e, why.code, "Cannot use the cluster configuration file '%s': %s.", path,
                     why.text);
    }
    bytes_release(&text);
    return rc;
}

/* ---------------------------------------------------------------- writing */

void file_write(const struct cluster *c, struct bytes *out) {
    const struct conf_values *v = c->e->v;
    const struct node *n = &c->nodes[0];
    int port = tell_port(c, 0, false);

    bytes_printf(out, "%s %s:%d@%d,%s,tls-port=%d,shard-id=%s myself,master - 0 0 %llu connected",
                 n->id, v->cluster_announce_ip ? v->cluster_announce_ip : "", port,
                 tell_bus_port(c, 0),
                 v->cluster_announce_hostname ? v->cluster_announce_hostname : "", (int)v->tls_port,
                 n->shard, (unsigned long long)n->epoch);
    tell_ranges(c, 0, out);
    bytes_printf(out, "\nvars currentEpoch %llu lastVoteEpoch 0\n", (unsigned long long)c->epoch);
}

/* What the thread writes, and where. */
struct contents {
    char *path;
    struct bytes text;
    bool quiet; /* no client waits for the outcome: it is logged */
};

static struct contents *contents_of(const struct cluster *c, bool quiet) {
    struct contents *f = mem_calloc(sizeof *f);

    f->path = mem_strdup(c->e->v->cluster_config_file);
    f->quiet = quiet;
    file_write(c, &f->text);
    return f;
}

static int replace(const char *path, struct slice text, struct err *e) {
    const char *name;
    int dirfd = io_open_folder(path, &name, e), rc;

    if (dirfd < 0) return -1;
    rc = io_replace(dirfd, name, text, e);
    io_close(dirfd);
    return rc;
}

static int write_contents(void *arg, struct err *e) {
    struct contents *f = arg;
    int rc = replace(f->path, slice_of(f->text.p, f->text.n), e);

    if (rc < 0 && f->quiet)
        log_warning("Cannot write the cluster configuration file '%s': %s", f->path, e->text);
    bytes_release(&f->text);
    mem_free(f->path);
    mem_free(f);
    return rc;
}

int file_save_now(const struct cluster *c, struct err *e) {
    return write_contents(contents_of(c, false), e);
}

void file_save(struct cluster *c) {
    if (c->emulated || !c->e->files) return;
    file_job_release(file_queue_add(c->e->files, write_contents, contents_of(c, true)));
}

int file_cmd_save(struct call *x) {
    const struct cluster *c = cluster_of(x);

    if (c->emulated || !x->e->files) {
        reply_ok(&x->r);
        return 0;
    }
    return save_file(x, write_contents, contents_of(c, false), NULL);
}
