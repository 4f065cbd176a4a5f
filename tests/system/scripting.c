/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Scripts over the wire: what outlives them, what they may not do, and what a log says of them.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/ask.h"
#include "tests/kit/server.h"

TestSuite(scripting, .fini = kit_end);

Test(scripting, cached_scripts_are_found_by_digest) {
    redisContext *c = ask_open(server_run(NULL, NULL));
    const char *sha = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";

    EXPECT(c, "-NOSCRIPT No matching script. Please use EVAL.", "EVALSHA %s 0", sha);
    EXPECT(c, "$e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "SCRIPT LOAD %s", "return 1");
    EXPECT(c, "$return 1", "SCRIPT SHOW E0E1F9FABFC9D4800C877A703B823AC0578FF8DB");
    EXPECT(c, "-NOSCRIPT No matching script.", "SCRIPT SHOW x");
    EXPECT(c, "-NOSCRIPT No matching script. Please use EVAL.", "EVALSHA short x");
    EXPECT(c, "-ERR value is not an integer or out of range", "EVALSHA %s x", sha);
    EXPECT(c, ":1", "EVALSHA E0E1F9FABFC9D4800C877A703B823AC0578FF8DB 0");
    EXPECT(c, "[:1 :0]", "SCRIPT EXISTS %s x", sha);
    EXPECT(c, "+OK", "SCRIPT FLUSH");
    EXPECT(c, "[:0]", "SCRIPT EXISTS %s", sha);
    EXPECT(c, "[$a $v]", "EVAL %s 1 a v", "return {KEYS[1], ARGV[1]}");
}

Test(scripting, effects_are_read_back_as_one) {
    struct server *s = server_run(ASK_AOF, NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "[:3 :2]", "EVAL %s 2 n l",
           "redis.call('set', KEYS[1], 3) redis.call('rpush', KEYS[2], 'a', 'b') "
           "redis.call('select', 1) redis.call('set', 'other', 1) redis.call('select', 0) "
           "return {tonumber(redis.call('get', KEYS[1])), redis.call('llen', KEYS[2])}");
    EXPECT(c, "$3", "GET n");
    server_stop(s);
    server_start(s, ASK_AOF, NULL);
    c = ask_open(s);
    EXPECT(c, "$3", "GET n");
    EXPECT(c, "[$a $b]", "LRANGE l 0 -1");
    EXPECT(c, "+OK", "SELECT 1");
    EXPECT(c, "$1", "GET other");
}

static void all_are_errors(redisContext *c, const char *const *scripts, size_t n) {
    for (size_t i = 0; i < n; i++) {
        redisReply *r = redisCommand(c, "EVAL %s 0", scripts[i]);

        cr_assert(r && r->type == REDIS_REPLY_ERROR, "%s", scripts[i]);
        freeReplyObject(r);
    }
}

Test(scripting, one_script_leaves_nothing_to_the_next) {
    redisContext *c = ask_open(server_run(NULL, NULL));
    static const char *const tries[] = {
        "rawset(_G, 'x', 1)",
        "loadstring('x = 1')()",
        "local f = function() x = 1 end f()",
        "coroutine.wrap(function() rawset(_G, 'x', 1) end)()",
        "rawset(string, 'x', 1)",
        "getmetatable('').__index.x = 1",
        "getmetatable('').__metatable = nil",
        "setmetatable(_G, {})",
        "table.insert(redis, 1)",
        "redis.call = nil",
        "for k, v in pairs(_G) do if type(v) == 'table' then rawset(v, 'x', 1) end end",
        "local m = getmetatable(_G); m.__index = nil",
        "return loadstring(string.dump(function() return 1 end))()",
        "local d = string.dump(function() return 1 end) return load(function() return d end)()",
        "return load(function() return 1 end)()",
    };

    all_are_errors(c, tries, sizeof tries / sizeof *tries);
    EXPECT(c, "[(nil) (nil) $A]", "EVAL %s 0",
           "return {rawget(_G, 'x') or false, string.x or false, ('a'):upper()}");
}

/* What is too large, too deep or never meant well is an error, and the server goes on. */
Test(scripting, bad_input_of_libraries_is_an_error) {
    redisContext *c = ask_open(server_run(NULL, NULL));
    static const char *const tries[] = {
        "return string.rep('x', 1e10)",
        "return struct.pack('>I2147483648', 1)",
        "return struct.unpack('c2147483647', 'x')",
        "return struct.unpack('>I4', 'abc', 5)",
        "return struct.unpack('c0', 'abc')",
        "return struct.unpack('bc0', '\\255x')",
        "return struct.pack('!3i4', 1)",
        "return cmsgpack.unpack('\\221')",
        "return cmsgpack.unpack('\\221\\221')",
        "return cmsgpack.unpack('\\219\\255\\255\\255\\255x')",
        "return cmsgpack.unpack('\\221\\255\\255')",
        "return cmsgpack.unpack(string.rep('\\145', 100000))",
        "return cmsgpack.unpack_one('abc', -5)",
        "return cmsgpack.unpack_limit('abc', -1)",
        "return cmsgpack.unpack_limit('abc', 1, 10)",
        "return cmsgpack.unpack('\\129\\192\\1')",
        "return cmsgpack.unpack('\\193')",
        "return cjson.decode(string.rep('[', 2000))",
        "return cjson.decode('\"\\\\ud800\"')",
        "return cjson.decode('\"\\\\u12')",
        "return cjson.decode('\"\\\\')",
        "return cjson.decode('nul')",
        "return cjson.encode({[1] = 1, [1000000] = 2})",
        "return cjson.encode(1/0)",
        "return cjson.encode(function() end)",
        "local t = {} t[1] = t return cjson.encode(t)",
        "return ('x'):match(('x'):rep(2^21))",
        "local function f() return f() + 1 end return f()",
        "return unpack({}, -2147483647, 2147483646)",
        "return unpack({}, 2^31)",
        "return table.insert({1, 2, 3}, 2^31, 1)",
        "return table.insert({1, 2, 3}, -2^31, 1)",
        "return unpack({}, 1, 1e6)",
        "return string.rep('x', 2^29)",
        "return string.format('\\0%q', string.rep('x', 2^25 + 1))",
        "local t = {} for i = 1, 1000 do t[i] = 'x' end return table.concat(t, ('y'):rep(1e6))",
        "local s = string.rep('x', 2^28) return table.concat({s, s})",
        "local s = string.rep('x', 2^26) return s:gsub('x', 'yyyyyyyyyy')",
        "return table.concat({}, 'x', 1, 2^31 - 1)",
    };

    all_are_errors(c, tries, sizeof tries / sizeof *tries);
    EXPECT(c, ":30000", "EVAL %s 0", "return #('x'):rep(30000):match(('x?'):rep(30000))");
    EXPECT(c, "$ffffffff", "EVAL %s 0", "return bit.tohex(-1, -2147483648):lower()");
    EXPECT(c, "[$x :3]", "EVAL %s 0", "return {struct.unpack('bc0', '\\1x')}");
    EXPECT(c, "+PONG", "PING");
}

Test(scripting, values_survive_json_and_msgpack) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, "${\"a\":[1,2.5,\"x\\/\\u0001\",null,{}]}", "EVAL %s 0",
           "return cjson.encode({a = {1, 2.5, 'x/\\1', cjson.null, {}}})");
    EXPECT(c, "$\\xf0\\x9f\\x98\\x80", "EVAL %s 0",
           "return cjson.decode('\"\\\\ud83d\\\\ude00\"')");
    EXPECT(c, "[:-1 :300 :-70000 :5000000000 $x :1]", "EVAL %s 0",
           "return {cmsgpack.unpack(cmsgpack.pack(-1, 300, -70000, 5e9, 'x', true))}");
    EXPECT(c, "[:3 :1 :2]", "EVAL %s 0",
           "return {cmsgpack.unpack_limit(cmsgpack.pack(1, 2, 3), 2) + 1, 1, 2}");
    EXPECT(c, "[:-2 :258 :4]", "EVAL %s 0", "return {struct.unpack('<bH', '\\254\\2\\1')}");
}

/* What a script says of KEYS and ARGV decides whether they are tables of its own: a script cannot
 * see the difference.
 */
Test(scripting, keys_and_args_are_those_of_the_call) {
    redisContext *c = ask_open(server_run(NULL, NULL));
    static const char *const ways[] = {
        "return {KEYS[1], #KEYS, ARGV[1], #ARGV, KEYS[3]}",
        "local k, a = KEYS, ARGV return {k[1], #k, a[1], #a, k[3]}",
        "return {_G.KEYS[1], #_G['KEYS'], _G['AR' .. 'GV'][1], #_G['ARGV'], _G.KEYS[3]}",
        "local g = _G return {g.KEYS[1], #g.KEYS, g.ARGV[1], #g.ARGV, g.KEYS[3]}",
        "return loadstring('return {KEYS[1], #KEYS, ARGV[1], #ARGV, KEYS[3]}')()",
        "return (function() return {KEYS[1], #KEYS, (ARGV)[1], #ARGV, (KEYS)[3]} end)()",
        "local i = 1 return {(i and KEYS or ARGV)[i], #KEYS, ARGV[#KEYS - i], #ARGV, KEYS[i + 2]}",
        "KEYS[3] = 'own' KEYS[3] = nil return {KEYS[1], #KEYS, ARGV[1], #ARGV, KEYS[3]}",
        "table.insert(ARGV, 1) table.remove(ARGV) setmetatable(KEYS, {__index = error})\n"
        "return {KEYS[1], #KEYS, ARGV[1], #ARGV, nil}",
        "return coroutine.wrap(function() return {KEYS[1], #KEYS, ARGV[1], #ARGV} end)()",
    };
    enum { WAYS = sizeof ways / sizeof *ways };

    for (int i = 0; i < 4 * WAYS; i++) {
        const char *way = ways[i * 7 % WAYS];

        EXPECT(c, ":1", "EVAL %s 0", "return 1"); /* says nothing of them */
        EXPECT(c, "[$a :2 $x :1]", "EVAL %s 2 a b x", way);
        EXPECT(c, "[:3 :2]", "EVAL %s 3 p q r s t", "return {#KEYS, #ARGV}");
        EXPECT(c, "[(nil) (nil) :0]", "EVAL %s 0",
               "return {KEYS[1] or false, ARGV[1] or false, #KEYS}");
    }
}

Test(scripting, a_great_many_keys_and_long_ones_are_passed_too) {
    redisContext *c = ask_open(server_run(NULL, NULL));
    const char *argv[205] = {"EVAL", "return {#KEYS, KEYS[200], KEYS[201] or false, #ARGV[2]}",
                             "200"};
    size_t len[205];
    static char large[20000];

    memset(large, 'x', sizeof large - 1);
    for (int i = 3; i < 203; i++) argv[i] = "key";
    argv[203] = "one";
    argv[204] = large;
    for (int i = 0; i < 205; i++) len[i] = strlen(argv[i]);
    for (int i = 0; i < 3; i++) {
        redisReply *r = redisCommandArgv(c, 205, argv, len);

        cr_assert(r && r->type == REDIS_REPLY_ARRAY && r->elements == 4);
        cr_assert_eq(r->element[0]->integer, 200);
        cr_assert_str_eq(r->element[1]->str, "key");
        cr_assert_eq(r->element[2]->type, REDIS_REPLY_NIL);
        cr_assert_eq(r->element[3]->integer, (long long)sizeof large - 1);
        freeReplyObject(r);
        EXPECT(c, "[:1 $k :0]", "EVAL %s 1 k", "return {#KEYS, KEYS[1], #ARGV}");
    }
}

Test(scripting, only_the_last_scripts_of_eval_are_kept) {
    redisContext *c = ask_open(server_run(NULL, NULL));
    char body[64];
    redisReply *r;

    for (int i = 0; i < 600; i++) {
        snprintf(body, sizeof body, "return %d", i);
        freeReplyObject(redisCommand(c, "EVAL %s 0", body));
    }
    r = redisCommand(c, "INFO everything");
    cr_assert(strstr(r->str, "number_of_cached_scripts:500\r\n"));
    cr_assert(strstr(r->str, "evicted_scripts:100\r\n"));
    freeReplyObject(r);
}

/* Found by scripts from a grammar. */
Test(scripting, errors_of_libraries_are_those_of_redis) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT_PREFIX(c, "-ERR user_script:1: malformed pattern (missing ']') script: ", "EVAL %s 0",
                  "return ('a'):find('[')");
    EXPECT(c, "[(nil) $bad argument #1 to '?' (invalid format option 'z')]", "EVAL %s 0",
           "return {pcall(struct.pack, 'z', 1)}");
    EXPECT(c, "[(nil) $Bad data format in input.]", "EVAL %s 0",
           "return {pcall(cmsgpack.unpack, '\\196\\1x')}");
}

/* liblua5.1 does not anchor the name of a chunk: a reader function that collected garbage freed it,
 * and the text of the error came from freed memory. */
Test(scripting, the_name_of_a_chunk_outlives_its_reader) {
    redisContext *c = ask_open(server_run(NULL, NULL));
    const char *script =
        "local n = 0\n"
        "local function reader()\n"
        "  n = n + 1\n"
        "  if n > 2 then return nil end\n"
        "  if n == 1 then return tonumber(ARGV[1]) and '' or nil end\n"
        "  collectgarbage() collectgarbage()\n"
        "  local t = {} for i = 1, 2000 do t[i] = ('z'):rep(196) .. (1000 + i) end\n"
        "  return 'x x x'\n"
        "end\n"
        "local f, e = load(reader, ('n'):rep(200) .. '\\0z')\n"
        "return tostring(e):find('\"n+%.')";

    for (int i = 0; i < 20; i++) EXPECT(c, ":9", "EVAL %s 0 %s", script, i % 2 ? "1" : "x");
}

/* The reader of load() may fail, yield or give nonsense; loaders never take compiled code. */
Test(scripting, what_load_answers_is_what_redis_answers) {
    redisContext *c = ask_open(server_run(NULL, NULL));
    static const char *const same[][2] = {
        {"return {tostring(load(function() error('boo') end))}", "[$nil]"},
        {"local f, e = load(function() error({}) end) return type(e)", "$table"},
        {"local f, e = load(function() return {} end) return {tostring(f), type(e)}",
         "[$nil $table]"},
        {"local f, e = load(function() coroutine.yield(1) end) return {tostring(f), type(e)}",
         "[$nil $table]"},
        {"local co = coroutine.wrap(function()\n"
         "  return load(function() coroutine.yield(1) end) end)\n"
         "local f, e = co() return {tostring(f), e}",
         "[$nil $attempt to yield across metamethod/C-call boundary]"},
        {"return {pcall(load, 'return 1')}",
         "[(nil) $bad argument #1 to '?' (function expected, got string)]"},
        {"return {pcall(loadstring)}",
         "[(nil) $bad argument #1 to '?' (string expected, got no value)]"},
        {"local n = 0 local f = load(function() n = n + 1\n"
         "  if n == 1 then return '' end if n == 2 then return 'return 7' end end)\n"
         "return {n, f()}",
         "[:3 :7]"},
        {"local n = 0 return load(function() n = n + 1 return ('return 41 + 1'):sub(n, n) end)()",
         ":42"},
        {"local f, e = loadstring('x x x', '=chunk') return e", "$chunk:1: '=' expected near 'x'"},
        {"local f, e = loadstring('x x x', 'ch\\0unk') return e",
         "$[string \"ch\"]:1: '=' expected near 'x'"},
        {"local f, e = loadstring('x x x') return e",
         "$[string \"x x x\"]:1: '=' expected near 'x'"},
        {"return {tostring(loadstring('\\27Lua'))}", "[$nil]"},
        {"return {tostring(loadstring(string.dump(function() end)))}", "[$nil]"},
        {"return {tostring(load(function() return '\\27Lua' end))}", "[$nil]"},
        {"return loadstring(('x = 1 '):rep(0) .. 'return ' .. ('1+'):rep(100000) .. '1')()",
         ":100001"},
    };

    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        EXPECT(c, same[i][1], "EVAL %s 0", same[i][0]);
}

/* The parser of Lua takes quadratic time for each of them: 14 s for the first. */
Test(scripting, what_takes_long_to_compile_is_an_error) {
    redisContext *c = ask_open(server_run(NULL, NULL));
    static const char *const texts[] = {
        "'if x then ' .. ('elseif x then '):rep(200000) .. 'end'",
        "'while x do ' .. ('do break end '):rep(200000) .. 'end'",
        "'return ' .. ('x or '):rep(300000) .. 'x'",
        "'return ' .. ('x and '):rep(300000) .. 'x'",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char script[400];
        redisReply *r;

        snprintf(script, sizeof script, "local f, e = loadstring(%s) return e", texts[i]);
        EXPECT(c, "$chunk takes too long to compile", "EVAL %s 0", script);
        snprintf(script, sizeof script, "return %s", texts[i]);
        r = redisCommand(c, "EVAL %s 0", script);
        cr_assert(r && r->type == REDIS_REPLY_STRING);
        EXPECT_PREFIX(c, "-ERR Error compiling script (new function): ", "EVAL %b 0", r->str,
                      (size_t)r->len);
        EXPECT_PREFIX(c, "-ERR Error compiling script (new function): ", "SCRIPT LOAD %b", r->str,
                      (size_t)r->len);
        EXPECT_PREFIX(c, "-ERR Error compiling function: ", "FUNCTION LOAD %b%b", "#!lua name=x\n",
                      (size_t)13, r->str, (size_t)r->len);
        freeReplyObject(r);
    }
    EXPECT(c, "+PONG", "PING");
}

/* Every global and every member of a library, as Redis 7.0.15 lists them. Redis 8.0.6 and Valkey
 * 9.1.2 also have os.clock, the latter `server`. cmsgpack._COPYRIGHT is left out. */
Test(scripting, globals_are_those_of_redis) {
    redisContext *c = ask_open(server_run(NULL, NULL));
    const char *script =
        "local names, seen = {}, {}\n"
        "local function walk(t, at)\n"
        "  if seen[t] then return end\n"
        "  seen[t] = true\n"
        "  for k, v in pairs(t) do\n"
        "    names[#names + 1] = at .. k\n"
        "    if type(v) == 'table' and k ~= '_G' then walk(v, at .. k .. '.') end\n"
        "  end\n"
        "end\n"
        "walk(_G, '')\n"
        "for k in pairs(getmetatable('')) do names[#names + 1] = '\"\".' .. k end\n"
        "table.sort(names)\n"
        "return table.concat(names, ' ')";
    const char *names =
        "\"\".__index ARGV KEYS _G _VERSION assert bit bit.arshift bit.band bit.bnot bit.bor "
        "bit.bswap bit.bxor bit.lshift bit.rol bit.ror bit.rshift bit.tobit bit.tohex cjson "
        "cjson._NAME cjson._VERSION cjson.decode cjson.decode_invalid_numbers "
        "cjson.decode_max_depth cjson.encode cjson.encode_invalid_numbers "
        "cjson.encode_keep_buffer cjson.encode_max_depth cjson.encode_number_precision "
        "cjson.encode_sparse_array cjson.new cjson.null cmsgpack cmsgpack._DESCRIPTION "
        "cmsgpack._NAME cmsgpack._VERSION cmsgpack.pack cmsgpack.unpack cmsgpack.unpack_limit "
        "cmsgpack.unpack_one collectgarbage coroutine coroutine.create coroutine.resume "
        "coroutine.running coroutine.status coroutine.wrap coroutine.yield error gcinfo "
        "getmetatable ipairs load loadstring math math.abs math.acos math.asin math.atan "
        "math.atan2 math.ceil math.cos math.cosh math.deg math.exp math.floor math.fmod "
        "math.frexp math.huge math.ldexp math.log math.log10 math.max math.min math.mod "
        "math.modf math.pi math.pow math.rad math.random math.randomseed math.sin math.sinh "
        "math.sqrt math.tan math.tanh next pairs pcall rawequal rawget rawset "
        "redis redis.LOG_DEBUG redis.LOG_NOTICE redis.LOG_VERBOSE redis.LOG_WARNING "
        "redis.REDIS_VERSION redis.REDIS_VERSION_NUM redis.REPL_ALL redis.REPL_AOF "
        "redis.REPL_NONE redis.REPL_REPLICA redis.REPL_SLAVE redis.acl_check_cmd "
        "redis.breakpoint redis.call redis.debug redis.error_reply redis.log redis.pcall "
        "redis.replicate_commands redis.set_repl redis.setresp redis.sha1hex "
        "redis.status_reply select setmetatable string string.byte string.char string.dump "
        "string.find string.format string.gfind string.gmatch string.gsub string.len "
        "string.lower string.match string.rep string.reverse string.sub string.upper struct "
        "struct.pack struct.size struct.unpack table table.concat table.foreach "
        "table.foreachi table.getn table.insert table.maxn table.remove table.setn table.sort "
        "tonumber tostring type unpack xpcall";
    redisReply *r = redisCommand(c, "EVAL %s 0", script);

    cr_assert_eq(r->type, REDIS_REPLY_STRING);
    cr_assert_str_eq(r->str, names);
    freeReplyObject(r);
    EXPECT_PREFIX(c,
                  "-ERR user_script:1: Script attempted to access nonexistent global variable "
                  "'getfenv' script: ",
                  "EVAL %s 0", "return getfenv");
}

/* Settings of a library are those of one script. */
Test(scripting, settings_of_cjson_end_with_the_script) {
    redisContext *c = ask_open(server_run(NULL, NULL));
    const char *set = "cjson.encode_max_depth(3) cjson.decode_max_depth(4)\n"
                      "cjson.decode_invalid_numbers(false) cjson.encode_keep_buffer(false)\n"
                      "cjson.encode_number_precision(3) cjson.encode_sparse_array(true, 1, 2)\n"
                      "cjson.encode_invalid_numbers(true) ";
    const char *get =
        "local convert, ratio, safe = cjson.encode_sparse_array()\n"
        "return {cjson.encode_max_depth(), cjson.decode_max_depth(),\n"
        "tostring(cjson.decode_invalid_numbers()), tostring(cjson.encode_keep_buffer()),\n"
        "cjson.encode_number_precision(), tostring(convert), ratio, safe,\n"
        "tostring(cjson.encode_invalid_numbers())}";
    const char *defaults = "[:1000 :1000 $true $true :14 $false :2 :10 $false]";

    EXPECT(c, defaults, "EVAL %s 0", get);
    EXPECT(c, "[:3 :4 $false $false :3 $true :1 :2 $true]", "EVAL %s%s 0", set, get);
    EXPECT(c, defaults, "EVAL %s 0", get);
    EXPECT_PREFIX(c, "-ERR", "EVAL %serror() 0", set);
    EXPECT(c, defaults, "EVAL %s 0", get);
    EXPECT(c, "$f", "FUNCTION LOAD %s%s%s%s%s%s", "#!lua name=f\n",
           "redis.register_function('set', function() ", set,
           " end) redis.register_function('get', function() ", get, " end)");
    EXPECT(c, "(nil)", "FCALL set 0");
    EXPECT(c, defaults, "FCALL get 0");
}

/* The numbers are those of Redis 7.0.15, Redis 8.0.6 and Valkey 9.1.2 after their start. There a
 * seed lasts: one script says what all others are given. */
Test(scripting, random_numbers_go_on_and_a_seed_ends_with_the_script) {
    redisContext *c = ask_open(server_run(NULL, NULL));
    const char *two = "return {math.random(1000000), math.random(10, 20)}";

    EXPECT(c, "[:396465 :19]", "EVAL %s 0", two);
    EXPECT(c, "[:353337 :14]", "EVAL %s 0", two);
    EXPECT(c, "[:266445]", "EVAL %s 0",
           "math.randomseed(7) math.randomseed(7) return {math.random(1000000)}");
    EXPECT(c, "[:318693 :19]", "EVAL %s 0", two);
}

Test(scripting, a_negative_zero_stays_one) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, "$-0", "EVAL %s 0", "redis.call('SET', 'k', -0) return redis.call('GET', 'k')");
}

Test(scripting, debug_lets_scripts_call_what_is_denied_to_them) {
    redisContext *c = ask_open(server_run("--enable-debug-command", "yes", NULL));

    EXPECT_PREFIX(c, "-ERR This Redis command is not allowed", "EVAL %s 0",
                  "return redis.call('client', 'getname')");
    EXPECT(c, "+OK", "DEBUG SET-DISABLE-DENY-SCRIPTS 1");
    EXPECT(c, "(nil)", "EVAL %s 0", "return redis.call('client', 'getname')");
    EXPECT_PREFIX(c, "-ERR This Redis command is not allowed", "EVAL %s 0",
                  "return redis.call('eval', 'return 1', 0)");
    EXPECT_PREFIX(c, "-ERR This Redis command is not allowed", "EVAL %s 0",
                  "return redis.call('multi')");
    EXPECT(c, "+OK", "DEBUG SET-DISABLE-DENY-SCRIPTS 0");
    EXPECT_PREFIX(c, "-ERR This Redis command is not allowed", "EVAL %s 0",
                  "return redis.call('client', 'getname')");
}
