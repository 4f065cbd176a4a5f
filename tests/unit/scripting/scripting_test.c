/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Scripts on the engine of exec's tests, whose commands are SET, GET, INCR, TAKE and a few more:
 * what becomes of values, what is propagated, what a script cannot do.
 */
#include "server/scripting/scripting.h"

#include "conf/conf.h"
#include "server/exec/replay.h"
#include "server/exec/session.h"
#include "tests/unit/exec/exec_help.h"

#include <criterion/criterion.h>

static struct bytes sent; /* to the sink */
static bool recording;
static unsigned units;

static void on_unit(void *arg, const struct unit *u) {
    (void)arg;
    units++;
    bytes_append(&sent, u->resp.p, u->resp.n);
}

static void begin(void) {
    struct sink s = {.wants = &recording, .unit = on_unit};

    exec_begin_with(scripting_register);
    scripting_start(&engine);
    propagate_to(&engine.propagation, &s);
    recording = true;
}

static void end(void) {
    scripting_stop(&engine);
    bytes_release(&sent);
    exec_end();
}

TestSuite(scripting, .init = begin, .fini = end);

/* EVAL of a script that has no double quotes; `more` are the words after it. */
static const char *eval(const char *script, const char *more) {
    static char line[4096];

    snprintf(line, sizeof line, "EVAL \"%s\" %s", script, more);
    return say(line);
}

static void converts(const char *script, const char *resp) {
    cr_expect_str_eq(eval(script, "0"), resp, "%s", script);
}

Test(scripting, lua_values_become_replies) {
    converts("return 3.99", ":3\r\n");
    converts("return 'x'", "$1\r\nx\r\n");
    converts("return true", ":1\r\n");
    converts("return false", "$-1\r\n");
    converts("return nil", "$-1\r\n");
    converts("return {1,'a',{2},nil,5}", "*3\r\n:1\r\n$1\r\na\r\n*1\r\n:2\r\n");
    converts("return {ok='FINE'}", "+FINE\r\n");
    converts("return {err='MY error'}", "-MY error\r\n");
    converts("return {double=1.5}", "$3\r\n1.5\r\n");
    one.resp = 3;
    converts("redis.setresp(3) return {double=1.5}", ",1.5\r\n");
    converts("redis.setresp(3) return true", "#t\r\n");
    converts("redis.setresp(3) return {map={a=1}}", "%1\r\n$1\r\na\r\n:1\r\n");
    converts("return nil", "_\r\n");
}

Test(scripting, replies_become_lua_values) {
    converts("redis.call('SET','k','v') return redis.call('GET','k')", "$1\r\nv\r\n");
    converts("return type(redis.call('GET','none'))", "$7\r\nboolean\r\n");
    converts("redis.setresp(3) return type(redis.call('GET','none'))", "$3\r\nnil\r\n");
    converts("return redis.call('PING')['ok']", "$4\r\nPONG\r\n");
    converts("return redis.pcall('FAIL')['err']", "$15\r\nCUSTOM it fails\r\n");
}

Test(scripting, an_error_of_a_command_ends_the_script_unless_it_is_caught) {
    cr_expect_eq(strncmp(eval("redis.call('FAIL') return 1", "0"), "-CUSTOM it fails script:", 24),
                 0);
    cr_expect_str_eq(eval("local r = redis.pcall('FAIL') return 1", "0"), ":1\r\n");
    cr_expect(strstr(eval("return redis.call('nothing')", "0"), "Unknown Redis command"));
}

/* INCR propagates a SET; both stand in one unit, with what came before the error. */
Test(scripting, what_a_script_did_is_one_unit_also_if_it_ends_with_an_error) {
    eval("redis.call('SET','a','1') redis.call('INCR','a') redis.call('FAIL')", "0");
    cr_expect_eq(units, 1);
    cr_expect_str_eq(bytes_cstr(&sent), "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"
                                        "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n2\r\n");
    bytes_clear(&sent);
    eval("return redis.call('GET','a')", "0");
    cr_expect_eq(sent.n, 0, "a script that reads propagates nothing");
}

Test(scripting, a_blocking_command_does_not_block_in_a_script) {
    cr_expect_str_eq(eval("return redis.call('TAKE','none','0')", "0"), "$-1\r\n");
    cr_expect_eq(engine.nblocked, 0);
}

Test(scripting, a_script_is_kept_and_found_by_its_digest) {
    char line[80], digest[41];

    cr_assert_eq(sscanf(say("SCRIPT LOAD \"return 7\""), "$40\r\n%40s", digest), 1);
    snprintf(line, sizeof line, "EVALSHA %s 0", digest);
    cr_expect_str_eq(say(line), ":7\r\n");
    cr_expect_str_eq(say("SCRIPT FLUSH"), "+OK\r\n");
    cr_expect_eq(strncmp(say(line), "-NOSCRIPT ", 10), 0);
    cr_expect_eq(strncmp(say("EVAL \"return 1 +\" 0"), "-ERR Error compiling script", 27), 0);
}

Test(scripting, functions_are_loaded_called_and_deleted) {
    cr_expect_str_eq(say("FUNCTION LOAD \"#!lua name=lib\\nredis.register_function('f', "
                         "function(keys, args) return args[1] end)\""),
                     "$3\r\nlib\r\n");
    cr_expect_str_eq(say("FCALL f 0 x"), "$1\r\nx\r\n");
    cr_expect_str_eq(say("FUNCTION DELETE lib"), "+OK\r\n");
    cr_expect_str_eq(say("FCALL f 0 x"), "-ERR Function not found\r\n");
}

/* ---------------------------------------------------------------- what a script cannot do */

static void fails(const char *script, const char *with) {
    const char *got = eval(script, "0");

    cr_expect(*got == '-' && strstr(got, with), "%s: %s", script, got);
}

Test(scripting, globals_cannot_be_made_or_changed) {
    fails("x = 1", "Attempt to modify a readonly table");
    fails("string.find = nil", "Attempt to modify a readonly table");
    fails("return undefined", "nonexistent global variable 'undefined'");
    fails("setmetatable(_G, {})", "Attempt to modify a readonly table");
}

Test(scripting, what_leads_out_of_the_sandbox_is_not_there) {
    static const char *const names[] = {"io",       "os.execute", "os.exit", "require",
                                        "dofile",   "debug",      "package", "loadfile",
                                        "newproxy", "getfenv",    "setfenv"};
    char script[128];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(script, sizeof script,
                 "local ok, v = pcall(function() return %s end) return v == nil"
                 " or not ok",
                 names[i]);
        cr_expect_str_eq(eval(script, "0"), ":1\r\n", "%s", names[i]);
    }
}

Test(scripting, bytecode_is_not_loaded) {
    converts("local f = loadstring(string.char(27) .. 'Lua') return f == nil", ":1\r\n");
    converts("return loadstring('return 5')()", ":5\r\n");
}

Test(scripting, sizes_are_bounded_by_an_error) {
    fails("return string.rep('x', 2^40)", "");
    fails("return unpack({}, 1, 1e8)", "unpack");
    converts("return #string.rep('ab', 1000)", ":2000\r\n");
}

static unsigned served;

static void kill_script(void *arg, struct engine *e) {
    (void)arg;
    served++;
    scripting_end(e);
}

/* Others are served from inside of one call of the string library, and can end it. */
Test(scripting, a_pattern_that_backtracks_for_ever_can_be_ended) {
    struct slice pair[] = {SLICE("busy-reply-threshold"), SLICE("1")};
    struct err e;

    cr_assert_eq(conf_set(engine.conf, pair, 1, true, &e), 0, "%s", e.text);
    engine.hooks.serve_within = kill_script;
    fails("return string.find(string.rep('a', 3000), string.rep('a*', 40) .. 'b')", "killed");
    cr_expect_gt(served, 0);
    converts("return string.find('hello', 'l+')", ":3\r\n");
}

/* ---------------------------------------------------------------- where it comes from */

Test(scripting, a_script_of_the_log_obeys_and_propagates_nothing) {
    struct slice argv[] = {SLICE("EVAL"), SLICE("redis.call('SET','k','v')"), SLICE("0")};
    struct err e;

    engine_replay_begin(&engine);
    cr_assert_eq(engine_replay(&engine, 3, argv, &e), 0, "%s", e.text);
    engine_replay_end(&engine);
    cr_expect_eq(sent.n, 0);
    cr_expect_str_eq(say("GET k"), "$1\r\nv\r\n");
}
