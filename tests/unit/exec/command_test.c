/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/command.h"
#include "storage/base/mem.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>

static const struct command sub[] = {{"one", 2}, {"two", 3}, {0}};
static const struct command rows[] = {
    {"get", 2}, {"set", -3}, {"gett", 1}, {"config", -2, .subcommands = sub}, {0}};

static struct command_registry reg;

static void begin(void) {
    mem_thread_init();
    command_registry_add(&reg, rows);
    command_registry_seal(&reg);
}

static void end(void) {
    command_registry_release(&reg);
}

TestSuite(command, .init = begin, .fini = end);

static struct command_slot *lookup(const char *name) {
    return command_lookup(&reg, slice_str(name));
}

static const char *resolve(const char *a, const char *b, bool *unknown) {
    struct slice argv[] = {slice_str(a), slice_str(b ? b : "")};
    struct command_slot *s = command_resolve(&reg, b ? 2 : 1, argv, unknown);

    return s ? s->name : "none";
}

Test(command, names_are_found_in_any_case_and_whole) {
    cr_assert_eq(lookup("get")->row, &rows[0]);
    cr_assert_eq(lookup("GeT")->row, &rows[0]);
    cr_assert_eq(lookup("gett")->row, &rows[2]);
    cr_assert_null(lookup("ge"));
    cr_assert_null(lookup("gets"));
    cr_assert_null(lookup(""));
    cr_assert_null(command_lookup(&reg, slice_of("get\0", 4)));
}

/* A bit tells small letters from capital ones; other bytes differ in it too. */
Test(command, names_of_any_length_and_bytes_are_told_apart) {
    static const char *const names[] = {"a",
                                        "ab",
                                        "abc",
                                        "abcd",
                                        "abcdefg",
                                        "abcdefgh",
                                        "abcdefghi",
                                        "abcdefghijklmnop",
                                        "abcdefghijklmnopq",
                                        "abcdefghijklmnopqrstuvwxyz",
                                        "a-b",
                                        "a_b_c_d_e.f",
                                        "bitfield_ro",
                                        "x1",
                                        NULL};
    static struct command many[32];
    size_t n = 0;

    for (; names[n]; n++) many[n] = (struct command){.name = names[n], .arity = 1};
    command_registry_add(&reg, many);
    command_registry_seal(&reg);
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(names[i]);
        char name[40];

        strcpy(name, names[i]);
        cr_expect_eq(lookup(name)->row, &many[i], "%s", name);
        for (size_t k = 0; k < len; k++) {
            for (int b = 1; b < 256; b++) {
                struct command_slot *found;

                name[k] = (char)b;
                found = lookup(name);
                cr_expect(!found || strcasecmp(found->name, name) == 0,
                          "'%s' for %d at %zu in '%s'", found ? found->name : "", b, k, names[i]);
                cr_expect(found || strcasecmp(names[i], name) != 0);
            }
            name[k] = names[i][k];
        }
        for (size_t k = 0; k < len; k++) name[k] = (char)toupper(name[k]);
        cr_expect_eq(lookup(name)->row, &many[i], "%s", name);
    }
}

Test(command, subcommands_are_resolved) {
    bool unknown = true;

    cr_expect_str_eq(resolve("config", "ONE", &unknown), "config|one");
    cr_expect_not(unknown);
    cr_expect_str_eq(resolve("CONFIG", "two", &unknown), "config|two");
    cr_expect_str_eq(resolve("config", "three", &unknown), "config");
    cr_expect(unknown);
    cr_expect_str_eq(resolve("config", NULL, &unknown), "config");
    cr_expect_not(unknown);
    cr_expect_str_eq(resolve("get", "one", &unknown), "get");
    cr_expect_not(unknown);
    cr_expect_str_eq(resolve("nothing", "one", &unknown), "none");
    cr_expect_not(unknown);
}

Test(command, renaming_moves_and_removes) {
    cr_assert_eq(command_registry_rename(&reg, "nothing", "x"), -1);
    cr_assert_eq(command_registry_rename(&reg, "get", "set"), -1, "that name is taken");
    cr_assert_eq(command_registry_rename(&reg, "GET", "Fetch"), 0);
    cr_assert_eq(command_registry_rename(&reg, "set", ""), 0);
    command_registry_seal(&reg);
    cr_assert_null(lookup("get"));
    cr_assert_null(lookup("set"));
    cr_assert_null(lookup(""));
    cr_assert_eq(lookup("fetch")->row, &rows[0]);
    cr_assert_eq(command_registry_rename(&reg, "gett", "get"), 0, "the old name is free");
    command_registry_seal(&reg);
    cr_assert_eq(lookup("get")->row, &rows[2]);
}

Test(command, arity_is_exact_or_a_minimum) {
    cr_assert(command_arity_ok(&rows[0], 2));
    cr_assert_not(command_arity_ok(&rows[0], 1));
    cr_assert_not(command_arity_ok(&rows[0], 3));
    cr_assert(command_arity_ok(&rows[1], 3));
    cr_assert(command_arity_ok(&rows[1], 30));
    cr_assert_not(command_arity_ok(&rows[1], 2));
}

Test(command, a_thousand_commands_are_all_found) {
    static struct command many[1001];
    static char names[1000][16];

    for (int i = 0; i < 1000; i++) {
        snprintf(names[i], sizeof names[i], "cmd%d", i);
        many[i] = (struct command){.name = names[i], .arity = 1};
    }
    command_registry_add(&reg, many);
    command_registry_seal(&reg);
    for (int i = 0; i < 1000; i++) cr_assert_eq(lookup(names[i])->row, &many[i]);
    cr_assert_eq(lookup("get")->row, &rows[0]);
}
