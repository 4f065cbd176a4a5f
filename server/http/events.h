/* SPDX-License-Identifier: BSD-3-Clause
 *
 * events - /events: what the page shows, as one JSON object a second (server-sent events).
 *
 * The object is made once for all streams. Its fields: `info` (every field of INFO), `commands`,
 * `errors`, `databases`, `slow`, `clients`, `keys` (sample.h), `changed` (parameters), `ready` or
 * `reason`, `backup`.
 */
#ifndef STET_HTTP_EVENTS_H
#define STET_HTTP_EVENTS_H

#include "server/http/http_impl.h"

bool events_answer(struct http_conn *c);

/* A second is over. */
void events_send(struct http *h);

/* Keeps the present values of all parameters, to be compared with later. */
void events_note_parameters(struct http *h);

#endif
