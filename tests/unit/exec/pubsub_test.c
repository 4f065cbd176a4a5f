/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Subscriptions, the order of messages and replies, and what messages wait for.
 */
#include "exec_help.h"
#include "server/exec/pubsub.h"
#include "server/exec/push.h"
#include "server/exec/session.h"
#include "server/exec/turn.h"

#include <criterion/criterion.h>

TestSuite(pubsub, .init = exec_begin, .fini = exec_end);

static struct slice word(const char *s) {
    return slice_str(s);
}

static size_t publish(const char *channel, const char *message) {
    size_t n = pubsub_publish(&engine, PUBSUB_CHANNEL, word(channel), word(message));

    push_settle(&engine, 0);
    return n;
}

/* What happened to one of the keys k and n; a message on the channel of k's events. */
#define ABOUT(key, name, len)                                                                      \
    "$7\r\nmessage\r\n$16\r\n__keyspace@0__:" key "\r\n$" #len "\r\n" name "\r\n"
#define EVENT(key, name, len) "*3\r\n" ABOUT(key, name, len)

static void subscribe_to_events(struct session *s) {
    pubsub_subscribe(s, PUBSUB_CHANNEL, word("__keyspace@0__:k"));
    pubsub_subscribe(s, PUBSUB_CHANNEL, word("__keyspace@0__:n"));
}

Test(pubsub, messages_reach_subscribers_of_the_channel_and_of_patterns) {
    pubsub_subscribe(&two, PUBSUB_CHANNEL, word("a"));
    pubsub_subscribe(&two, PUBSUB_PATTERN, word("a*"));
    cr_assert_eq(publish("a", "x"), 2);
    cr_assert_eq(publish("b", "x"), 0);
    cr_assert_str_eq(output(&two), "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n"
                                   "*4\r\n$8\r\npmessage\r\n$2\r\na*\r\n$1\r\na\r\n$1\r\nx\r\n");
    cr_assert_gt(woken, 0);
    cr_assert_eq(pubsub_publish(&engine, PUBSUB_SHARD, word("a"), word("x")), 0);
}

Test(pubsub, subscribing_twice_is_subscribing_once) {
    pubsub_subscribe(&two, PUBSUB_CHANNEL, word("a"));
    pubsub_subscribe(&two, PUBSUB_CHANNEL, word("a"));
    pubsub_subscribe(&one, PUBSUB_CHANNEL, word("a"));
    cr_assert_eq(pubsub_count(&two, PUBSUB_CHANNEL), 1);
    cr_assert_eq(pubsub_subscribers(engine.pubsub, PUBSUB_CHANNEL, word("a")), 2);
    pubsub_unsubscribe(&two, PUBSUB_CHANNEL, word("a"));
    pubsub_unsubscribe(&two, PUBSUB_CHANNEL, word("a"));
    cr_assert_null(two.subscriber, "who hears nothing keeps nothing");
    cr_assert_eq(pubsub_subscribers(engine.pubsub, PUBSUB_CHANNEL, word("a")), 1);
}

Test(pubsub, a_session_that_ends_leaves_no_topics) {
    char name[16];

    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "c%d", i);
        pubsub_subscribe(&two, (enum pubsub_kind)(i % PUBSUB_KINDS), word(name));
    }
    session_enter(&two, SESSION_CLOSING);
    session_end_closing(&engine);
    cr_assert_null(two.subscriber);
    for (int k = 0; k < PUBSUB_KINDS; k++) cr_assert_eq(engine.pubsub->topics[k].count, 0);
    cr_assert(list_empty(&engine.pubsub->patterns));
}

Test(pubsub, what_a_command_tells_its_own_client_follows_the_reply) {
    exec_events("KA");
    one.resp = 3;
    subscribe_to_events(&one);
    cr_assert_str_eq(say("SET k v"), "+OK\r\n>3\r\n" ABOUT("k", "set", 3));
    feed(&one, "MULTI\r\nINCR n\r\nEXEC\r\n");
    cr_assert_str_eq(output(&one), "+OK\r\n+QUEUED\r\n*1\r\n:1\r\n"
                                   ">3\r\n" ABOUT("n", "incr", 4));
}

Test(pubsub, a_silenced_client_still_gets_messages) {
    exec_events("KA");
    one.resp = 3;
    one.flags |= SESSION_REPLY_OFF;
    subscribe_to_events(&one);
    cr_assert_str_eq(say("SET k v"), ">3\r\n" ABOUT("k", "set", 3));
}

Test(pubsub, a_resp2_subscriber_may_do_little_else) {
    pubsub_subscribe(&one, PUBSUB_CHANNEL, word("a"));
    cr_assert_str_eq(say("GET k"), "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / "
                                   "(P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
                                   "context\r\n");
    one.resp = 3;
    cr_assert_str_eq(say("GET k"), "_\r\n");
}

TestSuite(pubsub_logged, .init = exec_begin_logged, .fini = exec_end);

Test(pubsub_logged, an_event_waits_for_the_command_that_caused_it) {
    exec_events("KA");
    subscribe_to_events(&two);
    publish("__keyspace@0__:k", "free");
    exec_stop_writes();
    feed(&one, "SET k v\r\n");
    engine_before_wait(&engine);
    cr_assert_str_eq(sendable(&two), EVENT("k", "free", 4), "nothing of the change is shown");
    cr_assert_str_eq(sendable(&one), "");
    exec_go_on();
    cr_assert_str_eq(sendable(&two), EVENT("k", "free", 4) EVENT("k", "set", 3));
}

Test(pubsub_logged, what_a_transaction_tells_waits_for_all_of_it) {
    exec_events("KA");
    subscribe_to_events(&two);
    exec_stop_writes();
    feed(&one, "MULTI\r\nINCR n\r\nSET k v\r\nEXEC\r\n");
    cr_assert_eq(two.ngates, 1);
    cr_assert_eq(two.gates[0].position, aof_appended(engine.aof));
    engine_before_wait(&engine);
    cr_assert_str_eq(sendable(&two), "");
    exec_go_on();
    cr_assert_str_eq(sendable(&two), EVENT("n", "incr", 4) EVENT("k", "set", 3));
}

Test(pubsub_logged, a_silenced_clients_own_events_wait_too) {
    exec_events("KA");
    one.resp = 3;
    one.flags |= SESSION_REPLY_OFF;
    subscribe_to_events(&one);
    exec_stop_writes();
    feed(&one, "SET k v\r\n");
    engine_before_wait(&engine);
    cr_assert_str_eq(sendable(&one), "");
    exec_go_on();
    cr_assert_str_eq(sendable(&one), ">3\r\n" ABOUT("k", "set", 3));
}

Test(pubsub_logged, messages_without_a_change_do_not_wait) {
    subscribe_to_events(&two);
    exec_stop_writes();
    feed(&one, "SET k v\r\n");
    engine_before_wait(&engine);
    publish("__keyspace@0__:k", "free");
    cr_assert_str_eq(sendable(&two), EVENT("k", "free", 4));
    exec_go_on();
}
