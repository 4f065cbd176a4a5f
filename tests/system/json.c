/* SPDX-License-Identifier: BSD-3-Clause
 *
 * JSON documents over the wire: a thread through every command, restarts, snapshots, payloads of
 * DUMP, a replica, events, rights. What each argument does is the unit tests' matter.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/ask.h"
#include "tests/kit/server.h"

TestSuite(json, .fini = kit_end);

static void make_documents(redisContext *c) {
    EXPECT(c, "+OK", "JSON.SET d $ %s",
           "{\"n\":1,\"x\":2.5,\"s\":\"foo\",\"t\":true,\"a\":[1,2,3],\"o\":{\"k\":null}}");
    EXPECT(c, "$[2]", "JSON.NUMINCRBY d $.n 1");
    EXPECT(c, "$[5.0]", "JSON.NUMMULTBY d $.x 2");
    EXPECT(c, "[:6]", "JSON.STRAPPEND d $.s %s", "\"bar\"");
    EXPECT(c, "[:0]", "JSON.TOGGLE d $.t");
    EXPECT(c, "[:5]", "JSON.ARRAPPEND d $.a 4 5");
    EXPECT(c, "[:6]", "JSON.ARRINSERT d $.a 0 0");
    EXPECT(c, "[$5]", "JSON.ARRPOP d $.a");
    EXPECT(c, "[:3]", "JSON.ARRTRIM d $.a 1 3");
    EXPECT(c, ":1", "JSON.CLEAR d $.o");
    EXPECT(c, "+OK", "JSON.MERGE d $ %s", "{\"o\":{\"new\":[1]},\"x\":null}");
    EXPECT(c, "+OK", "JSON.MSET e $ [1,2] f $ %s", "\"\\u0000\\u00e9\"");
    EXPECT(c, ":1", "JSON.DEL e $[0]");
    EXPECT(c, ":1", "JSON.FORGET d $.t");
    EXPECT(c, "+OK", "JSON.SET short $ 1");
    EXPECT(c, ":1", "PEXPIREAT short 33177117420000");
    EXPECT(c, "+OK", "JSON.SET short $ 2");
}

static void check_documents(redisContext *c) {
    EXPECT(c, "${\"n\":2,\"s\":\"foobar\",\"a\":[1,2,3],\"o\":{\"new\":[1]}}", "JSON.GET d");
    EXPECT(c, "[$[[2]] $[\"\\u0000\\xc3\\xa9\"] (nil)]", "JSON.MGET e f none $");
    EXPECT(c, "$2", "JSON.GET short .");
    EXPECT(c, ":33177117420000", "PEXPIRETIME short");
    EXPECT(c, "[$integer $string $array $object]", "JSON.TYPE d $.*");
    EXPECT(c, "[:1]", "JSON.ARRINDEX d $.a 2");
    EXPECT(c, "[:3]", "JSON.ARRLEN d $.a");
    EXPECT(c, "[:6]", "JSON.STRLEN d $.s");
    EXPECT(c, "[[$new]]", "JSON.OBJKEYS d $.o");
    EXPECT(c, ":4", "JSON.OBJLEN d");
    EXPECT(c, "[[+[ :1 :2 :3]]", "JSON.RESP d $.a");
}

Test(json, documents_are_there_after_a_restart) {
    struct server *s = server_run(ASK_AOF, NULL);
    redisContext *c = ask_open(s);

    make_documents(c);
    check_documents(c);
    c = ask_through_restarts(s, c);
    check_documents(c);
}

Test(json, snapshots_and_payloads_hold_documents) {
    struct server *s = server_run("--save", "", "--enable-debug-command", "yes", NULL);
    redisContext *c = ask_open(s);
    redisReply *dump;

    make_documents(c);
    EXPECT(c, "+OK", "DEBUG RELOAD");
    check_documents(c);
    dump = redisCommand(c, "DUMP d");
    EXPECT(c, "+OK", "RESTORE copy 0 %b", dump->str, dump->len);
    freeReplyObject(dump);
    EXPECT(c, "${\"n\":2,\"s\":\"foobar\",\"a\":[1,2,3],\"o\":{\"new\":[1]}}", "JSON.GET copy");
    EXPECT(c, ":1", "COPY d other");
    EXPECT(c, "[:0]", "JSON.ARRTRIM other $.a 9 9");
    check_documents(c);
    EXPECT(c, "+ReJSON-RL", "TYPE other");
}

Test(json, a_replica_has_the_same_documents) {
    struct server *s = server_run("--enable-debug-command", "yes", NULL),
                  *replica = server_run("--enable-debug-command", "yes", NULL);
    redisContext *c = ask_open(s), *r = ask_open(replica);
    char digest[64];

    EXPECT(c, "+OK", "JSON.SET before $ [1]");
    EXPECT(r, "+OK", "REPLICAOF 127.0.0.1 %d", server_port(s));
    ask_wait_info(r, "master_link_status", "up");
    make_documents(c);
    EXPECT(c, ":1", "WAIT 1 10000");
    check_documents(r);
    EXPECT(r, "$[1]", "JSON.GET before");
    snprintf(digest, sizeof digest, "%s", ask(c, "DEBUG DIGEST"));
    EXPECT(r, digest, "DEBUG DIGEST");
}

Test(json, changes_are_told_and_rights_are_checked) {
    struct server *s = server_run("--notify-keyspace-events", "Ed", NULL);
    redisContext *c = ask_open(s), *hears = ask_open(s), *user = ask_open(s);

    EXPECT(hears, "[$psubscribe $* :1]", "PSUBSCRIBE *");
    EXPECT(c, "+OK", "JSON.SET d $ []");
    EXPECT_NEXT(hears, "[$pmessage $* $__keyevent@0__:json.set $d]");
    EXPECT(c, "[:1]", "JSON.ARRAPPEND d $ 1");
    EXPECT_NEXT(hears, "[$pmessage $* $__keyevent@0__:json.arrappend $d]");
    EXPECT(c, ":1", "JSON.DEL d");
    EXPECT_NEXT(hears, "[$pmessage $* $__keyevent@0__:json.del $d]");
    EXPECT(c, "+OK", "ACL SETUSER u on >p ~d* +@json -@write");
    EXPECT(user, "+OK", "AUTH u p");
    EXPECT(user, "(nil)", "JSON.GET d");
    EXPECT_PREFIX(user, "-NOPERM", "JSON.GET e");
    EXPECT_PREFIX(user, "-NOPERM", "JSON.MGET d e $");
    EXPECT_PREFIX(user, "-NOPERM", "JSON.DEBUG MEMORY e");
    EXPECT_PREFIX(user, "-NOPERM", "JSON.SET d $ 1");
    EXPECT_PREFIX(user, "-NOPERM", "GET d");
}
