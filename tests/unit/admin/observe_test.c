/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is noted of commands: SLOWLOG, LATENCY, MONITOR; and what tells of the server without
 * replicas: ROLE, WAIT.
 */
#include "admin_help.h"
#include "server/exec/blocking.h"
#include "server/exec/observe.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct help *h;

static void end(void) {
    help_free(h);
}

TestSuite(observe, .fini = end);

#define ASK(words, want) cr_assert_str_eq(help_ask(&h->a, words), want)

static bool has(const char *text, const char *part) {
    cr_assert(strstr(text, part), "'%s' has no '%s'", text, part);
    return true;
}

Test(observe, the_slow_log_keeps_the_newest) {
    h = help_new("--slowlog-log-slower-than 0 --slowlog-max-len 2");
    for (int i = 0; i < 5; i++) help_ask(&h->a, "CLIENT ID");
    ASK("SLOWLOG LEN", ":2|");
    has(help_ask(&h->a, "SLOWLOG GET 1"), "*2|$7|SLOWLOG|$3|LEN|");
    ASK("SLOWLOG GET -2", "-ERR count should be greater than or equal to -1|");
    help_ask(&h->a, "CONFIG SET slowlog-log-slower-than -1");
    ASK("SLOWLOG RESET", "+OK|");
    ASK("SLOWLOG LEN", ":0|");
    ASK("SLOWLOG GET", "*0|");
}

Test(observe, hotkeys_has_one_session) {
    h = help_new(NULL);
    ASK("HOTKEYS GET", "$-1|");
    ASK("HOTKEYS STOP", "$-1|");
    ASK("HOTKEYS RESET", "+OK|");
    ASK("HOTKEYS START METRICS 2 NET CPU COUNT 64 DURATION 1000 SAMPLE 3", "+OK|");
    ASK("HOTKEYS START METRICS 1 CPU", "-ERR hotkeys tracking session already in progress|");
    ASK("HOTKEYS RESET", "-ERR hotkeys tracking session in progress, stop it first|");
    has(help_ask(&h->a, "HOTKEYS GET"),
        "*24|$15|tracking-active|:1|$12|sample-ratio|:3|$14|selected-slots|*0|$25|all-commands");
    ASK("HOTKEYS STOP", "+OK|");
    ASK("HOTKEYS STOP", "$-1|");
    has(help_ask(&h->a, "HOTKEYS GET"), "$15|tracking-active|:0|");
    has(help_ask(&h->a, "HOTKEYS GET"), "$14|by-cpu-time-us|*0|$12|by-net-bytes|*0|");
    ASK("HOTKEYS RESET", "+OK|");
    ASK("HOTKEYS GET", "$-1|");
}

Test(observe, hotkeys_says_what_is_wrong) {
    static const char *const wrong[][2] = {
        {"", "METRICS is missing"},
        {"COUNT 5", "METRICS is missing"},
        {"METRICS", "syntax error"},
        {"METRICS 3 CPU NET CPU", "METRICS count must be 1 or 2"},
        {"METRICS 2 CPU CPU", "METRICS needs as many of CPU and NET as its count says"},
        {"METRICS 1 CPU METRICS 1 NET", "syntax error"},
        {"METRICS 1 CPU COUNT 0", "COUNT must be 1 to 64"},
        {"METRICS 1 CPU DURATION -1", "DURATION must be 0 to 1000000 seconds"},
        {"METRICS 1 CPU SAMPLE 0", "SAMPLE ratio must be positive"},
        {"METRICS 1 CPU SAMPLE", "syntax error"},
        {"METRICS 1 CPU SLOTS 1 0", "SLOTS is for servers in cluster mode"},
    };
    char line[128], want[128];

    h = help_new(NULL);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(line, sizeof line, "HOTKEYS START %s", wrong[i][0]);
        snprintf(want, sizeof want, "-ERR %s|", wrong[i][1]);
        ASK(line, want);
    }
    ASK("HOTKEYS GET", "$-1|");
}

Test(observe, large_requests_and_replies_have_their_logs) {
    h = help_new("--commandlog-request-larger-than 100 --commandlog-reply-larger-than 100 "
                 "--commandlog-large-reply-max-len 1 --slowlog-log-slower-than -1");
    ASK("COMMANDLOG LEN large-request", ":0|");
    help_ask(&h->a,
             "CLIENT SETNAME "
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    ASK("COMMANDLOG LEN large-request", ":1|");
    ASK("COMMANDLOG LEN large-reply", ":0|");
    help_ask(&h->a, "CLIENT LIST");
    help_ask(&h->a, "CLIENT INFO");
    ASK("COMMANDLOG LEN LARGE-REPLY", ":1|");
    has(help_ask(&h->a, "COMMANDLOG GET -1 large-reply"), "*2|$6|CLIENT|$4|INFO|");
    has(help_ask(&h->a, "COMMANDLOG GET 1 large-request"), "*3|$6|CLIENT|$7|SETNAME|$80|xxx");
    ASK("COMMANDLOG LEN slow", ":0|");
    ASK("COMMANDLOG RESET large-request", "+OK|");
    ASK("COMMANDLOG LEN large-request", ":0|");
    ASK("COMMANDLOG GET x fast", "-ERR count should be greater than or equal to -1|");
    ASK("COMMANDLOG GET x slow", "-ERR count should be greater than or equal to -1|");
    ASK("COMMANDLOG GET -2 slow", "-ERR count should be greater than or equal to -1|");
    ASK("COMMANDLOG LEN fast",
        "-ERR type should be one of the following: slow, large-request, large-reply|");
    ASK("COMMANDLOG LEN", "-ERR wrong number of arguments for 'commandlog|len' command|");
    ASK("CONFIG SET commandlog-execution-slower-than 0", "+OK|");
    ASK("SLOWLOG RESET", "+OK|");
    ASK("COMMANDLOG LEN slow", ":1|");
    help_ask(&h->a, "CONFIG SET commandlog-large-reply-max-len 0");
    help_ask(&h->a, "CONFIG SET commandlog-reply-larger-than -1");
}

Test(observe, long_arguments_are_shortened_and_secrets_left_out) {
    char words[600] = "ECHO ";
    const char *got;

    h = help_new("--slowlog-log-slower-than 0");
    memset(words + 5, 'x', 200);
    words[205] = '\0';
    help_ask(&h->a, words + 0);
    help_ask(&h->a, "AUTH hidden");
    help_ask(&h->a, "CONFIG SET masterauth hidden");
    strcpy(words, "CLIENT");
    for (int i = 0; i < 40; i++) strcat(words, " word");
    help_ask(&h->a, words);
    got = help_ask(&h->a, "SLOWLOG GET");
    cr_assert(!strstr(got, "hidden"));
    has(got, "$4|AUTH|$10|(redacted)|");
    has(got, "$10|masterauth|$10|(redacted)|");
}

Test(observe, latency_is_noted_above_its_threshold) {
    h = help_new("--enable-debug-command yes --latency-monitor-threshold 100");
    ASK("LATENCY LATEST", "*0|");
    ASK("LATENCY HISTORY command", "*0|");
    ASK("LATENCY GRAPH command", "-ERR No samples available for event 'command'|");
    help_ask(&h->a, "DEBUG SLEEP 0.12");
    help_ask(&h->a, "CLIENT ID");
    has(help_ask(&h->a, "LATENCY LATEST"), "*1|*4|$7|command|:");
    has(help_ask(&h->a, "LATENCY HISTORY command"), "*1|*2|:");
    has(help_ask(&h->a, "LATENCY GRAPH command"), "command - high ");
    has(help_ask(&h->a, "LATENCY DOCTOR"), "1. command: 1 latency spikes");
    ASK("LATENCY RESET other", ":0|");
    ASK("LATENCY RESET", ":1|");
    ASK("LATENCY LATEST", "*0|");
}

Test(observe, buckets_have_an_eighth_of_their_octave) {
    h = help_new(NULL);
    for (int i = 0; i < OBSERVE_BUCKETS - 1; i++) {
        uint64_t ends_ns = (uint64_t)(observe_bucket_us(i) * 1000 + 0.5);

        cr_assert_eq(observe_bucket(ends_ns - 1), (unsigned)i);
        cr_assert_eq(observe_bucket(ends_ns), (unsigned)i + 1);
    }
    cr_expect_eq(observe_bucket(1023), 7);
    cr_expect_eq(observe_bucket(1024), 8);
    cr_expect_eq(observe_bucket(UINT64_MAX), OBSERVE_BUCKETS - 1);
    cr_expect_float_eq(observe_bucket_us(-1), 0, 0);
}

/* What it took, and at most an eighth more. */
Test(observe, percentiles_tell_the_time) {
    const char *at;
    double p50, took;

    h = help_new("--enable-debug-command yes");
    help_ask(&h->a, "DEBUG SLEEP 0.02");
    at = strstr(help_ask(&h->a, "INFO latencystats"), "usec_debug:p50=");
    cr_assert(at);
    p50 = atof(at + 15);
    at = strstr(help_ask(&h->a, "INFO commandstats"), "cmdstat_debug:calls=1,usec=");
    cr_assert(at);
    took = atof(at + 27);
    cr_expect(took >= 20000 && p50 >= took && p50 <= took * 1.126, "%f %f", took, p50);
    help_ask(&h->a, "CONFIG SET latency-tracking no");
    help_ask(&h->a, "CLIENT ID");
    ASK("LATENCY HISTOGRAM client", "*0|");
}

/* A busy machine may let it sleep for longer, so it may take several attempts. */
static bool histogram_of_two_sleeps(void) {
    help_ask(&h->a, "CONFIG RESETSTAT");
    help_ask(&h->a, "DEBUG SLEEP 0.07");
    help_ask(&h->a, "DEBUG SLEEP 0.28");
    return strcmp(help_ask(&h->a, "LATENCY HISTOGRAM debug nosuch"),
                  "*2|$5|debug|*4|$5|calls|:2|$14|histogram_usec|*4|:135266|:1|:541065|:2|") == 0;
}

Test(observe, histograms_are_cumulative) {
    int attempts = 0;

    h = help_new("--enable-debug-command yes");
    while (!histogram_of_two_sleeps()) cr_assert_lt(++attempts, 100);
    ASK("LATENCY HISTOGRAM client", "*0|");
    help_ask(&h->a, "CLIENT ID");
    has(help_ask(&h->a, "LATENCY HISTOGRAM client"), "*2|$9|client|id|*4|$5|calls|:1|");
}

Test(observe, a_monitor_sees_what_others_do) {
    h = help_new(NULL);
    cr_assert_str_eq(help_ask(&h->b, "MONITOR"), "+OK|");
    help_ask(&h->a, "CLIENT GETNAME");
    help_ask(&h->a, "AUTH hidden");
    help_ask(&h->a, "CONFIG GET port");
    cr_assert(h->b.s.flags & SESSION_MONITOR);
    has(help_ask(&h->b, "HELLO 2"), "\"CLIENT\" \"GETNAME\"|");
    help_ask(&h->a, "CLIENT ID");
    cr_assert_gt(help_sendable(&h->b), 0);
    help_ask(&h->b, "RESET");
    cr_assert_eq(h->e.nmonitors, 0);
}

Test(observe, there_are_no_replicas_to_wait_for) {
    h = help_new(NULL);
    ASK("ROLE", "*3|$6|master|:0|*0|");
    ASK("WAIT 0 0", ":0|");
    ASK("WAIT x 0", "-ERR value is not an integer or out of range|");
    ASK("WAIT 1 -1", "-ERR timeout is negative|");
    ASK("WAIT 1 10", "");
    cr_assert_eq(h->a.s.state, SESSION_BLOCKED);
    blocked_check_time(&h->e, clock_mono_us() + 20000);
    cr_assert_eq(h->a.s.state, SESSION_ACTIVE);
}

Test(observe, memory_of_a_key) {
    h = help_new(NULL);
    ASK("MEMORY USAGE none", "$-1|");
    ASK("MEMORY USAGE none SAMPLES -1", "-ERR syntax error|");
    ASK("MEMORY USAGE none SAMPLES", "-ERR syntax error|");
    ASK("MEMORY PURGE", "+OK|");
    has(help_ask(&h->a, "MEMORY STATS"), "$13|dataset.bytes|:");
}
