/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin_help.h"
#include "server/admin/docs.h"
#include "server/exec/category.h"
#include "server/exec/keyspec.h"

#include <criterion/criterion.h>

/* ---------------------------------------------------------------- the grammar's notation */

static const struct doc_arg *named(const struct doc *d, const char *name) {
    for (int i = 0; i < d->nargs; i++)
        if (slice_is(d->args[i].name, name)) return &d->args[i];
    cr_assert_fail("no argument %s", name);
    return NULL;
}

Test(docs, a_grammar_of_everything) {
    struct doc d;
    const struct doc_arg *a;

    doc_parse("!6.2.0 `NEW` with the `X` argument; key@1 [when(NX|PX=ms:int^2.6.12)] "
              "[GET=get-block{encoding offset:int}++] pairs{field value}+ old~2.8.0'ip:port' "
              "change=CH new-id=$",
              &d);
    cr_expect(slice_eq(d.deprecated_since, SLICE("6.2.0")));
    cr_expect(slice_eq(d.replaced_by, SLICE("`NEW` with the `X` argument")));
    a = named(&d, "key");
    cr_expect_eq(a->type, DOC_KEY);
    cr_expect_eq(a->key_spec, 1);
    a = named(&d, "when");
    cr_expect_eq(a->type, DOC_ONEOF);
    cr_expect_eq(a->flags, DOC_OPTIONAL);
    cr_expect_eq(d.args[a->child].type, DOC_PURE_TOKEN);
    a = named(&d, "ms");
    cr_expect(slice_eq(a->token, SLICE("PX")));
    cr_expect_eq(a->type, DOC_INTEGER);
    cr_expect(slice_eq(a->since, SLICE("2.6.12")));
    a = named(&d, "get-block");
    cr_expect_eq(a->flags, DOC_OPTIONAL | DOC_MULTIPLE | DOC_MULTIPLE_TOKEN);
    cr_expect_eq(named(&d, "pairs")->flags, DOC_MULTIPLE);
    a = named(&d, "old");
    cr_expect(slice_eq(a->deprecated, SLICE("2.8.0")));
    cr_expect(slice_eq(a->display, SLICE("ip:port")));
    cr_expect(slice_eq(named(&d, "change")->token, SLICE("CH")));
    cr_expect(slice_eq(named(&d, "new-id")->token, SLICE("$")));
}

Test(docs, no_grammar_is_no_arguments) {
    struct doc d;

    doc_parse(NULL, &d);
    cr_expect_eq(d.first, DOC_NONE);
    doc_parse("!syscmd;", &d);
    cr_expect(d.syscmd);
    cr_expect_eq(d.first, DOC_NONE);
}

/* A malformed notation would end the process. */
Test(docs, every_row_of_the_server_can_be_read) {
    struct help *h = help_new(NULL);

    cr_expect_eq(help_ask(&h->a, "command")[0], '*');
    cr_expect_eq(help_ask(&h->a, "command docs")[0], '*');
    help_free(h);
}

/* ---------------------------------------------------------------- key specs */

static int keys_of(const struct command *c, const char *words, struct key_use *out) {
    static char text[256];
    struct slice argv[16];
    int argc = 0;

    snprintf(text, sizeof text, "%s", words);
    for (char *w = strtok(text, " "); w; w = strtok(NULL, " ")) argv[argc++] = slice_str(w);
    return keyspec_keys(c, argc, argv, out, 16);
}

Test(keyspec, without_a_text_the_row_says_where) {
    struct command c = {.name = "x", .keys = {1, -1, 2}};
    struct keyspec k[KEYSPECS_MAX];
    struct key_use use[16];

    cr_assert_eq(keyspec_parse(&c, k), 1);
    cr_expect_eq(k[0].flags, KEY_RO | KEY_ACCESS);
    cr_expect_eq(k[0].last, -1);
    cr_assert_eq(keys_of(&c, "x a 1 b 2", use), 2);
    cr_expect_eq(use[1].at, 3);
}

Test(keyspec, several_specs_keep_their_order) {
    struct command c = {.name = "x", .key_specs = "@1..0 OW update; @2#0+1 RO access (why)"};
    struct keyspec k[KEYSPECS_MAX];
    struct key_use use[16];

    cr_assert_eq(keyspec_parse(&c, k), 2);
    cr_expect(slice_eq(k[1].notes, SLICE("why")));
    cr_assert_eq(keys_of(&c, "x dst 2 a b WEIGHTS", use), 3);
    cr_expect_eq(use[0].flags, KEY_OW | KEY_UPDATE);
    cr_expect_eq(use[2].at, 4);
    cr_expect_eq(keys_of(&c, "x dst 9 a b", use), -1);
    cr_expect_eq(keys_of(&c, "x dst many a b", use), -1);
}

Test(keyspec, a_keyword_and_half_of_what_follows) {
    struct command c = {.name = "x", .key_specs = "STREAMS@1..-1%2 RO access"};
    struct key_use use[16];

    cr_assert_eq(keys_of(&c, "x COUNT 2 streams a b 0 0", use), 2);
    cr_expect_eq(use[0].at, 4);
    cr_expect_eq(use[1].at, 5);
    cr_expect_eq(keys_of(&c, "x COUNT 2", use), 0);
}

Test(keyspec, sort_and_migrate_are_read_as_they_read_themselves) {
    static const struct command sort = {"sort", -2, .keys = {1, 1, 1},
                                        .key_specs = "RO access; ?STORE? OW update"};
    static const struct command migrate = {"migrate", -6, .key_specs = "@3..0 RW"};
    struct slice argv[] = {SLICE("migrate"), SLICE("h"), SLICE("1"),    SLICE(""),
                           SLICE("0"),       SLICE("9"), SLICE("auth"), SLICE("auth2"),
                           SLICE("keys"),    SLICE("a"), SLICE("keys"), SLICE("b")};
    struct key_use out[16];

    cr_expect_eq(keys_of(&sort, "sort k store a get store limit 0 1", out), 2);
    cr_expect_eq(out[1].at, 3);
    cr_expect_eq(keys_of(&sort, "sort k store by STORE d", out), 2);
    cr_expect_eq(out[1].at, 5);
    cr_expect_eq(keyspec_keys(&migrate, 12, argv, out, 16), 3);
    cr_expect_eq(out[0].at, 9);
    cr_expect_eq(keys_of(&migrate, "migrate h 1 k 0 9 copy", out), 1);
    cr_expect_eq(out[0].at, 3);
}

Test(keyspec, words_that_are_arguments_of_options_are_no_options) {
    static const struct command group = {"xreadgroup", -7, .key_specs = "STREAMS@4..-1/1%2 RO"};
    static const struct command radius = {"georadius", -6, .keys = {1, 1, 1},
                                          .key_specs = "RO; STORE@6..0 OW; STOREDIST@6..0 OW"};
    struct key_use out[16];

    cr_expect_eq(keys_of(&group, "xreadgroup group streams c streams k l 0 0", out), 2);
    cr_expect_eq(out[0].at, 5);
    cr_expect_eq(out[1].at, 6);
    cr_expect_eq(keys_of(&group, "xreadgroup count 1 group g streams noack STREAMS k 0", out), 1);
    cr_expect_eq(out[0].at, 8);
    cr_expect_eq(keys_of(&radius, "georadius k 0 0 1 m store a storedist b store c", out), 4);
    cr_expect_eq(out[1].at, 7);
    cr_expect_eq(out[2].at, 11);
    cr_expect_eq(out[3].at, 9);
}

Test(keyspec, flags_may_follow_from_arguments) {
    struct command c = {
        .name = "set", .keys = {1, 1, 1}, .key_specs = "RW access update variable_flags"};
    struct key_use use[16];

    cr_assert_eq(keys_of(&c, "set k v", use), 1);
    cr_expect_eq(use[0].flags, KEY_OW | KEY_UPDATE);
    cr_assert_eq(keys_of(&c, "set k v get", use), 1);
    cr_expect_eq(use[0].flags, KEY_RW | KEY_ACCESS | KEY_UPDATE);
    cr_assert_eq(keys_of(&c, "set k v ifeq w", use), 1);
    cr_expect_eq(use[0].flags, KEY_RW | KEY_ACCESS | KEY_UPDATE);
    c.name = "delex";
    cr_assert_eq(keys_of(&c, "delex k", use), 1);
    cr_expect_eq(use[0].flags, KEY_RM | KEY_DELETE);
    cr_assert_eq(keys_of(&c, "delex k ifne v", use), 1);
    cr_expect_eq(use[0].flags, KEY_RM | KEY_DELETE | KEY_ACCESS);
}

Test(command, getkeys_says_what_is_wrong) {
    struct help *h = help_new(NULL);

    cr_expect_str_eq(help_ask(&h->a, "command getkeys mset a 1 b 2"), "*2|$1|a|$1|b|");
    cr_expect_str_eq(help_ask(&h->a, "command getkeys nosuch a"),
                     "-ERR Invalid command specified|");
    cr_expect_str_eq(help_ask(&h->a, "command getkeys ping"),
                     "-ERR The command has no key arguments|");
    cr_expect_str_eq(help_ask(&h->a, "command getkeys get"),
                     "-ERR Invalid number of arguments specified for command|");
    cr_expect_str_eq(help_ask(&h->a, "command nosuch"),
                     "-ERR unknown subcommand 'nosuch'. Try COMMAND HELP.|");
    help_free(h);
}

Test(command, a_filtered_list_has_subcommands_too) {
    struct help *h = help_new(NULL);

    cr_expect_str_eq(help_ask(&h->a, "command list filterby pattern config|re*"),
                     "*3|$13|config|reload|$16|config|resetstat|$14|config|rewrite|");
    cr_expect_str_eq(help_ask(&h->a, "command list filterby module m"), "*0|");
    cr_expect_str_eq(help_ask(&h->a, "command list filterby aclcat nosuch"), "*0|");
    help_free(h);
}

Test(category, follows_from_flags_and_group) {
    struct help *h = help_new(NULL);
    const struct command_slot *s = command_lookup(&h->e.commands, SLICE("get"));

    cr_expect_eq(command_categories(s), 1u << CAT_READ | 1u << CAT_STRING | 1u << CAT_FAST);
    s = command_lookup(&h->e.commands, SLICE("config"));
    cr_expect_eq(command_categories(s), 1u << CAT_SLOW);
    s = command_lookup(&h->e.commands, SLICE("command"));
    cr_expect_eq(command_categories(&s->sub[0]), 1u << CAT_SLOW | 1u << CAT_CONNECTION);
    help_free(h);
}
