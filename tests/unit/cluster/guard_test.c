/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which node serves what. Slot 12182 (foo) is node 2's, 5061 (bar) node 0's, 15495 (a) node 2's,
 * 3300 (b) node 0's.
 */
#include "cluster_help.h"
#include "conf/conf.h"
#include "server/cluster/change.h"

#include <criterion/criterion.h>

TestSuite(guard, .init = three_begin, .fini = cluster_end);
TestSuite(alone, .init = one_begin, .fini = cluster_end);
TestSuite(none, .init = none_begin, .fini = exec_end);

enum { FOO = 12182, BAR = 5061 };

#define CROSSSLOT "-CROSSSLOT Keys in request don't hash to the same slot\r\n"
#define DOWN      "-CLUSTERDOWN The cluster is down\r\n"
#define NIL       "$-1\r\n"

Test(none, a_server_without_a_cluster_has_no_guard) {
    cr_assert_null(engine.cluster);
    cr_assert_eq(engine.odd, 0);
}

Test(alone, slots_are_of_the_part_in_braces) {
    cr_expect_eq(slot_of(SLICE("foo")), FOO);
    cr_expect_eq(slot_of(SLICE("{foo}.bar")), FOO);
    cr_expect_eq(slot_of(SLICE("x{foo}{bar}")), FOO);
    cr_expect_eq(slot_of(SLICE("{}foo")), slot_of(SLICE("{}foo")));
    cr_expect_neq(slot_of(SLICE("{}foo")), FOO);
    cr_expect_eq(slot_of(SLICE("{foo")), slot_of(SLICE("{foo")));
    cr_expect_eq(slot_of(SLICE("{{foo}}")), slot_of(SLICE("{foo")));
    cr_expect_eq(slot_of(SLICE("")), 0);
}

Test(alone, one_node_serves_every_slot_but_one_at_a_time) {
    cr_expect_str_eq(say("set foo 1"), "+OK\r\n");
    cr_expect_str_eq(say("set bar 1"), "+OK\r\n");
    cr_expect_str_eq(say("take foo bar 0"), CROSSSLOT);
    cr_expect_str_eq(say("take {foo}x foo 0"), "$1\r\n1\r\n");
}

Test(alone, a_transaction_over_two_slots_ends_with_the_error_itself) {
    cr_expect_str_eq(say("multi\r\nset foo 1\r\nset bar 1"), "+OK\r\n+QUEUED\r\n+QUEUED\r\n");
    cr_expect_str_eq(say("exec"), CROSSSLOT);
    cr_expect_str_eq(say("get foo"), NIL);
    cr_expect_str_eq(say("exec"), "-ERR EXEC without MULTI\r\n");
}

Test(alone, a_slot_without_an_owner_is_not_served) {
    slot_give(cluster, FOO, NO_NODE);
    cr_expect_str_eq(say("get foo"), "-CLUSTERDOWN Hash slot not served\r\n");
    cr_expect_str_eq(say("get bar"), DOWN);
    cr_expect_str_eq(say("ping"), "+PONG\r\n");
}

Test(guard, the_owner_serves_and_the_others_say_where_it_is) {
    cr_expect_str_eq(say_to(2, "set foo 1"), "+OK\r\n");
    cr_expect_str_eq(say_to(0, "get foo"), "-MOVED 12182 127.0.0.1:7002\r\n");
    cr_expect_str_eq(say_to(1, "set foo 1"), "-MOVED 12182 127.0.0.1:7002\r\n");
    cr_expect_str_eq(say_to(5, "get foo"), "-MOVED 12182 127.0.0.1:7002\r\n");
}

Test(guard, a_replica_serves_reads_of_its_master_after_readonly) {
    say_to(2, "set foo 1");
    cr_expect_str_eq(say_to(5, "readonly"), "+OK\r\n");
    cr_expect_str_eq(say_to(5, "get foo"), "$1\r\n1\r\n");
    cr_expect_str_eq(say_to(5, "set foo 2"), "-MOVED 12182 127.0.0.1:7002\r\n");
    cr_expect_str_eq(say_to(5, "get bar"), "-MOVED 5061 127.0.0.1:7000\r\n");
    cr_expect_str_eq(say_to(5, "clear"),
                     "-READONLY You can't write against a read only replica.\r\n");
    cr_expect_str_eq(say_to(5, "readwrite"), "+OK\r\n");
    cr_expect_str_eq(say_to(5, "get foo"), "-MOVED 12182 127.0.0.1:7002\r\n");
}

Test(guard, a_slot_on_its_way_asks_for_the_keys_that_are_not_there) {
    say_to(2, "set foo 1");
    change_ask(cluster, FOO, 0);
    cr_expect_str_eq(say_to(2, "get foo"), "$1\r\n1\r\n");
    cr_expect_str_eq(say_to(2, "get {foo}x"), "-ASK 12182 127.0.0.1:7000\r\n");
    cr_expect_str_eq(say_to(2, "take foo {foo}x 0"),
                     "-TRYAGAIN Multiple keys request during rehashing of slot\r\n");
    cr_expect_str_eq(say_to(0, "get {foo}x"), "-MOVED 12182 127.0.0.1:7002\r\n");
    cr_expect_str_eq(say_to(0, "asking"), "+OK\r\n");
    cr_expect_str_eq(say_to(0, "set {foo}x 5"), "+OK\r\n");
    cr_expect_str_eq(say_to(0, "get {foo}x"), "-MOVED 12182 127.0.0.1:7002\r\n");
    cr_expect_str_eq(say_to(2, "get {foo}x"), "-ASK 12182 127.0.0.1:7000\r\n",
                     "the key is at the other node");
    say_to(0, "asking");
    cr_expect_str_eq(say_to(0, "take {foo}x {foo}y 0"),
                     "-TRYAGAIN Multiple keys request during rehashing of slot\r\n");
}

Test(guard, asking_holds_for_the_whole_of_a_transaction) {
    change_ask(cluster, FOO, 0);
    cr_expect_str_eq(say_to(0, "asking\r\nmulti\r\nset foo 1\r\nget foo"),
                     "+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n");
    cr_expect_str_eq(say_to(0, "exec"), "*2\r\n+OK\r\n$1\r\n1\r\n");
    cr_expect_str_eq(say_to(0, "get foo"), "-MOVED 12182 127.0.0.1:7002\r\n");
}

Test(guard, the_end_of_a_move_brings_all_keys_together) {
    change_ask(cluster, FOO, 0);
    say_to(0, "asking\r\nset foo 1");
    change_stable(cluster, FOO);
    cr_expect_str_eq(say_to(2, "get foo"), "$1\r\n1\r\n");
    cr_expect_eq(cluster->moved.count, 0);
    change_move(cluster, FOO, 1);
    cr_expect_str_eq(say_to(1, "get foo"), "$1\r\n1\r\n");
    cr_expect_str_eq(say_to(2, "get foo"), "-MOVED 12182 127.0.0.1:7001\r\n");
}

Test(guard, a_master_that_fails_is_replaced_by_its_replica) {
    say_to(2, "set foo 1");
    one.node = 0;
    change_fail(cluster, 2, NULL);
    cr_expect_eq(listening, 0x3bu);
    cr_expect_str_eq(say_to(0, "get foo"), "-MOVED 12182 127.0.0.1:7005\r\n");
    cr_expect_str_eq(say_to(5, "get foo"), "$1\r\n1\r\n");
    cr_expect_eq(change_recover(cluster, 2, NULL), 0);
    cr_expect_eq(listening, 0x3fu);
    cr_expect_eq(cluster->nodes[2].master, 5);
}

Test(guard, a_master_without_a_replica_takes_its_slots_with_it) {
    change_fail(cluster, 5, NULL);
    change_fail(cluster, 2, NULL);
    cr_expect_str_eq(say_to(0, "get foo"), DOWN);
    cr_expect_str_eq(say_to(0, "get bar"), DOWN);
    change_recover(cluster, 2, NULL);
    cr_expect_str_eq(say_to(0, "get bar"), NIL);
    cr_expect_eq(state_health(cluster).ok, SLOTS);
}

Test(guard, clients_of_a_node_that_fails_are_cut_off) {
    one.node = 2;
    two.node = 1;
    change_fail(cluster, 2, NULL);
    cr_expect_eq(one.state, SESSION_CLOSING);
    cr_expect_eq(two.state, SESSION_ACTIVE);
}

Test(guard, subscriptions_to_a_slot_that_goes_end_with_a_message) {
    two.node = 2;
    feed(&two, "ssubscribe foo {foo}x\r\n");
    output(&two);
    change_move(cluster, FOO, 0);
    cr_expect_str_eq(output(&two), "*3\r\n$12\r\nsunsubscribe\r\n$3\r\nfoo\r\n:1\r\n"
                                   "*3\r\n$12\r\nsunsubscribe\r\n$6\r\n{foo}x\r\n:0\r\n");
    cr_expect_null(two.subscriber);
}

Test(guard, subscribers_of_shard_channels_are_sent_to_their_node) {
    cr_expect_str_eq(say_to(0, "ssubscribe foo"), "-MOVED 12182 127.0.0.1:7002\r\n");
    cr_expect_str_eq(say_to(0, "spublish foo x"), "-MOVED 12182 127.0.0.1:7002\r\n");
    cr_expect_str_eq(say_to(5, "spublish foo x"), ":0\r\n", "a replica of the shard passes it on");
}

Test(guard, a_client_that_waits_is_told_when_its_slot_goes) {
    two.node = 2;
    feed(&two, "take foo 0\r\n");
    cr_expect_eq(two.state, SESSION_BLOCKED);
    change_move(cluster, FOO, 0);
    cr_expect_str_eq(output(&two), "-MOVED 12182 127.0.0.1:7000\r\n");
}

Test(guard, a_majority_of_masters_is_needed) {
    struct err e;

    cr_assert_eq(conf_load_text(engine.conf, SLICE("cluster-require-full-coverage no\n"), &e), 0);
    for (unsigned i = 3; i < 6; i++) change_fail(cluster, i, NULL);
    change_fail(cluster, 2, NULL);
    cr_expect_str_eq(say_to(0, "get bar"), NIL);
    cr_expect_str_eq(say_to(0, "get foo"), "-MOVED 12182 127.0.0.1:7002\r\n");
    change_fail(cluster, 1, NULL);
    cr_expect_str_eq(say_to(0, "get bar"), DOWN);
}

Test(guard, reads_may_be_allowed_while_the_cluster_is_down) {
    struct err e;

    cr_assert_eq(conf_load_text(engine.conf, SLICE("cluster-allow-reads-when-down yes\n"), &e), 0);
    slot_give(cluster, FOO, NO_NODE);
    cr_expect_str_eq(say_to(0, "get bar"), NIL);
    cr_expect_str_eq(say_to(0, "set bar 1"),
                     "-CLUSTERDOWN The cluster is down and only accepts read commands\r\n");
}

/* ---------------------------------------------------------------- outside of a cluster */

Test(none, keyslot_is_answered_and_nothing_else) {
    cr_expect_str_eq(say("cluster keyslot foo"), ":12182\r\n");
    cr_expect_str_eq(say("cluster info"), "-ERR This instance has cluster support disabled\r\n");
}

/* ---------------------------------------------------------------- slots as Valkey has them */

Test(guard, flushslot_deletes_the_keys_of_one_slot) {
    say_to(2, "set foo 1");
    say_to(2, "set {foo}x 1");
    say_to(0, "set bar 1");
    cr_expect_str_eq(say_to(0, "cluster flushslot 12182"), "+OK\r\n");
    cr_expect_str_eq(say_to(2, "get foo"), "$1\r\n1\r\n");
    cr_expect_str_eq(say_to(2, "cluster flushslot 12182"), "+OK\r\n");
    cr_expect_str_eq(say_to(2, "get foo"), NIL);
    cr_expect_str_eq(say_to(2, "get {foo}x"), NIL);
    cr_expect_str_eq(say_to(0, "get bar"), "$1\r\n1\r\n");
    cr_expect_str_eq(say_to(5, "cluster flushslot 12182"),
                     "-READONLY You can't write against a read only replica.\r\n");
}

Test(guard, slot_stats_count_the_keys_of_the_node) {
    say_to(2, "set foo 1");
    say_to(2, "set {foo}x 1");
    say_to(2, "set a 1");
    cr_expect_str_eq(say_to(2, "cluster slot-stats orderby key-count limit 2"),
                     "*2\r\n*2\r\n:12182\r\n*2\r\n$9\r\nkey-count\r\n:2\r\n"
                     "*2\r\n:15495\r\n*2\r\n$9\r\nkey-count\r\n:1\r\n");
    cr_expect_str_eq(say_to(2, "cluster slot-stats slotsrange 5061 12182"),
                     say_to(5, "cluster slot-stats slotsrange 5061 12182"));
    cr_expect_str_eq(say_to(0, "cluster slot-stats slotsrange 12182 12183"), "*0\r\n");
    cr_expect_str_eq(say_to(0, "cluster slot-stats slotsrange 5061 5061"),
                     "*1\r\n*2\r\n:5061\r\n*2\r\n$9\r\nkey-count\r\n:0\r\n");
}

static const char *migrate(unsigned node, const char *ranges, unsigned to) {
    char line[256];

    snprintf(line, sizeof line, "cluster migrateslots slotsrange %s node %s", ranges,
             cluster->nodes[to].id);
    return say_to(node, line);
}

Test(guard, migrateslots_gives_slots_to_another_node_at_once) {
    say_to(2, "set foo 1");
    cr_expect_str_eq(migrate(0, "12182 12182", 1), "-ERR Slots are not served by this node.\r\n");
    cr_expect_str_eq(migrate(2, "12182 12182", 2), "-ERR Target node can not be this node.\r\n");
    cr_expect_str_eq(migrate(2, "12182 12182", 3), "-ERR Target node is not a master.\r\n");
    cr_expect_str_eq(migrate(2, "5061 12182", 0), "-ERR Requested slots span multiple shards\r\n");
    cr_expect_str_eq(migrate(2, "12190 12185", 0),
                     "-ERR Start slot number 12190 is greater than end slot number 12185.\r\n");
    cr_expect_str_eq(migrate(2, "12182 12185 12190 12195 12185 12186", 0),
                     "-ERR Slot range 12185-12186 overlaps with previous range 12182-12185.\r\n");
    cr_expect_str_eq(migrate(2, "12182 12185 12190", 0), "-ERR Invalid or out of range slot\r\n");
    cr_expect_str_eq(migrate(2, "", 0), "-ERR No slot ranges specified\r\n");
    cr_expect_str_eq(say_to(2, "get foo"), "$1\r\n1\r\n");
    cr_expect_str_eq(migrate(2, "12182 12182 12190 12195", 0), "+OK\r\n");
    cr_expect_str_eq(say_to(2, "get foo"), "-MOVED 12182 127.0.0.1:7000\r\n");
    cr_expect_str_eq(say_to(0, "get foo"), "$1\r\n1\r\n");
    cr_expect_str_eq(say_to(2, "cluster cancelslotmigrations"), "-ERR No migrations ongoing\r\n");
    cr_expect(strstr(say_to(2, "cluster getslotmigrations"),
                     "EXPORT\r\n$11\r\nslot_ranges\r\n$17\r\n12182 12190-12195\r\n"));
    cr_expect(strstr(say_to(0, "cluster getslotmigrations"), "IMPORT\r\n"));
    cr_expect_str_eq(say_to(1, "cluster getslotmigrations"), "*0\r\n");
}
