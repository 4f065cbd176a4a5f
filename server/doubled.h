/* SPDX-License-Identifier: BSD-3-Clause
 *
 * doubled - what the application does for a test double (server/double): the clock of the loop, the
 * crash, what is under way.
 */
#ifndef STET_SERVER_DOUBLED_H
#define STET_SERVER_DOUBLED_H

struct app;
struct engine;
struct loop_timer;
struct command_registry;

/* Adds the command TEST; before the registry is sealed. Nothing unless enable-test-commands. */
void doubled_register(const struct app *a, struct command_registry *r);

/* Once engine, loop and net are there. */
void doubled_build(struct app *a);

/* A test double for the engine of a space; `timer` is its own. */
void doubled_add(struct app *a, struct engine *e, struct loop_timer *timer);

/* The start is over. */
void doubled_started(struct app *a);

void doubled_release(struct app *a);

#endif
