/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine_help.h"

#include "server/commands/commands.h"
#include "storage/base/mem.h"

#include <criterion/criterion.h>

struct engine engine;

static struct conf *conf;
static struct session client;
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

static void on_event(void *arg, enum event_class cls, const char *event, struct slice key, int db) {
    (void)arg, (void)cls;
    bytes_printf(&events, "%s%s:%.*s", events.n ? " " : "", event, (int)key.n, key.p);
    if (db) bytes_printf(&events, "@%d", db);
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
    engine.hooks.event = on_event;
    session_init(&client, &engine, &ops);
}

void engine_end(void) {
    struct aof *aof = engine.aof;

    session_release(&client);
    engine_release(&engine);
    aof_stop(aof, 1000);
    conf_free(conf);
    bytes_release(&got);
    bytes_release(&events);
}

struct slice engine_send(const char *bytes, size_t n) {
    char *in = mem_dup(bytes, n);
    struct iovec iov[64];
    size_t need;
    int parts;

    cr_assert_eq(engine_feed(&engine, &client, in, n, &need), n);
    mem_free(in);
    bytes_clear(&got);
    while ((parts = out_peek(&client.out, iov, 64, SIZE_MAX)) > 0) {
        size_t taken = 0;

        for (int i = 0; i < parts; i++) {
            bytes_append(&got, iov[i].iov_base, iov[i].iov_len);
            taken += iov[i].iov_len;
        }
        out_consume(&client.out, taken);
    }
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

const char *engine_events(void) {
    static char text[1024];

    snprintf(text, sizeof text, "%s", bytes_cstr(&events));
    bytes_clear(&events);
    return text;
}
