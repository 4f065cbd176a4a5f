/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Channels and keyspace events over the wire, with several connections.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/ask.h"
#include "tests/kit/server.h"

TestSuite(pubsub, .fini = kit_end);

Test(pubsub, messages_and_counts) {
    struct server *s = server_run("--save", "", NULL);
    redisContext *c = ask_open(s), *sub = ask_open(s);

    EXPECT(sub, "[$subscribe $a :1]", "SUBSCRIBE a");
    EXPECT(sub, "[$psubscribe $b* :2]", "PSUBSCRIBE b*");
    EXPECT(sub, "[$ssubscribe $s :1]", "SSUBSCRIBE s");
    EXPECT(c, ":1", "PUBLISH a 1");
    EXPECT(c, ":1", "PUBLISH bb 2");
    EXPECT(c, ":1", "SPUBLISH s 3");
    EXPECT_NEXT(sub, "[$message $a $1]");
    EXPECT_NEXT(sub, "[$pmessage $b* $bb $2]");
    EXPECT_NEXT(sub, "[$smessage $s $3]");
    EXPECT(sub, "[$pong $]", "PING");
    EXPECT_PREFIX(sub, "-ERR Can't execute 'get'", "GET k");
    cr_assert_eq(ask_info_int(c, "pubsub_channels"), 1);
    cr_assert_eq(ask_info_int(c, "pubsub_patterns"), 1);
    cr_assert_eq(ask_info_int(c, "pubsubshard_channels"), 1);
    cr_assert_eq(ask_info_int(c, "pubsub_clients"), 1);
    cr_assert(strstr(ask(c, "CLIENT LIST TYPE pubsub"), "flags=P db=0 sub=1 psub=1 ssub=1"));
    EXPECT(sub, "+RESET", "RESET");
    EXPECT(sub, "(nil)", "GET k");
    EXPECT(c, "[]", "PUBSUB CHANNELS");
}

Test(pubsub, a_connection_that_ends_is_no_subscriber) {
    struct server *s = server_run("--save", "", NULL);
    redisContext *c = ask_open(s), *sub = ask_open(s);

    EXPECT(sub, "[$subscribe $a :1]", "SUBSCRIBE a");
    EXPECT(c, ":1", "CLIENT KILL TYPE pubsub");
    EXPECT(c, ":0", "PUBLISH a 1");
    EXPECT(c, "[]", "PUBSUB CHANNELS");
}

Test(pubsub, a_client_that_was_killed_is_not_counted_by_what_follows_in_the_transaction) {
    struct server *s = server_run("--save", "", NULL);
    redisContext *c = ask_open(s), *sub = ask_open(s);

    EXPECT(sub, "[$subscribe $ch :1]", "SUBSCRIBE ch");
    EXPECT(sub, "[$psubscribe $c* :2]", "PSUBSCRIBE c*");
    EXPECT(c, "+OK", "MULTI");
    EXPECT(c, "+QUEUED", "CLIENT KILL TYPE pubsub");
    EXPECT(c, "+QUEUED", "PUBLISH ch m");
    EXPECT(c, "+QUEUED", "PUBSUB NUMSUB ch");
    EXPECT(c, "[:1 :0 [$ch :0]]", "EXEC");
}

/* Its output is bounded, and the others go on. */
Test(pubsub, a_subscriber_that_never_reads_is_cut_off) {
    struct server *s =
        server_run("--save", "", "--client-output-buffer-limit", "pubsub 1mb 0 0", NULL);
    redisContext *c = ask_open(s), *sub = ask_open(s), *other = ask_open(s);
    char *message = malloc(100001);

    memset(message, 'x', 100000);
    message[100000] = '\0';
    EXPECT(sub, "[$subscribe $a :1]", "SUBSCRIBE a");
    EXPECT(other, "[$subscribe $b :1]", "SUBSCRIBE b");
    for (int i = 0; i < 300 && strcmp(ask(c, "PUBLISH a %s", message), ":1") == 0; i++) continue;
    EXPECT(c, ":0", "PUBLISH a x");
    EXPECT(c, ":1", "PUBLISH b x");
    EXPECT_NEXT(other, "[$message $b $x]");
    cr_assert_eq(ask_info_int(c, "client_output_buffer_limit_disconnections"), 1);
    free(message);
}

Test(pubsub, events_of_keys) {
    struct server *s = server_run("--save", "", "--notify-keyspace-events", "KEA", NULL);
    redisContext *c = ask_open(s), *sub = ask_open(s);

    EXPECT(sub, "[$psubscribe $__key*__:* :1]", "PSUBSCRIBE __key*__:*");
    EXPECT(c, "+OK", "SELECT 3");
    EXPECT(c, "+OK", "SET k v PX 30");
    EXPECT_NEXT(sub, "[$pmessage $__key*__:* $__keyspace@3__:k $set]");
    EXPECT_NEXT(sub, "[$pmessage $__key*__:* $__keyevent@3__:set $k]");
    EXPECT_NEXT(sub, "[$pmessage $__key*__:* $__keyspace@3__:k $expire]");
    EXPECT_NEXT(sub, "[$pmessage $__key*__:* $__keyevent@3__:expire $k]");
    EXPECT_NEXT(sub, "[$pmessage $__key*__:* $__keyspace@3__:k $expired]");
    EXPECT_NEXT(sub, "[$pmessage $__key*__:* $__keyevent@3__:expired $k]");
    EXPECT(c, "+OK", "CONFIG SET notify-keyspace-events Kl");
    EXPECT(c, "+OK", "SET k v");
    EXPECT(c, ":1", "LPUSH l v");
    EXPECT_NEXT(sub, "[$pmessage $__key*__:* $__keyspace@3__:l $lpush]");
}

Test(pubsub, copies_are_called_back_through_another_connection) {
    struct server *s = server_run("--save", "", NULL);
    redisContext *c = ask_open(s), *data = ask_open(s), *sub = ask_open(s);
    long long id = atoll(ask(sub, "CLIENT ID") + 1);

    EXPECT(sub, "[$subscribe $__redis__:invalidate :1]", "SUBSCRIBE __redis__:invalidate");
    EXPECT(data, "+OK", "CLIENT TRACKING on REDIRECT %lld", id);
    EXPECT(data, "(nil)", "GET k");
    EXPECT(c, "+OK", "SET k v");
    EXPECT_NEXT(sub, "[$message $__redis__:invalidate [$k]]");
    EXPECT(data, "+OK", "CLIENT TRACKING off");
    EXPECT(data, "+OK", "CLIENT TRACKING on REDIRECT %lld BCAST PREFIX soon", id);
    EXPECT(c, "+OK", "SET soon:over v PX 100");
    EXPECT_NEXT(sub, "[$message $__redis__:invalidate [$soon:over]]");
    EXPECT_NEXT(sub, "[$message $__redis__:invalidate [$soon:over]]"); /* its time came */
    cr_assert_eq(ask_info_int(c, "tracking_clients"), 1);
    cr_assert(strstr(ask(c, "CLIENT LIST"), "flags=tB "));
    EXPECT(data, "+RESET", "RESET");
    EXPECT(data, ":-1", "CLIENT GETREDIR");
}

Test(pubsub, a_client_killed_in_a_transaction_is_not_there_for_the_rest_of_it) {
    struct server *s = server_run("--save", "", NULL);
    redisContext *c = ask_open(s), *sub = ask_open(s);
    long long id = atoll(ask(sub, "CLIENT ID") + 1);

    EXPECT(c, "+OK", "MULTI");
    EXPECT(c, "+QUEUED", "CLIENT KILL ID %lld", id);
    EXPECT(c, "+QUEUED", "CLIENT TRACKING on REDIRECT %lld", id);
    EXPECT(c, "+QUEUED", "CLIENT LIST ID %lld", id);
    EXPECT(c, "[:1 -ERR The client ID you want redirect to does not exist $]", "EXEC");
}

Test(pubsub, a_client_killed_in_a_transaction_tracks_nothing_for_the_rest_of_it) {
    struct server *s = server_run("--save", "", NULL);
    redisContext *c = ask_open(s), *data = ask_open(s), *sub = ask_open(s);
    long long to = atoll(ask(sub, "CLIENT ID") + 1), id = atoll(ask(data, "CLIENT ID") + 1);

    EXPECT(sub, "[$subscribe $__redis__:invalidate :1]", "SUBSCRIBE __redis__:invalidate");
    EXPECT(data, "+OK", "CLIENT TRACKING on REDIRECT %lld", to);
    EXPECT(c, "+OK", "MULTI");
    EXPECT(c, "+QUEUED", "CLIENT KILL ID %lld", id);
    EXPECT(c, "+QUEUED", "FLUSHDB");
    EXPECT(c, "+QUEUED", "INFO clients");
    cr_assert(strstr(ask(c, "EXEC"), "tracking_clients:0"));
    EXPECT(c, ":1", "PUBLISH __redis__:invalidate next");
    EXPECT_NEXT(sub, "[$message $__redis__:invalidate $next]");
}

Test(pubsub, subscribing_in_a_transaction) {
    struct server *s = server_run("--save", "", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "+OK", "MULTI");
    EXPECT(c, "+QUEUED", "SUBSCRIBE a");
    EXPECT(c, "+QUEUED", "PUBLISH a x");
    EXPECT(c, "+QUEUED", "SSUBSCRIBE s");
    EXPECT(c,
           "[[$subscribe $a :1] :1 "
           "-ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client]",
           "EXEC");
    EXPECT_NEXT(c, "[$message $a $x]");
}

/* `o` and `c`, which A does not mean. */
Test(pubsub, a_value_that_is_replaced_is_told) {
    struct server *s = server_run("--notify-keyspace-events", "Eoc", NULL);
    redisContext *c = ask_open(s), *sub = ask_open(s);

    EXPECT(sub, "[$psubscribe $__keyevent@0__:* :1]", "PSUBSCRIBE __keyevent@0__:*");
    EXPECT(c, "+OK", "SET k 1");
    EXPECT(c, ":2", "INCR k");
    EXPECT(c, "+OK", "SET k 2");
    EXPECT_NEXT(sub, "[$pmessage $__keyevent@0__:* $__keyevent@0__:overwritten $k]");
    EXPECT(c, ":2", "SADD s a b");
    EXPECT(c, ":2", "SUNIONSTORE k s");
    EXPECT_NEXT(sub, "[$pmessage $__keyevent@0__:* $__keyevent@0__:overwritten $k]");
    EXPECT_NEXT(sub, "[$pmessage $__keyevent@0__:* $__keyevent@0__:type_changed $k]");
    EXPECT(c, "+OK", "RENAME s k");
    EXPECT_NEXT(sub, "[$pmessage $__keyevent@0__:* $__keyevent@0__:overwritten $k]");
    EXPECT(c, "+OK", "MSET k 1 other 2");
    EXPECT_NEXT(sub, "[$pmessage $__keyevent@0__:* $__keyevent@0__:overwritten $k]");
    EXPECT_NEXT(sub, "[$pmessage $__keyevent@0__:* $__keyevent@0__:type_changed $k]");
    EXPECT(c, ":1", "COPY other k REPLACE");
    EXPECT_NEXT(sub, "[$pmessage $__keyevent@0__:* $__keyevent@0__:overwritten $k]");
    EXPECT(c, "[$notify-keyspace-events $ocE]", "CONFIG GET notify-keyspace-events");
}
