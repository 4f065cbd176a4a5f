/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How often a key was used, as LFU policies count it.
 */
#include "conf/conf.h"
#include "exec_help.h"
#include "server/exec/access.h"
#include "server/exec/session.h"
#include "storage/base/hash.h"

#include <criterion/criterion.h>

TestSuite(access, .init = exec_begin, .fini = exec_end);

static struct entry *key_with(const char *policy) {
    struct slice pair[] = {SLICE("maxmemory-policy"), slice_str(policy)};
    struct err err;

    clock_set_virtual(INT64_C(1000000000000));
    clock_refresh();
    cr_assert_eq(conf_set(engine.conf, pair, 1, true, &err), 0);
    say("SET k v");
    return db_find(&engine.ks.dbs[0], SLICE("k"), hash_bytes("k", 1));
}

Test(access, the_counter_rises_ever_more_slowly) {
    struct entry *k = key_with("allkeys-lfu");
    unsigned after_10, after_1000;

    access_begin(&engine, k);
    cr_assert_eq(access_frequency(&engine, k), 5);
    for (int i = 0; i < 10; i++) say("GET k");
    after_10 = access_frequency(&engine, k);
    for (int i = 0; i < 990; i++) say("GET k");
    after_1000 = access_frequency(&engine, k);
    cr_assert(after_10 >= 6 && after_10 <= 12, "%u", after_10);
    cr_assert(after_1000 > after_10 && after_1000 < 40, "%u", after_1000);
    for (int i = 0; i < 300000; i++) access_count(&engine, k);
    cr_assert_gt(access_frequency(&engine, k), 100);
}

Test(access, the_counter_falls_with_time) {
    struct entry *k = key_with("volatile-lfu");

    access_begin(&engine, k);
    clock_advance_ms(3 * 60000);
    clock_refresh();
    cr_assert_eq(access_frequency(&engine, k), 2);
    clock_advance_ms(60 * 60000);
    clock_refresh();
    cr_assert_eq(access_frequency(&engine, k), 0);
}

Test(access, who_does_not_touch_does_not_count) {
    struct entry *k = key_with("allkeys-lfu");

    access_begin(&engine, k);
    one.flags |= SESSION_NO_TOUCH;
    say("GET k");
    cr_assert_eq(access_frequency(&engine, k), 5);
}

Test(access, other_policies_note_the_time) {
    struct entry *k = key_with("allkeys-lru");

    say("GET k");
    engine.lru_clock += 7;
    cr_assert_eq(access_idle_s(&engine, k), 7);
    say("GET k");
    cr_assert_eq(access_idle_s(&engine, k), 0);
}

Test(access, lrm_policies_note_the_last_change) {
    struct entry *k = key_with("allkeys-lrm");

    engine.lru_clock += 7;
    say("GET k");
    cr_assert_eq(access_idle_s(&engine, k), 7);
    say("SET k w");
    k = db_find(&engine.ks.dbs[0], SLICE("k"), hash_bytes("k", 1));
    cr_assert_eq(access_idle_s(&engine, k), 0);
}
