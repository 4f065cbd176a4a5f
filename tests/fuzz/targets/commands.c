/* SPDX-License-Identifier: BSD-3-Clause
 *
 * commands - lines of the input are commands, inline or in RESP, of two clients of an engine
 * without network and log; a line that begins with '!' is the second client's. Every value that is
 * left is written as DUMP writes it, and can be restored.
 */
#include "conf/conf.h"
#include "server/exec/dispatch.h"
#include "server/exec/turn.h"
#include "tests/fuzz/kit/fuzz.h"

#include "persistence/rdb.h"
#include "server/admin/rows.h"
#include "server/commands/commands.h"
#include "server/exec/call.h"
#include "storage/base/mem.h"

#include <ctype.h>

enum { CLIENTS = 2, INPUT_MAX = 4096, LINES_MAX = 200, DIGITS_MAX = 4 };

static struct engine engine;
static struct session clients[CLIENTS];

/* ---------------------------------------------------------------- an engine */

static void nothing(struct session *s) {
    (void)s;
}

static void end(struct session *s, bool after_reply) {
    (void)after_reply;
    if (s->state != SESSION_CLOSING) session_enter(s, SESSION_CLOSING);
}

static void no_wire(const struct session *s, struct session_wire *out) {
    (void)s;
    *out = (struct session_wire){.fd = -1, .events = ""};
}

static void no_wake(void *arg) {
    (void)arg;
}

static const struct session_ops ops = {nothing, nothing, end, no_wire};

static struct conf *begin(void) {
    struct aof_options o = {.names = {"/none", "none", "none", "none"}};
    struct aof_hooks hooks = {.wake = no_wake};
    struct conf *c = conf_new();
    struct err e;

    CHECK(conf_load_text(c,
                         SLICE("proto-max-bulk-len 1mb\nhash-max-listpack-entries 4\n"
                               "set-max-listpack-entries 4\nzset-max-listpack-entries 4\n"
                               "set-max-intset-entries 4\nlist-max-listpack-size 4\n"
                               "stream-node-max-entries 4\n"),
                         &e) == 0);
    engine = (struct engine){0};
    keyspace_init(&engine.ks, 16);
    commands_register(&engine.commands);
    command_registry_add(&engine.commands, connection_commands);
    command_registry_add(&engine.commands, client_commands);
    command_registry_add(&engine.commands, command_commands);
    command_registry_add(&engine.commands, acl_commands);
    CHECK(command_registry_rename(&engine.commands, "migrate", "") == 0);
    engine_init(&engine, c, aof_new(&engine.ks, &o, &hooks));
    for (int i = 0; i < CLIENTS; i++) session_init(&clients[i], &engine, &ops);
    return c;
}

static void finish(struct conf *c) {
    struct aof *aof = engine.aof;

    for (int i = 0; i < CLIENTS; i++) session_release(&clients[i]);
    engine_release(&engine);
    aof_stop(aof, 1000);
    conf_free(c);
}

/* ---------------------------------------------------------------- lines */

/* Commands that do as much as a number says; what is left out is a matter of tests/attacks. */
static bool is_large(struct slice line) {
    static const char *const words[] = {"rand", "range", "bit", "lcs", "pause", "pf"};
    char text[INPUT_MAX + 1];
    size_t digits = 0, most = 0;

    for (size_t i = 0; i < line.n; i++) {
        text[i] = (char)(line.p[i] ? tolower((unsigned char)line.p[i]) : ' ');
        digits = isdigit((unsigned char)line.p[i]) ? digits + 1 : 0;
        most = digits > most ? digits : most;
    }
    text[line.n] = '\0';
    for (size_t i = 0; most > DIGITS_MAX && i < sizeof words / sizeof *words; i++)
        if (strstr(text, words[i])) return true;
    return false;
}

static void turn_ends(void) {
    engine_before_wait(&engine);
    for (int i = 0; i < CLIENTS; i++) out_consume(&clients[i].out, out_pending(&clients[i].out));
}

static void feed(struct slice line) {
    struct session *s = &clients[line.n && line.p[0] == '!'];
    size_t skip = s == &clients[1], need;
    char *copy;

    if (s->state == SESSION_CLOSING || s->partial || is_large(line)) return;
    copy = fuzz_copy(slice_of(line.p + skip, line.n - skip));
    engine_feed(&engine, s, copy, line.n - skip, &need);
    mem_free(copy);
    request_partial_free(&s->partial);
    turn_ends();
}

static void feed_all(struct slice input) {
    for (int i = 0; input.n && i < LINES_MAX; i++) {
        const char *nl = memchr(input.p, '\n', input.n);
        size_t n = nl ? (size_t)(nl - input.p) + 1 : input.n;

        feed(slice_of(input.p, n));
        input.p += n;
        input.n -= n;
    }
}

/* ---------------------------------------------------------------- values */

static const struct rdb_rules rules = {
    .hash = {4, 64, PARTS_ALL}, .set = {4, 4, 64, PARTS_ALL}, .zset = {4, 64}, .list = {4, 0}};

static void check_value(const struct entry *e) {
    struct bytes dump = {0};
    struct entry *back;
    int version;

    rdb_dump(&dump, e, true, PACE_NONE);
    CHECK(rdb_restore(bytes_slice(&dump), entry_key(e), ENTRY_NO_EXPIRE, &rules, &back, &version) ==
          RDB_RESTORED);
    CHECK(back->type == e->type);
    entry_free(back);
    bytes_release(&dump);
}

static void check_entry(void *entry, void *arg) {
    (void)arg;
    check_value(entry);
}

static void check_all(void) {
    for (int i = 0; i < engine.ks.ndbs; i++) table_each(&engine.ks.dbs[i].keys, check_entry, NULL);
}

FUZZ_TARGET(commands) {
    struct conf *c;

    fuzz_begin();
    if (size > INPUT_MAX) return 0;
    c = begin();
    feed_all(slice_of(data, size));
    check_all();
    finish(c);
    return 0;
}
