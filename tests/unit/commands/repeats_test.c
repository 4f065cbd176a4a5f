/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Values that a command names again and again: the result is the same, whether or not that is
 * noticed.
 */
#include "engine_help.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(repeats, .init = engine_begin, .fini = engine_end);

static void make_data(void) {
    engine_say("SADD a 1 2 3");
    engine_say("SADD b 2 3 4");
    engine_say("SADD c 3 x");
    engine_say("ZADD y 1 m 2 n");
    engine_say("ZADD z 5 n 7 o");
    engine_say("SET s abc");
    engine_say("SET t ABCD");
    engine_say("PFADD h 1 2 3");
    engine_say("PFADD i 3 4");
}

/* `many` is answered as `few` is. */
static void same(const char *many, const char *few) {
    char first[400];

    snprintf(first, sizeof first, "%s", engine_say(many));
    cr_assert_str_eq(first, engine_say(few), "%s", many);
}

Test(repeats, sets) {
    make_data();
    same("SINTERCARD 7 a b a b c a b", "SINTERCARD 3 a b c");
    same("SINTER c a b a b c a b", "SINTER c a b");
    same("SUNIONSTORE d a b a nosuch b nosuch c a", "SUNIONSTORE e a b c");
    same("SDIFF d e d e d e", "SDIFF nosuch a");
    same("SDIFF a b b b b b", "SDIFF a b");
    same("SDIFFSTORE d a c c c c c nosuch c", "SDIFFSTORE e a c");
    same("SMEMBERS d", "SMEMBERS e");
    same("SDIFF a b b a b b b", "SDIFF nosuch");
    same("SINTER a a nosuch a a a", "SINTER nosuch");
}

Test(repeats, sorted_sets) {
    make_data();
    same("ZUNION 6 y z y z y y AGGREGATE MAX WITHSCORES", "ZUNION 2 y z AGGREGATE MAX WITHSCORES");
    same("ZINTER 6 y z y z y y AGGREGATE MIN WITHSCORES", "ZINTER 2 y z AGGREGATE MIN WITHSCORES");
    same("ZINTERCARD 6 y z y z y y", "ZINTERCARD 2 y z");
    same("ZDIFF 6 y z z z z z WITHSCORES", "ZDIFF 2 y z WITHSCORES");
    same("ZDIFF 6 y y y y y y", "ZDIFF 2 y y");
    cr_assert_str_eq(engine_say("ZUNION 5 y y y y y WITHSCORES"),
                     "*4\r\n$1\r\nm\r\n$1\r\n5\r\n$1\r\nn\r\n$2\r\n10\r\n", "a sum counts them");
    same("ZUNION 5 y y y y y WEIGHTS 1 2 3 4 9 AGGREGATE MAX WITHSCORES",
         "ZUNION 1 y WEIGHTS 9 WITHSCORES");
}

Test(repeats, bits) {
    make_data();
    same("BITOP AND d s t s t s t", "BITOP AND e s t");
    same("GET d", "GET e");
    same("BITOP OR d s t s t s t", "BITOP OR e s t");
    same("GET d", "GET e");
    same("BITOP AND d s nosuch s s s s", "BITOP AND e s nosuch");
    same("GET d", "GET e");
    same("BITOP XOR d s t s t s t nosuch", "BITOP XOR e s t");
    same("GET d", "GET e");
    same("BITOP XOR d t s t s t s t s", "BITOP XOR e t t");
    same("GET d", "GET e");
    same("BITOP XOR d nosuch nosuch nosuch nosuch nosuch", "BITOP XOR e nosuch");
}

Test(repeats, hyperloglogs) {
    make_data();
    same("PFCOUNT h i h i h i h", "PFCOUNT h i");
    same("PFMERGE d h i h i h i h", "PFMERGE e h i");
    same("GET d", "GET e");
}
