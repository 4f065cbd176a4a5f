/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a file is worth: whole, torn or corrupt, and what of it is delivered.
 */
#include "log_help.h"

#include "persistence/aof_room.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

TestSuite(reader, .init = mem_thread_init);

static struct aof_report r;

/* A log that never was synced: no trailer vouches for anything. */
static void make_unsynced(struct made *m) {
    made_header(m, 7, 1);
    made_batch(m, "SET a 1", UINT64_MAX);
    made_batch(m, "SET b 2;SET c 3", UINT64_MAX);
    made_batch(m, "MULTI;SET d 4;SET e 5;EXEC", UINT64_MAX);
    made_batch(m, "SET f 6", UINT64_MAX);
}

/* What the first `units` units of make_unsynced deliver. */
static const char *const delivered[] = {"",
                                        "",
                                        "SET a 1;",
                                        "SET a 1;SET b 2;SET c 3;",
                                        "SET a 1;SET b 2;SET c 3;SET d 4;SET e 5;",
                                        "SET a 1;SET b 2;SET c 3;SET d 4;SET e 5;SET f 6;"};

Test(reader, a_whole_log_is_delivered_without_its_brackets) {
    struct made m = {.base = 4711};

    make_unsynced(&m);
    made_synced(&m, 0);
    cr_assert_str_eq(read_bytes(bytes_slice(&m.b), &r), delivered[5]);
    cr_assert_eq(r.verdict, AOF_WHOLE);
    cr_assert_eq(r.good, m.b.n);
    cr_assert_eq(r.size, m.b.n);
    cr_assert_eq(r.commands, 6);
    cr_assert_eq(r.units, 6);
    cr_assert(r.has_header && r.has_data && !r.unmarked);
    cr_assert_eq(r.epoch.position, 4711);
    cr_assert_eq(r.last_ms, m.epoch.ms + 2000);
    made_release(&m);
}

/* Torn at any byte, it gives got_after[n] if n units are whole before it. */
static void is_good_up_to_a_unit(const struct made *m, const char *const *got_after) {
    unsigned units;

    for (size_t at = 0; at <= m->b.n; at++) {
        size_t good = made_good(m, at, &units);
        const char *got = read_bytes(slice_of(m->b.p, at), &r);

        cr_assert_eq(r.verdict, good == at ? AOF_WHOLE : AOF_TORN, "at %zu: %s", at, r.why);
        cr_assert_eq(r.good, good, "at %zu", at);
        cr_assert_str_eq(got, got_after[units]);
    }
}

Test(reader, torn_at_any_byte_a_log_with_marks_is_good_up_to_a_batch) {
    struct made m = {.base = 100};

    make_unsynced(&m);
    is_good_up_to_a_unit(&m, delivered);
    made_release(&m);
}

static void make_plain(struct made *m) {
    made_plain(m, "SELECT 0;SET a 1", false);
    bytes_append_str(&m->b, "#TS:1700000000\r\n");
    m->unit[m->nunits++] = m->b.n;
    made_plain(m, "MULTI;SET b 2;SET c 3;EXEC", true);
    made_plain(m, "SET d 4", false);
}

Test(reader, torn_at_any_byte_a_log_without_marks_is_good_up_to_a_command) {
    static const char *const got_after[] = {"",
                                            "SELECT 0;",
                                            "SELECT 0;SET a 1;",
                                            "SELECT 0;SET a 1;",
                                            "SELECT 0;SET a 1;SET b 2;SET c 3;",
                                            "SELECT 0;SET a 1;SET b 2;SET c 3;SET d 4;"};
    struct made m = {0};

    make_plain(&m);
    is_good_up_to_a_unit(&m, got_after);
    cr_assert(r.unmarked && !r.has_header);
    cr_assert_eq(r.last_ms, INT64_C(1700000000000));
    made_release(&m);
}

/* ---------------------------------------------------------------- damage */

/* Flips each byte of unit `unit` in turn. The verdict is always the same, and nothing of that unit
 * or after it is delivered. */
static void flip_unit(struct made *m, unsigned unit, enum aof_verdict verdict) {
    for (size_t at = m->unit[unit - 1]; at < m->unit[unit]; at++) {
        const char *got;

        m->b.p[at] ^= 0x11;
        got = read_bytes(bytes_slice(&m->b), &r);
        cr_assert_eq(r.verdict, verdict, "byte %zu: %d, %s", at, r.verdict, r.why);
        cr_assert_eq(r.good, m->unit[unit - 1], "byte %zu", at);
        cr_assert_str_eq(got, delivered[unit]);
        cr_assert_geq(r.at, r.good);
        m->b.p[at] ^= 0x11;
    }
}

Test(reader, damage_that_nobody_called_synced_is_a_torn_tail) {
    struct made m = {.base = 100};

    make_unsynced(&m);
    for (unsigned unit = 1; unit <= 4; unit++) flip_unit(&m, unit, AOF_TORN);
    made_release(&m);
}

Test(reader, damage_that_a_later_mark_calls_synced_is_corruption) {
    struct made m = {.base = 100};

    make_unsynced(&m);
    made_synced(&m, 0);
    for (unsigned unit = 1; unit <= 4; unit++) flip_unit(&m, unit, AOF_CORRUPT);
    made_release(&m);
}

Test(reader, a_damaged_header_is_never_taken_for_a_log_without_marks) {
    struct made m = {.base = 100};

    make_unsynced(&m);
    for (size_t bit = 0; bit < m.unit[0] * 8; bit++) {
        m.b.p[bit / 8] ^= (char)(1 << bit % 8);
        read_bytes(bytes_slice(&m.b), &r);
        cr_assert_eq(r.verdict, AOF_CORRUPT, "bit %zu: %d", bit, r.verdict);
        cr_assert_not(r.has_data);
        m.b.p[bit / 8] ^= (char)(1 << bit % 8);
    }
    made_release(&m);
}

Test(reader, a_trailer_vouches_for_what_its_distance_leaves_out) {
    struct made m = {.base = 100};
    size_t third;

    make_unsynced(&m);
    third = m.unit[3];
    made_batch(&m, "SET g 7", 0); /* placeholder, to learn where its trailer stands */
    m.b.n = m.unit[4];
    m.nunits--;
    /* All but what came after the third unit is vouched for. The trailer follows 4 bytes of begin
     * mark and the command. */
    made_batch(&m, "SET g 7", m.unit[4] - third + 4 + 27);
    for (unsigned unit = 1; unit <= 3; unit++) flip_unit(&m, unit, AOF_CORRUPT);
    flip_unit(&m, 4, AOF_TORN);
    made_release(&m);
}

Test(reader, a_later_header_vouches_for_everything_before_it) {
    struct made m = {.base = 100};

    make_unsynced(&m);
    made_header(&m, 8, 2);
    flip_unit(&m, 2, AOF_CORRUPT);
    made_release(&m);
}

Test(reader, a_synced_claim_is_found_behind_any_amount_of_rubble) {
    static const size_t sizes[] = {1, 65000, 65500, 65520, 65536, 65550, 131072, 1000000};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int claimed = 0; claimed < 2; claimed++) {
            struct made m = {.base = 100};
            size_t good;

            make_unsynced(&m);
            good = m.b.n;
            rng_seed(i);
            for (size_t k = 0; k < sizes[i]; k++) bytes_append_char(&m.b, (char)rng_u64());
            if (claimed) made_synced(&m, 0);
            read_bytes(bytes_slice(&m.b), &r);
            cr_assert_eq(r.verdict, claimed ? AOF_CORRUPT : AOF_TORN, "%zu bytes", sizes[i]);
            cr_assert_eq(r.good, good);
            made_release(&m);
        }
}

Test(reader, a_batch_copied_to_another_place_does_not_pass) {
    struct made m = {.base = 100};
    size_t from, n, good;

    make_unsynced(&m);
    from = m.unit[1], n = m.unit[2] - from, good = m.b.n;
    bytes_room(&m.b, n);
    bytes_append(&m.b, m.b.p + from, n);
    cr_assert_str_eq(read_bytes(bytes_slice(&m.b), &r), delivered[5]);
    cr_assert_eq(r.verdict, AOF_TORN);
    cr_assert_eq(r.good, good);
    made_release(&m);
}

Test(reader, a_lost_batch_is_noticed_by_its_successor) {
    struct made m = {.base = 100};

    make_unsynced(&m);
    memmove(m.b.p + m.unit[1], m.b.p + m.unit[2], m.b.n - m.unit[2]);
    m.b.n -= m.unit[2] - m.unit[1];
    cr_assert_str_eq(read_bytes(bytes_slice(&m.b), &r), delivered[2]);
    cr_assert_neq(r.verdict, AOF_WHOLE);
    made_release(&m);
}

Test(reader, a_value_that_holds_a_piece_of_a_log_is_only_a_value) {
    struct made inner = {.base = 100}, m = {0};

    make_unsynced(&inner);
    made_synced(&inner, 0);
    bytes_printf(&m.b, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%zu\r\n", inner.b.n);
    bytes_append(&m.b, inner.b.p, inner.b.n);
    bytes_append_str(&m.b, "\r\n");
    read_bytes(bytes_slice(&m.b), &r);
    cr_assert_eq(r.verdict, AOF_WHOLE);
    cr_assert_eq(r.commands, 1);
    cr_assert_not(r.has_header);
    made_release(&inner);
    made_release(&m);
}

Test(reader, garbage_behind_a_log_without_marks_is_refused) {
    struct made m = {0};
    size_t good;

    make_plain(&m);
    good = m.b.n;
    bytes_append_str(&m.b, "garbage");
    read_bytes(bytes_slice(&m.b), &r);
    cr_assert_eq(r.verdict, AOF_CORRUPT);
    cr_assert_eq(r.good, good);
    cr_assert_eq(r.at, good);
    made_release(&m);
}

Test(reader, what_another_server_appended_is_read_by_its_rule) {
    struct made m = {.base = 100};
    size_t good;

    make_unsynced(&m);
    made_plain(&m, "SET x 1;SET y 2", false);
    good = m.b.n;
    read_bytes(bytes_slice(&m.b), &r);
    cr_assert_eq(r.verdict, AOF_WHOLE);
    cr_assert(r.unmarked);
    bytes_append_str(&m.b, "*3\r\n$3\r\nSE");
    read_bytes(bytes_slice(&m.b), &r);
    cr_assert_eq(r.verdict, AOF_TORN);
    cr_assert_eq(r.good, good);
    made_release(&m);
}

Test(reader, a_second_epoch_in_one_file_follows_the_first) {
    struct made m = {.base = 100};

    make_unsynced(&m);
    made_plain(&m, "SET x 1", false);
    made_header(&m, 99, 2);
    made_batch(&m, "SET y 2", UINT64_MAX);
    read_bytes(bytes_slice(&m.b), &r);
    cr_assert_eq(r.verdict, AOF_WHOLE, "%s", r.why);
    cr_assert_eq(r.epoch.id, 99);
    cr_assert_eq(r.epoch.epoch, 2);
    cr_assert_eq(aof_position_at(&r.epoch, r.size), 100 + m.b.n);
    made_release(&m);
}

/* ---------------------------------------------------------------- zeros */

Test(reader, zeros_at_the_end_are_a_torn_tail_with_and_without_marks) {
    static const size_t zeros[] = {1, 2, 4095, 4096, 100000};

    for (size_t i = 0; i < 10; i++) {
        struct made m = {.base = 100};
        size_t good;

        if (i % 2)
            make_plain(&m);
        else
            make_unsynced(&m);
        good = m.b.n;
        memset(bytes_room(&m.b, zeros[i / 2]), 0, zeros[i / 2]);
        m.b.n += zeros[i / 2];
        read_bytes(bytes_slice(&m.b), &r);
        cr_assert_eq(r.verdict, AOF_TORN, "%s", r.why);
        cr_assert_eq(r.good, good);
        made_release(&m);
    }
}

Test(reader, a_file_of_zeros_holds_nothing) {
    char zeros[10000] = {0};

    cr_assert_str_eq(read_bytes(slice_of(zeros, sizeof zeros), &r), "");
    cr_assert_eq(r.verdict, AOF_TORN);
    cr_assert_eq(r.good, 0);
    cr_assert_not(r.has_data);
}

Test(reader, a_hole_before_later_unsynced_batches_is_a_torn_tail) {
    struct made m = {.base = 100};

    make_unsynced(&m);
    memset(m.b.p + m.unit[1], 0, m.unit[2] - m.unit[1]);
    cr_assert_str_eq(read_bytes(bytes_slice(&m.b), &r), delivered[2]);
    cr_assert_eq(r.verdict, AOF_TORN);
    cr_assert_eq(r.good, m.unit[1]);
    made_release(&m);
}

/* ---------------------------------------------------------------- form */

struct form {
    const char *text;
    enum aof_verdict verdict;
    const char *why;
};

static const struct form forms[] = {
    {"*1\r\n$4\r\nEXEC\r\n", AOF_CORRUPT, "EXEC without its MULTI"},
    {"*1\r\n$5\r\nMULTI\r\n*1\r\n$5\r\nmulti\r\n", AOF_CORRUPT, "MULTI inside a transaction"},
    {"*1\r\n$5\r\nMULTI\r\n*1\r\n$4\r\nPING\r\n", AOF_TORN, "ends inside a transaction"},
    {"*-1\r\n", AOF_CORRUPT, "a command without a name"},
    {"*0\r\n", AOF_CORRUPT, "a command without a name"},
    {"*x\r\n", AOF_CORRUPT, "invalid multibulk length"},
    {"*1\r\n$-1\r\n", AOF_CORRUPT, "invalid bulk length"},
    {"*1\r\n$x\r\n", AOF_CORRUPT, "invalid bulk length"},
    {"*1\r\n:1\r\n", AOF_CORRUPT, "expected '$', got ':'"},
    {"*1\r\n$4\r\nPINGxx", AOF_CORRUPT, "bulk string without CRLF"},
    {"PING\r\n", AOF_CORRUPT, "expected '*', found 0x50"},
    {"\r\n", AOF_CORRUPT, "expected '*', found 0x0d"},
    {"*1\r\n$2147483648\r\n", AOF_TORN, "ends inside a command"},
    {"*1\r\n$9223372036854775807\r\n", AOF_TORN, "ends inside a command"},
    {"*1\r\n$9223372036854775808\r\n", AOF_CORRUPT, "invalid bulk length"},
    {"*1\r\n$2000000000\r\nx", AOF_TORN, "ends inside a command"},
    {"*1000000\r\n$1\r\nx\r\n", AOF_TORN, "ends inside a command"},
    {"*2147483647\r\n$1\r\nx\r\n", AOF_TORN, "ends inside a command"},
    {"*2147483648\r\n$1\r\nx\r\n", AOF_CORRUPT, "invalid multibulk length"},
    {"#note", AOF_TORN, "a '#' line without an end"},
    {"*1\r\n$6\r\nREFUSE\r\n", AOF_REFUSED, "not this one"},
    {"REDIS0011\xfa", AOF_FOREIGN, "RDB preamble"},
};

Test(reader, what_is_no_log_is_told_apart) {
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        cr_expect_str_eq(read_bytes(slice_str(forms[i].text), &r), "");
        cr_expect_eq(r.verdict, forms[i].verdict, "'%s': %d, %s", forms[i].text, r.verdict, r.why);
        cr_expect_not_null(strstr(r.why, forms[i].why), "'%s': %s", forms[i].text, r.why);
        cr_expect_eq(r.good, 0);
    }
}

Test(reader, marks_inside_a_batch_are_refused) {
    struct made m = {.base = 100};
    size_t good;

    make_unsynced(&m);
    good = m.b.n;
    bytes_append_str(&m.b, "#{\r\n#{\r\n");
    read_bytes(bytes_slice(&m.b), &r);
    cr_assert_eq(r.verdict, AOF_TORN);
    cr_assert_eq(r.good, good);
    cr_assert_not_null(strstr(r.why, "a mark inside a batch"), "%s", r.why);
    made_release(&m);
}

Test(reader, lines_of_other_servers_may_have_1023_bytes) {
    for (size_t n = 1022; n <= 1024; n++) {
        struct bytes b = {0};

        bytes_append_char(&b, '#');
        while (b.n < n - 2) bytes_append_char(&b, 'x');
        bytes_append_str(&b, "\r\n");
        put_command(&b, "PING");
        read_bytes(bytes_slice(&b), &r);
        cr_assert_eq(r.verdict, n <= 1023 ? AOF_WHOLE : AOF_CORRUPT, "%zu bytes", n);
        bytes_release(&b);
    }
}

/* ---------------------------------------------------------------- sizes */

struct sum {
    uint64_t bytes, sum, commands;
};

static uint64_t sum_of(const char *p, size_t n) {
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++) sum = sum * 31 + (unsigned char)p[i];
    return sum;
}

static int add_up(void *arg, size_t argc, const struct slice *argv, struct err *e) {
    struct sum *s = arg;

    (void)e;
    for (size_t i = 0; i < argc; i++) {
        s->bytes += argv[i].n;
        s->sum += sum_of(argv[i].p, argv[i].n);
    }
    s->commands++;
    return 0;
}

/* Commands of several large arguments, in one transaction, so that all stay in memory together. */
Test(reader, arguments_of_many_megabytes_come_through) {
    static const struct aof_reader_ops ops = {add_up, NULL, NULL};
    struct sum want = {0}, got = {0};
    struct bytes b = {0};
    int fd = memfd_create("log", MFD_CLOEXEC);

    rng_seed(5);
    put_command(&b, "SET before 1"); /* what is read already goes when room is made */
    want = (struct sum){10, sum_of("SET", 3) + sum_of("before", 6) + sum_of("1", 1), 1};
    bytes_append_str(&b, "*1\r\n$5\r\nMULTI\r\n");
    put_command(&b, "SET inside 2");
    want.bytes += 10;
    want.sum += sum_of("SET", 3) + sum_of("inside", 6) + sum_of("2", 1);
    want.commands++;
    for (int i = 0; i < 12; i++) {
        bytes_append_str(&b, "*3\r\n");
        for (int k = 0; k < 3; k++) {
            size_t n = k == i % 3 ? (1 << 20) - 3 + rng_below(2 << 20) : rng_below(100), at;

            bytes_printf(&b, "$%zu\r\n", n);
            at = b.n;
            memset(bytes_room(&b, n + 2), 'a' + i + k, n);
            b.n += n;
            bytes_append_str(&b, "\r\n");
            want.bytes += n;
            want.sum += sum_of(b.p + at, n);
        }
        want.commands++;
    }
    bytes_append_str(&b, "*1\r\n$4\r\nEXEC\r\n");
    cr_assert_eq(write(fd, b.p, b.n), (ssize_t)b.n);
    aof_read_file(fd, &ops, &got, &r);
    close(fd);
    cr_assert_eq(r.verdict, AOF_WHOLE, "%s", r.why);
    cr_assert_eq(got.bytes, want.bytes);
    cr_assert_eq(got.sum, want.sum);
    cr_assert_eq(got.commands, want.commands);
    bytes_release(&b);
}

/* ---------------------------------------------------------------- what is told ahead */

static struct {
    const struct slice *argv[200];
    size_t told, came;
    size_t farthest;
} ahead;

static void note_soon(void *arg, size_t argc, const struct slice *argv) {
    (void)arg;
    cr_assert(slice_is(argv[0], "set") && argc == 3);
    ahead.argv[ahead.told++] = argv;
    if (ahead.told - ahead.came > ahead.farthest) ahead.farthest = ahead.told - ahead.came;
}

static int note_came(void *arg, size_t argc, const struct slice *argv, struct err *e) {
    (void)arg;
    (void)argc;
    (void)e;
    cr_assert_lt(ahead.came, ahead.told);
    cr_assert_eq(ahead.argv[ahead.came++], argv);
    return 0;
}

Test(reader, each_command_is_told_once_and_in_order_before_it_comes) {
    static const struct aof_reader_ops ops = {.command = note_came, .soon = note_soon};
    struct made m = {0};
    struct bytes b = {0};
    int fd = memfd_create("log", MFD_CLOEXEC);

    made_header(&m, 7, 1);
    made_batch(&m, "SET a 1", UINT64_MAX);
    for (int i = 0; i < 60; i++) bytes_printf(&b, "%sSET k%d 2", i ? ";" : "", i);
    made_batch(&m, bytes_cstr(&b), UINT64_MAX);
    made_batch(&m, "MULTI;SET d 4;SET e 5;EXEC", UINT64_MAX);
    cr_assert_eq(write(fd, m.b.p, m.b.n), (ssize_t)m.b.n);
    aof_read_file(fd, &ops, NULL, &r);
    close(fd);
    cr_assert_eq(r.verdict, AOF_WHOLE, "%s", r.why);
    cr_expect_eq(ahead.came, 63);
    cr_expect_eq(ahead.told, 63);
    cr_expect_eq(ahead.farthest, AOF_SOON + 1);
    bytes_release(&b);
    made_release(&m);
}

/* Sizes around the chunk that is read at once: borders fall on every part of a command. */
Test(reader, commands_across_the_borders_of_chunks_come_through) {
    static const struct aof_reader_ops ops = {add_up, NULL, NULL};

    for (size_t shift = 0; shift < 60; shift++) {
        struct sum got = {0};
        struct bytes b = {0};
        int fd = memfd_create("log", MFD_CLOEXEC);
        size_t n = (1 << 20) - 60 + shift;

        bytes_printf(&b, "*2\r\n$3\r\nSET\r\n$%zu\r\n", n);
        memset(bytes_room(&b, n), 'x', n);
        b.n += n;
        bytes_append_str(&b, "\r\n");
        put_command(&b, "SET second 2");
        put_command(&b, "SET third 3");
        cr_assert_eq(write(fd, b.p, b.n), (ssize_t)b.n);
        aof_read_file(fd, &ops, &got, &r);
        close(fd);
        cr_assert_eq(r.verdict, AOF_WHOLE, "shift %zu: %s", shift, r.why);
        cr_assert_eq(got.commands, 3);
        bytes_release(&b);
    }
}

/* ---------------------------------------------------------------- room */

/* Room after the content of `b`, `lines` whole lines. */
static void add_room(struct bytes *b, unsigned lines) {
    char seam[AOF_ROOM_SEAM_MAX];
    size_t at = b->n, n = aof_room_seam(at, seam),
           end = (at / AOF_ROOM_LINE + 1 + lines) * AOF_ROOM_LINE;

    for (char *p = bytes_room(b, end - at); b->n < end; b->n++, p++) {
        size_t in_line = b->n % AOF_ROOM_LINE;

        *p = in_line == 0                   ? '#'
             : in_line == AOF_ROOM_LINE - 2 ? '\r'
             : in_line == AOF_ROOM_LINE - 1 ? '\n'
                                            : '_';
    }
    memcpy(b->p + at, seam, n);
}

Test(reader, room_at_the_end_is_no_content) {
    struct made m = {.base = 4711};
    size_t n;

    make_unsynced(&m);
    n = m.b.n;
    add_room(&m.b, 3);
    cr_assert_str_eq(read_bytes(bytes_slice(&m.b), &r), delivered[5]);
    cr_assert_eq(r.verdict, AOF_WHOLE, "%s", r.why);
    cr_assert_eq(r.good, n);
    cr_assert_eq(r.size, n);
    cr_assert_eq(r.room, m.b.n - n);
    cr_assert_not(r.unmarked);
    made_release(&m);
}

Test(reader, torn_at_any_byte_in_front_of_room_it_is_good_up_to_a_batch) {
    struct made m = {.base = 100};

    make_unsynced(&m);
    for (size_t at = m.unit[0]; at <= m.b.n; at++) { /* no room without a header */
        struct bytes torn = {0};
        unsigned units;
        size_t good = made_good(&m, at, &units);

        bytes_append(&torn, m.b.p, at);
        add_room(&torn, 2);
        cr_assert_str_eq(read_bytes(bytes_slice(&torn), &r), delivered[units]);
        /* The '#' with which a mark begins is the seam. */
        cr_assert_eq(r.verdict, good >= at - 1 ? AOF_WHOLE : AOF_TORN, "at %zu: %s", at, r.why);
        cr_assert_eq(r.good, good, "at %zu", at);
        bytes_release(&torn);
    }
    made_release(&m);
}

/* A power cut may keep the later sectors of a batch and lose the earlier ones. Those that are kept
 * may even begin with a whole command. */
Test(reader, what_stands_behind_lost_sectors_is_not_delivered) {
    struct made m = {.base = 100};
    struct bytes hole = {0};
    char words[2 * AOF_ROOM_LINE];
    size_t before, second;

    made_header(&m, 7, 1);
    made_batch(&m, "SET a 1", UINT64_MAX);
    before = m.b.n;
    second = AOF_ROOM_LINE - before - strlen("#{\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$300\r\n\r\n");
    snprintf(words, sizeof words, "SET b %0*d;SET c 3;SET d %0600d", (int)second, 0, 0);
    made_batch(&m, words, UINT64_MAX);
    cr_assert_eq(memcmp(m.b.p + AOF_ROOM_LINE, "*3\r\n", 4), 0, "the second line is a command");

    bytes_append(&hole, m.b.p, before); /* its first and its last sectors are lost */
    add_room(&hole, 0);
    bytes_append(&hole, m.b.p + AOF_ROOM_LINE, AOF_ROOM_LINE);
    add_room(&hole, 2);
    cr_assert_str_eq(read_bytes(bytes_slice(&hole), &r), "SET a 1;");
    cr_assert_eq(r.verdict, AOF_TORN, "%s", r.why);
    cr_assert_eq(r.good, before);
    made_release(&m);
    bytes_release(&hole);
}

Test(reader, what_another_server_appended_behind_room_counts) {
    struct made m = {.base = 100};

    make_unsynced(&m);
    add_room(&m.b, 2);
    made_plain(&m, "SET g 7", false);
    cr_assert_str_eq(read_bytes(bytes_slice(&m.b), &r),
                     "SET a 1;SET b 2;SET c 3;SET d 4;SET e 5;SET f 6;SET g 7;");
    cr_assert_eq(r.verdict, AOF_WHOLE, "%s", r.why);
    cr_assert_eq(r.good, m.b.n);
    cr_assert(r.unmarked && r.room_inside);
    cr_assert_eq(r.room, 0);
    made_release(&m);
}

/* A power cut while room was being made: any of its sectors may be zeros, garbage or missing. */
Test(reader, damage_inside_room_is_never_corruption) {
    for (unsigned lost = 0; lost < 4; lost++)
        for (int how = 0; how < 4; how++) {
            struct made m = {.base = 100};
            size_t n, from;

            make_unsynced(&m);
            n = m.b.n;
            add_room(&m.b, 4);
            from = (n / AOF_ROOM_LINE + 1 + lost) * AOF_ROOM_LINE;
            for (size_t i = 0; how < 3 && i < AOF_ROOM_LINE; i++)
                m.b.p[from + i] = how == 0 ? 0 : how == 1 ? (char)(i * 7919 >> 3) : '\n';
            if (how == 3) m.b.n = from + 100;
            cr_assert_str_eq(read_bytes(bytes_slice(&m.b), &r), delivered[5]);
            cr_assert(r.verdict == AOF_WHOLE || r.verdict == AOF_TORN, "%u, %d: %s", lost, how,
                      r.why);
            cr_assert_eq(r.good, n, "%u, %d: %zu", lost, how, (size_t)r.good);
            cr_assert_not(r.room_inside);
            cr_assert_not(r.unmarked);
            made_release(&m);
        }
}

/* Commands after room are another server's only if nothing but commands follows up to the end;
 * otherwise they are a piece of a batch whose first sectors were lost. */
Test(reader, a_piece_of_a_batch_after_room_is_not_delivered) {
    static const char *const ends[] = {"\0\0\0\0*1\r\n", "#}12 0123456789abcdef 12 1 01234567\r\n",
                                       "#______\r\n*1\r\n$4\r\nPING\r\n"};
    static const size_t lengths[] = {8, 36, 23};

    for (size_t i = 0; i < 3; i++) {
        struct made m = {.base = 100};
        size_t n;

        make_unsynced(&m);
        n = m.b.n;
        add_room(&m.b, 2);
        made_plain(&m, "SET g 7;SET h 8;SET i 9", false);
        bytes_append(&m.b, ends[i], lengths[i]);
        cr_assert_str_eq(read_bytes(bytes_slice(&m.b), &r), delivered[5], "%zu", i);
        cr_assert_eq(r.verdict, AOF_TORN, "%zu: %s", i, r.why);
        cr_assert_eq(r.good, n);
        made_release(&m);
    }
}

Test(reader, a_torn_end_of_another_servers_commands_after_room_is_cut_there) {
    struct made m = {.base = 100};
    size_t good;

    make_unsynced(&m);
    add_room(&m.b, 2);
    made_plain(&m, "SET g 7", false);
    good = m.b.n;
    bytes_append_str(&m.b, "*3\r\n$3\r\nSET\r\n");
    read_bytes(bytes_slice(&m.b), &r);
    cr_assert_eq(r.verdict, AOF_TORN, "%s", r.why);
    cr_assert_eq(r.good, good);
    made_release(&m);
}

Test(reader, a_report_says_up_to_where_the_marks_call_the_file_synced) {
    struct made m = {.base = 100};
    size_t first;

    made_header(&m, 7, 1);
    made_batch(&m, "SET a 1", UINT64_MAX);
    first = m.b.n;
    made_batch(&m, "SET b 2", 0);
    read_bytes(bytes_slice(&m.b), &r);
    cr_assert(r.has_start && r.start.id == 7);
    cr_assert_gt(r.synced, first);
    cr_assert_lt(r.synced, m.b.n);
    first = m.b.n;
    made_synced(&m, 0);
    read_bytes(bytes_slice(&m.b), &r);
    cr_assert_eq(r.synced, first);
    made_batch(&m, "SET c 3", UINT64_MAX);
    first = m.b.n;
    made_header(&m, 8, 2);
    read_bytes(bytes_slice(&m.b), &r);
    cr_assert_eq(r.synced, first);
    cr_assert_eq(r.start.id, 7);
    made_release(&m);
}

Test(reader, room_means_nothing_in_a_file_of_another_server) {
    struct made m = {0};

    made_plain(&m, "SET a 1", false);
    add_room(&m.b, 2);
    made_plain(&m, "SET b 2", false);
    cr_assert_str_eq(read_bytes(bytes_slice(&m.b), &r), "SET a 1;SET b 2;");
    cr_assert_eq(r.verdict, AOF_WHOLE, "%s", r.why);
    cr_assert_not(r.room_inside);
    made_release(&m);
}
