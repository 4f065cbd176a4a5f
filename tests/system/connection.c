/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Connections: HELLO, AUTH, CLIENT, RESET, databases, limits on clients.
 */
#include <criterion/criterion.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/kit/ask.h"
#include "tests/kit/resp3.h"
#include "tests/kit/server.h"

TestSuite(connection, .fini = kit_end);

static void open_to(struct resp_conn *c, struct server *s) {
    cr_assert(resp_open(c, server_port(s), NULL) == 0);
}

static void has(const char *text, const char *part) {
    cr_assert(strstr(text, part), "no '%s' in '%s'", part, text);
}

Test(connection, hello_changes_the_protocol_both_ways) {
    struct server *s = server_run(NULL, NULL);
    struct resp_conn c;

    open_to(&c, s);
    const char *hello = resp_ask(&c, "HELLO", "3", NULL);
    has(hello, "{$server=$redis $version=$7.");
    has(hello, "$proto=:3");
    has(hello, "$mode=$standalone $role=$master $modules=[]}");
    cr_assert_str_eq(resp_ask(&c, "GET", "none", NULL), "_");
    cr_assert_str_eq(resp_ask(&c, "CONFIG", "GET", "databases", NULL), "{$databases=$16}");
    has(resp_ask(&c, "HELLO", "2", NULL), "[$server $redis $version");
    cr_assert_str_eq(resp_ask(&c, "GET", "none", NULL), "(nil)");
    has(resp_ask(&c, "HELLO", NULL), "$proto :2");
}

Test(connection, compat_version_is_what_hello_info_and_lolwut_tell) {
    struct server *s = server_run("--compat-version", "8.0", NULL);
    struct resp_conn c;

    open_to(&c, s);
    has(resp_ask(&c, "HELLO", NULL), "$version $8.0.6");
    has(resp_ask(&c, "INFO", "server", NULL), "redis_version:8.0.6");
    has(resp_ask(&c, "LOLWUT", NULL), "Redis ver. 8.0.6");
    cr_assert_str_eq(resp_ask(&c, "CONFIG", "SET", "compat-version", "7.2", NULL), "+OK");
    has(resp_ask(&c, "HELLO", NULL), "$version $7.2.4");
}

Test(connection, hello_refuses_and_changes_nothing) {
    struct server *s = server_run(NULL, NULL);
    struct resp_conn c;

    open_to(&c, s);
    cr_assert_str_eq(resp_ask(&c, "HELLO", "4", NULL), "-NOPROTO unsupported protocol version");
    cr_assert_str_eq(resp_ask(&c, "HELLO", "x", NULL),
                     "-ERR Protocol version is not an integer or out of range");
    cr_assert_str_eq(resp_ask(&c, "HELLO", "3", "FOO", NULL),
                     "-ERR Syntax error in HELLO option 'FOO'");
    has(resp_ask(&c, "HELLO", "3", "SETNAME", "a b", NULL), "-ERR Client names cannot contain");
    has(resp_ask(&c, "HELLO", "3", "AUTH", "default", "x", "SETNAME", "n", NULL), "$proto=:3");
    cr_assert_str_eq(resp_ask(&c, "CLIENT", "GETNAME", NULL), "$n");
}

Test(connection, a_password_is_asked_for) {
    struct server *s = server_run("--requirepass", "secret", NULL);
    struct resp_conn c;

    open_to(&c, s);
    cr_assert_str_eq(resp_ask(&c, "GET", "k", NULL), "-NOAUTH Authentication required.");
    has(resp_ask(&c, "HELLO", "3", NULL), "-NOAUTH HELLO must be called");
    has(resp_ask(&c, "HELLO", "3", "AUTH", "default", "bad", NULL), "-WRONGPASS");
    has(resp_ask(&c, "AUTH", "bad", NULL), "-WRONGPASS invalid username-password pair");
    has(resp_ask(&c, "HELLO", "3", "AUTH", "default", "secret", NULL), "{$server=");
    cr_assert_str_eq(resp_ask(&c, "PING", NULL), "+PONG");
    cr_assert_str_eq(resp_ask(&c, "RESET", NULL), "+RESET");
    cr_assert_str_eq(resp_ask(&c, "PING", NULL), "-NOAUTH Authentication required.");
    cr_assert_str_eq(resp_ask(&c, "AUTH", "secret", NULL), "+OK");
}

Test(connection, reset_brings_everything_back) {
    struct server *s = server_run(NULL, NULL);
    struct resp_conn c;

    open_to(&c, s);
    resp_ask(&c, "HELLO", "3", "SETNAME", "n", NULL);
    resp_ask(&c, "SELECT", "5", NULL);
    cr_assert_str_eq(resp_ask(&c, "RESET", NULL), "+RESET");
    cr_assert_str_eq(resp_ask(&c, "CLIENT", "GETNAME", NULL), "(nil)");
    has(resp_ask(&c, "CLIENT", "INFO", NULL), " db=0 ");
}

Test(connection, databases_are_apart) {
    struct server *s = server_run("--databases", "4", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "+OK", "SET k zero");
    EXPECT(c, "+OK", "SELECT 3");
    EXPECT(c, "(nil)", "GET k");
    EXPECT(c, "+OK", "SET k three");
    EXPECT(c, "-ERR DB index is out of range", "SELECT 4");
    EXPECT(c, "+OK", "SWAPDB 0 3");
    EXPECT(c, "$zero", "GET k");
    EXPECT(c, ":1", "MOVE k 1");
    EXPECT(c, ":0", "DBSIZE");
    EXPECT(c, "+OK", "FLUSHALL");
    EXPECT(c, "+OK", "SELECT 1");
    EXPECT(c, ":0", "DBSIZE");
}

Test(connection, client_list_and_info_describe_the_connection) {
    struct server *s = server_run(NULL, NULL);
    redisContext *c = ask_open(s);
    char id[32];

    snprintf(id, sizeof id, "id=%lld ", atoll(ask(c, "CLIENT ID") + 1));
    EXPECT(c, "+OK", "CLIENT SETNAME me");
    EXPECT(c, "+OK", "SELECT 2");
    const char *info = ask(c, "CLIENT INFO");
    has(info, id);
    has(info, " name=me ");
    has(info, " db=2 ");
    has(info, " flags=N ");
    has(info, " cmd=client|info ");
    has(info, " user=default ");
    has(info, " resp=2");
    ask_open(s);
    EXPECT_PREFIX(c, "$id=", "CLIENT LIST TYPE normal");
    EXPECT(c, "$", "CLIENT LIST TYPE pubsub");
    cr_assert_str_eq(ask_info(c, "connected_clients"), "2");
}

Test(connection, client_setinfo_shows_in_client_info) {
    STET_ONLY();
    struct server *s = server_run(NULL, NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "+OK", "CLIENT SETINFO LIB-NAME lib");
    EXPECT(c, "+OK", "CLIENT SETINFO LIB-VER 1.2.3");
    has(ask(c, "CLIENT INFO"), " lib-name=lib lib-ver=1.2.3");
    EXPECT(c, "+OK", "WATCH a b");
    has(ask(c, "CLIENT INFO"), " multi=-1 watch=2 qbuf=");
    EXPECT(c, "+OK", "UNWATCH");
    has(ask(c, "CLIENT INFO"), " watch=0 ");
    has(ask(c, "CLIENT INFO"), " tot-net-out=");
    EXPECT(c, "+OK", "CLIENT NO-TOUCH ON");
    EXPECT(c, "+OK", "CLIENT NO-TOUCH OFF");
}

Test(connection, client_kill_closes_others_and_itself_last) {
    struct server *s = server_run(NULL, NULL);
    redisContext *c = ask_open(s);
    struct resp_conn victim;

    open_to(&victim, s);
    long long id = atoll(resp_ask(&victim, "CLIENT", "ID", NULL) + 1);
    EXPECT(c, ":1", "CLIENT KILL ID %lld", id);
    cr_assert_str_eq(resp_next(&victim), "(closed)");
    EXPECT(c, ":0", "CLIENT KILL ID %lld", id);
    id = atoll(ask(c, "CLIENT ID") + 1);
    EXPECT(c, ":0", "CLIENT KILL ID %lld", id);
    EXPECT(c, ":1", "CLIENT KILL ID %lld SKIPME no", id);
    EXPECT(c, "(closed)", "PING");
}

Test(connection, client_reply_off_and_skip_are_silent) {
    struct server *s = server_run(NULL, NULL);
    struct resp_conn c;

    open_to(&c, s);
    resp_send_words(&c, "CLIENT", "REPLY", "SKIP", NULL);
    resp_send_words(&c, "SET", "k", "1", NULL);
    cr_assert_str_eq(resp_ask(&c, "GET", "k", NULL), "$1");
    resp_send_words(&c, "CLIENT", "REPLY", "OFF", NULL);
    resp_send_words(&c, "INCR", "k", NULL);
    resp_send_words(&c, "NOSUCH", NULL);
    cr_assert_str_eq(resp_ask(&c, "CLIENT", "REPLY", "ON", NULL), "+OK");
    cr_assert_str_eq(resp_ask(&c, "GET", "k", NULL), "$2");
}

Test(connection, maxclients_refuses_the_next_one) {
    struct server *s = server_run("--maxclients", "3", NULL);
    redisContext *c[3];
    struct resp_conn extra;

    for (int i = 0; i < 3; i++) {
        c[i] = ask_open(s);
        EXPECT(c[i], "+PONG", "PING");
    }
    open_to(&extra, s);
    cr_assert_str_eq(resp_next(&extra), "-ERR max number of clients reached");
    cr_assert_str_eq(resp_next(&extra), "(closed)");
    cr_assert_str_eq(ask_info(c[0], "rejected_connections"), "1");
    redisFree(c[1]);
    ask_wait_info(c[0], "connected_clients", "2");
    EXPECT(ask_open(s), "+PONG", "PING");
}

Test(connection, timeout_closes_the_idle) {
    struct server *s = server_run("--timeout", "1", NULL);
    struct resp_conn c;

    open_to(&c, s);
    cr_assert_str_eq(resp_ask(&c, "PING", NULL), "+PONG");
    cr_assert_str_eq(resp_next(&c), "(closed)");
}

Test(connection, several_addresses_are_served) {
    struct server *s = server_run("--bind", "127.0.0.1", "-::1", "-192.0.2.1", NULL);
    redisContext *six = redisConnect("::1", server_port(s));

    EXPECT(ask_open(s), "+PONG", "PING");
    if (six && six->err && strstr(six->errstr, "assign")) cr_skip_test("no IPv6 here");
    cr_assert(six && !six->err, "%s", six ? six->errstr : "");
    EXPECT(six, "+PONG", "PING");
}

/* An IPv4 address of this machine that is not its loopback one, or NULL. */
static const char *outer_address(void) {
    static char host[NI_MAXHOST];
    struct ifaddrs *all, *a;
    const char *found = NULL;

    if (getifaddrs(&all) != 0) return NULL;
    for (a = all; a && !found; a = a->ifa_next) {
        if (!a->ifa_addr || a->ifa_addr->sa_family != AF_INET || a->ifa_flags & IFF_LOOPBACK)
            continue;
        if (getnameinfo(a->ifa_addr, sizeof(struct sockaddr_in), host, sizeof host, NULL, 0,
                        NI_NUMERICHOST) == 0)
            found = host;
    }
    freeifaddrs(all);
    return found;
}

Test(connection, protected_mode_refuses_strangers) {
    const char *host = outer_address();

    if (!host) cr_skip_test("only a loopback interface here");
    struct server *s = server_run("--bind", "*", "--protected-mode", "yes", NULL);
    redisContext *c = redisConnect(host, server_port(s));
    cr_assert(c && !c->err);
    const char *said = ask(c, "PING");
    cr_assert(strncmp(said, "-DENIED ", 8) == 0 || strcmp(said, "(closed)") == 0, "%s", said);
    EXPECT(ask_open(s), "+OK", "CONFIG SET protected-mode no");
    c = redisConnect(host, server_port(s));
    EXPECT(c, "+PONG", "PING");
}

Test(connection, an_unknown_command_says_what_it_saw) {
    struct server *s = server_run(NULL, NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "-ERR unknown command 'FOO', with args beginning with: 'a' 'b' ", "FOO a b");
    EXPECT(c, "-ERR wrong number of arguments for 'get' command", "GET");
    EXPECT(c, "-ERR unknown subcommand 'FOO'. Try CLIENT HELP.", "CLIENT FOO");
    cr_assert_geq(ask_info_int(c, "total_error_replies"), 3);
    cr_assert_str_eq(ask_info(c, "errorstat_ERR"), "count=3");
}

Test(connection, command_describes_itself) {
    struct server *s = server_run(NULL, NULL);
    redisContext *c = ask_open(s);

    has(ask(c, "COMMAND INFO get"), "[[$get :2 [+readonly +fast] :1 :1 :1 [");
    EXPECT(c, "[$a $b]", "COMMAND GETKEYS MSET a 1 b 2");
    has(ask(c, "COMMAND DOCS get"), "$summary");
    has(ask(c, "COMMAND LIST FILTERBY PATTERN getra*"), "[$getrange]");
    cr_assert_gt(atoll(ask(c, "COMMAND COUNT") + 1), 50);
}

Test(connection, a_second_pause_does_not_shorten_the_first) {
    struct server *s = server_run("--enable-debug-command", "yes", NULL);
    redisContext *c = ask_open(s), *writing = ask_open(s);

    EXPECT(c, "+OK", "CLIENT PAUSE 100000 WRITE");
    EXPECT(c, "+OK", "CLIENT PAUSE 1 WRITE");
    EXPECT(c, "+OK", "DEBUG SLEEP 0.01");
    ask_send(writing, "SET k v");
    ask_wait_info(c, "blocked_clients", "1");
    EXPECT(c, "+PONG", "PING");
    ask_wait_info(c, "blocked_clients", "1");
    EXPECT(c, "+OK", "CLIENT UNPAUSE");
    EXPECT_NEXT(writing, "+OK");
}

/* The limit is below what the server has open: a connection that waits must not keep it busy. */
Test(connection, without_descriptors_the_server_rests) {
    struct server *s = server_run(NULL, NULL);
    redisContext *c = ask_open(s);
    struct rlimit limit, low = {4, 4};
    long long before;
    struct resp_conn waits;

    STET_ONLY();
    EXPECT(c, "+PONG", "PING"); /* it is accepted: connected alone means that the kernel holds it */
    cr_assert_eq(prlimit(server_pid(s), RLIMIT_NOFILE, NULL, &limit), 0);
    low.rlim_max = limit.rlim_max;
    cr_assert_eq(prlimit(server_pid(s), RLIMIT_NOFILE, &low, NULL), 0);
    cr_assert_eq(resp_open(&waits, server_port(s), NULL), 0);
    ask_wait_info_min(c, "rejected_connections", 1);
    before = ask_info_int(c, "rejected_connections");
    for (int i = 0; i < 300; i++) EXPECT(c, "+PONG", "PING");
    cr_assert_lt(ask_info_int(c, "rejected_connections"), before + 100);
    cr_assert_eq(prlimit(server_pid(s), RLIMIT_NOFILE, &limit, NULL), 0);
    cr_assert_str_eq(resp_ask(&waits, "PING", NULL), "+PONG");
}

/* Many parked clients send more. Other clients are read all the same, and the parked ones get their
 * answers later. */
Test(connection, many_clients_that_wait_do_not_hold_up_the_others) {
    enum { WAITING = 300, MORE = 70000 };
    struct server *s = server_run(NULL, NULL);
    redisContext *other = ask_open(s), *waiting[WAITING];
    char *more = malloc(MORE + 1);

    memset(more, 'x', MORE);
    more[MORE] = '\0';
    EXPECT(other, "+OK", "CLIENT PAUSE 100000 WRITE");
    for (int i = 0; i < WAITING; i++) {
        waiting[i] = ask_open(s);
        ask_send(waiting[i], "SET k%d v", i);
    }
    ask_wait_info(other, "blocked_clients", "300");
    for (int i = 0; i < WAITING; i++) ask_send(waiting[i], "APPEND k%d %s", i, more);
    for (int i = 0; i < 1000; i++) EXPECT(other, "+PONG", "PING");
    EXPECT(ask_open(s), "(nil)", "GET k0");
    EXPECT(other, "+OK", "CLIENT UNPAUSE");
    for (int i = 0; i < WAITING; i++) {
        EXPECT_NEXT(waiting[i], "+OK");
        EXPECT_NEXT(waiting[i], ":70001");
    }
    free(more);
}
