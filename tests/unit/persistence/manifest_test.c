/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_manifest.h"
#include "storage/base/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(manifest, .init = mem_thread_init);

static const char *format(const struct aof_manifest *m) {
    static struct bytes b;

    bytes_clear(&b);
    aof_manifest_format(m, &b);
    return bytes_cstr(&b);
}

Test(manifest, redis_text_is_read_and_written_byte_for_byte) {
    static const char text[] = "file appendonly.aof.2.base.rdb seq 2 type b\n"
                               "file appendonly.aof.1.base.rdb seq 1 type h\n"
                               "file appendonly.aof.1.incr.aof seq 1 type h\n"
                               "file appendonly.aof.2.incr.aof seq 2 type i\n"
                               "file appendonly.aof.3.incr.aof seq 3 type i\n";
    struct aof_manifest m;

    cr_assert_eq(aof_manifest_parse(&m, "m", slice_str(text), NULL), 0);
    cr_expect_str_eq(format(&m), text);
    cr_expect_str_eq(aof_manifest_base(&m)->name, "appendonly.aof.2.base.rdb");
    cr_expect_str_eq(aof_manifest_last_incr(&m)->name, "appendonly.aof.3.incr.aof");
    cr_expect_eq(m.base_seq, 2);
    cr_expect_eq(m.incr_seq, 3);
    aof_manifest_release(&m);
}

Test(manifest, comments_and_unknown_keys_are_read_over) {
    struct aof_manifest m;

    cr_assert_eq(aof_manifest_parse(&m, "m",
                                    SLICE("# a note\n"
                                          "file a.1.base.aof seq 1 type b startoffset 0\n"
                                          "SEQ 7 TYPE i FILE a.7.incr.aof\n"),
                                    NULL),
                 0);
    cr_expect_str_eq(format(&m),
                     "file a.1.base.aof seq 1 type b\nfile a.7.incr.aof seq 7 type i\n");
    aof_manifest_release(&m);
}

Test(manifest, names_with_odd_bytes_are_quoted) {
    static const char *const names[] = {"a b.aof",      "tab\there", "quote\"d", "\x01\xff.aof",
                                        "back\\ slash", "it's.aof",  "'",        "back\\slash"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct aof_manifest m = {0}, back;
        char text[600];

        aof_manifest_add_incr(&m, names[i]);
        snprintf(text, sizeof text, "%s", format(&m));
        cr_expect_eq(strncmp(text, "file \"", 6), 0, "%s", text);
        cr_assert_eq(aof_manifest_parse(&back, "m", slice_str(text), NULL), 0, "%s", text);
        cr_expect_str_eq(back.files[0].name, m.files[0].name);
        aof_manifest_release(&m);
        aof_manifest_release(&back);
    }
}

/* 255 bytes, the longest that a file system allows, each of them written as four. */
Test(manifest, the_longest_name_that_a_file_can_have_is_read_again) {
    struct aof_manifest m = {0}, back;
    char stem[256];
    struct bytes text = {0};
    struct err e;

    memset(stem, 0xe4, sizeof stem);
    stem[255 - strlen(".1.incr.aof")] = '\0';
    aof_manifest_add_incr(&m, stem);
    cr_assert_eq(strlen(m.files[0].name), 255);
    aof_manifest_format(&m, &text);
    cr_assert_eq(aof_manifest_parse(&back, "m", bytes_slice(&text), &e), 0, "%s", e.text);
    cr_expect_str_eq(back.files[0].name, m.files[0].name);
    aof_manifest_release(&m);
    aof_manifest_release(&back);
    bytes_release(&text);
}

struct refusal {
    const char *text, *why;
};

static const struct refusal refusals[] = {
    {"", "Found an empty AOF manifest"},
    {"# nothing else\n", "it names no file"},
    {"\n", "an empty line"},
    {"file a seq 1 type b\n\nfile b seq 1 type i\n", "an empty line"},
    {"file a seq 1 type b", "its last line has no end"},
    {"file a seq 1 type\n", "Invalid AOF manifest file format: a key without a value"},
    {"file a seq 1\n", "Invalid AOF manifest file format: file, seq and type are needed"},
    {"file a type b\n", "file, seq and type are needed"},
    {"seq 1 type b\n", "file, seq and type are needed"},
    {"file a seq 0 type b\n", "a sequence number is not a positive number"},
    {"file a seq -1 type b\n", "a sequence number is not a positive number"},
    {"file a seq 1x type b\n", "a sequence number is not a positive number"},
    {"file a seq 9223372036854775808 type b\n", "a sequence number is not a positive number"},
    {"file a seq 1 type x\n", "Unknown AOF file type"},
    {"file a seq 1 type bb\n", "Unknown AOF file type"},
    {"file a/b seq 1 type b\n", "a file name holds a path"},
    {"file ../a seq 1 type b\n", "a file name holds a path"},
    {"file \"\" seq 1 type b\n", "a file name is empty or too long"},
    {"file \"a\\x00b\" seq 1 type b\n", "holds a NUL"},
    {"file \"a seq 1 type b\n", "Invalid AOF manifest file format: unbalanced quotes"},
    {"file a seq 1 type b\nfile b seq 2 type b\n", "Found duplicate base file information"},
    {"file a seq 1 type i\nfile b seq 1 type i\n", "Found a non-monotonic sequence number"},
    {"file a seq 2 type i\nfile b seq 1 type i\n", "Found a non-monotonic sequence number"},
    {"file a seq 1 type b\nfile a seq 1 type i\n", "the same file twice"},
};

Test(manifest, what_makes_no_sense_is_refused_with_its_reason) {
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct aof_manifest m;
        struct err e = {0};

        cr_expect_eq(aof_manifest_parse(&m, "the-manifest", slice_str(refusals[i].text), &e), -1);
        cr_expect_not_null(strstr(e.text, refusals[i].why), "'%s' gave: %s", refusals[i].text,
                           e.text);
        cr_expect_not_null(strstr(e.text, "manifest 'the-manifest'"), "%s", e.text);
        cr_expect_null(m.files, "nothing is left to release");
    }
}

Test(manifest, the_line_is_named) {
    struct aof_manifest m;
    struct err e;

    cr_expect_eq(aof_manifest_parse(&m, "m", SLICE("file a seq 1 type b\nfile b\n"), &e), -1);
    cr_expect_not_null(strstr(e.text, "line 2 'file b'"), "%s", e.text);
}

Test(manifest, lines_and_names_that_are_too_long_are_refused) {
    struct bytes b = {0};
    struct aof_manifest m;
    struct err e;

    bytes_append_str(&b, "file ");
    for (int i = 0; i < AOF_NAME_MAX; i++) bytes_append_char(&b, 'a');
    bytes_append_str(&b, " seq 1 type b\n");
    cr_expect_eq(aof_manifest_parse(&m, "m", bytes_slice(&b), &e), -1);
    cr_expect_not_null(strstr(e.text, "too long"), "%s", e.text);
    bytes_clear(&b);
    bytes_append_str(&b, "# ");
    for (int i = 0; i < 1100; i++) bytes_append_char(&b, 'a');
    bytes_append_str(&b, "\nfile a seq 1 type b\n");
    cr_expect_eq(aof_manifest_parse(&m, "m", bytes_slice(&b), &e), -1);
    cr_expect_not_null(strstr(e.text, "contains too long line"), "%s", e.text);
    bytes_release(&b);
}

Test(manifest, cut_anywhere_it_is_refused_or_names_whole_lines_only) {
    static const char text[] = "file a.1.base.aof seq 1 type b\nfile a.1.incr.aof seq 1 type i\n";

    for (size_t n = 0; n < sizeof text - 1; n++) {
        struct aof_manifest m;
        int rc = aof_manifest_parse(&m, "m", slice_of(text, n), NULL);

        cr_expect_eq(rc, n == 31 ? 0 : -1, "cut at %zu", n);
        if (rc == 0) aof_manifest_release(&m);
    }
}

Test(manifest, a_rewrite_turns_files_into_history_and_counts_on) {
    struct aof_manifest m = {0}, copy;

    aof_manifest_set_base(&m, "log", "aof");
    aof_manifest_add_incr(&m, "log");
    aof_manifest_add_incr(&m, "log");
    aof_manifest_copy(&copy, &m);
    aof_manifest_set_base(&m, "log", "rdb");
    aof_manifest_retire_incrs(&m, 1);
    cr_expect_str_eq(format(&m), "file log.2.base.rdb seq 2 type b\n"
                                 "file log.1.base.aof seq 1 type h\n"
                                 "file log.1.incr.aof seq 1 type h\n"
                                 "file log.2.incr.aof seq 2 type i\n");
    aof_manifest_drop_history(&m);
    cr_expect_str_eq(format(&m), "file log.2.base.rdb seq 2 type b\n"
                                 "file log.2.incr.aof seq 2 type i\n");
    aof_manifest_retire_incrs(&m, 0);
    aof_manifest_drop_history(&m);
    cr_expect_null(aof_manifest_last_incr(&m));
    cr_expect_eq(aof_manifest_add_incr(&m, "log")->seq, 3, "numbers are not used twice");
    cr_expect_eq(copy.n, 3, "a copy is its own");
    cr_expect_str_eq(aof_manifest_base(&copy)->name, "log.1.base.aof");
    aof_manifest_release(&m);
    aof_manifest_release(&copy);
}

Test(manifest, increments_behind_a_gap_are_taken_out) {
    struct aof_manifest m;
    char name[AOF_NAME_MAX];

    cr_assert_eq(aof_manifest_parse(&m, "m",
                                    SLICE("file a.2.incr.aof seq 2 type i\n"
                                          "file a.3.incr.aof seq 3 type i\n"
                                          "file a.9.incr.aof seq 9 type i\n"),
                                    NULL),
                 0);
    cr_assert(aof_manifest_drop_stray(&m, name));
    cr_expect_str_eq(name, "a.9.incr.aof");
    cr_expect_not(aof_manifest_drop_stray(&m, name));
    cr_expect_str_eq(aof_manifest_add_incr(&m, "a")->name, "a.4.incr.aof");
    aof_manifest_release(&m);
}
