/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A script that does not end: what others get meanwhile, how it is ended, and what of it stays.
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "tests/kit/ask.h"
#include "tests/kit/server.h"

TestSuite(busy, .fini = kit_end);

#define BUSY                                                                                       \
    "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
#define SOON ASK_AOF, "--busy-reply-threshold", "50"

static bool is_busy(void *c) {
    return strcmp(ask(c, "PING"), BUSY) == 0;
}

static bool is_busy_function(void *c) {
    return strncmp(ask(c, "PING"), "-BUSY", 5) == 0;
}

/* Sends the script from one connection, and waits until another is told that it runs. */
static void begin(redisContext *runs, redisContext *other, const char *script) {
    ask_send(runs, "EVAL %s 0", script);
    cr_assert(kit_wait(is_busy, other, 60));
}

static bool is_readable(const redisContext *c) {
    struct pollfd p = {.fd = c->fd, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

static void all_can_be_ended(const char *const *endless, size_t n) {
    struct server *s = server_run(SOON, NULL);
    redisContext *a = ask_open(s), *b = ask_open(s);

    for (size_t i = 0; i < n; i++) {
        begin(a, b, endless[i]);
        EXPECT(b, BUSY, "SET x 1");
        EXPECT(b, "+OK", "SCRIPT KILL");
        cr_assert(strncmp(ask_next(a), "-ERR Script killed by user with SCRIPT KILL...", 46) == 0);
        EXPECT(b, "+PONG", "PING");
        EXPECT(a, "+PONG", "PING");
    }
    EXPECT(b, "-NOTBUSY No scripts in execution right now.", "SCRIPT KILL");
}

Test(busy, a_script_that_only_reads_can_be_ended) {
    static const char *const endless[] = {
        "while true do end",
        "while true do redis.call('GET', 'x') end",
        "while true do pcall(function() while true do end end) end",
        "coroutine.wrap(function() while true do end end)()",
        "table.sort({1, 2, 3, 4}, function(a, b) while true do end end)",
        "string.gsub('x', '.', function() while true do end end)",
    };

    all_can_be_ended(endless, sizeof endless / sizeof *endless);
}

/* No instruction of Lua runs meanwhile, or few of them in each coroutine. */
Test(busy, a_script_within_functions_of_libraries_can_be_ended, .timeout = 120) {
    static const char *const endless[] = {
        "string.find(('a'):rep(5000), '.-.-.-.-b')",
        "string.match(('a'):rep(5000), '(.-)(.-)%2%1.-b')",
        "string.gsub(('a'):rep(5000), 'a*a*a*a*b', '')",
        "string.gmatch(('a'):rep(5000), '[ab]*%w*.+a?b')()",
        "string.find(('('):rep(5e6), '%b()')",
        "pcall(string.find, ('a'):rep(5000), '.-.-.-.-b') while true do end",
        "coroutine.wrap(function() string.find(('a'):rep(5000), '.-.-.-.-b') end)()",
        "local function f(n) if n > 0 then coroutine.wrap(f)(n - 1) coroutine.wrap(f)(n - 1) end "
        "end "
        "f(150)",
        "local function f(n) for i = 1, 2 do coroutine.resume(coroutine.create(f), n - 1) end end "
        "f(1)",
        "coroutine.wrap(function() while true do coroutine.wrap(function() end)() end end)()",
        "coroutine.wrap(function() while true do pcall(coroutine.wrap(function() while true do end "
        "end)) end end)()",
        "table.foreach({[('a'):rep(5000)] = '.-.-.-.-b'}, string.find)",
        "local s, t = ('a'):rep(1e7), {} for i = 1, 1e5 do t[i] = i .. '' end "
        "table.sort(t, function(...) return string.rep(s, 30) < s end)",
        "local s, t = ('a'):rep(1e8), {} local x, y = s .. 'x', s .. 'y' "
        "for i = 1, 1e4 do t[i] = i % 2 == 0 and x or y end table.sort(t)",
    };

    all_can_be_ended(endless, sizeof endless / sizeof *endless);
}

Test(busy, what_is_refused_fails_a_transaction) {
    struct server *s = server_run(SOON, NULL);
    redisContext *a = ask_open(s), *b = ask_open(s);

    begin(a, b, "while true do end");
    EXPECT(b, "+OK", "MULTI");
    EXPECT(b, BUSY, "SET x 1");
    EXPECT_PREFIX(b, "-EXECABORT Transaction discarded because of: BUSY", "EXEC");
    EXPECT(b, "+OK", "WATCH x");
    EXPECT(b, "+OK", "UNWATCH");
    EXPECT_PREFIX(b, "-ERR unknown command 'nosuch'", "nosuch");
    EXPECT(b, BUSY, "SHUTDOWN");
    EXPECT(b, BUSY, "SHUTDOWN SAVE");
    EXPECT(b, "+RESET", "RESET");
    EXPECT(b, "+OK", "SCRIPT KILL");
}

/* The arguments of the running command, and the commands after it in the pipeline, are the shared
 * buffer's; others are read while they are in use. */
Test(busy, the_pipeline_goes_on_where_it_was) {
    struct server *s = server_run(SOON, NULL);
    redisContext *a = ask_open(s), *b = ask_open(s);
    char text[4096];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    redisAppendCommand(a, "SET before 1");
    redisAppendCommand(a, "EVAL %s 0 %s", "while true do end return 1", "argument");
    redisAppendCommand(a, "SET after 2");
    ask_send(a, "MGET before after");
    cr_assert(kit_wait(is_busy, b, 60));
    for (int i = 0; i < 100; i++) EXPECT(b, BUSY, "SET %s %s", text, text);
    EXPECT(b, "+OK", "SCRIPT KILL");
    EXPECT_NEXT(a, "+OK");
    cr_assert(strncmp(ask_next(a), "-ERR Script killed", 18) == 0);
    EXPECT_NEXT(a, "+OK");
    EXPECT_NEXT(a, "[$1 $2]");
}

Test(busy, a_script_that_has_written_is_waited_for) {
    struct server *s = server_run(SOON, NULL);
    redisContext *a = ask_open(s), *b = ask_open(s);

    begin(a, b,
          "redis.call('set', 'w', 1) local n = 0 "
          "for i = 1, 1e8 do n = n + 1 end redis.call('set', 'w', 2) return 7");
    EXPECT_PREFIX(b, "-UNKILLABLE ", "SCRIPT KILL");
    EXPECT_NEXT(a, ":7");
    EXPECT(b, "$2", "GET w");
    server_kill(s);
    server_start(s, SOON, NULL);
    b = ask_open(s);
    EXPECT(b, "$2", "GET w");
}

/* Nothing that a script did shows before the script is logged. */
Test(busy, what_it_tells_others_waits_for_its_end) {
    struct server *s = server_run(SOON, NULL);
    redisContext *a = ask_open(s), *b = ask_open(s), *sub = ask_open(s);

    EXPECT(sub, "[$subscribe $news :1]", "SUBSCRIBE news");
    begin(a, b, "redis.call('publish', 'news', 'x') while true do end");
    ask_send(sub, "PING");
    for (int i = 0; i < 20; i++) EXPECT(b, BUSY, "PING");
    cr_assert_not(is_readable(sub));
    EXPECT(b, "+OK", "SCRIPT KILL");
    EXPECT_NEXT(sub, "[$message $news $x]");
    EXPECT_NEXT(sub, BUSY);
}

Test(busy, shutdown_leaves_nothing_of_it) {
    struct server *s = server_run(SOON, NULL);
    redisContext *a = ask_open(s), *b = ask_open(s);

    EXPECT(b, "+OK", "SET kept 1");
    begin(a, b, "redis.call('set', 'w', 1) while true do end");
    EXPECT(b, "(closed)", "SHUTDOWN NOSAVE");
    cr_assert_eq(server_wait_exit(s), 0);
    EXPECT_NEXT(a, "(closed)");
    server_start(s, SOON, NULL);
    b = ask_open(s);
    EXPECT(b, "[$1 (nil)]", "MGET kept w");
}

Test(busy, a_signal_ends_what_has_not_written) {
    struct server *s = server_run(SOON, NULL);
    redisContext *a = ask_open(s), *b = ask_open(s);

    EXPECT(b, "+OK", "SET kept 1");
    begin(a, b, "while true do end");
    cr_assert_eq(server_signal(s, SIGTERM), 0);
    server_start(s, SOON, NULL);
    EXPECT(ask_open(s), "$1", "GET kept");
}

Test(busy, a_signal_ends_a_pattern_that_backtracks) {
    struct server *s = server_run(SOON, NULL);
    redisContext *a = ask_open(s), *b = ask_open(s);

    begin(a, b, "coroutine.wrap(function() string.find(('a'):rep(5000), '.-.-.-.-b') end)()");
    cr_assert_eq(server_signal(s, SIGTERM), 0);
}

/* Strings have their methods while a library loads. */
Test(busy, a_pattern_that_backtracks_in_a_library_is_ended) {
    struct server *s = server_run(SOON, NULL);
    redisContext *a = ask_open(s), *b = ask_open(s);
    const char *library = "#!lua name=x\n"
                          "redis.register_function('f', function() "
                          "  return ('a'):rep(5000):find('.-.-.-.-b') end)";

    EXPECT(a, "-ERR Error registering functions: ERR FUNCTION LOAD timeout", "FUNCTION LOAD %s",
           "#!lua name=x\nlocal x = ('a'):rep(5000):find('.-.-.-.-b')");
    EXPECT(a, "$x", "FUNCTION LOAD %s", library);
    ask_send(a, "FCALL f 0");
    cr_assert(kit_wait(is_busy_function, b, 60));
    EXPECT(b, "+OK", "FUNCTION KILL");
    EXPECT_PREFIX(b, "+PONG", "PING");
}

Test(busy, without_a_threshold_nobody_is_told) {
    struct server *s = server_run("--busy-reply-threshold", "0", NULL);
    redisContext *a = ask_open(s), *b = ask_open(s);

    ask_send(a, "EVAL %s 0", "for i = 1, 5e7 do end return 1");
    EXPECT(b, "+PONG", "PING");
    EXPECT_NEXT(a, ":1");
}

/* The first of those that a pause held back runs an endless script. */
Test(busy, who_was_held_back_with_the_script_is_told) {
    struct server *s = server_run(SOON, NULL);
    redisContext *a = ask_open(s), *b = ask_open(s), *c = ask_open(s);

    STET_ONLY();
    EXPECT(c, "+OK", "CLIENT PAUSE 100 WRITE");
    ask_send(a, "EVAL %s 0", "while true do end");
    ask_wait_info(c, "blocked_clients", "1");
    ask_send(b, "SET k 1");
    ask_wait_info(c, "blocked_clients", "2");
    EXPECT_NEXT(b, BUSY);
    EXPECT(b, "+OK", "SCRIPT KILL");
    cr_assert(strncmp(ask_next(a), "-ERR Script killed", 18) == 0);
}
