/* SPDX-License-Identifier: BSD-3-Clause */
#include "conf/conf.h"
#include "conf_help.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <unistd.h>

Test(conf_cmdline, options_win_over_the_file) {
    struct conf *c;

    help_in_tmp();
    help_write("a.conf", "port 1\ntimeout 2\n");
    c = help_args("a.conf --port 7 --hz 20");
    cr_assert_eq(conf_values(c)->port, 7);
    cr_assert_eq(conf_values(c)->timeout, 2);
    cr_assert_eq(conf_values(c)->hz, 20);
    cr_assert_eq(conf_path(c)[0], '/');
    conf_free(c);
}

Test(conf_cmdline, without_a_file_there_is_no_path) {
    struct conf *c = help_args("--port 7");

    cr_assert_null(conf_path(c));
    conf_free(c);
}

Test(conf_cmdline, a_value_may_be_several_words) {
    struct conf *c =
        help_args("--shutdown-on-sigint nosave force now --save 900 1 300 10 --port 7");

    cr_assert_str_eq(help_get(c, "shutdown-on-sigint"), "nosave now force");
    cr_assert_str_eq(help_get(c, "save"), "900 1 300 10");
    cr_assert_eq(conf_values(c)->port, 7);
    conf_free(c);
}

Test(conf_cmdline, save_may_be_empty_in_three_ways) {
    static const char *const cases[] = {"--save _ --port 7", "--save --port 7", "--port 7 --save"};

    for (size_t i = 0; i < 3; i++) {
        struct conf *c = help_args(cases[i]);

        cr_expect_eq(conf_values(c)->save.n, 0, "%s", cases[i]);
        cr_expect_eq(conf_values(c)->port, 7, "%s", cases[i]);
        conf_free(c);
    }
}

Test(conf_cmdline, one_word_may_be_name_and_value) {
    char *argv[] = {"stet-server", "--maxmemory 700mb", "--requirepass", "a b", "--port", "7"};
    struct conf *c = conf_new();

    cr_assert_eq(conf_load_args(c, 6, argv, NULL), 0);
    cr_assert_eq(conf_values(c)->maxmemory, 700ull << 20);
    cr_assert_str_eq(conf_values(c)->requirepass.p, "a b");
    cr_assert_eq(conf_values(c)->port, 7);
    conf_free(c);
}

Test(conf_cmdline, a_value_may_begin_with_two_dashes) {
    struct conf *c = help_args("--requirepass --secret --port 7");

    cr_assert_str_eq(conf_values(c)->requirepass.p, "--secret");
    cr_assert_eq(conf_values(c)->port, 7);
    conf_free(c);
}

Test(conf_cmdline, a_dash_reads_standard_input) {
    static const char *const cases[] = {"a.conf -", "a.conf --timeout 5 -", "-", "- --timeout 5"};

    help_in_tmp();
    help_write("a.conf", "port 1\n");
    help_write("input", "port 9\ntimeout 4\n");
    for (size_t i = 0; i < 4; i++) {
        int fd = open("input", O_RDONLY);
        struct conf *c;

        dup2(fd, STDIN_FILENO);
        close(fd);
        c = help_args(cases[i]);
        cr_expect_eq(conf_values(c)->port, 9, "%s", cases[i]);
        cr_expect_eq(conf_values(c)->timeout, strstr(cases[i], "--") ? 5 : 4, "%s", cases[i]);
        conf_free(c);
    }
}

Test(conf_cmdline, errors_count_the_lines_that_the_options_make) {
    help_in_tmp();
    help_write("a.conf", "port 1\ntimeout 2\n");
    cr_assert_str_eq(help_args_error("--port x"),
                     "line 2 | >>> 'port \"x\"' | argument couldn't be parsed into an integer");
    cr_assert_str_eq(help_args_error("--port"), "line 2 | >>> 'port' | wrong number of arguments");
    cr_assert_str_eq(help_args_error("--hz 5 --port --hz"),
                     "line 3 | >>> 'port \"--hz\"' | argument couldn't be parsed into an integer");
    cr_assert_str_eq(help_args_error("a.conf --zzz 1"),
                     "line 4 | >>> 'zzz \"1\"' | Bad directive or wrong number of arguments");
    cr_assert_str_eq(help_args_error("-p 3"),
                     "line 2 | >>> '\"-p\" \"3\"' | Bad directive or wrong number of arguments");
    cr_assert_str_eq(help_args_error("--save 900 1 --save 300"),
                     "line 3 | >>> 'save \"300\"' | Invalid save parameters");
}

Test(conf_cmdline, a_missing_file_is_named_with_its_whole_path) {
    struct conf *c = conf_new();
    char *argv[] = {"stet-server", "/nosuch/x.conf"};
    struct err e;

    cr_assert_eq(conf_load_args(c, 2, argv, &e), -1);
    cr_assert_eq(e.code, CONF_ERR_OPEN);
    cr_assert_str_eq(
        e.text, "Fatal error, can't open config file '/nosuch/x.conf': No such file or directory");
    conf_free(c);
}
