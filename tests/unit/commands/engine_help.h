/* SPDX-License-Identifier: BSD-3-Clause
 *
 * engine_help - an engine with the data commands and one client, without network, log or real time.
 */
#ifndef TEST_ENGINE_HELP_H
#define TEST_ENGINE_HELP_H

#include "server/exec/call.h"

extern struct engine engine;

void engine_begin(void); /* the clock stands at 1,000,000,000,000 ms */
void engine_end(void);

/* Sends bytes as they are; what the client got, valid until the next call. */
struct slice engine_send(const char *bytes, size_t n);

/* One inline command; the reply. */
const char *engine_say(const char *line);

/* The protocol that the client speaks: 2 or 3. */
void engine_speak(int resp);

/* The events since the last call, as "new:k set:k"; "@1" after a key of another database. */
const char *engine_events(void);

#endif
