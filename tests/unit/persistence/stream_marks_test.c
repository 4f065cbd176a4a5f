/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The marks of the replication stream: their text, and what a file with them is worth.
 */
#include "log_help.h"

#include "storage/base/mem.h"
#include "storage/base/rng.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define ID_A "0123456789abcdef0123456789abcdef01234567"
#define ID_B "ffffffffffffffffffffffffffffffffffffffff"

TestSuite(stream_marks, .init = mem_thread_init);

static const struct aof_epoch epoch = {
    .id = 0x0123456789abcdef, .position = 1000000, .offset = 77, .epoch = 3, .version = 2};
static const struct aof_stream place = {ID_A, 0x1234, 11};
static const struct aof_stream_past past = {ID_B, 0x99};

static struct slice at_line(char *out) {
    return slice_of(out, aof_stream_put_at(out, &epoch, 2000000, &place) - 2);
}

static struct slice past_line(char *out) {
    return slice_of(out, aof_stream_put_past(out, &epoch, 2000000, &past) - 2);
}

static struct slice end_line(char *out) {
    return slice_of(out, aof_stream_put_end(out, &epoch, 2000000) - 2);
}

static const struct {
    struct slice (*write)(char *out);
    enum aof_stream_line kind;
    const char *begins;
} kinds[] = {{at_line, AOF_STREAM_AT, "#@" ID_A " 1234 b "},
             {past_line, AOF_STREAM_PAST, "#@+" ID_B " 99 "},
             {end_line, AOF_STREAM_END, "#@- "}};
enum { KINDS = sizeof kinds / sizeof *kinds };

Test(stream_marks, the_format_on_disk_stands) {
    struct aof_stream got, none = {ID_A, 0, -1};
    char out[AOF_MARK_MAX];
    struct bytes b = {0};

    for (size_t k = 0; k < KINDS; k++) {
        struct slice line = kinds[k].write(out);

        cr_expect_eq(memcmp(line.p, kinds[k].begins, strlen(kinds[k].begins)), 0);
        cr_expect_eq(line.n, strlen(kinds[k].begins) + 8);
        cr_expect_eq(aof_stream_parse(line, &epoch, 2000000, &got), kinds[k].kind);
    }
    aof_stream_parse(at_line(out), &epoch, 2000000, &got);
    cr_expect_str_eq(got.id, ID_A);
    cr_expect_eq(got.offset, 0x1234);
    cr_expect_eq(got.db, 11);
    aof_stream_put_at(out, &epoch, 5, &none);
    cr_expect_eq(memcmp(out, "#@" ID_A " 0 - ", 47), 0);
    aof_stream_put_note(&b, slice_of("a\\\r\n\0~\377", 7));
    cr_expect_str_eq(bytes_cstr(&b), "#>a\\\\\\r\\n\\x00~\\xff\r\n");
    bytes_release(&b);
}

/* Once written to disks, the check values may not change. */
Test(stream_marks, the_check_values_stand) {
    static const struct aof_epoch zero = {.version = 2};
    char out[AOF_MARK_MAX];
    size_t n = aof_stream_put_end(out, &zero, 0);

    cr_expect_eq(n, 14);
    cr_expect_arr_eq(out, "#@- de7b5033\r\n", 14, "%.14s", out);
}

Test(stream_marks, every_flipped_bit_and_other_length_is_refused) {
    struct aof_stream got;

    for (size_t k = 0; k < KINDS; k++) {
        char out[AOF_MARK_MAX + 1];
        struct slice line = kinds[k].write(out);

        for (size_t bit = 0; bit < line.n * 8; bit++) {
            out[bit / 8] ^= (char)(1 << bit % 8);
            cr_expect_neq(aof_stream_parse(line, &epoch, 2000000, &got), kinds[k].kind);
            out[bit / 8] ^= (char)(1 << bit % 8);
        }
        for (size_t n = 0; n <= line.n + 1; n++)
            if (n != line.n)
                cr_expect_neq(aof_stream_parse(slice_of(out, n), &epoch, 2000000, &got),
                              kinds[k].kind);
        cr_expect_eq(aof_stream_parse(line, &epoch, 2000001, &got), AOF_STREAM_BAD);
    }
}

Test(stream_marks, notes_of_any_bytes_come_back) {
    for (int round = 0; round < 300; round++) {
        struct bytes data = {0}, text = {0}, back = {0};
        size_t n = 1 + rng_below(round < 100 ? 20 : 5000);

        for (size_t i = 0; i < n; i++)
            bytes_append_char(&data, (char)(round % 3 ? rng_below(256) : 'a' + rng_below(26)));
        aof_stream_put_note(&text, bytes_slice(&data));
        for (size_t at = 0; at < text.n;) {
            const char *nl = memchr(text.p + at, '\n', text.n - at);
            size_t line = (size_t)(nl - (text.p + at)) - 1;

            cr_assert_leq(line + 2, 1023);
            cr_assert_eq(nl[-1], '\r');
            cr_assert_gt(aof_stream_read_note(slice_of(text.p + at, line), &back), 0);
            at += line + 2;
        }
        cr_assert(slice_eq(bytes_slice(&back), bytes_slice(&data)));
        bytes_release(&data);
        bytes_release(&text);
        bytes_release(&back);
    }
}

Test(stream_marks, a_note_has_one_form_of_escapes) {
    static const char *const bad[] = {"#>\\",   "#>\\x",   "#>\\x1",    "#>\\xAB",
                                      "#>\\q",  "#>\t",    "#>\\x1g",   "#>a\x80",
                                      "#>\\x0", "#>ab\\x", "#>\x7f...", "#>\\R"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_eq(aof_stream_read_note(slice_str(bad[i]), NULL), -1, "%s", bad[i]);
}

/* ---------------------------------------------------------------- the state */

Test(stream_marks, ids_become_older_ids_at_the_same_offset_only) {
    struct aof_stream_state st = {0};
    struct aof_stream s = {ID_A, 10, 0};

    cr_expect_not(aof_stream_goes_on(&st, &s));
    cr_expect(aof_stream_goes_on(&st, &s));
    cr_expect_eq(st.npasts, 0);
    for (int i = 0; i < 12; i++) {
        s.id[0] = (char)('a' + i % 6);
        s.id[1] = (char)('0' + i);
        if (i >= 10) s.id[1] = (char)('a' + i - 10);
        st.now.offset = s.offset = (uint64_t)(100 + i);
        cr_expect(aof_stream_goes_on(&st, &s));
    }
    cr_expect_eq(st.npasts, AOF_STREAM_PASTS);
    cr_expect_eq(st.past[0].end, 104);
    cr_expect_eq(st.past[7].end, 111);
    s.offset++;
    cr_expect_not(aof_stream_goes_on(&st, &s));
    cr_expect_eq(st.npasts, 0);
}

/* ---------------------------------------------------------------- files */

static struct aof_report r;

/* A file with this batch after a header; what is read of it. */
static const char *read_batch(struct made *m, int version, const char *commands) {
    *m = (struct made){.version = version, .stream = {ID_A, 100, 1}};
    made_header(m, 7, 1);
    made_batch(m, commands, UINT64_MAX);
    return read_bytes(bytes_slice(&m->b), &r);
}

Test(stream_marks, bytes_of_the_stream_are_counted) {
    struct made m;

    /* SET a 1 is 27 bytes, SELECT 2 is 23. */
    cr_expect_str_eq(read_batch(&m, 2,
                                "SET a 1;#@;SET a 1;#-;SELECT 3;#-;SET b 1;#>ab\\n;SELECT 2;"
                                "SET c 1;#-;MULTI;SET d 1;SET e 1;EXEC;SET f 1"),
                     "SET a 1;SET a 1;SELECT 3;SET b 1;SELECT 2;SET c 1;SET d 1;SET e 1;SET f 1;");
    cr_expect_eq(r.verdict, AOF_WHOLE);
    cr_expect_str_eq(r.stream.now.id, ID_A);
    cr_expect_eq(r.stream.now.offset, 100 + 27 + 3 + 23 + 27 + 27);
    cr_expect_eq(r.stream.now.db, 2);
    made_release(&m);
    read_batch(&m, 2, "#@;SET a 1;#@-;SET b 1");
    cr_expect_eq(r.verdict, AOF_WHOLE);
    cr_expect_str_eq(r.stream.now.id, "");
    made_release(&m);
}

Test(stream_marks, each_has_its_place) {
    static const char *const bad[] = {
        "#@;MULTI;#-;SET a 1;EXEC",
        "#@;MULTI;#>a;EXEC",
        "MULTI;#@;EXEC",
        "#@;SET a 1;#-",
        "#@;#-;#-;SET a 1",
        "#@;#-;#>a;SET a 1",
        "#>a",
        "#-;SET a 1",
        "#@;#>",
        "#@;#>\\q",
        "#@x",
        "#@;#@@",
        "#@;#-x;SET a 1",
        "#@;#foo",
        "#@-x",
    };
    struct made m;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        read_batch(&m, 2, bad[i]);
        cr_expect_neq(r.verdict, AOF_WHOLE, "%s", bad[i]);
        cr_expect_str_eq(r.stream.now.id, "");
        made_release(&m);
    }
    read_batch(&m, 1, "#@;SET a 1");
    cr_expect_neq(r.verdict, AOF_WHOLE, "version 1 has no such marks");
    made_release(&m);
    read_batch(&m, 2, "SET a 1");
    made_plain(&m, "#@", false);
    read_bytes(bytes_slice(&m.b), &r);
    cr_expect_neq(r.verdict, AOF_WHOLE, "outside a batch");
    made_release(&m);
}

Test(stream_marks, commands_of_another_server_end_it) {
    struct made m;

    read_batch(&m, 2, "#@;SET a 1");
    made_plain(&m, "SET b 1", false);
    read_bytes(bytes_slice(&m.b), &r);
    cr_expect_eq(r.verdict, AOF_WHOLE);
    cr_expect_str_eq(r.stream.now.id, "");
    made_release(&m);
}

Test(stream_marks, a_file_of_version_1_ends_it_if_it_holds_commands) {
    struct aof_stream_state before = {.now = {ID_A, 5, 0}};
    struct made m = {0};

    for (int n = 0; n < 2; n++) {
        struct made *f = &m;
        FILE *tmp = tmpfile();

        *f = (struct made){0};
        made_header(f, 7, 1);
        if (n) made_batch(f, "SET a 1", UINT64_MAX);
        cr_assert_eq(fwrite(f->b.p, 1, f->b.n, tmp), f->b.n);
        fflush(tmp);
        aof_read_file_after(fileno(tmp), &before, &(struct aof_reader_ops){0}, NULL, &r);
        cr_expect_eq(r.verdict, AOF_WHOLE);
        cr_expect_str_eq(r.stream.now.id, n ? "" : ID_A);
        fclose(tmp);
        made_release(f);
    }
}
