/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Transactions over the wire, and what the log has of them.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/ask.h"
#include "tests/kit/server.h"

TestSuite(transactions, .fini = kit_end);

Test(transactions, are_one_unit_of_the_log_across_databases) {
    struct server *s = server_run(ASK_AOF, "--aof-checksum", "no", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "+OK", "MULTI");
    EXPECT(c, "+QUEUED", "SET a 1");
    EXPECT(c, "+QUEUED", "SELECT 5");
    EXPECT(c, "+QUEUED", "INCRBYFLOAT b 0.5");
    EXPECT(c, "+QUEUED", "MOVE b 6");
    EXPECT(c, "[+OK +OK $0.5 :1]", "EXEC");
    EXPECT(c, "+OK", "SET after 1");
    c = ask_through_restarts(s, c);
    EXPECT(c, "$1", "GET a");
    EXPECT(c, "+OK", "SELECT 5");
    EXPECT(c, "$1", "GET after");
    EXPECT(c, ":0", "EXISTS b");
    EXPECT(c, "+OK", "SELECT 6");
    EXPECT(c, "$0.5", "GET b");
}

Test(transactions, one_that_is_torn_leaves_nothing) {
    struct server *s = server_run(ASK_AOF, "--aof-checksum", "no", NULL);
    redisContext *c = ask_open(s);
    const char *log = "appendonlydir/appendonly.aof.1.incr.aof";
    char *text;

    EXPECT(c, "+OK", "SET before 1");
    EXPECT(c, "+OK", "MULTI");
    EXPECT(c, "+QUEUED", "SET a 1");
    EXPECT(c, "+QUEUED", "SET b 1");
    EXPECT(c, "[+OK +OK]", "EXEC");
    server_kill(s);
    text = server_read_file(s, log);
    *strstr(text, "EXEC") = '\0';
    server_write_file(s, log, text);
    free(text);
    server_start(s, ASK_AOF, "--aof-checksum", "no", NULL);
    c = ask_open(s);
    EXPECT(c, "$1", "GET before");
    EXPECT(c, ":0", "EXISTS a b");
}

Test(transactions, a_stale_key_that_comes_with_swapdb_does_not_break_watch) {
    struct server *s = server_run("--enable-debug-command", "yes", NULL);
    redisContext *c = ask_open(s), *watching = ask_open(s);

    EXPECT(c, "+OK", "DEBUG SET-ACTIVE-EXPIRE 0");
    EXPECT(c, "+OK", "SELECT 1");
    EXPECT(c, "+OK", "SET k v PX 1");
    EXPECT(c, "+OK", "DEBUG SLEEP 0.01");
    EXPECT(watching, "+OK", "WATCH k");
    EXPECT(c, "+OK", "SWAPDB 0 1");
    EXPECT(watching, "+OK", "MULTI");
    EXPECT(watching, "+QUEUED", "PING");
    EXPECT(watching, "[+PONG]", "EXEC");
}
