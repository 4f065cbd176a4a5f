/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Functions over the wire: libraries come and go as a whole, and with the data set.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/ask.h"
#include "tests/kit/server.h"

TestSuite(functions, .fini = kit_end);

static const char counter[] =
    "#!lua name=counter\n"
    "local calls = 0\n"
    "redis.register_function('next', function(keys, args)\n"
    "  return redis.call('incrby', keys[1], args[1] or 1)\n"
    "end)\n"
    "redis.register_function{function_name = 'peek', flags = {'no-writes'},\n"
    "  description = 'how much it is', callback = function(keys)\n"
    "  calls = calls + 1\n"
    "  return {redis.call('get', keys[1]), calls}\n"
    "end}\n";

Test(functions, run_with_keys_arguments_and_memories_of_their_own) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, "$counter", "FUNCTION LOAD %s", counter);
    EXPECT(c, ":1", "FCALL next 1 n");
    EXPECT(c, ":5", "FCALL NEXT 1 n 4");
    EXPECT(c, "[$5 :1]", "FCALL peek 1 n");
    EXPECT(c, "[$5 :2]", "FCALL_RO peek 1 n");
    EXPECT(c, "-ERR Can not execute a script with write flag using *_ro command.",
           "FCALL_RO next 1 n");
    EXPECT(c, "-ERR Function not found", "FCALL other 0");
    EXPECT(c,
           "[[$library_name $counter $engine $LUA $functions "
           "[[$name $peek $description $how much it is $flags [+no-writes]] "
           "[$name $next $description (nil) $flags []]]]]",
           "FUNCTION LIST LIBRARYNAME C*");
    EXPECT(c, "+OK", "FUNCTION DELETE counter");
    EXPECT(c, "-ERR Function not found", "FCALL next 1 n");
}

Test(functions, a_library_that_fails_leaves_what_was_there) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, "$counter", "FUNCTION LOAD %s", counter);
    EXPECT(c, "-ERR Library 'counter' already exists", "FUNCTION LOAD %s", counter);
    EXPECT_PREFIX(c, "-ERR Error compiling function: user_function:2:", "FUNCTION LOAD REPLACE %s",
                  "#!lua name=counter\nreturn =");
    EXPECT(c, "-ERR No functions registered", "FUNCTION LOAD REPLACE %s",
           "#!lua name=counter\nreturn 1");
    EXPECT(c, "-ERR Error registering functions: ERR FUNCTION LOAD timeout",
           "FUNCTION LOAD REPLACE %s",
           "#!lua name=counter\nredis.register_function('f', redis.log)\nwhile true do end");
    EXPECT(c,
           "-ERR Error registering functions: ERR user_function:2: Script attempted to access "
           "nonexistent global variable 'call'",
           "FUNCTION LOAD REPLACE %s", "#!lua name=counter\nredis.call('ping')");
    EXPECT(c, "-ERR Function Next already exists", "FUNCTION LOAD %s",
           "#!lua name=other\nredis.register_function('Next', function() end)");
    EXPECT(c, ":1", "FCALL next 1 n");
    EXPECT(c, "$counter", "FUNCTION LOAD REPLACE %s",
           "#!lua name=counter\nredis.register_function('Next', function() return 'new' end)");
    EXPECT(c, "$new", "FCALL next 1 n");
    EXPECT(c, "-ERR Function not found", "FCALL peek 1 n");
}

/* What a library sees is not what another one, or a script, can change. */
Test(functions, leave_nothing_behind) {
    redisContext *c = ask_open(server_run(NULL, NULL));
    static const char *const tries[] = {"x = 1",
                                        "redis.call = nil",
                                        "rawset(_G, 'x', 1)",
                                        "string.x = 1",
                                        "return KEYS",
                                        "setmetatable(_G, {})",
                                        "return loadstring('return KEYS')()",
                                        "loadstring('x = 1')()",
                                        "redis.register_function('g', redis.log)",
                                        "return redis.call('fcall', 'f', 0)",
                                        "return redis.call('function', 'flush')"};
    char code[256];

    EXPECT(c, "$k", "EVAL %s 1 k", "return KEYS[1]");
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        redisReply *r;

        snprintf(code, sizeof code, "#!lua name=l\nredis.register_function('f', function() %s end)",
                 tries[i]);
        EXPECT(c, "$l", "FUNCTION LOAD REPLACE %s", code);
        r = redisCommand(c, "FCALL f 0");
        cr_assert(r && r->type == REDIS_REPLY_ERROR, "%s", tries[i]);
        freeReplyObject(r);
    }
    EXPECT(c, "(nil)", "EVAL %s 0", "return redis.register_function");
    EXPECT(c, "$l", "FUNCTION LOAD REPLACE %s",
           "#!lua name=l\nlocal register = redis.register_function\n"
           "register('f', function() register('g', function() end) end)");
    EXPECT_PREFIX(c, "-ERR redis.register_function can only be called on FUNCTION LOAD command",
                  "FCALL f 0");
}

Test(functions, come_back_with_the_log) {
    struct server *s = server_run(ASK_AOF, NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "$counter", "FUNCTION LOAD %s", counter);
    EXPECT(c, "$gone", "FUNCTION LOAD %s",
           "#!lua name=gone\nredis.register_function('gone', function() end)");
    EXPECT(c, "+OK", "FUNCTION DELETE gone");
    EXPECT(c, ":7", "FCALL next 1 n 7");
    EXPECT(c, "+OK", "FLUSHALL");
    EXPECT(c, ":7", "FCALL next 1 n 7");
    for (int round = 0; round < 2; round++) {
        EXPECT(c, "+OK", "CONFIG SET aof-use-rdb-preamble %s", round ? "no" : "yes");
        c = ask_through_restarts(s, c);
        EXPECT(c, "-ERR Function not found", "FCALL gone 0");
        EXPECT(c, "[$7 :1]", "FCALL peek 1 n");
    }
    EXPECT(c, "+OK", "DEBUG LOADAOF");
    EXPECT(c, "[$7 :1]", "FCALL peek 1 n");
    EXPECT(c, "+OK", "FUNCTION FLUSH");
    server_kill(s);
    server_start(s, ASK_AOF, NULL);
    EXPECT(ask_open(s), "[]", "FUNCTION LIST");
}

Test(functions, come_back_with_a_snapshot) {
    struct server *s = server_run("--enable-debug-command", "yes", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "$counter", "FUNCTION LOAD %s", counter);
    EXPECT(c, "+OK", "SAVE");
    EXPECT(c, "+OK", "FUNCTION FLUSH");
    EXPECT(c, "+OK", "DEBUG RELOAD NOSAVE");
    EXPECT(c, "[(nil) :1]", "FCALL peek 1 n");
    EXPECT(c, "+OK", "DEBUG RELOAD");
    EXPECT(c, "[(nil) :1]", "FCALL peek 1 n");
    EXPECT(c, "-ERR Error trying to load the RDB dump, check server logs.", "DEBUG RELOAD NOFLUSH");
    EXPECT(c, "+OK", "DEBUG RELOAD NOFLUSH MERGE");
    server_kill(s);
    server_start(s, NULL);
    EXPECT(ask_open(s), "[(nil) :1]", "FCALL peek 1 n");
}

static redisReply *dump(redisContext *c) {
    redisReply *r = redisCommand(c, "FUNCTION DUMP");

    cr_assert(r && r->type == REDIS_REPLY_STRING);
    return r;
}

Test(functions, are_restored_as_the_policy_says) {
    redisContext *c = ask_open(server_run(NULL, NULL));
    redisReply *d;

    EXPECT(c, "$counter", "FUNCTION LOAD %s", counter);
    d = dump(c);
    EXPECT(c, "-ERR Library counter already exists", "FUNCTION RESTORE %b", d->str, d->len);
    EXPECT(c, "+OK", "FUNCTION RESTORE %b REPLACE", d->str, d->len);
    EXPECT(c, "$other", "FUNCTION LOAD REPLACE %s",
           "#!lua name=other\nredis.register_function('other', function() end)");
    EXPECT(c, "+OK", "FUNCTION RESTORE %b FLUSH", d->str, d->len);
    EXPECT(c, "-ERR Function not found", "FCALL other 0");
    EXPECT(c, "+OK", "FUNCTION DELETE counter");
    EXPECT(c, "$other", "FUNCTION LOAD REPLACE %s",
           "#!lua name=other\nredis.register_function('PEEK', function() end)");
    EXPECT(c, "-ERR Function peek already exists", "FUNCTION RESTORE %b REPLACE", d->str, d->len);
    EXPECT(c, "(nil)", "FCALL peek 0");
    EXPECT(c, "-ERR Function not found", "FCALL next 1 n");
    d->str[5] ^= 1;
    EXPECT(c, "-ERR DUMP payload version or checksum are wrong", "FUNCTION RESTORE %b", d->str,
           d->len);
    freeReplyObject(d);
}

#define BUSY_FUNCTION                                                                              \
    "-BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."

static bool is_busy(void *arg) {
    return strcmp(ask(arg, "GET x"), BUSY_FUNCTION) == 0;
}

Test(functions, that_do_not_end_are_ended) {
    struct server *s = server_run("--busy-reply-threshold", "10", NULL);
    redisContext *a = ask_open(s), *b = ask_open(s);

    EXPECT(a, "$l", "FUNCTION LOAD %s",
           "#!lua name=l\nredis.register_function('f', function() while true do end end)");
    ask_send(a, "FCALL f 1 key arg");
    cr_assert(kit_wait(is_busy, b, 60));
    EXPECT_PREFIX(b, "[$running_script [$name $f $command [$FCALL $f $1 $key $arg] $duration_ms :",
                  "FUNCTION STATS");
    EXPECT(b, BUSY_FUNCTION, "SCRIPT KILL");
    EXPECT(b, "+OK", "FUNCTION KILL");
    cr_assert(strncmp(ask_next(a), "-ERR Script killed by user with SCRIPT KILL...", 46) == 0);
    EXPECT(b, "[$running_script (nil) $engines [$LUA [$libraries_count :1 $functions_count :1]]]",
           "FUNCTION STATS");
}
