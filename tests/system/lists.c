/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lists over the wire: every command once, waiting, and what is left after a restart.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/ask.h"
#include "tests/kit/server.h"

TestSuite(lists, .fini = kit_end);

Test(lists, every_command_does_its_work) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, ":3", "RPUSH l a b c");
    EXPECT(c, ":5", "LPUSH l 1 2");
    EXPECT(c, "[$2 $1 $a $b $c]", "LRANGE l 0 -1");
    EXPECT(c, "$listpack", "OBJECT ENCODING l");
    EXPECT(c, ":0", "LPUSHX none x");
    EXPECT(c, ":6", "RPUSHX l c");
    EXPECT(c, "$c", "LINDEX l -1");
    EXPECT(c, "+OK", "LSET l 0 two");
    EXPECT(c, ":7", "LINSERT l AFTER two three");
    EXPECT(c, ":1", "LPOS l three");
    EXPECT(c, ":2", "LREM l 0 c");
    EXPECT(c, "+OK", "LTRIM l 1 3");
    EXPECT(c, ":3", "LLEN l");
    EXPECT(c, "$three", "LPOP l");
    EXPECT(c, "[$a $1]", "RPOP l 5");
    EXPECT(c, ":0", "EXISTS l");
    EXPECT(c, ":2", "RPUSH l x y");
    EXPECT(c, "$y", "RPOPLPUSH l m");
    EXPECT(c, "$x", "LMOVE l m LEFT LEFT");
    EXPECT(c, "[$m [$x $y]]", "LMPOP 2 l m LEFT COUNT 9");
    EXPECT(c, "+OK", "SET s 1");
    EXPECT(c, "-WRONGTYPE Operation against a key holding the wrong kind of value", "LPUSH s x");
}

Test(lists, who_waits_gets_what_is_pushed) {
    struct server *s = server_run(NULL, NULL);
    redisContext *waits = ask_open(s), *c = ask_open(s);

    redisAppendCommand(waits, "BLPOP none l 0");
    redisAppendCommand(waits, "BRPOPLPUSH l m 0");
    redisAppendCommand(waits, "BLMPOP 0.01 1 l LEFT");
    redisAppendCommand(waits, "BLMOVE m n LEFT RIGHT 5");
    EXPECT(c, ":2", "RPUSH l 1 2");
    EXPECT_NEXT(waits, "[$l $1]");
    EXPECT_NEXT(waits, "$2");
    EXPECT_NEXT(waits, "(nil)");
    EXPECT_NEXT(waits, "$2");
    EXPECT(c, "[$2]", "LRANGE n 0 -1");
}

/* While BLPOP waits, other clients are served, and a client that has disconnected gets no
 * element. */
Test(lists, who_hangs_up_takes_nothing_along) {
    struct server *s = server_run(NULL, NULL);
    redisContext *waits = ask_open(s), *c = ask_open(s);
    struct redisContext *gone = redisConnect("127.0.0.1", server_port(s));

    ask_send(gone, "BLPOP l 0");
    ask_wait_info(c, "blocked_clients", "1");
    ask_send(waits, "BLPOP l 0");
    ask_wait_info(c, "blocked_clients", "2");
    redisFree(gone);
    ask_wait_info(c, "blocked_clients", "1");
    EXPECT(c, ":1", "RPUSH l x");
    EXPECT_NEXT(waits, "[$l $x]");
}

Test(lists, are_there_after_a_restart) {
    struct server *s = server_run(ASK_AOF, "--list-compress-depth", "1", NULL);
    redisContext *c = ask_open(s), *waits = ask_open(s);
    char text[201] = {0};

    memset(text, 'a', 200);
    for (int i = 0; i < 1000; i++) EXPECT_PREFIX(c, ":", "RPUSH big %s%d", text, i);
    EXPECT(c, "$quicklist", "OBJECT ENCODING big");
    EXPECT(c, ":3", "RPUSH small 1 -2 three");
    EXPECT(c, ":1", "PEXPIREAT small 33177117420000");
    redisAppendCommand(waits, "BLMOVE small other LEFT RIGHT 0");
    EXPECT_NEXT(waits, "$1");
    ask_send(waits, "BRPOPLPUSH none other 0");
    ask_wait_info(c, "blocked_clients", "1");
    EXPECT(c, ":2", "LPUSH none x y");
    c = ask_through_restarts(s, c);
    EXPECT(c, "[$x $1]", "LRANGE other 0 -1");
    EXPECT(c, "[$-2 $three]", "LRANGE small 0 -1");
    EXPECT(c, ":1000", "LLEN big");
}

Test(lists, several_that_moved_are_there_after_a_restart) {
    struct server *s = server_run(ASK_AOF, NULL);
    redisContext *c = ask_open(s), *waits = ask_open(s);

    EXPECT(c, ":4", "RPUSH l 1 2 3 4");
    EXPECT(c, "[$2 $1]", "LMOVEM l m LEFT LEFT COUNT 2 OBO");
    ask_send(waits, "BLMOVEM jobs m RIGHT RIGHT 0 EXACTLY 3 BULK");
    ask_wait_info(c, "blocked_clients", "1");
    EXPECT(c, ":2", "RPUSH jobs x y");
    EXPECT(c, ":3", "RPUSH jobs z");
    EXPECT_NEXT(waits, "[$x $y $z]");
    EXPECT(waits, "(nil)", "BLMOVEM jobs m LEFT LEFT 0.01");
    EXPECT(c, "+OK", "MULTI");
    EXPECT(c, "+QUEUED", "BLMOVEM none m LEFT LEFT 0");
    EXPECT(c, "[(nil)]", "EXEC");
    c = ask_through_restarts(s, c);
    EXPECT(c, "[$2 $1 $x $y $z]", "LRANGE m 0 -1");
    EXPECT(c, "[$3 $4]", "LRANGE l 0 -1");
    EXPECT(c, ":0", "EXISTS jobs");
}
