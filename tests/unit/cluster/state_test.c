/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Nodes and slots, and the file that keeps them.
 */
#include "cluster_help.h"
#include "server/cluster/file.h"
#include "server/cluster/tell.h"

#include <criterion/criterion.h>

TestSuite(nodes, .init = three_begin, .fini = cluster_end);
TestSuite(node_file, .init = one_begin, .fini = cluster_end);

static const char *ranges(unsigned node) {
    static struct bytes b;

    bytes_clear(&b);
    tell_ranges(cluster, node, &b);
    return bytes_cstr(&b);
}

Test(nodes, slots_are_shared_as_redis_cli_shares_them) {
    cr_expect_str_eq(ranges(0), " 0-5460");
    cr_expect_str_eq(ranges(1), " 5461-10922");
    cr_expect_str_eq(ranges(2), " 10923-16383");
    cr_expect_str_eq(ranges(3), "");
    cr_expect_eq(cluster->slots.nowned, SLOTS);
}

Test(nodes, replica_k_follows_master_k) {
    for (unsigned i = 0; i < 3; i++) {
        cr_expect_eq(cluster->nodes[i].master, NO_NODE);
        cr_expect_eq(cluster->nodes[3 + i].master, i);
        cr_expect_str_eq(cluster->nodes[3 + i].shard, cluster->nodes[i].shard);
        cr_expect_str_neq(cluster->nodes[3 + i].id, cluster->nodes[i].id);
    }
}

Test(nodes, who_takes_over_has_the_slots_and_the_highest_epoch) {
    node_take_over(cluster, 4);
    cr_expect_str_eq(ranges(4), " 5461-10922");
    cr_expect_str_eq(ranges(1), "");
    cr_expect_eq(cluster->nodes[1].master, 4);
    cr_expect_eq(cluster->nodes[4].master, NO_NODE);
    cr_expect_eq(cluster->nodes[4].epoch, 4);
    cr_expect_eq(cluster->epoch, 4);
}

Test(nodes, a_slot_counts_once) {
    slot_give(cluster, 0, 1);
    cr_expect_eq(cluster->nodes[0].nslots, 5460);
    cr_expect_eq(cluster->nodes[1].nslots, 5463);
    slot_give(cluster, 0, NO_NODE);
    cr_expect_eq(cluster->slots.nowned, SLOTS - 1);
    cr_expect_eq(cluster->nodes[1].nslots, 5462);
    cr_expect_str_eq(ranges(0), " 1-5460");
}

/* ---------------------------------------------------------------- the file */

#define ID    "0123456789abcdef0123456789abcdef01234567"
#define SHARD "fedcba9876543210fedcba9876543210fedcba98"

static const char *parse(const char *text) {
    static struct err e;

    e.text[0] = '\0';
    return file_parse(cluster, slice_str(text), &e) == 0 ? "" : e.text;
}

Test(node_file, what_is_written_is_read_again) {
    struct bytes b = {0}, again = {0};

    slot_give(cluster, 7, NO_NODE);
    node_bump(cluster, 0);
    file_write(cluster, &b);
    cr_assert_str_eq(parse(bytes_cstr(&b)), "");
    file_write(cluster, &again);
    cr_expect_str_eq(bytes_cstr(&again), bytes_cstr(&b));
    cr_expect_str_eq(ranges(0), " 0-6 8-16383");
    bytes_release(&b);
    bytes_release(&again);
}

Test(node_file, the_forms_of_redis_are_read) {
    cr_expect_str_eq(parse(ID " :7000@17000 myself,master - 0 0 3 connected 0-5 7\n"
                              "vars currentEpoch 4 lastVoteEpoch 0\n"),
                     "");
    cr_expect_str_eq(cluster->nodes[0].id, ID);
    cr_expect_eq(cluster->nodes[0].epoch, 3);
    cr_expect_eq(cluster->epoch, 4);
    cr_expect_str_eq(ranges(0), " 0-5 7");
    cr_expect_str_eq(parse(ID " 1.2.3.4:7000@17000,host,tls-port=0,shard-id=" SHARD
                              " myself,master - 0 0 0 connected 5 [9->-" SHARD "]\r\n"
                              "vars currentEpoch 0 lastVoteEpoch 0\r\n"),
                     "");
    cr_expect_str_eq(cluster->nodes[0].shard, SHARD);
    cr_expect_str_eq(ranges(0), " 5");
}

Test(node_file, damage_is_refused_and_changes_nothing) {
    static const char *const damaged[] = {
        "\n",
        "vars currentEpoch 4 lastVoteEpoch 0\n",
        "x",
        "0123 :7000@17000 myself,master - 0 0 3 connected 0-5\n",
        ID " :7000@17000 myself,master - 0 0 -1 connected 0-5\n",
        ID " :7000@17000 myself,master - 0 0 1 connected 5-0\n",
        ID " :7000@17000 myself,master - 0 0 1 connected 16384\n",
        ID " :7000@17000 myself,master - 0 0 1 connected x\n",
        ID " :7000@17000 myself,master - 0 0 1 connected 0-\xff\n",
        ID " :7000@17000,,shard-id=12 myself,master - 0 0 1 connected 0\n",
        ID " :7000@17000 myself,master - 0 0 1 connected 0\nvars currentEpoch\n",
        ID " :7000@17000 myself,master\n",
    };

    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        cr_expect_str_neq(parse(damaged[i]), "", "%s", damaged[i]);
        cr_expect_str_eq(ranges(0), " 0-16383");
        cr_expect_str_neq(cluster->nodes[0].id, ID);
    }
}

Test(node_file, a_file_of_several_nodes_is_refused) {
    cr_expect(strstr(parse(ID " :7000@17000 myself,master - 0 0 1 connected 0-5\n" SHARD
                              " 1.2.3.4:7001@17001 master - 0 0 2 connected 6\n"),
                     "names other nodes"));
    cr_expect(strstr(parse(ID " :7000@17000 myself,slave " SHARD " 0 0 1 connected\n"),
                     "names other nodes"));
}
