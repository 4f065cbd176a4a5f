/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Commands on Bloom and cuckoo filters: replies of the documented examples, errors, what hostile
 * arguments do, and filters that move piece by piece.
 */
#include "engine_help.h"

#include "storage/base/bytes.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(sketches, .init = engine_begin, .fini = engine_end);

struct said {
    const char *line, *want;
};

static void say_all(const struct said *cases) {
    for (; cases->line; cases++)
        cr_expect_str_eq(engine_say(cases->line), cases->want, "%s", cases->line);
}

#define TRUE_FALSE   "*2\r\n:1\r\n:0\r\n"
#define WRONG        "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
#define NOT_FOUND    "-ERR not found\r\n"
#define BAD_DATA     "-ERR received bad data\r\n"
#define BLOOM_LIMIT  "-ERR operation exceeds bloom object memory limit\r\n"
#define CUCKOO_LIMIT "-ERR operation exceeds cuckoo filter memory limit\r\n"

/* ---------------------------------------------------------------- Bloom filters */

Test(sketches, bloom_filters_answer_as_documented) {
    static const struct said cases[] = {
        {"BF.RESERVE bf 0.01 1000", "+OK\r\n"},
        {"BF.RESERVE bf 0.01 1000", "-ERR item exists\r\n"},
        {"BF.RESERVE bf_exp 0.01 1000 EXPANSION 2", "+OK\r\n"},
        {"BF.RESERVE bf_non 0.01 1000 NONSCALING", "+OK\r\n"},
        {"BF.ADD bf item1", ":1\r\n"},
        {"BF.ADD bf item1", ":0\r\n"},
        {"BF.MADD bf item1 item2 item2", "*3\r\n:0\r\n:1\r\n:0\r\n"},
        {"BF.EXISTS bf item1", ":1\r\n"},
        {"BF.EXISTS bf item3", ":0\r\n"},
        {"BF.MEXISTS bf item1 item3", TRUE_FALSE},
        {"BF.CARD bf", ":2\r\n"},
        {"BF.CARD none", ":0\r\n"},
        {"BF.EXISTS none x", ":0\r\n"},
        {"BF.MEXISTS none x y", "*2\r\n:0\r\n:0\r\n"},
        {"BF.INSERT filter ITEMS foo bar baz", "*3\r\n:1\r\n:1\r\n:1\r\n"},
        {"BF.INSERT filter CAPACITY 10000 ITEMS hello", "*1\r\n:1\r\n"},
        {"BF.INSERT none NOCREATE ITEMS foo bar", NOT_FOUND},
        {"EXISTS none", ":0\r\n"},
        {"BF.INSERT filter NOCREATE ITEMS foo", "*1\r\n:0\r\n"},
        {"BF.INFO filter CAPACITY", "*1\r\n:100\r\n"},
        {"BF.INFO filter filters", "*1\r\n:1\r\n"},
        {"BF.INFO filter ITEMS", "*1\r\n:4\r\n"},
        {"BF.INFO filter EXPANSION", "*1\r\n:2\r\n"},
        {"BF.INFO bf_non EXPANSION", "*1\r\n$-1\r\n"},
        {"BF.INFO filter COLOUR", "-ERR Invalid information value\r\n"},
        {"BF.INFO none", NOT_FOUND},
        {"TYPE bf", "+MBbloom--\r\n"},
        {"OBJECT ENCODING bf", "$3\r\nraw\r\n"},
        {"BF.INSERT new CAPACITY 7 ERROR 0.1 EXPANSION 3 ITEMS a", "*1\r\n:1\r\n"},
        {"BF.INFO new EXPANSION", "*1\r\n:3\r\n"},
        {"BF.INFO new CAPACITY", "*1\r\n:7\r\n"},
        {"BF.INSERT items ITEMS ITEMS", "*1\r\n:1\r\n"},
        {"BF.EXISTS items ITEMS", ":1\r\n"},
        {0},
    };

    say_all(cases);
}

Test(sketches, info_of_a_bloom_filter_is_a_map) {
    const char *info;

    engine_say("BF.RESERVE bf 0.01 100 NONSCALING");
    info = engine_say("BF.INFO bf");
    cr_expect(strstr(info, "*10\r\n+Capacity\r\n:100\r\n+Size\r\n:") == info, "%s", info);
    cr_expect(strstr(info, "\r\n+Number of filters\r\n:1\r\n+Number of items inserted\r\n:0\r\n"
                           "+Expansion rate\r\n$-1\r\n"),
              "%s", info);
}

Test(sketches, a_full_bloom_filter_ends_the_reply_with_its_error) {
    static const struct said cases[] = {
        {"BF.RESERVE b 0.01 4 NONSCALING", "+OK\r\n"},
        {"BF.MADD b a b c", "*3\r\n:1\r\n:1\r\n:1\r\n"},
        {"BF.MADD b d e f", "*2\r\n:1\r\n-ERR non scaling filter is full\r\n"},
        {"BF.ADD b g", "-ERR non scaling filter is full\r\n"},
        {"BF.ADD b a", ":0\r\n"},
        {"BF.CARD b", ":4\r\n"},
        {0},
    };

    say_all(cases);
}

Test(sketches, hostile_arguments_of_bloom_filters_are_refused) {
    static const struct said cases[] = {
        {"BF.RESERVE b 0.0000001 1000000000000", BLOOM_LIMIT},
        {"BF.RESERVE b 0.5 9223372036854775807", BLOOM_LIMIT},
        {"BF.RESERVE b 0.99999999999 9223372036854775807", BLOOM_LIMIT},
        {"BF.RESERVE b 1e-300 100000000", BLOOM_LIMIT},
        {"BF.INSERT b CAPACITY 1000000000000 ITEMS x", BLOOM_LIMIT},
        {"BF.RESERVE b 0 100", "-ERR (0 < error rate range < 1)\r\n"},
        {"BF.RESERVE b 1 100", "-ERR (0 < error rate range < 1)\r\n"},
        {"BF.RESERVE b inf 100", "-ERR (0 < error rate range < 1)\r\n"},
        {"BF.RESERVE b nan 100", "-ERR bad error rate\r\n"},
        {"BF.RESERVE b x 100", "-ERR bad error rate\r\n"},
        {"BF.RESERVE b 0.1 x", "-ERR bad capacity\r\n"},
        {"BF.RESERVE b 0.1 0", "-ERR (capacity should be larger than 0)\r\n"},
        {"BF.RESERVE b 0.1 -5", "-ERR (capacity should be larger than 0)\r\n"},
        {"BF.RESERVE b 0.1 5 EXPANSION x", "-ERR bad expansion\r\n"},
        {"BF.RESERVE b 0.1 5 EXPANSION 4294967297", "-ERR bad expansion\r\n"},
        {"BF.RESERVE b 0.1 5 EXPANSION 0", "-ERR expansion should be greater or equal to 1\r\n"},
        {"BF.RESERVE b 0.1 5 EXPANSION", "-ERR unknown argument received\r\n"},
        {"BF.RESERVE b 0.1 5 BLAH", "-ERR unknown argument received\r\n"},
        {"BF.RESERVE b 0.1 5 NONSCALING EXPANSION 2", "-Nonscaling filters cannot expand\r\n"},
        {"BF.INSERT b NOCREATE CAPACITY 5 ITEMS x",
         "-ERR NOCREATE cannot be used together with CAPACITY or ERROR\r\n"},
        {"BF.INSERT b NOCREATE ITEMS",
         "-ERR wrong number of arguments for 'bf.insert' command\r\n"},
        {"BF.INSERT b CAPACITY ITEMS x", "-ERR unknown argument received\r\n"},
        {"BF.INSERT b a b c", "-ERR unknown argument received\r\n"},
        {"BF.ADD b", "-ERR wrong number of arguments for 'bf.add' command\r\n"},
        {"EXISTS b", ":0\r\n"},
        {"SET s x", "+OK\r\n"},
        {"BF.ADD s x", WRONG},
        {"BF.RESERVE s 0.1 5", WRONG},
        {"BF.EXISTS s x", WRONG},
        {"BF.LOADCHUNK s 1 x", WRONG},
        {"BF.RESERVE b 0.0001 1000 EXPANSION 32768", "+OK\r\n"},
        {"GET b", WRONG},
        {"CF.ADD b x", WRONG},
        {0},
    };

    say_all(cases);
}

/* A next layer that is too large is refused, and what is in stays in. */
Test(sketches, a_bloom_filter_does_not_grow_beyond_the_limit) {
    static const struct said cases[] = {
        {"BF.RESERVE b 0.01 1 EXPANSION 32768", "+OK\r\n"},
        {"BF.MADD b a b", "*2\r\n:1\r\n:1\r\n"},
        {"BF.INFO b FILTERS", "*1\r\n:2\r\n"},
        {0},
    };
    char line[64];
    int i = 0;

    say_all(cases);
    do sprintf(line, "BF.ADD b x%d", i++);
    while (engine_say(line)[0] == ':');
    cr_expect_str_eq(engine_say(line), BLOOM_LIMIT);
    cr_expect_str_eq(engine_say("BF.EXISTS b a"), ":1\r\n");
    cr_expect_str_eq(engine_say("BF.INFO b FILTERS"), "*1\r\n:2\r\n");
}

/* ---------------------------------------------------------------- cuckoo filters */

Test(sketches, cuckoo_filters_answer_as_documented) {
    static const struct said cases[] = {
        {"CF.RESERVE cf 1000", "+OK\r\n"},
        {"CF.RESERVE cf 1000", "-ERR item exists\r\n"},
        {"CF.RESERVE cf_exp 1000 BUCKETSIZE 4 MAXITERATIONS 10 EXPANSION 3", "+OK\r\n"},
        {"CF.ADD cf item1", ":1\r\n"},
        {"CF.ADD cf item1", ":1\r\n"},
        {"CF.ADDNX cf item1", ":0\r\n"},
        {"CF.ADDNX cf item2", ":1\r\n"},
        {"CF.COUNT cf item1", ":2\r\n"},
        {"CF.EXISTS cf item1", ":1\r\n"},
        {"CF.EXISTS cf item3", ":0\r\n"},
        {"CF.MEXISTS cf item2 item3", TRUE_FALSE},
        {"CF.DEL cf item1", ":1\r\n"},
        {"CF.COUNT cf item1", ":1\r\n"},
        {"CF.DEL cf item1", ":1\r\n"},
        {"CF.DEL cf item1", ":0\r\n"},
        {"CF.DEL none item1", "-Not found\r\n"},
        {"CF.EXISTS none x", ":0\r\n"},
        {"CF.MEXISTS none x y", "*2\r\n:0\r\n:0\r\n"},
        {"CF.COUNT none x", ":0\r\n"},
        {"CF.INFO none", NOT_FOUND},
        {"CF.INSERT new CAPACITY 1000 ITEMS item1 item2", "*2\r\n:1\r\n:1\r\n"},
        {"CF.INSERT none CAPACITY 1000 NOCREATE ITEMS item1", NOT_FOUND},
        {"CF.INSERTNX new ITEMS item1 item3", "*2\r\n:0\r\n:1\r\n"},
        {"TYPE cf", "+MBbloomCF\r\n"},
        {"OBJECT ENCODING cf", "$3\r\nraw\r\n"},
        {0},
    };

    say_all(cases);
}

Test(sketches, info_of_a_cuckoo_filter_is_a_map) {
    const char *info;

    engine_say("CF.ADD cf a");
    info = engine_say("CF.INFO cf");
    cr_expect(strstr(info, "*16\r\n+Size\r\n:") == info, "%s", info);
    cr_expect(strstr(info, "\r\n+Number of buckets\r\n:512\r\n+Number of filters\r\n:1\r\n"
                           "+Number of items inserted\r\n:1\r\n+Number of items deleted\r\n:0\r\n"
                           "+Bucket size\r\n:2\r\n+Expansion rate\r\n:1\r\n"
                           "+Max iterations\r\n:20\r\n"),
              "%s", info);
}

Test(sketches, a_full_cuckoo_filter_answers_with_minus_one) {
    static const struct said cases[] = {
        {"CF.RESERVE c 4 BUCKETSIZE 2 EXPANSION 0", "+OK\r\n"},
        {"CF.INSERT c ITEMS c c c c c c", "*6\r\n:1\r\n:1\r\n:1\r\n:1\r\n:-1\r\n:-1\r\n"},
        {"CF.ADD c c", "-Filter is full\r\n"},
        {"CF.ADDNX c c", ":0\r\n"},
        {"CF.COUNT c c", ":4\r\n"},
        {0},
    };

    say_all(cases);
}

Test(sketches, hostile_arguments_of_cuckoo_filters_are_refused) {
    static const struct said cases[] = {
        {"CF.RESERVE c 1000000000000", CUCKOO_LIMIT},
        {"CF.RESERVE c 4611686018427387903 BUCKETSIZE 1", CUCKOO_LIMIT},
        {"CF.RESERVE c 9223372036854775807", "-Bad capacity\r\n"},
        {"CF.RESERVE c 0", "-Bad capacity\r\n"},
        {"CF.RESERVE c -1", "-Bad capacity\r\n"},
        {"CF.RESERVE c x", "-Bad capacity\r\n"},
        {"CF.RESERVE c 3", "-Capacity must be at least (BucketSize * 2)\r\n"},
        {"CF.RESERVE c 100 BUCKETSIZE 0",
         "-ERR BUCKETSIZE: value must be an integer between 1 and 255, inclusive\r\n"},
        {"CF.RESERVE c 100 MAXITERATIONS 65536",
         "-ERR MAXITERATIONS: value must be an integer between 1 and 65535, inclusive\r\n"},
        {"CF.RESERVE c 100 EXPANSION -1",
         "-ERR EXPANSION: value must be an integer between 0 and 32768, inclusive\r\n"},
        {"CF.RESERVE c 100 EXPANSION", "-ERR unknown argument received\r\n"},
        {"CF.INSERT c CAPACITY 99999999999999 ITEMS a", CUCKOO_LIMIT},
        {"CF.INSERT c ITEMS", "-ERR wrong number of arguments for 'cf.insert' command\r\n"},
        {"CF.INSERTNX c NOCREATE ITEMS",
         "-ERR wrong number of arguments for 'cf.insertnx' command\r\n"},
        {"CF.INSERT c ERROR 1 ITEMS a", "-ERR unknown argument received\r\n"},
        {"EXISTS c", ":0\r\n"},
        {0},
    };

    say_all(cases);
}

/* ---------------------------------------------------------------- SCANDUMP, LOADCHUNK */

/* The command with the bytes of the last argument as they are. */
static const char *say_data(const char *command, const char *key, long iterator,
                            struct slice data) {
    static struct bytes b;
    struct slice got;

    bytes_clear(&b);
    bytes_printf(&b, "*4\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(command), command, strlen(key),
                 key);
    bytes_printf(&b, "$%d\r\n%ld\r\n$%zu\r\n", snprintf(NULL, 0, "%ld", iterator), iterator,
                 data.n);
    bytes_append(&b, data.p, data.n);
    bytes_append(&b, "\r\n", 2);
    got = engine_send(b.p, b.n);
    bytes_clear(&b);
    bytes_append(&b, got.p, got.n);
    return bytes_cstr(&b);
}

/* One reply of SCANDUMP: the next iterator, and the data. */
static long scan(const char *command, const char *key, long iterator, struct bytes *data) {
    char line[64];
    const char *reply;
    size_t n;
    long next;
    int at;

    snprintf(line, sizeof line, "%s %s %ld", command, key, iterator);
    reply = engine_say(line);
    cr_assert_eq(sscanf(reply, "*2\r\n:%ld\r\n$%zu%n", &next, &n, &at), 2, "%s", reply);
    bytes_clear(data);
    bytes_append(data, reply + at + 2, n);
    return next;
}

static void move_all(const char *dump, const char *load) {
    struct bytes data = {0};
    int pieces = 0;

    for (long next = scan(dump, "a", 0, &data); next; next = scan(dump, "a", next, &data)) {
        cr_assert_str_eq(say_data(load, "b", next, bytes_slice(&data)), "+OK\r\n");
        pieces++;
    }
    cr_expect_gt(pieces, 2);
    cr_expect_eq(data.n, 0);
    bytes_release(&data);
}

static struct bytes dumped(const char *key) {
    struct bytes b = {0};
    char line[32];
    const char *reply;
    size_t n;
    int at;

    snprintf(line, sizeof line, "DUMP %s", key);
    reply = engine_say(line);
    cr_assert_eq(sscanf(reply, "$%zu%n", &n, &at), 1);
    bytes_append(&b, reply + at + 2, n);
    return b;
}

static void expect_same(void) {
    struct bytes a = dumped("a"), b = dumped("b");

    cr_expect(slice_eq(bytes_slice(&a), bytes_slice(&b)));
    bytes_release(&a);
    bytes_release(&b);
}

Test(sketches, filters_move_piece_by_piece) {
    char line[64];

    engine_say("BF.RESERVE a 0.01 10");
    for (int i = 0; i < 100; i++) {
        sprintf(line, "BF.ADD a x%d", i);
        engine_say(line);
    }
    engine_say("BF.ADD b old");
    engine_say("EXPIRE b 100");
    move_all("BF.SCANDUMP", "BF.LOADCHUNK");
    expect_same();
    cr_expect_str_eq(engine_say("TTL b"), ":100\r\n");
    cr_expect_str_eq(engine_say("BF.EXISTS b x99"), ":1\r\n");
    engine_say("FLUSHALL");
    engine_say("CF.RESERVE a 8 EXPANSION 2");
    for (int i = 0; i < 100; i++) {
        sprintf(line, "CF.ADD a x%d", i);
        engine_say(line);
    }
    move_all("CF.SCANDUMP", "CF.LOADCHUNK");
    expect_same();
}

Test(sketches, pieces_that_do_not_fit_are_refused) {
    const uint64_t bits = UINT64_C(1) << 33; /* of a layer: 1 GB */
    struct bytes head = {0};

    engine_say("BF.RESERVE a 0.01 100");
    scan("BF.SCANDUMP", "a", 0, &head);
    for (size_t n = 0; n < head.n; n++)
        cr_expect_str_eq(say_data("BF.LOADCHUNK", "c", 1, slice_of(head.p, n)), BAD_DATA);
    for (size_t i = 0; i < head.n; i += 8) { /* each field mad */
        char kept[8];

        memcpy(kept, head.p + i, sizeof kept);
        memset(head.p + i, 0xff, sizeof kept);
        cr_expect_str_eq(say_data("BF.LOADCHUNK", "c", 1, bytes_slice(&head)), BAD_DATA, "%zu", i);
        memcpy(head.p + i, kept, sizeof kept);
    }
    memcpy(head.p + 6 * sizeof bits, &bits, sizeof bits);
    cr_expect_str_eq(say_data("BF.LOADCHUNK", "c", 1, bytes_slice(&head)), BAD_DATA);
    cr_expect_str_eq(engine_say("EXISTS c"), ":0\r\n");
    cr_expect_str_eq(say_data("BF.LOADCHUNK", "a", 0, SLICE("x")), BAD_DATA);
    cr_expect_str_eq(say_data("BF.LOADCHUNK", "a", 2, SLICE("xx")), BAD_DATA);
    cr_expect_str_eq(say_data("BF.LOADCHUNK", "a", 100000, SLICE("x")), BAD_DATA);
    cr_expect_str_eq(say_data("BF.LOADCHUNK", "a", INT64_MAX, SLICE("x")), BAD_DATA);
    cr_expect_str_eq(say_data("BF.LOADCHUNK", "none", 2, SLICE("x")), NOT_FOUND);
    cr_expect_str_eq(say_data("BF.LOADCHUNK", "a", -1, SLICE("x")),
                     "-ERR Second argument must be numeric\r\n");
    cr_expect_str_eq(engine_say("BF.SCANDUMP a x"), "-ERR Second argument must be numeric\r\n");
    cr_expect_str_eq(engine_say("BF.SCANDUMP none 0"), NOT_FOUND);
    cr_expect_str_eq(engine_say("BF.SCANDUMP a 9223372036854775807"), "*2\r\n:0\r\n$0\r\n\r\n");
    bytes_release(&head);
}

/* Half of the smallest number there is would be none. */
Test(sketches, a_bloom_filter_of_the_smallest_error_can_be_copied) {
    static const struct said cases[] = {
        {"BF.RESERVE b 5e-324 5", "+OK\r\n"},
        {"BF.ADD b x", ":1\r\n"},
        {"COPY b c", ":1\r\n"},
        {"BF.MEXISTS c x y", TRUE_FALSE},
        {NULL, NULL},
    };

    say_all(cases);
}

Test(sketches, copies_are_the_same_and_independent) {
    engine_say("BF.MADD a x y z");
    cr_expect_str_eq(engine_say("COPY a b"), ":1\r\n");
    expect_same();
    engine_say("BF.ADD b w");
    cr_expect_str_eq(engine_say("BF.EXISTS a w"), ":0\r\n");
    engine_say("SET s x");
    engine_say("DEL b");
    cr_expect_str_eq(engine_say("SCAN 0 TYPE mbbloom--"), "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n");
}
