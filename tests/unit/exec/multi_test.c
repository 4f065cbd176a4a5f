/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Transactions: queueing, watching, and that the log has them as one.
 */
#include "exec_help.h"
#include "server/exec/multi.h"
#include "server/exec/turn.h"
#include "storage/base/hash.h"

#include <criterion/criterion.h>

TestSuite(multi, .init = exec_begin, .fini = exec_end);

static const char *both(const char *input) {
    feed(&one, input);
    return output(&one);
}

Test(multi, what_is_queued_is_executed_by_exec) {
    cr_assert_str_eq(both("MULTI\r\nSET k v\r\nGET k\r\n"), "+OK\r\n+QUEUED\r\n+QUEUED\r\n");
    cr_assert_str_eq((feed(&two, "GET k\r\n"), output(&two)), "$-1\r\n");
    cr_assert_str_eq(say("EXEC"), "*2\r\n+OK\r\n$1\r\nv\r\n");
    cr_assert_null(one.multi);
    cr_assert_str_eq(say("EXEC"), "-ERR EXEC without MULTI\r\n");
}

Test(multi, a_refused_command_aborts_it) {
    both("MULTI\r\nSET k\r\nSET k v\r\n");
    cr_assert_str_eq(say("EXEC"),
                     "-EXECABORT Transaction discarded because of previous errors.\r\n");
    cr_assert_str_eq(say("GET k"), "$-1\r\n");
}

Test(multi, a_watched_key_that_changes_prevents_it) {
    both("WATCH k other\r\nMULTI\r\nSET k mine\r\n");
    feed(&two, "SET k theirs\r\n");
    cr_assert_str_eq(say("EXEC"), "*-1\r\n");
    cr_assert_str_eq(say("GET k"), "$6\r\ntheirs\r\n");
    both("WATCH k\r\nGET k\r\nMULTI\r\nSET k mine\r\n");
    feed(&two, "GET k\r\nSET other 1\r\n");
    cr_assert_str_eq(say("EXEC"), "*1\r\n+OK\r\n", "reading changes nothing");
    cr_assert_eq(engine.interests.n, 0);
}

Test(multi, emptying_the_data_concerns_watched_keys_that_were_there) {
    both("SET k v\r\nWATCH none\r\nMULTI\r\nPING\r\n");
    feed(&two, "CLEAR\r\n");
    cr_assert_str_eq(say("EXEC"), "*1\r\n+PONG\r\n");
    both("SET k v\r\nWATCH k\r\nMULTI\r\nPING\r\n");
    feed(&two, "CLEAR\r\n");
    cr_assert_str_eq(say("EXEC"), "*-1\r\n");
}

Test(multi, a_watched_key_whose_time_comes_prevents_it) {
    struct db *db = &engine.ks.dbs[0];

    clock_set_virtual(5000);
    clock_refresh();
    db_set_string(db, SLICE("k"), hash_bytes("k", 1), NULL, SLICE("1"), clock_cached_ms() + 10, 0);
    both("WATCH k\r\nMULTI\r\nPING\r\n");
    clock_advance_ms(20);
    clock_refresh();
    cr_assert_str_eq(say("EXEC"), "*-1\r\n");
}

Test(multi, discard_and_a_closed_session_leave_nothing) {
    both("WATCH k\r\nMULTI\r\nSET k v\r\nDISCARD\r\n");
    cr_assert_null(one.multi);
    both("WATCH k\r\nMULTI\r\nSET k v\r\n");
    multi_reset(&one);
    cr_assert_eq(engine.interests.n, 0);
}

Test(multi, nothing_waits_inside) {
    both("MULTI\r\nTAKE none 0\r\n");
    cr_assert_str_eq(say("EXEC"), "*1\r\n*-1\r\n");
    cr_assert_eq(engine.nblocked, 0);
}

Test(multi, who_waits_is_served_when_all_of_it_is_done) {
    feed(&two, "TAKE a b 0\r\n");
    both("MULTI\r\nSET b 1\r\nSET a 2\r\nEXEC\r\n");
    cr_assert_str_eq(output(&two), "$1\r\n2\r\n", "by the order of its own arguments");
}

TestSuite(multi_logged, .init = exec_begin_logged, .fini = exec_end);

Test(multi_logged, its_reply_waits_for_all_of_it) {
    exec_stop_writes();
    feed(&one, "MULTI\r\nSET k v\r\nINCR n\r\nEXEC\r\n");
    engine_before_wait(&engine);
    cr_assert_str_eq(sendable(&one), "+OK\r\n+QUEUED\r\n+QUEUED\r\n");
    exec_go_on();
    cr_assert_str_eq(sendable(&one), "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:1\r\n");
}
