/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine_help.h"
#include "conf/conf.h"
#include "server/exec/dispatch.h"
#include "server/exec/notify.h"
#include "server/exec/pubsub.h"
#include "server/exec/session.h"
#include "server/exec/turn.h"

#include "server/commands/commands.h"
#include "storage/base/mem.h"

#include <criterion/criterion.h>

struct engine engine;

static struct conf *conf;
static struct session client, listener;
static struct bytes got, events;

static void nothing(struct session *s) {
    (void)s;
}

static void no_close(struct session *s, bool after_reply) {
    (void)s, (void)after_reply;
}

static void no_wire(const struct session *s, struct session_wire *out) {
    (void)s;
    *out = (struct session_wire){.fd = -1, .events = ""};
}

static void no_wake(void *arg) {
    (void)arg;
}

static const struct session_ops ops = {nothing, nothing, no_close, no_wire};

/* Every kind of event is published, and `listener` has subscribed to all. */
static void listen_to_events(void) {
    struct slice pair[] = {SLICE("notify-keyspace-events"), SLICE("EAmn")};
    struct err e;

    cr_assert_eq(conf_set(conf, pair, 1, true, &e), 0, "%s", e.text);
    notify_take_flags(&engine, engine.v->notify_keyspace_events.flags);
    session_init(&listener, &engine, &ops);
    pubsub_subscribe(&listener, PUBSUB_PATTERN, SLICE("__keyevent@*"));
}

static void take_output(struct session *s, struct bytes *to) {
    struct iovec iov;

    while (out_peek(&s->out, &iov, 1, SIZE_MAX) > 0) {
        bytes_append(to, iov.iov_base, iov.iov_len);
        out_consume(&s->out, iov.iov_len);
    }
}

void engine_begin(void) {
    struct aof_options o = {.names = {"/none", "none", "none", "none"}};
    struct aof_hooks hooks = {.wake = no_wake};

    mem_thread_init();
    clock_set_virtual(INT64_C(1000000000000));
    clock_refresh();
    conf = conf_new();
    engine = (struct engine){0};
    keyspace_init(&engine.ks, 16);
    commands_register(&engine.commands);
    engine_init(&engine, conf, aof_new(&engine.ks, &o, &hooks));
    session_init(&client, &engine, &ops);
    listen_to_events();
}

void engine_end(void) {
    struct aof *aof = engine.aof;

    session_release(&client);
    session_release(&listener);
    engine_release(&engine);
    aof_stop(aof, 1000);
    conf_free(conf);
    bytes_release(&got);
    bytes_release(&events);
}

struct slice engine_send(const char *bytes, size_t n) {
    char *in = mem_dup(bytes, n);
    size_t need;

    cr_assert_eq(engine_feed(&engine, &client, in, n, &need), n);
    mem_free(in);
    bytes_clear(&got);
    take_output(&client, &got);
    return bytes_slice(&got);
}

const char *engine_say(const char *line) {
    struct bytes b = {0};

    bytes_append_str(&b, line);
    bytes_append_str(&b, "\r\n");
    engine_send(b.p, b.n);
    bytes_release(&b);
    return bytes_cstr(&got);
}

void engine_speak(int resp) {
    client.resp = resp;
}

/* "pmessage", the pattern, "__keyevent@DB__:EVENT", the key: each after a line with its length. */
const char *engine_events(void) {
    static char text[1024];
    char *line, *rest, event[64];
    int nth = 0, db;
    size_t n = 0;

    text[0] = '\0';
    take_output(&listener, &events);
    rest = (char *)bytes_cstr(&events);
    while ((line = strsep(&rest, "\n"))) {
        line[strcspn(line, "\r")] = '\0';
        if (nth == 6) cr_assert_eq(sscanf(line, "__keyevent@%d__:%63s", &db, event), 2);
        if (nth == 8) {
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%s:%s", n ? " " : "", event, line);
            if (db) n += (size_t)snprintf(text + n, sizeof text - n, "@%d", db);
        }
        nth = (nth + 1) % 9;
    }
    bytes_clear(&events);
    return text;
}
