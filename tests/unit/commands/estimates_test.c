/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Commands on count-min sketches, heavy hitters and t-digests: replies of the documented examples,
 * errors, and what hostile arguments do.
 */
#include "engine_help.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(estimates, .init = engine_begin, .fini = engine_end);

struct said {
    const char *line, *want;
};

static void say_all(const struct said *cases) {
    for (; cases->line; cases++)
        cr_expect_str_eq(engine_say(cases->line), cases->want, "%s", cases->line);
}

/* ---------------------------------------------------------------- count-min sketches */

Test(estimates, count_min_sketches_answer_as_documented) {
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
        {"EXPIRE dest 100", ":1\r\n"},
        {"CMS.MERGE dest 1 test", "+OK\r\n"},
        {"TTL dest", ":100\r\n"},
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

Test(estimates, hostile_arguments_of_count_min_sketches_are_refused) {
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

Test(estimates, heavy_hitters_answer_as_documented) {
    static const struct said cases[] = {
        {"TOPK.RESERVE t 50 2000 7 0.925", "+OK\r\n"},
        {"TOPK.RESERVE t 50", "-TopK: key already exists\r\n"},
        {"TOPK.INFO t", "*8\r\n+k\r\n:50\r\n+width\r\n:2000\r\n+depth\r\n:7\r\n+decay\r\n"
                        "$5\r\n0.925\r\n"},
        {"TOPK.ADD t foo bar 42", "*3\r\n$-1\r\n$-1\r\n$-1\r\n"},
        {"TOPK.INCRBY t foo 3 bar 2 42 30", "*3\r\n$-1\r\n$-1\r\n$-1\r\n"},
        {"TOPK.QUERY t 42 nonexist", "*2\r\n:1\r\n:0\r\n"},
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

Test(estimates, hostile_arguments_of_heavy_hitters_are_refused) {
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

Test(estimates, t_digests_answer_as_documented) {
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

Test(estimates, t_digests_are_merged_and_described) {
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

Test(estimates, hostile_arguments_of_t_digests_are_refused) {
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
