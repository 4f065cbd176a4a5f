/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Users and their rights over the wire, and the ways around them that must not exist.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/kit/ask.h"
#include "tests/kit/resp3.h"
#include "tests/kit/server.h"

TestSuite(acl, .fini = kit_end);

#define NO_KEY     "-NOPERM No permissions to access a key"
#define NO_CHANNEL "-NOPERM No permissions to access a channel"
#define WRONGPASS  "-WRONGPASS invalid username-password pair or user is disabled."

static bool has(const char *text, const char *part) {
    return strstr(text, part) != NULL;
}

/* A connection as this user. `rules`, a format without arguments, makes or changes the user. */
static redisContext *as_user(struct server *s, redisContext *admin, const char *name,
                             const char *rules) {
    redisContext *c = ask_open(s);
    char line[256];

    snprintf(line, sizeof line, "ACL SETUSER %s on nopass %s", name, rules);
    EXPECT(admin, "+OK", line);
    EXPECT(c, "+OK", "AUTH %s x", name);
    return c;
}

Test(acl, users_come_and_go) {
    struct server *s = server_run(NULL, NULL);
    redisContext *c = ask_open(s), *bob = ask_open(s);

    EXPECT(c, "$default", "ACL WHOAMI");
    EXPECT(c, "+OK", "ACL SETUSER bob on >pass ~k* +get +acl|whoami");
    EXPECT(bob, WRONGPASS, "AUTH bob nopass");
    EXPECT(bob, WRONGPASS, "AUTH rob pass");
    EXPECT(bob, "+OK", "AUTH bob pass");
    EXPECT(bob, "$bob", "ACL WHOAMI");
    EXPECT(bob, "(nil)", "GET k1");
    EXPECT(bob, NO_KEY, "GET x");
    EXPECT(bob, "-NOPERM User bob has no permissions to run the 'set' command", "SET k1 v");
    EXPECT(bob, "-NOPERM User bob has no permissions to run the 'acl|list' command", "ACL LIST");
    cr_expect(has(ask(c, "CLIENT LIST"), "user=bob "));
    EXPECT(c, "+OK", "ACL SETUSER bob off");
    EXPECT(bob, "(nil)", "GET k1");
    EXPECT(ask_open(s), WRONGPASS, "AUTH bob pass");
    EXPECT(c, ":1", "ACL DELUSER bob nobody");
    EXPECT(bob, "(closed)", "GET k1");
    EXPECT(c, "-ERR The 'default' user cannot be removed", "ACL DELUSER default");
    EXPECT(c, "-ERR No such user 'bob'", "CLIENT KILL USER bob");
    cr_expect_eq(ask_info_int(c, "acl_access_denied_auth"), 3);
    cr_expect_eq(ask_info_int(c, "acl_access_denied_cmd"), 2);
    cr_expect_eq(ask_info_int(c, "acl_access_denied_key"), 1);
}

Test(acl, who_deletes_himself_gets_the_answer_and_no_more) {
    struct server *s = server_run(NULL, NULL);
    redisContext *c = ask_open(s), *root = as_user(s, c, "root", "+@all ~* &*");

    EXPECT(root, "+OK", "MULTI");
    EXPECT(root, "+QUEUED", "ACL DELUSER root");
    EXPECT(root, "+QUEUED", "SET k v");
    EXPECT_PREFIX(root, "[:1 -NOPERM ACLs rules changed", "EXEC");
    EXPECT(root, "(closed)", "PING");
    EXPECT(c, "(nil)", "GET k");
}

Test(acl, killing_by_user_spares_the_others) {
    struct server *s = server_run(NULL, NULL);
    redisContext *c = ask_open(s), *a = as_user(s, c, "a", ""), *b = as_user(s, c, "b", "+ping");

    EXPECT(c, ":1", "CLIENT KILL USER a");
    EXPECT(a, "(closed)", "PING");
    EXPECT(b, "+PONG", "PING");
    EXPECT(c, ":0", "CLIENT KILL USER default");
}

Test(acl, the_log_tells_all_of_it) {
    struct server *s = server_run(NULL, NULL);
    redisContext *c = ask_open(s), *u = as_user(s, c, "u", "+get +multi +publish +eval ~k");
    const char *log;

    ask(u, "SET k v");
    ask(u, "GET x");
    ask(u, "GET x");
    ask(u, "PUBLISH ch m");
    ask(u, "EVAL %s 0", "return redis.pcall('get','secret')");
    ask(u, "MULTI");
    ask(u, "SET k v");
    ask(u, "HELLO 3 AUTH u2 x");
    log = ask(c, "ACL LOG");
    cr_expect(has(log, "[$count :2 $reason $key $context $toplevel $object $x $username $u "), "%s",
              log);
    cr_expect(has(log, "$reason $command $context $toplevel $object $set $username $u "));
    cr_expect(has(log, "$reason $command $context $multi $object $set $username $u "));
    cr_expect(has(log, "$reason $channel $context $toplevel $object $ch $username $u "));
    cr_expect(has(log, "$reason $key $context $lua $object $secret $username $u "));
    cr_expect(has(log, "cmd=publish user=u "));
    cr_expect(has(log, "$entry-id :0 $timestamp-created :"));
    EXPECT_PREFIX(c, "[[$count :1 $reason $command $context $multi", "ACL LOG 1");
    EXPECT(c, "+OK", "CONFIG SET acllog-max-len 1");
    EXPECT_PREFIX(c, "[[$count :1 $reason $command $context $multi", "ACL LOG");
    EXPECT(c, "+OK", "ACL LOG RESET");
    EXPECT(c, "[]", "ACL LOG");
    ask(c, "AUTH default2 x");
    EXPECT_PREFIX(c,
                  "[[$count :1 $reason $auth $context $toplevel $object $AUTH $username "
                  "$default2 $age-seconds $0",
                  "ACL LOG");
}

/* ---------------------------------------------------------------- ways around */

Test(acl, no_key_is_reached_by_other_names_of_its_place) {
    struct server *s = server_run(NULL, NULL);
    redisContext *c = ask_open(s), *u;

    EXPECT(c, ":2", "RPUSH l 1 2");
    EXPECT(c, "+OK", "SET secret hidden");
    EXPECT(c, "+OK", "SET w_1 hidden");
    EXPECT(c, ":1", "GEOADD g 0 0 m");
    u = as_user(s, c, "u", "+@all %%R~l %%R~g %%R~w_* ~mine* &mine*");
    EXPECT(u, "-ERR BY option of SORT denied due to insufficient ACL permissions.",
           "SORT l BY w_*");
    EXPECT(u, "-ERR GET option of SORT denied due to insufficient ACL permissions.",
           "SORT l GET w_*");
    EXPECT(u, "-ERR GET option of SORT denied due to insufficient ACL permissions.",
           "SORT_RO l GET w_*->f");
    EXPECT(u, "[$1 $2]", "SORT l BY nosort");
    EXPECT(u, NO_KEY, "SORT l STORE secret");
    EXPECT(u, NO_KEY, "SORT l STORE mine STORE secret");
    EXPECT(u, NO_KEY, "SORT l BY nosort STORE secret LIMIT 0 1");
    EXPECT(u, NO_KEY, "SORT l STORE mine BY STORE STORE secret");
    EXPECT(u, NO_KEY, "COPY secret mine");
    EXPECT(u, NO_KEY, "COPY mine secret");
    EXPECT(u, NO_KEY, "RENAME secret mine");
    EXPECT(u, NO_KEY, "RENAME mine secret");
    EXPECT(u, NO_KEY, "OBJECT ENCODING secret");
    EXPECT(u, NO_KEY, "DUMP secret");
    EXPECT(u, NO_KEY, "RESTORE secret 0 x");
    EXPECT(u, NO_KEY, "WATCH mine secret");
    EXPECT(u, NO_KEY, "EXISTS mine secret");
    EXPECT(u, NO_KEY, "TYPE secret");
    EXPECT(u, NO_KEY, "TOUCH secret");
    EXPECT(u, NO_KEY, "MEMORY USAGE secret");
    EXPECT(u, NO_KEY, "MSET mine 1 secret 2");
    EXPECT(u, NO_KEY, "BITOP NOT mine secret");
    EXPECT(u, NO_KEY, "SUNIONSTORE mine l secret");
    EXPECT(u, NO_KEY, "ZUNIONSTORE mine 2 mine2 secret");
    EXPECT(u, NO_KEY, "ZUNION 2 mine secret");
    EXPECT(u, NO_KEY, "LMPOP 2 mine secret LEFT");
    EXPECT(u, NO_KEY, "XREAD STREAMS mine secret 0 0");
    EXPECT(u, NO_KEY, "XREADGROUP GROUP STREAMS c STREAMS secret >");
    EXPECT(u, NO_KEY, "GEORADIUS g 0 0 1 km STORE secret");
    EXPECT(u, NO_KEY, "GEORADIUS g 0 0 1 km STORE mine STORE secret");
    EXPECT(u, NO_KEY, "GEORADIUS g 0 0 1 km STOREDIST mine STOREDIST secret");
    EXPECT(u, NO_KEY, "GEORADIUSBYMEMBER g m 1 km STORE mine STOREDIST secret");
    EXPECT(u, NO_KEY, "EVAL %s 1 secret", "return redis.call('get',KEYS[1])");
    EXPECT(u, NO_KEY, "SET l v");
    EXPECT(u, NO_KEY, "SET g v GET");
    EXPECT(u, NO_KEY, "GETDEL w_1");
    EXPECT(u, NO_KEY, "BITFIELD w_1 SET u8 0 1");
    EXPECT(u, "[:104]", "BITFIELD w_1 GET u8 0");
    EXPECT(u, NO_KEY, "LMOVE l mine LEFT LEFT");
    EXPECT(u, NO_KEY, "PFMERGE mine secret");
    EXPECT(c, "$hidden", "GET secret");
}

Test(acl, a_script_may_do_what_its_client_may) {
    struct server *s = server_run(NULL, NULL);
    redisContext *c = ask_open(s), *u;

    EXPECT(c, "+OK", "SET secret hidden");
    u = as_user(s, c, "u", "+eval +get +set ~mine &ch");
    EXPECT_PREFIX(u, "-ERR ACL failure in script: No permissions to access a key", "EVAL %s 0",
                  "return redis.call('get','secret')");
    EXPECT_PREFIX(u, "-ERR ACL failure in script: User u has no permissions to run the 'del'",
                  "EVAL %s 1 mine", "return redis.call('del',KEYS[1])");
    EXPECT(u, "+OK", "EVAL %s 1 mine", "return redis.call('set',KEYS[1],'v')");
    EXPECT(u, "-ERR ACL failure in script: No permissions to access a key", "EVAL %s 0",
           "return redis.pcall('set','secret','v')");
    EXPECT(u, "[:1 (nil) (nil)]", "EVAL %s 0",
           "return {redis.acl_check_cmd('get','mine'), redis.acl_check_cmd('get','x'),"
           "redis.acl_check_cmd('del','mine')}");
    EXPECT_PREFIX(u, "-NOPERM User u has no permissions to run the 'evalsha'", "EVALSHA x 0");
    EXPECT(c, "$lib", "FUNCTION LOAD %s",
           "#!lua name=lib\nredis.register_function('f', function(k, a) return "
           "redis.call('get', a[1]) end)");
    EXPECT(u, "-NOPERM User u has no permissions to run the 'fcall' command", "FCALL f 0 secret");
    EXPECT(c, "+OK", "ACL SETUSER u +fcall");
    EXPECT_PREFIX(u, "-ERR ACL failure in script: No permissions to access a key",
                  "FCALL f 0 secret");
    EXPECT(u, NO_KEY, "FCALL f 1 secret mine");
    EXPECT(u, "$v", "FCALL f 1 mine mine");
    EXPECT(c, "$hidden", "GET secret");
}

Test(acl, rights_are_those_of_the_moment) {
    struct server *s = server_run(NULL, NULL);
    redisContext *c = ask_open(s), *u = as_user(s, c, "u", "+@all ~* &*"), *w;

    EXPECT(u, "+OK", "MULTI");
    EXPECT(u, "+QUEUED", "SET k v");
    EXPECT(u, "+QUEUED", "PUBLISH a b");
    EXPECT(c, "+OK", "ACL SETUSER u resetkeys ~x resetchannels");
    EXPECT(u,
           "[-NOPERM ACLs rules changed between the moment the transaction was accumulated and "
           "the EXEC call. This command is no longer allowed for the following reason: no "
           "permission to touch the specified keys -NOPERM ACLs rules changed between the moment "
           "the transaction was accumulated and the EXEC call. This command is no longer allowed "
           "for the following reason: no permission to access one of the channels used as "
           "arguments to the command]",
           "EXEC");
    w = as_user(s, c, "w", "+@all ~*");
    ask_send(w, "BLPOP q 0");
    ask_wait_info(c, "blocked_clients", "1");
    EXPECT(c, "+OK", "ACL SETUSER w -blpop");
    EXPECT(c, ":1", "RPUSH q v");
    EXPECT_NEXT(w, "-NOPERM User w has no permissions to run the 'blpop' command");
    EXPECT(c, ":1", "LLEN q");
}

Test(acl, channels_and_patterns) {
    struct server *s = server_run(NULL, NULL);
    redisContext *c = ask_open(s), *u = as_user(s, c, "u", "+ping +@pubsub &news.* &p");

    EXPECT(u, NO_CHANNEL, "PUBLISH secret x");
    EXPECT(u, NO_CHANNEL, "SPUBLISH secret x");
    EXPECT(u, NO_CHANNEL, "SUBSCRIBE news.a secret");
    EXPECT(u, NO_CHANNEL, "SSUBSCRIBE secret");
    EXPECT(u, NO_CHANNEL, "PSUBSCRIBE *");
    EXPECT(u, NO_CHANNEL, "PSUBSCRIBE news.a");
    EXPECT(u, NO_CHANNEL, "SUBSCRIBE __keyspace@0__:secret");
    EXPECT(u, "[$psubscribe $news.* :1]", "PSUBSCRIBE news.*");
    EXPECT(u, "[$subscribe $news.b :2]", "SUBSCRIBE news.b");
    EXPECT(c, ":2", "PUBLISH news.b x");
    EXPECT_NEXT(u, "[$message $news.b $x]");
    EXPECT_NEXT(u, "[$pmessage $news.* $news.b $x]");
    EXPECT(c, "+OK", "ACL SETUSER u &other");
    EXPECT(u, "[$pong $]", "PING");
    EXPECT(c, "+OK", "ACL SETUSER u resetchannels &news.b");
    EXPECT(u, "(closed)", "PING");
    EXPECT(c, ":0", "PUBLISH news.b x");
}

/* ---------------------------------------------------------------- before AUTH */

Test(acl, before_auth_little_is_taken_and_little_is_kept) {
    struct server *s = server_run("--requirepass", "secret", NULL);
    redisContext *c = ask_open(s);
    struct resp_conn r;

    EXPECT(c, "-NOAUTH Authentication required.", "ACL LIST");
    EXPECT(c, "-NOAUTH Authentication required.", "MULTI");
    EXPECT(c, "-NOAUTH Authentication required.", "EVAL %s 0", "return 1");
    cr_assert(resp_open(&r, server_port(s), NULL) == 0);
    resp_send(&r, "*11\r\n", 5);
    cr_expect_str_eq(resp_next(&r), "-ERR Protocol error: unauthenticated multibulk length");
    cr_assert(resp_open(&r, server_port(s), NULL) == 0);
    resp_send(&r, "*2\r\n$4\r\nAUTH\r\n$16385\r\n", 22);
    cr_expect_str_eq(resp_next(&r), "-ERR Protocol error: unauthenticated bulk length");
    EXPECT(c, "+OK", "AUTH secret");
    EXPECT_PREFIX(c, "[", "ACL LIST");
    EXPECT(c, "+OK", "CONFIG SET requirepass \"\"");
}

/* It sends and never reads: it is cut off long before its answers amount to anything. */
Test(acl, before_auth_nobody_may_leave_answers_unread) {
    struct server *s = server_run("--requirepass", "secret", NULL);
    redisContext *c = ask_open(s);
    struct resp_conn r;
    char flood[16 * 1024];
    int small = 4096;

    for (size_t i = 0; i < sizeof flood; i += 8) memcpy(flood + i, "GET  k\r\n", 8);
    cr_assert(resp_open(&r, server_port(s), NULL) == 0);
    setsockopt(r.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    for (int i = 0; i < 4000 && resp_send(&r, flood, sizeof flood) == 0; i++) continue;
    EXPECT(c, "+OK", "AUTH secret");
    ask_wait_info_min(c, "client_output_buffer_limit_disconnections", 1);
    ask_wait_info(c, "connected_clients", "1");
}

/* ---------------------------------------------------------------- where users come from */

Test(acl, a_file_is_saved_and_loaded) {
    struct server *s = server_new();
    redisContext *c, *bob;
    char *text;

    server_write_file(s, "users.acl",
                      "# who there is\nuser default on nopass ~* &* +@all\n"
                      "user bob on nopass ~b* +@read\n");
    server_start(s, "--aclfile", "users.acl", NULL);
    c = ask_open(s);
    bob = ask_open(s);
    EXPECT(bob, "+OK", "AUTH bob x");
    EXPECT(bob, "(nil)", "GET b");
    server_write_file(s, "users.acl", "user bob on nopass ~* +@all\nuser zed (+get\n");
    EXPECT_PREFIX(c, "-ERR ", "ACL LOAD");
    EXPECT(bob, NO_KEY, "GET c");
    EXPECT(c, "+OK", "ACL SETUSER bob -@all +get allchannels (~q +set)");
    EXPECT(c, "+OK", "ACL SAVE");
    text = server_read_file(s, "users.acl");
    cr_expect_str_eq(text, "user bob on nopass sanitize-payload ~b* &* -@all +get "
                           "(~q resetchannels -@all +set)\n"
                           "user default on nopass sanitize-payload ~* &* +@all\n");
    free(text);
    EXPECT(c, "+OK", "ACL SETUSER tmp");
    EXPECT(c, "+OK", "ACL LOAD");
    EXPECT(c, "[$bob $default]", "ACL USERS");
    EXPECT(bob, "(closed)", "PING");
    EXPECT(c, "+OK", "CONFIG SET acl-pubsub-default allchannels");
    EXPECT(c, "+OK", "ACL SETUSER new");
    cr_expect(has(ask(c, "ACL LIST"), "$user new off sanitize-payload &* -@all"));
    server_stop(s);
    server_start(s, "--aclfile", "users.acl", NULL);
    EXPECT(ask_open(s), "[$bob $default]", "ACL USERS");
}

Test(acl, a_save_that_fails_leaves_the_file) {
    STET_ONLY();
    static const char *const faults[] = {"write:code=28,count=1,short=10", "sync:code=5,count=1",
                                         "rename:code=28,count=1"};
    static const char users[] = "user default on nopass ~* &* +@all\nuser bob off\n";

    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct server *s = server_new();
        redisContext *c;
        char *text;

        server_write_file(s, "users.acl", users);
        setenv("STET_IO_FAULT", faults[i], 1);
        server_start(s, "--aclfile", "users.acl", "--save", "", NULL);
        unsetenv("STET_IO_FAULT");
        c = ask_open(s);
        EXPECT(c, "+OK", "ACL SETUSER eve");
        EXPECT(c,
               "-ERR There was an error trying to save the ACLs. Please check the server logs for "
               "more information",
               "ACL SAVE");
        text = server_read_file(s, "users.acl");
        cr_expect_str_eq(text, users);
        free(text);
        EXPECT(c, "+OK", "ACL SAVE");
        EXPECT(c, "+OK", "ACL LOAD");
        EXPECT(c, "[$bob $default $eve]", "ACL USERS");
    }
}

Test(acl, a_broken_file_keeps_the_server_from_starting) {
    static const char *const broken[][2] = {
        {"users bob", "users.acl:1 should start with user keyword followed by the username."},
        {"user a on\nuser a off", "Duplicate user 'a' found on line 2."},
        {"user a +nosuch", "users.acl:1: Error in applying operation '+nosuch'"},
        {"user a (+get", "users.acl:1: Unmatched parenthesis in selector definition."},
    };

    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct server *s = server_new();
        char *log;

        server_write_file(s, "users.acl", broken[i][0]);
        server_launch(s, "--port", "0", "--aclfile", "users.acl", NULL);
        cr_expect_eq(server_wait_exit(s), 1);
        log = server_log(s);
        cr_expect(has(log, "Aborting Redis startup because of ACL errors: "), "%s", log);
        cr_expect(has(log, broken[i][1]), "%s", log);
        free(log);
    }
}

Test(acl, users_of_the_configuration_file_are_written_back) {
    struct server *s = server_new();
    redisContext *c;
    char *text, *before;

    server_write_file(s, "redis.conf",
                      "save \"\"\n# people\nuser bob on nopass +get ~b\nuser eve off\n# end\n");
    server_start(s, server_path(s, "redis.conf"), NULL);
    c = ask_open(s);
    EXPECT(c, "[$bob $default $eve]", "ACL USERS");
    EXPECT(c, "+OK", "ACL SETUSER bob -get +@read");
    EXPECT(c, ":1", "ACL DELUSER eve");
    EXPECT(c, "+OK", "ACL SETUSER q\"'\\ ~%s &x\"", "a\"b'c\\x41");
    EXPECT(c, "+OK", "ACL SETUSER %s off", "");
    EXPECT(c, "+OK", "CONFIG REWRITE");
    before = strdup(ask(c, "ACL LIST"));
    text = server_read_file(s, "redis.conf");
    server_stop(s);
    server_start(s, server_path(s, "redis.conf"), NULL);
    EXPECT(ask_open(s), before, "ACL LIST");
    free(before);
    cr_expect(has(text, "user bob on nopass sanitize-payload ~b resetchannels -@all -get "
                        "+@read\nuser default on nopass sanitize-payload ~* &* +@all\n"),
              "%s", text);
    free(text);
}

Test(acl, wrong_lines_of_the_configuration_are_named) {
    static const char *const wrong[][2] = {
        {"user a on\nuser a off\n", "Duplicate user found. A user can only be defined once"},
        {"user a what\n", "Error in user declaration 'what': Syntax error"},
        {"user a +nosuch\n", "Error loading ACL rule '+nosuch' for the user named 'a'"},
        {"user a on\naclfile x\n", "but not both."},
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct server *s = server_new();
        char *log;

        server_write_file(s, "redis.conf", wrong[i][0]);
        server_launch(s, server_path(s, "redis.conf"), "--port", "0", NULL);
        cr_expect_eq(server_wait_exit(s), 1);
        log = server_log(s);
        cr_expect(has(log, wrong[i][1]), "%s", log);
        free(log);
    }
}

Test(acl, the_password_can_be_changed_while_running) {
    struct server *s = server_run(NULL, NULL);
    redisContext *c = ask_open(s);

    EXPECT(c,
           "-ERR AUTH <password> called without any password configured for the default user. "
           "Are you sure your configuration is correct?",
           "AUTH x");
    EXPECT(c, "+OK", "CONFIG SET requirepass one");
    EXPECT(ask_open(s), "-NOAUTH Authentication required.", "PING");
    EXPECT(c, "[$requirepass $one]", "CONFIG GET requirepass");
    EXPECT(c, "+OK", "ACL SETUSER default >two");
    EXPECT(ask_open(s), "+OK", "AUTH one");
    EXPECT(ask_open(s), "+OK", "AUTH two");
    EXPECT(ask_open(s), WRONGPASS, "AUTH three");
    EXPECT(c, "+OK", "CONFIG SET requirepass three");
    EXPECT(ask_open(s), WRONGPASS, "AUTH two");
    EXPECT(ask_open(s), "+OK", "AUTH default three");
}

/* Rules go by what a command is, not by what it is called here. */
Test(acl, a_renamed_command_keeps_its_rights) {
    struct server *s = server_new();
    redisContext *c, *u;

    server_write_file(s, "redis.conf", "rename-command GET fetch\nrename-command CONFIG \"\"\n");
    server_start(s, server_path(s, "redis.conf"), NULL);
    c = ask_open(s);
    u = as_user(s, c, "u", "+get -config ~a");
    EXPECT(u, "(nil)", "FETCH a");
    EXPECT(c, "+OK", "ACL SETUSER u -get");
    EXPECT(u, "-NOPERM User u has no permissions to run the 'get' command", "FETCH a");
    EXPECT_PREFIX(u, "-ERR unknown command 'GET'", "GET a");
    EXPECT(c,
           "-ERR Error in ACL SETUSER modifier '+fetch': Unknown command or category name in "
           "ACL",
           "ACL SETUSER u +fetch");
}

/* Many changes within a second, until a line says that not each of them has one. */
static bool has_left_out_lines(void *arg) {
    struct server *s = ((void **)arg)[0];
    redisContext *c = ((void **)arg)[1];
    char *log;
    bool found;

    for (int i = 0; i < 30; i++) EXPECT(c, "+OK", "ACL SETUSER ann on");
    log = server_log(s);
    found = has(log, "lines were left out, more than 10 came in a second.");
    free(log);
    return found;
}

Test(acl, what_matters_to_security_has_a_line_in_the_log) {
    struct server *s;
    redisContext *c;

    STET_ONLY();
    s = server_run("--requirepass first", NULL);
    c = ask_open(s);
    EXPECT(c, WRONGPASS, "AUTH %s wrong", "bob\nx");
    server_wait_log(s, "# Audit: AUTH failed for user \"bob\\nx\". Client 127.0.0.1:");
    EXPECT(c, "+OK", "AUTH first");
    EXPECT(c, "+OK", "ACL SETUSER ann on >secret +get");
    server_wait_log(s, "# Audit: ACL SETUSER changed user \"ann\". Client 127.0.0.1:");
    EXPECT(c, ":1", "ACL DELUSER ann nobody");
    server_wait_log(s, "# Audit: ACL DELUSER deleted user \"ann\".");
    EXPECT(c, "+OK", "CONFIG SET requirepass second maxmemory 1gb save %s", "");
    server_wait_log(s, "# Audit: CONFIG SET changed requirepass, save.");
    cr_assert(kit_wait(has_left_out_lines, (void *[]){s, c}, 60));
}

/* As Valkey 9.1 answers. */
Test(acl, commands_that_name_databases_need_them) {
    static const struct {
        const char *line, *object; /* NULL: allowed */
    } rows[] = {
        {"SELECT 1", NULL},       {"SELECT 0", "0"},      {"SELECT x", NULL},
        {"SWAPDB 1 2", "2"},      {"SWAPDB 1 1", NULL},   {"MOVE k 2", "2"},
        {"MOVE k 1", "MOVE"},     {"COPY a b", "COPY"},   {"COPY a b REPLACE DB 2", "2"},
        {"FLUSHALL", "FLUSHALL"}, {"DBSIZE", "DBSIZE"},   {"SCAN 0", "SCAN"},
        {"EVAL x 0", "EVAL"},     {"WATCH k", "WATCH"},   {"FUNCTION FLUSH", "FUNCTION"},
        {"PUBLISH c m", NULL},    {"SPUBLISH c m", NULL}, {"INFO", NULL},
        {"MULTI", NULL},          {"CLIENT LIST", NULL},
    };
    struct server *s = server_run(NULL, NULL);
    redisContext *c = ask_open(s), *u = ask_open(s);

    EXPECT(c, "+OK", "ACL SETUSER u on nopass allkeys allchannels +@all db=1");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char line[100], want[100] = "+OK";

        if (rows[i].object)
            snprintf(want, sizeof want, "$User u has no permissions to access database %s",
                     rows[i].object);
        snprintf(line, sizeof line, "ACL DRYRUN u %s", rows[i].line);
        cr_expect_str_eq(ask(c, line), want, "%s", line);
    }
    EXPECT(u, "+OK", "AUTH u x");
    EXPECT(u, "-NOPERM No permissions to access database", "GET k");
    EXPECT(u, "+OK", "SELECT 1");
    EXPECT(u, "+OK", "SET k v");
    EXPECT(u, "-NOPERM No permissions to access database", "MOVE k 0");
    EXPECT(u, "+OK", "FLUSHDB");
    cr_assert_eq(ask_info_int(c, "acl_access_denied_db"), 2);
    EXPECT(c, "+OK", "ACL SETUSER u db=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15");
    EXPECT(u, "+OK", "FLUSHALL");
}
