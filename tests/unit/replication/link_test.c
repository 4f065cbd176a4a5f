/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The link and the stream's commands, with a master that is the test. The engine is that of exec's
 * tests.
 */
#include "server/replication/replication.h"
#include "storage/base/hash.h"

#include "storage/base/io.h"
#include "storage/base/mem.h"
#include "tests/unit/exec/exec_help.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#define ID "0123456789012345678901234567890123456789"

static struct replication *r;
static struct session master; /* the link's */
static bool connected;        /* `master` is in use */
static bool refuses;          /* no connection can be had */
static unsigned closes, wakes;
static char unread[4096]; /* what the link did not take */
static size_t nunread, need;
static char loaded[64]; /* what app.load was given */
static int load_rc;

static void on_wake(struct session *s) {
    (void)s;
    wakes++;
}

/* Gives the link what it has not taken, and more. */
static void tell_bytes(const char *p, size_t n) {
    size_t used;

    memcpy(unread + nunread, p, n);
    nunread += n;
    if (master.state != SESSION_ACTIVE || nunread < need) return;
    used = master.source->input(&master, unread, nunread, &need);
    cr_assert_leq(used, nunread);
    memmove(unread, unread + used, nunread - used);
    nunread -= used;
}

static void tell(const char *text) {
    tell_bytes(text, strlen(text));
}

static void on_resume(struct session *s) {
    (void)s;
    tell("");
}

static void on_close(struct session *s, bool after_reply) {
    (void)after_reply;
    closes++;
    connected = false;
    session_enter(s, SESSION_CLOSING);
    s->source->closed(s, NULL);
}

static void describe(const struct session *s, struct session_wire *out) {
    (void)s;
    *out = (struct session_wire){.addr = "master", .laddr = "here", .fd = -1, .events = ""};
}

static const struct session_ops ops = {on_wake, on_resume, on_close, describe};

static struct session *connect(void *arg, const char *host, int port,
                               const struct session_source *source, void *source_arg,
                               struct err *e) {
    (void)arg, (void)host, (void)port;
    if (refuses) {
        err_set(e, 1, "refused");
        return NULL;
    }
    if (master.e) session_release(&master);
    session_init(&master, &engine, &ops);
    master.source = source;
    master.source_arg = source_arg;
    master.flags |= SESSION_MASTER | SESSION_AUTHENTICATED;
    connected = true;
    nunread = 0;
    need = 1;
    return &master;
}

static int load(void *arg, struct replication_load *l, struct err *e) {
    ssize_t n = io_read_at(l->fd, loaded, sizeof loaded - 1, (off_t)l->start, e);

    (void)arg;
    cr_assert_geq(n, 0);
    loaded[n] = '\0';
    if (load_rc < 0) err_set(e, 1, "not today");
    return load_rc;
}

static void ignore(void *arg) {
    (void)arg;
}

static void ports(void *arg, int *tcp, int *tls) {
    (void)arg;
    *tcp = 6379;
    *tls = 0;
}

/* What the link said since the last time. */
static const char *said(void) {
    static char text[4096];
    struct iovec iov[16];
    size_t n = 0;

    for (int i = 0, k = out_peek(&master.out, iov, 16, sizeof text - 1); i < k; i++) {
        memcpy(text + n, iov[i].iov_base, iov[i].iov_len);
        n += iov[i].iov_len;
    }
    out_consume(&master.out, n);
    text[n] = '\0';
    return text;
}

static void begin(void) {
    struct replication_app app = {.connect = connect, .load = load, .wake = ignore, .ports = ports};

    exec_begin();
    r = replication_new(&engine, &app);
}

static void end(void) {
    replication_free(r);
    if (master.e) session_release(&master);
    master.e = NULL;
    exec_end();
}

TestSuite(link, .init = begin, .fini = end);

static void follow(void) {
    role_become_replica(r, "127.0.0.1", 1234);
    cr_assert_eq(r->link.state, LINK_CONNECT);
    master.source->opened(&master);
}

/* Up to the answer of PSYNC. */
static void greet(void) {
    follow();
    tell("+PONG\r\n+OK\r\n+OK\r\n+OK\r\n");
    said();
}

/* This replica is at offset 100 of ID, and the stream goes on. */
static void stream(void) {
    repl_stream_adopt(&r->stream, ID, 100, 0);
    greet();
    tell("+CONTINUE\r\n");
    cr_assert_eq(r->link.state, LINK_STREAM);
    said();
}

static void await(enum link_state state) {
    for (int i = 0; i < 5000 && r->link.state != state; i++) {
        usleep(1000);
        link_step(r);
    }
    cr_assert_eq(r->link.state, state);
}

/* ---------------------------------------------------------------- handshake */

Test(link, it_says_ping_first_and_waits_for_the_answer) {
    follow();
    cr_expect_str_eq(said(), "*1\r\n$4\r\nPING\r\n");
    tell("+PO");
    cr_expect_str_eq(said(), "");
    tell("NG\r\n");
    cr_expect_str_eq(said(), "*3\r\n$8\r\nREPLCONF\r\n$14\r\nlistening-port\r\n$4\r\n6379\r\n"
                             "*3\r\n$8\r\nREPLCONF\r\n$7\r\nversion\r\n$5\r\n9.0.0\r\n"
                             "*7\r\n$8\r\nREPLCONF\r\n$4\r\ncapa\r\n$3\r\neof\r\n$4\r\ncapa\r\n"
                             "$6\r\npsync2\r\n$4\r\ncapa\r\n$7\r\nhistory\r\n");
    tell("+OK\r\n-ERR unknown\r\n");
    cr_expect_str_eq(said(), "");
    r->link.was_master = false;
    tell("-ERR unknown\r\n"); /* no harm */
    cr_expect_str_eq(said(), "*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n");
}

/* Its master counts that; nothing goes on from there. */
Test(link, a_server_that_was_a_master_says_its_id) {
    char want[128];

    follow();
    r->link.was_master = true;
    tell("+PONG\r\n+OK\r\n+OK\r\n+OK\r\n");
    snprintf(want, sizeof want, "PSYNC\r\n$40\r\n%s\r\n$1\r\n1\r\n", r->stream.id);
    cr_expect(strstr(said(), want));
    tell("+CONTINUE\r\n");
    cr_expect_eq(r->link.state, LINK_WAIT);
}

Test(link, it_asks_for_what_follows_its_own_history) {
    repl_stream_adopt(&r->stream, ID, 100, 0);
    follow();
    tell("+PONG\r\n+OK\r\n+OK\r\n");
    said();
    tell("+OK\r\n");
    cr_expect_str_eq(said(), "*3\r\n$5\r\nPSYNC\r\n$40\r\n" ID "\r\n$3\r\n101\r\n");
}

Test(link, a_master_that_loads_is_asked_again_later) {
    greet();
    tell("\n\n-LOADING wait\r\n");
    cr_expect_eq(r->link.state, LINK_WAIT);
    cr_expect(!connected);
    cr_expect_eq(closes, 1);
}

Test(link, a_connection_that_fails_at_once_is_tried_again) {
    refuses = true;
    role_become_replica(r, "127.0.0.1", 1234);
    cr_expect_eq(r->link.state, LINK_WAIT);
    cr_expect(engine.role.is_replica);
    cr_expect(!engine.role.link_up);
}

Test(link, an_endless_line_ends_the_link) {
    follow();
    for (int i = 0; i < 40 && connected; i++) tell("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    cr_expect_eq(r->link.state, LINK_WAIT);
    cr_expect_eq(r->link.damaged, 1);
}

Test(link, to_go_on_that_was_not_asked_for_ends_the_link) {
    greet();
    tell("+CONTINUE\r\n");
    cr_expect_eq(r->link.state, LINK_WAIT);
}

Test(link, a_new_id_of_the_master_becomes_this_history) {
    repl_stream_adopt(&r->stream, ID, 100, 0);
    greet();
    tell("+CONTINUE abcdefabcdefabcdefabcdefabcdefabcdefabcd\r\n");
    cr_expect_eq(r->link.state, LINK_STREAM);
    cr_expect_str_eq(r->stream.id, "abcdefabcdefabcdefabcdefabcdefabcdefabcd");
    cr_expect_str_eq(r->stream.past[0].id, ID);
    cr_expect_eq(r->stream.past[0].end, 100);
}

/* ---------------------------------------------------------------- an earlier offset */

#define OLD "1111111111111111111111111111111111111111"
#define NEW "abcdefabcdefabcdefabcdefabcdefabcdefabcd"

/* Offset 117 of ID, which was OLD up to 100; the data set is that of 100, database 3. */
static void said_since(void) {
    repl_stream_adopt(&r->stream, OLD, 100, 3);
    repl_stream_continue_as(&r->stream, ID);
    repl_stream_append(&r->stream, SLICE("*1\r\n$6\r\nFILLED\r\n*"));
    cr_assert_eq(r->stream.offset, 117);
    follow();
    tell("+PONG\r\n+OK\r\n+OK\r\n");
    said();
}

#define ASKS "*3\r\n$5\r\nPSYNC\r\n$40\r\n" ID "\r\n$3\r\n118\r\n"

Test(link, it_says_where_its_data_set_is) {
    said_since();
    tell("+OK " NEW "\r\n");
    cr_expect_str_eq(said(), "*3\r\n$8\r\nREPLCONF\r\n$7\r\ndata-at\r\n$93\r\n100," ID ":117," OLD
                             ":100\r\n");
    tell("+OK\r\n");
    cr_expect_str_eq(said(), ASKS);
}

Test(link, it_does_not_say_it_to_redis) {
    said_since();
    tell("+OK\r\n");
    cr_expect_str_eq(said(), ASKS);
}

Test(link, a_master_may_go_on_from_there) {
    said_since();
    tell("+OK " NEW "\r\n+OK\r\n");
    tell("+CONTINUE " NEW " 101\r\n");
    cr_expect_eq(r->link.state, LINK_STREAM);
    cr_expect_eq(r->stream.offset, 100);
    cr_expect_str_eq(r->stream.id, NEW);
    cr_expect_eq(r->stream.past[0].end, 100);
    cr_expect_eq(r->stream.past[1].end, 100);
    cr_expect_eq(master.db, 3);
}

static void refuses_to_go_on(const char *line) {
    said_since();
    tell("+OK " NEW "\r\n+OK\r\n");
    tell(line);
    cr_expect_eq(r->link.state, LINK_WAIT, "%s", line);
    cr_expect_eq(r->stream.offset, 117);
    cr_expect_str_eq(r->stream.id, ID);
}

Test(link, but_not_from_an_earlier_offset) {
    refuses_to_go_on("+CONTINUE " NEW " 100\r\n");
}

Test(link, nor_from_a_later_one) {
    refuses_to_go_on("+CONTINUE " NEW " 102\r\n");
}

Test(link, nor_from_what_is_no_offset) {
    refuses_to_go_on("+CONTINUE " NEW " -9223372036854775808x\r\n");
}

Test(link, nor_under_what_is_no_id) {
    refuses_to_go_on("+CONTINUE zzzzefabcdefabcdefabcdefabcdefabcdefabcd 101\r\n");
}

/* The master was OLD up to 150, ID up to 200. */
static void hears(const char *answer) {
    repl_stream_adopt(&r->stream, ID, 100, 3);
    follow();
    tell("+PONG\r\n+OK\r\n+OK\r\n+OK " NEW "," ID ":200," OLD ":50\r\n");
    tell(answer);
}

Test(link, the_older_ids_of_a_master_are_known_after_it_went_on) {
    uint64_t end;

    hears("+CONTINUE " NEW "\r\n");
    cr_assert_eq(r->link.state, LINK_STREAM);
    cr_expect(repl_stream_knows(&r->stream, OLD, &end));
    cr_expect_eq(end, 50);
    cr_expect(repl_stream_knows(&r->stream, ID, &end));
    cr_expect_eq(end, 100, "so far it has come itself");
    r->stream.offset = 300;
    cr_expect(repl_stream_knows(&r->stream, ID, &end));
    cr_expect_eq(end, 200, "so far the master has it");
}

Test(link, an_older_id_ends_where_this_server_becomes_the_master) {
    uint64_t end;

    hears("+CONTINUE " NEW "\r\n");
    role_become_master(r);
    r->stream.offset = 300;
    cr_expect(repl_stream_knows(&r->stream, ID, &end));
    cr_expect_eq(end, 100);
}

Test(link, older_ids_of_another_history_are_not_taken) {
    uint64_t end;

    hears("+CONTINUE 2222222222222222222222222222222222222222\r\n");
    cr_expect_not(repl_stream_knows(&r->stream, OLD, &end));
}

Test(link, an_offset_that_was_not_offered_ends_the_link) {
    repl_stream_adopt(&r->stream, ID, 100, 0);
    greet();
    tell("+CONTINUE " NEW " 101\r\n");
    cr_expect_eq(r->link.state, LINK_WAIT);
}

/* ---------------------------------------------------------------- data set */

#define RDB "REDIS0010\xff\0\0\0\0\0\0\0\0" /* without its last byte: the literal's NUL is it */

static void send_rdb(const char *head) {
    greet();
    tell("+FULLRESYNC " ID " 500\r\n\n");
    cr_assert_eq(r->link.state, LINK_RECEIVE);
    tell(head);
    tell_bytes(RDB, sizeof RDB - 1);
}

Test(link, a_data_set_of_known_length_is_loaded_and_the_stream_begins) {
    send_rdb("$18\r\n");
    tell("*1\r\n$4\r\nPING\r\n"); /* waits until all is loaded */
    await(LINK_STREAM);
    cr_expect_eq(memcmp(loaded, "REDIS0010", 9), 0);
    cr_expect_str_eq(r->stream.id, ID);
    cr_expect_eq(r->stream.offset, 514);
    cr_expect(engine.role.link_up);
    cr_expect_str_eq(said(), "*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$3\r\n500\r\n");
}

Test(link, a_mark_may_come_in_pieces) {
    send_rdb("$EOF:" ID "\r\n");
    tell("0123456789");
    tell("01234567890123456789");
    cr_expect_eq(r->link.state, LINK_RECEIVE);
    tell("0123456789");
    await(LINK_STREAM);
    cr_expect_eq(r->stream.offset, 500);
}

static void hold_a_key(void) {
    struct slice key = SLICE("k");

    db_set_string(&r->e->ks.dbs[0], key, hash_bytes(key.p, key.n), NULL, SLICE("v"),
                  ENTRY_NO_EXPIRE, 0);
}

Test(link, a_data_set_that_does_not_hold_does_not_replace_another) {
    hold_a_key();
    greet();
    tell("+FULLRESYNC " ID " 500\r\n$9\r\nREDIS9999");
    await(LINK_WAIT);
    cr_expect_str_eq(loaded, "");
    cr_expect(!r->stream.active);
}

Test(link, a_link_that_ends_before_the_load_leaves_the_history) {
    repl_stream_adopt(&r->stream, ID, 100, 0);
    greet();
    tell("+FULLRESYNC abcdefabcdefabcdefabcdefabcdefabcdefabcd 500\r\n$100\r\nREDIS");
    master.ops->close(&master, false);
    cr_expect_eq(r->link.state, LINK_WAIT);
    cr_expect_str_eq(r->stream.id, ID);
    cr_expect_eq(r->stream.offset, 100);
}

Test(link, after_a_load_that_failed_there_is_no_history) {
    repl_stream_adopt(&r->stream, ID, 100, 0);
    load_rc = -1;
    send_rdb("$18\r\n");
    await(LINK_WAIT);
    cr_expect(!r->stream.active);
}

/* ---------------------------------------------------------------- the stream */

#define SET_A "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"

Test(link, a_command_is_applied_and_counts) {
    stream();
    tell(SET_A);
    cr_expect_str_eq(say("GET a"), "$1\r\n1\r\n");
    cr_expect_eq(r->stream.offset, 100 + strlen(SET_A));
    cr_expect_str_eq(said(), "");
}

Test(link, half_a_command_counts_as_read_only) {
    stream();
    tell(SET_A "*3\r\n$3\r\nSE");
    cr_expect_eq(r->stream.offset, 100 + strlen(SET_A));
    cr_expect_eq(r->link.apply.read_offset, 100 + strlen(SET_A) + 10);
}

Test(link, a_transaction_is_applied_as_a_whole) {
    stream();
    tell("*1\r\n$5\r\nMULTI\r\n" SET_A);
    cr_expect_str_eq(say("GET a"), "$-1\r\n");
    cr_expect_eq(r->stream.offset, 100);
    tell("*1\r\n$4\r\nEXEC\r\n");
    cr_expect_str_eq(say("GET a"), "$1\r\n1\r\n");
    cr_expect_eq(r->stream.offset, 100 + 15 + strlen(SET_A) + 14);
}

Test(link, a_transaction_that_was_cut_is_asked_for_again) {
    stream();
    tell("*1\r\n$5\r\nMULTI\r\n" SET_A);
    master.ops->close(&master, false);
    cr_expect_str_eq(say("GET a"), "$-1\r\n");
    cr_expect_eq(r->stream.offset, 100);
    cr_expect_eq(r->link.apply.unit.n, 0);
}

Test(link, an_ack_is_of_before_the_question) {
    stream();
    tell("*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n");
    cr_expect_str_eq(said(), "*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$3\r\n100\r\n");
    cr_expect_eq(r->stream.offset, 137);
}

Test(link, what_is_no_command_of_a_stream_is_refused_and_counts) {
    stream();
    tell("*1\r\n$5\r\nNOSUC\r\n" SET_A);
    cr_expect_eq(engine.stats.unexpected_errors, 1);
    cr_expect_str_eq(say("GET a"), "$1\r\n1\r\n");
    tell("*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
    cr_expect_eq(engine.stats.unexpected_errors, 2);
    cr_expect_eq(r->stream.offset, 100 + 15 + strlen(SET_A) + 20);
    cr_expect_eq(r->link.state, LINK_STREAM);
}

static void breaks(const char *bad) {
    stream();
    tell(SET_A);
    tell(bad);
    cr_expect_eq(r->link.state, LINK_WAIT);
    cr_expect_eq(r->stream.offset, 100 + strlen(SET_A));
    cr_expect_eq(r->link.damaged, 1);
}

Test(link, an_inline_command_breaks_it) {
    breaks("SET a 2\r\n");
}

Test(link, a_newline_breaks_it) {
    breaks("\n");
}

Test(link, a_length_with_a_zero_before_it_breaks_it) {
    breaks("*01\r\n$4\r\nPING\r\n");
}

Test(link, exec_without_multi_breaks_it) {
    breaks("*1\r\n$4\r\nEXEC\r\n");
}

Test(link, nested_multi_breaks_it) {
    breaks("*1\r\n$5\r\nMULTI\r\n*1\r\n$5\r\nMULTI\r\n");
}

Test(link, nothing_is_applied_while_a_script_is_busy) {
    stream();
    engine.busy = BUSY_SCRIPT;
    tell(SET_A);
    link_step(r);
    cr_expect_eq(r->stream.offset, 100);
    engine.busy = BUSY_NOT;
    link_step(r);
    cr_expect_eq(r->stream.offset, 100 + strlen(SET_A));
}

Test(link, replicaof_no_one_goes_on_under_a_new_id) {
    stream();
    role_become_master(r);
    cr_expect_eq(r->link.state, LINK_OFF);
    cr_expect_str_neq(r->stream.id, ID);
    cr_expect_str_eq(r->stream.past[0].id, ID);
    cr_expect_eq(r->stream.past[0].end, 100);
    cr_expect(!engine.role.is_replica);
}
