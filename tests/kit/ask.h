/* SPDX-License-Identifier: BSD-3-Clause
 *
 * ask - hiredis with short words: a command's reply as text, INFO fields, conditions on them.
 *
 * The text form is that of resp3.h (RESP2 part): "+OK", ":5", "$text", "(nil)", "-ERR ...", "[a
 * b]".
 */
#ifndef STET_TESTS_ASK_H
#define STET_TESTS_ASK_H

#include <hiredis/hiredis.h>
#include <stdbool.h>

#include "tests/kit/server.h"

/* A connection; released by kit_end(). Fails the test if there is none. */
redisContext *ask_open(struct server *s);

/* The reply as text, "(closed)" if the connection is gone; valid until the next call. */
const char *ask(redisContext *c, const char *format, ...);

/* Sends a command without waiting for its reply, in one with what redisAppendCommand left. */
void ask_send(redisContext *c, const char *format, ...);

/* The next reply to what was sent with ask_send or redisAppendCommand, or to a command that made
 * the client wait. */
const char *ask_next(redisContext *c);

/* Kills the server and starts it again from its AOF, twice: as the AOF is, and after a rewrite;
 * asserts that DEBUG DIGEST says the same each time. Returns a new connection. */
redisContext *ask_through_restarts(struct server *s, redisContext *c);
#define ASK_AOF "--appendonly", "yes", "--enable-debug-command", "yes"

/* INFO everything's value of a field, "" if it is not there; valid until the next call. */
const char *ask_info(redisContext *c, const char *field);
long long ask_info_int(redisContext *c, const char *field);

/* Waits until the field has this value, or is at least `min`; fails the test at the deadline. */
void ask_wait_info(redisContext *c, const char *field, const char *value);
void ask_wait_info_min(redisContext *c, const char *field, long long min);

/* Waits until no rewrite runs or is scheduled; asserts that the last one was well. */
void ask_wait_rewrite(redisContext *c);

/* EXPECT(c, "+OK", "SET %s %s", "k", "v") */
#define EXPECT(c, want, ...) cr_assert_str_eq(ask(c, __VA_ARGS__), want)
#define EXPECT_NEXT(c, want) cr_assert_str_eq(ask_next(c), want)
#define EXPECT_PREFIX(c, want, ...)                                                                \
    do {                                                                                           \
        const char *got_ = ask(c, __VA_ARGS__);                                                    \
        cr_assert(strncmp(got_, want, strlen(want)) == 0, "want '%s...', got '%s'", want, got_);   \
    } while (0)

#endif
