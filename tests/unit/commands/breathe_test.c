/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Commands of much to tell let others be served from within: with the smallest of slices, once for
 * each element; but others get half of the time at the most, so under a sanitizer once for every
 * second one, or a little less.
 */
#include "engine_help.h"
#include "server/exec/breathe.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { MANY = 200 };

static unsigned served;

static void serve(void *arg, struct engine *e) {
    (void)arg, (void)e;
    served++;
}

static void begin(void) {
    char line[100];

    engine_begin();
    engine.hooks.serve_within = serve;
    for (int i = 1; i <= MANY; i++) {
        snprintf(line, sizeof line, "XADD x %d-1 f v", i);
        engine_say(line);
        snprintf(line, sizeof line, "SADD s member:%d", i);
        engine_say(line);
        snprintf(line, sizeof line, "HSET h field:%d v", i);
        engine_say(line);
        snprintf(line, sizeof line, "ZADD z %d member:%d", i, i);
        engine_say(line);
    }
    engine_say("XGROUP CREATE x g 0");
    engine_say("XREADGROUP GROUP g u STREAMS x >");
    engine.slice_ns = 1;
    engine.breath.limit = 1;
}

TestSuite(breathes, .init = begin, .fini = engine_end);

/* How often others were served. */
static unsigned within(const char *line) {
    served = 0;
    cr_assert_neq(engine_say(line)[0], '-', "%s", line);
    return served;
}

Test(breathes, what_is_pending) {
    cr_expect_geq(within("XPENDING x g - + 1000"), MANY / 4);
    cr_expect_geq(within("XPENDING x g - + 1000 u"), MANY / 4);
    cr_expect_geq(within("XPENDING x g IDLE 1000 - + 1000"), MANY / 4);
}

/* The entries, and what is pending in the group and again for the consumer. */
Test(breathes, all_of_a_stream) {
    cr_expect_geq(within("XINFO STREAM x FULL COUNT 0"), 3 * MANY / 4);
}

Test(breathes, entries_of_several_streams) {
    cr_expect_geq(within("XREAD STREAMS x x 0 0"), MANY / 2);
}

/* Once to find what is there, and once for the reply. */
Test(breathes, what_a_consumer_reads_again) {
    cr_expect_geq(within("XREADGROUP GROUP g u STREAMS x 0"), MANY / 2);
    cr_expect_str_eq(engine_say("XPENDING x g 1 1 1"),
                     "*1\r\n*4\r\n$3\r\n1-1\r\n$1\r\nu\r\n:0\r\n:2\r\n");
}

/* Something has changed by then. */
Test(breathes, not_once_entries_were_given) {
    engine_say("XADD x * f v");
    cr_expect_eq(within("XREADGROUP GROUP g u STREAMS x >"), 0);
    cr_expect_eq(within("XREADGROUP GROUP g new STREAMS x 0"), 0);
}

Test(breathes, picks) {
    cr_expect_geq(within("SRANDMEMBER s 150"), 35);
    cr_expect_geq(within("SRANDMEMBER s -150"), 35);
    cr_expect_geq(within("HRANDFIELD h 150"), 35);
    cr_expect_geq(within("HRANDFIELD h -150 WITHVALUES"), 35);
    cr_expect_geq(within("ZRANDMEMBER z 150"), 35);
    cr_expect_geq(within("ZRANDMEMBER z -150"), 35);
    cr_expect_geq(within("SPOP s 1000"), MANY / 4);
}
