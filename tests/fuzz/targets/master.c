/* SPDX-License-Identifier: BSD-3-Clause
 *
 * master - what a replica's master sends: the answers of the handshake, or (first byte odd) the
 * stream. The second byte says where the input is cut in two, as packets are. The engine has no
 * network and no AOF; a data set is received and dropped. Every value that is left can be written.
 */
#include "conf/conf.h"
#include "server/exec/turn.h"
#include "tests/fuzz/kit/fuzz.h"

#include "persistence/rdb.h"
#include "server/commands/commands.h"
#include "server/replication/replication.h"
#include "server/replication/role.h"
#include "storage/base/mem.h"

#include <unistd.h>

#define ID "0123456789012345678901234567890123456789"

enum { INPUT_MAX = 4096, KEEP = 2 * INPUT_MAX, PATIENCE = 20 };

static struct engine engine;
static struct replication *r;
static struct session upper; /* the connection to the master */
static char unread[KEEP];
static size_t nunread, need;

/* ---------------------------------------------------------------- a master's connection */

static void nothing(struct session *s) {
    (void)s;
}

static void give(const char *p, size_t n) {
    size_t used;

    memcpy(unread + nunread, p, n);
    nunread += n;
    if (upper.state != SESSION_ACTIVE || nunread < need) return;
    used = upper.source->input(&upper, unread, nunread, &need);
    CHECK(used <= nunread);
    memmove(unread, unread + used, nunread - used);
    nunread -= used;
}

static void end_link(struct session *s, bool after_reply) {
    (void)after_reply;
    if (s->state == SESSION_CLOSING) return;
    session_enter(s, SESSION_CLOSING);
    s->source->closed(s, NULL);
}

static void no_wire(const struct session *s, struct session_wire *out) {
    (void)s;
    *out = (struct session_wire){.fd = -1, .events = ""};
}

static const struct session_ops ops = {nothing, nothing, end_link, no_wire};

static struct session *connect_link(void *arg, const char *host, int port,
                                    const struct session_source *source, void *source_arg,
                                    struct err *e) {
    (void)arg, (void)host, (void)port;
    if (upper.e) {
        err_set(e, 1, "one is enough");
        return NULL;
    }
    session_init(&upper, &engine, &ops);
    upper.source = source;
    upper.source_arg = source_arg;
    upper.flags |= SESSION_MASTER | SESSION_AUTHENTICATED;
    nunread = 0;
    need = 1;
    return &upper;
}

static int no_load(void *arg, struct replication_load *l, struct err *e) {
    (void)arg, (void)l;
    return err_set(e, 1, "not here");
}

static void no_wake(void *arg) {
    (void)arg;
}

static void no_ports(void *arg, int *tcp, int *tls) {
    (void)arg;
    *tcp = *tls = 0;
}

/* ---------------------------------------------------------------- a replica */

static struct conf *begin(void) {
    struct replication_app app = {
        .connect = connect_link, .load = no_load, .wake = no_wake, .ports = no_ports};
    struct aof_options o = {.names = {"/none", "none", "none", "none"}};
    struct aof_hooks hooks = {.wake = no_wake};
    struct conf *c = conf_new();
    struct err e;

    CHECK(conf_load_text(c, SLICE("proto-max-bulk-len 1mb\nmasterauth secret\n"), &e) == 0);
    engine = (struct engine){0};
    upper = (struct session){0};
    keyspace_init(&engine.ks, 4);
    commands_register(&engine.commands);
    replication_register(&engine.commands);
    CHECK(command_registry_rename(&engine.commands, "migrate", "") == 0);
    engine_init(&engine, c, aof_new(&engine.ks, &o, &hooks));
    r = replication_new(&engine, &app);
    return c;
}

static void finish(struct conf *c) {
    struct aof *aof = engine.aof;

    replication_free(r);
    if (upper.e) session_release(&upper);
    engine_release(&engine);
    aof_stop(aof, 1000);
    conf_free(c);
}

/* Bytes of a data set go through a thread. */
static void receive(void) {
    for (int i = 0; i < PATIENCE && r->link.state == LINK_RECEIVE; i++) {
        link_step(r);
        if (upper.state == SESSION_ACTIVE) give("", 0);
        usleep(50);
    }
}

static void follow(bool stream) {
    if (stream) repl_stream_adopt(&r->stream, ID, 100, 0);
    role_become_replica(r, "127.0.0.1", 1);
    CHECK(r->link.state == LINK_CONNECT);
    upper.source->opened(&upper);
    if (!stream) return;
    give("+PONG\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+CONTINUE\r\n", 38);
    CHECK(r->link.state == LINK_STREAM);
}

static void turn_ends(void) {
    if (upper.e) out_consume(&upper.out, out_pending(&upper.out));
    engine_before_wait(&engine);
    link_step(r);
}

/* ---------------------------------------------------------------- what is left */

static void check_entry(void *entry, void *arg) {
    struct bytes dump = {0};

    (void)arg;
    rdb_dump(&dump, entry, true, PACE_NONE);
    bytes_release(&dump);
}

FUZZ_TARGET(master) {
    struct conf *c;
    size_t cut;
    bool stream;

    fuzz_begin();
    if (size < 2 || size > INPUT_MAX) return 0;
    stream = data[0] & 1;
    cut = data[1] % (size - 1);
    data += 2;
    size -= 2;
    if (cut > size) cut = size;
    c = begin();
    follow(stream);
    give((const char *)data, cut);
    turn_ends();
    if (upper.state != SESSION_CLOSING) give((const char *)data + cut, size - cut);
    turn_ends();
    receive();
    turn_ends();
    CHECK(!stream || r->stream.offset >= 100 || !r->stream.active);
    CHECK(!stream || !r->stream.active || r->stream.offset <= 100 + size);
    for (int i = 0; i < engine.ks.ndbs; i++) table_each(&engine.ks.dbs[i].keys, check_entry, NULL);
    finish(c);
    return 0;
}
