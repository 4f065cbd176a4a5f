/* SPDX-License-Identifier: BSD-3-Clause
 *
 * exec_help - an engine with a handful of commands of its own, and sessions that write nowhere.
 *
 * SET key value (write), GET key, INCR key (logged as a SET), PING, ALL (reads the whole keyspace),
 * CLEAR (changes it), HOLD (blocks), TAKE key... timeout (waits for a key and takes its value), BOX
 * OPEN | BOX SHUT key. FAIL changes nothing and fails.
 */
#ifndef TEST_EXEC_HELP_H
#define TEST_EXEC_HELP_H

#include "server/exec/blocking.h"
#include "server/exec/multi.h"

extern struct engine engine;
extern struct session one, two;
extern unsigned woken, resumed, closed; /* up-calls of any session */
extern bool hold_is_over;
extern struct session *close_on_wake; /* closed at once when it is woken, as for too much output */

/* CONFIG SET notify-keyspace-events. */
void exec_events(const char *classes);

/* Every keyspace event is published, and this session subscribes to all of them, in RESP3. */
void exec_tell(struct session *s);

void exec_begin(void);                                          /* without a log */
void exec_begin_with(void (*more)(struct command_registry *r)); /* with more commands than these */
void exec_begin_logged(void); /* with one, in a directory of its own; policy always */
void exec_begin_logged_with(void (*more)(struct command_registry *r));
void exec_end(void);

/* Another engine of the process, with the same commands. It ends before exec_end(). */
struct engine *exec_guest(void);
void exec_guest_end(struct engine *e);

/* The log takes no write (or sync) until exec_go_on; the second lets and waits for all. */
void exec_stop_writes(void);
void exec_stop_syncs(void);
void exec_go_on(void);

/* Feeds text to a session; how much was used up. */
size_t feed(struct session *s, const char *text);

/* All of the session's output, sendable or not, which it then has no more. */
const char *output(struct session *s);

/* What may leave now, without taking it. */
const char *sendable(struct session *s);

/* The reply to one inline command of session one. */
const char *say(const char *line);

#endif
