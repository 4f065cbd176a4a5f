/* SPDX-License-Identifier: BSD-3-Clause
 *
 * HyperLogLogs over the wire, and that their bytes come back, the cached count among them.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/ask.h"
#include "tests/kit/server.h"

TestSuite(hyperloglog, .fini = kit_end);

Test(hyperloglog, every_command_does_its_work) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, ":1", "PFADD h a b c");
    EXPECT(c, ":0", "PFADD h c b a");
    EXPECT(c, ":3", "PFCOUNT h");
    EXPECT(c, ":1", "PFADD g c d");
    EXPECT(c, ":4", "PFCOUNT h g none");
    EXPECT(c, "+OK", "PFMERGE all h g");
    EXPECT(c, ":4", "PFCOUNT all");
    EXPECT(c, "+sparse", "PFDEBUG ENCODING all");
    EXPECT(c, ":1", "PFDEBUG TODENSE all");
    EXPECT(c, ":12304", "STRLEN all");
    EXPECT(c, ":4", "PFCOUNT all");
    EXPECT(c, "+OK", "PFMERGE h all");
    EXPECT(c, "+dense", "PFDEBUG ENCODING h");
    EXPECT(c, "$raw", "OBJECT ENCODING h");
    EXPECT(c, "+OK", "PFSELFTEST");
    EXPECT(c, "+OK", "SET s x");
    EXPECT(c, "-WRONGTYPE Key is not a valid HyperLogLog string value.", "PFADD s a");
    EXPECT(c, ":18", "APPEND cut %b", "HYLL\1\0\0\0\0\0\0\0\0\0\0\200\77\77", (size_t)18);
    EXPECT(c, "-INVALIDOBJ Corrupted HLL object detected", "PFCOUNT cut");
    EXPECT(c, "-INVALIDOBJ Corrupted HLL object detected", "PFMERGE cut g");
}

Test(hyperloglog, are_there_after_a_restart) {
    struct server *s = server_run(ASK_AOF, NULL);
    redisContext *c = ask_open(s);

    for (int i = 0; i < 3000; i++) ask(c, "PFADD h%d e%d", i % 3 + (i > 1500), i);
    EXPECT_PREFIX(c, ":", "PFCOUNT h0");
    EXPECT_PREFIX(c, ":", "PFCOUNT h1 h2");
    EXPECT(c, "+OK", "PFMERGE m h0 h3");
    EXPECT(c, ":1", "PFDEBUG TODENSE h2");
    EXPECT(c, ":1", "PEXPIREAT h2 33177117420000");
    EXPECT(c, ":1", "PFADD h2 x");
    EXPECT(c, ":33177117420000", "PEXPIRETIME h2");
    ask_through_restarts(s, c);
}
