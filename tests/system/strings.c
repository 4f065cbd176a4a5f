/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Strings and bits over the wire: a thread through every command. What each argument does is the
 * golden transcripts' matter.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/ask.h"
#include "tests/kit/server.h"

TestSuite(strings, .fini = kit_end);

Test(strings, every_command_does_its_work) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, "+OK", "SET k hello");
    EXPECT(c, ":11", "APPEND k %s", " world");
    EXPECT(c, "$ello", "GETRANGE k 1 4");
    EXPECT(c, "$world", "SUBSTR k -5 -1");
    EXPECT(c, ":11", "SETRANGE k 0 J");
    EXPECT(c, "$Jello world", "GETSET k x");
    EXPECT(c, ":1", "STRLEN k");
    EXPECT(c, "$x", "GETDEL k");
    EXPECT(c, ":1", "INCR n");
    EXPECT(c, ":41", "INCRBY n 40");
    EXPECT(c, ":40", "DECR n");
    EXPECT(c, ":-2", "DECRBY n 42");
    EXPECT(c, "$0.5", "INCRBYFLOAT n 2.5");
    EXPECT(c, "-ERR value is not an integer or out of range", "INCR n");
    EXPECT(c, "+OK", "MSET a 1 b 2");
    EXPECT(c, "[$1 $2 (nil)]", "MGET a b c");
    EXPECT(c, ":0", "MSETNX b 3 c 3");
    EXPECT(c, ":1", "MSETNX c 3 d 4");
    EXPECT(c, ":0", "SETNX a 9");
    EXPECT(c, "+OK", "MSET x ohmytext y mynewtext");
    EXPECT(c, "$mytext", "LCS x y");
}

Test(strings, set_takes_its_options) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, "(nil)", "SET k v XX");
    EXPECT(c, "+OK", "SET k v NX");
    EXPECT(c, "$v", "SET k w GET");
    EXPECT(c, "(nil)", "SET k z NX EX 100");
    EXPECT(c, ":-1", "TTL k");
    EXPECT(c, "+OK", "SET k z EX 100");
    EXPECT(c, "+OK", "SET k y KEEPTTL");
    EXPECT(c, ":100", "TTL k");
    EXPECT(c, "+OK", "SET k y PXAT 33177117420000");
    EXPECT(c, ":33177117420000", "PEXPIRETIME k");
    EXPECT(c, "$y", "GETEX k PERSIST");
    EXPECT(c, ":-1", "TTL k");
    EXPECT(c, "-ERR syntax error", "SET k v EX 1 PX 1");
    EXPECT(c, "-ERR invalid expire time in 'set' command", "SET k v EX 0");
    EXPECT(c, "+OK", "SETEX k 100 v");
    EXPECT(c, "+OK", "PSETEX k 100000 v");
    EXPECT(c, ":100", "TTL k");
}

/* Logged in forms that older servers know: redis-server loads what stands in the log. */
Test(strings, newer_conditions_are_logged_as_what_they_did) {
    struct server *s = server_run("--appendonly", "yes", "--appendfsync", "always", NULL);
    redisContext *c = ask_open(s);
    char *log;

    EXPECT(c, "+OK", "SET k v");
    EXPECT(c, "+OK", "SET k w IFEQ v");
    EXPECT(c, "(nil)", "SET k x IFEQ v");
    EXPECT(c, "$w", "SET k x IFNE v GET");
    EXPECT(c, "-ERR syntax error", "SET k x IFEQ v NX");
    EXPECT(c, "-ERR syntax error", "SET k x IFEQ");
    EXPECT(c, ":1", "MSETEX 2 a 1 b 2 NX PXAT 33177117420000");
    EXPECT(c, ":1", "MSETEX 2 b 3 a 3 XX KEEPTTL");
    EXPECT(c, ":1", "MSETEX 2 d 4 e 4");
    EXPECT(c, ":0", "MSETEX 2 d 5 f 5 XX");
    EXPECT(c, "-ERR wrong number of key-value pairs", "MSETEX 3 d 5 f 5");
    EXPECT(c, "-ERR invalid numkeys value", "MSETEX 0 d 5");
    EXPECT(c, "-ERR syntax error", "MSETEX 1 d 5 f 5");
    EXPECT(c, ":0", "DELIFEQ d 5");
    EXPECT(c, ":1", "DELIFEQ d 4");
    EXPECT(c, ":0", "DELEX e IFNE 4");
    EXPECT(c, ":1", "DELEX e IFEQ 4");
    EXPECT(c, ":1", "SADD set m");
    EXPECT(c, "-WRONGTYPE Operation against a key holding the wrong kind of value",
           "DELIFEQ set m");
    EXPECT(c, ":1", "DELEX set");
    server_kill(s);
    log = server_read_file(s, "appendonlydir/appendonly.aof.1.incr.aof");
    cr_assert(!strstr(log, "MSETEX") && !strstr(log, "IF") && !strstr(log, "DELEX"));
    free(log);
    server_start(s, "--appendonly", "yes", NULL);
    c = ask_open(s);
    EXPECT(c, "[$x $3 $3 (nil) (nil)]", "MGET k a b d e");
    EXPECT(c, ":33177117420000", "PEXPIRETIME a");
    EXPECT(c, ":3", "DBSIZE");
}

Test(strings, bits_do_their_work) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, ":0", "SETBIT b 7 1");
    EXPECT(c, ":1", "GETBIT b 7");
    EXPECT(c, ":1", "BITCOUNT b");
    EXPECT(c, ":7", "BITPOS b 1");
    EXPECT(c, "+OK", "SET a %s", "foobar");
    EXPECT(c, "+OK", "SET z %s", "abcdef");
    EXPECT(c, ":6", "BITOP AND r a z");
    EXPECT(c, "$`bc`ab", "GET r");
    EXPECT(c, "[:1 :0]", "BITFIELD f INCRBY i5 100 1 GET u4 0");
    EXPECT(c, "[:0]", "BITFIELD_RO f GET u8 0");
    EXPECT(c, "-ERR bit offset is not an integer or out of range", "SETBIT b -1 1");
}

Test(strings, values_are_bytes) {
    redisContext *c = ask_open(server_run(NULL, NULL));
    char all[256];

    for (int i = 0; i < 256; i++) all[i] = (char)i;
    EXPECT(c, "+OK", "SET %b %b", all, sizeof all, all, sizeof all);
    redisReply *r = redisCommand(c, "GET %b", all, sizeof all);
    cr_assert_eq(r->len, 256);
    cr_assert(memcmp(r->str, all, 256) == 0);
    EXPECT(c, "+OK", "SET %b %b", "", (size_t)0, "", (size_t)0);
    EXPECT(c, "$", "GET %b", "", (size_t)0);
}

Test(strings, encodings_have_redis_names) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, "+OK", "SET k 12345");
    EXPECT(c, "$int", "OBJECT ENCODING k");
    EXPECT(c, "+OK", "SET k %s", "012345");
    EXPECT(c, "$embstr", "OBJECT ENCODING k");
    EXPECT(c, "+OK", "SET k 12345678901234567890123456789012345678901234");
    EXPECT(c, "$embstr", "OBJECT ENCODING k");
    EXPECT(c, "+OK", "SET k 123456789012345678901234567890123456789012345");
    EXPECT(c, "$raw", "OBJECT ENCODING k");
    EXPECT(c, "+OK", "SET k a");
    EXPECT(c, ":2", "APPEND k b");
    EXPECT(c, "$raw", "OBJECT ENCODING k");
    EXPECT(c, ":1", "OBJECT REFCOUNT k");
}

Test(strings, a_string_grows_to_512_mb_and_no_further) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, "-ERR string exceeds maximum allowed size (proto-max-bulk-len)",
           "SETRANGE k 536870912 x");
    EXPECT(c, "-ERR bit offset is not an integer or out of range", "SETBIT k 4294967296 1");
    EXPECT(c, ":0", "EXISTS k");
}

/* A long argument becomes the value together with the buffer in which it came. */
Test(strings, a_long_argument_is_stored_whatever_follows_it) {
    const size_t n = 3000000;
    struct server *s = server_run("--appendonly", "yes", NULL);
    redisContext *c = ask_open(s);
    char *a = malloc(n), *b = malloc(n);

    memset(a, 'a', n);
    memset(b, 'b', n);
    redisAppendCommand(c, "SET k %b", a, n);
    redisAppendCommand(c, "GETRANGE k 2999998 -1");
    redisAppendCommand(c, "APPEND k %b", b, n);
    redisAppendCommand(c, "GETRANGE k 2999999 3000000");
    redisAppendCommand(c, "SET k %b NX", a, n);
    redisAppendCommand(c, "SET gone %b", b, n);
    redisAppendCommand(c, "DEL gone");
    redisAppendCommand(c, "GETRANGE k 5999998 -1");
    redisAppendCommand(c, "MULTI");
    redisAppendCommand(c, "SETEX t 1000 %b", b, n);
    redisAppendCommand(c, "EXEC");
    redisAppendCommand(c, "SETRANGE t 1 x");
    redisAppendCommand(c, "GETRANGE t 0 2");
    EXPECT_NEXT(c, "+OK");
    EXPECT_NEXT(c, "$aa");
    EXPECT_NEXT(c, ":6000000");
    EXPECT_NEXT(c, "$ab");
    EXPECT_NEXT(c, "(nil)");
    EXPECT_NEXT(c, "+OK");
    EXPECT_NEXT(c, ":1");
    EXPECT_NEXT(c, "$bb");
    EXPECT_NEXT(c, "+OK");
    EXPECT_NEXT(c, "+QUEUED");
    EXPECT_NEXT(c, "[+OK]");
    EXPECT_NEXT(c, ":3000000");
    EXPECT_NEXT(c, "$bxb");
    for (int i = 0; i < 3; i++) { /* one after the other: each is the last in its buffer */
        EXPECT(c, "+OK", "SET k %b KEEPTTL", i == 1 ? b : a, n);
        EXPECT(c, i == 1 ? "$b" : "$a", "GETRANGE k -1 -1");
        EXPECT(c, ":1", "EXPIRE k %d", 1000 + i);
    }
    EXPECT(c, ":3000001", "APPEND k c");
    server_stop(s);
    server_start(s, "--appendonly", "yes", NULL);
    c = ask_open(s);
    EXPECT(c, ":3000001", "STRLEN k");
    EXPECT(c, "$ac", "GETRANGE k -2 -1");
    EXPECT(c, ":3000000", "STRLEN t");
    free(a);
    free(b);
}
