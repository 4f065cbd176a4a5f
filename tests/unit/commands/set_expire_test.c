/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Members of sets whose time is over: which calls still see them, which remove them, and the index
 * of them; SADDEX and its like.
 */
#include "engine_help.h"
#include "server/exec/expire.h"

#include "storage/set.h"

#include <criterion/criterion.h>

TestSuite(member_expiry, .init = engine_begin, .fini = engine_end);

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

/* c has no time. */
static void fill(void) {
    engine_say("SADD s a b c");
    SAYS("*2\r\n:1\r\n:1\r\n", "SPEXPIRE s 100 MEMBERS 2 a b");
}

Test(member_expiry, a_due_member_is_seen_by_no_command) {
    fill();
    engine_say("SADD t a c d");
    pass_ms(99);
    SAYS(":1\r\n", "SISMEMBER s a");
    SAYS("*1\r\n:1\r\n", "SPTTL s MEMBERS 1 a");
    pass_ms(1);
    SAYS(":0\r\n", "SISMEMBER s a");
    SAYS("*3\r\n:0\r\n:0\r\n:1\r\n", "SMISMEMBER s a b c");
    SAYS(":1\r\n", "SCARD s");
    SAYS("*1\r\n$1\r\nc\r\n", "SMEMBERS s");
    SAYS("$1\r\nc\r\n", "SRANDMEMBER s");
    SAYS("*1\r\n$1\r\nc\r\n", "SRANDMEMBER s 5");
    SAYS("*3\r\n$1\r\nc\r\n$1\r\nc\r\n$1\r\nc\r\n", "SRANDMEMBER s -3");
    SAYS("*2\r\n$1\r\n0\r\n*1\r\n$1\r\nc\r\n", "SSCAN s 0 COUNT 100");
    SAYS("*1\r\n$1\r\nc\r\n", "SINTER s t");
    SAYS("*1\r\n$1\r\nc\r\n", "SINTER t s");
    SAYS(":1\r\n", "SINTERCARD 2 s t");
    SAYS(":3\r\n", "SUNIONCARD 2 s t");
    SAYS(":2\r\n", "SDIFFCARD 2 t s");
    SAYS("*0\r\n", "SDIFF s t");
    SAYS("*1\r\n$1\r\nc\r\n", "SUNION s s");
    SAYS(":1\r\n", "SUNIONSTORE d s");
    SAYS("*1\r\n$1\r\nc\r\n", "SORT s ALPHA");
    SAYS("*1\r\n$1\r\nc\r\n", "ZUNION 1 s");
    SAYS("*1\r\n$1\r\nc\r\n", "ZINTER 2 s t");
    SAYS("*2\r\n:-2\r\n:-1\r\n", "STTL s MEMBERS 2 a c");
    SAYS("*1\r\n:-2\r\n", "SEXPIRE s 10 MEMBERS 1 a");
    SAYS("*1\r\n:-2\r\n", "SPERSIST s MEMBERS 1 a");
    SAYS(":0\r\n", "SREM s a b");
    SAYS(":0\r\n", "SMOVE s t b");
    SAYS(":0\r\n", "SMOVE s s b");
    SAYS("*1\r\n$1\r\nc\r\n", "SPOP s 2");
    SAYS(":0\r\n", "EXISTS s");
}

Test(member_expiry, many_sets_are_united_without_what_is_due) {
    fill();
    for (const char *k = "vwxyz"; *k; k++) {
        char line[32];

        snprintf(line, sizeof line, "SADDEX %c PX 50 MEMBERS 1 %c", *k, *k);
        engine_say(line);
    }
    pass_ms(100);
    SAYS("*1\r\n$1\r\nc\r\n", "SUNION s v w x y z");
    SAYS(":1\r\n", "SUNIONCARD 6 s v w x y z");
    SAYS(":1\r\n", "SDIFFCARD 3 s v w");
}

Test(member_expiry, a_set_of_due_members_is_empty_until_it_is_gone) {
    engine_say("SADDEX s PX 100 MEMBERS 2 a b");
    pass_ms(100);
    SAYS(":0\r\n", "SCARD s");
    SAYS("$-1\r\n", "SPOP s");
    SAYS("*0\r\n", "SPOP s 2");
    SAYS("$-1\r\n", "SRANDMEMBER s");
    SAYS("*0\r\n", "SRANDMEMBER s -2");
    SAYS("*0\r\n", "SMEMBERS s");
    SAYS(":0\r\n", "SUNIONSTORE d s");
    SAYS(":1\r\n", "EXISTS s");
}

Test(member_expiry, a_due_member_can_be_added_again) {
    fill();
    pass_ms(100);
    SAYS(":1\r\n", "SADD s a c");
    SAYS("*1\r\n:-1\r\n", "STTL s MEMBERS 1 a");
    SAYS(":2\r\n", "SCARD s");
    expire_cycle();
    SAYS(":2\r\n", "SCARD s");
    cr_assert_eq(engine.stats.expired_fields, 1);
}

Test(member_expiry, adding_keeps_a_time_and_moving_loses_it) {
    fill();
    SAYS(":0\r\n", "SADD s a");
    SAYS("*1\r\n:100\r\n", "SPTTL s MEMBERS 1 a");
    SAYS(":1\r\n", "SMOVE s t a");
    SAYS("*1\r\n:-1\r\n", "SPTTL t MEMBERS 1 a");
    SAYS(":2\r\n", "SUNIONSTORE u s");
    SAYS("*2\r\n:-1\r\n:-1\r\n", "STTL u MEMBERS 2 b c");
}

/* ---------------------------------------------------------------- the cycle */

Test(member_expiry, the_cycle_removes_what_is_due) {
    fill();
    pass_ms(99);
    expire_cycle();
    SAYS(":3\r\n", "SCARD s");
    engine_events();
    pass_ms(1);
    expire_cycle();
    cr_assert_str_eq(engine_events(), "sexpired:s");
    cr_assert_eq(set_len(db_find(db(0), SLICE("s"), hash_bytes("s", 1))), 1);
    SAYS("*1\r\n:1\r\n", "SPEXPIRE s 100 MEMBERS 1 c");
    engine_events();
    pass_ms(100);
    expire_cycle();
    cr_assert_str_eq(engine_events(), "sexpired:s del:s");
    SAYS(":0\r\n", "EXISTS s");
    cr_assert_eq(engine.stats.expired_fields, 3);
    cr_assert_eq(db(0)->parts.count, 0);
}

Test(member_expiry, the_cycle_keeps_to_its_time) {
    char line[64];
    int rounds = 0;

    for (int i = 0; i < 2000; i++) {
        snprintf(line, sizeof line, "SADDEX s%d PX 10 MEMBERS 1 m%d", i % 20, i);
        engine_say(line);
    }
    pass_ms(10);
    while (expire_some(&engine, 0)) rounds++;
    cr_assert_geq(rounds, 19);
    SAYS(":0\r\n", "DBSIZE");
    cr_assert_eq(engine.stats.expired_fields, 2000);
}

/* The index must follow whatever becomes of the key. */
Test(member_expiry, the_index_follows_the_key) {
    static const struct {
        const char *line;
        size_t count[2]; /* sets in the index of databases 0 and 1, from then on */
    } steps[] = {
        {"RENAME s g", {1, 0}},
        {"EXPIRE g 1000", {1, 0}},
        {"PERSIST g", {1, 0}},
        {"COPY g s", {2, 0}},
        {"MOVE g 1", {1, 1}},
        {"SWAPDB 0 1", {1, 1}},
        {"SET g v", {0, 1}},
        {"SWAPDB 0 1", {1, 0}},
        {"COPY s k DB 1", {1, 1}},
        {"SREM s a b", {0, 1}},
        {"SPEXPIRE s 50 MEMBERS 1 c", {1, 1}},
        {"SPERSIST s MEMBERS 1 c", {0, 1}},
        {"SPEXPIRE s 50 MEMBERS 1 c", {1, 1}},
        {"SADD s c", {1, 1}},
        {"SADDEX s MEMBERS 1 c", {0, 1}},
        {"SPEXPIRE s 5000 MEMBERS 1 c", {1, 1}},
        {"SPEXPIRE s 50 MEMBERS 1 c", {1, 1}},
        {"SADD s d", {1, 1}},
        {"SMOVE s t c", {0, 1}},
        {"SADDEX s PX 50 MEMBERS 1 e", {1, 1}},
        {"SPOP s 5", {0, 1}},
        {"SADDEX s PX 50 MEMBERS 2 e f", {1, 1}},
        {"SPOP s", {1, 1}},
        {"SPOP s", {0, 1}},
        {"SADDEX s PX 50 MEMBERS 1 e", {1, 1}},
        {"DEL s", {0, 1}},
        {"SWAPDB 0 1", {1, 0}},
        {"SUNIONSTORE k none", {0, 0}},
        {"SADDEX s PX 100 MEMBERS 1 a", {1, 0}},
        {"SUNIONSTORE s s", {0, 0}},
        {"SADDEX s PX 100 MEMBERS 1 a", {1, 0}},
        {"FLUSHDB", {0, 0}},
    };

    fill();
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        engine_say(steps[i].line);
        for (int d = 0; d < 2; d++)
            cr_assert_eq(db(d)->parts.count, steps[i].count[d], "%s: %zu in %d", steps[i].line,
                         db(d)->parts.count, d);
    }
}

Test(member_expiry, a_key_and_its_members_may_be_due_together) {
    fill();
    engine_say("PEXPIRE s 100");
    pass_ms(100);
    expire_cycle();
    SAYS(":0\r\n", "DBSIZE");
    cr_assert_eq(db(0)->parts.count, 0);
    cr_assert_eq(db(0)->expires.count, 0);
}

/* ---------------------------------------------------------------- the commands */

Test(member_expiry, sexpire_answers_for_each_member) {
    engine_say("SADD s a b 3");
    SAYS("*3\r\n:1\r\n:-2\r\n:1\r\n", "SEXPIRE s 10 MEMBERS 3 a x 3");
    SAYS("*4\r\n:10\r\n:-1\r\n:10\r\n:-2\r\n", "STTL s MEMBERS 4 a b 3 x");
    SAYS("*2\r\n:0\r\n:1\r\n", "SEXPIRE s 20 NX MEMBERS 2 a b");
    SAYS("*2\r\n:1\r\n:1\r\n", "SEXPIRE s 30 XX MEMBERS 2 a b");
    SAYS("*2\r\n:0\r\n:1\r\n", "SEXPIRE s 25 GT MEMBERS 2 a 3");
    SAYS("*2\r\n:1\r\n:0\r\n", "SEXPIRE s 25 LT MEMBERS 2 a 3");
    SAYS("*1\r\n:1000000025\r\n", "SEXPIRETIME s MEMBERS 1 a");
    SAYS("*1\r\n:1000000025000\r\n", "SPEXPIRETIME s MEMBERS 1 a");
    SAYS("*2\r\n:1\r\n:-1\r\n", "SPERSIST s MEMBERS 2 a a");
    SAYS("*2\r\n:2\r\n:-2\r\n", "SEXPIRE s 0 MEMBERS 2 a a");
    SAYS("*1\r\n:2\r\n", "SEXPIREAT s 0 MEMBERS 1 b");
    SAYS(":1\r\n", "SCARD s");
    SAYS("*1\r\n:-2\r\n", "SEXPIRE none 10 MEMBERS 1 a");
    SAYS("*1\r\n:-2\r\n", "STTL none MEMBERS 1 a");
    SAYS("*1\r\n:-2\r\n", "SPERSIST none MEMBERS 1 a");
    SAYS("$9\r\nhashtable\r\n", "OBJECT ENCODING s");
}

Test(member_expiry, saddex_adds_members_with_times) {
    SAYS(":1\r\n", "SADDEX s EX 10 MEMBERS 2 a b");
    SAYS("*2\r\n:10\r\n:10\r\n", "STTL s MEMBERS 2 a b");
    SAYS(":1\r\n", "SADDEX s KEEPTTL MEMBERS 2 a c");
    SAYS("*2\r\n:10\r\n:-1\r\n", "STTL s MEMBERS 2 a c");
    SAYS(":1\r\n", "SADDEX s MEMBERS 1 a");
    SAYS("*1\r\n:-1\r\n", "STTL s MEMBERS 1 a");
    SAYS(":0\r\n", "SADDEX s MXX MEMBERS 2 a x");
    SAYS(":0\r\n", "SADDEX s MNX EX 9 MEMBERS 2 x a");
    SAYS(":0\r\n", "SISMEMBER s x");
    SAYS(":1\r\n", "SADDEX s MNX MEMBERS 2 x x");
    SAYS(":1\r\n", "SADDEX s MXX MEMBERS 1 x PXAT 2000000000000");
    SAYS("*1\r\n:2000000000\r\n", "SEXPIRETIME s MEMBERS 1 x");
    SAYS(":1\r\n", "SADDEX s PXAT 1 MEMBERS 3 x y a");
    SAYS(":2\r\n", "SCARD s");
    SAYS(":1\r\n", "SADDEX none PXAT 1 MEMBERS 1 y");
    SAYS(":0\r\n", "EXISTS none");
}

Test(member_expiry, they_say_what_is_wrong) {
    static const struct {
        const char *line, *error;
    } rows[] = {
        {"SEXPIRE s 10 MEMBER 1 a",
         "Mandatory argument MEMBERS is missing or not at the right position"},
        {"SEXPIRE s 10 MEMBERS 0 a", "Parameter `numMembers` should be greater than 0"},
        {"SEXPIRE s 10 MEMBERS 2 a",
         "The `nummembers` parameter must match the number of arguments"},
        {"SEXPIRE s x MEMBERS 1 a", "value is not an integer or out of range"},
        {"SEXPIRE s -1 MEMBERS 1 a", "invalid expire time, must be >= 0"},
        {"SPEXPIRE s 70368744177664 MEMBERS 1 a", "invalid expire time in 'spexpire' command"},
        {"STTL s MEMBERS x a", "Number of members must be a positive integer"},
        {"SPERSIST s MEMBERS 0 a", "Number of members must be a positive integer"},
        {"SADDEX s EX 10 MNX MXX x", "Only one of MXX or MNX arguments can be specified"},
        {"SADDEX s EX 10 KEEPTTL MEMBERS 1 a",
         "Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"},
        {"SADDEX s MEMBERS 0 a", "invalid number of members"},
        {"SADDEX s MEMBERS 2 a", "wrong number of arguments for 'saddex' command"},
        {"SADDEX s MEMBERS 1 a b", "unknown argument: b"},
        {"SADDEX s MEMBERS 1 a MEMBERS 1 a", "MEMBERS keyword specified multiple times"},
        {"SADDEX s EX 10 MNX", "missing MEMBERS argument"},
        {"SADDEX s FNX MEMBERS 1 a", "unknown argument: FNX"},
        {"SADDEX s MEMBERS 1 a EX", "missing expire time"},
        {"SADDEX s EX 9999999999999 MEMBERS 1 a", "invalid expire time in 'saddex' command"},
    };
    char want[160];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(want, sizeof want, "-ERR %s\r\n", rows[i].error);
        SAYS(want, rows[i].line);
    }
    engine_say("SET k v");
    for (const char *const *l =
             (const char *const[]){"SEXPIRE k 1 MEMBERS 1 a", "STTL k MEMBERS 1 a",
                                   "SPERSIST k MEMBERS 1 a", "SADDEX k MEMBERS 1 a", NULL};
         *l; l++)
        cr_assert_eq(strncmp(engine_say(*l), "-WRONGTYPE", 10), 0, "%s", *l);
}
