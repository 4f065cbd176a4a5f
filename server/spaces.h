/* SPDX-License-Identifier: BSD-3-Clause
 *
 * spaces - the engines beside the first one, for the name spaces of a test double
 * (server/double/space.h): what they are made of, and their part in each turn of the loop.
 *
 * An engine of a space has an AOF that is off, no replication and a copy of admin's facts. Commands
 * about files and replicas answer an error in it. Without spaces nothing here is called in a turn.
 */
#ifndef STET_SERVER_SPACES_H
#define STET_SERVER_SPACES_H

#include "server/app.h"

static inline bool spaces_are_there(const struct app *a) {
    return !list_empty(&a->engine.kin);
}

/* Some engine is inside of a script that takes long. */
bool spaces_busy(struct app *a);

/* What the first engine has in a turn of the loop and in cron, for the others. It comes before the
 * first engine's turn, which sends what all have to say. */
void app_spaces_before_wait(struct app *a);
void app_spaces_cron(struct app *a);

/* After the last space has gone. */
void app_spaces_end(struct app *a);

/* For server/double. `app` is a struct app. */
struct engine *app_space_make(void *app);
struct loop_timer *app_space_timer(struct engine *e);
void app_space_release(void *app, struct engine *e);
void app_space_moves(void *app, const struct session *s);

#endif
