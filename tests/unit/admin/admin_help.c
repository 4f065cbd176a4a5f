/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin_help.h"
#include "conf/conf.h"
#include "server/exec/dispatch.h"
#include "server/exec/replay.h"
#include "server/exec/session.h"
#include "server/exec/turn.h"
#include "server/replication/replication.h"

#include "server/commands/commands.h"
#include "storage/base/mem.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

enum { WORDS_MAX = 64, REPLY_MAX = 1 << 19 };

static char tmp_dir[64];

/* ---------------------------------------------------------------- a client without a wire */

static struct help_client *client_of(const struct session *s) {
    return (struct help_client *)s;
}

static void on_wake(struct session *s) {
    (void)s;
}

static void on_resume(struct session *s) {
    client_of(s)->resumed++;
}

static void on_close(struct session *s, bool after_reply) {
    *(after_reply ? &client_of(s)->closes_after : &client_of(s)->closed) = true;
    session_enter(s, SESSION_CLOSING);
}

static void on_describe(const struct session *s, struct session_wire *out) {
    *out = (struct session_wire){.fd = 7 + (int)s->id, .events = "r"};
    snprintf(out->addr, sizeof out->addr, "10.0.%d.%d:999", (int)s->id / 256, (int)s->id % 256);
    snprintf(out->laddr, sizeof out->laddr, "10.0.0.100:6379");
}

static const struct session_ops ops = {on_wake, on_resume, on_close, on_describe};

/* ---------------------------------------------------------------- the engine */

static void no_wake(void *arg) {
    (void)arg;
}

static bool may_fork(void *arg) {
    (void)arg;
    return true;
}

static void no_latency(void *arg, const char *event, uint64_t us) {
    (void)arg;
    (void)event;
    (void)us;
}

static struct aof_options options_of(const struct conf_values *v) {
    return (struct aof_options){
        .names = {v->dir.path, v->appenddirname, v->appendfilename, v->dbfilename},
        .policy = v->appendfsync == CONF_FSYNC_ALWAYS ? AOF_FSYNC_ALWAYS : AOF_FSYNC_EVERYSEC,
        .checksum = true,
        .load_truncated = true};
}

static int apply_aof(void *arg, const struct conf_values *v, struct err *e) {
    struct help *h = arg;
    struct aof_options o = options_of(v);

    (void)e;
    aof_set_options(h->aof, &o);
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void enter_tmp(void) {
    strcpy(tmp_dir, "/tmp/stet-admin-XXXXXX");
    cr_assert(mkdtemp(tmp_dir));
    cr_assert_eq(chdir(tmp_dir), 0);
}

static struct conf *load_conf(const char *options) {
    struct conf *c = conf_new();
    char *argv[WORDS_MAX] = {"stet-server"}, text[1024];
    int argc = 1;

    snprintf(text, sizeof text, "%s", options ? options : "");
    for (char *w = strtok(text, " "); w; w = strtok(NULL, " ")) argv[argc++] = w;
    cr_assert_eq(conf_load_args(c, argc, argv, NULL), 0);
    return c;
}

static void start_log(struct help *h) {
    struct aof_load_options l = {
        .names = options_of(h->e.v).names, .load_truncated = true, .command = engine_replay};
    struct err e;

    l.arg = &h->e;
    engine_replay_begin(&h->e);
    cr_assert_eq(aof_start(h->aof, &l, &e), 0, "%s", e.text);
    engine_replay_end(&h->e);
    gate_refresh(&h->e.gate);
}

struct help *help_new(const char *options) {
    struct aof_hooks hooks = {.wake = no_wake, .may_fork = may_fork, .latency = no_latency};
    struct help *h = mem_calloc(sizeof *h);
    struct aof_options o;

    mem_thread_init();
    clock_refresh();
    enter_tmp();
    h->conf = load_conf(options);
    o = options_of(conf_values(h->conf));
    keyspace_init(&h->e.ks, 16);
    commands_register(&h->e.commands);
    replication_register(&h->e.commands);
    admin_register(&h->e.commands);
    h->aof = aof_new(&h->e.ks, &o, &hooks);
    engine_init(&h->e, h->conf, h->aof);
    h->e.app = &h->app;
    replication_new(&h->e, &(struct replication_app){.wake = no_wake});
    conf_on_apply(h->conf, "appendfsync", apply_aof, h);
    if (h->e.v->appendonly) start_log(h);
    session_init(&h->a.s, &h->e, &ops);
    session_init(&h->b.s, &h->e, &ops);
    return h;
}

void help_free(struct help *h) {
    session_release(&h->a.s);
    session_release(&h->b.s);
    replication_free(h->e.replication);
    aof_stop(h->aof, 1000);
    engine_release(&h->e);
    conf_free(h->conf);
    mem_free(h);
    nftw(tmp_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---------------------------------------------------------------- asking */

static const char *take_reply(struct out *o) {
    static char text[REPLY_MAX];
    size_t n = 0;

    while (out_pending(o)) {
        struct iovec iov;

        cr_assert_gt(out_peek(o, &iov, 1, REPLY_MAX), 0);
        cr_assert_lt(n + iov.iov_len, sizeof text);
        memcpy(text + n, iov.iov_base, iov.iov_len);
        n += iov.iov_len;
        out_consume(o, iov.iov_len);
    }
    text[n] = '\0';
    for (char *p = text; (p = strstr(p, "\r\n"));) {
        *p = '|';
        memmove(p + 1, p + 2, strlen(p + 2) + 1);
    }
    return text;
}

static void encode(struct bytes *b, const char *words) {
    char text[4096], *word[WORDS_MAX];
    int n = 0;

    snprintf(text, sizeof text, "%s", words);
    for (char *w = strtok(text, " "); w; w = strtok(NULL, " ")) word[n++] = w;
    bytes_printf(b, "*%d\r\n", n);
    for (int i = 0; i < n; i++) {
        const char *w = strcmp(word[i], "_") == 0 ? "" : word[i];

        bytes_printf(b, "$%zu\r\n%s\r\n", strlen(w), w);
    }
}

const char *help_ask(struct help_client *c, const char *words) {
    struct bytes in = {0};
    size_t need;

    encode(&in, words);
    cr_assert_eq(engine_feed(c->s.e, &c->s, in.p, in.n, &need), in.n);
    bytes_release(&in);
    if (c->s.ngates) return "(gated)";
    return take_reply(&c->s.out);
}

const char *help_heard(struct help_client *c) {
    return take_reply(&c->s.out);
}

size_t help_sendable(struct help_client *c) {
    return session_sendable(&c->s);
}

void help_wait_synced(struct help *h, uint64_t position) {
    engine_before_wait(&h->e);
    for (int i = 0; i < 5000 && aof_safe(h->aof, AOF_LEVEL_SYNCED) < position; i++) {
        usleep(1000);
        engine_on_log_progress(&h->e);
    }
    cr_assert_geq(aof_safe(h->aof, AOF_LEVEL_SYNCED), position);
    engine_on_log_progress(&h->e);
    engine_before_wait(&h->e);
}
