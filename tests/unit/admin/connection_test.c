/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin_help.h"
#include "server/exec/auth_delay.h"
#include "server/exec/dispatch.h"
#include "server/exec/turn.h"

#include "server/exec/blocking.h"

#include <criterion/criterion.h>

Test(connection, a_password_is_asked_for_and_taken) {
    struct help *h = help_new("--requirepass secret");

    cr_expect_str_eq(help_ask(&h->a, "get k"), "-NOAUTH Authentication required.|");
    cr_expect_str_eq(help_ask(&h->a, "auth secre"),
                     "-WRONGPASS invalid username-password pair or user is disabled.|");
    cr_expect_str_eq(help_ask(&h->a, "auth secretsecret"),
                     "-WRONGPASS invalid username-password pair or user is disabled.|");
    cr_expect_str_eq(help_ask(&h->a, "auth _"),
                     "-WRONGPASS invalid username-password pair or user is disabled.|");
    cr_expect_str_eq(help_ask(&h->a, "auth secret"), "+OK|");
    cr_expect_str_eq(help_ask(&h->a, "get k"), "$-1|");
    cr_expect_str_eq(help_ask(&h->b, "get k"), "-NOAUTH Authentication required.|");
    cr_expect_eq(h->e.stats.auth_denied, 3);
    help_free(h);
}

#define WRONG "-WRONGPASS invalid username-password pair or user is disabled.|"

/* The time goes on, and those whose time is up are asked. */
static void pass_ms(struct help *h, int64_t ms) {
    clock_advance_ms(ms);
    blocked_check_time(&h->e, clock_mono_us());
}

Test(connection, guesses_of_an_address_have_to_wait_after_ten_that_failed) {
    struct help *h = help_new("--requirepass secret");

    clock_set_virtual(INT64_C(1000000000000));
    for (int i = 0; i < 10; i++) cr_expect_str_eq(help_ask(&h->a, "auth wrong"), WRONG);
    for (int ms = 10; ms < 300; ms *= 2) {
        cr_expect_str_eq(help_ask(&h->a, "auth wrong"), "", "it waits");
        pass_ms(h, ms - 1);
        cr_expect_str_eq(help_heard(&h->a), "");
        pass_ms(h, 1);
        cr_expect_str_eq(help_heard(&h->a), WRONG);
    }
    cr_expect_str_eq(help_ask(&h->b, "auth wrong"), WRONG, "another address");
    cr_expect_str_eq(help_ask(&h->b, "auth secret"), "+OK|");
    cr_expect_str_eq(help_ask(&h->a, "hello 2 auth default secret"), "");
    pass_ms(h, 400);
    cr_expect_eq(help_heard(&h->a)[0], '*', "the right one is never refused");
    cr_expect_eq(h->e.nblocked, 0);
    help_free(h);
}

Test(connection, what_failed_is_forgotten_after_a_minute_and_no_wait_is_long) {
    struct help *h = help_new("--requirepass secret");

    clock_set_virtual(INT64_C(1000000000000));
    for (int i = 0; i < 40; i++) {
        help_ask(&h->a, "auth wrong");
        pass_ms(h, 5000);
        cr_expect_eq(h->a.s.state, SESSION_ACTIVE);
    }
    pass_ms(h, 61000);
    cr_expect_str_eq(help_ask(&h->a, "auth secret"), "+OK|");
    help_free(h);
}

Test(connection, no_delay_if_none_is_wanted) {
    struct help *h = help_new("--requirepass secret --auth-delay-max 0");

    for (int i = 0; i < 100; i++) cr_expect_str_eq(help_ask(&h->a, "auth wrong"), WRONG);
    help_free(h);
}

Test(connection, a_transaction_cannot_wait_so_it_is_refused) {
    struct help *h = help_new("--requirepass secret");

    clock_set_virtual(INT64_C(1000000000000));
    help_ask(&h->a, "auth secret");
    for (int i = 0; i < 10; i++) help_ask(&h->a, "auth wrong");
    help_ask(&h->a, "multi");
    help_ask(&h->a, "auth secret");
    cr_expect_not_null(strstr(help_ask(&h->a, "exec"), "WRONGPASS"));
    help_free(h);
}

Test(connection, more_addresses_than_there_is_room_for_push_out_the_oldest) {
    struct help *h = help_new("--requirepass secret");

    clock_set_virtual(INT64_C(1000000000000));
    for (int i = 0; i < 10; i++) help_ask(&h->a, "auth wrong");
    for (uint64_t id = 1000; id < 1000 + AUTH_ADDRESSES_MAX; id++) {
        pass_ms(h, 1);
        h->b.s.id = id;
        help_ask(&h->b, "auth wrong");
    }
    cr_expect_eq(h->e.auth_delay->n, AUTH_ADDRESSES_MAX);
    cr_expect_str_eq(help_ask(&h->a, "auth wrong"), WRONG, "its failures are forgotten");
    help_free(h);
}

Test(connection, hello_does_all_or_nothing) {
    struct help *h = help_new("--requirepass secret");

    cr_expect_eq(strncmp(help_ask(&h->a, "hello 3"), "-NOAUTH HELLO must", 18), 0);
    cr_expect_eq(strncmp(help_ask(&h->a, "hello 3 auth default no setname n"), "-WRONGPASS", 10),
                 0);
    cr_expect_null(h->a.s.name);
    cr_expect_eq(h->a.s.resp, 2);
    cr_expect_str_eq(help_ask(&h->a, "hello 4"), "-NOPROTO unsupported protocol version|");
    cr_expect_eq(help_ask(&h->a, "hello 3 auth default secret setname n")[0], '%');
    cr_expect_str_eq(h->a.s.name, "n");
    cr_expect_eq(h->a.s.resp, 3);
    cr_expect_eq(help_ask(&h->a, "hello 2")[0], '*');
    help_free(h);
}

Test(connection, reset_goes_back_to_the_beginning) {
    struct help *h = help_new("--requirepass secret");

    help_ask(&h->a, "hello 3 auth default secret setname n");
    help_ask(&h->a, "select 3");
    help_ask(&h->a, "client no-touch on");
    cr_expect_str_eq(help_ask(&h->a, "reset"), "+RESET|");
    cr_expect_null(h->a.s.name);
    cr_expect_eq(h->a.s.db, 0);
    cr_expect_str_eq(help_ask(&h->a, "get k"), "-NOAUTH Authentication required.|");
    help_free(h);
}

Test(connection, quit_closes_behind_its_reply) {
    struct help *h = help_new(NULL);

    cr_expect_str_eq(help_ask(&h->a, "quit"), "+OK|");
    cr_expect(h->a.closes_after);
    cr_expect_not(h->a.closed);
    help_free(h);
}

Test(client, kill_spares_its_own_connection_unless_told) {
    struct help *h = help_new(NULL);

    cr_expect_str_eq(help_ask(&h->a, "client kill type normal"), ":1|");
    cr_expect(h->b.closed);
    cr_expect_str_eq(help_ask(&h->a, "client kill type normal"), ":0|");
    cr_expect_str_eq(help_ask(&h->a, "client kill type normal skipme no"), ":1|");
    cr_expect(h->a.closes_after);
    help_free(h);
}

Test(client, kill_by_address) {
    struct help *h = help_new(NULL);

    cr_expect_str_eq(help_ask(&h->a, "client kill 10.0.0.9:999"), "-ERR No such client|");
    cr_expect_str_eq(help_ask(&h->a, "client kill addr 10.0.0.2:999 laddr 1.1.1.1:1"), ":0|");
    cr_expect_str_eq(help_ask(&h->a, "client kill addr 10.0.0.2:999 maxage 100"), ":0|");
    cr_expect_not(h->b.closed);
    cr_expect_str_eq(help_ask(&h->a, "client kill 10.0.0.2:999"), "+OK|");
    cr_expect(h->b.closed);
    help_free(h);
}

Test(client, list_has_a_line_for_each_and_no_more) {
    struct help *h = help_new(NULL);
    const char *text;

    help_ask(&h->b, "client setname bob");
    text = help_ask(&h->a, "client list id 2 77");
    cr_expect(strstr(text, "id=2 addr=10.0.0.2:999 laddr=10.0.0.100:6379 fd=9 name=bob "));
    cr_expect(strstr(
        text, "cmd=client|setname user=default redir=-1 resp=2 lib-name= lib-ver= tot-net-in="));
    cr_expect_null(strstr(text, "id=1 "));
    cr_expect_str_eq(help_ask(&h->a, "client list type pubsub"), "$0||");
    help_free(h);
}

/* "ab", "a", "b" or "": the clients that a filter chooses. */
static const char *chosen(struct help *h, const char *filter) {
    static const char *const sets[] = {"", "a", "b", "ab"};
    char words[200];
    const char *got;

    snprintf(words, sizeof words, "client list %s", filter);
    got = help_ask(&h->a, words);
    if (*got == '-') return got;
    return sets[!!strstr(got, " name=a ") + 2 * !!strstr(got, " name=b ")];
}

Test(client, filters_choose_and_can_be_turned_round) {
    static const char *const rows[][2] = {
        {"id 1", "a"},
        {"not-id 1", "b"},
        {"not-id 1 2", ""},
        {"id 1 2 name b", "b"},
        {"type normal", "ab"},
        {"not-type normal", ""},
        {"user default", "ab"},
        {"not-user default", ""},
        {"name a", "a"},
        {"not-name a", "b"},
        {"lib-name x", "b"},
        {"not-lib-name x", "a"},
        {"lib-ver 1", "b"},
        {"not-lib-ver 1", "a"},
        {"db 3", "b"},
        {"not-db 3", "a"},
        {"flags N", "ab"},
        {"flags x", ""},
        {"not-flags x", "ab"},
        {"skipme yes", "b"},
        {"skipme no", "ab"},
        {"idle 1000", ""},
        {"maxage 1000", ""},
        {"ip 9.9.9.9", ""},
        {"not-ip 9.9.9.9 not-addr 9.9.9.9:1 not-laddr 9.9.9.9:1", "ab"},
        {"db 3 name a", ""},
        {"not-idle 3", "-ERR syntax error|"},
        {"id", "-ERR syntax error|"},
        {"nosuch x", "-ERR syntax error|"},
        {"id 1 x", "-ERR Invalid client ID|"},
        {"not-id x", "-ERR client-id should be greater than 0|"},
        {"type x", "-ERR Unknown client type 'x'|"},
        {"user x", "-ERR No such user 'x'|"},
        {"db 16", "-ERR DB number should be between 0 and 15|"},
        {"not-db -1", "-ERR NOT-DB number should be between 0 and 15|"},
        {"not-db x", "-ERR NOT-DB is not an integer or out of range|"},
        {"not-flags ?", "-ERR Unknown flags found in the NOT-FLAGS filter: ?|"},
        {"not-capa x", "-ERR Unknown capa found in the NOT-CAPA filter: x|"},
        {"idle x", "-ERR idle is not an integer or out of range|"},
        {"maxage 0", "-ERR maxage should be greater than 0|"},
        {"flags N?", "-ERR Unknown flags found in the provided filter: N?|"},
        {"skipme x", "-ERR syntax error|"},
    };
    struct help *h = help_new(NULL);

    help_ask(&h->a, "client setname a");
    help_ask(&h->b, "client setname b");
    help_ask(&h->b, "client setinfo lib-name x");
    help_ask(&h->b, "client setinfo lib-ver 1");
    help_ask(&h->b, "select 3");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_str_eq(chosen(h, rows[i][0]), rows[i][1], "%s: %s", rows[i][0],
                         chosen(h, rows[i][0]));
    cr_expect_str_eq(help_ask(&h->a, "client kill not-name a skipme no"), ":1|");
    cr_expect(h->b.closed && !h->a.closed && !h->a.closes_after);
    help_free(h);
}

Test(client, reply_skip_swallows_one_reply_and_off_all) {
    struct help *h = help_new(NULL);

    cr_expect_str_eq(help_ask(&h->a, "client reply skip"), "");
    cr_expect_str_eq(help_ask(&h->a, "set k v"), "");
    cr_expect_str_eq(help_ask(&h->a, "get k"), "$1|v|");
    cr_expect_str_eq(help_ask(&h->a, "client reply off"), "");
    cr_expect_str_eq(help_ask(&h->a, "get k"), "");
    cr_expect_str_eq(help_ask(&h->a, "client reply on"), "+OK|");
    help_free(h);
}

Test(connection, a_pause_holds_back_who_writes_or_everybody) {
    struct help *h = help_new(NULL);
    char held[] = "CLIENT GETNAME\r\n";
    size_t need;

    cr_assert_str_eq(help_ask(&h->a, "CLIENT PAUSE x"),
                     "-ERR timeout is not an integer or out of range|");
    cr_assert_str_eq(help_ask(&h->a, "CLIENT PAUSE 10 some"),
                     "-ERR CLIENT PAUSE mode must be WRITE or ALL|");
    cr_assert_str_eq(help_ask(&h->a, "CLIENT PAUSE 60000 WRITE"), "+OK|");
    cr_assert_str_eq(help_ask(&h->a, "CLIENT GETNAME"), "$-1|");
    cr_assert_str_eq(help_ask(&h->a, "CLIENT UNPAUSE"), "+OK|");
    cr_assert_str_eq(help_ask(&h->a, "CLIENT PAUSE 60000"), "+OK|");
    cr_assert_eq(engine_feed(&h->e, &h->b.s, held, sizeof held - 1, &need), 0);
    cr_assert_eq(h->b.s.state, SESSION_PARKED);
    pause_begin(&h->e.pause, PAUSE_BY_CLIENT, PAUSE_WRITES, 1);
    cr_assert_eq(h->e.pause.mode, PAUSE_ALL, "the stricter one stays");
    engine_before_wait(&h->e);
    cr_assert_eq(h->b.s.state, SESSION_PARKED, "and so does the later end");
    h->e.pause.until_us = h->e.pause.of[PAUSE_BY_CLIENT].until_us = 1;
    engine_before_wait(&h->e);
    cr_assert_eq(h->b.s.state, SESSION_ACTIVE);
    cr_assert_eq(h->b.resumed, 1);
    help_free(h);
}
