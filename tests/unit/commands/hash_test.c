/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fields whose time is over: which calls still see them, which remove them, and the index of them.
 */
#include "engine_help.h"
#include "server/exec/expire.h"

#include "storage/hash.h"

#include <criterion/criterion.h>

TestSuite(field_expiry, .init = engine_begin, .fini = engine_end);

#define SAYS(want, line) cr_assert_str_eq(engine_say(line), want, "%s", line)

static void pass_ms(int64_t ms) {
    clock_advance_ms(ms);
    clock_refresh();
}

static struct db *db(int id) {
    return &engine.ks.dbs[id];
}

static void expire_cycle(void) {
    cr_assert_not(expire_some(&engine, 1000000));
}

/* Two forms: packed, and a table because of one long value. */
static void fill(bool table) {
    engine_say("HSET h a 1 b 2 c 3");
    if (table) {
        char line[128] = "HSET h c ";

        memset(line + strlen(line), 'x', 70);
        engine_say(line);
        engine_say("HSET h c 3");
    }
    SAYS("*2\r\n:1\r\n:1\r\n", "HPEXPIRE h 100 FIELDS 2 a b");
}

static void check_unseen(bool table) {
    fill(table);
    pass_ms(99);
    SAYS("$1\r\n1\r\n", "HGET h a");
    SAYS("*1\r\n:1\r\n", "HPTTL h FIELDS 1 a");
    pass_ms(1);
    SAYS("$-1\r\n", "HGET h a");
    SAYS(":1\r\n", "HLEN h");
    SAYS("*2\r\n$1\r\nc\r\n$1\r\n3\r\n", "HGETALL h");
    SAYS("*1\r\n$1\r\nc\r\n", "HKEYS h");
    SAYS("*1\r\n$1\r\n3\r\n", "HVALS h");
    SAYS("*3\r\n$-1\r\n$-1\r\n$1\r\n3\r\n", "HMGET h a b c");
    SAYS(":0\r\n", "HEXISTS h a");
    SAYS(":0\r\n", "HSTRLEN h b");
    SAYS("$1\r\nc\r\n", "HRANDFIELD h");
    SAYS("*1\r\n$1\r\nc\r\n", "HRANDFIELD h 5");
    SAYS("*2\r\n$1\r\n0\r\n*2\r\n$1\r\nc\r\n$1\r\n3\r\n", "HSCAN h 0 COUNT 100");
    SAYS("*2\r\n:-2\r\n:-1\r\n", "HTTL h FIELDS 2 a c");
    SAYS("*1\r\n:-2\r\n", "HEXPIRE h 10 FIELDS 1 a");
    SAYS("*1\r\n:-2\r\n", "HPERSIST h FIELDS 1 a");
    SAYS("*1\r\n$-1\r\n", "HGETDEL h FIELDS 1 a");
    SAYS(":0\r\n", "HDEL h a b");
}

Test(field_expiry, a_due_field_is_seen_by_nobody) {
    check_unseen(false);
}

Test(field_expiry, a_due_field_of_a_table_is_seen_by_nobody) {
    check_unseen(true);
}

Test(field_expiry, a_due_field_can_be_made_anew) {
    for (int table = 0; table < 2; table++) {
        engine_say("FLUSHALL");
        fill(table);
        pass_ms(100);
        SAYS(":1\r\n", "HSETNX h a 7");
        SAYS(":5\r\n", "HINCRBY h b 5");
        SAYS("*2\r\n:-1\r\n:-1\r\n", "HTTL h FIELDS 2 a b");
        expire_cycle();
        SAYS("$1\r\n7\r\n", "HGET h a");
        cr_assert_eq(db(0)->parts.count, 0);
    }
}

static void check_removal(bool table) {
    fill(table);
    SAYS("*1\r\n:1\r\n", "HPEXPIRE h 200 FIELDS 1 c");
    pass_ms(100);
    engine_events();
    expire_cycle();
    cr_assert_str_eq(engine_events(), "hexpired:h");
    cr_assert_eq(hash_len(db_find(db(0), SLICE("h"), hash_bytes("h", 1))), 1);
    expire_cycle();
    cr_assert_str_eq(engine_events(), "");
    pass_ms(100);
    SAYS(":1\r\n", "EXISTS h");
    expire_cycle();
    cr_assert_str_eq(engine_events(), "hexpired:h del:h");
    SAYS(":0\r\n", "EXISTS h");
    cr_assert_eq(engine.stats.expired_fields, 3);
    cr_assert_eq(db(0)->parts.count, 0);
}

Test(field_expiry, the_cycle_removes_what_is_due) {
    check_removal(false);
}

Test(field_expiry, the_cycle_removes_what_is_due_in_a_table) {
    check_removal(true);
}

Test(field_expiry, the_cycle_keeps_to_its_time) {
    char line[64];
    int rounds = 0;

    for (int i = 0; i < 2000; i++) {
        snprintf(line, sizeof line, "HSETEX h%d PX 10 FIELDS 2 a 1 b 2", i % 20);
        if (i >= 20) snprintf(line, sizeof line, "HSETEX h%d PX 10 FIELDS 1 f%d 2", i % 20, i);
        engine_say(line);
    }
    pass_ms(10);
    while (expire_some(&engine, 0)) rounds++;
    cr_assert_geq(rounds, 19);
    SAYS(":0\r\n", "DBSIZE");
    cr_assert_eq(engine.stats.expired_fields, 2020);
}

/* The index must follow whatever becomes of the key. */
static void check_moves(bool table) {
    static const struct {
        const char *line;
        size_t count[2]; /* hashes in the index of databases 0 and 1, from then on */
    } steps[] = {
        {"RENAME h g", {1, 0}},
        {"EXPIRE g 1000", {1, 0}},
        {"PERSIST g", {1, 0}},
        {"COPY g h", {2, 0}},
        {"MOVE g 1", {1, 1}},
        {"SWAPDB 0 1", {1, 1}},
        {"SET g v", {0, 1}},
        {"SWAPDB 0 1", {1, 0}},
        {"COPY h k DB 1", {1, 1}},
        {"HDEL h a b", {0, 1}},
        {"HPEXPIRE h 50 FIELDS 1 c", {1, 1}},
        {"HPERSIST h FIELDS 1 c", {0, 1}},
        {"HPEXPIRE h 50 FIELDS 1 c", {1, 1}},
        {"HSET h c new", {0, 1}},
        {"HPEXPIRE h 5000 FIELDS 1 c", {1, 1}},
        {"HPEXPIRE h 50 FIELDS 1 c", {1, 1}},
        {"DEL h", {0, 1}},
        {"SWAPDB 0 1", {1, 0}},
        {"SUNIONSTORE k none", {0, 0}},
        {"HSETEX h PX 100 FIELDS 1 a 1", {1, 0}},
        {"FLUSHDB", {0, 0}},
    };

    fill(table);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        engine_say(steps[i].line);
        for (int d = 0; d < 2; d++)
            cr_assert_eq(db(d)->parts.count, steps[i].count[d], "%s: %zu in %d", steps[i].line,
                         db(d)->parts.count, d);
    }
}

Test(field_expiry, the_index_follows_the_key) {
    check_moves(false);
}

Test(field_expiry, the_index_follows_the_key_of_a_table) {
    check_moves(true);
}

Test(field_expiry, a_key_and_its_fields_may_be_due_together) {
    for (int table = 0; table < 2; table++) {
        fill(table);
        engine_say("PEXPIRE h 100");
        pass_ms(100);
        expire_cycle();
        SAYS(":0\r\n", "DBSIZE");
        cr_assert_eq(db(0)->parts.count, 0);
        cr_assert_eq(db(0)->expires.count, 0);
    }
}

TestSuite(hsetex, .init = engine_begin, .fini = engine_end);

Test(hsetex, sets_values_and_times_together) {
    SAYS(":1\r\n", "HSETEX h EX 10 FIELDS 2 a 1 b 2");
    SAYS("*2\r\n:10\r\n:10\r\n", "HTTL h FIELDS 2 a b");
    SAYS(":1\r\n", "HSETEX h KEEPTTL FIELDS 2 a 3 c 4");
    SAYS("*3\r\n:10\r\n:10\r\n:-1\r\n", "HTTL h FIELDS 3 a b c");
    SAYS(":1\r\n", "HSETEX h FIELDS 1 a 5");
    SAYS("*1\r\n:-1\r\n", "HTTL h FIELDS 1 a");
    SAYS(":1\r\n", "HSETEX h FIELDS 1 a 5 PXAT 2000000000000");
    SAYS("*1\r\n:2000000000000\r\n", "HPEXPIRETIME h FIELDS 1 a");
}

Test(hsetex, keeps_to_its_conditions) {
    SAYS(":0\r\n", "HSETEX h FXX FIELDS 1 a 1");
    SAYS(":0\r\n", "EXISTS h");
    SAYS(":1\r\n", "HSETEX h FNX FIELDS 1 a 1");
    SAYS(":0\r\n", "HSETEX h FNX FIELDS 2 b 1 a 2");
    SAYS(":0\r\n", "HSETEX h FXX FIELDS 2 a 2 b 1");
    SAYS(":1\r\n", "HSETEX h FXX FIELDS 1 a 2");
    SAYS("*2\r\n$1\r\na\r\n$1\r\n2\r\n", "HGETALL h");
}

Test(hsetex, deletes_what_is_over_at_once) {
    engine_say("HSET h a 1 b 2");
    SAYS(":1\r\n", "HSETEX h PXAT 1 FIELDS 2 a 5 x 5");
    SAYS("*2\r\n$1\r\nb\r\n$1\r\n2\r\n", "HGETALL h");
    SAYS(":1\r\n", "HSETEX none PXAT 1 FIELDS 1 x 5");
    SAYS(":0\r\n", "EXISTS none");
}

Test(hsetex, says_what_is_wrong) {
    static const struct {
        const char *line, *error;
    } wrong[] = {
        {"HSETEX h EX 10 FNX FXX x", "Only one of FXX or FNX arguments can be specified"},
        {"HSETEX h EX 10 KEEPTTL FIELDS 1 a 1",
         "Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"},
        {"HSETEX h FIELDS 0 a 1", "invalid number of fields"},
        {"HSETEX h FIELDS 2 a 1", "wrong number of arguments for 'hsetex' command"},
        {"HSETEX h FIELDS 1 a 1 b", "unknown argument: b"},
        {"HSETEX h FIELDS 1 a 1 EX", "missing expire time"},
        {"HSETEX h EX x FIELDS 1 a 1", "value is not an integer or out of range"},
        {"HSETEX h EX -1 FIELDS 1 a 1", "invalid expire time, must be >= 0"},
        {"HSETEX h EX 9999999999999 FIELDS 1 a 1", "invalid expire time in 'hsetex' command"},
        {"HGETEX h EX 10 PX 10 FIELDS 1 a",
         "Mandatory argument FIELDS is missing or not at the right position"},
        {"HSETEX h NX XX FIELDS 1 a 1", "syntax error"},
        {"HGETEX h XX FIELDS 1 a",
         "Mandatory argument FIELDS is missing or not at the right position"},
        {"HGETEX h FIELDS 2 a", "The `numfields` parameter must match the number of arguments"},
        {"HGETDEL h FIELDS x a", "Number of fields must be a positive integer"},
        {"HGETDEL h FIELD 1 a",
         "Mandatory argument FIELDS is missing or not at the right position"},
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char want[128];

        snprintf(want, sizeof want, "-ERR %s\r\n", wrong[i].error);
        SAYS(want, wrong[i].line);
    }
    engine_say("SET h x");
    cr_assert_eq(strncmp(engine_say("HSETEX h FIELDS 1 a 1"), "-WRONGTYPE", 10), 0);
    cr_assert_eq(strncmp(engine_say("HGETEX h FIELDS 1 a"), "-WRONGTYPE", 10), 0);
    cr_assert_eq(strncmp(engine_say("HGETDEL h FIELDS 1 a"), "-WRONGTYPE", 10), 0);
    cr_assert_eq(strncmp(engine_say("HGETEX h FIELDS 9 a"), "-WRONGTYPE", 10), 0);
    cr_assert_eq(strncmp(engine_say("HGETDEL h FIELDS 9 a"), "-WRONGTYPE", 10), 0);
}

Test(hsetex, asks_for_the_key_with_nx_and_xx) {
    SAYS(":0\r\n", "HSETEX h XX FIELDS 1 a 1");
    SAYS(":0\r\n", "EXISTS h");
    SAYS(":1\r\n", "HSETEX h NX FIELDS 1 a 1");
    SAYS(":0\r\n", "HSETEX h NX FIELDS 1 b 1");
    SAYS(":1\r\n", "HSETEX h XX FNX FIELDS 1 b 1");
    SAYS(":0\r\n", "HSETEX h XX FNX FIELDS 1 b 1");
    SAYS(":2\r\n", "HLEN h");
}

Test(hsetex, hgetex_and_hgetdel_give_what_was_there) {
    engine_say("HSET h a 1 b 2 c 3");
    SAYS("*2\r\n$1\r\n1\r\n$-1\r\n", "HGETEX h FIELDS 2 a x");
    SAYS("*2\r\n$1\r\n1\r\n$-1\r\n", "HGETEX h PX 500 FIELDS 2 a x");
    SAYS("*2\r\n:500\r\n:-1\r\n", "HPTTL h FIELDS 2 a b");
    SAYS("*1\r\n$1\r\n1\r\n", "HGETEX h PERSIST FIELDS 1 a");
    SAYS("*1\r\n:-1\r\n", "HPTTL h FIELDS 1 a");
    SAYS("*1\r\n$1\r\n1\r\n", "HGETEX h PXAT 5 FIELDS 1 a");
    SAYS("*3\r\n$-1\r\n$1\r\n2\r\n$-1\r\n", "HGETDEL h FIELDS 3 a b b");
    SAYS("*1\r\n$1\r\n3\r\n", "HGETDEL h FIELDS 1 c");
    SAYS(":0\r\n", "EXISTS h");
    SAYS("*1\r\n$-1\r\n", "HGETDEL h FIELDS 1 c");
}
