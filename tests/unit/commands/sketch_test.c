/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Commands on probabilistic types: replies of the documented examples, errors, and what hostile
 * arguments do.
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

/* ---------------------------------------------------------------- count-min sketches */

Test(sketches, count_min_sketches_answer_as_documented) {
    static const struct said cases[] = {
        {"CMS.INITBYDIM test 2000 5", "+OK\r\n"},
        {"CMS.INITBYDIM test 2000 5", "-CMS: key already exists\r\n"},
        {"CMS.INITBYPROB prob 0.001 0.01", "+OK\r\n"},
        {"CMS.INFO prob", "*6\r\n+width\r\n:2000\r\n+depth\r\n:7\r\n+count\r\n:0\r\n"},
        {"CMS.INCRBY test foo 10 bar 42", "*2\r\n:10\r\n:42\r\n"},
        {"CMS.INCRBY test foo 0", "*1\r\n:10\r\n"},
        {"CMS.QUERY test foo bar baz", "*3\r\n:10\r\n:42\r\n:0\r\n"},
        {"CMS.INFO test", "*6\r\n+width\r\n:2000\r\n+depth\r\n:5\r\n+count\r\n:52\r\n"},
        {"TYPE test", "+CMSk-TYPE\r\n"},
        {"CMS.INITBYDIM dest 2000 5", "+OK\r\n"},
        {"CMS.MERGE dest 1 test", "+OK\r\n"},
        {"CMS.QUERY dest foo bar", "*2\r\n:10\r\n:42\r\n"},
        {"CMS.MERGE dest 2 test dest WEIGHTS 2 3", "+OK\r\n"},
        {"CMS.QUERY dest foo bar", "*2\r\n:50\r\n:210\r\n"},
        {"CMS.INFO dest", "*6\r\n+width\r\n:2000\r\n+depth\r\n:5\r\n+count\r\n:260\r\n"},
        {"CMS.MERGE dest 2 dest test WEIGHTS 1 -5", "+OK\r\n"},
        {"CMS.QUERY dest foo bar", "*2\r\n:0\r\n:0\r\n"},
        {"CMS.INCRBY test foo 4294967295", "*1\r\n-CMS: INCRBY overflow\r\n"},
        {"CMS.QUERY test foo bar", "*2\r\n:4294967295\r\n:42\r\n"},
        {0},
    };

    say_all(cases);
}

Test(sketches, hostile_arguments_of_count_min_sketches_are_refused) {
    static const struct said cases[] = {
        {"CMS.INITBYDIM c 1000000000 4096",
         "-CMS: the sketch exceeds the memory limit (proto-max-bulk-len)\r\n"},
        {"CMS.INITBYDIM c 9223372036854775807 1", "-CMS: invalid width\r\n"},
        {"CMS.INITBYDIM c 0 1", "-CMS: invalid width\r\n"},
        {"CMS.INITBYDIM c 1 0", "-CMS: invalid depth\r\n"},
        {"CMS.INITBYDIM c 1 1000000", "-CMS: invalid depth\r\n"},
        {"CMS.INITBYPROB c 1e-300 0.5", "-CMS: invalid overestimation value\r\n"},
        {"CMS.INITBYPROB c 0 0.5", "-CMS: invalid overestimation value\r\n"},
        {"CMS.INITBYPROB c 0.1 1", "-CMS: invalid prob value\r\n"},
        {"CMS.INCRBY c a 1", "-CMS: key does not exist\r\n"},
        {"CMS.QUERY c a", "-CMS: key does not exist\r\n"},
        {"CMS.INFO c", "-CMS: key does not exist\r\n"},
        {"CMS.INITBYDIM c 10 2", "+OK\r\n"},
        {"CMS.INITBYDIM d 10 3", "+OK\r\n"},
        {"CMS.INCRBY c a 1 b x", "-CMS: Cannot parse number\r\n"},
        {"CMS.INCRBY c a 1 b -1", "-CMS: Number cannot be negative\r\n"},
        {"CMS.INCRBY c a 1 b", "-ERR wrong number of arguments for 'cms.incrby' command\r\n"},
        {"CMS.QUERY c a b", "*2\r\n:0\r\n:0\r\n"},
        {"CMS.MERGE c 1 d", "-CMS: width/depth is not equal\r\n"},
        {"CMS.MERGE c 1 none", "-CMS: key does not exist\r\n"},
        {"CMS.MERGE none 1 c", "-CMS: key does not exist\r\n"},
        {"CMS.MERGE c x c", "-CMS: invalid numkeys\r\n"},
        {"CMS.MERGE c 0 c", "-CMS: Number of keys must be positive and agree with the keys\r\n"},
        {"CMS.MERGE c 2147483647 c",
         "-CMS: Number of keys must be positive and agree with the keys\r\n"},
        {"CMS.MERGE c 1 c c", "-CMS: wrong number of keys/weights\r\n"},
        {"CMS.MERGE c 1 c WEIGHTS", "-CMS: wrong number of keys/weights\r\n"},
        {"CMS.MERGE c 1 c WEIGHTS x", "-CMS: invalid weight value\r\n"},
        {"CMS.INCRBY c a 5", "*1\r\n:5\r\n"},
        {"CMS.MERGE c 1 c WEIGHTS -1", "-CMS: MERGE overflow\r\n"},
        {"CMS.MERGE c 1 c WEIGHTS 9223372036854775807", "-CMS: MERGE overflow\r\n"},
        {"CMS.MERGE c 1 c WEIGHTS 1000000000", "-CMS: MERGE overflow\r\n"},
        {"CMS.QUERY c a", "*1\r\n:5\r\n"},
        {0},
    };

    say_all(cases);
}

/* ---------------------------------------------------------------- heavy hitters */

Test(sketches, heavy_hitters_answer_as_documented) {
    static const struct said cases[] = {
        {"TOPK.RESERVE t 50 2000 7 0.925", "+OK\r\n"},
        {"TOPK.RESERVE t 50", "-TopK: key already exists\r\n"},
        {"TOPK.INFO t", "*8\r\n+k\r\n:50\r\n+width\r\n:2000\r\n+depth\r\n:7\r\n+decay\r\n"
                        "$5\r\n0.925\r\n"},
        {"TOPK.ADD t foo bar 42", "*3\r\n$-1\r\n$-1\r\n$-1\r\n"},
        {"TOPK.INCRBY t foo 3 bar 2 42 30", "*3\r\n$-1\r\n$-1\r\n$-1\r\n"},
        {"TOPK.QUERY t 42 nonexist", TRUE_FALSE},
        {"TOPK.COUNT t foo 42 nonexist", "*3\r\n:4\r\n:31\r\n:0\r\n"},
        {"TOPK.LIST t", "*3\r\n$2\r\n42\r\n$3\r\nfoo\r\n$3\r\nbar\r\n"},
        {"TOPK.LIST t WITHCOUNT",
         "*6\r\n$2\r\n42\r\n:31\r\n$3\r\nfoo\r\n:4\r\n$3\r\nbar\r\n:3\r\n"},
        {"TYPE t", "+TopK-TYPE\r\n"},
        {"TOPK.RESERVE d 1", "+OK\r\n"},
        {"TOPK.INFO d", "*8\r\n+k\r\n:1\r\n+width\r\n:8\r\n+depth\r\n:7\r\n+decay\r\n"
                        "$3\r\n0.9\r\n"},
        {"TOPK.LIST d", "*0\r\n"},
        {"TOPK.ADD d a a", "*2\r\n$-1\r\n$-1\r\n"},
        {"TOPK.INCRBY d b 5", "*1\r\n$1\r\na\r\n"},
        {"TOPK.LIST d WITHCOUNT", "*2\r\n$1\r\nb\r\n:5\r\n"},
        {"TOPK.ADD d ''", "*1\r\n$-1\r\n"},
        {0},
    };

    say_all(cases);
}

Test(sketches, hostile_arguments_of_heavy_hitters_are_refused) {
    static const char step[] = "-TopK: increment must be an integer greater or equal to 1 and "
                               "smaller or equal to 100000\r\n";
    static const struct said cases[] = {
        {"TOPK.RESERVE t 0", "-TopK: invalid k\r\n"},
        {"TOPK.RESERVE t 1000000000", "-TopK: invalid k\r\n"},
        {"TOPK.RESERVE t 5 0 7 0.9", "-TopK: invalid width\r\n"},
        {"TOPK.RESERVE t 5 9223372036854775807 7 0.9", "-TopK: invalid width\r\n"},
        {"TOPK.RESERVE t 5 1000000000 64 0.9",
         "-TopK: the list exceeds the memory limit (proto-max-bulk-len)\r\n"},
        {"TOPK.RESERVE t 5 8 65 0.9", "-TopK: invalid depth\r\n"},
        {"TOPK.RESERVE t 5 8 7 1.1", "-TopK: invalid decay value. must be '<= 1' & '> 0'\r\n"},
        {"TOPK.RESERVE t 5 8 7 0", "-TopK: invalid decay value. must be '<= 1' & '> 0'\r\n"},
        {"TOPK.RESERVE t 5 8", "-ERR wrong number of arguments for 'topk.reserve' command\r\n"},
        {"TOPK.ADD t a", "-TopK: key does not exist\r\n"},
        {"TOPK.LIST t", "-TopK: key does not exist\r\n"},
        {"TOPK.RESERVE t 5", "+OK\r\n"},
        {"TOPK.INCRBY t a", "-ERR wrong number of arguments for 'topk.incrby' command\r\n"},
        {"TOPK.INCRBY t a 1 b 0", step},
        {"TOPK.INCRBY t a 1 b 100001", step},
        {"TOPK.INCRBY t a 1 b x", step},
        {"TOPK.LIST t COUNT", "-WITHCOUNT keyword expected\r\n"},
        {"TOPK.LIST t", "*0\r\n"},
        {0},
    };

    say_all(cases);
}

/* ---------------------------------------------------------------- t-digests */

/* The numbers of a reply with blanks between them, each "nan", or as the reply has it. */
static const char *numbers(const char *line) {
    static char text[1024];
    const char *at = engine_say(line);
    size_t n = 0;

    if (*at != '*') return at;
    text[0] = '\0';
    for (at = strstr(at, "\r\n") + 2; *at; at = strstr(at, "\r\n") + 2) {
        if (*at == '$') at = strstr(at, "\r\n") + 2;
        if (*at == ':') at++;
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%.*s", n ? " " : "",
                              (int)strcspn(at, "\r"), at);
    }
    return text;
}

Test(sketches, t_digests_answer_as_documented) {
    static const struct said cases[] = {
        {"TDIGEST.CREATE t COMPRESSION 1000", "+OK\r\n"},
        {"TDIGEST.CREATE t", "-T-Digest: key already exists\r\n"},
        {"TDIGEST.ADD t 1 2 2 3 3 3 4 4 4 4 5 5 5 5 5", "+OK\r\n"},
        {"TDIGEST.QUANTILE t 0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1", "1 2 3 3 4 4 4 5 5 5 5"},
        {"TDIGEST.CDF t 0 1 2 3 4 5 6",
         "0 0.03333333333333333 0.13333333333333333 0.3 0.5333333333333333 0.8333333333333334 1"},
        {"TDIGEST.BYRANK t 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
         "1 2 2 3 3 3 4 4 4 4 5 5 5 5 5 inf"},
        {"TDIGEST.BYREVRANK t 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
         "5 5 5 5 5 4 4 4 4 3 3 3 2 2 1 -inf"},
        {"TDIGEST.MIN t", "$1\r\n1\r\n"},
        {"TDIGEST.MAX t", "$1\r\n5\r\n"},
        {"TYPE t", "+TDIS-TYPE\r\n"},
        {"TDIGEST.CREATE s COMPRESSION 1000", "+OK\r\n"},
        {"TDIGEST.ADD s 10 20 30 40 50 60", "+OK\r\n"},
        {"TDIGEST.RANK s 0 10 20 30 40 50 60 70", "-1 0 1 2 3 4 5 6"},
        {"TDIGEST.REVRANK s 0 10 20 30 40 50 60 70", "6 5 4 3 2 1 0 -1"},
        {"TDIGEST.RESET s", "+OK\r\n"},
        {"TDIGEST.ADD s 10 10 10 10 20 20", "+OK\r\n"},
        {"TDIGEST.RANK s 10 20", "2 5"},
        {"TDIGEST.REVRANK s 10 20", "4 1"},
        {"TDIGEST.CREATE m COMPRESSION 1000", "+OK\r\n"},
        {"TDIGEST.ADD m 1 2 3 4 5 6 7 8 9 10", "+OK\r\n"},
        {"TDIGEST.TRIMMED_MEAN m 0.1 0.6", "$1\r\n4\r\n"},
        {"TDIGEST.TRIMMED_MEAN m 0.3 0.9", "$3\r\n6.5\r\n"},
        {"TDIGEST.TRIMMED_MEAN m 0 1", "$3\r\n5.5\r\n"},
        {"TDIGEST.CREATE e", "+OK\r\n"},
        {"TDIGEST.QUANTILE e 0 0.5", "nan nan"},
        {"TDIGEST.CDF e 1", "nan"},
        {"TDIGEST.RANK e 1", "-2"},
        {"TDIGEST.REVRANK e 1", "-2"},
        {"TDIGEST.BYRANK e 1", "nan"},
        {"TDIGEST.BYREVRANK e 1", "nan"},
        {"TDIGEST.MIN e", "$3\r\nnan\r\n"},
        {"TDIGEST.MAX e", "$3\r\nnan\r\n"},
        {"TDIGEST.TRIMMED_MEAN e 0 1", "$3\r\nnan\r\n"},
        {0},
    };

    for (const struct said *c = cases; c->line; c++)
        cr_expect_str_eq(numbers(c->line), c->want, "%s", c->line);
}

Test(sketches, t_digests_are_merged_and_described) {
    static const struct said cases[] = {
        {"TDIGEST.CREATE a", "+OK\r\n"},
        {"TDIGEST.CREATE b COMPRESSION 200", "+OK\r\n"},
        {"TDIGEST.ADD a 10 20", "+OK\r\n"},
        {"TDIGEST.ADD b 30 40", "+OK\r\n"},
        {"TDIGEST.MERGE sum 2 a b", "+OK\r\n"},
        {"TDIGEST.BYRANK sum 0 1 2 3 4", "10 20 30 40 inf"},
        {"TDIGEST.MERGE sum 1 a", "+OK\r\n"},
        {"TDIGEST.BYRANK sum 0 1 2 3 4 5 6", "10 10 20 20 30 40 inf"},
        {"TDIGEST.MERGE sum 1 sum OVERRIDE COMPRESSION 50", "+OK\r\n"},
        {"TDIGEST.BYRANK sum 0 5 6", "10 40 inf"},
        {"TDIGEST.MERGE sum 1 b OVERRIDE", "+OK\r\n"},
        {"TDIGEST.BYRANK sum 0 1 2", "30 40 inf"},
        {"TDIGEST.MERGE sum 1 none", "-T-Digest: key does not exist\r\n"},
        {0},
    };
    const char *info;

    for (const struct said *c = cases; c->line; c++)
        cr_expect_str_eq(numbers(c->line), c->want, "%s", c->line);
    info = engine_say("TDIGEST.INFO sum");
    cr_expect(strstr(info, "*18\r\n+Compression\r\n:200\r\n+Capacity\r\n:1210\r\n"
                           "+Merged nodes\r\n:0\r\n+Unmerged nodes\r\n:2\r\n"
                           "+Merged weight\r\n:0\r\n+Unmerged weight\r\n:2\r\n"
                           "+Observations\r\n:2\r\n+Total compressions\r\n:0\r\n"
                           "+Memory usage\r\n:") == info,
              "%s", info);
}

Test(sketches, hostile_arguments_of_t_digests_are_refused) {
    static const char compression[] =
        "-T-Digest: compression parameter needs to be a positive integer up to 32768\r\n";
    static const char no_number[] = "-T-Digest: error parsing val parameter\r\n";
    static const struct said cases[] = {
        {"TDIGEST.CREATE t COMPRESSION 0", compression},
        {"TDIGEST.CREATE t COMPRESSION x", compression},
        {"TDIGEST.CREATE t COMPRESSION 9223372036854775807", compression},
        {"TDIGEST.CREATE t SIZE 1", "-ERR syntax error\r\n"},
        {"TDIGEST.CREATE t COMPRESSION",
         "-ERR wrong number of arguments for 'tdigest.create' command\r\n"},
        {"TDIGEST.ADD t 1", "-T-Digest: key does not exist\r\n"},
        {"TDIGEST.MIN t", "-T-Digest: key does not exist\r\n"},
        {"TDIGEST.CREATE t", "+OK\r\n"},
        {"TDIGEST.ADD t 1 x", no_number},
        {"TDIGEST.ADD t 1 nan", no_number},
        {"TDIGEST.ADD t 1 inf", no_number},
        {"TDIGEST.MAX t", "$3\r\nnan\r\n"},
        {"TDIGEST.QUANTILE t 1.1", "-T-Digest: quantile should be in [0,1]\r\n"},
        {"TDIGEST.QUANTILE t x", "-T-Digest: error parsing quantile\r\n"},
        {"TDIGEST.CDF t x", "-T-Digest: error parsing cdf\r\n"},
        {"TDIGEST.RANK t x", "-T-Digest: error parsing value\r\n"},
        {"TDIGEST.BYRANK t -1", "-T-Digest: rank needs to be non negative\r\n"},
        {"TDIGEST.BYRANK t 1.5", "-T-Digest: error parsing rank\r\n"},
        {"TDIGEST.TRIMMED_MEAN t 0.5 0.5",
         "-T-Digest: low_cut_percentile should be lower than high_cut_percentile\r\n"},
        {"TDIGEST.TRIMMED_MEAN t -1 0.5",
         "-T-Digest: low_cut_percentile and high_cut_percentile should be in [0,1]\r\n"},
        {"TDIGEST.MERGE d 0 t", "-T-Digest: numkeys needs to be a positive integer\r\n"},
        {"TDIGEST.MERGE d x t", "-T-Digest: error parsing numkeys\r\n"},
        {"TDIGEST.MERGE d 2 t", "-ERR wrong number of arguments for 'tdigest.merge' command\r\n"},
        {"TDIGEST.MERGE d 1 t COMPRESSION", "-ERR syntax error\r\n"},
        {"TDIGEST.MERGE d 1 t COMPRESSION 99999999999", compression},
        {"EXISTS d", ":0\r\n"},
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
