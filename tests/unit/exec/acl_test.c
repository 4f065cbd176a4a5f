/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rules and what they are shown as, the check, the log, users as text, and sessions whose user
 * changes.
 */
#include "exec_help.h"
#include "server/exec/pubsub.h"
#include "server/exec/session.h"

#include "server/exec/acl_file.h"

#include <criterion/criterion.h>

TestSuite(acl, .init = exec_begin, .fini = exec_end);

/* ---------------------------------------------------------------- rules */

static struct slice rules[32];

static size_t split(const char *text) {
    static char copy[512];
    size_t n = 0;

    snprintf(copy, sizeof copy, "%s", text);
    for (char *p = strtok(copy, " "); p; p = strtok(NULL, " ")) rules[n++] = slice_str(p);
    return n;
}

/* "OK", or the error. */
static const char *set(const char *user, const char *text) {
    static char out[512];
    struct bytes why = {0};
    int rc = acl_set_user(&engine, slice_str(user), rules, split(text), &why);

    snprintf(out, sizeof out, "%s", rc == 0 ? "OK" : bytes_cstr(&why));
    bytes_release(&why);
    return out;
}

/* The text after "user NAME " */
static const char *text_of(const char *user, enum acl_form form) {
    static char out[512];
    struct bytes b = {0};

    acl_user_describe(acl_find(&engine, slice_str(user)), form, &b);
    snprintf(out, sizeof out, "%s", bytes_cstr(&b) + 6 + strlen(user));
    bytes_release(&b);
    return out;
}

static const char *shown(const char *user) {
    return text_of(user, ACL_SHOWN);
}

/* A new user with these rules is shown as that. */
static void is_shown(const char *text, const char *want) {
    acl_delete_user(&engine, SLICE("u"));
    cr_expect_str_eq(set("u", text), "OK");
    cr_expect_str_eq(shown("u"), want, "'%s' is shown as '%s', not '%s'", text, shown("u"), want);
}

#define OFF "off sanitize-payload "

Test(acl, rules_are_shown_in_the_order_given) {
    cr_expect_str_eq(shown("default"), "on nopass sanitize-payload ~* &* +@all");
    is_shown("", OFF "resetchannels -@all");
    is_shown("+get +SET -get", OFF "resetchannels -@all +set -get");
    is_shown("+get -set +@all", OFF "resetchannels +@all");
    is_shown("+@read -box +box|open", OFF "resetchannels -@all +@read -box +box|open");
    is_shown("+box|open +box|shut -box", OFF "resetchannels -@all -box");
    is_shown("+box -box|shut", OFF "resetchannels -@all +box -box|shut");
    is_shown("allcommands -@Write", OFF "resetchannels +@all -@write");
    is_shown("+ping|a +ping|b +get +ping|A", OFF "resetchannels -@all +ping|b +get +ping|a");
    is_shown("~a %R~b %w~c %rW~d ~a %R~e %W~e", OFF "~a %R~b %W~c ~d ~e resetchannels -@all");
    is_shown("~a allkeys", OFF "~* resetchannels -@all");
    is_shown("&a &b &a", OFF "resetchannels &a &b -@all");
    is_shown("&a allchannels", OFF "&* -@all");
    is_shown("(~a +get) (&x)", OFF "resetchannels -@all (~a resetchannels -@all +get) "
                                   "(resetchannels &x -@all)");
    is_shown("+@all -replicaof -cluster|reset", OFF "resetchannels +@all -replicaof "
                                                    "-cluster|reset");
    cr_expect_str_eq(set("u", "( ~a (~b +get )"),
                     "Error in ACL SETUSER modifier '( ~a (~b +get )': Syntax error");
    is_shown("( ~a +get ) clearselectors", OFF "resetchannels -@all");
    is_shown("on nopass skip-sanitize-payload", "on nopass skip-sanitize-payload resetchannels "
                                                "-@all");
    is_shown("on nopass ~* &* +@all (+get) reset", OFF "resetchannels -@all");
}

Test(acl, passwords_are_kept_as_their_hashes) {
    static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const struct acl_user *u;
    char want[200];

    cr_expect_str_eq(set("u", "on >abc >abc"), "OK");
    u = acl_find(&engine, SLICE("u"));
    cr_expect_eq(u->npasswords, 1);
    cr_expect_str_eq(u->passwords[0], abc);
    cr_expect(acl_user_knows(u, SLICE("abc")));
    cr_expect_not(acl_user_knows(u, SLICE("abd")));
    cr_expect_not(acl_user_knows(u, SLICE("")));
    snprintf(want, sizeof want, "on sanitize-payload #%s resetchannels -@all", abc);
    cr_expect_str_eq(shown("u"), want);
    cr_expect_str_eq(set("u", "nopass"), "OK");
    cr_expect_eq(u->npasswords, 0);
    cr_expect(acl_user_knows(u, SLICE("anything")));
    cr_expect_str_eq(set("u", ">x"), "OK");
    cr_expect_not(acl_user_knows(u, SLICE("anything")));
    cr_expect_str_eq(set("u", "<x"), "OK");
    cr_expect_not(acl_user_knows(u, SLICE("x")));
}

Test(acl, a_wrong_rule_changes_nothing) {
    static const char *const wrong[][2] = {
        {"+nosuch", "'+nosuch': " ACL_ERR_UNKNOWN},
        {"-get|a", "'-get|a': " ACL_ERR_UNKNOWN},
        {"+box|nosuch", "'+box|nosuch': " ACL_ERR_UNKNOWN},
        {"+box|open|x", "'+box|open|x': Allowing first-arg of a subcommand is not supported"},
        {"+get|", "'+get|': " ACL_ERR_SYNTAX},
        {"+@nosuch", "'+@nosuch': " ACL_ERR_UNKNOWN},
        {"%X~a", "'%X~a': " ACL_ERR_SYNTAX},
        {"%RR~a", "'%RR~a': " ACL_ERR_SYNTAX},
        {"get", "'get': " ACL_ERR_SYNTAX},
        {"(on)", "'(on)': " ACL_ERR_SYNTAX},
        {"(+get +x)", "'(+get +x)': " ACL_ERR_UNKNOWN},
        {"#abc", "'#abc': The password hash must be exactly 64 characters and contain only "
                 "lowercase hexadecimal characters"},
        {"<abc", "'<abc': The password you are trying to remove from the user does not exist"},
    };
    char line[128], want[256];

    set("u", "~k +get");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(line, sizeof line, "on ~z %s +set", wrong[i][0]);
        snprintf(want, sizeof want, "Error in ACL SETUSER modifier %s", wrong[i][1]);
        cr_expect_str_eq(set("u", line), want);
        cr_expect_str_eq(shown("u"), OFF "~k resetchannels -@all +get");
    }
    cr_expect_str_eq(set("u", "on (~a +get"),
                     "Unmatched parenthesis in acl selector starting at '(~a'.");
    cr_expect_str_eq(set("u", "allkeys ~x") + 36,
                     "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid "
                     "and does not have any effect. Try 'resetkeys' to start with an empty list of "
                     "patterns");
    cr_expect_str_eq(shown("u"), OFF "~k resetchannels -@all +get");
}

/* It would be another rule, or another user, once it was written to a file and read. */
Test(acl, a_first_argument_is_one_word) {
    static const struct slice wrong[] = {
        SLICE("+get|a b"),        SLICE("+get|a\tb"),   SLICE("+get|a\nuser v on nopass +@all"),
        SLICE("+get|\0"),         SLICE("+get|a\0b"),   SLICE("+replicaof|a b"),
        SLICE("-replicaof|a\nb"), SLICE("+asking|\0x"),
    };

    cr_expect_str_eq(set("u", "+ping"), "OK");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct bytes why = {0};

        cr_expect_eq(acl_set_user(&engine, SLICE("u"), &wrong[i], 1, &why), -1, "%zu", i);
        cr_expect_not_null(memmem(why.p, why.n, "Syntax error", 12), "%zu", i);
        bytes_release(&why);
    }
    cr_expect_str_eq(shown("u"), OFF "resetchannels -@all +ping");
}

Test(acl, a_copy_shares_nothing) {
    cr_expect_str_eq(set("u", "+ping|a -ping"), "OK");
    cr_expect_str_eq(set("u", "+@all"), "OK");
    cr_expect_str_eq(set("u", "nosuch") + 30, "'nosuch': " ACL_ERR_SYNTAX);
    cr_expect_str_eq(set("u", "+ping|b"), "OK");
    cr_expect_str_eq(shown("u"), OFF "resetchannels +@all +ping|b");
}

/* Any sequence of rules leads to a text that leads to the same rights. */
Test(acl, what_is_written_makes_the_same_user) {
    static const char *const words[] = {
        "+get",  "-get",  "+@read", "-@write",   "+@all",   "nocommands",  "+box",   "-box|open",
        "+set",  "-incr", "~a",     "%R~*",      "%W~*",    "allkeys",     "&x",     "resetkeys",
        "reset", "on",    "nopass", "(~q +get)", "+ping|x", "allchannels", "-@fast", "+box|shut",
    };
    uint64_t seed = 1;

    for (int round = 0; round < 2000; round++) {
        char line[512] = "", first[512];

        for (int i = 0; i < 8; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            strcat(line, words[(seed >> 33) % (sizeof words / sizeof *words)]);
            strcat(line, " ");
        }
        acl_delete_user(&engine, SLICE("u"));
        acl_delete_user(&engine, SLICE("v"));
        if (strcmp(set("u", line), "OK") != 0) continue;
        snprintf(first, sizeof first, "%s", text_of("u", ACL_WRITTEN));
        cr_assert_str_eq(set("v", first), "OK", "from '%s'", line);
        cr_assert_str_eq(text_of("v", ACL_WRITTEN), first);
        for (size_t i = 0; i < acl_find(&engine, SLICE("u"))->nselectors; i++)
            cr_assert_arr_eq(acl_find(&engine, SLICE("u"))->selectors[i]->commands,
                             acl_find(&engine, SLICE("v"))->selectors[i]->commands,
                             sizeof(uint64_t[ACL_COMMANDS_MAX / 64]), "'%s'", line);
    }
}

/* ---------------------------------------------------------------- the check */

static const struct acl_place place = {0, 16};

/* The verdict for user "u", and in *at what was refused. */
static enum acl_verdict check(const char *line, int *at) {
    size_t n = split(line);
    bool unknown_sub;
    struct command_slot *cmd = command_resolve(&engine.commands, (int)n, rules, &unknown_sub);

    cr_assert(cmd && !unknown_sub);
    return acl_check(acl_find(&engine, SLICE("u")), place, cmd, (int)n, rules, at);
}

static void verdict(const char *line, enum acl_verdict want) {
    cr_expect_eq(check(line, NULL), want, "'%s' gives %d", line, check(line, NULL));
}

Test(acl, commands_and_subcommands_are_allowed_one_by_one) {
    set("u", "~* +get +box|open +ping");
    verdict("get k", ACL_OK);
    verdict("set k v", ACL_NO_COMMAND);
    verdict("box open", ACL_OK);
    verdict("box shut k", ACL_NO_COMMAND);
    set("u", "-get +@write");
    verdict("get k", ACL_NO_COMMAND);
    verdict("set k v", ACL_OK);
    verdict("box shut k", ACL_OK);
    set("u", "nocommands +all|x");
    verdict("all", ACL_NO_COMMAND);
    verdict("ping", ACL_OK);
}

Test(acl, keys_are_allowed_by_what_is_done_with_them) {
    int at;

    set("u", "+@all %R~r* %W~w* ~b*");
    verdict("get r1", ACL_OK);
    verdict("get w1", ACL_NO_KEY);
    verdict("set w1 v", ACL_OK);
    verdict("set r1 v", ACL_NO_KEY);
    verdict("incr r1", ACL_NO_KEY);
    verdict("incr w1", ACL_NO_KEY);
    verdict("incr b1", ACL_OK);
    verdict("box shut r1", ACL_OK);
    verdict("box shut w1", ACL_OK);
    verdict("box shut x", ACL_NO_KEY);
    cr_expect_eq(check("take b1 b2 z b3 0", &at), ACL_NO_KEY);
    cr_expect_eq(at, 3);
    verdict("all", ACL_OK);
}

Test(acl, one_selector_allows_all_of_it_or_none_does) {
    int at;

    set("u", "+get ~a (+set ~b)");
    verdict("get a", ACL_OK);
    verdict("set b v", ACL_OK);
    verdict("get b", ACL_NO_KEY);
    verdict("set a v", ACL_NO_KEY);
    verdict("incr a", ACL_NO_COMMAND);
    set("u", "(+take ~b ~c)");
    cr_expect_eq(check("take c b a 0", &at), ACL_NO_KEY);
    cr_expect_eq(at, 3);
    set("u", "(+@all ~* &*)");
    cr_expect(acl_find(&engine, SLICE("u"))->total);
    verdict("incr a", ACL_OK);
    set("u", "(+@all ~* &*) clearselectors");
    cr_expect_not(acl_find(&engine, SLICE("u"))->total);
}

Test(acl, databases_are_a_sorted_list_in_place_of_the_one_before) {
    static const struct {
        const char *rules, *text;
    } rows[] = {
        {"db=3,1,3", "db=1,3 "},   {"db=2", "db=2 "},      {"DB=007", "db=7 "},
        {"resetdbs", "resetdbs "}, {"db=0,15 alldbs", ""}, {"db=2147483647", "db=2147483647 "},
    };
    static const char *const syntax[] = {"db=", "db=x", "db=1,,2", "db=1,", "db=-", "dbs=1", "db"};
    char want[100];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_str_eq(set("u", rows[i].rules), "OK");
        snprintf(want, sizeof want, "resetchannels %s-@all", rows[i].text);
        cr_expect(strstr(text_of("u", ACL_WRITTEN), want), "%s", text_of("u", ACL_WRITTEN));
    }
    for (size_t i = 0; i < sizeof syntax / sizeof *syntax; i++)
        cr_expect(strstr(set("u", syntax[i]), ACL_ERR_SYNTAX), "%s", syntax[i]);
    cr_expect(strstr(set("u", "db=-1"), "out of range"));
    cr_expect(strstr(set("u", "db=2147483648"), "out of range"));
    cr_expect(strstr(text_of("u", ACL_WRITTEN), "db=2147483647 "), "a wrong rule changes nothing");
}

Test(acl, what_works_on_keys_needs_the_selected_database) {
    set("u", "~* +@all db=1,2");
    verdict("get k", ACL_NO_DB);
    verdict("set k v", ACL_NO_DB);
    verdict("ping", ACL_OK);
    set("u", "db=0");
    verdict("get k", ACL_OK);
    set("u", "db=1 -get (+get ~a db=0)");
    verdict("get a", ACL_OK);
    verdict("get b", ACL_NO_KEY);
    set("u", "clearselectors resetdbs ~* &* +@all");
    cr_expect_not(acl_find(&engine, SLICE("u"))->total);
    set("u", "alldbs");
    cr_expect(acl_find(&engine, SLICE("u"))->total);
}

/* ---------------------------------------------------------------- sessions */

static void become(const char *text) {
    acl_delete_user(&engine, SLICE("u"));
    cr_assert_str_eq(set("u", text), "OK");
    one.user = acl_find(&engine, SLICE("u"));
}

Test(acl, a_refused_command_is_answered_counted_and_noted) {
    become("on nopass +get ~a");
    cr_expect_str_eq(say("GET a"), "$-1\r\n");
    cr_expect_str_eq(say("SET a v"),
                     "-NOPERM User u has no permissions to run the 'set' command\r\n");
    cr_expect_str_eq(say("GET b"), "-NOPERM No permissions to access a key\r\n");
    cr_expect_str_eq(say("GET b"), "-NOPERM No permissions to access a key\r\n");
    cr_expect_str_eq(say("BOX SHUT b"),
                     "-NOPERM User u has no permissions to run the 'box|shut' command\r\n");
    cr_expect_eq(engine.stats.command_denied, 2);
    cr_expect_eq(engine.stats.key_denied, 2);
    cr_assert_eq(engine.acl->log.n, 3);
    cr_expect_eq(engine.acl->log.v[1].count, 2);
    cr_expect(slice_eq(bytes_slice(&engine.acl->log.v[1].object), SLICE("b")));
}

Test(acl, rights_are_asked_for_again_when_a_transaction_runs) {
    become("on nopass +@all ~*");
    say("MULTI");
    cr_expect_str_eq(say("INCR a"), "+QUEUED\r\n");
    cr_expect_str_eq(say("GET a"), "+QUEUED\r\n");
    set("u", "-incr");
    cr_expect_str_eq(say("EXEC"),
                     "*2\r\n-NOPERM ACLs rules changed between the moment the transaction was "
                     "accumulated and the EXEC call. This command is no longer allowed for the "
                     "following reason: no permission to execute the command or subcommand\r\n"
                     "$-1\r\n");
    say("MULTI");
    cr_expect_str_eq(say("INCR a"),
                     "-NOPERM User u has no permissions to run the 'incr' command\r\n");
    cr_expect_str_eq(say("EXEC"),
                     "-EXECABORT Transaction discarded because of previous errors.\r\n");
}

Test(acl, who_waits_is_asked_again_when_the_key_comes) {
    become("on nopass +@all ~*");
    feed(&one, "TAKE a 0\r\n");
    cr_assert_eq(one.state, SESSION_BLOCKED);
    set("u", "-take");
    feed(&two, "SET a v\r\n");
    cr_expect_str_eq(output(&one),
                     "-NOPERM User u has no permissions to run the 'take' command\r\n");
    cr_expect_str_eq(output(&two), "+OK\r\n");
    feed(&two, "GET a\r\n");
    cr_expect_str_eq(output(&two), "$1\r\nv\r\n");
}

Test(acl, sessions_of_a_deleted_user_end) {
    become("on nopass +@all ~*");
    cr_expect(acl_delete_user(&engine, SLICE("u")));
    cr_expect_eq(closed, 1);
    cr_expect_eq(one.state, SESSION_CLOSING);
    cr_expect_eq(one.user, engine.acl->nobody);
    cr_expect_not(acl_delete_user(&engine, SLICE("u")));
}

Test(acl, a_subscriber_ends_when_the_channel_is_no_longer_allowed) {
    become("on nopass +@all ~* &a* &b*");
    pubsub_subscribe(&one, PUBSUB_CHANNEL, SLICE("a1"));
    pubsub_subscribe(&one, PUBSUB_PATTERN, SLICE("b*"));
    pubsub_subscribe(&two, PUBSUB_CHANNEL, SLICE("zz"));
    set("u", "resetchannels &a1 &b*");
    cr_expect_eq(closed, 0);
    set("u", "resetchannels &a1 &*b*");
    cr_expect_eq(closed, 1, "a pattern must be among the rules as it is");
    cr_expect_eq(two.state, SESSION_ACTIVE);
}

Test(acl, the_password_of_the_default_user_closes_the_door) {
    cr_expect_str_eq(say("GET k"), "$-1\r\n");
    acl_set_standard_password(&engine, SLICE("x"));
    cr_expect_str_eq(say("GET k"), "$-1\r\n", "who was in stays in");
    session_reset(&one);
    cr_expect_str_eq(say("GET k"), "-NOAUTH Authentication required.\r\n");
    acl_set_standard_password(&engine, SLICE(""));
    cr_expect_str_eq(say("GET k"), "$-1\r\n");
}

/* ---------------------------------------------------------------- the log */

static void note(const char *object, int64_t now_ms, size_t max) {
    struct acl_denial d = {ACL_NO_KEY, ACL_AT_TOP, SLICE("u"), slice_str(object), now_ms};
    struct bytes client = {0};

    bytes_append_str(&client, "client");
    acl_log_add(&engine.acl->log, &d, &client, max);
}

Test(acl, the_like_within_a_minute_is_one_entry) {
    struct acl_log *l = &engine.acl->log;

    note("a", 1000, 9);
    note("b", 2000, 9);
    note("a", 61000, 9);
    cr_assert_eq(l->n, 2);
    cr_expect_eq(l->v[1].count, 2, "it becomes the newest");
    cr_expect_eq(l->v[1].id, 0);
    cr_expect_eq(l->v[1].created_ms, 1000);
    cr_expect_eq(l->v[1].updated_ms, 61000);
    note("a", 121001, 9);
    cr_expect_eq(l->n, 3);
    note("c", 121002, 2);
    cr_assert_eq(l->n, 2);
    cr_expect_eq(l->v[0].id, 2);
    note("d", 121003, 0);
    cr_expect_eq(l->n, 0);
}

/* ---------------------------------------------------------------- users as text */

Test(acl, a_file_is_taken_as_a_whole_or_not_at_all) {
    struct acl_users all = {0};
    struct bytes errors = {0}, text = {0};

    cr_assert_eq(acl_file_parse(SLICE("# users\n\n  user a on nopass +get ( ~x  +set )\n"
                                      "user b\r\nuser default off"),
                                "f", &engine.acl->terms, &all, &errors),
                 0);
    acl_file_text(&all, &text);
    cr_expect_str_eq(bytes_cstr(&text),
                     "user a on nopass sanitize-payload resetchannels -@all +get (~x resetchannels "
                     "-@all +set)\nuser b off sanitize-payload resetchannels -@all\n"
                     "user default off sanitize-payload resetchannels -@all\n");
    acl_users_release(&all);
    set("", "on");
    bytes_clear(&text);
    acl_file_text(&engine.acl->users, &text);
    cr_assert_eq(acl_file_parse(bytes_slice(&text), "f", &engine.acl->terms, &all, &errors), 0);
    cr_expect(acl_users_find(&all, SLICE(""))->on, "a name of nothing is written, too");
    acl_users_release(&all);
    cr_assert_eq(acl_file_parse(SLICE("user a on\nuser b +nosuch foo\nbar\nuser a\nuser c (+get"),
                                "f", &engine.acl->terms, &all, &errors),
                 -1);
    cr_expect_str_eq(bytes_cstr(&errors),
                     "f:2: Error in applying operation '+nosuch': " ACL_ERR_UNKNOWN ". "
                     "f:2: Syntax error. "
                     "f:3 should start with user keyword followed by the username. "
                     "WARNING: Duplicate user 'a' found on line 4. "
                     "f:5: Unmatched parenthesis in selector definition.");
    cr_expect_eq(all.n, 0);
    bytes_release(&errors);
    bytes_release(&text);
}
