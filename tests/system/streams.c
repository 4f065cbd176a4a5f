/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Streams over the wire: every command once, waiting, and what is left after a restart.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/ask.h"
#include "tests/kit/server.h"

TestSuite(streams, .fini = kit_end);

Test(streams, every_command_does_its_work) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, "$1-1", "XADD s 1-1 a 1");
    EXPECT(c, "$1-2", "XADD s 1-* a 2 b 3");
    EXPECT(c, "$5-0", "XADD s 5 c 4");
    EXPECT(c, ":3", "XLEN s");
    EXPECT(c, "$stream", "OBJECT ENCODING s");
    EXPECT(c, "[[$1-1 [$a $1]] [$1-2 [$a $2 $b $3]]]", "XRANGE s - (5-0");
    EXPECT(c, "[[$5-0 [$c $4]]]", "XREVRANGE s + - COUNT 1");
    EXPECT(c, "[[$s [[$5-0 [$c $4]]]]]", "XREAD STREAMS s 1-2");
    if (server_is_stet()) EXPECT(c, "[[$s [[$5-0 [$c $4]]]]]", "XREAD STREAMS s +");
    EXPECT(c, ":1", "XDEL s 1-2 7-7");
    EXPECT(c, ":1", "XTRIM s MAXLEN 1");
    EXPECT(c, "+OK", "XSETID s 9-9 ENTRIESADDED 7");
    EXPECT(c, "$9-10", "XADD s 9-* d 5");
    EXPECT(c, "-ERR The ID specified in XADD is equal or smaller than the target stream top item",
           "XADD s 9-10 x y");
    EXPECT(c, "(nil)", "XADD none NOMKSTREAM * x y");
    EXPECT(c, "+OK", "SET str 1");
    EXPECT(c, "-WRONGTYPE Operation against a key holding the wrong kind of value", "XLEN str");
}

Test(streams, groups_share_out_what_comes) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, "+OK", "XGROUP CREATE s g $ MKSTREAM");
    EXPECT(c, "-ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP.",
           "XGROUP CREATE s h $ ENTRIESREAD 1 ENTRIESREAD 2");
    EXPECT(c, "-ERR unknown subcommand or wrong number of arguments for 'SETID'. Try XGROUP HELP.",
           "XGROUP SETID s g $ ENTRIESREAD 1 ENTRIESREAD 2");
    EXPECT(c, ":1", "XGROUP CREATECONSUMER s g idle");
    for (int i = 1; i <= 4; i++) ask(c, "XADD s %d-0 f %d", i, i);
    EXPECT(c, "[[$s [[$1-0 [$f $1]] [$2-0 [$f $2]]]]]",
           "XREADGROUP GROUP g one COUNT 2 STREAMS s >");
    EXPECT(c, "[[$s [[$3-0 [$f $3]]]]]", "XREADGROUP GROUP g two COUNT 1 STREAMS s >");
    EXPECT(c, ":1", "XACK s g 1-0 9-9");
    EXPECT(c, "[:2 $2-0 $3-0 [[$one $1] [$two $1]]]", "XPENDING s g");
    EXPECT(c, "[$2-0]", "XCLAIM s g two 0 2-0 JUSTID");
    EXPECT(c, ":1", "XDEL s 3-0");
    EXPECT(c, "[[$s [[$2-0 [$f $2]] [$3-0 (nil)]]]]", "XREADGROUP GROUP g two STREAMS s 0");
    EXPECT(c, "[$0-0 [[$2-0 [$f $2]]] [$3-0]]", "XAUTOCLAIM s g three 0 0");
    EXPECT(c,
           "[[$name $g $consumers :4 $pending :1 $last-delivered-id $3-0 $entries-read :3 "
           "$lag (nil)]]",
           "XINFO GROUPS s");
    EXPECT(c, ":1", "XGROUP DELCONSUMER s g three");
    EXPECT(c, "+OK", "XGROUP SETID s g 0");
    EXPECT(c, ":1", "XGROUP DESTROY s g");
    EXPECT(c, "-NOGROUP No such key 's' or consumer group 'g'", "XPENDING s g");
}

Test(streams, who_waits_gets_what_is_added) {
    struct server *s = server_run(NULL, NULL);
    redisContext *reader = ask_open(s), *one = ask_open(s), *two = ask_open(s), *c = ask_open(s);

    EXPECT(c, "$1-0", "XADD s 1-0 f old");
    EXPECT(c, "+OK", "XGROUP CREATE s g $");
    ask_send(reader, "XREAD BLOCK 0 STREAMS none s $ $");
    ask_send(one, "XREADGROUP GROUP g one BLOCK 0 STREAMS s >");
    ask_wait_info(c, "blocked_clients", "2");
    ask_send(two, "XREADGROUP GROUP g two BLOCK 0 STREAMS s >");
    ask_wait_info(c, "blocked_clients", "3");
    EXPECT(c, "$2-0", "XADD s 2-0 f new");
    EXPECT_NEXT(reader, "[[$s [[$2-0 [$f $new]]]]]");
    EXPECT_NEXT(one, "[[$s [[$2-0 [$f $new]]]]]");
    EXPECT(c, "[:1 $2-0 $2-0 [[$one $1]]]", "XPENDING s g");
    EXPECT(c, "(nil)", "XREAD BLOCK 10 STREAMS s $");
    if (!server_is_stet()) return; /* 7.0 has another text for this */
    EXPECT(c, ":1", "DEL s");
    EXPECT_NEXT(two, "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP "
                     "option");
}

/* A group that is destroyed is not waited for. */
Test(streams, a_destroyed_group_wakes_its_consumers) {
    STET_ONLY(); /* 7.0 has another text for this */
    struct server *s = server_run(NULL, NULL);
    redisContext *waits = ask_open(s), *c = ask_open(s);

    EXPECT(c, "+OK", "XGROUP CREATE s g $ MKSTREAM");
    ask_send(waits, "XREADGROUP GROUP g one BLOCK 0 STREAMS s >");
    ask_wait_info(c, "blocked_clients", "1");
    EXPECT(c, ":1", "XGROUP DESTROY s g");
    EXPECT_NEXT(waits, "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP "
                       "option");
}

/* Among them: pending entries that were trimmed or deleted, and a stream whose last id was taken
 * back while they were pending. */
static void fill(redisContext *c) {
    for (int i = 1; i <= 300; i++) ask(c, "XADD big %d-%d f %d g text%d", i, i, i, i);
    ask(c, "XADD s * a 1");
    ask(c, "XADD s * a 2 b 3");
    ask(c, "XGROUP CREATE big g 0");
    ask(c, "XGROUP CREATE big h 100-100 ENTRIESREAD 100");
    ask(c, "XREADGROUP GROUP g one COUNT 200 STREAMS big >");
    ask(c, "XREADGROUP GROUP g two COUNT 50 NOACK STREAMS big >");
    ask(c, "XREADGROUP GROUP h one COUNT 20 STREAMS big >");
    ask(c, "XCLAIM big g two 0 20-20 21-21 22-22 RETRYCOUNT 7 LASTID 260-260");
    ask(c, "XACK big g 30-30 31-31");
    ask(c, "XDEL big 40-40 110-110 300-300");
    ask(c, "XADD big MAXLEN ~ 150 301-0 f new");
    ask(c, "XTRIM big MINID = 105");
    ask(c, "XAUTOCLAIM big g three 0 150 COUNT 3");
    ask(c, "XGROUP CREATE empty g $ MKSTREAM");
    ask(c, "XADD gone 5-5 f v");
    ask(c, "XADD gone 6-6 f v");
    ask(c, "XGROUP CREATE gone g 0");
    ask(c, "XREADGROUP GROUP g c STREAMS gone >");
    ask(c, "XDEL gone 6-6");
    ask(c, "XTRIM gone MAXLEN 0");
    ask(c, "XADD back 9-9 f v");
    ask(c, "XGROUP CREATE back g 0");
    ask(c, "XREADGROUP GROUP g c STREAMS back >");
    ask(c, "XTRIM back MAXLEN 0");
    ask(c, "XSETID back 1-1");
    ask(c, "XADD back 2-2 f v");
    ask(c, "PEXPIREAT back 33177117420000");
}

Test(streams, are_there_after_a_restart) {
    struct server *s = server_run(ASK_AOF, NULL);
    redisContext *c = ask_open(s);

    fill(c);
    c = ask_through_restarts(s, c);
    EXPECT(c, ":195", "XLEN big");
    EXPECT(c, "$302-0", "XADD big 302-* f v");
    EXPECT(c, "[[$back [[$9-9 (nil)]]]]", "XREADGROUP GROUP g c STREAMS back 0");
    EXPECT(c, "$2-3", "XADD back 2-* f v");
    EXPECT(c, ":0", "XLEN empty");
    EXPECT(c, ":0", "XLEN gone");
    EXPECT(c, "[:2 $5-5 $6-6 [[$c $2]]]", "XPENDING gone g");
}

Test(streams, setid_takes_the_ends_of_all_ids) {
    struct server *s = server_run(ASK_AOF, NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "+OK", "XGROUP CREATE s g 0 MKSTREAM");
    EXPECT(c, "$1-1", "XADD s 1-1 a b");
    EXPECT(c, "+OK", "XGROUP SETID s g +");
    EXPECT(c, "(nil)", "XREADGROUP GROUP g c STREAMS s >");
    c = ask_through_restarts(s, c);
    EXPECT(c, "(nil)", "XREADGROUP GROUP g c STREAMS s >");
    EXPECT(c, "+OK", "XGROUP SETID s g -");
    EXPECT(c, "[[$s [[$1-1 [$a $b]]]]]", "XREADGROUP GROUP g c STREAMS s >");
    EXPECT(c, "-ERR Invalid stream ID specified as stream command argument",
           "XGROUP CREATE s other -");
    EXPECT(c, "-ERR Invalid stream ID specified as stream command argument", "XGROUP SETID s g (1");
}

#define CLAIMED "[[$s [[$1-1 [$f $v] :"

Test(streams, a_claim_that_waits_gets_what_becomes_idle_or_is_given_back) {
    struct server *s = server_run(ASK_AOF, NULL);
    redisContext *c = ask_open(s), *waits = ask_open(s);

    EXPECT(c, "+OK", "XGROUP CREATE s g $ MKSTREAM");
    EXPECT(c, "$1-1", "XADD s 1-1 f v");
    ask_send(waits, "XREADGROUP GROUP g two BLOCK 0 CLAIM 20 STREAMS none s > >");
    EXPECT_NEXT(waits, "-NOGROUP No such key 'none' or consumer group 'g' in XREADGROUP with GROUP "
                       "option");
    EXPECT(c, "[[$s [[$1-1 [$f $v]]]]]", "XREADGROUP GROUP g one STREAMS s >");
    ask_send(waits, "XREADGROUP GROUP g two BLOCK 60000 CLAIM 20 STREAMS s >");
    EXPECT_PREFIX(c, ":", "XLEN s");
    cr_assert(strncmp(ask_next(waits), CLAIMED, strlen(CLAIMED)) == 0);
    ask_send(waits, "XREADGROUP GROUP g three BLOCK 0 CLAIM 3600000 STREAMS s >");
    ask_wait_info(c, "blocked_clients", "1");
    EXPECT(c, ":1", "XNACK s g FAIL IDS 1 1-1 RETRYCOUNT 41");
    cr_assert(strncmp(ask_next(waits), CLAIMED, strlen(CLAIMED)) == 0);
    EXPECT(waits, "(nil)", "XREADGROUP GROUP g two BLOCK 30 CLAIM 3600000 STREAMS s >");
    EXPECT(waits, "(nil)", "XREADGROUP GROUP g two BLOCK 30 CLAIM 25000 STREAMS s >");
    c = ask_through_restarts(s, c);
    EXPECT(c, "[:1 $1-1 $1-1 [[$three $1]]]", "XPENDING s g");
    EXPECT_PREFIX(c, "[[$1-1 $three :", "XPENDING s g - + 1");
    cr_assert(strstr(ask(c, "XPENDING s g - + 1"), " :42]"), "the count is there");
}

/* XNACK FATAL and RETRYCOUNT set the most there is; the count stays there. */
Test(streams, entries_that_were_delivered_too_often_come_back) {
    struct server *s = server_run(ASK_AOF, "--enable-debug-command", "yes", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "$1-1", "XADD s 1-1 f v");
    EXPECT(c, "$2-1", "XADD s 2-1 f v");
    EXPECT(c, "+OK", "XGROUP CREATE s g 0");
    EXPECT(c, "[[$s [[$1-1 [$f $v]] [$2-1 [$f $v]]]]]", "XREADGROUP GROUP g one STREAMS s >");
    EXPECT(c, ":1", "XNACK s g FATAL IDS 1 1-1");
    EXPECT(c, "+OK", "DEBUG RELOAD");
    EXPECT(c, "[$2-1]", "XCLAIM s g one 0 2-1 JUSTID RETRYCOUNT 9223372036854775807");
    EXPECT(c, "[[$2-1 [$f $v]]]", "XCLAIM s g one 0 2-1");
    EXPECT(c, "[[$s [[$2-1 [$f $v]]]]]", "XREADGROUP GROUP g one STREAMS s 1-1");
    EXPECT_PREFIX(c, "[[$s [[$1-1 [$f $v] :", "XREADGROUP GROUP g one CLAIM 0 STREAMS s >");
    c = ask_through_restarts(s, c);
    cr_assert(strstr(ask(c, "XPENDING s g 1-1 1-1 1"), " :9223372036854775807]"));
    cr_assert(strstr(ask(c, "XPENDING s g 2-1 2-1 1"), " :9223372036854775807]"));
}

/* What clients may set to the largest number does not run over. */
Test(streams, counters_at_their_end_come_back) {
    struct server *s = server_run(ASK_AOF, "--enable-debug-command", "yes", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "$1-1", "XADD s 1-1 f v");
    EXPECT(c, "+OK", "XGROUP CREATE s g 0 ENTRIESREAD 9223372036854775807");
    EXPECT(c, "+OK", "XGROUP CREATE s h 0 ENTRIESREAD 9223372036854775806");
    EXPECT(c, "+OK", "DEBUG RELOAD");
    EXPECT(c, "+OK", "XSETID s 1-1 ENTRIESADDED 9223372036854775807 MAXDELETEDID 0-1");
    EXPECT(c, "$2-1", "XADD s 2-1 f v");
    EXPECT_PREFIX(c, "[[$s [[$1-1", "XREADGROUP GROUP g one STREAMS s >");
    EXPECT_PREFIX(c, "[[$s [[$1-1", "XREADGROUP GROUP h one STREAMS s >");
    EXPECT(c, "+OK", "DEBUG RELOAD");
    c = ask_through_restarts(s, c);
    cr_assert(strstr(ask(c, "XINFO STREAM s"), "$entries-added :9223372036854775807"));
    cr_assert(strstr(ask(c, "XINFO GROUPS s"), "$entries-read :9223372036854775807"));
}

Test(streams, what_producers_sent_is_known_after_a_restart) {
    struct server *s = server_run(ASK_AOF, NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "$1-1", "XADD s IDMP p one 1-1 f v");
    EXPECT(c, "$1-2", "XADD s IDMP p two 1-2 f v");
    EXPECT(c, "+OK", "XCFGSET s IDMP-DURATION 300");
    EXPECT(c, "$2-1", "XADD other 2-1 f v");
    c = ask_through_restarts(s, c); /* with the base as an RDB */
    EXPECT(c, "$1-1", "XADD s IDMP p one * f v");
    EXPECT(c, "+OK", "CONFIG SET aof-use-rdb-preamble no");
    EXPECT_PREFIX(c, "+Background append only file rewriting", "BGREWRITEAOF");
    ask_wait_rewrite(c);
    server_kill(s);
    server_start(s, ASK_AOF, NULL);
    c = ask_open(s);
    EXPECT(c, "$1-2", "XADD s IDMP p two * f v");
    EXPECT(c, "+OK", "DEBUG RELOAD");
    EXPECT(c, "$1-1", "XADD s IDMP p one * f v");
    EXPECT(c, ":2", "XLEN s");
    EXPECT_PREFIX(c, "[$length", "XINFO STREAM other");
    cr_assert_null(strstr(ask(c, "XINFO STREAM other"), "idmp"));
}

/* As what groups do otherwise: WATCH is for the entries. */
Test(streams, a_consumer_that_goes_breaks_no_watch) {
    struct server *s = server_run("--save", "", NULL);
    redisContext *c = ask_open(s), *watching = ask_open(s);

    EXPECT(c, "+OK", "XGROUP CREATE s g $ MKSTREAM");
    EXPECT(c, ":1", "XGROUP CREATECONSUMER s g c");
    EXPECT(watching, "+OK", "WATCH s");
    EXPECT(c, ":0", "XGROUP DELCONSUMER s g c");
    EXPECT(watching, "+OK", "MULTI");
    EXPECT(watching, "+QUEUED", "XLEN s");
    EXPECT(watching, "[:0]", "EXEC");
}
