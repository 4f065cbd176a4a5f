/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Two events in one turn of the loop. DEBUG SLEEP holds the loop until the bytes of all clients
 * are there; they are read in the order in which they came.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/kit/ask.h"
#include "tests/kit/resp3.h"
#include "tests/kit/server.h"

TestSuite(turns, .fini = kit_end);

#define DEBUG "--enable-debug-command", "yes"

/* What is sent from here on falls into one turn. */
static void hold(struct server *s) {
    ask_send(ask_open(s), "DEBUG SLEEP 0.3");
    usleep(50 * 1000); /* the others' bytes must come after it has begun */
}

static long long client_id(redisContext *c) {
    return atoll(ask(c, "CLIENT ID") + 1);
}

Test(turns, a_client_that_is_served_twice_in_a_turn) {
    struct server *s = server_run(DEBUG, NULL);
    redisContext *waits = ask_open(s), *a = ask_open(s), *b = ask_open(s);

    ask_send(waits, "BLPOP k1 0");
    ask_wait_info(a, "blocked_clients", "1");
    hold(s);
    ask_send(a, "RPUSH k1 x");
    ask_send(waits, "BLPOP k2 0");
    ask_send(b, "RPUSH k2 y");
    EXPECT_NEXT(waits, "[$k1 $x]");
    EXPECT_NEXT(waits, "[$k2 $y]");
    EXPECT_NEXT(a, ":1");
    EXPECT_NEXT(b, ":1");
    EXPECT(waits, "+PONG", "PING");
}

/* One over RESP3, which may wait while it is subscribed. */
static struct resp_conn open3(struct server *s, const char *pattern) {
    struct resp_conn c;

    cr_assert_eq(resp_open(&c, server_port(s), NULL), 0);
    resp_ask(&c, "HELLO", "3", NULL);
    if (pattern) resp_ask(&c, "PSUBSCRIBE", pattern, NULL);
    return c;
}

static bool has_gone(void *c) {
    const char *got = resp_next(c);

    return strcmp(got, "(closed)") == 0;
}

#define SMALL_OUTPUT                                                                               \
    "--notify-keyspace-events", "KEA", "--client-output-buffer-limit", "pubsub 20000 0 0"

/* The served client's command is told to the next in line, which holds too much by that. */
Test(turns, a_waiting_client_goes_over_its_limit_while_another_is_served) {
    struct server *s = server_run(DEBUG, SMALL_OUTPUT, NULL);
    redisContext *first = ask_open(s), *c = ask_open(s);
    struct resp_conn next = open3(s, "__keyevent*__:lpop");
    static char key[30000];

    memset(key, 'k', sizeof key - 1);
    ask_send(first, "BLPOP %s 0", key);
    ask_wait_info(c, "blocked_clients", "1");
    resp_send_words(&next, "BLPOP", key, "0", NULL);
    ask_wait_info(c, "blocked_clients", "2");
    EXPECT(c, ":1", "LPUSH %s x", key);
    cr_assert(strstr(ask_next(first), " $x]"));
    ask_wait_info(c, "blocked_clients", "0");
    EXPECT(c, ":1", "LPUSH %s y", key);
    EXPECT(c, ":1", "LLEN %s", key);
    cr_assert(kit_wait(has_gone, &next, 60));
    resp_close(&next);
}

Test(turns, a_client_goes_over_its_limit_by_what_its_own_serving_tells_it) {
    struct server *s = server_run(DEBUG, SMALL_OUTPUT, NULL);
    redisContext *c = ask_open(s);
    struct resp_conn waits = open3(s, "__keyevent*__:lpop");
    static char key[30000];

    memset(key, 'k', sizeof key - 1);
    resp_send_words(&waits, "BLPOP", key, "l", "0", NULL);
    ask_wait_info(c, "blocked_clients", "1");
    EXPECT(c, "+OK", "MULTI");
    EXPECT(c, "+QUEUED", "LPUSH %s x", key);
    EXPECT(c, "+QUEUED", "LPUSH l y");
    EXPECT(c, "[:1 :1]", "EXEC");
    EXPECT(c, "+PONG", "PING");
    ask_wait_info(c, "blocked_clients", "0");
    EXPECT(c, ":1", "LLEN l");
    cr_assert(kit_wait(has_gone, &waits, 60));
    resp_close(&waits);
}

/* Their pipelines have had their slices, and a reply was too large. */
Test(turns, clients_go_over_their_limits_while_their_pipelines_wait_for_the_next_turn) {
    struct server *s = server_run(DEBUG, "--client-output-buffer-limit", "normal 20000 0 0", NULL);
    redisContext *c = ask_open(s), *reads[4];

    EXPECT(c, ":30000", "SETRANGE k 29999 x");
    for (int i = 0; i < 4; i++) reads[i] = ask_open(s);
    EXPECT(c, "+OK", "DEBUG SLICE 1 1");
    hold(s);
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 3; k++) redisAppendCommand(reads[i], "GET k");
        ask_send(reads[i], "PING");
    }
    for (int i = 0; i < 4; i++) EXPECT_NEXT(reads[i], "(closed)");
    EXPECT(c, "+PONG", "PING");
    EXPECT(c, "+PONG", "PING");
    server_stop(s);
}

Test(turns, a_parked_client_is_killed_and_all_go_on) {
    struct server *s = server_run(DEBUG, NULL);
    redisContext *parks = ask_open(s), *other = ask_open(s), *c = ask_open(s);
    long long id = client_id(parks);

    EXPECT(c, "+OK", "CLIENT PAUSE 100000 WRITE");
    ask_send(parks, "SET k 1");
    ask_send(other, "SET l 1");
    ask_wait_info(c, "blocked_clients", "2");
    redisAppendCommand(c, "CLIENT KILL ID %lld", id);
    ask_send(c, "CLIENT UNPAUSE");
    EXPECT_NEXT(c, ":1");
    EXPECT_NEXT(c, "+OK");
    EXPECT_NEXT(other, "+OK");
    EXPECT(c, "(nil)", "GET k");
    EXPECT_NEXT(parks, "(closed)");
}

static void add_overdue(redisContext *c) {
    for (int i = 0; i < 20; i++) EXPECT(c, "+OK", "SET key:%d v PX 1", i);
    while (strcmp(ask(c, "PTTL key:19"), ":-2") != 0) continue;
}

Test(turns, a_key_whose_time_is_over_is_walked_over_by_one_that_tracks) {
    struct server *s = server_run(DEBUG, NULL);
    redisContext *c = ask_open(s);
    struct resp_conn tracks = open3(s, NULL);

    EXPECT(c, "+OK", "DEBUG SET-ACTIVE-EXPIRE 0");
    cr_assert_str_eq(resp_ask(&tracks, "CLIENT", "TRACKING", "ON", NULL), "+OK");
    add_overdue(c);
    cr_assert_str_eq(resp_ask(&tracks, "SCAN", "0", "COUNT", "100", NULL), "[$0 []]");
    EXPECT(c, ":0", "DBSIZE");
    add_overdue(c);
    cr_assert_str_eq(resp_ask(&tracks, "RANDOMKEY", NULL), "_");
    EXPECT(c, ":0", "DBSIZE");
    cr_assert_str_eq(ask_info(c, "tracking_total_keys"), "0", "as in Redis");
    resp_close(&tracks);
}

/* ---------------------------------------------------------------- within a command that takes long
 */

/* Clients that are read in the turn of a long command, after it. */
static void beside_a_long_command(bool peer_goes) {
    struct server *s = server_run(DEBUG, "--appendonly", "yes", NULL);
    redisContext *slow = ask_open(s), *writes = ask_open(s), *reads = ask_open(s),
                 *kills = ask_open(s), *queues = ask_open(s);
    long long id = client_id(slow);
    const char *killed;

    for (int i = 0; i < 2000; i++) redisAppendCommand(writes, "RPUSH l %d", i);
    for (int i = 0; i < 2000; i++) ask_next(writes);
    EXPECT(queues, "+OK", "MULTI");
    EXPECT(reads, "+OK", "DEBUG SLICE 1 1");
    hold(s);
    ask_send(slow, "SORT l");
    ask_send(writes, "SET k v");
    ask_send(kills, "CLIENT KILL ID %lld", id);
    ask_send(queues, "GET k");
    ask_send(reads, "GET k");
    if (peer_goes) shutdown(slow->fd, SHUT_RDWR);
    EXPECT_NEXT(reads, "(nil)");
    EXPECT_NEXT(queues, "+QUEUED");
    EXPECT_NEXT(writes, "+OK");
    killed = ask_next(kills);
    cr_assert(strcmp(killed, ":1") == 0 || (peer_goes && strcmp(killed, ":0") == 0), "%s", killed);
    EXPECT(queues, "[$v]", "EXEC");
    EXPECT(reads, "$v", "GET k");
    server_stop(s);
}

Test(turns, others_read_within_a_long_command_and_write_after_it) {
    beside_a_long_command(false);
}

Test(turns, a_client_goes_while_its_long_command_has_others_served) {
    beside_a_long_command(true);
}
