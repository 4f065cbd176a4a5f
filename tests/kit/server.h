/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server - one server process under test, in a fresh directory of its own.
 *
 * The program is $STET_SERVER, else stet-server in $STET_BIN, else build/stet-server. It serves on
 * a free port; everything is awaited by condition with a deadline (20 s), never by a blind sleep.
 * Nothing is left running: the process dies with the test. kit_end(), the fini of every suite,
 * stops all servers and removes their directories; with STET_KEEP set they stay.
 *
 * A function that cannot do what its name says fails the running Criterion test.
 */
#ifndef STET_TESTS_SERVER_H
#define STET_TESTS_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

struct server;

/* A directory, and no process yet. */
struct server *server_new(void);

/* Starts the program with these arguments (up to a NULL) and waits until it answers PING. May be
 * called again after a stop or kill: same directory, other arguments. */
void server_start(struct server *s, ...) __attribute__((sentinel));

/* server_new() and server_start() in one. */
struct server *server_run(const char *arg, ...) __attribute__((sentinel));

/* Starts the program with exactly these arguments, no port among them, and does not wait. For
 * starts that fail: what they leak does not count. */
void server_launch(struct server *s, ...) __attribute__((sentinel));

/* What a launched server reads from standard input. Before server_launch(). */
void server_stdin(struct server *s, const char *text);

/* Waits for the process to end: its exit status, or minus the signal. */
int server_wait_exit(struct server *s);

void server_stop(struct server *s);            /* SHUTDOWN NOSAVE; exit status 0 is asserted */
int server_signal(struct server *s, int sig);  /* sends sig, returns server_wait_exit() */
void server_kill(struct server *s);            /* kill -9 */
void server_notify(struct server *s, int sig); /* sends sig only */

/* The server is now this process, which the launched one has started (a daemon); 0: it has
 * ended. */
void server_adopt(struct server *s, pid_t pid);

int server_port(const struct server *s);
pid_t server_pid(const struct server *s);
const char *server_dir(const struct server *s);

/* "DIR/name"; valid until the eighth call after. */
const char *server_path(const struct server *s, const char *name);
void server_write_file(struct server *s, const char *name, const char *text);
char *server_read_file(struct server *s, const char *name); /* caller frees; NULL if not there */
bool server_has_file(const struct server *s, const char *name);

/* What this start has written to standard output and error so far; the caller frees it. */
char *server_log(const struct server *s);
void server_wait_log(const struct server *s, const char *phrase);

const char *server_program(void); /* its absolute path */
bool server_is_stet(void);
#define STET_ONLY()                                                                                \
    if (!server_is_stet()) cr_skip_test("only for stet-server")

int kit_free_port(void);

/* True as soon as cond(arg) is; false after the deadline. */
bool kit_wait(bool (*cond)(void *), void *arg, int seconds);

/* Ends every server of this test. */
void kit_end(void);

#endif
