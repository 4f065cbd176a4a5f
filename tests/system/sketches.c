/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Probabilistic types over the wire: RESP3, rights, restarts by every kind of file, replicas.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/kit/ask.h"
#include "tests/kit/resp3.h"
#include "tests/kit/server.h"

TestSuite(sketches, .fini = kit_end);

static void fill(redisContext *c) {
    EXPECT(c, "+OK", "BF.RESERVE bloom 0.01 50");
    EXPECT(c, "+OK", "BF.RESERVE large 0.001 3000000 NONSCALING");
    EXPECT(c, "+OK", "CF.RESERVE cuckoo 64 BUCKETSIZE 4 MAXITERATIONS 50 EXPANSION 2");
    for (int i = 0; i < 300; i++) {
        ask(c, "BF.ADD bloom x%d", i);
        ask(c, "BF.MADD large x%d y%d", i, i);
        EXPECT(c, ":1", "CF.ADD cuckoo x%d", i % 100);
    }
    for (int i = 0; i < 100; i++) EXPECT(c, ":1", "CF.DEL cuckoo x%d", i);
    EXPECT(c, "+OK", "CMS.INITBYPROB counts 0.01 0.01");
    EXPECT(c, "+OK", "TOPK.RESERVE top 3 500 3 0.9");
    EXPECT(c, "+OK", "TDIGEST.CREATE digest COMPRESSION 20");
    for (int i = 0; i < 300; i++) {
        ask(c, "CMS.INCRBY counts x%d %d", i % 7, i);
        ask(c, "TOPK.INCRBY top x%d %d", i % 50, i % 50 + 1);
        EXPECT(c, "+OK", "TDIGEST.ADD digest %d", i * 7919 % 300);
    }
    EXPECT(c, "+OK", "TDIGEST.MERGE sum 2 digest digest");
    EXPECT(c, "+OK", "CMS.MERGE counts 1 counts WEIGHTS 2");
    EXPECT(c, ":1", "PEXPIREAT bloom 4102444800000");
}

static void check_filled(redisContext *c) {
    for (int i = 0; i < 300; i++) {
        EXPECT(c, ":1", "BF.EXISTS bloom x%d", i);
        EXPECT(c, "[:1 :1]", "BF.MEXISTS large x%d y%d", i, i);
        EXPECT(c, ":1", "CF.EXISTS cuckoo x%d", i % 100);
    }
    EXPECT(c, ":4102444800000", "PEXPIRETIME bloom");
    EXPECT(c, "[$x49 $x48 $x47]", "TOPK.LIST top");
    EXPECT(c, "[+width :200 +depth :7 +count :89700]", "CMS.INFO counts");
    EXPECT(c, "[$0 $299]", "TDIGEST.QUANTILE digest 0 1");
    EXPECT(c, "[:599]", "TDIGEST.RANK sum 299");
}

Test(sketches, filters_survive_restarts) {
    struct server *s = server_run(ASK_AOF, NULL);
    redisContext *c = ask_open(s);

    fill(c);
    EXPECT(c, "+OK", "CONFIG SET aof-use-rdb-preamble no");
    c = ask_through_restarts(s, c);
    check_filled(c);
    EXPECT(c, "+OK", "CONFIG SET aof-use-rdb-preamble yes");
    c = ask_through_restarts(s, c);
    check_filled(c);
}

Test(sketches, filters_survive_a_snapshot) {
    redisContext *c = ask_open(server_run(ASK_AOF, NULL));
    char before[64];

    fill(c);
    snprintf(before, sizeof before, "%s", ask(c, "DEBUG DIGEST"));
    EXPECT(c, "+OK", "DEBUG RELOAD");
    EXPECT(c, before, "DEBUG DIGEST");
    check_filled(c);
}

/* Both get what was there before the replica, and what comes after. */
Test(sketches, replicas_have_the_same_filters) {
    struct server *s = server_run(ASK_AOF, NULL), *t = server_run(ASK_AOF, NULL);
    redisContext *master = ask_open(s), *replica = ask_open(t);
    char digest[64];

    fill(master);
    EXPECT(replica, "+OK", "REPLICAOF 127.0.0.1 %d", server_port(s));
    ask_wait_info(replica, "master_link_status", "up");
    for (int i = 0; i < 300; i++) {
        ask(master, "BF.ADD bloom z%d", i);
        ask(master, "CF.INSERTNX cuckoo ITEMS z%d z%d", i, i + 1);
        if (i % 3 == 0) ask(master, "CF.DEL cuckoo z%d", i);
        ask(master, "CMS.INCRBY counts z%d 2", i);
        ask(master, "TOPK.ADD top z%d z%d", i, i / 3);
        ask(master, "TDIGEST.ADD digest %d 0.%d", i, i);
    }
    EXPECT(master, ":1", "WAIT 1 10000");
    snprintf(digest, sizeof digest, "%s", ask(master, "DEBUG DIGEST"));
    EXPECT(replica, digest, "DEBUG DIGEST");
}

Test(sketches, memory_is_told) {
    redisContext *c = ask_open(server_run(NULL, NULL));
    long long bytes;

    EXPECT(c, "+OK", "BF.RESERVE large 0.001 3000000 NONSCALING");
    cr_assert_eq(sscanf(ask(c, "MEMORY USAGE large"), ":%lld", &bytes), 1);
    cr_assert(bytes > 5000000 && bytes < 7000000, "%lld", bytes);
    EXPECT(c, ":1", "UNLINK large");
}

Test(sketches, rights_go_by_categories) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, "+OK", "ACL SETUSER u on nopass ~* +@bloom");
    EXPECT(c, "+OK", "ACL DRYRUN u BF.ADD a b");
    EXPECT_PREFIX(c, "$User u has no permissions", "ACL DRYRUN u CF.ADD a b");
    EXPECT(c, "+OK", "ACL SETUSER u -@all +@cuckoo -@write");
    EXPECT(c, "+OK", "ACL DRYRUN u CF.EXISTS a b");
    EXPECT_PREFIX(c, "$User u has no permissions", "ACL DRYRUN u CF.ADD a b");
    EXPECT(c, "+OK", "ACL SETUSER u -@all +@cms +@topk +@tdigest");
    EXPECT(c, "+OK", "ACL DRYRUN u CMS.QUERY a b");
    EXPECT(c, "+OK", "ACL DRYRUN u TOPK.ADD a b");
    EXPECT(c, "+OK", "ACL DRYRUN u TDIGEST.MIN a");
    EXPECT_PREFIX(c, "$User u has no permissions", "ACL DRYRUN u CF.EXISTS a b");
    EXPECT_PREFIX(c, "[$bf.add $bf.card $bf.exists", "ACL CAT bloom");
}

Test(sketches, resp3_has_booleans_and_maps) {
    struct server *s = server_run(NULL, NULL);
    struct resp_conn c;

    cr_assert_eq(resp_open(&c, server_port(s), NULL), 0);
    resp_ask(&c, "HELLO", "3", NULL);
    cr_assert_str_eq(resp_ask(&c, "BF.RESERVE", "b", "0.01", "100", "NONSCALING", NULL), "+OK");
    cr_assert_str_eq(resp_ask(&c, "BF.ADD", "b", "x", NULL), "#t");
    cr_assert_str_eq(resp_ask(&c, "BF.MEXISTS", "b", "x", "y", NULL), "[#t #f]");
    cr_assert_str_eq(resp_ask(&c, "BF.INFO", "b", "EXPANSION", NULL), "[_]");
    cr_assert_str_eq(resp_ask(&c, "BF.INFO", "b", NULL),
                     "{+Capacity=:100 +Size=:184 +Number of filters=:1 "
                     "+Number of items inserted=:1 +Expansion rate=_}");
    cr_assert_str_eq(resp_ask(&c, "CF.INSERTNX", "c", "ITEMS", "x", "x", NULL), "[#t #f]");
    cr_assert_str_eq(resp_ask(&c, "CF.DEL", "c", "x", NULL), "#t");
    cr_assert_str_eq(resp_ask(&c, "CF.INFO", "c", NULL),
                     "{+Size=:1600 +Number of buckets=:512 +Number of filters=:1 "
                     "+Number of items inserted=:0 +Number of items deleted=:1 +Bucket size=:2 "
                     "+Expansion rate=:1 +Max iterations=:20}");
    cr_assert_str_eq(resp_ask(&c, "TOPK.RESERVE", "t", "3", NULL), "+OK");
    cr_assert_str_eq(resp_ask(&c, "TOPK.ADD", "t", "x", NULL), "[_]");
    cr_assert_str_eq(resp_ask(&c, "TOPK.QUERY", "t", "x", "y", NULL), "[#t #f]");
    cr_assert_str_eq(resp_ask(&c, "TOPK.INFO", "t", NULL),
                     "{+k=:3 +width=:8 +depth=:7 +decay=,0.9}");
    cr_assert_str_eq(resp_ask(&c, "TDIGEST.CREATE", "d", NULL), "+OK");
    cr_assert_str_eq(resp_ask(&c, "TDIGEST.MIN", "d", NULL), ",nan");
    cr_assert_str_eq(resp_ask(&c, "TDIGEST.ADD", "d", "1", "2", NULL), "+OK");
    cr_assert_str_eq(resp_ask(&c, "TDIGEST.BYRANK", "d", "1", "2", NULL), "[,2 ,inf]");
    resp_close(&c);
}

Test(sketches, filters_are_evicted_like_other_keys) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, "+OK", "CONFIG SET maxmemory 30mb");
    EXPECT(c, "+OK", "CONFIG SET maxmemory-policy allkeys-random");
    for (int i = 0; i < 20; i++) EXPECT(c, "+OK", "BF.RESERVE b%d 0.001 3000000", i);
    cr_assert_gt(ask_info_int(c, "evicted_keys"), 5);
    EXPECT(c, "+OK", "CONFIG SET maxmemory-policy noeviction");
    EXPECT(c, "+OK", "CONFIG SET maxmemory 1mb");
    EXPECT_PREFIX(c, "-OOM", "CF.RESERVE more 3000000");
}
