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

/* Where the machine does something else while others are served, that is their time too, and the
 * command goes on without them as long. So the best of a few times counts. */
static unsigned at_best(const char *line, unsigned enough) {
    unsigned most = 0;

    for (int i = 0; i < 10 && most < enough; i++) {
        unsigned n = within(line);

        if (n > most) most = n;
    }
    return most;
}

#define EXPECT_SERVED(line, least)                                                                 \
    cr_expect_geq(at_best(line, least), (unsigned)(least), "%s", line)

Test(breathes, what_is_pending) {
    EXPECT_SERVED("XPENDING x g - + 1000", MANY / 4);
    EXPECT_SERVED("XPENDING x g - + 1000 u", MANY / 4);
    EXPECT_SERVED("XPENDING x g IDLE 1000 - + 1000", MANY / 4);
}

/* The entries, and what is pending in the group and again for the consumer. */
Test(breathes, all_of_a_stream) {
    EXPECT_SERVED("XINFO STREAM x FULL COUNT 0", 3 * MANY / 4);
}

Test(breathes, entries_of_several_streams) {
    EXPECT_SERVED("XREAD STREAMS x x 0 0", MANY / 2);
}

/* Once to find what is there, and once for the reply. */
Test(breathes, what_a_consumer_reads_again) {
    EXPECT_SERVED("XREADGROUP GROUP g u STREAMS x 0", MANY / 2);
    cr_expect_str_neq(engine_say("XPENDING x g 1 1 1"),
                      "*1\r\n*4\r\n$3\r\n1-1\r\n$1\r\nu\r\n:0\r\n:1\r\n",
                      "each reading counts as a delivery");
}

/* Something has changed by then. */
Test(breathes, not_once_entries_were_given) {
    engine_say("XADD x * f v");
    cr_expect_eq(within("XREADGROUP GROUP g u STREAMS x >"), 0);
    cr_expect_eq(within("XREADGROUP GROUP g new STREAMS x 0"), 0);
}

Test(breathes, picks) {
    EXPECT_SERVED("SRANDMEMBER s 150", 35);
    EXPECT_SERVED("SRANDMEMBER s -150", 35);
    EXPECT_SERVED("HRANDFIELD h 150", 35);
    EXPECT_SERVED("HRANDFIELD h -150 WITHVALUES", 35);
    EXPECT_SERVED("ZRANDMEMBER z 150", 35);
    EXPECT_SERVED("ZRANDMEMBER z -150", 35);
    EXPECT_SERVED("SPOP s 30", 7);
}
