/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Commands and options of Redis after 8.0, for which there is no server to compare with: against
 * what they are said to do, and against other commands that give the same.
 */
#include "engine_help.h"

#include "storage/base/rng.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(newer, .init = engine_begin, .fini = engine_end);

static void says(const char *line, const char *want) {
    cr_assert_str_eq(engine_say(line), want, "%s", line);
}

Test(newer, digest_is_xxh3_and_decides_what_set_and_delex_do) {
    says("DIGEST none", "$-1\r\n");
    says("SET k hello", "+OK\r\n");
    says("DIGEST k", "$16\r\n9555e8555c62dcfd\r\n");
    says("SET k v IFDEQ 9555e8555c62dcfe", "$-1\r\n");
    says("SET k hello2 IFDEQ 9555E8555C62DCFD", "+OK\r\n");
    says("SET k v IFDNE 9555e8555c62dcfd GET", "$6\r\nhello2\r\n");
    says("SET none v IFDEQ 9555e8555c62dcfd", "$-1\r\n");
    says("SET k hello", "+OK\r\n");
    says("DELEX k IFDNE 9555e8555c62dcfd", ":0\r\n");
    says("DELEX k IFDEQ 9555e8555c62dcfd", ":1\r\n");
    says("DELEX k IFDEQ 9555e8555c62dcf", "-ERR a digest is 16 hexadecimal digits\r\n");
    says("DELEX k IFDEQ 9555e8555c62dcfg", "-ERR a digest is 16 hexadecimal digits\r\n");
    says("SET k v IFDEQ 9555e8555c62dcfd IFEQ v", "-ERR syntax error\r\n");
    engine_say("LPUSH l a");
    cr_assert(strstr(engine_say("DIGEST l"), "-WRONGTYPE"));
    cr_assert(strstr(engine_say("SET l v IFDEQ 9555e8555c62dcfd"), "-WRONGTYPE"));
}

/* ---------------------------------------------------------------- BITOP */

enum { SOURCES = 5, BYTES = 90 };

struct bits {
    char name[8];
    uint8_t v[BYTES];
    size_t n;
};

static void set_bits(struct bits *b, int i) {
    char line[64 + 2 * BYTES];
    size_t n = 0;

    snprintf(b->name, sizeof b->name, "s%d", i);
    b->n = rng_below(3) ? rng_below(BYTES) : 0;
    memset(b->v, 0, BYTES);
    n += (size_t)snprintf(line, sizeof line, "*3\r\n$3\r\nSET\r\n$2\r\n%s\r\n$%zu\r\n", b->name,
                          b->n);
    for (size_t k = 0; k < b->n; k++) line[n++] = (char)(b->v[k] = (uint8_t)rng_below(256));
    memcpy(line + n, "\r\n", 2);
    engine_send(line, n + 2);
}

static uint8_t expected(const char *op, const uint8_t *all, int n) {
    uint8_t first = all[0], others = 0, one = 0, more = 0;

    for (int i = 0; i < n; i++) {
        if (i) others |= all[i];
        more |= one & all[i];
        one |= all[i];
    }
    if (strcmp(op, "DIFF") == 0) return first & (uint8_t)~others;
    if (strcmp(op, "DIFF1") == 0) return others & (uint8_t)~first;
    return strcmp(op, "ANDOR") == 0 ? first & others : one & (uint8_t)~more;
}

static void try_bitop(const char *op, const struct bits *b, int n) {
    char line[400];
    size_t at = (size_t)snprintf(line, sizeof line, "BITOP %s d", op), longest = 0;
    int which[40];
    struct slice got;

    for (int i = 0; i < n; i++) {
        which[i] = (int)rng_below(SOURCES);
        at += (size_t)snprintf(line + at, sizeof line - at, " %s", b[which[i]].name);
        if (b[which[i]].n > longest) longest = b[which[i]].n;
    }
    got = slice_of(engine_say(line), 1);
    cr_assert_eq(got.p[0], ':', "%s", line);
    cr_assert_eq(strtoul(got.p + 1, NULL, 10), longest, "%s", line);
    got = engine_send("GET d\r\n", 7);
    if (longest == 0) return;
    got.p = memchr(got.p, '\n', got.n) + (size_t)1;
    for (size_t k = 0; k < longest; k++) {
        uint8_t all[40] = {0};

        for (int i = 0; i < n; i++) all[i] = b[which[i]].v[k];
        cr_assert_eq((uint8_t)got.p[k], expected(op, all, n), "%s, byte %zu", line, k);
    }
}

Test(newer, bitop_of_several_sources_is_what_it_is_for_each_bit) {
    static const char *const ops[] = {"DIFF", "DIFF1", "ANDOR", "ONE"};
    struct bits b[SOURCES];

    for (int round = 0; round < 300; round++) {
        for (int i = 0; i < SOURCES; i++) set_bits(&b[i], i);
        try_bitop(ops[round % 4], b, 2 + (int)rng_below(round % 3 ? 4 : 38));
    }
    cr_assert(strstr(engine_say("BITOP DIFF d a"), "-ERR BITOP DIFF, DIFF1"));
}

/* ---------------------------------------------------------------- sets and sorted sets */

static void add_some(const char *key) {
    char line[64];

    for (uint64_t n = rng_below(4) ? rng_below(700) : 0; n > 0; n--) {
        snprintf(line, sizeof line, "SADD %s %s%d", key, rng_below(2) ? "" : "m",
                 (int)rng_below(500));
        engine_say(line);
    }
}

static void same_count(const char *card, const char *store, const char *keys, int n) {
    char line[200], want[32];

    snprintf(line, sizeof line, "%s d%s", store, keys);
    snprintf(want, sizeof want, "%s", engine_say(line));
    snprintf(line, sizeof line, "%s %d%s", card, n, keys);
    says(line, want);
    snprintf(line, sizeof line, "%s %d%s LIMIT 3", card, n, keys);
    says(line, atoi(want + 1) > 3 ? ":3\r\n" : want);
}

Test(newer, cardinalities_are_those_of_what_is_stored) {
    static const char *const names[] = {"a", "b", "c", "e", "f", "g"};

    for (int round = 0; round < 30; round++) {
        char keys[64] = "";
        int n = 1 + (int)rng_below(9);

        engine_say("FLUSHALL");
        for (int i = 0; i < 6; i++) add_some(names[i]);
        for (int i = 0; i < n; i++) {
            strcat(keys, " ");
            strcat(keys, names[rng_below(6)]);
        }
        same_count("SUNIONCARD", "SUNIONSTORE", keys, n);
        same_count("SDIFFCARD", "SDIFFSTORE", keys, n);
    }
    says("SUNIONCARD 1 a APPROX LIMIT", "-ERR syntax error\r\n");
    says("SDIFFCARD 1 a APPROX", "-ERR syntax error\r\n");
}

Test(newer, aggregate_count_adds_the_weights_up) {
    engine_say("ZADD a 5 m 6 n");
    engine_say("ZADD b 1 m 3 o");
    engine_say("SADD s m o");
    engine_say("ZUNIONSTORE d 4 a b s s WEIGHTS 2 3 10 100 AGGREGATE COUNT");
    says("ZRANGE d 0 -1 WITHSCORES",
         "*6\r\n$1\r\nn\r\n$1\r\n2\r\n$1\r\no\r\n$3\r\n113\r\n$1\r\nm\r\n$3\r\n115\r\n");
    says("ZINTER 2 a b AGGREGATE COUNT WITHSCORES", "*2\r\n$1\r\nm\r\n$1\r\n2\r\n");
}

/* ---------------------------------------------------------------- INCREX */

Test(newer, increx_stays_within_its_bounds) {
    static const struct {
        const char *line, *want;
    } steps[] = {
        {"INCREX n", "*2\r\n:1\r\n:1\r\n"},
        {"INCREX n BYINT 5 EX 100", "*2\r\n:6\r\n:5\r\n"},
        {"INCREX n BYINT 7 UBOUND 8 PERSIST", "*2\r\n:6\r\n:0\r\n"}, /* nothing changes */
        {"TTL n", ":100\r\n"},
        {"INCREX n BYINT 7 UBOUND 8 SATURATE EX 200 ENX", "*2\r\n:8\r\n:2\r\n"},
        {"TTL n", ":100\r\n"},
        {"INCREX n BYINT -100 LBOUND -3 SATURATE PERSIST", "*2\r\n:-3\r\n:-11\r\n"},
        {"TTL n", ":-1\r\n"},
        {"INCREX n EX 200 ENX", "*2\r\n:-2\r\n:1\r\n"},
        {"TTL n", ":200\r\n"},
        {"INCREX n BYFLOAT 2.5", "*2\r\n$3\r\n0.5\r\n$3\r\n2.5\r\n"},
        {"INCREX n BYFLOAT 2.5 UBOUND 2", "*2\r\n$3\r\n0.5\r\n$1\r\n0\r\n"},
        {"INCREX n BYFLOAT 2.5 UBOUND 2 SATURATE", "*2\r\n$1\r\n2\r\n$3\r\n1.5\r\n"},
        {"SET n 9223372036854775806", "+OK\r\n"},
        {"INCREX n BYINT 2", "*2\r\n:9223372036854775806\r\n:0\r\n"},
        {"INCREX n BYINT 2 SATURATE", "*2\r\n:9223372036854775807\r\n:1\r\n"},
        {"INCREX n LBOUND 5 UBOUND 3", "-ERR LBOUND is greater than UBOUND\r\n"},
        {"INCREX n BYINT 1 BYFLOAT 2", "-ERR syntax error\r\n"},
        {"INCREX n ENX", "-ERR syntax error\r\n"},
        {"INCREX n BYFLOAT inf", "-ERR increment would produce NaN or Infinity\r\n"},
    };

    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) says(steps[i].line, steps[i].want);
}

/* ---------------------------------------------------------------- streams */

/* Five entries, of which group g has read all and h the first three; g has acknowledged 1 and 2, h
 * 1. */
static void make_stream_with_groups(void) {
    char line[60];

    for (int i = 1; i <= 5; i++) {
        snprintf(line, sizeof line, "XADD x %d-0 a %d", i, i);
        engine_say(line);
    }
    engine_say("XGROUP CREATE x g 0");
    engine_say("XGROUP CREATE x h 0");
    engine_say("XREADGROUP GROUP g c STREAMS x >");
    engine_say("XREADGROUP GROUP h c COUNT 3 STREAMS x >");
    engine_say("XACK x g 1-0 2-0");
    engine_say("XACK x h 1-0");
}

static void pending(const char *group, int n) {
    char line[40], want[16];

    snprintf(line, sizeof line, "XPENDING x %s", group);
    snprintf(want, sizeof want, "*4\r\n:%d\r\n", n);
    cr_expect_eq(strncmp(engine_say(line), want, strlen(want)), 0, "%s: %s", line,
                 engine_say(line));
}

Test(newer, xdelex_minds_what_is_pending) {
    make_stream_with_groups();
    says("XDELEX x ACKED IDS 6 1-0 2-0 3-0 4-0 5-0 9-0",
         "*6\r\n:1\r\n:2\r\n:2\r\n:2\r\n:2\r\n:-1\r\n");
    pending("g", 3);
    pending("h", 2);
    says("XDELEX x DELREF IDS 1 3-0", "*1\r\n:1\r\n");
    pending("g", 2);
    pending("h", 1);
    says("XDELEX x IDS 2 4-0 4-0", "*2\r\n:1\r\n:-1\r\n");
    pending("g", 2);
    says("XLEN x", ":2\r\n");
    says("XDELEX none IDS 1 1-0", "*1\r\n:-1\r\n");
    says("XDELEX x DELREF ACKED IDS 1 1-0", "-ERR syntax error\r\n");
    says("XDELEX x IDS 0 1-0", "-ERR Number of IDs must be a positive integer\r\n");
    says("XDELEX x IDS 2 1-0",
         "-ERR The `numids` parameter must match the number of arguments\r\n");
}

Test(newer, xackdel_acknowledges_and_deletes) {
    make_stream_with_groups();
    says("XACKDEL x g ACKED IDS 3 1-0 3-0 9-0", "*3\r\n:-1\r\n:2\r\n:-1\r\n");
    pending("g", 2);
    says("XLEN x", ":5\r\n");
    says("XACKDEL x h ACKED IDS 2 2-0 3-0", "*2\r\n:1\r\n:1\r\n");
    says("XLEN x", ":3\r\n");
    pending("h", 0);
    says("XACKDEL x g DELREF IDS 1 4-0", "*1\r\n:1\r\n");
    pending("g", 1);
    says("XACKDEL x none IDS 1 5-0", "*1\r\n:-1\r\n");
}

Test(newer, trimming_minds_what_is_pending) {
    make_stream_with_groups();
    says("XTRIM x ACKED MAXLEN 1", ":1\r\n");
    says("XLEN x", ":4\r\n");
    says("XTRIM x MINID 4-0 DELREF", ":2\r\n");
    pending("g", 2);
    pending("h", 0);
    says("XADD x KEEPREF MAXLEN 1 6-0 a 6", "$3\r\n6-0\r\n");
    pending("g", 2);
    says("XLEN x", ":1\r\n");
    says("XTRIM x MAXLEN 1 ACKED DELREF", "-ERR syntax error\r\n");
}

/* ---------------------------------------------------------------- LMOVEM, ZMOVE */

/* The array of the words of a list with commas, as a reply. */
static const char *array_of(char *out, const char *words) {
    char items[120] = "", *end = items;
    int n = 0;

    for (size_t len; *words; words += len + (words[len] == ',')) {
        len = strcspn(words, ",");
        end += snprintf(end, sizeof items - (size_t)(end - items), "$%zu\r\n%.*s\r\n", len,
                        (int)len, words);
        n++;
    }
    snprintf(out, 160, "*%d\r\n%s", n, items);
    return out;
}

/* What a list of 1 to 5 and one of x, y are after a move: from, to, order; the reply; both lists.
 */
Test(newer, lmovem_keeps_or_reverses_the_order) {
    static const char *const cases[][4] = {
        {"LEFT RIGHT COUNT 2 OBO", "1,2", "3,4,5", "x,y,1,2"},
        {"LEFT RIGHT COUNT 2 BULK", "1,2", "3,4,5", "x,y,1,2"},
        {"LEFT LEFT COUNT 2 OBO", "2,1", "3,4,5", "2,1,x,y"},
        {"LEFT LEFT COUNT 2 BULK", "1,2", "3,4,5", "1,2,x,y"},
        {"RIGHT RIGHT EXACTLY 2 OBO", "5,4", "1,2,3", "x,y,5,4"},
        {"RIGHT RIGHT EXACTLY 2 BULK", "4,5", "1,2,3", "x,y,4,5"},
        {"RIGHT LEFT COUNT 9 OBO", "1,2,3,4,5", "", "1,2,3,4,5,x,y"},
        {"RIGHT LEFT", "5", "1,2,3,4", "5,x,y"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[80], want[160];

        engine_say("FLUSHALL");
        engine_say("RPUSH l 1 2 3 4 5");
        engine_say("RPUSH m x y");
        snprintf(line, sizeof line, "LMOVEM l m %s", cases[i][0]);
        says(line, array_of(want, cases[i][1]));
        says("LRANGE l 0 -1", array_of(want, cases[i][2]));
        says("LRANGE m 0 -1", array_of(want, cases[i][3]));
    }
}

Test(newer, lmovem_turns_a_list_and_keeps_its_time) {
    char want[160];

    engine_say("RPUSH l 1 2 3");
    engine_say("EXPIRE l 100");
    says("LMOVEM l l LEFT RIGHT COUNT 2 OBO", array_of(want, "1,2"));
    says("LRANGE l 0 -1", array_of(want, "3,1,2"));
    says("LMOVEM l l LEFT LEFT COUNT 3 OBO", array_of(want, "2,1,3"));
    says("LRANGE l 0 -1", array_of(want, "2,1,3"));
    says("TTL l", ":100\r\n");
}

Test(newer, lmovem_and_zmove_refuse_before_they_change) {
    engine_say("RPUSH l 1 2");
    engine_say("ZADD z 1 a");
    says("LMOVEM l m LEFT LEFT EXACTLY 3 OBO", "*-1\r\n");
    says("LMOVEM none m LEFT LEFT", "*-1\r\n");
    says("LMOVEM l m LEFT LEFT COUNT 2", "-ERR syntax error\r\n");
    says("LMOVEM l m LEFT LEFT COUNT 2 OBO x", "-ERR syntax error\r\n");
    says("LMOVEM l m LEFT UP", "-ERR syntax error\r\n");
    says("LMOVEM l m LEFT LEFT COUNT 0 OBO", "-ERR count should be greater than 0\r\n");
    says("BLMOVEM l m LEFT LEFT x", "-ERR timeout is not a float or out of range\r\n");
    cr_assert(strstr(engine_say("LMOVEM l z LEFT LEFT"), "-WRONGTYPE"));
    cr_assert(strstr(engine_say("LMOVEM z l LEFT LEFT"), "-WRONGTYPE"));
    cr_assert(strstr(engine_say("ZMOVE z l MIN"), "-WRONGTYPE"));
    cr_assert(strstr(engine_say("ZMOVE l z MIN"), "-WRONGTYPE"));
    says("ZMOVE z z MIN", "*-1\r\n");
    says("BZMOVE z z MIN 0", "*-1\r\n");
    says("ZMOVE none z MIN", "*-1\r\n");
    says("ZMOVE z y MIN COUNT 0", "-ERR count should be greater than 0\r\n");
    says("ZMOVE z y BYSCORE 1", "-ERR syntax error\r\n");
    says("ZMOVE z y BYSCORE x 1", "-ERR min or max is not a float\r\n");
    says("ZMOVE z y BYSCORE 5 1", "*-1\r\n");
    says("LLEN l", ":2\r\n");
    says("ZCARD z", ":1\r\n");
    says("EXISTS m y", ":0\r\n");
}

Test(newer, zmove_takes_scores_along) {
    char want[160];

    engine_say("ZADD z 1 a 2 b 2.5 c 4 d");
    engine_say("ZADD y 9 b");
    says("ZMOVE z y BYSCORE 2 (4 COUNT 1", array_of(want, "b,2"));
    says("ZMOVE z y MAX COUNT 2", array_of(want, "d,4,c,2.5"));
    says("ZRANGE y 0 -1 WITHSCORES", array_of(want, "b,2,c,2.5,d,4"));
    says("ZMOVE z y MIN COUNT 7", array_of(want, "a,1"));
    says("EXISTS z", ":0\r\n");
}

/* ---------------------------------------------------------------- XREADGROUP CLAIM, XNACK */

static void three_entries(void) {
    engine_say("XADD x 1-1 f a");
    engine_say("XADD x 2-2 f bb");
    engine_say("XADD x 3-3 f c");
    engine_say("XGROUP CREATE x g 0");
}

#define ENTRY(id, v, n)   "*2\r\n$3\r\n" id "\r\n*2\r\n$1\r\nf\r\n$" #n "\r\n" v "\r\n"
#define FIGURES(id, v, n) "*4\r\n$3\r\n" id "\r\n*2\r\n$1\r\nf\r\n$" #n "\r\n" v "\r\n"
#define OF_X(count)       "*1\r\n*2\r\n$1\r\nx\r\n*" #count "\r\n"

Test(newer, claim_takes_over_what_is_idle_and_then_reads) {
    three_entries();
    says("XREADGROUP GROUP g a COUNT 2 CLAIM 50 STREAMS x >",
         OF_X(2) FIGURES("1-1", "a", 1) ":0\r\n:0\r\n" FIGURES("2-2", "bb", 2) ":0\r\n:0\r\n");
    clock_advance_ms(40);
    says("XCLAIM x g a 0 2-2 JUSTID", "*1\r\n$3\r\n2-2\r\n");
    clock_advance_ms(10);
    says("XREADGROUP GROUP g b CLAIM 50 STREAMS x >",
         OF_X(2) FIGURES("1-1", "a", 1) ":50\r\n:1\r\n" FIGURES("3-3", "c", 1) ":0\r\n:0\r\n");
    says("XREADGROUP GROUP g b CLAIM 50 STREAMS x >", "*-1\r\n");
    says("XPENDING x g - + 10 b",
         "*2\r\n*4\r\n$3\r\n1-1\r\n$1\r\nb\r\n:0\r\n:2\r\n*4\r\n$3\r\n3-3\r\n"
         "$1\r\nb\r\n:0\r\n:1\r\n");
    clock_advance_ms(40);
    says("XREADGROUP GROUP g b CLAIM 50 COUNT 1 STREAMS x >",
         OF_X(1) FIGURES("2-2", "bb", 2) ":50\r\n:1\r\n");
    says("XDEL x 1-1", ":1\r\n");
    clock_advance_ms(100);
    says("XREADGROUP GROUP g a CLAIM 60 COUNT 1 STREAMS x >",
         OF_X(1) FIGURES("2-2", "bb", 2) ":100\r\n:2\r\n");
    says("XREADGROUP GROUP g a CLAIM 5 STREAMS x 0", OF_X(1) ENTRY("2-2", "bb", 2));
    says("XREAD CLAIM 5 STREAMS x 0", "-ERR The CLAIM option is only supported by XREADGROUP. You "
                                      "called XREAD instead.\r\n");
    says("XREADGROUP GROUP g a CLAIM -1 STREAMS x >",
         "-ERR min-idle-time must be a positive integer\r\n");
}

/* A group remembers the oldest delivery; an earlier one must be seen all the same. */
Test(newer, claim_sees_what_was_given_an_earlier_time) {
    three_entries();
    engine_say("XREADGROUP GROUP g a STREAMS x >");
    says("XREADGROUP GROUP g b CLAIM 1000 STREAMS x >", "*-1\r\n");
    engine_say("XCLAIM x g a 0 3-3 IDLE 1000 JUSTID");
    says("XREADGROUP GROUP g b CLAIM 1000 STREAMS x >",
         OF_X(1) FIGURES("3-3", "c", 1) ":1000\r\n:1\r\n");
    says("XNACK x g FAIL IDS 1 2-2", ":1\r\n");
    says("XREADGROUP GROUP g b CLAIM 1000 STREAMS x >",
         OF_X(1) FIGURES("2-2", "bb", 2) ":1000000000000\r\n:1\r\n");
    engine_say("XDEL x 1-1");
    clock_advance_ms(500);
    says("XREADGROUP GROUP g b CLAIM 500 COUNT 1 STREAMS x >",
         OF_X(1) FIGURES("2-2", "bb", 2) ":500\r\n:2\r\n");
}

Test(newer, maxcount_and_maxsize_hold_over_all_streams) {
    three_entries();
    engine_say("XADD y 5-5 f v");
    says("XREAD MAXCOUNT 2 STREAMS x y 0 0", OF_X(2) ENTRY("1-1", "a", 1) ENTRY("2-2", "bb", 2));
    says("XREAD MAXCOUNT 9 COUNT 1 STREAMS x y 0 0",
         "*2\r\n*2\r\n$1\r\nx\r\n*1\r\n" ENTRY("1-1", "a",
                                               1) "*2\r\n$1\r\ny\r\n*1\r\n" ENTRY("5-5", "v", 1));
    says("XREAD MAXSIZE 1 STREAMS x y 0 0", OF_X(1) ENTRY("1-1", "a", 1));
    says("XREADGROUP GROUP g c MAXSIZE 1 STREAMS x >", OF_X(1) ENTRY("1-1", "a", 1));
    says("XREADGROUP GROUP g c MAXCOUNT 1 STREAMS x >", OF_X(1) ENTRY("2-2", "bb", 2));
    says("XREADGROUP GROUP g c MAXCOUNT 1 STREAMS x 0", OF_X(1) ENTRY("1-1", "a", 1));
    says("XREADGROUP GROUP g c MAXCOUNT 2 CLAIM 0 STREAMS x >",
         OF_X(2) FIGURES("1-1", "a", 1) ":0\r\n:2\r\n" FIGURES("2-2", "bb", 2) ":0\r\n:1\r\n");
    says("XREAD MAXCOUNT 0 STREAMS x 0", "-ERR MAXCOUNT must be > 0\r\n");
    says("XREAD MAXSIZE x STREAMS x 0", "-ERR MAXSIZE must be > 0\r\n");
}

Test(newer, xnack_decides_what_counts) {
    three_entries();
    engine_say("XREADGROUP GROUP g a COUNT 2 STREAMS x >");
    says("XNACK x g SILENT IDS 1 1-1", ":1\r\n");
    says("XNACK x g FATAL IDS 2 2-2 3-3", ":1\r\n");
    says("XPENDING x g - + 10",
         "*2\r\n*4\r\n$3\r\n1-1\r\n$1\r\na\r\n:1000000000000\r\n:0\r\n*4\r\n"
         "$3\r\n2-2\r\n$1\r\na\r\n:1000000000000\r\n:9223372036854775807\r\n");
    says("XNACK x g FAIL IDS 1 2-2 RETRYCOUNT 7", ":1\r\n");
    says("XNACK x g FAIL IDS 1 3-3 FORCE RETRYCOUNT 2", ":1\r\n");
    says("XREADGROUP GROUP g b CLAIM 1 COUNT 2 STREAMS x >",
         OF_X(2) FIGURES("1-1", "a", 1) ":1000000000000\r\n:0\r\n" FIGURES(
             "2-2", "bb", 2) ":1000000000000\r\n:7\r\n");
    says("XPENDING x g 3-3 3-3 1", "*1\r\n*4\r\n$3\r\n3-3\r\n$0\r\n\r\n:1000000000000\r\n:2\r\n");
    says("XNACK x g MAYBE IDS 1 1-1", "-ERR syntax error\r\n");
    says("XNACK x g FAIL IDS 2 1-1", "-ERR The `numids` parameter must match the number of "
                                     "arguments\r\n");
    says("XNACK x g FAIL IDS 0 1-1", "-ERR Number of IDs must be a positive integer\r\n");
    says("XNACK x g FAIL IDS 1 1-1 RETRYCOUNT -1",
         "-ERR RETRYCOUNT must be a non-negative integer\r\n");
    cr_assert(strstr(engine_say("XNACK x h FAIL IDS 1 1-1"), "-NOGROUP"));
}

/* ---------------------------------------------------------------- XADD IDMP */

#define ID(text) "$3\r\n" text "\r\n"

Test(newer, an_entry_that_is_sent_again_is_added_once) {
    says("XADD x IDMP p one 1-1 f v", ID("1-1"));
    says("XADD x IDMP p one 2-2 f w", ID("1-1"));
    says("XADD x IDMP q one 3-3 f v", ID("3-3"));
    says("XADD x IDMPAUTO p 4-4 f v", ID("4-4"));
    says("XADD x IDMPAUTO p NOMKSTREAM 5-5 f v", ID("4-4"));
    says("XADD x IDMPAUTO p 5-5 fv ''", ID("5-5"));
    says("XLEN x", ":4\r\n");
    cr_assert(strstr(engine_say("XINFO STREAM x"),
                     "pids-tracked\r\n:2\r\n$12\r\niids-tracked\r\n:4\r\n"
                     "$10\r\niids-added\r\n:4\r\n$15\r\n"
                     "iids-duplicates\r\n:2\r\n"));
    says("COPY x y", ":1\r\n");
    says("XADD y IDMP p one 9-9 f v", ID("1-1"));
    clock_advance_ms(99999);
    says("XADD x IDMP p one 6-6 f v", ID("1-1"));
    clock_advance_ms(1);
    says("XADD x IDMP p one 6-6 f v", ID("6-6"));
    says("XADD x IDMP r one 7-7 f v", ID("7-7"));
    cr_assert(strstr(engine_say("XINFO STREAM x"),
                     "pids-tracked\r\n:2\r\n$12\r\niids-tracked\r\n:2\r\n"));
}

Test(newer, a_producer_has_so_many_iids_and_a_stream_its_own_limits) {
    says("XCFGSET x IDMP-MAXSIZE 2", "-ERR no such key\r\n");
    engine_say("XADD x 1-1 f v");
    cr_assert_not(strstr(engine_say("XINFO STREAM x"), "idmp"));
    says("XCFGSET x IDMP-MAXSIZE 2 IDMP-DURATION 3", "+OK\r\n");
    for (int i = 1; i <= 3; i++) {
        char line[80];

        snprintf(line, sizeof line, "XADD x IDMP p i%d 2-%d f v", i, i);
        engine_say(line);
    }
    says("XADD x IDMP p i3 9-9 f v", ID("2-3"));
    says("XADD x IDMP p i2 9-9 f v", ID("2-2"));
    says("XADD x IDMP p i1 3-3 f v", ID("3-3"));
    says("XADD x IDMP p i2 4-4 f v", ID("4-4"));
    clock_advance_ms(3000);
    says("XADD x IDMP p i2 5-5 f v", ID("5-5"));
    says("XADD x IDMP p i9 6-6 f v", ID("6-6"));
    says("XCFGSET x IDMP-MAXSIZE 1", "+OK\r\n");
    says("COPY x y", ":1\r\n");
    says("XCFGSET x IDMP-MAXSIZE 0", "-ERR IDMP-MAXSIZE must be between 1 and 1000000\r\n");
    says("XCFGSET x IDMP-DURATION 301", "-ERR IDMP-DURATION must be between 1 and 300 seconds\r\n");
    says("XCFGSET x IDMP-DURATION 1 IDMP-MAXSIZE", "-ERR syntax error\r\n");
    says("XADD x IDMP p i IDMPAUTO p * f v", "-ERR syntax error\r\n");
    says("XADD x IDMP '' i * f v", "-ERR a producer or an idempotent id has 1 to 1024 bytes\r\n");
    says("XADD x IDMP p i 1-1 f v", "-ERR The ID specified in XADD is equal or smaller than the "
                                    "target stream top item\r\n");
}

/* ---------------------------------------------------------------- HIMPORT */

Test(newer, himport_stores_hashes_with_fields_named_before) {
    says("HIMPORT SET h s 1 2", "-ERR no such fieldset\r\n");
    says("HIMPORT PREPARE s a b a", "-ERR a field is named twice\r\n");
    says("HIMPORT PREPARE s a b", "+OK\r\n");
    says("HIMPORT SET h s 1", "-ERR the fieldset has 2 fields, but there are 1 values\r\n");
    says("HIMPORT SET h s 1 2", "+OK\r\n");
    engine_say("HSET h c 3");
    engine_say("EXPIRE h 100");
    says("HIMPORT SET h s 3 4", "+OK\r\n");
    says("HMGET h a b c", "*3\r\n$1\r\n3\r\n$1\r\n4\r\n$-1\r\n");
    says("TTL h", ":-1\r\n");
    says("HIMPORT PREPARE s b", "+OK\r\n");
    says("HIMPORT SET h s 5", "+OK\r\n");
    says("HGETALL h", "*2\r\n$1\r\nb\r\n$1\r\n5\r\n");
    engine_say("SET k v");
    cr_assert(strstr(engine_say("HIMPORT SET k s 5"), "-WRONGTYPE"));
    says("HIMPORT PREPARE t a", "+OK\r\n");
    says("HIMPORT DISCARD s", ":1\r\n");
    says("HIMPORT DISCARD s", ":0\r\n");
    says("HIMPORT DISCARDALL", ":1\r\n");
    says("HIMPORT DISCARDALL", ":0\r\n");
}

Test(newer, a_connection_has_so_many_fieldsets) {
    char line[64];

    for (int i = 0; i < 256; i++) {
        snprintf(line, sizeof line, "HIMPORT PREPARE s%d f", i);
        says(line, "+OK\r\n");
    }
    says("HIMPORT PREPARE more f",
         "-ERR a connection has at most 256 fieldsets, of 1048576 bytes together\r\n");
    says("HIMPORT PREPARE s7 g h", "+OK\r\n");
    says("HIMPORT SET k s7 1 2", "+OK\r\n");
    says("HIMPORT SET k s255 1", "+OK\r\n");
    says("HIMPORT DISCARDALL", ":256\r\n");
}

/* ---------------------------------------------------------------- options of Valkey */

Test(newer, zscan_leaves_scores_out) {
    engine_say("ZADD z 1 a 2 b");
    says("ZSCAN z 0 NOSCORES", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    says("ZSCAN z 0 MATCH a NOSCORES COUNT 5", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n");
    says("ZSCAN z 0 NOVALUES", "-ERR syntax error\r\n");
    engine_say("HSET h f v");
    says("HSCAN h 0 NOSCORES", "-ERR syntax error\r\n");
}
